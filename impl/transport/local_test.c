#include "testing/wire_contract.h"

#include "testing/alloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "zrpc/transport.h"

/* Dialling waits for the listener, so it has a thread of its own. */
struct dialling {
    const char *endpoint;
    zrpc_time timeout, deadline;
    struct zrpc_wire *wire;
    struct zrpc_error err;
    int rc;
    atomic_int tid;
    pthread_t thread;
};

static void *dial(void *arg)
{
    struct dialling *d = arg;
    struct zrpc_dialer *dialer = NULL;

    atomic_store(&d->tid, gettid());
    d->rc = zrpc_dialer_parse(d->endpoint, d->timeout, &dialer, &d->err);
    if (d->rc < 0)
        return NULL;
    d->rc = dialer->ops->dial(dialer, d->deadline, NULL, &d->wire, &d->err);
    dialer->ops->close(dialer);
    return NULL;
}

static void start(struct dialling *d, const char *endpoint)
{
    *d = (struct dialling){.endpoint = endpoint, .timeout = 0, .deadline = ZRPC_NEVER};
    CHECK_INT(pthread_create(&d->thread, NULL, dial, d), 0);
}

static int finish(struct dialling *d)
{
    CHECK_INT(pthread_join(d->thread, NULL), 0);
    return d->rc;
}

static bool wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 20000) == 1;
}

static int accept_next(struct zrpc_listener *l, struct zrpc_accepted *out, struct zrpc_error *err)
{
    CHECK(wait_readable(l->ops->fd(l)));
    return l->ops->accept(l, out, err);
}

static void accepts_with_identity(void)
{
    struct zrpc_listener *l;
    struct zrpc_accepted accepted;
    struct zrpc_error err = {0};
    struct dialling d;
    struct iovec iov = {.iov_base = (char[]){"hello"}, .iov_len = 5};
    char buf[6] = "";

    if (!CHECK_OK(zrpc_local_listen("sink", &l, &err)))
        return;
    CHECK_STR(l->ops->name, "local");
    CHECK_STR(l->ops->address(l), "local:sink");
    CHECK_CODE(l->ops->accept(l, &accepted, &err), ZRPC_ERR_AGAIN);
    start(&d, "local:client 1@sink");
    if (CHECK_OK(accept_next(l, &accepted, &err)) && CHECK_OK(finish(&d))) {
        CHECK_STR(accepted.identity, "client 1");
        CHECK_STR(accepted.peer, "local:sink");
        CHECK_INT(zrpc_wire_writev(d.wire, &iov, 1, &err), 5);
        iov.iov_base = buf;
        CHECK_INT(zrpc_wire_readv(accepted.wire, &iov, 1, &err), 5);
        CHECK_STR(buf, "hello");
        zrpc_wire_close(d.wire);
        zrpc_wire_close(accepted.wire);
    }
    CHECK_CODE(l->ops->accept(l, &accepted, &err), ZRPC_ERR_AGAIN);
    l->ops->close(l);
}

static void listeners_have_names(void)
{
    struct zrpc_listener *a, *b, *again;
    struct zrpc_error err = {0};
    char too_long[300];

    CHECK_OK(zrpc_local_listen("a", &a, &err));
    CHECK_OK(zrpc_local_listen("b", &b, &err));
    CHECK_CODE(zrpc_local_listen("a", &again, &err), ZRPC_ERR_LISTEN);
    CHECK_STR(err.text, "local:a: somebody listens there already");
    a->ops->close(a);
    CHECK_OK(zrpc_local_listen("a", &again, &err));
    again->ops->close(again);
    b->ops->close(b);
    snprintf(too_long, sizeof too_long, "%0299d", 0);
    CHECK_CODE(zrpc_local_listen("", &a, &err), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_local_listen(too_long, &a, &err), ZRPC_ERR_USAGE);
}

static void nobody_listens(void)
{
    struct dialling d = {
        .endpoint = "local:me@nowhere", .timeout = 20 * ZRPC_MILLISECOND, .deadline = ZRPC_NEVER};

    dial(&d);
    CHECK_CODE(d.rc, ZRPC_ERR_TIMEOUT);
    CHECK_STR(d.err.text, "dial local:nowhere: nobody listens there");
}

static void wait_dialling(const struct dialling *d)
{
    while (atomic_load(&d->tid) == 0)
        usleep(1000);
    zrpc_wait_blocked(atomic_load(&d->tid));
}

/* Begins without a listener, outlives one, and meets the next, as do those at other names. */
static void dialling_waits_for_a_listener(void)
{
    struct zrpc_listener *l, *other;
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    struct dialling d[2];

    start(&d[0], "local:a@late");
    wait_dialling(&d[0]);
    start(&d[1], "local:b@late");
    wait_dialling(&d[1]);
    if (CHECK_OK(zrpc_local_listen("late", &l, &err))) {
        CHECK(wait_readable(l->ops->fd(l)));
        l->ops->close(l);
    }
    if (!CHECK_OK(zrpc_local_listen("late", &l, &err)) || !CHECK_OK(zrpc_local_listen("other", &other, &err)))
        return;
    CHECK_CODE(other->ops->accept(other, &accepted, &err), ZRPC_ERR_AGAIN);
    for (int i = 0; i < 2; i++) {
        if (CHECK_OK(accept_next(l, &accepted, &err)) && CHECK_OK(finish(&d[i]))) {
            CHECK_STR(accepted.identity, i == 0 ? "a" : "b"); /* in the order they came */
            zrpc_wire_close(d[i].wire);
            zrpc_wire_close(accepted.wire);
        }
    }
    CHECK_INT(poll(&(struct pollfd){.fd = l->ops->fd(l), .events = POLLIN}, 1, 0), 0);
    l->ops->close(l);
    other->ops->close(other);
}

static void dialling_times_out_and_leaves_the_queue(void)
{
    struct zrpc_listener *l;
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    struct dialling d = {
        .endpoint = "local:me@slow", .timeout = 20 * ZRPC_MILLISECOND, .deadline = ZRPC_NEVER};

    if (!CHECK_OK(zrpc_local_listen("slow", &l, &err)))
        return;
    dial(&d);
    CHECK_CODE(d.rc, ZRPC_ERR_TIMEOUT);
    CHECK_STR(d.err.text, "dial local:slow: not accepted in time");
    d.timeout = 0;
    d.deadline = zrpc_now() + 20 * ZRPC_MILLISECOND;
    dial(&d);
    CHECK_CODE(d.rc, ZRPC_ERR_TIMEOUT);
    CHECK_CODE(l->ops->accept(l, &accepted, &err), ZRPC_ERR_AGAIN);
    CHECK_INT(poll(&(struct pollfd){.fd = l->ops->fd(l), .events = POLLIN}, 1, 0), 0);
    l->ops->close(l);
}

/* Every third one is in a hurry and may leave from any place in the queue. */
static void many_dial_at_once(void)
{
    enum { N = 24 };
    struct zrpc_listener *l;
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    struct dialling d[N];
    int in = 0, out = 0, in_time = 0;

    if (!CHECK_OK(zrpc_local_listen("busy", &l, &err)))
        return;
    for (int i = 0; i < N; i++) {
        d[i] = (struct dialling){.endpoint = i % 3 == 1 ? "local:hasty@busy" : "local:calm@busy",
                                 .deadline = ZRPC_NEVER};
        d[i].timeout = i % 3 == 1 ? (i % 5 + 1) * ZRPC_MILLISECOND : 0;
        CHECK_INT(pthread_create(&d[i].thread, NULL, dial, &d[i]), 0);
    }
    while (in_time < 2 * N / 3 && wait_readable(l->ops->fd(l))) {
        int rc = l->ops->accept(l, &accepted, &err);

        if (rc == ZRPC_ERR_AGAIN) /* somebody hasty has left */
            continue;
        in += CHECK_OK(rc);
        in_time += strcmp(accepted.identity, "calm") == 0;
        zrpc_wire_close(accepted.wire);
    }
    for (int i = 0; i < N; i++) {
        int rc = finish(&d[i]);

        CHECK(rc == 0 || (rc == ZRPC_ERR_TIMEOUT && i % 3 == 1));
        out += rc == 0;
        if (rc == 0)
            zrpc_wire_close(d[i].wire);
    }
    CHECK_INT(out, in);
    CHECK_CODE(l->ops->accept(l, &accepted, &err), ZRPC_ERR_AGAIN);
    l->ops->close(l);
}

static void bad_dialers(void)
{
    struct zrpc_dialer *d;
    struct zrpc_error err = {0};

    CHECK_CODE(zrpc_local_dialer("l", "a/b", 0, &d, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "must not contain '/'");
    CHECK_CODE(zrpc_local_dialer("", "a", 0, &d, &err), ZRPC_ERR_USAGE);
    if (CHECK_OK(zrpc_local_dialer("l", "a", 0, &d, &err))) {
        CHECK_STR(d->ops->address(d), "local:l");
        CHECK_STR(d->ops->name, "local");
        d->ops->close(d);
    }
}

/* Nobody accepts, so dialling itself ends with a timeout when nothing else fails. */
static int listen_and_dial(void *arg)
{
    struct dialling d = {.endpoint = "local:me@scarce", .deadline = 1};
    struct zrpc_listener *l;
    int rc = zrpc_local_listen("scarce", &l, NULL);

    (void)arg;
    if (rc < 0)
        return rc;
    dial(&d);
    l->ops->close(l);
    return d.rc == ZRPC_ERR_TIMEOUT ? 0 : d.rc;
}

static void scarcity(void)
{
    CHECK_INT(zrpc_alloc_each(listen_and_dial, NULL), 5);
    CHECK_INT(zrpc_resource_each(listen_and_dial, NULL), 3);
}

static const struct zrpc_test tests[] = {
    {"accepts with identity", accepts_with_identity},
    {"listeners have names", listeners_have_names},
    {"nobody listens", nobody_listens},
    {"dialling times out and leaves the queue", dialling_times_out_and_leaves_the_queue},
    {"dialling waits for a listener", dialling_waits_for_a_listener},
    {"many dial at once", many_dial_at_once},
    {"bad dialers", bad_dialers},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("local", tests, argc, argv);
}
