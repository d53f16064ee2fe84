#include "internal.h"

#include <stdlib.h>

/* A receive under way, from its claim on the filesystem to its sink's close. The flags say what is to be
 * undone. */
struct zrpc_endpoint_receive {
    struct zrpc_endpoint *endpoint;
    struct zrpc_endpoint_receive *next;
    const struct zrpc_log *log;
    char fs[ZRPC_ZFS_NAME_MAX];
    struct zrpc_sink inner;
    bool claimed, slot, unmarked, finished;
};

/* Takes the filesystem for this receive, if no other has it. */
static int claim(struct zrpc_endpoint_receive *r, struct zrpc_error *err)
{
    struct zrpc_endpoint *e = r->endpoint;
    int rc = 0;

    pthread_mutex_lock(&e->targets);
    for (struct zrpc_endpoint_receive *o = e->receiving; rc == 0 && o != NULL; o = o->next)
        if (strcmp(o->fs, r->fs) == 0)
            rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot receive: destination '%s' is busy", r->fs);
    if (rc == 0) {
        r->next = e->receiving;
        e->receiving = r;
        r->claimed = true;
    }
    pthread_mutex_unlock(&e->targets);
    return rc;
}

static void unclaim(struct zrpc_endpoint_receive *r)
{
    struct zrpc_endpoint *e = r->endpoint;
    struct zrpc_endpoint_receive **at = &e->receiving;

    pthread_mutex_lock(&e->targets);
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    pthread_mutex_unlock(&e->targets);
}

/* The backend's sink goes first: what comes after must not meet its receive. The claim goes last. */
static void release(struct zrpc_endpoint_receive *r)
{
    struct zrpc_endpoint *e = r->endpoint;
    const struct zrpc_zfs *zfs = &e->config.zfs;
    struct zrpc_error err;

    zrpc_sink_close(&r->inner);
    if (r->unmarked && !r->finished && zfs->ops->set_placeholder(zfs->ctx, NULL, r->fs, true, &err) != 0)
        zrpc_log(r->log, ZRPC_LOG_ERROR, "cannot mark as placeholder again", "fs", r->fs, "err", err.text,
                 NULL);
    if (r->slot)
        zrpc_endpoint_limit_release(&e->receives);
    if (r->claimed)
        unclaim(r);
    free(r);
}

static ssize_t receive_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    struct zrpc_endpoint_receive *r = ctx;

    return r->inner.ops->write(r->inner.ctx, buf, len, err);
}

static int receive_fd(void *ctx)
{
    struct zrpc_endpoint_receive *r = ctx;

    return r->inner.ops->fd == NULL ? -1 : r->inner.ops->fd(r->inner.ctx);
}

static struct pollfd receive_wait(void *ctx)
{
    return zrpc_sink_wait(&((struct zrpc_endpoint_receive *)ctx)->inner);
}

static int receive_finish(void *ctx, struct zrpc_error *err)
{
    struct zrpc_endpoint_receive *r = ctx;
    int rc = r->inner.ops->finish(r->inner.ctx, err);

    r->finished = rc == 0;
    return rc;
}

static void receive_close(void *ctx)
{
    release(ctx);
}

static const struct zrpc_sink_ops receive_ops = {
    .write = receive_write,
    .fd = receive_fd,
    .wait = receive_wait,
    .finish = receive_finish,
    .close = receive_close,
};

/* Creates what is missing between the pool and fs, top down, as placeholders. Under the lock, because a
 * concurrent receive may need the same ones. */
static int create_parents(struct zrpc_endpoint *e, struct zrpc_call *call, const char *fs,
                          struct zrpc_error *err)
{
    const struct zrpc_zfs *zfs = &e->config.zfs;
    struct zrpc_zfs_filesystem found;
    char parent[ZRPC_ZFS_NAME_MAX];
    int rc = 0;

    pthread_mutex_lock(&e->tree);
    for (const char *slash = strchr(fs, '/'); rc >= 0 && slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t len = (size_t)(slash - fs);

        memcpy(parent, fs, len);
        parent[len] = '\0';
        rc = zfs->ops->get_filesystem(zfs->ctx, &call->cancelled, parent, &found, err);
        if (rc == 0)
            rc = zfs->ops->create_placeholder(zfs->ctx, &call->cancelled, parent, err);
    }
    pthread_mutex_unlock(&e->tree);
    return rc < 0 ? rc : 0;
}

/* A placeholder's snapshots would keep `recv -F` from replacing it. Bookmarks go with the rollback. */
static int empty(struct zrpc_endpoint *e, struct zrpc_call *call, const char *fs, struct zrpc_error *err)
{
    const struct zrpc_zfs *zfs = &e->config.zfs;
    const struct zrpc_zfs_version *oldest = NULL;
    struct zrpc_zfs_versions versions = {0};
    int rc = zfs->ops->list_versions(zfs->ctx, &call->cancelled, fs, &versions, err);

    for (size_t i = 0; rc == 0 && oldest == NULL && i < versions.len; i++)
        if (versions.items[i].type == ZRPC_ZFS_SNAPSHOT)
            oldest = &versions.items[i];
    if (rc == 0 && oldest != NULL) {
        rc = zfs->ops->rollback(zfs->ctx, &call->cancelled, fs, oldest->name, err);
        if (rc == 0)
            rc = zfs->ops->destroy_snapshot(zfs->ctx, &call->cancelled, fs, oldest->name, err);
    }
    zrpc_zfs_versions_dispose(&versions);
    return rc;
}

static int open_sink(struct zrpc_endpoint_receive *r, struct zrpc_call *call, struct zrpc_error *err)
{
    struct zrpc_endpoint *e = r->endpoint;
    const struct zrpc_zfs *zfs = &e->config.zfs;
    struct zrpc_zfs_receive what = {.filesystem = r->fs,
                                    .resumable = zfs->ops->resume_token != NULL && !e->config.not_resumable};
    struct zrpc_zfs_filesystem found;
    int rc = zfs->ops->get_filesystem(zfs->ctx, &call->cancelled, r->fs, &found, err);

    if (rc > 0 && found.placeholder) {
        what.force = true;
        rc = empty(e, call, r->fs, err);
        if (rc != 0)
            return zrpc_error_prefix(err, rc, "cannot roll back placeholder %s for forced receive", r->fs);
        rc = zfs->ops->set_placeholder(zfs->ctx, &call->cancelled, r->fs, false, err);
        if (rc != 0)
            return zrpc_error_prefix(err, rc, "cannot clear placeholder property for forced receive");
        r->unmarked = true;
    }
    return rc < 0 ? rc : zfs->ops->receive(zfs->ctx, &call->cancelled, &what, &r->inner, err);
}

/* Also of a receive that was resumable when this one is not (ZR-MSG-016). */
static int drop_partial(struct zrpc_endpoint *e, struct zrpc_call *call, const char *fs,
                        struct zrpc_error *err)
{
    const struct zrpc_zfs *zfs = &e->config.zfs;

    return zfs->ops->abort_receive == NULL ? 0 : zfs->ops->abort_receive(zfs->ctx, &call->cancelled, fs, err);
}

int zrpc_endpoint_receive(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReceiveReq *req,
                          struct zrpc_sink *sink, struct zrpc_error *err)
{
    struct zrpc_endpoint *e = ctx;
    struct zrpc_endpoint_receive *r = malloc(sizeof *r);
    int rc;

    if (r == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a receive");
    *r = (struct zrpc_endpoint_receive){.endpoint = e, .log = call->log};
    rc = zrpc_endpoint_map(e, call, req->filesystem, r->fs, err);
    if (rc == 0)
        rc = claim(r, err);
    if (rc == 0)
        rc = zrpc_endpoint_limit_acquire(&e->receives, &call->cancelled, "receives", err);
    r->slot = rc == 0;
    if (rc == 0 && req->clearresumetoken)
        rc = drop_partial(e, call, r->fs, err);
    if (rc == 0)
        rc = create_parents(e, call, r->fs, err);
    if (rc == 0)
        rc = open_sink(r, call, err);
    if (rc != 0) {
        release(r);
        return rc;
    }
    *sink = (struct zrpc_sink){.ops = &receive_ops, .ctx = r};
    return 0;
}
