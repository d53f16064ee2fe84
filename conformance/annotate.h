/*
 * Annotating: turns the bytes of a connection into trace events with names: banner, label, frames, and the
 * text of the protocol buffers in them. It explains and never judges: whatever it does not understand is
 * shown as bytes.
 *
 * One annotator per direction; the two of a connection share what each learns from the other's.
 */
#ifndef ZRPC_CONFORMANCE_ANNOTATE_H
#define ZRPC_CONFORMANCE_ANNOTATE_H

#include "conformance/annotate_h2.h"
#include "conformance/trace.h"
#include "zrpc/frameconn.h"

enum zrpc_annotate_phase {
    ZRPC_ANNOTATE_BANNER,
    ZRPC_ANNOTATE_LABEL,   /* the active side's direction only */
    ZRPC_ANNOTATE_FRAMES,  /* zrepl_data */
    ZRPC_ANNOTATE_PREFACE, /* zrepl_control, the active side's direction only */
    ZRPC_ANNOTATE_H2,
    ZRPC_ANNOTATE_RAW, /* no longer, or never, understood */
};

struct zrpc_annotate_shared {
    char endpoint[16]; /* of the request header */
    bool raw;          /* neither a data nor a control connection */
    bool control;
    struct zrpc_annotate_h2_shared h2;
};

struct zrpc_annotator {
    struct zrpc_trace *trace;
    struct zrpc_annotate_shared *shared;
    unsigned conn;
    enum zrpc_trace_kind kind; /* SENT or RECEIVED */
    bool active;               /* the bytes are the active side's */
    enum zrpc_annotate_phase phase;
    /* the unit under way: a banner, a label, a frame */
    struct zrpc_buf unit; /* its first bytes */
    uint64_t seen, want;  /* bytes of it */
    uint64_t reported;    /* that a former event has shown */
    unsigned pieces;      /* writes or reads it came in */
    /* the message under way */
    uint32_t message_type;
    unsigned message_frames;
    struct zrpc_buf message; /* its first bytes */
    struct zrpc_annotate_h2 h2;
};

void zrpc_annotator_init(struct zrpc_annotator *a, struct zrpc_trace *trace,
                         struct zrpc_annotate_shared *shared, unsigned conn, enum zrpc_trace_kind kind,
                         bool active);
void zrpc_annotator_dispose(struct zrpc_annotator *a);
/* The bytes of one write or read. */
void zrpc_annotate(struct zrpc_annotator *a, zrpc_time now, struct zrpc_view bytes);
/* Shows the part of a unit that has come so far: call before an event that people should see after it. */
void zrpc_annotate_flush(struct zrpc_annotator *a, zrpc_time now);

/* "RST", "heartbeat", "end of stream", "error trailer", "zfs stream (5)", "unknown type 20000000". */
#define ZRPC_ANNOTATE_TYPE_MAX 48
const char *zrpc_annotate_type(uint32_t type, char out[static ZRPC_ANNOTATE_TYPE_MAX]);

#endif
