#include "conformance/transfer.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

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
    source = zrpc_run_offer(run, ZRPC_OFFER_SEND_FULL);
    keep = calloc(1, sizeof *keep);
    if (keep == NULL)
        zrpc_run_inconclusive(run, "out of memory");
    else
        zrpc_run_defer(run, dispose_buf, keep);
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
    zrpc_request_receive(t->peer, t->offer.filesystem);
    return zrpc_run_going(run);
}

static void hex_sha256(struct zrpc_view bytes, char out[65])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256(bytes.data, bytes.len, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

void zrpc_transfer_expect_received(struct zrpc_transfer *t)
{
    struct zrpc_stream_seen back;
    char sha256[65];

    zrpc_expect_response(t->peer, &zrpc__pb__receive_res__descriptor, t->patience);
    zrpc_peer_shutdown(t->peer);
    if (t->offer.to == NULL || !zrpc_run_going(t->run))
        return;
    zrpc_run_step(t->run, "ask for what was received");
    zrpc_transfer_send(t->run, &t->offer, t->patience, &back, NULL);
    hex_sha256(t->content, sha256);
    if (strcmp(back.sha256, sha256) != 0)
        zrpc_run_fail(t->run, "the bytes that were received",
                      "%llu bytes sent back that differ from the %zu received",
                      (unsigned long long)back.bytes, t->content.len);
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
