/* Connections that share a pool of handlers, each with a bare HTTP/2 client at the other end of a wire inside
 * the process. */
#include "zrpc/grpc_conn.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "testing/h2peer.h"
#include "testing/suite.h"
#include "zrpc/pb.h"
#include "zrpc/replication.h"
#include "zrpc/transport.h"

#define PATIENCE (60 * ZRPC_SECOND) /* for what has to happen */

/*
 * Handlers: ListFilesystemVersions of "wait" does so until it is told to go on, others return at once.
 */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned waiting, others;
    bool go_on;
} handlers = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int list_versions(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ListFilesystemVersionsReq *req,
                         Zrpc__Pb__ListFilesystemVersionsRes *res, struct zrpc_error *err)
{
    bool waits = strcmp(req->filesystem, "wait") == 0;

    (void)ctx;
    (void)call;
    (void)res;
    (void)err;
    pthread_mutex_lock(&handlers.lock);
    handlers.waiting += waits;
    handlers.others += !waits;
    pthread_cond_broadcast(&handlers.changed);
    while (waits && !handlers.go_on)
        pthread_cond_wait(&handlers.changed, &handlers.lock);
    handlers.waiting -= waits;
    pthread_mutex_unlock(&handlers.lock);
    return 0;
}

static const struct zrpc_handler_ops handler_ops = {.list_filesystem_versions = list_versions};
static const struct zrpc_handler handler = {.ops = &handler_ops};

static void let_go_on(bool go_on)
{
    pthread_mutex_lock(&handlers.lock);
    handlers.go_on = go_on;
    pthread_cond_broadcast(&handlers.changed);
    pthread_mutex_unlock(&handlers.lock);
}

static void await_waiting(unsigned n)
{
    pthread_mutex_lock(&handlers.lock);
    while (handlers.waiting < n)
        pthread_cond_wait(&handlers.changed, &handlers.lock);
    pthread_mutex_unlock(&handlers.lock);
}

static unsigned count(const unsigned *counter)
{
    unsigned n;

    pthread_mutex_lock(&handlers.lock);
    n = *counter;
    pthread_mutex_unlock(&handlers.lock);
    return n;
}

/*
 * Clients.
 */
struct client {
    struct zrpc_grpc_service service;
    struct zrpc_grpc_conn *conn;
    struct zrpc_wire *wire;
    struct h2peer peer;
    pthread_t thread;
};

static void *serve(void *arg)
{
    zrpc_grpc_conn_run(((struct client *)arg)->conn, NULL);
    return NULL;
}

static struct client *start_with(struct zrpc_grpc_conn_options options)
{
    struct client *c = calloc(1, sizeof *c);
    struct zrpc_wire *pair[2];

    c->service = zrpc_replication_service(&handler);
    options.server.services = &c->service;
    options.server.n_services = 1;
    CHECK_OK(zrpc_local_pair(pair, NULL));
    c->wire = pair[0];
    h2peer_init(&c->peer, false, false);
    CHECK_OK(zrpc_grpc_conn_new(pair[1], &options, &c->conn, NULL));
    CHECK_INT(pthread_create(&c->thread, NULL, serve, c), 0);
    return c;
}

static struct client *start(struct zrpc_workpool *pool, unsigned handlers_max)
{
    return start_with((struct zrpc_grpc_conn_options){.pool = pool, .server.handlers_max = handlers_max});
}

static void stop(struct client *c)
{
    zrpc_wire_close(c->wire);
    pthread_join(c->thread, NULL);
    zrpc_grpc_conn_free(c->conn);
    h2peer_dispose(&c->peer);
    free(c);
}

static void say(struct client *c)
{
    struct zrpc_view out = h2peer_output(&c->peer);
    struct iovec iov = {.iov_base = (uint8_t *)out.data, .iov_len = out.len};

    /* Little enough to be taken at once. */
    if (out.len > 0)
        CHECK_INT(zrpc_wire_writev(c->wire, &iov, 1, NULL), (long long)out.len);
    zrpc_buf_consume(&c->peer.output, out.len);
}

static void hear(struct client *c)
{
    struct pollfd fd = zrpc_wire_wait(c->wire, ZRPC_READ);
    uint8_t bytes[4096];
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof bytes};
    ssize_t n;

    if (fd.fd >= 0)
        poll(&fd, 1, zrpc_poll_timeout(zrpc_now(), zrpc_now() + PATIENCE));
    n = zrpc_wire_readv(c->wire, &iov, 1, NULL);
    if (n > 0)
        CHECK_INT(h2peer_feed(&c->peer, zrpc_view(bytes, (size_t)n)), n);
}

/* To be sent by say(). */
static int32_t prepare(struct client *c, enum zrpc_replication_method method, const ProtobufCMessage *req)
{
    const char *const headers[] = {":method",
                                   "POST",
                                   ":scheme",
                                   "http",
                                   ":path",
                                   zrpc_replication_methods[method].path,
                                   "content-type",
                                   "application/grpc",
                                   "te",
                                   "trailers",
                                   NULL};
    struct zrpc_buf body = {0};
    int32_t id;

    CHECK_OK(zrpc_grpc_put_message(req, SIZE_MAX, &body, NULL));
    id = h2peer_request(&c->peer, headers, zrpc_buf_view(&body), false);
    zrpc_buf_dispose(&body);
    return id;
}

static int32_t prepare_list(struct client *c, const char *filesystem)
{
    Zrpc__Pb__ListFilesystemVersionsReq req = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_REQ__INIT;

    req.filesystem = (char *)filesystem;
    return prepare(c, ZRPC_REPLICATION_LIST_FILESYSTEM_VERSIONS, &req.base);
}

static int32_t list(struct client *c, const char *filesystem)
{
    int32_t id = prepare_list(c, filesystem);

    say(c);
    return id;
}

static void await_ok(struct client *c, int32_t id)
{
    struct h2peer_stream *s = NULL;
    zrpc_time until = zrpc_now() + PATIENCE;

    while (((s = h2peer_stream(&c->peer, id)) == NULL || (!s->end_stream && !s->reset)) &&
           zrpc_now() < until) {
        hear(c);
        say(c);
    }
    CHECK_STR(s->trailers, "grpc-status: 0\n");
}

static int32_t send_ping(struct client *c)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    int32_t id;

    req.message = (char *)"hi";
    id = prepare(c, ZRPC_REPLICATION_PING, &req.base);
    say(c);
    return id;
}

/* A ping is answered by the connection's own loop: it has seen all that came before. */
static void ping(struct client *c)
{
    await_ok(c, send_ping(c));
}

static void a_client_has_its_share_of_the_handlers(void)
{
    struct zrpc_workpool *pool;
    struct client *greedy, *other;
    int32_t ids[6], id;

    CHECK_OK(zrpc_workpool_new(3, 100, &pool, NULL));
    greedy = start(pool, 2);
    other = start(pool, 2);
    for (int i = 0; i < 6; i++)
        ids[i] = list(greedy, "wait");
    await_waiting(2);
    ping(greedy); /* needs no handler of the pool */
    id = list(other, "any");
    await_ok(other, id);
    CHECK_INT(count(&handlers.waiting), 2);
    let_go_on(true);
    for (int i = 0; i < 6; i++)
        await_ok(greedy, ids[i]);
    stop(greedy);
    stop(other);
    zrpc_workpool_close(pool);
    let_go_on(false);
}

static void so_it_has_with_many_connections(void)
{
    struct zrpc_grpc_conn_options options = {.server.handlers_max = 4, .server.client_identity = "one"};
    struct client *greedy, *second, *third, *other;
    unsigned before = count(&handlers.others);
    int32_t ids[6], first, waits[2];

    CHECK_OK(zrpc_workpool_new(6, 100, &options.pool, NULL));
    CHECK_OK(zrpc_grpc_ledger_new(&options.server.ledger, NULL));
    greedy = start_with(options);
    second = start_with(options);
    third = start_with(options);
    options.server.client_identity = "other";
    other = start_with(options);
    for (int i = 0; i < 6; i++)
        ids[i] = list(greedy, "wait");
    await_waiting(3);
    first = list(second, "wait");
    await_waiting(4);
    for (int i = 0; i < 2; i++)
        waits[i] = list(third, "any");
    ping(third);
    await_ok(other, list(other, "any"));
    CHECK_INT(count(&handlers.others), before + 1);
    CHECK_INT(count(&handlers.waiting), 4);
    let_go_on(true);
    await_ok(second, first);
    for (int i = 0; i < 2; i++)
        await_ok(third, waits[i]);
    for (int i = 0; i < 6; i++)
        await_ok(greedy, ids[i]);
    stop(greedy);
    stop(second);
    stop(third);
    stop(other);
    zrpc_workpool_close(options.pool);
    zrpc_grpc_ledger_free(options.server.ledger);
    let_go_on(false);
}

/* They come in one read. The first time the pool has to start its threads, then they idle. */
static void handlers_that_block_hold_up_no_others(void)
{
    struct zrpc_workpool *pool;
    struct client *c;
    int32_t blocked[5], others[20];

    CHECK_OK(zrpc_workpool_new(6, 100, &pool, NULL));
    c = start(pool, 6);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20; i++) {
            if (i % 4 == 0)
                blocked[i / 4] = prepare_list(c, "wait");
            others[i] = prepare_list(c, "any");
        }
        say(c);
        for (int i = 0; i < 20; i++)
            await_ok(c, others[i]);
        await_waiting(5);
        let_go_on(true);
        for (int i = 0; i < 5; i++)
            await_ok(c, blocked[i]);
        let_go_on(false);
    }
    stop(c);
    zrpc_workpool_close(pool);
}

/* Both those that wait for a thread of the pool and those that wait for their client's turn. */
static void what_is_cancelled_before_its_turn_never_runs(void)
{
    struct zrpc_workpool *pool;
    struct client *c;
    unsigned before = count(&handlers.others);
    int32_t first, given_up[4];

    CHECK_OK(zrpc_workpool_new(1, 100, &pool, NULL));
    c = start(pool, 3);
    first = list(c, "wait");
    await_waiting(1);
    for (int i = 0; i < 4; i++)
        given_up[i] = list(c, "given up");
    ping(c);
    for (int i = 0; i < 4; i++)
        h2peer_reset(&c->peer, given_up[i], NGHTTP2_CANCEL);
    ping(c);
    let_go_on(true);
    await_ok(c, first);
    await_ok(c, list(c, "wanted"));
    CHECK_INT(count(&handlers.others), before + 1);
    stop(c);
    zrpc_workpool_close(pool);
    let_go_on(false);
}

/* Lets all but pings pass at once. */
static int hold_pings(void *ctx, struct zrpc_call *call, struct zrpc_error *err)
{
    Zrpc__Pb__ListFilesystemVersionsReq wait = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_REQ__INIT;

    wait.filesystem = (char *)"wait";
    if (strcmp(call->method, zrpc_replication_methods[ZRPC_REPLICATION_PING].path) != 0)
        return 0;
    return list_versions(ctx, call, &wait, NULL, err);
}

static void an_interceptor_may_block_whatever_the_method(void)
{
    struct zrpc_workpool *pool;
    struct client *c;
    int32_t held;

    CHECK_OK(zrpc_workpool_new(3, 100, &pool, NULL));
    c = start_with((struct zrpc_grpc_conn_options){.pool = pool, .intercept = hold_pings});
    held = send_ping(c);
    await_waiting(1);
    await_ok(c, list(c, "any"));
    CHECK_INT(count(&handlers.waiting), 1);
    let_go_on(true);
    await_ok(c, held);
    stop(c);
    zrpc_workpool_close(pool);
    let_go_on(false);
}

static const struct zrpc_test tests[] = {
    {"a client has its share of the handlers", a_client_has_its_share_of_the_handlers},
    {"so it has with many connections", so_it_has_with_many_connections},
    {"handlers that block hold up no others", handlers_that_block_hold_up_no_others},
    {"what is cancelled before its turn never runs", what_is_cancelled_before_its_turn_never_runs},
    {"an interceptor may block, whatever the method", an_interceptor_may_block_whatever_the_method},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("grpc_conn", tests, argc, argv);
}
