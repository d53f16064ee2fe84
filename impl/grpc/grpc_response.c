#include <stdio.h>
#include <stdlib.h>

#include "grpc/grpc_client_impl.h"

typedef void on_header(struct zrpc_grpc_call *call, struct zrpc_view value);

static void on_content_type(struct zrpc_grpc_call *call, struct zrpc_view value)
{
    call->content_type_ok = zrpc_grpc_content_type_ok(value);
}

static void on_encoding(struct zrpc_grpc_call *call, struct zrpc_view value)
{
    call->reader.encoded = !zrpc_view_equal(value, zrpc_view_of("identity"));
}

static void on_grpc_status(struct zrpc_grpc_call *call, struct zrpc_view value)
{
    int status = zrpc_grpc_status_parse(value);

    call->has_status = true;
    call->result.status = status < 0 ? ZRPC_GRPC_UNKNOWN : (enum zrpc_grpc_status)status;
}

/* Without memory for it, the beginning in the error has to do. */
static void keep_long_text(struct zrpc_grpc_call *call, struct zrpc_view value)
{
    char *text = malloc(value.len + 1);
    size_t n = text == NULL ? 0 : zrpc_grpc_message_decode(value, text, value.len + 1);

    if (n >= ZRPC_ERROR_TEXT_MAX)
        zrpc_buf_set_text(&call->result.long_text, zrpc_view(text, n), NULL);
    free(text);
}

static void on_grpc_message(struct zrpc_grpc_call *call, struct zrpc_view value)
{
    char text[ZRPC_ERROR_TEXT_MAX];

    zrpc_grpc_message_decode(value, text, sizeof text);
    zrpc_fail(&call->result.error, ZRPC_ERR_HANDLER, "%s", text);
    zrpc_buf_dispose(&call->result.long_text);
    if (value.len >= ZRPC_ERROR_TEXT_MAX)
        keep_long_text(call, value);
}

static const struct {
    const char *name;
    on_header *handler;
} headers[] = {
    {"content-type", on_content_type},
    {"grpc-encoding", on_encoding},
    {"grpc-status", on_grpc_status},
    {"grpc-message", on_grpc_message},
};

static int on_begin_headers_cb(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
    struct zrpc_grpc_call *call = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);

    (void)user_data;
    if (call != NULL)
        zrpc_h2_fields_begin(&call->fields, call->headers_complete ? ZRPC_H2_TRAILERS : ZRPC_H2_RESPONSE);
    return 0;
}

static int on_header_cb(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t namelen,
                        const uint8_t *value, size_t valuelen, uint8_t flags, void *user_data)
{
    struct zrpc_grpc_client *c = user_data;
    struct zrpc_grpc_call *call = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);

    (void)flags;
    if (call == NULL)
        return 0;
    call->header_bytes += namelen + valuelen + 32;
    if (call->header_bytes > CLIENT_HEADERS_MAX) {
        zrpc_grpc_client_reset_call(c, call, NGHTTP2_CANCEL);
        zrpc_grpc_client_fail_call(c, call, ZRPC_GRPC_RESOURCE_EXHAUSTED, ZRPC_ERR_TOO_BIG,
                                   "response headers of more than %d bytes", CLIENT_HEADERS_MAX);
        return 0;
    }
    if (!zrpc_h2_fields_take(&call->fields, zrpc_view(name, namelen), zrpc_view(value, valuelen)))
        return 0;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        if (zrpc_view_equal(zrpc_view(name, namelen), zrpc_view_of(headers[i].name)))
            headers[i].handler(call, zrpc_view(value, valuelen));
    return 0;
}

/* A failure that comes when time is up anyway. */
static void fail_late(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call, const char *text)
{
    char said[ZRPC_ERROR_TEXT_MAX];

    snprintf(said, sizeof said, "%s", text); /* it may be the call's own, which is overwritten */
    zrpc_grpc_client_fail_call(c, call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT,
                               "deadline exceeded; then the server: %s", said);
}

static void conclude_with_status(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call)
{
    enum zrpc_grpc_status status = call->result.status;
    const char *text =
        call->result.error.text[0] != '\0' ? call->result.error.text : zrpc_grpc_status_name(status);

    if (status != ZRPC_GRPC_OK && status != ZRPC_GRPC_DEADLINE_EXCEEDED && c->h2.now >= call->deadline) {
        fail_late(c, call, text);
        return;
    }
    if (call->result.status == ZRPC_GRPC_OK)
        zrpc_buf_dispose(&call->result.long_text);
    if (status == ZRPC_GRPC_OK && zrpc_grpc_reader_end(&call->reader, &status, &call->result.error) == 0)
        call->result.error = (struct zrpc_error){0};
    else if (call->result.status != ZRPC_GRPC_OK)
        zrpc_fail(&call->result.error, zrpc_grpc_status_code(status), "%s", text);
    zrpc_grpc_client_finish_call(c, call, status);
}

/* The server has said all it will say. */
static void conclude(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call)
{
    if (call->sent < call->request.len)
        zrpc_grpc_client_reset_call(c, call, NGHTTP2_NO_ERROR);
    if (call->has_status)
        conclude_with_status(c, call);
    else if (call->http_status != 200)
        zrpc_grpc_client_fail_call(c, call, zrpc_grpc_status_of_http(call->http_status), ZRPC_ERR_GRPC,
                                   "HTTP status %u without a grpc-status", call->http_status);
    else
        zrpc_grpc_client_fail_call(c, call, ZRPC_GRPC_UNKNOWN, ZRPC_ERR_GRPC,
                                   "response ends without a grpc-status");
}

static void refuse_malformed(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call, const char *flaw)
{
    zrpc_grpc_client_reset_call(c, call, NGHTTP2_PROTOCOL_ERROR);
    zrpc_grpc_client_fail_call(c, call, ZRPC_GRPC_INTERNAL, ZRPC_ERR_GRPC, "malformed response: %s", flaw);
}

static void headers_complete(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call, bool end_stream)
{
    if (!zrpc_h2_fields_end(&call->fields, end_stream)) {
        refuse_malformed(c, call, call->fields.flaw);
        return;
    }
    if (!call->headers_complete)
        call->http_status = call->fields.status;
    if (end_stream) {
        conclude(c, call);
        return;
    }
    call->has_status = false; /* counts only at the end */
    call->result.error = (struct zrpc_error){0};
    zrpc_buf_dispose(&call->result.long_text);
    if (call->http_status < 200) /* such as 103: more is to come */
        return;
    call->headers_complete = true;
    if (call->http_status == 200 && !call->content_type_ok) {
        zrpc_grpc_client_reset_call(c, call, NGHTTP2_CANCEL);
        zrpc_grpc_client_fail_call(c, call, ZRPC_GRPC_UNKNOWN, ZRPC_ERR_GRPC,
                                   "response without content-type application/grpc");
    }
}

/* Part of the content, or its end. */
static bool take_content(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call, size_t len, bool end_stream)
{
    const char *flaw = call->headers_complete ? NULL : "content before the response";

    if (flaw == NULL && !zrpc_h2_fields_content(&call->fields, len, end_stream))
        flaw = call->fields.flaw;
    if (flaw != NULL)
        refuse_malformed(c, call, flaw);
    return flaw == NULL;
}

static int on_frame_recv_cb(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
    struct zrpc_grpc_client *c = user_data;
    bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    struct zrpc_grpc_call *call;

    zrpc_h2_frame_received(&c->h2, frame);
    if (frame->hd.type == NGHTTP2_SETTINGS)
        c->settings_received = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    call = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        headers_complete(c, call, end_stream);
    else if (take_content(c, call, 0, end_stream) && end_stream)
        conclude(c, call);
    return 0;
}

static int on_data_cb(nghttp2_session *ng, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t len,
                      void *user_data)
{
    struct zrpc_grpc_client *c = user_data;
    struct zrpc_grpc_call *call = nghttp2_session_get_stream_user_data(ng, stream_id);
    enum zrpc_grpc_status status;

    (void)flags;
    if (call == NULL || !take_content(c, call, len, false) || call->http_status != 200)
        return 0;
    if (zrpc_grpc_reader_feed(&call->reader, zrpc_view(data, len), &status, &call->result.error) < 0) {
        zrpc_grpc_client_reset_call(c, call, NGHTTP2_CANCEL);
        zrpc_grpc_client_finish_call(c, call, status);
    }
    return 0;
}

static int on_stream_close_cb(nghttp2_session *ng, int32_t stream_id, uint32_t h2_error, void *user_data)
{
    struct zrpc_grpc_client *c = user_data;
    struct zrpc_grpc_call *call = nghttp2_session_get_stream_user_data(ng, stream_id);
    enum zrpc_grpc_status status = zrpc_grpc_status_of_reset(h2_error);

    if (call == NULL)
        return 0;
    if (c->h2.now >= call->deadline) {
        fail_late(c, call, nghttp2_http2_strerror(h2_error));
        return 0;
    }
    call->result.unprocessed = h2_error == NGHTTP2_REFUSED_STREAM;
    zrpc_grpc_client_fail_call(c, call, status, zrpc_grpc_status_code(status),
                               "stream reset by the server: %s", nghttp2_http2_strerror(h2_error));
    return 0;
}

void zrpc_grpc_client_add_response_callbacks(nghttp2_session_callbacks *cb)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers_cb);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header_cb);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv_cb);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_cb);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close_cb);
}
