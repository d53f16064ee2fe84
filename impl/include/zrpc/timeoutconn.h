/*
 * timeoutconn: deadlines and blocking calls on any Wire.
 *
 * Each direction has its own deadline, which any thread may change at any time, also under a blocked call,
 * which then obeys the new one (ZR-WIRE-*). A call that ends with ZRPC_ERR_TIMEOUT says how much it moved
 * before; nothing that was transferred is lost, and a later deadline makes the direction usable again.
 */
#ifndef ZRPC_TIMEOUTCONN_H
#define ZRPC_TIMEOUTCONN_H

#include <stddef.h>

#include "zrpc/wire.h"

struct zrpc_timeoutconn;

/* Takes ownership of the wire, also on failure. */
int zrpc_timeoutconn_new(struct zrpc_wire *wire, struct zrpc_timeoutconn **out, struct zrpc_error *err);
/* Closes the wire too. No thread may be in a call. */
void zrpc_timeoutconn_close(struct zrpc_timeoutconn *c);
/* Gives the wire back and frees the rest: for handing a connection on after the handshake. */
struct zrpc_wire *zrpc_timeoutconn_release(struct zrpc_timeoutconn *c);

/* A point in time (zrpc_now() based) or ZRPC_NEVER, the initial state. A call that has not got its bytes by
 * then, or is made after, ends with ZRPC_ERR_TIMEOUT. Close_write counts as a write. */
void zrpc_timeoutconn_set_deadline(struct zrpc_timeoutconn *c, enum zrpc_direction dir, zrpc_time deadline);
/* Calls end with ZRPC_ERR_CANCELLED once the flag is raised. Borrowed; while no thread is in a call. */
void zrpc_timeoutconn_set_cancel(struct zrpc_timeoutconn *c, const struct zrpc_cancel *cancel);
/* From any thread: makes all present and future calls fail with ZRPC_ERR_CANCELLED. */
void zrpc_timeoutconn_cancel(struct zrpc_timeoutconn *c);

/* At least one byte, at most len (> 0): returns the number, 0 at end of file, or a negative code. */
ssize_t zrpc_timeoutconn_read(struct zrpc_timeoutconn *c, void *buf, size_t len, struct zrpc_error *err);
ssize_t zrpc_timeoutconn_readv(struct zrpc_timeoutconn *c, const struct iovec *iov, int n,
                               struct zrpc_error *err);
/* Exactly len bytes. *done (may be NULL) is how many arrived. End of file before that is ZRPC_ERR_END. */
int zrpc_timeoutconn_read_full(struct zrpc_timeoutconn *c, void *buf, size_t len, size_t *done,
                               struct zrpc_error *err);
/* All bytes. *done (may be NULL) is how many the wire took. */
int zrpc_timeoutconn_write(struct zrpc_timeoutconn *c, const void *buf, size_t len, size_t *done,
                           struct zrpc_error *err);
int zrpc_timeoutconn_writev(struct zrpc_timeoutconn *c, const struct iovec *iov, int n, size_t *done,
                            struct zrpc_error *err);
int zrpc_timeoutconn_close_write(struct zrpc_timeoutconn *c, struct zrpc_error *err);

#endif
