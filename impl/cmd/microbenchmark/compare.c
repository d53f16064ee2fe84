#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "benchmark.h"

enum { ROUNDS_MAX = 100 };

/* One contender: a server process, and the client to run against it. */
struct contender {
    const char *name;
    int (*serve)(struct benchmark *b, struct zrpc_listener *l, struct zrpc_error *err);
    int (*client)(struct benchmark *b, struct zrpc_error *err);
    pid_t server;
    char address[ZRPC_ADDRESS_MAX];
    double rates[ROUNDS_MAX]; /* bytes/s */
    long server_rss;          /* KiB */
};

static int start_server(struct benchmark *b, struct contender *c, struct zrpc_error *err)
{
    struct zrpc_listener *l;
    int rc = b->transport->listen(b, "127.0.0.1:0", &l, err);

    if (rc < 0)
        return rc;
    snprintf(c->address, sizeof c->address, "%s", strchr(l->ops->address(l), ':') + 1);
    c->server = fork();
    if (c->server == 0) {
        rc = c->serve(b, l, err);
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
    struct contender plain = {
        .name = "plain", .serve = b->transport->plain_server, .client = b->transport->plain_client};
    struct contender protocol = {.name = "protocol", .serve = benchmark_server, .client = benchmark_client};
    double ratios[ROUNDS_MAX];
    struct rusage self;
    int rc = start_server(b, &plain, err);

    if (rc == 0)
        rc = start_server(b, &protocol, err);
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
    printf("medians of %llu rounds of %llu bytes, %s, %s:\n", (unsigned long long)b->rounds,
           (unsigned long long)b->bytes, b->direction, b->transport->name);
    printf("  plain %.2f GB/s, protocol %.2f GB/s, ratio by rounds %.3f\n",
           median(plain.rates, b->rounds) / 1e9, median(protocol.rates, b->rounds) / 1e9,
           median(ratios, b->rounds));
    printf(
        "  resident memory at most: client %ld KiB (both contenders), server %ld KiB, plain server %ld KiB\n",
        self.ru_maxrss, protocol.server_rss, plain.server_rss);
    return 0;
}
