#include <errno.h>
#include <stdlib.h>

#include "zrpc/clock.h"
#include "zrpc/yaml.h"

/* The text of a scalar that is neither empty nor has a zero byte; else notes what was expected. */
static const char *text_of(struct zrpc_yaml *y, const char *key, const yaml_node_t *node,
                           const char *expected)
{
    const char *text;

    if (node->type != YAML_SCALAR_NODE) {
        zrpc_yaml_problem(y, node, key, "expected %s, found a %s", expected,
                          node->type == YAML_MAPPING_NODE ? "mapping" : "sequence");
        return NULL;
    }
    text = (const char *)node->data.scalar.value;
    if (node->data.scalar.length > 0 && strlen(text) == node->data.scalar.length)
        return text;
    zrpc_yaml_problem(y, node, key, "expected %s, found %s", expected,
                      node->data.scalar.length == 0 ? "nothing" : "a string with a zero byte");
    return NULL;
}

void zrpc_yaml_string(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const char *text = text_of(y, key, node, "a string");

    if (text != NULL)
        *(const char **)out = text;
}

void zrpc_yaml_bool(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const char *text = text_of(y, key, node, "true or false");

    if (text == NULL)
        return;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        *(bool *)out = text[0] == 't';
    else
        zrpc_yaml_problem(y, node, key, "expected true or false, found \"%s\"", text);
}

/* A number at the start of the text, *end after it. strtoull alone takes blanks and signs. */
static bool number(const char *text, uint64_t *value, char **end)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *value = strtoull(text, end, hex ? 16 : 10);
    return errno == 0 && *end > text;
}

void zrpc_yaml_u64(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const char *text = text_of(y, key, node, "a number");
    uint64_t value;
    char *end;

    if (text == NULL)
        return;
    if (number(text, &value, &end) && *end == '\0')
        *(uint64_t *)out = value;
    else
        zrpc_yaml_problem(y, node, key, "expected a number from 0 to 2^64-1, found \"%s\"", text);
}

static const struct {
    const char *name;
    unsigned shift;
} units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"PiB", 50}};

void zrpc_yaml_size(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const char *text = text_of(y, key, node, "a size such as 4096 or 10MiB");
    uint64_t value;
    char *end;

    if (text == NULL)
        return;
    for (size_t i = 0; number(text, &value, &end) && i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].name) == 0 && value <= UINT64_MAX >> units[i].shift) {
            *(uint64_t *)out = value << units[i].shift;
            return;
        }
    }
    zrpc_yaml_problem(y, node, key, "expected a size such as 4096, 64KiB, 10MiB or 1TiB, found \"%s\"", text);
}

void zrpc_yaml_duration(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const char *text = text_of(y, key, node, "a duration such as 10s");
    zrpc_time value;

    if (text == NULL)
        return;
    if (zrpc_duration_parse(text, &value, NULL) == 0 && value >= 0)
        *(zrpc_time *)out = value;
    else
        zrpc_yaml_problem(y, node, key, "expected a duration such as 10s, 1m30s or 300ms, found \"%s\"",
                          text);
}

void zrpc_yaml_node(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    (void)y, (void)key;
    *(yaml_node_t **)out = node;
}
