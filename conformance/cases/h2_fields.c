/*
 * Malformed requests: header lists, trailers and lengths as RFC 9113 does not allow them, to a server:
 * proto/SPEC.md section 11.1, ZR-H2-021 to ZR-H2-024.
 *
 * Cases are rows of a table: a request that is right but for one thing. A case finds its row by its id.
 */
#include "conformance/cases/cases.h"
#include "conformance/control.h"

#define FIELDS_MAX 10

struct request {
    const char *id;
    struct zrpc_h2_nv headers[FIELDS_MAX];
    struct zrpc_h2_nv trailers[3]; /* where there are any */
};

#define METHOD            \
    {                     \
        ":method", "POST" \
    }
#define SCHEME            \
    {                     \
        ":scheme", "http" \
    }
#define PATH                         \
    {                                \
        ":path", "/Replication/Ping" \
    }
#define AUTHORITY                        \
    {                                    \
        ":authority", "zrpc-conformance" \
    }
#define TYPE                               \
    {                                      \
        "content-type", "application/grpc" \
    }
#define TE               \
    {                    \
        "te", "trailers" \
    }
#define RIGHT METHOD, SCHEME, PATH, AUTHORITY, TYPE

/* The message behind each: a PingReq "malformed", 16 bytes with its prefix. */
static const char text[] = "malformed";

static const struct request requests[] = {
    {"no-method", {SCHEME, PATH, AUTHORITY, TYPE, TE}, {{0}}},
    {"no-scheme", {METHOD, PATH, AUTHORITY, TYPE, TE}, {{0}}},
    {"no-path", {METHOD, SCHEME, AUTHORITY, TYPE, TE}, {{0}}},
    {"empty-path", {METHOD, SCHEME, {":path", ""}, AUTHORITY, TYPE, TE}, {{0}}},
    {"two-methods", {METHOD, RIGHT, TE}, {{0}}},
    {"two-schemes", {SCHEME, RIGHT, TE}, {{0}}},
    {"two-paths", {PATH, RIGHT, TE}, {{0}}},
    {"late-pseudo", {METHOD, SCHEME, AUTHORITY, TYPE, PATH, TE}, {{0}}},
    {"unknown-pseudo", {RIGHT, {":unknown", "x"}, TE}, {{0}}},
    {"unknown-pseudo-first", {{":unknown", "x"}, RIGHT, TE}, {{0}}},
    {"status", {{":status", "200"}, RIGHT, TE}, {{0}}},
    {"trailer-pseudo", {RIGHT, TE}, {{":path", "/Replication/Ping"}}},
    {"upper-case", {RIGHT, TE, {"X-Upper", "x"}}, {{0}}},
    {"blank-in-name", {RIGHT, TE, {"x name", "x"}}, {{0}}},
    {"line-in-value", {RIGHT, TE, {"x-line", "one\r\ntwo"}}, {{0}}},
    {"upper-case-trailer", {RIGHT, TE}, {{"X-Upper", "x"}}},
    {"connection", {RIGHT, TE, {"connection", "keep-alive"}}, {{0}}},
    {"keep-alive", {RIGHT, TE, {"keep-alive", "timeout=5"}}, {{0}}},
    {"proxy-connection", {RIGHT, TE, {"proxy-connection", "keep-alive"}}, {{0}}},
    {"transfer-encoding", {RIGHT, TE, {"transfer-encoding", "chunked"}}, {{0}}},
    {"upgrade", {RIGHT, TE, {"upgrade", "h2c"}}, {{0}}},
    {"te", {RIGHT, {"te", "trailers, deflate"}}, {{0}}},
    {"length-too-small", {RIGHT, TE, {"content-length", "15"}}, {{0}}},
    {"length-too-large", {RIGHT, TE, {"content-length", "17"}}, {{0}}},
    {"length-no-number", {RIGHT, TE, {"content-length", "sixteen"}}, {{0}}},
    {"length", {RIGHT, TE, {"content-length", "16"}}, {{0}}},
};

static const struct request *request_of(struct zrpc_run *run)
{
    const char *id = strchr(run->tc->id, '.') + 1;

    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        if (strcmp(requests[i].id, id) == 0)
            return &requests[i];
    zrpc_run_inconclusive(run, "no request of that name");
    return &requests[0];
}

static void send_list(struct zrpc_h2 *h, const struct zrpc_h2_call *call, const struct zrpc_h2_nv *list,
                      uint8_t flags)
{
    struct zrpc_buf block = {0};

    zrpc_h2_put_literals(list, &block);
    zrpc_h2_send(h, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | flags, call->stream, zrpc_buf_view(&block));
    zrpc_buf_dispose(&block);
}

static struct zrpc_h2_call *send_request(struct zrpc_h2 *h, const struct request *r)
{
    static const char message[] = "\0\0\0\0\x0b\x0a\x09malformed";
    bool trailers = r->trailers[0].name != NULL;
    struct zrpc_h2_call *call = zrpc_h2_new_call(h, 0);

    send_list(h, call, r->headers, 0);
    zrpc_h2_send_data(h, call, zrpc_view(message, sizeof message - 1), 0, !trailers);
    if (trailers)
        send_list(h, call, r->trailers, NGHTTP2_FLAG_END_STREAM);
    return call;
}

static void malformed(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_expect_call(h, send_request(h, request_of(run)),
                     ZRPC_CALL_RESET | ZRPC_CALL_HTTP | ZRPC_CALL_STATUS | ZRPC_CALL_CLOSED, ZRPC_ANY_STATUS,
                     zrpc_run_timing(run)->prompt);
}

static void well_formed(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_expect_echo(h, send_request(h, request_of(run)), text);
}

#define LEVEL(name, sentence, strictness, ...)                                                         \
    {                                                                                                  \
        .id = "fields." name, .title = sentence, .requirements = {__VA_ARGS__}, .level = strictness,   \
        .legal = "a stream reset, an HTTP error, a grpc-status other than 0, or the connection's end", \
        .flags = ZRPC_CASE_HOSTILE, .budget = 60, .run = malformed                                     \
    }
#define CASE(name, sentence, requirement) LEVEL(name, sentence, ZRPC_MUST, requirement)
/* Real servers may have answered before the trailers come. */
#define TRAILER(name, sentence, requirement) LEVEL(name, sentence, ZRPC_SHOULD, "ZR-H2-019", requirement)
#define ACCEPTED(name, sentence, requirement)                                                       \
    {                                                                                               \
        .id = "fields." name, .title = sentence, .requirements = {requirement}, .level = ZRPC_MUST, \
        .legal = "the call's answer", .budget = 60, .run = well_formed                              \
    }

static const struct zrpc_case cases[] = {
    CASE("no-method", "A request without :method is not served", "ZR-H2-021"),
    CASE("no-scheme", "A request without :scheme is not served", "ZR-H2-021"),
    CASE("no-path", "A request without :path is not served", "ZR-H2-021"),
    CASE("empty-path", "A request with an empty :path is not served", "ZR-H2-021"),
    CASE("two-methods", "A request with two :method is not served", "ZR-H2-021"),
    CASE("two-schemes", "A request with two :scheme is not served", "ZR-H2-021"),
    CASE("two-paths", "A request with two :path is not served", "ZR-H2-021"),
    CASE("late-pseudo", "A request with :path behind a regular field is not served", "ZR-H2-021"),
    CASE("unknown-pseudo", "A request with an unknown pseudo-header field is not served", "ZR-H2-021"),
    CASE("unknown-pseudo-first", "Nor where that field comes first", "ZR-H2-021"),
    CASE("status", "A request with :status is not served", "ZR-H2-021"),
    TRAILER("trailer-pseudo", "A request with a pseudo-header field in its trailers is not served",
            "ZR-H2-021"),
    CASE("upper-case", "A request with an upper-case field name is not served", "ZR-H2-022"),
    CASE("blank-in-name", "A request with a blank in a field name is not served", "ZR-H2-022"),
    CASE("line-in-value", "A request with CR and LF in a field value is not served", "ZR-H2-022"),
    TRAILER("upper-case-trailer", "A request with an upper-case field name in its trailers is not served",
            "ZR-H2-022"),
    CASE("connection", "A request with connection is not served", "ZR-H2-023"),
    CASE("keep-alive", "A request with keep-alive is not served", "ZR-H2-023"),
    CASE("proxy-connection", "A request with proxy-connection is not served", "ZR-H2-023"),
    CASE("transfer-encoding", "A request with transfer-encoding is not served", "ZR-H2-023"),
    CASE("upgrade", "A request with upgrade is not served", "ZR-H2-023"),
    CASE("te", "A request with a te of more than trailers is not served", "ZR-H2-023"),
    CASE("length-too-small", "A request with more DATA than its content-length is not served", "ZR-H2-024"),
    CASE("length-too-large", "A request with less DATA than its content-length is not served", "ZR-H2-024"),
    CASE("length-no-number", "A request with a content-length that is no number is not served", "ZR-H2-024"),
    ACCEPTED("length", "A request with the right content-length is served", "ZR-H2-024"),
};

const struct zrpc_area zrpc_area_fields = {
    .name = "fields",
    .title = "malformed requests, to a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_CONTROL,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
