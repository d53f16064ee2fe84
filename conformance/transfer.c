#include "conformance/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/file.h"
#include "sim/zfs/sendstream.h"

#define CONTENT_MAX (64u << 20) /* bytes of a stream in a file */

void zrpc_transfer_send(struct zrpc_run *run, const struct zrpc_offer *offer, zrpc_time patience,
                        struct zrpc_stream_seen *out, struct zrpc_buf *keep)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_send(p, offer, false);
    zrpc_expect_response(p, &zrpc__pb__send_res__descriptor, patience);
    zrpc_expect_stream(p, ZRPC_STREAM_TYPE, zrpc_run_timing(run)->prompt, out, keep);
    zrpc_peer_shutdown(p);
}

static void dispose_buf(void *buf)
{
    zrpc_buf_dispose(buf);
    free(buf);
}

static bool content_of_file(struct zrpc_run *run, const char *path, struct zrpc_buf *keep,
                            struct zrpc_view *out)
{
    struct zrpc_error err;

    if (zrpc_file_load(path, CONTENT_MAX, keep, &err) < 0)
        zrpc_run_inconclusive(run, "%s", err.text);
    *out = zrpc_buf_view(keep);
    return zrpc_run_going(run);
}

bool zrpc_transfer_content(struct zrpc_run *run, const struct zrpc_offer *offer, size_t size,
                           struct zrpc_view *out)
{
    const struct zrpc_offer *source;
    struct zrpc_stream_seen seen;
    struct zrpc_buf *keep;

    if (offer->content == ZRPC_CONTENT_BYTES) {
        *out = zrpc_run_bytes(run, size);
        return zrpc_run_going(run);
    }
    keep = calloc(1, sizeof *keep);
    if (keep == NULL)
        zrpc_run_inconclusive(run, "out of memory");
    else
        zrpc_run_defer(run, dispose_buf, keep);
    if (offer->content == ZRPC_CONTENT_FILE)
        return keep != NULL && content_of_file(run, offer->file, keep, out);
    source = zrpc_run_offer(run, ZRPC_OFFER_SEND_FULL);
    if (source == NULL || !zrpc_run_going(run))
        return false;
    zrpc_run_step(run, "get a stream that the target will take: its own send.full");
    zrpc_transfer_send(run, source, zrpc_run_timing(run)->prompt, &seen, keep);
    *out = zrpc_buf_view(keep);
    return zrpc_run_going(run);
}

/* The offer's filesystem with its % replaced. */
static char *fresh_name(struct zrpc_run *run, const char *pattern)
{
    const char *percent = strchr(pattern, '%'), *unique = zrpc_run_unique(run, "case");
    size_t size = strlen(pattern) + strlen(unique) + 1;
    char *name = zrpc_run_alloc(run, size);

    if (name == NULL)
        return NULL;
    if (percent == NULL)
        snprintf(name, size, "%s", pattern);
    else
        snprintf(name, size, "%.*s%s%s", (int)(percent - pattern), pattern, unique, percent + 1);
    return name;
}

bool zrpc_transfer_begin(struct zrpc_run *run, enum zrpc_offer_id id, size_t size, struct zrpc_transfer *t)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, id);

    *t = (struct zrpc_transfer){.run = run, .peer = run->spare, .patience = zrpc_run_timing(run)->prompt};
    if (offer == NULL || !zrpc_transfer_content(run, offer, size, &t->content))
        return false;
    t->offer = *offer;
    t->offer.filesystem = fresh_name(run, offer->filesystem);
    if (t->offer.filesystem == NULL)
        return false;
    t->peer = zrpc_peer_data(run);
    zrpc_request_receive(t->peer, t->offer.filesystem, false);
    return zrpc_run_going(run);
}

/* A simulated send stream, whole; else false. */
static bool read_stream(struct zrpc_view bytes, struct zrpc_sendstream_reader *r)
{
    int rc;

    while ((rc = zrpc_sendstream_reader_feed(r, &bytes, NULL)) == ZRPC_SENDSTREAM_BEGUN)
        ;
    return rc == 0 && zrpc_sendstream_reader_finish(r, NULL) == 0;
}

/* A stream names its filesystem, so that of a snapshot that was received is another one: the same snapshot
 * and content is what counts. Of what this cannot read, it knows no more than the length. */
static bool same_stream(struct zrpc_view a, struct zrpc_view b)
{
    struct zrpc_sendstream_reader x = {0}, y = {0};
    bool both = read_stream(a, &x) && read_stream(b, &y);
    size_t n = x.stream.extents.len;
    bool same = a.len == b.len;

    if (both)
        same = same && n == y.stream.extents.len && x.stream.begin.to_guid == y.stream.begin.to_guid &&
               x.stream.begin.from_guid == y.stream.begin.from_guid &&
               x.stream.begin.creation == y.stream.begin.creation;
    for (size_t i = 0; same && both && i < n; i++)
        same = x.stream.extents.items[i].seed == y.stream.extents.items[i].seed &&
               x.stream.extents.items[i].length == y.stream.extents.items[i].length;
    zrpc_sendstream_reader_dispose(&x);
    zrpc_sendstream_reader_dispose(&y);
    return same;
}

static bool same_content(const struct zrpc_transfer *t, struct zrpc_view back)
{
    if (t->offer.content != ZRPC_CONTENT_BYTES)
        return same_stream(t->content, back);
    return back.len == t->content.len && memcmp(back.data, t->content.data, back.len) == 0;
}

void zrpc_transfer_expect_received(struct zrpc_transfer *t)
{
    struct zrpc_stream_seen seen;
    struct zrpc_buf back = {0};

    zrpc_expect_response(t->peer, &zrpc__pb__receive_res__descriptor, t->patience);
    zrpc_peer_shutdown(t->peer);
    if (t->offer.to == NULL || !zrpc_run_going(t->run))
        return;
    zrpc_run_step(t->run, "ask for what was received");
    zrpc_transfer_send(t->run, &t->offer, t->patience, &seen, &back);
    if (zrpc_run_going(t->run) && !same_content(t, zrpc_buf_view(&back)))
        zrpc_run_fail(t->run, "the content that was received",
                      "%zu bytes sent back that differ from the %zu received", back.len, t->content.len);
    zrpc_buf_dispose(&back);
}

void zrpc_transfer_expect_failed(struct zrpc_transfer *t)
{
    struct zrpc_peer *p;

    zrpc_expect(t->peer, ZRPC_OUT_REFUSAL | ZRPC_OUT_CLOSED, t->patience);
    if (t->offer.to == NULL || !zrpc_run_going(t->run))
        return;
    zrpc_run_step(t->run, "ask for what should not have remained");
    p = zrpc_peer_data(t->run);
    zrpc_request_send(p, &t->offer, true);
    zrpc_expect(p, ZRPC_OUT_REFUSAL, zrpc_run_timing(t->run)->prompt);
}
