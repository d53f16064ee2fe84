#include <openssl/evp.h>
#include <stdio.h>

#include "conformance/exchange.h"

struct stream_reader {
    struct zrpc_peer *p;
    uint32_t type;
    EVP_MD_CTX *hash;
    struct zrpc_stream_seen *out;
    struct zrpc_buf *keep;
    struct zrpc_buf error;
    bool in_error;
};

static void take_content(struct stream_reader *r, const struct zrpc_seen *seen)
{
    r->out->frames++;
    r->out->bytes += seen->payload.len;
    r->out->one_byte_frame = r->out->one_byte_frame || seen->payload.len == 1;
    if (!EVP_DigestUpdate(r->hash, seen->payload.data, seen->payload.len))
        zrpc_run_inconclusive(r->p->run, "SHA-256 failed");
    if (r->keep != NULL && zrpc_buf_append(r->keep, seen->payload, NULL) < 0)
        zrpc_run_inconclusive(r->p->run, "out of memory for a stream");
}

static void take_error(struct stream_reader *r, const struct zrpc_seen *seen)
{
    r->in_error = true;
    if (zrpc_buf_append(&r->error, seen->payload, NULL) < 0)
        zrpc_run_inconclusive(r->p->run, "out of memory for an error text");
}

static void take_end(struct stream_reader *r)
{
    struct zrpc_view error = zrpc_buf_view(&r->error);
    struct zrpc_view shown = zrpc_utf8_prefix(error, sizeof r->out->error - 1);

    r->out->end = r->in_error ? ZRPC_SAW_SOURCE_ERROR : ZRPC_SAW_COMPLETE;
    if (!r->in_error)
        return;
    snprintf(r->out->error, sizeof r->out->error, "%.*s", (int)shown.len, (const char *)shown.data);
    if (error.len == 0)
        zrpc_run_violation(r->p->run, "ZR-STREAM-004", "an error text that is not empty",
                           "an empty error trailer");
    else if (!zrpc_utf8_valid(error))
        zrpc_run_violation(r->p->run, "ZR-STREAM-005", "an error text in UTF-8",
                           "%zu bytes that are not UTF-8", error.len);
}

/* True while the stream goes on. */
static bool take_frame(struct stream_reader *r, const struct zrpc_seen *seen)
{
    if (seen->frame.type == r->type && !r->in_error) {
        take_content(r, seen);
        return true;
    }
    if (seen->frame.type == ZRPC_FRAME_STREAM_TRAILER) {
        take_error(r, seen);
        return true;
    }
    if (seen->frame.type == ZRPC_FRAME_STREAM_END)
        take_end(r);
    else if (seen->frame.type == r->type)
        zrpc_run_violation(r->p->run, "ZR-STREAM-003", "error trailers or the end of the stream",
                           "a frame of type %u after an error trailer", r->type);
    return false;
}

static void finish_hash(struct stream_reader *r)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (!EVP_DigestFinal_ex(r->hash, digest, &len))
        len = 0;
    for (unsigned i = 0; i < len && i < 32; i++)
        snprintf(r->out->sha256 + 2 * i, 3, "%02x", digest[i]);
}

void zrpc_see_stream(struct zrpc_peer *p, uint32_t type, zrpc_time patience, struct zrpc_stream_seen *out,
                     struct zrpc_buf *keep)
{
    struct stream_reader r = {.p = p, .type = type, .hash = EVP_MD_CTX_new(), .out = out, .keep = keep};
    struct zrpc_seen seen;

    *out = (struct zrpc_stream_seen){.end = ZRPC_SAW_INCOMPLETE};
    if (r.hash == NULL || !EVP_DigestInit_ex(r.hash, EVP_sha256(), NULL)) {
        zrpc_run_inconclusive(p->run, "out of memory for SHA-256");
        EVP_MD_CTX_free(r.hash);
        return;
    }
    while (zrpc_peer_see_other(p, zrpc_now() + patience, &seen) == ZRPC_SEEN_FRAME && take_frame(&r, &seen))
        ;
    finish_hash(&r);
    out->last = seen;
    out->last.payload = zrpc_view(NULL, 0);
    EVP_MD_CTX_free(r.hash);
    zrpc_buf_dispose(&r.error);
}

void zrpc_expect_stream(struct zrpc_peer *p, uint32_t type, zrpc_time patience, struct zrpc_stream_seen *out,
                        struct zrpc_buf *keep)
{
    static const char expected[] = "a complete stream: frames of its type and an end of stream frame";
    struct zrpc_buf got = {0};

    zrpc_see_stream(p, type, patience, out, keep);
    if (out->end == ZRPC_SAW_SOURCE_ERROR) {
        zrpc_run_fail(p->run, expected, "a source error after %llu bytes: %s", (unsigned long long)out->bytes,
                      out->error);
    } else if (out->end == ZRPC_SAW_INCOMPLETE && out->last.kind != ZRPC_SEEN_NOTHING) {
        zrpc_seen_add(&got, &out->last);
        zrpc_run_fail(p->run, expected, "%s after %llu bytes of content", zrpc_text_str(&got),
                      (unsigned long long)out->bytes);
    } else if (out->end == ZRPC_SAW_COMPLETE && out->one_byte_frame && out->bytes != 1) {
        zrpc_run_violation(p->run, "ZR-FRAME-008", "no payload of exactly one byte in a longer stream",
                           "a frame with a payload of one byte in a stream of %llu",
                           (unsigned long long)out->bytes);
    }
    zrpc_buf_dispose(&got);
}
