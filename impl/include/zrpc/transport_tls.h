/*
 * tls: TLS 1.2 and up on TCP, both sides with certificates (ZR-TLS-*).
 *
 * Half-close is close_notify, then TCP's; the end of the TCP stream without close_notify is
 * ZRPC_ERR_TLS_TRUNCATED, never the end of file. Closing a wire that was not half-closed, aborted
 * (zrpc_wire_shutdown) or broken sends close_notify if it can do so without waiting. Kernel TLS is used where
 * the kernel offers it for the cipher. Secrets are appended to the file that ZREPL_KEYLOG_FILE names (read
 * when a listener or dialer is made), in the format of NSS.
 *
 * One lock for each wire is held during each record's (16 KiB) work, so both directions may be driven by
 * threads of their own. A record that the socket takes only in part counts as written; the rest goes out with
 * the next call on the wire, reading included, and zrpc_wire_wait() for either direction says when. Records
 * are begun only where the socket has room, so this is rare.
 */
#ifndef ZRPC_TRANSPORT_TLS_H
#define ZRPC_TRANSPORT_TLS_H

#include <stddef.h>

#include "zrpc/wire.h"

#define ZRPC_TLS_HANDSHAKE_TIMEOUT_DEFAULT (10 * ZRPC_SECOND) /* ZR-TLS-007; 0 means none */

/* PEM files. `ca` holds the certificates that the peer's must descend from, or be. `cert` begins with this
 * side's own, intermediate ones follow; `key` is its private key, not encrypted. */
struct zrpc_tls_files {
    const char *ca, *cert, *key;
};

/* Reads the files as a listener or dialer would, keeps nothing: ZRPC_ERR_USAGE names the first bad one and
 * why. Those that are NULL are left out; a key without its certificate is only read. */
int zrpc_tls_files_check(const struct zrpc_tls_files *files, struct zrpc_error *err);

/* An accepted wire's `authenticate` does the handshake, within `handshake_timeout`, and takes the common name
 * of the client's leaf certificate for its identity: ZRPC_ERR_REFUSED_IDENTITY if it is not in `client_cns`,
 * ZRPC_ERR_TLS if the handshake fails (its text says what is wrong with the certificate), ZRPC_ERR_TIMEOUT.
 * `address` is as for tcp. Copies its arguments. ZRPC_ERR_USAGE, ZRPC_ERR_RESOLVE, ZRPC_ERR_LISTEN. */
int zrpc_tls_listen(const char *address, const struct zrpc_tls_files *files, const char *const *client_cns,
                    size_t n, zrpc_time handshake_timeout, struct zrpc_listener **out,
                    struct zrpc_error *err);

/* The server's certificate must be for `server_cn`: one of its DNS names (or IP addresses, where server_cn is
 * one) or, where it has no DNS name, its common name. Dialling includes the handshake: as tcp's, and
 * ZRPC_ERR_TLS. That the server refused this side's certificate shows when first reading, with TLS 1.3. */
int zrpc_tls_dialer(const char *address, const struct zrpc_tls_files *files, const char *server_cn,
                    zrpc_time dial_timeout, struct zrpc_dialer **out, struct zrpc_error *err);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384", with " (kernel)" appended where the kernel encrypts. For a wire whose
 * handshake is done; the text lives as long as the wire. NULL for wires of other transports. */
const char *zrpc_tls_describe(struct zrpc_wire *wire);

#endif
