/* The semantics of Go's nettest.TestConn, for wires: where that has ten readers at once, they take turns
 * here. */
#include "wireevaluator/cases/cases.h"
#include "wireevaluator/run.h"

#include <string.h>

static void basic_io(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_flow flow = zrpc_eval_flow(&pair->ends[0]), back = zrpc_eval_flow(&pair->ends[1]);
    struct zrpc_eval_task reader = {.end = &pair->ends[1],
                                    .flow = flow,
                                    .clause = CLAUSE_BYTES,
                                    .len = run->bulk / 4,
                                    .piece = 32 << 10,
                                    .fn = zrpc_eval_task_read};

    zrpc_eval_step(run, CLAUSE_BYTES, "%llu bytes go one way", (unsigned long long)run->bulk / 4);
    zrpc_eval_go(&reader);
    zrpc_eval_must_be(&pair->ends[0], CLAUSE_BYTES, "writing succeeds",
                      zrpc_eval_flow_write(&pair->ends[0], &flow, run->bulk / 4, 50000), 0);
    zrpc_eval_must_close_write(&pair->ends[0], CLAUSE_EOF);
    zrpc_eval_join(&reader);
    zrpc_eval_step(run, CLAUSE_EOF, "then the end");
    zrpc_eval_must_eof(&pair->ends[1], CLAUSE_EOF);
    zrpc_eval_step(run, CLAUSE_BYTES, "some come back");
    reader = (struct zrpc_eval_task){.end = &pair->ends[0],
                                     .flow = back,
                                     .clause = CLAUSE_BYTES,
                                     .len = run->bulk / 16,
                                     .piece = 7000,
                                     .fn = zrpc_eval_task_read};
    zrpc_eval_go(&reader);
    zrpc_eval_must_be(&pair->ends[1], CLAUSE_BYTES, "writing succeeds",
                      zrpc_eval_flow_write(&pair->ends[1], &back, run->bulk / 16, EVAL_PIECE_MAX), 0);
    zrpc_eval_must_close_write(&pair->ends[1], CLAUSE_EOF);
    zrpc_eval_join(&reader);
    zrpc_eval_step(run, CLAUSE_EOF, "then the end");
    zrpc_eval_must_eof(&pair->ends[0], CLAUSE_EOF);
}

static void ping_pong(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    zrpc_eval_step(run, CLAUSE_BYTES, "numbers go to and fro");
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t number = i * 2 + run->seed;

        zrpc_eval_must_write(&pair->ends[0], CLAUSE_BYTES, &number, sizeof number);
        zrpc_eval_must_read(&pair->ends[1], CLAUSE_BYTES, &number, sizeof number);
        number++;
        zrpc_eval_must_write(&pair->ends[1], CLAUSE_BYTES, &number, sizeof number);
        zrpc_eval_must_read(&pair->ends[0], CLAUSE_BYTES, &number, sizeof number);
    }
}

/*
 * Races: threads take turns in calling, each with a short deadline of its own, while others move the
 * deadline.
 */
enum { CALLERS = 4 };

struct race {
    struct zrpc_eval_end *end;
    enum zrpc_direction dir;
    pthread_mutex_t turn;
    struct zrpc_eval_flow flow;
    uint64_t until;
    atomic_bool over;
};

struct racer {
    struct zrpc_eval_task task; /* first */
    struct race *race;
};

/* With the turn. */
static void race_once(struct race *race, unsigned round)
{
    static const size_t sizes[] = {1, 1024, 60000, 333, 20000};
    size_t len = sizes[round % (sizeof sizes / sizeof sizes[0])], done = 0;
    uint8_t buf[60000];
    ssize_t n;

    if (len > race->until - race->flow.at)
        len = (size_t)(race->until - race->flow.at);
    if (len == 0)
        return;
    if (race->dir == ZRPC_READ) {
        n = zrpc_eval_read(race->end, buf, len);
        if (n > 0)
            zrpc_eval_flow_check(race->end->run, &race->flow, CLAUSE_NO_LOSS, buf, (size_t)n);
    } else {
        zrpc_eval_flow_fill(&race->flow, buf, len);
        n = zrpc_eval_write(race->end, buf, len, &done);
        race->flow.at += done;
    }
    if (n == 0 && race->dir == ZRPC_READ)
        zrpc_eval_fail(race->end->run, CLAUSE_TIMEOUT, "bytes or a timeout", "the end of the byte stream");
    if (n < 0)
        zrpc_eval_must_be(race->end, CLAUSE_TIMEOUT, "bytes or a timeout", n, ZRPC_ERR_TIMEOUT);
    zrpc_eval_deadline(race->end, race->dir, zrpc_eval_in_ms(1 + (int)round % 3));
}

static void race_caller(struct zrpc_eval_task *task)
{
    struct race *race = ((struct racer *)task)->race;

    for (unsigned round = 0; !atomic_load(&race->over); round++) {
        pthread_mutex_lock(&race->turn);
        race_once(race, round);
        if (race->flow.at == race->until)
            atomic_store(&race->over, true);
        pthread_mutex_unlock(&race->turn);
    }
}

static void race_setter(struct zrpc_eval_task *task)
{
    struct race *race = ((struct racer *)task)->race;

    for (unsigned i = 0; !atomic_load(&race->over); i++) {
        zrpc_eval_deadline(race->end, race->dir,
                           i % 3 == 0   ? 1
                           : i % 3 == 1 ? ZRPC_NEVER
                                        : zrpc_eval_in_ms(1));
        zrpc_eval_sleep_ms(1);
    }
    zrpc_eval_deadline(race->end, race->dir, ZRPC_NEVER);
}

static void run_race(struct zrpc_eval_pair *pair, struct race *race, const struct zrpc_eval_task *peer)
{
    struct racer racers[CALLERS + 1];
    struct zrpc_eval_task other = *peer;

    pthread_mutex_init(&race->turn, NULL);
    atomic_init(&race->over, false);
    zrpc_eval_go(&other);
    for (int i = 0; i <= CALLERS; i++) {
        racers[i] = (struct racer){.task = {.end = race->end, .fn = i < CALLERS ? race_caller : race_setter},
                                   .race = race};
        zrpc_eval_go(&racers[i].task);
    }
    for (int i = 0; i <= CALLERS; i++)
        zrpc_eval_join(&racers[i].task);
    zrpc_eval_join(&other);
    pthread_mutex_destroy(&race->turn);
    zrpc_eval_deadline(race->end, race->dir, ZRPC_NEVER);
    zrpc_eval_step(race->end->run, CLAUSE_USABLE, "afterwards the wire is as before");
    zrpc_eval_must_work(pair, CLAUSE_USABLE);
}

static void racy_reads(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_flow flow = zrpc_eval_flow(&pair->ends[0]);
    struct race race = {.end = &pair->ends[1], .dir = ZRPC_READ, .flow = flow, .until = run->bulk / 8};
    struct zrpc_eval_task writer = {.end = &pair->ends[0],
                                    .flow = flow,
                                    .len = run->bulk / 8,
                                    .piece = 16 << 10,
                                    .fn = zrpc_eval_task_write};

    zrpc_eval_step(run, CLAUSE_NO_LOSS, "readers take turns under moving deadlines");
    run_race(pair, &race, &writer);
}

static void racy_writes(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_flow flow = zrpc_eval_flow(&pair->ends[0]);
    struct race race = {.end = &pair->ends[0], .dir = ZRPC_WRITE, .flow = flow, .until = run->bulk / 8};
    struct zrpc_eval_task reader = {.end = &pair->ends[1],
                                    .flow = flow,
                                    .clause = CLAUSE_NO_LOSS,
                                    .len = run->bulk / 8,
                                    .piece = 5000,
                                    .fn = zrpc_eval_task_read};

    zrpc_eval_step(run, CLAUSE_NO_LOSS, "writers take turns under moving deadlines");
    run_race(pair, &race, &reader);
}

static void read_timeout(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    uint8_t buf[16];

    zrpc_eval_step(run, CLAUSE_TIMEOUT, "reading after the deadline, with bytes waiting and without");
    zrpc_eval_deadline(&pair->ends[1], ZRPC_READ, 1);
    zrpc_eval_must_be(&pair->ends[1], CLAUSE_TIMEOUT, "a timeout", zrpc_eval_read(&pair->ends[1], buf, 4),
                      ZRPC_ERR_TIMEOUT);
    zrpc_eval_must_write(&pair->ends[0], CLAUSE_BYTES, "wait", 4);
    zrpc_eval_must_be(&pair->ends[1], CLAUSE_TIMEOUT, "a timeout", zrpc_eval_read(&pair->ends[1], buf, 4),
                      ZRPC_ERR_TIMEOUT);
    zrpc_eval_step(run, CLAUSE_INDEPENDENT, "writing is as before");
    zrpc_eval_must_write(&pair->ends[1], CLAUSE_INDEPENDENT, "on", 2);
    zrpc_eval_must_read(&pair->ends[0], CLAUSE_INDEPENDENT, "on", 2);
    zrpc_eval_step(run, CLAUSE_USABLE, "the deadline goes, the bytes are there");
    zrpc_eval_deadline(&pair->ends[1], ZRPC_READ, ZRPC_NEVER);
    zrpc_eval_must_read(&pair->ends[1], CLAUSE_USABLE, "wait", 4);
    zrpc_eval_must_work(pair, CLAUSE_USABLE);
}

static void write_timeout(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_flow out = zrpc_eval_flow(&pair->ends[0]), in = out;
    zrpc_time deadline;
    int rc;

    zrpc_eval_step(run, CLAUSE_WRITE_WAITS, "writing to a peer that does not read ends at the deadline");
    deadline = zrpc_eval_in_ms(150);
    zrpc_eval_deadline(&pair->ends[0], ZRPC_WRITE, deadline);
    rc = zrpc_eval_flow_write(&pair->ends[0], &out, EVAL_ENDLESS, EVAL_PIECE_MAX);
    zrpc_eval_must_be(&pair->ends[0], CLAUSE_WRITE_WAITS, "a timeout", rc, ZRPC_ERR_TIMEOUT);
    if (zrpc_now() < deadline)
        zrpc_eval_fail(run, CLAUSE_TIMEOUT, "a timeout at the deadline", "a timeout before it");
    zrpc_eval_step(run, CLAUSE_INDEPENDENT, "reading is as before");
    zrpc_eval_must_write(&pair->ends[1], CLAUSE_INDEPENDENT, "on", 2);
    zrpc_eval_must_read(&pair->ends[0], CLAUSE_INDEPENDENT, "on", 2);
    zrpc_eval_step(run, CLAUSE_NO_LOSS, "exactly what was counted arrives");
    zrpc_eval_deadline(&pair->ends[0], ZRPC_WRITE, ZRPC_NEVER);
    zrpc_eval_flow_read(&pair->ends[1], &in, CLAUSE_NO_LOSS, out.at, EVAL_PIECE_MAX);
    zrpc_eval_must_work(pair, CLAUSE_USABLE);
}

static void past_timeout(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_end *end = &pair->ends[0];
    uint8_t byte;

    zrpc_eval_step(run, CLAUSE_TIMEOUT, "both deadlines are in the past");
    zrpc_eval_deadline(end, ZRPC_READ, 1);
    zrpc_eval_deadline(end, ZRPC_WRITE, 1);
    zrpc_eval_must_be(end, CLAUSE_TIMEOUT, "a timeout", zrpc_eval_read(end, &byte, 1), ZRPC_ERR_TIMEOUT);
    zrpc_eval_must_be(end, CLAUSE_TIMEOUT, "a timeout", zrpc_eval_write(end, "x", 1, NULL), ZRPC_ERR_TIMEOUT);
    zrpc_eval_must_be(end, CLAUSE_TIMEOUT, "a timeout", zrpc_eval_close_write(end), ZRPC_ERR_TIMEOUT);
    zrpc_eval_step(run, CLAUSE_USABLE, "both go, and the wire is as before");
    zrpc_eval_deadline(end, ZRPC_READ, ZRPC_NEVER);
    zrpc_eval_deadline(end, ZRPC_WRITE, ZRPC_NEVER);
    zrpc_eval_must_work(pair, CLAUSE_USABLE);
}

/* Both directions of one end blocked; `deadline` comes to both. Then the other end reads what went out. */
static void both_time_out(struct zrpc_eval_pair *pair, int in_ms, bool before)
{
    struct zrpc_eval_end *end = &pair->ends[0];
    struct zrpc_eval_task reader = {0}, writer = {0};
    struct zrpc_eval_flow in = zrpc_eval_flow(end);
    zrpc_time deadline = in_ms == 0 ? zrpc_now() : zrpc_eval_in_ms(in_ms);

    for (int dir = ZRPC_READ; before && dir <= ZRPC_WRITE; dir++)
        zrpc_eval_deadline(end, dir, deadline);
    zrpc_eval_block(&reader, end, ZRPC_READ);
    zrpc_eval_block(&writer, end, ZRPC_WRITE);
    if (!before)
        deadline = zrpc_now();
    for (int dir = ZRPC_READ; !before && dir <= ZRPC_WRITE; dir++)
        zrpc_eval_deadline(end, dir, deadline);
    zrpc_eval_join(&reader);
    zrpc_eval_join(&writer);
    zrpc_eval_must_be(end, CLAUSE_TIMEOUT, "a timeout", reader.rc, ZRPC_ERR_TIMEOUT);
    zrpc_eval_must_be(end, CLAUSE_TIMEOUT, "a timeout", writer.rc, ZRPC_ERR_TIMEOUT);
    if (reader.ended < deadline || writer.ended < deadline)
        zrpc_eval_fail(end->run, CLAUSE_TIMEOUT, "a timeout at the deadline", "a timeout before it");
    zrpc_eval_step(end->run, CLAUSE_USABLE,
                   "the deadlines go, what went out arrives, and the wire is as before");
    zrpc_eval_deadline(end, ZRPC_READ, ZRPC_NEVER);
    zrpc_eval_deadline(end, ZRPC_WRITE, ZRPC_NEVER);
    zrpc_eval_flow_read(&pair->ends[1], &in, CLAUSE_NO_LOSS, writer.moved, EVAL_PIECE_MAX);
    zrpc_eval_must_work(pair, CLAUSE_USABLE);
}

static void present_timeout(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    zrpc_eval_step(run, CLAUSE_CHANGE, "a deadline of now comes to a blocked read and a blocked write");
    both_time_out(pair, 0, false);
}

static void future_timeout(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    zrpc_eval_step(run, CLAUSE_TIMEOUT, "a read and a write block until their deadline");
    both_time_out(pair, 100, true);
}

static void close_unblocks(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_task reader = {0}, writer = {0};
    struct zrpc_eval_end *end = &pair->ends[1];
    uint8_t byte;

    zrpc_eval_step(run, CLAUSE_CLOSE, "aborting the wire ends a blocked read and a blocked write");
    zrpc_eval_block(&reader, end, ZRPC_READ);
    zrpc_eval_block(&writer, end, ZRPC_WRITE);
    zrpc_eval_shutdown(end);
    zrpc_eval_join(&reader);
    zrpc_eval_join(&writer);
    zrpc_eval_must_be(end, CLAUSE_CLOSE, "the blocked read fails", reader.rc, ZRPC_ERR_CLOSED);
    zrpc_eval_must_be(end, CLAUSE_CLOSE, "the blocked write fails", writer.rc, ZRPC_ERR_CLOSED);
    zrpc_eval_must_be(end, CLAUSE_CLOSE, "reading fails", zrpc_eval_read(end, &byte, 1), ZRPC_ERR_CLOSED);
    zrpc_eval_must_be(end, CLAUSE_CLOSE, "writing fails", zrpc_eval_write(end, &byte, 1, NULL),
                      ZRPC_ERR_CLOSED);
}

static void set_deadlines(struct zrpc_eval_task *task)
{
    for (int i = 0; i < 200; i++) {
        zrpc_eval_deadline(task->end, i % 2 == 0 ? ZRPC_READ : ZRPC_WRITE,
                           i % 3 == 0 ? ZRPC_NEVER : zrpc_eval_in_ms(3600 * 1000));
        (void)zrpc_wire_wait(task->end->wire, i % 2 == 0 ? ZRPC_READ : ZRPC_WRITE);
    }
}

static void concurrent_methods(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_task tasks[8];

    zrpc_eval_step(run, CLAUSE_CHANGE, "reading, writing and setting deadlines at once, on both ends");
    for (int i = 0; i < 8; i++) {
        struct zrpc_eval_end *end = &pair->ends[i % 2];
        bool reads = i / 2 == 0;

        tasks[i] = (struct zrpc_eval_task){.end = end,
                                           .flow = zrpc_eval_flow(&pair->ends[reads ? 1 - i % 2 : i % 2]),
                                           .clause = CLAUSE_BYTES,
                                           .len = run->bulk / 32,
                                           .piece = 3000};
        tasks[i].fn = reads ? zrpc_eval_task_read : i / 2 == 1 ? zrpc_eval_task_write : set_deadlines;
        zrpc_eval_go(&tasks[i]);
    }
    for (int i = 0; i < 8; i++)
        zrpc_eval_join(&tasks[i]);
    for (int i = 2; i < 4; i++)
        zrpc_eval_must_be(tasks[i].end, CLAUSE_BYTES, "writing succeeds", tasks[i].rc, 0);
}

static const struct zrpc_eval_case cases[] = {
    {"nettest.basic-io",
     "many bytes go each way, and then the end",
     {CLAUSE_BYTES, CLAUSE_EOF, CLAUSE_READ_GOES_ON},
     ZRPC_MUST,
     60,
     basic_io},
    {"nettest.ping-pong", "small messages go to and fro", {CLAUSE_BYTES}, ZRPC_MUST, 60, ping_pong},
    {"nettest.racy-reads",
     "readers under moving deadlines get each byte once",
     {CLAUSE_NO_LOSS, CLAUSE_TIMEOUT, CLAUSE_USABLE},
     ZRPC_MUST,
     60,
     racy_reads},
    {"nettest.racy-writes",
     "what writers under moving deadlines say went out is what arrives",
     {CLAUSE_NO_LOSS, CLAUSE_TIMEOUT, CLAUSE_USABLE},
     ZRPC_MUST,
     60,
     racy_writes},
    {"nettest.read-timeout",
     "an expired read deadline is a timeout, and takes nothing",
     {CLAUSE_TIMEOUT, CLAUSE_INDEPENDENT, CLAUSE_USABLE, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     read_timeout},
    {"nettest.write-timeout",
     "a write to a peer that does not read ends at its deadline",
     {CLAUSE_WRITE_WAITS, CLAUSE_TIMEOUT, CLAUSE_INDEPENDENT, CLAUSE_NO_LOSS, CLAUSE_USABLE},
     ZRPC_MUST,
     60,
     write_timeout},
    {"nettest.past-timeout",
     "deadlines in the past fail every call, until they are cleared",
     {CLAUSE_TIMEOUT, CLAUSE_USABLE},
     ZRPC_MUST,
     60,
     past_timeout},
    {"nettest.present-timeout",
     "a deadline of now ends blocked calls",
     {CLAUSE_CHANGE, CLAUSE_TIMEOUT, CLAUSE_NO_LOSS, CLAUSE_USABLE},
     ZRPC_MUST,
     60,
     present_timeout},
    {"nettest.future-timeout",
     "blocked calls end at their deadline, not before",
     {CLAUSE_TIMEOUT, CLAUSE_NO_LOSS, CLAUSE_USABLE},
     ZRPC_MUST,
     60,
     future_timeout},
    {"nettest.close-unblocks",
     "aborting a wire ends the calls blocked in it",
     {CLAUSE_CLOSE},
     ZRPC_MUST,
     60,
     close_unblocks},
    {"nettest.concurrent-methods",
     "all methods may be called at the same time",
     {CLAUSE_CHANGE, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     concurrent_methods},
};

ZRPC_EVAL_AREA(zrpc_eval_nettest_area, "nettest", "the semantics of Go's nettest.TestConn", cases);
