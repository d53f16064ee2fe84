#include "zrpc/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "grpc/channel_impl.h"
#include "zrpc/cond.h"
#include "zrpc/pb.h"

#define DRIVE_TIME (2 * ZRPC_MILLISECOND) /* a caller reads that long itself */

void zrpc_call_queue_init(struct call_queue *q)
{
    q->first = NULL;
    q->end = &q->first;
}

void zrpc_call_queue_append(struct call_queue *q, struct zrpc_channel_call *call)
{
    call->next = NULL;
    *q->end = call;
    q->end = &call->next;
}

void zrpc_channel_release(struct zrpc_channel_call *calls)
{
    const uint64_t one = 1;

    while (calls != NULL) {
        struct zrpc_channel_call *call = calls;

        calls = call->next;
        if (call->done_fd < 0)
            sem_post(&call->done);
        else /* cannot overflow: written once */
            (void)!write(call->done_fd, &one, sizeof one);
        /* its memory is gone now */
    }
}

static bool is_done(struct zrpc_channel_call *call)
{
    uint64_t one;

    return call->done_fd < 0 ? sem_trywait(&call->done) == 0 : read(call->done_fd, &one, sizeof one) > 0;
}

void zrpc_channel_wake(struct zrpc_channel *ch)
{
    const uint64_t one = 1;

    if (atomic_exchange(&ch->awake, true))
        return;
    /* It cannot fail but for a full counter, which wakes just as well. */
    if (write(ch->wake_fd, &one, sizeof one) < 0)
        return;
}

static void unlock_and_release(struct zrpc_channel *ch)
{
    struct zrpc_channel_call *finished = zrpc_channel_take_finished(ch);

    pthread_mutex_unlock(&ch->lock);
    zrpc_channel_release(finished);
}

/*
 * Calling.
 */
static void push(struct zrpc_channel *ch, struct zrpc_channel_call *call)
{
    call->next = atomic_load(&ch->arrived);
    while (!atomic_compare_exchange_weak(&ch->arrived, &call->next, call))
        continue;
}

static bool quiet(const struct zrpc_channel *ch)
{
    const struct channel_conn *conn = ch->current;

    return conn != NULL && ch->connectivity.state == ZRPC_CHANNEL_READY && !conn->blocked &&
           conn->dead_at == ZRPC_NEVER && ch->pending.first == NULL &&
           zrpc_grpc_client_open_calls(conn->session) == 0;
}

/* The lone caller's own reading; gives up where the answer takes its time. True: the call is done. */
static bool drive(struct zrpc_channel *ch, struct channel_conn *conn, struct zrpc_channel_call *call)
{
    zrpc_time until = zrpc_now() + DRIVE_TIME;
    bool done = false, alive = true, idle = false;

    while (alive && !done) {
        struct pollfd fd = zrpc_wire_wait(conn->wire, ZRPC_READ);
        int n = poll(&fd, 1, fd.fd < 0 ? 0 : zrpc_poll_timeout(zrpc_now(), until));

        if (n == 0 && zrpc_now() >= until)
            break;
        alive = zrpc_channel_receive(ch, conn) == 0;
        done = is_done(call);
    }
    pthread_mutex_lock(&ch->lock);
    ch->driver = CHANNEL_DRIVER_NOBODY;
    if (alive) {
        zrpc_channel_flush(ch, conn); /* acknowledgements */
        idle = quiet(ch) && !zrpc_grpc_client_draining(conn->session);
    }
    pthread_mutex_unlock(&ch->lock);
    if (!idle)
        zrpc_channel_wake(ch);
    return done;
}

/* Sends the request. A lone caller writes it itself, and reads the answer where reading is lent: that saves
 * changes of threads. Where others are under way the channel's thread gathers the requests instead: that
 * saves writes. True: the call is done. */
static bool send_request(struct zrpc_channel *ch, struct zrpc_channel_call *call)
{
    struct channel_conn *conn;
    bool alone = false, driving = false;

    if (atomic_load(&ch->awake) || pthread_mutex_trylock(&ch->lock) != 0) {
        zrpc_channel_wake(ch);
        return false;
    }
    conn = ch->current;
    if (quiet(ch)) {
        zrpc_channel_take_arrived(ch);
        zrpc_channel_dispatch(ch, zrpc_now());
        zrpc_channel_flush(ch, conn);
        alone = !conn->blocked && conn->dead_at == ZRPC_NEVER && ch->pending.first == NULL &&
                zrpc_channel_wakeup(ch) >= ch->sleeps_until;
    }
    if (alone && ch->driver == CHANNEL_DRIVER_NOBODY) {
        ch->driver = CHANNEL_DRIVER_CALLER;
        ch->lent_in_use = driving = true;
    }
    unlock_and_release(ch);
    if (!alone)
        zrpc_channel_wake(ch);
    return driving && drive(ch, conn, call);
}

static void unlink_pending(struct zrpc_channel *ch, struct zrpc_channel_call *call)
{
    struct zrpc_channel_call **at = &ch->pending.first;

    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (ch->pending.end == &call->next)
        ch->pending.end = at;
}

static void cancel(struct zrpc_channel *ch, struct zrpc_channel_call *call)
{
    pthread_mutex_lock(&ch->lock);
    zrpc_channel_take_arrived(ch);
    if (call->conn != NULL) {
        struct channel_conn *conn = call->conn;

        zrpc_grpc_client_cancel(conn->session, &call->grpc);
        zrpc_channel_harvest(ch, conn);
    } else if (!call->over) {
        unlink_pending(ch, call);
        zrpc_channel_fail_waiting(ch, call, ZRPC_GRPC_CANCELLED, ZRPC_ERR_CANCELLED,
                                  "cancelled by the caller");
    }
    unlock_and_release(ch);
    zrpc_channel_wake(ch);
}

/* Until the call is done. */
static void await(struct zrpc_channel *ch, struct zrpc_channel_call *call, const struct zrpc_cancel *flag)
{
    struct pollfd done = {.fd = call->done_fd, .events = POLLIN};

    if (call->done_fd < 0) {
        while (sem_wait(&call->done) != 0)
            continue;
        return;
    }
    if (zrpc_await(done, ZRPC_NEVER, flag, NULL) < 0)
        cancel(ch, call);
    while (!is_done(call))
        poll(&done, 1, -1);
}

/* How its caller will know that it is done. */
static int prepare(struct zrpc_channel_call *call, const struct zrpc_cancel *flag, struct zrpc_error *err)
{
    call->done_fd = -1;
    if (zrpc_cancelled(flag))
        return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled by the caller");
    if (flag == NULL)
        return sem_init(&call->done, 0, 0) == 0 ? 0
                                                : zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "semaphore");
    call->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return call->done_fd >= 0 ? 0 : zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "eventfd");
}

/* Fills call->grpc with the answer or with why there is none. */
static int exchange(struct zrpc_channel *ch, struct zrpc_channel_call *call, const struct zrpc_cancel *flag,
                    struct zrpc_error *err)
{
    const struct zrpc_error *why = &call->grpc.result.error;
    int rc = prepare(call, flag, err);

    if (rc < 0) {
        call->grpc.result.status =
            rc == ZRPC_ERR_CANCELLED ? ZRPC_GRPC_CANCELLED : ZRPC_GRPC_RESOURCE_EXHAUSTED;
        return rc;
    }
    push(ch, call);
    if (!send_request(ch, call))
        await(ch, call, flag);
    if (flag == NULL)
        sem_destroy(&call->done);
    else
        close(call->done_fd);
    return why->code == 0 ? 0 : zrpc_fail(err, why->code, "%s", why->text);
}

int zrpc_channel_call(struct zrpc_channel *ch, const struct zrpc_grpc_method *method,
                      const ProtobufCMessage *req, ProtobufCMessage **res,
                      const struct zrpc_call_options *options, enum zrpc_grpc_status *status,
                      struct zrpc_error *err)
{
    static const struct zrpc_call_options none;
    const struct zrpc_call_options *o = options == NULL ? &none : options;
    struct zrpc_channel_call call = {
        .grpc = {.path = method->path, .deadline = o->deadline == 0 ? ZRPC_NEVER : o->deadline},
        .wait_for_ready = o->wait_for_ready,
        .not_before = ZRPC_NEVER,
    };
    enum zrpc_grpc_status *result = &call.grpc.result.status;
    struct zrpc_buf request = {0};
    int rc = zrpc_grpc_put_message(req, ch->options.request_max, &request, err);

    *result = rc == ZRPC_ERR_MESSAGE ? ZRPC_GRPC_INTERNAL : ZRPC_GRPC_RESOURCE_EXHAUSTED;
    if (rc == 0) {
        call.grpc.request = zrpc_buf_view(&request);
        rc = exchange(ch, &call, o->cancel, err);
    }
    if (rc == 0) {
        rc = zrpc_pb_decode(method->response, zrpc_buf_view(&call.grpc.response), res, err);
        if (rc < 0)
            *result = rc == ZRPC_ERR_NOMEM ? ZRPC_GRPC_RESOURCE_EXHAUSTED : ZRPC_GRPC_INTERNAL;
    }
    if (o->long_text != NULL && call.grpc.result.long_text.len > 0) {
        zrpc_buf_dispose(o->long_text);
        *o->long_text = call.grpc.result.long_text;
        call.grpc.result.long_text = (struct zrpc_buf){0};
    }
    zrpc_buf_dispose(&call.grpc.result.long_text);
    zrpc_buf_dispose(&call.grpc.response);
    zrpc_buf_dispose(&request);
    if (status != NULL)
        *status = *result;
    return rc;
}

/*
 * State.
 */
void zrpc_channel_connect(struct zrpc_channel *ch)
{
    pthread_mutex_lock(&ch->lock);
    zrpc_connectivity_want(&ch->connectivity);
    pthread_mutex_unlock(&ch->lock);
    zrpc_channel_wake(ch);
}

void zrpc_channel_reset_connect_backoff(struct zrpc_channel *ch)
{
    pthread_mutex_lock(&ch->lock);
    zrpc_connectivity_reset_backoff(&ch->connectivity);
    pthread_mutex_unlock(&ch->lock);
    zrpc_channel_wake(ch);
}

enum zrpc_channel_state zrpc_channel_state(struct zrpc_channel *ch)
{
    enum zrpc_channel_state state;

    pthread_mutex_lock(&ch->lock);
    state = ch->shown;
    pthread_mutex_unlock(&ch->lock);
    return state;
}

int zrpc_channel_failure(struct zrpc_channel *ch, struct zrpc_error *err)
{
    struct zrpc_error failure;

    pthread_mutex_lock(&ch->lock);
    failure = ch->connectivity.failure;
    pthread_mutex_unlock(&ch->lock);
    return failure.code == 0 ? 0 : zrpc_fail(err, failure.code, "%s", failure.text);
}

enum zrpc_channel_state zrpc_channel_wait(struct zrpc_channel *ch, enum zrpc_channel_state from,
                                          zrpc_time deadline)
{
    enum zrpc_channel_state state;
    int rc = 0;

    pthread_mutex_lock(&ch->lock);
    while (ch->shown == from && rc == 0)
        rc = zrpc_cond_wait(&ch->state_changed, &ch->lock, deadline);
    state = ch->shown;
    pthread_mutex_unlock(&ch->lock);
    return state;
}

void zrpc_channel_shutdown(struct zrpc_channel *ch, zrpc_time deadline)
{
    pthread_mutex_lock(&ch->lock);
    ch->shutdown_at = zrpc_earlier(ch->shutdown_at, deadline == ZRPC_NEVER ? ZRPC_NEVER - 1 : deadline);
    pthread_mutex_unlock(&ch->lock);
    zrpc_channel_wake(ch);
}

/*
 * Life.
 */
static void release(struct zrpc_channel *ch)
{
    if (ch->wake_fd >= 0)
        close(ch->wake_fd);
    pthread_cond_destroy(&ch->state_changed);
    pthread_mutex_destroy(&ch->lock);
    zrpc_log_queue_free(ch->log);
    free(ch->wait.fds);
    free(ch->read_buf);
    free(ch->name);
    free(ch->authority);
    free(ch);
}

static void set_options(struct zrpc_channel *ch, const struct zrpc_channel_options *options)
{
    struct zrpc_channel_options *o = &ch->options;
    zrpc_time interval = options->keepalive.interval;

    *o = *options;
    o->name = ch->name;
    o->authority = ch->authority;
    if (o->request_max == 0)
        o->request_max = ZRPC_GRPC_RESPONSE_MAX_DEFAULT;
    if (o->resend.base == 0)
        o->resend.base = ZRPC_CHANNEL_RESEND_BASE_DEFAULT;
    if (o->resend.max == 0)
        o->resend.max = ZRPC_CHANNEL_RESEND_MAX_DEFAULT;
    if (ch->log != NULL)
        o->log = zrpc_log_queue_log(ch->log);
    ch->keepalive_interval = interval > 0 ? interval : ZRPC_KEEPALIVE_INTERVAL_DEFAULT;
    zrpc_connectivity_init(&ch->connectivity, &o->backoff, o->connect_timeout,
                           o->seed != 0 ? o->seed : (uint64_t)zrpc_now());
}

int zrpc_channel_new(const struct zrpc_connector *connector, const struct zrpc_channel_options *options,
                     struct zrpc_channel **out, struct zrpc_error *err)
{
    struct zrpc_channel *ch = calloc(1, sizeof *ch);
    int rc;

    if (ch == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a channel");
    ch->connector = *connector;
    ch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&ch->lock, NULL);
    zrpc_cond_init(&ch->state_changed);
    zrpc_call_queue_init(&ch->pending);
    zrpc_call_queue_init(&ch->finished);
    ch->sleeps_until = ZRPC_NEVER;
    ch->shutdown_at = ZRPC_NEVER;
    ch->read_buf = malloc(CHANNEL_READ_SIZE);
    ch->wait =
        (struct wait_set){.fds = calloc(CHANNEL_WAIT_ROOM, sizeof *ch->wait.fds), .room = CHANNEL_WAIT_ROOM};
    ch->name = strdup(options->name == NULL ? "server" : options->name);
    ch->authority = strdup(options->authority == NULL ? "localhost" : options->authority);
    if (ch->wake_fd < 0) {
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "eventfd");
        goto failed;
    }
    if (ch->read_buf == NULL || ch->wait.fds == NULL || ch->name == NULL || ch->authority == NULL) {
        rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a channel");
        goto failed;
    }
    if (options->log != NULL && (rc = zrpc_log_queue_new(options->log, &ch->log, err)) < 0)
        goto failed;
    set_options(ch, options);
    rc = pthread_create(&ch->thread, NULL, zrpc_channel_thread, ch);
    if (rc != 0) {
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "no thread for a channel");
        goto failed;
    }
    *out = ch;
    return 0;
failed:
    release(ch);
    return rc;
}

void zrpc_channel_free(struct zrpc_channel *ch)
{
    if (ch == NULL)
        return;
    pthread_mutex_lock(&ch->lock);
    if (ch->shutdown_at == ZRPC_NEVER)
        ch->shutdown_at = 0;
    ch->freed = true;
    pthread_mutex_unlock(&ch->lock);
    zrpc_channel_wake(ch);
    pthread_join(ch->thread, NULL);
    release(ch);
}
