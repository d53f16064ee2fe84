/* The rpc server over loopback: who is served, who is not, and how it ends. */
#include "zrpc/server.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "testing/suite.h"
#include "zrpc/client.h"
#include "zrpc/connect.h"
#include "zrpc/dataconn.h"
#include "zrpc/transport.h"
#include "zrpc/versionhandshake.h"

#define LONG (3600 * ZRPC_SECOND) /* a timeout that must not be what ends a test */

static const struct zrpc_connect_options patient = {LONG, LONG};
static const struct zrpc_dataconn_options data_options = {0};

/* The handler: a send without end, that notes when it is over, and a list that takes its time. */
struct streams {
    atomic_int open, closed;
    atomic_int lists, most_lists; /* at work at the same time */
};

static ssize_t zeros(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    (void)ctx;
    (void)err;
    memset(buf, 0, len);
    return (ssize_t)len;
}

static void streams_close(void *ctx)
{
    atomic_fetch_add(&((struct streams *)ctx)->closed, 1);
}

static const struct zrpc_source_ops zero_ops = {.read = zeros, .close = streams_close};

static int handle_send(void *ctx, struct zrpc_call *call, const Zrpc__Pb__SendReq *req,
                       Zrpc__Pb__SendRes *res, struct zrpc_source *source, struct zrpc_error *err)
{
    (void)call;
    (void)req;
    (void)res;
    (void)err;
    atomic_fetch_add(&((struct streams *)ctx)->open, 1);
    *source = (struct zrpc_source){.ops = &zero_ops, .ctx = ctx};
    return 0;
}

static int handle_list(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ListFilesystemReq *req,
                       Zrpc__Pb__ListFilesystemRes *res, struct zrpc_error *err)
{
    struct streams *s = ctx;
    int now = atomic_fetch_add(&s->lists, 1) + 1, most = atomic_load(&s->most_lists);

    (void)call;
    (void)req;
    (void)res;
    (void)err;
    while (now > most && !atomic_compare_exchange_weak(&s->most_lists, &most, now))
        continue;
    usleep(20000); /* for others to come, if they may */
    atomic_fetch_sub(&s->lists, 1);
    return 0;
}

static const struct zrpc_handler_ops handler_ops = {.send = handle_send, .list_filesystems = handle_list};

struct fixture {
    struct streams streams;
    struct zrpc_server_options options;
    struct zrpc_server *server;
    struct zrpc_dialer *dialer;
    pthread_t thread;
    int rc;
};

static void *serve(void *arg)
{
    struct fixture *f = arg;

    f->rc = zrpc_server_serve(f->server, NULL);
    return NULL;
}

static void prepare(struct fixture *f)
{
    *f = (struct fixture){0};
    f->options = (struct zrpc_server_options){
        .handler = {.ops = &handler_ops, .ctx = &f->streams},
        .handshake_timeout = LONG,
        .label_timeout = LONG,
        .grace = LONG,
    };
}

static void start(struct fixture *f)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "test"}};
    struct zrpc_listener *l;

    CHECK_OK(zrpc_server_new(&f->options, &f->server, NULL));
    CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", clients, 1, &l, NULL));
    CHECK_OK(zrpc_tcp_dialer(l->ops->address(l) + strlen("tcp:"), LONG, &f->dialer, NULL));
    CHECK_OK(zrpc_server_add_listener(f->server, l, NULL));
    CHECK_INT(pthread_create(&f->thread, NULL, serve, f), 0);
}

static void join(struct fixture *f)
{
    pthread_join(f->thread, NULL);
    CHECK_OK(f->rc);
    zrpc_server_close(f->server);
    f->dialer->ops->close(f->dialer);
}

static void stop(struct fixture *f)
{
    zrpc_server_stop(f->server);
    join(f);
}

static struct zrpc_timeoutconn *dial(struct fixture *f)
{
    struct zrpc_timeoutconn *conn = NULL;
    struct zrpc_wire *wire;

    CHECK_OK(f->dialer->ops->dial(f->dialer, ZRPC_NEVER, NULL, &wire, NULL));
    CHECK_OK(zrpc_timeoutconn_new(wire, &conn, NULL));
    return conn;
}

static int ping(struct fixture *f)
{
    struct zrpc_wire *wire;
    char *echo = NULL;
    int rc = zrpc_connect(f->dialer, ZRPC_DATA, &patient, ZRPC_NEVER, NULL, &wire, NULL);

    if (rc == 0)
        rc = zrpc_dataconn_ping(wire, &data_options, "hello", &echo, NULL);
    free(echo);
    return rc;
}

/* The server has closed the connection, one way or the other; what it said before is of no interest. */
static bool is_closed(struct zrpc_timeoutconn *conn)
{
    uint8_t buf[256];
    ssize_t n;

    while ((n = zrpc_timeoutconn_read(conn, buf, sizeof buf, NULL)) > 0)
        continue;
    return n == 0 || n == ZRPC_ERR_RESET;
}

static void stalled_clients_delay_nobody(void)
{
    enum { STALLED = 300 };
    struct zrpc_timeoutconn *stalled[STALLED];
    struct fixture f;

    prepare(&f);
    start(&f);
    for (int i = 0; i < STALLED; i++) {
        stalled[i] = dial(&f);
        if (i % 3 == 1) /* these stall in the handshake's middle, every third behind it */
            CHECK_OK(zrpc_timeoutconn_write(stalled[i], "00000", 5, NULL, NULL));
        if (i % 3 == 2)
            CHECK_OK(zrpc_versionhandshake_run(stalled[i], ZRPC_NEVER, NULL));
    }
    CHECK_OK(ping(&f));
    for (int i = 0; i < STALLED; i++)
        zrpc_timeoutconn_close(stalled[i]);
    CHECK_OK(ping(&f));
    stop(&f);
}

static void a_stalled_handshake_is_ended_at_its_deadline(void)
{
    struct zrpc_timeoutconn *conn;
    struct fixture f;

    prepare(&f);
    f.options.handshake_timeout = 50 * ZRPC_MILLISECOND;
    start(&f);
    conn = dial(&f);
    CHECK_OK(zrpc_timeoutconn_write(conn, "0000000056 ZREPL", 16, NULL, NULL));
    CHECK(is_closed(conn));
    zrpc_timeoutconn_close(conn);
    stop(&f);
}

static void a_stalled_label_is_ended_at_its_deadline(void)
{
    struct zrpc_timeoutconn *conn;
    struct fixture f;

    prepare(&f);
    f.options.label_timeout = 50 * ZRPC_MILLISECOND;
    start(&f);
    conn = dial(&f);
    CHECK_OK(zrpc_versionhandshake_run(conn, ZRPC_NEVER, NULL));
    CHECK_OK(zrpc_timeoutconn_write(conn, "zrepl_", 6, NULL, NULL));
    CHECK(is_closed(conn));
    zrpc_timeoutconn_close(conn);
    stop(&f);
}

static void an_unknown_label_is_closed(void)
{
    uint8_t label[ZRPC_LABEL_LEN] = "zrepl_date";
    struct zrpc_timeoutconn *conn;
    struct fixture f;

    prepare(&f);
    start(&f);
    conn = dial(&f);
    CHECK_OK(zrpc_versionhandshake_run(conn, ZRPC_NEVER, NULL));
    CHECK_OK(zrpc_timeoutconn_write(conn, label, sizeof label, NULL, NULL));
    CHECK(is_closed(conn));
    zrpc_timeoutconn_close(conn);
    stop(&f);
}

static void note_failure(void *ctx, enum zrpc_log_level level, const char *line)
{
    (void)level;
    if (strstr(line, "connection failed") != NULL)
        atomic_fetch_add((atomic_int *)ctx, 1);
}

static void a_failed_control_connection_is_in_the_log_of_control(void)
{
    static const char garbage[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    atomic_int failures[2] = {0};
    struct zrpc_log logs[2];
    struct zrpc_timeoutconn *conn;
    struct zrpc_wire *wire;
    struct fixture f;

    for (int i = 0; i < 2; i++)
        logs[i] = (struct zrpc_log){.sink = note_failure, .ctx = &failures[i], .level = ZRPC_LOG_DEBUG};
    prepare(&f);
    f.options.log = &logs[0];
    f.options.log_control = &logs[1];
    start(&f);
    CHECK_OK(zrpc_connect(f.dialer, ZRPC_CONTROL, &patient, ZRPC_NEVER, NULL, &wire, NULL));
    CHECK_OK(zrpc_timeoutconn_new(wire, &conn, NULL));
    CHECK_OK(zrpc_timeoutconn_write(conn, garbage, sizeof garbage - 1, NULL, NULL));
    CHECK(is_closed(conn));
    zrpc_timeoutconn_close(conn);
    stop(&f);
    CHECK_INT(failures[0], 0);
    CHECK_INT(failures[1], 1);
}

static void connections_above_the_limit_are_closed(void)
{
    struct zrpc_timeoutconn *first, *second;
    struct fixture f;

    prepare(&f);
    f.options.max_connections = 1;
    start(&f);
    first = dial(&f);
    CHECK_OK(zrpc_versionhandshake_run(first, ZRPC_NEVER, NULL));
    second = dial(&f);
    CHECK(is_closed(second));
    zrpc_timeoutconn_close(second);
    zrpc_timeoutconn_close(first);
    stop(&f);
}

static void *list_once(void *arg)
{
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    Zrpc__Pb__ListFilesystemRes *res = NULL;

    CHECK_OK(zrpc_client_list_filesystems(arg, NULL, &req, &res, NULL));
    if (res != NULL)
        zrpc__pb__list_filesystem_res__free_unpacked(res, NULL);
    return NULL;
}

static void connections_of_a_client_share_its_handlers(void)
{
    enum { CLIENTS = 6 };
    const struct zrpc_client_options options = {.connect = patient};
    struct zrpc_client *clients[CLIENTS];
    pthread_t threads[CLIENTS];
    struct fixture f;

    prepare(&f);
    f.options.client_threads = 2;
    start(&f);
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_OK(zrpc_client_new(f.dialer, &options, &clients[i], NULL));
        CHECK_INT(pthread_create(&threads[i], NULL, list_once, clients[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        zrpc_client_close(clients[i]);
    }
    CHECK(atomic_load(&f.streams.most_lists) <= 2);
    stop(&f);
}

/* A client in the middle of a stream that has no end: it goes on until `bytes` have come. */
struct client {
    struct fixture *f;
    uint64_t bytes, got;
    atomic_bool streaming;
    pthread_t thread;
    int rc;
};

static ssize_t discard(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    struct client *c = ctx;

    (void)buf;
    c->got += len;
    atomic_store(&c->streaming, true);
    return c->got < c->bytes ? (ssize_t)len : zrpc_fail(err, ZRPC_ERR_SINK, "enough");
}

static int discard_finish(void *ctx, struct zrpc_error *err)
{
    (void)ctx;
    (void)err;
    return 0;
}

static void discard_close(void *ctx)
{
    (void)ctx;
}

static const struct zrpc_sink_ops discard_ops = {
    .write = discard, .finish = discard_finish, .close = discard_close};

static int discard_open(void *ctx, const Zrpc__Pb__SendRes *res, struct zrpc_sink *sink,
                        struct zrpc_error *err)
{
    (void)res;
    (void)err;
    *sink = (struct zrpc_sink){.ops = &discard_ops, .ctx = ctx};
    return 0;
}

static void *stream(void *arg)
{
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;
    struct client *c = arg;
    Zrpc__Pb__SendRes *res = NULL;
    struct zrpc_wire *wire;

    c->rc = zrpc_connect(c->f->dialer, ZRPC_DATA, &patient, ZRPC_NEVER, NULL, &wire, NULL);
    if (c->rc == 0)
        c->rc = zrpc_dataconn_send(wire, &data_options, &req, discard_open, c, &res, NULL);
    if (res != NULL)
        zrpc__pb__send_res__free_unpacked(res, NULL);
    return NULL;
}

static void start_stream(struct client *c, struct fixture *f, uint64_t bytes)
{
    *c = (struct client){.f = f, .bytes = bytes};
    pthread_create(&c->thread, NULL, stream, c);
    while (!atomic_load(&c->streaming))
        usleep(1000);
}

static void a_stopping_server_lets_requests_end(void)
{
    struct zrpc_timeoutconn *idle;
    struct client client;
    struct fixture f;

    prepare(&f);
    start(&f);
    idle = dial(&f);
    start_stream(&client, &f, UINT64_C(400) << 20);
    zrpc_server_stop(f.server);
    CHECK(is_closed(idle)); /* it had not said what it wants */
    CHECK_CODE(ping(&f), ZRPC_ERR_DIAL);
    pthread_join(client.thread, NULL);
    CHECK_CODE(client.rc, ZRPC_ERR_SINK); /* it had all it wanted */
    CHECK(client.got >= client.bytes);
    zrpc_timeoutconn_close(idle);
    join(&f);
    CHECK_INT(atomic_load(&f.streams.closed), 1);
}

static void the_second_stop_cancels_requests(void)
{
    struct client client;
    struct fixture f;

    prepare(&f);
    start(&f);
    start_stream(&client, &f, UINT64_MAX);
    zrpc_server_stop(f.server);
    usleep(20000);
    zrpc_server_stop(f.server);
    pthread_join(client.thread, NULL);
    CHECK(client.rc < 0);
    join(&f);
    CHECK_INT(atomic_load(&f.streams.closed), 1);
}

static void a_grace_period_ends(void)
{
    struct client client;
    struct fixture f;

    prepare(&f);
    f.options.grace = 50 * ZRPC_MILLISECOND;
    start(&f);
    start_stream(&client, &f, UINT64_MAX);
    zrpc_server_stop(f.server);
    pthread_join(client.thread, NULL);
    CHECK(client.rc < 0);
    join(&f);
}

/* A data connection that has said `words` of its request. The server's first heartbeat says that it has begun
 * to wait for one. */
static struct zrpc_timeoutconn *begin_request(struct fixture *f, const char *words, size_t len)
{
    struct zrpc_timeoutconn *conn = NULL;
    struct zrpc_wire *wire;
    uint8_t heartbeat[8];

    CHECK_OK(zrpc_connect(f->dialer, ZRPC_DATA, &patient, ZRPC_NEVER, NULL, &wire, NULL));
    CHECK_OK(zrpc_timeoutconn_new(wire, &conn, NULL));
    CHECK_OK(zrpc_timeoutconn_write(conn, words, len, NULL, NULL));
    CHECK_OK(zrpc_timeoutconn_read_full(conn, heartbeat, sizeof heartbeat, NULL, NULL));
    return conn;
}

static void a_stop_refuses_requests_that_have_not_come(void)
{
    static const char half[] = "\0\0\0\1\0\0\0\10/v1/";
    struct zrpc_timeoutconn *conns[2];
    struct fixture f;

    prepare(&f);
    f.options.heartbeat = (struct zrpc_heartbeat_config){.interval = ZRPC_SECOND / 20, .timeout = LONG};
    start(&f);
    conns[0] = begin_request(&f, "", 0);
    conns[1] = begin_request(&f, half, sizeof half - 1);
    zrpc_server_stop(f.server);
    for (int i = 0; i < 2; i++) {
        char said[4096] = "";
        size_t n;

        CHECK_CODE(zrpc_timeoutconn_read_full(conns[i], said, sizeof said, &n, NULL), ZRPC_ERR_END);
        CHECK(memmem(said, n, "HANDLER ERROR:\nthe server is stopping", 37) != NULL);
        zrpc_timeoutconn_close(conns[i]);
    }
    join(&f); /* hours before the end of the grace period */
}

static int no_entry(void *ctx, struct zrpc_call *call, struct zrpc_error *err)
{
    CHECK_STR(call->client_identity, "test");
    CHECK_STR(call->method, "/v1/ping");
    atomic_fetch_add((atomic_int *)ctx, 1);
    return zrpc_fail(err, ZRPC_ERR_REFUSED_IDENTITY, "not today");
}

static void an_interceptor_can_refuse(void)
{
    struct zrpc_wire *wire;
    struct zrpc_error err;
    atomic_int asked = 0;
    char *echo = NULL;
    struct fixture f;

    prepare(&f);
    f.options.intercept = no_entry;
    f.options.intercept_ctx = &asked;
    start(&f);
    CHECK_OK(zrpc_connect(f.dialer, ZRPC_DATA, &patient, ZRPC_NEVER, NULL, &wire, NULL));
    CHECK_CODE(zrpc_dataconn_ping(wire, &data_options, "hello", &echo, &err), ZRPC_ERR_HANDLER);
    CHECK_STR(err.text, "not today");
    stop(&f);
    CHECK_INT(atomic_load(&asked), 1);
}

static const struct zrpc_test tests[] = {
    {"stalled clients delay nobody", stalled_clients_delay_nobody},
    {"a stalled handshake is ended at its deadline", a_stalled_handshake_is_ended_at_its_deadline},
    {"a stalled label is ended at its deadline", a_stalled_label_is_ended_at_its_deadline},
    {"an unknown label is closed", an_unknown_label_is_closed},
    {"a failed control connection is in the log of control",
     a_failed_control_connection_is_in_the_log_of_control},
    {"connections above the limit are closed", connections_above_the_limit_are_closed},
    {"connections of a client share its handlers", connections_of_a_client_share_its_handlers},
    {"a stopping server lets requests end", a_stopping_server_lets_requests_end},
    {"the second stop cancels requests", the_second_stop_cancels_requests},
    {"a grace period ends", a_grace_period_ends},
    {"a stop refuses requests that have not come", a_stop_refuses_requests_that_have_not_come},
    {"an interceptor can refuse", an_interceptor_can_refuse},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("server", tests, argc, argv);
}
