#include "zrpc/keepalive.h"

#include "testing/suite.h"

#define S ZRPC_SECOND

static void an_idle_connection_is_pinged(void)
{
    struct zrpc_keepalive k;

    zrpc_keepalive_init(&k, NULL, 100 * S);
    CHECK_INT(zrpc_keepalive_wakeup(&k), 110 * S);
    CHECK_INT(zrpc_keepalive_tick(&k, 110 * S - 1, false), ZRPC_KEEPALIVE_NOTHING);
    CHECK_INT(zrpc_keepalive_tick(&k, 110 * S, false), ZRPC_KEEPALIVE_PING);
    CHECK_INT(zrpc_keepalive_tick(&k, 110 * S, false), ZRPC_KEEPALIVE_NOTHING);
    CHECK_INT(zrpc_keepalive_wakeup(&k), 120 * S);
}

static void without_an_answer_the_peer_is_dead(void)
{
    struct zrpc_keepalive k;

    zrpc_keepalive_init(&k, NULL, 0);
    CHECK_INT(zrpc_keepalive_tick(&k, 10 * S, true), ZRPC_KEEPALIVE_PING);
    CHECK_INT(zrpc_keepalive_tick(&k, 20 * S - 1, true), ZRPC_KEEPALIVE_NOTHING);
    CHECK_INT(zrpc_keepalive_tick(&k, 20 * S, true), ZRPC_KEEPALIVE_DEAD);
}

static void any_byte_is_an_answer(void)
{
    struct zrpc_keepalive k;

    zrpc_keepalive_init(&k, NULL, 0);
    CHECK_INT(zrpc_keepalive_tick(&k, 10 * S, false), ZRPC_KEEPALIVE_PING);
    zrpc_keepalive_alive(&k, 19 * S);
    CHECK_INT(zrpc_keepalive_tick(&k, 20 * S, false), ZRPC_KEEPALIVE_NOTHING);
    CHECK_INT(zrpc_keepalive_wakeup(&k), 29 * S);
    CHECK_INT(zrpc_keepalive_tick(&k, 29 * S, false), ZRPC_KEEPALIVE_PING);
}

static void pings_go_on_for_ever_while_idle(void)
{
    struct zrpc_keepalive k;

    zrpc_keepalive_init(&k, NULL, 0);
    for (zrpc_time now = 10 * S; now < 1000 * S; now += 10 * S) {
        CHECK_INT(zrpc_keepalive_tick(&k, now, false), ZRPC_KEEPALIVE_PING);
        zrpc_keepalive_alive(&k, now);
    }
}

static void long_calls_are_probed_by_settings(void)
{
    struct zrpc_keepalive k;
    zrpc_time now = 0;

    zrpc_keepalive_init(&k, NULL, now);
    for (int i = 0; i < 10; i++) {
        now += 10 * S;
        CHECK_INT(zrpc_keepalive_tick(&k, now, true), i < 3 ? ZRPC_KEEPALIVE_PING : ZRPC_KEEPALIVE_SETTINGS);
        zrpc_keepalive_alive(&k, now);
    }
    zrpc_keepalive_content(&k); /* an answer: the server counts from zero again */
    for (int i = 0; i < 5; i++) {
        now += 10 * S;
        CHECK_INT(zrpc_keepalive_tick(&k, now, true), i < 3 ? ZRPC_KEEPALIVE_PING : ZRPC_KEEPALIVE_SETTINGS);
        zrpc_keepalive_alive(&k, now);
    }
    CHECK_INT(zrpc_keepalive_tick(&k, now + 10 * S, true), ZRPC_KEEPALIVE_SETTINGS);
    CHECK_INT(zrpc_keepalive_tick(&k, now + 20 * S, true), ZRPC_KEEPALIVE_DEAD);
}

static void configured(void)
{
    struct zrpc_keepalive k;
    struct zrpc_keepalive_config config = {.interval = 5 * S, .timeout = 2 * S};

    zrpc_keepalive_init(&k, &config, 0);
    CHECK_INT(zrpc_keepalive_tick(&k, 5 * S, false), ZRPC_KEEPALIVE_PING);
    CHECK_INT(zrpc_keepalive_tick(&k, 7 * S, false), ZRPC_KEEPALIVE_DEAD);
    config.interval = ZRPC_NEVER;
    zrpc_keepalive_init(&k, &config, 0);
    CHECK_INT(zrpc_keepalive_wakeup(&k), ZRPC_NEVER);
    CHECK_INT(zrpc_keepalive_tick(&k, 1000000 * S, false), ZRPC_KEEPALIVE_NOTHING);
}

static void doubling(void)
{
    zrpc_time interval = 10 * S;

    CHECK_INT(zrpc_keepalive_doubled(interval), 20 * S);
    for (int i = 0; i < 100; i++)
        interval = zrpc_keepalive_doubled(interval);
    CHECK(interval > 0);
    CHECK_INT(zrpc_keepalive_doubled(ZRPC_NEVER), ZRPC_NEVER);
}

static const struct zrpc_test tests[] = {
    {"an idle connection is pinged", an_idle_connection_is_pinged},
    {"without an answer the peer is dead", without_an_answer_the_peer_is_dead},
    {"any byte is an answer", any_byte_is_an_answer},
    {"pings go on for ever while idle", pings_go_on_for_ever_while_idle},
    {"long calls are probed by SETTINGS", long_calls_are_probed_by_settings},
    {"configured", configured},
    {"doubling", doubling},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("keepalive", tests, argc, argv);
}
