/*
 * zfs: what endpoints need of a pool, as a vtable. Implementations: the simulated pool (sim/zfs), and
 * whatever drives the `zfs` command.
 *
 * Every call may block, except for a source's `read` and a sink's `write`, and may be made from any thread,
 * also several at once. `cancelled` may be NULL; once it is true, a blocked call ends with
 * ZRPC_ERR_CANCELLED. What zfs refuses is ZRPC_ERR_ZFS with a text as the command's stderr would have it.
 *
 * Paths and names that reach the vtable have been checked with zrpc_zfs_dataset_check() and
 * zrpc_zfs_name_check(): an implementation may put them on a command line.
 */
#ifndef ZRPC_ZFS_H
#define ZRPC_ZFS_H

#include <stdatomic.h>
#include <stdint.h>

#include "zrpc/stream.h"

#define ZRPC_ZFS_NAME_MAX    256 /* a dataset's full name, FS@SNAPSHOT, with the terminating zero */
#define ZRPC_ZFS_NO_ESTIMATE (-1)

struct zrpc_zfs_filesystem {
    char path[ZRPC_ZFS_NAME_MAX];
    bool placeholder; /* the user property zrepl:placeholder is "on", locally */
};

struct zrpc_zfs_filesystems {
    struct zrpc_zfs_filesystem *items;
    size_t len, cap;
};

enum zrpc_zfs_version_type { ZRPC_ZFS_SNAPSHOT, ZRPC_ZFS_BOOKMARK };

struct zrpc_zfs_version {
    enum zrpc_zfs_version_type type;
    char name[ZRPC_ZFS_NAME_MAX]; /* without filesystem and delimiter */
    uint64_t guid;
    uint64_t createtxg;
    int64_t creation; /* seconds since 1970, UTC */
};

struct zrpc_zfs_versions {
    struct zrpc_zfs_version *items;
    size_t len, cap;
};

struct zrpc_zfs_send {
    const char *filesystem;
    const char *from;         /* "@snapshot", "#bookmark", or "": a full send */
    const char *to;           /* "@snapshot" */
    const char *resume_token; /* NULL, or send -t: the rest of the stream that the token tells; `from` and
                                 `to` are not looked at */
};

struct zrpc_zfs_receive {
    const char *filesystem;
    bool force;     /* recv -F: a full stream may replace a filesystem that has no snapshots */
    bool resumable; /* recv -s: what has come before a failure is kept, for a resume token to go on from */
};

/* What a resume token says (send -n -v -t). */
struct zrpc_zfs_token {
    char filesystem[ZRPC_ZFS_NAME_MAX]; /* as the sender knows it */
    char to[ZRPC_ZFS_NAME_MAX];         /* the snapshot's name, without filesystem and '@' */
    uint64_t to_guid;
    uint64_t from_guid; /* 0: a full stream */
    uint64_t bytes;     /* received so far */
};

struct zrpc_zfs_ops {
    const char *name; /* "sim", ... */
    /* Appends filesystems and volumes, sorted by path: all for root NULL, else those below root, without it.
     * A root that does not exist has none. */
    int (*list_filesystems)(void *ctx, atomic_bool *cancelled, const char *root,
                            struct zrpc_zfs_filesystems *out, struct zrpc_error *err);
    /* One filesystem: 1 and *out filled, or 0 when it does not exist. */
    int (*get_filesystem)(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_zfs_filesystem *out,
                          struct zrpc_error *err);
    /* Appends snapshots and bookmarks in createtxg order. */
    int (*list_versions)(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_zfs_versions *out,
                         struct zrpc_error *err);
    /* The size of the stream, bytes, or ZRPC_ZFS_NO_ESTIMATE (from a bookmark). */
    int (*estimate)(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, int64_t *bytes,
                    struct zrpc_error *err);
    int (*send)(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, struct zrpc_source *out,
                struct zrpc_error *err);
    /* The sink's finish makes the received snapshot appear. Closed without, nothing has happened, but for
     * what a resumable receive keeps. */
    int (*receive)(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_receive *receive,
                   struct zrpc_sink *out, struct zrpc_error *err);
    int (*destroy_snapshot)(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot,
                            struct zrpc_error *err);
    /* Creates the bookmark of the snapshot; one of that name is replaced. */
    int (*bookmark)(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot,
                    const char *bookmark, struct zrpc_error *err);
    /* zrepl:placeholder=on, mountpoint=none. The parent must exist, the filesystem must not. */
    int (*create_placeholder)(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_error *err);
    int (*set_placeholder)(void *ctx, atomic_bool *cancelled, const char *fs, bool placeholder,
                           struct zrpc_error *err);
    /* rollback -r: destroys the snapshots and bookmarks after it. */
    int (*rollback)(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot,
                    struct zrpc_error *err);
    /*
     * Resumable receives: all three, or none where the backend keeps nothing of a failed receive.
     */
    /* 1 and the token, with its terminating zero, appended to *out, if the filesystem holds a partial
     * receive; else 0.
     */
    int (*resume_token)(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_buf *out,
                        struct zrpc_error *err);
    /* Drops the partial receive, with the filesystem if that exists for it alone (recv -A). 0 also where
     * there is none. */
    int (*abort_receive)(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_error *err);
    /* ZRPC_ERR_ZFS for what is no token, or a damaged one. The token comes from a peer: anything may be in
     * it. */
    int (*read_token)(void *ctx, atomic_bool *cancelled, const char *token, struct zrpc_zfs_token *out,
                      struct zrpc_error *err);
};

struct zrpc_zfs {
    const struct zrpc_zfs_ops *ops;
    void *ctx;
};

/* All-zero lists are valid and empty. Pushing copies; NOMEM leaves the list as it was. */
int zrpc_zfs_filesystems_push(struct zrpc_zfs_filesystems *l, const struct zrpc_zfs_filesystem *fs,
                              struct zrpc_error *err);
void zrpc_zfs_filesystems_dispose(struct zrpc_zfs_filesystems *l);
int zrpc_zfs_versions_push(struct zrpc_zfs_versions *l, const struct zrpc_zfs_version *v,
                           struct zrpc_error *err);
void zrpc_zfs_versions_dispose(struct zrpc_zfs_versions *l);
/* NULL if there is none. */
const struct zrpc_zfs_version *zrpc_zfs_versions_find(const struct zrpc_zfs_versions *l,
                                                      enum zrpc_zfs_version_type type, const char *name);

/*
 * Names, as zfs allows them: letters, digits, "-_.: " and, between components, "/". 0, or ZRPC_ERR_USAGE with
 * a text that says what is wrong (ZR-MSG-026).
 */
/* One component: a snapshot's or bookmark's name, or a part of a path. Not "." or "..". */
int zrpc_zfs_name_check(const char *name, struct zrpc_error *err);
/* One or more components: no leading, trailing or double '/'. */
int zrpc_zfs_path_check(const char *path, struct zrpc_error *err);
/* A path from the pool on: the first component begins with a letter (so nothing that reads as an option
 * passes). */
int zrpc_zfs_dataset_check(const char *path, struct zrpc_error *err);
/* *out = a/b. ZRPC_ERR_USAGE where it would exceed zfs's limit. */
int zrpc_zfs_path_join(const char *a, const char *b, char out[static ZRPC_ZFS_NAME_MAX],
                       struct zrpc_error *err);
/* fs is root, or below it. */
bool zrpc_zfs_path_within(const char *fs, const char *root);
/* "@snapshot" or "#bookmark" (ZR-MSG-012); *name points into `relative`. */
int zrpc_zfs_version_parse(const char *relative, enum zrpc_zfs_version_type *type, const char **name,
                           struct zrpc_error *err);

/* Creation times on the wire: RFC 3339 (ZR-MSG-011), any offset when parsed, UTC when formatted. Years 0 to
 * 9999; ZRPC_ERR_USAGE beyond. Fractions of a second are dropped. */
#define ZRPC_ZFS_CREATION_MAX 32
int zrpc_zfs_creation_format(int64_t creation, char out[static ZRPC_ZFS_CREATION_MAX],
                             struct zrpc_error *err);
int zrpc_zfs_creation_parse(const char *text, int64_t *out, struct zrpc_error *err);

#endif
