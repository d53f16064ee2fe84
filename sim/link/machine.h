/*
 * A connection through the link, sans-I/O: two directions, and the faults that wait for their moment.
 *
 * The driver feeds what it reads, with the time, asks for each direction what to do, does it, and calls again
 * when something arrived or `wakeup` has come. What passes depends on the bytes, the faults and the seed
 * alone, never on how the bytes were cut on their way in; but for faults addressed by time, and these are
 * reported (for the record) with the bytes after which they struck.
 */
#ifndef SIM_LINK_MACHINE_H
#define SIM_LINK_MACHINE_H

#include "sim/link/observer.h"
#include "sim/link/pipe.h"

struct zrpc_link_trigger {
    struct zrpc_link_fault fault;   /* of one direction */
    enum zrpc_link_direction watch; /* whose bytes count */
    bool resolved;                  /* `byte`, not the fault's protocol position, says where */
    bool anywhere;                  /* no position at all */
    bool timed;                     /* time decided where: the record must say when */
    uint64_t byte;
    zrpc_time not_before;
};

/* `fault` struck: as one that strikes at the same byte, whatever the time. */
typedef void zrpc_link_struck(void *ctx, const struct zrpc_link_fault *fault);

struct zrpc_link_machine {
    uint64_t seed;
    uint32_t number; /* the link's n-th connection, from 1 */
    zrpc_time began;
    struct zrpc_link_pipe pipes[2];
    struct zrpc_link_observer observers[2];
    struct zrpc_link_trigger *triggers;
    size_t n_triggers, cap_triggers;
    zrpc_link_struck *struck; /* may be NULL */
    void *ctx;
    bool quiet[2];      /* the reset of direction d's receiver is not told its sender */
    uint64_t strikes;   /* so far; where a call for one direction raises it, look at the other again */
    bool out_of_memory; /* a fault could not be kept; feed() fails from then on */
};

void zrpc_link_machine_init(struct zrpc_link_machine *m, uint64_t seed, uint32_t number,
                            enum zrpc_link_protocol protocol, size_t capacity, zrpc_time now);
void zrpc_link_machine_dispose(struct zrpc_link_machine *m);

/* Adds a fault; one for another connection, or for accepting, is left out. Without position and time, and
 * before anything was fed, it strikes before the first byte; later, at once. */
int zrpc_link_machine_add(struct zrpc_link_machine *m, zrpc_time now, const struct zrpc_link_fault *fault,
                          struct zrpc_error *err);

static inline size_t zrpc_link_machine_room(const struct zrpc_link_machine *m, enum zrpc_link_direction d)
{
    return zrpc_link_pipe_room(&m->pipes[d]);
}
/* Bytes, at most as many as there is room for, from direction d's sender. */
int zrpc_link_machine_feed(struct zrpc_link_machine *m, enum zrpc_link_direction d, zrpc_time now,
                           struct zrpc_view in, struct zrpc_error *err);
void zrpc_link_machine_feed_end(struct zrpc_link_machine *m, enum zrpc_link_direction d, zrpc_time now,
                                enum zrpc_link_end end);
/* The receiver of d takes nothing any more. */
void zrpc_link_machine_broken(struct zrpc_link_machine *m, enum zrpc_link_direction d);

/* As zrpc_link_pipe_next; what can be done now and is not done becomes void when *wakeup comes: ask again. */
enum zrpc_link_step zrpc_link_machine_next(struct zrpc_link_machine *m, enum zrpc_link_direction d,
                                           zrpc_time now, struct zrpc_view *out, enum zrpc_link_end *end,
                                           zrpc_time *wakeup);
void zrpc_link_machine_passed(struct zrpc_link_machine *m, enum zrpc_link_direction d, zrpc_time now,
                              size_t n);
void zrpc_link_machine_ended(struct zrpc_link_machine *m, enum zrpc_link_direction d, enum zrpc_link_end end);

#endif
