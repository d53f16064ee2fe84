/*
 * The replication's parts, among themselves.
 */
#ifndef ZRPC_REPLICATE_INTERNAL_H
#define ZRPC_REPLICATE_INTERNAL_H

#include <pthread.h>

#include "zrpc/replicate.h"

/*
 * copy.c: all of a stream, from its source to its sink, in this thread. Finishes both if all goes well, and
 * closes neither. ZRPC_ERR_SOURCE or ZRPC_ERR_SINK, as either failed, ZRPC_ERR_CANCELLED.
 */
int zrpc_stream_copy(struct zrpc_source *source, struct zrpc_sink *sink,
                     const struct zrpc_replicate_call *call, struct zrpc_error *err);

/*
 * conduit.c: a pipe between two threads that knows how its stream ended. What the sink's side did not finish
 * is a failure on the source's side, in its words; never an end.
 */
struct zrpc_conduit {
    pthread_mutex_t mutex;
    int write_fd, read_fd;
    bool complete; /* the sink was finished */
    bool drained;  /* ... and the source read all of it */
    bool refused;  /* the source said that the stream is broken */
    struct zrpc_error why;
};

int zrpc_conduit_init(struct zrpc_conduit *c, struct zrpc_error *err);
/* Both ends must be closed. */
void zrpc_conduit_dispose(struct zrpc_conduit *c);
struct zrpc_sink zrpc_conduit_sink(struct zrpc_conduit *c);
struct zrpc_source zrpc_conduit_source(struct zrpc_conduit *c);
/* Nothing more will come: the end, if the sink was finished, else the failure that *why tells of. */
void zrpc_conduit_hang_up(struct zrpc_conduit *c, const struct zrpc_error *why);
void zrpc_conduit_close_source(struct zrpc_conduit *c);

/*
 * step.c: one stream, from one peer to the other.
 */
struct zrpc_step {
    struct zrpc_replicate_peer from, to;
    const struct zrpc_cancel *cancel;
    const char *filesystem, *send_from, *send_to, *token; /* as in SendReq; "": none */
    void (*tick)(void *ctx, uint64_t bytes);              /* now and then, in the calling thread */
    void *tick_ctx;
    /* Results. */
    bool began; /* the sender has agreed */
    bool used_token;
    int64_t expected; /* 0: unknown */
    uint64_t bytes;
};

/* 0 when the receiver says that it has the snapshot. Otherwise the error is that of the side where the
 * failure began. */
int zrpc_step_run(struct zrpc_step *s, struct zrpc_error *err);

#endif
