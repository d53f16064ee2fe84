#include "grpc/channel_impl.h"

#include <stdlib.h>
#include <string.h>

#define READ_ON_AFTER_FAILED_WRITE (1 * ZRPC_SECOND)

/*
 * Calls and their ends.
 */
static void finish(struct zrpc_channel *ch, struct zrpc_channel_call *call)
{
    ch->answered++;
    call->conn = NULL;
    call->over = true;
    zrpc_call_queue_append(&ch->finished, call);
}

void zrpc_channel_fail(struct zrpc_channel *ch, struct zrpc_channel_call *call, enum zrpc_grpc_status status,
                       int code, const char *text)
{
    call->grpc.result = (struct zrpc_grpc_result){.status = status};
    if (strstr(text, ch->name) != NULL)
        zrpc_fail(&call->grpc.result.error, code, "%s", text);
    else
        zrpc_fail(&call->grpc.result.error, code, "%s: %s", ch->name, text);
    finish(ch, call);
}

void zrpc_channel_fail_waiting(struct zrpc_channel *ch, struct zrpc_channel_call *call,
                               enum zrpc_grpc_status status, int code, const char *text)
{
    const struct zrpc_error *failure = &ch->connectivity.failure;
    struct zrpc_error why;

    if (failure->code != 0) {
        zrpc_fail(&why, code, "%s; last attempt to connect: %s", text, failure->text);
        text = why.text;
    }
    zrpc_channel_fail(ch, call, status, code, text);
}

struct zrpc_channel_call *zrpc_channel_take_finished(struct zrpc_channel *ch)
{
    struct zrpc_channel_call *first = ch->finished.first;

    zrpc_call_queue_init(&ch->finished);
    return first;
}

void zrpc_channel_take_arrived(struct zrpc_channel *ch)
{
    struct zrpc_channel_call *newest = atomic_exchange(&ch->arrived, NULL), *oldest = NULL, *next;

    for (; newest != NULL; newest = next) {
        next = newest->next;
        newest->next = oldest;
        oldest = newest;
    }
    for (; oldest != NULL; oldest = next) {
        next = oldest->next;
        zrpc_call_queue_append(&ch->pending, oldest);
    }
}

/* A connection that ends is followed by another, and those keep their distance. A server that refuses a call
 * on one that goes on may only have lowered its limits meanwhile; so it is asked again at once, but only
 * once.
 */
static void set_pause(const struct zrpc_channel *ch, const struct channel_conn *conn,
                      struct zrpc_channel_call *call)
{
    zrpc_time now = zrpc_now();

    if (zrpc_grpc_client_draining(conn->session) || conn->dead_at != ZRPC_NEVER)
        return;
    if (call->resent == 1)
        zrpc_backoff_init(&call->refused, &ch->options.resend, (uint64_t)now);
    else
        call->not_before = now + zrpc_backoff_next(&call->refused);
}

void zrpc_channel_harvest(struct zrpc_channel *ch, struct channel_conn *conn)
{
    struct zrpc_grpc_call *done;

    while ((done = zrpc_grpc_client_next_done(conn->session)) != NULL) {
        struct zrpc_channel_call *call = (struct zrpc_channel_call *)done;

        call->conn = NULL;
        if (done->result.unprocessed && call->resent < ZRPC_CHANNEL_RESENDS_MAX) {
            call->resent++;
            set_pause(ch, conn, call);
            zrpc_call_queue_append(&ch->pending, call);
        } else {
            finish(ch, call);
        }
    }
}

/* What to do with a call that waits: true if it is out of the queue. */
static bool dispatch_one(struct zrpc_channel *ch, zrpc_time now, struct zrpc_channel_call *call)
{
    struct zrpc_error err;
    int rc;

    if (ch->connectivity.state == ZRPC_CHANNEL_SHUTDOWN) {
        zrpc_channel_fail(ch, call, ZRPC_GRPC_CANCELLED, ZRPC_ERR_CLOSED, "the channel is closed");
        return true;
    }
    if (now >= call->grpc.deadline) {
        zrpc_channel_fail_waiting(ch, call, ZRPC_GRPC_DEADLINE_EXCEEDED, ZRPC_ERR_TIMEOUT,
                                  "deadline exceeded before sending");
        return true;
    }
    if (call->not_before != ZRPC_NEVER && now < call->not_before)
        return false;
    call->not_before = ZRPC_NEVER;
    if (ch->current != NULL && ch->connectivity.state == ZRPC_CHANNEL_READY) {
        rc = zrpc_grpc_client_begin(ch->current->session, now, &call->grpc, &err);
        if (rc == 0)
            call->conn = ch->current;
        else if (rc != ZRPC_ERR_CLOSED)
            zrpc_channel_fail(ch, call, ZRPC_GRPC_RESOURCE_EXHAUSTED, rc, err.text);
        return rc != ZRPC_ERR_CLOSED;
    }
    if (ch->connectivity.state == ZRPC_CHANNEL_TRANSIENT_FAILURE && !call->wait_for_ready) {
        zrpc_channel_fail(ch, call, ZRPC_GRPC_UNAVAILABLE, ZRPC_ERR_UNAVAILABLE,
                          ch->connectivity.failure.text);
        return true;
    }
    zrpc_connectivity_want(&ch->connectivity);
    return false;
}

void zrpc_channel_dispatch(struct zrpc_channel *ch, zrpc_time now)
{
    struct zrpc_channel_call *call = ch->pending.first, *next;

    zrpc_call_queue_init(&ch->pending);
    for (; call != NULL; call = next) {
        next = call->next;
        if (!dispatch_one(ch, now, call))
            zrpc_call_queue_append(&ch->pending, call);
    }
}

/*
 * Connections.
 */
static void close_conn(struct zrpc_channel *ch, struct channel_conn *conn)
{
    struct channel_conn **at = &ch->conns;

    while (*at != conn)
        at = &(*at)->next;
    *at = conn->next;
    zrpc_grpc_client_free(conn->session);
    zrpc_wire_close(conn->wire);
    free(conn);
}

/* No new call can go there. */
static void retire(struct zrpc_channel *ch, struct channel_conn *conn, const struct zrpc_error *why)
{
    if (ch->current != conn)
        return;
    ch->current = NULL;
    if (ch->connectivity.state == ZRPC_CHANNEL_CONNECTING)
        zrpc_connectivity_failed(&ch->connectivity, why);
    else
        zrpc_connectivity_lost(&ch->connectivity, why);
}

void zrpc_channel_fail_conn(struct zrpc_channel *ch, struct channel_conn *conn, const struct zrpc_error *why)
{
    zrpc_log(ch->options.log, ZRPC_LOG_INFO, "control connection ended", "server", ch->name, "reason",
             why->text, NULL);
    retire(ch, conn, why);
    zrpc_grpc_client_fail(conn->session, zrpc_now(), why);
    zrpc_channel_harvest(ch, conn);
    close_conn(ch, conn);
}

/* A write fails because the server is gone, maybe after words that are still to be read, such as GOAWAY. */
static void write_failed(struct zrpc_channel *ch, struct channel_conn *conn, const struct zrpc_error *why)
{
    conn->error = *why;
    conn->dead_at = zrpc_now() + READ_ON_AFTER_FAILED_WRITE;
    retire(ch, conn, why);
}

void zrpc_channel_flush(struct zrpc_channel *ch, struct channel_conn *conn)
{
    struct zrpc_error err;

    while (conn->dead_at == ZRPC_NEVER) {
        struct zrpc_view out;
        struct iovec iov;
        ssize_t n = zrpc_grpc_client_output(conn->session, &out, &err);

        if (n == 0 && out.len == 0)
            return;
        if (n == 0) {
            iov = (struct iovec){.iov_base = (uint8_t *)out.data, .iov_len = out.len};
            n = zrpc_wire_writev(conn->wire, &iov, 1, &err);
        }
        if (n == ZRPC_ERR_AGAIN) {
            conn->blocked = true;
            return;
        }
        if (n < 0) {
            write_failed(ch, conn, &err);
            return;
        }
        if (conn->blocked)
            zrpc_grpc_client_unblocked(conn->session, zrpc_now());
        conn->blocked = false;
        zrpc_grpc_client_sent(conn->session, (size_t)n);
    }
}

/* Also on a connection that is no longer the current one: a server may say why it ends the connection when
 * writing to it has already failed. */
static void heed_too_many_pings(struct zrpc_channel *ch, struct channel_conn *conn)
{
    zrpc_time doubled = zrpc_keepalive_doubled(conn->keepalive_interval);
    char interval[ZRPC_DURATION_TEXT_MAX];

    if (conn->calmed || !zrpc_grpc_client_too_many_pings(conn->session))
        return;
    conn->calmed = true;
    if (doubled > ch->keepalive_interval)
        ch->keepalive_interval = doubled;
    zrpc_log(ch->options.log, ZRPC_LOG_INFO, "too many pings for the server", "server", ch->name, "keepalive",
             zrpc_duration_format(ch->keepalive_interval, interval), NULL);
}

static void note_goaway(struct zrpc_channel *ch, struct channel_conn *conn)
{
    struct zrpc_error why;

    heed_too_many_pings(ch, conn);
    if (ch->current != conn || !zrpc_grpc_client_draining(conn->session))
        return;
    zrpc_fail(&why, ZRPC_ERR_UNAVAILABLE, "the server takes no more calls");
    retire(ch, conn, &why);
}

void zrpc_channel_step_conn(struct zrpc_channel *ch, struct channel_conn *conn, zrpc_time now)
{
    struct zrpc_error why;

    heed_too_many_pings(ch, conn);
    if (now >= conn->dead_at) {
        why = conn->error;
        zrpc_channel_fail_conn(ch, conn, &why);
        return;
    }
    if (zrpc_grpc_client_tick(conn->session, now, &why) < 0) {
        zrpc_channel_fail_conn(ch, conn, &why);
        return;
    }
    if (ch->current == conn && zrpc_grpc_client_ready(conn->session))
        zrpc_connectivity_established(&ch->connectivity);
    note_goaway(ch, conn);
    if (ch->current == conn && ch->connectivity.state == ZRPC_CHANNEL_CONNECTING &&
        now >= ch->connectivity.give_up) {
        zrpc_fail(&why, ZRPC_ERR_TIMEOUT, "no SETTINGS from the server in time");
        zrpc_channel_fail_conn(ch, conn, &why);
        return;
    }
    zrpc_channel_harvest(ch, conn);
    zrpc_channel_flush(ch, conn);
    if (zrpc_grpc_client_ended(conn->session))
        close_conn(ch, conn);
}

int zrpc_channel_receive(struct zrpc_channel *ch, struct channel_conn *conn)
{
    struct iovec iov = {.iov_base = ch->read_buf, .iov_len = CHANNEL_READ_SIZE};
    struct zrpc_channel_call *done;
    struct zrpc_error why;
    ssize_t n = zrpc_wire_readv(conn->wire, &iov, 1, &why);
    int rc = 0;

    if (n == ZRPC_ERR_AGAIN)
        return 0;
    if (n == 0)
        n = zrpc_fail(&why, ZRPC_ERR_END, "the server closed the connection");
    pthread_mutex_lock(&ch->lock);
    if (n < 0)
        rc = (int)n;
    else
        rc = zrpc_grpc_client_input(conn->session, zrpc_now(), zrpc_view(ch->read_buf, (size_t)n), &why);
    if (rc < 0) {
        note_goaway(ch, conn);
        zrpc_channel_fail_conn(ch, conn, &why);
    } else {
        zrpc_channel_harvest(ch, conn);
    }
    done = zrpc_channel_take_finished(ch);
    pthread_mutex_unlock(&ch->lock);
    zrpc_channel_release(done);
    return rc;
}
