/*
 * Verdicts: what the suite says about a case, and what an expectation file makes of it.
 */
#ifndef ZRPC_CONFORMANCE_VERDICT_H
#define ZRPC_CONFORMANCE_VERDICT_H

#include <stdbool.h>

#include "conformance/requirements.h"

/* X(name, text, meaning) */
#define ZRPC_VERDICT_MAP(X)                                                     \
    X(PASS, "PASS", "the requirement is met")                                   \
    X(FAIL, "FAIL", "a MUST is violated, or the target died")                   \
    X(NON_STRICT, "NON-STRICT", "a SHOULD is missed")                           \
    X(UNSUPPORTED, "UNSUPPORTED", "a MAY is not offered")                       \
    X(INCONCLUSIVE, "INCONCLUSIVE", "the suite could not find out")             \
    X(SKIP, "SKIP", "the target offers nothing to test this with")              \
    X(XFAIL, "XFAIL", "not met, as the expectation file says")                  \
    X(XPASS, "XPASS", "met, although the expectation file says that it is not") \
    X(FLAKY, "FLAKY", "met in some repetitions only")

enum zrpc_verdict {
#define ZRPC_VERDICT_ENUM(name, text, meaning) ZRPC_VERDICT_##name,
    ZRPC_VERDICT_MAP(ZRPC_VERDICT_ENUM)
#undef ZRPC_VERDICT_ENUM
        ZRPC_VERDICT_COUNT
};

/* Static texts. */
const char *zrpc_verdict_name(enum zrpc_verdict v);
const char *zrpc_verdict_meaning(enum zrpc_verdict v);

/* The verdict on a case of that level whose requirement was not met. */
enum zrpc_verdict zrpc_verdict_missed(enum zrpc_level level);

/* Whether the verdict spoils the run: FAIL and XPASS always; INCONCLUSIVE and FLAKY of a MUST. */
bool zrpc_verdict_spoils(enum zrpc_verdict v, enum zrpc_level level);

#endif
