/*
 * The two ends of a replication: a server somewhere, or an endpoint in this process.
 *
 * All calls block, and end with ZRPC_ERR_CANCELLED soon after `cancel` is raised. Sends and receives may be
 * under way at the same time, in different threads.
 */
#ifndef ZRPC_REPLICATE_PEER_H
#define ZRPC_REPLICATE_PEER_H

#include "zrpc/client.h"
#include "zrpc/handler.h"

struct zrpc_replicate_call {
    const struct zrpc_cancel *cancel;
    void (*progress)(void *ctx, uint64_t bytes); /* optional: stream bytes so far; from the calling thread */
    void *progress_ctx;
};

struct zrpc_replicate_peer_ops {
    /* Results as the client's calls have them (zrpc/client.h). */
    int (*list_filesystems)(void *ctx, const struct zrpc_replicate_call *call,
                            Zrpc__Pb__ListFilesystemRes **res, struct zrpc_error *err);
    int (*list_versions)(void *ctx, const struct zrpc_replicate_call *call, const char *fs,
                         Zrpc__Pb__ListFilesystemVersionsRes **res, struct zrpc_error *err);
    /* Advances the replication cursor. */
    int (*set_cursor)(void *ctx, const struct zrpc_replicate_call *call, const char *fs, const char *snapshot,
                      struct zrpc_error *err);
    int (*send)(void *ctx, const struct zrpc_replicate_call *call, const Zrpc__Pb__SendReq *req,
                zrpc_dataconn_open_sink *open_sink, void *open_ctx, Zrpc__Pb__SendRes **res,
                struct zrpc_error *err);
    /* Takes ownership of *source, also on failure. */
    int (*receive)(void *ctx, const struct zrpc_replicate_call *call, const Zrpc__Pb__ReceiveReq *req,
                   struct zrpc_source *source, struct zrpc_error *err);
    /* Optional: after a failure, before the next call. */
    void (*recover)(void *ctx);
};

struct zrpc_replicate_peer {
    const struct zrpc_replicate_peer_ops *ops;
    void *ctx;
};

/* A server. Neither is owned by the peer. */
struct zrpc_replicate_remote_peer {
    struct zrpc_client *client;
    struct zrpc_dataconn_options data; /* of each data request; its cancel and progress are not looked at */
    zrpc_time control_timeout;         /* of each control call; 0: none */
};
struct zrpc_replicate_peer zrpc_replicate_remote(struct zrpc_replicate_remote_peer *p);

/* An endpoint in this process. */
struct zrpc_replicate_local_peer {
    struct zrpc_handler handler;
    const char *identity; /* what the endpoint takes its client for */
    const struct zrpc_log *log;
};
struct zrpc_replicate_peer zrpc_replicate_local(struct zrpc_replicate_local_peer *p);

#endif
