#include <stdio.h>

#include "zpool_receive.h"

const char *zpool_receive_what(const struct zpool_receiving *r)
{
    const struct zrpc_sendstream *s = &r->reader.stream;

    if (s->begin.to_guid == 0)
        return "cannot receive";
    if (s->resumed)
        return "cannot receive resume stream";
    return s->begin.from_guid == 0 ? "cannot receive new filesystem stream"
                                   : "cannot receive incremental stream";
}

int zpool_receive_full(const struct zpool_receiving *r, struct zrpc_error *err)
{
    if (r->quota)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: destination %s space quota exceeded.", zpool_receive_what(r),
                         r->fs);
    return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: out of space", zpool_receive_what(r));
}

/* Where a stream would go that is there without its filesystem. */
static int accept_new(const struct zpool_receiving *r, struct zrpc_error *err)
{
    const char *what = zpool_receive_what(r), *slash = strrchr(r->fs, '/');
    char parent[ZRPC_ZFS_NAME_MAX];
    struct zpool_fs above;
    int rc;

    if (r->reader.stream.resumed || r->reader.stream.begin.from_guid != 0 || slash == NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: destination '%s' does not exist", what, r->fs);
    snprintf(parent, sizeof parent, "%.*s", (int)(slash - r->fs), r->fs);
    rc = zpool_fs_find(r->pool, parent, &above, err);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "cannot open '%s': dataset does not exist\n%s: unable to restore to destination",
                         parent, what);
    if (rc == 1 && above.volume)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: parent '%s' is not a filesystem", what, parent);
    return rc < 0 ? rc : 0;
}

static int refuse_kept(const struct zpool_receiving *r, struct zrpc_error *err)
{
    return zrpc_fail(err, ZRPC_ERR_ZFS,
                     "%s: destination %s contains partially-complete state from \"zfs receive -s\".",
                     zpool_receive_what(r), r->fs);
}

/* A full stream over what is there. */
static int accept_over(const struct zpool_receiving *r, const struct zpool_fs *fs, bool kept,
                       struct zrpc_error *err)
{
    const char *what = zpool_receive_what(r);
    struct zpool_version last;
    int rc;

    if (!r->force)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: destination '%s' exists\nmust specify -F to overwrite it",
                         what, r->fs);
    rc = zpool_version_last(r->pool, fs->id, &last, err);
    if (rc == 1)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "%s: destination has snapshots (eg. %s@%s)\nmust destroy them to overwrite it", what,
                         r->fs, last.name);
    return rc == 0 && kept ? refuse_kept(r, err) : rc;
}

static int mismatch(const struct zpool_receiving *r, struct zrpc_error *err)
{
    return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: most recent snapshot of %s does not\nmatch incremental source",
                     zpool_receive_what(r), r->fs);
}

static int accept_increment(const struct zpool_receiving *r, const struct zpool_fs *fs, bool kept,
                            struct zrpc_error *err)
{
    const char *what = zpool_receive_what(r);
    struct zpool_version last = {0}, from = {0}, same;
    int rc;

    if (kept)
        return refuse_kept(r, err);
    rc = zpool_version_find(r->pool, fs->id, false, r->snapshot, &same, err);
    if (rc == 1)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot restore to %s@%s: destination already exists", r->fs,
                         r->snapshot);
    if (rc == 0)
        rc = zpool_version_last(r->pool, fs->id, &last, err);
    if (rc == 1)
        rc = zpool_version_by_guid(r->pool, fs->id, false, r->reader.stream.begin.from_guid, &from, err);
    if (rc == 0 || (rc == 1 && from.id != last.id && !r->force))
        return mismatch(r, err);
    if (rc == 1 && !r->force && fs->content != last.referenced)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "%s: destination %s has been modified\nsince most recent snapshot", what, r->fs);
    return rc < 0 ? rc : 0;
}

static bool same_point(struct zrpc_sendstream_point a, struct zrpc_sendstream_point b)
{
    return a.object == b.object && a.offset == b.offset;
}

/* What goes on must be what is kept: what zfs says otherwise depends on -s. */
static int accept_resumed(struct zpool_receiving *r, const struct zpool_fs *fs,
                          const struct zrpc_sendstream *kept, struct zrpc_error *err)
{
    const struct zrpc_sendstream *s = &r->reader.stream;

    if (kept->begin.to_guid != s->begin.to_guid || kept->begin.from_guid != s->begin.from_guid ||
        !same_point(kept->point, s->point))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: %s", zpool_receive_what(r),
                         r->resumable ? "kernel modules must be upgraded to receive this stream."
                                      : "invalid backup stream");
    if (s->begin.from_guid == 0 && !fs->inconsistent && !r->force)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "%s: Resuming recv on existing destination '%s'\nmust specify -F to overwrite it",
                         zpool_receive_what(r), r->fs);
    return 0;
}

static int accept_any(struct zpool_receiving *r, struct zrpc_sendstream *kept, struct zrpc_error *err)
{
    const struct zrpc_sendstream *s = &r->reader.stream;
    struct zpool_fs fs;
    bool has_kept;
    int rc = zpool_fs_find(r->pool, r->fs, &fs, err);

    if (rc == 0)
        return accept_new(r, err);
    if (rc == 1)
        rc = zpool_partial_load(r->pool, fs.id, kept, err);
    if (rc < 0)
        return rc;
    has_kept = rc == 1;
    if (s->resumed)
        return accept_resumed(r, &fs, kept, err);
    return s->begin.from_guid == 0 ? accept_over(r, &fs, has_kept, err)
                                   : accept_increment(r, &fs, has_kept, err);
}

/* The room that there is for content; what a partial receive holds is room for it. */
static int measure(struct zpool_receiving *r, struct zrpc_error *err)
{
    const char *at = r->fs + strlen(r->fs);
    char path[ZRPC_ZFS_NAME_MAX];
    struct zpool_fs fs;
    uint64_t used;
    int rc = 0;

    while (rc == 0) {
        snprintf(path, sizeof path, "%.*s", (int)(at - r->fs), r->fs);
        rc = zpool_fs_find(r->pool, path, &fs, err);
        at = memrchr(r->fs, '/', (size_t)(at - r->fs));
        if (at == NULL)
            break;
    }
    if (rc == 1)
        rc = zpool_used(r->pool, r->pool->name, &used, err);
    if (rc == 0)
        rc = zpool_room(r->pool, &fs, used, &r->room, &r->quota, err);
    if (rc == 0 && strcmp(fs.name, r->fs) == 0)
        r->room += fs.held;
    return rc;
}

static int accept_in(struct zpool_receiving *r, struct zrpc_sendstream *kept, struct zrpc_error *err)
{
    int rc = accept_any(r, kept, err);

    return rc != 0 ? rc : measure(r, err);
}

int zpool_receive_accept(struct zpool_receiving *r, struct zrpc_error *err)
{
    struct zrpc_sendstream kept = {0};
    int rc;

    if (r->snapshot[0] == '\0')
        snprintf(r->snapshot, sizeof r->snapshot, "%s", zrpc_sendstream_snapshot(&r->reader.stream.begin));
    if (strlen(r->fs) + 1 + strlen(r->snapshot) >= ZRPC_ZFS_NAME_MAX)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s: dataset name is too long", zpool_receive_what(r));
    rc = zpool_begin(r->pool, false, err);
    if (rc == 0)
        rc = zpool_end(r->pool, accept_in(r, &kept, err), err);
    if (rc == 0 && r->reader.stream.resumed) {
        rc = zrpc_sendstream_reader_resume(&r->reader, &kept, err);
        r->kept = kept.point;
        r->n_kept = kept.extents.len;
        if (rc != 0)
            rc = zrpc_error_prefix(err, rc, "%s", zpool_receive_what(r));
    }
    r->accepted = rc == 0;
    zrpc_sendstream_dispose(&kept);
    return rc;
}

int zpool_receive_keep(struct zpool_receiving *r, const struct zrpc_sendstream_point *point,
                       struct zrpc_error *err)
{
    struct zrpc_sendstream stream = r->reader.stream;
    struct zpool_fs fs;
    int rc = zpool_fs_find(r->pool, r->fs, &fs, err);

    if (rc == 0)
        rc = zpool_fs_insert(r->pool, "cannot receive", r->fs, stream.begin.volume, true, &fs, err);
    else if (rc == 1 && stream.begin.from_guid == 0 && !fs.inconsistent && !r->force)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "destination '%s' exists", r->fs); /* somebody made it meanwhile */
    stream.point = *point;
    return rc < 0 ? rc : zpool_partial_save(r->pool, &fs, &stream, r->n_kept, err);
}

/* The snapshot that the stream starts from, id 0 for a full one: it must still be there, and the last. */
static int find_base(struct zpool_receiving *r, const struct zpool_fs *fs, struct zpool_version *from,
                     struct zrpc_error *err)
{
    uint64_t guid = r->reader.stream.begin.from_guid;
    struct zpool_version last = {0};
    int rc = zpool_version_last(r->pool, fs->id, &last, err);

    *from = (struct zpool_version){0};
    if (rc >= 0 && guid != 0) {
        rc = zpool_version_by_guid(r->pool, fs->id, false, guid, from, err);
        if (rc == 0)
            return mismatch(r, err);
    }
    if (rc >= 0 && last.id != from->id && (guid == 0 || !r->force))
        return mismatch(r, err);
    return rc < 0 ? rc : 0;
}

/* What the stream does not start from goes: with -F, newer snapshots and unsaved changes. */
static int prepare(struct zpool_receiving *r, struct zpool_fs *fs, uint64_t *n, struct zrpc_error *err)
{
    const struct zrpc_sendstream *s = &r->reader.stream;
    struct zpool_version from;
    uint64_t length;
    int rc = zpool_fs_find(r->pool, r->fs, fs, err);

    *n = 0;
    if (rc == 0)
        return zpool_fs_insert(r->pool, "cannot receive", r->fs, s->begin.volume, false, fs, err);
    if (rc == 1)
        rc = find_base(r, fs, &from, err);
    if (rc == 0)
        rc = zpool_partial_drop(r->pool, fs, s->begin.from_guid == 0 ? s->begin.volume : fs->volume, err);
    if (rc == 0)
        rc = zpool_cut_back(r->pool, fs, from.createtxg, err);
    if (rc == 0 && from.id != 0)
        rc = zpool_extents_count(r->pool, fs->id, from.createtxg, n, &length, err);
    if (rc == 0)
        rc = zpool_fs_require(r->pool, r->fs, fs, err);
    if (rc == 0 && s->extents.len > 0 && s->first_object != *n + 1)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "%s: invalid backup stream", zpool_receive_what(r));
    return rc;
}

static int check_again(struct zpool_receiving *r, struct zrpc_error *err)
{
    struct zrpc_sendstream kept = {0};
    struct zpool_fs fs;
    int rc = zpool_fs_find(r->pool, r->fs, &fs, err);

    /* What this receive itself has kept is no obstacle. */
    if (rc == 1 && (r->reader.stream.resumed || r->n_kept > 0)) {
        rc = zpool_partial_load(r->pool, fs.id, &kept, err);
        if (rc >= 0 && kept.begin.to_guid != r->reader.stream.begin.to_guid)
            rc = zrpc_fail(err, ZRPC_ERR_ZFS, "%s: dataset is busy", zpool_receive_what(r));
        rc = rc < 0 ? rc : 0;
    } else if (rc >= 0) {
        rc = accept_any(r, &kept, err);
    }
    zrpc_sendstream_dispose(&kept);
    return rc;
}

int zpool_receive_commit(struct zpool_receiving *r, struct zrpc_error *err)
{
    const struct zrpc_sendstream *s = &r->reader.stream;
    struct zpool_version v = {.guid = s->begin.to_guid, .creation = s->begin.creation};
    struct zpool_fs fs;
    uint64_t n;
    int rc = check_again(r, err);

    if (rc == 0)
        rc = prepare(r, &fs, &n, err);
    if (rc == 0)
        rc = measure(r, err);
    if (rc == 0 && s->extents.length > r->room)
        rc = zpool_receive_full(r, err);
    if (rc == 0)
        rc = zpool_next_txg(r->pool, err);
    for (size_t i = 0; rc == 0 && i < s->extents.len; i++)
        rc = zpool_extent_insert(r->pool, fs.id, ++n, r->pool->txg, s->extents.items[i], err);
    if (rc != 0)
        return rc;
    v.fs = fs.id;
    v.createtxg = r->pool->txg;
    v.referenced = fs.content + s->extents.length;
    memcpy(v.name, r->snapshot, sizeof v.name);
    rc = zpool_version_insert(r->pool, &v, err);
    return rc != 0 ? rc
                   : zpool_apply(r->pool, zpool_receive_what(r), &fs, NULL, r->settings, r->n_settings, err);
}
