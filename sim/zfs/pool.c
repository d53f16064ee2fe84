#include <poll.h>
#include <stdlib.h>

#include "pool_internal.h"

/* As `zfs list` sorts: a filesystem's children come right after it, so '/' is the lowest of all. */
static int compare_paths(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    return (*a == '/' ? 1 : (uint8_t)*a) - (*b == '/' ? 1 : (uint8_t)*b);
}

/* Where the path is, or would have to be. */
static size_t position(const struct zrpc_sim_pool *p, const char *path)
{
    size_t low = 0, high = p->n_filesystems;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_paths(p->filesystems[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct sim_filesystem *zrpc_sim_find(const struct zrpc_sim_pool *p, const char *fs)
{
    size_t at = position(p, fs);

    return at < p->n_filesystems && strcmp(p->filesystems[at].path, fs) == 0 ? &p->filesystems[at] : NULL;
}

struct sim_filesystem *zrpc_sim_require(const struct zrpc_sim_pool *p, const char *fs, struct zrpc_error *err)
{
    struct sim_filesystem *found = zrpc_sim_find(p, fs);

    if (found == NULL)
        zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': dataset does not exist", fs);
    return found;
}

struct sim_version *zrpc_sim_find_version(const struct sim_filesystem *fs, enum zrpc_zfs_version_type type,
                                          const char *name)
{
    for (size_t i = 0; i < fs->n_versions; i++)
        if (fs->versions[i].v.type == type && strcmp(fs->versions[i].v.name, name) == 0)
            return &fs->versions[i];
    return NULL;
}

struct sim_version *zrpc_sim_last_snapshot(const struct sim_filesystem *fs)
{
    for (size_t i = fs->n_versions; i > 0; i--)
        if (fs->versions[i - 1].v.type == ZRPC_ZFS_SNAPSHOT)
            return &fs->versions[i - 1];
    return NULL;
}

bool zrpc_sim_is_claimed(const struct zrpc_sim_pool *p, const char *fs)
{
    for (const struct sim_claim *c = p->claims; c != NULL; c = c->next)
        if (strcmp(c->path, fs) == 0)
            return true;
    return false;
}

bool zrpc_sim_has_parent(const struct zrpc_sim_pool *p, const char *fs)
{
    const char *slash = strrchr(fs, '/');
    char parent[ZRPC_ZFS_NAME_MAX];

    if (slash == NULL)
        return strcmp(fs, p->name) == 0;
    memcpy(parent, fs, (size_t)(slash - fs));
    parent[slash - fs] = '\0';
    return zrpc_sim_find(p, parent) != NULL;
}

/* Room for `more` entries behind the first `len`, in an array at *base. */
static int reserve(void *base, size_t len, size_t more, size_t *cap, size_t size, struct zrpc_error *err)
{
    void **items = base, *grown;
    size_t wanted = len + more + len / 2;

    if (len + more <= *cap)
        return 0;
    grown = reallocarray(*items, wanted, size);
    if (grown == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for %zu entries in a pool", wanted);
    *items = grown;
    *cap = wanted;
    return 0;
}

int zrpc_sim_insert_filesystem(struct zrpc_sim_pool *p, const char *path, bool placeholder,
                               struct sim_filesystem **out, struct zrpc_error *err)
{
    struct sim_filesystem *at;
    size_t index = position(p, path);
    int rc = reserve(&p->filesystems, p->n_filesystems, 1, &p->cap_filesystems, sizeof *at, err);

    if (rc != 0)
        return rc;
    at = &p->filesystems[index];
    memmove(at + 1, at, (p->n_filesystems - index) * sizeof *at);
    *at = (struct sim_filesystem){.placeholder = placeholder};
    memcpy(at->path, path, strlen(path) + 1);
    p->n_filesystems++;
    *out = at;
    return 0;
}

static void dispose_filesystem(struct sim_filesystem *fs)
{
    free(fs->versions);
    free(fs->layers);
    free(fs->fault);
}

void zrpc_sim_remove_filesystem(struct zrpc_sim_pool *p, struct sim_filesystem *fs)
{
    size_t index = (size_t)(fs - p->filesystems);

    dispose_filesystem(fs);
    p->n_filesystems--;
    memmove(fs, fs + 1, (p->n_filesystems - index) * sizeof *fs);
}

int zrpc_sim_reserve(struct sim_filesystem *fs, size_t n_layers, struct zrpc_error *err)
{
    int rc = reserve(&fs->versions, fs->n_versions, 1, &fs->cap_versions, sizeof fs->versions[0], err);

    if (rc != 0)
        return rc;
    return reserve(&fs->layers, fs->n_layers, n_layers, &fs->cap_layers, sizeof fs->layers[0], err);
}

void zrpc_sim_insert_version(struct sim_filesystem *fs, const struct zrpc_zfs_version *v)
{
    size_t at = fs->n_versions;

    while (at > 0 && fs->versions[at - 1].v.createtxg > v->createtxg)
        at--;
    memmove(&fs->versions[at + 1], &fs->versions[at], (fs->n_versions - at) * sizeof fs->versions[0]);
    fs->versions[at] = (struct sim_version){.v = *v};
    fs->n_versions++;
}

void zrpc_sim_append_layer(struct sim_filesystem *fs, struct zrpc_sim_extent extent, uint64_t txg)
{
    fs->layers[fs->n_layers++] = (struct sim_layer){.extent = extent, .txg = txg};
}

void zrpc_sim_remove_version(struct sim_filesystem *fs, struct sim_version *v)
{
    size_t at = (size_t)(v - fs->versions);

    fs->n_versions--;
    memmove(v, v + 1, (fs->n_versions - at) * sizeof *v);
}

void zrpc_sim_drop_layers_after(struct sim_filesystem *fs, uint64_t txg)
{
    while (fs->n_layers > 0 && fs->layers[fs->n_layers - 1].txg > txg)
        fs->n_layers--;
}

int zrpc_sim_collect(const struct sim_filesystem *fs, uint64_t after, uint64_t upto,
                     struct zrpc_sim_extents *out, struct zrpc_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < fs->n_layers; i++)
        if (fs->layers[i].txg > after && fs->layers[i].txg <= upto)
            rc = zrpc_sim_extents_push(out, fs->layers[i].extent, err);
    return rc;
}

/* The path is the fault's own, or ends in it; the longest such fault holds. */
static bool fault_holds(const char *own, const char *path)
{
    size_t own_len = strlen(own), len = strlen(path);

    if (own_len >= len)
        return strcmp(own, path) == 0;
    return path[len - own_len - 1] == '/' && strcmp(path + len - own_len, own) == 0;
}

struct zrpc_sim_fault zrpc_sim_fault_of(struct zrpc_sim_pool *p, const char *fs)
{
    const struct sim_filesystem *best = NULL;
    struct zrpc_sim_fault fault = {0};

    pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < p->n_filesystems; i++) {
        const struct sim_filesystem *f = &p->filesystems[i];

        if (f->fault != NULL && fault_holds(f->path, fs) &&
            (best == NULL || strlen(f->path) > strlen(best->path)))
            best = f;
    }
    if (best != NULL)
        fault = *best->fault;
    pthread_mutex_unlock(&p->mutex);
    return fault;
}

int zrpc_sim_suffer(zrpc_time delay, const char *text, atomic_bool *cancelled, struct zrpc_error *err)
{
    zrpc_time now = zrpc_now(), until = delay == 0 ? now : zrpc_deadline(now, delay);

    for (; now < until; now = zrpc_now()) {
        if (cancelled != NULL && atomic_load(cancelled))
            return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled");
        poll(NULL, 0, zrpc_poll_timeout(now, zrpc_earlier(until, now + 10 * ZRPC_MILLISECOND)));
    }
    return text[0] == '\0' ? 0 : zrpc_fail(err, ZRPC_ERR_ZFS, "%s", text);
}

const char *zrpc_sim_pool_name(const struct zrpc_sim_pool *p)
{
    return p->name;
}

int zrpc_sim_pool_create(const char *name, uint64_t seed, struct zrpc_sim_pool **out, struct zrpc_error *err)
{
    struct zrpc_sim_pool *p;
    struct sim_filesystem *root;
    int rc = zrpc_zfs_dataset_check(name, err);

    if (rc == 0)
        rc = zrpc_zfs_name_check(name, err);
    if (rc != 0)
        return rc;
    p = calloc(1, sizeof *p);
    if (p == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for pool %s", name);
    p->seed = seed;
    memcpy(p->name, name, strlen(name) + 1);
    rc = pthread_mutex_init(&p->mutex, NULL);
    if (rc != 0) {
        free(p);
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "mutex of pool %s", name);
    }
    rc = zrpc_sim_insert_filesystem(p, name, false, &root, err);
    if (rc == 0)
        *out = p;
    else
        zrpc_sim_pool_destroy(p);
    return rc;
}

void zrpc_sim_pool_destroy(struct zrpc_sim_pool *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n_filesystems; i++)
        dispose_filesystem(&p->filesystems[i]);
    free(p->filesystems);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}
