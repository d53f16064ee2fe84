#include "drr.h"

struct zrpc_sendstream_point zrpc_sendstream_reader_point(const struct zrpc_sendstream_reader *r)
{
    struct zrpc_sendstream_point p = r->any ? r->point : ZRPC_SENDSTREAM_START;
    size_t extent;
    uint32_t size;

    if (!r->any)
        return p;
    extent = (size_t)(p.object - r->stream.first_object);
    size = zrpc_drr_block_size(r->stream.extents.items[extent]);
    p.bytes = zrpc_drr_position(&r->stream, extent) + 2 * ZRPC_SENDSTREAM_RECORD_SIZE + ZRPC_DRR_BONUS +
              (p.offset / size + 1) * (ZRPC_SENDSTREAM_RECORD_SIZE + size);
    return p;
}

/* Takes what the point needs of the saved extents. */
static int take_saved(struct zrpc_sendstream_reader *r, const struct zrpc_sendstream *saved,
                      struct zrpc_error *err)
{
    struct zrpc_sendstream at = {.begin = r->stream.begin,
                                 .extents = saved->extents,
                                 .first_object = saved->first_object,
                                 .resumed = true,
                                 .point = r->stream.point};
    size_t extent;
    int rc = 0;

    if (saved->begin.to_guid != r->stream.begin.to_guid ||
        saved->begin.from_guid != r->stream.begin.from_guid ||
        saved->point.object != r->stream.point.object || saved->point.offset != r->stream.point.offset ||
        !zrpc_drr_locate(&at, &extent, &r->offset))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "invalid backup stream");
    if (zrpc_drr_is_start(saved->point) && saved->point.bytes == 0)
        return 0;
    if (extent >= saved->extents.len || saved->first_object == 0 ||
        (r->stream.first_object != 0 && r->stream.first_object != saved->first_object))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "invalid backup stream");
    for (size_t i = 0; rc == 0 && i <= extent; i++)
        rc = zrpc_sim_extents_push(&r->stream.extents, saved->extents.items[i], err);
    r->stream.first_object = saved->first_object;
    r->point = saved->point;
    r->any = r->again = rc == 0;
    return rc;
}

int zrpc_sendstream_reader_resume(struct zrpc_sendstream_reader *r, const struct zrpc_sendstream *saved,
                                  struct zrpc_error *err)
{
    int rc;

    if (r->state != ZRPC_READER_AWAITS_RESUME)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "the stream is not one that goes on from another");
    rc = take_saved(r, saved, err);
    r->state = rc == 0 ? ZRPC_READER_BEGUN : ZRPC_READER_FAILED;
    if (rc != 0)
        r->fault = ZRPC_SENDSTREAM_BAD;
    return rc;
}
