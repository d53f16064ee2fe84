#include "conformance/verdict.h"

static const struct {
    const char *name, *meaning;
} verdicts[ZRPC_VERDICT_COUNT] = {
#define ROW(name, text, meaning) [ZRPC_VERDICT_##name] = {text, meaning},
    ZRPC_VERDICT_MAP(ROW)
#undef ROW
};

const char *zrpc_verdict_name(enum zrpc_verdict v)
{
    return verdicts[v].name;
}

const char *zrpc_verdict_meaning(enum zrpc_verdict v)
{
    return verdicts[v].meaning;
}

enum zrpc_verdict zrpc_verdict_missed(enum zrpc_level level)
{
    static const enum zrpc_verdict missed[ZRPC_LEVEL_COUNT] = {
        [ZRPC_MUST] = ZRPC_VERDICT_FAIL,
        [ZRPC_SHOULD] = ZRPC_VERDICT_NON_STRICT,
        [ZRPC_MAY] = ZRPC_VERDICT_UNSUPPORTED,
    };

    return missed[level];
}

bool zrpc_verdict_spoils(enum zrpc_verdict v, enum zrpc_level level)
{
    if (v == ZRPC_VERDICT_FAIL || v == ZRPC_VERDICT_XPASS)
        return true;
    return (v == ZRPC_VERDICT_INCONCLUSIVE || v == ZRPC_VERDICT_FLAKY) && level == ZRPC_MUST;
}
