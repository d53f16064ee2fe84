/*
 * H2: the suite's own HTTP/2 client on a control connection. Frames are written by hand, so that each can be
 * wrong in every way; only header compression is nghttp2's.
 *
 * Left alone it is a good client: it acknowledges SETTINGS and PINGs and replenishes windows, whenever it
 * looks at what has come, and it judges what no peer may ever send. All of that can be turned off. Like
 * peers, a connection belongs to its run and is used by one thread at a time; sending never judges.
 */
#ifndef ZRPC_CONFORMANCE_H2_H
#define ZRPC_CONFORMANCE_H2_H

#include "conformance/h2_names.h"
#include "conformance/peer.h"

#define ZRPC_H2_WINDOW 65535 /* of RFC 9113, before SETTINGS say otherwise */
#define ZRPC_H2_FRAME  16384

struct zrpc_h2_nv {
    const char *name, *value;
};

struct zrpc_h2_frame {
    enum zrpc_seen_kind kind;
    struct zrpc_h2_header_of_frame header;
    struct zrpc_view payload; /* until the next one is seen */
    zrpc_time at;
};

/* A call as far as its answer has come. */
struct zrpc_h2_call {
    struct zrpc_h2_call *next;
    uint32_t stream;
    int64_t send_window; /* what the target takes */
    int64_t window;      /* what it may send */
    unsigned blocks;     /* header blocks of its answer */
    bool ended;          /* END_STREAM, or reset */
    bool reset;
    uint32_t reset_code;
    char http_status[8]; /* "" until it has come */
    char content_type[64];
    int grpc_status;         /* -1 until it has come, -2 if it is no number */
    bool has_message;        /* grpc-message came */
    struct zrpc_buf message; /* as it stood in the header */
    struct zrpc_buf data;    /* all DATA */
    unsigned data_frames;
    zrpc_time began, ended_at;
};

struct zrpc_h2 {
    struct zrpc_run *run;
    struct zrpc_peer *peer;
    struct zrpc_h2_call *calls, **calls_end;
    uint32_t next_stream;
    nghttp2_hd_deflater *deflater;
    nghttp2_hd_inflater *inflater;
    /* how it behaves */
    bool acks_settings, acks_pings, replenishes;
    /* what the target said */
    bool settings_seen;
    unsigned settings_acks, ping_acks;
    uint8_t ping_ack[8]; /* the last one */
    uint32_t their_window, their_frame, their_table, their_streams;
    int64_t send_window; /* of the connection */
    bool goaway;
    uint32_t goaway_code, goaway_last;
    bool ended; /* the end of the byte stream, or a reset */
    enum zrpc_seen_kind end_kind;
    /* what we said */
    uint32_t window_of_streams, pending_window, frame_max;
    int64_t window; /* of the connection */
    unsigned settings_sent;
    uint32_t table;
    bool window_shrinks, table_changes; /* when the SETTINGS under way are acknowledged */
    /* header block under way */
    struct zrpc_buf block;
    struct zrpc_h2_header_of_frame block_frame;
    struct zrpc_buf payload; /* of the frame last seen */
};

/*
 * Connections. Never NULL: without a connection the run is decided.
 */
/* Labelled zrepl_control, nothing sent yet. */
struct zrpc_h2 *zrpc_h2_new(struct zrpc_run *run);
/* And the preface and empty SETTINGS sent, the target's SETTINGS seen and acknowledged. */
struct zrpc_h2 *zrpc_h2_open(struct zrpc_run *run);
/* The same with one setting of ours. id 0: none. */
struct zrpc_h2 *zrpc_h2_open_with(struct zrpc_run *run, unsigned id, uint32_t value);

/*
 * Frames
 */
bool zrpc_h2_send(struct zrpc_h2 *h, uint8_t type, uint8_t flags, uint32_t stream, struct zrpc_view payload);
/* The same as bytes. */
void zrpc_h2_put(struct zrpc_buf *out, uint8_t type, uint8_t flags, uint32_t stream,
                 struct zrpc_view payload);
bool zrpc_h2_send_preface(struct zrpc_h2 *h);
/* One setting; id 0: none. What we allow from now on is remembered. */
bool zrpc_h2_send_settings(struct zrpc_h2 *h, unsigned id, uint32_t value);
bool zrpc_h2_send_ping(struct zrpc_h2 *h, const char opaque[static 8]);
bool zrpc_h2_send_u32(struct zrpc_h2 *h, uint8_t type, uint32_t stream, uint32_t value); /* RST_STREAM, ... */
bool zrpc_h2_send_window(struct zrpc_h2 *h, struct zrpc_h2_call *call, uint32_t more); /* NULL: connection */
bool zrpc_h2_send_goaway(struct zrpc_h2 *h, uint32_t code, const char *text);

/*
 * Header blocks. The list ends with a NULL name.
 */
/* By nghttp2: Huffman where shorter, and the dynamic table. */
void zrpc_h2_deflate(struct zrpc_h2 *h, const struct zrpc_h2_nv *list, struct zrpc_buf *out);
/* By hand: literals without Huffman and without the dynamic table. */
void zrpc_h2_put_literals(const struct zrpc_h2_nv *list, struct zrpc_buf *out);

/*
 * Seeing
 */
/* The next frame. It has been dealt with: answered, noted in its call, judged. */
enum zrpc_seen_kind zrpc_h2_see(struct zrpc_h2 *h, zrpc_time deadline, struct zrpc_h2_frame *seen);
/* Deals with frames until the call has ended, the connection has ended, or the deadline. True: the call has.
 */
bool zrpc_h2_wait(struct zrpc_h2 *h, const struct zrpc_h2_call *call, zrpc_time deadline);
/* Deals with frames for that long; true if the connection still stands. */
bool zrpc_h2_idle(struct zrpc_h2 *h, zrpc_time duration);

/* A call that has nothing of its own sent yet, on the next stream, or on that one. */
struct zrpc_h2_call *zrpc_h2_new_call(struct zrpc_h2 *h, uint32_t stream);
/* DATA in frames of at most `piece` bytes (0: as large as the target takes), as its windows allow; waits for
 * them for as long as "promptly". */
bool zrpc_h2_send_data(struct zrpc_h2 *h, struct zrpc_h2_call *call, struct zrpc_view data, size_t piece,
                       bool end);

#endif
