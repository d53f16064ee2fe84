#include "zrpc/connectivity.h"

#include "testing/suite.h"

#define S ZRPC_SECOND

static const struct zrpc_backoff_config no_jitter = {.jitter = -1};
static const struct zrpc_error gone = {.code = ZRPC_ERR_UNAVAILABLE, .text = "gone"};
static const struct zrpc_error refused = {.code = ZRPC_ERR_DIAL, .text = "connection refused"};

static void names(void)
{
    CHECK_STR(zrpc_channel_state_name(ZRPC_CHANNEL_IDLE), "IDLE");
    CHECK_STR(zrpc_channel_state_name(ZRPC_CHANNEL_TRANSIENT_FAILURE), "TRANSIENT_FAILURE");
    CHECK_STR(zrpc_channel_state_name(ZRPC_CHANNEL_SHUTDOWN), "SHUTDOWN");
}

static void nothing_happens_before_it_is_wanted(void)
{
    struct zrpc_connectivity c;

    zrpc_connectivity_init(&c, &no_jitter, 0, 1);
    CHECK_INT(c.state, ZRPC_CHANNEL_IDLE);
    CHECK(!zrpc_connectivity_tick(&c, 1000 * S));
    CHECK_INT(zrpc_connectivity_wakeup(&c), ZRPC_NEVER);
    zrpc_connectivity_want(&c);
    CHECK(zrpc_connectivity_wakeup(&c) <= 1000 * S);
    CHECK(zrpc_connectivity_tick(&c, 1000 * S));
    CHECK_INT(c.state, ZRPC_CHANNEL_CONNECTING);
    CHECK_INT(c.give_up, 1020 * S);
    CHECK_INT(zrpc_connectivity_wakeup(&c), 1020 * S);
    CHECK(!zrpc_connectivity_tick(&c, 1000 * S));
    zrpc_connectivity_established(&c);
    CHECK_INT(c.state, ZRPC_CHANNEL_READY);
    CHECK_INT(zrpc_connectivity_wakeup(&c), ZRPC_NEVER);
}

static void failures_back_off(void)
{
    static const zrpc_time waits[] = {1000, 1600, 2560, 4096}; /* ms */
    struct zrpc_connectivity c;
    zrpc_time now = 0;

    zrpc_connectivity_init(&c, &no_jitter, 0, 1);
    zrpc_connectivity_want(&c);
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        CHECK(zrpc_connectivity_tick(&c, now));
        zrpc_connectivity_failed(&c, &refused);
        CHECK_INT(c.state, ZRPC_CHANNEL_TRANSIENT_FAILURE);
        CHECK_STR(c.failure.text, "connection refused");
        now += waits[i] * ZRPC_MILLISECOND;
        CHECK_INT(zrpc_connectivity_wakeup(&c), now);
        CHECK(!zrpc_connectivity_tick(&c, now - 1));
    }
    CHECK(zrpc_connectivity_tick(&c, now));
    zrpc_connectivity_established(&c);
    CHECK_INT(c.failure.code, 0);
}

static void the_wait_counts_from_the_start_of_the_attempt(void)
{
    struct zrpc_connectivity c;

    zrpc_connectivity_init(&c, &no_jitter, 0, 1);
    zrpc_connectivity_want(&c);
    CHECK(zrpc_connectivity_tick(&c, 0));
    zrpc_connectivity_failed(&c, &refused); /* at 5 s, say */
    CHECK(zrpc_connectivity_tick(&c, 5 * S));
}

static void a_long_backoff_gives_a_long_attempt(void)
{
    struct zrpc_backoff_config slow = {.base = 60 * S, .jitter = -1};
    struct zrpc_connectivity c;

    zrpc_connectivity_init(&c, &slow, 0, 1);
    zrpc_connectivity_want(&c);
    CHECK(zrpc_connectivity_tick(&c, 0));
    CHECK_INT(c.give_up, 60 * S);
}

static void success_resets_the_backoff(void)
{
    struct zrpc_connectivity c;
    zrpc_time now = 0;

    zrpc_connectivity_init(&c, &no_jitter, 0, 1);
    zrpc_connectivity_want(&c);
    for (int i = 0; i < 8; i++) {
        CHECK(zrpc_connectivity_tick(&c, now));
        zrpc_connectivity_failed(&c, &refused);
        now = zrpc_connectivity_wakeup(&c);
    }
    CHECK(zrpc_connectivity_tick(&c, now));
    zrpc_connectivity_established(&c);
    zrpc_connectivity_lost(&c, &gone);
    CHECK_INT(c.state, ZRPC_CHANNEL_IDLE);
    CHECK_STR(c.loss.text, "gone");
    CHECK_INT(zrpc_connectivity_wakeup(&c), now + S);
    CHECK(zrpc_connectivity_tick(&c, now + S));
    zrpc_connectivity_failed(&c, &refused);
    CHECK_INT(zrpc_connectivity_wakeup(&c), now + S + S);
}

static void a_lost_connection_is_replaced_at_once(void)
{
    struct zrpc_connectivity c;

    zrpc_connectivity_init(&c, &no_jitter, 0, 1);
    zrpc_connectivity_want(&c);
    CHECK(zrpc_connectivity_tick(&c, 0));
    zrpc_connectivity_established(&c);
    zrpc_connectivity_lost(&c, &gone);
    CHECK(zrpc_connectivity_tick(&c, 30 * S));
    CHECK_INT(c.state, ZRPC_CHANNEL_CONNECTING);
}

static void reset_ends_a_wait(void)
{
    struct zrpc_connectivity c;
    zrpc_time now = 0;

    zrpc_connectivity_init(&c, &no_jitter, 0, 1);
    zrpc_connectivity_want(&c);
    for (int i = 0; i < 8; i++) {
        CHECK(zrpc_connectivity_tick(&c, now));
        zrpc_connectivity_failed(&c, &refused);
        now = zrpc_connectivity_wakeup(&c);
    }
    now -= 10 * S;
    CHECK(!zrpc_connectivity_tick(&c, now));
    zrpc_connectivity_reset_backoff(&c);
    CHECK(zrpc_connectivity_wakeup(&c) <= now);
    CHECK(zrpc_connectivity_tick(&c, now));
    zrpc_connectivity_failed(&c, &refused);
    CHECK_INT(zrpc_connectivity_wakeup(&c), now + S);
}

static void shutdown_is_final(void)
{
    struct zrpc_connectivity c;

    zrpc_connectivity_init(&c, &no_jitter, 0, 1);
    zrpc_connectivity_want(&c);
    CHECK(zrpc_connectivity_tick(&c, 0));
    zrpc_connectivity_shutdown(&c);
    zrpc_connectivity_established(&c);
    CHECK_INT(c.state, ZRPC_CHANNEL_SHUTDOWN);
    zrpc_connectivity_failed(&c, &refused);
    zrpc_connectivity_lost(&c, &gone);
    zrpc_connectivity_reset_backoff(&c);
    CHECK_INT(c.state, ZRPC_CHANNEL_SHUTDOWN);
    CHECK(!zrpc_connectivity_tick(&c, 1000 * S));
    CHECK_INT(zrpc_connectivity_wakeup(&c), ZRPC_NEVER);
}

static const struct zrpc_test tests[] = {
    {"state names", names},
    {"nothing happens before it is wanted", nothing_happens_before_it_is_wanted},
    {"failures back off", failures_back_off},
    {"the wait counts from the start of the attempt", the_wait_counts_from_the_start_of_the_attempt},
    {"a long backoff gives a long attempt", a_long_backoff_gives_a_long_attempt},
    {"success resets the backoff", success_resets_the_backoff},
    {"a lost connection is replaced at once", a_lost_connection_is_replaced_at_once},
    {"ResetConnectBackoff ends a wait", reset_ends_a_wait},
    {"shutdown is final", shutdown_is_final},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("connectivity", tests, argc, argv);
}
