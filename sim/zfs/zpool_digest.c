#include <stdlib.h>

#include "zpool_internal.h"

/* Everything that the snapshot has. */
static int collect(struct zrpc_zpool *p, const char *snapshot, struct zrpc_sim_extents *out,
                   struct zrpc_error *err)
{
    char path[ZRPC_ZFS_NAME_MAX], part[ZRPC_ZFS_NAME_MAX], delimiter;
    struct zpool_version v;
    struct zpool_fs fs;
    int rc = zpool_split("cannot open", snapshot, path, &delimiter, part, err);

    if (rc == 0)
        rc = zpool_fs_require(p, path, &fs, err);
    if (rc == 0)
        rc = zpool_version_find(p, fs.id, false, part, &v, err);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': dataset does not exist", snapshot);
    return rc < 0 ? rc : zpool_extents(p, fs.id, 0, v.createtxg, out, err);
}

int zrpc_zpool_digest(struct zrpc_zpool *p, const char *snapshot, uint64_t digest[static 4],
                      struct zrpc_error *err)
{
    static const uint8_t zeros[4];
    struct zrpc_sim_extents extents = {0};
    struct zrpc_sim_fletcher4 sum = {0};
    uint8_t chunk[65536];
    int rc = zpool_begin(p, false, err);

    if (rc == 0)
        rc = zpool_end(p, collect(p, snapshot, &extents, err), err);
    for (size_t i = 0; rc == 0 && i < extents.len; i++) {
        const struct zrpc_sim_extent *e = &extents.items[i];

        for (uint64_t at = 0; at < e->length; at += sizeof chunk) {
            size_t n = e->length - at < sizeof chunk ? (size_t)(e->length - at) : sizeof chunk;

            zrpc_sim_content_fill(e->seed, at, chunk, n);
            zrpc_sim_fletcher4_update(&sum, chunk, n);
        }
    }
    if (rc == 0) {
        zrpc_sim_fletcher4_update(&sum, zeros, (4 - sum.n_held) % 4);
        memcpy(digest, sum.sum, sizeof sum.sum);
    }
    zrpc_sim_extents_dispose(&extents);
    return rc;
}
