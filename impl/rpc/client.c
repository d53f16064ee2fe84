#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "rpc/client_internal.h"
#include "zrpc/replication.h"

int zrpc_client_options_env(struct zrpc_client_options *options, struct zrpc_error *err)
{
    int rc;

    *options = (struct zrpc_client_options){0};
    rc = zrpc_connect_options_env(&options->connect, err);
    if (rc == 0)
        rc = zrpc_duration_env(ZRPC_DATACONN_PING_SLEEP_ENV, ZRPC_DATACONN_PING_SLEEP_DEFAULT,
                               &options->data_ping_sleep, err);
    return rc;
}

static int connect_control(void *ctx, zrpc_time deadline, struct zrpc_wire **out, struct zrpc_error *err)
{
    struct zrpc_client *c = ctx;

    return zrpc_connect(c->dialer, ZRPC_CONTROL, &c->options.connect, deadline, &c->closing, out, err);
}

static void interrupt(void *ctx)
{
    zrpc_cancel_raise(&((struct zrpc_client *)ctx)->closing);
}

static const struct zrpc_log *or_general(const struct zrpc_client_options *o, const struct zrpc_log *log)
{
    return log == NULL ? o->log : log;
}

int zrpc_client_new(struct zrpc_dialer *dialer, const struct zrpc_client_options *options,
                    struct zrpc_client **out, struct zrpc_error *err)
{
    const struct zrpc_channel_options channel = {
        .name = dialer->ops->address(dialer),
        .request_max = options->control_request_max,
        .response_max = options->control_response_max,
        .keepalive = options->keepalive,
        .backoff = options->backoff,
        .log = or_general(options, options->log_control),
    };
    struct zrpc_client *c = calloc(1, sizeof *c);
    int rc;

    if (c == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a client");
    c->dialer = dialer;
    c->options = *options;
    c->options.log_data = or_general(options, options->log_data);
    rc = zrpc_cancel_init(&c->closing, err);
    if (rc == 0)
        rc = zrpc_channel_new(
            &(struct zrpc_connector){.connect = connect_control, .interrupt = interrupt, .ctx = c}, &channel,
            &c->control, err);
    if (rc < 0) {
        zrpc_cancel_dispose(&c->closing);
        free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void zrpc_client_close(struct zrpc_client *c)
{
    if (c == NULL)
        return;
    zrpc_channel_free(c->control);
    zrpc_cancel_dispose(&c->closing);
    free(c);
}

void zrpc_client_reset_connect_backoff(struct zrpc_client *c)
{
    zrpc_channel_reset_connect_backoff(c->control);
}

struct zrpc_channel *zrpc_client_channel(struct zrpc_client *c)
{
    return c->control;
}

static int call(struct zrpc_client *c, const struct zrpc_call_options *options,
                enum zrpc_replication_method method, const ProtobufCMessage *req, ProtobufCMessage **res,
                struct zrpc_error *err)
{
    return zrpc_channel_call(c->control, &zrpc_replication_methods[method], req, res, options, NULL, err);
}

int zrpc_client_list_filesystems(struct zrpc_client *c, const struct zrpc_call_options *options,
                                 const Zrpc__Pb__ListFilesystemReq *req, Zrpc__Pb__ListFilesystemRes **res,
                                 struct zrpc_error *err)
{
    return call(c, options, ZRPC_REPLICATION_LIST_FILESYSTEMS, &req->base, (ProtobufCMessage **)res, err);
}

int zrpc_client_list_filesystem_versions(struct zrpc_client *c, const struct zrpc_call_options *options,
                                         const Zrpc__Pb__ListFilesystemVersionsReq *req,
                                         Zrpc__Pb__ListFilesystemVersionsRes **res, struct zrpc_error *err)
{
    return call(c, options, ZRPC_REPLICATION_LIST_FILESYSTEM_VERSIONS, &req->base, (ProtobufCMessage **)res,
                err);
}

int zrpc_client_destroy_snapshots(struct zrpc_client *c, const struct zrpc_call_options *options,
                                  const Zrpc__Pb__DestroySnapshotsReq *req,
                                  Zrpc__Pb__DestroySnapshotsRes **res, struct zrpc_error *err)
{
    return call(c, options, ZRPC_REPLICATION_DESTROY_SNAPSHOTS, &req->base, (ProtobufCMessage **)res, err);
}

int zrpc_client_replication_cursor(struct zrpc_client *c, const struct zrpc_call_options *options,
                                   const Zrpc__Pb__ReplicationCursorReq *req,
                                   Zrpc__Pb__ReplicationCursorRes **res, struct zrpc_error *err)
{
    return call(c, options, ZRPC_REPLICATION_CURSOR, &req->base, (ProtobufCMessage **)res, err);
}

int zrpc_ping_message(char out[static ZRPC_PING_MESSAGE_MAX], struct zrpc_error *err)
{
    uint16_t r[8];

    if (getrandom(r, sizeof r, 0) != sizeof r)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "no random bytes");
    snprintf(out, ZRPC_PING_MESSAGE_MAX, "%04x%04x-%04x-%04x-%04x-%04x%04x%04x", r[0], r[1], r[2], r[3], r[4],
             r[5], r[6], r[7]);
    return 0;
}

static int check_echo(const char *message, const char *echo, struct zrpc_error *err)
{
    if (strcmp(message, echo) == 0)
        return 0;
    return zrpc_fail(err, ZRPC_ERR_MESSAGE, "ping of \"%s\" was answered with \"%s\"", message, echo);
}

int zrpc_client_ping_control(struct zrpc_client *c, const struct zrpc_call_options *options,
                             const char *message, struct zrpc_error *err)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    Zrpc__Pb__PingRes *res = NULL;
    int rc;

    req.message = (char *)(uintptr_t)message;
    rc = call(c, options, ZRPC_REPLICATION_PING, &req.base, (ProtobufCMessage **)&res, err);
    if (rc < 0)
        return rc;
    rc = check_echo(message, res->echo, err);
    zrpc__pb__ping_res__free_unpacked(res, NULL);
    return rc;
}

/*
 * Data requests: each on a connection of its own.
 */
static int connect_data(struct zrpc_client *c, const struct zrpc_dataconn_options *options,
                        struct zrpc_wire **out, struct zrpc_error *err)
{
    zrpc_time deadline = options->deadline == 0 ? ZRPC_NEVER : options->deadline;

    return zrpc_connect(c->dialer, ZRPC_DATA, &c->options.connect, deadline, options->cancel, out, err);
}

static int conclude(const struct zrpc_client *c, const struct zrpc_dataconn_options *options,
                    enum zrpc_dataconn_method method, int rc, const struct zrpc_error *err)
{
    const struct zrpc_log *log = options->log == NULL ? c->options.log_data : options->log;
    const char *path = zrpc_dataconn_endpoint(method)->path, *server = c->dialer->ops->address(c->dialer);

    if (rc < 0)
        zrpc_log(log, ZRPC_LOG_INFO, "data request failed", "server", server, "method", path, "code",
                 zrpc_code_name(rc), err == NULL ? NULL : "err", err == NULL ? NULL : err->text, NULL);
    else
        zrpc_log(log, ZRPC_LOG_DEBUG, "data request done", "server", server, "method", path, NULL);
    return rc;
}

int zrpc_client_ping_wire(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options,
                          const char *message, struct zrpc_error *err)
{
    char *echo = NULL;
    int rc = zrpc_dataconn_ping(wire, options, message, &echo, err);

    if (rc == 0)
        rc = check_echo(message, echo, err);
    free(echo);
    return rc;
}

int zrpc_client_ping_data(struct zrpc_client *c, const struct zrpc_dataconn_options *options,
                          const char *message, struct zrpc_error *err)
{
    struct zrpc_wire *wire;
    int rc = connect_data(c, options, &wire, err);

    if (rc == 0)
        rc = zrpc_client_ping_wire(wire, options, message, err);
    return conclude(c, options, ZRPC_DATACONN_PING, rc, err);
}

int zrpc_client_send(struct zrpc_client *c, const struct zrpc_dataconn_options *options,
                     const Zrpc__Pb__SendReq *req, zrpc_dataconn_open_sink *open_sink, void *ctx,
                     Zrpc__Pb__SendRes **res, struct zrpc_error *err)
{
    struct zrpc_wire *wire;
    int rc = connect_data(c, options, &wire, err);

    *res = NULL;
    if (rc == 0)
        rc = zrpc_dataconn_send(wire, options, req, open_sink, ctx, res, err);
    return conclude(c, options, ZRPC_DATACONN_SEND, rc, err);
}

int zrpc_client_receive(struct zrpc_client *c, const struct zrpc_dataconn_options *options,
                        const Zrpc__Pb__ReceiveReq *req, struct zrpc_source *source, struct zrpc_error *err)
{
    struct zrpc_wire *wire;
    int rc = connect_data(c, options, &wire, err);

    if (rc == 0)
        rc = zrpc_dataconn_recv(wire, options, req, source, err);
    else
        zrpc_source_close(source);
    return conclude(c, options, ZRPC_DATACONN_RECV, rc, err);
}
