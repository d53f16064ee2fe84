#include <stdlib.h>

#include "rpc/server_internal.h"
#include "zrpc/replication.h"
#include "zrpc/transportmux.h"
#include "zrpc/versionhandshake.h"

/* While it is published, stopping the server ends it. */
static void publish(struct zrpc_connection *c, struct zrpc_timeoutconn *preamble,
                    struct zrpc_grpc_conn *control)
{
    struct zrpc_server *s = c->server;

    pthread_mutex_lock(&s->lock);
    c->preamble = preamble;
    c->control = control;
    if (s->stop_deadline != ZRPC_NEVER)
        zrpc_connection_stop(c, s->stop_deadline);
    pthread_mutex_unlock(&s->lock);
}

void zrpc_connection_stop(struct zrpc_connection *c, zrpc_time deadline)
{
    if (c->authenticating != NULL)
        zrpc_wire_shutdown(c->authenticating);
    if (c->preamble != NULL)
        zrpc_timeoutconn_cancel(c->preamble);
    if (c->control != NULL)
        zrpc_grpc_conn_stop(c->control, deadline);
}

static void set_authenticating(struct zrpc_connection *c, struct zrpc_wire *wire)
{
    struct zrpc_server *s = c->server;

    pthread_mutex_lock(&s->lock);
    c->authenticating = wire;
    if (s->stop_deadline != ZRPC_NEVER)
        zrpc_connection_stop(c, s->stop_deadline);
    pthread_mutex_unlock(&s->lock);
}

/* The transport bounds it. Takes the wire and gives it back, or closes it. */
static int authenticate(struct zrpc_connection *c, struct zrpc_wire **wire, struct zrpc_error *err)
{
    int rc;

    if (c->accepted.authenticate == NULL)
        return 0;
    set_authenticating(c, *wire);
    rc = c->accepted.authenticate(&c->accepted, ZRPC_NEVER, err);
    set_authenticating(c, NULL);
    if (rc < 0) {
        zrpc_wire_close(*wire);
        *wire = NULL;
    }
    return rc;
}

/* Handshake and label. Takes the wire and gives it back, ready for its label, or closes it. */
static int preamble(struct zrpc_connection *c, struct zrpc_wire **wire, enum zrpc_label *label,
                    struct zrpc_error *err)
{
    const struct zrpc_server_options *o = &c->server->options;
    struct zrpc_timeoutconn *conn;
    int rc = zrpc_timeoutconn_new(*wire, &conn, err);

    *wire = NULL;
    if (rc < 0)
        return rc;
    publish(c, conn, NULL);
    rc = zrpc_versionhandshake_run(conn, zrpc_deadline(zrpc_now(), o->handshake_timeout), err);
    if (rc == 0)
        rc = zrpc_transportmux_read(conn, zrpc_deadline(zrpc_now(), o->label_timeout), label, err);
    publish(c, NULL, NULL);
    if (rc == 0)
        *wire = zrpc_timeoutconn_release(conn);
    else
        zrpc_timeoutconn_close(conn);
    return rc;
}

/* What both kinds of connection tell their handlers about themselves. */
struct context {
    struct zrpc_log with_identity, log;
    struct zrpc_call call;
};

static void begin_context(struct context *x, struct zrpc_connection *c, const struct zrpc_log *log)
{
    const struct zrpc_server_options *o = &c->server->options;

    zrpc_log_with(&x->with_identity, log == NULL ? o->log : log, "identity", c->accepted.identity);
    zrpc_log_with(&x->log, &x->with_identity, "peer", c->accepted.peer);
    x->call = (struct zrpc_call){
        .client_identity = c->accepted.identity,
        .peer = c->accepted.peer,
        .deadline = ZRPC_NEVER,
        .log = &x->log,
    };
}

static int serve_data(struct zrpc_connection *c, struct zrpc_wire *wire, struct zrpc_error *err)
{
    struct zrpc_server *s = c->server;
    struct context x;
    struct zrpc_dataconn_options options = {
        .heartbeat = s->options.heartbeat,
        .cancel = &s->cancel,
        .log = &x.log,
    };
    int rc = 0;

    begin_context(&x, c, s->options.log_data);
    if (s->options.intercept != NULL)
        rc = s->options.intercept(s->options.intercept_ctx, &x.call, err);
    if (rc < 0) {
        zrpc_wire_close(wire);
        return rc;
    }
    return zrpc_dataconn_serve(wire, &options, &s->options.handler, &s->data_pools, &x.call, err);
}

static int serve_control(struct zrpc_connection *c, struct zrpc_wire *wire, struct zrpc_error *err)
{
    struct zrpc_server *s = c->server;
    const struct zrpc_grpc_service service = zrpc_replication_service(&s->options.handler);
    struct zrpc_grpc_conn *control;
    struct context x;
    struct zrpc_grpc_conn_options options = {
        .server = {.services = &service,
                   .n_services = 1,
                   .client_identity = c->accepted.identity,
                   .peer = c->accepted.peer,
                   .log = &x.log},
        .pool = s->control_pool,
        .intercept = s->options.intercept,
        .intercept_ctx = s->options.intercept_ctx,
    };
    int rc;

    begin_context(&x, c, s->options.log_control);
    rc = zrpc_grpc_conn_new(wire, &options, &control, err);
    if (rc < 0)
        return rc;
    publish(c, NULL, control);
    rc = zrpc_grpc_conn_run(control, err);
    publish(c, NULL, NULL);
    zrpc_grpc_conn_free(control);
    return rc;
}

static int (*const serve_label[ZRPC_LABEL_COUNT])(struct zrpc_connection *, struct zrpc_wire *,
                                                  struct zrpc_error *) = {
    [ZRPC_CONTROL] = serve_control,
    [ZRPC_DATA] = serve_data,
};

static int serve(struct zrpc_connection *c, const struct zrpc_log *log, struct zrpc_error *err)
{
    struct zrpc_wire *wire = c->accepted.wire;
    enum zrpc_label label;
    int rc;

    rc = authenticate(c, &wire, err);
    if (rc < 0)
        return rc;
    rc = preamble(c, &wire, &label, err);
    if (rc < 0)
        return rc;
    zrpc_log(log, ZRPC_LOG_DEBUG, "connection", "label", zrpc_label_name(label), "identity",
             c->accepted.identity, NULL);
    return serve_label[label](c, wire, err);
}

void *zrpc_connection_main(void *arg)
{
    struct zrpc_connection *c = arg;
    struct zrpc_error err = {0};
    struct zrpc_log log;
    int rc;

    zrpc_log_with(&log, c->server->options.log, "peer", c->accepted.peer);
    rc = serve(c, &log, &err);
    if (rc < 0)
        zrpc_log(&log, ZRPC_LOG_WARN, "connection failed", "identity", c->accepted.identity, "code",
                 zrpc_code_name(rc), "err", err.text, NULL);
    zrpc_connection_leave(c);
    free(c);
    return NULL;
}
