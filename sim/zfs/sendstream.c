#include "sendstream.h"

#include "drr.h"

void zrpc_sendstream_dispose(struct zrpc_sendstream *s)
{
    zrpc_sim_extents_dispose(&s->extents);
}

bool zrpc_sendstream_toname_check(const char *toname)
{
    const char *at = strchr(toname, '@');
    char fs[ZRPC_ZFS_NAME_MAX];

    if (at == NULL || strlen(toname) >= ZRPC_ZFS_NAME_MAX)
        return false;
    memcpy(fs, toname, (size_t)(at - toname));
    fs[at - toname] = '\0';
    return zrpc_zfs_dataset_check(fs, NULL) == 0 && zrpc_zfs_name_check(at + 1, NULL) == 0;
}

const char *zrpc_sendstream_snapshot(const struct zrpc_sendstream_begin *b)
{
    const char *at = strchr(b->toname, '@');

    return at == NULL ? "" : at + 1;
}

uint64_t zrpc_sendstream_length(const struct zrpc_sendstream *s)
{
    uint8_t begin[ZRPC_DRR_BUFFER];
    uint64_t first, offset, total = zrpc_drr_position(s, s->extents.len);
    size_t extent;

    total += (zrpc_drr_tail(s, &first) > 0 ? 2 : 1) * ZRPC_SENDSTREAM_RECORD_SIZE;
    if (!s->resumed || !zrpc_drr_locate(s, &extent, &offset))
        return total;
    total -= zrpc_drr_position(s, extent);
    if (offset > 0)
        total -= offset + offset / ZRPC_SENDSTREAM_BLOCK_MAX * ZRPC_SENDSTREAM_RECORD_SIZE;
    return total + zrpc_drr_begin(s, begin);
}
