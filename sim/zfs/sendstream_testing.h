/*
 * For the tests of send streams: streams made in memory, taken apart, and put under right checksums again.
 */
#ifndef SIM_ZFS_SENDSTREAM_TESTING_H
#define SIM_ZFS_SENDSTREAM_TESTING_H

#include <stdio.h>

#include "sim/zfs/drr.h"
#include "testing/suite.h"

#define RECORD ZRPC_SENDSTREAM_RECORD_SIZE

/* A repeatable choice below n. */
static inline uint64_t choose(uint64_t *seed, uint64_t n)
{
    return zrpc_sim_mix(*seed += UINT64_C(0x9e3779b97f4a7c15)) % n;
}

/* From 0: full; extents with these lengths, up to one that is 0. */
static inline struct zrpc_sendstream stream_of(uint64_t from, const uint64_t *lengths)
{
    struct zrpc_sendstream s = {
        .begin = {.toname = "tank/a b@snap",
                  .to_guid = UINT64_MAX,
                  .from_guid = from,
                  .creation = 1577836800},
        .first_object = from == 0 ? 1 : 6,
    };

    for (size_t i = 0; lengths[i] != 0; i++)
        CHECK_OK(zrpc_sim_extents_push(&s.extents, (struct zrpc_sim_extent){i + 77, lengths[i]}, NULL));
    return s;
}

static inline struct zrpc_sendstream copy_of(const struct zrpc_sendstream *s)
{
    struct zrpc_sendstream copy = *s;

    copy.extents = (struct zrpc_sim_extents){0};
    for (size_t i = 0; i < s->extents.len; i++)
        CHECK_OK(zrpc_sim_extents_push(&copy.extents, s->extents.items[i], NULL));
    return copy;
}

/* Appends the stream, made in pieces of all sizes. The stream is left as it is. */
static inline int make(const struct zrpc_sendstream *s, struct zrpc_buf *out, struct zrpc_error *err)
{
    static uint8_t chunk[40000];
    struct zrpc_sendstream_writer w;
    size_t got, ask = 1, before = out->len;
    int rc = zrpc_sendstream_writer_init(&w, copy_of(s), err);

    if (rc != 0)
        return rc;
    for (; (got = zrpc_sendstream_writer_read(&w, chunk, ask)) > 0; ask = ask * 3 % sizeof chunk + 1)
        CHECK_OK(zrpc_buf_append(out, zrpc_view(chunk, got), NULL));
    CHECK_INT(out->len - before, zrpc_sendstream_length(s));
    zrpc_sendstream_writer_dispose(&w);
    return 0;
}

/* Feeds in pieces, resumes from `saved` if that is given, and finishes: the first failure. */
static inline int read_all(struct zrpc_sendstream_reader *r, struct zrpc_view in, size_t piece,
                           const struct zrpc_sendstream *saved, struct zrpc_error *err)
{
    int rc = 0;

    *r = (struct zrpc_sendstream_reader){0};
    while (rc >= 0 && in.len > 0) {
        struct zrpc_view part = zrpc_view_take(&in, in.len < piece ? in.len : piece);

        while ((rc = zrpc_sendstream_reader_feed(r, &part, err)) == ZRPC_SENDSTREAM_BEGUN)
            if (saved != NULL && (rc = zrpc_sendstream_reader_resume(r, saved, err)) != 0)
                return rc;
    }
    return rc < 0 ? rc : zrpc_sendstream_reader_finish(r, err);
}

static inline bool same_extents(const struct zrpc_sim_extents *a, const struct zrpc_sim_extents *b)
{
    return a->len == b->len && a->length == b->length &&
           (a->len == 0 || memcmp(a->items, b->items, a->len * sizeof *a->items) == 0);
}

/* What the records of a stream are, in its own byte order: where each begins, and behind the last. */
struct parts {
    size_t at[4200], n;
};

static inline uint64_t payload_of(const uint8_t *record)
{
    switch (zrpc_get_le32(record)) {
    case ZRPC_DRR_BEGIN:
        return zrpc_get_le32(record + ZRPC_DRR_PAYLOADLEN);
    case ZRPC_DRR_OBJECT:
        return ZRPC_DRR_BONUS;
    case ZRPC_DRR_WRITE:
        return zrpc_get_le64(record + 32);
    default:
        return 0;
    }
}

static inline void part(struct zrpc_view stream, struct parts *p)
{
    size_t at = 0;

    for (p->n = 0; at + RECORD <= stream.len && p->n < 4199; at += RECORD + payload_of(stream.data + at))
        p->at[p->n++] = at;
    CHECK_INT(at, stream.len);
    p->at[p->n] = at;
}

static inline void update(struct zrpc_sim_fletcher4 *f, const uint8_t *data, size_t len)
{
    zrpc_sim_fletcher4_update(f, data, len);
}

/* Puts right checksums everywhere, so that only what the records say is wrong. Little-endian streams. */
static inline void reseal(struct zrpc_buf *stream)
{
    struct zrpc_sim_fletcher4 f = {0};
    uint8_t *at = stream->base + stream->off, *end = at + stream->len;

    while (at + RECORD <= end) {
        uint32_t type = zrpc_get_le32(at);
        uint64_t payload = payload_of(at);

        if (type == ZRPC_DRR_END)
            memcpy(at + 8, f.sum, sizeof f.sum);
        update(&f, at, ZRPC_DRR_CHECKSUM);
        if (type != ZRPC_DRR_BEGIN)
            memcpy(at + ZRPC_DRR_CHECKSUM, f.sum, sizeof f.sum);
        if (payload > (uint64_t)(end - at) - RECORD)
            payload = (uint64_t)(end - at) - RECORD;
        update(&f, at + ZRPC_DRR_CHECKSUM, 32 + payload);
        at += RECORD + payload;
    }
}

/* The same stream as a big-endian host would have sent it. */
static inline void turn_over(struct zrpc_buf *stream)
{
    struct zrpc_sim_fletcher4 f = {.swapped = true};
    uint8_t *at = stream->base + stream->off, *end = at + stream->len;

    while (at < end) {
        uint32_t type = zrpc_get_le32(at);
        uint64_t payload = payload_of(at);

        if (type == ZRPC_DRR_END)
            memcpy(at + 8, f.sum, sizeof f.sum);
        zrpc_drr_swap(type, at);
        update(&f, at, ZRPC_DRR_CHECKSUM);
        for (int i = 0; type != ZRPC_DRR_BEGIN && i < 32; i++)
            at[ZRPC_DRR_CHECKSUM + i] = (uint8_t)(f.sum[i / 8] >> (56 - i % 8 * 8));
        for (int i = 0; type == ZRPC_DRR_OBJECT && i < 16; i += 8)
            for (int j = 0; j < 4; j++) {
                uint8_t byte = at[RECORD + i + j];

                at[RECORD + i + j] = at[RECORD + i + 7 - j];
                at[RECORD + i + 7 - j] = byte;
            }
        update(&f, at + ZRPC_DRR_CHECKSUM, 32);
        update(&f, at + RECORD, payload);
        at += RECORD + payload;
    }
}

#endif
