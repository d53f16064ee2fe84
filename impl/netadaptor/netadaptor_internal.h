/*
 * The two halves of netadaptor: netadaptor.c accepts and stops, netconn.c sees one connection through.
 */
#ifndef ZRPC_NETADAPTOR_INTERNAL_H
#define ZRPC_NETADAPTOR_INTERNAL_H

#include <pthread.h>

#include "netadaptor/loglimit.h"
#include "zrpc/netadaptor.h"

struct zrpc_netadaptor_conn {
    struct zrpc_netconn base;
    struct zrpc_netadaptor *adaptor;
    struct zrpc_accepted accepted;
    void (*on_stop)(void *ctx, zrpc_time deadline); /* guarded by the adaptor's lock, as all below */
    void *on_stop_ctx;
    struct zrpc_netadaptor_conn *next, **link;
};

struct zrpc_netadaptor_listener {
    struct zrpc_listener *listener; /* NULL: it broke */
    zrpc_time resume;               /* until then it pauses */
    zrpc_time pause;                /* how long the next time */
    struct zrpc_loglimit lines;     /* about accept(2) */
};

struct zrpc_netadaptor {
    struct zrpc_netadaptor_options options;
    struct zrpc_netadaptor_listener listeners[ZRPC_NETADAPTOR_LISTENERS_MAX];
    size_t n_listeners;
    int stop_fd;  /* readable: stop was called */
    int ended_fd; /* readable: a connection has ended */
    struct zrpc_cancel stopping;
    struct zrpc_cancel cancel; /* the grace period is over */

    pthread_mutex_t lock; /* guards what follows */
    struct zrpc_netadaptor_conn *connections;
    unsigned n_connections;
    zrpc_time stop_deadline;    /* ZRPC_NEVER: not stopping */
    struct zrpc_loglimit lines; /* about connections */
};

/* Takes over an accepted connection: authenticates and serves it in a thread of its own. */
void zrpc_netadaptor_start(struct zrpc_netadaptor *a, const struct zrpc_accepted *accepted);
/* One line about a connection, within the limit. `peer` and `identity` may be NULL. */
void zrpc_netadaptor_log(struct zrpc_netadaptor *a, const struct zrpc_log *to, const char *msg,
                         const char *peer, const char *identity, int code, const struct zrpc_error *err);

#endif
