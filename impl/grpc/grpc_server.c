#include "zrpc/grpc_server.h"

#include <stdio.h>
#include <stdlib.h>

#include "grpc/grpc_server_impl.h"

#define SHUTDOWN_PING_TIMEOUT (1 * ZRPC_SECOND)

/*
 * Calls.
 */
void zrpc_grpc_server_dispose_call(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    s->n_calls--;
    zrpc_grpc_server_drop_request(s, call);
    zrpc_grpc_server_drop_response(s, call);
    if (!call->closed)
        zrpc_grpc_account_give_back(&s->member, (struct grpc_use){.streams = 1});
    free(call);
}

struct zrpc_grpc_server_call *zrpc_grpc_server_new_call(struct zrpc_grpc_server *s, int32_t stream_id)
{
    const struct zrpc_grpc_server_options *o = &s->options;
    struct zrpc_grpc_server_call *call = calloc(1, sizeof *call);

    if (call == NULL)
        return NULL;
    call->context = (struct zrpc_call){
        .method = "",
        .client_identity = o->client_identity,
        .peer = o->peer,
        .deadline = ZRPC_NEVER,
        .log = o->log,
        .user = o->user,
    };
    zrpc_grpc_reader_init(&call->reader, o->request_max);
    zrpc_h2_fields_init(&call->fields);
    call->serve_at = ZRPC_NEVER;
    call->stream_id = stream_id;
    call->next = s->calls;
    call->link = &s->calls;
    if (s->calls != NULL)
        s->calls->link = &call->next;
    s->calls = call;
    s->n_calls++;
    return call;
}

/* The stream is closed: nothing more can be said to the client. */
static void close_call(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    atomic_store(&call->context.cancelled, true);
    call->closed = true;
    zrpc_grpc_account_give_back(&s->member, (struct grpc_use){.streams = 1});
    if (call->stage != ZRPC_GRPC_TAKEN) /* who has taken it gives it back by finish() */
        zrpc_grpc_server_dispose_call(s, call);
}

void zrpc_grpc_server_make_ready(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    zrpc_grpc_server_leave_queue(call);
    call->stage = ZRPC_GRPC_QUEUED;
    call->serve_at = ZRPC_NEVER;
    zrpc_grpc_server_enqueue(&s->ready, call);
}

/*
 * Answers.
 */
static ssize_t read_response_cb(nghttp2_session *ng, int32_t stream_id, uint8_t *buf, size_t len,
                                uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    static const nghttp2_nv trailers[] = {H2_LITERAL("grpc-status", "0")};
    struct zrpc_grpc_server *s = user_data;
    struct zrpc_grpc_server_call *call = nghttp2_session_get_stream_user_data(ng, stream_id);
    size_t n;

    (void)source;
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    n = call->response.len < len ? call->response.len : len;
    memcpy(buf, zrpc_buf_view(&call->response).data, n);
    zrpc_buf_consume(&call->response, n);
    call->progress_at = s->progress_at = s->h2.now;
    if (call->response.len > 0)
        return (ssize_t)n;
    zrpc_grpc_server_drop_response(s, call);
    *data_flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (nghttp2_submit_trailer(ng, stream_id, trailers, 1) != 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return (ssize_t)n;
}

/* Nothing more can be said to the client. A handler that is at work keeps the request. */
static void answered(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    call->answered = true;
    if (call->stage != ZRPC_GRPC_TAKEN)
        zrpc_grpc_server_drop_request(s, call);
}

/* Without memory for an answer the stream is reset; without memory for that, the connection has to end. */
static int submitted(struct zrpc_grpc_server *s, const struct zrpc_grpc_server_call *call, int rv)
{
    if (rv == NGHTTP2_ERR_NOMEM)
        rv = nghttp2_submit_rst_stream(s->h2.ng, NGHTTP2_FLAG_NONE, call->stream_id, NGHTTP2_INTERNAL_ERROR);
    return rv;
}

static int answer_response(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    static const nghttp2_nv nv[] = {H2_LITERAL(":status", "200"),
                                    H2_LITERAL("content-type", "application/grpc")};
    const nghttp2_data_provider body = {.read_callback = read_response_cb};

    answered(s, call);
    return submitted(s, call, nghttp2_submit_response(s->h2.ng, call->stream_id, nv, 2, &body));
}

int zrpc_grpc_server_answer_http(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                                 const char *http_status, enum zrpc_grpc_status status, const char *text)
{
    char number[4], message[ZRPC_GRPC_MESSAGE_MAX];
    size_t len = zrpc_grpc_message_encode(zrpc_view_of(text), message, sizeof message);
    const uint8_t copied = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_INDEX;
    nghttp2_nv nv[] = {
        H2_HEADER(":status", http_status, strlen(http_status), NGHTTP2_NV_FLAG_NO_COPY_NAME),
        H2_LITERAL("content-type", "application/grpc"),
        H2_HEADER("grpc-status", number, (size_t)snprintf(number, sizeof number, "%d", status), copied),
        H2_HEADER("grpc-message", message, len, copied),
        H2_LITERAL("grpc-accept-encoding", "identity"),
        H2_LITERAL("allow", "POST"),
    };
    size_t n = sizeof nv / sizeof nv[0] - (strcmp(http_status, "405") == 0 ? 0 : 1);

    answered(s, call);
    return submitted(s, call, nghttp2_submit_response(s->h2.ng, call->stream_id, nv, n, NULL));
}

int zrpc_grpc_server_answer_status(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                                   enum zrpc_grpc_status status, const char *text)
{
    atomic_store(&call->context.cancelled, true);
    return zrpc_grpc_server_answer_http(s, call, "200", status, text);
}

int zrpc_grpc_server_reset_call(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                                uint32_t h2_error)
{
    atomic_store(&call->context.cancelled, true);
    answered(s, call);
    return nghttp2_submit_rst_stream(s->h2.ng, NGHTTP2_FLAG_NONE, call->stream_id, h2_error);
}

/*
 * The connection.
 */
static int on_stream_close_cb(nghttp2_session *ng, int32_t stream_id, uint32_t h2_error, void *user_data)
{
    struct zrpc_grpc_server_call *call = nghttp2_session_get_stream_user_data(ng, stream_id);

    (void)h2_error;
    if (call != NULL) {
        nghttp2_session_set_stream_user_data(ng, stream_id, NULL);
        close_call(user_data, call);
    }
    return 0;
}

static int on_frame_send_cb(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
    struct zrpc_grpc_server *s = user_data;

    zrpc_h2_frame_sent(&s->h2, frame);
    if (frame->hd.type != NGHTTP2_HEADERS || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    /* The answer is complete, the request is not: nobody will read the rest of it. */
    if (nghttp2_session_get_stream_remote_close(ng, frame->hd.stream_id) == 0 &&
        nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static void add_callbacks(nghttp2_session_callbacks *cb)
{
    zrpc_grpc_server_add_request_callbacks(cb);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close_cb);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send_cb);
}

static void set_defaults(struct zrpc_grpc_server_options *o)
{
    if (o->request_max == 0)
        o->request_max = ZRPC_GRPC_REQUEST_MAX_DEFAULT;
    if (o->response_max == 0)
        o->response_max = ZRPC_GRPC_RESPONSE_MAX_DEFAULT;
    if (o->max_streams == 0)
        o->max_streams = ZRPC_GRPC_MAX_STREAMS_DEFAULT;
    if (o->budget == 0)
        o->budget = ZRPC_GRPC_BUDGET_DEFAULT;
    if (o->handlers_max == 0)
        o->handlers_max = ZRPC_GRPC_HANDLERS_DEFAULT;
    if (o->stall_timeout == 0)
        o->stall_timeout = ZRPC_GRPC_STALL_TIMEOUT_DEFAULT;
}

int zrpc_grpc_server_new(const struct zrpc_grpc_server_options *options, zrpc_time now,
                         struct zrpc_grpc_server **out, struct zrpc_error *err)
{
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, ZRPC_GRPC_HEADERS_MAX},
    };
    struct zrpc_grpc_server *s = calloc(1, sizeof *s);
    struct h2_config config = {
        .server = true,
        .user_data = s,
        .callbacks = add_callbacks,
        .settings = settings,
        .n_settings = sizeof settings / sizeof settings[0],
        .keepalive = &options->keepalive,
    };
    int rc;

    if (s == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a gRPC server");
    s->options = *options;
    set_defaults(&s->options);
    settings[0].value = s->options.max_streams;
    s->next_time = ZRPC_NEVER;
    s->final_goaway_at = ZRPC_NEVER;
    rc = zrpc_grpc_server_budget_init(s, err);
    if (rc == 0)
        rc = zrpc_h2_init(&s->h2, &config, now, err);
    if (rc < 0) {
        zrpc_grpc_server_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void zrpc_grpc_server_free(struct zrpc_grpc_server *s)
{
    if (s == NULL)
        return;
    while (s->calls != NULL)
        zrpc_grpc_server_dispose_call(s, s->calls);
    zrpc_h2_dispose(&s->h2);
    zrpc_grpc_account_leave(&s->member);
    free(s);
}

int zrpc_grpc_server_finish(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                            enum zrpc_grpc_status status, const char *text, struct zrpc_buf *response,
                            struct zrpc_error *err)
{
    bool wanted = !call->closed && !call->answered;
    int rv = 0;

    if (!wanted || status != ZRPC_GRPC_OK)
        zrpc_grpc_server_drop_request(s, call);
    if (wanted && status != ZRPC_GRPC_OK)
        rv = zrpc_grpc_server_answer_http(s, call, "200", status, text);
    else if (wanted && zrpc_grpc_server_keep_response(s, call, response))
        rv = answer_response(s, call);
    else if (wanted)
        rv = zrpc_grpc_server_answer_http(s, call, "200", ZRPC_GRPC_RESOURCE_EXHAUSTED,
                                          "no room for the response beside those that are not read yet");
    if (response != NULL)
        zrpc_buf_dispose(response);
    if (call->closed)
        zrpc_grpc_server_dispose_call(s, call);
    return rv == 0 ? 0 : zrpc_h2_fail(err, rv, "answering a call");
}

/* A response that is on its way: when it has to be looked at again. */
static zrpc_time tick_response(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, zrpc_time now,
                               int *rv)
{
    zrpc_time stuck_at = zrpc_grpc_server_stuck_at(s, call);

    if (call->response.len == 0)
        return ZRPC_NEVER;
    if (now < stuck_at)
        return zrpc_earlier(stuck_at, zrpc_deadline(now, s->options.stall_timeout));
    zrpc_grpc_server_drop_response(s, call);
    *rv = zrpc_grpc_server_reset_call(s, call, NGHTTP2_ENHANCE_YOUR_CALM);
    return ZRPC_NEVER;
}

static zrpc_time tick_call(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, zrpc_time now,
                           int *rv)
{
    if (call->answered || call->closed)
        return tick_response(s, call, now, rv);
    if (now >= call->context.deadline) {
        *rv = zrpc_grpc_server_answer_status(s, call, ZRPC_GRPC_DEADLINE_EXCEEDED, "deadline exceeded");
        return ZRPC_NEVER;
    }
    if (now >= call->serve_at)
        zrpc_grpc_server_make_ready(s, call);
    return zrpc_earlier(call->context.deadline, call->serve_at);
}

static int tick_calls(struct zrpc_grpc_server *s, zrpc_time now)
{
    int rv = 0;

    s->next_time = ZRPC_NEVER;
    for (struct zrpc_grpc_server_call *call = s->calls; call != NULL && rv == 0; call = call->next)
        s->next_time = zrpc_earlier(s->next_time, tick_call(s, call, now, &rv));
    return rv;
}

/* When the client counts as gone that does not read what we have for it. */
static zrpc_time unread_at(const struct zrpc_grpc_server *s)
{
    return s->h2.output.len == 0 ? ZRPC_NEVER : zrpc_deadline(s->h2.sent_at, s->options.stall_timeout);
}

int zrpc_grpc_server_tick(struct zrpc_grpc_server *s, zrpc_time now, struct zrpc_error *err)
{
    int rv = 0, rc = 0;

    if (now >= s->next_time)
        rv = tick_calls(s, now);
    if (rv != 0)
        return zrpc_h2_fail(err, rv, "answering calls");
    if (now >= s->final_goaway_at) {
        s->final_goaway_at = ZRPC_NEVER;
        rc = zrpc_h2_final_goaway(&s->h2, err);
    }
    if (rc == 0)
        rc = zrpc_h2_keepalive(&s->h2, now, false, err);
    if (rc == 0 && now >= unread_at(s))
        rc = zrpc_fail(err, ZRPC_ERR_TIMEOUT, "the client has not read for %.3g s",
                       (double)s->options.stall_timeout / (double)ZRPC_SECOND);
    return rc;
}

zrpc_time zrpc_grpc_server_wakeup(const struct zrpc_grpc_server *s)
{
    zrpc_time when = zrpc_earlier(s->next_time, zrpc_keepalive_wakeup(&s->h2.keepalive));

    if (zrpc_grpc_server_startable(s))
        return s->h2.now;
    return zrpc_earlier(zrpc_earlier(when, unread_at(s)), s->final_goaway_at);
}

int zrpc_grpc_server_shutdown(struct zrpc_grpc_server *s, zrpc_time now, struct zrpc_error *err)
{
    int rv;

    if (s->shut_down)
        return 0;
    s->shut_down = true;
    rv = nghttp2_submit_shutdown_notice(s->h2.ng);
    if (rv != 0)
        return zrpc_h2_fail(err, rv, "GOAWAY");
    s->final_goaway_at = now + SHUTDOWN_PING_TIMEOUT;
    return zrpc_h2_ping(&s->h2, H2_PING_SHUTDOWN, err);
}

void zrpc_grpc_server_cancel_all(struct zrpc_grpc_server *s)
{
    for (struct zrpc_grpc_server_call *call = s->calls; call != NULL; call = call->next)
        atomic_store(&call->context.cancelled, true);
    zrpc_grpc_account_no_start(&s->member); /* nobody takes its turn */
}

void zrpc_grpc_server_disconnected(struct zrpc_grpc_server *s)
{
    struct zrpc_grpc_server_call *next;

    for (struct zrpc_grpc_server_call *call = s->calls; call != NULL; call = next) {
        next = call->next;
        if (call->closed)
            continue;
        nghttp2_session_set_stream_user_data(s->h2.ng, call->stream_id, NULL);
        close_call(s, call);
    }
    zrpc_grpc_account_no_start(&s->member);
}

int zrpc_grpc_server_input(struct zrpc_grpc_server *s, zrpc_time now, struct zrpc_view in,
                           struct zrpc_error *err)
{
    return zrpc_h2_input(&s->h2, now, in, err);
}

int zrpc_grpc_server_output(struct zrpc_grpc_server *s, struct zrpc_view *out, struct zrpc_error *err)
{
    int rv = zrpc_grpc_server_give_leave(s);

    return rv == 0 ? zrpc_h2_output(&s->h2, out, err) : zrpc_h2_fail(err, rv, "WINDOW_UPDATE");
}

void zrpc_grpc_server_sent(struct zrpc_grpc_server *s, size_t n)
{
    zrpc_h2_sent(&s->h2, n);
}

void zrpc_grpc_server_unblocked(struct zrpc_grpc_server *s, zrpc_time now)
{
    zrpc_keepalive_alive(&s->h2.keepalive, now);
}

bool zrpc_grpc_server_ended(const struct zrpc_grpc_server *s)
{
    return zrpc_h2_ended(&s->h2);
}

size_t zrpc_grpc_server_open_calls(const struct zrpc_grpc_server *s)
{
    return s->n_calls;
}
