#include "grpc/h2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int zrpc_h2_fail(struct zrpc_error *err, ssize_t nghttp2_code, const char *what)
{
    int code = nghttp2_code == NGHTTP2_ERR_NOMEM ? ZRPC_ERR_NOMEM : ZRPC_ERR_HTTP2;

    return zrpc_fail(err, code, "HTTP/2: %s: %s", what, nghttp2_strerror((int)nghttp2_code));
}

/* nghttp2 takes its memory where we do, so that whoever replaces or limits ours has both. */
static void *take(size_t size, void *none)
{
    (void)none;
    return malloc(size);
}

static void give_back(void *p, void *none)
{
    (void)none;
    free(p);
}

static void *take_zeroed(size_t n, size_t size, void *none)
{
    (void)none;
    return calloc(n, size);
}

static void *resize(void *p, size_t size, void *none)
{
    (void)none;
    return realloc(p, size);
}

static int create(struct h2 *h, const struct h2_config *config, nghttp2_session_callbacks *callbacks,
                  nghttp2_option *options)
{
    nghttp2_mem memory = {.malloc = take, .free = give_back, .calloc = take_zeroed, .realloc = resize};

    nghttp2_option_set_no_closed_streams(options, 1);
    /* Real clients send an :authority that no URI allows (ZR-H2-013): zrpc/h2_fields.h checks instead. */
    nghttp2_option_set_no_http_messaging(options, 1);
    /* The server widens the windows of requests by its budget. */
    nghttp2_option_set_no_auto_window_update(options, config->server);
    /* It goes by a clock of its own; H2_RESETS_MAX is what bounds them. */
    nghttp2_option_set_stream_reset_rate_limit(options, UINT64_MAX, UINT64_MAX);
    config->callbacks(callbacks);
    if (config->server)
        return nghttp2_session_server_new3(&h->ng, callbacks, config->user_data, options, &memory);
    return nghttp2_session_client_new3(&h->ng, callbacks, config->user_data, options, &memory);
}

int zrpc_h2_init(struct h2 *h, const struct h2_config *config, zrpc_time now, struct zrpc_error *err)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *options = NULL;
    int rv;

    *h = (struct h2){.server = config->server, .now = now, .second = now};
    zrpc_keepalive_init(&h->keepalive, config->keepalive, now);
    rv = nghttp2_session_callbacks_new(&callbacks);
    if (rv == 0)
        rv = nghttp2_option_new(&options);
    if (rv == 0)
        rv = create(h, config, callbacks, options);
    if (rv == 0)
        rv = nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, config->settings, config->n_settings);
    if (rv == 0)
        rv = nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0, H2_CONNECTION_WINDOW);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    if (rv == 0)
        return 0;
    zrpc_h2_dispose(h);
    return zrpc_h2_fail(err, rv, "new session");
}

void zrpc_h2_dispose(struct h2 *h)
{
    nghttp2_session_del(h->ng);
    zrpc_buf_dispose(&h->output);
    h->ng = NULL;
}

/* Debug data is the peer's: kept as far as it is printable. */
static void keep_text(char out[static H2_GOAWAY_TEXT_MAX], const uint8_t *text, size_t len)
{
    size_t n = len < H2_GOAWAY_TEXT_MAX - 1 ? len : H2_GOAWAY_TEXT_MAX - 1;

    for (size_t i = 0; i < n; i++)
        out[i] = text[i] >= 0x20 && text[i] < 0x7f ? (char)text[i] : '?';
    out[n] = '\0';
}

static bool is_content(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
}

/* How many other frames one makes up for. DATA that neither has nor ends much makes up for none, and without
 * any content it is one of them; where it has much padding it is left to flow control. */
static unsigned credit(const nghttp2_frame *frame)
{
    bool small = frame->hd.type == NGHTTP2_DATA && frame->hd.length < H2_TINY &&
                 (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0;

    return is_content(frame) && !small ? H2_CHATTER_CREDIT : 0;
}

static bool is_chatter(const nghttp2_frame *frame)
{
    return !is_content(frame) || (credit(frame) == 0 && frame->hd.length <= frame->data.padlen);
}

/* Each frame is cheap, but a peer that sends nothing else does so to keep us busy (ZR-H2-016). While calls go
 * on there are reasons for many of them: grpc-go measures the bandwidth by PINGs, and windows are widened. */
static void count(struct h2 *h, const nghttp2_frame *frame, bool theirs)
{
    if (h->now - h->second >= ZRPC_SECOND) {
        h->second = h->now;
        h->chatter = h->resets = 0;
    }
    h->chatter -= h->chatter < credit(frame) ? h->chatter : credit(frame);
    h->chatter += theirs && is_chatter(frame);
    if (frame->hd.type == NGHTTP2_RST_STREAM && h->server)
        h->resets += theirs || frame->rst_stream.error_code != NGHTTP2_NO_ERROR;
    /* Without memory for GOAWAY the next frame tries again. */
    if (h->chatter > H2_CHATTER_MAX || h->resets > H2_RESETS_MAX)
        nghttp2_session_terminate_session(h->ng, NGHTTP2_ENHANCE_YOUR_CALM);
}

void zrpc_h2_frame_received(struct h2 *h, const nghttp2_frame *frame)
{
    count(h, frame, true);
    if (is_content(frame))
        zrpc_keepalive_content(&h->keepalive);
    if (frame->hd.type != NGHTTP2_GOAWAY)
        return;
    h->goaway_received = true;
    h->goaway_error = frame->goaway.error_code;
    keep_text(h->goaway_text, frame->goaway.opaque_data, frame->goaway.opaque_data_len);
}

void zrpc_h2_frame_sent(struct h2 *h, const nghttp2_frame *frame)
{
    char why[H2_GOAWAY_TEXT_MAX];

    count(h, frame, false);
    if (frame->hd.type != NGHTTP2_GOAWAY)
        return;
    h->final_goaway_sent = frame->goaway.last_stream_id != INT32_MAX;
    if (frame->goaway.error_code == NGHTTP2_NO_ERROR)
        return;
    keep_text(why, frame->goaway.opaque_data, frame->goaway.opaque_data_len);
    zrpc_fail(&h->failure, ZRPC_ERR_HTTP2, "HTTP/2: the peer broke the protocol: %s%s%s",
              nghttp2_http2_strerror(frame->goaway.error_code), why[0] == '\0' ? "" : ": ", why);
}

int zrpc_h2_input(struct h2 *h, zrpc_time now, struct zrpc_view in, struct zrpc_error *err)
{
    ssize_t n;

    h->now = now;
    if (in.len == 0)
        return 0;
    zrpc_keepalive_alive(&h->keepalive, now);
    n = nghttp2_session_mem_recv(h->ng, in.data, in.len);
    if (n < 0)
        return zrpc_h2_fail(err, n, "receiving");
    /* A client's queue has its own calls in it too. */
    if (h->server && nghttp2_session_get_outbound_queue_size(h->ng) > H2_QUEUE_MAX)
        return zrpc_fail(err, ZRPC_ERR_LIMIT, "HTTP/2: more than %d frames wait for the peer to read",
                         H2_QUEUE_MAX);
    return 0;
}

/* Takes what nghttp2 next has to send: 1, or 0 when there is nothing. */
static int take_output(struct h2 *h, struct zrpc_error *err)
{
    const uint8_t *data = NULL;
    ssize_t n = nghttp2_session_mem_send(h->ng, &data);
    int rc;

    if (n < 0)
        return zrpc_h2_fail(err, n, "sending");
    if (n == 0)
        return 0;
    if (h->output.len == 0)
        h->sent_at = h->now;
    rc = zrpc_buf_append(&h->output, zrpc_view(data, (size_t)n), err);
    if (rc < 0)
        return rc;
    h->bytes_queued += (uint64_t)n;
    return 1;
}

static int fill(struct h2 *h, struct zrpc_error *err)
{
    int rc = 1;

    while (rc > 0 && h->output.len < H2_OUTPUT_CHUNK)
        rc = take_output(h, err);
    return rc < 0 ? rc : 0;
}

int zrpc_h2_final_goaway(struct h2 *h, struct zrpc_error *err)
{
    int rv = nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h->ng),
                                   NGHTTP2_NO_ERROR, NULL, 0);
    int rc = 1;

    if (rv != 0)
        return zrpc_h2_fail(err, rv, "GOAWAY");
    while (rc > 0 && !h->final_goaway_sent)
        rc = take_output(h, err);
    return rc < 0 ? rc : 0;
}

int zrpc_h2_output(struct h2 *h, struct zrpc_view *out, struct zrpc_error *err)
{
    int rc = fill(h, err);

    *out = zrpc_buf_view(&h->output);
    if (rc < 0 || out->len > 0 || h->failure.code == 0)
        return rc;
    return zrpc_fail(err, h->failure.code, "%s", h->failure.text);
}

void zrpc_h2_sent(struct h2 *h, size_t n)
{
    zrpc_buf_consume(&h->output, n);
    h->bytes_sent += n;
    h->sent_at = h->now;
}

int zrpc_h2_ping(struct h2 *h, enum h2_ping kind, struct zrpc_error *err)
{
    uint8_t payload[8] = {(uint8_t)kind};
    int rv = nghttp2_submit_ping(h->ng, NGHTTP2_FLAG_NONE, payload);

    return rv == 0 ? 0 : zrpc_h2_fail(err, rv, "PING");
}

int zrpc_h2_keepalive(struct h2 *h, zrpc_time now, bool calls_open, struct zrpc_error *err)
{
    int rv;

    h->now = now;
    switch (zrpc_keepalive_tick(&h->keepalive, now, calls_open)) {
    case ZRPC_KEEPALIVE_NOTHING:
        return 0;
    case ZRPC_KEEPALIVE_PING:
        return zrpc_h2_ping(h, H2_PING_KEEPALIVE, err);
    case ZRPC_KEEPALIVE_SETTINGS:
        rv = nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, NULL, 0);
        return rv == 0 ? 0 : zrpc_h2_fail(err, rv, "SETTINGS");
    case ZRPC_KEEPALIVE_DEAD:
        break;
    }
    return zrpc_fail(err, ZRPC_ERR_TIMEOUT, "keepalive: nothing from the peer within %.3g s of a PING",
                     (double)h->keepalive.config.timeout / (double)ZRPC_SECOND);
}

bool zrpc_h2_ended(const struct h2 *h)
{
    return h->output.len == 0 && !nghttp2_session_want_read(h->ng) && !nghttp2_session_want_write(h->ng);
}

const char *zrpc_h2_goaway_description(const struct h2 *h, char out[static H2_GOAWAY_DESCRIPTION_MAX])
{
    out[0] = '\0';
    if (h->goaway_received)
        snprintf(out, H2_GOAWAY_DESCRIPTION_MAX, " (after GOAWAY %s%s%s)",
                 nghttp2_http2_strerror(h->goaway_error), h->goaway_text[0] == '\0' ? "" : ": ",
                 h->goaway_text);
    return out;
}
