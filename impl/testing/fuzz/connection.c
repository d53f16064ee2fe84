/* A heartbeatconn, driven through everything that can happen to it in any order: what it writes is always a
 * sequence of valid frames, heartbeats are between them, RST is the last, and no deadline passes unseen. */
#include "testing/fuzz/fuzz.h"

#include "zrpc/stream.h"

struct rig {
    struct zrpc_heartbeatconn c;
    zrpc_time now;
    struct zrpc_frame_reader written; /* parses what went out */
    bool wrote_rst, half_closed, broken;
};

/* The peer's view of our output: headers are checked, payload is counted. */
static void check_written(struct rig *r, struct zrpc_view out)
{
    struct zrpc_frame_event ev;

    do {
        zrpc_frame_reader_next(&r->written, &out, &ev);
        if (ev.kind != ZRPC_FRAME_BEGIN)
            continue;
        REQUIRE(!r->wrote_rst && !r->half_closed);
        REQUIRE(zrpc_frame_check(ev.frame, NULL) == 0);
        r->wrote_rst = ev.frame.type == ZRPC_FRAME_RST;
    } while (ev.kind != ZRPC_FRAME_MORE);
}

static void send(struct rig *r, size_t n)
{
    static const uint8_t body[256];
    const struct zrpc_frame_writer *w = &r->c.conn.writer;
    size_t from_output = n < w->output.len ? n : w->output.len, from_body = n - from_output;

    from_body = from_body < w->body_left ? from_body : w->body_left;
    check_written(r, zrpc_view(zrpc_buf_view(&w->output).data, from_output));
    check_written(r, zrpc_view(body, from_body));
    zrpc_heartbeatconn_sent(&r->c, r->now, from_output + from_body);
}

static void receive(struct rig *r, struct zrpc_view *in, size_t n)
{
    struct zrpc_view part = zrpc_view_take(in, n < in->len ? n : in->len);
    struct zrpc_frame_event ev;
    int rc;

    do {
        rc = zrpc_heartbeatconn_input(&r->c, r->now, &part, &ev, NULL);
        REQUIRE(rc != 0 || ev.kind == ZRPC_FRAME_MORE || ev.frame.type != ZRPC_FRAME_HEARTBEAT);
    } while (rc == 0 && ev.kind != ZRPC_FRAME_MORE);
    REQUIRE(rc < 0 || part.len == 0);
    if (rc < 0)
        zrpc_heartbeatconn_shutdown(&r->c, r->now);
}

static void half_close(struct rig *r)
{
    if (r->c.conn.state == ZRPC_CONN_HALF_CLOSE) {
        REQUIRE(r->wrote_rst || r->broken);
        REQUIRE(r->broken || zrpc_frame_reader_between_frames(&r->written));
        r->half_closed = true;
    }
    zrpc_frameconn_half_closed(&r->c.conn);
}

static void pass_time(struct rig *r, zrpc_time step)
{
    zrpc_time wakeup = zrpc_heartbeatconn_wakeup(&r->c);

    r->now = zrpc_earlier(r->now + step, wakeup > r->now ? wakeup : r->now);
    if (zrpc_heartbeatconn_tick(&r->c, r->now, NULL) < 0) {
        REQUIRE(r->now == wakeup);
        zrpc_heartbeatconn_shutdown(&r->c, r->now);
        return;
    }
    REQUIRE(zrpc_heartbeatconn_wakeup(&r->c) > r->now);
    REQUIRE(r->c.conn.state != ZRPC_CONN_OPEN || r->c.conn.output_dropped ||
            !zrpc_heartbeatconn_idle(&r->c) || r->now - r->c.last_sent < r->c.config.interval);
}

static void put(struct rig *r, size_t n)
{
    static const uint8_t payload[256];
    bool can = r->c.conn.state == ZRPC_CONN_OPEN && !r->broken && r->c.conn.writer.body_left == 0;
    int rc = n % 2 == 0 ? zrpc_stream_put_message(&r->c, r->now, 5, zrpc_view(payload, n), NULL)
                        : zrpc_heartbeatconn_begin(&r->c, r->now, 5, (uint32_t)n, NULL);

    REQUIRE((rc == 0) == can);
}

static void step(struct rig *r, struct zrpc_view *in)
{
    uint8_t op = fuzz_byte(in), n = fuzz_byte(in);

    switch (op % 10) {
    case 0:
        receive(r, in, n);
        break;
    case 1:
        put(r, n);
        break;
    case 2:
        send(r, n);
        break;
    case 3:
        pass_time(r, n * (ZRPC_SECOND / 10));
        break;
    case 4:
        zrpc_heartbeatconn_want_read(&r->c, r->now, n % 2);
        break;
    case 5:
        half_close(r);
        break;
    case 6:
        if (r->c.conn.state == ZRPC_CONN_OPEN && r->c.conn.reader.left >= n && r->c.conn.reader.in_payload)
            zrpc_heartbeatconn_moved(&r->c, r->now, n);
        break;
    case 7:
        if (n % 4 == 0)
            zrpc_heartbeatconn_shutdown(&r->c, r->now);
        break;
    case 8:
        if (n % 8 == 0) {
            r->broken = true;
            zrpc_frameconn_abandon_output(&r->c.conn);
        }
        break;
    default:
        if (n % 8 == 0 && zrpc_heartbeatconn_eof(&r->c, NULL) < 0)
            zrpc_heartbeatconn_shutdown(&r->c, r->now);
        break;
    }
    REQUIRE(r->c.conn.state != ZRPC_CONN_CLOSED || (r->half_closed && r->c.conn.peer_eof));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zrpc_view in = zrpc_view(data, size);
    struct rig r = {.now = ZRPC_SECOND};

    zrpc_heartbeatconn_init(&r.c, NULL, r.now);
    while (in.len > 0)
        step(&r, &in);
    zrpc_heartbeatconn_dispose(&r.c);
    return 0;
}
