#include "dataconn/pump.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "dataconn/pump_io.h"

enum { LOOK_EVERY = 16 };

#define FAREWELL_TIMEOUT (1 * ZRPC_SECOND)
#define PROBE_EVERY      (250 * ZRPC_MILLISECOND)

void zrpc_pump_init(struct zrpc_pump *p, struct zrpc_wire *wire, struct zrpc_exchange *x,
                    zrpc_pump_input *input, const struct zrpc_dataconn_options *options)
{
    *p = (struct zrpc_pump){
        .wire = wire,
        .x = x,
        .input = input,
        .options = options,
        .wake_fd = -1,
        .cancel = options->cancel,
        .deadline = options->deadline == 0 ? ZRPC_NEVER : options->deadline,
        .farewell = FAREWELL_TIMEOUT,
        .probe_at = ZRPC_NEVER,
        .ready = {true, true, true, true},
        .source_fd = -1,
        .sink_fd = -1,
    };
    zrpc_sigpipe_block(&p->signals);
}

void zrpc_pump_dispose(struct zrpc_pump *p)
{
    zrpc_source_close(&p->source);
    zrpc_sink_close(&p->sink);
    zrpc_wire_close(p->wire);
    free(p->in_base);
    free(p->out_base);
    zrpc_sigpipe_restore(&p->signals);
}

/* Is the gate worth waiting for, or worth trying? */
static bool wanted(const struct zrpc_pump *p, enum zrpc_gate gate)
{
    const struct zrpc_exchange *x = p->x;
    bool open = x->hc.conn.state == ZRPC_CONN_OPEN;
    bool splicing = zrpc_pump_can_splice_in(p);

    switch (gate) {
    case ZRPC_GATE_READ:
        return !p->at_eof && (!open || (x->reading && p->in.len == 0 && p->content.len == 0 &&
                                        (!splicing || p->ready[ZRPC_GATE_SINK])));
    case ZRPC_GATE_WRITE:
        return (!zrpc_heartbeatconn_idle(&x->hc) || x->hc.conn.state == ZRPC_CONN_HALF_CLOSE) &&
               p->write_error.code == ZRPC_OK;
    case ZRPC_GATE_SOURCE:
        return open && x->sending != 0 && zrpc_heartbeatconn_idle(&x->hc);
    case ZRPC_GATE_SINK:
        return open && (p->content.len > 0 || splicing);
    default:
        return false;
    }
}

static struct pollfd gate_poll(struct zrpc_pump *p, enum zrpc_gate gate)
{
    switch (gate) {
    case ZRPC_GATE_READ:
        return zrpc_wire_wait(p->wire, ZRPC_READ);
    case ZRPC_GATE_WRITE:
        return zrpc_wire_wait(p->wire, ZRPC_WRITE);
    case ZRPC_GATE_SOURCE:
        return zrpc_source_wait(&p->source);
    default:
        return zrpc_sink_wait(&p->sink);
    }
}

void zrpc_pump_count(struct zrpc_pump *p, size_t n)
{
    p->moved += n;
    if (p->options->progress != NULL)
        p->options->progress(p->options->progress_ctx, p->moved);
}

bool zrpc_pump_is_pipe(int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* Bytes that were read, or a gate that is ready, mean that there is more to do before waiting. */
static bool runnable(const struct zrpc_pump *p)
{
    if (p->in.len > 0 && p->content.len == 0 && (p->x->reading || p->x->hc.conn.state != ZRPC_CONN_OPEN))
        return true;
    for (enum zrpc_gate gate = 0; gate < ZRPC_GATES; gate++)
        if (wanted(p, gate) && p->ready[gate])
            return true;
    return false;
}

/* The end of its direction may be a half-close by a peer that awaits the answer. One that has vanished
 * answers what it is sent by a reset. */
static int watch_peer(struct zrpc_pump *p, short revents, struct zrpc_error *err)
{
    zrpc_time now = zrpc_now();

    if ((revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
        return zrpc_fail(err, ZRPC_ERR_RESET, "the peer is gone while its request was being handled");
    if ((revents & POLLRDHUP) != 0 && p->probe_at == ZRPC_NEVER)
        p->probe_at = now;
    if (!p->watching || now < p->probe_at)
        return 0;
    p->probe_at = now + PROBE_EVERY;
    return zrpc_heartbeatconn_beat(&p->x->hc, now, err);
}

static struct pollfd peer_poll(struct zrpc_pump *p)
{
    return (struct pollfd){
        .fd = p->watching ? zrpc_wire_wait(p->wire, ZRPC_WRITE).fd : -1,
        .events = p->probe_at == ZRPC_NEVER ? POLLRDHUP : 0,
    };
}

static zrpc_time wakeup(const struct zrpc_pump *p)
{
    zrpc_time when = zrpc_earlier(zrpc_heartbeatconn_wakeup(&p->x->hc), p->deadline);

    return p->watching ? zrpc_earlier(when, p->probe_at) : when;
}

static int wait_for_gates(struct zrpc_pump *p, struct zrpc_error *err)
{
    enum { WAKE = ZRPC_GATES, CANCEL, PEER, FDS };
    struct pollfd fds[FDS] = {
        [WAKE] = {.fd = p->wake_fd, .events = POLLIN},
        [CANCEL] = zrpc_cancel_wait(p->cancel),
        [PEER] = peer_poll(p),
    };
    zrpc_time now = zrpc_now();

    zrpc_heartbeatconn_want_read(&p->x->hc, now, wanted(p, ZRPC_GATE_READ));
    for (enum zrpc_gate gate = 0; gate < ZRPC_GATES; gate++) {
        fds[gate].fd = -1;
        if (!wanted(p, gate) || p->ready[gate])
            continue;
        fds[gate] = gate_poll(p, gate);
        p->ready[gate] = fds[gate].fd < 0;
    }
    if (poll(fds, FDS, runnable(p) ? 0 : zrpc_poll_timeout(now, wakeup(p))) < 0 && errno != EINTR)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "poll");
    for (enum zrpc_gate gate = 0; gate < ZRPC_GATES; gate++)
        if (fds[gate].fd >= 0 && fds[gate].revents != 0)
            p->ready[gate] = true;
    if (fds[CANCEL].revents != 0)
        return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled");
    if (zrpc_now() >= p->deadline)
        return zrpc_fail(err, ZRPC_ERR_TIMEOUT, "the request took longer than it may");
    return fds[WAKE].revents != 0 ? ZRPC_PUMP_WOKEN : watch_peer(p, fds[PEER].revents, err);
}

/* The last steps of the orderly end. */
static int half_close(struct zrpc_pump *p, struct zrpc_error *err)
{
    struct zrpc_frameconn *conn = &p->x->hc.conn;

    if (conn->state == ZRPC_CONN_HALF_CLOSE && p->ready[ZRPC_GATE_WRITE]) {
        int rc = zrpc_wire_close_write(p->wire, err);

        if (rc == ZRPC_ERR_AGAIN)
            p->ready[ZRPC_GATE_WRITE] = false;
        else if (rc < 0)
            return rc;
        else
            zrpc_frameconn_half_closed(conn);
    }
    if (conn->state == ZRPC_CONN_DRAINING && p->at_eof)
        return zrpc_heartbeatconn_eof(&p->x->hc, err);
    return 0;
}

int zrpc_pump_run(struct zrpc_pump *p, struct zrpc_error *err)
{
    struct zrpc_error local;
    int rc;

    if (err == NULL)
        err = &local;
    for (;;) {
        rc = zrpc_pump_write(p, err);
        if (rc == 0)
            rc = zrpc_pump_read(p, err);
        if (rc == 0) /* only now: what has come while this thread was held up counts as progress */
            rc = zrpc_heartbeatconn_tick(&p->x->hc, zrpc_now(), err);
        if (rc == 0)
            rc = half_close(p, err);
        if (rc == 0 && p->x->hc.conn.state == ZRPC_CONN_CLOSED)
            rc = ZRPC_PUMP_CLOSED;
        /* While bytes move, the other descriptors are looked at only now and then. */
        if (rc == 0 && (!runnable(p) || ++p->rounds % LOOK_EVERY == 0))
            rc = wait_for_gates(p, err);
        if (rc != 0)
            break;
    }
    if (rc < 0 && rc != ZRPC_ERR_HANDLER && p->write_error.code != ZRPC_OK) {
        *err = p->write_error;
        rc = err->code;
    }
    return rc;
}

/* A peer that is gone needs no farewell, one that broke the protocol or is told to stop gets a short one. */
void zrpc_pump_end(struct zrpc_pump *p, int rc)
{
    if (zrpc_code_band(rc) == ZRPC_BAND_TIMEOUT || rc == ZRPC_ERR_RESET || p->write_error.code != ZRPC_OK)
        return;
    if (rc < 0 && rc != ZRPC_ERR_HANDLER)
        p->x->hc.conn.shutdown_timeout = zrpc_earlier(p->x->hc.conn.shutdown_timeout, p->farewell);
    p->wake_fd = -1;
    p->watching = false;
    p->cancel = NULL;
    p->deadline = ZRPC_NEVER;
    p->content = (struct zrpc_view){0};
    zrpc_heartbeatconn_shutdown(&p->x->hc, zrpc_now());
    do
        rc = zrpc_pump_run(p, NULL);
    while (rc >= 0 && rc != ZRPC_PUMP_CLOSED);
}
