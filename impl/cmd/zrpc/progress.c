#include "progress.h"

#include <stdio.h>
#include <unistd.h>

const char *format_bytes(double bytes, char out[static 32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;

    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return out;
}

static const char *clock_time(double seconds, char out[static 32])
{
    unsigned long s = (unsigned long)seconds;

    if (s < 3600)
        snprintf(out, 32, "%lu:%02lu", s / 60, s % 60);
    else
        snprintf(out, 32, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    return out;
}

static void draw(struct progress *p, zrpc_time now)
{
    double seconds = (double)(now - p->started) / ZRPC_SECOND;
    double rate = seconds > 0 ? (double)p->bytes / seconds : 0;
    char bytes[32], total[32], per_second[32], elapsed[32], eta[32];

    p->drawn = now;
    fprintf(stderr, "\r\033[K%s", format_bytes((double)p->bytes, bytes));
    if (p->expected > 0)
        fprintf(stderr, " of %s", format_bytes((double)p->expected, total));
    fprintf(stderr, "  %s/s  %s", format_bytes(rate, per_second), clock_time(seconds, elapsed));
    if (p->expected > p->bytes && rate > 0)
        fprintf(stderr, "  ETA %s", clock_time((double)(p->expected - p->bytes) / rate, eta));
}

void progress_begin(struct progress *p, uint64_t expected)
{
    *p = (struct progress){.shown = isatty(STDERR_FILENO), .started = zrpc_now(), .expected = expected};
}

void progress_update(void *ctx, uint64_t bytes)
{
    struct progress *p = ctx;
    zrpc_time now;

    p->bytes = bytes;
    if (!p->shown)
        return;
    now = zrpc_now();
    if (now - p->drawn >= 200 * ZRPC_MILLISECOND)
        draw(p, now);
}

void progress_end(struct progress *p)
{
    if (!p->shown)
        return;
    draw(p, zrpc_now());
    fputc('\n', stderr);
}
