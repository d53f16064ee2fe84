/*
 * Protocol buffers for people: SendReq{Filesystem: "pool/a", To: "@1", DryRun: true}. Fields at their default
 * are left out, as they are on the wire.
 */
#ifndef ZRPC_CONFORMANCE_PBTEXT_H
#define ZRPC_CONFORMANCE_PBTEXT_H

#include <protobuf-c/protobuf-c.h>

#include "conformance/text.h"

void zrpc_pbtext_add(struct zrpc_buf *text, const ProtobufCMessage *msg);
/* Decodes first; bytes that do not decode are shown as such. */
void zrpc_pbtext_add_encoded(struct zrpc_buf *text, const ProtobufCMessageDescriptor *descriptor,
                             struct zrpc_view encoded);

#endif
