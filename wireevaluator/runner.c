#include "wireevaluator/runner.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "wireevaluator/watch.h"

void zrpc_eval_runner_init(struct zrpc_eval_runner *r, struct zrpc_evaluated *transport)
{
    *r = (struct zrpc_eval_runner){.lanes = {transport},
                                   .n_lanes = 1,
                                   .repeat = 1,
                                   .seed = (uint64_t)zrpc_now(),
                                   .bulk = EVAL_BULK_DEFAULT,
                                   .patience = EVAL_PATIENCE_DEFAULT};
}

/* Keeps the story of this run, if no earlier one has a better. */
static void keep(struct zrpc_eval_result *row, struct zrpc_eval_watch *w)
{
    bool passed = w->verdict.verdict == ZRPC_VERDICT_PASS;

    row->runs++;
    row->passed += passed ? 1 : 0;
    if (row->expected != NULL) {
        zrpc_trace_dispose(&w->trace);
        return;
    }
    zrpc_trace_dispose(&row->trace);
    row->trace = w->trace;
    row->took = w->took;
    row->verdict = (enum zrpc_verdict)w->verdict.verdict;
    if (!passed) {
        memcpy(row->clause, w->verdict.clause, sizeof row->clause);
        row->expected = strdup(w->verdict.text);
        row->got = strdup(w->verdict.detail);
    }
}

/*
 * A pass: every case once, as many at a time as there are lanes.
 */
struct pass {
    const struct zrpc_eval_runner *runner;
    struct zrpc_eval_watch watches[EVAL_LANES_MAX]; /* by lane */
    struct zrpc_eval_result *rows[EVAL_LANES_MAX];
};

/* Starts a run where a lane is free, as long as there are rows to run. */
static int fill_lanes(struct pass *p, struct zrpc_eval_result *rows, size_t n, size_t *next,
                      struct zrpc_error *err)
{
    const struct zrpc_eval_runner *r = p->runner;

    for (size_t i = 0; i < r->n_lanes && *next < n; i++) {
        struct zrpc_eval_watched what = {.tc = rows[*next].tc,
                                         .transport = r->lanes[i],
                                         .seed = r->seed,
                                         .bulk = r->bulk,
                                         .patience = r->patience};
        int rc;

        if (p->watches[i].pid != 0)
            continue;
        rc = zrpc_eval_watch_start(&p->watches[i], &what, p->watches, r->n_lanes, err);
        if (rc < 0)
            return rc;
        p->rows[i] = &rows[(*next)++];
    }
    return 0;
}

/* Until something happens in a lane, or has not happened for too long; false if no lane is in use. */
static bool wait_for_lanes(const struct pass *p)
{
    struct pollfd fds[2 * EVAL_LANES_MAX];
    zrpc_time first = ZRPC_NEVER, until;
    nfds_t n = 0;

    for (size_t i = 0; i < p->runner->n_lanes; i++) {
        if (p->watches[i].pid == 0)
            continue;
        zrpc_eval_watch_poll(&p->watches[i], &fds[n], &until);
        first = zrpc_earlier(first, until);
        n += 2;
    }
    if (n > 0)
        (void)poll(fds, n, zrpc_poll_timeout(zrpc_now(), first));
    return n > 0;
}

static void attend_lanes(struct pass *p)
{
    const struct zrpc_eval_runner *r = p->runner;

    for (size_t i = 0; i < r->n_lanes; i++) {
        struct zrpc_eval_result *row = p->rows[i];

        if (p->watches[i].pid == 0 || !zrpc_eval_watch_attend(&p->watches[i]))
            continue;
        keep(row, &p->watches[i]);
        if (row->passed > 0 && row->passed < row->runs)
            row->verdict = ZRPC_VERDICT_FLAKY;
        if (row->runs == r->repeat && r->on_result != NULL)
            r->on_result(r->ctx, row);
    }
}

static int run_pass(const struct zrpc_eval_runner *r, struct zrpc_eval_result *rows, size_t n,
                    struct zrpc_error *err)
{
    struct pass p = {.runner = r};
    size_t next = 0;
    int rc;

    while ((rc = fill_lanes(&p, rows, n, &next, err)) == 0 && wait_for_lanes(&p))
        attend_lanes(&p);
    for (size_t i = 0; rc < 0 && i < r->n_lanes; i++)
        if (p.watches[i].pid != 0)
            zrpc_eval_watch_abandon(&p.watches[i]);
    return rc;
}

static bool selected(const struct zrpc_eval_runner *r, const struct zrpc_eval_case *tc)
{
    for (size_t i = 0; i < r->n_globs; i++)
        if (fnmatch(r->globs[i], tc->id, 0) == 0)
            return true;
    return r->n_globs == 0;
}

static int select_cases(const struct zrpc_eval_runner *r, struct zrpc_eval_results *out,
                        struct zrpc_error *err)
{
    const struct zrpc_eval_area *area;
    const struct zrpc_eval_case *tc;
    size_t all = 0;

    while (zrpc_eval_case_at(all, NULL) != NULL)
        all++;
    out->rows = calloc(all, sizeof *out->rows);
    if (out->rows == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory");
    for (size_t i = 0; (tc = zrpc_eval_case_at(i, &area)) != NULL; i++)
        if (selected(r, tc))
            out->rows[out->n++] = (struct zrpc_eval_result){.area = area, .tc = tc};
    out->complete = out->n == all;
    if (out->n == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "no case has an id like \"%s\"", r->globs[0]);
    return 0;
}

int zrpc_eval_runner_run(struct zrpc_eval_runner *r, struct zrpc_eval_results *out, struct zrpc_error *err)
{
    zrpc_time started = zrpc_now();
    int rc;

    *out = (struct zrpc_eval_results){.date = time(NULL),
                                      .seed = r->seed,
                                      .bulk = r->bulk,
                                      .repeat = r->repeat,
                                      .lanes = (unsigned)r->n_lanes};
    rc = zrpc_eval_cases_check(err);
    if (rc == 0)
        rc = select_cases(r, out, err);
    for (unsigned i = 0; rc == 0 && i < r->repeat; i++) {
        zrpc_time began = zrpc_now(), took;

        rc = run_pass(r, out->rows, out->n, err);
        took = zrpc_now() - began;
        out->slowest = took > out->slowest ? took : out->slowest;
        out->fastest = i == 0 || took < out->fastest ? took : out->fastest;
        if (rc == 0 && r->on_pass != NULL)
            r->on_pass(r->ctx, out, i + 1);
    }
    for (size_t i = 0; rc == 0 && i < out->n; i++)
        out->counts[out->rows[i].verdict]++;
    out->took = zrpc_now() - started;
    return rc;
}

int zrpc_eval_runner_run_case(const struct zrpc_eval_runner *r, struct zrpc_eval_result *row,
                              struct zrpc_error *err)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < r->repeat; i++)
        rc = run_pass(r, row, 1, err);
    return rc;
}

void zrpc_eval_result_dispose(struct zrpc_eval_result *row)
{
    zrpc_trace_dispose(&row->trace);
    free(row->expected);
    free(row->got);
}

void zrpc_eval_results_dispose(struct zrpc_eval_results *results)
{
    for (size_t i = 0; i < results->n; i++)
        zrpc_eval_result_dispose(&results->rows[i]);
    free(results->rows);
    *results = (struct zrpc_eval_results){0};
}

bool zrpc_eval_results_good(const struct zrpc_eval_results *results)
{
    for (size_t i = 0; i < results->n; i++)
        if (zrpc_verdict_spoils(results->rows[i].verdict, results->rows[i].tc->level))
            return false;
    return results->n > 0;
}

void zrpc_eval_add_verdict(struct zrpc_buf *out, const struct zrpc_eval_result *result)
{
    zrpc_text_add(out, "%s", zrpc_verdict_name(result->verdict));
    if (result->verdict == ZRPC_VERDICT_FLAKY)
        zrpc_text_add(out, " (%u of %u)", result->passed, result->runs);
}
