#include "zrpc/clock.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_MINUTE (60 * ZRPC_SECOND)
#define NS_PER_HOUR   (60 * NS_PER_MINUTE)

zrpc_time zrpc_now(void)
{
    struct timespec ts;

    /* Cannot fail: the clock exists on every Linux and the pointer is good. */
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (zrpc_time)ts.tv_sec * ZRPC_SECOND + ts.tv_nsec;
}

zrpc_time zrpc_deadline(zrpc_time now, zrpc_time timeout)
{
    zrpc_time deadline;

    if (timeout == 0 || __builtin_add_overflow(now, timeout, &deadline))
        return ZRPC_NEVER;
    return deadline;
}

int zrpc_poll_timeout(zrpc_time now, zrpc_time when)
{
    zrpc_time left;

    if (when == ZRPC_NEVER)
        return -1;
    if (when <= now)
        return 0;
    if (__builtin_sub_overflow(when, now, &left) || left > INT_MAX * ZRPC_MILLISECOND)
        return INT_MAX;
    return (int)((left + ZRPC_MILLISECOND - 1) / ZRPC_MILLISECOND);
}

static const struct unit {
    const char *name;
    uint64_t ns;
} units[] = {
    {"ns", 1},           {"us", 1000},       {"\xc2\xb5s", 1000}, /* U+00B5, micro sign */
    {"\xce\xbcs", 1000},                                          /* U+03BC, Greek mu */
    {"ms", 1000 * 1000}, {"s", ZRPC_SECOND}, {"m", NS_PER_MINUTE}, {"h", NS_PER_HOUR},
};

#define DURATION_LIMIT (UINT64_C(1) << 63) /* magnitude of the most negative duration */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at *p; false if they exceed DURATION_LIMIT. */
static bool parse_whole(const char **p, uint64_t *out)
{
    uint64_t v = 0;

    for (; is_digit(**p); (*p)++) {
        if (v > DURATION_LIMIT / 10)
            return false;
        v = v * 10 + (uint64_t)(**p - '0');
        if (v > DURATION_LIMIT)
            return false;
    }
    *out = v;
    return true;
}

/* Digits after the point: value / scale. Those beyond what fits count for nothing. */
static uint64_t parse_fraction(const char **p, double *scale)
{
    uint64_t v = 0;
    bool full = false;

    *scale = 1;
    for (; is_digit(**p); (*p)++) {
        uint64_t next = v * 10 + (uint64_t)(**p - '0');

        full = full || v > (DURATION_LIMIT - 1) / 10 || next > DURATION_LIMIT;
        if (full)
            continue;
        v = next;
        *scale *= 10;
    }
    return v;
}

static const struct unit *parse_unit(const char **p)
{
    size_t len = 0;

    while ((*p)[len] != '\0' && (*p)[len] != '.' && !is_digit((*p)[len]))
        len++;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, *p, len) == 0) {
            *p += len;
            return &units[i];
        }
    }
    return NULL;
}

/* One "1.5h" at *p, added to *sum. Answers NULL or what is wrong. */
static const char *parse_term(const char **p, uint64_t *sum)
{
    const char *start = *p;
    const struct unit *unit;
    uint64_t whole, fraction = 0;
    double scale = 1;
    bool digits;

    if (!parse_whole(p, &whole))
        return "too long";
    digits = *p != start;
    if (**p == '.') {
        start = ++*p;
        fraction = parse_fraction(p, &scale);
        digits = digits || *p != start;
    }
    if (!digits)
        return "a number is missing";
    if (**p == '\0' || **p == '.')
        return "a unit is missing";
    unit = parse_unit(p);
    if (unit == NULL)
        return "unknown unit";
    if (whole > DURATION_LIMIT / unit->ns)
        return "too long";
    whole = whole * unit->ns + (uint64_t)((double)fraction * ((double)unit->ns / scale));
    if (whole > DURATION_LIMIT || *sum > DURATION_LIMIT - whole)
        return "too long";
    *sum += whole;
    return NULL;
}

int zrpc_duration_parse(const char *text, zrpc_time *out, struct zrpc_error *err)
{
    const char *p = text, *problem = NULL;
    bool negative = *p == '-';
    uint64_t sum = 0;

    if (*p == '-' || *p == '+')
        p++;
    if (strcmp(p, "0") == 0) {
        *out = 0;
        return 0;
    }
    if (*p == '\0')
        problem = "a number is missing";
    while (problem == NULL && *p != '\0')
        problem = parse_term(&p, &sum);
    if (problem == NULL && sum == DURATION_LIMIT && !negative)
        problem = "too long";
    if (problem != NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "invalid duration \"%s\": %s (expected something like 10s, 1m30s or 300ms)", text,
                         problem);
    *out = negative ? (zrpc_time)(0 - sum) : (zrpc_time)sum;
    return 0;
}

/* v / 10^digits without trailing zeros, before `unit`. */
static int format_decimal(char *out, size_t size, uint64_t v, int digits, const char *unit)
{
    uint64_t divisor = 1;

    for (int i = 0; i < digits; i++)
        divisor *= 10;
    if (v % divisor == 0)
        return snprintf(out, size, "%llu%s", (unsigned long long)(v / divisor), unit);
    for (; v % 10 == 0; v /= 10, divisor /= 10)
        digits--;
    return snprintf(out, size, "%llu.%0*llu%s", (unsigned long long)(v / divisor), digits,
                    (unsigned long long)(v % divisor), unit);
}

static const struct subsecond {
    uint64_t below;
    int digits;
    const char *unit;
} subseconds[] = {{1000, 0, "ns"}, {1000 * 1000, 3, "\xc2\xb5s"}, {ZRPC_SECOND, 6, "ms"}};

const char *zrpc_duration_format(zrpc_time duration, char out[static ZRPC_DURATION_TEXT_MAX])
{
    uint64_t v = duration < 0 ? 0 - (uint64_t)duration : (uint64_t)duration;
    char *p = out, *end = out + ZRPC_DURATION_TEXT_MAX;

    if (duration < 0)
        *p++ = '-';
    for (size_t i = 0; v > 0 && i < sizeof subseconds / sizeof subseconds[0]; i++) {
        if (v < subseconds[i].below) {
            format_decimal(p, (size_t)(end - p), v, subseconds[i].digits, subseconds[i].unit);
            return out;
        }
    }
    if (v >= NS_PER_HOUR)
        p += snprintf(p, (size_t)(end - p), "%lluh", (unsigned long long)(v / NS_PER_HOUR));
    if (v >= NS_PER_MINUTE)
        p += snprintf(p, (size_t)(end - p), "%llum", (unsigned long long)(v % NS_PER_HOUR / NS_PER_MINUTE));
    format_decimal(p, (size_t)(end - p), v % NS_PER_MINUTE, 9, "s");
    return out;
}

int zrpc_duration_env(const char *variable, zrpc_time fallback, zrpc_time *out, struct zrpc_error *err)
{
    const char *text = getenv(variable);
    int rc;

    if (text == NULL || *text == '\0') {
        *out = fallback;
        return 0;
    }
    rc = zrpc_duration_parse(text, out, err);
    if (rc == 0 && *out <= 0)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "\"%s\", expected a duration above 0", text);
    return rc < 0 ? zrpc_error_prefix(err, rc, "environment variable %s", variable) : 0;
}
