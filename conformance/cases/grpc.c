/*
 * gRPC, as a server: proto/SPEC.md section 11.2.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conformance/cases/cases.h"
#include "conformance/control.h"

static const struct zrpc_view nothing = {.data = NULL, .len = 0};
static const struct zrpc_control_headers plain = {0};
static const uint8_t hello[] = {0x0a, 5, 'h', 'e', 'l', 'l', 'o'};

static zrpc_time promptly(struct zrpc_run *run)
{
    return zrpc_run_timing(run)->prompt;
}

static void refused(struct zrpc_h2 *h, struct zrpc_h2_call *call)
{
    zrpc_expect_call(h, call, ZRPC_CALL_REFUSED, ZRPC_ANY_STATUS, promptly(h->run));
}

static void success(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_expect_echo(h, zrpc_control_ping(h, "hello"), "hello");
}

static void methods(struct zrpc_run *run)
{
    static const char *const names[] = {"Ping", "ListFilesystems", "ListFilesystemVersions",
                                        "DestroySnapshots", "ReplicationCursor"};
    struct zrpc_control_headers headers = {0};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;
    char path[64];

    for (size_t i = 0; i < sizeof names / sizeof names[0] && zrpc_run_going(run); i++) {
        snprintf(path, sizeof path, "/Replication/%s", names[i]);
        headers.path = path;
        call = zrpc_control_begin(h, &headers);
        zrpc_control_finish(h, call, nothing);
        zrpc_expect_call(h, call, ZRPC_CALL_OK | ZRPC_CALL_STATUS, ~(1u << 12), promptly(run));
    }
}

/*
 * DATA
 */
static void cuts(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_begin(h, &plain);
    struct zrpc_buf data = {0};
    struct zrpc_view left;

    zrpc_control_put_message(&data, zrpc_view(hello, sizeof hello));
    left = zrpc_buf_view(&data);
    zrpc_run_step(run,
                  "each byte in a DATA frame of its own, an empty one before each, END_STREAM on another");
    while (left.len > 0) {
        zrpc_h2_send_data(h, call, nothing, 0, false);
        zrpc_h2_send_data(h, call, zrpc_view_take(&left, 1), 0, false);
    }
    zrpc_h2_send_data(h, call, nothing, 0, true);
    zrpc_buf_dispose(&data);
    zrpc_expect_echo(h, call, "hello");
}

static void end_on_its_own(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_begin(h, &plain);
    struct zrpc_buf data = {0};

    zrpc_control_put_message(&data, zrpc_view(hello, sizeof hello));
    zrpc_h2_send_data(h, call, zrpc_buf_view(&data), 0, false);
    zrpc_buf_dispose(&data);
    zrpc_run_sleep(run, 300 * ZRPC_MILLISECOND);
    zrpc_h2_send_data(h, call, nothing, 0, true);
    zrpc_expect_echo(h, call, "hello");
}

/*
 * Headers
 */
static void content_types(struct zrpc_run *run)
{
    static const char *const types[] = {"application/grpc", "application/grpc+proto"};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        call = zrpc_control_begin(h, &(struct zrpc_control_headers){.content_type = types[i]});
        zrpc_control_finish_ping(h, call, "typed");
        zrpc_expect_echo(h, call, "typed");
    }
}

static void other_content_types(struct zrpc_run *run)
{
    static const char *const types[] = {"text/plain", "application/json", "application/grp",
                                        "application/grpcx", ""};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    for (size_t i = 0; i < sizeof types / sizeof types[0] && zrpc_run_going(run); i++) {
        call = zrpc_control_begin(h, &(struct zrpc_control_headers){.content_type = types[i]});
        zrpc_control_finish_ping(h, call, "typed");
        zrpc_expect_call(h, call, ZRPC_CALL_REFUSED | ZRPC_CALL_HTTP, ZRPC_ANY_STATUS, promptly(run));
    }
    zrpc_expect_alive(h);
}

static void without_te(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_begin(h, &(struct zrpc_control_headers){.te = ""});

    zrpc_control_finish_ping(h, call, "no te");
    zrpc_expect_call(h, call, ZRPC_CALL_OK | ZRPC_CALL_REFUSED | ZRPC_CALL_HTTP, ZRPC_ANY_STATUS,
                     promptly(run));
    zrpc_expect_alive(h);
}

static void unknown_metadata(struct zrpc_run *run)
{
    static const struct zrpc_h2_nv extras[] = {
        {"user-agent", "grpc-go/1.17.0"}, {"grpc-accept-encoding", "identity,deflate,gzip"},
        {"grpc-trace-bin", "AAA="},       {"x-unknown", ""},
        {"x-unknown-bin", "////"},        {"grpc-unknown", "\xc3\xbc \xe2\x9c\x93"},
        {"accept-encoding", "identity"},  {"grpc-encoding", "identity"},
        {"cookie", "a=b; c=d"},           {"authorization", "Bearer nobody"},
    };
    struct zrpc_control_headers headers = {0};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    for (size_t i = 0; i < sizeof extras / sizeof extras[0] && zrpc_run_going(run); i++) {
        headers.extra_name = extras[i].name;
        headers.extra_value = extras[i].value;
        headers.literal = i % 2 == 1;
        call = zrpc_control_begin(h, &headers);
        zrpc_control_finish_ping(h, call, "metadata");
        zrpc_expect_echo(h, call, "metadata");
    }
}

static void large_metadata(struct zrpc_run *run)
{
    struct zrpc_control_headers headers = {.extra_name = "x-large", .literal = true};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;
    char *value = zrpc_run_alloc(run, 8001);

    if (value == NULL)
        return;
    memset(value, 'm', 8000);
    headers.extra_value = value;
    call = zrpc_control_begin(h, &headers);
    zrpc_control_finish_ping(h, call, "metadata");
    zrpc_expect_echo(h, call, "metadata");
}

/*
 * Errors
 */
/* The reason why it is no percent-encoding of UTF-8, or NULL; the text in *out. */
static const char *decode_message(const struct zrpc_h2_call *call, struct zrpc_buf *out)
{
    struct zrpc_view in = zrpc_buf_view(&call->message);
    char hex[3] = {0}, *end;
    uint8_t byte;

    while (in.len > 0) {
        byte = zrpc_view_take(&in, 1).data[0];
        if (byte < 0x20 || byte > 0x7e)
            return "grpc-message has bytes outside 20 to 7e";
        if (byte == '%') {
            if (in.len < 2)
                return "grpc-message ends inside an escape";
            memcpy(hex, zrpc_view_take(&in, 2).data, 2);
            byte = (uint8_t)strtoul(hex, &end, 16);
            if (end != hex + 2)
                return "grpc-message has an escape that is none";
        }
        (void)zrpc_buf_append(out, zrpc_view(&byte, 1), NULL);
    }
    return zrpc_utf8_valid(zrpc_buf_view(out)) ? NULL : "grpc-message is not UTF-8";
}

static void expect_text(struct zrpc_h2 *h, const struct zrpc_h2_call *call, const char *part)
{
    static const char legal[] = "the handler's text, percent-encoded";
    struct zrpc_buf text = {0}, got = {0};
    const char *flaw;

    if (!zrpc_run_going(h->run))
        return;
    flaw = decode_message(call, &text);
    zrpc_text_add_bytes(&got, zrpc_buf_view(&call->message), call->message.len, 300);
    if (flaw != NULL)
        zrpc_run_fail(h->run, legal, "%s: %s", flaw, zrpc_text_str(&got));
    else if (text.len == 0)
        zrpc_run_fail(h->run, legal, "no text");
    else if (part != NULL && memmem(zrpc_buf_view(&text).data, text.len, part, strlen(part)) == NULL)
        zrpc_run_fail(h->run, legal, "another text: %s, without \"%s\"", zrpc_text_str(&got), part);
    zrpc_buf_dispose(&text);
    zrpc_buf_dispose(&got);
}

static void handler_error(struct zrpc_run *run)
{
    const struct zrpc_offer *failing = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_FAILING);
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    if (failing == NULL)
        return;
    call = zrpc_control_versions(h, failing->filesystem);
    zrpc_expect_status(h, call, 2);
    expect_text(h, call, failing->text);
    zrpc_expect_alive(h);
}

static void error_texts(struct zrpc_run *run)
{
    static const char *const names[] = {
        "Grüße",
        "世界",
        "\xf0\x9f\x92\xa5\xf0\x9f\x90\xa7",
        "100% %41 %zz %",
        "a\nb\r\nc\td",
        "\x01\x1f\x7f",
        "\xef\xbf\xbf\xf4\x8f\xbf\xbf",
        "a\"b\\c'd",
        "  spaces  ",
        "e\xcc\x81\xe2\x80\x8f\xe2\x80\xae",
    };
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    zrpc_run_step(run, "filesystems that do not exist, with names that an error's text may repeat");
    for (size_t i = 0; i < sizeof names / sizeof names[0] && zrpc_run_going(run); i++) {
        call = zrpc_control_versions(h, names[i]);
        zrpc_expect_status(h, call, 2);
        expect_text(h, call, NULL);
    }
    zrpc_expect_alive(h);
}

static void unknown_methods(struct zrpc_run *run)
{
    static const char *const paths[] = {
        "/Replication/Unknown", "/Replication/ping", "/replication/Ping",
        "/Replication/Send",    "/Unknown/Ping",     "/zrepl.Replication/Ping",
        "/Replication/Ping/",   "/Replication/",     "/Replication/Ping?x=1",
    };
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && zrpc_run_going(run); i++) {
        call = zrpc_control_begin(h, &(struct zrpc_control_headers){.path = paths[i], .literal = true});
        zrpc_control_finish_ping(h, call, "who?");
        zrpc_expect_status(h, call, 12);
    }
    zrpc_expect_alive(h);
}

static void unknown_method_without_body(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_begin(
        h, &(struct zrpc_control_headers){.path = "/Replication/Unknown", .literal = true});

    zrpc_run_step(run, "the request is not complete, and need not be for that answer");
    zrpc_expect_status(h, call, 12);
    zrpc_h2_send_data(h, call, zrpc_view("\0\0\0\0\0", 5), 0, true);
    zrpc_expect_alive(h);
}

/*
 * Messages
 */
static const char cut_text[] = {0x0a, '\xff', '\xff', '\xff', '\xff', 0x0f, 'a', 0};
static const char *const undecodable[] = {
    "\x0a", "\x0a\x05", "\x0f\x01", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x08", cut_text,
};

static void each_undecodable(struct zrpc_run *run, uint32_t statuses)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    for (size_t i = 0; i < sizeof undecodable / sizeof undecodable[0] && zrpc_run_going(run); i++) {
        call = zrpc_control_begin(h, &plain);
        zrpc_control_finish(h, call, zrpc_view_of(undecodable[i]));
        zrpc_expect_call(h, call, ZRPC_CALL_STATUS, statuses, promptly(run));
    }
    zrpc_expect_alive(h);
}

static void does_not_decode(struct zrpc_run *run)
{
    each_undecodable(run, ZRPC_ANY_STATUS);
}

static void does_not_decode_status(struct zrpc_run *run)
{
    each_undecodable(run, 1u << 13);
}

/* DATA that is not as it should be; 0 is the compressed flag, then the length. */
static struct zrpc_h2_call *call_with(struct zrpc_h2 *h, const struct zrpc_control_headers *headers,
                                      const char *data, size_t len)
{
    struct zrpc_h2_call *call = zrpc_control_begin(h, headers);

    zrpc_h2_send_data(h, call, zrpc_view(data, len), 0, true);
    return call;
}

#define CALL_WITH(h, headers, data) call_with(h, headers, data, sizeof(data) - 1)

static void compressed(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    zrpc_run_step(run, "a good message, but for the flag");
    call = CALL_WITH(h, &plain, "\1\0\0\0\7\x0a\5hello");
    zrpc_expect_call(h, call, ZRPC_CALL_STATUS, 1u << 12 | 1u << 13, promptly(run));
    zrpc_expect_alive(h);
}

static void unknown_encoding(struct zrpc_run *run)
{
    struct zrpc_control_headers headers = {.extra_name = "grpc-encoding", .extra_value = "zrpc-unheard-of"};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = CALL_WITH(h, &headers, "\1\0\0\0\7\x0a\5hello");

    zrpc_expect_call(h, call, ZRPC_CALL_STATUS, 1u << 12 | 1u << 13, promptly(run));
    zrpc_expect_alive(h);
}

static void no_message(struct zrpc_run *run)
{
    static const struct zrpc_control_headers alone = {.end = true};
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_run_step(run, "END_STREAM on HEADERS");
    refused(h, zrpc_control_begin(h, &alone));
    zrpc_run_step(run, "END_STREAM on an empty DATA frame");
    refused(h, call_with(h, &plain, "", 0));
    zrpc_expect_alive(h);
}

static void truncated(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    refused(h, CALL_WITH(h, &plain, "\0"));
    refused(h, CALL_WITH(h, &plain, "\0\0\0\0"));
    refused(h, CALL_WITH(h, &plain, "\0\0\0\0\7"));
    refused(h, CALL_WITH(h, &plain, "\0\0\0\0\7\x0a\5hell"));
    zrpc_expect_alive(h);
}

static void two_messages(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    refused(h, CALL_WITH(h, &plain, "\0\0\0\0\7\x0a\5hello\0\0\0\0\7\x0a\5hello"));
    zrpc_run_step(run, "the second one is empty");
    refused(h, CALL_WITH(h, &plain, "\0\0\0\0\7\x0a\5hello\0\0\0\0\0"));
    zrpc_expect_alive(h);
}

static void more_than_one(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_run_step(run, "the second message is not complete");
    refused(h, CALL_WITH(h, &plain, "\0\0\0\0\7\x0a\5hello\0\0"));
    zrpc_expect_alive(h);
}

/* A ping whose message is exactly that long. */
static struct zrpc_h2_call *ping_of_length(struct zrpc_h2 *h, size_t len)
{
    size_t text_len = len - 5; /* the field's tag and a length of four bytes */
    char *text = zrpc_run_alloc(h->run, text_len + 1);
    struct zrpc_h2_call *call = zrpc_control_begin(h, &plain);

    if (text != NULL) {
        memset(text, 'x', text_len);
        zrpc_control_finish_ping(h, call, text);
    }
    return call;
}

static void largest(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_run_step(run, "a message of exactly 4194304 bytes");
    zrpc_expect_ok(h, ping_of_length(h, ZRPC_CONTROL_LARGEST));
}

static void too_large(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_run_step(run, "a message of 4194305 bytes");
    zrpc_expect_call(h, ping_of_length(h, ZRPC_CONTROL_LARGEST + 1), ZRPC_CALL_REFUSED, 1u << 8,
                     promptly(run));
    zrpc_expect_alive(h);
}

static void far_too_large(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    zrpc_run_step(run, "a message that declares 4294967295 bytes, and sends 5 of them");
    call = zrpc_control_begin(h, &plain);
    zrpc_h2_send_data(h, call, zrpc_view("\0\xff\xff\xff\xffhello", 10), 0, false);
    zrpc_expect_call(h, call, ZRPC_CALL_REFUSED, 1u << 8, promptly(run));
    zrpc_expect_alive(h);
}

static void large_listing(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_LONG);
    struct zrpc_h2 *h = zrpc_h2_open(run);
    const Zrpc__Pb__ListFilesystemVersionsRes *reply;

    if (offer == NULL)
        return;
    reply = (const Zrpc__Pb__ListFilesystemVersionsRes *)zrpc_expect_reply(
        h, zrpc_control_versions(h, offer->filesystem), &zrpc__pb__list_filesystem_versions_res__descriptor);
    if (reply != NULL && reply->n_versions != offer->size)
        zrpc_run_fail(run, "the versions that the profile names", "%zu versions, not %llu", reply->n_versions,
                      (unsigned long long)offer->size);
}

/*
 * Deadlines
 */
static void deadline(struct zrpc_run *run)
{
    const struct zrpc_offer *slow = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_SLOW);
    struct zrpc_control_headers headers = {.path = "/Replication/ListFilesystemVersions", .timeout = "1500m"};
    const struct zrpc_timing *timing = zrpc_run_timing(run);
    Zrpc__Pb__ListFilesystemVersionsReq request = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_REQ__INIT;
    struct zrpc_h2 *h = zrpc_h2_open(run);
    uint8_t packed[256];
    struct zrpc_h2_call *call;

    if (slow == NULL || strlen(slow->filesystem) > 200)
        return;
    request.filesystem = slow->filesystem;
    call = zrpc_control_begin(h, &headers);
    zrpc_control_finish(h, call, zrpc_view(packed, protobuf_c_message_pack(&request.base, packed)));
    zrpc_expect_call(h, call, ZRPC_CALL_REFUSED, 1u << 4, 1500 * ZRPC_MILLISECOND + timing->slack);
    if (zrpc_run_going(run) && call->ended_at - call->began < 1500 * ZRPC_MILLISECOND - timing->early)
        zrpc_run_fail(run, "the end of the call after 1.5 s", "its end after %.3f s",
                      (double)(call->ended_at - call->began) / ZRPC_SECOND);
    zrpc_expect_alive(h);
}

static void deadlines_of_all_forms(struct zrpc_run *run)
{
    static const char *const timeouts[] = {"1H",     "99999999H", "1M",        "10S",
                                           "10000m", "9999999u",  "99999999u", "00000010S"};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0] && zrpc_run_going(run); i++) {
        call = zrpc_control_begin(h, &(struct zrpc_control_headers){.timeout = timeouts[i]});
        zrpc_control_finish_ping(h, call, "in time");
        zrpc_expect_echo(h, call, "in time");
    }
}

static void no_time(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_begin(h, &(struct zrpc_control_headers){.timeout = "100m"});

    zrpc_run_step(run, "a deadline of 0.1 s, and the message does not come");
    zrpc_expect_call(h, call, ZRPC_CALL_REFUSED, 1u << 4,
                     100 * ZRPC_MILLISECOND + zrpc_run_timing(run)->slack);
    zrpc_expect_alive(h);
}

static void malformed_timeouts(struct zrpc_run *run)
{
    static const char *const timeouts[] = {"10",  "S",  "123456789S", "-1S", "1.5S",
                                           "1 S", "1s", "0x1S",       "1SS"};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0] && zrpc_run_going(run); i++) {
        call = zrpc_control_begin(h, &(struct zrpc_control_headers){.timeout = timeouts[i], .literal = true});
        zrpc_control_finish_ping(h, call, "when?");
        zrpc_expect_call(h, call, ZRPC_CALL_REFUSED | ZRPC_CALL_HTTP, ZRPC_ANY_STATUS, promptly(run));
    }
    zrpc_expect_alive(h);
}

#define CASE(name, function, text, outcome, strictness, ...)                                   \
    {                                                                                          \
        .id = "grpc." name, .title = text, .requirements = {__VA_ARGS__}, .level = strictness, \
        .legal = outcome, .budget = 60, .run = function                                        \
    }
static const char answered[] = "the call's answer";
static const char not_served[] = "a grpc-status other than 0, or a stream reset; the connection lives on";

static const struct zrpc_case cases[] = {
    CASE("success", success, "A call's answer is headers, one message, and trailers with grpc-status 0",
         ":status 200, content-type application/grpc, one message, grpc-status 0 and END_STREAM", ZRPC_MUST,
         "ZR-GRPC-007", "ZR-GRPC-001", "ZR-GRPC-003"),
    CASE("methods", methods, "All five methods are there", "any answer but UNIMPLEMENTED", ZRPC_MUST,
         "ZR-GRPC-001", "ZR-GRPC-008"),
    CASE("cuts", cuts, "A message is accepted in DATA frames of single bytes and empty ones", answered,
         ZRPC_MUST, "ZR-GRPC-004"),
    CASE("late-end", end_on_its_own, "END_STREAM is accepted on a DATA frame of its own, later", answered,
         ZRPC_MUST, "ZR-GRPC-004"),
    CASE("content-types", content_types, "Both content-types of gRPC with protobuf are accepted", answered,
         ZRPC_MUST, "ZR-GRPC-005"),
    CASE("other-content-types", other_content_types, "Other content-types, and none, are refused",
         "an HTTP error, a stream reset, or a grpc-status other than 0", ZRPC_MUST, "ZR-GRPC-006"),
    CASE("without-te", without_te, "A call without te is answered, or refused in a proper form",
         "the call's answer, an HTTP error, a stream reset, or a grpc-status other than 0", ZRPC_MUST,
         "ZR-GRPC-008"),
    CASE("unknown-metadata", unknown_metadata, "Metadata that nobody knows is ignored", answered, ZRPC_MUST,
         "ZR-GRPC-029"),
    CASE("large-metadata", large_metadata, "8000 bytes of metadata are ignored", answered, ZRPC_MUST,
         "ZR-GRPC-029"),
    CASE("handler-error", handler_error,
         "A handler's error is status 2 with the handler's text, percent-encoded",
         "grpc-status 2 (UNKNOWN), grpc-message with the text", ZRPC_MUST, "ZR-GRPC-010", "ZR-GRPC-011",
         "ZR-GRPC-008"),
    CASE("error-texts", error_texts, "Texts of errors are percent-encoded, whatever is in them",
         "grpc-status 2, grpc-message of bytes 20 to 7e that decodes to UTF-8", ZRPC_MUST, "ZR-GRPC-011",
         "ZR-GRPC-010", "ZR-MSG-030"),
    CASE("unknown-methods", unknown_methods, "Methods and services that do not exist are UNIMPLEMENTED",
         "grpc-status 12 (UNIMPLEMENTED)", ZRPC_MUST, "ZR-GRPC-013"),
    CASE("unknown-method-early", unknown_method_without_body,
         "An unknown method is UNIMPLEMENTED before the request is complete, and what follows does no harm",
         "grpc-status 12 (UNIMPLEMENTED)", ZRPC_MUST, "ZR-GRPC-013"),
    CASE("undecodable", does_not_decode, "A message that does not decode is an error of that call",
         "a grpc-status other than 0; the connection lives on", ZRPC_MUST, "ZR-GRPC-014"),
    CASE("undecodable-status", does_not_decode_status, "A message that does not decode is INTERNAL",
         "grpc-status 13 (INTERNAL)", ZRPC_SHOULD, "ZR-GRPC-015"),
    CASE("compressed", compressed, "The compressed flag without an encoding is refused",
         "grpc-status 12 or 13; the connection lives on", ZRPC_MUST, "ZR-GRPC-016"),
    CASE("unknown-encoding", unknown_encoding, "An encoding that nobody knows is refused",
         "grpc-status 12 or 13; the connection lives on", ZRPC_MUST, "ZR-GRPC-016"),
    CASE("no-message", no_message, "A call without a message is refused", not_served, ZRPC_MUST,
         "ZR-GRPC-017"),
    CASE("truncated", truncated, "A call whose message is cut short is refused", not_served, ZRPC_MUST,
         "ZR-GRPC-017"),
    CASE("two-messages", two_messages, "A call with two messages is refused", not_served, ZRPC_MUST,
         "ZR-GRPC-017"),
    CASE("message-and-more", more_than_one, "A call with a message and a part of another is refused",
         not_served, ZRPC_MUST, "ZR-GRPC-017"),
    CASE("largest", largest, "A message of exactly 4194304 bytes is served", answered, ZRPC_MUST,
         "ZR-GRPC-018", "ZR-H2-007"),
    CASE("too-large", too_large, "A message of 4194305 bytes is refused",
         "grpc-status 8 (RESOURCE_EXHAUSTED), or a stream reset; the connection lives on", ZRPC_MUST,
         "ZR-GRPC-018"),
    CASE("far-too-large", far_too_large, "A message that declares 4 GiB is refused before it comes",
         "grpc-status 8 (RESOURCE_EXHAUSTED), or a stream reset; the connection lives on", ZRPC_MUST,
         "ZR-GRPC-018"),
    CASE("large-listing", large_listing, "A listing of thousands of versions arrives whole", answered,
         ZRPC_MUST, "ZR-H2-006", "ZR-H2-008"),
    CASE("deadline", deadline, "At its grpc-timeout a call in its handler ends, and the connection lives on",
         "grpc-status 4 (DEADLINE_EXCEEDED) or a stream reset, after 1.5 s", ZRPC_MUST, "ZR-GRPC-020"),
    CASE("deadline-of-request", no_time, "At its grpc-timeout a call whose message has not come ends",
         "grpc-status 4 (DEADLINE_EXCEEDED) or a stream reset", ZRPC_MUST, "ZR-GRPC-020"),
    CASE("timeouts", deadlines_of_all_forms, "grpc-timeout is accepted in every form", answered, ZRPC_MUST,
         "ZR-GRPC-020"),
    CASE("malformed-timeouts", malformed_timeouts, "A malformed grpc-timeout is refused",
         "a grpc-status other than 0, an HTTP error, or a stream reset", ZRPC_SHOULD, "ZR-GRPC-022"),
};

const struct zrpc_area zrpc_area_grpc = {
    .name = "grpc",
    .title = "gRPC, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_CONTROL,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
