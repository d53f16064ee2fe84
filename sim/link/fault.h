/*
 * Faults of a link, and where in a connection they strike.
 *
 * A connection has two directions, each a stream of bytes with an end. A fault strikes one direction (or each
 * of them) when its position is reached: what the sender wrote before the position has passed the link, and
 * nothing after it.
 */
#ifndef SIM_LINK_FAULT_H
#define SIM_LINK_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zrpc/clock.h"

enum zrpc_link_direction { ZRPC_LINK_TO_SERVER, ZRPC_LINK_TO_CLIENT, ZRPC_LINK_BOTH };

static inline enum zrpc_link_direction zrpc_link_opposite(enum zrpc_link_direction d)
{
    return d == ZRPC_LINK_TO_SERVER ? ZRPC_LINK_TO_CLIENT : ZRPC_LINK_TO_SERVER;
}

/* X(name, text). What each does: zrpc_link_fault below. */
#define ZRPC_LINK_ACTION_MAP(X) \
    X(LATENCY, "latency")       \
    X(BANDWIDTH, "bandwidth")   \
    X(SLICE, "slice")           \
    X(STALL, "stall")           \
    X(BLACKHOLE, "blackhole")   \
    X(RESUME, "resume")         \
    X(EOF, "eof")               \
    X(RESET, "reset")           \
    X(DROP, "drop")             \
    X(SLOW_CLOSE, "slow-close") \
    X(CORRUPT, "corrupt")       \
    X(REFUSE, "refuse")         \
    X(DELAY_ACCEPT, "delay-accept")

enum zrpc_link_action {
#define ZRPC_LINK_ACTION_ENUM(name, text) ZRPC_LINK_##name,
    ZRPC_LINK_ACTION_MAP(ZRPC_LINK_ACTION_ENUM)
#undef ZRPC_LINK_ACTION_ENUM
        ZRPC_LINK_ACTION_COUNT
};

/* What the observers recognise. FRAME counts frames of every kind; the others frames of theirs. */
enum zrpc_link_thing {
    ZRPC_LINK_BANNER,
    ZRPC_LINK_LABEL,
    ZRPC_LINK_FRAME,
    ZRPC_LINK_HEARTBEAT,
    ZRPC_LINK_RST_FRAME,
    ZRPC_LINK_END_FRAME,
    ZRPC_LINK_TRAILER_FRAME,
    ZRPC_LINK_DATA_FRAME,
    ZRPC_LINK_THING_COUNT
};

enum zrpc_link_edge {
    ZRPC_LINK_AT_ONCE,      /* wherever the stream is: with not_before, a point in time */
    ZRPC_LINK_AT_BYTE,      /* `byte` bytes of the stream have passed */
    ZRPC_LINK_BEFORE,       /* a thing */
    ZRPC_LINK_AFTER_HEADER, /* of a frame: 8 bytes */
    ZRPC_LINK_AFTER,        /* a whole thing */
    ZRPC_LINK_AT_END,       /* everything has passed, and the sender has ended, but its end has not passed */
    ZRPC_LINK_CLOSED,       /* its end of file has passed: a reset may still come */
    ZRPC_LINK_INSIDE,       /* `byte` bytes of the thing, its header included, have passed */
};

#define ZRPC_LINK_EVERY 0          /* ordinals: each of them */
#define ZRPC_LINK_NEXT  UINT32_MAX /* the first that has not been seen yet */

#define ZRPC_LINK_THE_END UINT64_MAX

struct zrpc_link_position {
    enum zrpc_link_edge edge;
    enum zrpc_link_thing thing;
    uint32_t ordinal; /* of the thing, from 1 */
    uint64_t byte;
    zrpc_time not_before;           /* since the connection began; the stream waits at `byte` for it */
    enum zrpc_link_direction watch; /* whose stream; BOTH: that of the fault's own direction */
    /* For records, where the order of the two directions matters: */
    bool meanwhile;      /* the other direction is to have come to other_byte, and waits there */
    uint64_t other_byte; /* ZRPC_LINK_THE_END: to have ended */
    bool answer;         /* the other direction was reset before */
};

#define ZRPC_LINK_SIZES_MAX 32

struct zrpc_link_fault {
    enum zrpc_link_action action;
    enum zrpc_link_direction direction;
    uint32_t connection; /* the link's n-th, from 1; 0: each */
    struct zrpc_link_position at;
    zrpc_time lasts;  /* latency, bandwidth, slice, stall, blackhole: then as before; 0: for good. refuse: for
                         how long; delay-accept: by how much */
    zrpc_time delay;  /* latency: per piece read; slow-close: how long the end comes after its time */
    zrpc_time jitter; /* latency: up to this much on top */
    uint64_t rate;    /* bandwidth: bytes per second, 0 is unlimited */
    uint32_t sizes[ZRPC_LINK_SIZES_MAX]; /* slice: bytes of each write, over and over; none: as they come */
    size_t n_sizes;
    zrpc_time gap;   /* slice: pause between the writes */
    uint64_t length; /* corrupt: how many bytes from the position on; 0 counts as 1 */
    bool quiet;      /* reset: the sender does not learn of it, whatever it sends */
    uint8_t mask;    /* corrupt: bits to flip in each; 0: chosen by the seed, byte by byte */
};

/*
 * What the actions do to the stream:
 * latency, bandwidth, slice   change when, and in which writes, bytes pass.
 * stall        nothing passes, and the sender is held up; resume ends it, nothing is lost.
 * blackhole    the sender may send, and everything is lost, its end as well: the receiver sees silence.
 *              resume ends it: what was lost stays lost.
 * eof          the receiver sees the end of the stream; what the sender sends afterwards is lost.
 * reset        the receiver sees a connection reset, and what it sends is over. The sender learns of it, by a
 *              reset of its own, when it next sends.
 * drop         reset towards both ends at once.
 * slow-close   the end of the stream, whichever it is, passes `delay` later than it would.
 * corrupt      flips bits.
 * refuse       one connection: accepted and reset at once. All: connecting fails while it lasts.
 * delay-accept the connection is made, but nothing read or dialled before the time is over.
 */

const char *zrpc_link_action_name(enum zrpc_link_action action);
int zrpc_link_action_parse(const char *text, enum zrpc_link_action *out, struct zrpc_error *err);
const char *zrpc_link_direction_name(enum zrpc_link_direction direction);
int zrpc_link_direction_parse(const char *text, enum zrpc_link_direction *out, struct zrpc_error *err);

/* The edge, thing, ordinal and byte of a position from words, "the" being no word:
 *     start | byte N | end | closed | before THING | after THING | after the header of THING | inside THING
 * byte N THING: KIND | KIND N | Nth KIND | every KIND | next KIND KIND:  banner, label, frame, heartbeat,
 * rst, end, trailer, data "inside" counts from 0, header included: "inside banner byte 11" is where the
 * banner's 12th byte would come. A bare KIND is the first. ZRPC_ERR_USAGE names the word. */
int zrpc_link_position_parse(const char *text, struct zrpc_link_position *out, struct zrpc_error *err);
#define ZRPC_LINK_POSITION_TEXT_MAX 80
/* Text that parses to the same; returns out. */
const char *zrpc_link_position_format(const struct zrpc_link_position *at,
                                      char out[static ZRPC_LINK_POSITION_TEXT_MAX]);

/* 0, or ZRPC_ERR_USAGE for a fault that says too little, or has something that its action does not use. */
int zrpc_link_fault_check(const struct zrpc_link_fault *fault, struct zrpc_error *err);
#define ZRPC_LINK_FAULT_TEXT_MAX 768
/* As a YAML flow mapping, "{action: stall, direction: to-client, at: before heartbeat 2, for: 3s}"; returns
 * out. */
const char *zrpc_link_fault_format(const struct zrpc_link_fault *fault,
                                   char out[static ZRPC_LINK_FAULT_TEXT_MAX]);

/* Chance: the same numbers for the same question, however the bytes arrive. */
uint64_t zrpc_link_hash(uint64_t seed, uint64_t a, uint64_t b);

#endif
