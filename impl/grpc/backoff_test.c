#include "zrpc/backoff.h"

#include "testing/suite.h"

static void waits_grow_to_the_limit(void)
{
    static const double expected[] = {
        1,          1.6,         2.56,         4.096,          6.5536, 10.48576, 16.777216,
        26.8435456, 42.94967296, 68.719476736, 109.9511627776, 120,    120,      120};
    struct zrpc_backoff b;

    zrpc_backoff_init(&b, &(struct zrpc_backoff_config){.jitter = -1}, 1);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        zrpc_time wait = zrpc_backoff_next(&b);
        double seconds = (double)wait / (double)ZRPC_SECOND;

        CHECK(seconds > expected[i] - 1e-6 && seconds < expected[i] + 1e-6);
    }
    zrpc_backoff_reset(&b);
    CHECK_INT(zrpc_backoff_next(&b), ZRPC_SECOND);
}

static void jitter_is_a_fifth_either_way(void)
{
    double lowest = 10, highest = 0, sum = 0;
    struct zrpc_backoff b;

    zrpc_backoff_init(&b, NULL, 4711);
    for (int i = 0; i < 10000; i++) {
        double seconds;

        zrpc_backoff_reset(&b);
        seconds = (double)zrpc_backoff_next(&b) / (double)ZRPC_SECOND;
        lowest = seconds < lowest ? seconds : lowest;
        highest = seconds > highest ? seconds : highest;
        sum += seconds;
    }
    CHECK(lowest >= 0.8 && lowest < 0.81);
    CHECK(highest <= 1.2 && highest > 1.19);
    CHECK(sum / 10000 > 0.99 && sum / 10000 < 1.01);
}

static void the_seed_decides(void)
{
    struct zrpc_backoff a, b, c;
    int differ = 0;

    zrpc_backoff_init(&a, NULL, 7);
    zrpc_backoff_init(&b, NULL, 7);
    zrpc_backoff_init(&c, NULL, 8);
    for (int i = 0; i < 20; i++) {
        zrpc_time wait = zrpc_backoff_next(&a);

        CHECK_INT(zrpc_backoff_next(&b), wait);
        differ += zrpc_backoff_next(&c) != wait;
    }
    CHECK(differ > 15);
}

static void configured(void)
{
    struct zrpc_backoff b;
    struct zrpc_backoff_config config = {.base = 10, .max = 25, .factor = 2, .jitter = -1};

    zrpc_backoff_init(&b, &config, 0);
    CHECK_INT(zrpc_backoff_next(&b), 10);
    CHECK_INT(zrpc_backoff_next(&b), 20);
    CHECK_INT(zrpc_backoff_next(&b), 25);
    CHECK_INT(zrpc_backoff_next(&b), 25);
}

static const struct zrpc_test tests[] = {
    {"waits grow to the limit", waits_grow_to_the_limit},
    {"jitter is a fifth either way", jitter_is_a_fifth_either_way},
    {"the seed decides", the_seed_decides},
    {"configured", configured},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("backoff", tests, argc, argv);
}
