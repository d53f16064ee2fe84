#include <stdio.h>

#include "conformance/annotate.h"
#include "conformance/control.h"
#include "conformance/greeting.h"
#include "testing/suite.h"

struct fixture {
    struct zrpc_trace trace;
    struct zrpc_annotate_shared shared;
    struct zrpc_annotator client, server;
    struct zrpc_buf text, bytes;
};

/* A control connection, labelled and with its preface: the next event is number 4. */
static void setup(struct fixture *f)
{
    char banner[ZRPC_GREETING_MAX];
    uint8_t label[ZRPC_LABEL_LEN];
    struct zrpc_error err;

    *f = (struct fixture){0};
    CHECK_OK(zrpc_trace_init(&f->trace, 0, &err));
    zrpc_annotator_init(&f->client, &f->trace, &f->shared, 1, ZRPC_TRACE_SENT, true);
    zrpc_annotator_init(&f->server, &f->trace, &f->shared, 1, ZRPC_TRACE_RECEIVED, false);
    zrpc_greeting_plain(1, banner);
    zrpc_label_encode(ZRPC_CONTROL, label);
    zrpc_annotate(&f->client, 0, zrpc_view_of(banner));
    zrpc_annotate(&f->server, 0, zrpc_view_of(banner));
    zrpc_annotate(&f->client, 0, zrpc_view(label, sizeof label));
    zrpc_annotate(&f->client, 0, zrpc_view_of(ZRPC_H2_PREFACE));
}

static void teardown(struct fixture *f)
{
    zrpc_annotator_dispose(&f->client);
    zrpc_annotator_dispose(&f->server);
    zrpc_trace_dispose(&f->trace);
    zrpc_buf_dispose(&f->text);
    zrpc_buf_dispose(&f->bytes);
}

/* Event i as a line without its time. */
static const char *line(struct fixture *f, size_t i)
{
    if (i >= zrpc_trace_kept(&f->trace))
        return "(none)";
    zrpc_buf_clear(&f->text);
    zrpc_trace_add_line(&f->text, zrpc_trace_get(&f->trace, i));
    return zrpc_text_str(&f->text) + 10;
}

static void frame(struct fixture *f, struct zrpc_annotator *a, uint8_t type, uint8_t flags, uint32_t stream,
                  const char *payload, size_t len)
{
    zrpc_buf_clear(&f->bytes);
    zrpc_h2_put(&f->bytes, type, flags, stream, zrpc_view(payload, len));
    zrpc_annotate(a, 0, zrpc_buf_view(&f->bytes));
}

static void headers(struct fixture *f, struct zrpc_annotator *a, uint32_t stream,
                    const struct zrpc_h2_nv *list)
{
    struct zrpc_buf block = {0};

    zrpc_h2_put_literals(list, &block);
    frame(f, a, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream, (const char *)zrpc_buf_view(&block).data,
          block.len);
    zrpc_buf_dispose(&block);
}

static const struct zrpc_h2_nv ping[] = {{":method", "POST"}, {":path", "/Replication/Ping"}, {NULL, NULL}};

static void calls_are_decoded(void)
{
    struct fixture f;

    setup(&f);
    CHECK_STR(line(&f, 3), "#1  --> preface, 24 bytes  \"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\"");
    headers(&f, &f.client, 1, ping);
    frame(&f, &f.client, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "\0\0\0\0\4\x0a\2hi", 9);
    headers(&f, &f.server, 1, (const struct zrpc_h2_nv[]){{":status", "200"}, {NULL, NULL}});
    frame(&f, &f.server, NGHTTP2_DATA, 0, 1, "\0\0\0\0\4", 5);
    frame(&f, &f.server, NGHTTP2_DATA, 0, 1, "\x0a\2ho", 4);
    CHECK_CONTAINS(line(&f, 4), "--> HEADERS stream 1 END_HEADERS");
    CHECK_CONTAINS(line(&f, 4), ":method: \"POST\", :path: \"/Replication/Ping\"");
    CHECK_STR(line(&f, 5), "#1  --> DATA stream 1 END_STREAM, 9 bytes  PingReq{Message: \"hi\"}");
    CHECK_CONTAINS(line(&f, 6), "<-- HEADERS stream 1 END_HEADERS");
    CHECK_CONTAINS(line(&f, 6), ":status: \"200\"");
    CHECK_CONTAINS(line(&f, 7), "<-- 2 × DATA stream 1, 9 bytes in all");
    teardown(&f);
}

static void other_frames_are_named(void)
{
    struct fixture f;

    setup(&f);
    frame(&f, &f.client, NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\0\x0a\x12\x34\0\0\0\5", 12);
    frame(&f, &f.server, NGHTTP2_GOAWAY, 0, 0, "\0\0\0\7\0\0\0\x0btoo_many_pings", 22);
    frame(&f, &f.client, NGHTTP2_RST_STREAM, 0, 3, "\0\0\0\x08", 4);
    frame(&f, &f.client, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\1\0", 4);
    frame(&f, &f.client, 0x42, 0x80, 0, "?", 1);
    CHECK_STR(line(&f, 4), "#1  --> SETTINGS, 12 bytes  INITIAL_WINDOW_SIZE=10, 0x1234=5");
    CHECK_STR(line(&f, 5), "#1  <-- GOAWAY, 22 bytes  ENHANCE_YOUR_CALM, last stream 7, \"too_many_pings\"");
    CHECK_STR(line(&f, 6), "#1  --> RST_STREAM stream 3, 4 bytes  CANCEL");
    CHECK_STR(line(&f, 7), "#1  --> WINDOW_UPDATE, 4 bytes  256 more");
    CHECK_CONTAINS(line(&f, 8), "frame of type 0x42 flags 0x80, 1 byte");
    teardown(&f);
}

static void single_bytes_make_the_same_events(void)
{
    struct fixture f;
    struct zrpc_view left;

    setup(&f);
    zrpc_h2_put(&f.bytes, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, zrpc_view("12345678", 8));
    left = zrpc_buf_view(&f.bytes);
    while (left.len > 0)
        zrpc_annotate(&f.server, 0, zrpc_view_take(&left, 1));
    CHECK_STR(line(&f, 4), "#1  <-- PING ACK, 8 bytes  \"12345678\"");
    zrpc_annotate(&f.server, 0, zrpc_view(zrpc_buf_view(&f.bytes).data, 12));
    zrpc_annotate_flush(&f.server, 0);
    CHECK_CONTAINS(line(&f, 5), "PING ACK of 8 bytes, 3 of them so far");
    teardown(&f);
}

static void broken_blocks_are_shown_as_bytes(void)
{
    struct fixture f;

    setup(&f);
    frame(&f, &f.client, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, "\x80", 1);
    headers(&f, &f.client, 3, ping);
    headers(&f, &f.server, 3, ping);
    CHECK_STR(line(&f, 4), "#1  --> HEADERS stream 1 END_HEADERS, 1 byte  80");
    CHECK(strstr(line(&f, 5), ":method: ") == NULL);
    CHECK_CONTAINS(line(&f, 6), ":method: \"POST\""); /* the other direction is not concerned */
    teardown(&f);
}

static void content_is_without_padding(void)
{
    struct zrpc_h2_header_of_frame padded = {.type = NGHTTP2_HEADERS,
                                             .flags = NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_PRIORITY};
    struct zrpc_view payload = zrpc_view("\2\0\0\0\0\1ab\0\0", 10);

    CHECK(zrpc_h2_content(padded, &payload));
    CHECK_BYTES(payload, zrpc_view("ab", 2));
    payload = zrpc_view("\2\0\0\0\0\1\0", 7);
    CHECK(!zrpc_h2_content(padded, &payload));
    payload = zrpc_view("", 0);
    CHECK(!zrpc_h2_content(padded, &payload));
}

static void long_literals_decode(void)
{
    static const size_t lengths[] = {0, 126, 127, 128, 254, 255, 1000, 15000};
    static char value[15001];
    struct fixture f;

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        setup(&f);
        memset(value, 'v', lengths[i]);
        value[lengths[i]] = '\0';
        headers(&f, &f.client, 1,
                (const struct zrpc_h2_nv[]){{"x-long", value}, {"x-last", "here"}, {NULL, NULL}});
        CHECK_CONTAINS(line(&f, 4), "x-last: \"here\"");
        teardown(&f);
    }
}

static const struct zrpc_test tests[] = {
    {"calls are decoded", calls_are_decoded},
    {"other frames are named", other_frames_are_named},
    {"single bytes make the same events", single_bytes_make_the_same_events},
    {"broken header blocks are shown as bytes", broken_blocks_are_shown_as_bytes},
    {"content is without padding and priority", content_is_without_padding},
    {"literals of any length decode", long_literals_decode},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("annotate_h2", tests, argc, argv);
}
