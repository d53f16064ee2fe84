#include "wireevaluator/original.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE_LEN 40

static const uint8_t answer[7] = {0x0b, 0x0a, 0x0d, 0x0f, 0x00, 0x00, 0x0d};

const struct zrpc_eval_original_times zrpc_eval_original_times = {.deadline = ZRPC_SECOND,
                                                                  .sleep = 3 * ZRPC_SECOND};

static uint8_t *pattern(struct zrpc_eval_run *run, size_t len)
{
    uint8_t *buf = malloc(len);

    if (buf == NULL)
        zrpc_eval_inconclusive(run, "no memory");
    for (size_t i = 0; i < len; i++)
        buf[i] = i % 2 == 0 ? 0x23 : 0x42;
    return buf;
}

/* Until it fails, as it will when this side closes or the peer is gone. */
static void write_for_ever(struct zrpc_eval_task *task)
{
    uint8_t *buf = pattern(task->end->run, EVAL_PIECE_MAX);

    do
        task->rc = zrpc_eval_write(task->end, buf, EVAL_PIECE_MAX, NULL);
    while (task->rc == 0);
    free(buf);
}

void zrpc_eval_original_sender(struct zrpc_eval_end *end)
{
    struct zrpc_eval_task writer = {.end = end, .fn = write_for_ever};

    zrpc_eval_step(end->run, CLAUSE_READ_GOES_ON,
                   "the sender writes without end and has to read the answer of 7 bytes, and the end");
    zrpc_eval_go(&writer);
    zrpc_eval_must_read(end, CLAUSE_READ_GOES_ON, answer, sizeof answer);
    zrpc_eval_must_eof(end, CLAUSE_EOF);
    zrpc_eval_step(end->run, CLAUSE_TIMEOUT, "the sender stops writing");
    zrpc_eval_deadline(end, ZRPC_WRITE, 1);
    zrpc_eval_join(&writer);
    zrpc_eval_must_be(end, CLAUSE_TIMEOUT, "a deadline ends the writing", writer.rc, ZRPC_ERR_TIMEOUT);
}

static void check_pattern(struct zrpc_eval_run *run, const uint8_t *in, size_t len, uint64_t at)
{
    for (size_t i = 0; i < len; i++)
        if (in[i] != ((at + i) % 2 == 0 ? 0x23 : 0x42))
            zrpc_eval_fail(run, CLAUSE_BYTES, "the pattern 23 42 23 42 ...",
                           "%02x in place %zu of the bytes from %llu on", in[i], i, (unsigned long long)at);
}

void zrpc_eval_original_receiver(struct zrpc_eval_end *end)
{
    uint64_t consumed = 0, enough = 5 * end->run->bulk / 3;
    uint8_t *buf = pattern(end->run, EVAL_PIECE_MAX);
    ssize_t n = 1;

    zrpc_eval_step(end->run, CLAUSE_BYTES, "the receiver consumes %llu bytes", (unsigned long long)enough);
    while (consumed < enough) {
        size_t want = enough - consumed < EVAL_PIECE_MAX ? (size_t)(enough - consumed) : EVAL_PIECE_MAX;

        n = zrpc_eval_read(end, buf, want);
        if (n <= 0)
            zrpc_eval_fail(end->run, CLAUSE_BYTES, "the sender's pattern, without end", "%s after %llu bytes",
                           n == 0 ? "the end of the byte stream" : zrpc_eval_outcome(n),
                           (unsigned long long)consumed);
        check_pattern(end->run, buf, (size_t)n, consumed);
        consumed += (uint64_t)n;
    }
    zrpc_eval_step(end->run, CLAUSE_READ_GOES_ON, "the receiver answers, half-closes, and drains to the end");
    zrpc_eval_must_write(end, CLAUSE_BYTES, answer, sizeof answer);
    zrpc_eval_must_close_write(end, CLAUSE_EOF);
    while ((n = zrpc_eval_read(end, buf, EVAL_PIECE_MAX)) > 0)
        continue;
    /* The sender closes while it is writing: how that ends is the transport's own affair, as long as it ends.
     */
    if (n == ZRPC_ERR_TIMEOUT)
        zrpc_eval_fail(end->run, CLAUSE_TIMEOUT, "no timeout without a deadline", "%s", zrpc_eval_outcome(n));
    free(buf);
}

static const char message[MESSAGE_LEN] = "hi";

void zrpc_eval_original_send_then_read(struct zrpc_eval_end *end, zrpc_time timeout)
{
    zrpc_time deadline = zrpc_now() + timeout;
    char buf[MESSAGE_LEN];
    ssize_t n;

    zrpc_eval_step(end->run, CLAUSE_TIMEOUT, "one side reads with a deadline, and nothing comes");
    zrpc_eval_must_write(end, CLAUSE_BYTES, message, sizeof message);
    zrpc_eval_deadline(end, ZRPC_READ, deadline);
    n = zrpc_eval_read(end, buf, sizeof buf);
    zrpc_eval_must_be(end, CLAUSE_TIMEOUT, "a timeout", n, ZRPC_ERR_TIMEOUT);
    if (zrpc_now() < deadline)
        zrpc_eval_fail(end->run, CLAUSE_TIMEOUT, "a timeout at the deadline", "a timeout before it");
    zrpc_eval_close(end);
}

/* The peer's message was not read here, the way the original does it. */
void zrpc_eval_original_write_to_nobody(struct zrpc_eval_end *end)
{
    int rc = 0;

    zrpc_eval_step(end->run, CLAUSE_LOST,
                   "the other side writes to a peer that has closed, until that fails");
    for (uint64_t written = 0; rc == 0 && written < EVAL_ENDLESS; written += sizeof message) {
        rc = zrpc_eval_write(end, message, sizeof message, NULL);
        if (rc == 0)
            zrpc_eval_sleep_ms(written < 10 * sizeof message ? 20 : 1);
    }
    if (rc == 0 || rc == ZRPC_ERR_TIMEOUT || rc == ZRPC_ERR_AGAIN)
        zrpc_eval_fail(end->run, CLAUSE_LOST, "an error", "%s", zrpc_eval_outcome(rc));
}

/*
 * With the original's times
 */
static void send_then_read(struct zrpc_eval_end *end)
{
    zrpc_eval_original_send_then_read(end, zrpc_eval_original_times.deadline);
}

static void sleep_then_send(struct zrpc_eval_end *end)
{
    zrpc_eval_step(end->run, CLAUSE_TIMEOUT, "one side sleeps");
    zrpc_eval_sleep_ms((int)(zrpc_eval_original_times.sleep / ZRPC_MILLISECOND));
    zrpc_eval_original_write_to_nobody(end);
}

static const struct zrpc_eval_original originals[] = {
    {"closewrite_server", {zrpc_eval_original_sender, zrpc_eval_original_receiver}},
    {"closewrite_client", {zrpc_eval_original_receiver, zrpc_eval_original_sender}},
    {"readdeadline_client", {sleep_then_send, send_then_read}},
    {"readdeadline_server", {send_then_read, sleep_then_send}},
};

const struct zrpc_eval_original *zrpc_eval_original_find(const char *name)
{
    for (size_t i = 0; i < sizeof originals / sizeof originals[0]; i++)
        if (strcmp(originals[i].name, name) == 0)
            return &originals[i];
    return NULL;
}
