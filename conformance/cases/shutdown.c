/*
 * The end of a data connection, as a server: proto/SPEC.md section 8.
 */
#include "conformance/cases/cases.h"
#include "conformance/transfer.h"

static const char endpoint[] = "/v1/ping";
static const struct zrpc_view nothing = {.data = NULL, .len = 0};

static void after_answer(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_ping(p, "and goodbye");
    zrpc_expect_pong(p, "and goodbye");
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
}

static void late_reader(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_FULL);
    struct zrpc_peer *p = zrpc_peer_data(run);
    struct zrpc_stream_seen seen;

    zrpc_request_send(p, offer, false);
    zrpc_run_step(run, "read nothing for a while, but heartbeat: the target is done long before");
    p->heartbeat_every = t->prompt / 50;
    zrpc_peer_idle(p, t->prompt * 2 / 5);
    zrpc_expect_answer(p);
    zrpc_expect_stream(p, ZRPC_STREAM_TYPE, t->prompt, &seen, NULL);
    zrpc_expect_shutdown(p, t->prompt);
}

/* Heartbeats without end to a target that is shutting down, then read. */
static void write_on(struct zrpc_run *run, zrpc_time duration)
{
    struct zrpc_peer *p = zrpc_peer_data(run);
    zrpc_time began;

    zrpc_request_ping(p, "is this readable?");
    zrpc_run_step(run, "write on and read nothing: the target must discard it, and reset nothing");
    began = zrpc_now();
    while (zrpc_now() - began < duration && zrpc_run_going(run)) {
        if (!zrpc_peer_send_heartbeat(p))
            break;
        zrpc_run_sleep(run, duration / 200);
    }
    zrpc_run_step(run, "now read");
    zrpc_expect_pong(p, "is this readable?");
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
    if (p->write_failed)
        zrpc_run_fail(run, "a target that takes what we write until its deadline", "writing failed before");
}

static void client_writes_on(struct zrpc_run *run)
{
    write_on(run, zrpc_run_timing(run)->prompt / 5);
}

static void client_writes_on_for_long(struct zrpc_run *run)
{
    write_on(run, zrpc_run_timing(run)->shutdown * 8 / 10);
}

static void noise_is_drained(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_ping(p, "then noise");
    zrpc_run_step(run, "8 MiB that are no frames");
    zrpc_peer_send(p, zrpc_run_bytes(run, 8 << 20));
    zrpc_expect_pong(p, "then noise");
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
}

/*
 * The deadline
 */
static void expect_gone(struct zrpc_peer *p, zrpc_time began, zrpc_time ended)
{
    const struct zrpc_timing *t = zrpc_run_timing(p->run);

    if (!zrpc_run_going(p->run))
        return;
    if (!p->write_failed)
        zrpc_run_fail(p->run, "a connection that the target has closed",
                      "it still takes our bytes after %.3f s", (double)(ended - began) / ZRPC_SECOND);
    else if (ended - began < t->shutdown - t->early - t->slack / 3)
        zrpc_run_fail(p->run, "a drain until the deadline", "writing failed after %.3f s",
                      (double)(ended - began) / ZRPC_SECOND);
}

static void deadline_with_traffic(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    struct zrpc_peer *p = zrpc_peer_data(run);
    zrpc_time began;

    zrpc_request_ping(p, "last words");
    zrpc_expect_pong(p, "last words");
    zrpc_expect_shutdown(p, t->prompt);
    began = zrpc_now();
    zrpc_run_step(run, "write on until the target closes");
    while (zrpc_now() - began < t->shutdown + t->slack && zrpc_run_going(run)) {
        if (!zrpc_peer_send_heartbeat(p))
            break;
        zrpc_run_sleep(run, t->shutdown / 100);
    }
    expect_gone(p, began, zrpc_now());
}

static void deadline_in_silence(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    struct zrpc_peer *p = zrpc_peer_data(run);
    zrpc_time began;

    zrpc_request_ping(p, "last words");
    zrpc_expect_pong(p, "last words");
    zrpc_expect_shutdown(p, t->prompt);
    began = zrpc_now();
    p->quiet = true;
    zrpc_run_step(run, "send nothing until the target must have closed, then see whether it takes a byte");
    zrpc_run_sleep(run, t->shutdown + t->slack);
    for (unsigned i = 0; i < 3 && zrpc_peer_send_heartbeat(p); i++)
        zrpc_run_sleep(run, t->early / 2);
    expect_gone(p, began, zrpc_now());
}

/*
 * We begin
 */
static void end_it(struct zrpc_peer *p)
{
    zrpc_peer_send_rst(p);
    zrpc_peer_half_close(p);
    zrpc_expect_shutdown(p, zrpc_run_timing(p->run)->prompt);
    zrpc_peer_drop(p);
}

static void rst_anywhere(struct zrpc_run *run)
{
    struct zrpc_peer *p;

    zrpc_run_step(run, "before the first frame");
    end_it(zrpc_peer_data(run));
    zrpc_run_step(run, "inside the first message");
    p = zrpc_peer_data(run);
    zrpc_peer_send_frame(p, 1, zrpc_view(endpoint, 4));
    end_it(p);
    zrpc_run_step(run, "between the messages");
    p = zrpc_peer_data(run);
    zrpc_peer_send_stream(p, 1, zrpc_view_of(endpoint));
    end_it(p);
    zrpc_run_step(run, "inside the second message");
    p = zrpc_peer_data(run);
    zrpc_peer_send_stream(p, 1, zrpc_view_of(endpoint));
    zrpc_peer_send_frame(p, 2, nothing);
    end_it(p);
}

static void rst_without_half_close(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_peer_send_rst(p);
    zrpc_run_step(run, "an RST frame, but no half-close: the target shuts down all the same");
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
}

static void rst_then_request(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_peer_send_rst(p);
    zrpc_run_step(run, "what follows an RST frame is discarded, and no frame");
    zrpc_request_ping(p, "not to be served");
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
}

static void rst_after_request(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_ping(p, "never mind");
    zrpc_peer_send_rst(p);
    zrpc_peer_half_close(p);
    zrpc_run_step(run, "the answer may come or not, but the end must");
    if (zrpc_expect(p, ZRPC_OUT_ANSWER | ZRPC_OUT_CLOSED, zrpc_run_timing(run)->prompt)->outcome ==
        ZRPC_OUT_ANSWER)
        zrpc_expect_closed(p, 0, zrpc_run_timing(run)->prompt);
}

/* A large send, given up by us: the target stops long before its end. */
static void give_up_large_send(struct zrpc_run *run, zrpc_time unread)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_LARGE);
    struct zrpc_peer *p = zrpc_peer_data(run);
    struct zrpc_stream_seen seen;
    struct zrpc_buf got = {0};

    zrpc_request_send(p, offer, false);
    zrpc_expect_answer(p);
    zrpc_run_step(run, "let the target fill all buffers, until its write waits");
    zrpc_peer_idle(p, zrpc_run_timing(run)->prompt / 10);
    zrpc_peer_send_rst(p);
    zrpc_peer_half_close(p);
    zrpc_run_sleep(run, unread);
    zrpc_see_stream(p, ZRPC_STREAM_TYPE, zrpc_run_timing(run)->prompt, &seen, NULL);
    zrpc_peer_see_end(p, zrpc_now() + zrpc_run_timing(run)->prompt, &seen.last);
    if (seen.end == ZRPC_SAW_COMPLETE)
        zrpc_run_fail(run, "a stream that breaks off", "the complete stream of %llu bytes",
                      (unsigned long long)seen.bytes);
    else if (seen.last.kind != ZRPC_SEEN_EOF && seen.last.kind != ZRPC_SEEN_RESET && zrpc_run_going(run)) {
        zrpc_seen_add(&got, &seen.last);
        zrpc_run_fail(run, "the end of the connection, with or without an RST frame before it", "%s",
                      zrpc_text_str(&got));
    }
    zrpc_buf_dispose(&got);
}

static void rst_while_write_waits(struct zrpc_run *run)
{
    give_up_large_send(run, zrpc_run_timing(run)->prompt / 5);
}

static void rst_inside_send(struct zrpc_run *run)
{
    give_up_large_send(run, 0);
}

static const char shutdown_legal[] =
    "an RST frame, and then the end of the byte stream without a reset; promptly";

static const struct zrpc_case cases[] = {
    {
        .id = "shutdown.after-answer",
        .title = "After its answer the target sends an RST frame, nothing more, and half-closes",
        .requirements = {"ZR-SHUT-001", "ZR-SHUT-002", "ZR-SHUT-003", "ZR-REQ-034"},
        .legal = shutdown_legal,
        .budget = 30,
        .run = after_answer,
    },
    {
        .id = "shutdown.late-reader",
        .title = "A client that reads late, and heartbeats, loses nothing of the answer",
        .requirements = {"ZR-SHUT-012"},
        .legal = "the answer, the complete stream, an RST frame, the end of the byte stream without a reset",
        .budget = 60,
        .run = late_reader,
    },
    {
        .id = "shutdown.client-writes-on",
        .title = "A client that writes on loses nothing of the answer",
        .requirements = {"ZR-SHUT-012", "ZR-SHUT-006"},
        .legal = "every write succeeds; the answer, an RST frame, the end of the byte stream without a reset",
        .budget = 30,
        .run = client_writes_on,
    },
    {
        .id = "shutdown.client-writes-on-for-long",
        .title = "A client that writes on for 8 s loses nothing of the answer",
        .requirements = {"ZR-SHUT-012", "ZR-SHUT-006"},
        .legal = "every write succeeds; the answer, an RST frame, the end of the byte stream without a reset",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = client_writes_on_for_long,
    },
    {
        .id = "shutdown.noise-is-drained",
        .title = "8 MiB of noise after the request are discarded",
        .requirements = {"ZR-SHUT-006", "ZR-SHUT-012"},
        .legal = "the answer, an RST frame, the end of the byte stream without a reset",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = noise_is_drained,
    },
    {
        .id = "shutdown.deadline-with-traffic",
        .title = "A client that writes on without end is closed at the shutdown's deadline",
        .requirements = {"ZR-SHUT-004", "ZR-SHUT-005"},
        .legal = "writing fails 10 s after the RST frame, at most 3 s later, hardly before",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = deadline_with_traffic,
    },
    {
        .id = "shutdown.deadline-in-silence",
        .title = "A client that does nothing is closed at the shutdown's deadline",
        .requirements = {"ZR-SHUT-005"},
        .legal = "13 s after the RST frame the connection is gone",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = deadline_in_silence,
    },
    {
        .id = "shutdown.rst-anywhere",
        .title = "An RST frame between any two frames makes the target shut down",
        .requirements = {"ZR-SHUT-008", "ZR-SHUT-009"},
        .legal = shutdown_legal,
        .budget = 60,
        .run = rst_anywhere,
    },
    {
        .id = "shutdown.rst-without-half-close",
        .title = "An RST frame makes the target shut down without waiting for the end of the byte stream",
        .requirements = {"ZR-SHUT-009"},
        .legal = shutdown_legal,
        .budget = 30,
        .run = rst_without_half_close,
    },
    {
        .id = "shutdown.rst-then-request",
        .title = "Nothing that follows an RST frame is served",
        .requirements = {"ZR-SHUT-006", "ZR-SHUT-008"},
        .legal = shutdown_legal,
        .budget = 30,
        .run = rst_then_request,
    },
    {
        .id = "shutdown.rst-after-request",
        .title = "An RST frame behind a complete request ends the connection, with or without the answer",
        .requirements = {"ZR-SHUT-009", "ZR-SHUT-010"},
        .legal = "the end of the connection, promptly, with or without the ping's answer before it",
        .budget = 30,
        .run = rst_after_request,
    },
    {
        .id = "shutdown.rst-inside-send",
        .title = "An RST frame inside a send ends the stream long before its end",
        .requirements = {"ZR-SHUT-009", "ZR-HB-013"},
        .legal = "what was in flight, and then the end of the connection, with or without an RST frame",
        .budget = 60,
        .run = rst_inside_send,
    },
    {
        .id = "shutdown.rst-while-write-waits",
        .title = "A target whose write waits sees the RST frame all the same",
        .requirements = {"ZR-HB-013", "ZR-SHUT-009"},
        .legal = "what was in flight, and then the end of the connection, with or without an RST frame",
        .budget = 60,
        .run = rst_while_write_waits,
    },
};

const struct zrpc_area zrpc_area_shutdown = {
    .name = "shutdown",
    .title = "the end of a data connection, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_DATA,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
