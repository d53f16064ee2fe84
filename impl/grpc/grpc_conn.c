#include "zrpc/grpc_conn.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "zrpc/pb.h"

#define READ_SIZE 65536
#define LINGER    (1 * ZRPC_SECOND) /* for the client to read our last words before the wire is closed */

/* A call on its way through a handler. */
struct job {
    struct zrpc_grpc_conn *conn;
    struct zrpc_grpc_server_call *call;
    struct job *next;
    enum zrpc_grpc_status status;
    zrpc_time begun;
    struct zrpc_error error;
    struct zrpc_buf response;
};

struct zrpc_grpc_conn {
    struct zrpc_wire *wire;
    struct zrpc_grpc_server *server;
    struct zrpc_grpc_conn_options options;
    int wake_fd;
    _Atomic zrpc_time stop_at; /* ZRPC_NEVER: not asked to */
    bool stopping;
    bool blocked;    /* the wire takes no more bytes now */
    size_t jobs_out; /* on the pool, the loop's count */
    uint8_t *read_buf;
    pthread_mutex_t lock;
    pthread_cond_t returned; /* a job is back */
    struct job *done;        /* under lock, newest first */
};

static void wake(struct zrpc_grpc_conn *c)
{
    const uint64_t one = 1;

    /* It cannot fail but for a full counter, which wakes just as well. */
    if (write(c->wake_fd, &one, sizeof one) < 0)
        return;
}

/* Another connection of the client has given something back. */
static void ask_again(void *ctx)
{
    wake(ctx);
}

/*
 * Handlers.
 */
static enum zrpc_grpc_status status_of(int code)
{
    switch (code) {
    case ZRPC_ERR_NOMEM:
    case ZRPC_ERR_TOO_BIG:
    case ZRPC_ERR_LIMIT:
        return ZRPC_GRPC_RESOURCE_EXHAUSTED;
    default:
        return ZRPC_GRPC_INTERNAL;
    }
}

static int call_handler(struct job *job, const ProtobufCMessage *req, ProtobufCMessage *res)
{
    const struct zrpc_grpc_conn_options *options = &job->conn->options;
    struct zrpc_grpc_server_call *call = job->call;
    int rc = 0;

    if (options->intercept != NULL)
        rc = options->intercept(options->intercept_ctx, &call->context, &job->error);
    if (rc == 0)
        rc = call->method->handler(call->service->ctx, &call->context, req, res, &job->error);
    job->status = rc == 0 ? ZRPC_GRPC_OK : rc > 0 ? (enum zrpc_grpc_status)rc : ZRPC_GRPC_UNKNOWN;
    if (rc != 0)
        return 0;
    return zrpc_grpc_put_message(res, options->server.response_max, &job->response, &job->error);
}

static void handle(struct job *job)
{
    const struct zrpc_grpc_method *method = job->call->method;
    ProtobufCMessage *req = NULL, *res = NULL;
    int rc = zrpc_pb_decode(method->request, zrpc_buf_view(&job->call->reader.message), &req, &job->error);

    zrpc_buf_dispose(&job->call->reader.message); /* decoding has copied it */
    if (rc == 0 && (res = malloc(method->response->sizeof_message)) == NULL)
        rc = zrpc_fail(&job->error, ZRPC_ERR_NOMEM, "no memory for a response");
    if (rc == 0) {
        protobuf_c_message_init(method->response, res);
        rc = call_handler(job, req, res);
    }
    if (rc < 0)
        job->status = status_of(rc);
    if (res != NULL)
        protobuf_c_message_free_unpacked(res, NULL);
    if (req != NULL)
        protobuf_c_message_free_unpacked(req, NULL);
}

/* One line for each call, by the thread that handled it; prompt ones are many and say little. */
static void log_call(const struct job *job)
{
    const struct zrpc_call *call = &job->call->context;
    char took[ZRPC_DURATION_TEXT_MAX];

    if (call->log == NULL)
        return;
    zrpc_duration_format(zrpc_now() - job->begun, took);
    if (job->status != ZRPC_GRPC_OK)
        zrpc_log(call->log, ZRPC_LOG_INFO, "refused", "method", call->method, "status",
                 zrpc_grpc_status_name(job->status), "took", took, "reason", job->error.text, NULL);
    else
        zrpc_log(call->log, job->call->method->prompt ? ZRPC_LOG_DEBUG : ZRPC_LOG_INFO, "served", "method",
                 call->method, "took", took, NULL);
}

static void run_job(struct job *job)
{
    if (atomic_load(&job->call->context.cancelled)) { /* while it waited for a thread */
        job->status = ZRPC_GRPC_CANCELLED;
        zrpc_fail(&job->error, ZRPC_ERR_CANCELLED, "cancelled before it began");
    } else {
        handle(job);
    }
    log_call(job);
}

static void run_pool_job(void *arg)
{
    struct job *job = arg;
    struct zrpc_grpc_conn *c = job->conn;
    bool first;

    run_job(job);
    pthread_mutex_lock(&c->lock);
    first = c->done == NULL;
    job->next = c->done;
    c->done = job;
    if (first)
        wake(c);
    pthread_cond_signal(&c->returned);
    pthread_mutex_unlock(&c->lock);
}

static int finish(struct job *job, struct zrpc_error *err)
{
    return zrpc_grpc_server_finish(job->conn->server, job->call, job->status, job->error.text, &job->response,
                                   err);
}

static int refuse(struct zrpc_grpc_conn *c, struct zrpc_grpc_server_call *call, const char *text,
                  struct zrpc_error *err)
{
    return zrpc_grpc_server_finish(c->server, call, ZRPC_GRPC_RESOURCE_EXHAUSTED, text, NULL, err);
}

static int dispatch(struct zrpc_grpc_conn *c, struct zrpc_grpc_server_call *call, struct zrpc_error *err)
{
    struct job *job, prompt = {.conn = c, .call = call, .begun = zrpc_now()};
    struct zrpc_error why;
    int rc;

    if (zrpc_grpc_server_prompt(c->server, call) || c->options.pool == NULL) {
        run_job(&prompt);
        return finish(&prompt, err);
    }
    job = calloc(1, sizeof *job);
    if (job == NULL)
        return refuse(c, call, "no memory for the call", err);
    job->conn = c;
    job->call = call;
    job->begun = prompt.begun;
    rc = zrpc_workpool_submit(c->options.pool, run_pool_job, job, &why);
    if (rc < 0) {
        free(job);
        return refuse(c, call, why.text, err);
    }
    c->jobs_out++;
    return 0;
}

/* Jobs that are back, in the order they came back. */
static struct job *take_done(struct zrpc_grpc_conn *c)
{
    struct job *newest, *oldest = NULL, *next;

    if (c->jobs_out == 0)
        return NULL;
    pthread_mutex_lock(&c->lock);
    newest = c->done;
    c->done = NULL;
    pthread_mutex_unlock(&c->lock);
    for (; newest != NULL; newest = next) {
        next = newest->next;
        newest->next = oldest;
        oldest = newest;
    }
    return oldest;
}

static int finish_done(struct zrpc_grpc_conn *c, struct zrpc_error *err)
{
    struct job *next;
    int rc = 0;

    for (struct job *job = take_done(c); job != NULL; job = next) {
        int finished = finish(job, rc == 0 ? err : NULL);

        rc = rc == 0 ? finished : rc;
        next = job->next;
        free(job);
        c->jobs_out--;
    }
    return rc;
}

static int handle_calls(struct zrpc_grpc_conn *c, struct zrpc_error *err)
{
    struct zrpc_grpc_server_call *call;
    int rc = finish_done(c, err);

    while (rc == 0 && (call = zrpc_grpc_server_next(c->server)) != NULL)
        rc = dispatch(c, call, err);
    return rc;
}

/*
 * The loop.
 */
static int flush(struct zrpc_grpc_conn *c, struct zrpc_error *err)
{
    for (;;) {
        struct zrpc_view out;
        struct iovec iov;
        ssize_t n;
        int rc = zrpc_grpc_server_output(c->server, &out, err);

        if (rc < 0 || out.len == 0)
            return rc;
        iov = (struct iovec){.iov_base = (uint8_t *)out.data, .iov_len = out.len};
        n = zrpc_wire_writev(c->wire, &iov, 1, err);
        if (n < 0 && n != ZRPC_ERR_AGAIN)
            return (int)n;
        if (n > 0 && c->blocked)
            zrpc_grpc_server_unblocked(c->server, zrpc_now());
        c->blocked = n < 0;
        if (c->blocked)
            return 0;
        zrpc_grpc_server_sent(c->server, (size_t)n);
    }
}

/* Waits for the wire, for handlers, or for the time. True: there may be something to read. */
static bool wait_for_work(struct zrpc_grpc_conn *c, zrpc_time until)
{
    struct pollfd fds[3] = {{.fd = c->wake_fd, .events = POLLIN}, zrpc_wire_wait(c->wire, ZRPC_READ)};
    bool hurry = fds[1].fd < 0;
    nfds_t n = 2;
    uint64_t count;

    if (c->blocked) {
        fds[n] = zrpc_wire_wait(c->wire, ZRPC_WRITE);
        hurry = hurry || fds[n].fd < 0;
        n++;
    }
    if (poll(fds, n, hurry ? 0 : zrpc_poll_timeout(zrpc_now(), until)) < 0)
        return false;
    if (fds[0].revents != 0 && read(c->wake_fd, &count, sizeof count) < 0)
        return false;
    return fds[1].fd < 0 || fds[1].revents != 0;
}

/* 0: read what there was; ZRPC_ERR_END; or what went wrong. */
static int receive(struct zrpc_grpc_conn *c, struct zrpc_error *err)
{
    struct iovec iov = {.iov_base = c->read_buf, .iov_len = READ_SIZE};
    ssize_t n = zrpc_wire_readv(c->wire, &iov, 1, err);

    if (n == ZRPC_ERR_AGAIN)
        return 0;
    if (n == 0)
        return zrpc_fail(err, ZRPC_ERR_END, "the client closed the connection");
    if (n < 0)
        return (int)n;
    return zrpc_grpc_server_input(c->server, zrpc_now(), zrpc_view(c->read_buf, (size_t)n), err);
}

static int check_stop(struct zrpc_grpc_conn *c, zrpc_time now, struct zrpc_error *err)
{
    zrpc_time stop_at = atomic_load(&c->stop_at);

    if (stop_at == ZRPC_NEVER)
        return 0;
    if (now >= stop_at)
        return zrpc_fail(err, ZRPC_ERR_CLOSED, "the server stops");
    if (c->stopping)
        return 0;
    c->stopping = true;
    return zrpc_grpc_server_shutdown(c->server, now, err);
}

static int loop(struct zrpc_grpc_conn *c, struct zrpc_error *err)
{
    for (;;) {
        zrpc_time now = zrpc_now();
        int rc = check_stop(c, now, err);

        if (rc == 0)
            rc = zrpc_grpc_server_tick(c->server, now, err);
        if (rc == 0)
            rc = handle_calls(c, err);
        if (rc == 0)
            rc = flush(c, err);
        if (rc < 0 || zrpc_grpc_server_ended(c->server))
            return rc;
        if (wait_for_work(c, zrpc_earlier(zrpc_grpc_server_wakeup(c->server), atomic_load(&c->stop_at))))
            rc = receive(c, err);
        if (rc < 0)
            return rc;
    }
}

/* Half-closes and reads until the client is gone too: closing at once could destroy what it has not read. */
static void linger(struct zrpc_grpc_conn *c)
{
    zrpc_time until = zrpc_now() + LINGER;
    struct iovec iov = {.iov_base = c->read_buf, .iov_len = READ_SIZE};
    ssize_t n = ZRPC_ERR_AGAIN;
    int rc = zrpc_wire_close_write(c->wire, NULL);

    while ((n > 0 || n == ZRPC_ERR_AGAIN) && (rc == 0 || rc == ZRPC_ERR_AGAIN) && zrpc_now() < until) {
        c->blocked = rc == ZRPC_ERR_AGAIN;
        if (wait_for_work(c, until))
            n = zrpc_wire_readv(c->wire, &iov, 1, NULL);
        if (c->blocked)
            rc = zrpc_wire_close_write(c->wire, NULL);
    }
}

static void await_handlers(struct zrpc_grpc_conn *c)
{
    zrpc_grpc_server_disconnected(c->server);
    while (c->jobs_out > 0) {
        pthread_mutex_lock(&c->lock);
        while (c->done == NULL)
            pthread_cond_wait(&c->returned, &c->lock);
        pthread_mutex_unlock(&c->lock);
        finish_done(c, NULL);
    }
}

int zrpc_grpc_conn_run(struct zrpc_grpc_conn *c, struct zrpc_error *err)
{
    struct zrpc_error why = {0};
    int rc = loop(c, &why);

    /* Real clients vanish without a word when they end. */
    if ((rc == ZRPC_ERR_END || rc == ZRPC_ERR_RESET) && zrpc_grpc_server_open_calls(c->server) == 0)
        rc = 0;
    if (rc < 0)
        zrpc_fail(err, rc, "%s", why.text);
    /* Cancelled now, so that handlers can return while the client reads its last. */
    zrpc_grpc_server_cancel_all(c->server);
    if (rc == 0 || rc == ZRPC_ERR_HTTP2 || rc == ZRPC_ERR_CLOSED) {
        flush(c, NULL);
        linger(c);
    }
    zrpc_wire_close(c->wire);
    c->wire = NULL;
    await_handlers(c);
    return rc;
}

void zrpc_grpc_conn_stop(struct zrpc_grpc_conn *c, zrpc_time deadline)
{
    zrpc_time before = atomic_load(&c->stop_at);

    while (deadline < before && !atomic_compare_exchange_weak(&c->stop_at, &before, deadline))
        continue;
    wake(c);
}

int zrpc_grpc_conn_new(struct zrpc_wire *wire, const struct zrpc_grpc_conn_options *options,
                       struct zrpc_grpc_conn **out, struct zrpc_error *err)
{
    struct zrpc_grpc_conn *c = calloc(1, sizeof *c);
    int rc;

    if (c == NULL) {
        zrpc_wire_close(wire);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a gRPC connection");
    }
    c->wire = wire;
    c->options = *options;
    if (c->options.server.response_max == 0)
        c->options.server.response_max = ZRPC_GRPC_RESPONSE_MAX_DEFAULT;
    c->options.server.no_prompt = c->options.server.no_prompt || options->intercept != NULL;
    c->options.server.wake = ask_again;
    c->options.server.wake_ctx = c;
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_init(&c->stop_at, ZRPC_NEVER);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->returned, NULL);
    c->read_buf = malloc(READ_SIZE);
    if (c->wake_fd < 0)
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "eventfd");
    else if (c->read_buf == NULL)
        rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a gRPC connection");
    else
        rc = zrpc_grpc_server_new(&c->options.server, zrpc_now(), &c->server, err);
    if (rc < 0) {
        zrpc_grpc_conn_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void zrpc_grpc_conn_free(struct zrpc_grpc_conn *c)
{
    if (c == NULL)
        return;
    zrpc_grpc_server_free(c->server);
    zrpc_wire_close(c->wire);
    if (c->wake_fd >= 0)
        close(c->wake_fd);
    pthread_cond_destroy(&c->returned);
    pthread_mutex_destroy(&c->lock);
    free(c->read_buf);
    free(c);
}
