#include <errno.h>
#include <linux/sock_diag.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/io_code.h"
#include "transport/tls_internal.h"
#include "zrpc/sigpipe.h"

/* What a peer that does not speak TLS looks like. */
static const int not_tls[] = {SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST,
                              SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_UNEXPECTED_MESSAGE};

static const char *hint(int reason)
{
    for (size_t i = 0; i < sizeof not_tls / sizeof not_tls[0]; i++)
        if (not_tls[i] == reason)
            return " (the peer does not seem to speak TLS)";
    return "";
}

int zrpc_tls_fail(struct zrpc_tls_wire *w, int ssl_error, int errnum, const char *what,
                  struct zrpc_error *err)
{
    unsigned long code = ERR_get_error();
    int reason = ERR_GET_REASON(code);
    const char *text = ERR_reason_error_string(code);

    ERR_clear_error();
    if (atomic_load(&w->shut_down))
        return zrpc_fail(err, ZRPC_ERR_CLOSED, "tls wire: %s after it was closed on this side", what);
    if (ssl_error == SSL_ERROR_SYSCALL && errnum != 0)
        return zrpc_fail_errno(err, zrpc_io_code(errnum), errnum, "tls wire: %s", what);
    if (ssl_error == SSL_ERROR_SYSCALL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return zrpc_fail(err, ZRPC_ERR_TLS_TRUNCATED, "tls wire: %s: TCP ended without close_notify", what);
    if (w->refusal[0] != '\0')
        return zrpc_fail(err, ZRPC_ERR_TLS, "tls wire: %s: %s", what, w->refusal);
    return zrpc_fail(err, ZRPC_ERR_TLS, "tls wire: %s: %s%s", what, text == NULL ? "TLS failed" : text,
                     hint(reason));
}

static int fail_closed(const char *what, struct zrpc_error *err)
{
    return zrpc_fail(err, ZRPC_ERR_CLOSED, "tls wire: %s after it was closed on this side", what);
}

static bool has_failed(const struct zrpc_tls_wire *w, struct zrpc_error *err)
{
    if (w->failed.code != ZRPC_OK && err != NULL)
        *err = w->failed;
    return w->failed.code != ZRPC_OK;
}

/* The result of an SSL call that did not succeed: ZRPC_ERR_AGAIN, or the end of the connection. */
static int not_done(struct zrpc_tls_wire *w, int result, enum zrpc_direction dir, const char *what,
                    struct zrpc_error *err)
{
    int errnum = errno, ssl_error = SSL_get_error(w->ssl, result);
    struct zrpc_error why;
    int rc;

    if (ssl_error == SSL_ERROR_WANT_READ || ssl_error == SSL_ERROR_WANT_WRITE) {
        w->events[dir] = ssl_error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        return ZRPC_ERR_AGAIN;
    }
    rc = zrpc_tls_fail(w, ssl_error, errnum, what, &why);
    /* Where sending fails, what the peer has sent before may still be read. */
    if (dir == ZRPC_READ || rc != ZRPC_ERR_RESET)
        w->failed = why;
    if (err != NULL)
        *err = why;
    return rc;
}

static void before_call(void)
{
    ERR_clear_error();
    errno = 0;
}

/* Sends what is left of the last record; OpenSSL has it ready and wants to be given the same length. */
static int flush_sealed(struct zrpc_tls_wire *w, struct zrpc_error *err)
{
    size_t put;
    int ok;

    if (w->sealed == 0)
        return 0;
    before_call();
    ok = SSL_write_ex(w->ssl, w->record, w->sealed, &put);
    if (ok != 1)
        return not_done(w, ok, ZRPC_WRITE, "write", err);
    w->sealed = 0;
    return 0;
}

static ssize_t read_some(struct zrpc_tls_wire *w, void *buf, size_t len, struct zrpc_error *err)
{
    size_t got = 0;
    int ok;

    if (w->at_eof)
        return 0;
    before_call();
    ok = SSL_read_ex(w->ssl, buf, len, &got);
    if (ok == 1)
        return (ssize_t)got;
    w->read_starved = true;
    if (SSL_get_error(w->ssl, ok) == SSL_ERROR_ZERO_RETURN) {
        /* An end that shutdown() made has no close_notify, so this one is the peer's. */
        w->at_eof = true;
        return 0;
    }
    return not_done(w, ok, ZRPC_READ, "read", err);
}

static bool empty_vector(const struct iovec *iov, int n)
{
    for (int i = 0; i < n; i++)
        if (iov[i].iov_len > 0)
            return false;
    return true;
}

static ssize_t read_vector(struct zrpc_tls_wire *w, const struct iovec *iov, int n, struct zrpc_error *err)
{
    size_t total = 0;

    if (has_failed(w, err))
        return w->failed.code;
    (void)flush_sealed(w, NULL); /* a failure is the next write's */
    w->read_starved = false;
    for (int i = 0; i < n; i++) {
        for (size_t at = 0; at < iov[i].iov_len;) {
            ssize_t got = read_some(w, (char *)iov[i].iov_base + at, iov[i].iov_len - at, err);

            if (got <= 0)
                return total > 0 ? (ssize_t)total : got;
            at += (size_t)got;
            total += (size_t)got;
        }
    }
    return (ssize_t)total;
}

static ssize_t tls_readv(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct zrpc_tls_wire *w = (struct zrpc_tls_wire *)wire;
    sigset_t signals;
    ssize_t rc;

    if (empty_vector(iov, n))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "tls wire: an empty vector");
    if (atomic_load(&w->shut_down))
        return fail_closed("read", err);
    zrpc_sigpipe_block(&signals);
    pthread_mutex_lock(&w->lock);
    rc = read_vector(w, iov, n, err);
    pthread_mutex_unlock(&w->lock);
    zrpc_sigpipe_restore(&signals);
    return rc;
}

/* How many bytes the socket is sure to take whole. A sealed record cannot be taken back, so none is begun
 * that would not fit; the kernel counts its bookkeeping too, for which half the room is ample. Where its own
 * word for writable says yes although there is little room, something must be tried all the same. */
static size_t room(const struct zrpc_tls_wire *w)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof info;
    struct pollfd p = {.fd = w->fd, .events = POLLOUT};
    uint32_t free = 0;

    if (getsockopt(w->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 &&
        info[SK_MEMINFO_SNDBUF] > info[SK_MEMINFO_WMEM_QUEUED])
        free = info[SK_MEMINFO_SNDBUF] - info[SK_MEMINFO_WMEM_QUEUED];
    if (free / 2 >= ZRPC_TLS_RECORD_MAX)
        return free / 2;
    if (poll(&p, 1, 0) <= 0)
        return 0;
    return free / 2 > 1024 ? free / 2 : 1024;
}

/* Where the next record's bytes begin in a vector. */
struct cursor {
    const struct iovec *iov;
    int n;
    size_t at; /* in iov[0] */
};

static void skip_done(struct cursor *c)
{
    while (c->n > 0 && c->at == c->iov[0].iov_len) {
        c->iov++;
        c->n--;
        c->at = 0;
    }
}

/* The next bytes, at most `max`: as they lie where one element has so many, else put together. */
static size_t next_record(struct zrpc_tls_wire *w, struct cursor *c, size_t max, const uint8_t **out)
{
    size_t len = 0;

    skip_done(c);
    if (c->n > 0 && (c->n == 1 || c->iov[0].iov_len - c->at >= max)) {
        len = c->iov[0].iov_len - c->at < max ? c->iov[0].iov_len - c->at : max;
        *out = (const uint8_t *)c->iov[0].iov_base + c->at;
        c->at += len;
        return len;
    }
    for (*out = w->record; c->n > 0 && len < max; skip_done(c)) {
        size_t left = c->iov[0].iov_len - c->at, take = left < max - len ? left : max - len;

        memcpy(w->record + len, (const uint8_t *)c->iov[0].iov_base + c->at, take);
        len += take;
        c->at += take;
    }
    return len;
}

/* A record that is sealed is taken, sent or not. */
static int seal(struct zrpc_tls_wire *w, const uint8_t *data, size_t len, struct zrpc_error *err)
{
    size_t put;
    int ok, rc;

    before_call();
    ok = SSL_write_ex(w->ssl, data, len, &put);
    if (ok == 1)
        return 0;
    rc = not_done(w, ok, ZRPC_WRITE, "write", err);
    if (rc != ZRPC_ERR_AGAIN)
        return rc;
    memmove(w->record, data, len);
    w->sealed = len;
    return 0;
}

static ssize_t write_vector(struct zrpc_tls_wire *w, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct cursor c = {.iov = iov, .n = n};
    size_t budget, taken = 0, len;
    const uint8_t *data;
    int rc;

    if (w->write_closing)
        return fail_closed("write", err);
    if (has_failed(w, err))
        return w->failed.code;
    rc = flush_sealed(w, err);
    if (rc < 0)
        return rc;
    budget = room(w);
    while (rc == 0 && w->sealed == 0 && taken < budget) {
        size_t max = budget - taken < ZRPC_TLS_RECORD_MAX ? budget - taken : ZRPC_TLS_RECORD_MAX;

        len = next_record(w, &c, max, &data);
        if (len == 0)
            break;
        rc = seal(w, data, len, err);
        if (rc == 0)
            taken += len;
    }
    if (taken > 0)
        return (ssize_t)taken;
    if (rc == 0) {
        w->events[ZRPC_WRITE] = POLLOUT;
        rc = ZRPC_ERR_AGAIN;
    }
    return rc;
}

static ssize_t tls_writev(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct zrpc_tls_wire *w = (struct zrpc_tls_wire *)wire;
    sigset_t signals;
    ssize_t rc;

    if (empty_vector(iov, n))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "tls wire: an empty vector");
    if (atomic_load(&w->shut_down))
        return fail_closed("write", err);
    zrpc_sigpipe_block(&signals);
    pthread_mutex_lock(&w->lock);
    rc = write_vector(w, iov, n, err);
    pthread_mutex_unlock(&w->lock);
    zrpc_sigpipe_restore(&signals);
    return rc;
}

static int half_close(struct zrpc_tls_wire *w, struct zrpc_error *err)
{
    int rc;

    if (w->write_closed)
        return 0;
    if (has_failed(w, err))
        return w->failed.code;
    rc = flush_sealed(w, err);
    if (rc < 0)
        return rc;
    before_call();
    w->write_closing = true;
    rc = SSL_shutdown(w->ssl);
    if (rc < 0)
        return not_done(w, rc, ZRPC_WRITE, "close_notify", err);
    if (shutdown(w->fd, SHUT_WR) < 0)
        return zrpc_fail_errno(err, zrpc_io_code(errno), errno, "tls wire: half-close");
    w->write_closed = true;
    return 0;
}

static int tls_close_write(struct zrpc_wire *wire, struct zrpc_error *err)
{
    struct zrpc_tls_wire *w = (struct zrpc_tls_wire *)wire;
    sigset_t signals;
    int rc;

    if (atomic_load(&w->shut_down))
        return fail_closed("half-close", err);
    zrpc_sigpipe_block(&signals);
    pthread_mutex_lock(&w->lock);
    rc = half_close(w, err);
    pthread_mutex_unlock(&w->lock);
    zrpc_sigpipe_restore(&signals);
    return rc;
}

static struct pollfd tls_wait(struct zrpc_wire *wire, enum zrpc_direction dir)
{
    struct zrpc_tls_wire *w = (struct zrpc_tls_wire *)wire;
    struct pollfd p = {.fd = w->fd};

    pthread_mutex_lock(&w->lock);
    p.events = w->events[dir];
    if (w->sealed > 0)
        p.events |= POLLOUT;
    if (dir == ZRPC_READ && !w->read_starved && SSL_has_pending(w->ssl))
        p.fd = -1;
    pthread_mutex_unlock(&w->lock);
    return p;
}

static void tls_shutdown(struct zrpc_wire *wire)
{
    struct zrpc_tls_wire *w = (struct zrpc_tls_wire *)wire;

    atomic_store(&w->shut_down, true);
    (void)shutdown(w->fd, SHUT_RDWR); /* fails where the connection is gone already */
}

static void tls_close(struct zrpc_wire *wire)
{
    struct zrpc_tls_wire *w = (struct zrpc_tls_wire *)wire;

    if (SSL_is_init_finished(w->ssl))
        (void)tls_close_write(wire, NULL);
    ERR_clear_error();
    SSL_free(w->ssl);
    close(w->fd);
    pthread_mutex_destroy(&w->lock);
    zrpc_tls_context_unref(w->context);
    free(w);
}

static const struct zrpc_wire_ops tls_ops = {
    .name = "tls",
    .readv = tls_readv,
    .writev = tls_writev,
    .close_write = tls_close_write,
    .wait = tls_wait,
    .shutdown = tls_shutdown,
    .close = tls_close,
};

int zrpc_tls_wire_new(struct zrpc_tls_context *context, int fd, struct zrpc_tls_wire **out,
                      struct zrpc_error *err)
{
    struct zrpc_tls_wire *w = calloc(1, sizeof *w);
    SSL *ssl = w == NULL ? NULL : SSL_new(context->ctx);

    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        ERR_clear_error();
        SSL_free(ssl);
        free(w);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "tls wire: no memory");
    }
    w->base.ops = &tls_ops;
    w->context = zrpc_tls_context_ref(context);
    w->fd = fd;
    w->ssl = ssl;
    w->events[ZRPC_READ] = POLLIN;
    w->events[ZRPC_WRITE] = POLLOUT;
    atomic_init(&w->shut_down, false);
    pthread_mutex_init(&w->lock, NULL);
    SSL_set_app_data(ssl, w);
    if (context->server_cn == NULL)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    *out = w;
    return 0;
}

const char *zrpc_tls_describe(struct zrpc_wire *wire)
{
    struct zrpc_tls_wire *w = (struct zrpc_tls_wire *)wire;

    if (wire->ops != &tls_ops)
        return NULL;
    snprintf(w->description, sizeof w->description, "%s %s%s", SSL_get_version(w->ssl),
             SSL_get_cipher_name(w->ssl), BIO_get_ktls_send(SSL_get_wbio(w->ssl)) != 0 ? " (kernel)" : "");
    return w->description;
}
