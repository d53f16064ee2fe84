#include <errno.h>
#include <linux/sockios.h>
#include <math.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "sim/link/fault.h"
#include "sim/rig/rig.h"

enum { WRITES_AT_A_TIME = 64, READS_AT_A_TIME = 64 };

struct running {
    const struct zrpc_rig_peer *peer;
    struct zrpc_heartbeatconn conn;
    int fd;
    struct zrpc_rig_sample sample;
    zrpc_time busy_until; /* the server handles a frame */
    zrpc_time progress;   /* of writing */
    zrpc_time next_sample;
    bool blocked;    /* the socket takes nothing now */
    zrpc_time woken; /* when poll was over, or should have been */
};

const char *zrpc_rig_side_name(enum zrpc_rig_side side)
{
    return side == ZRPC_RIG_SERVER ? "server" : "client";
}

/* In (0, 1). */
static double uniform(const struct zrpc_rig_peer *peer, uint64_t frame, uint64_t nth)
{
    return ((double)(zrpc_link_hash(peer->seed, frame, nth) >> 12) + 0.5) / (double)(UINT64_C(1) << 52);
}

static zrpc_time handling_time(const struct zrpc_rig_peer *peer, uint64_t frame)
{
    static const double pi = 3.14159265358979323846;
    double normal = sqrt(-2 * log(uniform(peer, frame, 0))) * cos(2 * pi * uniform(peer, frame, 1));

    return normal < 0 ? 0 : (zrpc_time)(normal * (double)peer->sigma);
}

/* A stall that the moment falls into ends then; otherwise the moment itself. */
static zrpc_time after_stalls(const struct running *r, zrpc_time now)
{
    zrpc_time since = now - r->peer->began;

    for (size_t i = 0; i < r->peer->n_stalls; i++) {
        const struct zrpc_rig_span *s = &r->peer->stalls[i];

        if (since >= s->from && since < s->until)
            return s->until == ZRPC_NEVER ? ZRPC_NEVER : r->peer->began + s->until;
    }
    return now;
}

static bool busy(struct running *r, zrpc_time now)
{
    zrpc_time free_at;

    if (r->peer->side == ZRPC_RIG_CLIENT)
        return false;
    free_at = after_stalls(r, now > r->busy_until ? now : r->busy_until);
    if (free_at > r->busy_until)
        r->busy_until = free_at;
    return now < r->busy_until;
}

static void handle_frame(struct running *r, zrpc_time now)
{
    r->sample.frames++;
    if (r->peer->side == ZRPC_RIG_SERVER)
        r->busy_until = now + handling_time(r->peer, r->sample.frames);
}

static int take(struct running *r, zrpc_time now, struct zrpc_view in, struct zrpc_error *err)
{
    struct zrpc_frame_event ev;
    int rc;

    do {
        rc = zrpc_heartbeatconn_input(&r->conn, now, &in, &ev, err);
        if (rc == 0 && ev.kind == ZRPC_FRAME_FINISH)
            handle_frame(r, now);
    } while (rc == 0 && ev.kind != ZRPC_FRAME_MORE);
    return rc;
}

/* As the original: no more than the header, then no more than the payload, so that what is not handled yet
 * stays in the kernel. */
static int read_some(struct running *r, zrpc_time now, struct zrpc_error *err)
{
    const struct zrpc_frame_reader *reader = &r->conn.conn.reader;
    uint8_t bytes[65536];
    int rc = 0;

    for (int i = 0; rc == 0 && i < READS_AT_A_TIME && !busy(r, now); i++) {
        size_t want = reader->in_payload ? reader->left : ZRPC_FRAME_HEADER_LEN - reader->have;
        ssize_t n = recv(r->fd, bytes, want < sizeof bytes ? want : sizeof bytes, MSG_DONTWAIT);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0
                                                     : zrpc_fail_errno(err, ZRPC_ERR_RESET, errno, "read");
        r->sample.last_received = now - r->peer->began;
        rc = n == 0 ? zrpc_heartbeatconn_eof(&r->conn, err) : take(r, now, zrpc_view(bytes, (size_t)n), err);
    }
    return rc;
}

static void note_stall(struct running *r, zrpc_time now)
{
    r->sample.stall = zrpc_heartbeatconn_idle(&r->conn) ? 0 : now - r->progress;
    if (r->sample.stall > r->sample.longest_stall)
        r->sample.longest_stall = r->sample.stall;
}

static int write_some(struct running *r, zrpc_time now, struct zrpc_error *err)
{
    static const uint8_t payload[ZRPC_RIG_FRAME_SIZE];
    int rc;

    for (int i = 0; i < WRITES_AT_A_TIME && !r->blocked; i++) {
        struct zrpc_view out;
        ssize_t n;

        if (zrpc_heartbeatconn_idle(&r->conn)) {
            if (r->peer->side == ZRPC_RIG_SERVER)
                return 0;
            rc = zrpc_heartbeatconn_put(&r->conn, now, ZRPC_RIG_FRAME_TYPE,
                                        zrpc_view(payload, sizeof payload), err);
            if (rc < 0)
                return rc;
            r->sample.frames++;
            r->progress = now;
        }
        out = zrpc_buf_view(&r->conn.conn.writer.output);
        n = send(r->fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return zrpc_fail_errno(err, ZRPC_ERR_RESET, errno, "write");
        r->blocked = n < 0;
        if (n > 0) {
            note_stall(r, now);
            zrpc_heartbeatconn_sent(&r->conn, now, (size_t)n);
            r->progress = now;
        }
    }
    return 0;
}

static void take_sample(struct running *r, zrpc_time now)
{
    int n = 0;

    note_stall(r, now);
    r->sample.at = now - r->peer->began;
    r->sample.stats = r->conn.stats;
    r->sample.out_queue = ioctl(r->fd, SIOCOUTQ, &n) < 0 ? 0 : (uint32_t)n;
    r->sample.in_queue = ioctl(r->fd, SIOCINQ, &n) < 0 ? 0 : (uint32_t)n;
}

static void sample_if_due(struct running *r, zrpc_time now)
{
    if (r->peer->every == 0 || now < r->next_sample)
        return;
    take_sample(r, now);
    r->peer->sampled(r->peer->ctx, &r->sample);
    r->next_sample = now + r->peer->every;
}

/* One that the machine lets wait cannot be blamed for being late. */
static void note_delay(struct running *r, zrpc_time now)
{
    if (now - r->woken > r->sample.longest_delay)
        r->sample.longest_delay = now - r->woken;
}

/* 1: told to stop. */
static int wait_and_read(struct running *r, struct zrpc_error *err)
{
    zrpc_time now = zrpc_now();
    bool reading = !busy(r, now);
    int n;
    zrpc_time wakeup =
        zrpc_earlier(zrpc_heartbeatconn_wakeup(&r->conn), reading ? ZRPC_NEVER : r->busy_until);
    struct pollfd fds[] = {
        {.fd = r->fd, .events = (short)((reading ? POLLIN : 0) | (r->blocked ? POLLOUT : 0))},
        {.fd = r->peer->stop_fd, .events = POLLIN},
    };

    if (r->peer->every != 0)
        wakeup = zrpc_earlier(wakeup, r->next_sample);
    if (!r->blocked && !zrpc_heartbeatconn_idle(&r->conn))
        wakeup = now;
    /* A reset is news to one that reads or writes; to others poll would tell it without end. */
    if (fds[0].events == 0)
        fds[0].fd = -1;
    note_delay(r, now);
    n = poll(fds, 2, zrpc_poll_timeout(now, wakeup));
    if (n < 0 && errno != EINTR)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "poll");
    r->woken = n == 0 && wakeup > now ? wakeup : zrpc_now();
    if (fds[1].revents != 0)
        return 1;
    if ((fds[0].revents & ~POLLIN) != 0)
        r->blocked = false;
    now = zrpc_now();
    return (fds[0].revents & ~POLLOUT) != 0 ? read_some(r, now, err) : 0;
}

static int turn(struct running *r, struct zrpc_error *err)
{
    zrpc_time now = zrpc_now();
    int rc;

    zrpc_heartbeatconn_want_read(&r->conn, now, !busy(r, now));
    if ((rc = zrpc_heartbeatconn_tick(&r->conn, now, err)) < 0)
        return rc;
    if (zrpc_heartbeatconn_idle(&r->conn))
        r->progress = now;
    sample_if_due(r, now);
    if ((rc = write_some(r, now, err)) < 0)
        return rc;
    return wait_and_read(r, err);
}

int zrpc_rig_peer_run(const struct zrpc_rig_peer *peer, int fd, struct zrpc_rig_sample *last,
                      struct zrpc_error *err)
{
    zrpc_time now = zrpc_now();
    struct running r = {.peer = peer, .fd = fd, .progress = now, .next_sample = now, .woken = now};
    int rc;

    zrpc_heartbeatconn_init(&r.conn, NULL, now);
    do
        rc = turn(&r, err);
    while (rc == 0);
    take_sample(&r, zrpc_now());
    *last = r.sample;
    zrpc_heartbeatconn_dispose(&r.conn);
    return rc == 1 ? 0 : rc;
}
