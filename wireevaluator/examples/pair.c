/*
 * A transport as a shared object: the library's own pair of wires, for a start of your own.
 *
 *     cc -shared -fPIC $(pkg-config --cflags zrpc) -o pair.so pair.c $(pkg-config --libs zrpc)
 *     wireevaluator certify --shared-object ./pair.so
 */
#include <stdlib.h>
#include <zrpc/transport.h>
#include <zrpc/wireevaluator.h>

static int open_pair(struct zrpc_evaluated *t, zrpc_time deadline, struct zrpc_wire *out[2],
                     struct zrpc_error *err)
{
    (void)t;
    (void)deadline;
    return zrpc_local_pair(out, err);
}

static void close_transport(struct zrpc_evaluated *t)
{
    free(t);
}

static const struct zrpc_evaluated_ops ops = {
    .name = "pair", .open_pair = open_pair, .close = close_transport};

int zrpc_wireevaluator_transport(unsigned abi, const char *argument, struct zrpc_evaluated **out,
                                 struct zrpc_error *err)
{
    (void)argument;
    if (abi != ZRPC_WIREEVALUATOR_ABI)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "made for version %d of the interface", ZRPC_WIREEVALUATOR_ABI);
    *out = malloc(sizeof **out);
    if (*out == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "pair: no memory");
    (*out)->ops = &ops;
    return 0;
}
