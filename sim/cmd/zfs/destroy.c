#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "zfs.h"

struct destroying {
    const char *name;
    unsigned flags;
    bool verbose, parsable, dry_run;
};

static int fail(int status, const char *text)
{
    fputs(text, stderr);
    return status;
}

static void tell(const struct destroying *d, const struct zrpc_zpool_datasets *gone)
{
    const char *form = d->parsable  ? "destroy\t%s\n"
                       : d->dry_run ? "would destroy %s\n"
                                    : "will destroy %s\n";
    uint64_t bytes = 0;
    char nice[NICE_MAX];

    if (!d->verbose)
        return;
    for (size_t i = 0; i < gone->len; i++) {
        printf(form, gone->items[i].name);
        bytes += gone->items[i].used;
    }
    if (strchr(d->name, '@') == NULL)
        return;
    if (d->parsable)
        printf("reclaim\t%llu\n", (unsigned long long)bytes);
    else
        printf(d->dry_run ? "would reclaim %s\n" : "will reclaim %s\n", nice_number(bytes, true, nice));
}

/* What keeps a filesystem from being destroyed alone. */
static int check_filesystem(struct zfs *z, const struct destroying *d, const struct zrpc_zpool_dataset *fs,
                            struct zrpc_error *err)
{
    unsigned types = ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME | ZRPC_ZPOOL_SNAPSHOT;
    struct zrpc_zpool_datasets below = {0};
    bool first = true;
    int rc;

    if ((d->flags & ZRPC_ZPOOL_RECURSIVE) != 0)
        return 0;
    if (strchr(d->name, '/') == NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "cannot destroy '%s': operation does not apply to pools\n"
                         "use 'zfs destroy -r %s' to destroy all datasets in the pool\n"
                         "use 'zpool destroy %s' to destroy the pool itself",
                         d->name, d->name, d->name);
    rc = zrpc_zpool_list(z->pool, d->name, ZRPC_ZPOOL_ANY_DEPTH, types, &below, err);
    for (size_t i = 0; rc == 0 && i < below.len; i++) {
        if (strcmp(below.items[i].name, d->name) == 0)
            continue;
        if (first)
            fprintf(stderr,
                    "cannot destroy '%s': %s has children\nuse '-r' to destroy the following datasets:\n",
                    d->name, type_name(fs->type));
        first = false;
        fprintf(stderr, "%s\n", below.items[i].name);
    }
    zrpc_zpool_datasets_dispose(&below);
    return rc != 0 || first ? rc : zrpc_fail(err, ZRPC_ERR_USAGE, "%s", "");
}

/* The faults of all that is to go. */
static int begin(struct zfs *z, const struct destroying *d, struct zrpc_zpool_datasets *going,
                 struct operation **all, struct zrpc_error *err)
{
    int rc = 0;

    if (d->dry_run || z->faults == NULL)
        return 0;
    if (zrpc_zpool_destroy(z->pool, d->name, d->flags | ZRPC_ZPOOL_DRY_RUN, going, NULL) != 0)
        return begin_one_of(z, ZRPC_ZFS_OP_DESTROY, d->name, all, err);
    for (size_t i = 0; i < going->len && rc == 0; i++)
        rc = begin_one_of(z, ZRPC_ZFS_OP_DESTROY, going->items[i].name, all, err);
    return rc;
}

static int destroy(struct zfs *z, const struct destroying *d)
{
    struct zrpc_zpool_datasets going = {0}, gone = {0};
    struct operation *all = NULL;
    struct zrpc_error err;
    int rc = begin(z, d, &going, &all, &err);

    if (rc == 0)
        rc = zrpc_zpool_destroy(z->pool, d->name, d->flags, &gone, &err);
    if (rc == 0)
        tell(d, &gone);
    if (rc == 0)
        rc = end_all(all, &err);
    forget_all(all);
    zrpc_zpool_datasets_dispose(&going);
    zrpc_zpool_datasets_dispose(&gone);
    return rc == 0 ? 0 : refused(&err);
}

static int destroy_filesystem(struct zfs *z, const struct destroying *d)
{
    unsigned types = ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME;
    struct zrpc_zpool_dataset fs;
    struct zrpc_error err;
    int rc;

    if (open_dataset(z, d->name, types, &fs, &err) != 0)
        return refused(&err);
    rc = check_filesystem(z, d, &fs, &err);
    if (rc == ZRPC_ERR_USAGE) /* said already */
        return EXIT_REFUSED;
    return rc != 0 ? refused(&err) : destroy(z, d);
}

static int destroy_snapshots(struct zfs *z, const struct destroying *d)
{
    char fs[ZRPC_ZFS_NAME_MAX];
    struct zrpc_zpool_dataset found;
    struct zrpc_error err;

    filesystem_of(d->name, fs);
    if (open_dataset(z, fs, ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME, &found, &err) != 0)
        return refused(&err);
    return destroy(z, d);
}

static int destroy_bookmark(struct zfs *z, const struct destroying *d)
{
    struct zrpc_zpool_dataset found;

    if (d->dry_run)
        return fail(EXIT_MINUS_ONE, "dryrun is not supported with bookmark\n");
    if ((d->flags & ZRPC_ZPOOL_DEFER) != 0)
        return fail(EXIT_MINUS_ONE, "defer destroy is not supported with bookmark\n");
    if ((d->flags & ZRPC_ZPOOL_RECURSIVE) != 0)
        return fail(EXIT_MINUS_ONE, "recursive is not supported with bookmark\n");
    if (zrpc_zpool_open_dataset(z->pool, d->name, &found, NULL) == 0)
        return destroy(z, d);
    fprintf(stderr, "bookmark '%s' does not exist.\n", d->name);
    return EXIT_REFUSED;
}

int zfs_destroy(struct zfs *z, int argc, char **argv)
{
    struct destroying d = {0};
    int c;

    while ((c = getopt(argc, argv, "vpndfrR")) != -1) {
        if (c == 'v')
            d.verbose = true;
        else if (c == 'p')
            d.verbose = d.parsable = true;
        else if (c == 'n')
            d.dry_run = true;
        else if (c == 'd')
            d.flags |= ZRPC_ZPOOL_DEFER;
        else if (c == 'r' || c == 'R')
            d.flags |= ZRPC_ZPOOL_RECURSIVE;
        else if (c != 'f')
            return misused_option(z, c);
    }
    if (argc == optind)
        return misused(z, "missing dataset argument");
    if (argc - optind > 1)
        return misused(z, "too many arguments");
    d.name = argv[optind];
    d.flags |= d.dry_run ? ZRPC_ZPOOL_DRY_RUN : 0;
    if (strchr(d.name, '@') != NULL)
        return destroy_snapshots(z, &d);
    return strchr(d.name, '#') != NULL ? destroy_bookmark(z, &d) : destroy_filesystem(z, &d);
}
