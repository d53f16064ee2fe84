#include "transport/accept.h"

#include <errno.h>
#include <stddef.h>

/* accept(2) reports what became of the connection at the queue's head as errors of its own; that one is gone.
 */
static const int lost_errnos[] = {
    ECONNABORTED, EPROTO,       EPERM,  ECONNRESET,  ETIMEDOUT,  ENETDOWN,  ENETUNREACH,
    EHOSTDOWN,    EHOSTUNREACH, ENONET, ENOPROTOOPT, EOPNOTSUPP, ENETRESET,
};

static const struct accept_error {
    int errnum, code;
    const char *text;
} accept_errors[] = {
    {EMFILE, ZRPC_ERR_LIMIT, "this process has no descriptor left"},
    {ENFILE, ZRPC_ERR_LIMIT, "this host has no descriptor left"},
    {ENOBUFS, ZRPC_ERR_LIMIT, "no memory for a socket"},
    {ENOMEM, ZRPC_ERR_LIMIT, "no memory for a socket"},
    {EBADF, ZRPC_ERR_CLOSED, "the listener is closed"},
    {EINVAL, ZRPC_ERR_CLOSED, "the listener is closed"},
    {ENOTSOCK, ZRPC_ERR_CLOSED, "the listener is closed"},
};

static int fail(int errnum, struct zrpc_error *err)
{
    for (size_t i = 0; i < sizeof accept_errors / sizeof accept_errors[0]; i++)
        if (accept_errors[i].errnum == errnum)
            return zrpc_fail(err, accept_errors[i].code, "accept: %s", accept_errors[i].text);
    for (size_t i = 0; i < sizeof lost_errnos / sizeof lost_errnos[0]; i++)
        if (lost_errnos[i] == errnum)
            return zrpc_fail_errno(err, ZRPC_ERR_RESET, errnum,
                                   "accept: a connection failed before it was accepted");
    return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errnum, "accept");
}

int zrpc_accept(int listener, int *out, struct sockaddr_storage *peer, struct zrpc_error *err)
{
    socklen_t len = sizeof *peer;
    int fd;

    do {
        fd = accept4(listener, (struct sockaddr *)peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd >= 0) {
        *out = fd;
        return 0;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return ZRPC_ERR_AGAIN;
    return fail(errno, err);
}
