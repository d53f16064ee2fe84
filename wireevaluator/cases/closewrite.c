#include "wireevaluator/cases/cases.h"
#include "wireevaluator/run.h"

/* Everything is written and CloseWrite has returned before the peer reads. */
static void eof_after_all_data(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    static const uint64_t sizes[] = {1000, 30000};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct zrpc_eval_flow out, in;

        if (i > 0)
            zrpc_eval_open(run, pair);
        out = in = zrpc_eval_flow(&pair->ends[0]);
        zrpc_eval_step(run, CLAUSE_EOF, "%llu bytes and the end are under way before the peer reads",
                       (unsigned long long)sizes[i]);
        zrpc_eval_must_be(&pair->ends[0], CLAUSE_BYTES, "writing succeeds",
                          zrpc_eval_flow_write(&pair->ends[0], &out, sizes[i], EVAL_PIECE_MAX), 0);
        zrpc_eval_must_close_write(&pair->ends[0], CLAUSE_EOF);
        zrpc_eval_sleep_ms(20);
        zrpc_eval_flow_read(&pair->ends[1], &in, CLAUSE_EOF, sizes[i], EVAL_PIECE_MAX);
        zrpc_eval_must_eof(&pair->ends[1], CLAUSE_EOF);
        zrpc_eval_close_pair(pair);
    }
}

static void empty_stream(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_task reader = {0};

    zrpc_eval_step(run, CLAUSE_EOF, "nothing is written; the end comes to a reader that is blocked");
    zrpc_eval_block(&reader, &pair->ends[1], ZRPC_READ);
    zrpc_eval_must_close_write(&pair->ends[0], CLAUSE_EOF);
    zrpc_eval_join(&reader);
    zrpc_eval_must_be(&pair->ends[1], CLAUSE_EOF, "the end of the byte stream", reader.rc, 0);
    zrpc_eval_must_eof(&pair->ends[1], CLAUSE_EOF);
}

static void write_after(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    for (int side = 0; side < 2; side++) {
        struct zrpc_eval_end *end = &pair->ends[side], *peer = &pair->ends[1 - side];
        int rc;

        zrpc_eval_step(run, CLAUSE_NO_WRITES, "writing after CloseWrite");
        zrpc_eval_must_write(end, CLAUSE_BYTES, "before", 6);
        zrpc_eval_must_close_write(end, CLAUSE_EOF);
        for (int i = 0; i < 2; i++) {
            rc = zrpc_eval_write(end, "after", 5, NULL);
            if (rc >= 0 || zrpc_code_band(rc) == ZRPC_BAND_TIMEOUT || rc == ZRPC_ERR_AGAIN)
                zrpc_eval_fail(run, CLAUSE_NO_WRITES, "an error, at once", "%s",
                               rc >= 0 ? "it succeeds" : zrpc_eval_outcome(rc));
        }
        zrpc_eval_step(run, CLAUSE_EOF, "nothing of it reaches the peer");
        zrpc_eval_must_read(peer, CLAUSE_EOF, "before", 6);
        zrpc_eval_must_eof(peer, CLAUSE_EOF);
    }
}

static void reading_goes_on(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    for (int side = 0; side < 2; side++) {
        struct zrpc_eval_end *end = &pair->ends[side], *peer = &pair->ends[1 - side];
        struct zrpc_eval_flow in = zrpc_eval_flow(peer);
        struct zrpc_eval_task writer = {
            .end = peer, .flow = in, .len = run->bulk / 8, .piece = 50000, .fn = zrpc_eval_task_write};

        if (side == 1)
            zrpc_eval_open(run, pair);
        zrpc_eval_step(run, CLAUSE_EOF, "the %s side half-closes", side == 0 ? "connecting" : "serving");
        zrpc_eval_must_close_write(end, CLAUSE_EOF);
        zrpc_eval_must_eof(peer, CLAUSE_EOF);
        zrpc_eval_step(run, CLAUSE_READ_GOES_ON, "the peer goes on sending, %llu bytes, and half-closes",
                       (unsigned long long)run->bulk / 8);
        zrpc_eval_go(&writer);
        zrpc_eval_flow_read(end, &in, CLAUSE_READ_GOES_ON, run->bulk / 8, EVAL_PIECE_MAX);
        zrpc_eval_join(&writer);
        zrpc_eval_must_be(peer, CLAUSE_READ_GOES_ON, "writing succeeds", writer.rc, 0);
        zrpc_eval_must_close_write(peer, CLAUSE_EOF);
        zrpc_eval_must_eof(end, CLAUSE_EOF);
        zrpc_eval_close_pair(pair);
    }
}

static void task_close_write(struct zrpc_eval_task *task)
{
    task->rc = zrpc_eval_close_write(task->end);
}

static void full_send_buffer(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_end *a = &pair->ends[0], *b = &pair->ends[1];
    struct zrpc_eval_flow out = zrpc_eval_flow(a), in = out;
    struct zrpc_eval_task half_close = {.end = a, .fn = task_close_write};

    zrpc_eval_step(run, CLAUSE_WRITE_WAITS, "the wire is filled until it takes no more");
    zrpc_eval_deadline(a, ZRPC_WRITE, zrpc_eval_in_ms(100));
    zrpc_eval_must_be(a, CLAUSE_WRITE_WAITS, "a timeout",
                      zrpc_eval_flow_write(a, &out, EVAL_ENDLESS, EVAL_PIECE_MAX), ZRPC_ERR_TIMEOUT);
    zrpc_eval_deadline(a, ZRPC_WRITE, ZRPC_NEVER);
    zrpc_eval_step(run, CLAUSE_EOF, "CloseWrite, and only then the peer reads: all bytes, and the end");
    zrpc_eval_go(&half_close);
    zrpc_eval_sleep_ms(50);
    zrpc_eval_flow_read(b, &in, CLAUSE_EOF, out.at, EVAL_PIECE_MAX);
    zrpc_eval_must_eof(b, CLAUSE_EOF);
    zrpc_eval_join(&half_close);
    zrpc_eval_must_be(a, CLAUSE_EOF, "CloseWrite succeeds", half_close.rc, 0);
    zrpc_eval_step(run, CLAUSE_READ_GOES_ON, "the other direction is as before");
    zrpc_eval_must_write(b, CLAUSE_READ_GOES_ON, "and back", 8);
    zrpc_eval_must_read(a, CLAUSE_READ_GOES_ON, "and back", 8);
}

static void write_and_half_close(struct zrpc_eval_task *task)
{
    zrpc_eval_task_write(task);
    if (task->rc == 0)
        task->rc = zrpc_eval_close_write(task->end);
}

static void read_to_eof(struct zrpc_eval_task *task)
{
    zrpc_eval_task_read(task);
    zrpc_eval_must_eof(task->end, CLAUSE_EOF);
}

static void simultaneous(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    for (int round = 0; round < 2; round++) {
        struct zrpc_eval_task tasks[4];

        if (round > 0)
            zrpc_eval_open(run, pair);
        zrpc_eval_step(run, CLAUSE_EOF, "both sides write and half-close at the same time");
        for (int i = 0; i < 4; i++) {
            struct zrpc_eval_end *end = &pair->ends[i % 2], *from = i < 2 ? end : &pair->ends[1 - i % 2];

            tasks[i] = (struct zrpc_eval_task){.end = end,
                                               .flow = zrpc_eval_flow(from),
                                               .clause = CLAUSE_EOF,
                                               .len = 30000u * (unsigned)(1 - round),
                                               .piece = 10000,
                                               .fn = i < 2 ? write_and_half_close : read_to_eof};
            zrpc_eval_go(&tasks[i]);
        }
        for (int i = 0; i < 4; i++)
            zrpc_eval_join(&tasks[i]);
        for (int i = 0; i < 2; i++)
            zrpc_eval_must_be(tasks[i].end, CLAUSE_EOF, "writing and CloseWrite succeed", tasks[i].rc, 0);
        zrpc_eval_close_pair(pair);
    }
}

static void twice(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    zrpc_eval_step(run, CLAUSE_EOF, "CloseWrite twice");
    zrpc_eval_must_write(&pair->ends[0], CLAUSE_BYTES, "all", 3);
    zrpc_eval_must_close_write(&pair->ends[0], CLAUSE_EOF);
    zrpc_eval_must_close_write(&pair->ends[0], CLAUSE_EOF);
    zrpc_eval_must_read(&pair->ends[1], CLAUSE_EOF, "all", 3);
    zrpc_eval_must_eof(&pair->ends[1], CLAUSE_EOF);
    zrpc_eval_must_close_write(&pair->ends[0], CLAUSE_EOF);
}

static void returns_early(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    int rc;

    zrpc_eval_step(run, CLAUSE_RETURNS, "CloseWrite while the peer has not read");
    zrpc_eval_must_write(&pair->ends[0], CLAUSE_BYTES, "unread", 6);
    zrpc_eval_deadline(&pair->ends[0], ZRPC_WRITE, zrpc_eval_in_ms(2000));
    rc = zrpc_eval_close_write(&pair->ends[0]);
    if (rc == ZRPC_ERR_TIMEOUT)
        zrpc_eval_fail(run, CLAUSE_RETURNS, "CloseWrite returns, though nobody reads",
                       "it waits for the reader");
    zrpc_eval_must_be(&pair->ends[0], CLAUSE_EOF, "CloseWrite succeeds", rc, 0);
}

static const struct zrpc_eval_case cases[] = {
    {"closewrite.eof-after-all-data",
     "the end comes after everything that was written before it",
     {CLAUSE_EOF, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     eof_after_all_data},
    {"closewrite.empty-stream",
     "the end comes to a reader that is blocked",
     {CLAUSE_EOF},
     ZRPC_MUST,
     60,
     empty_stream},
    {"closewrite.write-after",
     "after CloseWrite, writes fail and nothing of them reaches the peer",
     {CLAUSE_NO_WRITES, CLAUSE_EOF, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     write_after},
    {"closewrite.reading-goes-on",
     "after CloseWrite, what the peer goes on sending arrives",
     {CLAUSE_READ_GOES_ON, CLAUSE_EOF},
     ZRPC_MUST,
     60,
     reading_goes_on},
    {"closewrite.full-send-buffer",
     "CloseWrite with a full send buffer loses nothing",
     {CLAUSE_EOF, CLAUSE_WRITE_WAITS, CLAUSE_READ_GOES_ON},
     ZRPC_MUST,
     60,
     full_send_buffer},
    {"closewrite.simultaneous",
     "both sides may half-close at the same time",
     {CLAUSE_EOF},
     ZRPC_MUST,
     60,
     simultaneous},
    {"closewrite.twice",
     "CloseWrite once more changes nothing",
     {CLAUSE_EOF, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     twice},
    {"closewrite.returns-early",
     "CloseWrite does not wait for the reader",
     {CLAUSE_RETURNS, CLAUSE_EOF, CLAUSE_BYTES},
     ZRPC_MAY,
     60,
     returns_early},
};

ZRPC_EVAL_AREA(zrpc_eval_closewrite_area, "closewrite", "half-close", cases);
