/*
 * The pool's parts, among themselves. Everything here is called with the pool locked, unless it says
 * otherwise.
 */
#ifndef SIM_ZFS_POOL_INTERNAL_H
#define SIM_ZFS_POOL_INTERNAL_H

#include <pthread.h>

#include "sim/zfs/pool.h"

struct sim_version {
    struct zrpc_zfs_version v;
    unsigned sends; /* under way; they keep the snapshot from being destroyed */
};

/* Content, in the order it was written. A snapshot has all the layers up to its createtxg. */
struct sim_layer {
    struct zrpc_sim_extent extent;
    uint64_t txg;
};

struct sim_filesystem {
    char path[ZRPC_ZFS_NAME_MAX];
    bool placeholder;
    struct sim_version *versions; /* by createtxg */
    size_t n_versions, cap_versions;
    struct sim_layer *layers;
    size_t n_layers, cap_layers;
    struct zrpc_sim_fault *fault; /* NULL: none */
};

/* A path that is being received to, whether it exists or not. */
struct sim_claim {
    struct sim_claim *next;
    char path[ZRPC_ZFS_NAME_MAX];
};

struct zrpc_sim_pool {
    pthread_mutex_t mutex;
    char name[ZRPC_ZFS_NAME_MAX];
    uint64_t seed;
    uint64_t txg;                       /* of the last change */
    uint64_t n_derived;                 /* creation times given out */
    struct sim_filesystem *filesystems; /* by path, parents before children; they move when one is inserted */
    size_t n_filesystems, cap_filesystems;
    struct sim_claim *claims;
};

/* NULL if there is none. */
struct sim_filesystem *zrpc_sim_find(const struct zrpc_sim_pool *p, const char *fs);
/* The same, with zfs's message. */
struct sim_filesystem *zrpc_sim_require(const struct zrpc_sim_pool *p, const char *fs,
                                        struct zrpc_error *err);
struct sim_version *zrpc_sim_find_version(const struct sim_filesystem *fs, enum zrpc_zfs_version_type type,
                                          const char *name);
/* The newest snapshot, or NULL. */
struct sim_version *zrpc_sim_last_snapshot(const struct sim_filesystem *fs);
bool zrpc_sim_is_claimed(const struct zrpc_sim_pool *p, const char *fs);
/* Whether `fs` has a parent in the pool, or is the pool. */
bool zrpc_sim_has_parent(const struct zrpc_sim_pool *p, const char *fs);

int zrpc_sim_insert_filesystem(struct zrpc_sim_pool *p, const char *path, bool placeholder,
                               struct sim_filesystem **out, struct zrpc_error *err);
void zrpc_sim_remove_filesystem(struct zrpc_sim_pool *p, struct sim_filesystem *fs);
/* Makes room for a version and n layers more. */
int zrpc_sim_reserve(struct sim_filesystem *fs, size_t n_layers, struct zrpc_error *err);
/* Into reserved room. */
void zrpc_sim_insert_version(struct sim_filesystem *fs, const struct zrpc_zfs_version *v);
void zrpc_sim_append_layer(struct sim_filesystem *fs, struct zrpc_sim_extent extent, uint64_t txg);
void zrpc_sim_remove_version(struct sim_filesystem *fs, struct sim_version *v);
/* Drops what was written after txg. */
void zrpc_sim_drop_layers_after(struct sim_filesystem *fs, uint64_t txg);
/* Appends the layers written after `after` and up to `upto`. */
int zrpc_sim_collect(const struct sim_filesystem *fs, uint64_t after, uint64_t upto,
                     struct zrpc_sim_extents *out, struct zrpc_error *err);

/* Not locked: the fault that holds for the path, or none at all. */
struct zrpc_sim_fault zrpc_sim_fault_of(struct zrpc_sim_pool *p, const char *fs);
/* Not locked: waits, and refuses if the text is not empty. */
int zrpc_sim_suffer(zrpc_time delay, const char *text, atomic_bool *cancelled, struct zrpc_error *err);

/* Slots of struct zrpc_zfs_ops: pool_send.c, pool_receive.c. */
int zrpc_sim_estimate(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, int64_t *bytes,
                      struct zrpc_error *err);
int zrpc_sim_send(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send,
                  struct zrpc_source *out, struct zrpc_error *err);
int zrpc_sim_receive(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_receive *receive,
                     struct zrpc_sink *out, struct zrpc_error *err);

#endif
