#include <getopt.h>
#include <string.h>

#include "zfs.h"

/* Filesystems that are missing are mistakes of the command line, as in zfs. */
static int check_targets(struct zfs *z, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        char fs[ZRPC_ZFS_NAME_MAX];
        struct zrpc_zpool_dataset d;
        struct zrpc_error err;

        if (strchr(argv[i], '@') == NULL)
            return misused(z, NULL);
        filesystem_of(argv[i], fs);
        if (open_dataset(z, fs, ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME, &d, &err) != 0)
            return misused(z, "%s", err.text);
    }
    return 0;
}

/* Several of one filesystem at once are not possible. */
static int check_doubles(int argc, char **argv, struct zrpc_error *err)
{
    for (int i = 0; i < argc; i++)
        for (int k = 0; k < i; k++) {
            size_t len = strcspn(argv[i], "@");

            if (len == strcspn(argv[k], "@") && strncmp(argv[i], argv[k], len) == 0)
                return zrpc_fail(err, ZRPC_ERR_ZFS,
                                 "cannot create snapshots : multiple snapshots of same fs not allowed");
        }
    return 0;
}

int zfs_snapshot(struct zfs *z, int argc, char **argv)
{
    struct settings settings = {0};
    struct operation *all = NULL;
    struct zrpc_error err;
    bool recursive = false;
    int c, rc, status;

    while ((c = getopt(argc, argv, ":ro:")) != -1) {
        if (c == 'r')
            recursive = true;
        else if (c != 'o')
            return misused_option(z, c);
        else if (!add_setting(&settings, optarg))
            return EXIT_REFUSED;
    }
    argc -= optind;
    argv += optind;
    if (argc < 1)
        return misused(z, "missing snapshot argument");
    status = check_targets(z, argc, argv);
    if (status != 0)
        return status;
    rc = check_doubles(argc, argv, &err);
    for (int i = 0; i < argc && rc == 0; i++)
        rc = begin_one_of(z, ZRPC_ZFS_OP_SNAPSHOT, argv[i], &all, &err);
    if (rc == 0)
        rc = zrpc_zpool_snapshot(z->pool, (const char *const *)argv, (size_t)argc, recursive, settings.items,
                                 settings.n, &err);
    if (rc == 0)
        rc = end_all(all, &err);
    forget_all(all);
    if (rc == 0)
        return 0;
    refused(&err);
    if (recursive || argc > 1)
        fputs("no snapshots were created\n", stderr);
    return EXIT_REFUSED;
}

/* One of the two may be given without its filesystem. */
static int complete(const struct zfs *z, char **source, char **bookmark, char *buf, size_t size)
{
    bool short_source = strpbrk(*source, "@#") == *source, short_bookmark = (*bookmark)[0] == '#';

    if (short_source && short_bookmark)
        return misused(z, "either source or bookmark must be specified as full dataset paths");
    if (short_bookmark) {
        snprintf(buf, size, "%.*s%s", (int)strcspn(*source, "@#"), *source, *bookmark);
        *bookmark = buf;
    } else if (short_source) {
        snprintf(buf, size, "%.*s%s", (int)strcspn(*bookmark, "#"), *bookmark, *source);
        *source = buf;
    }
    return 0;
}

int zfs_bookmark(struct zfs *z, int argc, char **argv)
{
    char *source, *bookmark, completed[2 * ZRPC_ZFS_NAME_MAX];
    struct zrpc_zpool_dataset d;
    struct zrpc_zfs_struck struck;
    struct zrpc_error err;
    int c, rc, status;

    c = getopt(argc, argv, "");
    if (c != -1)
        return misused_option(z, c);
    if (argc - optind < 1)
        return misused(z, "missing source argument");
    if (argc - optind < 2)
        return misused(z, "missing bookmark argument");
    source = argv[optind];
    bookmark = argv[optind + 1];
    if (strpbrk(source, "@#") == NULL)
        return misused(z, "invalid source name '%s': must contain a '@' or '#'", source);
    if (strchr(bookmark, '#') == NULL)
        return misused(z, "invalid bookmark name '%s': must contain a '#'", bookmark);
    status = complete(z, &source, &bookmark, completed, sizeof completed);
    if (status != 0)
        return status;
    if (open_dataset(z, source, *strpbrk(source, "@#") == '@' ? ZRPC_ZPOOL_SNAPSHOT : ZRPC_ZPOOL_BOOKMARK, &d,
                     &err) != 0)
        return misused(z, "%s", err.text);
    rc = begin_operation(z, ZRPC_ZFS_OP_BOOKMARK, source, &struck, &err);
    if (rc == 0)
        rc = zrpc_zpool_bookmark(z->pool, source, bookmark, false, &err);
    if (rc == 0)
        rc = end_operation(&struck, &err);
    return rc == 0 ? 0 : refused(&err);
}

enum { YOUNGER_MAX = 32 };

/* Names what is in the way of a rollback without -r. */
static int check_younger(struct zfs *z, const struct zrpc_zpool_dataset *to, struct zrpc_error *err)
{
    struct zrpc_zpool_datasets versions = {0};
    char fs[ZRPC_ZFS_NAME_MAX];
    unsigned n = 0;
    int rc;

    filesystem_of(to->name, fs);
    rc = zrpc_zpool_list(z->pool, fs, 1, ZRPC_ZPOOL_SNAPSHOT, &versions, err);
    if (rc == 0)
        rc = zrpc_zpool_list(z->pool, fs, 1, ZRPC_ZPOOL_BOOKMARK, &versions, err);
    for (size_t i = 0; rc == 0 && i < versions.len && n < YOUNGER_MAX; i++) {
        if (versions.items[i].createtxg <= to->createtxg)
            continue;
        if (n++ == 0)
            fprintf(stderr,
                    "cannot rollback to '%s': more recent snapshots or bookmarks exist\n"
                    "use '-r' to force deletion of the following snapshots and bookmarks:\n",
                    to->name);
        fprintf(stderr, "%s\n", versions.items[i].name);
    }
    if (n == YOUNGER_MAX)
        fprintf(stderr, "Output limited to %d snapshots/bookmarks\n", YOUNGER_MAX);
    zrpc_zpool_datasets_dispose(&versions);
    if (rc != 0)
        refused(err);
    return rc != 0 || n > 0 ? EXIT_REFUSED : 0;
}

int zfs_rollback(struct zfs *z, int argc, char **argv)
{
    struct zrpc_zpool_dataset d;
    struct zrpc_zfs_struck struck;
    struct zrpc_error err;
    bool recursive = false;
    int c, rc;

    while ((c = getopt(argc, argv, "rRf")) != -1) {
        if (c == 'r' || c == 'R')
            recursive = true;
        else if (c != 'f')
            return misused_option(z, c);
    }
    if (argc - optind < 1)
        return misused(z, "missing dataset argument");
    if (argc - optind > 1)
        return misused(z, "too many arguments");
    if (open_dataset(z, argv[optind], ZRPC_ZPOOL_SNAPSHOT, &d, &err) != 0)
        return refused(&err);
    if (!recursive && check_younger(z, &d, &err) != 0)
        return EXIT_REFUSED;
    rc = begin_operation(z, ZRPC_ZFS_OP_ROLLBACK, d.name, &struck, &err);
    if (rc == 0)
        rc = zrpc_zpool_rollback(z->pool, d.name, recursive, &err);
    if (rc == 0)
        rc = end_operation(&struck, &err);
    return rc == 0 ? 0 : refused(&err);
}
