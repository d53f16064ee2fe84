#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dataconn/pump.h"
#include "zrpc/pb.h"

/* A request being served. The handler runs on a pool while this thread keeps the connection alive. */
struct serving {
    struct zrpc_dataconn_server machine;
    struct zrpc_pump pump;
    const struct zrpc_dataconn_service *service;
    struct zrpc_call *call;

    /* the job on a pool, at most one; what it fills is not touched before done_fd is readable */
    bool running;
    int (*job)(struct serving *s, struct zrpc_error *err);
    int job_rc;
    struct zrpc_error job_error;
    int done_fd;
    ProtobufCMessage *response;
    struct zrpc_source source;
    struct zrpc_sink sink;
};

static int server_input(struct zrpc_exchange *x, zrpc_time now, struct zrpc_view *in,
                        struct zrpc_view *content, struct zrpc_error *err)
{
    return zrpc_dataconn_server_input((struct zrpc_dataconn_server *)x, now, in, content, err);
}

/*
 * Jobs
 */
static int handle_ping(struct serving *s, struct zrpc_error *err)
{
    const Zrpc__Pb__PingReq *req = (const Zrpc__Pb__PingReq *)s->machine.request;

    return zrpc_pb_set_string(&((Zrpc__Pb__PingRes *)s->response)->echo, req->message, err);
}

static int handle_send(struct serving *s, struct zrpc_error *err)
{
    const Zrpc__Pb__SendReq *req = (const Zrpc__Pb__SendReq *)s->machine.request;
    const struct zrpc_handler_ops *ops = s->service->handler->ops;
    int rc;

    if (ops->send == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "send is not implemented");
    rc = ops->send(s->service->handler->ctx, s->call, req, (Zrpc__Pb__SendRes *)s->response, &s->source, err);
    if (rc == 0 && !req->dryrun && s->source.ops == NULL)
        rc = zrpc_fail(err, ZRPC_ERR_SOURCE, "the handler gave no stream");
    return rc;
}

static int handle_recv(struct serving *s, struct zrpc_error *err)
{
    const struct zrpc_handler_ops *ops = s->service->handler->ops;
    int rc;

    if (ops->receive == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "receive is not implemented");
    rc = ops->receive(s->service->handler->ctx, s->call, (const Zrpc__Pb__ReceiveReq *)s->machine.request,
                      &s->sink, err);
    if (rc == 0 && s->sink.ops == NULL)
        rc = zrpc_fail(err, ZRPC_ERR_SINK, "the handler gave no sink");
    return rc;
}

/* Closed before the answer: a client may begin its next receive as soon as it has that. */
static int finish_sink(struct serving *s, struct zrpc_error *err)
{
    int rc = s->pump.sink.ops->finish(s->pump.sink.ctx, err);

    zrpc_sink_close(&s->pump.sink);
    return rc;
}

static int handle(struct serving *s, struct zrpc_error *err)
{
    static int (*const by_method[ZRPC_DATACONN_METHODS])(struct serving * s, struct zrpc_error * err) = {
        [ZRPC_DATACONN_PING] = handle_ping,
        [ZRPC_DATACONN_SEND] = handle_send,
        [ZRPC_DATACONN_RECV] = handle_recv,
    };
    const struct zrpc_dataconn_service *service = s->service;
    int rc = 0;

    if (service->intercept != NULL)
        rc = service->intercept(service->intercept_ctx, s->call, err);
    return rc < 0 ? rc : by_method[s->machine.endpoint->method](s, err);
}

static void run_job(void *arg)
{
    struct serving *s = arg;

    s->job_rc = s->job(s, &s->job_error);
    eventfd_write(s->done_fd, 1);
}

/*
 * The connection's thread
 */
static int refuse(struct serving *s, const char *text, struct zrpc_error *err)
{
    zrpc_log(s->call->log, ZRPC_LOG_INFO, "refused", "method", s->call->method, "reason", text, NULL);
    return zrpc_dataconn_server_refuse(&s->machine, zrpc_now(), text, err);
}

static int start(struct serving *s, struct zrpc_workpool *pool,
                 int (*job)(struct serving *, struct zrpc_error *), struct zrpc_error *err)
{
    struct zrpc_error why;

    s->job = job;
    s->job_error = (struct zrpc_error){0};
    s->running = true;
    if (zrpc_workpool_submit(pool, run_job, s, &why) == 0)
        return 0;
    s->running = false;
    return refuse(s, why.text, err);
}

static int start_handler(struct serving *s, struct zrpc_error *err)
{
    const struct zrpc_dataconn_endpoint *endpoint = s->machine.endpoint;

    s->call->method = endpoint->path;
    s->response = calloc(1, endpoint->response->sizeof_message);
    if (s->response == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a response");
    protobuf_c_message_init(endpoint->response, s->response);
    s->pump.watching = true;
    return start(s, s->service->pools.handlers, handle, err);
}

static int on_phase(struct serving *s, struct zrpc_error *err)
{
    if (s->machine.phase == ZRPC_PHASE_HANDLER)
        return start_handler(s, err);
    if (s->machine.phase == ZRPC_PHASE_FINISH)
        return start(s, s->service->pools.finishers, finish_sink, err);
    if (s->machine.refused.code != ZRPC_OK) {
        zrpc_sink_close(&s->pump.sink); /* likewise */
        zrpc_log(s->call->log, ZRPC_LOG_WARN, "refused", "method",
                 s->machine.endpoint == NULL ? "?" : s->machine.endpoint->path, "reason",
                 s->machine.refused.text, NULL);
    }
    return 0;
}

/* done_fd is readable: what the job filled is ours again. */
static void collect_job(struct serving *s)
{
    eventfd_t ignored;

    eventfd_read(s->done_fd, &ignored);
    s->running = s->pump.watching = false;
}

static int on_woken(struct serving *s, struct zrpc_error *err)
{
    collect_job(s);
    if (s->job_rc < 0)
        return refuse(s, s->job_error.text, err);
    if (s->sink.ops != NULL) {
        zrpc_pump_set_sink(&s->pump, &s->sink);
        zrpc_dataconn_server_receive(&s->machine);
        return 0;
    }
    if (s->machine.endpoint->method == ZRPC_DATACONN_SEND &&
        ((Zrpc__Pb__SendReq *)s->machine.request)->dryrun)
        zrpc_source_close(&s->source);
    if (s->source.ops != NULL) {
        zrpc_pump_set_source(&s->pump, &s->source);
        return zrpc_dataconn_server_respond(&s->machine, zrpc_now(), s->response, true, err);
    }
    return zrpc_dataconn_server_respond(&s->machine, zrpc_now(), s->response, false, err);
}

static int on_sent(struct serving *s, struct zrpc_error *err)
{
    (void)err;
    s->machine.phase = ZRPC_PHASE_DONE;
    if (s->pump.source_error.code != ZRPC_OK)
        zrpc_log(s->call->log, ZRPC_LOG_WARN, "source failed", "method", s->call->method, "reason",
                 s->pump.source_error.text, NULL);
    return 0;
}

static int (*const on_event[])(struct serving *s, struct zrpc_error *err) = {
    [ZRPC_PUMP_PHASE] = on_phase,
    [ZRPC_PUMP_SENT] = on_sent,
    [ZRPC_PUMP_WOKEN] = on_woken,
};

/* Until the request is whole, a stop ends it; from then on only what cancels it. */
static int await_request(struct serving *s, struct zrpc_error *err)
{
    const struct zrpc_cancel *cancel = s->pump.cancel;
    int rc;

    if (s->service->stop != NULL)
        s->pump.cancel = s->service->stop;
    rc = zrpc_pump_run(&s->pump, err);
    s->pump.cancel = cancel;
    if (rc == ZRPC_ERR_CANCELLED && s->service->stop != NULL) {
        rc = zrpc_dataconn_server_refuse(&s->machine, zrpc_now(), "the server is stopping", err);
        return rc < 0 ? rc : zrpc_fail(err, ZRPC_ERR_CLOSED, "stopped before the request was whole");
    }
    return rc == ZRPC_PUMP_PHASE ? on_phase(s, err) : rc;
}

static int serve(struct serving *s, struct zrpc_error *err)
{
    int rc = await_request(s, err);

    while (rc == 0 && (s->machine.phase != ZRPC_PHASE_DONE || s->running)) {
        rc = zrpc_pump_run(&s->pump, err);
        if (rc == ZRPC_ERR_SINK) {          /* an early refusal: the stream has not ended yet (ZR-REQ-*) */
            zrpc_sink_close(&s->pump.sink); /* likewise */
            rc = refuse(s, err->text, err);
        } else if (rc > 0) {
            rc = on_event[rc](s, err);
        }
    }
    return rc;
}

/* The handler cannot be interrupted, only told; what it holds is needed until it returns. */
static void await_job(struct serving *s)
{
    struct pollfd done = {.fd = s->done_fd, .events = POLLIN};

    atomic_store(&s->call->cancelled, true);
    while (s->running)
        if (poll(&done, 1, -1) == 1)
            collect_job(s);
}

int zrpc_dataconn_serve(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options,
                        const struct zrpc_dataconn_service *service, struct zrpc_call *call,
                        struct zrpc_error *err)
{
    struct serving s = {.service = service, .call = call};
    int rc;

    s.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s.done_fd < 0) {
        zrpc_wire_close(wire);
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "eventfd");
    }
    zrpc_dataconn_server_init(&s.machine, &options->heartbeat, zrpc_now());
    zrpc_pump_init(&s.pump, wire, &s.machine.x, server_input, options);
    s.pump.wake_fd = s.done_fd;

    rc = serve(&s, err);
    await_job(&s);
    zrpc_source_close(&s.source);
    zrpc_sink_close(&s.sink);
    if (rc < 0) /* the client may be back before the farewell is over */
        zrpc_sink_close(&s.pump.sink);
    if (rc == 0 && s.machine.refused.code == ZRPC_OK) {
        char bytes[24];

        snprintf(bytes, sizeof bytes, "%" PRIu64, s.pump.moved);
        zrpc_log(call->log, ZRPC_LOG_INFO, "served", "method", call->method, "bytes", bytes, NULL);
    }
    zrpc_pump_end(&s.pump, rc);
    zrpc_pump_dispose(&s.pump);
    if (s.response != NULL)
        protobuf_c_message_free_unpacked(s.response, NULL);
    zrpc_dataconn_server_dispose(&s.machine);
    close(s.done_fd);
    return rc;
}
