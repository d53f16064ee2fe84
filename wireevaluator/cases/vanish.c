#include "wireevaluator/cases/cases.h"
#include "wireevaluator/run.h"

static bool is_error(ssize_t rc)
{
    return rc < 0 && rc != ZRPC_ERR_TIMEOUT && rc != ZRPC_ERR_AGAIN && rc != ZRPC_ERR_CLOSED;
}

static void expect_error(struct zrpc_eval_run *run, const char *what, ssize_t rc)
{
    if (!is_error(rc))
        zrpc_eval_fail(run, CLAUSE_LOST, "an error", "%s: %s", what,
                       rc == 0 ? "the end of the byte stream, or success" : zrpc_eval_outcome(rc));
}

/* The serving side has read half of what was sent to it. */
static void leave_unread(struct zrpc_eval_pair *pair)
{
    zrpc_eval_must_write(&pair->ends[0], CLAUSE_BYTES, "half of this", 12);
    zrpc_eval_must_read(&pair->ends[1], CLAUSE_BYTES, "half o", 6);
}

static void not_eof(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    uint8_t buf[16];
    ssize_t n;

    leave_unread(pair);
    zrpc_eval_step(run, CLAUSE_LOST, "the serving side vanishes, then the other reads");
    zrpc_eval_vanish(&pair->ends[1]);
    do
        n = zrpc_eval_read(&pair->ends[0], buf, sizeof buf);
    while (n > 0);
    expect_error(run, "reading", n);
}

static void blocked_calls(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    struct zrpc_eval_task reader = {0}, writer = {0};

    leave_unread(pair);
    zrpc_eval_step(run, CLAUSE_LOST, "the serving side vanishes under a blocked read and a blocked write");
    zrpc_eval_block(&reader, &pair->ends[0], ZRPC_READ);
    zrpc_eval_block(&writer, &pair->ends[0], ZRPC_WRITE);
    zrpc_eval_vanish(&pair->ends[1]);
    zrpc_eval_join(&reader);
    zrpc_eval_join(&writer);
    expect_error(run, "the blocked read", reader.rc);
    expect_error(run, "the blocked write", writer.rc);
}

static void writing_fails(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    int rc = 0;

    leave_unread(pair);
    zrpc_eval_step(run, CLAUSE_LOST, "the serving side vanishes, then the other writes until that fails");
    zrpc_eval_vanish(&pair->ends[1]);
    for (uint64_t written = 0; rc == 0 && written < EVAL_ENDLESS; written += 8) {
        rc = zrpc_eval_write(&pair->ends[0], "anybody?", 8, NULL);
        if (rc == 0)
            zrpc_eval_sleep_ms(written < 80 ? 10 : 1);
    }
    expect_error(run, "writing", rc);
    zrpc_eval_step(run, CLAUSE_LOST, "once more");
    expect_error(run, "writing once more", zrpc_eval_write(&pair->ends[0], "anybody?", 8, NULL));
}

static const struct zrpc_eval_case cases[] = {
    {"vanish.not-eof",
     "a peer that vanishes is an error, not the end of the byte stream",
     {CLAUSE_LOST, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     not_eof},
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
