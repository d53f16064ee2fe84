#include "testing/h2peer.h"

#include <stdio.h>
#include <stdlib.h>

static void must(bool held, const char *what)
{
    if (!held) {
        fprintf(stderr, "h2peer: %s\n", what);
        exit(3);
    }
}

struct h2peer_stream *h2peer_stream(struct h2peer *p, int32_t stream_id)
{
    for (size_t i = 0; i < H2PEER_STREAMS; i++)
        if (p->streams[i].id == stream_id)
            return &p->streams[i];
    return NULL;
}

/* Old streams make room for new ones. */
static struct h2peer_stream *add_stream(struct h2peer *p, int32_t stream_id)
{
    struct h2peer_stream *s = h2peer_stream(p, stream_id);

    if (s != NULL)
        return s;
    s = &p->streams[stream_id / 2 % H2PEER_STREAMS];
    zrpc_buf_dispose(&s->body);
    zrpc_buf_dispose(&s->out);
    *s = (struct h2peer_stream){.id = stream_id};
    return s;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
    (void)ng;
    add_stream(user_data, frame->hd.stream_id)->header_frames++;
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t namelen,
                     const uint8_t *value, size_t valuelen, uint8_t flags, void *user_data)
{
    struct h2peer_stream *s = add_stream(user_data, frame->hd.stream_id);
    char *list = s->header_frames > 1 ? s->trailers : s->headers;
    size_t len = strlen(list);

    (void)ng;
    (void)flags;
    snprintf(list + len, sizeof s->headers - len, "%.*s: %.*s\n", (int)namelen, name, (int)valuelen, value);
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t len,
                   void *user_data)
{
    (void)ng;
    (void)flags;
    must(zrpc_buf_append(&add_stream(user_data, stream_id)->body, zrpc_view(data, len), NULL) == 0, "memory");
    return 0;
}

static void on_settings(struct h2peer *p, const nghttp2_frame *frame)
{
    bool ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;

    p->settings_acks += ack;
    p->settings += !ack;
    for (size_t i = 0; i < frame->settings.niv; i++)
        if (frame->settings.iv[i].settings_id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
            p->max_streams = frame->settings.iv[i].value;
}

static void on_goaway(struct h2peer *p, const nghttp2_frame *frame)
{
    p->goaways++;
    p->goaway_error = frame->goaway.error_code;
    p->goaway_last = frame->goaway.last_stream_id;
    snprintf(p->goaway_text, sizeof p->goaway_text, "%.*s", (int)frame->goaway.opaque_data_len,
             frame->goaway.opaque_data);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
    struct h2peer *p = user_data;
    bool ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;

    (void)ng;
    if (frame->hd.type == NGHTTP2_PING && ack)
        p->ping_acks++;
    else if (frame->hd.type == NGHTTP2_PING)
        p->pings++;
    else if (frame->hd.type == NGHTTP2_SETTINGS)
        on_settings(p, frame);
    else if (frame->hd.type == NGHTTP2_GOAWAY)
        on_goaway(p, frame);
    else if (frame->hd.type == NGHTTP2_RST_STREAM)
        add_stream(p, frame->hd.stream_id)->reset = true;
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        add_stream(p, frame->hd.stream_id)->end_stream = true;
    return 0;
}

static int on_close(nghttp2_session *ng, int32_t stream_id, uint32_t error, void *user_data)
{
    struct h2peer_stream *s = add_stream(user_data, stream_id);

    (void)ng;
    s->closed = true;
    s->error = error;
    return 0;
}

void h2peer_init(struct h2peer *p, bool server, bool deaf_to_pings)
{
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *options = NULL;

    *p = (struct h2peer){.max_streams = -1};
    must(nghttp2_session_callbacks_new(&cb) == 0 && nghttp2_option_new(&options) == 0, "memory");
    nghttp2_option_set_no_http_messaging(options, 1);
    nghttp2_option_set_no_auto_ping_ack(options, deaf_to_pings);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    must((server ? nghttp2_session_server_new2 : nghttp2_session_client_new2)(&p->ng, cb, p, options) == 0 &&
             nghttp2_submit_settings(p->ng, NGHTTP2_FLAG_NONE, NULL, 0) == 0,
         "no session");
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(cb);
}

void h2peer_dispose(struct h2peer *p)
{
    nghttp2_session_del(p->ng);
    zrpc_buf_dispose(&p->output);
    for (size_t i = 0; i < H2PEER_STREAMS; i++) {
        zrpc_buf_dispose(&p->streams[i].body);
        zrpc_buf_dispose(&p->streams[i].out);
    }
}

ssize_t h2peer_feed(struct h2peer *p, struct zrpc_view in)
{
    return in.len == 0 ? 0 : nghttp2_session_mem_recv(p->ng, in.data, in.len);
}

struct zrpc_view h2peer_output(struct h2peer *p)
{
    const uint8_t *data;
    ssize_t n;

    while ((n = nghttp2_session_mem_send(p->ng, &data)) > 0)
        must(zrpc_buf_append(&p->output, zrpc_view(data, (size_t)n), NULL) == 0, "memory");
    must(n == 0, "cannot send");
    return zrpc_buf_view(&p->output);
}

static size_t make_headers(const char *const *list, nghttp2_nv nv[H2PEER_HEADERS])
{
    size_t n = 0;

    for (; list[2 * n] != NULL; n++) {
        const char *name = list[2 * n], *value = list[2 * n + 1];

        must(n < H2PEER_HEADERS, "too many headers");
        nv[n] = (nghttp2_nv){.name = (uint8_t *)name,
                             .namelen = strlen(name),
                             .value = (uint8_t *)value,
                             .valuelen = strlen(value),
                             .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME};
    }
    return n;
}

static ssize_t read_out(nghttp2_session *ng, int32_t stream_id, uint8_t *buf, size_t len,
                        uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    struct h2peer_stream *s = h2peer_stream(user_data, stream_id);
    nghttp2_nv nv[H2PEER_HEADERS];
    size_t n = s->out.len < len ? s->out.len : len;

    (void)source;
    if (n > 0)
        memcpy(buf, zrpc_buf_view(&s->out).data, n);
    zrpc_buf_consume(&s->out, n);
    if (s->out.len > 0)
        return (ssize_t)n;
    if (s->hold_open)
        return n > 0 ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
    *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    if (s->out_trailers != NULL) {
        *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        must(nghttp2_submit_trailer(ng, stream_id, nv, make_headers(s->out_trailers, nv)) == 0, "trailer");
    }
    return (ssize_t)n;
}

int32_t h2peer_request(struct h2peer *p, const char *const *headers, struct zrpc_view body, bool hold_open)
{
    nghttp2_nv nv[H2PEER_HEADERS];
    const nghttp2_data_provider provider = {.read_callback = read_out};
    size_t n = make_headers(headers, nv);
    bool has_body = body.len > 0 || hold_open;
    int32_t id = nghttp2_submit_request(p->ng, NULL, nv, n, has_body ? &provider : NULL, NULL);
    struct h2peer_stream *s;

    must(id > 0, "cannot submit a request");
    s = add_stream(p, id);
    s->hold_open = hold_open;
    must(zrpc_buf_append(&s->out, body, NULL) == 0, "memory");
    return id;
}

void h2peer_respond(struct h2peer *p, int32_t stream_id, const char *const *headers, struct zrpc_view body,
                    const char *const *trailers)
{
    nghttp2_nv nv[H2PEER_HEADERS];
    const nghttp2_data_provider provider = {.read_callback = read_out};
    struct h2peer_stream *s = add_stream(p, stream_id);
    bool has_body = body.len > 0 || trailers != NULL;

    s->out_trailers = trailers;
    must(zrpc_buf_append(&s->out, body, NULL) == 0 &&
             nghttp2_submit_response(p->ng, stream_id, nv, make_headers(headers, nv),
                                     has_body ? &provider : NULL) == 0,
         "cannot submit a response");
}

void h2peer_continue(struct h2peer *p, int32_t stream_id, struct zrpc_view body, bool hold_open)
{
    struct h2peer_stream *s = h2peer_stream(p, stream_id);

    s->hold_open = hold_open;
    must(zrpc_buf_append(&s->out, body, NULL) == 0, "memory");
    nghttp2_session_resume_data(p->ng, stream_id);
}

void h2peer_reset(struct h2peer *p, int32_t stream_id, uint32_t error)
{
    must(nghttp2_submit_rst_stream(p->ng, NGHTTP2_FLAG_NONE, stream_id, error) == 0, "cannot reset");
}

void h2peer_goaway(struct h2peer *p, int32_t last_stream_id, uint32_t error, const char *text)
{
    must(nghttp2_submit_goaway(p->ng, NGHTTP2_FLAG_NONE, last_stream_id, error, (const uint8_t *)text,
                               strlen(text)) == 0,
         "cannot say GOAWAY");
}
