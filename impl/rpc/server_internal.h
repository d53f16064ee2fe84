/*
 * The two halves of the rpc server: server.c sets it up, connection.c serves one connection.
 */
#ifndef ZRPC_RPC_SERVER_INTERNAL_H
#define ZRPC_RPC_SERVER_INTERNAL_H

#include "zrpc/dataconn.h"
#include "zrpc/grpc_server.h"
#include "zrpc/netadaptor.h"
#include "zrpc/server.h"
#include "zrpc/workpool.h"

struct zrpc_server {
    struct zrpc_server_options options;
    struct zrpc_netadaptor *adaptor;
    struct zrpc_workpool *control_pool;
    struct zrpc_grpc_ledger *ledger; /* of the clients on control connections */
    struct zrpc_dataconn_pools data_pools;
};

/* The adaptor's `serve`: handshake and label, then control or data. `ctx` is a struct zrpc_server. */
int zrpc_server_serve_connection(void *ctx, struct zrpc_netconn *conn, struct zrpc_error *err);

#endif
