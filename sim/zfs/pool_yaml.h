/*
 * A pool's YAML file (its form is in README.md beside this), and the pool that is built in: they make pools
 * in memory. Whoever opens one by name may open an SQLite file as well.
 */
#ifndef SIM_ZFS_POOL_YAML_H
#define SIM_ZFS_POOL_YAML_H

#include "sim/zfs/faults.h"
#include "sim/zfs/zpool.h"
#include "zrpc/endpoint.h"
#include "zrpc/yaml.h"

struct zrpc_sim_file {
    struct zrpc_yaml yaml; /* holds the strings below */
    struct zrpc_zpool *pool;
    struct zrpc_zfs_faulty faulty; /* the pool, as its faults make it */
    const char *root;              /* NULL: none given */
    struct zrpc_endpoint_rule *rules;
    size_t n_rules;
    bool out_of_memory; /* while reading; then the mistakes may not be all */
};

/* The text of the pool that "demo" names. */
extern const char zrpc_sim_demo_pool[];

/* "demo", or a file: YAML, or a pool in SQLite. ZRPC_ERR_USAGE with all its mistakes, a line "FILE:LINE: KEY:
 * ..." each; then, as on any failure, nothing needs to be disposed. */
int zrpc_sim_file_load(const char *name, struct zrpc_sim_file *out, struct zrpc_error *err);
/* The same for a text; `name` is for messages and must outlive *out. */
int zrpc_sim_file_parse(const char *name, struct zrpc_view text, struct zrpc_sim_file *out,
                        struct zrpc_error *err);
/* The pool with its faults. Valid until dispose; *f must stay where it is. */
struct zrpc_zfs zrpc_sim_file_zfs(struct zrpc_sim_file *f);
/* The pool included. */
void zrpc_sim_file_dispose(struct zrpc_sim_file *f);

#endif
