#include "stream_internal.h"

uint64_t zrpc_sim_stream_length(const struct zrpc_sim_extents *extents)
{
    uint64_t total = ZRPC_SIM_BEGIN_SIZE + ZRPC_SIM_RECORD_SIZE;

    for (size_t i = 0; i < extents->len; i++) {
        uint64_t length = extents->items[i].length;

        total += ZRPC_SIM_RECORD_SIZE + length + zrpc_sim_padding(length);
    }
    return total;
}

/* Completes the record of `size` bytes with the checksum of all before it. */
static void seal(struct zrpc_sim_writer *w, size_t size)
{
    size_t at = size - ZRPC_SIM_CHECKSUM_SIZE;

    zrpc_sim_fletcher4_update(&w->checksum, w->record, at);
    for (int i = 0; i < 4; i++)
        zrpc_sim_put_u64(w->record + at + 8 * i, w->checksum.sum[i]);
    zrpc_sim_fletcher4_update(&w->checksum, w->record + at, ZRPC_SIM_CHECKSUM_SIZE);
    w->record_len = size;
    w->record_sent = 0;
}

static void make_record(struct zrpc_sim_writer *w, uint32_t type, uint64_t first, uint64_t second)
{
    zrpc_put_u32(w->record, type);
    zrpc_put_u32(w->record + 4, 0);
    zrpc_sim_put_u64(w->record + 8, first);
    zrpc_sim_put_u64(w->record + 16, second);
    seal(w, ZRPC_SIM_RECORD_SIZE);
}

int zrpc_sim_writer_init(struct zrpc_sim_writer *w, const struct zrpc_sim_begin *begin,
                         struct zrpc_sim_extents extents, struct zrpc_error *err)
{
    size_t name_len = strlen(begin->snapshot);

    *w = (struct zrpc_sim_writer){.extents = extents};
    if (name_len >= ZRPC_ZFS_NAME_MAX) {
        zrpc_sim_writer_dispose(w);
        return zrpc_fail(err, ZRPC_ERR_USAGE, "snapshot name of %zu bytes is too long", name_len);
    }
    zrpc_sim_put_u64(w->record, ZRPC_SIM_MAGIC);
    zrpc_put_u32(w->record + 8, ZRPC_SIM_VERSION);
    zrpc_put_u32(w->record + 12, begin->from_guid == 0 ? 0 : ZRPC_SIM_INCREMENTAL);
    zrpc_sim_put_u64(w->record + 16, begin->to_guid);
    zrpc_sim_put_u64(w->record + 24, begin->from_guid);
    zrpc_sim_put_u64(w->record + 32, (uint64_t)begin->creation);
    zrpc_sim_put_u64(w->record + 40, extents.length);
    memcpy(w->record + 48, begin->snapshot, name_len); /* the rest is zero already */
    seal(w, ZRPC_SIM_BEGIN_SIZE);
    return 0;
}

void zrpc_sim_writer_dispose(struct zrpc_sim_writer *w)
{
    zrpc_sim_extents_dispose(&w->extents);
}

/* Content and padding of the extent whose record went out last. 0: it is complete. */
static size_t read_content(struct zrpc_sim_writer *w, void *out, size_t len)
{
    const struct zrpc_sim_extent *e = w->next == 0 ? NULL : &w->extents.items[w->next - 1];
    uint64_t left, offset = w->content_offset;

    if (e == NULL || offset == e->length + zrpc_sim_padding(e->length))
        return 0;
    left = offset < e->length ? e->length - offset : zrpc_sim_padding(e->length) - (offset - e->length);
    if (len > left)
        len = (size_t)left;
    if (offset < e->length)
        zrpc_sim_content_fill(e->seed, offset, out, len);
    else
        memset(out, 0, len);
    zrpc_sim_fletcher4_update(&w->checksum, out, len);
    w->content_offset += len;
    return len;
}

/* False: the stream is complete. */
static bool next_record(struct zrpc_sim_writer *w)
{
    const struct zrpc_sim_extent *e;

    if (w->ended)
        return false;
    if (w->next < w->extents.len) {
        e = &w->extents.items[w->next++];
        make_record(w, ZRPC_SIM_RECORD_EXTENT, e->seed, e->length);
        w->content_offset = 0;
    } else {
        make_record(w, ZRPC_SIM_RECORD_END, w->extents.len, w->extents.length);
        w->ended = true;
    }
    return true;
}

size_t zrpc_sim_writer_read(struct zrpc_sim_writer *w, void *out, size_t len)
{
    uint8_t *at = out, *end = at + len;

    while (at < end) {
        size_t n = w->record_len - w->record_sent;

        if (n > (size_t)(end - at))
            n = (size_t)(end - at);
        if (n > 0) {
            memcpy(at, w->record + w->record_sent, n);
            w->record_sent += n;
        } else {
            n = w->ended ? 0 : read_content(w, at, (size_t)(end - at));
            if (n == 0 && !next_record(w))
                break;
        }
        at += n;
    }
    return (size_t)(at - (uint8_t *)out);
}
