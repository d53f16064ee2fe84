/*
 * The microbenchmark's parts: one request on a connection without handshake and label. It is a plain TCP one;
 * a comparison may be made over TLS, too.
 */
#ifndef ZRPC_CMD_BENCHMARK_H
#define ZRPC_CMD_BENCHMARK_H

#include <stdbool.h>

#include "zrpc/dataconn.h"
#include "zrpc/transport.h"

struct benchmark_transport;

struct benchmark {
    const struct benchmark_transport *transport;
    const char *address;
    const char *direction; /* "send", "recv": as the client sees it */
    bool noop_reader, noop_writer;
    bool profile;
    uint64_t bytes; /* of a no-op reader; 0: without end */
    uint64_t rounds;
    struct noop_source *noop; /* state of this process's no-op reader */
};

/* The plain loops' calls move as much at a time as the protocol's frames do. */
#define BENCHMARK_CHUNK ZRPC_STREAM_PAYLOAD_MAX

struct benchmark_transport {
    const char *name;
    int (*listen)(const struct benchmark *b, const char *address, struct zrpc_listener **out,
                  struct zrpc_error *err); /* only from this machine */
    int (*dialer)(const struct benchmark *b, struct zrpc_dialer **out, struct zrpc_error *err);
    /* The loop that the protocol is compared with. Its server serves until it is killed. */
    int (*plain_server)(struct benchmark *b, struct zrpc_listener *l, struct zrpc_error *err);
    int (*plain_client)(struct benchmark *b, struct zrpc_error *err);
};

extern const struct benchmark_transport benchmark_tcp, benchmark_tls;

/* Before and after any use of benchmark_tls: a certificate of its own, for both sides, in a temporary
 * directory.
 */
int benchmark_tls_begin(struct zrpc_error *err);
void benchmark_tls_end(void);

/* Serves connections, one after the other, without end. */
int benchmark_server(struct benchmark *b, struct zrpc_listener *l, struct zrpc_error *err);
int benchmark_client(struct benchmark *b, struct zrpc_error *err);
/* Loopback: the protocol against the transport's plain loop, in turn, memory to memory; prints both rates,
 * their ratio and the resident memory. */
int benchmark_compare(struct benchmark *b, struct zrpc_error *err);

#endif
