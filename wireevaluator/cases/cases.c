#include "wireevaluator/cases/cases.h"

#include <string.h>

const struct zrpc_eval_area *const zrpc_eval_areas[] = {
    &zrpc_eval_original_area, &zrpc_eval_nettest_area, &zrpc_eval_bytes_area,  &zrpc_eval_closewrite_area,
    &zrpc_eval_deadline_area, &zrpc_eval_close_area,   &zrpc_eval_vanish_area, NULL,
};

const struct zrpc_eval_case *zrpc_eval_case_at(size_t i, const struct zrpc_eval_area **area)
{
    for (const struct zrpc_eval_area *const *a = zrpc_eval_areas; *a != NULL; a++) {
        if (area != NULL)
            *area = *a;
        if (i < (*a)->n)
            return &(*a)->cases[i];
        i -= (*a)->n;
    }
    return NULL;
}

const struct zrpc_eval_case *zrpc_eval_case_find(const char *id)
{
    const struct zrpc_eval_case *tc;

    for (size_t i = 0; (tc = zrpc_eval_case_at(i, NULL)) != NULL; i++)
        if (strcmp(tc->id, id) == 0)
            return tc;
    return NULL;
}

static int check_case(const struct zrpc_eval_area *area, const struct zrpc_eval_case *tc,
                      struct zrpc_error *err)
{
    size_t prefix = strlen(area->name);

    if (strncmp(tc->id, area->name, prefix) != 0 || tc->id[prefix] != '.' || tc->id[prefix + 1] == '\0')
        return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: its id should begin with %s.", tc->id, area->name);
    if (zrpc_eval_case_find(tc->id) != tc)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: its id is used twice", tc->id);
    if (tc->title == NULL || tc->budget == 0 || tc->run == NULL || tc->clauses[0] == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: has no title, budget, function or clause", tc->id);
    for (size_t i = 0; i < ZRPC_EVAL_CLAUSES_MAX && tc->clauses[i] != NULL; i++)
        if (zrpc_requirement_find(tc->clauses[i]) == NULL)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: there is no clause %s", tc->id, tc->clauses[i]);
    if (zrpc_requirement_level(zrpc_requirement_find(tc->clauses[0])) != tc->level)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: its level is not that of %s", tc->id, tc->clauses[0]);
    return 0;
}

int zrpc_eval_cases_check(struct zrpc_error *err)
{
    const struct zrpc_eval_area *area;
    const struct zrpc_eval_case *tc;
    int rc = 0;

    for (size_t i = 0; rc == 0 && (tc = zrpc_eval_case_at(i, &area)) != NULL; i++)
        rc = check_case(area, tc, err);
    return rc;
}
