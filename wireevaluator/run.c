#include "wireevaluator/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "conformance/verdict.h"

#define OPEN_TIME (10 * ZRPC_SECOND) /* less than the patience of who watches */

/* The evaluator reads as long as this process lives; if it is gone itself, there is nobody left to tell. */
static void send_message(const struct zrpc_eval_run *run, const struct zrpc_eval_message *m)
{
    size_t len = offsetof(struct zrpc_eval_message, detail) + strlen(m->detail) + 1;

    if (send(run->report, m, len, MSG_NOSIGNAL) < 0)
        _exit(1);
}

static void fill_clause(struct zrpc_eval_message *m, const char *clause)
{
    snprintf(m->clause, sizeof m->clause, "%s", clause == NULL ? "" : clause);
}

void zrpc_eval_step(struct zrpc_eval_run *run, const char *clause, const char *fmt, ...)
{
    struct zrpc_eval_message m = {.type = EVAL_MESSAGE_EVENT, .kind = ZRPC_TRACE_STEP, .at = zrpc_now()};
    va_list args;

    fill_clause(&m, clause);
    va_start(args, fmt);
    vsnprintf(m.text, sizeof m.text, fmt, args);
    va_end(args);
    send_message(run, &m);
}

void zrpc_eval_fail(struct zrpc_eval_run *run, const char *clause, const char *expected, const char *fmt, ...)
{
    struct zrpc_eval_message m = {.type = EVAL_MESSAGE_VERDICT, .at = zrpc_now()};
    va_list args;

    m.verdict = zrpc_verdict_missed(run->tc->level);
    fill_clause(&m, clause);
    snprintf(m.text, sizeof m.text, "%s", expected);
    va_start(args, fmt);
    vsnprintf(m.detail, sizeof m.detail, fmt, args);
    va_end(args);
    send_message(run, &m);
    _exit(0);
}

void zrpc_eval_inconclusive(struct zrpc_eval_run *run, const char *fmt, ...)
{
    struct zrpc_eval_message m = {
        .type = EVAL_MESSAGE_VERDICT, .verdict = ZRPC_VERDICT_INCONCLUSIVE, .at = zrpc_now()};
    va_list args;

    va_start(args, fmt);
    vsnprintf(m.detail, sizeof m.detail, fmt, args);
    va_end(args);
    send_message(run, &m);
    _exit(0);
}

const char *zrpc_eval_outcome(ssize_t n)
{
    static _Thread_local char texts[8][96];
    static _Thread_local unsigned next;
    char *text = texts[next++ % 8];

    if (n > 0)
        snprintf(text, sizeof texts[0], "%zd byte%s", n, n == 1 ? "" : "s");
    else if (n == 0)
        snprintf(text, sizeof texts[0], "0");
    else
        snprintf(text, sizeof texts[0], "%s (%s)", zrpc_code_name((int)n), zrpc_code_meaning((int)n));
    return text;
}

/*
 * Ends. Transfers in a row are one event of the trace; anything else on that end begins a new one.
 */
static const char *const sides[] = {"connecting side", "serving side"};

static uint32_t fresh_fold(struct zrpc_eval_run *run)
{
    return atomic_fetch_add(&run->folds, 1) + 1;
}

static void note(struct zrpc_eval_end *end, const char *detail, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void note(struct zrpc_eval_end *end, const char *detail, const char *fmt, ...)
{
    struct zrpc_eval_message m = {.type = EVAL_MESSAGE_EVENT, .kind = ZRPC_TRACE_WIRE, .at = zrpc_now()};
    int n = snprintf(m.text, sizeof m.text, "%s ", sides[end->side]);
    va_list args;

    va_start(args, fmt);
    vsnprintf(m.text + n, sizeof m.text - (size_t)n, fmt, args);
    va_end(args);
    snprintf(m.detail, sizeof m.detail, "%s", detail);
    send_message(end->run, &m);
}

static void note_transfer(struct zrpc_eval_end *end, enum zrpc_direction dir, size_t n)
{
    struct zrpc_eval_message m = {.type = EVAL_MESSAGE_EVENT, .at = zrpc_now(), .bytes = n};

    m.fold = atomic_load(&end->fold[dir]);
    if (dir == ZRPC_READ)
        m.kind = ZRPC_TRACE_WIRE;
    else
        m.kind = end->side == EVAL_CONNECTING ? ZRPC_TRACE_SENT : ZRPC_TRACE_RECEIVED;
    snprintf(m.text, sizeof m.text, dir == ZRPC_READ ? "%s reads" : "%s writes", sides[end->side]);
    send_message(end->run, &m);
}

static void note_outcome(struct zrpc_eval_end *end, enum zrpc_direction dir, const char *what, int rc,
                         const struct zrpc_error *err)
{
    atomic_store(&end->fold[dir], fresh_fold(end->run));
    if (rc < 0)
        note(end, err->text, "%s: %s", what, zrpc_code_name(rc));
    else
        note(end, "", "%s", what);
}

void zrpc_eval_open(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_evaluated *t = run->transport;
    struct zrpc_wire *wires[2] = {NULL, NULL};
    struct zrpc_error err = {0};

    memset(pair, 0, sizeof *pair);
    if (t->ops->open_pair(t, zrpc_now() + OPEN_TIME, wires, &err) < 0)
        zrpc_eval_inconclusive(run, "no connection: %s", err.text);
    for (int i = 0; i < 2; i++) {
        struct zrpc_eval_end *end = &pair->ends[i];

        end->run = run;
        end->side = i == 0 ? EVAL_CONNECTING : EVAL_SERVING;
        end->wire = wires[i];
        atomic_init(&end->fold[ZRPC_READ], fresh_fold(run));
        atomic_init(&end->fold[ZRPC_WRITE], fresh_fold(run));
        if (zrpc_timeoutconn_new(wires[i], &end->conn, &err) < 0)
            zrpc_eval_inconclusive(run, "%s", err.text);
    }
}

void zrpc_eval_close(struct zrpc_eval_end *end)
{
    struct zrpc_timeoutconn *conn = end->conn;

    if (conn == NULL)
        return;
    note(end, "", "closes");
    end->conn = NULL;
    zrpc_timeoutconn_close(conn);
}

void zrpc_eval_close_pair(struct zrpc_eval_pair *pair)
{
    zrpc_eval_close(&pair->ends[EVAL_SERVING]);
    zrpc_eval_close(&pair->ends[EVAL_CONNECTING]);
}

void zrpc_eval_vanish(struct zrpc_eval_end *end)
{
    struct zrpc_evaluated *t = end->run->transport;
    struct zrpc_wire *wire = zrpc_timeoutconn_release(end->conn);

    note(end, "", "vanishes");
    end->conn = NULL;
    if (t->ops->vanish != NULL)
        t->ops->vanish(t, wire);
    else
        zrpc_wire_close(wire);
}

ssize_t zrpc_eval_readv(struct zrpc_eval_end *end, const struct iovec *iov, int n)
{
    struct zrpc_error err = {0};
    ssize_t got = zrpc_timeoutconn_readv(end->conn, iov, n, &err);

    if (got > 0)
        note_transfer(end, ZRPC_READ, (size_t)got);
    else
        note_outcome(end, ZRPC_READ, got == 0 ? "reads the end of the byte stream" : "reads", (int)got, &err);
    return got;
}

ssize_t zrpc_eval_read(struct zrpc_eval_end *end, void *buf, size_t len)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};

    return zrpc_eval_readv(end, &iov, 1);
}

int zrpc_eval_writev(struct zrpc_eval_end *end, const struct iovec *iov, int n, size_t *done)
{
    struct zrpc_error err = {0};
    size_t taken = 0;
    int rc = zrpc_timeoutconn_writev(end->conn, iov, n, &taken, &err);

    if (taken > 0)
        note_transfer(end, ZRPC_WRITE, taken);
    if (rc < 0)
        note_outcome(end, ZRPC_WRITE, "writes", rc, &err);
    if (done != NULL)
        *done = taken;
    return rc;
}

int zrpc_eval_write(struct zrpc_eval_end *end, const void *buf, size_t len, size_t *done)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};

    return zrpc_eval_writev(end, &iov, 1, done);
}

int zrpc_eval_close_write(struct zrpc_eval_end *end)
{
    struct zrpc_error err = {0};
    int rc = zrpc_timeoutconn_close_write(end->conn, &err);

    note_outcome(end, ZRPC_WRITE, "CloseWrite", rc, &err);
    return rc;
}

/* Set every few microseconds in some cases, hence folded. */
void zrpc_eval_deadline(struct zrpc_eval_end *end, enum zrpc_direction dir, zrpc_time deadline)
{
    struct zrpc_eval_message m = {.type = EVAL_MESSAGE_EVENT, .kind = ZRPC_TRACE_WIRE, .at = zrpc_now()};
    const char *what = deadline == ZRPC_NEVER ? "cleared" : deadline <= m.at ? "in the past" : "ahead";

    m.fold = 0x80000000u | (uint32_t)end->side << 8 | (uint32_t)dir << 4 | (uint32_t)what[0];
    snprintf(m.text, sizeof m.text, "%s: %s deadline %s", sides[end->side],
             dir == ZRPC_READ ? "read" : "write", what);
    send_message(end->run, &m);
    zrpc_timeoutconn_set_deadline(end->conn, dir, deadline);
}

void zrpc_eval_shutdown(struct zrpc_eval_end *end)
{
    note(end, "", "aborts");
    zrpc_wire_shutdown(end->wire);
}

void zrpc_eval_sleep_ms(int ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&ts, NULL);
}
