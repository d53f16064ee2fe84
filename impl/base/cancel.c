#include "zrpc/cancel.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int zrpc_cancel_init(struct zrpc_cancel *c, struct zrpc_error *err)
{
    atomic_init(&c->raised, false);
    c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return c->fd >= 0 ? 0 : zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "eventfd");
}

void zrpc_cancel_dispose(struct zrpc_cancel *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

void zrpc_cancel_raise(struct zrpc_cancel *c)
{
    const uint64_t one = 1;
    int saved = errno;

    atomic_store(&c->raised, true);
    /* It cannot fail but for a full counter, which is readable just as well. */
    (void)!write(c->fd, &one, sizeof one);
    errno = saved;
}

int zrpc_await(struct pollfd fd, zrpc_time deadline, const struct zrpc_cancel *cancel, struct zrpc_error *err)
{
    struct pollfd fds[] = {fd, zrpc_cancel_wait(cancel)};

    while (!zrpc_cancelled(cancel)) {
        zrpc_time now = zrpc_now();
        int n = fd.fd < 0 ? 1 : poll(fds, 2, zrpc_poll_timeout(now, deadline));

        if (n < 0 && errno != EINTR)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "poll");
        if (n > 0 && (fd.fd < 0 || fds[0].revents != 0))
            return 0;
        if (n <= 0 && zrpc_now() >= deadline)
            return zrpc_fail(err, ZRPC_ERR_TIMEOUT, "no answer in time");
    }
    return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled");
}
