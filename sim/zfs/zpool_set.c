#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "zpool_internal.h"

bool zpool_parse_size(const char *text, uint64_t *out)
{
    static const char units[] = "BKMGTPE";
    const char *unit;
    char *end;
    double n;

    if (strcmp(text, "none") == 0) {
        *out = 0;
        return true;
    }
    if (!isdigit((unsigned char)text[0]))
        return false;
    *out = strtoull(text, &end, 10);
    n = strtod(text, &end);
    if (*end == '\0')
        return strchr(text, '.') == NULL;
    unit = strchr(units, toupper((unsigned char)*end));
    if (unit == NULL || (end[1] != '\0' && strcasecmp(end + 1, "B") != 0 && strcasecmp(end + 1, "iB") != 0))
        return false;
    n *= (double)(UINT64_C(1) << (10 * (unit - units)));
    if (n >= 0x1p62)
        return false;
    *out = (uint64_t)n;
    return true;
}

/* "a | b | c" has the value. */
static bool is_one_of(const char *values, const char *value)
{
    size_t len = strlen(value);

    for (const char *at = values; at != NULL; at = strstr(at, " | "), at = at == NULL ? NULL : at + 3)
        if (strncmp(at, value, len) == 0 && (at[len] == '\0' || at[len] == ' '))
            return true;
    return false;
}

/* zfs: lower case letters, digits, and ":+._-", with a colon. */
static bool is_user_property(const char *name)
{
    if (strchr(name, ':') == NULL)
        return false;
    for (const char *at = name; *at != '\0'; at++)
        if (!islower((unsigned char)*at) && !isdigit((unsigned char)*at) && strchr(":+._-", *at) == NULL)
            return false;
    return true;
}

static int check_native(const char *what, const struct zrpc_zpool_property *native, unsigned type,
                        const struct zrpc_zpool_setting *s, char value[static 32], struct zrpc_error *err)
{
    uint64_t n;

    if ((native->types & type) == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: '%s' does not apply to datasets of this type", what,
                         native->name);
    if (native->readonly)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: '%s' is readonly", what, native->name);
    if (type == ZRPC_ZPOOL_SNAPSHOT || type == ZRPC_ZPOOL_BOOKMARK)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: this property can not be modified for %ss", what,
                         type == ZRPC_ZPOOL_SNAPSHOT ? "snapshot" : "bookmark");
    if (native->values != NULL && !is_one_of(native->values, s->value))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: '%s' must be one of '%s'", what, native->name,
                         native->values);
    if (native->kind == ZRPC_ZPOOL_SIZE) {
        if (!zpool_parse_size(s->value, &n))
            return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: bad numeric value '%s'", what, s->value);
        if (n == 0 && strcmp(s->value, "none") != 0 && strstr(native->name, "quota") != NULL)
            return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: use 'none' to disable quota/refquota", what);
        snprintf(value, 32, "%llu", (unsigned long long)n);
    }
    if (strcmp(native->name, "mountpoint") == 0 && s->value[0] != '/' && strcmp(s->value, "none") != 0 &&
        strcmp(s->value, "legacy") != 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: '%s' must be an absolute path, 'none', or 'legacy'", what,
                         native->name);
    return 0;
}

static int check_quota(struct zrpc_zpool *p, const char *what, const struct zpool_fs *fs, const char *name,
                       const char *value, struct zrpc_error *err)
{
    uint64_t limit = 0, used = fs->content;
    int rc = 0;

    if (!zpool_parse_size(value, &limit) || limit == 0)
        return 0;
    if (strcmp(name, "quota") == 0)
        rc = zpool_used(p, fs->name, &used, err);
    else if (strcmp(name, "refquota") != 0)
        return 0;
    if (rc == 0 && limit < used)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "%s: size is less than current used or reserved space", what);
    return rc;
}

static int apply_one(struct zrpc_zpool *p, const char *what, const struct zpool_fs *fs,
                     const struct zpool_version *version, const struct zrpc_zpool_setting *s,
                     struct zrpc_error *err)
{
    const struct zrpc_zpool_property *native = zrpc_zpool_property_find(s->name);
    unsigned type = version == NULL     ? fs->volume ? ZRPC_ZPOOL_VOLUME : ZRPC_ZPOOL_FILESYSTEM
                    : version->bookmark ? ZRPC_ZPOOL_BOOKMARK
                                        : ZRPC_ZPOOL_SNAPSHOT;
    const char *name = native == NULL ? s->name : native->name, *value = s->value;
    char number[32] = "";
    int rc;

    if (native == NULL && !is_user_property(name))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: invalid property '%s'", what, name);
    if (strlen(name) >= ZRPC_ZFS_NAME_MAX)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: property name '%.40s...' is too long", what, name);
    if (strlen(value) >= ZRPC_ZPOOL_VALUE_MAX)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: property value too long", what);
    if (native == NULL && type == ZRPC_ZPOOL_BOOKMARK)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: operation not applicable to datasets of this type", what);
    rc = native == NULL ? 0 : check_native(what, native, type, s, number, err);
    if (number[0] != '\0')
        value = number;
    if (rc == 0)
        rc = check_quota(p, what, fs, name, value, err);
    if (rc != 0)
        return rc;
    return zpool_run(p, err, SQL_PROPERTY_SET, "iitt", fs->id, version == NULL ? (int64_t)0 : version->id,
                     name, value);
}

int zpool_apply(struct zrpc_zpool *p, const char *what, const struct zpool_fs *fs,
                const struct zpool_version *version, const struct zrpc_zpool_setting *settings, size_t n,
                struct zrpc_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = apply_one(p, what, fs, version, &settings[i], err);
    return rc;
}

/* *v: its id is 0 for a filesystem. */
static int require(struct zrpc_zpool *p, const char *name, struct zpool_fs *fs, struct zpool_version *v,
                   struct zrpc_error *err)
{
    char path[ZRPC_ZFS_NAME_MAX], part[ZRPC_ZFS_NAME_MAX], delimiter;
    int rc = zpool_split("cannot open", name, path, &delimiter, part, err);

    *v = (struct zpool_version){0};
    if (rc == 0)
        rc = zpool_fs_find(p, path, fs, err);
    if (rc == 1 && delimiter != 0)
        rc = zpool_version_find(p, fs->id, delimiter == '#', part, v, err);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': dataset does not exist", name);
    return rc < 0 ? rc : 0;
}

static int set(struct zrpc_zpool *p, const char *dataset, const struct zrpc_zpool_setting *settings, size_t n,
               struct zrpc_error *err)
{
    char what[ZRPC_ZFS_NAME_MAX + 32];
    struct zpool_version v;
    struct zpool_fs fs;
    int rc = require(p, dataset, &fs, &v, err);

    snprintf(what, sizeof what, "cannot set property for '%.*s'", ZRPC_ZFS_NAME_MAX - 1, dataset);
    return rc != 0 ? rc : zpool_apply(p, what, &fs, v.id == 0 ? NULL : &v, settings, n, err);
}

int zrpc_zpool_set(struct zrpc_zpool *p, const char *dataset, const struct zrpc_zpool_setting *settings,
                   size_t n, struct zrpc_error *err)
{
    int rc = zpool_begin(p, true, err);

    return rc != 0 ? rc : zpool_end(p, set(p, dataset, settings, n, err), err);
}

int zrpc_zpool_set_received(struct zrpc_zpool *p, const char *dataset, const char *name, const char *value,
                            struct zrpc_error *err)
{
    struct zpool_version v;
    struct zpool_fs fs;
    int rc = zpool_begin(p, true, err);

    if (rc != 0)
        return rc;
    rc = require(p, dataset, &fs, &v, err);
    if (rc == 0)
        rc = zpool_run(p, err, SQL_PROPERTY_SET_RECEIVED, "iitt", fs.id, v.id, name, value);
    return zpool_end(p, rc, err);
}

static int inherit_tree(struct zrpc_zpool *p, const struct zpool_fs *fs, const char *name, enum zpool_sql how,
                        struct zrpc_error *err)
{
    struct zrpc_zpool_datasets all = {0};
    int rc = zrpc_zpool_list(p, fs->name, ZRPC_ZPOOL_ANY_DEPTH, ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME,
                             &all, err);

    for (size_t i = 0; rc == 0 && i < all.len; i++)
        rc = zpool_run(p, err, how, "iit", all.items[i].fs, (int64_t)0, name);
    zrpc_zpool_datasets_dispose(&all);
    return rc;
}

static int inherit(struct zrpc_zpool *p, const char *dataset, const char *name, bool revert, bool recursive,
                   struct zrpc_error *err)
{
    const struct zrpc_zpool_property *native = zrpc_zpool_property_find(name);
    enum zpool_sql how = revert ? SQL_PROPERTY_REVERT : SQL_PROPERTY_MASK;
    const char *wrong = NULL;
    struct zpool_version v;
    struct zpool_fs fs;
    int rc = require(p, dataset, &fs, &v, err);

    if (rc != 0)
        return rc;
    if (native == NULL && !is_user_property(name))
        wrong = "invalid property";
    else if (native != NULL && native->readonly)
        wrong = "read-only property";
    else if (native != NULL && !native->inherits && !revert)
        wrong = "property cannot be inherited";
    if (wrong != NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot inherit %s for '%s': %s", name, dataset, wrong);
    name = native == NULL ? name : native->name;
    if (recursive && v.id == 0)
        return inherit_tree(p, &fs, name, how, err);
    return zpool_run(p, err, how, "iit", fs.id, v.id, name);
}

int zrpc_zpool_inherit(struct zrpc_zpool *p, const char *dataset, const char *name, bool revert,
                       bool recursive, struct zrpc_error *err)
{
    int rc = zpool_begin(p, true, err);

    return rc != 0 ? rc : zpool_end(p, inherit(p, dataset, name, revert, recursive, err), err);
}
