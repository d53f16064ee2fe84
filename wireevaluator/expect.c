#include <stdlib.h>
#include <string.h>

#include "wireevaluator/run.h"

static const char *const sides[] = {"the connecting side", "the serving side"};

void zrpc_eval_must_write(struct zrpc_eval_end *end, const char *clause, const void *buf, size_t len)
{
    size_t done = 0;
    int rc = zrpc_eval_write(end, buf, len, &done);

    if (rc < 0)
        zrpc_eval_fail(end->run, clause, "writing succeeds", "%s wrote %zu of %zu bytes, then %s",
                       sides[end->side], done, len, zrpc_eval_outcome(rc));
}

void zrpc_eval_must_read(struct zrpc_eval_end *end, const char *clause, const void *expected, size_t len)
{
    uint8_t got[64];
    size_t have = 0;

    while (have < len) {
        size_t want = len - have < sizeof got ? len - have : sizeof got;
        ssize_t n = zrpc_eval_read(end, got, want);

        if (n <= 0)
            zrpc_eval_fail(end->run, clause, "what the peer wrote arrives",
                           "%s read %zu of %zu bytes, then %s", sides[end->side], have, len,
                           n == 0 ? "the end of the byte stream" : zrpc_eval_outcome(n));
        if (memcmp(got, (const uint8_t *)expected + have, (size_t)n) != 0)
            zrpc_eval_fail(end->run, clause, "what the peer wrote arrives",
                           "%s read other bytes at %zu of %zu", sides[end->side], have, len);
        have += (size_t)n;
    }
}

void zrpc_eval_must_close_write(struct zrpc_eval_end *end, const char *clause)
{
    int rc = zrpc_eval_close_write(end);

    if (rc < 0)
        zrpc_eval_fail(end->run, clause, "CloseWrite succeeds", "%s: %s", sides[end->side],
                       zrpc_eval_outcome(rc));
}

void zrpc_eval_must_eof(struct zrpc_eval_end *end, const char *clause)
{
    uint8_t byte;

    for (int i = 0; i < 2; i++) {
        ssize_t n = zrpc_eval_read(end, &byte, 1);

        if (n != 0)
            zrpc_eval_fail(end->run, clause,
                           i == 0 ? "the end of the byte stream, after exactly what was written"
                                  : "the end of the byte stream stays",
                           "%s read %s", sides[end->side], zrpc_eval_outcome(n));
    }
}

void zrpc_eval_must_be(struct zrpc_eval_end *end, const char *clause, const char *what, ssize_t got, int code)
{
    if (got != code)
        zrpc_eval_fail(end->run, clause, what, "%s: %s instead of %s", sides[end->side],
                       zrpc_eval_outcome(got), zrpc_eval_outcome(code));
}

void zrpc_eval_must_work(struct zrpc_eval_pair *pair, const char *clause)
{
    zrpc_eval_must_write(&pair->ends[0], clause, "to and fr", 8);
    zrpc_eval_must_read(&pair->ends[1], clause, "to and fr", 8);
    zrpc_eval_must_write(&pair->ends[1], clause, "and back", 8);
    zrpc_eval_must_read(&pair->ends[0], clause, "and back", 8);
}

/*
 * Flows: word i of eight bytes is a mix of i and the seed (splitmix64).
 */
static uint64_t word(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + i * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

struct zrpc_eval_flow zrpc_eval_flow(const struct zrpc_eval_end *writer)
{
    return (struct zrpc_eval_flow){.seed = word(writer->run->seed, 1 + (uint64_t)writer->side)};
}

void zrpc_eval_flow_fill(const struct zrpc_eval_flow *flow, uint8_t *out, size_t len)
{
    uint64_t at = flow->at, w;
    size_t i = 0;

    while (i < len) {
        size_t in_word = at % 8, n = 8 - in_word < len - i ? 8 - in_word : len - i;

        w = word(flow->seed, at / 8);
        memcpy(out + i, (const uint8_t *)&w + in_word, n);
        at += n;
        i += n;
    }
}

void zrpc_eval_flow_check(struct zrpc_eval_run *run, struct zrpc_eval_flow *flow, const char *clause,
                          const uint8_t *in, size_t len)
{
    uint8_t expected[4096];

    for (size_t i = 0, n; i < len; i += n) {
        n = len - i < sizeof expected ? len - i : sizeof expected;
        zrpc_eval_flow_fill(flow, expected, n);
        for (size_t k = 0; memcmp(in + i, expected, n) != 0; k++, flow->at++)
            if (in[i + k] != expected[k])
                zrpc_eval_fail(run, clause, "each byte arrives once, unchanged and in its place",
                               "byte %llu of the stream is %02x instead of %02x",
                               (unsigned long long)flow->at, in[i + k], expected[k]);
        flow->at += n;
    }
}

static uint8_t *new_piece(struct zrpc_eval_run *run)
{
    uint8_t *buf = malloc(EVAL_PIECE_MAX);

    if (buf == NULL)
        zrpc_eval_inconclusive(run, "no memory");
    return buf;
}

int zrpc_eval_flow_write(struct zrpc_eval_end *end, struct zrpc_eval_flow *flow, uint64_t len, size_t piece)
{
    uint8_t *buf = new_piece(end->run);
    int rc = 0;

    for (uint64_t left = len; rc == 0 && left > 0;) {
        size_t n = left < piece ? (size_t)left : piece, done;

        zrpc_eval_flow_fill(flow, buf, n);
        rc = zrpc_eval_write(end, buf, n, &done);
        flow->at += done;
        left -= done;
    }
    free(buf);
    return rc;
}

void zrpc_eval_flow_read(struct zrpc_eval_end *end, struct zrpc_eval_flow *flow, const char *clause,
                         uint64_t until, size_t piece)
{
    uint8_t *buf = new_piece(end->run);

    while (flow->at < until) {
        size_t want = until - flow->at < piece ? (size_t)(until - flow->at) : piece;
        ssize_t n = zrpc_eval_read(end, buf, want);

        if (n <= 0)
            zrpc_eval_fail(end->run, clause, "everything that the peer wrote arrives",
                           "%s read %llu of %llu bytes, then %s", sides[end->side],
                           (unsigned long long)flow->at, (unsigned long long)until,
                           n == 0 ? "the end of the byte stream" : zrpc_eval_outcome(n));
        zrpc_eval_flow_check(end->run, flow, clause, buf, (size_t)n);
    }
    free(buf);
}
