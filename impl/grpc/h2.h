/*
 * What both ends of a gRPC connection do alike: the nghttp2 session, its output, keepalive, GOAWAY.
 */
#ifndef ZRPC_GRPC_H2_H
#define ZRPC_GRPC_H2_H

#include <nghttp2/nghttp2.h>

#include "zrpc/bytes.h"
#include "zrpc/keepalive.h"

#define H2_CONNECTION_WINDOW (4 << 20) /* bytes a peer may send ahead */
#define H2_OUTPUT_CHUNK      65536 /* output is filled up to here, so that a slow peer costs no more memory */
#define H2_GOAWAY_TEXT_MAX   128
/* What a peer may do in one second, beyond which it only wants to keep us busy. */
#define H2_CHATTER_MAX    1000 /* frames that carry no call ... */
#define H2_CHATTER_CREDIT 4    /* ... not counting that many for each frame that does, either way */
#define H2_TINY           64   /* bytes of a DATA frame below which it serves little */
#define H2_RESETS_MAX     500  /* streams that a client resets, or makes us reset */
#define H2_QUEUE_MAX      4096 /* a server's frames that wait to be sent, DATA aside: the client does not read */

/* The payload of our PINGs, in its first byte. */
enum h2_ping { H2_PING_KEEPALIVE = 1, H2_PING_SHUTDOWN };

struct h2 {
    nghttp2_session *ng;
    bool server;
    struct zrpc_buf output;
    uint64_t bytes_queued, bytes_sent; /* ever */
    struct zrpc_keepalive keepalive;
    zrpc_time now;             /* of the call under way */
    struct zrpc_error failure; /* we ended the connection with an error; code 0: we have not */
    bool final_goaway_sent;    /* with the id of the last stream */
    unsigned chatter, resets;  /* of this second ... */
    zrpc_time second;          /* ... which began then */
    zrpc_time sent_at;         /* when the wire last took of the output, or there was none */
    /* the peer's GOAWAY */
    bool goaway_received;
    uint32_t goaway_error;
    char goaway_text[H2_GOAWAY_TEXT_MAX];
};

struct h2_config {
    bool server;
    void *user_data;                                  /* of the callbacks */
    void (*callbacks)(nghttp2_session_callbacks *cb); /* adds the role's own */
    const nghttp2_settings_entry *settings;
    size_t n_settings;
    const struct zrpc_keepalive_config *keepalive;
};

/* Queues SETTINGS and widens the window. */
int zrpc_h2_init(struct h2 *h, const struct h2_config *config, zrpc_time now, struct zrpc_error *err);
void zrpc_h2_dispose(struct h2 *h);

/* Called by the role's own callbacks for every frame. */
void zrpc_h2_frame_received(struct h2 *h, const nghttp2_frame *frame);
void zrpc_h2_frame_sent(struct h2 *h, const nghttp2_frame *frame);

int zrpc_h2_input(struct h2 *h, zrpc_time now, struct zrpc_view in, struct zrpc_error *err);
/* Fills the output. The view is empty when there is nothing to send; then a failure of ours is reported. */
int zrpc_h2_output(struct h2 *h, struct zrpc_view *out, struct zrpc_error *err);
void zrpc_h2_sent(struct h2 *h, size_t n);
int zrpc_h2_keepalive(struct h2 *h, zrpc_time now, bool calls_open, struct zrpc_error *err);
int zrpc_h2_ping(struct h2 *h, enum h2_ping kind, struct zrpc_error *err);
/* Announces the last stream, and holds to it: a stream that came before this went out would count as refused
 * for the peer although it is being served. */
int zrpc_h2_final_goaway(struct h2 *h, struct zrpc_error *err);
/* Nothing is left to read or to send. */
bool zrpc_h2_ended(const struct h2 *h);
/* " (after GOAWAY ENHANCE_YOUR_CALM: too_many_pings)", or "" where none came. */
#define H2_GOAWAY_DESCRIPTION_MAX (H2_GOAWAY_TEXT_MAX + 64)
const char *zrpc_h2_goaway_description(const struct h2 *h, char out[static H2_GOAWAY_DESCRIPTION_MAX]);
/* nghttp2's code, as an error. */
int zrpc_h2_fail(struct zrpc_error *err, ssize_t nghttp2_code, const char *what);

#define H2_HEADER(name_, value_, len_, flags_)                                                  \
    {                                                                                           \
        .name = (uint8_t *)(name_), .namelen = sizeof(name_) - 1, .value = (uint8_t *)(value_), \
        .valuelen = (len_), .flags = (flags_)                                                   \
    }
/* A header whose name and value are literals. */
#define H2_LITERAL(name_, value_) \
    H2_HEADER(name_, value_, sizeof(value_) - 1, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE)

#endif
