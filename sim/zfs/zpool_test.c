#include <pthread.h>

#include "sim/zfs/testing.h"

static void destroying_snapshots(void)
{
    struct zrpc_source source = {0};
    struct fixture f;
    uint8_t byte;

    setup(&f);
    CHECK_CODE(f.zfs.ops->destroy_snapshot(f.zfs.ctx, NULL, "tank/a", "9", &f.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "could not find any snapshots to destroy");
    CHECK_CODE(f.zfs.ops->destroy_snapshot(f.zfs.ctx, NULL, "tank/a", "mark", &f.err), ZRPC_ERR_ZFS);
    CHECK_OK(open_send(&f, "tank/a", "", "@2", &source));
    CHECK_CODE(f.zfs.ops->destroy_snapshot(f.zfs.ctx, NULL, "tank/a", "2", &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot destroy snapshot tank/a@2: dataset is busy");
    CHECK_CODE(f.zfs.ops->rollback(f.zfs.ctx, NULL, "tank/a", "1", &f.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "dataset is busy");
    CHECK_INT(source.ops->read(source.ctx, &byte, 1, &f.err), 1);
    zrpc_source_close(&source);
    CHECK_OK(f.zfs.ops->destroy_snapshot(f.zfs.ctx, NULL, "tank/a", "2", &f.err));
    CHECK_OK(f.zfs.ops->destroy_snapshot(f.zfs.ctx, NULL, "tank/a", "1", &f.err));
    CHECK_STR(versions(&f, "tank/a"), "#mark @3");
    teardown(&f);
}

static void rolling_back(void)
{
    struct zrpc_sink sink = {0};
    struct fixture f, g;

    setup(&f);
    CHECK_OK(f.zfs.ops->bookmark(f.zfs.ctx, NULL, "tank/a", "3", "late", &f.err));
    CHECK_CODE(f.zfs.ops->rollback(f.zfs.ctx, NULL, "tank/a", "9", &f.err), ZRPC_ERR_ZFS);
    CHECK_OK(open_receive(&f, "tank/a", false, &sink));
    CHECK_CODE(f.zfs.ops->rollback(f.zfs.ctx, NULL, "tank/a", "1", &f.err), ZRPC_ERR_ZFS);
    zrpc_sink_close(&sink);
    CHECK_OK(f.zfs.ops->rollback(f.zfs.ctx, NULL, "tank/a", "1", &f.err));
    CHECK_STR(versions(&f, "tank/a"), "@1 #mark");
    /* The content after it is gone as well, so it has not been "modified since". */
    setup(&g);
    CHECK_OK(copy(&g, "tank/a", "", "@1", "tank/b", false));
    CHECK_OK(copy(&g, "tank/a", "@1", "@3", "tank/b", false));
    CHECK_OK(g.zfs.ops->rollback(g.zfs.ctx, NULL, "tank/b", "1", &g.err));
    CHECK_OK(copy(&g, "tank/a", "@1", "@3", "tank/b", false));
    check_same_content(&g, "tank/a", "tank/b", "3");
    teardown(&g);
    teardown(&f);
}

static void bookmarks_are_replaced(void)
{
    struct zrpc_zfs_versions l = {0};
    const struct zrpc_zfs_version *mark, *three;
    struct fixture f;

    setup(&f);
    CHECK_OK(f.zfs.ops->bookmark(f.zfs.ctx, NULL, "tank/a", "3", "mark", &f.err));
    CHECK_STR(versions(&f, "tank/a"), "@1 @2 @3 #mark");
    CHECK_OK(f.zfs.ops->list_versions(f.zfs.ctx, NULL, "tank/a", &l, &f.err));
    mark = zrpc_zfs_versions_find(&l, ZRPC_ZFS_BOOKMARK, "mark");
    three = zrpc_zfs_versions_find(&l, ZRPC_ZFS_SNAPSHOT, "3");
    CHECK(mark->guid == three->guid && mark->createtxg == three->createtxg &&
          mark->creation == three->creation);
    zrpc_zfs_versions_dispose(&l);
    CHECK_CODE(f.zfs.ops->bookmark(f.zfs.ctx, NULL, "tank/a", "9", "mark", &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(versions(&f, "tank/a"), "@1 @2 @3 #mark");
    teardown(&f);
}

static void placeholders(void)
{
    struct zrpc_zfs_filesystem fs;
    struct fixture f;

    setup(&f);
    CHECK_OK(f.zfs.ops->create_placeholder(f.zfs.ctx, NULL, "tank/p", &f.err));
    CHECK_CODE(f.zfs.ops->create_placeholder(f.zfs.ctx, NULL, "tank/p", &f.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "dataset already exists");
    CHECK_CODE(f.zfs.ops->create_placeholder(f.zfs.ctx, NULL, "tank/x/y", &f.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "parent does not exist");
    CHECK_INT(f.zfs.ops->get_filesystem(f.zfs.ctx, NULL, "tank/p", &fs, &f.err), 1);
    CHECK(fs.placeholder);
    CHECK_OK(f.zfs.ops->set_placeholder(f.zfs.ctx, NULL, "tank/p", false, &f.err));
    CHECK_INT(f.zfs.ops->get_filesystem(f.zfs.ctx, NULL, "tank/p", &fs, &f.err), 1);
    CHECK(!fs.placeholder);
    CHECK_INT(f.zfs.ops->get_filesystem(f.zfs.ctx, NULL, "tank/none", &fs, &f.err), 0);
    CHECK_CODE(f.zfs.ops->set_placeholder(f.zfs.ctx, NULL, "tank/none", true, &f.err), ZRPC_ERR_ZFS);
    teardown(&f);
}

static void filesystems_list_as_a_tree(void)
{
    static const char *const paths[] = {"tank/a/b", "tank/a-b", "tank/a/c", "tank/a b", "tank/b"};
    struct fixture f;

    setup(&f);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        CHECK_OK(zrpc_zpool_add_filesystem(f.pool, paths[i], i == 4, &f.err));
    CHECK_STR(filesystems(&f, NULL), "tank tank/a tank/a/b tank/a/c tank/a b tank/a-b tank/b(p) tank/empty");
    CHECK_STR(filesystems(&f, "tank/a"), "tank/a/b tank/a/c");
    CHECK_STR(filesystems(&f, "tank/none"), "");
    teardown(&f);
}

static void derived_numbers_repeat(void)
{
    struct fixture f, g;

    setup(&f);
    setup(&g);
    CHECK(guid_of(&f, "tank/a", "3") == guid_of(&g, "tank/a", "3"));
    teardown(&g);
    CHECK_OK(create_pool("tank", 8, &g.pool, &g.err));
    g.zfs = zrpc_zpool_zfs(g.pool);
    CHECK_OK(zrpc_zpool_add_filesystem(g.pool, "tank/a", false, &g.err));
    snapshot(&g, "tank/a", "3", 1);
    CHECK(guid_of(&f, "tank/a", "3") != guid_of(&g, "tank/a", "3"));
    teardown(&g);
    teardown(&f);
}

static void building_is_checked(void)
{
    struct zrpc_zfs_version v = {.name = "4", .createtxg = 1}, high = {.name = "5", .createtxg = UINT64_MAX},
                            bad = {.name = "a/b"};
    struct zrpc_zpool *pool;
    struct fixture f;

    setup(&f);
    CHECK_CODE(create_pool("a/b", 1, &pool, &f.err), ZRPC_ERR_USAGE);
    CHECK_CODE(create_pool("1a", 1, &pool, &f.err), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_zpool_add_filesystem(f.pool, "tank/../b", false, &f.err), ZRPC_ERR_ZFS);
    CHECK_CODE(zrpc_zpool_add_filesystem(f.pool, "tank", false, &f.err), ZRPC_ERR_ZFS);
    CHECK_CODE(zrpc_zpool_add_filesystem(f.pool, "other/b", false, &f.err), ZRPC_ERR_ZFS);
    CHECK_CODE(zrpc_zpool_add_snapshot(f.pool, "tank/a", &v, 1, &f.err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(f.err.text, "is not above");
    CHECK_CODE(zrpc_zpool_add_snapshot(f.pool, "tank/a", &high, 1, &f.err), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_zpool_add_snapshot(f.pool, "tank/a", &bad, 1, &f.err), ZRPC_ERR_USAGE);
    v.createtxg = 0;
    CHECK_CODE(zrpc_zpool_add_snapshot(f.pool, "tank/a", &v, UINT64_MAX, &f.err), ZRPC_ERR_LIMIT);
    snprintf(v.name, sizeof v.name, "1");
    CHECK_CODE(zrpc_zpool_add_snapshot(f.pool, "tank/a", &v, 1, &f.err), ZRPC_ERR_ZFS);
    CHECK_CODE(zrpc_zpool_add_bookmark(f.pool, "tank/none", &v, &f.err), ZRPC_ERR_ZFS);
    snprintf(v.name, sizeof v.name, "mark");
    CHECK_CODE(zrpc_zpool_add_bookmark(f.pool, "tank/a", &v, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(versions(&f, "tank/a"), "@1 #mark @2 @3");
    teardown(&f);
}

/* Many threads at once; what they leave is checked, and the sanitizers watch. */
static atomic_int hammers, broken;

static int strike(struct fixture *f, const char *target, bool force)
{
    struct zrpc_zfs_versions l = {0};
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};
    uint8_t chunk[512];
    ssize_t n;
    int rc = f->zfs.ops->list_versions(f->zfs.ctx, NULL, "tank/a", &l, &f->err);

    zrpc_zfs_versions_dispose(&l);
    if (rc == 0)
        rc = open_send(f, "tank/a", "", "@3", &source);
    if (rc == 0)
        rc = open_receive(f, target, force, &sink);
    while (rc == 0 && (n = source.ops->read(source.ctx, chunk, sizeof chunk, &f->err)) > 0)
        rc = sink.ops->write(sink.ctx, chunk, (size_t)n, &f->err) == n ? 0 : -1;
    if (rc == 0)
        rc = sink.ops->finish(sink.ctx, &f->err);
    zrpc_source_close(&source);
    zrpc_sink_close(&sink);
    return rc != 0 ? rc : f->zfs.ops->destroy_snapshot(f->zfs.ctx, NULL, target, "3", &f->err);
}

static void *hammer(void *arg)
{
    struct fixture f = *(struct fixture *)arg;
    char target[32];

    snprintf(target, sizeof target, "tank/t%d", atomic_fetch_add(&hammers, 1));
    for (int i = 0; i < 20; i++)
        if (strike(&f, target, i > 0) != 0)
            atomic_fetch_add(&broken, 1);
    return NULL;
}

static void threads_share_a_pool(void)
{
    pthread_t threads[4];
    struct fixture f;

    setup(&f);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, hammer, &f), 0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(atomic_load(&broken), 0);
    CHECK_STR(filesystems(&f, NULL), "tank tank/a tank/empty tank/t0 tank/t1 tank/t2 tank/t3");
    CHECK_OK(f.zfs.ops->destroy_snapshot(f.zfs.ctx, NULL, "tank/a", "3", &f.err));
    teardown(&f);
}

static const struct zrpc_test tests[] = {
    {"destroying snapshots", destroying_snapshots},
    {"rolling back", rolling_back},
    {"bookmarks are replaced", bookmarks_are_replaced},
    {"placeholders", placeholders},
    {"filesystems list as a tree", filesystems_list_as_a_tree},
    {"derived numbers repeat", derived_numbers_repeat},
    {"building is checked", building_is_checked},
    {"threads share a pool", threads_share_a_pool},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim/zpool", tests, argc, argv);
}
