#include "wireevaluator/selftest.h"

#include <string.h>

int zrpc_eval_selftest(const struct zrpc_eval_defect *defect, unsigned repeat, struct zrpc_eval_selftest *out,
                       struct zrpc_error *err)
{
    struct zrpc_eval_results results = {0};
    struct zrpc_evaluated *transport;
    struct zrpc_eval_runner runner;
    int rc = zrpc_eval_defect_open(defect->name, &transport, err);

    memset(out, 0, sizeof *out);
    if (rc < 0)
        return rc;
    zrpc_eval_runner_init(&runner, transport);
    runner.globs = &defect->caught_by;
    runner.n_globs = 1;
    runner.repeat = repeat;
    runner.bulk = EVAL_SELFTEST_BULK;
    runner.patience = EVAL_SELFTEST_PATIENCE;
    rc = zrpc_eval_runner_run(&runner, &results, err);
    if (rc == 0) {
        out->verdict = results.rows[0].verdict;
        memcpy(out->clause, results.rows[0].clause, sizeof out->clause);
        out->caught = out->verdict == ZRPC_VERDICT_FAIL && strcmp(out->clause, defect->clause) == 0;
    }
    zrpc_eval_results_dispose(&results);
    transport->ops->close(transport);
    return rc;
}
