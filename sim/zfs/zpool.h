/*
 * The simulated pool: filesystems, volumes, snapshots, bookmarks, properties and holds, with zfs's rules and
 * zfs's words where it refuses. It lives in one SQLite file, or in memory for one handle alone.
 *
 * A handle is thread-safe, and any number of processes may have the same file open. Every change is one
 * transaction: a process that is killed has made it, or has not. What a process holds while it lives (a
 * snapshot being sent, a filesystem being received) is free as soon as the process is gone. A handle must not
 * be used across fork().
 *
 * A filesystem's content only grows: a list of extents (content.h), each a seed and a length. A snapshot has
 * all of them up to its createtxg, a full send carries those, an incremental one those in between. So content
 * costs nothing, and what was received can be sent on and compared. There are no clones.
 *
 * What zfs would refuse is ZRPC_ERR_ZFS with the text of the real command's stderr, without its last newline
 * ("cannot open 'tank/a': dataset does not exist"). Trouble with the file is ZRPC_ERR_SYSTEM. Names are
 * checked here: any text may come in.
 */
#ifndef SIM_ZFS_ZPOOL_H
#define SIM_ZFS_ZPOOL_H

#include "zrpc/zfs.h"

struct zrpc_zpool;

struct zrpc_zpool_options {
    const char *name;
    uint64_t seed;     /* decides all GUIDs that are not given; 0: by chance, in a file */
    uint64_t capacity; /* bytes; 0: 2^60, the most */
};

/* A new pool, with its root filesystem. path NULL: in memory. A file that exists is an error. */
int zrpc_zpool_create(const char *path, const struct zrpc_zpool_options *options, struct zrpc_zpool **out,
                      struct zrpc_error *err);
/* ZRPC_ERR_SYSTEM for a file that is not there or cannot be read, ZRPC_ERR_USAGE for one that is no pool, or
 * of another version. A file that may not be written opens, and refuses changes. */
int zrpc_zpool_open(const char *path, struct zrpc_zpool **out, struct zrpc_error *err);
/* Whether the file begins as an SQLite file does (so that a pool's YAML file can be told from it). */
bool zrpc_zpool_is_file(const char *path);
/* Every source and sink must be closed. NULL is allowed. */
void zrpc_zpool_close(struct zrpc_zpool *p);
/* Valid until close. */
struct zrpc_zfs zrpc_zpool_zfs(struct zrpc_zpool *p);
const char *zrpc_zpool_name(const struct zrpc_zpool *p);

/*
 * Listing.
 */
enum zrpc_zpool_type { /* to be combined where several are meant */
                       ZRPC_ZPOOL_FILESYSTEM = 1,
                       ZRPC_ZPOOL_VOLUME = 2,
                       ZRPC_ZPOOL_SNAPSHOT = 4,
                       ZRPC_ZPOOL_BOOKMARK = 8,
};
#define ZRPC_ZPOOL_ALL_TYPES 15u

struct zrpc_zpool_dataset {
    enum zrpc_zpool_type type;
    char name[ZRPC_ZFS_NAME_MAX]; /* in full: FS, FS@SNAPSHOT, FS#BOOKMARK */
    uint64_t guid, createtxg;
    int64_t creation;
    uint64_t used, available, referenced, written; /* bytes; available: of filesystems and volumes */
    uint64_t userrefs;                             /* holds */
    bool defer_destroy;
    bool inconsistent;   /* there for a partial receive alone */
    int64_t fs, version; /* the pool's own; version 0: the filesystem itself */
};

struct zrpc_zpool_datasets {
    struct zrpc_zpool_dataset *items;
    size_t len, cap;
};

#define ZRPC_ZPOOL_ANY_DEPTH (-1)

/* Appends, of `root` (any kind of dataset; NULL: the pool) and what is below it, down to `depth` levels (0:
 * root alone; snapshots and bookmarks are one level below their filesystem), what `types` admits. A tree in
 * order: each filesystem, its versions in createtxg order, its children by name. (zfs list sorts by strcmp()
 * of the whole path; sort for that.) */
int zrpc_zpool_list(struct zrpc_zpool *p, const char *root, int depth, unsigned types,
                    struct zrpc_zpool_datasets *out, struct zrpc_error *err);
void zrpc_zpool_datasets_dispose(struct zrpc_zpool_datasets *l);
/* One dataset; ZRPC_ERR_ZFS "cannot open 'X': dataset does not exist". */
int zrpc_zpool_open_dataset(struct zrpc_zpool *p, const char *name, struct zrpc_zpool_dataset *out,
                            struct zrpc_error *err);

/*
 * Properties.
 */
#define ZRPC_ZPOOL_VALUE_MAX 8192 /* with the terminating zero */

enum zrpc_zpool_source {
    ZRPC_ZPOOL_NONE, /* shown as "-" */
    ZRPC_ZPOOL_DEFAULT,
    ZRPC_ZPOOL_LOCAL,
    ZRPC_ZPOOL_INHERITED, /* "inherited from FROM" */
    ZRPC_ZPOOL_RECEIVED,
};

enum zrpc_zpool_kind {
    ZRPC_ZPOOL_TEXT,
    ZRPC_ZPOOL_NUMBER,
    ZRPC_ZPOOL_SIZE,
    ZRPC_ZPOOL_TIME,
    ZRPC_ZPOOL_RATIO
};

/* A native property. */
struct zrpc_zpool_property {
    const char *name;
    const char *short_name; /* that zfs takes as well: "avail", "refer", ...; NULL: none */
    enum zrpc_zpool_kind kind;
    unsigned types; /* what has it */
    bool readonly;
    bool inherits;
    const char *values;  /* "on | off"; NULL: any of its kind */
    const char *initial; /* the default; NULL: has none, is computed */
};

/* All of them, in the order in which `zfs get all` shows them. *n: how many. */
const struct zrpc_zpool_property *zrpc_zpool_properties(size_t *n);
/* By either name; NULL: no native property. Names with ':' are user properties. */
const struct zrpc_zpool_property *zrpc_zpool_property_find(const char *name);

struct zrpc_zpool_value {
    char name[ZRPC_ZFS_NAME_MAX];
    char value[ZRPC_ZPOOL_VALUE_MAX]; /* as with -p: sizes in bytes, times in seconds, ratios "1.00" */
    enum zrpc_zpool_source source;
    char from[ZRPC_ZFS_NAME_MAX]; /* of INHERITED */
    bool has_received;
    char received[ZRPC_ZPOOL_VALUE_MAX];
};

/* 1 and *out; or 0: the dataset has no such property (`zfs get` shows "-" as its value and source). The
 * dataset is one of a listing or of zrpc_zpool_open_dataset(): its own figures are not read again. */
int zrpc_zpool_get(struct zrpc_zpool *p, const struct zrpc_zpool_dataset *d, const char *name,
                   struct zrpc_zpool_value *out, struct zrpc_error *err);
/* All that it has: native ones in their order, then user properties by name. A callback that does not answer
 * 0 ends it, and its answer is the result; it must not call the pool. */
int zrpc_zpool_get_all(struct zrpc_zpool *p, const struct zrpc_zpool_dataset *d,
                       int (*each)(void *ctx, const struct zrpc_zpool_value *v, struct zrpc_error *err),
                       void *ctx, struct zrpc_error *err);

struct zrpc_zpool_setting {
    const char *name, *value;
};

/* All of them or none. Sizes may have a suffix (10G). */
int zrpc_zpool_set(struct zrpc_zpool *p, const char *dataset, const struct zrpc_zpool_setting *settings,
                   size_t n, struct zrpc_error *err);
/* As what a stream brought: `received`. */
int zrpc_zpool_set_received(struct zrpc_zpool *p, const char *dataset, const char *name, const char *value,
                            struct zrpc_error *err);
/* revert: -S, back to the received value. recursive: -r. */
int zrpc_zpool_inherit(struct zrpc_zpool *p, const char *dataset, const char *name, bool revert,
                       bool recursive, struct zrpc_error *err);

/*
 * Changes.
 */
struct zrpc_zpool_new {
    const char *name;
    bool parents; /* -p: missing ones are made; one that exists is fine */
    bool volume;
    uint64_t volsize;
    const struct zrpc_zpool_setting *settings;
    size_t n_settings;
};
int zrpc_zpool_create_filesystem(struct zrpc_zpool *p, const struct zrpc_zpool_new *create,
                                 struct zrpc_error *err);

/* What the next snapshot will have, `bytes` more than there is: the simulation's way of writing files. (The
 * user property `sim:written` does that for every snapshot taken: so much was written before it.) */
int zrpc_zpool_write(struct zrpc_zpool *p, const char *fs, uint64_t bytes, struct zrpc_error *err);

/* FS@SNAPSHOT each, all at once or none, with one createtxg. */
int zrpc_zpool_snapshot(struct zrpc_zpool *p, const char *const *names, size_t n, bool recursive,
                        const struct zrpc_zpool_setting *settings, size_t n_settings, struct zrpc_error *err);
/* `source`: FS@SNAPSHOT or FS#BOOKMARK; `bookmark`: FS#BOOKMARK. replace: one of that name may be there. */
int zrpc_zpool_bookmark(struct zrpc_zpool *p, const char *source, const char *bookmark, bool replace,
                        struct zrpc_error *err);

enum zrpc_zpool_destroy_flags {
    ZRPC_ZPOOL_RECURSIVE = 1,
    ZRPC_ZPOOL_DEFER = 2,   /* -d: a snapshot with holds goes with the last of them */
    ZRPC_ZPOOL_DRY_RUN = 4, /* -n */
};
/* A filesystem (with its snapshots and children if RECURSIVE, else it must have none; bookmarks never keep
 * it), or one bookmark, or snapshots: "FS@A,B", "FS@A%C", "FS@%", "FS@A%", "FS@%C", and lists of those; all
 * of them or none. RECURSIVE with snapshots: those of that name in all filesystems below. `out` may be NULL,
 * else what was (or would be) destroyed is appended. */
int zrpc_zpool_destroy(struct zrpc_zpool *p, const char *name, unsigned flags,
                       struct zrpc_zpool_datasets *out, struct zrpc_error *err);
/* To FS@SNAPSHOT. recursive: -r, destroys newer snapshots and bookmarks, which otherwise refuse it. */
int zrpc_zpool_rollback(struct zrpc_zpool *p, const char *snapshot, bool recursive, struct zrpc_error *err);

struct zrpc_zpool_hold {
    char snapshot[ZRPC_ZFS_NAME_MAX];
    char tag[ZRPC_ZFS_NAME_MAX];
    int64_t when; /* seconds since 1970 */
};
struct zrpc_zpool_holds {
    struct zrpc_zpool_hold *items;
    size_t len, cap;
};
/* Of several snapshots, all or none. */
int zrpc_zpool_hold(struct zrpc_zpool *p, const char *const *snapshots, size_t n, const char *tag,
                    bool recursive, struct zrpc_error *err);
int zrpc_zpool_release(struct zrpc_zpool *p, const char *const *snapshots, size_t n, const char *tag,
                       bool recursive, struct zrpc_error *err);
/* Appends, by snapshot in listing order and tag. */
int zrpc_zpool_holds(struct zrpc_zpool *p, const char *snapshot, bool recursive, struct zrpc_zpool_holds *out,
                     struct zrpc_error *err);
void zrpc_zpool_holds_dispose(struct zrpc_zpool_holds *l);

/*
 * Streams. Sending, estimates (-n), tokens and -A: struct zrpc_zfs has them; its calls do not block for
 * longer than another process's transaction takes.
 */
struct zrpc_zpool_receive {
    const char *target; /* FS, or FS@SNAPSHOT to name the snapshot otherwise than the stream does */
    bool force;         /* -F */
    bool resumable;     /* -s */
    bool unmounted;     /* -u; the simulation mounts nothing */
    const struct zrpc_zpool_setting *settings; /* -o */
    size_t n_settings;
    const char *const *excluded; /* -x */
    size_t n_excluded;
};
/* What the strings say is copied. The sink's errors have the real command's text; on any failure, and when it
 * is closed unfinished, the pool is as before, but for what a resumable receive keeps. */
int zrpc_zpool_receive(struct zrpc_zpool *p, const struct zrpc_zpool_receive *receive, struct zrpc_sink *out,
                       struct zrpc_error *err);

/* The fletcher-4 of all the snapshot's content: the same for a snapshot and what was received of it. Takes as
 * long as making the content does. */
int zrpc_zpool_digest(struct zrpc_zpool *p, const char *snapshot, uint64_t digest[static 4],
                      struct zrpc_error *err);

/*
 * Building, for tests and the pool's YAML file: versions with numbers as given. Refusals are ZRPC_ERR_ZFS or
 * ZRPC_ERR_USAGE.
 */
/* Everything until end is one transaction (begin waits for other writers, other calls of this handle's other
 * threads wait for the end). */
int zrpc_zpool_build_begin(struct zrpc_zpool *p, struct zrpc_error *err);
int zrpc_zpool_build_end(struct zrpc_zpool *p, struct zrpc_error *err);
/* placeholder: zrepl:placeholder=on. */
int zrpc_zpool_add_filesystem(struct zrpc_zpool *p, const char *fs, bool placeholder, struct zrpc_error *err);
/* Snapshots 000001, 000002, ... of nothing new, all derived. */
int zrpc_zpool_add_series(struct zrpc_zpool *p, const char *fs, uint64_t n, struct zrpc_error *err);
/* A snapshot with `written` bytes more than the one before it. guid, createtxg and creation that are 0 are
 * derived and stored in *v. createtxg must be above that of all the filesystem's snapshots. */
int zrpc_zpool_add_snapshot(struct zrpc_zpool *p, const char *fs, struct zrpc_zfs_version *v,
                            uint64_t written, struct zrpc_error *err);
/* A bookmark as given; of a snapshot that is still there, or is gone. */
int zrpc_zpool_add_bookmark(struct zrpc_zpool *p, const char *fs, const struct zrpc_zfs_version *v,
                            struct zrpc_error *err);

#endif
