#include "zrpc/heartbeatconn.h"

#include <inttypes.h>

static zrpc_time or_default(zrpc_time value, zrpc_time fallback)
{
    return value != 0 ? value : fallback;
}

void zrpc_heartbeatconn_init(struct zrpc_heartbeatconn *c, const struct zrpc_heartbeat_config *config,
                             zrpc_time now)
{
    static const struct zrpc_heartbeat_config defaults = {0};
    const struct zrpc_heartbeat_config *given = config != NULL ? config : &defaults;

    *c = (struct zrpc_heartbeatconn){
        .config =
            {
                .interval = or_default(given->interval, ZRPC_HEARTBEAT_INTERVAL_DEFAULT),
                .timeout = or_default(given->timeout, ZRPC_HEARTBEAT_TIMEOUT_DEFAULT),
                .shutdown_timeout = or_default(given->shutdown_timeout, ZRPC_SHUTDOWN_TIMEOUT_DEFAULT),
            },
        .last_sent = now,
        .read_deadline = ZRPC_NEVER,
        .write_deadline = ZRPC_NEVER,
    };
    zrpc_frameconn_init(&c->conn, c->config.shutdown_timeout);
}

void zrpc_heartbeatconn_dispose(struct zrpc_heartbeatconn *c)
{
    zrpc_frameconn_dispose(&c->conn);
}

/* Both deadlines are ZRPC_NEVER while they do not run, so that renewing is all there is to do. */
static void renew(zrpc_time *deadline, const struct zrpc_heartbeatconn *c, zrpc_time now)
{
    if (*deadline != ZRPC_NEVER)
        *deadline = zrpc_deadline(now, c->config.timeout);
}

static void received_heartbeat(struct zrpc_heartbeatconn *c, zrpc_time now)
{
    c->stats.heartbeats_received++;
    if (c->write_deadline != ZRPC_NEVER)
        c->stats.write_renewals++;
    renew(&c->write_deadline, c, now);
}

int zrpc_heartbeatconn_input(struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_view *in,
                             struct zrpc_frame_event *ev, struct zrpc_error *err)
{
    size_t before = in->len;
    int rc;

    if (before > 0)
        renew(&c->read_deadline, c, now);
    do {
        rc = zrpc_frameconn_input(&c->conn, in, ev, err);
        if (rc == 0 && ev->kind == ZRPC_FRAME_FINISH && ev->frame.type == ZRPC_FRAME_HEARTBEAT)
            received_heartbeat(c, now);
    } while (rc == 0 && ev->kind != ZRPC_FRAME_MORE && ev->frame.type == ZRPC_FRAME_HEARTBEAT);
    c->stats.bytes_received += before - in->len;
    return rc;
}

void zrpc_heartbeatconn_moved(struct zrpc_heartbeatconn *c, zrpc_time now, uint32_t n)
{
    if (n == 0)
        return;
    zrpc_frame_reader_moved(&c->conn.reader, n);
    c->stats.bytes_received += n;
    renew(&c->read_deadline, c, now);
}

int zrpc_heartbeatconn_eof(struct zrpc_heartbeatconn *c, struct zrpc_error *err)
{
    return zrpc_frameconn_eof(&c->conn, err);
}

void zrpc_heartbeatconn_want_read(struct zrpc_heartbeatconn *c, zrpc_time now, bool wanted)
{
    if (!wanted || c->conn.state != ZRPC_CONN_OPEN)
        c->read_deadline = ZRPC_NEVER;
    else if (c->read_deadline == ZRPC_NEVER)
        c->read_deadline = zrpc_deadline(now, c->config.timeout);
}

static bool can_write(const struct zrpc_heartbeatconn *c)
{
    return c->conn.state == ZRPC_CONN_OPEN && !c->conn.output_dropped;
}

static int check_write(const struct zrpc_heartbeatconn *c, uint32_t type, struct zrpc_error *err)
{
    char text[ZRPC_FRAME_TEXT_MAX];
    const char *what = zrpc_frame_describe((struct zrpc_frame){.type = type}, text);

    if (!can_write(c))
        return zrpc_fail(err, ZRPC_ERR_CLOSED, "frame (%s) not sent: this side is shutting down", what);
    if ((type & (ZRPC_FRAME_MASK_FRAMECONN | ZRPC_FRAME_MASK_HEARTBEAT)) != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "frame (%s) not sent: its type belongs to the lower layers",
                         what);
    return 0;
}

/* Output became pending, or more of it did. */
static void queued(struct zrpc_heartbeatconn *c, zrpc_time now)
{
    if (c->write_deadline == ZRPC_NEVER)
        c->write_deadline = zrpc_deadline(now, c->config.timeout);
}

int zrpc_heartbeatconn_put(struct zrpc_heartbeatconn *c, zrpc_time now, uint32_t type,
                           struct zrpc_view payload, struct zrpc_error *err)
{
    int rc;

    if ((rc = check_write(c, type, err)) < 0 ||
        (rc = zrpc_frame_writer_put(&c->conn.writer, type, payload, err)) < 0)
        return rc;
    queued(c, now);
    return 0;
}

int zrpc_heartbeatconn_begin(struct zrpc_heartbeatconn *c, zrpc_time now, uint32_t type, uint32_t length,
                             struct zrpc_error *err)
{
    int rc;

    if ((rc = check_write(c, type, err)) < 0 ||
        (rc = zrpc_frame_writer_begin(&c->conn.writer, type, length, err)) < 0)
        return rc;
    queued(c, now);
    return 0;
}

void zrpc_heartbeatconn_sent(struct zrpc_heartbeatconn *c, zrpc_time now, size_t n)
{
    if (n == 0)
        return;
    c->stats.bytes_sent += n;
    renew(&c->write_deadline, c, now);
    zrpc_frameconn_sent(&c->conn, n);
    if (zrpc_heartbeatconn_idle(c)) {
        c->write_deadline = ZRPC_NEVER;
        c->last_sent = now;
    }
}

static int tick_shutdown(const struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_error *err)
{
    static const char *const waiting_for[] = {
        [ZRPC_CONN_CLOSING] = "the last frames could not be sent",
        [ZRPC_CONN_HALF_CLOSE] = "the write direction could not be closed",
        [ZRPC_CONN_DRAINING] = "the peer did not close its side",
    };
    char after[ZRPC_DURATION_TEXT_MAX];

    if (c->conn.state == ZRPC_CONN_CLOSED || now < c->conn.shutdown_deadline)
        return 0;
    return zrpc_fail(err, ZRPC_ERR_TIMEOUT, "shutdown not complete after %s: %s",
                     zrpc_duration_format(c->config.shutdown_timeout, after), waiting_for[c->conn.state]);
}

static int check_deadlines(const struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_error *err)
{
    char timeout[ZRPC_DURATION_TEXT_MAX];

    if (c->read_deadline != ZRPC_NEVER && now >= c->read_deadline)
        return zrpc_fail(err, ZRPC_ERR_READ_TIMEOUT, "nothing from the peer for %s, not even a heartbeat",
                         zrpc_duration_format(c->config.timeout, timeout));
    if (c->write_deadline != ZRPC_NEVER && now >= c->write_deadline)
        return zrpc_fail(err, ZRPC_ERR_WRITE_TIMEOUT,
                         "the peer took nothing for %s and sent no heartbeat: %zu bytes pending, and %" PRIu32
                         " of a payload",
                         zrpc_duration_format(c->config.timeout, timeout), c->conn.writer.output.len,
                         c->conn.writer.body_left);
    return 0;
}

static zrpc_time heartbeat_due(const struct zrpc_heartbeatconn *c)
{
    if (!can_write(c) || !zrpc_heartbeatconn_idle(c))
        return ZRPC_NEVER;
    return zrpc_deadline(c->last_sent, c->config.interval);
}

int zrpc_heartbeatconn_beat(struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_error *err)
{
    int rc;

    if (!can_write(c) || !zrpc_heartbeatconn_idle(c))
        return 0;
    rc = zrpc_frame_writer_put(&c->conn.writer, ZRPC_FRAME_HEARTBEAT, zrpc_view(NULL, 0), err);
    if (rc < 0)
        return rc;
    c->stats.heartbeats_sent++;
    queued(c, now);
    return 0;
}

int zrpc_heartbeatconn_tick(struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_error *err)
{
    int rc;

    if (c->conn.state != ZRPC_CONN_OPEN)
        return tick_shutdown(c, now, err);
    if ((rc = check_deadlines(c, now, err)) < 0 || now < heartbeat_due(c))
        return rc;
    return zrpc_heartbeatconn_beat(c, now, err);
}

zrpc_time zrpc_heartbeatconn_wakeup(const struct zrpc_heartbeatconn *c)
{
    if (c->conn.state == ZRPC_CONN_CLOSED)
        return ZRPC_NEVER;
    if (c->conn.state != ZRPC_CONN_OPEN)
        return c->conn.shutdown_deadline;
    return zrpc_earlier(heartbeat_due(c), zrpc_earlier(c->read_deadline, c->write_deadline));
}

void zrpc_heartbeatconn_shutdown(struct zrpc_heartbeatconn *c, zrpc_time now)
{
    zrpc_frameconn_shutdown(&c->conn, now);
    c->read_deadline = ZRPC_NEVER;
    c->write_deadline = ZRPC_NEVER;
}
