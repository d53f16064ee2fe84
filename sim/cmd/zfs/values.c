#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "zfs.h"

const char *nice_number(uint64_t n, bool bytes, char out[static NICE_MAX])
{
    static const char units[] = "\0KMGTPE";
    unsigned unit = 0;
    double value;

    while (unit < 6 && n >> (10 * unit) >= 1024)
        unit++;
    if (unit == 0 || (n & ((UINT64_C(1) << (10 * unit)) - 1)) == 0) {
        snprintf(out, NICE_MAX, "%llu%.1s", (unsigned long long)(n >> (10 * unit)),
                 unit == 0 ? (bytes ? "B" : "") : &units[unit]);
        return out;
    }
    /* As many decimals as leave it at five characters. */
    value = (double)n / (double)(UINT64_C(1) << (10 * unit));
    for (int decimals = 2; decimals >= 0; decimals--)
        if (snprintf(out, NICE_MAX, "%.*f%c", decimals, value, units[unit]) <= 5)
            break;
    return out;
}

const char *nice_time(int64_t when, const char *format, char *out, size_t size)
{
    time_t t = (time_t)when;
    struct tm tm;

    if (localtime_r(&t, &tm) == NULL || strftime(out, size, format, &tm) == 0)
        snprintf(out, size, "%lld", (long long)when);
    return out;
}

/* The power of two that a suffix stands for, or -1. */
static int shift_of(const char *suffix)
{
    static const char letters[] = "BKMGTPEZ";
    const char *letter;

    if (suffix[0] == '\0')
        return 0;
    letter = strchr(letters, suffix[0] & ~0x20);
    if (letter == NULL)
        return -1;
    if (suffix[1] == '\0' ||
        (letter != letters && (strcasecmp(suffix + 1, "B") == 0 || strcasecmp(suffix + 1, "iB") == 0)))
        return 10 * (int)(letter - letters);
    return -1;
}

int parse_size(const char *text, uint64_t *out, struct zrpc_error *err)
{
    bool number = (text[0] >= '0' && text[0] <= '9') || text[0] == '.';
    char *end;
    int shift;

    if (!number)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "bad numeric value '%s'", text);
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno == ERANGE)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "numeric value is too large");
    if (*end == '.') {
        double value = strtod(text, &end);

        shift = shift_of(end);
        value = shift < 0 ? 0 : ldexp(value, shift);
        if (value >= 18446744073709551616.0)
            return zrpc_fail(err, ZRPC_ERR_ZFS, "numeric value is too large");
        *out = (uint64_t)value;
    } else {
        shift = shift_of(end);
        if (shift >= 64 || (shift > 0 && *out > UINT64_MAX >> shift))
            return zrpc_fail(err, ZRPC_ERR_ZFS, "numeric value is too large");
        if (shift > 0)
            *out <<= shift;
    }
    return shift < 0 ? zrpc_fail(err, ZRPC_ERR_ZFS, "invalid numeric suffix '%s'", end) : 0;
}

static bool one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

void humanise(const struct zrpc_zpool_property *p, const char *value, char *out, size_t size)
{
    static const char *const in_full[] = {"guid", "createtxg", "objsetid", "pbkdf2iters", NULL};
    static const char *const with_unit[] = {
        "used",          "available",      "referenced",           "usedbysnapshots",
        "usedbydataset", "usedbychildren", "usedbyrefreservation", "quota",
        "reservation",   "refquota",       "refreservation",       NULL};
    static const char *const or_none[] = {"quota", "reservation", "refquota", "refreservation", NULL};
    char nice[NICE_MAX], *end;
    unsigned long long n = strtoull(value, &end, 10);
    bool number = end != value && *end == '\0';

    if (p->kind == ZRPC_ZPOOL_RATIO)
        snprintf(out, size, "%sx", value);
    else if (p->kind == ZRPC_ZPOOL_TIME && number)
        nice_time((int64_t)n, "%a %b %e %k:%M %Y", out, size);
    else if (p->kind == ZRPC_ZPOOL_TEXT || !number || one_of(p->name, in_full))
        snprintf(out, size, "%s", value);
    else if (n == 0 && one_of(p->name, or_none))
        snprintf(out, size, "none");
    else
        snprintf(out, size, "%s", nice_number(n, one_of(p->name, with_unit), nice));
}
