/*
 * Resume tokens, as `zfs get receive_resume_token` shows them and `zfs send -t` takes them:
 *
 *     1-CHECKSUM-SIZE-PAYLOAD
 *
 * in hexadecimal. The payload is an nvlist in its native packed form (nvlist.h), SIZE bytes long, compressed
 * by zlib; CHECKSUM is the first word of the fletcher-4 of the compressed bytes. Keys: fromguid (incremental
 * streams only), object, offset, bytes, toguid, toname.
 */
#ifndef SIM_ZFS_TOKEN_H
#define SIM_ZFS_TOKEN_H

#include "sim/zfs/sendstream.h"

#define ZRPC_TOKEN_MAX 4096 /* characters; a longer one is corrupt */

struct zrpc_token {
    char toname[ZRPC_ZFS_NAME_MAX]; /* FS@SNAPSHOT, as the sender knows it */
    uint64_t to_guid;
    uint64_t from_guid; /* 0: a full stream */
    struct zrpc_sendstream_point point;
};

/* Appends the token, with its terminating zero. */
int zrpc_token_encode(const struct zrpc_token *t, struct zrpc_buf *out, struct zrpc_error *err);
/* Tokens come from peers: anything may be in one. ZRPC_ERR_ZFS "resume token is corrupt (...)". A toname that
 * passes is FS@SNAPSHOT of names that zfs allows. */
int zrpc_token_decode(const char *text, struct zrpc_token *out, struct zrpc_error *err);
/* Appends what `zfs send -nvt` prints of it, without a terminating zero: "resume token contents:\nnvlist
 * version: 0\n\tobject = 0x1\n...". Fails as decode does. */
int zrpc_token_print(const char *text, struct zrpc_buf *out, struct zrpc_error *err);

#endif
