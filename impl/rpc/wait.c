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
    bool unreachable;               /* there was no connection when it ended */
    struct zrpc_error err, failure; /* failure: of control's last attempt to connect, if unreachable */
};

enum { CONTROL, DATA, PINGS };

struct wait {
    struct zrpc_client *client;
    zrpc_time deadline;
    char message[ZRPC_PING_MESSAGE_MAX];
    int done_fd;                /* counts the pings that are over */
    struct zrpc_cancel give_up; /* the pings should end now */
    struct ping pings[PINGS];
};

static int ping_control(struct wait *w, struct zrpc_error *err)
{
    const struct zrpc_call_options options = {
        .deadline = w->deadline,
        .wait_for_ready = true,
        .cancel = &w->give_up,
    };
    int rc = zrpc_client_ping_control(w->client, &options, w->message, err);
    struct ping *p = &w->pings[CONTROL];

    /* Whatever ended the wait: a server that could not be reached is the reason that it took so long. */
    p->unreachable = rc < 0 && zrpc_channel_failure(w->client->control, &p->failure) < 0;
    return rc;
}

/* A server that is not there yet. */
static bool is_temporary(int rc)
{
    static const int codes[] = {ZRPC_ERR_DIAL, ZRPC_ERR_TIMEOUT, ZRPC_ERR_RESOLVE,
                                ZRPC_ERR_END,  ZRPC_ERR_RESET,   ZRPC_ERR_UNAVAILABLE};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (rc == codes[i])
            return true;
    return false;
}

/* Dials until there is a connection, time is up, it is told to give up, or something is wrong for good. */
static int connect_data(struct wait *w, struct zrpc_wire **out, struct zrpc_error *err)
{
    const struct zrpc_client *c = w->client;
    bool *unreachable = &w->pings[DATA].unreachable;
    struct zrpc_error last;

    for (;;) {
        int rc = zrpc_connect(c->dialer, ZRPC_DATA, &c->options.connect, w->deadline, &w->give_up, out, err);
        zrpc_time now = zrpc_now();

        if (rc == ZRPC_ERR_CANCELLED && *unreachable)
            return zrpc_fail(err, rc, "%s", last.text);
        *unreachable = is_temporary(rc);
        if (!*unreachable)
            return rc;
        last = *err;
        zrpc_log(c->options.log_data, ZRPC_LOG_INFO, "no data connection yet", "code", zrpc_code_name(rc),
                 "err", err->text, NULL);
        rc = zrpc_await(zrpc_cancel_wait(&w->give_up),
                        zrpc_earlier(w->deadline, now + c->options.data_ping_sleep), NULL, NULL);
        if (rc == 0)
            return zrpc_fail(err, ZRPC_ERR_CANCELLED, "%s", last.text);
        if (zrpc_now() >= w->deadline)
            return zrpc_fail(err, ZRPC_ERR_TIMEOUT, "%s", last.text);
    }
}

static int ping_data(struct wait *w, struct zrpc_error *err)
{
    const struct zrpc_dataconn_options options = {.cancel = &w->give_up, .deadline = w->deadline};
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

/* Until both are over. At the deadline both end by themselves, each with its own reason; a failure before
 * that, or the caller's cancellation, ends the other. */
static void watch(struct wait *w, const struct zrpc_cancel *cancel)
{
    unsigned done = 0;

    while (done < PINGS) {
        const struct zrpc_cancel *flag = zrpc_cancelled(&w->give_up) ? NULL : cancel;
        struct pollfd fd = {.fd = w->done_fd, .events = POLLIN};
        bool failed = false;
        eventfd_t ended;

        if (zrpc_await(fd, ZRPC_NEVER, flag, NULL) == 0 && eventfd_read(w->done_fd, &ended) == 0)
            done += (unsigned)ended;
        for (int i = 0; i < PINGS; i++)
            failed |= atomic_load(&w->pings[i].failed);
        if ((failed && zrpc_now() < w->deadline) || zrpc_cancelled(cancel))
            zrpc_cancel_raise(&w->give_up);
    }
}

/* One that was ended because the other failed is to blame only if it had not even reached the server. */
static bool to_blame(const struct ping *p, bool all)
{
    return p->rc < 0 && (all || p->rc != ZRPC_ERR_CANCELLED || p->unreachable);
}

/* Ended because the other failed, not because the caller wanted it: what kept it from connecting. */
static const char *reason(const struct ping *p, bool cancelled)
{
    return !cancelled && p->rc == ZRPC_ERR_CANCELLED && p->failure.code != 0 ? p->failure.text : p->err.text;
}

static int report(const struct wait *w, bool cancelled, struct zrpc_error *err)
{
    const struct ping *control = &w->pings[CONTROL], *data = &w->pings[DATA];
    bool blame_control = to_blame(control, cancelled), blame_data = to_blame(data, cancelled);
    int code = blame_data ? data->rc : control->rc;

    if (blame_control && control->rc != ZRPC_ERR_CANCELLED)
        code = control->rc;
    if (cancelled)
        code = ZRPC_ERR_CANCELLED;
    if (blame_control && blame_data)
        return zrpc_fail(err, code, "control and data rpc failed to answer: control: %s; data: %s",
                         reason(control, cancelled), data->err.text);
    if (blame_control)
        return zrpc_fail(err, code, "control rpc failed to answer: %s", reason(control, cancelled));
    if (blame_data)
        return zrpc_fail(err, code, "data rpc failed to answer: %s", data->err.text);
    return 0;
}

static int run(struct wait *w, const struct zrpc_cancel *cancel, struct zrpc_error *err)
{
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
    watch(w, cancel);
    for (int i = 0; i < PINGS; i++)
        if (w->pings[i].started)
            pthread_join(w->pings[i].thread, NULL);
    return report(w, zrpc_cancelled(cancel), err);
}

int zrpc_client_wait_for_connectivity(struct zrpc_client *c, zrpc_time deadline,
                                      const struct zrpc_cancel *cancel, struct zrpc_error *err)
{
    struct wait w = {
        .client = c,
        .deadline = deadline,
        .done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .give_up = ZRPC_CANCEL_NONE,
        .pings = {[CONTROL] = {.wait = &w, .run = ping_control}, [DATA] = {.wait = &w, .run = ping_data}},
    };
    int rc = 0;

    if (w.done_fd < 0)
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "eventfd");
    if (rc == 0)
        rc = zrpc_cancel_init(&w.give_up, err);
    if (rc == 0)
        rc = zrpc_ping_message(w.message, err);
    if (rc == 0)
        rc = run(&w, cancel, err);
    zrpc_log(c->options.log, ZRPC_LOG_INFO, rc < 0 ? "no connectivity" : "connectivity", "server",
             c->dialer->ops->address(c->dialer), rc < 0 && err != NULL ? "err" : NULL,
             err == NULL ? NULL : err->text, NULL);
    zrpc_cancel_dispose(&w.give_up);
    if (w.done_fd >= 0)
        close(w.done_fd);
    return rc;
}
