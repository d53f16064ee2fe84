#include "grpc/grpc_server_impl.h"

/*
 * Request headers.
 */
struct header {
    const char *name;
    void (*handler)(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, struct zrpc_view value);
};

static void on_method(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, struct zrpc_view value)
{
    (void)s;
    call->not_post = !zrpc_view_equal(value, zrpc_view_of("POST"));
}

static void on_path(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, struct zrpc_view value)
{
    for (size_t i = 0; i < s->options.n_services; i++) {
        const struct zrpc_grpc_service *service = &s->options.services[i];

        for (size_t j = 0; j < service->n_methods; j++) {
            if (!zrpc_view_equal(value, zrpc_view_of(service->methods[j].path)))
                continue;
            call->service = service;
            call->method = &service->methods[j];
            call->context.method = call->method->path;
        }
    }
}

static void on_content_type(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                            struct zrpc_view value)
{
    (void)s;
    call->content_type_ok = zrpc_grpc_content_type_ok(value);
}

static void on_timeout(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, struct zrpc_view value)
{
    zrpc_time timeout;

    if (zrpc_grpc_timeout_parse(value, &timeout, NULL) < 0)
        call->bad_timeout = true;
    else if (__builtin_add_overflow(s->h2.now, timeout, &call->context.deadline))
        call->context.deadline = ZRPC_NEVER;
}

static void on_encoding(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                        struct zrpc_view value)
{
    (void)s;
    call->reader.encoded = !zrpc_view_equal(value, zrpc_view_of("identity"));
}

static const struct header headers[] = {
    {":method", on_method},
    {":path", on_path},
    {"content-type", on_content_type},
    {"grpc-timeout", on_timeout},
    {"grpc-encoding", on_encoding},
};

static void take_header(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, struct zrpc_view name,
                        struct zrpc_view value)
{
    if (!zrpc_h2_fields_take(&call->fields, name, value) || call->fields.section != ZRPC_H2_REQUEST)
        return;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        if (zrpc_view_equal(name, zrpc_view_of(headers[i].name)))
            headers[i].handler(s, call, value);
}

/* Nothing of it is looked at, and the client is told that it may send the call again. */
static int refuse_stream(struct zrpc_grpc_server *s, int32_t stream_id)
{
    int rv = nghttp2_submit_rst_stream(s->h2.ng, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_REFUSED_STREAM);

    return rv == 0 ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_begin_headers_cb(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
    struct zrpc_grpc_server *s = user_data;
    struct zrpc_grpc_server_call *call;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        call = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
        if (call != NULL)
            zrpc_h2_fields_begin(&call->fields, ZRPC_H2_TRAILERS);
        return 0;
    }
    if (!zrpc_grpc_account_open_stream(&s->member))
        return refuse_stream(s, frame->hd.stream_id);
    call = zrpc_grpc_server_new_call(s, frame->hd.stream_id);
    if (call == NULL) {
        zrpc_grpc_account_give_back(&s->member, (struct grpc_use){.streams = 1});
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    zrpc_h2_fields_begin(&call->fields, ZRPC_H2_REQUEST);
    if (nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, call) == 0)
        return 0;
    zrpc_grpc_server_dispose_call(s, call);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header_cb(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t namelen,
                        const uint8_t *value, size_t valuelen, uint8_t flags, void *user_data)
{
    struct zrpc_grpc_server *s = user_data;
    struct zrpc_grpc_server_call *call = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);

    (void)flags;
    if (call == NULL)
        return 0;
    call->header_bytes += namelen + valuelen + 32;
    if (call->header_bytes <= ZRPC_GRPC_HEADERS_MAX)
        take_header(s, call, zrpc_view(name, namelen), zrpc_view(value, valuelen));
    return 0;
}

static int refuse_request(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, bool end_stream)
{
    if (call->header_bytes > ZRPC_GRPC_HEADERS_MAX)
        return zrpc_grpc_server_answer_status(s, call, ZRPC_GRPC_RESOURCE_EXHAUSTED,
                                              "request headers too large");
    if (!zrpc_h2_fields_end(&call->fields, end_stream))
        return zrpc_grpc_server_reset_call(s, call, NGHTTP2_PROTOCOL_ERROR);
    if (call->not_post)
        return zrpc_grpc_server_answer_http(s, call, "405", ZRPC_GRPC_INTERNAL, "gRPC needs the method POST");
    if (!call->content_type_ok)
        return zrpc_grpc_server_answer_http(s, call, "415", ZRPC_GRPC_INTERNAL,
                                            "gRPC needs content-type application/grpc");
    if (call->method == NULL)
        return zrpc_grpc_server_answer_status(s, call, ZRPC_GRPC_UNIMPLEMENTED, "unknown service or method");
    if (call->bad_timeout)
        return zrpc_grpc_server_answer_status(s, call, ZRPC_GRPC_INTERNAL, "malformed grpc-timeout");
    return 0;
}

/*
 * Request content.
 */
static int end_of_request(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    enum zrpc_grpc_status status;
    struct zrpc_error err;

    if (call->answered || call->stage != ZRPC_GRPC_RECEIVING)
        return 0;
    if (zrpc_grpc_reader_end(&call->reader, &status, &err) < 0)
        return zrpc_grpc_server_answer_status(s, call, status, err.text);
    zrpc_grpc_server_make_ready(s, call);
    return 0;
}

static int end_of_content(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    if (!call->answered && !zrpc_h2_fields_content(&call->fields, 0, true))
        return zrpc_grpc_server_reset_call(s, call, NGHTTP2_PROTOCOL_ERROR);
    return end_of_request(s, call);
}

static int on_headers(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                      const nghttp2_frame *frame)
{
    bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    int rv = 0;

    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        rv = refuse_request(s, call, end_stream);
        s->next_time = zrpc_earlier(s->next_time, call->context.deadline);
    } else if (!call->answered && (!zrpc_h2_fields_end(&call->fields, end_stream) ||
                                   call->header_bytes > ZRPC_GRPC_HEADERS_MAX)) {
        rv = zrpc_grpc_server_reset_call(s, call, NGHTTP2_PROTOCOL_ERROR);
    }
    return rv == 0 && end_stream ? end_of_request(s, call) : rv;
}

static int on_frame_recv_cb(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
    struct zrpc_grpc_server *s = user_data;
    struct zrpc_grpc_server_call *call;

    zrpc_h2_frame_received(&s->h2, frame);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
        frame->ping.opaque_data[0] == H2_PING_SHUTDOWN && s->final_goaway_at != ZRPC_NEVER)
        s->final_goaway_at = s->h2.now;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    call = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        return on_headers(s, call, frame) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        return end_of_content(s, call) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int take_data(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, struct zrpc_view in)
{
    enum zrpc_grpc_status status;
    struct zrpc_error err;
    int rc = zrpc_grpc_reader_feed(&call->reader, in, &status, &err);

    zrpc_grpc_server_account(s, call);
    if (rc < 0)
        return zrpc_grpc_server_answer_status(s, call, status, err.text);
    zrpc_grpc_server_ask_leave(s, call);
    if (zrpc_grpc_reader_complete(&call->reader) && call->serve_at == ZRPC_NEVER) {
        call->serve_at = s->h2.now + ZRPC_GRPC_END_GRACE;
        s->next_time = zrpc_earlier(s->next_time, call->serve_at);
    }
    return 0;
}

static int on_data_cb(nghttp2_session *ng, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t len,
                      void *user_data)
{
    struct zrpc_grpc_server *s = user_data;
    struct zrpc_grpc_server_call *call = nghttp2_session_get_stream_user_data(ng, stream_id);
    /* The connection's window is for what is on its way; what is kept is bounded by the streams'. */
    int rv = nghttp2_session_consume_connection(ng, len);

    (void)flags;
    if (rv != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (call == NULL || call->answered)
        return 0;
    if (!zrpc_h2_fields_content(&call->fields, len, false))
        rv = zrpc_grpc_server_reset_call(s, call, NGHTTP2_PROTOCOL_ERROR);
    else if (call->stage == ZRPC_GRPC_RECEIVING)
        rv = take_data(s, call, zrpc_view(data, len));
    else /* a handler may be reading the message */
        rv = zrpc_grpc_server_answer_status(s, call, ZRPC_GRPC_UNIMPLEMENTED,
                                            "more than one message in a unary call");
    return rv == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

void zrpc_grpc_server_add_request_callbacks(nghttp2_session_callbacks *cb)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers_cb);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header_cb);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv_cb);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_cb);
}
