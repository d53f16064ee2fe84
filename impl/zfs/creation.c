#include "zrpc/zfs.h"

#include <stdio.h>
#include <time.h>

#define FIRST_SECOND INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define LAST_SECOND  INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

int zrpc_zfs_creation_format(int64_t creation, char out[static ZRPC_ZFS_CREATION_MAX], struct zrpc_error *err)
{
    time_t seconds = (time_t)creation;
    struct tm tm;

    if (creation < FIRST_SECOND || creation > LAST_SECOND || gmtime_r(&seconds, &tm) == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "creation time %lld has no form in RFC 3339",
                         (long long)creation);
    /* The casts and masks tell the compiler what the range check has shown: no field is wider. */
    snprintf(out, ZRPC_ZFS_CREATION_MAX, "%04u-%02u-%02uT%02u:%02u:%02uZ",
             (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
             (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
             (unsigned)tm.tm_sec % 100);
    return 0;
}

/* `width` digits at *at, which moves on. -1: not digits. */
static int digits(const char **at, int width)
{
    int value = 0;

    for (int i = 0; i < width; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static bool literal(const char **at, char upper, char lower)
{
    if (**at != upper && **at != lower)
        return false;
    (*at)++;
    return true;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool parse_date_time(const char **at, struct tm *tm)
{
    int year = digits(at, 4);
    bool ok = year >= 0 && literal(at, '-', '-');
    int month = ok ? digits(at, 2) : -1;

    ok = month >= 1 && month <= 12 && literal(at, '-', '-');
    *tm = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1};
    tm->tm_mday = ok ? digits(at, 2) : -1;
    ok = ok && tm->tm_mday >= 1 && tm->tm_mday <= days_in(year, month) && literal(at, 'T', 't');
    tm->tm_hour = ok ? digits(at, 2) : -1;
    ok = ok && tm->tm_hour >= 0 && tm->tm_hour <= 23 && literal(at, ':', ':');
    tm->tm_min = ok ? digits(at, 2) : -1;
    ok = ok && tm->tm_min >= 0 && tm->tm_min <= 59 && literal(at, ':', ':');
    tm->tm_sec = ok ? digits(at, 2) : -1;
    return ok && tm->tm_sec >= 0 && tm->tm_sec <= 60;
}

static bool parse_offset(const char **at, int64_t *seconds)
{
    int sign = **at == '+' ? 1 : -1, hours, minutes;

    *seconds = 0;
    if (literal(at, 'Z', 'z'))
        return true;
    if (!literal(at, '+', '-'))
        return false;
    hours = digits(at, 2);
    if (hours < 0 || hours > 23 || !literal(at, ':', ':'))
        return false;
    minutes = digits(at, 2);
    *seconds = sign * (hours * 3600 + minutes * 60);
    return minutes >= 0 && minutes <= 59;
}

int zrpc_zfs_creation_parse(const char *text, int64_t *out, struct zrpc_error *err)
{
    const char *at = text;
    struct tm tm;
    int64_t offset;

    if (!parse_date_time(&at, &tm))
        goto invalid;
    if (*at == '.') {
        at++;
        if (digits(&at, 1) < 0)
            goto invalid;
        at += strspn(at, "0123456789");
    }
    if (!parse_offset(&at, &offset) || *at != '\0')
        goto invalid;
    *out = (int64_t)timegm(&tm) - offset;
    if (*out >= FIRST_SECOND && *out <= LAST_SECOND)
        return 0;
invalid:
    return zrpc_fail(err, ZRPC_ERR_USAGE,
                     "\"%s\" is not a time in RFC 3339 form such as \"2024-02-29T23:59:59Z\"", text);
}
