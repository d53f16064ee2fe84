/*
 * A passive observer of one direction: says where in the stream banner, label and frames begin and end. It
 * changes nothing and objects to nothing: a stream that is not what it expects, it ceases to observe.
 */
#ifndef SIM_LINK_OBSERVER_H
#define SIM_LINK_OBSERVER_H

#include "sim/link/fault.h"
#include "zrpc/frameconn.h"
#include "zrpc/transportmux.h"
#include "zrpc/versionhandshake.h"

enum zrpc_link_protocol {
    ZRPC_LINK_ZREPL,  /* banner, label, and frames on data connections */
    ZRPC_LINK_FRAMES, /* frames from the first byte on */
    ZRPC_LINK_OPAQUE, /* bytes */
};

struct zrpc_link_sighting {
    enum zrpc_link_thing thing;
    uint32_t ordinal;    /* among its kind, from 1 */
    uint32_t frame;      /* frames: among all of them, from 1 */
    uint64_t start;      /* offset in the stream */
    uint64_t header_end; /* frames: offset after the 8 bytes; others: start */
    uint64_t end;
};

struct zrpc_link_observer {
    enum zrpc_link_direction direction;
    const struct zrpc_link_observer *other; /* the other direction's: knows the label */
    enum { ZRPC_LINK_SEES_BANNER, ZRPC_LINK_SEES_LABEL, ZRPC_LINK_SEES_FRAMES, ZRPC_LINK_SEES_NOTHING } state;
    uint64_t offset; /* bytes seen */
    uint64_t thing_start;
    bool announced; /* the thing under way has been sighted */
    struct zrpc_banner_reader banner;
    uint8_t label[ZRPC_LABEL_LEN];
    size_t label_have;
    bool is_data; /* the label says so */
    struct zrpc_frame_reader frames;
    uint32_t counts[ZRPC_LINK_THING_COUNT];
};

void zrpc_link_observer_init(struct zrpc_link_observer *o, enum zrpc_link_protocol protocol,
                             enum zrpc_link_direction direction, const struct zrpc_link_observer *other);
void zrpc_link_observer_dispose(struct zrpc_link_observer *o);
/* Takes bytes from *in up to the next sighting: true, with *out filled. A thing is sighted as soon as its
 * kind and length are known. False: *in is used up. */
bool zrpc_link_observer_next(struct zrpc_link_observer *o, struct zrpc_view *in,
                             struct zrpc_link_sighting *out);
/* The offset of a thing that has begun but is not sighted yet; UINT64_MAX if there is none. */
uint64_t zrpc_link_observer_undecided(const struct zrpc_link_observer *o);

#endif
