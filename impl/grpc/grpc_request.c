#include "grpc/grpc_server_impl.h"

/*
 * Request headers. nghttp2's own checks are off, so that what makes a request malformed is looked for here.
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

static void on_te(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, struct zrpc_view value)
{
    (void)s;
    if (!zrpc_view_equal(value, zrpc_view_of("trailers")))
        call->malformed = true;
}

static void on_forbidden(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                         struct zrpc_view value)
{
    (void)s;
    (void)value;
    call->malformed = true;
}

/* The first N_PSEUDO are the pseudo-header fields; the first N_REQUIRED of them have to be there. */
#define N_REQUIRED 3
#define N_PSEUDO   4
static const struct header headers[] = {
    {":method", on_method},
    {":scheme", NULL},
    {":path", on_path},
    {":authority", NULL},
    {"content-type", on_content_type},
    {"grpc-timeout", on_timeout},
    {"grpc-encoding", on_encoding},
    {"te", on_te},
    {"connection", on_forbidden},
    {"keep-alive", on_forbidden},
    {"proxy-connection", on_forbidden},
    {"transfer-encoding", on_forbidden},
    {"upgrade", on_forbidden},
};
#define N_HEADERS    (sizeof headers / sizeof headers[0])
#define SEEN_PSEUDO  ((1u << N_PSEUDO) - 1)
#define SEEN_REGULAR (1u << N_HEADERS)

static void take_header(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, struct zrpc_view name,
                        struct zrpc_view value)
{
    bool pseudo = name.len > 0 && name.data[0] == ':';
    size_t i = 0;

    while (i < N_HEADERS && !zrpc_view_equal(name, zrpc_view_of(headers[i].name)))
        i++;
    if (pseudo && (i == N_HEADERS || (call->seen & (1u << i | SEEN_REGULAR)) != 0))
        call->malformed = true;
    if (!pseudo && !nghttp2_check_header_name(name.data, name.len))
        call->malformed = true;
    if (!pseudo && !nghttp2_check_header_value(value.data, value.len))
        call->malformed = true;
    call->seen |= pseudo ? 0 : SEEN_REGULAR;
    if (i == N_HEADERS)
        return;
    call->seen |= 1u << i;
    if (headers[i].handler != NULL)
        headers[i].handler(s, call, value);
}

static int on_begin_headers_cb(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
    struct zrpc_grpc_server *s = user_data;
    struct zrpc_grpc_server_call *call;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    call = zrpc_grpc_server_new_call(s, frame->hd.stream_id);
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
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
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && call->header_bytes <= ZRPC_GRPC_HEADERS_MAX)
        take_header(s, call, zrpc_view(name, namelen), zrpc_view(value, valuelen));
    return 0;
}

static int refuse_request(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    const unsigned required = (1u << N_REQUIRED) - 1;

    if (call->header_bytes > ZRPC_GRPC_HEADERS_MAX)
        return zrpc_grpc_server_answer_status(s, call, ZRPC_GRPC_RESOURCE_EXHAUSTED,
                                              "request headers too large");
    if (call->malformed || (call->seen & required) != required) {
        call->answered = true;
        return nghttp2_submit_rst_stream(s->h2.ng, NGHTTP2_FLAG_NONE, call->stream_id,
                                         NGHTTP2_PROTOCOL_ERROR);
    }
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

static int on_headers(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                      const nghttp2_frame *frame)
{
    bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    int rv = 0;

    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        rv = refuse_request(s, call);
        s->next_time = zrpc_earlier(s->next_time, call->context.deadline);
    } else if (!end_stream || call->header_bytes > ZRPC_GRPC_HEADERS_MAX) {
        call->answered = true;
        rv = nghttp2_submit_rst_stream(s->h2.ng, NGHTTP2_FLAG_NONE, call->stream_id, NGHTTP2_PROTOCOL_ERROR);
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
        return end_of_request(s, call) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int take_data(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, struct zrpc_view in)
{
    enum zrpc_grpc_status status;
    size_t before = call->reader.message.len;
    struct zrpc_error err;
    int rc;

    if (s->buffered + in.len > ZRPC_GRPC_BUFFERED_MAX)
        return zrpc_grpc_server_answer_status(s, call, ZRPC_GRPC_RESOURCE_EXHAUSTED,
                                              "too many requests under way");
    rc = zrpc_grpc_reader_feed(&call->reader, in, &status, &err);
    s->buffered += call->reader.message.len - before;
    if (rc < 0)
        return zrpc_grpc_server_answer_status(s, call, status, err.text);
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
    int rv = 0;

    (void)flags;
    if (call == NULL || call->answered)
        return 0;
    if (call->stage == ZRPC_GRPC_RECEIVING)
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
