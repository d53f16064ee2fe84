/*
 * Version handshake (proto/SPEC.md, ZR-HS-*): both sides write their banner at once and read the other's.
 *
 * The codec and the state machine are sans-I/O; zrpc_versionhandshake_run() drives one over a timeoutconn.
 */
#ifndef ZRPC_VERSIONHANDSHAKE_H
#define ZRPC_VERSIONHANDSHAKE_H

#include "zrpc/bytes.h"
#include "zrpc/clock.h"
#include "zrpc/timeoutconn.h"

#define ZRPC_PROTOCOL_VERSION             1
#define ZRPC_PROTOCOL_VERSION_MAX         9999
#define ZRPC_BANNER_BODY_MAX              65536 /* bytes after the length and its space; more is refused unread */
#define ZRPC_BANNER_EXTENSIONS_MAX        9998
#define ZRPC_HANDSHAKE_TIMEOUT_DEFAULT    (10 * ZRPC_SECOND)
#define ZRPC_HANDSHAKE_TIMEOUT_CLIENT_ENV "ZREPL_RPC_CLIENT_VERSIONHANDSHAKE_TIMEOUT"
#define ZRPC_HANDSHAKE_TIMEOUT_SERVER_ENV "ZREPL_RPC_SERVER_VERSIONHANDSHAKE_TIMEOUT"

struct zrpc_banner {
    unsigned version;
    const struct zrpc_view *extensions; /* borrowed; each UTF-8 without newline */
    size_t n_extensions;
};

/* Appends the banner's bytes (ZR-HS-001 to 006). ZRPC_ERR_USAGE for a banner that must not be sent. */
int zrpc_banner_encode(const struct zrpc_banner *banner, struct zrpc_buf *out, struct zrpc_error *err);

/* Reads a banner from bytes in any portions and never takes a byte beyond its end (ZR-HS-008, ZR-HS-009). The
 * body is kept only as it arrives, so a peer's declared length allocates nothing. */
struct zrpc_banner_reader {
    uint8_t prefix[11]; /* ten digits and the space */
    size_t have;        /* of prefix */
    size_t body_len;    /* known when the prefix is whole */
    struct zrpc_buf body;
    unsigned version;      /* valid when done */
    unsigned n_extensions; /* valid when done */
};

void zrpc_banner_reader_init(struct zrpc_banner_reader *r);
void zrpc_banner_reader_dispose(struct zrpc_banner_reader *r);
/* Takes from *in what belongs to the banner. 1: whole and valid; 0: more is needed; ZRPC_ERR_HANDSHAKE
 * (ZR-HS-011 to 016, 025, 026), ZRPC_ERR_NOMEM. */
int zrpc_banner_reader_feed(struct zrpc_banner_reader *r, struct zrpc_view *in, struct zrpc_error *err);
/* How many more bytes can be read now without reading past the banner; 0 when it is whole. */
size_t zrpc_banner_reader_wants(const struct zrpc_banner_reader *r);

/* One side of the exchange. */
struct zrpc_versionhandshake {
    struct zrpc_buf output; /* what is still to be sent; consume what the wire took */
    struct zrpc_banner_reader reader;
    unsigned version; /* ours */
    bool received;
};

int zrpc_versionhandshake_init(struct zrpc_versionhandshake *hs, unsigned version, struct zrpc_error *err);
void zrpc_versionhandshake_dispose(struct zrpc_versionhandshake *hs);
/* 1: the peer's banner is whole and the versions are equal; 0: more; ZRPC_ERR_HANDSHAKE; ZRPC_ERR_VERSION
 * (naming both). */
int zrpc_versionhandshake_feed(struct zrpc_versionhandshake *hs, struct zrpc_view *in,
                               struct zrpc_error *err);

/* The whole exchange within `deadline`, reading nothing past the peer's banner. Resets both deadlines to
 * ZRPC_NEVER when it ends. ZRPC_ERR_TIMEOUT, ZRPC_ERR_END, ... as the wire gives them, besides the above. */
int zrpc_versionhandshake_run(struct zrpc_timeoutconn *conn, zrpc_time deadline, struct zrpc_error *err);

#endif
