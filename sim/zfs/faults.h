/*
 * Faults of a zfs: what goes wrong with it on purpose. A plan says what, where and how often; laid over any
 * `struct zrpc_zfs`, it makes that one fail. sim/zfs/README.md has the plan's keys.
 *
 * A plan is repeatable: whether a fault strikes, and at which byte of a range, depends on the seed, the
 * fault's place in the plan, the filesystem, and how many times the fault could have struck there before;
 * on nothing else. Thread-safe.
 */
#ifndef SIM_ZFS_FAULTS_H
#define SIM_ZFS_FAULTS_H

#include "zrpc/clock.h"
#include "zrpc/yaml.h"
#include "zrpc/zfs.h"

#define ZRPC_ZFS_FAULT_TEXT_MAX 256 /* bytes, with the terminating zero */
#define ZRPC_ZFS_STRUCK_MAX     8   /* faults that strike one operation; more do not */

/* X(name, word in a plan) */
#define ZRPC_ZFS_OPERATION_MAP(X) \
    X(FILESYSTEMS, "filesystems") \
    X(GET, "get")                 \
    X(LIST, "list")               \
    X(ESTIMATE, "estimate")       \
    X(SEND, "send")               \
    X(RECEIVE, "receive")         \
    X(SNAPSHOT, "snapshot")       \
    X(DESTROY, "destroy")         \
    X(BOOKMARK, "bookmark")       \
    X(CREATE, "create")           \
    X(SET, "set")                 \
    X(ROLLBACK, "rollback")       \
    X(HOLD, "hold")               \
    X(ABORT, "abort")

enum zrpc_zfs_operation {
#define ZRPC_ZFS_OPERATION_ENUM(name, word) ZRPC_ZFS_OP_##name,
    ZRPC_ZFS_OPERATION_MAP(ZRPC_ZFS_OPERATION_ENUM)
#undef ZRPC_ZFS_OPERATION_ENUM
        ZRPC_ZFS_OPERATIONS
};

enum zrpc_zfs_action {
    ZRPC_ZFS_FAULT_REFUSE, /* the operation is refused with `text`, before it does anything */
    ZRPC_ZFS_FAULT_DELAY,  /* it begins after `lasts` */
    ZRPC_ZFS_FAULT_BUSY,   /* it is refused with zfs's words for what is busy */
    ZRPC_ZFS_FAULT_FAIL,   /* the stream fails with `text` at byte `at` */
    ZRPC_ZFS_FAULT_FULL,   /* the same with zfs's words for a full disk */
    ZRPC_ZFS_FAULT_STALL,  /* nothing moves from byte `at` on, for `lasts`, or, where that is 0, for ever */
    ZRPC_ZFS_FAULT_SLOW,   /* the stream moves `rate` bytes a second */
    ZRPC_ZFS_FAULT_CRASH,  /* zfs ends at `when` */
    ZRPC_ZFS_FAULT_ACTIONS
};

enum zrpc_zfs_when {
    ZRPC_ZFS_AT_BYTE,       /* byte `at` of the stream */
    ZRPC_ZFS_BEFORE_COMMIT, /* with the work done, but nothing changed */
    ZRPC_ZFS_AFTER_COMMIT   /* with everything changed, but nobody told */
};

struct zrpc_zfs_fault {
    char filesystem[ZRPC_ZFS_NAME_MAX]; /* it, and every path that ends in it; empty: all */
    char snapshot[ZRPC_ZFS_NAME_MAX];   /* without '@'; empty: all */
    uint32_t operations;                /* bit by operation */
    enum zrpc_zfs_action action;
    char text[ZRPC_ZFS_FAULT_TEXT_MAX];
    uint64_t at,
        at_last; /* the first byte that does not pass; of a range: where it is, is a matter of luck */
    zrpc_time lasts;
    uint64_t rate; /* bytes a second */
    enum zrpc_zfs_when when;
    uint64_t skip;      /* it does not strike the first times that it could, on each filesystem */
    uint64_t times;     /* how often it strikes, on each filesystem; 0: always */
    double probability; /* 0: as 1 */
};

struct zrpc_zfs_faults;

/* A plan without faults. */
int zrpc_zfs_faults_new(uint64_t seed, struct zrpc_zfs_faults **out, struct zrpc_error *err);
/* ZRPC_ERR_USAGE with all mistakes of the file, a line "FILE:LINE: KEY: ..." each. */
int zrpc_zfs_faults_load(const char *file, struct zrpc_zfs_faults **out, struct zrpc_error *err);
/* The same for a text; `name` is for messages. */
int zrpc_zfs_faults_parse(const char *name, struct zrpc_view text, struct zrpc_zfs_faults **out,
                          struct zrpc_error *err);
/* Every source and sink must be closed. NULL is allowed. */
void zrpc_zfs_faults_free(struct zrpc_zfs_faults *p);
/* Before the plan is used. ZRPC_ERR_USAGE for a fault that makes no sense. */
int zrpc_zfs_faults_add(struct zrpc_zfs_faults *p, const struct zrpc_zfs_fault *fault,
                        struct zrpc_error *err);
/* Counts in a file, which is created where it is missing, together with all processes that use it: so `times`
 * and `skip` hold for all of them. A line for each time that a fault could strike. */
int zrpc_zfs_faults_share(struct zrpc_zfs_faults *p, const char *file, struct zrpc_error *err);
/* What a crash does: does not return (ends the process). Without one, the operation fails, and a sink is left
 * unfinished. */
void zrpc_zfs_faults_on_crash(struct zrpc_zfs_faults *p, void (*crash)(void));

/* Adds a sequence of faults, as a plan's `faults` has it: for files that hold a plan among other things. What
 * is wrong with it is noted in *y. */
void zrpc_zfs_faults_read(struct zrpc_yaml *y, yaml_node_t *sequence, struct zrpc_zfs_faults *p);
/* Adds what a filesystem's `fault` says in a pool's file: open_error, open_delay, ... */
void zrpc_zfs_faults_read_of(struct zrpc_yaml *y, const char *fs, yaml_node_t *mapping,
                             struct zrpc_zfs_faults *p);

/*
 * The plan laid over a zfs. Both are borrowed; *f must stay as long as what comes back is used.
 */
struct zrpc_zfs_faulty {
    struct zrpc_zfs_faults *plan;
    struct zrpc_zfs inner;
};

struct zrpc_zfs zrpc_zfs_faulty(struct zrpc_zfs_faulty *f);

/*
 * For operations that the vtable does not have: which faults strike this time; then before it, and after it.
 */
struct zrpc_zfs_struck {
    struct zrpc_zfs_faults *plan;
    enum zrpc_zfs_operation operation;
    const char *filesystem, *snapshot; /* snapshot may be NULL */
    const struct zrpc_zfs_fault *faults[ZRPC_ZFS_STRUCK_MAX];
    uint64_t at[ZRPC_ZFS_STRUCK_MAX];
    size_t n;
};

/* The strings are borrowed. A NULL plan strikes nothing. */
int zrpc_zfs_faults_strike(struct zrpc_zfs_faults *p, enum zrpc_zfs_operation operation,
                           const char *filesystem, const char *snapshot, struct zrpc_zfs_struck *out,
                           struct zrpc_error *err);
/* Delays, and refusals (ZRPC_ERR_ZFS, ZRPC_ERR_CANCELLED). */
int zrpc_zfs_struck_before(const struct zrpc_zfs_struck *s, atomic_bool *cancelled, struct zrpc_error *err);
/* A crash before or after the commit. */
int zrpc_zfs_struck_commit(const struct zrpc_zfs_struck *s, enum zrpc_zfs_when when, struct zrpc_error *err);

/* Lays what strikes a stream over it; *source, *sink are replaced. They are left as they were on failure, and
 * where nothing strikes. */
int zrpc_zfs_struck_source(const struct zrpc_zfs_struck *s, struct zrpc_source *source,
                           struct zrpc_error *err);
int zrpc_zfs_struck_sink(const struct zrpc_zfs_struck *s, struct zrpc_sink *sink, struct zrpc_error *err);

#endif
