#include "zpool_receive.h"

#include <stdio.h>
#include <stdlib.h>

/* How much is lost at most when the process is killed. */
#define KEEP_BYTES (UINT64_C(16) << 20)
#define KEEP_TIME  ZRPC_SECOND

/* Keeps what has come, if that is more than what is kept. `wait`: also while another process writes. */
static int keep(struct zpool_receiving *r, bool wait, struct zrpc_error *err)
{
    struct zrpc_sendstream_point point;
    int rc;

    if (!r->resumable || !r->accepted)
        return 0;
    point = zrpc_sendstream_reader_point(&r->reader);
    if (point.bytes == 0 || point.bytes == r->kept.bytes)
        return 0;
    rc = wait ? zpool_begin(r->pool, true, err) : zpool_try_begin(r->pool, err);
    if (rc != 0)
        return rc;
    rc = zpool_end(r->pool, zpool_receive_keep(r, &point, err), err);
    if (rc == 0) {
        struct zrpc_sendstream stream = r->reader.stream;

        stream.point = point;
        r->kept = point;
        r->n_kept = zpool_partial_extents(&stream);
    }
    return rc;
}

/* In the midst of a stream, failing to keep is no failure: there will be another time. */
static void keep_now_and_then(struct zpool_receiving *r)
{
    zrpc_time now;

    if (!r->resumable)
        return;
    now = zrpc_now();
    if (r->taken - r->kept_taken < KEEP_BYTES && now - r->kept_at < KEEP_TIME)
        return;
    if (keep(r, false, NULL) == 0) {
        r->kept_taken = r->taken;
        r->kept_at = now;
    }
}

/* libzfs's words for a stream that is broken: with the token, where there is something to go on from. */
static int broken(struct zpool_receiving *r, int rc, struct zrpc_error *err)
{
    const char *what = zpool_receive_what(r);
    struct zrpc_buf token = {0};

    if (r->reader.fault != ZRPC_SENDSTREAM_MISMATCH && r->reader.fault != ZRPC_SENDSTREAM_INCOMPLETE)
        return zrpc_error_prefix(err, rc, "%s", r->accepted ? what : "cannot receive");
    if (r->resumable && keep(r, true, NULL) == 0 &&
        zpool_resume_token(r->pool, NULL, r->fs, &token, NULL) == 1)
        rc = zrpc_fail(err, rc,
                       "%s: checksum mismatch or incomplete stream.\n"
                       "Partially received snapshot is saved.\n"
                       "A resuming stream can be generated on the sending system by running:\n"
                       "    zfs send -t %s",
                       what, (const char *)zrpc_buf_view(&token).data);
    else
        rc = zrpc_error_prefix(err, rc, "%s", what);
    zrpc_buf_dispose(&token);
    return rc;
}

/* Content that has come, bytes. */
static uint64_t content(const struct zpool_receiving *r)
{
    const struct zrpc_sim_extents *l = &r->reader.stream.extents;

    return l->len == 0 ? 0 : l->length - l->items[l->len - 1].length + r->reader.offset;
}

static int feed(struct zpool_receiving *r, struct zrpc_view in, struct zrpc_error *err)
{
    int rc;

    while ((rc = zrpc_sendstream_reader_feed(&r->reader, &in, err)) == ZRPC_SENDSTREAM_BEGUN) {
        rc = zpool_receive_accept(r, err);
        if (rc != 0)
            return rc;
    }
    if (rc < 0)
        return broken(r, rc, err);
    return r->accepted && content(r) > r->room ? zpool_receive_full(r, err) : 0;
}

static ssize_t receiving_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    struct zpool_receiving *r = ctx;
    int rc;

    if (r->over)
        return zrpc_fail(err, ZRPC_ERR_SINK, "cannot receive: the receive is over");
    rc = feed(r, zrpc_view(buf, len), err);
    if (rc != 0) {
        r->over = true;
        keep(r, true, NULL);
        return rc;
    }
    r->taken += len;
    keep_now_and_then(r);
    return (ssize_t)len;
}

static int receiving_finish(void *ctx, struct zrpc_error *err)
{
    struct zpool_receiving *r = ctx;
    int rc;

    if (r->over)
        return zrpc_fail(err, ZRPC_ERR_SINK, "cannot receive: the receive is over");
    r->over = true;
    rc = zrpc_sendstream_reader_finish(&r->reader, err);
    if (rc != 0)
        return broken(r, rc, err);
    /* A stream may end right behind its begin. */
    rc = r->accepted ? 0 : zpool_receive_accept(r, err);
    if (rc == 0)
        rc = zpool_begin(r->pool, true, err);
    if (rc == 0)
        rc = zpool_end(r->pool, zpool_receive_commit(r, err), err);
    if (rc == 0)
        r->resumable = false; /* nothing is left to be kept */
    return rc;
}

static void receiving_free(struct zpool_receiving *r)
{
    for (size_t i = 0; i < r->n_settings; i++) {
        free((char *)r->settings[i].name);
        free((char *)r->settings[i].value);
    }
    free(r->settings);
    zrpc_sendstream_reader_dispose(&r->reader);
    free(r);
}

static void receiving_close(void *ctx)
{
    struct zpool_receiving *r = ctx;

    keep(r, true, NULL);
    zpool_unclaim(r->pool, &r->claim);
    receiving_free(r);
}

static const struct zrpc_sink_ops receiving_ops = {
    .write = receiving_write,
    .finish = receiving_finish,
    .close = receiving_close,
};

static int copy_settings(struct zpool_receiving *r, const struct zrpc_zpool_receive *receive)
{
    size_t n = receive->n_settings;

    r->settings = n == 0 ? NULL : calloc(n, sizeof *r->settings);
    if (n > 0 && r->settings == NULL)
        return -1;
    r->n_settings = n;
    for (size_t i = 0; i < n; i++) {
        r->settings[i].name = strdup(receive->settings[i].name);
        r->settings[i].value = strdup(receive->settings[i].value);
        if (r->settings[i].name == NULL || r->settings[i].value == NULL)
            return -1;
    }
    return 0;
}

static int claim(struct zpool_receiving *r, struct zrpc_error *err)
{
    int rc = zpool_claimed(r->pool, r->fs, 0, err);

    if (rc == 1)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot receive: destination '%s': dataset is busy", r->fs);
    return rc != 0 ? rc : zpool_claim(r->pool, &r->claim, r->fs, 0, err);
}

int zrpc_zpool_receive(struct zrpc_zpool *p, const struct zrpc_zpool_receive *receive, struct zrpc_sink *out,
                       struct zrpc_error *err)
{
    struct zpool_receiving *r = calloc(1, sizeof *r);
    char delimiter;
    int rc;

    if (r == NULL || copy_settings(r, receive) != 0) {
        if (r != NULL)
            receiving_free(r);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a receive");
    }
    r->pool = p;
    r->force = receive->force;
    r->resumable = receive->resumable;
    r->kept_at = zrpc_now();
    rc = zpool_split("cannot receive", receive->target, r->fs, &delimiter, r->snapshot, err);
    if (rc == 0 && delimiter == '#')
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot receive '%s': it is a bookmark's name", receive->target);
    if (rc == 0)
        rc = zpool_begin(p, true, err);
    if (rc == 0)
        rc = zpool_end(p, claim(r, err), err);
    if (rc != 0) {
        zpool_unclaim(p, &r->claim);
        receiving_free(r);
        return rc;
    }
    *out = (struct zrpc_sink){.ops = &receiving_ops, .ctx = r};
    return 0;
}
