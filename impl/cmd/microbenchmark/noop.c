#include "noop.h"

static ssize_t noop_read(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    struct noop_source *s = ctx;
    size_t n = s->endless || len < s->left ? len : (size_t)s->left;

    (void)buf;
    (void)err;
    s->left -= s->endless ? 0 : n;
    return (ssize_t)n;
}

static ssize_t noop_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    (void)ctx;
    (void)buf;
    (void)err;
    return (ssize_t)len;
}

static int noop_finish(void *ctx, struct zrpc_error *err)
{
    (void)ctx;
    (void)err;
    return 0;
}

static void noop_close(void *ctx)
{
    (void)ctx;
}

static const struct zrpc_source_ops source_ops = {.read = noop_read, .close = noop_close};
static const struct zrpc_sink_ops sink_ops = {
    .write = noop_write, .finish = noop_finish, .close = noop_close};

void noop_source(struct noop_source *state, uint64_t bytes, struct zrpc_source *out)
{
    *state = (struct noop_source){.left = bytes, .endless = bytes == 0};
    *out = (struct zrpc_source){.ops = &source_ops, .ctx = state};
}

void noop_sink(struct zrpc_sink *out)
{
    *out = (struct zrpc_sink){.ops = &sink_ops};
}
