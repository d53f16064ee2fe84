/*
 * What a resumable receive keeps. All between zpool_begin() and zpool_end().
 */
#ifndef SIM_ZFS_ZPOOL_PARTIAL_H
#define SIM_ZFS_ZPOOL_PARTIAL_H

#include "sim/zfs/sendstream.h"
#include "zpool_internal.h"

/* 1: the filesystem holds a partial receive, and *out is it, to be disposed; 0: none. */
int zpool_partial_load(struct zrpc_zpool *p, int64_t fs, struct zrpc_sendstream *out, struct zrpc_error *err);
/* Keeps what has come of the stream: its begin, first_object, point, and the extents that belong to that, of
 * which the first `n_kept` are there already. */
int zpool_partial_save(struct zrpc_zpool *p, const struct zpool_fs *fs, const struct zrpc_sendstream *stream,
                       size_t n_kept, struct zrpc_error *err);
/* Forgets it. The filesystem becomes one like any other. */
int zpool_partial_drop(struct zrpc_zpool *p, const struct zpool_fs *fs, bool volume, struct zrpc_error *err);
/* How many of the stream's extents the point has met. */
size_t zpool_partial_extents(const struct zrpc_sendstream *stream);

#endif
