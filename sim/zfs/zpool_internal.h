/*
 * The pool's parts, among themselves. Everything here is called between zpool_begin() and zpool_end(), unless
 * it says otherwise.
 */
#ifndef SIM_ZFS_ZPOOL_INTERNAL_H
#define SIM_ZFS_ZPOOL_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "sim/zfs/content.h"
#include "sim/zfs/zpool.h"

#define ZPOOL_APPLICATION_ID 0x7a706f6c /* "zpol" */
#define ZPOOL_VERSION        1
#define ZPOOL_CREATETXG_MAX  (UINT64_C(1) << 62)
#define ZPOOL_BUSY_MS        60000 /* how long another process's transaction may take */

/* zpool_sql.c has a text for each. */
enum zpool_sql {
    SQL_BEGIN_READ,
    SQL_BEGIN_WRITE,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_SAVEPOINT,
    SQL_RELEASE,
    SQL_ROLLBACK_TO,
    SQL_POOL_GET,
    SQL_POOL_SET_TXG,
    SQL_FS_BY_NAME,
    SQL_FS_BY_ID,
    SQL_FS_INSERT,
    SQL_FS_DELETE,
    SQL_FS_SUBTREE,
    SQL_FS_USED,
    SQL_FS_SET_STATE,
    SQL_VERSION_BY_NAME,
    SQL_VERSION_BY_GUID,
    SQL_VERSION_INSERT,
    SQL_VERSION_DELETE,
    SQL_VERSION_LIST,
    SQL_VERSION_AFTER,
    SQL_SNAPSHOT_AFTER,
    SQL_VERSION_BEFORE,
    SQL_VERSION_LAST,
    SQL_VERSION_DEFER,
    SQL_EXTENT_INSERT,
    SQL_EXTENT_LIST,
    SQL_EXTENT_COUNT,
    SQL_EXTENT_DROP,
    SQL_PROPERTY_GET,
    SQL_PROPERTY_USER,
    SQL_PROPERTY_SET,
    SQL_PROPERTY_SET_RECEIVED,
    SQL_PROPERTY_MASK,
    SQL_PROPERTY_REVERT,
    SQL_HOLD_COUNT,
    SQL_HOLD_INSERT,
    SQL_HOLD_DELETE,
    SQL_HOLD_LIST,
    SQL_CLAIM_LIST,
    SQL_CLAIM_ALL,
    SQL_CLAIM_INSERT,
    SQL_CLAIM_DELETE,
    SQL_PARTIAL_GET,
    SQL_PARTIAL_SET,
    SQL_PARTIAL_DELETE,
    SQL_PARTIAL_EXTENT_INSERT,
    SQL_PARTIAL_EXTENT_LIST,
    SQL_N
};

/* Held while a process lives: a snapshot that is being sent, or a path that is being received to. */
struct zpool_claim {
    struct zpool_claim *next; /* of the handle's, which `mutex` guards */
    int64_t id;               /* 0: not in the file */
};

struct zrpc_zpool {
    pthread_mutex_t mutex; /* recursive: of a transaction, and of all below */
    unsigned depth;        /* of transactions, one within another */
    bool writing;          /* the outermost one may change something */
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_N];
    char *path; /* NULL: in memory */
    bool readonly;
    char name[ZRPC_ZFS_NAME_MAX];
    uint64_t seed, capacity;
    int64_t handle; /* no other open handle has this number */
    struct zpool_claim *claims;
    uint64_t n_claims; /* there have been */
    /* As in the file, while a transaction runs. */
    uint64_t txg;     /* of the last change */
    uint64_t derived; /* creation times given out while building */
};

/*
 * zpool_sql.c: the file.
 */
extern const char *const zpool_schema;
/* What failed last in SQLite, as an error. */
int zpool_sql_error(struct zrpc_zpool *p, struct zrpc_error *err);
/* Not within a transaction, or within another. Read: sees the file as it is now. Write: no one else writes
 * until its end. ZRPC_ERR_ZFS in a pool that is read-only. */
int zpool_begin(struct zrpc_zpool *p, bool write, struct zrpc_error *err);
/* The same for writing, or ZRPC_ERR_AGAIN at once where another writes. */
int zpool_try_begin(struct zrpc_zpool *p, struct zrpc_error *err);
/* After a zpool_begin() that succeeded: commits if rc is not negative, else takes everything back. Returns
 * rc, or what went wrong with committing. */
int zpool_end(struct zrpc_zpool *p, int rc, struct zrpc_error *err);
/* The statement with its parameters bound: per character of `form`, 'i' an int64_t, 'u' a uint64_t, 't' a
 * text (NULL allowed). Texts must live until the statement is done. NULL: failed, zpool_step() says how. */
sqlite3_stmt *zpool_bind(struct zrpc_zpool *p, enum zpool_sql which, const char *form, ...);
/* 1: a row; 0: there are no more; or failed. First right after zpool_bind(). */
int zpool_step(struct zrpc_zpool *p, sqlite3_stmt *s, struct zrpc_error *err);
/* Ends a statement before its last row. */
void zpool_done(sqlite3_stmt *s);
/* Binds, and runs to its end: 0, or failed. */
#define zpool_run(p, err, ...) zpool_step((p), zpool_bind((p), __VA_ARGS__), (err))
/* Column i, a text, "" for NULL; cut to size. */
void zpool_text(sqlite3_stmt *s, int i, char *out, size_t size);

/*
 * zpool_dataset.c: what there is.
 */
struct zpool_fs {
    int64_t id, parent; /* parent 0: the pool itself */
    char name[ZRPC_ZFS_NAME_MAX];
    bool volume, inconsistent;
    uint64_t guid, createtxg;
    int64_t creation;
    uint64_t content, held; /* bytes: of its extents; of its partial receive */
};

struct zpool_version {
    int64_t id, fs;
    bool bookmark, defer;
    char name[ZRPC_ZFS_NAME_MAX];
    uint64_t guid, createtxg, referenced;
    int64_t creation;
};

/* Splits FS@SNAPSHOT and FS#BOOKMARK: *delimiter is '@', '#' or 0 (then *part is ""). ZRPC_ERR_ZFS with
 * `zfs`'s words for a name that cannot be; `what` comes before them: "cannot open". */
int zpool_split(const char *what, const char *name, char fs[static ZRPC_ZFS_NAME_MAX], char *delimiter,
                char part[static ZRPC_ZFS_NAME_MAX], struct zrpc_error *err);
/* 1 and *out, or 0. */
int zpool_fs_find(struct zrpc_zpool *p, const char *name, struct zpool_fs *out, struct zrpc_error *err);
int zpool_fs_by_id(struct zrpc_zpool *p, int64_t id, struct zpool_fs *out, struct zrpc_error *err);
/* "cannot open 'X': dataset does not exist" */
int zpool_fs_require(struct zrpc_zpool *p, const char *name, struct zpool_fs *out, struct zrpc_error *err);
int zpool_version_find(struct zrpc_zpool *p, int64_t fs, bool bookmark, const char *name,
                       struct zpool_version *out, struct zrpc_error *err);
/* In the filesystem: a snapshot, else a bookmark (if `any`), with this guid. */
int zpool_version_by_guid(struct zrpc_zpool *p, int64_t fs, bool any, uint64_t guid,
                          struct zpool_version *out, struct zrpc_error *err);
/* The newest snapshot. */
int zpool_version_last(struct zrpc_zpool *p, int64_t fs, struct zpool_version *out, struct zrpc_error *err);
void zpool_fs_read(sqlite3_stmt *s, struct zpool_fs *out);
void zpool_version_read(sqlite3_stmt *s, struct zpool_version *out);
/* Of the filesystem and all below it, bytes. */
int zpool_used(struct zrpc_zpool *p, const char *fs, uint64_t *out, struct zrpc_error *err);
/* How much the filesystem may grow. *quota: a quota is what bounds it, not the pool. pool_used: as
 * zpool_used() has it of the pool. */
int zpool_room(struct zrpc_zpool *p, const struct zpool_fs *fs, uint64_t pool_used, uint64_t *out,
               bool *quota, struct zrpc_error *err);
int zpool_datasets_push(struct zrpc_zpool_datasets *l, const struct zrpc_zpool_dataset *d,
                        struct zrpc_error *err);
/* The filesystem, or one of its versions, as listings have it; `used` and `available` of a filesystem apart.
 */
void zpool_describe(const struct zpool_fs *fs, const struct zpool_version *v, struct zrpc_zpool_dataset *out);

/*
 * zpool_change.c: what is made.
 */
/* The next transaction group; and a guid that the pool has given nothing else. */
int zpool_next_txg(struct zrpc_zpool *p, struct zrpc_error *err);
uint64_t zpool_new_guid(const struct zrpc_zpool *p, const char *name);
/* Of a name that does not exist. `what`: "cannot create" and the like. */
int zpool_fs_insert(struct zrpc_zpool *p, const char *what, const char *name, bool volume, bool inconsistent,
                    struct zpool_fs *out, struct zrpc_error *err);
/* id, of *v, is filled in. */
int zpool_version_insert(struct zrpc_zpool *p, struct zpool_version *v, struct zrpc_error *err);
/* The extents written after `after` and up to `upto`. */
int zpool_extents(struct zrpc_zpool *p, int64_t fs, uint64_t after, uint64_t upto,
                  struct zrpc_sim_extents *out, struct zrpc_error *err);
/* How many were written up to `upto`, and how long they are. */
int zpool_extents_count(struct zrpc_zpool *p, int64_t fs, uint64_t upto, uint64_t *n, uint64_t *length,
                        struct zrpc_error *err);
/* As the filesystem's `number`th, from 1. ZRPC_ERR_LIMIT where that is too many. */
int zpool_extent_insert(struct zrpc_zpool *p, int64_t fs, uint64_t number, uint64_t txg,
                        struct zrpc_sim_extent extent, struct zrpc_error *err);
int zpool_extents_drop(struct zrpc_zpool *p, int64_t fs, uint64_t after, struct zrpc_error *err);
/* Appends content, if there is room for it. */
int zpool_append(struct zrpc_zpool *p, const char *what, struct zpool_fs *fs,
                 const struct zrpc_sim_extent *extent, uint64_t txg, struct zrpc_error *err);

/*
 * zpool_set.c: properties. The value that holds for a dataset; 1, or 0 where none is set.
 */
int zpool_setting(struct zrpc_zpool *p, const struct zpool_fs *fs, const char *name,
                  struct zrpc_zpool_value *out, struct zrpc_error *err);
/* Sets them; `what`: "cannot set property for 'X'" and the like. version: NULL for the filesystem itself. */
int zpool_apply(struct zrpc_zpool *p, const char *what, const struct zpool_fs *fs,
                const struct zpool_version *version, const struct zrpc_zpool_setting *settings, size_t n,
                struct zrpc_error *err);
/* "10M" or "none" to bytes. False: it is none. */
bool zpool_parse_size(const char *text, uint64_t *out);

/*
 * zpool_destroy.c
 */
/* "cannot destroy snapshot X: dataset is busy" where it is held, or being sent; with `defer`, holds do not
 * matter. */
int zpool_check_unused(struct zrpc_zpool *p, const char *fs, const struct zpool_version *v, bool defer,
                       struct zrpc_error *err);
/* Destroys it, or has it destroyed with its last hold. */
int zpool_version_destroy(struct zrpc_zpool *p, const struct zpool_version *v, struct zrpc_error *err);
/* All versions after `txg`, with the content. Refuses as above. */
int zpool_cut_back(struct zrpc_zpool *p, const struct zpool_fs *fs, uint64_t txg, struct zrpc_error *err);

/*
 * zpool_claim.c
 */
/* 1: a process that lives claims the path (`version` 0), or the snapshot (`path` NULL); 0: none. */
int zpool_claimed(struct zrpc_zpool *p, const char *path, int64_t version, struct zrpc_error *err);
/* Within a transaction that writes. On failure, or when that is taken back, zpool_unclaim() is due as well.
 */
int zpool_claim(struct zrpc_zpool *p, struct zpool_claim *c, const char *path, int64_t version,
                struct zrpc_error *err);
/* Forgets those of processes that are gone. Not within a transaction. */
void zpool_claims_sweep(struct zrpc_zpool *p);
/* Not within a transaction. */
void zpool_unclaim(struct zrpc_zpool *p, struct zpool_claim *c);

/*
 * Slots of struct zrpc_zfs_ops: zpool_send.c, zpool_partial.c.
 */
int zpool_estimate(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, int64_t *bytes,
                   struct zrpc_error *err);
int zpool_send(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, struct zrpc_source *out,
               struct zrpc_error *err);
int zpool_resume_token(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_buf *out,
                       struct zrpc_error *err);
int zpool_abort_receive(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_error *err);
int zpool_read_token(void *ctx, atomic_bool *cancelled, const char *token, struct zrpc_zfs_token *out,
                     struct zrpc_error *err);

#endif
