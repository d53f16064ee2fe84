/*
 * Heartbeats and timeouts, as a server: proto/SPEC.md section 7.
 */
#include <sys/socket.h>

#include "conformance/cases/cases.h"
#include "conformance/transfer.h"

static const char endpoint[] = "/v1/ping";
static const struct zrpc_view nothing = {.data = NULL, .len = 0};

static void beat(struct zrpc_peer *p, unsigned times)
{
    while (times-- > 0 && zrpc_peer_send_heartbeat(p))
        ;
}

static void between_any_frames(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    beat(p, 1);
    zrpc_peer_send_frame(p, 1, zrpc_view(endpoint, 3));
    beat(p, 2);
    zrpc_peer_send_frame(p, 1, zrpc_view(endpoint + 3, 5));
    beat(p, 1);
    zrpc_peer_send_end(p);
    beat(p, 1000);
    zrpc_peer_send_frame(p, 2, zrpc_view("\n\2hi", 4));
    beat(p, 1);
    zrpc_peer_send_end(p);
    beat(p, 3);
    zrpc_expect_pong(p, "hi");
}

static void within_stream(struct zrpc_run *run)
{
    struct zrpc_transfer t;
    struct zrpc_view left;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, 300 << 10, &t))
        return;
    beat(t.peer, 3);
    left = t.content;
    while (left.len > 0 && zrpc_peer_send_frame(t.peer, ZRPC_STREAM_TYPE,
                                                zrpc_view_take(&left, left.len < 9000 ? left.len : 9000)))
        beat(t.peer, 2);
    zrpc_peer_send_end(t.peer);
    zrpc_transfer_expect_received(&t);
}

/* Half a request, and then we heartbeat only: the target has nothing to say, and must show that it lives. */
static void idle_interval(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    struct zrpc_peer *p = zrpc_peer_data(run);

    p->heartbeat_every = t->heartbeat_interval / 2;
    zrpc_peer_send_stream(p, 1, zrpc_view_of(endpoint));
    zrpc_run_step(run, "half a request: time for two heartbeats of the target");
    zrpc_expect_heartbeats_only(p, 2 * t->heartbeat_interval + t->heartbeat_slack);
    zrpc_expect_steady_frames(p);
    zrpc_peer_send_stream(p, 2, nothing);
    zrpc_expect_pong(p, "");
}

static void keep_alive(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_run_step(run, "heartbeats only, for longer than the target's read timeout");
    p->heartbeat_every = t->read_timeout * 4 / 5;
    zrpc_expect_heartbeats_only(p, t->read_timeout + t->slack);
    zrpc_request_ping(p, "still here");
    zrpc_expect_pong(p, "still here");
}

static void silent_peer(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    struct zrpc_peer *p = zrpc_peer_data(run);

    p->quiet = true;
    zrpc_run_step(run, "send nothing from here on, no heartbeat either");
    zrpc_expect_closed(p, p->last_sent + t->read_timeout - t->early - zrpc_now(), t->read_timeout + t->slack);
}

static void silent_in_stream(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    const struct zrpc_answer *a;
    struct zrpc_transfer tr;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, 100 << 10, &tr))
        return;
    zrpc_run_step(run, "half a frame of the stream, then silence");
    tr.peer->quiet = true;
    zrpc_peer_send_header(tr.peer, ZRPC_STREAM_TYPE, 50000);
    zrpc_peer_send(tr.peer, zrpc_view(tr.content.data, 25000));
    a = zrpc_expect(tr.peer, ZRPC_OUT_REFUSAL | ZRPC_OUT_CLOSED, t->read_timeout + t->slack);
    if (a->took < t->read_timeout - t->early)
        zrpc_run_fail(run, "no timeout before the read timeout has passed", "the end after %.3f s",
                      (double)a->took / ZRPC_SECOND);
}

/* A byte at a time, in the middle of a frame, where no heartbeat can be. */
static void bytes_renew(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    struct zrpc_transfer tr;
    struct zrpc_view left;
    zrpc_time began;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, 100 << 10, &tr))
        return;
    zrpc_run_step(run, "one frame, its payload in trickles, for longer than the target's read timeout");
    zrpc_peer_send_header(tr.peer, ZRPC_STREAM_TYPE, (uint32_t)tr.content.len);
    left = tr.content;
    began = zrpc_now();
    while (left.len > 1 && zrpc_now() - began < t->read_timeout + t->slack && zrpc_run_going(run)) {
        zrpc_peer_send(tr.peer, zrpc_view_take(&left, 1));
        zrpc_run_sleep(run, t->read_timeout / 5);
    }
    zrpc_peer_send(tr.peer, left);
    zrpc_peer_send_end(tr.peer);
    zrpc_transfer_expect_received(&tr);
}

/*
 * The target writes, and we are slow, or dead
 */
static void shrink_receive_buffer(struct zrpc_peer *p)
{
    int bytes = 64 << 10;

    (void)setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

static struct zrpc_peer *begin_large_send(struct zrpc_run *run, const struct zrpc_offer **offer)
{
    struct zrpc_peer *p;

    *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_LARGE);
    p = zrpc_peer_data(run);
    shrink_receive_buffer(p);
    zrpc_request_send(p, *offer, false);
    return p;
}

static void slow_reader(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    const struct zrpc_offer *offer;
    struct zrpc_peer *p = begin_large_send(run, &offer);
    struct zrpc_stream_seen seen;

    zrpc_run_step(run, "read nothing for longer than the target's write timeout, but heartbeat");
    p->heartbeat_every = t->heartbeat_interval / 2;
    zrpc_peer_idle(p, t->write_timeout + t->slack);
    zrpc_run_step(run, "now read: every byte must come");
    zrpc_expect_answer(p);
    zrpc_expect_stream(p, ZRPC_STREAM_TYPE, t->prompt, &seen, NULL);
    if (offer != NULL && offer->size > 0 && seen.bytes != offer->size)
        zrpc_run_fail(run, "the whole stream", "%llu bytes", (unsigned long long)seen.bytes);
}

static void dead_reader(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    const struct zrpc_offer *offer;
    struct zrpc_peer *p = begin_large_send(run, &offer);
    struct zrpc_stream_seen seen;

    zrpc_run_step(run, "read nothing and send nothing for longer than the target's timeouts");
    p->quiet = true;
    zrpc_run_sleep(run, t->write_timeout + t->slack);
    zrpc_run_step(run, "now read: the target must have given up");
    zrpc_expect_answer(p);
    zrpc_see_stream(p, ZRPC_STREAM_TYPE, t->prompt, &seen, NULL);
    if (seen.end != ZRPC_SAW_INCOMPLETE)
        zrpc_run_fail(run, "a stream that breaks off", "a stream that is complete after %llu bytes",
                      (unsigned long long)seen.bytes);
    else if (seen.last.kind == ZRPC_SEEN_SILENCE)
        zrpc_run_fail(run, "the end of the connection", "silence after %llu bytes",
                      (unsigned long long)seen.bytes);
}

/*
 * Handlers that take their time
 */
static void source_stalls(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_STALLING);
    struct zrpc_peer *p = zrpc_peer_data(run);
    struct zrpc_stream_seen seen;
    zrpc_time patience;

    if (offer == NULL)
        return;
    patience = offer->pause + zrpc_run_timing(run)->prompt;
    zrpc_request_send(p, offer, false);
    zrpc_expect(p, ZRPC_OUT_ANSWER, patience);
    zrpc_expect_stream(p, ZRPC_STREAM_TYPE, patience, &seen, NULL);
    zrpc_expect_steady_frames(p);
}

static bool is_unix_socket(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t len = sizeof domain;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

static void sink_stalls(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_STALLING, 1 << 20, &t))
        return;
    if (is_unix_socket(t.peer->fd)) {
        zrpc_run_skip(run, "a unix socket holds less than the stream: who writes cannot read meanwhile");
        return;
    }
    zrpc_peer_send_stream(t.peer, ZRPC_STREAM_TYPE, t.content);
    zrpc_run_step(run, "the target's sink takes nothing for a while");
    zrpc_expect(t.peer, ZRPC_OUT_ANSWER, t.offer.pause + zrpc_run_timing(run)->prompt);
    zrpc_expect_steady_frames(t.peer);
}

static const struct zrpc_case cases[] = {
    {
        .id = "heartbeat.between-any-frames",
        .title = "Heartbeats before, within and between messages change nothing",
        .requirements = {"ZR-HB-005", "ZR-HB-006"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = between_any_frames,
    },
    {
        .id = "heartbeat.within-stream",
        .title = "Heartbeats within a stream change nothing",
        .requirements = {"ZR-HB-005", "ZR-HB-006"},
        .legal = "the receive succeeds",
        .budget = 60,
        .run = within_stream,
    },
    {
        .id = "heartbeat.idle-interval",
        .title = "A target with nothing to say heartbeats",
        .requirements = {"ZR-HB-001", "ZR-HB-002", "ZR-FRAME-004"},
        .legal = "a heartbeat at least every 8 s, then the ping's answer",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = idle_interval,
    },
    {
        .id = "heartbeat.keep-alive",
        .title = "A client that only heartbeats is not timed out",
        .requirements = {"ZR-HB-007", "ZR-HB-005"},
        .legal = "heartbeats, then the ping's answer",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = keep_alive,
    },
    {
        .id = "heartbeat.silent-peer",
        .title = "A client that falls silent after the label is timed out",
        .requirements = {"ZR-HB-007"},
        .legal = "the end of the connection 10 s after the last byte, at most 3 s later, not before",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = silent_peer,
    },
    {
        .id = "heartbeat.silent-in-stream",
        .title = "A client that falls silent inside a frame is timed out, and its stream fails",
        .requirements = {"ZR-HB-007", "ZR-STREAM-017"},
        .legal = "a handler error or the end of the connection, 10 s after the last byte, at most 3 s later",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = silent_in_stream,
    },
    {
        .id = "heartbeat.bytes-renew",
        .title = "Any byte renews the read timer, also inside a frame",
        .requirements = {"ZR-HB-008"},
        .legal = "the receive succeeds",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = bytes_renew,
    },
    {
        .id = "heartbeat.slow-reader",
        .title = "A client that reads nothing for 13 s but heartbeats gets its whole stream",
        .requirements = {"ZR-HB-011", "ZR-HB-013"},
        .legal = "the answer and the complete stream",
        .flags = ZRPC_CASE_SLOW,
        .budget = 120,
        .run = slow_reader,
    },
    {
        .id = "heartbeat.dead-reader",
        .title = "A client that neither reads nor heartbeats is given up",
        .requirements = {"ZR-HB-010"},
        .legal = "what was in flight, and then the end of the connection without an end of stream",
        .flags = ZRPC_CASE_SLOW,
        .budget = 120,
        .run = dead_reader,
    },
    {
        .id = "heartbeat.source-stalls",
        .title = "Heartbeats go on while the handler is at work or the source gives nothing",
        .requirements = {"ZR-HB-003", "ZR-STREAM-008"},
        .legal = "a frame at least every 8 s, and the complete stream",
        .flags = ZRPC_CASE_SLOW,
        .budget = 120,
        .run = source_stalls,
    },
    {
        .id = "heartbeat.sink-stalls",
        .title = "Heartbeats go on while the sink takes nothing, and the client is not timed out for it",
        .requirements = {"ZR-HB-003", "ZR-HB-009"},
        .legal = "a frame at least every 8 s, and the answer",
        .flags = ZRPC_CASE_SLOW,
        .budget = 120,
        .run = sink_stalls,
    },
};

const struct zrpc_area zrpc_area_heartbeat = {
    .name = "heartbeat",
    .title = "heartbeats and timeouts, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_DATA,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
