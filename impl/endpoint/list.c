#include "internal.h"

#include <stdlib.h>

#include "zrpc/pb.h"

static int add_filesystem(Zrpc__Pb__ListFilesystemRes *res, const char *path, bool placeholder,
                          struct zrpc_error *err)
{
    Zrpc__Pb__Filesystem *fs = malloc(sizeof *fs), **grown;

    grown = fs == NULL ? NULL : reallocarray(res->filesystems, res->n_filesystems + 1, sizeof(void *));
    if (grown == NULL) {
        free(fs);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a list of filesystems");
    }
    zrpc__pb__filesystem__init(fs);
    fs->isplaceholder = placeholder;
    grown[res->n_filesystems++] = fs;
    res->filesystems = grown;
    return zrpc_pb_set_string(&fs->path, path, err);
}

/* Whether the list has it already; `n` entries from the start are looked at. */
static bool listed(const Zrpc__Pb__ListFilesystemRes *res, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(res->filesystems[i]->path, path) == 0)
            return true;
    return false;
}

static int list_own(struct zrpc_endpoint *e, struct zrpc_call *call, Zrpc__Pb__ListFilesystemRes *res,
                    struct zrpc_error *err)
{
    const struct zrpc_zfs *zfs = &e->config.zfs;
    struct zrpc_zfs_filesystems all = {0};
    int rc = zfs->ops->list_filesystems(zfs->ctx, &call->cancelled, NULL, &all, err);

    for (size_t i = 0; rc == 0 && i < all.len; i++)
        if (zrpc_endpoint_admits(e, all.items[i].path))
            rc = add_filesystem(res, all.items[i].path, false, err);
    zrpc_zfs_filesystems_dispose(&all);
    return rc;
}

/* A filesystem may be gone since it was listed, and one without its token is still worth listing. */
static int add_token(struct zrpc_endpoint *e, struct zrpc_call *call, const char *path,
                     Zrpc__Pb__Filesystem *fs, struct zrpc_error *err)
{
    const struct zrpc_zfs *zfs = &e->config.zfs;
    struct zrpc_buf token = {0};
    struct zrpc_error why = {0};
    int rc;

    if (zfs->ops->resume_token == NULL || e->config.not_resumable)
        return 0;
    rc = zfs->ops->resume_token(zfs->ctx, &call->cancelled, path, &token, &why);
    if (rc > 0)
        rc = zrpc_pb_set_string(&fs->resumetoken, (const char *)zrpc_buf_view(&token).data, &why);
    zrpc_buf_dispose(&token);
    if (rc == 0)
        return 0;
    if (rc != ZRPC_ERR_ZFS)
        return zrpc_fail(err, rc, "%s", why.text);
    zrpc_log(call->log, ZRPC_LOG_WARN, "cannot get the resume token", "fs", path, "err", why.text, NULL);
    return 0;
}

/* Paths that `both` has as sender already are left out. */
static int list_received(struct zrpc_endpoint *e, struct zrpc_call *call, Zrpc__Pb__ListFilesystemRes *res,
                         struct zrpc_error *err)
{
    const struct zrpc_zfs *zfs = &e->config.zfs;
    struct zrpc_zfs_filesystems all = {0};
    char root[ZRPC_ZFS_NAME_MAX];
    size_t n_own = res->n_filesystems;
    int rc = zrpc_endpoint_client_root(e, call, root, err);

    if (rc == 0)
        rc = zfs->ops->list_filesystems(zfs->ctx, &call->cancelled, root, &all, err);
    for (size_t i = 0; rc == 0 && i < all.len; i++) {
        const char *path = all.items[i].path + strlen(root) + 1;

        if (listed(res, n_own, path))
            continue;
        rc = add_filesystem(res, path, all.items[i].placeholder, err);
        if (rc == 0)
            rc = add_token(e, call, all.items[i].path, res->filesystems[res->n_filesystems - 1], err);
    }
    zrpc_zfs_filesystems_dispose(&all);
    return rc;
}

int zrpc_endpoint_list_filesystems(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ListFilesystemReq *req,
                                   Zrpc__Pb__ListFilesystemRes *res, struct zrpc_error *err)
{
    struct zrpc_endpoint *e = ctx;
    int rc = 0;

    (void)req;
    if (e->config.role != ZRPC_ENDPOINT_RECEIVER)
        rc = list_own(e, call, res, err);
    if (rc == 0 && e->config.role != ZRPC_ENDPOINT_SENDER)
        rc = list_received(e, call, res, err);
    return rc;
}

static int fill_version(Zrpc__Pb__FilesystemVersion *out, const struct zrpc_zfs_version *v,
                        struct zrpc_error *err)
{
    char creation[ZRPC_ZFS_CREATION_MAX];
    int rc = zrpc_zfs_creation_format(v->creation, creation, err);

    out->type = v->type == ZRPC_ZFS_SNAPSHOT ? ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Snapshot
                                             : ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Bookmark;
    out->guid = v->guid;
    out->createtxg = v->createtxg;
    if (rc == 0)
        rc = zrpc_pb_set_string(&out->name, v->name, err);
    return rc != 0 ? rc : zrpc_pb_set_string(&out->creation, creation, err);
}

static int fill_versions(Zrpc__Pb__ListFilesystemVersionsRes *res, const struct zrpc_zfs_versions *versions,
                         struct zrpc_error *err)
{
    int rc = 0;

    if (versions->len == 0)
        return 0;
    res->versions = calloc(versions->len, sizeof(void *));
    if (res->versions == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a list of %zu versions", versions->len);
    for (size_t i = 0; rc == 0 && i < versions->len; i++) {
        Zrpc__Pb__FilesystemVersion *v = malloc(sizeof *v);

        if (v == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a list of %zu versions", versions->len);
        zrpc__pb__filesystem_version__init(v);
        res->versions[res->n_versions++] = v;
        rc = fill_version(v, &versions->items[i], err);
    }
    return rc;
}

int zrpc_endpoint_list_versions(void *ctx, struct zrpc_call *call,
                                const Zrpc__Pb__ListFilesystemVersionsReq *req,
                                Zrpc__Pb__ListFilesystemVersionsRes *res, struct zrpc_error *err)
{
    struct zrpc_endpoint *e = ctx;
    const struct zrpc_zfs *zfs = &e->config.zfs;
    struct zrpc_zfs_versions versions = {0};
    char fs[ZRPC_ZFS_NAME_MAX];
    int rc = zrpc_endpoint_resolve(e, call, req->filesystem, fs, err);

    if (rc == 0)
        rc = zfs->ops->list_versions(zfs->ctx, &call->cancelled, fs, &versions, err);
    if (rc == 0)
        rc = fill_versions(res, &versions, err);
    zrpc_zfs_versions_dispose(&versions);
    return rc;
}
