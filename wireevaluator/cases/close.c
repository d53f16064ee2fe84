#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>

#include "wireevaluator/cases/cases.h"
#include "wireevaluator/run.h"

#define PATIENCE (10 * ZRPC_SECOND) /* for what a transport releases in the background */

/* Both sides write, half-close, read to the end, and close: the way connections end in order. */
static void drain(struct zrpc_eval_task *task)
{
    zrpc_eval_flow_read(task->end, &task->flow, CLAUSE_EOF, task->len, 10000);
    zrpc_eval_must_eof(task->end, CLAUSE_EOF);
    zrpc_eval_close(task->end);
}

static void drain_then_close(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_end *a = &pair->ends[0], *b = &pair->ends[1];
    struct zrpc_eval_flow out = zrpc_eval_flow(a), back = zrpc_eval_flow(b);
    struct zrpc_eval_task reader = {
        .end = b, .flow = out, .clause = CLAUSE_EOF, .len = run->bulk / 8, .fn = drain};

    zrpc_eval_step(run, CLAUSE_EOF,
                   "the serving side is done writing; the connecting side reads that to its end");
    zrpc_eval_must_be(b, CLAUSE_BYTES, "writing succeeds", zrpc_eval_flow_write(b, &back, 20000, 20000), 0);
    zrpc_eval_must_close_write(b, CLAUSE_EOF);
    back = zrpc_eval_flow(b);
    zrpc_eval_flow_read(a, &back, CLAUSE_EOF, 20000, EVAL_PIECE_MAX);
    zrpc_eval_must_eof(a, CLAUSE_EOF);
    zrpc_eval_step(run, CLAUSE_EOF, "it writes, half-closes and closes at once; all of it arrives");
    zrpc_eval_go(&reader);
    zrpc_eval_must_be(a, CLAUSE_BYTES, "writing succeeds",
                      zrpc_eval_flow_write(a, &out, run->bulk / 8, EVAL_PIECE_MAX), 0);
    zrpc_eval_must_close_write(a, CLAUSE_EOF);
    zrpc_eval_close(a);
    zrpc_eval_join(&reader);
}

static void abort_before_call(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_end *end = &pair->ends[0];
    uint8_t byte;

    zrpc_eval_step(run, CLAUSE_CLOSE, "calls on a wire that was aborted, with bytes waiting and without");
    zrpc_eval_must_write(&pair->ends[1], CLAUSE_BYTES, "waits", 5);
    zrpc_eval_must_read(end, CLAUSE_BYTES, "wa", 2);
    zrpc_eval_shutdown(end);
    for (int i = 0; i < 3; i++) {
        ssize_t n = zrpc_eval_read(end, &byte, 1);

        zrpc_eval_must_be(end, CLAUSE_CLOSE, "reading fails", n, ZRPC_ERR_CLOSED);
        n = zrpc_eval_write(end, &byte, 1, NULL);
        zrpc_eval_must_be(end, CLAUSE_CLOSE, "writing fails", n, ZRPC_ERR_CLOSED);
    }
}

/* An end in order is EOF; how else a wire tells that the peer is gone is its own affair, but it tells. */
static void peer_is_told(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    for (int side = 0; side < 2; side++) {
        struct zrpc_eval_task reader = {0};

        if (side == 1)
            zrpc_eval_open(run, pair);
        zrpc_eval_step(run, CLAUSE_CLOSE, "the %s side closes while the other reads",
                       side == 0 ? "connecting" : "serving");
        zrpc_eval_must_work(pair, CLAUSE_BYTES);
        zrpc_eval_block(&reader, &pair->ends[1 - side], ZRPC_READ);
        zrpc_eval_close(&pair->ends[side]);
        zrpc_eval_join(&reader);
        if (reader.rc > 0 || reader.rc == ZRPC_ERR_TIMEOUT || reader.rc == ZRPC_ERR_AGAIN)
            zrpc_eval_fail(run, CLAUSE_CLOSE, "the end, or an error", "%s", zrpc_eval_outcome(reader.rc));
        zrpc_eval_close_pair(pair);
    }
}

static int count_descriptors(struct zrpc_eval_run *run)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    if (dir == NULL)
        zrpc_eval_inconclusive(run, "/proc/self/fd cannot be read");
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

/* The ways in which connections end: in order, at once, aborted, with bytes unread. */
static void use_and_close(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair, int way)
{
    zrpc_eval_must_work(pair, CLAUSE_BYTES);
    if (way == 1)
        zrpc_eval_must_close_write(&pair->ends[0], CLAUSE_EOF);
    if (way == 2)
        zrpc_eval_shutdown(&pair->ends[1]);
    if (way == 3)
        zrpc_eval_must_write(&pair->ends[0], CLAUSE_BYTES, "unread", 6);
    (void)run;
    zrpc_eval_close_pair(pair);
}

static void descriptors(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    zrpc_time patience;
    int before, after;

    zrpc_eval_step(run, CLAUSE_CLOSE, "five connections, one after the other");
    use_and_close(run, pair, 0);
    before = count_descriptors(run);
    for (int i = 0; i < 4; i++) {
        zrpc_eval_open(run, pair);
        use_and_close(run, pair, i);
    }
    patience = zrpc_now() + PATIENCE;
    while ((after = count_descriptors(run)) > before && zrpc_now() < patience)
        zrpc_eval_sleep_ms(20);
    if (after > before)
        zrpc_eval_fail(run, CLAUSE_CLOSE, "no descriptor is left", "%d are left", after - before);
}

static void processes(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    zrpc_time patience;
    siginfo_t info = {0};
    int rc;

    zrpc_eval_step(run, CLAUSE_CLOSE, "two connections, one after the other");
    for (int way = 0; way < 4; way += 2) {
        if (way > 0)
            zrpc_eval_open(run, pair);
        use_and_close(run, pair, way);
    }
    patience = zrpc_now() + PATIENCE;
    while ((rc = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT)) == 0 && info.si_pid == 0 &&
           zrpc_now() < patience)
        zrpc_eval_sleep_ms(20);
    if (rc < 0 && errno == ECHILD)
        return;
    if (info.si_pid != 0)
        zrpc_eval_fail(run, CLAUSE_CLOSE, "no process is left",
                       "process %d has ended and nobody waited for it", (int)info.si_pid);
    zrpc_eval_fail(run, CLAUSE_CLOSE, "no process is left", "a process still runs");
}

static const struct zrpc_eval_case cases[] = {
    {"close.drain-then-close",
     "a connection that ends in order loses nothing",
     {CLAUSE_EOF, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     drain_then_close},
    {"close.abort",
     "calls on an aborted wire fail",
     {CLAUSE_CLOSE, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     abort_before_call},
    {"close.peer-is-told",
     "a blocked read ends when the peer closes",
     {CLAUSE_CLOSE, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     peer_is_told},
    {"close.descriptors",
     "closed wires leave no descriptor",
     {CLAUSE_CLOSE, CLAUSE_BYTES, CLAUSE_EOF},
     ZRPC_MUST,
     60,
     descriptors},
    {"close.processes",
     "closed wires leave no process",
     {CLAUSE_CLOSE, CLAUSE_BYTES, CLAUSE_EOF},
     ZRPC_MUST,
     60,
     processes},
};

ZRPC_EVAL_AREA(zrpc_eval_close_area, "close", "closing, and what is left", cases);
