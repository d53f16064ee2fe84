/*
 * Defective transports: the local one with one clause of the contract broken. They prove what the cases see:
 * each has the case that must catch it and the clause that it must name.
 */
#ifndef ZRPC_WIREEVALUATOR_DEFECTS_H
#define ZRPC_WIREEVALUATOR_DEFECTS_H

#include "zrpc/wireevaluator.h"

struct zrpc_eval_defect {
    const char *name;
    const char *what;      /* it does */
    const char *clause;    /* it breaks */
    const char *caught_by; /* id of a case */
};

/* Number i; NULL behind the last. */
const struct zrpc_eval_defect *zrpc_eval_defect_at(size_t i);
/* Its transport, called "defect:NAME". ZRPC_ERR_USAGE for an unknown name, with all names. */
int zrpc_eval_defect_open(const char *name, struct zrpc_evaluated **out, struct zrpc_error *err);

#endif
