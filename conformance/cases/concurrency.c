/*
 * Many clients at once, as a server: proto/SPEC.md section 10.
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/socket.h>

#include "conformance/cases/cases.h"
#include "conformance/transfer.h"

static void ping_once(struct zrpc_run *run, unsigned i)
{
    struct zrpc_peer *p = zrpc_peer_data(run);
    char text[32];

    snprintf(text, sizeof text, "ping %u", i);
    zrpc_request_ping(p, text);
    zrpc_expect_pong(p, text);
    zrpc_peer_shutdown(p);
}

static void pings(struct zrpc_run *run)
{
    zrpc_run_parallel(run, 64, ping_once);
}

static void send_with_patience(struct zrpc_run *run, zrpc_time patience)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_FULL);
    struct zrpc_stream_seen seen;

    if (offer == NULL)
        return;
    zrpc_transfer_send(run, offer, patience, &seen, NULL);
    if (offer->size > 0 && seen.bytes != offer->size)
        zrpc_run_fail(run, "the whole stream on every connection", "%llu bytes",
                      (unsigned long long)seen.bytes);
}

static void send_once(struct zrpc_run *run, unsigned i)
{
    (void)i;
    send_with_patience(run, zrpc_run_timing(run)->prompt);
}

static void sends(struct zrpc_run *run)
{
    zrpc_run_parallel(run, 8, send_once);
}

static void receive_with_patience(struct zrpc_run *run, zrpc_time patience)
{
    struct zrpc_transfer t;

    if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, 1 << 20, &t))
        return;
    t.patience = patience;
    zrpc_peer_send_stream(t.peer, ZRPC_STREAM_TYPE, t.content);
    zrpc_transfer_expect_received(&t);
}

static void receive_once(struct zrpc_run *run, unsigned i)
{
    (void)i;
    receive_with_patience(run, zrpc_run_timing(run)->prompt);
}

static void receives(struct zrpc_run *run)
{
    zrpc_run_parallel(run, 8, receive_once);
}

/* Its turn may take a while, but comes. */
static void send_in_turn(struct zrpc_run *run, unsigned i)
{
    (void)i;
    send_with_patience(run, 4 * zrpc_run_timing(run)->prompt);
}

static void receive_in_turn(struct zrpc_run *run, unsigned i)
{
    (void)i;
    receive_with_patience(run, 4 * zrpc_run_timing(run)->prompt);
}

static void any_once(struct zrpc_run *run, unsigned i)
{
    static void (*const kinds[])(struct zrpc_run *, unsigned) = {ping_once, send_once, receive_once};

    kinds[i % 3](run, i);
}

static void mixture(struct zrpc_run *run)
{
    zrpc_run_parallel(run, 24, any_once);
}

/* More than the ten that run at a time: the rest waits its turn, and is served. */
static void more_sends_than_slots(struct zrpc_run *run)
{
    zrpc_run_parallel(run, 16, send_in_turn);
}

static void more_receives_than_slots(struct zrpc_run *run)
{
    zrpc_run_parallel(run, 16, receive_in_turn);
}

/* Sends whose client reads nothing but heartbeats, fewer than there are slots. */
static void begin_stuck_send(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_send(p, zrpc_run_offer(run, ZRPC_OFFER_SEND_LARGE), false);
    zrpc_expect_answer(p);
}

static void stuck_sends(struct zrpc_run *run)
{
    for (unsigned i = 0; i < 5; i++)
        begin_stuck_send(run);
    zrpc_run_step(run, "five sends that nobody reads: others are served promptly");
    for (unsigned i = 0; i < 10 && zrpc_run_going(run); i++)
        zrpc_expect_service(run);
    send_once(run, 0);
}

static void stuck_receives(struct zrpc_run *run)
{
    struct zrpc_transfer t;

    for (unsigned i = 0; i < 5; i++) {
        if (!zrpc_transfer_begin(run, ZRPC_OFFER_RECEIVE_ACCEPTED, 1 << 20, &t))
            return;
        zrpc_peer_send_frame(t.peer, ZRPC_STREAM_TYPE, zrpc_view(t.content.data, t.content.len / 3));
    }
    zrpc_run_step(run, "five receives whose stream stops: others are served promptly");
    for (unsigned i = 0; i < 10 && zrpc_run_going(run); i++)
        zrpc_expect_service(run);
    receive_once(run, 0);
}

static void half_requests(struct zrpc_run *run)
{
    struct zrpc_peer *p;

    zrpc_run_step(run, "200 data connections with half a request each");
    for (unsigned i = 0; i < 200 && zrpc_run_going(run); i++) {
        p = zrpc_peer_data(run);
        zrpc_peer_send_frame(p, 1, zrpc_view("/v1/pi", 6));
    }
    for (unsigned i = 0; i < 5 && zrpc_run_going(run); i++)
        zrpc_expect_service(run);
}

static void failures_elsewhere(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_LARGE);
    struct zrpc_peer *p = zrpc_peer_data(run), *other;
    struct zrpc_stream_seen seen;

    zrpc_request_send(p, offer, false);
    zrpc_expect_answer(p);
    zrpc_run_step(run, "a send under way, while others break the protocol or vanish");
    for (unsigned i = 0; i < 20 && zrpc_run_going(run); i++) {
        other = zrpc_peer_data(run);
        zrpc_peer_send_frame(other, i % 2 == 0 ? 0x80000000 : 5, zrpc_view("wrong", 5));
        if (i % 4 < 2)
            zrpc_peer_reset(other);
        else
            zrpc_peer_drop(other);
    }
    zrpc_expect_stream(p, ZRPC_STREAM_TYPE, zrpc_run_timing(run)->prompt, &seen, NULL);
    if (offer != NULL && offer->size > 0 && seen.bytes != offer->size)
        zrpc_run_fail(run, "the whole stream", "%llu bytes", (unsigned long long)seen.bytes);
    zrpc_expect_service(run);
}

/*
 * What connections leave behind
 */
static long open_descriptors(long pid)
{
    char path[64];
    long n = 0;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%ld/fd", pid);
    dir = opendir(path);
    if (dir == NULL)
        return -1;
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static void churn(struct zrpc_run *run)
{
    static const char *const endings[] = {"", "0000000056 ZREPL", "no banner at all"};
    struct zrpc_peer *p;

    zrpc_run_step(run, "300 connections that end at different points");
    for (unsigned i = 0; i < 300 && zrpc_run_going(run); i++) {
        if (i % 4 == 3) {
            ping_once(run, i);
            continue;
        }
        p = zrpc_peer_dial(run);
        zrpc_peer_send_text(p, endings[i % 3]);
        if (i % 2 == 0)
            zrpc_peer_reset(p);
        else
            zrpc_peer_drop(p);
    }
    zrpc_expect_service(run);
}

static void no_descriptor_stays(struct zrpc_run *run)
{
    long before, after;

    if (run->target_pid == 0) {
        zrpc_run_skip(run, "the target's process is not known (only with --exec it is)");
        return;
    }
    zrpc_run_parallel(run, 8, ping_once);
    zrpc_run_sleep(run, zrpc_run_timing(run)->prompt / 10);
    before = open_descriptors(run->target_pid);
    for (unsigned i = 0; i < 100 && zrpc_run_going(run); i++)
        ping_once(run, i);
    zrpc_run_sleep(run, zrpc_run_timing(run)->prompt / 10);
    after = open_descriptors(run->target_pid);
    if (before < 0 || after < 0)
        zrpc_run_skip(run, "/proc does not tell the target's descriptors");
    else if (after > before + 10)
        zrpc_run_fail(run, "connections that are closed once both sides are done",
                      "%ld open descriptors before 100 pings, %ld after", before, after);
}

static const struct zrpc_case cases[] = {
    {
        .id = "concurrency.pings",
        .title = "64 pings at the same time are answered",
        .requirements = {"ZR-SRV-001"},
        .legal = "every ping's answer, promptly",
        .budget = 60,
        .run = pings,
    },
    {
        .id = "concurrency.sends",
        .title = "8 sends at the same time arrive completely",
        .requirements = {"ZR-SRV-001", "ZR-STREAM-002"},
        .legal = "every answer and every complete stream",
        .budget = 120,
        .run = sends,
    },
    {
        .id = "concurrency.receives",
        .title = "8 receives at the same time succeed",
        .requirements = {"ZR-SRV-001"},
        .legal = "every receive succeeds",
        .budget = 120,
        .run = receives,
    },
    {
        .id = "concurrency.mixture",
        .title = "Pings are answered promptly while sends and receives run",
        .requirements = {"ZR-SRV-003", "ZR-SRV-001"},
        .legal = "every answer, promptly, and every complete stream",
        .budget = 120,
        .run = mixture,
    },
    {
        .id = "concurrency.more-sends-than-slots",
        .title = "Of 16 sends at the same time all are served in the end",
        .requirements = {"ZR-SRV-005"},
        .legal = "every answer and every complete stream",
        .budget = 120,
        .run = more_sends_than_slots,
    },
    {
        .id = "concurrency.more-receives-than-slots",
        .title = "Of 16 receives at the same time all are served in the end",
        .requirements = {"ZR-SRV-006"},
        .legal = "every receive succeeds",
        .budget = 120,
        .run = more_receives_than_slots,
    },
    {
        .id = "concurrency.stuck-sends",
        .title = "Sends that nobody reads delay no other",
        .requirements = {"ZR-SRV-001", "ZR-SRV-003"},
        .legal = "pings and a further send are answered promptly",
        .budget = 120,
        .run = stuck_sends,
    },
    {
        .id = "concurrency.stuck-receives",
        .title = "Receives whose stream stops delay no other",
        .requirements = {"ZR-SRV-001", "ZR-SRV-003"},
        .legal = "pings and a further receive are answered promptly",
        .budget = 120,
        .run = stuck_receives,
    },
    {
        .id = "concurrency.half-requests",
        .title = "200 connections with half a request delay no other",
        .requirements = {"ZR-SRV-001"},
        .legal = "pings are answered promptly",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 240,
        .run = half_requests,
    },
    {
        .id = "concurrency.failures-elsewhere",
        .title = "Failures on other connections leave a running send as it was",
        .requirements = {"ZR-SRV-002"},
        .legal = "the complete stream",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 120,
        .run = failures_elsewhere,
    },
    {
        .id = "concurrency.churn",
        .title = "300 connections that end anywhere leave the server as it was",
        .requirements = {"ZR-SRV-002"},
        .legal = "every ping's answer",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 240,
        .run = churn,
    },
    {
        .id = "concurrency.no-descriptor-stays",
        .title = "Connections that are over hold no descriptor",
        .requirements = {"ZR-SHUT-007"},
        .legal = "no more than 10 open descriptors more after 100 pings",
        .budget = 60,
        .run = no_descriptor_stays,
    },
};

const struct zrpc_area zrpc_area_concurrency = {
    .name = "concurrency",
    .title = "many clients at once, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_DATA,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
