#include <stdio.h>
#include <stdlib.h>

#include "zpool_internal.h"

static int count_holds(struct zrpc_zpool *p, int64_t version, int64_t *n, struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_HOLD_COUNT, "it", version, "");
    int rc = zpool_step(p, s, err);

    if (rc == 1) {
        *n = sqlite3_column_int64(s, 0);
        zpool_done(s);
    }
    return rc < 0 ? rc : 0;
}

int zpool_check_unused(struct zrpc_zpool *p, const char *fs, const struct zpool_version *v, bool defer,
                       struct zrpc_error *err)
{
    int64_t holds = 0;
    int rc = v->bookmark || defer ? 0 : count_holds(p, v->id, &holds, err);

    if (rc == 0 && !v->bookmark)
        rc = zpool_claimed(p, NULL, v->id, err);
    if (rc == 1 || (rc == 0 && holds > 0))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot destroy snapshot %s@%s: dataset is busy", fs, v->name);
    return rc;
}

int zpool_version_destroy(struct zrpc_zpool *p, const struct zpool_version *v, struct zrpc_error *err)
{
    return zpool_run(p, err, SQL_VERSION_DELETE, "i", v->id);
}

int zpool_cut_back(struct zrpc_zpool *p, const struct zpool_fs *fs, uint64_t txg, struct zrpc_error *err)
{
    struct zpool_version v;
    sqlite3_stmt *s;
    int rc;

    while ((rc = zpool_step(p, s = zpool_bind(p, SQL_VERSION_AFTER, "iu", fs->id, txg), err)) == 1) {
        zpool_version_read(s, &v);
        zpool_done(s);
        rc = zpool_check_unused(p, fs->name, &v, false, err);
        if (rc == 0)
            rc = zpool_version_destroy(p, &v, err);
        if (rc != 0)
            return rc;
    }
    return rc != 0 ? rc : zpool_extents_drop(p, fs->id, txg, err);
}

/* One snapshot that was asked for: goes, or is noted as to go with its last hold. */
static int drop_snapshot(struct zrpc_zpool *p, const struct zpool_fs *fs, const struct zpool_version *v,
                         unsigned flags, struct zrpc_zpool_datasets *out, struct zrpc_error *err)
{
    bool defer = (flags & ZRPC_ZPOOL_DEFER) != 0;
    struct zrpc_zpool_dataset d;
    int64_t holds = 0;
    int rc = zpool_check_unused(p, fs->name, v, defer, err);

    if (rc == 0 && defer)
        rc = count_holds(p, v->id, &holds, err);
    if (rc == 0 && out != NULL) {
        zpool_describe(fs, v, &d);
        rc = zpool_datasets_push(out, &d, err);
    }
    if (rc != 0 || (flags & ZRPC_ZPOOL_DRY_RUN) != 0)
        return rc;
    return holds > 0 ? zpool_run(p, err, SQL_VERSION_DEFER, "i", v->id) : zpool_version_destroy(p, v, err);
}

/* "A%B", "A%", "%B", "%" or "A": whether the snapshots are known, and which txgs that is. 1, or 0: none. */
static int find_range(struct zrpc_zpool *p, int64_t fs, const char *item, uint64_t *first, uint64_t *last,
                      struct zrpc_error *err)
{
    const char *percent = strchr(item, '%');
    char name[ZRPC_ZFS_NAME_MAX];
    struct zpool_version v;
    int rc = 1;

    *first = 0;
    *last = ZPOOL_CREATETXG_MAX;
    snprintf(name, sizeof name, "%.*s", percent == NULL ? (int)strlen(item) : (int)(percent - item), item);
    if (name[0] != '\0' || percent == NULL) {
        rc = zpool_version_find(p, fs, false, name, &v, err);
        if (rc == 1)
            *first = v.createtxg;
        if (rc == 1 && percent == NULL)
            *last = v.createtxg;
    }
    if (rc == 1 && percent != NULL && percent[1] != '\0') {
        rc = zpool_version_find(p, fs, false, percent + 1, &v, err);
        if (rc == 1)
            *last = v.createtxg;
    }
    return rc;
}

/* Its snapshots from txg `first` to `last`. *n counts them. */
static int drop_range(struct zrpc_zpool *p, const struct zpool_fs *fs, uint64_t first, uint64_t last,
                      unsigned flags, struct zrpc_zpool_datasets *out, size_t *n, struct zrpc_error *err)
{
    struct zpool_version v;
    sqlite3_stmt *s;
    uint64_t after = first == 0 ? 0 : first - 1;
    int rc;

    while ((rc = zpool_step(p, s = zpool_bind(p, SQL_SNAPSHOT_AFTER, "iu", fs->id, after), err)) == 1) {
        zpool_version_read(s, &v);
        zpool_done(s);
        if (v.createtxg > last)
            return 0;
        after = v.createtxg;
        rc = drop_snapshot(p, fs, &v, flags, out, err);
        if (rc != 0)
            return rc;
        (*n)++;
    }
    return rc;
}

/* Snapshots of one filesystem: what is not there is left out. */
static int drop_list(struct zrpc_zpool *p, const struct zpool_fs *fs, const char *list, unsigned flags,
                     struct zrpc_zpool_datasets *out, size_t *n, struct zrpc_error *err)
{
    int rc = 0;

    for (const char *at = list; rc >= 0 && at != NULL; at = strchr(at, ',')) {
        char item[2 * ZRPC_ZFS_NAME_MAX];
        uint64_t first, last;

        at += *at == ',';
        snprintf(item, sizeof item, "%.*s", (int)strcspn(at, ","), at);
        rc = find_range(p, fs->id, item, &first, &last, err);
        if (rc == 1)
            rc = drop_range(p, fs, first, last, flags, out, n, err);
    }
    return rc < 0 ? rc : 0;
}

static int destroy_snapshots(struct zrpc_zpool *p, const char *path, const char *list, unsigned flags,
                             struct zrpc_zpool_datasets *out, struct zrpc_error *err)
{
    struct zrpc_zpool_datasets all = {0};
    struct zpool_fs fs;
    size_t n = 0;
    int rc = zpool_fs_require(p, path, &fs, err);

    if (rc == 0)
        rc = drop_list(p, &fs, list, flags, out, &n, err);
    if (rc == 0 && (flags & ZRPC_ZPOOL_RECURSIVE) != 0)
        rc = zrpc_zpool_list(p, path, ZRPC_ZPOOL_ANY_DEPTH, ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME, &all,
                             err);
    for (size_t i = 1; rc == 0 && i < all.len; i++) {
        rc = zpool_fs_require(p, all.items[i].name, &fs, err);
        if (rc == 0)
            rc = drop_list(p, &fs, list, flags, out, &n, err);
    }
    zrpc_zpool_datasets_dispose(&all);
    if (rc == 0 && n == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "could not find any snapshots to destroy; check snapshot names.");
    return rc;
}

static int destroy_bookmark(struct zrpc_zpool *p, const char *path, const char *name, unsigned flags,
                            struct zrpc_zpool_datasets *out, struct zrpc_error *err)
{
    struct zrpc_zpool_dataset d;
    struct zpool_version v;
    struct zpool_fs fs;
    int rc = zpool_fs_require(p, path, &fs, err);

    if (rc == 0)
        rc = zpool_version_find(p, fs.id, true, name, &v, err);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "bookmark '%s#%s' does not exist.", path, name);
    if (rc < 0)
        return rc;
    zpool_describe(&fs, &v, &d);
    rc = out == NULL ? 0 : zpool_datasets_push(out, &d, err);
    return rc != 0 || (flags & ZRPC_ZPOOL_DRY_RUN) != 0 ? rc : zpool_version_destroy(p, &v, err);
}

/* With what is below it, if that was not asked for. */
static int refuse_children(const struct zrpc_zpool_datasets *all, struct zrpc_error *err)
{
    const struct zrpc_zpool_dataset *first = &all->items[0];
    char list[ZRPC_ERROR_TEXT_MAX];
    size_t used = 0;

    list[0] = '\0';
    for (size_t i = 1; i < all->len && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "\n%s", all->items[i].name);
    return zrpc_fail(err, ZRPC_ERR_ZFS,
                     "cannot destroy '%s': %s has children\nuse '-r' to destroy the following datasets:%s",
                     first->name, first->type == ZRPC_ZPOOL_VOLUME ? "volume" : "filesystem", list);
}

static int destroy_one(struct zrpc_zpool *p, const struct zrpc_zpool_dataset *d, struct zrpc_error *err)
{
    struct zpool_version v = {.id = d->version};
    const char *at = strchr(d->name, '@');
    char fs[ZRPC_ZFS_NAME_MAX];
    int rc;

    if (d->version == 0) {
        rc = zpool_claimed(p, d->name, 0, err);
        if (rc == 1)
            rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot destroy '%s': dataset is busy", d->name);
        return rc != 0 ? rc : zpool_run(p, err, SQL_FS_DELETE, "i", d->fs);
    }
    snprintf(v.name, sizeof v.name, "%s", at + 1);
    snprintf(fs, sizeof fs, "%.*s", (int)(at - d->name), d->name);
    rc = zpool_check_unused(p, fs, &v, false, err);
    return rc != 0 ? rc : zpool_version_destroy(p, &v, err);
}

/* From the leaves to the root: the pool's own filesystem stays. */
static int destroy_tree(struct zrpc_zpool *p, const char *path, unsigned flags,
                        struct zrpc_zpool_datasets *out, struct zrpc_error *err)
{
    bool recursive = (flags & ZRPC_ZPOOL_RECURSIVE) != 0, root = strcmp(path, p->name) == 0;
    unsigned types = ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME | ZRPC_ZPOOL_SNAPSHOT;
    struct zrpc_zpool_datasets all = {0};
    int rc = zrpc_zpool_list(p, path, ZRPC_ZPOOL_ANY_DEPTH, types, &all, err);

    if (rc == 0 && root && !recursive)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS,
                       "cannot destroy '%s': operation does not apply to pools\n"
                       "use 'zfs destroy -r %s' to destroy all datasets in the pool\n"
                       "use 'zpool destroy %s' to destroy the pool itself",
                       path, path, path);
    if (rc == 0 && all.len > 1 && !recursive)
        rc = refuse_children(&all, err);
    for (size_t i = all.len; rc == 0 && i > (root ? 1 : 0); i--) {
        const struct zrpc_zpool_dataset *d = &all.items[i - 1];

        rc = (flags & ZRPC_ZPOOL_DRY_RUN) != 0 ? 0 : destroy_one(p, d, err);
        if (rc == 0 && out != NULL)
            rc = zpool_datasets_push(out, d, err);
    }
    zrpc_zpool_datasets_dispose(&all);
    return rc;
}

static int destroy(struct zrpc_zpool *p, const char *name, unsigned flags, struct zrpc_zpool_datasets *out,
                   struct zrpc_error *err)
{
    char path[ZRPC_ZFS_NAME_MAX], part[ZRPC_ZFS_NAME_MAX], delimiter;
    const char *at = strchr(name, '@');
    int rc;

    if (at == NULL) {
        rc = zpool_split("cannot open", name, path, &delimiter, part, err);
    } else {
        snprintf(path, sizeof path, "%.*s", (int)(at - name), name);
        rc = (size_t)(at - name) < sizeof path ? zrpc_zfs_dataset_check(path, err)
                                               : zrpc_fail(err, ZRPC_ERR_ZFS, "name is too long");
        if (rc != 0)
            return zrpc_error_prefix(err, ZRPC_ERR_ZFS, "cannot open '%.200s'", path);
    }
    if (rc == 0)
        rc = zpool_next_txg(p, err);
    if (rc != 0)
        return rc;
    if (at != NULL)
        return destroy_snapshots(p, path, at + 1, flags, out, err);
    return delimiter == '#' ? destroy_bookmark(p, path, part, flags, out, err)
                            : destroy_tree(p, path, flags, out, err);
}

int zrpc_zpool_destroy(struct zrpc_zpool *p, const char *name, unsigned flags,
                       struct zrpc_zpool_datasets *out, struct zrpc_error *err)
{
    size_t before = out == NULL ? 0 : out->len;
    int rc = zpool_begin(p, true, err);

    if (rc == 0)
        rc = zpool_end(p, destroy(p, name, flags, out, err), err);
    if (rc != 0 && out != NULL)
        out->len = before;
    return rc;
}
