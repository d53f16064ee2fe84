/*
 * Streams from the client, as a server: proto/SPEC.md section 6.
 */
#include "conformance/cases/cases.h"
#include "conformance/transfer.h"

#define SIZE (1200 << 10) /* bytes: more than two frames of the longest */

static const struct zrpc_view nothing = {.data = NULL, .len = 0};

static bool begin(struct zrpc_run *run, struct zrpc_transfer *t)
{
    return zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, SIZE, t);
}

/* The first half of the content, in frames. */
static void send_half(struct zrpc_transfer *t)
{
    zrpc_peer_send_content(t->peer, ZRPC_STREAM_TYPE, zrpc_view(t->content.data, t->content.len / 2));
}

static void complete(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    zrpc_peer_send_stream(t.peer, ZRPC_STREAM_TYPE, t.content);
    zrpc_transfer_expect_received(&t);
}

/* Frames of all sizes, none of one byte. */
static void split_anyhow(struct zrpc_run *run)
{
    struct zrpc_transfer t;
    struct zrpc_view left;
    size_t size = 2, n;

    if (!begin(run, &t))
        return;
    for (left = t.content; left.len > 0 && zrpc_run_going(run); size = size * 7 % 65521 + 2) {
        n = left.len <= size + 1 ? left.len : size;
        if (!zrpc_peer_send_frame(t.peer, ZRPC_STREAM_TYPE, zrpc_view_take(&left, n)))
            break;
        if (size % 3 == 0)
            zrpc_peer_send_frame(t.peer, ZRPC_STREAM_TYPE, nothing);
    }
    zrpc_peer_send_end(t.peer);
    zrpc_transfer_expect_received(&t);
}

/* A stream of nothing: a handler may refuse it, but it is no protocol error. */
static void empty(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    zrpc_peer_send_end(t.peer);
    if (t.offer.content == ZRPC_CONTENT_BYTES)
        zrpc_expect_answer(t.peer);
    else
        zrpc_expect(t.peer, ZRPC_OUT_ANSWER | ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
}

static void empty_message(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request(p, "/v1/ping", nothing);
    zrpc_expect_pong(p, "");
}

/*
 * Source errors
 */
static void source_error(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    send_half(&t);
    zrpc_peer_send_stream(t.peer, ZRPC_FRAME_STREAM_TRAILER, zrpc_view_of("zfs send: gestört ✗"));
    zrpc_transfer_expect_failed(&t);
}

static void source_error_after_all(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    zrpc_run_step(run, "every byte of the content, then an error instead of success");
    zrpc_peer_send_content(t.peer, ZRPC_STREAM_TYPE, t.content);
    zrpc_peer_send_stream(t.peer, ZRPC_FRAME_STREAM_TRAILER, zrpc_view_of("checksum mismatch"));
    zrpc_transfer_expect_failed(&t);
}

static void source_error_at_once(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    zrpc_peer_send_stream(t.peer, ZRPC_FRAME_STREAM_TRAILER, zrpc_view_of("dataset is busy"));
    zrpc_transfer_expect_failed(&t);
}

static void source_error_in_pieces(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    send_half(&t);
    zrpc_run_step(run, "an error text in four frames, cut inside a character, one frame empty");
    zrpc_peer_send_frame(t.peer, ZRPC_FRAME_STREAM_TRAILER, zrpc_view_of("kein Ger\xc3"));
    zrpc_peer_send_frame(t.peer, ZRPC_FRAME_STREAM_TRAILER, zrpc_view_of("\xa4t"));
    zrpc_peer_send_frame(t.peer, ZRPC_FRAME_STREAM_TRAILER, nothing);
    zrpc_peer_send_heartbeat(t.peer);
    zrpc_peer_send_frame(t.peer, ZRPC_FRAME_STREAM_TRAILER, zrpc_view_of(" mehr da"));
    zrpc_peer_send_end(t.peer);
    zrpc_transfer_expect_failed(&t);
}

static void source_error_without_text(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    zrpc_run_step(run,
                  "every byte of the content, so that nothing but the trailer tells success from failure");
    zrpc_peer_send_content(t.peer, ZRPC_STREAM_TYPE, t.content);
    zrpc_peer_send_frame(t.peer, ZRPC_FRAME_STREAM_TRAILER, nothing);
    zrpc_peer_send_end(t.peer);
    zrpc_transfer_expect_failed(&t);
}

static void source_error_not_utf8(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    zrpc_peer_send_content(t.peer, ZRPC_STREAM_TYPE, t.content);
    zrpc_peer_send_stream(t.peer, ZRPC_FRAME_STREAM_TRAILER, zrpc_view("\xff\xfe\x00 broken", 10));
    zrpc_transfer_expect_failed(&t);
}

static void source_error_long(struct zrpc_run *run)
{
    struct zrpc_transfer t;
    char *text;

    if (!begin(run, &t))
        return;
    text = zrpc_run_alloc(run, 1 << 20);
    if (text == NULL)
        return;
    memset(text, 'e', 1 << 20);
    send_half(&t);
    zrpc_run_step(run, "an error text of 1 MiB");
    zrpc_peer_send_stream(t.peer, ZRPC_FRAME_STREAM_TRAILER, zrpc_view(text, 1 << 20));
    zrpc_transfer_expect_failed(&t);
}

static void source_error_in_message(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_run_step(run, "a request header whose source fails after it was whole");
    zrpc_peer_send_frame(p, 1, zrpc_view_of("/v1/ping"));
    zrpc_peer_send_stream(p, ZRPC_FRAME_STREAM_TRAILER, zrpc_view_of("changed my mind"));
    zrpc_peer_send_stream(p, 2, nothing);
    zrpc_expect(p, ZRPC_OUT_CLOSED | ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
}

/*
 * Frames out of place
 */
static void wrong_type(struct zrpc_run *run, uint32_t type)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    send_half(&t);
    zrpc_peer_send_frame(t.peer, type, zrpc_view_of("intruder"));
    zrpc_run_step(run, "the rest of the stream as if nothing had been");
    zrpc_peer_send_stream(t.peer, ZRPC_STREAM_TYPE,
                          zrpc_view(t.content.data + t.content.len / 2, t.content.len - t.content.len / 2));
    zrpc_transfer_expect_failed(&t);
    zrpc_expect_service(run);
}

static void other_type_inside(struct zrpc_run *run)
{
    wrong_type(run, 4);
}

static void type_zero_inside(struct zrpc_run *run)
{
    wrong_type(run, 0);
}

static void user_bits_inside(struct zrpc_run *run)
{
    wrong_type(run, 0x00100005);
}

static void reserved_type_inside(struct zrpc_run *run)
{
    wrong_type(run, 0x00080000);
}

static void other_type_first(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    zrpc_peer_send_stream(t.peer, 2, zrpc_view_of("not a zfs stream"));
    zrpc_transfer_expect_failed(&t);
}

static void data_after_trailer(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    send_half(&t);
    zrpc_peer_send_frame(t.peer, ZRPC_FRAME_STREAM_TRAILER, zrpc_view_of("failed"));
    zrpc_peer_send_stream(t.peer, ZRPC_STREAM_TYPE,
                          zrpc_view(t.content.data + t.content.len / 2, t.content.len - t.content.len / 2));
    zrpc_transfer_expect_failed(&t);
}

/*
 * No end
 */
static void ends_inside(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    send_half(&t);
    zrpc_peer_half_close(t.peer);
    zrpc_transfer_expect_failed(&t);
}

static void ends_before_end_frame(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    zrpc_run_step(run, "every byte of the content, but no end frame");
    zrpc_peer_send_content(t.peer, ZRPC_STREAM_TYPE, t.content);
    zrpc_peer_half_close(t.peer);
    zrpc_transfer_expect_failed(&t);
}

static void rst_inside(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!begin(run, &t))
        return;
    send_half(&t);
    zrpc_peer_send_rst(t.peer);
    zrpc_peer_half_close(t.peer);
    zrpc_transfer_expect_failed(&t);
}

static void reset_inside(struct zrpc_run *run)
{
    struct zrpc_transfer t;
    struct zrpc_peer *p;

    if (!begin(run, &t))
        return;
    send_half(&t);
    zrpc_peer_reset(t.peer);
    zrpc_expect_service(run);
    if (t.offer.to == NULL)
        return;
    zrpc_run_step(run, "ask for what should not have remained");
    p = zrpc_peer_data(run);
    zrpc_request_send(p, &t.offer, true);
    zrpc_expect(p, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
}

static const char received_legal[] = "HANDLER OK and a ReceiveRes; what is sent back is what was received";
static const char failed_legal[] = "a handler error or the end of the connection, promptly; nothing remains";

#define FAILED(case_id, sentence, function, ...)                                                          \
    {                                                                                                     \
        .id = "stream." case_id, .title = sentence, .requirements = {__VA_ARGS__}, .legal = failed_legal, \
        .flags = ZRPC_CASE_HOSTILE, .budget = 60, .run = function                                         \
    }

static const struct zrpc_case cases[] = {
    {
        .id = "stream.complete",
        .title = "Frames and an end frame are a complete stream",
        .requirements = {"ZR-STREAM-009", "ZR-MSG-017", "ZR-STREAM-018"},
        .legal = received_legal,
        .budget = 60,
        .run = complete,
    },
    {
        .id = "stream.split-anyhow",
        .title = "A stream cut into frames of all sizes, empty ones between, is the same stream",
        .requirements = {"ZR-STREAM-009", "ZR-FRAME-006", "ZR-FRAME-002"},
        .legal = received_legal,
        .budget = 60,
        .run = split_anyhow,
    },
    {
        .id = "stream.empty",
        .title = "An end frame alone is a complete stream of nothing",
        .requirements = {"ZR-STREAM-010"},
        .legal =
            "HANDLER OK and a ReceiveRes; or a handler error, where the target takes only streams of its own",
        .budget = 60,
        .run = empty,
    },
    {
        .id = "stream.empty-message",
        .title = "An end frame alone is a complete message with every field at its default",
        .requirements = {"ZR-STREAM-010", "ZR-MSG-004", "ZR-MSG-006"},
        .legal = "the ping's answer with an empty echo",
        .budget = 30,
        .run = empty_message,
    },
    FAILED("source-error", "A source error fails the receive", source_error, "ZR-STREAM-011", "ZR-REQ-033",
           "ZR-MSG-017"),
    FAILED("source-error-after-all", "A source error after all content fails the receive",
           source_error_after_all, "ZR-STREAM-011", "ZR-REQ-033"),
    FAILED("source-error-at-once", "A source error without content fails the receive", source_error_at_once,
           "ZR-STREAM-011", "ZR-REQ-033"),
    FAILED("source-error-in-pieces",
           "An error text in several frames, with heartbeats between, is one source error",
           source_error_in_pieces, "ZR-STREAM-011", "ZR-HB-005"),
    FAILED("source-error-without-text", "An error trailer without text is a source error",
           source_error_without_text, "ZR-STREAM-012"),
    FAILED("source-error-not-utf8", "An error trailer that is not UTF-8 is a source error",
           source_error_not_utf8, "ZR-STREAM-013"),
    FAILED("source-error-long", "An error text of 1 MiB is a source error", source_error_long,
           "ZR-STREAM-011", "ZR-STREAM-020"),
    FAILED("source-error-in-message", "A request header with a source error is no request",
           source_error_in_message, "ZR-STREAM-011"),
    FAILED("other-type-inside", "A frame of another type inside a stream is a protocol error",
           other_type_inside, "ZR-STREAM-015", "ZR-STREAM-016", "ZR-STREAM-019"),
    FAILED("type-zero-inside", "A frame of type 0 inside a stream is a protocol error", type_zero_inside,
           "ZR-STREAM-015", "ZR-STREAM-016"),
    FAILED("user-bits-inside", "A frame whose type differs in bits 20-23 is a protocol error",
           user_bits_inside, "ZR-STREAM-015", "ZR-STREAM-016"),
    FAILED("reserved-type-inside", "A frame of a reserved type inside a stream is a protocol error",
           reserved_type_inside, "ZR-FRAME-003", "ZR-STREAM-016"),
    FAILED("other-type-first", "A frame of another type as the first of a stream is a protocol error",
           other_type_first, "ZR-STREAM-015", "ZR-STREAM-016"),
    FAILED("data-after-trailer", "A data frame after an error trailer is a protocol error",
           data_after_trailer, "ZR-STREAM-014", "ZR-STREAM-016"),
    FAILED("ends-inside", "The end of the byte stream inside a stream leaves it incomplete", ends_inside,
           "ZR-STREAM-017", "ZR-REQ-033", "ZR-SHUT-011"),
    FAILED("ends-before-end-frame", "All content without an end frame is an incomplete stream",
           ends_before_end_frame, "ZR-STREAM-017", "ZR-REQ-033"),
    FAILED("rst-inside", "An RST frame inside a stream leaves it incomplete", rst_inside, "ZR-STREAM-017",
           "ZR-SHUT-008"),
    {
        .id = "stream.reset-inside",
        .title = "A connection reset inside a stream leaves it incomplete and harms nobody",
        .requirements = {"ZR-STREAM-017", "ZR-SRV-002"},
        .legal = "the ping's answer on a fresh connection; nothing remains",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = reset_inside,
    },
};

const struct zrpc_area zrpc_area_stream = {
    .name = "stream",
    .title = "streams from the client, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_DATA,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
