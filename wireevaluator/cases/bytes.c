#include <stdlib.h>
#include <string.h>

#include "wireevaluator/cases/cases.h"
#include "wireevaluator/run.h"

static struct zrpc_eval_task writes(struct zrpc_eval_end *end, uint64_t len, size_t piece)
{
    return (struct zrpc_eval_task){
        .end = end, .flow = zrpc_eval_flow(end), .len = len, .piece = piece, .fn = zrpc_eval_task_write};
}

static struct zrpc_eval_task reads(struct zrpc_eval_end *end, const struct zrpc_eval_end *writer,
                                   uint64_t len, size_t piece)
{
    return (struct zrpc_eval_task){.end = end,
                                   .flow = zrpc_eval_flow(writer),
                                   .clause = CLAUSE_BYTES,
                                   .len = len,
                                   .piece = piece,
                                   .fn = zrpc_eval_task_read};
}

static void run_all(struct zrpc_eval_task *tasks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        zrpc_eval_go(&tasks[i]);
    for (size_t i = 0; i < n; i++)
        zrpc_eval_join(&tasks[i]);
    for (size_t i = 0; i < n; i++)
        if (tasks[i].fn == zrpc_eval_task_write)
            zrpc_eval_must_be(tasks[i].end, CLAUSE_BYTES, "writing succeeds", tasks[i].rc, 0);
}

static void full_duplex(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_end *a = &pair->ends[0], *b = &pair->ends[1];
    struct zrpc_eval_task tasks[] = {
        writes(a, run->bulk / 4, EVAL_PIECE_MAX),
        writes(b, run->bulk / 4, 100000),
        reads(a, b, run->bulk / 4, 64 << 10),
        reads(b, a, run->bulk / 4, EVAL_PIECE_MAX),
    };

    zrpc_eval_step(run, CLAUSE_BYTES, "%llu bytes each way at the same time",
                   (unsigned long long)run->bulk / 4);
    run_all(tasks, 4);
}

static void piece_sizes(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    static const struct {
        uint64_t len;
        size_t write, read;
    } shapes[] = {{20000, 20000, 7}, {3000, 1, 4096}, {300000, 65537, 8191}, {600000, 16385, EVAL_PIECE_MAX}};
    struct zrpc_eval_end *a = &pair->ends[0], *b = &pair->ends[1];

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct zrpc_eval_task tasks[] = {
            writes(a, shapes[i].len, shapes[i].write),
            writes(b, shapes[i].len, shapes[i].write),
            reads(b, a, shapes[i].len, shapes[i].read),
            reads(a, b, shapes[i].len, shapes[i].read),
        };

        zrpc_eval_step(run, CLAUSE_BYTES, "written in pieces of %zu bytes, read in pieces of %zu",
                       shapes[i].write, shapes[i].read);
        run_all(tasks, 4);
    }
}

/* What one write brought is all there for reads that take it bit by bit: nobody may wait for more to come. */
static void small_reads(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    uint8_t block[4000];
    struct zrpc_eval_flow flow = zrpc_eval_flow(&pair->ends[0]), in = flow;

    zrpc_eval_step(run, CLAUSE_BYTES, "one write, many small reads");
    for (int i = 0; i < 20; i++) {
        zrpc_eval_flow_fill(&flow, block, sizeof block);
        zrpc_eval_must_write(&pair->ends[0], CLAUSE_BYTES, block, sizeof block);
        flow.at += sizeof block;
        zrpc_eval_flow_read(&pair->ends[1], &in, CLAUSE_BYTES, flow.at, 333);
    }
}

/*
 * Vectors
 */
enum { VECTOR = 1500 }; /* more than the system takes at once (IOV_MAX is 1024) */

/* Shapes by round: many tiny elements, empty ones, few large ones. */
static int shape(struct iovec *iov, uint8_t *base, size_t len, unsigned round)
{
    static const size_t steps[][4] = {{1, 0, 2, 3}, {0, 0, 4096, 1}, {17, 70000, 5, 0}, {16384, 1, 16384, 0}};
    size_t at = 0;
    int n = 0;

    while (at < len && n < VECTOR) {
        size_t step = steps[round % 4][n % 4], left = len - at;

        if (step > left || n == VECTOR - 1)
            step = left;
        iov[n++] = (struct iovec){.iov_base = step == 0 ? NULL : base + at, .iov_len = step};
        at += step;
    }
    return n;
}

struct vectors {
    struct zrpc_eval_task task; /* first */
    bool vectored;
};

static void write_vectors(struct zrpc_eval_task *task)
{
    struct iovec *iov = calloc(VECTOR, sizeof *iov);
    uint8_t *buf = malloc(100000);
    size_t done;

    task->rc = iov == NULL || buf == NULL ? ZRPC_ERR_NOMEM : 0;
    for (unsigned round = 0; task->rc == 0 && task->flow.at < task->len; round++) {
        size_t len = task->len - task->flow.at < 100000 ? (size_t)(task->len - task->flow.at) : 100000;

        zrpc_eval_flow_fill(&task->flow, buf, len);
        task->rc = zrpc_eval_writev(task->end, iov, shape(iov, buf, len, round), &done);
        task->flow.at += done;
        if (task->rc == 0 && done != len)
            zrpc_eval_fail(task->end->run, CLAUSE_VECTORS, "a write takes all bytes, or fails", "%zu of %zu",
                           done, len);
    }
    free(iov);
    free(buf);
}

static void read_vectors(struct zrpc_eval_task *task)
{
    struct iovec *iov = calloc(VECTOR, sizeof *iov);
    uint8_t *buf = malloc(100000);

    task->rc = iov == NULL || buf == NULL ? ZRPC_ERR_NOMEM : 0;
    for (unsigned round = 1; task->rc == 0 && task->flow.at < task->len; round++) {
        size_t len = task->len - task->flow.at < 100000 ? (size_t)(task->len - task->flow.at) : 100000;
        ssize_t n = zrpc_eval_readv(task->end, iov, shape(iov, buf, len, round));

        if (n <= 0)
            zrpc_eval_fail(task->end->run, CLAUSE_VECTORS, "bytes", "%s", zrpc_eval_outcome(n));
        zrpc_eval_flow_check(task->end->run, &task->flow, CLAUSE_VECTORS, buf, (size_t)n);
    }
    free(iov);
    free(buf);
}

static void vectors(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    for (int way = 0; way < 2; way++) {
        struct zrpc_eval_end *from = &pair->ends[way], *to = &pair->ends[1 - way];
        struct zrpc_eval_task writer = writes(from, 1000000, 0), reader = reads(to, from, 1000000, 30000);

        zrpc_eval_step(run, CLAUSE_VECTORS,
                       way == 0 ? "vectors written, plain reads" : "vectors both written and read");
        writer.fn = write_vectors;
        reader.clause = CLAUSE_VECTORS;
        if (way == 1)
            reader.fn = read_vectors;
        zrpc_eval_go(&writer);
        zrpc_eval_go(&reader);
        zrpc_eval_join(&writer);
        zrpc_eval_join(&reader);
        zrpc_eval_must_be(from, CLAUSE_VECTORS, "writing succeeds", writer.rc, 0);
    }
    zrpc_eval_step(run, CLAUSE_VECTORS, "a plain write, a vectored read");
    struct zrpc_eval_task writer = writes(&pair->ends[0], 1000000, 9999);
    struct zrpc_eval_task reader = reads(&pair->ends[1], &pair->ends[0], 1000000, 0);

    reader.fn = read_vectors;
    zrpc_eval_go(&writer);
    zrpc_eval_go(&reader);
    zrpc_eval_join(&writer);
    zrpc_eval_join(&reader);
    zrpc_eval_must_be(&pair->ends[0], CLAUSE_VECTORS, "writing succeeds", writer.rc, 0);
}

static void write_waits(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_end *a = &pair->ends[0], *b = &pair->ends[1];
    struct zrpc_eval_flow out = zrpc_eval_flow(a), in = out;
    struct zrpc_eval_task writer;

    zrpc_eval_step(run, CLAUSE_WRITE_WAITS, "writing until the wire is full");
    zrpc_eval_deadline(a, ZRPC_WRITE, zrpc_eval_in_ms(100));
    zrpc_eval_must_be(a, CLAUSE_WRITE_WAITS, "a timeout",
                      zrpc_eval_flow_write(a, &out, EVAL_ENDLESS, EVAL_PIECE_MAX), ZRPC_ERR_TIMEOUT);
    zrpc_eval_deadline(a, ZRPC_WRITE, ZRPC_NEVER);
    zrpc_eval_step(run, CLAUSE_WRITE_WAITS, "the next write waits for the reader, and then goes on");
    writer = writes(a, 1 << 20, EVAL_PIECE_MAX);
    writer.flow = out;
    zrpc_eval_go(&writer);
    zrpc_eval_until_blocked(&writer);
    zrpc_eval_flow_read(b, &in, CLAUSE_NO_LOSS, out.at + (1 << 20), EVAL_PIECE_MAX);
    zrpc_eval_join(&writer);
    zrpc_eval_must_be(a, CLAUSE_WRITE_WAITS, "writing succeeds", writer.rc, 0);
}

static void independent_pairs(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_pair other;

    zrpc_eval_step(run, CLAUSE_BYTES, "two connections, each with bytes of its own");
    zrpc_eval_open(run, &other);
    zrpc_eval_must_write(&pair->ends[0], CLAUSE_BYTES, "first", 5);
    zrpc_eval_must_write(&other.ends[0], CLAUSE_BYTES, "other", 5);
    zrpc_eval_must_read(&other.ends[1], CLAUSE_BYTES, "other", 5);
    zrpc_eval_must_read(&pair->ends[1], CLAUSE_BYTES, "first", 5);
    zrpc_eval_step(run, CLAUSE_CLOSE, "the end of one is not that of the other");
    zrpc_eval_close_pair(&other);
    zrpc_eval_must_work(pair, CLAUSE_CLOSE);
}

static const struct zrpc_eval_case cases[] = {
    {"bytes.full-duplex",
     "both sides write and read at the same time",
     {CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     full_duplex},
    {"bytes.piece-sizes",
     "how bytes are cut into calls changes nothing",
     {CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     piece_sizes},
    {"bytes.small-reads",
     "bytes that have arrived can be read at once",
     {CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     small_reads},
    {"bytes.vectors", "vectored calls do what plain ones do", {CLAUSE_VECTORS}, ZRPC_MUST, 60, vectors},
    {"bytes.write-waits",
     "a write waits for a reader that is late, and loses nothing",
     {CLAUSE_WRITE_WAITS, CLAUSE_NO_LOSS},
     ZRPC_MUST,
     60,
     write_waits},
    {"bytes.independent-pairs",
     "connections have nothing to do with each other",
     {CLAUSE_BYTES, CLAUSE_CLOSE},
     ZRPC_MUST,
     60,
     independent_pairs},
};

ZRPC_EVAL_AREA(zrpc_eval_bytes_area, "bytes", "bytes in order, both ways", cases);
