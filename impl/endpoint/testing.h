/*
 * For the endpoint's tests: endpoints over a pool, and the calls of their handlers as one-liners that answer
 * with text.
 */
#ifndef ZRPC_ENDPOINT_TESTING_H
#define ZRPC_ENDPOINT_TESTING_H

#include <stdlib.h>

#include "sim/zfs/testing.h"
#include "zrpc/endpoint.h"

struct endpoint_fixture {
    struct fixture f; /* tank/a with @1 #mark @2 @3, tank/empty */
    struct zrpc_endpoint endpoint;
    struct zrpc_handler handler;
    struct zrpc_call call;
    struct zrpc_error err;
};

/* A sender of all, a receiver below tank/backup, or both. The client is "client". */
static inline void setup_endpoint(struct endpoint_fixture *x, enum zrpc_endpoint_role role)
{
    struct zrpc_endpoint_config config = {.role = role, .root = "tank/backup"};

    memset(x, 0, sizeof *x);
    setup(&x->f);
    config.zfs = x->f.zfs;
    CHECK_OK(zrpc_endpoint_init(&x->endpoint, &config, &x->err));
    x->handler = zrpc_endpoint_handler(&x->endpoint);
    x->call.client_identity = "client";
    x->call.deadline = ZRPC_NEVER;
}

static inline void teardown_endpoint(struct endpoint_fixture *x)
{
    zrpc_endpoint_dispose(&x->endpoint);
    teardown(&x->f);
}

/* "a b(p)": the paths, placeholders marked; or the error's text. */
static inline const char *list(struct endpoint_fixture *x)
{
    static char text[2048];
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    Zrpc__Pb__ListFilesystemRes *res = malloc(sizeof *res);
    size_t used = 0;

    if (!CHECK(res != NULL))
        return "";
    zrpc__pb__list_filesystem_res__init(res);
    text[0] = '\0';
    if (x->handler.ops->list_filesystems(x->handler.ctx, &x->call, &req, res, &x->err) != 0)
        snprintf(text, sizeof text, "%s", x->err.text);
    else
        for (size_t i = 0; i < res->n_filesystems; i++)
            used +=
                (size_t)snprintf(text + used, sizeof text - used, "%s%s%s", i == 0 ? "" : " ",
                                 res->filesystems[i]->path, res->filesystems[i]->isplaceholder ? "(p)" : "");
    zrpc__pb__list_filesystem_res__free_unpacked(res, NULL);
    return text;
}

/* "@1 #mark": the versions; or the error's text. */
static inline const char *list_versions_of(struct endpoint_fixture *x, const char *fs)
{
    static char text[2048];
    Zrpc__Pb__ListFilesystemVersionsReq req = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_REQ__INIT;
    Zrpc__Pb__ListFilesystemVersionsRes *res = malloc(sizeof *res);
    size_t used = 0;

    if (!CHECK(res != NULL))
        return "";
    zrpc__pb__list_filesystem_versions_res__init(res);
    req.filesystem = (char *)fs;
    text[0] = '\0';
    if (x->handler.ops->list_filesystem_versions(x->handler.ctx, &x->call, &req, res, &x->err) != 0)
        snprintf(text, sizeof text, "%s", x->err.text);
    else
        for (size_t i = 0; i < res->n_versions; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%c%s", i == 0 ? "" : " ",
                                     res->versions[i]->type == 0 ? '@' : '#', res->versions[i]->name);
    zrpc__pb__list_filesystem_versions_res__free_unpacked(res, NULL);
    return text;
}

static inline int send_of(struct endpoint_fixture *x, const char *fs, const char *from, const char *to,
                          bool dry_run, int64_t *expected, struct zrpc_source *source)
{
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__SendRes res = ZRPC__PB__SEND_RES__INIT;
    int rc;

    req.filesystem = (char *)fs;
    req.from = (char *)from;
    req.to = (char *)to;
    req.dryrun = dry_run;
    rc = x->handler.ops->send(x->handler.ctx, &x->call, &req, &res, source, &x->err);
    if (expected != NULL)
        *expected = res.expectedsize;
    return rc;
}

static inline int receive_to(struct endpoint_fixture *x, const char *fs, struct zrpc_sink *sink)
{
    Zrpc__Pb__ReceiveReq req = ZRPC__PB__RECEIVE_REQ__INIT;

    req.filesystem = (char *)fs;
    return x->handler.ops->receive(x->handler.ctx, &x->call, &req, sink, &x->err);
}

/* The pool's own send, received through the endpoint. */
static inline int push(struct endpoint_fixture *x, const char *from, const char *to, const char *target)
{
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};

    CHECK_OK(open_send(&x->f, "tank/a", from, to, &source));
    if (receive_to(x, target, &sink) == 0)
        return transfer(&source, &sink, &x->err);
    zrpc_source_close(&source);
    return x->err.code;
}

/* "ok" or the error of each snapshot, one per line; or the call's error. Names beginning with # are
 * bookmarks. */
static inline const char *destroy(struct endpoint_fixture *x, const char *fs, const char *const *names,
                                  size_t n)
{
    static char text[2048];
    Zrpc__Pb__FilesystemVersion versions[8], *pointers[8];
    Zrpc__Pb__DestroySnapshotsReq req = ZRPC__PB__DESTROY_SNAPSHOTS_REQ__INIT;
    Zrpc__Pb__DestroySnapshotsRes *res = malloc(sizeof *res);
    size_t used = 0;

    if (!CHECK(res != NULL && n <= 8))
        return "";
    zrpc__pb__destroy_snapshots_res__init(res);
    for (size_t i = 0; i < n; i++) {
        zrpc__pb__filesystem_version__init(&versions[i]);
        versions[i].name = (char *)(names[i][0] == '#' ? names[i] + 1 : names[i]);
        versions[i].type = names[i][0] == '#' ? 1 : 0;
        versions[i].guid = i;
        pointers[i] = &versions[i];
    }
    req.filesystem = (char *)fs;
    req.snapshots = pointers;
    req.n_snapshots = n;
    text[0] = '\0';
    if (x->handler.ops->destroy_snapshots(x->handler.ctx, &x->call, &req, res, &x->err) != 0) {
        snprintf(text, sizeof text, "%s", x->err.text);
        n = 0;
    }
    for (size_t i = 0; i < n && CHECK_INT(res->n_results, n); i++) {
        CHECK_STR(res->results[i]->snapshot->name, versions[i].name);
        CHECK_INT(res->results[i]->snapshot->guid, i);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : "\n",
                                 res->results[i]->error[0] == '\0' ? "ok" : res->results[i]->error);
    }
    zrpc__pb__destroy_snapshots_res__free_unpacked(res, NULL);
    return text;
}

/* ReplicationCursor: get with snapshot NULL, else set. Answers the guid, or 0 for Notexist, in *guid. */
static inline int cursor(struct endpoint_fixture *x, const char *fs, const char *snapshot, uint64_t *guid)
{
    Zrpc__Pb__ReplicationCursorReq__GetOp get = ZRPC__PB__REPLICATION_CURSOR_REQ__GET_OP__INIT;
    Zrpc__Pb__ReplicationCursorReq__SetOp set = ZRPC__PB__REPLICATION_CURSOR_REQ__SET_OP__INIT;
    Zrpc__Pb__ReplicationCursorReq req = ZRPC__PB__REPLICATION_CURSOR_REQ__INIT;
    Zrpc__Pb__ReplicationCursorRes res = ZRPC__PB__REPLICATION_CURSOR_RES__INIT;
    int rc;

    req.filesystem = (char *)fs;
    set.snapshot = (char *)snapshot;
    if (snapshot == NULL) {
        req.op_case = ZRPC__PB__REPLICATION_CURSOR_REQ__OP_GET;
        req.get = &get;
    } else {
        req.op_case = ZRPC__PB__REPLICATION_CURSOR_REQ__OP_SET;
        req.set = &set;
    }
    rc = x->handler.ops->replication_cursor(x->handler.ctx, &x->call, &req, &res, &x->err);
    if (rc == 0 && res.result_case == ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_GUID)
        *guid = res.guid;
    else if (rc == 0 && CHECK(res.notexist))
        *guid = 0;
    return rc;
}

#endif
