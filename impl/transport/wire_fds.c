#include "zrpc/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/io_code.h"
#include "zrpc/sigpipe.h"

struct end {
    int fd;
    bool socket;
    /* Sockets are polled themselves, because shutdown(2) wakes their pollers. Nothing wakes those of a pipe,
     * so a pipe is polled through an epoll set that holds it and the wire's shutdown event. */
    int poll_fd;
    short events;
};

struct fds_wire {
    struct zrpc_wire base;
    struct zrpc_wire_ops ops; /* per wire: name and capabilities differ */
    struct end ends[2];       /* by enum zrpc_direction */
    int shutdown_event;       /* -1 where both ends are sockets */
    atomic_bool shut_down;
    bool write_closed; /* the writing thread's */
    /* A socket tells of its reset once: if writing is told, reading finds the end of file. So writing notes
     * it, with the lock held from the call on. */
    pthread_mutex_t write_lock;
    bool lost;
};

static int fail_io(const struct fds_wire *w, int errnum, const char *what, struct zrpc_error *err)
{
    return zrpc_fail_errno(err, zrpc_io_code(errnum), errnum, "%s wire: %s", w->ops.name, what);
}

static int fail_closed(const struct fds_wire *w, const char *what, struct zrpc_error *err)
{
    return zrpc_fail(err, ZRPC_ERR_CLOSED, "%s wire: %s after it was closed on this side", w->ops.name, what);
}

/* The system calls take no longer vectors; what remains is the caller's next call. */
static int check_vector(const struct fds_wire *w, const struct iovec *iov, int n, struct zrpc_error *err)
{
    int count = n < IOV_MAX ? n : IOV_MAX;

    for (int i = 0; i < count; i++)
        if (iov[i].iov_len > 0)
            return count;
    return zrpc_fail(err, ZRPC_ERR_USAGE, "%s wire: an empty vector", w->ops.name);
}

static ssize_t end_read(const struct end *end, const struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};

    return end->socket ? recvmsg(end->fd, &msg, MSG_DONTWAIT) : readv(end->fd, iov, n);
}

static ssize_t end_write(const struct end *end, const struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
    sigset_t saved;
    ssize_t rc;

    if (end->socket)
        return sendmsg(end->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    zrpc_sigpipe_block(&saved);
    rc = writev(end->fd, iov, n);
    zrpc_sigpipe_restore(&saved);
    return rc;
}

/* What the end of file means. */
static ssize_t read_end(struct fds_wire *w, struct zrpc_error *err)
{
    bool lost;

    /* shutdown() makes one, too, which is not the peer's. */
    if (atomic_load(&w->shut_down))
        return fail_closed(w, "read", err);
    pthread_mutex_lock(&w->write_lock);
    lost = w->lost;
    pthread_mutex_unlock(&w->write_lock);
    return lost ? fail_io(w, ECONNRESET, "read", err) : 0;
}

static ssize_t fds_readv(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct fds_wire *w = (struct fds_wire *)wire;
    ssize_t got;

    n = check_vector(w, iov, n, err);
    if (n < 0)
        return n;
    do {
        if (atomic_load(&w->shut_down))
            return fail_closed(w, "read", err);
        got = end_read(&w->ends[ZRPC_READ], iov, n);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return ZRPC_ERR_AGAIN;
    if (got == 0)
        return read_end(w, err);
    if (got < 0 && atomic_load(&w->shut_down))
        return fail_closed(w, "read", err);
    return got < 0 ? fail_io(w, errno, "read", err) : got;
}

static ssize_t write_noting_loss(struct fds_wire *w, const struct iovec *iov, int n)
{
    ssize_t put;

    pthread_mutex_lock(&w->write_lock);
    put = end_write(&w->ends[ZRPC_WRITE], iov, n);
    if (put < 0 && errno != EPIPE && zrpc_io_code(errno) == ZRPC_ERR_RESET)
        w->lost = true;
    pthread_mutex_unlock(&w->write_lock);
    return put;
}

static ssize_t fds_writev(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct fds_wire *w = (struct fds_wire *)wire;
    ssize_t put;

    n = check_vector(w, iov, n, err);
    if (n < 0)
        return n;
    do {
        if (w->write_closed || atomic_load(&w->shut_down))
            return fail_closed(w, "write", err);
        put = write_noting_loss(w, iov, n);
    } while (put < 0 && errno == EINTR);
    if (put >= 0)
        return put;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return ZRPC_ERR_AGAIN;
    return atomic_load(&w->shut_down) ? fail_closed(w, "write", err) : fail_io(w, errno, "write", err);
}

static void end_close(struct end *end)
{
    if (!end->socket && end->poll_fd >= 0)
        close(end->poll_fd);
    if (end->fd >= 0)
        close(end->fd);
    end->fd = -1;
    end->poll_fd = -1;
}

static int fds_close_write(struct zrpc_wire *wire, struct zrpc_error *err)
{
    struct fds_wire *w = (struct fds_wire *)wire;
    struct end *end = &w->ends[ZRPC_WRITE];

    if (w->write_closed)
        return 0;
    if (atomic_load(&w->shut_down))
        return fail_closed(w, "half-close", err);
    if (!end->socket)
        end_close(end);
    else if (shutdown(end->fd, SHUT_WR) < 0)
        return fail_io(w, errno, "half-close", err);
    w->write_closed = true;
    return 0;
}

static struct pollfd fds_wait(struct zrpc_wire *wire, enum zrpc_direction dir)
{
    const struct end *end = &((struct fds_wire *)wire)->ends[dir];

    return (struct pollfd){.fd = end->poll_fd, .events = end->events};
}

static void fds_shutdown(struct zrpc_wire *wire)
{
    struct fds_wire *w = (struct fds_wire *)wire;

    atomic_store(&w->shut_down, true);
    /* Fails only where there is nobody left to wake: a connection that is gone, an event that is set. */
    for (int dir = ZRPC_READ; dir <= ZRPC_WRITE; dir++)
        if (w->ends[dir].socket)
            (void)shutdown(w->ends[dir].fd, SHUT_RDWR);
    if (w->shutdown_event >= 0)
        (void)eventfd_write(w->shutdown_event, 1);
}

static void fds_close(struct zrpc_wire *wire)
{
    struct fds_wire *w = (struct fds_wire *)wire;

    if (w->ends[ZRPC_READ].fd == w->ends[ZRPC_WRITE].fd)
        w->ends[ZRPC_WRITE].fd = -1;
    end_close(&w->ends[ZRPC_READ]);
    end_close(&w->ends[ZRPC_WRITE]);
    if (w->shutdown_event >= 0)
        close(w->shutdown_event);
    pthread_mutex_destroy(&w->write_lock);
    free(w);
}

static const struct zrpc_wire_ops fds_ops = {
    .readv = fds_readv,
    .writev = fds_writev,
    .close_write = fds_close_write,
    .wait = fds_wait,
    .shutdown = fds_shutdown,
    .close = fds_close,
};

static int prepare_fd(int fd, const char *name, bool *is_socket, struct zrpc_error *err)
{
    struct stat st;
    int flags;

    if (fstat(fd, &st) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s wire: descriptor %d", name, fd);
    *is_socket = S_ISSOCK(st.st_mode);
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s wire: make descriptor %d non-blocking", name,
                               fd);
    return 0;
}

/* Fills end->poll_fd. */
static int prepare_poll(struct fds_wire *w, struct end *end, struct zrpc_error *err)
{
    struct epoll_event ready = {.events = (uint32_t)end->events}, shut = {.events = EPOLLIN};

    if (end->socket) {
        end->poll_fd = end->fd;
        return 0;
    }
    if (w->shutdown_event < 0)
        w->shutdown_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    end->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (w->shutdown_event < 0 || end->poll_fd < 0 ||
        epoll_ctl(end->poll_fd, EPOLL_CTL_ADD, w->shutdown_event, &shut) < 0 ||
        epoll_ctl(end->poll_fd, EPOLL_CTL_ADD, end->fd, &ready) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s wire: poll descriptor %d", w->ops.name,
                               end->fd);
    end->events = POLLIN;
    return 0;
}

int zrpc_wire_from_fds(const char *name, int read_fd, int write_fd, struct zrpc_wire **out,
                       struct zrpc_error *err)
{
    struct fds_wire *w = calloc(1, sizeof *w);
    struct end *ends;
    int rc;

    if (w == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s wire: no memory", name);
    ends = w->ends;
    w->ops = fds_ops;
    w->ops.name = name;
    w->base.ops = &w->ops;
    w->shutdown_event = -1;
    pthread_mutex_init(&w->write_lock, NULL);
    ends[ZRPC_READ] = (struct end){.fd = read_fd, .poll_fd = -1, .events = POLLIN};
    ends[ZRPC_WRITE] = (struct end){.fd = write_fd, .poll_fd = -1, .events = POLLOUT};
    rc = prepare_fd(read_fd, name, &ends[ZRPC_READ].socket, err);
    if (rc == 0)
        rc = prepare_fd(write_fd, name, &ends[ZRPC_WRITE].socket, err);
    if (rc == 0 && read_fd == write_fd && !ends[ZRPC_READ].socket)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "%s wire: descriptor %d for both directions is not a socket",
                       name, read_fd);
    if (rc == 0)
        rc = prepare_poll(w, &ends[ZRPC_READ], err);
    if (rc == 0)
        rc = prepare_poll(w, &ends[ZRPC_WRITE], err);
    if (rc < 0) {
        ends[ZRPC_READ].fd = ends[ZRPC_WRITE].fd = -1;
        fds_close(&w->base);
        return rc;
    }
    if (ends[ZRPC_READ].socket && ends[ZRPC_WRITE].socket)
        w->ops.caps = ZRPC_WIRE_SPLICE;
    *out = &w->base;
    return 0;
}
