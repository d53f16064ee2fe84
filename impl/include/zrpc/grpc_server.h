/*
 * The server's end of one gRPC connection (proto/SPEC.md, ZR-H2-*, ZR-GRPC-*, ZR-KA-*). Sans-I/O.
 *
 * The driver brings received bytes and the time, sends what `output` holds, takes calls whose request is
 * whole, and finishes each of them exactly once, also those that have been cancelled in the meantime.
 * One thread at a time; only the `cancelled` of a taken call is set while a handler looks at it.
 *
 * What one client may cost is bounded, over all of its connections where a ledger is given. Its messages have
 * a budget of bytes: requests from their first byte until their handler returns, and responses until they are
 * sent. A request of up to 32 KiB needs no leave; a larger one gets its flow-control window when there is
 * room for it, in the order of their arrival; a handler starts when there is room for a response of 4 MiB. No
 * connection takes all of what its client may have: three times what it leaves, at most. So honest clients
 * wait, and are never refused, but for two things: a larger response that finds no room beside others, unread
 * or in the making, is replaced by RESOURCE_EXHAUSTED, and calls beyond those that two connections may have
 * open are reset by REFUSED_STREAM, which says to send them again. Waiting ends: a response that its client
 * leaves without window is reset after a time.
 *
 * A request is whole at END_STREAM. A client that leaves its stream open after the message is served too, as
 * real servers do, but only after ZRPC_GRPC_END_GRACE, so that a second message has time to be noticed.
 */
#ifndef ZRPC_GRPC_SERVER_H
#define ZRPC_GRPC_SERVER_H

#include "zrpc/grpc.h"
#include "zrpc/h2_fields.h"
#include "zrpc/handler.h"
#include "zrpc/keepalive.h"

#define ZRPC_GRPC_MAX_STREAMS_DEFAULT 256
#define ZRPC_GRPC_HEADERS_MAX         16384 /* bytes of a request's header list, as SETTINGS counts them */
#define ZRPC_GRPC_END_GRACE           (1 * ZRPC_SECOND)
#define ZRPC_GRPC_CLIENT_STREAMS      2u /* times max_streams are what one client may have open in all */
/* Of one client, bytes: the largest response (64 MiB), a window of 64 KiB for each of 512 streams (32 MiB),
 * four of the largest requests (16 MiB), and what four other handlers may answer (16 MiB). */
#define ZRPC_GRPC_BUDGET_DEFAULT (128u << 20)
/* Of one client, at a time: a quarter of the 64 threads that all of them share, so that three clients which
 * occupy all they may leave room for others. */
#define ZRPC_GRPC_HANDLERS_DEFAULT 16u
/* Three times what keepalive gives a peer for an answer. */
#define ZRPC_GRPC_STALL_TIMEOUT_DEFAULT (30 * ZRPC_SECOND)

/* A server's book of its clients: what all connections of an identity have together. From any thread. */
struct zrpc_grpc_ledger;

int zrpc_grpc_ledger_new(struct zrpc_grpc_ledger **out, struct zrpc_error *err);
/* No session that has it is left. NULL is allowed. */
void zrpc_grpc_ledger_free(struct zrpc_grpc_ledger *ledger);

struct zrpc_grpc_server;

struct zrpc_grpc_server_options {             /* 0, NULL: the default, each */
    const struct zrpc_grpc_service *services; /* borrowed, as all below */
    size_t n_services;
    size_t request_max;   /* bytes; ZRPC_GRPC_REQUEST_MAX_DEFAULT */
    size_t response_max;  /* bytes; ZRPC_GRPC_RESPONSE_MAX_DEFAULT */
    uint32_t max_streams; /* ZRPC_GRPC_MAX_STREAMS_DEFAULT */
    /* Where the client's other connections count too, for streams, budget, and handlers. The limits are those
     * of its first one. NULL: this one alone. */
    struct zrpc_grpc_ledger *ledger;
    size_t budget; /* bytes; ZRPC_GRPC_BUDGET_DEFAULT. At least what one request and one response of the
                      largest size need beside the windows of all streams. */
    unsigned
        handlers_max; /* at work at once, those of prompt methods not counted; ZRPC_GRPC_HANDLERS_DEFAULT */
    /* Optional: another connection of the client has given back what this one waits for, so that next() and
     * output() may have more. From any thread; must not block nor use a session. */
    void (*wake)(void *ctx);
    void *wake_ctx;
    bool
        no_prompt; /* prompt methods are as any other: something that may block comes before their handlers */
    /* ZRPC_GRPC_STALL_TIMEOUT_DEFAULT: for how long a response may wait for window, and the connection for
     * the client to read at all */
    zrpc_time stall_timeout;
    struct zrpc_keepalive_config keepalive;
    /* for the handlers' zrpc_call */
    const char *client_identity, *peer;
    const struct zrpc_log *log;
    void *user;
};

enum zrpc_grpc_stage {
    ZRPC_GRPC_RECEIVING, /* the request */
    ZRPC_GRPC_QUEUED,    /* until next() */
    ZRPC_GRPC_TAKEN,     /* until finish(); the request is the taker's, who may dispose of it before */
    ZRPC_GRPC_FINISHED,  /* the answer may still be on its way */
};

struct zrpc_grpc_server_call {
    struct zrpc_call context; /* method, deadline, cancelled, ...: what the handler gets */
    const struct zrpc_grpc_service *service;
    const struct zrpc_grpc_method *method;
    struct zrpc_grpc_reader reader; /* the request is reader.message */
    /* the session's */
    struct zrpc_grpc_server_call *next, **link;
    struct zrpc_grpc_server_queue *queue; /* NULL: in none */
    struct zrpc_grpc_server_call *next_queued, **queue_link;
    struct zrpc_buf response;
    size_t held;           /* bytes of both messages, as they count */
    size_t granted;        /* of the budget, for a large request */
    size_t header_bytes;   /* of the request's header lists */
    zrpc_time serve_at;    /* the message is whole, but END_STREAM is missing */
    zrpc_time progress_at; /* when the client last took of the response */
    int32_t stream_id;
    struct zrpc_h2_fields fields;
    bool not_post, content_type_ok, bad_timeout;
    enum zrpc_grpc_stage stage;
    bool answered; /* nothing more can be said to the client */
    bool closed;   /* the stream is */
};

int zrpc_grpc_server_new(const struct zrpc_grpc_server_options *options, zrpc_time now,
                         struct zrpc_grpc_server **out, struct zrpc_error *err);
/* All taken calls must have been finished. NULL is allowed. */
void zrpc_grpc_server_free(struct zrpc_grpc_server *s);

/* Its handler never blocks, and nothing before it does. */
bool zrpc_grpc_server_prompt(const struct zrpc_grpc_server *s, const struct zrpc_grpc_server_call *call);
/* The next call to be handled now, or NULL: also where all wait for room, or for a handler to return. */
struct zrpc_grpc_server_call *zrpc_grpc_server_next(struct zrpc_grpc_server *s);
/* Answers a taken call and gives it back. OK: *response is the message with its prefix, whose memory is taken
 * over; other statuses: `text` is sent as grpc-message. Without effect on the wire if the call has been
 * cancelled. A failure ends the connection. */
int zrpc_grpc_server_finish(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                            enum zrpc_grpc_status status, const char *text, struct zrpc_buf *response,
                            struct zrpc_error *err);

/* As zrpc/grpc_client.h has them. */
int zrpc_grpc_server_input(struct zrpc_grpc_server *s, zrpc_time now, struct zrpc_view in,
                           struct zrpc_error *err);
int zrpc_grpc_server_output(struct zrpc_grpc_server *s, struct zrpc_view *out, struct zrpc_error *err);
void zrpc_grpc_server_sent(struct zrpc_grpc_server *s, size_t n);
void zrpc_grpc_server_unblocked(struct zrpc_grpc_server *s, zrpc_time now);
int zrpc_grpc_server_tick(struct zrpc_grpc_server *s, zrpc_time now, struct zrpc_error *err);
zrpc_time zrpc_grpc_server_wakeup(const struct zrpc_grpc_server *s);

/* Graceful end: GOAWAY without limit and a PING, then, when the PING is answered or a second has passed,
 * GOAWAY with the last stream id; calls up to it go on. */
int zrpc_grpc_server_shutdown(struct zrpc_grpc_server *s, zrpc_time now, struct zrpc_error *err);
/* The connection is gone, or the time for a graceful end is over: cancels every call. No next() follows. */
void zrpc_grpc_server_cancel_all(struct zrpc_grpc_server *s);
/* The wire is closed: cancels every call, and forgets all that could still be said. What is taken has to be
 * finished yet; nothing else may follow. */
void zrpc_grpc_server_disconnected(struct zrpc_grpc_server *s);
/* GOAWAY has been sent or received, no call is left, and all is sent: the driver may close. */
bool zrpc_grpc_server_ended(const struct zrpc_grpc_server *s);
size_t zrpc_grpc_server_open_calls(const struct zrpc_grpc_server *s);

struct zrpc_grpc_server_memory { /* of the client, where a ledger is given */
    size_t held, peak;           /* bytes of messages: now, and the most ever */
    size_t budget;               /* what peak never exceeds */
};

struct zrpc_grpc_server_memory zrpc_grpc_server_memory(const struct zrpc_grpc_server *s);

#endif
