#include "zrpc/replicate_plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "zrpc/endpoint.h"

/* Of one transaction, a bookmark comes first: it says less. */
static int by_createtxg(const void *a, const void *b)
{
    const struct zrpc_zfs_version *x = a, *y = b;

    if (x->createtxg != y->createtxg)
        return x->createtxg < y->createtxg ? -1 : 1;
    return (y->type == ZRPC_ZFS_BOOKMARK) - (x->type == ZRPC_ZFS_BOOKMARK);
}

static int sorted(const struct zrpc_zfs_versions *list, struct zrpc_zfs_versions *out, struct zrpc_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < list->len; i++)
        rc = zrpc_zfs_versions_push(out, &list->items[i], err);
    if (rc == 0 && out->len > 0)
        qsort(out->items, out->len, sizeof out->items[0], by_createtxg);
    return rc;
}

static bool is_snapshot(const struct zrpc_zfs_version *v)
{
    return v->type == ZRPC_ZFS_SNAPSHOT;
}

static const struct zrpc_zfs_version *newest_snapshot(const struct zrpc_zfs_versions *l)
{
    for (size_t i = l->len; i > 0; i--)
        if (is_snapshot(&l->items[i - 1]))
            return &l->items[i - 1];
    return NULL;
}

/* A snapshot rather than a bookmark, from which there is no estimate. */
static const struct zrpc_zfs_version *find_guid(const struct zrpc_zfs_versions *l, uint64_t guid)
{
    const struct zrpc_zfs_version *found = NULL;

    for (size_t i = 0; i < l->len; i++)
        if (l->items[i].guid == guid && (found == NULL || is_snapshot(&l->items[i])))
            found = &l->items[i];
    return found;
}

/* The newest of the receiver's snapshots that the sender knows; NULL: none. */
static const struct zrpc_zfs_version *last_common(const struct zrpc_zfs_versions *sender,
                                                  const struct zrpc_zfs_versions *receiver)
{
    for (size_t i = receiver->len; i > 0; i--) {
        const struct zrpc_zfs_version *r = &receiver->items[i - 1];
        const struct zrpc_zfs_version *common = is_snapshot(r) ? find_guid(sender, r->guid) : NULL;

        if (common != NULL)
            return common;
    }
    return NULL;
}

static char delimiter(const struct zrpc_zfs_version *v)
{
    return is_snapshot(v) ? '@' : '#';
}

/* "@a @b (and 7 more)": snapshots of the list newer than `after`, the newest first. */
static void list_newer(const struct zrpc_zfs_versions *l, uint64_t after, char *out, size_t size)
{
    size_t used = 0, left_out = 0;

    out[0] = '\0';
    for (size_t i = l->len; i > 0 && l->items[i - 1].createtxg > after; i--) {
        const struct zrpc_zfs_version *v = &l->items[i - 1];

        if (!is_snapshot(v))
            continue;
        if (left_out > 0 || used + strlen(v->name) + 32 > size)
            left_out++;
        else
            used += (size_t)snprintf(out + used, size - used, "%s@%s", used > 0 ? " " : "", v->name);
    }
    if (left_out > 0)
        snprintf(out + used, size - used, " (and %zu more)", left_out);
}

static void explain_diverged(struct zrpc_plan *p, const struct zrpc_zfs_versions *receiver,
                             const struct zrpc_zfs_version *common)
{
    const struct zrpc_zfs_version *here = find_guid(receiver, common->guid);
    char only[ZRPC_PLAN_WHY_MAX / 2];

    list_newer(receiver, here->createtxg, only, sizeof only);
    snprintf(p->why, sizeof p->why,
             "the receiver has gone on by itself since %c%.255s, the last version in common; only the "
             "receiver has %s",
             delimiter(common), common->name, only);
}

static void explain_unrelated(struct zrpc_plan *p, const struct zrpc_zfs_versions *sender,
                              const struct zrpc_zfs_versions *receiver)
{
    char ours[ZRPC_PLAN_WHY_MAX / 4], theirs[ZRPC_PLAN_WHY_MAX / 4];

    list_newer(sender, 0, ours, sizeof ours);
    list_newer(receiver, 0, theirs, sizeof theirs);
    snprintf(
        p->why, sizeof p->why,
        "no snapshot or bookmark in common with the receiver's snapshots; the sender has %s, the receiver %s",
        ours[0] == '\0' ? "none" : ours, theirs);
}

static int conflict(struct zrpc_plan *p, enum zrpc_plan_kind kind)
{
    p->kind = kind;
    return 0;
}

static uint64_t find_cursor(const struct zrpc_zfs_versions *sender)
{
    const struct zrpc_zfs_version *cursor =
        zrpc_zfs_versions_find(sender, ZRPC_ZFS_BOOKMARK, ZRPC_REPLICATION_CURSOR);

    return cursor == NULL ? 0 : cursor->createtxg;
}

static int add_newer(struct zrpc_plan *p, const struct zrpc_zfs_versions *sender, uint64_t after,
                     const struct zrpc_zfs_versions *receiver, struct zrpc_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sender->len; i++) {
        const struct zrpc_zfs_version *v = &sender->items[i];

        if (!is_snapshot(v) || (v->createtxg <= after && !p->full))
            continue;
        if (zrpc_zfs_versions_find(receiver, ZRPC_ZFS_SNAPSHOT, v->name) != NULL) {
            snprintf(p->why, sizeof p->why, "the receiver has another snapshot of the name @%.255s", v->name);
            return conflict(p, ZRPC_PLAN_NAME_TAKEN);
        }
        rc = zrpc_zfs_versions_push(&p->path, v, err);
    }
    return rc;
}

static int plan(const struct zrpc_zfs_versions *sender, const struct zrpc_zfs_versions *receiver,
                struct zrpc_plan *p, struct zrpc_error *err)
{
    const struct zrpc_zfs_version *newest = newest_snapshot(receiver);
    const struct zrpc_zfs_version *common = last_common(sender, receiver);
    int rc;

    p->full = newest == NULL;
    p->cursor = find_cursor(sender);
    if (newest != NULL && common == NULL) {
        explain_unrelated(p, sender, receiver);
        return conflict(p, ZRPC_PLAN_UNRELATED);
    }
    if (common != NULL) {
        rc = zrpc_zfs_versions_push(&p->path, common, err);
        if (rc != 0)
            return rc;
        if (common->guid != newest->guid) {
            explain_diverged(p, receiver, common);
            return conflict(p, ZRPC_PLAN_DIVERGED);
        }
        p->move_cursor = is_snapshot(common) && p->cursor < common->createtxg;
    }
    p->kind = ZRPC_PLAN_STEPS;
    rc = add_newer(p, sender, common == NULL ? 0 : common->createtxg, receiver, err);
    if (rc == 0 && p->kind == ZRPC_PLAN_STEPS && zrpc_plan_steps(p) == 0)
        p->kind = p->full ? ZRPC_PLAN_EMPTY : ZRPC_PLAN_UP_TO_DATE;
    return rc;
}

int zrpc_plan_make(const struct zrpc_zfs_versions *sender, const struct zrpc_zfs_versions *receiver,
                   struct zrpc_plan *out, struct zrpc_error *err)
{
    struct zrpc_zfs_versions from = {0}, to = {0};
    int rc = sorted(sender, &from, err);

    *out = (struct zrpc_plan){0};
    if (rc == 0)
        rc = sorted(receiver, &to, err);
    if (rc == 0)
        rc = plan(&from, &to, out, err);
    if (rc != 0)
        zrpc_plan_dispose(out);
    zrpc_zfs_versions_dispose(&from);
    zrpc_zfs_versions_dispose(&to);
    return rc;
}

void zrpc_plan_dispose(struct zrpc_plan *p)
{
    zrpc_zfs_versions_dispose(&p->path);
    *p = (struct zrpc_plan){0};
}

bool zrpc_plan_is_conflict(const struct zrpc_plan *p)
{
    return p->kind >= ZRPC_PLAN_DIVERGED;
}

size_t zrpc_plan_steps(const struct zrpc_plan *p)
{
    if (p->kind != ZRPC_PLAN_STEPS)
        return 0;
    return p->full ? p->path.len : p->path.len - 1;
}

struct zrpc_plan_step zrpc_plan_step(const struct zrpc_plan *p, size_t i)
{
    const struct zrpc_zfs_version *items = p->path.items;

    if (!p->full)
        return (struct zrpc_plan_step){.from = &items[i], .to = &items[i + 1]};
    return (struct zrpc_plan_step){.from = i == 0 ? NULL : &items[i - 1], .to = &items[i]};
}
