/* tcp: what the protocol runs on, and the plain loop beside it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "benchmark.h"

static int listen_on(const struct benchmark *b, const char *address, struct zrpc_listener **out,
                     struct zrpc_error *err)
{
    static const struct zrpc_tcp_client loopback[] = {{"127.0.0.1", "benchmark"}, {"::1", "benchmark"}};

    (void)b;
    return zrpc_tcp_listen(address, loopback, 2, out, err);
}

static int dialer_to(const struct benchmark *b, struct zrpc_dialer **out, struct zrpc_error *err)
{
    return zrpc_tcp_dialer(b->address, ZRPC_DIAL_TIMEOUT_DEFAULT, out, err);
}

enum { CHUNK = BENCHMARK_CHUNK };

/* The plain loop's sender writes `bytes` and half-closes, its receiver reads to the end. Both block. */
static int plain_write(int fd, uint64_t bytes, struct zrpc_error *err)
{
    static char chunk[CHUNK];

    while (bytes > 0) {
        ssize_t n = write(fd, chunk, bytes < CHUNK ? bytes : CHUNK);

        if (n < 0)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "write");
        bytes -= (uint64_t)n;
    }
    shutdown(fd, SHUT_WR);
    return 0;
}

static int plain_read(int fd, uint64_t bytes, struct zrpc_error *err)
{
    static char chunk[CHUNK];
    uint64_t got = 0;
    ssize_t n;

    while ((n = read(fd, chunk, CHUNK)) > 0)
        got += (uint64_t)n;
    if (n < 0 || got != bytes)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, n < 0 ? errno : 0, "read %llu of %llu bytes",
                               (unsigned long long)got, (unsigned long long)bytes);
    return 0;
}

static int blocking(struct zrpc_wire *wire)
{
    int fd = zrpc_wire_wait(wire, ZRPC_READ).fd;

    return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0 ? -1 : fd;
}

/* The plain loop's server, in a process of its own: writes, or reads and says when it has all. */
static int plain_server(struct benchmark *b, struct zrpc_listener *l, struct zrpc_error *err)
{
    for (;;) {
        struct zrpc_accepted accepted;
        int fd, rc;

        while ((rc = l->ops->accept(l, &accepted, err)) == ZRPC_ERR_AGAIN)
            poll(&(struct pollfd){.fd = l->ops->fd(l), .events = POLLIN}, 1, -1);
        if (rc < 0)
            return rc;
        fd = blocking(accepted.wire);
        rc = b->direction[0] == 's' ? plain_write(fd, b->bytes, err) : plain_read(fd, b->bytes, err);
        zrpc_wire_close(accepted.wire);
        if (rc < 0)
            return rc;
    }
}

static int plain_client(struct benchmark *b, struct zrpc_error *err)
{
    struct zrpc_dialer *dialer;
    struct zrpc_wire *wire;
    int fd, rc = dialer_to(b, &dialer, err);

    if (rc < 0)
        return rc;
    rc = dialer->ops->dial(dialer, ZRPC_NEVER, NULL, &wire, err);
    dialer->ops->close(dialer);
    if (rc < 0)
        return rc;
    fd = blocking(wire);
    if (b->direction[0] == 's') {
        rc = plain_read(fd, b->bytes, err);
    } else {
        rc = plain_write(fd, b->bytes, err);
        if (rc == 0)
            rc = plain_read(fd, 0, err); /* the receiver closes when it has all */
    }
    zrpc_wire_close(wire);
    return rc;
}

const struct benchmark_transport benchmark_tcp = {
    .name = "tcp",
    .listen = listen_on,
    .dialer = dialer_to,
    .plain_server = plain_server,
    .plain_client = plain_client,
};
