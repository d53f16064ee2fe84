/*
 * Cases: const data. A case's id is permanent, AREA.NAME; the clauses are requirements of proto/SPEC.md, and
 * every expectation in a case names the one it rests on.
 */
#ifndef ZRPC_WIREEVALUATOR_CASE_H
#define ZRPC_WIREEVALUATOR_CASE_H

#include "conformance/requirements.h"
#include "zrpc/error.h"

struct zrpc_eval_run;
struct zrpc_eval_pair;

#define ZRPC_EVAL_CLAUSES_MAX 6

struct zrpc_eval_case {
    const char *id;
    const char *title;                          /* the sentence that holds if the verdict is PASS */
    const char *clauses[ZRPC_EVAL_CLAUSES_MAX]; /* ids, closed by NULL */
    enum zrpc_level level;
    unsigned budget; /* seconds in all, whatever happens; hanging is found sooner */
    /* Both ends are open, without deadlines. What is still open afterwards is closed. */
    void (*run)(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair);
};

struct zrpc_eval_area {
    const char *name, *title;
    const struct zrpc_eval_case *cases;
    size_t n;
};

/* The table (wireevaluator/cases/cases.c); ends with a NULL name. */
extern const struct zrpc_eval_area *const zrpc_eval_areas[];

/* Case number i over all areas; NULL behind the last. *area may be NULL. */
const struct zrpc_eval_case *zrpc_eval_case_at(size_t i, const struct zrpc_eval_area **area);
const struct zrpc_eval_case *zrpc_eval_case_find(const char *id);

/* Ids are AREA.NAME and unique, each case has a title, a budget, a function, and clauses that exist.
 * ZRPC_ERR_USAGE names the first mistake. */
int zrpc_eval_cases_check(struct zrpc_error *err);

#endif
