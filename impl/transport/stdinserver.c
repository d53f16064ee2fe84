#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "transport/accept.h"
#include "transport/sockdir.h"
#include "transport/ssh_wire.h"
#include "zrpc/transport_ssh.h"

enum { RIGHTS_MAX = 253 }; /* SCM_MAX_FD: what one message can carry */

struct stdinserver_wire {
    struct zrpc_ssh_wire pair;
    int control; /* the proxy's connection */
};

/* The proxy waits for us, and its death ends the client's stream, which sshd takes for an end in order. */
static int stdinserver_ended(struct zrpc_ssh_wire *pair, struct zrpc_error *err)
{
    char byte;

    if (recv(((struct stdinserver_wire *)pair)->control, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0)
        return 0;
    return zrpc_fail(err, ZRPC_ERR_RESET, "stdinserver wire: read: the proxy is gone");
}

static void stdinserver_explain(struct zrpc_ssh_wire *pair, struct zrpc_error *err)
{
    (void)pair, (void)err;
}

static void stdinserver_idle(struct zrpc_ssh_wire *pair)
{
    (void)pair;
}

static void stdinserver_interrupt(struct zrpc_ssh_wire *pair)
{
    (void)shutdown(((struct stdinserver_wire *)pair)->control, SHUT_RDWR);
}

static void stdinserver_release(struct zrpc_ssh_wire *pair)
{
    struct stdinserver_wire *w = (struct stdinserver_wire *)pair;
    static const char normal = 0;

    if (pair->inner != NULL && !atomic_load(&pair->failed))
        (void)send(w->control, &normal, 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* a dead proxy needs no word */
    close(w->control);
    free(w);
}

static const struct zrpc_ssh_side side = {
    .name = "stdinserver",
    .ended = stdinserver_ended,
    .explain = stdinserver_explain,
    .idle = stdinserver_idle,
    .interrupt = stdinserver_interrupt,
    .release = stdinserver_release,
};

/* All descriptors that came with a message; answers how many. */
static size_t take_rights(struct msghdr *msg, int fds[static RIGHTS_MAX])
{
    size_t n = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        size_t bytes = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= bytes && n < RIGHTS_MAX; at += sizeof(int))
            memcpy(&fds[n++], CMSG_DATA(c) + at, sizeof(int));
    }
    return n;
}

/* One message with two descriptors: 0, ZRPC_ERR_AGAIN, or a failure. */
static int receive(int control, int out[2], struct zrpc_error *err)
{
    union {
        char space[CMSG_SPACE(RIGHTS_MAX * sizeof(int))];
        struct cmsghdr align;
    } rights;
    char data[16];
    struct iovec iov = {.iov_base = data, .iov_len = sizeof data};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
    int fds[RIGHTS_MAX];
    ssize_t got = recvmsg(control, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    size_t n;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return ZRPC_ERR_AGAIN;
    if (got < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_RESET, errno, "receive the descriptors");
    n = take_rights(&msg, fds);
    if (n == 2) {
        memcpy(out, fds, 2 * sizeof *out);
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
    if (got == 0)
        return zrpc_fail(err, ZRPC_ERR_END, "the proxy went away without passing descriptors");
    return zrpc_fail(err, ZRPC_ERR_HANDSHAKE, "the proxy passed %zu descriptors, expected 2", n);
}

static int receive_until(struct stdinserver_wire *w, zrpc_time deadline, int out[2], struct zrpc_error *err)
{
    struct pollfd p = {.fd = w->control, .events = POLLIN};
    int rc;

    while ((rc = receive(w->control, out, err)) == ZRPC_ERR_AGAIN) {
        zrpc_time now = zrpc_now();

        if (now >= deadline)
            return zrpc_fail(err, ZRPC_ERR_TIMEOUT, "the proxy passed no descriptors in time");
        if (poll(&p, 1, zrpc_poll_timeout(now, deadline)) < 0 && errno != EINTR)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "poll");
    }
    return rc;
}

static int begin(struct stdinserver_wire *w, zrpc_time deadline, struct zrpc_error *err)
{
    char message[ZRPC_SSH_MESSAGE_LEN];
    int fds[2], rc = receive_until(w, deadline, fds, err);

    if (rc == 0)
        rc = zrpc_ssh_wire_attach(&w->pair, fds[0], fds[1], err);
    if (rc == 0)
        rc = zrpc_ssh_wire_write(&w->pair, zrpc_ssh_helo, sizeof zrpc_ssh_helo, deadline, NULL, err);
    if (rc == 0)
        rc = zrpc_ssh_wire_read(&w->pair, message, sizeof message, deadline, NULL, err);
    if (rc == 0 && memcmp(message, zrpc_ssh_begin, sizeof message) != 0)
        rc = zrpc_fail(err, ZRPC_ERR_HANDSHAKE, "expected SSHCON_BEGIN, got something else");
    return rc;
}

static int stdinserver_authenticate(struct zrpc_accepted *a, zrpc_time deadline, struct zrpc_error *err)
{
    struct stdinserver_wire *w = (struct stdinserver_wire *)a->wire;
    int rc;

    deadline = zrpc_earlier(deadline, zrpc_deadline(zrpc_now(), ZRPC_STDINSERVER_TIMEOUT));
    rc = begin(w, deadline, err);
    if (rc == 0)
        return 0;
    atomic_store(&w->pair.failed, true);
    return zrpc_error_prefix(err, rc, "client %s", a->peer);
}

struct socket {
    int fd; /* -1: not ours */
    struct sockaddr_un at;
    char identity[ZRPC_IDENTITY_MAX];
};

struct stdinserver_listener {
    struct zrpc_listener base;
    int epoll_fd;
    char address[ZRPC_ADDRESS_MAX];
    size_t n;
    struct socket sockets[];
};

static int stdinserver_accept(struct zrpc_listener *listener, struct zrpc_accepted *out,
                              struct zrpc_error *err)
{
    struct stdinserver_listener *l = (struct stdinserver_listener *)listener;
    struct sockaddr_storage peer;
    struct stdinserver_wire *w;
    struct epoll_event ready;
    struct ucred cred = {0};
    socklen_t len = sizeof cred;
    const struct socket *s;
    int rc;

    if (epoll_wait(l->epoll_fd, &ready, 1, 0) <= 0)
        return ZRPC_ERR_AGAIN;
    s = ready.data.ptr;
    w = calloc(1, sizeof *w);
    if (w == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: no memory for a connection", l->address);
    rc = zrpc_accept(s->fd, &w->control, &peer, err);
    if (rc < 0) {
        free(w);
        return rc == ZRPC_ERR_AGAIN ? rc : zrpc_error_prefix(err, rc, "%s/%s", l->address, s->identity);
    }
    zrpc_ssh_wire_init(&w->pair, &side);
    *out = (struct zrpc_accepted){.wire = &w->pair.base, .authenticate = stdinserver_authenticate};
    (void)getsockopt(w->control, SOL_SOCKET, SO_PEERCRED, &cred, &len); /* for the log only */
    memcpy(out->identity, s->identity, sizeof out->identity);
    snprintf(out->peer, sizeof out->peer, "stdinserver:%.200s[%d]", s->identity, (int)cred.pid);
    return 0;
}

static int stdinserver_fd(const struct zrpc_listener *listener)
{
    return ((const struct stdinserver_listener *)listener)->epoll_fd;
}

static const char *stdinserver_address(const struct zrpc_listener *listener)
{
    return ((const struct stdinserver_listener *)listener)->address;
}

static void stdinserver_listener_close(struct zrpc_listener *listener)
{
    struct stdinserver_listener *l = (struct stdinserver_listener *)listener;

    for (size_t i = 0; i < l->n; i++) {
        if (l->sockets[i].fd < 0)
            continue;
        unlink(l->sockets[i].at.sun_path);
        close(l->sockets[i].fd);
    }
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    free(l);
}

static const struct zrpc_listener_ops listener_ops = {
    .name = "stdinserver",
    .accept = stdinserver_accept,
    .fd = stdinserver_fd,
    .address = stdinserver_address,
    .close = stdinserver_listener_close,
};

static int add_socket(struct stdinserver_listener *l, const char *sockdir, const char *identity,
                      struct zrpc_error *err)
{
    struct socket *s = &l->sockets[l->n];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    int rc;

    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->sockets[i].identity, identity) == 0)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "client identity \"%s\" is listed twice", identity);
    s->fd = -1;
    rc = zrpc_sockdir_address(sockdir, identity, &s->at, err);
    if (rc == 0)
        rc = zrpc_sockdir_listen(&s->at, &s->fd, err);
    if (rc < 0)
        return rc;
    l->n++;
    memcpy(s->identity, identity, strlen(identity) + 1);
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "epoll");
    return 0;
}

int zrpc_stdinserver_listen(const char *sockdir, const char *const *identities, size_t n,
                            struct zrpc_listener **out, struct zrpc_error *err)
{
    struct stdinserver_listener *l = calloc(1, sizeof *l + n * sizeof l->sockets[0]);
    int rc;

    if (l == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "stdinserver:%s: no memory", sockdir);
    l->base.ops = &listener_ops;
    snprintf(l->address, sizeof l->address, "stdinserver:%s", sockdir);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    rc = l->epoll_fd < 0 ? zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "epoll") : 0;
    if (rc == 0)
        rc = zrpc_sockdir_check(sockdir, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add_socket(l, sockdir, identities[i], err);
    if (rc < 0) {
        stdinserver_listener_close(&l->base);
        return zrpc_error_prefix(err, rc, "stdinserver");
    }
    *out = &l->base;
    return 0;
}
