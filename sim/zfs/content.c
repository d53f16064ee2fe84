#include "content.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

uint64_t zrpc_sim_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Word i of an extent; on any host the same bytes. */
static inline uint64_t word(uint64_t seed, uint64_t i)
{
    return htole64(zrpc_sim_mix(seed + (i + 1) * GOLDEN));
}

/* The part of a word at offset that len asks for, into out. Returns its length. */
static size_t part(uint64_t seed, uint64_t offset, uint8_t *out, size_t len)
{
    uint64_t w = word(seed, offset / 8);
    size_t skip = offset % 8, n = 8 - skip < len ? 8 - skip : len;

    memcpy(out, (const uint8_t *)&w + skip, n);
    return n;
}

void zrpc_sim_content_fill(uint64_t seed, uint64_t offset, void *out, size_t len)
{
    uint8_t *at = out;
    uint64_t x;

    if (offset % 8 != 0 && len > 0) {
        size_t n = part(seed, offset, at, len);

        at += n, offset += n, len -= n;
    }
    x = seed + offset / 8 * GOLDEN;
    for (; len >= 8; at += 8, offset += 8, len -= 8) {
        uint64_t w = htole64(zrpc_sim_mix(x += GOLDEN));

        memcpy(at, &w, 8);
    }
    if (len > 0)
        part(seed, offset, at, len);
}

/* Whole words, from the first word's x on. */
static bool words_equal(uint64_t x, const uint8_t *data, size_t n_words)
{
    uint64_t difference = 0;

    for (size_t i = 0; i < n_words; i++) {
        uint64_t w;

        memcpy(&w, data + 8 * i, 8);
        difference |= w ^ htole64(zrpc_sim_mix(x + (i + 1) * GOLDEN));
    }
    return difference == 0;
}

bool zrpc_sim_content_equal(uint64_t seed, uint64_t offset, const void *data, size_t len)
{
    const uint8_t *at = data;
    size_t n = (8 - offset % 8) % 8;
    uint8_t expected[8];

    if (n > len)
        n = len;
    zrpc_sim_content_fill(seed, offset, expected, n);
    if (memcmp(expected, at, n) != 0 || !words_equal(seed + (offset + n) / 8 * GOLDEN, at + n, (len - n) / 8))
        return false;
    n += (len - n) / 8 * 8;
    zrpc_sim_content_fill(seed, offset + n, expected, len - n);
    return memcmp(expected, at + n, len - n) == 0;
}

/* How much of [offset, offset + len) lies within the extent. */
static size_t within(struct zrpc_sim_extent e, uint64_t offset, size_t len)
{
    uint64_t left = offset < e.length ? e.length - offset : 0;

    return len < left ? len : (size_t)left;
}

void zrpc_sim_extent_fill(struct zrpc_sim_extent e, uint64_t offset, void *out, size_t len)
{
    size_t n = within(e, offset, len);

    zrpc_sim_content_fill(e.seed, offset, out, n);
    memset((uint8_t *)out + n, 0, len - n);
}

bool zrpc_sim_extent_equal(struct zrpc_sim_extent e, uint64_t offset, const void *data, size_t len)
{
    size_t n = within(e, offset, len);
    const uint8_t *at = data;

    if (!zrpc_sim_content_equal(e.seed, offset, data, n))
        return false;
    for (; n < len; n++)
        if (at[n] != 0)
            return false;
    return true;
}

int zrpc_sim_extents_push(struct zrpc_sim_extents *l, struct zrpc_sim_extent extent, struct zrpc_error *err)
{
    struct zrpc_sim_extent *grown;
    size_t cap;

    if (extent.length == 0)
        return 0;
    if (l->len >= ZRPC_SIM_EXTENTS_MAX)
        return zrpc_fail(err, ZRPC_ERR_LIMIT, "out of space: more than %d extents", ZRPC_SIM_EXTENTS_MAX);
    if (extent.length > ZRPC_SIM_CONTENT_MAX - l->length)
        return zrpc_fail(err, ZRPC_ERR_LIMIT, "out of space: more than 2^60 bytes");
    if (l->len == l->cap) {
        cap = l->cap == 0 ? 4 : 2 * l->cap;
        grown = reallocarray(l->items, cap, sizeof *grown);
        if (grown == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for %zu extents", cap);
        l->items = grown;
        l->cap = cap;
    }
    l->items[l->len++] = extent;
    l->length += extent.length;
    return 0;
}

void zrpc_sim_extents_dispose(struct zrpc_sim_extents *l)
{
    free(l->items);
    *l = (struct zrpc_sim_extents){0};
}
