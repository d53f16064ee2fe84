#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "netadaptor/netadaptor_internal.h"

enum { STACK_SIZE = 256 * 1024 };

void zrpc_netadaptor_log(struct zrpc_netadaptor *a, const struct zrpc_log *to, const char *msg,
                         const char *peer, const char *identity, int code, const struct zrpc_error *err)
{
    struct zrpc_log log;
    unsigned long left_out;
    char number[24];
    bool admitted;

    pthread_mutex_lock(&a->lock);
    admitted = zrpc_loglimit_admit(&a->lines, zrpc_now(), &left_out);
    pthread_mutex_unlock(&a->lock);
    if (!admitted)
        return;
    zrpc_log_with(&log, to, "code", zrpc_code_name(code));
    if (peer != NULL)
        zrpc_log_with(&log, &log, "peer", peer);
    if (identity != NULL)
        zrpc_log_with(&log, &log, "identity", identity);
    snprintf(number, sizeof number, "%lu", left_out);
    zrpc_log(&log, ZRPC_LOG_WARN, msg, "err", err->text, left_out > 0 ? "lines_left_out" : NULL, number,
             NULL);
}

void zrpc_netconn_log(const struct zrpc_netconn *conn, const struct zrpc_log *log, struct zrpc_log *out)
{
    zrpc_log_with(out, log, "identity", conn->identity);
    zrpc_log_with(out, out, "peer", conn->peer);
}

void zrpc_netconn_on_stop(struct zrpc_netconn *conn, void (*on_stop)(void *ctx, zrpc_time deadline),
                          void *ctx)
{
    struct zrpc_netadaptor_conn *c = (struct zrpc_netadaptor_conn *)conn;
    struct zrpc_netadaptor *a = c->adaptor;

    pthread_mutex_lock(&a->lock);
    c->on_stop = on_stop;
    c->on_stop_ctx = ctx;
    if (on_stop != NULL && a->stop_deadline != ZRPC_NEVER)
        on_stop(ctx, a->stop_deadline);
    pthread_mutex_unlock(&a->lock);
}

/* Joins the list of connections; false where there are too many. */
static bool join(struct zrpc_netadaptor *a, struct zrpc_netadaptor_conn *c)
{
    bool room;

    pthread_mutex_lock(&a->lock);
    room = a->n_connections < a->options.max_connections;
    if (room) {
        c->next = a->connections;
        c->link = &a->connections;
        if (c->next != NULL)
            c->next->link = &c->next;
        a->connections = c;
        a->n_connections++;
    }
    pthread_mutex_unlock(&a->lock);
    return room;
}

static void leave(struct zrpc_netadaptor_conn *c)
{
    struct zrpc_netadaptor *a = c->adaptor;

    pthread_mutex_lock(&a->lock);
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    a->n_connections--;
    eventfd_write(a->ended_fd, 1); /* under the lock: once it is released the adaptor may be gone */
    pthread_mutex_unlock(&a->lock);
}

/* An unauthenticated client has nothing to finish. */
static void drop(void *wire, zrpc_time deadline)
{
    (void)deadline;
    zrpc_wire_shutdown(wire);
}

static int authenticate(struct zrpc_netadaptor_conn *c, struct zrpc_error *err)
{
    struct zrpc_accepted *accepted = &c->accepted;
    zrpc_time deadline = zrpc_deadline(zrpc_now(), c->adaptor->options.authenticate_timeout);
    int rc = 0;

    if (accepted->authenticate != NULL) {
        zrpc_netconn_on_stop(&c->base, drop, accepted->wire);
        rc = accepted->authenticate(accepted, deadline, err);
        zrpc_netconn_on_stop(&c->base, NULL, NULL);
    }
    if (rc == 0 && zrpc_identity_check(accepted->identity, err) < 0)
        rc = zrpc_error_prefix(err, ZRPC_ERR_REFUSED_IDENTITY, "client %s", accepted->peer);
    return rc;
}

static void *run(void *arg)
{
    struct zrpc_netadaptor_conn *c = arg;
    struct zrpc_netadaptor *a = c->adaptor;
    struct zrpc_error err = {0};
    int rc = authenticate(c, &err);

    if (rc < 0) {
        zrpc_wire_close(c->accepted.wire);
        zrpc_netadaptor_log(a, a->options.log, "connection refused", c->accepted.peer, NULL, rc, &err);
    } else {
        c->base = (struct zrpc_netconn){
            .wire = c->accepted.wire,
            .identity = c->accepted.identity,
            .peer = c->accepted.peer,
            .stop = &a->stopping,
            .cancel = &a->cancel,
            .log = a->options.log,
        };
        rc = a->options.serve(a->options.ctx, &c->base, &err);
        if (rc < 0)
            zrpc_netadaptor_log(a, c->base.log, "connection failed", c->accepted.peer, c->accepted.identity,
                                rc, &err);
    }
    leave(c);
    free(c);
    return NULL;
}

static int start_thread(struct zrpc_netadaptor_conn *c)
{
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    rc = pthread_create(&thread, &attr, run, c);
    pthread_attr_destroy(&attr);
    return rc;
}

void zrpc_netadaptor_start(struct zrpc_netadaptor *a, const struct zrpc_accepted *accepted)
{
    struct zrpc_netadaptor_conn *c = calloc(1, sizeof *c);
    struct zrpc_error err;
    int rc = 0;

    if (c == NULL) {
        rc = zrpc_fail(&err, ZRPC_ERR_NOMEM, "no memory for a connection");
    } else {
        c->adaptor = a;
        c->accepted = *accepted;
        if (!join(a, c)) {
            rc = zrpc_fail(&err, ZRPC_ERR_LIMIT, "there are %u connections, as many as there may be",
                           a->options.max_connections);
        } else if (start_thread(c) != 0) {
            leave(c);
            rc = zrpc_fail(&err, ZRPC_ERR_LIMIT, "no thread for a connection");
        }
    }
    if (rc == 0)
        return;
    free(c);
    zrpc_wire_close(accepted->wire);
    zrpc_netadaptor_log(a, a->options.log, "connection refused", accepted->peer, NULL, rc, &err);
}
