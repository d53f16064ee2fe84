#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sim/link/endpoint.h"

static int unix_address(const char *path, struct sockaddr_un *out, struct zrpc_error *err)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof out->sun_path)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "unix:%s: expected a path of 1 to %zu bytes", path,
                         sizeof out->sun_path - 1);
    memcpy(out->sun_path, path, strlen(path) + 1);
    return 0;
}

/* A socket left by one that ended is replaced, anything else is not. */
static int bind_unix(const char *path, int *out, struct zrpc_error *err)
{
    struct sockaddr_un address;
    struct stat st;
    int fd, rc = unix_address(path, &address, err);

    if (rc < 0)
        return rc;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        rc = zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "listen on unix:%s", path);
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

static int open_tcp(struct zrpc_link_listener *l, const char *rest, struct zrpc_error *err)
{
    struct zrpc_tcp_address address;
    int rc;

    l->kind = ZRPC_LINK_TCP;
    if ((rc = zrpc_tcp_address_parse(rest, &address, err)) < 0 ||
        (rc = zrpc_tcp_bind(&address, &l->fd, err)) < 0)
        return rc;
    return zrpc_tcp_local_address("tcp", l->fd, l->address, err);
}

static int open_unix(struct zrpc_link_listener *l, const char *path, struct zrpc_error *err)
{
    int rc;

    l->kind = ZRPC_LINK_UNIX;
    snprintf(l->address, sizeof l->address, "unix:%s", path);
    if ((rc = bind_unix(path, &l->fd, err)) < 0)
        return rc;
    return listen(l->fd, SOMAXCONN) == 0 ? 0 : zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "%s", l->address);
}

int zrpc_link_listener_open(struct zrpc_link_listener *l, const char *text, struct zrpc_error *err)
{
    int rc;

    *l = (struct zrpc_link_listener){.fd = -1, .kind = ZRPC_LINK_PIPES};
    if (strcmp(text, "stdio") == 0) {
        snprintf(l->address, sizeof l->address, "stdio");
        return 0;
    }
    if (strncmp(text, "tcp:", 4) == 0)
        rc = open_tcp(l, text + 4, err);
    else if (strncmp(text, "unix:", 5) == 0)
        rc = open_unix(l, text + 5, err);
    else
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "listen on \"%s\": expected tcp:HOST:PORT, unix:PATH or stdio",
                       text);
    if (rc < 0 && l->fd >= 0) {
        close(l->fd);
        l->fd = -1;
    }
    return rc;
}

void zrpc_link_listener_close(struct zrpc_link_listener *l)
{
    if (l->fd < 0)
        return;
    close(l->fd);
    l->fd = -1;
    if (l->kind == ZRPC_LINK_UNIX)
        unlink(l->address + strlen("unix:"));
}

static int nonblocking_copy(int fd)
{
    int flags = fcntl(fd, F_GETFL), copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (copy >= 0 && (flags < 0 || fcntl(copy, F_SETFL, flags | O_NONBLOCK) < 0)) {
        close(copy);
        return -1;
    }
    return copy;
}

/* Copies, so that each can be closed by itself; what is left in their place means nothing to anybody. */
static int accept_stdio(struct zrpc_link_listener *l, struct zrpc_link_endpoint *out, struct zrpc_error *err)
{
    int null;

    if (l->stdio_used)
        return ZRPC_ERR_AGAIN;
    l->stdio_used = true;
    *out = ZRPC_LINK_NO_ENDPOINT;
    out->kind = ZRPC_LINK_PIPES;
    out->read_fd = nonblocking_copy(STDIN_FILENO);
    out->write_fd = nonblocking_copy(STDOUT_FILENO);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (out->read_fd < 0 || out->write_fd < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0) {
        int rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "standard input and output");

        zrpc_link_endpoint_close(out);
        if (null >= 0)
            close(null);
        return rc;
    }
    close(null);
    return 0;
}

int zrpc_link_listener_accept(struct zrpc_link_listener *l, struct zrpc_link_endpoint *out,
                              struct zrpc_error *err)
{
    struct sockaddr_storage peer;
    int fd, rc;

    if (l->kind == ZRPC_LINK_PIPES)
        return accept_stdio(l, out, err);
    if (l->kind == ZRPC_LINK_TCP) {
        if ((rc = zrpc_tcp_accept(l->fd, &fd, &peer, err)) < 0)
            return rc;
    } else if ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return ZRPC_ERR_AGAIN;
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "accept on %s", l->address);
    }
    *out = (struct zrpc_link_endpoint){.kind = l->kind, .read_fd = fd, .write_fd = fd, .child = -1};
    return 0;
}

/* A TCP socket that is bound and does not listen keeps its port, and the kernel refuses for it. */
static int rebind_tcp(struct zrpc_link_listener *l, struct zrpc_error *err)
{
    static const int on = 1;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    int fd, v6only = 0, rc = 0;
    socklen_t v6len = sizeof v6only;

    if (getsockname(l->fd, (struct sockaddr *)&address, &len) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s", l->address);
    if (address.ss_family == AF_INET6)
        (void)getsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &v6len);
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        (address.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only) < 0)) {
        close(fd);
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s", l->address);
    }
    close(l->fd);
    l->fd = fd;
    if (bind(fd, (struct sockaddr *)&address, len) < 0)
        rc = zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "%s: take the address back", l->address);
    return rc;
}

int zrpc_link_listener_refuse(struct zrpc_link_listener *l, bool refuse, struct zrpc_error *err)
{
    int rc = 0;

    if (l->fd < 0 || l->refusing == refuse)
        return 0;
    l->refusing = refuse;
    if (refuse && l->kind == ZRPC_LINK_TCP)
        rc = rebind_tcp(l, err);
    else if (refuse) {
        close(l->fd);
        l->fd = -1;
        rc = bind_unix(l->address + strlen("unix:"), &l->fd, err);
    } else if (listen(l->fd, SOMAXCONN) < 0)
        rc = zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "%s", l->address);
    return rc;
}
