#include <byteswap.h>
#include <inttypes.h>

#include "drr.h"
#include "nvlist.h"

#define RECORD ZRPC_SENDSTREAM_RECORD_SIZE
#define PIECE  16384u /* content is looked at in pieces that stay in the cache */

/* The record that came last. */
enum after { NOTHING, AFTER_BEGIN, AFTER_HEAD, AFTER_OBJECT, AFTER_FREE, AFTER_WRITE, AFTER_TAIL };

void zrpc_sendstream_reader_dispose(struct zrpc_sendstream_reader *r)
{
    zrpc_sendstream_dispose(&r->stream);
}

bool zrpc_sendstream_reader_ended(const struct zrpc_sendstream_reader *r)
{
    return r->state == ZRPC_READER_ENDED;
}

/* What the real one answers with EINVAL. */
static int bad(struct zrpc_error *err)
{
    return zrpc_fail(err, ZRPC_ERR_ZFS, "invalid backup stream");
}

static int mismatch(struct zrpc_sendstream_reader *r, struct zrpc_error *err)
{
    r->fault = ZRPC_SENDSTREAM_MISMATCH;
    return zrpc_fail(err, ZRPC_ERR_ZFS, "checksum mismatch");
}

static void next_record(struct zrpc_sendstream_reader *r, enum after after)
{
    r->state = ZRPC_READER_IN_RECORD;
    r->after = after;
    r->record_len = r->payload_len = 0;
}

/* Whether the record is, but for its checksum, what the writer would have made. */
static bool is_record(const struct zrpc_sendstream_reader *r, const uint8_t *made)
{
    return memcmp(r->record, made, ZRPC_DRR_CHECKSUM) == 0;
}

/*
 * BEGIN.
 */
static bool take_point(struct zrpc_view payload, struct zrpc_sendstream_point *out)
{
    const struct zrpc_nvpair *object, *offset;
    struct zrpc_nvlist l;

    if (zrpc_nvlist_unpack(payload, &l, NULL) != 0)
        return false;
    object = zrpc_nvlist_find(&l, "resume_object", ZRPC_NV_UINT64);
    offset = zrpc_nvlist_find(&l, "resume_offset", ZRPC_NV_UINT64);
    if (object == NULL || offset == NULL)
        return false;
    *out = (struct zrpc_sendstream_point){.object = object->number, .offset = offset->number};
    return true;
}

/* The record and what is behind it are complete. What they say is judged when they are known to be right. */
static int on_begin(struct zrpc_sendstream_reader *r)
{
    struct zrpc_sendstream_begin *b = &r->stream.begin;
    struct zrpc_view payload = zrpc_view(r->record + RECORD, r->payload_len);
    uint8_t made[ZRPC_DRR_BUFFER];
    char creation[ZRPC_ZFS_CREATION_MAX];

    zrpc_sim_fletcher4_update(&r->checksum, payload.data, payload.len);
    b->to_guid = zrpc_get_le64(r->record + ZRPC_DRR_BEGIN_TOGUID);
    b->from_guid = zrpc_get_le64(r->record + ZRPC_DRR_BEGIN_FROMGUID);
    b->creation = (int64_t)zrpc_get_le64(r->record + ZRPC_DRR_BEGIN_CREATION);
    b->volume = zrpc_get_le32(r->record + ZRPC_DRR_BEGIN_TYPE) == ZRPC_DRR_VOLUME;
    memcpy(b->toname, r->record + ZRPC_DRR_BEGIN_TONAME, sizeof b->toname);
    b->toname[sizeof b->toname - 1] = '\0';
    r->stream.first_object = b->from_guid == 0 ? ZRPC_SENDSTREAM_FIRST_OBJECT : 0;
    r->stream.resumed = payload.len > 0;
    r->announced_well = (payload.len == 0 || take_point(payload, &r->stream.point)) && b->to_guid != 0 &&
                        zrpc_sendstream_toname_check(b->toname) &&
                        zrpc_zfs_creation_format(b->creation, creation, NULL) == 0 &&
                        zrpc_drr_begin(&r->stream, made) == RECORD + payload.len &&
                        memcmp(r->record, made, RECORD + payload.len) == 0;
    r->point = ZRPC_SENDSTREAM_START;
    next_record(r, AFTER_BEGIN);
    return 0;
}

static int on_begin_header(struct zrpc_sendstream_reader *r, struct zrpc_error *err)
{
    uint64_t magic = zrpc_get_le64(r->record + ZRPC_DRR_BEGIN_MAGIC), version, features;

    r->checksum.swapped = bswap_64(magic) == ZRPC_DRR_MAGIC;
    zrpc_sim_fletcher4_update(&r->checksum, r->record, RECORD);
    if (r->checksum.swapped)
        zrpc_drr_swap(ZRPC_DRR_BEGIN, r->record);
    if ((magic != ZRPC_DRR_MAGIC && !r->checksum.swapped) || zrpc_get_le32(r->record) != ZRPC_DRR_BEGIN)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "invalid stream (bad magic number)");
    version = zrpc_get_le64(r->record + ZRPC_DRR_BEGIN_VERSION);
    features = version >> 2 & ((UINT64_C(1) << 56) - 1);
    if ((version & 3) != ZRPC_DRR_SUBSTREAM || (features & ~ZRPC_DRR_RESUMING) != 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "stream has unsupported feature, feature flags = %" PRIx64,
                         features);
    if (memchr(r->record + ZRPC_DRR_BEGIN_TONAME, '@', RECORD - ZRPC_DRR_BEGIN_TONAME) == NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "invalid stream (bad snapshot name)");
    r->payload_len = zrpc_get_le32(r->record + ZRPC_DRR_PAYLOADLEN);
    if (r->payload_len > ZRPC_SENDSTREAM_PAYLOAD_MAX || (r->payload_len > 0) != (features != 0))
        return bad(err);
    return r->payload_len == 0 ? on_begin(r) : 0;
}

/*
 * Objects: OBJECT, FREE, WRITE and more of them.
 */
static struct zrpc_sim_extent *last_extent(const struct zrpc_sendstream_reader *r)
{
    return &r->stream.extents.items[r->stream.extents.len - 1];
}

static uint64_t last_object(const struct zrpc_sendstream_reader *r)
{
    return r->stream.first_object + r->stream.extents.len - 1;
}

/* Between objects: one may follow, or the end. */
static bool between_objects(const struct zrpc_sendstream_reader *r)
{
    if (r->after == AFTER_BEGIN)
        return r->stream.resumed || r->stream.begin.from_guid != 0;
    return r->after == AFTER_WRITE && r->offset == zrpc_drr_end_of(*last_extent(r));
}

static int on_object(struct zrpc_sendstream_reader *r, struct zrpc_error *err)
{
    uint64_t object = zrpc_get_le64(r->record + ZRPC_DRR_OBJECT_OBJECT);

    if (!between_objects(r) && r->after != AFTER_HEAD)
        return bad(err);
    if (r->stream.first_object == 0)
        r->stream.first_object = object;
    if (object == 0 || object > ZRPC_SIM_EXTENTS_MAX || object != last_object(r) + (r->again ? 0 : 1))
        return bad(err);
    r->payload_len = ZRPC_DRR_BONUS;
    return 0;
}

/* The bonus is there. Only the checksum of the next record tells whether it is right, so that judges. */
static int on_bonus(struct zrpc_sendstream_reader *r)
{
    uint8_t made[ZRPC_DRR_BUFFER], *bonus = r->record + RECORD;
    struct zrpc_sim_extent e;

    zrpc_sim_fletcher4_update(&r->checksum, bonus, ZRPC_DRR_BONUS);
    e = (struct zrpc_sim_extent){zrpc_get_le64(bonus), zrpc_get_le64(bonus + 8)};
    if (r->checksum.swapped)
        e = (struct zrpc_sim_extent){bswap_64(e.seed), bswap_64(e.length)};
    r->announced = e;
    r->announced_well = false;
    if (e.length > 0 && e.length <= ZRPC_SIM_CONTENT_MAX) {
        zrpc_drr_object(&r->stream.begin, last_object(r) + (r->again ? 0 : 1), e, made);
        r->announced_well = is_record(r, made);
    }
    next_record(r, AFTER_OBJECT);
    return 0;
}

static int on_free(struct zrpc_sendstream_reader *r, struct zrpc_error *err)
{
    struct zrpc_sim_extent e = r->announced;
    uint8_t made[ZRPC_DRR_BUFFER];
    int rc = 0;

    if (r->after != AFTER_OBJECT || !r->announced_well)
        return bad(err);
    if (r->again && (e.seed != last_extent(r)->seed || e.length != last_extent(r)->length))
        return bad(err);
    zrpc_drr_free(&r->stream.begin, last_object(r) + (r->again ? 0 : 1), e, made);
    if (!is_record(r, made))
        return bad(err);
    if (!r->again)
        rc = zrpc_sim_extents_push(&r->stream.extents, e, err);
    r->offset = r->again ? r->point.offset : 0;
    r->again = false;
    next_record(r, AFTER_FREE);
    return rc;
}

static int on_write(struct zrpc_sendstream_reader *r, struct zrpc_error *err)
{
    uint8_t made[ZRPC_DRR_BUFFER];

    if ((r->after != AFTER_FREE && r->after != AFTER_WRITE) || r->offset == zrpc_drr_end_of(*last_extent(r)))
        return bad(err);
    r->block_left = zrpc_drr_block_size(*last_extent(r));
    zrpc_drr_write(&r->stream.begin, last_object(r), r->offset, r->block_left, made);
    if (!is_record(r, made))
        return bad(err);
    r->state = ZRPC_READER_IN_BLOCK;
    return 0;
}

static int take_block(struct zrpc_sendstream_reader *r, struct zrpc_view *in, struct zrpc_error *err)
{
    struct zrpc_sim_extent e = *last_extent(r);
    size_t len = in->len < PIECE ? in->len : PIECE;
    struct zrpc_view piece = zrpc_view_take(in, len < r->block_left ? len : r->block_left);

    if (!zrpc_sim_extent_equal(e, r->offset, piece.data, piece.len))
        return mismatch(r, err);
    zrpc_sim_fletcher4_update(&r->checksum, piece.data, piece.len);
    r->offset += piece.len;
    r->block_left -= (uint32_t)piece.len;
    if (r->block_left > 0)
        return 0;
    r->point.object = last_object(r);
    r->point.offset = r->offset - zrpc_drr_block_size(e);
    r->any = true;
    next_record(r, AFTER_WRITE);
    return 0;
}

/*
 * The frame of a stream.
 */
static int on_freeobjects(struct zrpc_sendstream_reader *r, struct zrpc_error *err)
{
    uint8_t head[ZRPC_DRR_BUFFER], tail[ZRPC_DRR_BUFFER];
    bool first = r->after == AFTER_BEGIN && !between_objects(r);
    uint64_t from, n = zrpc_drr_tail(&r->stream, &from);

    if ((!first && !between_objects(r)) || r->again)
        return bad(err);
    zrpc_drr_freeobjects(&r->stream.begin, 0, 1, head);
    zrpc_drr_freeobjects(&r->stream.begin, n > 0 ? from : 0, n, tail);
    if (first && is_record(r, head))
        next_record(r, AFTER_HEAD);
    else if (n > 0 && is_record(r, tail))
        next_record(r, AFTER_TAIL);
    else
        return bad(err);
    return 0;
}

static int on_end(struct zrpc_sendstream_reader *r, struct zrpc_error *err)
{
    uint8_t made[ZRPC_DRR_BUFFER];
    uint64_t from;

    if (r->after != AFTER_TAIL && (!between_objects(r) || r->again || zrpc_drr_tail(&r->stream, &from) > 0))
        return bad(err);
    zrpc_drr_end(&r->stream.begin, r->before, made);
    if (!is_record(r, made))
        return bad(err);
    r->state = ZRPC_READER_ENDED;
    return 0;
}

static int on_record(struct zrpc_sendstream_reader *r, struct zrpc_error *err)
{
    static int (*const handlers[ZRPC_DRR_TYPES])(struct zrpc_sendstream_reader *, struct zrpc_error *) = {
        [ZRPC_DRR_OBJECT] = on_object, [ZRPC_DRR_FREEOBJECTS] = on_freeobjects,
        [ZRPC_DRR_WRITE] = on_write,   [ZRPC_DRR_FREE] = on_free,
        [ZRPC_DRR_END] = on_end,
    };
    uint32_t type = zrpc_get_le32(r->record);

    return type < ZRPC_DRR_TYPES && handlers[type] != NULL ? handlers[type](r, err) : bad(err);
}

/* A record's checksum against what came before it; afterwards, it is part of what came before. */
static bool check_sum(struct zrpc_sendstream_reader *r)
{
    uint8_t raw[32];
    uint32_t type;

    memcpy(r->before, r->checksum.sum, sizeof r->before);
    memcpy(raw, r->record + ZRPC_DRR_CHECKSUM, sizeof raw);
    zrpc_sim_fletcher4_update(&r->checksum, r->record, ZRPC_DRR_CHECKSUM);
    type = zrpc_get_le32(r->record);
    if (r->checksum.swapped)
        zrpc_drr_swap(bswap_32(type), r->record);
    for (int i = 0; i < 4; i++)
        if (zrpc_get_le64(r->record + ZRPC_DRR_CHECKSUM + 8 * i) != r->checksum.sum[i])
            return false;
    zrpc_sim_fletcher4_update(&r->checksum, raw, sizeof raw);
    return true;
}

static int on_header(struct zrpc_sendstream_reader *r, struct zrpc_error *err)
{
    if (r->after == NOTHING)
        return on_begin_header(r, err);
    if (!check_sum(r))
        return mismatch(r, err);
    if (r->after != AFTER_BEGIN)
        return on_record(r, err);
    if (!r->announced_well)
        return bad(err);
    r->state = r->stream.resumed ? ZRPC_READER_AWAITS_RESUME : ZRPC_READER_BEGUN;
    return ZRPC_SENDSTREAM_BEGUN;
}

static int take_record(struct zrpc_sendstream_reader *r, struct zrpc_view *in, struct zrpc_error *err)
{
    size_t left = RECORD + r->payload_len - r->record_len, n = in->len < left ? in->len : left;

    memcpy(r->record + r->record_len, zrpc_view_take(in, n).data, n);
    r->record_len += n;
    if (n < left)
        return 0;
    if (r->payload_len == 0)
        return on_header(r, err);
    return r->after == NOTHING ? on_begin(r) : on_bonus(r);
}

static int take(struct zrpc_sendstream_reader *r, struct zrpc_view *in, struct zrpc_error *err)
{
    if (r->state == ZRPC_READER_IN_BLOCK)
        return take_block(r, in, err);
    if (r->state == ZRPC_READER_ENDED)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "invalid stream (data after its end)");
    return take_record(r, in, err);
}

int zrpc_sendstream_reader_feed(struct zrpc_sendstream_reader *r, struct zrpc_view *in,
                                struct zrpc_error *err)
{
    int rc = 0;

    if (r->state == ZRPC_READER_FAILED || r->state == ZRPC_READER_AWAITS_RESUME)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "the stream cannot be read on");
    if (r->state == ZRPC_READER_BEGUN) {
        r->state = ZRPC_READER_IN_RECORD;
        rc = on_record(r, err);
    }
    while (rc == 0 && in->len > 0)
        rc = take(r, in, err);
    if (rc < 0) {
        r->state = ZRPC_READER_FAILED;
        if (r->fault == ZRPC_SENDSTREAM_FINE)
            r->fault = ZRPC_SENDSTREAM_BAD;
    }
    return rc;
}

int zrpc_sendstream_reader_finish(struct zrpc_sendstream_reader *r, struct zrpc_error *err)
{
    struct zrpc_view none = {0};
    int rc = r->state == ZRPC_READER_ENDED ? 0 : zrpc_sendstream_reader_feed(r, &none, err);

    if (rc != 0 || r->state == ZRPC_READER_ENDED)
        return rc;
    r->state = ZRPC_READER_FAILED;
    if (r->after == NOTHING && r->payload_len == 0) {
        r->fault = ZRPC_SENDSTREAM_BAD;
        return zrpc_fail(err, ZRPC_ERR_ZFS, "failed to read from stream");
    }
    r->fault = ZRPC_SENDSTREAM_INCOMPLETE;
    return zrpc_fail(err, ZRPC_ERR_ZFS, "incomplete stream");
}
