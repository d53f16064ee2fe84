#include <stdlib.h>
#include <sys/eventfd.h>

#include "rpc/server_internal.h"
#include "zrpc/dataconn.h"
#include "zrpc/transportmux.h"
#include "zrpc/versionhandshake.h"

static const struct zrpc_log *or_general(const struct zrpc_log *log, const struct zrpc_server *s)
{
    return log == NULL ? s->options.log : log;
}

static void log_failure(const struct zrpc_log *log, const char *what, int code, const char *text)
{
    zrpc_log(log, ZRPC_LOG_WARN, what, "code", zrpc_code_name(code), "err", text, NULL);
}

/* While it is published, stopping the server cancels it. */
static void publish(struct zrpc_connection *c, struct zrpc_timeoutconn *preamble)
{
    struct zrpc_server *s = c->server;

    pthread_mutex_lock(&s->lock);
    c->preamble = preamble;
    if (preamble != NULL && s->stopping)
        zrpc_timeoutconn_cancel(preamble);
    pthread_mutex_unlock(&s->lock);
}

/* Handshake and label. Takes the wire and gives it back, ready for its label, or closes it. */
static int preamble(struct zrpc_connection *c, struct zrpc_wire **wire, enum zrpc_label *label,
                    struct zrpc_error *err)
{
    const struct zrpc_server_options *o = &c->server->options;
    struct zrpc_timeoutconn *conn;
    int rc = zrpc_timeoutconn_new(*wire, &conn, err);

    *wire = NULL;
    if (rc < 0)
        return rc;
    publish(c, conn);
    rc = zrpc_versionhandshake_run(conn, zrpc_deadline(zrpc_now(), o->handshake_timeout), err);
    if (rc == 0)
        rc = zrpc_transportmux_read(conn, zrpc_deadline(zrpc_now(), o->label_timeout), label, err);
    publish(c, NULL);
    if (rc == 0)
        *wire = zrpc_timeoutconn_release(conn);
    else
        zrpc_timeoutconn_close(conn);
    return rc;
}

static int serve_data(struct zrpc_connection *c, struct zrpc_wire *wire, struct zrpc_error *err)
{
    struct zrpc_server *s = c->server;
    const struct zrpc_log *log = or_general(s->options.log_data, s);
    struct zrpc_log with_identity, with_peer;
    struct zrpc_call call = {
        .client_identity = c->accepted.identity,
        .peer = c->accepted.peer,
        .deadline = ZRPC_NEVER,
        .log = &with_peer,
    };
    struct zrpc_dataconn_options options = {
        .heartbeat = s->options.heartbeat,
        .cancel_fd = s->cancel_fd,
        .log = &with_peer,
    };

    zrpc_log_with(&with_identity, log, "identity", c->accepted.identity);
    zrpc_log_with(&with_peer, &with_identity, "peer", c->accepted.peer);
    if (s->options.intercept != NULL) {
        int rc = s->options.intercept(s->options.intercept_ctx, &call, err);

        if (rc < 0) {
            zrpc_wire_close(wire);
            return rc;
        }
    }
    return zrpc_dataconn_serve(wire, &options, &s->options.handler, &s->data_pools, &call, err);
}

static int serve_control(struct zrpc_connection *c, struct zrpc_wire *wire, struct zrpc_error *err)
{
    (void)c;
    zrpc_wire_close(wire);
    return zrpc_fail(err, ZRPC_ERR_LABEL, "this server has no control service");
}

static int (*const serve_label[ZRPC_LABEL_COUNT])(struct zrpc_connection *, struct zrpc_wire *,
                                                  struct zrpc_error *) = {
    [ZRPC_CONTROL] = serve_control,
    [ZRPC_DATA] = serve_data,
};

static int serve(struct zrpc_connection *c, const struct zrpc_log *log, struct zrpc_error *err)
{
    struct zrpc_wire *wire = c->accepted.wire;
    enum zrpc_label label;
    int rc;

    if (c->accepted.authenticate != NULL) {
        zrpc_time deadline = zrpc_deadline(zrpc_now(), ZRPC_SERVER_AUTH_TIMEOUT);

        rc = c->accepted.authenticate(&c->accepted, deadline, err);
        if (rc < 0) {
            zrpc_wire_close(wire);
            return rc;
        }
    }
    rc = preamble(c, &wire, &label, err);
    if (rc < 0)
        return rc;
    zrpc_log(log, ZRPC_LOG_DEBUG, "connection", "label", zrpc_label_name(label), "identity",
             c->accepted.identity, NULL);
    return serve_label[label](c, wire, err);
}

static void leave(struct zrpc_connection *c)
{
    struct zrpc_server *s = c->server;

    pthread_mutex_lock(&s->lock);
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    s->n_connections--;
    eventfd_write(s->ended_fd, 1); /* under the lock: once it is released the server may be gone */
    pthread_mutex_unlock(&s->lock);
    free(c);
}

void *zrpc_connection_main(void *arg)
{
    struct zrpc_connection *c = arg;
    struct zrpc_error err = {0};
    struct zrpc_log log;
    int rc;

    zrpc_log_with(&log, c->server->options.log, "peer", c->accepted.peer);
    rc = serve(c, &log, &err);
    if (rc < 0)
        log_failure(&log, "connection failed", rc, err.text);
    leave(c);
    return NULL;
}
