#include <inttypes.h>
#include <stdlib.h>

#include "sim/link/link_internal.h"

enum { READ_SIZE = 65536, STEPS_AT_A_TIME = 256 };
#define DRAIN_TIME   (250 * ZRPC_MILLISECOND) /* for what was sent before a reset to arrive */
#define CLOSE_TIME   (5 * ZRPC_SECOND)
#define SILENCE_KEPT (60 * ZRPC_SECOND) /* after both ends have stopped sending */

static void record_strike(void *ctx, const struct zrpc_link_fault *fault)
{
    struct zrpc_link_connection *c = ctx;

    zrpc_link_record_fault(c->link, fault);
}

static int add_faults(struct zrpc_link_connection *c, zrpc_time now, struct zrpc_error *err)
{
    const struct zrpc_link_plan *plan = c->link->plan;
    struct zrpc_link_fault f;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < plan->n_faults; i++)
        rc = zrpc_link_machine_add(&c->machine, now, &plan->faults[i], err);
    for (unsigned i = 0; rc == 0 && zrpc_link_plan_random(plan, c->machine.number, i, &f); i++)
        rc = zrpc_link_machine_add(&c->machine, now, &f, err);
    return rc;
}

static void hold_as_planned(struct zrpc_link_connection *c, zrpc_time now)
{
    const struct zrpc_link_plan *plan = c->link->plan;

    for (size_t i = 0; i < plan->n_faults; i++) {
        struct zrpc_link_fault f = plan->faults[i];

        if (f.action != ZRPC_LINK_DELAY_ACCEPT || now < c->link->opened + f.at.not_before ||
            (f.connection != 0 && f.connection != c->machine.number))
            continue;
        c->held_until = now + f.lasts;
        f.connection = c->machine.number;
        f.at.not_before = 0;
        zrpc_link_record_fault(c->link, &f);
    }
}

int zrpc_link_connection_new(struct zrpc_link *l, uint32_t number, const struct zrpc_link_endpoint *client,
                             zrpc_time now, struct zrpc_link_connection **out, struct zrpc_error *err)
{
    struct zrpc_link_connection *c = calloc(1, sizeof *c);
    int rc;

    if (c == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "link: out of memory for a connection");
    c->link = l;
    c->phase = ZRPC_LINK_HELD;
    c->held_until = now;
    c->ended = ZRPC_NEVER;
    c->finished = ZRPC_NEVER;
    c->wakeup = now;
    c->sides[0] = ZRPC_LINK_NO_ENDPOINT;
    c->sides[1] = ZRPC_LINK_NO_ENDPOINT;
    zrpc_link_machine_init(&c->machine, l->plan->seed, number, l->plan->protocol, (size_t)l->plan->buffer,
                           now);
    c->machine.struck = record_strike;
    c->machine.ctx = c;
    if ((rc = add_faults(c, now, err)) < 0) {
        zrpc_link_connection_free(c);
        return rc;
    }
    c->sides[0] = *client;
    hold_as_planned(c, now);
    *out = c;
    return 0;
}

void zrpc_link_connection_free(struct zrpc_link_connection *c)
{
    for (int d = 0; d < 2; d++) {
        zrpc_link_record_end(c, (enum zrpc_link_direction)d);
        zrpc_link_endpoint_close(&c->sides[d]);
    }
    zrpc_link_machine_dispose(&c->machine);
    free(c);
}

static void end_source(struct zrpc_link_connection *c, enum zrpc_link_direction d, zrpc_time now)
{
    c->source_ended[d] = true;
    if (c->source_ended[0] && c->source_ended[1] && c->ended == ZRPC_NEVER)
        c->ended = now;
}

/* The one at side d is gone, with what it had not read; its end has not been reported yet. */
static void side_was_reset(struct zrpc_link_connection *c, enum zrpc_link_direction d, zrpc_time now)
{
    zrpc_link_machine_feed_end(&c->machine, d, now, ZRPC_LINK_END_RESET);
    zrpc_link_machine_broken(&c->machine, zrpc_link_opposite(d));
    end_source(c, d, now);
}

static void out_of_order(struct zrpc_link_connection *c, zrpc_time now, const char *why)
{
    zrpc_link_failed(c->link, c->machine.number, "connection given up", why);
    side_was_reset(c, ZRPC_LINK_TO_SERVER, now);
    side_was_reset(c, ZRPC_LINK_TO_CLIENT, now);
    zrpc_link_endpoint_reset(&c->sides[0]);
    zrpc_link_endpoint_reset(&c->sides[1]);
}

static void read_side(struct zrpc_link_connection *c, enum zrpc_link_direction d, zrpc_time now)
{
    uint8_t bytes[READ_SIZE];
    size_t room = zrpc_link_machine_room(&c->machine, d);
    struct zrpc_link_endpoint *e = &c->sides[d];
    struct zrpc_error err;
    ssize_t n;

    if (c->source_ended[d] || room == 0)
        return;
    n = zrpc_link_endpoint_read(e, bytes, room < sizeof bytes ? room : sizeof bytes);
    if (n > 0) {
        if (zrpc_link_machine_feed(&c->machine, d, now, zrpc_view(bytes, (size_t)n), &err) < 0)
            out_of_order(c, now, err.text);
    } else if (n == ZRPC_ERR_RESET || (n == 0 && e->reset_seen)) {
        side_was_reset(c, d, now);
    } else if (n == 0) {
        zrpc_link_machine_feed_end(&c->machine, d, now, ZRPC_LINK_END_OF_FILE);
        end_source(c, d, now);
    }
}

/* Direction d's receiver takes no more. On TCP that is a reset, which reading from it will bring to light;
 * elsewhere it concerns this direction alone, and the sender learns it where its kind allows that. */
static void receiver_gone(struct zrpc_link_connection *c, enum zrpc_link_direction d, zrpc_time now)
{
    struct zrpc_link_endpoint *receiver = &c->sides[zrpc_link_opposite(d)];

    zrpc_link_machine_broken(&c->machine, d);
    if (receiver->kind == ZRPC_LINK_TCP) {
        receiver->reset_seen = true;
        return;
    }
    zrpc_link_endpoint_close_write(receiver);
    if (!c->source_ended[d] && zrpc_link_endpoint_close_read(&c->sides[d]))
        end_source(c, d, now);
}

static bool reset_receiver(struct zrpc_link_connection *c, enum zrpc_link_direction d, zrpc_time now,
                           zrpc_time *wakeup)
{
    enum zrpc_link_direction side = zrpc_link_opposite(d);

    /* A reset overtakes bytes, also those that are to arrive before it. */
    if (c->drain_until[d] == 0)
        c->drain_until[d] = now + DRAIN_TIME;
    if (now < c->drain_until[d] && zrpc_link_endpoint_unsent(&c->sides[side]) > 0) {
        *wakeup = zrpc_earlier(*wakeup, now + ZRPC_MILLISECOND);
        return false;
    }
    zrpc_link_endpoint_reset(&c->sides[side]);
    zrpc_link_machine_ended(&c->machine, d, ZRPC_LINK_END_RESET);
    zrpc_link_record_end(c, d);
    if (!c->source_ended[side])
        end_source(c, side, now);
    return true;
}

/* One step of direction d; false if nothing can be done before *wakeup, or before descriptors are ready. */
static bool push(struct zrpc_link_connection *c, enum zrpc_link_direction d, zrpc_time now, zrpc_time *wakeup)
{
    struct zrpc_link_endpoint *receiver = &c->sides[zrpc_link_opposite(d)];
    enum zrpc_link_end end;
    struct zrpc_view out;
    zrpc_time when;
    ssize_t n;

    switch (zrpc_link_machine_next(&c->machine, d, now, &out, &end, &when)) {
    case ZRPC_LINK_PASS:
        *wakeup = zrpc_earlier(*wakeup, when);
        if (c->blocked[d])
            return false;
        n = receiver->write_fd < 0 ? ZRPC_ERR_RESET : zrpc_link_endpoint_write(receiver, out);
        if (n > 0)
            zrpc_link_machine_passed(&c->machine, d, now, (size_t)n);
        else if (n == ZRPC_ERR_RESET)
            receiver_gone(c, d, now);
        else
            c->blocked[d] = true;
        return n > 0 || n == ZRPC_ERR_RESET;
    case ZRPC_LINK_CLOSE:
        if (end == ZRPC_LINK_END_RESET)
            return reset_receiver(c, d, now, wakeup);
        zrpc_link_endpoint_close_write(receiver);
        zrpc_link_machine_ended(&c->machine, d, end);
        zrpc_link_record_end(c, d);
        return true;
    case ZRPC_LINK_WAIT:
        *wakeup = zrpc_earlier(*wakeup, when);
        break;
    }
    return false;
}

static void relay(struct zrpc_link_connection *c, zrpc_time now)
{
    bool progress = true;

    for (int steps = 0; progress && steps < STEPS_AT_A_TIME; steps++) {
        uint64_t strikes = c->machine.strikes;

        c->wakeup = ZRPC_NEVER;
        progress = push(c, ZRPC_LINK_TO_SERVER, now, &c->wakeup);
        progress = push(c, ZRPC_LINK_TO_CLIENT, now, &c->wakeup) || progress || c->machine.strikes != strikes;
    }
    if (progress)
        c->wakeup = now;
    if (c->ended != ZRPC_NEVER)
        c->wakeup = zrpc_earlier(c->wakeup, c->ended + SILENCE_KEPT);
    if (c->finished == ZRPC_NEVER && zrpc_link_pipe_finished(&c->machine.pipes[0]) &&
        zrpc_link_pipe_finished(&c->machine.pipes[1]))
        c->finished = now;
    if (c->finished != ZRPC_NEVER)
        c->wakeup = zrpc_earlier(c->wakeup, now + 5 * ZRPC_MILLISECOND);
}

static void server_refused(struct zrpc_link_connection *c, zrpc_time now, const struct zrpc_error *err)
{
    zrpc_link_failed(c->link, c->machine.number, "no connection to the server", err->text);
    c->phase = ZRPC_LINK_RELAYING;
    side_was_reset(c, ZRPC_LINK_TO_CLIENT, now);
}

static void dialled(struct zrpc_link_connection *c, int rc, zrpc_time now, struct zrpc_error *err)
{
    struct zrpc_link_endpoint *server = &c->sides[1];

    c->phase = rc == 1 ? ZRPC_LINK_DIALLING : ZRPC_LINK_RELAYING;
    if (rc == 0 && server->child >= 0) {
        rc = zrpc_link_adopt(c->link, server->child, err);
        server->child = -1;
    }
    if (rc < 0)
        server_refused(c, now, err);
}

void zrpc_link_connection_service(struct zrpc_link_connection *c, zrpc_time now)
{
    struct zrpc_error err;

    if (c->phase == ZRPC_LINK_HELD && now >= c->held_until)
        dialled(c, zrpc_link_dial(&c->link->dialer, &c->sides[1], &err), now, &err);
    if (c->phase == ZRPC_LINK_RELAYING)
        relay(c, now);
    else
        c->wakeup = c->phase == ZRPC_LINK_HELD ? c->held_until : ZRPC_NEVER;
}

/* A socket that is read and written is one descriptor with both events. */
static void want(struct pollfd out[static 4], size_t *n, int fd, short events)
{
    for (size_t i = 0; i < *n; i++) {
        if (out[i].fd == fd) {
            out[i].events |= events;
            return;
        }
    }
    if (fd >= 0)
        out[(*n)++] = (struct pollfd){.fd = fd, .events = events};
}

size_t zrpc_link_connection_wants(const struct zrpc_link_connection *c, struct pollfd out[static 4])
{
    size_t n = 0;

    if (c->phase == ZRPC_LINK_DIALLING)
        want(out, &n, c->sides[1].write_fd, POLLOUT);
    if (c->phase != ZRPC_LINK_RELAYING)
        return n;
    for (int d = 0; d < 2; d++) {
        if (!c->source_ended[d] && zrpc_link_machine_room(&c->machine, (enum zrpc_link_direction)d) > 0)
            want(out, &n, c->sides[d].read_fd, POLLIN);
        if (c->blocked[d])
            want(out, &n, c->sides[1 - d].write_fd, POLLOUT);
    }
    return n;
}

static short events_of(int fd, const struct pollfd *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fds[i].fd == fd && fd >= 0)
            return fds[i].revents;
    return 0;
}

void zrpc_link_connection_ready(struct zrpc_link_connection *c, zrpc_time now, const struct pollfd *fds,
                                size_t n)
{
    struct zrpc_error err;

    if (c->phase == ZRPC_LINK_DIALLING && events_of(c->sides[1].write_fd, fds, n) != 0)
        dialled(c, zrpc_link_dialled(&c->sides[1], &err), now, &err);
    if (c->phase != ZRPC_LINK_RELAYING)
        return;
    for (int d = 0; d < 2; d++) {
        if ((events_of(c->sides[1 - d].write_fd, fds, n) & ~POLLIN) != 0)
            c->blocked[d] = false;
        if ((events_of(c->sides[d].read_fd, fds, n) & ~POLLOUT) != 0)
            read_side(c, (enum zrpc_link_direction)d, now);
    }
}

bool zrpc_link_connection_finished(const struct zrpc_link_connection *c, zrpc_time now)
{
    bool closed = c->phase == ZRPC_LINK_RELAYING && c->sides[0].read_fd < 0 && c->sides[1].read_fd < 0 &&
                  c->sides[0].write_fd < 0 && c->sides[1].write_fd < 0;

    /* Closing while one sends and has not taken everything would destroy the rest. */
    bool drained =
        zrpc_link_endpoint_unsent(&c->sides[0]) == 0 && zrpc_link_endpoint_unsent(&c->sides[1]) == 0;

    return closed || (c->ended != ZRPC_NEVER && now >= c->ended + SILENCE_KEPT) ||
           (c->finished != ZRPC_NEVER && (drained || now >= c->finished + CLOSE_TIME));
}

int zrpc_link_connection_describe(const struct zrpc_link_connection *c, enum zrpc_link_direction d,
                                  struct zrpc_buf *out, struct zrpc_error *err)
{
    const struct zrpc_link_pipe *p = &c->machine.pipes[d];
    char line[256];
    int n = snprintf(line, sizeof line,
                     "connection %" PRIu32 " %s: %" PRIu64 " bytes in, %" PRIu64 " out, %" PRIu64
                     " frames%s%s%s%s\n",
                     c->machine.number, zrpc_link_direction_name(d), p->taken, p->delivered,
                     (uint64_t)c->machine.observers[d].counts[ZRPC_LINK_FRAME],
                     c->phase == ZRPC_LINK_RELAYING ? "" : ", not connected yet",
                     p->stalled ? ", stalled" : "", p->swallowing ? ", blackholed" : "",
                     p->broken                         ? ", receiver gone"
                     : p->end == ZRPC_LINK_END_RESET   ? ", reset"
                     : p->end == ZRPC_LINK_END_OF_FILE ? ", ended"
                                                       : "");

    return zrpc_buf_append(out, zrpc_view(line, (size_t)n), err);
}
