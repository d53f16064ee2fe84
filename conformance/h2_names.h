/*
 * HTTP/2's words: names of frames, flags, settings and errors; and the messages behind a gRPC path.
 */
#ifndef ZRPC_CONFORMANCE_H2_NAMES_H
#define ZRPC_CONFORMANCE_H2_NAMES_H

#include <nghttp2/nghttp2.h>
#include <protobuf-c/protobuf-c.h>

#include "conformance/text.h"

#define ZRPC_H2_HEADER_LEN 9
#define ZRPC_H2_PREFACE    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

struct zrpc_h2_header_of_frame {
    uint32_t length;
    uint8_t type, flags;
    uint32_t stream;
};

struct zrpc_h2_header_of_frame zrpc_h2_frame_decode(const uint8_t bytes[static ZRPC_H2_HEADER_LEN]);
void zrpc_h2_frame_encode(struct zrpc_h2_header_of_frame h, uint8_t out[static ZRPC_H2_HEADER_LEN]);

/* The content of a DATA or HEADERS frame without padding and priority. False: these do not fit into it. */
bool zrpc_h2_content(struct zrpc_h2_header_of_frame h, struct zrpc_view *payload);

/* "HEADERS stream 1 END_HEADERS", "SETTINGS ACK", "type 0x42 stream 0 flags 0x01". */
void zrpc_h2_add_frame(struct zrpc_buf *text, struct zrpc_h2_header_of_frame h);
/* "ENHANCE_YOUR_CALM", "error 0x99". */
void zrpc_h2_add_error(struct zrpc_buf *text, uint32_t code);
/* "HEADER_TABLE_SIZE=4096, 0x1234=5". */
void zrpc_h2_add_settings(struct zrpc_buf *text, struct zrpc_view payload);

/* Of /Replication/..., or NULL. */
const ProtobufCMethodDescriptor *zrpc_h2_method_of(struct zrpc_view path);

#endif
