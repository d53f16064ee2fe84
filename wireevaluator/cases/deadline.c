#include <stdlib.h>

#include "wireevaluator/cases/cases.h"
#include "wireevaluator/run.h"

static const char *const names[] = {"read", "write"};

/* A blocked call obeys a deadline that comes nearer, whether it had none before or a far one. */
static void brought_forward(struct zrpc_eval_pair *pair, enum zrpc_direction dir)
{
    struct zrpc_eval_end *end = &pair->ends[1], *peer = &pair->ends[0];
    zrpc_time initial[] = {ZRPC_NEVER, zrpc_eval_in_ms(3600 * 1000)};
    struct zrpc_eval_flow out = zrpc_eval_flow(end), in = out;

    for (int i = 0; i < 2; i++) {
        struct zrpc_eval_task task = {.flow = out};
        zrpc_time deadline;

        zrpc_eval_step(end->run, CLAUSE_CHANGE, "a blocked %s, %s: its deadline comes nearer", names[dir],
                       i == 0 ? "without deadline" : "with one in an hour");
        zrpc_eval_deadline(end, dir, initial[i]);
        zrpc_eval_block(&task, end, dir);
        deadline = zrpc_eval_in_ms(i * 20);
        zrpc_eval_deadline(end, dir, deadline);
        zrpc_eval_join(&task);
        zrpc_eval_must_be(end, CLAUSE_CHANGE, "a timeout", task.rc, ZRPC_ERR_TIMEOUT);
        if (task.ended < deadline)
            zrpc_eval_fail(end->run, CLAUSE_TIMEOUT, "a timeout at the deadline", "a timeout before it");
        if (dir == ZRPC_WRITE)
            out = task.flow;
    }
    zrpc_eval_step(end->run, CLAUSE_USABLE, "afterwards the wire is as before");
    zrpc_eval_deadline(end, dir, ZRPC_NEVER);
    zrpc_eval_flow_read(peer, &in, CLAUSE_NO_LOSS, out.at, EVAL_PIECE_MAX);
    zrpc_eval_must_work(pair, CLAUSE_USABLE);
}

static void read_brought_forward(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    (void)run;
    brought_forward(pair, ZRPC_READ);
}

static void write_brought_forward(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    (void)run;
    brought_forward(pair, ZRPC_WRITE);
}

/* Puts the deadline of a call in a thread off, and waits until the first one has passed. False if this came
 * too late, as it may on a busy machine: then the call may have timed out, and nothing is proved. */
static bool put_off(struct zrpc_eval_task *task, enum zrpc_direction dir, int ms, zrpc_time later)
{
    zrpc_time first = zrpc_eval_in_ms(ms);
    bool in_time;

    zrpc_eval_deadline(task->end, dir, first);
    zrpc_eval_go(task);
    zrpc_eval_until_blocked(task);
    zrpc_eval_deadline(task->end, dir, later);
    in_time = zrpc_now() < first;
    while (in_time && zrpc_now() < first + 20 * ZRPC_MILLISECOND)
        zrpc_eval_sleep_ms(10);
    return in_time;
}

static void read_put_off(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_end *end = &pair->ends[1];
    int ms = 100;

    for (int i = 0; i < 2; i++, ms = 100) {
        bool proved = false;

        for (; !proved && ms < 10000; ms *= 2) {
            struct zrpc_eval_task task = {.end = end, .fn = zrpc_eval_task_read_once};

            zrpc_eval_step(run, CLAUSE_CHANGE, "a blocked read: its deadline, in %d ms, is %s", ms,
                           i == 0 ? "cleared" : "moved away");
            proved = put_off(&task, ZRPC_READ, ms, i == 0 ? ZRPC_NEVER : zrpc_eval_in_ms(3600 * 1000));
            zrpc_eval_must_write(&pair->ends[0], CLAUSE_BYTES, "!", 1);
            zrpc_eval_join(&task);
            if (proved)
                zrpc_eval_must_be(end, CLAUSE_CHANGE, "the byte that came later", task.rc, 1);
            if (task.rc != 1)
                zrpc_eval_must_read(end, CLAUSE_NO_LOSS, "!", 1);
        }
    }
}

static void write_put_off(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_end *end = &pair->ends[1], *peer = &pair->ends[0];
    struct zrpc_eval_flow out = zrpc_eval_flow(end), in = out;
    bool proved = false;

    for (int ms = 200; !proved && ms < 10000; ms *= 2) {
        struct zrpc_eval_task task = {
            .end = end, .len = 1 << 20, .piece = EVAL_PIECE_MAX, .fn = zrpc_eval_task_write};

        zrpc_eval_step(run, CLAUSE_WRITE_WAITS, "the wire is filled until it takes no more");
        zrpc_eval_deadline(end, ZRPC_WRITE, zrpc_eval_in_ms(100));
        zrpc_eval_must_be(end, CLAUSE_WRITE_WAITS, "a timeout",
                          zrpc_eval_flow_write(end, &out, EVAL_ENDLESS, EVAL_PIECE_MAX), ZRPC_ERR_TIMEOUT);
        zrpc_eval_step(run, CLAUSE_CHANGE, "a blocked write: its deadline, in %d ms, is cleared", ms);
        task.flow = out;
        proved = put_off(&task, ZRPC_WRITE, ms, ZRPC_NEVER);
        zrpc_eval_flow_read(peer, &in, CLAUSE_NO_LOSS, out.at, EVAL_PIECE_MAX);
        if (proved)
            zrpc_eval_flow_read(peer, &in, CLAUSE_CHANGE, out.at + task.len, EVAL_PIECE_MAX);
        else
            zrpc_eval_deadline(end, ZRPC_WRITE, 1);
        zrpc_eval_join(&task);
        if (proved)
            zrpc_eval_must_be(end, CLAUSE_CHANGE, "writing succeeds", task.rc, 0);
        out = task.flow;
        zrpc_eval_flow_read(peer, &in, CLAUSE_NO_LOSS, out.at, EVAL_PIECE_MAX);
    }
}

static void independent(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    for (int side = 0; side < 2; side++) {
        struct zrpc_eval_end *end = &pair->ends[side], *peer = &pair->ends[1 - side];
        struct zrpc_eval_task reader = {0};
        uint8_t byte;

        zrpc_eval_step(run, CLAUSE_INDEPENDENT, "the read deadline expires, and writing is as before");
        zrpc_eval_deadline(end, ZRPC_READ, zrpc_eval_in_ms(20));
        zrpc_eval_must_be(end, CLAUSE_TIMEOUT, "a timeout", zrpc_eval_read(end, &byte, 1), ZRPC_ERR_TIMEOUT);
        zrpc_eval_must_write(end, CLAUSE_INDEPENDENT, "still", 5);
        zrpc_eval_must_read(peer, CLAUSE_INDEPENDENT, "still", 5);
        zrpc_eval_deadline(end, ZRPC_READ, ZRPC_NEVER);
        zrpc_eval_step(run, CLAUSE_INDEPENDENT,
                       "the write deadline expires, and a blocked read is as before");
        zrpc_eval_block(&reader, end, ZRPC_READ);
        zrpc_eval_deadline(end, ZRPC_WRITE, 1);
        zrpc_eval_must_be(end, CLAUSE_TIMEOUT, "a timeout", zrpc_eval_write(end, "x", 1, NULL),
                          ZRPC_ERR_TIMEOUT);
        zrpc_eval_must_write(peer, CLAUSE_INDEPENDENT, "!", 1);
        zrpc_eval_join(&reader);
        zrpc_eval_must_be(end, CLAUSE_INDEPENDENT, "the byte that the peer wrote", reader.rc, 1);
        zrpc_eval_deadline(end, ZRPC_WRITE, ZRPC_NEVER);
    }
}

/*
 * Timeouts all along, both ways at once. Each writer fills the wire before its reader begins, and does not go
 * past its middle before the reader has found the wire empty.
 */
struct stream {
    struct zrpc_eval_task writer, reader; /* first: tasks find the stream by their place in it */
    uint64_t more;                        /* to write after the first timeout */
    atomic_bool full, empty;
    _Atomic uint64_t total; /* once known */
};

static void write_under_timeouts(struct zrpc_eval_task *task)
{
    struct stream *s = (struct stream *)task;
    uint64_t left = s->more;

    while (left > 0) {
        uint64_t before = task->flow.at;
        int rc;

        while (left < s->more / 2 && !atomic_load(&s->empty))
            zrpc_eval_sleep_ms(1);
        zrpc_eval_deadline(task->end, ZRPC_WRITE, zrpc_eval_in_ms(atomic_load(&s->full) ? 2 : 20));
        rc = zrpc_eval_flow_write(task->end, &task->flow, left < 200000 ? left : 200000, 200000);
        if (rc < 0)
            zrpc_eval_must_be(task->end, CLAUSE_TIMEOUT, "progress or a timeout", rc, ZRPC_ERR_TIMEOUT);
        if (rc < 0)
            atomic_store(&s->full, true);
        else if (atomic_load(&s->full))
            left -= task->flow.at - before < left ? task->flow.at - before : left;
        else if (task->flow.at > EVAL_ENDLESS)
            zrpc_eval_fail(task->end->run, CLAUSE_WRITE_WAITS, "a full wire, at some time",
                           "it takes any amount");
    }
    atomic_store(&s->total, task->flow.at);
    zrpc_eval_deadline(task->end, ZRPC_WRITE, ZRPC_NEVER);
    zrpc_eval_must_close_write(task->end, CLAUSE_USABLE);
}

static void read_under_timeouts(struct zrpc_eval_task *task)
{
    struct stream *s = (struct stream *)(task - 1);
    uint8_t *buf = malloc(EVAL_PIECE_MAX);
    ssize_t n = buf == NULL ? 0 : 1;

    while (!atomic_load(&s->full))
        zrpc_eval_sleep_ms(1);
    while (n != 0) {
        zrpc_eval_deadline(task->end, ZRPC_READ, zrpc_eval_in_ms(1));
        n = zrpc_eval_read(task->end, buf, EVAL_PIECE_MAX);
        if (n > 0)
            zrpc_eval_flow_check(task->end->run, &task->flow, CLAUSE_NO_LOSS, buf, (size_t)n);
        else if (n < 0)
            zrpc_eval_must_be(task->end, CLAUSE_TIMEOUT, "bytes or a timeout", n, ZRPC_ERR_TIMEOUT);
        if (n == ZRPC_ERR_TIMEOUT)
            atomic_store(&s->empty, true);
    }
    if (task->flow.at != atomic_load(&s->total))
        zrpc_eval_fail(task->end->run, CLAUSE_NO_LOSS, "as many bytes as the writer counted",
                       "%llu instead of %llu", (unsigned long long)task->flow.at,
                       (unsigned long long)atomic_load(&s->total));
    free(buf);
}

static void timeouts_lose_nothing(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct stream streams[2];

    zrpc_eval_step(run, CLAUSE_NO_LOSS, "reading and writing under timeouts, both ways at once");
    for (int i = 0; i < 2; i++) {
        struct zrpc_eval_flow flow = zrpc_eval_flow(&pair->ends[i]);

        streams[i] =
            (struct stream){.writer = {.end = &pair->ends[i], .flow = flow, .fn = write_under_timeouts},
                            .reader = {.end = &pair->ends[1 - i], .flow = flow, .fn = read_under_timeouts},
                            .more = run->bulk / 16};
        zrpc_eval_go(&streams[i].writer);
        zrpc_eval_go(&streams[i].reader);
    }
    for (int i = 0; i < 2; i++) {
        zrpc_eval_join(&streams[i].writer);
        zrpc_eval_join(&streams[i].reader);
    }
}

/* What was read before the deadline counts, and the rest comes after. */
static void partial_read(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_end *end = &pair->ends[1];
    uint8_t byte;

    zrpc_eval_step(run, CLAUSE_NO_LOSS, "half a message comes, a timeout, and the other half");
    for (int i = 0; i < 5; i++) {
        zrpc_eval_must_write(&pair->ends[0], CLAUSE_BYTES, "half a mes", 10);
        zrpc_eval_must_read(end, CLAUSE_NO_LOSS, "half a mes", 10);
        zrpc_eval_deadline(end, ZRPC_READ, zrpc_eval_in_ms(15));
        zrpc_eval_must_be(end, CLAUSE_TIMEOUT, "a timeout", zrpc_eval_read(end, &byte, 1), ZRPC_ERR_TIMEOUT);
        zrpc_eval_must_be(end, CLAUSE_TIMEOUT, "a timeout once more", zrpc_eval_read(end, &byte, 1),
                          ZRPC_ERR_TIMEOUT);
        zrpc_eval_deadline(end, ZRPC_READ, ZRPC_NEVER);
        zrpc_eval_must_write(&pair->ends[0], CLAUSE_BYTES, "sage", 4);
        zrpc_eval_must_read(end, CLAUSE_NO_LOSS, "sage", 4);
    }
}

static void usable_again(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    for (int side = 0; side < 2; side++) {
        struct zrpc_eval_end *end = &pair->ends[side], *peer = &pair->ends[1 - side];
        struct zrpc_eval_flow out = zrpc_eval_flow(end), in = out;
        int rc;

        for (int round = 0; round < 2; round++) {
            zrpc_eval_step(run, CLAUSE_WRITE_WAITS, "a write times out, twice");
            for (int i = 0; i < 2; i++) {
                zrpc_eval_deadline(end, ZRPC_WRITE, zrpc_eval_in_ms(50));
                rc = zrpc_eval_flow_write(end, &out, EVAL_ENDLESS, EVAL_PIECE_MAX);
                zrpc_eval_must_be(end, i == 0 && round == 0 ? CLAUSE_WRITE_WAITS : CLAUSE_USABLE, "a timeout",
                                  rc, ZRPC_ERR_TIMEOUT);
            }
            zrpc_eval_step(run, CLAUSE_USABLE, "the deadline goes, and writing goes on where it stopped");
            zrpc_eval_deadline(end, ZRPC_WRITE, ZRPC_NEVER);
            zrpc_eval_flow_read(peer, &in, CLAUSE_NO_LOSS, out.at, EVAL_PIECE_MAX);
            rc = zrpc_eval_flow_write(end, &out, 10000, 10000);
            zrpc_eval_must_be(end, CLAUSE_USABLE, "writing succeeds", rc, 0);
            zrpc_eval_flow_read(peer, &in, CLAUSE_USABLE, out.at, EVAL_PIECE_MAX);
        }
    }
}

static const struct zrpc_eval_case cases[] = {
    {"deadline.read-brought-forward",
     "a blocked read obeys an earlier deadline",
     {CLAUSE_CHANGE, CLAUSE_TIMEOUT, CLAUSE_NO_LOSS, CLAUSE_USABLE},
     ZRPC_MUST,
     60,
     read_brought_forward},
    {"deadline.write-brought-forward",
     "a blocked write obeys an earlier deadline",
     {CLAUSE_CHANGE, CLAUSE_TIMEOUT, CLAUSE_NO_LOSS, CLAUSE_USABLE},
     ZRPC_MUST,
     60,
     write_brought_forward},
    {"deadline.read-put-off",
     "a blocked read obeys a later deadline",
     {CLAUSE_CHANGE, CLAUSE_NO_LOSS, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     read_put_off},
    {"deadline.write-put-off",
     "a blocked write obeys a later deadline",
     {CLAUSE_CHANGE, CLAUSE_WRITE_WAITS, CLAUSE_NO_LOSS},
     ZRPC_MUST,
     60,
     write_put_off},
    {"deadline.independent",
     "the deadline of one direction does not affect the other",
     {CLAUSE_INDEPENDENT, CLAUSE_TIMEOUT},
     ZRPC_MUST,
     60,
     independent},
    {"deadline.timeouts-lose-nothing",
     "timeouts all along, both ways: no byte is lost or repeated",
     {CLAUSE_NO_LOSS, CLAUSE_TIMEOUT, CLAUSE_WRITE_WAITS, CLAUSE_USABLE},
     ZRPC_MUST,
     60,
     timeouts_lose_nothing},
    {"deadline.partial-read",
     "reading goes on after a timeout where it stopped",
     {CLAUSE_NO_LOSS, CLAUSE_TIMEOUT, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     partial_read},
    {"deadline.usable-again",
     "writing goes on after a timeout where it stopped",
     {CLAUSE_USABLE, CLAUSE_WRITE_WAITS, CLAUSE_NO_LOSS},
     ZRPC_MUST,
     60,
     usable_again},
};

ZRPC_EVAL_AREA(zrpc_eval_deadline_area, "deadline", "deadlines", cases);
