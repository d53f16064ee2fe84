/*
 * Transports: constructors of wires, listeners and dialers. Everything returned is owned by the caller and
 * released with its `close`.
 */
#ifndef ZRPC_TRANSPORT_H
#define ZRPC_TRANSPORT_H

#include "zrpc/wire.h"

#define ZRPC_DIAL_TIMEOUT_DEFAULT (10 * ZRPC_SECOND) /* ZR-TCP-*; 0 means none */

/* Two descriptors as a wire named `name` (a string that outlives it): takes ownership of both (they may be
 * equal: a socket) and makes them non-blocking and close-on-exec. Sockets half-close with shutdown(2), pipes
 * by closing the write end. A write to a vanished reader is ZRPC_ERR_RESET, never SIGPIPE. ZRPC_WIRE_SPLICE
 * where both are sockets. On failure the descriptors are still the caller's. */
int zrpc_wire_from_fds(const char *name, int read_fd, int write_fd, struct zrpc_wire **out,
                       struct zrpc_error *err);

/* tcp. `address` is HOST:PORT, [IPV6]:PORT, [IPV6%ZONE]:PORT or :PORT (listening: every address of the host,
 * IPv4 and IPv6, as does [::]:PORT; dialling: the host itself). PORT is a number or a service's name. */
struct zrpc_tcp_client { /* one entry of the `clients` map (ZR-TCP-*) */
    /* As text: IPv4 or IPv6; IPv4-mapped IPv6 equals IPv4. With %ZONE (an interface's name or index) it is
     * for clients on that link only, and wins over the same address without. As IP/PREFIX or IP/PREFIX%ZONE
     * it is for all addresses of that range; the longest prefix wins. */
    const char *ip;
    /* For a range with one '*', which the client's address replaces: "10.1.2.3", "fe80::1-eth0". */
    const char *identity;
};

/* Copies the map. Fails with ZRPC_ERR_USAGE naming a bad or repeated entry, ZRPC_ERR_RESOLVE, or
 * ZRPC_ERR_LISTEN. */
int zrpc_tcp_listen(const char *address, const struct zrpc_tcp_client *clients, size_t n,
                    struct zrpc_listener **out, struct zrpc_error *err);
/* Checks the form of `address` only (ZRPC_ERR_USAGE). Dialling resolves names anew each time and tries all
 * addresses: ZRPC_ERR_RESOLVE, ZRPC_ERR_DIAL, ZRPC_ERR_TIMEOUT. */
int zrpc_tcp_dialer(const char *address, zrpc_time dial_timeout, struct zrpc_dialer **out,
                    struct zrpc_error *err);

/* local: listeners by name inside one process (ZR-LOCAL-*). Listening on a name in use fails with
 * ZRPC_ERR_LISTEN. Dialling waits until somebody listens and accepts; ZRPC_ERR_TIMEOUT after dial_timeout. */
int zrpc_local_listen(const char *listener_name, struct zrpc_listener **out, struct zrpc_error *err);
int zrpc_local_dialer(const char *listener_name, const char *client_identity, zrpc_time dial_timeout,
                      struct zrpc_dialer **out, struct zrpc_error *err);

/* A connected pair of wires inside this process. */
int zrpc_local_pair(struct zrpc_wire *out[2], struct zrpc_error *err);

/* An endpoint as the tools take it to a dialer: "tcp:HOST:PORT", "local:IDENTITY@LISTENER", or "config:FILE",
 * what the connect section of a file in zrepl's syntax says (zrpc/config.h); then dial_timeout is the file's.
 */
int zrpc_dialer_parse(const char *endpoint, zrpc_time dial_timeout, struct zrpc_dialer **out,
                      struct zrpc_error *err);

#endif
