/*
 * grpchelper: a gRPC server and its client on any authenticated transport, put together the one way that is
 * safe (proto/SPEC.md, ZR-GRPC-*, ZR-KA-*, ZR-ID-*). HTTP/2 begins with the wire's first byte: for services
 * of one's own. Servers of zrepl's protocol are zrpc/server.h.
 *
 *     rc = zrpc_grpchelper_server_new(&options, &server, &err);
 *     rc = zrpc_grpchelper_server_add(server, listener, &err);
 *     rc = zrpc_grpchelper_server_run(server, &err);             until zrpc_grpchelper_server_stop(server)
 *     zrpc_grpchelper_server_free(server);
 *
 * Every handler finds an authenticated client_identity in its context and runs on a bounded pool; the rest is
 * as zrpc/netadaptor.h promises.
 */
#ifndef ZRPC_GRPCHELPER_H
#define ZRPC_GRPCHELPER_H

#include "zrpc/channel.h"
#include "zrpc/grpc_conn.h"
#include "zrpc/netadaptor.h"

#define ZRPC_GRPCHELPER_HANDLERS_DEFAULT 64u

struct zrpc_grpchelper_options {              /* 0, NULL: the default, each */
    const struct zrpc_grpc_service *services; /* borrowed, as what they point to */
    size_t n_services;
    unsigned max_connections;       /* ZRPC_NETADAPTOR_CONNECTIONS_DEFAULT */
    unsigned handler_threads;       /* calls handled at once, of one client at most a quarter of them;
                                       ZRPC_GRPCHELPER_HANDLERS_DEFAULT */
    zrpc_time authenticate_timeout; /* the transport's own */
    zrpc_time grace;                /* how long calls may go on after stop; ZRPC_NETADAPTOR_GRACE_DEFAULT */
    size_t request_max;             /* bytes; ZRPC_GRPC_REQUEST_MAX_DEFAULT */
    size_t response_max;            /* bytes; ZRPC_GRPC_RESPONSE_MAX_DEFAULT */
    /* Runs before each handler, may set call->user or refuse. */
    int (*intercept)(void *ctx, struct zrpc_call *call, struct zrpc_error *err);
    void *intercept_ctx;
    const struct zrpc_log *log;
};

struct zrpc_grpchelper_server;

/* Each as the call of the same name in zrpc/netadaptor.h. */
int zrpc_grpchelper_server_new(const struct zrpc_grpchelper_options *options,
                               struct zrpc_grpchelper_server **out, struct zrpc_error *err);
int zrpc_grpchelper_server_add(struct zrpc_grpchelper_server *s, struct zrpc_listener *l,
                               struct zrpc_error *err);
int zrpc_grpchelper_server_run(struct zrpc_grpchelper_server *s, struct zrpc_error *err);
void zrpc_grpchelper_server_stop(struct zrpc_grpchelper_server *s);
void zrpc_grpchelper_server_free(struct zrpc_grpchelper_server *s);

/* Serves gRPC on one connection of a netadaptor, whatever came before on its wire, until it ends or the
 * adaptor stops. Closes conn->wire. The options' identity, peer and log are filled in here: `log` gets both
 * as fields. The way to gRPC for a `serve` of one's own. */
int zrpc_grpchelper_serve(struct zrpc_netconn *conn, const struct zrpc_grpc_conn_options *options,
                          const struct zrpc_log *log, struct zrpc_error *err);

/* The other side: a channel whose connections come from the dialer, which is borrowed. Freeing it ends what
 * the dialer is at. */
struct zrpc_grpchelper_client;

int zrpc_grpchelper_client_new(struct zrpc_dialer *dialer, const struct zrpc_log *log,
                               struct zrpc_grpchelper_client **out, struct zrpc_error *err);
struct zrpc_channel *zrpc_grpchelper_client_channel(struct zrpc_grpchelper_client *c);
void zrpc_grpchelper_client_free(struct zrpc_grpchelper_client *c);

#endif
