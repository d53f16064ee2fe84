#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testing/alloc.h"
#include "testing/certificates.h"
#include "testing/wire_contract.h"
#include "transport/tcp_socket.h"
#include "zrpc/timeoutconn.h"
#include "zrpc/transport_tls.h"

/* A server and clients of every kind. */
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

static struct zrpc_tls_files files_of(const char *ca, const char *name)
{
    static char paths[8][3][300];
    static unsigned next;
    char(*p)[300] = paths[next++ % 8];

    snprintf(p[0], sizeof p[0], "%s/%s.crt", zrpc_test_dir(), ca);
    snprintf(p[1], sizeof p[1], "%s/%s.crt", zrpc_test_dir(), name);
    snprintf(p[2], sizeof p[2], "%s/%s.key", zrpc_test_dir(), name);
    return (struct zrpc_tls_files){p[0], p[1], p[2]};
}

static const char *const client_cns[] = {"client1", "client2"};

static struct zrpc_listener *listen_with(const char *ca, const char *name, zrpc_time handshake_timeout)
{
    struct zrpc_tls_files files = files_of(ca, name);
    struct zrpc_listener *l = NULL;
    struct zrpc_error err;

    CHECK_OK(zrpc_tls_listen("127.0.0.1:0", &files, client_cns, 2, handshake_timeout, &l, &err));
    return l;
}

static const char *host_port(const struct zrpc_listener *l)
{
    return l->ops->address(l) + strlen("tls:");
}

static int plain_connect(const struct zrpc_listener *l)
{
    struct zrpc_tcp_address at;
    int fd = -1;

    CHECK_OK(zrpc_tcp_address_parse(host_port(l), &at, NULL));
    CHECK_OK(zrpc_tcp_connect(&at, ZRPC_NEVER, NULL, &fd, NULL));
    return fd;
}

/* The next connection, in TCP's eyes. */
static bool accept_next(struct zrpc_listener *l, struct zrpc_accepted *out)
{
    struct zrpc_error err;
    int rc;

    while ((rc = l->ops->accept(l, out, &err)) == ZRPC_ERR_AGAIN) {
        struct pollfd p = {.fd = l->ops->fd(l), .events = POLLIN};

        poll(&p, 1, -1);
    }
    return CHECK_CODE(rc, 0);
}

/* A dialer in a thread of its own, since both sides take part in a handshake. */
struct dial {
    struct zrpc_dialer *dialer;
    struct zrpc_wire *wire;
    struct zrpc_error err;
    int rc;
    pthread_t thread;
};

static void *run_dial(void *arg)
{
    struct dial *d = arg;

    d->rc = d->dialer->ops->dial(d->dialer, ZRPC_NEVER, NULL, &d->wire, &d->err);
    return NULL;
}

static bool dial_begin(struct dial *d, const struct zrpc_listener *l, const char *name, const char *server_cn)
{
    struct zrpc_tls_files files = files_of("ca", name);

    *d = (struct dial){0};
    return CHECK_OK(zrpc_tls_dialer(host_port(l), &files, server_cn, 5 * ZRPC_SECOND, &d->dialer, &d->err)) &&
           CHECK_INT(pthread_create(&d->thread, NULL, run_dial, d), 0);
}

static void dial_end(struct dial *d)
{
    pthread_join(d->thread, NULL);
    d->dialer->ops->close(d->dialer);
}

/* One connection between a listener with certificate `server` and a client with `client`. */
struct meeting {
    struct zrpc_accepted accepted;
    struct zrpc_error server_err;
    int server_rc;
    struct dial client;
};

static void meet(struct meeting *m, struct zrpc_listener *l, const char *client, const char *server_cn)
{
    memset(m, 0, sizeof *m);
    if (!dial_begin(&m->client, l, client, server_cn) || !accept_next(l, &m->accepted))
        return;
    m->server_rc =
        m->accepted.authenticate(&m->accepted, zrpc_deadline(zrpc_now(), 20 * ZRPC_SECOND), &m->server_err);
    if (m->server_rc < 0) {
        zrpc_wire_close(m->accepted.wire);
        m->accepted.wire = NULL;
    }
    dial_end(&m->client);
}

static void part(struct meeting *m)
{
    zrpc_wire_close(m->accepted.wire);
    zrpc_wire_close(m->client.wire);
}

static int make_tls_pair(struct zrpc_wire *out[2])
{
    struct zrpc_listener *l = listen_with("ca", "server", 0);
    struct meeting m;

    meet(&m, l, "client", "server1");
    l->ops->close(l);
    if (m.server_rc != 0 || m.client.rc != 0)
        return m.server_rc != 0 ? m.server_rc : m.client.rc;
    out[0] = m.client.wire;
    out[1] = m.accepted.wire;
    for (int i = 0; i < 2; i++)
        zrpc_limit_buffers(zrpc_wire_wait(out[i], ZRPC_READ).fd);
    return 0;
}

ZRPC_WIRE_CONTRACT(tls, make_tls_pair)

static void identity_is_the_common_name(void)
{
    struct zrpc_listener *l = listen_with("ca", "server", ZRPC_TLS_HANDSHAKE_TIMEOUT_DEFAULT);
    struct meeting m;

    meet(&m, l, "client", "server1");
    CHECK_OK(m.server_rc);
    CHECK_OK(m.client.rc);
    CHECK_STR(m.accepted.identity, "client1");
    CHECK_CONTAINS(m.accepted.peer, "tls:127.0.0.1:");
    CHECK_CONTAINS(zrpc_tls_describe(m.client.wire), "TLSv1.3 TLS_");
    part(&m);
    l->ops->close(l);
}

/* Who is refused, by whom, and what the log says. */
static const struct refusal {
    const char *client;
    int code;
    const char *text;
} refusals[] = {
    {"stranger", ZRPC_ERR_REFUSED_IDENTITY,
     "common name \"stranger\" of its certificate is not in client_cns"},
    {"slash", ZRPC_ERR_REFUSED_IDENTITY, "\"cli/ent\""},
    {"nameless", ZRPC_ERR_REFUSED_IDENTITY, "no common name"},
    {"expired", ZRPC_ERR_TLS, "CN=client1 is refused: certificate has expired"},
    {"future", ZRPC_ERR_TLS, "CN=client1 is refused: certificate is not yet valid"},
    {"forged", ZRPC_ERR_TLS, "is refused: "},
    {"self-signed", ZRPC_ERR_TLS, "CN=client1 is refused: self-signed certificate"},
    {"grandchild", ZRPC_ERR_TLS, "CN=client1 is refused: unable to get local issuer certificate"},
};

static void clients_are_refused(void)
{
    struct zrpc_listener *l = listen_with("ca", "server", ZRPC_TLS_HANDSHAKE_TIMEOUT_DEFAULT);
    struct meeting m;

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        struct iovec iov = {.iov_base = (char[16]){0}, .iov_len = 16};
        struct zrpc_error err;
        ssize_t got;

        meet(&m, l, r->client, "server1");
        CHECK_CODE(m.server_rc, r->code);
        CHECK_CONTAINS(m.server_err.text, "client tls:127.0.0.1:");
        CHECK_CONTAINS(m.server_err.text, r->text);
        CHECK_STR(m.accepted.identity, "");
        if (m.client.rc == 0) { /* TLS 1.3: it learns only now, and never gets a byte */
            while ((got = zrpc_wire_readv(m.client.wire, &iov, 1, &err)) == ZRPC_ERR_AGAIN) {
                struct pollfd p = zrpc_wire_wait(m.client.wire, ZRPC_READ);

                poll(&p, 1, -1);
            }
            CHECK(got <= 0);
        }
        part(&m);
    }
    meet(&m, l, "client", "server1");
    CHECK_OK(m.server_rc);
    part(&m);
    l->ops->close(l);
}

static void chains_are_followed(void)
{
    struct zrpc_listener *l = listen_with("ca", "server", 0);
    struct meeting m;
    char command[1024];

    snprintf(command, sizeof command,
             "cd %s && cat grandchild.crt intermediate.crt >chain.crt && cp grandchild.key chain.key",
             zrpc_test_dir());
    CHECK_INT(system(command), 0);
    meet(&m, l, "chain", "server1");
    CHECK_OK(m.server_rc);
    CHECK_STR(m.accepted.identity, "client1");
    part(&m);
    l->ops->close(l);
}

static void each_may_trust_the_other_alone(void)
{
    struct zrpc_listener *l = listen_with("self-signed", "server", 0);
    struct meeting m;

    meet(&m, l, "self-signed", "server1");
    CHECK_OK(m.server_rc);
    CHECK_STR(m.accepted.identity, "client1");
    part(&m);
    meet(&m, l, "client", "server1");
    CHECK_CODE(m.server_rc, ZRPC_ERR_TLS);
    part(&m);
    l->ops->close(l);
}

static const struct name_check {
    const char *server, *server_cn;
    bool right;
} name_checks[] = {
    {"server", "server1", true},           {"server", "other", false},
    {"server-san", "server1", true},       {"server-san", "other", false},
    {"server-san", "127.0.0.1", true},     {"server-san", "127.0.0.2", false},
    {"server-san-only", "server1", false}, {"server-san-only", "other", true},
};

static void server_cn_is_verified(void)
{
    for (size_t i = 0; i < sizeof name_checks / sizeof name_checks[0]; i++) {
        const struct name_check *c = &name_checks[i];
        struct zrpc_listener *l = listen_with("ca", c->server, 0);
        struct meeting m;

        meet(&m, l, "client", c->server_cn);
        CHECK_CODE(m.client.rc, c->right ? 0 : ZRPC_ERR_TLS);
        if (!c->right) {
            CHECK_CONTAINS(m.client.err.text, "is refused: ");
            CHECK_CONTAINS(m.client.err.text, c->server_cn);
            CHECK_CODE(m.server_rc, ZRPC_ERR_TLS);
        }
        part(&m);
        l->ops->close(l);
    }
}

static void server_of_another_ca_is_refused(void)
{
    struct zrpc_listener *l = listen_with("ca", "forged", 0);
    struct meeting m;

    meet(&m, l, "client", "client1");
    CHECK_CODE(m.client.rc, ZRPC_ERR_TLS);
    CHECK_CONTAINS(m.client.err.text, "dial tls:127.0.0.1:");
    CHECK_CONTAINS(m.client.err.text, "CN=client1 is refused");
    part(&m);
    l->ops->close(l);
}

static void files_are_checked(void)
{
    struct zrpc_tls_files files = files_of("ca", "client");
    struct zrpc_dialer *d;
    struct zrpc_error err;
    FILE *f, *out;
    EVP_PKEY *key;

    CHECK_OK(zrpc_tls_files_check(&files, &err));
    files.ca = zrpc_test_path("nowhere.crt");
    CHECK_CODE(zrpc_tls_files_check(&files, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "nowhere.crt: No such file or directory");
    files = files_of("ca", "client");
    files.key = files_of("ca", "server").key;
    CHECK_CODE(zrpc_tls_dialer("127.0.0.1:1", &files, "server1", 0, &d, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "server.key: key values mismatch");
    files.cert = files.key;
    CHECK_CODE(zrpc_tls_files_check(&files, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "tls cert ");

    files = files_of("ca", "client");
    f = fopen(files.key, "r");
    out = fopen(zrpc_test_path("encrypted.key"), "w");
    key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    CHECK_INT(
        PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(), (const unsigned char *)"password", 8, NULL, NULL),
        1);
    EVP_PKEY_free(key);
    fclose(f);
    fclose(out);
    files.key = zrpc_test_path("encrypted.key");
    CHECK_CODE(zrpc_tls_files_check(&files, &err), ZRPC_ERR_USAGE); /* and asks nobody */
}

static void bad_arguments(void)
{
    struct zrpc_tls_files files = files_of("ca", "server");
    struct zrpc_listener *l;
    struct zrpc_dialer *d;
    struct zrpc_error err;

    CHECK_CODE(zrpc_tls_listen("127.0.0.1", &files, client_cns, 2, 0, &l, &err), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_tls_listen("127.0.0.1:0", &files, (const char *const[]){"a/b"}, 1, 0, &l, &err),
               ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "client_cns");
    CHECK_CODE(zrpc_tls_dialer("127.0.0.1:1", &files, "", 0, &d, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "server_cn");
}

/* Peers that are no zrpc: TLS by OpenSSL itself. */
static SSL *raw_client(const struct zrpc_listener *l, int max_version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct zrpc_tls_files files = files_of("ca", "client");
    SSL *ssl;

    CHECK_INT(SSL_CTX_set_max_proto_version(ctx, max_version), 1);
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_cipher_list(ctx, "DEFAULT@SECLEVEL=0");
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    CHECK_INT(SSL_CTX_use_certificate_chain_file(ctx, files.cert), 1);
    CHECK_INT(SSL_CTX_use_PrivateKey_file(ctx, files.key, SSL_FILETYPE_PEM), 1);
    ssl = SSL_new(ctx);
    SSL_set_fd(ssl, plain_connect(l));
    SSL_CTX_free(ctx);
    return ssl;
}

static void raw_free(SSL *ssl)
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

/* The accepted end is authenticated, the raw one is `*ssl`. */
static int meet_raw(struct zrpc_listener *l, int max_version, SSL **ssl, struct zrpc_accepted *accepted,
                    struct zrpc_error *err)
{
    struct raw_connect c = {.ssl = raw_client(l, max_version)};
    int rc;

    *ssl = c.ssl;
    pthread_create(&c.thread, NULL, run_raw_connect, &c);
    accept_next(l, accepted);
    rc = accepted->authenticate(accepted, zrpc_deadline(zrpc_now(), 20 * ZRPC_SECOND), err);
    if (rc < 0) {
        zrpc_wire_close(accepted->wire);
        accepted->wire = NULL;
    }
    pthread_join(c.thread, NULL);
    return rc;
}

static void versions(void)
{
    struct zrpc_listener *l = listen_with("ca", "server", 0);
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    SSL *ssl;

    CHECK_OK(meet_raw(l, TLS1_2_VERSION, &ssl, &accepted, &err));
    CHECK_CONTAINS(zrpc_tls_describe(accepted.wire), "TLSv1.2 ");
    CHECK_STR(accepted.identity, "client1");
    zrpc_wire_close(accepted.wire);
    raw_free(ssl);
    CHECK_CODE(meet_raw(l, TLS1_1_VERSION, &ssl, &accepted, &err), ZRPC_ERR_TLS);
    CHECK_CONTAINS(err.text, "unsupported protocol");
    raw_free(ssl);
    l->ops->close(l);
}

static ssize_t read_blocking(struct zrpc_wire *w, void *buf, size_t len, struct zrpc_error *err)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    ssize_t got;

    while ((got = zrpc_wire_readv(w, &iov, 1, err)) == ZRPC_ERR_AGAIN) {
        struct pollfd p = zrpc_wire_wait(w, ZRPC_READ);

        poll(&p, 1, -1);
    }
    return got;
}

static int write_blocking(struct zrpc_wire *w, const void *buf, size_t len, struct zrpc_error *err)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
    ssize_t put;

    while ((put = zrpc_wire_writev(w, &iov, 1, err)) == ZRPC_ERR_AGAIN) {
        struct pollfd p = zrpc_wire_wait(w, ZRPC_WRITE);

        poll(&p, 1, -1);
    }
    return (int)put;
}

static void with_version(int version, void (*test)(SSL *ssl, struct zrpc_wire *w))
{
    struct zrpc_listener *l = listen_with("ca", "server", 0);
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    SSL *ssl;

    if (CHECK_OK(meet_raw(l, version, &ssl, &accepted, &err)))
        test(ssl, accepted.wire);
    zrpc_wire_close(accepted.wire);
    raw_free(ssl);
    l->ops->close(l);
}

static void truncated(SSL *ssl, struct zrpc_wire *w)
{
    struct zrpc_error err;
    char buf[64];

    CHECK_INT(SSL_write(ssl, "last words", 10), 10);
    shutdown(SSL_get_fd(ssl), SHUT_WR);
    CHECK_INT(read_blocking(w, buf, sizeof buf, &err), 10);
    CHECK_CODE(read_blocking(w, buf, sizeof buf, &err), ZRPC_ERR_TLS_TRUNCATED);
    CHECK_CONTAINS(err.text, "without close_notify");
    CHECK_CODE(read_blocking(w, buf, sizeof buf, &err), ZRPC_ERR_TLS_TRUNCATED);
    CHECK_CODE(write_blocking(w, "x", 1, &err), ZRPC_ERR_TLS_TRUNCATED);
}

static void truncation_is_an_error(void)
{
    with_version(TLS1_2_VERSION, truncated);
    with_version(TLS1_3_VERSION, truncated);
}

/* The peer's end of file does not end our writing, nor ours its. */
static void half_closed(SSL *ssl, struct zrpc_wire *w)
{
    struct zrpc_error err;
    char buf[64];

    CHECK_INT(SSL_write(ssl, "hi", 2), 2);
    CHECK_INT(SSL_shutdown(ssl), 0);
    CHECK_INT(read_blocking(w, buf, sizeof buf, &err), 2);
    CHECK_INT(read_blocking(w, buf, sizeof buf, &err), 0);
    CHECK_INT(read_blocking(w, buf, sizeof buf, &err), 0);
    CHECK_INT(write_blocking(w, "answer", 6, &err), 6);
    CHECK_OK(zrpc_wire_close_write(w, &err));
    CHECK_OK(zrpc_wire_close_write(w, &err));
    CHECK_CODE(write_blocking(w, "x", 1, &err), ZRPC_ERR_CLOSED);
    CHECK_INT(SSL_read(ssl, buf, sizeof buf), 6);
    CHECK_INT(SSL_read(ssl, buf, sizeof buf), 0);
    CHECK_INT(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
    CHECK_INT(recv(SSL_get_fd(ssl), buf, sizeof buf, 0), 0); /* the TCP half-close */
}

static void half_close_is_close_notify(void)
{
    with_version(TLS1_2_VERSION, half_closed);
    with_version(TLS1_3_VERSION, half_closed);
}

static void closed_and_aborted(SSL *ssl, struct zrpc_wire *w)
{
    struct zrpc_error err;
    char buf[64];

    zrpc_wire_shutdown(w);
    CHECK_CODE(read_blocking(w, buf, sizeof buf, &err), ZRPC_ERR_CLOSED);
    CHECK_CODE(write_blocking(w, "x", 1, &err), ZRPC_ERR_CLOSED);
    CHECK_CODE(zrpc_wire_close_write(w, &err), ZRPC_ERR_CLOSED);
    CHECK(recv(SSL_get_fd(ssl), buf, sizeof buf, 0) == 0); /* no alert */
}

static void aborting_sends_no_close_notify(void)
{
    with_version(TLS1_3_VERSION, closed_and_aborted);
}

static void key_update(SSL *ssl, struct zrpc_wire *w)
{
    struct zrpc_error err;
    char buf[64];

    CHECK_INT(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    CHECK_INT(SSL_write(ssl, "new keys", 8), 8);
    CHECK_INT(read_blocking(w, buf, sizeof buf, &err), 8);
    CHECK_INT(write_blocking(w, "here too", 8, &err), 8);
    for (int n = 0; n < 8;) {
        struct pollfd p = {.fd = SSL_get_fd(ssl), .events = POLLIN};
        int got = SSL_read(ssl, buf, sizeof buf);

        n += got > 0 ? got : 0;
        if (got <= 0 && !CHECK_INT(SSL_get_error(ssl, got), SSL_ERROR_WANT_READ))
            break;
        poll(&p, 1, got > 0 ? 0 : -1);
    }
}

static void keys_may_be_updated(void)
{
    with_version(TLS1_3_VERSION, key_update);
}

/* OpenSSL writes with write(2), which comes here first: on one descriptor the socket takes so many bytes
 * more. */
static int short_fd = -1;
static size_t short_room;

ssize_t write(int fd, const void *buf, size_t len)
{
    if (fd != short_fd)
        return syscall(SYS_write, fd, buf, len);
    if (short_room == 0) {
        errno = EAGAIN;
        return -1;
    }
    len = len < short_room ? len : short_room;
    short_room -= len;
    return syscall(SYS_write, fd, buf, len);
}

/* A record that the socket took in part counts as written, and goes out although this side only reads on, or
 * half-closes. What comes after it was not taken, and may be something else. */
static void begun_records_go_out(void)
{
    static uint8_t chunk[40000], in[40000];

    for (int closing = 0; closing < 2; closing++) {
        struct zrpc_wire *wires[2];
        struct zrpc_error err;
        struct iovec iov = {.iov_base = chunk, .iov_len = sizeof chunk};
        size_t got = 0;
        ssize_t taken, n;

        if (!CHECK_OK(make_tls_pair(wires)))
            return;
        for (size_t i = 0; i < sizeof chunk; i++)
            chunk[i] = (uint8_t)(i * 7 + (i >> 8));
        short_fd = zrpc_wire_wait(wires[0], ZRPC_READ).fd;
        short_room = 20000;
        taken = zrpc_wire_writev(wires[0], &iov, 1, &err);
        CHECK_INT(taken, 2 * 16384);
        memset(chunk, 0xff, sizeof chunk);
        CHECK_CODE(zrpc_wire_writev(wires[0], &iov, 1, &err), ZRPC_ERR_AGAIN);
        CHECK_INT(zrpc_wire_wait(wires[0], ZRPC_READ).events, POLLIN | POLLOUT);
        if (closing)
            CHECK_CODE(zrpc_wire_close_write(wires[0], &err), ZRPC_ERR_AGAIN);
        short_room = SIZE_MAX;
        if (closing)
            CHECK_OK(zrpc_wire_close_write(wires[0], &err));
        else
            CHECK_CODE(zrpc_wire_readv(wires[0], &iov, 1, &err), ZRPC_ERR_AGAIN);
        CHECK_INT(zrpc_wire_wait(wires[0], ZRPC_READ).events, POLLIN);
        while (got < (size_t)taken && (n = read_blocking(wires[1], in + got, sizeof in - got, &err)) > 0)
            got += (size_t)n;
        CHECK_INT(got, taken);
        for (size_t i = 0; i < got; i++)
            if (in[i] != (uint8_t)(i * 7 + (i >> 8))) {
                CHECK_INT(i, got);
                break;
            }
        if (closing)
            CHECK_INT(read_blocking(wires[1], in, sizeof in, &err), 0);
        short_fd = -1;
        zrpc_wire_close(wires[0]);
        zrpc_wire_close(wires[1]);
    }
}

static void plain_clients_are_refused(void)
{
    static const char *const greetings[] = {
        "0000000056 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    struct zrpc_listener *l = listen_with("ca", "server", 5 * ZRPC_SECOND);

    for (size_t i = 0; i < sizeof greetings / sizeof greetings[0]; i++) {
        int fd = plain_connect(l);
        struct zrpc_accepted accepted;
        struct zrpc_error err;

        CHECK_INT(send(fd, greetings[i], strlen(greetings[i]), 0), strlen(greetings[i]));
        accept_next(l, &accepted);
        CHECK_CODE(accepted.authenticate(&accepted, ZRPC_NEVER, &err), ZRPC_ERR_TLS);
        CHECK_CONTAINS(err.text, "client tls:127.0.0.1:");
        CHECK_CONTAINS(err.text, "does not seem to speak TLS");
        zrpc_wire_close(accepted.wire);
        close(fd);
    }
    l->ops->close(l);
}

/* A client that says hello, and then nothing more. */
static int half_handshake(struct zrpc_listener *l)
{
    SSL *ssl = raw_client(l, TLS1_3_VERSION);
    int fd = SSL_get_fd(ssl);

    CHECK_INT(SSL_connect(ssl), -1);
    SSL_free(ssl);
    ERR_clear_error();
    return fd;
}

static void stopping_mid_handshake(void)
{
    struct zrpc_listener *l = listen_with("ca", "server", 30 * ZRPC_MILLISECOND);
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    int fd = half_handshake(l);

    accept_next(l, &accepted);
    CHECK_CODE(accepted.authenticate(&accepted, ZRPC_NEVER, &err), ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(err.text, "handshake not complete in time");
    zrpc_wire_close(accepted.wire);
    close(fd);

    fd = half_handshake(l);
    accept_next(l, &accepted);
    shutdown(fd, SHUT_WR);
    CHECK_CODE(accepted.authenticate(&accepted, ZRPC_NEVER, &err), ZRPC_ERR_TLS_TRUNCATED);
    zrpc_wire_close(accepted.wire);
    close(fd);
    l->ops->close(l);
}

static void shutdown_ends_a_handshake(void)
{
    struct zrpc_listener *l = listen_with("ca", "server", 0);
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    int fd = plain_connect(l);

    accept_next(l, &accepted);
    zrpc_wire_shutdown(accepted.wire);
    CHECK_CODE(accepted.authenticate(&accepted, ZRPC_NEVER, &err), ZRPC_ERR_CLOSED);
    zrpc_wire_close(accepted.wire);
    close(fd);
    l->ops->close(l);
}

struct waiting {
    struct zrpc_accepted accepted;
    int rc;
    pthread_t thread;
};

static void *run_waiting(void *arg)
{
    struct waiting *w = arg;
    struct zrpc_error err;

    w->rc = w->accepted.authenticate(&w->accepted, ZRPC_NEVER, &err);
    zrpc_wire_close(w->accepted.wire);
    return NULL;
}

/* 200 in the middle of their handshakes, each in its thread, do not delay one that means it; and they outlive
 * the listener. */
static void half_open_handshakes_delay_nobody(void)
{
    enum { N = 200 };
    struct zrpc_listener *l = listen_with("ca", "server", 0);
    struct waiting *waiting = calloc(N, sizeof *waiting);
    int fds[N];
    struct meeting m;

    for (int i = 0; i < N; i++) {
        fds[i] = i % 2 == 0 ? plain_connect(l) : half_handshake(l);
        accept_next(l, &waiting[i].accepted);
        CHECK_INT(pthread_create(&waiting[i].thread, NULL, run_waiting, &waiting[i]), 0);
    }
    meet(&m, l, "client", "server1");
    CHECK_OK(m.server_rc);
    CHECK_OK(m.client.rc);
    l->ops->close(l);
    for (int i = 0; i < N; i++)
        close(fds[i]);
    for (int i = 0; i < N; i++) {
        pthread_join(waiting[i].thread, NULL);
        CHECK(waiting[i].rc < 0);
    }
    part(&m);
    free(waiting);
}

static void secrets_are_logged(void)
{
    const char *path = zrpc_test_path("keys.log");
    struct zrpc_wire *wires[2];
    char line[512] = "";
    struct stat st;
    int lines = 0;
    FILE *f;

    setenv("ZREPL_KEYLOG_FILE", path, 1);
    CHECK_OK(make_tls_pair(wires));
    unsetenv("ZREPL_KEYLOG_FILE");
    zrpc_wire_close(wires[0]);
    zrpc_wire_close(wires[1]);
    f = fopen(path, "r");
    if (!CHECK(f != NULL))
        return;
    CHECK_INT(fstat(fileno(f), &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    while (fgets(line, sizeof line, f) != NULL) {
        lines++;
        CHECK(strncmp(line, "SERVER_", 7) == 0 || strncmp(line, "CLIENT_", 7) == 0 ||
              strncmp(line, "EXPORTER_", 9) == 0);
    }
    CHECK(lines >= 10); /* both sides' */
    fclose(f);
    setenv("ZREPL_KEYLOG_FILE", "/nowhere/keys.log", 1);
    {
        struct zrpc_tls_files files = files_of("ca", "client");
        struct zrpc_dialer *d;
        struct zrpc_error err;

        CHECK_CODE(zrpc_tls_dialer("127.0.0.1:1", &files, "server1", 0, &d, &err), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(err.text, "ZREPL_KEYLOG_FILE: open /nowhere/keys.log");
    }
    unsetenv("ZREPL_KEYLOG_FILE");
}

static void dialling_a_silent_server_times_out(void)
{
    static const struct zrpc_tcp_address at = {.host = "127.0.0.1", .port = "0"};
    struct zrpc_tls_files files = files_of("ca", "client");
    char address[ZRPC_ADDRESS_MAX];
    struct zrpc_dialer *d;
    struct zrpc_wire *w;
    struct zrpc_error err;
    int fd;

    CHECK_OK(zrpc_tcp_bind(&at, &fd, &err));
    CHECK_OK(zrpc_tcp_local_address("tls", fd, address, &err));
    CHECK_OK(zrpc_tls_dialer(address + 4, &files, "server1", 30 * ZRPC_MILLISECOND, &d, &err));
    CHECK_CODE(d->ops->dial(d, ZRPC_NEVER, NULL, &w, &err), ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(err.text, "dial tls:127.0.0.1:");
    d->ops->close(d);
    close(fd);
}

/* Up to the handshake; what OpenSSL takes is its own. */
static int listen_dial_accept(void *arg)
{
    struct zrpc_tls_files files = files_of("ca", "server");
    struct zrpc_listener *l;
    struct zrpc_dialer *d = NULL;
    struct zrpc_accepted accepted = {0};
    struct zrpc_tcp_address at;
    int client = -1, rc = zrpc_tls_listen("127.0.0.1:0", &files, client_cns, 2, 0, &l, arg);

    if (rc < 0)
        return rc;
    rc = zrpc_tls_dialer(host_port(l), &files, "server1", 0, &d, arg);
    if (rc == 0)
        rc = zrpc_tcp_address_parse(host_port(l), &at, arg);
    if (rc == 0)
        rc = zrpc_tcp_connect(&at, ZRPC_NEVER, NULL, &client, arg);
    while (rc == 0 && (rc = l->ops->accept(l, &accepted, arg)) == ZRPC_ERR_AGAIN)
        rc = poll(&(struct pollfd){.fd = l->ops->fd(l), .events = POLLIN}, 1, -1) < 0 ? ZRPC_ERR_SYSTEM : 0;
    if (rc == 0)
        zrpc_wire_close(accepted.wire);
    if (client >= 0)
        close(client);
    if (d != NULL)
        d->ops->close(d);
    l->ops->close(l);
    return rc;
}

static void scarcity(void)
{
    struct zrpc_error err;

    CHECK(zrpc_alloc_each(listen_dial_accept, &err) >= 8);
    CHECK(zrpc_resource_each(listen_dial_accept, &err) >= 3);
}

static const struct zrpc_test tests[] = {
    ZRPC_WIRE_CONTRACT_ROWS(tls){"the identity is the common name", identity_is_the_common_name},
    {"clients are refused, each for its reason", clients_are_refused},
    {"chains are followed", chains_are_followed},
    {"a certificate may be its own authority", each_may_trust_the_other_alone},
    {"server_cn is verified: DNS names first, then the common name", server_cn_is_verified},
    {"a server of another authority is refused", server_of_another_ca_is_refused},
    {"files are checked", files_are_checked},
    {"bad arguments", bad_arguments},
    {"TLS 1.2 is spoken, 1.1 is not", versions},
    {"truncation is an error", truncation_is_an_error},
    {"half-close is close_notify and TCP's", half_close_is_close_notify},
    {"aborting sends no close_notify", aborting_sends_no_close_notify},
    {"keys may be updated", keys_may_be_updated},
    {"records that were begun go out while reading", begun_records_go_out},
    {"plain TCP clients are refused", plain_clients_are_refused},
    {"a client that stops mid-handshake", stopping_mid_handshake},
    {"shutdown ends a handshake", shutdown_ends_a_handshake},
    {"200 half-open handshakes delay nobody", half_open_handshakes_delay_nobody},
    {"secrets are logged where ZREPL_KEYLOG_FILE says", secrets_are_logged},
    {"dialling a silent server times out", dialling_a_silent_server_times_out},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    int rc = 0;

    for (size_t i = 0; i < sizeof certs / sizeof certs[0] && rc == 0; i++)
        rc = zrpc_test_cert_make(&certs[i]);
    if (rc == 0)
        rc = zrpc_suite_main("tls", tests, argc, argv);
    zrpc_test_dir_remove();
    return rc;
}
