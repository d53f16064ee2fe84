/*
 * Runner: passes over all cases, each run in a process of its own (watch.h), so that a transport that hangs,
 * crashes or raises signals costs that case alone, and cases can run side by side.
 */
#ifndef ZRPC_WIREEVALUATOR_RUNNER_H
#define ZRPC_WIREEVALUATOR_RUNNER_H

#include <time.h>

#include "conformance/verdict.h"
#include "wireevaluator/run.h"

#define EVAL_PATIENCE_DEFAULT (15 * ZRPC_SECOND)

struct zrpc_eval_result {
    const struct zrpc_eval_area *area;
    const struct zrpc_eval_case *tc;
    enum zrpc_verdict verdict;
    unsigned runs, passed;
    zrpc_time took;  /* the run that is shown: the first that did not pass, else the last */
    char clause[16]; /* that was not met, or "" */
    char *expected, *got;
    struct zrpc_trace trace;
};

struct zrpc_eval_results {
    struct zrpc_eval_result *rows;
    size_t n;
    bool complete; /* all cases of the table */
    time_t date;
    zrpc_time took, fastest, slowest; /* all passes; one of them */
    uint64_t seed, bulk;
    unsigned repeat, lanes;
    unsigned counts[ZRPC_VERDICT_COUNT];
};

#define EVAL_LANES_MAX 16

struct zrpc_eval_runner {
    /* The same transport, once for each case that may run at the same time; one that opens pairs at addresses
     * of its own in each process may be in several lanes. */
    struct zrpc_evaluated *lanes[EVAL_LANES_MAX];
    size_t n_lanes;
    const char *const *globs; /* of case ids; none: all */
    size_t n_globs;
    unsigned repeat; /* at least 1 */
    uint64_t seed, bulk;
    zrpc_time patience;
    /* Optional: a case has had its last run; a pass is over, the `passes`th. */
    void (*on_result)(void *ctx, const struct zrpc_eval_result *result);
    void (*on_pass)(void *ctx, const struct zrpc_eval_results *results, unsigned passes);
    void *ctx;
};

/* Defaults, all cases once, one after the other. */
void zrpc_eval_runner_init(struct zrpc_eval_runner *r, struct zrpc_evaluated *transport);
/* 0, whatever the verdicts; ZRPC_ERR_USAGE if a glob matches no case; ZRPC_ERR_SYSTEM, ZRPC_ERR_NOMEM.
 * Dispose of *out in any case. No other thread may run. */
int zrpc_eval_runner_run(struct zrpc_eval_runner *r, struct zrpc_eval_results *out, struct zrpc_error *err);
/* One case, in the table or not: *row names it and holds nothing else. */
int zrpc_eval_runner_run_case(const struct zrpc_eval_runner *r, struct zrpc_eval_result *row,
                              struct zrpc_error *err);
void zrpc_eval_result_dispose(struct zrpc_eval_result *row);
void zrpc_eval_results_dispose(struct zrpc_eval_results *results);
/* Nothing spoils the run. */
bool zrpc_eval_results_good(const struct zrpc_eval_results *results);
/* "FLAKY (2 of 5)", "PASS". */
void zrpc_eval_add_verdict(struct zrpc_buf *out, const struct zrpc_eval_result *result);

#endif
