#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "zpool_internal.h"

#define TAG_MAX 256

/* What happens to each snapshot that is meant. */
struct holding {
    struct zrpc_zpool *p;
    const char *tag;
    int64_t now;
    struct zrpc_zpool_holds *out;
    int (*act)(struct holding *h, const char *full, const struct zpool_version *v, struct zrpc_error *err);
};

/* How many holds it has, and whether one with the tag. */
static int count(struct holding *h, const struct zpool_version *v, int64_t *n, bool *tagged,
                 struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(h->p, SQL_HOLD_COUNT, "it", v->id, h->tag);
    int rc = zpool_step(h->p, s, err);

    if (rc == 1) {
        *n = sqlite3_column_int64(s, 0);
        *tagged = sqlite3_column_int64(s, 1) > 0;
        zpool_done(s);
    }
    return rc < 0 ? rc : 0;
}

static int hold_one(struct holding *h, const char *full, const struct zpool_version *v,
                    struct zrpc_error *err)
{
    bool tagged;
    int64_t n;
    int rc = count(h, v, &n, &tagged, err);

    if (rc == 0 && tagged)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot hold snapshot '%s': tag already exists on this dataset",
                       full);
    return rc != 0 ? rc : zpool_run(h->p, err, SQL_HOLD_INSERT, "iti", v->id, h->tag, h->now);
}

static int release_one(struct holding *h, const char *full, const struct zpool_version *v,
                       struct zrpc_error *err)
{
    bool tagged;
    int64_t n;
    int rc = count(h, v, &n, &tagged, err);

    if (rc == 0 && !tagged)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS,
                       "cannot release hold from snapshot '%s': no such tag on this dataset", full);
    if (rc == 0)
        rc = zpool_run(h->p, err, SQL_HOLD_DELETE, "it", v->id, h->tag);
    if (rc != 0 || n > 1 || !v->defer)
        return rc;
    rc = zpool_claimed(h->p, NULL, v->id, err);
    return rc != 0 ? (rc < 0 ? rc : 0) : zpool_version_destroy(h->p, v, err);
}

static int list_one(struct holding *h, const char *full, const struct zpool_version *v,
                    struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(h->p, SQL_HOLD_LIST, "i", v->id);
    int rc;

    while ((rc = zpool_step(h->p, s, err)) == 1) {
        struct zrpc_zpool_holds *l = h->out;
        struct zrpc_zpool_hold *grown;

        if (l->len == l->cap) {
            size_t cap = l->cap == 0 ? 8 : 2 * l->cap;

            grown = reallocarray(l->items, cap, sizeof *grown);
            if (grown == NULL) {
                zpool_done(s);
                return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for %zu holds", cap);
            }
            l->items = grown;
            l->cap = cap;
        }
        grown = &l->items[l->len++];
        *grown = (struct zrpc_zpool_hold){.when = sqlite3_column_int64(s, 1)};
        snprintf(grown->snapshot, sizeof grown->snapshot, "%s", full);
        zpool_text(s, 0, grown->tag, sizeof grown->tag);
    }
    return rc;
}

/* Those of the tree that have the snapshot; the first one must. */
static int each(struct holding *h, const char *what, const char *snapshot, bool recursive,
                struct zrpc_error *err)
{
    char path[ZRPC_ZFS_NAME_MAX], part[ZRPC_ZFS_NAME_MAX], delimiter;
    struct zrpc_zpool_datasets all = {0};
    size_t n = 0;
    int rc = zpool_split(what, snapshot, path, &delimiter, part, err);

    if (rc == 0 && delimiter != '@')
        return zrpc_fail(err, ZRPC_ERR_ZFS, "'%s' is not a snapshot", snapshot);
    if (rc == 0)
        rc = zrpc_zpool_list(h->p, path, recursive ? ZRPC_ZPOOL_ANY_DEPTH : 0,
                             ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME, &all, err);
    for (size_t i = 0; rc == 0 && i < all.len; i++) {
        char full[2 * ZRPC_ZFS_NAME_MAX];
        struct zpool_version v;

        snprintf(full, sizeof full, "%s@%s", all.items[i].name, part);
        rc = zpool_version_find(h->p, all.items[i].fs, false, part, &v, err);
        if (rc == 1) {
            rc = h->act(h, full, &v, err);
            n++;
        }
    }
    zrpc_zpool_datasets_dispose(&all);
    if (rc == 0 && n == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s '%s': dataset does not exist", what, snapshot);
    return rc;
}

static int change(struct holding *h, const char *what, const char *const *snapshots, size_t n, bool recursive,
                  struct zrpc_error *err)
{
    int rc = 0;

    if (strlen(h->tag) >= TAG_MAX)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s '%s': tag too long", what, n == 0 ? "" : snapshots[0]);
    rc = zpool_begin(h->p, true, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = each(h, what, snapshots[i], recursive, err);
    return zpool_end(h->p, rc, err);
}

int zrpc_zpool_hold(struct zrpc_zpool *p, const char *const *snapshots, size_t n, const char *tag,
                    bool recursive, struct zrpc_error *err)
{
    struct holding h = {.p = p, .tag = tag, .now = time(NULL), .act = hold_one};

    return change(&h, "cannot hold snapshot", snapshots, n, recursive, err);
}

int zrpc_zpool_release(struct zrpc_zpool *p, const char *const *snapshots, size_t n, const char *tag,
                       bool recursive, struct zrpc_error *err)
{
    struct holding h = {.p = p, .tag = tag, .act = release_one};

    return change(&h, "cannot release hold from snapshot", snapshots, n, recursive, err);
}

int zrpc_zpool_holds(struct zrpc_zpool *p, const char *snapshot, bool recursive, struct zrpc_zpool_holds *out,
                     struct zrpc_error *err)
{
    struct holding h = {.p = p, .tag = "", .out = out, .act = list_one};
    int rc = zpool_begin(p, false, err);

    return rc != 0 ? rc : zpool_end(p, each(&h, "cannot open", snapshot, recursive, err), err);
}

void zrpc_zpool_holds_dispose(struct zrpc_zpool_holds *l)
{
    free(l->items);
    *l = (struct zrpc_zpool_holds){0};
}
