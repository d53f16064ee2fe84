#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/link/link.h"
#include "sim/rig/rig.h"
#include "transport/tcp_socket.h"

#define SAMPLES      4000 /* about */
#define CONNECT_TIME (10 * ZRPC_SECOND)

/* From a side to the rig: a sample, and at last how it ended. Short enough to be written whole. */
struct message {
    bool is_end;
    struct zrpc_rig_sample sample;
    struct zrpc_rig_outcome outcome;
};

_Static_assert(sizeof(struct message) <= 512, "PIPE_BUF");

struct rig {
    const struct zrpc_rig_config *config;
    struct zrpc_rig_report *report;
    zrpc_time began;
    int listener;
    char address[ZRPC_ADDRESS_MAX]; /* where the client connects */
    struct zrpc_link_plan plan;
    struct zrpc_link *link; /* NULL: directly */
    int stop[2];            /* closing the second tells both sides that it is over */
    int news[2][2];         /* by side: a pipe of messages; -1 when closed */
    pid_t pids[2];
    size_t caps[2];
    bool begun[ZRPC_RIG_SPANS_MAX], over[ZRPC_RIG_SPANS_MAX]; /* events */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/*
 * In the processes of the sides
 */
static void tell(int fd, const struct message *m)
{
    /* Where nobody listens, the rig is over. */
    if (write(fd, m, sizeof *m) != (ssize_t)sizeof *m)
        _exit(1);
}

static void tell_sample(void *ctx, const struct zrpc_rig_sample *sample)
{
    struct message m = {.sample = *sample};

    tell(*(const int *)ctx, &m);
}

static int set_buffer(int fd, uint64_t buffer, struct zrpc_error *err)
{
    int size = (int)buffer;

    if (buffer != 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0 ||
                        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0))
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "buffers of %d bytes", size);
    return 0;
}

static int accept_client(const struct rig *rig, int *out, struct zrpc_error *err)
{
    struct pollfd p = {.fd = rig->listener, .events = POLLIN};
    struct sockaddr_storage peer;

    if (poll(&p, 1, (int)(CONNECT_TIME / ZRPC_MILLISECOND)) <= 0)
        return zrpc_fail(err, ZRPC_ERR_TIMEOUT, "no client came");
    return zrpc_tcp_accept(rig->listener, out, &peer, err);
}

static int connect_to_server(const struct rig *rig, int *out, struct zrpc_error *err)
{
    struct zrpc_tcp_address address;
    int rc = zrpc_tcp_address_parse(rig->address, &address, err);

    return rc < 0 ? rc : zrpc_tcp_connect(&address, zrpc_now() + CONNECT_TIME, NULL, out, err);
}

static size_t stalls_of(const struct zrpc_rig_config *config,
                        struct zrpc_rig_span out[static ZRPC_RIG_SPANS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < config->n_events; i++)
        if (config->events[i].kind == ZRPC_RIG_STALL)
            out[n++] = config->events[i].span;
    return n;
}

static zrpc_time sample_interval(const struct zrpc_rig_config *config)
{
    zrpc_time every = config->duration / SAMPLES;

    return every < 50 * ZRPC_MILLISECOND ? 50 * ZRPC_MILLISECOND : every;
}

static _Noreturn void be_side(struct rig *rig, enum zrpc_rig_side side)
{
    struct zrpc_rig_span stalls[ZRPC_RIG_SPANS_MAX];
    struct zrpc_rig_peer peer = {.side = side,
                                 .began = rig->began,
                                 .sigma = rig->config->sigma,
                                 .seed = rig->config->seed,
                                 .stalls = stalls,
                                 .n_stalls = stalls_of(rig->config, stalls),
                                 .stop_fd = rig->stop[0],
                                 .every = sample_interval(rig->config),
                                 .sampled = tell_sample,
                                 .ctx = &rig->news[side][1]};
    struct message end = {.is_end = true};
    struct zrpc_error err = {0};
    int fd = -1, rc;

    close_fd(&rig->stop[1]);
    close_fd(&rig->news[0][0]);
    close_fd(&rig->news[1][0]);
    rc = side == ZRPC_RIG_SERVER ? accept_client(rig, &fd, &err) : connect_to_server(rig, &fd, &err);
    if (rc == 0 && (rc = set_buffer(fd, rig->config->buffer, &err)) == 0)
        rc = zrpc_rig_peer_run(&peer, fd, &end.sample, &err);
    end.outcome = (struct zrpc_rig_outcome){.ended = rc < 0, .code = rc, .at = zrpc_now() - rig->began};
    snprintf(end.outcome.text, sizeof end.outcome.text, "%.190s", err.text);
    /* The socket closes after the rig has heard why. */
    tell(rig->news[side][1], &end);
    _exit(0);
}

/*
 * In the rig's own process
 */
static int start_side(struct rig *rig, enum zrpc_rig_side side, struct zrpc_error *err)
{
    if (pipe2(rig->news[side], O_CLOEXEC) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pipe");
    rig->pids[side] = fork();
    if (rig->pids[side] == 0)
        be_side(rig, side);
    if (rig->pids[side] < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "fork");
    close_fd(&rig->news[side][1]);
    return 0;
}

static bool needs_link(const struct zrpc_rig_config *config)
{
    for (size_t i = 0; i < config->n_events; i++)
        if (config->events[i].kind == ZRPC_RIG_OUTAGE || config->events[i].kind == ZRPC_RIG_BLACKHOLE)
            return true;
    return false;
}

static int open_link(struct rig *rig, struct zrpc_error *err)
{
    int rc;

    snprintf(rig->plan.listen, sizeof rig->plan.listen, "tcp:127.0.0.1:0");
    snprintf(rig->plan.connect, sizeof rig->plan.connect, "tcp:%s", rig->address);
    rig->plan.protocol = ZRPC_LINK_FRAMES;
    if (rig->config->buffer != 0)
        rig->plan.buffer = rig->config->buffer;
    if ((rc = zrpc_link_open(&rig->plan, NULL, &rig->link, err)) == 0)
        snprintf(rig->address, sizeof rig->address, "%s", zrpc_link_address(rig->link) + strlen("tcp:"));
    return rc;
}

/* Both sides are forked before the link has its thread. */
static int start(struct rig *rig, struct zrpc_error *err)
{
    struct zrpc_tcp_address address;
    char text[ZRPC_ADDRESS_MAX];
    int rc;

    if ((rc = zrpc_tcp_address_parse("127.0.0.1:0", &address, err)) < 0 ||
        (rc = zrpc_tcp_bind(&address, &rig->listener, err)) < 0 ||
        (rc = set_buffer(rig->listener, rig->config->buffer, err)) < 0 ||
        (rc = zrpc_tcp_local_address("tcp", rig->listener, text, err)) < 0)
        return rc;
    snprintf(rig->address, sizeof rig->address, "%s", text + strlen("tcp:"));
    if (needs_link(rig->config) && (rc = open_link(rig, err)) < 0)
        return rc;
    if (pipe2(rig->stop, O_CLOEXEC) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pipe");
    rig->began = zrpc_now();
    if ((rc = start_side(rig, ZRPC_RIG_SERVER, err)) < 0 || (rc = start_side(rig, ZRPC_RIG_CLIENT, err)) < 0)
        return rc;
    return rig->link == NULL ? 0 : zrpc_link_start(rig->link, err);
}

static int keep_sample(struct rig *rig, int side, const struct zrpc_rig_sample *sample,
                       struct zrpc_error *err)
{
    struct zrpc_rig_report *r = rig->report;

    if (r->n_samples[side] == rig->caps[side]) {
        size_t cap = rig->caps[side] == 0 ? 1024 : 2 * rig->caps[side];
        struct zrpc_rig_sample *more = realloc(r->samples[side], cap * sizeof *more);

        if (more == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for %zu samples", cap);
        r->samples[side] = more;
        rig->caps[side] = cap;
    }
    r->samples[side][r->n_samples[side]++] = *sample;
    return 0;
}

static int hear(struct rig *rig, int side, struct zrpc_error *err)
{
    struct message m;
    ssize_t n = read(rig->news[side][0], &m, sizeof m);

    if (n != (ssize_t)sizeof m) {
        close_fd(&rig->news[side][0]);
        return n == 0 ? 0
                      : zrpc_fail(err, ZRPC_ERR_SYSTEM, "%s: read news",
                                  zrpc_rig_side_name((enum zrpc_rig_side)side));
    }
    if (m.is_end)
        rig->report->outcomes[side] = m.outcome;
    return m.sample.at == 0 && m.is_end ? 0 : keep_sample(rig, side, &m.sample, err);
}

static int change(struct rig *rig, const struct zrpc_rig_event *e, bool begin, struct zrpc_error *err)
{
    struct zrpc_link_fault f = {.direction = ZRPC_LINK_BOTH, .at = {.watch = ZRPC_LINK_BOTH}};

    if (e->kind == ZRPC_RIG_STALL)
        return 0;
    if (e->kind == ZRPC_RIG_STOP) {
        kill(rig->pids[e->side], begin ? SIGSTOP : SIGCONT);
        return 0;
    }
    f.action = !begin                          ? ZRPC_LINK_RESUME
               : e->kind == ZRPC_RIG_BLACKHOLE ? ZRPC_LINK_BLACKHOLE
                                               : ZRPC_LINK_STALL;
    return zrpc_link_inject(rig->link, &f, err);
}

/* Begins and ends events; *wakeup is when the next one is due. */
static int handle_events(struct rig *rig, zrpc_time now, zrpc_time *wakeup, struct zrpc_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < rig->config->n_events; i++) {
        const struct zrpc_rig_event *e = &rig->config->events[i];
        zrpc_time from = rig->began + e->span.from,
                  until = e->span.until == ZRPC_NEVER ? ZRPC_NEVER : rig->began + e->span.until;

        if (!rig->begun[i] && now >= from) {
            rig->begun[i] = true;
            rc = change(rig, e, true, err);
        }
        if (rc == 0 && rig->begun[i] && !rig->over[i] && now >= until) {
            rig->over[i] = true;
            rc = change(rig, e, false, err);
        }
        *wakeup = zrpc_earlier(*wakeup, !rig->begun[i] ? from : rig->over[i] ? ZRPC_NEVER : until);
    }
    return rc;
}

static bool is_stopped_for_good(const struct rig *rig, int side)
{
    for (size_t i = 0; i < rig->config->n_events; i++) {
        const struct zrpc_rig_event *e = &rig->config->events[i];

        if (e->kind == ZRPC_RIG_STOP && (int)e->side == side && rig->begun[i] && e->span.until == ZRPC_NEVER)
            return true;
    }
    return false;
}

/* One that is stopped for good has no news. */
static bool may_have_news(const struct rig *rig)
{
    for (int side = 0; side < 2; side++)
        if (rig->news[side][0] >= 0 && !is_stopped_for_good(rig, side))
            return true;
    return false;
}

static int watch(struct rig *rig, struct zrpc_error *err)
{
    zrpc_time now, end = rig->began + rig->config->duration, wakeup;
    int rc = 0;

    while (rc == 0 && (now = zrpc_now()) < end && may_have_news(rig)) {
        struct pollfd fds[2] = {{.fd = rig->news[0][0], .events = POLLIN},
                                {.fd = rig->news[1][0], .events = POLLIN}};

        wakeup = end;
        if ((rc = handle_events(rig, now, &wakeup, err)) < 0)
            return rc;
        if (poll(fds, 2, zrpc_poll_timeout(now, wakeup)) < 0 && errno != EINTR)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "poll");
        for (int side = 0; rc == 0 && side < 2; side++)
            if (fds[side].revents != 0)
                rc = hear(rig, side, err);
    }
    rig->report->duration = zrpc_now() - rig->began;
    return rc;
}

/* Those that live say their last word; one that is stopped has none, and is ended. */
static int finish(struct rig *rig, int rc, struct zrpc_error *err)
{
    zrpc_time deadline = zrpc_now() + CONNECT_TIME;
    bool stopped[2] = {false, false};

    close_fd(&rig->stop[1]);
    for (size_t i = 0; i < rig->config->n_events; i++)
        if (rig->config->events[i].kind == ZRPC_RIG_STOP && rig->begun[i] && !rig->over[i])
            stopped[rig->config->events[i].side] = true;
    for (int side = 0; side < 2; side++) {
        while (rc == 0 && !stopped[side] && rig->news[side][0] >= 0 && zrpc_now() < deadline) {
            struct pollfd p = {.fd = rig->news[side][0], .events = POLLIN};

            if (poll(&p, 1, zrpc_poll_timeout(zrpc_now(), deadline)) > 0)
                rc = hear(rig, side, err);
        }
        if (rig->pids[side] > 0) {
            kill(rig->pids[side], SIGKILL);
            waitpid(rig->pids[side], NULL, 0);
        }
    }
    return rc;
}

static void release(struct rig *rig)
{
    zrpc_link_close(rig->link);
    zrpc_link_plan_dispose(&rig->plan);
    close_fd(&rig->listener);
    for (int i = 0; i < 2; i++) {
        close_fd(&rig->stop[i]);
        close_fd(&rig->news[0][i]);
        close_fd(&rig->news[1][i]);
    }
}

int zrpc_rig_run(const struct zrpc_rig_config *config, struct zrpc_rig_report *out, struct zrpc_error *err)
{
    struct rig rig = {.config = config,
                      .report = out,
                      .listener = -1,
                      .stop = {-1, -1},
                      .news = {{-1, -1}, {-1, -1}},
                      .pids = {-1, -1}};
    int rc;

    *out = (struct zrpc_rig_report){.config = *config};
    zrpc_link_plan_init(&rig.plan);
    if ((rc = start(&rig, err)) == 0)
        rc = watch(&rig, err);
    rc = finish(&rig, rc, err);
    release(&rig);
    if (rc < 0)
        zrpc_rig_report_dispose(out);
    return rc;
}

void zrpc_rig_report_dispose(struct zrpc_rig_report *r)
{
    free(r->samples[0]);
    free(r->samples[1]);
    *r = (struct zrpc_rig_report){0};
}
