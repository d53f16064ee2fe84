#include "testing/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/sections.h"
#include "testing/alloc.h"
#include "testing/certificates.h"

static struct zrpc_config *parse(const char *text)
{
    struct zrpc_config *c = NULL;
    struct zrpc_error err = {0};

    if (zrpc_config_parse("f.yml", zrpc_view_of(text), &c, NULL, &err) < 0)
        CHECK_STR(err.text, "");
    return c;
}

/* All mistakes, as lines. */
static void refuse(const char *text, const char *expected)
{
    struct zrpc_config *c = NULL;
    struct zrpc_buf mistakes = {0};
    struct zrpc_error err = {0};

    if (!CHECK_CODE(zrpc_config_parse("f.yml", zrpc_view_of(text), &c, &mistakes, &err), ZRPC_ERR_USAGE))
        zrpc_config_free(c);
    (void)zrpc_buf_append(&mistakes, zrpc_view("", 1), NULL);
    CHECK_STR((const char *)zrpc_buf_view(&mistakes).data, expected);
    zrpc_buf_dispose(&mistakes);
}

static void tcp(void)
{
    struct zrpc_config *c = parse(
        "connect:\n"
        "  type: tcp\n"
        "  address: \"10.0.0.1:8888\"\n"
        "  dial_timeout: 1m30s\n"
        "serve: {type: tcp, listen: ':8888', clients: {\n"
        "  \"127.0.0.1\": \"me\", '10.0.0.0/8': 'net-*'}}\n");
    struct zrpc_dialer *d;
    struct zrpc_error err;

    if (c == NULL)
        return;
    CHECK_STR(zrpc_config_connect_type(c), "tcp");
    CHECK_STR(zrpc_config_serve_type(c), "tcp");
    CHECK_INT(c->connect.dial_timeout, 90 * ZRPC_SECOND);
    CHECK_STR(c->serve.listen, ":8888");
    CHECK_INT(c->serve.clients.n, 2);
    CHECK_STR(c->serve.clients.items[1].ip, "10.0.0.0/8");
    CHECK_STR(c->serve.clients.items[1].identity, "net-*");
    CHECK_STR(zrpc_config_sockdir(c), "/var/run/zrepl/stdinserver");
    CHECK_OK(zrpc_config_dialer(c, &d, &err));
    zrpc_config_free(c);
    CHECK_STR(d->ops->address(d), "tcp:10.0.0.1:8888"); /* the dialer needs the file no more */
    d->ops->close(d);
}

static void defaults(void)
{
    static const char *const nothings[] = {"", "  dial_timeout:\n",
                                           "  dial_timeout: # optional, default 10s\n", "  dial_timeout: ~\n",
                                           "  dial_timeout: null\n"};
    char text[256];

    for (size_t i = 0; i < sizeof nothings / sizeof nothings[0]; i++) {
        struct zrpc_config *c;

        snprintf(text, sizeof text, "connect:\n  type: tcp\n  address: h:1\n%s", nothings[i]);
        c = parse(text);
        if (c == NULL)
            return;
        CHECK_INT(c->connect.dial_timeout, 10 * ZRPC_SECOND);
        CHECK(zrpc_config_serve_type(c) == NULL);
        zrpc_config_free(c);
    }
    snprintf(text, sizeof text, "connect: {type: tcp, address: 'h:1', dial_timeout: 0}");
    struct zrpc_config *c = parse(text);

    CHECK_INT(c == NULL ? -1 : c->connect.dial_timeout, 0); /* none */
    zrpc_config_free(c);
}

static void ssh(void)
{
    struct zrpc_config *c = parse(
        "connect:\n"
        "  type: ssh+stdinserver\n"
        "  host: app.example.com\n"
        "  user: root\n"
        "  port: 22\n"
        "  identity_file: /etc/zrepl/ssh/identity\n"
        "  transport_open_command: []\n"
        "  options: # optional\n"
        "  - \"Compression=on\"\n"
        "  - Ciphers=aes128-gcm@openssh.com\n"
        "serve:\n"
        "  type: stdinserver\n"
        "  client_identities:\n"
        "    - \"client1\"\n"
        "    - \"client2\"\n"
        "global:\n"
        "  logging:\n"
        "    - type: stdout\n"
        "      level: debug\n"
        "  serve:\n"
        "    stdinserver:\n"
        "      sockdir: /tmp/here\n");
    struct zrpc_listener *l;
    struct zrpc_dialer *d;
    struct zrpc_error err;

    if (c == NULL)
        return;
    CHECK_INT(c->connect.options.n, 2);
    CHECK_STR(c->connect.options.items[0], "Compression=on");
    CHECK_INT(c->serve.client_identities.n, 2);
    CHECK_STR(zrpc_config_sockdir(c), "/tmp/here");
    CHECK_OK(zrpc_config_dialer(c, &d, &err));
    CHECK_STR(d->ops->address(d), "ssh:root@app.example.com:22");
    d->ops->close(d);
    CHECK_CODE(zrpc_config_listen(c, &l, &err), ZRPC_ERR_LISTEN);
    CHECK_CONTAINS(err.text, "socket directory /tmp/here");
    zrpc_config_free(c);
}

static void local(void)
{
    struct zrpc_config *c = parse(
        "connect: {type: local, listener_name: sink, client_identity: me}\n"
        "serve: {listener_name: sink, type: local}\n");
    struct zrpc_listener *l;
    struct zrpc_dialer *d;
    struct zrpc_error err;

    if (c == NULL)
        return;
    CHECK_OK(zrpc_config_listen(c, &l, &err));
    CHECK_OK(zrpc_config_dialer(c, &d, &err));
    CHECK_STR(l->ops->address(l), "local:sink");
    d->ops->close(d);
    l->ops->close(l);
    zrpc_config_free(c);
}

static void tls(void)
{
    char text[2048];
    const char *dir = zrpc_test_dir();
    struct zrpc_config *c;
    struct zrpc_listener *l;
    struct zrpc_dialer *d;
    struct zrpc_error err;

    CHECK_INT(zrpc_test_cert_make(&(struct zrpc_test_cert){.name = "me", .cn = "me"}), 0);
    CHECK_INT(zrpc_test_cert_make(&(struct zrpc_test_cert){.name = "you", .cn = "you"}), 0);
    snprintf(text, sizeof text,
             "connect: {type: tls, address: 'h:1', ca: %s/you.crt, cert: %s/me.crt, key: %s/me.key, "
             "server_cn: you}\n"
             "serve: {type: tls, listen: '127.0.0.1:0', ca: %s/you.crt, cert: %s/me.crt, key: %s/me.key,\n"
             "  client_cns: [you, other, you], handshake_timeout: 300ms}\n",
             dir, dir, dir, dir, dir, dir);
    c = parse(text);
    if (c == NULL)
        return;
    CHECK_INT(c->serve.handshake_timeout, 300 * ZRPC_MILLISECOND);
    CHECK_OK(zrpc_config_listen(c, &l, &err));
    CHECK_OK(zrpc_config_dialer(c, &d, &err));
    l->ops->close(l);
    d->ops->close(d);
    zrpc_config_free(c);

    snprintf(text, sizeof text,
             "connect: {type: tls, address: 'h:1', ca: %s/you.crt,\n"
             " cert: %s/me.crt, key: %s/you.key, server_cn: you}\n",
             dir, dir, dir);
    CHECK_CODE(zrpc_config_parse("f.yml", zrpc_view_of(text), &c, NULL, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "f.yml:2: key: tls key ");
    CHECK_CONTAINS(err.text, "key values mismatch");
}

static void all_mistakes_at_once(void)
{
    refuse(
        "connect:\n"
        "  type: tcp\n"
        "  adress: 10.0.0.1:8888\n"
        "  dial_timeout: 10\n"
        "serve:\n"
        "  type: tcp\n"
        "  listen: 8888\n"
        "  clients:\n"
        "    127.0.0.1: a/b\n"
        "    localhost: c\n"
        "    10.0.0.0/8: net\n"
        "    ::1: ok\n"
        "    0::1: again\n"
        "global: {serve: {stdinserver: {sockdir: []}}}\n"
        "jobs: []\n",
        "f.yml:3: adress: unknown key, expected one of type, address, dial_timeout\n"
        "f.yml:4: dial_timeout: expected a duration such as 10s, 1m30s or 300ms, found \"10\"\n"
        "f.yml:2: connect: address is missing\n"
        "f.yml:7: listen: expected HOST:PORT, [IPV6]:PORT or :PORT, found \"8888\"\n"
        "f.yml:9: clients: tcp clients: 127.0.0.1: client identity \"a/b\": must not contain '/'\n"
        "f.yml:10: clients: tcp clients: \"localhost\" is not an IP address, nor a range of them\n"
        "f.yml:11: clients: tcp clients: 10.0.0.0/8: client identity \"net\": expected one '*', which the "
        "client's address replaces\n"
        "f.yml:13: clients: 0::1 means the same clients as ::1\n"
        "f.yml:14: sockdir: expected a string, found a sequence\n"
        "f.yml:15: jobs: unknown key, expected one of connect, serve, global");
    refuse(
        "connect:\n"
        "  type: ssh+stdinserver\n"
        "  user: root\n"
        "  port: 65536\n"
        "  identity_file: ''\n"
        "  options: Compression=on\n"
        "  dial_timeout: -1s\n"
        "serve:\n"
        "  type: stdinserver\n"
        "  client_identities: [a, 'b@c', a, '']\n",
        "f.yml:4: port: expected a port from 1 to 65535, found 65536\n"
        "f.yml:5: identity_file: expected a string, found nothing\n"
        "f.yml:6: options: expected a sequence\n"
        "f.yml:7: dial_timeout: expected a duration such as 10s, 1m30s or 300ms, found \"-1s\"\n"
        "f.yml:2: connect: host is missing\n"
        "f.yml:10: client_identities: client identity \"b@c\": must not contain '@'\n"
        "f.yml:10: client_identities: expected a string, found nothing\n"
        "f.yml:10: client_identities: \"a\" is listed twice");
    refuse(
        "serve:\n"
        "  type: tls\n"
        "  ca: /nowhere/ca\n"
        "  cert: /nowhere/cert\n"
        "  key: /nowhere/key\n"
        "  client_cns: 1\n"
        "connect:\n"
        "  type: tcp\n",
        "f.yml:6: client_cns: expected a sequence\n"
        "f.yml:2: serve: listen is missing\n"
        "f.yml:3: ca: tls ca /nowhere/ca: No such file or directory\n"
        "f.yml:4: cert: tls cert /nowhere/cert: No such file or directory\n"
        "f.yml:5: key: tls key /nowhere/key: No such file or directory\n"
        "f.yml:8: connect: address is missing");
    refuse("serve: {type: tcp, listen: ':1', clients: {'::1': a, '::1': b/c, x: d, '': f}}",
           "f.yml:1: ::1: given twice\n"
           "f.yml:1: clients: expected keys that are strings\n"
           "f.yml:1: clients: tcp clients: ::1: client identity \"b/c\": must not contain '/'\n"
           "f.yml:1: clients: tcp clients: \"x\" is not an IP address, nor a range of them");
}

static void types(void)
{
    refuse("connect: {address: 'h:1'}",
           "f.yml:1: connect: type is missing, expected one of tcp, tls, "
           "ssh+stdinserver, local");
    refuse("serve:\n  type: ssh+stdinserver\n",
           "f.yml:2: type: expected one of tcp, tls, stdinserver, local, found \"ssh+stdinserver\"");
    refuse("serve: []\nconnect: tcp\n",
           "f.yml:1: serve: expected a mapping\nf.yml:2: connect: expected a mapping");
    refuse("connect:\n",
           "f.yml:1: connect: type is missing, expected one of tcp, tls, ssh+stdinserver, local");
    refuse("connect: {type: local, listener_name: '', client_identity: 'a b', type: tcp}",
           "f.yml:1: type: given twice\nf.yml:1: listener_name: expected a string, found nothing");
    refuse("connect: {type: [tcp]}", "f.yml:1: type: expected a string, found a sequence");
    refuse("a: b: c", "f.yml:1: mapping values are not allowed in this context");
}

static void sections_that_are_not_there(void)
{
    struct zrpc_config *c = parse("global: {}\n");
    struct zrpc_listener *l;
    struct zrpc_dialer *d;
    struct zrpc_error err;

    if (c == NULL)
        return;
    CHECK_CODE(zrpc_config_dialer(c, &d, &err), ZRPC_ERR_USAGE);
    CHECK_STR(err.text, "f.yml: there is no connect section");
    CHECK_CODE(zrpc_config_listen(c, &l, &err), ZRPC_ERR_USAGE);
    CHECK_STR(err.text, "f.yml: there is no serve section");
    zrpc_config_free(c);
}

static void files(void)
{
    const char *path = zrpc_test_path("f.yml");
    struct zrpc_config *c;
    struct zrpc_error err;
    FILE *f = fopen(path, "w");

    fputs("serve: {type: local, listener_name: x}\n", f);
    fclose(f);
    if (CHECK_OK(zrpc_config_load(path, &c, NULL, &err)))
        zrpc_config_free(c);
    CHECK_CODE(zrpc_config_load("/nowhere.yml", &c, NULL, &err), ZRPC_ERR_SYSTEM);
    CHECK_STR(err.text, "open /nowhere.yml: No such file or directory");
}

/* A mapping that contains itself must not be read for ever. */
static void loops(void)
{
    refuse("&a global: &b {serve: *b}", "f.yml:1: serve: unknown key, expected one of stdinserver");
}

static int parse_all(void *arg)
{
    static const char text[] =
        "connect: {type: ssh+stdinserver, host: h, user: u, port: 1, identity_file: i,\n"
        "  options: [a, b]}\n"
        "serve: {type: tcp, listen: '127.0.0.1:0', clients: {1.2.3.4: a}}\n";
    struct zrpc_config *c;
    struct zrpc_listener *l = NULL;
    struct zrpc_dialer *d = NULL;
    int rc = zrpc_config_parse("f.yml", zrpc_view_of(text), &c, NULL, arg);

    if (rc < 0)
        return rc;
    rc = zrpc_config_dialer(c, &d, arg);
    if (rc == 0)
        rc = zrpc_config_listen(c, &l, arg);
    zrpc_config_free(c);
    if (d != NULL)
        d->ops->close(d);
    if (l != NULL)
        l->ops->close(l);
    return rc;
}

static void scarcity(void)
{
    struct zrpc_error err;

    CHECK(zrpc_alloc_each(parse_all, &err) > 10);
    CHECK(zrpc_resource_each(parse_all, &err) > 0);
}

static const struct zrpc_test tests[] = {
    {"tcp", tcp},           {"defaults", defaults},
    {"ssh", ssh},           {"local", local},
    {"tls", tls},           {"all mistakes at once", all_mistakes_at_once},
    {"types", types},       {"sections that are not there", sections_that_are_not_there},
    {"files", files},       {"loops", loops},
    {"scarcity", scarcity}, {NULL, NULL},
};

int main(int argc, char **argv)
{
    int rc = zrpc_suite_main("config", tests, argc, argv);

    zrpc_test_dir_remove();
    return rc;
}
