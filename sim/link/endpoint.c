#include "sim/link/endpoint.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "zrpc/sigpipe.h"

static ssize_t result_of(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? ZRPC_ERR_AGAIN : ZRPC_ERR_RESET;
}

ssize_t zrpc_link_endpoint_read(struct zrpc_link_endpoint *e, void *out, size_t len)
{
    return result_of(read(e->read_fd, out, len));
}

ssize_t zrpc_link_endpoint_write(struct zrpc_link_endpoint *e, struct zrpc_view v)
{
    sigset_t saved;
    ssize_t n;

    if (e->kind != ZRPC_LINK_PIPES)
        return result_of(send(e->write_fd, v.data, v.len, MSG_NOSIGNAL));
    zrpc_sigpipe_block(&saved);
    n = result_of(write(e->write_fd, v.data, v.len));
    zrpc_sigpipe_restore(&saved);
    return n;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void zrpc_link_endpoint_close_write(struct zrpc_link_endpoint *e)
{
    if (e->kind == ZRPC_LINK_PIPES)
        close_fd(&e->write_fd);
    else if (e->write_fd >= 0)
        /* Fails only where the connection is gone already, which reading will tell. */
        (void)shutdown(e->write_fd, SHUT_WR);
}

bool zrpc_link_endpoint_close_read(struct zrpc_link_endpoint *e)
{
    if (e->kind == ZRPC_LINK_TCP)
        return false;
    if (e->kind == ZRPC_LINK_PIPES)
        close_fd(&e->read_fd);
    else if (e->read_fd >= 0)
        (void)shutdown(e->read_fd, SHUT_RD);
    return true;
}

unsigned zrpc_link_endpoint_unsent(const struct zrpc_link_endpoint *e)
{
    int n = 0;

    if (e->kind != ZRPC_LINK_TCP || e->write_fd < 0 || ioctl(e->write_fd, SIOCOUTQ, &n) < 0 || n < 0)
        return 0;
    return (unsigned)n;
}

void zrpc_link_endpoint_reset(struct zrpc_link_endpoint *e)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (e->kind == ZRPC_LINK_TCP && e->write_fd >= 0)
        (void)setsockopt(e->write_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    zrpc_link_endpoint_close(e);
}

void zrpc_link_endpoint_close(struct zrpc_link_endpoint *e)
{
    if (e->write_fd == e->read_fd)
        e->write_fd = -1;
    close_fd(&e->read_fd);
    close_fd(&e->write_fd);
}
