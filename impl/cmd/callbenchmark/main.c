/*
 * How fast calls on a control connection are, beside what plain TCP gives on the same machine.
 *
 *     callbenchmark [-seconds N] [-callers N]
 *
 * Client and server share the process; the connection is TCP on the loopback. Ping is answered by the
 * connection's own thread; ListFilesystems, here of nothing, by a thread of a pool, as all methods are whose
 * handlers may block.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "zrpc/channel.h"
#include "zrpc/grpc_conn.h"
#include "zrpc/replication.h"
#include "zrpc/transport.h"
#include "zrpc/workpool.h"

#define CALLERS_MAX  1024
#define POOL_THREADS 64 /* as a server has */

static int list_nothing(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ListFilesystemReq *req,
                        Zrpc__Pb__ListFilesystemRes *res, struct zrpc_error *err)
{
    (void)ctx, (void)call, (void)req, (void)res, (void)err;
    return 0;
}

static const struct zrpc_handler_ops handlers = {.list_filesystems = list_nothing};
static const struct zrpc_handler handler = {.ops = &handlers};

static void fail(const char *what, const struct zrpc_error *err)
{
    cli_complain("callbenchmark", what, err->text);
    exit(cli_exit_status(err->code));
}

static double seconds_since(zrpc_time start)
{
    return (double)(zrpc_now() - start) / (double)ZRPC_SECOND;
}

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/*
 * Plain TCP: one byte there, one byte back, two threads.
 */
static int tcp_pair(int out[2])
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof addr) < 0 ||
        listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&addr, &len) < 0)
        return -1;
    out[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (out[0] < 0 || connect(out[0], (struct sockaddr *)&addr, sizeof addr) < 0)
        return -1;
    out[1] = accept(listener, NULL, NULL);
    close(listener);
    setsockopt(out[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(out[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return out[1] < 0 ? -1 : 0;
}

static void *tcp_echo(void *arg)
{
    int fd = *(int *)arg;
    char byte;

    while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
        continue;
    return NULL;
}

/* Seconds for a round trip. */
static double measure_tcp(double seconds)
{
    int fds[2];
    pthread_t thread;
    zrpc_time start;
    unsigned long n = 0;
    char byte = 'x';

    if (tcp_pair(fds) < 0 || pthread_create(&thread, NULL, tcp_echo, &fds[1]) != 0) {
        perror("callbenchmark: TCP");
        exit(EXIT_CONNECTION);
    }
    for (start = zrpc_now(); seconds_since(start) < seconds; n++)
        if (write(fds[0], &byte, 1) != 1 || read(fds[0], &byte, 1) != 1)
            break;
    seconds = seconds_since(start);
    close(fds[0]);
    pthread_join(thread, NULL);
    close(fds[1]);
    return seconds / (double)n;
}

/*
 * A server of one connection, and a channel to it.
 */
static void *serve(void *arg)
{
    struct zrpc_listener *listener = arg;
    struct pollfd fd = {.fd = listener->ops->fd(listener), .events = POLLIN};
    struct zrpc_grpc_service service = zrpc_replication_service(&handler);
    struct zrpc_grpc_conn_options options = {.server = {.services = &service, .n_services = 1}};
    struct zrpc_workpool *pool = NULL;
    struct zrpc_grpc_conn *conn = NULL;
    struct zrpc_accepted accepted;
    struct zrpc_error err;

    if (zrpc_workpool_new(POOL_THREADS, CALLERS_MAX, &pool, &err) < 0)
        fail("server", &err);
    options.pool = pool;
    if (poll(&fd, 1, -1) < 0 || listener->ops->accept(listener, &accepted, &err) < 0 ||
        zrpc_grpc_conn_new(accepted.wire, &options, &conn, &err) < 0 || zrpc_grpc_conn_run(conn, &err) < 0)
        fail("server", &err);
    zrpc_grpc_conn_free(conn);
    zrpc_workpool_close(pool);
    return NULL;
}

static int dial(void *ctx, zrpc_time deadline, struct zrpc_wire **out, struct zrpc_error *err)
{
    struct zrpc_dialer *dialer = ctx;

    return dialer->ops->dial(dialer, deadline, NULL, out, err);
}

static int ping(struct zrpc_channel *channel, struct zrpc_error *err)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    ProtobufCMessage *res = NULL;
    int rc;

    req.message = (char *)"29e0f4f4-f0c6-4070-89d1-f538e3aad339";
    rc = zrpc_channel_call(channel, &zrpc_replication_methods[ZRPC_REPLICATION_PING], &req.base, &res, NULL,
                           NULL, err);
    if (rc == 0)
        protobuf_c_message_free_unpacked(res, NULL);
    return rc;
}

static int list(struct zrpc_channel *channel, struct zrpc_error *err)
{
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    ProtobufCMessage *res = NULL;
    int rc = zrpc_channel_call(channel, &zrpc_replication_methods[ZRPC_REPLICATION_LIST_FILESYSTEMS],
                               &req.base, &res, NULL, NULL, err);

    if (rc == 0)
        protobuf_c_message_free_unpacked(res, NULL);
    return rc;
}

static const struct method {
    const char *name, *where;
    int (*call)(struct zrpc_channel *channel, struct zrpc_error *err);
} methods[] = {
    {"Ping", "on the connection's thread", ping},
    {"ListFilesystems", "through the pool", list},
};

struct caller {
    pthread_t thread;
    const struct method *method;
    struct zrpc_channel *channel;
    zrpc_time until;
    unsigned long calls;
};

static void *call_until(void *arg)
{
    struct caller *c = arg;
    struct zrpc_error err;

    for (; zrpc_now() < c->until; c->calls++)
        if (c->method->call(c->channel, &err) < 0)
            fail("call", &err);
    return NULL;
}

static void measure_callers(struct zrpc_channel *channel, const struct method *method, size_t n,
                            double seconds, double tcp)
{
    static struct caller callers[CALLERS_MAX];
    zrpc_time start = zrpc_now();
    double cpu = cpu_seconds(), elapsed;
    unsigned long calls = 0;

    for (size_t i = 0; i < n; i++) {
        callers[i] = (struct caller){.method = method,
                                     .channel = channel,
                                     .until = start + (zrpc_time)(seconds * (double)ZRPC_SECOND)};
        if (pthread_create(&callers[i].thread, NULL, call_until, &callers[i]) != 0) {
            perror("callbenchmark: thread");
            exit(EXIT_LOCAL);
        }
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(callers[i].thread, NULL);
        calls += callers[i].calls;
    }
    elapsed = seconds_since(start);
    cpu = cpu_seconds() - cpu;
    printf("%4zu caller%s %9.0f calls/s  %7.1f us/call  %5.1f us of CPU/call", n,
           n == 1 ? ": " : "s:", (double)calls / elapsed, elapsed / (double)calls * 1e6,
           cpu / (double)calls * 1e6);
    if (n == 1)
        printf("  %.2f TCP round trips", elapsed / (double)calls / tcp);
    printf("\n");
}

static void measure_calls(size_t callers, double seconds, double tcp)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "bench"}};
    struct zrpc_listener *listener = NULL;
    struct zrpc_dialer *dialer = NULL;
    struct zrpc_channel *channel = NULL;
    struct zrpc_connector connector = {.connect = dial};
    struct zrpc_channel_options options = {0};
    struct zrpc_error err;
    pthread_t server;

    if (zrpc_tcp_listen("127.0.0.1:0", clients, 1, &listener, &err) < 0)
        fail("listen", &err);
    if (zrpc_dialer_parse(listener->ops->address(listener), 0, &dialer, &err) < 0)
        fail("dialer", &err);
    connector.ctx = dialer;
    if (pthread_create(&server, NULL, serve, listener) != 0)
        exit(EXIT_LOCAL);
    if (zrpc_channel_new(&connector, &options, &channel, &err) < 0 || ping(channel, &err) < 0)
        fail("channel", &err);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        printf("%s, %s:\n", methods[i].name, methods[i].where);
        measure_callers(channel, &methods[i], 1, seconds, tcp);
        measure_callers(channel, &methods[i], callers, seconds, tcp);
    }
    zrpc_channel_free(channel);
    pthread_join(server, NULL);
    dialer->ops->close(dialer);
    listener->ops->close(listener);
}

int main(int argc, char **argv)
{
    uint64_t seconds = 2, callers = 64;
    bool help = false;
    const struct cli_option options[] = {
        {"seconds", CLI_NUMBER, &seconds, "N", "how long each measurement takes (2)"},
        {"callers", CLI_NUMBER, &callers, "N", "threads calling at the same time (64)"},
        {"help", CLI_FLAG, &help, NULL, "show this"},
        {0},
    };
    struct cli_args args;
    struct zrpc_error err = {0};
    double tcp;
    int rc = cli_parse(options, argc, argv, &args, &err);

    if (rc == 0 && (args.n > 0 || seconds == 0 || callers == 0 || callers > CALLERS_MAX))
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "expected no arguments, seconds above 0 and 1 to %d callers",
                       CALLERS_MAX);
    if (rc < 0) {
        cli_complain("callbenchmark", NULL, err.text);
        return cli_exit_status(rc);
    }
    if (help) {
        printf(
            "usage: callbenchmark [OPTION...]\n\n"
            "Calls on a control connection in this process, beside what plain TCP gives.\n\n");
        cli_print_options(stdout, options);
        return cli_finish("callbenchmark", EXIT_DONE);
    }
    tcp = measure_tcp((double)seconds);
    printf("plain TCP:  %9.0f round trips/s  %.1f us each\n", 1 / tcp, tcp * 1e6);
    measure_calls(callers, (double)seconds, tcp);
    return cli_finish("callbenchmark", EXIT_DONE);
}
