/*
 * HTTP/2 as clients are free to speak it, to a server: proto/SPEC.md section 11.1.
 */
#include <stdio.h>

#include "conformance/cases/cases.h"
#include "conformance/control.h"

#define LARGE_TEXT 300000

static const struct zrpc_view nothing = {.data = NULL, .len = 0};
static const struct zrpc_control_headers plain = {0};

/* A text of that length in which every cut shows. */
static const char *text_of(struct zrpc_run *run, size_t len)
{
    char *text = zrpc_run_alloc(run, len + 1);

    for (size_t i = 0; text != NULL && i < len; i++)
        text[i] = (char)('0' + (i * 7 + i / 61) % 75);
    return text == NULL ? "" : text;
}

static void echo(struct zrpc_h2 *h, const char *text)
{
    zrpc_expect_echo(h, zrpc_control_ping(h, text), text);
}

/*
 * The beginning
 */
/* Preface, SETTINGS and a whole ping on stream 1, appended. */
static struct zrpc_h2_call *put_first_flight(struct zrpc_h2 *h, const char *text, struct zrpc_buf *out)
{
    struct zrpc_h2_call *call = zrpc_h2_new_call(h, 0);
    struct zrpc_buf block = {0}, data = {0}, packed = {0};
    uint8_t field[2] = {0x0a, (uint8_t)strlen(text)};

    zrpc_control_put_headers(h, &plain, &block);
    (void)zrpc_buf_append(&packed, zrpc_view(field, sizeof field), NULL);
    (void)zrpc_buf_append(&packed, zrpc_view_of(text), NULL);
    zrpc_control_put_message(&data, zrpc_buf_view(&packed));
    (void)zrpc_buf_append(out, zrpc_view_of(ZRPC_H2_PREFACE), NULL);
    zrpc_h2_put(out, NGHTTP2_SETTINGS, 0, 0, nothing);
    zrpc_h2_put(out, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, call->stream, zrpc_buf_view(&block));
    zrpc_h2_put(out, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, call->stream, zrpc_buf_view(&data));
    h->settings_sent++;
    zrpc_buf_dispose(&block);
    zrpc_buf_dispose(&data);
    zrpc_buf_dispose(&packed);
    return call;
}

static void at_once(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_new(run);
    struct zrpc_buf flight = {0};
    struct zrpc_h2_call *call = put_first_flight(h, "all at once", &flight);

    zrpc_run_step(
        run, "preface, SETTINGS and a whole call in one write, without waiting for the target's SETTINGS");
    zrpc_peer_send(h->peer, zrpc_buf_view(&flight));
    zrpc_buf_dispose(&flight);
    zrpc_expect_echo(h, call, "all at once");
    zrpc_expect_settings_acked(h);
}

static void byte_by_byte(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_new(run);
    struct zrpc_buf flight = {0};
    struct zrpc_h2_call *call = put_first_flight(h, "byte by byte", &flight);

    zrpc_run_step(run, "preface, SETTINGS and a whole call, each byte in a write of its own");
    zrpc_peer_send_pieces(h->peer, zrpc_buf_view(&flight), 1, ZRPC_MILLISECOND);
    zrpc_buf_dispose(&flight);
    zrpc_expect_echo(h, call, "byte by byte");
    zrpc_expect_settings_acked(h);
}

static void settings_first(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run); /* judges the first frame */

    zrpc_expect_settings_acked(h);
}

/*
 * SETTINGS, PING, and what is to be ignored
 */
static void settings_acked(struct zrpc_run *run)
{
    static const struct {
        unsigned id;
        uint32_t value;
    } settings[] = {
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 8192},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 16777215},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 16384},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 8192},
        {0, 0},
    };
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_expect_settings_acked(h);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        zrpc_h2_send_settings(h, settings[i].id, settings[i].value);
        zrpc_expect_settings_acked(h);
    }
    echo(h, "after many SETTINGS");
}

static void unknown_settings(struct zrpc_run *run)
{
    static const unsigned ids[] = {0x7, 0xb, 0x42, 0x0a0a, 0xf000, 0xffff};
    struct zrpc_h2 *h = zrpc_h2_open(run);

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        zrpc_h2_send_settings(h, ids[i], UINT32_MAX);
    zrpc_expect_settings_acked(h);
    echo(h, "unknown settings");
}

static void ping(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    zrpc_run_step(run, "with no call yet");
    zrpc_expect_ping_ack(h, "\x00\x01\x02\x03\xfc\xfd\xfe\xff");
    zrpc_run_step(run, "with a call whose message has not come");
    call = zrpc_control_begin(h, &plain);
    zrpc_expect_ping_ack(h, "8 bytes!");
    zrpc_control_finish_ping(h, call, "x");
    zrpc_expect_echo(h, call, "x");
    zrpc_run_step(run, "with no call any more; as grpc-go's estimator of bandwidth sends it");
    zrpc_expect_ping_ack(h, "\x02\x04\x10\x10\x09\x0e\x07\x07");
}

static void unknown_frames(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;
    struct zrpc_view bytes = zrpc_run_bytes(run, 300);

    for (unsigned type = 0x10; type <= 0xff; type += 0xef / 3)
        zrpc_h2_send(h, (uint8_t)type, 0xff, 0, bytes);
    call = zrpc_control_begin(h, &plain);
    zrpc_h2_send(h, 0x42, 0, call->stream, bytes);
    zrpc_h2_send(h, 0xfe, NGHTTP2_FLAG_END_STREAM, call->stream, nothing);
    zrpc_control_finish_ping(h, call, "between unknown frames");
    zrpc_h2_send(h, 0x42, 0, call->stream, nothing);
    zrpc_expect_echo(h, call, "between unknown frames");
}

static void unknown_flags(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_h2_new_call(h, 0);
    struct zrpc_buf block = {0};

    zrpc_run_step(run, "frames with all the flags that are not defined for them");
    zrpc_control_put_headers(h, &plain, &block);
    zrpc_h2_send(h, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | 0xd2, call->stream, zrpc_buf_view(&block));
    zrpc_buf_dispose(&block);
    zrpc_h2_send(h, NGHTTP2_DATA, 0xf6, call->stream, nothing);
    zrpc_h2_send(h, NGHTTP2_PING, 0xfe, 0, zrpc_view("whatever", 8));
    zrpc_control_finish_ping(h, call, "flags");
    zrpc_expect_echo(h, call, "flags");
}

static void priorities(struct zrpc_run *run)
{
    static const uint8_t on_stream_0[] = {0, 0, 0, 0, 200}, on_idle[] = {0x80, 0, 0, 99, 0};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;
    struct zrpc_buf block = {0};

    zrpc_h2_send(h, NGHTTP2_PRIORITY, 0, 11, zrpc_view(on_idle, 5));
    call = zrpc_h2_new_call(h, 0);
    zrpc_h2_send(h, NGHTTP2_PRIORITY, 0, call->stream, zrpc_view(on_stream_0, 5));
    (void)zrpc_buf_append(&block, zrpc_view(on_stream_0, 5), NULL);
    zrpc_control_put_headers(h, &plain, &block);
    zrpc_h2_send(h, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_PRIORITY, call->stream,
                 zrpc_buf_view(&block));
    zrpc_buf_dispose(&block);
    zrpc_h2_send(h, NGHTTP2_PRIORITY, 0, call->stream, zrpc_view(on_idle, 5));
    zrpc_control_finish_ping(h, call, "priorities");
    zrpc_expect_echo(h, call, "priorities");
    zrpc_h2_send(h, NGHTTP2_PRIORITY, 0, call->stream, zrpc_view(on_stream_0, 5));
    zrpc_expect_alive(h);
}

/*
 * Header blocks
 */
/* The block in six CONTINUATION frames and an empty one: receivers may limit how many there are. */
static struct zrpc_h2_call *begin_in_pieces(struct zrpc_h2 *h, size_t first)
{
    size_t piece;

    struct zrpc_h2_call *call = zrpc_h2_new_call(h, 0);
    struct zrpc_buf block = {0}, frames = {0};
    struct zrpc_view left;

    zrpc_control_put_headers(h, &plain, &block);
    left = zrpc_buf_view(&block);
    piece = (left.len - first) / 6 + 1;
    zrpc_h2_put(&frames, NGHTTP2_HEADERS, 0, call->stream, zrpc_view_take(&left, first));
    while (left.len > 0)
        zrpc_h2_put(&frames, NGHTTP2_CONTINUATION, 0, call->stream,
                    zrpc_view_take(&left, piece < left.len ? piece : left.len));
    zrpc_h2_put(&frames, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, call->stream, nothing);
    zrpc_peer_send(h->peer, zrpc_buf_view(&frames));
    zrpc_buf_dispose(&block);
    zrpc_buf_dispose(&frames);
    return call;
}

static void continuation(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = begin_in_pieces(h, 5);

    zrpc_control_finish_ping(h, call, "continued");
    zrpc_expect_echo(h, call, "continued");
    call = begin_in_pieces(h, 1);
    zrpc_control_finish_ping(h, call, "continued again");
    zrpc_expect_echo(h, call, "continued again");
}

static void continuation_of_nothing(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    zrpc_run_step(run, "a header block that begins behind an empty HEADERS frame");
    call = begin_in_pieces(h, 0);
    zrpc_control_finish_ping(h, call, "continued");
    zrpc_expect_echo(h, call, "continued");
}

static void send_padded(struct zrpc_h2 *h, uint8_t type, uint8_t flags, uint32_t stream,
                        struct zrpc_view content, uint8_t padding)
{
    static const uint8_t zeros[255];
    struct zrpc_buf payload = {0};

    (void)zrpc_buf_append(&payload, zrpc_view(&padding, 1), NULL);
    (void)zrpc_buf_append(&payload, content, NULL);
    (void)zrpc_buf_append(&payload, zrpc_view(zeros, padding), NULL);
    zrpc_h2_send(h, type, flags | NGHTTP2_FLAG_PADDED, stream, zrpc_buf_view(&payload));
    zrpc_buf_dispose(&payload);
}

static void padded_call(struct zrpc_h2 *h, uint8_t padding)
{
    static const uint8_t message[] = {0x0a, 6, 'p', 'a', 'd', 'd', 'e', 'd'};
    struct zrpc_h2_call *call = zrpc_h2_new_call(h, 0);
    struct zrpc_buf block = {0}, data = {0};

    zrpc_control_put_headers(h, &plain, &block);
    zrpc_control_put_message(&data, zrpc_view(message, sizeof message));
    send_padded(h, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, call->stream, zrpc_buf_view(&block), padding);
    send_padded(h, NGHTTP2_DATA, 0, call->stream, zrpc_buf_view(&data), padding);
    send_padded(h, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, call->stream, nothing, padding);
    zrpc_buf_dispose(&block);
    zrpc_buf_dispose(&data);
    zrpc_expect_echo(h, call, "padded");
}

static void padding(struct zrpc_run *run)
{
    static const uint8_t lengths[] = {0, 1, 100, 255};
    struct zrpc_h2 *h = zrpc_h2_open(run);

    for (size_t i = 0; i < sizeof lengths; i++)
        padded_call(h, lengths[i]);
}

/* Padding counts against windows, and comes back. */
static void padding_replenished(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_begin(h, &plain);
    struct zrpc_h2_frame seen;

    zrpc_run_step(run, "1 MiB of padding, as the windows allow");
    for (unsigned i = 0; i < 4096 && zrpc_run_going(run); i++) {
        while ((call->send_window < 256 || h->send_window < 256) && zrpc_run_going(run))
            if (zrpc_h2_see(h, zrpc_now() + zrpc_run_timing(run)->prompt, &seen) != ZRPC_SEEN_FRAME &&
                zrpc_run_going(run))
                zrpc_run_fail(run, "WINDOW_UPDATE for padding as for content", "none after %u frames", i);
        send_padded(h, NGHTTP2_DATA, 0, call->stream, nothing, 255);
        call->send_window -= 256;
        h->send_window -= 256;
    }
    zrpc_control_finish_ping(h, call, "after it");
    zrpc_expect_echo(h, call, "after it");
}

static void literals(struct zrpc_run *run)
{
    static const struct zrpc_control_headers literal = {.literal = true};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    zrpc_run_step(run, "header blocks without Huffman coding and without any table");
    for (unsigned i = 0; i < 3; i++) {
        call = zrpc_control_begin(h, &literal);
        zrpc_control_finish_ping(h, call, "literally");
        zrpc_expect_echo(h, call, "literally");
    }
}

static void dynamic_table(struct zrpc_run *run)
{
    struct zrpc_control_headers headers = {.extra_name = "x-filler"};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;
    char value[600];

    zrpc_run_step(run, "64 calls whose headers fill the dynamic table, reuse it and drive entries out of it");
    for (unsigned i = 0; i < 64 && zrpc_run_going(run); i++) {
        snprintf(value, sizeof value, "%0*u", 100 + (int)(i / 2 % 8) * 60, i / 2);
        headers.extra_value = value;
        call = zrpc_control_begin(h, &headers);
        zrpc_control_finish_ping(h, call, value);
        zrpc_expect_echo(h, call, value);
    }
}

static void table_updates(struct zrpc_run *run)
{
    static const size_t sizes[] = {0, 4096, 100, 1000, 0, 4096};
    struct zrpc_h2 *h = zrpc_h2_open(run);

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        zrpc_run_step(run, "our encoder's table is now %zu bytes", sizes[i]);
        if (h->deflater != NULL && nghttp2_hd_deflate_change_table_size(h->deflater, sizes[i]) != 0)
            zrpc_run_inconclusive(run, "out of memory");
        echo(h, "table");
        echo(h, "table");
    }
}

static void table_of_theirs(struct zrpc_run *run)
{
    static const uint32_t sizes[] = {0, 65536, 64, 4096};
    struct zrpc_h2 *h = zrpc_h2_open_with(run, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0);

    echo(h, "no table");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        zrpc_h2_send_settings(h, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, sizes[i]);
        zrpc_expect_settings_acked(h);
        echo(h, "table");
        echo(h, "table");
    }
}

static void authorities(struct zrpc_run *run)
{
    static const char *const values[] = {
        "doesn't matter done by dialer",
        "doesn%27t%20matter%20done%20by%20dialer",
        "localhost:8888",
        "[::1]:8888",
        "a b",
        "<>\"{}|\\^`",
        "/",
        "user@host",
        "%",
        "",
    };
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    for (size_t i = 0; i < sizeof values / sizeof values[0] && zrpc_run_going(run); i++) {
        call = zrpc_control_begin(
            h, &(struct zrpc_control_headers){.authority = values[i], .literal = i % 2 == 1});
        zrpc_control_finish_ping(h, call, "who");
        zrpc_expect_echo(h, call, "who");
    }
}

/*
 * Flow control
 */
static void window_of_one(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open_with(run, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1);
    struct zrpc_h2_call *call = zrpc_control_ping(h, "one byte at a time");
    zrpc_time patience = zrpc_run_timing(run)->prompt;
    struct zrpc_h2_frame seen;
    size_t before = 0;

    while (!call->ended && zrpc_run_going(run)) {
        if (zrpc_h2_see(h, zrpc_now() + patience, &seen) != ZRPC_SEEN_FRAME)
            break;
        if (call->data.len > before)
            zrpc_h2_send_window(h, call, 1);
        before = call->data.len;
    }
    zrpc_expect_echo(h, call, "one byte at a time");
}

static void window_of_one_stream(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open_with(run, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    struct zrpc_h2_call *waits = zrpc_control_ping(h, "I wait"), *passes = zrpc_control_ping(h, "I pass");

    zrpc_run_step(run, "two calls with a window of 0 each; now one gets a larger one");
    zrpc_h2_send_window(h, passes, 1000);
    zrpc_expect_echo(h, passes, "I pass");
    zrpc_expect_ping_ack(h, "and PING");
    zrpc_h2_send_window(h, waits, 1000);
    zrpc_expect_echo(h, waits, "I wait");
}

/* Deals with frames until the call has that much DATA, and then shows that no more comes. */
static void expect_exactly(struct zrpc_h2 *h, const struct zrpc_h2_call *call, size_t len)
{
    zrpc_time patience = zrpc_run_timing(h->run)->prompt;
    struct zrpc_h2_frame seen;

    while (call->data.len < len && !call->ended &&
           zrpc_h2_see(h, zrpc_now() + patience, &seen) == ZRPC_SEEN_FRAME)
        ;
    zrpc_expect_ping_ack(h, "no more?");
    if (zrpc_run_going(h->run) && call->data.len != len)
        zrpc_run_fail(h->run, "as much DATA as the windows allow", "%zu bytes, not %zu", call->data.len, len);
}

static void window_of_connection(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open_with(run, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 24);
    const char *text = text_of(run, LARGE_TEXT);
    struct zrpc_h2_call *call;

    h->replenishes = false;
    call = zrpc_control_ping(h, text);
    expect_exactly(h, call, ZRPC_H2_WINDOW);
    zrpc_run_step(run, "the connection's window is used up; one byte more, then all");
    zrpc_h2_send_window(h, NULL, 1);
    expect_exactly(h, call, ZRPC_H2_WINDOW + 1);
    zrpc_h2_send_window(h, NULL, 1 << 24);
    zrpc_expect_echo(h, call, text);
}

static void window_negative(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    const char *text = text_of(run, LARGE_TEXT);
    struct zrpc_h2_call *call;

    h->replenishes = false;
    zrpc_h2_send_window(h, NULL, 1 << 24);
    call = zrpc_control_ping(h, text);
    expect_exactly(h, call, ZRPC_H2_WINDOW);
    zrpc_run_step(run, "SETTINGS take 64535 bytes away from a window that is used up: below zero now");
    zrpc_h2_send_settings(h, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000);
    zrpc_expect_settings_acked(h);
    zrpc_h2_send_window(h, call, 64535);
    expect_exactly(h, call, ZRPC_H2_WINDOW);
    zrpc_h2_send_window(h, call, 100);
    expect_exactly(h, call, ZRPC_H2_WINDOW + 100);
    zrpc_h2_send_window(h, call, 1 << 24);
    zrpc_expect_echo(h, call, text);
}

static void window_by_settings(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open_with(run, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10);
    const char *text = text_of(run, LARGE_TEXT);
    struct zrpc_h2_call *call;

    h->replenishes = false;
    zrpc_h2_send_window(h, NULL, 1 << 24);
    call = zrpc_control_ping(h, text);
    expect_exactly(h, call, 10);
    zrpc_run_step(run, "SETTINGS make the window larger while the call waits for it");
    zrpc_h2_send_settings(h, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 24);
    zrpc_expect_echo(h, call, text);
}

static void window_large(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open_with(run, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX);
    const char *text = text_of(run, 3 << 20);

    h->replenishes = false;
    zrpc_h2_send_window(h, NULL, INT32_MAX - ZRPC_H2_WINDOW);
    echo(h, text);
}

static void frame_size_raised(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open_with(run, NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 20000);

    echo(h, text_of(run, LARGE_TEXT)); /* judges each frame */
}

static void large_both_ways(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_run_step(run, "2 MiB there and back, with the smallest windows that are usual");
    echo(h, text_of(run, 2 << 20));
    echo(h, text_of(run, 2 << 20));
}

static void many_calls(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    const char *text = text_of(run, 300);

    zrpc_run_step(run, "1500 calls, one after the other: more bytes than any window at first has");
    for (unsigned i = 0; i < 1500 && zrpc_run_going(run); i++)
        echo(h, text);
}

/*
 * Streams
 */
static void stream_gaps(struct zrpc_run *run)
{
    static const uint32_t streams[] = {1, 7, 101, 100001, INT32_MAX};
    struct zrpc_h2 *h = zrpc_h2_open(run);

    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        h->next_stream = streams[i];
        echo(h, "any odd stream");
    }
}

static void late_frames(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_ping(h, "done");

    zrpc_expect_echo(h, call, "done");
    zrpc_run_step(run, "frames for a stream that is closed, as they cross its end in practice");
    zrpc_h2_send_u32(h, NGHTTP2_WINDOW_UPDATE, call->stream, 1000);
    zrpc_h2_send_u32(h, NGHTTP2_RST_STREAM, call->stream, NGHTTP2_CANCEL);
    zrpc_expect_alive(h);
}

static void frames_in_a_message(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_begin(h, &plain);
    struct zrpc_buf data = {0};

    zrpc_run_step(run, "PING and SETTINGS in the middle of a message");
    zrpc_control_put_message(&data, zrpc_view("\x0a\x03mid", 5));
    zrpc_h2_send_data(h, call, zrpc_view(zrpc_buf_view(&data).data, 7), 0, false);
    zrpc_expect_ping_ack(h, "mid-call");
    zrpc_h2_send_settings(h, 0, 0);
    zrpc_expect_settings_acked(h);
    zrpc_h2_send_data(h, call, zrpc_view(zrpc_buf_view(&data).data + 7, data.len - 7), 0, true);
    zrpc_buf_dispose(&data);
    zrpc_expect_echo(h, call, "mid");
}

#define CASE(name, function, text, outcome, ...)                                                        \
    {                                                                                                   \
        .id = "h2." name, .title = text, .requirements = {__VA_ARGS__}, .legal = outcome, .budget = 60, \
        .run = function                                                                                 \
    }
static const char answered[] = "the call's answer";

static const struct zrpc_case cases[] = {
    CASE("at-once", at_once,
         "Preface, SETTINGS and a call in one write, before the target's SETTINGS, are served", answered,
         "ZR-MUX-004", "ZR-H2-004"),
    CASE("byte-by-byte", byte_by_byte, "Preface, SETTINGS and a call are accepted in single bytes", answered,
         "ZR-H2-004", "ZR-H2-002"),
    CASE("settings-first", settings_first, "The server's first frame is SETTINGS", "SETTINGS", "ZR-H2-002",
         "ZR-MUX-005"),
    CASE("settings-acked", settings_acked, "Each SETTINGS frame is acknowledged",
         "an acknowledgement for each", "ZR-H2-004"),
    CASE("unknown-settings", unknown_settings, "Unknown settings are ignored", answered, "ZR-H2-011"),
    CASE("ping", ping, "PING is answered with the same bytes, with and without calls", "PING with ACK",
         "ZR-H2-005"),
    CASE("unknown-frames", unknown_frames, "Frames of unknown types are ignored", answered, "ZR-H2-011"),
    CASE("unknown-flags", unknown_flags, "Flags that a frame does not define are ignored", answered,
         "ZR-H2-011"),
    CASE("priorities", priorities, "PRIORITY frames, and priorities in HEADERS, are ignored", answered,
         "ZR-H2-011"),
    CASE("continuation", continuation, "Header blocks are accepted in CONTINUATION frames", answered,
         "ZR-H2-010"),
    CASE("continuation-of-nothing", continuation_of_nothing,
         "The HEADERS frame before CONTINUATION frames may be empty", answered, "ZR-H2-010"),
    CASE("padding", padding, "HEADERS and DATA are accepted with padding", answered, "ZR-H2-010"),
    CASE("padding-replenished", padding_replenished, "Padding is given back to the windows like content",
         answered, "ZR-H2-007"),
    CASE("literals", literals, "Header blocks without Huffman coding and tables are decoded", answered,
         "ZR-H2-010"),
    CASE("dynamic-table", dynamic_table, "The dynamic table is kept over many calls", answered, "ZR-H2-010"),
    CASE("table-updates", table_updates, "The encoder may change its table's size between header blocks",
         answered, "ZR-H2-010"),
    CASE("table-of-theirs", table_of_theirs, "The server's encoder obeys our HEADER_TABLE_SIZE",
         "answers whose header blocks decode", "ZR-H2-004", "ZR-H2-017"),
    CASE("authorities", authorities, "Any :authority is accepted, also none", answered, "ZR-H2-013"),
    CASE("window-of-one", window_of_one, "With a window of 1 byte the answer comes byte by byte", answered,
         "ZR-H2-006", "ZR-H2-004"),
    CASE("window-of-one-stream", window_of_one_stream, "A stream without window waits, and nothing else does",
         answered, "ZR-H2-006", "ZR-H2-012"),
    CASE("window-of-connection", window_of_connection, "DATA never exceeds the connection's window",
         "65535 bytes, one more, and then the rest", "ZR-H2-006"),
    CASE("window-negative", window_negative, "A window that SETTINGS put below zero is made good first",
         "DATA only above zero", "ZR-H2-006", "ZR-H2-004"),
    CASE("window-by-settings", window_by_settings,
         "SETTINGS that raise the window let a waiting answer go on", answered, "ZR-H2-004", "ZR-H2-006"),
    CASE("window-large", window_large, "Windows of 2^31-1 bytes are accepted", answered, "ZR-H2-004",
         "ZR-H2-006"),
    CASE("frame-size", frame_size_raised, "No frame is larger than our MAX_FRAME_SIZE",
         "frames of at most 20000 bytes", "ZR-H2-008"),
    CASE("large-both-ways", large_both_ways, "Messages far above 65535 bytes pass in both directions",
         answered, "ZR-H2-007", "ZR-H2-008"),
    CASE("many-calls", many_calls, "Any number of calls passes on one connection", answered, "ZR-H2-007",
         "ZR-H2-017"),
    CASE("stream-gaps", stream_gaps, "Streams may be skipped, up to the last one there is", answered,
         "ZR-H2-012"),
    CASE("late-frames", late_frames, "RST_STREAM and WINDOW_UPDATE for a closed stream are ignored", answered,
         "ZR-H2-012"),
    CASE("frames-in-a-message", frames_in_a_message, "Other frames may come in the middle of a message",
         answered, "ZR-H2-005", "ZR-GRPC-004"),
};

const struct zrpc_area zrpc_area_h2 = {
    .name = "h2",
    .title = "HTTP/2 as clients are free to speak it, to a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_CONTROL,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
