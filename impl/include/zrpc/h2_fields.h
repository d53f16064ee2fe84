/*
 * The fields of HTTP/2 messages: what makes a request, a response or its trailers malformed by RFC 9113,
 * sections 8.1 to 8.3 (proto/SPEC.md, ZR-H2-021 to ZR-H2-024). Sans-I/O, without memory of its own; names and
 * values are borrowed for the call.
 *
 *     zrpc_h2_fields_init(&f);                            a message begins
 *     zrpc_h2_fields_begin(&f, ZRPC_H2_REQUEST);          a header block: take each field, then end it
 *     zrpc_h2_fields_take(&f, name, value);
 *     zrpc_h2_fields_end(&f, end_stream);
 *     zrpc_h2_fields_content(&f, len, end_stream);        each DATA frame, or part of one
 *     zrpc_h2_fields_begin(&f, ZRPC_H2_TRAILERS); ...
 *
 * Each returns false from the first flaw on, which f.flaw names. Two things honest peers send are no flaw
 * here, although the RFC calls them one: any :authority (ZR-H2-013), and blanks at the ends of a
 * grpc-message, whose encoding leaves them as they are.
 */
#ifndef ZRPC_H2_FIELDS_H
#define ZRPC_H2_FIELDS_H

#include "zrpc/bytes.h"

enum zrpc_h2_section {
    ZRPC_H2_REQUEST = 1,
    ZRPC_H2_RESPONSE = 2, /* informational ones too: one after the other */
    ZRPC_H2_TRAILERS = 4,
};

struct zrpc_h2_fields {
    const char *flaw; /* "a pseudo-header field twice", static; NULL: none */
    /* of the section under way, or the last one */
    enum zrpc_h2_section section;
    unsigned seen;   /* a bit for each field that is known here */
    bool regular;    /* the pseudo-header fields are over */
    bool connect;    /* the method is CONNECT */
    unsigned status; /* of a response: 100 to 999 */
    /* of the message */
    bool has_length;          /* a content-length came */
    uint64_t length, content; /* it, and what has come of the content */
};

void zrpc_h2_fields_init(struct zrpc_h2_fields *f);
void zrpc_h2_fields_begin(struct zrpc_h2_fields *f, enum zrpc_h2_section section);
bool zrpc_h2_fields_take(struct zrpc_h2_fields *f, struct zrpc_view name, struct zrpc_view value);
bool zrpc_h2_fields_end(struct zrpc_h2_fields *f, bool end_stream);
bool zrpc_h2_fields_content(struct zrpc_h2_fields *f, size_t len, bool end_stream);

#endif
