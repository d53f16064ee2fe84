#include "drr.h"

#include "nvlist.h"

#define RECORD            ZRPC_SENDSTREAM_RECORD_SIZE
#define BLOCK_MIN         512u
#define OBJECTS_PER_BLOCK 32u /* dnodes in a block of them */

/* Types of objects and object sets. */
#define OT_PLAIN_FILE   19u
#define OT_ZVOL         23u
#define OT_UINT64       26u
#define CHECKSUM_OFF    2u
#define FLAG_FREERECORD (1u << 2)
#define FLAG_SPILL      (1u << 3)

uint32_t zrpc_drr_block_size(struct zrpc_sim_extent e)
{
    if (e.length >= ZRPC_SENDSTREAM_BLOCK_MAX)
        return ZRPC_SENDSTREAM_BLOCK_MAX;
    return ((uint32_t)e.length + BLOCK_MIN - 1) / BLOCK_MIN * BLOCK_MIN;
}

uint64_t zrpc_drr_blocks(struct zrpc_sim_extent e)
{
    uint32_t size = zrpc_drr_block_size(e);

    return size == 0 ? 0 : (e.length + size - 1) / size;
}

uint64_t zrpc_drr_tail(const struct zrpc_sendstream *s, uint64_t *first)
{
    if (s->extents.len > 0)
        *first = s->first_object + s->extents.len;
    else if (s->begin.from_guid == 0)
        *first = s->resumed ? 1 : 0;
    else
        return 0;
    return *first % OBJECTS_PER_BLOCK == 0 && *first > 0 ? 0 : OBJECTS_PER_BLOCK - *first % OBJECTS_PER_BLOCK;
}

bool zrpc_drr_locate(const struct zrpc_sendstream *s, size_t *extent, uint64_t *offset)
{
    uint64_t at = s->point.object - s->first_object;
    struct zrpc_sim_extent e;

    *extent = 0;
    *offset = 0;
    if (!s->resumed || zrpc_drr_is_start(s->point))
        return true;
    if (s->point.object < s->first_object || at >= s->extents.len)
        return false;
    e = s->extents.items[at];
    *extent = (size_t)at;
    *offset = s->point.offset;
    return *offset % zrpc_drr_block_size(e) == 0 && *offset < e.length;
}

uint64_t zrpc_drr_position(const struct zrpc_sendstream *s, size_t extent)
{
    uint64_t total = s->begin.from_guid == 0 && s->extents.len > 0 ? 2 * RECORD : RECORD;

    for (size_t i = 0; i < extent; i++) {
        struct zrpc_sim_extent e = s->extents.items[i];

        total += 2 * RECORD + ZRPC_DRR_BONUS + zrpc_drr_blocks(e) * RECORD + zrpc_drr_end_of(e);
    }
    return total;
}

static size_t make(uint8_t *out, enum zrpc_drr_type type, size_t payload_len)
{
    memset(out, 0, RECORD);
    zrpc_put_le32(out, type);
    return RECORD + payload_len;
}

static size_t resume_payload(struct zrpc_sendstream_point p, uint8_t *out)
{
    uint8_t packed[ZRPC_NVLIST_PACKED_MAX];
    struct zrpc_nvlist l = {.len = 0};
    size_t len;

    zrpc_nvlist_put_uint64(&l, "resume_object", p.object, NULL);
    zrpc_nvlist_put_uint64(&l, "resume_offset", p.offset, NULL);
    len = zrpc_nvlist_pack(&l, packed);
    memcpy(out, packed, len);
    return len;
}

size_t zrpc_drr_begin(const struct zrpc_sendstream *s, uint8_t out[static ZRPC_DRR_BUFFER])
{
    const struct zrpc_sendstream_begin *b = &s->begin;
    uint64_t features = s->resumed ? ZRPC_DRR_RESUMING : 0;
    size_t payload_len = s->resumed ? resume_payload(s->point, out + RECORD) : 0;

    make(out, ZRPC_DRR_BEGIN, payload_len);
    zrpc_put_le32(out + ZRPC_DRR_PAYLOADLEN, (uint32_t)payload_len);
    zrpc_put_le64(out + ZRPC_DRR_BEGIN_MAGIC, ZRPC_DRR_MAGIC);
    zrpc_put_le64(out + ZRPC_DRR_BEGIN_VERSION, features << 2 | ZRPC_DRR_SUBSTREAM);
    zrpc_put_le64(out + ZRPC_DRR_BEGIN_CREATION, (uint64_t)b->creation);
    zrpc_put_le32(out + ZRPC_DRR_BEGIN_TYPE, ZRPC_DRR_VOLUME - (b->volume ? 0 : 1));
    zrpc_put_le32(out + ZRPC_DRR_BEGIN_TYPE + 4, FLAG_FREERECORD | FLAG_SPILL);
    zrpc_put_le64(out + ZRPC_DRR_BEGIN_TOGUID, b->to_guid);
    zrpc_put_le64(out + ZRPC_DRR_BEGIN_FROMGUID, b->from_guid);
    memcpy(out + ZRPC_DRR_BEGIN_TONAME, b->toname, strlen(b->toname));
    return RECORD + payload_len;
}

static uint32_t object_type(const struct zrpc_sendstream_begin *b)
{
    return b->volume ? OT_ZVOL : OT_PLAIN_FILE;
}

size_t zrpc_drr_object(const struct zrpc_sendstream_begin *b, uint64_t object, struct zrpc_sim_extent e,
                       uint8_t out[static ZRPC_DRR_BUFFER])
{
    size_t size = make(out, ZRPC_DRR_OBJECT, ZRPC_DRR_BONUS);

    zrpc_put_le64(out + ZRPC_DRR_OBJECT_OBJECT, object);
    zrpc_put_le32(out + 16, object_type(b));
    zrpc_put_le32(out + 20, OT_UINT64);
    zrpc_put_le32(out + 24, zrpc_drr_block_size(e));
    zrpc_put_le32(out + 28, ZRPC_DRR_BONUS);
    out[34] = 1; /* slots: a dnode of the usual size */
    zrpc_put_le64(out + 40, b->to_guid);
    zrpc_put_le64(out + RECORD, e.seed);
    zrpc_put_le64(out + RECORD + 8, e.length);
    return size;
}

size_t zrpc_drr_free(const struct zrpc_sendstream_begin *b, uint64_t object, struct zrpc_sim_extent e,
                     uint8_t out[static ZRPC_DRR_BUFFER])
{
    size_t size = make(out, ZRPC_DRR_FREE, 0);

    zrpc_put_le64(out + 8, object);
    zrpc_put_le64(out + 16, zrpc_drr_end_of(e));
    zrpc_put_le64(out + 24, UINT64_MAX); /* to the object's end */
    zrpc_put_le64(out + 32, b->to_guid);
    return size;
}

size_t zrpc_drr_write(const struct zrpc_sendstream_begin *b, uint64_t object, uint64_t offset,
                      uint32_t block_size, uint8_t out[static ZRPC_DRR_BUFFER])
{
    size_t size = make(out, ZRPC_DRR_WRITE, 0);

    zrpc_put_le64(out + 8, object);
    zrpc_put_le32(out + 16, object_type(b));
    zrpc_put_le64(out + 24, offset);
    zrpc_put_le64(out + 32, block_size);
    zrpc_put_le64(out + 40, b->to_guid);
    out[48] = CHECKSUM_OFF; /* the block comes without a checksum of its own */
    return size;
}

size_t zrpc_drr_freeobjects(const struct zrpc_sendstream_begin *b, uint64_t first, uint64_t n,
                            uint8_t out[static ZRPC_DRR_BUFFER])
{
    size_t size = make(out, ZRPC_DRR_FREEOBJECTS, 0);

    zrpc_put_le64(out + 8, first);
    zrpc_put_le64(out + 16, n);
    zrpc_put_le64(out + 24, b->to_guid);
    return size;
}

size_t zrpc_drr_end(const struct zrpc_sendstream_begin *b, const uint64_t sum[static 4],
                    uint8_t out[static ZRPC_DRR_BUFFER])
{
    size_t size = make(out, ZRPC_DRR_END, 0);

    for (int i = 0; i < 4; i++)
        zrpc_put_le64(out + 8 + 8 * i, sum[i]);
    zrpc_put_le64(out + 40, b->to_guid);
    return size;
}

static uint8_t *swap_number(uint8_t *p, size_t width)
{
    for (size_t i = 0; i < width / 2; i++) {
        uint8_t byte = p[i];

        p[i] = p[width - 1 - i];
        p[width - 1 - i] = byte;
    }
    return p + width;
}

void zrpc_drr_swap(uint32_t type, uint8_t record[static ZRPC_SENDSTREAM_RECORD_SIZE])
{
    /* The widths of the fields behind the type and the payload's length. */
    static const char *const widths[ZRPC_DRR_TYPES] = {
        [ZRPC_DRR_BEGIN] = "8884488",   [ZRPC_DRR_OBJECT] = "84444111148111111118",
        [ZRPC_DRR_FREEOBJECTS] = "888", [ZRPC_DRR_WRITE] = "84488811111111888888",
        [ZRPC_DRR_FREE] = "8888",       [ZRPC_DRR_END] = "88888",
    };
    uint8_t *at = swap_number(swap_number(record, 4), 4);

    for (const char *width = type < ZRPC_DRR_TYPES ? widths[type] : ""; *width != '\0'; width++)
        at = swap_number(at, (size_t)(*width - '0'));
    for (int i = 0; type != ZRPC_DRR_BEGIN && i < 4; i++)
        swap_number(record + ZRPC_DRR_CHECKSUM + 8 * i, 8);
}
