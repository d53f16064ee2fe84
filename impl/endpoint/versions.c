#include "internal.h"

#include <stdlib.h>

#include "zrpc/pb.h"

#define SNAPSHOT ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Snapshot
#define BOOKMARK ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Bookmark

/* Anything but a snapshot in the list fails the call before the first is destroyed (ZR-MSG-020). */
static int check_all_snapshots(const Zrpc__Pb__DestroySnapshotsReq *req, struct zrpc_error *err)
{
    for (size_t i = 0; i < req->n_snapshots; i++) {
        const Zrpc__Pb__FilesystemVersion *v = req->snapshots[i];

        if (v->type == BOOKMARK)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "version \"%s\" is not a snapshot", v->name);
        if (v->type != SNAPSHOT)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "version \"%s\" is of unknown type %d", v->name,
                             (int)v->type);
    }
    return 0;
}

/* The entry echoes the snapshot as it was asked for. */
static int add_result(Zrpc__Pb__DestroySnapshotsRes *res, const Zrpc__Pb__FilesystemVersion *asked,
                      Zrpc__Pb__DestroySnapshotRes **out, struct zrpc_error *err)
{
    Zrpc__Pb__DestroySnapshotRes *result = malloc(sizeof *result);
    Zrpc__Pb__FilesystemVersion *echo = malloc(sizeof *echo);
    int rc;

    if (result == NULL || echo == NULL) {
        free(result);
        free(echo);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for the result of snapshot \"%s\"", asked->name);
    }
    zrpc__pb__destroy_snapshot_res__init(result);
    zrpc__pb__filesystem_version__init(echo);
    result->snapshot = echo;
    res->results[res->n_results++] = *out = result;
    echo->type = asked->type;
    echo->guid = asked->guid;
    echo->createtxg = asked->createtxg;
    rc = zrpc_pb_set_string(&echo->name, asked->name, err);
    return rc != 0 ? rc : zrpc_pb_set_string(&echo->creation, asked->creation, err);
}

/* What zfs says about one snapshot goes into its result; the names zfs would take for ranges and lists
 * ("a%b", "a,b") do not get that far. */
static int destroy_one(struct zrpc_endpoint *e, struct zrpc_call *call, const char *fs, const char *snapshot,
                       Zrpc__Pb__DestroySnapshotRes *result, struct zrpc_error *err)
{
    const struct zrpc_zfs *zfs = &e->config.zfs;
    struct zrpc_error why;
    int rc = zrpc_zfs_name_check(snapshot, &why);

    if (rc == 0)
        rc = zfs->ops->destroy_snapshot(zfs->ctx, &call->cancelled, fs, snapshot, &why);
    if (rc == 0)
        return 0;
    zrpc_log(call->log, ZRPC_LOG_INFO, "cannot destroy snapshot", "fs", fs, "snapshot", snapshot, "err",
             why.text, NULL);
    return zrpc_pb_set_string(&result->error, why.text, err);
}

int zrpc_endpoint_destroy_snapshots(void *ctx, struct zrpc_call *call,
                                    const Zrpc__Pb__DestroySnapshotsReq *req,
                                    Zrpc__Pb__DestroySnapshotsRes *res, struct zrpc_error *err)
{
    struct zrpc_endpoint *e = ctx;
    const struct zrpc_zfs *zfs = &e->config.zfs;
    struct zrpc_zfs_filesystem found;
    char fs[ZRPC_ZFS_NAME_MAX];
    int rc = zrpc_endpoint_resolve(e, call, req->filesystem, fs, err);

    if (rc == 0)
        rc = check_all_snapshots(req, err);
    if (rc != 0)
        return rc;
    rc = zfs->ops->get_filesystem(zfs->ctx, &call->cancelled, fs, &found, err);
    if (rc == 0)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': dataset does not exist", fs);
    if (rc < 0 || req->n_snapshots == 0)
        return rc < 0 ? rc : 0;
    res->results = calloc(req->n_snapshots, sizeof(void *));
    if (res->results == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for %zu results", req->n_snapshots);
    rc = 0;
    for (size_t i = 0; rc == 0 && i < req->n_snapshots; i++) {
        Zrpc__Pb__DestroySnapshotRes *result = NULL;

        rc = add_result(res, req->snapshots[i], &result, err);
        if (rc == 0)
            rc = destroy_one(e, call, fs, req->snapshots[i]->name, result, err);
    }
    return rc;
}

static int get_cursor(const struct zrpc_zfs_versions *versions, Zrpc__Pb__ReplicationCursorRes *res)
{
    const struct zrpc_zfs_version *cursor =
        zrpc_zfs_versions_find(versions, ZRPC_ZFS_BOOKMARK, ZRPC_REPLICATION_CURSOR);

    if (cursor == NULL) {
        res->result_case = ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_NOTEXIST;
        res->notexist = true;
    } else {
        res->result_case = ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_GUID;
        res->guid = cursor->guid;
    }
    return 0;
}

static int set_cursor(struct zrpc_endpoint *e, struct zrpc_call *call, const char *fs, const char *snapshot,
                      const struct zrpc_zfs_versions *versions, Zrpc__Pb__ReplicationCursorRes *res,
                      struct zrpc_error *err)
{
    const struct zrpc_zfs *zfs = &e->config.zfs;
    const struct zrpc_zfs_version *to = zrpc_zfs_versions_find(versions, ZRPC_ZFS_SNAPSHOT, snapshot);
    const struct zrpc_zfs_version *cursor =
        zrpc_zfs_versions_find(versions, ZRPC_ZFS_BOOKMARK, ZRPC_REPLICATION_CURSOR);
    int rc;

    if (to == NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "zfs: replication cursor: get snapshot createtxg: dataset \"%s@%s\" does not exist",
                         fs, snapshot);
    if (cursor != NULL && to->createtxg < cursor->createtxg)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "zfs: replication cursor: can only be advanced, not set back");
    rc = zfs->ops->bookmark(zfs->ctx, &call->cancelled, fs, snapshot, ZRPC_REPLICATION_CURSOR, err);
    if (rc != 0)
        return zrpc_error_prefix(err, rc, "zfs: replication cursor: create bookmark");
    res->result_case = ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_GUID;
    res->guid = to->guid;
    return 0;
}

int zrpc_endpoint_cursor(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReplicationCursorReq *req,
                         Zrpc__Pb__ReplicationCursorRes *res, struct zrpc_error *err)
{
    struct zrpc_endpoint *e = ctx;
    const struct zrpc_zfs *zfs = &e->config.zfs;
    struct zrpc_zfs_versions versions = {0};
    char fs[ZRPC_ZFS_NAME_MAX];
    int rc = zrpc_endpoint_resolve(e, call, req->filesystem, fs, err);

    if (rc != 0)
        return rc;
    pthread_mutex_lock(&e->cursor);
    rc = zfs->ops->list_versions(zfs->ctx, &call->cancelled, fs, &versions, err);
    if (rc == 0) {
        if (req->op_case == ZRPC__PB__REPLICATION_CURSOR_REQ__OP_GET)
            rc = get_cursor(&versions, res);
        else if (req->op_case == ZRPC__PB__REPLICATION_CURSOR_REQ__OP_SET)
            rc = set_cursor(e, call, fs, req->set->snapshot, &versions, res, err);
        else
            rc = zrpc_fail(err, ZRPC_ERR_USAGE, "unknown op <nil>");
    }
    pthread_mutex_unlock(&e->cursor);
    zrpc_zfs_versions_dispose(&versions);
    return rc;
}
