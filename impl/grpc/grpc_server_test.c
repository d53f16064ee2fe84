/* The server session against a bare HTTP/2 peer, in virtual time. */
#include "zrpc/grpc_server.h"

#include <stdio.h>
#include <stdlib.h>

#include "testing/h2peer.h"
#include "testing/suite.h"
#include "zrpc/pb.h"

#define S ZRPC_SECOND

static const struct zrpc_grpc_method methods[] = {
    {.path = "/Replication/Ping",
     .request = &zrpc__pb__ping_req__descriptor,
     .response = &zrpc__pb__ping_res__descriptor},
    {.path = "/Replication/Prompt",
     .request = &zrpc__pb__ping_req__descriptor,
     .response = &zrpc__pb__ping_res__descriptor,
     .prompt = true},
};
static const struct zrpc_grpc_service services[] = {{.methods = methods, .n_methods = 2}};

/* What the test does with the calls that the server yields; those of prompt methods are echoed. */
enum handling { ECHO, HOLD };

static struct rig {
    struct zrpc_grpc_server *server;
    struct h2peer client;
    zrpc_time now;
    enum handling handling;
    unsigned handled;
    struct zrpc_grpc_server_call *held[H2PEER_STREAMS];
    size_t n_held;
    size_t piece; /* how the byte stream is cut */
    int input_rc;
    struct zrpc_error error;
} rig;

static void start_with(struct zrpc_grpc_server_options options)
{
    rig = (struct rig){.piece = SIZE_MAX, .now = 1000 * S};
    options.services = services;
    options.n_services = 1;
    CHECK_OK(zrpc_grpc_server_new(&options, rig.now, &rig.server, NULL));
    h2peer_init(&rig.client, false, false);
}

static void start(void)
{
    start_with((struct zrpc_grpc_server_options){0});
}

static void echo(struct zrpc_grpc_server_call *call)
{
    Zrpc__Pb__PingRes res = ZRPC__PB__PING_RES__INIT;
    ProtobufCMessage *req = NULL;
    struct zrpc_buf response = {0};
    struct zrpc_error err;
    int rc = zrpc_pb_decode(call->method->request, zrpc_buf_view(&call->reader.message), &req, &err);

    if (rc == 0) {
        res.echo = ((Zrpc__Pb__PingReq *)req)->message;
        rc = zrpc_grpc_put_message(&res.base, SIZE_MAX, &response, &err);
    }
    CHECK_OK(zrpc_grpc_server_finish(rig.server, call, rc == 0 ? ZRPC_GRPC_OK : ZRPC_GRPC_INTERNAL, err.text,
                                     &response, NULL));
    if (req != NULL)
        protobuf_c_message_free_unpacked(req, NULL);
}

static void handle_calls(void)
{
    struct zrpc_grpc_server_call *call;

    while ((call = zrpc_grpc_server_next(rig.server)) != NULL) {
        rig.handled++;
        if (rig.handling == HOLD && !call->method->prompt)
            rig.held[rig.n_held++] = call;
        else
            echo(call);
    }
}

static bool to_server(void)
{
    struct zrpc_view out = h2peer_output(&rig.client);
    size_t n = out.len;

    while (out.len > 0 && rig.input_rc == 0) {
        struct zrpc_view piece = zrpc_view_take(&out, out.len < rig.piece ? out.len : rig.piece);

        rig.input_rc = zrpc_grpc_server_input(rig.server, rig.now, piece, &rig.error);
        handle_calls();
    }
    zrpc_buf_consume(&rig.client.output, n);
    return n > 0;
}

static bool to_client(void)
{
    struct zrpc_view out;
    bool moved = false;

    while (zrpc_grpc_server_output(rig.server, &out, &rig.error) == 0 && out.len > 0) {
        h2peer_feed(&rig.client, out);
        zrpc_grpc_server_sent(rig.server, out.len);
        moved = true;
    }
    return moved;
}

static void pump(void)
{
    bool moved;

    do {
        handle_calls();
        moved = to_server();
        moved = to_client() || moved;
    } while (moved);
}

static void advance(zrpc_time by)
{
    rig.now += by;
    CHECK_OK(zrpc_grpc_server_tick(rig.server, rig.now, NULL));
    pump();
}

static void stop(void)
{
    while (rig.n_held > 0)
        CHECK_OK(
            zrpc_grpc_server_finish(rig.server, rig.held[--rig.n_held], ZRPC_GRPC_CANCELLED, "", NULL, NULL));
    zrpc_grpc_server_free(rig.server);
    h2peer_dispose(&rig.client);
}

#define REQUEST_HEADERS(method, path, content_type)                                                         \
    ":method", method, ":scheme", "http", ":path", path, ":authority", "any", "content-type", content_type, \
        "te", "trailers"

static const char *const ping_headers[] = {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"),
                                           NULL};
static const struct zrpc_view ping_hi = {(const uint8_t *)"\0\0\0\0\x04\x0a\x02hi", 9};

static struct h2peer_stream *call(const char *const *headers, struct zrpc_view body)
{
    int32_t id = h2peer_request(&rig.client, headers, body, false);

    pump();
    return h2peer_stream(&rig.client, id);
}

static void check_ok(const struct h2peer_stream *s)
{
    CHECK_CONTAINS(s->headers, ":status: 200\n");
    CHECK_CONTAINS(s->headers, "content-type: application/grpc\n");
    CHECK_BYTES(zrpc_buf_view(&s->body), ping_hi);
    CHECK_STR(s->trailers, "grpc-status: 0\n");
    CHECK(s->end_stream);
}

/* Trailers-only, with this status. */
static void check_status(const struct h2peer_stream *s, enum zrpc_grpc_status status, const char *text)
{
    char line[64];

    snprintf(line, sizeof line, "grpc-status: %d\n", status);
    CHECK_CONTAINS(s->headers, line);
    CHECK_CONTAINS(s->headers, text);
    CHECK_CONTAINS(s->headers, "content-type: application/grpc\n");
    CHECK_INT(s->header_frames, 1);
    CHECK_INT(s->body.len, 0);
    CHECK(s->end_stream);
}

/* After whatever a test did, the connection still serves. */
static void check_alive(void)
{
    rig.handling = ECHO;
    check_ok(call(ping_headers, ping_hi));
}

static void a_call_is_answered(void)
{
    start();
    check_ok(call(ping_headers, ping_hi));
    check_ok(call(ping_headers, ping_hi));
    CHECK_INT(rig.handled, 2);
    CHECK_INT(rig.client.settings, 1);
    CHECK_INT(rig.client.max_streams, ZRPC_GRPC_MAX_STREAMS_DEFAULT);
    CHECK_INT(zrpc_grpc_server_open_calls(rig.server), 0);
    stop();
}

static void bytes_in_any_portions(void)
{
    for (size_t piece = 1; piece < 40; piece++) {
        start();
        rig.piece = piece;
        check_ok(call(ping_headers, ping_hi));
        stop();
    }
}

static void any_authority_is_accepted(void)
{
    static const char *const authorities[] = {"doesn't matter done by dialer", "doesn%27t%20matter", "",
                                              "a b:c@[", "\xff\xfe"};

    start();
    for (size_t i = 0; i < sizeof authorities / sizeof authorities[0]; i++) {
        const char *const headers[] = {":method",
                                       "POST",
                                       ":scheme",
                                       "http",
                                       ":path",
                                       "/Replication/Ping",
                                       ":authority",
                                       authorities[i],
                                       "content-type",
                                       "application/grpc+proto",
                                       NULL};

        check_ok(call(headers, ping_hi));
    }
    stop();
}

static void unknown_metadata_is_ignored(void)
{
    static const char *const headers[] = {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"),
                                          "user-agent",
                                          "x",
                                          "x-bin",
                                          "AAEC",
                                          "grpc-accept-encoding",
                                          "gzip",
                                          "grpc-foo",
                                          "bar",
                                          NULL};

    start();
    check_ok(call(headers, ping_hi));
    stop();
}

static void refused_requests(void)
{
    static const char *const unknown_method[] = {
        REQUEST_HEADERS("POST", "/Replication/Nothing", "application/grpc"), NULL};
    static const char *const unknown_service[] = {REQUEST_HEADERS("POST", "/pdu.X/Ping", "application/grpc"),
                                                  NULL};
    static const char *const get[] = {REQUEST_HEADERS("GET", "/Replication/Ping", "application/grpc"), NULL};
    static const char *const json[] = {REQUEST_HEADERS("POST", "/Replication/Ping", "application/json"),
                                       NULL};
    static const char *const no_type[] = {":method",           "POST", ":scheme", "http", ":path",
                                          "/Replication/Ping", NULL};
    static const char *const timeout[] = {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"),
                                          "grpc-timeout", "5x", NULL};
    static const struct {
        const char *const *headers;
        enum zrpc_grpc_status status;
        const char *text;
    } rows[] = {
        {unknown_method, ZRPC_GRPC_UNIMPLEMENTED, ":status: 200\n"},
        {unknown_service, ZRPC_GRPC_UNIMPLEMENTED, ":status: 200\n"},
        {get, ZRPC_GRPC_INTERNAL, ":status: 405\n"},
        {get, ZRPC_GRPC_INTERNAL, "allow: POST\n"},
        {json, ZRPC_GRPC_INTERNAL, ":status: 415\n"},
        {no_type, ZRPC_GRPC_INTERNAL, ":status: 415\n"},
        {timeout, ZRPC_GRPC_INTERNAL, "grpc-message: malformed grpc-timeout\n"},
    };

    start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_status(call(rows[i].headers, ping_hi), rows[i].status, rows[i].text);
    CHECK_INT(rig.handled, 0);
    check_alive();
    stop();
}

static void malformed_requests_are_reset(void)
{
    static const char *const rows[][20] = {
        {":method", "POST", ":path", "/Replication/Ping", "content-type", "application/grpc", NULL},
        {":scheme", "http", ":path", "/Replication/Ping", "content-type", "application/grpc", NULL},
        {":method", "POST", ":scheme", "http", "content-type", "application/grpc", NULL},
        {REQUEST_HEADERS("POST", "", "application/grpc"), NULL},
        {":method", "POST", ":scheme", "http", ":path", "/Replication/Ping", "content-type",
         "application/grpc", ":authority", "late", NULL},
        {":method", "POST", ":method", "POST",
         REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"), NULL},
        {":status", "200", REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"), NULL},
        {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"), "connection", "close", NULL},
        {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"), "transfer-encoding", "chunked",
         NULL},
        {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"), "te", "gzip", NULL},
        {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"), "X-Upper", "1", NULL},
        {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"), "x y", "1", NULL},
        {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"), "x", "a\nb", NULL},
    };

    start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct h2peer_stream *s = call(rows[i], ping_hi);

        CHECK(s->reset);
        CHECK_INT(s->error, NGHTTP2_PROTOCOL_ERROR);
        CHECK_INT(s->header_frames, 0);
    }
    CHECK_INT(rig.handled, 0);
    CHECK_INT(rig.client.goaways, 0);
    check_alive();
    stop();
}

static void malformed_messages(void)
{
    static const char *const gzip[] = {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"),
                                       "grpc-encoding", "gzip", NULL};
    static const struct {
        const char *const *headers;
        const char *body;
        size_t len;
        enum zrpc_grpc_status status;
    } rows[] = {
        {ping_headers, "", 0, ZRPC_GRPC_UNIMPLEMENTED},
        {ping_headers, "\0\0\0", 3, ZRPC_GRPC_INTERNAL},
        {ping_headers, "\0\0\0\0\x09\x0a\x02hi", 9, ZRPC_GRPC_INTERNAL},
        {ping_headers, "\1\0\0\0\x04\x0a\x02hi", 9, ZRPC_GRPC_INTERNAL},
        {gzip, "\1\0\0\0\x04\x0a\x02hi", 9, ZRPC_GRPC_UNIMPLEMENTED},
        {ping_headers, "\7\0\0\0\x04\x0a\x02hi", 9, ZRPC_GRPC_INTERNAL},
        {ping_headers, "\0\0\0\0\x04\x0a\x02hi\0\0\0\0\0", 14, ZRPC_GRPC_UNIMPLEMENTED},
        {ping_headers, "\0\x7f\xff\xff\xff", 5, ZRPC_GRPC_RESOURCE_EXHAUSTED},
    };

    start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_status(call(rows[i].headers, zrpc_view(rows[i].body, rows[i].len)), rows[i].status,
                     "grpc-message: ");
    CHECK_INT(rig.handled, 0);
    check_ok(call(gzip, ping_hi)); /* announced, but not used */
    check_status(call(ping_headers, zrpc_view("\0\0\0\0\x02\x0a\x05", 7)), ZRPC_GRPC_INTERNAL,
                 "grpc-message: ");
    check_alive();
    stop();
}

static void errors_are_percent_encoded(void)
{
    struct h2peer_stream *s;

    start();
    rig.handling = HOLD;
    s = call(ping_headers, ping_hi);
    CHECK_INT(rig.n_held, 1);
    CHECK_OK(zrpc_grpc_server_finish(rig.server, rig.held[--rig.n_held], ZRPC_GRPC_UNKNOWN,
                                     "no \xc3\xbc"
                                     "bel, 100%\nsorry",
                                     NULL, NULL));
    pump();
    check_status(s, ZRPC_GRPC_UNKNOWN, "grpc-message: no %C3%BCbel, 100%25%0Asorry\n");
    check_alive();
    stop();
}

static void a_deadline_cancels_the_handler(void)
{
    static const char *const headers[] = {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"),
                                          "grpc-timeout", "4500m", NULL};
    struct h2peer_stream *s;

    start();
    rig.handling = HOLD;
    s = call(headers, ping_hi);
    CHECK_INT(rig.held[0]->context.deadline, rig.now + 4500 * ZRPC_MILLISECOND);
    CHECK(zrpc_grpc_server_wakeup(rig.server) <= rig.now + 4500 * ZRPC_MILLISECOND);
    advance(4499 * ZRPC_MILLISECOND);
    CHECK(!s->end_stream);
    CHECK(!atomic_load(&rig.held[0]->context.cancelled));
    CHECK_INT(zrpc_grpc_server_wakeup(rig.server), rig.now + ZRPC_MILLISECOND);
    rig.now += ZRPC_MILLISECOND;
    CHECK_OK(zrpc_grpc_server_tick(rig.server, rig.now, NULL));
    CHECK(atomic_load(&rig.held[0]->context.cancelled));
    pump();
    check_status(s, ZRPC_GRPC_DEADLINE_EXCEEDED, "deadline exceeded");
    echo(rig.held[--rig.n_held]); /* too late, but harmless */
    pump();
    CHECK_INT(zrpc_grpc_server_open_calls(rig.server), 0);
    check_alive();
    stop();
}

static void a_deadline_of_zero_has_passed(void)
{
    static const char *const headers[] = {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"),
                                          "grpc-timeout", "0S", NULL};
    struct h2peer_stream *s;
    int32_t id;

    start();
    id = h2peer_request(&rig.client, headers, ping_hi, true);
    pump();
    advance(0);
    s = h2peer_stream(&rig.client, id);
    check_status(s, ZRPC_GRPC_DEADLINE_EXCEEDED, "deadline exceeded");
    CHECK_INT(rig.handled, 0);
    stop();
}

static void a_reset_cancels_the_handler(void)
{
    struct h2peer_stream *s;

    start();
    rig.handling = HOLD;
    s = call(ping_headers, ping_hi);
    h2peer_reset(&rig.client, s->id, NGHTTP2_CANCEL);
    pump();
    CHECK(atomic_load(&rig.held[0]->context.cancelled));
    echo(rig.held[--rig.n_held]);
    CHECK_INT(zrpc_grpc_server_open_calls(rig.server), 0);
    check_alive();
    stop();
}

static void calls_cancelled_before_their_turn_are_dropped(void)
{
    int32_t id;
    struct zrpc_view out;

    start();
    pump();
    id = h2peer_request(&rig.client, ping_headers, ping_hi, false);
    out = h2peer_output(&rig.client);
    CHECK_OK(zrpc_grpc_server_input(rig.server, rig.now, out, NULL));
    zrpc_buf_consume(&rig.client.output, out.len);
    h2peer_reset(&rig.client, id, NGHTTP2_CANCEL);
    out = h2peer_output(&rig.client);
    CHECK_OK(zrpc_grpc_server_input(rig.server, rig.now, out, NULL));
    zrpc_buf_consume(&rig.client.output, out.len);
    pump();
    CHECK_INT(rig.handled, 0);
    CHECK_INT(zrpc_grpc_server_open_calls(rig.server), 0);
    check_alive();
    stop();
}

static void a_missing_end_is_waited_for_a_moment(void)
{
    struct h2peer_stream *s;
    int32_t id;

    start();
    id = h2peer_request(&rig.client, ping_headers, ping_hi, true);
    pump();
    CHECK_INT(rig.handled, 0);
    advance(ZRPC_GRPC_END_GRACE - 1);
    CHECK_INT(rig.handled, 0);
    advance(1);
    CHECK_INT(rig.handled, 1);
    s = h2peer_stream(&rig.client, id);
    check_ok(s);
    CHECK(s->reset); /* nobody waits for the rest */
    CHECK_INT(s->error, NGHTTP2_NO_ERROR);
    check_alive();
    stop();
}

static void a_second_message_is_refused(void)
{
    int32_t id;

    start();
    id = h2peer_request(&rig.client, ping_headers, ping_hi, true);
    pump();
    h2peer_continue(&rig.client, id, ping_hi, false);
    pump();
    check_status(h2peer_stream(&rig.client, id), ZRPC_GRPC_UNIMPLEMENTED, "more than one message");
    CHECK_INT(rig.handled, 0);

    /* Also while the handler runs. */
    rig.handling = HOLD;
    id = h2peer_request(&rig.client, ping_headers, ping_hi, true);
    pump();
    advance(ZRPC_GRPC_END_GRACE);
    CHECK_INT(rig.n_held, 1);
    h2peer_continue(&rig.client, id, ping_hi, false);
    pump();
    check_status(h2peer_stream(&rig.client, id), ZRPC_GRPC_UNIMPLEMENTED, "more than one message");
    CHECK(atomic_load(&rig.held[0]->context.cancelled));
    echo(rig.held[--rig.n_held]);
    check_alive();
    stop();
}

static void trailers_of_a_request_are_ignored(void)
{
    static const char *const trailers[] = {"x-trailer", "1", NULL};
    int32_t id;

    start();
    id = h2peer_request(&rig.client, ping_headers, ping_hi, true);
    h2peer_stream(&rig.client, id)->out_trailers = trailers;
    h2peer_continue(&rig.client, id, zrpc_view("", 0), false);
    pump();
    check_ok(h2peer_stream(&rig.client, id));
    stop();
}

static void big_messages_pass_and_bigger_ones_are_refused(void)
{
    size_t size = ZRPC_GRPC_REQUEST_MAX_DEFAULT;
    uint8_t *body = malloc(size + ZRPC_GRPC_PREFIX_LEN + 1);
    struct h2peer_stream *s;

    /* A string of size - 5 bytes: tag, four bytes of length. */
    memset(body, 'x', size + ZRPC_GRPC_PREFIX_LEN + 1);
    body[0] = 0;
    zrpc_put_u32(body + 1, (uint32_t)size);
    body[5] = 0x0a;
    body[6] = (uint8_t)((size - 5) | 0x80);
    body[7] = (uint8_t)((size - 5) >> 7 | 0x80);
    body[8] = (uint8_t)((size - 5) >> 14 | 0x80);
    body[9] = (uint8_t)((size - 5) >> 21);
    start();
    s = call(ping_headers, zrpc_view(body, size + ZRPC_GRPC_PREFIX_LEN));
    CHECK_BYTES(zrpc_buf_view(&s->body), zrpc_view(body, size + ZRPC_GRPC_PREFIX_LEN));
    CHECK_STR(s->trailers, "grpc-status: 0\n");
    zrpc_put_u32(body + 1, (uint32_t)size + 1);
    check_status(call(ping_headers, zrpc_view(body, size + ZRPC_GRPC_PREFIX_LEN + 1)),
                 ZRPC_GRPC_RESOURCE_EXHAUSTED, "grpc-message: ");
    CHECK_INT(rig.handled, 1);
    check_alive();
    /* What the budget counts is given back. */
    zrpc_put_u32(body + 1, (uint32_t)size);
    for (size_t sent = 0; sent <= ZRPC_GRPC_BUDGET_DEFAULT; sent += size)
        CHECK_STR(call(ping_headers, zrpc_view(body, size + ZRPC_GRPC_PREFIX_LEN))->trailers,
                  "grpc-status: 0\n");
    stop();
    free(body);
}

static void header_lists_are_bounded(void)
{
    static char big[12000];
    static const char *const headers[] = {
        REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"), "x-one", big, "x-two", big, NULL};

    memset(big, 'a', sizeof big - 1);
    start();
    check_status(call(headers, ping_hi), ZRPC_GRPC_RESOURCE_EXHAUSTED, "too large");
    CHECK_INT(rig.handled, 0);
    check_alive();
    stop();
}

static void pings_are_answered_for_ever(void)
{
    static const uint8_t payload[8] = {1, 2, 3, 4, 5, 6, 7, 8};

    start();
    pump();
    for (unsigned i = 1; i <= 1000; i++) {
        CHECK_INT(nghttp2_submit_ping(rig.client.ng, NGHTTP2_FLAG_NONE, payload), 0);
        advance(5 * S);
        CHECK_INT(rig.client.ping_acks, i);
    }
    CHECK_INT(rig.client.goaways, 0);
    check_alive();
    stop();
}

static void a_flood_of_pings_ends_the_connection(void)
{
    static const uint8_t payload[8] = {1};
    struct zrpc_view out;

    /* Many, but not in one second, and many beside calls. */
    start();
    pump();
    for (int i = 0; i < 3000; i++) {
        CHECK_INT(nghttp2_submit_ping(rig.client.ng, NGHTTP2_FLAG_NONE, payload), 0);
        pump();
        if (i % 900 == 0)
            advance(S);
    }
    for (int i = 0; i < 3000; i++) {
        CHECK_INT(nghttp2_submit_ping(rig.client.ng, NGHTTP2_FLAG_NONE, payload), 0);
        if (i % 4 == 0)
            check_alive();
    }
    pump();
    CHECK_INT(rig.client.ping_acks, 6000);
    CHECK_INT(rig.client.goaways, 0);
    for (int i = 0; i < 1001; i++)
        CHECK_INT(nghttp2_submit_ping(rig.client.ng, NGHTTP2_FLAG_NONE, payload), 0);
    pump();
    CHECK_INT(rig.client.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    CHECK_CODE(zrpc_grpc_server_output(rig.server, &out, &rig.error), ZRPC_ERR_HTTP2);
    stop();
}

static void a_dead_client_is_noticed(void)
{
    start();
    pump();
    advance(10 * S);
    CHECK_INT(rig.client.pings, 1); /* the peer answered */
    CHECK_INT(zrpc_grpc_server_wakeup(rig.server), rig.now + 10 * S);
    rig.now += 10 * S;
    CHECK_OK(zrpc_grpc_server_tick(rig.server, rig.now, NULL));
    rig.now += 10 * S;
    CHECK_CODE(zrpc_grpc_server_tick(rig.server, rig.now, &rig.error), ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(rig.error.text, "keepalive");
    stop();
}

static void a_graceful_end_finishes_calls(void)
{
    struct h2peer_stream *s;

    start();
    rig.handling = HOLD;
    s = call(ping_headers, ping_hi);
    CHECK_OK(zrpc_grpc_server_shutdown(rig.server, rig.now, NULL));
    CHECK_OK(zrpc_grpc_server_shutdown(rig.server, rig.now, NULL));
    to_client();
    CHECK_INT(rig.client.goaways, 1);
    CHECK_INT(rig.client.goaway_last, INT32_MAX);
    to_server(); /* the answer to the PING */
    advance(0);
    CHECK_INT(rig.client.goaways, 2);
    CHECK_INT(rig.client.goaway_last, s->id);
    CHECK_INT(rig.client.goaway_error, NGHTTP2_NO_ERROR);
    CHECK(!zrpc_grpc_server_ended(rig.server));
    echo(rig.held[--rig.n_held]);
    pump();
    check_ok(s);
    CHECK(zrpc_grpc_server_ended(rig.server));
    stop();
}

static void a_graceful_end_does_not_wait_long_for_its_ping(void)
{
    start();
    pump();
    CHECK_OK(zrpc_grpc_server_shutdown(rig.server, rig.now, NULL));
    to_client();
    rig.now += S - 1;
    CHECK_OK(zrpc_grpc_server_tick(rig.server, rig.now, NULL));
    CHECK(!to_client());
    CHECK(!zrpc_grpc_server_ended(rig.server));
    rig.now++;
    CHECK_OK(zrpc_grpc_server_tick(rig.server, rig.now, NULL));
    CHECK(to_client());
    CHECK(zrpc_grpc_server_ended(rig.server));
    stop();
}

static void what_is_no_preface_is_refused(void)
{
    start();
    CHECK_CODE(zrpc_grpc_server_input(rig.server, rig.now, zrpc_view_of("GET / HTTP/1.1\r\n\r\n\r\n\r\n\r\n"),
                                      &rig.error),
               ZRPC_ERR_HTTP2);
    stop();
}

static void protocol_errors_are_announced(void)
{
    /* WINDOW_UPDATE of 0 on the connection */
    static const uint8_t frame[] = {0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct zrpc_view out;

    start();
    pump();
    CHECK_OK(zrpc_grpc_server_input(rig.server, rig.now, zrpc_view(frame, sizeof frame), NULL));
    pump();
    CHECK_INT(rig.client.goaways, 1);
    CHECK_INT(rig.client.goaway_error, NGHTTP2_PROTOCOL_ERROR);
    CHECK_CODE(zrpc_grpc_server_output(rig.server, &out, &rig.error), ZRPC_ERR_HTTP2);
    CHECK_CONTAINS(rig.error.text, "PROTOCOL_ERROR");
    CHECK(zrpc_grpc_server_ended(rig.server));
    stop();
}

static void noise_does_no_harm(void)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    uint64_t random = 1;

    for (int round = 0; round < 2000; round++) {
        uint8_t noise[300];
        struct zrpc_view out;

        start();
        CHECK_OK(zrpc_grpc_server_input(rig.server, rig.now, zrpc_view(preface, sizeof preface - 1), NULL));
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
        if (zrpc_grpc_server_input(rig.server, rig.now, zrpc_view(noise, sizeof noise), NULL) == 0) {
            handle_calls();
            CHECK_OK(zrpc_grpc_server_tick(rig.server, rig.now, NULL));
            while (zrpc_grpc_server_output(rig.server, &out, NULL) == 0 && out.len > 0)
                zrpc_grpc_server_sent(rig.server, out.len);
        }
        stop();
    }
}

static void streams_above_the_limit_are_refused(void)
{
    struct zrpc_grpc_server_options options = {.max_streams = 2};
    int32_t ids[3];

    /* Sent before our SETTINGS were seen. */
    start_with(options);
    rig.handling = HOLD;
    for (int i = 0; i < 3; i++)
        ids[i] = h2peer_request(&rig.client, ping_headers, ping_hi, false);
    pump();
    CHECK_INT(rig.n_held, 2);
    CHECK(h2peer_stream(&rig.client, ids[2])->reset);
    CHECK_INT(h2peer_stream(&rig.client, ids[2])->error, NGHTTP2_REFUSED_STREAM);
    echo(rig.held[--rig.n_held]);
    pump();
    check_alive();
    stop();
}

/*
 * Budget.
 */
/* Sixteen streams, messages of up to 256 KiB, and room for a few of them. */
#define SMALL (256u << 10)
static const struct zrpc_grpc_server_options small = {
    .max_streams = 16, .request_max = SMALL, .response_max = SMALL, .budget = 2u << 20};

/* A ping of `size` bytes, prefix included; the caller's to free. */
static struct zrpc_view make_ping(size_t size)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    struct zrpc_buf out = {0};
    char *text = calloc(1, size);

    memset(text, 'x', size - 9); /* prefix, tag, three bytes of length */
    req.message = text;
    CHECK_OK(zrpc_grpc_put_message(&req.base, SIZE_MAX, &out, NULL));
    CHECK_INT(out.len, size);
    free(text);
    return zrpc_buf_view(&out);
}

static void set_initial_window(uint32_t size)
{
    nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, size};

    CHECK_INT(nghttp2_submit_settings(rig.client.ng, NGHTTP2_FLAG_NONE, &entry, 1), 0);
    pump();
}

static size_t held(void)
{
    return zrpc_grpc_server_memory(rig.server).held;
}

static void check_bounded(void)
{
    struct zrpc_grpc_server_memory memory = zrpc_grpc_server_memory(rig.server);

    CHECK(memory.peak <= memory.budget);
    CHECK(memory.held <= memory.peak);
}

static void memory_is_bounded_whatever_is_left_unread(void)
{
    struct zrpc_view ping = make_ping(250000);
    unsigned reset = 0;
    int32_t ids[16];

    start_with(small);
    set_initial_window(0);
    for (int i = 0; i < 16; i++) {
        ids[i] = h2peer_request(&rig.client, ping_headers, ping, false);
        pump();
    }
    CHECK(held() > small.budget / 4); /* as much as there is room for beside the windows of sixteen streams */
    check_bounded();
    /* They wait for room, which comes when the client is taken to have lost interest. */
    for (int i = 0; i < 16 && held() > 0; i++)
        advance(ZRPC_GRPC_STALL_TIMEOUT_DEFAULT);
    check_bounded();
    CHECK_INT(held(), 0);
    for (int i = 0; i < 16; i++)
        reset += h2peer_stream(&rig.client, ids[i])->reset &&
                 h2peer_stream(&rig.client, ids[i])->error == NGHTTP2_ENHANCE_YOUR_CALM;
    CHECK_INT(reset, 16);
    CHECK_INT(rig.client.goaways, 0);
    set_initial_window(65535);
    check_alive();
    stop();
    free((void *)ping.data);
}

static void honest_clients_wait_and_are_not_refused(void)
{
    struct zrpc_view ping = make_ping(SMALL);
    int32_t ids[16];

    start_with(small);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 16; i++)
            ids[i] = h2peer_request(&rig.client, ping_headers, ping, false);
        pump();
        for (int i = 0; i < 16; i++) {
            CHECK_STR(h2peer_stream(&rig.client, ids[i])->trailers, "grpc-status: 0\n");
            CHECK_BYTES(zrpc_buf_view(&h2peer_stream(&rig.client, ids[i])->body), ping);
        }
    }
    check_bounded();
    CHECK_INT(held(), 0);
    stop();
    free((void *)ping.data);
}

static void half_requests_are_bounded_and_delay_no_small_ones(void)
{
    struct zrpc_view ping = make_ping(SMALL);
    int32_t ids[15];

    start_with(small);
    for (int i = 0; i < 15; i++) {
        ids[i] = h2peer_request(&rig.client, ping_headers, zrpc_view(ping.data, SMALL - 1), true);
        pump();
    }
    check_alive();
    check_bounded();
    advance(1000 * S); /* there is no hurry */
    check_alive();
    h2peer_reset(&rig.client, ids[0], NGHTTP2_CANCEL); /* the next one may send */
    for (int i = 1; i < 15; i++)
        h2peer_continue(&rig.client, ids[i], zrpc_view(ping.data + SMALL - 1, 1), false);
    pump();
    for (int i = 1; i < 15; i++)
        CHECK_STR(h2peer_stream(&rig.client, ids[i])->trailers, "grpc-status: 0\n");
    CHECK_INT(held(), 0);
    check_bounded();
    stop();
    free((void *)ping.data);
}

static void requests_are_given_up_with_their_handlers(void)
{
    struct zrpc_view ping = make_ping(SMALL);

    start_with(small);
    set_initial_window(0);
    rig.handling = HOLD;
    call(ping_headers, ping);
    CHECK_INT(rig.n_held, 1);
    CHECK(held() >= SMALL - 5);
    CHECK_OK(zrpc_grpc_server_finish(rig.server, rig.held[--rig.n_held], ZRPC_GRPC_OK, "",
                                     &(struct zrpc_buf){0}, NULL));
    CHECK_INT(held(), 0);
    stop();
    free((void *)ping.data);
}

static void finish_with(size_t i, size_t size)
{
    struct zrpc_buf response = {0};

    CHECK_OK(zrpc_buf_reserve(&response, size, NULL));
    memset(response.base, 0, size);
    zrpc_put_u32(response.base + 1, (uint32_t)(size - 5));
    response.len = size;
    CHECK_OK(zrpc_grpc_server_finish(rig.server, rig.held[i], ZRPC_GRPC_OK, "", &response, NULL));
    CHECK(response.base == NULL);
}

static void handlers_start_when_there_is_room_for_their_answers(void)
{
    int32_t ids[16];
    size_t taken = 0;

    start_with(small);
    set_initial_window(0);
    rig.handling = HOLD;
    for (int i = 0; i < 16; i++)
        ids[i] = h2peer_request(&rig.client, ping_headers, ping_hi, false);
    pump();
    while (rig.n_held > 0) {
        taken += rig.n_held;
        while (rig.n_held > 0)
            finish_with(--rig.n_held, SMALL);
        pump();
    }
    CHECK(taken >= 3 && taken < 8);
    check_bounded();
    set_initial_window(SMALL); /* now it reads */
    while (rig.n_held > 0) {
        taken += rig.n_held;
        while (rig.n_held > 0)
            finish_with(--rig.n_held, SMALL);
        pump();
    }
    CHECK_INT(taken, 16);
    for (int i = 0; i < 16; i++)
        CHECK_STR(h2peer_stream(&rig.client, ids[i])->trailers, "grpc-status: 0\n");
    check_bounded();
    stop();
}

static void large_responses_take_the_room_there_is(void)
{
    struct zrpc_grpc_server_options options = {
        .max_streams = 16, .request_max = SMALL, .response_max = 6u << 20, .budget = 16u << 20};
    struct h2peer_stream *first, *second, *third;

    start_with(options);
    set_initial_window(0);
    rig.handling = HOLD;
    first = call(ping_headers, ping_hi);
    second = call(ping_headers, ping_hi);
    third = call(ping_headers, ping_hi);
    CHECK_INT(rig.n_held, 3); /* there is room for three of 4 MiB */
    finish_with(0, 5u << 20);
    finish_with(1, 6u << 20);
    finish_with(2, 4u << 20); /* had its room all the time */
    rig.n_held = 0;
    pump();
    check_status(second, ZRPC_GRPC_RESOURCE_EXHAUSTED, "no room for the response");
    set_initial_window(65535);
    CHECK_STR(first->trailers, "grpc-status: 0\n");
    CHECK_INT(first->body.len, 5u << 20);
    CHECK_STR(third->trailers, "grpc-status: 0\n");
    check_bounded();
    CHECK_INT(held(), 0);
    check_alive();
    stop();
}

static void the_largest_messages_pass_with_the_least_budget(void)
{
    struct zrpc_grpc_server_options options = {
        .max_streams = 1, .request_max = 1u << 20, .response_max = 6u << 20, .budget = 1};
    struct zrpc_view ping = make_ping(1u << 20);
    struct h2peer_stream *s;

    start_with(options);
    rig.handling = HOLD;
    for (int i = 0; i < 3; i++) {
        s = call(ping_headers, ping);
        CHECK_INT(rig.n_held, 1);
        finish_with(0, (6u << 20) + 5);
        rig.n_held = 0;
        pump();
        CHECK_STR(s->trailers, "grpc-status: 0\n");
    }
    check_bounded();
    stop();
    free((void *)ping.data);
}

static void responses_without_window_are_reset(void)
{
    struct zrpc_grpc_server_options options = {.stall_timeout = 7 * S};
    struct h2peer_stream *s;

    start_with(options);
    set_initial_window(0);
    s = call(ping_headers, ping_hi);
    CHECK(zrpc_grpc_server_wakeup(rig.server) <= rig.now + 7 * S);
    advance(7 * S - 1);
    CHECK(!s->reset);
    CHECK_INT(nghttp2_submit_window_update(rig.client.ng, NGHTTP2_FLAG_NONE, s->id, 1), 0);
    to_server();
    to_client();
    CHECK_INT(s->body.len, 1);
    zrpc_buf_consume(&rig.client.output,
                     h2peer_output(&rig.client).len); /* it would widen the window again */
    advance(7 * S - 1);                               /* counts from that byte on */
    CHECK(!s->reset);
    CHECK_INT(zrpc_grpc_server_wakeup(rig.server), rig.now + 1);
    advance(1);
    CHECK(s->reset);
    CHECK_INT(s->error, NGHTTP2_ENHANCE_YOUR_CALM);
    CHECK_INT(zrpc_grpc_server_open_calls(rig.server), 0);
    set_initial_window(65535);
    check_alive();
    stop();
}

static void a_connection_without_window_resets_what_waits(void)
{
    struct zrpc_view ping = make_ping(30000);
    struct h2peer_stream *streams[3];

    start();
    pump();
    /* No more than 65535 bytes in all, for good. */
    CHECK_INT(nghttp2_session_set_local_window_size(rig.client.ng, NGHTTP2_FLAG_NONE, 0, 0), 0);
    streams[0] = call(ping_headers, ping);
    streams[1] = call(ping_headers, ping);
    advance(ZRPC_GRPC_STALL_TIMEOUT_DEFAULT / 2);
    streams[2] = call(ping_headers, ping);
    CHECK(streams[1]->end_stream && !streams[2]->end_stream);
    CHECK(streams[2]->body.len > 0);
    advance(ZRPC_GRPC_STALL_TIMEOUT_DEFAULT - 1);
    CHECK(!streams[2]->reset);
    advance(1);
    CHECK(streams[2]->reset);
    CHECK_INT(held(), 0);
    stop();
    free((void *)ping.data);
}

/* What comes is a PING now and then, so that it lives. */
static void a_client_that_does_not_read_is_given_up(void)
{
    static const uint8_t payload[8] = {1};
    struct zrpc_view out;
    int rc = 0;

    start();
    pump();
    for (int i = 0; i < 7 && rc == 0; i++) {
        CHECK_INT(nghttp2_submit_ping(rig.client.ng, NGHTTP2_FLAG_NONE, payload), 0);
        to_server();
        CHECK_OK(zrpc_grpc_server_output(rig.server, &out, NULL));
        CHECK(zrpc_grpc_server_wakeup(rig.server) <= rig.now + 10 * S);
        rig.now += 5 * S;
        rc = zrpc_grpc_server_tick(rig.server, rig.now, &rig.error);
        CHECK(i == 5 || rc == 0);
    }
    CHECK_CODE(rc, ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(rig.error.text, "has not read for 30 s");
    stop();
}

/*
 * Handlers.
 */
static void handlers_at_work_are_bounded(void)
{
    static const char *const prompt[] = {REQUEST_HEADERS("POST", "/Replication/Prompt", "application/grpc"),
                                         NULL};
    struct zrpc_grpc_server_options options = {.handlers_max = 2};
    struct h2peer_stream *streams[6];

    start_with(options);
    rig.handling = HOLD;
    for (int i = 0; i < 6; i++)
        streams[i] = call(ping_headers, ping_hi);
    CHECK_INT(rig.n_held, 2);
    check_ok(call(prompt, ping_hi)); /* overtakes those that wait */
    h2peer_reset(&rig.client, streams[2]->id, NGHTTP2_CANCEL);
    h2peer_reset(&rig.client, streams[5]->id, NGHTTP2_CANCEL);
    pump();
    CHECK_INT(zrpc_grpc_server_open_calls(rig.server), 4); /* what waited is gone at once */
    CHECK(zrpc_grpc_server_wakeup(rig.server) > rig.now);
    echo(rig.held[--rig.n_held]);
    CHECK(zrpc_grpc_server_wakeup(rig.server) <= rig.now);
    pump();
    CHECK_INT(rig.n_held, 2);
    rig.handling = ECHO;
    echo(rig.held[--rig.n_held]);
    echo(rig.held[--rig.n_held]);
    pump();
    check_ok(streams[0]);
    check_ok(streams[1]);
    check_ok(streams[3]);
    check_ok(streams[4]);
    CHECK_INT(rig.handled, 5);
    stop();
}

static void a_deadline_may_pass_before_a_calls_turn(void)
{
    static const char *const headers[] = {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"),
                                          "grpc-timeout", "1S", NULL};
    struct zrpc_grpc_server_options options = {.handlers_max = 1};
    struct h2peer_stream *s;

    start_with(options);
    rig.handling = HOLD;
    call(ping_headers, ping_hi);
    s = call(headers, ping_hi);
    CHECK_INT(rig.n_held, 1);
    advance(S);
    check_status(s, ZRPC_GRPC_DEADLINE_EXCEEDED, "deadline exceeded");
    CHECK_INT(zrpc_grpc_server_open_calls(rig.server), 1);
    echo(rig.held[--rig.n_held]);
    check_alive();
    CHECK_INT(rig.handled, 2);
    stop();
}

/*
 * Floods.
 */
/* The server wants no more of this client. */
static void check_ended(void)
{
    struct zrpc_view out;

    pump();
    CHECK_CODE(zrpc_grpc_server_output(rig.server, &out, &rig.error), ZRPC_ERR_HTTP2);
    CHECK_CONTAINS(rig.error.text, "ENHANCE_YOUR_CALM");
}

/* And the client knows. */
static void check_calmed(void)
{
    check_ended();
    CHECK_INT(rig.client.goaways, 1);
    CHECK_INT(rig.client.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void open_and_reset(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int32_t id = h2peer_request(&rig.client, ping_headers, ping_hi, false);

        to_server();
        h2peer_reset(&rig.client, id, NGHTTP2_CANCEL);
        to_server();
    }
    pump();
}

static void rapid_resets_end_the_connection(void)
{
    start();
    pump();
    for (int i = 0; i < 5; i++) {
        open_and_reset(400);
        CHECK_INT(zrpc_grpc_server_open_calls(rig.server), 0);
        advance(S);
    }
    CHECK_INT(rig.client.goaways, 0);
    check_alive();
    open_and_reset(501);
    check_calmed();
    stop();
}

static void provoked_resets_end_the_connection(void)
{
    static const char *const malformed[] = {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"),
                                            "connection", "close", NULL};

    start();
    pump();
    for (int i = 0; i < 501; i++)
        call(malformed, ping_hi);
    check_calmed();
    stop();
}

/* The same frame many times. */
static void send_raw(const uint8_t *frame, size_t len, unsigned times)
{
    for (unsigned i = 0; i < times && rig.input_rc == 0; i++)
        rig.input_rc = zrpc_grpc_server_input(rig.server, rig.now, zrpc_view(frame, len), &rig.error);
}

static void frames_that_carry_nothing_end_the_connection(void)
{
    static const uint8_t settings[] = {0, 0, 0, NGHTTP2_SETTINGS, 0, 0, 0, 0, 0};
    static const uint8_t empty[] = {0, 0, 0, NGHTTP2_DATA, 0, 0, 0, 0, 1};
    static const uint8_t padded[] = {0, 0, 2, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 0, 0, 0, 1, 1, 0};
    static const uint8_t priority[] = {0, 0, 5, NGHTTP2_PRIORITY, 0, 0, 0, 0, 1, 0, 0, 0, 0, 7};
    static const uint8_t window[] = {0, 0, 4, NGHTTP2_WINDOW_UPDATE, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    static const struct {
        const uint8_t *frame;
        size_t len;
    } rows[] = {{settings, sizeof settings},
                {empty, sizeof empty},
                {padded, sizeof padded},
                {priority, sizeof priority},
                {window, sizeof window}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start();
        h2peer_request(&rig.client, ping_headers, zrpc_view("", 0), true);
        pump();
        for (int second = 0; second < 3; second++) {
            send_raw(rows[i].frame, rows[i].len, 900);
            advance(S);
        }
        CHECK_INT(rig.client.goaways, 0);
        for (int n = 0; n < 11; n++) {
            send_raw(rows[i].frame, rows[i].len, 100);
            pump();
        }
        check_ended();
        stop();
    }
}

/* A large answer, a byte at a time. */
static void dribbled_windows_end_the_connection(void)
{
    static const uint8_t window[] = {0, 0, 4, NGHTTP2_WINDOW_UPDATE, 0, 0, 0, 0, 1, 0, 0, 0, 1};
    struct zrpc_view ping = make_ping(20000);

    start();
    set_initial_window(0);
    call(ping_headers, ping);
    for (int i = 0; i < 3000; i++) {
        send_raw(window, sizeof window, 1);
        to_client();
        if (i % 900 == 0)
            rig.now += S;
    }
    CHECK_INT(rig.client.goaways, 0);
    for (int i = 0; i < 1100; i++) {
        send_raw(window, sizeof window, 1);
        to_client();
    }
    check_ended();
    stop();
    free((void *)ping.data);
}

static void a_flood_of_continuations_ends_the_connection(void)
{
    static const uint8_t headers[] = {0, 0, 1, NGHTTP2_HEADERS, 0, 0, 0, 0, 1, 0x83};
    static const uint8_t continuation[] = {0, 0, 1, NGHTTP2_CONTINUATION, 0, 0, 0, 0, 1, 0x86};

    start();
    pump();
    send_raw(headers, sizeof headers, 1);
    send_raw(continuation, sizeof continuation, 1000);
    pump();
    CHECK(rig.input_rc < 0 || rig.client.goaways == 1);
    stop();
}

/* Such a client has its connection, as any idle one may, and nothing besides; silence ends it. */
static void headers_that_drip_cost_nothing(void)
{
    static const uint8_t headers[] = {0, 0x40, 0, NGHTTP2_HEADERS, 0, 0, 0, 0, 1};
    int rc = 0;

    start();
    pump();
    send_raw(headers, sizeof headers, 1);
    for (int i = 0; i < 1000; i++) {
        send_raw((const uint8_t[]){0x83}, 1, 1); /* :method POST, again and again */
        advance(5 * S);
    }
    CHECK_INT(held(), 0);
    CHECK_INT(rig.client.goaways, 0);
    for (int i = 0; i < 5 && rc == 0; i++) {
        rig.now += 5 * S;
        rc = zrpc_grpc_server_tick(rig.server, rig.now, &rig.error);
        to_client();
    }
    CHECK_CODE(rc, ZRPC_ERR_TIMEOUT);
    stop();
}

static void answers_that_nobody_reads_are_bounded(void)
{
    static const char *const unknown[] = {REQUEST_HEADERS("POST", "/Replication/Nothing", "application/grpc"),
                                          NULL};
    unsigned i;

    start();
    pump();
    for (i = 0; i < 20000 && rig.input_rc == 0; i++) {
        int32_t id = h2peer_request(&rig.client, unknown, ping_hi, false);

        to_server();
        h2peer_reset(&rig.client, id, NGHTTP2_CANCEL);
        to_server();
        if (i % 400 == 0)
            rig.now += S;
    }
    CHECK_CODE(rig.input_rc, ZRPC_ERR_LIMIT);
    CHECK(i > 1000 && i < 6000);
    stop();
}

/*
 * What RFC 9113 calls malformed, beyond the header block.
 */
static void content_is_as_long_as_it_says(void)
{
    static const struct {
        const char *length;
        size_t len;
        bool ok;
    } rows[] = {{"9", 9, true}, {"10", 9, false}, {"8", 9, false}, {"0", 9, false}, {"x", 9, false}};

    start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const headers[] = {REQUEST_HEADERS("POST", "/Replication/Ping", "application/grpc"),
                                       "content-length", rows[i].length, NULL};
        const struct h2peer_stream *s = call(headers, zrpc_view(ping_hi.data, rows[i].len));

        if (rows[i].ok)
            check_ok(s);
        else
            CHECK_INT(s->error, NGHTTP2_PROTOCOL_ERROR);
        CHECK_INT(rig.handled, 1);
    }
    check_alive();
    stop();
}

static void malformed_trailers_are_reset(void)
{
    static const char *const rows[][3] = {
        {":path", "/Replication/Ping", NULL}, {"X-Upper", "1", NULL}, {"connection", "close", NULL}};

    start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int32_t id = h2peer_request(&rig.client, ping_headers, ping_hi, true);

        h2peer_stream(&rig.client, id)->out_trailers = rows[i];
        h2peer_continue(&rig.client, id, zrpc_view("", 0), false);
        pump();
        CHECK_INT(h2peer_stream(&rig.client, id)->error, NGHTTP2_PROTOCOL_ERROR);
    }
    CHECK_INT(rig.handled, 0);
    check_alive();
    stop();
}

static const struct zrpc_test tests[] = {
    {"a call is answered", a_call_is_answered},
    {"bytes in any portions", bytes_in_any_portions},
    {"any :authority is accepted", any_authority_is_accepted},
    {"unknown metadata is ignored", unknown_metadata_is_ignored},
    {"refused requests", refused_requests},
    {"malformed requests are reset", malformed_requests_are_reset},
    {"malformed messages", malformed_messages},
    {"errors are percent-encoded", errors_are_percent_encoded},
    {"a deadline cancels the handler", a_deadline_cancels_the_handler},
    {"a deadline of zero has passed", a_deadline_of_zero_has_passed},
    {"a reset cancels the handler", a_reset_cancels_the_handler},
    {"calls cancelled before their turn are dropped", calls_cancelled_before_their_turn_are_dropped},
    {"a missing END_STREAM is waited for a moment", a_missing_end_is_waited_for_a_moment},
    {"a second message is refused", a_second_message_is_refused},
    {"trailers of a request are ignored", trailers_of_a_request_are_ignored},
    {"big messages pass, bigger ones are refused", big_messages_pass_and_bigger_ones_are_refused},
    {"header lists are bounded", header_lists_are_bounded},
    {"PINGs are answered for ever", pings_are_answered_for_ever},
    {"a flood of PINGs ends the connection", a_flood_of_pings_ends_the_connection},
    {"a dead client is noticed", a_dead_client_is_noticed},
    {"a graceful end finishes calls", a_graceful_end_finishes_calls},
    {"a graceful end does not wait long for its PING", a_graceful_end_does_not_wait_long_for_its_ping},
    {"what is no preface is refused", what_is_no_preface_is_refused},
    {"protocol errors are announced", protocol_errors_are_announced},
    {"noise does no harm", noise_does_no_harm},
    {"streams above the limit are refused", streams_above_the_limit_are_refused},
    {"memory is bounded whatever is left unread", memory_is_bounded_whatever_is_left_unread},
    {"honest clients wait and are not refused", honest_clients_wait_and_are_not_refused},
    {"half requests are bounded and delay no small ones", half_requests_are_bounded_and_delay_no_small_ones},
    {"requests are given up with their handlers", requests_are_given_up_with_their_handlers},
    {"handlers start when there is room for their answers",
     handlers_start_when_there_is_room_for_their_answers},
    {"large responses take the room there is", large_responses_take_the_room_there_is},
    {"the largest messages pass with the least budget", the_largest_messages_pass_with_the_least_budget},
    {"responses without window are reset", responses_without_window_are_reset},
    {"a connection without window resets what waits", a_connection_without_window_resets_what_waits},
    {"a client that does not read is given up", a_client_that_does_not_read_is_given_up},
    {"handlers at work are bounded", handlers_at_work_are_bounded},
    {"a deadline may pass before a calls turn", a_deadline_may_pass_before_a_calls_turn},
    {"rapid resets end the connection", rapid_resets_end_the_connection},
    {"provoked resets end the connection", provoked_resets_end_the_connection},
    {"frames that carry nothing end the connection", frames_that_carry_nothing_end_the_connection},
    {"dribbled windows end the connection", dribbled_windows_end_the_connection},
    {"a flood of continuations ends the connection", a_flood_of_continuations_ends_the_connection},
    {"headers that drip cost nothing", headers_that_drip_cost_nothing},
    {"answers that nobody reads are bounded", answers_that_nobody_reads_are_bounded},
    {"content is as long as it says", content_is_as_long_as_it_says},
    {"malformed trailers are reset", malformed_trailers_are_reset},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("grpc_server", tests, argc, argv);
}
