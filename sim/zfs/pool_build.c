#include <stdlib.h>

#include "pool_internal.h"

#define FIRST_CREATION   INT64_C(1577836800)       /* 2020-01-01T00:00:00Z */
#define BETWEEN_CREATION INT64_C(3600)             /* s */
#define LAST_CREATETXG   (UINT64_MAX - UINT32_MAX) /* what comes after it is left for changes */

/* Any text to 64 bits, FNV-1a. */
static uint64_t hash(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t derive_guid(const struct zrpc_sim_pool *p, const char *fs, const char *snapshot)
{
    uint64_t h = hash(hash(hash(UINT64_C(0xcbf29ce484222325) ^ p->seed, fs), "@"), snapshot);
    uint64_t guid = zrpc_sim_mix(h);

    return guid == 0 ? 1 : guid;
}

static int check_createtxg(const struct zrpc_zfs_version *v, struct zrpc_error *err)
{
    if (v->createtxg <= LAST_CREATETXG)
        return 0;
    return zrpc_fail(err, ZRPC_ERR_USAGE, "createtxg %llu is above %llu", (unsigned long long)v->createtxg,
                     (unsigned long long)LAST_CREATETXG);
}

/* What is derived depends on the seed and on the order of building, and on nothing else. */
static void complete(struct zrpc_sim_pool *p, const char *fs, struct zrpc_zfs_version *v)
{
    if (v->guid == 0)
        v->guid = derive_guid(p, fs, v->name);
    if (v->createtxg == 0)
        v->createtxg = p->txg + 1;
    if (v->creation == 0)
        v->creation = FIRST_CREATION + BETWEEN_CREATION * (int64_t)p->n_derived++;
    if (v->createtxg > p->txg)
        p->txg = v->createtxg;
}

int zrpc_sim_pool_add_filesystem(struct zrpc_sim_pool *p, const char *fs, bool placeholder,
                                 struct zrpc_error *err)
{
    struct sim_filesystem *added;
    int rc = zrpc_zfs_dataset_check(fs, err);

    if (rc != 0)
        return rc;
    pthread_mutex_lock(&p->mutex);
    if (zrpc_sim_find(p, fs) != NULL)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create '%s': dataset already exists", fs);
    else if (!zrpc_sim_has_parent(p, fs))
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create '%s': parent does not exist", fs);
    else
        rc = zrpc_sim_insert_filesystem(p, fs, placeholder, &added, err);
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

static int add_snapshot(struct zrpc_sim_pool *p, const char *path, struct zrpc_zfs_version *v,
                        uint64_t written, struct zrpc_error *err)
{
    struct sim_filesystem *fs = zrpc_sim_require(p, path, err);
    struct zrpc_sim_extents all = {0};
    const struct sim_version *last;
    int rc;

    if (fs == NULL)
        return ZRPC_ERR_ZFS;
    last = zrpc_sim_last_snapshot(fs);
    if (zrpc_sim_find_version(fs, ZRPC_ZFS_SNAPSHOT, v->name) != NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create snapshot '%s@%s': dataset already exists", path,
                         v->name);
    if (last != NULL && v->createtxg != 0 && v->createtxg <= last->v.createtxg)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "createtxg %llu is not above %llu, that of @%s",
                         (unsigned long long)v->createtxg, (unsigned long long)last->v.createtxg,
                         last->v.name);
    /* The limits are those of a full send. */
    rc = zrpc_sim_collect(fs, 0, UINT64_MAX, &all, err);
    if (rc == 0)
        rc = zrpc_sim_extents_push(&all, (struct zrpc_sim_extent){.length = written}, err);
    zrpc_sim_extents_dispose(&all);
    if (rc == 0)
        rc = zrpc_sim_reserve(fs, 1, err);
    if (rc != 0)
        return rc;
    complete(p, path, v);
    if (written > 0)
        zrpc_sim_append_layer(fs, (struct zrpc_sim_extent){.seed = zrpc_sim_mix(v->guid), .length = written},
                              v->createtxg);
    zrpc_sim_insert_version(fs, v);
    return 0;
}

int zrpc_sim_pool_add_snapshot(struct zrpc_sim_pool *p, const char *fs, struct zrpc_zfs_version *v,
                               uint64_t written, struct zrpc_error *err)
{
    int rc = zrpc_zfs_name_check(v->name, err);

    if (rc == 0)
        rc = check_createtxg(v, err);
    if (rc != 0)
        return rc;
    v->type = ZRPC_ZFS_SNAPSHOT;
    pthread_mutex_lock(&p->mutex);
    rc = add_snapshot(p, fs, v, written, err);
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

int zrpc_sim_pool_add_bookmark(struct zrpc_sim_pool *p, const char *fs, const struct zrpc_zfs_version *v,
                               struct zrpc_error *err)
{
    struct zrpc_zfs_version bookmark = *v;
    struct sim_filesystem *found;
    int rc = zrpc_zfs_name_check(v->name, err);

    if (rc == 0)
        rc = check_createtxg(v, err);
    if (rc != 0)
        return rc;
    bookmark.type = ZRPC_ZFS_BOOKMARK;
    pthread_mutex_lock(&p->mutex);
    found = zrpc_sim_require(p, fs, err);
    if (found == NULL)
        rc = ZRPC_ERR_ZFS;
    else if (zrpc_sim_find_version(found, ZRPC_ZFS_BOOKMARK, v->name) != NULL)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create bookmark '%s#%s': bookmark exists", fs, v->name);
    else
        rc = zrpc_sim_reserve(found, 0, err);
    if (rc == 0) {
        complete(p, fs, &bookmark);
        zrpc_sim_insert_version(found, &bookmark);
    }
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

int zrpc_sim_pool_set_fault(struct zrpc_sim_pool *p, const char *fs, const struct zrpc_sim_fault *fault,
                            struct zrpc_error *err)
{
    struct zrpc_sim_fault *copy = malloc(sizeof *copy);
    struct sim_filesystem *found;

    if (copy == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a fault");
    *copy = *fault;
    pthread_mutex_lock(&p->mutex);
    found = zrpc_sim_require(p, fs, err);
    if (found != NULL) {
        free(found->fault);
        found->fault = copy;
        copy = NULL;
    }
    pthread_mutex_unlock(&p->mutex);
    free(copy);
    return found == NULL ? ZRPC_ERR_ZFS : 0;
}

int zrpc_sim_pool_digest(struct zrpc_sim_pool *p, const char *fs, const char *snapshot,
                         uint64_t digest[static 4], struct zrpc_error *err)
{
    static const uint8_t zeros[4];
    struct zrpc_sim_extents extents = {0};
    struct zrpc_sim_fletcher4 sum = {0};
    const struct sim_filesystem *found;
    const struct sim_version *v;
    uint8_t chunk[65536];
    int rc = ZRPC_ERR_ZFS;

    pthread_mutex_lock(&p->mutex);
    found = zrpc_sim_require(p, fs, err);
    v = found == NULL ? NULL : zrpc_sim_find_version(found, ZRPC_ZFS_SNAPSHOT, snapshot);
    if (v != NULL)
        rc = zrpc_sim_collect(found, 0, v->v.createtxg, &extents, err);
    else if (found != NULL)
        zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s@%s': dataset does not exist", fs, snapshot);
    pthread_mutex_unlock(&p->mutex);
    for (size_t i = 0; rc == 0 && i < extents.len; i++) {
        const struct zrpc_sim_extent *e = &extents.items[i];

        for (uint64_t at = 0; at < e->length; at += sizeof chunk) {
            size_t n = e->length - at < sizeof chunk ? (size_t)(e->length - at) : sizeof chunk;

            zrpc_sim_content_fill(e->seed, at, chunk, n);
            zrpc_sim_fletcher4_update(&sum, chunk, n);
        }
    }
    if (rc == 0) {
        zrpc_sim_fletcher4_update(&sum, zeros, (4 - sum.n_held) % 4);
        memcpy(digest, sum.sum, sizeof sum.sum);
    }
    zrpc_sim_extents_dispose(&extents);
    return rc;
}
