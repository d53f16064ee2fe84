/* The client session against a bare HTTP/2 peer, in virtual time. */
#include "zrpc/grpc_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "testing/h2peer.h"
#include "testing/suite.h"

#define S ZRPC_SECOND

static const struct zrpc_view ping_hi = {(const uint8_t *)"\0\0\0\0\x04\x0a\x02hi", 9};
static const struct zrpc_view hi = {(const uint8_t *)"\x0a\x02hi", 4};

static struct rig {
    struct zrpc_grpc_client *client;
    struct h2peer server;
    zrpc_time now;
    size_t piece; /* how the byte stream is cut */
    struct zrpc_error error;
} rig;

static bool to_server(void)
{
    struct zrpc_view out;
    bool moved = false;

    while (zrpc_grpc_client_output(rig.client, &out, &rig.error) == 0 && out.len > 0) {
        h2peer_feed(&rig.server, out);
        zrpc_grpc_client_sent(rig.client, out.len);
        moved = true;
    }
    return moved;
}

static bool to_client(void)
{
    struct zrpc_view out = h2peer_output(&rig.server);
    size_t n = out.len;

    while (out.len > 0)
        CHECK_OK(zrpc_grpc_client_input(rig.client, rig.now,
                                        zrpc_view_take(&out, out.len < rig.piece ? out.len : rig.piece),
                                        &rig.error));
    zrpc_buf_consume(&rig.server.output, n);
    return n > 0;
}

static void pump(void)
{
    bool moved;

    do {
        moved = to_server();
        moved = to_client() || moved;
    } while (moved);
}

static void start_with(struct zrpc_grpc_client_options options, bool deaf_to_pings)
{
    rig = (struct rig){.piece = SIZE_MAX, .now = 1000 * S};
    CHECK_OK(zrpc_grpc_client_new(&options, rig.now, &rig.client, NULL));
    h2peer_init(&rig.server, true, deaf_to_pings);
    CHECK(!zrpc_grpc_client_ready(rig.client));
    pump();
    CHECK(zrpc_grpc_client_ready(rig.client));
}

static void start(void)
{
    start_with((struct zrpc_grpc_client_options){0}, false);
}

static void stop(void)
{
    const struct zrpc_error gone = {.code = ZRPC_ERR_END, .text = "end of test"};
    struct zrpc_grpc_call *call;

    zrpc_grpc_client_fail(rig.client, 0, &gone);
    while ((call = zrpc_grpc_client_next_done(rig.client)) != NULL)
        zrpc_buf_dispose(&call->response);
    CHECK_INT(zrpc_grpc_client_open_calls(rig.client), 0);
    zrpc_grpc_client_free(rig.client);
    h2peer_dispose(&rig.server);
}

static void advance(zrpc_time by)
{
    rig.now += by;
    CHECK_OK(zrpc_grpc_client_tick(rig.client, rig.now, NULL));
    pump();
}

static void begin(struct zrpc_grpc_call *call, zrpc_time deadline)
{
    *call = (struct zrpc_grpc_call){.path = "/Replication/Ping", .request = ping_hi, .deadline = deadline};
    CHECK_OK(zrpc_grpc_client_begin(rig.client, rig.now, call, NULL));
    pump();
}

static const char *const ok_headers[] = {":status", "200", "content-type", "application/grpc", NULL};
static const char *const ok_trailers[] = {"grpc-status", "0", "grpc-message", "", NULL};

/* The result of a call that is expected to be the only one done. */
static void check_done(struct zrpc_grpc_call *call, enum zrpc_grpc_status status, int code, const char *text)
{
    struct zrpc_grpc_call *done = zrpc_grpc_client_next_done(rig.client);

    if (!CHECK(done == call))
        return;
    CHECK_INT(call->result.status, status);
    CHECK_CODE(call->result.error.code, code);
    CHECK_CONTAINS(call->result.error.text, text);
    CHECK(!call->open);
}

static void check_ok(struct zrpc_grpc_call *call)
{
    check_done(call, ZRPC_GRPC_OK, 0, "");
    CHECK_BYTES(zrpc_buf_view(&call->response), hi);
    zrpc_buf_dispose(&call->response);
}

static void check_alive(void)
{
    struct zrpc_grpc_call call;

    begin(&call, ZRPC_NEVER);
    h2peer_respond(&rig.server, call.stream_id, ok_headers, ping_hi, ok_trailers);
    pump();
    check_ok(&call);
}

static void a_request_is_what_gRPC_says(void)
{
    struct zrpc_grpc_call call;
    struct h2peer_stream *s;

    start_with((struct zrpc_grpc_client_options){.authority = "some where"}, false);
    begin(&call, ZRPC_NEVER);
    s = h2peer_stream(&rig.server, call.stream_id);
    CHECK_STR(s->headers,
              ":method: POST\n:scheme: http\n:path: /Replication/Ping\n:authority: some where\n"
              "content-type: application/grpc\nte: trailers\nuser-agent: grpc-c-zrpc/" ZRPC_VERSION "\n");
    CHECK_BYTES(zrpc_buf_view(&s->body), ping_hi);
    CHECK(s->end_stream);
    stop();
}

static void a_response_is_delivered(void)
{
    for (size_t piece = 1; piece < 40; piece++) {
        start();
        rig.piece = piece;
        check_alive();
        check_alive();
        stop();
    }
}

static void errors_in_both_forms(void)
{
    static const char *const only[] = {
        ":status",     "200", "content-type", "application/grpc",
        "grpc-status", "2",   "grpc-message", "no %C3%BCbel, 100%25%0Asorry %zz",
        NULL};
    static const char *const trailers[] = {"grpc-status", "12", "grpc-message", "never heard of", NULL};
    static const char *const no_message[] = {"grpc-status", "7", NULL};
    struct zrpc_grpc_call call;

    start();
    begin(&call, ZRPC_NEVER);
    h2peer_respond(&rig.server, call.stream_id, only, zrpc_view("", 0), NULL);
    pump();
    check_done(&call, ZRPC_GRPC_UNKNOWN, ZRPC_ERR_HANDLER,
               "no \xc3\xbc"
               "bel, 100%\nsorry %zz");
    CHECK(!call.result.unprocessed);

    begin(&call, ZRPC_NEVER);
    h2peer_respond(&rig.server, call.stream_id, ok_headers, zrpc_view("", 0), trailers);
    pump();
    check_done(&call, ZRPC_GRPC_UNIMPLEMENTED, ZRPC_ERR_HANDLER, "never heard of");

    /* What came of a response before the error counts nothing. */
    begin(&call, ZRPC_NEVER);
    h2peer_respond(&rig.server, call.stream_id, ok_headers, ping_hi, no_message);
    pump();
    check_done(&call, ZRPC_GRPC_PERMISSION_DENIED, ZRPC_ERR_HANDLER, "PERMISSION_DENIED");
    CHECK_INT(call.response.len, 0);
    check_alive();
    stop();
}

static void broken_responses(void)
{
    static const char *const http_404[] = {":status", "404", "content-type", "text/html", NULL};
    static const char *const http_503[] = {":status", "503", NULL};
    static const char *const html[] = {":status", "200", "content-type", "text/html", NULL};
    static const char *const no_status[] = {"x", "y", NULL};
    static const char *const bad_status[] = {"grpc-status", "fine", NULL};
    static const char *const status_too_early[] = {
        ":status", "200", "content-type", "application/grpc", "grpc-status", "0", NULL};
    static const struct {
        const char *const *headers;
        struct zrpc_view body;
        const char *const *trailers;
        enum zrpc_grpc_status status;
        const char *text;
    } rows[] = {
        {http_404, {(const uint8_t *)"no", 2}, NULL, ZRPC_GRPC_UNIMPLEMENTED, "404"},
        {http_503, {NULL, 0}, NULL, ZRPC_GRPC_UNAVAILABLE, "503"},
        {html, {(const uint8_t *)"<html>", 6}, NULL, ZRPC_GRPC_UNKNOWN, "content-type"},
        {ok_headers,
         {(const uint8_t *)"\0\0\0\0\x04\x0a\x02hi", 9},
         NULL,
         ZRPC_GRPC_UNKNOWN,
         "without a grpc-status"},
        {ok_headers,
         {(const uint8_t *)"\0\0\0\0\x04\x0a\x02hi", 9},
         no_status,
         ZRPC_GRPC_UNKNOWN,
         "without a grpc-status"},
        {status_too_early,
         {(const uint8_t *)"\0\0\0\0\x04\x0a\x02hi", 9},
         no_status,
         ZRPC_GRPC_UNKNOWN,
         "without a grpc-status"},
        {ok_headers, {(const uint8_t *)"\0\0\0\0\x04\x0a\x02hi", 9}, bad_status, ZRPC_GRPC_UNKNOWN, ""},
        {ok_headers, {NULL, 0}, ok_trailers, ZRPC_GRPC_UNIMPLEMENTED, "no message"},
        {ok_headers, {(const uint8_t *)"\0\0\0", 3}, ok_trailers, ZRPC_GRPC_INTERNAL, "truncated"},
        {ok_headers, {(const uint8_t *)"\0\0\0\0\x04\x0a", 6}, ok_trailers, ZRPC_GRPC_INTERNAL, "truncated"},
        {ok_headers,
         {(const uint8_t *)"\0\0\0\0\0\0\0\0\0\0", 10},
         ok_trailers,
         ZRPC_GRPC_UNIMPLEMENTED,
         "more than one"},
        {ok_headers, {(const uint8_t *)"\1\0\0\0\0", 5}, ok_trailers, ZRPC_GRPC_INTERNAL, "compressed"},
        {ok_headers,
         {(const uint8_t *)"\0\xff\xff\xff\xff", 5},
         ok_trailers,
         ZRPC_GRPC_RESOURCE_EXHAUSTED,
         "at most"},
    };

    start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_grpc_call call;

        begin(&call, ZRPC_NEVER);
        h2peer_respond(&rig.server, call.stream_id, rows[i].headers, rows[i].body, rows[i].trailers);
        pump();
        CHECK_INT(call.result.status, rows[i].status);
        CHECK(call.result.error.code < 0);
        CHECK_CONTAINS(call.result.error.text, rows[i].text);
        CHECK(zrpc_grpc_client_next_done(rig.client) == &call);
        CHECK_INT(call.response.len, 0);
        check_alive();
    }
    stop();
}

static void malformed_responses(void)
{
    static const char *const no_status[] = {"content-type", "application/grpc", NULL};
    static const char *const two[] = {":status",          "200", ":status", "200", "content-type",
                                      "application/grpc", NULL};
    static const char *const late[] = {"content-type", "application/grpc", ":status", "200", NULL};
    static const char *const path[] = {":status", "200", ":path", "/", NULL};
    static const char *const connection[] = {":status", "200", "connection", "close", NULL};
    static const char *const upper[] = {":status", "200", "Content-Type", "application/grpc", NULL};
    static const char *const length[] = {
        ":status", "200", "content-type", "application/grpc", "content-length", "8", NULL};
    static const char *const pseudo_trailers[] = {":status", "200", "grpc-status", "0", NULL};
    static const char *const upper_trailers[] = {"Grpc-Status", "0", NULL};
    static const struct {
        const char *const *headers, *const *trailers;
        const char *text;
    } rows[] = {
        {no_status, ok_trailers, "without :status"},
        {two, ok_trailers, "twice"},
        {late, ok_trailers, "behind"},
        {path, ok_trailers, "does not belong"},
        {connection, ok_trailers, "HTTP/1"},
        {upper, ok_trailers, "field name"},
        {length, ok_trailers, "content-length"},
        {ok_headers, pseudo_trailers, "does not belong"},
        {ok_headers, upper_trailers, "field name"},
    };

    start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_grpc_call call;

        begin(&call, ZRPC_NEVER);
        h2peer_respond(&rig.server, call.stream_id, rows[i].headers, ping_hi, rows[i].trailers);
        pump();
        check_done(&call, ZRPC_GRPC_INTERNAL, ZRPC_ERR_GRPC, "malformed response: ");
        CHECK_CONTAINS(call.result.error.text, rows[i].text);
        CHECK(!call.result.unprocessed);
        CHECK_INT(call.response.len, 0);
        check_alive();
    }
    stop();
}

/* Behind what our bare peer has already said, as it would not say it by itself. */
static void malformed_order_of_frames(void)
{
    static const uint8_t data[] = {0, 0, 9, NGHTTP2_DATA, 0, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0x0a, 2, 'h', 'i'};
    static const uint8_t empty[] = {0, 0, 0, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 0, 0, 0, 1};
    static const uint8_t hint[] = {0, 0, 5, NGHTTP2_HEADERS, 4, 0, 0, 0, 1, 0x48, 3, '1', '0', '3'};
    static const uint8_t informational[] = {0, 0, 5, NGHTTP2_HEADERS, 5, 0, 0, 0, 1, 0x48, 3, '1', '0', '3'};
    static const struct {
        const uint8_t *frame;
        size_t len;
        const char *text;
    } rows[] = {{data, sizeof data, "content before the response"},
                {empty, sizeof empty, "content before the response"},
                {informational, sizeof informational, "informational"}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_grpc_call call;

        start();
        begin(&call, ZRPC_NEVER);
        CHECK_INT(call.stream_id, 1);
        CHECK_OK(zrpc_grpc_client_input(rig.client, rig.now, zrpc_view(hint, sizeof hint), NULL));
        CHECK_OK(zrpc_grpc_client_input(rig.client, rig.now, zrpc_view(rows[i].frame, rows[i].len), NULL));
        check_done(&call, ZRPC_GRPC_INTERNAL, ZRPC_ERR_GRPC, rows[i].text);
        stop();
    }
}

static void blanks_of_a_message_are_kept(void)
{
    static const char *const blanks[] = {":status",          "200",         "content-type",
                                         "application/grpc", "grpc-status", "2",
                                         "grpc-message",     " why? ",      NULL};
    struct zrpc_grpc_call call;

    start();
    begin(&call, ZRPC_NEVER);
    h2peer_respond(&rig.server, call.stream_id, blanks, zrpc_view("", 0), NULL);
    pump();
    check_done(&call, ZRPC_GRPC_UNKNOWN, ZRPC_ERR_HANDLER, " why? ");
    stop();
}

static void informational_responses_are_skipped(void)
{
    nghttp2_nv nv[] = {{(uint8_t *)":status", (uint8_t *)"103", 7, 3, 0}};
    struct zrpc_grpc_call call;

    start();
    begin(&call, ZRPC_NEVER);
    CHECK_INT(nghttp2_submit_headers(rig.server.ng, NGHTTP2_FLAG_NONE, call.stream_id, NULL, nv, 1, NULL), 0);
    pump();
    CHECK(zrpc_grpc_client_next_done(rig.client) == NULL);
    h2peer_respond(&rig.server, call.stream_id, ok_headers, ping_hi, ok_trailers);
    pump();
    check_ok(&call);
    stop();
}

static void header_lists_are_bounded(void)
{
    static char big[12000];
    static const char *const headers[] = {
        ":status", "200", "content-type", "application/grpc", "a", big, "b", big, "c", big, NULL};
    static const char *const trailers[] = {"grpc-status", "0", "d", big, "e", big, "f", big, NULL};
    struct zrpc_grpc_call call;

    memset(big, 'x', sizeof big - 1);
    start();
    begin(&call, ZRPC_NEVER);
    h2peer_respond(&rig.server, call.stream_id, headers, ping_hi, trailers);
    pump();
    check_done(&call, ZRPC_GRPC_RESOURCE_EXHAUSTED, ZRPC_ERR_TOO_BIG, "headers");
    check_alive();
    stop();
}

static void resets_fail_their_call_only(void)
{
    static const struct {
        uint32_t error;
        enum zrpc_grpc_status status;
        bool unprocessed;
    } rows[] = {
        {NGHTTP2_REFUSED_STREAM, ZRPC_GRPC_UNAVAILABLE, true},
        {NGHTTP2_CANCEL, ZRPC_GRPC_CANCELLED, false},
        {NGHTTP2_INTERNAL_ERROR, ZRPC_GRPC_INTERNAL, false},
        {NGHTTP2_NO_ERROR, ZRPC_GRPC_INTERNAL, false},
        {NGHTTP2_ENHANCE_YOUR_CALM, ZRPC_GRPC_RESOURCE_EXHAUSTED, false},
    };

    start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_grpc_call call, other;

        begin(&call, ZRPC_NEVER);
        begin(&other, ZRPC_NEVER);
        h2peer_reset(&rig.server, call.stream_id, rows[i].error);
        pump();
        check_done(&call, rows[i].status, zrpc_grpc_status_code(rows[i].status), "reset");
        CHECK_INT(call.result.unprocessed, rows[i].unprocessed);
        h2peer_respond(&rig.server, other.stream_id, ok_headers, ping_hi, ok_trailers);
        pump();
        check_ok(&other);
    }
    stop();
}

static void a_deadline_is_sent_and_kept(void)
{
    struct zrpc_grpc_call call, other;
    struct h2peer_stream *s;

    start();
    begin(&call, rig.now + 3 * S);
    begin(&other, ZRPC_NEVER);
    s = h2peer_stream(&rig.server, call.stream_id);
    CHECK_CONTAINS(s->headers, "grpc-timeout: 3000000u\n");
    CHECK_INT(zrpc_grpc_client_wakeup(rig.client), rig.now + 3 * S);
    advance(3 * S - 1);
    CHECK(zrpc_grpc_client_next_done(rig.client) == NULL);
    advance(1);
    check_done(&call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT, "deadline");
    CHECK(s->reset);
    CHECK_INT(s->error, NGHTTP2_CANCEL);
    CHECK(other.open);
    h2peer_respond(&rig.server, other.stream_id, ok_headers, ping_hi, ok_trailers);
    pump();
    check_ok(&other);
    stop();
}

static void a_deadline_in_the_past_sends_nothing(void)
{
    struct zrpc_grpc_call call;

    start();
    begin(&call, rig.now);
    check_done(&call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT, "deadline");
    CHECK(h2peer_stream(&rig.server, 1) == NULL);
    check_alive();
    stop();
}

static void a_server_that_cancels_at_the_deadline_is_late(void)
{
    struct zrpc_grpc_call call;

    start();
    begin(&call, rig.now + 3 * S);
    rig.now += 3 * S; /* the reset comes before our own timer */
    h2peer_reset(&rig.server, call.stream_id, NGHTTP2_CANCEL);
    pump();
    check_done(&call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT, "deadline");
    stop();
}

/* Whoever notices first that time is up: the outcome is the same. */
static void what_fails_at_the_deadline_is_late(void)
{
    static const char *const unknown[] = {"grpc-status", "2", "grpc-message", "context canceled", NULL};
    static const char *const expired[] = {"grpc-status", "4", "grpc-message", "too slow", NULL};
    const struct zrpc_error gone = {.code = ZRPC_ERR_END, .text = "end of file"};
    struct zrpc_grpc_call call;

    start();
    begin(&call, rig.now + 3 * S);
    rig.now += 3 * S;
    h2peer_respond(&rig.server, call.stream_id, ok_headers, zrpc_view("", 0), unknown);
    pump();
    check_done(&call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT, "context canceled");

    begin(&call, rig.now + 3 * S);
    rig.now += 3 * S;
    h2peer_respond(&rig.server, call.stream_id, ok_headers, zrpc_view("", 0), expired);
    pump();
    check_done(&call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT, "too slow");

    begin(&call, rig.now + 3 * S);
    rig.now += 3 * S;
    h2peer_reset(&rig.server, call.stream_id, NGHTTP2_REFUSED_STREAM);
    pump();
    check_done(&call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT, "REFUSED_STREAM");
    CHECK(!call.result.unprocessed);

    begin(&call, rig.now + 3 * S);
    rig.now += 3 * S;
    h2peer_respond(&rig.server, call.stream_id, ok_headers, ping_hi, ok_trailers);
    pump();
    check_ok(&call); /* late, but there */

    begin(&call, rig.now + 3 * S);
    rig.now += 3 * S - 1;
    h2peer_respond(&rig.server, call.stream_id, ok_headers, zrpc_view("", 0), unknown);
    pump();
    check_done(&call, ZRPC_GRPC_UNKNOWN, ZRPC_ERR_HANDLER, "context canceled");

    begin(&call, rig.now + 3 * S);
    zrpc_grpc_client_fail(rig.client, rig.now + 3 * S, &gone);
    check_done(&call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT, "deadline");
    stop();
}

static void long_texts_are_kept_whole(void)
{
    enum { LENGTH = 20000 };
    char *text = malloc(LENGTH + 1), *encoded = malloc(3 * LENGTH + 1);
    const char *const trailers[] = {"grpc-status", "2", "grpc-message", encoded, NULL};
    const char *const early[] = {":status", "200", "content-type", "application/grpc", "grpc-message",
                                 encoded,   NULL};
    struct zrpc_grpc_call call;

    for (int i = 0; i < LENGTH; i++)
        text[i] = i % 100 == 99 ? '\n' : (char)('a' + i % 26);
    text[LENGTH - 1] = '.';
    text[LENGTH] = '\0';
    encoded[zrpc_grpc_message_encode(zrpc_view(text, LENGTH), encoded, 3 * LENGTH)] = '\0';
    start();
    begin(&call, ZRPC_NEVER);
    h2peer_respond(&rig.server, call.stream_id, early, zrpc_view("", 0), trailers);
    pump();
    check_done(&call, ZRPC_GRPC_UNKNOWN, ZRPC_ERR_HANDLER, "abc");
    CHECK_INT(strlen(call.result.error.text), ZRPC_ERROR_TEXT_MAX - 1);
    CHECK(zrpc_view_equal(zrpc_buf_view(&call.result.long_text), zrpc_view(text, LENGTH)));
    zrpc_buf_dispose(&call.result.long_text);

    begin(&call, ZRPC_NEVER); /* said with a success, it is no error's */
    h2peer_respond(&rig.server, call.stream_id, early, ping_hi, ok_trailers);
    pump();
    check_ok(&call);
    CHECK_INT(call.result.long_text.len, 0);
    begin(&call, rig.now + S);
    rig.now += S;
    h2peer_respond(&rig.server, call.stream_id, ok_headers, zrpc_view("", 0), trailers);
    pump();
    check_done(&call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT, "abc");
    CHECK_INT(call.result.long_text.len, 0);
    stop();
    free(encoded);
    free(text);
}

static void cancelling_resets_the_stream(void)
{
    struct zrpc_grpc_call call;

    start();
    begin(&call, ZRPC_NEVER);
    zrpc_grpc_client_cancel(rig.client, &call);
    zrpc_grpc_client_cancel(rig.client, &call);
    check_done(&call, ZRPC_GRPC_CANCELLED, ZRPC_ERR_CANCELLED, "cancelled");
    memset(&call, 0xa5, sizeof call); /* the caller's again */
    h2peer_respond(&rig.server, 1, ok_headers, ping_hi, ok_trailers);
    pump();
    CHECK(h2peer_stream(&rig.server, 1)->closed);
    CHECK_INT(h2peer_stream(&rig.server, 1)->error, NGHTTP2_CANCEL);
    check_alive();
    stop();
}

static void cancelling_what_was_not_sent_yet(void)
{
    struct zrpc_grpc_call first, second;

    start();
    nghttp2_submit_settings(rig.server.ng, NGHTTP2_FLAG_NONE,
                            &(nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1}, 1);
    pump();
    begin(&first, ZRPC_NEVER);
    begin(&second, ZRPC_NEVER); /* waits for the first */
    CHECK(h2peer_stream(&rig.server, second.stream_id) == NULL);
    zrpc_grpc_client_cancel(rig.client, &second);
    check_done(&second, ZRPC_GRPC_CANCELLED, ZRPC_ERR_CANCELLED, "cancelled");
    memset(&second, 0xa5, sizeof second);
    h2peer_respond(&rig.server, first.stream_id, ok_headers, ping_hi, ok_trailers);
    pump();
    check_ok(&first);
    check_alive();
    CHECK(h2peer_stream(&rig.server, 3) == NULL);
    stop();
}

static void calls_above_the_servers_limit_wait(void)
{
    struct zrpc_grpc_call calls[10];

    start();
    nghttp2_submit_settings(rig.server.ng, NGHTTP2_FLAG_NONE,
                            &(nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 3}, 1);
    pump();
    for (int i = 0; i < 10; i++)
        begin(&calls[i], ZRPC_NEVER);
    for (int i = 0; i < 10; i++) {
        CHECK(h2peer_stream(&rig.server, calls[i].stream_id) != NULL);
        h2peer_respond(&rig.server, calls[i].stream_id, ok_headers, ping_hi, ok_trailers);
        pump();
        check_ok(&calls[i]);
    }
    stop();
}

static void many_calls_may_wait(void)
{
    enum { CALLS = 5000 };
    const nghttp2_settings_entry few = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 10};
    struct zrpc_grpc_call *calls = calloc(CALLS, sizeof *calls), *done;
    unsigned ok = 0;

    start();
    CHECK_INT(nghttp2_submit_settings(rig.server.ng, NGHTTP2_FLAG_NONE, &few, 1), 0);
    pump();
    for (int i = 0; i < CALLS; i++) {
        calls[i] =
            (struct zrpc_grpc_call){.path = "/Replication/Ping", .request = ping_hi, .deadline = ZRPC_NEVER};
        CHECK_OK(zrpc_grpc_client_begin(rig.client, rig.now, &calls[i], NULL));
    }
    pump();
    for (int i = 0; i < CALLS; i++) {
        h2peer_respond(&rig.server, calls[i].stream_id, ok_headers, ping_hi, ok_trailers);
        pump();
    }
    while ((done = zrpc_grpc_client_next_done(rig.client)) != NULL) {
        ok += done->result.status == ZRPC_GRPC_OK;
        zrpc_buf_dispose(&done->response);
    }
    CHECK_INT(ok, CALLS);
    stop();
    free(calls);
}

static void goaway_separates_the_processed_from_the_rest(void)
{
    struct zrpc_grpc_call calls[3], late = {.path = "/x", .deadline = ZRPC_NEVER};

    start();
    for (int i = 0; i < 3; i++)
        begin(&calls[i], ZRPC_NEVER);
    h2peer_goaway(&rig.server, calls[0].stream_id, NGHTTP2_NO_ERROR, "");
    pump();
    CHECK(zrpc_grpc_client_draining(rig.client));
    CHECK(!zrpc_grpc_client_too_many_pings(rig.client));
    CHECK_INT(zrpc_grpc_client_open_calls(rig.client), 1);
    for (int i = 1; i < 3; i++) {
        struct zrpc_grpc_call *done = zrpc_grpc_client_next_done(rig.client);

        CHECK(done == &calls[1] || done == &calls[2]);
        CHECK_INT(done->result.status, ZRPC_GRPC_UNAVAILABLE);
        CHECK(done->result.unprocessed);
    }
    CHECK_CODE(zrpc_grpc_client_begin(rig.client, rig.now, &late, NULL), ZRPC_ERR_CLOSED);
    CHECK(!zrpc_grpc_client_ended(rig.client));
    h2peer_respond(&rig.server, calls[0].stream_id, ok_headers, ping_hi, ok_trailers);
    pump();
    check_ok(&calls[0]);
    CHECK(zrpc_grpc_client_ended(rig.client));
    stop();
}

static void too_many_pings_is_recognised(void)
{
    struct zrpc_grpc_call call;

    start();
    begin(&call, ZRPC_NEVER);
    h2peer_goaway(&rig.server, 1, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
    pump();
    CHECK(zrpc_grpc_client_too_many_pings(rig.client));
    CHECK(call.open);
    zrpc_grpc_client_fail(rig.client, 0, &(struct zrpc_error){.code = ZRPC_ERR_END, .text = "end of file"});
    check_done(&call, ZRPC_GRPC_UNAVAILABLE, ZRPC_ERR_UNAVAILABLE, "too_many_pings");
    CHECK(!call.result.unprocessed);
    stop();
}

static void what_was_not_written_was_not_processed(void)
{
    const struct zrpc_error gone = {.code = ZRPC_ERR_RESET, .text = "reset by peer"};
    struct zrpc_grpc_call written = {.path = "/w", .request = ping_hi, .deadline = ZRPC_NEVER},
                          queued = written, submitted = written;
    struct zrpc_view out;

    start();
    CHECK_OK(zrpc_grpc_client_begin(rig.client, rig.now, &written, NULL));
    CHECK_OK(zrpc_grpc_client_output(rig.client, &out, NULL));
    zrpc_grpc_client_sent(rig.client, 1); /* its first byte is enough to be in doubt */
    CHECK_OK(zrpc_grpc_client_begin(rig.client, rig.now, &queued, NULL));
    CHECK_OK(zrpc_grpc_client_output(rig.client, &out, NULL)); /* in the output, not on the wire */
    CHECK_OK(zrpc_grpc_client_begin(rig.client, rig.now, &submitted, NULL));
    zrpc_grpc_client_fail(rig.client, 0, &gone);
    CHECK(!written.result.unprocessed);
    CHECK(queued.result.unprocessed);
    CHECK(submitted.result.unprocessed);
    CHECK_CONTAINS(written.result.error.text, "reset by peer");
    CHECK_INT(written.result.status, ZRPC_GRPC_UNAVAILABLE);
    stop();
}

static void flow_control_of_big_requests(void)
{
    size_t size = 3u << 20;
    uint8_t *body = malloc(size);
    struct zrpc_grpc_call call = {.path = "/x", .request = zrpc_view(body, size), .deadline = ZRPC_NEVER};

    for (size_t i = 0; i < size; i++)
        body[i] = (uint8_t)(i * 7);
    start();
    CHECK_OK(zrpc_grpc_client_begin(rig.client, rig.now, &call, NULL));
    pump();
    CHECK_BYTES(zrpc_buf_view(&h2peer_stream(&rig.server, call.stream_id)->body), zrpc_view(body, size));
    h2peer_respond(&rig.server, call.stream_id, ok_headers, ping_hi, ok_trailers);
    pump();
    check_ok(&call);
    stop();
    free(body);
}

static void big_responses(void)
{
    size_t size = 40u << 20;
    uint8_t *body = calloc(1, size + 5);
    struct zrpc_grpc_call call;

    zrpc_put_u32(body + 1, (uint32_t)size);
    start();
    begin(&call, ZRPC_NEVER);
    h2peer_respond(&rig.server, call.stream_id, ok_headers, zrpc_view(body, size + 5), ok_trailers);
    pump();
    check_done(&call, ZRPC_GRPC_OK, 0, "");
    CHECK_INT(call.response.len, size);
    zrpc_buf_dispose(&call.response);
    stop();
    free(body);
}

static void an_answer_before_the_request_is_whole(void)
{
    static const char *const only[] = {":status", "200", "content-type", "application/grpc", "grpc-status",
                                       "8",       NULL};
    size_t size = 1u << 20;
    uint8_t *body = calloc(1, size);
    struct zrpc_grpc_call call = {.path = "/x", .request = zrpc_view(body, size), .deadline = ZRPC_NEVER};

    start();
    /* No window for all of it: the peer takes 65535 bytes only. */
    nghttp2_session_set_local_window_size(rig.server.ng, NGHTTP2_FLAG_NONE, 1, 0);
    CHECK_OK(zrpc_grpc_client_begin(rig.client, rig.now, &call, NULL));
    to_server();
    h2peer_respond(&rig.server, call.stream_id, only, zrpc_view("", 0), NULL);
    to_client();
    check_done(&call, ZRPC_GRPC_RESOURCE_EXHAUSTED, ZRPC_ERR_HANDLER, "RESOURCE_EXHAUSTED");
    pump();
    CHECK(h2peer_stream(&rig.server, call.stream_id)->reset);
    CHECK_INT(h2peer_stream(&rig.server, call.stream_id)->error, NGHTTP2_NO_ERROR);
    check_alive();
    stop();
    free(body);
}

static void keepalive_pings_and_gives_up(void)
{
    struct zrpc_grpc_call call;

    start();
    for (unsigned i = 1; i <= 20; i++) {
        CHECK(zrpc_grpc_client_wakeup(rig.client) <= rig.now + 10 * S);
        advance(10 * S);
        CHECK_INT(rig.server.pings, i);
    }
    check_alive();
    stop();

    start_with((struct zrpc_grpc_client_options){0}, true);
    begin(&call, ZRPC_NEVER);
    advance(10 * S);
    CHECK_INT(rig.server.pings, 1);
    advance(10 * S - 1);
    rig.now++;
    CHECK_CODE(zrpc_grpc_client_tick(rig.client, rig.now, &rig.error), ZRPC_ERR_TIMEOUT);
    zrpc_grpc_client_fail(rig.client, 0, &rig.error);
    check_done(&call, ZRPC_GRPC_UNAVAILABLE, ZRPC_ERR_UNAVAILABLE, "keepalive");
    stop();
}

static void long_calls_are_probed_by_settings(void)
{
    struct zrpc_grpc_call call;

    start();
    begin(&call, ZRPC_NEVER);
    for (int i = 0; i < 10; i++)
        advance(10 * S);
    CHECK_INT(rig.server.pings, ZRPC_KEEPALIVE_PINGS_TOLERATED);
    CHECK_INT(rig.server.settings, 1 + 10 - ZRPC_KEEPALIVE_PINGS_TOLERATED);
    h2peer_respond(&rig.server, call.stream_id, ok_headers, ping_hi, ok_trailers);
    pump();
    check_ok(&call);
    begin(&call, ZRPC_NEVER); /* after the answer, the server counts from zero again */
    advance(10 * S);
    CHECK_INT(rig.server.pings, ZRPC_KEEPALIVE_PINGS_TOLERATED + 1);
    stop();
}

static void a_graceful_end(void)
{
    struct zrpc_grpc_call call, late = {.path = "/x", .deadline = ZRPC_NEVER};

    start();
    begin(&call, ZRPC_NEVER);
    zrpc_grpc_client_shutdown(rig.client);
    pump();
    CHECK_INT(rig.server.goaways, 1);
    CHECK_INT(rig.server.goaway_error, NGHTTP2_NO_ERROR);
    CHECK_CODE(zrpc_grpc_client_begin(rig.client, rig.now, &late, NULL), ZRPC_ERR_CLOSED);
    CHECK(!zrpc_grpc_client_ended(rig.client));
    h2peer_respond(&rig.server, call.stream_id, ok_headers, ping_hi, ok_trailers);
    pump();
    check_ok(&call);
    CHECK(zrpc_grpc_client_ended(rig.client));
    stop();
}

static void noise_does_no_harm(void)
{
    uint64_t random = 1;

    for (int round = 0; round < 2000; round++) {
        uint8_t noise[300];
        struct zrpc_grpc_call call;
        struct zrpc_view out;

        start();
        begin(&call, ZRPC_NEVER);
        for (size_t i = 0; i < sizeof noise; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            noise[i] = (uint8_t)(random >> 56);
        }
        /* Plausible frame headers get further. */
        noise[0] = noise[1] = 0;
        noise[2] &= 0x3f;
        noise[3] %= 10;
        noise[5] = noise[6] = noise[7] = 0;
        noise[8] &= 3;
        if (zrpc_grpc_client_input(rig.client, rig.now, zrpc_view(noise, sizeof noise), NULL) == 0)
            while (zrpc_grpc_client_output(rig.client, &out, NULL) == 0 && out.len > 0)
                zrpc_grpc_client_sent(rig.client, out.len);
        stop();
    }
}

static const struct zrpc_test tests[] = {
    {"a request is what gRPC says", a_request_is_what_gRPC_says},
    {"a response is delivered", a_response_is_delivered},
    {"errors in both forms", errors_in_both_forms},
    {"broken responses", broken_responses},
    {"malformed responses", malformed_responses},
    {"malformed order of frames", malformed_order_of_frames},
    {"blanks of a message are kept", blanks_of_a_message_are_kept},
    {"informational responses are skipped", informational_responses_are_skipped},
    {"header lists are bounded", header_lists_are_bounded},
    {"resets fail their call only", resets_fail_their_call_only},
    {"a deadline is sent and kept", a_deadline_is_sent_and_kept},
    {"a deadline in the past sends nothing", a_deadline_in_the_past_sends_nothing},
    {"a server that cancels at the deadline is late", a_server_that_cancels_at_the_deadline_is_late},
    {"what fails at the deadline is late", what_fails_at_the_deadline_is_late},
    {"long texts are kept whole", long_texts_are_kept_whole},
    {"cancelling resets the stream", cancelling_resets_the_stream},
    {"cancelling what was not sent yet", cancelling_what_was_not_sent_yet},
    {"calls above the server's limit wait", calls_above_the_servers_limit_wait},
    {"many calls may wait", many_calls_may_wait},
    {"GOAWAY separates the processed from the rest", goaway_separates_the_processed_from_the_rest},
    {"too_many_pings is recognised", too_many_pings_is_recognised},
    {"what was not written was not processed", what_was_not_written_was_not_processed},
    {"flow control of big requests", flow_control_of_big_requests},
    {"big responses", big_responses},
    {"an answer before the request is whole", an_answer_before_the_request_is_whole},
    {"keepalive pings and gives up", keepalive_pings_and_gives_up},
    {"long calls are probed by SETTINGS", long_calls_are_probed_by_settings},
    {"a graceful end", a_graceful_end},
    {"noise does no harm", noise_does_no_harm},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("grpc_client", tests, argc, argv);
}
