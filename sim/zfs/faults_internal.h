/*
 * The parts of a plan of faults, among themselves.
 */
#ifndef SIM_ZFS_FAULTS_INTERNAL_H
#define SIM_ZFS_FAULTS_INTERNAL_H

#include <pthread.h>

#include "sim/zfs/faults.h"

/*
 * Flow: when a struck stream may move how much. Sans-I/O: told the time, it says until when to wait.
 */
enum zrpc_zfs_flow_verdict {
    ZRPC_ZFS_FLOW_GO,     /* up to *len bytes */
    ZRPC_ZFS_FLOW_WAIT,   /* ask again at *until, which may be ZRPC_NEVER */
    ZRPC_ZFS_FLOW_STRUCK, /* it ends here, by *fault */
};

struct zrpc_zfs_flow {
    struct zrpc_zfs_struck struck;
    uint64_t moved;
    zrpc_time began;                           /* 0: not yet */
    zrpc_time stall_over[ZRPC_ZFS_STRUCK_MAX]; /* 0: not begun */
};

/* Whether any of it concerns the moving of bytes. */
bool zrpc_zfs_flow_concerned(const struct zrpc_zfs_struck *s);
enum zrpc_zfs_flow_verdict zrpc_zfs_flow_next(struct zrpc_zfs_flow *f, zrpc_time now, size_t *len,
                                              zrpc_time *until, const struct zrpc_zfs_fault **fault);
void zrpc_zfs_flow_moved(struct zrpc_zfs_flow *f, size_t n);

/*
 * Alarms: descriptors that become readable at a time. One thread for all of a plan's, which begins with the
 * first; no timerfd, which libfaketime cannot speed up.
 */
struct zrpc_zfs_alarm {
    struct zrpc_zfs_alarm *next;
    zrpc_time when; /* ZRPC_NEVER: not set, or over */
    int fd;
};

struct zrpc_zfs_alarms {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    bool running, stop;
    struct zrpc_zfs_alarm *list;
};

int zrpc_zfs_alarms_init(struct zrpc_zfs_alarms *c, struct zrpc_error *err);
void zrpc_zfs_alarms_dispose(struct zrpc_zfs_alarms *c);
int zrpc_zfs_alarm_open(struct zrpc_zfs_alarms *c, struct zrpc_zfs_alarm *a, struct zrpc_error *err);
void zrpc_zfs_alarm_close(struct zrpc_zfs_alarms *c, struct zrpc_zfs_alarm *a);
/* Its descriptor is not readable from here until `when`. */
void zrpc_zfs_alarm_set(struct zrpc_zfs_alarms *c, struct zrpc_zfs_alarm *a, zrpc_time when);

/*
 * Counts: how often a fault could have struck a filesystem, and how often it did.
 */
struct zrpc_zfs_count {
    size_t fault;
    char filesystem[ZRPC_ZFS_NAME_MAX];
    uint64_t seen, struck;
};

struct zrpc_zfs_counts {
    struct zrpc_zfs_count *items;
    size_t len, cap;
    int fd;              /* the file that they are shared by; -1: none */
    uint64_t read;       /* bytes of it that are counted */
    struct zrpc_buf log; /* lines to be appended */
};

/* Reads what others have counted, and keeps them from counting until commit. */
int zrpc_zfs_counts_begin(struct zrpc_zfs_counts *c, struct zrpc_error *err);
struct zrpc_zfs_count *zrpc_zfs_counts_of(struct zrpc_zfs_counts *c, size_t fault, const char *fs,
                                          struct zrpc_error *err);
int zrpc_zfs_counts_add(struct zrpc_zfs_counts *c, struct zrpc_zfs_count *count, bool strikes,
                        struct zrpc_error *err);
/* Always after begin; with rc != 0, what was added here may be lost to others. */
int zrpc_zfs_counts_commit(struct zrpc_zfs_counts *c, int rc, struct zrpc_error *err);
void zrpc_zfs_counts_dispose(struct zrpc_zfs_counts *c);

struct zrpc_zfs_faults {
    pthread_mutex_t mutex; /* counts */
    uint64_t seed;
    struct zrpc_zfs_fault **faults; /* each has its place for good */
    size_t n_faults, cap_faults;
    struct zrpc_zfs_counts counts;
    struct zrpc_zfs_alarms alarms;
    void (*crash)(void);
};

/* Fails as a crash does, if it comes back at all. */
int zrpc_zfs_faults_crash(const struct zrpc_zfs_faults *p, int code, const char *where,
                          struct zrpc_error *err);

#endif
