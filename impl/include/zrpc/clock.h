/*
 * Time. Points in time and durations are nanoseconds on the monotonic clock. State machines are handed the
 * time; only drivers and tools call zrpc_now().
 */
#ifndef ZRPC_CLOCK_H
#define ZRPC_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "zrpc/error.h"

typedef int64_t zrpc_time; /* ns */

#define ZRPC_MILLISECOND INT64_C(1000000)
#define ZRPC_SECOND      INT64_C(1000000000)
#define ZRPC_NEVER       INT64_MAX

zrpc_time zrpc_now(void);

static inline zrpc_time zrpc_earlier(zrpc_time a, zrpc_time b)
{
    return a < b ? a : b;
}

/* now + timeout; ZRPC_NEVER for a timeout of 0 (none) or on overflow. */
zrpc_time zrpc_deadline(zrpc_time now, zrpc_time timeout);

/* The timeout for poll(2) until `when`, rounded up: -1 for ZRPC_NEVER, 0 for a point in the past. */
int zrpc_poll_timeout(zrpc_time now, zrpc_time when);

/* Go duration syntax: "10s", "1m30s", "1.5h", "300ms", "0". Negative durations are parsed too. */
int zrpc_duration_parse(const char *text, zrpc_time *out, struct zrpc_error *err);
#define ZRPC_DURATION_TEXT_MAX 40
/* As Go prints it: "1m30s", "1.5s", "0s". Returns out. */
const char *zrpc_duration_format(zrpc_time duration, char out[static ZRPC_DURATION_TEXT_MAX]);

/* The environment variable's duration, or `fallback` where it is unset or empty. An invalid one, or one
 * that is not above 0, is an error naming it. */
int zrpc_duration_env(const char *variable, zrpc_time fallback, zrpc_time *out, struct zrpc_error *err);

#endif
