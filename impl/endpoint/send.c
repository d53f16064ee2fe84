#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>

/* The backend's source, with the slot it holds. */
struct sending {
    struct zrpc_endpoint *endpoint;
    struct zrpc_source inner;
};

static ssize_t sending_read(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    struct sending *s = ctx;

    return s->inner.ops->read(s->inner.ctx, buf, len, err);
}

static int sending_fd(void *ctx)
{
    struct sending *s = ctx;

    return s->inner.ops->fd == NULL ? -1 : s->inner.ops->fd(s->inner.ctx);
}

static struct pollfd sending_wait(void *ctx)
{
    return zrpc_source_wait(&((struct sending *)ctx)->inner);
}

static int sending_finish(void *ctx, struct zrpc_error *err)
{
    struct sending *s = ctx;

    return s->inner.ops->finish == NULL ? 0 : s->inner.ops->finish(s->inner.ctx, err);
}

static void sending_close(void *ctx)
{
    struct sending *s = ctx;

    zrpc_source_close(&s->inner);
    zrpc_endpoint_limit_release(&s->endpoint->sends);
    free(s);
}

static const struct zrpc_source_ops sending_ops = {
    .read = sending_read,
    .fd = sending_fd,
    .wait = sending_wait,
    .finish = sending_finish,
    .close = sending_close,
};

static int check(const Zrpc__Pb__SendReq *req, struct zrpc_error *err)
{
    enum zrpc_zfs_version_type type;
    const char *name;
    int rc = 0;

    if (req->from[0] != '\0')
        rc = zrpc_zfs_version_parse(req->from, &type, &name, err);
    if (rc != 0)
        return zrpc_error_prefix(err, rc, "error building abs version for 'from'");
    rc = zrpc_zfs_version_parse(req->to, &type, &name, err);
    if (rc != 0)
        return zrpc_error_prefix(err, rc, "error building abs version for 'to'");
    if (type != ZRPC_ZFS_SNAPSHOT)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "cannot send '%s%s': not a snapshot", req->filesystem, req->to);
    return 0;
}

#define MISMATCH "resume token does not match: "

static uint64_t guid_of(const struct zrpc_zfs_versions *versions, const char *relative)
{
    const struct zrpc_zfs_version *v = zrpc_zfs_versions_find(
        versions, relative[0] == '@' ? ZRPC_ZFS_SNAPSHOT : ZRPC_ZFS_BOOKMARK, relative + 1);

    return v == NULL ? 0 : v->guid;
}

/* The token is a peer's, and could tell of anything. With From and To checked. */
static int check_token(struct zrpc_endpoint *e, struct zrpc_call *call, const char *fs,
                       const Zrpc__Pb__SendReq *req, struct zrpc_error *err)
{
    const struct zrpc_zfs *zfs = &e->config.zfs;
    struct zrpc_zfs_versions versions = {0};
    struct zrpc_zfs_token token;
    int rc;

    if (zfs->ops->read_token == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, MISMATCH "this endpoint issues none");
    rc = zfs->ops->read_token(zfs->ctx, &call->cancelled, req->resumetoken, &token, err);
    if (rc == 0 && strcmp(token.filesystem, fs) != 0)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, MISMATCH "it is of '%s', not of '%s'", token.filesystem, fs);
    if (rc == 0)
        rc = zfs->ops->list_versions(zfs->ctx, &call->cancelled, fs, &versions, err);
    if (rc == 0 && (token.to_guid == 0 || guid_of(&versions, req->to) != token.to_guid))
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, MISMATCH "it goes to '@%s' with guid %" PRIu64 ", not to '%s'",
                       token.to, token.to_guid, req->to);
    if (rc == 0 && (req->from[0] == '\0' ? 0 : guid_of(&versions, req->from)) != token.from_guid)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, MISMATCH "it comes from guid %" PRIu64 ", not from '%s'",
                       token.from_guid, req->from);
    /* A version that does not exist has no guid, and an increment from it no token. */
    if (rc == 0 && req->from[0] != '\0' && token.from_guid == 0)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, MISMATCH "it is of a full stream, not from '%s'", req->from);
    zrpc_zfs_versions_dispose(&versions);
    return rc;
}

static int start(struct zrpc_endpoint *e, struct zrpc_call *call, const struct zrpc_zfs_send *what,
                 struct zrpc_source *source, struct zrpc_error *err)
{
    struct sending *s = malloc(sizeof *s);
    int rc;

    if (s == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a send of %s%s", what->filesystem, what->to);
    *s = (struct sending){.endpoint = e};
    rc = e->config.zfs.ops->send(e->config.zfs.ctx, &call->cancelled, what, &s->inner, err);
    if (rc != 0) {
        free(s);
        return rc;
    }
    *source = (struct zrpc_source){.ops = &sending_ops, .ctx = s};
    return 0;
}

int zrpc_endpoint_send(void *ctx, struct zrpc_call *call, const Zrpc__Pb__SendReq *req,
                       Zrpc__Pb__SendRes *res, struct zrpc_source *source, struct zrpc_error *err)
{
    struct zrpc_endpoint *e = ctx;
    const struct zrpc_zfs *zfs = &e->config.zfs;
    char fs[ZRPC_ZFS_NAME_MAX];
    struct zrpc_zfs_send what = {.filesystem = fs, .from = req->from, .to = req->to};
    int64_t bytes = ZRPC_ZFS_NO_ESTIMATE;
    int rc = zrpc_endpoint_resolve(e, call, req->filesystem, fs, err);

    if (rc == 0)
        rc = check(req, err);
    if (rc == 0 && req->resumetoken[0] != '\0') {
        rc = check_token(e, call, fs, req, err);
        what.resume_token = req->resumetoken;
    }
    if (rc == 0)
        rc = zrpc_endpoint_limit_acquire(&e->sends, &call->cancelled, "sends", err);
    if (rc != 0)
        return rc;
    res->usedresumetoken = what.resume_token != NULL;
    rc = zfs->ops->estimate(zfs->ctx, &call->cancelled, &what, &bytes, err);
    if (rc == 0)
        res->expectedsize = bytes > 0 ? bytes : 0;
    if (rc == 0 && !req->dryrun) {
        rc = start(e, call, &what, source, err);
        if (rc == 0)
            return 0; /* the slot is the source's now */
    }
    zrpc_endpoint_limit_release(&e->sends);
    return rc;
}
