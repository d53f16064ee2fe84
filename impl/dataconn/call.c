#include <stdlib.h>
#include <string.h>

#include "dataconn/pump.h"

#define CANCELLED_FAREWELL (50 * ZRPC_MILLISECOND)

/* A request from this side: machine and pump. */
struct request {
    struct zrpc_dataconn_client machine;
    struct zrpc_pump pump;
};

static int client_input(struct zrpc_exchange *x, zrpc_time now, struct zrpc_view *in,
                        struct zrpc_view *content, struct zrpc_error *err)
{
    return zrpc_dataconn_client_input((struct zrpc_dataconn_client *)x, now, in, content, err);
}

static int request_init(struct request *r, struct zrpc_wire *wire,
                        const struct zrpc_dataconn_options *options, enum zrpc_dataconn_method method,
                        const ProtobufCMessage *message, bool stream_follows, struct zrpc_error *err)
{
    int rc = zrpc_dataconn_client_init(&r->machine, &options->heartbeat, zrpc_now(), method, message,
                                       stream_follows, err);

    zrpc_pump_init(&r->pump, wire, &r->machine.x, client_input, options);
    return rc;
}

/* Beyond what fits an error, and without memory for it that has to do. */
static void keep_long_text(const struct request *r, int rc)
{
    struct zrpc_view text = {0};

    if (r->pump.options->long_text == NULL)
        return;
    if (rc == ZRPC_ERR_HANDLER && r->machine.phase == ZRPC_PHASE_HEADER) {
        text = zrpc_exchange_message(&r->machine.x);
        zrpc_view_take(&text, strlen(ZRPC_HANDLER_ERROR_PREFIX));
    } else if (rc == ZRPC_ERR_PEER_SOURCE) {
        text = zrpc_buf_view(&r->machine.x.reader.stream.trailer);
    }
    if (text.len >= ZRPC_ERROR_TEXT_MAX && (rc == ZRPC_ERR_HANDLER || zrpc_utf8_valid(text)))
        zrpc_buf_set_text(r->pump.options->long_text, text, NULL);
}

/* A caller that cancels does not wait for the peer. */
static void request_end(struct request *r, int rc)
{
    keep_long_text(r, rc);
    if (rc == ZRPC_ERR_CANCELLED)
        r->pump.farewell = CANCELLED_FAREWELL;
    zrpc_pump_end(&r->pump, rc);
    zrpc_pump_dispose(&r->pump);
    zrpc_dataconn_client_dispose(&r->machine);
}

/* Until the machine is in another phase. */
static int next_phase(struct request *r, struct zrpc_error *err)
{
    int rc;

    do
        rc = zrpc_pump_run(&r->pump, err);
    while (rc == ZRPC_PUMP_SENT);
    return rc < 0 ? rc : 0;
}

/* Waits for the response and takes it out of the machine. */
static int await_response(struct request *r, ProtobufCMessage **response, struct zrpc_error *err)
{
    int rc = next_phase(r, err);

    if (rc == 0) {
        *response = r->machine.response;
        r->machine.response = NULL;
    }
    return rc;
}

int zrpc_dataconn_ping(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options,
                       const char *message, char **echo, struct zrpc_error *err)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    ProtobufCMessage *response = NULL;
    struct request r;
    int rc;

    req.message = (char *)(uintptr_t)message;
    rc = request_init(&r, wire, options, ZRPC_DATACONN_PING, &req.base, false, err);
    if (rc == 0)
        rc = await_response(&r, &response, err);
    if (rc == 0) {
        *echo = strdup(((Zrpc__Pb__PingRes *)response)->echo);
        if (*echo == NULL)
            rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for the echo");
        protobuf_c_message_free_unpacked(response, NULL);
    }
    request_end(&r, rc);
    return rc;
}

static int receive_stream(struct request *r, zrpc_dataconn_open_sink *open_sink, void *ctx,
                          const Zrpc__Pb__SendRes *res, struct zrpc_error *err)
{
    struct zrpc_sink sink = {0};
    int rc = open_sink(ctx, res, &sink, err);

    if (rc < 0)
        return rc;
    zrpc_pump_set_sink(&r->pump, &sink);
    r->machine.x.reading = true;
    rc = next_phase(r, err);
    if (rc == 0)
        rc = r->pump.sink.ops->finish(r->pump.sink.ctx, err);
    return rc;
}

int zrpc_dataconn_send(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options,
                       const Zrpc__Pb__SendReq *req, zrpc_dataconn_open_sink *open_sink, void *ctx,
                       Zrpc__Pb__SendRes **res, struct zrpc_error *err)
{
    struct request r;
    int rc;

    *res = NULL;
    rc = request_init(&r, wire, options, ZRPC_DATACONN_SEND, &req->base, !req->dryrun, err);
    if (rc == 0)
        rc = await_response(&r, (ProtobufCMessage **)res, err);
    if (rc == 0 && r.machine.phase == ZRPC_PHASE_STREAM_IN)
        rc = receive_stream(&r, open_sink, ctx, *res, err);
    request_end(&r, rc);
    return rc;
}

int zrpc_dataconn_recv(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options,
                       const Zrpc__Pb__ReceiveReq *req, struct zrpc_source *source, struct zrpc_error *err)
{
    struct request r;
    int rc = request_init(&r, wire, options, ZRPC_DATACONN_RECV, &req->base, true, err);

    zrpc_pump_set_source(&r.pump, source);
    if (rc == 0)
        rc = next_phase(&r, err);
    if (r.pump.source_error.code != ZRPC_OK) {
        if (err != NULL)
            *err = r.pump.source_error;
        rc = r.pump.source_error.code;
    } else if (rc == 0 && (r.machine.x.sending != 0 || r.pump.write_error.code != ZRPC_OK)) {
        rc = zrpc_fail(err, ZRPC_ERR_MESSAGE, "the server reports success before the stream was complete");
    }
    request_end(&r, rc);
    return rc;
}
