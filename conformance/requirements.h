/*
 * The requirements of proto/SPEC.md as a table, generated from it by scripts/gen-requirements.
 */
#ifndef ZRPC_CONFORMANCE_REQUIREMENTS_H
#define ZRPC_CONFORMANCE_REQUIREMENTS_H

#include <stdbool.h>
#include <stddef.h>

enum zrpc_level { ZRPC_MUST, ZRPC_SHOULD, ZRPC_MAY };
#define ZRPC_LEVEL_COUNT 3

/* Which side of a connection the implementation under test plays. */
enum zrpc_role { ZRPC_ROLE_SERVER, ZRPC_ROLE_CLIENT };
#define ZRPC_ROLE_COUNT 2

struct zrpc_requirement {
    const char *id;    /* "ZR-FRAME-007" */
    const char *level; /* "MUST", "SHOULD", "MAY" */
    const char *who;   /* "active", "passive", "both", "sender", "receiver", "transport" */
    const char *text;
};

extern const struct zrpc_requirement zrpc_requirements[];
extern const size_t zrpc_requirements_count;

/* NULL for an id that the specification does not have. */
const struct zrpc_requirement *zrpc_requirement_find(const char *id);
enum zrpc_level zrpc_requirement_level(const struct zrpc_requirement *r);
/* Whether an implementation in that role is obliged: a sender or receiver is either side, and what obliges
 * the transport is wireevaluator's business, not the suite's. */
bool zrpc_requirement_obliges(const struct zrpc_requirement *r, enum zrpc_role role);

/* "MUST", "SHOULD", "MAY"; "server", "client". */
const char *zrpc_level_name(enum zrpc_level level);
const char *zrpc_role_name(enum zrpc_role role);

#endif
