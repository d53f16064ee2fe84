#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/tcp_socket.h"
#include "transport/tls_internal.h"
#include "zrpc/sigpipe.h"

/* One step: 1 done, 0 wait for *events, or the failure. */
static int handshake_step(struct zrpc_tls_wire *w, short *events, struct zrpc_error *err)
{
    sigset_t signals;
    int rc, errnum, ssl_error;

    ERR_clear_error();
    errno = 0;
    zrpc_sigpipe_block(&signals);
    rc = SSL_do_handshake(w->ssl);
    errnum = errno;
    zrpc_sigpipe_restore(&signals);
    if (rc == 1)
        return 1;
    ssl_error = SSL_get_error(w->ssl, rc);
    if (ssl_error == SSL_ERROR_WANT_READ || ssl_error == SSL_ERROR_WANT_WRITE) {
        *events = ssl_error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        return 0;
    }
    return zrpc_tls_fail(w, ssl_error, errnum, "handshake", err);
}

int zrpc_tls_handshake(struct zrpc_tls_wire *w, zrpc_time deadline, const struct zrpc_cancel *cancel,
                       struct zrpc_error *err)
{
    struct pollfd p = {.fd = w->fd};
    int rc;

    while ((rc = handshake_step(w, &p.events, err)) == 0) {
        rc = zrpc_now() >= deadline ? ZRPC_ERR_TIMEOUT : zrpc_await(p, deadline, cancel, err);
        if (rc == ZRPC_ERR_TIMEOUT)
            return zrpc_fail(err, rc, "tls wire: handshake not complete in time");
        if (rc < 0)
            return zrpc_error_prefix(err, rc, "tls wire: handshake");
    }
    return rc < 0 ? rc : 0;
}

/* The last one in the subject, should there be several, as Go has it. */
static int common_name(const X509 *cert, char out[static ZRPC_IDENTITY_MAX], struct zrpc_error *err)
{
    const X509_NAME *subject = X509_get_subject_name(cert);
    unsigned char *text = NULL;
    int at = -1, next, len = -1;

    while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
        at = next;
    if (at >= 0)
        len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (len > 0 && len < ZRPC_IDENTITY_MAX && memchr(text, '\0', (size_t)len) == NULL) {
        memcpy(out, text, (size_t)len);
        out[len] = '\0';
    } else {
        out[0] = '\0';
    }
    OPENSSL_free(text);
    ERR_clear_error();
    return out[0] != '\0' ? 0
                          : zrpc_fail(err, ZRPC_ERR_REFUSED_IDENTITY,
                                      "its certificate has no common name that could be an identity");
}

static int identify(const struct zrpc_tls_wire *w, char out[static ZRPC_IDENTITY_MAX], struct zrpc_error *err)
{
    const X509 *cert = SSL_get0_peer_certificate(w->ssl);
    int rc;

    if (cert == NULL)
        return zrpc_fail(err, ZRPC_ERR_REFUSED_IDENTITY, "it has no certificate");
    rc = common_name(cert, out, err);
    for (size_t i = 0; i < w->context->n_client_cns && rc == 0; i++)
        if (strcmp(out, w->context->client_cns[i]) == 0)
            return 0;
    return rc < 0 ? rc
                  : zrpc_fail(err, ZRPC_ERR_REFUSED_IDENTITY,
                              "the common name \"%s\" of its certificate is not in client_cns", out);
}

static int tls_authenticate(struct zrpc_accepted *a, zrpc_time deadline, struct zrpc_error *err)
{
    struct zrpc_tls_wire *w = (struct zrpc_tls_wire *)a->wire;
    int rc;

    deadline = zrpc_earlier(deadline, zrpc_deadline(zrpc_now(), w->context->handshake_timeout));
    rc = zrpc_tls_handshake(w, deadline, NULL, err);
    if (rc == 0)
        rc = identify(w, a->identity, err);
    if (rc < 0)
        a->identity[0] = '\0';
    return rc < 0 ? zrpc_error_prefix(err, rc, "client %s", a->peer) : 0;
}

struct tls_listener {
    struct zrpc_listener base;
    struct zrpc_tls_context *context;
    int fd;
    char address[ZRPC_ADDRESS_MAX];
};

static int tls_accept(struct zrpc_listener *listener, struct zrpc_accepted *out, struct zrpc_error *err)
{
    const struct tls_listener *l = (const struct tls_listener *)listener;
    struct sockaddr_storage peer = {0};
    struct zrpc_tls_wire *w;
    int fd, rc = zrpc_tcp_accept(l->fd, &fd, &peer, err);

    if (rc == ZRPC_ERR_AGAIN)
        return rc;
    if (rc < 0)
        return zrpc_error_prefix(err, rc, "%s", l->address);
    *out = (struct zrpc_accepted){.authenticate = tls_authenticate};
    zrpc_tcp_format("tls", &peer, out->peer);
    rc = zrpc_tls_wire_new(l->context, fd, &w, err);
    if (rc < 0) {
        close(fd);
        return zrpc_error_prefix(err, rc, "%s: client %s", l->address, out->peer);
    }
    out->wire = &w->base;
    return 0;
}

static int tls_fd(const struct zrpc_listener *listener)
{
    return ((const struct tls_listener *)listener)->fd;
}

static const char *tls_listener_address(const struct zrpc_listener *listener)
{
    return ((const struct tls_listener *)listener)->address;
}

static void tls_listener_close(struct zrpc_listener *listener)
{
    struct tls_listener *l = (struct tls_listener *)listener;

    if (l->fd >= 0)
        close(l->fd);
    if (l->context != NULL)
        zrpc_tls_context_unref(l->context);
    free(l);
}

static const struct zrpc_listener_ops listener_ops = {
    .name = "tls",
    .accept = tls_accept,
    .fd = tls_fd,
    .address = tls_listener_address,
    .close = tls_listener_close,
};

int zrpc_tls_listen(const char *address, const struct zrpc_tls_files *files, const char *const *client_cns,
                    size_t n, zrpc_time handshake_timeout, struct zrpc_listener **out, struct zrpc_error *err)
{
    struct tls_listener *l = calloc(1, sizeof *l);
    struct zrpc_tcp_address at;
    int rc;

    if (l == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "tls:%s: no memory", address);
    l->base.ops = &listener_ops;
    l->fd = -1;
    rc = zrpc_tls_context_new(files, NULL, &l->context, err);
    if (rc == 0)
        rc = zrpc_tls_context_admit(l->context, client_cns, n, err);
    if (rc == 0)
        rc = zrpc_tcp_address_parse(address, &at, err);
    if (rc == 0)
        rc = zrpc_tcp_bind(&at, &l->fd, err);
    if (rc == 0)
        rc = zrpc_tcp_local_address("tls", l->fd, l->address, err);
    if (rc < 0) {
        tls_listener_close(&l->base);
        return rc;
    }
    l->context->handshake_timeout = handshake_timeout;
    *out = &l->base;
    return 0;
}

struct tls_dialer {
    struct zrpc_dialer base;
    struct zrpc_tls_context *context;
    struct zrpc_tcp_address to;
    zrpc_time timeout;
    char address[ZRPC_ADDRESS_MAX];
};

/* Server name indication is for names. */
static bool is_ip(const char *text)
{
    unsigned char ip[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, text, ip) == 1 || inet_pton(AF_INET6, text, ip) == 1;
}

static int connect_wire(struct tls_dialer *d, zrpc_time deadline, const struct zrpc_cancel *cancel,
                        struct zrpc_wire **out, struct zrpc_error *err)
{
    const char *server_cn = d->context->server_cn;
    struct zrpc_tls_wire *w;
    int fd, rc = zrpc_tcp_connect(&d->to, deadline, cancel, &fd, err);

    if (rc < 0)
        return rc;
    rc = zrpc_tls_wire_new(d->context, fd, &w, err);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    if (!is_ip(server_cn) && SSL_set_tlsext_host_name(w->ssl, server_cn) != 1)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "tls: server_cn \"%s\" cannot be a server's name", server_cn);
    if (rc == 0)
        rc = zrpc_tls_handshake(w, deadline, cancel, err);
    if (rc < 0) {
        zrpc_wire_close(&w->base);
        return rc;
    }
    *out = &w->base;
    return 0;
}

static int tls_dial(struct zrpc_dialer *dialer, zrpc_time deadline, const struct zrpc_cancel *cancel,
                    struct zrpc_wire **out, struct zrpc_error *err)
{
    struct tls_dialer *d = (struct tls_dialer *)dialer;
    int rc;

    deadline = zrpc_earlier(deadline, zrpc_deadline(zrpc_now(), d->timeout));
    rc = connect_wire(d, deadline, cancel, out, err);
    return rc < 0 ? zrpc_tcp_dial_failed(d->address, rc, err) : 0;
}

static const char *tls_dialer_address(const struct zrpc_dialer *dialer)
{
    return ((const struct tls_dialer *)dialer)->address;
}

static void tls_dialer_close(struct zrpc_dialer *dialer)
{
    struct tls_dialer *d = (struct tls_dialer *)dialer;

    if (d->context != NULL)
        zrpc_tls_context_unref(d->context);
    free(d);
}

static const struct zrpc_dialer_ops dialer_ops = {
    .name = "tls",
    .dial = tls_dial,
    .address = tls_dialer_address,
    .close = tls_dialer_close,
};

int zrpc_tls_dialer(const char *address, const struct zrpc_tls_files *files, const char *server_cn,
                    zrpc_time dial_timeout, struct zrpc_dialer **out, struct zrpc_error *err)
{
    struct tls_dialer *d;
    int rc;

    if (server_cn[0] == '\0')
        return zrpc_fail(err, ZRPC_ERR_USAGE, "tls:%s: server_cn must not be empty", address);
    d = calloc(1, sizeof *d);
    if (d == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "tls:%s: no memory", address);
    d->base.ops = &dialer_ops;
    d->timeout = dial_timeout;
    snprintf(d->address, sizeof d->address, "tls:%s", address);
    rc = zrpc_tcp_address_parse(address, &d->to, err);
    if (rc == 0)
        rc = zrpc_tls_context_new(files, server_cn, &d->context, err);
    if (rc < 0) {
        tls_dialer_close(&d->base);
        return rc;
    }
    *out = &d->base;
    return 0;
}
