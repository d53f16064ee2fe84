/*
 * HTTP/2 as no client may speak it, to a server: proto/SPEC.md section 11.1, ZR-H2-003, ZR-H2-009 and
 * ZR-H2-018 on.
 *
 * Most cases are rows of a table: what is sent, and what has to end because of it. A case finds its row by
 * its id.
 */
#include <stdio.h>

#include "conformance/cases/cases.h"
#include "conformance/control.h"

static const struct zrpc_control_headers plain = {0};

enum where {
    ON_CONNECTION, /* stream 0 */
    ON_CALL,       /* the stream of a call whose message has not come */
    ON_ENDED,      /* of one whose request is complete, while its handler is at work */
    ON_IDLE,       /* an odd stream above all others */
    ON_EVEN,       /* stream 2 */
    ON_OTHER,      /* stream 1 */
};

struct malformed {
    const char *id;
    enum where where;
    uint8_t type, flags;
    const char *payload;
    size_t len;
    bool stream_error; /* a reset of that stream suffices */
};

#define BYTES(text) text, sizeof(text) - 1

static const struct malformed rows[] = {
    {"settings-ack-length", ON_CONNECTION, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, BYTES("\0\3\0\0\0\x64"),
     false},
    {"settings-length", ON_CONNECTION, NGHTTP2_SETTINGS, 0, BYTES("\0\3\0\0\0"), false},
    {"settings-on-stream", ON_CALL, NGHTTP2_SETTINGS, 0, BYTES("\0\3\0\0\0\x64"), false},
    {"settings-window", ON_CONNECTION, NGHTTP2_SETTINGS, 0, BYTES("\0\4\x80\0\0\0"), false},
    {"settings-frame-size", ON_CONNECTION, NGHTTP2_SETTINGS, 0, BYTES("\0\5\0\0\x3f\xff"), false},
    {"settings-push", ON_CONNECTION, NGHTTP2_SETTINGS, 0, BYTES("\0\2\0\0\0\2"), false},
    {"ping-length", ON_CONNECTION, NGHTTP2_PING, 0, BYTES("7 bytes"), false},
    {"ping-on-stream", ON_CALL, NGHTTP2_PING, 0, BYTES("8 bytes!"), false},
    {"data-on-stream-0", ON_CONNECTION, NGHTTP2_DATA, 0, BYTES("data"), false},
    {"data-on-idle-stream", ON_IDLE, NGHTTP2_DATA, 0, BYTES("data"), false},
    {"data-after-end", ON_ENDED, NGHTTP2_DATA, 0, BYTES("data"), true},
    {"data-padding", ON_CALL, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED,
     BYTES("\xff"
           "data"),
     false},
    {"headers-on-stream-0", ON_CONNECTION, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, BYTES("\x83\x86"),
     false},
    {"headers-on-even-stream", ON_EVEN, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, BYTES("\x83\x86"), false},
    {"headers-padding", ON_IDLE, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_PADDED,
     BYTES("\x10\x83\x86"), false},
    {"header-index-0", ON_IDLE, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, BYTES("\x80"), false},
    {"header-index-unknown", ON_IDLE, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, BYTES("\xff\x80\x01"),
     false},
    {"header-huffman", ON_IDLE, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS,
     BYTES("\x00\x84\xff\xff\xff\xff\x01x"), false},
    {"header-cut", ON_IDLE, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS,
     BYTES("\x00\x05"
           "ab"),
     false},
    {"header-table-size", ON_IDLE, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS,
     BYTES("\x3f\xe1\xff\xff\x03\x83"), false},
    {"reset-on-stream-0", ON_CONNECTION, NGHTTP2_RST_STREAM, 0, BYTES("\0\0\0\x08"), false},
    {"reset-of-idle-stream", ON_IDLE, NGHTTP2_RST_STREAM, 0, BYTES("\0\0\0\x08"), false},
    {"reset-length", ON_CALL, NGHTTP2_RST_STREAM, 0, BYTES("\0\0\x08"), false},
    {"window-update-length", ON_CONNECTION, NGHTTP2_WINDOW_UPDATE, 0, BYTES("\0\0\1"), false},
    {"window-update-0", ON_CONNECTION, NGHTTP2_WINDOW_UPDATE, 0, BYTES("\0\0\0\0"), false},
    {"window-update-0-of-stream", ON_CALL, NGHTTP2_WINDOW_UPDATE, 0, BYTES("\0\0\0\0"), true},
    {"window-overflow", ON_CONNECTION, NGHTTP2_WINDOW_UPDATE, 0, BYTES("\x7f\xff\xff\xff"), false},
    {"window-overflow-of-stream", ON_CALL, NGHTTP2_WINDOW_UPDATE, 0, BYTES("\x7f\xff\xff\xff"), true},
    {"window-update-of-idle-stream", ON_IDLE, NGHTTP2_WINDOW_UPDATE, 0, BYTES("\0\0\0\1"), false},
    {"priority-length", ON_CALL, NGHTTP2_PRIORITY, 0, BYTES("\0\0\0\0"), true},
    {"priority-on-stream-0", ON_CONNECTION, NGHTTP2_PRIORITY, 0, BYTES("\0\0\0\0\0"), false},
    {"continuation-of-no-headers", ON_CALL, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, BYTES("\x83"),
     false},
    {"push-promise", ON_CALL, NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, BYTES("\0\0\0\2\x82\x86\x84"),
     false},
    {"goaway-on-stream", ON_CALL, NGHTTP2_GOAWAY, 0, BYTES("\0\0\0\0\0\0\0\0"), false},
    {"goaway-length", ON_CONNECTION, NGHTTP2_GOAWAY, 0, BYTES("\0\0\0\0\0\0\0"), false},
};

static const struct malformed *row_of(struct zrpc_run *run)
{
    const char *id = strchr(run->tc->id, '.') + 1;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].id, id) == 0)
            return &rows[i];
    zrpc_run_inconclusive(run, "no row of that name");
    return &rows[0];
}

static struct zrpc_h2_call *call_of(struct zrpc_h2 *h, enum where where)
{
    const struct zrpc_offer *slow;

    if (where == ON_CALL)
        return zrpc_control_begin(h, &plain);
    if (where != ON_ENDED)
        return NULL;
    slow = zrpc_run_offer(h->run, ZRPC_OFFER_CONTROL_SLOW);
    return slow == NULL ? NULL : zrpc_control_versions(h, slow->filesystem);
}

static uint32_t stream_of(enum where where, const struct zrpc_h2_call *call)
{
    static const uint32_t streams[] = {[ON_IDLE] = 101, [ON_EVEN] = 2, [ON_OTHER] = 1};

    return call != NULL ? call->stream : where == ON_CONNECTION ? 0 : streams[where];
}

/* The call, or the connection, ends; an answer means that the frame was taken for nothing. */
static void expect_stream_error(struct zrpc_h2 *h, struct zrpc_h2_call *call)
{
    zrpc_expect_call(h, call, ZRPC_CALL_RESET | ZRPC_CALL_CLOSED | ZRPC_CALL_STATUS | ZRPC_CALL_HTTP,
                     ZRPC_ANY_STATUS, zrpc_run_timing(h->run)->prompt);
}

static void malformed(struct zrpc_run *run)
{
    const struct malformed *row = row_of(run);
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = call_of(h, row->where);

    zrpc_run_step(run, "what no client may send");
    zrpc_h2_send(h, row->type, row->flags, stream_of(row->where, call), zrpc_view(row->payload, row->len));
    if (row->stream_error && call != NULL)
        expect_stream_error(h, call);
    else
        zrpc_expect_connection_end(h, "what no client may send");
}

/*
 * What is no single frame
 */
/* Whatever comes until the end is not looked at: it may be no HTTP/2 at all. */
static void expect_end_of_bytes(struct zrpc_h2 *h)
{
    zrpc_time deadline = zrpc_now() + zrpc_run_timing(h->run)->prompt;
    struct zrpc_view bytes;
    enum zrpc_seen_kind kind;

    do {
        kind = zrpc_peer_see_bytes(h->peer, deadline, 1 << 16, &bytes);
    } while (kind == ZRPC_SEEN_FRAME);
    if (kind == ZRPC_SEEN_SILENCE)
        zrpc_run_fail(h->run, "the end of the connection, promptly", "it goes on");
}

static void preface_http1(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_new(run);

    zrpc_peer_send_text(h->peer,
                        "GET /Replication/Ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    expect_end_of_bytes(h);
}

static void preface_other(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_new(run);

    zrpc_peer_send_text(h->peer, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r");
    zrpc_h2_send_settings(h, 0, 0);
    expect_end_of_bytes(h);
}

static void no_settings(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_new(run);

    zrpc_h2_send_preface(h);
    zrpc_control_ping(h, "too early");
    zrpc_expect_connection_end(h, "a call in place of SETTINGS");
}

static void interrupted(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_h2_send(h, NGHTTP2_HEADERS, 0, 1, zrpc_view("\x83\x86", 2));
    zrpc_h2_send_ping(h, "between!");
    zrpc_expect_connection_end(h, "PING in the middle of a header block");
}

static void continued_elsewhere(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_h2_send(h, NGHTTP2_HEADERS, 0, 1, zrpc_view("\x83\x86", 2));
    zrpc_h2_send(h, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 3, zrpc_view("\x84", 1));
    zrpc_expect_connection_end(h, "CONTINUATION on another stream");
}

/* RFC 9113 demands a connection error; who cannot tell this from trailers that cross a reset ignores it. */
static void older_stream(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    h->next_stream = 5;
    zrpc_expect_echo(h, zrpc_control_ping(h, "5"), "5");
    h->next_stream = 3;
    call = zrpc_control_ping(h, "3");
    h->next_stream = 7;
    zrpc_h2_wait(h, call, zrpc_now() + zrpc_run_timing(run)->prompt / 5);
    if (!h->ended && !call->ended)
        zrpc_expect_alive(h);
    if (call->ended && !call->reset)
        zrpc_run_fail(run, "the end of the connection, a stream reset, or nothing", "an answer");
}

static void oversized(struct zrpc_run *run, uint8_t type)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_begin(h, &plain);
    size_t len = (size_t)h->their_frame + 1;
    uint8_t *payload = zrpc_run_alloc(run, len);

    if (payload == NULL || h->their_frame >= 16777215)
        return;
    zrpc_run_step(run, "a frame of one byte more than the target's MAX_FRAME_SIZE, %zu bytes", len);
    zrpc_put_u32(payload + 1, (uint32_t)len - ZRPC_CONTROL_PREFIX_LEN); /* in DATA: one whole message */
    payload[5] = 0x0a;
    payload[6] = 0xf9;
    payload[7] = 0x7f;
    memset(payload + 8, 'x', len - 8);
    zrpc_h2_send(h, type, type == NGHTTP2_DATA ? NGHTTP2_FLAG_END_STREAM : 0,
                 type == NGHTTP2_DATA ? call->stream : 0, zrpc_view(payload, len));
    if (type == NGHTTP2_DATA)
        expect_stream_error(h, call);
    else
        zrpc_expect_connection_end(h, "a frame above MAX_FRAME_SIZE");
}

static void oversized_data(struct zrpc_run *run)
{
    oversized(run, NGHTTP2_DATA);
}

static void oversized_unknown(struct zrpc_run *run)
{
    oversized(run, 0x42);
}

static void largest_frame(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_begin(h, &plain);
    char *text = zrpc_run_alloc(run, 16384);

    if (text == NULL)
        return;
    memset(text, 'x', 16384 - ZRPC_CONTROL_PREFIX_LEN - 4);
    zrpc_run_step(run, "DATA of exactly 16384 bytes");
    zrpc_control_finish_ping(h, call, text);
    zrpc_expect_echo(h, call, text);
}

/*
 * Requests that are malformed: each on a connection of its own, and never answered as if they were right
 */
static void malformed_requests(struct zrpc_run *run)
{
    static const struct zrpc_h2_nv requests[][8] = {
        {{":method", "POST"},
         {":scheme", "http"},
         {":path", "/Replication/Ping"},
         {"Content-Type", "application/grpc"},
         {"content-type", "application/grpc"},
         {"te", "trailers"}},
        {{":scheme", "http"},
         {":path", "/Replication/Ping"},
         {"content-type", "application/grpc"},
         {"te", "trailers"}},
        {{":method", "POST"}, {":scheme", "http"}, {"content-type", "application/grpc"}, {"te", "trailers"}},
        {{":method", "POST"},
         {"content-type", "application/grpc"},
         {":scheme", "http"},
         {":path", "/Replication/Ping"},
         {"te", "trailers"}},
        {{":method", "POST"},
         {":scheme", "http"},
         {":path", "/Replication/Ping"},
         {":path", "/Replication/Ping"},
         {"content-type", "application/grpc"},
         {"te", "trailers"}},
        {{":method", "POST"},
         {":scheme", "http"},
         {":path", "/Replication/Ping"},
         {":unknown", "x"},
         {"content-type", "application/grpc"},
         {"te", "trailers"}},
        {{":method", "POST"},
         {":scheme", "http"},
         {":path", "/Replication/Ping"},
         {":status", "200"},
         {"content-type", "application/grpc"},
         {"te", "trailers"}},
        {{":method", "POST"},
         {":scheme", "http"},
         {":path", "/Replication/Ping"},
         {"content-type", "application/grpc"},
         {"te", "trailers"},
         {"connection", "keep-alive"}},
        {{":method", "POST"},
         {":scheme", "http"},
         {":path", "/Replication/Ping"},
         {"content-type", "application/grpc"},
         {"te", "trailers"},
         {"x-line", "one\r\ntwo"}},
        {{":method", "POST"},
         {":scheme", "http"},
         {":path", "/Replication/Ping"},
         {"content-type", "application/grpc"},
         {"te", "trailers"},
         {"x name", "x"}},
    };
    struct zrpc_h2_call *call;
    struct zrpc_buf block = {0};
    struct zrpc_h2 *h;

    for (size_t i = 0; i < sizeof requests / sizeof requests[0] && zrpc_run_going(run); i++) {
        h = zrpc_h2_open(run);
        call = zrpc_h2_new_call(h, 0);
        zrpc_h2_put_literals(requests[i], &block);
        zrpc_h2_send(h, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, call->stream, zrpc_buf_view(&block));
        zrpc_buf_clear(&block);
        zrpc_control_finish_ping(h, call, "malformed");
        expect_stream_error(h, call);
        zrpc_peer_drop(h->peer);
    }
    zrpc_buf_dispose(&block);
}

/*
 * Bounds
 */
static void goaway_first(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_h2_send(h, NGHTTP2_PING, 0, 0, zrpc_view("7 bytes", 7));
    zrpc_expect_connection_end(h, "a PING of 7 bytes");
    if (zrpc_run_going(run) && (!h->goaway || h->goaway_code != NGHTTP2_FRAME_SIZE_ERROR))
        zrpc_run_fail(run, "GOAWAY FRAME_SIZE_ERROR, then the end of the connection",
                      h->goaway ? "GOAWAY with another code" : "the end of the connection without GOAWAY");
}

static void endless_headers(struct zrpc_run *run)
{
    const size_t piece = 16000, total = 64u << 20;
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_buf header = {0};
    struct zrpc_h2_frame seen;
    size_t sent = 0;
    char *value = zrpc_run_alloc(run, piece + 1);

    if (value == NULL)
        return;
    memset(value, 'v', piece);
    zrpc_h2_put_literals((const struct zrpc_h2_nv[]){{"x-endless", value}, {NULL, NULL}}, &header);
    zrpc_run_step(run, "one header block of up to 64 MiB that never ends");
    zrpc_h2_send(h, NGHTTP2_HEADERS, 0, 1, zrpc_buf_view(&header));
    while (sent < total && zrpc_h2_send(h, NGHTTP2_CONTINUATION, 0, 1, zrpc_buf_view(&header))) {
        sent += header.len;
        zrpc_h2_see(h, zrpc_now() + ZRPC_MILLISECOND, &seen);
        if (h->ended || h->goaway)
            break;
    }
    zrpc_buf_dispose(&header);
    if (sent >= total)
        zrpc_run_fail(run, "the end of the connection long before", "64 MiB of one header block were taken");
}

static void unread_pings(struct zrpc_run *run)
{
    const size_t total = 96u << 20;
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_buf many = {0};
    size_t sent = 0;

    for (unsigned i = 0; i < 4096; i++)
        zrpc_h2_put(&many, NGHTTP2_PING, 0, 0, zrpc_view("unread!!", 8));
    zrpc_run_step(run, "PINGs, and their answers are not read: up to 96 MiB of them");
    h->peer->write_timeout = zrpc_run_timing(run)->prompt;
    while (sent < total && zrpc_peer_send(h->peer, zrpc_buf_view(&many)))
        sent += many.len;
    zrpc_buf_dispose(&many);
    if (sent >= total)
        zrpc_run_fail(run, "that the target stops reading, or ends the connection",
                      "it took 96 MiB of PINGs, and must have kept the answers");
}

#define CASE(name, function, text, outcome, strictness, ...)                                        \
    {                                                                                               \
        .id = "malformed." name, .title = text, .requirements = {__VA_ARGS__}, .level = strictness, \
        .legal = outcome, .flags = ZRPC_CASE_HOSTILE, .budget = 60, .run = function                 \
    }
static const char ends[] = "the end of the connection, with or without GOAWAY before";
static const char resets[] = "a stream reset, an error as the call's answer, or the end of the connection";

static const struct zrpc_case cases[] = {
    CASE("preface-http1", preface_http1, "HTTP/1.1 is closed",
         "the end of the connection, whatever comes before", ZRPC_MUST, "ZR-H2-003"),
    CASE("preface-other", preface_other, "A preface with one wrong byte is closed",
         "the end of the connection, whatever comes before", ZRPC_MUST, "ZR-H2-003"),
    CASE("no-settings", no_settings, "A call in place of the client's SETTINGS ends the connection", ends,
         ZRPC_SHOULD, "ZR-H2-019"),
    CASE("settings-ack-length", malformed, "An acknowledgement with payload ends the connection", ends,
         ZRPC_MUST, "ZR-H2-018"),
    CASE("settings-length", malformed, "SETTINGS of 5 bytes end the connection", ends, ZRPC_MUST,
         "ZR-H2-018"),
    CASE("settings-on-stream", malformed, "SETTINGS on a stream end the connection", ends, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("settings-window", malformed, "INITIAL_WINDOW_SIZE above 2^31-1 ends the connection", ends,
         ZRPC_SHOULD, "ZR-H2-019"),
    CASE("settings-frame-size", malformed, "MAX_FRAME_SIZE below 16384 ends the connection", ends,
         ZRPC_SHOULD, "ZR-H2-019"),
    CASE("settings-push", malformed, "ENABLE_PUSH of 2 ends the connection", ends, ZRPC_SHOULD, "ZR-H2-019"),
    CASE("ping-length", malformed, "A PING of 7 bytes ends the connection", ends, ZRPC_MUST, "ZR-H2-018"),
    CASE("ping-on-stream", malformed, "A PING on a stream ends the connection", ends, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("data-on-stream-0", malformed, "DATA on stream 0 ends the connection", ends, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("data-on-idle-stream", malformed, "DATA on a stream without HEADERS ends the connection", ends,
         ZRPC_SHOULD, "ZR-H2-019"),
    CASE("data-after-end", malformed, "DATA after END_STREAM resets the stream", resets, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("data-padding", malformed, "DATA with more padding than payload ends the connection", ends,
         ZRPC_MUST, "ZR-H2-018"),
    CASE("headers-on-stream-0", malformed, "HEADERS on stream 0 end the connection", ends, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("headers-on-even-stream", malformed, "HEADERS on an even stream end the connection", ends,
         ZRPC_SHOULD, "ZR-H2-019"),
    CASE("headers-padding", malformed, "HEADERS with more padding than payload end the connection", ends,
         ZRPC_MUST, "ZR-H2-018"),
    CASE("header-index-0", malformed, "Header index 0 ends the connection", ends, ZRPC_MUST, "ZR-H2-018"),
    CASE("header-index-unknown", malformed, "An index above both tables ends the connection", ends, ZRPC_MUST,
         "ZR-H2-018"),
    CASE("header-huffman", malformed, "Huffman coding with EOS in it ends the connection", ends, ZRPC_MUST,
         "ZR-H2-018"),
    CASE("header-cut", malformed, "A header block that ends inside a literal ends the connection", ends,
         ZRPC_MUST, "ZR-H2-018"),
    CASE("header-table-size", malformed, "A table above the size that was allowed ends the connection", ends,
         ZRPC_MUST, "ZR-H2-018"),
    CASE("reset-on-stream-0", malformed, "RST_STREAM on stream 0 ends the connection", ends, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("reset-of-idle-stream", malformed, "RST_STREAM of a stream without HEADERS ends the connection",
         ends, ZRPC_SHOULD, "ZR-H2-019"),
    CASE("reset-length", malformed, "RST_STREAM of 3 bytes ends the connection", ends, ZRPC_MUST,
         "ZR-H2-018"),
    CASE("window-update-length", malformed, "WINDOW_UPDATE of 3 bytes ends the connection", ends, ZRPC_MUST,
         "ZR-H2-018"),
    CASE("window-update-0", malformed, "WINDOW_UPDATE by 0 for the connection ends it", ends, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("window-update-0-of-stream", malformed, "WINDOW_UPDATE by 0 for a stream resets it", resets,
         ZRPC_SHOULD, "ZR-H2-019"),
    CASE("window-overflow", malformed, "A connection's window above 2^31-1 ends the connection", ends,
         ZRPC_SHOULD, "ZR-H2-019"),
    CASE("window-overflow-of-stream", malformed, "A stream's window above 2^31-1 resets the stream", resets,
         ZRPC_SHOULD, "ZR-H2-019"),
    CASE("window-update-of-idle-stream", malformed,
         "WINDOW_UPDATE for a stream without HEADERS ends the connection", ends, ZRPC_SHOULD, "ZR-H2-019"),
    CASE("priority-length", malformed, "PRIORITY of 4 bytes resets the stream", resets, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("priority-on-stream-0", malformed, "PRIORITY on stream 0 ends the connection", ends, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("continuation-of-no-headers", malformed, "CONTINUATION without HEADERS ends the connection", ends,
         ZRPC_MUST, "ZR-H2-018"),
    CASE("push-promise", malformed, "A client's PUSH_PROMISE ends the connection", ends, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("goaway-on-stream", malformed, "GOAWAY on a stream ends the connection", ends, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("goaway-length", malformed, "GOAWAY of 7 bytes ends the connection", ends, ZRPC_MUST, "ZR-H2-018"),
    CASE("interrupted-headers", interrupted, "A frame inside a header block ends the connection", ends,
         ZRPC_MUST, "ZR-H2-018"),
    CASE("continued-elsewhere", continued_elsewhere, "CONTINUATION on another stream ends the connection",
         ends, ZRPC_MUST, "ZR-H2-018"),
    CASE("older-stream", older_stream, "A call on a stream below the last one is not served",
         "the end of the connection, a stream reset, or no answer at all", ZRPC_SHOULD, "ZR-H2-019"),
    CASE("oversized-data", oversized_data, "DATA above MAX_FRAME_SIZE is refused", resets, ZRPC_MUST,
         "ZR-H2-009"),
    CASE("oversized-unknown", oversized_unknown,
         "A frame above MAX_FRAME_SIZE on stream 0 ends the connection, whatever its type", ends, ZRPC_SHOULD,
         "ZR-H2-019"),
    CASE("largest-frame", largest_frame, "DATA of exactly 16384 bytes is accepted", "the call's answer",
         ZRPC_MUST, "ZR-H2-009"),
    CASE("requests", malformed_requests, "Requests that HTTP/2 calls malformed are not served", resets,
         ZRPC_SHOULD, "ZR-H2-019"),
    CASE("goaway-first", goaway_first, "GOAWAY with its error code comes before the end of the connection",
         "GOAWAY FRAME_SIZE_ERROR, then the end of the connection", ZRPC_SHOULD, "ZR-H2-015"),
    CASE("endless-headers", endless_headers, "The size of a header block is bounded",
         "the end of the connection before 64 MiB", ZRPC_SHOULD, "ZR-H2-016"),
    CASE("unread-pings", unread_pings,
         "Answers to PINGs that the client does not read are not kept without bound",
         "the target stops reading, or ends the connection, before 96 MiB", ZRPC_SHOULD, "ZR-H2-016"),
};

const struct zrpc_area zrpc_area_malformed = {
    .name = "malformed",
    .title = "HTTP/2 as no client may speak it, to a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_CONTROL,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
