#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "replicate/internal.h"

#define PIECE (256u * 1024)

static int wait_for(struct pollfd fd, const struct zrpc_replicate_call *call, struct zrpc_error *err)
{
    if (zrpc_cancelled(call->cancel))
        return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled within a stream");
    return fd.fd < 0 ? 0 : zrpc_await(fd, ZRPC_NEVER, call->cancel, err);
}

/* The code says which end it was, the text what zfs said. */
static int failed(int code, struct zrpc_error *err)
{
    if (err != NULL)
        err->code = code;
    return code;
}

static int pour(struct zrpc_sink *sink, struct zrpc_view piece, const struct zrpc_replicate_call *call,
                struct zrpc_error *err)
{
    int rc = 0;

    while (rc == 0 && piece.len > 0) {
        ssize_t n = sink->ops->write(sink->ctx, piece.data, piece.len, err);

        if (n == ZRPC_ERR_AGAIN)
            rc = wait_for(zrpc_sink_wait(sink), call, err);
        else if (n < 0)
            rc = failed(ZRPC_ERR_SINK, err);
        else
            zrpc_view_take(&piece, (size_t)n);
    }
    return rc;
}

static int copy(struct zrpc_source *source, struct zrpc_sink *sink, uint8_t *buffer,
                const struct zrpc_replicate_call *call, struct zrpc_error *err)
{
    uint64_t bytes = 0;
    int rc = 0;

    while (rc == 0) {
        ssize_t n = source->ops->read(source->ctx, buffer, PIECE, err);

        if (n == 0)
            return 0;
        if (n == ZRPC_ERR_AGAIN) {
            rc = wait_for(zrpc_source_wait(source), call, err);
            continue;
        }
        if (n < 0)
            return failed(ZRPC_ERR_SOURCE, err);
        rc = pour(sink, zrpc_view(buffer, (size_t)n), call, err);
        bytes += (uint64_t)n;
        if (rc == 0 && call->progress != NULL)
            call->progress(call->progress_ctx, bytes);
        if (rc == 0 && zrpc_cancelled(call->cancel))
            rc = zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled within a stream");
    }
    return rc;
}

int zrpc_stream_copy(struct zrpc_source *source, struct zrpc_sink *sink,
                     const struct zrpc_replicate_call *call, struct zrpc_error *err)
{
    uint8_t *buffer = malloc(PIECE);
    int rc;

    if (buffer == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory to copy a stream");
    rc = copy(source, sink, buffer, call, err);
    free(buffer);
    if (rc == 0 && source->ops->finish != NULL && source->ops->finish(source->ctx, err) < 0)
        rc = failed(ZRPC_ERR_SOURCE, err);
    if (rc == 0 && sink->ops->finish(sink->ctx, err) < 0)
        rc = failed(err != NULL && err->code == ZRPC_ERR_CANCELLED ? ZRPC_ERR_CANCELLED : ZRPC_ERR_SINK, err);
    return rc;
}
