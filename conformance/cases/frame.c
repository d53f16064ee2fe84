/*
 * Frames, as a server: proto/SPEC.md section 5.
 */
#include <stdio.h>

#include "conformance/cases/cases.h"
#include "conformance/transfer.h"

static const char endpoint[] = "/v1/ping";
static const struct zrpc_view nothing = {.data = NULL, .len = 0};

/* The second half of a ping whose header message was sent in some special way. */
static void finish_ping(struct zrpc_peer *p, const char *text)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    uint8_t body[256];

    req.message = (char *)text;
    zrpc_peer_send_stream(p, 2, zrpc_view(body, zrpc__pb__ping_req__pack(&req, body)));
    zrpc_expect_pong(p, text);
}

/*
 * What must be accepted
 */
static void one_byte_payload(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_peer_send_frame(p, 1, zrpc_view("/", 1));
    zrpc_peer_send_frame(p, 1, zrpc_view("v1/pin", 6));
    zrpc_peer_send_frame(p, 1, zrpc_view("g", 1));
    zrpc_peer_send_end(p);
    finish_ping(p, "single bytes");
}

static void zero_length(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_peer_send_frame(p, 1, nothing);
    zrpc_peer_send_frame(p, 1, zrpc_view("/v1", 3));
    for (unsigned i = 0; i < 100; i++)
        zrpc_peer_send_frame(p, 1, nothing);
    zrpc_peer_send_frame(p, 1, zrpc_view("/ping", 5));
    zrpc_peer_send_frame(p, 1, nothing);
    zrpc_peer_send_end(p);
    finish_ping(p, "nothing counts");
}

static void many_in_one_write(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    struct zrpc_buf frames = {0};
    const size_t len = 40000;
    char *text = zrpc_run_alloc(run, len + 1);
    uint8_t *body = zrpc_run_alloc(run, len + 16);
    struct zrpc_view left;

    if (text == NULL || body == NULL)
        return;
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 26);
    req.message = text;
    left = zrpc_view(body, zrpc__pb__ping_req__pack(&req, body));
    zrpc_peer_put_stream(&frames, 1, zrpc_view_of(endpoint));
    while (left.len > 3)
        zrpc_peer_put_frame(&frames, 2, zrpc_view_take(&left, 2));
    zrpc_peer_put_stream(&frames, 2, left);
    zrpc_run_step(run, "20000 frames of 2 bytes, written at once");
    zrpc_peer_send(p, zrpc_buf_view(&frames));
    zrpc_buf_dispose(&frames);
    zrpc_expect_pong(p, text);
}

static void byte_by_byte(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);
    struct zrpc_buf frames = {0};

    zrpc_put_ping(&frames, "one at a time");
    zrpc_peer_send_pieces(p, zrpc_buf_view(&frames), 1, ZRPC_MILLISECOND);
    zrpc_buf_dispose(&frames);
    zrpc_expect_pong(p, "one at a time");
}

static void every_cut(struct zrpc_run *run)
{
    struct zrpc_buf frames = {0};
    struct zrpc_view left;
    struct zrpc_peer *p;

    zrpc_put_ping(&frames, "cut");
    for (size_t at = 1; at < frames.len && zrpc_run_going(run); at++) {
        p = zrpc_peer_data(run);
        left = zrpc_buf_view(&frames);
        zrpc_peer_send(p, zrpc_view_take(&left, at));
        zrpc_run_sleep(run, ZRPC_MILLISECOND);
        zrpc_peer_send(p, left);
        zrpc_expect_pong(p, "cut");
        zrpc_peer_drop(p);
    }
    zrpc_buf_dispose(&frames);
}

static void long_payload(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, 32 << 20, &t))
        return;
    zrpc_run_step(run, "the whole stream in one frame, above what a sender may send");
    zrpc_peer_send_header(t.peer, ZRPC_STREAM_TYPE, (uint32_t)t.content.len);
    zrpc_peer_send(t.peer, t.content);
    zrpc_peer_send_end(t.peer);
    zrpc_transfer_expect_received(&t);
}

static void complete_before_eof(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_ping(p, "no more from here");
    zrpc_peer_half_close(p);
    zrpc_expect_pong(p, "no more from here");
}

static void complete_before_partial(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);
    struct zrpc_buf frames = {0};

    zrpc_run_step(run, "a whole request, three bytes of a further frame, and the end");
    zrpc_put_ping(&frames, "whole");
    (void)zrpc_buf_append(&frames, zrpc_view("\0\0\0", 3), NULL);
    zrpc_peer_send(p, zrpc_buf_view(&frames));
    zrpc_buf_dispose(&frames);
    zrpc_peer_half_close(p);
    zrpc_expect_pong(p, "whole");
}

/*
 * Reserved types: each in front of a request that must not be answered
 */
static void refused_types(struct zrpc_run *run, const uint32_t *types, size_t n)
{
    struct zrpc_peer *p;

    for (size_t i = 0; i < n && zrpc_run_going(run); i++) {
        p = zrpc_peer_data(run);
        zrpc_peer_send_frame(p, types[i], zrpc_view("ignored?", 8));
        zrpc_request_ping(p, "not to be served");
        zrpc_expect(p, ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt);
        zrpc_peer_drop(p);
    }
    zrpc_expect_service(run);
}

static void reserved_frameconn(struct zrpc_run *run)
{
    static const uint32_t types[] = {0x20000000, 0x40000000, 0x80000000, 0x30000000, 0xf0000000};

    refused_types(run, types, sizeof types / sizeof types[0]);
}

static void reserved_heartbeat(struct zrpc_run *run)
{
    static const uint32_t types[] = {0x02000000, 0x04000000, 0x08000000, 0x03000000, 0x0f000000};

    refused_types(run, types, sizeof types / sizeof types[0]);
}

static void reserved_stream(struct zrpc_run *run)
{
    static const uint32_t types[] = {0x00040000, 0x00080000, 0x00030000, 0x000f0000};

    refused_types(run, types, sizeof types / sizeof types[0]);
}

static void mixed_owners(struct zrpc_run *run)
{
    static const uint32_t types[] = {0x11000000, 0x10000001, 0x10010000, 0x01020000, 0x01000005,
                                     0x00010001, 0x00020005, 0x00120000, 0xffffffff};

    refused_types(run, types, sizeof types / sizeof types[0]);
}

/*
 * RST, heartbeat and end with a payload
 */
static void heartbeat_with_payload(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_peer_send_frame(p, ZRPC_FRAME_HEARTBEAT, zrpc_view("thud thud", 9));
    zrpc_request_ping(p, "after a heavy heartbeat");
    zrpc_expect(p, ZRPC_OUT_ANSWER | ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt);
    zrpc_expect_service(run);
}

static void end_with_payload(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);
    const struct zrpc_answer *a;

    zrpc_run_step(run, "if the end's payload were data, the endpoint would become /v1/pingpong");
    zrpc_peer_send_frame(p, 1, zrpc_view_of(endpoint));
    zrpc_peer_send_frame(p, ZRPC_FRAME_STREAM_END, zrpc_view("pong", 4));
    zrpc_peer_send_stream(p, 2, nothing);
    a = zrpc_expect(p, ZRPC_OUT_ANSWER | ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt);
    if (a->outcome == ZRPC_OUT_ANSWER && a->body.len > 0)
        zrpc_run_fail(run, "an empty PingRes", "a PingRes of %zu bytes", a->body.len);
    zrpc_expect_service(run);
}

static void rst_with_payload(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_peer_send_frame(p, ZRPC_FRAME_RST, zrpc_view("goodbye", 7));
    p->framing = false;
    zrpc_peer_half_close(p);
    zrpc_expect_closed(p, 0, zrpc_run_timing(run)->prompt);
    zrpc_expect_service(run);
}

/*
 * The length field
 */
#define HUGE_CONNECTIONS 8

static void huge_length_closed(struct zrpc_run *run)
{
    struct zrpc_peer *p;

    zrpc_run_step(run, "headers that claim 4294967295 bytes, a few of them, and the end");
    for (unsigned i = 0; i < HUGE_CONNECTIONS && zrpc_run_going(run); i++) {
        p = zrpc_peer_data(run);
        zrpc_peer_send_header(p, i % 2 == 0 ? 1 : 0x01000000, UINT32_MAX);
        zrpc_peer_send(p, zrpc_view(endpoint, i % sizeof endpoint));
        zrpc_peer_half_close(p);
        zrpc_expect(p, ZRPC_OUT_CLOSED | ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
        zrpc_peer_drop(p);
    }
    zrpc_expect_service(run);
}

static void huge_length_memory(struct zrpc_run *run)
{
    const unsigned long most = 64 << 10; /* KiB resident, for all connections */
    const unsigned long most_virtual = 4ul
                                       << 20; /* KiB mapped: a thread and its arena each, not 4 GiB each */
    unsigned long resident, mapped, grown, grown_virtual;
    struct zrpc_transfer t[HUGE_CONNECTIONS];

    if (run->target_pid == 0) {
        zrpc_run_skip(run, "the target's process is not known (only with --exec it is)");
        return;
    }
    resident = zrpc_run_target_kib(run, "VmRSS");
    mapped = zrpc_run_target_kib(run, "VmSize");
    zrpc_run_step(run, "%d receives with a frame that claims 4294967295 bytes and sends 1000",
                  HUGE_CONNECTIONS);
    for (unsigned i = 0; i < HUGE_CONNECTIONS; i++) {
        if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, 1000, &t[i]))
            return;
        zrpc_peer_send_header(t[i].peer, ZRPC_STREAM_TYPE, UINT32_MAX);
        t[i].peer->inside = true;
        zrpc_peer_send(t[i].peer,
                       zrpc_view(t[i].content.data, t[i].content.len < 1000 ? t[i].content.len : 1000));
    }
    zrpc_expect_service(run);
    zrpc_run_sleep(run, 300 * ZRPC_MILLISECOND);
    grown = zrpc_run_target_kib(run, "VmRSS");
    grown_virtual = zrpc_run_target_kib(run, "VmSize");
    if (resident == 0 || grown == 0)
        zrpc_run_skip(run, "/proc does not tell the target's memory");
    else if (grown > resident + most || grown_virtual > mapped + most_virtual)
        zrpc_run_fail(run, "memory that does not grow with declared lengths",
                      "%lu KiB resident became %lu, %lu KiB mapped became %lu", resident, grown, mapped,
                      grown_virtual);
}

static void huge_length_trickle(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, 4096, &t))
        return;
    zrpc_run_step(run, "a frame of the stream that claims 4294967295 bytes and trickles");
    zrpc_peer_send_header(t.peer, ZRPC_STREAM_TYPE, UINT32_MAX);
    t.peer->inside = true;
    for (unsigned i = 0; i < 20 && zrpc_run_going(run); i++) {
        zrpc_peer_send(t.peer, zrpc_view(t.content.data + i, 3));
        zrpc_run_sleep(run, 20 * ZRPC_MILLISECOND);
    }
    zrpc_expect_service(run);
    zrpc_run_step(run, "then the end, inside the frame: it must not pass for a stream");
    zrpc_peer_half_close(t.peer);
    zrpc_transfer_expect_failed(&t);
}

static void cut_in_payload(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_peer_send_header(p, 1, 8);
    zrpc_peer_send(p, zrpc_view("/v1/", 4));
    zrpc_peer_half_close(p);
    zrpc_expect(p, ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt);
    zrpc_expect_service(run);
}

static void cut_in_header(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_peer_send(p, zrpc_view("\0\0\0\1\0", 5));
    zrpc_peer_half_close(p);
    zrpc_expect(p, ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt);
    zrpc_expect_service(run);
}

static void noise(struct zrpc_run *run)
{
    struct zrpc_view bytes = zrpc_run_bytes(run, 64 << 10);
    struct zrpc_peer *p;

    zrpc_run_step(run, "64 times 1 KiB of noise instead of frames");
    while (bytes.len >= 1024 && zrpc_run_going(run)) {
        p = zrpc_peer_data(run);
        zrpc_peer_send(p, zrpc_view_take(&bytes, 1024));
        zrpc_peer_half_close(p);
        zrpc_expect(p, ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt);
        zrpc_peer_drop(p);
    }
    zrpc_expect_service(run);
}

static const char closed_legal[] =
    "the end of the connection, promptly, with or without an RST frame; no answer";

static const struct zrpc_case cases[] = {
    {
        .id = "frame.one-byte-payload",
        .title = "Frames with a payload of one byte are accepted",
        .requirements = {"ZR-FRAME-007"},
        .legal = "the ping's answer",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 30,
        .run = one_byte_payload,
    },
    {
        .id = "frame.zero-length",
        .title = "Data frames of length 0 are accepted and carry nothing",
        .requirements = {"ZR-FRAME-006"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = zero_length,
    },
    {
        .id = "frame.many-in-one-write",
        .title = "20000 small frames in one write are accepted",
        .requirements = {"ZR-FRAME-002", "ZR-STREAM-009"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = many_in_one_write,
    },
    {
        .id = "frame.byte-by-byte",
        .title = "Frames that arrive in single bytes are accepted",
        .requirements = {"ZR-FRAME-002"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = byte_by_byte,
    },
    {
        .id = "frame.every-cut",
        .title = "A request cut in two at any byte is accepted",
        .requirements = {"ZR-FRAME-002"},
        .legal = "the ping's answer, each time",
        .budget = 60,
        .run = every_cut,
    },
    {
        .id = "frame.long-payload",
        .title = "A stream's frame above 2^19 bytes is accepted",
        .requirements = {"ZR-FRAME-010"},
        .legal = "the receive succeeds",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = long_payload,
    },
    {
        .id = "frame.complete-before-eof",
        .title = "A request that is complete is answered, although the byte stream ends behind it",
        .requirements = {"ZR-FRAME-014", "ZR-SHUT-010", "ZR-SHUT-011"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = complete_before_eof,
    },
    {
        .id = "frame.complete-before-partial",
        .title = "A request that is complete is answered, although a partial frame follows it",
        .requirements = {"ZR-FRAME-014"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = complete_before_partial,
    },
    {
        .id = "frame.reserved-frameconn",
        .title = "Types with unassigned bits of 28-31 are a protocol error",
        .requirements = {"ZR-FRAME-003", "ZR-STREAM-016"},
        .legal = closed_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = reserved_frameconn,
    },
    {
        .id = "frame.reserved-heartbeat",
        .title = "Types with unassigned bits of 24-27 are a protocol error",
        .requirements = {"ZR-FRAME-003", "ZR-STREAM-016"},
        .legal = closed_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = reserved_heartbeat,
    },
    {
        .id = "frame.reserved-stream",
        .title = "Types with unassigned bits of 16-19 are a protocol error",
        .requirements = {"ZR-FRAME-003", "ZR-STREAM-016"},
        .legal = closed_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = reserved_stream,
    },
    {
        .id = "frame.mixed-owners",
        .title = "Types that mix the bits of two layers are a protocol error",
        .requirements = {"ZR-FRAME-003", "ZR-STREAM-016"},
        .legal = closed_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = mixed_owners,
    },
    {
        .id = "frame.heartbeat-with-payload",
        .title = "A heartbeat with a payload is refused, or its payload is discarded",
        .requirements = {"ZR-FRAME-005"},
        .legal = "the end of the connection, or the ping's answer; promptly",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 30,
        .run = heartbeat_with_payload,
    },
    {
        .id = "frame.end-with-payload",
        .title = "An end frame with a payload is refused, or its payload is discarded",
        .requirements = {"ZR-FRAME-005"},
        .legal = "the end of the connection, or the ping's answer; promptly",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 30,
        .run = end_with_payload,
    },
    {
        .id = "frame.rst-with-payload",
        .title = "An RST frame with a payload ends the connection in either reading",
        .requirements = {"ZR-FRAME-005"},
        .legal = closed_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 30,
        .run = rst_with_payload,
    },
    {
        .id = "frame.huge-length-closed",
        .title = "A declared length of 4294967295 and the end of the byte stream harm nobody",
        .requirements = {"ZR-FRAME-011", "ZR-FRAME-013"},
        .legal = "the end of the connection, or a handler error; promptly",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = huge_length_closed,
    },
    {
        .id = "frame.huge-length-memory",
        .title = "Memory does not grow with declared lengths",
        .requirements = {"ZR-FRAME-011"},
        .legal = "less than 64 MiB resident and 4 GiB mapped more, for 8 connections",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = huge_length_memory,
    },
    {
        .id = "frame.huge-length-trickle",
        .title = "A frame of 4294967295 bytes that trickles is taken as it comes, and its loss is noticed",
        .requirements = {"ZR-FRAME-011", "ZR-FRAME-010", "ZR-FRAME-013"},
        .legal = "a handler error or the end of the connection, promptly after the cut",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = huge_length_trickle,
    },
    {
        .id = "frame.cut-in-payload",
        .title = "The end of the byte stream inside a payload leaves the message incomplete",
        .requirements = {"ZR-FRAME-013", "ZR-STREAM-017"},
        .legal = closed_legal,
        .budget = 30,
        .run = cut_in_payload,
    },
    {
        .id = "frame.cut-in-header",
        .title = "The end of the byte stream inside a header leaves the message incomplete",
        .requirements = {"ZR-FRAME-013", "ZR-STREAM-017"},
        .legal = closed_legal,
        .budget = 30,
        .run = cut_in_header,
    },
    {
        .id = "frame.noise",
        .title = "Noise instead of frames harms nobody",
        .requirements = {"ZR-SRV-002", "ZR-FRAME-003"},
        .legal = closed_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = noise,
    },
};

const struct zrpc_area zrpc_area_frame = {
    .name = "frame",
    .title = "frames, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_DATA,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
