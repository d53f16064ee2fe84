#include "wireevaluator/runner.h"

#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* One run, as seen from outside. */
struct watch {
    const struct zrpc_eval_case *tc;
    struct zrpc_trace *trace;
    bool decided;
    struct zrpc_eval_message verdict;
    struct zrpc_eval_message step; /* the last one */
};

void zrpc_eval_runner_init(struct zrpc_eval_runner *r, struct zrpc_evaluated *transport)
{
    *r = (struct zrpc_eval_runner){.transport = transport,
                                   .repeat = 1,
                                   .seed = (uint64_t)zrpc_now(),
                                   .bulk = EVAL_BULK_DEFAULT,
                                   .patience = EVAL_PATIENCE_DEFAULT};
}

/*
 * The process of the run
 */
_Noreturn static void run_case(const struct zrpc_eval_runner *r, const struct zrpc_eval_case *tc, int report)
{
    struct zrpc_eval_run run = {
        .tc = tc, .transport = r->transport, .report = report, .seed = r->seed, .bulk = r->bulk};
    struct zrpc_eval_message pass = {.type = EVAL_MESSAGE_VERDICT, .verdict = ZRPC_VERDICT_PASS};
    struct zrpc_eval_pair pair;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* nothing that the transport starts gets lost */
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    atomic_init(&run.folds, 0);
    zrpc_eval_step(&run, tc->clauses[0], "connects");
    zrpc_eval_open(&run, &pair);
    tc->run(&run, &pair);
    zrpc_eval_step(&run, CLAUSE_CLOSE, "closes what is still open");
    zrpc_eval_close_pair(&pair);
    pass.at = zrpc_now();
    (void)send(report, &pass, sizeof pass, MSG_NOSIGNAL);
    _exit(0);
}

/*
 * The evaluator's process
 */
static void take_message(struct watch *w, const struct zrpc_eval_message *m)
{
    struct zrpc_trace_event ev = {.kind = m->kind, .bytes = m->bytes, .fold = m->fold, .text = m->text};

    if (m->type == EVAL_MESSAGE_VERDICT) {
        if (!w->decided)
            w->verdict = *m;
        w->decided = true;
        return;
    }
    if (m->kind == ZRPC_TRACE_STEP)
        w->step = *m;
    if (m->detail[0] != '\0')
        ev.detail = m->detail;
    zrpc_trace_add(w->trace, m->at, &ev);
}

static void take_messages(struct watch *w, int report)
{
    struct zrpc_eval_message m;

    for (;;) {
        memset(&m, 0, sizeof m);
        if (recv(report, &m, sizeof m, MSG_DONTWAIT) <= 0)
            return;
        take_message(w, &m);
    }
}

static void decide(struct watch *w, enum zrpc_verdict verdict, const char *clause, const char *expected,
                   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void decide(struct watch *w, enum zrpc_verdict verdict, const char *clause, const char *expected,
                   const char *fmt, ...)
{
    va_list args;

    if (w->decided)
        return;
    w->decided = true;
    w->verdict = (struct zrpc_eval_message){.verdict = (int)verdict};
    snprintf(w->verdict.clause, sizeof w->verdict.clause, "%s", clause);
    snprintf(w->verdict.text, sizeof w->verdict.text, "%s", expected);
    va_start(args, fmt);
    vsnprintf(w->verdict.detail, sizeof w->verdict.detail, fmt, args);
    va_end(args);
}

static void judge_end(struct watch *w, int status)
{
    const char *clause = w->step.clause[0] == '\0' ? w->tc->clauses[0] : w->step.clause;
    enum zrpc_verdict missed = zrpc_verdict_missed(w->tc->level);

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
        decide(w, missed, CLAUSE_LOST, "an error", "the process was ended by SIGPIPE");
    else if (WIFSIGNALED(status))
        decide(w, missed, clause, w->step.text, "the process was ended by signal %d (%s)", WTERMSIG(status),
               strsignal(WTERMSIG(status)));
    else
        decide(w, ZRPC_VERDICT_INCONCLUSIVE, "", "", "the process ended with status %d and no verdict",
               WEXITSTATUS(status));
}

/* Until the process has ended, or is ended because nothing happens any more. */
static void watch_process(const struct zrpc_eval_runner *r, struct watch *w, pid_t pid, int process,
                          int report)
{
    zrpc_time over = zrpc_now() + w->tc->budget * ZRPC_SECOND;
    struct pollfd p[] = {{.fd = report, .events = POLLIN}, {.fd = process, .events = POLLIN}};
    int n = 1, status = 0;

    while (n > 0 && p[1].revents == 0 && zrpc_now() < over) {
        n = poll(p, 2, zrpc_poll_timeout(0, r->patience));
        if (n < 0 && errno == EINTR)
            n = 1;
        if (p[0].revents != 0)
            take_messages(w, report);
        if ((p[0].revents & POLLHUP) != 0)
            p[0].fd = -1; /* everything is read; the process is about to end */
    }
    if (p[1].revents == 0) {
        decide(w, zrpc_verdict_missed(w->tc->level),
               w->step.clause[0] == '\0' ? w->tc->clauses[0] : w->step.clause, w->step.text, "it hangs: %s",
               zrpc_now() < over ? "nothing has happened for a long time" : "it does not come to an end");
        kill(pid, SIGKILL);
    }
    waitpid(pid, &status, 0);
    take_messages(w, report);
    judge_end(w, status);
    kill(-pid, SIGKILL); /* what it left behind; mostly nothing */
}

static int run_once(const struct zrpc_eval_runner *r, struct watch *w, struct zrpc_error *err)
{
    int report[2], process;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "socketpair");
    pid = fork();
    if (pid == 0) {
        close(report[0]);
        run_case(r, w->tc, report[1]);
    }
    close(report[1]);
    process = pid < 0 ? -1 : pidfd_open(pid, 0);
    if (process < 0) {
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        close(report[0]);
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "a process for the case");
    }
    setpgid(pid, pid);
    watch_process(r, w, pid, process, report[0]);
    close(process);
    close(report[0]);
    return 0;
}

/* Keeps the story of this run, if no earlier one has a better. */
static void keep(struct zrpc_eval_result *row, struct watch *w, zrpc_time took)
{
    bool passed = w->verdict.verdict == ZRPC_VERDICT_PASS;

    row->runs++;
    row->passed += passed ? 1 : 0;
    if (row->expected != NULL) {
        zrpc_trace_dispose(w->trace);
        return;
    }
    zrpc_trace_dispose(&row->trace);
    row->trace = *w->trace;
    row->took = took;
    row->verdict = (enum zrpc_verdict)w->verdict.verdict;
    if (!passed) {
        memcpy(row->clause, w->verdict.clause, sizeof row->clause);
        row->expected = strdup(w->verdict.text);
        row->got = strdup(w->verdict.detail);
    }
}

int zrpc_eval_runner_run_case(const struct zrpc_eval_runner *r, struct zrpc_eval_result *row,
                              struct zrpc_error *err)
{
    for (unsigned i = 0; i < r->repeat; i++) {
        zrpc_time started = zrpc_now();
        struct zrpc_trace trace;
        struct watch w = {.tc = row->tc, .trace = &trace};
        int rc = zrpc_trace_init(&trace, started, err);

        if (rc < 0)
            return rc;
        rc = run_once(r, &w, err);
        if (rc < 0) {
            zrpc_trace_dispose(&trace);
            return rc;
        }
        keep(row, &w, zrpc_now() - started);
    }
    if (row->passed > 0 && row->passed < row->runs)
        row->verdict = ZRPC_VERDICT_FLAKY;
    return 0;
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

    *out = (struct zrpc_eval_results){.date = time(NULL), .seed = r->seed, .repeat = r->repeat};
    rc = zrpc_eval_cases_check(err);
    if (rc == 0)
        rc = select_cases(r, out, err);
    for (size_t i = 0; rc == 0 && i < out->n; i++) {
        rc = zrpc_eval_runner_run_case(r, &out->rows[i], err);
        if (rc == 0)
            out->counts[out->rows[i].verdict]++;
        if (rc == 0 && r->on_result != NULL)
            r->on_result(r->ctx, &out->rows[i]);
    }
    out->took = zrpc_now() - started;
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
