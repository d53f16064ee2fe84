#include "rpc/server_internal.h"
#include "zrpc/grpchelper.h"
#include "zrpc/replication.h"
#include "zrpc/timeoutconn.h"
#include "zrpc/transportmux.h"
#include "zrpc/versionhandshake.h"

/* A client that has not said what it wants has nothing to finish. */
static void drop(void *preamble, zrpc_time deadline)
{
    (void)deadline;
    zrpc_timeoutconn_cancel(preamble);
}

/* Handshake and label. Takes the wire and gives it back, ready for what the label says, or closes it. */
static int preamble(struct zrpc_server *s, struct zrpc_netconn *conn, enum zrpc_label *label,
                    struct zrpc_error *err)
{
    const struct zrpc_server_options *o = &s->options;
    struct zrpc_timeoutconn *preamble;
    int rc = zrpc_timeoutconn_new(conn->wire, &preamble, err);

    conn->wire = NULL;
    if (rc < 0)
        return rc;
    zrpc_netconn_on_stop(conn, drop, preamble);
    rc = zrpc_versionhandshake_run(preamble, zrpc_deadline(zrpc_now(), o->handshake_timeout), err);
    if (rc == 0)
        rc = zrpc_transportmux_read(preamble, zrpc_deadline(zrpc_now(), o->label_timeout), label, err);
    zrpc_netconn_on_stop(conn, NULL, NULL);
    if (rc == 0)
        conn->wire = zrpc_timeoutconn_release(preamble);
    else
        zrpc_timeoutconn_close(preamble);
    return rc;
}

/* As for the server's general log, where there is none for the kind of connection. */
static const struct zrpc_log *log_or_general(const struct zrpc_server *s, const struct zrpc_log *log)
{
    return log == NULL ? s->options.log : log;
}

static int serve_data(struct zrpc_server *s, struct zrpc_netconn *conn, struct zrpc_error *err)
{
    struct zrpc_log log;
    struct zrpc_call call = {
        .client_identity = conn->identity,
        .peer = conn->peer,
        .deadline = ZRPC_NEVER,
        .log = &log,
    };
    const struct zrpc_dataconn_options options = {
        .heartbeat = s->options.heartbeat,
        .cancel = conn->cancel,
        .log = &log,
    };
    const struct zrpc_dataconn_service service = {
        .handler = &s->options.handler,
        .pools = s->data_pools,
        .intercept = s->options.intercept,
        .intercept_ctx = s->options.intercept_ctx,
        .stop = conn->stop,
    };

    conn->log = log_or_general(s, s->options.log_data);
    zrpc_netconn_log(conn, conn->log, &log);
    return zrpc_dataconn_serve(conn->wire, &options, &service, &call, err);
}

static int serve_control(struct zrpc_server *s, struct zrpc_netconn *conn, struct zrpc_error *err)
{
    const struct zrpc_grpc_service service = zrpc_replication_service(&s->options.handler);
    const struct zrpc_grpc_conn_options options = {
        .server = {.services = &service,
                   .n_services = 1,
                   .request_max = s->options.control_request_max,
                   .response_max = s->options.control_response_max,
                   .ledger = s->ledger,
                   .budget = s->options.control_budget,
                   .handlers_max = s->options.client_threads,
                   .stall_timeout = s->options.control_stall_timeout},
        .pool = s->control_pool,
        .intercept = s->options.intercept,
        .intercept_ctx = s->options.intercept_ctx,
    };

    conn->log = log_or_general(s, s->options.log_control);
    return zrpc_grpchelper_serve(conn, &options, conn->log, err);
}

static int (*const serve_label[ZRPC_LABEL_COUNT])(struct zrpc_server *, struct zrpc_netconn *,
                                                  struct zrpc_error *) = {
    [ZRPC_CONTROL] = serve_control,
    [ZRPC_DATA] = serve_data,
};

int zrpc_server_serve_connection(void *ctx, struct zrpc_netconn *conn, struct zrpc_error *err)
{
    struct zrpc_server *s = ctx;
    enum zrpc_label label;
    int rc = preamble(s, conn, &label, err);

    if (rc < 0)
        return rc;
    zrpc_log(s->options.log, ZRPC_LOG_DEBUG, "connection", "peer", conn->peer, "label",
             zrpc_label_name(label), "identity", conn->identity, NULL);
    return serve_label[label](s, conn, err);
}
