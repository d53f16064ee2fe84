#include "zrpc/config.h"

#include <stdlib.h>

#include "config/sections.h"

/* One table for each type of each section. */
#define CONNECT(name, read, field)                                            \
    {                                                                         \
        name, read, offsetof(struct connect_section, field), .required = true \
    }
#define CONNECT_(name, read, field)                                            \
    {                                                                          \
        name, read, offsetof(struct connect_section, field), .required = false \
    }
#define SERVE(name, read, field)                                            \
    {                                                                       \
        name, read, offsetof(struct serve_section, field), .required = true \
    }
#define SERVE_(name, read, field)                                            \
    {                                                                        \
        name, read, offsetof(struct serve_section, field), .required = false \
    }
#define END                              \
    {                                    \
        NULL, NULL, 0, .required = false \
    }

static const struct zrpc_yaml_key connect_tcp[] = {
    CONNECT("type", zrpc_yaml_string, type),
    CONNECT("address", zrpc_config_address, address),
    CONNECT_("dial_timeout", zrpc_config_timeout, dial_timeout),
    END,
};

static const struct zrpc_yaml_key connect_tls[] = {
    CONNECT("type", zrpc_yaml_string, type),
    CONNECT("address", zrpc_config_address, address),
    CONNECT("ca", zrpc_yaml_string, files.ca),
    CONNECT("cert", zrpc_yaml_string, files.cert),
    CONNECT("key", zrpc_yaml_string, files.key),
    CONNECT("server_cn", zrpc_yaml_string, server_cn),
    CONNECT_("dial_timeout", zrpc_config_timeout, dial_timeout),
    END,
};

static const struct zrpc_yaml_key connect_ssh[] = {
    CONNECT("type", zrpc_yaml_string, type),
    CONNECT("host", zrpc_yaml_string, host),
    CONNECT("user", zrpc_yaml_string, user),
    CONNECT("port", zrpc_config_port, port),
    CONNECT("identity_file", zrpc_yaml_string, identity_file),
    CONNECT_("transport_open_command", zrpc_config_ignored, type), /* zrepl does not use it either */
    CONNECT_("ssh_command", zrpc_yaml_string, ssh_command),
    CONNECT_("options", zrpc_config_strings, options),
    CONNECT_("dial_timeout", zrpc_config_timeout, dial_timeout),
    END,
};

static const struct zrpc_yaml_key connect_local[] = {
    CONNECT("type", zrpc_yaml_string, type),
    CONNECT("listener_name", zrpc_yaml_string, listener_name),
    CONNECT("client_identity", zrpc_config_identity, client_identity),
    CONNECT_("dial_timeout", zrpc_config_timeout, dial_timeout),
    END,
};

static const struct zrpc_yaml_key serve_tcp[] = {
    SERVE("type", zrpc_yaml_string, type),
    SERVE("listen", zrpc_config_address, listen),
    SERVE("clients", zrpc_config_clients, clients),
    END,
};

static const struct zrpc_yaml_key serve_tls[] = {
    SERVE("type", zrpc_yaml_string, type),
    SERVE("listen", zrpc_config_address, listen),
    SERVE("ca", zrpc_yaml_string, files.ca),
    SERVE("cert", zrpc_yaml_string, files.cert),
    SERVE("key", zrpc_yaml_string, files.key),
    SERVE("client_cns", zrpc_config_cns, client_cns),
    SERVE_("handshake_timeout", zrpc_config_timeout, handshake_timeout),
    END,
};

static const struct zrpc_yaml_key serve_stdinserver[] = {
    SERVE("type", zrpc_yaml_string, type),
    SERVE("client_identities", zrpc_config_identities, client_identities),
    END,
};

static const struct zrpc_yaml_key serve_local[] = {
    SERVE("type", zrpc_yaml_string, type),
    SERVE("listener_name", zrpc_yaml_string, listener_name),
    END,
};

static int dial_tcp(const struct zrpc_config *c, struct zrpc_dialer **out, struct zrpc_error *err)
{
    return zrpc_tcp_dialer(c->connect.address, c->connect.dial_timeout, out, err);
}

static int dial_tls(const struct zrpc_config *c, struct zrpc_dialer **out, struct zrpc_error *err)
{
    const struct connect_section *s = &c->connect;

    return zrpc_tls_dialer(s->address, &s->files, s->server_cn, s->dial_timeout, out, err);
}

static int dial_ssh(const struct zrpc_config *c, struct zrpc_dialer **out, struct zrpc_error *err)
{
    const struct connect_section *s = &c->connect;
    struct zrpc_ssh_options options = {
        .host = s->host,
        .user = s->user,
        .port = (uint16_t)s->port,
        .identity_file = s->identity_file,
        .ssh_command = s->ssh_command,
        .options = s->options.items,
        .n_options = s->options.n,
        .dial_timeout = s->dial_timeout,
    };

    return zrpc_ssh_dialer(&options, out, err);
}

static int dial_local(const struct zrpc_config *c, struct zrpc_dialer **out, struct zrpc_error *err)
{
    const struct connect_section *s = &c->connect;

    return zrpc_local_dialer(s->listener_name, s->client_identity, s->dial_timeout, out, err);
}

static int listen_tcp(const struct zrpc_config *c, struct zrpc_listener **out, struct zrpc_error *err)
{
    return zrpc_tcp_listen(c->serve.listen, c->serve.clients.items, c->serve.clients.n, out, err);
}

static int listen_tls(const struct zrpc_config *c, struct zrpc_listener **out, struct zrpc_error *err)
{
    const struct serve_section *s = &c->serve;

    return zrpc_tls_listen(s->listen, &s->files, s->client_cns.items, s->client_cns.n, s->handshake_timeout,
                           out, err);
}

static int listen_stdinserver(const struct zrpc_config *c, struct zrpc_listener **out, struct zrpc_error *err)
{
    return zrpc_stdinserver_listen(c->sockdir, c->serve.client_identities.items, c->serve.client_identities.n,
                                   out, err);
}

static int listen_local(const struct zrpc_config *c, struct zrpc_listener **out, struct zrpc_error *err)
{
    return zrpc_local_listen(c->serve.listener_name, out, err);
}

struct transport {
    const char *type; /* NULL ends the table */
    const struct zrpc_yaml_key *keys;
    int (*dial)(const struct zrpc_config *c, struct zrpc_dialer **out, struct zrpc_error *err);
    int (*listen)(const struct zrpc_config *c, struct zrpc_listener **out, struct zrpc_error *err);
};

static const struct transport connect_types[] = {
    {.type = "tcp", .keys = connect_tcp, .dial = dial_tcp},
    {.type = "tls", .keys = connect_tls, .dial = dial_tls},
    {.type = "ssh+stdinserver", .keys = connect_ssh, .dial = dial_ssh},
    {.type = "local", .keys = connect_local, .dial = dial_local},
    {.type = NULL},
};

static const struct transport serve_types[] = {
    {.type = "tcp", .keys = serve_tcp, .listen = listen_tcp},
    {.type = "tls", .keys = serve_tls, .listen = listen_tls},
    {.type = "stdinserver", .keys = serve_stdinserver, .listen = listen_stdinserver},
    {.type = "local", .keys = serve_local, .listen = listen_local},
    {.type = NULL},
};

static const struct transport *find_type(const struct transport *types, const char *type)
{
    while (types->type != NULL && strcmp(types->type, type) != 0)
        types++;
    return types->type == NULL ? NULL : types;
}

/* A section's `type` decides which table it is read against; it comes first wherever it stands. */
static const struct transport *type_of(struct zrpc_yaml *y, const char *key, yaml_node_t *node,
                                       const struct transport *types)
{
    const struct transport *found;
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
    for (const struct transport *t = types; t->type != NULL && used < sizeof list; t++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", t == types ? "" : ", ", t->type);
    if (type == NULL)
        zrpc_yaml_problem(y, node, key, "type is missing, expected one of %s", list);
    else
        zrpc_yaml_problem(y, value, "type", "expected one of %s, found \"%s\"", list, type);
    return NULL;
}

/* The files of a section that is right otherwise. */
static void check_files(struct zrpc_yaml *y, const char *key, yaml_node_t *node,
                        const struct zrpc_tls_files *files, unsigned problems_before)
{
    struct zrpc_error err;

    if (y->n_problems == problems_before && files->ca != NULL && zrpc_tls_files_check(files, &err) < 0)
        zrpc_yaml_problem(y, node, key, "%s", err.text);
}

static void read_section(struct zrpc_yaml *y, const char *key, yaml_node_t *node,
                         const struct transport *types, void *section, const struct zrpc_tls_files *files)
{
    unsigned before = y->n_problems;
    const struct transport *type = type_of(y, key, node, types);

    if (type == NULL)
        return;
    zrpc_yaml_mapping(y, key, node, type->keys, section);
    check_files(y, key, node, files, before);
}

static void read_connect(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct connect_section *s = out;

    read_section(y, key, node, connect_types, s, &s->files);
}

static void read_serve(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct serve_section *s = out;

    read_section(y, key, node, serve_types, s, &s->files);
}

static const char default_sockdir[] = ZRPC_STDINSERVER_SOCKDIR_DEFAULT;

static const struct zrpc_yaml_key stdinserver_keys[] = {{"sockdir", zrpc_yaml_string, 0, .required = false},
                                                        END};

static void read_stdinserver(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    zrpc_yaml_mapping(y, key, node, stdinserver_keys, out);
}

static const struct zrpc_yaml_key global_serve_keys[] = {
    {"stdinserver", read_stdinserver, 0, .required = false}, END};

static void read_global_serve(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    zrpc_yaml_mapping(y, key, node, global_serve_keys, out);
}

static const struct zrpc_yaml_key global_keys[] = {
    {"serve", read_global_serve, 0, .required = false},
    {"logging", zrpc_config_ignored, 0, .required = false},
    {"monitoring", zrpc_config_ignored, 0, .required = false},
    {"control", zrpc_config_ignored, 0, .required = false},
    END,
};

static void read_global(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    zrpc_yaml_mapping(y, key, node, global_keys, out);
}

static const struct zrpc_yaml_key file_keys[] = {
    {"connect", read_connect, offsetof(struct zrpc_config, connect), .required = false},
    {"serve", read_serve, offsetof(struct zrpc_config, serve), .required = false},
    {"global", read_global, offsetof(struct zrpc_config, sockdir), .required = false},
    END,
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

/* `rc`: how reading it as YAML went. */
static int finish(struct zrpc_config *c, int rc, struct zrpc_config **out, struct zrpc_buf *mistakes,
                  struct zrpc_error *err)
{
    struct zrpc_error local;

    if (err == NULL)
        err = &local;
    if (rc == 0) {
        zrpc_yaml_mapping(&c->yaml, "the file", zrpc_yaml_root(&c->yaml), file_keys, c);
        rc = zrpc_yaml_result(&c->yaml, err);
        if (rc < 0 && mistakes != NULL)
            (void)zrpc_buf_append(mistakes, zrpc_buf_view(&c->yaml.problems), NULL);
    } else if (mistakes != NULL) {
        (void)zrpc_buf_append(mistakes, zrpc_view_of(err->text), NULL);
    }
    if (rc < 0)
        zrpc_config_free(c);
    else
        *out = c;
    return rc;
}

int zrpc_config_load(const char *file, struct zrpc_config **out, struct zrpc_buf *mistakes,
                     struct zrpc_error *err)
{
    struct zrpc_config *c = config_new(file);
    struct zrpc_error local;

    if (c == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: no memory", file);
    if (err == NULL)
        err = &local;
    return finish(c, zrpc_yaml_load(&c->yaml, c->file, err), out, mistakes, err);
}

int zrpc_config_parse(const char *file, struct zrpc_view text, struct zrpc_config **out,
                      struct zrpc_buf *mistakes, struct zrpc_error *err)
{
    struct zrpc_config *c = config_new(file);
    struct zrpc_error local;

    if (c == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: no memory", file);
    if (err == NULL)
        err = &local;
    return finish(c, zrpc_yaml_parse(&c->yaml, c->file, text, err), out, mistakes, err);
}

int zrpc_config_dialer(const struct zrpc_config *c, struct zrpc_dialer **out, struct zrpc_error *err)
{
    if (c->connect.type == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s: there is no connect section", c->file);
    return find_type(connect_types, c->connect.type)->dial(c, out, err);
}

int zrpc_config_listen(const struct zrpc_config *c, struct zrpc_listener **out, struct zrpc_error *err)
{
    if (c->serve.type == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s: there is no serve section", c->file);
    return find_type(serve_types, c->serve.type)->listen(c, out, err);
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
