/*
 * The pump: the driver of a data connection. One thread, one poll loop over the wire, the stream's other end,
 * a wake-up and a cancellation descriptor. It moves bytes and tells the time; what they mean is the request
 * machine's business.
 *
 * Bulk payload goes by splice(2) between a pipe and a wire that allows it, else through one buffer.
 */
#ifndef ZRPC_DATACONN_PUMP_H
#define ZRPC_DATACONN_PUMP_H

#include <signal.h>

#include "zrpc/dataconn.h"
#include "zrpc/sigpipe.h"

enum zrpc_pump_event {
    ZRPC_PUMP_PHASE = 1, /* the machine is in another phase */
    ZRPC_PUMP_SENT,      /* the stream going out has ended or failed; its end is queued */
    ZRPC_PUMP_WOKEN,     /* wake_fd is readable */
    ZRPC_PUMP_CLOSED,    /* the connection is shut down */
};

/* Any of the request machines: its input function, on the exchange that is its first member. */
typedef int zrpc_pump_input(struct zrpc_exchange *x, zrpc_time now, struct zrpc_view *in,
                            struct zrpc_view *content, struct zrpc_error *err);

/* What a thread may have to wait for. A gate is ready until a call on it moved less than it could have. */
enum zrpc_gate { ZRPC_GATE_READ, ZRPC_GATE_WRITE, ZRPC_GATE_SOURCE, ZRPC_GATE_SINK, ZRPC_GATES };

struct zrpc_pump {
    struct zrpc_wire *wire;
    struct zrpc_exchange *x;
    zrpc_pump_input *input;
    const struct zrpc_dataconn_options *options;
    struct zrpc_source source; /* owned; read while x->sending */
    struct zrpc_sink sink;     /* owned; gets the content of the expected stream */
    int wake_fd;               /* -1: none */
    const struct zrpc_cancel *cancel;
    zrpc_time deadline; /* of the whole request; ZRPC_NEVER: none */

    /* Somebody works for the peer while nothing is read from it: notice if it goes away (ZR-REQ-036). */
    bool watching;
    zrpc_time
        probe_at; /* the peer has closed its direction: a heartbeat then tells whether it is still there */

    bool ready[ZRPC_GATES];
    int source_fd, sink_fd; /* to splice; -1: none */
    bool splice_out, splice_in;

    uint8_t *in_base;         /* what was read ... */
    struct zrpc_view in;      /* ... and not yet understood ... */
    struct zrpc_view content; /* ... or not yet taken by the sink */
    bool at_eof;

    uint8_t *out_base;
    struct zrpc_view body; /* of the frame under way, what lies in memory; more by splice */
    uint8_t carry[4];      /* held back so that no frame has to have a 1-byte payload (ZR-FRAME-008) */
    size_t carried;

    struct zrpc_error source_error; /* code ZRPC_OK: the source did not fail */
    struct zrpc_error write_error;  /* the wire takes no more; what the peer said before may still be read */
    uint64_t moved;                 /* stream bytes, either direction */
    zrpc_time farewell;             /* the longest end of a connection after a failure */
    unsigned rounds;                /* of the loop, without waiting */
    sigset_t signals;               /* the thread's mask, restored at the end */
};

/* Takes ownership of the wire. `x` must outlive the pump. Blocks SIGPIPE in this thread until dispose. */
void zrpc_pump_init(struct zrpc_pump *p, struct zrpc_wire *wire, struct zrpc_exchange *x,
                    zrpc_pump_input *input, const struct zrpc_dataconn_options *options);
/* Closes the wire, source and sink as they are. */
void zrpc_pump_dispose(struct zrpc_pump *p);

/* Take ownership of *source, *sink. */
void zrpc_pump_set_source(struct zrpc_pump *p, struct zrpc_source *source);
void zrpc_pump_set_sink(struct zrpc_pump *p, struct zrpc_sink *sink);

/* Runs until something is for the caller: an enum zrpc_pump_event, or a failure: of the wire, of the peer's
 * protocol, of the sink (always ZRPC_ERR_SINK), ZRPC_ERR_CANCELLED. A failed source is no failure of the
 * pump: the peer is told, and source_error is set. */
int zrpc_pump_run(struct zrpc_pump *p, struct zrpc_error *err);
/* Ends the connection in order (ZR-SHUT-*), after the request ended with `rc`: output that is queued goes out
 * first, then the peer is waited for, until the shutdown's deadline, and only briefly where the request
 * failed. */
void zrpc_pump_end(struct zrpc_pump *p, int rc);

#endif
