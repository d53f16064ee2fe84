#include <stdio.h>

#include "zpool_internal.h"

#define FIRST_CREATION   INT64_C(1577836800)                /* 2020-01-01T00:00:00Z */
#define BETWEEN_CREATION INT64_C(3600)                      /* s */
#define LAST_CREATETXG   (ZPOOL_CREATETXG_MAX - UINT32_MAX) /* what comes after it is left for changes */

int zrpc_zpool_build_begin(struct zrpc_zpool *p, struct zrpc_error *err)
{
    return zpool_begin(p, true, err);
}

int zrpc_zpool_build_end(struct zrpc_zpool *p, struct zrpc_error *err)
{
    return zpool_end(p, 0, err);
}

/* Any text to 64 bits, FNV-1a. */
static uint64_t hash(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return h;
}

/* What is derived depends on the seed and on the order of building, and on nothing else. */
static uint64_t derive_guid(const struct zrpc_zpool *p, const char *fs, const char *snapshot)
{
    uint64_t h = hash(hash(hash(UINT64_C(0xcbf29ce484222325) ^ p->seed, fs), "@"), snapshot);
    uint64_t guid = zrpc_sim_mix(h);

    return guid == 0 ? 1 : guid;
}

static void complete(struct zrpc_zpool *p, const char *fs, struct zrpc_zfs_version *v)
{
    if (v->guid == 0)
        v->guid = derive_guid(p, fs, v->name);
    if (v->createtxg == 0)
        v->createtxg = p->txg + 1;
    if (v->creation == 0)
        v->creation = FIRST_CREATION + BETWEEN_CREATION * (int64_t)p->derived++;
    if (v->createtxg > p->txg)
        p->txg = v->createtxg;
}

static int check(const struct zrpc_zfs_version *v, struct zrpc_error *err)
{
    int rc = zrpc_zfs_name_check(v->name, err);

    if (rc == 0 && v->createtxg > LAST_CREATETXG)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "createtxg %llu is above %llu", (unsigned long long)v->createtxg,
                       (unsigned long long)LAST_CREATETXG);
    return rc;
}

static int insert(struct zrpc_zpool *p, const struct zpool_fs *fs, const struct zrpc_zfs_version *v,
                  uint64_t referenced, struct zrpc_error *err)
{
    struct zpool_version row = {
        .fs = fs->id,
        .bookmark = v->type == ZRPC_ZFS_BOOKMARK,
        .guid = v->guid,
        .createtxg = v->createtxg,
        .creation = v->creation,
        .referenced = referenced,
    };

    memcpy(row.name, v->name, sizeof row.name);
    return zpool_version_insert(p, &row, err);
}

/* The filesystem, and the last snapshot, all zero if there is none. */
static int find(struct zrpc_zpool *p, const char *path, struct zpool_fs *fs, struct zpool_version *last,
                struct zrpc_error *err)
{
    int rc = zpool_fs_require(p, path, fs, err);

    *last = (struct zpool_version){0};
    if (rc == 0)
        rc = zpool_version_last(p, fs->id, last, err);
    return rc < 0 ? rc : 0;
}

static int add_snapshot(struct zrpc_zpool *p, const char *path, struct zrpc_zfs_version *v, uint64_t written,
                        struct zrpc_error *err)
{
    struct zpool_version last, same;
    struct zpool_fs fs;
    int rc = find(p, path, &fs, &last, err);

    if (rc == 0)
        rc = zpool_version_find(p, fs.id, false, v->name, &same, err);
    if (rc == 1)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create snapshot '%s@%s': dataset already exists", path,
                         v->name);
    if (rc == 0 && v->createtxg != 0 && v->createtxg <= last.createtxg)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "createtxg %llu is not above %llu, that of @%s",
                         (unsigned long long)v->createtxg, (unsigned long long)last.createtxg, last.name);
    if (rc != 0)
        return rc;
    complete(p, path, v);
    if (written > 0) {
        struct zrpc_sim_extent extent = {.seed = zrpc_sim_mix(v->guid), .length = written};

        rc = zpool_append(p, "cannot create snapshot", &fs, &extent, v->createtxg, err);
    }
    return rc != 0 ? rc : insert(p, &fs, v, fs.content, err);
}

int zrpc_zpool_add_snapshot(struct zrpc_zpool *p, const char *fs, struct zrpc_zfs_version *v,
                            uint64_t written, struct zrpc_error *err)
{
    int rc = check(v, err);

    if (rc == 0)
        rc = zpool_begin(p, true, err);
    v->type = ZRPC_ZFS_SNAPSHOT;
    return rc != 0 ? rc : zpool_end(p, add_snapshot(p, fs, v, written, err), err);
}

static int add_series(struct zrpc_zpool *p, const char *path, uint64_t n, struct zrpc_error *err)
{
    struct zpool_version last;
    struct zpool_fs fs;
    int rc = find(p, path, &fs, &last, err);

    for (uint64_t i = 1; rc == 0 && i <= n; i++) {
        struct zrpc_zfs_version v = {.type = ZRPC_ZFS_SNAPSHOT};

        snprintf(v.name, sizeof v.name, "%06llu", (unsigned long long)i);
        complete(p, path, &v);
        rc = insert(p, &fs, &v, fs.content, err);
    }
    return rc;
}

int zrpc_zpool_add_series(struct zrpc_zpool *p, const char *fs, uint64_t n, struct zrpc_error *err)
{
    int rc = zpool_begin(p, true, err);

    return rc != 0 ? rc : zpool_end(p, add_series(p, fs, n, err), err);
}

static int add_bookmark(struct zrpc_zpool *p, const char *path, const struct zrpc_zfs_version *given,
                        struct zrpc_error *err)
{
    struct zrpc_zfs_version v = *given;
    struct zpool_version same;
    uint64_t n, length;
    struct zpool_fs fs;
    int rc = zpool_fs_require(p, path, &fs, err);

    if (rc == 0)
        rc = zpool_version_find(p, fs.id, true, v.name, &same, err);
    if (rc == 1)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create bookmark '%s#%s': bookmark exists", path, v.name);
    if (rc != 0)
        return rc;
    v.type = ZRPC_ZFS_BOOKMARK;
    complete(p, path, &v);
    rc = zpool_extents_count(p, fs.id, v.createtxg, &n, &length, err);
    return rc != 0 ? rc : insert(p, &fs, &v, length, err);
}

int zrpc_zpool_add_bookmark(struct zrpc_zpool *p, const char *fs, const struct zrpc_zfs_version *v,
                            struct zrpc_error *err)
{
    int rc = check(v, err);

    if (rc == 0)
        rc = zpool_begin(p, true, err);
    return rc != 0 ? rc : zpool_end(p, add_bookmark(p, fs, v, err), err);
}

int zrpc_zpool_add_filesystem(struct zrpc_zpool *p, const char *fs, bool placeholder, struct zrpc_error *err)
{
    static const struct zrpc_zpool_setting on = {"zrepl:placeholder", "on"};
    struct zrpc_zpool_new new = {.name = fs, .settings = &on, .n_settings = placeholder};

    return zrpc_zpool_create_filesystem(p, &new, err);
}
