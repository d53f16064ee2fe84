/*
 * Serving gRPC on one authenticated wire: a server session, its wire, its handlers (proto/SPEC.md,
 * ZR-GRPC-*).
 *
 *     rc = zrpc_grpc_conn_new(wire, &options, &conn, &err);
 *     rc = zrpc_grpc_conn_run(conn, &err);         in the connection's own thread
 *     zrpc_grpc_conn_free(conn);
 *
 * One thread moves the bytes and runs the handlers that never block; all others run on the pool, so that no
 * slow handler delays a PING or another call. Each call is a line in `server.log` when its handler has
 * returned: "served" (DEBUG where its method is prompt, else INFO), or "refused" with status and reason.
 */
#ifndef ZRPC_GRPC_CONN_H
#define ZRPC_GRPC_CONN_H

#include "zrpc/grpc_server.h"
#include "zrpc/wire.h"
#include "zrpc/workpool.h"

struct zrpc_grpc_conn;

struct zrpc_grpc_conn_options {
    struct zrpc_grpc_server_options server; /* wake is set here */
    struct zrpc_workpool *pool;             /* NULL: all handlers run on the connection's own thread */
    /* Optional: runs before each handler, on the pool as it may block; may set call->user, or refuse as a
     * handler does. */
    int (*intercept)(void *ctx, struct zrpc_call *call, struct zrpc_error *err);
    void *intercept_ctx;
};

/* Takes over the wire, also on failure. What the options point to must outlive the connection. */
int zrpc_grpc_conn_new(struct zrpc_wire *wire, const struct zrpc_grpc_conn_options *options,
                       struct zrpc_grpc_conn **out, struct zrpc_error *err);
/* Serves until the client ends the connection or it breaks, and until all handlers have returned; the wire is
 * closed by then. 0 if it ended in order: GOAWAY, or the client gone with no call open. Once only. */
int zrpc_grpc_conn_run(struct zrpc_grpc_conn *conn, struct zrpc_error *err);
/* From any thread, at any time before free(): no new calls; those under way may finish until `deadline`, then
 * they are cancelled and the connection is closed. The earliest of several deadlines counts. */
void zrpc_grpc_conn_stop(struct zrpc_grpc_conn *conn, zrpc_time deadline);
/* After run() has returned, or without it. NULL is allowed. */
void zrpc_grpc_conn_free(struct zrpc_grpc_conn *conn);

#endif
