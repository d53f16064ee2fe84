#include "zrpc/grpc_client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "grpc/grpc_client_impl.h"

/*
 * Calls: the list of open ones, and their ends.
 */
static void link_call(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call)
{
    call->open = true;
    call->next = c->open;
    call->link = &c->open;
    if (c->open != NULL)
        c->open->link = &call->next;
    c->open = call;
    c->n_open++;
    c->next_deadline = zrpc_earlier(c->next_deadline, call->deadline);
}

void zrpc_grpc_client_finish_call(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call,
                                  enum zrpc_grpc_status status)
{
    if (call->stream_id > 0)
        nghttp2_session_set_stream_user_data(c->h2.ng, call->stream_id, NULL);
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    call->open = false;
    c->n_open--;
    call->result.status = status;
    if (status == ZRPC_GRPC_OK) {
        call->response = call->reader.message;
        call->reader.message = (struct zrpc_buf){0};
    }
    zrpc_grpc_reader_dispose(&call->reader);
    call->next = NULL;
    *c->done_end = call;
    c->done_end = &call->next;
}

void zrpc_grpc_client_fail_call(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call,
                                enum zrpc_grpc_status status, int code, const char *fmt, ...)
{
    char text[ZRPC_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    zrpc_fail(&call->result.error, code, "%s", text);
    zrpc_buf_dispose(&call->result.long_text);
    zrpc_grpc_client_finish_call(c, call, status);
}

void zrpc_grpc_client_reset_call(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call, uint32_t h2_error)
{
    nghttp2_submit_rst_stream(c->h2.ng, NGHTTP2_FLAG_NONE, call->stream_id, h2_error);
}

/* What was not even handed to the wire, the server has not seen. */
static bool never_sent(const struct zrpc_grpc_client *c, const struct zrpc_grpc_call *call)
{
    return !call->headers_sent || c->h2.bytes_sent <= call->headers_at;
}

/*
 * Requests.
 */
static int before_frame_send_cb(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
    struct zrpc_grpc_client *c = user_data;
    struct zrpc_grpc_call *call;

    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    call = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    if (call != NULL) {
        call->headers_sent = true;
        call->headers_at = c->h2.bytes_queued;
    }
    return 0;
}

static int on_frame_send_cb(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
    struct zrpc_grpc_client *c = user_data;

    (void)ng;
    zrpc_h2_frame_sent(&c->h2, frame);
    return 0;
}

static ssize_t read_request_cb(nghttp2_session *ng, int32_t stream_id, uint8_t *buf, size_t len,
                               uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    struct zrpc_grpc_call *call = nghttp2_session_get_stream_user_data(ng, stream_id);
    size_t n;

    (void)source;
    (void)user_data;
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    n = call->request.len - call->sent;
    n = n < len ? n : len;
    memcpy(buf, call->request.data + call->sent, n);
    call->sent += n;
    if (call->sent == call->request.len)
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static int submit(struct zrpc_grpc_client *c, zrpc_time now, struct zrpc_grpc_call *call)
{
    const nghttp2_data_provider body = {.read_callback = read_request_cb};
    const uint8_t borrowed = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
    char timeout[ZRPC_GRPC_TIMEOUT_MAX] = "";
    nghttp2_nv nv[] = {
        H2_LITERAL(":method", "POST"),
        H2_LITERAL(":scheme", "http"),
        H2_HEADER(":path", call->path, strlen(call->path), borrowed),
        H2_HEADER(":authority", c->authority, strlen(c->authority), borrowed),
        H2_LITERAL("content-type", "application/grpc"),
        H2_LITERAL("te", "trailers"),
        H2_LITERAL("user-agent", "grpc-c-zrpc/" ZRPC_VERSION),
        H2_HEADER("grpc-timeout", timeout, 0, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_INDEX),
    };
    size_t n = sizeof nv / sizeof nv[0] - 1;

    if (call->deadline != ZRPC_NEVER) {
        zrpc_grpc_timeout_format(call->deadline - now, timeout);
        nv[n++].valuelen = strlen(timeout);
    }
    return nghttp2_submit_request(c->h2.ng, NULL, nv, n, &body, call);
}

int zrpc_grpc_client_begin(struct zrpc_grpc_client *c, zrpc_time now, struct zrpc_grpc_call *call,
                           struct zrpc_error *err)
{
    int stream_id = 0;

    *call = (struct zrpc_grpc_call){.path = call->path, .request = call->request, .deadline = call->deadline};
    c->h2.now = now;
    if (zrpc_grpc_client_draining(c))
        return zrpc_fail(err, ZRPC_ERR_CLOSED, "the connection takes no more calls");
    if (now < call->deadline) {
        stream_id = submit(c, now, call);
        if (stream_id < 0)
            return zrpc_h2_fail(err, stream_id, "new call");
    }
    zrpc_grpc_reader_init(&call->reader, c->response_max);
    call->stream_id = stream_id;
    link_call(c, call);
    if (stream_id == 0)
        zrpc_grpc_client_fail_call(c, call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT,
                                   "deadline exceeded before sending");
    return 0;
}

void zrpc_grpc_client_cancel(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call)
{
    if (!call->open)
        return;
    zrpc_grpc_client_reset_call(c, call, NGHTTP2_CANCEL);
    zrpc_grpc_client_fail_call(c, call, ZRPC_GRPC_CANCELLED, ZRPC_ERR_CANCELLED, "cancelled by the caller");
}

struct zrpc_grpc_call *zrpc_grpc_client_next_done(struct zrpc_grpc_client *c)
{
    struct zrpc_grpc_call *call = c->done;

    if (call == NULL)
        return NULL;
    c->done = call->next;
    if (c->done == NULL)
        c->done_end = &c->done;
    return call;
}

/*
 * The connection.
 */
static void add_callbacks(nghttp2_session_callbacks *cb)
{
    zrpc_grpc_client_add_response_callbacks(cb);
    nghttp2_session_callbacks_set_before_frame_send_callback(cb, before_frame_send_cb);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send_cb);
}

int zrpc_grpc_client_new(const struct zrpc_grpc_client_options *options, zrpc_time now,
                         struct zrpc_grpc_client **out, struct zrpc_error *err)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CLIENT_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, CLIENT_HEADERS_MAX},
    };
    struct zrpc_grpc_client *c = calloc(1, sizeof *c);
    struct h2_config config = {
        .user_data = c,
        .callbacks = add_callbacks,
        .settings = settings,
        .n_settings = sizeof settings / sizeof settings[0],
        .keepalive = &options->keepalive,
    };
    int rc;

    if (c != NULL)
        c->authority = strdup(options->authority == NULL ? "localhost" : options->authority);
    if (c == NULL || c->authority == NULL) {
        free(c);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a gRPC client");
    }
    c->response_max = options->response_max > 0 ? options->response_max : ZRPC_GRPC_RESPONSE_MAX_DEFAULT;
    c->done_end = &c->done;
    c->next_deadline = ZRPC_NEVER;
    rc = zrpc_h2_init(&c->h2, &config, now, err);
    if (rc < 0) {
        zrpc_grpc_client_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void zrpc_grpc_client_free(struct zrpc_grpc_client *c)
{
    if (c == NULL)
        return;
    zrpc_h2_dispose(&c->h2);
    free(c->authority);
    free(c);
}

int zrpc_grpc_client_input(struct zrpc_grpc_client *c, zrpc_time now, struct zrpc_view in,
                           struct zrpc_error *err)
{
    return zrpc_h2_input(&c->h2, now, in, err);
}

int zrpc_grpc_client_output(struct zrpc_grpc_client *c, struct zrpc_view *out, struct zrpc_error *err)
{
    return zrpc_h2_output(&c->h2, out, err);
}

void zrpc_grpc_client_sent(struct zrpc_grpc_client *c, size_t n)
{
    zrpc_h2_sent(&c->h2, n);
}

void zrpc_grpc_client_unblocked(struct zrpc_grpc_client *c, zrpc_time now)
{
    zrpc_keepalive_alive(&c->h2.keepalive, now);
}

static void expire(struct zrpc_grpc_client *c, zrpc_time now)
{
    struct zrpc_grpc_call *next;

    c->next_deadline = ZRPC_NEVER;
    for (struct zrpc_grpc_call *call = c->open; call != NULL; call = next) {
        next = call->next;
        if (now < call->deadline) {
            c->next_deadline = zrpc_earlier(c->next_deadline, call->deadline);
            continue;
        }
        zrpc_grpc_client_reset_call(c, call, NGHTTP2_CANCEL);
        zrpc_grpc_client_fail_call(c, call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT,
                                   "deadline exceeded");
    }
}

int zrpc_grpc_client_tick(struct zrpc_grpc_client *c, zrpc_time now, struct zrpc_error *err)
{
    if (now >= c->next_deadline)
        expire(c, now);
    return zrpc_h2_keepalive(&c->h2, now, c->n_open > 0, err);
}

zrpc_time zrpc_grpc_client_wakeup(const struct zrpc_grpc_client *c)
{
    return zrpc_earlier(c->next_deadline, zrpc_keepalive_wakeup(&c->h2.keepalive));
}

void zrpc_grpc_client_fail(struct zrpc_grpc_client *c, zrpc_time now, const struct zrpc_error *why)
{
    char goaway[H2_GOAWAY_DESCRIPTION_MAX];

    expire(c, now);
    zrpc_h2_goaway_description(&c->h2, goaway);
    while (c->open != NULL) {
        c->open->result.unprocessed = never_sent(c, c->open);
        zrpc_grpc_client_fail_call(c, c->open, ZRPC_GRPC_UNAVAILABLE, ZRPC_ERR_UNAVAILABLE,
                                   "connection lost: %s%s", why->text, goaway);
    }
}

void zrpc_grpc_client_shutdown(struct zrpc_grpc_client *c)
{
    /* Without memory for GOAWAY the peer learns from the end of the connection. */
    if (!c->shut_down)
        nghttp2_submit_goaway(c->h2.ng, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
    c->shut_down = true;
}

bool zrpc_grpc_client_ready(const struct zrpc_grpc_client *c)
{
    return c->settings_received;
}

bool zrpc_grpc_client_draining(const struct zrpc_grpc_client *c)
{
    return c->shut_down || c->h2.goaway_received || c->h2.failure.code != 0 ||
           nghttp2_session_get_next_stream_id(c->h2.ng) > INT32_MAX;
}

bool zrpc_grpc_client_too_many_pings(const struct zrpc_grpc_client *c)
{
    return c->h2.goaway_received && c->h2.goaway_error == NGHTTP2_ENHANCE_YOUR_CALM &&
           strcmp(c->h2.goaway_text, "too_many_pings") == 0;
}

size_t zrpc_grpc_client_open_calls(const struct zrpc_grpc_client *c)
{
    return c->n_open;
}

bool zrpc_grpc_client_ended(const struct zrpc_grpc_client *c)
{
    return zrpc_grpc_client_draining(c) && c->n_open == 0 && zrpc_h2_ended(&c->h2);
}
