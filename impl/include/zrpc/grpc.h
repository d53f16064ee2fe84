/*
 * gRPC over HTTP/2: the words both roles share (proto/SPEC.md, ZR-GRPC-*). Sans-I/O, without HTTP/2.
 *
 * Status codes, and the codecs of grpc-message, grpc-timeout and of the five bytes before each message. The
 * calls of this project are unary: one message each way.
 */
#ifndef ZRPC_GRPC_H
#define ZRPC_GRPC_H

#include <protobuf-c/protobuf-c.h>

#include "zrpc/bytes.h"
#include "zrpc/clock.h"

/* X(name, number, what a caller gets when the peer ends its call with it: enum zrpc_code without prefix) */
#define ZRPC_GRPC_STATUS_MAP(X)        \
    X(OK, 0, OK)                       \
    X(CANCELLED, 1, CANCELLED)         \
    X(UNKNOWN, 2, HANDLER)             \
    X(INVALID_ARGUMENT, 3, HANDLER)    \
    X(DEADLINE_EXCEEDED, 4, TIMEOUT)   \
    X(NOT_FOUND, 5, HANDLER)           \
    X(ALREADY_EXISTS, 6, HANDLER)      \
    X(PERMISSION_DENIED, 7, HANDLER)   \
    X(RESOURCE_EXHAUSTED, 8, HANDLER)  \
    X(FAILED_PRECONDITION, 9, HANDLER) \
    X(ABORTED, 10, HANDLER)            \
    X(OUT_OF_RANGE, 11, HANDLER)       \
    X(UNIMPLEMENTED, 12, HANDLER)      \
    X(INTERNAL, 13, HANDLER)           \
    X(UNAVAILABLE, 14, UNAVAILABLE)    \
    X(DATA_LOSS, 15, HANDLER)          \
    X(UNAUTHENTICATED, 16, HANDLER)

enum zrpc_grpc_status {
#define ZRPC_GRPC_STATUS_ENUM(name, number, code) ZRPC_GRPC_##name = (number),
    ZRPC_GRPC_STATUS_MAP(ZRPC_GRPC_STATUS_ENUM)
#undef ZRPC_GRPC_STATUS_ENUM
};

/* "UNIMPLEMENTED"; "UNKNOWN" for a number that is none. Static. */
const char *zrpc_grpc_status_name(int status);
/* The enum zrpc_code of the table above; ZRPC_ERR_HANDLER for a number that is none. */
int zrpc_grpc_status_code(int status);
/* grpc-status as it stands in a header: 0 to 16; UNKNOWN for other numbers; -1 if it is not a number. */
int zrpc_grpc_status_parse(struct zrpc_view text);
/* What a response without grpc-status means (gRPC's http-grpc-status-mapping). */
enum zrpc_grpc_status zrpc_grpc_status_of_http(unsigned http_status);
/* What a stream reset with this HTTP/2 error code means. */
enum zrpc_grpc_status zrpc_grpc_status_of_reset(uint32_t h2_error);

/*
 * grpc-message: UTF-8, percent-encoded (ZR-GRPC-011, ZR-GRPC-012).
 */
#define ZRPC_GRPC_MESSAGE_MAX (3 * ZRPC_ERROR_TEXT_MAX) /* any text of a zrpc_error, encoded */

/* Fills out with as much of text as has room, cut between characters; returns the length, no zero is added.
 * A blank at either end of the text is encoded too: HTTP allows none at the ends of a field's value. */
size_t zrpc_grpc_message_encode(struct zrpc_view text, char *out, size_t size);
/* Fills out with as much as has room and a terminating zero. Invalid escapes stay as they are; a decoded zero
 * byte becomes '?'. The result need not be UTF-8: zrpc_fail() sees to that. Returns the length. size > 0. */
size_t zrpc_grpc_message_decode(struct zrpc_view in, char *out, size_t size);

/*
 * grpc-timeout: one to eight digits and a unit, one of H M S m u n (ZR-GRPC-020, ZR-GRPC-021).
 */
#define ZRPC_GRPC_TIMEOUT_MAX 10 /* with terminating zero */

/* The finest unit that has room, rounded up; what is below 1 ns is "1n". Returns out. */
const char *zrpc_grpc_timeout_format(zrpc_time timeout, char out[static ZRPC_GRPC_TIMEOUT_MAX]);
/* ZRPC_ERR_GRPC for anything else. Durations above what zrpc_time holds (292 years) become ZRPC_NEVER. */
int zrpc_grpc_timeout_parse(struct zrpc_view text, zrpc_time *out, struct zrpc_error *err);

/* "application/grpc" or "application/grpc+proto", with or without parameters (ZR-GRPC-005). */
bool zrpc_grpc_content_type_ok(struct zrpc_view value);

/*
 * Messages: a byte 0 (1: compressed), the length (u32), the message (ZR-GRPC-003, ZR-GRPC-004).
 */
#define ZRPC_GRPC_PREFIX_LEN 5

#define ZRPC_GRPC_REQUEST_MAX_DEFAULT (4u << 20) /* bytes; what real servers take (ZR-GRPC-018) */
#define ZRPC_GRPC_RESPONSE_MAX_DEFAULT \
    (64u << 20) /* bytes; a listing of 100,000 snapshots has at most 31 MB */

/* Appends prefix and message. ZRPC_ERR_TOO_BIG above `limit` bytes of message; ZRPC_ERR_MESSAGE,
 * ZRPC_ERR_NOMEM. On failure *out is as it was. */
int zrpc_grpc_put_message(const ProtobufCMessage *msg, size_t limit, struct zrpc_buf *out,
                          struct zrpc_error *err);

/* Reads the one message of a call from the content of its DATA frames. Memory grows with what arrives, never
 * with what the prefix announces. */
struct zrpc_grpc_reader {
    size_t limit; /* largest message taken, bytes */
    bool encoded; /* a grpc-encoding other than identity was announced */
    uint8_t prefix[ZRPC_GRPC_PREFIX_LEN];
    size_t have;             /* of prefix */
    uint32_t length;         /* valid when have == ZRPC_GRPC_PREFIX_LEN */
    struct zrpc_buf message; /* what there is of it */
};

void zrpc_grpc_reader_init(struct zrpc_grpc_reader *r, size_t limit);
void zrpc_grpc_reader_dispose(struct zrpc_grpc_reader *r);
/* 0, or a negative code with *status set to what the call has to end with: ZRPC_ERR_TOO_BIG
 * (RESOURCE_EXHAUSTED, as soon as the prefix says so), ZRPC_ERR_GRPC (UNIMPLEMENTED: a second message, or one
 * compressed by an encoding that we do not know; INTERNAL: compressed without an encoding, or a flag that is
 * none), ZRPC_ERR_NOMEM (RESOURCE_EXHAUSTED). */
int zrpc_grpc_reader_feed(struct zrpc_grpc_reader *r, struct zrpc_view in, enum zrpc_grpc_status *status,
                          struct zrpc_error *err);
/* The end of the stream: 0 if there is one whole message; else as above (UNIMPLEMENTED: none; INTERNAL: a
 * truncated one). */
int zrpc_grpc_reader_end(const struct zrpc_grpc_reader *r, enum zrpc_grpc_status *status,
                         struct zrpc_error *err);
bool zrpc_grpc_reader_complete(const struct zrpc_grpc_reader *r);

/*
 * Methods: what client and server agree on. Services are const tables of them.
 */
struct zrpc_call;

/* The request is borrowed, the response comes initialised and is freed by the caller, as in zrpc/handler.h.
 * 0; or a grpc status above 0, or a negative code (UNKNOWN, ZR-GRPC-010): the call ends with it and *err's
 * text.
 */
typedef int zrpc_grpc_handler(void *ctx, struct zrpc_call *call, const ProtobufCMessage *req,
                              ProtobufCMessage *res, struct zrpc_error *err);

struct zrpc_grpc_method {
    const char *path; /* "/Replication/Ping" */
    const ProtobufCMessageDescriptor *request, *response;
    zrpc_grpc_handler *handler; /* servers only */
    bool prompt;                /* never blocks: run on the connection's own loop, not on the pool */
};

struct zrpc_grpc_service {
    const struct zrpc_grpc_method *methods;
    size_t n_methods;
    void *ctx; /* the handlers' */
};

#endif
