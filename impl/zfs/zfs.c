#include "zrpc/zfs.h"

#include <stdio.h>
#include <stdlib.h>

/* Makes room for one more; lists grow by half. */
static int grow(void *items, size_t len, size_t *cap, size_t size, struct zrpc_error *err)
{
    void **base = items, *grown;
    size_t wanted = len + len / 2 + 8;

    if (len < *cap)
        return 0;
    grown = reallocarray(*base, wanted, size);
    if (grown == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a list of %zu entries", wanted);
    *base = grown;
    *cap = wanted;
    return 0;
}

int zrpc_zfs_filesystems_push(struct zrpc_zfs_filesystems *l, const struct zrpc_zfs_filesystem *fs,
                              struct zrpc_error *err)
{
    int rc = grow(&l->items, l->len, &l->cap, sizeof l->items[0], err);

    if (rc == 0)
        l->items[l->len++] = *fs;
    return rc;
}

void zrpc_zfs_filesystems_dispose(struct zrpc_zfs_filesystems *l)
{
    free(l->items);
    *l = (struct zrpc_zfs_filesystems){0};
}

int zrpc_zfs_versions_push(struct zrpc_zfs_versions *l, const struct zrpc_zfs_version *v,
                           struct zrpc_error *err)
{
    int rc = grow(&l->items, l->len, &l->cap, sizeof l->items[0], err);

    if (rc == 0)
        l->items[l->len++] = *v;
    return rc;
}

void zrpc_zfs_versions_dispose(struct zrpc_zfs_versions *l)
{
    free(l->items);
    *l = (struct zrpc_zfs_versions){0};
}

const struct zrpc_zfs_version *zrpc_zfs_versions_find(const struct zrpc_zfs_versions *l,
                                                      enum zrpc_zfs_version_type type, const char *name)
{
    for (size_t i = 0; i < l->len; i++)
        if (l->items[i].type == type && strcmp(l->items[i].name, name) == 0)
            return &l->items[i];
    return NULL;
}

static bool legal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.: ", c) != NULL);
}

/* `whole` is what the component is part of, for the message. */
static int component_check(struct zrpc_view component, const char *whole, struct zrpc_error *err)
{
    if (component.len == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "empty component in name \"%s\"", whole);
    if (zrpc_view_equal(component, zrpc_view_of(".")) || zrpc_view_equal(component, zrpc_view_of("..")))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "component \"%.*s\" in name \"%s\" is not allowed",
                         (int)component.len, (const char *)component.data, whole);
    for (size_t i = 0; i < component.len; i++) {
        char c = (char)component.data[i];

        if (c != '\0' && strchr("@#|\t<>*", c) != NULL)
            return zrpc_fail(err, ZRPC_ERR_USAGE,
                             "name \"%s\" contains forbidden characters (any of '@#|\t<>*')", whole);
        if (!legal(c))
            return zrpc_fail(err, ZRPC_ERR_USAGE,
                             "name \"%s\" contains characters that zfs does not allow (letters, digits, "
                             "\"-_.: \" are)",
                             whole);
    }
    return 0;
}

static int length_check(const char *name, struct zrpc_error *err)
{
    size_t len = strlen(name);

    if (len < ZRPC_ZFS_NAME_MAX)
        return 0;
    return zrpc_fail(err, ZRPC_ERR_USAGE, "name of %zu bytes is too long (zfs allows %d)", len,
                     ZRPC_ZFS_NAME_MAX - 1);
}

int zrpc_zfs_name_check(const char *name, struct zrpc_error *err)
{
    int rc = length_check(name, err);

    if (rc == 0 && strchr(name, '/') != NULL)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "name \"%s\" contains a '/'", name);
    return rc != 0 ? rc : component_check(zrpc_view_of(name), name, err);
}

int zrpc_zfs_path_check(const char *path, struct zrpc_error *err)
{
    int rc = length_check(path, err);

    if (rc != 0)
        return rc;
    if (path[0] == '\0')
        return zrpc_fail(err, ZRPC_ERR_USAGE, "empty filesystem not allowed");
    if (path[strlen(path) - 1] == '/')
        return zrpc_fail(err, ZRPC_ERR_USAGE, "name \"%s\" must not end with a '/'", path);
    for (const char *at = path;; at++) {
        size_t len = strcspn(at, "/");

        rc = component_check(zrpc_view(at, len), path, err);
        at += len;
        if (rc != 0 || *at == '\0')
            return rc;
    }
}

int zrpc_zfs_dataset_check(const char *path, struct zrpc_error *err)
{
    int rc = zrpc_zfs_path_check(path, err);

    if (rc == 0 && !((path[0] >= 'a' && path[0] <= 'z') || (path[0] >= 'A' && path[0] <= 'Z')))
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "name \"%s\" must begin with a pool's name, and so with a letter",
                       path);
    return rc;
}

int zrpc_zfs_path_join(const char *a, const char *b, char out[static ZRPC_ZFS_NAME_MAX],
                       struct zrpc_error *err)
{
    int len = snprintf(out, ZRPC_ZFS_NAME_MAX, "%s/%s", a, b);

    if (len >= 0 && len < ZRPC_ZFS_NAME_MAX)
        return 0;
    return zrpc_fail(err, ZRPC_ERR_USAGE, "name \"%s/%s\" is too long (zfs allows %d bytes)", a, b,
                     ZRPC_ZFS_NAME_MAX - 1);
}

bool zrpc_zfs_path_within(const char *fs, const char *root)
{
    size_t len = strlen(root);

    return strncmp(fs, root, len) == 0 && (fs[len] == '\0' || fs[len] == '/');
}

int zrpc_zfs_version_parse(const char *relative, enum zrpc_zfs_version_type *type, const char **name,
                           struct zrpc_error *err)
{
    int rc;

    if (strlen(relative) <= 1)
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "version must start with a delimiter char followed by at least one character");
    if (relative[0] != '@' && relative[0] != '#')
        return zrpc_fail(err, ZRPC_ERR_USAGE, "version name \"%s\" starts with invalid delimiter char",
                         relative);
    rc = zrpc_zfs_name_check(relative + 1, err);
    if (rc != 0)
        return rc;
    *type = relative[0] == '@' ? ZRPC_ZFS_SNAPSHOT : ZRPC_ZFS_BOOKMARK;
    *name = relative + 1;
    return 0;
}
