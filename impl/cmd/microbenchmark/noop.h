/*
 * Ends of a stream that cost nothing: memory that is given away again and again, memory that is overwritten.
 */
#ifndef ZRPC_CMD_NOOP_H
#define ZRPC_CMD_NOOP_H

#include <stdint.h>

#include "zrpc/stream.h"

/* Gives `bytes` bytes, or bytes without end for 0. No memory is held: closing it does nothing. */
struct noop_source {
    uint64_t left;
    int endless;
};

void noop_source(struct noop_source *state, uint64_t bytes, struct zrpc_source *out);
void noop_sink(struct zrpc_sink *out);

#endif
