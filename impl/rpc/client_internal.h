/*
 * The rpc client's state, shared by client.c and wait.c.
 */
#ifndef ZRPC_RPC_CLIENT_INTERNAL_H
#define ZRPC_RPC_CLIENT_INTERNAL_H

#include "zrpc/client.h"

struct zrpc_client {
    struct zrpc_dialer *dialer;
    struct zrpc_client_options options;
    struct zrpc_channel *control;
    struct zrpc_cancel closing; /* ends an attempt to connect control */
};

/* Pings over a data wire, which it closes, and checks the echo. */
int zrpc_client_ping_wire(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options,
                          const char *message, struct zrpc_error *err);

#endif
