#include "zrpc/frameconn.h"

#include <inttypes.h>
#include <stdio.h>

/* The reserved types; all others that touch a reserved bit are invalid. */
static const struct {
    uint32_t type;
    bool has_payload;
    const char *name;
} reserved[] = {
    {ZRPC_FRAME_RST, false, "RST"},
    {ZRPC_FRAME_HEARTBEAT, false, "heartbeat"},
    {ZRPC_FRAME_STREAM_TRAILER, true, "error trailer"},
    {ZRPC_FRAME_STREAM_END, false, "end of stream"},
};

void zrpc_frame_encode(struct zrpc_frame frame, uint8_t out[static ZRPC_FRAME_HEADER_LEN])
{
    zrpc_put_u32(out, frame.type);
    zrpc_put_u32(out + 4, frame.length);
}

struct zrpc_frame zrpc_frame_decode(const uint8_t in[static ZRPC_FRAME_HEADER_LEN])
{
    return (struct zrpc_frame){.type = zrpc_get_u32(in), .length = zrpc_get_u32(in + 4)};
}

static int find_reserved(uint32_t type)
{
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (reserved[i].type == type)
            return (int)i;
    return -1;
}

int zrpc_frame_check(struct zrpc_frame frame, struct zrpc_error *err)
{
    int known;

    if ((frame.type & ~ZRPC_FRAME_MASK_USER) == 0)
        return 0;
    known = find_reserved(frame.type);
    if (known < 0)
        return zrpc_fail(err, ZRPC_ERR_FRAME, "frame of type 0x%08" PRIx32 ": not a type of this protocol",
                         frame.type);
    if (!reserved[known].has_payload && frame.length != 0)
        return zrpc_fail(err, ZRPC_ERR_FRAME,
                         "%s frame announces %" PRIu32 " bytes of payload, expected none",
                         reserved[known].name, frame.length);
    return 0;
}

const char *zrpc_frame_describe(struct zrpc_frame frame, char out[static ZRPC_FRAME_TEXT_MAX])
{
    int known = find_reserved(frame.type);

    if (known >= 0)
        snprintf(out, ZRPC_FRAME_TEXT_MAX, "%s", reserved[known].name);
    else if ((frame.type & ~ZRPC_FRAME_MASK_USER) != 0)
        snprintf(out, ZRPC_FRAME_TEXT_MAX, "invalid type 0x%08" PRIx32, frame.type);
    else if (frame.type > 0xffff)
        snprintf(out, ZRPC_FRAME_TEXT_MAX, "data 0x%" PRIx32, frame.type);
    else
        snprintf(out, ZRPC_FRAME_TEXT_MAX, "data %" PRIu32, frame.type);
    return out;
}

static void read_header(struct zrpc_frame_reader *r, struct zrpc_view *in, struct zrpc_frame_event *ev)
{
    size_t missing = ZRPC_FRAME_HEADER_LEN - r->have;
    struct zrpc_view part = zrpc_view_take(in, in->len < missing ? in->len : missing);

    if (part.len > 0)
        memcpy(r->header + r->have, part.data, part.len);
    r->have += part.len;
    if (r->have < ZRPC_FRAME_HEADER_LEN)
        return;
    r->frame = zrpc_frame_decode(r->header);
    r->left = r->frame.length;
    r->have = 0;
    r->in_payload = true;
    *ev = (struct zrpc_frame_event){.kind = ZRPC_FRAME_BEGIN, .frame = r->frame};
}

static void read_payload(struct zrpc_frame_reader *r, struct zrpc_view *in, struct zrpc_frame_event *ev)
{
    if (r->left == 0) {
        r->in_payload = false;
        *ev = (struct zrpc_frame_event){.kind = ZRPC_FRAME_FINISH, .frame = r->frame};
    } else if (in->len > 0) {
        *ev = (struct zrpc_frame_event){.kind = ZRPC_FRAME_PAYLOAD, .frame = r->frame};
        ev->payload = zrpc_view_take(in, in->len < r->left ? in->len : r->left);
        r->left -= (uint32_t)ev->payload.len;
    }
}

void zrpc_frame_reader_next(struct zrpc_frame_reader *r, struct zrpc_view *in, struct zrpc_frame_event *ev)
{
    *ev = (struct zrpc_frame_event){.kind = ZRPC_FRAME_MORE};
    if (r->in_payload)
        read_payload(r, in, ev);
    else
        read_header(r, in, ev);
}

void zrpc_frame_reader_moved(struct zrpc_frame_reader *r, uint32_t n)
{
    r->left -= n;
}

bool zrpc_frame_reader_between_frames(const struct zrpc_frame_reader *r)
{
    return !r->in_payload && r->have == 0;
}

void zrpc_frame_writer_dispose(struct zrpc_frame_writer *w)
{
    zrpc_buf_dispose(&w->output);
    *w = (struct zrpc_frame_writer){0};
}

static int between_frames(const struct zrpc_frame_writer *w, uint32_t type, struct zrpc_error *err)
{
    char text[ZRPC_FRAME_TEXT_MAX];

    if (w->body_left == 0)
        return 0;
    return zrpc_fail(err, ZRPC_ERR_USAGE,
                     "cannot queue a frame (%s) while another has %" PRIu32 " bytes of payload to go",
                     zrpc_frame_describe((struct zrpc_frame){.type = type}, text), w->body_left);
}

int zrpc_frame_writer_put(struct zrpc_frame_writer *w, uint32_t type, struct zrpc_view payload,
                          struct zrpc_error *err)
{
    uint8_t header[ZRPC_FRAME_HEADER_LEN];
    int rc;

    if ((rc = between_frames(w, type, err)) < 0)
        return rc;
    if (payload.len > UINT32_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "frame payload of %zu bytes: at most %" PRIu32 " fit",
                         payload.len, UINT32_MAX);
    if ((rc = zrpc_buf_reserve(&w->output, sizeof header + payload.len, err)) < 0)
        return rc;
    zrpc_frame_encode((struct zrpc_frame){.type = type, .length = (uint32_t)payload.len}, header);
    if ((rc = zrpc_buf_append(&w->output, zrpc_view(header, sizeof header), err)) < 0)
        return rc;
    return zrpc_buf_append(&w->output, payload, err);
}

int zrpc_frame_writer_begin(struct zrpc_frame_writer *w, uint32_t type, uint32_t length,
                            struct zrpc_error *err)
{
    uint8_t header[ZRPC_FRAME_HEADER_LEN];
    int rc;

    if ((rc = between_frames(w, type, err)) < 0)
        return rc;
    zrpc_frame_encode((struct zrpc_frame){.type = type, .length = length}, header);
    if ((rc = zrpc_buf_append(&w->output, zrpc_view(header, sizeof header), err)) < 0)
        return rc;
    w->body_left = length;
    return 0;
}

void zrpc_frame_writer_sent(struct zrpc_frame_writer *w, size_t n)
{
    size_t from_output = n < w->output.len ? n : w->output.len;

    zrpc_buf_consume(&w->output, from_output);
    w->body_left -= (uint32_t)(n - from_output);
}

void zrpc_frameconn_init(struct zrpc_frameconn *c, zrpc_time shutdown_timeout)
{
    *c = (struct zrpc_frameconn){
        .state = ZRPC_CONN_OPEN,
        .shutdown_timeout = shutdown_timeout != 0 ? shutdown_timeout : ZRPC_SHUTDOWN_TIMEOUT_DEFAULT,
        .shutdown_deadline = ZRPC_NEVER,
    };
}

void zrpc_frameconn_dispose(struct zrpc_frameconn *c)
{
    zrpc_frame_writer_dispose(&c->writer);
}

static int fail_peer_shutdown(struct zrpc_error *err)
{
    return zrpc_fail(err, ZRPC_ERR_PEER_SHUTDOWN, "the peer is shutting down the connection");
}

static int check_event(struct zrpc_frameconn *c, const struct zrpc_frame_event *ev, struct zrpc_error *err)
{
    int rc;

    if (ev->kind == ZRPC_FRAME_MORE)
        return 0;
    if ((rc = zrpc_frame_check(ev->frame, err)) < 0)
        return rc;
    if (ev->frame.type != ZRPC_FRAME_RST)
        return 0;
    c->reader.in_payload = false;
    c->peer_shutdown = true;
    return fail_peer_shutdown(err);
}

int zrpc_frameconn_input(struct zrpc_frameconn *c, struct zrpc_view *in, struct zrpc_frame_event *ev,
                         struct zrpc_error *err)
{
    *ev = (struct zrpc_frame_event){.kind = ZRPC_FRAME_MORE};
    if (c->state != ZRPC_CONN_OPEN) {
        zrpc_view_take(in, in->len);
        return 0;
    }
    if (c->peer_shutdown)
        return fail_peer_shutdown(err);
    zrpc_frame_reader_next(&c->reader, in, ev);
    return check_event(c, ev, err);
}

int zrpc_frameconn_eof(struct zrpc_frameconn *c, struct zrpc_error *err)
{
    const struct zrpc_frame_reader *r = &c->reader;
    char text[ZRPC_FRAME_TEXT_MAX];

    c->peer_eof = true;
    if (c->state == ZRPC_CONN_DRAINING)
        c->state = ZRPC_CONN_CLOSED;
    if (c->state != ZRPC_CONN_OPEN)
        return 0;
    if (c->peer_shutdown)
        return fail_peer_shutdown(err);
    if (r->in_payload)
        return zrpc_fail(err, ZRPC_ERR_END,
                         "end of file inside a frame (%s): after %" PRIu32 " of %" PRIu32
                         " bytes of its payload",
                         zrpc_frame_describe(r->frame, text), r->frame.length - r->left, r->frame.length);
    if (r->have > 0)
        return zrpc_fail(err, ZRPC_ERR_END, "end of file inside a frame: after %zu of %d bytes of its header",
                         r->have, ZRPC_FRAME_HEADER_LEN);
    return zrpc_fail(err, ZRPC_ERR_END, "end of file between frames, without the RST frame of a shutdown");
}

/* Puts RST behind the frame under way once that is complete, and half-closes once RST is out. */
static void advance_closing(struct zrpc_frameconn *c)
{
    struct zrpc_error ignored;

    if (c->state != ZRPC_CONN_CLOSING || c->writer.body_left > 0)
        return;
    if (!c->rst_queued) {
        c->rst_queued = true;
        if (!c->output_dropped)
            (void)zrpc_frame_writer_put(&c->writer, ZRPC_FRAME_RST, zrpc_view(NULL, 0), &ignored);
    }
    if (c->writer.output.len == 0)
        c->state = ZRPC_CONN_HALF_CLOSE;
}

void zrpc_frameconn_sent(struct zrpc_frameconn *c, size_t n)
{
    zrpc_frame_writer_sent(&c->writer, n);
    advance_closing(c);
}

void zrpc_frameconn_shutdown(struct zrpc_frameconn *c, zrpc_time now)
{
    if (c->state != ZRPC_CONN_OPEN)
        return;
    c->state = ZRPC_CONN_CLOSING;
    c->shutdown_deadline = zrpc_deadline(now, c->shutdown_timeout);
    advance_closing(c);
}

void zrpc_frameconn_half_closed(struct zrpc_frameconn *c)
{
    if (c->state == ZRPC_CONN_HALF_CLOSE)
        c->state = c->peer_eof ? ZRPC_CONN_CLOSED : ZRPC_CONN_DRAINING;
}

void zrpc_frameconn_abandon_output(struct zrpc_frameconn *c)
{
    zrpc_buf_clear(&c->writer.output);
    c->writer.body_left = 0;
    c->output_dropped = true;
    advance_closing(c);
}
