#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "wireevaluator/transport.h"

#define SLICE_MS 20 /* how soon accepting ends when dialling has failed */

struct accepting {
    struct zrpc_listener *listener;
    zrpc_time deadline;
    atomic_bool given_up;
    struct zrpc_accepted accepted;
    int rc;
    struct zrpc_error err;
};

static int accept_one(struct accepting *a)
{
    struct pollfd p = {.fd = a->listener->ops->fd(a->listener), .events = POLLIN};
    int rc = ZRPC_ERR_AGAIN;

    while (rc == ZRPC_ERR_AGAIN) {
        if (atomic_load(&a->given_up) || zrpc_now() >= a->deadline)
            return zrpc_fail(&a->err, ZRPC_ERR_TIMEOUT, "nobody to accept");
        if (poll(&p, 1, SLICE_MS) > 0)
            rc = a->listener->ops->accept(a->listener, &a->accepted, &a->err);
    }
    if (rc == 0 && a->accepted.authenticate != NULL) {
        rc = a->accepted.authenticate(&a->accepted, a->deadline, &a->err);
        if (rc < 0)
            zrpc_wire_close(a->accepted.wire);
    }
    return rc;
}

static void *accept_main(void *arg)
{
    struct accepting *a = arg;

    a->rc = accept_one(a);
    return NULL;
}

static int prepare(struct zrpc_eval_listening *t, struct zrpc_error *err)
{
    int rc = 0;

    if (t->listener == NULL)
        rc = t->ops->listen(t, &t->listener, err);
    if (rc == 0 && t->dialer == NULL)
        rc = t->ops->dialer(t, t->listener, &t->dialer, err);
    return rc;
}

static int open_pair(struct zrpc_evaluated *base, zrpc_time deadline, struct zrpc_wire *out[2],
                     struct zrpc_error *err)
{
    struct zrpc_eval_listening *t = (struct zrpc_eval_listening *)base;
    struct accepting a = {.deadline = deadline};
    pthread_t thread;
    int rc = prepare(t, err);

    if (rc < 0)
        return rc;
    a.listener = t->listener;
    if (pthread_create(&thread, NULL, accept_main, &a) != 0)
        return zrpc_fail(err, ZRPC_ERR_SYSTEM, "a thread that accepts");
    rc = t->dialer->ops->dial(t->dialer, deadline, NULL, &out[0], err);
    atomic_store(&a.given_up, rc < 0);
    pthread_join(thread, NULL);
    if (rc == 0 && a.rc == 0) {
        out[1] = a.accepted.wire;
        return 0;
    }
    if (a.rc == 0)
        zrpc_wire_close(a.accepted.wire);
    if (rc == 0) {
        zrpc_wire_close(out[0]);
        *err = a.err;
        rc = zrpc_error_prefix(err, a.rc, "accept");
    }
    return rc;
}

/* A TCP connection is reset, whatever is on top of it. One that carries tls may also just end, as when a
 * process is killed that has read everything: that is what every second one does. The socket of a local wire
 * resets the peer by itself when bytes are unread. Others are told that this is no end in order, and close.
 */
static void vanish(struct zrpc_evaluated *base, struct zrpc_wire *wire)
{
    struct zrpc_eval_listening *t = (struct zrpc_eval_listening *)base;
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int fd = zrpc_wire_wait(wire, ZRPC_WRITE).fd, domain = AF_UNSPEC;
    bool just_ends = strcmp(wire->ops->name, "tls") == 0 && t->vanished++ % 2 == 1;
    socklen_t len = sizeof domain;

    (void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    if (!just_ends && (domain == AF_INET || domain == AF_INET6))
        (void)connect(fd, &nobody, sizeof nobody);
    else if (strcmp(wire->ops->name, "local") != 0)
        zrpc_wire_shutdown(wire);
    zrpc_wire_close(wire);
}

static const char *configuration(const struct zrpc_evaluated *base)
{
    return ((const struct zrpc_eval_listening *)base)->configuration;
}

static void close_listening(struct zrpc_evaluated *base)
{
    struct zrpc_eval_listening *t = (struct zrpc_eval_listening *)base;

    if (t->dialer != NULL)
        t->dialer->ops->close(t->dialer);
    if (t->listener != NULL)
        t->listener->ops->close(t->listener);
    t->ops->release(t);
}

void zrpc_eval_listening_init(struct zrpc_eval_listening *t, const char *name, const char *text,
                              const struct zrpc_eval_listening_ops *ops)
{
    memset(t, 0, sizeof *t);
    t->vtable = (struct zrpc_evaluated_ops){.name = name,
                                            .open_pair = open_pair,
                                            .vanish = vanish,
                                            .configuration = configuration,
                                            .close = close_listening};
    t->base.ops = &t->vtable;
    t->ops = ops;
    t->configuration = text;
}
