/*
 * frameconn: frames, and the orderly end of a connection (proto/SPEC.md, ZR-FRAME-*, ZR-SHUT-*). Sans-I/O.
 *
 *     +-----------+-------------+-----------------+
 *     | type: u32 | length: u32 | payload: length |
 *     +-----------+-------------+-----------------+
 *
 * Payload passes as views of the caller's own memory, or not at all: where the driver moves it by splice(2),
 * it only says how many bytes went by. The length field never sizes an allocation.
 */
#ifndef ZRPC_FRAMECONN_H
#define ZRPC_FRAMECONN_H

#include "zrpc/bytes.h"
#include "zrpc/clock.h"

#define ZRPC_FRAME_HEADER_LEN 8

#define ZRPC_FRAME_MASK_FRAMECONN 0xf0000000u
#define ZRPC_FRAME_MASK_HEARTBEAT 0x0f000000u
#define ZRPC_FRAME_MASK_STREAM    0x000f0000u
#define ZRPC_FRAME_MASK_USER      0x00f0ffffu

#define ZRPC_FRAME_RST            0x10000000u /* no payload: the sender is shutting down */
#define ZRPC_FRAME_HEARTBEAT      0x01000000u /* no payload */
#define ZRPC_FRAME_STREAM_TRAILER 0x00010000u /* payload: error text */
#define ZRPC_FRAME_STREAM_END     0x00020000u /* no payload */

#define ZRPC_SHUTDOWN_TIMEOUT_DEFAULT (10 * ZRPC_SECOND) /* ZR-SHUT-* */

struct zrpc_frame {
    uint32_t type;
    uint32_t length;
};

void zrpc_frame_encode(struct zrpc_frame frame, uint8_t out[static ZRPC_FRAME_HEADER_LEN]);
struct zrpc_frame zrpc_frame_decode(const uint8_t in[static ZRPC_FRAME_HEADER_LEN]);
/* 0, or ZRPC_ERR_FRAME for a reserved type that is none of the above, one that mixes owners (ZR-FRAME-003),
 * or a payload on a frame that has none (ZR-FRAME-005). Type 0 is a user's, though no stream has it. */
int zrpc_frame_check(struct zrpc_frame frame, struct zrpc_error *err);
/* "heartbeat", "RST", "end of stream", "error trailer", "data 5" ... into out; returns out. */
#define ZRPC_FRAME_TEXT_MAX 48
const char *zrpc_frame_describe(struct zrpc_frame frame, char out[static ZRPC_FRAME_TEXT_MAX]);

/*
 * Reading
 */
enum zrpc_frame_event_kind {
    ZRPC_FRAME_MORE = 0, /* *in is used up */
    ZRPC_FRAME_BEGIN,    /* a header: `frame` */
    ZRPC_FRAME_PAYLOAD,  /* some payload of `frame`: `payload`, never empty, borrowed from *in */
    ZRPC_FRAME_FINISH,   /* all payload of `frame` has been seen (comes for empty frames too) */
};

struct zrpc_frame_event {
    enum zrpc_frame_event_kind kind;
    struct zrpc_frame frame;
    struct zrpc_view payload;
};

struct zrpc_frame_reader {
    uint8_t header[ZRPC_FRAME_HEADER_LEN];
    size_t have; /* of header */
    bool in_payload;
    struct zrpc_frame frame; /* valid when in_payload */
    uint32_t left;           /* payload bytes of it still to come */
};

/* An all-zero reader is ready (ZR-FRAME-002, ZR-FRAME-011). Takes from *in what belongs to the next event. It
 * judges nothing, so it cannot fail: zrpc_frame_check() is for headers. */
void zrpc_frame_reader_next(struct zrpc_frame_reader *r, struct zrpc_view *in, struct zrpc_frame_event *ev);
/* n payload bytes of the current frame (n <= left) were moved past the reader. */
void zrpc_frame_reader_moved(struct zrpc_frame_reader *r, uint32_t n);
/* Nothing of a frame has been read. */
bool zrpc_frame_reader_between_frames(const struct zrpc_frame_reader *r);

/*
 * Writing: first the bytes in `output`, then `body_left` bytes of payload that the caller has elsewhere.
 * While a body is under way no other frame can be queued, so nothing can ever be put inside a frame
 * (ZR-HB-002, ZR-SHUT-003).
 */
struct zrpc_frame_writer {
    struct zrpc_buf output;
    uint32_t body_left;
};

void zrpc_frame_writer_dispose(struct zrpc_frame_writer *w);
/* Queues a whole frame, payload copied. Requires body_left == 0, ZRPC_ERR_USAGE otherwise. */
int zrpc_frame_writer_put(struct zrpc_frame_writer *w, uint32_t type, struct zrpc_view payload,
                          struct zrpc_error *err);
/* Queues a header; `length` > 0 bytes of payload follow from the caller. Requires body_left == 0. */
int zrpc_frame_writer_begin(struct zrpc_frame_writer *w, uint32_t type, uint32_t length,
                            struct zrpc_error *err);
/* n bytes went out, of `output` first, then of the body. */
void zrpc_frame_writer_sent(struct zrpc_frame_writer *w, size_t n);
static inline bool zrpc_frame_writer_idle(const struct zrpc_frame_writer *w)
{
    return w->output.len == 0 && w->body_left == 0;
}

/*
 * A connection of frames: reader, writer and the way it ends.
 *
 *     OPEN --shutdown()--> CLOSING --RST is out--> HALF_CLOSE --half_closed()--> DRAINING --eof()--> CLOSED
 *
 * From CLOSING on one absolute deadline counts (ZR-SHUT-004), and everything that is read is discarded
 * (ZR-SHUT-006).
 */
enum zrpc_frameconn_state {
    ZRPC_CONN_OPEN,
    ZRPC_CONN_CLOSING,    /* the frame under way and RST are going out */
    ZRPC_CONN_HALF_CLOSE, /* the driver must close the wire's write direction now, then call half_closed() */
    ZRPC_CONN_DRAINING,   /* read and discard until end of file */
    ZRPC_CONN_CLOSED,     /* the driver may close the wire */
};

struct zrpc_frameconn {
    struct zrpc_frame_reader reader;
    struct zrpc_frame_writer writer;
    enum zrpc_frameconn_state state;
    bool peer_shutdown;  /* the peer sent RST */
    bool peer_eof;       /* end of file was read */
    bool rst_queued;     /* RST waits in the writer, or is out */
    bool output_dropped; /* by abandon_output: nothing may follow on this connection */
    zrpc_time shutdown_timeout;
    zrpc_time shutdown_deadline; /* ZRPC_NEVER while OPEN */
};

/* A shutdown_timeout of 0 is the default. */
void zrpc_frameconn_init(struct zrpc_frameconn *c, zrpc_time shutdown_timeout);
void zrpc_frameconn_dispose(struct zrpc_frameconn *c);
/* As zrpc_frame_reader_next, but fails with ZRPC_ERR_FRAME where zrpc_frame_check does, and with
 * ZRPC_ERR_PEER_SHUTDOWN from an RST on (ZR-SHUT-008). Once not OPEN it swallows *in and answers MORE. */
int zrpc_frameconn_input(struct zrpc_frameconn *c, struct zrpc_view *in, struct zrpc_frame_event *ev,
                         struct zrpc_error *err);
/* End of file on the wire. While OPEN that is ZRPC_ERR_END, and *err says where it came (after an RST,
 * ZRPC_ERR_PEER_SHUTDOWN); the state stays, for the caller to shut down. Later it is 0: DRAINING becomes
 * CLOSED, and the states before will not drain. */
int zrpc_frameconn_eof(struct zrpc_frameconn *c, struct zrpc_error *err);
/* n bytes went out. */
void zrpc_frameconn_sent(struct zrpc_frameconn *c, size_t n);
/* Begins the orderly end; later calls change nothing. Where no memory is left for RST, goes on without it. */
void zrpc_frameconn_shutdown(struct zrpc_frameconn *c, zrpc_time now);
void zrpc_frameconn_half_closed(struct zrpc_frameconn *c);
/* The frame under way cannot be completed: drop it and whatever is queued, half-close without RST. Before
 * shutdown() the state stays OPEN, and shutdown() then goes straight to HALF_CLOSE. */
void zrpc_frameconn_abandon_output(struct zrpc_frameconn *c);

#endif
