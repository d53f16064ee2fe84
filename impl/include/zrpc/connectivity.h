/*
 * The states of a client's channel and when it may connect (proto/SPEC.md, ZR-CHAN-*). Sans-I/O.
 *
 *              tick: attempt begins             established()
 *     IDLE -------------------------> CONNECTING ----------> READY
 *      ^ |                              ^     | failed()       |
 *      | `- not before the last         |     v                |
 *      |    attempt's backoff           `- TRANSIENT_FAILURE   |
 *      |                         tick: backoff over            |
 *      `--------------------------- lost() --------------------'
 *
 * Nothing happens before want(); from then on the channel keeps itself connected. The backoff counts from the
 * start of an attempt, also of one that succeeded: a connection that is lost later than that is replaced at
 * once, one that is lost sooner waits, so that no peer can drive the client round in circles.
 */
#ifndef ZRPC_CONNECTIVITY_H
#define ZRPC_CONNECTIVITY_H

#include <stdbool.h>

#include "zrpc/backoff.h"
#include "zrpc/error.h"

#define ZRPC_CONNECT_TIMEOUT_DEFAULT (20 * ZRPC_SECOND) /* ZR-CHAN-009 */

/* X(name) */
#define ZRPC_CHANNEL_STATE_MAP(X) X(IDLE) X(CONNECTING) X(READY) X(TRANSIENT_FAILURE) X(SHUTDOWN)

enum zrpc_channel_state {
#define ZRPC_CHANNEL_STATE_ENUM(name) ZRPC_CHANNEL_##name,
    ZRPC_CHANNEL_STATE_MAP(ZRPC_CHANNEL_STATE_ENUM)
#undef ZRPC_CHANNEL_STATE_ENUM
};

/* "TRANSIENT_FAILURE". Static. */
const char *zrpc_channel_state_name(enum zrpc_channel_state state);

struct zrpc_connectivity {
    enum zrpc_channel_state state;
    bool wanted;
    struct zrpc_backoff backoff;
    zrpc_time connect_timeout;
    zrpc_time began;           /* the last attempt */
    zrpc_time retry_at;        /* the next attempt not before */
    zrpc_time give_up;         /* CONNECTING: the attempt ends here */
    struct zrpc_error failure; /* of the last attempt; its code is 0 while there is none */
    struct zrpc_error loss;    /* why the last connection takes no more calls */
};

/* 0 as connect_timeout means the default. */
void zrpc_connectivity_init(struct zrpc_connectivity *c, const struct zrpc_backoff_config *backoff,
                            zrpc_time connect_timeout, uint64_t seed);
void zrpc_connectivity_want(struct zrpc_connectivity *c);
/* True: an attempt begins now and may last until c->give_up. */
bool zrpc_connectivity_tick(struct zrpc_connectivity *c, zrpc_time now);
/* CONNECTING only: the outcome. An attempt is established when the server's SETTINGS have come. */
void zrpc_connectivity_established(struct zrpc_connectivity *c);
void zrpc_connectivity_failed(struct zrpc_connectivity *c, const struct zrpc_error *why);
/* READY only: no new call can start on the connection. */
void zrpc_connectivity_lost(struct zrpc_connectivity *c, const struct zrpc_error *why);
/* Ends a wait at once, and makes the next ones short again (ZR-CHAN-005). */
void zrpc_connectivity_reset_backoff(struct zrpc_connectivity *c);
/* For good. */
void zrpc_connectivity_shutdown(struct zrpc_connectivity *c);
/* When tick has something to do, or an attempt is to be given up. */
zrpc_time zrpc_connectivity_wakeup(const struct zrpc_connectivity *c);

#endif
