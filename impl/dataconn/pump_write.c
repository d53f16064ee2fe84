#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dataconn/pump_io.h"

/* The last bytes of what the source gave so far stay behind, so that the end never comes as a single byte. */
enum { CARRY = 2 };

void zrpc_pump_set_source(struct zrpc_pump *p, struct zrpc_source *source)
{
    p->source = *source;
    *source = (struct zrpc_source){0};
    p->source_fd = p->source.ops->fd == NULL ? -1 : p->source.ops->fd(p->source.ctx);
    p->splice_out = (p->wire->ops->caps & ZRPC_WIRE_SPLICE) != 0 && zrpc_pump_is_pipe(p->source_fd);
    p->ready[ZRPC_GATE_SOURCE] = true;
}

/* A frame of `in_memory` bytes at out_base and `by_splice` more from the source's pipe. */
static int begin_frame(struct zrpc_pump *p, size_t in_memory, size_t by_splice, struct zrpc_error *err)
{
    p->body = zrpc_view(p->out_base, in_memory);
    zrpc_pump_count(p, in_memory + by_splice);
    return zrpc_exchange_stream_begin(p->x, zrpc_now(), (uint32_t)(in_memory + by_splice), err);
}

/* The bytes that were held back; they lie at out_base. */
static int flush_carry(struct zrpc_pump *p, struct zrpc_error *err)
{
    size_t last = p->carried;

    p->carried = 0;
    return begin_frame(p, last, 0, err);
}

static int tell_failure(struct zrpc_pump *p, struct zrpc_error *err)
{
    int rc = zrpc_exchange_stream_fail(p->x, zrpc_now(), p->source_error.text, err);

    return rc < 0 ? rc : ZRPC_PUMP_SENT;
}

static int source_failed(struct zrpc_pump *p, const struct zrpc_error *why, struct zrpc_error *err)
{
    p->source_error = *why;
    p->source_error.code = ZRPC_ERR_SOURCE;
    /* A single byte stays behind: it may not go alone, and the stream is incomplete anyway. */
    return p->carried > 1 ? flush_carry(p, err) : tell_failure(p, err);
}

static int source_ended(struct zrpc_pump *p, struct zrpc_error *err)
{
    struct zrpc_error why;
    int rc;

    if (p->carried > 0)
        return flush_carry(p, err);
    if (p->source.ops->finish != NULL && p->source.ops->finish(p->source.ctx, &why) < 0)
        return source_failed(p, &why, err);
    rc = zrpc_exchange_stream_end(p->x, zrpc_now(), err);
    return rc < 0 ? rc : ZRPC_PUMP_SENT;
}

/* Reads what the source has behind the carried bytes, begins a frame with all but the new carry. */
static int fetch_by_read(struct zrpc_pump *p, size_t room, struct zrpc_error *err)
{
    struct zrpc_error why;
    ssize_t n;
    size_t total;

    memcpy(p->out_base, p->carry, p->carried);
    n = p->source.ops->read(p->source.ctx, p->out_base + p->carried, room - p->carried, &why);
    if (n == ZRPC_ERR_AGAIN) {
        p->ready[ZRPC_GATE_SOURCE] = false;
        return 0;
    }
    if (n <= 0)
        return n == 0 ? source_ended(p, err) : source_failed(p, &why, err);
    total = p->carried + (size_t)n;
    if (total < 2 * CARRY) {
        memcpy(p->carry, p->out_base, total);
        p->carried = total;
        return 0;
    }
    memcpy(p->carry, p->out_base + total - CARRY, CARRY);
    p->carried = CARRY;
    return begin_frame(p, total - CARRY, 0, err);
}

static int fetch_by_splice(struct zrpc_pump *p, struct zrpc_error *err)
{
    int available = 0;
    size_t most = ZRPC_STREAM_PAYLOAD_MAX - p->carried, carried = p->carried;

    if (ioctl(p->source_fd, FIONREAD, &available) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "FIONREAD on a stream's source");
    if (available < 2 * CARRY)
        return fetch_by_read(p, 2 * CARRY, err);
    if ((size_t)available - CARRY < most)
        most = (size_t)available - CARRY;
    memcpy(p->out_base, p->carry, carried);
    p->carried = 0;
    return begin_frame(p, carried, most, err);
}

static int fetch(struct zrpc_pump *p, struct zrpc_error *err)
{
    if (p->source_error.code != ZRPC_OK)
        return tell_failure(p, err);
    if (p->out_base == NULL) {
        p->out_base = malloc(ZRPC_STREAM_PAYLOAD_MAX);
        if (p->out_base == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory to read from a stream's source");
    }
    return p->splice_out ? fetch_by_splice(p, err) : fetch_by_read(p, ZRPC_STREAM_PAYLOAD_MAX, err);
}

static ssize_t splice_body(struct zrpc_pump *p, struct zrpc_error *err)
{
    ssize_t n = splice(p->source_fd, NULL, zrpc_wire_wait(p->wire, ZRPC_WRITE).fd, NULL,
                       p->x->hc.conn.writer.body_left, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

    if (n >= 0)
        return n > 0 ? n : zrpc_fail(err, ZRPC_ERR_SOURCE, "the source's pipe lost bytes that it had");
    if (errno == EAGAIN)
        return ZRPC_ERR_AGAIN;
    return zrpc_fail_errno(err, errno == EPIPE || errno == ECONNRESET ? ZRPC_ERR_RESET : ZRPC_ERR_SYSTEM,
                           errno, "cannot splice to the wire");
}

static ssize_t write_memory(struct zrpc_pump *p, struct zrpc_view head, struct zrpc_error *err)
{
    struct iovec iov[2];
    int n = 0;

    if (head.len > 0)
        iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)head.data, .iov_len = head.len};
    if (p->body.len > 0)
        iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)p->body.data, .iov_len = p->body.len};
    return zrpc_wire_writev(p->wire, iov, n, err);
}

static int put_out(struct zrpc_pump *p, struct zrpc_error *err)
{
    struct zrpc_view head = zrpc_buf_view(&p->x->hc.conn.writer.output);
    ssize_t n = head.len + p->body.len > 0 ? write_memory(p, head, err) : splice_body(p, err);

    if (n == ZRPC_ERR_AGAIN) {
        p->ready[ZRPC_GATE_WRITE] = false;
        return 0;
    }
    if (n < 0)
        return (int)n;
    if (head.len + p->body.len > 0)
        p->ready[ZRPC_GATE_WRITE] = (size_t)n == head.len + p->body.len;
    if ((size_t)n > head.len && p->body.len > 0)
        zrpc_view_take(&p->body, (size_t)n - head.len);
    zrpc_heartbeatconn_sent(&p->x->hc, zrpc_now(), (size_t)n);
    return 0;
}

int zrpc_pump_write(struct zrpc_pump *p, struct zrpc_error *err)
{
    struct zrpc_heartbeatconn *hc = &p->x->hc;
    int event = 0, rc;

    if (p->write_error.code != ZRPC_OK)
        return 0;
    if (p->x->sending != 0 && hc->conn.state == ZRPC_CONN_OPEN && zrpc_heartbeatconn_idle(hc) &&
        p->ready[ZRPC_GATE_SOURCE])
        event = fetch(p, err);
    if (event < 0 || zrpc_heartbeatconn_idle(hc) || !p->ready[ZRPC_GATE_WRITE])
        return event;
    rc = put_out(p, err);
    if (rc < 0 && hc->conn.state == ZRPC_CONN_OPEN && p->x->expect != ZRPC_EXPECT_NOTHING) {
        p->write_error = *err;
        return event;
    }
    return rc < 0 ? rc : event;
}
