#include "zrpc/config.h"

#include <stdlib.h>

#include "config/sections.h"

static const struct zrpc_config_type *find_type(const struct zrpc_config_type *types, const char *type)
{
    while (types->type != NULL && strcmp(types->type, type) != 0)
        types++;
    return types->type == NULL ? NULL : types;
}

/* A section's `type` decides which table it is read against; it comes first wherever it stands. */
static const struct zrpc_config_type *type_of(struct zrpc_yaml *y, const char *key, yaml_node_t *node,
                                              const struct zrpc_config_type *types)
{
    const struct zrpc_config_type *found;
    const char *name, *type = NULL;
    char list[128] = "";
    yaml_node_t *value = node;
    size_t used = 0;

    if (node->type != YAML_MAPPING_NODE && !zrpc_yaml_is_mapping(y, key, node))
        return NULL;
    for (size_t i = 0; zrpc_yaml_pair(y, node, i, &name, &value); i++) {
        if (name == NULL || strcmp(name, "type") != 0)
            continue;
        zrpc_yaml_string(y, "type", value, &type);
        if (type == NULL)
            return NULL;
        break;
    }
    found = type == NULL ? NULL : find_type(types, type);
    if (found != NULL)
        return found;
    for (const struct zrpc_config_type *t = types; t->type != NULL && used < sizeof list; t++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", t == types ? "" : ", ", t->type);
    if (type == NULL)
        zrpc_yaml_problem(y, node, key, "type is missing, expected one of %s", list);
    else
        zrpc_yaml_problem(y, value, "type", "expected one of %s, found \"%s\"", list, type);
    return NULL;
}

static yaml_node_t *value_of(struct zrpc_yaml *y, yaml_node_t *mapping, const char *key)
{
    yaml_node_t *value;
    const char *name;

    for (size_t i = 0; zrpc_yaml_pair(y, mapping, i, &name, &value); i++)
        if (name != NULL && strcmp(name, key) == 0)
            return value;
    return mapping;
}

/* Each by itself, so that all that are bad are told; the key with its certificate where that is good. */
static void check_files(struct zrpc_yaml *y, yaml_node_t *node, const struct zrpc_tls_files *files)
{
    struct {
        const char *key;
        struct zrpc_tls_files files;
    } parts[] = {{"ca", {.ca = files->ca}}, {"cert", {.cert = files->cert}}, {"key", {.key = files->key}}};
    struct zrpc_error err;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (zrpc_tls_files_check(&parts[i].files, &err) < 0)
            zrpc_yaml_problem(y, value_of(y, node, parts[i].key), parts[i].key, "%s", err.text);
        else if (i == 1)
            parts[2].files.cert = files->cert;
    }
}

static void read_section(struct zrpc_yaml *y, const char *key, yaml_node_t *node,
                         const struct zrpc_config_type *types, void *section,
                         const struct zrpc_tls_files *files)
{
    const struct zrpc_config_type *type = type_of(y, key, node, types);

    if (type == NULL)
        return;
    zrpc_yaml_mapping(y, key, node, type->keys, section);
    check_files(y, node, files);
}

static void read_connect(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct connect_section *s = out;

    read_section(y, key, node, zrpc_config_connect_types, s, &s->files);
}

static void read_serve(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct serve_section *s = out;

    read_section(y, key, node, zrpc_config_serve_types, s, &s->files);
}

static const char default_sockdir[] = ZRPC_STDINSERVER_SOCKDIR_DEFAULT;

static const struct zrpc_yaml_key stdinserver_keys[] = {{"sockdir", zrpc_yaml_string, 0, .required = false},
                                                        {.name = NULL}};

static void read_stdinserver(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    zrpc_yaml_mapping(y, key, node, stdinserver_keys, out);
}

static const struct zrpc_yaml_key global_serve_keys[] = {
    {"stdinserver", read_stdinserver, 0, .required = false}, {.name = NULL}};

static void read_global_serve(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    zrpc_yaml_mapping(y, key, node, global_serve_keys, out);
}

static const struct zrpc_yaml_key global_keys[] = {
    {"serve", read_global_serve, 0, .required = false},
    {"logging", zrpc_config_ignored, 0, .required = false},
    {"monitoring", zrpc_config_ignored, 0, .required = false},
    {"control", zrpc_config_ignored, 0, .required = false},
    {.name = NULL},
};

static void read_global(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    zrpc_yaml_mapping(y, key, node, global_keys, out);
}

static const struct zrpc_yaml_key file_keys[] = {
    {"connect", read_connect, offsetof(struct zrpc_config, connect), .required = false},
    {"serve", read_serve, offsetof(struct zrpc_config, serve), .required = false},
    {"global", read_global, offsetof(struct zrpc_config, sockdir), .required = false},
    {.name = NULL},
};

static struct zrpc_config *config_new(const char *file)
{
    struct zrpc_config *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->file = strdup(file);
    c->sockdir = default_sockdir;
    c->connect.dial_timeout = ZRPC_DIAL_TIMEOUT_DEFAULT;
    c->serve.handshake_timeout = ZRPC_TLS_HANDSHAKE_TIMEOUT_DEFAULT;
    if (c->file != NULL)
        return c;
    free(c);
    return NULL;
}

void zrpc_config_free(struct zrpc_config *c)
{
    if (c == NULL)
        return;
    zrpc_yaml_dispose(&c->yaml);
    free(c->connect.options.items);
    free(c->serve.clients.items);
    free(c->serve.client_cns.items);
    free(c->serve.client_identities.items);
    free(c->file);
    free(c);
}

/* The file's, or its text's. */
static int read_config(const char *file, const struct zrpc_view *text, struct zrpc_config **out,
                       struct zrpc_buf *mistakes, struct zrpc_error *err)
{
    struct zrpc_config *c = config_new(file);
    struct zrpc_view problems;
    struct zrpc_error local;
    int rc;

    if (c == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: no memory", file);
    if (err == NULL)
        err = &local;
    rc = text == NULL ? zrpc_yaml_load(&c->yaml, c->file, err)
                      : zrpc_yaml_parse(&c->yaml, c->file, *text, err);
    if (rc < 0) {
        problems = zrpc_view_of(err->text);
    } else {
        zrpc_yaml_mapping(&c->yaml, "the file", zrpc_yaml_root(&c->yaml), file_keys, c);
        rc = zrpc_yaml_result(&c->yaml, err);
        problems = zrpc_buf_view(&c->yaml.problems);
    }
    if (rc == 0) {
        *out = c;
        return 0;
    }
    if (mistakes != NULL)
        (void)zrpc_buf_append(mistakes, problems, NULL);
    zrpc_config_free(c);
    return rc;
}

int zrpc_config_load(const char *file, struct zrpc_config **out, struct zrpc_buf *mistakes,
                     struct zrpc_error *err)
{
    return read_config(file, NULL, out, mistakes, err);
}

int zrpc_config_parse(const char *file, struct zrpc_view text, struct zrpc_config **out,
                      struct zrpc_buf *mistakes, struct zrpc_error *err)
{
    return read_config(file, &text, out, mistakes, err);
}

int zrpc_config_dialer(const struct zrpc_config *c, struct zrpc_dialer **out, struct zrpc_error *err)
{
    if (c->connect.type == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s: there is no connect section", c->file);
    return find_type(zrpc_config_connect_types, c->connect.type)->dial(c, out, err);
}

int zrpc_config_listen(const struct zrpc_config *c, struct zrpc_listener **out, struct zrpc_error *err)
{
    if (c->serve.type == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s: there is no serve section", c->file);
    return find_type(zrpc_config_serve_types, c->serve.type)->listen(c, out, err);
}

const char *zrpc_config_connect_type(const struct zrpc_config *c)
{
    return c->connect.type;
}

const char *zrpc_config_serve_type(const struct zrpc_config *c)
{
    return c->serve.type;
}

const char *zrpc_config_sockdir(const struct zrpc_config *c)
{
    return c->sockdir;
}

void zrpc_config_set_default_sockdir(struct zrpc_config *c, const char *sockdir)
{
    if (c->sockdir == default_sockdir)
        c->sockdir = sockdir;
}
