#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "zpool_internal.h"

static int init_mutex(pthread_mutex_t *m)
{
    pthread_mutexattr_t attributes;
    int rc = pthread_mutexattr_init(&attributes);

    if (rc != 0)
        return rc;
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    rc = pthread_mutex_init(m, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return rc;
}

/* A number that no other handle has, on any pool, is all that it takes. */
static int64_t new_handle(void)
{
    uint64_t n;

    if (getrandom(&n, sizeof n, GRND_NONBLOCK) != (ssize_t)sizeof n) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        n = zrpc_sim_mix((uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 32 ^ (uint64_t)getpid() << 40);
    }
    return (int64_t)(n >> 1);
}

static int new_pool(const char *path, struct zrpc_zpool **out, struct zrpc_error *err)
{
    struct zrpc_zpool *p = calloc(1, sizeof *p);
    int rc;

    if (p != NULL && path != NULL)
        p->path = strdup(path);
    if (p == NULL || (path != NULL && p->path == NULL)) {
        free(p);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a pool");
    }
    rc = init_mutex(&p->mutex);
    if (rc != 0) {
        free(p->path);
        free(p);
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "mutex of a pool");
    }
    p->handle = new_handle();
    *out = p;
    return 0;
}

static void close_database(struct zrpc_zpool *p)
{
    for (size_t i = 0; i < SQL_N; i++) {
        sqlite3_finalize(p->statements[i]);
        p->statements[i] = NULL;
    }
    sqlite3_close(p->db);
    p->db = NULL;
}

void zrpc_zpool_close(struct zrpc_zpool *p)
{
    if (p == NULL)
        return;
    close_database(p);
    pthread_mutex_destroy(&p->mutex);
    free(p->path);
    free(p);
}

static int sql(struct zrpc_zpool *p, const char *text, struct zrpc_error *err)
{
    return sqlite3_exec(p->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : zpool_sql_error(p, err);
}

/*
 * Write-ahead log: readers and the writer do not wait for each other. It is not synced to the disk: what
 * processes wrote, the kernel keeps, also when they are killed. Only a machine that loses its power may lose
 * transactions, or the pool, which is a simulated one.
 */
static int open_database(struct zrpc_zpool *p, const char *path, int flags, struct zrpc_error *err)
{
    static const enum zpool_sql needed[] = {SQL_ROLLBACK, SQL_ROLLBACK_TO, SQL_RELEASE};
    int rc = sqlite3_open_v2(path, &p->db, flags | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc != SQLITE_OK)
        return zpool_sql_error(p, err);
    sqlite3_busy_timeout(p->db, ZPOOL_BUSY_MS);
    sqlite3_extended_result_codes(p->db, 1);
    rc = sql(p, "PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY", err);
    /* What takes a transaction back must be at hand when memory is out. */
    for (size_t i = 0; rc == 0 && i < sizeof needed / sizeof needed[0]; i++)
        if (zpool_bind(p, needed[i], "") == NULL)
            rc = zpool_sql_error(p, err);
    return rc;
}

static int64_t pragma(struct zrpc_zpool *p, const char *text)
{
    sqlite3_stmt *s = NULL;
    int64_t n = -1;

    if (sqlite3_prepare_v2(p->db, text, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

static int check_format(struct zrpc_zpool *p, struct zrpc_error *err)
{
    int64_t application = pragma(p, "PRAGMA application_id"), version;

    if (application < 0)
        return zpool_sql_error(p, err);
    if (application != ZPOOL_APPLICATION_ID)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "pool %s: an SQLite file, but no pool", p->path);
    version = pragma(p, "PRAGMA user_version");
    if (version != ZPOOL_VERSION)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "pool %s: has version %lld, expected %d", p->path,
                         (long long)version, ZPOOL_VERSION);
    return 0;
}

static int read_identity(struct zrpc_zpool *p, struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_POOL_GET, "");
    int rc = zpool_step(p, s, err);

    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "pool %s: the file is no pool", p->path);
    if (rc < 0)
        return rc;
    zpool_text(s, 0, p->name, sizeof p->name);
    p->seed = (uint64_t)sqlite3_column_int64(s, 1);
    p->capacity = (uint64_t)sqlite3_column_int64(s, 2);
    zpool_done(s);
    return 0;
}

bool zrpc_zpool_is_file(const char *path)
{
    static const char magic[16] = "SQLite format 3";
    char found[sizeof magic];
    FILE *f = fopen(path, "re");
    bool is = f != NULL && fread(found, sizeof found, 1, f) == 1 && memcmp(found, magic, sizeof magic) == 0;

    if (f != NULL)
        fclose(f);
    return is;
}

static int open_format(struct zrpc_zpool *p, const char *path, int flags, struct zrpc_error *err)
{
    int rc = open_database(p, path, flags, err);

    return rc != 0 ? rc : check_format(p, err);
}

/* Where not even the log's index can be made, because the folder is read-only as well, and nobody else has
 * the file open. */
static int open_immutable(struct zrpc_zpool *p, struct zrpc_error *err)
{
    size_t size = 3 * strlen(p->path) + 32;
    char *uri = malloc(size), *at = uri;
    int rc;

    if (uri == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a pool");
    at = stpcpy(at, "file:");
    for (const char *c = p->path; *c != '\0'; c++)
        at += strchr("%?#", *c) != NULL ? sprintf(at, "%%%02x", (unsigned char)*c) : sprintf(at, "%c", *c);
    strcpy(at, "?immutable=1");
    close_database(p);
    rc = open_format(p, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
    free(uri);
    return rc;
}

int zrpc_zpool_open(const char *path, struct zrpc_zpool **out, struct zrpc_error *err)
{
    struct zrpc_zpool *p;
    int rc;

    if (access(path, R_OK) != 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pool %s", path);
    if (!zrpc_zpool_is_file(path))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "pool %s: the file is no pool (expected an SQLite file)", path);
    rc = new_pool(path, &p, err);
    if (rc != 0)
        return rc;
    p->readonly = access(path, W_OK) != 0;
    rc = open_format(p, path, p->readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, err);
    if (rc == ZRPC_ERR_SYSTEM && p->readonly)
        rc = open_immutable(p, err);
    if (rc == 0)
        rc = read_identity(p, err);
    if (rc == 0 && !p->readonly)
        zpool_claims_sweep(p);
    if (rc == 0)
        *out = p;
    else
        zrpc_zpool_close(p);
    return rc;
}

/* The tables, the numbers, and the root filesystem, in an empty database. */
static int fill(struct zrpc_zpool *p, const struct zrpc_zpool_options *o, struct zrpc_error *err)
{
    char text[256];
    struct zpool_fs root;
    int rc;

    snprintf(text, sizeof text,
             "BEGIN IMMEDIATE; PRAGMA application_id = %d; PRAGMA user_version = %d;"
             "INSERT INTO pool VALUES('%s', %lld, %lld, 0, 0); COMMIT",
             ZPOOL_APPLICATION_ID, ZPOOL_VERSION, o->name, (long long)p->seed, (long long)p->capacity);
    rc = sql(p, zpool_schema, err);
    if (rc == 0)
        rc = sql(p, text, err);
    if (rc == 0)
        rc = zpool_begin(p, true, err);
    if (rc != 0)
        return rc;
    return zpool_end(p, zpool_fs_insert(p, "cannot create", o->name, false, false, &root, err), err);
}

static int create_in(const char *path, const char *shown, const struct zrpc_zpool_options *o,
                     struct zrpc_zpool **out, struct zrpc_error *err)
{
    struct zrpc_zpool *p;
    int rc = new_pool(shown, &p, err);

    if (rc != 0)
        return rc;
    memcpy(p->name, o->name, strlen(o->name) + 1);
    p->seed = o->seed != 0 || path == NULL ? o->seed : (uint64_t)new_handle();
    p->capacity = o->capacity == 0 || o->capacity > ZRPC_SIM_CONTENT_MAX ? ZRPC_SIM_CONTENT_MAX : o->capacity;
    rc = open_database(p, path == NULL ? ":memory:" : path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err);
    if (rc == 0)
        rc = fill(p, o, err);
    if (rc == 0 && path != NULL)
        rc = sql(p, "PRAGMA journal_mode = WAL", err);
    if (rc == 0)
        *out = p;
    else
        zrpc_zpool_close(p);
    return rc;
}

/* Made beside its place and linked there when it is complete, so that nobody sees half a pool. */
static int create_file(const char *path, const struct zrpc_zpool_options *o, struct zrpc_zpool **out,
                       struct zrpc_error *err)
{
    struct zrpc_zpool *p;
    char *draft;
    int rc, fd;

    if (asprintf(&draft, "%s.new-XXXXXX", path) < 0)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a pool");
    fd = mkstemp(draft);
    if (fd < 0) {
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pool %s", path);
        free(draft);
        return rc;
    }
    rc = fchmod(fd, 0644) != 0 ? zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pool %s", path) : 0;
    close(fd);
    if (rc == 0)
        rc = create_in(draft, path, o, &p, err);
    if (rc == 0) {
        zrpc_zpool_close(p);
        if (link(draft, path) != 0)
            rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pool %s", path);
    }
    unlink(draft);
    free(draft);
    return rc == 0 ? zrpc_zpool_open(path, out, err) : rc;
}

int zrpc_zpool_create(const char *path, const struct zrpc_zpool_options *options, struct zrpc_zpool **out,
                      struct zrpc_error *err)
{
    int rc = zrpc_zfs_dataset_check(options->name, err);

    if (rc == 0)
        rc = zrpc_zfs_name_check(options->name, err);
    if (rc != 0)
        return rc;
    if (path == NULL)
        return create_in(NULL, NULL, options, out, err);
    return create_file(path, options, out, err);
}

const char *zrpc_zpool_name(const struct zrpc_zpool *p)
{
    return p->name;
}
