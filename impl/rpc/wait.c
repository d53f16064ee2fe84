#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rpc/client_internal.h"

/* One of the two pings, in a thread of its own. */
struct ping {
    struct wait *wait;
    int (*run)(struct wait *w, struct zrpc_error *err);
    pthread_t thread;
    bool started;
    atomic_bool failed;
    int rc;
    struct zrpc_error err;
};

enum { CONTROL, DATA, PINGS };

struct wait {
    struct zrpc_client *client;
    zrpc_time deadline;
    char message[ZRPC_PING_MESSAGE_MAX];
    int done_fd;                     /* counts the pings that are over */
    int give_up_fd;                  /* readable: the data ping should end now */
    struct zrpc_canceller canceller; /* for the control ping */
    struct ping pings[PINGS];
};

static int ping_control(struct wait *w, struct zrpc_error *err)
{
    const struct zrpc_call_options options = {
        .deadline = w->deadline,
        .wait_for_ready = true,
        .canceller = &w->canceller,
    };

    return zrpc_client_ping_control(w->client, &options, w->message, err);
}

/* A server that is not there yet. */
static bool is_temporary(int rc)
{
    return rc == ZRPC_ERR_DIAL || rc == ZRPC_ERR_TIMEOUT || rc == ZRPC_ERR_RESOLVE;
}

/* Dials until there is a connection, it is told to give up, or something else is wrong than the dialling. */
static int connect_data(struct wait *w, struct zrpc_wire **out, struct zrpc_error *err)
{
    const struct zrpc_client *c = w->client;
    struct pollfd give_up = {.fd = w->give_up_fd, .events = POLLIN};
    int rc;

    for (;;) {
        zrpc_time now;

        rc = zrpc_connect(c->dialer, ZRPC_DATA, &c->options.connect, w->deadline, out, err);
        now = zrpc_now();
        if (!is_temporary(rc) || w->deadline <= now + c->options.data_ping_sleep)
            return rc;
        if (poll(&give_up, 1, zrpc_poll_timeout(now, now + c->options.data_ping_sleep)) > 0)
            return rc;
    }
}

static int ping_data(struct wait *w, struct zrpc_error *err)
{
    const struct zrpc_dataconn_options options = {.cancel_fd = w->give_up_fd, .deadline = w->deadline};
    struct zrpc_wire *wire;
    int rc = connect_data(w, &wire, err);

    return rc < 0 ? rc : zrpc_client_ping_wire(wire, &options, w->message, err);
}

static void *run_ping(void *arg)
{
    struct ping *p = arg;

    p->rc = p->run(p->wait, &p->err);
    atomic_store(&p->failed, p->rc < 0);
    eventfd_write(p->wait->done_fd, 1);
    return NULL;
}

static void give_up(struct wait *w)
{
    eventfd_write(w->give_up_fd, 1);
    zrpc_channel_cancel(w->client->control, &w->canceller);
}

/* Until both are over. `why` gets the reason of our own to end them, if there was one. */
static void watch(struct wait *w, int cancel_fd, int *why)
{
    struct pollfd fds[2] = {{.fd = w->done_fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
    zrpc_time deadline = w->deadline;
    unsigned done = 0;

    while (done < PINGS) {
        zrpc_time now = zrpc_now();
        bool failed = false;
        eventfd_t ended;

        if (poll(fds, 2, zrpc_poll_timeout(now, deadline)) < 0 && errno != EINTR)
            *why = ZRPC_ERR_SYSTEM;
        else if (fds[1].revents != 0)
            *why = ZRPC_ERR_CANCELLED;
        else if (zrpc_now() >= deadline)
            *why = ZRPC_ERR_TIMEOUT;
        if (fds[0].revents != 0 && eventfd_read(w->done_fd, &ended) == 0)
            done += (unsigned)ended;
        for (int i = 0; i < PINGS; i++)
            failed |= atomic_load(&w->pings[i].failed);
        if (failed || *why != 0) {
            give_up(w);
            fds[1].fd = -1;
            fds[1].revents = 0;
            deadline = ZRPC_NEVER;
        }
    }
}

static int report(const struct wait *w, int why, struct zrpc_error *err)
{
    const struct ping *control = &w->pings[CONTROL], *data = &w->pings[DATA];
    /* One that was only ended because the other failed, or was answered, is not to blame. */
    bool blame_control = control->rc < 0 && (why != 0 || control->rc != ZRPC_ERR_CANCELLED);
    bool blame_data = data->rc < 0 && (why != 0 || data->rc != ZRPC_ERR_CANCELLED);
    int code = why != 0 ? why : blame_control ? control->rc : data->rc;

    if (blame_control && blame_data)
        return zrpc_fail(err, code, "control and data rpc failed to answer: control: %s; data: %s",
                         control->err.text, data->err.text);
    if (blame_control)
        return zrpc_fail(err, code, "control rpc failed to answer: %s", control->err.text);
    if (blame_data)
        return zrpc_fail(err, code, "data rpc failed to answer: %s", data->err.text);
    return 0;
}

static int run(struct wait *w, int cancel_fd, struct zrpc_error *err)
{
    int why = 0;

    for (int i = 0; i < PINGS; i++) {
        struct ping *p = &w->pings[i];
        int errnum = pthread_create(&p->thread, NULL, run_ping, p);

        p->started = errnum == 0;
        if (errnum != 0) {
            p->rc = zrpc_fail_errno(&p->err, ZRPC_ERR_SYSTEM, errnum, "no thread for a ping");
            atomic_store(&p->failed, true);
            eventfd_write(w->done_fd, 1);
        }
    }
    watch(w, cancel_fd, &why);
    for (int i = 0; i < PINGS; i++)
        if (w->pings[i].started)
            pthread_join(w->pings[i].thread, NULL);
    return report(w, why, err);
}

int zrpc_client_wait_for_connectivity(struct zrpc_client *c, zrpc_time deadline, int cancel_fd,
                                      struct zrpc_error *err)
{
    struct wait w = {
        .client = c,
        .deadline = deadline,
        .done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .give_up_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .pings = {[CONTROL] = {.wait = &w, .run = ping_control}, [DATA] = {.wait = &w, .run = ping_data}},
    };
    int rc;

    if (w.done_fd < 0 || w.give_up_fd < 0)
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "eventfd");
    else
        rc = zrpc_ping_message(w.message, err);
    if (rc == 0)
        rc = run(&w, cancel_fd, err);
    if (w.done_fd >= 0)
        close(w.done_fd);
    if (w.give_up_fd >= 0)
        close(w.give_up_fd);
    return rc;
}
