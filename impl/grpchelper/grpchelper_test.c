/* Clients that are not what they should be, against a gRPC server on tcp and on tls: each is refused with one
 * line in the log, and a client that means it is served in their midst. */
#include "zrpc/grpchelper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testing/alloc.h"
#include "testing/certificates.h"
#include "testing/loglines.h"
#include "testing/suite.h"
#include "testing/tls_peers.h"
#include "zrpc/replication.h"
#include "zrpc/transport.h"

#define LONG (3600 * ZRPC_SECOND) /* a time that must not be what ends a test */

/* The service: its answer to a ping is who asks. A message "slow" is answered when the call is cancelled,
 * "nap" after a while. */
struct fixture {
    struct loglines lines;
    struct zrpc_log log;
    struct zrpc_grpchelper_options options;
    struct zrpc_grpchelper_server *server;
    char address[ZRPC_ADDRESS_MAX]; /* HOST:PORT */
    bool tls;
    atomic_int slow;
    atomic_int naps, most_naps; /* at the same time */
    pthread_t thread;
    int rc;
};

/* For others to come, if they may. */
static void take_nap(struct fixture *f)
{
    int now = atomic_fetch_add(&f->naps, 1) + 1, most = atomic_load(&f->most_naps);

    while (now > most && !atomic_compare_exchange_weak(&f->most_naps, &most, now))
        continue;
    usleep(20000);
    atomic_fetch_sub(&f->naps, 1);
}

static int who_am_i(void *ctx, struct zrpc_call *call, const ProtobufCMessage *req, ProtobufCMessage *res,
                    struct zrpc_error *err)
{
    Zrpc__Pb__PingRes *answer = (Zrpc__Pb__PingRes *)res;
    struct fixture *f = ctx;

    if (strcmp(((const Zrpc__Pb__PingReq *)req)->message, "slow") == 0) {
        atomic_fetch_add(&f->slow, 1);
        while (!atomic_load(&call->cancelled))
            usleep(1000);
    }
    if (strcmp(((const Zrpc__Pb__PingReq *)req)->message, "nap") == 0)
        take_nap(f);
    answer->echo = strdup(call->client_identity);
    return answer->echo != NULL ? 0 : zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory");
}

static const struct zrpc_grpc_method methods[] = {{.path = "/test.Test/WhoAmI",
                                                   .request = &zrpc__pb__ping_req__descriptor,
                                                   .response = &zrpc__pb__ping_res__descriptor,
                                                   .handler = who_am_i}};

static void prepare(struct fixture *f, struct zrpc_grpc_service *service)
{
    memset(f, 0, sizeof *f);
    *service = (struct zrpc_grpc_service){.methods = methods, .n_methods = 1, .ctx = f};
    loglines_init(&f->lines, &f->log);
    f->options =
        (struct zrpc_grpchelper_options){.services = service, .n_services = 1, .grace = LONG, .log = &f->log};
}

static void *run(void *arg)
{
    struct fixture *f = arg;

    f->rc = zrpc_grpchelper_server_run(f->server, NULL);
    return NULL;
}

static void start(struct fixture *f, bool tls, zrpc_time handshake_timeout)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "client1"}};
    const struct zrpc_tls_files files = tls_files_of("ca", "server");
    struct zrpc_listener *l;
    struct zrpc_error err;
    int rc;

    f->tls = tls;
    rc = tls ? zrpc_tls_listen("127.0.0.1:0", &files, tls_client_cns, 2, handshake_timeout, &l, &err)
             : zrpc_tcp_listen("127.0.0.1:0", clients, 1, &l, &err);
    if (!CHECK_OK(rc))
        return;
    snprintf(f->address, sizeof f->address, "%s", l->ops->address(l) + strlen("tcp:"));
    CHECK_OK(zrpc_grpchelper_server_new(&f->options, &f->server, NULL));
    CHECK_OK(zrpc_grpchelper_server_add(f->server, l, NULL));
    CHECK_INT(pthread_create(&f->thread, NULL, run, f), 0);
}

static void stop(struct fixture *f)
{
    zrpc_grpchelper_server_stop(f->server);
    pthread_join(f->thread, NULL);
    CHECK_OK(f->rc);
    zrpc_grpchelper_server_free(f->server);
    loglines_dispose(&f->lines);
}

static struct zrpc_dialer *dialer_as(const struct fixture *f, const char *name)
{
    struct zrpc_dialer *dialer = NULL;

    if (f->tls) {
        const struct zrpc_tls_files files = tls_files_of("ca", name);

        CHECK_OK(zrpc_tls_dialer(f->address, &files, "server1", 0, &dialer, NULL));
    } else {
        CHECK_OK(zrpc_tcp_dialer(f->address, 0, &dialer, NULL));
    }
    return dialer;
}

/* One call with a connection of its own, by the client with that certificate. */
static int ask(const struct fixture *f, const char *name, const char *message, struct zrpc_error *err)
{
    struct zrpc_dialer *dialer = dialer_as(f, name);
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    ProtobufCMessage *res = NULL;
    struct zrpc_grpchelper_client *client;
    int rc = zrpc_grpchelper_client_new(dialer, NULL, &client, err);

    req.message = (char *)(uintptr_t)message;
    if (rc == 0) {
        rc = zrpc_channel_call(zrpc_grpchelper_client_channel(client), &methods[0], &req.base, &res, NULL,
                               NULL, err);
        zrpc_grpchelper_client_free(client);
    }
    if (res != NULL) {
        CHECK_STR(((Zrpc__Pb__PingRes *)res)->echo, "client1");
        protobuf_c_message_free_unpacked(res, NULL);
    }
    dialer->ops->close(dialer);
    return rc;
}

static void clients_are_served_by_identity(void)
{
    struct zrpc_grpc_service service;
    struct zrpc_error err = {0};

    for (int tls = 0; tls < 2; tls++) {
        struct fixture f;

        prepare(&f, &service);
        start(&f, tls, 0);
        for (int i = 0; i < 3; i++)
            CHECK_OK(ask(&f, "client", "", &err));
        CHECK_INT(loglines_count(&f.lines, "level=warn"), 0);
        stop(&f);
    }
}

static void wrong_certificates_are_refused(void)
{
    static const struct {
        const char *name, *line;
    } rows[] = {
        {"stranger", "common name \\\"stranger\\\" of its certificate is not in client_cns"},
        {"expired", "CN=client1 is refused: certificate has expired"},
        {"forged", "CN=client1 is refused: "},
        {"self-signed", "CN=client1 is refused: self-signed certificate"},
    };
    struct zrpc_grpc_service service;
    struct zrpc_error err;
    struct fixture f;

    prepare(&f, &service);
    start(&f, true, LONG);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_CODE(ask(&f, rows[i].name, "", &err), ZRPC_ERR_UNAVAILABLE);
        loglines_await(&f.lines, "connection refused", i + 1);
        CHECK(loglines_count(&f.lines, rows[i].line) >= 1);
        CHECK_OK(ask(&f, "client", "", &err));
    }
    CHECK_INT(loglines_count(&f.lines, "level=warn"), sizeof rows / sizeof rows[0]);
    stop(&f);
}

static void plain_clients_are_refused(void)
{
    static const char words[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct zrpc_grpc_service service;
    struct zrpc_error err;
    struct fixture f;
    int fd;

    prepare(&f, &service);
    start(&f, true, LONG);
    fd = tls_plain_connect(f.address);
    CHECK_INT(send(fd, words, sizeof words - 1, 0), sizeof words - 1);
    loglines_await(&f.lines, "does not seem to speak TLS", 1);
    CHECK_OK(ask(&f, "client", "", &err));
    CHECK_INT(loglines_count(&f.lines, "level=warn"), 1);
    close(fd);
    stop(&f);
}

static void stopping_mid_handshake_is_refused(void)
{
    struct zrpc_grpc_service service;
    struct zrpc_error err;
    struct fixture f;
    int fd;

    prepare(&f, &service);
    start(&f, true, LONG);
    fd = tls_half_handshake(f.address);
    shutdown(fd, SHUT_WR);
    loglines_await(&f.lines, "connection refused", 1);
    CHECK_OK(ask(&f, "client", "", &err));
    CHECK_INT(loglines_count(&f.lines, "level=warn"), 1);
    close(fd);
    stop(&f);
}

/* 200 that are silent or in the middle of their handshakes: none is served, none delays anybody, and a server
 * that stops does not wait for them. */
static void half_open(bool tls)
{
    enum { N = 200 };
    struct zrpc_grpc_service service;
    struct zrpc_error err;
    struct fixture f;
    int fds[N];

    prepare(&f, &service);
    start(&f, tls, LONG);
    for (int i = 0; i < N; i++) {
        fds[i] = tls && i % 2 == 1 ? tls_half_handshake(f.address) : tls_plain_connect(f.address);
        if (!tls && i % 2 == 1)
            CHECK_INT(send(fds[i], "PRI * HTTP/2", 12, 0), 12);
    }
    CHECK_OK(ask(&f, "client", "", &err));
    CHECK_INT(loglines_count(&f.lines, "level=warn"), 0);
    stop(&f);
    for (int i = 0; i < N; i++)
        close(fds[i]);
}

static void half_open_connections_delay_nobody(void)
{
    half_open(false);
    half_open(true);
}

/* Each that the handshake's timeout ends is one line. */
static void half_open_handshakes_time_out(void)
{
    enum { N = 200 };
    struct zrpc_grpc_service service;
    struct zrpc_error err;
    struct fixture f;
    int fds[N];

    prepare(&f, &service);
    f.options.authenticate_timeout = (zrpc_under_valgrind() ? 30 : 3) * ZRPC_SECOND; /* the good one's too */
    start(&f, true, 0);
    for (int i = 0; i < N; i++)
        fds[i] = tls_plain_connect(f.address);
    CHECK_OK(ask(&f, "client", "", &err));
    loglines_await(&f.lines, "code=TIMEOUT", N);
    CHECK_INT(loglines_count(&f.lines, "level=warn"), N);
    stop(&f);
    for (int i = 0; i < N; i++)
        close(fds[i]);
}

static void *ask_slowly(void *arg)
{
    struct zrpc_error err;

    return ask(arg, "client", "slow", &err) < 0 ? arg : NULL;
}

static void the_grace_period_cancels_calls(void)
{
    struct zrpc_grpc_service service;
    struct fixture f;
    pthread_t caller;
    void *failed;

    prepare(&f, &service);
    f.options.grace = 50 * ZRPC_MILLISECOND;
    start(&f, false, 0);
    CHECK_INT(pthread_create(&caller, NULL, ask_slowly, &f), 0);
    while (atomic_load(&f.slow) == 0)
        usleep(1000);
    stop(&f);
    pthread_join(caller, &failed);
    CHECK(failed != NULL);
}

static void *ask_for_nap(void *arg)
{
    struct zrpc_error err;

    CHECK_OK(ask(arg, "client", "nap", &err));
    return NULL;
}

static void a_client_has_a_quarter_of_the_handlers(void)
{
    struct zrpc_grpc_service service;
    pthread_t threads[6];
    struct fixture f;

    prepare(&f, &service);
    f.options.handler_threads = 8;
    start(&f, false, 0);
    for (int i = 0; i < 6; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, ask_for_nap, &f), 0);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&f.most_naps) <= 2);
    stop(&f);
}

static int no_entry(void *ctx, struct zrpc_call *call, struct zrpc_error *err)
{
    (void)ctx;
    CHECK_STR(call->client_identity, "client1");
    return zrpc_fail(err, ZRPC_ERR_REFUSED_IDENTITY, "not today");
}

static void an_interceptor_can_refuse(void)
{
    struct zrpc_grpc_service service;
    struct zrpc_error err;
    struct fixture f;

    prepare(&f, &service);
    f.options.intercept = no_entry;
    start(&f, false, 0);
    CHECK_CODE(ask(&f, "client", "", &err), ZRPC_ERR_HANDLER);
    CHECK_STR(err.text, "not today");
    stop(&f);
}

static int make_and_free(void *arg)
{
    struct zrpc_grpchelper_server *s;
    int rc = zrpc_grpchelper_server_new(arg, &s, NULL);

    if (rc == 0)
        zrpc_grpchelper_server_free(s);
    return rc;
}

static int make_client_and_free(void *arg)
{
    struct zrpc_grpchelper_client *c;
    int rc = zrpc_grpchelper_client_new(arg, NULL, &c, NULL);

    if (rc == 0)
        zrpc_grpchelper_client_free(c);
    return rc;
}

static void scarcity(void)
{
    struct zrpc_dialer *dialer;
    struct zrpc_grpchelper_options options = {0};

    CHECK(zrpc_alloc_each(make_and_free, &options) >= 3);
    CHECK_INT(zrpc_resource_each(make_and_free, &options), 4);
    CHECK_OK(zrpc_tcp_dialer("127.0.0.1:1", 0, &dialer, NULL));
    CHECK(zrpc_alloc_each(make_client_and_free, dialer) >= 2);
    CHECK(zrpc_resource_each(make_client_and_free, dialer) >= 2);
    dialer->ops->close(dialer);
}

static const struct zrpc_test tests[] = {
    {"clients are served by identity", clients_are_served_by_identity},
    {"wrong certificates are refused", wrong_certificates_are_refused},
    {"plain TCP clients on a tls port are refused", plain_clients_are_refused},
    {"stopping mid-handshake is refused", stopping_mid_handshake_is_refused},
    {"200 half-open connections delay nobody", half_open_connections_delay_nobody},
    {"200 half-open handshakes time out", half_open_handshakes_time_out},
    {"the grace period cancels calls", the_grace_period_cancels_calls},
    {"a client has a quarter of the handlers", a_client_has_a_quarter_of_the_handlers},
    {"an interceptor can refuse", an_interceptor_can_refuse},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    int rc = tls_peers_make();

    if (rc == 0)
        rc = zrpc_suite_main("grpchelper", tests, argc, argv);
    zrpc_test_dir_remove();
    return rc;
}
