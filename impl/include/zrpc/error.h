/*
 * Errors: one type for the whole project.
 *
 * Functions that can fail return an int: 0 (or a documented non-negative value) is success, a negative
 * `enum zrpc_code` is failure. They take a `struct zrpc_error *` as their last argument and fill it whenever
 * they return a negative code other than ZRPC_ERR_AGAIN; the pointer may be NULL. The error owns no memory:
 * where a peer may say more than it holds, a call's options take a buffer for that (long_text).
 *
 * Codes come in bands of a hundred, so that a caller can act on the band and show the text.
 */
#ifndef ZRPC_ERROR_H
#define ZRPC_ERROR_H

#include <stdbool.h>

#define ZRPC_ERROR_TEXT_MAX \
    1024 /* bytes, including the terminating zero; longer texts are cut at a UTF-8 boundary */

/* X(name, code, meaning) */
#define ZRPC_ERROR_MAP(X)                                                          \
    /* local: nothing is wrong with the peer */                                    \
    X(AGAIN, -1, "not ready, wait and call again")                                 \
    X(NOMEM, -2, "out of memory")                                                  \
    X(USAGE, -3, "invalid argument, configuration or call order")                  \
    X(CANCELLED, -4, "cancelled by the caller")                                    \
    X(LIMIT, -5, "a limit of this side was reached")                               \
    X(SOURCE, -6, "the local source of a stream failed")                           \
    X(SINK, -7, "the local sink of a stream failed")                               \
    X(ZFS, -8, "zfs refused or failed")                                            \
    /* protocol: the peer broke it */                                              \
    X(HANDSHAKE, -101, "invalid version handshake banner")                         \
    X(VERSION, -102, "protocol versions differ")                                   \
    X(LABEL, -103, "invalid or unknown transport label")                           \
    X(FRAME, -104, "invalid frame")                                                \
    X(STREAM, -105, "frame out of place in a stream")                              \
    X(TOO_BIG, -106, "message above its limit")                                    \
    X(MESSAGE, -107, "undecodable message")                                        \
    X(HTTP2, -108, "HTTP/2 protocol error")                                        \
    X(GRPC, -109, "invalid gRPC message or status")                                \
    /* peer-reported: the peer kept the protocol and says that something failed */ \
    X(HANDLER, -201, "the remote handler refused the request")                     \
    X(PEER_SOURCE, -202, "the remote source of a stream failed")                   \
    X(PEER_SHUTDOWN, -203, "the peer is shutting down")                            \
    X(UNAVAILABLE, -204, "the peer is not available now")                          \
    X(REFUSED_IDENTITY, -205, "the client is not authorised")                      \
    /* timeout */                                                                  \
    X(TIMEOUT, -301, "deadline exceeded")                                          \
    X(READ_TIMEOUT, -302, "nothing readable in time")                              \
    X(WRITE_TIMEOUT, -303, "a write made no progress in time")                     \
    /* closed */                                                                   \
    X(END, -401, "end of file where more was expected")                            \
    X(CLOSED, -402, "closed on this side")                                         \
    X(RESET, -403, "connection reset by peer")                                     \
    /* system */                                                                   \
    X(SYSTEM, -501, "a system call failed")                                        \
    X(DIAL, -502, "cannot connect")                                                \
    X(RESOLVE, -503, "cannot resolve the address")                                 \
    X(LISTEN, -504, "cannot listen")                                               \
    /* TLS */                                                                      \
    X(TLS, -601, "TLS failed")                                                     \
    X(TLS_TRUNCATED, -602, "end of file without close_notify")

enum zrpc_code {
    ZRPC_OK = 0,
#define ZRPC_ERROR_ENUM(name, code, meaning) ZRPC_ERR_##name = (code),
    ZRPC_ERROR_MAP(ZRPC_ERROR_ENUM)
#undef ZRPC_ERROR_ENUM
};

enum zrpc_band {
    ZRPC_BAND_OK,
    ZRPC_BAND_LOCAL,
    ZRPC_BAND_PROTOCOL,
    ZRPC_BAND_PEER,
    ZRPC_BAND_TIMEOUT,
    ZRPC_BAND_CLOSED,
    ZRPC_BAND_SYSTEM,
    ZRPC_BAND_TLS,
};

struct zrpc_error {
    int code;                       /* enum zrpc_code */
    char text[ZRPC_ERROR_TEXT_MAX]; /* what failed, where, what was expected; UTF-8, one line at best */
};

/* "FRAME" for ZRPC_ERR_FRAME, "OK" for 0, "UNKNOWN" for anything else. Static. */
const char *zrpc_code_name(int code);
/* The meaning given in the table above. Static. */
const char *zrpc_code_meaning(int code);
enum zrpc_band zrpc_code_band(int code);

/* Fills *err and returns `code`, so that a failing function can end with `return zrpc_fail(...)`. Arguments
 * may point into *err. Bytes that are not UTF-8 become '?'; newlines at the end are dropped. */
int zrpc_fail(struct zrpc_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same, with ": strerror(errnum)" appended. */
int zrpc_fail_errno(struct zrpc_error *err, int code, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts "fmt: " in front of the text that *err has and sets its code; returns `code`, which is usually the one
 * that came back from below: `return zrpc_error_prefix(err, rc, "dial %s", address)`. */
int zrpc_error_prefix(struct zrpc_error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
