/*
 * The timeouts that a deployment has, all at their defaults, with a real client and server on loopback: what
 * ends a connection, and what must not. Time passes faster here (testing/accelerated.h), so bounds are loose
 * upwards.
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "testing/accelerated.h"
#include "zrpc/client.h"
#include "zrpc/server.h"
#include "zrpc/transport.h"
#include "zrpc/versionhandshake.h"

#define PAUSE      (25 * ZRPC_SECOND) /* longer than any timeout of an idle or stuck connection */
#define HALF_BYTES (8u << 20)         /* more than pipes and sockets hold */

static void pass(zrpc_time duration)
{
    poll(NULL, 0, (int)(duration / ZRPC_MILLISECOND));
}

static bool took(zrpc_time begin, zrpc_time expected)
{
    zrpc_time t = zrpc_now() - begin;

    return t >= expected && t < expected + 20 * ZRPC_SECOND;
}

/* A thread that writes two halves of a stream into a pipe, or reads one, with a pause before each half. */
struct halves {
    pthread_t thread;
    int fd;
    zrpc_time pauses[2];
    size_t done;
};

static void *write_halves(void *arg)
{
    static const char zeros[1u << 16];
    struct halves *h = arg;

    for (int half = 0; half < 2; half++) {
        pass(h->pauses[half]);
        for (size_t n = 0; n < HALF_BYTES; n += sizeof zeros)
            if (write(h->fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros)
                h->done += sizeof zeros;
    }
    close(h->fd);
    return NULL;
}

static void *read_halves(void *arg)
{
    static char buf[1u << 16];
    struct halves *h = arg;
    ssize_t n;

    for (int half = 0; half < 2; half++) {
        pass(h->pauses[half]);
        while ((half == 1 || h->done < HALF_BYTES) && (n = read(h->fd, buf, sizeof buf)) > 0)
            h->done += (size_t)n;
    }
    close(h->fd);
    return NULL;
}

struct fixture {
    zrpc_time handler_pause;
    struct halves source, sink;
    struct zrpc_server *server;
    struct zrpc_dialer *dialer;
    struct zrpc_client *client;
    pthread_t thread;
};

static int handle_send(void *ctx, struct zrpc_call *call, const Zrpc__Pb__SendReq *req,
                       Zrpc__Pb__SendRes *res, struct zrpc_source *source, struct zrpc_error *err)
{
    struct fixture *f = ctx;
    int fds[2];

    (void)call;
    (void)req;
    (void)res;
    pass(f->handler_pause);
    if (pipe(fds) < 0)
        return zrpc_fail(err, ZRPC_ERR_SYSTEM, "pipe");
    f->source.fd = fds[1];
    CHECK_INT(pthread_create(&f->source.thread, NULL, write_halves, &f->source), 0);
    return zrpc_source_from_fd(fds[0], source, err);
}

static int handle_list(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ListFilesystemReq *req,
                       Zrpc__Pb__ListFilesystemRes *res, struct zrpc_error *err)
{
    struct fixture *f = ctx;

    (void)call;
    (void)req;
    (void)res;
    (void)err;
    pass(f->handler_pause);
    return 0;
}

static const struct zrpc_handler_ops handler_ops = {.list_filesystems = handle_list, .send = handle_send};

static void *serve(void *arg)
{
    CHECK_OK(zrpc_server_serve(((struct fixture *)arg)->server, NULL));
    return NULL;
}

static void start(struct fixture *f)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "test"}};
    struct zrpc_server_options server;
    struct zrpc_client_options client;
    struct zrpc_listener *l;

    CHECK_OK(zrpc_server_options_env(&server, NULL));
    server.handler = (struct zrpc_handler){.ops = &handler_ops, .ctx = f};
    CHECK_OK(zrpc_server_new(&server, &f->server, NULL));
    CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", clients, 1, &l, NULL));
    CHECK_OK(zrpc_tcp_dialer(l->ops->address(l) + strlen("tcp:"), 0, &f->dialer, NULL));
    CHECK_OK(zrpc_server_add_listener(f->server, l, NULL));
    CHECK_INT(pthread_create(&f->thread, NULL, serve, f), 0);
    CHECK_OK(zrpc_client_options_env(&client, NULL));
    CHECK_OK(zrpc_client_new(f->dialer, &client, &f->client, NULL));
}

static void stop(struct fixture *f)
{
    zrpc_client_close(f->client);
    zrpc_server_stop(f->server);
    pthread_join(f->thread, NULL);
    zrpc_server_close(f->server);
    f->dialer->ops->close(f->dialer);
}

/* Connects as a peer that goes on to say nothing. */
static struct zrpc_timeoutconn *dial(struct fixture *f)
{
    struct zrpc_timeoutconn *conn = NULL;
    struct zrpc_wire *wire;

    CHECK_OK(f->dialer->ops->dial(f->dialer, ZRPC_NEVER, NULL, &wire, NULL));
    CHECK_OK(zrpc_timeoutconn_new(wire, &conn, NULL));
    return conn;
}

/* Reads to the end of the connection; returns how many bytes came. */
static size_t drain(struct zrpc_timeoutconn *conn)
{
    uint8_t buf[256];
    size_t sum = 0;
    ssize_t n;

    while ((n = zrpc_timeoutconn_read(conn, buf, sizeof buf, NULL)) > 0)
        sum += (size_t)n;
    CHECK(n == 0 || n == ZRPC_ERR_RESET);
    return sum;
}

static void a_client_without_a_word_is_ended(void)
{
    struct fixture f = {0};
    struct zrpc_timeoutconn *conn;
    zrpc_time begin;

    start(&f);
    conn = dial(&f);
    begin = zrpc_now();
    drain(conn);
    CHECK(took(begin, 9 * ZRPC_SECOND));
    zrpc_timeoutconn_close(conn);
    stop(&f);
}

static void a_client_without_a_label_is_ended(void)
{
    struct fixture f = {0};
    struct zrpc_timeoutconn *conn;
    zrpc_time begin;

    start(&f);
    conn = dial(&f);
    begin = zrpc_now();
    CHECK_OK(zrpc_versionhandshake_run(conn, ZRPC_NEVER, NULL));
    drain(conn);
    CHECK(took(begin, 9 * ZRPC_SECOND));
    zrpc_timeoutconn_close(conn);
    stop(&f);
}

static void a_client_without_heartbeats_is_ended(void)
{
    struct fixture f = {0};
    struct zrpc_timeoutconn *conn;
    zrpc_time begin;

    start(&f);
    conn = dial(&f);
    CHECK_OK(zrpc_versionhandshake_run(conn, ZRPC_NEVER, NULL));
    CHECK_OK(zrpc_transportmux_write(conn, ZRPC_NEVER, ZRPC_DATA, NULL));
    begin = zrpc_now();
    CHECK(drain(conn) >= ZRPC_FRAME_HEADER_LEN); /* its heartbeat at 5 s */
    CHECK(took(begin, 9 * ZRPC_SECOND));
    zrpc_timeoutconn_close(conn);
    stop(&f);
}

static void a_server_without_heartbeats_is_given_up(void)
{
    static const struct zrpc_dataconn_options options = {0};
    struct zrpc_wire *pair[2];
    char *echo = NULL;
    zrpc_time begin = zrpc_now();

    CHECK_OK(zrpc_local_pair(pair, NULL));
    CHECK_CODE(zrpc_dataconn_ping(pair[0], &options, "hello", &echo, NULL), ZRPC_ERR_READ_TIMEOUT);
    CHECK(took(begin, 9 * ZRPC_SECOND));
    free(echo);
    zrpc_wire_close(pair[1]);
}

static int open_pipe(void *ctx, const Zrpc__Pb__SendRes *res, struct zrpc_sink *sink, struct zrpc_error *err)
{
    struct halves *h = ctx;
    int fds[2];

    (void)res;
    if (pipe(fds) < 0)
        return zrpc_fail(err, ZRPC_ERR_SYSTEM, "pipe");
    h->fd = fds[0];
    CHECK_INT(pthread_create(&h->thread, NULL, read_halves, h), 0);
    return zrpc_sink_from_fd(fds[1], sink, err);
}

/* A send in which somebody pauses; it must come through whole, however long that takes. */
static void send_through(struct fixture *f)
{
    static const struct zrpc_dataconn_options options = {0};
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__SendRes *res = NULL;
    struct zrpc_error err = {0};
    zrpc_time begin = zrpc_now();

    start(f);
    if (!CHECK_OK(zrpc_client_send(f->client, &options, &req, open_pipe, &f->sink, &res, &err)))
        CHECK_STR(err.text, "");
    CHECK(zrpc_now() - begin >= PAUSE);
    if (res != NULL)
        zrpc__pb__send_res__free_unpacked(res, NULL);
    pthread_join(f->source.thread, NULL);
    pthread_join(f->sink.thread, NULL);
    CHECK_INT(f->sink.done, 2 * HALF_BYTES);
    stop(f);
}

static void a_slow_handler_is_waited_for(void)
{
    send_through(&(struct fixture){.handler_pause = PAUSE});
}

static void a_source_may_pause(void)
{
    send_through(&(struct fixture){.source.pauses = {0, PAUSE}});
}

/* zrepl's issue 162 */
static void a_sink_may_pause(void)
{
    send_through(&(struct fixture){.sink.pauses = {0, PAUSE}});
}

static void an_idle_control_connection_stays(void)
{
    struct zrpc_call_options options = {.wait_for_ready = true};
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    Zrpc__Pb__ListFilesystemRes *res = NULL;
    struct fixture f = {0};
    struct zrpc_channel *channel;

    start(&f);
    channel = zrpc_client_channel(f.client);
    CHECK_OK(zrpc_client_ping_control(f.client, &options, "hello", NULL));
    CHECK_INT(zrpc_channel_wait(channel, ZRPC_CHANNEL_READY, zrpc_now() + 60 * ZRPC_SECOND),
              ZRPC_CHANNEL_READY);
    f.handler_pause = PAUSE;
    if (CHECK_OK(zrpc_client_list_filesystems(f.client, &options, &req, &res, NULL)))
        zrpc__pb__list_filesystem_res__free_unpacked(res, NULL);
    CHECK_INT(zrpc_channel_state(channel), ZRPC_CHANNEL_READY);
    stop(&f);
}

static const struct zrpc_test tests[] = {
    {"a client without a word is ended after 10 s", a_client_without_a_word_is_ended},
    {"a client without a label is ended after 10 s", a_client_without_a_label_is_ended},
    {"a client without heartbeats is ended after 10 s", a_client_without_heartbeats_is_ended},
    {"a server without heartbeats is given up after 10 s", a_server_without_heartbeats_is_given_up},
    {"a slow handler is waited for", a_slow_handler_is_waited_for},
    {"a source may pause", a_source_may_pause},
    {"a sink may pause", a_sink_may_pause},
    {"an idle control connection stays, and so does one with a slow call", an_idle_control_connection_stays},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main_accelerated("timeouts", tests, argc, argv);
}
