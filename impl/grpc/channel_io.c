#include "grpc/channel_impl.h"

#include <stdlib.h>
#include <unistd.h>

/* While the connections are lent, the thread looks this often whether they still are in use. */
#define LEND_TIME (5 * ZRPC_MILLISECOND)

/*
 * Connecting.
 */
static void *attempt_thread(void *arg)
{
    struct zrpc_channel *ch = arg;
    struct zrpc_wire *wire = NULL;
    struct zrpc_error err = {0};
    int rc = ch->connector.connect(ch->connector.ctx, ch->attempt.deadline, &wire, &err);

    pthread_mutex_lock(&ch->lock);
    ch->attempt.wire = rc < 0 ? NULL : wire;
    ch->attempt.error = err;
    ch->attempt.finished = true;
    pthread_mutex_unlock(&ch->lock);
    zrpc_channel_wake(ch);
    return NULL;
}

static void begin_attempt(struct zrpc_channel *ch)
{
    struct zrpc_error why;
    int rc;

    ch->attempt = (struct channel_attempt){.running = true, .deadline = ch->connectivity.give_up};
    rc = pthread_create(&ch->attempt.thread, NULL, attempt_thread, ch);
    if (rc == 0)
        return;
    ch->attempt.running = false;
    zrpc_fail_errno(&why, ZRPC_ERR_SYSTEM, rc, "no thread to connect");
    zrpc_connectivity_failed(&ch->connectivity, &why);
}

/* Two descriptors for each connection, and one. */
static int make_room(struct zrpc_channel *ch, struct zrpc_error *err)
{
    struct wait_set *w = &ch->wait;
    size_t need = 3;
    struct pollfd *fds;

    for (const struct channel_conn *conn = ch->conns; conn != NULL; conn = conn->next)
        need += 2;
    if (need <= w->room)
        return 0;
    fds = reallocarray(w->fds, 2 * need, sizeof *fds);
    if (fds == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a connection");
    w->fds = fds;
    w->room = 2 * need;
    return 0;
}

static int add_conn(struct zrpc_channel *ch, struct zrpc_wire *wire, zrpc_time now, struct zrpc_error *err)
{
    struct zrpc_grpc_client_options options = {
        .authority = ch->authority,
        .response_max = ch->options.response_max,
        .keepalive = {.interval = ch->keepalive_interval, .timeout = ch->options.keepalive.timeout},
    };
    struct channel_conn *conn = calloc(1, sizeof *conn);
    int rc = conn == NULL ? zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a connection") : make_room(ch, err);

    if (rc == 0)
        rc = zrpc_grpc_client_new(&options, now, &conn->session, err);
    if (rc < 0) {
        free(conn);
        return rc;
    }
    conn->wire = wire;
    conn->keepalive_interval = ch->keepalive_interval;
    conn->dead_at = ZRPC_NEVER;
    conn->next = ch->conns;
    ch->conns = conn;
    ch->current = conn;
    return 0;
}

static void end_attempt(struct zrpc_channel *ch, zrpc_time now)
{
    struct zrpc_error why = ch->attempt.error;
    int rc;

    pthread_join(ch->attempt.thread, NULL); /* it has nothing left to do */
    ch->attempt.running = false;
    if (ch->attempt.wire == NULL) {
        zrpc_connectivity_failed(&ch->connectivity, &why);
        return;
    }
    if (ch->connectivity.state == ZRPC_CHANNEL_SHUTDOWN)
        rc = ZRPC_ERR_CLOSED;
    else
        rc = add_conn(ch, ch->attempt.wire, now, &why);
    if (rc < 0) {
        zrpc_wire_close(ch->attempt.wire);
        zrpc_connectivity_failed(&ch->connectivity, &why);
    }
}

/*
 * The thread.
 */
static void tell_state(struct zrpc_channel *ch)
{
    const struct zrpc_connectivity *c = &ch->connectivity;
    enum zrpc_channel_state state = c->state;
    const char *reason = NULL;

    if (state == ch->shown)
        return;
    if (state == ZRPC_CHANNEL_TRANSIENT_FAILURE)
        reason = c->failure.text;
    else if (state == ZRPC_CHANNEL_IDLE)
        reason = c->loss.text;
    zrpc_log(ch->options.log, ZRPC_LOG_INFO, "control channel", "server", ch->name, "state",
             zrpc_channel_state_name(state), "before", zrpc_channel_state_name(ch->shown),
             reason == NULL ? NULL : "reason", reason, NULL);
    ch->shown = state;
    pthread_cond_broadcast(&ch->state_changed);
}

static void step_shutdown(struct zrpc_channel *ch, zrpc_time now)
{
    static const struct zrpc_error closed = {.code = ZRPC_ERR_CLOSED, .text = "the channel is closed"};
    struct channel_conn *next;

    if (ch->shutdown_at == ZRPC_NEVER)
        return;
    if (ch->connectivity.state != ZRPC_CHANNEL_SHUTDOWN && ch->attempt.running &&
        ch->connector.interrupt != NULL)
        ch->connector.interrupt(ch->connector.ctx);
    zrpc_connectivity_shutdown(&ch->connectivity);
    ch->current = NULL;
    for (struct channel_conn *conn = ch->conns; conn != NULL; conn = next) {
        next = conn->next;
        zrpc_grpc_client_shutdown(conn->session);
        zrpc_channel_flush(ch, conn);
        if (now >= ch->shutdown_at)
            zrpc_channel_fail_conn(ch, conn, &closed);
    }
}

static void step(struct zrpc_channel *ch, zrpc_time now)
{
    struct channel_conn *next;

    if (ch->attempt.running && ch->attempt.finished)
        end_attempt(ch, now);
    step_shutdown(ch, now);
    for (struct channel_conn *conn = ch->conns; conn != NULL; conn = next) {
        next = conn->next;
        zrpc_channel_step_conn(ch, conn, now);
    }
    tell_state(ch);
    zrpc_channel_take_arrived(ch);
    zrpc_channel_dispatch(ch, now);
    if (zrpc_connectivity_tick(&ch->connectivity, now)) {
        tell_state(ch);
        begin_attempt(ch);
    }
    if (ch->current != NULL)
        zrpc_channel_flush(ch, ch->current);
    tell_state(ch);
}

/* What can be done while a caller drives: it will be through in a moment. */
static void step_beside_caller(struct zrpc_channel *ch, zrpc_time now)
{
    zrpc_channel_take_arrived(ch);
    zrpc_channel_dispatch(ch, now);
    if (ch->current != NULL)
        zrpc_channel_flush(ch, ch->current);
}

static bool nothing_else_goes_on(const struct zrpc_channel *ch)
{
    const struct channel_conn *conn = ch->conns;

    return conn != NULL && conn == ch->current && conn->next == NULL && !conn->blocked &&
           ch->pending.first == NULL && ch->connectivity.state == ZRPC_CHANNEL_READY &&
           zrpc_grpc_client_open_calls(conn->session) == 0;
}

/* Lends the connections after a single call, takes them back when others join in or when it has become quiet.
 */
static void lend_or_take_back(struct zrpc_channel *ch, bool woken)
{
    if (ch->driver == CHANNEL_DRIVER_THREAD && !woken && ch->answered == 1 && nothing_else_goes_on(ch)) {
        ch->driver = CHANNEL_DRIVER_NOBODY;
        ch->lent_in_use = true;
    } else if (ch->driver == CHANNEL_DRIVER_NOBODY) {
        if (woken || !ch->lent_in_use)
            ch->driver = CHANNEL_DRIVER_THREAD;
        ch->lent_in_use = false;
    }
    ch->answered = 0;
}

zrpc_time zrpc_channel_wakeup(struct zrpc_channel *ch)
{
    zrpc_time when = zrpc_connectivity_wakeup(&ch->connectivity);

    if (ch->connectivity.state != ZRPC_CHANNEL_SHUTDOWN || ch->conns != NULL)
        when = zrpc_earlier(when, ch->shutdown_at);
    for (const struct channel_conn *conn = ch->conns; conn != NULL; conn = conn->next)
        when = zrpc_earlier(when, zrpc_earlier(conn->dead_at, zrpc_grpc_client_wakeup(conn->session)));
    for (const struct zrpc_channel_call *call = ch->pending.first; call != NULL; call = call->next)
        when = zrpc_earlier(when, zrpc_earlier(call->grpc.deadline, call->not_before));
    return when;
}

static void add_to_wait(struct wait_set *w, const struct pollfd fd)
{
    w->hurry = w->hurry || fd.fd < 0;
    w->fds[w->n++] = fd;
}

static void prepare_wait(struct zrpc_channel *ch)
{
    struct wait_set *w = &ch->wait;

    w->n = 0;
    w->hurry = false;
    w->conns = ch->driver == CHANNEL_DRIVER_THREAD;
    add_to_wait(w, (struct pollfd){.fd = ch->wake_fd, .events = POLLIN});
    for (struct channel_conn *conn = ch->conns; conn != NULL && w->conns; conn = conn->next) {
        conn->read_index = w->n;
        add_to_wait(w, zrpc_wire_wait(conn->wire, ZRPC_READ));
        if (conn->blocked && conn->dead_at == ZRPC_NEVER)
            add_to_wait(w, zrpc_wire_wait(conn->wire, ZRPC_WRITE));
    }
}

/* Without the lock. True: somebody woke us. */
static bool wait_and_receive(struct zrpc_channel *ch, zrpc_time until)
{
    struct wait_set *w = &ch->wait;
    struct channel_conn *next;
    uint64_t count;
    bool woken;

    if (poll(w->fds, w->n, w->hurry ? 0 : zrpc_poll_timeout(zrpc_now(), until)) < 0)
        return false;
    atomic_store(&ch->awake, true);
    woken = w->fds[0].revents != 0 && read(ch->wake_fd, &count, sizeof count) > 0;
    /* Nobody else changes the list while this thread is the driver. */
    for (struct channel_conn *conn = w->conns ? ch->conns : NULL; conn != NULL; conn = next) {
        const struct pollfd *fd = &w->fds[conn->read_index];

        next = conn->next;
        if (fd->fd < 0 || fd->revents != 0)
            zrpc_channel_receive(ch, conn);
    }
    return woken;
}

static bool finished(const struct zrpc_channel *ch)
{
    return ch->freed && ch->conns == NULL && !ch->attempt.running;
}

/* What time and events ask for; fills the set to wait with, and returns until when. */
static zrpc_time work(struct zrpc_channel *ch, bool woken)
{
    zrpc_time now = zrpc_now();

    lend_or_take_back(ch, woken);
    /* From here on an arriving call has to wake us; those that came before are seen now. */
    atomic_store(&ch->awake, false);
    if (ch->driver == CHANNEL_DRIVER_CALLER)
        step_beside_caller(ch, now);
    else
        step(ch, now);
    ch->sleeps_until = zrpc_channel_wakeup(ch);
    if (ch->driver == CHANNEL_DRIVER_CALLER)
        ch->sleeps_until = now + LEND_TIME;
    else if (ch->driver == CHANNEL_DRIVER_NOBODY)
        ch->sleeps_until = zrpc_earlier(ch->sleeps_until, now + LEND_TIME);
    prepare_wait(ch);
    return ch->sleeps_until;
}

void *zrpc_channel_thread(void *channel)
{
    struct zrpc_channel *ch = channel;
    bool woken = false;

    pthread_mutex_lock(&ch->lock);
    for (;;) {
        zrpc_time until = work(ch, woken);
        struct zrpc_channel_call *done = zrpc_channel_take_finished(ch);
        bool end = finished(ch);

        pthread_mutex_unlock(&ch->lock);
        zrpc_channel_release(done);
        if (end)
            return NULL;
        woken = wait_and_receive(ch, until);
        pthread_mutex_lock(&ch->lock);
    }
}
