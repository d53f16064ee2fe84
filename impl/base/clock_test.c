#include "testing/suite.h"

#include <limits.h>
#include <stdlib.h>

#include "zrpc/clock.h"

#define MINUTE (60 * ZRPC_SECOND)
#define HOUR   (60 * MINUTE)

static void monotonic(void)
{
    zrpc_time a = zrpc_now(), b = zrpc_now();

    CHECK(a > 0);
    CHECK(b >= a);
    CHECK_INT(zrpc_earlier(3, 5), 3);
    CHECK_INT(zrpc_earlier(ZRPC_NEVER, 5), 5);
}

static void deadlines(void)
{
    CHECK_INT(zrpc_deadline(100, 10), 110);
    CHECK_INT(zrpc_deadline(100, -10), 90);
    CHECK_INT(zrpc_deadline(100, 0), ZRPC_NEVER);
    CHECK_INT(zrpc_deadline(100, INT64_MAX), ZRPC_NEVER);
}

static void poll_timeouts_round_up(void)
{
    CHECK_INT(zrpc_poll_timeout(5, ZRPC_NEVER), -1);
    CHECK_INT(zrpc_poll_timeout(5, 5), 0);
    CHECK_INT(zrpc_poll_timeout(5, 4), 0);
    CHECK_INT(zrpc_poll_timeout(5, 6), 1);
    CHECK_INT(zrpc_poll_timeout(0, ZRPC_MILLISECOND), 1);
    CHECK_INT(zrpc_poll_timeout(0, ZRPC_MILLISECOND + 1), 2);
    CHECK_INT(zrpc_poll_timeout(0, ZRPC_NEVER - 1), INT_MAX);
    CHECK_INT(zrpc_poll_timeout(INT64_MIN, 5), INT_MAX);
}

/* The rows of Go's own tests for time.ParseDuration. */
static void parses_what_go_parses(void)
{
    static const struct {
        const char *text;
        zrpc_time expected;
    } rows[] = {
        {"0", 0},
        {"5s", 5 * ZRPC_SECOND},
        {"30s", 30 * ZRPC_SECOND},
        {"1478s", 1478 * ZRPC_SECOND},
        {"-5s", -5 * ZRPC_SECOND},
        {"+5s", 5 * ZRPC_SECOND},
        {"-0", 0},
        {"+0", 0},
        {"5.0s", 5 * ZRPC_SECOND},
        {"5.6s", 5 * ZRPC_SECOND + 600 * ZRPC_MILLISECOND},
        {"5.s", 5 * ZRPC_SECOND},
        {".5s", 500 * ZRPC_MILLISECOND},
        {"1.0s", ZRPC_SECOND},
        {"1.00s", ZRPC_SECOND},
        {"1.004s", ZRPC_SECOND + 4 * ZRPC_MILLISECOND},
        {"1.0040s", ZRPC_SECOND + 4 * ZRPC_MILLISECOND},
        {"100.00100s", 100 * ZRPC_SECOND + ZRPC_MILLISECOND},
        {"10ns", 10},
        {"11us", 11000},
        {"12\xc2\xb5s", 12000},
        {"12\xce\xbcs", 12000},
        {"13ms", 13 * ZRPC_MILLISECOND},
        {"14s", 14 * ZRPC_SECOND},
        {"15m", 15 * MINUTE},
        {"16h", 16 * HOUR},
        {"3h30m", 3 * HOUR + 30 * MINUTE},
        {"10.5s4m", 4 * MINUTE + 10 * ZRPC_SECOND + 500 * ZRPC_MILLISECOND},
        {"-2m3.4s", -(2 * MINUTE + 3 * ZRPC_SECOND + 400 * ZRPC_MILLISECOND)},
        {"1h2m3s4ms5us6ns", HOUR + 2 * MINUTE + 3 * ZRPC_SECOND + 4 * ZRPC_MILLISECOND + 5006},
        {"39h9m14.425s", 39 * HOUR + 9 * MINUTE + 14 * ZRPC_SECOND + 425 * ZRPC_MILLISECOND},
        {"52763797000ns", 52763797000},
        {"0.3333333333333333333h", 20 * MINUTE},
        {"9007199254740993ns", 9007199254740993},
        {"9223372036854775807ns", INT64_MAX},
        {"9223372036854775.807us", INT64_MAX},
        {"9223372036s854ms775us807ns", INT64_MAX},
        {"-9223372036854775808ns", INT64_MIN},
        {"-9223372036854775.808us", INT64_MIN},
        {"-9223372036s854ms775us808ns", INT64_MIN},
        {"-2562047h47m16.854775808s", INT64_MIN},
        {"0.100000000000000000000h", 6 * MINUTE},
        {"0.830103483285477580700h",
         49 * MINUTE + 48 * ZRPC_SECOND + 372 * ZRPC_MILLISECOND + 539 * 1000 + 827},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_error err = {0};
        zrpc_time out = -1;

        if (!CHECK_OK(zrpc_duration_parse(rows[i].text, &out, &err)) || !CHECK_INT(out, rows[i].expected))
            CHECK_STR(err.text, rows[i].text);
    }
}

static void refuses_what_go_refuses(void)
{
    static const char *const rows[] = {
        "",
        "3",
        "-",
        "s",
        ".",
        "-.",
        ".s",
        "+.s",
        "1d",
        "1 s",
        " 1s",
        "1s ",
        "1S",
        "--1s",
        "1s-1s",
        "1.5.5s",
        "00",
        "\x85\x85",
        "\xff\xff",
        "hello \xff\xff world",
        "9223372036854775810ns",
        "9223372036854775808ns",
        "-9223372036854775809ns",
        "9223372036854776us",
        "3000000h",
        "9223372036854775.808us",
        "9223372036854ms775us808ns",
        "99999999999999999999999999s",
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_error err = {0};
        zrpc_time out = 77;

        if (!CHECK_CODE(zrpc_duration_parse(rows[i], &out, &err), ZRPC_ERR_USAGE))
            CHECK_STR("accepted", rows[i]);
        CHECK_INT(out, 77);
        CHECK_CONTAINS(err.text, "invalid duration \"");
    }
}

static void formats_as_go(void)
{
    static const struct {
        zrpc_time duration;
        const char *expected;
    } rows[] = {
        {0, "0s"},
        {1, "1ns"},
        {1100, "1.1\xc2\xb5s"},
        {2000, "2\xc2\xb5s"},
        {2200000, "2.2ms"},
        {999999999, "999.999999ms"},
        {3300000000, "3.3s"},
        {60 * ZRPC_SECOND, "1m0s"},
        {90 * ZRPC_SECOND, "1m30s"},
        {4 * MINUTE + 5 * ZRPC_SECOND + ZRPC_MILLISECOND, "4m5.001s"},
        {5 * HOUR + 6 * MINUTE + 7 * ZRPC_SECOND + ZRPC_MILLISECOND, "5h6m7.001s"},
        {8 * MINUTE + 1, "8m0.000000001s"},
        {HOUR, "1h0m0s"},
        {-1500 * ZRPC_MILLISECOND, "-1.5s"},
        {-1, "-1ns"},
        {INT64_MAX, "2562047h47m16.854775807s"},
        {INT64_MIN, "-2562047h47m16.854775808s"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[ZRPC_DURATION_TEXT_MAX];

        CHECK_STR(zrpc_duration_format(rows[i].duration, out), rows[i].expected);
    }
}

static void formatted_parses_back(void)
{
    uint64_t v = 1;
    struct zrpc_error err;

    for (int i = 0; i < 5000; i++) {
        char text[ZRPC_DURATION_TEXT_MAX];
        zrpc_time in, out = 0;

        v = v * 6364136223846793005u + 1442695040888963407u;
        in = (zrpc_time)(v >> (i % 60)) * (i % 2 == 0 ? 1 : -1);
        CHECK_OK(zrpc_duration_parse(zrpc_duration_format(in, text), &out, &err));
        if (!CHECK_INT(out, in))
            break;
    }
}

static void from_the_environment(void)
{
    static const char variable[] = "ZRPC_CLOCK_TEST";
    struct zrpc_error err;
    zrpc_time out = 0;

    unsetenv(variable);
    CHECK_OK(zrpc_duration_env(variable, 42, &out, &err));
    CHECK_INT(out, 42);
    setenv(variable, "", 1);
    CHECK_OK(zrpc_duration_env(variable, 43, &out, &err));
    CHECK_INT(out, 43);
    setenv(variable, "1m30s", 1);
    CHECK_OK(zrpc_duration_env(variable, 42, &out, &err));
    CHECK_INT(out, 90 * ZRPC_SECOND);
    setenv(variable, "soon", 1);
    CHECK_CODE(zrpc_duration_env(variable, 42, &out, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "ZRPC_CLOCK_TEST: invalid duration \"soon\": a number is missing");
    setenv(variable, "-1s", 1);
    CHECK_CODE(zrpc_duration_env(variable, 42, &out, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "environment variable ZRPC_CLOCK_TEST: \"-1s\", expected a duration above 0");
    setenv(variable, "0", 1);
    CHECK_CODE(zrpc_duration_env(variable, 42, &out, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "environment variable ZRPC_CLOCK_TEST: \"0\", expected a duration above 0");
    unsetenv(variable);
}

static const struct zrpc_test tests[] = {
    {"monotonic", monotonic},
    {"deadlines", deadlines},
    {"poll timeouts round up", poll_timeouts_round_up},
    {"parses what Go parses", parses_what_go_parses},
    {"refuses what Go refuses", refuses_what_go_refuses},
    {"formats as Go", formats_as_go},
    {"what is formatted parses back", formatted_parses_back},
    {"from the environment", from_the_environment},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("clock", tests, argc, argv);
}
