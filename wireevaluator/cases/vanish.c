#include "wireevaluator/cases/cases.h"
#include "wireevaluator/run.h"

static bool is_error(ssize_t rc)
{
    return rc < 0 && rc != ZRPC_ERR_TIMEOUT && rc != ZRPC_ERR_AGAIN && rc != ZRPC_ERR_CLOSED;
}

static void expect_error(struct zrpc_eval_run *run, const char *clause, const char *what, ssize_t rc)
{
    if (!is_error(rc))
        zrpc_eval_fail(run, clause, "an error", "%s: %s", what,
                       rc == 0 ? "the end of the byte stream, or success" : zrpc_eval_outcome(rc));
}

static const char *const names[] = {"connecting", "serving"};

/* The side has read half of what was sent to it. */
static void leave_unread(struct zrpc_eval_pair *pair, int side)
{
    zrpc_eval_must_write(&pair->ends[1 - side], CLAUSE_BYTES, "half of this", 12);
    zrpc_eval_must_read(&pair->ends[side], CLAUSE_BYTES, "half o", 6);
}

/* Each side in turn is the one that vanishes. */
static void each_side(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair,
                      void (*one)(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair, int side))
{
    for (int side = EVAL_SERVING; side >= EVAL_CONNECTING; side--) {
        leave_unread(pair, side);
        one(run, pair, side);
        zrpc_eval_close_pair(pair);
        if (side == EVAL_SERVING)
            zrpc_eval_open(run, pair);
    }
}

static void expect_no_eof(struct zrpc_eval_run *run, const char *clause, struct zrpc_eval_end *end)
{
    uint8_t buf[16];
    ssize_t n;

    do
        n = zrpc_eval_read(end, buf, sizeof buf);
    while (n > 0);
    expect_error(run, clause, "reading", n);
}

static void vanish_then_read(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair, int side)
{
    zrpc_eval_step(run, CLAUSE_LOST, "the %s side vanishes, then the other reads", names[side]);
    zrpc_eval_vanish(&pair->ends[side]);
    expect_no_eof(run, CLAUSE_LOST, &pair->ends[1 - side]);
}

static void not_eof(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    each_side(run, pair, vanish_then_read);
}

/* Nothing that is written can tell then. */
static void vanish_after_close_write(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair, int side)
{
    zrpc_eval_step(run, CLAUSE_LOST_LATER, "CloseWrite; the %s side vanishes, and the other reads",
                   names[side]);
    zrpc_eval_must_close_write(&pair->ends[1 - side], CLAUSE_EOF);
    zrpc_eval_vanish(&pair->ends[side]);
    expect_no_eof(run, CLAUSE_LOST_LATER, &pair->ends[1 - side]);
}

static void after_close_write(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    each_side(run, pair, vanish_after_close_write);
}

static void vanish_under_calls(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair, int side)
{
    struct zrpc_eval_task reader = {0}, writer = {0};

    zrpc_eval_step(run, CLAUSE_LOST, "the %s side vanishes under a blocked read and a blocked write",
                   names[side]);
    zrpc_eval_block(&reader, &pair->ends[1 - side], ZRPC_READ);
    zrpc_eval_block(&writer, &pair->ends[1 - side], ZRPC_WRITE);
    zrpc_eval_vanish(&pair->ends[side]);
    zrpc_eval_join(&reader);
    zrpc_eval_join(&writer);
    expect_error(run, CLAUSE_LOST, "the blocked read", reader.rc);
    expect_error(run, CLAUSE_LOST, "the blocked write", writer.rc);
}

static void blocked_calls(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    each_side(run, pair, vanish_under_calls);
}

static void vanish_then_write(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair, int side)
{
    struct zrpc_eval_end *end = &pair->ends[1 - side];
    int rc = 0;

    zrpc_eval_step(run, CLAUSE_LOST, "the %s side vanishes, then the other writes until that fails",
                   names[side]);
    zrpc_eval_vanish(&pair->ends[side]);
    for (uint64_t written = 0; rc == 0 && written < EVAL_ENDLESS; written += 8) {
        rc = zrpc_eval_write(end, "anybody?", 8, NULL);
        if (rc == 0)
            zrpc_eval_sleep_ms(written < 80 ? 10 : 1);
    }
    expect_error(run, CLAUSE_LOST, "writing", rc);
    zrpc_eval_step(run, CLAUSE_LOST, "once more");
    expect_error(run, CLAUSE_LOST, "writing once more", zrpc_eval_write(end, "anybody?", 8, NULL));
}

static void writing_fails(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    each_side(run, pair, vanish_then_write);
}

static const struct zrpc_eval_case cases[] = {
    {"vanish.not-eof",
     "a peer that vanishes is an error, not the end of the byte stream",
     {CLAUSE_LOST, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     not_eof},
    {"vanish.after-closewrite",
     "a peer that vanishes after our CloseWrite is an error, not the end of the byte stream",
     {CLAUSE_LOST_LATER, CLAUSE_BYTES, CLAUSE_EOF},
     ZRPC_SHOULD,
     60,
     after_close_write},
    {"vanish.blocked-calls",
     "calls that are blocked when the peer vanishes fail",
     {CLAUSE_LOST, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     blocked_calls},
    {"vanish.writing-fails",
     "writing to a peer that vanished is an error, and no signal",
     {CLAUSE_LOST, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     writing_fails},
};

ZRPC_EVAL_AREA(zrpc_eval_vanish_area, "vanish", "a peer that vanishes", cases);
