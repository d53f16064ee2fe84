/*
 * The microbenchmark's parts: one request on a plain TCP connection, without handshake and label.
 */
#ifndef ZRPC_CMD_BENCHMARK_H
#define ZRPC_CMD_BENCHMARK_H

#include <stdbool.h>

#include "zrpc/dataconn.h"
#include "zrpc/transport.h"

struct benchmark {
    const char *address;
    const char *direction; /* "send", "recv": as the client sees it */
    bool noop_reader, noop_writer;
    bool profile;
    uint64_t bytes; /* of a no-op reader; 0: without end */
    uint64_t rounds;
    struct noop_source *noop; /* state of this process's no-op reader */
};

/* Serves connections, one after the other, without end. */
int benchmark_server(struct benchmark *b, struct zrpc_listener *l, struct zrpc_error *err);
int benchmark_client(struct benchmark *b, struct zrpc_error *err);
/* Loopback: the protocol against a plain write/read loop, in turn, memory to memory; prints both rates, their
 * ratio and the resident memory. */
int benchmark_compare(struct benchmark *b, struct zrpc_error *err);

/* Only from this machine. */
int benchmark_listen(const char *address, struct zrpc_listener **out, struct zrpc_error *err);

#endif
