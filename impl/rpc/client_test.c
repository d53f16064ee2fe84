/* The rpc client against servers that get stuck in each step of a connection, and in finding its server. */
#include "zrpc/client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing/alloc.h"
#include "testing/certificates.h"
#include "testing/suite.h"
#include "zrpc/server.h"
#include "zrpc/transport.h"
#include "zrpc/transport_ssh.h"
#include "zrpc/transport_tls.h"
#include "zrpc/versionhandshake.h"

#define MS     ZRPC_MILLISECOND
#define LONG   (3600 * ZRPC_SECOND) /* a timeout that must not be what ends a call */
#define PROMPT (10 * ZRPC_SECOND)   /* for what takes milliseconds on an idle machine */

/*
 * Servers that lead nowhere. Each connection that a thread takes is held until the end.
 */
struct dead_end {
    int fd; /* listens */
    unsigned port;
    bool greets; /* does the version handshake, and then nothing */
    int held[64];
    size_t n_held;
    struct zrpc_cancel stop;
    pthread_t thread;
    bool running;
    struct zrpc_dialer *dialer;
};

static void listen_at(struct dead_end *d, int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(d->fd >= 0 && bind(d->fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(d->fd, backlog) == 0);
    CHECK_INT(getsockname(d->fd, (struct sockaddr *)&at, &len), 0);
    d->port = ntohs(at.sin_port);
}

static void dial_tcp(struct dead_end *d)
{
    char address[32];

    snprintf(address, sizeof address, "127.0.0.1:%u", d->port);
    CHECK_OK(zrpc_tcp_dialer(address, LONG, &d->dialer, NULL));
}

/* A listener whose queue is full lets the kernel answer no SYN. */
static void black_hole(struct dead_end *d)
{
    struct zrpc_wire *wire;

    listen_at(d, 0);
    dial_tcp(d);
    while (d->n_held < 8 && d->dialer->ops->dial(d->dialer, zrpc_now() + 50 * MS, NULL, &wire, NULL) == 0) {
        d->held[d->n_held++] = dup(zrpc_wire_wait(wire, ZRPC_READ).fd);
        zrpc_wire_close(wire);
    }
    CHECK(d->n_held < 8);
}

static void silent(struct dead_end *d)
{
    listen_at(d, 64);
    dial_tcp(d);
}

static void *greet(void *arg)
{
    struct dead_end *d = arg;
    struct pollfd p = {.fd = d->fd, .events = POLLIN};

    while (zrpc_await(p, ZRPC_NEVER, &d->stop, NULL) == 0 && d->n_held < 64) {
        int fd = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC);
        struct zrpc_timeoutconn *conn;
        struct zrpc_wire *wire;

        if (fd < 0 || zrpc_wire_from_fds("tcp", fd, fd, &wire, NULL) < 0)
            continue;
        d->held[d->n_held++] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (zrpc_timeoutconn_new(wire, &conn, NULL) < 0)
            continue;
        zrpc_timeoutconn_set_cancel(conn, &d->stop);
        zrpc_versionhandshake_run(conn, ZRPC_NEVER, NULL);
        zrpc_wire_close(zrpc_timeoutconn_release(conn));
    }
    return NULL;
}

static void greeting_only(struct dead_end *d)
{
    silent(d);
    d->running = CHECK_INT(pthread_create(&d->thread, NULL, greet, d), 0);
}

static void stalled_tls(struct dead_end *d)
{
    static const struct zrpc_test_cert specs[] = {
        {.name = "ca", .cn = "ca", .ca = true},
        {.name = "client1", .cn = "client1", .issuer = "ca"},
    };
    struct zrpc_tls_files files;
    char address[32];

    for (size_t i = 0; i < 2; i++)
        CHECK_INT(zrpc_test_cert_make(&specs[i]), 0);
    files = (struct zrpc_tls_files){zrpc_test_path("ca.crt"), zrpc_test_path("client1.crt"),
                                    zrpc_test_path("client1.key")};
    listen_at(d, 64);
    snprintf(address, sizeof address, "127.0.0.1:%u", d->port);
    CHECK_OK(zrpc_tls_dialer(address, &files, "server1", LONG, &d->dialer, NULL));
}

static void dial_ssh(struct dead_end *d, const char *script)
{
    const char *path = zrpc_test_path("ssh");
    const struct zrpc_ssh_options options = {.host = "host",
                                             .user = "user",
                                             .port = 22,
                                             .identity_file = "/dev/null",
                                             .ssh_command = path,
                                             .dial_timeout = LONG};
    FILE *f = fopen(path, "w");

    if (!CHECK(f != NULL))
        return;
    fprintf(f, "#!/bin/sh\n%s\n", script);
    CHECK_INT(fclose(f), 0);
    CHECK_INT(chmod(path, 0700), 0);
    CHECK_OK(zrpc_ssh_dialer(&options, &d->dialer, NULL));
}

static void sleeping_ssh(struct dead_end *d)
{
    dial_ssh(d, "exec sleep 3600");
}

static void stubborn_ssh(struct dead_end *d)
{
    dial_ssh(d, "trap '' TERM\nsleep 3600");
}

static void nobody(struct dead_end *d)
{
    CHECK_OK(zrpc_local_dialer("nobody", "client1", LONG, &d->dialer, NULL));
}

static const struct kind {
    const char *name;
    void (*begin)(struct dead_end *d);
} kinds[] = {
    {"a black hole", black_hole},         {"a silent server", silent},      {"a stalled TLS", stalled_tls},
    {"an ssh that sleeps", sleeping_ssh}, {"a stubborn ssh", stubborn_ssh}, {"nobody listens", nobody},
    {"a greeting only", greeting_only},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void begin(struct dead_end *d, const struct kind *kind)
{
    *d = (struct dead_end){.fd = -1};
    CHECK_OK(zrpc_cancel_init(&d->stop, NULL));
    kind->begin(d);
}

static void end(struct dead_end *d)
{
    zrpc_cancel_raise(&d->stop);
    if (d->running)
        pthread_join(d->thread, NULL);
    while (d->n_held > 0)
        close(d->held[--d->n_held]);
    if (d->fd >= 0)
        close(d->fd);
    d->dialer->ops->close(d->dialer);
    zrpc_cancel_dispose(&d->stop);
}

static struct zrpc_client *client_of(struct zrpc_dialer *dialer)
{
    const struct zrpc_client_options options = {
        .connect = {LONG, LONG},
        .data_ping_sleep = 1 * MS,
        .backoff = {.base = 1 * MS, .max = 5 * MS},
    };
    struct zrpc_client *c = NULL;

    CHECK_OK(zrpc_client_new(dialer, &options, &c, NULL));
    return c;
}

/*
 * What a client can be asked.
 */
typedef int ask_fn(struct zrpc_client *c, zrpc_time deadline, const struct zrpc_cancel *cancel,
                   struct zrpc_error *err);

static int ping_control(struct zrpc_client *c, zrpc_time deadline, const struct zrpc_cancel *cancel,
                        struct zrpc_error *err)
{
    const struct zrpc_call_options options = {.deadline = deadline, .cancel = cancel};

    return zrpc_client_ping_control(c, &options, "hello", err);
}

static int list(struct zrpc_client *c, zrpc_time deadline, const struct zrpc_cancel *cancel,
                struct zrpc_error *err)
{
    const struct zrpc_call_options options = {.deadline = deadline, .cancel = cancel};
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    Zrpc__Pb__ListFilesystemRes *res = NULL;

    return zrpc_client_list_filesystems(c, &options, &req, &res, err);
}

static int ping_data(struct zrpc_client *c, zrpc_time deadline, const struct zrpc_cancel *cancel,
                     struct zrpc_error *err)
{
    const struct zrpc_dataconn_options options = {.deadline = deadline, .cancel = cancel};

    return zrpc_client_ping_data(c, &options, "hello", err);
}

static int send_stream(struct zrpc_client *c, zrpc_time deadline, const struct zrpc_cancel *cancel,
                       struct zrpc_error *err)
{
    const struct zrpc_dataconn_options options = {.deadline = deadline, .cancel = cancel};
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__SendRes *res;

    return zrpc_client_send(c, &options, &req, NULL, NULL, &res, err);
}

static int receive_stream(struct zrpc_client *c, zrpc_time deadline, const struct zrpc_cancel *cancel,
                          struct zrpc_error *err)
{
    const struct zrpc_dataconn_options options = {.deadline = deadline, .cancel = cancel};
    Zrpc__Pb__ReceiveReq req = ZRPC__PB__RECEIVE_REQ__INIT;
    struct zrpc_source source;
    int fds[2], rc;

    CHECK_INT(pipe(fds), 0);
    CHECK_OK(zrpc_source_from_fd(fds[0], &source, NULL));
    rc = zrpc_client_receive(c, &options, &req, &source, err);
    close(fds[1]);
    return rc;
}

static int wait_for_both(struct zrpc_client *c, zrpc_time deadline, const struct zrpc_cancel *cancel,
                         struct zrpc_error *err)
{
    int rc = zrpc_client_wait_for_connectivity(c, deadline, cancel, err);

    CHECK_CONTAINS(err->text, "control and data rpc failed");
    return rc;
}

static ask_fn *const asks[] = {ping_control, list, ping_data, send_stream, receive_stream, wait_for_both};

enum { ASKS = sizeof asks / sizeof asks[0] };

static void each(void (*test)(struct dead_end *d, ask_fn *ask))
{
    for (size_t k = 0; k < KINDS; k++) {
        struct dead_end d;

        begin(&d, &kinds[k]);
        for (size_t a = 0; a < ASKS; a++) {
            zrpc_time before = zrpc_now();

            test(&d, asks[a]);
            if (!CHECK(zrpc_now() - before < PROMPT))
                fprintf(stderr, "%s, question %zu\n", kinds[k].name, a);
        }
        end(&d);
    }
    zrpc_test_dir_remove();
}

static void expire(struct dead_end *d, ask_fn *ask)
{
    struct zrpc_client *c = client_of(d->dialer);
    zrpc_time deadline = zrpc_now() + 30 * MS;
    struct zrpc_error err;

    CHECK_CODE(ask(c, deadline, NULL, &err), ZRPC_ERR_TIMEOUT);
    CHECK(zrpc_now() >= deadline);
    zrpc_client_close(c);
}

static void deadlines_end_calls_in_every_step(void)
{
    each(expire);
}

static void *raise_soon(void *cancel)
{
    poll(NULL, 0, 30);
    zrpc_cancel_raise(cancel);
    return NULL;
}

static void cancel(struct dead_end *d, ask_fn *ask)
{
    struct zrpc_client *c = client_of(d->dialer);
    struct zrpc_cancel flag;
    struct zrpc_error err;
    pthread_t thread;

    CHECK_OK(zrpc_cancel_init(&flag, NULL));
    CHECK_INT(pthread_create(&thread, NULL, raise_soon, &flag), 0);
    CHECK_CODE(ask(c, ZRPC_NEVER, &flag, &err), ZRPC_ERR_CANCELLED);
    pthread_join(thread, NULL);
    CHECK_CODE(ask(c, ZRPC_NEVER, &flag, &err), ZRPC_ERR_CANCELLED);
    zrpc_client_close(c);
    zrpc_cancel_dispose(&flag);
}

static void calls_can_be_cancelled_in_every_step(void)
{
    each(cancel);
}

static void closing_ends_an_attempt_in_every_step(void)
{
    for (size_t k = 0; k < KINDS; k++) {
        struct zrpc_channel *channel;
        struct zrpc_client *c;
        struct dead_end d;

        begin(&d, &kinds[k]);
        c = client_of(d.dialer);
        channel = zrpc_client_channel(c);
        zrpc_channel_connect(channel);
        zrpc_channel_wait(channel, ZRPC_CHANNEL_IDLE, zrpc_now() + PROMPT);
        CHECK_INT(zrpc_channel_state(channel), ZRPC_CHANNEL_CONNECTING);
        poll(NULL, 0, 30);
        zrpc_client_close(c);
        end(&d);
    }
    zrpc_test_dir_remove();
}

/*
 * Waiting for a server.
 */
static void where_nobody_listens_waiting_goes_on_until_its_deadline(void)
{
    const struct zrpc_client_options options = {.connect = {LONG, LONG}, .data_ping_sleep = LONG};
    struct zrpc_channel *channel;
    struct zrpc_client *c = NULL;
    struct zrpc_error err = {0};
    struct dead_end d;
    zrpc_time deadline;

    begin(&d, &kinds[1]);
    close(d.fd);
    d.fd = -1;
    CHECK_OK(zrpc_client_new(d.dialer, &options, &c, NULL));
    channel = zrpc_client_channel(c);
    zrpc_channel_connect(channel); /* so that it has failed before, however slow the machine */
    while (zrpc_channel_failure(channel, &err) == 0)
        poll(NULL, 0, 1);
    deadline = zrpc_now() + 200 * MS;
    CHECK_CODE(zrpc_client_wait_for_connectivity(c, deadline, NULL, &err), ZRPC_ERR_TIMEOUT);
    CHECK(zrpc_now() >= deadline);
    CHECK_CONTAINS(err.text,
                   "control and data rpc failed to answer: control: deadline exceeded before sending; "
                   "last attempt to connect: dial tcp:127.0.0.1");
    CHECK_CONTAINS(err.text, "Connection refused; data: dial tcp:127.0.0.1");
    zrpc_client_close(c);
    end(&d);
}

/* A listener in front of another that takes some connections and drops them. */
struct dropping {
    struct zrpc_listener base;
    struct zrpc_listener *inner;
    unsigned drop;
};

static int dropping_accept(struct zrpc_listener *l, struct zrpc_accepted *out, struct zrpc_error *err)
{
    struct dropping *d = (struct dropping *)l;
    int rc = d->inner->ops->accept(d->inner, out, err);

    if (rc < 0 || d->drop == 0)
        return rc;
    d->drop--;
    if (d->drop % 2 == 0) { /* after its banner has come: a reset */
        struct pollfd p = zrpc_wire_wait(out->wire, ZRPC_READ);

        poll(&p, 1, 10000);
    }
    zrpc_wire_close(out->wire);
    return zrpc_fail(err, ZRPC_ERR_REFUSED_IDENTITY, "dropped");
}

static int dropping_fd(const struct zrpc_listener *l)
{
    const struct dropping *d = (const struct dropping *)l;

    return d->inner->ops->fd(d->inner);
}

static const char *dropping_address(const struct zrpc_listener *l)
{
    const struct dropping *d = (const struct dropping *)l;

    return d->inner->ops->address(d->inner);
}

static void dropping_close(struct zrpc_listener *l)
{
    struct dropping *d = (struct dropping *)l;

    d->inner->ops->close(d->inner);
}

static const struct zrpc_listener_ops dropping_ops = {
    .name = "dropping",
    .accept = dropping_accept,
    .fd = dropping_fd,
    .address = dropping_address,
    .close = dropping_close,
};

/* A server of ours, and a client of it. */
struct fixture {
    struct dropping listener;
    struct zrpc_server *server;
    struct zrpc_dialer *dialer;
    struct zrpc_client *client;
    pthread_t thread;
};

static void *serve(void *server)
{
    CHECK_OK(zrpc_server_serve(server, NULL));
    return NULL;
}

static void start(struct fixture *f, struct zrpc_server_options *server, struct zrpc_client_options *client)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "test"}};

    server->handshake_timeout = server->label_timeout = server->grace = LONG;
    client->connect = (struct zrpc_connect_options){LONG, LONG};
    client->data_ping_sleep = 1 * MS;
    client->backoff = (struct zrpc_backoff_config){.base = 1 * MS, .max = 5 * MS};
    f->listener.base.ops = &dropping_ops;
    CHECK_OK(zrpc_server_new(server, &f->server, NULL));
    CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", clients, 1, &f->listener.inner, NULL));
    CHECK_OK(zrpc_dialer_parse(dropping_address(&f->listener.base), LONG, &f->dialer, NULL));
    CHECK_OK(zrpc_server_add_listener(f->server, &f->listener.base, NULL));
    CHECK_OK(zrpc_client_new(f->dialer, client, &f->client, NULL));
    CHECK_INT(pthread_create(&f->thread, NULL, serve, f->server), 0);
}

static void stop(struct fixture *f)
{
    zrpc_client_close(f->client);
    zrpc_server_stop(f->server);
    pthread_join(f->thread, NULL);
    zrpc_server_close(f->server);
    f->dialer->ops->close(f->dialer);
}

static void a_server_that_hangs_up_is_tried_again(void)
{
    struct zrpc_server_options server = {.max_connections = 0};
    struct zrpc_client_options client = {.data_ping_sleep = 0};
    struct fixture f = {.listener.drop = 20};
    struct zrpc_error err = {0};

    start(&f, &server, &client);
    if (!CHECK_OK(zrpc_client_wait_for_connectivity(f.client, zrpc_now() + 3 * PROMPT, NULL, &err)))
        CHECK_STR(err.text, "");
    stop(&f);
}

static void *babble(void *arg)
{
    struct dead_end *d = arg;
    struct pollfd p = {.fd = d->fd, .events = POLLIN};

    while (zrpc_await(p, ZRPC_NEVER, &d->stop, NULL) == 0) {
        int fd = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0 && CHECK_INT(write(fd, "220 mail.example ESMTP\r\n", 24), 24))
            d->held[d->n_held++ % 64] = fd; /* few enough */
    }
    return NULL;
}

/* Trying again would not help: it ends at once, without a deadline. */
static void a_server_of_another_kind_is_given_up(void)
{
    struct zrpc_client *c;
    struct zrpc_error err = {0};
    struct dead_end d;

    begin(&d, &kinds[1]);
    d.running = CHECK_INT(pthread_create(&d.thread, NULL, babble, &d), 0);
    c = client_of(d.dialer);
    CHECK_CODE(zrpc_client_wait_for_connectivity(c, ZRPC_NEVER, NULL, &err), ZRPC_ERR_HANDSHAKE);
    CHECK_CONTAINS(err.text, "data");
    CHECK_CONTAINS(err.text, " rpc failed to answer: ");
    CHECK_CONTAINS(err.text, "version handshake");
    CHECK(strstr(err.text, "cancelled") == NULL);
    zrpc_client_close(c);
    end(&d);
}

static void messages_have_limits(void)
{
    struct zrpc_server_options server = {.control_request_max = 200};
    struct zrpc_client_options client = {.control_request_max = 300, .control_response_max = 100};
    const struct zrpc_call_options call = {.deadline = ZRPC_NEVER};
    struct fixture f = {0};
    struct zrpc_error err;
    char message[400] = "";

    start(&f, &server, &client);
    CHECK_OK(zrpc_client_ping_control(f.client, &call, "short", &err));
    memset(message, 'x', 150); /* the answer is too long for the client */
    CHECK_CODE(zrpc_client_ping_control(f.client, &call, message, &err), ZRPC_ERR_TOO_BIG);
    memset(message, 'x', 250); /* for the server */
    CHECK_CODE(zrpc_client_ping_control(f.client, &call, message, &err), ZRPC_ERR_HANDLER);
    memset(message, 'x', 350); /* for the client to send */
    CHECK_CODE(zrpc_client_ping_control(f.client, &call, message, &err), ZRPC_ERR_TOO_BIG);
    stop(&f);

    server = (struct zrpc_server_options){.control_response_max = 100};
    client = (struct zrpc_client_options){0};
    f = (struct fixture){0};
    start(&f, &server, &client);
    message[150] = '\0';
    CHECK_CODE(zrpc_client_ping_control(f.client, &call, message, &err), ZRPC_ERR_HANDLER);
    CHECK_CONTAINS(err.text, "100");
    CHECK_OK(zrpc_client_ping_control(f.client, &call, "short", &err));
    stop(&f);
}

/* Which logger got lines. */
static atomic_uint lines[3];

static void count_line(void *ctx, enum zrpc_log_level level, const char *line)
{
    (void)level;
    (void)line;
    atomic_fetch_add((atomic_uint *)ctx, 1);
}

static void there_are_three_loggers(void)
{
    struct zrpc_server_options server = {0};
    struct zrpc_log logs[3];
    struct zrpc_client_options all = {.log = &logs[0], .log_control = &logs[1], .log_data = &logs[2]},
                               one = {.log = &logs[0]};
    struct fixture f = {0};
    struct zrpc_error err;

    for (int i = 0; i < 3; i++)
        logs[i] = (struct zrpc_log){.sink = count_line, .ctx = &lines[i], .level = ZRPC_LOG_DEBUG};
    start(&f, &server, &all);
    CHECK_OK(ping_data(f.client, ZRPC_NEVER, NULL, &err));
    CHECK(lines[0] == 0 && lines[2] > 0);
    CHECK_OK(ping_control(f.client, ZRPC_NEVER, NULL, &err));
    CHECK(lines[0] == 0);
    CHECK_OK(zrpc_client_wait_for_connectivity(f.client, zrpc_now() + PROMPT, NULL, &err));
    CHECK(lines[0] > 0);
    stop(&f);
    CHECK(lines[1] > 0);

    memset(lines, 0, sizeof lines);
    f = (struct fixture){0};
    start(&f, &server, &one);
    CHECK_OK(ping_data(f.client, ZRPC_NEVER, NULL, &err));
    CHECK(lines[0] > 0);
    stop(&f);
    CHECK(lines[0] > 1 && lines[1] == 0 && lines[2] == 0);
}

/* Which of the server's loggers got a line with this text. */
struct watch {
    const char *text;
    atomic_uint seen;
};

static void watch_lines(void *ctx, enum zrpc_log_level level, const char *line)
{
    struct watch *w = ctx;

    (void)level;
    if (strstr(line, w->text) != NULL)
        atomic_fetch_add(&w->seen, 1);
}

static void the_server_logs_each_call_to_its_kind(void)
{
    struct watch watches[] = {{.text = "Replication/"}, {.text = "Replication/"}, {.text = "/v1/ping"}};
    struct zrpc_log logs[3];
    struct zrpc_server_options server = {.log = &logs[0], .log_control = &logs[1], .log_data = &logs[2]};
    struct zrpc_client_options client = {0};
    Zrpc__Pb__DestroySnapshotsReq req = ZRPC__PB__DESTROY_SNAPSHOTS_REQ__INIT;
    Zrpc__Pb__DestroySnapshotsRes *res = NULL;
    struct fixture f = {0};
    struct zrpc_error err;

    for (int i = 0; i < 3; i++)
        logs[i] = (struct zrpc_log){.sink = watch_lines, .ctx = &watches[i], .level = ZRPC_LOG_DEBUG};
    start(&f, &server, &client);
    CHECK_OK(ping_data(f.client, ZRPC_NEVER, NULL, &err));
    CHECK(zrpc_client_destroy_snapshots(f.client, NULL, &req, &res, &err) < 0); /* there is no handler */
    CHECK_OK(ping_control(f.client, ZRPC_NEVER, NULL, &err));
    stop(&f);
    CHECK_INT(watches[0].seen, 0);
    CHECK_INT(watches[1].seen, 2);
    CHECK_INT(watches[2].seen, 1);
}

static int make_and_close(void *arg)
{
    static const struct zrpc_log log = {.sink = count_line, .ctx = &lines[0], .level = ZRPC_LOG_ERROR};
    const struct zrpc_client_options options = {.log = &log};
    struct zrpc_client *c = NULL;
    int rc = zrpc_client_new(((struct dead_end *)arg)->dialer, &options, &c, NULL);

    zrpc_client_close(c);
    return rc;
}

static void scarcity(void)
{
    struct zrpc_error err;
    struct dead_end d;

    begin(&d, &kinds[5]);
    CHECK(zrpc_alloc_each(make_and_close, &d) > 4);
    CHECK_INT(zrpc_resource_each(make_and_close, &d), 4); /* two descriptors, two threads */
    for (long n = 1; n <= 4; n++) {                       /* of waiting: two descriptors, two threads */
        struct zrpc_client *c = client_of(d.dialer);

        zrpc_resource_fail_at(n);
        CHECK(zrpc_client_wait_for_connectivity(c, zrpc_now() + 100 * MS, NULL, &err) < 0);
        zrpc_resource_fail_at(0);
        zrpc_client_close(c);
    }
    end(&d);
}

static const struct zrpc_test tests[] = {
    {"deadlines end calls in every step", deadlines_end_calls_in_every_step},
    {"calls can be cancelled in every step", calls_can_be_cancelled_in_every_step},
    {"closing ends an attempt in every step", closing_ends_an_attempt_in_every_step},
    {"where nobody listens, waiting goes on until its deadline",
     where_nobody_listens_waiting_goes_on_until_its_deadline},
    {"a server that hangs up is tried again", a_server_that_hangs_up_is_tried_again},
    {"a server of another kind is given up", a_server_of_another_kind_is_given_up},
    {"messages have limits", messages_have_limits},
    {"there are three loggers", there_are_three_loggers},
    {"the server logs each call to its kind", the_server_logs_each_call_to_its_kind},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("client", tests, argc, argv);
}
