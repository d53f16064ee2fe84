#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "replicate/internal.h"

/* Handlers know cancellation as a flag of the call. A thread passes it on while a call is under way. */
struct watched {
    struct zrpc_call call;
    const struct zrpc_cancel *cancel;
    struct zrpc_cancel over;
    pthread_t thread;
};

static void *watch(void *ctx)
{
    struct watched *w = ctx;
    struct pollfd fds[] = {zrpc_cancel_wait(w->cancel), zrpc_cancel_wait(&w->over)};

    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    if (zrpc_cancelled(w->cancel))
        atomic_store(&w->call.cancelled, true);
    return NULL;
}

static int begin(struct watched *w, const struct zrpc_replicate_local_peer *p,
                 const struct zrpc_replicate_call *call, const char *method, struct zrpc_error *err)
{
    int rc;

    *w = (struct watched){
        .call = {.method = method,
                 .client_identity = p->identity,
                 .peer = "this process",
                 .deadline = ZRPC_NEVER,
                 .log = p->log},
        .cancel = call->cancel,
        .over = ZRPC_CANCEL_NONE,
    };
    if (zrpc_cancelled(call->cancel))
        return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled before %s", method);
    if (call->cancel == NULL)
        return 0;
    rc = zrpc_cancel_init(&w->over, err);
    if (rc != 0)
        return rc;
    rc = pthread_create(&w->thread, NULL, watch, w);
    if (rc == 0)
        return 0;
    zrpc_cancel_dispose(&w->over);
    return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "thread to watch over %s", method);
}

static void end(struct watched *w)
{
    if (w->cancel == NULL)
        return;
    zrpc_cancel_raise(&w->over);
    pthread_join(w->thread, NULL);
    zrpc_cancel_dispose(&w->over);
}

static int new_message(const ProtobufCMessageDescriptor *type, void *out, struct zrpc_error *err)
{
    ProtobufCMessage *message = malloc(type->sizeof_message);

    if (message == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a %s", type->short_name);
    protobuf_c_message_init(type, message);
    *(void **)out = message;
    return 0;
}

/* What a handler refuses has the code that a client would see. */
static int refused(int rc, struct zrpc_error *err)
{
    if (rc == 0 || rc == ZRPC_ERR_CANCELLED || rc == ZRPC_ERR_NOMEM)
        return rc;
    if (err != NULL)
        err->code = ZRPC_ERR_HANDLER;
    return ZRPC_ERR_HANDLER;
}

/* A failed call has no answer. */
static int answered(int rc, ProtobufCMessage **res)
{
    if (rc != 0) {
        protobuf_c_message_free_unpacked(*res, NULL);
        *res = NULL;
    }
    return rc;
}

static int missing(const char *method, struct zrpc_error *err)
{
    return zrpc_fail(err, ZRPC_ERR_HANDLER, "%s is not implemented", method);
}

static int list_filesystems(void *ctx, const struct zrpc_replicate_call *call,
                            Zrpc__Pb__ListFilesystemRes **res, struct zrpc_error *err)
{
    struct zrpc_replicate_local_peer *p = ctx;
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    struct watched w;
    int rc;

    if (p->handler.ops->list_filesystems == NULL)
        return missing("ListFilesystems", err);
    rc = new_message(&zrpc__pb__list_filesystem_res__descriptor, res, err);
    if (rc != 0)
        return rc;
    rc = begin(&w, p, call, "ListFilesystems", err);
    if (rc == 0) {
        rc = refused(p->handler.ops->list_filesystems(p->handler.ctx, &w.call, &req, *res, err), err);
        end(&w);
    }
    return answered(rc, (ProtobufCMessage **)res);
}

static int list_versions(void *ctx, const struct zrpc_replicate_call *call, const char *fs,
                         Zrpc__Pb__ListFilesystemVersionsRes **res, struct zrpc_error *err)
{
    struct zrpc_replicate_local_peer *p = ctx;
    Zrpc__Pb__ListFilesystemVersionsReq req = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_REQ__INIT;
    struct watched w;
    int rc;

    if (p->handler.ops->list_filesystem_versions == NULL)
        return missing("ListFilesystemVersions", err);
    rc = new_message(&zrpc__pb__list_filesystem_versions_res__descriptor, res, err);
    if (rc != 0)
        return rc;
    req.filesystem = (char *)(uintptr_t)fs;
    rc = begin(&w, p, call, "ListFilesystemVersions", err);
    if (rc == 0) {
        rc = refused(p->handler.ops->list_filesystem_versions(p->handler.ctx, &w.call, &req, *res, err), err);
        end(&w);
    }
    return answered(rc, (ProtobufCMessage **)res);
}

static int set_cursor(void *ctx, const struct zrpc_replicate_call *call, const char *fs, const char *snapshot,
                      struct zrpc_error *err)
{
    struct zrpc_replicate_local_peer *p = ctx;
    Zrpc__Pb__ReplicationCursorReq__SetOp set = ZRPC__PB__REPLICATION_CURSOR_REQ__SET_OP__INIT;
    Zrpc__Pb__ReplicationCursorReq req = ZRPC__PB__REPLICATION_CURSOR_REQ__INIT;
    Zrpc__Pb__ReplicationCursorRes res = ZRPC__PB__REPLICATION_CURSOR_RES__INIT;
    struct watched w;
    int rc;

    if (p->handler.ops->replication_cursor == NULL)
        return missing("ReplicationCursor", err);
    set.snapshot = (char *)(uintptr_t)snapshot;
    req.filesystem = (char *)(uintptr_t)fs;
    req.op_case = ZRPC__PB__REPLICATION_CURSOR_REQ__OP_SET;
    req.set = &set;
    rc = begin(&w, p, call, "ReplicationCursor", err);
    if (rc != 0)
        return rc;
    rc = refused(p->handler.ops->replication_cursor(p->handler.ctx, &w.call, &req, &res, err), err);
    end(&w);
    return rc;
}

static int send_stream(void *ctx, const struct zrpc_replicate_call *call, const Zrpc__Pb__SendReq *req,
                       zrpc_dataconn_open_sink *open_sink, void *open_ctx, Zrpc__Pb__SendRes **res,
                       struct zrpc_error *err)
{
    struct zrpc_replicate_local_peer *p = ctx;
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};
    struct watched w;
    int rc;

    *res = NULL;
    if (p->handler.ops->send == NULL)
        return missing("Send", err);
    rc = new_message(&zrpc__pb__send_res__descriptor, res, err);
    if (rc != 0)
        return rc;
    rc = begin(&w, p, call, "Send", err);
    if (rc != 0)
        return answered(rc, (ProtobufCMessage **)res);
    rc = refused(p->handler.ops->send(p->handler.ctx, &w.call, req, *res, &source, err), err);
    if (rc == 0 && source.ops != NULL)
        rc = open_sink(open_ctx, *res, &sink, err);
    if (rc == 0 && source.ops != NULL)
        rc = zrpc_stream_copy(&source, &sink, call, err);
    zrpc_sink_close(&sink);
    zrpc_source_close(&source); /* which may look at the call */
    end(&w);
    return answered(rc, (ProtobufCMessage **)res);
}

static int receive_stream(void *ctx, const struct zrpc_replicate_call *call, const Zrpc__Pb__ReceiveReq *req,
                          struct zrpc_source *source, struct zrpc_error *err)
{
    struct zrpc_replicate_local_peer *p = ctx;
    struct zrpc_sink sink = {0};
    struct watched w;
    int rc;

    if (p->handler.ops->receive == NULL)
        rc = missing("Receive", err);
    else
        rc = begin(&w, p, call, "Receive", err);
    if (rc == 0) {
        rc = refused(p->handler.ops->receive(p->handler.ctx, &w.call, req, &sink, err), err);
        if (rc == 0)
            rc = zrpc_stream_copy(source, &sink, call, err);
        zrpc_sink_close(&sink);
        end(&w);
    }
    zrpc_source_close(source);
    return rc;
}

static const struct zrpc_replicate_peer_ops local_ops = {
    .list_filesystems = list_filesystems,
    .list_versions = list_versions,
    .set_cursor = set_cursor,
    .send = send_stream,
    .receive = receive_stream,
};

struct zrpc_replicate_peer zrpc_replicate_local(struct zrpc_replicate_local_peer *p)
{
    return (struct zrpc_replicate_peer){.ops = &local_ops, .ctx = p};
}
