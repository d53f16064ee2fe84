#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "dataconn/pump_io.h"

enum { IN_MAX = 64 * 1024 }; /* small enough to stay in the cache between wire and sink */

void zrpc_pump_set_sink(struct zrpc_pump *p, struct zrpc_sink *sink)
{
    p->sink = *sink;
    *sink = (struct zrpc_sink){0};
    p->sink_fd = p->sink.ops->fd == NULL ? -1 : p->sink.ops->fd(p->sink.ctx);
    p->splice_in = (p->wire->ops->caps & ZRPC_WIRE_SPLICE) != 0 && zrpc_pump_is_pipe(p->sink_fd);
    p->ready[ZRPC_GATE_SINK] = true;
}

static int deliver(struct zrpc_pump *p, struct zrpc_error *err)
{
    ssize_t n = p->sink.ops->write(p->sink.ctx, p->content.data, p->content.len, err);

    if (n == ZRPC_ERR_AGAIN) {
        p->ready[ZRPC_GATE_SINK] = false;
        return 0;
    }
    if (n < 0) {
        err->code = ZRPC_ERR_SINK;
        p->content = (struct zrpc_view){0};
        return ZRPC_ERR_SINK;
    }
    zrpc_view_take(&p->content, (size_t)n);
    zrpc_pump_count(p, (size_t)n);
    return 0;
}

bool zrpc_pump_can_splice_in(const struct zrpc_pump *p)
{
    return p->splice_in && p->in.len == 0 && p->content.len == 0 && p->x->expect == ZRPC_EXPECT_STREAM &&
           p->x->hc.conn.state == ZRPC_CONN_OPEN &&
           zrpc_stream_reader_in_content(&p->x->reader.stream, &p->x->hc.conn.reader);
}

static int splice_in(struct zrpc_pump *p, struct zrpc_error *err)
{
    struct zrpc_heartbeatconn *hc = &p->x->hc;
    ssize_t n = splice(zrpc_wire_wait(p->wire, ZRPC_READ).fd, NULL, p->sink_fd, NULL, hc->conn.reader.left,
                       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    if (n > 0) {
        zrpc_heartbeatconn_moved(hc, zrpc_now(), (uint32_t)n);
        zrpc_stream_reader_moved(&p->x->reader.stream, (uint32_t)n);
        zrpc_pump_count(p, (size_t)n);
        return 0;
    }
    if (n < 0 && errno == EAGAIN) {
        p->ready[ZRPC_GATE_READ] = p->ready[ZRPC_GATE_SINK] = false;
        return 0;
    }
    if (n == 0) {
        p->at_eof = true;
        return zrpc_heartbeatconn_eof(hc, err);
    }
    p->splice_in = false; /* the plain calls tell the wire's failure from the sink's */
    return 0;
}

/* Where payload is going to be spliced, no byte of it may be read with the header before it. */
static size_t read_size(const struct zrpc_pump *p)
{
    const struct zrpc_frame_reader *reader = &p->x->hc.conn.reader;

    if (p->splice_in && p->x->expect == ZRPC_EXPECT_STREAM && !reader->in_payload)
        return ZRPC_FRAME_HEADER_LEN - reader->have;
    return IN_MAX;
}

static int on_eof(struct zrpc_pump *p, struct zrpc_error *err)
{
    p->at_eof = true;
    /* A peer that has said all that is expected of it may close its direction and still wait for the answer.
     */
    if (p->x->hc.conn.state != ZRPC_CONN_OPEN || p->x->expect == ZRPC_EXPECT_NOTHING)
        return 0;
    return zrpc_heartbeatconn_eof(&p->x->hc, err);
}

static int fill(struct zrpc_pump *p, struct zrpc_error *err)
{
    struct iovec iov = {.iov_base = p->in_base, .iov_len = read_size(p)};
    ssize_t n;

    if (p->in_base == NULL) {
        iov.iov_base = p->in_base = malloc(IN_MAX);
        if (p->in_base == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory to read from the wire");
    }
    n = zrpc_wire_readv(p->wire, &iov, 1, err);
    if (n == ZRPC_ERR_AGAIN) {
        p->ready[ZRPC_GATE_READ] = false;
        return 0;
    }
    if (n <= 0)
        return n == 0 ? on_eof(p, err) : (int)n;
    p->in = zrpc_view(p->in_base, (size_t)n);
    p->ready[ZRPC_GATE_READ] = (size_t)n == iov.iov_len;
    return 0;
}

/* Feeds the machine until it has used up its input or something is for others to do. Runs with empty input
 * too: the end of a frame whose payload was spliced is still to be told. */
static int understand(struct zrpc_pump *p, struct zrpc_error *err)
{
    int rc = 0;

    while (p->content.len == 0 && (p->x->reading || p->x->hc.conn.state != ZRPC_CONN_OPEN)) {
        rc = p->input(p->x, zrpc_now(), &p->in, &p->content, err);
        if (rc != ZRPC_EXCHANGE_CONTENT)
            break;
        rc = deliver(p, err);
        if (rc < 0)
            break;
    }
    return rc == ZRPC_EXCHANGE_PHASE ? ZRPC_PUMP_PHASE : rc;
}

int zrpc_pump_read(struct zrpc_pump *p, struct zrpc_error *err)
{
    bool open = p->x->hc.conn.state == ZRPC_CONN_OPEN;
    int rc = 0;

    if (p->content.len > 0 && p->ready[ZRPC_GATE_SINK])
        rc = deliver(p, err);
    if (rc < 0 || p->content.len > 0)
        return rc;
    if (p->in.len == 0 && !p->at_eof && (!open || p->x->reading)) {
        if (!zrpc_pump_can_splice_in(p))
            rc = p->ready[ZRPC_GATE_READ] ? fill(p, err) : 0;
        else if (p->ready[ZRPC_GATE_READ] && p->ready[ZRPC_GATE_SINK])
            rc = splice_in(p, err);
    }
    return rc < 0 ? rc : understand(p, err);
}
