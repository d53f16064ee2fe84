#include <stdlib.h>

#include "rpc/server_internal.h"
#include "zrpc/transportmux.h"
#include "zrpc/versionhandshake.h"

enum { HANDLER_THREADS = 64 };

int zrpc_server_options_env(struct zrpc_server_options *options, struct zrpc_error *err)
{
    int rc;

    *options = (struct zrpc_server_options){
        .max_connections = ZRPC_SERVER_CONNECTIONS_DEFAULT,
        .handler_threads = HANDLER_THREADS,
        .grace = ZRPC_SERVER_GRACE_DEFAULT,
    };
    rc = zrpc_duration_env(ZRPC_HANDSHAKE_TIMEOUT_SERVER_ENV, ZRPC_HANDSHAKE_TIMEOUT_DEFAULT,
                           &options->handshake_timeout, err);
    if (rc == 0)
        rc = zrpc_duration_env(ZRPC_LABEL_TIMEOUT_SERVER_ENV, ZRPC_LABEL_TIMEOUT_DEFAULT,
                               &options->label_timeout, err);
    return rc;
}

static int make_pools(struct zrpc_server *s, struct zrpc_error *err)
{
    unsigned connections = s->options.max_connections;
    /* A data connection has at most one job at a time, and may hold its thread for as long as it waits for a
     * turn: a thread for each is what keeps them from delaying each other. Threads come with need and go with
     * idleness. */
    int rc = zrpc_workpool_new(connections, connections, &s->data_pools.handlers, err);

    if (rc == 0)
        rc = zrpc_workpool_new(connections, connections, &s->data_pools.finishers, err);
    /* Every control connection has a place for all jobs that it may bring. */
    if (rc == 0)
        rc = zrpc_workpool_new(s->options.handler_threads, connections * s->options.client_threads,
                               &s->control_pool, err);
    return rc;
}

/* A server without a handler answers pings. */
static const struct zrpc_handler_ops nothing;

int zrpc_server_new(const struct zrpc_server_options *options, struct zrpc_server **out,
                    struct zrpc_error *err)
{
    struct zrpc_server *s = calloc(1, sizeof *s);
    struct zrpc_netadaptor_options adaptor = {.serve = zrpc_server_serve_connection, .ctx = s};
    int rc;

    if (s == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a server");
    s->options = *options;
    if (s->options.handler.ops == NULL)
        s->options.handler.ops = &nothing;
    if (s->options.max_connections == 0)
        s->options.max_connections = ZRPC_SERVER_CONNECTIONS_DEFAULT;
    if (s->options.handler_threads == 0)
        s->options.handler_threads = HANDLER_THREADS;
    if (s->options.client_threads == 0)
        s->options.client_threads = (s->options.handler_threads + 3) / 4;
    adaptor.max_connections = s->options.max_connections;
    adaptor.grace = s->options.grace;
    adaptor.log = s->options.log;
    rc = zrpc_netadaptor_new(&adaptor, &s->adaptor, err);
    if (rc == 0)
        rc = make_pools(s, err);
    if (rc == 0)
        rc = zrpc_grpc_ledger_new(&s->ledger, err);
    if (rc < 0) {
        zrpc_server_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void zrpc_server_close(struct zrpc_server *s)
{
    if (s == NULL)
        return;
    zrpc_netadaptor_free(s->adaptor);
    zrpc_workpool_close(s->data_pools.handlers);
    zrpc_workpool_close(s->data_pools.finishers);
    zrpc_workpool_close(s->control_pool);
    zrpc_grpc_ledger_free(s->ledger);
    free(s);
}

int zrpc_server_add_listener(struct zrpc_server *s, struct zrpc_listener *l, struct zrpc_error *err)
{
    return zrpc_netadaptor_add(s->adaptor, l, err);
}

int zrpc_server_serve(struct zrpc_server *s, struct zrpc_error *err)
{
    return zrpc_netadaptor_run(s->adaptor, err);
}

void zrpc_server_stop(struct zrpc_server *s)
{
    zrpc_netadaptor_stop(s->adaptor);
}
