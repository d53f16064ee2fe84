/*
 * A bare HTTP/2 peer for tests: says what our own sessions never say, and remembers all it is told.
 *
 * Sans-I/O, as the sessions it talks to. Out of memory ends the test program.
 */
#ifndef ZRPC_TESTING_H2PEER_H
#define ZRPC_TESTING_H2PEER_H

#include <nghttp2/nghttp2.h>

#include "zrpc/bytes.h"

#define H2PEER_STREAMS 64
#define H2PEER_HEADERS 16 /* of one list */

struct h2peer_stream {
    int32_t id;          /* 0: unused */
    char headers[4096];  /* "name: value\n"..., without trailers */
    char trailers[4096]; /* those of a HEADERS frame after the first */
    struct zrpc_buf body;
    unsigned header_frames;
    bool end_stream;
    bool reset, closed;
    uint32_t error; /* of the reset or close */
    /* what we send */
    struct zrpc_buf out;
    bool hold_open; /* do not end the stream after `out` */
    const char *const *out_trailers;
};

struct h2peer {
    nghttp2_session *ng;
    struct zrpc_buf output;
    struct h2peer_stream streams[H2PEER_STREAMS];
    unsigned pings, ping_acks, settings, settings_acks, goaways;
    uint32_t goaway_error;
    int32_t goaway_last;
    char goaway_text[256];
    int64_t max_streams; /* the other side's setting; -1: not said */
    bool deaf_to_pings;  /* do not answer them */
};

void h2peer_init(struct h2peer *p, bool server, bool deaf_to_pings);
void h2peer_dispose(struct h2peer *p);
/* Negative: the nghttp2 error that the other side provoked. */
ssize_t h2peer_feed(struct h2peer *p, struct zrpc_view in);
/* Everything there is to send now; consume it with zrpc_buf_consume(&p->output, n). */
struct zrpc_view h2peer_output(struct h2peer *p);

/* Header lists are name, value, name, value, ..., NULL. `body` is copied. */
int32_t h2peer_request(struct h2peer *p, const char *const *headers, struct zrpc_view body, bool hold_open);
/* NULL trailers: the body ends the stream; no body either: the headers do. */
void h2peer_respond(struct h2peer *p, int32_t stream_id, const char *const *headers, struct zrpc_view body,
                    const char *const *trailers);
/* More of a body that is held open. */
void h2peer_continue(struct h2peer *p, int32_t stream_id, struct zrpc_view body, bool hold_open);
void h2peer_reset(struct h2peer *p, int32_t stream_id, uint32_t error);
void h2peer_goaway(struct h2peer *p, int32_t last_stream_id, uint32_t error, const char *text);
/* NULL if the stream is not known. */
struct h2peer_stream *h2peer_stream(struct h2peer *p, int32_t stream_id);

#endif
