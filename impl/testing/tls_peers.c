#include "testing/tls_peers.h"

#include <openssl/err.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testing/certificates.h"
#include "testing/wire_contract.h"
#include "transport/tcp_socket.h"

static const struct zrpc_test_cert certs[] = {
    {.name = "ca", .cn = "test ca", .ca = true},
    {.name = "server", .cn = "server1", .issuer = "ca"},
    {.name = "server-san", .cn = "other", .san = "DNS:server1,IP:127.0.0.1", .issuer = "ca"},
    {.name = "server-san-only", .cn = "server1", .san = "DNS:other", .issuer = "ca"},
    {.name = "client", .cn = "client1", .issuer = "ca"},
    {.name = "stranger", .cn = "stranger", .issuer = "ca"},
    {.name = "slash", .cn = "cli/ent", .issuer = "ca"},
    {.name = "nameless", .issuer = "ca"},
    {.name = "expired", .cn = "client1", .issuer = "ca", .from_day = -9, .to_day = -2},
    {.name = "future", .cn = "client1", .issuer = "ca", .from_day = 2, .to_day = 9},
    {.name = "other-ca", .cn = "test ca", .ca = true},
    {.name = "forged", .cn = "client1", .issuer = "other-ca"},
    {.name = "self-signed", .cn = "client1"},
    {.name = "intermediate", .cn = "intermediate ca", .issuer = "ca", .ca = true},
    {.name = "grandchild", .cn = "client1", .issuer = "intermediate"},
};

int tls_peers_make(void)
{
    int rc = 0;

    for (size_t i = 0; i < sizeof certs / sizeof certs[0] && rc == 0; i++)
        rc = zrpc_test_cert_make(&certs[i]);
    return rc;
}

struct zrpc_tls_files tls_files_of(const char *ca, const char *name)
{
    static char paths[8][3][300];
    static unsigned next;
    char(*p)[300] = paths[next++ % 8];

    snprintf(p[0], sizeof p[0], "%s/%s.crt", zrpc_test_dir(), ca);
    snprintf(p[1], sizeof p[1], "%s/%s.crt", zrpc_test_dir(), name);
    snprintf(p[2], sizeof p[2], "%s/%s.key", zrpc_test_dir(), name);
    return (struct zrpc_tls_files){p[0], p[1], p[2]};
}

const char *const tls_client_cns[] = {"client1", "client2"};

struct zrpc_listener *tls_listen_with(const char *ca, const char *name, zrpc_time handshake_timeout)
{
    struct zrpc_tls_files files = tls_files_of(ca, name);
    struct zrpc_listener *l = NULL;
    struct zrpc_error err;

    CHECK_OK(zrpc_tls_listen("127.0.0.1:0", &files, tls_client_cns, 2, handshake_timeout, &l, &err));
    return l;
}

const char *tls_host_port(const struct zrpc_listener *l)
{
    return l->ops->address(l) + strlen("tls:");
}

int tls_plain_connect(const char *address)
{
    struct zrpc_tcp_address at;
    int fd = -1;

    CHECK_OK(zrpc_tcp_address_parse(address, &at, NULL));
    CHECK_OK(zrpc_tcp_connect(&at, ZRPC_NEVER, NULL, &fd, NULL));
    return fd;
}

static void *run_dial(void *arg)
{
    struct tls_dial *d = arg;

    d->rc = d->dialer->ops->dial(d->dialer, ZRPC_NEVER, NULL, &d->wire, &d->err);
    return NULL;
}

static bool dial_begin(struct tls_dial *d, const struct zrpc_listener *l, const char *name,
                       const char *server_cn)
{
    struct zrpc_tls_files files = tls_files_of("ca", name);

    *d = (struct tls_dial){0};
    return CHECK_OK(
               zrpc_tls_dialer(tls_host_port(l), &files, server_cn, 60 * ZRPC_SECOND, &d->dialer, &d->err)) &&
           CHECK_INT(pthread_create(&d->thread, NULL, run_dial, d), 0);
}

static void dial_end(struct tls_dial *d)
{
    pthread_join(d->thread, NULL);
    d->dialer->ops->close(d->dialer);
}

void tls_meet(struct tls_meeting *m, struct zrpc_listener *l, const char *client, const char *server_cn)
{
    memset(m, 0, sizeof *m);
    if (!dial_begin(&m->client, l, client, server_cn) || !zrpc_accept_next(l, &m->accepted))
        return;
    m->server_rc =
        m->accepted.authenticate(&m->accepted, zrpc_deadline(zrpc_now(), 60 * ZRPC_SECOND), &m->server_err);
    if (m->server_rc < 0) {
        zrpc_wire_close(m->accepted.wire);
        m->accepted.wire = NULL;
    }
    dial_end(&m->client);
}

void tls_part(struct tls_meeting *m)
{
    zrpc_wire_close(m->accepted.wire);
    zrpc_wire_close(m->client.wire);
}

static SSL *raw_client(const struct zrpc_listener *l, int max_version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct zrpc_tls_files files = tls_files_of("ca", "client");
    SSL *ssl;

    CHECK_INT(SSL_CTX_set_max_proto_version(ctx, max_version), 1);
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_cipher_list(ctx, "DEFAULT@SECLEVEL=0");
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    CHECK_INT(SSL_CTX_use_certificate_chain_file(ctx, files.cert), 1);
    CHECK_INT(SSL_CTX_use_PrivateKey_file(ctx, files.key, SSL_FILETYPE_PEM), 1);
    ssl = SSL_new(ctx);
    SSL_set_fd(ssl, tls_plain_connect(tls_host_port(l)));
    SSL_CTX_free(ctx);
    return ssl;
}

void tls_raw_free(SSL *ssl)
{
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
    ERR_clear_error();
}

struct raw_connect {
    SSL *ssl;
    int rc;
    pthread_t thread;
};

static void *run_raw_connect(void *arg)
{
    struct raw_connect *c = arg;

    for (;;) {
        struct pollfd p = {.fd = SSL_get_fd(c->ssl)};

        c->rc = SSL_connect(c->ssl);
        if (c->rc == 1)
            return NULL;
        switch (SSL_get_error(c->ssl, c->rc)) {
        case SSL_ERROR_WANT_READ:
            p.events = POLLIN;
            break;
        case SSL_ERROR_WANT_WRITE:
            p.events = POLLOUT;
            break;
        default:
            ERR_clear_error();
            return NULL;
        }
        poll(&p, 1, -1);
    }
}

int tls_meet_raw(struct zrpc_listener *l, int max_version, SSL **ssl, struct zrpc_accepted *accepted,
                 struct zrpc_error *err)
{
    struct raw_connect c = {.ssl = raw_client(l, max_version)};
    int rc;

    *ssl = c.ssl;
    pthread_create(&c.thread, NULL, run_raw_connect, &c);
    zrpc_accept_next(l, accepted);
    rc = accepted->authenticate(accepted, zrpc_deadline(zrpc_now(), 60 * ZRPC_SECOND), err);
    if (rc < 0) {
        zrpc_wire_close(accepted->wire);
        accepted->wire = NULL;
    }
    pthread_join(c.thread, NULL);
    return rc;
}

int tls_half_handshake(const char *address)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *out = BIO_new(BIO_s_mem());
    int fd = tls_plain_connect(address), len;
    char *hello;

    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    CHECK_INT(SSL_connect(ssl), -1);
    len = (int)BIO_get_mem_data(out, &hello);
    CHECK(len > 0);
    CHECK_INT(send(fd, hello, (size_t)len, 0), len);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return fd;
}
