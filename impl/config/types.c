#include "config/sections.h"

/* One table for each type of each section. */
#define KEY(section, key, reader, field, must)                                     \
    {                                                                              \
        key, reader, offsetof(struct section##_section, field), .required = (must) \
    }
#define TYPE(section)         KEY(section, "type", zrpc_yaml_string, type, true)
#define TEXT(section, key)    KEY(section, #key, zrpc_yaml_string, key, true)
#define TIMEOUT(section, key) KEY(section, #key, zrpc_config_timeout, key, false)
#define TLS_FILES(section)                                        \
    KEY(section, "ca", zrpc_yaml_string, files.ca, true),         \
        KEY(section, "cert", zrpc_yaml_string, files.cert, true), \
        KEY(section, "key", zrpc_yaml_string, files.key, true)

static const struct zrpc_yaml_key connect_tcp[] = {
    TYPE(connect),
    KEY(connect, "address", zrpc_config_address, address, true),
    TIMEOUT(connect, dial_timeout),
    {.name = NULL},
};

static const struct zrpc_yaml_key connect_tls[] = {
    TYPE(connect),
    KEY(connect, "address", zrpc_config_address, address, true),
    TLS_FILES(connect),
    TEXT(connect, server_cn),
    TIMEOUT(connect, dial_timeout),
    {.name = NULL},
};

static const struct zrpc_yaml_key connect_ssh[] = {
    TYPE(connect),
    TEXT(connect, host),
    TEXT(connect, user),
    KEY(connect, "port", zrpc_config_port, port, true),
    TEXT(connect, identity_file),
    KEY(connect, "transport_open_command", zrpc_config_ignored, type,
        false), /* zrepl does not use it either */
    KEY(connect, "ssh_command", zrpc_yaml_string, ssh_command, false),
    KEY(connect, "options", zrpc_config_strings, options, false),
    TIMEOUT(connect, dial_timeout),
    {.name = NULL},
};

static const struct zrpc_yaml_key connect_local[] = {
    TYPE(connect),
    TEXT(connect, listener_name),
    KEY(connect, "client_identity", zrpc_config_identity, client_identity, true),
    TIMEOUT(connect, dial_timeout),
    {.name = NULL},
};

static const struct zrpc_yaml_key serve_tcp[] = {
    TYPE(serve),
    KEY(serve, "listen", zrpc_config_address, listen, true),
    KEY(serve, "clients", zrpc_config_clients, clients, true),
    {.name = NULL},
};

static const struct zrpc_yaml_key serve_tls[] = {
    TYPE(serve),
    KEY(serve, "listen", zrpc_config_address, listen, true),
    TLS_FILES(serve),
    KEY(serve, "client_cns", zrpc_config_cns, client_cns, true),
    TIMEOUT(serve, handshake_timeout),
    {.name = NULL},
};

static const struct zrpc_yaml_key serve_stdinserver[] = {
    TYPE(serve),
    KEY(serve, "client_identities", zrpc_config_identities, client_identities, true),
    {.name = NULL},
};

static const struct zrpc_yaml_key serve_local[] = {
    TYPE(serve),
    TEXT(serve, listener_name),
    {.name = NULL},
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

const struct zrpc_config_type zrpc_config_connect_types[] = {
    {.type = "tcp", .keys = connect_tcp, .dial = dial_tcp},
    {.type = "tls", .keys = connect_tls, .dial = dial_tls},
    {.type = "ssh+stdinserver", .keys = connect_ssh, .dial = dial_ssh},
    {.type = "local", .keys = connect_local, .dial = dial_local},
    {.type = NULL},
};

const struct zrpc_config_type zrpc_config_serve_types[] = {
    {.type = "tcp", .keys = serve_tcp, .listen = listen_tcp},
    {.type = "tls", .keys = serve_tls, .listen = listen_tls},
    {.type = "stdinserver", .keys = serve_stdinserver, .listen = listen_stdinserver},
    {.type = "local", .keys = serve_local, .listen = listen_local},
    {.type = NULL},
};
