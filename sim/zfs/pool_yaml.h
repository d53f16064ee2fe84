/*
 * A pool's file (its form is in README.md beside this), and the pool that is built in.
 */
#ifndef SIM_ZFS_POOL_YAML_H
#define SIM_ZFS_POOL_YAML_H

#include "sim/zfs/pool.h"
#include "zrpc/endpoint.h"
#include "zrpc/yaml.h"

struct zrpc_sim_file {
    struct zrpc_yaml yaml; /* holds the strings below */
    struct zrpc_sim_pool *pool;
    const char *root; /* NULL: none given */
    struct zrpc_endpoint_rule *rules;
    size_t n_rules;
    bool out_of_memory; /* while reading; then the mistakes may not be all */
};

/* The text of the pool that "demo" names. */
extern const char zrpc_sim_demo_pool[];

/* "demo", or a file. ZRPC_ERR_USAGE with all its mistakes, a line "FILE:LINE: KEY: ..." each; then, as on any
 * failure, nothing needs to be disposed. */
int zrpc_sim_file_load(const char *name, struct zrpc_sim_file *out, struct zrpc_error *err);
/* The same for a text; `name` is for messages and must outlive *out. */
int zrpc_sim_file_parse(const char *name, struct zrpc_view text, struct zrpc_sim_file *out,
                        struct zrpc_error *err);
/* The pool included. */
void zrpc_sim_file_dispose(struct zrpc_sim_file *f);

#endif
