/*
 * The client session's inside: grpc_response.c reads responses, grpc_client.c has all else.
 */
#ifndef ZRPC_GRPC_CLIENT_IMPL_H
#define ZRPC_GRPC_CLIENT_IMPL_H

#include "grpc/h2.h"
#include "zrpc/grpc_client.h"

#define CLIENT_HEADERS_MAX 65536     /* bytes of a response's header lists */
#define CLIENT_WINDOW      (1 << 20) /* bytes of a response that may come ahead */

struct zrpc_grpc_client {
    struct h2 h2;
    char *authority;
    size_t response_max;
    struct zrpc_grpc_call *open; /* newest first */
    struct zrpc_grpc_call *done, **done_end;
    size_t n_open;
    zrpc_time next_deadline; /* of the open calls, or earlier */
    bool settings_received, shut_down;
};

/* grpc_client.c */
/* The call is done. On OK its response is what the reader holds. */
void zrpc_grpc_client_finish_call(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call,
                                  enum zrpc_grpc_status status);
void zrpc_grpc_client_fail_call(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call,
                                enum zrpc_grpc_status status, int code, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Ends the stream too. Without memory for that the stream is left to itself: what comes on it is ignored. */
void zrpc_grpc_client_reset_call(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call, uint32_t h2_error);

/* grpc_response.c */
void zrpc_grpc_client_add_response_callbacks(nghttp2_session_callbacks *cb);

#endif
