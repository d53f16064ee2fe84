#include "testing/alloc.h"
#include "testing/suite.h"

#include <stdlib.h>

#include "zrpc/heartbeatconn.h"

#define START (1000 * ZRPC_SECOND) /* any point in time */

static const uint8_t heartbeat[] = {0x01, 0, 0, 0, 0, 0, 0, 0};
static const uint8_t rst[] = {0x10, 0, 0, 0, 0, 0, 0, 0};

/* A connection and the time it lives in. */
struct rig {
    struct zrpc_heartbeatconn c;
    zrpc_time now;
};

static struct rig rig(void)
{
    struct rig r = {.now = START};

    zrpc_heartbeatconn_init(&r.c, NULL, r.now);
    return r;
}

static void done(struct rig *r)
{
    zrpc_heartbeatconn_dispose(&r->c);
}

static struct zrpc_view output(const struct rig *r)
{
    return zrpc_buf_view(&r->c.conn.writer.output);
}

static void sent(struct rig *r, size_t n)
{
    zrpc_heartbeatconn_sent(&r->c, r->now, n);
}

static void send_all(struct rig *r)
{
    sent(r, output(r).len + r->c.conn.writer.body_left);
}

static int tick(struct rig *r)
{
    return zrpc_heartbeatconn_tick(&r->c, r->now, NULL);
}

static int tick_at(struct rig *r, zrpc_time seconds)
{
    r->now = START + seconds * ZRPC_SECOND;
    return tick(r);
}

static zrpc_time wakeup(const struct rig *r)
{
    zrpc_time when = zrpc_heartbeatconn_wakeup(&r->c);

    return when == ZRPC_NEVER ? ZRPC_NEVER : (when - START) / ZRPC_MILLISECOND;
}

/* Feeds bytes that hold no whole user frame, e.g. heartbeats. */
static void receive(struct rig *r, const void *data, size_t len)
{
    struct zrpc_view in = zrpc_view(data, len);
    struct zrpc_frame_event ev;

    do {
        CHECK_OK(zrpc_heartbeatconn_input(&r->c, r->now, &in, &ev, NULL));
    } while (ev.kind != ZRPC_FRAME_MORE);
    CHECK_INT(in.len, 0);
}

static void heartbeat_is_sent_when_idle(void)
{
    struct rig r = rig();

    CHECK_INT(wakeup(&r), 5000);
    CHECK_OK(tick_at(&r, 4));
    CHECK_INT(output(&r).len, 0);
    CHECK_OK(tick_at(&r, 5));
    CHECK_BYTES(output(&r), zrpc_view(heartbeat, sizeof heartbeat));
    CHECK_INT(r.c.stats.heartbeats_sent, 1);
    send_all(&r);
    CHECK_INT(wakeup(&r), 10000);
    for (int s = 6; s <= 60; s++) {
        CHECK_OK(tick_at(&r, s));
        send_all(&r);
    }
    CHECK_INT(r.c.stats.heartbeats_sent, 12); /* one at 5, 10, ... 60 s */
    CHECK_INT(r.c.stats.bytes_sent, 12 * 8);
    done(&r);
}

static void any_frame_puts_the_heartbeat_off(void)
{
    struct rig r = rig();

    CHECK_OK(tick_at(&r, 3));
    CHECK_OK(zrpc_heartbeatconn_put(&r.c, r.now, 5, zrpc_view_of("abc"), NULL));
    CHECK_OK(tick_at(&r, 4));
    send_all(&r);
    CHECK_INT(wakeup(&r), 9000); /* from when the frame was out */
    CHECK_OK(tick_at(&r, 8));
    CHECK(zrpc_heartbeatconn_idle(&r.c));
    CHECK_OK(tick_at(&r, 9));
    CHECK_INT(r.c.stats.heartbeats_sent, 1);
    done(&r);
}

static void heartbeat_waits_for_the_body_under_way(void)
{
    struct rig r = rig();

    CHECK_OK(zrpc_heartbeatconn_begin(&r.c, r.now, 5, 100, NULL));
    sent(&r, 8 + 99);
    CHECK_OK(tick_at(&r, 6));
    CHECK_INT(output(&r).len, 0);
    CHECK_INT(wakeup(&r), 10000); /* the write deadline; no heartbeat can be due */
    sent(&r, 1);
    CHECK(zrpc_heartbeatconn_idle(&r.c));
    CHECK_INT(wakeup(&r), 11000); /* the frame that went out is as good as a heartbeat */
    CHECK_OK(tick_at(&r, 11));
    CHECK_BYTES(output(&r), zrpc_view(heartbeat, sizeof heartbeat));
    done(&r);
}

/* However long the wire takes nothing, heartbeats do not pile up. */
static void one_heartbeat_is_pending_at_most(void)
{
    struct rig r = rig();

    for (int s = 1; s <= 300; s++) {
        r.now = START + s * ZRPC_SECOND;
        receive(&r, heartbeat, sizeof heartbeat);
        CHECK_OK(tick(&r));
        CHECK(output(&r).len <= sizeof heartbeat);
    }
    CHECK_INT(r.c.stats.heartbeats_sent, 1);
    done(&r);
}

static void heartbeats_are_absorbed_between_frames(void)
{
    static const uint8_t in[] = {
        0x01, 0, 0, 0, 0, 0, 0, 0, 0x01, 0,   0, 0, 0, 0, 0, 0, /* two in a row */
        0,    0, 0, 5, 0, 0, 0, 2, 'a',  'b',                   /* a frame */
        0x01, 0, 0, 0, 0, 0, 0, 0,
    };
    static const enum zrpc_frame_event_kind expected[] = {ZRPC_FRAME_BEGIN, ZRPC_FRAME_PAYLOAD,
                                                          ZRPC_FRAME_FINISH, ZRPC_FRAME_MORE};
    struct zrpc_view view = zrpc_view(in, sizeof in);
    struct rig r = rig();

    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct zrpc_frame_event ev;

        CHECK_OK(zrpc_heartbeatconn_input(&r.c, r.now, &view, &ev, NULL));
        CHECK_INT(ev.kind, expected[i]);
        CHECK(ev.kind == ZRPC_FRAME_MORE || ev.frame.type == 5);
    }
    CHECK_INT(r.c.stats.heartbeats_received, 3);
    CHECK_INT(r.c.stats.bytes_received, sizeof in);
    done(&r);
}

static void heartbeat_in_single_bytes_counts_once(void)
{
    struct rig r = rig();

    for (size_t i = 0; i < sizeof heartbeat; i++) {
        CHECK_INT(r.c.stats.heartbeats_received, 0);
        receive(&r, heartbeat + i, 1);
    }
    CHECK_INT(r.c.stats.heartbeats_received, 1);
    done(&r);
}

static void reading_times_out_only_while_wanted(void)
{
    struct rig r = rig();
    struct zrpc_error err;

    for (int s = 1; s <= 60; s++) {
        CHECK_OK(tick_at(&r, s)); /* nobody wants to read */
        send_all(&r);
    }
    zrpc_heartbeatconn_want_read(&r.c, r.now, true);
    CHECK_OK(tick_at(&r, 69));
    send_all(&r);
    zrpc_heartbeatconn_want_read(&r.c, r.now, true); /* still: the time goes on */
    CHECK_INT(wakeup(&r), 70000);
    r.now += ZRPC_SECOND - 1;
    CHECK_OK(tick(&r));
    r.now += 1;
    CHECK_CODE(zrpc_heartbeatconn_tick(&r.c, r.now, &err), ZRPC_ERR_READ_TIMEOUT);
    CHECK_CONTAINS(err.text, "10s");
    done(&r);
}

static void blocked_sink_does_not_time_the_peer_out(void)
{
    struct rig r = rig();

    zrpc_heartbeatconn_want_read(&r.c, r.now, true);
    r.now += 9 * ZRPC_SECOND;
    zrpc_heartbeatconn_want_read(&r.c, r.now, false);
    for (int s = 10; s <= 100; s++) {
        CHECK_OK(tick_at(&r, s));
        send_all(&r);
    }
    zrpc_heartbeatconn_want_read(&r.c, r.now, true);
    CHECK_OK(tick_at(&r, 109));
    send_all(&r);
    CHECK_CODE(tick_at(&r, 110), ZRPC_ERR_READ_TIMEOUT);
    done(&r);
}

static void any_byte_renews_reading(void)
{
    static const uint8_t header[] = {0, 0, 0, 5, 0, 0, 1, 0};
    struct rig r = rig();

    zrpc_heartbeatconn_want_read(&r.c, r.now, true);
    for (size_t i = 0; i < sizeof header; i++) { /* a byte every 9 s */
        r.now += 9 * ZRPC_SECOND;
        CHECK_OK(tick(&r));
        send_all(&r);
        receive(&r, header + i, 1);
    }
    r.now += 9 * ZRPC_SECOND;
    zrpc_heartbeatconn_moved(&r.c, r.now, 100);
    CHECK_INT(r.c.conn.reader.left, 156);
    CHECK_INT(r.c.stats.bytes_received, 108);
    r.now += 9 * ZRPC_SECOND;
    CHECK_OK(tick(&r));
    send_all(&r);
    receive(&r, NULL, 0);                     /* nothing is no progress, */
    zrpc_heartbeatconn_moved(&r.c, r.now, 0); /* either way */
    r.now += ZRPC_SECOND;
    CHECK_CODE(tick(&r), ZRPC_ERR_READ_TIMEOUT);
    done(&r);
}

static void write_times_out_without_progress(void)
{
    struct rig r = rig();
    struct zrpc_error err;

    r.now += 2 * ZRPC_SECOND;
    CHECK_OK(zrpc_heartbeatconn_begin(&r.c, r.now, 5, 1000, NULL));
    CHECK_INT(wakeup(&r), 12000);
    r.now += 9 * ZRPC_SECOND;
    sent(&r, 0); /* no progress */
    CHECK_OK(tick(&r));
    CHECK_INT(wakeup(&r), 12000);
    r.now += ZRPC_SECOND;
    CHECK_CODE(zrpc_heartbeatconn_tick(&r.c, r.now, &err), ZRPC_ERR_WRITE_TIMEOUT);
    CHECK_CONTAINS(err.text, "10s");
    CHECK_CONTAINS(err.text, "1000 of a payload");
    done(&r);
}

static void any_byte_renews_writing(void)
{
    struct rig r = rig();

    CHECK_OK(zrpc_heartbeatconn_begin(&r.c, r.now, 5, 100, NULL));
    for (int i = 0; i < 100; i++) {
        r.now += 9 * ZRPC_SECOND;
        CHECK_OK(tick(&r));
        sent(&r, 1);
    }
    r.now += 10 * ZRPC_SECOND;
    CHECK_CODE(tick(&r), ZRPC_ERR_WRITE_TIMEOUT);
    done(&r);
}

static void write_deadline_rests_while_idle(void)
{
    struct rig r = rig();

    CHECK_OK(zrpc_heartbeatconn_put(&r.c, r.now, 5, zrpc_view_of("abc"), NULL));
    r.now += 9 * ZRPC_SECOND;
    send_all(&r);
    CHECK_INT(r.c.write_deadline, ZRPC_NEVER);
    r.now += 4 * ZRPC_SECOND;
    CHECK_OK(tick(&r));
    CHECK_OK(zrpc_heartbeatconn_put(&r.c, r.now, 5, zrpc_view_of("abc"), NULL));
    CHECK_INT(wakeup(&r), 23000);
    r.now += ZRPC_SECOND;
    CHECK_OK(zrpc_heartbeatconn_put(&r.c, r.now, 5, zrpc_view_of("def"), NULL));
    CHECK_INT(wakeup(&r), 23000); /* queueing more is no progress */
    done(&r);
}

/* zrepl issue 162: a receiver that takes nothing but heartbeats must not kill the sender. */
static void heartbeats_keep_a_stuck_write_alive(void)
{
    struct rig r = rig();

    CHECK_OK(zrpc_heartbeatconn_begin(&r.c, r.now, 5, 1000, NULL));
    for (int s = 5; s <= 600; s += 5) {
        CHECK_OK(tick_at(&r, s));
        receive(&r, heartbeat, sizeof heartbeat);
        CHECK_INT(wakeup(&r), (s + 10) * 1000);
    }
    CHECK_INT(r.c.stats.write_renewals, 120);
    CHECK_OK(tick_at(&r, 609));
    CHECK_CODE(tick_at(&r, 610), ZRPC_ERR_WRITE_TIMEOUT);
    done(&r);
}

static void heartbeats_start_no_write_deadline(void)
{
    struct rig r = rig();

    receive(&r, heartbeat, sizeof heartbeat);
    CHECK_INT(r.c.write_deadline, ZRPC_NEVER);
    CHECK_INT(r.c.read_deadline, ZRPC_NEVER);
    CHECK_INT(r.c.stats.write_renewals, 0);
    done(&r);
}

static void a_stuck_heartbeat_times_out_too(void)
{
    struct rig r = rig();

    CHECK_OK(tick_at(&r, 5));
    CHECK_OK(tick_at(&r, 14));
    CHECK_CODE(tick_at(&r, 15), ZRPC_ERR_WRITE_TIMEOUT);
    done(&r);
}

static void after_shutdown_one_deadline_counts(void)
{
    struct zrpc_heartbeat_config config = {.shutdown_timeout = 7 * ZRPC_SECOND};
    struct rig r = {.now = START};
    struct zrpc_error err;

    zrpc_heartbeatconn_init(&r.c, &config, r.now);
    zrpc_heartbeatconn_want_read(&r.c, r.now, true);
    CHECK_OK(zrpc_heartbeatconn_begin(&r.c, r.now, 5, 1000, NULL));
    zrpc_heartbeatconn_shutdown(&r.c, r.now);
    CHECK_INT(r.c.write_deadline, ZRPC_NEVER);
    CHECK_INT(r.c.read_deadline, ZRPC_NEVER);
    CHECK_INT(wakeup(&r), 7000);
    for (int s = 1; s <= 6; s++) { /* whatever goes by renews nothing */
        CHECK_OK(tick_at(&r, s));
        sent(&r, 1);
        receive(&r, heartbeat, sizeof heartbeat);
        zrpc_heartbeatconn_want_read(&r.c, r.now, true);
        CHECK_INT(r.c.read_deadline, ZRPC_NEVER);
        CHECK_INT(wakeup(&r), 7000);
    }
    CHECK_INT(output(&r).len, 8 - 6);
    CHECK_INT(r.c.stats.heartbeats_received, 0);
    CHECK_CODE(zrpc_heartbeatconn_tick(&r.c, START + 7 * ZRPC_SECOND, &err), ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(err.text, "7s");
    CHECK_CONTAINS(err.text, "could not be sent");
    done(&r);
}

static void shutdown_timeout_names_its_state(void)
{
    struct rig r = rig();
    struct zrpc_error err;

    zrpc_heartbeatconn_shutdown(&r.c, r.now);
    send_all(&r);
    CHECK_INT(r.c.conn.state, ZRPC_CONN_HALF_CLOSE);
    r.now += 10 * ZRPC_SECOND;
    CHECK_CODE(zrpc_heartbeatconn_tick(&r.c, r.now, &err), ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(err.text, "write direction could not be closed");
    zrpc_frameconn_half_closed(&r.c.conn);
    CHECK_CODE(zrpc_heartbeatconn_tick(&r.c, r.now, &err), ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(err.text, "the peer did not close");
    CHECK_OK(zrpc_heartbeatconn_eof(&r.c, NULL));
    CHECK_INT(r.c.conn.state, ZRPC_CONN_CLOSED);
    CHECK_OK(tick(&r));
    CHECK_INT(wakeup(&r), ZRPC_NEVER);
    done(&r);
}

static void nothing_follows_rst(void)
{
    struct rig r = rig();

    zrpc_heartbeatconn_shutdown(&r.c, r.now);
    CHECK_BYTES(output(&r), zrpc_view(rst, sizeof rst));
    CHECK_CODE(zrpc_heartbeatconn_put(&r.c, r.now, 5, zrpc_view_of("abc"), NULL), ZRPC_ERR_CLOSED);
    CHECK_CODE(zrpc_heartbeatconn_begin(&r.c, r.now, 5, 3, NULL), ZRPC_ERR_CLOSED);
    CHECK_OK(tick_at(&r, 6)); /* no heartbeat */
    CHECK_BYTES(output(&r), zrpc_view(rst, sizeof rst));
    send_all(&r);
    CHECK_OK(tick_at(&r, 9));
    CHECK_INT(output(&r).len, 0);
    done(&r);
}

static void nothing_follows_abandoned_output(void)
{
    struct rig r = rig();

    CHECK_OK(zrpc_heartbeatconn_begin(&r.c, r.now, 5, 100, NULL));
    sent(&r, 50);
    zrpc_frameconn_abandon_output(&r.c.conn);
    CHECK_CODE(zrpc_heartbeatconn_put(&r.c, r.now, 5, zrpc_view_of("abc"), NULL), ZRPC_ERR_CLOSED);
    CHECK_OK(tick_at(&r, 6));
    CHECK(zrpc_heartbeatconn_idle(&r.c));
    zrpc_heartbeatconn_shutdown(&r.c, r.now);
    CHECK_INT(r.c.conn.state, ZRPC_CONN_HALF_CLOSE);
    CHECK(zrpc_heartbeatconn_idle(&r.c));
    done(&r);
}

static void lower_layers_types_are_not_for_callers(void)
{
    struct rig r = rig();
    struct zrpc_error err;

    CHECK_CODE(zrpc_heartbeatconn_put(&r.c, r.now, ZRPC_FRAME_RST, zrpc_view(NULL, 0), &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "RST");
    CHECK_CODE(zrpc_heartbeatconn_begin(&r.c, r.now, ZRPC_FRAME_HEARTBEAT, 0, NULL), ZRPC_ERR_USAGE);
    CHECK_OK(zrpc_heartbeatconn_put(&r.c, r.now, ZRPC_FRAME_STREAM_END, zrpc_view(NULL, 0), NULL));
    CHECK_OK(zrpc_heartbeatconn_begin(&r.c, r.now, 5, 10, NULL));
    CHECK_CODE(zrpc_heartbeatconn_put(&r.c, r.now, 5, zrpc_view_of("abc"), NULL), ZRPC_ERR_USAGE);
    done(&r);
}

static void configured_times_hold(void)
{
    struct zrpc_heartbeat_config config = {.interval = 30 * ZRPC_MILLISECOND,
                                           .timeout = 70 * ZRPC_MILLISECOND};
    struct rig r = {.now = START};

    zrpc_heartbeatconn_init(&r.c, &config, r.now);
    CHECK_INT(r.c.config.shutdown_timeout, 10 * ZRPC_SECOND);
    CHECK_INT(wakeup(&r), 30);
    zrpc_heartbeatconn_want_read(&r.c, r.now, true);
    r.now += 30 * ZRPC_MILLISECOND;
    CHECK_OK(tick(&r));
    CHECK_INT(r.c.stats.heartbeats_sent, 1);
    CHECK_INT(wakeup(&r), 70); /* reading, then the heartbeat's own write at 100 */
    receive(&r, heartbeat, 1);
    CHECK_INT(wakeup(&r), 100);
    done(&r);
}

static void heartbeat_without_memory_is_made_up_for(void)
{
    struct rig r = rig();

    r.now += 5 * ZRPC_SECOND;
    zrpc_alloc_fail_at(1);
    CHECK_CODE(tick(&r), ZRPC_ERR_NOMEM);
    zrpc_alloc_fail_at(0);
    CHECK_INT(r.c.stats.heartbeats_sent, 0);
    CHECK_INT(r.c.write_deadline, ZRPC_NEVER);
    CHECK_OK(tick(&r));
    CHECK_BYTES(output(&r), zrpc_view(heartbeat, sizeof heartbeat));
    done(&r);
}

/* Two connections face to face, one second a step: an idle one lives for ever, and its heartbeats suffice. */
static void idle_connection_lives_for_ever(void)
{
    struct rig side[2] = {rig(), rig()};

    for (int i = 0; i < 2; i++)
        zrpc_heartbeatconn_want_read(&side[i].c, START, true);
    for (int s = 1; s <= 3600; s++) {
        for (int i = 0; i < 2; i++) {
            struct rig *from = &side[i], *to = &side[1 - i];

            CHECK_OK(tick_at(from, s));
            to->now = from->now;
            receive(to, output(from).data, output(from).len);
            send_all(from);
        }
    }
    CHECK_INT(side[0].c.stats.heartbeats_sent, 720);
    CHECK_INT(side[0].c.stats.heartbeats_received, 720);
    done(&side[0]);
    done(&side[1]);
}

/* Random orders of everything that can happen. Waking only when told to must be enough: no heartbeat is late,
 * and no deadline passes unseen. */
static void wakeups_are_sufficient(void)
{
    srandom(3);
    for (int round = 0; round < 300; round++) {
        struct rig r = rig();
        int rc = 0;

        for (int step = 0; step < 200 && rc == 0; step++) {
            zrpc_time when = zrpc_heartbeatconn_wakeup(&r.c);

            r.now += random() % (4 * ZRPC_SECOND);
            if (when < r.now)
                r.now = when;
            rc = tick(&r);
            if (rc < 0)
                break;
            CHECK(zrpc_heartbeatconn_wakeup(&r.c) > r.now);
            CHECK(!zrpc_heartbeatconn_idle(&r.c) || r.now - r.c.last_sent < 5 * ZRPC_SECOND);
            switch (random() % 6) {
            case 0:
                zrpc_heartbeatconn_want_read(&r.c, r.now, random() % 2);
                break;
            case 1:
                receive(&r, heartbeat, sizeof heartbeat);
                break;
            case 2:
                if (r.c.conn.writer.body_left == 0)
                    CHECK_OK(zrpc_heartbeatconn_begin(&r.c, r.now, 5, (uint32_t)random() % 50, NULL));
                break;
            default:
                sent(&r, (size_t)random() % (output(&r).len + r.c.conn.writer.body_left + 1));
                break;
            }
        }
        CHECK(rc == 0 || (rc == ZRPC_ERR_READ_TIMEOUT && r.now == r.c.read_deadline) ||
              (rc == ZRPC_ERR_WRITE_TIMEOUT && r.now == r.c.write_deadline));
        done(&r);
    }
}

static const struct zrpc_test tests[] = {
    {"a heartbeat is sent when idle", heartbeat_is_sent_when_idle},
    {"any frame puts the heartbeat off", any_frame_puts_the_heartbeat_off},
    {"a heartbeat waits for the body under way", heartbeat_waits_for_the_body_under_way},
    {"one heartbeat is pending at most", one_heartbeat_is_pending_at_most},
    {"heartbeats are absorbed between frames", heartbeats_are_absorbed_between_frames},
    {"a heartbeat in single bytes counts once", heartbeat_in_single_bytes_counts_once},
    {"reading times out only while wanted", reading_times_out_only_while_wanted},
    {"a blocked sink does not time the peer out", blocked_sink_does_not_time_the_peer_out},
    {"any byte renews reading", any_byte_renews_reading},
    {"a write times out without progress", write_times_out_without_progress},
    {"any byte renews writing", any_byte_renews_writing},
    {"the write deadline rests while idle", write_deadline_rests_while_idle},
    {"heartbeats keep a stuck write alive", heartbeats_keep_a_stuck_write_alive},
    {"heartbeats start no write deadline", heartbeats_start_no_write_deadline},
    {"a stuck heartbeat times out too", a_stuck_heartbeat_times_out_too},
    {"after shutdown one deadline counts", after_shutdown_one_deadline_counts},
    {"a shutdown's timeout names its state", shutdown_timeout_names_its_state},
    {"nothing follows RST", nothing_follows_rst},
    {"nothing follows abandoned output", nothing_follows_abandoned_output},
    {"the lower layers' types are not for callers", lower_layers_types_are_not_for_callers},
    {"configured times hold", configured_times_hold},
    {"a heartbeat without memory is made up for", heartbeat_without_memory_is_made_up_for},
    {"an idle connection lives for ever", idle_connection_lives_for_ever},
    {"waking when told to is enough", wakeups_are_sufficient},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("heartbeatconn", tests, argc, argv);
}
