/*
 * Keepalive of the control connection (proto/SPEC.md, ZR-KA-*). Sans-I/O: told what happens and the time, it
 * says when to probe the peer and when to take it for dead.
 *
 * Servers made with gRPC end a connection by GOAWAY too_many_pings at the fourth PING without any HEADERS or
 * DATA of theirs in between. With no call open nothing is lost by that. A call that runs for longer than a
 * few pings would be; so, while calls are open, the fourth and further probes in a row are empty SETTINGS
 * frames: they must be acknowledged just as well and are not counted.
 */
#ifndef ZRPC_KEEPALIVE_H
#define ZRPC_KEEPALIVE_H

#include <stdbool.h>

#include "zrpc/clock.h"

#define ZRPC_KEEPALIVE_INTERVAL_DEFAULT (10 * ZRPC_SECOND)
#define ZRPC_KEEPALIVE_TIMEOUT_DEFAULT  (10 * ZRPC_SECOND)
#define ZRPC_KEEPALIVE_PINGS_TOLERATED  3 /* in a row, by gRPC's servers */

struct zrpc_keepalive_config {
    zrpc_time interval; /* without a byte from the peer; 0: the default; ZRPC_NEVER: no keepalive */
    zrpc_time timeout;  /* for the answer; 0: the default */
};

enum zrpc_keepalive_action {
    ZRPC_KEEPALIVE_NOTHING = 0,
    ZRPC_KEEPALIVE_PING,     /* send a PING */
    ZRPC_KEEPALIVE_SETTINGS, /* send empty SETTINGS */
    ZRPC_KEEPALIVE_DEAD,     /* no byte since the probe */
};

struct zrpc_keepalive {
    struct zrpc_keepalive_config config;
    zrpc_time last;   /* when the peer was last heard */
    zrpc_time probed; /* when the probe under way began; ZRPC_NEVER: none is */
    unsigned pings;   /* PINGs sent since the last HEADERS or DATA of the peer */
};

/* NULL config: all defaults. */
void zrpc_keepalive_init(struct zrpc_keepalive *k, const struct zrpc_keepalive_config *config, zrpc_time now);
/* Bytes arrived, or the wire took bytes that it had refused before: the peer lives. */
void zrpc_keepalive_alive(struct zrpc_keepalive *k, zrpc_time now);
/* The peer sent HEADERS or DATA. */
void zrpc_keepalive_content(struct zrpc_keepalive *k);
/* Call when `wakeup` has come, or more often. */
enum zrpc_keepalive_action zrpc_keepalive_tick(struct zrpc_keepalive *k, zrpc_time now, bool calls_open);
zrpc_time zrpc_keepalive_wakeup(const struct zrpc_keepalive *k);
/* The interval for the next connection after GOAWAY too_many_pings (ZR-KA-004). */
zrpc_time zrpc_keepalive_doubled(zrpc_time interval);

#endif
