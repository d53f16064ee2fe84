/*
 * Helpers over protobuf-c: allocation with malloc, and decoding that checks what protobuf-c does not.
 */
#ifndef ZRPC_PB_H
#define ZRPC_PB_H

#include <protobuf-c/protobuf-c.h>

#include "zrpc/bytes.h"

#define ZRPC_PB_DEPTH_MAX 100 /* messages inside messages that decoding goes along with */

/* *field = copy of text, freeing what a former call put there (but never protobuf-c's shared empty string).
 */
int zrpc_pb_set_string(char **field, const char *text, struct zrpc_error *err);
/* Appends the message's encoding. ZRPC_ERR_MESSAGE for strings that are not UTF-8: a peer would refuse them.
 */
int zrpc_pb_encode(const ProtobufCMessage *msg, struct zrpc_buf *out, struct zrpc_error *err);
/* ZRPC_ERR_MESSAGE for invalid protobuf or strings that are not UTF-8 or hold a zero byte, which protobuf-c
 * would pass on or cut; ZRPC_ERR_NOMEM. Free the result with protobuf_c_message_free_unpacked(msg, NULL). */
int zrpc_pb_decode(const ProtobufCMessageDescriptor *descriptor, struct zrpc_view in, ProtobufCMessage **out,
                   struct zrpc_error *err);

#endif
