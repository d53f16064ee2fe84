#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "benchmark.h"
#include "cli/output.h"
#include "noop.h"

static int open_source(const struct benchmark *b, struct zrpc_source *out, struct zrpc_error *err)
{
    int fd;

    if (b->noop_reader) {
        noop_source(b->noop, b->bytes, out);
        return 0;
    }
    fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    return fd >= 0 ? zrpc_source_from_fd(fd, out, err)
                   : zrpc_fail_errno(err, ZRPC_ERR_SOURCE, errno, "stdin");
}

static int open_sink(const struct benchmark *b, struct zrpc_sink *out, struct zrpc_error *err)
{
    int fd;

    if (b->noop_writer) {
        noop_sink(out);
        return 0;
    }
    fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    return fd >= 0 ? zrpc_sink_from_fd(fd, out, err) : zrpc_fail_errno(err, ZRPC_ERR_SINK, errno, "stdout");
}

static int handle_send(void *ctx, struct zrpc_call *call, const Zrpc__Pb__SendReq *req,
                       Zrpc__Pb__SendRes *res, struct zrpc_source *source, struct zrpc_error *err)
{
    (void)call;
    (void)req;
    (void)res;
    return open_source(ctx, source, err);
}

static int handle_receive(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReceiveReq *req,
                          struct zrpc_sink *sink, struct zrpc_error *err)
{
    (void)call;
    (void)req;
    return open_sink(ctx, sink, err);
}

static const struct zrpc_handler_ops handler_ops = {.send = handle_send, .receive = handle_receive};

static int accept_one(struct zrpc_listener *l, struct zrpc_accepted *accepted, struct zrpc_error *err)
{
    struct pollfd waiting = {.fd = l->ops->fd(l), .events = POLLIN};
    int rc;

    while ((rc = l->ops->accept(l, accepted, err)) == ZRPC_ERR_AGAIN)
        poll(&waiting, 1, -1);
    if (rc == 0 && accepted->authenticate != NULL) {
        rc = accepted->authenticate(accepted, ZRPC_NEVER, err);
        if (rc < 0)
            zrpc_wire_close(accepted->wire);
    }
    return rc;
}

int benchmark_server(struct benchmark *b, struct zrpc_listener *l, struct zrpc_error *err)
{
    const struct zrpc_handler handler = {.ops = &handler_ops, .ctx = b};
    const struct zrpc_dataconn_options options = {0};
    struct zrpc_workpool *pool;
    int rc = zrpc_workpool_new(1, 1, &pool, err);

    while (rc == 0) {
        const struct zrpc_dataconn_service service = {.handler = &handler, .pools = {pool, pool}};
        struct zrpc_accepted accepted;
        struct zrpc_call call = {.deadline = ZRPC_NEVER};

        rc = accept_one(l, &accepted, err);
        if (rc < 0)
            break;
        call.client_identity = accepted.identity;
        call.peer = accepted.peer;
        /* One broken connection does not end the server. */
        if (zrpc_dataconn_serve(accepted.wire, &options, &service, &call, err) < 0)
            cli_complain("microbenchmark", accepted.peer, err->text);
    }
    zrpc_workpool_close(pool);
    return rc;
}

static int on_response(void *ctx, const Zrpc__Pb__SendRes *res, struct zrpc_sink *sink,
                       struct zrpc_error *err)
{
    (void)res;
    return open_sink(ctx, sink, err);
}

static int client_send(struct benchmark *b, struct zrpc_wire *wire,
                       const struct zrpc_dataconn_options *options, struct zrpc_error *err)
{
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__SendRes *res = NULL;
    int rc = zrpc_dataconn_send(wire, options, &req, on_response, b, &res, err);

    if (res != NULL)
        zrpc__pb__send_res__free_unpacked(res, NULL);
    return rc;
}

static int client_recv(struct benchmark *b, struct zrpc_wire *wire,
                       const struct zrpc_dataconn_options *options, struct zrpc_error *err)
{
    Zrpc__Pb__ReceiveReq req = ZRPC__PB__RECEIVE_REQ__INIT;
    struct zrpc_source source = {0};
    int rc = open_source(b, &source, err);

    if (rc < 0) {
        zrpc_wire_close(wire);
        return rc;
    }
    return zrpc_dataconn_recv(wire, options, &req, &source, err);
}

int benchmark_client(struct benchmark *b, struct zrpc_error *err)
{
    const struct zrpc_dataconn_options options = {0};
    struct zrpc_dialer *dialer;
    struct zrpc_wire *wire;
    int rc = b->transport->dialer(b, &dialer, err);

    if (rc < 0)
        return rc;
    rc = dialer->ops->dial(dialer, ZRPC_NEVER, NULL, &wire, err);
    dialer->ops->close(dialer);
    if (rc < 0)
        return rc;
    return b->direction[0] == 's' ? client_send(b, wire, &options, err) : client_recv(b, wire, &options, err);
}
