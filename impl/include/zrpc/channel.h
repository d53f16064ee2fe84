/*
 * The client's channel: calls over one control connection that is made, kept and remade as needed
 * (proto/SPEC.md, ZR-CHAN-*, ZR-KA-*, ZR-GRPC-*).
 *
 * Any number of threads may call at the same time. One thread of the channel's own moves the bytes; each
 * attempt to connect has one more, and so has the log, whose sink may be slow. Calls that the server has not
 * processed for certain are sent again, unseen by their callers; calls that it may have processed fail with
 * UNAVAILABLE when the connection is lost.
 */
#ifndef ZRPC_CHANNEL_H
#define ZRPC_CHANNEL_H

#include "zrpc/connectivity.h"
#include "zrpc/grpc.h"
#include "zrpc/keepalive.h"
#include "zrpc/log.h"
#include "zrpc/wire.h"

#define ZRPC_CHANNEL_RESENDS_MAX 8 /* of one call; more, and it fails with UNAVAILABLE */

/* A call that a living connection refuses is sent again at once for the first time, then after pauses. */
#define ZRPC_CHANNEL_RESEND_BASE_DEFAULT (100 * ZRPC_MILLISECOND)
#define ZRPC_CHANNEL_RESEND_MAX_DEFAULT  (10 * ZRPC_SECOND)

struct zrpc_channel;

/* Where connections come from. */
struct zrpc_connector {
    /* A wire that is ready for HTTP/2: dialled, handshake and label done. Blocks, at most until `deadline`.
     */
    int (*connect)(void *ctx, zrpc_time deadline, struct zrpc_wire **out, struct zrpc_error *err);
    /* Optional: called from another thread when the channel closes; a connect under way should fail soon. */
    void (*interrupt)(void *ctx);
    void *ctx;
};

struct zrpc_channel_options { /* 0, NULL: the default, each */
    const char *name;         /* of the server, for messages; "server"; copied */
    const char *authority;    /* "localhost"; copied */
    size_t request_max;       /* bytes; ZRPC_GRPC_RESPONSE_MAX_DEFAULT: the server knows its own limit */
    size_t response_max;      /* bytes; ZRPC_GRPC_RESPONSE_MAX_DEFAULT */
    struct zrpc_keepalive_config keepalive;
    struct zrpc_backoff_config backoff; /* between attempts to connect */
    struct zrpc_backoff_config resend;  /* between refusals of one call; base and max as above */
    zrpc_time connect_timeout;          /* of one attempt; ZRPC_CONNECT_TIMEOUT_DEFAULT */
    uint64_t seed;                      /* of the backoff's jitter; 0: from the clock */
    const struct zrpc_log *log;         /* state changes; must outlive the channel */
};

/* In state IDLE. The connector must stay usable until free() has returned. */
int zrpc_channel_new(const struct zrpc_connector *connector, const struct zrpc_channel_options *options,
                     struct zrpc_channel **out, struct zrpc_error *err);
/* Leaves IDLE without waiting for the first call (ZR-CHAN-010). */
void zrpc_channel_connect(struct zrpc_channel *ch);
/* Ends a backoff wait at once (ZR-CHAN-005). */
void zrpc_channel_reset_connect_backoff(struct zrpc_channel *ch);

enum zrpc_channel_state zrpc_channel_state(struct zrpc_channel *ch);
/* 0, or the error of the last attempt to connect, where that failed. */
int zrpc_channel_failure(struct zrpc_channel *ch, struct zrpc_error *err);
/* Waits while the state is `from`, at most until `deadline`; returns the state. */
enum zrpc_channel_state zrpc_channel_wait(struct zrpc_channel *ch, enum zrpc_channel_state from,
                                          zrpc_time deadline);

struct zrpc_call_options {
    zrpc_time deadline;  /* 0, ZRPC_NEVER: none */
    bool wait_for_ready; /* wait out TRANSIENT_FAILURE instead of failing (ZR-CHAN-007) */
    const struct zrpc_cancel *cancel;
    /* Optional: gets the text of the server's error where it is longer than a zrpc_error holds: whole, as
     * zrpc_buf_set_text() leaves it. Else it stays as it is. */
    struct zrpc_buf *long_text;
};

/* Calls and waits for the answer. *res is to be freed with protobuf_c_message_free_unpacked(*res, NULL).
 * options and status may be NULL. On failure *status is the call's, and the code is by it: ZRPC_ERR_HANDLER
 * (the server's handler or the server refused; *err holds its text as it came), ZRPC_ERR_UNAVAILABLE,
 * ZRPC_ERR_TIMEOUT, ZRPC_ERR_CANCELLED, ZRPC_ERR_CLOSED (the channel is), ZRPC_ERR_TOO_BIG, ZRPC_ERR_GRPC,
 * ZRPC_ERR_MESSAGE (undecodable answer, or an argument that cannot be encoded), ZRPC_ERR_NOMEM. */
int zrpc_channel_call(struct zrpc_channel *ch, const struct zrpc_grpc_method *method,
                      const ProtobufCMessage *req, ProtobufCMessage **res,
                      const struct zrpc_call_options *options, enum zrpc_grpc_status *status,
                      struct zrpc_error *err);

/* SHUTDOWN, for good: later calls fail, and those that wait for a connection; those under way may finish
 * until `deadline`. Returns at once. */
void zrpc_channel_shutdown(struct zrpc_channel *ch, zrpc_time deadline);
/* Shuts down, with what is left of an earlier deadline, and releases everything. Calls under way return
 * first. No call may begin any more. NULL is allowed. */
void zrpc_channel_free(struct zrpc_channel *ch);

#endif
