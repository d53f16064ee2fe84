#include "zpool_partial.h"

#include <stdio.h>

#include "sim/zfs/token.h"

static int load_extents(struct zrpc_zpool *p, int64_t fs, struct zrpc_sim_extents *out,
                        struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_PARTIAL_EXTENT_LIST, "i", fs);
    int rc;

    while ((rc = zpool_step(p, s, err)) == 1) {
        rc = zrpc_sim_extents_push(out,
                                   (struct zrpc_sim_extent){.seed = (uint64_t)sqlite3_column_int64(s, 0),
                                                            .length = (uint64_t)sqlite3_column_int64(s, 1)},
                                   err);
        if (rc != 0) {
            zpool_done(s);
            return rc;
        }
    }
    return rc;
}

int zpool_partial_load(struct zrpc_zpool *p, int64_t fs, struct zrpc_sendstream *out, struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_PARTIAL_GET, "i", fs);
    int rc = zpool_step(p, s, err);

    *out = (struct zrpc_sendstream){0};
    if (rc != 1)
        return rc;
    zpool_text(s, 0, out->begin.toname, sizeof out->begin.toname);
    out->begin.to_guid = (uint64_t)sqlite3_column_int64(s, 1);
    out->begin.from_guid = (uint64_t)sqlite3_column_int64(s, 2);
    out->begin.creation = sqlite3_column_int64(s, 3);
    out->begin.volume = sqlite3_column_int(s, 4) != 0;
    out->first_object = (uint64_t)sqlite3_column_int64(s, 5);
    out->point.object = (uint64_t)sqlite3_column_int64(s, 6);
    out->point.offset = (uint64_t)sqlite3_column_int64(s, 7);
    out->point.bytes = (uint64_t)sqlite3_column_int64(s, 8);
    zpool_done(s);
    rc = load_extents(p, fs, &out->extents, err);
    if (rc != 0)
        zrpc_sendstream_dispose(out);
    return rc < 0 ? rc : 1;
}

size_t zpool_partial_extents(const struct zrpc_sendstream *stream)
{
    size_t n = (size_t)(stream->point.object - stream->first_object) + 1;

    return n < stream->extents.len ? n : stream->extents.len;
}

/* Content received, bytes. */
static uint64_t content_of(const struct zrpc_sendstream *stream)
{
    size_t n = zpool_partial_extents(stream);
    uint64_t bytes = 0, last = stream->point.offset + ZRPC_SENDSTREAM_BLOCK_MAX;

    for (size_t i = 0; i + 1 < n; i++)
        bytes += stream->extents.items[i].length;
    if (n > 0)
        bytes += stream->extents.items[n - 1].length < last ? stream->extents.items[n - 1].length : last;
    return bytes;
}

int zpool_partial_save(struct zrpc_zpool *p, const struct zpool_fs *fs, const struct zrpc_sendstream *stream,
                       size_t n_kept, struct zrpc_error *err)
{
    const struct zrpc_sendstream_begin *b = &stream->begin;
    size_t n = zpool_partial_extents(stream);
    int rc = zpool_run(p, err, SQL_PARTIAL_SET, "ituuiiuuuu", fs->id, b->toname, b->to_guid, b->from_guid,
                       b->creation, (int64_t)b->volume, stream->first_object, stream->point.object,
                       stream->point.offset, stream->point.bytes);

    for (size_t i = n_kept; rc == 0 && i < n; i++)
        rc = zpool_run(p, err, SQL_PARTIAL_EXTENT_INSERT, "iuuu", fs->id, (uint64_t)i + 1,
                       stream->extents.items[i].seed, stream->extents.items[i].length);
    if (rc != 0)
        return rc;
    return zpool_run(p, err, SQL_FS_SET_STATE, "iiiu", fs->id, (int64_t)fs->volume, (int64_t)fs->inconsistent,
                     content_of(stream));
}

int zpool_partial_drop(struct zrpc_zpool *p, const struct zpool_fs *fs, bool volume, struct zrpc_error *err)
{
    int rc = zpool_run(p, err, SQL_PARTIAL_DELETE, "i", fs->id);

    if (rc != 0)
        return rc;
    return zpool_run(p, err, SQL_FS_SET_STATE, "iiii", fs->id, (int64_t)volume, (int64_t)0, (int64_t)0);
}

static int make_token(struct zrpc_zpool *p, const char *name, struct zrpc_buf *out, struct zrpc_error *err)
{
    struct zrpc_sendstream partial = {0};
    struct zrpc_token token = {0};
    struct zpool_fs fs;
    int rc = zpool_fs_find(p, name, &fs, err);

    if (rc == 1)
        rc = zpool_partial_load(p, fs.id, &partial, err);
    if (rc != 1)
        return rc;
    memcpy(token.toname, partial.begin.toname, sizeof token.toname);
    token.to_guid = partial.begin.to_guid;
    token.from_guid = partial.begin.from_guid;
    token.point = partial.point;
    rc = zrpc_token_encode(&token, out, err);
    zrpc_sendstream_dispose(&partial);
    return rc != 0 ? rc : 1;
}

int zpool_resume_token(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_buf *out,
                       struct zrpc_error *err)
{
    int rc = zpool_begin(ctx, false, err);

    (void)cancelled;
    return rc != 0 ? rc : zpool_end(ctx, make_token(ctx, fs, out, err), err);
}

static int abort_receive(struct zrpc_zpool *p, const char *name, struct zrpc_error *err)
{
    struct zrpc_sendstream partial;
    struct zpool_fs fs;
    int rc = zpool_fs_find(p, name, &fs, err);

    if (rc == 1)
        rc = zpool_partial_load(p, fs.id, &partial, err);
    if (rc != 1)
        return rc;
    zrpc_sendstream_dispose(&partial);
    rc = zpool_claimed(p, name, 0, err);
    if (rc == 1)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot destroy '%s': dataset is busy", name);
    if (rc == 0 && fs.inconsistent)
        return zpool_run(p, err, SQL_FS_DELETE, "i", fs.id);
    return rc != 0 ? rc : zpool_partial_drop(p, &fs, fs.volume, err);
}

int zpool_abort_receive(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_error *err)
{
    int rc = zpool_begin(ctx, true, err);

    (void)cancelled;
    return rc != 0 ? rc : zpool_end(ctx, abort_receive(ctx, fs, err), err);
}

int zpool_read_token(void *ctx, atomic_bool *cancelled, const char *token, struct zrpc_zfs_token *out,
                     struct zrpc_error *err)
{
    struct zrpc_token t;
    const char *at;
    int rc = zrpc_token_decode(token, &t, err);

    (void)ctx, (void)cancelled;
    if (rc != 0)
        return rc;
    at = strchr(t.toname, '@');
    *out = (struct zrpc_zfs_token){.to_guid = t.to_guid, .from_guid = t.from_guid, .bytes = t.point.bytes};
    snprintf(out->filesystem, sizeof out->filesystem, "%.*s", (int)(at - t.toname), t.toname);
    snprintf(out->to, sizeof out->to, "%s", at + 1);
    return 0;
}
