/*
 * What writer and reader of send streams share: the records' form and the stream's geometry.
 *
 * Records here are little-endian. A record of the other byte order is turned over before anyone looks at it.
 */
#ifndef SIM_ZFS_DRR_H
#define SIM_ZFS_DRR_H

#include "little.h"
#include "sendstream.h"

enum zrpc_drr_type {
    ZRPC_DRR_BEGIN,
    ZRPC_DRR_OBJECT,
    ZRPC_DRR_FREEOBJECTS,
    ZRPC_DRR_WRITE,
    ZRPC_DRR_FREE,
    ZRPC_DRR_END,
    ZRPC_DRR_TYPES,
};

#define ZRPC_DRR_MAGIC    UINT64_C(0x2f5bacbac)
#define ZRPC_DRR_CHECKSUM 280u /* where it stands; in all records but BEGIN */
#define ZRPC_DRR_BONUS    16u  /* bytes: seed, length */
#define ZRPC_DRR_BUFFER   (ZRPC_SENDSTREAM_RECORD_SIZE + ZRPC_SENDSTREAM_PAYLOAD_MAX)

/* Fields that are looked at, by their offset. */
#define ZRPC_DRR_PAYLOADLEN     4u
#define ZRPC_DRR_BEGIN_MAGIC    8u
#define ZRPC_DRR_BEGIN_VERSION  16u
#define ZRPC_DRR_BEGIN_CREATION 24u
#define ZRPC_DRR_BEGIN_TYPE     32u
#define ZRPC_DRR_BEGIN_TOGUID   40u
#define ZRPC_DRR_BEGIN_FROMGUID 48u
#define ZRPC_DRR_BEGIN_TONAME   56u
#define ZRPC_DRR_OBJECT_OBJECT  8u

/* Of a volume's BEGIN; a filesystem's is one less. */
#define ZRPC_DRR_VOLUME 3u

/* What a reader is at. */
enum zrpc_reader_state {
    ZRPC_READER_IN_RECORD,
    ZRPC_READER_BEGUN, /* the record behind BEGIN is complete, and waits for the caller to feed on, ... */
    ZRPC_READER_AWAITS_RESUME, /* ... or to resume */
    ZRPC_READER_IN_BLOCK,
    ZRPC_READER_ENDED,
    ZRPC_READER_FAILED,
};

/* drr_versioninfo: the kind of stream, and above it the features. */
#define ZRPC_DRR_SUBSTREAM 1u
#define ZRPC_DRR_RESUMING  (UINT64_C(1) << 20)

/*
 * Records, and what comes behind BEGIN and OBJECT; checksums are left zero. All return the bytes made.
 */
size_t zrpc_drr_begin(const struct zrpc_sendstream *s, uint8_t out[static ZRPC_DRR_BUFFER]);
size_t zrpc_drr_object(const struct zrpc_sendstream_begin *b, uint64_t object, struct zrpc_sim_extent e,
                       uint8_t out[static ZRPC_DRR_BUFFER]);
/* What lies behind the extent's last block. */
size_t zrpc_drr_free(const struct zrpc_sendstream_begin *b, uint64_t object, struct zrpc_sim_extent e,
                     uint8_t out[static ZRPC_DRR_BUFFER]);
size_t zrpc_drr_write(const struct zrpc_sendstream_begin *b, uint64_t object, uint64_t offset,
                      uint32_t block_size, uint8_t out[static ZRPC_DRR_BUFFER]);
size_t zrpc_drr_freeobjects(const struct zrpc_sendstream_begin *b, uint64_t first, uint64_t n,
                            uint8_t out[static ZRPC_DRR_BUFFER]);
size_t zrpc_drr_end(const struct zrpc_sendstream_begin *b, const uint64_t sum[static 4],
                    uint8_t out[static ZRPC_DRR_BUFFER]);
/* Turns a record over, from one byte order to the other; of an unknown type, only what all records have. */
void zrpc_drr_swap(uint32_t type, uint8_t record[static ZRPC_SENDSTREAM_RECORD_SIZE]);

uint32_t zrpc_drr_block_size(struct zrpc_sim_extent e);
uint64_t zrpc_drr_blocks(struct zrpc_sim_extent e);

static inline uint64_t zrpc_drr_end_of(struct zrpc_sim_extent e)
{
    return zrpc_drr_blocks(e) * zrpc_drr_block_size(e);
}

/* FREEOBJECTS at the start: object 0. */
static inline bool zrpc_drr_has_head(const struct zrpc_sendstream *s)
{
    return s->begin.from_guid == 0 && !s->resumed && s->extents.len > 0;
}

/* FREEOBJECTS at the end: how many objects, from *first on; 0: there is none. */
uint64_t zrpc_drr_tail(const struct zrpc_sendstream *s, uint64_t *first);
/* Where a resumed stream begins, and any other: an extent, and how much of it the receiver has. False: the
 * point is not in the stream. */
bool zrpc_drr_locate(const struct zrpc_sendstream *s, size_t *extent, uint64_t *offset);
/* The bytes of the whole stream, as if it were not resumed, before the records of this extent. */
uint64_t zrpc_drr_position(const struct zrpc_sendstream *s, size_t extent);

static inline bool zrpc_drr_is_start(struct zrpc_sendstream_point p)
{
    return p.object == ZRPC_SENDSTREAM_FIRST_OBJECT && p.offset == 0;
}

#endif
