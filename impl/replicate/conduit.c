#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "replicate/internal.h"
#include "zrpc/sigpipe.h"

#define CAPACITY (1 << 20) /* bytes: what anybody may ask for */

int zrpc_conduit_init(struct zrpc_conduit *c, struct zrpc_error *err)
{
    int ends[2], rc;

    *c = (struct zrpc_conduit){.read_fd = -1, .write_fd = -1};
    rc = pthread_mutex_init(&c->mutex, NULL);
    if (rc != 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "mutex of a conduit");
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pipe between sender and receiver");
        pthread_mutex_destroy(&c->mutex);
        return rc;
    }
    (void)fcntl(ends[1], F_SETPIPE_SZ, CAPACITY); /* a wish */
    c->read_fd = ends[0];
    c->write_fd = ends[1];
    return 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void zrpc_conduit_dispose(struct zrpc_conduit *c)
{
    close_fd(&c->write_fd);
    close_fd(&c->read_fd);
    pthread_mutex_destroy(&c->mutex);
}

static ssize_t sink_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    struct zrpc_conduit *c = ctx;
    sigset_t saved;
    ssize_t n;

    zrpc_sigpipe_block(&saved);
    do {
        n = write(c->write_fd, buf, len);
    } while (n < 0 && errno == EINTR);
    zrpc_sigpipe_restore(&saved);
    if (n >= 0)
        return n;
    if (errno == EAGAIN)
        return ZRPC_ERR_AGAIN;
    return zrpc_fail_errno(err, ZRPC_ERR_SINK, errno, "the receiver takes no more");
}

static int sink_fd(void *ctx)
{
    return ((struct zrpc_conduit *)ctx)->write_fd;
}

/* The verdict comes before the end of file that makes the other side ask for it. */
static int sink_finish(void *ctx, struct zrpc_error *err)
{
    struct zrpc_conduit *c = ctx;

    (void)err;
    pthread_mutex_lock(&c->mutex);
    c->complete = true;
    pthread_mutex_unlock(&c->mutex);
    close_fd(&c->write_fd);
    return 0;
}

/* What is not finished ends when it is known why: by zrpc_conduit_hang_up(). */
static void sink_close(void *ctx)
{
    (void)ctx;
}

static const struct zrpc_sink_ops sink_ops = {
    .write = sink_write,
    .fd = sink_fd,
    .finish = sink_finish,
    .close = sink_close,
};

struct zrpc_sink zrpc_conduit_sink(struct zrpc_conduit *c)
{
    return (struct zrpc_sink){.ops = &sink_ops, .ctx = c};
}

void zrpc_conduit_hang_up(struct zrpc_conduit *c, const struct zrpc_error *why)
{
    pthread_mutex_lock(&c->mutex);
    if (!c->complete)
        c->why = *why;
    pthread_mutex_unlock(&c->mutex);
    close_fd(&c->write_fd);
}

static ssize_t source_read(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    struct zrpc_conduit *c = ctx;
    ssize_t n;

    do {
        n = read(c->read_fd, buf, len);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EAGAIN)
        return ZRPC_ERR_AGAIN;
    return zrpc_fail_errno(err, ZRPC_ERR_SOURCE, errno, "read from the sender");
}

static int source_fd(void *ctx)
{
    return ((struct zrpc_conduit *)ctx)->read_fd;
}

static int source_finish(void *ctx, struct zrpc_error *err)
{
    struct zrpc_conduit *c = ctx;
    int rc = 0;

    pthread_mutex_lock(&c->mutex);
    if (c->complete) {
        c->drained = true;
    } else {
        c->refused = true;
        rc = zrpc_fail(err, ZRPC_ERR_SOURCE, "the sender failed: %s", c->why.text);
    }
    pthread_mutex_unlock(&c->mutex);
    return rc;
}

static void source_close(void *ctx)
{
    zrpc_conduit_close_source(ctx);
}

static const struct zrpc_source_ops source_ops = {
    .read = source_read,
    .fd = source_fd,
    .finish = source_finish,
    .close = source_close,
};

struct zrpc_source zrpc_conduit_source(struct zrpc_conduit *c)
{
    return (struct zrpc_source){.ops = &source_ops, .ctx = c};
}

void zrpc_conduit_close_source(struct zrpc_conduit *c)
{
    close_fd(&c->read_fd);
}
