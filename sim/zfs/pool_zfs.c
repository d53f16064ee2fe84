#include "pool_internal.h"

static void describe(const struct sim_filesystem *fs, struct zrpc_zfs_filesystem *out)
{
    memcpy(out->path, fs->path, sizeof out->path);
    out->placeholder = fs->placeholder;
}

static int list_filesystems(void *ctx, atomic_bool *cancelled, const char *root,
                            struct zrpc_zfs_filesystems *out, struct zrpc_error *err)
{
    struct zrpc_sim_pool *p = ctx;
    int rc = 0;

    (void)cancelled;
    pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; rc == 0 && i < p->n_filesystems; i++) {
        const struct sim_filesystem *fs = &p->filesystems[i];
        struct zrpc_zfs_filesystem item;

        if (root != NULL && (!zrpc_zfs_path_within(fs->path, root) || strcmp(fs->path, root) == 0))
            continue;
        describe(fs, &item);
        rc = zrpc_zfs_filesystems_push(out, &item, err);
    }
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

static int get_filesystem(void *ctx, atomic_bool *cancelled, const char *path,
                          struct zrpc_zfs_filesystem *out, struct zrpc_error *err)
{
    struct zrpc_sim_pool *p = ctx;
    const struct sim_filesystem *fs;

    (void)cancelled, (void)err;
    pthread_mutex_lock(&p->mutex);
    fs = zrpc_sim_find(p, path);
    if (fs != NULL)
        describe(fs, out);
    pthread_mutex_unlock(&p->mutex);
    return fs != NULL;
}

static int list_versions(void *ctx, atomic_bool *cancelled, const char *path, struct zrpc_zfs_versions *out,
                         struct zrpc_error *err)
{
    struct zrpc_sim_pool *p = ctx;
    struct zrpc_sim_fault fault = zrpc_sim_fault_of(p, path);
    const struct sim_filesystem *fs;
    int rc = zrpc_sim_suffer(fault.list_delay, fault.list_error, cancelled, err);

    if (rc != 0)
        return rc;
    pthread_mutex_lock(&p->mutex);
    fs = zrpc_sim_require(p, path, err);
    rc = fs == NULL ? ZRPC_ERR_ZFS : 0;
    for (size_t i = 0; rc == 0 && i < fs->n_versions; i++)
        rc = zrpc_zfs_versions_push(out, &fs->versions[i].v, err);
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

static int destroy_snapshot(void *ctx, atomic_bool *cancelled, const char *path, const char *snapshot,
                            struct zrpc_error *err)
{
    struct zrpc_sim_pool *p = ctx;
    struct sim_filesystem *fs;
    struct sim_version *v = NULL;
    int rc = 0;

    (void)cancelled;
    pthread_mutex_lock(&p->mutex);
    fs = zrpc_sim_require(p, path, err);
    if (fs == NULL)
        rc = ZRPC_ERR_ZFS;
    else if ((v = zrpc_sim_find_version(fs, ZRPC_ZFS_SNAPSHOT, snapshot)) == NULL)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS,
                       "could not find any snapshots to destroy; check snapshot names: '%s@%s'", path,
                       snapshot);
    else if (v->sends > 0)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot destroy snapshot %s@%s: dataset is busy", path, snapshot);
    if (rc == 0) {
        zrpc_sim_remove_version(fs, v);
        p->txg++;
    }
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

static int bookmark(void *ctx, atomic_bool *cancelled, const char *path, const char *snapshot,
                    const char *name, struct zrpc_error *err)
{
    struct zrpc_sim_pool *p = ctx;
    struct zrpc_zfs_version made;
    struct sim_filesystem *fs;
    struct sim_version *of, *old;
    int rc = ZRPC_ERR_ZFS;

    (void)cancelled;
    pthread_mutex_lock(&p->mutex);
    fs = zrpc_sim_require(p, path, err);
    of = fs == NULL ? NULL : zrpc_sim_find_version(fs, ZRPC_ZFS_SNAPSHOT, snapshot);
    if (fs != NULL && of == NULL)
        zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create bookmark '%s#%s': snapshot '%s@%s' does not exist", path,
                  name, path, snapshot);
    if (of == NULL)
        goto out;
    made = of->v;
    made.type = ZRPC_ZFS_BOOKMARK;
    memcpy(made.name, name, strlen(name) + 1);
    rc = zrpc_sim_reserve(fs, 0, err);
    if (rc != 0)
        goto out;
    old = zrpc_sim_find_version(fs, ZRPC_ZFS_BOOKMARK, name);
    if (old != NULL)
        zrpc_sim_remove_version(fs, old);
    zrpc_sim_insert_version(fs, &made);
    p->txg++;
out:
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

static int create_placeholder(void *ctx, atomic_bool *cancelled, const char *path, struct zrpc_error *err)
{
    (void)cancelled;
    return zrpc_sim_pool_add_filesystem(ctx, path, true, err);
}

static int set_placeholder(void *ctx, atomic_bool *cancelled, const char *path, bool placeholder,
                           struct zrpc_error *err)
{
    struct zrpc_sim_pool *p = ctx;
    struct sim_filesystem *fs;

    (void)cancelled;
    pthread_mutex_lock(&p->mutex);
    fs = zrpc_sim_require(p, path, err);
    if (fs != NULL)
        fs->placeholder = placeholder;
    pthread_mutex_unlock(&p->mutex);
    return fs == NULL ? ZRPC_ERR_ZFS : 0;
}

static bool newer(const struct sim_version *v, const struct sim_version *than)
{
    return v->v.createtxg > than->v.createtxg;
}

static int check_rollback(const struct zrpc_sim_pool *p, const struct sim_filesystem *fs,
                          const struct sim_version *to, struct zrpc_error *err)
{
    bool busy = zrpc_sim_is_claimed(p, fs->path);

    for (size_t i = 0; i < fs->n_versions; i++)
        busy = busy || (newer(&fs->versions[i], to) && fs->versions[i].sends > 0);
    return busy ? zrpc_fail(err, ZRPC_ERR_ZFS, "cannot rollback '%s': dataset is busy", fs->path) : 0;
}

static int rollback(void *ctx, atomic_bool *cancelled, const char *path, const char *snapshot,
                    struct zrpc_error *err)
{
    struct zrpc_sim_pool *p = ctx;
    struct sim_filesystem *fs;
    struct sim_version *to;
    int rc = ZRPC_ERR_ZFS;

    (void)cancelled;
    pthread_mutex_lock(&p->mutex);
    fs = zrpc_sim_require(p, path, err);
    if (fs == NULL)
        goto out;
    to = zrpc_sim_find_version(fs, ZRPC_ZFS_SNAPSHOT, snapshot);
    rc = to != NULL
             ? check_rollback(p, fs, to, err)
             : zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s@%s': dataset does not exist", path, snapshot);
    if (rc != 0)
        goto out;
    while (newer(&fs->versions[fs->n_versions - 1], to))
        fs->n_versions--;
    zrpc_sim_drop_layers_after(fs, to->v.createtxg);
    p->txg++;
out:
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

static const struct zrpc_zfs_ops ops = {
    .name = "sim",
    .list_filesystems = list_filesystems,
    .get_filesystem = get_filesystem,
    .list_versions = list_versions,
    .estimate = zrpc_sim_estimate,
    .send = zrpc_sim_send,
    .receive = zrpc_sim_receive,
    .destroy_snapshot = destroy_snapshot,
    .bookmark = bookmark,
    .create_placeholder = create_placeholder,
    .set_placeholder = set_placeholder,
    .rollback = rollback,
};

struct zrpc_zfs zrpc_sim_pool_zfs(struct zrpc_sim_pool *p)
{
    return (struct zrpc_zfs){.ops = &ops, .ctx = p};
}
