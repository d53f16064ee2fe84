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
};
static const struct zrpc_grpc_service services[] = {{.methods = methods, .n_methods = 1}};

/* What the test does with the calls that the server yields. */
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
        if (rig.handling == HOLD)
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
    static const char *const no_path[] = {REQUEST_HEADERS("POST", "", "application/grpc"), NULL};
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
        {no_path, ZRPC_GRPC_UNIMPLEMENTED, ":status: 200\n"},
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
    /* What the limit on incomplete requests counts is given back. */
    zrpc_put_u32(body + 1, (uint32_t)size);
    for (size_t sent = 0; sent <= ZRPC_GRPC_BUFFERED_MAX; sent += size)
        CHECK_STR(call(ping_headers, zrpc_view(body, size + ZRPC_GRPC_PREFIX_LEN))->trailers,
                  "grpc-status: 0\n");
    stop();
    free(body);
}

static void many_half_requests_are_bounded(void)
{
    size_t size = 2u << 20, refused = 0;
    uint8_t *body = calloc(1, size);
    int32_t ids[50];

    start();
    zrpc_put_u32(body + 1, (uint32_t)size);
    for (size_t i = 0; i < 50; i++) {
        ids[i] = h2peer_request(&rig.client, ping_headers, zrpc_view(body, size), true);
        pump();
    }
    for (size_t i = 0; i < 50; i++)
        refused += h2peer_stream(&rig.client, ids[i])->end_stream;
    CHECK_INT(refused, 50 - ZRPC_GRPC_BUFFERED_MAX / size);
    for (size_t i = 0; i < 50; i++)
        h2peer_reset(&rig.client, ids[i], NGHTTP2_CANCEL);
    pump();
    CHECK_INT(zrpc_grpc_server_open_calls(rig.server), 0);
    check_alive();
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
        if (i % 900 == 0)
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
    {"many half requests are bounded", many_half_requests_are_bounded},
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
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("grpc_server", tests, argc, argv);
}
