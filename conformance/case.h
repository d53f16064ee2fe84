/*
 * Cases: const data, grouped by area. An area is one file conformance/cases/AREA.c and one row of the table
 * in conformance/cases/cases.c.
 *
 * A case's id is permanent: it is never positional, never changed and never used again. It is AREA.NAME.
 */
#ifndef ZRPC_CONFORMANCE_CASE_H
#define ZRPC_CONFORMANCE_CASE_H

#include "conformance/requirements.h"
#include "zrpc/error.h"

struct zrpc_run;

enum zrpc_channel { ZRPC_CHANNEL_DATA, ZRPC_CHANNEL_CONTROL };

enum zrpc_case_flags {
    ZRPC_CASE_SLOW =
        1 << 0, /* waits for a deadline of the target; runs at the same time as other slow ones */
    ZRPC_CASE_HOSTILE = 1 << 1, /* may kill the target: it is asked afterwards whether it lives */
};

#define ZRPC_CASE_REQUIREMENTS_MAX 8

struct zrpc_case {
    const char *id;
    const char *title;                                    /* the sentence that holds if the verdict is PASS */
    const char *requirements[ZRPC_CASE_REQUIREMENTS_MAX]; /* ids, closed by NULL; the first one rules */
    enum zrpc_level level;
    const char *legal; /* every legal outcome, in words */
    unsigned flags;    /* enum zrpc_case_flags */
    unsigned budget;   /* seconds it may take, with a target whose timing is the specification's */
    void (*run)(struct zrpc_run *run);
};

struct zrpc_area {
    const char *name;
    const char *title;
    enum zrpc_role role; /* of the implementation under test */
    enum zrpc_channel channel;
    const struct zrpc_case *cases;
    size_t n;
};

struct zrpc_case_table {
    const struct zrpc_area *const *areas;
    size_t n;
};

/* The suite's own table (conformance/cases/cases.c). */
extern const struct zrpc_case_table zrpc_cases;

/* "data", "control". */
const char *zrpc_channel_name(enum zrpc_channel channel);

/* Checks the whole table: ids are AREA.NAME and unique; each case has a title, its legal outcomes, a budget,
 * a function, and requirements that exist, oblige the area's role, and whose first is as strict as the case.
 * ZRPC_ERR_USAGE names the first mistake. */
int zrpc_case_table_check(const struct zrpc_case_table *table, struct zrpc_error *err);

/* What to run. An empty list selects all. Globs are those of fnmatch(3), matched against the whole id. */
struct zrpc_selection {
    const char **globs;
    size_t n_globs;
    const char **areas;
    size_t n_areas;
    enum zrpc_level weakest; /* cases of this level and stricter ones */
    enum zrpc_role role;
    bool no_slow;
};

struct zrpc_selected {
    const struct zrpc_area *area;
    const struct zrpc_case *tc;
};

/* Allocates *out (free it) in the table's order. ZRPC_ERR_USAGE: nothing selected, or a glob or an area that
 * matches nothing at all. */
int zrpc_case_select(const struct zrpc_case_table *table, const struct zrpc_selection *sel,
                     struct zrpc_selected **out, size_t *n, struct zrpc_error *err);

#endif
