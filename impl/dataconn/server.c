#include <stdio.h>
#include <string.h>

#include "zrpc/dataconn.h"
#include "zrpc/pb.h"

void zrpc_dataconn_server_init(struct zrpc_dataconn_server *s, const struct zrpc_heartbeat_config *config,
                               zrpc_time now)
{
    *s = (struct zrpc_dataconn_server){.phase = ZRPC_PHASE_HEADER};
    zrpc_exchange_init(&s->x, config, now);
    zrpc_exchange_expect_message(&s->x, ZRPC_DATACONN_REQUEST_HEADER, ZRPC_REQUEST_HEADER_MAX);
}

void zrpc_dataconn_server_dispose(struct zrpc_dataconn_server *s)
{
    if (s->request != NULL)
        protobuf_c_message_free_unpacked(s->request, NULL);
    zrpc_exchange_dispose(&s->x);
}

int zrpc_dataconn_server_refuse(struct zrpc_dataconn_server *s, zrpc_time now, const char *text,
                                struct zrpc_error *err)
{
    struct zrpc_buf header = {0};
    size_t room = ZRPC_RESPONSE_HEADER_MAX - strlen(ZRPC_HANDLER_ERROR_PREFIX);
    int rc = zrpc_buf_append(&header, zrpc_view_of(ZRPC_HANDLER_ERROR_PREFIX), err);

    s->phase = ZRPC_PHASE_DONE;
    if (rc == 0)
        rc = zrpc_buf_append(&header, zrpc_utf8_prefix(zrpc_view_of(text), room), err);
    if (rc == 0)
        rc = zrpc_stream_put_message(&s->x.hc, now, ZRPC_DATACONN_RESPONSE_HEADER, zrpc_buf_view(&header),
                                     err);
    zrpc_buf_dispose(&header);
    return rc;
}

int zrpc_dataconn_server_respond(struct zrpc_dataconn_server *s, zrpc_time now,
                                 const ProtobufCMessage *response, bool stream_follows,
                                 struct zrpc_error *err)
{
    struct zrpc_buf body = {0};
    int rc = zrpc_pb_encode(response, &body, err);

    if (rc == 0 && body.len > ZRPC_RESPONSE_MAX) {
        rc = zrpc_dataconn_server_refuse(s, now, "response above the protocol's limit", err);
        goto out;
    }
    s->phase = stream_follows ? ZRPC_PHASE_STREAM_OUT : ZRPC_PHASE_DONE;
    s->x.sending = stream_follows ? ZRPC_DATACONN_ZFS_STREAM : 0;
    s->x.reading = !s->deaf;
    if (rc == 0)
        rc = zrpc_stream_put_message(&s->x.hc, now, ZRPC_DATACONN_RESPONSE_HEADER,
                                     zrpc_view_of(ZRPC_HANDLER_OK_HEADER), err);
    if (rc == 0)
        rc = zrpc_stream_put_message(&s->x.hc, now, ZRPC_DATACONN_RESPONSE, zrpc_buf_view(&body), err);
out:
    zrpc_buf_dispose(&body);
    return rc;
}

void zrpc_dataconn_server_receive(struct zrpc_dataconn_server *s)
{
    zrpc_exchange_expect_stream(&s->x, ZRPC_DATACONN_ZFS_STREAM);
    s->x.reading = true;
    s->phase = ZRPC_PHASE_STREAM_IN;
}

/* The machine's own refusal: an answer rather than a failure, because the peer can still hear it. */
static int refuse_self(struct zrpc_dataconn_server *s, zrpc_time now, const struct zrpc_error *why,
                       struct zrpc_error *err)
{
    int rc;

    s->refused = *why;
    rc = zrpc_dataconn_server_refuse(s, now, why->text, err);
    return rc < 0 ? rc : ZRPC_EXCHANGE_PHASE;
}

static int on_header(struct zrpc_dataconn_server *s, zrpc_time now, struct zrpc_error *err)
{
    struct zrpc_error why;

    s->endpoint = zrpc_dataconn_find_endpoint(zrpc_exchange_message(&s->x));
    if (s->endpoint == NULL) {
        zrpc_fail(&why, ZRPC_ERR_USAGE, "requested endpoint does not exist");
        return refuse_self(s, now, &why, err);
    }
    s->phase = ZRPC_PHASE_REQUEST;
    zrpc_exchange_expect_message(&s->x, ZRPC_DATACONN_REQUEST, ZRPC_REQUEST_MAX);
    return ZRPC_EXCHANGE_MORE;
}

static int on_request(struct zrpc_dataconn_server *s, zrpc_time now, struct zrpc_error *err)
{
    struct zrpc_error why;

    if (zrpc_pb_decode(s->endpoint->request, zrpc_exchange_message(&s->x), &s->request, &why) < 0)
        return refuse_self(s, now, &why, err);
    s->phase = ZRPC_PHASE_HANDLER;
    /* A recv's stream follows at once; it stays with the peer until the handler has a sink for it. */
    s->x.reading = s->endpoint->method != ZRPC_DATACONN_RECV;
    return ZRPC_EXCHANGE_PHASE;
}

static int on_message(struct zrpc_dataconn_server *s, zrpc_time now, struct zrpc_error *err)
{
    return s->phase == ZRPC_PHASE_HEADER ? on_header(s, now, err) : on_request(s, now, err);
}

static int on_failure(struct zrpc_dataconn_server *s, zrpc_time now, int code, struct zrpc_error *err)
{
    struct zrpc_error why = {.code = code};

    if ((code == ZRPC_ERR_STREAM || code == ZRPC_ERR_FRAME) && s->x.expect == ZRPC_EXPECT_NOTHING) {
        s->deaf = true;
        s->x.reading = false;
        return ZRPC_EXCHANGE_MORE;
    }
    if (code == ZRPC_ERR_TOO_BIG)
        snprintf(why.text, sizeof why.text, "%s above its limit of %zu bytes",
                 s->phase == ZRPC_PHASE_HEADER ? "request header" : "request", s->x.reader.limit);
    else if (code == ZRPC_ERR_PEER_SOURCE)
        why = *err;
    else
        return code;
    return refuse_self(s, now, &why, err);
}

int zrpc_dataconn_server_input(struct zrpc_dataconn_server *s, zrpc_time now, struct zrpc_view *in,
                               struct zrpc_view *content, struct zrpc_error *err)
{
    struct zrpc_error local;

    if (err == NULL)
        err = &local;
    for (;;) {
        int rc = zrpc_exchange_input(&s->x, now, in, content, err);

        if (rc == ZRPC_EXCHANGE_MESSAGE) {
            rc = on_message(s, now, err);
            if (rc == ZRPC_EXCHANGE_MORE)
                continue;
        } else if (rc == ZRPC_EXCHANGE_STREAM) {
            s->phase = ZRPC_PHASE_FINISH;
            rc = ZRPC_EXCHANGE_PHASE;
        } else if (rc < 0) {
            rc = on_failure(s, now, rc, err);
        }
        return rc;
    }
}
