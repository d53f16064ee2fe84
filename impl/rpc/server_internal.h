/*
 * The two halves of the rpc server: server.c accepts and stops, connection.c serves one connection.
 */
#ifndef ZRPC_RPC_SERVER_INTERNAL_H
#define ZRPC_RPC_SERVER_INTERNAL_H

#include <pthread.h>

#include "zrpc/dataconn.h"
#include "zrpc/grpc_conn.h"
#include "zrpc/server.h"
#include "zrpc/timeoutconn.h"
#include "zrpc/workpool.h"

enum { ZRPC_SERVER_LISTENERS_MAX = 16 };

struct zrpc_connection {
    struct zrpc_server *server;
    struct zrpc_accepted accepted;
    /* Guarded by the server's lock: what stopping the server has to end, if anything. */
    struct zrpc_wire *authenticating;
    struct zrpc_timeoutconn *preamble; /* from then on until the label is read */
    struct zrpc_grpc_conn *control;    /* while control is served */
    struct zrpc_connection *next, **link;
};

struct zrpc_server {
    struct zrpc_server_options options;
    struct zrpc_listener *listeners[ZRPC_SERVER_LISTENERS_MAX];
    size_t n_listeners;
    struct zrpc_workpool *control_pool;
    struct zrpc_dataconn_pools data_pools;
    int stop_fd;               /* readable: stop was called */
    struct zrpc_cancel cancel; /* the grace period is over */
    int ended_fd;              /* readable: a connection has ended */

    pthread_mutex_t lock; /* guards what follows */
    struct zrpc_connection *connections;
    unsigned n_connections;
    zrpc_time stop_deadline; /* ZRPC_NEVER: not stopping */
};

/* Thread entry: serves `arg`, a struct zrpc_connection, and frees it. */
void *zrpc_connection_main(void *arg);

/* Takes it off the server's list. The server may be gone when this returns. */
void zrpc_connection_leave(struct zrpc_connection *c);
/* With the server's lock held: ends what would not end by itself. A control connection's calls may go on
 * until `deadline`. */
void zrpc_connection_stop(struct zrpc_connection *c, zrpc_time deadline);

#endif
