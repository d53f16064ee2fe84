/*
 * Relays from the inside: what the parts (relay.c) and the threads (relay_server.c) share.
 */
#ifndef ZRPC_CONFORMANCE_RELAY_INTERNAL_H
#define ZRPC_CONFORMANCE_RELAY_INTERNAL_H

#include <netinet/in.h>
#include <stdatomic.h>

#include "conformance/mutants/mutant.h"

enum zrpc_relay_phase { BANNER, LABEL, FRAMES, RAW, CONTROL };

/* One direction: the part under way, and how much of it is known to be wanted. */
struct zrpc_relay_flow {
    enum zrpc_relay_phase phase;
    struct zrpc_buf part; /* collected, where a hook wants it whole */
    uint64_t seen, want;
    bool hooked; /* the part is collected, not passed */
};

struct zrpc_relay_state {
    struct zrpc_relay relay;
    struct zrpc_relay_state *next;
    int client, upstream;
    pthread_t thread, down_thread;
    pthread_mutex_t up_lock, down_lock; /* of writing */
    struct zrpc_relay_flow up, down;
    zrpc_time last_up;
    atomic_bool cut;
    atomic_bool is_control; /* and the mutant has hooks for it */
    bool ended;
};

struct zrpc_mutant_server {
    const struct zrpc_mutant *mutant;
    const struct zrpc_timing *timing;
    struct sockaddr_in reference;
    char endpoint[64];
    int listener;
    pthread_t thread;
    pthread_mutex_t lock, turn;
    struct zrpc_relay_state *relays;
    unsigned count;
    atomic_bool stopping;
};

/* Makes a part the one under way; the first one of a flow is the banner. */
void zrpc_relay_begin_part(struct zrpc_relay_state *s, struct zrpc_relay_flow *f,
                           enum zrpc_relay_phase phase);
/* Bytes that came for that flow. */
void zrpc_relay_take(struct zrpc_relay_state *s, struct zrpc_relay_flow *f, struct zrpc_view bytes);
/* The descriptor's close will send a reset. */
void zrpc_relay_close_by_reset(int fd);

#endif
