#include <stdio.h>
#include <stdlib.h>

#include "zpool_internal.h"

#define PLACEHOLDER "zrepl:placeholder"

/* Names that come through the vtable, joined: FS@SNAPSHOT, FS#BOOKMARK. */
static int join(const char *fs, char delimiter, const char *name, char out[static ZRPC_ZFS_NAME_MAX],
                struct zrpc_error *err)
{
    int n = snprintf(out, ZRPC_ZFS_NAME_MAX, "%s%c%s", fs, delimiter, name);

    if (n >= 0 && n < ZRPC_ZFS_NAME_MAX)
        return 0;
    return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s%c%s': name is too long", fs, delimiter, name);
}

static int describe(struct zrpc_zpool *p, int64_t id, const char *name, struct zrpc_zfs_filesystem *out,
                    struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_PROPERTY_GET, "iit", id, (int64_t)0, PLACEHOLDER);
    int rc = zpool_step(p, s, err);
    char value[8] = "";

    if (rc == 1) {
        zpool_text(s, 0, value, sizeof value);
        zpool_done(s);
    }
    *out = (struct zrpc_zfs_filesystem){.placeholder = strcmp(value, "on") == 0};
    snprintf(out->path, sizeof out->path, "%s", name);
    return rc < 0 ? rc : 0;
}

static int list_all(struct zrpc_zpool *p, const char *root, struct zrpc_zfs_filesystems *out,
                    struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_FS_SUBTREE, "t", root == NULL ? p->name : root);
    struct zrpc_zfs_filesystem item;
    struct zpool_fs fs;
    int rc;

    while ((rc = zpool_step(p, s, err)) == 1) {
        zpool_fs_read(s, &fs);
        if (root != NULL && strcmp(fs.name, root) == 0)
            continue;
        rc = describe(p, fs.id, fs.name, &item, err);
        if (rc == 0)
            rc = zrpc_zfs_filesystems_push(out, &item, err);
        if (rc != 0) {
            zpool_done(s);
            break;
        }
    }
    return rc;
}

static int list_filesystems(void *ctx, atomic_bool *cancelled, const char *root,
                            struct zrpc_zfs_filesystems *out, struct zrpc_error *err)
{
    int rc = zpool_begin(ctx, false, err);

    (void)cancelled;
    return rc != 0 ? rc : zpool_end(ctx, list_all(ctx, root, out, err), err);
}

static int get_filesystem(void *ctx, atomic_bool *cancelled, const char *path,
                          struct zrpc_zfs_filesystem *out, struct zrpc_error *err)
{
    struct zpool_fs fs;
    int rc = zpool_begin(ctx, false, err);

    (void)cancelled;
    if (rc != 0)
        return rc;
    rc = zpool_fs_find(ctx, path, &fs, err);
    if (rc == 1) {
        rc = describe(ctx, fs.id, fs.name, out, err);
        rc = rc == 0 ? 1 : rc;
    }
    return zpool_end(ctx, rc, err);
}

static int push_versions(struct zrpc_zpool *p, const char *path, struct zrpc_zfs_versions *out,
                         struct zrpc_error *err)
{
    struct zpool_version v;
    struct zpool_fs fs;
    sqlite3_stmt *s;
    int rc = zpool_fs_require(p, path, &fs, err);

    if (rc != 0)
        return rc;
    s = zpool_bind(p, SQL_VERSION_LIST, "i", fs.id);
    while ((rc = zpool_step(p, s, err)) == 1) {
        struct zrpc_zfs_version item;

        zpool_version_read(s, &v);
        item = (struct zrpc_zfs_version){.type = v.bookmark ? ZRPC_ZFS_BOOKMARK : ZRPC_ZFS_SNAPSHOT,
                                         .guid = v.guid,
                                         .createtxg = v.createtxg,
                                         .creation = v.creation};
        memcpy(item.name, v.name, sizeof item.name);
        rc = zrpc_zfs_versions_push(out, &item, err);
        if (rc != 0) {
            zpool_done(s);
            break;
        }
    }
    return rc;
}

static int list_versions(void *ctx, atomic_bool *cancelled, const char *path, struct zrpc_zfs_versions *out,
                         struct zrpc_error *err)
{
    int rc = zpool_begin(ctx, false, err);

    (void)cancelled;
    return rc != 0 ? rc : zpool_end(ctx, push_versions(ctx, path, out, err), err);
}

static int receive(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_receive *receive,
                   struct zrpc_sink *out, struct zrpc_error *err)
{
    struct zrpc_zpool_receive all = {
        .target = receive->filesystem,
        .force = receive->force,
        .resumable = receive->resumable,
    };

    (void)cancelled;
    return zrpc_zpool_receive(ctx, &all, out, err);
}

static int destroy_snapshot(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot,
                            struct zrpc_error *err)
{
    char name[ZRPC_ZFS_NAME_MAX];
    int rc = join(fs, '@', snapshot, name, err);

    (void)cancelled;
    return rc != 0 ? rc : zrpc_zpool_destroy(ctx, name, 0, NULL, err);
}

static int bookmark(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot,
                    const char *bookmark, struct zrpc_error *err)
{
    char source[ZRPC_ZFS_NAME_MAX], name[ZRPC_ZFS_NAME_MAX];
    int rc = join(fs, '@', snapshot, source, err);

    (void)cancelled;
    if (rc == 0)
        rc = join(fs, '#', bookmark, name, err);
    return rc != 0 ? rc : zrpc_zpool_bookmark(ctx, source, name, true, err);
}

static int create_placeholder(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_error *err)
{
    static const struct zrpc_zpool_setting settings[] = {{PLACEHOLDER, "on"}, {"mountpoint", "none"}};
    struct zrpc_zpool_new new = {.name = fs, .settings = settings, .n_settings = 2};

    (void)cancelled;
    return zrpc_zpool_create_filesystem(ctx, &new, err);
}

static int set_placeholder(void *ctx, atomic_bool *cancelled, const char *fs, bool placeholder,
                           struct zrpc_error *err)
{
    struct zrpc_zpool_setting setting = {PLACEHOLDER, placeholder ? "on" : "off"};

    (void)cancelled;
    return zrpc_zpool_set(ctx, fs, &setting, 1, err);
}

static int rollback(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot,
                    struct zrpc_error *err)
{
    char name[ZRPC_ZFS_NAME_MAX];
    int rc = join(fs, '@', snapshot, name, err);

    (void)cancelled;
    return rc != 0 ? rc : zrpc_zpool_rollback(ctx, name, true, err);
}

static const struct zrpc_zfs_ops ops = {
    .name = "sim",
    .list_filesystems = list_filesystems,
    .get_filesystem = get_filesystem,
    .list_versions = list_versions,
    .estimate = zpool_estimate,
    .send = zpool_send,
    .receive = receive,
    .destroy_snapshot = destroy_snapshot,
    .bookmark = bookmark,
    .create_placeholder = create_placeholder,
    .set_placeholder = set_placeholder,
    .rollback = rollback,
    .resume_token = zpool_resume_token,
    .abort_receive = zpool_abort_receive,
    .read_token = zpool_read_token,
};

struct zrpc_zfs zrpc_zpool_zfs(struct zrpc_zpool *p)
{
    return (struct zrpc_zfs){.ops = &ops, .ctx = p};
}
