/* Pools in files: what is none, who else has it open, what cannot be written, and memory that runs out. */
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/zfs/testing.h"

static char dir[64], path[80];

static void make(struct fixture *f)
{
    const struct zrpc_zpool_options options = {.name = "tank"};

    *f = (struct fixture){0};
    snprintf(dir, sizeof dir, "/tmp/zrpc-file-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/pool", dir);
    CHECK_OK(zrpc_zpool_create(path, &options, &f->pool, &f->err));
    f->zfs = zrpc_zpool_zfs(f->pool);
    CHECK_OK(zrpc_zpool_add_filesystem(f->pool, "tank/a", false, &f->err));
    snapshot(f, "tank/a", "1", 100);
}

static void clean(struct fixture *f)
{
    zrpc_zpool_close(f->pool);
    unlink(path);
    CHECK_INT(rmdir(dir), 0); /* nothing else is left there */
}

static int try(const char *file, struct zrpc_error *err)
{
    struct zrpc_zpool *p;
    int rc = zrpc_zpool_open(file, &p, err);

    if (rc == 0)
        zrpc_zpool_close(p);
    return rc;
}

static void run_sql(const char *sql)
{
    sqlite3 *db = NULL;

    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
}

static void put(const char *text, size_t len)
{
    FILE *out = fopen(path, "w");

    CHECK(out != NULL && fwrite(text, 1, len, out) == len && fclose(out) == 0);
}

static void what_is_no_pool(void)
{
    const struct zrpc_zpool_options options = {.name = "tank"};
    struct zrpc_zpool *p;
    struct fixture f;

    make(&f);
    CHECK(zrpc_zpool_is_file(path));
    CHECK_CODE(zrpc_zpool_create(path, &options, &p, &f.err), ZRPC_ERR_SYSTEM);
    CHECK_CONTAINS(f.err.text, "File exists");
    zrpc_zpool_close(f.pool);
    CHECK_OK(try(path, &f.err));
    run_sql("PRAGMA user_version = 99");
    CHECK_CODE(try(path, &f.err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(f.err.text, "has version 99, expected 1");
    run_sql("PRAGMA application_id = 7");
    CHECK_CODE(try(path, &f.err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(f.err.text, "an SQLite file, but no pool");
    put("pool: tank\n", 11);
    CHECK(!zrpc_zpool_is_file(path));
    CHECK_CODE(try(path, &f.err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(f.err.text, "the file is no pool");
    put("SQLite format 3\0and then nothing of the kind", 44);
    CHECK(try(path, &f.err) < 0);
    unlink(path);
    CHECK_CODE(try(path, &f.err), ZRPC_ERR_SYSTEM);
    CHECK_CONTAINS(f.err.text, "No such file or directory");
    CHECK_CODE(zrpc_zpool_create("/nowhere/pool", &options, &p, &f.err), ZRPC_ERR_SYSTEM);
    f.pool = NULL;
    clean(&f);
}

/* Not to be walked for ever. */
static void filesystems_above_themselves(void)
{
    struct zrpc_zpool_dataset d;
    struct fixture f;

    make(&f);
    CHECK_OK(zrpc_zpool_add_filesystem(f.pool, "tank/a/b", false, &f.err));
    run_sql(
        "UPDATE filesystem SET parent = (SELECT id FROM filesystem WHERE name = 'tank/a/b')"
        " WHERE name = 'tank/a'");
    CHECK_CODE(zrpc_zpool_open_dataset(f.pool, "tank/a", &d, &f.err), ZRPC_ERR_SYSTEM);
    CHECK_CONTAINS(f.err.text, "the file is damaged: tank/a has no such parent");
    clean(&f);
}

static void handles_see_each_other(void)
{
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0}, other = {0};
    struct fixture f, g = {0};

    make(&f);
    CHECK_OK(zrpc_zpool_open(path, &g.pool, &g.err));
    g.zfs = zrpc_zpool_zfs(g.pool);
    CHECK_STR(zrpc_zpool_name(g.pool), "tank");
    snapshot(&f, "tank/a", "2", 100);
    CHECK_STR(versions(&g, "tank/a"), "@1 @2");
    CHECK_OK(open_send(&f, "tank/a", "", "@1", &source));
    CHECK_CODE(g.zfs.ops->destroy_snapshot(g.zfs.ctx, NULL, "tank/a", "1", &g.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(g.err.text, "dataset is busy");
    zrpc_source_close(&source);
    CHECK_OK(g.zfs.ops->destroy_snapshot(g.zfs.ctx, NULL, "tank/a", "1", &g.err));
    CHECK_OK(open_receive(&g, "tank/b", false, &sink));
    CHECK_CODE(open_receive(&f, "tank/b", false, &other), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "dataset is busy");
    zrpc_sink_close(&sink);
    CHECK_OK(open_receive(&f, "tank/b", false, &sink));
    zrpc_sink_close(&sink);
    zrpc_zpool_close(g.pool);
    clean(&f);
}

/* No file may grow: as a disk that is full. */
static void what_cannot_be_written_changes_nothing(void)
{
    struct rlimit before, none;
    struct fixture f;
    int rc = 0;

    make(&f);
    signal(SIGXFSZ, SIG_IGN);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &none), 0);
    rc = zrpc_zpool_add_filesystem(f.pool, "tank/b", false, &f.err);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &before), 0);
    CHECK_CODE(rc, ZRPC_ERR_SYSTEM);
    CHECK_CONTAINS(f.err.text, path);
    CHECK_STR(filesystems(&f, NULL), "tank tank/a");
    CHECK_OK(zrpc_zpool_add_filesystem(f.pool, "tank/c", false, &f.err));
    CHECK_STR(filesystems(&f, NULL), "tank tank/a tank/c");
    clean(&f);
}

/* As somebody who may read the file, and nothing else. Exits with the number of the check that failed. */
static void look_only(void)
{
    const char *name = "tank/a@2";
    struct zrpc_source source = {0};
    struct zrpc_buf stream = {0};
    struct fixture f = {0};
    int failed = 0;

    if (getuid() == 0 && setuid(65534) != 0)
        _exit(9);
    if (zrpc_zpool_open(path, &f.pool, &f.err) != 0) {
        fprintf(stderr, "%s\n", f.err.text);
        _exit(1);
    }
    f.zfs = zrpc_zpool_zfs(f.pool);
    if (strcmp(versions(&f, "tank/a"), "@1") != 0)
        failed = 2;
    else if (zrpc_zpool_snapshot(f.pool, &name, 1, false, NULL, 0, &f.err) != ZRPC_ERR_ZFS)
        failed = 3;
    else if (strcmp(f.err.text, "pool 'tank' is read-only") != 0)
        failed = 4;
    else if (open_send(&f, "tank/a", "", "@1", &source) != 0 || drain(&source, &stream, 512, &f.err) != 0)
        failed = 5;
    zrpc_source_close(&source);
    zrpc_buf_dispose(&stream);
    zrpc_zpool_close(f.pool);
    _exit(failed);
}

static void a_pool_that_is_read_only(void)
{
    struct fixture f;
    int status;
    pid_t pid;

    make(&f);
    zrpc_zpool_close(f.pool);
    f.pool = NULL;
    CHECK_INT(chmod(path, 0444), 0);
    CHECK_INT(chmod(dir, 0555), 0);
    pid = fork();
    if (pid == 0)
        look_only();
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
    CHECK_INT(chmod(dir, 0755), 0);
    clean(&f);
}

static void *hammer(void *arg)
{
    struct fixture f = *(struct fixture *)arg;
    intptr_t failures = 0;

    for (int i = 0; i < 50; i++) {
        struct zrpc_zfs_versions l = {0};
        char name[64];
        const char *names[] = {name};

        snprintf(name, sizeof name, "tank/a@%lx-%d", (unsigned long)pthread_self(), i);
        failures += zrpc_zpool_snapshot(f.pool, names, 1, false, NULL, 0, &f.err) != 0;
        failures += f.zfs.ops->list_versions(f.zfs.ctx, NULL, "tank/a", &l, &f.err) != 0;
        zrpc_zfs_versions_dispose(&l);
        failures += zrpc_zpool_destroy(f.pool, name, 0, NULL, &f.err) != 0;
    }
    return (void *)failures;
}

/* Two handles, two threads each. */
static void threads_and_handles(void)
{
    struct fixture f, g = {0};
    pthread_t threads[4];
    void *failures;

    make(&f);
    CHECK_OK(zrpc_zpool_open(path, &g.pool, &g.err));
    g.zfs = zrpc_zpool_zfs(g.pool);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, hammer, i % 2 == 0 ? &f : &g), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(pthread_join(threads[i], &failures), 0);
        CHECK(failures == NULL);
    }
    CHECK_STR(versions(&g, "tank/a"), "@1");
    zrpc_zpool_close(g.pool);
    clean(&f);
}

static const struct zrpc_test tests[] = {
    {"what is no pool", what_is_no_pool},
    {"filesystems above themselves", filesystems_above_themselves},
    {"handles see each other", handles_see_each_other},
    {"what cannot be written changes nothing", what_cannot_be_written_changes_nothing},
    {"a pool that is read-only", a_pool_that_is_read_only},
    {"threads and handles", threads_and_handles},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim/zpool_file", tests, argc, argv);
}
