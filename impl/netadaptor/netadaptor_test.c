/* Accepting from listeners that fail in every way, and stopping. The listener is a script; what connects is a
 * pair of local wires. */
#include "zrpc/netadaptor.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "netadaptor/loglimit.h"
#include "testing/alloc.h"
#include "testing/loglines.h"
#include "testing/suite.h"
#include "zrpc/timeoutconn.h"
#include "zrpc/transport.h"

#define LONG (3600 * ZRPC_SECOND) /* a time that must not be what ends a test */

/* `failures` times `code`, then connections as long as there are, then `finally`. */
struct script {
    struct zrpc_listener base;
    int fd; /* always readable */
    int code, finally;
    atomic_long failures, calls;
    struct zrpc_wire *wires[4];
    int n_wires, taken;
    const char *identity;
    int (*authenticate)(struct zrpc_accepted *a, zrpc_time deadline, struct zrpc_error *err);
    atomic_bool closed;
};

static int script_accept(struct zrpc_listener *listener, struct zrpc_accepted *out, struct zrpc_error *err)
{
    struct script *s = (struct script *)listener;

    atomic_fetch_add(&s->calls, 1);
    if (atomic_load(&s->failures) > 0) {
        atomic_fetch_sub(&s->failures, 1);
        return zrpc_fail(err, s->code, "as the script has it");
    }
    if (s->taken < s->n_wires) {
        *out = (struct zrpc_accepted){.wire = s->wires[s->taken++], .authenticate = s->authenticate};
        snprintf(out->peer, sizeof out->peer, "script:%d", s->taken);
        snprintf(out->identity, sizeof out->identity, "%s", s->identity);
        return 0;
    }
    if (s->finally == ZRPC_ERR_AGAIN)
        eventfd_read(s->fd, &(eventfd_t){0});
    return s->finally == ZRPC_ERR_AGAIN ? ZRPC_ERR_AGAIN : zrpc_fail(err, s->finally, "the script is over");
}

static int script_fd(const struct zrpc_listener *listener)
{
    return ((const struct script *)listener)->fd;
}

static const char *script_address(const struct zrpc_listener *listener)
{
    (void)listener;
    return "script:0";
}

static void script_close(struct zrpc_listener *listener)
{
    struct script *s = (struct script *)listener;

    atomic_store(&s->closed, true);
    close(s->fd);
}

static const struct zrpc_listener_ops script_ops = {.name = "script",
                                                    .accept = script_accept,
                                                    .fd = script_fd,
                                                    .address = script_address,
                                                    .close = script_close};

/* The server: each connection is told its identity. */
struct fixture {
    struct script script;
    struct zrpc_wire *clients[4];
    struct loglines lines;
    struct zrpc_log log;
    struct zrpc_netadaptor_options options;
    struct zrpc_netadaptor *adaptor;
    atomic_int served;
    bool stay; /* until cancelled */
    pthread_t thread;
    struct zrpc_error err;
    int rc;
};

static int serve(void *ctx, struct zrpc_netconn *conn, struct zrpc_error *err)
{
    struct fixture *f = ctx;
    struct zrpc_timeoutconn *c;
    int rc;

    CHECK_OK(zrpc_timeoutconn_new(conn->wire, &c, NULL));
    rc = zrpc_timeoutconn_write(c, conn->identity, strlen(conn->identity), NULL, err);
    atomic_fetch_add(&f->served, 1);
    if (f->stay)
        zrpc_await(zrpc_cancel_wait(conn->cancel), ZRPC_NEVER, NULL, NULL);
    zrpc_timeoutconn_close(c);
    return rc;
}

static void prepare(struct fixture *f, int wires)
{
    memset(f, 0, sizeof *f);
    f->script = (struct script){.base.ops = &script_ops, .finally = ZRPC_ERR_AGAIN, .identity = "test"};
    f->script.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    for (; f->script.n_wires < wires; f->script.n_wires++) {
        struct zrpc_wire *pair[2];

        CHECK_OK(zrpc_local_pair(pair, NULL));
        f->script.wires[f->script.n_wires] = pair[0];
        f->clients[f->script.n_wires] = pair[1];
    }
    loglines_init(&f->lines, &f->log);
    f->options = (struct zrpc_netadaptor_options){.serve = serve, .ctx = f, .grace = LONG, .log = &f->log};
}

static void *run(void *arg)
{
    struct fixture *f = arg;

    f->rc = zrpc_netadaptor_run(f->adaptor, &f->err);
    return NULL;
}

static void start(struct fixture *f)
{
    CHECK_OK(zrpc_netadaptor_new(&f->options, &f->adaptor, NULL));
    CHECK_OK(zrpc_netadaptor_add(f->adaptor, &f->script.base, NULL));
    CHECK_INT(pthread_create(&f->thread, NULL, run, f), 0);
}

static void join(struct fixture *f)
{
    pthread_join(f->thread, NULL);
    zrpc_netadaptor_free(f->adaptor);
    for (int i = 0; i < f->script.n_wires; i++)
        zrpc_wire_close(f->clients[i]);
    CHECK(atomic_load(&f->script.closed));
    loglines_dispose(&f->lines);
}

static void stop(struct fixture *f)
{
    zrpc_netadaptor_stop(f->adaptor);
    join(f);
    CHECK_OK(f->rc);
}

/* What the i-th client reads until the end, "" where it was closed without a word. */
static const char *heard(struct fixture *f, int i)
{
    static char text[64];
    struct zrpc_timeoutconn *c;
    size_t n = 0;

    CHECK_OK(zrpc_timeoutconn_new(f->clients[i], &c, NULL));
    zrpc_timeoutconn_read_full(c, text, sizeof text - 1, &n, NULL);
    text[n] = '\0';
    f->clients[i] = zrpc_timeoutconn_release(c);
    return text;
}

static void connections_are_served(void)
{
    struct fixture f;

    prepare(&f, 4);
    start(&f);
    for (int i = 0; i < 4; i++)
        CHECK_STR(heard(&f, i), "test");
    stop(&f);
    CHECK_INT(atomic_load(&f.served), 4);
}

/* Want of descriptors or memory: the loop pauses, longer each time, and then goes on. */
static void scarcity_is_waited_out(void)
{
    static const int codes[] = {ZRPC_ERR_LIMIT, ZRPC_ERR_NOMEM, ZRPC_ERR_SYSTEM};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        zrpc_time began = zrpc_now();
        struct fixture f;

        prepare(&f, 1);
        f.script.code = codes[i];
        f.script.failures = 4;
        start(&f);
        CHECK_STR(heard(&f, 0), "test");
        CHECK(zrpc_now() - began >= (10 + 20 + 40 + 80) * ZRPC_MILLISECOND);
        CHECK_INT(loglines_count(&f.lines, "cannot accept"), 4);
        CHECK_INT(loglines_count(&f.lines, "pause=80ms"), 1);
        stop(&f);
    }
}

/* It never gets better: few attempts, fewer lines, and a stop is heard. */
static void lasting_scarcity_is_no_busy_loop(void)
{
    zrpc_time began = zrpc_now(), paused = 0, pause = 10 * ZRPC_MILLISECOND;
    struct fixture f;
    long calls = 0;

    prepare(&f, 0);
    f.script.code = ZRPC_ERR_LIMIT;
    f.script.failures = LONG_MAX;
    start(&f);
    usleep(300000);
    stop(&f);
    /* The most there can have been in the time that it took. */
    for (; paused <= zrpc_now() - began; paused += pause, pause *= 2)
        calls++;
    CHECK(atomic_load(&f.script.calls) <= calls);
}

/* What concerned one connection does not hold up the next: pauses would make this take minutes. */
static void lost_connections_cause_no_pause(void)
{
    struct fixture f;

    prepare(&f, 1);
    f.script.code = ZRPC_ERR_RESET;
    f.script.failures = 5000;
    start(&f);
    CHECK_STR(heard(&f, 0), "test");
    CHECK(loglines_count(&f.lines, "cannot accept") >= 10);
    CHECK(loglines_count(&f.lines, "cannot accept") < 100); /* the others are left out */
    stop(&f);
}

static void strangers_cause_no_pause(void)
{
    struct fixture f;

    prepare(&f, 1);
    f.script.code = ZRPC_ERR_REFUSED_IDENTITY;
    f.script.failures = 200;
    start(&f);
    CHECK_STR(heard(&f, 0), "test");
    CHECK_INT(loglines_count(&f.lines, "msg=\"connection refused\" err=\"as the script has it\""), 200);
    stop(&f);
}

static void a_broken_listener_ends_the_server(void)
{
    struct fixture f;

    prepare(&f, 1);
    f.script.finally = ZRPC_ERR_CLOSED;
    start(&f);
    CHECK_STR(heard(&f, 0), "test");
    pthread_join(f.thread, NULL);
    CHECK_CODE(f.rc, ZRPC_ERR_CLOSED);
    CHECK_STR(f.err.text, "there is no listener left");
    CHECK_INT(loglines_count(&f.lines, "level=error listener=script:0 msg=\"listener broken\""), 1);
    CHECK_INT(pthread_create(&f.thread, NULL, run, &f), 0); /* for join(); it ends at once */
    join(&f);
}

static void a_broken_listener_leaves_the_others(void)
{
    struct script broken = {.base.ops = &script_ops, .finally = ZRPC_ERR_CLOSED};
    struct fixture f;

    broken.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    prepare(&f, 1);
    f.script.code = ZRPC_ERR_LIMIT;
    f.script.failures = 3; /* so that the broken one breaks first */
    CHECK_OK(zrpc_netadaptor_new(&f.options, &f.adaptor, NULL));
    CHECK_OK(zrpc_netadaptor_add(f.adaptor, &broken.base, NULL));
    CHECK_OK(zrpc_netadaptor_add(f.adaptor, &f.script.base, NULL));
    CHECK_INT(pthread_create(&f.thread, NULL, run, &f), 0);
    CHECK_STR(heard(&f, 0), "test");
    CHECK(atomic_load(&broken.closed));
    CHECK_INT(atomic_load(&broken.calls), 1);
    stop(&f);
}

/* Nothing but authenticated connections get to serve. */
static int refuse(struct zrpc_accepted *a, zrpc_time deadline, struct zrpc_error *err)
{
    (void)deadline;
    return zrpc_fail(err, ZRPC_ERR_TLS, "client %s: nobody knows it", a->peer);
}

static int rename_client(struct zrpc_accepted *a, zrpc_time deadline, struct zrpc_error *err)
{
    (void)deadline;
    (void)err;
    strcpy(a->identity, "renamed");
    return 0;
}

static int be_slow(struct zrpc_accepted *a, zrpc_time deadline, struct zrpc_error *err)
{
    struct pollfd p = zrpc_wire_wait(a->wire, ZRPC_READ);

    if (poll(&p, 1, zrpc_poll_timeout(zrpc_now(), deadline)) == 0)
        return zrpc_fail(err, ZRPC_ERR_TIMEOUT, "client %s: too slow", a->peer);
    return zrpc_fail(err, ZRPC_ERR_CLOSED, "client %s: interrupted", a->peer);
}

static void serve_sees_the_authenticated_alone(void)
{
    static const struct {
        int (*authenticate)(struct zrpc_accepted *, zrpc_time, struct zrpc_error *);
        const char *identity, *heard, *line;
    } rows[] = {
        {rename_client, "", "renamed", NULL},
        {refuse, "", "", "code=TLS peer=script:1 msg=\"connection refused\" err=\"client script:1: nobody"},
        {be_slow, "", "", "code=TIMEOUT peer=script:1 msg=\"connection refused\""},
        {NULL, "", "", "code=REFUSED_IDENTITY"}, /* a transport that forgot to say who it is */
        {NULL, "a/b", "", "code=REFUSED_IDENTITY"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;

        prepare(&f, 1);
        f.script.authenticate = rows[i].authenticate;
        f.script.identity = rows[i].identity;
        f.options.authenticate_timeout = 20 * ZRPC_MILLISECOND;
        start(&f);
        CHECK_STR(heard(&f, 0), rows[i].heard);
        CHECK_INT(atomic_load(&f.served), rows[i].line == NULL ? 1 : 0);
        if (rows[i].line != NULL)
            loglines_await(&f.lines, rows[i].line, 1);
        stop(&f);
    }
}

static void a_stop_ends_authentication(void)
{
    struct fixture f;

    prepare(&f, 1);
    f.script.authenticate = be_slow;
    start(&f);
    while (atomic_load(&f.script.calls) < 2) /* the first one took the connection */
        usleep(1000);
    stop(&f); /* or it would take an hour */
    CHECK_INT(atomic_load(&f.served), 0);
}

static void connections_are_bounded(void)
{
    struct fixture f;

    prepare(&f, 2);
    f.options.max_connections = 1;
    f.stay = true;
    start(&f);
    CHECK_STR(heard(&f, 1), "");
    loglines_await(&f.lines, "code=LIMIT peer=script:2 msg=\"connection refused\" err=\"there are 1 conn", 1);
    zrpc_netadaptor_stop(f.adaptor);
    stop(&f); /* the second stop: the first connection stays until cancelled */
    CHECK_INT(atomic_load(&f.served), 1);
}

static void the_grace_period_ends(void)
{
    struct fixture f;

    prepare(&f, 1);
    f.options.grace = 30 * ZRPC_MILLISECOND;
    f.stay = true;
    start(&f);
    while (atomic_load(&f.served) == 0)
        usleep(1000);
    stop(&f);
}

static void listeners_are_bounded(void)
{
    struct script scripts[ZRPC_NETADAPTOR_LISTENERS_MAX + 1];
    struct zrpc_netadaptor *a;
    struct fixture f;

    prepare(&f, 0);
    CHECK_OK(zrpc_netadaptor_new(&f.options, &a, NULL));
    for (int i = 0; i <= ZRPC_NETADAPTOR_LISTENERS_MAX; i++) {
        scripts[i] = f.script;
        scripts[i].fd = dup(f.script.fd);
        CHECK_CODE(zrpc_netadaptor_add(a, &scripts[i].base, NULL),
                   i < ZRPC_NETADAPTOR_LISTENERS_MAX ? 0 : ZRPC_ERR_LIMIT);
    }
    zrpc_netadaptor_free(a);
    close(f.script.fd);
    loglines_dispose(&f.lines);
}

static void lines_are_bounded(void)
{
    struct zrpc_loglimit l = {.burst = 3, .interval = ZRPC_SECOND};
    unsigned long left_out = 99;
    zrpc_time now = 1000 * ZRPC_SECOND;

    for (int i = 0; i < 3; i++)
        CHECK(zrpc_loglimit_admit(&l, now, &left_out));
    CHECK_INT(left_out, 0);
    for (int i = 0; i < 7; i++)
        CHECK(!zrpc_loglimit_admit(&l, now, &left_out));
    now += ZRPC_SECOND;
    CHECK(zrpc_loglimit_admit(&l, now, &left_out));
    CHECK_INT(left_out, 7);
    CHECK(!zrpc_loglimit_admit(&l, now, &left_out));
    now += 100 * ZRPC_SECOND; /* the burst is whole again, and no more than that */
    for (int i = 0; i < 3; i++)
        CHECK(zrpc_loglimit_admit(&l, now, &left_out));
    CHECK(!zrpc_loglimit_admit(&l, now, &left_out));
}

static int make_and_free(void *arg)
{
    struct zrpc_netadaptor *a;
    int rc = zrpc_netadaptor_new(arg, &a, NULL);

    if (rc == 0)
        zrpc_netadaptor_free(a);
    return rc;
}

/* A connection for which there is no memory or no thread is refused, and the next one served. */
static void scarcity(void)
{
    struct zrpc_netadaptor_options options = {.serve = serve};

    CHECK_INT(zrpc_alloc_each(make_and_free, &options), 1);
    CHECK_INT(zrpc_resource_each(make_and_free, &options), 4);
    for (int i = 0; i < 2; i++) {
        struct fixture f;

        prepare(&f, 2);
        CHECK_OK(zrpc_netadaptor_new(&f.options, &f.adaptor, NULL));
        CHECK_OK(zrpc_netadaptor_add(f.adaptor, &f.script.base, NULL));
        if (i == 0)
            zrpc_alloc_fail_at(1);
        else
            zrpc_resource_fail_at(2); /* the first is this test's own thread */
        CHECK_INT(pthread_create(&f.thread, NULL, run, &f), 0);
        loglines_await(&f.lines, "msg=\"connection refused\" err=\"no ", 1);
        CHECK_STR(heard(&f, 0), "");
        CHECK_STR(heard(&f, 1), "test");
        stop(&f);
    }
}

static const struct zrpc_test tests[] = {
    {"connections are served", connections_are_served},
    {"scarcity is waited out", scarcity_is_waited_out},
    {"lasting scarcity is no busy loop", lasting_scarcity_is_no_busy_loop},
    {"lost connections cause no pause", lost_connections_cause_no_pause},
    {"strangers cause no pause", strangers_cause_no_pause},
    {"a broken listener ends the server", a_broken_listener_ends_the_server},
    {"a broken listener leaves the others", a_broken_listener_leaves_the_others},
    {"serve sees the authenticated alone", serve_sees_the_authenticated_alone},
    {"a stop ends authentication", a_stop_ends_authentication},
    {"connections are bounded", connections_are_bounded},
    {"the grace period ends", the_grace_period_ends},
    {"listeners are bounded", listeners_are_bounded},
    {"log lines are bounded", lines_are_bounded},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("netadaptor", tests, argc, argv);
}
