/*
 * Mutants of what a server writes: answers and streams.
 */
#include "conformance/mutants/families.h"

static const struct zrpc_view nothing = {.data = NULL, .len = 0};

static void pass(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    zrpc_relay_frame_down(r, frame.type, payload);
}

static bool is_end(struct zrpc_frame frame)
{
    return frame.type == ZRPC_FRAME_STREAM_END;
}

/* What the server's end frame ends is kept in `count`: the type of its last data frame. */
static void note_type(struct zrpc_relay *r, struct zrpc_frame frame)
{
    if ((frame.type >= 3 && frame.type <= 5) || frame.type == ZRPC_FRAME_STREAM_TRAILER)
        r->count = frame.type;
}

static void wrong_echo(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    uint8_t changed[4096];

    if (frame.type == 4 && payload.len > 2 && payload.len <= sizeof changed) {
        memcpy(changed, payload.data, payload.len);
        changed[payload.len - 1] ^= 1;
        payload.data = changed;
        pass(r, frame, payload);
        return;
    }
    pass(r, frame, payload);
}

static void chatty_header(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 3 && payload.len == 11)
        payload = zrpc_view_of("HANDLER OK\nand how are you?");
    pass(r, frame, payload);
}

static void other_words(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 3 && payload.len > 15)
        payload = zrpc_view_of("HANDLER ERROR:\nnope");
    pass(r, frame, payload);
}

static void garbled_response(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 4)
        payload = zrpc_view("\x0a\x7f", 2);
    pass(r, frame, payload);
}

/* The response once more behind itself. */
static void answers_twice(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    note_type(r, frame);
    pass(r, frame, payload);
    if (frame.type == 3 || frame.type == 4 || is_end(frame))
        zrpc_peer_put_frame(&r->held, frame.type, payload);
    if (is_end(frame) && r->count == 4)
        zrpc_relay_down(r, zrpc_buf_view(&r->held));
}

static void error_and_response(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 3 && payload.len > 15)
        r->flag = true;
    pass(r, frame, payload);
    if (r->flag && is_end(frame)) {
        zrpc_relay_frame_down(r, ZRPC_FRAME_STREAM_END, nothing);
        r->flag = false;
    }
}

static void long_error(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    static char text[50000];

    if (frame.type != 3 || payload.len <= 15) {
        pass(r, frame, payload);
        return;
    }
    memcpy(text, "HANDLER ERROR:\n", 15);
    for (size_t i = 15; i < sizeof text; i++)
        text[i] = 'e';
    zrpc_relay_frame_down(r, 3, zrpc_view(text, sizeof text));
}

/*
 * Streams
 */
static void long_frames(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type != 4 && frame.type != 5) {
        if (r->held.len > 0)
            zrpc_relay_frame_down(r, (uint32_t)r->count, zrpc_buf_view(&r->held));
        zrpc_buf_clear(&r->held);
        pass(r, frame, payload);
        return;
    }
    r->count = frame.type;
    (void)zrpc_buf_append(&r->held, payload, NULL);
}

static void single_bytes(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 5 && payload.len > 1)
        zrpc_relay_frame_down(r, 5, zrpc_view_take(&payload, 1));
    pass(r, frame, payload);
}

static void heartbeat_inside(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    uint8_t header[8], beat[8];

    if (frame.type != 5 || payload.len < 100) {
        pass(r, frame, payload);
        return;
    }
    zrpc_frame_encode(frame, header);
    zrpc_frame_encode((struct zrpc_frame){.type = ZRPC_FRAME_HEARTBEAT}, beat);
    zrpc_relay_down(r, zrpc_view(header, 8));
    zrpc_relay_down(r, zrpc_view_take(&payload, 50));
    zrpc_relay_down(r, zrpc_view(beat, 8));
    zrpc_relay_down(r, payload);
}

static void no_stream_end(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    note_type(r, frame);
    if (!is_end(frame) || r->count != 5)
        pass(r, frame, payload);
}

/* Every second connection loses a frame of its stream. */
static void loses_a_frame(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 5 && r->number % 2 == 1 && !r->flag) {
        r->flag = true;
        return;
    }
    pass(r, frame, payload);
}

static void swallows_trailers(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type != ZRPC_FRAME_STREAM_TRAILER)
        pass(r, frame, payload);
}

static void speechless(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    pass(r, frame, frame.type == ZRPC_FRAME_STREAM_TRAILER ? nothing : payload);
}

static void latin1(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    pass(r, frame, frame.type == ZRPC_FRAME_STREAM_TRAILER ? zrpc_view_of("gest\xf6rt") : payload);
}

static void data_after_trailer(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    pass(r, frame, payload);
    if (frame.type == ZRPC_FRAME_STREAM_TRAILER)
        zrpc_relay_frame_down(r, 5, zrpc_view_of("more"));
}

/* An empty stream behind every response that has none. */
static void always_a_stream(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    note_type(r, frame);
    if (frame.type == ZRPC_FRAME_RST && r->count == 4)
        zrpc_relay_frame_down(r, ZRPC_FRAME_STREAM_END, nothing);
    pass(r, frame, payload);
}

static void source_error_cuts(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == ZRPC_FRAME_STREAM_TRAILER)
        zrpc_relay_cut(r, false);
    pass(r, frame, payload);
}

/* The client's first frame of a stream is answered before the server could. */
static void success_at_once(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    zrpc_relay_frame_up(r, frame.type, payload);
    if (frame.type != 5 || r->flag)
        return;
    r->flag = true;
    zrpc_relay_frame_down(r, 3, zrpc_view_of("HANDLER OK\n"));
    zrpc_relay_frame_down(r, ZRPC_FRAME_STREAM_END, nothing);
    zrpc_relay_frame_down(r, ZRPC_FRAME_STREAM_END, nothing);
}

const struct zrpc_mutant zrpc_mutants_write[] = {
    {
        .name = "wrong-echo",
        .what = "changes a bit of the ping's text",
        .caught_by = "request.ping",
        .server_frame = wrong_echo,
    },
    {
        .name = "chatty-header",
        .what = "writes more than HANDLER OK",
        .caught_by = "request.ping",
        .server_frame = chatty_header,
    },
    {
        .name = "other-words",
        .what = "has words of its own for an unknown endpoint",
        .caught_by = "request.unknown-endpoint-text",
        .verdict = ZRPC_VERDICT_NON_STRICT,
        .server_frame = other_words,
    },
    {
        .name = "garbled-response",
        .what = "sends a response that does not decode",
        .caught_by = "send.dry-run",
        .server_frame = garbled_response,
    },
    {
        .name = "answers-twice",
        .what = "sends its answer twice",
        .caught_by = "request.one-after-the-other",
        .server_frame = answers_twice,
    },
    {
        .name = "error-and-response",
        .what = "sends a response behind a handler error",
        .caught_by = "request.handler-error",
        .server_frame = error_and_response,
    },
    {
        .name = "long-errors",
        .what = "sends error texts of any length",
        .caught_by = "request.long-handler-error",
        .server_frame = long_error,
    },
    {
        .name = "long-frames",
        .what = "sends frames above 2^19 bytes",
        .caught_by = "request.ping-large",
        .server_frame = long_frames,
    },
    {
        .name = "single-bytes",
        .what = "sends frames of one byte",
        .caught_by = "send.full",
        .server_frame = single_bytes,
    },
    {
        .name = "heartbeat-inside",
        .what = "puts heartbeats into frames",
        .caught_by = "send.increment",
        .server_frame = heartbeat_inside,
    },
    {
        .name = "no-stream-end",
        .what = "ends no stream",
        .caught_by = "send.increment",
        .server_frame = no_stream_end,
    },
    {
        .name = "loses-a-frame",
        .what = "loses a frame of some streams",
        .caught_by = "send.full",
        .server_frame = loses_a_frame,
    },
    {
        .name = "swallows-trailers",
        .what = "ends a stream whose source failed as if it were complete",
        .caught_by = "send.source-error",
        .server_frame = swallows_trailers,
    },
    {
        .name = "speechless",
        .what = "sends error trailers without text",
        .caught_by = "send.source-error",
        .server_frame = speechless,
    },
    {
        .name = "latin-1",
        .what = "sends error texts that are not UTF-8",
        .caught_by = "send.source-error",
        .server_frame = latin1,
    },
    {
        .name = "data-after-trailer",
        .what = "sends data behind an error trailer",
        .caught_by = "send.source-error",
        .server_frame = data_after_trailer,
    },
    {
        .name = "source-error-cuts",
        .what = "ends the connection when a source fails",
        .caught_by = "send.source-error",
        .server_frame = source_error_cuts,
    },
    {
        .name = "always-a-stream",
        .what = "sends a stream behind the answer of a dry run",
        .caught_by = "send.dry-run",
        .server_frame = always_a_stream,
    },
    {
        .name = "success-at-once",
        .what = "reports a receive as a success before its stream has ended",
        .caught_by = "receive.no-early-success",
        .frame = success_at_once,
    },
    {0},
};
