/*
 * A simulated pool, in memory: filesystems, snapshots and bookmarks with zfs's rules and zfs's words where it
 * refuses. Thread-safe. Its zfs backend never blocks, but for the delays its faults ask for.
 *
 * A filesystem's content only grows: each snapshot adds a run of bytes (what zfs calls `written`), a full
 * send carries all of them up to the snapshot, an incremental one those in between. So content costs no
 * memory, and what was received can be sent on and compared.
 */
#ifndef SIM_ZFS_POOL_H
#define SIM_ZFS_POOL_H

#include "sim/zfs/stream.h"
#include "zrpc/clock.h"
#include "zrpc/zfs.h"

#define ZRPC_SIM_TEXT_MAX 256

/* What goes wrong with a filesystem, and with every path that ends in it: the fault of "demo/x" holds for
 * "demo/backup/client/demo/x" too, where a receiver puts it. Texts that are empty: that does not happen. */
struct zrpc_sim_fault {
    char open_error[ZRPC_SIM_TEXT_MAX]; /* a send or receive is refused */
    zrpc_time open_delay;               /* a send or receive takes this long to begin, or be refused */
    char list_error[ZRPC_SIM_TEXT_MAX]; /* listing the versions fails */
    zrpc_time list_delay;               /* listing the versions takes this long */
    char send_error[ZRPC_SIM_TEXT_MAX]; /* the source fails, after this many bytes of the stream */
    uint64_t send_error_at;
    char recv_error[ZRPC_SIM_TEXT_MAX]; /* the sink fails, after this many bytes of the stream */
    uint64_t recv_error_at;
};

struct zrpc_sim_pool;

/* `seed` decides all GUIDs that are not given. */
int zrpc_sim_pool_create(const char *name, uint64_t seed, struct zrpc_sim_pool **out, struct zrpc_error *err);
/* Every source and sink must be closed. NULL is allowed. */
void zrpc_sim_pool_destroy(struct zrpc_sim_pool *p);
/* Valid until the pool is destroyed. */
struct zrpc_zfs zrpc_sim_pool_zfs(struct zrpc_sim_pool *p);
const char *zrpc_sim_pool_name(const struct zrpc_sim_pool *p);

/*
 * Building. Refusals are ZRPC_ERR_ZFS or ZRPC_ERR_USAGE.
 */
/* The parent must exist. */
int zrpc_sim_pool_add_filesystem(struct zrpc_sim_pool *p, const char *fs, bool placeholder,
                                 struct zrpc_error *err);
/* A snapshot with `written` bytes more than the one before it. guid, createtxg and creation that are 0 are
 * derived and stored in *v. createtxg must be above that of all the filesystem's snapshots. */
int zrpc_sim_pool_add_snapshot(struct zrpc_sim_pool *p, const char *fs, struct zrpc_zfs_version *v,
                               uint64_t written, struct zrpc_error *err);
/* A bookmark as given; of a snapshot that is still there, or is gone. */
int zrpc_sim_pool_add_bookmark(struct zrpc_sim_pool *p, const char *fs, const struct zrpc_zfs_version *v,
                               struct zrpc_error *err);
int zrpc_sim_pool_set_fault(struct zrpc_sim_pool *p, const char *fs, const struct zrpc_sim_fault *fault,
                            struct zrpc_error *err);

/* The fletcher-4 of all the snapshot's content: the same for a snapshot and what was received of it. Takes as
 * long as making the content does. */
int zrpc_sim_pool_digest(struct zrpc_sim_pool *p, const char *fs, const char *snapshot,
                         uint64_t digest[static 4], struct zrpc_error *err);

#endif
