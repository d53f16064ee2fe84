/*
 * A receive on its way: what zpool_receive.c (the sink) and zpool_commit.c (the pool) share.
 */
#ifndef SIM_ZFS_ZPOOL_RECEIVE_H
#define SIM_ZFS_ZPOOL_RECEIVE_H

#include "zpool_partial.h"
#include "zrpc/clock.h"

struct zpool_receiving {
    struct zrpc_zpool *pool;
    struct zpool_claim claim;
    char fs[ZRPC_ZFS_NAME_MAX];
    char snapshot[ZRPC_ZFS_NAME_MAX]; /* as what it comes to be known; until BEGIN, what was asked for, or ""
                                       */
    bool force, resumable;
    struct zrpc_zpool_setting *settings; /* owned, with their strings */
    size_t n_settings;
    struct zrpc_sendstream_reader reader;
    bool accepted;                     /* its begin is fine */
    bool over;                         /* failed, or committed */
    uint64_t room;                     /* bytes of content that there was room for at the beginning */
    bool quota;                        /* the filesystem's, not the pool's */
    struct zrpc_sendstream_point kept; /* the point that the pool has */
    size_t n_kept;                     /* extents that it has with it */
    zrpc_time kept_at;
    uint64_t taken, kept_taken; /* bytes of the stream; and how many when the point was kept */
};

/* "cannot receive new filesystem stream", ... */
const char *zpool_receive_what(const struct zpool_receiving *r);
/* Of a stream that has begun: whether it may be received; what is kept of it goes into the reader. */
int zpool_receive_accept(struct zpool_receiving *r, struct zrpc_error *err);
/* Within a transaction: makes it all happen. */
int zpool_receive_commit(struct zpool_receiving *r, struct zrpc_error *err);
/* Within a transaction: keeps what has come. */
int zpool_receive_keep(struct zpool_receiving *r, const struct zrpc_sendstream_point *point,
                       struct zrpc_error *err);
/* The words for content that there is no room for. */
int zpool_receive_full(const struct zpool_receiving *r, struct zrpc_error *err);

#endif
