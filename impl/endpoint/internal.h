/*
 * The endpoint's parts, among themselves.
 */
#ifndef ZRPC_ENDPOINT_INTERNAL_H
#define ZRPC_ENDPOINT_INTERNAL_H

#include "zrpc/endpoint.h"

/*
 * limit.c
 */
int zrpc_endpoint_limit_init(struct zrpc_endpoint_limit *l, unsigned max, struct zrpc_error *err);
void zrpc_endpoint_limit_dispose(struct zrpc_endpoint_limit *l);
/* Waits for a slot; ZRPC_ERR_CANCELLED. `what` is for the message. */
int zrpc_endpoint_limit_acquire(struct zrpc_endpoint_limit *l, atomic_bool *cancelled, const char *what,
                                struct zrpc_error *err);
void zrpc_endpoint_limit_release(struct zrpc_endpoint_limit *l);

/*
 * paths.c: from the client's paths to the pool's.
 */
/* The sender serves fs. */
bool zrpc_endpoint_admits(const struct zrpc_endpoint *e, const char *fs);
/* ROOT/IDENTITY of the call's client, or ROOT where the receiver is for one client. */
int zrpc_endpoint_client_root(const struct zrpc_endpoint *e, const struct zrpc_call *call,
                              char root[static ZRPC_ZFS_NAME_MAX], struct zrpc_error *err);
/* ROOT/IDENTITY/path. */
int zrpc_endpoint_map(const struct zrpc_endpoint *e, const struct zrpc_call *call, const char *path,
                      char fs[static ZRPC_ZFS_NAME_MAX], struct zrpc_error *err);
/* What the client's path stands for, by role; Receive, which always maps, excepted. */
int zrpc_endpoint_resolve(const struct zrpc_endpoint *e, struct zrpc_call *call, const char *path,
                          char fs[static ZRPC_ZFS_NAME_MAX], struct zrpc_error *err);

/*
 * The slots of struct zrpc_handler_ops: list.c, versions.c, send.c, receive.c.
 */
int zrpc_endpoint_list_filesystems(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ListFilesystemReq *req,
                                   Zrpc__Pb__ListFilesystemRes *res, struct zrpc_error *err);
int zrpc_endpoint_list_versions(void *ctx, struct zrpc_call *call,
                                const Zrpc__Pb__ListFilesystemVersionsReq *req,
                                Zrpc__Pb__ListFilesystemVersionsRes *res, struct zrpc_error *err);
int zrpc_endpoint_destroy_snapshots(void *ctx, struct zrpc_call *call,
                                    const Zrpc__Pb__DestroySnapshotsReq *req,
                                    Zrpc__Pb__DestroySnapshotsRes *res, struct zrpc_error *err);
int zrpc_endpoint_cursor(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReplicationCursorReq *req,
                         Zrpc__Pb__ReplicationCursorRes *res, struct zrpc_error *err);
int zrpc_endpoint_send(void *ctx, struct zrpc_call *call, const Zrpc__Pb__SendReq *req,
                       Zrpc__Pb__SendRes *res, struct zrpc_source *source, struct zrpc_error *err);
int zrpc_endpoint_receive(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReceiveReq *req,
                          struct zrpc_sink *sink, struct zrpc_error *err);

#endif
