#include "zrpc/grpchelper.h"

#include <stdlib.h>

struct zrpc_grpchelper_server {
    struct zrpc_grpchelper_options options;
    struct zrpc_netadaptor *adaptor;
    struct zrpc_workpool *pool;
    struct zrpc_grpc_ledger *ledger;
};

static void stop_conn(void *conn, zrpc_time deadline)
{
    zrpc_grpc_conn_stop(conn, deadline);
}

int zrpc_grpchelper_serve(struct zrpc_netconn *conn, const struct zrpc_grpc_conn_options *options,
                          const struct zrpc_log *log, struct zrpc_error *err)
{
    struct zrpc_grpc_conn_options own = *options;
    struct zrpc_grpc_conn *grpc;
    struct zrpc_log with_client;
    int rc;

    zrpc_netconn_log(conn, log, &with_client);
    own.server.client_identity = conn->identity;
    own.server.peer = conn->peer;
    own.server.log = &with_client;
    rc = zrpc_grpc_conn_new(conn->wire, &own, &grpc, err);
    if (rc < 0)
        return rc;
    zrpc_netconn_on_stop(conn, stop_conn, grpc);
    rc = zrpc_grpc_conn_run(grpc, err);
    zrpc_netconn_on_stop(conn, NULL, NULL);
    zrpc_grpc_conn_free(grpc);
    return rc;
}

/* Of the pool, those that one client may occupy. */
static unsigned client_threads(const struct zrpc_grpchelper_options *o)
{
    return (o->handler_threads + 3) / 4;
}

static int serve(void *ctx, struct zrpc_netconn *conn, struct zrpc_error *err)
{
    const struct zrpc_grpchelper_server *s = ctx;
    const struct zrpc_grpchelper_options *o = &s->options;
    const struct zrpc_grpc_conn_options options = {
        .server = {.services = o->services,
                   .n_services = o->n_services,
                   .request_max = o->request_max,
                   .response_max = o->response_max,
                   .ledger = s->ledger,
                   .handlers_max = client_threads(o)},
        .pool = s->pool,
        .intercept = o->intercept,
        .intercept_ctx = o->intercept_ctx,
    };

    return zrpc_grpchelper_serve(conn, &options, o->log, err);
}

int zrpc_grpchelper_server_new(const struct zrpc_grpchelper_options *options,
                               struct zrpc_grpchelper_server **out, struct zrpc_error *err)
{
    struct zrpc_grpchelper_server *s = calloc(1, sizeof *s);
    struct zrpc_grpchelper_options *o;
    int rc;

    if (s == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a server");
    o = &s->options;
    *o = *options;
    if (o->max_connections == 0)
        o->max_connections = ZRPC_NETADAPTOR_CONNECTIONS_DEFAULT;
    if (o->handler_threads == 0)
        o->handler_threads = ZRPC_GRPCHELPER_HANDLERS_DEFAULT;
    rc = zrpc_workpool_new(o->handler_threads, o->max_connections * client_threads(o), &s->pool, err);
    if (rc == 0)
        rc = zrpc_grpc_ledger_new(&s->ledger, err);
    if (rc == 0) {
        const struct zrpc_netadaptor_options adaptor = {
            .serve = serve,
            .ctx = s,
            .max_connections = o->max_connections,
            .authenticate_timeout = o->authenticate_timeout,
            .grace = o->grace == 0 ? ZRPC_NETADAPTOR_GRACE_DEFAULT : o->grace,
            .log = o->log,
        };

        rc = zrpc_netadaptor_new(&adaptor, &s->adaptor, err);
    }
    if (rc < 0) {
        zrpc_grpchelper_server_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

int zrpc_grpchelper_server_add(struct zrpc_grpchelper_server *s, struct zrpc_listener *l,
                               struct zrpc_error *err)
{
    return zrpc_netadaptor_add(s->adaptor, l, err);
}

int zrpc_grpchelper_server_run(struct zrpc_grpchelper_server *s, struct zrpc_error *err)
{
    return zrpc_netadaptor_run(s->adaptor, err);
}

void zrpc_grpchelper_server_stop(struct zrpc_grpchelper_server *s)
{
    zrpc_netadaptor_stop(s->adaptor);
}

void zrpc_grpchelper_server_free(struct zrpc_grpchelper_server *s)
{
    if (s == NULL)
        return;
    zrpc_netadaptor_free(s->adaptor);
    zrpc_workpool_close(s->pool);
    zrpc_grpc_ledger_free(s->ledger);
    free(s);
}

struct zrpc_grpchelper_client {
    struct zrpc_dialer *dialer;
    struct zrpc_cancel closing;
    struct zrpc_channel *channel;
};

static int dial(void *ctx, zrpc_time deadline, struct zrpc_wire **out, struct zrpc_error *err)
{
    struct zrpc_grpchelper_client *c = ctx;

    return c->dialer->ops->dial(c->dialer, deadline, &c->closing, out, err);
}

static void interrupt(void *ctx)
{
    zrpc_cancel_raise(&((struct zrpc_grpchelper_client *)ctx)->closing);
}

int zrpc_grpchelper_client_new(struct zrpc_dialer *dialer, const struct zrpc_log *log,
                               struct zrpc_grpchelper_client **out, struct zrpc_error *err)
{
    const struct zrpc_channel_options options = {.name = dialer->ops->address(dialer), .log = log};
    struct zrpc_grpchelper_client *c = calloc(1, sizeof *c);
    int rc;

    if (c == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a client");
    c->dialer = dialer;
    rc = zrpc_cancel_init(&c->closing, err);
    if (rc == 0) {
        const struct zrpc_connector connector = {.connect = dial, .interrupt = interrupt, .ctx = c};

        rc = zrpc_channel_new(&connector, &options, &c->channel, err);
    }
    if (rc < 0) {
        zrpc_grpchelper_client_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

struct zrpc_channel *zrpc_grpchelper_client_channel(struct zrpc_grpchelper_client *c)
{
    return c->channel;
}

void zrpc_grpchelper_client_free(struct zrpc_grpchelper_client *c)
{
    if (c == NULL)
        return;
    zrpc_channel_free(c->channel);
    zrpc_cancel_dispose(&c->closing);
    free(c);
}
