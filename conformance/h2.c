#include "conformance/h2.h"

#include <stdlib.h>

#define SENT_DYNAMIC_TABLE 4096

static void release(void *what)
{
    struct zrpc_h2 *h = what;
    struct zrpc_h2_call *call;

    while ((call = h->calls) != NULL) {
        h->calls = call->next;
        zrpc_buf_dispose(&call->message);
        zrpc_buf_dispose(&call->data);
        free(call);
    }
    if (h->deflater != NULL)
        nghttp2_hd_deflate_del(h->deflater);
    if (h->inflater != NULL)
        nghttp2_hd_inflate_del(h->inflater);
    zrpc_buf_dispose(&h->block);
    zrpc_buf_dispose(&h->payload);
    free(h);
}

/* What stands in where there is no memory for a connection: the run is decided. */
static struct zrpc_h2 *nowhere(struct zrpc_run *run)
{
    static _Thread_local struct zrpc_h2 none;
    static _Thread_local struct zrpc_h2_call no_call;

    no_call = (struct zrpc_h2_call){.ended = true, .reset = true};
    none = (struct zrpc_h2){.run = run, .peer = run->spare, .calls = &no_call, .ended = true};
    return &none;
}

struct zrpc_h2 *zrpc_h2_new(struct zrpc_run *run)
{
    struct zrpc_h2 *h = calloc(1, sizeof *h);

    if (h == NULL || nghttp2_hd_deflate_new(&h->deflater, SENT_DYNAMIC_TABLE) != 0 ||
        nghttp2_hd_inflate_new(&h->inflater) != 0) {
        if (h != NULL)
            release(h);
        zrpc_run_inconclusive(run, "out of memory");
        return nowhere(run);
    }
    h->run = run;
    h->calls_end = &h->calls;
    h->next_stream = 1;
    h->acks_settings = h->acks_pings = h->replenishes = true;
    h->their_window = h->window_of_streams = h->pending_window = ZRPC_H2_WINDOW;
    h->send_window = h->window = ZRPC_H2_WINDOW;
    h->their_frame = h->frame_max = ZRPC_H2_FRAME;
    h->their_table = 4096;
    h->their_streams = UINT32_MAX;
    if (zrpc_run_defer(run, release, h) < 0)
        return nowhere(run);
    h->peer = zrpc_peer_greeted(run);
    zrpc_peer_send_label(h->peer, ZRPC_CONTROL);
    return h;
}

struct zrpc_h2 *zrpc_h2_open_with(struct zrpc_run *run, unsigned id, uint32_t value)
{
    struct zrpc_h2 *h = zrpc_h2_new(run);
    zrpc_time deadline = zrpc_now() + zrpc_run_timing(run)->prompt;
    struct zrpc_h2_frame seen;

    zrpc_h2_send_preface(h);
    zrpc_h2_send_settings(h, id, value);
    while (!h->settings_seen && zrpc_run_going(run))
        if (zrpc_h2_see(h, deadline, &seen) != ZRPC_SEEN_FRAME && zrpc_run_going(run))
            zrpc_run_fail(run, "the target's SETTINGS, promptly", "none");
    return h;
}

struct zrpc_h2 *zrpc_h2_open(struct zrpc_run *run)
{
    return zrpc_h2_open_with(run, 0, 0);
}

/*
 * Frames
 */
void zrpc_h2_put(struct zrpc_buf *out, uint8_t type, uint8_t flags, uint32_t stream, struct zrpc_view payload)
{
    uint8_t header[ZRPC_H2_HEADER_LEN];

    zrpc_h2_frame_encode(
        (struct zrpc_h2_header_of_frame){
            .length = (uint32_t)payload.len, .type = type, .flags = flags, .stream = stream},
        header);
    if (zrpc_buf_append(out, zrpc_view(header, sizeof header), NULL) == 0)
        (void)zrpc_buf_append(out, payload, NULL);
}

bool zrpc_h2_send(struct zrpc_h2 *h, uint8_t type, uint8_t flags, uint32_t stream, struct zrpc_view payload)
{
    struct zrpc_buf frame = {0};
    bool sent;

    h->settings_sent += type == NGHTTP2_SETTINGS && (flags & NGHTTP2_FLAG_ACK) == 0;
    zrpc_h2_put(&frame, type, flags, stream, payload);
    sent = zrpc_peer_send(h->peer, zrpc_buf_view(&frame));
    zrpc_buf_dispose(&frame);
    return sent;
}

bool zrpc_h2_send_preface(struct zrpc_h2 *h)
{
    return zrpc_peer_send_text(h->peer, ZRPC_H2_PREFACE);
}

/* More is allowed at once, less when the target has acknowledged it. */
static void allow(struct zrpc_h2 *h, unsigned id, uint32_t value)
{
    if (id == NGHTTP2_SETTINGS_MAX_FRAME_SIZE && value > h->frame_max)
        h->frame_max = value;
    if (id == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE) {
        h->table = value;
        h->table_changes = true;
    }
    if (id != NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE)
        return;
    h->pending_window = value;
    h->window_shrinks = value < h->window_of_streams;
    if (h->window_shrinks)
        return;
    for (struct zrpc_h2_call *call = h->calls; call != NULL; call = call->next)
        call->window += (int64_t)value - h->window_of_streams;
    h->window_of_streams = value;
}

bool zrpc_h2_send_settings(struct zrpc_h2 *h, unsigned id, uint32_t value)
{
    uint8_t entry[6] = {(uint8_t)(id >> 8), (uint8_t)id};

    zrpc_put_u32(entry + 2, value);
    allow(h, id, value);
    return zrpc_h2_send(h, NGHTTP2_SETTINGS, 0, 0, zrpc_view(entry, id == 0 ? 0 : sizeof entry));
}

bool zrpc_h2_send_ping(struct zrpc_h2 *h, const char opaque[static 8])
{
    return zrpc_h2_send(h, NGHTTP2_PING, 0, 0, zrpc_view(opaque, 8));
}

bool zrpc_h2_send_u32(struct zrpc_h2 *h, uint8_t type, uint32_t stream, uint32_t value)
{
    uint8_t bytes[4];

    zrpc_put_u32(bytes, value);
    return zrpc_h2_send(h, type, 0, stream, zrpc_view(bytes, sizeof bytes));
}

bool zrpc_h2_send_window(struct zrpc_h2 *h, struct zrpc_h2_call *call, uint32_t more)
{
    *(call == NULL ? &h->window : &call->window) += more;
    return zrpc_h2_send_u32(h, NGHTTP2_WINDOW_UPDATE, call == NULL ? 0 : call->stream, more);
}

bool zrpc_h2_send_goaway(struct zrpc_h2 *h, uint32_t code, const char *text)
{
    struct zrpc_buf payload = {0};
    uint8_t fixed[8] = {0};
    bool sent;

    zrpc_put_u32(fixed + 4, code);
    if (zrpc_buf_append(&payload, zrpc_view(fixed, sizeof fixed), NULL) == 0)
        (void)zrpc_buf_append(&payload, zrpc_view_of(text), NULL);
    sent = zrpc_h2_send(h, NGHTTP2_GOAWAY, 0, 0, zrpc_buf_view(&payload));
    zrpc_buf_dispose(&payload);
    return sent;
}

/*
 * Header blocks
 */
void zrpc_h2_deflate(struct zrpc_h2 *h, const struct zrpc_h2_nv *list, struct zrpc_buf *out)
{
    nghttp2_nv nva[32];
    size_t n = 0, room;
    ssize_t len;

    if (h->deflater == NULL)
        return;
    for (; list[n].name != NULL && n < sizeof nva / sizeof nva[0]; n++)
        nva[n] = (nghttp2_nv){.name = (uint8_t *)list[n].name,
                              .namelen = strlen(list[n].name),
                              .value = (uint8_t *)list[n].value,
                              .valuelen = strlen(list[n].value)};
    room = nghttp2_hd_deflate_bound(h->deflater, nva, n);
    if (zrpc_buf_reserve(out, room, NULL) < 0)
        return;
    len = nghttp2_hd_deflate_hd(h->deflater, out->base + out->off + out->len, room, nva, n);
    if (len > 0)
        out->len += (size_t)len;
}

/* A string literal without Huffman: 7-bit prefix integer, then the bytes. */
static void put_string(const char *text, struct zrpc_buf *out)
{
    size_t len = strlen(text), rest = len - 127;
    uint8_t bytes[8] = {len < 127 ? (uint8_t)len : 127};
    size_t n = 1;

    if (len >= 127) {
        for (; rest >= 128; rest >>= 7)
            bytes[n++] = (uint8_t)(rest | 128);
        bytes[n++] = (uint8_t)rest;
    }
    (void)zrpc_buf_append(out, zrpc_view(bytes, n), NULL);
    (void)zrpc_buf_append(out, zrpc_view_of(text), NULL);
}

void zrpc_h2_put_literals(const struct zrpc_h2_nv *list, struct zrpc_buf *out)
{
    static const uint8_t never_indexed = 0x10;

    for (; list->name != NULL; list++) {
        (void)zrpc_buf_append(out, zrpc_view(&never_indexed, 1), NULL);
        put_string(list->name, out);
        put_string(list->value, out);
    }
}

/*
 * Calls
 */
struct zrpc_h2_call *zrpc_h2_new_call(struct zrpc_h2 *h, uint32_t stream)
{
    struct zrpc_h2_call *call = h->calls_end == NULL ? NULL : calloc(1, sizeof *call);

    if (call == NULL) {
        zrpc_run_inconclusive(h->run, "out of memory");
        return nowhere(h->run)->calls;
    }
    if (stream == 0) {
        stream = h->next_stream;
        h->next_stream += 2;
    }
    *call = (struct zrpc_h2_call){.stream = stream,
                                  .send_window = h->their_window,
                                  .window = h->window_of_streams,
                                  .grpc_status = -1,
                                  .began = zrpc_now()};
    *h->calls_end = call;
    h->calls_end = &call->next;
    return call;
}

static size_t sendable(const struct zrpc_h2 *h, const struct zrpc_h2_call *call, size_t piece)
{
    int64_t n = call->send_window < h->send_window ? call->send_window : h->send_window;

    if (n > h->their_frame)
        n = h->their_frame;
    if (piece > 0 && n > (int64_t)piece)
        n = (int64_t)piece;
    return n > 0 ? (size_t)n : 0;
}

bool zrpc_h2_send_data(struct zrpc_h2 *h, struct zrpc_h2_call *call, struct zrpc_view data, size_t piece,
                       bool end)
{
    zrpc_time patience = zrpc_run_timing(h->run)->prompt;
    struct zrpc_h2_frame seen;
    struct zrpc_view some;
    size_t n;

    do {
        while ((n = sendable(h, call, piece)) == 0 && data.len > 0)
            if (call->ended || zrpc_h2_see(h, zrpc_now() + patience, &seen) != ZRPC_SEEN_FRAME)
                return false;
        some = zrpc_view_take(&data, n < data.len ? n : data.len);
        call->send_window -= (int64_t)some.len;
        h->send_window -= (int64_t)some.len;
        if (!zrpc_h2_send(h, NGHTTP2_DATA, end && data.len == 0 ? NGHTTP2_FLAG_END_STREAM : 0, call->stream,
                          some))
            return false;
    } while (data.len > 0);
    return true;
}
