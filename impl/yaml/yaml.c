#include "zrpc/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int parser_failed(const yaml_parser_t *p, const char *file, struct zrpc_error *err)
{
    const char *problem = p->problem == NULL ? "not YAML" : p->problem;

    if (p->error == YAML_MEMORY_ERROR)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: out of memory", file);
    if (p->error == YAML_READER_ERROR)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s: at byte %zu: %s", file, p->problem_offset, problem);
    return zrpc_fail(err, ZRPC_ERR_USAGE, "%s:%zu: %s", file, p->problem_mark.line + 1, problem);
}

/* The text must hold the one document and no other. */
static int check_end(yaml_parser_t *p, const char *file, struct zrpc_error *err)
{
    yaml_document_t next;
    yaml_node_t *root;
    size_t line;

    if (!yaml_parser_load(p, &next))
        return parser_failed(p, file, err);
    root = yaml_document_get_root_node(&next);
    line = next.start_mark.line + 1;
    yaml_document_delete(&next);
    return root == NULL ? 0 : zrpc_fail(err, ZRPC_ERR_USAGE, "%s:%zu: a second document", file, line);
}

/* libyaml asserts that there is an input, empty or not. */
static void set_input(yaml_parser_t *parser, struct zrpc_view text)
{
    yaml_parser_set_input_string(parser, text.len == 0 ? (const uint8_t *)"" : text.data, text.len);
}

/* libyaml's time goes with the square of the depth, and it has no limit of its own. What else is wrong is for
 * loading to say. */
static int check_depth(const char *file, struct zrpc_view text, struct zrpc_error *err)
{
    yaml_parser_t parser;
    yaml_event_t event;
    unsigned depth = 0;
    bool more = true;
    int rc = 0;

    if (!yaml_parser_initialize(&parser))
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: out of memory", file);
    set_input(&parser, text);
    while (rc == 0 && more && yaml_parser_parse(&parser, &event)) {
        more = event.type != YAML_STREAM_END_EVENT;
        if (event.type == YAML_MAPPING_START_EVENT || event.type == YAML_SEQUENCE_START_EVENT)
            depth++;
        else if (event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT)
            depth--;
        if (depth > ZRPC_YAML_DEPTH_MAX)
            rc = zrpc_fail(err, ZRPC_ERR_USAGE, "%s:%zu: nested deeper than %d", file,
                           event.start_mark.line + 1, ZRPC_YAML_DEPTH_MAX);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return rc;
}

int zrpc_yaml_parse(struct zrpc_yaml *y, const char *file, struct zrpc_view text, struct zrpc_error *err)
{
    yaml_parser_t parser;
    int rc;

    *y = (struct zrpc_yaml){.file = file};
    rc = check_depth(file, text, err);
    if (rc < 0)
        return rc;
    if (!yaml_parser_initialize(&parser))
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: out of memory", file);
    set_input(&parser, text);
    if (!yaml_parser_load(&parser, &y->document)) {
        rc = parser_failed(&parser, file, err);
        goto out;
    }
    y->loaded = true;
    rc = zrpc_yaml_root(y) != NULL ? check_end(&parser, file, err)
                                   : zrpc_fail(err, ZRPC_ERR_USAGE, "%s:1: nothing in it", file);
out:
    yaml_parser_delete(&parser);
    return rc;
}

static int read_all(FILE *f, const char *file, struct zrpc_buf *out, struct zrpc_error *err)
{
    char chunk[16384];
    size_t n;
    int rc = 0;

    while (rc == 0 && (n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        rc = zrpc_buf_append(out, zrpc_view(chunk, n), err);
        if (rc == 0 && out->len > ZRPC_YAML_FILE_MAX)
            rc = zrpc_fail(err, ZRPC_ERR_USAGE, "%s: longer than %u bytes", file, ZRPC_YAML_FILE_MAX);
    }
    if (rc == 0 && ferror(f))
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "read %s", file);
    return rc;
}

int zrpc_yaml_load(struct zrpc_yaml *y, const char *file, struct zrpc_error *err)
{
    struct zrpc_buf text = {0};
    FILE *f = fopen(file, "re");
    int rc;

    *y = (struct zrpc_yaml){.file = file};
    if (f == NULL)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "open %s", file);
    rc = read_all(f, file, &text, err);
    if (rc == 0)
        rc = zrpc_yaml_parse(y, file, zrpc_buf_view(&text), err);
    zrpc_buf_dispose(&text);
    fclose(f);
    return rc;
}

void zrpc_yaml_dispose(struct zrpc_yaml *y)
{
    if (y->loaded)
        yaml_document_delete(&y->document);
    zrpc_buf_dispose(&y->problems);
    *y = (struct zrpc_yaml){0};
}

yaml_node_t *zrpc_yaml_root(struct zrpc_yaml *y)
{
    return yaml_document_get_root_node(&y->document);
}

void zrpc_yaml_problem(struct zrpc_yaml *y, const yaml_node_t *at, const char *key, const char *fmt, ...)
{
    char what[512], line[768];
    va_list args;
    int n;

    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    n = snprintf(line, sizeof line, "%s%s:%zu: %s: %s", y->n_problems == 0 ? "" : "\n", y->file,
                 at->start_mark.line + 1, key, what);
    y->n_problems++;
    /* Where there is no memory for the line, the count still makes the result an error. */
    if (n > 0)
        (void)zrpc_buf_append(&y->problems,
                              zrpc_view(line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1), NULL);
}

int zrpc_yaml_result(const struct zrpc_yaml *y, struct zrpc_error *err)
{
    struct zrpc_view lines = zrpc_buf_view(&y->problems);

    if (y->no_memory)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: out of memory", y->file);
    if (y->n_problems == 0)
        return 0;
    if (lines.len == 0)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: %u mistakes, and no memory to name them", y->file,
                         y->n_problems);
    if (lines.len < ZRPC_ERROR_TEXT_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%.*s", (int)lines.len, (const char *)lines.data);
    lines = zrpc_utf8_prefix(lines, ZRPC_ERROR_TEXT_MAX - 64);
    return zrpc_fail(err, ZRPC_ERR_USAGE, "%.*s...\n%s: %u mistakes in all", (int)lines.len,
                     (const char *)lines.data, y->file, y->n_problems);
}

static bool is_empty(const yaml_node_t *node)
{
    return node == NULL || (node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
                            node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
}

/* The scalar's text, or NULL where it is none (a zero byte in it makes it none, too). */
static const char *scalar(const yaml_node_t *node)
{
    const char *text;

    if (node->type != YAML_SCALAR_NODE)
        return NULL;
    text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

static yaml_node_t *node_at(struct zrpc_yaml *y, int index)
{
    return yaml_document_get_node(&y->document, index);
}

static bool seen_before(struct zrpc_yaml *y, yaml_node_t *node, const yaml_node_pair_t *pair, const char *key)
{
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < pair; p++) {
        const char *other = scalar(node_at(y, p->key));

        if (other != NULL && strcmp(other, key) == 0)
            return true;
    }
    return false;
}

bool zrpc_yaml_is_mapping(struct zrpc_yaml *y, const char *key, yaml_node_t *node)
{
    unsigned before = y->n_problems;

    if (is_empty(node))
        return true;
    if (node->type != YAML_MAPPING_NODE) {
        zrpc_yaml_problem(y, node, key, "expected a mapping");
        return false;
    }
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        const char *name = scalar(node_at(y, p->key));

        if (name == NULL || name[0] == '\0')
            zrpc_yaml_problem(y, node_at(y, p->key), key, "expected keys that are strings");
        else if (seen_before(y, node, p, name))
            zrpc_yaml_problem(y, node_at(y, p->key), name, "given twice");
    }
    return y->n_problems == before;
}

bool zrpc_yaml_pair(struct zrpc_yaml *y, yaml_node_t *node, size_t i, const char **key, yaml_node_t **value)
{
    yaml_node_pair_t *p;

    if (is_empty(node) || i >= (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start))
        return false;
    p = &node->data.mapping.pairs.start[i];
    *key = scalar(node_at(y, p->key));
    *value = node_at(y, p->value);
    return true;
}

bool zrpc_yaml_is_sequence(struct zrpc_yaml *y, const char *key, yaml_node_t *node)
{
    if (is_empty(node) || node->type == YAML_SEQUENCE_NODE)
        return true;
    zrpc_yaml_problem(y, node, key, "expected a sequence");
    return false;
}

bool zrpc_yaml_item(struct zrpc_yaml *y, yaml_node_t *node, size_t i, yaml_node_t **item)
{
    if (is_empty(node) || i >= (size_t)(node->data.sequence.items.top - node->data.sequence.items.start))
        return false;
    *item = node_at(y, node->data.sequence.items.start[i]);
    return true;
}

static const struct zrpc_yaml_key *lookup(const struct zrpc_yaml_key *keys, const char *name)
{
    for (; keys->name != NULL; keys++)
        if (strcmp(keys->name, name) == 0)
            return keys;
    return NULL;
}

static void unknown(struct zrpc_yaml *y, const yaml_node_t *at, const char *name,
                    const struct zrpc_yaml_key *keys)
{
    char list[256] = "";
    size_t used = 0;

    for (const struct zrpc_yaml_key *k = keys; k->name != NULL && used < sizeof list; k++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", k == keys ? "" : ", ", k->name);
    zrpc_yaml_problem(y, at, name, "unknown key, expected one of %s", list);
}

void zrpc_yaml_mapping(struct zrpc_yaml *y, const char *key, yaml_node_t *node,
                       const struct zrpc_yaml_key *keys, void *out)
{
    yaml_node_t *value;
    const char *name;

    if (!zrpc_yaml_is_mapping(y, key, node) && node->type != YAML_MAPPING_NODE)
        return;
    for (size_t i = 0; zrpc_yaml_pair(y, node, i, &name, &value); i++) {
        const struct zrpc_yaml_key *k = name == NULL ? NULL : lookup(keys, name);

        if (k != NULL)
            k->read(y, name, value, (char *)out + k->offset);
        else if (name != NULL)
            unknown(y, node_at(y, node->data.mapping.pairs.start[i].key), name, keys);
    }
    for (const struct zrpc_yaml_key *k = keys; k->name != NULL; k++) {
        bool given = false;

        for (size_t i = 0; !given && zrpc_yaml_pair(y, node, i, &name, &value); i++)
            given = name != NULL && strcmp(name, k->name) == 0;
        if (k->required && !given)
            zrpc_yaml_problem(y, node == NULL ? zrpc_yaml_root(y) : node, key, "%s is missing", k->name);
    }
}
