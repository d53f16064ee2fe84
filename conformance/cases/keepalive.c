/*
 * Keepalive, as a server: proto/SPEC.md section 11.3.
 */
#include <stdio.h>

#include "conformance/cases/cases.h"
#include "conformance/control.h"

/* What is wrong with the connection, or NULL: it may not have ended, and not be about to. */
static const char *ended(const struct zrpc_h2 *h, struct zrpc_buf *text)
{
    if (!h->goaway && !h->ended)
        return NULL;
    if (h->goaway) {
        zrpc_text_add(text, "GOAWAY ");
        zrpc_h2_add_error(text, h->goaway_code);
    } else {
        zrpc_text_add(text, "the end of the connection");
    }
    return zrpc_text_str(text);
}

static void expect_standing(struct zrpc_h2 *h, zrpc_time since)
{
    struct zrpc_buf text = {0};
    const char *what = ended(h, &text);

    if (what != NULL && zrpc_run_going(h->run))
        zrpc_run_fail(h->run, "PINGs answered and the connection kept, for any length of time",
                      "%s after %.1f s", what, (double)(zrpc_now() - since) / ZRPC_SECOND);
    zrpc_buf_dispose(&text);
}

/* PINGs at the profile's interval, for its idle time; `between` is done before each. */
static void ping_for_long(struct zrpc_h2 *h, void (*between)(struct zrpc_h2 *h))
{
    const struct zrpc_timing *timing = zrpc_run_timing(h->run);
    zrpc_time since = zrpc_now();

    while (zrpc_now() - since < timing->idle && zrpc_run_going(h->run)) {
        if (between != NULL)
            between(h);
        zrpc_h2_idle(h, timing->keepalive);
        expect_standing(h, since);
        zrpc_expect_ping_ack(h, "\x00keepal\x00");
        expect_standing(h, since);
    }
    zrpc_expect_alive(h);
}

static void pings(struct zrpc_run *run)
{
    ping_for_long(zrpc_h2_open(run), NULL);
}

static void pings_after_a_call(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_expect_echo(h, zrpc_control_ping(h, "before"), "before");
    ping_for_long(h, NULL);
}

/* One call is always in its handler. */
static void keep_a_call_open(struct zrpc_h2 *h)
{
    const struct zrpc_offer *slow = zrpc_run_offer(h->run, ZRPC_OFFER_CONTROL_SLOW);
    struct zrpc_h2_call *last = h->calls;

    while (last != NULL && last->next != NULL)
        last = last->next;
    if (slow != NULL && (last == NULL || last->ended))
        zrpc_control_versions(h, slow->filesystem);
}

static void pings_with_a_call(struct zrpc_run *run)
{
    ping_for_long(zrpc_h2_open(run), keep_a_call_open);
}

static void idle(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    zrpc_time since = zrpc_now();

    zrpc_expect_echo(h, zrpc_control_ping(h, "before"), "before");
    zrpc_h2_idle(h, zrpc_run_timing(run)->idle);
    expect_standing(h, since);
    zrpc_expect_alive(h);
}

static void fast_pings(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    zrpc_run_step(run, "PINGs without any pause");
    for (unsigned i = 0; i < 200 && !h->ended && !h->goaway; i++) {
        zrpc_h2_send_ping(h, "too many");
        zrpc_h2_idle(h, ZRPC_MILLISECOND);
    }
    zrpc_h2_idle(h, zrpc_run_timing(run)->slack / 3);
    if (h->goaway ? h->goaway_code != NGHTTP2_ENHANCE_YOUR_CALM : h->ended)
        zrpc_run_fail(run, "answers, or GOAWAY ENHANCE_YOUR_CALM", "another end of the connection");
    if (!h->goaway && !h->ended)
        zrpc_expect_alive(h);
}

static const char kept[] = "every PING answered, no GOAWAY, and a call's answer at the end";

static const struct zrpc_case cases[] = {
    {
        .id = "keepalive.pings",
        .title = "PINGs at the keepalive interval are answered for ever, with no call ever made",
        .requirements = {"ZR-KA-003", "ZR-H2-005"},
        .legal = kept,
        .flags = ZRPC_CASE_SLOW,
        .budget = 120,
        .run = pings,
    },
    {
        .id = "keepalive.pings-after-a-call",
        .title = "PINGs at the keepalive interval are answered for ever after the last call",
        .requirements = {"ZR-KA-003", "ZR-H2-005"},
        .legal = kept,
        .flags = ZRPC_CASE_SLOW,
        .budget = 120,
        .run = pings_after_a_call,
    },
    {
        .id = "keepalive.pings-with-a-call",
        .title = "PINGs at the keepalive interval are answered while calls are open",
        .requirements = {"ZR-KA-003", "ZR-H2-012"},
        .legal = kept,
        .flags = ZRPC_CASE_SLOW,
        .budget = 120,
        .run = pings_with_a_call,
    },
    {
        .id = "keepalive.idle",
        .title = "A client that is silent for a minute keeps its connection",
        .requirements = {"ZR-KA-008"},
        .legal = "a call's answer after that time",
        .flags = ZRPC_CASE_SLOW,
        .budget = 120,
        .run = idle,
    },
    {
        .id = "keepalive.fast-pings",
        .title = "PINGs without pause are answered, or end the connection by GOAWAY ENHANCE_YOUR_CALM",
        .requirements = {"ZR-KA-007"},
        .level = ZRPC_MAY,
        .legal = "answers, or GOAWAY ENHANCE_YOUR_CALM",
        .budget = 30,
        .run = fast_pings,
    },
};

const struct zrpc_area zrpc_area_keepalive = {
    .name = "keepalive",
    .title = "keepalive, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_CONTROL,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
