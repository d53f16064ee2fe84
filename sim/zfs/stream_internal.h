/*
 * What writer and reader of the stream share: the records' form.
 */
#ifndef SIM_ZFS_STREAM_INTERNAL_H
#define SIM_ZFS_STREAM_INTERNAL_H

#include "sim/zfs/stream.h"

#define ZRPC_SIM_MAGIC         UINT64_C(0x7a73696d53454e44) /* "zsimSEND" */
#define ZRPC_SIM_VERSION       1u
#define ZRPC_SIM_INCREMENTAL   1u
#define ZRPC_SIM_RECORD_EXTENT 1u
#define ZRPC_SIM_RECORD_END    2u
#define ZRPC_SIM_CHECKSUM_SIZE 32u

static inline void zrpc_sim_put_u64(uint8_t *p, uint64_t v)
{
    zrpc_put_u32(p, (uint32_t)(v >> 32));
    zrpc_put_u32(p + 4, (uint32_t)v);
}

static inline uint64_t zrpc_sim_get_u64(const uint8_t *p)
{
    return (uint64_t)zrpc_get_u32(p) << 32 | zrpc_get_u32(p + 4);
}

/* Zero bytes after content, up to the next record. */
static inline uint64_t zrpc_sim_padding(uint64_t length)
{
    return (8 - length % 8) % 8;
}

#endif
