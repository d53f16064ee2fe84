/*
 * Peer: the suite's own end of a connection. Blocking, and free to misbehave: it sends any bytes, in any
 * pieces, at any time, and ends a connection in every way there is. What it sends and sees is recorded in the
 * run's trace.
 *
 * A peer belongs to its run, which ends and frees it. It is used by one thread at a time. Sending never
 * judges: a write that fails is recorded, later writes are not tried, and what the target says shows in what
 * is seen. Functions that make a peer never return NULL; without a connection the run is decided and the peer
 * does nothing.
 */
#ifndef ZRPC_CONFORMANCE_PEER_H
#define ZRPC_CONFORMANCE_PEER_H

#include "conformance/annotate.h"
#include "conformance/run.h"
#include "zrpc/frameconn.h"
#include "zrpc/timeoutconn.h"
#include "zrpc/transportmux.h"

#define ZRPC_PEER_PAYLOAD_KEPT                                                  \
    (1u << 20) /* bytes of a payload that are kept: above what a frame may hold \
                */

enum zrpc_seen_kind {
    ZRPC_SEEN_FRAME,
    ZRPC_SEEN_EOF,     /* the target closed its write direction, or the connection */
    ZRPC_SEEN_RESET,   /* the connection was reset, or failed otherwise */
    ZRPC_SEEN_SILENCE, /* nothing (more) until the deadline */
    ZRPC_SEEN_NOTHING, /* the run is decided */
};

struct zrpc_seen {
    enum zrpc_seen_kind kind;
    zrpc_time at;
    struct zrpc_frame frame;
    struct zrpc_view payload; /* its first bytes, until the next call */
};

struct zrpc_answer;

struct zrpc_peer {
    struct zrpc_run *run;
    struct zrpc_peer *next;        /* of the run's */
    unsigned number;               /* in traces: #1, #2, ... */
    struct zrpc_timeoutconn *conn; /* NULL: not connected, or ended */
    int fd;                        /* of the wire, for socket options; -1 */
    struct zrpc_annotate_shared shared;
    struct zrpc_annotator sent, received;
    /* reading */
    struct zrpc_buf in;      /* read and not yet taken */
    struct zrpc_buf payload; /* of the frame last seen */
    struct zrpc_buf banner;  /* the target's */
    bool eof, reset;
    bool rst_seen;
    /* writing */
    bool write_failed; /* later writes do nothing */
    bool write_closed;
    bool framing; /* frames may be sent: the label is out */
    bool inside;  /* a frame is under way: no heartbeat can be sent */
    bool quiet;   /* sends no heartbeats of its own */
    zrpc_time last_sent;
    zrpc_time heartbeat_every;
    zrpc_time write_timeout;
    uint64_t bytes_sent, bytes_received, heartbeats_seen;
    zrpc_time last_seen, longest_gap; /* of frames, from the label on; true while somebody keeps reading */
    struct zrpc_answer *answer;       /* see exchange.h */
};

/*
 * Making connections
 */
struct zrpc_peer *zrpc_peer_dial(struct zrpc_run *run);
/* An accepted wire, for the passive side. Takes ownership. */
struct zrpc_peer *zrpc_peer_accepted(struct zrpc_run *run, struct zrpc_wire *wire);
/* Dialled, and both banners exchanged. */
struct zrpc_peer *zrpc_peer_greeted(struct zrpc_run *run);
/* And labelled: ready for frames. */
struct zrpc_peer *zrpc_peer_data(struct zrpc_run *run);

/*
 * Sending. True if all bytes went out.
 */
bool zrpc_peer_send(struct zrpc_peer *p, struct zrpc_view bytes);
bool zrpc_peer_send_text(struct zrpc_peer *p, const char *text);
/* In pieces of `piece` bytes, each a write of its own, with a pause between. */
bool zrpc_peer_send_pieces(struct zrpc_peer *p, struct zrpc_view bytes, size_t piece, zrpc_time pause);
bool zrpc_peer_send_banner(struct zrpc_peer *p);
bool zrpc_peer_send_label(struct zrpc_peer *p, enum zrpc_label label);
/* A header alone; `length` bytes of payload are to follow with zrpc_peer_send(), or never. */
bool zrpc_peer_send_header(struct zrpc_peer *p, uint32_t type, uint32_t length);
bool zrpc_peer_send_frame(struct zrpc_peer *p, uint32_t type, struct zrpc_view payload);
bool zrpc_peer_send_heartbeat(struct zrpc_peer *p);
bool zrpc_peer_send_rst(struct zrpc_peer *p);
bool zrpc_peer_send_end(struct zrpc_peer *p);
/* Frames of type T of at most 2^19 bytes; and the end frame. */
bool zrpc_peer_send_content(struct zrpc_peer *p, uint32_t type, struct zrpc_view content);
bool zrpc_peer_send_stream(struct zrpc_peer *p, uint32_t type, struct zrpc_view content);
/* The same frames as bytes, appended to *out: for sending in pieces. */
void zrpc_peer_put_frame(struct zrpc_buf *out, uint32_t type, struct zrpc_view payload);
void zrpc_peer_put_stream(struct zrpc_buf *out, uint32_t type, struct zrpc_view content);

/* Reads nothing for that long, but heartbeats. */
void zrpc_peer_idle(struct zrpc_peer *p, zrpc_time duration);

/*
 * Ending
 */
void zrpc_peer_half_close(struct zrpc_peer *p);
void zrpc_peer_drop(struct zrpc_peer *p); /* close(2), whatever is unread */
/* We vanish: over tcp and tls a TCP reset, over ssh the end of the ssh program, over local of our socket. */
void zrpc_peer_reset(struct zrpc_peer *p);
void zrpc_peer_shutdown(
    struct zrpc_peer *p); /* RST frame, half-close, drain for as long as "promptly", close */

/*
 * Seeing. While it waits the peer heartbeats by itself, unless it is `quiet` or inside a frame.
 */
/* Bytes as they come, for what is no frame: SEEN_FRAME here means that *bytes (until the next call) arrived.
 */
enum zrpc_seen_kind zrpc_peer_see_bytes(struct zrpc_peer *p, zrpc_time deadline, size_t max,
                                        struct zrpc_view *bytes);
/* The next frame, heartbeats included. A frame that no peer may ever send is a violation in every case. */
enum zrpc_seen_kind zrpc_peer_see(struct zrpc_peer *p, zrpc_time deadline, struct zrpc_seen *seen);
/* The next frame that is no heartbeat. */
enum zrpc_seen_kind zrpc_peer_see_other(struct zrpc_peer *p, zrpc_time deadline, struct zrpc_seen *seen);
/* Whether a frame that is no heartbeat, or an end, is there already. It stays unread. */
bool zrpc_peer_has_other(struct zrpc_peer *p);
/* From an RST frame in *seen on: reads to the end of the byte stream or a reset. Other things stay as seen.
 */
void zrpc_peer_see_end(struct zrpc_peer *p, zrpc_time deadline, struct zrpc_seen *seen);
/* "a frame, RST, of 0 bytes", "the end of the byte stream", "silence", ... for stories. */
void zrpc_seen_add(struct zrpc_buf *text, const struct zrpc_seen *seen);

/* For the run. The spare peer stands in where there is no memory for another one. */
int zrpc_peer_spare(struct zrpc_run *run, struct zrpc_error *err);
void zrpc_peer_end_all(struct zrpc_run *run);
void zrpc_peer_cancel_all(struct zrpc_run *run);

#endif
