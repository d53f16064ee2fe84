#include "zrpc/replicate_peer.h"

static struct zrpc_call_options control(const struct zrpc_replicate_remote_peer *p,
                                        const struct zrpc_replicate_call *call)
{
    return (struct zrpc_call_options){.deadline = zrpc_deadline(zrpc_now(), p->control_timeout),
                                      .cancel = call->cancel};
}

static struct zrpc_dataconn_options data(const struct zrpc_replicate_remote_peer *p,
                                         const struct zrpc_replicate_call *call)
{
    struct zrpc_dataconn_options options = p->data;

    options.cancel = call->cancel;
    options.progress = call->progress;
    options.progress_ctx = call->progress_ctx;
    return options;
}

static int list_filesystems(void *ctx, const struct zrpc_replicate_call *call,
                            Zrpc__Pb__ListFilesystemRes **res, struct zrpc_error *err)
{
    struct zrpc_replicate_remote_peer *p = ctx;
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    struct zrpc_call_options options = control(p, call);

    return zrpc_client_list_filesystems(p->client, &options, &req, res, err);
}

static int list_versions(void *ctx, const struct zrpc_replicate_call *call, const char *fs,
                         Zrpc__Pb__ListFilesystemVersionsRes **res, struct zrpc_error *err)
{
    struct zrpc_replicate_remote_peer *p = ctx;
    Zrpc__Pb__ListFilesystemVersionsReq req = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_REQ__INIT;
    struct zrpc_call_options options = control(p, call);

    req.filesystem = (char *)(uintptr_t)fs;
    return zrpc_client_list_filesystem_versions(p->client, &options, &req, res, err);
}

static int set_cursor(void *ctx, const struct zrpc_replicate_call *call, const char *fs, const char *snapshot,
                      struct zrpc_error *err)
{
    struct zrpc_replicate_remote_peer *p = ctx;
    Zrpc__Pb__ReplicationCursorReq__SetOp set = ZRPC__PB__REPLICATION_CURSOR_REQ__SET_OP__INIT;
    Zrpc__Pb__ReplicationCursorReq req = ZRPC__PB__REPLICATION_CURSOR_REQ__INIT;
    Zrpc__Pb__ReplicationCursorRes *res = NULL;
    struct zrpc_call_options options = control(p, call);
    int rc;

    set.snapshot = (char *)(uintptr_t)snapshot;
    req.filesystem = (char *)(uintptr_t)fs;
    req.op_case = ZRPC__PB__REPLICATION_CURSOR_REQ__OP_SET;
    req.set = &set;
    rc = zrpc_client_replication_cursor(p->client, &options, &req, &res, err);
    if (rc == 0)
        zrpc__pb__replication_cursor_res__free_unpacked(res, NULL);
    return rc;
}

static int send_stream(void *ctx, const struct zrpc_replicate_call *call, const Zrpc__Pb__SendReq *req,
                       zrpc_dataconn_open_sink *open_sink, void *open_ctx, Zrpc__Pb__SendRes **res,
                       struct zrpc_error *err)
{
    struct zrpc_replicate_remote_peer *p = ctx;
    struct zrpc_dataconn_options options = data(p, call);

    return zrpc_client_send(p->client, &options, req, open_sink, open_ctx, res, err);
}

static int receive_stream(void *ctx, const struct zrpc_replicate_call *call, const Zrpc__Pb__ReceiveReq *req,
                          struct zrpc_source *source, struct zrpc_error *err)
{
    struct zrpc_replicate_remote_peer *p = ctx;
    struct zrpc_dataconn_options options = data(p, call);

    return zrpc_client_receive(p->client, &options, req, source, err);
}

static void recover(void *ctx)
{
    zrpc_client_reset_connect_backoff(((struct zrpc_replicate_remote_peer *)ctx)->client);
}

static const struct zrpc_replicate_peer_ops remote_ops = {
    .list_filesystems = list_filesystems,
    .list_versions = list_versions,
    .set_cursor = set_cursor,
    .send = send_stream,
    .receive = receive_stream,
    .recover = recover,
};

struct zrpc_replicate_peer zrpc_replicate_remote(struct zrpc_replicate_remote_peer *p)
{
    return (struct zrpc_replicate_peer){.ops = &remote_ops, .ctx = p};
}
