/* tls: what the protocol runs on, and beside it what OpenSSL alone makes of the same certificate and cipher.
 */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "benchmark.h"
#include "transport/tcp_socket.h"
#include "zrpc/transport_tls.h"

#define NAME "benchmark"

enum { CHUNK = BENCHMARK_CHUNK };

static char dir[] = "/tmp/microbenchmark-XXXXXX", cert_file[64], key_file[64];

static int fail_openssl(const char *what, struct zrpc_error *err)
{
    const char *reason = ERR_reason_error_string(ERR_get_error());

    ERR_clear_error();
    return zrpc_fail(err, ZRPC_ERR_TLS, "%s: %s", what, reason == NULL ? "failed" : reason);
}

static bool sign_certificate(X509 *cert, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(cert);

    return X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(cert), 24 * 3600L) != NULL && X509_set_pubkey(cert, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)NAME, -1, -1, 0) ==
               1 &&
           X509_set_issuer_name(cert, name) == 1 && X509_sign(cert, key, EVP_sha256()) > 0;
}

static bool write_pem(const char *path, X509 *cert, EVP_PKEY *key)
{
    FILE *f = fopen(path, "w");
    int rc;

    if (f == NULL)
        return false;
    rc = cert != NULL ? PEM_write_X509(f, cert) : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    return fclose(f) == 0 && rc == 1;
}

int benchmark_tls_begin(struct zrpc_error *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    bool ok = mkdtemp(dir) != NULL && key != NULL && cert != NULL;

    snprintf(cert_file, sizeof cert_file, "%s/crt", dir);
    snprintf(key_file, sizeof key_file, "%s/key", dir);
    ok = ok && sign_certificate(cert, key) && write_pem(cert_file, cert, NULL) &&
         write_pem(key_file, NULL, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok ? 0 : fail_openssl("make a certificate", err);
}

void benchmark_tls_end(void)
{
    unlink(cert_file);
    unlink(key_file);
    rmdir(dir);
}

static int listen_on(const struct benchmark *b, const char *address, struct zrpc_listener **out,
                     struct zrpc_error *err)
{
    const struct zrpc_tls_files files = {.ca = cert_file, .cert = cert_file, .key = key_file};

    (void)b;
    return zrpc_tls_listen(address, &files, (const char *const[]){NAME}, 1,
                           ZRPC_TLS_HANDSHAKE_TIMEOUT_DEFAULT, out, err);
}

static int dialer_to(const struct benchmark *b, struct zrpc_dialer **out, struct zrpc_error *err)
{
    const struct zrpc_tls_files files = {.ca = cert_file, .cert = cert_file, .key = key_file};

    return zrpc_tls_dialer(b->address, &files, NAME, ZRPC_DIAL_TIMEOUT_DEFAULT, out, err);
}

/* OpenSSL as it comes, on a blocking socket. */
static int plain_session(const SSL_METHOD *method, int fd, SSL **out, struct zrpc_error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    bool ok = ctx != NULL && SSL_CTX_use_certificate_file(ctx, cert_file, SSL_FILETYPE_PEM) == 1 &&
              SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) == 1;

    *out = ok ? SSL_new(ctx) : NULL;
    SSL_CTX_free(ctx);
    if (*out == NULL || SSL_set_fd(*out, fd) != 1)
        return fail_openssl("plain TLS", err);
    return 0;
}

static int plain_write(SSL *ssl, uint64_t bytes, struct zrpc_error *err)
{
    static char chunk[CHUNK];

    while (bytes > 0) {
        int n = SSL_write(ssl, chunk, bytes < CHUNK ? (int)bytes : CHUNK);

        if (n <= 0)
            return fail_openssl("SSL_write", err);
        bytes -= (uint64_t)n;
    }
    SSL_shutdown(ssl);
    return 0;
}

static int plain_read(SSL *ssl, uint64_t bytes, struct zrpc_error *err)
{
    static char chunk[CHUNK];
    uint64_t got = 0;
    int n;

    while ((n = SSL_read(ssl, chunk, CHUNK)) > 0)
        got += (uint64_t)n;
    if (SSL_get_error(ssl, n) != SSL_ERROR_ZERO_RETURN || got != bytes)
        return fail_openssl("SSL_read", err);
    return 0;
}

static int blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

static int plain_serve_one(struct benchmark *b, int fd, struct zrpc_error *err)
{
    SSL *ssl = NULL;
    int rc = plain_session(TLS_server_method(), fd, &ssl, err);

    if (rc == 0 && SSL_accept(ssl) != 1)
        rc = fail_openssl("SSL_accept", err);
    if (rc == 0)
        rc = b->direction[0] == 's' ? plain_write(ssl, b->bytes, err) : plain_read(ssl, b->bytes, err);
    if (rc == 0)
        SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    return rc;
}

static int plain_server(struct benchmark *b, struct zrpc_listener *l, struct zrpc_error *err)
{
    for (;;) {
        struct sockaddr_storage peer;
        int fd, rc;

        while ((rc = zrpc_tcp_accept(l->ops->fd(l), &fd, &peer, err)) == ZRPC_ERR_AGAIN)
            poll(&(struct pollfd){.fd = l->ops->fd(l), .events = POLLIN}, 1, -1);
        if (rc == 0 && blocking(fd) == 0)
            rc = plain_serve_one(b, fd, err);
        if (rc < 0)
            return rc;
    }
}

static int plain_client(struct benchmark *b, struct zrpc_error *err)
{
    struct zrpc_tcp_address at;
    SSL *ssl = NULL;
    int fd, rc = zrpc_tcp_address_parse(b->address, &at, err);

    if (rc == 0)
        rc = zrpc_tcp_connect(&at, ZRPC_NEVER, NULL, &fd, err);
    if (rc < 0)
        return rc;
    blocking(fd);
    rc = plain_session(TLS_client_method(), fd, &ssl, err);
    if (rc == 0 && SSL_connect(ssl) != 1)
        rc = fail_openssl("SSL_connect", err);
    if (rc == 0 && b->direction[0] == 's')
        rc = plain_read(ssl, b->bytes, err);
    else if (rc == 0 && (rc = plain_write(ssl, b->bytes, err)) == 0)
        rc = plain_read(ssl, 0, err); /* the receiver closes when it has all */
    SSL_free(ssl);
    close(fd);
    return rc;
}

const struct benchmark_transport benchmark_tls = {
    .name = "tls",
    .listen = listen_on,
    .dialer = dialer_to,
    .plain_server = plain_server,
    .plain_client = plain_client,
};
