#include "testing/suite.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testing/alloc.h"
#include "transport/tcp_socket.h"
#include "zrpc/transport.h"

/*
 * Calls that this program answers itself, to see what real ones rarely show.
 */
static const struct sockaddr_in6 *accept_peer; /* accept4 says that this is who came */
static int accept_errno;                       /* > 0: accept4 fails so, once */
static bool bind_to_target; /* connect binds its socket to where it goes: a connection to itself */
static pthread_mutex_t lookups = PTHREAD_MUTEX_INITIALIZER; /* held: looking up "slow.test" hangs */

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    if (accept_errno > 0) {
        errno = accept_errno;
        accept_errno = 0;
        return -1;
    }
    fd = (int)syscall(SYS_accept4, fd, address, len, flags);
    if (fd >= 0 && accept_peer != NULL)
        memcpy(address, accept_peer, sizeof *accept_peer);
    return fd;
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    if (bind_to_target && bind(fd, address, len) < 0)
        return -1;
    return (int)syscall(SYS_connect, fd, address, len);
}

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    getaddrinfo_fn *real;
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    bool by_name = host != NULL && (hints->ai_flags & AI_NUMERICHOST) == 0;

    memcpy(&real, &symbol, sizeof real);
    if (by_name && strcmp(host, "slow.test") == 0) {
        pthread_mutex_lock(&lookups);
        pthread_mutex_unlock(&lookups);
        host = "127.0.0.1";
    } else if (by_name && strcmp(host, "two.test") == 0) {
        /* One that refuses, then one that may answer. */
        struct addrinfo *second = NULL;
        int rc = real("127.0.0.2", service, hints, out);

        rc = rc == 0 ? real("127.0.0.1", service, hints, &second) : rc;
        if (rc == 0)
            (*out)->ai_next = second;
        return rc;
    }
    return real(host, service, hints, out);
}

#if defined(__SANITIZE_THREAD__)
#define THREADS_AT_REST 2 /* the sanitizer has one of its own */
#else
#define THREADS_AT_REST 1
#endif

static int thread_count(void)
{
    struct stat st;

    return stat("/proc/self/task", &st) < 0 ? -1 : (int)st.st_nlink - 2;
}

/* Threads that looked up names go when they are done, with what they hold. */
static void settle(void)
{
    while (thread_count() > THREADS_AT_REST)
        usleep(100);
}

static struct zrpc_listener *listen_on(const char *address, const struct zrpc_tcp_client *clients, size_t n)
{
    struct zrpc_listener *l = NULL;
    struct zrpc_error err = {0};

    if (!CHECK_OK(zrpc_tcp_listen(address, clients, n, &l, &err)))
        CHECK_STR(err.text, "");
    return l;
}

static unsigned port_of(const struct zrpc_listener *l)
{
    return (unsigned)atoi(strrchr(l->ops->address(l), ':') + 1);
}

static int dial(const char *host, unsigned port, zrpc_time timeout, zrpc_time deadline,
                struct zrpc_wire **out, struct zrpc_error *err)
{
    struct zrpc_dialer *d;
    char address[100];
    int rc;

    snprintf(address, sizeof address, "%s:%u", host, port);
    rc = zrpc_tcp_dialer(address, timeout, &d, err);
    if (rc < 0)
        return rc;
    rc = d->ops->dial(d, deadline, NULL, out, err);
    d->ops->close(d);
    return rc;
}

static int accept_next(struct zrpc_listener *l, struct zrpc_accepted *out, struct zrpc_error *err)
{
    struct pollfd p = {.fd = l->ops->fd(l), .events = POLLIN};

    CHECK_INT(poll(&p, 1, 20000), 1);
    return l->ops->accept(l, out, err);
}

static bool host_has(const char *ip)
{
    struct zrpc_tcp_address at = {.port = "0"};
    int fd;

    snprintf(at.host, sizeof at.host, "%s", ip);
    if (zrpc_tcp_bind(&at, &fd, NULL) < 0) {
        printf("this host has no %s: not tested\n", ip);
        return false;
    }
    close(fd);
    return true;
}

static void check_socket(int fd)
{
    int on = 0;
    socklen_t len = sizeof on;

    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_INT(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    CHECK_INT(on, 1);
}

/* Dials host, expects to be accepted with the identity and as the peer, without its port. */
static void meet(struct zrpc_listener *l, const char *host, const char *identity, const char *peer)
{
    struct zrpc_accepted accepted = {0};
    struct zrpc_wire *wire = NULL;
    struct zrpc_error err = {0};

    if (!CHECK_OK(dial(host, port_of(l), 0, ZRPC_NEVER, &wire, &err)) ||
        !CHECK_OK(accept_next(l, &accepted, &err))) {
        CHECK_STR(err.text, "");
        zrpc_wire_close(wire);
        return;
    }
    CHECK_STR(accepted.identity, identity);
    *strrchr(accepted.peer, ':') = '\0';
    CHECK_STR(accepted.peer, peer);
    check_socket(zrpc_wire_wait(wire, ZRPC_READ).fd);
    check_socket(zrpc_wire_wait(accepted.wire, ZRPC_READ).fd);
    zrpc_wire_close(wire);
    zrpc_wire_close(accepted.wire);
}

static void identities_by_ip(void)
{
    static const struct zrpc_tcp_client clients[] = {
        {"10.1.2.3", "far"}, {"127.0.0.1", "home"}, {"::1", "home6"}, {"::ffff:127.0.0.2", "mapped"}};
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    struct zrpc_listener *l = listen_on("127.0.0.1:0", clients, 4);

    if (l == NULL)
        return;
    CHECK_STR(l->ops->name, "tcp");
    CHECK_CONTAINS(l->ops->address(l), "tcp:127.0.0.1:");
    CHECK(port_of(l) > 0);
    CHECK(fcntl(l->ops->fd(l), F_GETFD) & FD_CLOEXEC);
    CHECK_CODE(l->ops->accept(l, &accepted, &err), ZRPC_ERR_AGAIN);
    meet(l, "127.0.0.1", "home", "tcp:127.0.0.1");
    meet(l, "localhost", "home", "tcp:127.0.0.1");
    settle();
    l->ops->close(l);
    if (host_has("::1")) {
        l = listen_on("[::1]:0", clients, 4);
        CHECK_CONTAINS(l->ops->address(l), "tcp:[::1]:");
        meet(l, "[::1]", "home6", "tcp:[::1]");
        l->ops->close(l);
    }
}

/* On a socket for both families IPv4 clients come as ::ffff:a.b.c.d. */
static void every_address(void)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "four"}, {"::1", "six"}};
    static const char *const addresses[] = {":0", "[::]:0"};
    struct zrpc_error err;
    struct zrpc_wire *wire;

    for (int i = 0; i < 2; i++) {
        struct zrpc_listener *l = i == 0 || host_has("::") ? listen_on(addresses[i], clients, 2) : NULL;

        if (l == NULL)
            return;
        meet(l, "127.0.0.1", "four", "tcp:127.0.0.1");
        if (host_has("::1"))
            meet(l, "[::1]", "six", "tcp:[::1]");
        if (CHECK_OK(dial("", port_of(l), 0, ZRPC_NEVER, &wire, &err)))
            zrpc_wire_close(wire);
        l->ops->close(l);
    }
}

/* Link-local clients, of which the same address may be on any link. */
static void zones(void)
{
    static const struct zrpc_tcp_client clients[] = {{"::1", "home"},
                                                     {"::1%lo", "never"},
                                                     {"fe80::1%lo", "by name"},
                                                     {"fe80::1", "elsewhere"},
                                                     {"fe80::2%7", "by index"}};
    static const struct {
        const char *ip;
        unsigned scope_id;
        const char *identity, *peer;
    } rows[] = {
        {"::1", 0, "home", "tcp:[::1]:99"},
        {"fe80::1", 1, "by name", "tcp:[fe80::1%lo]:99"},
        {"fe80::1", 77777, "elsewhere", "tcp:[fe80::1%77777]:99"},
        {"fe80::2", 7, "by index", NULL},
        {"fe80::2", 1, NULL, NULL},
    };
    struct zrpc_listener *l = listen_on("127.0.0.1:0", clients, 5);

    for (size_t i = 0; l != NULL && i < sizeof rows / sizeof rows[0]; i++) {
        struct sockaddr_in6 peer = {
            .sin6_family = AF_INET6, .sin6_port = htons(99), .sin6_scope_id = rows[i].scope_id};
        struct zrpc_accepted accepted = {0};
        struct zrpc_error err = {0};
        struct zrpc_wire *wire = NULL;

        inet_pton(AF_INET6, rows[i].ip, &peer.sin6_addr);
        CHECK_OK(dial("127.0.0.1", port_of(l), 0, ZRPC_NEVER, &wire, &err));
        accept_peer = &peer;
        CHECK_CODE(accept_next(l, &accepted, &err), rows[i].identity == NULL ? ZRPC_ERR_REFUSED_IDENTITY : 0);
        accept_peer = NULL;
        CHECK_STR(accepted.identity, rows[i].identity == NULL ? "" : rows[i].identity);
        CHECK_STR(accepted.peer, rows[i].peer == NULL ? accepted.peer : rows[i].peer);
        zrpc_wire_close(accepted.wire);
        zrpc_wire_close(wire);
    }
    if (l != NULL)
        l->ops->close(l);
}

static void peers_are_shown(void)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
    char text[ZRPC_ADDRESS_MAX];

    CHECK_STR(zrpc_tcp_format("x", &address, text), "x:?");
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(99);
    inet_pton(AF_INET6, "fe80::2", &in6->sin6_addr);
    CHECK_STR(zrpc_tcp_format("tcp", &address, text), "tcp:[fe80::2]:99");
    in6->sin6_scope_id = 1;
    CHECK_STR(zrpc_tcp_format("tcp", &address, text), "tcp:[fe80::2%lo]:99");
    in6->sin6_scope_id = 123456789;
    CHECK_STR(zrpc_tcp_format("tcp", &address, text), "tcp:[fe80::2%123456789]:99");
    inet_pton(AF_INET6, "::ffff:1.2.3.4", &in6->sin6_addr);
    CHECK_STR(zrpc_tcp_format("tls", &address, text), "tls:1.2.3.4:99");
}

static void bad_client_maps(void)
{
    static const struct {
        struct zrpc_tcp_client clients[2];
        const char *text;
    } rows[] = {
        {{{"127.0.0.1", "a"}, {"localhost", "b"}}, "tcp clients: \"localhost\" is not an IP address"},
        {{{"", "a"}, {"::1", "b"}}, "tcp clients: \"\" is not an IP address"},
        {{{"127.1", "a"}, {"::1", "b"}}, "tcp clients: \"127.1\" is not an IP address"},
        {{{"1.2.3.4%lo", "a"}, {"::1", "b"}}, "tcp clients: \"1.2.3.4%lo\" is not an IP address"},
        {{{"fe80::1%", "a"}, {"::1", "b"}}, "tcp clients: \"fe80::1%\" is not an IP address"},
        {{{"fe80::1%an-interface-name-too-long", "a"}, {"::1", "b"}}, "is not an IP address"},
        {{{"::1", "a"}, {"0:0::1", "b"}}, "tcp clients: 0:0::1 is listed twice"},
        {{{"1.2.3.4", "a"}, {"::ffff:1.2.3.4", "b"}}, "tcp clients: ::ffff:1.2.3.4 is listed twice"},
        {{{"fe80::1%a", "a"}, {"fe80::1%a", "b"}}, "tcp clients: fe80::1%a is listed twice"},
        {{{"1.2.3.4", "a"}, {"::1", "x/y"}},
         "tcp clients: ::1: client identity \"x/y\": must not contain '/'"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_error err = {0};
        struct zrpc_listener *l;

        CHECK_CODE(zrpc_tcp_listen("127.0.0.1:0", rows[i].clients, 2, &l, &err), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(err.text, rows[i].text);
    }
}

static void strangers_are_refused(void)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "friend"}};
    struct zrpc_listener *l = listen_on("0.0.0.0:0", clients, 1);
    struct zrpc_accepted accepted;
    struct zrpc_error err = {0};
    struct sockaddr_in from = {.sin_family = AF_INET}, at = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;

    if (l == NULL || !CHECK(fd >= 0))
        return;
    inet_pton(AF_INET, "127.0.0.77", &from.sin_addr);
    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    at.sin_port = htons((uint16_t)port_of(l));
    CHECK_INT(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_CODE(accept_next(l, &accepted, &err), ZRPC_ERR_REFUSED_IDENTITY);
    CHECK_CONTAINS(err.text, "client tcp:127.0.0.77:");
    CHECK_CONTAINS(err.text, "its IP is not among the clients");
    CHECK_INT(read(fd, &byte, 1), 0); /* closed, not left hanging */
    close(fd);
    meet(l, "127.0.0.1", "friend", "tcp:127.0.0.1");
    l->ops->close(l);
}

static void failed_accepts_do_not_end_the_listener(void)
{
    static const struct {
        int errnum, code;
    } rows[] = {
        {ECONNABORTED, ZRPC_ERR_RESET}, {EPROTO, ZRPC_ERR_RESET},       {EPERM, ZRPC_ERR_RESET},
        {ENETDOWN, ZRPC_ERR_RESET},     {EHOSTUNREACH, ZRPC_ERR_RESET}, {ETIMEDOUT, ZRPC_ERR_RESET},
        {EMFILE, ZRPC_ERR_LIMIT},       {ENFILE, ZRPC_ERR_LIMIT},       {ENOBUFS, ZRPC_ERR_LIMIT},
        {ENOMEM, ZRPC_ERR_LIMIT},       {EAGAIN, ZRPC_ERR_AGAIN},       {EINTR, ZRPC_ERR_AGAIN},
    };
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "friend"}};
    struct zrpc_listener *l = listen_on("127.0.0.1:0", clients, 1);

    if (l == NULL)
        return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_accepted accepted;
        struct zrpc_error err;

        accept_errno = rows[i].errnum;
        CHECK_CODE(l->ops->accept(l, &accepted, &err), rows[i].code);
        meet(l, "127.0.0.1", "friend", "tcp:127.0.0.1");
    }
    l->ops->close(l);
}

static void out_of_descriptors(void)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "friend"}};
    struct zrpc_listener *l = listen_on("127.0.0.1:0", clients, 1);
    struct zrpc_accepted accepted;
    struct zrpc_error err = {0};
    struct zrpc_wire *wire = NULL;
    struct rlimit limit, none;

    if (zrpc_under_valgrind()) {
        printf("valgrind accepts beyond RLIMIT_NOFILE: not tested\n");
        l->ops->close(l);
        return;
    }
    if (l == NULL || !CHECK_OK(dial("127.0.0.1", port_of(l), 0, ZRPC_NEVER, &wire, &err)))
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    CHECK_CODE(l->ops->accept(l, &accepted, &err), ZRPC_ERR_LIMIT);
    CHECK_CONTAINS(err.text, "no descriptor left");
    CHECK_CODE(l->ops->accept(l, &accepted, &err), ZRPC_ERR_LIMIT);
    setrlimit(RLIMIT_NOFILE, &limit);
    if (CHECK_OK(accept_next(l, &accepted, &err)))
        zrpc_wire_close(accepted.wire);
    zrpc_wire_close(wire);
    l->ops->close(l);
}

static void addresses_in_use(void)
{
    struct zrpc_listener *l = listen_on("127.0.0.1:0", NULL, 0), *second;
    struct zrpc_error err = {0};
    char address[40];

    if (l == NULL)
        return;
    snprintf(address, sizeof address, "127.0.0.1:%u", port_of(l));
    CHECK_CODE(zrpc_tcp_listen(address, NULL, 0, &second, &err), ZRPC_ERR_LISTEN);
    CHECK_CONTAINS(err.text, ": bind: Address already in use");
    CHECK_CONTAINS(err.text, address);
    l->ops->close(l);
    CHECK_CODE(zrpc_tcp_listen("192.0.2.1:0", NULL, 0, &second, &err), ZRPC_ERR_LISTEN);
    CHECK_CODE(zrpc_tcp_listen("127.0.0.1", NULL, 0, &second, &err), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_tcp_listen("no.such.host.invalid:1", NULL, 0, &second, &err), ZRPC_ERR_RESOLVE);
    settle();
    CHECK_CODE(zrpc_tcp_listen("127.0.0.1:no-such-service", NULL, 0, &second, &err), ZRPC_ERR_RESOLVE);
}

/* A port with connections of a former listener in TIME_WAIT is free for the next one. */
static void ports_are_reused(void)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "friend"}};
    struct zrpc_listener *l = listen_on("127.0.0.1:0", clients, 1);
    struct zrpc_accepted accepted;
    struct zrpc_error err = {0};
    struct zrpc_wire *wire;
    char address[40];

    if (l == NULL || !CHECK_OK(dial("127.0.0.1", port_of(l), 0, ZRPC_NEVER, &wire, &err)) ||
        !CHECK_OK(accept_next(l, &accepted, &err)))
        return;
    snprintf(address, sizeof address, "127.0.0.1:%u", port_of(l));
    zrpc_wire_close(accepted.wire); /* closes first, so TIME_WAIT is on this side */
    zrpc_wire_close(wire);
    l->ops->close(l);
    l = listen_on(address, clients, 1);
    if (l != NULL)
        l->ops->close(l);
}

static void nobody_listens(void)
{
    struct zrpc_listener *l = listen_on("127.0.0.1:0", NULL, 0);
    struct zrpc_error err = {0};
    struct zrpc_wire *wire;
    unsigned port;

    if (l == NULL)
        return;
    port = port_of(l);
    l->ops->close(l);
    CHECK_CODE(dial("127.0.0.1", port, 0, ZRPC_NEVER, &wire, &err), ZRPC_ERR_DIAL);
    CHECK_INT(strncmp(err.text, "dial tcp:127.0.0.1:", 19), 0); /* named once */
    CHECK_CONTAINS(err.text, "Connection refused");
    CHECK_CODE(dial("localhost", port, 0, ZRPC_NEVER, &wire, &err), ZRPC_ERR_DIAL);
    CHECK_CONTAINS(err.text, "tcp:localhost:");
    CHECK_CONTAINS(err.text, ": dial tcp:");
    CHECK_CODE(dial("no.such.host.invalid", port, 0, ZRPC_NEVER, &wire, &err), ZRPC_ERR_RESOLVE);
    CHECK_CONTAINS(err.text, "resolve no.such.host.invalid");
    settle();
    bind_to_target = true;
    CHECK_CODE(dial("127.0.0.1", port, 0, ZRPC_NEVER, &wire, &err), ZRPC_ERR_DIAL);
    CHECK_CONTAINS(err.text, "Connection refused");
    bind_to_target = false;
}

/* A listener on host:port whose queue is full: it does not answer further calls at all. */
struct silent {
    int fd;
    unsigned port;
    struct zrpc_wire *wires[8];
    size_t n;
};

static void silent_start(struct silent *s, const char *host, unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof at;
    struct zrpc_error err = {0};
    int rc = 0;

    *s = (struct silent){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    inet_pton(AF_INET, host, &at.sin_addr);
    CHECK(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(s->fd, 0) == 0);
    CHECK_INT(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
    while (rc == 0 && s->n < 8) {
        rc = dial(host, s->port, 50 * ZRPC_MILLISECOND, ZRPC_NEVER, &s->wires[s->n], &err);
        s->n += rc == 0;
    }
    CHECK_CODE(rc, ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(err.text, "no answer in time");
}

static void silent_stop(struct silent *s)
{
    while (s->n > 0)
        zrpc_wire_close(s->wires[--s->n]);
    close(s->fd);
}

static void dialling_times_out(void)
{
    struct silent silent;
    struct zrpc_error err;
    struct zrpc_wire *wire;
    zrpc_time before;

    silent_start(&silent, "127.0.0.1", 0);
    before = zrpc_now();
    CHECK_CODE(
        dial("127.0.0.1", silent.port, 3600 * ZRPC_SECOND, before + 50 * ZRPC_MILLISECOND, &wire, &err),
        ZRPC_ERR_TIMEOUT);
    CHECK(zrpc_now() >= before + 50 * ZRPC_MILLISECOND);
    CHECK_CODE(dial("127.0.0.1", silent.port, 0, 1, &wire, &err), ZRPC_ERR_TIMEOUT);
    silent_stop(&silent);
}

/* "two.test" is 127.0.0.2, then 127.0.0.1. */
static void silent_addresses_leave_time_for_others(void)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "friend"}};
    struct zrpc_listener *l = listen_on("127.0.0.1:0", clients, 1);
    struct zrpc_error err;
    struct zrpc_wire *wire;
    struct silent silent;
    zrpc_time before;

    if (l == NULL)
        return;
    silent_start(&silent, "127.0.0.2", port_of(l));
    before = zrpc_now();
    if (CHECK_OK(dial("two.test", port_of(l), 800 * ZRPC_MILLISECOND, ZRPC_NEVER, &wire, &err)))
        zrpc_wire_close(wire);
    CHECK(zrpc_now() < before + 800 * ZRPC_MILLISECOND);
    settle();
    silent_stop(&silent);
    l->ops->close(l);
}

static void names_with_several_addresses(void)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "friend"}};
    struct zrpc_listener *l = listen_on("127.0.0.1:0", clients, 1);

    if (l == NULL)
        return;
    meet(l, "two.test", "friend", "tcp:127.0.0.1");
    settle();
    l->ops->close(l);
}

static void slow_lookups_do_not_hold_the_caller(void)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "friend"}};
    struct zrpc_listener *l = listen_on("127.0.0.1:0", clients, 1);
    struct zrpc_error err = {0};
    struct zrpc_wire *wire;

    if (l == NULL)
        return;
    pthread_mutex_lock(&lookups);
    CHECK_CODE(dial("slow.test", port_of(l), 20 * ZRPC_MILLISECOND, ZRPC_NEVER, &wire, &err),
               ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(err.text, "resolve slow.test: no answer in time");
    pthread_mutex_unlock(&lookups);
    meet(l, "slow.test", "friend", "tcp:127.0.0.1");
    settle(); /* what was left behind cleans up after itself */
    l->ops->close(l);
}

static void *raise_soon(void *cancel)
{
    poll(NULL, 0, 20);
    zrpc_cancel_raise(cancel);
    return NULL;
}

static void cancel_dialling(const char *host, unsigned port, const char *expected)
{
    struct zrpc_cancel cancel;
    struct zrpc_wire *wire;
    struct zrpc_error err = {0};
    struct zrpc_dialer *d = NULL;
    pthread_t thread;
    char address[64];

    snprintf(address, sizeof address, "%s:%u", host, port);
    CHECK_OK(zrpc_cancel_init(&cancel, NULL));
    CHECK_OK(zrpc_tcp_dialer(address, 0, &d, NULL));
    CHECK_INT(pthread_create(&thread, NULL, raise_soon, &cancel), 0);
    CHECK_CODE(d->ops->dial(d, ZRPC_NEVER, &cancel, &wire, &err), ZRPC_ERR_CANCELLED);
    CHECK_CONTAINS(err.text, expected);
    pthread_join(thread, NULL);
    d->ops->close(d);
    zrpc_cancel_dispose(&cancel);
}

static void dialling_can_be_cancelled(void)
{
    struct silent silent;

    silent_start(&silent, "127.0.0.1", 0);
    cancel_dialling("127.0.0.1", silent.port, "dial tcp:127.0.0.1");
    pthread_mutex_lock(&lookups);
    cancel_dialling("slow.test", silent.port, "resolve slow.test: cancelled");
    pthread_mutex_unlock(&lookups);
    settle();
    silent_stop(&silent);
}

/* Listens, dials by name (so with a thread that looks it up), accepts. */
static int connect_once(void *arg)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "friend"}};
    struct zrpc_listener *l = NULL;
    struct zrpc_accepted accepted = {0};
    struct zrpc_wire *wire = NULL;
    int rc = zrpc_tcp_listen("127.0.0.1:0", clients, 1, &l, NULL);

    (void)arg;
    if (rc == 0)
        rc = dial("slow.test", port_of(l), 0, ZRPC_NEVER, &wire, NULL);
    settle();
    if (rc == 0)
        rc = poll(&(struct pollfd){.fd = l->ops->fd(l), .events = POLLIN}, 1, 20000) == 1 ? 0
                                                                                          : ZRPC_ERR_SYSTEM;
    if (rc == 0)
        rc = l->ops->accept(l, &accepted, NULL);
    zrpc_wire_close(accepted.wire);
    zrpc_wire_close(wire);
    if (l != NULL)
        l->ops->close(l);
    return rc;
}

static void scarcity(void)
{
    CHECK_INT(zrpc_alloc_each(connect_once, NULL), 5);
    CHECK_INT(zrpc_resource_each(connect_once, NULL), 5);
}

static const struct zrpc_test tests[] = {
    {"identities by IP", identities_by_ip},
    {"every address", every_address},
    {"zones", zones},
    {"peers are shown", peers_are_shown},
    {"bad client maps", bad_client_maps},
    {"strangers are refused", strangers_are_refused},
    {"failed accepts do not end the listener", failed_accepts_do_not_end_the_listener},
    {"out of descriptors", out_of_descriptors},
    {"addresses in use", addresses_in_use},
    {"ports are reused", ports_are_reused},
    {"nobody listens", nobody_listens},
    {"dialling times out", dialling_times_out},
    {"dialling can be cancelled", dialling_can_be_cancelled},
    {"silent addresses leave time for others", silent_addresses_leave_time_for_others},
    {"names with several addresses", names_with_several_addresses},
    {"slow lookups do not hold the caller", slow_lookups_do_not_hold_the_caller},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("tcp", tests, argc, argv);
}
