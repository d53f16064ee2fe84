#include "conformance/mutants/families.h"

static const struct zrpc_mutant *const families[] = {
    zrpc_mutants_connect, zrpc_mutants_read,    zrpc_mutants_write, zrpc_mutants_life,
    zrpc_mutants_process, zrpc_mutants_control, zrpc_mutants_fields};

const struct zrpc_mutant *zrpc_mutant_get(size_t i)
{
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++)
        for (const struct zrpc_mutant *m = families[f]; m->name != NULL; m++)
            if (i-- == 0)
                return m;
    return NULL;
}

const struct zrpc_mutant *zrpc_mutant_find(const char *name)
{
    const struct zrpc_mutant *m;

    for (size_t i = 0; (m = zrpc_mutant_get(i)) != NULL; i++)
        if (strcmp(m->name, name) == 0)
            return m;
    return NULL;
}

enum zrpc_verdict zrpc_mutant_verdict(const struct zrpc_mutant *m)
{
    return m->verdict == ZRPC_VERDICT_PASS ? ZRPC_VERDICT_FAIL : m->verdict;
}
