/*
 * YAML files, read against tables of keys. Every mistake is noted as "FILE:LINE: KEY: what was expected", and
 * reading goes on, so that all are reported at once.
 *
 *     static const struct zrpc_yaml_key keys[] = {
 *         {"listen", zrpc_yaml_string, offsetof(struct config, listen), .required = true},
 *         {"timeout", zrpc_yaml_duration, offsetof(struct config, timeout)},
 *         {NULL}};
 *     rc = zrpc_yaml_load(&y, "zrpc.yml", &err);
 *     if (rc == 0) {
 *         zrpc_yaml_mapping(&y, "the file", zrpc_yaml_root(&y), keys, &config);
 *         rc = zrpc_yaml_result(&y, &err);
 *     }
 *     zrpc_yaml_dispose(&y);
 */
#ifndef ZRPC_YAML_H
#define ZRPC_YAML_H

#include <yaml.h>

#include "zrpc/bytes.h"

#define ZRPC_YAML_FILE_MAX  (4u << 20) /* bytes */
#define ZRPC_YAML_DEPTH_MAX 64         /* mappings and sequences in each other */

struct zrpc_yaml {
    yaml_document_t document;
    bool loaded;
    const char *file;         /* borrowed; for messages */
    struct zrpc_buf problems; /* a line each */
    unsigned n_problems;
    bool no_memory; /* set by a reader that ran out of it: the result is ZRPC_ERR_NOMEM */
};

/* One document. ZRPC_ERR_USAGE with FILE:LINE for what is not YAML, ZRPC_ERR_SYSTEM for what cannot be read.
 * Dispose it in any case. */
int zrpc_yaml_parse(struct zrpc_yaml *y, const char *file, struct zrpc_view text, struct zrpc_error *err);
int zrpc_yaml_load(struct zrpc_yaml *y, const char *file, struct zrpc_error *err);
void zrpc_yaml_dispose(struct zrpc_yaml *y);
/* Never NULL once loaded. */
yaml_node_t *zrpc_yaml_root(struct zrpc_yaml *y);

/* Notes a mistake at a node. */
void zrpc_yaml_problem(struct zrpc_yaml *y, const yaml_node_t *at, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* 0 if nothing was noted; else ZRPC_ERR_USAGE, with the noted lines (the first ones, where not all fit). */
int zrpc_yaml_result(const struct zrpc_yaml *y, struct zrpc_error *err);

/* Readers put a node's value into *out, or note what they expected and leave *out alone. */
typedef void zrpc_yaml_reader(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out);
zrpc_yaml_reader zrpc_yaml_string;   /* const char *: the document's, valid until dispose; not empty */
zrpc_yaml_reader zrpc_yaml_bool;     /* bool: true or false */
zrpc_yaml_reader zrpc_yaml_u64;      /* uint64_t: decimal, or hexadecimal after 0x */
zrpc_yaml_reader zrpc_yaml_size;     /* uint64_t, bytes: 4096, 64KiB, 10MiB, 1GiB, 1TiB */
zrpc_yaml_reader zrpc_yaml_duration; /* zrpc_time, not negative: 10s, 1m30s, 300ms */
zrpc_yaml_reader zrpc_yaml_node;     /* yaml_node_t *: for reading later */

struct zrpc_yaml_key {
    const char *name; /* NULL ends a table */
    zrpc_yaml_reader *read;
    size_t offset; /* of the value in what the table fills */
    bool required;
};

/* A mapping with the table's keys only. An empty value passes for an empty mapping. */
void zrpc_yaml_mapping(struct zrpc_yaml *y, const char *key, yaml_node_t *node,
                       const struct zrpc_yaml_key *keys, void *out);

/* A mapping with keys of the user's: false (and noted) if it is none, or has a key twice or one that is not a
 * string. Then its pairs, i from 0, until false. NULL and empty values have none. */
bool zrpc_yaml_is_mapping(struct zrpc_yaml *y, const char *key, yaml_node_t *node);
bool zrpc_yaml_pair(struct zrpc_yaml *y, yaml_node_t *node, size_t i, const char **key, yaml_node_t **value);
/* The same for a sequence's items. */
bool zrpc_yaml_is_sequence(struct zrpc_yaml *y, const char *key, yaml_node_t *node);
bool zrpc_yaml_item(struct zrpc_yaml *y, yaml_node_t *node, size_t i, yaml_node_t **item);

#endif
