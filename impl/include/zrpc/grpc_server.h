/*
 * The server's end of one gRPC connection (proto/SPEC.md, ZR-H2-*, ZR-GRPC-*, ZR-KA-*). Sans-I/O.
 *
 * The driver brings received bytes and the time, sends what `output` holds, takes calls whose request is
 * whole, and finishes each of them exactly once, also those that have been cancelled in the meantime.
 * One thread at a time; only the `cancelled` of a taken call is set while a handler looks at it.
 *
 * A request is whole at END_STREAM. A client that leaves its stream open after the message is served too, as
 * real servers do, but only after ZRPC_GRPC_END_GRACE, so that a second message has time to be noticed.
 */
#ifndef ZRPC_GRPC_SERVER_H
#define ZRPC_GRPC_SERVER_H

#include "zrpc/grpc.h"
#include "zrpc/handler.h"
#include "zrpc/keepalive.h"

#define ZRPC_GRPC_MAX_STREAMS_DEFAULT 256
#define ZRPC_GRPC_HEADERS_MAX         16384 /* bytes of a request's header list, as SETTINGS counts them */
#define ZRPC_GRPC_BUFFERED_MAX        (64u << 20) /* bytes of incomplete requests on one connection */
#define ZRPC_GRPC_END_GRACE           (1 * ZRPC_SECOND)

struct zrpc_grpc_server;

struct zrpc_grpc_server_options {             /* 0, NULL: the default, each */
    const struct zrpc_grpc_service *services; /* borrowed, as all below */
    size_t n_services;
    size_t request_max;   /* bytes; ZRPC_GRPC_REQUEST_MAX_DEFAULT */
    uint32_t max_streams; /* ZRPC_GRPC_MAX_STREAMS_DEFAULT */
    struct zrpc_keepalive_config keepalive;
    /* for the handlers' zrpc_call */
    const char *client_identity, *peer;
    const struct zrpc_log *log;
    void *user;
};

enum zrpc_grpc_stage {
    ZRPC_GRPC_RECEIVING, /* the request */
    ZRPC_GRPC_QUEUED,    /* until next() */
    ZRPC_GRPC_TAKEN,     /* until finish() */
    ZRPC_GRPC_FINISHED,  /* the answer may still be on its way */
};

struct zrpc_grpc_server_call {
    struct zrpc_call context; /* method, deadline, cancelled, ...: what the handler gets */
    const struct zrpc_grpc_service *service;
    const struct zrpc_grpc_method *method;
    struct zrpc_grpc_reader reader; /* the request is reader.message */
    /* the session's */
    struct zrpc_grpc_server_call *next, **link;
    struct zrpc_grpc_server_call *next_ready;
    struct zrpc_buf response;
    size_t sent;         /* of response */
    size_t header_bytes; /* of the request's header lists */
    zrpc_time serve_at;  /* the message is whole, but END_STREAM is missing */
    int32_t stream_id;
    unsigned seen; /* header fields, a bit each */
    bool not_post, content_type_ok, bad_timeout, malformed;
    enum zrpc_grpc_stage stage;
    bool answered; /* nothing more can be said to the client */
    bool closed;   /* the stream is */
};

int zrpc_grpc_server_new(const struct zrpc_grpc_server_options *options, zrpc_time now,
                         struct zrpc_grpc_server **out, struct zrpc_error *err);
/* All taken calls must have been finished. NULL is allowed. */
void zrpc_grpc_server_free(struct zrpc_grpc_server *s);

/* The next call to be handled, or NULL. */
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
/* The connection is gone, or the time for a graceful end is over: cancels every call. */
void zrpc_grpc_server_cancel_all(struct zrpc_grpc_server *s);
/* GOAWAY has been sent or received, no call is left, and all is sent: the driver may close. */
bool zrpc_grpc_server_ended(const struct zrpc_grpc_server *s);
size_t zrpc_grpc_server_open_calls(const struct zrpc_grpc_server *s);

#endif
