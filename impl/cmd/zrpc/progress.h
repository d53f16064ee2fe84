/*
 * The progress line of a transfer: bytes, rate, time and, where the size is known, what remains. On stderr,
 * and only where that is a terminal.
 */
#ifndef ZRPC_CMD_PROGRESS_H
#define ZRPC_CMD_PROGRESS_H

#include <stdbool.h>

#include "zrpc/clock.h"

struct progress {
    bool shown;
    zrpc_time started, drawn;
    uint64_t bytes;
    uint64_t expected; /* 0: unknown */
};

void progress_begin(struct progress *p, uint64_t expected);
/* As zrpc_dataconn_options.progress; ctx is a struct progress. */
void progress_update(void *ctx, uint64_t bytes);
/* Draws the last state and ends the line. */
void progress_end(struct progress *p);

/* "12.3 MiB"; out has room for 32 bytes. Returns out. */
const char *format_bytes(double bytes, char out[static 32]);

#endif
