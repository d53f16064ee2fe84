/* The request machines, in memory and in virtual time: client against server, and each against raw frames. */
#include <stdlib.h>

#include "testing/suite.h"
#include "zrpc/dataconn.h"
#include "zrpc/pb.h"

static const zrpc_time start = 1000 * ZRPC_SECOND;

struct pair {
    struct zrpc_dataconn_client client;
    struct zrpc_dataconn_server server;
    struct zrpc_buf received; /* content, whichever side got it */
};

static int ping_pair(struct pair *p, const char *message)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;

    *p = (struct pair){0};
    req.message = (char *)(uintptr_t)message;
    zrpc_dataconn_server_init(&p->server, NULL, start);
    return zrpc_dataconn_client_init(&p->client, NULL, start, ZRPC_DATACONN_PING, &req.base, false, NULL);
}

static int recv_pair(struct pair *p)
{
    Zrpc__Pb__ReceiveReq req = ZRPC__PB__RECEIVE_REQ__INIT;

    *p = (struct pair){0};
    req.filesystem = (char *)(uintptr_t) "pool/a";
    zrpc_dataconn_server_init(&p->server, NULL, start);
    return zrpc_dataconn_client_init(&p->client, NULL, start, ZRPC_DATACONN_RECV, &req.base, true, NULL);
}

static int send_pair(struct pair *p, bool dry_run)
{
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;

    *p = (struct pair){0};
    req.filesystem = (char *)(uintptr_t) "pool/a";
    req.to = (char *)(uintptr_t) "@1";
    req.dryrun = dry_run;
    zrpc_dataconn_server_init(&p->server, NULL, start);
    return zrpc_dataconn_client_init(&p->client, NULL, start, ZRPC_DATACONN_SEND, &req.base, !dry_run, NULL);
}

static void dispose(struct pair *p)
{
    zrpc_dataconn_client_dispose(&p->client);
    zrpc_dataconn_server_dispose(&p->server);
    zrpc_buf_dispose(&p->received);
}

typedef int input_fn(struct zrpc_exchange *x, zrpc_time now, struct zrpc_view *in, struct zrpc_view *content,
                     struct zrpc_error *err);

static int server_input(struct zrpc_exchange *x, zrpc_time now, struct zrpc_view *in,
                        struct zrpc_view *content, struct zrpc_error *err)
{
    return zrpc_dataconn_server_input((struct zrpc_dataconn_server *)x, now, in, content, err);
}

static int client_input(struct zrpc_exchange *x, zrpc_time now, struct zrpc_view *in,
                        struct zrpc_view *content, struct zrpc_error *err)
{
    return zrpc_dataconn_client_input((struct zrpc_dataconn_client *)x, now, in, content, err);
}

/* Feeds all of `in`, at most `cut` bytes at a time, keeping content, until something else than content comes.
 */
static int feed(input_fn *input, struct zrpc_exchange *x, struct zrpc_view *in, size_t cut,
                struct zrpc_buf *received, struct zrpc_error *err)
{
    while (in->len > 0) {
        struct zrpc_view part = zrpc_view(in->data, in->len < cut ? in->len : cut), content;
        size_t before = part.len;
        int rc;

        do {
            rc = input(x, start, &part, &content, err);
            if (rc == ZRPC_EXCHANGE_CONTENT)
                zrpc_buf_append(received, content, NULL);
        } while (rc == ZRPC_EXCHANGE_CONTENT);
        zrpc_view_take(in, before - part.len);
        if (rc != ZRPC_EXCHANGE_MORE)
            return rc;
    }
    return ZRPC_EXCHANGE_MORE;
}

/* Moves what one side has to send to the other. */
static int carry(struct pair *p, struct zrpc_exchange *from, struct zrpc_exchange *to, size_t cut,
                 struct zrpc_error *err)
{
    struct zrpc_view in = zrpc_buf_view(&from->hc.conn.writer.output);
    size_t total = in.len;
    int rc = feed(to == &p->server.x ? server_input : client_input, to, &in, cut, &p->received, err);

    zrpc_heartbeatconn_sent(&from->hc, start, total - in.len);
    return rc;
}

static int to_server(struct pair *p, struct zrpc_error *err)
{
    return carry(p, &p->client.x, &p->server.x, SIZE_MAX, err);
}

static int to_client(struct pair *p, struct zrpc_error *err)
{
    return carry(p, &p->server.x, &p->client.x, SIZE_MAX, err);
}

/* A piece of stream, its body in memory: what the pump does with source and wire. */
static void put_content(struct zrpc_exchange *x, const char *text)
{
    struct zrpc_view body = zrpc_view_of(text);

    CHECK_OK(zrpc_exchange_stream_begin(x, start, (uint32_t)body.len, NULL));
    CHECK_OK(zrpc_buf_append(&x->hc.conn.writer.output, body, NULL));
    x->hc.conn.writer.body_left = 0;
}

static void respond_ping(struct pair *p, const char *echo)
{
    Zrpc__Pb__PingRes res = ZRPC__PB__PING_RES__INIT;

    res.echo = (char *)(uintptr_t)echo;
    CHECK_OK(zrpc_dataconn_server_respond(&p->server, start, &res.base, false, NULL));
}

static void a_ping_is_answered(void)
{
    struct pair p;

    CHECK_OK(ping_pair(&p, "hello"));
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(p.server.phase, ZRPC_PHASE_HANDLER);
    CHECK_STR(p.server.endpoint->path, "/v1/ping");
    CHECK_STR(((Zrpc__Pb__PingReq *)p.server.request)->message, "hello");
    respond_ping(&p, "hello");
    CHECK_INT(p.server.phase, ZRPC_PHASE_DONE);
    CHECK_INT(to_client(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(p.client.phase, ZRPC_PHASE_DONE);
    CHECK_STR(((Zrpc__Pb__PingRes *)p.client.response)->echo, "hello");
    dispose(&p);
}

static void any_cut_of_the_bytes_is_the_same_request(void)
{
    for (size_t cut = 1; cut < 12; cut++) {
        struct pair p;

        CHECK_OK(ping_pair(&p, "in pieces"));
        CHECK_INT(carry(&p, &p.client.x, &p.server.x, cut, NULL), ZRPC_EXCHANGE_PHASE);
        respond_ping(&p, "in pieces");
        CHECK_INT(carry(&p, &p.server.x, &p.client.x, cut, NULL), ZRPC_EXCHANGE_PHASE);
        CHECK_STR(((Zrpc__Pb__PingRes *)p.client.response)->echo, "in pieces");
        dispose(&p);
    }
}

static void a_refusal_reaches_the_client_as_it_stands(void)
{
    struct zrpc_error err;
    struct pair p;

    CHECK_OK(ping_pair(&p, ""));
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_OK(zrpc_dataconn_server_refuse(&p.server, start, "dénied ✓ 100%", NULL));
    CHECK_CODE(to_client(&p, &err), ZRPC_ERR_HANDLER);
    CHECK_STR(err.text, "dénied ✓ 100%");
    dispose(&p);
}

static void a_refusal_is_cut_to_the_limit_between_characters(void)
{
    char *text = malloc(60001);
    struct zrpc_view out;
    struct pair p;

    for (size_t i = 0; i < 60000; i += 3)
        memcpy(text + i, "✓", 3);
    text[60000] = '\0';
    CHECK_OK(ping_pair(&p, ""));
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_OK(zrpc_dataconn_server_refuse(&p.server, start, text, NULL));
    out = zrpc_buf_view(&p.server.x.hc.conn.writer.output);
    CHECK(zrpc_get_u32(out.data + 4) <= ZRPC_RESPONSE_HEADER_MAX);
    CHECK(zrpc_get_u32(out.data + 4) > ZRPC_RESPONSE_HEADER_MAX - 3);
    CHECK_CODE(to_client(&p, NULL), ZRPC_ERR_HANDLER);
    dispose(&p);
    free(text);
}

/* A server that gets raw frames from `client_frames`. */
static int raw_request(struct zrpc_dataconn_server *s, struct zrpc_heartbeatconn *frames,
                       struct zrpc_error *err)
{
    struct zrpc_view in = zrpc_buf_view(&frames->conn.writer.output);
    struct zrpc_buf ignored = {0};
    int rc = feed(server_input, &s->x, &in, SIZE_MAX, &ignored, err);

    zrpc_buf_dispose(&ignored);
    return rc;
}

static void an_unknown_endpoint_is_refused(void)
{
    struct zrpc_dataconn_server s;
    struct zrpc_heartbeatconn frames;

    zrpc_heartbeatconn_init(&frames, NULL, start);
    zrpc_dataconn_server_init(&s, NULL, start);
    CHECK_OK(zrpc_stream_put_message(&frames, start, ZRPC_DATACONN_REQUEST_HEADER, zrpc_view_of("/v1/nope"),
                                     NULL));
    CHECK_INT(raw_request(&s, &frames, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(s.phase, ZRPC_PHASE_DONE);
    CHECK_STR(s.refused.text, "requested endpoint does not exist");
    zrpc_dataconn_server_dispose(&s);
    zrpc_heartbeatconn_dispose(&frames);
}

static void an_undecodable_request_is_refused(void)
{
    struct zrpc_dataconn_server s;
    struct zrpc_heartbeatconn frames;

    zrpc_heartbeatconn_init(&frames, NULL, start);
    zrpc_dataconn_server_init(&s, NULL, start);
    CHECK_OK(zrpc_stream_put_message(&frames, start, ZRPC_DATACONN_REQUEST_HEADER, zrpc_view_of("/v1/ping"),
                                     NULL));
    CHECK_OK(zrpc_stream_put_message(&frames, start, ZRPC_DATACONN_REQUEST, zrpc_view_of("\x0a\x7f!"), NULL));
    CHECK_INT(raw_request(&s, &frames, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(s.phase, ZRPC_PHASE_DONE);
    CHECK_CODE(s.refused.code, ZRPC_ERR_MESSAGE);
    zrpc_dataconn_server_dispose(&s);
    zrpc_heartbeatconn_dispose(&frames);
}

/* A frame that would bring the message above its limit is refused by its header; what it announces never
 * comes. */
static void refuse_above(size_t limit, const char *endpoint)
{
    uint32_t type = endpoint == NULL ? ZRPC_DATACONN_REQUEST_HEADER : ZRPC_DATACONN_REQUEST;
    uint8_t header[ZRPC_FRAME_HEADER_LEN], chunk[4096] = {0};
    struct zrpc_dataconn_server s;
    struct zrpc_heartbeatconn frames;
    struct zrpc_view in, content;

    zrpc_heartbeatconn_init(&frames, NULL, start);
    zrpc_dataconn_server_init(&s, NULL, start);
    if (endpoint != NULL) {
        CHECK_OK(zrpc_stream_put_message(&frames, start, ZRPC_DATACONN_REQUEST_HEADER, zrpc_view_of(endpoint),
                                         NULL));
        CHECK_INT(raw_request(&s, &frames, NULL), ZRPC_EXCHANGE_MORE);
    }
    zrpc_frame_encode((struct zrpc_frame){type, (uint32_t)limit}, header);
    in = zrpc_view(header, sizeof header);
    CHECK_INT(zrpc_dataconn_server_input(&s, start, &in, &content, NULL), ZRPC_EXCHANGE_MORE);
    for (size_t sent = 0; sent < limit; sent += sizeof chunk) {
        in = zrpc_view(chunk, sizeof chunk);
        CHECK_INT(zrpc_dataconn_server_input(&s, start, &in, &content, NULL), ZRPC_EXCHANGE_MORE);
    }
    CHECK(s.x.reader.content.cap <= 2 * limit + 64);
    zrpc_frame_encode((struct zrpc_frame){type, UINT32_MAX}, header);
    in = zrpc_view(header, sizeof header);
    CHECK_INT(zrpc_dataconn_server_input(&s, start, &in, &content, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(s.phase, ZRPC_PHASE_DONE);
    CHECK_CODE(s.refused.code, ZRPC_ERR_TOO_BIG);
    CHECK(s.x.hc.conn.writer.output.len > 0);
    zrpc_dataconn_server_dispose(&s);
    zrpc_heartbeatconn_dispose(&frames);
}

static void a_request_header_above_its_limit_is_refused(void)
{
    refuse_above(ZRPC_REQUEST_HEADER_MAX, NULL);
}

static void a_request_above_its_limit_is_refused(void)
{
    refuse_above(ZRPC_REQUEST_MAX, "/v1/recv");
}

static void a_received_stream_is_finished_and_answered(void)
{
    Zrpc__Pb__ReceiveRes res = ZRPC__PB__RECEIVE_RES__INIT;
    struct pair p;

    CHECK_OK(recv_pair(&p));
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK(!p.server.x.reading);
    zrpc_dataconn_server_receive(&p.server);
    CHECK(p.server.x.reading);
    put_content(&p.client.x, "some ");
    put_content(&p.client.x, "bytes");
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_MORE);
    CHECK_INT(p.server.phase, ZRPC_PHASE_STREAM_IN);
    CHECK_OK(zrpc_exchange_stream_end(&p.client.x, start, NULL));
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(p.server.phase, ZRPC_PHASE_FINISH);
    CHECK_BYTES(zrpc_buf_view(&p.received), zrpc_view_of("some bytes"));
    CHECK_OK(zrpc_dataconn_server_respond(&p.server, start, &res.base, false, NULL));
    CHECK_INT(to_client(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(p.client.phase, ZRPC_PHASE_DONE);
    dispose(&p);
}

static void a_failed_source_of_the_client_is_never_finished(void)
{
    struct zrpc_error err;
    struct pair p;

    CHECK_OK(recv_pair(&p));
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_PHASE);
    zrpc_dataconn_server_receive(&p.server);
    put_content(&p.client.x, "half");
    CHECK_OK(zrpc_exchange_stream_fail(&p.client.x, start, "disk on fire ✗", NULL));
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(p.server.phase, ZRPC_PHASE_DONE);
    CHECK_CODE(p.server.refused.code, ZRPC_ERR_PEER_SOURCE);
    CHECK_CODE(to_client(&p, &err), ZRPC_ERR_HANDLER);
    CHECK_CONTAINS(err.text, "disk on fire ✗");
    dispose(&p);
}

static void a_refusal_overtakes_the_stream(void)
{
    struct zrpc_error err;
    struct pair p;

    CHECK_OK(recv_pair(&p));
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_PHASE);
    zrpc_dataconn_server_receive(&p.server);
    put_content(&p.client.x, "first");
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_MORE);
    CHECK_OK(zrpc_dataconn_server_refuse(&p.server, start, "disk full", NULL));
    CHECK_CODE(to_client(&p, &err), ZRPC_ERR_HANDLER);
    CHECK_STR(err.text, "disk full");
    CHECK(p.client.x.sending != 0);
    dispose(&p);
}

static struct zrpc_error last_error;

static void begin_send(struct pair *p)
{
    Zrpc__Pb__SendRes res = ZRPC__PB__SEND_RES__INIT;

    res.expectedsize = 8;
    CHECK_OK(send_pair(p, false));
    CHECK_INT(to_server(p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_STR(((Zrpc__Pb__SendReq *)p->server.request)->to, "@1");
    CHECK_OK(zrpc_dataconn_server_respond(&p->server, start, &res.base, true, NULL));
    CHECK_INT(p->server.phase, ZRPC_PHASE_STREAM_OUT);
    CHECK_INT(to_client(p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(p->client.phase, ZRPC_PHASE_STREAM_IN);
    CHECK_INT(((Zrpc__Pb__SendRes *)p->client.response)->expectedsize, 8);
    CHECK(!p->client.x.reading);
}

static void a_sent_stream_follows_its_response(void)
{
    struct pair p;

    begin_send(&p);
    put_content(&p.server.x, "12345678");
    CHECK_OK(zrpc_exchange_stream_end(&p.server.x, start, NULL));
    CHECK_INT(to_client(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(p.client.phase, ZRPC_PHASE_DONE);
    CHECK_BYTES(zrpc_buf_view(&p.received), zrpc_view_of("12345678"));
    dispose(&p);
}

static void a_failed_source_of_the_server_fails_the_send(void)
{
    struct pair p;

    begin_send(&p);
    put_content(&p.server.x, "1234");
    CHECK_OK(zrpc_exchange_stream_fail(&p.server.x, start, "I/O error", NULL));
    CHECK_CODE(to_client(&p, &last_error), ZRPC_ERR_PEER_SOURCE);
    CHECK_CONTAINS(last_error.text, "I/O error");
    CHECK(p.client.phase != ZRPC_PHASE_DONE);
    dispose(&p);
}

static void a_dry_run_has_no_stream(void)
{
    Zrpc__Pb__SendRes res = ZRPC__PB__SEND_RES__INIT;
    struct pair p;

    CHECK_OK(send_pair(&p, true));
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_OK(zrpc_dataconn_server_respond(&p.server, start, &res.base, false, NULL));
    CHECK_INT(to_client(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(p.client.phase, ZRPC_PHASE_DONE);
    dispose(&p);
}

static void a_second_request_does_not_disturb_the_first(void)
{
    struct pair p;

    CHECK_OK(ping_pair(&p, "one"));
    CHECK_OK(zrpc_stream_put_message(&p.client.x.hc, start, ZRPC_DATACONN_REQUEST_HEADER,
                                     zrpc_view_of("/v1/ping"), NULL));
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_INT(to_server(&p, NULL), ZRPC_EXCHANGE_MORE);
    CHECK(!p.server.x.reading);
    respond_ping(&p, "one");
    CHECK(!p.server.x.reading);
    CHECK_INT(to_client(&p, NULL), ZRPC_EXCHANGE_PHASE);
    CHECK_STR(((Zrpc__Pb__PingRes *)p.client.response)->echo, "one");
    dispose(&p);
}

static void a_response_header_must_be_one_of_two(void)
{
    struct pair p;

    CHECK_OK(ping_pair(&p, "one"));
    CHECK_OK(zrpc_stream_put_message(&p.server.x.hc, start, ZRPC_DATACONN_RESPONSE_HEADER,
                                     zrpc_view_of("HANDLER MAYBE\n"), NULL));
    CHECK_CODE(to_client(&p, NULL), ZRPC_ERR_MESSAGE);
    dispose(&p);
}

static void a_request_above_the_limit_is_not_sent(void)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    struct zrpc_dataconn_client c;

    req.message = malloc(ZRPC_REQUEST_MAX + 1);
    memset(req.message, 'x', ZRPC_REQUEST_MAX);
    req.message[ZRPC_REQUEST_MAX] = '\0';
    CHECK_CODE(zrpc_dataconn_client_init(&c, NULL, start, ZRPC_DATACONN_PING, &req.base, false, NULL),
               ZRPC_ERR_USAGE);
    CHECK_INT(c.x.hc.conn.writer.output.len, 0);
    zrpc_dataconn_client_dispose(&c);
    free(req.message);
}

static void random_bytes_are_survived(void)
{
    uint64_t seed = 42;

    for (int round = 0; round < 2000; round++) {
        struct zrpc_dataconn_server s;
        struct zrpc_view in, content;
        uint8_t bytes[256];
        int rc;

        zrpc_dataconn_server_init(&s, NULL, start);
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bytes[i] =
                i % 8 < 3 ? 0 : (uint8_t)(seed >> 60); /* small types and lengths, so that some get far */
        }
        in = zrpc_view(bytes, sizeof bytes);
        do
            rc = zrpc_dataconn_server_input(&s, start, &in, &content, NULL);
        while (rc == ZRPC_EXCHANGE_CONTENT);
        CHECK(rc <= ZRPC_EXCHANGE_PHASE);
        zrpc_dataconn_server_dispose(&s);
    }
}

static const struct zrpc_test tests[] = {
    {"a ping is answered", a_ping_is_answered},
    {"any cut of the bytes is the same request", any_cut_of_the_bytes_is_the_same_request},
    {"a refusal reaches the client as it stands", a_refusal_reaches_the_client_as_it_stands},
    {"a refusal is cut to the limit between characters", a_refusal_is_cut_to_the_limit_between_characters},
    {"an unknown endpoint is refused", an_unknown_endpoint_is_refused},
    {"an undecodable request is refused", an_undecodable_request_is_refused},
    {"a request header above its limit is refused", a_request_header_above_its_limit_is_refused},
    {"a request above its limit is refused", a_request_above_its_limit_is_refused},
    {"a received stream is finished and answered", a_received_stream_is_finished_and_answered},
    {"a failed source of the client is never finished", a_failed_source_of_the_client_is_never_finished},
    {"a refusal overtakes the stream", a_refusal_overtakes_the_stream},
    {"a sent stream follows its response", a_sent_stream_follows_its_response},
    {"a failed source of the server fails the send", a_failed_source_of_the_server_fails_the_send},
    {"a dry run has no stream", a_dry_run_has_no_stream},
    {"a second request does not disturb the first", a_second_request_does_not_disturb_the_first},
    {"a response header must be one of two", a_response_header_must_be_one_of_two},
    {"a request above the limit is not sent", a_request_above_the_limit_is_not_sent},
    {"random bytes are survived", random_bytes_are_survived},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("dataconn-machine", tests, argc, argv);
}
