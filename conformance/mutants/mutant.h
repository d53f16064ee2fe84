/*
 * Mutants: servers that are right but for one thing, to prove that the suite sees it. Each is the reference
 * server behind a relay that breaks one rule, and names the case that must catch it.
 *
 * A relay is transparent: what a mutant has no hook for passes as it comes, also halves and ends of byte
 * streams. With a hook for a part (banner, label, frames) it collects that part first, and the hook passes on
 * what it likes.
 */
#ifndef ZRPC_CONFORMANCE_MUTANT_H
#define ZRPC_CONFORMANCE_MUTANT_H

#include <stdatomic.h>

#include "conformance/peer.h"
#include "conformance/verdict.h"

struct zrpc_mutant_server;
struct zrpc_relay;
struct zrpc_control_hooks; /* control.h */
struct zrpc_control_relay;

struct zrpc_mutant {
    const char *name;
    const char *what;          /* what is wrong with it */
    const char *caught_by;     /* a case's id */
    enum zrpc_verdict verdict; /* that the case must give; left out: FAIL */

    /* The client's side. All hooks are optional. */
    void (*accepted)(struct zrpc_relay *r);                        /* before anything passes */
    void (*banner)(struct zrpc_relay *r, struct zrpc_buf *banner); /* may change it, or end the relay */
    void (*label)(struct zrpc_relay *r, uint8_t label[static 64]); /* likewise */
    void (*frame)(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload);
    void (*long_frame)(struct zrpc_relay *r, struct zrpc_frame frame); /* one that is too long for `frame` */
    void (*end)(struct zrpc_relay *r);                                 /* of the client's byte stream */
    void (*tick)(struct zrpc_relay *r, zrpc_time idle);                /* every ZRPC_RELAY_TICK */
    /* The server's side. */
    void (*server_banner)(struct zrpc_relay *r, struct zrpc_buf *banner);
    void (*server_frame)(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload);
    void (*server_end)(struct zrpc_relay *r);
    /* Of control connections, frame by frame. */
    const struct zrpc_control_hooks *control;
    bool keeps_bytes_apart; /* what follows the banner in the same read is lost */
    bool many_clients;      /* its case opens hundreds of connections: nothing for slow tools */
    bool needs_process;     /* harms its whole process: run it in one of its own */
};

#define ZRPC_RELAY_TICK      (20 * ZRPC_MILLISECOND)
#define ZRPC_RELAY_FRAME_MAX (2u << 20) /* longer frames pass as they come */

/* Number i of all, in a fixed order; NULL behind the last one. */
const struct zrpc_mutant *zrpc_mutant_get(size_t i);
const struct zrpc_mutant *zrpc_mutant_find(const char *name);
/* What the case that catches it must say. */
enum zrpc_verdict zrpc_mutant_verdict(const struct zrpc_mutant *m);

/* What a hook has at hand. */
struct zrpc_relay {
    struct zrpc_mutant_server *server;
    const struct zrpc_mutant *mutant;
    const struct zrpc_timing *timing;
    unsigned number; /* of the connection, from 0 */
    zrpc_time began;
    uint32_t type;  /* of the client's message or stream under way: its last data frame's */
    uint64_t bytes; /* of it */
    bool holds_turn;
    atomic_bool flag; /* this and what follows is for the hooks' own use */
    atomic_uint count;
    struct zrpc_buf held;
    struct zrpc_control_relay *control; /* where the mutant has hooks for it */
    struct zrpc_relay_state *state;
};

/* To the server, to the client: bytes, and whole frames. */
void zrpc_relay_up(struct zrpc_relay *r, struct zrpc_view bytes);
void zrpc_relay_down(struct zrpc_relay *r, struct zrpc_view bytes);
void zrpc_relay_frame_up(struct zrpc_relay *r, uint32_t type, struct zrpc_view payload);
void zrpc_relay_frame_down(struct zrpc_relay *r, uint32_t type, struct zrpc_view payload);
/* Half-closes. */
void zrpc_relay_end_up(struct zrpc_relay *r);
void zrpc_relay_end_down(struct zrpc_relay *r);
/* Ends the connection on both sides; `reset` by a TCP reset towards the client. */
void zrpc_relay_cut(struct zrpc_relay *r, bool reset);
/* Cut, or the whole mutant is stopping: a hook that waits must go on. */
bool zrpc_relay_is_over(const struct zrpc_relay *r);
/* Limits how long a write to the client may wait; the relay ends then. */
void zrpc_relay_limit_writes(struct zrpc_relay *r, zrpc_time timeout);
/* One connection at a time between these two. */
void zrpc_relay_take_turn(struct zrpc_relay *r);
void zrpc_relay_give_turn(struct zrpc_relay *r);

/*
 * The servers
 */
/* The reference server over the demo pool, in this process, with that timing. */
struct zrpc_reference;
int zrpc_reference_start(const struct zrpc_timing *timing, struct zrpc_reference **out,
                         struct zrpc_error *err);
/* The same over another transport; takes the listener, also where it fails. */
int zrpc_reference_start_on(struct zrpc_listener *listener, const struct zrpc_timing *timing,
                            struct zrpc_reference **out, struct zrpc_error *err);
/* "tcp:127.0.0.1:PORT" */
const char *zrpc_reference_endpoint(const struct zrpc_reference *r);
void zrpc_reference_stop(struct zrpc_reference *r);

/* A relay listener in front of it. NULL mutant: only relays. */
int zrpc_mutant_start(const struct zrpc_mutant *mutant, const struct zrpc_timing *timing,
                      const char *reference, struct zrpc_mutant_server **out, struct zrpc_error *err);
const char *zrpc_mutant_endpoint(const struct zrpc_mutant_server *s);
void zrpc_mutant_stop(struct zrpc_mutant_server *s);

/* Both together as a program: prints "listening on ENDPOINT" and serves until SIGTERM or SIGINT; an exit
 * status. "transparent" is no mutant. */
int zrpc_mutant_serve(const char *name, const struct zrpc_timing *timing);

#endif
