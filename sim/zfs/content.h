/*
 * Content of simulated filesystems: an extent is a run of bytes that its seed alone decides, so any part of
 * it can be made, and checked, at any time and in constant memory. And the checksum that streams carry.
 */
#ifndef SIM_ZFS_CONTENT_H
#define SIM_ZFS_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zrpc/error.h"

#define ZRPC_SIM_EXTENTS_MAX 4096                /* of a filesystem, and so of a stream */
#define ZRPC_SIM_CONTENT_MAX (UINT64_C(1) << 60) /* bytes, of a filesystem */

struct zrpc_sim_extent {
    uint64_t seed;
    uint64_t length; /* bytes */
};

struct zrpc_sim_extents {
    struct zrpc_sim_extent *items;
    size_t len, cap;
    uint64_t length; /* of all together, bytes */
};

/* All-zero is valid and empty. ZRPC_ERR_LIMIT beyond the two limits above; an extent of no bytes is dropped.
 */
int zrpc_sim_extents_push(struct zrpc_sim_extents *l, struct zrpc_sim_extent extent, struct zrpc_error *err);
void zrpc_sim_extents_dispose(struct zrpc_sim_extents *l);

/* Mixes 64 bits so that every bit of the result depends on every bit of x (splitmix64's finaliser). */
uint64_t zrpc_sim_mix(uint64_t x);

/* The bytes [offset, offset + len) of an extent with this seed. */
void zrpc_sim_content_fill(uint64_t seed, uint64_t offset, void *out, size_t len);
/* Whether data is what zrpc_sim_content_fill() would have made. */
bool zrpc_sim_content_equal(uint64_t seed, uint64_t offset, const void *data, size_t len);

/* The same for an extent's blocks, in which zeros follow its end. */
void zrpc_sim_extent_fill(struct zrpc_sim_extent e, uint64_t offset, void *out, size_t len);
bool zrpc_sim_extent_equal(struct zrpc_sim_extent e, uint64_t offset, const void *data, size_t len);

/* ZFS's fletcher-4 over 32-bit words, fed in pieces of any length. All-zero is the start. */
struct zrpc_sim_fletcher4 {
    uint64_t sum[4];
    bool swapped;    /* the words are big-endian, not little-endian */
    uint8_t held[4]; /* the bytes of a word that is not complete yet */
    unsigned n_held;
};

void zrpc_sim_fletcher4_update(struct zrpc_sim_fletcher4 *f, const void *data, size_t len);

#endif
