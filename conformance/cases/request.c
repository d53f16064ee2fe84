/*
 * Data requests, as a server: proto/SPEC.md sections 9.1 and 9.2.
 */
#include "conformance/cases/cases.h"
#include "conformance/transfer.h"

static const struct zrpc_view nothing = {.data = NULL, .len = 0};

static void echo(struct zrpc_run *run, const char *text)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_ping(p, text);
    zrpc_expect_pong(p, text);
}

static void ping(struct zrpc_run *run)
{
    echo(run, "hello, world");
}

static void ping_unicode(struct zrpc_run *run)
{
    echo(run, "Grüße, 世界! \xf0\x9f\x90\xa7 100% \x01\x7f \"quoted\" \\ line\r\nbreak \xef\xbf\xbf");
}

/* A ping whose encoded request is exactly that long. */
static void ping_of_length(struct zrpc_run *run, size_t len)
{
    size_t varint = len < 1 + 1 + 128 ? 1 : len < 1 + 2 + 16384 ? 2 : len < 1 + 3 + 2097152 ? 3 : 4;
    size_t text_len = len - 1 - varint;
    char *text = zrpc_run_alloc(run, text_len + 1);

    if (text == NULL)
        return;
    for (size_t i = 0; i < text_len; i++)
        text[i] = (char)('A' + i * 31 % 53);
    echo(run, text);
}

static void ping_large(struct zrpc_run *run)
{
    ping_of_length(run, 1 << 20);
}

static void ping_largest(struct zrpc_run *run)
{
    zrpc_run_step(run, "a request of exactly 4194304 bytes");
    ping_of_length(run, 4 << 20);
}

/*
 * Limits: one byte too many and then only heartbeats, so that the refusal cannot be a timeout.
 */
static void send_much(struct zrpc_peer *p, uint32_t type, size_t len)
{
    zrpc_peer_send_content(p, type, zrpc_run_bytes(p->run, len));
}

static void expect_refused(struct zrpc_peer *p)
{
    p->heartbeat_every = zrpc_run_timing(p->run)->heartbeat_interval / 5;
    zrpc_expect(p, ZRPC_OUT_REFUSAL | ZRPC_OUT_CLOSED, zrpc_run_timing(p->run)->prompt);
    zrpc_expect_service(p->run);
}

static void header_too_long(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    send_much(p, 1, 32769);
    expect_refused(p);
}

static void header_too_long_and_whole(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    send_much(p, 1, 100000);
    zrpc_peer_send_end(p);
    zrpc_peer_send_stream(p, 2, nothing);
    expect_refused(p);
}

static void body_too_long(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_peer_send_stream(p, 1, zrpc_view_of("/v1/ping"));
    send_much(p, 2, (4 << 20) + 1);
    expect_refused(p);
}

static void body_too_long_and_whole(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);
    struct zrpc_buf body = {0};

    zrpc_run_step(run, "a valid PingReq, but of 5 MiB");
    zrpc_peer_send_stream(p, 1, zrpc_view_of("/v1/ping"));
    if (zrpc_buf_append(&body, zrpc_view("\x0a\x80\x80\xc0\x02", 5), NULL) == 0 &&
        zrpc_buf_append(&body, zrpc_run_bytes(run, 5 << 20), NULL) == 0) {
        memset(body.base + body.off + 5, 'x', 5 << 20);
        zrpc_peer_send_stream(p, 2, zrpc_buf_view(&body));
    }
    zrpc_buf_dispose(&body);
    expect_refused(p);
}

static void header_at_limit(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);
    char *name = zrpc_run_alloc(run, 32768 + 1);

    if (name == NULL)
        return;
    memset(name, '/', 32768);
    zrpc_run_step(run, "an endpoint's name of exactly 32768 bytes: long enough to be read, but unknown");
    zrpc_request(p, name, nothing);
    zrpc_expect(p, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
}

/*
 * Endpoints
 */
static void unknown_endpoint(struct zrpc_run *run)
{
    static const char *const names[] = {"/v1/unknown", "/v1/ping/", "/v1/pin",    "/v1/pingg", "/V1/PING",
                                        "v1/ping",     " /v1/ping", "/v1/ping\n", "/v2/ping",  ""};
    struct zrpc_peer *p;

    for (size_t i = 0; i < sizeof names / sizeof names[0] && zrpc_run_going(run); i++) {
        p = zrpc_peer_data(run);
        zrpc_request(p, names[i], nothing);
        zrpc_expect(p, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
        zrpc_peer_drop(p);
    }
}

static void endpoint_with_zero(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_peer_send_stream(p, 1, zrpc_view("/v1/ping\0", 9));
    zrpc_peer_send_stream(p, 2, nothing);
    zrpc_expect(p, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
}

static void unknown_endpoint_text(struct zrpc_run *run)
{
    static const char wanted[] = "HANDLER ERROR:\nrequested endpoint does not exist";
    struct zrpc_peer *p = zrpc_peer_data(run);
    const struct zrpc_answer *a;

    zrpc_request(p, "/v1/unknown", nothing);
    a = zrpc_expect(p, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
    if (!zrpc_view_equal(zrpc_buf_view(&a->header), zrpc_view_of(wanted)))
        zrpc_run_fail(run, wanted, "%.*s", (int)zrpc_utf8_prefix(zrpc_buf_view(&a->header), 200).len,
                      (const char *)zrpc_buf_view(&a->header).data);
}

/*
 * Protocol buffers
 */
static void undecodable(struct zrpc_run *run)
{
    static const struct {
        const char *endpoint;
        struct zrpc_view body;
    } requests[] = {
        {"/v1/ping", {(const uint8_t *)"\xff\xff\xff\xff", 4}},
        {"/v1/ping", {(const uint8_t *)"\x0a\x7fshort", 7}},
        {"/v1/send", {(const uint8_t *)"\x0a\x05zr", 4}},
        {"/v1/send", {(const uint8_t *)"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7fx", 11}},
        {"/v1/recv", {(const uint8_t *)"\x0b\x0b\x0b", 3}},
    };
    struct zrpc_peer *p;

    for (size_t i = 0; i < sizeof requests / sizeof requests[0] && zrpc_run_going(run); i++) {
        p = zrpc_peer_data(run);
        zrpc_request(p, requests[i].endpoint, requests[i].body);
        zrpc_expect(p, ZRPC_OUT_REFUSAL | ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt);
        zrpc_peer_drop(p);
    }
    zrpc_expect_service(run);
}

static void not_utf8(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request(p, "/v1/ping", zrpc_view("\x0a\x03\xff\xfe!", 5));
    zrpc_expect(p, ZRPC_OUT_REFUSAL | ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt);
}

static void unknown_fields(struct zrpc_run *run)
{
    static const char body[] =
        "\x0a\x05known"             /* 1: "known" */
        "\x78\x2a"                  /* 15: varint 42 */
        "\xa2\x06\x03new"           /* 100: "new" */
        "\xa9\x06\1\2\3\4\5\6\7\x8" /* 101: fixed64 */
        "\xb5\x06\1\2\3\4";         /* 102: fixed32 */
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request(p, "/v1/ping", zrpc_view(body, sizeof body - 1));
    zrpc_expect_pong(p, "known");
}

/*
 * Steps out of order
 */
static void wrong_first_type(struct zrpc_run *run)
{
    static const uint32_t types[] = {2, 3, 5, 0, 6, 0x00100001, 0x0000ffff};
    struct zrpc_peer *p;

    for (size_t i = 0; i < sizeof types / sizeof types[0] && zrpc_run_going(run); i++) {
        p = zrpc_peer_data(run);
        zrpc_peer_send_stream(p, types[i], zrpc_view_of("/v1/ping"));
        zrpc_peer_send_stream(p, 2, nothing);
        zrpc_expect(p, ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt);
        zrpc_peer_drop(p);
    }
    zrpc_expect_service(run);
}

static void wrong_second_type(struct zrpc_run *run)
{
    static const uint32_t types[] = {1, 4, 5, 0x00200002};
    struct zrpc_peer *p;

    for (size_t i = 0; i < sizeof types / sizeof types[0] && zrpc_run_going(run); i++) {
        p = zrpc_peer_data(run);
        zrpc_peer_send_stream(p, 1, zrpc_view_of("/v1/ping"));
        zrpc_peer_send_stream(p, types[i], zrpc_view("\n\2hi", 4));
        zrpc_expect(p, ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt);
        zrpc_peer_drop(p);
    }
    zrpc_expect_service(run);
}

static void unfinished(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_peer_send_stream(p, 1, zrpc_view_of("/v1/ping"));
    zrpc_peer_send_frame(p, 2, zrpc_view("\n\2hi", 4));
    zrpc_run_step(run, "the end of the byte stream instead of the end frame");
    zrpc_peer_half_close(p);
    zrpc_expect(p, ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt);
}

static void one_is_served(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);
    struct zrpc_buf both = {0};

    zrpc_run_step(run, "two requests in one write: the first is answered, then the target shuts down");
    zrpc_put_ping(&both, "first");
    zrpc_put_ping(&both, "second");
    zrpc_peer_send(p, zrpc_buf_view(&both));
    zrpc_buf_dispose(&both);
    zrpc_expect_pong(p, "first");
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
}

static void one_after_the_other(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_ping(p, "first");
    zrpc_expect_pong(p, "first");
    zrpc_request_ping(p, "second");
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
}

/*
 * Handler errors
 */
static void handler_error(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_REFUSED);
    struct zrpc_peer *p = zrpc_peer_data(run);
    const struct zrpc_answer *a;

    zrpc_request_send(p, offer, false);
    a = zrpc_expect(p, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
    if (!zrpc_utf8_valid(zrpc_buf_view(&a->header)))
        zrpc_run_fail(run, "an error text in UTF-8", "%zu bytes that are not", a->header.len);
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
}

/* Where the profile knows of no long text: a name so long that an error which quotes it is too. */
static void long_handler_error(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = &run->profile->offers[ZRPC_OFFER_SEND_VERBOSE];
    struct zrpc_offer invented = {
        .present = true, .filesystem = zrpc_run_alloc(run, 60001), .to = (char *)"@1"};
    struct zrpc_peer *p = zrpc_peer_data(run);
    const struct zrpc_answer *a;

    if (invented.filesystem == NULL)
        return;
    for (size_t i = 0; i < 60000; i += 3)
        memcpy(invented.filesystem + i, "\xe2\x9c\x97", 3);
    zrpc_request_send(p, offer->present ? offer : &invented, false);
    a = zrpc_expect(p, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
    if (a->header.len > 32768 || !zrpc_utf8_valid(zrpc_buf_view(&a->header)))
        zrpc_run_fail(run, "at most 32768 bytes of UTF-8, cut between characters", "%zu bytes%s",
                      a->header.len, zrpc_utf8_valid(zrpc_buf_view(&a->header)) ? "" : " that are not UTF-8");
}

static const char pong_legal[] = "HANDLER OK, a PingRes with the same text";
static const char refused_legal[] = "a handler error or the end of the connection, promptly";

static const struct zrpc_case cases[] = {
    {
        .id = "request.ping",
        .title = "A ping is answered with its text",
        .requirements = {"ZR-REQ-009", "ZR-MSG-006", "ZR-MSG-001", "ZR-FRAME-001", "ZR-STREAM-001",
                         "ZR-STREAM-007"},
        .legal = pong_legal,
        .budget = 30,
        .run = ping,
    },
    {
        .id = "request.ping-unicode",
        .title = "A ping's text of any UTF-8 comes back byte for byte",
        .requirements = {"ZR-MSG-006"},
        .legal = pong_legal,
        .budget = 30,
        .run = ping_unicode,
    },
    {
        .id = "request.ping-large",
        .title = "A ping of 1 MiB is answered, in frames of at most 2^19 bytes",
        .requirements = {"ZR-MSG-006", "ZR-FRAME-009", "ZR-STREAM-002"},
        .legal = pong_legal,
        .budget = 30,
        .run = ping_large,
    },
    {
        .id = "request.ping-largest",
        .title = "A request of exactly 4194304 bytes is accepted",
        .requirements = {"ZR-REQ-020", "ZR-MSG-006"},
        .legal = pong_legal,
        .budget = 30,
        .run = ping_largest,
    },
    {
        .id = "request.header-too-long",
        .title = "A request header is refused at its 32769th byte",
        .requirements = {"ZR-REQ-017"},
        .legal = refused_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 30,
        .run = header_too_long,
    },
    {
        .id = "request.header-too-long-and-whole",
        .title = "A complete request header of 100000 bytes is refused",
        .requirements = {"ZR-REQ-017"},
        .legal = refused_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 30,
        .run = header_too_long_and_whole,
    },
    {
        .id = "request.body-too-long",
        .title = "A request is refused at its 4194305th byte",
        .requirements = {"ZR-REQ-018"},
        .legal = refused_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = body_too_long,
    },
    {
        .id = "request.body-too-long-and-whole",
        .title = "A complete request of 5 MiB is refused",
        .requirements = {"ZR-REQ-018"},
        .legal = refused_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = body_too_long_and_whole,
    },
    {
        .id = "request.header-at-limit",
        .title = "A request header of exactly 32768 bytes is read",
        .requirements = {"ZR-REQ-020", "ZR-REQ-013"},
        .legal = "a handler error: no such endpoint",
        .budget = 30,
        .run = header_at_limit,
    },
    {
        .id = "request.unknown-endpoint",
        .title = "An endpoint that is not byte for byte a known one is a handler error",
        .requirements = {"ZR-REQ-013"},
        .legal = "a handler error, before or after the request's second message",
        .budget = 60,
        .run = unknown_endpoint,
    },
    {
        .id = "request.endpoint-with-zero",
        .title = "An endpoint with a zero byte behind it is unknown",
        .requirements = {"ZR-REQ-013"},
        .legal = "a handler error",
        .budget = 30,
        .run = endpoint_with_zero,
    },
    {
        .id = "request.unknown-endpoint-text",
        .title = "The error of an unknown endpoint has zrepl's text",
        .requirements = {"ZR-REQ-014"},
        .level = ZRPC_SHOULD,
        .legal = "\"requested endpoint does not exist\"",
        .budget = 30,
        .run = unknown_endpoint_text,
    },
    {
        .id = "request.undecodable",
        .title = "A request that does not decode fails, and the server lives on",
        .requirements = {"ZR-REQ-016"},
        .legal = refused_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = undecodable,
    },
    {
        .id = "request.not-utf8",
        .title = "A string that is not UTF-8 is treated as undecodable",
        .requirements = {"ZR-MSG-029"},
        .level = ZRPC_SHOULD,
        .legal = refused_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 30,
        .run = not_utf8,
    },
    {
        .id = "request.unknown-fields",
        .title = "Fields with unknown numbers are ignored",
        .requirements = {"ZR-MSG-003"},
        .legal = pong_legal,
        .budget = 30,
        .run = unknown_fields,
    },
    {
        .id = "request.wrong-first-type",
        .title = "A first message of another type than 1 is a protocol error",
        .requirements = {"ZR-REQ-005", "ZR-STREAM-015"},
        .legal = "the end of the connection, promptly; no answer",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = wrong_first_type,
    },
    {
        .id = "request.wrong-second-type",
        .title = "A second message of another type than 2 is a protocol error",
        .requirements = {"ZR-REQ-005", "ZR-STREAM-015"},
        .legal = "the end of the connection, promptly; no answer",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = wrong_second_type,
    },
    {
        .id = "request.unfinished",
        .title = "A request without its last end frame is not served",
        .requirements = {"ZR-REQ-006", "ZR-STREAM-017"},
        .legal = "the end of the connection, promptly; no answer",
        .budget = 30,
        .run = unfinished,
    },
    {
        .id = "request.one-is-served",
        .title = "Of two requests on a connection only the first is served",
        .requirements = {"ZR-REQ-007", "ZR-REQ-034"},
        .legal = "the first ping's answer, an RST frame, the end of the byte stream",
        .budget = 30,
        .run = one_is_served,
    },
    {
        .id = "request.one-after-the-other",
        .title = "A second request after the first one's answer is not served",
        .requirements = {"ZR-REQ-007", "ZR-REQ-034"},
        .legal = "the first ping's answer, an RST frame, the end of the byte stream",
        .budget = 30,
        .run = one_after_the_other,
    },
    {
        .id = "request.handler-error",
        .title = "A handler's error is HANDLER ERROR and a text, and only the shutdown follows",
        .requirements = {"ZR-REQ-011", "ZR-REQ-034", "ZR-MSG-027"},
        .legal = "HANDLER ERROR and a text, an RST frame, the end of the byte stream",
        .budget = 30,
        .run = handler_error,
    },
    {
        .id = "request.long-handler-error",
        .title = "A handler's error above 32768 bytes is cut between characters",
        .requirements = {"ZR-REQ-012"},
        .legal = "HANDLER ERROR and a text of at most 32768 bytes together",
        .budget = 30,
        .run = long_handler_error,
    },
};

const struct zrpc_area zrpc_area_request = {
    .name = "request",
    .title = "data requests and their answers, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_DATA,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
