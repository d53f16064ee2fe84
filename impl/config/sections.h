/*
 * The sections of a configuration file: what their tables fill.
 */
#ifndef ZRPC_CONFIG_SECTIONS_H
#define ZRPC_CONFIG_SECTIONS_H

#include "zrpc/config.h"
#include "zrpc/transport.h"
#include "zrpc/transport_ssh.h"
#include "zrpc/transport_tls.h"
#include "zrpc/yaml.h"

/* Strings are the document's; arrays are owned. */
struct string_list {
    const char **items;
    size_t n;
};

struct client_map {
    struct zrpc_tcp_client *items;
    size_t n;
};

/* The keys of all types; each type's table has its own. */
struct connect_section {
    const char *type;
    const char *address;
    struct zrpc_tls_files files;
    const char *server_cn;
    const char *host, *user, *identity_file, *ssh_command;
    uint64_t port;
    struct string_list options;
    const char *listener_name, *client_identity;
    zrpc_time dial_timeout;
};

struct serve_section {
    const char *type;
    const char *listen;
    struct client_map clients;
    struct zrpc_tls_files files;
    struct string_list client_cns;
    zrpc_time handshake_timeout;
    struct string_list client_identities;
    const char *listener_name;
};

struct zrpc_config {
    char *file;
    struct zrpc_yaml yaml;
    struct connect_section connect;
    struct serve_section serve;
    const char *sockdir;
};

/* What a section may be, by its `type`. */
struct zrpc_config_type {
    const char *type; /* NULL ends the table */
    const struct zrpc_yaml_key *keys;
    int (*dial)(const struct zrpc_config *c, struct zrpc_dialer **out, struct zrpc_error *err);
    int (*listen)(const struct zrpc_config *c, struct zrpc_listener **out, struct zrpc_error *err);
};

extern const struct zrpc_config_type zrpc_config_connect_types[], zrpc_config_serve_types[];

/* Readers of values that mean something to a transport, and note what it would not take. */
zrpc_yaml_reader zrpc_config_address;    /* const char *: HOST:PORT */
zrpc_yaml_reader zrpc_config_identity;   /* const char * */
zrpc_yaml_reader zrpc_config_identities; /* struct string_list */
zrpc_yaml_reader zrpc_config_cns;        /* the same, and the same name may stand there again */
zrpc_yaml_reader zrpc_config_strings;    /* struct string_list */
zrpc_yaml_reader zrpc_config_clients;    /* struct client_map */
zrpc_yaml_reader zrpc_config_port;       /* uint64_t: 1 to 65535 */
zrpc_yaml_reader zrpc_config_timeout;    /* zrpc_time; empty stands for the default */
zrpc_yaml_reader zrpc_config_ignored;    /* nothing */

#endif
