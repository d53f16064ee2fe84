/*
 * Handlers: what a server does with a request, control and data alike (proto/SPEC.md, ZR-REQ-*, ZR-MSG-*).
 *
 * Handlers run on a bounded pool of threads, off every connection's loop, and may block. The request is
 * borrowed. `res` comes initialised; what a handler puts into it must be allocated with malloc (zrpc/pb.h has
 * helpers) and is freed by the caller, also after a failure. A negative return is the handler's refusal: the
 * error's text goes to the peer as it stands.
 */
#ifndef ZRPC_HANDLER_H
#define ZRPC_HANDLER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "zrepl_v1.pb-c.h"
#include "zrpc/clock.h"
#include "zrpc/log.h"
#include "zrpc/stream.h"
#include "zrpc/wire.h"

/* The context of one call. Valid until the handler returns, and for data requests until its source or sink is
 * closed. */
struct zrpc_call {
    const char *method;          /* "/v1/send", "/Replication/ListFilesystems", ... */
    const char *client_identity; /* authenticated by the transport */
    const char *peer;            /* printable address */
    zrpc_time deadline;          /* ZRPC_NEVER: none */
    atomic_bool cancelled;       /* the peer gave up, the deadline passed, or the server stops */
    const struct zrpc_log *log;
    void *user; /* the context interceptor's */
};

/* Every slot is optional: a missing one answers "not implemented". */
struct zrpc_handler_ops {
    int (*list_filesystems)(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ListFilesystemReq *req,
                            Zrpc__Pb__ListFilesystemRes *res, struct zrpc_error *err);
    int (*list_filesystem_versions)(void *ctx, struct zrpc_call *call,
                                    const Zrpc__Pb__ListFilesystemVersionsReq *req,
                                    Zrpc__Pb__ListFilesystemVersionsRes *res, struct zrpc_error *err);
    int (*destroy_snapshots)(void *ctx, struct zrpc_call *call, const Zrpc__Pb__DestroySnapshotsReq *req,
                             Zrpc__Pb__DestroySnapshotsRes *res, struct zrpc_error *err);
    int (*replication_cursor)(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReplicationCursorReq *req,
                              Zrpc__Pb__ReplicationCursorRes *res, struct zrpc_error *err);
    /* Without DryRun, a success must set *source; the library reads it to its end and closes it. */
    int (*send)(void *ctx, struct zrpc_call *call, const Zrpc__Pb__SendReq *req, Zrpc__Pb__SendRes *res,
                struct zrpc_source *source, struct zrpc_error *err);
    /* A success must set *sink. The library writes the stream to it; when the stream is complete it calls
     * finish, whose result is the answer, and in every case closes it. A refusal here is sent at once,
     * before the stream has been read. */
    int (*receive)(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReceiveReq *req, struct zrpc_sink *sink,
                   struct zrpc_error *err);
};

struct zrpc_handler {
    const struct zrpc_handler_ops *ops;
    void *ctx;
};

#endif
