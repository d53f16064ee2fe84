#include "conformance/requirements.h"

#include <string.h>

const struct zrpc_requirement zrpc_requirements[] = {
#include "requirements.inc"
};
const size_t zrpc_requirements_count = sizeof zrpc_requirements / sizeof zrpc_requirements[0];

static const char *const level_names[] = {"MUST", "SHOULD", "MAY"};
static const char *const role_names[] = {"server", "client"};

const struct zrpc_requirement *zrpc_requirement_find(const char *id)
{
    for (size_t i = 0; i < zrpc_requirements_count; i++)
        if (strcmp(zrpc_requirements[i].id, id) == 0)
            return &zrpc_requirements[i];
    return NULL;
}

enum zrpc_level zrpc_requirement_level(const struct zrpc_requirement *r)
{
    enum zrpc_level level = ZRPC_MUST;

    while (level < ZRPC_MAY && strcmp(level_names[level], r->level) != 0)
        level++;
    return level;
}

bool zrpc_requirement_obliges(const struct zrpc_requirement *r, enum zrpc_role role)
{
    static const struct {
        const char *who;
        bool obliged[ZRPC_ROLE_COUNT];
    } sides[] = {
        {"active", {[ZRPC_ROLE_CLIENT] = true}},
        {"passive", {[ZRPC_ROLE_SERVER] = true}},
        {"both", {true, true}},
        {"sender", {true, true}},
        {"receiver", {true, true}},
    };

    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
        if (strcmp(sides[i].who, r->who) == 0)
            return sides[i].obliged[role];
    return false;
}

const char *zrpc_level_name(enum zrpc_level level)
{
    return level_names[level];
}

const char *zrpc_role_name(enum zrpc_role role)
{
    return role_names[role];
}
