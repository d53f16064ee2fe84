/*
 * The service of the control connection, /Replication/... (proto/SPEC.md, ZR-GRPC-001, ZR-MSG-*): its
 * methods, for clients and servers, and how a handler becomes a service.
 */
#ifndef ZRPC_REPLICATION_H
#define ZRPC_REPLICATION_H

#include "zrpc/grpc.h"
#include "zrpc/handler.h"

enum zrpc_replication_method {
    ZRPC_REPLICATION_PING,
    ZRPC_REPLICATION_LIST_FILESYSTEMS,
    ZRPC_REPLICATION_LIST_FILESYSTEM_VERSIONS,
    ZRPC_REPLICATION_DESTROY_SNAPSHOTS,
    ZRPC_REPLICATION_CURSOR,
    ZRPC_REPLICATION_METHODS /* how many there are */
};

extern const struct zrpc_grpc_method zrpc_replication_methods[ZRPC_REPLICATION_METHODS];

/* Ping echoes; all else goes to the handler, whose missing slots answer UNIMPLEMENTED. Borrows it. */
struct zrpc_grpc_service zrpc_replication_service(const struct zrpc_handler *handler);

#endif
