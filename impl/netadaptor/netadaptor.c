#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "netadaptor/netadaptor_internal.h"

enum { TURN = 64 }; /* accepted from one listener before the others have theirs */

#define PAUSE_MIN (10 * ZRPC_MILLISECOND)
#define PAUSE_MAX (1 * ZRPC_SECOND)

/* What is logged at once and then over time: refused and failed connections; failures of accept(2). */
static const struct zrpc_loglimit connection_lines = {.burst = 1000, .interval = ZRPC_SECOND / 20};
static const struct zrpc_loglimit accept_lines = {.burst = 10, .interval = 5 * ZRPC_SECOND};

static int new_eventfd(int *fd, struct zrpc_error *err)
{
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *fd >= 0 ? 0 : zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "eventfd");
}

int zrpc_netadaptor_new(const struct zrpc_netadaptor_options *options, struct zrpc_netadaptor **out,
                        struct zrpc_error *err)
{
    struct zrpc_netadaptor *a = calloc(1, sizeof *a);
    int rc;

    if (a == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a server");
    a->options = *options;
    a->stop_deadline = ZRPC_NEVER;
    a->lines = connection_lines;
    if (a->options.max_connections == 0)
        a->options.max_connections = ZRPC_NETADAPTOR_CONNECTIONS_DEFAULT;
    pthread_mutex_init(&a->lock, NULL);
    a->stop_fd = a->ended_fd = a->stopping.fd = a->cancel.fd = -1;
    rc = new_eventfd(&a->stop_fd, err);
    if (rc == 0)
        rc = new_eventfd(&a->ended_fd, err);
    if (rc == 0)
        rc = zrpc_cancel_init(&a->stopping, err);
    if (rc == 0)
        rc = zrpc_cancel_init(&a->cancel, err);
    if (rc < 0) {
        zrpc_netadaptor_free(a);
        return rc;
    }
    *out = a;
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void close_listener(struct zrpc_netadaptor_listener *l)
{
    if (l->listener != NULL)
        l->listener->ops->close(l->listener);
    l->listener = NULL;
}

static void close_listeners(struct zrpc_netadaptor *a)
{
    for (size_t i = 0; i < a->n_listeners; i++)
        close_listener(&a->listeners[i]);
}

void zrpc_netadaptor_free(struct zrpc_netadaptor *a)
{
    if (a == NULL)
        return;
    close_listeners(a);
    close_fd(a->stop_fd);
    close_fd(a->ended_fd);
    zrpc_cancel_dispose(&a->stopping);
    zrpc_cancel_dispose(&a->cancel);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

int zrpc_netadaptor_add(struct zrpc_netadaptor *a, struct zrpc_listener *l, struct zrpc_error *err)
{
    if (a->n_listeners == ZRPC_NETADAPTOR_LISTENERS_MAX) {
        l->ops->close(l);
        return zrpc_fail(err, ZRPC_ERR_LIMIT, "more than %d listeners", ZRPC_NETADAPTOR_LISTENERS_MAX);
    }
    a->listeners[a->n_listeners++] =
        (struct zrpc_netadaptor_listener){.listener = l, .pause = PAUSE_MIN, .lines = accept_lines};
    return 0;
}

void zrpc_netadaptor_stop(struct zrpc_netadaptor *a)
{
    int saved = errno;

    eventfd_write(a->stop_fd, 1);
    errno = saved;
}

/*
 * Accepting
 */
enum verdict {
    GO_ON, /* it concerned one connection, which is gone */
    PAUSE, /* it will be so again until something has changed: descriptors, memory, or what is not foreseen */
    BROKEN, /* it will be so forever */
};

static enum verdict judge(int code)
{
    switch (code) {
    case ZRPC_ERR_CLOSED:
        return BROKEN;
    case ZRPC_ERR_LIMIT:
    case ZRPC_ERR_NOMEM:
    case ZRPC_ERR_SYSTEM:
        return PAUSE;
    default:
        return GO_ON;
    }
}

static void log_failure(struct zrpc_netadaptor *a, struct zrpc_netadaptor_listener *l, enum verdict verdict,
                        const struct zrpc_error *err)
{
    char pause[ZRPC_DURATION_TEXT_MAX], number[24];
    struct zrpc_log log;
    unsigned long left_out;

    if (!zrpc_loglimit_admit(&l->lines, zrpc_now(), &left_out) && verdict != BROKEN)
        return;
    zrpc_log_with(&log, a->options.log, "listener", l->listener->ops->address(l->listener));
    if (verdict == PAUSE)
        zrpc_log_with(&log, &log, "pause", zrpc_duration_format(l->pause, pause));
    snprintf(number, sizeof number, "%lu", left_out);
    zrpc_log(&log, verdict == BROKEN ? ZRPC_LOG_ERROR : ZRPC_LOG_WARN,
             verdict == BROKEN ? "listener broken" : "cannot accept", "code", zrpc_code_name(err->code),
             "err", err->text, left_out > 0 ? "lines_left_out" : NULL, number, NULL);
}

/* What accepting failed with; true: try again at once. */
static bool on_failure(struct zrpc_netadaptor *a, struct zrpc_netadaptor_listener *l,
                       const struct zrpc_error *err)
{
    enum verdict verdict = judge(err->code);

    if (err->code == ZRPC_ERR_REFUSED_IDENTITY) {
        zrpc_netadaptor_log(a, a->options.log, "connection refused", NULL, NULL, err->code, err);
        return true;
    }
    log_failure(a, l, verdict, err);
    if (verdict == BROKEN)
        close_listener(l);
    if (verdict == PAUSE) {
        l->resume = zrpc_now() + l->pause;
        l->pause = zrpc_earlier(2 * l->pause, PAUSE_MAX);
    }
    return verdict == GO_ON;
}

/* All that wait, or as many as one turn has. */
static void accept_from(struct zrpc_netadaptor *a, struct zrpc_netadaptor_listener *l)
{
    for (int i = 0; i < TURN; i++) {
        struct zrpc_accepted accepted;
        struct zrpc_error err = {0};
        int rc = l->listener->ops->accept(l->listener, &accepted, &err);

        if (rc == ZRPC_ERR_AGAIN)
            return;
        if (rc == 0) {
            l->pause = PAUSE_MIN;
            zrpc_netadaptor_start(a, &accepted);
            continue;
        }
        err.code = rc;
        if (!on_failure(a, l, &err))
            return;
    }
}

/* Fills in what to poll, and until when; answers how many listeners there still are. */
static size_t prepare(struct zrpc_netadaptor *a, struct pollfd *fds, zrpc_time now, zrpc_time *wakeup)
{
    size_t alive = 0;

    *wakeup = ZRPC_NEVER;
    for (size_t i = 0; i < a->n_listeners; i++) {
        struct zrpc_netadaptor_listener *l = &a->listeners[i];

        fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
        if (l->listener == NULL)
            continue;
        alive++;
        if (l->resume > now)
            *wakeup = zrpc_earlier(*wakeup, l->resume);
        else
            fds[i].fd = l->listener->ops->fd(l->listener);
    }
    return alive;
}

static int accept_until_stopped(struct zrpc_netadaptor *a, struct zrpc_error *err)
{
    struct pollfd fds[ZRPC_NETADAPTOR_LISTENERS_MAX + 1];
    struct pollfd *stop = &fds[a->n_listeners];

    for (;;) {
        zrpc_time now = zrpc_now(), wakeup;

        if (prepare(a, fds, now, &wakeup) == 0)
            return zrpc_fail(err, ZRPC_ERR_CLOSED, "there is no listener left");
        *stop = (struct pollfd){.fd = a->stop_fd, .events = POLLIN};
        if (poll(fds, a->n_listeners + 1, zrpc_poll_timeout(now, wakeup)) < 0) {
            if (errno == EINTR)
                continue;
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "poll");
        }
        if (stop->revents != 0)
            return 0;
        for (size_t i = 0; i < a->n_listeners; i++)
            if (fds[i].revents != 0)
                accept_from(a, &a->listeners[i]);
    }
}

/*
 * Stopping
 */
static void stop_connections(struct zrpc_netadaptor *a, zrpc_time deadline)
{
    pthread_mutex_lock(&a->lock);
    a->stop_deadline = deadline;
    for (struct zrpc_netadaptor_conn *c = a->connections; c != NULL; c = c->next)
        if (c->on_stop != NULL)
            c->on_stop(c->on_stop_ctx, deadline);
    pthread_mutex_unlock(&a->lock);
}

static unsigned count_connections(struct zrpc_netadaptor *a)
{
    unsigned n;

    pthread_mutex_lock(&a->lock);
    n = a->n_connections;
    pthread_mutex_unlock(&a->lock);
    return n;
}

/* Until all connections have ended. The second stop, or the end of the grace period, cancels what is left. */
static void drain(struct zrpc_netadaptor *a, zrpc_time deadline)
{
    struct pollfd fds[2] = {{.fd = a->ended_fd, .events = POLLIN}, {.fd = a->stop_fd, .events = POLLIN}};
    eventfd_t ignored;

    while (count_connections(a) > 0) {
        zrpc_time now = zrpc_now();

        if (now >= deadline || fds[1].revents != 0) {
            zrpc_log(a->options.log, ZRPC_LOG_WARN, "cancelling requests", NULL);
            stop_connections(a, now);
            zrpc_cancel_raise(&a->cancel);
            deadline = ZRPC_NEVER;
            fds[1].fd = -1;
            fds[1].revents = 0;
        }
        if (poll(fds, 2, zrpc_poll_timeout(now, deadline)) > 0 && fds[0].revents != 0)
            eventfd_read(a->ended_fd, &ignored);
    }
}

int zrpc_netadaptor_run(struct zrpc_netadaptor *a, struct zrpc_error *err)
{
    int rc = accept_until_stopped(a, err);
    zrpc_time deadline = zrpc_now() + a->options.grace;
    eventfd_t stops = 0;

    close_listeners(a);
    if (eventfd_read(a->stop_fd, &stops) == 0 && stops > 1) /* the second came at once */
        deadline = zrpc_now();
    zrpc_log(a->options.log, ZRPC_LOG_INFO, "stopping", NULL);
    zrpc_cancel_raise(&a->stopping);
    stop_connections(a, deadline);
    drain(a, deadline);
    return rc;
}
