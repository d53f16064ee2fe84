/*
 * For the replication's tests: a pool that is a few lists, as a handler. It keeps zfs's rules, counts what
 * would break them, and fails on demand or by chance.
 */
#ifndef ZRPC_REPLICATE_MODEL_H
#define ZRPC_REPLICATE_MODEL_H

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "testing/suite.h"
#include "zrpc/endpoint.h"
#include "zrpc/pb.h"
#include "zrpc/replicate.h"

#define MODEL_FILESYSTEMS 4

struct model_fs {
    char path[64];
    bool placeholder, receiving;
    struct zrpc_zfs_versions v;
    uint64_t txg;
    uint64_t partial_to, partial_from, partial_bytes; /* partial_to 0: no partial receive */
};

struct model {
    pthread_mutex_t mutex;
    struct model_fs fs[MODEL_FILESYSTEMS];
    size_t n;
    bool resumable, ignores_tokens, refuses_tokens;
    uint64_t random;                         /* of the failures by chance */
    unsigned one_in;                         /* 0: none by chance */
    uint64_t break_at;                       /* a receive fails after so many bytes of its own; 0: does not */
    unsigned lost_answers;                   /* so many receives fail after they have succeeded */
    const char *send_error;                  /* sends are refused; NULL: they are not */
    unsigned sends, resumed, cleared, wrong; /* wrong: what may never happen */
};

/* What a stream begins with. */
struct model_header {
    uint64_t to, from, offset, length;
    char name[64];
};

struct model_source {
    struct model *m;
    struct model_header header;
    uint64_t at; /* of header and content */
};

struct model_sink {
    struct model *m;
    struct model_fs *fs;
    struct model_header header;
    uint64_t at;
    bool admitted, committed;
};

static inline void model_init(struct model *m)
{
    *m = (struct model){.resumable = true};
    CHECK_INT(pthread_mutex_init(&m->mutex, NULL), 0);
}

static inline void model_dispose(struct model *m)
{
    for (size_t i = 0; i < m->n; i++)
        zrpc_zfs_versions_dispose(&m->fs[i].v);
    pthread_mutex_destroy(&m->mutex);
}

static inline struct model_fs *model_find(struct model *m, const char *path)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->fs[i].path, path) == 0)
            return &m->fs[i];
    return NULL;
}

static inline struct model_fs *model_add(struct model *m, const char *path)
{
    struct model_fs *fs = model_find(m, path);

    if (fs == NULL && CHECK(m->n < MODEL_FILESYSTEMS)) {
        fs = &m->fs[m->n++];
        snprintf(fs->path, sizeof fs->path, "%s", path);
    }
    return fs;
}

static inline void model_version(struct model_fs *fs, enum zrpc_zfs_version_type type, const char *name,
                                 uint64_t guid, uint64_t txg)
{
    struct zrpc_zfs_version v = {.type = type, .guid = guid, .createtxg = txg, .creation = 1000};

    snprintf(v.name, sizeof v.name, "%s", name);
    CHECK_OK(zrpc_zfs_versions_push(&fs->v, &v, NULL));
}

static inline void model_snapshot(struct model_fs *fs, const char *name, uint64_t guid)
{
    model_version(fs, ZRPC_ZFS_SNAPSHOT, name, guid, ++fs->txg);
}

static inline const struct zrpc_zfs_version *model_newest(const struct model_fs *fs)
{
    for (size_t i = fs->v.len; i > 0; i--)
        if (fs->v.items[i - 1].type == ZRPC_ZFS_SNAPSHOT)
            return &fs->v.items[i - 1];
    return NULL;
}

/* With the model locked, like all that follows. */
static inline bool model_bad_luck(struct model *m)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return m->one_in > 0 && (m->random >> 33) % m->one_in == 0;
}

static inline uint64_t model_length(uint64_t guid)
{
    return 1 + guid * 7919 % 100000;
}

static inline uint8_t model_byte(uint64_t guid, uint64_t at)
{
    return (uint8_t)(guid * 31 + at + (at >> 8));
}

static inline int model_list(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ListFilesystemReq *req,
                             Zrpc__Pb__ListFilesystemRes *res, struct zrpc_error *err)
{
    struct model *m = ctx;
    int rc = 0;

    (void)call, (void)req;
    pthread_mutex_lock(&m->mutex);
    if (model_bad_luck(m))
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "bad luck in listing");
    res->filesystems = rc == 0 ? calloc(m->n + 1, sizeof(void *)) : NULL;
    for (size_t i = 0; rc == 0 && i < m->n; i++) {
        const struct model_fs *fs = &m->fs[i];
        Zrpc__Pb__Filesystem *out = malloc(sizeof *out);
        char token[80] = "";

        zrpc__pb__filesystem__init(out);
        res->filesystems[res->n_filesystems++] = out;
        out->isplaceholder = fs->placeholder;
        if (fs->partial_to != 0)
            snprintf(token, sizeof token, "1-%" PRIx64 "-%" PRIx64 "-%" PRIx64, fs->partial_to,
                     fs->partial_from, fs->partial_bytes);
        CHECK_OK(zrpc_pb_set_string(&out->path, fs->path, NULL));
        CHECK_OK(zrpc_pb_set_string(&out->resumetoken, token, NULL));
    }
    pthread_mutex_unlock(&m->mutex);
    return rc;
}

static inline int model_versions(void *ctx, struct zrpc_call *call,
                                 const Zrpc__Pb__ListFilesystemVersionsReq *req,
                                 Zrpc__Pb__ListFilesystemVersionsRes *res, struct zrpc_error *err)
{
    struct model *m = ctx;
    struct model_fs *fs;
    int rc = 0;

    (void)call;
    pthread_mutex_lock(&m->mutex);
    fs = model_find(m, req->filesystem);
    if (fs == NULL || model_bad_luck(m))
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "bad luck with versions");
    res->versions = rc == 0 ? calloc(fs->v.len + 1, sizeof(void *)) : NULL;
    for (size_t i = 0; rc == 0 && i < fs->v.len; i++) {
        Zrpc__Pb__FilesystemVersion *out = malloc(sizeof *out);

        zrpc__pb__filesystem_version__init(out);
        res->versions[res->n_versions++] = out;
        out->type = fs->v.items[i].type == ZRPC_ZFS_SNAPSHOT ? 0 : 1;
        out->guid = fs->v.items[i].guid;
        out->createtxg = fs->v.items[i].createtxg;
        CHECK_OK(zrpc_pb_set_string(&out->name, fs->v.items[i].name, NULL));
        CHECK_OK(zrpc_pb_set_string(&out->creation, "1970-01-01T00:00:00Z", NULL));
    }
    pthread_mutex_unlock(&m->mutex);
    return rc;
}

static inline int model_cursor(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReplicationCursorReq *req,
                               Zrpc__Pb__ReplicationCursorRes *res, struct zrpc_error *err)
{
    struct model *m = ctx;
    const struct zrpc_zfs_version *to;
    struct model_fs *fs;
    int rc = 0;

    (void)call;
    pthread_mutex_lock(&m->mutex);
    fs = model_find(m, req->filesystem);
    to = zrpc_zfs_versions_find(&fs->v, ZRPC_ZFS_SNAPSHOT, req->set->snapshot);
    if (to == NULL || model_bad_luck(m)) {
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "bad luck with the cursor");
    } else {
        struct zrpc_zfs_version at = *to;

        for (size_t i = 0; i < fs->v.len; i++)
            if (strcmp(fs->v.items[i].name, ZRPC_REPLICATION_CURSOR) == 0) {
                m->wrong += fs->v.items[i].createtxg > at.createtxg ? 1 : 0;
                memmove(&fs->v.items[i], &fs->v.items[i + 1], (--fs->v.len - i) * sizeof fs->v.items[0]);
            }
        model_version(fs, ZRPC_ZFS_BOOKMARK, ZRPC_REPLICATION_CURSOR, at.guid, at.createtxg);
        res->result_case = ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_GUID;
        res->guid = at.guid;
    }
    pthread_mutex_unlock(&m->mutex);
    return rc;
}

static inline ssize_t model_read(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    struct model_source *s = ctx;
    uint64_t end = sizeof s->header + s->header.length - s->header.offset;
    uint8_t *out = buf;
    bool unlucky;

    pthread_mutex_lock(&s->m->mutex);
    unlucky = model_bad_luck(s->m);
    pthread_mutex_unlock(&s->m->mutex);
    if (unlucky)
        return zrpc_fail(err, ZRPC_ERR_SOURCE, "bad luck in reading");
    len = len > 16384 ? 16384 : len;
    len = len > end - s->at ? (size_t)(end - s->at) : len;
    for (size_t i = 0; i < len; i++, s->at++)
        out[i] = s->at < sizeof s->header
                     ? ((const uint8_t *)&s->header)[s->at]
                     : model_byte(s->header.to, s->at - sizeof s->header + s->header.offset);
    return (ssize_t)len;
}

static inline void model_close_source(void *ctx)
{
    free(ctx);
}

static const struct zrpc_source_ops model_source_ops = {.read = model_read, .close = model_close_source};

static inline uint64_t model_guid(const struct model_fs *fs, const char *relative)
{
    const struct zrpc_zfs_version *v = zrpc_zfs_versions_find(
        &fs->v, relative[0] == '@' ? ZRPC_ZFS_SNAPSHOT : ZRPC_ZFS_BOOKMARK, relative + 1);

    return v == NULL ? 0 : v->guid;
}

static inline int model_send(void *ctx, struct zrpc_call *call, const Zrpc__Pb__SendReq *req,
                             Zrpc__Pb__SendRes *res, struct zrpc_source *source, struct zrpc_error *err)
{
    struct model *m = ctx;
    struct model_header h = {0};
    struct model_source *s;
    uint64_t to, from;
    struct model_fs *fs;
    int rc = 0;

    (void)call;
    pthread_mutex_lock(&m->mutex);
    fs = model_find(m, req->filesystem);
    h.to = fs == NULL ? 0 : model_guid(fs, req->to);
    h.from = fs == NULL || req->from[0] == '\0' ? 0 : model_guid(fs, req->from);
    h.length = model_length(h.to);
    snprintf(h.name, sizeof h.name, "%s", req->to + 1);
    if (h.to == 0 || (req->from[0] != '\0' && h.from == 0) || model_bad_luck(m))
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "bad luck in sending");
    if (rc == 0 && m->send_error != NULL && !req->dryrun)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "%s", m->send_error);
    if (rc == 0 && req->resumetoken[0] != '\0' && !m->ignores_tokens) {
        if (m->refuses_tokens ||
            sscanf(req->resumetoken, "1-%" SCNx64 "-%" SCNx64 "-%" SCNx64, &to, &from, &h.offset) != 3 ||
            to != h.to || from != h.from || h.offset > h.length)
            rc = zrpc_fail(err, ZRPC_ERR_ZFS, "resume token does not match");
        res->usedresumetoken = rc == 0;
    }
    res->expectedsize = (int64_t)(sizeof h + h.length - h.offset);
    if (rc == 0 && !req->dryrun) {
        s = malloc(sizeof *s);
        *s = (struct model_source){.m = m, .header = h};
        *source = (struct zrpc_source){.ops = &model_source_ops, .ctx = s};
        m->sends++;
        m->resumed += res->usedresumetoken ? 1 : 0;
    }
    pthread_mutex_unlock(&m->mutex);
    return rc;
}

/* What zfs checks of a stream before it takes it. */
static inline int model_admit(struct model_sink *s, struct zrpc_error *err)
{
    const struct zrpc_zfs_version *newest = model_newest(s->fs);
    const struct model_header *h = &s->header;

    if (s->fs->partial_to != 0 && (h->to != s->fs->partial_to || h->from != s->fs->partial_from ||
                                   h->offset != s->fs->partial_bytes || h->offset == 0))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "destination contains partially-complete state");
    if (s->fs->partial_to == 0 && h->offset != 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "nothing to resume");
    if (newest == NULL ? h->from != 0 : h->from != newest->guid)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "most recent snapshot does not match incremental source");
    s->admitted = true;
    return 0;
}

static inline int model_take(struct model_sink *s, uint8_t byte, struct zrpc_error *err)
{
    uint64_t at;

    if (s->at < sizeof s->header) {
        ((uint8_t *)&s->header)[s->at++] = byte;
        return s->at == sizeof s->header ? model_admit(s, err) : 0;
    }
    at = s->header.offset + s->at++ - sizeof s->header;
    if (at < s->header.length && byte == model_byte(s->header.to, at))
        return 0;
    s->m->wrong++;
    return zrpc_fail(err, ZRPC_ERR_ZFS, "invalid stream");
}

static inline ssize_t model_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    struct model_sink *s = ctx;
    const uint8_t *in = buf;
    int rc = 0;

    pthread_mutex_lock(&s->m->mutex);
    if (model_bad_luck(s->m))
        rc = zrpc_fail(err, ZRPC_ERR_SINK, "bad luck in writing");
    for (size_t i = 0; rc == 0 && i < len; i++) {
        if (s->m->break_at > 0 && s->at >= s->m->break_at)
            rc = zrpc_fail(err, ZRPC_ERR_SINK, "no more than %" PRIu64 " bytes", s->m->break_at);
        else
            rc = model_take(s, in[i], err);
    }
    pthread_mutex_unlock(&s->m->mutex);
    return rc != 0 ? rc : (ssize_t)len;
}

static inline uint64_t model_received(const struct model_sink *s)
{
    return s->at < sizeof s->header ? 0 : s->header.offset + s->at - sizeof s->header;
}

static inline int model_finish(void *ctx, struct zrpc_error *err)
{
    struct model_sink *s = ctx;
    int rc = 0;

    pthread_mutex_lock(&s->m->mutex);
    if (s->at < sizeof s->header || model_received(s) != s->header.length) {
        s->m->wrong++; /* a broken stream was taken for complete */
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "incomplete stream");
    } else if (model_bad_luck(s->m)) {
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "bad luck before the end");
    } else {
        s->committed = true;
        s->fs->partial_to = 0;
        s->fs->placeholder = false;
        model_snapshot(s->fs, s->header.name, s->header.to);
        if (s->m->lost_answers > 0 || model_bad_luck(s->m)) {
            s->m->lost_answers -= s->m->lost_answers > 0 ? 1 : 0;
            rc = zrpc_fail(err, ZRPC_ERR_ZFS, "bad luck after the end");
        }
    }
    pthread_mutex_unlock(&s->m->mutex);
    return rc;
}

static inline void model_close_sink(void *ctx)
{
    struct model_sink *s = ctx;

    pthread_mutex_lock(&s->m->mutex);
    s->fs->receiving = false;
    if (s->admitted && !s->committed && s->m->resumable && model_received(s) > 0) {
        s->fs->partial_to = s->header.to;
        s->fs->partial_from = s->header.from;
        s->fs->partial_bytes = model_received(s);
    }
    pthread_mutex_unlock(&s->m->mutex);
    free(s);
}

static const struct zrpc_sink_ops model_sink_ops = {
    .write = model_write, .finish = model_finish, .close = model_close_sink};

static inline int model_receive(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReceiveReq *req,
                                struct zrpc_sink *sink, struct zrpc_error *err)
{
    struct model *m = ctx;
    struct model_sink *s;
    struct model_fs *fs;
    int rc = 0;

    (void)call;
    pthread_mutex_lock(&m->mutex);
    fs = model_add(m, req->filesystem);
    if (fs->receiving || model_bad_luck(m))
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "bad luck in receiving");
    if (rc == 0) {
        m->cleared += req->clearresumetoken && fs->partial_to != 0 ? 1 : 0;
        if (req->clearresumetoken)
            fs->partial_to = 0;
        fs->receiving = true;
        s = malloc(sizeof *s);
        *s = (struct model_sink){.m = m, .fs = fs};
        *sink = (struct zrpc_sink){.ops = &model_sink_ops, .ctx = s};
    }
    pthread_mutex_unlock(&m->mutex);
    return rc;
}

static const struct zrpc_handler_ops model_ops = {
    .list_filesystems = model_list,
    .list_filesystem_versions = model_versions,
    .replication_cursor = model_cursor,
    .send = model_send,
    .receive = model_receive,
};

#endif
