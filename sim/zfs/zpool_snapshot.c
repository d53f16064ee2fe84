#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "zpool_internal.h"

struct snapping {
    const char *snapshot;
    time_t now;
    const struct zrpc_zpool_setting *settings;
    size_t n_settings;
};

/* `sim:written` tells what has been written by now. */
static int grow(struct zrpc_zpool *p, struct zpool_fs *fs, struct zrpc_error *err)
{
    struct zrpc_zpool_value *value = malloc(sizeof *value);
    struct zrpc_sim_extent extent = {.seed = zpool_new_guid(p, fs->name)};
    int rc;

    if (value == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a property");
    rc = zpool_setting(p, fs, "sim:written", value, err);
    if (rc == 1 && !zpool_parse_size(value->value, &extent.length))
        extent.length = 0;
    free(value);
    return rc < 0 ? rc : zpool_append(p, "cannot create snapshot", fs, &extent, p->txg, err);
}

static int snap_one(struct zrpc_zpool *p, struct zpool_fs *fs, const struct snapping *snapping,
                    struct zrpc_error *err)
{
    char what[ZRPC_ZFS_NAME_MAX + 32], full[2 * ZRPC_ZFS_NAME_MAX];
    struct zpool_version v = {.fs = fs->id, .createtxg = p->txg, .creation = snapping->now};
    int rc;

    snprintf(full, sizeof full, "%s@%s", fs->name, snapping->snapshot);
    if (strlen(full) >= ZRPC_ZFS_NAME_MAX)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create snapshot '%s': dataset name is too long", full);
    rc = zpool_version_find(p, fs->id, false, snapping->snapshot, &v, err);
    if (rc == 1)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create snapshot '%s': dataset already exists", full);
    if (rc == 0 && fs->inconsistent)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create snapshot '%s': dataset is busy", full);
    if (rc == 0)
        rc = grow(p, fs, err);
    if (rc != 0)
        return rc;
    v.guid = zpool_new_guid(p, full);
    v.referenced = fs->content;
    snprintf(v.name, sizeof v.name, "%s", snapping->snapshot);
    snprintf(what, sizeof what, "cannot create snapshot '%.*s'", ZRPC_ZFS_NAME_MAX - 1, full);
    rc = zpool_version_insert(p, &v, err);
    return rc != 0 ? rc : zpool_apply(p, what, fs, &v, snapping->settings, snapping->n_settings, err);
}

/* The filesystem, and all below it. The subtree is read first: it must not change under the query. */
static int snap_tree(struct zrpc_zpool *p, const char *root, const struct snapping *snapping,
                     struct zrpc_error *err)
{
    struct zrpc_zpool_datasets all = {0};
    struct zpool_fs fs;
    int rc =
        zrpc_zpool_list(p, root, ZRPC_ZPOOL_ANY_DEPTH, ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME, &all, err);

    for (size_t i = 0; rc == 0 && i < all.len; i++) {
        rc = zpool_fs_require(p, all.items[i].name, &fs, err);
        if (rc == 0 && !fs.inconsistent)
            rc = snap_one(p, &fs, snapping, err);
    }
    zrpc_zpool_datasets_dispose(&all);
    return rc;
}

static int snap(struct zrpc_zpool *p, const char *name, bool recursive, struct snapping *snapping,
                struct zrpc_error *err)
{
    char path[ZRPC_ZFS_NAME_MAX], part[ZRPC_ZFS_NAME_MAX], delimiter;
    struct zpool_fs fs;
    int rc = zpool_split("cannot create snapshot", name, path, &delimiter, part, err);

    if (rc == 0 && delimiter != '@')
        rc = zrpc_fail(err, ZRPC_ERR_ZFS,
                       "cannot create snapshot '%s': missing '@' delimiter in snapshot name", name);
    if (rc == 0)
        rc = zpool_fs_find(p, path, &fs, err);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': dataset does not exist", path);
    if (rc < 0)
        return rc;
    snapping->snapshot = part;
    return recursive ? snap_tree(p, path, snapping, err) : snap_one(p, &fs, snapping, err);
}

int zrpc_zpool_snapshot(struct zrpc_zpool *p, const char *const *names, size_t n, bool recursive,
                        const struct zrpc_zpool_setting *settings, size_t n_settings, struct zrpc_error *err)
{
    struct snapping snapping = {.now = time(NULL), .settings = settings, .n_settings = n_settings};
    int rc = zpool_begin(p, true, err);

    if (rc != 0)
        return rc;
    rc = zpool_next_txg(p, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = snap(p, names[i], recursive, &snapping, err);
    return zpool_end(p, rc, err);
}

/* 1 and what the bookmark is to be made of. */
static int bookmark_source(struct zrpc_zpool *p, const char *source, const char *bookmark,
                           struct zpool_version *out, struct zrpc_error *err)
{
    char path[ZRPC_ZFS_NAME_MAX], part[ZRPC_ZFS_NAME_MAX], delimiter;
    struct zpool_fs fs;
    int rc = zpool_split("cannot create bookmark", source, path, &delimiter, part, err);

    if (rc == 0 && delimiter == 0)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create bookmark '%s': '%s' is no snapshot or bookmark",
                       bookmark, source);
    if (rc == 0)
        rc = zpool_fs_require(p, path, &fs, err);
    if (rc == 0)
        rc = zpool_version_find(p, fs.id, delimiter == '#', part, out, err);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create bookmark '%s': %s '%s' does not exist", bookmark,
                         delimiter == '@' ? "snapshot" : "bookmark", source);
    return rc;
}

static int make_bookmark(struct zrpc_zpool *p, const char *source, const char *bookmark, bool replace,
                         struct zrpc_error *err)
{
    char path[ZRPC_ZFS_NAME_MAX], part[ZRPC_ZFS_NAME_MAX], delimiter;
    struct zpool_version v, old;
    struct zpool_fs fs;
    int rc = zpool_split("cannot create bookmark", bookmark, path, &delimiter, part, err);

    if (rc == 0 && delimiter != '#')
        rc = zrpc_fail(err, ZRPC_ERR_ZFS,
                       "cannot create bookmark '%s': missing '#' delimiter in bookmark name", bookmark);
    if (rc == 0)
        rc = bookmark_source(p, source, bookmark, &v, err);
    if (rc == 1)
        rc = zpool_fs_require(p, path, &fs, err);
    if (rc != 0)
        return rc;
    if (fs.id != v.fs)
        return zrpc_fail(
            err, ZRPC_ERR_ZFS,
            "cannot create bookmark '%s': source is not an ancestor of the new bookmark's dataset", bookmark);
    rc = zpool_version_find(p, fs.id, true, part, &old, err);
    if (rc == 1 && !replace)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create bookmark '%s': bookmark exists", bookmark);
    if (rc == 1)
        rc = zpool_run(p, err, SQL_VERSION_DELETE, "i", old.id);
    if (rc == 0)
        rc = zpool_next_txg(p, err);
    if (rc != 0)
        return rc;
    v.bookmark = true;
    memcpy(v.name, part, sizeof v.name);
    return zpool_version_insert(p, &v, err);
}

int zrpc_zpool_bookmark(struct zrpc_zpool *p, const char *source, const char *bookmark, bool replace,
                        struct zrpc_error *err)
{
    int rc = zpool_begin(p, true, err);

    return rc != 0 ? rc : zpool_end(p, make_bookmark(p, source, bookmark, replace, err), err);
}
