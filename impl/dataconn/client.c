#include <string.h>

#include "zrpc/dataconn.h"
#include "zrpc/pb.h"

int zrpc_dataconn_client_init(struct zrpc_dataconn_client *c, const struct zrpc_heartbeat_config *config,
                              zrpc_time now, enum zrpc_dataconn_method method,
                              const ProtobufCMessage *request, bool stream_follows, struct zrpc_error *err)
{
    struct zrpc_buf body = {0};
    int rc;

    *c = (struct zrpc_dataconn_client){
        .phase = ZRPC_PHASE_HEADER,
        .endpoint = zrpc_dataconn_endpoint(method),
        .stream_follows = stream_follows,
    };
    zrpc_exchange_init(&c->x, config, now);
    zrpc_exchange_expect_message(&c->x, ZRPC_DATACONN_RESPONSE_HEADER, ZRPC_RESPONSE_HEADER_MAX);

    rc = zrpc_pb_encode(request, &body, err);
    if (rc == 0 && body.len > ZRPC_REQUEST_MAX)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "request of %zu bytes, the protocol's limit is %u", body.len,
                       ZRPC_REQUEST_MAX);
    if (rc == 0)
        rc = zrpc_stream_put_message(&c->x.hc, now, ZRPC_DATACONN_REQUEST_HEADER,
                                     zrpc_view_of(c->endpoint->path), err);
    if (rc == 0)
        rc = zrpc_stream_put_message(&c->x.hc, now, ZRPC_DATACONN_REQUEST, zrpc_buf_view(&body), err);
    if (rc == 0 && method == ZRPC_DATACONN_RECV)
        c->x.sending = ZRPC_DATACONN_ZFS_STREAM;
    zrpc_buf_dispose(&body);
    return rc;
}

void zrpc_dataconn_client_dispose(struct zrpc_dataconn_client *c)
{
    if (c->response != NULL)
        protobuf_c_message_free_unpacked(c->response, NULL);
    zrpc_exchange_dispose(&c->x);
}

static bool take_prefix(struct zrpc_view *v, const char *prefix)
{
    size_t len = strlen(prefix);

    if (v->len < len || memcmp(v->data, prefix, len) != 0)
        return false;
    zrpc_view_take(v, len);
    return true;
}

static int on_header(struct zrpc_dataconn_client *c, struct zrpc_error *err)
{
    struct zrpc_view header = zrpc_exchange_message(&c->x);

    if (take_prefix(&header, ZRPC_HANDLER_ERROR_PREFIX))
        return zrpc_fail(err, ZRPC_ERR_HANDLER, "%.*s", (int)header.len, (const char *)header.data);
    if (!take_prefix(&header, ZRPC_HANDLER_OK_HEADER))
        return zrpc_fail(err, ZRPC_ERR_MESSAGE,
                         "response header of %zu bytes starts neither with \"HANDLER OK\\n\" nor with "
                         "\"HANDLER ERROR:\\n\"",
                         header.len);
    c->phase = ZRPC_PHASE_REQUEST;
    zrpc_exchange_expect_message(&c->x, ZRPC_DATACONN_RESPONSE, ZRPC_RESPONSE_MAX);
    return ZRPC_EXCHANGE_MORE;
}

static int on_response(struct zrpc_dataconn_client *c, struct zrpc_error *err)
{
    int rc = zrpc_pb_decode(c->endpoint->response, zrpc_exchange_message(&c->x), &c->response, err);

    if (rc < 0) {
        zrpc_error_prefix(err, rc, "response to %s", c->endpoint->path);
        return rc;
    }
    if (c->endpoint->method == ZRPC_DATACONN_SEND && c->stream_follows) {
        c->phase = ZRPC_PHASE_STREAM_IN;
        c->x.reading = false; /* until the caller has opened a sink */
        zrpc_exchange_expect_stream(&c->x, ZRPC_DATACONN_ZFS_STREAM);
    } else {
        c->phase = ZRPC_PHASE_DONE;
    }
    return ZRPC_EXCHANGE_PHASE;
}

int zrpc_dataconn_client_input(struct zrpc_dataconn_client *c, zrpc_time now, struct zrpc_view *in,
                               struct zrpc_view *content, struct zrpc_error *err)
{
    for (;;) {
        int rc = zrpc_exchange_input(&c->x, now, in, content, err);

        if (rc == ZRPC_EXCHANGE_STREAM) {
            c->phase = ZRPC_PHASE_DONE;
            rc = ZRPC_EXCHANGE_PHASE;
        } else if (rc == ZRPC_EXCHANGE_MESSAGE) {
            rc = c->phase == ZRPC_PHASE_HEADER ? on_header(c, err) : on_response(c, err);
            if (rc == ZRPC_EXCHANGE_MORE)
                continue;
        }
        return rc;
    }
}
