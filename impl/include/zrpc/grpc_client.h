/*
 * The client's end of one gRPC connection (proto/SPEC.md, ZR-H2-*, ZR-GRPC-*, ZR-KA-*). Sans-I/O.
 *
 * The driver brings received bytes and the time, sends what `output` holds, and collects calls that are done.
 * Calls are the caller's memory, linked into the session from begin() until next_done() has given them back.
 * One thread at a time.
 */
#ifndef ZRPC_GRPC_CLIENT_H
#define ZRPC_GRPC_CLIENT_H

#include "zrpc/grpc.h"
#include "zrpc/h2_fields.h"
#include "zrpc/keepalive.h"

struct zrpc_grpc_client;

struct zrpc_grpc_client_options { /* 0, NULL: the default, each */
    const char *authority;        /* "localhost"; borrowed */
    size_t response_max;          /* bytes; ZRPC_GRPC_RESPONSE_MAX_DEFAULT */
    struct zrpc_keepalive_config keepalive;
};

/* How a call ended. From its deadline on every failure is DEADLINE_EXCEEDED, whatever the server says: which
 * of the two notices first is chance (ZR-GRPC-*). */
struct zrpc_grpc_result {
    enum zrpc_grpc_status status;
    struct zrpc_error error; /* code 0 exactly if status is OK; text: the peer's, or what is wrong */
    /* The peer's text where error.text does not hold all of it (zrpc_buf_set_text()), else empty. The
     * caller's to dispose of. */
    struct zrpc_buf long_text;
    bool unprocessed; /* the server has not seen it for certain: it may be sent again (ZR-KA-005) */
};

struct zrpc_grpc_call {
    /* set by the caller; borrowed until the call is done */
    const char *path;
    struct zrpc_view request; /* with its prefix: zrpc_grpc_put_message() */
    zrpc_time deadline;       /* ZRPC_NEVER: none */
    /* valid when done */
    struct zrpc_grpc_result result;
    struct zrpc_buf response; /* the message, without prefix; the caller's to dispose of */
    /* the session's */
    struct zrpc_grpc_call *next, **link;
    struct zrpc_grpc_reader reader;
    size_t sent;         /* of request */
    uint64_t headers_at; /* where in the connection's output the request begins */
    size_t header_bytes; /* of the response's header lists */
    struct zrpc_h2_fields fields;
    int32_t stream_id;
    unsigned http_status;
    bool open, headers_sent, headers_complete, content_type_ok, has_status;
};

int zrpc_grpc_client_new(const struct zrpc_grpc_client_options *options, zrpc_time now,
                         struct zrpc_grpc_client **out, struct zrpc_error *err);
/* All calls must have been collected: call zrpc_grpc_client_fail() first. NULL is allowed. */
void zrpc_grpc_client_free(struct zrpc_grpc_client *c);

/* Starts a call. On failure it is not linked: ZRPC_ERR_CLOSED when this connection takes no new calls (the
 * call may go to another one), ZRPC_ERR_NOMEM. */
int zrpc_grpc_client_begin(struct zrpc_grpc_client *c, zrpc_time now, struct zrpc_grpc_call *call,
                           struct zrpc_error *err);
/* Ends an open call with CANCELLED and resets its stream (ZR-GRPC-027). */
void zrpc_grpc_client_cancel(struct zrpc_grpc_client *c, struct zrpc_grpc_call *call);
/* The next call that is done, or NULL. It no longer belongs to the session. */
struct zrpc_grpc_call *zrpc_grpc_client_next_done(struct zrpc_grpc_client *c);

/* Received bytes. A failure ends the connection: send what output() still has, then close. */
int zrpc_grpc_client_input(struct zrpc_grpc_client *c, zrpc_time now, struct zrpc_view in,
                           struct zrpc_error *err);
/* What is to be sent now; empty: nothing. Valid until the session is next called, except by sent(). */
int zrpc_grpc_client_output(struct zrpc_grpc_client *c, struct zrpc_view *out, struct zrpc_error *err);
void zrpc_grpc_client_sent(struct zrpc_grpc_client *c, size_t n);
/* The wire took bytes after it had refused some. */
void zrpc_grpc_client_unblocked(struct zrpc_grpc_client *c, zrpc_time now);
/* Deadlines and keepalive. Fails with ZRPC_ERR_TIMEOUT when the peer is dead. */
int zrpc_grpc_client_tick(struct zrpc_grpc_client *c, zrpc_time now, struct zrpc_error *err);
zrpc_time zrpc_grpc_client_wakeup(const struct zrpc_grpc_client *c);

/* The connection is gone: ends all open calls with UNAVAILABLE and *why's text, or with DEADLINE_EXCEEDED. */
void zrpc_grpc_client_fail(struct zrpc_grpc_client *c, zrpc_time now, const struct zrpc_error *why);
/* Graceful end: announces GOAWAY; open calls go on, new ones are refused. */
void zrpc_grpc_client_shutdown(struct zrpc_grpc_client *c);

/* The server's SETTINGS have come. */
bool zrpc_grpc_client_ready(const struct zrpc_grpc_client *c);
/* No new call can begin: GOAWAY either way, or stream ids are used up. Open calls may still finish. */
bool zrpc_grpc_client_draining(const struct zrpc_grpc_client *c);
/* The server's GOAWAY was ENHANCE_YOUR_CALM, too_many_pings (ZR-KA-004). */
bool zrpc_grpc_client_too_many_pings(const struct zrpc_grpc_client *c);
size_t zrpc_grpc_client_open_calls(const struct zrpc_grpc_client *c);
/* Draining, no call open, and all is sent: the driver may close. */
bool zrpc_grpc_client_ended(const struct zrpc_grpc_client *c);

#endif
