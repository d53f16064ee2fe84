/*
 * One direction of a connection: a queue that bytes enter with the time, and leave when, and in which
 * portions, latency, bandwidth and slicing let them. Sans-I/O.
 *
 * The end of the stream is queued too: end of file and reset each stay what they are, and silence is the
 * absence of both.
 */
#ifndef SIM_LINK_PIPE_H
#define SIM_LINK_PIPE_H

#include "sim/link/fault.h"
#include "zrpc/bytes.h"

enum zrpc_link_end {
    ZRPC_LINK_NO_END,
    ZRPC_LINK_END_OF_FILE,
    ZRPC_LINK_END_RESET,
    ZRPC_LINK_END_LOST, /* in results only: the sender ended, and a black hole took it */
};

/* What came in one reading. */
struct zrpc_link_arrival {
    uint64_t start; /* offset in the stream */
    zrpc_time at;
};

struct zrpc_link_pipe {
    uint64_t seed; /* of this direction of this connection */
    size_t capacity;
    struct zrpc_buf queue;
    struct zrpc_link_arrival *arrivals; /* of what is queued, oldest first */
    size_t n_arrivals, cap_arrivals;
    uint64_t taken, passed;        /* bytes since the beginning: entered, and left (or lost) */
    uint64_t digest;               /* of the bytes that left */
    uint64_t delivered;            /* of those that left, the ones that were not lost */
    enum zrpc_link_end source_end; /* entered */
    zrpc_time source_ended;
    enum zrpc_link_end end; /* left; nothing leaves after it */
    bool end_lost;
    bool source_gone; /* the sender was reset: nothing enters any more */
    bool broken;      /* the receiver takes no more */
    /* as the faults have set them */
    struct zrpc_link_fault latency, bandwidth, slice;
    zrpc_time slow_close;
    bool stalled, swallowing;
    uint64_t corrupt_end, corrupted; /* offsets: flip up to the first, done up to the second */
    uint8_t corrupt_mask;
    enum zrpc_link_end forced; /* the end that a fault has set; comes before everything that is queued */
    uint64_t slice_end;        /* offset where the write under way ends */
    size_t slice_next;         /* index of the size after it */
    zrpc_time free_at;         /* bandwidth and gaps let nothing through before */
};

enum zrpc_link_step {
    ZRPC_LINK_WAIT,  /* until *wakeup (ZRPC_NEVER: until something enters) */
    ZRPC_LINK_PASS,  /* *out may be written now; say with _passed() how much was */
    ZRPC_LINK_CLOSE, /* the end: give the receiver *end now; say with _ended() that it was done */
};

/* capacity: bytes queued at most, at least 1. */
void zrpc_link_pipe_init(struct zrpc_link_pipe *p, uint64_t seed, size_t capacity);
void zrpc_link_pipe_dispose(struct zrpc_link_pipe *p);

/* How many bytes may enter now. What enters after the end has left is lost, so there is room. */
size_t zrpc_link_pipe_room(const struct zrpc_link_pipe *p);
int zrpc_link_pipe_feed(struct zrpc_link_pipe *p, zrpc_time now, struct zrpc_view in, struct zrpc_error *err);
void zrpc_link_pipe_feed_end(struct zrpc_link_pipe *p, zrpc_time now, enum zrpc_link_end end);

/* The sender was reset when it had sent `taken` bytes: what came after them, and its end, never was. */
void zrpc_link_pipe_source_gone(struct zrpc_link_pipe *p, uint64_t taken);
/* No byte at or after this offset will ever come. */
static inline bool zrpc_link_pipe_ends_before(const struct zrpc_link_pipe *p, uint64_t offset)
{
    return (p->source_end != ZRPC_LINK_NO_END || p->source_gone) && p->taken < offset;
}

/* What to do now. Nothing at or after the offset `limit` passes, and no end that comes there. *out is
 * borrowed until the next call. What is lost (blackhole) is dropped on the way. */
enum zrpc_link_step zrpc_link_pipe_next(struct zrpc_link_pipe *p, zrpc_time now, uint64_t limit,
                                        struct zrpc_view *out, enum zrpc_link_end *end, zrpc_time *wakeup);
void zrpc_link_pipe_passed(struct zrpc_link_pipe *p, zrpc_time now, size_t n);
void zrpc_link_pipe_ended(struct zrpc_link_pipe *p, enum zrpc_link_end end);

/* A fault strikes now: none of those for accepting; drop counts as reset. */
void zrpc_link_pipe_apply(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f);

/* Neither bytes nor an end will ever leave it again, and the receiver knows. */
static inline bool zrpc_link_pipe_finished(const struct zrpc_link_pipe *p)
{
    return p->broken || p->end != ZRPC_LINK_NO_END;
}

#endif
