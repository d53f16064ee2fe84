#include "wireevaluator/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/verdict.h"

/*
 * The process of the run
 */
_Noreturn static void run_case(const struct zrpc_eval_watched *what, int report)
{
    struct zrpc_eval_run run = {.tc = what->tc,
                                .transport = what->transport,
                                .report = report,
                                .seed = what->seed,
                                .bulk = what->bulk};
    struct zrpc_eval_message pass = {.type = EVAL_MESSAGE_VERDICT, .verdict = ZRPC_VERDICT_PASS};
    struct zrpc_eval_pair pair;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* nothing that the transport starts gets lost */
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    atomic_init(&run.folds, 0);
    zrpc_eval_step(&run, what->tc->clauses[0], "connects");
    zrpc_eval_open(&run, &pair);
    what->tc->run(&run, &pair);
    zrpc_eval_step(&run, CLAUSE_CLOSE, "closes what is still open");
    zrpc_eval_close_pair(&pair);
    pass.at = zrpc_now();
    (void)send(report, &pass, sizeof pass, MSG_NOSIGNAL);
    _exit(0);
}

/*
 * The evaluator's process
 */
static void take_message(struct zrpc_eval_watch *w, const struct zrpc_eval_message *m)
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
    zrpc_trace_add(&w->trace, m->at, &ev);
}

static void take_messages(struct zrpc_eval_watch *w)
{
    struct zrpc_eval_message m;

    for (;;) {
        memset(&m, 0, sizeof m);
        if (recv(w->report, &m, sizeof m, MSG_DONTWAIT) <= 0)
            return;
        w->heard = zrpc_now();
        take_message(w, &m);
    }
}

static void decide(struct zrpc_eval_watch *w, enum zrpc_verdict verdict, const char *clause,
                   const char *expected, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void decide(struct zrpc_eval_watch *w, enum zrpc_verdict verdict, const char *clause,
                   const char *expected, const char *fmt, ...)
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

static const char *last_clause(const struct zrpc_eval_watch *w)
{
    return w->step.clause[0] == '\0' ? w->what.tc->clauses[0] : w->step.clause;
}

static void judge_end(struct zrpc_eval_watch *w, int status)
{
    enum zrpc_verdict missed = zrpc_verdict_missed(w->what.tc->level);

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
        decide(w, missed, CLAUSE_LOST, "an error", "the process was ended by SIGPIPE");
    else if (WIFSIGNALED(status))
        decide(w, missed, last_clause(w), w->step.text, "the process was ended by signal %d (%s)",
               WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        decide(w, ZRPC_VERDICT_INCONCLUSIVE, "", "", "the process ended with status %d and no verdict",
               WEXITSTATUS(status));
}

static void judge_silence(struct zrpc_eval_watch *w, bool silent)
{
    decide(w, zrpc_verdict_missed(w->what.tc->level), last_clause(w), w->step.text, "it hangs: %s",
           silent ? "nothing has happened for a long time" : "it does not come to an end");
}

/* Reaps the process, and ends what it left behind; mostly nothing. */
static int bury(struct zrpc_eval_watch *w, bool alive)
{
    int status = 0;

    if (alive)
        kill(w->pid, SIGKILL);
    waitpid(w->pid, &status, 0);
    take_messages(w);
    kill(-w->pid, SIGKILL);
    close(w->process);
    close(w->report);
    w->pid = 0;
    return status;
}

static void close_all(const struct zrpc_eval_watch *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (all[i].pid == 0)
            continue;
        close(all[i].process);
        close(all[i].report);
    }
}

/* What tells of a process's end: a descriptor of the process, or where there is no such thing (under
 * valgrind) a pipe that ends with it. ends[1] is the process's, -1 where none is needed. */
static int open_ends(int ends[2])
{
    int self = pidfd_open(getpid(), 0);

    ends[0] = ends[1] = -1;
    if (self < 0)
        return errno == ENOSYS ? pipe2(ends, O_CLOEXEC) : -1;
    close(self);
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static int start_process(struct zrpc_eval_watch *w, const struct zrpc_eval_watch *all, size_t n,
                         struct zrpc_error *err)
{
    int report[2], ends[2];
    pid_t pid;

    if (open_ends(ends) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "a process for the case");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, report) < 0) {
        close_fd(ends[0]);
        close_fd(ends[1]);
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "socketpair");
    }
    pid = fork();
    if (pid == 0) {
        close(report[0]);
        close_fd(ends[0]);
        close_all(all, n);
        run_case(&w->what, report[1]);
    }
    close(report[1]);
    close_fd(ends[1]);
    w->process = pid < 0 || ends[0] >= 0 ? ends[0] : pidfd_open(pid, 0);
    if (pid < 0 || w->process < 0) {
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        close(report[0]);
        close_fd(ends[0]);
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "a process for the case");
    }
    setpgid(pid, pid);
    w->pid = pid;
    w->report = report[0];
    return 0;
}

int zrpc_eval_watch_start(struct zrpc_eval_watch *w, const struct zrpc_eval_watched *what,
                          const struct zrpc_eval_watch *all, size_t n, struct zrpc_error *err)
{
    zrpc_time now = zrpc_now();
    int rc;

    *w = (struct zrpc_eval_watch){.what = *what,
                                  .started = now,
                                  .heard = now,
                                  .over = now + what->tc->budget * ZRPC_SECOND,
                                  .process = -1,
                                  .report = -1};
    rc = zrpc_trace_init(&w->trace, now, err);
    if (rc < 0)
        return rc;
    rc = start_process(w, all, n, err);
    if (rc < 0)
        zrpc_trace_dispose(&w->trace);
    return rc;
}

void zrpc_eval_watch_poll(const struct zrpc_eval_watch *w, struct pollfd out[static 2], zrpc_time *until)
{
    out[0] = (struct pollfd){.fd = w->report, .events = POLLIN};
    out[1] = (struct pollfd){.fd = w->process, .events = POLLIN};
    *until = zrpc_earlier(w->heard + w->what.patience, w->over);
}

bool zrpc_eval_watch_attend(struct zrpc_eval_watch *w)
{
    struct pollfd end = {.fd = w->process, .events = POLLIN};
    bool ended = poll(&end, 1, 0) > 0, silent;
    zrpc_time now;

    take_messages(w);
    now = zrpc_now();
    silent = now - w->heard >= w->what.patience;
    if (!ended && !silent && now < w->over)
        return false;
    if (ended) {
        judge_end(w, bury(w, false));
    } else {
        judge_silence(w, silent);
        bury(w, true);
    }
    w->took = zrpc_now() - w->started;
    return true;
}

void zrpc_eval_watch_abandon(struct zrpc_eval_watch *w)
{
    bury(w, true);
    zrpc_trace_dispose(&w->trace);
}
