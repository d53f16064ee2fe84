/*
 * Streams and messages over frames (proto/SPEC.md, ZR-STREAM-*). Sans-I/O.
 *
 *     type T ... type T, end                              complete
 *     type T ... type T, trailer ... trailer, end         the source failed; the text says why
 *
 * A message is a short stream that is kept whole. Anything else in between is ZRPC_ERR_STREAM (ZR-STREAM-014,
 * ZR-STREAM-015).
 */
#ifndef ZRPC_STREAM_H
#define ZRPC_STREAM_H

#include <poll.h>
#include <sys/types.h>

#include "zrpc/heartbeatconn.h"

#define ZRPC_STREAM_PAYLOAD_MAX (1u << 19) /* longest payload we send, bytes */
#define ZRPC_STREAM_TRAILER_MAX 32768u     /* error text kept or sent, bytes; what exceeds it is dropped */

/*
 * Reading one stream of type T, from the frame events of a heartbeatconn.
 */
enum zrpc_stream_event {
    ZRPC_STREAM_MORE = 0,
    ZRPC_STREAM_DATA, /* the event's payload is content of the stream */
    ZRPC_STREAM_DONE, /* complete: the connection is clean and may carry the next stream */
};

struct zrpc_stream_reader {
    uint32_t type;
    uint64_t received; /* content bytes */
    bool in_trailer;
    struct zrpc_buf trailer;
};

void zrpc_stream_reader_init(struct zrpc_stream_reader *r, uint32_t type);
void zrpc_stream_reader_dispose(struct zrpc_stream_reader *r);
/* An enum zrpc_stream_event, ZRPC_ERR_STREAM, ZRPC_ERR_NOMEM, or ZRPC_ERR_PEER_SOURCE when an error trailer
 * has come to its end (ZR-STREAM-011 to 013): *err holds its text (or says that it was not UTF-8, or empty),
 * `trailer` all that was kept of it, cut at a UTF-8 boundary, and the connection is clean. */
int zrpc_stream_reader_event(struct zrpc_stream_reader *r, const struct zrpc_frame_event *ev,
                             struct zrpc_error *err);
/* The frame under way carries content, so its payload may be moved past the state machines. */
bool zrpc_stream_reader_in_content(const struct zrpc_stream_reader *r,
                                   const struct zrpc_frame_reader *frames);
/* n content bytes were moved past. */
void zrpc_stream_reader_moved(struct zrpc_stream_reader *r, uint32_t n);

/* A message: the same with its content kept; there is MORE until it is DONE, never DATA. Above `limit` bytes:
 * ZRPC_ERR_TOO_BIG, as soon as a frame announces too much. */
struct zrpc_message_reader {
    struct zrpc_stream_reader stream;
    struct zrpc_buf content;
    size_t limit;
};

void zrpc_message_reader_init(struct zrpc_message_reader *r, uint32_t type, size_t limit);
void zrpc_message_reader_dispose(struct zrpc_message_reader *r);
int zrpc_message_reader_event(struct zrpc_message_reader *r, const struct zrpc_frame_event *ev,
                              struct zrpc_error *err);

/*
 * Writing: thin words over heartbeatconn for what a stream is made of.
 */
/* How long to make the next payload where `left` bytes of content are at hand: at most
 * ZRPC_STREAM_PAYLOAD_MAX, and such that no single byte is left over for the next frame, because a 1-byte
 * payload makes real zrepl panic (ZR-FRAME-008, ZR-FRAME-009). */
uint32_t zrpc_stream_payload_len(uint64_t left);
/* A whole message in frames of at most ZRPC_STREAM_PAYLOAD_MAX, content copied, with its end. `type` is a
 * user type other than 0. All or nothing is queued. */
int zrpc_stream_put_message(struct zrpc_heartbeatconn *c, zrpc_time now, uint32_t type,
                            struct zrpc_view content, struct zrpc_error *err);
/* End of a stream whose content went out with zrpc_heartbeatconn_begin(). */
int zrpc_stream_put_end(struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_error *err);
/* The source failed: trailer and end. Text that is empty or not UTF-8 is replaced by one that is, and one of
 * a single byte gets a few words in front, so that no 1-byte frame goes out (ZR-STREAM-003 to 006). */
int zrpc_stream_put_source_error(struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_view text,
                                 struct zrpc_error *err);

/*
 * Where content comes from and goes to: a vtable, with a descriptor where there is one to poll and splice.
 */
struct zrpc_source_ops {
    /* > 0 bytes; 0 the stream is complete; ZRPC_ERR_AGAIN: wait; else failed: *err's text goes to the
     * peer. With `finish` absent, 0 is also the verdict that all went well. Must not block. */
    ssize_t (*read)(void *ctx, void *buf, size_t len, struct zrpc_error *err);
    /* Optional: the descriptor behind it, readable without `read`, or -1. */
    int (*fd)(void *ctx);
    /* Optional: what to poll for after ZRPC_ERR_AGAIN, where that is not `fd`; asked each time. */
    struct pollfd (*wait)(void *ctx);
    /* Optional: after end of file on fd: 0 if the source ended well, else failed as above. May block briefly
     * (waits for a process that has closed its output). */
    int (*finish)(void *ctx, struct zrpc_error *err);
    /* Releases it, in whatever state. Called exactly once. */
    void (*close)(void *ctx);
};

struct zrpc_source {
    const struct zrpc_source_ops *ops; /* NULL: none */
    void *ctx;
};

struct zrpc_sink_ops {
    /* > 0 bytes taken; ZRPC_ERR_AGAIN: wait; else failed: *err's text is the handler's error. */
    ssize_t (*write)(void *ctx, const void *buf, size_t len, struct zrpc_error *err);
    /* Optional: the descriptor behind it, writable without `write`, or -1. */
    int (*fd)(void *ctx);
    /* Optional: as a source's. */
    struct pollfd (*wait)(void *ctx);
    /* The stream is complete: make it count. 0, or failed. May block; runs off the connection's loop where
     * the sink is a server handler's. */
    int (*finish)(void *ctx, struct zrpc_error *err);
    /* Releases it; unless `finish` succeeded before, nothing of what was written may remain. Exactly once. */
    void (*close)(void *ctx);
};

struct zrpc_sink {
    const struct zrpc_sink_ops *ops; /* NULL: none */
    void *ctx;
};

static inline void zrpc_source_close(struct zrpc_source *s)
{
    if (s->ops != NULL)
        s->ops->close(s->ctx);
    *s = (struct zrpc_source){0};
}

static inline void zrpc_sink_close(struct zrpc_sink *s)
{
    if (s->ops != NULL)
        s->ops->close(s->ctx);
    *s = (struct zrpc_sink){0};
}

/* What to poll for after ZRPC_ERR_AGAIN; an fd of -1: nothing, call again. */
static inline struct pollfd zrpc_source_wait(const struct zrpc_source *s)
{
    if (s->ops->wait != NULL)
        return s->ops->wait(s->ctx);
    return (struct pollfd){.fd = s->ops->fd == NULL ? -1 : s->ops->fd(s->ctx), .events = POLLIN};
}

static inline struct pollfd zrpc_sink_wait(const struct zrpc_sink *s)
{
    if (s->ops->wait != NULL)
        return s->ops->wait(s->ctx);
    return (struct pollfd){.fd = s->ops->fd == NULL ? -1 : s->ops->fd(s->ctx), .events = POLLOUT};
}

/* A descriptor as source or sink; owned from success on, non-blocking while they have it where it is not a
 * regular file. What was written to a sink's descriptor stays written, whether it is finished or not; a write
 * whose reader is gone fails with ZRPC_ERR_SINK and raises no SIGPIPE. */
int zrpc_source_from_fd(int fd, struct zrpc_source *out, struct zrpc_error *err);
int zrpc_sink_from_fd(int fd, struct zrpc_sink *out, struct zrpc_error *err);

#endif
