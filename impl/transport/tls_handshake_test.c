/* tls until the wire is there: who is admitted, who is refused and why, and what stops on the way. */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing/certificates.h"
#include "testing/tls_peers.h"
#include "testing/wire_contract.h"
#include "transport/tcp_socket.h"

static void identity_is_the_common_name(void)
{
    struct zrpc_listener *l = tls_listen_with("ca", "server", ZRPC_TLS_HANDSHAKE_TIMEOUT_DEFAULT);
    struct tls_meeting m;

    tls_meet(&m, l, "client", "server1");
    CHECK_OK(m.server_rc);
    CHECK_OK(m.client.rc);
    CHECK_STR(m.accepted.identity, "client1");
    CHECK_CONTAINS(m.accepted.peer, "tls:127.0.0.1:");
    CHECK_CONTAINS(zrpc_tls_describe(m.client.wire), "TLSv1.3 TLS_");
    tls_part(&m);
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
    struct zrpc_listener *l = tls_listen_with("ca", "server", ZRPC_TLS_HANDSHAKE_TIMEOUT_DEFAULT);
    struct tls_meeting m;

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        struct iovec iov = {.iov_base = (char[16]){0}, .iov_len = 16};
        struct zrpc_error err;
        ssize_t got;

        tls_meet(&m, l, r->client, "server1");
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
        tls_part(&m);
    }
    tls_meet(&m, l, "client", "server1");
    CHECK_OK(m.server_rc);
    tls_part(&m);
    l->ops->close(l);
}

static void chains_are_followed(void)
{
    struct zrpc_listener *l = tls_listen_with("ca", "server", 0);
    struct tls_meeting m;
    char command[1024];

    snprintf(command, sizeof command,
             "cd %s && cat grandchild.crt intermediate.crt >chain.crt && cp grandchild.key chain.key",
             zrpc_test_dir());
    CHECK_INT(system(command), 0);
    tls_meet(&m, l, "chain", "server1");
    CHECK_OK(m.server_rc);
    CHECK_STR(m.accepted.identity, "client1");
    tls_part(&m);
    l->ops->close(l);
}

static void each_may_trust_the_other_alone(void)
{
    struct zrpc_listener *l = tls_listen_with("self-signed", "server", 0);
    struct tls_meeting m;

    tls_meet(&m, l, "self-signed", "server1");
    CHECK_OK(m.server_rc);
    CHECK_STR(m.accepted.identity, "client1");
    tls_part(&m);
    tls_meet(&m, l, "client", "server1");
    CHECK_CODE(m.server_rc, ZRPC_ERR_TLS);
    tls_part(&m);
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
        struct zrpc_listener *l = tls_listen_with("ca", c->server, 0);
        struct tls_meeting m;

        tls_meet(&m, l, "client", c->server_cn);
        CHECK_CODE(m.client.rc, c->right ? 0 : ZRPC_ERR_TLS);
        if (!c->right) {
            CHECK_CONTAINS(m.client.err.text, "is refused: ");
            CHECK_CONTAINS(m.client.err.text, c->server_cn);
            CHECK_CODE(m.server_rc, ZRPC_ERR_TLS);
        }
        tls_part(&m);
        l->ops->close(l);
    }
}

static void server_of_another_ca_is_refused(void)
{
    struct zrpc_listener *l = tls_listen_with("ca", "forged", 0);
    struct tls_meeting m;

    tls_meet(&m, l, "client", "client1");
    CHECK_CODE(m.client.rc, ZRPC_ERR_TLS);
    CHECK_CONTAINS(m.client.err.text, "dial tls:127.0.0.1:");
    CHECK_CONTAINS(m.client.err.text, "CN=client1 is refused");
    tls_part(&m);
    l->ops->close(l);
}

static void files_are_checked(void)
{
    struct zrpc_tls_files files = tls_files_of("ca", "client");
    struct zrpc_dialer *d;
    struct zrpc_error err;
    FILE *f, *out;
    EVP_PKEY *key;

    CHECK_OK(zrpc_tls_files_check(&files, &err));
    files.ca = zrpc_test_path("nowhere.crt");
    CHECK_CODE(zrpc_tls_files_check(&files, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "nowhere.crt: No such file or directory");
    files = tls_files_of("ca", "client");
    files.key = tls_files_of("ca", "server").key;
    CHECK_CODE(zrpc_tls_dialer("127.0.0.1:1", &files, "server1", 0, &d, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "server.key: key values mismatch");
    files.cert = files.key;
    CHECK_CODE(zrpc_tls_files_check(&files, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "tls cert ");

    files = tls_files_of("ca", "client");
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
    struct zrpc_tls_files files = tls_files_of("ca", "server");
    struct zrpc_listener *l;
    struct zrpc_dialer *d;
    struct zrpc_error err;

    CHECK_CODE(zrpc_tls_listen("127.0.0.1", &files, tls_client_cns, 2, 0, &l, &err), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_tls_listen("127.0.0.1:0", &files, (const char *const[]){"a/b"}, 1, 0, &l, &err),
               ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "client_cns");
    CHECK_CODE(zrpc_tls_dialer("127.0.0.1:1", &files, "", 0, &d, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "server_cn");
}

static void versions(void)
{
    struct zrpc_listener *l = tls_listen_with("ca", "server", 0);
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    SSL *ssl;

    CHECK_OK(tls_meet_raw(l, TLS1_2_VERSION, &ssl, &accepted, &err));
    CHECK_CONTAINS(zrpc_tls_describe(accepted.wire), "TLSv1.2 ");
    CHECK_STR(accepted.identity, "client1");
    zrpc_wire_close(accepted.wire);
    tls_raw_free(ssl);
    CHECK_CODE(tls_meet_raw(l, TLS1_1_VERSION, &ssl, &accepted, &err), ZRPC_ERR_TLS);
    CHECK_CONTAINS(err.text, "unsupported protocol");
    tls_raw_free(ssl);
    l->ops->close(l);
}

static void plain_clients_are_refused(void)
{
    static const char *const greetings[] = {
        "0000000056 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    struct zrpc_listener *l = tls_listen_with("ca", "server", 5 * ZRPC_SECOND);

    for (size_t i = 0; i < sizeof greetings / sizeof greetings[0]; i++) {
        int fd = tls_plain_connect(tls_host_port(l));
        struct zrpc_accepted accepted;
        struct zrpc_error err;

        CHECK_INT(send(fd, greetings[i], strlen(greetings[i]), 0), strlen(greetings[i]));
        zrpc_accept_next(l, &accepted);
        CHECK_CODE(accepted.authenticate(&accepted, ZRPC_NEVER, &err), ZRPC_ERR_TLS);
        CHECK_CONTAINS(err.text, "client tls:127.0.0.1:");
        CHECK_CONTAINS(err.text, "does not seem to speak TLS");
        zrpc_wire_close(accepted.wire);
        close(fd);
    }
    l->ops->close(l);
}

static void stopping_mid_handshake(void)
{
    struct zrpc_listener *l = tls_listen_with("ca", "server", 30 * ZRPC_MILLISECOND);
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    int fd = tls_half_handshake(tls_host_port(l));

    zrpc_accept_next(l, &accepted);
    CHECK_CODE(accepted.authenticate(&accepted, ZRPC_NEVER, &err), ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(err.text, "handshake not complete in time");
    zrpc_wire_close(accepted.wire);
    close(fd);

    fd = tls_half_handshake(tls_host_port(l));
    zrpc_accept_next(l, &accepted);
    shutdown(fd, SHUT_WR);
    CHECK_CODE(accepted.authenticate(&accepted, ZRPC_NEVER, &err), ZRPC_ERR_TLS_TRUNCATED);
    zrpc_wire_close(accepted.wire);
    close(fd);
    l->ops->close(l);
}

static void shutdown_ends_a_handshake(void)
{
    struct zrpc_listener *l = tls_listen_with("ca", "server", 0);
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    int fd = tls_plain_connect(tls_host_port(l));

    zrpc_accept_next(l, &accepted);
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
    struct zrpc_listener *l = tls_listen_with("ca", "server", 0);
    struct waiting *waiting = calloc(N, sizeof *waiting);
    int fds[N];
    struct tls_meeting m;

    for (int i = 0; i < N; i++) {
        fds[i] = i % 2 == 0 ? tls_plain_connect(tls_host_port(l)) : tls_half_handshake(tls_host_port(l));
        zrpc_accept_next(l, &waiting[i].accepted);
        CHECK_INT(pthread_create(&waiting[i].thread, NULL, run_waiting, &waiting[i]), 0);
    }
    tls_meet(&m, l, "client", "server1");
    CHECK_OK(m.server_rc);
    CHECK_OK(m.client.rc);
    l->ops->close(l);
    for (int i = 0; i < N; i++)
        close(fds[i]);
    for (int i = 0; i < N; i++) {
        pthread_join(waiting[i].thread, NULL);
        CHECK(waiting[i].rc < 0);
    }
    tls_part(&m);
    free(waiting);
}

static void dialling_a_silent_server_times_out(void)
{
    static const struct zrpc_tcp_address at = {.host = "127.0.0.1", .port = "0"};
    struct zrpc_tls_files files = tls_files_of("ca", "client");
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

static const struct zrpc_test tests[] = {
    {"the identity is the common name", identity_is_the_common_name},
    {"clients are refused, each for its reason", clients_are_refused},
    {"chains are followed", chains_are_followed},
    {"a certificate may be its own authority", each_may_trust_the_other_alone},
    {"server_cn is verified: DNS names first, then the common name", server_cn_is_verified},
    {"a server of another authority is refused", server_of_another_ca_is_refused},
    {"files are checked", files_are_checked},
    {"bad arguments", bad_arguments},
    {"TLS 1.2 is spoken, 1.1 is not", versions},
    {"plain TCP clients are refused", plain_clients_are_refused},
    {"a client that stops mid-handshake", stopping_mid_handshake},
    {"shutdown ends a handshake", shutdown_ends_a_handshake},
    {"200 half-open handshakes delay nobody", half_open_handshakes_delay_nobody},
    {"dialling a silent server times out", dialling_a_silent_server_times_out},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    int rc = tls_peers_make();

    if (rc == 0)
        rc = zrpc_suite_main("tls_handshake", tests, argc, argv);
    zrpc_test_dir_remove();
    return rc;
}
