/*
 * Content of simulated filesystems: an extent is a run of bytes that its seed alone decides, so any part of
 * it can be made, and checked, at any time and in constant memory. And the checksum that streams carry.
 */
#ifndef SIM_ZFS_CONTENT_H
#define SIM_ZFS_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zrpc_sim_extent {
    uint64_t seed;
    uint64_t length; /* bytes */
};

/* Mixes 64 bits so that every bit of the result depends on every bit of x (splitmix64's finaliser). */
uint64_t zrpc_sim_mix(uint64_t x);

/* The bytes [offset, offset + len) of an extent with this seed. */
void zrpc_sim_content_fill(uint64_t seed, uint64_t offset, void *out, size_t len);
/* Whether data is what zrpc_sim_content_fill() would have made. */
bool zrpc_sim_content_equal(uint64_t seed, uint64_t offset, const void *data, size_t len);

/* ZFS's fletcher-4 over little-endian 32-bit words, fed in pieces of any length. All-zero is the start. */
struct zrpc_sim_fletcher4 {
    uint64_t sum[4];
    uint8_t held[4]; /* the bytes of a word that is not complete yet */
    unsigned n_held;
};

void zrpc_sim_fletcher4_update(struct zrpc_sim_fletcher4 *f, const void *data, size_t len);

#endif
