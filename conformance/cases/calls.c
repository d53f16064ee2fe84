/*
 * Many calls, connections and clients at once, as a server: proto/SPEC.md sections 10 and 11.
 */
#include <stdio.h>

#include "conformance/cases/cases.h"
#include "conformance/control.h"
#include "conformance/transfer.h"

#define MOST_CALLS 200

static const struct zrpc_control_headers plain = {0};

static zrpc_time promptly(struct zrpc_run *run)
{
    return zrpc_run_timing(run)->prompt;
}

/* As many calls as are wanted and the target allows: all opened, then the messages, the last call's first. */
static void at_once(struct zrpc_run *run, unsigned wanted)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *calls[MOST_CALLS];
    unsigned n = wanted < h->their_streams ? wanted : h->their_streams;
    char text[32];

    zrpc_run_step(run, "%u calls at once on one connection", n);
    for (unsigned i = 0; i < n; i++)
        calls[i] = zrpc_control_begin(h, &plain);
    for (unsigned i = n; i-- > 0;) {
        snprintf(text, sizeof text, "call %u", i);
        zrpc_control_finish_ping(h, calls[i], text);
    }
    for (unsigned i = 0; i < n; i++) {
        snprintf(text, sizeof text, "call %u", i);
        zrpc_expect_echo(h, calls[i], text);
    }
}

static void sixty_four(struct zrpc_run *run)
{
    at_once(run, 64);
}

static void two_hundred(struct zrpc_run *run)
{
    at_once(run, MOST_CALLS);
}

/* A call that is in its handler for a while; NULL where the profile has none. */
static struct zrpc_h2_call *slow_call(struct zrpc_h2 *h)
{
    const struct zrpc_offer *slow = zrpc_run_offer(h->run, ZRPC_OFFER_CONTROL_SLOW);

    return slow == NULL ? NULL : zrpc_control_versions(h, slow->filesystem);
}

static void slow_delays_none(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *slow = slow_call(h);

    for (unsigned i = 0; i < 50 && slow != NULL && zrpc_run_going(run); i++)
        zrpc_expect_echo(h, zrpc_control_ping(h, "quick"), "quick");
    zrpc_expect_ping_ack(h, "and PING");
    if (slow != NULL && slow->ended)
        zrpc_run_inconclusive(run, "the slow call was not slow");
}

static void slow_is_answered(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_SLOW);
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *slow = slow_call(h), *after;

    if (slow == NULL)
        return;
    after = zrpc_control_ping(h, "quick");
    zrpc_expect_echo(h, after, "quick");
    zrpc_expect_call(h, slow, ZRPC_CALL_OK, 0, offer->pause + promptly(run));
}

static void reset_in_handler(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    for (unsigned i = 0; i < 20 && (call = slow_call(h)) != NULL && zrpc_run_going(run); i++) {
        zrpc_expect_echo(h, zrpc_control_ping(h, "others"), "others");
        zrpc_h2_send_u32(h, NGHTTP2_RST_STREAM, call->stream, NGHTTP2_CANCEL);
        call->ended = call->reset = true;
    }
    zrpc_expect_alive(h);
}

static void reset_before_message(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    for (unsigned i = 0; i < 20; i++) {
        call = zrpc_control_begin(h, &plain);
        if (i % 2 == 1)
            zrpc_h2_send_data(h, call, zrpc_view("\0\0\0\0\7\x0a\5", 7), 0, false);
        zrpc_h2_send_u32(h, NGHTTP2_RST_STREAM, call->stream, NGHTTP2_CANCEL);
        call->ended = call->reset = true;
        zrpc_expect_echo(h, zrpc_control_ping(h, "others"), "others");
    }
}

/*
 * Ends
 */
static void goaway(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_ping(h, "last");

    zrpc_h2_send_goaway(h, NGHTTP2_NO_ERROR, "that was all");
    zrpc_expect_echo(h, call, "last");
}

static void half_close_after_calls(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_expect_echo(h, zrpc_control_ping(h, "last"), "last");
    zrpc_peer_half_close(h->peer);
    zrpc_expect_connection_end(h, "a half-close");
}

static void half_close_before_answer(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_ping(h, "last");

    zrpc_peer_half_close(h->peer);
    zrpc_expect_echo(h, call, "last");
    zrpc_expect_connection_end(h, "a half-close");
}

static void disconnects(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run), *gone;

    for (unsigned i = 0; i < 12 && zrpc_run_going(run); i++) {
        gone = zrpc_h2_open(run);
        if (slow_call(gone) == NULL)
            return;
        zrpc_control_begin(gone, &plain);
        if (i % 2 == 0)
            zrpc_peer_drop(gone->peer);
        else
            zrpc_peer_reset(gone->peer);
        zrpc_expect_echo(h, zrpc_control_ping(h, "others"), "others");
    }
    zrpc_expect_alive(zrpc_h2_open(run));
}

static void broken_neighbours(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run), *broken;

    for (unsigned i = 0; i < 12 && zrpc_run_going(run); i++) {
        broken = zrpc_h2_open(run);
        zrpc_h2_send(broken, NGHTTP2_PING, 0, 0, zrpc_view("no ping", 7));
        zrpc_expect_echo(h, zrpc_control_ping(h, "others"), "others");
    }
}

/*
 * Connections
 */
static void ping_calls(struct zrpc_run *run, unsigned i)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    char text[32];

    for (unsigned n = 0; n < 20 && zrpc_run_going(run); n++) {
        snprintf(text, sizeof text, "%u of connection %u", n, i);
        zrpc_expect_echo(h, zrpc_control_ping(h, text), text);
    }
}

static void connections(struct zrpc_run *run)
{
    zrpc_run_parallel(run, 16, ping_calls);
}

static void data_ping(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_ping(p, "data");
    zrpc_expect_pong(p, "data");
    zrpc_peer_shutdown(p);
}

static void data_send(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_FULL);
    struct zrpc_stream_seen seen;

    if (offer != NULL)
        zrpc_transfer_send(run, offer, promptly(run), &seen, NULL);
}

static void data_or_calls(struct zrpc_run *run, unsigned i)
{
    if (i % 4 == 0)
        data_ping(run);
    else if (i % 4 == 1)
        data_send(run);
    else
        ping_calls(run, i);
}

static void beside_data(struct zrpc_run *run)
{
    zrpc_run_parallel(run, 16, data_or_calls);
}

static void interleaved(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_run_step(run, "calls and data pings in turn, as WaitForConnectivity does both");
    for (unsigned i = 0; i < 10 && zrpc_run_going(run); i++) {
        zrpc_expect_echo(h, zrpc_control_ping(h, "control"), "control");
        data_ping(run);
    }
}

static void beside_stuck_data(struct zrpc_run *run)
{
    const struct zrpc_offer *large = zrpc_run_offer(run, ZRPC_OFFER_SEND_LARGE);
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_peer *p;

    if (large == NULL)
        return;
    zrpc_run_step(run, "sends that nobody reads");
    for (unsigned i = 0; i < 5; i++) {
        p = zrpc_peer_data(run);
        zrpc_request_send(p, large, false);
        zrpc_expect_answer(p);
    }
    for (unsigned i = 0; i < 10 && zrpc_run_going(run); i++)
        zrpc_expect_echo(h, zrpc_control_ping(h, "control"), "control");
    zrpc_expect_alive(zrpc_h2_open(run));
}

static void unread_answers(struct zrpc_run *run)
{
    struct zrpc_h2 *deaf = zrpc_h2_open_with(run, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX);
    char *text = zrpc_run_alloc(run, (1u << 20) + 1);

    if (text == NULL)
        return;
    memset(text, 'x', 1u << 20);
    zrpc_run_step(run, "a client that asks for 16 MiB and reads none of them");
    zrpc_h2_send_window(deaf, NULL, INT32_MAX - ZRPC_H2_WINDOW);
    deaf->peer->write_timeout = promptly(run) / 5;
    for (unsigned i = 0; i < 16; i++)
        zrpc_control_ping(deaf, text);
    zrpc_expect_alive(zrpc_h2_open(run));
}

/* Many of the largest messages there and, but for windows, back. */
static void unread_memory(struct zrpc_run *run)
{
    const unsigned long most = 384 << 10; /* KiB */
    struct zrpc_h2 *h = zrpc_h2_open_with(run, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    unsigned long before = zrpc_run_target_kib(run, "VmRSS"), after;
    struct zrpc_buf message = {0};
    struct zrpc_h2_call *call;
    bool taken = true;
    char *text = zrpc_run_alloc(run, ZRPC_CONTROL_LARGEST);

    if (before == 0)
        zrpc_run_skip(run, "the target's memory is not known (only with --exec it is)");
    if (before == 0 || text == NULL)
        return;
    memset(text, 'x', ZRPC_CONTROL_LARGEST - ZRPC_CONTROL_PREFIX_LEN);
    memcpy(text, "\x0a\xf6\xff\xff\x01", 5); /* a PingReq that fills the message */
    zrpc_control_put_message(&message, zrpc_view(text, ZRPC_CONTROL_LARGEST - 5));
    zrpc_run_step(run, "pings of 4 MiB, up to 600 MiB, whose answers get no window");
    for (unsigned i = 0; i < 150 && i < h->their_streams && taken; i++) {
        call = zrpc_control_begin(h, &plain);
        taken = zrpc_h2_send_data(h, call, zrpc_buf_view(&message), 0, true);
    }
    after = zrpc_run_target_kib(run, "VmRSS");
    zrpc_buf_dispose(&message);
    if (after > before + most)
        zrpc_run_fail(run, "memory that stays within bounds", "%lu KiB resident became %lu", before, after);
    h = zrpc_h2_open(run);
    zrpc_expect_echo(h, zrpc_control_ping(h, text + 5), text + 5);
}

static void other_clients(struct zrpc_run *run)
{
    struct zrpc_h2 *greedy = zrpc_h2_open(run), *other = zrpc_h2_open(run);
    Zrpc__Pb__ListFilesystemReq request = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    unsigned n = 0;

    zrpc_run_step(run, "one client with as many slow calls as it may have");
    while (n < MOST_CALLS && n < greedy->their_streams && slow_call(greedy) != NULL && zrpc_run_going(run))
        n++;
    if (n > 0)
        zrpc_expect_ok(other, zrpc_control_call(other, "ListFilesystems", &request.base));
}

#define CASE(name, function, text, outcome, strictness, ...)                                    \
    {                                                                                           \
        .id = "calls." name, .title = text, .requirements = {__VA_ARGS__}, .level = strictness, \
        .legal = outcome, .budget = 60, .run = function                                         \
    }
static const char prompt_answers[] = "each call's own answer, promptly";

static const struct zrpc_case cases[] = {
    CASE("sixty-four", sixty_four,
         "64 calls at once on one connection are answered, each with its own message", prompt_answers,
         ZRPC_MUST, "ZR-H2-012"),
    CASE("two-hundred", two_hundred, "200 calls at once, or as many as the server allows, are answered",
         prompt_answers, ZRPC_MUST, "ZR-H2-012"),
    CASE("slow-delays-none", slow_delays_none, "A call in its handler delays no other and no PING",
         prompt_answers, ZRPC_MUST, "ZR-H2-012", "ZR-H2-005"),
    {
        .id = "calls.slow-is-answered",
        .title = "A call that takes long is answered, after quicker ones that came later",
        .requirements = {"ZR-H2-012", "ZR-GRPC-007"},
        .legal = "the quick call's answer, then the slow one's",
        .flags = ZRPC_CASE_SLOW,
        .budget = 90,
        .run = slow_is_answered,
    },
    CASE("reset-in-handler", reset_in_handler,
         "The reset of a call in its handler leaves the connection as it was", "answers to other calls",
         ZRPC_MUST, "ZR-GRPC-028"),
    CASE("reset-before-message", reset_before_message,
         "The reset of a call whose message has not come leaves the connection as it was",
         "answers to other calls", ZRPC_MUST, "ZR-GRPC-028"),
    CASE("goaway", goaway, "A call before the client's GOAWAY is answered", "the call's answer", ZRPC_SHOULD,
         "ZR-H2-020"),
    CASE("half-close", half_close_after_calls, "After a half-close without open calls the server closes",
         "the end of the connection", ZRPC_SHOULD, "ZR-H2-020"),
    CASE("half-close-before-answer", half_close_before_answer,
         "A complete call before a half-close is answered",
         "the call's answer, then the end of the connection", ZRPC_SHOULD, "ZR-H2-020"),
    CASE("disconnects", disconnects, "Clients that vanish in the middle of calls harm nobody else",
         "answers on other connections", ZRPC_MUST, "ZR-SRV-002"),
    CASE("broken-neighbours", broken_neighbours, "HTTP/2 errors on other connections harm nobody",
         "answers on other connections", ZRPC_MUST, "ZR-SRV-002"),
    CASE("connections", connections, "16 control connections are served at the same time", prompt_answers,
         ZRPC_MUST, "ZR-SRV-003", "ZR-SRV-002"),
    CASE("beside-data", beside_data,
         "Calls are answered promptly beside pings and streams of data connections", prompt_answers,
         ZRPC_MUST, "ZR-SRV-003"),
    CASE("interleaved", interleaved, "Calls and data requests take turns", prompt_answers, ZRPC_MUST,
         "ZR-SRV-003"),
    CASE("beside-stuck-data", beside_stuck_data, "Calls are answered promptly while sends are stuck",
         prompt_answers, ZRPC_MUST, "ZR-SRV-003", "ZR-SRV-001"),
    CASE("unread-memory", unread_memory, "Answers without window, and more requests, take bounded memory",
         "the target takes less than 384 MiB more", ZRPC_SHOULD, "ZR-H2-025"),
    CASE("other-clients", other_clients,
         "Many slow calls of one client keep no other one's from being handled",
         "the other client's answer, promptly", ZRPC_SHOULD, "ZR-H2-026"),
    CASE("unread-answers", unread_answers, "A client that reads no answers delays no other one",
         "an answer on another connection", ZRPC_MUST, "ZR-SRV-002"),
};

const struct zrpc_area zrpc_area_calls = {
    .name = "calls",
    .title = "many calls, connections and clients at once, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_CONTROL,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
