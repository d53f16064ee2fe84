/*
 * The smallest gRPC service on authenticated wires: Greet answers a name with "hello NAME", and with the
 * identity that the transport knows the client by. No version handshake, no label: HTTP/2 from the first
 * byte.
 */
#ifndef GREETER_H
#define GREETER_H

#include "zrpc/log.h"
#include "zrpc/wire.h"

/* Serves until stop_fd is readable, then lets calls under way finish for a while. Borrows all. */
int greeter_serve(struct zrpc_listener *listener, int stop_fd, const struct zrpc_log *log,
                  struct zrpc_error *err);
/* *answer is to be freed with free(). */
int greeter_greet(struct zrpc_dialer *dialer, const char *name, const struct zrpc_log *log, char **answer,
                  struct zrpc_error *err);

#endif
