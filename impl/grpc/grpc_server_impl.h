/*
 * The server session's inside: grpc_request.c reads requests, grpc_budget.c asks the client's account
 * (grpc_account.h) for what they and their answers cost, grpc_server.c has all else.
 */
#ifndef ZRPC_GRPC_SERVER_IMPL_H
#define ZRPC_GRPC_SERVER_IMPL_H

#include "grpc/grpc_account.h"
#include "grpc/h2.h"
#include "zrpc/grpc_server.h"

/* A request with a message of that size needs no leave: it fits into the window that a stream begins with,
 * and whoever sends more than one message still has window to show it. */
#define SMALL_REQUEST (NGHTTP2_INITIAL_WINDOW_SIZE / 2)

struct zrpc_grpc_server_queue {
    struct zrpc_grpc_server_call *first, **end;
};

struct zrpc_grpc_server {
    struct h2 h2;
    struct zrpc_grpc_server_options options;
    struct zrpc_grpc_server_call *calls; /* newest first */
    size_t n_calls;
    struct zrpc_grpc_server_queue large; /* requests that wait for leave to be sent */
    struct zrpc_grpc_server_queue ready; /* for a handler */
    struct grpc_member member;           /* of the client's account */
    size_t unsent;                       /* bytes of responses */
    zrpc_time progress_at;               /* when the client last took of any response */
    zrpc_time next_time;                 /* when a call next needs attention, or earlier */
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
/* The same for what is no HTTP/2, and for clients that leave answers lying. */
int zrpc_grpc_server_reset_call(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                                uint32_t h2_error);

/* grpc_request.c */
void zrpc_grpc_server_add_request_callbacks(nghttp2_session_callbacks *cb);

/* grpc_budget.c */
int zrpc_grpc_server_budget_init(struct zrpc_grpc_server *s, struct zrpc_error *err);
void zrpc_grpc_server_enqueue(struct zrpc_grpc_server_queue *queue, struct zrpc_grpc_server_call *call);
void zrpc_grpc_server_leave_queue(struct zrpc_grpc_server_call *call);
/* Counts anew what the call holds. */
void zrpc_grpc_server_account(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call);
/* After the message's prefix: a large one queues for leave. */
void zrpc_grpc_server_ask_leave(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call);
/* Widens the windows of large requests as far as there is room. One of nghttp2's codes. */
int zrpc_grpc_server_give_leave(struct zrpc_grpc_server *s);
/* zrpc_grpc_server_next() would take a call now. */
bool zrpc_grpc_server_startable(const struct zrpc_grpc_server *s);
/* Neither handler nor session needs the request any more. */
void zrpc_grpc_server_drop_request(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call);
/* The same for a taken call, of which a response is kept. False: there is no room for it. */
bool zrpc_grpc_server_keep_response(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                                    struct zrpc_buf *response);
void zrpc_grpc_server_drop_response(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call);
/* When a response counts as left lying, as far as can be said now; ZRPC_NEVER: it waits for nothing. */
zrpc_time zrpc_grpc_server_stuck_at(const struct zrpc_grpc_server *s,
                                    const struct zrpc_grpc_server_call *call);

#endif
