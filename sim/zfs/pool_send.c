#include <stdlib.h>

#include "pool_internal.h"

/* What a send goes from and to, found under the lock. */
struct plan {
    struct sim_filesystem *fs;
    struct sim_version *from, *to; /* from: NULL for a full send */
};

static struct sim_version *find_relative(const struct sim_filesystem *fs, const char *relative)
{
    enum zrpc_zfs_version_type type;
    const char *name;

    if (zrpc_zfs_version_parse(relative, &type, &name, NULL) != 0)
        return NULL;
    return zrpc_sim_find_version(fs, type, name);
}

static int make_plan(const struct zrpc_sim_pool *p, const struct zrpc_zfs_send *send, struct plan *plan,
                     struct zrpc_error *err)
{
    *plan = (struct plan){.fs = zrpc_sim_require(p, send->filesystem, err)};
    if (plan->fs == NULL)
        return ZRPC_ERR_ZFS;
    plan->to = send->to[0] == '@' ? find_relative(plan->fs, send->to) : NULL;
    if (plan->to == NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s%s': dataset does not exist", send->filesystem,
                         send->to);
    if (send->from[0] == '\0')
        return 0;
    plan->from = find_relative(plan->fs, send->from);
    if (plan->from == NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot send '%s%s': incremental source (%s%s) does not exist",
                         send->filesystem, send->to, send->filesystem, send->from);
    if (plan->from->v.createtxg >= plan->to->v.createtxg)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "cannot send '%s%s': %s is not an earlier snapshot from the same fs",
                         send->filesystem, send->to, send->from);
    return 0;
}

static int collect(const struct plan *plan, struct zrpc_sim_extents *out, struct zrpc_error *err)
{
    return zrpc_sim_collect(plan->fs, plan->from == NULL ? 0 : plan->from->v.createtxg, plan->to->v.createtxg,
                            out, err);
}

int zrpc_sim_estimate(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, int64_t *bytes,
                      struct zrpc_error *err)
{
    struct zrpc_sim_pool *p = ctx;
    struct zrpc_sim_extents extents = {0};
    struct plan plan;
    int rc;

    (void)cancelled;
    pthread_mutex_lock(&p->mutex);
    rc = make_plan(p, send, &plan, err);
    if (rc == 0)
        rc = collect(&plan, &extents, err);
    /* As zfs at the protocol's time: there is no estimate from a bookmark. */
    if (rc == 0)
        *bytes = plan.from != NULL && plan.from->v.type == ZRPC_ZFS_BOOKMARK
                     ? ZRPC_ZFS_NO_ESTIMATE
                     : (int64_t)zrpc_sim_stream_length(&extents);
    pthread_mutex_unlock(&p->mutex);
    zrpc_sim_extents_dispose(&extents);
    return rc;
}

struct sending {
    struct zrpc_sim_pool *pool;
    char fs[ZRPC_ZFS_NAME_MAX];
    char snapshot[ZRPC_ZFS_NAME_MAX];
    struct zrpc_sim_writer writer;
    uint64_t sent;
    struct zrpc_sim_fault fault;
};

static ssize_t sending_read(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    struct sending *s = ctx;
    uint64_t until_fault = s->fault.send_error[0] == '\0' ? UINT64_MAX : s->fault.send_error_at - s->sent;

    if (until_fault == 0)
        return zrpc_fail(err, ZRPC_ERR_SOURCE, "%s", s->fault.send_error);
    if (len > until_fault)
        len = (size_t)until_fault;
    len = zrpc_sim_writer_read(&s->writer, buf, len);
    s->sent += len;
    return (ssize_t)len;
}

static void sending_close(void *ctx)
{
    struct sending *s = ctx;
    struct sim_filesystem *fs;
    struct sim_version *v;

    pthread_mutex_lock(&s->pool->mutex);
    fs = zrpc_sim_find(s->pool, s->fs);
    v = fs == NULL ? NULL : zrpc_sim_find_version(fs, ZRPC_ZFS_SNAPSHOT, s->snapshot);
    if (v != NULL)
        v->sends--;
    pthread_mutex_unlock(&s->pool->mutex);
    zrpc_sim_writer_dispose(&s->writer);
    free(s);
}

static const struct zrpc_source_ops sending_ops = {.read = sending_read, .close = sending_close};

/* With the pool locked. */
static int start(struct sending *s, const struct plan *plan, struct zrpc_error *err)
{
    struct zrpc_sim_extents extents = {0};
    struct zrpc_sim_begin begin = {
        .to_guid = plan->to->v.guid,
        .from_guid = plan->from == NULL ? 0 : plan->from->v.guid,
        .creation = plan->to->v.creation,
    };
    int rc = collect(plan, &extents, err);

    if (rc != 0) {
        zrpc_sim_extents_dispose(&extents);
        return rc;
    }
    memcpy(begin.snapshot, plan->to->v.name, sizeof begin.snapshot);
    memcpy(s->fs, plan->fs->path, sizeof s->fs);
    memcpy(s->snapshot, plan->to->v.name, sizeof s->snapshot);
    rc = zrpc_sim_writer_init(&s->writer, &begin, extents, err);
    if (rc == 0)
        plan->to->sends++;
    return rc;
}

int zrpc_sim_send(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send,
                  struct zrpc_source *out, struct zrpc_error *err)
{
    struct zrpc_sim_pool *p = ctx;
    struct zrpc_sim_fault fault = zrpc_sim_fault_of(p, send->filesystem);
    int rc = zrpc_sim_suffer(fault.open_delay, fault.open_error, cancelled, err);
    struct sending *s;
    struct plan plan;

    if (rc != 0)
        return rc;
    s = malloc(sizeof *s);
    if (s == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a send");
    *s = (struct sending){.pool = p, .fault = fault};
    pthread_mutex_lock(&p->mutex);
    rc = make_plan(p, send, &plan, err);
    if (rc == 0)
        rc = start(s, &plan, err);
    pthread_mutex_unlock(&p->mutex);
    if (rc != 0) {
        free(s);
        return rc;
    }
    *out = (struct zrpc_source){.ops = &sending_ops, .ctx = s};
    return 0;
}
