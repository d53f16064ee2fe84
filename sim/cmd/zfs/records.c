#include "records.h"

#include <endian.h>
#include <string.h>

#define MAGIC UINT64_C(0x2F5bacbac)

enum { BEGIN, OBJECT, FREEOBJECTS, WRITE, FREE, END, WRITE_BYREF, SPILL, WRITE_EMBEDDED };

uint32_t records_u32(const struct records *r, size_t offset)
{
    uint32_t v;

    memcpy(&v, r->head + offset, sizeof v);
    return r->swapped ? be32toh(v) : le32toh(v);
}

uint64_t records_u64(const struct records *r, size_t offset)
{
    uint64_t v;

    memcpy(&v, r->head + offset, sizeof v);
    return r->swapped ? be64toh(v) : le64toh(v);
}

static uint64_t padded(uint64_t n)
{
    return (n + 7) & ~UINT64_C(7);
}

static uint64_t payload_of(const struct records *r)
{
    switch (records_u32(r, 0)) {
    case BEGIN:
        return records_u32(r, 4);
    case OBJECT: /* the bonus, or the raw one */
        return records_u32(r, 36) != 0 ? padded(records_u32(r, 36)) : padded(records_u32(r, 28));
    case WRITE: /* compressed, or not */
        return r->head[50] != 0 ? records_u64(r, 96) : records_u64(r, 32);
    case SPILL:
        return records_u64(r, 40) != 0 ? records_u64(r, 40) : records_u64(r, 16);
    case WRITE_EMBEDDED:
        return padded(records_u32(r, 52));
    default:
        return 0;
    }
}

static void understand(struct records *r)
{
    uint64_t magic;

    if (!r->begun) {
        memcpy(&magic, r->head + 8, sizeof magic);
        r->swapped = be64toh(magic) == MAGIC;
        r->begun = true;
    }
    r->ended = records_u32(r, 0) == END;
    r->payload = r->ended ? 0 : payload_of(r);
    r->have = 0;
}

uint64_t records_safe(const struct records *r)
{
    if (r->ended)
        return 0;
    if (r->payload > UINT64_MAX / 2)
        return r->payload;
    return r->payload + (RECORD_SIZE - r->have);
}

void records_feed(struct records *r, const uint8_t *bytes, size_t n)
{
    size_t behind = n < r->payload ? n : (size_t)r->payload;

    r->payload -= behind;
    memcpy(r->head + r->have, bytes + behind, n - behind);
    r->have += n - behind;
    if (r->have == RECORD_SIZE)
        understand(r);
}
