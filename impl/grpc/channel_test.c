/* Channels and served connections over wires inside the process, in real time but never waiting for long. */
#include "zrpc/channel.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testing/alloc.h"
#include "testing/h2peer.h"
#include "testing/suite.h"
#include "zrpc/grpc_conn.h"
#include "zrpc/pb.h"
#include "zrpc/replication.h"
#include "zrpc/transport.h"

#define MS        ZRPC_MILLISECOND
#define PATIENCE  (20 * ZRPC_SECOND) /* for what has to happen */
#define CONNS_MAX 32

/*
 * The server: each connection that the channel asks for is served by a thread, in the way that the test set.
 */
struct rig;
typedef void serve_fn(struct rig *rig, struct zrpc_wire *wire);

struct served {
    struct rig *rig;
    struct zrpc_wire *wire;
    pthread_t thread;
    struct zrpc_grpc_conn *conn;
};

static struct rig {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    serve_fn *serve; /* what to do with the next connection */
    int refuse;      /* fail that many attempts first */
    bool hang, hung; /* attempts do not end before they are interrupted */
    bool interrupted;
    unsigned attempts;
    struct served served[CONNS_MAX];
    size_t n_served;
    struct zrpc_workpool *pool;
    struct zrpc_channel *channel;
    char log[16384];
    /* handlers */
    unsigned waiting; /* in the handler that waits */
    unsigned cancelled;
    bool go_on;
    size_t answer;     /* connections with a lower number answer their call */
    bool log_is_stuck; /* the sink takes no line */
} rig;

static void log_sink(void *ctx, enum zrpc_log_level level, const char *line)
{
    size_t len;

    (void)ctx;
    (void)level;
    pthread_mutex_lock(&rig.lock);
    while (rig.log_is_stuck)
        pthread_cond_wait(&rig.changed, &rig.lock);
    len = strlen(rig.log);
    snprintf(rig.log + len, sizeof rig.log - len, "%s\n", line);
    pthread_mutex_unlock(&rig.lock);
}

static const struct zrpc_log test_log = {.sink = log_sink, .level = ZRPC_LOG_DEBUG};

static void *serve_thread(void *arg)
{
    struct served *s = arg;

    s->rig->serve(s->rig, s->wire);
    return NULL;
}

static int connect_to_rig(void *ctx, zrpc_time deadline, struct zrpc_wire **out, struct zrpc_error *err)
{
    struct rig *r = ctx;
    struct zrpc_wire *pair[2];
    struct served *s;
    int rc = 0;

    CHECK(deadline < ZRPC_NEVER);
    pthread_mutex_lock(&r->lock);
    r->attempts++;
    if (r->refuse > 0) {
        r->refuse--;
        rc = zrpc_fail(err, ZRPC_ERR_DIAL, "nobody there");
    }
    r->hung = r->hang;
    pthread_cond_broadcast(&r->changed);
    while (r->hang && !r->interrupted)
        pthread_cond_wait(&r->changed, &r->lock);
    if (r->hang)
        rc = zrpc_fail(err, ZRPC_ERR_CANCELLED, "interrupted");
    if (rc == 0 && CHECK(r->n_served < CONNS_MAX) && CHECK_OK(zrpc_local_pair(pair, err))) {
        s = &r->served[r->n_served++];
        *s = (struct served){.rig = r, .wire = pair[1]};
        CHECK_INT(pthread_create(&s->thread, NULL, serve_thread, s), 0);
        *out = pair[0];
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static void interrupt_rig(void *ctx)
{
    struct rig *r = ctx;

    pthread_mutex_lock(&r->lock);
    r->interrupted = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/*
 * Handlers of a real server: ListFilesystemVersions answers by the name of the filesystem.
 */
static int wait_until_told(struct zrpc_call *call, struct zrpc_error *err)
{
    pthread_mutex_lock(&rig.lock);
    rig.waiting++;
    pthread_cond_broadcast(&rig.changed);
    while (!rig.go_on && !atomic_load(&call->cancelled)) {
        struct timespec soon;

        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 5000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&rig.changed, &rig.lock, &soon);
    }
    rig.waiting--;
    rig.cancelled += atomic_load(&call->cancelled);
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
    return atomic_load(&call->cancelled) ? zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled") : 0;
}

static int list_versions(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ListFilesystemVersionsReq *req,
                         Zrpc__Pb__ListFilesystemVersionsRes *res, struct zrpc_error *err)
{
    size_t n = 1;

    (void)ctx;
    CHECK_STR(call->client_identity, "tester");
    if (strcmp(req->filesystem, "wait") == 0 && wait_until_told(call, err) < 0)
        return err->code;
    if (strcmp(req->filesystem, "fail") == 0)
        return zrpc_fail(err, ZRPC_ERR_HANDLER,
                         "no \xc3\xbc"
                         "bel, 100%%\nsorry");
    if (sscanf(req->filesystem, "many%zu", &n) < 0)
        return zrpc_fail(err, ZRPC_ERR_HANDLER, "?");
    res->versions = calloc(n, sizeof *res->versions);
    for (; res->n_versions < n; res->n_versions++) {
        Zrpc__Pb__FilesystemVersion *v = malloc(sizeof *v);

        zrpc__pb__filesystem_version__init(v);
        v->guid = UINT64_MAX - res->n_versions;
        res->versions[res->n_versions] = v;
        if (zrpc_pb_set_string(&v->name, req->filesystem, err) < 0)
            return err->code;
    }
    return 0;
}

static const struct zrpc_handler_ops handler_ops = {.list_filesystem_versions = list_versions};
static const struct zrpc_handler handler = {.ops = &handler_ops};

static void serve_really(struct rig *r, struct zrpc_wire *wire)
{
    struct zrpc_grpc_service service = zrpc_replication_service(&handler);
    struct zrpc_grpc_conn_options options = {
        .server = {.services = &service, .n_services = 1, .client_identity = "tester", .peer = "test"},
        .pool = r->pool,
    };
    struct served *s = NULL;
    struct zrpc_grpc_conn *conn;
    struct zrpc_error err;

    if (!CHECK_OK(zrpc_grpc_conn_new(wire, &options, &conn, &err)))
        return;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->n_served; i++)
        if (pthread_equal(r->served[i].thread, pthread_self()))
            s = &r->served[i];
    s->conn = conn;
    pthread_mutex_unlock(&r->lock);
    zrpc_grpc_conn_run(conn, &err);
    pthread_mutex_lock(&r->lock);
    s->conn = NULL;
    pthread_mutex_unlock(&r->lock);
    zrpc_grpc_conn_free(conn);
}

/*
 * The rig's life.
 */
static void start_with(struct zrpc_channel_options options)
{
    struct zrpc_connector connector = {.connect = connect_to_rig, .interrupt = interrupt_rig, .ctx = &rig};

    rig = (struct rig){
        .serve = serve_really, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    CHECK_OK(zrpc_workpool_new(100, 100, &rig.pool, NULL));
    options.name = "rig";
    options.log = &test_log;
    options.seed = 1;
    CHECK_OK(zrpc_channel_new(&connector, &options, &rig.channel, NULL));
}

static const struct zrpc_channel_options quick = {
    .backoff = {.base = 1 * MS, .max = 5 * MS},
    .resend = {.base = 1 * MS, .max = 5 * MS},
};

static void start(void)
{
    start_with(quick);
}

static void stop(void)
{
    zrpc_channel_free(rig.channel);
    for (size_t i = 0; i < rig.n_served; i++)
        CHECK_INT(pthread_join(rig.served[i].thread, NULL), 0);
    zrpc_workpool_close(rig.pool);
}

/* Waits for a condition on the rig. */
#define AWAIT(condition)                              \
    do {                                              \
        zrpc_time until_ = zrpc_now() + PATIENCE;     \
        pthread_mutex_lock(&rig.lock);                \
        while (!(condition) && zrpc_now() < until_) { \
            pthread_mutex_unlock(&rig.lock);          \
            usleep(1000);                             \
            pthread_mutex_lock(&rig.lock);            \
        }                                             \
        pthread_mutex_unlock(&rig.lock);              \
        CHECK(condition);                             \
    } while (0)

static void note_waiting(struct rig *r)
{
    pthread_mutex_lock(&r->lock);
    r->waiting++;
    pthread_mutex_unlock(&r->lock);
}

static void wait_to_go_on(struct rig *r)
{
    pthread_mutex_lock(&r->lock);
    while (!r->go_on)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static void go_on(void)
{
    pthread_mutex_lock(&rig.lock);
    rig.go_on = true;
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
}

/* Lines come from a thread of their own. */
#define AWAIT_LOG(text) AWAIT(strstr(rig.log, (text)) != NULL)

static void await_state(enum zrpc_channel_state wanted)
{
    zrpc_time until = zrpc_now() + PATIENCE;
    enum zrpc_channel_state state = zrpc_channel_state(rig.channel);

    while (state != wanted && zrpc_now() < until)
        state = zrpc_channel_wait(rig.channel, state, until);
    CHECK_STR(zrpc_channel_state_name(state), zrpc_channel_state_name(wanted));
}

/*
 * Calls.
 */
static int ping_with(const char *message, const struct zrpc_call_options *options,
                     enum zrpc_grpc_status *status, struct zrpc_error *err)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    ProtobufCMessage *res = NULL;
    int rc;

    req.message = (char *)message;
    rc = zrpc_channel_call(rig.channel, &zrpc_replication_methods[ZRPC_REPLICATION_PING], &req.base, &res,
                           options, status, err);
    if (rc < 0)
        return rc;
    CHECK_STR(((Zrpc__Pb__PingRes *)res)->echo, message);
    protobuf_c_message_free_unpacked(res, NULL);
    return 0;
}

static int ping(struct zrpc_error *err)
{
    return ping_with("hi", NULL, NULL, err);
}

static int list_with(const char *filesystem, size_t n, const struct zrpc_call_options *options,
                     enum zrpc_grpc_status *status, struct zrpc_error *err)
{
    Zrpc__Pb__ListFilesystemVersionsReq req = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_REQ__INIT;
    ProtobufCMessage *res = NULL;
    int rc;

    req.filesystem = (char *)filesystem;
    rc = zrpc_channel_call(rig.channel, &zrpc_replication_methods[ZRPC_REPLICATION_LIST_FILESYSTEM_VERSIONS],
                           &req.base, &res, options, status, err);
    if (rc < 0)
        return rc;
    CHECK_INT(((Zrpc__Pb__ListFilesystemVersionsRes *)res)->n_versions, n);
    CHECK(((Zrpc__Pb__ListFilesystemVersionsRes *)res)->versions[n - 1]->guid == UINT64_MAX - (n - 1));
    protobuf_c_message_free_unpacked(res, NULL);
    return 0;
}

static void calls_and_states(void)
{
    struct zrpc_error err;
    enum zrpc_grpc_status status;

    start();
    CHECK_INT(zrpc_channel_state(rig.channel), ZRPC_CHANNEL_IDLE);
    for (int i = 0; i < 100; i++)
        CHECK_OK(ping_with(i % 2 ? "\xe2\x9c\x93" : "", NULL, &status, &err));
    CHECK_INT(status, ZRPC_GRPC_OK);
    CHECK_OK(list_with("a", 1, NULL, NULL, &err));
    CHECK_INT(zrpc_channel_state(rig.channel), ZRPC_CHANNEL_READY);
    CHECK_INT(rig.attempts, 1);
    zrpc_channel_shutdown(rig.channel, 0);
    await_state(ZRPC_CHANNEL_SHUTDOWN);
    CHECK_CODE(ping(&err), ZRPC_ERR_CLOSED);
    AWAIT_LOG("state=CONNECTING before=IDLE\n");
    AWAIT_LOG("state=READY before=CONNECTING\n");
    AWAIT_LOG("state=SHUTDOWN before=READY");
    stop();
}

static void it_can_connect_before_the_first_call(void)
{
    start();
    zrpc_channel_connect(rig.channel);
    await_state(ZRPC_CHANNEL_READY);
    stop();
}

static void handlers_refuse(void)
{
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    ProtobufCMessage *res = NULL;
    struct zrpc_error err;
    enum zrpc_grpc_status status;

    start();
    CHECK_CODE(list_with("fail", 1, NULL, &status, &err), ZRPC_ERR_HANDLER);
    CHECK_INT(status, ZRPC_GRPC_UNKNOWN);
    CHECK_STR(err.text,
              "no \xc3\xbc"
              "bel, 100%\nsorry");
    CHECK_CODE(zrpc_channel_call(rig.channel, &zrpc_replication_methods[ZRPC_REPLICATION_LIST_FILESYSTEMS],
                                 &req.base, &res, NULL, &status, &err),
               ZRPC_ERR_HANDLER);
    CHECK_INT(status, ZRPC_GRPC_UNIMPLEMENTED);
    CHECK_CONTAINS(err.text, "not implemented");
    CHECK_OK(ping(&err));
    stop();
}

static void a_very_long_listing(void)
{
    struct zrpc_error err;

    start();
    CHECK_OK(list_with("many100000", 100000, NULL, NULL, &err));
    CHECK_OK(ping(&err));
    stop();
}

static void arguments_that_cannot_be_sent(void)
{
    struct zrpc_channel_options options = quick;
    enum zrpc_grpc_status status;
    struct zrpc_error err;
    char *big = malloc(5u << 20);

    memset(big, 'x', (5u << 20) - 1);
    big[(5u << 20) - 1] = '\0';
    start();
    CHECK_CODE(ping_with("\xff", NULL, &status, &err), ZRPC_ERR_MESSAGE);
    CHECK_CODE(ping_with(big, NULL, &status, &err), ZRPC_ERR_HANDLER); /* the server's limit */
    CHECK_INT(status, ZRPC_GRPC_RESOURCE_EXHAUSTED);
    CHECK_OK(ping(&err));
    stop();
    options.request_max = 1000;
    start_with(options);
    CHECK_CODE(ping_with(big, NULL, &status, &err), ZRPC_ERR_TOO_BIG);
    CHECK_INT(status, ZRPC_GRPC_RESOURCE_EXHAUSTED);
    CHECK_INT(rig.attempts, 0);
    stop();
    options.response_max = 1000;
    start_with(options);
    CHECK_CODE(list_with("many1000", 1000, NULL, &status, &err), ZRPC_ERR_TOO_BIG);
    CHECK_INT(status, ZRPC_GRPC_RESOURCE_EXHAUSTED);
    CHECK_OK(ping(&err));
    stop();
    free(big);
}

/* Many callers, each with answers of its own. */
struct caller {
    pthread_t thread;
    size_t number;
    unsigned calls, failed;
};

static void *call_often(void *arg)
{
    struct caller *c = arg;

    for (unsigned i = 0; i < c->calls; i++) {
        struct zrpc_error err = {0};
        char text[64];
        int rc;

        snprintf(text, sizeof text, "many%zu", 1 + c->number);
        rc = (i + c->number) % 4 != 0 ? ping_with(text, NULL, NULL, &err)
                                      : list_with(text, 1 + c->number, NULL, NULL, &err);
        if (!CHECK_OK(rc))
            fprintf(stderr, "%s\n", err.text);
        c->failed += rc < 0;
    }
    return NULL;
}

static unsigned run_callers(size_t n, unsigned calls)
{
    struct caller *callers = calloc(n, sizeof *callers);
    unsigned failed = 0;

    for (size_t i = 0; i < n; i++) {
        callers[i] = (struct caller){.number = i, .calls = calls};
        CHECK_INT(pthread_create(&callers[i].thread, NULL, call_often, &callers[i]), 0);
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(callers[i].thread, NULL);
        failed += callers[i].failed;
    }
    free(callers);
    return failed;
}

static void many_callers_at_once(void)
{
    start();
    CHECK_INT(run_callers(64, 100), 0);
    CHECK_INT(rig.attempts, 1);
    CHECK_INT(run_callers(2, 500), 0);
    stop();
}

static void *call_waiting(void *arg)
{
    struct zrpc_error err;
    int *rc = arg;

    *rc = list_with("wait", 1, NULL, NULL, &err);
    return NULL;
}

static void a_slow_handler_stops_nobody(void)
{
    pthread_t slow[10];
    int rc[10];
    struct zrpc_error err;

    start();
    for (int i = 0; i < 10; i++)
        CHECK_INT(pthread_create(&slow[i], NULL, call_waiting, &rc[i]), 0);
    AWAIT(rig.waiting == 10);
    CHECK_OK(ping(&err));
    CHECK_OK(list_with("a", 1, NULL, NULL, &err));
    go_on();
    for (int i = 0; i < 10; i++) {
        pthread_join(slow[i], NULL);
        CHECK_OK(rc[i]);
    }
    stop();
}

static void deadlines_end_calls_on_both_sides(void)
{
    struct zrpc_error err;
    enum zrpc_grpc_status status;
    struct zrpc_call_options options = {0};

    start();
    CHECK_OK(ping(&err));
    options.deadline = zrpc_now() + 30 * MS;
    CHECK_CODE(list_with("wait", 1, &options, &status, &err), ZRPC_ERR_TIMEOUT);
    CHECK_INT(status, ZRPC_GRPC_DEADLINE_EXCEEDED);
    CHECK(zrpc_now() >= options.deadline);
    AWAIT(rig.cancelled == 1);
    options.deadline = zrpc_now() - 1;
    CHECK_CODE(ping_with("late", &options, &status, &err), ZRPC_ERR_TIMEOUT);
    CHECK_OK(ping(&err));
    stop();
}

static void *call_cancellable(void *arg)
{
    struct zrpc_call_options options = {.cancel = arg};
    struct zrpc_error err;
    enum zrpc_grpc_status status;

    CHECK_CODE(list_with("wait", 1, &options, &status, &err), ZRPC_ERR_CANCELLED);
    CHECK_INT(status, ZRPC_GRPC_CANCELLED);
    return NULL;
}

static void callers_cancel(void)
{
    struct zrpc_cancel cancel;
    struct zrpc_call_options options = {.cancel = &cancel};
    struct zrpc_error err;
    pthread_t threads[3];

    start();
    CHECK_OK(zrpc_cancel_init(&cancel, NULL));
    CHECK_OK(ping_with("not yet", &options, NULL, &err));
    zrpc_resource_fail_at(1); /* the descriptor that tells the end of a call that may be cancelled */
    CHECK_CODE(ping_with("x", &options, NULL, &err), ZRPC_ERR_SYSTEM);
    zrpc_resource_fail_at(0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, call_cancellable, &cancel), 0);
    AWAIT(rig.waiting == 3);
    zrpc_cancel_raise(&cancel);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    AWAIT(rig.cancelled == 3);
    CHECK_CODE(ping_with("too late", &options, NULL, &err), ZRPC_ERR_CANCELLED);
    CHECK_OK(ping(&err));
    zrpc_cancel_dispose(&cancel);
    stop();
}

static void callers_cancel_while_there_is_no_connection(void)
{
    struct zrpc_cancel cancel;
    pthread_t thread;

    start();
    CHECK_OK(zrpc_cancel_init(&cancel, NULL));
    rig.hang = true;
    CHECK_INT(pthread_create(&thread, NULL, call_cancellable, &cancel), 0);
    AWAIT(rig.hung);
    zrpc_cancel_raise(&cancel);
    pthread_join(thread, NULL);
    zrpc_cancel_dispose(&cancel);
    stop();
}

static void failures_to_connect(void)
{
    struct zrpc_channel_options slow = {.backoff = {.base = 3600 * ZRPC_SECOND}};
    struct zrpc_call_options options = {0};
    enum zrpc_grpc_status status;
    struct zrpc_error err;

    start_with(slow);
    pthread_mutex_lock(&rig.lock);
    rig.refuse = 2;
    pthread_mutex_unlock(&rig.lock);
    CHECK_CODE(ping_with("x", NULL, &status, &err), ZRPC_ERR_UNAVAILABLE);
    CHECK_INT(status, ZRPC_GRPC_UNAVAILABLE);
    CHECK_STR(err.text, "rig: nobody there");
    CHECK_INT(zrpc_channel_state(rig.channel), ZRPC_CHANNEL_TRANSIENT_FAILURE);
    CHECK_CODE(zrpc_channel_failure(rig.channel, &err), ZRPC_ERR_DIAL);
    CHECK_STR(err.text, "nobody there");
    CHECK_CODE(ping(&err), ZRPC_ERR_UNAVAILABLE);
    CHECK_INT(rig.attempts, 1);

    /* The deadline ends waiting for a connection. */
    options = (struct zrpc_call_options){.wait_for_ready = true, .deadline = zrpc_now() + 20 * MS};
    CHECK_CODE(ping_with("x", &options, &status, &err), ZRPC_ERR_TIMEOUT);
    CHECK_INT(status, ZRPC_GRPC_DEADLINE_EXCEEDED);
    CHECK_STR(err.text, "rig: deadline exceeded before sending; last attempt to connect: nobody there");

    zrpc_channel_reset_connect_backoff(rig.channel);
    AWAIT(rig.attempts == 2);
    await_state(ZRPC_CHANNEL_TRANSIENT_FAILURE);
    zrpc_channel_reset_connect_backoff(rig.channel);
    await_state(ZRPC_CHANNEL_READY);
    CHECK_OK(zrpc_channel_failure(rig.channel, &err));
    CHECK_OK(ping(&err));
    stop();
}

static void waiting_for_ready(void)
{
    struct zrpc_call_options options = {.wait_for_ready = true};
    struct zrpc_error err;

    start();
    pthread_mutex_lock(&rig.lock);
    rig.refuse = 5;
    pthread_mutex_unlock(&rig.lock);
    CHECK_OK(ping_with("x", &options, NULL, &err));
    CHECK_INT(rig.attempts, 6);
    stop();
}

/*
 * Servers of few words: SETTINGS and answers to PINGs, then what the test does with calls.
 */
static bool exchange(struct h2peer *p, struct zrpc_wire *wire)
{
    uint8_t buf[16384];
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof buf};
    struct zrpc_view out = h2peer_output(p);
    struct pollfd fd = zrpc_wire_wait(wire, ZRPC_READ);
    ssize_t n;

    while (out.len > 0) {
        struct iovec w = {.iov_base = (uint8_t *)out.data, .iov_len = out.len};

        n = zrpc_wire_writev(wire, &w, 1, NULL);
        if (n < 0)
            return false;
        zrpc_buf_consume(&p->output, (size_t)n);
        zrpc_view_take(&out, (size_t)n);
    }
    poll(&fd, 1, -1);
    n = zrpc_wire_readv(wire, &iov, 1, NULL);
    return n == ZRPC_ERR_AGAIN || (n > 0 && h2peer_feed(p, zrpc_view(buf, (size_t)n)) >= 0);
}

static void flush_and_close(struct h2peer *p, struct zrpc_wire *wire)
{
    struct zrpc_view out = h2peer_output(p);
    struct iovec w = {.iov_base = (uint8_t *)out.data, .iov_len = out.len};

    if (out.len > 0)
        zrpc_wire_writev(wire, &w, 1, NULL);
    zrpc_wire_close(wire);
    h2peer_dispose(p);
    free(p);
}

static struct h2peer *new_peer(bool deaf)
{
    struct h2peer *p = malloc(sizeof *p);

    h2peer_init(p, true, deaf);
    return p;
}

/* A stream that the client has sent whole and that is not answered. */
static struct h2peer_stream *open_stream(struct h2peer *p)
{
    for (size_t i = 0; i < H2PEER_STREAMS; i++)
        if (p->streams[i].id != 0 && p->streams[i].end_stream && !p->streams[i].closed)
            return &p->streams[i];
    return NULL;
}

static void serve_and_vanish(struct rig *r, struct zrpc_wire *wire)
{
    struct h2peer *p = new_peer(false);

    r->serve = serve_really;
    while (open_stream(p) == NULL && exchange(p, wire))
        continue;
    flush_and_close(p, wire);
}

static void lost_calls_fail_and_the_next_succeed(void)
{
    enum zrpc_grpc_status status;
    struct zrpc_error err;

    start();
    rig.serve = serve_and_vanish;
    CHECK_CODE(ping_with("x", NULL, &status, &err), ZRPC_ERR_UNAVAILABLE);
    CHECK_INT(status, ZRPC_GRPC_UNAVAILABLE);
    CHECK_CONTAINS(err.text, "connection lost");
    CHECK_OK(ping(&err));
    CHECK_INT(rig.attempts, 2);
    stop();
}

static void serve_goaway(struct rig *r, struct zrpc_wire *wire)
{
    struct h2peer *p = new_peer(false);

    r->serve = serve_really;
    while (open_stream(p) == NULL && exchange(p, wire))
        continue;
    h2peer_goaway(p, 0, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    flush_and_close(p, wire);
}

static void too_many_pings_goes_unseen(void)
{
    struct zrpc_error err;

    start();
    rig.serve = serve_goaway;
    CHECK_OK(ping(&err)); /* not processed by the first, answered by the second */
    CHECK_INT(rig.attempts, 2);
    AWAIT_LOG("too many pings for the server\" server=rig keepalive=20s");
    stop();
}

/* Answers many calls, so that the caller comes to read for itself, then none, and is gone. */
static void serve_many_then_goaway(struct rig *r, struct zrpc_wire *wire)
{
    static const char *const headers[] = {":status", "200", "content-type", "application/grpc", NULL};
    static const char *const trailers[] = {"grpc-status", "0", NULL};
    struct h2peer *p = new_peer(false);
    struct h2peer_stream *s;
    unsigned n = 0;

    r->serve = serve_really;
    while (n < 50 && exchange(p, wire)) {
        while ((s = open_stream(p)) != NULL && ++n < 50) {
            s->closed = true;
            h2peer_respond(p, s->id, headers, zrpc_buf_view(&s->body), trailers);
        }
    }
    h2peer_goaway(p, s->id - 2, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    flush_and_close(p, wire);
}

static void a_goaway_that_the_caller_reads(void)
{
    struct zrpc_error err;

    start();
    rig.serve = serve_many_then_goaway;
    for (int i = 0; i < 100; i++)
        CHECK_OK(ping(&err));
    CHECK_INT(rig.attempts, 2);
    AWAIT_LOG("too many pings for the server\" server=rig keepalive=20s");
    stop();
}

static void *call_once(void *done)
{
    struct zrpc_error err;

    CHECK_OK(ping(&err));
    pthread_mutex_lock(&rig.lock);
    *(bool *)done = true;
    pthread_mutex_unlock(&rig.lock);
    return NULL;
}

/* Reads no more, so that writing to it fails; then says why. */
static void serve_deaf_then_goaway(struct rig *r, struct zrpc_wire *wire)
{
    struct h2peer *p = new_peer(false);

    r->serve = serve_really;
    while (p->settings_acks == 0 && exchange(p, wire))
        continue;
    CHECK_INT(shutdown(zrpc_wire_wait(wire, ZRPC_READ).fd, SHUT_RD), 0);
    note_waiting(r);
    wait_to_go_on(r);
    h2peer_goaway(p, 0, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    flush_and_close(p, wire);
}

static void a_goaway_after_a_failed_write(void)
{
    bool done = false;
    pthread_t caller;

    start();
    rig.serve = serve_deaf_then_goaway;
    zrpc_channel_connect(rig.channel);
    AWAIT(rig.waiting == 1);
    CHECK_INT(pthread_create(&caller, NULL, call_once, &done), 0);
    AWAIT(rig.attempts == 2); /* so writing has failed */
    go_on();
    pthread_join(caller, NULL);
    AWAIT_LOG("too many pings for the server\" server=rig keepalive=20s");
    stop();
}

/* Takes one call and no more, and answers it when told. */
static void serve_one_call(struct rig *r, struct zrpc_wire *wire)
{
    static const char *const headers[] = {":status", "200", "content-type", "application/grpc", NULL};
    static const char *const trailers[] = {"grpc-status", "0", NULL};
    struct h2peer *p = new_peer(false);
    struct h2peer_stream *s;
    struct zrpc_view out;
    size_t number = 0;

    while ((s = open_stream(p)) == NULL && exchange(p, wire))
        continue;
    if (s == NULL) { /* the end of the test */
        flush_and_close(p, wire);
        return;
    }
    h2peer_goaway(p, s->id, NGHTTP2_NO_ERROR, "");
    out = h2peer_output(p);
    CHECK_INT(zrpc_wire_writev(wire, &(struct iovec){(uint8_t *)out.data, out.len}, 1, NULL), out.len);
    zrpc_buf_consume(&p->output, out.len);
    pthread_mutex_lock(&r->lock);
    number = r->waiting++;
    while (number >= r->answer)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
    h2peer_respond(p, s->id, headers, zrpc_buf_view(&s->body), trailers);
    flush_and_close(p, wire);
}

static void answer(size_t n)
{
    pthread_mutex_lock(&rig.lock);
    rig.answer = n;
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
}

static void connections_that_drain_are_all_read(void)
{
    enum { CALLS = 20 };
    pthread_t callers[CALLS];
    bool done[CALLS] = {false};
    struct zrpc_channel_options options = quick;

    options.keepalive.interval = ZRPC_NEVER; /* these servers would not answer it */
    start_with(options);
    rig.serve = serve_one_call;
    for (unsigned i = 0; i < CALLS; i++) {
        CHECK_INT(pthread_create(&callers[i], NULL, call_once, &done[i]), 0);
        AWAIT(rig.waiting == i + 1);
        if (i == 0)
            AWAIT_LOG("state=IDLE before=READY reason=\"the server takes no more calls\"");
    }
    for (size_t i = 0; i < CALLS; i++) { /* oldest first */
        answer(i + 1);
        AWAIT(done[i]);
        pthread_join(callers[i], NULL);
    }
    stop();
}

static void a_stuck_log_sink_stops_nobody(void)
{
    struct zrpc_call_options options = {0};
    struct zrpc_error err;

    start();
    rig.log_is_stuck = true;
    CHECK_OK(ping(&err));
    CHECK_INT(zrpc_channel_state(rig.channel), ZRPC_CHANNEL_READY);
    options.deadline = zrpc_now() + 20 * MS;
    CHECK_CODE(list_with("wait", 1, &options, NULL, &err), ZRPC_ERR_TIMEOUT);
    CHECK_OK(ping(&err));
    CHECK_STR(rig.log, "");
    pthread_mutex_lock(&rig.lock);
    rig.log_is_stuck = false;
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
    AWAIT_LOG("state=READY before=CONNECTING");
    stop();
}

/* Closing a socket with unread bytes in it destroys what the peer has not read. */
static void the_last_words_of_a_server_arrive(void)
{
    static uint8_t bytes[150000];
    static const char start_of_talk[] =
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
        "\0\0\4\x8\0\0\0\0\0\0\0\0\0"; /* WINDOW_UPDATE of 0 */
    struct zrpc_wire *wire;
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct pollfd fd;
    size_t read = 0;
    ssize_t n;

    start();
    memcpy(bytes, start_of_talk, sizeof start_of_talk - 1);
    CHECK_OK(connect_to_rig(&rig, ZRPC_NEVER - 1, &wire, NULL));
    CHECK_INT(zrpc_wire_writev(wire, &iov, 1, NULL), sizeof bytes);
    do {
        fd = zrpc_wire_wait(wire, ZRPC_READ);
        poll(&fd, 1, -1);
        iov = (struct iovec){.iov_base = bytes + read, .iov_len = sizeof bytes - read};
        n = zrpc_wire_readv(wire, &iov, 1, NULL);
        read += n > 0 ? (size_t)n : 0;
    } while (n > 0 || n == ZRPC_ERR_AGAIN);
    CHECK_INT(n, 0);
    CHECK(read > 17 && bytes[read - 1] != 0); /* GOAWAY ends with nghttp2's words */
    zrpc_wire_close(wire);
    stop();
}

static void serve_refusing_once(struct rig *r, struct zrpc_wire *wire)
{
    static const char *const headers[] = {":status", "200", "content-type", "application/grpc", NULL};
    static const char *const trailers[] = {"grpc-status", "0", NULL};
    struct h2peer *p = new_peer(false);
    struct h2peer_stream *s;
    unsigned refused = 0;

    (void)r;
    while (exchange(p, wire)) {
        while ((s = open_stream(p)) != NULL) {
            s->closed = true; /* as far as this loop is concerned */
            if (refused++ < 3)
                h2peer_reset(p, s->id, NGHTTP2_REFUSED_STREAM);
            else
                h2peer_respond(p, s->id, headers, zrpc_buf_view(&s->body), trailers);
        }
    }
    flush_and_close(p, wire);
}

static void refused_streams_are_sent_again(void)
{
    struct zrpc_channel_options options = quick;
    struct zrpc_error err;
    zrpc_time before;

    options.resend = (struct zrpc_backoff_config){.base = 50 * MS, .factor = 2, .jitter = -1};
    start_with(options);
    rig.serve = serve_refusing_once;
    before = zrpc_now();
    CHECK_OK(ping(&err)); /* at once, after 50 ms, after 100 ms */
    CHECK(zrpc_now() - before >= 150 * MS);
    CHECK_INT(rig.attempts, 1);
    stop();
}

static void serve_refusing(struct rig *r, struct zrpc_wire *wire)
{
    struct h2peer *p = new_peer(false);
    struct h2peer_stream *s;

    while (exchange(p, wire)) {
        while ((s = open_stream(p)) != NULL) {
            s->closed = true;
            h2peer_reset(p, s->id, NGHTTP2_REFUSED_STREAM);
            pthread_mutex_lock(&r->lock);
            r->waiting++;
            pthread_mutex_unlock(&r->lock);
        }
    }
    flush_and_close(p, wire);
}

static void sending_again_has_an_end(void)
{
    struct zrpc_error err;

    start();
    rig.serve = serve_refusing;
    CHECK_CODE(ping(&err), ZRPC_ERR_UNAVAILABLE);
    CHECK_CONTAINS(err.text, "REFUSED_STREAM");
    CHECK_INT(rig.waiting, 1 + ZRPC_CHANNEL_RESENDS_MAX);
    stop();
}

static void a_pause_before_sending_again_ends_with_the_call(void)
{
    struct zrpc_channel_options options = quick;
    struct zrpc_call_options call = {0};
    struct zrpc_error err;

    options.resend.base = options.resend.max = 3600 * ZRPC_SECOND;
    start_with(options);
    rig.serve = serve_refusing;
    call.deadline = zrpc_now() + 50 * MS;
    CHECK_CODE(ping_with("x", &call, NULL, &err), ZRPC_ERR_TIMEOUT);
    CHECK(rig.waiting <= 2);
    stop();
}

static void serve_silence(struct rig *r, struct zrpc_wire *wire)
{
    uint8_t buf[4096];
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof buf};
    ssize_t n;

    (void)r;
    do {
        struct pollfd fd = zrpc_wire_wait(wire, ZRPC_READ);

        poll(&fd, 1, -1);
        n = zrpc_wire_readv(wire, &iov, 1, NULL);
    } while (n > 0 || n == ZRPC_ERR_AGAIN);
    zrpc_wire_close(wire);
}

static void without_settings_it_is_no_connection(void)
{
    struct zrpc_channel_options options = quick;
    struct zrpc_error err;

    options.connect_timeout = 30 * MS;
    options.backoff.base = 20 * MS;
    start_with(options);
    rig.serve = serve_silence;
    CHECK_CODE(ping(&err), ZRPC_ERR_UNAVAILABLE);
    CHECK_CONTAINS(err.text, "no SETTINGS");
    AWAIT_LOG("state=TRANSIENT_FAILURE before=CONNECTING reason=\"no SETTINGS");
    stop();
}

static void serve_settings_only(struct rig *r, struct zrpc_wire *wire)
{
    struct h2peer *p = new_peer(true);

    r->serve = serve_really;
    while (exchange(p, wire))
        continue;
    flush_and_close(p, wire);
}

static void dead_servers_are_noticed(void)
{
    struct zrpc_channel_options options = quick;
    struct zrpc_error err;

    options.keepalive.interval = 20 * MS;
    options.keepalive.timeout = 3 * ZRPC_SECOND; /* enough for one that lives, on a busy machine */
    start_with(options);
    rig.serve = serve_settings_only;
    CHECK_CODE(ping(&err), ZRPC_ERR_UNAVAILABLE);
    CHECK_CONTAINS(err.text, "keepalive");
    CHECK_OK(ping(&err));
    stop();
}

/* Each connection, a little after it is there, as often as one call may be sent again. */
static void *stop_servers(void *arg)
{
    atomic_bool *over = arg;

    for (size_t i = 0; i < ZRPC_CHANNEL_RESENDS_MAX; i++) {
        AWAIT(rig.served[i].conn != NULL);
        usleep(20000);
        pthread_mutex_lock(&rig.lock);
        if (rig.served[i].conn != NULL)
            zrpc_grpc_conn_stop(rig.served[i].conn, zrpc_now() + PATIENCE);
        pthread_mutex_unlock(&rig.lock);
    }
    atomic_store(over, true);
    return NULL;
}

static void graceful_restarts_go_unseen(void)
{
    atomic_bool over = false;
    pthread_t stopper;

    start();
    CHECK_INT(pthread_create(&stopper, NULL, stop_servers, &over), 0);
    while (!atomic_load(&over))
        CHECK_INT(run_callers(8, 50), 0);
    pthread_join(stopper, NULL);
    CHECK_OK(ping(NULL));
    CHECK(rig.attempts > ZRPC_CHANNEL_RESENDS_MAX);
    stop();
}

static void a_server_stops_in_time(void)
{
    struct zrpc_error err;
    pthread_t slow;
    int rc;

    start();
    CHECK_OK(ping(&err));
    CHECK_INT(pthread_create(&slow, NULL, call_waiting, &rc), 0);
    AWAIT(rig.waiting == 1);
    pthread_mutex_lock(&rig.lock);
    zrpc_grpc_conn_stop(rig.served[0].conn, zrpc_now() + 30 * MS);
    pthread_mutex_unlock(&rig.lock);
    pthread_join(slow, NULL);
    CHECK_CODE(rc, ZRPC_ERR_UNAVAILABLE);
    AWAIT(rig.cancelled == 1);
    stop();
}

static void shutdown_lets_running_calls_finish(void)
{
    struct zrpc_error err;
    pthread_t slow;
    int rc;

    start();
    CHECK_INT(pthread_create(&slow, NULL, call_waiting, &rc), 0);
    AWAIT(rig.waiting == 1);
    zrpc_channel_shutdown(rig.channel, zrpc_now() + PATIENCE);
    await_state(ZRPC_CHANNEL_SHUTDOWN);
    CHECK_CODE(ping(&err), ZRPC_ERR_CLOSED);
    go_on();
    pthread_join(slow, NULL);
    CHECK_OK(rc);
    stop();
}

static void shutdown_ends_calls_at_its_deadline(void)
{
    pthread_t slow;
    int rc;

    start();
    CHECK_INT(pthread_create(&slow, NULL, call_waiting, &rc), 0);
    AWAIT(rig.waiting == 1);
    zrpc_channel_shutdown(rig.channel, zrpc_now() + 20 * MS);
    pthread_join(slow, NULL);
    CHECK_CODE(rc, ZRPC_ERR_UNAVAILABLE);
    stop();
}

static void closing_interrupts_an_attempt(void)
{
    start();
    rig.hang = true;
    zrpc_channel_connect(rig.channel);
    AWAIT(rig.hung);
    stop();
    CHECK(rig.interrupted);
}

static void an_unused_channel_can_be_freed(void)
{
    start();
    stop();
    zrpc_channel_free(NULL);
}

/* Client, server and their connecting share the memory that runs out, so which call fails is left to chance;
 * but every call ends, and with memory enough again, every call succeeds. */
static void memory_runs_out_at_every_step(void)
{
    struct zrpc_call_options options = {.wait_for_ready = true};
    struct zrpc_error err;
    unsigned failed = 0;

    start();
    for (long n = 1; n <= 150 && rig.n_served < CONNS_MAX - 2; n++) {
        zrpc_alloc_fail_at(n);
        failed += ping(&err) < 0;
        zrpc_alloc_fail_at(0);
        CHECK_OK(ping_with("again", &options, NULL, &err));
    }
    CHECK(failed > 5);
    stop();
}

static void descriptors_and_threads_run_out(void)
{
    struct zrpc_connector connector = {.connect = connect_to_rig, .ctx = &rig};
    struct zrpc_call_options options = {.wait_for_ready = true};
    struct zrpc_channel *channel = NULL;
    struct zrpc_error err;

    start();
    for (long n = 1; n <= 2; n++) { /* its eventfd, its thread */
        zrpc_resource_fail_at(n);
        CHECK_CODE(zrpc_channel_new(&connector, &quick, &channel, &err), ZRPC_ERR_SYSTEM);
    }
    zrpc_resource_fail_at(1); /* the thread of an attempt */
    CHECK_CODE(ping(&err), ZRPC_ERR_UNAVAILABLE);
    zrpc_resource_fail_at(0);
    CHECK_OK(ping_with("again", &options, NULL, &err));
    stop();
}

static const struct zrpc_test tests[] = {
    {"calls and states", calls_and_states},
    {"it can connect before the first call", it_can_connect_before_the_first_call},
    {"handlers refuse", handlers_refuse},
    {"a very long listing", a_very_long_listing},
    {"arguments that cannot be sent", arguments_that_cannot_be_sent},
    {"many callers at once", many_callers_at_once},
    {"a slow handler stops nobody", a_slow_handler_stops_nobody},
    {"deadlines end calls on both sides", deadlines_end_calls_on_both_sides},
    {"callers cancel", callers_cancel},
    {"callers cancel while there is no connection", callers_cancel_while_there_is_no_connection},
    {"failures to connect", failures_to_connect},
    {"waiting for READY", waiting_for_ready},
    {"lost calls fail and the next succeed", lost_calls_fail_and_the_next_succeed},
    {"too_many_pings goes unseen", too_many_pings_goes_unseen},
    {"a GOAWAY that the caller reads", a_goaway_that_the_caller_reads},
    {"a GOAWAY after a failed write", a_goaway_after_a_failed_write},
    {"connections that drain are all read", connections_that_drain_are_all_read},
    {"a stuck log sink stops nobody", a_stuck_log_sink_stops_nobody},
    {"the last words of a server arrive", the_last_words_of_a_server_arrive},
    {"refused streams are sent again", refused_streams_are_sent_again},
    {"sending again has an end", sending_again_has_an_end},
    {"a pause before sending again ends with the call", a_pause_before_sending_again_ends_with_the_call},
    {"without SETTINGS it is no connection", without_settings_it_is_no_connection},
    {"dead servers are noticed", dead_servers_are_noticed},
    {"graceful restarts go unseen", graceful_restarts_go_unseen},
    {"a server stops in time", a_server_stops_in_time},
    {"shutdown lets running calls finish", shutdown_lets_running_calls_finish},
    {"shutdown ends calls at its deadline", shutdown_ends_calls_at_its_deadline},
    {"closing interrupts an attempt", closing_interrupts_an_attempt},
    {"an unused channel can be freed", an_unused_channel_can_be_freed},
    {"memory runs out at every step", memory_runs_out_at_every_step},
    {"descriptors and threads run out", descriptors_and_threads_run_out},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("channel", tests, argc, argv);
}
