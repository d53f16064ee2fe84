#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "zpool_internal.h"

int zpool_next_txg(struct zrpc_zpool *p, struct zrpc_error *err)
{
    if (p->txg >= ZPOOL_CREATETXG_MAX)
        return zrpc_fail(err, ZRPC_ERR_LIMIT, "pool '%s': out of transaction groups", p->name);
    p->txg++;
    return 0;
}

/* FNV-1a. */
static uint64_t hash(uint64_t h, const char *text)
{
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return h;
}

uint64_t zpool_new_guid(const struct zrpc_zpool *p, const char *name)
{
    uint64_t h = hash(hash(UINT64_C(0xcbf29ce484222325) ^ p->seed, p->name), name);
    uint64_t guid = zrpc_sim_mix(h ^ zrpc_sim_mix(p->txg));

    return guid == 0 ? 1 : guid;
}

/* Where a filesystem has no parent: *parent 0. */
static int find_parent(struct zrpc_zpool *p, const char *what, const char *name, int64_t *parent,
                       struct zrpc_error *err)
{
    const char *slash = strrchr(name, '/');
    char path[ZRPC_ZFS_NAME_MAX];
    struct zpool_fs above;
    int rc;

    *parent = 0;
    if (slash == NULL && strcmp(name, p->name) == 0)
        return 0;
    if (slash == NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s '%s': missing dataset name", what, name);
    snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
    rc = zpool_fs_find(p, path, &above, err);
    if (rc == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s '%s': parent does not exist", what, name);
    if (rc == 1 && above.volume)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s '%s': parent is not a filesystem", what, name);
    *parent = above.id;
    return rc < 0 ? rc : 0;
}

int zpool_fs_insert(struct zrpc_zpool *p, const char *what, const char *name, bool volume, bool inconsistent,
                    struct zpool_fs *out, struct zrpc_error *err)
{
    int64_t parent;
    int rc = find_parent(p, what, name, &parent, err);

    if (rc == 0)
        rc = zpool_next_txg(p, err);
    if (rc != 0)
        return rc;
    *out = (struct zpool_fs){.parent = parent,
                             .volume = volume,
                             .inconsistent = inconsistent,
                             .guid = zpool_new_guid(p, name),
                             .createtxg = p->txg,
                             .creation = time(NULL)};
    snprintf(out->name, sizeof out->name, "%s", name);
    sqlite3_stmt *s = zpool_bind(p, SQL_FS_INSERT, "tiiiuui", out->name, parent, (int64_t)volume,
                                 (int64_t)inconsistent, out->guid, out->createtxg, out->creation);
    if (s != NULL && parent == 0 && sqlite3_bind_null(s, 2) != SQLITE_OK)
        s = NULL;
    rc = zpool_step(p, s, err);
    out->id = sqlite3_last_insert_rowid(p->db);
    return rc;
}

static int make_fs(struct zrpc_zpool *p, const struct zrpc_zpool_new *new, const char *name, bool last,
                   struct zrpc_error *err)
{
    char what[ZRPC_ZFS_NAME_MAX + 32], size[32];
    const struct zrpc_zpool_setting volsize = {"volsize", size};
    struct zpool_fs fs;
    int rc = zpool_fs_find(p, name, &fs, err);

    if (rc == 1)
        return new->parents
                   ? 0
                   : zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create '%s': dataset already exists", name);
    if (rc == 0)
        rc = zpool_fs_insert(p, "cannot create", name, last && new->volume, false, &fs, err);
    if (rc != 0 || !last)
        return rc;
    snprintf(what, sizeof what, "cannot create '%s'", name);
    snprintf(size, sizeof size, "%llu", (unsigned long long)new->volsize);
    if (new->volume)
        rc = zpool_apply(p, what, &fs, NULL, &volsize, 1, err);
    return rc != 0 ? rc : zpool_apply(p, what, &fs, NULL, new->settings, new->n_settings, err);
}

/* With -p, those above it, from the top. */
static int make_parents(struct zrpc_zpool *p, const struct zrpc_zpool_new *new, char *fs,
                        struct zrpc_error *err)
{
    int rc = 0;

    for (char *at = strchr(fs, '/'); rc == 0 && at != NULL && (at = strchr(at + 1, '/')) != NULL;) {
        *at = '\0';
        rc = make_fs(p, new, fs, false, err);
        *at = '/';
    }
    return rc;
}

static int create(struct zrpc_zpool *p, const struct zrpc_zpool_new *new, struct zrpc_error *err)
{
    char fs[ZRPC_ZFS_NAME_MAX], part[ZRPC_ZFS_NAME_MAX], delimiter;
    int rc = zpool_split("cannot create", new->name, fs, &delimiter, part, err);

    if (rc != 0)
        return rc;
    if (delimiter != 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create '%s': %s delimiter '%c' is not expected here",
                         new->name, delimiter == '@' ? "snapshot" : "bookmark", delimiter);
    if (!zrpc_zfs_path_within(fs, p->name))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot create '%s': no such pool '%.*s'", new->name,
                         (int)strcspn(fs, "/"), fs);
    rc = new->parents ? make_parents(p, new, fs, err) : 0;
    return rc == 0 ? make_fs(p, new, fs, true, err) : rc;
}

int zrpc_zpool_create_filesystem(struct zrpc_zpool *p, const struct zrpc_zpool_new *new,
                                 struct zrpc_error *err)
{
    int rc = zpool_begin(p, true, err);

    return rc != 0 ? rc : zpool_end(p, create(p, new, err), err);
}

int zpool_version_insert(struct zrpc_zpool *p, struct zpool_version *v, struct zrpc_error *err)
{
    int rc = zpool_run(p, err, SQL_VERSION_INSERT, "iituuiu", v->fs, (int64_t)v->bookmark, v->name, v->guid,
                       v->createtxg, v->creation, v->referenced);

    v->id = sqlite3_last_insert_rowid(p->db);
    return rc;
}

int zpool_extents(struct zrpc_zpool *p, int64_t fs, uint64_t after, uint64_t upto,
                  struct zrpc_sim_extents *out, struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_EXTENT_LIST, "iuu", fs, after, upto);
    int rc;

    while ((rc = zpool_step(p, s, err)) == 1) {
        rc = zrpc_sim_extents_push(out,
                                   (struct zrpc_sim_extent){.seed = (uint64_t)sqlite3_column_int64(s, 0),
                                                            .length = (uint64_t)sqlite3_column_int64(s, 1)},
                                   err);
        if (rc != 0) {
            zpool_done(s);
            break;
        }
    }
    return rc;
}

int zpool_extents_count(struct zrpc_zpool *p, int64_t fs, uint64_t upto, uint64_t *n, uint64_t *length,
                        struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_EXTENT_COUNT, "iu", fs, upto);
    int rc = zpool_step(p, s, err);

    if (rc == 1) {
        *n = (uint64_t)sqlite3_column_int64(s, 0);
        *length = (uint64_t)sqlite3_column_int64(s, 1);
        zpool_done(s);
    }
    return rc < 0 ? rc : 0;
}

int zpool_extent_insert(struct zrpc_zpool *p, int64_t fs, uint64_t number, uint64_t txg,
                        struct zrpc_sim_extent extent, struct zrpc_error *err)
{
    if (number > ZRPC_SIM_EXTENTS_MAX)
        return zrpc_fail(err, ZRPC_ERR_LIMIT, "out of space: more than %d extents", ZRPC_SIM_EXTENTS_MAX);
    return zpool_run(p, err, SQL_EXTENT_INSERT, "iuuuu", fs, number, txg, extent.seed, extent.length);
}

int zpool_extents_drop(struct zrpc_zpool *p, int64_t fs, uint64_t after, struct zrpc_error *err)
{
    return zpool_run(p, err, SQL_EXTENT_DROP, "iu", fs, after);
}

int zpool_append(struct zrpc_zpool *p, const char *what, struct zpool_fs *fs,
                 const struct zrpc_sim_extent *extent, uint64_t txg, struct zrpc_error *err)
{
    uint64_t n, length, used, room;
    bool quota;
    int rc = extent->length == 0 ? 0 : zpool_used(p, p->name, &used, err);

    if (rc != 0 || extent->length == 0)
        return rc;
    rc = zpool_room(p, fs, used, &room, &quota, err);
    if (rc == 0 && extent->length > room)
        return zrpc_fail(err, ZRPC_ERR_LIMIT, "%s '%s': out of space", what, fs->name);
    if (rc == 0)
        rc = zpool_extents_count(p, fs->id, INT64_MAX, &n, &length, err);
    if (rc == 0)
        rc = zpool_extent_insert(p, fs->id, n + 1, txg, *extent, err);
    if (rc != 0)
        return zrpc_error_prefix(err, rc, "%s '%s'", what, fs->name);
    fs->content += extent->length;
    return 0;
}

static int write_content(struct zrpc_zpool *p, const char *name, uint64_t bytes, struct zrpc_error *err)
{
    struct zrpc_sim_extent extent = {.length = bytes};
    struct zpool_fs fs;
    int rc = zpool_fs_require(p, name, &fs, err);

    if (rc == 0)
        rc = zpool_next_txg(p, err);
    extent.seed = zpool_new_guid(p, name);
    return rc != 0 ? rc : zpool_append(p, "cannot write", &fs, &extent, p->txg, err);
}

int zrpc_zpool_write(struct zrpc_zpool *p, const char *fs, uint64_t bytes, struct zrpc_error *err)
{
    int rc = zpool_begin(p, true, err);

    return rc != 0 ? rc : zpool_end(p, write_content(p, fs, bytes, err), err);
}
