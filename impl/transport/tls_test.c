#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testing/alloc.h"
#include "testing/certificates.h"
#include "testing/tls_peers.h"
#include "testing/wire_contract.h"
#include "transport/tcp_socket.h"
#include "zrpc/timeoutconn.h"

static int make_tls_pair(struct zrpc_wire *out[2])
{
    struct zrpc_listener *l = tls_listen_with("ca", "server", 0);
    struct tls_meeting m;

    tls_meet(&m, l, "client", "server1");
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
    struct zrpc_listener *l = tls_listen_with("ca", "server", 0);
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    SSL *ssl;

    if (CHECK_OK(tls_meet_raw(l, version, &ssl, &accepted, &err)))
        test(ssl, accepted.wire);
    zrpc_wire_close(accepted.wire);
    tls_raw_free(ssl);
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
        struct zrpc_tls_files files = tls_files_of("ca", "client");
        struct zrpc_dialer *d;
        struct zrpc_error err;

        CHECK_CODE(zrpc_tls_dialer("127.0.0.1:1", &files, "server1", 0, &d, &err), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(err.text, "ZREPL_KEYLOG_FILE: open /nowhere/keys.log");
    }
    unsetenv("ZREPL_KEYLOG_FILE");
}

/* Up to the handshake; what OpenSSL takes is its own. */
static int listen_dial_accept(void *arg)
{
    struct zrpc_tls_files files = tls_files_of("ca", "server");
    struct zrpc_listener *l;
    struct zrpc_dialer *d = NULL;
    struct zrpc_accepted accepted = {0};
    struct zrpc_tcp_address at;
    int client = -1, rc = zrpc_tls_listen("127.0.0.1:0", &files, tls_client_cns, 2, 0, &l, arg);

    if (rc < 0)
        return rc;
    rc = zrpc_tls_dialer(tls_host_port(l), &files, "server1", 0, &d, arg);
    if (rc == 0)
        rc = zrpc_tcp_address_parse(tls_host_port(l), &at, arg);
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
    ZRPC_WIRE_CONTRACT_ROWS(tls){"truncation is an error", truncation_is_an_error},
    {"half-close is close_notify and TCP's", half_close_is_close_notify},
    {"aborting sends no close_notify", aborting_sends_no_close_notify},
    {"keys may be updated", keys_may_be_updated},
    {"records that were begun go out while reading", begun_records_go_out},
    {"secrets are logged where ZREPL_KEYLOG_FILE says", secrets_are_logged},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    int rc = tls_peers_make();

    if (rc == 0)
        rc = zrpc_suite_main("tls", tests, argc, argv);
    zrpc_test_dir_remove();
    return rc;
}
