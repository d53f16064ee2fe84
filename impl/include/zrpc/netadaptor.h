/*
 * netadaptor: from listeners to authenticated connections, the way into every server (proto/SPEC.md, ZR-ID-*,
 * ZR-SRV-*).
 *
 *     rc = zrpc_netadaptor_new(&options, &adaptor, &err);
 *     rc = zrpc_netadaptor_add(adaptor, listener, &err);         for each listener
 *     rc = zrpc_netadaptor_run(adaptor, &err);                   until zrpc_netadaptor_stop(adaptor)
 *     zrpc_netadaptor_free(adaptor);
 *
 * What `serve` can rely on: its client is authenticated, the thread is the connection's own, and what one
 * client does or leaves undone delays no other. Accepting outlives whatever accept(2) fails with, and pauses
 * where only time helps. Every connection that is refused or fails is one line in the log, up to a rate that
 * no flood of connections exceeds; lines left out are counted in the next one.
 */
#ifndef ZRPC_NETADAPTOR_H
#define ZRPC_NETADAPTOR_H

#include "zrpc/log.h"
#include "zrpc/wire.h"

#define ZRPC_NETADAPTOR_LISTENERS_MAX       16
#define ZRPC_NETADAPTOR_CONNECTIONS_DEFAULT 1024u
#define ZRPC_NETADAPTOR_GRACE_DEFAULT       (10 * ZRPC_SECOND)

/* One authenticated connection, valid until `serve` returns. */
struct zrpc_netconn {
    struct zrpc_wire *wire;           /* serve's to close, in every case */
    const char *identity;             /* the client's, by the transport */
    const char *peer;                 /* printable address, for logs */
    const struct zrpc_cancel *stop;   /* raised from stop on: begin nothing new */
    const struct zrpc_cancel *cancel; /* raised once the grace period is over: end now */
    const struct zrpc_log *log; /* where its failure is logged: the adaptor's, unless serve sets another */
};

struct zrpc_netadaptor_options {
    /* Serves one connection, in its thread, and closes its wire. A failure is logged. */
    int (*serve)(void *ctx, struct zrpc_netconn *conn, struct zrpc_error *err);
    void *ctx;
    unsigned max_connections;       /* further ones are closed at once; 0: the default */
    zrpc_time authenticate_timeout; /* 0: only the transport's own (tls: its handshake_timeout) */
    zrpc_time grace;                /* how long connections may go on after stop */
    const struct zrpc_log *log;     /* optional */
};

struct zrpc_netadaptor;

int zrpc_netadaptor_new(const struct zrpc_netadaptor_options *options, struct zrpc_netadaptor **out,
                        struct zrpc_error *err);
/* Before run. Takes ownership of the listener, also on failure. */
int zrpc_netadaptor_add(struct zrpc_netadaptor *a, struct zrpc_listener *l, struct zrpc_error *err);
/* Accepts until stopped; then closes the listeners, waits for the connections, at most the grace period, and
 * cancels what is left. Returns when every connection has ended: 0, or ZRPC_ERR_CLOSED where the last
 * listener broke, ZRPC_ERR_SYSTEM. Once only. */
int zrpc_netadaptor_run(struct zrpc_netadaptor *a, struct zrpc_error *err);
/* Async-signal-safe, from any thread. The second call ends the grace period. */
void zrpc_netadaptor_stop(struct zrpc_netadaptor *a);
/* After run has returned, or without it. NULL is allowed. */
void zrpc_netadaptor_free(struct zrpc_netadaptor *a);

/* While serve is busy with something that a stop has to end or to hurry: `on_stop` is called with what may go
 * on until when, from another thread or, where a stop came before, from this call; again when the grace
 * period ends early. It must not block. NULL: there is nothing any more; no call is under way when this
 * returns. */
void zrpc_netconn_on_stop(struct zrpc_netconn *conn, void (*on_stop)(void *ctx, zrpc_time deadline),
                          void *ctx);

/* *out = *log with the connection's identity and peer as fields; log may be NULL. */
void zrpc_netconn_log(const struct zrpc_netconn *conn, const struct zrpc_log *log, struct zrpc_log *out);

#endif
