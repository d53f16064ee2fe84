/* Pools with each allocation failing once, SQLite's own included. */
#include <malloc.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim/zfs/testing.h"
#include "testing/alloc.h"

/* SQLite allocates as the test does: so its allocations count, and fail, as all others. */
static void *xmalloc(int n)
{
    return malloc((size_t)n);
}

static void *xrealloc(void *p, int n)
{
    return realloc(p, (size_t)n);
}

static int xsize(void *p)
{
    return (int)malloc_usable_size(p);
}

static int xroundup(int n)
{
    return (n + 7) & ~7;
}

static int xinit(void *ctx)
{
    (void)ctx;
    return SQLITE_OK;
}

static void xshutdown(void *ctx)
{
    (void)ctx;
}

/* A receive of tank/a@3 that is cut, and gone on with. */
static int replicate(struct fixture *f)
{
    struct zrpc_zfs_receive receive = {.filesystem = "tank/b", .resumable = true};
    struct zrpc_zfs_send send = {.filesystem = "tank/a", .from = "", .to = "@3"};
    static uint8_t chunk[150000];
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};
    struct zrpc_buf token = {0};
    ssize_t n = 0;
    int rc = f->zfs.ops->send(f->zfs.ctx, NULL, &send, &source, &f->err);

    if (rc == 0)
        rc = f->zfs.ops->receive(f->zfs.ctx, NULL, &receive, &sink, &f->err);
    if (rc == 0)
        n = source.ops->read(source.ctx, chunk, sizeof chunk, &f->err);
    if (rc == 0)
        rc = n < 0 ? (int)n : pour(&sink, zrpc_view(chunk, (size_t)n), sizeof chunk, &f->err);
    zrpc_sink_close(&sink);
    zrpc_source_close(&source);
    if (rc == 0)
        rc = f->zfs.ops->resume_token(f->zfs.ctx, NULL, "tank/b", &token, &f->err);
    if (rc == 1)
        send.resume_token = (char *)zrpc_buf_view(&token).data;
    if (rc >= 0)
        rc = f->zfs.ops->send(f->zfs.ctx, NULL, &send, &source, &f->err);
    if (rc == 0)
        rc = f->zfs.ops->receive(f->zfs.ctx, NULL, &receive, &sink, &f->err);
    if (rc == 0)
        rc = transfer(&source, &sink, &f->err);
    zrpc_source_close(&source);
    zrpc_sink_close(&sink);
    zrpc_buf_dispose(&token);
    return rc;
}

static int look(struct fixture *f)
{
    static struct zrpc_zpool_value value;
    struct zrpc_zpool_datasets l = {0};
    struct zrpc_zpool_holds holds = {0};
    int rc = zrpc_zpool_list(f->pool, NULL, ZRPC_ZPOOL_ANY_DEPTH, ZRPC_ZPOOL_ALL_TYPES, &l, &f->err);

    for (size_t i = 0; rc >= 0 && i < l.len; i++)
        rc = zrpc_zpool_get(f->pool, &l.items[i], "a:b", &value, &f->err);
    if (rc >= 0)
        rc = zrpc_zpool_holds(f->pool, "tank/a@1", false, &holds, &f->err);
    zrpc_zpool_holds_dispose(&holds);
    zrpc_zpool_datasets_dispose(&l);
    return rc;
}

static int change(struct fixture *f)
{
    static const char *const one[] = {"tank/a@1"}, *const three[] = {"tank/a@3"};
    const struct zrpc_zpool_setting settings[] = {{"a:b", "1"}, {"compression", "lz4"}};
    int rc = zrpc_zpool_add_filesystem(f->pool, "tank/a", false, &f->err);

    if (rc == 0)
        rc = zrpc_zpool_snapshot(f->pool, one, 1, false, NULL, 0, &f->err);
    if (rc == 0)
        rc = zrpc_zpool_set(f->pool, "tank/a", settings, 2, &f->err);
    if (rc == 0)
        rc = zrpc_zpool_bookmark(f->pool, "tank/a@1", "tank/a#b", false, &f->err);
    if (rc == 0)
        rc = zrpc_zpool_hold(f->pool, one, 1, "t", false, &f->err);
    if (rc == 0)
        rc = zrpc_zpool_write(f->pool, "tank/a", 200000, &f->err);
    if (rc == 0)
        rc = zrpc_zpool_snapshot(f->pool, three, 1, false, NULL, 0, &f->err);
    return rc;
}

static int undo(struct fixture *f)
{
    int rc = zrpc_zpool_rollback(f->pool, "tank/a@1", true, &f->err);

    return rc != 0 ? rc : zrpc_zpool_destroy(f->pool, "tank/b", ZRPC_ZPOOL_RECURSIVE, NULL, &f->err);
}

/* Whatever failed: the pool can be read and changed, and what there is of tank/b is whole, or to be resumed.
 */
static void check_after(struct fixture *f)
{
    struct zrpc_zfs_versions l = {0};
    struct zrpc_buf token = {0};

    CHECK_OK(zrpc_zpool_add_filesystem(f->pool, "tank/after", false, &f->err));
    if (f->zfs.ops->list_versions(f->zfs.ctx, NULL, "tank/b", &l, &f->err) == 0)
        CHECK((l.len == 1) != (f->zfs.ops->resume_token(f->zfs.ctx, NULL, "tank/b", &token, &f->err) == 1));
    zrpc_zfs_versions_dispose(&l);
    zrpc_buf_dispose(&token);
    CHECK_OK(zrpc_zpool_destroy(f->pool, "tank", ZRPC_ZPOOL_RECURSIVE, NULL, &f->err) == 0 ||
                     strstr(f->err.text, "busy") != NULL
                 ? 0
                 : f->err.code); /* of a snapshot that is held */
}

/* *used: allocations, until all is checked. */
static int live(long *used)
{
    struct fixture f = {0};
    int rc = create_pool("tank", 1, &f.pool, &f.err);

    *used = zrpc_alloc_count();
    if (rc != 0)
        return rc;
    f.zfs = zrpc_zpool_zfs(f.pool);
    rc = change(&f);
    if (rc == 0)
        rc = replicate(&f);
    if (rc == 0)
        rc = look(&f);
    if (rc == 0)
        rc = undo(&f);
    *used = zrpc_alloc_count();
    zrpc_alloc_fail_at(0);
    check_after(&f);
    zrpc_zpool_close(f.pool);
    return rc;
}

static void every_allocation_may_fail(void)
{
    int rounds = 0;

    for (long n = 1;; n += 1 + n / 12, rounds++) {
        long used;
        int rc;

        zrpc_alloc_fail_at(n);
        rc = live(&used);
        zrpc_alloc_fail_at(0);
        if (used < n) {
            CHECK_OK(rc);
            break;
        }
        /* SQLite does without what it only wanted for speed. */
        if (!CHECK(rc == 0 || rc == ZRPC_ERR_NOMEM))
            printf("with number %ld failing: %d\n", n, rc);
    }
    CHECK(rounds > 50);
}

static const struct zrpc_test tests[] = {
    {"every allocation may fail", every_allocation_may_fail},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    static const sqlite3_mem_methods methods = {
        .xMalloc = xmalloc,
        .xFree = free,
        .xRealloc = xrealloc,
        .xSize = xsize,
        .xRoundup = xroundup,
        .xInit = xinit,
        .xShutdown = xshutdown,
    };

    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK)
        return 2;
    return zrpc_suite_main("sim/zpool_scarcity", tests, argc, argv);
}
