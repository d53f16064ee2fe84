#include <errno.h>
#include <stdarg.h>

#include "zpool_internal.h"

/*
 * `key` is the name with \1 for '/', so that a tree is a range, in the tree's order. version.referenced,
 * filesystem.content and filesystem.held save adding up. A filesystem's own properties have version 0. A
 * property's local value is NULL where only a received one is there; `masked`: that one does not hold
 * (inherit without -S).
 */
const char *const zpool_schema =
    "CREATE TABLE pool(name TEXT NOT NULL, seed INTEGER NOT NULL, capacity INTEGER NOT NULL,"
    " txg INTEGER NOT NULL, derived INTEGER NOT NULL);"
    "CREATE TABLE filesystem(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES filesystem, name TEXT NOT "
    "NULL,"
    " key TEXT NOT NULL UNIQUE, volume INTEGER NOT NULL, inconsistent INTEGER NOT NULL, guid INTEGER NOT "
    "NULL,"
    " createtxg INTEGER NOT NULL, creation INTEGER NOT NULL, content INTEGER NOT NULL DEFAULT 0,"
    " held INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX filesystem_parent ON filesystem(parent);"
    "CREATE TABLE version(id INTEGER PRIMARY KEY, fs INTEGER NOT NULL REFERENCES filesystem ON DELETE "
    "CASCADE,"
    " bookmark INTEGER NOT NULL, name TEXT NOT NULL, guid INTEGER NOT NULL, createtxg INTEGER NOT NULL,"
    " creation INTEGER NOT NULL, referenced INTEGER NOT NULL, defer INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE(fs, bookmark, name));"
    "CREATE INDEX version_order ON version(fs, createtxg, bookmark);"
    "CREATE TABLE extent(fs INTEGER NOT NULL REFERENCES filesystem ON DELETE CASCADE, number INTEGER NOT "
    "NULL,"
    " txg INTEGER NOT NULL, seed INTEGER NOT NULL, length INTEGER NOT NULL, PRIMARY KEY(fs, number))"
    " WITHOUT ROWID;"
    "CREATE TABLE property(fs INTEGER NOT NULL REFERENCES filesystem ON DELETE CASCADE,"
    " version INTEGER NOT NULL, name TEXT NOT NULL, local TEXT, received TEXT,"
    " masked INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(fs, version, name)) WITHOUT ROWID;"
    "CREATE TABLE hold(version INTEGER NOT NULL REFERENCES version ON DELETE CASCADE, tag TEXT NOT NULL,"
    " created INTEGER NOT NULL, PRIMARY KEY(version, tag)) WITHOUT ROWID;"
    "CREATE TABLE claim(id INTEGER PRIMARY KEY, path TEXT, version INTEGER, handle INTEGER NOT NULL,"
    " pid INTEGER NOT NULL, started INTEGER NOT NULL);"
    "CREATE TABLE partial(fs INTEGER PRIMARY KEY REFERENCES filesystem ON DELETE CASCADE,"
    " toname TEXT NOT NULL, to_guid INTEGER NOT NULL, from_guid INTEGER NOT NULL, creation INTEGER NOT NULL,"
    " volume INTEGER NOT NULL, first_object INTEGER NOT NULL, object INTEGER NOT NULL,"
    " offset INTEGER NOT NULL, bytes INTEGER NOT NULL);"
    "CREATE TABLE partial_extent(fs INTEGER NOT NULL REFERENCES partial ON DELETE CASCADE,"
    " number INTEGER NOT NULL, seed INTEGER NOT NULL, length INTEGER NOT NULL, PRIMARY KEY(fs, number))"
    " WITHOUT ROWID;"
    "CREATE TRIGGER extent_comes AFTER INSERT ON extent BEGIN"
    " UPDATE filesystem SET content = content + new.length WHERE id = new.fs; END;"
    "CREATE TRIGGER extent_goes AFTER DELETE ON extent BEGIN"
    " UPDATE filesystem SET content = content - old.length WHERE id = old.fs; END;"
    "CREATE TRIGGER version_goes AFTER DELETE ON version BEGIN"
    " DELETE FROM property WHERE fs = old.fs AND version = old.id; END;";

#define FS_COLUMNS      "id, parent, name, volume, inconsistent, guid, createtxg, creation, content, held"
#define VERSION_COLUMNS "version.id, version.fs, bookmark, name, guid, createtxg, creation, referenced, defer"
#define KEY             "replace(?1, '/', char(1))"

static const char *const texts[SQL_N] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SAVEPOINT] = "SAVEPOINT inner",
    [SQL_RELEASE] = "RELEASE inner",
    [SQL_ROLLBACK_TO] = "ROLLBACK TO inner",
    [SQL_POOL_GET] = "SELECT name, seed, capacity, txg, derived FROM pool",
    [SQL_POOL_SET_TXG] = "UPDATE pool SET txg = ?, derived = ?",
    [SQL_FS_BY_NAME] = "SELECT " FS_COLUMNS " FROM filesystem WHERE key = " KEY,
    [SQL_FS_BY_ID] = "SELECT " FS_COLUMNS " FROM filesystem WHERE id = ?",
    [SQL_FS_INSERT] =
        "INSERT INTO filesystem(parent, name, key, volume, inconsistent, guid, createtxg,"
        " creation) VALUES(?2, ?1, " KEY ", ?3, ?4, ?5, ?6, ?7)",
    [SQL_FS_DELETE] = "DELETE FROM filesystem WHERE id = ?",
    [SQL_FS_SUBTREE] = "SELECT " FS_COLUMNS " FROM filesystem WHERE key >= " KEY " AND key < " KEY
                       " || char(2) ORDER BY key",
    [SQL_FS_USED] = "SELECT ifnull(sum(content + held), 0) FROM filesystem WHERE key >= " KEY
                    " AND key < " KEY " || char(2)",
    [SQL_FS_SET_STATE] = "UPDATE filesystem SET volume = ?2, inconsistent = ?3, held = ?4 WHERE id = ?1",
    [SQL_VERSION_BY_NAME] =
        "SELECT " VERSION_COLUMNS " FROM version WHERE fs = ? AND bookmark = ? AND name = ?",
    [SQL_VERSION_BY_GUID] = "SELECT " VERSION_COLUMNS
                            " FROM version WHERE fs = ? AND bookmark <= ?"
                            " AND guid = ? ORDER BY bookmark, createtxg LIMIT 1",
    [SQL_VERSION_INSERT] =
        "INSERT INTO version(fs, bookmark, name, guid, createtxg, creation, referenced)"
        " VALUES(?, ?, ?, ?, ?, ?, ?)",
    [SQL_VERSION_DELETE] = "DELETE FROM version WHERE id = ?",
    [SQL_VERSION_LIST] = "SELECT " VERSION_COLUMNS
                         ", (SELECT count(*) FROM hold WHERE version = version.id)"
                         " FROM version WHERE fs = ? ORDER BY createtxg, bookmark, id",
    [SQL_VERSION_AFTER] = "SELECT " VERSION_COLUMNS
                          " FROM version WHERE fs = ? AND createtxg > ?"
                          " ORDER BY createtxg, bookmark, id LIMIT 1",
    [SQL_SNAPSHOT_AFTER] = "SELECT " VERSION_COLUMNS
                           " FROM version WHERE fs = ? AND createtxg > ?"
                           " AND bookmark = 0 ORDER BY createtxg LIMIT 1",
    [SQL_VERSION_BEFORE] = "SELECT " VERSION_COLUMNS
                           " FROM version WHERE fs = ? AND createtxg < ?"
                           " AND bookmark = 0 ORDER BY createtxg DESC LIMIT 1",
    [SQL_VERSION_LAST] = "SELECT " VERSION_COLUMNS
                         " FROM version WHERE fs = ? AND bookmark = 0"
                         " ORDER BY createtxg DESC LIMIT 1",
    [SQL_VERSION_DEFER] = "UPDATE version SET defer = 1 WHERE id = ?",
    [SQL_EXTENT_INSERT] = "INSERT INTO extent(fs, number, txg, seed, length) VALUES(?, ?, ?, ?, ?)",
    [SQL_EXTENT_LIST] =
        "SELECT seed, length FROM extent WHERE fs = ? AND txg > ? AND txg <= ? ORDER BY number",
    [SQL_EXTENT_COUNT] = "SELECT count(*), ifnull(sum(length), 0) FROM extent WHERE fs = ? AND txg <= ?",
    [SQL_EXTENT_DROP] = "DELETE FROM extent WHERE fs = ? AND txg > ?",
    [SQL_PROPERTY_GET] =
        "SELECT local, received, masked FROM property"
        " WHERE fs = ? AND version = ? AND name = ?",
    [SQL_PROPERTY_USER] =
        "SELECT DISTINCT name FROM property WHERE name > ?2 AND instr(name, ':') AND"
        " (fs = ?1 AND version IN (0, ?3) OR version = 0 AND fs IN (WITH RECURSIVE up(id) AS"
        " (SELECT parent FROM filesystem WHERE id = ?1 UNION SELECT parent FROM"
        " filesystem, up WHERE filesystem.id = up.id) SELECT id FROM up)) ORDER BY name LIMIT 1",
    [SQL_PROPERTY_SET] =
        "INSERT INTO property(fs, version, name, local) VALUES(?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET local = excluded.local",
    [SQL_PROPERTY_SET_RECEIVED] =
        "INSERT INTO property(fs, version, name, received) VALUES(?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET received = excluded.received, masked = 0",
    [SQL_PROPERTY_MASK] =
        "UPDATE property SET local = NULL, masked = 1 WHERE fs = ? AND version = ?"
        " AND name = ?",
    [SQL_PROPERTY_REVERT] =
        "UPDATE property SET local = NULL, masked = 0 WHERE fs = ? AND version = ?"
        " AND name = ?",
    [SQL_HOLD_COUNT] = "SELECT count(*), ifnull(sum(tag = ?2), 0) FROM hold WHERE version = ?1",
    [SQL_HOLD_INSERT] = "INSERT INTO hold(version, tag, created) VALUES(?, ?, ?)",
    [SQL_HOLD_DELETE] = "DELETE FROM hold WHERE version = ? AND tag = ?",
    [SQL_HOLD_LIST] = "SELECT tag, created FROM hold WHERE version = ? ORDER BY tag",
    [SQL_CLAIM_LIST] = "SELECT id, handle, pid, started FROM claim WHERE path IS ? AND version IS ?",
    [SQL_CLAIM_ALL] = "SELECT id, handle, pid, started FROM claim",
    [SQL_CLAIM_INSERT] =
        "INSERT INTO claim(id, path, version, handle, pid, started) VALUES(?, ?, ?, ?, ?, ?)",
    [SQL_CLAIM_DELETE] = "DELETE FROM claim WHERE id = ?",
    [SQL_PARTIAL_GET] =
        "SELECT toname, to_guid, from_guid, creation, volume, first_object, object, offset,"
        " bytes FROM partial WHERE fs = ?",
    [SQL_PARTIAL_SET] =
        "INSERT INTO partial(fs, toname, to_guid, from_guid, creation, volume, first_object,"
        " object, offset, bytes) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET first_object = excluded.first_object, object = excluded.object,"
        " offset = excluded.offset, bytes = excluded.bytes",
    [SQL_PARTIAL_DELETE] = "DELETE FROM partial WHERE fs = ?",
    [SQL_PARTIAL_EXTENT_INSERT] =
        "INSERT OR REPLACE INTO partial_extent(fs, number, seed, length)"
        " VALUES(?, ?, ?, ?)",
    [SQL_PARTIAL_EXTENT_LIST] = "SELECT seed, length FROM partial_extent WHERE fs = ? ORDER BY number",
};

int zpool_sql_error(struct zrpc_zpool *p, struct zrpc_error *err)
{
    static const struct {
        int code, rc;
        const char *text;
    } rows[] = {
        {SQLITE_NOMEM, ZRPC_ERR_NOMEM, "out of memory"},
        {SQLITE_FULL, ZRPC_ERR_SYSTEM, "the disk is full"},
        {SQLITE_READONLY, ZRPC_ERR_SYSTEM, "the file is read-only"},
        {SQLITE_BUSY, ZRPC_ERR_SYSTEM, "another process keeps it locked"},
        {SQLITE_NOTADB, ZRPC_ERR_USAGE, "the file is no pool"},
        {SQLITE_CORRUPT, ZRPC_ERR_SYSTEM, "the file is damaged"},
    };
    const char *path = p->path == NULL ? "in memory" : p->path;
    int code = p->db == NULL ? SQLITE_NOMEM : sqlite3_errcode(p->db);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == (code & 0xff))
            return zrpc_fail(err, rows[i].rc, "pool %s: %s", path, rows[i].text);
    if ((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_IOERR) {
        int errnum = sqlite3_system_errno(p->db);

        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errnum == 0 ? EIO : errnum, "pool %s", path);
    }
    return zrpc_fail(err, ZRPC_ERR_SYSTEM, "pool %s: %s", path, sqlite3_errmsg(p->db));
}

static int bind(sqlite3_stmt *s, const char *form, va_list args)
{
    int rc = SQLITE_OK;

    for (int i = 1; rc == SQLITE_OK && *form != '\0'; i++, form++) {
        if (*form == 't')
            rc = sqlite3_bind_text(s, i, va_arg(args, const char *), -1, SQLITE_STATIC);
        else if (*form == 'i')
            rc = sqlite3_bind_int64(s, i, va_arg(args, int64_t));
        else
            rc = sqlite3_bind_int64(s, i, (int64_t)va_arg(args, uint64_t));
    }
    return rc;
}

sqlite3_stmt *zpool_bind(struct zrpc_zpool *p, enum zpool_sql which, const char *form, ...)
{
    sqlite3_stmt **s = &p->statements[which];
    int rc = SQLITE_OK;
    va_list args;

    if (*s == NULL)
        rc = sqlite3_prepare_v3(p->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
    if (rc == SQLITE_OK) {
        va_start(args, form);
        rc = bind(*s, form, args);
        va_end(args);
    }
    return rc == SQLITE_OK ? *s : NULL;
}

int zpool_step(struct zrpc_zpool *p, sqlite3_stmt *s, struct zrpc_error *err)
{
    int rc = s == NULL ? SQLITE_ERROR : sqlite3_step(s);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE) {
        sqlite3_reset(s);
        return 0;
    }
    rc = zpool_sql_error(p, err);
    if (s != NULL)
        sqlite3_reset(s);
    return rc;
}

void zpool_done(sqlite3_stmt *s)
{
    if (s != NULL)
        sqlite3_reset(s);
}

void zpool_text(sqlite3_stmt *s, int i, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(s, i);
    size_t len = text == NULL ? 0 : strnlen(text, size - 1);

    if (len > 0)
        memcpy(out, text, len);
    out[len] = '\0';
}

/* txg and derived: another process may have changed them. */
static int read_counters(struct zrpc_zpool *p, struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_POOL_GET, "");
    int rc = zpool_step(p, s, err);

    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "pool %s: the file is no pool", p->path);
    if (rc < 0)
        return rc;
    p->txg = (uint64_t)sqlite3_column_int64(s, 3);
    p->derived = (uint64_t)sqlite3_column_int64(s, 4);
    zpool_done(s);
    return 0;
}

static int begin(struct zrpc_zpool *p, bool write, struct zrpc_error *err)
{
    bool outer = p->depth == 0;
    int rc;

    if (write && (p->readonly || (!outer && !p->writing)))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "pool '%s' is read-only", p->name);
    rc = zpool_run(p, err, outer ? write ? SQL_BEGIN_WRITE : SQL_BEGIN_READ : SQL_SAVEPOINT, "");
    if (rc != 0)
        return rc;
    if (outer) {
        p->writing = write;
        rc = write ? read_counters(p, err) : 0;
    }
    if (rc == 0)
        p->depth++;
    else
        zpool_run(p, NULL, SQL_ROLLBACK, "");
    return rc;
}

int zpool_begin(struct zrpc_zpool *p, bool write, struct zrpc_error *err)
{
    int rc;

    pthread_mutex_lock(&p->mutex);
    rc = begin(p, write, err);
    if (rc != 0)
        pthread_mutex_unlock(&p->mutex);
    return rc;
}

int zpool_try_begin(struct zrpc_zpool *p, struct zrpc_error *err)
{
    bool busy;
    int rc;

    if (pthread_mutex_trylock(&p->mutex) != 0)
        return ZRPC_ERR_AGAIN;
    sqlite3_busy_timeout(p->db, 0);
    rc = begin(p, true, err);
    busy = rc != 0 && (sqlite3_errcode(p->db) & 0xff) == SQLITE_BUSY;
    sqlite3_busy_timeout(p->db, ZPOOL_BUSY_MS);
    if (rc != 0)
        pthread_mutex_unlock(&p->mutex);
    return busy ? ZRPC_ERR_AGAIN : rc;
}

static int end_outer(struct zrpc_zpool *p, int rc, struct zrpc_error *err)
{
    int ended = 0;

    if (rc >= 0 && p->writing)
        ended = zpool_run(p, err, SQL_POOL_SET_TXG, "uu", p->txg, p->derived);
    if (rc >= 0 && ended == 0)
        ended = zpool_run(p, err, SQL_COMMIT, "");
    /* SQLite may have rolled back by itself. */
    if ((rc < 0 || ended != 0) && !sqlite3_get_autocommit(p->db))
        zpool_run(p, NULL, SQL_ROLLBACK, "");
    return ended != 0 ? ended : rc;
}

int zpool_end(struct zrpc_zpool *p, int rc, struct zrpc_error *err)
{
    p->depth--;
    if (p->depth == 0) {
        rc = end_outer(p, rc, err);
    } else if (sqlite3_get_autocommit(p->db)) {
        rc = rc < 0 ? rc : zrpc_fail(err, ZRPC_ERR_SYSTEM, "pool '%s': the transaction was lost", p->name);
    } else {
        int undone = rc < 0 ? zpool_run(p, NULL, SQL_ROLLBACK_TO, "") : 0;
        int ended = zpool_run(p, rc < 0 ? NULL : err, SQL_RELEASE, "");

        rc = rc < 0 || ended == 0 ? rc : ended;
        (void)undone;
    }
    pthread_mutex_unlock(&p->mutex);
    return rc;
}
