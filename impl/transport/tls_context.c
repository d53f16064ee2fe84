#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "transport/tls_internal.h"

#define KEYLOG_VARIABLE "ZREPL_KEYLOG_FILE"

/* The first of OpenSSL's errors is what went wrong; those after it say through which functions it came. */
static const char *openssl_reason(void)
{
    unsigned long code = ERR_get_error();
    const char *reason;

    ERR_clear_error();
    if (code == 0)
        return "no reason given";
    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    reason = ERR_reason_error_string(code);
    return reason == NULL ? "unknown reason" : reason;
}

/* Asking for a password on the terminal is no daemon's business. */
static int no_password(char *buf, int size, int writing, void *ctx)
{
    (void)buf, (void)size, (void)writing, (void)ctx;
    return -1;
}

static int load_files(SSL_CTX *ctx, const struct zrpc_tls_files *files, struct zrpc_error *err)
{
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    ERR_clear_error();
    if (files->ca != NULL && SSL_CTX_load_verify_file(ctx, files->ca) != 1)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "tls ca %s: %s", files->ca, openssl_reason());
    if (files->cert != NULL && SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "tls cert %s: %s", files->cert, openssl_reason());
    /* Compares the key with the certificate as well. */
    if (files->key != NULL && SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) != 1)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "tls key %s: %s", files->key, openssl_reason());
    return 0;
}

static void append_secret(const SSL *ssl, const char *line)
{
    const struct zrpc_tls_wire *w = SSL_get_app_data(ssl);
    char newline = '\n';
    struct iovec iov[] = {{.iov_base = (void *)(uintptr_t)line, .iov_len = strlen(line)},
                          {.iov_base = &newline, .iov_len = 1}};

    /* A help for debugging, which must not break the connection. */
    if (writev(w->context->keylog_fd, iov, 2) < 0)
        return;
}

static int open_keylog(struct zrpc_tls_context *c, struct zrpc_error *err)
{
    const char *path = getenv(KEYLOG_VARIABLE);

    if (path == NULL || path[0] == '\0')
        return 0;
    c->keylog_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (c->keylog_fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_USAGE, errno, "%s: open %s", KEYLOG_VARIABLE, path);
    SSL_CTX_set_keylog_callback(c->ctx, append_secret);
    return 0;
}

/* Says what the certificate is and what is wrong with it, while OpenSSL knows. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const X509 *cert = X509_STORE_CTX_get_current_cert(store);
    struct zrpc_tls_wire *w = SSL_get_app_data(ssl);
    int error = X509_STORE_CTX_get_error(store);
    bool other_name = error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
    char subject[128] = "?";

    if (ok || w->refusal[0] != '\0')
        return ok;
    if (cert != NULL)
        X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
    snprintf(w->refusal, sizeof w->refusal, "the certificate of %s is refused: %s%s%s", subject,
             X509_verify_cert_error_string(error), other_name ? ", expected " : "",
             other_name ? w->context->server_cn : "");
    return 0;
}

static void set_options(SSL_CTX *ctx)
{
    /* Tickets would have the server write when the client perhaps never reads. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_ENABLE_KTLS);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Several records with one system call. */
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, 4 * ZRPC_TLS_RECORD_MAX + 2048);
    /* A certificate in `ca` is trusted as it is: the two-machine set-up, where each has the other's. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
}

static bool expect_server(SSL_CTX *ctx, const char *server_cn)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_ip_asc(param, server_cn) == 1 ||
           X509_VERIFY_PARAM_set1_host(param, server_cn, 0) == 1;
}

int zrpc_tls_context_new(const struct zrpc_tls_files *files, const char *server_cn,
                         struct zrpc_tls_context **out, struct zrpc_error *err)
{
    struct zrpc_tls_context *c = calloc(1, sizeof *c);
    int rc;

    if (c == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "tls: no memory");
    atomic_init(&c->refs, 1);
    c->keylog_fd = -1;
    c->server_cn = server_cn == NULL ? NULL : strdup(server_cn);
    if (server_cn != NULL && c->server_cn == NULL) {
        rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "tls: no memory");
        goto failed;
    }
    c->ctx = SSL_CTX_new(server_cn == NULL ? TLS_server_method() : TLS_client_method());
    if (c->ctx == NULL || SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) != 1 ||
        (server_cn != NULL && !expect_server(c->ctx, server_cn))) {
        rc = zrpc_fail(err, ZRPC_ERR_TLS, "tls: cannot set up OpenSSL: %s", openssl_reason());
        goto failed;
    }
    set_options(c->ctx);
    rc = load_files(c->ctx, files, err);
    if (rc == 0)
        rc = open_keylog(c, err);
    if (rc < 0)
        goto failed;
    *out = c;
    return 0;
failed:
    zrpc_tls_context_unref(c);
    return rc;
}

int zrpc_tls_context_admit(struct zrpc_tls_context *c, const char *const *client_cns, size_t n,
                           struct zrpc_error *err)
{
    c->client_cns = calloc(n + 1, sizeof *c->client_cns);
    if (c->client_cns == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "tls client_cns: no memory for %zu names", n);
    for (size_t i = 0; i < n; i++) {
        int rc = zrpc_identity_check(client_cns[i], err);

        if (rc < 0)
            return zrpc_error_prefix(err, rc, "tls client_cns");
        c->client_cns[i] = strdup(client_cns[i]);
        if (c->client_cns[i] == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "tls client_cns: no memory for %zu names", n);
        c->n_client_cns++;
    }
    return 0;
}

struct zrpc_tls_context *zrpc_tls_context_ref(struct zrpc_tls_context *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void zrpc_tls_context_unref(struct zrpc_tls_context *c)
{
    if (atomic_fetch_sub(&c->refs, 1) > 1)
        return;
    SSL_CTX_free(c->ctx);
    if (c->keylog_fd >= 0)
        close(c->keylog_fd);
    for (size_t i = 0; i < c->n_client_cns; i++)
        free(c->client_cns[i]);
    free(c->client_cns);
    free(c->server_cn);
    free(c);
}

int zrpc_tls_files_check(const struct zrpc_tls_files *files, struct zrpc_error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    int rc;

    if (ctx == NULL)
        return zrpc_fail(err, ZRPC_ERR_TLS, "tls: cannot set up OpenSSL: %s", openssl_reason());
    rc = load_files(ctx, files, err);
    SSL_CTX_free(ctx);
    return rc;
}
