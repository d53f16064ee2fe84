#include "stream_internal.h"

void zrpc_sim_reader_dispose(struct zrpc_sim_reader *r)
{
    zrpc_sim_extents_dispose(&r->extents);
}

static int invalid(struct zrpc_error *err, const char *what)
{
    return zrpc_fail(err, ZRPC_ERR_ZFS, "invalid stream (%s)", what);
}

/* The record's checksum against what came before it; afterwards, it is part of what came before. */
static int check_seal(struct zrpc_sim_reader *r, size_t size, struct zrpc_error *err)
{
    size_t at = size - ZRPC_SIM_CHECKSUM_SIZE;

    zrpc_sim_fletcher4_update(&r->checksum, r->record, at);
    for (int i = 0; i < 4; i++)
        if (zrpc_sim_get_u64(r->record + at + 8 * i) != r->checksum.sum[i])
            return invalid(err, "checksum mismatch");
    zrpc_sim_fletcher4_update(&r->checksum, r->record + at, ZRPC_SIM_CHECKSUM_SIZE);
    return 0;
}

/* Zero-terminated, nothing after the zero, and a name that zfs allows. */
static bool take_name(const uint8_t *field, char out[static ZRPC_ZFS_NAME_MAX])
{
    size_t len = strnlen((const char *)field, ZRPC_ZFS_NAME_MAX);

    for (size_t i = len; i < ZRPC_ZFS_NAME_MAX; i++)
        if (field[i] != 0)
            return false;
    memcpy(out, field, ZRPC_ZFS_NAME_MAX);
    return len < ZRPC_ZFS_NAME_MAX && zrpc_zfs_name_check(out, NULL) == 0;
}

static int on_begin(struct zrpc_sim_reader *r, struct zrpc_error *err)
{
    const uint8_t *p = r->record;
    uint32_t version = zrpc_get_u32(p + 8), flags = zrpc_get_u32(p + 12);
    char creation[ZRPC_ZFS_CREATION_MAX];
    int rc;

    if (zrpc_sim_get_u64(p) != ZRPC_SIM_MAGIC)
        return invalid(err, "bad magic number");
    rc = check_seal(r, ZRPC_SIM_BEGIN_SIZE, err);
    if (rc != 0)
        return rc;
    r->begin.to_guid = zrpc_sim_get_u64(p + 16);
    r->begin.from_guid = zrpc_sim_get_u64(p + 24);
    r->begin.creation = (int64_t)zrpc_sim_get_u64(p + 32);
    r->length = zrpc_sim_get_u64(p + 40);
    if (version != ZRPC_SIM_VERSION)
        return invalid(err, "unsupported version");
    if (flags > ZRPC_SIM_INCREMENTAL || (flags == ZRPC_SIM_INCREMENTAL) != (r->begin.from_guid != 0) ||
        r->begin.to_guid == 0 || r->length > ZRPC_SIM_CONTENT_MAX || !take_name(p + 48, r->begin.snapshot) ||
        zrpc_zfs_creation_format(r->begin.creation, creation, NULL) != 0)
        return invalid(err, "bad begin record");
    r->state = ZRPC_SIM_IN_RECORD;
    return ZRPC_SIM_BEGUN;
}

static int on_extent(struct zrpc_sim_reader *r, struct zrpc_error *err)
{
    struct zrpc_sim_extent e = {.seed = zrpc_sim_get_u64(r->record + 8),
                                .length = zrpc_sim_get_u64(r->record + 16)};

    if (e.length == 0 || e.length > r->length - r->extents.length)
        return invalid(err, "content of another length than announced");
    r->state = ZRPC_SIM_IN_CONTENT;
    r->content_offset = 0;
    return zrpc_sim_extents_push(&r->extents, e, err);
}

static int on_end(struct zrpc_sim_reader *r, struct zrpc_error *err)
{
    if (zrpc_sim_get_u64(r->record + 8) != r->extents.len || r->extents.length != r->length ||
        zrpc_sim_get_u64(r->record + 16) != r->length)
        return invalid(err, "content of another length than announced");
    r->state = ZRPC_SIM_ENDED;
    return 0;
}

static int on_record(struct zrpc_sim_reader *r, struct zrpc_error *err)
{
    uint32_t type = zrpc_get_u32(r->record);
    int rc = check_seal(r, ZRPC_SIM_RECORD_SIZE, err);

    if (rc != 0)
        return rc;
    if (zrpc_get_u32(r->record + 4) != 0 || (type != ZRPC_SIM_RECORD_EXTENT && type != ZRPC_SIM_RECORD_END))
        return invalid(err, "unknown record");
    return type == ZRPC_SIM_RECORD_EXTENT ? on_extent(r, err) : on_end(r, err);
}

static int take_record(struct zrpc_sim_reader *r, struct zrpc_view *in, struct zrpc_error *err)
{
    bool begin = r->state == ZRPC_SIM_IN_BEGIN;
    size_t size = begin ? ZRPC_SIM_BEGIN_SIZE : ZRPC_SIM_RECORD_SIZE;
    size_t n = size - r->record_len < in->len ? size - r->record_len : in->len;

    memcpy(r->record + r->record_len, zrpc_view_take(in, n).data, n);
    r->record_len += n;
    if (r->record_len < size)
        return 0;
    r->record_len = 0;
    return begin ? on_begin(r, err) : on_record(r, err);
}

static int take_content(struct zrpc_sim_reader *r, struct zrpc_view *in, struct zrpc_error *err)
{
    const struct zrpc_sim_extent *e = &r->extents.items[r->extents.len - 1];
    uint64_t padded = e->length + zrpc_sim_padding(e->length), offset = r->content_offset;
    uint64_t left = offset < e->length ? e->length - offset : padded - offset;
    struct zrpc_view piece = zrpc_view_take(in, in->len < left ? in->len : (size_t)left);
    static const uint8_t zeros[8];
    bool equal;

    if (offset < e->length)
        equal = zrpc_sim_content_equal(e->seed, offset, piece.data, piece.len);
    else
        equal = memcmp(zeros, piece.data, piece.len) == 0;
    if (!equal)
        return invalid(err, "checksum mismatch");
    zrpc_sim_fletcher4_update(&r->checksum, piece.data, piece.len);
    r->content_offset += piece.len;
    if (r->content_offset == padded)
        r->state = ZRPC_SIM_IN_RECORD;
    return 0;
}

int zrpc_sim_reader_feed(struct zrpc_sim_reader *r, struct zrpc_view *in, struct zrpc_error *err)
{
    int rc = 0;

    while (rc == 0 && in->len > 0) {
        if (r->state == ZRPC_SIM_IN_CONTENT)
            rc = take_content(r, in, err);
        else if (r->state == ZRPC_SIM_ENDED)
            rc = invalid(err, "data after its end");
        else
            rc = take_record(r, in, err);
    }
    return rc;
}

int zrpc_sim_reader_finish(const struct zrpc_sim_reader *r, struct zrpc_error *err)
{
    return r->state == ZRPC_SIM_ENDED ? 0 : zrpc_fail(err, ZRPC_ERR_ZFS, "incomplete stream");
}
