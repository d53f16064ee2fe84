#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "zpool_internal.h"

/* What one dataset has of its own. 1 and *out, or 0. `up`: of an ancestor. */
static int own(struct zrpc_zpool *p, int64_t fs, int64_t version, bool up, struct zrpc_zpool_value *out,
               struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_PROPERTY_GET, "iit", fs, version, out->name);
    int rc = zpool_step(p, s, err), column;
    bool local, received;

    if (rc != 1)
        return rc;
    local = sqlite3_column_type(s, 0) != SQLITE_NULL;
    received = sqlite3_column_type(s, 1) != SQLITE_NULL;
    if (!up && received) {
        out->has_received = true;
        zpool_text(s, 1, out->received, sizeof out->received);
    }
    received = received && sqlite3_column_int(s, 2) == 0;
    column = local ? 0 : 1;
    if (local || received) {
        zpool_text(s, column, out->value, sizeof out->value);
        out->source = up ? ZRPC_ZPOOL_INHERITED : local ? ZRPC_ZPOOL_LOCAL : ZRPC_ZPOOL_RECEIVED;
    }
    zpool_done(s);
    return local || received;
}

/* 1: an ancestor of fs has it, or fs itself where `from_self`. */
static int inherited(struct zrpc_zpool *p, int64_t fs, bool from_self, struct zrpc_zpool_value *out,
                     struct zrpc_error *err)
{
    struct zpool_fs at;
    int rc = zpool_fs_by_id(p, fs, &at, err), found;

    for (bool self = true; rc == 1; self = false) {
        if (!self || from_self) {
            found = own(p, at.id, 0, true, out, err);
            if (found != 0) {
                memcpy(out->from, at.name, sizeof out->from);
                return found;
            }
        }
        if (at.parent == 0)
            return 0;
        rc = zpool_fs_by_id(p, at.parent, &at, err);
    }
    return rc;
}

/* Below the one that has it, a mountpoint goes on with the rest of the path. */
static void extend_mountpoint(const char *name, struct zrpc_zpool_value *v)
{
    size_t len = strlen(v->value);

    if (v->source == ZRPC_ZPOOL_DEFAULT)
        snprintf(v->value, sizeof v->value, "/%s", name);
    else if (v->source == ZRPC_ZPOOL_INHERITED && v->value[0] == '/')
        snprintf(v->value + len, sizeof v->value - len, "%s",
                 name + strlen(v->from) + (len == 1 && name[strlen(v->from)] == '/'));
}

/* Name is in *out. 1, or 0: not set and without a default. */
static int setting_of(struct zrpc_zpool *p, int64_t fs, int64_t version,
                      const struct zrpc_zpool_property *native, struct zrpc_zpool_value *out,
                      struct zrpc_error *err)
{
    int rc = own(p, fs, version, false, out, err);

    if (rc == 0 && (native == NULL || native->inherits))
        rc = inherited(p, fs, version != 0, out, err);
    if (rc != 0)
        return rc;
    if (native == NULL || (native->initial == NULL && strcmp(native->name, "mountpoint") != 0))
        return 0;
    snprintf(out->value, sizeof out->value, "%s", native->initial == NULL ? "" : native->initial);
    out->source = native->inherits || !native->readonly ? ZRPC_ZPOOL_DEFAULT : ZRPC_ZPOOL_NONE;
    return 1;
}

int zpool_setting(struct zrpc_zpool *p, const struct zpool_fs *fs, const char *name,
                  struct zrpc_zpool_value *out, struct zrpc_error *err)
{
    *out = (struct zrpc_zpool_value){0};
    snprintf(out->name, sizeof out->name, "%s", name);
    return setting_of(p, fs->id, 0, zrpc_zpool_property_find(name), out, err);
}

static void put_number(struct zrpc_zpool_value *out, uint64_t n)
{
    snprintf(out->value, sizeof out->value, "%" PRIu64, n);
}

static void put_text(struct zrpc_zpool_value *out, const char *text)
{
    snprintf(out->value, sizeof out->value, "%s", text);
}

static const char *type_name(enum zrpc_zpool_type type)
{
    switch (type) {
    case ZRPC_ZPOOL_FILESYSTEM:
        return "filesystem";
    case ZRPC_ZPOOL_VOLUME:
        return "volume";
    case ZRPC_ZPOOL_SNAPSHOT:
        return "snapshot";
    default:
        return "bookmark";
    }
}

/* Figures that are numbers in the dataset. */
static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"creation", offsetof(struct zrpc_zpool_dataset, creation)},
    {"used", offsetof(struct zrpc_zpool_dataset, used)},
    {"available", offsetof(struct zrpc_zpool_dataset, available)},
    {"referenced", offsetof(struct zrpc_zpool_dataset, referenced)},
    {"createtxg", offsetof(struct zrpc_zpool_dataset, createtxg)},
    {"guid", offsetof(struct zrpc_zpool_dataset, guid)},
    {"written", offsetof(struct zrpc_zpool_dataset, written)},
    {"logicalused", offsetof(struct zrpc_zpool_dataset, used)},
    {"logicalreferenced", offsetof(struct zrpc_zpool_dataset, referenced)},
    {"userrefs", offsetof(struct zrpc_zpool_dataset, userrefs)},
    {"usedbydataset", offsetof(struct zrpc_zpool_dataset, referenced)},
    {"objsetid", offsetof(struct zrpc_zpool_dataset, fs)},
};

static int put_token(struct zrpc_zpool *p, const struct zrpc_zpool_dataset *d, struct zrpc_zpool_value *out,
                     struct zrpc_error *err)
{
    struct zrpc_buf token = {0};
    int rc = zpool_resume_token(p, NULL, d->name, &token, err);

    if (rc == 1)
        put_text(out, (const char *)zrpc_buf_view(&token).data);
    zrpc_buf_dispose(&token);
    return rc;
}

/* 1 and *out; 0: it has none. */
static int figure(struct zrpc_zpool *p, const struct zrpc_zpool_dataset *d, struct zrpc_zpool_value *out,
                  struct zrpc_error *err)
{
    const char *name = out->name;
    uint64_t n;

    out->source = ZRPC_ZPOOL_NONE;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(numbers[i].name, name) == 0) {
            memcpy(&n, (const char *)d + numbers[i].offset, sizeof n);
            put_number(out, n);
            return 1;
        }
    if (strcmp(name, "receive_resume_token") == 0)
        return put_token(p, d, out, err);
    if (strcmp(name, "usedbychildren") == 0)
        put_number(out, d->used > d->referenced ? d->used - d->referenced : 0);
    else if (strncmp(name, "usedby", 6) == 0)
        put_number(out, 0);
    else if (strcmp(name, "type") == 0)
        put_text(out, type_name(d->type));
    else if (strcmp(name, "mounted") == 0)
        put_text(out, "no");
    else if (strcmp(name, "defer_destroy") == 0)
        put_text(out, d->defer_destroy ? "on" : "off");
    else
        put_text(out, "1.00"); /* ratios */
    return 1;
}

static int get(struct zrpc_zpool *p, const struct zrpc_zpool_dataset *d, const char *name,
               struct zrpc_zpool_value *out, struct zrpc_error *err)
{
    const struct zrpc_zpool_property *native = zrpc_zpool_property_find(name);
    int64_t version = d->version;
    int rc;

    *out = (struct zrpc_zpool_value){0};
    if (native == NULL ? strchr(name, ':') == NULL : (native->types & d->type) == 0)
        return 0;
    snprintf(out->name, sizeof out->name, "%s", native == NULL ? name : native->name);
    if (native != NULL && native->readonly && native->initial == NULL)
        return figure(p, d, out, err);
    /* A snapshot's volsize is that of its volume, without being inherited. */
    if (strcmp(out->name, "volsize") == 0)
        version = 0;
    rc = setting_of(p, d->fs, version, native, out, err);
    if (rc == 1 && strcmp(out->name, "mountpoint") == 0)
        extend_mountpoint(d->name, out);
    if (rc == 1 && native != NULL && native->readonly)
        out->source = ZRPC_ZPOOL_NONE;
    return rc;
}

int zrpc_zpool_get(struct zrpc_zpool *p, const struct zrpc_zpool_dataset *d, const char *name,
                   struct zrpc_zpool_value *out, struct zrpc_error *err)
{
    int rc = zpool_begin(p, false, err);

    return rc != 0 ? rc : zpool_end(p, get(p, d, name, out, err), err);
}

/* 1: *name is the user property after it. */
static int next_user_property(struct zrpc_zpool *p, const struct zrpc_zpool_dataset *d,
                              char name[static ZRPC_ZFS_NAME_MAX], struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_PROPERTY_USER, "iti", d->fs, name, d->version);
    int rc = zpool_step(p, s, err);

    if (rc == 1) {
        zpool_text(s, 0, name, ZRPC_ZFS_NAME_MAX);
        zpool_done(s);
    }
    return rc;
}

static int get_all(struct zrpc_zpool *p, const struct zrpc_zpool_dataset *d,
                   int (*each)(void *, const struct zrpc_zpool_value *, struct zrpc_error *), void *ctx,
                   struct zrpc_zpool_value *value, struct zrpc_error *err)
{
    char name[ZRPC_ZFS_NAME_MAX] = "";
    const struct zrpc_zpool_property *all;
    size_t n;
    int rc = 0;

    all = zrpc_zpool_properties(&n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = get(p, d, all[i].name, value, err);
        if (rc == 1)
            rc = each(ctx, value, err);
    }
    while (rc == 0 && (rc = next_user_property(p, d, name, err)) == 1) {
        rc = get(p, d, name, value, err);
        if (rc == 1)
            rc = each(ctx, value, err);
    }
    return rc;
}

int zrpc_zpool_get_all(struct zrpc_zpool *p, const struct zrpc_zpool_dataset *d,
                       int (*each)(void *ctx, const struct zrpc_zpool_value *v, struct zrpc_error *err),
                       void *ctx, struct zrpc_error *err)
{
    struct zrpc_zpool_value *value = malloc(sizeof *value);
    int rc;

    if (value == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a property");
    rc = zpool_begin(p, false, err);
    if (rc == 0)
        rc = zpool_end(p, get_all(p, d, each, ctx, value, err), err);
    free(value);
    return rc;
}
