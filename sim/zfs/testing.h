/*
 * For the tests of this folder and of the endpoint: pools, and streams moved by hand.
 */
#ifndef SIM_ZFS_TESTING_H
#define SIM_ZFS_TESTING_H

#include <stdio.h>

#include "sim/zfs/zpool.h"
#include "testing/suite.h"

/* Reads the source to its end into *out, in pieces of at most `piece` bytes. Does not close it. */
static inline int drain(struct zrpc_source *source, struct zrpc_buf *out, size_t piece,
                        struct zrpc_error *err)
{
    static uint8_t chunk[65536];
    ssize_t n;

    while ((n = source->ops->read(source->ctx, chunk, piece, err)) > 0)
        CHECK_OK(zrpc_buf_append(out, zrpc_view(chunk, (size_t)n), err));
    return (int)n;
}

/* Writes all of the view, in pieces of at most `piece` bytes. Neither finishes nor closes. */
static inline int pour(struct zrpc_sink *sink, struct zrpc_view in, size_t piece, struct zrpc_error *err)
{
    while (in.len > 0) {
        ssize_t n = sink->ops->write(sink->ctx, in.data, in.len < piece ? in.len : piece, err);

        if (n < 0)
            return (int)n;
        zrpc_view_take(&in, (size_t)n);
    }
    return 0;
}

/* Moves a whole stream, finishes, and closes both. */
static inline int transfer(struct zrpc_source *source, struct zrpc_sink *sink, struct zrpc_error *err)
{
    static uint8_t chunk[65536];
    ssize_t n;
    int rc = 0;

    while (rc == 0 && (n = source->ops->read(source->ctx, chunk, sizeof chunk, err)) != 0)
        rc = n < 0 ? (int)n : pour(sink, zrpc_view(chunk, (size_t)n), sizeof chunk, err);
    if (rc == 0)
        rc = sink->ops->finish(sink->ctx, err);
    zrpc_source_close(source);
    zrpc_sink_close(sink);
    return rc;
}

struct fixture {
    struct zrpc_zpool *pool;
    struct zrpc_zfs zfs;
    struct zrpc_error err;
};

/* In memory. */
static inline int create_pool(const char *name, uint64_t seed, struct zrpc_zpool **out,
                              struct zrpc_error *err)
{
    const struct zrpc_zpool_options options = {.name = name, .seed = seed};

    return zrpc_zpool_create(NULL, &options, out, err);
}

static inline void snapshot(struct fixture *f, const char *fs, const char *name, uint64_t written)
{
    struct zrpc_zfs_version v = {0};

    snprintf(v.name, sizeof v.name, "%s", name);
    CHECK_OK(zrpc_zpool_add_snapshot(f->pool, fs, &v, written, &f->err));
}

/* tank/a with snapshots 1, 2, 3 and a bookmark of 1; tank/empty without. */
static inline void setup(struct fixture *f)
{
    *f = (struct fixture){0};
    CHECK_OK(create_pool("tank", 7, &f->pool, &f->err));
    f->zfs = zrpc_zpool_zfs(f->pool);
    CHECK_OK(zrpc_zpool_add_filesystem(f->pool, "tank/a", false, &f->err));
    CHECK_OK(zrpc_zpool_add_filesystem(f->pool, "tank/empty", false, &f->err));
    snapshot(f, "tank/a", "1", 100);
    snapshot(f, "tank/a", "2", 0);
    snapshot(f, "tank/a", "3", 3001);
    CHECK_OK(f->zfs.ops->bookmark(f->zfs.ctx, NULL, "tank/a", "1", "mark", &f->err));
}

static inline void teardown(struct fixture *f)
{
    zrpc_zpool_close(f->pool);
}

static inline int open_send(struct fixture *f, const char *fs, const char *from, const char *to,
                            struct zrpc_source *out)
{
    struct zrpc_zfs_send send = {.filesystem = fs, .from = from, .to = to};

    return f->zfs.ops->send(f->zfs.ctx, NULL, &send, out, &f->err);
}

static inline int open_receive(struct fixture *f, const char *fs, bool force, struct zrpc_sink *out)
{
    struct zrpc_zfs_receive receive = {.filesystem = fs, .force = force};

    return f->zfs.ops->receive(f->zfs.ctx, NULL, &receive, out, &f->err);
}

static inline int copy(struct fixture *f, const char *fs, const char *from, const char *to,
                       const char *target, bool force)
{
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};

    if (!CHECK_OK(open_send(f, fs, from, to, &source)))
        return f->err.code;
    if (!CHECK_OK(open_receive(f, target, force, &sink))) {
        zrpc_source_close(&source);
        return f->err.code;
    }
    return transfer(&source, &sink, &f->err);
}

static inline void stream_of(struct fixture *f, const char *fs, const char *from, const char *to,
                             struct zrpc_buf *out)
{
    struct zrpc_source source = {0};

    CHECK_OK(open_send(f, fs, from, to, &source));
    CHECK_OK(drain(&source, out, 4096, &f->err));
    zrpc_source_close(&source);
}

/* "@1 @2 #mark": the versions in their order. */
static inline const char *versions(struct fixture *f, const char *fs)
{
    static char text[512];
    struct zrpc_zfs_versions l = {0};
    size_t used = 0;

    text[0] = '\0';
    if (f->zfs.ops->list_versions(f->zfs.ctx, NULL, fs, &l, &f->err) != 0)
        return f->err.text;
    for (size_t i = 0; i < l.len; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%c%s", i == 0 ? "" : " ",
                                 l.items[i].type == ZRPC_ZFS_SNAPSHOT ? '@' : '#', l.items[i].name);
    zrpc_zfs_versions_dispose(&l);
    return text;
}

static inline uint64_t guid_of(struct fixture *f, const char *fs, const char *name)
{
    struct zrpc_zfs_versions l = {0};
    const struct zrpc_zfs_version *v;
    uint64_t guid;

    CHECK_OK(f->zfs.ops->list_versions(f->zfs.ctx, NULL, fs, &l, &f->err));
    v = zrpc_zfs_versions_find(&l, ZRPC_ZFS_SNAPSHOT, name);
    guid = v == NULL ? 0 : v->guid;
    zrpc_zfs_versions_dispose(&l);
    return guid;
}

static inline const char *filesystems(struct fixture *f, const char *root)
{
    static char text[1024];
    struct zrpc_zfs_filesystems l = {0};
    size_t used = 0;

    text[0] = '\0';
    CHECK_OK(f->zfs.ops->list_filesystems(f->zfs.ctx, NULL, root, &l, &f->err));
    for (size_t i = 0; i < l.len; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s", i == 0 ? "" : " ",
                                 l.items[i].path, l.items[i].placeholder ? "(p)" : "");
    zrpc_zfs_filesystems_dispose(&l);
    return text;
}

static inline int digest_of(struct fixture *f, const char *fs, const char *name, uint64_t digest[static 4])
{
    char full[2 * ZRPC_ZFS_NAME_MAX];

    snprintf(full, sizeof full, "%s@%s", fs, name);
    return zrpc_zpool_digest(f->pool, full, digest, &f->err);
}

static inline void check_same_content(struct fixture *f, const char *fs, const char *other, const char *name)
{
    uint64_t a[4] = {0}, b[4] = {1};

    CHECK_OK(digest_of(f, fs, name, a));
    CHECK_OK(digest_of(f, other, name, b));
    CHECK(memcmp(a, b, sizeof a) == 0);
}

#endif
