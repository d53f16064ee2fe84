#include <getopt.h>
#include <string.h>

#include "zfs.h"

struct listing {
    struct columns columns;
    struct walk walk;
    bool scripted, literal;
};

static void print_header(const struct listing *l)
{
    char header[ZRPC_ZFS_NAME_MAX];

    for (size_t i = 0; i < l->columns.len; i++) {
        const struct column *c = &l->columns.items[i];

        if (i > 0)
            fputs("  ", stdout);
        if (column_right(c))
            printf("%*s", c->width, column_header(c, header));
        else if (i + 1 < l->columns.len)
            printf("%-*s", c->width, column_header(c, header));
        else
            fputs(column_header(c, header), stdout);
    }
    putchar('\n');
}

static int print_row(struct zfs *z, const struct listing *l, const struct zrpc_zpool_dataset *d,
                     struct zrpc_error *err)
{
    static struct cell cell;

    for (size_t i = 0; i < l->columns.len; i++) {
        const struct column *c = &l->columns.items[i];
        int rc = column_cell(z, c, d, l->literal, &cell, err);
        const char *value = rc > 0 ? cell.value : "-";

        if (rc < 0)
            return rc;
        if (i > 0)
            fputs(l->scripted ? "\t" : "  ", stdout);
        if (l->scripted || (i + 1 == l->columns.len && !column_right(c)))
            fputs(value, stdout);
        else if (column_right(c))
            printf("%*s", c->width, value);
        else
            printf("%-*s", c->width, value);
    }
    putchar('\n');
    return 0;
}

static int print_all(struct zfs *z, struct listing *l, struct zrpc_error *err)
{
    const struct zrpc_zpool_datasets *found = &l->walk.found;
    int rc = 0;

    for (size_t i = 0; !l->scripted && i < found->len && rc == 0; i++)
        rc = columns_fit(z, &l->columns, &found->items[i], l->literal, false, err);
    if (rc == 0 && !l->scripted && found->len > 0)
        print_header(l);
    for (size_t i = 0; i < found->len && rc == 0; i++)
        rc = print_row(z, l, &found->items[i], err);
    return rc;
}

/* Faults of listing strike what is named, or the whole pool. */
static int strike(struct zfs *z, int argc, char **argv, struct zrpc_error *err)
{
    struct zrpc_zfs_struck struck;
    int rc = 0;

    if (argc == 0)
        return begin_operation(z, ZRPC_ZFS_OP_FILESYSTEMS, "", &struck, err);
    for (int i = 0; i < argc && rc == 0; i++)
        rc = begin_operation(z, ZRPC_ZFS_OP_LIST, argv[i], &struck, err);
    return rc;
}

static int show(struct zfs *z, struct listing *l, char *fields, int argc, char **argv)
{
    struct walk *w = &l->walk;
    struct zrpc_error err;
    int status;

    if (strcmp(fields, "space") == 0 && !w->types_given)
        w->types &= ~(unsigned)ZRPC_ZPOOL_SNAPSHOT;
    if ((w->types == ZRPC_ZPOOL_SNAPSHOT || w->types == ZRPC_ZPOOL_BOOKMARK) && argc > 0 && !w->recurse) {
        w->recurse = true;
        w->depth = 1;
    }
    if (columns_parse(&l->columns, fields, &err) != 0)
        return misused(z, "%s", err.text);
    if (strike(z, argc, argv, &err) != 0)
        return refused(&err);
    status = walk_run(z, w, argc, argv);
    if (print_all(z, l, &err) != 0)
        return refused(&err);
    if (status == 0 && w->found.len == 0 && !l->scripted)
        fputs("no datasets available\n", stderr);
    return status;
}

int zfs_list(struct zfs *z, int argc, char **argv)
{
    struct listing l = {.walk = {.types = ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME | ZRPC_ZPOOL_SNAPSHOT,
                                 .depth = ZRPC_ZPOOL_ANY_DEPTH}};
    char standard[] = "name,used,available,referenced,mountpoint", *fields = standard;
    int c, status = 0;

    while (status == 0 && (c = getopt(argc, argv, ":HS:d:o:prs:t:")) != -1) {
        if (c == 'H')
            l.scripted = true;
        else if (c == 'p')
            l.literal = true;
        else if (c == 'r')
            l.walk.recurse = true;
        else if (c == 'd')
            status = walk_depth(z, &l.walk, optarg);
        else if (c == 'o')
            fields = optarg;
        else if (c == 't')
            status = walk_types(z, &l.walk, optarg);
        else if (c == 's' || c == 'S')
            status = walk_sort(z, &l.walk, optarg, c == 'S');
        else
            status = misused_option(z, c);
    }
    if (status == 0)
        status = show(z, &l, fields, argc - optind, argv + optind);
    columns_dispose(&l.columns);
    walk_dispose(&l.walk);
    return status;
}
