#include "testing/alloc.h"
#include "testing/suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "zrpc/frameconn.h"

#define AT (100 * ZRPC_SECOND) /* any point in time */

static struct zrpc_view bytes(const struct zrpc_buf *b)
{
    return zrpc_buf_view(b);
}

static struct zrpc_view no_payload(void)
{
    return zrpc_view(NULL, 0);
}

/* What a reader says, as text in which the cuts of the input do not show: "begin 5/3 abc finish ...". */
struct transcript {
    struct zrpc_buf text;
    int failure;
};

static void note(struct transcript *t, const char *text)
{
    CHECK_OK(zrpc_buf_append(&t->text, zrpc_view_of(text), NULL));
}

static void note_event(struct transcript *t, const struct zrpc_frame_event *ev)
{
    char text[64];

    switch (ev->kind) {
    case ZRPC_FRAME_BEGIN:
        snprintf(text, sizeof text, "[%" PRIx32 "/%" PRIu32 " ", ev->frame.type, ev->frame.length);
        note(t, text);
        break;
    case ZRPC_FRAME_PAYLOAD:
        CHECK(ev->payload.len > 0);
        CHECK_OK(zrpc_buf_append(&t->text, ev->payload, NULL));
        break;
    case ZRPC_FRAME_FINISH:
        note(t, "]");
        break;
    case ZRPC_FRAME_MORE:
        break;
    }
}

static void feed(struct zrpc_frameconn *c, struct transcript *t, struct zrpc_view in)
{
    struct zrpc_frame_event ev = {.kind = ZRPC_FRAME_BEGIN};

    while (t->failure == 0 && ev.kind != ZRPC_FRAME_MORE) {
        t->failure = zrpc_frameconn_input(c, &in, &ev, NULL);
        if (t->failure == 0)
            note_event(t, &ev);
    }
    CHECK(t->failure < 0 || in.len == 0);
}

static void check_transcript(struct transcript *t, const char *expected)
{
    note(t, "");
    CHECK_BYTES(bytes(&t->text), zrpc_view_of(expected));
    zrpc_buf_dispose(&t->text);
    *t = (struct transcript){0};
}

/* A writer's output, filled by its own functions: input for a reader. */
static void put(struct zrpc_frame_writer *w, uint32_t type, const char *payload)
{
    CHECK_OK(zrpc_frame_writer_put(w, type, zrpc_view_of(payload), NULL));
}

static void header_is_big_endian(void)
{
    static const uint8_t expected[] = {0x01, 0x02, 0x03, 0x04, 0x0a, 0x0b, 0x0c, 0x0d};
    uint8_t out[ZRPC_FRAME_HEADER_LEN];
    struct zrpc_frame frame;

    zrpc_frame_encode((struct zrpc_frame){.type = 0x01020304, .length = 0x0a0b0c0d}, out);
    CHECK_BYTES(zrpc_view(out, sizeof out), zrpc_view(expected, sizeof expected));
    frame = zrpc_frame_decode(expected);
    CHECK_INT(frame.type, 0x01020304);
    CHECK_INT(frame.length, 0x0a0b0c0d);
}

static void types_have_one_owner(void)
{
    static const struct {
        struct zrpc_frame frame;
        int code;
    } cases[] = {
        {{0, 0}, 0}, /* a user type like any other, though no stream has it */
        {{1, 0}, 0},
        {{5, 1}, 0},
        {{5, UINT32_MAX}, 0},
        {{0xffff, 3}, 0},
        {{0x00100000, 3}, 0},
        {{0x00f0ffff, 3}, 0},
        {{ZRPC_FRAME_RST, 0}, 0},
        {{ZRPC_FRAME_RST, 1}, ZRPC_ERR_FRAME},
        {{ZRPC_FRAME_HEARTBEAT, 0}, 0},
        {{ZRPC_FRAME_HEARTBEAT, 4}, ZRPC_ERR_FRAME},
        {{ZRPC_FRAME_STREAM_TRAILER, 0}, 0},
        {{ZRPC_FRAME_STREAM_TRAILER, 100}, 0},
        {{ZRPC_FRAME_STREAM_END, 0}, 0},
        {{ZRPC_FRAME_STREAM_END, UINT32_MAX}, ZRPC_ERR_FRAME},
        {{ZRPC_FRAME_RST | 1, 0}, ZRPC_ERR_FRAME},
        {{ZRPC_FRAME_RST | ZRPC_FRAME_HEARTBEAT, 0}, ZRPC_ERR_FRAME},
        {{ZRPC_FRAME_HEARTBEAT | 0x00100000, 0}, ZRPC_ERR_FRAME},
        {{ZRPC_FRAME_STREAM_END | 5, 0}, ZRPC_ERR_FRAME},
        {{ZRPC_FRAME_STREAM_END | ZRPC_FRAME_STREAM_TRAILER, 0}, ZRPC_ERR_FRAME},
        {{0x20000000, 0}, ZRPC_ERR_FRAME},
        {{0x80000000, 0}, ZRPC_ERR_FRAME},
        {{0x02000000, 0}, ZRPC_ERR_FRAME},
        {{0x08000000, 0}, ZRPC_ERR_FRAME},
        {{0x00040000, 0}, ZRPC_ERR_FRAME},
        {{0x00080000, 0}, ZRPC_ERR_FRAME},
        {{UINT32_MAX, 0}, ZRPC_ERR_FRAME},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char what[64];

        snprintf(what, sizeof what, "type 0x%08" PRIx32 ", length %" PRIu32, cases[i].frame.type,
                 cases[i].frame.length);
        zrpc_check_code(zrpc_frame_check(cases[i].frame, NULL), cases[i].code, what, __FILE__, __LINE__);
    }
}

static void refusals_name_what_was_found(void)
{
    struct zrpc_error err;

    CHECK_CODE(zrpc_frame_check((struct zrpc_frame){0x03000000, 0}, &err), ZRPC_ERR_FRAME);
    CHECK_CONTAINS(err.text, "0x03000000");
    CHECK_CODE(zrpc_frame_check((struct zrpc_frame){ZRPC_FRAME_HEARTBEAT, 77}, &err), ZRPC_ERR_FRAME);
    CHECK_CONTAINS(err.text, "heartbeat");
    CHECK_CONTAINS(err.text, "77");
}

static void descriptions(void)
{
    char text[ZRPC_FRAME_TEXT_MAX];

    CHECK_STR(zrpc_frame_describe((struct zrpc_frame){.type = 5}, text), "data 5");
    CHECK_STR(zrpc_frame_describe((struct zrpc_frame){.type = 0x00200001}, text), "data 0x200001");
    CHECK_STR(zrpc_frame_describe((struct zrpc_frame){.type = ZRPC_FRAME_RST}, text), "RST");
    CHECK_STR(zrpc_frame_describe((struct zrpc_frame){.type = ZRPC_FRAME_HEARTBEAT}, text), "heartbeat");
    CHECK_STR(zrpc_frame_describe((struct zrpc_frame){.type = ZRPC_FRAME_STREAM_END}, text), "end of stream");
    CHECK_STR(zrpc_frame_describe((struct zrpc_frame){.type = ZRPC_FRAME_STREAM_TRAILER}, text),
              "error trailer");
    CHECK_STR(zrpc_frame_describe((struct zrpc_frame){.type = 0x20000001}, text), "invalid type 0x20000001");
}

static void frames_are_read_as_written(void)
{
    struct zrpc_frame_writer w = {0};
    struct transcript t = {0};
    struct zrpc_frameconn c;

    zrpc_frameconn_init(&c, 0);
    put(&w, 1, "/v1/ping");
    put(&w, ZRPC_FRAME_STREAM_END, "");
    put(&w, 5, "x"); /* one byte is a payload like any other */
    put(&w, 5, "");
    put(&w, ZRPC_FRAME_HEARTBEAT, "");
    feed(&c, &t, bytes(&w.output));
    check_transcript(&t, "[1/8 /v1/ping][20000/0 ][5/1 x][5/0 ][1000000/0 ]");
    CHECK(zrpc_frame_reader_between_frames(&c.reader));
    zrpc_frame_writer_dispose(&w);
    zrpc_frameconn_dispose(&c);
}

/* The same events for every way to cut the input: byte by byte, and at random. */
static void cuts_do_not_matter(void)
{
    static const char expected[] =
        "[1/8 /v1/send][20000/0 ][5/3 abc][5/1 d][5/0 ][f0ffff/6 efghij][1000000/0 ]";
    struct zrpc_frame_writer w = {0};

    put(&w, 1, "/v1/send");
    put(&w, ZRPC_FRAME_STREAM_END, "");
    put(&w, 5, "abc");
    put(&w, 5, "d");
    put(&w, 5, "");
    put(&w, ZRPC_FRAME_MASK_USER, "efghij");
    put(&w, ZRPC_FRAME_HEARTBEAT, "");
    srandom(1);
    for (int round = 0; round < 2000; round++) {
        struct zrpc_view left = bytes(&w.output);
        struct transcript t = {0};
        struct zrpc_frameconn c;

        zrpc_frameconn_init(&c, 0);
        while (left.len > 0) {
            size_t n = round == 0 ? 1 : (size_t)random() % 12;

            feed(&c, &t, zrpc_view_take(&left, n < left.len ? n : left.len));
        }
        check_transcript(&t, expected);
        zrpc_frameconn_dispose(&c);
    }
    zrpc_frame_writer_dispose(&w);
}

static void payload_is_borrowed_from_the_input(void)
{
    static const uint8_t in[] = {0, 0, 0, 5, 0, 0, 0, 3, 'a', 'b', 'c'};
    struct zrpc_view view = zrpc_view(in, sizeof in);
    struct zrpc_frame_reader r = {0};
    struct zrpc_frame_event ev;

    zrpc_frame_reader_next(&r, &view, &ev);
    CHECK_INT(ev.kind, ZRPC_FRAME_BEGIN);
    CHECK(!zrpc_frame_reader_between_frames(&r));
    zrpc_frame_reader_next(&r, &view, &ev);
    CHECK_INT(ev.kind, ZRPC_FRAME_PAYLOAD);
    CHECK(ev.payload.data == in + 8);
    CHECK_INT(ev.payload.len, 3);
    zrpc_frame_reader_next(&r, &view, &ev);
    CHECK_INT(ev.kind, ZRPC_FRAME_FINISH);
    zrpc_frame_reader_next(&r, &view, &ev);
    CHECK_INT(ev.kind, ZRPC_FRAME_MORE);
}

/* 4 GiB are announced; nothing is allocated for them, and what is moved elsewhere is only counted. */
static void longest_payload_passes_as_a_length(void)
{
    static const uint8_t in[] = {0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 'a', 'b'};
    struct zrpc_view view = zrpc_view(in, sizeof in);
    struct zrpc_frame_event ev;
    struct zrpc_frameconn c;

    zrpc_frameconn_init(&c, 0);
    CHECK_OK(zrpc_frameconn_input(&c, &view, &ev, NULL));
    CHECK_INT(ev.frame.length, UINT32_MAX);
    CHECK_OK(zrpc_frameconn_input(&c, &view, &ev, NULL));
    CHECK_INT(ev.payload.len, 2);
    CHECK_INT(c.reader.left, UINT32_MAX - 2);
    zrpc_frame_reader_moved(&c.reader, UINT32_MAX - 2);
    CHECK_OK(zrpc_frameconn_input(&c, &view, &ev, NULL));
    CHECK_INT(ev.kind, ZRPC_FRAME_FINISH);
    CHECK(zrpc_frame_reader_between_frames(&c.reader));
    CHECK(c.writer.output.base == NULL);
    zrpc_frameconn_dispose(&c);
}

static void invalid_frames_are_refused(void)
{
    static const uint8_t unlisted[] = {0x02, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t rst_with_payload[] = {0x10, 0, 0, 0, 0, 0, 0, 1, 'x'};
    struct transcript t = {0};
    struct zrpc_frameconn c;

    zrpc_frameconn_init(&c, 0);
    feed(&c, &t, zrpc_view(unlisted, sizeof unlisted));
    CHECK_CODE(t.failure, ZRPC_ERR_FRAME);
    check_transcript(&t, "");

    zrpc_frameconn_init(&c, 0);
    feed(&c, &t, zrpc_view(rst_with_payload, sizeof rst_with_payload));
    CHECK_CODE(t.failure, ZRPC_ERR_FRAME);
    CHECK(!c.peer_shutdown);
    check_transcript(&t, "");
}

static void body_is_sent_after_its_header(void)
{
    static const uint8_t expected[] = {0, 0, 0, 5, 0, 0, 0, 10};
    struct zrpc_frame_writer w = {0};

    CHECK(zrpc_frame_writer_idle(&w));
    CHECK_OK(zrpc_frame_writer_begin(&w, 5, 10, NULL));
    CHECK_BYTES(bytes(&w.output), zrpc_view(expected, sizeof expected));
    zrpc_frame_writer_sent(&w, 3);
    CHECK_INT(w.output.len, 5);
    CHECK_INT(w.body_left, 10);
    zrpc_frame_writer_sent(&w, 5 + 4); /* one writev for both */
    CHECK_INT(w.output.len, 0);
    CHECK_INT(w.body_left, 6);
    CHECK(!zrpc_frame_writer_idle(&w));
    zrpc_frame_writer_sent(&w, 6);
    CHECK(zrpc_frame_writer_idle(&w));
    CHECK_OK(zrpc_frame_writer_begin(&w, 5, 0, NULL)); /* an empty frame has no body to wait for */
    put(&w, 5, "abc");
    CHECK_INT(w.output.len, 8 + 8 + 3);
    zrpc_frame_writer_dispose(&w);
}

static void nothing_is_queued_inside_a_body(void)
{
    struct zrpc_frame_writer w = {0};
    struct zrpc_error err;

    CHECK_OK(zrpc_frame_writer_begin(&w, 5, 10, NULL));
    CHECK_CODE(zrpc_frame_writer_put(&w, ZRPC_FRAME_HEARTBEAT, no_payload(), &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "heartbeat");
    CHECK_CONTAINS(err.text, "10 bytes");
    CHECK_CODE(zrpc_frame_writer_begin(&w, 5, 1, NULL), ZRPC_ERR_USAGE);
    zrpc_frame_writer_sent(&w, 8 + 9);
    CHECK_CODE(zrpc_frame_writer_put(&w, 5, no_payload(), NULL), ZRPC_ERR_USAGE);
    zrpc_frame_writer_sent(&w, 1);
    CHECK_OK(zrpc_frame_writer_put(&w, 5, no_payload(), NULL));
    CHECK_INT(w.output.len, 8);
    zrpc_frame_writer_dispose(&w);
}

/* Sends all that is pending, and checks that it is what was expected and RST. */
static void send_and_expect_rst(struct zrpc_frameconn *c, size_t before)
{
    static const uint8_t rst[] = {0x10, 0, 0, 0, 0, 0, 0, 0};

    CHECK_INT(c->writer.output.len, before + sizeof rst);
    if (c->writer.output.len < sizeof rst)
        return;
    CHECK_BYTES(zrpc_view(bytes(&c->writer.output).data + before, sizeof rst), zrpc_view(rst, sizeof rst));
    zrpc_frameconn_sent(c, before + sizeof rst);
}

static void shutdown_takes_its_steps(void)
{
    static const uint8_t late[] = {0, 0, 0, 5, 0, 0, 0, 2, 'a', 'b', 0xff, 0xff};
    struct zrpc_view in = zrpc_view(late, sizeof late);
    struct zrpc_frame_event ev;
    struct zrpc_frameconn c;

    zrpc_frameconn_init(&c, 3 * ZRPC_SECOND);
    CHECK_INT(c.state, ZRPC_CONN_OPEN);
    CHECK_INT(c.shutdown_deadline, ZRPC_NEVER);
    zrpc_frameconn_shutdown(&c, AT);
    CHECK_INT(c.state, ZRPC_CONN_CLOSING);
    CHECK_INT(c.shutdown_deadline, AT + 3 * ZRPC_SECOND);
    zrpc_frameconn_shutdown(&c, AT + ZRPC_SECOND);
    CHECK_INT(c.shutdown_deadline, AT + 3 * ZRPC_SECOND);
    send_and_expect_rst(&c, 0);
    CHECK_INT(c.state, ZRPC_CONN_HALF_CLOSE);
    zrpc_frameconn_half_closed(&c);
    CHECK_INT(c.state, ZRPC_CONN_DRAINING);
    CHECK_OK(zrpc_frameconn_input(&c, &in, &ev, NULL)); /* valid or not, it is discarded */
    CHECK_INT(ev.kind, ZRPC_FRAME_MORE);
    CHECK_INT(in.len, 0);
    CHECK_OK(zrpc_frameconn_eof(&c, NULL));
    CHECK_INT(c.state, ZRPC_CONN_CLOSED);
    zrpc_frameconn_shutdown(&c, AT + 2 * ZRPC_SECOND);
    zrpc_frameconn_half_closed(&c);
    CHECK_INT(c.state, ZRPC_CONN_CLOSED);
    zrpc_frameconn_dispose(&c);
}

static void default_shutdown_takes_ten_seconds(void)
{
    struct zrpc_frameconn c;

    zrpc_frameconn_init(&c, 0);
    zrpc_frameconn_shutdown(&c, AT);
    CHECK_INT(c.shutdown_deadline - AT, 10 * ZRPC_SECOND);
    zrpc_frameconn_dispose(&c);
}

static void rst_follows_what_is_queued(void)
{
    struct zrpc_frameconn c;

    zrpc_frameconn_init(&c, 0);
    put(&c.writer, 3, "HANDLER OK\n");
    zrpc_frameconn_sent(&c, 4);
    zrpc_frameconn_shutdown(&c, AT);
    send_and_expect_rst(&c, 8 + 11 - 4);
    CHECK_INT(c.state, ZRPC_CONN_HALF_CLOSE);
    zrpc_frameconn_dispose(&c);
}

static void rst_follows_the_body_under_way(void)
{
    struct zrpc_frameconn c;

    zrpc_frameconn_init(&c, 0);
    CHECK_OK(zrpc_frame_writer_begin(&c.writer, 5, 100, NULL));
    zrpc_frameconn_sent(&c, 8 + 60);
    zrpc_frameconn_shutdown(&c, AT);
    CHECK_INT(c.writer.output.len, 0);
    zrpc_frameconn_sent(&c, 39);
    CHECK_INT(c.state, ZRPC_CONN_CLOSING);
    CHECK_INT(c.writer.output.len, 0);
    zrpc_frameconn_sent(&c, 1);
    send_and_expect_rst(&c, 0);
    CHECK_INT(c.state, ZRPC_CONN_HALF_CLOSE);
    zrpc_frameconn_dispose(&c);
}

static void rst_is_out_only_with_its_last_byte(void)
{
    struct zrpc_frameconn c;

    zrpc_frameconn_init(&c, 0);
    zrpc_frameconn_shutdown(&c, AT);
    for (int i = 0; i < ZRPC_FRAME_HEADER_LEN; i++) {
        CHECK_INT(c.state, ZRPC_CONN_CLOSING);
        zrpc_frameconn_sent(&c, 1);
    }
    CHECK_INT(c.state, ZRPC_CONN_HALF_CLOSE);
    zrpc_frameconn_dispose(&c);
}

static void peers_rst_is_reported(void)
{
    struct zrpc_frame_writer w = {0};
    struct transcript t = {0};
    struct zrpc_frameconn c;
    struct zrpc_frame_event ev;
    struct zrpc_view in;
    struct zrpc_error err;

    zrpc_frameconn_init(&c, 0);
    put(&w, 5, "abc");
    put(&w, ZRPC_FRAME_RST, "");
    put(&w, 5, "never seen");
    feed(&c, &t, bytes(&w.output));
    CHECK_CODE(t.failure, ZRPC_ERR_PEER_SHUTDOWN);
    CHECK(c.peer_shutdown);
    CHECK(zrpc_frame_reader_between_frames(&c.reader));
    check_transcript(&t, "[5/3 abc]");
    in = bytes(&w.output);
    CHECK_CODE(zrpc_frameconn_input(&c, &in, &ev, &err), ZRPC_ERR_PEER_SHUTDOWN);
    CHECK_CONTAINS(err.text, "shutting down");
    CHECK_CODE(zrpc_frameconn_eof(&c, NULL), ZRPC_ERR_PEER_SHUTDOWN);
    CHECK_INT(c.state, ZRPC_CONN_OPEN);
    zrpc_frameconn_shutdown(&c, AT);
    send_and_expect_rst(&c, 0);
    zrpc_frameconn_half_closed(&c);
    CHECK_INT(c.state, ZRPC_CONN_CLOSED); /* its end of file was seen already */
    zrpc_frame_writer_dispose(&w);
    zrpc_frameconn_dispose(&c);
}

/* Moves a's pending output into b. */
static void deliver(struct zrpc_frameconn *a, struct zrpc_frameconn *b)
{
    struct zrpc_view in = bytes(&a->writer.output);
    size_t n = in.len;
    struct zrpc_frame_event ev;

    CHECK_OK(zrpc_frameconn_input(b, &in, &ev, NULL));
    CHECK_INT(in.len, 0);
    zrpc_frameconn_sent(a, n);
}

static void both_sides_shut_down_at_once(void)
{
    struct zrpc_frameconn a, b;

    zrpc_frameconn_init(&a, 0);
    zrpc_frameconn_init(&b, 0);
    zrpc_frameconn_shutdown(&a, AT);
    zrpc_frameconn_shutdown(&b, AT);
    deliver(&a, &b);
    zrpc_frameconn_half_closed(&a);
    CHECK_INT(a.state, ZRPC_CONN_DRAINING);
    CHECK_OK(zrpc_frameconn_eof(&b, NULL)); /* a's end of file, before b's own RST is out */
    CHECK_INT(b.state, ZRPC_CONN_CLOSING);
    deliver(&b, &a);
    CHECK_INT(b.state, ZRPC_CONN_HALF_CLOSE);
    zrpc_frameconn_half_closed(&b);
    CHECK_INT(b.state, ZRPC_CONN_CLOSED);
    CHECK_OK(zrpc_frameconn_eof(&a, NULL));
    CHECK_INT(a.state, ZRPC_CONN_CLOSED);
    zrpc_frameconn_dispose(&a);
    zrpc_frameconn_dispose(&b);
}

static void eof_in_each_closing_state(void)
{
    struct zrpc_frameconn c;

    zrpc_frameconn_init(&c, 0);
    zrpc_frameconn_shutdown(&c, AT);
    CHECK_OK(zrpc_frameconn_eof(&c, NULL));
    CHECK_INT(c.state, ZRPC_CONN_CLOSING);
    send_and_expect_rst(&c, 0);
    CHECK_OK(zrpc_frameconn_eof(&c, NULL));
    CHECK_INT(c.state, ZRPC_CONN_HALF_CLOSE);
    zrpc_frameconn_half_closed(&c);
    CHECK_INT(c.state, ZRPC_CONN_CLOSED);
    CHECK_OK(zrpc_frameconn_eof(&c, NULL));
    CHECK_INT(c.state, ZRPC_CONN_CLOSED);
    zrpc_frameconn_dispose(&c);
}

static void eof_while_open_says_where(void)
{
    static const uint8_t in[] = {0, 0, 0, 5, 0, 0, 1, 0, 'a', 'b', 'c'};
    static const struct {
        size_t len;
        const char *text;
    } cases[] = {
        {0, "between frames"},
        {3, "after 3 of 8 bytes of its header"},
        {8, "(data 5): after 0 of 256 bytes of its payload"},
        {11, "(data 5): after 3 of 256 bytes of its payload"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct transcript t = {0};
        struct zrpc_frameconn c;
        struct zrpc_error err;

        zrpc_frameconn_init(&c, 0);
        feed(&c, &t, zrpc_view(in, cases[i].len));
        CHECK_CODE(zrpc_frameconn_eof(&c, &err), ZRPC_ERR_END);
        CHECK_CONTAINS(err.text, cases[i].text);
        CHECK_INT(c.state, ZRPC_CONN_OPEN);
        zrpc_buf_dispose(&t.text);
        zrpc_frameconn_shutdown(&c, AT);
        send_and_expect_rst(&c, 0);
        zrpc_frameconn_half_closed(&c);
        CHECK_INT(c.state, ZRPC_CONN_CLOSED);
        zrpc_frameconn_dispose(&c);
    }
}

static void abandoned_output_half_closes_without_rst(void)
{
    struct zrpc_frameconn c;

    zrpc_frameconn_init(&c, 0);
    CHECK_OK(zrpc_frame_writer_begin(&c.writer, 5, 100, NULL));
    zrpc_frameconn_sent(&c, 20);
    zrpc_frameconn_shutdown(&c, AT);
    zrpc_frameconn_abandon_output(&c);
    CHECK(zrpc_frame_writer_idle(&c.writer));
    CHECK_INT(c.state, ZRPC_CONN_HALF_CLOSE);
    zrpc_frameconn_dispose(&c);

    zrpc_frameconn_init(&c, 0); /* the other order */
    CHECK_OK(zrpc_frame_writer_begin(&c.writer, 5, 100, NULL));
    zrpc_frameconn_abandon_output(&c);
    CHECK_INT(c.state, ZRPC_CONN_OPEN);
    zrpc_frameconn_shutdown(&c, AT);
    CHECK(zrpc_frame_writer_idle(&c.writer));
    CHECK_INT(c.state, ZRPC_CONN_HALF_CLOSE);
    zrpc_frameconn_dispose(&c);

    zrpc_frameconn_init(&c, 0); /* RST itself gets stuck */
    zrpc_frameconn_shutdown(&c, AT);
    zrpc_frameconn_sent(&c, 3);
    zrpc_frameconn_abandon_output(&c);
    CHECK(zrpc_frame_writer_idle(&c.writer));
    CHECK_INT(c.state, ZRPC_CONN_HALF_CLOSE);
    zrpc_frameconn_dispose(&c);
}

static int write_frames(void *arg)
{
    struct zrpc_frame_writer w = {0};
    int rc;

    (void)arg;
    if ((rc = zrpc_frame_writer_put(&w, 1, zrpc_view_of("/v1/ping"), NULL)) == 0)
        rc = zrpc_frame_writer_begin(&w, 5, 10, NULL);
    if (rc < 0) /* nothing of the frame was queued */
        CHECK(zrpc_frame_writer_idle(&w));
    zrpc_frame_writer_dispose(&w);
    return rc;
}

static int begin_frame(void *arg)
{
    struct zrpc_frame_writer w = {0};
    int rc = zrpc_frame_writer_begin(&w, 5, 10, NULL);

    (void)arg;
    CHECK_INT(w.body_left, rc < 0 ? 0 : 10);
    zrpc_frame_writer_dispose(&w);
    return rc;
}

static void frames_without_memory(void)
{
    CHECK_INT(zrpc_alloc_each(write_frames, NULL), 1);
    CHECK_INT(zrpc_alloc_each(begin_frame, NULL), 1);
}

static void shutdown_without_memory_goes_on_without_rst(void)
{
    struct zrpc_frameconn c;

    zrpc_frameconn_init(&c, 0);
    zrpc_alloc_fail_at(1);
    zrpc_frameconn_shutdown(&c, AT);
    zrpc_alloc_fail_at(0);
    CHECK(zrpc_frame_writer_idle(&c.writer));
    CHECK_INT(c.state, ZRPC_CONN_HALF_CLOSE);
    zrpc_frameconn_dispose(&c);
}

/* Random bytes, and random bytes that look like frames: no event may promise what was not in the input. */
static void noise_is_survived(void)
{
    srandom(2);
    for (int round = 0; round < 20000; round++) {
        uint8_t noise[64];
        struct zrpc_view in = zrpc_view(noise, (size_t)random() % sizeof noise);
        struct zrpc_frame_event ev = {.kind = ZRPC_FRAME_BEGIN};
        struct zrpc_frameconn c;
        int rc = 0;

        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = round % 2 == 0 ? (uint8_t)random() : (uint8_t)(random() % 2 ? 0 : random() % 17);
        zrpc_frameconn_init(&c, 0);
        while (rc == 0 && ev.kind != ZRPC_FRAME_MORE) {
            rc = zrpc_frameconn_input(&c, &in, &ev, NULL);
            CHECK(rc == 0 || rc == ZRPC_ERR_FRAME || rc == ZRPC_ERR_PEER_SHUTDOWN);
            CHECK(ev.payload.len <= ev.frame.length && ev.payload.len <= sizeof noise);
        }
        zrpc_frameconn_dispose(&c);
    }
}

static const struct zrpc_test tests[] = {
    {"the header is two big-endian numbers", header_is_big_endian},
    {"a type has exactly one owner, reserved ones are listed", types_have_one_owner},
    {"refusals name what was found", refusals_name_what_was_found},
    {"frames are described in words", descriptions},
    {"frames are read as they were written", frames_are_read_as_written},
    {"the cuts of the input do not matter", cuts_do_not_matter},
    {"payload is borrowed from the input", payload_is_borrowed_from_the_input},
    {"the longest payload passes as a length", longest_payload_passes_as_a_length},
    {"invalid frames are refused", invalid_frames_are_refused},
    {"a body is sent after its header", body_is_sent_after_its_header},
    {"nothing is queued inside a body", nothing_is_queued_inside_a_body},
    {"a shutdown takes its steps in order", shutdown_takes_its_steps},
    {"a shutdown has ten seconds by default", default_shutdown_takes_ten_seconds},
    {"RST follows what is queued", rst_follows_what_is_queued},
    {"RST follows the body under way", rst_follows_the_body_under_way},
    {"RST is out only with its last byte", rst_is_out_only_with_its_last_byte},
    {"the peer's RST is reported, and nothing after it", peers_rst_is_reported},
    {"both sides shut down at once", both_sides_shut_down_at_once},
    {"end of file in each closing state", eof_in_each_closing_state},
    {"end of file while open says where", eof_while_open_says_where},
    {"abandoned output: half-close without RST", abandoned_output_half_closes_without_rst},
    {"frames without memory", frames_without_memory},
    {"a shutdown without memory goes on without RST", shutdown_without_memory_goes_on_without_rst},
    {"noise is survived", noise_is_survived},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("frameconn", tests, argc, argv);
}
