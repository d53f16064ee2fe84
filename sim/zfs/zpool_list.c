#include <stdio.h>
#include <stdlib.h>

#include "zpool_internal.h"

int zpool_datasets_push(struct zrpc_zpool_datasets *l, const struct zrpc_zpool_dataset *d,
                        struct zrpc_error *err)
{
    if (l->len == l->cap) {
        size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
        struct zrpc_zpool_dataset *grown = reallocarray(l->items, cap, sizeof *grown);

        if (grown == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for %zu datasets", cap);
        l->items = grown;
        l->cap = cap;
    }
    l->items[l->len++] = *d;
    return 0;
}

void zrpc_zpool_datasets_dispose(struct zrpc_zpool_datasets *l)
{
    free(l->items);
    *l = (struct zrpc_zpool_datasets){0};
}

static void describe_version(const struct zpool_fs *fs, const struct zpool_version *v,
                             struct zrpc_zpool_dataset *out)
{
    *out = (struct zrpc_zpool_dataset){
        .type = v->bookmark ? ZRPC_ZPOOL_BOOKMARK : ZRPC_ZPOOL_SNAPSHOT,
        .guid = v->guid,
        .createtxg = v->createtxg,
        .creation = v->creation,
        .referenced = v->referenced,
        .written = v->referenced,
        .defer_destroy = v->defer,
        .fs = fs->id,
        .version = v->id,
    };
    if (strlen(fs->name) + 1 + strlen(v->name) < sizeof out->name)
        stpcpy(stpcpy(stpcpy(out->name, fs->name), v->bookmark ? "#" : "@"), v->name);
}

void zpool_describe(const struct zpool_fs *fs, const struct zpool_version *v, struct zrpc_zpool_dataset *out)
{
    if (v != NULL) {
        describe_version(fs, v, out);
        return;
    }
    *out = (struct zrpc_zpool_dataset){
        .type = fs->volume ? ZRPC_ZPOOL_VOLUME : ZRPC_ZPOOL_FILESYSTEM,
        .guid = fs->guid,
        .createtxg = fs->createtxg,
        .creation = fs->creation,
        .referenced = fs->content,
        .written = fs->content,
        .inconsistent = fs->inconsistent,
        .fs = fs->id,
    };
    memcpy(out->name, fs->name, sizeof out->name);
}

/* `used`, `available` and `written`, which others decide. */
static int complete_fs(struct zrpc_zpool *p, const struct zpool_fs *fs, uint64_t pool_used,
                       struct zrpc_zpool_dataset *d, struct zrpc_error *err)
{
    struct zpool_version last;
    bool quota;
    int rc = zpool_used(p, fs->name, &d->used, err);

    if (rc == 0)
        rc = zpool_room(p, fs, pool_used, &d->available, &quota, err);
    if (rc == 0)
        rc = zpool_version_last(p, fs->id, &last, err);
    if (rc == 1)
        d->written = fs->content - last.referenced;
    return rc < 0 ? rc : 0;
}

static int list_versions(struct zrpc_zpool *p, const struct zpool_fs *fs, unsigned types,
                         struct zrpc_zpool_datasets *out, struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_VERSION_LIST, "i", fs->id);
    uint64_t before = 0; /* what the snapshot before it had */
    int rc;

    while ((rc = zpool_step(p, s, err)) == 1) {
        struct zrpc_zpool_dataset d;
        struct zpool_version v;

        zpool_version_read(s, &v);
        describe_version(fs, &v, &d);
        d.userrefs = (uint64_t)sqlite3_column_int64(s, 9);
        if (v.bookmark) {
            d.written = 0;
        } else {
            d.written = v.referenced - before;
            before = v.referenced;
        }
        if ((d.type & types) == 0)
            continue;
        rc = zpool_datasets_push(out, &d, err);
        if (rc != 0) {
            zpool_done(s);
            return rc;
        }
    }
    return rc;
}

static int list_version(struct zrpc_zpool *p, const struct zpool_fs *fs, const struct zpool_version *v,
                        struct zrpc_zpool_datasets *out, struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_VERSION_BEFORE, "iu", fs->id, v->createtxg);
    struct zpool_version before = {0};
    struct zrpc_zpool_dataset d;
    int rc = zpool_step(p, s, err);

    if (rc == 1) {
        zpool_version_read(s, &before);
        zpool_done(s);
    }
    describe_version(fs, v, &d);
    d.written = v->bookmark ? 0 : v->referenced - before.referenced;
    if (rc >= 0) {
        s = zpool_bind(p, SQL_HOLD_COUNT, "it", v->id, "");
        rc = zpool_step(p, s, err);
    }
    if (rc == 1) {
        d.userrefs = (uint64_t)sqlite3_column_int64(s, 0);
        zpool_done(s);
    }
    return rc < 0 ? rc : zpool_datasets_push(out, &d, err);
}

/* How many levels `name` is below `root`. */
static int depth_below(const char *name, const char *root)
{
    int n = 0;

    for (const char *at = name + strlen(root); *at != '\0'; at++)
        n += *at == '/';
    return n;
}

static int list_one(struct zrpc_zpool *p, const struct zpool_fs *fs, int left, unsigned types,
                    uint64_t pool_used, struct zrpc_zpool_datasets *out, struct zrpc_error *err)
{
    struct zrpc_zpool_dataset d;
    int rc = 0;

    zpool_describe(fs, NULL, &d);
    if ((d.type & types) != 0) {
        rc = complete_fs(p, fs, pool_used, &d, err);
        if (rc == 0)
            rc = zpool_datasets_push(out, &d, err);
    }
    if (rc == 0 && left != 0 && (types & (ZRPC_ZPOOL_SNAPSHOT | ZRPC_ZPOOL_BOOKMARK)) != 0)
        rc = list_versions(p, fs, types, out, err);
    return rc;
}

static int list_tree(struct zrpc_zpool *p, const char *root, int depth, unsigned types,
                     struct zrpc_zpool_datasets *out, struct zrpc_error *err)
{
    struct zpool_fs fs;
    uint64_t pool_used = 0;
    sqlite3_stmt *s;
    int rc;

    if ((types & (ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME)) != 0) {
        rc = zpool_used(p, p->name, &pool_used, err);
        if (rc != 0)
            return rc;
    }
    s = zpool_bind(p, SQL_FS_SUBTREE, "t", root);
    while ((rc = zpool_step(p, s, err)) == 1) {
        int below;

        zpool_fs_read(s, &fs);
        below = depth_below(fs.name, root);
        if (depth >= 0 && below > depth)
            continue;
        rc = list_one(p, &fs, depth < 0 ? -1 : depth - below, types, pool_used, out, err);
        if (rc != 0) {
            zpool_done(s);
            return rc;
        }
    }
    return rc;
}

static int list(struct zrpc_zpool *p, const char *root, int depth, unsigned types,
                struct zrpc_zpool_datasets *out, struct zrpc_error *err)
{
    char path[ZRPC_ZFS_NAME_MAX], part[ZRPC_ZFS_NAME_MAX], delimiter;
    struct zpool_version v;
    struct zpool_fs fs;
    int rc = zpool_split("cannot open", root, path, &delimiter, part, err);

    if (rc == 0)
        rc = zpool_fs_find(p, path, &fs, err);
    if (rc == 1 && delimiter == 0)
        return list_tree(p, path, depth, types, out, err);
    if (rc == 1)
        rc = zpool_version_find(p, fs.id, delimiter == '#', part, &v, err);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': dataset does not exist", root);
    if (rc < 0 || (types & (v.bookmark ? ZRPC_ZPOOL_BOOKMARK : ZRPC_ZPOOL_SNAPSHOT)) == 0)
        return rc < 0 ? rc : 0;
    return list_version(p, &fs, &v, out, err);
}

int zrpc_zpool_list(struct zrpc_zpool *p, const char *root, int depth, unsigned types,
                    struct zrpc_zpool_datasets *out, struct zrpc_error *err)
{
    int rc = zpool_begin(p, false, err);

    if (rc != 0)
        return rc;
    return zpool_end(p, list(p, root == NULL ? p->name : root, depth, types, out, err), err);
}

int zrpc_zpool_open_dataset(struct zrpc_zpool *p, const char *name, struct zrpc_zpool_dataset *out,
                            struct zrpc_error *err)
{
    struct zrpc_zpool_datasets one = {0};
    int rc = zrpc_zpool_list(p, name, 0, ZRPC_ZPOOL_ALL_TYPES, &one, err);

    if (rc == 0)
        *out = one.items[0];
    zrpc_zpool_datasets_dispose(&one);
    return rc;
}
