#include "internal.h"

/* The pattern without its '<', in out. */
static bool split_pattern(const char *pattern, char out[static ZRPC_ZFS_NAME_MAX])
{
    size_t len = strlen(pattern);
    bool subtree = len > 0 && pattern[len - 1] == '<';

    len -= subtree ? 1 : 0;
    if (len >= ZRPC_ZFS_NAME_MAX)
        len = ZRPC_ZFS_NAME_MAX - 1;
    memcpy(out, pattern, len);
    out[len] = '\0';
    return subtree;
}

int zrpc_endpoint_pattern_check(const char *pattern, struct zrpc_error *err)
{
    char path[ZRPC_ZFS_NAME_MAX];

    if (strcmp(pattern, "<") == 0)
        return 0;
    if (strlen(pattern) > ZRPC_ZFS_NAME_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "filter pattern of %zu bytes is too long", strlen(pattern));
    split_pattern(pattern, path);
    if (zrpc_zfs_dataset_check(path, err) != 0)
        return zrpc_error_prefix(err, ZRPC_ERR_USAGE, "filter pattern \"%s\"", pattern);
    return 0;
}

/* Lower than 0: no match. The longer the match the better, and an exact one is best. */
static int match(const char *pattern, const char *fs)
{
    char path[ZRPC_ZFS_NAME_MAX];

    if (!split_pattern(pattern, path))
        return strcmp(path, fs) == 0 ? ZRPC_ZFS_NAME_MAX : -1;
    return path[0] == '\0' || zrpc_zfs_path_within(fs, path) ? (int)strlen(path) : -1;
}

bool zrpc_endpoint_admits(const struct zrpc_endpoint *e, const char *fs)
{
    const struct zrpc_endpoint_config *c = &e->config;
    bool admit = c->n_rules == 0;
    int best = -1;

    if (c->role == ZRPC_ENDPOINT_BOTH && zrpc_zfs_path_within(fs, c->root))
        return false;
    for (size_t i = 0; i < c->n_rules; i++) {
        int quality = match(c->rules[i].pattern, fs);

        if (quality > best) {
            best = quality;
            admit = c->rules[i].admit;
        }
    }
    return admit;
}

static int own(const struct zrpc_endpoint *e, const char *path, char fs[static ZRPC_ZFS_NAME_MAX],
               struct zrpc_error *err)
{
    int rc = zrpc_zfs_dataset_check(path, err);

    if (rc != 0)
        return rc;
    if (!zrpc_endpoint_admits(e, path))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "endpoint does not allow access to filesystem %s", path);
    memcpy(fs, path, strlen(path) + 1);
    return 0;
}

int zrpc_endpoint_client_root(const struct zrpc_endpoint *e, const struct zrpc_call *call,
                              char root[static ZRPC_ZFS_NAME_MAX], struct zrpc_error *err)
{
    const char *identity = call->client_identity == NULL ? "" : call->client_identity;

    if (e->config.for_one) {
        memcpy(root, e->config.root, strlen(e->config.root) + 1);
        return 0;
    }
    if (zrpc_zfs_name_check(identity, err) != 0)
        return zrpc_error_prefix(err, ZRPC_ERR_USAGE,
                                 "client identity must be a single ZFS filesystem path component");
    return zrpc_zfs_path_join(e->config.root, identity, root, err);
}

int zrpc_endpoint_map(const struct zrpc_endpoint *e, const struct zrpc_call *call, const char *path,
                      char fs[static ZRPC_ZFS_NAME_MAX], struct zrpc_error *err)
{
    char root[ZRPC_ZFS_NAME_MAX];
    int rc = zrpc_endpoint_client_root(e, call, root, err);

    if (rc == 0 && path[0] == '\0')
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "cannot map empty filesystem");
    if (rc == 0)
        rc = zrpc_zfs_path_check(path, err);
    return rc != 0 ? rc : zrpc_zfs_path_join(root, path, fs, err);
}

/* 1 and fs where the client has received to path, else 0. */
static int received(const struct zrpc_endpoint *e, struct zrpc_call *call, const char *path,
                    char fs[static ZRPC_ZFS_NAME_MAX], struct zrpc_error *err)
{
    struct zrpc_zfs_filesystem found;
    int rc;

    if (zrpc_endpoint_map(e, call, path, fs, NULL) != 0)
        return 0;
    rc = e->config.zfs.ops->get_filesystem(e->config.zfs.ctx, &call->cancelled, fs, &found, err);
    return rc <= 0 ? rc : !found.placeholder;
}

int zrpc_endpoint_resolve(const struct zrpc_endpoint *e, struct zrpc_call *call, const char *path,
                          char fs[static ZRPC_ZFS_NAME_MAX], struct zrpc_error *err)
{
    int rc;

    if (e->config.role == ZRPC_ENDPOINT_RECEIVER)
        return zrpc_endpoint_map(e, call, path, fs, err);
    rc = e->config.role == ZRPC_ENDPOINT_BOTH ? received(e, call, path, fs, err) : 0;
    if (rc < 0)
        return rc;
    return rc > 0 ? 0 : own(e, path, fs, err);
}
