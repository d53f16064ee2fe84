#include <getopt.h>
#include <string.h>

#include "zfs.h"

typedef int hold_call(struct zrpc_zpool *p, const char *const *snapshots, size_t n, const char *tag,
                      bool recursive, struct zrpc_error *err);

static int one(struct zfs *z, hold_call *call, const char *snapshot, const char *tag, bool recursive)
{
    struct zrpc_zpool_dataset d;
    struct zrpc_zfs_struck struck;
    char fs[ZRPC_ZFS_NAME_MAX];
    struct zrpc_error err;
    int rc;

    if (strchr(snapshot, '@') == NULL) {
        fprintf(stderr, "'%s' is not a snapshot\n", snapshot);
        return EXIT_REFUSED;
    }
    filesystem_of(snapshot, fs);
    rc = open_dataset(z, fs, ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME, &d, &err);
    if (rc == 0)
        rc = begin_operation(z, ZRPC_ZFS_OP_HOLD, snapshot, &struck, &err);
    if (rc == 0)
        rc = call(z->pool, &snapshot, 1, tag, recursive, &err);
    if (rc == 0)
        rc = end_operation(&struck, &err);
    return rc == 0 ? 0 : refused(&err);
}

static int each(struct zfs *z, int argc, char **argv, const char *options, hold_call *call)
{
    bool recursive = false;
    int c, status = 0;

    while ((c = getopt(argc, argv, options)) != -1) {
        if (c == 'r')
            recursive = true;
        else if (c != 't')
            return misused_option(z, c);
    }
    argc -= optind;
    argv += optind;
    if (argc < 2)
        return misused(z, NULL);
    if (call == zrpc_zpool_hold && argv[0][0] == '.')
        return misused(z, "tag may not start with '.'");
    for (int i = 1; i < argc; i++)
        status |= one(z, call, argv[i], argv[0], recursive);
    return status;
}

int zfs_hold(struct zfs *z, int argc, char **argv)
{
    return each(z, argc, argv, "rt", zrpc_zpool_hold);
}

int zfs_release(struct zfs *z, int argc, char **argv)
{
    return each(z, argc, argv, "r", zrpc_zpool_release);
}

static void print_holds(const struct zrpc_zpool_holds *l, bool scripted, bool parsable)
{
    int names = 0, tags = 0;

    for (size_t i = 0; i < l->len; i++) {
        int name = (int)strlen(l->items[i].snapshot), tag = (int)strlen(l->items[i].tag);

        names = name > names ? name : names;
        tags = tag > tags ? tag : tags;
    }
    if (!scripted)
        printf("%-*s  %-*s  %s\n", names, "NAME", tags, "TAG", "TIMESTAMP");
    for (size_t i = 0; i < l->len; i++) {
        const struct zrpc_zpool_hold *h = &l->items[i];
        char when[64];

        if (parsable)
            snprintf(when, sizeof when, "%lld", (long long)h->when);
        else
            nice_time(h->when, "%a %b %e %H:%M %Y", when, sizeof when);
        if (scripted)
            printf("%s\t%s\t%s\n", h->snapshot, h->tag, when);
        else
            printf("%-*s  %-*s  %s\n", names, h->snapshot, tags, h->tag, when);
    }
}

static int collect(struct zfs *z, const char *snapshot, bool recursive, struct zrpc_zpool_holds *out,
                   bool *any)
{
    struct zrpc_zpool_dataset d;
    char fs[ZRPC_ZFS_NAME_MAX];
    struct zrpc_error err;
    int rc;

    if (strchr(snapshot, '@') == NULL) {
        fprintf(stderr, "'%s' is not a snapshot\n", snapshot);
        return EXIT_REFUSED;
    }
    filesystem_of(snapshot, fs);
    rc = recursive ? open_dataset(z, fs, ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME, &d, &err)
                   : open_dataset(z, snapshot, ZRPC_ZPOOL_SNAPSHOT, &d, &err);
    if (rc == 0)
        rc = zrpc_zpool_holds(z->pool, snapshot, recursive, out, &err);
    *any = *any || rc == 0;
    return rc == 0 ? 0 : refused(&err);
}

int zfs_holds(struct zfs *z, int argc, char **argv)
{
    bool recursive = false, scripted = false, parsable = false, any = false;
    struct zrpc_zpool_holds holds = {0};
    int c, status = 0;

    while ((c = getopt(argc, argv, "rHp")) != -1) {
        if (c == 'r')
            recursive = true;
        else if (c == 'H')
            scripted = true;
        else if (c == 'p')
            parsable = true;
        else
            return misused_option(z, c);
    }
    if (argc == optind)
        return misused(z, NULL);
    for (int i = optind; i < argc; i++)
        status |= collect(z, argv[i], recursive, &holds, &any);
    print_holds(&holds, scripted, parsable);
    if (!any)
        fputs("no datasets available\n", stderr);
    zrpc_zpool_holds_dispose(&holds);
    return status;
}
