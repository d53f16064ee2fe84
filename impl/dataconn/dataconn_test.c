/* Requests over real wires: the pump between client and server, and against peers that misbehave. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testing/suite.h"
#include "zrpc/dataconn.h"
#include "zrpc/pb.h"
#include "zrpc/transport.h"

/*
 * Content: byte i of every stream is a function of i, so that a sink can check it without keeping it.
 */
static uint8_t content(uint64_t i)
{
    return (uint8_t)(i * 131 + (i >> 8) * 31 + (i >> 16));
}

struct end {          /* a source or a sink, and what became of it */
    uint64_t size;    /* bytes there are to give */
    uint64_t fail_at; /* position at which it fails; UINT64_MAX: never */
    uint64_t moved;
    bool wrong; /* a byte was not what it should have been */
    int finished, closed;
};

static ssize_t end_read(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    struct end *e = ctx;
    uint64_t until = e->size < e->fail_at ? e->size : e->fail_at;
    size_t n = until - e->moved < len ? (size_t)(until - e->moved) : len;

    if (n == 0 && e->moved == e->fail_at)
        return zrpc_fail(err, ZRPC_ERR_SOURCE, "source failed at %llu ✗", (unsigned long long)e->moved);
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)buf)[i] = content(e->moved + i);
    e->moved += n;
    return (ssize_t)n;
}

static ssize_t end_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    struct end *e = ctx;

    if (e->moved >= e->fail_at)
        return zrpc_fail(err, ZRPC_ERR_SINK, "sink failed at %llu ✗", (unsigned long long)e->moved);
    for (size_t i = 0; i < len; i++)
        e->wrong |= ((const uint8_t *)buf)[i] != content(e->moved + i);
    e->moved += len;
    return (ssize_t)len;
}

static int end_finish(void *ctx, struct zrpc_error *err)
{
    (void)err;
    ((struct end *)ctx)->finished++;
    return 0;
}

static void end_close(void *ctx)
{
    ((struct end *)ctx)->closed++;
}

static const struct zrpc_source_ops source_ops = {.read = end_read, .close = end_close};
static const struct zrpc_sink_ops sink_ops = {.write = end_write, .finish = end_finish, .close = end_close};

/*
 * The served side: a handler on a thread.
 */
struct service {
    struct end end;
    zrpc_time delay;     /* the handler takes that long */
    const char *refusal; /* NULL: it does not refuse */
    bool waits;          /* until it is cancelled, or told to go on */
    atomic_bool waiting, go_on;
    int pipe_fd; /* >= 0: the stream's other end, instead of `end` */
    struct zrpc_dataconn_options options;
    struct zrpc_call call;
    struct zrpc_wire *wire;
    pthread_t thread;
    int rc;
    struct zrpc_error err;
};

/* A handler that works until it is cancelled. */
static int wait_for_cancellation(struct service *s, struct zrpc_error *err)
{
    zrpc_time until = zrpc_now() + 30 * ZRPC_SECOND;

    atomic_store(&s->waiting, true);
    while (!atomic_load(&s->call.cancelled) && !atomic_load(&s->go_on) && zrpc_now() < until)
        usleep(1000);
    if (!atomic_load(&s->call.cancelled))
        return 0;
    return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled");
}

static int prepare(struct service *s, struct zrpc_error *err)
{
    if (s->waits)
        return wait_for_cancellation(s, err);
    if (s->delay > 0)
        usleep((useconds_t)(s->delay / 1000));
    return s->refusal == NULL ? 0 : zrpc_fail(err, ZRPC_ERR_USAGE, "%s", s->refusal);
}

static int handle_send(void *ctx, struct zrpc_call *call, const Zrpc__Pb__SendReq *req,
                       Zrpc__Pb__SendRes *res, struct zrpc_source *source, struct zrpc_error *err)
{
    struct service *s = ctx;
    int rc = prepare(s, err);

    (void)call;
    (void)req;
    res->expectedsize = (int64_t)s->end.size;
    if (rc == 0 && s->pipe_fd >= 0)
        return zrpc_source_from_fd(s->pipe_fd, source, err);
    if (rc == 0)
        *source = (struct zrpc_source){.ops = &source_ops, .ctx = &s->end};
    return rc;
}

static int handle_receive(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReceiveReq *req,
                          struct zrpc_sink *sink, struct zrpc_error *err)
{
    struct service *s = ctx;
    int rc = prepare(s, err);

    (void)call;
    (void)req;
    if (rc == 0 && s->pipe_fd >= 0)
        return zrpc_sink_from_fd(s->pipe_fd, sink, err);
    if (rc == 0)
        *sink = (struct zrpc_sink){.ops = &sink_ops, .ctx = &s->end};
    return rc;
}

static const struct zrpc_handler_ops handler_ops = {.send = handle_send, .receive = handle_receive};

static void *serve(void *arg)
{
    struct service *s = arg;
    const struct zrpc_handler handler = {.ops = &handler_ops, .ctx = s};
    struct zrpc_workpool *pool;

    if (zrpc_workpool_new(2, 4, &pool, NULL) == 0) {
        const struct zrpc_dataconn_service service = {.handler = &handler, .pools = {pool, pool}};

        s->rc = zrpc_dataconn_serve(s->wire, &s->options, &service, &s->call, &s->err);
        zrpc_workpool_close(pool);
    }
    return NULL;
}

static void service_init(struct service *s, uint64_t size)
{
    *s = (struct service){
        .end = {.size = size, .fail_at = UINT64_MAX},
        .pipe_fd = -1,
        .call = {.client_identity = "test", .peer = "test", .deadline = ZRPC_NEVER},
        .rc = 1,
    };
}

static void service_start(struct service *s, struct zrpc_wire *wire)
{
    s->wire = wire;
    CHECK_INT(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void service_join(struct service *s)
{
    pthread_join(s->thread, NULL);
}

static void tcp_pair(struct zrpc_wire *out[2])
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "test"}};
    struct zrpc_accepted accepted;
    struct zrpc_listener *l;
    struct zrpc_dialer *d;
    int rc;

    CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", clients, 1, &l, NULL));
    CHECK_OK(zrpc_tcp_dialer(l->ops->address(l) + strlen("tcp:"), ZRPC_SECOND, &d, NULL));
    CHECK_OK(d->ops->dial(d, ZRPC_NEVER, NULL, &out[0], NULL));
    while ((rc = l->ops->accept(l, &accepted, NULL)) == ZRPC_ERR_AGAIN)
        poll(&(struct pollfd){.fd = l->ops->fd(l), .events = POLLIN}, 1, 1000);
    CHECK_OK(rc);
    out[1] = accepted.wire;
    d->ops->close(d);
    l->ops->close(l);
}

/*
 * The calling side
 */
static const struct zrpc_dataconn_options defaults = {0};

static int open_sink(void *ctx, const Zrpc__Pb__SendRes *res, struct zrpc_sink *sink, struct zrpc_error *err)
{
    (void)res;
    (void)err;
    *sink = (struct zrpc_sink){.ops = &sink_ops, .ctx = ctx};
    return 0;
}

static int open_fd_sink(void *ctx, const Zrpc__Pb__SendRes *res, struct zrpc_sink *sink,
                        struct zrpc_error *err)
{
    (void)res;
    return zrpc_sink_from_fd(*(int *)ctx, sink, err);
}

static int call_send(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options,
                     zrpc_dataconn_open_sink *open, void *ctx, struct zrpc_error *err)
{
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__SendRes *res;
    int rc = zrpc_dataconn_send(wire, options, &req, open, ctx, &res, err);

    if (res != NULL)
        zrpc__pb__send_res__free_unpacked(res, NULL);
    return rc;
}

static int call_recv(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options, struct end *end,
                     struct zrpc_error *err)
{
    Zrpc__Pb__ReceiveReq req = ZRPC__PB__RECEIVE_REQ__INIT;
    struct zrpc_source source = {.ops = &source_ops, .ctx = end};

    return zrpc_dataconn_recv(wire, options, &req, &source, err);
}

static void pings_are_echoed(void)
{
    struct zrpc_wire *wires[2];
    struct service s;
    char *echo = NULL;

    service_init(&s, 0);
    CHECK_OK(zrpc_local_pair(wires, NULL));
    service_start(&s, wires[1]);
    CHECK_OK(zrpc_dataconn_ping(wires[0], &defaults, "ünïcödé ✓", &echo, NULL));
    CHECK_STR(echo, "ünïcödé ✓");
    service_join(&s);
    CHECK_OK(s.rc);
    free(echo);
}

static const uint64_t sizes[] = {
    0,      1,      2,      3,      4,      5,       7,       524285,  524286,
    524287, 524288, 524289, 524290, 524291, 1048575, 1048576, 1048577, 3000000,
};

static void streams_of_any_size_are_sent(void)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct end sink = {.fail_at = UINT64_MAX};
        struct zrpc_wire *wires[2];
        struct service s;

        service_init(&s, sizes[i]);
        CHECK_OK(zrpc_local_pair(wires, NULL));
        service_start(&s, wires[1]);
        CHECK_OK(call_send(wires[0], &defaults, open_sink, &sink, NULL));
        service_join(&s);
        CHECK_OK(s.rc);
        CHECK_INT(sink.moved, sizes[i]);
        CHECK(!sink.wrong);
        CHECK_INT(sink.finished, 1);
        CHECK_INT(sink.closed, 1);
        CHECK_INT(s.end.closed, 1);
    }
}

static void streams_of_any_size_are_received(void)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct end source = {.size = sizes[i], .fail_at = UINT64_MAX};
        struct zrpc_wire *wires[2];
        struct service s;

        service_init(&s, 0);
        CHECK_OK(zrpc_local_pair(wires, NULL));
        service_start(&s, wires[1]);
        CHECK_OK(call_recv(wires[0], &defaults, &source, NULL));
        service_join(&s);
        CHECK_OK(s.rc);
        CHECK_INT(s.end.moved, sizes[i]);
        CHECK(!s.end.wrong);
        CHECK_INT(s.end.finished, 1);
        CHECK_INT(s.end.closed, 1);
        CHECK_INT(source.closed, 1);
    }
}

/* A process at a pipe's end, as zfs would be: writes or checks content in pieces of odd sizes. */
struct process {
    int fd;
    uint64_t size;
    struct end end;
    pthread_t thread;
};

static void *run_writer(void *arg)
{
    struct process *p = arg;
    uint8_t buf[70001];

    p->end = (struct end){.size = p->size, .fail_at = UINT64_MAX};
    for (size_t piece = 1;; piece = piece * 7 % sizeof buf + 1) {
        ssize_t n = end_read(&p->end, buf, piece, NULL), w;

        if (n == 0)
            break;
        for (ssize_t done = 0; done < n; done += w)
            if ((w = write(p->fd, buf + done, (size_t)(n - done))) < 0)
                return NULL;
    }
    close(p->fd);
    return NULL;
}

static void *run_reader(void *arg)
{
    struct process *p = arg;
    uint8_t buf[70001];
    ssize_t n;

    p->end = (struct end){.fail_at = UINT64_MAX};
    while ((n = read(p->fd, buf, sizeof buf)) > 0)
        end_write(&p->end, buf, (size_t)n, NULL);
    close(p->fd);
    return NULL;
}

/* From a pipe through tcp into a pipe: payload goes by splice on both sides. */
static void pipe_to_pipe(uint64_t size)
{
    struct process writer = {.size = size}, reader = {0};
    struct zrpc_wire *wires[2];
    int from[2], to[2];
    struct service s;

    CHECK_INT(pipe2(from, O_CLOEXEC), 0);
    CHECK_INT(pipe2(to, O_CLOEXEC), 0);
    writer.fd = from[1];
    reader.fd = to[0];
    service_init(&s, size);
    s.pipe_fd = from[0];
    tcp_pair(wires);
    pthread_create(&writer.thread, NULL, run_writer, &writer);
    pthread_create(&reader.thread, NULL, run_reader, &reader);
    service_start(&s, wires[1]);
    CHECK_OK(call_send(wires[0], &defaults, open_fd_sink, &to[1], NULL));
    service_join(&s);
    pthread_join(writer.thread, NULL);
    pthread_join(reader.thread, NULL);
    CHECK_OK(s.rc);
    CHECK_INT(reader.end.moved, size);
    CHECK(!reader.end.wrong);
}

static void streams_go_from_pipe_to_pipe(void)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        pipe_to_pipe(sizes[i]);
}

/* What the peer sees of a stream: no frame with a payload of one byte, which kills real zrepl. */
static void *read_raw_recv(void *arg)
{
    struct zrpc_wire *wire = arg;
    struct zrpc_dataconn_server machine;
    static uint8_t buf[1 << 16];
    uint64_t ones = 0;
    ssize_t n;

    zrpc_dataconn_server_init(&machine, NULL, zrpc_now());
    while ((n = zrpc_wire_readv(wire, &(struct iovec){buf, sizeof buf}, 1, NULL)) != 0 &&
           machine.x.hc.conn.state == ZRPC_CONN_OPEN) {
        struct zrpc_view in = zrpc_view(buf, n > 0 ? (size_t)n : 0), ignored;

        if (n == ZRPC_ERR_AGAIN) {
            struct pollfd fd = zrpc_wire_wait(wire, ZRPC_READ);

            poll(&fd, 1, 5000);
            continue;
        }
        while (in.len > 0) {
            int rc = zrpc_dataconn_server_input(&machine, 0, &in, &ignored, NULL);

            if (rc == ZRPC_EXCHANGE_CONTENT)
                ones += machine.x.hc.conn.reader.frame.length == 1;
            else if (rc == ZRPC_EXCHANGE_PHASE && machine.phase == ZRPC_PHASE_HANDLER)
                zrpc_dataconn_server_receive(&machine);
            else if (rc != ZRPC_EXCHANGE_MORE)
                goto out;
        }
    }
out:
    CHECK_INT(machine.phase, ZRPC_PHASE_FINISH);
    zrpc_dataconn_server_dispose(&machine);
    zrpc_wire_close(wire);
    return (void *)(uintptr_t)ones;
}

static void no_frame_carries_a_single_byte(void)
{
    for (size_t i = 2; i < sizeof sizes / sizeof *sizes; i++) {
        struct end source = {.size = sizes[i], .fail_at = UINT64_MAX};
        struct zrpc_wire *wires[2];
        pthread_t raw;
        void *ones;

        CHECK_OK(zrpc_local_pair(wires, NULL));
        pthread_create(&raw, NULL, read_raw_recv, wires[1]);
        call_recv(wires[0], &defaults, &source, NULL);
        pthread_join(raw, &ones);
        CHECK_INT((uintptr_t)ones, 0);
    }
}

static void a_failed_source_is_told_and_nothing_is_finished(void)
{
    struct end sink = {.fail_at = UINT64_MAX};
    struct zrpc_wire *wires[2];
    struct zrpc_error err;
    struct service s;

    service_init(&s, 2000000);
    s.end.fail_at = 1000001;
    CHECK_OK(zrpc_local_pair(wires, NULL));
    service_start(&s, wires[1]);
    CHECK_CODE(call_send(wires[0], &defaults, open_sink, &sink, &err), ZRPC_ERR_PEER_SOURCE);
    CHECK_CONTAINS(err.text, "source failed at 1000001 ✗");
    service_join(&s);
    CHECK_OK(s.rc);
    CHECK_INT(sink.moved, 1000001);
    CHECK_INT(sink.finished, 0);
    CHECK_INT(sink.closed, 1);
}

static void a_failed_source_of_ours_leaves_nothing_there(void)
{
    struct end source = {.size = 2000000, .fail_at = 700000};
    struct zrpc_wire *wires[2];
    struct zrpc_error err;
    struct service s;

    service_init(&s, 0);
    CHECK_OK(zrpc_local_pair(wires, NULL));
    service_start(&s, wires[1]);
    CHECK_CODE(call_recv(wires[0], &defaults, &source, &err), ZRPC_ERR_SOURCE);
    CHECK_CONTAINS(err.text, "source failed at 700000 ✗");
    service_join(&s);
    CHECK_INT(s.end.finished, 0);
    CHECK_INT(s.end.closed, 1);
}

static void a_handler_refuses_before_the_stream(void)
{
    struct end source = {.size = UINT64_C(1) << 40, .fail_at = UINT64_MAX};
    struct zrpc_wire *wires[2];
    struct zrpc_error err;
    struct service s;

    service_init(&s, 0);
    s.refusal = "not you ✗";
    CHECK_OK(zrpc_local_pair(wires, NULL));
    service_start(&s, wires[1]);
    CHECK_CODE(call_recv(wires[0], &defaults, &source, &err), ZRPC_ERR_HANDLER);
    CHECK_STR(err.text, "not you ✗");
    service_join(&s);
    CHECK_OK(s.rc);
    CHECK_INT(source.closed, 1);
}

/* A terabyte is on its way when the disk is full: the answer overtakes it. */
static void a_full_sink_stops_the_stream(void)
{
    struct end source = {.size = UINT64_C(1) << 40, .fail_at = UINT64_MAX};
    struct zrpc_wire *wires[2];
    struct zrpc_error err;
    struct service s;

    service_init(&s, 0);
    s.end.fail_at = 3000000;
    CHECK_OK(zrpc_local_pair(wires, NULL));
    service_start(&s, wires[1]);
    CHECK_CODE(call_recv(wires[0], &defaults, &source, &err), ZRPC_ERR_HANDLER);
    CHECK_CONTAINS(err.text, "sink failed at");
    service_join(&s);
    CHECK_OK(s.rc);
    CHECK_INT(s.end.finished, 0);
    CHECK_INT(s.end.closed, 1);
    CHECK(source.moved < UINT64_C(1) << 30);
}

static void our_full_sink_fails_the_send(void)
{
    struct end sink = {.fail_at = 1000000};
    struct zrpc_wire *wires[2];
    struct service s;

    service_init(&s, UINT64_C(1) << 40);
    CHECK_OK(zrpc_local_pair(wires, NULL));
    service_start(&s, wires[1]);
    CHECK_CODE(call_send(wires[0], &defaults, open_sink, &sink, NULL), ZRPC_ERR_SINK);
    service_join(&s);
    CHECK_INT(sink.finished, 0);
    CHECK_INT(sink.closed, 1);
    CHECK_INT(s.end.closed, 1);
}

/*
 * Time: small timeouts, so that the real ones need not be waited for.
 */
static const struct zrpc_heartbeat_config fast = {
    .interval = 40 * ZRPC_MILLISECOND,
    .timeout = 400 * ZRPC_MILLISECOND,
    .shutdown_timeout = 400 * ZRPC_MILLISECOND,
};

static void a_slow_handler_is_waited_for(void)
{
    const struct zrpc_dataconn_options options = {.heartbeat = fast};
    struct end sink = {.fail_at = UINT64_MAX};
    struct zrpc_wire *wires[2];
    struct service s;

    service_init(&s, 1000);
    s.options.heartbeat = fast;
    s.delay = 3 * fast.timeout;
    CHECK_OK(zrpc_local_pair(wires, NULL));
    service_start(&s, wires[1]);
    CHECK_OK(call_send(wires[0], &options, open_sink, &sink, NULL));
    service_join(&s);
    CHECK_OK(s.rc);
    CHECK_INT(sink.finished, 1);
}

static void a_silent_server_is_given_up(void)
{
    const struct zrpc_dataconn_options options = {.heartbeat = fast};
    struct zrpc_wire *wires[2];
    char *echo = NULL;

    CHECK_OK(zrpc_local_pair(wires, NULL));
    CHECK_CODE(zrpc_dataconn_ping(wires[0], &options, "anybody?", &echo, NULL), ZRPC_ERR_READ_TIMEOUT);
    zrpc_wire_close(wires[1]);
}

static void a_server_that_reads_nothing_is_given_up(void)
{
    const struct zrpc_dataconn_options options = {.heartbeat = fast};
    struct end source = {.size = UINT64_C(1) << 40, .fail_at = UINT64_MAX};
    struct zrpc_wire *wires[2];
    int rc;

    CHECK_OK(zrpc_local_pair(wires, NULL));
    rc = call_recv(wires[0], &options, &source, NULL);
    CHECK(zrpc_code_band(rc) == ZRPC_BAND_TIMEOUT);
    CHECK_INT(source.closed, 1);
    zrpc_wire_close(wires[1]);
}

static void a_vanished_client_frees_the_server(void)
{
    Zrpc__Pb__ReceiveReq req = ZRPC__PB__RECEIVE_REQ__INIT;
    struct zrpc_dataconn_client client;
    struct zrpc_wire *wires[2];
    struct zrpc_view out;
    struct service s;

    service_init(&s, 0);
    s.options.heartbeat = fast;
    CHECK_OK(zrpc_local_pair(wires, NULL));
    service_start(&s, wires[1]);
    CHECK_OK(zrpc_dataconn_client_init(&client, NULL, 0, ZRPC_DATACONN_RECV, &req.base, true, NULL));
    CHECK_OK(zrpc_exchange_stream_begin(&client.x, 0, 1000000, NULL));
    out = zrpc_buf_view(&client.x.hc.conn.writer.output);
    CHECK_INT(zrpc_wire_writev(wires[0], &(struct iovec){(void *)(uintptr_t)out.data, out.len}, 1, NULL),
              out.len);
    zrpc_wire_close(wires[0]);
    service_join(&s);
    CHECK(s.rc < 0);
    CHECK_INT(s.end.finished, 0);
    CHECK_INT(s.end.closed, 1);
    zrpc_dataconn_client_dispose(&client);
}

/* The request is whole; three bytes of something else and the end do not change that. */
static void an_answer_survives_what_follows_the_request(void)
{
    static const uint8_t partial[] = {0, 0, 0};
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    struct zrpc_dataconn_client client;
    struct zrpc_wire *wires[2];
    struct zrpc_view out, in, content;
    uint8_t buf[4096];
    struct service s;
    ssize_t n;

    service_init(&s, 0);
    CHECK_OK(zrpc_local_pair(wires, NULL));
    CHECK_OK(zrpc_dataconn_client_init(&client, NULL, 0, ZRPC_DATACONN_PING, &req.base, false, NULL));
    out = zrpc_buf_view(&client.x.hc.conn.writer.output);
    CHECK_INT(zrpc_wire_writev(wires[0],
                               (struct iovec[]){{(void *)(uintptr_t)out.data, out.len},
                                                {(void *)(uintptr_t)partial, sizeof partial}},
                               2, NULL),
              out.len + sizeof partial);
    CHECK_OK(zrpc_wire_close_write(wires[0], NULL));
    service_start(&s, wires[1]);
    service_join(&s);
    CHECK_OK(s.rc);
    n = zrpc_wire_readv(wires[0], &(struct iovec){buf, sizeof buf}, 1, NULL);
    in = zrpc_view(buf, n > 0 ? (size_t)n : 0);
    CHECK_INT(zrpc_dataconn_client_input(&client, 0, &in, &content, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(client.phase, ZRPC_PHASE_DONE);
    zrpc_dataconn_client_dispose(&client);
    zrpc_wire_close(wires[0]);
}

enum { LONG_TEXT = 20001 };

static char *long_text(void)
{
    char *text = malloc(LONG_TEXT + 1);

    for (int i = 0; i < LONG_TEXT; i++)
        text[i] = i % 80 == 79 ? '\n' : (char)('a' + i % 26);
    memcpy(text + ZRPC_ERROR_TEXT_MAX - 2, "\xe2\x9c\x97", 3); /* across the end of an error's text */
    text[LONG_TEXT] = '\0';
    return text;
}

/* Asks for a stream; what the server's machine has in its output is the answer. */
static int ask_for(struct zrpc_dataconn_server *server, struct zrpc_buf *whole, struct zrpc_error *err)
{
    const struct zrpc_dataconn_options options = {.heartbeat = fast, .long_text = whole};
    struct zrpc_view out = zrpc_buf_view(&server->x.hc.conn.writer.output);
    struct end sink = {.fail_at = UINT64_MAX};
    struct zrpc_wire *wires[2];
    int rc;

    CHECK_OK(zrpc_local_pair(wires, NULL));
    CHECK_INT(zrpc_wire_writev(wires[1], &(struct iovec){(void *)(uintptr_t)out.data, out.len}, 1, NULL),
              out.len);
    CHECK_OK(zrpc_wire_close_write(wires[1], NULL));
    rc = call_send(wires[0], &options, open_sink, &sink, err);
    zrpc_wire_close(wires[1]);
    zrpc_dataconn_server_dispose(server);
    return rc;
}

static void long_texts_are_kept_whole(void)
{
    Zrpc__Pb__SendRes res = ZRPC__PB__SEND_RES__INIT;
    struct zrpc_dataconn_server server;
    struct zrpc_buf whole = {0};
    struct zrpc_error err;
    char *text = long_text();

    zrpc_dataconn_server_init(&server, &fast, zrpc_now());
    CHECK_OK(zrpc_dataconn_server_refuse(&server, zrpc_now(), text, NULL));
    CHECK_CODE(ask_for(&server, &whole, &err), ZRPC_ERR_HANDLER);
    CHECK_INT(strlen(err.text), ZRPC_ERROR_TEXT_MAX - 2);
    CHECK(whole.len == LONG_TEXT && strcmp((const char *)zrpc_buf_view(&whole).data, text) == 0);

    zrpc_buf_clear(&whole);
    zrpc_dataconn_server_init(&server, &fast, zrpc_now());
    CHECK_OK(zrpc_dataconn_server_respond(&server, zrpc_now(), &res.base, true, NULL));
    CHECK_OK(zrpc_exchange_stream_fail(&server.x, zrpc_now(), text, NULL));
    CHECK_CODE(ask_for(&server, &whole, &err), ZRPC_ERR_PEER_SOURCE);
    CHECK(whole.len == LONG_TEXT && strcmp((const char *)zrpc_buf_view(&whole).data, text) == 0);

    zrpc_buf_clear(&whole);
    zrpc_dataconn_server_init(&server, &fast, zrpc_now());
    CHECK_OK(zrpc_dataconn_server_refuse(&server, zrpc_now(), "short", NULL));
    CHECK_CODE(ask_for(&server, &whole, &err), ZRPC_ERR_HANDLER);
    CHECK_STR(err.text, "short");
    CHECK_INT(whole.len, 0);
    zrpc_buf_dispose(&whole);
    free(text);
}

enum leaving { CLOSES, HALF_CLOSES_THEN_CLOSES, HALF_CLOSES_AND_STAYS };

/* A client of few words: its request, for a receive with some of the stream, then it leaves in its way while
 * the handler is at work. No heartbeat of the server's is due. */
static void leave(enum zrpc_dataconn_method method, void (*make_pair)(struct zrpc_wire *[2]),
                  enum leaving how)
{
    static const struct zrpc_heartbeat_config slow = {3600 * ZRPC_SECOND, 3600 * ZRPC_SECOND, 0};
    Zrpc__Pb__SendReq send = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__ReceiveReq receive = ZRPC__PB__RECEIVE_REQ__INIT;
    bool is_send = method == ZRPC_DATACONN_SEND;
    struct zrpc_dataconn_client client;
    struct zrpc_wire *wires[2];
    struct zrpc_view out;
    struct service s;

    service_init(&s, 0);
    s.waits = true;
    s.options.heartbeat = slow;
    make_pair(wires);
    CHECK_OK(zrpc_dataconn_client_init(&client, NULL, 0, method, is_send ? &send.base : &receive.base, true,
                                       NULL));
    if (!is_send)
        CHECK_OK(
            zrpc_stream_put_message(&client.x.hc, 0, ZRPC_DATACONN_ZFS_STREAM, zrpc_view_of("data"), NULL));
    out = zrpc_buf_view(&client.x.hc.conn.writer.output);
    CHECK_INT(zrpc_wire_writev(wires[0], &(struct iovec){(void *)(uintptr_t)out.data, out.len}, 1, NULL),
              out.len);
    service_start(&s, wires[1]);
    while (!atomic_load(&s.waiting))
        usleep(1000);
    if (how != CLOSES)
        CHECK_OK(zrpc_wire_close_write(wires[0], NULL));
    if (how == HALF_CLOSES_THEN_CLOSES)
        usleep(50000);
    if (how != HALF_CLOSES_AND_STAYS)
        zrpc_wire_close(wires[0]);
    usleep(how == HALF_CLOSES_AND_STAYS ? 600000 : 0);
    atomic_store(&s.go_on, how == HALF_CLOSES_AND_STAYS);
    if (how == HALF_CLOSES_AND_STAYS) {
        CHECK(!atomic_load(&s.call.cancelled));
        zrpc_wire_close(wires[0]);
    }
    service_join(&s);
    if (how != HALF_CLOSES_AND_STAYS) {
        CHECK(atomic_load(&s.call.cancelled));
        CHECK_CODE(s.rc, ZRPC_ERR_RESET);
    }
    zrpc_dataconn_client_dispose(&client);
}

static void local_pair(struct zrpc_wire *out[2])
{
    CHECK_OK(zrpc_local_pair(out, NULL));
}

static void a_client_that_leaves_cancels_its_handler(void)
{
    for (enum leaving how = CLOSES; how <= HALF_CLOSES_THEN_CLOSES; how++) {
        leave(ZRPC_DATACONN_RECV, local_pair, how);
        leave(ZRPC_DATACONN_SEND, local_pair, how);
        leave(ZRPC_DATACONN_RECV, tcp_pair, how);
        leave(ZRPC_DATACONN_SEND, tcp_pair, how);
    }
}

static void a_client_that_half_closes_is_still_there(void)
{
    leave(ZRPC_DATACONN_RECV, tcp_pair, HALF_CLOSES_AND_STAYS);
    leave(ZRPC_DATACONN_SEND, local_pair, HALF_CLOSES_AND_STAYS);
}

static void a_request_can_be_cancelled(void)
{
    struct zrpc_cancel cancel;
    struct zrpc_dataconn_options options = {.heartbeat = fast, .cancel = &cancel};
    struct end sink = {.fail_at = UINT64_MAX};
    struct zrpc_wire *wires[2];
    struct service s;

    service_init(&s, UINT64_C(1) << 40);
    CHECK_OK(zrpc_cancel_init(&cancel, NULL));
    zrpc_cancel_raise(&cancel);
    CHECK_OK(zrpc_local_pair(wires, NULL));
    service_start(&s, wires[1]);
    CHECK_CODE(call_send(wires[0], &options, open_sink, &sink, NULL), ZRPC_ERR_CANCELLED);
    service_join(&s);
    CHECK_INT(sink.finished, 0);
    zrpc_cancel_dispose(&cancel);
}

static const struct zrpc_test tests[] = {
    {"pings are echoed", pings_are_echoed},
    {"long texts are kept whole", long_texts_are_kept_whole},
    {"a client that leaves cancels its handler", a_client_that_leaves_cancels_its_handler},
    {"a client that half-closes is still there", a_client_that_half_closes_is_still_there},
    {"streams of any size are sent", streams_of_any_size_are_sent},
    {"streams of any size are received", streams_of_any_size_are_received},
    {"streams go from pipe to pipe", streams_go_from_pipe_to_pipe},
    {"no frame carries a single byte", no_frame_carries_a_single_byte},
    {"a failed source is told and nothing is finished", a_failed_source_is_told_and_nothing_is_finished},
    {"a failed source of ours leaves nothing there", a_failed_source_of_ours_leaves_nothing_there},
    {"a handler refuses before the stream", a_handler_refuses_before_the_stream},
    {"a full sink stops the stream", a_full_sink_stops_the_stream},
    {"our full sink fails the send", our_full_sink_fails_the_send},
    {"a slow handler is waited for", a_slow_handler_is_waited_for},
    {"a silent server is given up", a_silent_server_is_given_up},
    {"a server that reads nothing is given up", a_server_that_reads_nothing_is_given_up},
    {"a vanished client frees the server", a_vanished_client_frees_the_server},
    {"an answer survives what follows the request", an_answer_survives_what_follows_the_request},
    {"a request can be cancelled", a_request_can_be_cancelled},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("dataconn", tests, argc, argv);
}
