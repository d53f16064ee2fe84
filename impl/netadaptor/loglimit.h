/*
 * A bound on log lines: `burst` of them at once, then one for each `interval`.
 */
#ifndef ZRPC_NETADAPTOR_LOGLIMIT_H
#define ZRPC_NETADAPTOR_LOGLIMIT_H

#include <stdbool.h>

#include "zrpc/clock.h"

struct zrpc_loglimit {
    unsigned burst;
    zrpc_time interval;
    zrpc_time free_at; /* when the whole burst is to be had again */
    unsigned long left_out;
};

/* May a line be written now? Then *left_out is how many could not since the last one. */
bool zrpc_loglimit_admit(struct zrpc_loglimit *l, zrpc_time now, unsigned long *left_out);

#endif
