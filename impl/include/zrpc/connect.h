/*
 * Active side's way onto a wire: dial, version handshake, label.
 */
#ifndef ZRPC_CONNECT_H
#define ZRPC_CONNECT_H

#include "zrpc/transportmux.h"
#include "zrpc/wire.h"

struct zrpc_connect_options {
    zrpc_time handshake_timeout; /* ZR-HS-*; 0: none */
    zrpc_time label_timeout;     /* ZR-MUX-*; 0: none */
};

/* Defaults, or what the environment says (zrpc/versionhandshake.h, zrpc/transportmux.h). ZRPC_ERR_USAGE
 * naming the variable that is no duration. */
int zrpc_connect_options_env(struct zrpc_connect_options *options, struct zrpc_error *err);

/* A wire that carries what `label` says from its next byte on. Errors name the address. At most until
 * `deadline`, whatever the timeouts of the steps, and no longer than until cancelled, in whatever step. */
int zrpc_connect(struct zrpc_dialer *dialer, enum zrpc_label label,
                 const struct zrpc_connect_options *options, zrpc_time deadline,
                 const struct zrpc_cancel *cancel, struct zrpc_wire **out, struct zrpc_error *err);

#endif
