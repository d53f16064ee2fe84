/*
 * The two byte types: a borrowed view and an owned, growable buffer.
 *
 * Decoders borrow views and never allocate; buffers are appended at the back and consumed at the front, so
 * one serves as an output queue as well. Numbers on the wire are big-endian (ZR-FRAME-001).
 */
#ifndef ZRPC_BYTES_H
#define ZRPC_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "zrpc/error.h"

struct zrpc_view {
    const uint8_t *data;
    size_t len;
};

struct zrpc_buf {
    uint8_t *base; /* the allocation, NULL when empty */
    size_t off;    /* first live byte */
    size_t len;    /* live bytes */
    size_t cap;    /* allocated bytes */
};

static inline struct zrpc_view zrpc_view(const void *data, size_t len)
{
    return (struct zrpc_view){.data = data, .len = len};
}

static inline struct zrpc_view zrpc_view_of(const char *text)
{
    return zrpc_view(text, strlen(text));
}

/* Drops the first n bytes of *v (n <= v->len) and returns a view of them. */
static inline struct zrpc_view zrpc_view_take(struct zrpc_view *v, size_t n)
{
    struct zrpc_view front = {.data = v->data, .len = n};

    if (n > 0)
        v->data += n;
    v->len -= n;
    return front;
}

bool zrpc_view_equal(struct zrpc_view a, struct zrpc_view b);
/* Length of the well-formed UTF-8 sequence that v begins with (1 to 4); 0 if there is none. */
size_t zrpc_utf8_sequence(struct zrpc_view v);
/* The same, but 0 also for a character that is not shown but acts, on a terminal or on a line of text:
 * controls (C0, DEL, C1), line and paragraph separators, overrides of the direction of writing. */
size_t zrpc_utf8_printable(struct zrpc_view v);
/* The code point of the sequence that v begins with; U+FFFD if there is none. */
uint32_t zrpc_utf8_code(struct zrpc_view v);
/* Well-formed UTF-8 (no surrogates, no overlong forms); the empty view is. */
bool zrpc_utf8_valid(struct zrpc_view v);
/* The longest prefix of v, at most `max` bytes, that does not end inside a UTF-8 sequence. */
struct zrpc_view zrpc_utf8_prefix(struct zrpc_view v, size_t max);

/* Makes it UTF-8: every byte that belongs to no well-formed sequence becomes '?'. */
void zrpc_utf8_repair(uint8_t *text, size_t len);

static inline uint32_t zrpc_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static inline void zrpc_put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

/* An all-zero zrpc_buf is a valid empty one. */
void zrpc_buf_dispose(struct zrpc_buf *b);
/* Makes room for n more bytes at the back. Fails with ZRPC_ERR_NOMEM and leaves the buffer as it was. */
int zrpc_buf_reserve(struct zrpc_buf *b, size_t n, struct zrpc_error *err);
/* v must not point into the buffer. */
int zrpc_buf_append(struct zrpc_buf *b, struct zrpc_view v, struct zrpc_error *err);
/* Replaces the content by a peer's text, as zrpc_fail() would keep it but whole: repaired, without newlines
 * at the end, and as a string: zeros within become '?', the one behind it does not count. */
int zrpc_buf_set_text(struct zrpc_buf *b, struct zrpc_view text, struct zrpc_error *err);
/* Drops n live bytes at the front (n <= b->len). An emptied buffer keeps its allocation. */
void zrpc_buf_consume(struct zrpc_buf *b, size_t n);
/* Drops all bytes, keeps the allocation. */
void zrpc_buf_clear(struct zrpc_buf *b);

/* Valid until the buffer is next changed. */
static inline struct zrpc_view zrpc_buf_view(const struct zrpc_buf *b)
{
    return zrpc_view(b->base == NULL ? NULL : b->base + b->off, b->len);
}

#endif
