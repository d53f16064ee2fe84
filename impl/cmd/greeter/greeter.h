/*
 * The smallest gRPC service on authenticated wires: Greet answers a name with "hello NAME", and with the
 * identity that the transport knows the client by. No version handshake, no label: HTTP/2 from the first
 * byte.
 */
#ifndef GREETER_H
#define GREETER_H

#include "zrpc/grpchelper.h"

extern const struct zrpc_grpc_service greeter_service;

/* Asks a server. *answer is to be freed with free(). */
int greeter_greet(struct zrpc_dialer *dialer, const char *name, const struct zrpc_log *log, char **answer,
                  struct zrpc_error *err);

#endif
