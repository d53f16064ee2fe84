#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rpc/server_internal.h"
#include "zrpc/transportmux.h"
#include "zrpc/versionhandshake.h"

enum {
    HANDLER_THREADS = 64,
    STACK_SIZE = 256 * 1024,
};

#define ACCEPT_PAUSE (100 * ZRPC_MILLISECOND) /* after an accept failed for want of descriptors or memory */

int zrpc_server_options_env(struct zrpc_server_options *options, struct zrpc_error *err)
{
    int rc;

    *options = (struct zrpc_server_options){
        .max_connections = ZRPC_SERVER_CONNECTIONS_DEFAULT,
        .handler_threads = HANDLER_THREADS,
        .grace = ZRPC_SERVER_GRACE_DEFAULT,
    };
    rc = zrpc_duration_env(ZRPC_HANDSHAKE_TIMEOUT_SERVER_ENV, ZRPC_HANDSHAKE_TIMEOUT_DEFAULT,
                           &options->handshake_timeout, err);
    if (rc == 0)
        rc = zrpc_duration_env(ZRPC_LABEL_TIMEOUT_SERVER_ENV, ZRPC_LABEL_TIMEOUT_DEFAULT,
                               &options->label_timeout, err);
    return rc;
}

static int new_eventfd(int *fd, struct zrpc_error *err)
{
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *fd >= 0 ? 0 : zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "eventfd");
}

int zrpc_server_new(const struct zrpc_server_options *options, struct zrpc_server **out,
                    struct zrpc_error *err)
{
    struct zrpc_server *s = calloc(1, sizeof *s);
    unsigned connections;
    int rc;

    if (s == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a server");
    s->options = *options;
    s->stop_fd = s->cancel.fd = s->ended_fd = -1;
    s->stop_deadline = ZRPC_NEVER;
    if (s->options.max_connections == 0)
        s->options.max_connections = ZRPC_SERVER_CONNECTIONS_DEFAULT;
    if (s->options.handler_threads == 0)
        s->options.handler_threads = HANDLER_THREADS;
    connections = s->options.max_connections;
    pthread_mutex_init(&s->lock, NULL);
    rc = new_eventfd(&s->stop_fd, err);
    if (rc == 0)
        rc = zrpc_cancel_init(&s->cancel, err);
    if (rc == 0)
        rc = new_eventfd(&s->ended_fd, err);
    /* A data connection has at most one job at a time, and may hold its thread for as long as it waits for a
     * turn: a thread for each is what keeps them from delaying each other. Threads come with need and go with
     * idleness. */
    if (rc == 0)
        rc = zrpc_workpool_new(connections, connections, &s->data_pools.handlers, err);
    if (rc == 0)
        rc = zrpc_workpool_new(connections, connections, &s->data_pools.finishers, err);
    if (rc == 0)
        rc = zrpc_workpool_new(s->options.handler_threads, connections, &s->control_pool, err);
    if (rc < 0) {
        zrpc_server_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void close_listeners(struct zrpc_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        s->listeners[i]->ops->close(s->listeners[i]);
    s->n_listeners = 0;
}

void zrpc_server_close(struct zrpc_server *s)
{
    if (s == NULL)
        return;
    close_listeners(s);
    zrpc_workpool_close(s->data_pools.handlers);
    zrpc_workpool_close(s->data_pools.finishers);
    zrpc_workpool_close(s->control_pool);
    close_fd(s->stop_fd);
    zrpc_cancel_dispose(&s->cancel);
    close_fd(s->ended_fd);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int zrpc_server_add_listener(struct zrpc_server *s, struct zrpc_listener *l, struct zrpc_error *err)
{
    if (s->n_listeners == ZRPC_SERVER_LISTENERS_MAX) {
        l->ops->close(l);
        return zrpc_fail(err, ZRPC_ERR_LIMIT, "more than %d listeners", ZRPC_SERVER_LISTENERS_MAX);
    }
    s->listeners[s->n_listeners++] = l;
    return 0;
}

void zrpc_server_stop(struct zrpc_server *s)
{
    int saved = errno;

    eventfd_write(s->stop_fd, 1);
    errno = saved;
}

/* Joins the list of connections; false where there are too many. */
static bool join_connections(struct zrpc_server *s, struct zrpc_connection *c)
{
    bool room;

    pthread_mutex_lock(&s->lock);
    room = s->n_connections < s->options.max_connections;
    if (room) {
        c->next = s->connections;
        c->link = &s->connections;
        if (c->next != NULL)
            c->next->link = &c->next;
        s->connections = c;
        s->n_connections++;
    }
    pthread_mutex_unlock(&s->lock);
    return room;
}

void zrpc_connection_leave(struct zrpc_connection *c)
{
    struct zrpc_server *s = c->server;

    pthread_mutex_lock(&s->lock);
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    s->n_connections--;
    eventfd_write(s->ended_fd, 1); /* under the lock: once it is released the server may be gone */
    pthread_mutex_unlock(&s->lock);
}

static int start_thread(struct zrpc_connection *c)
{
    pthread_attr_t attr;
    pthread_t thread;
    int rc;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    rc = pthread_create(&thread, &attr, zrpc_connection_main, c);
    pthread_attr_destroy(&attr);
    return rc;
}

static void refuse(const struct zrpc_server *s, struct zrpc_connection *c, const char *why)
{
    zrpc_log(s->options.log, ZRPC_LOG_WARN, "connection refused", "peer", c->accepted.peer, "reason", why,
             NULL);
    zrpc_wire_close(c->accepted.wire);
    free(c);
}

/* Hands an accepted connection to a thread of its own. */
static void start_connection(struct zrpc_server *s, const struct zrpc_accepted *accepted)
{
    struct zrpc_connection *c = calloc(1, sizeof *c);

    if (c == NULL) {
        zrpc_log(s->options.log, ZRPC_LOG_ERROR, "no memory for a connection", "peer", accepted->peer, NULL);
        zrpc_wire_close(accepted->wire);
        return;
    }
    c->server = s;
    c->accepted = *accepted;
    if (!join_connections(s, c)) {
        refuse(s, c, "too many connections");
    } else if (start_thread(c) != 0) {
        zrpc_connection_leave(c);
        refuse(s, c, "no thread for it");
    }
}

/* Accepts all that wait. False: this listener needs a pause. */
static bool accept_from(struct zrpc_server *s, struct zrpc_listener *l)
{
    for (;;) {
        struct zrpc_accepted accepted;
        struct zrpc_error err;
        int rc = l->ops->accept(l, &accepted, &err);

        if (rc == ZRPC_ERR_AGAIN)
            return true;
        if (rc == 0) {
            start_connection(s, &accepted);
            continue;
        }
        zrpc_log(s->options.log, ZRPC_LOG_WARN, "cannot accept", "listener", l->ops->address(l), "code",
                 zrpc_code_name(rc), "err", err.text, NULL);
        if (rc != ZRPC_ERR_REFUSED_IDENTITY)
            return false;
    }
}

static int accept_until_stopped(struct zrpc_server *s, struct zrpc_error *err)
{
    struct pollfd fds[ZRPC_SERVER_LISTENERS_MAX + 1];
    zrpc_time resume[ZRPC_SERVER_LISTENERS_MAX] = {0};

    for (;;) {
        zrpc_time now = zrpc_now(), wakeup = ZRPC_NEVER;

        fds[s->n_listeners] = (struct pollfd){.fd = s->stop_fd, .events = POLLIN};
        for (size_t i = 0; i < s->n_listeners; i++) {
            bool paused = resume[i] > now;

            fds[i] = (struct pollfd){.fd = paused ? -1 : s->listeners[i]->ops->fd(s->listeners[i]),
                                     .events = POLLIN};
            if (paused)
                wakeup = zrpc_earlier(wakeup, resume[i]);
        }
        if (poll(fds, s->n_listeners + 1, zrpc_poll_timeout(now, wakeup)) < 0 && errno != EINTR)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "poll");
        if (fds[s->n_listeners].revents != 0)
            return 0;
        for (size_t i = 0; i < s->n_listeners; i++)
            if (fds[i].revents != 0 && !accept_from(s, s->listeners[i]))
                resume[i] = zrpc_now() + ACCEPT_PAUSE;
    }
}

/* Connections that have not said what they want are dropped; calls and requests may go on until `deadline`.
 */
static void stop_connections(struct zrpc_server *s, zrpc_time deadline)
{
    pthread_mutex_lock(&s->lock);
    s->stop_deadline = deadline;
    for (struct zrpc_connection *c = s->connections; c != NULL; c = c->next)
        zrpc_connection_stop(c, deadline);
    pthread_mutex_unlock(&s->lock);
}

static unsigned count_connections(struct zrpc_server *s)
{
    unsigned n;

    pthread_mutex_lock(&s->lock);
    n = s->n_connections;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* Until all connections have ended. The second stop, or the end of the grace period, cancels what is left. */
static void drain(struct zrpc_server *s, zrpc_time deadline)
{
    struct pollfd fds[2] = {{.fd = s->ended_fd, .events = POLLIN}, {.fd = s->stop_fd, .events = POLLIN}};
    eventfd_t ignored;

    while (count_connections(s) > 0) {
        zrpc_time now = zrpc_now();

        if (now >= deadline || fds[1].revents != 0) {
            zrpc_log(s->options.log, ZRPC_LOG_WARN, "cancelling requests", NULL);
            stop_connections(s, now);
            zrpc_cancel_raise(&s->cancel);
            deadline = ZRPC_NEVER;
            fds[1].fd = -1;
            fds[1].revents = 0;
        }
        if (poll(fds, 2, zrpc_poll_timeout(now, deadline)) > 0 && fds[0].revents != 0)
            eventfd_read(s->ended_fd, &ignored);
    }
}

int zrpc_server_serve(struct zrpc_server *s, struct zrpc_error *err)
{
    int rc = accept_until_stopped(s, err);
    zrpc_time deadline = zrpc_now() + s->options.grace;
    eventfd_t ignored;

    close_listeners(s);
    eventfd_read(s->stop_fd, &ignored);
    zrpc_log(s->options.log, ZRPC_LOG_INFO, "stopping", NULL);
    stop_connections(s, deadline);
    drain(s, deadline);
    return rc;
}
