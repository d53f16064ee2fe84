#include "zrpc/stream.h"

#include <inttypes.h>
#include <stdio.h>

void zrpc_stream_reader_init(struct zrpc_stream_reader *r, uint32_t type)
{
    *r = (struct zrpc_stream_reader){.type = type};
}

void zrpc_stream_reader_dispose(struct zrpc_stream_reader *r)
{
    zrpc_buf_dispose(&r->trailer);
}

static int on_content(struct zrpc_stream_reader *r, const struct zrpc_frame_event *ev, struct zrpc_error *err)
{
    if (r->in_trailer)
        return zrpc_fail(err, ZRPC_ERR_STREAM,
                         "data %" PRIu32
                         " frame after an error trailer, expected more of it or the end of stream",
                         r->type);
    if (ev->kind != ZRPC_FRAME_PAYLOAD)
        return ZRPC_STREAM_MORE;
    r->received += ev->payload.len;
    return ZRPC_STREAM_DATA;
}

/* Keeps one byte more than the limit: it tells whether the text was cut, and whether inside a sequence. */
static int on_trailer(struct zrpc_stream_reader *r, const struct zrpc_frame_event *ev, struct zrpc_error *err)
{
    size_t room = ZRPC_STREAM_TRAILER_MAX + 1 - r->trailer.len;
    struct zrpc_view kept = ev->payload;

    r->in_trailer = true;
    if (ev->kind != ZRPC_FRAME_PAYLOAD)
        return ZRPC_STREAM_MORE;
    kept.len = kept.len < room ? kept.len : room;
    return zrpc_buf_append(&r->trailer, kept, err);
}

/* As much of the text as an error holds; a zero byte would end it too soon. */
static int fail_with_text(struct zrpc_view text, struct zrpc_error *err)
{
    char shown[ZRPC_ERROR_TEXT_MAX];

    text = zrpc_utf8_prefix(text, sizeof shown);
    memcpy(shown, text.data, text.len);
    for (char *c = shown; c < shown + text.len; c++)
        if (*c == '\0')
            *c = '?';
    return zrpc_fail(err, ZRPC_ERR_PEER_SOURCE, "%.*s", (int)text.len, shown);
}

static int fail_source(struct zrpc_stream_reader *r, struct zrpc_error *err)
{
    struct zrpc_view text = zrpc_utf8_prefix(zrpc_buf_view(&r->trailer), ZRPC_STREAM_TRAILER_MAX);

    /* An incomplete sequence at the end is a fault of the sender's where nothing was cut off. */
    if (r->trailer.len <= ZRPC_STREAM_TRAILER_MAX)
        text = zrpc_buf_view(&r->trailer);
    r->trailer.len = text.len;
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    if (text.len == 0)
        return zrpc_fail(err, ZRPC_ERR_PEER_SOURCE, "source failed, with an empty error text");
    if (!zrpc_utf8_valid(text))
        return zrpc_fail(err, ZRPC_ERR_PEER_SOURCE, "source failed, with an error text that is not UTF-8");
    return fail_with_text(text, err);
}

static int on_end(struct zrpc_stream_reader *r, const struct zrpc_frame_event *ev, struct zrpc_error *err)
{
    if (ev->kind != ZRPC_FRAME_FINISH)
        return ZRPC_STREAM_MORE;
    return r->in_trailer ? fail_source(r, err) : ZRPC_STREAM_DONE;
}

static int on_other(struct zrpc_stream_reader *r, const struct zrpc_frame_event *ev, struct zrpc_error *err)
{
    char text[ZRPC_FRAME_TEXT_MAX];

    return zrpc_fail(err, ZRPC_ERR_STREAM,
                     "frame (%s) within a stream of type %" PRIu32 " after %" PRIu64
                     " bytes, expected data, error trailer or end of stream",
                     zrpc_frame_describe(ev->frame, text), r->type, r->received);
}

int zrpc_stream_reader_event(struct zrpc_stream_reader *r, const struct zrpc_frame_event *ev,
                             struct zrpc_error *err)
{
    const struct {
        uint32_t type;
        int (*on)(struct zrpc_stream_reader *r, const struct zrpc_frame_event *ev, struct zrpc_error *err);
    } handlers[] = {
        {r->type, on_content},
        {ZRPC_FRAME_STREAM_TRAILER, on_trailer},
        {ZRPC_FRAME_STREAM_END, on_end},
    };

    if (ev->kind == ZRPC_FRAME_MORE)
        return ZRPC_STREAM_MORE;
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (ev->frame.type == handlers[i].type)
            return handlers[i].on(r, ev, err);
    return on_other(r, ev, err);
}

bool zrpc_stream_reader_in_content(const struct zrpc_stream_reader *r, const struct zrpc_frame_reader *frames)
{
    return frames->in_payload && frames->left > 0 && frames->frame.type == r->type && !r->in_trailer;
}

void zrpc_stream_reader_moved(struct zrpc_stream_reader *r, uint32_t n)
{
    r->received += n;
}

void zrpc_message_reader_init(struct zrpc_message_reader *r, uint32_t type, size_t limit)
{
    *r = (struct zrpc_message_reader){.limit = limit};
    zrpc_stream_reader_init(&r->stream, type);
}

void zrpc_message_reader_dispose(struct zrpc_message_reader *r)
{
    zrpc_stream_reader_dispose(&r->stream);
    zrpc_buf_dispose(&r->content);
}

int zrpc_message_reader_event(struct zrpc_message_reader *r, const struct zrpc_frame_event *ev,
                              struct zrpc_error *err)
{
    uint64_t announced = r->stream.received + (ev->kind == ZRPC_FRAME_BEGIN ? ev->frame.length : 0);
    int rc = zrpc_stream_reader_event(&r->stream, ev, err);

    /* What a frame announces need not come for the message to be too long. */
    if (rc >= 0 && ev->frame.type == r->stream.type && announced > r->limit)
        return zrpc_fail(err, ZRPC_ERR_TOO_BIG, "message of type %" PRIu32 " is longer than %zu bytes",
                         r->stream.type, r->limit);
    if (rc != ZRPC_STREAM_DATA)
        return rc;
    return zrpc_buf_append(&r->content, ev->payload, err);
}

uint32_t zrpc_stream_payload_len(uint64_t left)
{
    if (left == ZRPC_STREAM_PAYLOAD_MAX + 1)
        return ZRPC_STREAM_PAYLOAD_MAX - 1;
    return left < ZRPC_STREAM_PAYLOAD_MAX ? (uint32_t)left : ZRPC_STREAM_PAYLOAD_MAX;
}

static int put_cut(struct zrpc_heartbeatconn *c, zrpc_time now, uint32_t type, struct zrpc_view content,
                   struct zrpc_error *err)
{
    size_t frames = content.len / (ZRPC_STREAM_PAYLOAD_MAX - 1) + 2; /* at most, with the end */
    int rc;

    if ((rc = zrpc_buf_reserve(&c->conn.writer.output, content.len + frames * ZRPC_FRAME_HEADER_LEN, err)) <
        0)
        return rc;
    while (content.len > 0) {
        struct zrpc_view payload = zrpc_view_take(&content, zrpc_stream_payload_len(content.len));

        if ((rc = zrpc_heartbeatconn_put(c, now, type, payload, err)) < 0)
            return rc;
    }
    return zrpc_stream_put_end(c, now, err);
}

int zrpc_stream_put_message(struct zrpc_heartbeatconn *c, zrpc_time now, uint32_t type,
                            struct zrpc_view content, struct zrpc_error *err)
{
    if (type == 0 || (type & ~ZRPC_FRAME_MASK_USER) != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "cannot send a stream of type 0x%" PRIx32 ": not a user type",
                         type);
    return put_cut(c, now, type, content, err);
}

int zrpc_stream_put_end(struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_error *err)
{
    return zrpc_heartbeatconn_put(c, now, ZRPC_FRAME_STREAM_END, zrpc_view(NULL, 0), err);
}

int zrpc_stream_put_source_error(struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_view text,
                                 struct zrpc_error *err)
{
    char longer[32];

    if (text.len == 0)
        text = zrpc_view_of("source failed without an error text");
    else if (!zrpc_utf8_valid(text))
        text = zrpc_view_of("source failed with an error text that is not UTF-8");
    else if (text.len == 1)
        text = zrpc_view(longer, (size_t)snprintf(longer, sizeof longer, "source failed: %c", text.data[0]));
    return put_cut(c, now, ZRPC_FRAME_STREAM_TRAILER, zrpc_utf8_prefix(text, ZRPC_STREAM_TRAILER_MAX), err);
}
