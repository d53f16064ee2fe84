/*
 * Greetings: banners to send, right and wrong ones, and a strict eye on the target's.
 */
#ifndef ZRPC_CONFORMANCE_GREETING_H
#define ZRPC_CONFORMANCE_GREETING_H

#include "conformance/peer.h"

#define ZRPC_GREETING_MAX 80 /* a banner without extensions and its terminating zero */

/* The 67 bytes of ZR-HS-006 for that version. Returns out. */
const char *zrpc_greeting_plain(unsigned version, char out[static ZRPC_GREETING_MAX]);
/* Appends a banner whose body is this, with the length it has. */
void zrpc_greeting_put_body(struct zrpc_buf *out, struct zrpc_view body);

/* NULL for a valid banner of that version; else what is wrong with it, and *requirement, whom it violates. */
const char *zrpc_greeting_flaw(struct zrpc_view banner, unsigned version, const char **requirement);

/* The target's banner, whole and valid, within that time: kept in p->banner. */
void zrpc_expect_banner(struct zrpc_peer *p, zrpc_time within);
/* The same, or the end of the connection before it is whole: a target that refuses ours may reset its own
 * away. */
void zrpc_expect_banner_or_end(struct zrpc_peer *p, zrpc_time within);

#endif
