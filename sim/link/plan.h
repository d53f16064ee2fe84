/*
 * The plan of a link: where it listens and connects, its faults, its seed. From a YAML file, or the one that
 * an earlier run recorded (sim/link/README.md has the keys).
 */
#ifndef SIM_LINK_PLAN_H
#define SIM_LINK_PLAN_H

#include "sim/link/observer.h"
#include "sim/link/pipe.h"

#define ZRPC_LINK_PATH_MAX       512
#define ZRPC_LINK_BUFFER_DEFAULT (1u << 20)
#define ZRPC_LINK_RANDOM_TIME    (2 * ZRPC_SECOND)
#define ZRPC_LINK_RANDOM_BYTES   (256u << 10)

/* How a direction of a connection ended, in a record: a replay is compared with it. */
struct zrpc_link_result {
    uint32_t connection;
    enum zrpc_link_direction direction;
    uint64_t bytes, digest; /* of what the receiver was given; FNV-1a, 64 bits */
    enum zrpc_link_end end;
};

/* Faults made up from the seed, for each connection anew. */
struct zrpc_link_random {
    uint64_t faults;      /* at most this many a connection; 0: none */
    uint64_t connections; /* only the first ones; 0: all */
    uint64_t bytes;       /* byte positions are below this */
    zrpc_time time;       /* and points in time, and durations */
    uint32_t actions;     /* bit by action; 0: all but corrupt, and those for accepting */
};

struct zrpc_link_plan {
    char listen[ZRPC_LINK_PATH_MAX], connect[ZRPC_LINK_PATH_MAX]; /* endpoints, see endpoint.h */
    char control[ZRPC_LINK_PATH_MAX], record[ZRPC_LINK_PATH_MAX]; /* paths; empty: none */
    enum zrpc_link_protocol protocol;
    uint64_t buffer; /* bytes that each direction holds at most */
    uint64_t seed;
    bool has_seed;
    struct zrpc_link_random random;
    struct zrpc_link_fault *faults;
    size_t n_faults;
    struct zrpc_link_result *results;
    size_t n_results;
    bool out_of_memory; /* while it was read */
};

/* An empty plan: relays faithfully. */
void zrpc_link_plan_init(struct zrpc_link_plan *p);
void zrpc_link_plan_dispose(struct zrpc_link_plan *p);

/* Adds what the file says. ZRPC_ERR_USAGE names every mistake with FILE:LINE. `name` is for messages. */
int zrpc_link_plan_load(struct zrpc_link_plan *p, const char *file, struct zrpc_error *err);
int zrpc_link_plan_parse(struct zrpc_link_plan *p, const char *name, struct zrpc_view text,
                         struct zrpc_error *err);
/* ZRPC_ERR_USAGE for a fault at a position that no stream of the plan's protocol has. */
int zrpc_link_plan_reaches(const struct zrpc_link_plan *p, const struct zrpc_link_fault *fault,
                           struct zrpc_error *err);
int zrpc_link_plan_add(struct zrpc_link_plan *p, const struct zrpc_link_fault *fault, struct zrpc_error *err);
/* One fault, as a YAML mapping: "{action: stall, for: 3s}". */
int zrpc_link_fault_parse(const char *text, struct zrpc_link_fault *out, struct zrpc_error *err);
/* The i-th made-up fault of a connection; false if it has no more. */
bool zrpc_link_plan_random(const struct zrpc_link_plan *p, uint32_t connection, unsigned i,
                           struct zrpc_link_fault *out);
/* The recorded result, or NULL. */
const struct zrpc_link_result *zrpc_link_plan_result(const struct zrpc_link_plan *p, uint32_t connection,
                                                     enum zrpc_link_direction d);
const char *zrpc_link_end_name(enum zrpc_link_end end);
const char *zrpc_link_protocol_name(enum zrpc_link_protocol protocol);
int zrpc_link_protocol_parse(const char *text, enum zrpc_link_protocol *out, struct zrpc_error *err);

#endif
