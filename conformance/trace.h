/*
 * Trace: what happened on the connections of one run, in order, for the reports. Bounded: alike events in a
 * row are folded into one, the first ZRPC_TRACE_HEAD and the last ZRPC_TRACE_TAIL events are kept, and texts
 * are cut by whoever writes them. Thread-safe.
 */
#ifndef ZRPC_CONFORMANCE_TRACE_H
#define ZRPC_CONFORMANCE_TRACE_H

#include <pthread.h>

#include "conformance/text.h"
#include "zrpc/clock.h"

#define ZRPC_TRACE_HEAD 160
#define ZRPC_TRACE_TAIL 96

enum zrpc_trace_kind {
    ZRPC_TRACE_SENT,     /* bytes to the target */
    ZRPC_TRACE_RECEIVED, /* bytes from the target */
    ZRPC_TRACE_WIRE,     /* connected, half-closed, reset, a call that failed */
    ZRPC_TRACE_STEP,     /* what the case does, in its own words */
};

struct zrpc_trace_event {
    enum zrpc_trace_kind kind;
    unsigned conn;      /* 1, 2, ...; 0 where it concerns none */
    zrpc_time at;       /* since the run began */
    zrpc_time until;    /* of the last one folded into it */
    uint64_t count;     /* how many were folded */
    uint64_t bytes;     /* all of them together: payload of a frame, else the bytes themselves */
    uint32_t fold;      /* 0, or what makes events alike; conn 0: also past others, steps apart */
    const char *text;   /* "zfs stream (5)" */
    const char *detail; /* payload or meaning; NULL if there is none */
};

struct zrpc_trace {
    pthread_mutex_t lock;
    zrpc_time start;
    struct zrpc_trace_event *events; /* head, then the ring of the tail */
    size_t n;                        /* that were added, folded ones not counted */
};

int zrpc_trace_init(struct zrpc_trace *t, zrpc_time start, struct zrpc_error *err);
void zrpc_trace_dispose(struct zrpc_trace *t);

/* Copies both texts; *ev's times and count are set here. Without memory the event is lost. */
void zrpc_trace_add(struct zrpc_trace *t, zrpc_time now, const struct zrpc_trace_event *ev);
void zrpc_trace_step(struct zrpc_trace *t, zrpc_time now, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* For reports, when the run is over: the events that were kept. Between number head-1 and head, `missing`
 * ones were dropped. */
size_t zrpc_trace_kept(const struct zrpc_trace *t);
size_t zrpc_trace_missing(const struct zrpc_trace *t);
const struct zrpc_trace_event *zrpc_trace_get(const struct zrpc_trace *t, size_t i);
/* "3 × zfs stream (5), 1048586 bytes in all, until 0.031". */
void zrpc_trace_add_summary(struct zrpc_buf *text, const struct zrpc_trace_event *ev);
/* One line: "  0.012  #1 --> end of stream   PingReq{...}". */
void zrpc_trace_add_line(struct zrpc_buf *text, const struct zrpc_trace_event *ev);
/* What stands for kind in a line: "-->", "<--", "***", "===". */
const char *zrpc_trace_arrow(enum zrpc_trace_kind kind);
/* "sent", "received", "wire", "step". */
const char *zrpc_trace_kind_name(enum zrpc_trace_kind kind);
/* A sequence diagram between two lifelines, as SVG; what is SENT goes to the right. */
void zrpc_trace_add_svg(struct zrpc_buf *out, const struct zrpc_trace *trace, const char *left,
                        const char *right);

#endif
