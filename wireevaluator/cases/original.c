#include "wireevaluator/original.h"
#include "wireevaluator/cases/cases.h"

static void play_receiver(struct zrpc_eval_task *task)
{
    zrpc_eval_original_receiver(task->end);
    zrpc_eval_close(task->end);
}

static void closewrite(struct zrpc_eval_end *sender, struct zrpc_eval_end *receiver)
{
    struct zrpc_eval_task task = {.end = receiver, .fn = play_receiver};

    zrpc_eval_go(&task);
    zrpc_eval_original_sender(sender);
    zrpc_eval_close(sender);
    zrpc_eval_step(sender->run, CLAUSE_CLOSE, "the receiver gets to the end");
    zrpc_eval_join(&task);
}

static void closewrite_server(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    (void)run;
    closewrite(&pair->ends[EVAL_CONNECTING], &pair->ends[EVAL_SERVING]);
}

static void closewrite_client(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    (void)run;
    closewrite(&pair->ends[EVAL_SERVING], &pair->ends[EVAL_CONNECTING]);
}

/* Nobody has to sleep where both sides are here: the writer begins when the reader has closed. */
static void readdeadline(struct zrpc_eval_end *reader, struct zrpc_eval_end *writer)
{
    zrpc_eval_original_send_then_read(reader, 100 * ZRPC_MILLISECOND);
    zrpc_eval_original_write_to_nobody(writer);
}

static void readdeadline_client(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    (void)run;
    readdeadline(&pair->ends[EVAL_SERVING], &pair->ends[EVAL_CONNECTING]);
}

static void readdeadline_server(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    (void)run;
    readdeadline(&pair->ends[EVAL_CONNECTING], &pair->ends[EVAL_SERVING]);
}

static const struct zrpc_eval_case cases[] = {
    {"original.closewrite-server",
     "the serving side half-closes while the other is writing: answer and end arrive",
     {CLAUSE_READ_GOES_ON, CLAUSE_BYTES, CLAUSE_EOF, CLAUSE_TIMEOUT, CLAUSE_CLOSE},
     ZRPC_MUST,
     60,
     closewrite_server},
    {"original.closewrite-client",
     "the connecting side half-closes while the other is writing: answer and end arrive",
     {CLAUSE_READ_GOES_ON, CLAUSE_BYTES, CLAUSE_EOF, CLAUSE_TIMEOUT, CLAUSE_CLOSE},
     ZRPC_MUST,
     60,
     closewrite_client},
    {"original.readdeadline-client",
     "the serving side's read deadline ends its read; writing to it fails when it has closed",
     {CLAUSE_TIMEOUT, CLAUSE_LOST, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     readdeadline_client},
    {"original.readdeadline-server",
     "the connecting side's read deadline ends its read; writing to it fails when it has closed",
     {CLAUSE_TIMEOUT, CLAUSE_LOST, CLAUSE_BYTES},
     ZRPC_MUST,
     60,
     readdeadline_server},
};

ZRPC_EVAL_AREA(zrpc_eval_original_area, "original", "the testcases of zrepl's wireevaluator", cases);
