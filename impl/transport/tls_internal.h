/*
 * The tls transport's parts: what a listener or dialer shares with its wires, and the wires.
 */
#ifndef ZRPC_TRANSPORT_TLS_INTERNAL_H
#define ZRPC_TRANSPORT_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "zrpc/transport_tls.h"

/* Kept by its listener or dialer and by each wire: a connection may outlive its listener. Constant once made,
 * but for the count. */
struct zrpc_tls_context {
    atomic_int refs;
    SSL_CTX *ctx;
    int keylog_fd; /* -1: none */
    zrpc_time handshake_timeout;
    char *server_cn;   /* what the server's certificate must be for; NULL on the passive side */
    char **client_cns; /* NULL on the active side */
    size_t n_client_cns;
};

/* server_cn tells the sides apart: NULL for the passive one. *out has one reference. */
int zrpc_tls_context_new(const struct zrpc_tls_files *files, const char *server_cn,
                         struct zrpc_tls_context **out, struct zrpc_error *err);
/* Copies the names; ZRPC_ERR_USAGE for one that is no identity. */
int zrpc_tls_context_admit(struct zrpc_tls_context *c, const char *const *client_cns, size_t n,
                           struct zrpc_error *err);
struct zrpc_tls_context *zrpc_tls_context_ref(struct zrpc_tls_context *c);
void zrpc_tls_context_unref(struct zrpc_tls_context *c);

#define ZRPC_TLS_RECORD_MAX 16384 /* plaintext bytes */

struct zrpc_tls_wire {
    struct zrpc_wire base;
    struct zrpc_tls_context *context;
    int fd;
    atomic_bool shut_down;
    pthread_mutex_t lock; /* guards all below: a reader and a writer may be here at once */
    SSL *ssl;
    short events[2];    /* by enum zrpc_direction: what the last call that was not ready waits for */
    bool read_starved;  /* nothing complete is left in memory */
    bool write_closing; /* close_notify has been begun */
    bool write_closed;
    bool at_eof;
    struct zrpc_error failed; /* the connection's end, for all calls after it; code 0 before */
    size_t sealed;            /* bytes of `record` that were taken, and are in a record not sent whole */
    uint8_t record[ZRPC_TLS_RECORD_MAX];
    char refusal[256]; /* what is wrong with the peer's certificate */
    char description[96];
};

/* Takes the connected socket, and a reference of its own to the context; on failure the socket is still the
 * caller's. The handshake is still to be done. */
int zrpc_tls_wire_new(struct zrpc_tls_context *context, int fd, struct zrpc_tls_wire **out,
                      struct zrpc_error *err);
/* Blocks until done or `deadline`. */
int zrpc_tls_handshake(struct zrpc_tls_wire *w, zrpc_time deadline, const struct zrpc_cancel *cancel,
                       struct zrpc_error *err);

/* Of the TLS library's error queue (which is emptied) and errno, after a call that answered `ssl_error`:
 * fills *err with "WHAT: reason". */
int zrpc_tls_fail(struct zrpc_tls_wire *w, int ssl_error, int errnum, const char *what,
                  struct zrpc_error *err);

#endif
