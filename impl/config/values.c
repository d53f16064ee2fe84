#include <stdlib.h>

#include "config/sections.h"
#include "transport/tcp_clients.h"
#include "transport/tcp_socket.h"

void zrpc_config_address(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct zrpc_tcp_address address;
    const char *text = NULL;

    zrpc_yaml_string(y, key, node, &text);
    if (text == NULL)
        return;
    if (zrpc_tcp_address_parse(text, &address, NULL) == 0)
        *(const char **)out = text;
    else
        zrpc_yaml_problem(y, node, key, "expected HOST:PORT, [IPV6]:PORT or :PORT, found \"%s\"", text);
}

void zrpc_config_identity(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const char *text = NULL;
    struct zrpc_error err;

    zrpc_yaml_string(y, key, node, &text);
    if (text == NULL)
        return;
    if (zrpc_identity_check(text, &err) == 0)
        *(const char **)out = text;
    else
        zrpc_yaml_problem(y, node, key, "%s", err.text);
}

/* The number of a sequence's items or a mapping's pairs. */
static size_t length_of(const yaml_node_t *node)
{
    if (node->type == YAML_SEQUENCE_NODE)
        return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (node->type == YAML_MAPPING_NODE)
        return (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    return 0;
}

static void *array_for(struct zrpc_yaml *y, const yaml_node_t *node, size_t size)
{
    void *array = calloc(length_of(node) + 1, size);

    y->no_memory |= array == NULL;
    return array;
}

static void read_list(struct zrpc_yaml *y, const char *key, yaml_node_t *node, zrpc_yaml_reader *read,
                      struct string_list *out)
{
    yaml_node_t *item;

    if (out->items != NULL || !zrpc_yaml_is_sequence(y, key, node))
        return;
    out->items = array_for(y, node, sizeof *out->items);
    for (size_t i = 0; out->items != NULL && zrpc_yaml_item(y, node, i, &item); i++) {
        read(y, key, item, &out->items[out->n]);
        out->n += out->items[out->n] != NULL;
    }
}

void zrpc_config_strings(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    read_list(y, key, node, zrpc_yaml_string, out);
}

void zrpc_config_cns(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    read_list(y, key, node, zrpc_config_identity, out);
}

void zrpc_config_identities(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const struct string_list *list = out;

    read_list(y, key, node, zrpc_config_identity, out);
    for (size_t i = 0; i < list->n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(list->items[i], list->items[j]) == 0)
                zrpc_yaml_problem(y, node, key, "\"%s\" is listed twice", list->items[i]);
}

static void read_client(struct zrpc_yaml *y, const yaml_node_t *at, const char *key, const char *ip,
                        yaml_node_t *value, struct client_map *out)
{
    struct zrpc_tcp_client *client = &out->items[out->n];
    struct zrpc_tcp_client_entry entry, other;
    struct zrpc_error err;

    client->ip = ip;
    zrpc_yaml_string(y, ip, value, &client->identity);
    if (client->identity == NULL)
        return;
    if (zrpc_tcp_client_parse(client, &entry, &err) < 0) {
        zrpc_yaml_problem(y, at, key, "%s", err.text);
        return;
    }
    for (size_t i = 0; i < out->n; i++)
        if (strcmp(ip, out->items[i].ip) != 0 && zrpc_tcp_client_parse(&out->items[i], &other, NULL) == 0 &&
            zrpc_tcp_client_same(&entry, &other))
            zrpc_yaml_problem(y, at, key, "%s means the same clients as %s", ip, out->items[i].ip);
    out->n++;
}

void zrpc_config_clients(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct client_map *map = out;
    yaml_node_t *value;
    const char *ip;

    if (map->items != NULL || (!zrpc_yaml_is_mapping(y, key, node) && node->type != YAML_MAPPING_NODE))
        return;
    map->items = array_for(y, node, sizeof *map->items);
    for (size_t i = 0; map->items != NULL && zrpc_yaml_pair(y, node, i, &ip, &value); i++)
        if (ip != NULL && ip[0] != '\0') /* else it has been said */
            read_client(y, value, key, ip, value, map);
}

void zrpc_config_port(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    unsigned before = y->n_problems;
    uint64_t port = 0;

    zrpc_yaml_u64(y, key, node, &port);
    if (y->n_problems > before)
        return;
    if (port >= 1 && port <= 65535)
        *(uint64_t *)out = port;
    else
        zrpc_yaml_problem(y, node, key, "expected a port from 1 to 65535, found %llu",
                          (unsigned long long)port);
}

/* YAML's ways of saying nothing. */
static bool is_null(const yaml_node_t *node)
{
    const char *text;

    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    text = (const char *)node->data.scalar.value;
    return text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

void zrpc_config_timeout(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    if (!is_null(node))
        zrpc_yaml_duration(y, key, node, out);
}

void zrpc_config_ignored(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    (void)y, (void)key, (void)node, (void)out;
}
