#include "conformance/h2.h"

#define REPLENISH_BELOW 32768 /* of a window */

static const char reason_frames[] = "frames and header blocks as RFC 9113 and RFC 7541 have them";

static void violation(struct zrpc_h2 *h, const char *what, struct zrpc_h2_header_of_frame frame)
{
    struct zrpc_buf text = {0};

    zrpc_h2_add_frame(&text, frame);
    zrpc_run_violation(h->run, "ZR-H2-017", reason_frames, "%s: %s of %u bytes", what, zrpc_text_str(&text),
                       frame.length);
    zrpc_buf_dispose(&text);
}

static struct zrpc_h2_call *find_call(const struct zrpc_h2 *h, uint32_t stream)
{
    struct zrpc_h2_call *call = h->calls;

    while (call != NULL && call->stream != stream)
        call = call->next;
    return call;
}

/*
 * Header blocks
 */
static void copy_value(char *out, size_t size, const nghttp2_nv *nv)
{
    size_t n = nv->valuelen < size - 1 ? nv->valuelen : size - 1;

    memcpy(out, nv->value, n);
    out[n] = '\0';
}

static int status_number(const nghttp2_nv *nv)
{
    int number = 0;

    if (nv->valuelen == 0 || nv->valuelen > 5)
        return -2;
    for (size_t i = 0; i < nv->valuelen; i++) {
        if (nv->value[i] < '0' || nv->value[i] > '9')
            return -2;
        number = number * 10 + (nv->value[i] - '0');
    }
    return number;
}

static void take_header(struct zrpc_h2_call *call, const nghttp2_nv *nv)
{
    struct zrpc_view name = zrpc_view(nv->name, nv->namelen);

    if (zrpc_view_equal(name, zrpc_view_of(":status"))) {
        copy_value(call->http_status, sizeof call->http_status, nv);
    } else if (zrpc_view_equal(name, zrpc_view_of("content-type"))) {
        copy_value(call->content_type, sizeof call->content_type, nv);
    } else if (zrpc_view_equal(name, zrpc_view_of("grpc-status"))) {
        call->grpc_status = status_number(nv);
    } else if (zrpc_view_equal(name, zrpc_view_of("grpc-message"))) {
        call->has_message = true;
        (void)zrpc_buf_append(&call->message, zrpc_view(nv->value, nv->valuelen), NULL);
    }
}

static bool inflate(struct zrpc_h2 *h, struct zrpc_h2_call *call)
{
    struct zrpc_view in = zrpc_buf_view(&h->block);
    nghttp2_nv nv;
    ssize_t n;
    int flags;

    for (;;) {
        flags = 0;
        n = nghttp2_hd_inflate_hd2(h->inflater, &nv, &flags, in.data, in.len, 1);
        if (n < 0)
            return false;
        zrpc_view_take(&in, (size_t)n);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && call != NULL)
            take_header(call, &nv);
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
            return nghttp2_hd_inflate_end_headers(h->inflater) == 0;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && in.len == 0)
            return false;
    }
}

static void end_call(struct zrpc_h2_call *call)
{
    call->ended = true;
    call->ended_at = zrpc_now();
}

static void block_complete(struct zrpc_h2 *h)
{
    struct zrpc_h2_call *call = find_call(h, h->block_frame.stream);

    if (call == NULL || (call->ended && !call->reset))
        violation(h, call == NULL ? "an answer to no call" : "more after the end of a call", h->block_frame);
    else
        call->blocks++;
    if (!inflate(h, call))
        violation(h, "a header block that does not decode", h->block_frame);
    if (call != NULL && (h->block_frame.flags & NGHTTP2_FLAG_END_STREAM) != 0 && !call->ended)
        end_call(call);
    h->block_frame = (struct zrpc_h2_header_of_frame){0};
    zrpc_buf_clear(&h->block);
}

static void on_headers(struct zrpc_h2 *h, struct zrpc_h2_header_of_frame frame, struct zrpc_view payload)
{
    if (!zrpc_h2_content(frame, &payload)) {
        violation(h, "more padding than payload", frame);
        return;
    }
    if (frame.type == NGHTTP2_HEADERS)
        h->block_frame = frame;
    (void)zrpc_buf_append(&h->block, payload, NULL);
    if ((frame.flags & NGHTTP2_FLAG_END_HEADERS) != 0)
        block_complete(h);
}

/*
 * Other frames
 */
static void replenish(struct zrpc_h2 *h, struct zrpc_h2_call *call)
{
    int64_t *window = call == NULL ? &h->window : &call->window;
    int64_t full = call == NULL ? ZRPC_H2_WINDOW : h->window_of_streams;

    if (h->replenishes && full >= REPLENISH_BELOW && *window < full - REPLENISH_BELOW &&
        (call == NULL || !call->ended))
        zrpc_h2_send_window(h, call, (uint32_t)(full - *window));
}

static void judge_window(struct zrpc_h2 *h, struct zrpc_h2_call *call, uint32_t length)
{
    h->window -= length;
    call->window -= length;
    if (h->window < 0)
        zrpc_run_violation(h->run, "ZR-H2-006", "DATA within the connection's window",
                           "%lld bytes above it on stream %u", (long long)-h->window, call->stream);
    if (call->window < 0 && length > 0)
        zrpc_run_violation(h->run, "ZR-H2-006", "DATA within the stream's window",
                           "%lld bytes above it on stream %u", (long long)-call->window, call->stream);
}

static void on_data(struct zrpc_h2 *h, struct zrpc_h2_header_of_frame frame, struct zrpc_view payload)
{
    struct zrpc_h2_call *call = find_call(h, frame.stream);

    if (call == NULL || !zrpc_h2_content(frame, &payload) || (call->ended && !call->reset)) {
        violation(h, "DATA out of place", frame);
        return;
    }
    judge_window(h, call, frame.length);
    call->data_frames++;
    if (zrpc_buf_append(&call->data, payload, NULL) < 0)
        zrpc_run_inconclusive(h->run, "out of memory");
    if ((frame.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        end_call(call);
    replenish(h, NULL);
    replenish(h, call);
}

static void take_setting(struct zrpc_h2 *h, unsigned id, uint32_t value)
{
    if (id == NGHTTP2_SETTINGS_MAX_FRAME_SIZE)
        h->their_frame = value;
    if (id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
        h->their_streams = value;
    if (id == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE) {
        h->their_table = value;
        (void)nghttp2_hd_deflate_change_table_size(h->deflater, value);
    }
    if (id == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) {
        for (struct zrpc_h2_call *call = h->calls; call != NULL; call = call->next)
            call->send_window += (int64_t)value - h->their_window;
        h->their_window = value;
    }
}

static void settings_acknowledged(struct zrpc_h2 *h)
{
    h->settings_acks++;
    if (h->settings_acks > h->settings_sent)
        zrpc_run_violation(h->run, "ZR-H2-017", reason_frames,
                           "an acknowledgement for SETTINGS that were not sent");
    if (h->table_changes && nghttp2_hd_inflate_change_table_size(h->inflater, h->table) != 0)
        zrpc_run_inconclusive(h->run, "out of memory");
    h->table_changes = false;
    if (!h->window_shrinks)
        return;
    h->window_shrinks = false;
    for (struct zrpc_h2_call *call = h->calls; call != NULL; call = call->next)
        call->window += (int64_t)h->pending_window - h->window_of_streams;
    h->window_of_streams = h->pending_window;
}

static void on_settings(struct zrpc_h2 *h, struct zrpc_h2_header_of_frame frame, struct zrpc_view payload)
{
    struct zrpc_view entry;

    if (frame.stream != 0 || frame.length % 6 != 0 ||
        ((frame.flags & NGHTTP2_FLAG_ACK) != 0 && frame.length > 0)) {
        violation(h, "SETTINGS that are none", frame);
        return;
    }
    if ((frame.flags & NGHTTP2_FLAG_ACK) != 0) {
        settings_acknowledged(h);
        return;
    }
    h->settings_seen = true;
    while (payload.len >= 6) {
        entry = zrpc_view_take(&payload, 6);
        take_setting(h, (unsigned)entry.data[0] << 8 | entry.data[1], zrpc_get_u32(entry.data + 2));
    }
    if (h->acks_settings)
        zrpc_h2_send(h, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, zrpc_view(NULL, 0));
}

static void on_ping(struct zrpc_h2 *h, struct zrpc_h2_header_of_frame frame, struct zrpc_view payload)
{
    if (frame.stream != 0 || payload.len != sizeof h->ping_ack) {
        violation(h, "a PING that is none", frame);
    } else if ((frame.flags & NGHTTP2_FLAG_ACK) != 0) {
        h->ping_acks++;
        memcpy(h->ping_ack, payload.data, sizeof h->ping_ack);
    } else if (h->acks_pings) {
        zrpc_h2_send(h, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, payload);
    }
}

static void on_goaway(struct zrpc_h2 *h, struct zrpc_h2_header_of_frame frame, struct zrpc_view payload)
{
    if (frame.stream != 0 || payload.len < 8) {
        violation(h, "a GOAWAY that is none", frame);
        return;
    }
    h->goaway = true;
    h->goaway_last = zrpc_get_u32(payload.data) & 0x7fffffff;
    h->goaway_code = zrpc_get_u32(payload.data + 4);
}

static void on_window_update(struct zrpc_h2 *h, struct zrpc_h2_header_of_frame frame,
                             struct zrpc_view payload)
{
    struct zrpc_h2_call *call = frame.stream == 0 ? NULL : find_call(h, frame.stream);
    uint32_t more = payload.len == 4 ? zrpc_get_u32(payload.data) & 0x7fffffff : 0;

    if (more == 0)
        violation(h, "a WINDOW_UPDATE that is none", frame);
    else if (frame.stream == 0)
        h->send_window += more;
    else if (call != NULL)
        call->send_window += more;
    if (h->send_window > INT32_MAX || (call != NULL && call->send_window > INT32_MAX))
        violation(h, "a window above 2^31-1", frame);
}

static void on_reset(struct zrpc_h2 *h, struct zrpc_h2_header_of_frame frame, struct zrpc_view payload)
{
    struct zrpc_h2_call *call = find_call(h, frame.stream);

    if (payload.len != 4 || frame.stream == 0) {
        violation(h, "a RST_STREAM that is none", frame);
        return;
    }
    if (call == NULL || call->ended) /* after a whole answer: the rest of the request is not wanted */
        return;
    call->reset = true;
    call->reset_code = zrpc_get_u32(payload.data);
    end_call(call);
}

static void on_push(struct zrpc_h2 *h, struct zrpc_h2_header_of_frame frame, struct zrpc_view payload)
{
    (void)payload;
    violation(h, "a frame that servers of this protocol have no use for", frame);
}

static void on_priority(struct zrpc_h2 *h, struct zrpc_h2_header_of_frame frame, struct zrpc_view payload)
{
    (void)h;
    (void)frame;
    (void)payload;
}

/*
 * Frames
 */
static void judge_order(struct zrpc_h2 *h, struct zrpc_h2_header_of_frame frame)
{
    bool continues = frame.type == NGHTTP2_CONTINUATION && frame.stream == h->block_frame.stream;

    if (!h->settings_seen && (frame.type != NGHTTP2_SETTINGS || (frame.flags & NGHTTP2_FLAG_ACK) != 0) &&
        frame.type != NGHTTP2_GOAWAY)
        zrpc_run_violation(h->run, "ZR-H2-002", "SETTINGS as the first frame", "another frame (type 0x%02x)",
                           frame.type);
    if ((h->block_frame.stream != 0) != continues)
        violation(h, h->block_frame.stream != 0 ? "a header block interrupted" : "CONTINUATION of nothing",
                  frame);
    if (frame.length > h->frame_max)
        zrpc_run_violation(h->run, "ZR-H2-008", "frames of at most our MAX_FRAME_SIZE",
                           "one of %u bytes, not %u", frame.length, h->frame_max);
}

static void deal(struct zrpc_h2 *h, struct zrpc_h2_header_of_frame frame, struct zrpc_view payload)
{
    static void (*const handlers[])(struct zrpc_h2 *, struct zrpc_h2_header_of_frame, struct zrpc_view) = {
        [NGHTTP2_DATA] = on_data,
        [NGHTTP2_HEADERS] = on_headers,
        [NGHTTP2_PRIORITY] = on_priority,
        [NGHTTP2_RST_STREAM] = on_reset,
        [NGHTTP2_SETTINGS] = on_settings,
        [NGHTTP2_PUSH_PROMISE] = on_push,
        [NGHTTP2_PING] = on_ping,
        [NGHTTP2_GOAWAY] = on_goaway,
        [NGHTTP2_WINDOW_UPDATE] = on_window_update,
        [NGHTTP2_CONTINUATION] = on_headers,
    };

    judge_order(h, frame);
    if (frame.type < sizeof handlers / sizeof handlers[0])
        handlers[frame.type](h, frame, payload);
}

/* Exactly n bytes, appended to h->payload. */
static enum zrpc_seen_kind read_bytes(struct zrpc_h2 *h, size_t n, zrpc_time deadline)
{
    enum zrpc_seen_kind kind = ZRPC_SEEN_FRAME;
    struct zrpc_view bytes;

    while (n > 0 && kind == ZRPC_SEEN_FRAME) {
        kind = zrpc_peer_see_bytes(h->peer, deadline, n, &bytes);
        if (kind == ZRPC_SEEN_FRAME && zrpc_buf_append(&h->payload, bytes, NULL) < 0)
            kind = ZRPC_SEEN_NOTHING;
        n -= bytes.len;
    }
    return kind;
}

enum zrpc_seen_kind zrpc_h2_see(struct zrpc_h2 *h, zrpc_time deadline, struct zrpc_h2_frame *seen)
{
    size_t have = h->payload.len, want = ZRPC_H2_HEADER_LEN;

    *seen = (struct zrpc_h2_frame){.kind = ZRPC_SEEN_FRAME};
    if (have < want)
        seen->kind = read_bytes(h, want - have, deadline);
    if (seen->kind == ZRPC_SEEN_FRAME) {
        seen->header = zrpc_h2_frame_decode(zrpc_buf_view(&h->payload).data);
        want += seen->header.length;
        seen->kind = read_bytes(h, want - h->payload.len, deadline);
    }
    seen->at = zrpc_now();
    if (seen->kind == ZRPC_SEEN_FRAME) {
        seen->payload = zrpc_buf_view(&h->payload);
        zrpc_view_take(&seen->payload, ZRPC_H2_HEADER_LEN);
        deal(h, seen->header, seen->payload);
        zrpc_buf_clear(&h->payload); /* the bytes stay until the next frame */
    } else if (seen->kind == ZRPC_SEEN_EOF || seen->kind == ZRPC_SEEN_RESET) {
        h->ended = true;
        h->end_kind = seen->kind;
    }
    return zrpc_run_going(h->run) ? seen->kind : ZRPC_SEEN_NOTHING;
}

bool zrpc_h2_wait(struct zrpc_h2 *h, const struct zrpc_h2_call *call, zrpc_time deadline)
{
    struct zrpc_h2_frame seen;

    while (!call->ended && !h->ended)
        if (zrpc_h2_see(h, deadline, &seen) != ZRPC_SEEN_FRAME)
            break;
    return call->ended;
}

bool zrpc_h2_idle(struct zrpc_h2 *h, zrpc_time duration)
{
    zrpc_time until = zrpc_now() + duration;
    struct zrpc_h2_frame seen;

    while (zrpc_h2_see(h, until, &seen) == ZRPC_SEEN_FRAME)
        ;
    return !h->ended && zrpc_run_going(h->run);
}
