#include "transport/ssh_wire.h"

#include <errno.h>
#include <unistd.h>

#include "zrpc/transport.h"

const char zrpc_ssh_helo[ZRPC_SSH_MESSAGE_LEN] = "SSHCON_HELO";
const char zrpc_ssh_begin[ZRPC_SSH_MESSAGE_LEN] = "SSHCON_BEGIN";
const char zrpc_ssh_proxy_error[ZRPC_SSH_MESSAGE_LEN] = "SSHCON_PROXY_ERROR";

/* Nobody reads what is written here any more. */
static bool reader_gone(int fd)
{
    struct pollfd p = {.fd = fd};

    return poll(&p, 1, ZRPC_SSH_END_MS) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0;
}

/* A peer that half-closes goes on reading; one that does not has vanished. Once this side has half-closed,
 * that no longer tells, but what else the side knows may. With the lock held. */
static int at_end(struct zrpc_ssh_wire *w, struct zrpc_error *err)
{
    int rc;

    if (w->at_eof)
        return 0;
    if (!w->write_closed && reader_gone(w->write_fd))
        rc = zrpc_fail(err, ZRPC_ERR_RESET, "%s wire: read: the peer is gone", w->side->name);
    else
        rc = w->side->ended(w, err);
    w->at_eof = rc == 0;
    return rc;
}

/* After a call of the inner wire's. */
static ssize_t conclude(struct zrpc_ssh_wire *w, ssize_t rc, struct zrpc_error *err)
{
    if (rc > 0 || rc == ZRPC_ERR_USAGE || rc == ZRPC_ERR_CLOSED)
        return rc;
    pthread_mutex_lock(&w->lock);
    if (rc == 0)
        rc = at_end(w, err);
    if (rc < 0 && rc != ZRPC_ERR_AGAIN) {
        atomic_store(&w->failed, true);
        if (err != NULL)
            w->side->explain(w, err);
    } else {
        w->side->idle(w);
    }
    pthread_mutex_unlock(&w->lock);
    return rc;
}

static ssize_t ssh_readv(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct zrpc_ssh_wire *w = (struct zrpc_ssh_wire *)wire;

    return conclude(w, zrpc_wire_readv(w->inner, iov, n, err), err);
}

static ssize_t ssh_writev(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct zrpc_ssh_wire *w = (struct zrpc_ssh_wire *)wire;

    return conclude(w, zrpc_wire_writev(w->inner, iov, n, err), err);
}

static int ssh_close_write(struct zrpc_wire *wire, struct zrpc_error *err)
{
    struct zrpc_ssh_wire *w = (struct zrpc_ssh_wire *)wire;
    int rc;

    pthread_mutex_lock(&w->lock);
    rc = zrpc_wire_close_write(w->inner, err);
    if (rc == 0)
        w->write_closed = true;
    pthread_mutex_unlock(&w->lock);
    return rc;
}

static struct pollfd ssh_wait(struct zrpc_wire *wire, enum zrpc_direction dir)
{
    return zrpc_wire_wait(((struct zrpc_ssh_wire *)wire)->inner, dir);
}

static void ssh_shutdown(struct zrpc_wire *wire)
{
    struct zrpc_ssh_wire *w = (struct zrpc_ssh_wire *)wire;

    atomic_store(&w->failed, true);
    pthread_mutex_lock(&w->lock);
    w->shut_down = true;
    if (w->inner != NULL)
        zrpc_wire_shutdown(w->inner);
    w->side->interrupt(w);
    pthread_mutex_unlock(&w->lock);
}

static void ssh_close(struct zrpc_wire *wire)
{
    struct zrpc_ssh_wire *w = (struct zrpc_ssh_wire *)wire;

    zrpc_wire_close(w->inner);
    pthread_mutex_destroy(&w->lock);
    w->side->release(w);
}

void zrpc_ssh_wire_init(struct zrpc_ssh_wire *w, const struct zrpc_ssh_side *side)
{
    w->ops = (struct zrpc_wire_ops){
        .name = side->name,
        .readv = ssh_readv,
        .writev = ssh_writev,
        .close_write = ssh_close_write,
        .wait = ssh_wait,
        .shutdown = ssh_shutdown,
        .close = ssh_close,
    };
    w->base.ops = &w->ops;
    w->side = side;
    w->inner = NULL;
    w->write_fd = -1;
    w->write_closed = w->at_eof = w->shut_down = false;
    atomic_init(&w->failed, false);
    pthread_mutex_init(&w->lock, NULL);
}

int zrpc_ssh_wire_attach(struct zrpc_ssh_wire *w, int read_fd, int write_fd, struct zrpc_error *err)
{
    struct zrpc_wire *inner;
    int rc = zrpc_wire_from_fds(w->side->name, read_fd, write_fd, &inner, err);

    if (rc < 0) {
        close(read_fd);
        close(write_fd);
        return rc;
    }
    pthread_mutex_lock(&w->lock);
    w->inner = inner;
    w->write_fd = write_fd;
    if (w->shut_down)
        zrpc_wire_shutdown(inner);
    pthread_mutex_unlock(&w->lock);
    return 0;
}

/* Until the direction is worth another try. */
static int await(struct zrpc_ssh_wire *w, enum zrpc_direction dir, zrpc_time deadline,
                 const struct zrpc_cancel *cancel, struct zrpc_error *err)
{
    int rc = zrpc_await(zrpc_wire_wait(&w->base, dir), deadline, cancel, err);

    if (rc == ZRPC_ERR_TIMEOUT)
        return zrpc_fail(err, rc, "%s wire: the opening messages took too long", w->side->name);
    return rc < 0 ? zrpc_error_prefix(err, rc, "%s wire", w->side->name) : 0;
}

int zrpc_ssh_wire_read(struct zrpc_ssh_wire *w, char *buf, size_t len, zrpc_time deadline,
                       const struct zrpc_cancel *cancel, struct zrpc_error *err)
{
    size_t have = 0;

    while (have < len) {
        struct iovec iov = {.iov_base = buf + have, .iov_len = len - have};
        ssize_t got = zrpc_wire_readv(&w->base, &iov, 1, err);

        if (got == ZRPC_ERR_AGAIN)
            got = await(w, ZRPC_READ, deadline, cancel, err);
        else if (got == 0)
            got = zrpc_fail(err, ZRPC_ERR_END, "%s wire: end of file after %zu of %zu bytes", w->side->name,
                            have, len);
        if (got < 0)
            return (int)got;
        have += (size_t)got;
    }
    return 0;
}

int zrpc_ssh_wire_write(struct zrpc_ssh_wire *w, const char *buf, size_t len, zrpc_time deadline,
                        const struct zrpc_cancel *cancel, struct zrpc_error *err)
{
    size_t done = 0;

    while (done < len) {
        struct iovec iov = {.iov_base = (void *)(uintptr_t)(buf + done), .iov_len = len - done};
        ssize_t put = zrpc_wire_writev(&w->base, &iov, 1, err);

        if (put == ZRPC_ERR_AGAIN)
            put = await(w, ZRPC_WRITE, deadline, cancel, err);
        if (put < 0)
            return (int)put;
        done += (size_t)put;
    }
    return 0;
}
