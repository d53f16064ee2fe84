#include <stdlib.h>

#include "pool_internal.h"

struct receiving {
    struct zrpc_sim_pool *pool;
    struct sim_claim claim;
    bool force;
    bool over; /* failed, or finished */
    struct zrpc_sim_reader reader;
    uint64_t taken;
    struct zrpc_sim_fault fault;
};

static int refuse_full(const struct zrpc_sim_pool *p, const struct sim_filesystem *fs,
                       const struct receiving *r, struct zrpc_error *err)
{
    const char *path = r->claim.path;
    const struct sim_version *last = fs == NULL ? NULL : zrpc_sim_last_snapshot(fs);

    if (fs == NULL && !zrpc_sim_has_parent(p, path))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "parent of destination '%s' does not exist", path);
    if (fs != NULL && !r->force)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "destination '%s' exists, must specify -F to overwrite it", path);
    if (last != NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "destination has snapshots (eg. %s@%s), must destroy them to overwrite it", path,
                         last->v.name);
    return 0;
}

static int refuse_incremental(const struct sim_filesystem *fs, const struct receiving *r,
                              struct zrpc_error *err)
{
    const struct zrpc_sim_begin *begin = &r->reader.begin;
    const char *path = r->claim.path;
    const struct sim_version *last = fs == NULL ? NULL : zrpc_sim_last_snapshot(fs);

    if (fs == NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "destination '%s' does not exist", path);
    if (last == NULL || last->v.guid != begin->from_guid)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "most recent snapshot of %s does not match incremental source",
                         path);
    if (!r->force && fs->n_layers > 0 && fs->layers[fs->n_layers - 1].txg > last->v.createtxg)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "destination %s has been modified since most recent snapshot",
                         path);
    if (zrpc_sim_find_version(fs, ZRPC_ZFS_SNAPSHOT, begin->snapshot) != NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "destination '%s@%s' already exists", path, begin->snapshot);
    return 0;
}

/* What zfs checks as soon as it has read the begin record. With the pool locked. */
static int check_target(const struct receiving *r, struct sim_filesystem *fs, struct zrpc_error *err)
{
    const struct zrpc_sim_begin *begin = &r->reader.begin;
    bool full = begin->from_guid == 0;
    int rc = full ? refuse_full(r->pool, fs, r, err) : refuse_incremental(fs, r, err);

    if (rc == 0 && strlen(r->claim.path) + 1 + strlen(begin->snapshot) >= ZRPC_ZFS_NAME_MAX)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "destination '%s@%s' is too long a name", r->claim.path,
                       begin->snapshot);
    if (rc == 0)
        return 0;
    return zrpc_error_prefix(err, rc, "cannot receive %s stream", full ? "new filesystem" : "incremental");
}

static int on_begun(struct receiving *r, struct zrpc_error *err)
{
    int rc;

    pthread_mutex_lock(&r->pool->mutex);
    rc = check_target(r, zrpc_sim_find(r->pool, r->claim.path), err);
    pthread_mutex_unlock(&r->pool->mutex);
    return rc;
}

static int feed(struct receiving *r, struct zrpc_view in, struct zrpc_error *err)
{
    int rc;

    while ((rc = zrpc_sim_reader_feed(&r->reader, &in, err)) == ZRPC_SIM_BEGUN) {
        rc = on_begun(r, err);
        if (rc != 0)
            return rc;
    }
    return rc < 0 ? zrpc_error_prefix(err, rc, "cannot receive") : 0;
}

static ssize_t receiving_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    struct receiving *r = ctx;
    uint64_t until_fault = r->fault.recv_error[0] == '\0' ? UINT64_MAX : r->fault.recv_error_at - r->taken;
    int rc;

    if (until_fault == 0) {
        r->over = true;
        return zrpc_fail(err, ZRPC_ERR_SINK, "%s", r->fault.recv_error);
    }
    if (len > until_fault)
        len = (size_t)until_fault;
    rc = feed(r, zrpc_view(buf, len), err);
    if (rc != 0) {
        r->over = true;
        return rc;
    }
    r->taken += len;
    return (ssize_t)len;
}

/* Everything that can fail comes before the first change. With the pool locked. */
static int commit(struct receiving *r, struct zrpc_error *err)
{
    struct zrpc_sim_pool *p = r->pool;
    const struct zrpc_sim_extents *extents = &r->reader.extents;
    struct zrpc_zfs_version v = {.type = ZRPC_ZFS_SNAPSHOT,
                                 .guid = r->reader.begin.to_guid,
                                 .creation = r->reader.begin.creation,
                                 .createtxg = p->txg + 1};
    struct zrpc_sim_extents all = {0};
    struct sim_filesystem *fs = zrpc_sim_find(p, r->claim.path);
    const struct sim_version *last;
    bool created = false;
    int rc = check_target(r, fs, err);

    if (rc == 0 && fs == NULL) {
        rc = zrpc_sim_insert_filesystem(p, r->claim.path, false, &fs, err);
        created = rc == 0;
    }
    if (rc == 0)
        rc = zrpc_sim_reserve(fs, extents->len, err);
    last = rc == 0 ? zrpc_sim_last_snapshot(fs) : NULL;
    /* The limits hold for the whole filesystem. */
    if (last != NULL)
        rc = zrpc_sim_collect(fs, 0, last->v.createtxg, &all, err);
    for (size_t i = 0; rc == 0 && i < extents->len; i++)
        rc = zrpc_sim_extents_push(&all, extents->items[i], err);
    zrpc_sim_extents_dispose(&all);
    if (rc != 0) {
        if (created)
            zrpc_sim_remove_filesystem(p, fs);
        return rc;
    }
    zrpc_sim_drop_layers_after(fs, last == NULL ? 0 : last->v.createtxg);
    for (size_t i = 0; i < extents->len; i++)
        zrpc_sim_append_layer(fs, extents->items[i], v.createtxg);
    memcpy(v.name, r->reader.begin.snapshot, sizeof v.name);
    zrpc_sim_insert_version(fs, &v);
    p->txg++;
    return 0;
}

static int receiving_finish(void *ctx, struct zrpc_error *err)
{
    struct receiving *r = ctx;
    int rc;

    if (r->over)
        return zrpc_fail(err, ZRPC_ERR_SINK, "cannot receive: the receive is over");
    rc = zrpc_sim_reader_finish(&r->reader, err);
    if (rc != 0)
        return zrpc_error_prefix(err, rc, "cannot receive");
    pthread_mutex_lock(&r->pool->mutex);
    rc = commit(r, err);
    pthread_mutex_unlock(&r->pool->mutex);
    r->over = true;
    return rc;
}

static void receiving_close(void *ctx)
{
    struct receiving *r = ctx;
    struct sim_claim **at = &r->pool->claims;

    pthread_mutex_lock(&r->pool->mutex);
    while (*at != &r->claim)
        at = &(*at)->next;
    *at = r->claim.next;
    pthread_mutex_unlock(&r->pool->mutex);
    zrpc_sim_reader_dispose(&r->reader);
    free(r);
}

static const struct zrpc_sink_ops receiving_ops = {
    .write = receiving_write,
    .finish = receiving_finish,
    .close = receiving_close,
};

int zrpc_sim_receive(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_receive *receive,
                     struct zrpc_sink *out, struct zrpc_error *err)
{
    struct zrpc_sim_pool *p = ctx;
    struct zrpc_sim_fault fault = zrpc_sim_fault_of(p, receive->filesystem);
    int rc = zrpc_sim_suffer(fault.open_delay, fault.open_error, cancelled, err);
    struct receiving *r;

    if (rc == 0)
        rc = zrpc_zfs_dataset_check(receive->filesystem, err);
    if (rc != 0)
        return rc;
    r = malloc(sizeof *r);
    if (r == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a receive");
    *r = (struct receiving){.pool = p, .force = receive->force, .fault = fault};
    memcpy(r->claim.path, receive->filesystem, strlen(receive->filesystem) + 1);
    pthread_mutex_lock(&p->mutex);
    if (zrpc_sim_is_claimed(p, r->claim.path)) {
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot receive: destination '%s' is busy", r->claim.path);
    } else {
        r->claim.next = p->claims;
        p->claims = &r->claim;
    }
    pthread_mutex_unlock(&p->mutex);
    if (rc != 0) {
        free(r);
        return rc;
    }
    *out = (struct zrpc_sink){.ops = &receiving_ops, .ctx = r};
    return 0;
}
