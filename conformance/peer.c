#include "conformance/peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "conformance/exchange.h"
#include "conformance/greeting.h"
#include "zrpc/transport.h"

static void note(struct zrpc_peer *p, const char *text, const char *detail)
{
    struct zrpc_trace_event ev = {.kind = ZRPC_TRACE_WIRE, .conn = p->number, .text = text, .detail = detail};
    zrpc_time now = zrpc_now();

    zrpc_annotate_flush(&p->sent, now);
    zrpc_annotate_flush(&p->received, now);
    zrpc_trace_add(&p->run->trace, now, &ev);
}

static struct zrpc_peer *alloc_peer(struct zrpc_run *run)
{
    struct zrpc_peer *p = calloc(1, sizeof *p);

    if (p == NULL || zrpc_answer_new(&p->answer) < 0) {
        free(p);
        return NULL;
    }
    p->run = run;
    p->fd = -1;
    return p;
}

static void free_peer(struct zrpc_peer *p)
{
    zrpc_annotator_dispose(&p->sent);
    zrpc_annotator_dispose(&p->received);
    zrpc_buf_dispose(&p->in);
    zrpc_buf_dispose(&p->payload);
    zrpc_buf_dispose(&p->banner);
    zrpc_answer_free(p->answer);
    free(p);
}

static struct zrpc_peer *new_peer(struct zrpc_run *run, bool active)
{
    struct zrpc_peer *p = alloc_peer(run);
    const struct zrpc_timing *timing = zrpc_run_timing(run);

    if (p == NULL) {
        zrpc_run_inconclusive(run, "out of memory");
        return run->spare;
    }
    p->heartbeat_every = timing->heartbeat_interval;
    p->write_timeout = timing->write_timeout + timing->slack;
    pthread_mutex_lock(&run->lock);
    p->number = ++run->n_peers;
    p->next = run->peers;
    run->peers = p;
    pthread_mutex_unlock(&run->lock);
    zrpc_annotator_init(&p->sent, &run->trace, &p->shared, p->number, ZRPC_TRACE_SENT, active);
    zrpc_annotator_init(&p->received, &run->trace, &p->shared, p->number, ZRPC_TRACE_RECEIVED, !active);
    return p;
}

static void attach(struct zrpc_peer *p, struct zrpc_wire *wire)
{
    struct zrpc_timeoutconn *conn;
    struct zrpc_error err;
    int one = 1;

    p->fd = zrpc_wire_wait(wire, ZRPC_READ).fd;
    if (zrpc_timeoutconn_new(wire, &conn, &err) < 0) {
        zrpc_run_inconclusive(p->run, "%s", err.text);
        return;
    }
    /* Pieces must leave as they are written. Fails where the wire is no TCP socket, which then does so
     * anyway. */
    (void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    pthread_mutex_lock(&p->run->lock);
    p->conn = conn;
    if (p->run->cancelled)
        zrpc_timeoutconn_cancel(conn);
    pthread_mutex_unlock(&p->run->lock);
}

struct zrpc_peer *zrpc_peer_dial(struct zrpc_run *run)
{
    struct zrpc_peer *p = new_peer(run, true);
    struct zrpc_dialer *dialer = NULL;
    struct zrpc_wire *wire = NULL;
    struct zrpc_error err;
    int rc;

    if (!zrpc_run_going(run))
        return p;
    rc = zrpc_dialer_parse(run->endpoint, zrpc_run_timing(run)->prompt, &dialer, &err);
    if (rc == 0)
        rc = dialer->ops->dial(dialer, ZRPC_NEVER, NULL, &wire, &err);
    if (dialer != NULL)
        dialer->ops->close(dialer);
    if (rc < 0) {
        note(p, "cannot connect", err.text);
        zrpc_run_inconclusive(run, "cannot connect: %s", err.text);
        return p;
    }
    attach(p, wire);
    note(p, "connected", NULL);
    return p;
}

struct zrpc_peer *zrpc_peer_accepted(struct zrpc_run *run, struct zrpc_wire *wire)
{
    struct zrpc_peer *p = new_peer(run, false);

    if (p == run->spare) {
        zrpc_wire_close(wire);
        return p;
    }
    attach(p, wire);
    note(p, "accepted", NULL);
    return p;
}

struct zrpc_peer *zrpc_peer_greeted(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_dial(run);

    zrpc_peer_send_banner(p);
    zrpc_expect_banner(p, zrpc_run_timing(run)->handshake + zrpc_run_timing(run)->slack);
    return p;
}

struct zrpc_peer *zrpc_peer_data(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_greeted(run);

    zrpc_peer_send_label(p, ZRPC_DATA);
    return p;
}

/*
 * Sending
 */
static bool can_send(const struct zrpc_peer *p)
{
    return p->conn != NULL && !p->write_failed && !p->write_closed && zrpc_run_going(p->run);
}

bool zrpc_peer_send(struct zrpc_peer *p, struct zrpc_view bytes)
{
    struct zrpc_error err;
    size_t done = 0;
    int rc;

    if (!can_send(p))
        return false;
    zrpc_timeoutconn_set_deadline(p->conn, ZRPC_WRITE, zrpc_deadline(zrpc_now(), p->write_timeout));
    rc = zrpc_timeoutconn_write(p->conn, bytes.data, bytes.len, &done, &err);
    p->last_sent = zrpc_now();
    p->bytes_sent += done;
    zrpc_annotate_flush(&p->received, p->last_sent);
    zrpc_annotate(&p->sent, p->last_sent, zrpc_view(bytes.data, done));
    if (rc < 0) {
        p->write_failed = true;
        note(p, "writing failed", err.text);
    }
    return rc == 0;
}

bool zrpc_peer_send_text(struct zrpc_peer *p, const char *text)
{
    return zrpc_peer_send(p, zrpc_view_of(text));
}

bool zrpc_peer_send_pieces(struct zrpc_peer *p, struct zrpc_view bytes, size_t piece, zrpc_time pause)
{
    while (bytes.len > 0) {
        if (!zrpc_peer_send(p, zrpc_view_take(&bytes, bytes.len < piece ? bytes.len : piece)))
            return false;
        if (pause > 0 && bytes.len > 0)
            zrpc_run_sleep(p->run, pause);
    }
    return true;
}

bool zrpc_peer_send_banner(struct zrpc_peer *p)
{
    char banner[ZRPC_GREETING_MAX];

    return zrpc_peer_send_text(p, zrpc_greeting_plain(p->run->profile->protocol_version, banner));
}

bool zrpc_peer_send_label(struct zrpc_peer *p, enum zrpc_label label)
{
    uint8_t bytes[ZRPC_LABEL_LEN];

    zrpc_label_encode(label, bytes);
    p->framing = zrpc_peer_send(p, zrpc_view(bytes, sizeof bytes)) && label == ZRPC_DATA;
    p->last_seen = zrpc_now();
    return p->framing;
}

bool zrpc_peer_send_header(struct zrpc_peer *p, uint32_t type, uint32_t length)
{
    uint8_t header[ZRPC_FRAME_HEADER_LEN];

    zrpc_frame_encode((struct zrpc_frame){.type = type, .length = length}, header);
    return zrpc_peer_send(p, zrpc_view(header, sizeof header));
}

void zrpc_peer_put_frame(struct zrpc_buf *out, uint32_t type, struct zrpc_view payload)
{
    uint8_t header[ZRPC_FRAME_HEADER_LEN];

    zrpc_frame_encode((struct zrpc_frame){.type = type, .length = (uint32_t)payload.len}, header);
    if (zrpc_buf_append(out, zrpc_view(header, sizeof header), NULL) == 0)
        (void)zrpc_buf_append(out, payload, NULL);
}

/* What the next frame of a stream holds: never one byte that could go with others (ZR-FRAME-008). */
static struct zrpc_view take_payload(struct zrpc_view *content)
{
    const size_t most = 1u << 19;
    size_t n = content->len < most ? content->len : most;

    return zrpc_view_take(content, content->len == most + 1 ? n - 1 : n);
}

void zrpc_peer_put_stream(struct zrpc_buf *out, uint32_t type, struct zrpc_view content)
{
    while (content.len > 0)
        zrpc_peer_put_frame(out, type, take_payload(&content));
    zrpc_peer_put_frame(out, ZRPC_FRAME_STREAM_END, zrpc_view(NULL, 0));
}

bool zrpc_peer_send_frame(struct zrpc_peer *p, uint32_t type, struct zrpc_view payload)
{
    struct zrpc_buf frame = {0};
    bool sent;

    zrpc_peer_put_frame(&frame, type, payload);
    sent = zrpc_peer_send(p, zrpc_buf_view(&frame));
    zrpc_buf_dispose(&frame);
    return sent;
}

bool zrpc_peer_send_heartbeat(struct zrpc_peer *p)
{
    return zrpc_peer_send_header(p, ZRPC_FRAME_HEARTBEAT, 0);
}

bool zrpc_peer_send_rst(struct zrpc_peer *p)
{
    bool sent = zrpc_peer_send_header(p, ZRPC_FRAME_RST, 0);

    p->framing = false;
    return sent;
}

bool zrpc_peer_send_end(struct zrpc_peer *p)
{
    return zrpc_peer_send_header(p, ZRPC_FRAME_STREAM_END, 0);
}

bool zrpc_peer_send_content(struct zrpc_peer *p, uint32_t type, struct zrpc_view content)
{
    while (content.len > 0)
        if (!zrpc_peer_send_frame(p, type, take_payload(&content)))
            return false;
    return true;
}

bool zrpc_peer_send_stream(struct zrpc_peer *p, uint32_t type, struct zrpc_view content)
{
    return zrpc_peer_send_content(p, type, content) && zrpc_peer_send_end(p);
}

void zrpc_peer_idle(struct zrpc_peer *p, zrpc_time duration)
{
    zrpc_time until = zrpc_now() + duration, now, beat;

    while (zrpc_run_going(p->run) && (now = zrpc_now()) < until) {
        beat = can_send(p) && p->framing ? p->last_sent + p->heartbeat_every : ZRPC_NEVER;
        if (now >= beat)
            zrpc_peer_send_heartbeat(p);
        else
            zrpc_run_sleep(p->run, zrpc_earlier(until, beat) - now);
    }
}

/*
 * Ending
 */
void zrpc_peer_half_close(struct zrpc_peer *p)
{
    struct zrpc_error err;

    if (!can_send(p))
        return;
    p->write_closed = true;
    if (zrpc_timeoutconn_close_write(p->conn, &err) < 0)
        note(p, "half-close failed", err.text);
    else
        note(p, "half-closed", NULL);
}

static void end_conn(struct zrpc_peer *p, const char *how)
{
    struct zrpc_timeoutconn *conn;

    if (p->conn == NULL)
        return;
    note(p, how, NULL);
    pthread_mutex_lock(&p->run->lock);
    conn = p->conn;
    p->conn = NULL;
    pthread_mutex_unlock(&p->run->lock);
    zrpc_timeoutconn_close(conn);
}

void zrpc_peer_drop(struct zrpc_peer *p)
{
    end_conn(p, "closed");
}

void zrpc_peer_reset(struct zrpc_peer *p)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    /* Fails where there is no socket, only an end of our own. */
    (void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    end_conn(p, "reset (closed at once, without a half-close)");
}

void zrpc_peer_shutdown(struct zrpc_peer *p)
{
    zrpc_time deadline = zrpc_now() + zrpc_run_timing(p->run)->prompt;
    struct zrpc_view bytes;

    zrpc_peer_send_rst(p);
    zrpc_peer_half_close(p);
    while (zrpc_peer_see_bytes(p, deadline, 1 << 16, &bytes) == ZRPC_SEEN_FRAME)
        ;
    zrpc_peer_drop(p);
}

void zrpc_peer_cancel_all(struct zrpc_run *run)
{
    pthread_mutex_lock(&run->lock);
    run->cancelled = true;
    for (struct zrpc_peer *p = run->peers; p != NULL; p = p->next)
        if (p->conn != NULL)
            zrpc_timeoutconn_cancel(p->conn);
    pthread_mutex_unlock(&run->lock);
}

void zrpc_peer_end_all(struct zrpc_run *run)
{
    struct zrpc_peer *p;

    while ((p = run->peers) != NULL) {
        zrpc_annotate_flush(&p->sent, zrpc_now());
        zrpc_annotate_flush(&p->received, zrpc_now());
        end_conn(p, "closed at the end of the case");
        run->peers = p->next;
        free_peer(p);
    }
    free_peer(run->spare);
    run->spare = NULL;
}

int zrpc_peer_spare(struct zrpc_run *run, struct zrpc_error *err)
{
    run->spare = alloc_peer(run);
    return run->spare == NULL ? zrpc_fail(err, ZRPC_ERR_NOMEM, "a run") : 0;
}
