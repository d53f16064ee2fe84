/*
 * TCP sockets for the transports that run on TCP (tcp, tls): addresses, connecting within a time, listening,
 * accepting. All descriptors are non-blocking and close-on-exec, without Nagle's delay.
 */
#ifndef ZRPC_TRANSPORT_TCP_SOCKET_H
#define ZRPC_TRANSPORT_TCP_SOCKET_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "zrpc/wire.h"

#define ZRPC_TCP_HOST_MAX 256 /* including the terminating zero */
#define ZRPC_TCP_PORT_MAX 32

struct zrpc_tcp_address {
    char host[ZRPC_TCP_HOST_MAX]; /* without brackets; empty: this host */
    char port[ZRPC_TCP_PORT_MAX]; /* a number up to 65535 or a service's name */
};

/* HOST:PORT, [IPV6]:PORT, [IPV6%ZONE]:PORT, :PORT; ZRPC_ERR_USAGE for anything else. */
int zrpc_tcp_address_parse(const char *text, struct zrpc_tcp_address *out, struct zrpc_error *err);

/* Resolves (ZRPC_ERR_RESOLVE) and connects to the first address that answers: ZRPC_ERR_DIAL with the last
 * one's failure, ZRPC_ERR_TIMEOUT at `deadline`, ZRPC_ERR_CANCELLED. Addresses share the time left evenly.
 * *out is a connected socket. */
int zrpc_tcp_connect(const struct zrpc_tcp_address *address, zrpc_time deadline,
                     const struct zrpc_cancel *cancel, int *out, struct zrpc_error *err);

/* After a connect for a dialer with that address ("tcp:HOST:PORT"): puts "dial ADDRESS: " in front of a text
 * that does not name it itself. Returns `code`. */
int zrpc_tcp_dial_failed(const char *address, int code, struct zrpc_error *err);

/* A listening socket with SO_REUSEADDR. ZRPC_ERR_RESOLVE, ZRPC_ERR_LISTEN. */
int zrpc_tcp_bind(const struct zrpc_tcp_address *address, int *out, struct zrpc_error *err);

/* Next connection: ZRPC_ERR_AGAIN, and the others of zrpc_listener_ops.accept. */
int zrpc_tcp_accept(int listener, int *out, struct sockaddr_storage *peer, struct zrpc_error *err);

/* "PREFIX:1.2.3.4:80", "PREFIX:[fe80::1%eth0]:80"; an IPv4-mapped address shows as IPv4. Returns out. */
const char *zrpc_tcp_format(const char *prefix, const struct sockaddr_storage *address,
                            char out[static ZRPC_ADDRESS_MAX]);
/* The same for the address that a socket is bound to. */
int zrpc_tcp_local_address(const char *prefix, int fd, char out[static ZRPC_ADDRESS_MAX],
                           struct zrpc_error *err);

/* getaddrinfo(3) within `deadline`; the result is freed with freeaddrinfo(3). It cannot be interrupted, so it
 * has a thread of its own, which is left behind at the deadline or when cancelled. ZRPC_ERR_RESOLVE,
 * ZRPC_ERR_TIMEOUT, ZRPC_ERR_CANCELLED, ZRPC_ERR_NOMEM. */
struct addrinfo;
int zrpc_resolve(const struct zrpc_tcp_address *address, int flags, zrpc_time deadline,
                 const struct zrpc_cancel *cancel, struct addrinfo **out, struct zrpc_error *err);

#endif
