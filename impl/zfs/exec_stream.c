#include "zfs/exec_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "zrpc/sigpipe.h"

#define AFTER_EPIPE ZRPC_SECOND /* for a receive's last words */

struct stream {
    struct zrpc_zfs_process process;
    zrpc_time linger;
    atomic_bool *cancelled;
};

static int start(const struct zrpc_zfs_exec *e, atomic_bool *cancelled, const char *const args[],
                 enum zrpc_zfs_stdio stdio, struct stream **out, struct zrpc_error *err)
{
    struct stream *s = malloc(sizeof *s);
    int rc;

    if (s == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for zfs %s", args[0]);
    s->linger = e->linger;
    s->cancelled = cancelled;
    rc = zrpc_zfs_process_start(&s->process, e, args, stdio, err);
    if (rc == 0)
        *out = s;
    else
        free(s);
    return rc;
}

static int stream_fd(void *ctx)
{
    return ((struct stream *)ctx)->process.fd;
}

static ssize_t source_read(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    struct stream *s = ctx;
    ssize_t n;

    zrpc_zfs_process_listen(&s->process);
    do {
        n = read(s->process.fd, buf, len);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EAGAIN)
        return ZRPC_ERR_AGAIN;
    return zrpc_fail_errno(err, ZRPC_ERR_SOURCE, errno, "read from %s", s->process.what);
}

static int source_finish(void *ctx, struct zrpc_error *err)
{
    struct stream *s = ctx;
    int rc = zrpc_zfs_process_wait(&s->process, s->cancelled, zrpc_now() + s->linger, err);

    if (rc == ZRPC_ERR_TIMEOUT)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s has closed its output, but does not end", s->process.what);
    return rc != 0 ? rc : zrpc_zfs_process_verdict(&s->process, err);
}

static void source_close(void *ctx)
{
    struct stream *s = ctx;

    zrpc_zfs_process_end(&s->process, 0);
    free(s);
}

static const struct zrpc_source_ops source_ops = {
    .read = source_read,
    .fd = stream_fd,
    .finish = source_finish,
    .close = source_close,
};

int zrpc_zfs_exec_source(const struct zrpc_zfs_exec *e, atomic_bool *cancelled, const char *const args[],
                         struct zrpc_source *out, struct zrpc_error *err)
{
    struct stream *s = NULL;
    int rc = start(e, cancelled, args, ZRPC_ZFS_READ_STREAM, &s, err);

    if (rc == 0)
        *out = (struct zrpc_source){.ops = &source_ops, .ctx = s};
    return rc;
}

static ssize_t write_quietly(int fd, const void *buf, size_t len)
{
    sigset_t saved;
    ssize_t n;

    zrpc_sigpipe_block(&saved);
    do {
        n = write(fd, buf, len);
    } while (n < 0 && errno == EINTR);
    zrpc_sigpipe_restore(&saved);
    return n;
}

/* Why nobody reads any more is best said by the command itself. */
static int explain_broken_pipe(struct stream *s, struct zrpc_error *err)
{
    int rc = zrpc_zfs_process_wait(&s->process, s->cancelled,
                                   zrpc_now() + zrpc_earlier(s->linger, AFTER_EPIPE), err);

    if (rc == 0)
        rc = zrpc_zfs_process_verdict(&s->process, err);
    if (rc == 0 || rc == ZRPC_ERR_TIMEOUT)
        return zrpc_fail(err, ZRPC_ERR_SINK, "%s stopped reading before the stream was over",
                         s->process.what);
    return rc;
}

static ssize_t sink_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    struct stream *s = ctx;
    ssize_t n;

    if (s->process.fd < 0)
        return zrpc_fail(err, ZRPC_ERR_SINK, "%s has been told that the stream is over", s->process.what);
    zrpc_zfs_process_listen(&s->process);
    n = write_quietly(s->process.fd, buf, len);
    if (n >= 0)
        return n;
    if (errno == EAGAIN)
        return ZRPC_ERR_AGAIN;
    if (errno == EPIPE)
        return explain_broken_pipe(s, err);
    return zrpc_fail_errno(err, ZRPC_ERR_SINK, errno, "write to %s", s->process.what);
}

static int sink_finish(void *ctx, struct zrpc_error *err)
{
    struct stream *s = ctx;
    int rc;

    zrpc_zfs_process_close_fd(&s->process);
    rc = zrpc_zfs_process_wait(&s->process, s->cancelled, ZRPC_NEVER, err);
    return rc != 0 ? rc : zrpc_zfs_process_verdict(&s->process, err);
}

static void sink_close(void *ctx)
{
    struct stream *s = ctx;

    zrpc_zfs_process_end(&s->process, s->linger);
    free(s);
}

static const struct zrpc_sink_ops sink_ops = {
    .write = sink_write,
    .fd = stream_fd,
    .finish = sink_finish,
    .close = sink_close,
};

int zrpc_zfs_exec_sink(const struct zrpc_zfs_exec *e, atomic_bool *cancelled, const char *const args[],
                       struct zrpc_sink *out, struct zrpc_error *err)
{
    struct stream *s = NULL;
    int rc = start(e, cancelled, args, ZRPC_ZFS_WRITE_STDIN, &s, err);

    if (rc == 0)
        *out = (struct zrpc_sink){.ops = &sink_ops, .ctx = s};
    return rc;
}
