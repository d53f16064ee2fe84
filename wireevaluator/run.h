/*
 * A run: one execution of one case, in a process of its own.
 *
 * A case is a straight story. What it expects either holds, or ends the process at once with the verdict;
 * what hangs is ended from outside and blamed on the clause of the last step; so nothing needs checking.
 * Everything that the ends do is reported to the evaluator's process as it happens, and survives whatever
 * becomes of this one.
 *
 * Reading and writing on one end may go on in two threads; two readers or two writers may not.
 */
#ifndef ZRPC_WIREEVALUATOR_RUN_H
#define ZRPC_WIREEVALUATOR_RUN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "conformance/trace.h"
#include "wireevaluator/case.h"
#include "zrpc/timeoutconn.h"
#include "zrpc/wireevaluator.h"

/* As in the specification. */
#define CLAUSE_BYTES        "ZR-WIRE-001"
#define CLAUSE_INDEPENDENT  "ZR-WIRE-002"
#define CLAUSE_CHANGE       "ZR-WIRE-003"
#define CLAUSE_TIMEOUT      "ZR-WIRE-004"
#define CLAUSE_NO_LOSS      "ZR-WIRE-005"
#define CLAUSE_USABLE       "ZR-WIRE-006"
#define CLAUSE_WRITE_WAITS  "ZR-WIRE-007"
#define CLAUSE_NO_WRITES    "ZR-WIRE-008"
#define CLAUSE_EOF          "ZR-WIRE-009"
#define CLAUSE_READ_GOES_ON "ZR-WIRE-010"
#define CLAUSE_RETURNS      "ZR-WIRE-011"
#define CLAUSE_CLOSE        "ZR-WIRE-012"
#define CLAUSE_LOST         "ZR-WIRE-013"
#define CLAUSE_VECTORS      "ZR-WIRE-014"
#define CLAUSE_LOST_LATER   "ZR-WIRE-015"

#define EVAL_BULK_DEFAULT (32u << 20) /* of the original */

struct zrpc_eval_run {
    const struct zrpc_eval_case *tc;
    struct zrpc_evaluated *transport;
    int report; /* SOCK_SEQPACKET: struct zrpc_eval_message */
    zrpc_time started;
    uint64_t seed;
    uint64_t bulk; /* bytes: what large transfers are measured by */
    unsigned ends; /* opened so far */
    atomic_uint folds;
};

/* One end of a wire. */
struct zrpc_eval_end {
    struct zrpc_eval_run *run;
    enum { EVAL_CONNECTING, EVAL_SERVING } side;
    struct zrpc_wire *wire; /* conn's */
    struct zrpc_timeoutconn *conn;
    atomic_uint fold[2]; /* of the trace, by enum zrpc_direction */
};

struct zrpc_eval_pair {
    struct zrpc_eval_end ends[2]; /* connecting, serving */
};

/* What a run tells the evaluator's process. */
struct zrpc_eval_message {
    enum { EVAL_MESSAGE_EVENT, EVAL_MESSAGE_VERDICT } type;
    enum zrpc_trace_kind kind;
    int verdict; /* enum zrpc_verdict */
    uint32_t fold;
    zrpc_time at; /* zrpc_now() */
    uint64_t bytes;
    char clause[16]; /* "": none */
    char text[512];  /* of a verdict: what was expected */
    char detail[1024];
};

/*
 * Expectations
 */
/* What comes next; until the next step, hanging breaks that clause. */
void zrpc_eval_step(struct zrpc_eval_run *run, const char *clause, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Ends the process with the verdict on a case whose clause is not met. */
_Noreturn void zrpc_eval_fail(struct zrpc_eval_run *run, const char *clause, const char *expected,
                              const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Ends the process without a verdict on the transport. */
_Noreturn void zrpc_eval_inconclusive(struct zrpc_eval_run *run, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* "5 bytes", "the end of the byte stream", "TIMEOUT (deadline exceeded)". Valid until 8 more calls in the
 * thread. */
const char *zrpc_eval_outcome(ssize_t n);

/*
 * Ends
 */
/* One more pair. INCONCLUSIVE if the transport has none. */
void zrpc_eval_open(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair);
/* Closes what is open, the serving end first: what was started to connect can end by itself then. */
void zrpc_eval_close_pair(struct zrpc_eval_pair *pair);
void zrpc_eval_close(struct zrpc_eval_end *end);
/* As struct zrpc_evaluated_ops has it. */
void zrpc_eval_vanish(struct zrpc_eval_end *end);

/* As in zrpc/timeoutconn.h: a number of bytes, 0, or a code. */
ssize_t zrpc_eval_read(struct zrpc_eval_end *end, void *buf, size_t len);
ssize_t zrpc_eval_readv(struct zrpc_eval_end *end, const struct iovec *iov, int n);
int zrpc_eval_write(struct zrpc_eval_end *end, const void *buf, size_t len, size_t *done);
int zrpc_eval_writev(struct zrpc_eval_end *end, const struct iovec *iov, int n, size_t *done);
int zrpc_eval_close_write(struct zrpc_eval_end *end);
void zrpc_eval_deadline(struct zrpc_eval_end *end, enum zrpc_direction dir, zrpc_time deadline);
/* zrpc_wire_shutdown. */
void zrpc_eval_shutdown(struct zrpc_eval_end *end);

static inline zrpc_time zrpc_eval_in_ms(int ms)
{
    return zrpc_now() + ms * ZRPC_MILLISECOND;
}
void zrpc_eval_sleep_ms(int ms);

/* Expected to succeed; the clause is broken otherwise. */
void zrpc_eval_must_write(struct zrpc_eval_end *end, const char *clause, const void *buf, size_t len);
void zrpc_eval_must_read(struct zrpc_eval_end *end, const char *clause, const void *expected, size_t len);
void zrpc_eval_must_close_write(struct zrpc_eval_end *end, const char *clause);
/* The end of the byte stream, and it stays. */
void zrpc_eval_must_eof(struct zrpc_eval_end *end, const char *clause);
/* The result of a call that has to end with this code. */
void zrpc_eval_must_be(struct zrpc_eval_end *end, const char *clause, const char *what, ssize_t got,
                       int code);
/* The connection works, both ways: eight bytes there and back. */
void zrpc_eval_must_work(struct zrpc_eval_pair *pair, const char *clause);

/*
 * Flows: bytes that tell by themselves where they belong, so that any loss, repetition, mix-up or change
 * shows with its place.
 */
struct zrpc_eval_flow {
    uint64_t seed; /* of this flow, see zrpc_eval_flow() */
    uint64_t at;   /* bytes so far */
};

/* The flow that the end writes; each end of a run has its own. */
struct zrpc_eval_flow zrpc_eval_flow(const struct zrpc_eval_end *writer);
void zrpc_eval_flow_fill(const struct zrpc_eval_flow *flow, uint8_t *out, size_t len);
/* Advances. Breaks the clause where the bytes are not the flow's next ones. */
void zrpc_eval_flow_check(struct zrpc_eval_run *run, struct zrpc_eval_flow *flow, const char *clause,
                          const uint8_t *in, size_t len);
/* Writes up to len bytes in calls of `piece` bytes (at most EVAL_PIECE_MAX), as far as the wire takes them: 0
 * or the code that ended it. Advances by what went out. */
int zrpc_eval_flow_write(struct zrpc_eval_end *end, struct zrpc_eval_flow *flow, uint64_t len, size_t piece);
/* Reads exactly up to `until` bytes in all; anything else breaks the clause. */
void zrpc_eval_flow_read(struct zrpc_eval_end *end, struct zrpc_eval_flow *flow, const char *clause,
                         uint64_t until, size_t piece);
#define EVAL_PIECE_MAX (256u << 10)
#define EVAL_ENDLESS   (UINT64_C(1) << 30) /* more than any wire holds */

/*
 * Threads
 */
struct zrpc_eval_task {
    struct zrpc_eval_end *end;
    struct zrpc_eval_flow flow;
    const char *clause;
    uint64_t len;
    size_t piece;
    uint64_t moved; /* results, after zrpc_eval_join() */
    ssize_t rc;
    zrpc_time ended;
    void (*fn)(struct zrpc_eval_task *task);
    atomic_int tid;
    pthread_t thread;
};

/* Runs task->fn in a thread. */
void zrpc_eval_go(struct zrpc_eval_task *task);
void zrpc_eval_join(struct zrpc_eval_task *task);
/* Until the thread waits in the kernel, or has ended. */
void zrpc_eval_until_blocked(struct zrpc_eval_task *task);
/* Functions for tasks. */
void zrpc_eval_task_write(struct zrpc_eval_task *task);     /* zrpc_eval_flow_write() -> rc */
void zrpc_eval_task_read(struct zrpc_eval_task *task);      /* zrpc_eval_flow_read() */
void zrpc_eval_task_read_once(struct zrpc_eval_task *task); /* one call -> rc */
/* Starts one that blocks: a read where nothing comes, a write that nobody reads; and waits until it does. */
void zrpc_eval_block(struct zrpc_eval_task *task, struct zrpc_eval_end *end, enum zrpc_direction dir);

#endif
