/*
 * The two halves of the rpc server: server.c accepts and stops, connection.c serves one connection.
 */
#ifndef ZRPC_RPC_SERVER_INTERNAL_H
#define ZRPC_RPC_SERVER_INTERNAL_H

#include <pthread.h>

#include "zrpc/dataconn.h"
#include "zrpc/server.h"
#include "zrpc/timeoutconn.h"
#include "zrpc/workpool.h"

enum { ZRPC_SERVER_LISTENERS_MAX = 16 };

struct zrpc_connection {
    struct zrpc_server *server;
    struct zrpc_accepted accepted;
    struct zrpc_timeoutconn *preamble; /* until the label is read; guarded by the server's lock */
    struct zrpc_connection *next, **link;
};

struct zrpc_server {
    struct zrpc_server_options options;
    struct zrpc_listener *listeners[ZRPC_SERVER_LISTENERS_MAX];
    size_t n_listeners;
    struct zrpc_workpool *control_pool;
    struct zrpc_dataconn_pools data_pools;
    int stop_fd;   /* readable: stop was called */
    int cancel_fd; /* readable: the grace period is over; never read, so that every connection sees it */
    int ended_fd;  /* readable: a connection has ended */

    pthread_mutex_t lock; /* guards what follows */
    struct zrpc_connection *connections;
    unsigned n_connections;
    bool stopping;
};

/* Thread entry: serves `arg`, a struct zrpc_connection, and frees it. */
void *zrpc_connection_main(void *arg);

#endif
