#include <stdio.h>

#include "zpool_internal.h"

#define SHOWN_MAX 32 /* as the command does */

static int refuse_newer(struct zrpc_zpool *p, const char *name, const struct zpool_fs *fs, uint64_t txg,
                        struct zrpc_error *err)
{
    struct zrpc_zpool_dataset d;
    struct zpool_version v;
    char list[ZRPC_ERROR_TEXT_MAX];
    size_t used = 0;
    sqlite3_stmt *s;
    int rc = 1;

    list[0] = '\0';
    for (int i = 0; rc == 1 && i <= SHOWN_MAX && used < sizeof list; i++) {
        rc = zpool_step(p, s = zpool_bind(p, SQL_VERSION_AFTER, "iu", fs->id, txg), err);
        if (rc != 1)
            break;
        zpool_version_read(s, &v);
        zpool_done(s);
        zpool_describe(fs, &v, &d);
        txg = v.createtxg;
        used += (size_t)snprintf(list + used, sizeof list - used, "\n%s",
                                 i < SHOWN_MAX ? d.name : "Output limited to 32 snapshots/bookmarks");
    }
    if (rc < 0 || used == 0)
        return rc < 0 ? rc : 0;
    return zrpc_fail(err, ZRPC_ERR_ZFS,
                     "cannot rollback to '%s': more recent snapshots or bookmarks exist\n"
                     "use '-r' to force deletion of the following snapshots and bookmarks:%s",
                     name, list);
}

static int rollback(struct zrpc_zpool *p, const char *name, bool recursive, struct zrpc_error *err)
{
    char path[ZRPC_ZFS_NAME_MAX], part[ZRPC_ZFS_NAME_MAX], delimiter;
    struct zpool_version to;
    struct zpool_fs fs;
    int rc = zpool_split("cannot open", name, path, &delimiter, part, err);

    if (rc == 0)
        rc = zpool_fs_require(p, path, &fs, err);
    if (rc == 0 && delimiter == '@')
        rc = zpool_version_find(p, fs.id, false, part, &to, err);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': dataset does not exist", name);
    if (rc == 1)
        rc = zpool_claimed(p, path, 0, err);
    if (rc == 1)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot rollback '%s': dataset is busy", path);
    if (rc == 0 && !recursive)
        rc = refuse_newer(p, name, &fs, to.createtxg, err);
    if (rc == 0)
        rc = zpool_next_txg(p, err);
    return rc != 0 ? rc : zpool_cut_back(p, &fs, to.createtxg, err);
}

int zrpc_zpool_rollback(struct zrpc_zpool *p, const char *snapshot, bool recursive, struct zrpc_error *err)
{
    int rc = zpool_begin(p, true, err);

    return rc != 0 ? rc : zpool_end(p, rollback(p, snapshot, recursive, err), err);
}
