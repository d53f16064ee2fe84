#include <stdio.h>
#include <stdlib.h>

#include "sim/zfs/sendstream.h"
#include "sim/zfs/token.h"
#include "zpool_internal.h"

/* What a send goes from and to. */
struct plan {
    struct zpool_fs fs;
    struct zpool_version from, to; /* from: id 0 for a full send */
    bool resumed;
    struct zrpc_sendstream_point point;
};

/* "@snapshot" or "#bookmark": 1, or 0. */
static int find_relative(struct zrpc_zpool *p, int64_t fs, const char *relative, struct zpool_version *out,
                         struct zrpc_error *err)
{
    enum zrpc_zfs_version_type type;
    const char *name;

    if (zrpc_zfs_version_parse(relative, &type, &name, NULL) != 0)
        return 0;
    return zpool_version_find(p, fs, type == ZRPC_ZFS_BOOKMARK, name, out, err);
}

static int plan_names(struct zrpc_zpool *p, const struct zrpc_zfs_send *send, struct plan *plan,
                      struct zrpc_error *err)
{
    const char *fs = send->filesystem;
    int rc = zpool_fs_require(p, fs, &plan->fs, err);

    if (rc == 0 && send->to[0] == '@')
        rc = find_relative(p, plan->fs.id, send->to, &plan->to, err);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s%s': dataset does not exist", fs, send->to);
    if (rc < 0 || send->from[0] == '\0')
        return rc < 0 ? rc : 0;
    rc = find_relative(p, plan->fs.id, send->from, &plan->from, err);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot send '%s%s': incremental source (%s%s) does not exist",
                         fs, send->to, fs, send->from);
    if (rc == 1 && plan->from.createtxg >= plan->to.createtxg)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot send '%s%s': not an earlier snapshot from the same fs",
                         fs, send->to);
    return rc < 0 ? rc : 0;
}

/* What the token names must be what it was; the snapshot may have another name by now. */
static int plan_token(struct zrpc_zpool *p, const char *text, struct plan *plan, struct zrpc_error *err)
{
    struct zrpc_token token;
    char fs[ZRPC_ZFS_NAME_MAX], part[ZRPC_ZFS_NAME_MAX], delimiter;
    struct zpool_version named;
    int rc = zrpc_token_decode(text, &token, err);

    if (rc != 0)
        return zrpc_error_prefix(err, rc, "cannot resume send");
    rc = zpool_split("cannot resume send", token.toname, fs, &delimiter, part, err);
    if (rc == 0)
        rc = zpool_fs_find(p, fs, &plan->fs, err);
    if (rc == 1)
        rc = zpool_version_by_guid(p, plan->fs.id, false, token.to_guid, &plan->to, err);
    if (rc == 0 && zpool_version_find(p, plan->fs.id, false, part, &named, NULL) == 1)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "cannot resume send: '%s' is no longer the same snapshot used in the initial send",
                         token.toname);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "cannot resume send: '%s' used in the initial send no longer exists", token.toname);
    if (rc == 1 && token.from_guid != 0)
        rc = zpool_version_by_guid(p, plan->fs.id, true, token.from_guid, &plan->from, err);
    if (rc == 0 || (rc == 1 && plan->from.createtxg >= plan->to.createtxg))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot resume send: incremental source %#llx no longer exists",
                         (unsigned long long)token.from_guid);
    plan->resumed = true;
    plan->point = token.point;
    return rc < 0 ? rc : 0;
}

static int make_plan(struct zrpc_zpool *p, const struct zrpc_zfs_send *send, struct plan *plan,
                     struct zrpc_error *err)
{
    *plan = (struct plan){0};
    return send->resume_token != NULL ? plan_token(p, send->resume_token, plan, err)
                                      : plan_names(p, send, plan, err);
}

static int make_stream(struct zrpc_zpool *p, const struct plan *plan, struct zrpc_sendstream *out,
                       struct zrpc_error *err)
{
    struct zrpc_zpool_dataset d;
    uint64_t n = 0, length;
    int rc = 0;

    *out = (struct zrpc_sendstream){
        .begin = {.to_guid = plan->to.guid,
                  .from_guid = plan->from.id == 0 ? 0 : plan->from.guid,
                  .creation = plan->to.creation,
                  .volume = plan->fs.volume},
        .resumed = plan->resumed,
        .point = plan->point,
    };
    zpool_describe(&plan->fs, &plan->to, &d);
    memcpy(out->begin.toname, d.name, sizeof out->begin.toname);
    if (plan->from.id != 0)
        rc = zpool_extents_count(p, plan->fs.id, plan->from.createtxg, &n, &length, err);
    out->first_object = n + 1;
    if (rc == 0)
        rc = zpool_extents(p, plan->fs.id, plan->from.createtxg, plan->to.createtxg, &out->extents, err);
    if (rc != 0)
        zrpc_sendstream_dispose(out);
    return rc;
}

static int estimate(struct zrpc_zpool *p, const struct zrpc_zfs_send *send, int64_t *bytes,
                    struct zrpc_error *err)
{
    struct zrpc_sendstream stream;
    struct plan plan;
    int rc = make_plan(p, send, &plan, err);

    if (rc == 0)
        rc = make_stream(p, &plan, &stream, err);
    if (rc != 0)
        return rc;
    /* As zfs at the protocol's time: there is no estimate from a bookmark. */
    *bytes =
        plan.from.bookmark && !plan.resumed ? ZRPC_ZFS_NO_ESTIMATE : (int64_t)zrpc_sendstream_length(&stream);
    zrpc_sendstream_dispose(&stream);
    return 0;
}

int zpool_estimate(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, int64_t *bytes,
                   struct zrpc_error *err)
{
    int rc = zpool_begin(ctx, false, err);

    (void)cancelled;
    return rc != 0 ? rc : zpool_end(ctx, estimate(ctx, send, bytes, err), err);
}

struct sending {
    struct zrpc_zpool *pool;
    struct zpool_claim claim;
    struct zrpc_sendstream_writer writer;
};

static ssize_t sending_read(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    struct sending *s = ctx;

    (void)err;
    return (ssize_t)zrpc_sendstream_writer_read(&s->writer, buf, len);
}

static void sending_close(void *ctx)
{
    struct sending *s = ctx;

    zpool_unclaim(s->pool, &s->claim);
    zrpc_sendstream_writer_dispose(&s->writer);
    free(s);
}

static const struct zrpc_source_ops sending_ops = {.read = sending_read, .close = sending_close};

/* In a pool that is read-only, the send cannot be seen by others. */
static int start(struct sending *s, const struct zrpc_zfs_send *send, struct zrpc_error *err)
{
    struct zrpc_sendstream stream;
    struct plan plan;
    int rc = make_plan(s->pool, send, &plan, err);

    if (rc == 0)
        rc = make_stream(s->pool, &plan, &stream, err);
    if (rc == 0)
        rc = zrpc_sendstream_writer_init(&s->writer, stream, err);
    if (rc == 0 && !s->pool->readonly)
        rc = zpool_claim(s->pool, &s->claim, NULL, plan.to.id, err);
    return rc;
}

int zpool_send(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, struct zrpc_source *out,
               struct zrpc_error *err)
{
    struct zrpc_zpool *p = ctx;
    struct sending *s = calloc(1, sizeof *s);
    int rc;

    (void)cancelled;
    if (s == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a send");
    s->pool = p;
    rc = zpool_begin(p, !p->readonly, err);
    if (rc == 0)
        rc = zpool_end(p, start(s, send, err), err);
    if (rc == 0)
        *out = (struct zrpc_source){.ops = &sending_ops, .ctx = s};
    else
        sending_close(s);
    return rc;
}
