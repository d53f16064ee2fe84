#include <stdlib.h>
#include <string.h>

#include "zfs.h"

int walk_depth(const struct zfs *z, struct walk *w, const char *text)
{
    char *end;
    long depth = strtol(text, &end, 0);

    if (*end != '\0')
        return misused(z, "%s is not an integer", text);
    if (depth < 0)
        return misused(z, "Depth can not be negative.");
    w->recurse = true;
    w->depth = depth > 10000 ? 10000 : (int)depth;
    return 0;
}

int walk_types(const struct zfs *z, struct walk *w, char *text)
{
    static const struct {
        const char *name;
        unsigned types;
    } known[] = {
        {"filesystem", ZRPC_ZPOOL_FILESYSTEM}, {"fs", ZRPC_ZPOOL_FILESYSTEM},
        {"volume", ZRPC_ZPOOL_VOLUME},         {"vol", ZRPC_ZPOOL_VOLUME},
        {"snapshot", ZRPC_ZPOOL_SNAPSHOT},     {"snap", ZRPC_ZPOOL_SNAPSHOT},
        {"bookmark", ZRPC_ZPOOL_BOOKMARK},     {"all", ZRPC_ZPOOL_ALL_TYPES},
    };
    char *word;

    w->types = 0;
    w->types_given = true;
    while ((word = strsep(&text, ",")) != NULL) {
        size_t i;

        for (i = 0; i < sizeof known / sizeof *known && strcmp(word, known[i].name) != 0; i++) {
        }
        if (i == sizeof known / sizeof *known)
            return misused(z, "invalid type '%s'", word);
        w->types |= known[i].types;
    }
    return 0;
}

int walk_sort(const struct zfs *z, struct walk *w, const char *property, bool reverse)
{
    struct columns one = {0};

    if (w->n_sort == SORT_MAX || columns_add(&one, property, NULL) != 0)
        return misused(z, "invalid property '%s'", property);
    w->sort[w->n_sort].column = one.items[0];
    w->sort[w->n_sort++].reverse = reverse;
    columns_dispose(&one);
    return 0;
}

void walk_dispose(struct walk *w)
{
    zrpc_zpool_datasets_dispose(&w->found);
}

static int add(struct zfs *z, struct walk *w, const char *root, struct zrpc_error *err)
{
    /* Snapshots below what is named come only where they are asked for. */
    unsigned below = w->types_given ? w->types : w->types & ~(unsigned)ZRPC_ZPOOL_SNAPSHOT;
    unsigned types = root != NULL && strpbrk(root, "@#") != NULL ? w->types : below;

    return zrpc_zpool_list(z->pool, root, w->recurse || root == NULL ? w->depth : 0, types, &w->found, err);
}

static int add_argument(struct zfs *z, struct walk *w, const char *name)
{
    unsigned types = w->types;
    struct zrpc_zpool_dataset d;
    struct zrpc_error err;

    if (w->recurse)
        types |= ZRPC_ZPOOL_FILESYSTEM;
    if (w->recurse && (w->types & (ZRPC_ZPOOL_SNAPSHOT | ZRPC_ZPOOL_BOOKMARK)) != 0)
        types |= ZRPC_ZPOOL_VOLUME;
    if (open_dataset(z, name, types, &d, &err) != 0 || add(z, w, name, &err) != 0)
        return refused(&err);
    return 0;
}

/* What is compared: found once for each dataset and column. */
struct key {
    bool valid, text;
    unsigned long long number;
    char *value;
};

struct row {
    struct zrpc_zpool_dataset d;
    struct key keys[SORT_MAX];
    const struct walk *walk;
};

static int compare_numbers(unsigned long long a, unsigned long long b)
{
    return (a > b) - (a < b);
}

/* By name; the snapshots of a filesystem behind it, oldest first. */
static int compare_names(const struct zrpc_zpool_dataset *a, const struct zrpc_zpool_dataset *b)
{
    char fs_a[ZRPC_ZFS_NAME_MAX], fs_b[ZRPC_ZFS_NAME_MAX];
    const char *at_a = strchr(a->name, '@'), *at_b = strchr(b->name, '@');
    int order;

    snprintf(fs_a, sizeof fs_a, "%.*s", at_a == NULL ? (int)sizeof fs_a : (int)(at_a - a->name), a->name);
    snprintf(fs_b, sizeof fs_b, "%.*s", at_b == NULL ? (int)sizeof fs_b : (int)(at_b - b->name), b->name);
    order = strcmp(fs_a, fs_b);
    if (order == 0 && (at_a != NULL) != (at_b != NULL))
        order = at_a == NULL ? -1 : 1;
    if (order == 0 && at_a != NULL)
        order = compare_numbers(a->createtxg, b->createtxg);
    return order != 0 ? order : strcmp(a->name, b->name);
}

static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left, *b = right;

    for (size_t i = 0; i < a->walk->n_sort; i++) {
        const struct key *x = &a->keys[i], *y = &b->keys[i];
        int order;

        if (!x->valid && !y->valid)
            continue;
        if (x->valid != y->valid)
            return x->valid ? -1 : 1;
        order = x->text ? strcmp(x->value, y->value) : compare_numbers(x->number, y->number);
        if (order != 0)
            return a->walk->sort[i].reverse ? -order : order;
    }
    return compare_names(&a->d, &b->d);
}

static int make_key(struct zfs *z, const struct column *c, const struct zrpc_zpool_dataset *d,
                    struct key *key, struct zrpc_error *err)
{
    static _Thread_local struct cell cell;
    int rc;

    /* The ones that lists are sorted by most, without a look at the pool. */
    if (c->native != NULL && strcmp(c->name, "createtxg") == 0) {
        *key = (struct key){.valid = true, .number = d->createtxg};
        return 0;
    }
    rc = column_cell(z, c, d, true, &cell, err);
    if (rc < 0)
        return rc;
    *key = (struct key){.valid = rc > 0, .text = c->native == NULL || c->native->kind == ZRPC_ZPOOL_TEXT};
    if (!key->valid)
        return 0;
    key->number = strtoull(cell.value, NULL, 10);
    key->value = strdup(cell.value);
    return key->value == NULL ? zrpc_fail(err, ZRPC_ERR_NOMEM, "internal error: out of memory") : 0;
}

static int sort(struct zfs *z, struct walk *w, struct zrpc_error *err)
{
    struct row *rows = calloc(w->found.len + 1, sizeof *rows);
    int rc = 0;

    if (rows == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "internal error: out of memory");
    for (size_t i = 0; i < w->found.len && rc == 0; i++) {
        rows[i].d = w->found.items[i];
        rows[i].walk = w;
        for (size_t k = 0; k < w->n_sort && rc == 0; k++)
            rc = make_key(z, &w->sort[k].column, &rows[i].d, &rows[i].keys[k], err);
    }
    if (rc == 0)
        qsort(rows, w->found.len, sizeof *rows, compare_rows);
    for (size_t i = 0; i < w->found.len; i++) {
        w->found.items[i] = rc == 0 ? rows[i].d : w->found.items[i];
        for (size_t k = 0; k < w->n_sort; k++)
            free(rows[i].keys[k].value);
    }
    free(rows);
    return rc;
}

/* What two arguments brought is there once. */
static void drop_doubles(struct zrpc_zpool_datasets *l)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->len; i++)
        if (kept == 0 || strcmp(l->items[kept - 1].name, l->items[i].name) != 0)
            l->items[kept++] = l->items[i];
    l->len = kept;
}

int walk_run(struct zfs *z, struct walk *w, int argc, char **argv)
{
    struct zrpc_error err;
    int status = 0;

    if (!w->recurse || argc == 0)
        w->depth = w->recurse && argc == 0 ? w->depth : ZRPC_ZPOOL_ANY_DEPTH;
    if (argc == 0 && add(z, w, NULL, &err) != 0)
        return refused(&err);
    for (int i = 0; i < argc; i++)
        if (add_argument(z, w, argv[i]) != 0)
            status = EXIT_REFUSED;
    if (sort(z, w, &err) != 0)
        return refused(&err);
    drop_doubles(&w->found);
    return status;
}
