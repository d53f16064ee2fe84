/*
 * The simulated zfs behind an endpoint, for tools and tests: a pool's name in, a handler out.
 */
#ifndef SIM_ZFS_SIM_H
#define SIM_ZFS_SIM_H

#include "sim/zfs/pool_yaml.h"

struct zrpc_sim_options {
    const char *pool; /* "demo", or a pool's file, YAML or SQLite; NULL: "demo" */
    enum zrpc_endpoint_role role;
    /* What the pool's `serve` says holds where these are not given; where that says nothing either, the
     * filter admits everything, and a receiver fails to open. */
    const char *root;
    const struct zrpc_endpoint_rule *rules;
    size_t n_rules;
    unsigned max_sends, max_receives; /* 0: the environment's, else the default */
};

struct zrpc_sim {
    struct zrpc_sim_file file;
    struct zrpc_endpoint endpoint;
};

/* The options' strings are borrowed until close. On failure there is nothing to close. */
int zrpc_sim_open(struct zrpc_sim *s, const struct zrpc_sim_options *options, struct zrpc_error *err);
/* No call may be in the handler, and all its sources and sinks must be closed. */
void zrpc_sim_close(struct zrpc_sim *s);
/* Valid until close. */
struct zrpc_handler zrpc_sim_handler(struct zrpc_sim *s);
struct zrpc_zpool *zrpc_sim_pool(struct zrpc_sim *s);

#endif
