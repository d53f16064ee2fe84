/*
 * Pools on this machine, as the tool's commands name them, with an endpoint over each:
 *
 *     zfs:            the zfs command on PATH        zfs:COMMAND     another program that behaves like it
 *     pool:FILE       a simulated pool               pool:demo       the built-in one
 */
#ifndef ZRPC_CMD_ZRPC_POOL_H
#define ZRPC_CMD_ZRPC_POOL_H

#include "cli/cli.h"
#include "sim/zfs/faults.h"
#include "sim/zfs/sim.h"
#include "zrpc/zfs_exec.h"

struct pool_options {
    const char *spec;
    enum zrpc_endpoint_role role;
    const char *root;                   /* NULL: what the pool's file says */
    const struct cli_list *filesystems; /* the sender's filter: patterns, "!" before those that are not
                                           admitted; empty or NULL: what the pool's file says, or all */
    bool for_one, not_resumable;        /* as in zrpc/endpoint.h */
    const char *faults;                 /* a plan's file; NULL: none but the pool's own */
};

struct pool {
    struct zrpc_endpoint_rule rules[CLI_LIST_MAX];
    bool simulated;
    struct zrpc_sim sim;
    struct zrpc_zfs_exec exec; /* both if it is not */
    struct zrpc_endpoint endpoint;
    struct zrpc_zfs_faulty faulty; /* its plan is owned */
};

/* Whether the text names a pool on this machine. */
bool pool_is_spec(const char *text);
/* Options are borrowed. On failure there is nothing to close. */
int pool_open(struct pool *p, const struct pool_options *options, struct zrpc_error *err);
/* Valid until close. */
struct zrpc_handler pool_handler(struct pool *p);
void pool_close(struct pool *p);

#endif
