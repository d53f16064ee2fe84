#include "zrpc/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/tcp_clients.h"
#include "transport/tcp_socket.h"

struct tcp_listener {
    struct zrpc_listener base;
    int fd;
    char address[ZRPC_ADDRESS_MAX];
    size_t n_clients;
    struct zrpc_tcp_client_entry clients[];
};

static int tcp_accept(struct zrpc_listener *listener, struct zrpc_accepted *out, struct zrpc_error *err)
{
    const struct tcp_listener *l = (const struct tcp_listener *)listener;
    struct sockaddr_storage peer = {0};
    int fd, rc = zrpc_tcp_accept(l->fd, &fd, &peer, err);

    if (rc == ZRPC_ERR_AGAIN)
        return rc;
    if (rc < 0)
        return zrpc_error_prefix(err, rc, "%s", l->address);
    *out = (struct zrpc_accepted){0};
    zrpc_tcp_format("tcp", &peer, out->peer);
    if (!zrpc_tcp_client_identify(l->clients, l->n_clients, &peer, out->identity))
        rc = zrpc_fail(err, ZRPC_ERR_REFUSED_IDENTITY, "%s: client %s: its IP is not among the clients",
                       l->address, out->peer);
    else
        rc = zrpc_wire_from_fds("tcp", fd, fd, &out->wire, err);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return 0;
}

static int tcp_fd(const struct zrpc_listener *listener)
{
    return ((const struct tcp_listener *)listener)->fd;
}

static const char *tcp_listener_address(const struct zrpc_listener *listener)
{
    return ((const struct tcp_listener *)listener)->address;
}

static void tcp_listener_close(struct zrpc_listener *listener)
{
    struct tcp_listener *l = (struct tcp_listener *)listener;

    if (l->fd >= 0)
        close(l->fd);
    free(l);
}

static const struct zrpc_listener_ops listener_ops = {
    .name = "tcp",
    .accept = tcp_accept,
    .fd = tcp_fd,
    .address = tcp_listener_address,
    .close = tcp_listener_close,
};

static int add_client(struct tcp_listener *l, const struct zrpc_tcp_client *in, struct zrpc_error *err)
{
    struct zrpc_tcp_client_entry *e = &l->clients[l->n_clients];
    int rc = zrpc_tcp_client_parse(in, e, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < l->n_clients; i++)
        if (zrpc_tcp_client_same(&l->clients[i], e))
            return zrpc_fail(err, ZRPC_ERR_USAGE, "tcp clients: %s is listed twice", in->ip);
    l->n_clients++;
    return 0;
}

int zrpc_tcp_listen(const char *address, const struct zrpc_tcp_client *clients, size_t n,
                    struct zrpc_listener **out, struct zrpc_error *err)
{
    struct tcp_listener *l = calloc(1, sizeof *l + n * sizeof l->clients[0]);
    struct zrpc_tcp_address at;
    int rc = 0;

    if (l == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "tcp:%s: no memory for %zu clients", address, n);
    l->base.ops = &listener_ops;
    l->fd = -1;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add_client(l, &clients[i], err);
    if (rc == 0)
        rc = zrpc_tcp_address_parse(address, &at, err);
    if (rc == 0)
        rc = zrpc_tcp_bind(&at, &l->fd, err);
    if (rc == 0)
        rc = zrpc_tcp_local_address("tcp", l->fd, l->address, err);
    if (rc < 0) {
        tcp_listener_close(&l->base);
        return rc;
    }
    *out = &l->base;
    return 0;
}

struct tcp_dialer {
    struct zrpc_dialer base;
    struct zrpc_tcp_address to;
    zrpc_time timeout;
    char address[ZRPC_ADDRESS_MAX];
};

static int tcp_dial(struct zrpc_dialer *dialer, zrpc_time deadline, const struct zrpc_cancel *cancel,
                    struct zrpc_wire **out, struct zrpc_error *err)
{
    const struct tcp_dialer *d = (const struct tcp_dialer *)dialer;
    int fd, rc;

    deadline = zrpc_earlier(deadline, zrpc_deadline(zrpc_now(), d->timeout));
    rc = zrpc_tcp_connect(&d->to, deadline, cancel, &fd, err);
    if (rc < 0)
        return zrpc_tcp_dial_failed(d->address, rc, err);
    rc = zrpc_wire_from_fds("tcp", fd, fd, out, err);
    if (rc < 0)
        close(fd);
    return rc;
}

static const char *tcp_dialer_address(const struct zrpc_dialer *dialer)
{
    return ((const struct tcp_dialer *)dialer)->address;
}

static void tcp_dialer_close(struct zrpc_dialer *dialer)
{
    free(dialer);
}

static const struct zrpc_dialer_ops dialer_ops = {
    .name = "tcp",
    .dial = tcp_dial,
    .address = tcp_dialer_address,
    .close = tcp_dialer_close,
};

int zrpc_tcp_dialer(const char *address, zrpc_time dial_timeout, struct zrpc_dialer **out,
                    struct zrpc_error *err)
{
    struct tcp_dialer *d = calloc(1, sizeof *d);
    int rc;

    if (d == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "tcp:%s: no memory", address);
    d->base.ops = &dialer_ops;
    d->timeout = dial_timeout;
    snprintf(d->address, sizeof d->address, "tcp:%s", address);
    rc = zrpc_tcp_address_parse(address, &d->to, err);
    if (rc < 0) {
        free(d);
        return rc;
    }
    *out = &d->base;
    return 0;
}
