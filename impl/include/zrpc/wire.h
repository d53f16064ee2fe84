/*
 * Wire: a bidirectional byte stream with half-close, the contract every transport keeps (ZR-WIRE-*).
 *
 * All calls are non-blocking. A direction that is not ready answers ZRPC_ERR_AGAIN; zrpc_wire_wait() then
 * says what to poll for. Reading and writing may go on in two threads at once; two reads or two writes may
 * not. Deadlines and blocking calls are timeoutconn's business, protocol is nobody's here.
 */
#ifndef ZRPC_WIRE_H
#define ZRPC_WIRE_H

#include <poll.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "zrpc/cancel.h"
#include "zrpc/clock.h"
#include "zrpc/error.h"

enum zrpc_direction { ZRPC_READ, ZRPC_WRITE };

/* What a transport can do beyond the contract. */
enum zrpc_wire_caps {
    /* The descriptors that `wait` gives carry exactly the wire's bytes: splice(2) may move payload. The
     * caller guards itself against SIGPIPE then (zrpc/sigpipe.h). */
    ZRPC_WIRE_SPLICE = 1 << 0,
};

struct zrpc_wire;

struct zrpc_wire_ops {
    const char *name; /* "tcp", "tls", "ssh", "stdinserver", "local" */
    unsigned caps;    /* enum zrpc_wire_caps */
    /* > 0 bytes read; 0 end of file: the peer closed its write direction; ZRPC_ERR_AGAIN; ZRPC_ERR_RESET;
     * ZRPC_ERR_CLOSED after shutdown; ... Never a timeout. The vector must have room for at least one byte,
     * ZRPC_ERR_USAGE otherwise. */
    ssize_t (*readv)(struct zrpc_wire *w, const struct iovec *iov, int n, struct zrpc_error *err);
    /* > 0 bytes written (may be fewer than given); ZRPC_ERR_AGAIN; ZRPC_ERR_CLOSED after close_write or
     * shutdown; ZRPC_ERR_RESET; ... The vector must hold at least one byte. */
    ssize_t (*writev)(struct zrpc_wire *w, const struct iovec *iov, int n, struct zrpc_error *err);
    /* Half-close: 0 done (also when it was done before), ZRPC_ERR_AGAIN (call again when ZRPC_WRITE is
     * ready), or failure. */
    int (*close_write)(struct zrpc_wire *w, struct zrpc_error *err);
    /* Descriptor and events that make the direction worth trying again. A transport that already holds
     * readable bytes in memory answers with fd = -1: do not wait, call. */
    struct pollfd (*wait)(struct zrpc_wire *w, enum zrpc_direction dir);
    /* From any thread: wakes threads blocked in poll() on this wire, for good; both directions then fail with
     * ZRPC_ERR_CLOSED. */
    void (*shutdown)(struct zrpc_wire *w);
    /* Releases everything, the wire itself included. Called once, when no thread is in the wire. */
    void (*close)(struct zrpc_wire *w);
};

/* Transports embed this as their first member. */
struct zrpc_wire {
    const struct zrpc_wire_ops *ops;
};

static inline ssize_t zrpc_wire_readv(struct zrpc_wire *w, const struct iovec *iov, int n,
                                      struct zrpc_error *err)
{
    return w->ops->readv(w, iov, n, err);
}

static inline ssize_t zrpc_wire_writev(struct zrpc_wire *w, const struct iovec *iov, int n,
                                       struct zrpc_error *err)
{
    return w->ops->writev(w, iov, n, err);
}

static inline int zrpc_wire_close_write(struct zrpc_wire *w, struct zrpc_error *err)
{
    return w->ops->close_write(w, err);
}

static inline struct pollfd zrpc_wire_wait(struct zrpc_wire *w, enum zrpc_direction dir)
{
    return w->ops->wait(w, dir);
}

static inline void zrpc_wire_shutdown(struct zrpc_wire *w)
{
    w->ops->shutdown(w);
}

/* NULL is allowed. */
static inline void zrpc_wire_close(struct zrpc_wire *w)
{
    if (w != NULL)
        w->ops->close(w);
}

/*
 * Passive side: a listener yields authenticated wires (ZR-ID-*).
 */
#define ZRPC_IDENTITY_MAX 256 /* including the terminating zero; ZFS limits a component to 255 bytes */
#define ZRPC_ADDRESS_MAX  300 /* printable peer address, e.g. "tcp:127.0.0.1:8888" */

struct zrpc_accepted {
    struct zrpc_wire *wire; /* owned by the receiver of this struct */
    char identity[ZRPC_IDENTITY_MAX];
    char peer[ZRPC_ADDRESS_MAX]; /* for logs */
    /* Optional: where the identity needs a conversation (tls). Runs in the connection's own thread before
     * anything else, blocking at most until `deadline` or a timeout of the transport's own, whichever comes
     * first, and fills identity; zrpc_wire_shutdown() from another thread ends it. It needs nothing of the
     * listener, which may be closed by then. On failure the caller closes the wire. */
    int (*authenticate)(struct zrpc_accepted *a, zrpc_time deadline, struct zrpc_error *err);
};

struct zrpc_listener;

struct zrpc_listener_ops {
    const char *name;
    /* 0: *out filled. ZRPC_ERR_AGAIN: nobody is waiting. ZRPC_ERR_LIMIT, ZRPC_ERR_NOMEM, ZRPC_ERR_SYSTEM: out
     * of descriptors or memory, or something unforeseen; the connection may still wait and `fd` stay
     * readable, so pause before the next call. ZRPC_ERR_CLOSED ends the listener. All else
     * (ZRPC_ERR_REFUSED_IDENTITY, ZRPC_ERR_RESET, ...) concerns one connection only, which is closed; *err
     * names the peer where it is known. Never blocks on the peer. zrpc/netadaptor.h is the loop around it. */
    int (*accept)(struct zrpc_listener *l, struct zrpc_accepted *out, struct zrpc_error *err);
    /* Descriptor to poll for POLLIN before accept. */
    int (*fd)(const struct zrpc_listener *l);
    /* "tcp:127.0.0.1:8888", with the port that was picked. Valid as long as the listener. */
    const char *(*address)(const struct zrpc_listener *l);
    void (*close)(struct zrpc_listener *l);
};

struct zrpc_listener {
    const struct zrpc_listener_ops *ops;
};

/* One dataset path component: not empty, no '/', none of @ # | < > * or control characters, not "." or "..",
 * shorter than ZRPC_IDENTITY_MAX (ZR-ID-001, ZR-ID-003). 0 or ZRPC_ERR_USAGE naming what is wrong. */
int zrpc_identity_check(const char *identity, struct zrpc_error *err);

/*
 * Active side: a dialer makes a new wire for each connection.
 */
struct zrpc_dialer;

struct zrpc_dialer_ops {
    const char *name;
    /* Blocks at most until the dialer's own timeout or `deadline`, whichever is earlier, and no longer than
     * until it is cancelled. */
    int (*dial)(struct zrpc_dialer *d, zrpc_time deadline, const struct zrpc_cancel *cancel,
                struct zrpc_wire **out, struct zrpc_error *err);
    /* "tcp:127.0.0.1:8888", for messages. */
    const char *(*address)(const struct zrpc_dialer *d);
    void (*close)(struct zrpc_dialer *d);
};

struct zrpc_dialer {
    const struct zrpc_dialer_ops *ops;
};

#endif
