#include <stdio.h>

#include "zpool_internal.h"

/* zfs's own words for a name that cannot be: see zfs_validate_name() in libzfs. NULL: fine. */
static const char *complain(const char *name, char delimiter, char text[static 64])
{
    const char *at = name, *start = name;

    if (strlen(name) >= ZRPC_ZFS_NAME_MAX)
        return "name is too long";
    if (name[0] == '/')
        return "leading slash in name";
    if (!((name[0] >= 'a' && name[0] <= 'z') || (name[0] >= 'A' && name[0] <= 'Z')))
        return name[0] == '\0' ? "empty component or misplaced '@' or '#' delimiter in name"
                               : "pool doesn't begin with a letter";
    for (;; at++) {
        bool ends = *at == '\0' || *at == '/' || (*at == delimiter && delimiter != 0);

        if (!ends) {
            char one[2] = {*at, '\0'};

            if (*at == '@' || *at == '#')
                return "multiple '@' and/or '#' delimiters in name";
            if (*at != '.' && zrpc_zfs_name_check(one, NULL) != 0) {
                snprintf(text, 64, "invalid character '%c' in name", *at);
                return text;
            }
            continue;
        }
        if (at == start)
            return *at == '\0' && at[-1] == '/' ? "trailing slash in name"
                                                : "empty component or misplaced '@' or '#' delimiter in name";
        if (at - start == 1 && start[0] == '.')
            return "self reference, '.' is found in name";
        if (at - start == 2 && start[0] == '.' && start[1] == '.')
            return "parent reference, '..' is found in name";
        if (*at == '\0')
            return NULL;
        if (*at == '/' && delimiter == 0 && strchr(name, '@') != NULL && strchr(name, '@') < at)
            return "invalid character '/' in name";
        if (*at == delimiter && strchr(at, '/') != NULL)
            return "invalid character '/' in name";
        delimiter = *at == delimiter ? 0 : delimiter;
        start = at + 1;
    }
}

int zpool_split(const char *what, const char *name, char fs[static ZRPC_ZFS_NAME_MAX], char *delimiter,
                char part[static ZRPC_ZFS_NAME_MAX], struct zrpc_error *err)
{
    size_t len = strcspn(name, "@#");
    char text[64];
    const char *wrong = complain(name, name[len], text);

    if (wrong != NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s '%s': %s", what, name, wrong);
    memcpy(fs, name, len);
    fs[len] = '\0';
    *delimiter = name[len];
    snprintf(part, ZRPC_ZFS_NAME_MAX, "%s", name[len] == '\0' ? "" : name + len + 1);
    return 0;
}

void zpool_fs_read(sqlite3_stmt *s, struct zpool_fs *out)
{
    *out = (struct zpool_fs){.id = sqlite3_column_int64(s, 0), .parent = sqlite3_column_int64(s, 1)};
    zpool_text(s, 2, out->name, sizeof out->name);
    out->volume = sqlite3_column_int(s, 3) != 0;
    out->inconsistent = sqlite3_column_int(s, 4) != 0;
    out->guid = (uint64_t)sqlite3_column_int64(s, 5);
    out->createtxg = (uint64_t)sqlite3_column_int64(s, 6);
    out->creation = sqlite3_column_int64(s, 7);
    out->content = (uint64_t)sqlite3_column_int64(s, 8);
    out->held = (uint64_t)sqlite3_column_int64(s, 9);
}

void zpool_version_read(sqlite3_stmt *s, struct zpool_version *out)
{
    out->id = sqlite3_column_int64(s, 0);
    out->fs = sqlite3_column_int64(s, 1);
    out->bookmark = sqlite3_column_int(s, 2) != 0;
    zpool_text(s, 3, out->name, sizeof out->name);
    out->guid = (uint64_t)sqlite3_column_int64(s, 4);
    out->createtxg = (uint64_t)sqlite3_column_int64(s, 5);
    out->creation = sqlite3_column_int64(s, 6);
    out->referenced = (uint64_t)sqlite3_column_int64(s, 7);
    out->defer = sqlite3_column_int(s, 8) != 0;
}

static int one_fs(struct zrpc_zpool *p, sqlite3_stmt *s, struct zpool_fs *out, struct zrpc_error *err)
{
    int rc = zpool_step(p, s, err);

    if (rc == 1) {
        zpool_fs_read(s, out);
        zpool_done(s);
        /* Parents come before their children; otherwise a walk up might have no end. */
        if (out->parent >= out->id)
            rc = zrpc_fail(err, ZRPC_ERR_SYSTEM, "pool %s: the file is damaged: %s has no such parent",
                           p->path == NULL ? "in memory" : p->path, out->name);
    }
    return rc;
}

int zpool_fs_find(struct zrpc_zpool *p, const char *name, struct zpool_fs *out, struct zrpc_error *err)
{
    return one_fs(p, zpool_bind(p, SQL_FS_BY_NAME, "t", name), out, err);
}

int zpool_fs_by_id(struct zrpc_zpool *p, int64_t id, struct zpool_fs *out, struct zrpc_error *err)
{
    return one_fs(p, zpool_bind(p, SQL_FS_BY_ID, "i", id), out, err);
}

int zpool_fs_require(struct zrpc_zpool *p, const char *name, struct zpool_fs *out, struct zrpc_error *err)
{
    int rc = zpool_fs_find(p, name, out, err);

    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': dataset does not exist", name);
    return rc < 0 ? rc : 0;
}

static int one_version(struct zrpc_zpool *p, sqlite3_stmt *s, struct zpool_version *out,
                       struct zrpc_error *err)
{
    int rc = zpool_step(p, s, err);

    if (rc == 1) {
        zpool_version_read(s, out);
        zpool_done(s);
    }
    return rc;
}

int zpool_version_find(struct zrpc_zpool *p, int64_t fs, bool bookmark, const char *name,
                       struct zpool_version *out, struct zrpc_error *err)
{
    return one_version(p, zpool_bind(p, SQL_VERSION_BY_NAME, "iit", fs, (int64_t)bookmark, name), out, err);
}

int zpool_version_by_guid(struct zrpc_zpool *p, int64_t fs, bool any, uint64_t guid,
                          struct zpool_version *out, struct zrpc_error *err)
{
    return one_version(p, zpool_bind(p, SQL_VERSION_BY_GUID, "iiu", fs, (int64_t)any, guid), out, err);
}

int zpool_version_last(struct zrpc_zpool *p, int64_t fs, struct zpool_version *out, struct zrpc_error *err)
{
    return one_version(p, zpool_bind(p, SQL_VERSION_LAST, "i", fs), out, err);
}

int zpool_used(struct zrpc_zpool *p, const char *fs, uint64_t *out, struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_FS_USED, "t", fs);
    int rc = zpool_step(p, s, err);

    if (rc == 1) {
        *out = (uint64_t)sqlite3_column_int64(s, 0);
        zpool_done(s);
    }
    return rc < 0 ? rc : 0;
}

/* The local value of a quota, 0 where there is none. */
static int read_quota(struct zrpc_zpool *p, int64_t fs, const char *name, uint64_t *out,
                      struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_PROPERTY_GET, "iit", fs, (int64_t)0, name);
    int rc = zpool_step(p, s, err);

    *out = 0;
    if (rc == 1) {
        char text[32];

        zpool_text(s, 0, text, sizeof text);
        zpool_done(s);
        zpool_parse_size(text, out);
    }
    return rc < 0 ? rc : 0;
}

static void bound(uint64_t limit, uint64_t used, uint64_t *room, bool *quota)
{
    uint64_t left = limit > used ? limit - used : 0;

    if (limit != 0 && left < *room) {
        *room = left;
        *quota = true;
    }
}

int zpool_room(struct zrpc_zpool *p, const struct zpool_fs *fs, uint64_t pool_used, uint64_t *out,
               bool *quota, struct zrpc_error *err)
{
    struct zpool_fs at = *fs;
    uint64_t limit, used;
    int rc = read_quota(p, fs->id, "refquota", &limit, err);

    *out = p->capacity > pool_used ? p->capacity - pool_used : 0;
    *quota = false;
    bound(limit, fs->content, out, quota);
    while (rc >= 0) {
        rc = read_quota(p, at.id, "quota", &limit, err);
        if (rc == 0 && limit != 0)
            rc = zpool_used(p, at.name, &used, err);
        if (rc == 0)
            bound(limit, used, out, quota);
        if (rc < 0 || at.parent == 0)
            break;
        rc = zpool_fs_by_id(p, at.parent, &at, err);
    }
    return rc < 0 ? rc : 0;
}
