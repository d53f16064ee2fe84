#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "benchmark.h"

/* The plain loop's calls move as much at a time as the protocol's frames do. */
enum { CHUNK = ZRPC_STREAM_PAYLOAD_MAX, ROUNDS_MAX = 100 };

/* The plain loop's sender writes `bytes` and half-closes, its receiver reads to the end. Both block. */
static int plain_write(int fd, uint64_t bytes, struct zrpc_error *err)
{
    static char chunk[CHUNK];

    while (bytes > 0) {
        ssize_t n = write(fd, chunk, bytes < CHUNK ? bytes : CHUNK);

        if (n < 0)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "write");
        bytes -= (uint64_t)n;
    }
    shutdown(fd, SHUT_WR);
    return 0;
}

static int plain_read(int fd, uint64_t bytes, struct zrpc_error *err)
{
    static char chunk[CHUNK];
    uint64_t got = 0;
    ssize_t n;

    while ((n = read(fd, chunk, CHUNK)) > 0)
        got += (uint64_t)n;
    if (n < 0 || got != bytes)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, n < 0 ? errno : 0, "read %llu of %llu bytes",
                               (unsigned long long)got, (unsigned long long)bytes);
    return 0;
}

static int blocking(struct zrpc_wire *wire)
{
    int fd = zrpc_wire_wait(wire, ZRPC_READ).fd;

    return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0 ? -1 : fd;
}

/* The plain loop's server, in a process of its own: writes, or reads and says when it has all. */
static int plain_server(const struct benchmark *b, struct zrpc_listener *l, struct zrpc_error *err)
{
    for (;;) {
        struct zrpc_accepted accepted;
        int fd, rc;

        while ((rc = l->ops->accept(l, &accepted, err)) == ZRPC_ERR_AGAIN)
            poll(&(struct pollfd){.fd = l->ops->fd(l), .events = POLLIN}, 1, -1);
        if (rc < 0)
            return rc;
        fd = blocking(accepted.wire);
        rc = b->direction[0] == 's' ? plain_write(fd, b->bytes, err) : plain_read(fd, b->bytes, err);
        zrpc_wire_close(accepted.wire);
        if (rc < 0)
            return rc;
    }
}

static int plain_client(struct benchmark *b, struct zrpc_error *err)
{
    struct zrpc_dialer *dialer;
    struct zrpc_wire *wire;
    int fd, rc = zrpc_tcp_dialer(b->address, ZRPC_DIAL_TIMEOUT_DEFAULT, &dialer, err);

    if (rc < 0)
        return rc;
    rc = dialer->ops->dial(dialer, ZRPC_NEVER, &wire, err);
    dialer->ops->close(dialer);
    if (rc < 0)
        return rc;
    fd = blocking(wire);
    if (b->direction[0] == 's') {
        rc = plain_read(fd, b->bytes, err);
    } else {
        rc = plain_write(fd, b->bytes, err);
        if (rc == 0)
            rc = plain_read(fd, 0, err); /* the receiver closes when it has all */
    }
    zrpc_wire_close(wire);
    return rc;
}

/* One contender: a server process, and the client to run against it. */
struct contender {
    const char *name;
    int (*client)(struct benchmark *b, struct zrpc_error *err);
    pid_t server;
    char address[ZRPC_ADDRESS_MAX];
    double rates[ROUNDS_MAX]; /* bytes/s */
    long server_rss;          /* KiB */
};

static int start_server(struct benchmark *b, struct contender *c, bool plain, struct zrpc_error *err)
{
    struct zrpc_listener *l;
    int rc = benchmark_listen("127.0.0.1:0", &l, err);

    if (rc < 0)
        return rc;
    snprintf(c->address, sizeof c->address, "%s", l->ops->address(l) + strlen("tcp:"));
    c->server = fork();
    if (c->server == 0) {
        rc = plain ? plain_server(b, l, err) : benchmark_server(b, l, err);
        fprintf(stderr, "microbenchmark: server: %s\n", err->text);
        _exit(rc != 0);
    }
    l->ops->close(l);
    return c->server > 0 ? 0 : zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "fork");
}

static void stop_server(struct contender *c)
{
    struct rusage usage;

    if (c->server <= 0)
        return;
    kill(c->server, SIGTERM);
    if (wait4(c->server, NULL, 0, &usage) == c->server)
        c->server_rss = usage.ru_maxrss;
}

static int run_round(struct benchmark *b, struct contender *c, size_t round, struct zrpc_error *err)
{
    zrpc_time started = zrpc_now();
    int rc;

    b->address = c->address;
    rc = c->client(b, err);
    c->rates[round] = (double)b->bytes / ((double)(zrpc_now() - started) / ZRPC_SECOND);
    if (rc == 0)
        printf("%-9s %8.2f GB/s\n", c->name, c->rates[round] / 1e9);
    return rc;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_size);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

int benchmark_compare(struct benchmark *b, struct zrpc_error *err)
{
    struct contender plain = {.name = "plain", .client = plain_client};
    struct contender protocol = {.name = "protocol", .client = benchmark_client};
    double ratios[ROUNDS_MAX];
    struct rusage self;
    int rc = start_server(b, &plain, true, err);

    if (rc == 0)
        rc = start_server(b, &protocol, false, err);
    for (size_t i = 0; i < b->rounds && rc == 0; i++) {
        rc = run_round(b, &plain, i, err);
        if (rc == 0)
            rc = run_round(b, &protocol, i, err);
        ratios[i] = protocol.rates[i] / plain.rates[i];
    }
    stop_server(&plain);
    stop_server(&protocol);
    if (rc < 0)
        return rc;
    getrusage(RUSAGE_SELF, &self);
    printf("medians of %llu rounds of %llu bytes, %s:\n", (unsigned long long)b->rounds,
           (unsigned long long)b->bytes, b->direction);
    printf("  plain %.2f GB/s, protocol %.2f GB/s, ratio by rounds %.3f\n",
           median(plain.rates, b->rounds) / 1e9, median(protocol.rates, b->rounds) / 1e9,
           median(ratios, b->rounds));
    printf(
        "  resident memory at most: client %ld KiB (both contenders), server %ld KiB, plain server %ld KiB\n",
        self.ru_maxrss, protocol.server_rss, plain.server_rss);
    return 0;
}
