#include "conformance/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conformance/exchange.h"

#define COMEBACK_TIME (10 * ZRPC_SECOND) /* for a target that somebody else may start again */
#define DYING_TIME    (2 * ZRPC_SECOND)  /* from a target's last sign of life to its exit status */

/*
 * One run, in a thread of its own
 */
struct worker {
    struct zrpc_run *run;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done;
    zrpc_time deadline; /* of the watchdog */
};

static void *worker_main(void *arg)
{
    struct worker *w = arg;

    w->run->tc->run(w->run);
    zrpc_run_finish(w->run);
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void worker_dispose(struct worker *w)
{
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
}

static int worker_start(struct worker *w, struct zrpc_run *run)
{
    pthread_condattr_t attr;

    *w = (struct worker){.run = run, .deadline = zrpc_now() + run->tc->budget * ZRPC_SECOND};
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->ended, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&w->thread, NULL, worker_main, w) == 0)
        return 0;
    worker_dispose(w);
    return ZRPC_ERR_SYSTEM;
}

/* The watchdog. */
static void worker_join(struct worker *w)
{
    struct timespec ts = {.tv_sec = w->deadline / ZRPC_SECOND, .tv_nsec = w->deadline % ZRPC_SECOND};
    char reason[100];
    int rc = 0;

    pthread_mutex_lock(&w->lock);
    while (!w->done && rc == 0)
        rc = pthread_cond_timedwait(&w->ended, &w->lock, &ts);
    pthread_mutex_unlock(&w->lock);
    if (rc != 0) {
        snprintf(reason, sizeof reason, "the case was ended after its time budget of %u s",
                 w->run->tc->budget);
        zrpc_run_cancel(w->run, reason);
    }
    pthread_join(w->thread, NULL);
    worker_dispose(w);
}

/*
 * Whether the target lives
 */
static bool probe(struct zrpc_runner *r, struct zrpc_buf *why)
{
    struct zrpc_peer *p;
    struct zrpc_run run;
    bool alive;

    if (zrpc_run_init(&run, NULL, r->profile, r->target->endpoint, NULL) < 0) {
        zrpc_text_add(why, "out of memory");
        return false;
    }
    p = zrpc_peer_data(&run); /* patient: one that is merely slow is not dead */
    zrpc_request_ping(p, "alive?");
    zrpc_expect_pong(p, "alive?");
    zrpc_run_finish(&run);
    alive = run.verdict == ZRPC_VERDICT_PASS;
    if (!alive)
        zrpc_text_add(why, "a ping on a fresh connection: %s", run.got == NULL ? "failed" : run.got);
    zrpc_run_dispose(&run);
    return alive;
}

static bool came_back(struct zrpc_runner *r)
{
    zrpc_time deadline = zrpc_now() + COMEBACK_TIME;
    const struct timespec pause = {.tv_nsec = 200 * ZRPC_MILLISECOND};
    struct zrpc_buf why = {0};
    bool back;

    while (!(back = probe(r, &why)) && zrpc_now() < deadline)
        nanosleep(&pause, NULL);
    zrpc_buf_dispose(&why);
    return back;
}

/* The target no longer answers: get another one. Appends what was done. */
static void recover(struct zrpc_runner *r, struct zrpc_buf *aftermath)
{
    struct zrpc_error err;

    if (r->target->command == NULL) {
        r->lost = !came_back(r);
        zrpc_text_add(aftermath, r->lost ? "; it did not come back" : "; it came back later");
    } else if (zrpc_target_start(r->target, &err) < 0) {
        r->lost = true;
        zrpc_text_add(aftermath, "; it could not be started again: %s", err.text);
    } else {
        zrpc_text_add(aftermath, "; it was started again");
    }
}

/* Blames the result's case if the target died of it. */
static void look_after(struct zrpc_runner *r, struct zrpc_result *result)
{
    struct zrpc_buf text = {0}, unanswered = {0};

    if (!zrpc_target_has_ended(r->target, &text)) {
        if (probe(r, &unanswered))
            goto out;
        if (!zrpc_target_ends_within(r->target, DYING_TIME, &text))
            zrpc_text_add(&text, "%s", zrpc_text_str(&unanswered));
    }
    result->run->verdict = ZRPC_VERDICT_FAIL;
    recover(r, &text);
    free(result->aftermath);
    result->aftermath = zrpc_text_take(&text);
out:
    zrpc_buf_dispose(&unanswered);
    zrpc_buf_dispose(&text);
}

static bool wants_look(const struct zrpc_result *result)
{
    if (result->run->verdict == ZRPC_VERDICT_SKIP)
        return false;
    return result->run->verdict != ZRPC_VERDICT_PASS || (result->tc->flags & ZRPC_CASE_HOSTILE) != 0;
}

/*
 * Results
 */
static void forget_run(struct zrpc_result *result)
{
    if (result->run != NULL)
        zrpc_run_dispose(result->run);
    free(result->run);
    free(result->aftermath);
    result->run = NULL;
    result->aftermath = NULL;
}

static bool begin_run(struct zrpc_runner *r, struct zrpc_result *result)
{
    forget_run(result);
    result->run = malloc(sizeof *result->run);
    if (result->run == NULL)
        return false;
    if (zrpc_run_init(result->run, result->tc, r->profile, r->target->endpoint, NULL) < 0) {
        free(result->run);
        result->run = NULL;
        return false;
    }
    result->run->target_pid = r->target->pid;
    return true;
}

static void give_up(struct zrpc_run *run, const char *reason)
{
    zrpc_run_inconclusive(run, "%s", reason);
    zrpc_run_finish(run);
}

static void run_alone(struct zrpc_runner *r, struct zrpc_result *result)
{
    struct worker w;

    if (!begin_run(r, result))
        return;
    if (r->lost) {
        give_up(result->run, "the target is gone");
        return;
    }
    if (worker_start(&w, result->run) < 0) {
        give_up(result->run, "cannot start a thread");
        return;
    }
    worker_join(&w);
    if (wants_look(result))
        look_after(r, result);
}

/* Counts the run that has just ended. */
static void count_run(struct zrpc_result *result)
{
    enum zrpc_verdict v = result->run != NULL ? result->run->verdict : ZRPC_VERDICT_INCONCLUSIVE;

    result->runs++;
    result->passed += v == ZRPC_VERDICT_PASS;
    result->found = v;
}

static void settle(struct zrpc_runner *r, struct zrpc_result *result)
{
    if (result->passed > 0 && result->passed < result->runs)
        result->found = ZRPC_VERDICT_FLAKY;
    result->verdict = result->found;
    if (r->expectations != NULL)
        result->verdict =
            zrpc_expectations_apply(r->expectations, result->tc->id, result->found, &result->expectation);
    if (r->on_result != NULL)
        r->on_result(r->ctx, result);
}

/* One more time, but what is to be shown stays: the first run that did not pass. */
static void run_again(struct zrpc_runner *r, struct zrpc_result *result)
{
    struct zrpc_result next = {.area = result->area, .tc = result->tc};

    run_alone(r, &next);
    count_run(&next);
    result->runs++;
    result->passed += next.passed;
    if (result->found == ZRPC_VERDICT_PASS && next.found != ZRPC_VERDICT_PASS) {
        forget_run(result);
        result->run = next.run;
        result->aftermath = next.aftermath;
        result->found = next.found;
        return;
    }
    forget_run(&next);
}

static void run_case(struct zrpc_runner *r, struct zrpc_result *result)
{
    run_alone(r, result);
    count_run(result);
    for (unsigned i = 1; i < r->repeat && result->found != ZRPC_VERDICT_SKIP; i++)
        run_again(r, result);
    settle(r, result);
}

/* After several cases at once nobody can be blamed yet for a target that died. */
static void ensure_alive(struct zrpc_runner *r)
{
    struct zrpc_buf text = {0};

    if (!r->lost && (zrpc_target_has_ended(r->target, &text) || !probe(r, &text)))
        recover(r, &text);
    zrpc_buf_dispose(&text);
}

/* All slow cases at once. */
static void run_together(struct zrpc_runner *r, struct zrpc_result **slow, size_t n)
{
    struct worker *workers = calloc(n > 0 ? n : 1, sizeof *workers);
    bool *started = calloc(n > 0 ? n : 1, sizeof *started);

    for (size_t i = 0; workers != NULL && started != NULL && i < n && !r->lost; i++)
        started[i] = begin_run(r, slow[i]) && worker_start(&workers[i], slow[i]->run) == 0;
    for (size_t i = 0; workers != NULL && started != NULL && i < n; i++)
        if (started[i])
            worker_join(&workers[i]);
    ensure_alive(r);
    for (size_t i = 0; i < n; i++) {
        if (started == NULL || !started[i] ||
            (slow[i]->run->verdict != ZRPC_VERDICT_PASS && slow[i]->run->verdict != ZRPC_VERDICT_SKIP))
            run_alone(r, slow[i]);
        count_run(slow[i]);
    }
    free(started);
    free(workers);
}

static int run_slow_cases(struct zrpc_runner *r, struct zrpc_results *out, struct zrpc_error *err)
{
    struct zrpc_result **slow = calloc(out->n, sizeof *slow);
    size_t n = 0;

    if (slow == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "running slow cases");
    for (size_t i = 0; i < out->n; i++)
        if ((out->rows[i].tc->flags & ZRPC_CASE_SLOW) != 0)
            slow[n++] = &out->rows[i];
    if (n > 0)
        run_together(r, slow, n);
    for (size_t i = 0; i < n; i++) {
        for (unsigned k = 1; k < r->repeat && slow[i]->found != ZRPC_VERDICT_SKIP; k++)
            run_again(r, slow[i]);
        settle(r, slow[i]);
    }
    free(slow);
    return 0;
}

static int reach_target(struct zrpc_runner *r, struct zrpc_error *err)
{
    struct zrpc_buf why = {0};
    int rc = 0;

    if (r->target->command != NULL)
        rc = zrpc_target_start(r->target, err);
    if (rc == 0 && !r->unprobed && !probe(r, &why))
        rc = zrpc_fail(err, ZRPC_ERR_DIAL, "%s: %s", r->target->endpoint, zrpc_text_str(&why));
    else if (rc < 0 && err != NULL)
        err->code = rc = ZRPC_ERR_DIAL;
    zrpc_buf_dispose(&why);
    return rc;
}

int zrpc_runner_run(struct zrpc_runner *r, const struct zrpc_selected *cases, size_t n,
                    struct zrpc_results *out, struct zrpc_error *err)
{
    int rc;

    *out = (struct zrpc_results){.started = zrpc_now(), .rows = calloc(n, sizeof *out->rows)};
    if (out->rows == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "results");
    rc = reach_target(r, err);
    if (rc < 0)
        return rc;
    out->target = r->target->command != NULL ? r->target->command : r->target->endpoint;
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        out->rows[i] = (struct zrpc_result){.area = cases[i].area, .tc = cases[i].tc};
        if ((cases[i].tc->flags & ZRPC_CASE_SLOW) == 0)
            run_case(r, &out->rows[i]);
    }
    rc = run_slow_cases(r, out, err);
    for (size_t i = 0; i < n; i++)
        out->counts[out->rows[i].verdict]++;
    out->restarts = r->target->starts > 0 ? r->target->starts - 1 : 0;
    out->took = zrpc_now() - out->started;
    return rc;
}

void zrpc_results_dispose(struct zrpc_results *results)
{
    for (size_t i = 0; i < results->n; i++)
        forget_run(&results->rows[i]);
    free(results->rows);
    *results = (struct zrpc_results){0};
}

bool zrpc_results_good(const struct zrpc_results *results)
{
    for (size_t i = 0; i < results->n; i++)
        if (zrpc_verdict_spoils(results->rows[i].verdict, results->rows[i].tc->level))
            return false;
    return results->n > 0;
}
