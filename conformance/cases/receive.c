/*
 * /v1/recv, as a server: proto/SPEC.md section 9.3. What is about the stream itself is in stream.c.
 */
#include "conformance/cases/cases.h"
#include "conformance/transfer.h"

#define LONG_STREAM (48 << 20) /* bytes: more than socket buffers hold */

/* Frames of the stream while nothing but heartbeats comes back; true if the target said something else. */
static bool send_until_answered(struct zrpc_transfer *t, size_t most)
{
    struct zrpc_view frame = zrpc_view(t->content.data, t->content.len < 1 << 18 ? t->content.len : 1 << 18);
    size_t sent = 0;

    while (sent < most && zrpc_peer_send_frame(t->peer, ZRPC_STREAM_TYPE, frame)) {
        sent += frame.len;
        if (zrpc_peer_has_other(t->peer))
            return true;
    }
    return t->peer->write_failed;
}

static void refused_at_once(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_REFUSED, 1 << 20, &t))
        return;
    zrpc_run_step(run, "send no stream yet: a refusal need not wait for it");
    zrpc_expect(t.peer, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
    zrpc_expect_shutdown(t.peer, zrpc_run_timing(run)->prompt);
}

static void refused_while_streaming(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_REFUSED, 1 << 20, &t))
        return;
    zrpc_run_step(run, "stream on, whatever comes back: no byte may be answered by a reset");
    for (size_t sent = 0; sent < LONG_STREAM && zrpc_run_going(run); sent += 1 << 18)
        if (!zrpc_peer_send_frame(t.peer, ZRPC_STREAM_TYPE, zrpc_view(t.content.data, 1 << 18)))
            break;
    zrpc_run_step(run, "now read: the refusal must be there");
    zrpc_expect(t.peer, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
    zrpc_expect_shutdown(t.peer, zrpc_run_timing(run)->prompt);
    if (t.peer->write_failed)
        zrpc_run_fail(run, "a target that takes and discards what is in flight",
                      "writing failed although the answer had just come");
}

static void fails_in_the_middle(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_FAILING, 1 << 20, &t))
        return;
    zrpc_run_step(run, "stream until the target reports that its sink failed");
    send_until_answered(&t, LONG_STREAM);
    zrpc_expect(t.peer, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
    zrpc_expect_shutdown(t.peer, zrpc_run_timing(run)->prompt);
}

static void no_early_success(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, 1 << 20, &t))
        return;
    zrpc_peer_send_frame(t.peer, ZRPC_STREAM_TYPE, zrpc_view(t.content.data, t.content.len / 2));
    zrpc_run_step(run, "half the stream: no answer yet");
    zrpc_expect_heartbeats_only(t.peer, zrpc_run_timing(run)->prompt / 10);
    zrpc_peer_send_frame(t.peer, ZRPC_STREAM_TYPE,
                         zrpc_view(t.content.data + t.content.len / 2, t.content.len - t.content.len / 2));
    zrpc_run_step(run, "all of it, but no end frame: still no answer");
    zrpc_expect_heartbeats_only(t.peer, zrpc_run_timing(run)->prompt / 10);
    zrpc_peer_send_end(t.peer);
    zrpc_transfer_expect_received(&t);
}

static void shuts_down(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, 1 << 20, &t))
        return;
    zrpc_peer_send_stream(t.peer, ZRPC_STREAM_TYPE, t.content);
    zrpc_expect_answer(t.peer);
    zrpc_expect_shutdown(t.peer, zrpc_run_timing(run)->prompt);
}

static void outside_paths(struct zrpc_run *run)
{
    static const char *const names[] = {"",     "/",         "..",     "../escape", "a//b",
                                        "/etc", "a/../../b", "pool@1", "pool#1",    "a/"};
    struct zrpc_peer *p;

    if (zrpc_run_offer(run, ZRPC_OFFER_RECEIVE_ACCEPTED) == NULL)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && zrpc_run_going(run); i++) {
        p = zrpc_peer_data(run);
        zrpc_request_receive(p, names[i], false);
        zrpc_peer_send_end(p);
        zrpc_expect(p, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
        zrpc_peer_drop(p);
    }
    zrpc_expect_service(run);
}

/* Whether the target keeps what has come of a receive that failed is its own business; that it can be told to
 * forget it is not. */
static void clears_resume_token(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, 1 << 20, &t))
        return;
    zrpc_run_step(run, "half the stream, and then the source's error");
    zrpc_peer_send_content(t.peer, ZRPC_STREAM_TYPE, zrpc_view(t.content.data, t.content.len / 2));
    zrpc_peer_send_stream(t.peer, ZRPC_FRAME_STREAM_TRAILER, zrpc_view_of("cut in the middle"));
    zrpc_transfer_expect_failed(&t);
    zrpc_run_step(run, "the same again, whole, with ClearResumeToken");
    t.peer = zrpc_peer_data(run);
    zrpc_request_receive(t.peer, t.offer.filesystem, true);
    zrpc_peer_send_stream(t.peer, ZRPC_STREAM_TYPE, t.content);
    zrpc_transfer_expect_received(&t);
}

static const struct zrpc_case cases[] = {
    {
        .id = "receive.refused-at-once",
        .title = "A receive that the handler refuses is answered before its stream",
        .requirements = {"ZR-REQ-032", "ZR-REQ-011"},
        .legal = "a handler error, an RST frame, the end of the byte stream",
        .budget = 30,
        .run = refused_at_once,
    },
    {
        .id = "receive.refused-while-streaming",
        .title = "After an early refusal the target drains what is in flight, and its answer stays readable",
        .requirements = {"ZR-SHUT-012", "ZR-REQ-032", "ZR-SHUT-006"},
        .legal =
            "48 MiB are taken without a reset; a handler error, an RST frame, the end of the byte stream",
        .budget = 120,
        .run = refused_while_streaming,
    },
    {
        .id = "receive.fails-in-the-middle",
        .title = "A sink that fails is reported while the stream still arrives",
        .requirements = {"ZR-REQ-011", "ZR-REQ-032"},
        .legal = "a handler error, an RST frame, the end of the byte stream",
        .budget = 120,
        .run = fails_in_the_middle,
    },
    {
        .id = "receive.no-early-success",
        .title = "Success is not answered before the stream's end frame",
        .requirements = {"ZR-MSG-017", "ZR-REQ-033"},
        .legal = "heartbeats until the end frame, then HANDLER OK and a ReceiveRes",
        .budget = 60,
        .run = no_early_success,
    },
    {
        .id = "receive.shuts-down",
        .title = "After a receive the target shuts down",
        .requirements = {"ZR-SHUT-001", "ZR-REQ-034"},
        .legal = "HANDLER OK, a ReceiveRes, an RST frame, the end of the byte stream",
        .budget = 60,
        .run = shuts_down,
    },
    {
        .id = "receive.clear-resume-token",
        .title = "ClearResumeToken makes way for a whole stream where an earlier one was cut",
        .requirements = {"ZR-MSG-016"},
        .legal =
            "a handler error or the end for the stream that fails; HANDLER OK and a ReceiveRes for the other",
        .budget = 60,
        .run = clears_resume_token,
    },
    {
        .id = "receive.outside-paths",
        .title = "Paths that lead out of the client's root are handler errors",
        .requirements = {"ZR-MSG-026"},
        .legal = "a handler error for each",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = outside_paths,
    },
};

const struct zrpc_area zrpc_area_receive = {
    .name = "receive",
    .title = "receives, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_DATA,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
