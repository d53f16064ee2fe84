#include "zrpc/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zrpc/sigpipe.h"

struct fd_end {
    int fd;
    int flags; /* of the open file, as we found them: others may share it */
    bool socket;
};

static int fd_end_new(int fd, struct fd_end **out, struct zrpc_error *err)
{
    struct fd_end *e;
    struct stat st;
    int flags;

    if (fstat(fd, &st) < 0 || (flags = fcntl(fd, F_GETFL)) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_USAGE, errno, "stream over file descriptor %d", fd);
    if ((e = malloc(sizeof *e)) == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a stream over file descriptor %d", fd);
    if (!S_ISREG(st.st_mode) && (flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        free(e);
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "make file descriptor %d non-blocking", fd);
    }
    *e = (struct fd_end){.fd = fd, .flags = flags, .socket = S_ISSOCK(st.st_mode)};
    *out = e;
    return 0;
}

static int fd_end_fd(void *ctx)
{
    return ((struct fd_end *)ctx)->fd;
}

static void fd_end_close(void *ctx)
{
    struct fd_end *e = ctx;

    if ((e->flags & O_NONBLOCK) == 0)
        (void)fcntl(e->fd, F_SETFL, e->flags);
    close(e->fd);
    free(e);
}

static bool would_block(int errnum)
{
    return errnum == EAGAIN || errnum == EWOULDBLOCK;
}

static ssize_t fd_read(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    struct fd_end *e = ctx;
    ssize_t n;

    do {
        n = read(e->fd, buf, len);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (would_block(errno))
        return ZRPC_ERR_AGAIN;
    return zrpc_fail_errno(err, ZRPC_ERR_SOURCE, errno, "read from file descriptor %d", e->fd);
}

static ssize_t write_retrying(int fd, const void *buf, size_t len)
{
    ssize_t n;

    do {
        n = write(fd, buf, len);
    } while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t write_without_sigpipe(int fd, const void *buf, size_t len)
{
    sigset_t saved;
    ssize_t n;
    int errnum;

    zrpc_sigpipe_block(&saved);
    n = write_retrying(fd, buf, len);
    errnum = errno;
    zrpc_sigpipe_restore(&saved);
    errno = errnum;
    return n;
}

static ssize_t send_retrying(int fd, const void *buf, size_t len)
{
    ssize_t n;

    do {
        n = send(fd, buf, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t fd_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    struct fd_end *e = ctx;
    ssize_t n = e->socket ? send_retrying(e->fd, buf, len) : write_without_sigpipe(e->fd, buf, len);

    if (n >= 0)
        return n;
    if (would_block(errno))
        return ZRPC_ERR_AGAIN;
    if (errno == EPIPE)
        return zrpc_fail_errno(err, ZRPC_ERR_SINK, EPIPE,
                               "write to file descriptor %d: whoever read from it is gone", e->fd);
    return zrpc_fail_errno(err, ZRPC_ERR_SINK, errno, "write to file descriptor %d", e->fd);
}

static int fd_finish(void *ctx, struct zrpc_error *err)
{
    (void)ctx;
    (void)err;
    return 0;
}

static const struct zrpc_source_ops fd_source_ops = {
    .read = fd_read,
    .fd = fd_end_fd,
    .close = fd_end_close,
};

static const struct zrpc_sink_ops fd_sink_ops = {
    .write = fd_write,
    .fd = fd_end_fd,
    .finish = fd_finish,
    .close = fd_end_close,
};

int zrpc_source_from_fd(int fd, struct zrpc_source *out, struct zrpc_error *err)
{
    struct fd_end *e;
    int rc = fd_end_new(fd, &e, err);

    if (rc < 0)
        return rc;
    *out = (struct zrpc_source){.ops = &fd_source_ops, .ctx = e};
    return 0;
}

int zrpc_sink_from_fd(int fd, struct zrpc_sink *out, struct zrpc_error *err)
{
    struct fd_end *e;
    int rc = fd_end_new(fd, &e, err);

    if (rc < 0)
        return rc;
    *out = (struct zrpc_sink){.ops = &fd_sink_ops, .ctx = e};
    return 0;
}
