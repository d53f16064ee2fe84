#include "conformance/peer.h"

#define READ_CHUNK (64u << 10)

static const char frames_legal[] = "RST, heartbeat, end of stream, error trailer, or a user type";

static void note_end(struct zrpc_peer *p, const char *text, const char *detail)
{
    struct zrpc_trace_event ev = {.kind = ZRPC_TRACE_WIRE, .conn = p->number, .text = text, .detail = detail};
    zrpc_time now = zrpc_now();

    zrpc_annotate_flush(&p->sent, now);
    zrpc_annotate_flush(&p->received, now);
    zrpc_trace_add(&p->run->trace, now, &ev);
}

static bool heartbeats_itself(const struct zrpc_peer *p)
{
    return p->framing && !p->inside && !p->quiet && !p->write_failed && !p->write_closed;
}

static enum zrpc_seen_kind read_failed(struct zrpc_peer *p, int code, const char *text)
{
    if (code == ZRPC_ERR_CANCELLED)
        return ZRPC_SEEN_NOTHING;
    p->reset = true;
    note_end(p, code == ZRPC_ERR_RESET ? "reset by the target" : "reading failed", text);
    return ZRPC_SEEN_RESET;
}

/* Reads at least one byte into p->in. */
static enum zrpc_seen_kind fill(struct zrpc_peer *p, zrpc_time deadline)
{
    struct zrpc_error err;
    zrpc_time beat;
    uint8_t *room;
    ssize_t n;

    if (zrpc_buf_reserve(&p->in, READ_CHUNK, &err) < 0) {
        zrpc_run_inconclusive(p->run, "%s", err.text);
        return ZRPC_SEEN_NOTHING;
    }
    room = p->in.base + p->in.off + p->in.len;
    for (;;) {
        beat = heartbeats_itself(p) ? p->last_sent + p->heartbeat_every : ZRPC_NEVER;
        zrpc_timeoutconn_set_deadline(p->conn, ZRPC_READ, zrpc_earlier(deadline, beat));
        n = zrpc_timeoutconn_read(p->conn, room, READ_CHUNK, &err);
        if (n != ZRPC_ERR_TIMEOUT)
            break;
        if (zrpc_now() >= deadline) {
            zrpc_annotate_flush(&p->sent, zrpc_now());
            zrpc_annotate_flush(&p->received, zrpc_now());
            return zrpc_run_going(p->run) ? ZRPC_SEEN_SILENCE : ZRPC_SEEN_NOTHING;
        }
        if (zrpc_now() >= beat)
            zrpc_peer_send_heartbeat(p);
    }
    if (n < 0)
        return read_failed(p, (int)n, err.text);
    if (n == 0) {
        p->eof = true;
        note_end(p, "end of the byte stream from the target", NULL);
        return ZRPC_SEEN_EOF;
    }
    zrpc_annotate_flush(&p->sent, zrpc_now());
    zrpc_annotate(&p->received, zrpc_now(), zrpc_view(room, (size_t)n));
    p->in.len += (size_t)n;
    p->bytes_received += (uint64_t)n;
    return ZRPC_SEEN_FRAME;
}

/* At least n bytes in p->in. */
static enum zrpc_seen_kind need(struct zrpc_peer *p, size_t n, zrpc_time deadline)
{
    enum zrpc_seen_kind kind;

    while (p->in.len < n) {
        if (p->conn == NULL || !zrpc_run_going(p->run))
            return ZRPC_SEEN_NOTHING;
        if (p->eof || p->reset)
            return p->eof ? ZRPC_SEEN_EOF : ZRPC_SEEN_RESET;
        kind = fill(p, deadline);
        if (kind != ZRPC_SEEN_FRAME)
            return kind;
    }
    return ZRPC_SEEN_FRAME;
}

enum zrpc_seen_kind zrpc_peer_see_bytes(struct zrpc_peer *p, zrpc_time deadline, size_t max,
                                        struct zrpc_view *bytes)
{
    enum zrpc_seen_kind kind;

    *bytes = zrpc_view(NULL, 0);
    zrpc_buf_clear(&p->payload);
    kind = need(p, 1, deadline);
    if (kind != ZRPC_SEEN_FRAME)
        return kind;
    *bytes = zrpc_buf_view(&p->in);
    if (bytes->len > max)
        bytes->len = max;
    if (zrpc_buf_append(&p->payload, *bytes, NULL) < 0) {
        zrpc_run_inconclusive(p->run, "out of memory");
        return ZRPC_SEEN_NOTHING;
    }
    zrpc_buf_consume(&p->in, bytes->len);
    *bytes = zrpc_buf_view(&p->payload);
    return ZRPC_SEEN_FRAME;
}

/* What a header must be in every case, whatever it answers. */
static void judge_header(struct zrpc_peer *p, struct zrpc_frame frame)
{
    bool own = (frame.type & ~ZRPC_FRAME_MASK_USER) != 0;
    bool known = frame.type == ZRPC_FRAME_RST || frame.type == ZRPC_FRAME_HEARTBEAT ||
                 frame.type == ZRPC_FRAME_STREAM_END || frame.type == ZRPC_FRAME_STREAM_TRAILER;
    char name[ZRPC_ANNOTATE_TYPE_MAX];

    zrpc_annotate_type(frame.type, name);
    if (p->rst_seen)
        zrpc_run_violation(p->run, "ZR-SHUT-002", "nothing after the RST frame", "a frame of type %s", name);
    else if (own && !known)
        zrpc_run_violation(p->run, "ZR-FRAME-003", frames_legal, "a frame of type %08x", frame.type);
    else if (own && frame.type != ZRPC_FRAME_STREAM_TRAILER && frame.length > 0)
        zrpc_run_violation(p->run, "ZR-FRAME-004", "RST, heartbeat and end frames have no payload",
                           "%s with a length of %u", name, frame.length);
    else if (frame.length > 1u << 19)
        zrpc_run_violation(p->run, "ZR-FRAME-009", "payloads of at most 524288 bytes",
                           "%s with a length of %u", name, frame.length);
}

/* A payload of at most 2^19 bytes, into p->payload. */
static enum zrpc_seen_kind take_payload(struct zrpc_peer *p, uint32_t length, zrpc_time deadline)
{
    enum zrpc_seen_kind kind = need(p, length, deadline);

    if (kind != ZRPC_SEEN_FRAME)
        return kind;
    zrpc_buf_clear(&p->payload);
    if (zrpc_buf_append(&p->payload, zrpc_view(zrpc_buf_view(&p->in).data, length), NULL) < 0) {
        zrpc_run_inconclusive(p->run, "out of memory");
        return ZRPC_SEEN_NOTHING;
    }
    zrpc_buf_consume(&p->in, length);
    return ZRPC_SEEN_FRAME;
}

enum zrpc_seen_kind zrpc_peer_see(struct zrpc_peer *p, zrpc_time deadline, struct zrpc_seen *seen)
{
    *seen = (struct zrpc_seen){.kind = need(p, ZRPC_FRAME_HEADER_LEN, deadline)};
    if (seen->kind == ZRPC_SEEN_FRAME) {
        seen->frame = zrpc_frame_decode(zrpc_buf_view(&p->in).data);
        judge_header(p, seen->frame);
        seen->kind = need(p, ZRPC_FRAME_HEADER_LEN + (size_t)seen->frame.length, deadline);
    }
    if (seen->kind == ZRPC_SEEN_FRAME) {
        zrpc_buf_consume(&p->in, ZRPC_FRAME_HEADER_LEN);
        seen->kind = take_payload(p, seen->frame.length, deadline);
        seen->payload = zrpc_buf_view(&p->payload);
    }
    seen->at = zrpc_now();
    if (seen->kind == ZRPC_SEEN_FRAME && !zrpc_run_going(p->run))
        seen->kind = ZRPC_SEEN_NOTHING;
    if (seen->kind == ZRPC_SEEN_FRAME) {
        if (seen->at - p->last_seen > p->longest_gap)
            p->longest_gap = seen->at - p->last_seen;
        p->last_seen = seen->at;
        p->heartbeats_seen += seen->frame.type == ZRPC_FRAME_HEARTBEAT;
        p->rst_seen = p->rst_seen || seen->frame.type == ZRPC_FRAME_RST;
    }
    return seen->kind;
}

enum zrpc_seen_kind zrpc_peer_see_other(struct zrpc_peer *p, zrpc_time deadline, struct zrpc_seen *seen)
{
    do {
        zrpc_peer_see(p, deadline, seen);
    } while (seen->kind == ZRPC_SEEN_FRAME && seen->frame.type == ZRPC_FRAME_HEARTBEAT);
    return seen->kind;
}

void zrpc_peer_see_end(struct zrpc_peer *p, zrpc_time deadline, struct zrpc_seen *seen)
{
    if (seen->kind == ZRPC_SEEN_FRAME && seen->frame.type == ZRPC_FRAME_RST)
        zrpc_peer_see(p, deadline, seen);
}

bool zrpc_peer_has_other(struct zrpc_peer *p)
{
    struct zrpc_view in;
    struct zrpc_frame frame;
    enum zrpc_seen_kind kind;

    for (;;) {
        kind = need(p, ZRPC_FRAME_HEADER_LEN, zrpc_now());
        if (kind != ZRPC_SEEN_FRAME)
            return kind != ZRPC_SEEN_SILENCE;
        in = zrpc_buf_view(&p->in);
        frame = zrpc_frame_decode(in.data);
        if (frame.type != ZRPC_FRAME_HEARTBEAT || frame.length > 0)
            return true;
        zrpc_buf_consume(&p->in, ZRPC_FRAME_HEADER_LEN);
    }
}

void zrpc_seen_add(struct zrpc_buf *text, const struct zrpc_seen *seen)
{
    static const char *const names[] = {
        [ZRPC_SEEN_EOF] = "the end of the byte stream",
        [ZRPC_SEEN_RESET] = "a connection reset",
        [ZRPC_SEEN_SILENCE] = "silence",
        [ZRPC_SEEN_NOTHING] = "nothing",
    };
    char name[ZRPC_ANNOTATE_TYPE_MAX];

    if (seen->kind != ZRPC_SEEN_FRAME) {
        zrpc_text_add(text, "%s", names[seen->kind]);
        return;
    }
    zrpc_text_add(text, "a frame, %s, of %u bytes", zrpc_annotate_type(seen->frame.type, name),
                  seen->frame.length);
    if (seen->payload.len > 0) {
        zrpc_text_add(text, ": ");
        zrpc_text_add_bytes(text, seen->payload, seen->payload.len, 80);
    }
}
