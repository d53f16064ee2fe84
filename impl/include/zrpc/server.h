/*
 * rpc server: accepts connections from any number of listeners and serves each on its own from its first byte
 * (proto/SPEC.md, ZR-SRV-*): transport authentication, version handshake, label, then control or data.
 */
#ifndef ZRPC_SERVER_H
#define ZRPC_SERVER_H

#include "zrpc/handler.h"
#include "zrpc/heartbeatconn.h"

#define ZRPC_SERVER_CONNECTIONS_DEFAULT 1024u
#define ZRPC_SERVER_GRACE_DEFAULT       (10 * ZRPC_SECOND)

struct zrpc_server_options {
    struct zrpc_handler handler; /* without ops: only pings are answered */
    unsigned max_connections;    /* further ones are closed at once; 0: the default */
    unsigned handler_threads;    /* for control calls; 0: 64. Data requests: one for each connection */
    /* What one client may have on all its control connections (zrpc/grpc_server.h; 0: the default): */
    unsigned client_threads;         /* of handler_threads; a quarter */
    size_t control_budget;           /* bytes that it may make us hold */
    zrpc_time control_stall_timeout; /* how long an answer may lie unread; likewise */
    zrpc_time handshake_timeout;     /* ZR-HS-*; zrpc_server_options_env() has the default */
    zrpc_time label_timeout;         /* ZR-MUX-*; likewise */
    zrpc_time grace;                 /* how long requests may go on after stop */
    struct zrpc_heartbeat_config heartbeat;
    /* Of control's messages, bytes; 0: ZRPC_GRPC_REQUEST_MAX_DEFAULT, ..._RESPONSE_... (zrpc/grpc.h). Those
     * of data are the protocol's. */
    size_t control_request_max, control_response_max;
    /* Optional: runs before each request's handler, may set call->user or refuse. */
    int (*intercept)(void *ctx, struct zrpc_call *call, struct zrpc_error *err);
    void *intercept_ctx;
    const struct zrpc_log *log;         /* general; all three optional */
    const struct zrpc_log *log_control; /* NULL: as general */
    const struct zrpc_log *log_data;    /* NULL: as general */
};

/* All defaults, timeouts from the environment (zrpc/versionhandshake.h, zrpc/transportmux.h). ZRPC_ERR_USAGE
 * naming the variable that is no duration. */
int zrpc_server_options_env(struct zrpc_server_options *options, struct zrpc_error *err);

struct zrpc_server;

int zrpc_server_new(const struct zrpc_server_options *options, struct zrpc_server **out,
                    struct zrpc_error *err);
/* Before serve. Takes ownership of the listener, also on failure. */
int zrpc_server_add_listener(struct zrpc_server *s, struct zrpc_listener *l, struct zrpc_error *err);
/* Accepts and serves until stopped; then closes the listeners, waits for what is under way, at most the
 * grace period, and cancels the rest. 0 when all connections have ended. */
int zrpc_server_serve(struct zrpc_server *s, struct zrpc_error *err);
/* Async-signal-safe (errno stays as it is), from any thread. The second call ends the grace period. */
void zrpc_server_stop(struct zrpc_server *s);
/* After serve has returned. NULL is allowed. */
void zrpc_server_close(struct zrpc_server *s);

#endif
