#include "zrpc/replication.h"

#include "zrpc/pb.h"

static int ping(void *ctx, struct zrpc_call *call, const ProtobufCMessage *req, ProtobufCMessage *res,
                struct zrpc_error *err)
{
    (void)ctx;
    (void)call;
    return zrpc_pb_set_string(&((Zrpc__Pb__PingRes *)res)->echo, ((const Zrpc__Pb__PingReq *)req)->message,
                              err);
}

static int not_implemented(const struct zrpc_call *call, struct zrpc_error *err)
{
    zrpc_fail(err, ZRPC_ERR_USAGE, "%s: not implemented", call->method);
    return ZRPC_GRPC_UNIMPLEMENTED;
}

/* From what gRPC knows, any message, to what the handler's slot takes. */
#define HANDLER(slot, Request, Response)                                                                   \
    static int slot(void *ctx, struct zrpc_call *call, const ProtobufCMessage *req, ProtobufCMessage *res, \
                    struct zrpc_error *err)                                                                \
    {                                                                                                      \
        const struct zrpc_handler *h = ctx;                                                                \
                                                                                                           \
        if (h->ops->slot == NULL)                                                                          \
            return not_implemented(call, err);                                                             \
        return h->ops->slot(h->ctx, call, (const Request *)req, (Response *)res, err);                     \
    }

HANDLER(list_filesystems, Zrpc__Pb__ListFilesystemReq, Zrpc__Pb__ListFilesystemRes)
HANDLER(list_filesystem_versions, Zrpc__Pb__ListFilesystemVersionsReq, Zrpc__Pb__ListFilesystemVersionsRes)
HANDLER(destroy_snapshots, Zrpc__Pb__DestroySnapshotsReq, Zrpc__Pb__DestroySnapshotsRes)
HANDLER(replication_cursor, Zrpc__Pb__ReplicationCursorReq, Zrpc__Pb__ReplicationCursorRes)

const struct zrpc_grpc_method zrpc_replication_methods[ZRPC_REPLICATION_METHODS] = {
    [ZRPC_REPLICATION_PING] = {.path = "/Replication/Ping",
                               .request = &zrpc__pb__ping_req__descriptor,
                               .response = &zrpc__pb__ping_res__descriptor,
                               .handler = ping,
                               .prompt = true},
    [ZRPC_REPLICATION_LIST_FILESYSTEMS] = {.path = "/Replication/ListFilesystems",
                                           .request = &zrpc__pb__list_filesystem_req__descriptor,
                                           .response = &zrpc__pb__list_filesystem_res__descriptor,
                                           .handler = list_filesystems},
    [ZRPC_REPLICATION_LIST_FILESYSTEM_VERSIONS] = {.path = "/Replication/ListFilesystemVersions",
                                                   .request =
                                                       &zrpc__pb__list_filesystem_versions_req__descriptor,
                                                   .response =
                                                       &zrpc__pb__list_filesystem_versions_res__descriptor,
                                                   .handler = list_filesystem_versions},
    [ZRPC_REPLICATION_DESTROY_SNAPSHOTS] = {.path = "/Replication/DestroySnapshots",
                                            .request = &zrpc__pb__destroy_snapshots_req__descriptor,
                                            .response = &zrpc__pb__destroy_snapshots_res__descriptor,
                                            .handler = destroy_snapshots},
    [ZRPC_REPLICATION_CURSOR] = {.path = "/Replication/ReplicationCursor",
                                 .request = &zrpc__pb__replication_cursor_req__descriptor,
                                 .response = &zrpc__pb__replication_cursor_res__descriptor,
                                 .handler = replication_cursor},
};

struct zrpc_grpc_service zrpc_replication_service(const struct zrpc_handler *handler)
{
    return (struct zrpc_grpc_service){
        .methods = zrpc_replication_methods,
        .n_methods = ZRPC_REPLICATION_METHODS,
        .ctx = (void *)handler,
    };
}
