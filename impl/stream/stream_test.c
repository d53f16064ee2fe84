#include "testing/alloc.h"
#include "testing/suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "zrpc/stream.h"

#define T       5u
#define TRAILER ZRPC_FRAME_STREAM_TRAILER
#define END     ZRPC_FRAME_STREAM_END
#define NOW     (7 * ZRPC_SECOND) /* any point in time */

struct frame {
    uint32_t type;
    const char *payload;
};

static void put_frame(struct zrpc_buf *wire, uint32_t type, struct zrpc_view payload)
{
    uint8_t header[ZRPC_FRAME_HEADER_LEN];

    zrpc_frame_encode((struct zrpc_frame){.type = type, .length = (uint32_t)payload.len}, header);
    CHECK_OK(zrpc_buf_append(wire, zrpc_view(header, sizeof header), NULL));
    CHECK_OK(zrpc_buf_append(wire, payload, NULL));
}

static struct zrpc_buf wire_of(const struct frame *frames, size_t n)
{
    struct zrpc_buf wire = {0};

    for (size_t i = 0; i < n; i++)
        put_frame(&wire, frames[i].type, zrpc_view_of(frames[i].payload));
    return wire;
}

/* The receiving side: a connection, the reader of one stream on it, and what that delivered. */
struct receiver {
    struct zrpc_heartbeatconn c;
    struct zrpc_stream_reader stream;
    struct zrpc_buf content;
    struct zrpc_error err;
};

static struct receiver receiver(uint32_t type)
{
    struct receiver r = {0};

    zrpc_heartbeatconn_init(&r.c, NULL, NOW);
    zrpc_stream_reader_init(&r.stream, type);
    return r;
}

static void dispose(struct receiver *r)
{
    zrpc_heartbeatconn_dispose(&r->c);
    zrpc_stream_reader_dispose(&r->stream);
    zrpc_buf_dispose(&r->content);
}

/* Reads on until the stream ends (DONE), fails, or the input is used up (MORE). Leaves the rest in *in. */
static int receive(struct receiver *r, struct zrpc_view *in)
{
    struct zrpc_frame_event ev;
    int rc;

    for (;;) {
        if ((rc = zrpc_heartbeatconn_input(&r->c, NOW, in, &ev, &r->err)) < 0 || ev.kind == ZRPC_FRAME_MORE)
            return rc;
        rc = zrpc_stream_reader_event(&r->stream, &ev, &r->err);
        if (rc == ZRPC_STREAM_DATA)
            CHECK_OK(zrpc_buf_append(&r->content, ev.payload, NULL));
        else if (rc != ZRPC_STREAM_MORE)
            return rc;
    }
}

/* What a stream of frames must come to. */
struct outcome {
    const char *name;
    struct frame frames[7];
    size_t n;
    int result;
    const char *content;
    const char *text; /* contained in the error's */
};

static const struct outcome outcomes[] = {
    {"data and end", {{T, "abc"}, {T, "defg"}, {END, ""}}, 3, ZRPC_STREAM_DONE, "abcdefg", NULL},
    {"end alone is an empty stream", {{END, ""}}, 1, ZRPC_STREAM_DONE, "", NULL},
    {"empty data frames carry nothing",
     {{T, ""}, {T, "a"}, {T, ""}, {END, ""}},
     4,
     ZRPC_STREAM_DONE,
     "a",
     NULL},
    {"heartbeats change nothing",
     {{ZRPC_FRAME_HEARTBEAT, ""},
      {T, "a"},
      {ZRPC_FRAME_HEARTBEAT, ""},
      {T, "b"},
      {ZRPC_FRAME_HEARTBEAT, ""},
      {END, ""}},
     6,
     ZRPC_STREAM_DONE,
     "ab",
     NULL},
    {"no end yet", {{T, "abc"}}, 1, ZRPC_STREAM_MORE, "abc", NULL},
    {"source error after data",
     {{T, "abc"}, {TRAILER, "disk on fire"}, {END, ""}},
     3,
     ZRPC_ERR_PEER_SOURCE,
     "abc",
     "disk on fire"},
    {"source error alone", {{TRAILER, "x"}, {END, ""}}, 2, ZRPC_ERR_PEER_SOURCE, "", "x"},
    {"trailer in several frames",
     {{TRAILER, "disk "}, {TRAILER, "on "}, {TRAILER, ""}, {TRAILER, "fire"}, {END, ""}},
     5,
     ZRPC_ERR_PEER_SOURCE,
     "",
     "disk on fire"},
    {"trailer cut inside a UTF-8 sequence",
     {{TRAILER, "broke \xe2"}, {TRAILER, "\x9c"}, {TRAILER, "\x97!"}, {END, ""}},
     4,
     ZRPC_ERR_PEER_SOURCE,
     "",
     "broke \xe2\x9c\x97!"},
    {"heartbeat within a trailer",
     {{TRAILER, "a"}, {ZRPC_FRAME_HEARTBEAT, ""}, {TRAILER, "b"}, {END, ""}},
     4,
     ZRPC_ERR_PEER_SOURCE,
     "",
     "ab"},
    {"trailer that is not UTF-8",
     {{TRAILER, "broke \xff"}, {END, ""}},
     2,
     ZRPC_ERR_PEER_SOURCE,
     "",
     "not UTF-8"},
    {"trailer that ends inside a sequence",
     {{TRAILER, "broke \xe2\x9c"}, {END, ""}},
     2,
     ZRPC_ERR_PEER_SOURCE,
     "",
     "not UTF-8"},
    {"empty trailer",
     {{T, "abc"}, {TRAILER, ""}, {TRAILER, ""}, {END, ""}},
     4,
     ZRPC_ERR_PEER_SOURCE,
     "abc",
     "empty"},
    {"newlines end no text", {{TRAILER, "no space\n\n"}, {END, ""}}, 2, ZRPC_ERR_PEER_SOURCE, "", "no space"},
    {"newlines alone are no text", {{TRAILER, "\n\n"}, {END, ""}}, 2, ZRPC_ERR_PEER_SOURCE, "", "empty"},
    {"trailer without end", {{TRAILER, "abc"}}, 1, ZRPC_STREAM_MORE, "", NULL},
    {"data after a trailer",
     {{TRAILER, "abc"}, {T, "d"}, {END, ""}},
     3,
     ZRPC_ERR_STREAM,
     "",
     "after an error trailer"},
    {"empty data after a trailer",
     {{TRAILER, "abc"}, {T, ""}, {END, ""}},
     3,
     ZRPC_ERR_STREAM,
     "",
     "after an error trailer"},
    {"another type first", {{4, "abc"}}, 1, ZRPC_ERR_STREAM, "", "data 4"},
    {"another type in between", {{T, "abc"}, {4, ""}}, 2, ZRPC_ERR_STREAM, "abc", "after 3 bytes"},
    {"another type after a trailer", {{TRAILER, "abc"}, {4, ""}}, 2, ZRPC_ERR_STREAM, "", "data 4"},
    {"type 0", {{0, "abc"}}, 1, ZRPC_ERR_STREAM, "", "data 0"},
    {"a reserved type", {{T, "abc"}, {0x00040000, ""}}, 2, ZRPC_ERR_FRAME, "abc", "0x00040000"},
    {"end with a payload", {{T, "abc"}, {END, "x"}}, 2, ZRPC_ERR_FRAME, "abc", "end of stream"},
    {"RST", {{T, "abc"}, {ZRPC_FRAME_RST, ""}}, 2, ZRPC_ERR_PEER_SHUTDOWN, "abc", "shutting down"},
    {"RST within a trailer",
     {{TRAILER, "abc"}, {ZRPC_FRAME_RST, ""}},
     2,
     ZRPC_ERR_PEER_SHUTDOWN,
     "",
     "shutting down"},
};

/* Feeds the wire in portions of at most `most` bytes (0: random ones), and checks what comes of it. */
static void check_outcome(const struct outcome *o, struct zrpc_view wire, size_t most)
{
    struct receiver r = receiver(T);
    int rc = ZRPC_STREAM_MORE;

    while (wire.len > 0 && rc == ZRPC_STREAM_MORE) {
        size_t n = most > 0 ? most : (size_t)random() % 7;
        struct zrpc_view part = zrpc_view_take(&wire, n < wire.len ? n : wire.len);

        rc = receive(&r, &part);
    }
    zrpc_check_code(rc, o->result, o->name, __FILE__, __LINE__);
    zrpc_check_bytes(zrpc_buf_view(&r.content), zrpc_view_of(o->content), o->name, __FILE__, __LINE__);
    CHECK_INT(r.stream.received, strlen(o->content));
    if (o->text != NULL && rc < 0)
        zrpc_check_contains(r.err.text, o->text, o->name, __FILE__, __LINE__);
    dispose(&r);
}

static void every_outcome(void)
{
    srandom(4);
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        struct zrpc_buf wire = wire_of(outcomes[i].frames, outcomes[i].n);

        check_outcome(&outcomes[i], zrpc_buf_view(&wire), SIZE_MAX);
        check_outcome(&outcomes[i], zrpc_buf_view(&wire), 1);
        for (int round = 0; round < 200; round++)
            check_outcome(&outcomes[i], zrpc_buf_view(&wire), 0);
        zrpc_buf_dispose(&wire);
    }
}

static void source_error_is_the_peers_text_alone(void)
{
    static const struct frame frames[] = {{TRAILER, "client source broke \xe2\x9c\x97"}, {END, ""}};
    struct zrpc_buf wire = wire_of(frames, 2);
    struct zrpc_view in = zrpc_buf_view(&wire);
    struct receiver r = receiver(T);

    CHECK_CODE(receive(&r, &in), ZRPC_ERR_PEER_SOURCE);
    CHECK_STR(r.err.text, "client source broke \xe2\x9c\x97");
    dispose(&r);
    zrpc_buf_dispose(&wire);
}

/* A zero byte is UTF-8, but would end the error's text: it is shown, and kept in the trailer. */
static void zero_bytes_do_not_cut_a_source_error(void)
{
    struct receiver r = receiver(T);
    struct zrpc_buf wire = {0};
    struct zrpc_view in;

    put_frame(&wire, TRAILER, zrpc_view("\0disk\0on fire", 13));
    put_frame(&wire, END, zrpc_view(NULL, 0));
    in = zrpc_buf_view(&wire);
    CHECK_CODE(receive(&r, &in), ZRPC_ERR_PEER_SOURCE);
    CHECK_STR(r.err.text, "?disk?on fire");
    CHECK_BYTES(zrpc_buf_view(&r.stream.trailer), zrpc_view("\0disk\0on fire", 13));
    dispose(&r);
    zrpc_buf_dispose(&wire);
}

static void next_stream_follows_on_a_clean_connection(void)
{
    static const struct frame frames[] = {{T, "abc"}, {END, ""},  {TRAILER, "first failed"},
                                          {END, ""},  {T, "def"}, {END, ""}};
    struct zrpc_buf wire = wire_of(frames, 6);
    struct zrpc_view in = zrpc_buf_view(&wire);
    struct receiver r = receiver(T);

    CHECK_INT(receive(&r, &in), ZRPC_STREAM_DONE);
    CHECK_INT(in.len, wire.len - 8 - 3 - 8);
    zrpc_stream_reader_init(&r.stream, T);
    CHECK_CODE(receive(&r, &in), ZRPC_ERR_PEER_SOURCE);
    zrpc_stream_reader_dispose(&r.stream);
    zrpc_stream_reader_init(&r.stream, T);
    CHECK_INT(receive(&r, &in), ZRPC_STREAM_DONE);
    CHECK_BYTES(zrpc_buf_view(&r.content), zrpc_view_of("abcdef"));
    CHECK_INT(in.len, 0);
    dispose(&r);
    zrpc_buf_dispose(&wire);
}

/* 40 MB of "aaa...é" repeated in trailer frames: what is kept is bounded and ends between characters. */
static void overlong_trailer_is_cut(void)
{
    for (size_t shift = 0; shift < 2; shift++) {
        struct zrpc_buf frame = {0}, end = {0}, wire = {0};
        struct receiver r = receiver(T);
        struct zrpc_view in;

        for (size_t i = 0; i < shift; i++)
            CHECK_OK(zrpc_buf_append(&wire, zrpc_view_of("a"), NULL));
        while (wire.len < 400001)
            CHECK_OK(zrpc_buf_append(&wire, zrpc_view_of("\xc3\xa9"), NULL));
        put_frame(&frame, TRAILER, zrpc_buf_view(&wire));
        for (int i = 0; i < 100; i++) {
            in = zrpc_buf_view(&frame);
            CHECK_INT(receive(&r, &in), ZRPC_STREAM_MORE);
            CHECK(r.stream.trailer.cap < 4 * ZRPC_STREAM_TRAILER_MAX);
        }
        put_frame(&end, END, zrpc_view(NULL, 0));
        in = zrpc_buf_view(&end);
        CHECK_CODE(receive(&r, &in), ZRPC_ERR_PEER_SOURCE);
        CHECK_INT(r.stream.trailer.len, ZRPC_STREAM_TRAILER_MAX - shift);
        CHECK(zrpc_utf8_valid(zrpc_buf_view(&r.stream.trailer)));
        CHECK(zrpc_utf8_valid(zrpc_view_of(r.err.text)));
        CHECK_CONTAINS(r.err.text, "\xc3\xa9\xc3\xa9");
        dispose(&r);
        zrpc_buf_dispose(&frame);
        zrpc_buf_dispose(&end);
        zrpc_buf_dispose(&wire);
    }
}

static void longest_trailer_is_kept_whole(void)
{
    struct zrpc_buf text = {0}, wire = {0};
    struct receiver r = receiver(T);
    struct zrpc_view in;

    while (text.len < ZRPC_STREAM_TRAILER_MAX)
        CHECK_OK(zrpc_buf_append(&text, zrpc_view_of("x"), NULL));
    text.base[text.len - 1] = 0xc3; /* the peer's own fault, nothing was cut */
    put_frame(&wire, TRAILER, zrpc_buf_view(&text));
    put_frame(&wire, END, zrpc_view(NULL, 0));
    in = zrpc_buf_view(&wire);
    CHECK_CODE(receive(&r, &in), ZRPC_ERR_PEER_SOURCE);
    CHECK_CONTAINS(r.err.text, "not UTF-8");
    dispose(&r);

    r = receiver(T);
    wire.base[wire.off + 8 + text.len - 1] = 'y';
    in = zrpc_buf_view(&wire);
    CHECK_CODE(receive(&r, &in), ZRPC_ERR_PEER_SOURCE);
    CHECK_INT(r.stream.trailer.len, ZRPC_STREAM_TRAILER_MAX);
    dispose(&r);
    zrpc_buf_dispose(&text);
    zrpc_buf_dispose(&wire);
}

static void content_may_be_moved_past(void)
{
    static const uint8_t header[] = {0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t end[] = {0, 2, 0, 0, 0, 0, 0, 0};
    struct zrpc_view in = zrpc_view(header, sizeof header);
    struct receiver r = receiver(T);

    CHECK(!zrpc_stream_reader_in_content(&r.stream, &r.c.conn.reader));
    CHECK_INT(receive(&r, &in), ZRPC_STREAM_MORE);
    CHECK(zrpc_stream_reader_in_content(&r.stream, &r.c.conn.reader));
    zrpc_heartbeatconn_moved(&r.c, NOW, UINT32_MAX - 1);
    zrpc_stream_reader_moved(&r.stream, UINT32_MAX - 1);
    in = zrpc_view("z", 1);
    CHECK_INT(receive(&r, &in), ZRPC_STREAM_MORE);
    CHECK(!zrpc_stream_reader_in_content(&r.stream, &r.c.conn.reader));
    CHECK_INT(r.stream.received, UINT32_MAX);
    CHECK_BYTES(zrpc_buf_view(&r.content), zrpc_view_of("z"));
    in = zrpc_view(end, sizeof end);
    CHECK_INT(receive(&r, &in), ZRPC_STREAM_DONE);
    dispose(&r);
}

static void check_not_content(const void *wire, size_t len, int rc)
{
    struct zrpc_view in = zrpc_view(wire, len);
    struct receiver r = receiver(T);

    CHECK_INT(receive(&r, &in), rc);
    CHECK(r.c.conn.reader.in_payload);
    CHECK(!zrpc_stream_reader_in_content(&r.stream, &r.c.conn.reader));
    dispose(&r);
}

/* Payload is under way, but it must not go to the sink. */
static void other_payload_is_not_content(void)
{
    static const uint8_t trailer[] = {0, 1, 0, 0, 0, 0, 0, 10, 'a'};
    static const uint8_t another_type[] = {0, 0, 0, 4, 0, 0, 0, 10};
    static const uint8_t data_after_trailer[] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 10};

    check_not_content(trailer, sizeof trailer, ZRPC_STREAM_MORE);
    check_not_content(another_type, sizeof another_type, ZRPC_ERR_STREAM);
    check_not_content(data_after_trailer, sizeof data_after_trailer, ZRPC_ERR_STREAM);
}

/* Feeds a wire to a message reader. */
static int read_message(struct zrpc_message_reader *m, struct zrpc_view in, struct zrpc_error *err)
{
    struct zrpc_heartbeatconn c;
    struct zrpc_frame_event ev;
    int rc;

    zrpc_heartbeatconn_init(&c, NULL, NOW);
    do {
        rc = zrpc_heartbeatconn_input(&c, NOW, &in, &ev, err);
        if (rc == 0)
            rc = zrpc_message_reader_event(m, &ev, err);
        CHECK(rc != ZRPC_STREAM_DATA);
    } while (rc == ZRPC_STREAM_MORE && ev.kind != ZRPC_FRAME_MORE);
    zrpc_heartbeatconn_dispose(&c);
    return rc;
}

static void message_is_kept_whole(void)
{
    static const struct frame frames[] = {{1, "/v1"}, {1, ""}, {1, "/ping"}, {END, ""}};
    struct zrpc_buf wire = wire_of(frames, 4);
    struct zrpc_message_reader m;

    zrpc_message_reader_init(&m, 1, 8);
    CHECK_INT(read_message(&m, zrpc_buf_view(&wire), NULL), ZRPC_STREAM_DONE);
    CHECK_BYTES(zrpc_buf_view(&m.content), zrpc_view_of("/v1/ping"));
    zrpc_message_reader_dispose(&m);

    zrpc_message_reader_init(&m, 2, 8);
    CHECK_CODE(read_message(&m, zrpc_buf_view(&wire), NULL), ZRPC_ERR_STREAM);
    zrpc_message_reader_dispose(&m);
    zrpc_buf_dispose(&wire);
}

static void message_above_its_limit_is_refused(void)
{
    static const struct frame frames[] = {{1, "1234"}, {1, "5678"}, {1, "9"}};
    struct zrpc_buf wire = wire_of(frames, 3);
    struct zrpc_message_reader m;
    struct zrpc_error err;

    zrpc_message_reader_init(&m, 1, 8);
    CHECK_INT(read_message(&m, zrpc_view(wire.base, wire.len - 2), NULL), ZRPC_STREAM_MORE);
    zrpc_message_reader_dispose(&m);
    zrpc_message_reader_init(&m, 1, 8);
    CHECK_CODE(read_message(&m, zrpc_buf_view(&wire), &err), ZRPC_ERR_TOO_BIG);
    CHECK_CONTAINS(err.text, "8 bytes");
    CHECK_INT(m.content.len, 8);
    zrpc_message_reader_dispose(&m);

    zrpc_message_reader_init(&m, 1, 0); /* nothing but an empty message */
    CHECK_CODE(read_message(&m, zrpc_buf_view(&wire), NULL), ZRPC_ERR_TOO_BIG);
    zrpc_message_reader_dispose(&m);
    zrpc_buf_dispose(&wire);
}

/* The declared length allocates nothing, and is refused before its bytes come. */
static void message_of_4_gib_allocates_nothing(void)
{
    static const uint8_t wire[] = {0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff};
    struct zrpc_message_reader m;

    zrpc_message_reader_init(&m, 2, 4u << 20);
    CHECK_INT(read_message(&m, zrpc_view(wire, 7), NULL), ZRPC_STREAM_MORE);
    CHECK_CODE(read_message(&m, zrpc_view(wire, 8), NULL), ZRPC_ERR_TOO_BIG);
    CHECK_INT(m.content.cap, 0);
    zrpc_message_reader_dispose(&m);
}

static void payloads_leave_no_single_byte(void)
{
    const uint64_t max = ZRPC_STREAM_PAYLOAD_MAX;

    CHECK_INT(zrpc_stream_payload_len(0), 0);
    CHECK_INT(zrpc_stream_payload_len(1), 1);
    CHECK_INT(zrpc_stream_payload_len(max - 1), max - 1);
    CHECK_INT(zrpc_stream_payload_len(max), max);
    CHECK_INT(zrpc_stream_payload_len(max + 1), max - 1);
    CHECK_INT(zrpc_stream_payload_len(max + 2), max);
    CHECK_INT(zrpc_stream_payload_len(UINT64_MAX), max);
    for (uint64_t len = 2; len < 5 * max + 3; len += (len % max < max - 3 && len % max > 3) ? 997 : 1)
        for (uint64_t left = len, n; left > 0; left -= n) {
            n = zrpc_stream_payload_len(left);
            if (n < 2 || n > max || n > left) {
                CHECK_INT(n, -1);
                return;
            }
        }
}

/* What was put, read back: lengths of the data frames as text, and the result of the reader. */
static int read_back(struct zrpc_heartbeatconn *c, struct receiver *r, char *lengths, size_t size)
{
    struct zrpc_view in = zrpc_buf_view(&c->conn.writer.output), all = in;

    lengths[0] = '\0';
    while (all.len >= ZRPC_FRAME_HEADER_LEN) {
        struct zrpc_frame f = zrpc_frame_decode(zrpc_view_take(&all, ZRPC_FRAME_HEADER_LEN).data);
        char type[ZRPC_FRAME_TEXT_MAX];
        size_t used = strlen(lengths);

        snprintf(lengths + used, size - used, "%s/%u ", zrpc_frame_describe(f, type), f.length);
        zrpc_view_take(&all, f.length);
    }
    return receive(r, &in);
}

static void messages_are_cut_into_frames(void)
{
    static const struct {
        size_t len;
        const char *frames;
    } cases[] = {
        {0, "end of stream/0 "},
        {1, "data 5/1 end of stream/0 "},
        {2, "data 5/2 end of stream/0 "},
        {524288, "data 5/524288 end of stream/0 "},
        {524289, "data 5/524287 data 5/2 end of stream/0 "},
        {2 * 524288 + 1, "data 5/524288 data 5/524287 data 5/2 end of stream/0 "},
        {2 * 524288 + 2, "data 5/524288 data 5/524288 data 5/2 end of stream/0 "},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *content = malloc(cases[i].len + 1);
        struct zrpc_heartbeatconn c;
        struct receiver r = receiver(T);
        char frames[200];

        for (size_t b = 0; b < cases[i].len; b++)
            content[b] = (uint8_t)(b * 7 + b / 256);
        zrpc_heartbeatconn_init(&c, NULL, NOW);
        CHECK_OK(zrpc_stream_put_message(&c, NOW, T, zrpc_view(content, cases[i].len), NULL));
        CHECK_INT(read_back(&c, &r, frames, sizeof frames), ZRPC_STREAM_DONE);
        CHECK_STR(frames, cases[i].frames);
        CHECK_BYTES(zrpc_buf_view(&r.content), zrpc_view(content, cases[i].len));
        CHECK(c.write_deadline == NOW + 10 * ZRPC_SECOND);
        zrpc_heartbeatconn_dispose(&c);
        dispose(&r);
        free(content);
    }
}

static void source_errors_are_sent(void)
{
    static const struct {
        const char *text, *frames, *read;
    } cases[] = {
        {"disk on fire", "error trailer/12 end of stream/0 ", "disk on fire"},
        {"\xe2\x9c\x97", "error trailer/3 end of stream/0 ", "\xe2\x9c\x97"},
        {"", "error trailer/35 end of stream/0 ", "source failed without an error text"},
        {"a\xff", "error trailer/50 end of stream/0 ", "source failed with an error text that is not UTF-8"},
        {"x", "error trailer/16 end of stream/0 ", "source failed: x"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct receiver r = receiver(T);
        struct zrpc_heartbeatconn c;
        char frames[200];

        zrpc_heartbeatconn_init(&c, NULL, NOW);
        CHECK_OK(zrpc_stream_put_source_error(&c, NOW, zrpc_view_of(cases[i].text), NULL));
        CHECK_CODE(read_back(&c, &r, frames, sizeof frames), ZRPC_ERR_PEER_SOURCE);
        CHECK_STR(frames, cases[i].frames);
        CHECK_STR(r.err.text, cases[i].read);
        zrpc_heartbeatconn_dispose(&c);
        dispose(&r);
    }
}

static void overlong_source_error_is_cut_between_characters(void)
{
    struct zrpc_buf text = {0};
    struct receiver r = receiver(T);
    struct zrpc_heartbeatconn c;
    char frames[200];

    CHECK_OK(zrpc_buf_append(&text, zrpc_view_of("a"), NULL));
    while (text.len < 100000)
        CHECK_OK(zrpc_buf_append(&text, zrpc_view_of("\xc3\xa9"), NULL));
    zrpc_heartbeatconn_init(&c, NULL, NOW);
    CHECK_OK(zrpc_stream_put_source_error(&c, NOW, zrpc_buf_view(&text), NULL));
    CHECK_CODE(read_back(&c, &r, frames, sizeof frames), ZRPC_ERR_PEER_SOURCE);
    CHECK_STR(frames, "error trailer/32767 end of stream/0 ");
    zrpc_heartbeatconn_dispose(&c);
    dispose(&r);
    zrpc_buf_dispose(&text);
}

static void puts_are_refused_whole(void)
{
    struct zrpc_heartbeatconn c;

    zrpc_heartbeatconn_init(&c, NULL, NOW);
    CHECK_CODE(zrpc_stream_put_message(&c, NOW, 0, zrpc_view_of("abc"), NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_stream_put_message(&c, NOW, TRAILER, zrpc_view_of("abc"), NULL), ZRPC_ERR_USAGE);
    CHECK(zrpc_heartbeatconn_idle(&c));
    CHECK_OK(zrpc_heartbeatconn_begin(&c, NOW, T, 3, NULL));
    CHECK_CODE(zrpc_stream_put_message(&c, NOW, T, zrpc_view_of("abc"), NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_stream_put_end(&c, NOW, NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_stream_put_source_error(&c, NOW, zrpc_view_of("abc"), NULL), ZRPC_ERR_USAGE);
    CHECK_INT(c.conn.writer.output.len, 8);
    zrpc_heartbeatconn_sent(&c, NOW, 8 + 3);
    CHECK_OK(zrpc_stream_put_end(&c, NOW, NULL));
    zrpc_heartbeatconn_shutdown(&c, NOW);
    CHECK_CODE(zrpc_stream_put_message(&c, NOW, T, zrpc_view_of("abc"), NULL), ZRPC_ERR_CLOSED);
    CHECK_INT(c.conn.writer.output.len, 8 + 8);
    zrpc_heartbeatconn_dispose(&c);
}

static int put_long_message(void *content)
{
    struct zrpc_heartbeatconn c;
    int rc;

    zrpc_heartbeatconn_init(&c, NULL, NOW);
    rc = zrpc_stream_put_message(&c, NOW, T, zrpc_view(content, 3 * ZRPC_STREAM_PAYLOAD_MAX), NULL);
    CHECK(rc == 0 || zrpc_heartbeatconn_idle(&c)); /* all or nothing */
    zrpc_heartbeatconn_dispose(&c);
    return rc;
}

static int read_long_message(void *arg)
{
    const struct zrpc_buf *wire = arg;
    struct zrpc_message_reader m;
    int rc;

    zrpc_message_reader_init(&m, T, SIZE_MAX);
    rc = read_message(&m, zrpc_buf_view(wire), NULL);
    zrpc_message_reader_dispose(&m);
    return rc == ZRPC_STREAM_DONE || rc == ZRPC_ERR_PEER_SOURCE ? 0 : rc;
}

static void messages_without_memory(void)
{
    void *content = calloc(3, ZRPC_STREAM_PAYLOAD_MAX);
    struct zrpc_heartbeatconn c;

    CHECK_INT(zrpc_alloc_each(put_long_message, content), 1);
    zrpc_heartbeatconn_init(&c, NULL, NOW);
    CHECK_OK(zrpc_stream_put_message(&c, NOW, T, zrpc_view(content, 3 * ZRPC_STREAM_PAYLOAD_MAX), NULL));
    CHECK(zrpc_alloc_each(read_long_message, &c.conn.writer.output) > 1);
    zrpc_buf_clear(&c.conn.writer.output);
    CHECK_OK(zrpc_stream_put_source_error(&c, NOW, zrpc_view_of("disk on fire"), NULL));
    CHECK_INT(zrpc_alloc_each(read_long_message, &c.conn.writer.output), 1);
    zrpc_heartbeatconn_dispose(&c);
    free(content);
}

/* Random frames of random types: every event is either legal by the grammar or refused. */
static void noise_is_survived(void)
{
    static const uint32_t types[] = {
        T, T, T, T, TRAILER, TRAILER, END, ZRPC_FRAME_HEARTBEAT, 4, 0, ZRPC_FRAME_RST, 0x00030000};
    srandom(5);
    for (int round = 0; round < 5000; round++) {
        struct zrpc_message_reader m;
        struct zrpc_buf wire = {0};
        int rc;

        zrpc_message_reader_init(&m, T, 40);
        for (int i = 0; i < 12; i++) {
            uint8_t payload[16];
            size_t len = (size_t)random() % sizeof payload;
            uint32_t type = types[(size_t)random() % (sizeof types / sizeof types[0])];

            for (size_t b = 0; b < len; b++)
                payload[b] = (uint8_t)random();
            put_frame(&wire, type, zrpc_view(payload, type > TRAILER && random() % 8 != 0 ? 0 : len));
        }
        rc = read_message(&m, zrpc_buf_view(&wire), NULL);
        CHECK(rc == ZRPC_STREAM_MORE || rc == ZRPC_STREAM_DONE || rc == ZRPC_ERR_STREAM ||
              rc == ZRPC_ERR_FRAME || rc == ZRPC_ERR_TOO_BIG || rc == ZRPC_ERR_PEER_SOURCE ||
              rc == ZRPC_ERR_PEER_SHUTDOWN);
        CHECK(m.content.len <= 40);
        zrpc_message_reader_dispose(&m);
        zrpc_buf_dispose(&wire);
    }
}

static const struct zrpc_test tests[] = {
    {"every outcome, however the input is cut", every_outcome},
    {"a source error is the peer's text alone", source_error_is_the_peers_text_alone},
    {"zero bytes do not cut a source error", zero_bytes_do_not_cut_a_source_error},
    {"the next stream follows on a clean connection", next_stream_follows_on_a_clean_connection},
    {"an overlong trailer is cut between characters", overlong_trailer_is_cut},
    {"the longest trailer is kept whole", longest_trailer_is_kept_whole},
    {"content may be moved past", content_may_be_moved_past},
    {"other payload is not content", other_payload_is_not_content},
    {"a message is kept whole", message_is_kept_whole},
    {"a message above its limit is refused", message_above_its_limit_is_refused},
    {"a message of 4 GiB allocates nothing", message_of_4_gib_allocates_nothing},
    {"payloads leave no single byte", payloads_leave_no_single_byte},
    {"messages are cut into frames", messages_are_cut_into_frames},
    {"source errors are sent", source_errors_are_sent},
    {"an overlong source error is cut between characters", overlong_source_error_is_cut_between_characters},
    {"what cannot be put is refused whole", puts_are_refused_whole},
    {"messages without memory", messages_without_memory},
    {"noise is survived", noise_is_survived},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("stream", tests, argc, argv);
}
