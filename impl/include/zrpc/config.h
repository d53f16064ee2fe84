/*
 * Configuration files in zrepl's syntax, for programs that connect or serve (ZR-CFG-*):
 *
 *     connect:                          serve:
 *       type: tcp                         type: tls
 *       address: "10.0.0.1:8888"          listen: ":8888"
 *       dial_timeout: 10s                 ca: /etc/zrepl/ca.crt
 *                                         cert: /etc/zrepl/server.crt
 *     global:                             key: /etc/zrepl/server.key
 *       serve:                            client_cns: [laptop1, homeserver]
 *         stdinserver:                    handshake_timeout: 10s
 *           sockdir: /var/run/zrepl/stdinserver
 *
 * | connect.type | keys (* optional) |
 * | --- | --- |
 * | tcp | address, dial_timeout* |
 * | tls | address, ca, cert, key, server_cn, dial_timeout* |
 * | ssh+stdinserver | host, user, port, identity_file, ssh_command*, options*, dial_timeout* |
 * | local | listener_name, client_identity, dial_timeout* |
 *
 * | serve.type | keys (* optional) |
 * | --- | --- |
 * | tcp | listen, clients: {IP: identity, IP/PREFIX: "a-*"} |
 * | tls | listen, ca, cert, key, client_cns, handshake_timeout* |
 * | stdinserver | client_identities |
 * | local | listener_name |
 *
 * Each section is optional. Under `global`, what zrepl knows besides (logging, monitoring, control) is
 * accepted and not looked at. Certificates and keys are read when the file is, so that a bad one is reported
 * with the other mistakes.
 */
#ifndef ZRPC_CONFIG_H
#define ZRPC_CONFIG_H

#include "zrpc/bytes.h"
#include "zrpc/wire.h"

struct zrpc_config;

/* ZRPC_ERR_USAGE with a line "FILE:LINE: KEY: what was expected, what was found" for each mistake, as many as
 * fit; all of them go to *mistakes (may be NULL). ZRPC_ERR_SYSTEM if the file cannot be read. */
int zrpc_config_load(const char *file, struct zrpc_config **out, struct zrpc_buf *mistakes,
                     struct zrpc_error *err);
/* The same for a text; `file` is for messages. */
int zrpc_config_parse(const char *file, struct zrpc_view text, struct zrpc_config **out,
                      struct zrpc_buf *mistakes, struct zrpc_error *err);
/* NULL is allowed. */
void zrpc_config_free(struct zrpc_config *c);

/* New ones, independent of the configuration. ZRPC_ERR_USAGE if the file lacks the section; else as the
 * transport's. */
int zrpc_config_dialer(const struct zrpc_config *c, struct zrpc_dialer **out, struct zrpc_error *err);
int zrpc_config_listen(const struct zrpc_config *c, struct zrpc_listener **out, struct zrpc_error *err);

/* As in the file: "ssh+stdinserver"; NULL where there is no such section. */
const char *zrpc_config_connect_type(const struct zrpc_config *c);
const char *zrpc_config_serve_type(const struct zrpc_config *c);
/* global.serve.stdinserver.sockdir, or its default. */
const char *zrpc_config_sockdir(const struct zrpc_config *c);
/* Another default, for a file that names none; borrowed. */
void zrpc_config_set_default_sockdir(struct zrpc_config *c, const char *sockdir);

#endif
