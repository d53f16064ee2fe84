#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "transport/sockdir.h"
#include "transport/ssh_wire.h"
#include "zrpc/sigpipe.h"
#include "zrpc/transport_ssh.h"

static int pass(int control, int in_fd, int out_fd, struct zrpc_error *err)
{
    int fds[] = {in_fd, out_fd};
    union {
        char space[CMSG_SPACE(sizeof fds)];
        struct cmsghdr align;
    } rights = {{0}};
    char byte = 0; /* a stream carries no descriptors without data */
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
    struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(head), fds, sizeof fds);
    for (size_t i = 0; i < 2; i++) {
        int flags = fcntl(fds[i], F_GETFL);

        if (flags < 0 || fcntl(fds[i], F_SETFL, flags | O_NONBLOCK) < 0)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "make descriptor %d non-blocking", fds[i]);
    }
    if (sendmsg(control, &msg, MSG_NOSIGNAL) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_UNAVAILABLE, errno, "pass the descriptors to the daemon");
    return 0;
}

/* ZR-SSH-015 */
static int wait_end(int control, struct zrpc_error *err)
{
    struct pollfd p = {.fd = control, .events = POLLIN};
    char byte = 1;
    ssize_t n;

    do {
        poll(&p, 1, -1);
        n = recv(control, &byte, 1, MSG_DONTWAIT);
    } while (n < 0 && (errno == EINTR || errno == EAGAIN));
    if (n < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_END, errno, "wait for the daemon");
    if (n == 0)
        return zrpc_fail(err, ZRPC_ERR_END, "the daemon ended the connection abnormally");
    return byte == 0 ? 0 : zrpc_fail(err, ZRPC_ERR_END, "the daemon reported failure %d", byte);
}

/* Best effort: the client gets an error in any case. */
static void tell_client(int out_fd)
{
    sigset_t signals;

    zrpc_sigpipe_block(&signals);
    if (write(out_fd, zrpc_ssh_proxy_error, ZRPC_SSH_MESSAGE_LEN) < 0)
        errno = 0;
    zrpc_sigpipe_restore(&signals);
}

int zrpc_stdinserver_proxy(const char *sockdir, const char *identity, int in_fd, int out_fd, int err_fd,
                           struct zrpc_error *err)
{
    struct sockaddr_un at;
    int control = -1, errnum, rc = zrpc_sockdir_address(sockdir, identity, &at, err);

    if (rc == 0) {
        errnum = zrpc_sockdir_connect(&at, &control);
        if (errnum != 0)
            rc = zrpc_fail_errno(err, ZRPC_ERR_UNAVAILABLE, errnum, "connect to the daemon at %s",
                                 at.sun_path);
    }
    if (rc == 0)
        rc = pass(control, in_fd, out_fd, err);
    if (rc < 0)
        tell_client(out_fd);
    /* The daemon's half-close reaches the client only if no copy is left here. */
    close(in_fd);
    close(out_fd);
    if (rc == 0) {
        if (err_fd >= 0)
            close(err_fd);
        rc = wait_end(control, err);
    }
    if (control >= 0)
        close(control);
    return rc;
}
