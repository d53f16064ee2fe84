/*
 * Mutants of what a server reads: frames, streams and requests.
 */
#include <stdio.h>
#include <time.h>

#include "conformance/mutants/families.h"

static const struct zrpc_view nothing = {.data = NULL, .len = 0};

static void pass(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    zrpc_relay_frame_up(r, frame.type, payload);
}

static bool is_data(struct zrpc_frame frame)
{
    return (frame.type & ~ZRPC_FRAME_MASK_USER) == 0;
}

static bool is_trailer(struct zrpc_frame frame)
{
    return frame.type == ZRPC_FRAME_STREAM_TRAILER;
}

static bool is_end(struct zrpc_frame frame)
{
    return frame.type == ZRPC_FRAME_STREAM_END;
}

/*
 * Frames
 */
static void no_single_bytes(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.length == 1)
        zrpc_relay_cut(r, true);
    pass(r, frame, payload);
}

static void empty_ends(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (is_data(frame) && frame.length == 0)
        frame.type = ZRPC_FRAME_STREAM_END;
    pass(r, frame, payload);
}

static void skip_reserved(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (is_data(frame) || is_end(frame) || is_trailer(frame) || frame.type == ZRPC_FRAME_RST ||
        frame.type == ZRPC_FRAME_HEARTBEAT)
        pass(r, frame, payload);
}

/* Only the highest bit counts. */
static void loose_types(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if ((frame.type & ZRPC_FRAME_MASK_HEARTBEAT) != 0)
        frame.type = ZRPC_FRAME_HEARTBEAT;
    if (frame.type == ZRPC_FRAME_HEARTBEAT)
        payload = nothing;
    pass(r, frame, payload);
}

static void deliver_end_payload(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (is_end(frame) && payload.len > 0)
        zrpc_relay_frame_up(r, r->type, payload);
    pass(r, frame, is_end(frame) ? nothing : payload);
}

static void forget_at_eof(struct zrpc_relay *r)
{
    zrpc_relay_cut(r, false);
}

/* The answer waits, so that an end that comes soon after the request comes before it. */
static void answer_slowly(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    const struct timespec pause = {.tv_nsec = 5 * ZRPC_MILLISECOND};

    for (int i = 0; i < 100 && !r->flag && !zrpc_relay_is_over(r); i++)
        nanosleep(&pause, NULL);
    r->flag = true;
    zrpc_relay_frame_down(r, frame.type, payload);
}

static void need_whole_frames(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (zrpc_now() - r->began > 8 * ZRPC_MILLISECOND && !r->flag)
        zrpc_relay_cut(r, false);
    r->flag = true;
    pass(r, frame, payload);
}

/*
 * Streams
 */
static void end_at_eof(struct zrpc_relay *r)
{
    if (r->type == 5)
        zrpc_relay_frame_up(r, ZRPC_FRAME_STREAM_END, nothing);
    zrpc_relay_end_up(r);
}

static void no_trailers(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (!is_trailer(frame))
        pass(r, frame, payload);
}

static void no_empty_trailers(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (!is_trailer(frame) || frame.length > 0)
        pass(r, frame, payload);
}

static void only_utf8_trailers(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (!is_trailer(frame) || zrpc_utf8_valid(payload))
        pass(r, frame, payload);
}

/* A trailer counts only if the end comes next. */
static void forgetful_trailers(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (is_trailer(frame)) {
        zrpc_buf_clear(&r->held);
        (void)zrpc_buf_append(&r->held, payload, NULL);
        r->flag = true;
        return;
    }
    if (r->flag && is_end(frame))
        zrpc_relay_frame_up(r, ZRPC_FRAME_STREAM_TRAILER, zrpc_buf_view(&r->held));
    r->flag = false;
    pass(r, frame, payload);
}

static void skip_other_types(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (r->type != 5 || !is_data(frame) || frame.type == 5)
        pass(r, frame, payload);
}

static void no_heartbeat_inside(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == ZRPC_FRAME_HEARTBEAT && r->type != 0)
        zrpc_relay_cut(r, false);
    pass(r, frame, payload);
}

/*
 * Requests
 */
static void hang_on_long_headers(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 1 && r->bytes + frame.length > 32768)
        r->flag = true;
    if (!r->flag || frame.type == ZRPC_FRAME_HEARTBEAT)
        pass(r, frame, payload);
}

static void hang_on_long_requests(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 2 && r->bytes + frame.length > 4 << 20)
        r->flag = true;
    if (!r->flag || frame.type == ZRPC_FRAME_HEARTBEAT)
        pass(r, frame, payload);
}

static void limit_one_less(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 2 && r->bytes + frame.length >= 4 << 20)
        zrpc_relay_cut(r, false);
    pass(r, frame, payload);
}

static void endpoint_prefix(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 1 && payload.len > 8 && memcmp(payload.data, "/v1/ping", 8) == 0)
        payload.len = 8;
    pass(r, frame, payload);
}

static void any_first_type(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (!r->flag && is_data(frame))
        frame.type = 1;
    if (is_end(frame))
        r->flag = true;
    pass(r, frame, payload);
}

static void serve_half_requests(struct zrpc_relay *r)
{
    if (r->type == 2)
        zrpc_relay_frame_up(r, ZRPC_FRAME_STREAM_END, nothing);
    zrpc_relay_end_up(r);
}

static void no_unknown_fields(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 2 && memmem(payload.data, payload.len, "\x78\x2a", 2) != NULL)
        zrpc_relay_cut(r, false);
    pass(r, frame, payload);
}

/* The field comes last in a ReceiveReq. */
static void keep_resume_token(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == 2 && payload.len > 2 && memcmp(payload.data + payload.len - 2, "\x10\1", 2) == 0)
        payload.len -= 2;
    pass(r, frame, payload);
}

static void no_empty_requests(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (is_end(frame) && r->type == 0)
        zrpc_relay_cut(r, false);
    pass(r, frame, payload);
}

const struct zrpc_mutant zrpc_mutants_read[] = {
    {
        .name = "no-single-bytes",
        .what = "breaks down on a payload of one byte",
        .caught_by = "frame.one-byte-payload",
        .frame = no_single_bytes,
    },
    {
        .name = "empty-frame-ends",
        .what = "takes an empty data frame for the end",
        .caught_by = "frame.zero-length",
        .frame = empty_ends,
    },
    {
        .name = "skips-reserved-types",
        .what = "ignores frames of reserved types",
        .caught_by = "frame.reserved-stream",
        .frame = skip_reserved,
    },
    {
        .name = "skips-reserved-bits",
        .what = "ignores frames with bits of 28-31",
        .caught_by = "frame.reserved-frameconn",
        .frame = skip_reserved,
    },
    {
        .name = "loose-heartbeats",
        .what = "takes any bit of 24-27 for a heartbeat",
        .caught_by = "frame.reserved-heartbeat",
        .frame = loose_types,
    },
    {
        .name = "mixes-owners",
        .what = "takes a heartbeat with other bits for a heartbeat",
        .caught_by = "frame.mixed-owners",
        .frame = loose_types,
    },
    {
        .name = "delivers-end-payload",
        .what = "takes the payload of an end frame for data",
        .caught_by = "frame.end-with-payload",
        .frame = deliver_end_payload,
    },
    {
        .name = "forgets-at-eof",
        .what = "drops a complete request when the byte stream ends behind it",
        .caught_by = "frame.complete-before-eof",
        .end = forget_at_eof,
        .server_frame = answer_slowly,
    },
    {
        .name = "whole-frames-only",
        .what = "needs frames in one piece",
        .caught_by = "frame.byte-by-byte",
        .frame = need_whole_frames,
    },
    {
        .name = "eof-is-success",
        .what = "takes the end of the byte stream for the end of the stream",
        .caught_by = "stream.ends-before-end-frame",
        .end = end_at_eof,
    },
    {
        .name = "ignores-trailers",
        .what = "takes a source error after all content for success",
        .caught_by = "stream.source-error-after-all",
        .frame = no_trailers,
    },
    {
        .name = "empty-trailer-is-success",
        .what = "takes an error trailer without text for success",
        .caught_by = "stream.source-error-without-text",
        .frame = no_empty_trailers,
    },
    {
        .name = "utf8-trailers-only",
        .what = "ignores an error trailer that is not UTF-8",
        .caught_by = "stream.source-error-not-utf8",
        .frame = only_utf8_trailers,
    },
    {
        .name = "forgets-trailers",
        .what = "forgets an error trailer when data follows",
        .caught_by = "stream.data-after-trailer",
        .frame = forgetful_trailers,
    },
    {
        .name = "skips-other-types",
        .what = "ignores frames of other types inside a stream",
        .caught_by = "stream.other-type-inside",
        .frame = skip_other_types,
    },
    {
        .name = "skips-type-zero",
        .what = "ignores frames of type 0 inside a stream",
        .caught_by = "stream.type-zero-inside",
        .frame = skip_other_types,
    },
    {
        .name = "low-bits-only",
        .what = "ignores bits 20-23 of a type",
        .caught_by = "stream.user-bits-inside",
        .frame = skip_other_types,
    },
    {
        .name = "no-heartbeat-inside",
        .what = "allows no heartbeat inside a message",
        .caught_by = "heartbeat.between-any-frames",
        .frame = no_heartbeat_inside,
    },
    {
        .name = "no-heartbeat-in-streams",
        .what = "allows no heartbeat inside a stream",
        .caught_by = "heartbeat.within-stream",
        .frame = no_heartbeat_inside,
    },
    {
        .name = "hangs-on-long-headers",
        .what = "neither takes nor refuses a request header above its limit",
        .caught_by = "request.header-too-long",
        .frame = hang_on_long_headers,
    },
    {
        .name = "hangs-on-long-requests",
        .what = "neither takes nor refuses a request above its limit",
        .caught_by = "request.body-too-long",
        .frame = hang_on_long_requests,
    },
    {
        .name = "limit-one-less",
        .what = "refuses a request of exactly the limit",
        .caught_by = "request.ping-largest",
        .frame = limit_one_less,
    },
    {
        .name = "endpoint-prefix",
        .what = "compares endpoints by their beginning",
        .caught_by = "request.unknown-endpoint",
        .frame = endpoint_prefix,
    },
    {
        .name = "endpoint-string",
        .what = "compares endpoints up to a zero byte",
        .caught_by = "request.endpoint-with-zero",
        .frame = endpoint_prefix,
    },
    {
        .name = "any-first-type",
        .what = "does not look at the type of the first message",
        .caught_by = "request.wrong-first-type",
        .frame = any_first_type,
    },
    {
        .name = "serves-half-requests",
        .what = "serves a request without its last end frame",
        .caught_by = "request.unfinished",
        .end = serve_half_requests,
    },
    {
        .name = "no-unknown-fields",
        .what = "refuses messages with fields it does not know",
        .caught_by = "request.unknown-fields",
        .frame = no_unknown_fields,
    },
    {
        .name = "keeps-resume-token",
        .what = "ignores ClearResumeToken",
        .caught_by = "receive.clear-resume-token",
        .frame = keep_resume_token,
    },
    {
        .name = "no-empty-messages",
        .what = "refuses a message that is an end frame alone",
        .caught_by = "stream.empty-message",
        .frame = no_empty_requests,
    },
    {0},
};
