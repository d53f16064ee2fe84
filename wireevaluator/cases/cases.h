/*
 * The areas, one file each.
 */
#ifndef ZRPC_WIREEVALUATOR_CASES_H
#define ZRPC_WIREEVALUATOR_CASES_H

#include "wireevaluator/case.h"

extern const struct zrpc_eval_area zrpc_eval_original_area, zrpc_eval_nettest_area, zrpc_eval_bytes_area,
    zrpc_eval_closewrite_area, zrpc_eval_deadline_area, zrpc_eval_close_area, zrpc_eval_vanish_area;

#define ZRPC_EVAL_AREA(variable, area_name, area_title, table)     \
    const struct zrpc_eval_area variable = {.name = (area_name),   \
                                            .title = (area_title), \
                                            .cases = (table),      \
                                            .n = sizeof(table) / sizeof((table)[0])}

#endif
