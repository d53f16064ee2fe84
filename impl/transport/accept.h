/*
 * accept(2) with the errors of zrpc_listener_ops.accept, for any kind of stream socket.
 */
#ifndef ZRPC_TRANSPORT_ACCEPT_H
#define ZRPC_TRANSPORT_ACCEPT_H

#include <sys/socket.h>

#include "zrpc/error.h"

/* *out is non-blocking and close-on-exec. */
int zrpc_accept(int listener, int *out, struct sockaddr_storage *peer, struct zrpc_error *err);

#endif
