#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/un.h>
#include <unistd.h>

#include "sim/link/endpoint.h"
#include "zrpc/clock.h"

static int open_tcp(struct zrpc_link_dialer *d, const char *rest, struct zrpc_error *err)
{
    struct zrpc_tcp_address address;
    int rc = zrpc_tcp_address_parse(rest, &address, err);

    d->kind = ZRPC_LINK_TCP;
    if (rc == 0)
        rc = zrpc_resolve(&address, 0, zrpc_deadline(zrpc_now(), 10 * ZRPC_SECOND), NULL, &d->addresses, err);
    return rc;
}

int zrpc_link_dialer_open(struct zrpc_link_dialer *d, const char *text, const char *const *argv,
                          struct zrpc_error *err)
{
    *d = (struct zrpc_link_dialer){.kind = ZRPC_LINK_PIPES};
    if (strncmp(text, "tcp:", 4) == 0)
        return open_tcp(d, text + 4, err);
    if (strcmp(text, "exec") == 0 && argv != NULL && argv[0] != NULL) {
        d->argv = argv;
        return 0;
    }
    if (strncmp(text, "exec:", 5) == 0 && text[5] != '\0') {
        d->target = text + 5;
        return 0;
    }
    if (strncmp(text, "unix:", 5) == 0 && text[5] != '\0' &&
        strlen(text + 5) < sizeof((struct sockaddr_un *)NULL)->sun_path) {
        d->kind = ZRPC_LINK_UNIX;
        d->target = text + 5;
        return 0;
    }
    return zrpc_fail(err, ZRPC_ERR_USAGE,
                     "connect to \"%s\": expected tcp:HOST:PORT, unix:PATH or exec:COMMAND", text);
}

void zrpc_link_dialer_close(struct zrpc_link_dialer *d)
{
    if (d->addresses != NULL)
        freeaddrinfo(d->addresses);
    d->addresses = NULL;
}

/* Tries the addresses left, until one connects or is under way. */
static int dial_tcp(struct zrpc_link_endpoint *e, struct zrpc_error *err)
{
    static const int on = 1;
    int errnum = ECONNREFUSED;

    while (e->next_address != NULL) {
        const struct addrinfo *ai = e->next_address;
        int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        e->next_address = ai->ai_next;
        if (fd >= 0) {
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            e->read_fd = e->write_fd = fd;
            if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
                return 0;
            if (errno == EINPROGRESS)
                return 1;
        }
        errnum = errno;
        zrpc_link_endpoint_close(e);
    }
    return zrpc_fail_errno(err, ZRPC_ERR_DIAL, errnum, "connect to the server");
}

int zrpc_link_dialled(struct zrpc_link_endpoint *e, struct zrpc_error *err)
{
    int errnum = 0;
    socklen_t len = sizeof errnum;

    if (getsockopt(e->write_fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
        errnum = errno;
    if (errnum == 0)
        return 0;
    zrpc_link_endpoint_close(e);
    if (e->next_address != NULL)
        return dial_tcp(e, err);
    return zrpc_fail_errno(err, ZRPC_ERR_DIAL, errnum, "connect to the server");
}

static int dial_unix(const struct zrpc_link_dialer *d, struct zrpc_link_endpoint *e, struct zrpc_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "socket");
    memcpy(address.sun_path, d->target, strlen(d->target) + 1);
    e->read_fd = e->write_fd = fd;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return 0;
    zrpc_fail_errno(err, ZRPC_ERR_DIAL, errno, "connect to unix:%s", d->target);
    zrpc_link_endpoint_close(e);
    return ZRPC_ERR_DIAL;
}

static int spawn(const struct zrpc_link_dialer *d, int child_in, int child_out, pid_t *pid)
{
    char shell[] = "sh", option[] = "-c";
    char *by_shell[] = {shell, option, (char *)(uintptr_t)d->target, NULL};
    char *const *argv = d->argv != NULL ? (char *const *)(uintptr_t)d->argv : by_shell;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, pipe_signal;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return rc;
    if ((rc = posix_spawnattr_init(&attributes)) != 0)
        goto out;
    sigemptyset(&none);
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    if ((rc = posix_spawn_file_actions_adddup2(&actions, child_in, STDIN_FILENO)) == 0 &&
        (rc = posix_spawn_file_actions_adddup2(&actions, child_out, STDOUT_FILENO)) == 0 &&
        (rc = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
        (rc = posix_spawnattr_setsigdefault(&attributes, &pipe_signal)) == 0 &&
        (rc = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) == 0)
        rc = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
out:
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int run_child(const struct zrpc_link_dialer *d, struct zrpc_link_endpoint *e, struct zrpc_error *err)
{
    int to[2] = {-1, -1}, from[2] = {-1, -1}, rc;

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0 || fcntl(to[1], F_SETFL, O_NONBLOCK) < 0 ||
        fcntl(from[0], F_SETFL, O_NONBLOCK) < 0) {
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pipes");
        goto out;
    }
    if ((rc = spawn(d, to[0], from[1], &e->child)) != 0) {
        e->child = -1;
        rc = zrpc_fail_errno(err, ZRPC_ERR_DIAL, rc, "run %s", d->argv != NULL ? d->argv[0] : d->target);
        goto out;
    }
    e->write_fd = to[1];
    e->read_fd = from[0];
    to[1] = from[0] = -1;
out:
    for (int i = 0; i < 2; i++) {
        if (to[i] >= 0)
            close(to[i]);
        if (from[i] >= 0)
            close(from[i]);
    }
    return rc;
}

int zrpc_link_dial(const struct zrpc_link_dialer *d, struct zrpc_link_endpoint *out, struct zrpc_error *err)
{
    *out = ZRPC_LINK_NO_ENDPOINT;
    out->kind = d->kind;
    if (d->kind == ZRPC_LINK_PIPES)
        return run_child(d, out, err);
    if (d->kind == ZRPC_LINK_UNIX)
        return dial_unix(d, out, err);
    out->next_address = d->addresses;
    return dial_tcp(out, err);
}
