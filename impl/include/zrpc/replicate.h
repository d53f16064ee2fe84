/*
 * Replication: every filesystem of a sender, step by step, to a receiver.
 *
 * For each filesystem both sides' versions are compared (zrpc/replicate_plan.h), and each step's stream goes
 * from the sender to the receiver; then the sender's cursor moves. A receive that was cut and kept goes on
 * from its resume token, where the sender can; otherwise it begins anew.
 *
 * A failure is followed by a new look at both sides, because what a broken connection has left there is not
 * known, and another attempt, up to a number of attempts in a row without any progress. So it is for a run
 * that was interrupted: the next one goes on. Nothing is ever destroyed on either side, but for a partial
 * receive that the sender cannot go on from.
 */
#ifndef ZRPC_REPLICATE_H
#define ZRPC_REPLICATE_H

#include "zrpc/backoff.h"
#include "zrpc/replicate_peer.h"
#include "zrpc/replicate_plan.h"

#define ZRPC_REPLICATE_ATTEMPTS_DEFAULT 6

enum zrpc_replicate_event_type {
    ZRPC_REPLICATE_PLANNED,  /* plan and sizes are there; each time that the filesystem is looked at */
    ZRPC_REPLICATE_STEP,     /* a stream begins: step, from, to, resuming */
    ZRPC_REPLICATE_PROGRESS, /* a few times a second: step_bytes, bytes */
    ZRPC_REPLICATE_STEPPED,  /* the receiver has the snapshot */
    ZRPC_REPLICATE_RETRY,    /* error; the next attempt is after `wait` */
    ZRPC_REPLICATE_DONE,     /* the filesystem is what the plan wanted; dry run: planned */
    ZRPC_REPLICATE_CONFLICT, /* plan->why */
    ZRPC_REPLICATE_FAILED,   /* error: given up */
};

/* Everything is borrowed for the callback. */
struct zrpc_replicate_event {
    enum zrpc_replicate_event_type type;
    const char *filesystem; /* NULL: the listing of all */
    size_t index, count;    /* of the filesystem, from 0 */
    const struct zrpc_plan *plan;
    const int64_t *sizes; /* of each step, 0: unknown */
    size_t step;          /* of the plan, from 0 */
    bool resuming;        /* with the receiver's token */
    uint64_t step_bytes;  /* of this stream so far */
    int64_t step_size;    /* 0: unknown */
    uint64_t bytes;       /* of the filesystem, in this run, all streams */
    int64_t bytes_left;   /* as far as known; -1: unknown */
    const struct zrpc_error *error;
    zrpc_time wait;
};

struct zrpc_replicate_options {
    const char *glob;  /* fnmatch(3) on the sender's paths, where * matches '/' too; NULL: all */
    bool dry_run;      /* only plan, with sizes */
    unsigned attempts; /* in a row, without progress; 0: the default */
    struct zrpc_backoff_config backoff;
    uint64_t seed; /* of the backoff's jitter */
    const struct zrpc_cancel *cancel;
    void (*on_event)(void *ctx, const struct zrpc_replicate_event *event); /* in the calling thread */
    void *event_ctx;
};

struct zrpc_replicate_result {
    size_t filesystems; /* that match */
    size_t done, conflicts, failed;
    size_t steps;   /* streams that the receiver has */
    uint64_t bytes; /* of streams, broken ones too */
};

/* 0 when every filesystem has been seen to, whatever came of it. ZRPC_ERR_CANCELLED; ZRPC_ERR_NOMEM; or what
 * kept it from listing the filesystems of either side. *result counts what was done, also then. */
int zrpc_replicate(struct zrpc_replicate_peer from, struct zrpc_replicate_peer to,
                   const struct zrpc_replicate_options *options, struct zrpc_replicate_result *result,
                   struct zrpc_error *err);

#endif
