/*
 * Both sides of TLS for tests: certificates of every kind, clients and servers that use them, and clients
 * that are OpenSSL's own.
 */
#ifndef ZRPC_TESTING_TLS_PEERS_H
#define ZRPC_TESTING_TLS_PEERS_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "zrpc/transport_tls.h"

/* Makes the certificates in zrpc_test_dir(); 0, or -1 after printing why. By "ca": server and client, which
 * are server1 and client1; server-san, server-san-only; stranger, slash, nameless, expired, future;
 * intermediate and its grandchild. By nobody whom they trust: other-ca, forged, self-signed. */
int tls_peers_make(void);
/* The files of one of them; valid until eight more calls. */
struct zrpc_tls_files tls_files_of(const char *ca, const char *name);

extern const char *const tls_client_cns[2];

/* Admits tls_client_cns. */
struct zrpc_listener *tls_listen_with(const char *ca, const char *name, zrpc_time handshake_timeout);
/* HOST:PORT */
const char *tls_host_port(const struct zrpc_listener *l);

/* A dialer in a thread of its own, since both sides take part in a handshake. */
struct tls_dial {
    struct zrpc_dialer *dialer;
    struct zrpc_wire *wire;
    struct zrpc_error err;
    int rc;
    pthread_t thread;
};

/* One connection between a listener and a client with the certificate `client`. */
struct tls_meeting {
    struct zrpc_accepted accepted;
    struct zrpc_error server_err;
    int server_rc;
    struct tls_dial client;
};

void tls_meet(struct tls_meeting *m, struct zrpc_listener *l, const char *client, const char *server_cn);
void tls_part(struct tls_meeting *m);

/* The accepted end is authenticated, the other one is OpenSSL's `*ssl`. */
int tls_meet_raw(struct zrpc_listener *l, int max_version, SSL **ssl, struct zrpc_accepted *accepted,
                 struct zrpc_error *err);
void tls_raw_free(SSL *ssl);

/* Sockets connected to HOST:PORT: one that says nothing, one that says a ClientHello and no more. */
int tls_plain_connect(const char *address);
int tls_half_handshake(const char *address);

#endif
