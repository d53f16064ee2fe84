#include "transport/accept.h"

#include <errno.h>
#include <stddef.h>

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
    for (size_t i = 0; i < sizeof accept_errors / sizeof accept_errors[0]; i++)
        if (accept_errors[i].errnum == errno)
            return zrpc_fail(err, accept_errors[i].code, "accept: %s", accept_errors[i].text);
    /* What is left came in with the connection, which is gone: accept(2) lists ECONNABORTED, EPROTO, EPERM,
     * ENETDOWN and a dozen more. */
    return zrpc_fail_errno(err, ZRPC_ERR_RESET, errno, "accept: a connection failed before it was accepted");
}
