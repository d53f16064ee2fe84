#include "sim/link/link.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/link/link_internal.h"

#define CHILD_GRACE   (2 * ZRPC_SECOND)       /* before SIGTERM, and between that and SIGKILL */
#define REAP_INTERVAL (10 * ZRPC_MILLISECOND) /* there is no signal of our own to tell of a child's end */

void zrpc_link_failed(struct zrpc_link *l, uint32_t connection, const char *what, const char *why)
{
    char number[16];

    snprintf(number, sizeof number, "%" PRIu32, connection);
    l->failures++;
    zrpc_log(l->options.log, ZRPC_LOG_WARN, what, "connection", number, "err", why, NULL);
}

static int choose_seed(struct zrpc_link_plan *plan, struct zrpc_error *err)
{
    uint32_t seed; /* short enough to be typed */

    if (plan->has_seed)
        return 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "getrandom");
    plan->seed = seed;
    plan->has_seed = true;
    return 0;
}

const char *zrpc_link_address(const struct zrpc_link *l)
{
    return l->listener.address;
}

/* Async-signal-safe. */
static void wake(struct zrpc_link *l)
{
    uint64_t one = 1;

    /* Full means that a wake-up is pending, which is as good. */
    if (write(l->wake_fd, &one, sizeof one) < 0)
        return;
}

void zrpc_link_stop(struct zrpc_link *l)
{
    int saved = errno;

    atomic_store(&l->stop, true);
    wake(l);
    errno = saved;
}

int zrpc_link_child_status(const struct zrpc_link *l)
{
    return l->child_status;
}

unsigned zrpc_link_failures(const struct zrpc_link *l)
{
    return l->failures;
}

const char *zrpc_link_record_path(const struct zrpc_link *l)
{
    return l->plan->record;
}

/*
 * Children
 */
int zrpc_link_adopt(struct zrpc_link *l, pid_t pid, struct zrpc_error *err)
{
    if (l->n_children == l->cap_children) {
        size_t cap = l->cap_children == 0 ? 4 : 2 * l->cap_children;
        pid_t *more = realloc(l->children, cap * sizeof *more);

        if (more == NULL) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "link: out of memory for a child");
        }
        l->children = more;
        l->cap_children = cap;
    }
    l->children[l->n_children++] = pid;
    return 0;
}

static void reap(struct zrpc_link *l)
{
    for (size_t i = 0; i < l->n_children;) {
        if (waitpid(l->children[i], &l->child_status, WNOHANG) == 0) {
            i++;
            continue;
        }
        l->children[i] = l->children[--l->n_children];
    }
}

static void signal_children(struct zrpc_link *l, int signo)
{
    for (size_t i = 0; i < l->n_children; i++)
        kill(l->children[i], signo);
}

/* Their pipes are closed, so that most are about to end by themselves. */
static void end_children(struct zrpc_link *l)
{
    static const struct timespec moment = {.tv_nsec = REAP_INTERVAL};
    zrpc_time next = zrpc_now() + CHILD_GRACE;
    int signo = SIGTERM;

    for (reap(l); l->n_children > 0; reap(l)) {
        (void)nanosleep(&moment, NULL);
        if (zrpc_now() < next)
            continue;
        signal_children(l, signo);
        signo = SIGKILL;
        next = zrpc_now() + CHILD_GRACE;
    }
}

/*
 * Accepting
 */
static bool refuses_connection(const struct zrpc_link *l, uint32_t number)
{
    for (size_t i = 0; i < l->plan->n_faults; i++)
        if (l->plan->faults[i].action == ZRPC_LINK_REFUSE && l->plan->faults[i].connection == number)
            return true;
    return false;
}

static void accept_one(struct zrpc_link *l, zrpc_time now, struct zrpc_link_endpoint *client)
{
    struct zrpc_link_connection *c;
    struct zrpc_error err;

    l->n_connections++;
    if (refuses_connection(l, l->n_connections)) {
        zrpc_link_record_fault(l, &(struct zrpc_link_fault){.action = ZRPC_LINK_REFUSE,
                                                            .direction = ZRPC_LINK_BOTH,
                                                            .connection = l->n_connections,
                                                            .at = {.watch = ZRPC_LINK_BOTH}});
        zrpc_link_endpoint_reset(client);
        return;
    }
    if (zrpc_link_connection_new(l, l->n_connections, client, now, &c, &err) < 0) {
        zrpc_link_failed(l, l->n_connections, "connection refused", err.text);
        zrpc_link_endpoint_reset(client);
        return;
    }
    c->next = l->connections;
    l->connections = c;
}

static void accept_all(struct zrpc_link *l, zrpc_time now)
{
    struct zrpc_link_endpoint client;
    struct zrpc_error err;
    int rc;

    while (!l->listener.refusing &&
           (rc = zrpc_link_listener_accept(&l->listener, &client, &err)) != ZRPC_ERR_AGAIN) {
        if (rc < 0) {
            zrpc_link_failed(l, 0, "accept", err.text);
            return;
        }
        accept_one(l, now, &client);
    }
}

/* Whether the address refuses now, and when that may change. */
static zrpc_time refuse_as_planned(struct zrpc_link *l, zrpc_time now)
{
    zrpc_time wakeup = ZRPC_NEVER;
    struct zrpc_error err;
    bool refuse = false;

    for (size_t i = 0; i < l->plan->n_faults; i++) {
        const struct zrpc_link_fault *f = &l->plan->faults[i];
        zrpc_time from = l->opened + f->at.not_before, until = zrpc_deadline(from, f->lasts);

        if (f->action != ZRPC_LINK_REFUSE || f->connection != 0 || now >= until)
            continue;
        refuse = refuse || now >= from;
        wakeup = zrpc_earlier(wakeup, now < from ? from : until);
    }
    if (zrpc_link_listener_refuse(&l->listener, refuse, &err) < 0)
        zrpc_link_failed(l, 0, "refusing", err.text);
    return wakeup;
}

static int check_positions(const struct zrpc_link_plan *plan, struct zrpc_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < plan->n_faults; i++)
        rc = zrpc_link_plan_reaches(plan, &plan->faults[i], err);
    return rc;
}

int zrpc_link_open(struct zrpc_link_plan *plan, const struct zrpc_link_options *options,
                   struct zrpc_link **out, struct zrpc_error *err)
{
    struct zrpc_link *l = calloc(1, sizeof *l);
    int rc;

    if (l == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "link: out of memory");
    l->plan = plan;
    if (options != NULL)
        l->options = *options;
    l->opened = zrpc_now();
    l->child_status = -1;
    l->listener.fd = -1;
    l->control.fd = -1;
    l->wake_fd = -1;
    pthread_mutex_init(&l->lock, NULL);
    if ((rc = check_positions(plan, err)) < 0 || (rc = choose_seed(plan, err)) < 0 ||
        (rc = zrpc_link_listener_open(&l->listener, plan->listen, err)) < 0 ||
        (rc = zrpc_link_dialer_open(&l->dialer, plan->connect, l->options.argv, err)) < 0 ||
        (rc = zrpc_link_control_open(l, err)) < 0 || (rc = zrpc_link_record_open(l, err)) < 0)
        goto fail;
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->wake_fd < 0) {
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "eventfd");
        goto fail;
    }
    /* Nobody is to slip in before the loop runs. */
    (void)refuse_as_planned(l, l->opened);
    *out = l;
    return 0;
fail:
    zrpc_link_close(l);
    return rc;
}

/*
 * The loop
 */
static zrpc_time service(struct zrpc_link *l, zrpc_time now)
{
    zrpc_time wakeup = refuse_as_planned(l, now);
    struct zrpc_link_connection **at = &l->connections;

    while (*at != NULL) {
        struct zrpc_link_connection *c = *at;

        zrpc_link_connection_service(c, now);
        if (zrpc_link_connection_finished(c, now)) {
            *at = c->next;
            zrpc_link_connection_free(c);
            continue;
        }
        wakeup = zrpc_earlier(wakeup, c->wakeup);
        at = &c->next;
    }
    return wakeup;
}

/* What is polled, in this order: wake-ups, the listener, control, connections. */
struct polled {
    size_t control, connections, n;
};

static int collect(struct zrpc_link *l, struct polled *out, struct zrpc_error *err)
{
    size_t most = 2 + ZRPC_LINK_CLIENTS_MAX + 1;

    for (const struct zrpc_link_connection *c = l->connections; c != NULL; c = c->next)
        most += 4;
    if (most > l->cap_fds) {
        struct pollfd *more = realloc(l->fds, 2 * most * sizeof *more);

        if (more == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "link: out of memory for %zu descriptors", most);
        l->fds = more;
        l->cap_fds = 2 * most;
    }
    l->fds[0] = (struct pollfd){.fd = l->wake_fd, .events = POLLIN};
    l->fds[1] = (struct pollfd){.fd = l->listener.refusing ? -1 : l->listener.fd, .events = POLLIN};
    out->control = 2;
    out->connections = out->control + zrpc_link_control_wants(l, l->fds + out->control);
    out->n = out->connections;
    for (const struct zrpc_link_connection *c = l->connections; c != NULL; c = c->next)
        out->n += zrpc_link_connection_wants(c, l->fds + out->n);
    return 0;
}

/* Descriptors are unique among connections, so each may look for its own among all. */
static void dispatch(struct zrpc_link *l, const struct polled *p, zrpc_time now)
{
    uint64_t count;

    if (l->fds[0].revents != 0 && read(l->wake_fd, &count, sizeof count) < 0)
        zrpc_log(l->options.log, ZRPC_LOG_DEBUG, "a wake-up was lost", NULL);
    for (struct zrpc_link_connection *c = l->connections; c != NULL; c = c->next)
        zrpc_link_connection_ready(c, now, l->fds + p->connections, p->n - p->connections);
    zrpc_link_control_ready(l, l->fds + p->control, p->connections - p->control);
    if (l->listener.kind == ZRPC_LINK_PIPES || l->fds[1].revents != 0)
        accept_all(l, now);
}

static bool over(const struct zrpc_link *l)
{
    return atomic_load(&l->stop) || (l->listener.stdio_used && l->connections == NULL && l->n_children == 0);
}

static int wait_for_something(struct zrpc_link *l, zrpc_time wakeup, struct zrpc_error *err)
{
    struct polled polled = {0};
    int rc = collect(l, &polled, err), n;

    if (rc < 0)
        return rc;
    pthread_mutex_unlock(&l->lock);
    n = poll(l->fds, polled.n, zrpc_poll_timeout(zrpc_now(), wakeup));
    pthread_mutex_lock(&l->lock);
    if (n < 0 && errno != EINTR)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "poll");
    if (n > 0)
        dispatch(l, &polled, zrpc_now());
    return 0;
}

int zrpc_link_run(struct zrpc_link *l, struct zrpc_error *err)
{
    int rc = 0;

    pthread_mutex_lock(&l->lock);
    if (l->listener.kind == ZRPC_LINK_PIPES)
        accept_all(l, zrpc_now());
    while (rc == 0 && !over(l)) {
        zrpc_time now = zrpc_now(), wakeup = service(l, now);

        reap(l);
        if (l->n_children > 0)
            wakeup = zrpc_earlier(wakeup, now + REAP_INTERVAL);
        if (!over(l))
            rc = wait_for_something(l, wakeup, err);
    }
    pthread_mutex_unlock(&l->lock);
    return rc;
}

static void *run_thread(void *arg)
{
    struct zrpc_link *l = arg;
    struct zrpc_error err;

    if (zrpc_link_run(l, &err) < 0)
        zrpc_link_failed(l, 0, "the link ended", err.text);
    return NULL;
}

int zrpc_link_start(struct zrpc_link *l, struct zrpc_error *err)
{
    int rc = pthread_create(&l->thread, NULL, run_thread, l);

    if (rc != 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "link: start a thread");
    l->has_thread = true;
    return 0;
}

/* What has arrived already, and can pass at once, does. */
static void settle(struct zrpc_link *l)
{
    struct polled polled = {0};

    for (int i = 0; i < 100 && l->connections != NULL; i++) {
        service(l, zrpc_now());
        if (collect(l, &polled, NULL) < 0 || poll(l->fds, polled.n, 0) <= 0)
            return;
        dispatch(l, &polled, zrpc_now());
    }
}

void zrpc_link_end(struct zrpc_link *l)
{
    if (l->has_thread) {
        zrpc_link_stop(l);
        pthread_join(l->thread, NULL);
        l->has_thread = false;
    }
    settle(l);
    while (l->connections != NULL) {
        struct zrpc_link_connection *c = l->connections;

        l->connections = c->next;
        zrpc_link_connection_free(c);
    }
    if (!l->ended && l->wake_fd >= 0) /* it has been opened */
        zrpc_link_record_compare_connections(l);
    l->ended = true;
    end_children(l);
    zrpc_link_listener_close(&l->listener);
    zrpc_link_control_close(l);
    zrpc_link_record_close(l);
}

void zrpc_link_close(struct zrpc_link *l)
{
    if (l == NULL)
        return;
    zrpc_link_end(l);
    zrpc_link_dialer_close(&l->dialer);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    pthread_mutex_destroy(&l->lock);
    free(l->fds);
    free(l->children);
    free(l);
}
