#include "drr.h"

/* Content is made, and summed, in pieces that stay in the cache. */
#define PIECE 16384u

/* What makes the next record; some make none. */
enum step { HEAD, OBJECT, FREE, WRITE, TAIL, END, NOTHING };

/* The record in w->record goes out next. */
static void seal(struct zrpc_sendstream_writer *w, size_t size)
{
    uint8_t *sum = w->record + ZRPC_DRR_CHECKSUM;

    if (zrpc_get_le32(w->record) == ZRPC_DRR_BEGIN) {
        zrpc_sim_fletcher4_update(&w->checksum, w->record, size);
    } else {
        zrpc_sim_fletcher4_update(&w->checksum, w->record, ZRPC_DRR_CHECKSUM);
        for (int i = 0; i < 4; i++)
            zrpc_put_le64(sum + 8 * i, w->checksum.sum[i]);
        zrpc_sim_fletcher4_update(&w->checksum, sum, size - ZRPC_DRR_CHECKSUM);
    }
    w->record_len = size;
    w->record_sent = 0;
}

static int check(struct zrpc_sendstream_writer *w, size_t *extent, uint64_t *offset, struct zrpc_error *err)
{
    const struct zrpc_sendstream *s = &w->stream;
    bool full = s->begin.from_guid == 0;

    if (!zrpc_sendstream_toname_check(s->begin.toname) || s->begin.to_guid == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "a stream needs FS@SNAPSHOT and its guid");
    if (s->first_object < 1 || (full && s->first_object != 1) ||
        s->first_object - 1 + s->extents.len > ZRPC_SIM_EXTENTS_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%zu objects from %ju on make no %s stream", s->extents.len,
                         (uintmax_t)s->first_object, full ? "full" : "incremental");
    if (!zrpc_drr_locate(s, extent, offset))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot resume send: there is no object %#jx with offset %#jx",
                         (uintmax_t)s->point.object, (uintmax_t)s->point.offset);
    return 0;
}

int zrpc_sendstream_writer_init(struct zrpc_sendstream_writer *w, struct zrpc_sendstream stream,
                                struct zrpc_error *err)
{
    int rc;

    *w = (struct zrpc_sendstream_writer){.stream = stream};
    rc = check(w, &w->extent, &w->offset, err);
    if (rc != 0) {
        zrpc_sendstream_writer_dispose(w);
        return rc;
    }
    w->next = HEAD;
    seal(w, zrpc_drr_begin(&stream, w->record));
    return 0;
}

void zrpc_sendstream_writer_dispose(struct zrpc_sendstream_writer *w)
{
    zrpc_sendstream_dispose(&w->stream);
}

static int objects_or_tail(const struct zrpc_sendstream_writer *w)
{
    return w->extent < w->stream.extents.len ? OBJECT : TAIL;
}

/* Returns the size; 0: the step makes no record. */
static size_t make_record(struct zrpc_sendstream_writer *w, int step)
{
    const struct zrpc_sendstream *s = &w->stream;
    uint64_t object = s->first_object + w->extent, first, n;
    struct zrpc_sim_extent e = {0};

    if (w->extent < s->extents.len)
        e = s->extents.items[w->extent];
    switch (step) {
    case HEAD:
        return zrpc_drr_has_head(s) ? zrpc_drr_freeobjects(&s->begin, 0, 1, w->record) : 0;
    case OBJECT:
        return zrpc_drr_object(&s->begin, object, e, w->record);
    case FREE:
        return zrpc_drr_free(&s->begin, object, e, w->record);
    case WRITE:
        w->block_left = zrpc_drr_block_size(e);
        return zrpc_drr_write(&s->begin, object, w->offset, w->block_left, w->record);
    case TAIL:
        n = zrpc_drr_tail(s, &first);
        return n > 0 ? zrpc_drr_freeobjects(&s->begin, first, n, w->record) : 0;
    default:
        return zrpc_drr_end(&s->begin, w->checksum.sum, w->record);
    }
}

/* False: the stream is complete. */
static bool next_record(struct zrpc_sendstream_writer *w)
{
    size_t size = 0;

    while (size == 0 && w->next != NOTHING) {
        int step = w->next;

        size = make_record(w, step);
        /* What follows a WRITE is known when its block has gone out. */
        if (step == HEAD)
            w->next = objects_or_tail(w);
        else if (step != WRITE)
            w->next = step + 1;
    }
    if (size > 0)
        seal(w, size);
    return size > 0;
}

static size_t read_record(struct zrpc_sendstream_writer *w, uint8_t *out, size_t len)
{
    size_t left = w->record_len - w->record_sent;

    if (len > left)
        len = left;
    memcpy(out, w->record + w->record_sent, len);
    w->record_sent += len;
    return len;
}

static size_t read_block(struct zrpc_sendstream_writer *w, uint8_t *out, size_t len)
{
    struct zrpc_sim_extent e = w->stream.extents.items[w->extent];

    if (len > PIECE)
        len = PIECE;
    if (len > w->block_left)
        len = w->block_left;
    zrpc_sim_extent_fill(e, w->offset, out, len);
    zrpc_sim_fletcher4_update(&w->checksum, out, len);
    w->offset += len;
    w->block_left -= (uint32_t)len;
    if (w->block_left == 0 && w->offset == zrpc_drr_end_of(e)) {
        w->extent++;
        w->offset = 0;
        w->next = objects_or_tail(w);
    }
    return len;
}

size_t zrpc_sendstream_writer_read(struct zrpc_sendstream_writer *w, void *out, size_t len)
{
    uint8_t *at = out, *end = at + len;

    while (at < end) {
        size_t left = (size_t)(end - at);

        if (w->record_sent < w->record_len)
            at += read_record(w, at, left);
        else if (w->block_left > 0)
            at += read_block(w, at, left);
        else if (!next_record(w))
            break;
    }
    return (size_t)(at - (uint8_t *)out);
}
