/* Processes on one file, doing whatever comes, and killed at whatever they do. */
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/zfs/content.h"
#include "sim/zfs/testing.h"
#include "zrpc/clock.h"

#define WORKERS 3
#define TARGETS 4

static char path[] = "/tmp/zrpc-torture-XXXXXX/pool";

struct worker {
    struct fixture f;
    uint64_t random;
    uint64_t names;
};

static uint64_t pick(struct worker *w, uint64_t n)
{
    w->random += UINT64_C(0x9e3779b97f4a7c15);
    return zrpc_sim_mix(w->random) % n;
}

/* What zfs may say is fine, and so is what is in the way of others. */
static bool is_trouble(int rc)
{
    return rc < 0 && rc != ZRPC_ERR_ZFS && rc != ZRPC_ERR_LIMIT && rc != ZRPC_ERR_SINK;
}

static const char *target(struct worker *w)
{
    static char name[64];

    snprintf(name, sizeof name, "tank/in/%llu", (unsigned long long)pick(w, TARGETS));
    return name;
}

/* One of the source's snapshots, newest first if `n` is small; empty: there is none. */
static void choose(struct worker *w, const char *fs, char name[static ZRPC_ZFS_NAME_MAX])
{
    struct zrpc_zfs_versions l = {0};
    struct zrpc_zfs_version v = {0};

    if (w->f.zfs.ops->list_versions(w->f.zfs.ctx, NULL, fs, &l, NULL) == 0 && l.len > 0)
        v = l.items[pick(w, l.len)];
    snprintf(name, ZRPC_ZFS_NAME_MAX, "%s", v.type == ZRPC_ZFS_SNAPSHOT ? v.name : "");
    zrpc_zfs_versions_dispose(&l);
}

static int snap(struct worker *w)
{
    char name[128];
    const char *names[] = {name};

    snprintf(name, sizeof name, "tank/src@%llx-%d", (unsigned long long)w->names++, (int)getpid());
    return zrpc_zpool_snapshot(w->f.pool, names, 1, false, NULL, 0, &w->f.err);
}

/* All of the stream, or part of it. */
static int move(struct worker *w, struct zrpc_source *source, struct zrpc_sink *sink)
{
    static uint8_t chunk[1 << 17];
    int64_t left = pick(w, 2) == 0 ? INT64_MAX : (int64_t)pick(w, 1 << 21);
    ssize_t n = 1;
    int rc = 0;

    while (rc == 0 && left > 0 && (n = source->ops->read(source->ctx, chunk, sizeof chunk, &w->f.err)) > 0) {
        left -= n;
        rc = pour(sink, zrpc_view(chunk, (size_t)n), sizeof chunk, &w->f.err);
    }
    if (rc == 0 && n == 0)
        rc = sink->ops->finish(sink->ctx, &w->f.err);
    zrpc_source_close(source);
    zrpc_sink_close(sink);
    return n < 0 ? (int)n : rc;
}

/* Goes on where a partial receive ended, or begins, or sends what is newer. */
static int replicate(struct worker *w)
{
    const char *to = target(w);
    char snapshot[ZRPC_ZFS_NAME_MAX], from[ZRPC_ZFS_NAME_MAX + 1] = "", full[ZRPC_ZFS_NAME_MAX + 1];
    struct zrpc_zfs_send send = {.filesystem = "tank/src", .from = from, .to = full};
    struct zrpc_zfs_receive receive = {.filesystem = to, .resumable = pick(w, 4) != 0, .force = true};
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};
    struct zrpc_buf token = {0};
    int rc = w->f.zfs.ops->resume_token(w->f.zfs.ctx, NULL, to, &token, &w->f.err);

    choose(w, "tank/src", snapshot);
    snprintf(full, sizeof full, "@%s", snapshot);
    choose(w, to, snapshot);
    if (snapshot[0] != '\0')
        snprintf(from, sizeof from, "@%s", snapshot);
    if (rc == 1 && pick(w, 8) == 0)
        rc = w->f.zfs.ops->abort_receive(w->f.zfs.ctx, NULL, to, &w->f.err);
    else if (rc == 1)
        send.resume_token = (const char *)zrpc_buf_view(&token).data;
    if (rc >= 0)
        rc = w->f.zfs.ops->send(w->f.zfs.ctx, NULL, &send, &source, &w->f.err);
    if (rc == 0)
        rc = w->f.zfs.ops->receive(w->f.zfs.ctx, NULL, &receive, &sink, &w->f.err);
    rc = rc == 0 ? move(w, &source, &sink) : rc;
    zrpc_source_close(&source);
    zrpc_buf_dispose(&token);
    return rc;
}

static int destroy(struct worker *w)
{
    const char *fs = pick(w, 2) == 0 ? "tank/src" : target(w);
    char name[ZRPC_ZFS_NAME_MAX];

    choose(w, fs, name);
    if (name[0] == '\0' || pick(w, 3) != 0)
        return 0;
    return w->f.zfs.ops->destroy_snapshot(w->f.zfs.ctx, NULL, fs, name, &w->f.err);
}

static int hold_and_release(struct worker *w)
{
    char name[ZRPC_ZFS_NAME_MAX], full[2 * ZRPC_ZFS_NAME_MAX];
    const char *names[] = {full};
    int rc;

    choose(w, "tank/src", name);
    snprintf(full, sizeof full, "tank/src@%s", name);
    if (name[0] == '\0')
        return 0;
    rc = zrpc_zpool_hold(w->f.pool, names, 1, "t", false, &w->f.err);
    return is_trouble(rc) ? rc : zrpc_zpool_release(w->f.pool, names, 1, "t", false, &w->f.err);
}

static int settings(struct worker *w)
{
    const struct zrpc_zpool_setting two[] = {{"a:b", "1"}, {"c:d", "2"}};

    return zrpc_zpool_set(w->f.pool, target(w), two, 2, &w->f.err);
}

static int roll_back(struct worker *w)
{
    const char *fs = target(w);
    char name[ZRPC_ZFS_NAME_MAX];

    choose(w, fs, name);
    return name[0] == '\0' ? 0 : w->f.zfs.ops->rollback(w->f.zfs.ctx, NULL, fs, name, &w->f.err);
}

static int remove_target(struct worker *w)
{
    return pick(w, 6) == 0 ? zrpc_zpool_destroy(w->f.pool, target(w), ZRPC_ZPOOL_RECURSIVE, NULL, &w->f.err)
                           : 0;
}

static int (*const deeds[])(struct worker *) = {snap,      replicate,    replicate,        replicate,
                                                destroy,   settings,     hold_and_release, roll_back,
                                                replicate, remove_target};

/* Exits with 0, or 3 for trouble. n 0: for ever. */
static void work(uint64_t seed, int n)
{
    struct worker w = {.random = seed};

    if (zrpc_zpool_open(path, &w.f.pool, &w.f.err) != 0) {
        fprintf(stderr, "%s\n", w.f.err.text);
        _exit(3);
    }
    w.f.zfs = zrpc_zpool_zfs(w.f.pool);
    for (int i = 0; n == 0 || i < n; i++) {
        int rc = deeds[pick(&w, sizeof deeds / sizeof deeds[0])](&w);

        if (is_trouble(rc)) {
            fprintf(stderr, "%s\n", w.f.err.text);
            _exit(3);
        }
    }
    zrpc_zpool_close(w.f.pool);
    _exit(0);
}

static pid_t start(uint64_t seed, int n)
{
    pid_t pid = fork();

    if (pid == 0)
        work(seed, n);
    CHECK(pid > 0);
    return pid;
}

/* What must be so in the tables whatever happened: each query counts what is wrong. */
static const char *const wrongs[] = {
    "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
    "SELECT count(*) FROM pragma_foreign_key_check",
    "SELECT count(*) FROM filesystem f WHERE content <>"
    " (SELECT ifnull(sum(length), 0) FROM extent WHERE fs = f.id)",
    "SELECT count(*) FROM filesystem f WHERE (SELECT ifnull(max(number), 0) FROM extent WHERE fs = f.id) <>"
    " (SELECT count(*) FROM extent WHERE fs = f.id)",
    "SELECT count(*) FROM version v WHERE referenced <>"
    " (SELECT ifnull(sum(length), 0) FROM extent WHERE fs = v.fs AND txg <= v.createtxg)",
    "SELECT count(*) FROM filesystem f WHERE inconsistent AND"
    " (EXISTS(SELECT * FROM version WHERE fs = f.id) OR NOT EXISTS(SELECT * FROM partial WHERE fs = f.id))",
    "SELECT count(*) FROM filesystem f WHERE (held > 0) <> EXISTS(SELECT * FROM partial WHERE fs = f.id)",
    "SELECT count(*) FROM property p WHERE version <> 0 AND"
    " NOT EXISTS(SELECT * FROM version WHERE id = p.version)",
    "SELECT count(*) FROM (SELECT fs FROM property WHERE name IN ('a:b', 'c:d') GROUP BY fs"
    " HAVING count(*) <> 2)",
    "SELECT count(*) FROM version WHERE createtxg > (SELECT txg FROM pool)",
    /* Every snapshot that was received has the content of its source: the same seeds, one by one. */
    "SELECT count(*) FROM version v JOIN filesystem f ON f.id = v.fs JOIN extent e ON e.fs = v.fs AND"
    " e.txg <= v.createtxg JOIN filesystem s ON s.name = 'tank/src' LEFT JOIN extent o ON o.fs = s.id AND"
    " o.number = e.number WHERE f.name LIKE 'tank/in/%' AND (o.seed IS NULL OR o.seed <> e.seed OR"
    " o.length <> e.length)",
};

static void count_wrongs(const char *query)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;

    CHECK_INT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 60000);
    CHECK_INT(sqlite3_prepare_v2(db, query, -1, &s, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_step(s), SQLITE_ROW);
    if (!CHECK_INT(sqlite3_column_int64(s, 0), 0))
        printf("    %s\n", query);
    sqlite3_finalize(s);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
}

static void check_tables(void)
{
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++)
        count_wrongs(wrongs[i]);
}

/* Nobody lives: nothing is busy, and what is kept of a receive can be gone on from, or be dropped. */
static void check_leftovers(struct fixture *f)
{
    for (int i = 0; i < TARGETS; i++) {
        struct zrpc_sink sink = {0};
        struct zrpc_buf token = {0};
        char name[32];
        int rc;

        snprintf(name, sizeof name, "tank/in/%d", i);
        CHECK_OK(open_receive(f, name, false, &sink));
        zrpc_sink_close(&sink);
        rc = f->zfs.ops->resume_token(f->zfs.ctx, NULL, name, &token, &f->err);
        if (CHECK(rc >= 0) && rc == 1) {
            struct zrpc_zfs_token t;

            CHECK_OK(
                f->zfs.ops->read_token(f->zfs.ctx, NULL, (char *)zrpc_buf_view(&token).data, &t, &f->err));
            CHECK(t.bytes > 0);
        }
        zrpc_buf_dispose(&token);
    }
}

static void finish_what_is_left(struct fixture *f)
{
    for (int i = 0; i < TARGETS; i++) {
        struct zrpc_zfs_send send = {.filesystem = "tank/src"};
        struct zrpc_zfs_receive receive = {.force = true};
        struct zrpc_source source = {0};
        struct zrpc_sink sink = {0};
        struct zrpc_buf token = {0};
        char name[32];

        snprintf(name, sizeof name, "tank/in/%d", i);
        receive.filesystem = name;
        if (f->zfs.ops->resume_token(f->zfs.ctx, NULL, name, &token, &f->err) == 1) {
            send.resume_token = (char *)zrpc_buf_view(&token).data;
            int rc = f->zfs.ops->send(f->zfs.ctx, NULL, &send, &source, &f->err);

            if (rc == 0 && CHECK_OK(f->zfs.ops->receive(f->zfs.ctx, NULL, &receive, &sink, &f->err)))
                rc = transfer(&source, &sink, &f->err);
            /* Snapshots that it needs, here or there, may be gone by now. */
            CHECK(rc == 0 || rc == ZRPC_ERR_ZFS);
            CHECK_OK(f->zfs.ops->abort_receive(f->zfs.ctx, NULL, name, &f->err));
            CHECK_INT(f->zfs.ops->resume_token(f->zfs.ctx, NULL, name, &token, &f->err), 0);
        }
        zrpc_source_close(&source);
        zrpc_buf_dispose(&token);
    }
}

static void make(struct fixture *f)
{
    const struct zrpc_zpool_options options = {.name = "tank", .seed = 3};
    const struct zrpc_zpool_setting grows = {"sim:written", "300K"};
    const char *first = "tank/src@first";

    memcpy(strrchr(path, '/') - 6, "XXXXXX", 6);
    *strrchr(path, '/') = '\0';
    CHECK(mkdtemp(path) != NULL);
    path[strlen(path)] = '/';
    CHECK_OK(zrpc_zpool_create(path, &options, &f->pool, &f->err));
    f->zfs = zrpc_zpool_zfs(f->pool);
    CHECK_OK(zrpc_zpool_add_filesystem(f->pool, "tank/src", false, &f->err));
    CHECK_OK(zrpc_zpool_add_filesystem(f->pool, "tank/in", false, &f->err));
    CHECK_OK(zrpc_zpool_write(f->pool, "tank/src", 40 << 20, &f->err)); /* kept on the way */
    CHECK_OK(zrpc_zpool_set(f->pool, "tank/src", &grows, 1, &f->err));
    CHECK_OK(zrpc_zpool_snapshot(f->pool, &first, 1, false, NULL, 0, &f->err));
    zrpc_zpool_close(f->pool);
}

static void open_again(struct fixture *f)
{
    CHECK_OK(zrpc_zpool_open(path, &f->pool, &f->err));
    f->zfs = zrpc_zpool_zfs(f->pool);
    count_wrongs("SELECT count(*) FROM claim"); /* of those who are gone */
}

static void clean(void)
{
    unlink(path);
    *strrchr(path, '/') = '\0';
    CHECK_INT(rmdir(path), 0); /* the log went with the last process */
    path[strlen(path)] = '/';
}

static void killed_at_any_instant(void)
{
    struct fixture f = {0};

    make(&f);
    for (int round = 0; round < 24; round++) {
        struct timespec pause = {.tv_nsec = (long)(zrpc_sim_mix((uint64_t)round) % 30000000)};
        pid_t pids[WORKERS];
        int status;

        for (int i = 0; i < WORKERS; i++)
            pids[i] = start(((uint64_t)round << 8) + (uint64_t)i, 0);
        nanosleep(&pause, NULL);
        for (int i = 0; i < WORKERS; i++) {
            CHECK_INT(kill(pids[i], SIGKILL), 0);
            CHECK_INT(waitpid(pids[i], &status, 0), pids[i]);
            CHECK(WIFSIGNALED(status)); /* else it found trouble by itself */
        }
        check_tables();
        open_again(&f);
        check_leftovers(&f);
        if (round % 8 == 7)
            finish_what_is_left(&f);
        zrpc_zpool_close(f.pool);
    }
    check_tables();
    clean();
}

static void processes_share_a_file(void)
{
    struct fixture f = {0};
    pid_t pids[WORKERS];
    int status;

    make(&f);
    for (int i = 0; i < WORKERS; i++)
        pids[i] = start(1000 + (uint64_t)i, 100);
    for (int i = 0; i < WORKERS; i++) {
        CHECK_INT(waitpid(pids[i], &status, 0), pids[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    check_tables();
    open_again(&f);
    check_leftovers(&f);
    finish_what_is_left(&f);
    zrpc_zpool_close(f.pool);
    clean();
}

static const struct zrpc_test tests[] = {
    {"processes share a file", processes_share_a_file},
    {"processes killed at any instant", killed_at_any_instant},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim/zpool_torture", tests, argc, argv);
}
