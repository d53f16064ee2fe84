#include "sim/zfs/faults_internal.h"

/* What strikes an operation, and whether it may begin. */
static int enter(struct zrpc_zfs_faulty *f, enum zrpc_zfs_operation op, const char *fs, const char *snapshot,
                 atomic_bool *cancelled, struct zrpc_zfs_struck *struck, struct zrpc_error *err)
{
    int rc = zrpc_zfs_faults_strike(f->plan, op, fs, snapshot, struck, err);

    return rc != 0 ? rc : zrpc_zfs_struck_before(struck, cancelled, err);
}

/* For operations that change something: `call` between what strikes before and after it. */
#define CHANGE(op, fs, snapshot, call)                                          \
    struct zrpc_zfs_faulty *f = ctx;                                            \
    struct zrpc_zfs_struck struck;                                              \
    int rc = enter(f, ZRPC_ZFS_OP_##op, fs, snapshot, cancelled, &struck, err); \
                                                                                \
    if (rc == 0)                                                                \
        rc = zrpc_zfs_struck_commit(&struck, ZRPC_ZFS_BEFORE_COMMIT, err);      \
    if (rc == 0)                                                                \
        rc = f->inner.ops->call;                                                \
    return rc != 0 ? rc : zrpc_zfs_struck_commit(&struck, ZRPC_ZFS_AFTER_COMMIT, err)

/* For those that only tell something. */
#define TELL(op, fs, snapshot, call)                                            \
    struct zrpc_zfs_faulty *f = ctx;                                            \
    struct zrpc_zfs_struck struck;                                              \
    int rc = enter(f, ZRPC_ZFS_OP_##op, fs, snapshot, cancelled, &struck, err); \
                                                                                \
    return rc != 0 ? rc : f->inner.ops->call

static int list_filesystems(void *ctx, atomic_bool *cancelled, const char *root,
                            struct zrpc_zfs_filesystems *out, struct zrpc_error *err)
{
    TELL(FILESYSTEMS, root == NULL ? "" : root, NULL,
         list_filesystems(f->inner.ctx, cancelled, root, out, err));
}

static int get_filesystem(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_zfs_filesystem *out,
                          struct zrpc_error *err)
{
    TELL(GET, fs, NULL, get_filesystem(f->inner.ctx, cancelled, fs, out, err));
}

static int list_versions(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_zfs_versions *out,
                         struct zrpc_error *err)
{
    TELL(LIST, fs, NULL, list_versions(f->inner.ctx, cancelled, fs, out, err));
}

static const char *sent_snapshot(const struct zrpc_zfs_send *send)
{
    return send->resume_token == NULL && send->to != NULL && send->to[0] == '@' ? send->to + 1 : NULL;
}

static int estimate(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, int64_t *bytes,
                    struct zrpc_error *err)
{
    TELL(ESTIMATE, send->filesystem, sent_snapshot(send),
         estimate(f->inner.ctx, cancelled, send, bytes, err));
}

static int send(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, struct zrpc_source *out,
                struct zrpc_error *err)
{
    struct zrpc_zfs_faulty *f = ctx;
    struct zrpc_zfs_struck struck;
    int rc = enter(f, ZRPC_ZFS_OP_SEND, send->filesystem, sent_snapshot(send), cancelled, &struck, err);

    if (rc == 0)
        rc = f->inner.ops->send(f->inner.ctx, cancelled, send, out, err);
    if (rc != 0)
        return rc;
    rc = zrpc_zfs_struck_source(&struck, out, err);
    if (rc != 0)
        zrpc_source_close(out);
    return rc;
}

static int receive(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_receive *receive,
                   struct zrpc_sink *out, struct zrpc_error *err)
{
    struct zrpc_zfs_faulty *f = ctx;
    struct zrpc_zfs_struck struck;
    int rc = enter(f, ZRPC_ZFS_OP_RECEIVE, receive->filesystem, NULL, cancelled, &struck, err);

    if (rc == 0)
        rc = f->inner.ops->receive(f->inner.ctx, cancelled, receive, out, err);
    if (rc != 0)
        return rc;
    rc = zrpc_zfs_struck_sink(&struck, out, err);
    if (rc != 0)
        zrpc_sink_close(out);
    return rc;
}

static int destroy_snapshot(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot,
                            struct zrpc_error *err)
{
    CHANGE(DESTROY, fs, snapshot, destroy_snapshot(f->inner.ctx, cancelled, fs, snapshot, err));
}

static int bookmark(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot, const char *name,
                    struct zrpc_error *err)
{
    CHANGE(BOOKMARK, fs, snapshot, bookmark(f->inner.ctx, cancelled, fs, snapshot, name, err));
}

static int create_placeholder(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_error *err)
{
    CHANGE(CREATE, fs, NULL, create_placeholder(f->inner.ctx, cancelled, fs, err));
}

static int set_placeholder(void *ctx, atomic_bool *cancelled, const char *fs, bool placeholder,
                           struct zrpc_error *err)
{
    CHANGE(SET, fs, NULL, set_placeholder(f->inner.ctx, cancelled, fs, placeholder, err));
}

static int rollback(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot,
                    struct zrpc_error *err)
{
    CHANGE(ROLLBACK, fs, snapshot, rollback(f->inner.ctx, cancelled, fs, snapshot, err));
}

static int resume_token(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_buf *out,
                        struct zrpc_error *err)
{
    TELL(GET, fs, NULL, resume_token(f->inner.ctx, cancelled, fs, out, err));
}

static int abort_receive(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_error *err)
{
    CHANGE(ABORT, fs, NULL, abort_receive(f->inner.ctx, cancelled, fs, err));
}

/* What a token says depends on no filesystem. */
static int read_token(void *ctx, atomic_bool *cancelled, const char *token, struct zrpc_zfs_token *out,
                      struct zrpc_error *err)
{
    struct zrpc_zfs_faulty *f = ctx;

    return f->inner.ops->read_token(f->inner.ctx, cancelled, token, out, err);
}

#define OPS                                                                                               \
    .name = "faulty", .list_filesystems = list_filesystems, .get_filesystem = get_filesystem,             \
    .list_versions = list_versions, .estimate = estimate, .send = send, .receive = receive,               \
    .destroy_snapshot = destroy_snapshot, .bookmark = bookmark, .create_placeholder = create_placeholder, \
    .set_placeholder = set_placeholder, .rollback = rollback

static const struct zrpc_zfs_ops plain = {OPS};
static const struct zrpc_zfs_ops resumable = {
    OPS,
    .resume_token = resume_token,
    .abort_receive = abort_receive,
    .read_token = read_token,
};

struct zrpc_zfs zrpc_zfs_faulty(struct zrpc_zfs_faulty *f)
{
    return (struct zrpc_zfs){.ops = f->inner.ops->resume_token == NULL ? &plain : &resumable, .ctx = f};
}
