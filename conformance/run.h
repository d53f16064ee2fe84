/*
 * A run: one execution of one case. Cases read as a straight story: everything a case calls does nothing once
 * the run is decided, so nothing needs checking but loops (zrpc_run_going). The first decision counts; a run
 * that ends undecided has passed.
 *
 * Only expectations judge. A write that fails, for example, is recorded and shows in what is read next.
 *
 * All functions may be called from several threads of one run.
 */
#ifndef ZRPC_CONFORMANCE_RUN_H
#define ZRPC_CONFORMANCE_RUN_H

#include "conformance/case.h"
#include "conformance/profile.h"
#include "conformance/trace.h"
#include "conformance/verdict.h"

struct zrpc_peer;
struct zrpc_run_memory;

struct zrpc_run {
    const struct zrpc_case *tc; /* NULL: a probe of the runner's own */
    const struct zrpc_profile *profile;
    const char *endpoint; /* of the target, as zrpc_dialer_parse() takes it */
    long target_pid;      /* 0 where it is not known */
    struct zrpc_trace trace;
    zrpc_time started, ended;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* for sleepers: the run was decided or cancelled */
    bool decided;
    bool cancelled;
    enum zrpc_verdict verdict;
    zrpc_time decided_at;
    char *expected, *got; /* the story of a verdict that is not PASS; NULL where there is none */
    struct zrpc_peer *peers, *spare;
    unsigned n_peers;
    struct zrpc_run_memory *memory;
};

int zrpc_run_init(struct zrpc_run *run, const struct zrpc_case *tc, const struct zrpc_profile *profile,
                  const char *endpoint, struct zrpc_error *err);
/* Ends what the case left open and settles the verdict. No thread of the run may be active. */
void zrpc_run_finish(struct zrpc_run *run);
void zrpc_run_dispose(struct zrpc_run *run);
/* From outside: makes every call of the run return, undecided ones as INCONCLUSIVE for that reason. */
void zrpc_run_cancel(struct zrpc_run *run, const char *reason);

/*
 * For cases
 */
/* Nothing is decided yet. */
bool zrpc_run_going(struct zrpc_run *run);
/* A sentence for the reports about what is done next. */
void zrpc_run_step(struct zrpc_run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What the case asks for was not there: FAIL, NON-STRICT or UNSUPPORTED by the case's level. `expected` names
 * every outcome that would have been legal. */
void zrpc_run_fail(struct zrpc_run *run, const char *expected, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Any case: something that is never legal. FAIL whatever the level; `requirement` is its id. */
void zrpc_run_violation(struct zrpc_run *run, const char *requirement, const char *expected, const char *fmt,
                        ...) __attribute__((format(printf, 4, 5)));
void zrpc_run_skip(struct zrpc_run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void zrpc_run_inconclusive(struct zrpc_run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Returns early when the run is decided. */
void zrpc_run_sleep(struct zrpc_run *run, zrpc_time duration);
/* What the profile offers under that name; skips the case and answers NULL where it offers nothing. */
const struct zrpc_offer *zrpc_run_offer(struct zrpc_run *run, enum zrpc_offer_id id);
/* The profile's times. */
static inline const struct zrpc_timing *zrpc_run_timing(const struct zrpc_run *run)
{
    return &run->profile->timing;
}

/* KiB of a field in the target's /proc/PID/status, such as "VmRSS"; 0 where it is not to be had. */
unsigned long zrpc_run_target_kib(const struct zrpc_run *run, const char *field);

/* Calls release(what) when the run is over; at once if there is no memory to remember it, and then the run is
 * decided and this is ZRPC_ERR_NOMEM. */
int zrpc_run_defer(struct zrpc_run *run, void (*release)(void *what), void *what);
/* Zeroed memory that lives as long as the run. NULL when there is none; the run is then decided. */
void *zrpc_run_alloc(struct zrpc_run *run, size_t len);
/* len bytes that repeat only after 2^31: any cut, loss or mix-up of them shows. Empty without memory. */
struct zrpc_view zrpc_run_bytes(struct zrpc_run *run, size_t len);
/* A text nobody used before: PREFIX-xxxxxxxxxxxxxxxx. */
const char *zrpc_run_unique(struct zrpc_run *run, const char *prefix);

/* Calls fn for 0..n-1, each in a thread of its own, and waits for all. */
void zrpc_run_parallel(struct zrpc_run *run, unsigned n, void (*fn)(struct zrpc_run *run, unsigned i));

#endif
