/*
 * Waiting between attempts to connect, as gRPC's connection-backoff document says (ZR-CHAN-003). Sans-I/O.
 */
#ifndef ZRPC_BACKOFF_H
#define ZRPC_BACKOFF_H

#include "zrpc/clock.h"

#define ZRPC_BACKOFF_BASE_DEFAULT   (1 * ZRPC_SECOND)
#define ZRPC_BACKOFF_MAX_DEFAULT    (120 * ZRPC_SECOND)
#define ZRPC_BACKOFF_FACTOR_DEFAULT 1.6
#define ZRPC_BACKOFF_JITTER_DEFAULT 0.2

struct zrpc_backoff_config { /* 0: the default, each */
    zrpc_time base, max;
    double factor;
    double jitter; /* 0.2: by up to a fifth, up or down; negative: none */
};

struct zrpc_backoff {
    struct zrpc_backoff_config config;
    zrpc_time current; /* of the next wait, without jitter */
    uint64_t random;   /* state of the generator */
};

/* NULL config: all defaults. The same seed gives the same waits. */
void zrpc_backoff_init(struct zrpc_backoff *b, const struct zrpc_backoff_config *config, uint64_t seed);
/* The wait that belongs to the attempt which begins now, counted from its start; the next one is longer. */
zrpc_time zrpc_backoff_next(struct zrpc_backoff *b);
void zrpc_backoff_reset(struct zrpc_backoff *b);

#endif
