#include "conformance/exchange.h"

#include <stdlib.h>

#include "conformance/greeting.h"
#include "zrpc/pb.h"

#define MESSAGE_MAX (9u << 20) /* bytes; above every limit of the protocol */

static const char ok_header[] = "HANDLER OK\n";
static const char error_header[] = "HANDLER ERROR:\n";

int zrpc_answer_new(struct zrpc_answer **out)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? ZRPC_ERR_NOMEM : 0;
}

void zrpc_answer_free(struct zrpc_answer *a)
{
    if (a == NULL)
        return;
    zrpc_buf_dispose(&a->header);
    zrpc_buf_dispose(&a->body);
    free(a);
}

/*
 * Requests
 */
void zrpc_put_request(struct zrpc_buf *out, const char *endpoint, struct zrpc_view body)
{
    zrpc_peer_put_stream(out, 1, zrpc_view_of(endpoint));
    zrpc_peer_put_stream(out, 2, body);
}

void zrpc_put_ping(struct zrpc_buf *out, const char *text)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    struct zrpc_buf body = {0};

    req.message = (char *)text;
    (void)zrpc_pb_encode(&req.base, &body, NULL);
    zrpc_put_request(out, "/v1/ping", zrpc_buf_view(&body));
    zrpc_buf_dispose(&body);
}

bool zrpc_request(struct zrpc_peer *p, const char *endpoint, struct zrpc_view body)
{
    return zrpc_peer_send_stream(p, 1, zrpc_view_of(endpoint)) && zrpc_peer_send_stream(p, 2, body);
}

bool zrpc_request_message(struct zrpc_peer *p, const char *endpoint, const ProtobufCMessage *msg)
{
    struct zrpc_buf body = {0};
    struct zrpc_error err;
    bool sent = false;

    if (zrpc_pb_encode(msg, &body, &err) < 0)
        zrpc_run_inconclusive(p->run, "%s", err.text);
    else
        sent = zrpc_request(p, endpoint, zrpc_buf_view(&body));
    zrpc_buf_dispose(&body);
    return sent;
}

bool zrpc_request_ping(struct zrpc_peer *p, const char *text)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;

    req.message = (char *)text;
    return zrpc_request_message(p, "/v1/ping", &req.base);
}

bool zrpc_request_send(struct zrpc_peer *p, const struct zrpc_offer *offer, bool dry_run)
{
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;

    if (offer == NULL)
        return false;
    req.filesystem = offer->filesystem;
    req.to = offer->to;
    if (offer->from != NULL)
        req.from = offer->from;
    req.dryrun = dry_run;
    return zrpc_request_message(p, "/v1/send", &req.base);
}

bool zrpc_request_receive(struct zrpc_peer *p, const char *filesystem, bool clear)
{
    Zrpc__Pb__ReceiveReq req = ZRPC__PB__RECEIVE_REQ__INIT;

    req.filesystem = (char *)filesystem;
    req.clearresumetoken = clear;
    return zrpc_request_message(p, "/v1/recv", &req.base);
}

/*
 * Answers
 */
static void add_legal(struct zrpc_buf *text, unsigned legal, zrpc_time within)
{
    static const struct {
        unsigned outcome;
        const char *name;
    } outcomes[] = {
        {ZRPC_OUT_ANSWER, "an answer (HANDLER OK and a response)"},
        {ZRPC_OUT_REFUSAL, "a handler error"},
        {ZRPC_OUT_CLOSED, "the end of the connection"},
    };
    char duration[ZRPC_DURATION_TEXT_MAX];
    const char *separator = "";

    zrpc_text_add(text, "within %s ", zrpc_duration_format(within, duration));
    for (size_t i = 0; i < 3; i++) {
        if ((legal & outcomes[i].outcome) == 0)
            continue;
        zrpc_text_add(text, "%s%s", separator, outcomes[i].name);
        separator = ", or ";
    }
}

static void fail_seen(struct zrpc_peer *p, const char *expected, const char *where,
                      const struct zrpc_seen *seen)
{
    struct zrpc_buf got = {0};

    if (seen->kind == ZRPC_SEEN_NOTHING)
        return;
    zrpc_seen_add(&got, seen);
    zrpc_run_fail(p->run, expected, "connection #%u, %s: %s", p->number, where, zrpc_text_str(&got));
    zrpc_buf_dispose(&got);
}

/* A message of that type into *content. True when it is complete; else *seen is what ended it. */
static bool see_message(struct zrpc_peer *p, uint32_t type, zrpc_time deadline, struct zrpc_buf *content,
                        struct zrpc_seen *seen)
{
    zrpc_buf_clear(content);
    while (zrpc_peer_see_other(p, deadline, seen) == ZRPC_SEEN_FRAME) {
        if (seen->frame.type == ZRPC_FRAME_STREAM_END)
            return true;
        if (seen->frame.type != type)
            return false;
        if (content->len + seen->payload.len > MESSAGE_MAX ||
            zrpc_buf_append(content, seen->payload, NULL) < 0) {
            zrpc_run_fail(p->run, "a message within the protocol's limits",
                          "a message of type %u above %u bytes", type, MESSAGE_MAX);
            return false;
        }
    }
    return false;
}

static bool is_end(const struct zrpc_seen *seen)
{
    return seen->kind == ZRPC_SEEN_EOF || seen->kind == ZRPC_SEEN_RESET;
}

/* The outcome that the target's header message announces. */
static unsigned header_outcome(struct zrpc_peer *p, struct zrpc_view header)
{
    struct zrpc_buf got = {0};
    unsigned outcome = 0;

    if (zrpc_view_equal(header, zrpc_view_of(ok_header)))
        outcome = ZRPC_OUT_ANSWER;
    else if (header.len >= sizeof error_header - 1 &&
             memcmp(header.data, error_header, sizeof error_header - 1) == 0)
        outcome = ZRPC_OUT_REFUSAL;
    if (outcome == 0) {
        zrpc_text_add_bytes(&got, header, header.len, 120);
        zrpc_run_violation(
            p->run, "ZR-REQ-009",
            "a response header of exactly \"HANDLER OK\\n\", or one that begins with \"HANDLER ERROR:\\n\"",
            "%s", zrpc_text_str(&got));
    } else if (outcome == ZRPC_OUT_REFUSAL && header.len > 32768) {
        zrpc_run_violation(p->run, "ZR-REQ-012", "a response header of at most 32768 bytes", "%zu bytes",
                           header.len);
    }
    zrpc_buf_dispose(&got);
    return outcome;
}

const struct zrpc_answer *zrpc_expect(struct zrpc_peer *p, unsigned legal, zrpc_time within)
{
    zrpc_time began = zrpc_now(), deadline = began + within;
    struct zrpc_answer *a = p->answer;
    const char *where = "instead of the answer";
    struct zrpc_buf expected = {0};
    struct zrpc_seen seen;

    a->outcome = 0;
    zrpc_buf_clear(&a->body);
    if (see_message(p, 3, deadline, &a->header, &seen))
        a->outcome = header_outcome(p, zrpc_buf_view(&a->header));
    if (a->outcome == ZRPC_OUT_ANSWER && (legal & ZRPC_OUT_ANSWER) != 0 &&
        !see_message(p, 4, deadline, &a->body, &seen)) {
        a->outcome = 0;
        where = "after HANDLER OK, instead of the response";
    } else if (a->outcome == 0) {
        zrpc_peer_see_end(p, deadline, &seen);
        if (is_end(&seen))
            a->outcome = ZRPC_OUT_CLOSED;
    }
    a->took = zrpc_now() - began;
    if ((a->outcome & legal) == 0 && zrpc_run_going(p->run)) {
        add_legal(&expected, legal, within);
        if (a->outcome == ZRPC_OUT_ANSWER)
            zrpc_run_fail(p->run, zrpc_text_str(&expected), "connection #%u: HANDLER OK", p->number);
        else if (a->outcome == ZRPC_OUT_REFUSAL)
            zrpc_run_fail(p->run, zrpc_text_str(&expected), "connection #%u: %.*s", p->number,
                          (int)zrpc_utf8_prefix(zrpc_buf_view(&a->header), 300).len,
                          (const char *)zrpc_buf_view(&a->header).data);
        else
            fail_seen(p, zrpc_text_str(&expected), where, &seen);
    }
    zrpc_buf_dispose(&expected);
    return a;
}

const struct zrpc_answer *zrpc_expect_answer(struct zrpc_peer *p)
{
    return zrpc_expect(p, ZRPC_OUT_ANSWER, zrpc_run_timing(p->run)->prompt);
}

static void free_message(void *msg)
{
    protobuf_c_message_free_unpacked(msg, NULL);
}

static const ProtobufCMessage *decode_body(struct zrpc_peer *p, const ProtobufCMessageDescriptor *descriptor)
{
    struct zrpc_view body = zrpc_buf_view(&p->answer->body);
    struct zrpc_buf got = {0};
    ProtobufCMessage *msg;
    struct zrpc_error err;

    if (!zrpc_run_going(p->run))
        return NULL;
    if (zrpc_pb_decode(descriptor, body, &msg, &err) == 0)
        return zrpc_run_defer(p->run, free_message, msg) == 0 ? msg : NULL;
    zrpc_text_add_bytes(&got, body, body.len, 120);
    zrpc_run_violation(p->run, "ZR-MSG-001", descriptor->short_name, "%s: %s", err.text, zrpc_text_str(&got));
    zrpc_buf_dispose(&got);
    return NULL;
}

const ProtobufCMessage *zrpc_expect_response(struct zrpc_peer *p,
                                             const ProtobufCMessageDescriptor *descriptor, zrpc_time within)
{
    zrpc_expect(p, ZRPC_OUT_ANSWER, within);
    return decode_body(p, descriptor);
}

void zrpc_expect_pong(struct zrpc_peer *p, const char *text)
{
    const zrpc_time prompt = zrpc_run_timing(p->run)->prompt;
    const Zrpc__Pb__PingRes *res =
        (const void *)zrpc_expect_response(p, &zrpc__pb__ping_res__descriptor, prompt);

    if (res != NULL && strcmp(res->echo, text) != 0)
        zrpc_run_fail(p->run, "the ping's message as its echo",
                      "an echo of %zu bytes that differs from the %zu sent", strlen(res->echo), strlen(text));
}

void zrpc_expect_closed(struct zrpc_peer *p, zrpc_time not_before, zrpc_time within)
{
    char from[ZRPC_DURATION_TEXT_MAX], to[ZRPC_DURATION_TEXT_MAX];
    zrpc_time began = zrpc_now();
    struct zrpc_buf expected = {0};
    struct zrpc_seen seen;

    zrpc_peer_see_other(p, began + within, &seen);
    zrpc_peer_see_end(p, began + within, &seen);
    zrpc_text_add(&expected, "the end of the connection, with or without an RST frame before it, within %s",
                  zrpc_duration_format(within, to));
    if (not_before > 0)
        zrpc_text_add(&expected, " and not before %s", zrpc_duration_format(not_before, from));
    if (!is_end(&seen))
        fail_seen(p, zrpc_text_str(&expected), "instead", &seen);
    else if (seen.at - began < not_before)
        zrpc_run_fail(p->run, zrpc_text_str(&expected), "the end of the connection after %s",
                      zrpc_duration_format(seen.at - began, from));
    zrpc_buf_dispose(&expected);
}

void zrpc_expect_shutdown(struct zrpc_peer *p, zrpc_time within)
{
    static const char expected[] = "an RST frame, and then the end of the byte stream without a reset";
    zrpc_time deadline = zrpc_now() + within;
    struct zrpc_seen seen;

    zrpc_peer_see_other(p, deadline, &seen);
    if (seen.kind != ZRPC_SEEN_FRAME || seen.frame.type != ZRPC_FRAME_RST) {
        fail_seen(p, expected, "instead of an RST frame", &seen);
        return;
    }
    zrpc_peer_see(p, deadline, &seen);
    if (seen.kind != ZRPC_SEEN_EOF)
        fail_seen(p, expected, "after the RST frame", &seen);
}

void zrpc_expect_service(struct zrpc_run *run)
{
    const char *text = zrpc_run_unique(run, "alive");
    struct zrpc_peer *p;

    zrpc_run_step(run, "ask on a fresh connection");
    p = zrpc_peer_dial(run);
    zrpc_peer_send_banner(p);
    zrpc_expect_banner(p, zrpc_run_timing(run)->prompt);
    zrpc_peer_send_label(p, ZRPC_DATA);
    zrpc_request_ping(p, text);
    zrpc_expect_pong(p, text);
    zrpc_peer_drop(p);
}

void zrpc_expect_steady_frames(struct zrpc_peer *p)
{
    const struct zrpc_timing *t = zrpc_run_timing(p->run);
    char most[ZRPC_DURATION_TEXT_MAX], gap[ZRPC_DURATION_TEXT_MAX];
    struct zrpc_buf expected = {0};

    if (p->longest_gap <= t->heartbeat_interval + t->heartbeat_slack)
        return;
    zrpc_text_add(&expected, "never more than %s without a frame",
                  zrpc_duration_format(t->heartbeat_interval + t->heartbeat_slack, most));
    zrpc_run_fail(p->run, zrpc_text_str(&expected), "connection #%u: %s without one", p->number,
                  zrpc_duration_format(p->longest_gap, gap));
    zrpc_buf_dispose(&expected);
}

void zrpc_expect_heartbeats_only(struct zrpc_peer *p, zrpc_time duration)
{
    struct zrpc_seen seen;

    zrpc_peer_see_other(p, zrpc_now() + duration, &seen);
    if (seen.kind != ZRPC_SEEN_SILENCE)
        fail_seen(p, "heartbeats only", "instead", &seen);
    if (zrpc_now() - p->last_seen > p->longest_gap)
        p->longest_gap = zrpc_now() - p->last_seen;
}
