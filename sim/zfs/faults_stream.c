#include <stdlib.h>

#include "sim/zfs/faults_internal.h"

/* As much of a stream as tells what it is: the begin record up to the GUID of its origin. */
enum { HEAD = 56 };
#define MAGIC    UINT64_C(0x2F5bacbac)
#define RESUMING (UINT64_C(1) << (20 + 2))

/* A source or sink with its faults. */
struct faulty {
    struct zrpc_zfs_flow flow;
    struct zrpc_zfs_alarm alarm;
    struct zrpc_source source; /* one of the two */
    struct zrpc_sink sink;
    bool waiting; /* for the alarm, not for what is inside */
    uint8_t head[HEAD];
    size_t n_head;
    struct zrpc_error failed; /* code ZRPC_OK: it has not */
};

static uint64_t little(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static const char *kind(const struct faulty *s)
{
    if (s->n_head < HEAD || little(s->head + 8) != MAGIC)
        return "";
    if ((little(s->head + 16) & RESUMING) != 0)
        return " resume stream";
    return little(s->head + 48) == 0 ? " new filesystem stream" : " incremental stream";
}

static int fail(struct faulty *s, const struct zrpc_zfs_fault *fault, int code, struct zrpc_error *err)
{
    if (s->failed.code == ZRPC_OK && fault->action == ZRPC_ZFS_FAULT_FULL)
        zrpc_fail(&s->failed, code, "cannot receive%s: out of space", kind(s));
    else if (s->failed.code == ZRPC_OK && fault->action == ZRPC_ZFS_FAULT_CRASH)
        zrpc_zfs_faults_crash(s->flow.struck.plan, code, "in the middle of the stream", &s->failed);
    else if (s->failed.code == ZRPC_OK)
        zrpc_fail(&s->failed, code, "%s", fault->text);
    if (err != NULL)
        *err = s->failed;
    return code;
}

/* 0: up to *len bytes may move. */
static int admit(struct faulty *s, size_t *len, int code, struct zrpc_error *err)
{
    const struct zrpc_zfs_fault *fault = NULL;
    zrpc_time until = ZRPC_NEVER;

    s->waiting = false;
    switch (zrpc_zfs_flow_next(&s->flow, zrpc_now(), len, &until, &fault)) {
    case ZRPC_ZFS_FLOW_STRUCK:
        return fail(s, fault, code, err);
    case ZRPC_ZFS_FLOW_WAIT:
        s->waiting = true;
        zrpc_zfs_alarm_set(&s->flow.struck.plan->alarms, &s->alarm, until);
        return ZRPC_ERR_AGAIN;
    case ZRPC_ZFS_FLOW_GO:
        break;
    }
    return 0;
}

static ssize_t faulty_read(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    struct faulty *s = ctx;
    ssize_t n = admit(s, &len, ZRPC_ERR_SOURCE, err);

    if (n == 0)
        n = s->source.ops->read(s->source.ctx, buf, len, err);
    if (n > 0)
        zrpc_zfs_flow_moved(&s->flow, (size_t)n);
    return n;
}

static ssize_t faulty_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    struct faulty *s = ctx;
    ssize_t n = admit(s, &len, ZRPC_ERR_SINK, err);

    if (n == 0)
        n = s->sink.ops->write(s->sink.ctx, buf, len, err);
    if (n <= 0)
        return n;
    for (size_t i = 0; i < (size_t)n && s->n_head < HEAD; i++)
        s->head[s->n_head++] = ((const uint8_t *)buf)[i];
    zrpc_zfs_flow_moved(&s->flow, (size_t)n);
    return n;
}

static struct pollfd faulty_wait(void *ctx)
{
    struct faulty *s = ctx;

    if (s->waiting)
        return (struct pollfd){.fd = s->alarm.fd, .events = POLLIN};
    return s->source.ops != NULL ? zrpc_source_wait(&s->source) : zrpc_sink_wait(&s->sink);
}

static int faulty_source_finish(void *ctx, struct zrpc_error *err)
{
    struct faulty *s = ctx;

    return s->source.ops->finish == NULL ? 0 : s->source.ops->finish(s->source.ctx, err);
}

static int faulty_sink_finish(void *ctx, struct zrpc_error *err)
{
    struct faulty *s = ctx;
    int rc = zrpc_zfs_struck_commit(&s->flow.struck, ZRPC_ZFS_BEFORE_COMMIT, err);

    if (rc == 0 && s->failed.code != ZRPC_OK) {
        if (err != NULL)
            *err = s->failed;
        rc = s->failed.code;
    }
    if (rc == 0)
        rc = s->sink.ops->finish(s->sink.ctx, err);
    return rc != 0 ? rc : zrpc_zfs_struck_commit(&s->flow.struck, ZRPC_ZFS_AFTER_COMMIT, err);
}

static void faulty_close(void *ctx)
{
    struct faulty *s = ctx;

    zrpc_source_close(&s->source);
    zrpc_sink_close(&s->sink);
    zrpc_zfs_alarm_close(&s->flow.struck.plan->alarms, &s->alarm);
    free(s);
}

/* No descriptor of its own: what is inside may not be moved past the faults. */
static const struct zrpc_source_ops source_ops = {
    .read = faulty_read,
    .wait = faulty_wait,
    .finish = faulty_source_finish,
    .close = faulty_close,
};

static const struct zrpc_sink_ops sink_ops = {
    .write = faulty_write,
    .wait = faulty_wait,
    .finish = faulty_sink_finish,
    .close = faulty_close,
};

static int faulty_new(const struct zrpc_zfs_struck *struck, struct faulty **out, struct zrpc_error *err)
{
    struct faulty *s = calloc(1, sizeof *s);
    int rc;

    if (s == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a stream's faults");
    s->flow.struck = *struck;
    s->flow.struck.filesystem = s->flow.struck.snapshot = NULL;
    rc = zrpc_zfs_alarm_open(&struck->plan->alarms, &s->alarm, err);
    if (rc != 0) {
        free(s);
        return rc;
    }
    *out = s;
    return 0;
}

int zrpc_zfs_struck_source(const struct zrpc_zfs_struck *struck, struct zrpc_source *source,
                           struct zrpc_error *err)
{
    struct faulty *s;
    int rc;

    if (!zrpc_zfs_flow_concerned(struck))
        return 0;
    rc = faulty_new(struck, &s, err);
    if (rc != 0)
        return rc;
    s->source = *source;
    *source = (struct zrpc_source){.ops = &source_ops, .ctx = s};
    return 0;
}

int zrpc_zfs_struck_sink(const struct zrpc_zfs_struck *struck, struct zrpc_sink *sink, struct zrpc_error *err)
{
    struct faulty *s;
    int rc;

    if (!zrpc_zfs_flow_concerned(struck))
        return 0;
    rc = faulty_new(struck, &s, err);
    if (rc != 0)
        return rc;
    s->sink = *sink;
    *sink = (struct zrpc_sink){.ops = &sink_ops, .ctx = s};
    return 0;
}
