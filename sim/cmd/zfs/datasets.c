#include <stdlib.h>
#include <string.h>

#include "zfs.h"

const char *type_name(enum zrpc_zpool_type type)
{
    switch (type) {
    case ZRPC_ZPOOL_FILESYSTEM:
        return "filesystem";
    case ZRPC_ZPOOL_VOLUME:
        return "volume";
    case ZRPC_ZPOOL_SNAPSHOT:
        return "snapshot";
    default:
        return "bookmark";
    }
}

void filesystem_of(const char *name, char out[static ZRPC_ZFS_NAME_MAX])
{
    snprintf(out, ZRPC_ZFS_NAME_MAX, "%.*s", (int)strcspn(name, "@#"), name);
}

int check_name(const char *name, unsigned types, struct zrpc_error *err)
{
    const char *why = NULL;

    if ((types & ZRPC_ZPOOL_SNAPSHOT) == 0 && strchr(name, '@') != NULL)
        why = "snapshot delimiter '@' is not expected here";
    else if (types == ZRPC_ZPOOL_SNAPSHOT && strchr(name, '@') == NULL)
        why = "missing '@' delimiter in snapshot name";
    else if ((types & ZRPC_ZPOOL_BOOKMARK) == 0 && strchr(name, '#') != NULL)
        why = "bookmark delimiter '#' is not expected here";
    else if (types == ZRPC_ZPOOL_BOOKMARK && strchr(name, '#') == NULL)
        why = "missing '#' delimiter in bookmark name";
    return why == NULL ? 0 : zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': %s", name, why);
}

int open_dataset(struct zfs *z, const char *name, unsigned types, struct zrpc_zpool_dataset *out,
                 struct zrpc_error *err)
{
    char fs[ZRPC_ZFS_NAME_MAX];
    struct zrpc_zpool_dataset parent;
    int rc = check_name(name, types, err);

    filesystem_of(name, fs);
    if (rc == 0)
        rc = zrpc_zpool_open_dataset(z->pool, name, out, err);
    /* zfs has other words for a bookmark that is missing where its filesystem is not. */
    if (rc == ZRPC_ERR_ZFS && strchr(name, '#') != NULL &&
        zrpc_zpool_open_dataset(z->pool, fs, &parent, NULL) == 0)
        return zrpc_fail(err, rc, "cannot open '%s': no such pool or dataset", name);
    if (rc == 0 && (out->type & types) == 0)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS,
                       "cannot open '%s': operation not applicable to datasets of this type", name);
    return rc;
}

bool add_setting(struct settings *s, char *text)
{
    char *equals = strchr(text, '=');

    if (equals == NULL) {
        fputs("missing '=' for property=value argument\n", stderr);
        return false;
    }
    *equals = '\0';
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->items[i].name, text) == 0) {
            fprintf(stderr, "property '%s' specified multiple times\n", text);
            return false;
        }
    if (s->n == SETTINGS_MAX) {
        fprintf(stderr, "more than %d properties\n", SETTINGS_MAX);
        return false;
    }
    s->items[s->n++] = (struct zrpc_zpool_setting){.name = text, .value = equals + 1};
    return true;
}

/* What struck borrows its strings: `fs` is where the filesystem's name is to be. */
static int begin_at(struct zfs *z, enum zrpc_zfs_operation operation, const char *name,
                    char fs[static ZRPC_ZFS_NAME_MAX], struct zrpc_zfs_struck *struck, struct zrpc_error *err)
{
    const char *version = strpbrk(name, "@#");
    int rc;

    filesystem_of(name, fs);
    rc = zrpc_zfs_faults_strike(z->faults, operation, fs, version == NULL ? NULL : version + 1, struck, err);
    if (rc == 0)
        rc = zrpc_zfs_struck_before(struck, NULL, err);
    return rc != 0 ? rc : zrpc_zfs_struck_commit(struck, ZRPC_ZFS_BEFORE_COMMIT, err);
}

int end_operation(const struct zrpc_zfs_struck *struck, struct zrpc_error *err)
{
    return zrpc_zfs_struck_commit(struck, ZRPC_ZFS_AFTER_COMMIT, err);
}

int begin_operation(struct zfs *z, enum zrpc_zfs_operation operation, const char *name,
                    struct zrpc_zfs_struck *struck, struct zrpc_error *err)
{
    static _Thread_local char fs[ZRPC_ZFS_NAME_MAX];

    return begin_at(z, operation, name, fs, struck, err);
}

int begin_one_of(struct zfs *z, enum zrpc_zfs_operation operation, const char *name, struct operation **all,
                 struct zrpc_error *err)
{
    struct operation *one = calloc(1, sizeof *one);

    if (one == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "internal error: out of memory");
    one->next = *all;
    *all = one;
    return begin_at(z, operation, name, one->filesystem, &one->struck, err);
}

int end_all(const struct operation *all, struct zrpc_error *err)
{
    int rc = 0;

    for (; all != NULL && rc == 0; all = all->next)
        rc = end_operation(&all->struck, err);
    return rc;
}

void forget_all(struct operation *all)
{
    while (all != NULL) {
        struct operation *next = all->next;

        free(all);
        all = next;
    }
}
