/*
 * What it takes to bring a receiver's filesystem up to the sender's: by the versions of both sides alone.
 * Sans-I/O.
 *
 * Versions are the same where their guids are; names do not count. The receiver's newest snapshot decides. If
 * the sender has it, as a snapshot or at least as a bookmark (the replication cursor is one), that is what
 * they have in common, and every newer snapshot of the sender follows, in createtxg order, each from the one
 * before. A receiver without snapshots gets the oldest in full, and then likewise the others. A receiver
 * whose newest snapshot the sender does not have cannot go on without losing something: that is a conflict,
 * and nothing is planned.
 */
#ifndef ZRPC_REPLICATE_PLAN_H
#define ZRPC_REPLICATE_PLAN_H

#include "zrpc/zfs.h"

enum zrpc_plan_kind {
    ZRPC_PLAN_STEPS,      /* there are steps to take */
    ZRPC_PLAN_UP_TO_DATE, /* the receiver has all that is newer than what they have in common */
    ZRPC_PLAN_EMPTY,      /* neither side has a snapshot */
    ZRPC_PLAN_DIVERGED,   /* conflict: the receiver went on by itself from what they have in common */
    ZRPC_PLAN_UNRELATED,  /* conflict: the receiver has snapshots, and they have nothing in common */
    ZRPC_PLAN_NAME_TAKEN, /* conflict: the receiver has another snapshot of a name that is to come */
};

#define ZRPC_PLAN_WHY_MAX 768

struct zrpc_plan {
    enum zrpc_plan_kind kind;
    char why[ZRPC_PLAN_WHY_MAX]; /* of a conflict: what is in the way */
    bool full;                   /* the first step is a full stream */
    bool move_cursor;            /* the sender's cursor is behind what they have in common, path.items[0] */
    uint64_t cursor;             /* where it is, createtxg; 0: there is none */
    /* What they have in common, if anything, then the snapshots to come, as the sender has them. Of a
     * conflict: what they have in common. */
    struct zrpc_zfs_versions path;
};

struct zrpc_plan_step {
    const struct zrpc_zfs_version *from; /* NULL: a full stream */
    const struct zrpc_zfs_version *to;
};

/* For a receiver without the filesystem, or with a placeholder, give an empty list. ZRPC_ERR_NOMEM, and then
 * there is nothing to dispose. */
int zrpc_plan_make(const struct zrpc_zfs_versions *sender, const struct zrpc_zfs_versions *receiver,
                   struct zrpc_plan *out, struct zrpc_error *err);
void zrpc_plan_dispose(struct zrpc_plan *p);

bool zrpc_plan_is_conflict(const struct zrpc_plan *p);
size_t zrpc_plan_steps(const struct zrpc_plan *p);
/* i below zrpc_plan_steps(). */
struct zrpc_plan_step zrpc_plan_step(const struct zrpc_plan *p, size_t i);

#endif
