/*
 * The evaluator's test of itself: each defective transport has to fail its case, by its clause.
 */
#ifndef ZRPC_WIREEVALUATOR_SELFTEST_H
#define ZRPC_WIREEVALUATOR_SELFTEST_H

#include "wireevaluator/defects/defects.h"
#include "wireevaluator/runner.h"

#define EVAL_SELFTEST_PATIENCE (2 * ZRPC_SECOND) /* many defects hang, and each has to be waited for */
#define EVAL_SELFTEST_BULK     (8u << 20)

struct zrpc_eval_selftest {
    enum zrpc_verdict verdict; /* of the case that has to catch it */
    char clause[16];
    bool caught; /* FAIL, by the right clause */
};

/* Runs the defect's case `repeat` times; all have to catch it. */
int zrpc_eval_selftest(const struct zrpc_eval_defect *defect, unsigned repeat, struct zrpc_eval_selftest *out,
                       struct zrpc_error *err);

#endif
