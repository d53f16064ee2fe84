/*
 * Transfers: what cases on streams share. A receive into the target, with content that it takes; the stream
 * itself is the case's to send, right or wrong.
 */
#ifndef ZRPC_CONFORMANCE_TRANSFER_H
#define ZRPC_CONFORMANCE_TRANSFER_H

#include "conformance/exchange.h"

#define ZRPC_STREAM_TYPE 5

struct zrpc_transfer {
    struct zrpc_run *run;
    struct zrpc_peer *peer;
    struct zrpc_offer offer; /* with a filesystem nobody used before */
    struct zrpc_view content;
    zrpc_time patience; /* for the answer: promptly, unless the case says otherwise */
};

/* Content that the offer's receive takes: `size` bytes where any will do, else the stream of send.full or of
 * a file. False when the run is decided. */
bool zrpc_transfer_content(struct zrpc_run *run, const struct zrpc_offer *offer, size_t size,
                           struct zrpc_view *out);
/* Gets the content, opens a data connection and sends the request. */
bool zrpc_transfer_begin(struct zrpc_run *run, enum zrpc_offer_id id, size_t size, struct zrpc_transfer *t);

/* HANDLER OK and a ReceiveRes, and the end of the connection; and, where the offer says how (`to`), the
 * target sends back what it received. */
void zrpc_transfer_expect_received(struct zrpc_transfer *t);
/* A handler error or the end of the connection; and, where the offer says how, nothing remained. */
void zrpc_transfer_expect_failed(struct zrpc_transfer *t);

/* The whole of a send on a fresh connection: request, answer (within `patience`), complete stream, shutdown.
 */
void zrpc_transfer_send(struct zrpc_run *run, const struct zrpc_offer *offer, zrpc_time patience,
                        struct zrpc_stream_seen *out, struct zrpc_buf *keep);

#endif
