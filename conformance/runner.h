/*
 * Runner: runs cases against a target, contains what they do to it, and says who is to blame.
 *
 * Each run has connections of its own and a time budget; a watchdog ends what overruns it. After every run
 * that did not pass, and after every hostile one, a ping on a fresh connection decides whether the target
 * still lives. If not, the case in flight is to blame: FAIL, whatever its level. A target that the suite
 * started is started again; any other gets a little time to come back, and if it does not, the rest is
 * INCONCLUSIVE.
 *
 * Cases run one after the other, slow ones afterwards all at once: they mostly wait. What does not pass in
 * company is run once more alone, and that verdict counts.
 */
#ifndef ZRPC_CONFORMANCE_RUNNER_H
#define ZRPC_CONFORMANCE_RUNNER_H

#include "conformance/expectations.h"
#include "conformance/run.h"
#include "conformance/target.h"

struct zrpc_result {
    const struct zrpc_area *area;
    const struct zrpc_case *tc;
    enum zrpc_verdict verdict; /* with expectations applied */
    enum zrpc_verdict found;   /* without */
    const char *expectation;   /* the reason of the line that changed it, or NULL */
    unsigned runs, passed;     /* of --repeat */
    char *aftermath;           /* what became of the target, or NULL */
    struct zrpc_run *run;      /* the first one that did not pass, else the last; NULL without memory */
};

struct zrpc_results {
    struct zrpc_result *rows;
    size_t n;
    zrpc_time started, took;
    unsigned counts[ZRPC_VERDICT_COUNT];
    const char *target; /* endpoint or command */
    unsigned restarts;
};

struct zrpc_runner {
    struct zrpc_target *target;
    const struct zrpc_profile *profile;
    const struct zrpc_expectations *expectations; /* NULL: none */
    unsigned repeat;                              /* at least 1 */
    /* Optional: told of each result when it is final. */
    void (*on_result)(void *ctx, const struct zrpc_result *result);
    void *ctx;
    bool unprobed; /* begin without asking whether the target answers a ping at all */
    bool lost;     /* the target is gone for good */
};

/* ZRPC_ERR_DIAL if the target cannot be reached, or does not answer a ping, before the first case; otherwise
 * 0, whatever the verdicts. Dispose of *out in both cases. */
int zrpc_runner_run(struct zrpc_runner *r, const struct zrpc_selected *cases, size_t n,
                    struct zrpc_results *out, struct zrpc_error *err);
void zrpc_results_dispose(struct zrpc_results *results);
/* Whether nothing spoils the run. */
bool zrpc_results_good(const struct zrpc_results *results);

#endif
