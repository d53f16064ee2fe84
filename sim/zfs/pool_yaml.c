#include "sim/zfs/pool_yaml.h"

#include <stdio.h>
#include <stdlib.h>

static void read_creation(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    unsigned before = y->n_problems;
    const char *text = NULL;
    struct zrpc_error err;

    zrpc_yaml_string(y, key, node, &text);
    if (y->n_problems == before && zrpc_zfs_creation_parse(text, out, &err) != 0)
        zrpc_yaml_problem(y, node, key, "%s", err.text);
}

static void read_number(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    unsigned before = y->n_problems;

    zrpc_yaml_u64(y, key, node, out);
    if (y->n_problems == before && *(uint64_t *)out == 0)
        zrpc_yaml_problem(y, node, key, "expected a number above 0");
}

static void read_dataset(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const char *text = NULL;
    struct zrpc_error err;

    zrpc_yaml_string(y, key, node, &text);
    if (text == NULL)
        return;
    if (zrpc_zfs_dataset_check(text, &err) == 0)
        *(const char **)out = text;
    else
        zrpc_yaml_problem(y, node, key, "%s", err.text);
}

static void read_pool(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const char *text = NULL;

    read_dataset(y, key, node, &text);
    if (text != NULL && strchr(text, '/') != NULL)
        zrpc_yaml_problem(y, node, key, "expected a name without '/', found \"%s\"", text);
    else if (text != NULL)
        *(const char **)out = text;
}

struct file_keys {
    const char *pool, *root;
    uint64_t seed;
    yaml_node_t *serve, *filesystems;
};

struct serve_keys {
    const char *root;
    yaml_node_t *filesystems;
};

struct filesystem_keys {
    bool placeholder;
    uint64_t series;
    yaml_node_t *snapshots, *bookmarks, *fault;
};

struct version_keys {
    const char *name, *of;
    struct zrpc_zfs_version v;
    uint64_t written;
};

#define KEY(name, reader, type, field)                    \
    {                                                     \
        name, reader, offsetof(struct type, field), false \
    }
#define MUST_KEY(name, reader, type, field)              \
    {                                                    \
        name, reader, offsetof(struct type, field), true \
    }
#define END_OF_KEYS          \
    {                        \
        NULL, NULL, 0, false \
    }

static const struct zrpc_yaml_key file_table[] = {
    MUST_KEY("pool", read_pool, file_keys, pool),
    KEY("seed", zrpc_yaml_u64, file_keys, seed),
    KEY("serve", zrpc_yaml_node, file_keys, serve),
    KEY("filesystems", zrpc_yaml_node, file_keys, filesystems),
    END_OF_KEYS,
};

static const struct zrpc_yaml_key serve_table[] = {
    KEY("filesystems", zrpc_yaml_node, serve_keys, filesystems),
    KEY("root_fs", read_dataset, serve_keys, root),
    END_OF_KEYS,
};

static const struct zrpc_yaml_key filesystem_table[] = {
    KEY("placeholder", zrpc_yaml_bool, filesystem_keys, placeholder),
    KEY("series", zrpc_yaml_u64, filesystem_keys, series),
    KEY("snapshots", zrpc_yaml_node, filesystem_keys, snapshots),
    KEY("bookmarks", zrpc_yaml_node, filesystem_keys, bookmarks),
    KEY("fault", zrpc_yaml_node, filesystem_keys, fault),
    END_OF_KEYS,
};

static const struct zrpc_yaml_key snapshot_table[] = {
    MUST_KEY("name", zrpc_yaml_string, version_keys, name),
    KEY("written", zrpc_yaml_size, version_keys, written),
    KEY("guid", read_number, version_keys, v.guid),
    KEY("createtxg", read_number, version_keys, v.createtxg),
    KEY("creation", read_creation, version_keys, v.creation),
    END_OF_KEYS,
};

static const struct zrpc_yaml_key bookmark_table[] = {
    MUST_KEY("name", zrpc_yaml_string, version_keys, name),
    KEY("of", zrpc_yaml_string, version_keys, of),
    KEY("guid", read_number, version_keys, v.guid),
    KEY("createtxg", read_number, version_keys, v.createtxg),
    KEY("creation", read_creation, version_keys, v.creation),
    END_OF_KEYS,
};

/* What the pool refuses is a mistake of the file. */
static void note(struct zrpc_sim_file *f, const yaml_node_t *at, const char *key, int rc,
                 const struct zrpc_error *err)
{
    if (rc == ZRPC_ERR_NOMEM)
        f->out_of_memory = true;
    else if (rc != 0)
        zrpc_yaml_problem(&f->yaml, at, key, "%s", err->text);
}

static void add_snapshot(struct zrpc_sim_file *f, const char *fs, yaml_node_t *node)
{
    struct version_keys k = {0};
    unsigned before = f->yaml.n_problems;
    struct zrpc_error err;

    zrpc_yaml_mapping(&f->yaml, "snapshots", node, snapshot_table, &k);
    if (f->yaml.n_problems != before)
        return;
    if (strlen(k.name) >= sizeof k.v.name) {
        zrpc_yaml_problem(&f->yaml, node, "name", "too long");
        return;
    }
    memcpy(k.v.name, k.name, strlen(k.name) + 1);
    note(f, node, k.name, zrpc_zpool_add_snapshot(f->pool, fs, &k.v, k.written, &err), &err);
}

/* The bookmark of a snapshot that is there takes its numbers over; of one that is gone, the file gives them.
 */
static bool fill_bookmark(struct zrpc_sim_file *f, const struct zrpc_zfs_versions *versions,
                          const yaml_node_t *node, struct version_keys *k)
{
    bool given = k->v.guid != 0 || k->v.createtxg != 0 || k->v.creation != 0;
    const struct zrpc_zfs_version *of = NULL;

    if (strlen(k->name) >= sizeof k->v.name) {
        zrpc_yaml_problem(&f->yaml, node, "name", "too long");
        return false;
    }
    if (k->of != NULL) {
        of = zrpc_zfs_versions_find(versions, ZRPC_ZFS_SNAPSHOT, k->of);
        if (of == NULL)
            zrpc_yaml_problem(&f->yaml, node, "of", "expected a snapshot of the filesystem, found \"%s\"",
                              k->of);
        else if (given)
            zrpc_yaml_problem(&f->yaml, node, k->name, "expected either of or guid, createtxg and creation");
        if (of == NULL || given)
            return false;
        k->v = *of;
    } else if (k->v.guid == 0 || k->v.createtxg == 0) {
        zrpc_yaml_problem(&f->yaml, node, k->name, "expected of, or guid and createtxg");
        return false;
    }
    memcpy(k->v.name, k->name, strlen(k->name) + 1);
    return true;
}

static void add_bookmark(struct zrpc_sim_file *f, const char *fs, const struct zrpc_zfs_versions *versions,
                         yaml_node_t *node)
{
    struct version_keys k = {0};
    unsigned before = f->yaml.n_problems;
    struct zrpc_error err;

    zrpc_yaml_mapping(&f->yaml, "bookmarks", node, bookmark_table, &k);
    if (f->yaml.n_problems == before && fill_bookmark(f, versions, node, &k))
        note(f, node, k.name, zrpc_zpool_add_bookmark(f->pool, fs, &k.v, &err), &err);
}

static void add_bookmarks(struct zrpc_sim_file *f, const char *fs, yaml_node_t *list)
{
    struct zrpc_zfs zfs = zrpc_zpool_zfs(f->pool);
    struct zrpc_zfs_versions versions = {0};
    struct zrpc_error err;
    yaml_node_t *item;

    if (list == NULL || !zrpc_yaml_is_sequence(&f->yaml, "bookmarks", list))
        return;
    note(f, list, fs, zfs.ops->list_versions(zfs.ctx, NULL, fs, &versions, &err), &err);
    for (size_t i = 0; zrpc_yaml_item(&f->yaml, list, i, &item); i++)
        add_bookmark(f, fs, &versions, item);
    zrpc_zfs_versions_dispose(&versions);
}

static void add_filesystem(struct zrpc_sim_file *f, const char *fs, yaml_node_t *node)
{
    struct filesystem_keys k = {0};
    struct zrpc_error err;
    yaml_node_t *item;
    int rc = 0;

    zrpc_yaml_mapping(&f->yaml, fs, node, filesystem_table, &k);
    if (strcmp(fs, zrpc_zpool_name(f->pool)) != 0)
        rc = zrpc_zpool_add_filesystem(f->pool, fs, k.placeholder, &err);
    else if (k.placeholder)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "the pool itself cannot be a placeholder");
    note(f, node, fs, rc, &err);
    if (rc != 0)
        return;
    if (k.series > 0)
        note(f, node, "series", zrpc_zpool_add_series(f->pool, fs, k.series, &err), &err);
    if (zrpc_yaml_is_sequence(&f->yaml, "snapshots", k.snapshots))
        for (size_t i = 0; zrpc_yaml_item(&f->yaml, k.snapshots, i, &item); i++)
            add_snapshot(f, fs, item);
    add_bookmarks(f, fs, k.bookmarks);
    if (k.fault != NULL)
        zrpc_zfs_faults_read_of(&f->yaml, fs, k.fault, f->faulty.plan);
}

static void read_rules(struct zrpc_sim_file *f, yaml_node_t *node)
{
    struct zrpc_error err;
    yaml_node_t *value;
    const char *pattern;

    if (node == NULL || !zrpc_yaml_is_mapping(&f->yaml, "filesystems", node))
        return;
    for (size_t i = 0; zrpc_yaml_pair(&f->yaml, node, i, &pattern, &value); i++) {
        struct zrpc_endpoint_rule *grown = reallocarray(f->rules, i + 1, sizeof *grown);

        if (grown == NULL) {
            f->out_of_memory = true;
            return;
        }
        f->rules = grown;
        f->rules[i] = (struct zrpc_endpoint_rule){.pattern = pattern};
        f->n_rules = i + 1;
        zrpc_yaml_bool(&f->yaml, pattern, value, &f->rules[i].admit);
        note(f, value, pattern, zrpc_endpoint_pattern_check(pattern, &err), &err);
    }
}

/* An empty pool, and an empty plan of faults. */
static void make_pool(struct zrpc_sim_file *f, const yaml_node_t *root, const struct file_keys *k)
{
    const struct zrpc_zpool_options options = {.name = k->pool, .seed = k->seed};
    struct zrpc_error err;

    note(f, root, "pool", zrpc_zpool_create(NULL, &options, &f->pool, &err), &err);
    if (f->pool != NULL)
        note(f, root, "seed", zrpc_zfs_faults_new(k->seed, &f->faulty.plan, &err), &err);
}

/* In one transaction. */
static void read_filesystems(struct zrpc_sim_file *f, yaml_node_t *filesystems)
{
    struct zrpc_error err;
    yaml_node_t *value;
    const char *fs;
    int rc = zrpc_zpool_build_begin(f->pool, &err);

    note(f, filesystems, "filesystems", rc, &err);
    if (rc != 0)
        return;
    for (size_t i = 0; zrpc_yaml_pair(&f->yaml, filesystems, i, &fs, &value); i++)
        add_filesystem(f, fs, value);
    note(f, filesystems, "filesystems", zrpc_zpool_build_end(f->pool, &err), &err);
}

static void read_file(struct zrpc_sim_file *f)
{
    yaml_node_t *root = zrpc_yaml_root(&f->yaml);
    struct file_keys k = {0};
    struct serve_keys serve = {0};

    zrpc_yaml_mapping(&f->yaml, "the file", root, file_table, &k);
    if (k.serve != NULL)
        zrpc_yaml_mapping(&f->yaml, "serve", k.serve, serve_table, &serve);
    f->root = serve.root;
    read_rules(f, serve.filesystems);
    if (k.pool == NULL)
        return;
    make_pool(f, root, &k);
    if (f->faulty.plan != NULL && k.filesystems != NULL &&
        zrpc_yaml_is_mapping(&f->yaml, "filesystems", k.filesystems))
        read_filesystems(f, k.filesystems);
}

static int finish(struct zrpc_sim_file *f, int rc, struct zrpc_error *err)
{
    if (rc == 0) {
        read_file(f);
        rc = f->out_of_memory ? zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: out of memory", f->yaml.file)
                              : zrpc_yaml_result(&f->yaml, err);
    }
    if (rc != 0)
        zrpc_sim_file_dispose(f);
    return rc;
}

int zrpc_sim_file_parse(const char *name, struct zrpc_view text, struct zrpc_sim_file *out,
                        struct zrpc_error *err)
{
    *out = (struct zrpc_sim_file){0};
    return finish(out, zrpc_yaml_parse(&out->yaml, name, text, err), err);
}

int zrpc_sim_file_load(const char *name, struct zrpc_sim_file *out, struct zrpc_error *err)
{
    if (strcmp(name, "demo") == 0)
        return zrpc_sim_file_parse(name, zrpc_view_of(zrpc_sim_demo_pool), out, err);
    *out = (struct zrpc_sim_file){0};
    if (zrpc_zpool_is_file(name))
        return zrpc_zpool_open(name, &out->pool, err);
    return finish(out, zrpc_yaml_load(&out->yaml, name, err), err);
}

struct zrpc_zfs zrpc_sim_file_zfs(struct zrpc_sim_file *f)
{
    f->faulty.inner = zrpc_zpool_zfs(f->pool);
    return f->faulty.plan == NULL ? f->faulty.inner : zrpc_zfs_faulty(&f->faulty);
}

void zrpc_sim_file_dispose(struct zrpc_sim_file *f)
{
    zrpc_zfs_faults_free(f->faulty.plan);
    zrpc_zpool_close(f->pool);
    free(f->rules);
    zrpc_yaml_dispose(&f->yaml);
    *f = (struct zrpc_sim_file){0};
}
