#include <stdio.h>

#include "conformance/annotate.h"
#include "conformance/peer.h"
#include "testing/suite.h"

struct fixture {
    struct zrpc_trace trace;
    struct zrpc_annotate_shared shared;
    struct zrpc_annotator client, server;
    struct zrpc_buf text;
};

static void setup(struct fixture *f)
{
    struct zrpc_error err;

    *f = (struct fixture){0};
    CHECK_OK(zrpc_trace_init(&f->trace, 0, &err));
    zrpc_annotator_init(&f->client, &f->trace, &f->shared, 1, ZRPC_TRACE_SENT, true);
    zrpc_annotator_init(&f->server, &f->trace, &f->shared, 1, ZRPC_TRACE_RECEIVED, false);
}

static void teardown(struct fixture *f)
{
    zrpc_annotator_dispose(&f->client);
    zrpc_annotator_dispose(&f->server);
    zrpc_trace_dispose(&f->trace);
    zrpc_buf_dispose(&f->text);
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

static void add(struct fixture *f, zrpc_time at, unsigned conn, uint32_t fold, const char *text)
{
    struct zrpc_trace_event ev = {
        .kind = ZRPC_TRACE_SENT, .conn = conn, .fold = fold, .bytes = 10, .text = text};

    zrpc_trace_add(&f->trace, at, &ev);
}

static void alike_events_fold(void)
{
    struct fixture f;

    setup(&f);
    add(&f, 1 * ZRPC_SECOND, 1, 5, "data");
    add(&f, 2 * ZRPC_SECOND, 2, 5, "data");
    add(&f, 3 * ZRPC_SECOND, 1, 5, "data");
    add(&f, 4 * ZRPC_SECOND, 1, 0, "end");
    add(&f, 5 * ZRPC_SECOND, 1, 5, "data");
    zrpc_trace_step(&f.trace, 6 * ZRPC_SECOND, "a %s", "step");
    add(&f, 7 * ZRPC_SECOND, 1, 5, "data");
    CHECK_INT(zrpc_trace_kept(&f.trace), 6);
    CHECK_STR(line(&f, 0), "#1  --> 2 × data, 20 bytes in all, until 3.000");
    CHECK_STR(line(&f, 1), "#2  --> data, 10 bytes");
    CHECK_STR(line(&f, 2), "#1  --> end, 10 bytes");
    CHECK_STR(line(&f, 4), "    === a step");
    CHECK_STR(line(&f, 5), "#1  --> data, 10 bytes");
    teardown(&f);
}

static void events_of_no_connection_fold_past_others(void)
{
    struct fixture f;

    setup(&f);
    add(&f, 1 * ZRPC_SECOND, 0, 5, "to");
    add(&f, 2 * ZRPC_SECOND, 0, 6, "fro");
    add(&f, 3 * ZRPC_SECOND, 0, 5, "to");
    zrpc_trace_step(&f.trace, 4 * ZRPC_SECOND, "a step");
    add(&f, 5 * ZRPC_SECOND, 0, 5, "to");
    CHECK_INT(zrpc_trace_kept(&f.trace), 4);
    CHECK_STR(line(&f, 0), "    --> 2 × to, 20 bytes in all, until 3.000");
    CHECK_STR(line(&f, 3), "    --> to, 10 bytes");
    teardown(&f);
}

static void the_middle_is_dropped(void)
{
    struct fixture f;
    char text[32];

    setup(&f);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "event %d", i);
        add(&f, i, 1, 0, text);
    }
    CHECK_INT(zrpc_trace_kept(&f.trace), ZRPC_TRACE_HEAD + ZRPC_TRACE_TAIL);
    CHECK_INT(zrpc_trace_missing(&f.trace), 1000 - ZRPC_TRACE_HEAD - ZRPC_TRACE_TAIL);
    CHECK_STR(zrpc_trace_get(&f.trace, 0)->text, "event 0");
    CHECK_STR(zrpc_trace_get(&f.trace, ZRPC_TRACE_HEAD - 1)->text, "event 159");
    snprintf(text, sizeof text, "event %d", 1000 - ZRPC_TRACE_TAIL);
    CHECK_STR(zrpc_trace_get(&f.trace, ZRPC_TRACE_HEAD)->text, text);
    CHECK_STR(zrpc_trace_get(&f.trace, ZRPC_TRACE_HEAD + ZRPC_TRACE_TAIL - 1)->text, "event 999");
    teardown(&f);
}

static const char banner[] = "0000000056 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n";

static void send_label(struct fixture *f)
{
    uint8_t label[ZRPC_LABEL_LEN];

    zrpc_label_encode(ZRPC_DATA, label);
    zrpc_annotate(&f->client, 0, zrpc_view_of(banner));
    zrpc_annotate(&f->client, 0, zrpc_view(label, sizeof label));
}

static void a_ping_is_explained(void)
{
    struct zrpc_buf bytes = {0};
    struct fixture f;

    setup(&f);
    send_label(&f);
    zrpc_annotate(&f.server, 0, zrpc_view_of(banner));
    zrpc_peer_put_stream(&bytes, 1, zrpc_view_of("/v1/ping"));
    zrpc_peer_put_stream(&bytes, 2, zrpc_view("\n\2hi", 4));
    zrpc_annotate(&f.client, 0, zrpc_buf_view(&bytes));
    zrpc_buf_clear(&bytes);
    zrpc_peer_put_stream(&bytes, 3, zrpc_view_of("HANDLER OK\n"));
    zrpc_peer_put_stream(&bytes, 4, zrpc_view("\n\2hi", 4));
    zrpc_peer_put_frame(&bytes, ZRPC_FRAME_RST, zrpc_view(NULL, 0));
    zrpc_annotate(&f.server, 0, zrpc_buf_view(&bytes));
    CHECK_CONTAINS(line(&f, 0), "#1  --> banner, 67 bytes  \"0000000056 ZREPL");
    CHECK_STR(line(&f, 1), "#1  --> label, 64 bytes  \"zrepl_data\"");
    CHECK_CONTAINS(line(&f, 2), "#1  <-- banner, 67 bytes");
    CHECK_STR(line(&f, 3), "#1  --> request header (1), 8 bytes  \"/v1/ping\"");
    CHECK_STR(line(&f, 4), "#1  --> end of stream");
    CHECK_STR(line(&f, 5), "#1  --> request (2), 4 bytes  0a 02 68 69");
    CHECK_STR(line(&f, 6), "#1  --> end of stream  PingReq{Message: \"hi\"}");
    CHECK_STR(line(&f, 7), "#1  <-- response header (3), 11 bytes  \"HANDLER OK\\n\"");
    CHECK_STR(line(&f, 10), "#1  <-- end of stream  PingRes{Echo: \"hi\"}");
    CHECK_STR(line(&f, 11), "#1  <-- RST");
    CHECK_STR(line(&f, 12), "(none)");
    zrpc_buf_dispose(&bytes);
    teardown(&f);
}

static void any_pieces_give_the_same(void)
{
    struct zrpc_buf bytes = {0};
    struct fixture f;

    setup(&f);
    for (size_t i = 0; i < strlen(banner); i++)
        zrpc_annotate(&f.server, 0, zrpc_view(banner + i, 1));
    zrpc_peer_put_stream(&bytes, 4, zrpc_view("abcdef", 6));
    for (size_t i = 0; i < bytes.len; i++)
        zrpc_annotate(&f.server, 0, zrpc_view(zrpc_buf_view(&bytes).data + i, 1));
    CHECK_CONTAINS(line(&f, 0), "#1  <-- banner in 67 pieces, 67 bytes");
    CHECK_STR(line(&f, 1), "#1  <-- response (4), 6 bytes  \"abcdef\"");
    CHECK_STR(line(&f, 2), "#1  <-- end of stream");
    zrpc_buf_dispose(&bytes);
    teardown(&f);
}

static void parts_are_shown_as_parts(void)
{
    struct zrpc_buf bytes = {0};
    struct fixture f;

    setup(&f);
    zrpc_annotate(&f.client, 0, zrpc_view(banner, 20));
    zrpc_annotate_flush(&f.client, 0);
    zrpc_annotate_flush(&f.client, 0);
    zrpc_annotate(&f.client, 0, zrpc_view(banner + 20, 47));
    CHECK_STR(line(&f, 0), "#1  --> part of the banner, 20 bytes  \"0000000056 ZREPL_ZFS\"");
    CHECK_CONTAINS(line(&f, 1), "#1  --> banner (complete now), 67 bytes");
    zrpc_annotate(&f.server, 0, zrpc_view_of(banner));
    zrpc_peer_put_frame(&bytes, 5, zrpc_view("abcdef", 6));
    zrpc_annotate(&f.server, 0, zrpc_view(zrpc_buf_view(&bytes).data, 11));
    zrpc_annotate_flush(&f.server, 0);
    zrpc_annotate(&f.server, 0, zrpc_view(zrpc_buf_view(&bytes).data + 11, 3));
    CHECK_CONTAINS(line(&f, 3), "zfs stream (5) of 6 bytes, 3 of them so far");
    CHECK_STR(line(&f, 4), "#1  <-- zfs stream (5), 6 bytes  \"abcdef\" (complete now)");
    zrpc_annotate(&f.server, 0, zrpc_view(zrpc_buf_view(&bytes).data, 3));
    zrpc_annotate_flush(&f.server, 0);
    CHECK_CONTAINS(line(&f, 5), "part of a frame header, 3 bytes");
    zrpc_buf_dispose(&bytes);
    teardown(&f);
}

static void what_is_no_banner_is_bytes(void)
{
    struct fixture f;

    setup(&f);
    zrpc_annotate(&f.client, 0, zrpc_view_of("GET / HTTP/1.1\r\n\r\n"));
    zrpc_annotate_flush(&f.client, 0);
    CHECK_CONTAINS(line(&f, 0), "#1  --> bytes, 18 bytes  \"GET / HTTP/1.1\\r\\n\\r\\n\"");
    zrpc_annotate(&f.client, 0, zrpc_view_of("more"));
    zrpc_annotate_flush(&f.client, 0);
    CHECK_CONTAINS(line(&f, 1), "\"more\"");
    teardown(&f);
}

static void long_streams_stay_small(void)
{
    static uint8_t payload[1 << 19];
    struct zrpc_buf bytes = {0};
    struct fixture f;

    setup(&f);
    zrpc_annotate(&f.server, 0, zrpc_view_of(banner));
    zrpc_peer_put_frame(&bytes, 5, zrpc_view(payload, sizeof payload));
    for (int i = 0; i < 100; i++)
        zrpc_annotate(&f.server, i, zrpc_buf_view(&bytes));
    CHECK_INT(zrpc_trace_kept(&f.trace), 2);
    CHECK_CONTAINS(line(&f, 1), "100 × zfs stream (5), 52428800 bytes in all");
    CHECK(f.server.unit.cap < 4096 && f.server.message.cap < 16384);
    zrpc_buf_dispose(&bytes);
    teardown(&f);
}

static const struct zrpc_test tests[] = {
    {"alike events of a connection fold", alike_events_fold},
    {"events of no connection fold past others", events_of_no_connection_fold_past_others},
    {"the middle of a long trace is dropped", the_middle_is_dropped},
    {"a ping is explained", a_ping_is_explained},
    {"any pieces give the same events", any_pieces_give_the_same},
    {"parts are shown as parts", parts_are_shown_as_parts},
    {"what is no banner is shown as bytes", what_is_no_banner_is_bytes},
    {"long streams stay small", long_streams_stay_small},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("trace", tests, argc, argv);
}
