/*
 * Transport mux (proto/SPEC.md, ZR-MUX-*): the client's first 64 bytes after the handshake say what the
 * connection is for.
 */
#ifndef ZRPC_TRANSPORTMUX_H
#define ZRPC_TRANSPORTMUX_H

#include "zrpc/bytes.h"
#include "zrpc/clock.h"
#include "zrpc/timeoutconn.h"

#define ZRPC_LABEL_LEN                64
#define ZRPC_LABEL_CONTROL            "zrepl_control"
#define ZRPC_LABEL_DATA               "zrepl_data"
#define ZRPC_LABEL_TIMEOUT_DEFAULT    (10 * ZRPC_SECOND)
#define ZRPC_LABEL_TIMEOUT_SERVER_ENV "ZREPL_TRANSPORT_DEMUX_TIMEOUT"
#define ZRPC_LABEL_TIMEOUT_CLIENT_ENV "ZREPL_TRANSPORT_MUX_TIMEOUT"

enum zrpc_label { ZRPC_CONTROL, ZRPC_DATA, ZRPC_LABEL_COUNT };

/* "zrepl_control", "zrepl_data". */
const char *zrpc_label_name(enum zrpc_label label);
void zrpc_label_encode(enum zrpc_label label, uint8_t out[static ZRPC_LABEL_LEN]);
/* ZRPC_ERR_LABEL (ZR-MUX-006, ZR-MUX-007) for one that is unknown, not zero-padded, or padded with anything
 * else; *err shows it escaped.
 */
int zrpc_label_decode(const uint8_t in[static ZRPC_LABEL_LEN], enum zrpc_label *out, struct zrpc_error *err);

/* Passive and active side over a timeoutconn, within `deadline`; deadlines are ZRPC_NEVER afterwards. */
int zrpc_transportmux_read(struct zrpc_timeoutconn *conn, zrpc_time deadline, enum zrpc_label *out,
                           struct zrpc_error *err);
int zrpc_transportmux_write(struct zrpc_timeoutconn *conn, zrpc_time deadline, enum zrpc_label label,
                            struct zrpc_error *err);

#endif
