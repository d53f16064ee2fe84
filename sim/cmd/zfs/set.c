#include <getopt.h>
#include <string.h>

#include "zfs.h"

static int set_one(struct zfs *z, const char *name, const struct settings *s)
{
    struct zrpc_zpool_dataset d;
    struct zrpc_zfs_struck struck;
    struct zrpc_error err;
    int rc;

    if (open_dataset(z, name, ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME | ZRPC_ZPOOL_SNAPSHOT, &d, &err) != 0)
        return refused(&err);
    rc = begin_operation(z, ZRPC_ZFS_OP_SET, name, &struck, &err);
    if (rc == 0)
        rc = zrpc_zpool_set(z->pool, name, s->items, s->n, &err);
    if (rc == 0)
        rc = end_operation(&struck, &err);
    if (rc == 0)
        return 0;
    refused(&err);
    return EXIT_MINUS_ONE;
}

int zfs_set(struct zfs *z, int argc, char **argv)
{
    struct settings settings = {0};
    int c, first = -1, status = 0;

    while ((c = getopt(argc, argv, "u")) != -1)
        if (c != 'u')
            return misused_option(z, c);
    argc -= optind;
    argv += optind;
    if (argc < 1)
        return misused(z, "missing arguments");
    if (argc < 2)
        return misused(z, strchr(argv[0], '=') == NULL ? "missing property=value argument(s)"
                                                       : "missing dataset name(s)");
    for (int i = 0; i < argc; i++) {
        bool setting = strchr(argv[i], '=') != NULL;

        if (setting && first > 0)
            return misused(z, "invalid argument order");
        if (!setting && first < 0)
            first = i;
    }
    if (first < 0)
        return misused(z, "missing dataset name(s)");
    for (int i = 0; i < first; i++)
        if (!add_setting(&settings, argv[i]))
            return EXIT_MINUS_ONE;
    for (int i = first; i < argc; i++)
        status |= set_one(z, argv[i], &settings);
    return status;
}

static int check_inherited(const struct zfs *z, const char *name, bool revert)
{
    const struct zrpc_zpool_property *p = zrpc_zpool_property_find(name);

    if (p == NULL && strchr(name, ':') == NULL)
        return misused(z, "invalid property '%s'", name);
    if (p != NULL && p->readonly) {
        fprintf(stderr, "%s property is read-only\n", name);
        return EXIT_REFUSED;
    }
    if (p == NULL || p->inherits || revert)
        return 0;
    fprintf(stderr, "'%s' property cannot be inherited\n", name);
    if (strstr(p->name, "quota") != NULL || strstr(p->name, "reservation") != NULL)
        fprintf(stderr,
                "use 'zfs set %s=none' to clear\nuse 'zfs inherit -S %s' to revert to received value\n", name,
                name);
    return EXIT_REFUSED;
}

static int inherit_one(struct zfs *z, const char *name, const char *property, bool revert, bool recursive)
{
    unsigned types = ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME | ZRPC_ZPOOL_SNAPSHOT;
    struct zrpc_zpool_dataset d;
    struct zrpc_zfs_struck struck;
    struct zrpc_error err;
    int rc = open_dataset(z, name, types, &d, &err);

    if (rc == 0)
        rc = begin_operation(z, ZRPC_ZFS_OP_SET, name, &struck, &err);
    if (rc == 0)
        rc = zrpc_zpool_inherit(z->pool, name, property, revert, recursive, &err);
    if (rc == 0)
        rc = end_operation(&struck, &err);
    return rc == 0 ? 0 : refused(&err);
}

int zfs_inherit(struct zfs *z, int argc, char **argv)
{
    bool revert = false, recursive = false;
    int c, status;

    while ((c = getopt(argc, argv, "rS")) != -1) {
        if (c == 'r')
            recursive = true;
        else if (c == 'S')
            revert = true;
        else
            return misused_option(z, c);
    }
    argc -= optind;
    argv += optind;
    if (argc < 1)
        return misused(z, "missing property argument");
    if (argc < 2)
        return misused(z, "missing dataset argument");
    status = check_inherited(z, argv[0], revert);
    if (status != 0)
        return status;
    for (int i = 1; i < argc; i++)
        status |= inherit_one(z, argv[i], argv[0], revert, recursive);
    return status;
}
