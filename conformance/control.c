#include "conformance/control.h"

#include <stdio.h>

#include "zrpc/grpc.h"

#define HEADERS_MAX 10

/*
 * Requests
 */
static void add(struct zrpc_h2_nv *list, size_t *n, const char *name, const char *value, const char *fallback)
{
    if (value == NULL)
        value = fallback;
    if (value != NULL && *value != '\0')
        list[(*n)++] = (struct zrpc_h2_nv){name, value};
}

void zrpc_control_put_headers(struct zrpc_h2 *h, const struct zrpc_control_headers *o, struct zrpc_buf *out)
{
    struct zrpc_h2_nv list[HEADERS_MAX] = {0};
    size_t n = 0;

    add(list, &n, ":method", o->method, "POST");
    add(list, &n, ":scheme", o->scheme, "http");
    add(list, &n, ":path", o->path, "/Replication/Ping");
    add(list, &n, ":authority", o->authority, "zrpc-conformance");
    add(list, &n, "content-type", o->content_type, "application/grpc");
    add(list, &n, "te", o->te, "trailers");
    add(list, &n, "grpc-timeout", o->timeout, NULL);
    if (o->extra_name != NULL)
        list[n++] = (struct zrpc_h2_nv){o->extra_name, o->extra_value};
    if (o->literal)
        zrpc_h2_put_literals(list, out);
    else
        zrpc_h2_deflate(h, list, out);
}

struct zrpc_h2_call *zrpc_control_begin(struct zrpc_h2 *h, const struct zrpc_control_headers *o)
{
    struct zrpc_h2_call *call = zrpc_h2_new_call(h, 0);
    uint8_t flags = NGHTTP2_FLAG_END_HEADERS | (o->end ? NGHTTP2_FLAG_END_STREAM : 0);
    struct zrpc_buf block = {0};

    zrpc_control_put_headers(h, o, &block);
    zrpc_h2_send(h, NGHTTP2_HEADERS, flags, call->stream, zrpc_buf_view(&block));
    zrpc_buf_dispose(&block);
    return call;
}

void zrpc_control_put_message(struct zrpc_buf *out, struct zrpc_view message)
{
    uint8_t prefix[ZRPC_CONTROL_PREFIX_LEN] = {0};

    zrpc_put_u32(prefix + 1, (uint32_t)message.len);
    if (zrpc_buf_append(out, zrpc_view(prefix, sizeof prefix), NULL) == 0)
        (void)zrpc_buf_append(out, message, NULL);
}

void zrpc_control_finish(struct zrpc_h2 *h, struct zrpc_h2_call *call, struct zrpc_view message)
{
    struct zrpc_buf data = {0};

    zrpc_control_put_message(&data, message);
    zrpc_h2_send_data(h, call, zrpc_buf_view(&data), 0, true);
    zrpc_buf_dispose(&data);
}

static void finish_message(struct zrpc_h2 *h, struct zrpc_h2_call *call, const ProtobufCMessage *request)
{
    size_t len = protobuf_c_message_get_packed_size(request);
    uint8_t *packed = zrpc_run_alloc(h->run, len + 1);

    if (packed == NULL)
        return;
    protobuf_c_message_pack(request, packed);
    zrpc_control_finish(h, call, zrpc_view(packed, len));
}

void zrpc_control_finish_ping(struct zrpc_h2 *h, struct zrpc_h2_call *call, const char *text)
{
    Zrpc__Pb__PingReq request = ZRPC__PB__PING_REQ__INIT;

    request.message = (char *)text;
    finish_message(h, call, &request.base);
}

struct zrpc_h2_call *zrpc_control_call(struct zrpc_h2 *h, const char *method, const ProtobufCMessage *request)
{
    struct zrpc_control_headers headers = {0};
    struct zrpc_h2_call *call;
    char path[64];

    snprintf(path, sizeof path, "/Replication/%s", method);
    headers.path = path;
    call = zrpc_control_begin(h, &headers);
    finish_message(h, call, request);
    return call;
}

struct zrpc_h2_call *zrpc_control_ping(struct zrpc_h2 *h, const char *text)
{
    struct zrpc_h2_call *call = zrpc_control_begin(h, &(struct zrpc_control_headers){0});

    zrpc_control_finish_ping(h, call, text);
    return call;
}

struct zrpc_h2_call *zrpc_control_versions(struct zrpc_h2 *h, const char *filesystem)
{
    Zrpc__Pb__ListFilesystemVersionsReq request = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_REQ__INIT;

    request.filesystem = (char *)filesystem;
    return zrpc_control_call(h, "ListFilesystemVersions", &request.base);
}

/*
 * Outcomes
 */
static const char *flaw_of_ok(const struct zrpc_h2_call *call)
{
    struct zrpc_view data = zrpc_buf_view(&call->data);

    if (call->blocks < 2)
        return "grpc-status 0 without response headers before it";
    if (data.len < ZRPC_CONTROL_PREFIX_LEN)
        return "grpc-status 0 without a message";
    if (data.data[0] != 0)
        return "a message with the compressed flag";
    if (zrpc_get_u32(data.data + 1) != data.len - ZRPC_CONTROL_PREFIX_LEN)
        return "DATA that is not exactly one message";
    return NULL;
}

/* Not one of the forms that an answer has. */
static const char *flaw_of(const struct zrpc_h2_call *call)
{
    if (call->reset || strcmp(call->http_status, "200") != 0)
        return NULL;
    if (strncmp(call->content_type, "application/grpc", 16) != 0)
        return "HTTP status 200 without content-type application/grpc";
    if (call->grpc_status < 0)
        return "HTTP status 200 without grpc-status";
    if (call->grpc_status == 0)
        return flaw_of_ok(call);
    return call->data.len > 0 ? "an error with a message" : NULL;
}

static unsigned outcome_of(const struct zrpc_h2 *h, const struct zrpc_h2_call *call)
{
    if (!call->ended)
        return h->ended ? ZRPC_CALL_CLOSED : 0;
    if (call->reset)
        return ZRPC_CALL_RESET;
    if (strcmp(call->http_status, "200") != 0)
        return ZRPC_CALL_HTTP;
    return call->grpc_status == 0 ? ZRPC_CALL_OK : ZRPC_CALL_STATUS;
}

static void add_legal(struct zrpc_buf *text, unsigned legal, uint32_t statuses)
{
    static const char *const names[] = {"one message and grpc-status 0", "grpc-status", "an HTTP error",
                                        "a stream reset", "the end of the connection"};
    const char *comma = "";

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((legal & 1u << i) == 0)
            continue;
        zrpc_text_add(text, "%s%s", comma, names[i]);
        comma = ", or ";
        if ((legal & 1u << i) != ZRPC_CALL_STATUS)
            continue;
        zrpc_text_add(text, statuses == ZRPC_ANY_STATUS ? " other than 0" : "");
        for (int s = 1; s <= 16; s++)
            if ((statuses & 1u << s) != 0)
                zrpc_text_add(text, " %d (%s)", s, zrpc_grpc_status_name(s));
    }
}

static void add_got(struct zrpc_buf *text, const struct zrpc_h2 *h, const struct zrpc_h2_call *call)
{
    zrpc_text_add(text, "call on stream %u: ", call->stream);
    if (!call->ended && h->goaway) {
        zrpc_text_add(text, "GOAWAY ");
        zrpc_h2_add_error(text, h->goaway_code);
        zrpc_text_add(text, ", then ");
    }
    if (!call->ended) {
        zrpc_text_add(text, !h->ended                        ? "no answer in time"
                            : h->end_kind == ZRPC_SEEN_RESET ? "a connection reset"
                                                             : "the end of the byte stream");
    } else if (call->reset) {
        zrpc_text_add(text, "a stream reset, ");
        zrpc_h2_add_error(text, call->reset_code);
    } else {
        zrpc_text_add(text, "HTTP status %s, grpc-status %d", call->http_status, call->grpc_status);
        if (call->message.len > 0) {
            zrpc_text_add(text, ", grpc-message ");
            zrpc_text_add_bytes(text, zrpc_buf_view(&call->message), call->message.len, 160);
        }
        zrpc_text_add(text, ", %zu bytes of DATA", call->data.len);
    }
    if (flaw_of(call) != NULL)
        zrpc_text_add(text, ": %s", flaw_of(call));
}

unsigned zrpc_expect_call(struct zrpc_h2 *h, struct zrpc_h2_call *call, unsigned legal, uint32_t statuses,
                          zrpc_time within)
{
    struct zrpc_buf expected = {0}, got = {0};
    unsigned outcome;

    zrpc_h2_wait(h, call, zrpc_now() + within);
    if (!zrpc_run_going(h->run))
        return 0;
    outcome = outcome_of(h, call);
    if ((outcome & legal) != 0 && (!call->ended || flaw_of(call) == NULL) &&
        (outcome != ZRPC_CALL_STATUS || statuses == ZRPC_ANY_STATUS ||
         (call->grpc_status <= 16 && (statuses & 1u << call->grpc_status) != 0)))
        return outcome;
    add_legal(&expected, legal, statuses);
    add_got(&got, h, call);
    zrpc_run_fail(h->run, zrpc_text_str(&expected), "%s", zrpc_text_str(&got));
    zrpc_buf_dispose(&expected);
    zrpc_buf_dispose(&got);
    return 0;
}

struct zrpc_view zrpc_expect_ok(struct zrpc_h2 *h, struct zrpc_h2_call *call)
{
    struct zrpc_view message = {0};

    if (zrpc_expect_call(h, call, ZRPC_CALL_OK, 0, zrpc_run_timing(h->run)->prompt) == 0)
        return message;
    message = zrpc_buf_view(&call->data);
    zrpc_view_take(&message, ZRPC_CONTROL_PREFIX_LEN);
    return message;
}

static void free_message(void *what)
{
    protobuf_c_message_free_unpacked(what, NULL);
}

const ProtobufCMessage *zrpc_expect_reply(struct zrpc_h2 *h, struct zrpc_h2_call *call,
                                          const ProtobufCMessageDescriptor *descriptor)
{
    struct zrpc_view message = zrpc_expect_ok(h, call);
    static const uint8_t none[1];
    ProtobufCMessage *reply;

    if (!zrpc_run_going(h->run))
        return NULL;
    reply = protobuf_c_message_unpack(descriptor, NULL, message.len, message.len == 0 ? none : message.data);
    if (reply == NULL) {
        zrpc_run_fail(h->run, "a response that decodes", "%zu bytes that are no %s", message.len,
                      descriptor->short_name);
        return NULL;
    }
    return zrpc_run_defer(h->run, free_message, reply) == 0 ? reply : NULL;
}

void zrpc_expect_echo(struct zrpc_h2 *h, struct zrpc_h2_call *call, const char *text)
{
    const Zrpc__Pb__PingRes *reply =
        (const Zrpc__Pb__PingRes *)zrpc_expect_reply(h, call, &zrpc__pb__ping_res__descriptor);
    struct zrpc_buf got = {0};

    if (reply == NULL || strcmp(reply->echo, text) == 0)
        return;
    zrpc_text_add_bytes(&got, zrpc_view_of(reply->echo), strlen(reply->echo), 100);
    zrpc_run_fail(h->run, "the message, byte for byte", "Echo %s", zrpc_text_str(&got));
    zrpc_buf_dispose(&got);
}

void zrpc_expect_status(struct zrpc_h2 *h, struct zrpc_h2_call *call, int status)
{
    zrpc_expect_call(h, call, ZRPC_CALL_STATUS, 1u << status, zrpc_run_timing(h->run)->prompt);
}

void zrpc_expect_alive(struct zrpc_h2 *h)
{
    if (!zrpc_run_going(h->run))
        return;
    zrpc_run_step(h->run, "does this connection still serve calls?");
    zrpc_expect_echo(h, zrpc_control_ping(h, "still there?"), "still there?");
}

void zrpc_expect_connection_end(struct zrpc_h2 *h, const char *because)
{
    zrpc_time deadline = zrpc_now() + zrpc_run_timing(h->run)->prompt;
    struct zrpc_h2_frame seen;

    while (!h->ended && zrpc_h2_see(h, deadline, &seen) == ZRPC_SEEN_FRAME)
        ;
    if (!h->ended && zrpc_run_going(h->run))
        zrpc_run_fail(h->run, "the end of the connection, promptly", "it goes on after %s%s", because,
                      h->goaway ? " and GOAWAY" : "");
}

void zrpc_expect_settings_acked(struct zrpc_h2 *h)
{
    zrpc_time deadline = zrpc_now() + zrpc_run_timing(h->run)->prompt;
    struct zrpc_h2_frame seen;

    while (h->settings_acks < h->settings_sent && zrpc_h2_see(h, deadline, &seen) == ZRPC_SEEN_FRAME)
        ;
    if (h->settings_acks < h->settings_sent && zrpc_run_going(h->run))
        zrpc_run_fail(h->run, "each SETTINGS acknowledged, promptly", "%u of %u acknowledged",
                      h->settings_acks, h->settings_sent);
}

void zrpc_expect_ping_ack(struct zrpc_h2 *h, const char opaque[static 8])
{
    zrpc_time deadline = zrpc_now() + zrpc_run_timing(h->run)->prompt;
    unsigned before = h->ping_acks;
    struct zrpc_h2_frame seen;

    zrpc_h2_send_ping(h, opaque);
    while (h->ping_acks == before && zrpc_h2_see(h, deadline, &seen) == ZRPC_SEEN_FRAME)
        ;
    if (!zrpc_run_going(h->run))
        return;
    if (h->ping_acks == before)
        zrpc_run_fail(h->run, "PING with ACK and the same 8 bytes, promptly", "%s",
                      h->ended ? "the end of the connection" : "none");
    else if (memcmp(h->ping_ack, opaque, 8) != 0)
        zrpc_run_fail(h->run, "PING with ACK and the same 8 bytes", "ACK with other bytes");
}
