#include "testing/wire_contract.h"

#include "testing/alloc.h"

#include <stdlib.h>
#include <unistd.h>

#include "zrpc/timeoutconn.h"
#include "zrpc/transport.h"

static int make_local_pair(struct zrpc_wire *out[2])
{
    return zrpc_local_pair(out, NULL);
}

static int make_pipe_pair(struct zrpc_wire *out[2])
{
    int there[2], back[2];

    if (pipe(there) < 0 || pipe(back) < 0)
        return ZRPC_ERR_SYSTEM;
    return zrpc_wire_from_fds("pipe", back[0], there[1], &out[0], NULL) +
           zrpc_wire_from_fds("pipe", there[0], back[1], &out[1], NULL);
}

static int make_tcp_pair(struct zrpc_wire *out[2])
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "me"}};
    struct zrpc_listener *listener = NULL;
    struct zrpc_dialer *dialer = NULL;
    struct zrpc_accepted accepted;
    int rc = zrpc_tcp_listen("127.0.0.1:0", clients, 1, &listener, NULL);

    if (rc < 0)
        return rc;
    rc = zrpc_dialer_parse(listener->ops->address(listener), ZRPC_DIAL_TIMEOUT_DEFAULT, &dialer, NULL);
    if (rc == 0) {
        rc = dialer->ops->dial(dialer, ZRPC_NEVER, NULL, &out[0], NULL);
        dialer->ops->close(dialer);
    }
    while (rc == 0 && (rc = listener->ops->accept(listener, &accepted, NULL)) == ZRPC_ERR_AGAIN) {
        struct pollfd p = {.fd = listener->ops->fd(listener), .events = POLLIN};

        rc = poll(&p, 1, -1) < 0 ? ZRPC_ERR_SYSTEM : 0;
    }
    if (rc == 0)
        out[1] = accepted.wire;
    for (int i = 0; rc == 0 && i < 2; i++)
        zrpc_limit_buffers(zrpc_wire_wait(out[i], ZRPC_READ).fd);
    listener->ops->close(listener);
    return rc;
}

ZRPC_WIRE_CONTRACT(tcp, make_tcp_pair)
ZRPC_WIRE_CONTRACT(local, make_local_pair)
ZRPC_WIRE_CONTRACT(pipes, make_pipe_pair)

/* A wire that takes and gives one byte at a time, is never ready the first time, and half-closes at the third
 * try: what timeoutconn must cope with and sockets rarely show. */
struct slow_wire {
    struct zrpc_wire base;
    int calls;
    int closed;
};

static ssize_t slow_readv(struct zrpc_wire *w, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct slow_wire *s = (struct slow_wire *)w;

    (void)n;
    (void)err;
    if (++s->calls % 2 == 1)
        return ZRPC_ERR_AGAIN;
    *(char *)iov[0].iov_base = (char)('a' + s->calls / 2 % 26);
    return 1;
}

static ssize_t slow_writev(struct zrpc_wire *w, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct slow_wire *s = (struct slow_wire *)w;

    (void)iov;
    (void)n;
    (void)err;
    return ++s->calls % 2 == 1 ? ZRPC_ERR_AGAIN : 1;
}

static int slow_close_write(struct zrpc_wire *w, struct zrpc_error *err)
{
    (void)err;
    return ++((struct slow_wire *)w)->calls < 3 ? ZRPC_ERR_AGAIN : 0;
}

static struct pollfd slow_wait(struct zrpc_wire *w, enum zrpc_direction dir)
{
    (void)w;
    (void)dir;
    return (struct pollfd){.fd = -1};
}

static void slow_close(struct zrpc_wire *w)
{
    ((struct slow_wire *)w)->closed++;
}

static const struct zrpc_wire_ops slow_ops = {
    .name = "slow",
    .readv = slow_readv,
    .writev = slow_writev,
    .close_write = slow_close_write,
    .wait = slow_wait,
    .close = slow_close,
};

static void wires_that_are_not_polled(void)
{
    struct slow_wire wire = {.base.ops = &slow_ops};
    struct zrpc_timeoutconn *c;
    struct zrpc_error err;
    char buf[4] = "";
    size_t done = 0;

    if (!CHECK_OK(zrpc_timeoutconn_new(&wire.base, &c, &err)))
        return;
    CHECK_OK(zrpc_timeoutconn_read_full(c, buf, 3, NULL, &err));
    CHECK_STR(buf, "bcd");
    CHECK_OK(zrpc_timeoutconn_write(c, "12345", 5, &done, &err));
    CHECK_INT(done, 5);
    wire.calls = 0;
    CHECK_OK(zrpc_timeoutconn_close_write(c, &err));
    CHECK_INT(wire.calls, 3);
    zrpc_timeoutconn_close(c);
    CHECK_INT(wire.closed, 1);
}

/* The wire is closed in every case. */
static int make_one(void *arg)
{
    struct slow_wire wire = {.base.ops = &slow_ops};
    struct zrpc_timeoutconn *c;
    struct zrpc_error err;
    int rc = zrpc_timeoutconn_new(&wire.base, &c, &err);

    (void)arg;
    if (rc == 0)
        zrpc_timeoutconn_close(c);
    CHECK_INT(wire.closed, 1);
    return rc;
}

static void scarcity(void)
{
    CHECK_INT(zrpc_alloc_each(make_one, NULL), 1);
    CHECK_INT(zrpc_resource_each(make_one, NULL), 2);
}

static const struct zrpc_test tests[] = {
    ZRPC_WIRE_CONTRACT_ROWS(tcp) ZRPC_WIRE_CONTRACT_ROWS(local)
        ZRPC_WIRE_CONTRACT_ROWS(pipes){"wires that are not polled", wires_that_are_not_polled},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("timeoutconn", tests, argc, argv);
}
