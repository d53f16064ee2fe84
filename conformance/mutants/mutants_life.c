/*
 * Mutants of a connection's life: heartbeats, timeouts, the end, and other clients.
 */
#include "conformance/mutants/families.h"

static const struct zrpc_view nothing = {.data = NULL, .len = 0};

static void pass_down(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    zrpc_relay_frame_down(r, frame.type, payload);
}

static void no_heartbeats(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type != ZRPC_FRAME_HEARTBEAT)
        pass_down(r, frame, payload);
}

static void heavy_heartbeats(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    pass_down(r, frame, frame.type == ZRPC_FRAME_HEARTBEAT ? zrpc_view_of("thud") : payload);
}

/* The server believes in a client that says nothing. */
static void heartbeat_for_client(struct zrpc_relay *r, zrpc_time idle)
{
    if (r->type != 5 && idle > r->timing->heartbeat_interval / 2 &&
        zrpc_now() - r->began > (r->count + 1) * (r->timing->heartbeat_interval / 2)) {
        r->count = (unsigned)((zrpc_now() - r->began) / (r->timing->heartbeat_interval / 2));
        zrpc_relay_frame_up(r, ZRPC_FRAME_HEARTBEAT, nothing);
    }
}

static void hasty_timeout(struct zrpc_relay *r, zrpc_time idle)
{
    if (idle > r->timing->read_timeout / 2)
        zrpc_relay_cut(r, false);
}

static void impatient_writes(struct zrpc_relay *r)
{
    zrpc_relay_limit_writes(r, r->timing->write_timeout / 2);
}

/*
 * The end
 */
static void no_rst(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type != ZRPC_FRAME_RST)
        pass_down(r, frame, payload);
}

static void talks_after_rst(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    pass_down(r, frame, payload);
    if (frame.type == ZRPC_FRAME_RST)
        zrpc_relay_frame_down(r, ZRPC_FRAME_HEARTBEAT, nothing);
}

static void just_closes(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    pass_down(r, frame, payload);
    if (frame.type == ZRPC_FRAME_RST)
        zrpc_relay_cut(r, true);
}

static void note_rst(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type == ZRPC_FRAME_RST) {
        r->count = (unsigned)((zrpc_now() - r->began) / ZRPC_MILLISECOND);
        r->flag = true;
    }
    pass_down(r, frame, payload);
}

static void hasty_drain(struct zrpc_relay *r, zrpc_time idle)
{
    (void)idle;
    if (r->flag && zrpc_now() - r->began > r->count * ZRPC_MILLISECOND + r->timing->shutdown / 3)
        zrpc_relay_cut(r, true);
}

static void deaf_to_rst(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.type != ZRPC_FRAME_RST)
        zrpc_relay_frame_up(r, frame.type, payload);
}

static void no_half_close(struct zrpc_relay *r)
{
    (void)r;
}

/*
 * Others
 */
static void give_turn_at_end(struct zrpc_relay *r)
{
    zrpc_relay_end_up(r);
    zrpc_relay_give_turn(r);
}

const struct zrpc_mutant zrpc_mutants_life[] = {
    {
        .name = "no-heartbeats",
        .what = "sends no heartbeats",
        .caught_by = "heartbeat.idle-interval",
        .server_frame = no_heartbeats,
    },
    {
        .name = "heavy-heartbeats",
        .what = "sends heartbeats with a payload",
        .caught_by = "heartbeat.idle-interval",
        .server_frame = heavy_heartbeats,
    },
    {
        .name = "no-read-timeout",
        .what = "never times a silent client out",
        .caught_by = "heartbeat.silent-peer",
        .tick = heartbeat_for_client,
    },
    {
        .name = "hasty-read-timeout",
        .what = "times clients out long before the read timeout",
        .caught_by = "heartbeat.silent-peer",
        .tick = hasty_timeout,
    },
    {
        .name = "immortal-writes",
        .what = "never gives up a client that takes nothing",
        .caught_by = "heartbeat.dead-reader",
        .tick = heartbeat_for_client,
    },
    {
        .name = "heartbeats-renew-no-writes",
        .what = "gives up a slow client that heartbeats",
        .caught_by = "heartbeat.slow-reader",
        .accepted = impatient_writes,
    },
    {
        .name = "no-rst",
        .what = "ends connections without an RST frame",
        .caught_by = "shutdown.after-answer",
        .server_frame = no_rst,
    },
    {
        .name = "talks-after-rst",
        .what = "sends a heartbeat behind its RST frame",
        .caught_by = "shutdown.after-answer",
        .server_frame = talks_after_rst,
    },
    {
        .name = "just-closes",
        .what = "closes without draining",
        .caught_by = "shutdown.client-writes-on",
        .server_frame = just_closes,
    },
    {
        .name = "closes-on-streams",
        .what = "closes without draining while a stream arrives",
        .caught_by = "receive.refused-while-streaming",
        .server_frame = just_closes,
    },
    {
        .name = "no-half-close",
        .what = "sends an RST frame but does not half-close",
        .caught_by = "shutdown.rst-without-half-close",
        .server_end = no_half_close,
    },
    {
        .name = "hasty-drain",
        .what = "stops draining long before the deadline",
        .caught_by = "shutdown.deadline-with-traffic",
        .server_frame = note_rst,
        .tick = hasty_drain,
    },
    {
        .name = "deaf-to-rst",
        .what = "ignores the client's RST frames",
        .caught_by = "shutdown.rst-without-half-close",
        .frame = deaf_to_rst,
    },
    {
        .name = "serves-after-rst",
        .what = "serves a request behind an RST frame",
        .caught_by = "shutdown.rst-then-request",
        .frame = deaf_to_rst,
    },
    {
        .name = "one-at-a-time",
        .what = "serves one connection after the other",
        .caught_by = "concurrency.stuck-sends",
        .accepted = zrpc_relay_take_turn,
        .end = give_turn_at_end,
    },
    {0},
};
