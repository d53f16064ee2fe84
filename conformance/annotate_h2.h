/*
 * Annotating a control connection: HTTP/2 frames with names, headers decoded, gRPC messages as text.
 *
 * It explains and never judges: header blocks that do not decode are shown as bytes, and so is every later
 * one of that direction, whose meaning depends on them.
 */
#ifndef ZRPC_CONFORMANCE_ANNOTATE_H2_H
#define ZRPC_CONFORMANCE_ANNOTATE_H2_H

#include "conformance/h2_names.h"

#define ZRPC_ANNOTATE_CALLS 256 /* whose messages are decoded; older ones are shown as bytes */

/* What the two directions of a connection learn from each other. All-zero is a new one. */
struct zrpc_annotate_h2_shared {
    struct {
        uint32_t stream;
        const ProtobufCMethodDescriptor *method;
    } calls[ZRPC_ANNOTATE_CALLS];
    unsigned next_call;
    uint32_t table_size[2]; /* that the active, the passive side allows; 0: not said */
};

/* One direction. All-zero is a new one. */
struct zrpc_annotate_h2 {
    nghttp2_hd_inflater *inflater;
    bool lost;             /* a header block did not decode */
    struct zrpc_buf block; /* header block under way */
    uint32_t message_stream;
    struct zrpc_buf message; /* gRPC message under way, its first bytes */
};

void zrpc_annotate_h2_dispose(struct zrpc_annotate_h2 *h);
/* A frame of the active or the passive side; `payload` may be its first bytes only. Appends the frame's name
 * and what it says; *fold is what makes frames alike. */
void zrpc_annotate_h2_frame(struct zrpc_annotate_h2 *h, struct zrpc_annotate_h2_shared *shared, bool active,
                            struct zrpc_h2_header_of_frame frame, struct zrpc_view payload,
                            struct zrpc_buf *text, struct zrpc_buf *detail, uint32_t *fold);

#endif
