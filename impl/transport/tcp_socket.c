#include "transport/tcp_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/accept.h"

static int parse_port(const char *text, struct zrpc_tcp_address *out)
{
    size_t len = strlen(text);

    if (len == 0 || len >= sizeof out->port)
        return -1;
    if (strspn(text, "0123456789") == len && (len > 5 || atoi(text) > 65535))
        return -1;
    memcpy(out->port, text, len + 1);
    return 0;
}

int zrpc_tcp_address_parse(const char *text, struct zrpc_tcp_address *out, struct zrpc_error *err)
{
    bool bracketed = text[0] == '[';
    const char *host = bracketed ? text + 1 : text;
    const char *end = bracketed ? strchr(host, ']') : strrchr(host, ':');
    const char *colon = end != NULL && bracketed ? end + 1 : end;
    size_t len = end == NULL ? 0 : (size_t)(end - host);

    *out = (struct zrpc_tcp_address){0};
    if (end == NULL || *colon != ':' || len >= sizeof out->host || (bracketed && len == 0))
        goto invalid;
    /* Without brackets, one colon only: ::1:80 could mean two things. */
    if (!bracketed && memchr(host, ':', len) != NULL)
        goto invalid;
    memcpy(out->host, host, len);
    if (parse_port(colon + 1, out) < 0)
        goto invalid;
    return 0;
invalid:
    return zrpc_fail(err, ZRPC_ERR_USAGE,
                     "address \"%s\": expected HOST:PORT, [IPV6]:PORT or :PORT, with a port up to 65535",
                     text);
}

const char *zrpc_tcp_format(const char *prefix, const struct sockaddr_storage *address,
                            char out[static ZRPC_ADDRESS_MAX])
{
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    char ip[INET6_ADDRSTRLEN] = "?", zone[IF_NAMESIZE + 1] = "";

    if (address->ss_family == AF_INET) {
        inet_ntop(AF_INET, &in4->sin_addr, ip, sizeof ip);
        snprintf(out, ZRPC_ADDRESS_MAX, "%s:%s:%u", prefix, ip, ntohs(in4->sin_port));
    } else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], ip, sizeof ip);
        snprintf(out, ZRPC_ADDRESS_MAX, "%s:%s:%u", prefix, ip, ntohs(in6->sin6_port));
    } else if (address->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
        if (in6->sin6_scope_id != 0) {
            zone[0] = '%';
            if (if_indextoname(in6->sin6_scope_id, zone + 1) == NULL)
                snprintf(zone, sizeof zone, "%%%u", in6->sin6_scope_id);
        }
        snprintf(out, ZRPC_ADDRESS_MAX, "%s:[%s%s]:%u", prefix, ip, zone, ntohs(in6->sin6_port));
    } else {
        snprintf(out, ZRPC_ADDRESS_MAX, "%s:?", prefix);
    }
    return out;
}

int zrpc_tcp_local_address(const char *prefix, int fd, char out[static ZRPC_ADDRESS_MAX],
                           struct zrpc_error *err)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s: getsockname", prefix);
    zrpc_tcp_format(prefix, &address, out);
    return 0;
}

static void set_nodelay(int fd)
{
    static const int on = 1;

    /* Costs latency where it fails, nothing else. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* A port that nobody listens on may be given to the very socket that dials it, which then talks to itself. */
static bool connected_to_itself(int fd)
{
    struct sockaddr_storage self = {0}, peer = {0};
    socklen_t self_len = sizeof self, peer_len = sizeof peer;

    return getsockname(fd, (struct sockaddr *)&self, &self_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 && self_len == peer_len &&
           memcmp(&self, &peer, self_len) == 0;
}

static int connect_socket(int fd, const struct addrinfo *ai, zrpc_time deadline,
                          const struct zrpc_cancel *cancel, const char *text, struct zrpc_error *err)
{
    int errnum = 0, rc;
    socklen_t len = sizeof errnum;

    if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
        errnum = errno;
    if (errnum == EINPROGRESS || errnum == EINTR) {
        rc = zrpc_await((struct pollfd){.fd = fd, .events = POLLOUT}, deadline, cancel, err);
        if (rc < 0)
            return zrpc_error_prefix(err, rc, "%s", text);
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
            errnum = errno;
    }
    if (errnum == 0 && connected_to_itself(fd))
        errnum = ECONNREFUSED;
    return errnum == 0 ? 0 : zrpc_fail_errno(err, ZRPC_ERR_DIAL, errnum, "%s", text);
}

static int connect_one(const struct addrinfo *ai, zrpc_time deadline, const struct zrpc_cancel *cancel,
                       int *out, struct zrpc_error *err)
{
    struct sockaddr_storage to = {0};
    char text[ZRPC_ADDRESS_MAX];
    int rc, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    memcpy(&to, ai->ai_addr, ai->ai_addrlen);
    zrpc_tcp_format("dial tcp", &to, text);
    if (fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_DIAL, errno, "%s: socket", text);
    rc = connect_socket(fd, ai, deadline, cancel, text, err);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    set_nodelay(fd);
    *out = fd;
    return 0;
}

/* An even share of the time left, so that one address that never answers does not use up the others'. */
static zrpc_time share(zrpc_time now, zrpc_time deadline, const struct addrinfo *rest)
{
    zrpc_time n = 0;

    for (; rest != NULL; rest = rest->ai_next)
        n++;
    return deadline == ZRPC_NEVER || deadline <= now ? deadline : now + (deadline - now) / n;
}

int zrpc_tcp_connect(const struct zrpc_tcp_address *address, zrpc_time deadline,
                     const struct zrpc_cancel *cancel, int *out, struct zrpc_error *err)
{
    struct addrinfo *all = NULL;
    int rc = zrpc_resolve(address, 0, deadline, cancel, &all, err);

    if (rc < 0)
        return rc;
    rc = zrpc_fail(err, ZRPC_ERR_RESOLVE, "resolve %s: no address", address->host);
    for (const struct addrinfo *ai = all; ai != NULL && rc < 0 && rc != ZRPC_ERR_CANCELLED; ai = ai->ai_next)
        rc = connect_one(ai, share(zrpc_now(), deadline, ai), cancel, out, err);
    freeaddrinfo(all);
    return rc;
}

int zrpc_tcp_dial_failed(const char *address, int code, struct zrpc_error *err)
{
    const char *host_port = strchr(address, ':') + 1;

    if (err == NULL || strstr(err->text, host_port) != NULL)
        return code;
    return zrpc_error_prefix(err, code, strncmp(err->text, "dial ", 5) == 0 ? "%s" : "dial %s", address);
}

/* Answers NULL, or the step that failed, with errno. */
static const char *make_listener(int fd, const struct addrinfo *ai)
{
    static const int on = 1, off = 0;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return "SO_REUSEADDR";
    if (ai->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0)
        return "IPV6_V6ONLY";
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0)
        return "bind";
    return listen(fd, SOMAXCONN) < 0 ? "listen" : NULL;
}

static int bind_one(const struct addrinfo *ai, int *out, struct zrpc_error *err)
{
    struct sockaddr_storage at = {0};
    char text[ZRPC_ADDRESS_MAX];
    const char *failed;
    int rc, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    failed = fd < 0 ? "socket" : make_listener(fd, ai);
    if (failed == NULL) {
        *out = fd;
        return 0;
    }
    memcpy(&at, ai->ai_addr, ai->ai_addrlen);
    rc = zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "listen on %s: %s", zrpc_tcp_format("tcp", &at, text),
                         failed);
    if (fd >= 0)
        close(fd);
    return rc;
}

static bool host_has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

int zrpc_tcp_bind(const struct zrpc_tcp_address *address, int *out, struct zrpc_error *err)
{
    struct zrpc_tcp_address at = *address;
    struct addrinfo *all = NULL;
    int rc;

    /* One socket serves both families, where there are two. */
    if (at.host[0] == '\0')
        strcpy(at.host, host_has_ipv6() ? "::" : "0.0.0.0");
    rc = zrpc_resolve(&at, AI_PASSIVE, ZRPC_NEVER, NULL, &all, err);
    if (rc < 0)
        return rc;
    rc = zrpc_fail(err, ZRPC_ERR_RESOLVE, "resolve %s: no address", at.host);
    for (const struct addrinfo *ai = all; ai != NULL && rc < 0; ai = ai->ai_next)
        rc = bind_one(ai, out, err);
    freeaddrinfo(all);
    return rc;
}

int zrpc_tcp_accept(int listener, int *out, struct sockaddr_storage *peer, struct zrpc_error *err)
{
    int rc = zrpc_accept(listener, out, peer, err);

    if (rc == 0)
        set_nodelay(*out);
    return rc;
}
