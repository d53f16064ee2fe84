/*
 * The Wire contract (ZR-WIRE-*) as tests that every transport runs on its own wires:
 *
 *     static int make_tcp_pair(struct zrpc_wire *out[2]) {...}         0, or a negative code
 *     ZRPC_WIRE_CONTRACT(tcp, make_tcp_pair)
 *     static const struct zrpc_test tests[] = {ZRPC_WIRE_CONTRACT_ROWS(tcp) ... {NULL, NULL}};
 *
 * Everything goes through timeoutconn, whose promises are tested with it. Both ends are in this process.
 */
#ifndef ZRPC_TESTING_WIRE_CONTRACT_H
#define ZRPC_TESTING_WIRE_CONTRACT_H

#include "testing/suite.h"
#include "zrpc/wire.h"

typedef int zrpc_make_pair(struct zrpc_wire *out[2]);

#define ZRPC_WIRE_CONTRACT_MAP(X, t, make)                                               \
    X(t, make, all_bytes_both_ways, "all bytes arrive, both ways at once")               \
    X(t, make, vectors, "vectors of any shape arrive whole")                             \
    X(t, make, past_deadline, "a past deadline fails at once and loses nothing")         \
    X(t, make, deadline_passes, "a deadline ends a blocked call")                        \
    X(t, make, deadline_brought_forward, "a blocked call obeys a new, earlier deadline") \
    X(t, make, deadline_put_off, "a blocked call obeys a new, later deadline")           \
    X(t, make, write_deadline, "a timed-out write says how much went out")               \
    X(t, make, timeouts_lose_nothing, "timeouts all along, both ways: no byte lost")     \
    X(t, make, deadlines_are_independent, "the two deadlines are independent")           \
    X(t, make, eof_after_all_data, "end of file comes after all data")                   \
    X(t, make, half_close, "after close_write: no writing, reading on")                  \
    X(t, make, cancel_unblocks, "cancel unblocks readers and writers")                   \
    X(t, make, shutdown_unblocks, "shutdown unblocks readers and writers")               \
    X(t, make, peer_close_unblocks, "the peer's close unblocks readers and writers")     \
    X(t, make, writing_to_nobody, "writing to a closed peer is an error, not a signal")  \
    X(t, make, read_full_says_where_it_ended, "a short stream says how much came")       \
    X(t, make, empty_vectors, "empty vectors are refused")                               \
    X(t, make, release, "a released wire goes on where it was")

#define ZRPC_WIRE_CONTRACT_DECLARE(t, make, fn, text) void zrpc_contract_##fn(zrpc_make_pair *make_pair);
ZRPC_WIRE_CONTRACT_MAP(ZRPC_WIRE_CONTRACT_DECLARE, , )

#define ZRPC_WIRE_CONTRACT_DEFINE(t, make, fn, text) \
    static void t##_##fn(void)                       \
    {                                                \
        zrpc_contract_##fn(make);                    \
    }
#define ZRPC_WIRE_CONTRACT_ROW(t, make, fn, text) {#t ": " text, t##_##fn},

#define ZRPC_WIRE_CONTRACT(t, make) ZRPC_WIRE_CONTRACT_MAP(ZRPC_WIRE_CONTRACT_DEFINE, t, make)
#define ZRPC_WIRE_CONTRACT_ROWS(t)  ZRPC_WIRE_CONTRACT_MAP(ZRPC_WIRE_CONTRACT_ROW, t, )

/* The wires of a pair must hold less than 1 MiB between them, or writers would not block: this limits a
 * socket's buffers. */
void zrpc_limit_buffers(int fd);
/* For other tests: the next connection, not yet authenticated; false, and the test has failed, if none can be
 * had. */
bool zrpc_accept_next(struct zrpc_listener *l, struct zrpc_accepted *out);
/* For other tests: until the thread with this id (gettid) sleeps in the kernel; fails the test after 20 s. */
void zrpc_wait_blocked(int tid);

#endif
