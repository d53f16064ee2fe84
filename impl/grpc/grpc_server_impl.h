/*
 * The server session's inside: grpc_request.c reads requests, grpc_server.c has all else.
 */
#ifndef ZRPC_GRPC_SERVER_IMPL_H
#define ZRPC_GRPC_SERVER_IMPL_H

#include "grpc/h2.h"
#include "zrpc/grpc_server.h"

struct zrpc_grpc_server {
    struct h2 h2;
    struct zrpc_grpc_server_options options;
    struct zrpc_grpc_server_call *calls; /* newest first */
    size_t n_calls;
    struct zrpc_grpc_server_call *ready, **ready_end;
    size_t buffered;     /* bytes of requests that are not ready */
    zrpc_time next_time; /* the earliest deadline or serve_at of the calls, or earlier */
    bool shut_down;
    zrpc_time final_goaway_at; /* ZRPC_NEVER: not due */
};

/* grpc_server.c */
struct zrpc_grpc_server_call *zrpc_grpc_server_new_call(struct zrpc_grpc_server *s, int32_t stream_id);
void zrpc_grpc_server_dispose_call(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call);
/* The request is whole. */
void zrpc_grpc_server_make_ready(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call);
/* These return nghttp2's codes. */
/* Ends a call that no handler has answered, cancelling it where one runs. */
int zrpc_grpc_server_answer_status(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                                   enum zrpc_grpc_status status, const char *text);
/* The same for what is no gRPC: HTTP statuses other than 200 tell those who do not speak it. */
int zrpc_grpc_server_answer_http(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                                 const char *http_status, enum zrpc_grpc_status status, const char *text);

/* grpc_request.c */
void zrpc_grpc_server_add_request_callbacks(nghttp2_session_callbacks *cb);

#endif
