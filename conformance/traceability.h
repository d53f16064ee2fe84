/*
 * Traceability: which cases cover a requirement, and which requirements nobody covers. A requirement that
 * obliges both sides is covered for each role by itself.
 *
 * A list of gaps says what is not tested over the wire, and why:
 *
 *     # REQUIREMENT-GLOB ROLE REASON...
 *     ZR-FRAME-012 server   needs a sink that reports when each byte arrived
 *     ZR-WIRE-*    any      wireevaluator certifies transports
 */
#ifndef ZRPC_CONFORMANCE_TRACEABILITY_H
#define ZRPC_CONFORMANCE_TRACEABILITY_H

#include "conformance/case.h"
#include "zrpc/bytes.h"

/* Cases of that role that cite the requirement. */
size_t zrpc_traceability_covering(const struct zrpc_case_table *table, const char *requirement,
                                  enum zrpc_role role);

/* Appends one block per requirement with its cases; what nobody covers is marked. */
void zrpc_traceability_add(const struct zrpc_case_table *table, struct zrpc_buf *out);

/* Checks that every requirement is covered in every role that it obliges (one that obliges neither: at all),
 * or named in the list; and that the list names no requirement that is covered or does not exist. Appends a
 * line for each finding and answers their number, or ZRPC_ERR_USAGE with NAME:LINE for a line that is not
 * understood. */
int zrpc_traceability_check(const struct zrpc_case_table *table, const char *name, const char *list,
                            struct zrpc_buf *out, struct zrpc_error *err);

#endif
