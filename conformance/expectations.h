/*
 * Expectation files: the known shortcomings of an implementation, so that a run of the suite reports news
 * only.
 *
 *     # lines: WORD CASE-GLOB REASON...
 *     xfail    frame.one-byte-payload   panics on it
 *     may-fail concurrency.*            slow machine
 *
 * xfail: what is not PASS becomes XFAIL, and PASS becomes XPASS, which spoils the run: the line is out of
 * date. INCONCLUSIVE stays: the shortcoming was not seen. may-fail: all but PASS becomes XFAIL. SKIP is SKIP.
 * The last line that matches a case counts.
 */
#ifndef ZRPC_CONFORMANCE_EXPECTATIONS_H
#define ZRPC_CONFORMANCE_EXPECTATIONS_H

#include "conformance/case.h"
#include "conformance/verdict.h"

struct zrpc_expectation {
    char *glob;
    char *reason;
    bool strict; /* xfail */
    unsigned line;
};

struct zrpc_expectations {
    struct zrpc_expectation *rows;
    size_t n;
};

void zrpc_expectations_dispose(struct zrpc_expectations *x);
/* ZRPC_ERR_USAGE with NAME:LINE for a line that is not understood, has no reason, or matches no case of the
 * table. */
int zrpc_expectations_parse(struct zrpc_expectations *x, const char *name, const char *text,
                            const struct zrpc_case_table *table, struct zrpc_error *err);
int zrpc_expectations_load(struct zrpc_expectations *x, const char *path, const struct zrpc_case_table *table,
                           struct zrpc_error *err);

/* The verdict after expectations; *reason is the line's, or NULL where none changed it. */
enum zrpc_verdict zrpc_expectations_apply(const struct zrpc_expectations *x, const char *id,
                                          enum zrpc_verdict v, const char **reason);

#endif
