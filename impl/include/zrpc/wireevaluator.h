/*
 * What wireevaluator certifies: a transport, as something that opens pairs of joined wires.
 *
 * This is also the interface for shared objects (wireevaluator certify --shared-object FILE). One includes
 * this header, implements the vtables here and in zrpc/wire.h, and exports zrpc_wireevaluator_transport(). It
 * may link libzrpc for zrpc_fail() and the like; the evaluator lends it nothing.
 *
 * Each case runs in a process of its own, forked after zrpc_wireevaluator_transport() and before the first
 * open_pair: so start threads, listen and spawn in open_pair, not earlier.
 */
#ifndef ZRPC_WIREEVALUATOR_H
#define ZRPC_WIREEVALUATOR_H

#include "zrpc/wire.h"

#define ZRPC_WIREEVALUATOR_ABI 2 /* changes with this header or with zrpc/wire.h */

struct zrpc_evaluated;

struct zrpc_evaluated_ops {
    const char *name; /* "tcp" */
    /* out[0] is the connecting side's end, out[1] the serving side's. May be called again while earlier pairs
     * are open. At most until `deadline`. */
    int (*open_pair)(struct zrpc_evaluated *t, zrpc_time deadline, struct zrpc_wire *out[2],
                     struct zrpc_error *err);
    /* Optional. Makes an end of either side vanish as if its process or host had died, and closes it:
     * nothing may tell the peer that the byte stream ended in order. NULL: closing it with bytes unread does
     * that. */
    void (*vanish)(struct zrpc_evaluated *t, struct zrpc_wire *end);
    /* For the certificate: the configuration, in lines; NULL if there is none. Lives as long as t. */
    const char *(*configuration)(const struct zrpc_evaluated *t);
    void (*close)(struct zrpc_evaluated *t);
};

/* Transports embed this as their first member. */
struct zrpc_evaluated {
    const struct zrpc_evaluated_ops *ops;
};

/* What a shared object exports. `argument` is the text of --argument, "" without it. Fails with
 * ZRPC_ERR_USAGE for an ABI that is not ZRPC_WIREEVALUATOR_ABI. */
int zrpc_wireevaluator_transport(unsigned abi, const char *argument, struct zrpc_evaluated **out,
                                 struct zrpc_error *err);

#endif
