/*
 * Exchange: data requests from the client's side, and what is expected of their answers.
 *
 * Expectations name every legal outcome; anything else decides the run. Silence is one of the things that
 * come instead, and after it the runner asks on a fresh connection whether the target lives at all.
 */
#ifndef ZRPC_CONFORMANCE_EXCHANGE_H
#define ZRPC_CONFORMANCE_EXCHANGE_H

#include "conformance/peer.h"
#include "zrepl_v1.pb-c.h"

enum zrpc_outcome {
    ZRPC_OUT_ANSWER = 1 << 0,  /* HANDLER OK and a response */
    ZRPC_OUT_REFUSAL = 1 << 1, /* HANDLER ERROR and a text */
    ZRPC_OUT_CLOSED = 1 << 2, /* the end of the byte stream or a reset, with or without an RST frame before */
};

struct zrpc_answer {
    unsigned outcome;       /* 0: none of the three */
    struct zrpc_buf header; /* content of the message of type 3 */
    struct zrpc_buf body;   /* of type 4 */
    zrpc_time took;         /* from the call to the outcome */
};

int zrpc_answer_new(struct zrpc_answer **out);
void zrpc_answer_free(struct zrpc_answer *a);

/*
 * Requests
 */
/* The bytes of a request's two messages, appended. */
void zrpc_put_request(struct zrpc_buf *out, const char *endpoint, struct zrpc_view body);
void zrpc_put_ping(struct zrpc_buf *out, const char *text);
bool zrpc_request(struct zrpc_peer *p, const char *endpoint, struct zrpc_view body);
bool zrpc_request_message(struct zrpc_peer *p, const char *endpoint, const ProtobufCMessage *msg);
bool zrpc_request_ping(struct zrpc_peer *p, const char *text);
bool zrpc_request_send(struct zrpc_peer *p, const struct zrpc_offer *offer, bool dry_run);
/* The stream is still to be sent. `clear`: with ClearResumeToken. */
bool zrpc_request_receive(struct zrpc_peer *p, const char *filesystem, bool clear);

/*
 * Expectations
 */
/* One of the outcomes in `legal`, within that time. Valid until the peer's next expectation. */
const struct zrpc_answer *zrpc_expect(struct zrpc_peer *p, unsigned legal, zrpc_time within);
/* An answer, promptly. */
const struct zrpc_answer *zrpc_expect_answer(struct zrpc_peer *p);
/* The ping's answer, promptly, and the text in it. */
void zrpc_expect_pong(struct zrpc_peer *p, const char *text);
/* An answer, its response decoded; owned by the run, NULL when the run is decided. */
const ProtobufCMessage *zrpc_expect_response(struct zrpc_peer *p,
                                             const ProtobufCMessageDescriptor *descriptor, zrpc_time within);
/* Nothing but heartbeats and then the end, not before and not later than these times from now. */
void zrpc_expect_closed(struct zrpc_peer *p, zrpc_time not_before, zrpc_time within);
/* An RST frame and then the end of the byte stream, without a reset. */
void zrpc_expect_shutdown(struct zrpc_peer *p, zrpc_time within);
/* The target serves a fresh connection: banner and ping, each promptly. */
void zrpc_expect_service(struct zrpc_run *run);
/* Never more than the heartbeat interval and its slack passed between two frames; for peers that keep
 * reading. */
void zrpc_expect_steady_frames(struct zrpc_peer *p);
/* Reads for that long; nothing but heartbeats may come. */
void zrpc_expect_heartbeats_only(struct zrpc_peer *p, zrpc_time duration);

/*
 * Streams of the target
 */
enum zrpc_stream_end {
    ZRPC_SAW_COMPLETE,
    ZRPC_SAW_SOURCE_ERROR,
    ZRPC_SAW_INCOMPLETE, /* `last` says why */
};

struct zrpc_stream_seen {
    enum zrpc_stream_end end;
    uint64_t bytes;
    unsigned frames;
    bool one_byte_frame;
    char sha256[65];       /* hex */
    char error[200];       /* of the source, cut */
    struct zrpc_seen last; /* without payload */
};

/* Reads a stream of that type to its end, while each frame of content comes within `patience` of the one
 * before. Judges only what is never legal. *keep gets the content; NULL: it is not kept. */
void zrpc_see_stream(struct zrpc_peer *p, uint32_t type, zrpc_time patience, struct zrpc_stream_seen *out,
                     struct zrpc_buf *keep);
/* The stream is complete. */
void zrpc_expect_stream(struct zrpc_peer *p, uint32_t type, zrpc_time patience, struct zrpc_stream_seen *out,
                        struct zrpc_buf *keep);

#endif
