/* Endpoints, pools and files with each allocation failing once. */
#include "sim/zfs/sim.h"
#include "testing/alloc.h"
#include "testing/suite.h"

#include <stdlib.h>
#include <unistd.h>

static int read_a_file(void *arg)
{
    static const char text[] =
        "pool: tank\n"
        "serve: {root_fs: tank/in, filesystems: {\"tank<\": true, tank/b: false}}\n"
        "filesystems:\n"
        "  tank/a:\n"
        "    snapshots: [{name: 1, written: 100}, {name: 2, written: 10}]\n"
        "    bookmarks: [{name: b, of: 1}]\n"
        "    fault: {list_delay: 0s}\n"
        "  tank/in:\n";
    struct zrpc_sim_file file;
    int rc = zrpc_sim_file_parse("p.yml", zrpc_view_of(text), &file, NULL);

    (void)arg;
    if (rc == 0)
        zrpc_sim_file_dispose(&file);
    return rc;
}

/* A pool of a few filesystems: it is read anew for every allocation that fails. */
static char pool_file[] = "/tmp/zrpc-scarcity-XXXXXX";

static int write_pool(void)
{
    static const char text[] =
        "pool: demo\n"
        "serve: {root_fs: demo/backup, filesystems: {\"demo<\": true, \"demo/backup<\": false}}\n"
        "filesystems:\n"
        "  demo: {}\n"
        "  demo/cursor:\n"
        "    snapshots: [{name: 1, written: 10}, {name: 2, written: 20}, {name: 3, written: 30}]\n"
        "    bookmarks: [{name: zrepl_replication_cursor, of: 2}]\n"
        "  demo/prune:\n"
        "    snapshots: [{name: 1, written: 1}, {name: 2, written: 2}, {name: 3, written: 3}]\n"
        "  demo/backup: {}\n";
    int fd = mkstemp(pool_file);

    bool written = fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)(sizeof text - 1);

    if (fd >= 0)
        close(fd);
    return written ? 0 : -1;
}

static int open_pool(struct zrpc_sim *sim, enum zrpc_endpoint_role role)
{
    struct zrpc_sim_options options = {.pool = pool_file, .role = role};

    return zrpc_sim_open(sim, &options, NULL);
}

static int move(struct zrpc_source *source, struct zrpc_sink *sink)
{
    uint8_t chunk[512];
    ssize_t n;
    int rc = 0;

    while (rc >= 0 && (n = source->ops->read(source->ctx, chunk, sizeof chunk, NULL)) > 0)
        for (ssize_t at = 0; rc >= 0 && at < n; at += rc)
            rc = (int)sink->ops->write(sink->ctx, chunk + at, (size_t)(n - at), NULL);
    return rc < 0 ? rc : sink->ops->finish(sink->ctx, NULL);
}

/* Pushes demo/cursor's snapshot 1 and then the increment to 3, through one endpoint of both roles. */
static int push(struct zrpc_handler handler, struct zrpc_call *call, const char *from, const char *to)
{
    Zrpc__Pb__SendReq send = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__SendRes sent = ZRPC__PB__SEND_RES__INIT;
    Zrpc__Pb__ReceiveReq receive = ZRPC__PB__RECEIVE_REQ__INIT;
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};
    int rc;

    send.filesystem = (char *)"demo/cursor";
    send.from = (char *)from;
    send.to = (char *)to;
    receive.filesystem = (char *)"x/y";
    rc = handler.ops->send(handler.ctx, call, &send, &sent, &source, NULL);
    if (rc == 0)
        rc = handler.ops->receive(handler.ctx, call, &receive, &sink, NULL);
    if (rc == 0)
        rc = move(&source, &sink);
    zrpc_source_close(&source);
    zrpc_sink_close(&sink);
    return rc;
}

/* There is a filesystem only with the snapshot that made it. */
static void check_nothing_half(struct zrpc_zpool *pool)
{
    static const char fs[] = "demo/backup/client/x/y";
    struct zrpc_zfs zfs = zrpc_zpool_zfs(pool);
    struct zrpc_zfs_versions versions = {0};
    struct zrpc_zfs_filesystem found;

    if (zfs.ops->get_filesystem(zfs.ctx, NULL, fs, &found, NULL) == 0)
        return;
    CHECK_OK(zfs.ops->list_versions(zfs.ctx, NULL, fs, &versions, NULL));
    CHECK(versions.len > 0);
    zrpc_zfs_versions_dispose(&versions);
}

static int replicate(void *arg)
{
    struct zrpc_call call = {.client_identity = "client"};
    struct zrpc_sim sim;
    int rc = open_pool(&sim, ZRPC_ENDPOINT_BOTH);

    (void)arg;
    if (rc != 0)
        return rc;
    rc = push(zrpc_sim_handler(&sim), &call, "", "@1");
    if (rc == 0)
        rc = push(zrpc_sim_handler(&sim), &call, "@1", "@3");
    CHECK_INT(sim.endpoint.sends.used + sim.endpoint.receives.used, 0);
    CHECK(sim.endpoint.receiving == NULL);
    if (rc != 0)
        check_nothing_half(zrpc_sim_pool(&sim));
    zrpc_sim_close(&sim);
    return rc;
}

static int list(struct zrpc_handler handler, struct zrpc_call *call)
{
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    Zrpc__Pb__ListFilesystemRes *res = malloc(sizeof *res);
    int rc;

    if (res == NULL)
        return ZRPC_ERR_NOMEM;
    zrpc__pb__list_filesystem_res__init(res);
    rc = handler.ops->list_filesystems(handler.ctx, call, &req, res, NULL);
    zrpc__pb__list_filesystem_res__free_unpacked(res, NULL);
    return rc;
}

static int list_versions(struct zrpc_handler handler, struct zrpc_call *call)
{
    Zrpc__Pb__ListFilesystemVersionsReq req = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_REQ__INIT;
    Zrpc__Pb__ListFilesystemVersionsRes *res = malloc(sizeof *res);
    int rc;

    if (res == NULL)
        return ZRPC_ERR_NOMEM;
    req.filesystem = (char *)"demo/cursor";
    zrpc__pb__list_filesystem_versions_res__init(res);
    rc = handler.ops->list_filesystem_versions(handler.ctx, call, &req, res, NULL);
    zrpc__pb__list_filesystem_versions_res__free_unpacked(res, NULL);
    return rc;
}

static int destroy(struct zrpc_handler handler, struct zrpc_call *call)
{
    Zrpc__Pb__FilesystemVersion versions[2], *pointers[] = {&versions[0], &versions[1]};
    Zrpc__Pb__DestroySnapshotsReq req = ZRPC__PB__DESTROY_SNAPSHOTS_REQ__INIT;
    Zrpc__Pb__DestroySnapshotsRes *res = malloc(sizeof *res);
    int rc;

    if (res == NULL)
        return ZRPC_ERR_NOMEM;
    zrpc__pb__filesystem_version__init(&versions[0]);
    zrpc__pb__filesystem_version__init(&versions[1]);
    versions[0].name = (char *)"1";
    versions[1].name = (char *)"missing";
    req.filesystem = (char *)"demo/prune";
    req.snapshots = pointers;
    req.n_snapshots = 2;
    zrpc__pb__destroy_snapshots_res__init(res);
    rc = handler.ops->destroy_snapshots(handler.ctx, call, &req, res, NULL);
    zrpc__pb__destroy_snapshots_res__free_unpacked(res, NULL);
    return rc;
}

static int advance(struct zrpc_handler handler, struct zrpc_call *call)
{
    Zrpc__Pb__ReplicationCursorReq__SetOp set = ZRPC__PB__REPLICATION_CURSOR_REQ__SET_OP__INIT;
    Zrpc__Pb__ReplicationCursorReq req = ZRPC__PB__REPLICATION_CURSOR_REQ__INIT;
    Zrpc__Pb__ReplicationCursorRes res = ZRPC__PB__REPLICATION_CURSOR_RES__INIT;

    set.snapshot = (char *)"2";
    req.filesystem = (char *)"demo/prune";
    req.op_case = ZRPC__PB__REPLICATION_CURSOR_REQ__OP_SET;
    req.set = &set;
    return handler.ops->replication_cursor(handler.ctx, call, &req, &res, NULL);
}

static int control(void *arg)
{
    static int (*const calls[])(struct zrpc_handler, struct zrpc_call *) = {list, list_versions, destroy,
                                                                            advance};
    struct zrpc_call call = {.client_identity = "client"};
    struct zrpc_sim sim;
    int rc = open_pool(&sim, ZRPC_ENDPOINT_BOTH);

    (void)arg;
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < sizeof calls / sizeof calls[0]; i++)
        rc = calls[i](zrpc_sim_handler(&sim), &call);
    zrpc_sim_close(&sim);
    return rc;
}

static void files_without_memory(void)
{
    CHECK(zrpc_alloc_each(read_a_file, NULL) > 2);
}

static void replication_without_memory(void)
{
    CHECK(zrpc_alloc_each(replicate, NULL) > 10);
}

static void control_calls_without_memory(void)
{
    CHECK(zrpc_alloc_each(control, NULL) > 10);
}

static const struct zrpc_test tests[] = {
    {"files without memory", files_without_memory},
    {"replication without memory", replication_without_memory},
    {"control calls without memory", control_calls_without_memory},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    int status;

    if (write_pool() < 0)
        return 2;
    status = zrpc_suite_main("endpoint/scarcity", tests, argc, argv);
    unlink(pool_file);
    return status;
}
