/*
 * The variable receive rate rig (WIRE: heartbeatconn directly on TCP): a server that takes its time over
 * every frame, and a client that writes as fast as it can. Neither may time out while the other lives, each
 * must when the other is dead (ZR-HB-*).
 */
#ifndef SIM_RIG_RIG_H
#define SIM_RIG_RIG_H

#include <stdio.h>

#include "zrpc/heartbeatconn.h"

#define ZRPC_RIG_FRAME_TYPE 23
#define ZRPC_RIG_FRAME_SIZE 1024
#define ZRPC_RIG_SIGMA      (500 * ZRPC_MILLISECOND)

enum zrpc_rig_side { ZRPC_RIG_SERVER, ZRPC_RIG_CLIENT };

const char *zrpc_rig_side_name(enum zrpc_rig_side side);

/* Counts and gauges at one moment. */
struct zrpc_rig_sample {
    zrpc_time at; /* since the rig began */
    uint64_t frames;
    struct zrpc_heartbeat_stats stats;
    uint32_t out_queue, in_queue; /* bytes in the kernel: sent and not acknowledged; arrived and not read */
    zrpc_time stall;              /* for how long a pending write has made no progress */
    zrpc_time longest_stall;
    zrpc_time longest_delay; /* for which the side had something to do, and did not come to it */
    zrpc_time last_received; /* when anything was read last */
};

struct zrpc_rig_span {
    zrpc_time from, until; /* since the rig began; ZRPC_NEVER: for good */
};

#define ZRPC_RIG_SPANS_MAX 16

/* One side of a connection. */
struct zrpc_rig_peer {
    enum zrpc_rig_side side;
    zrpc_time began;
    zrpc_time sigma; /* the server sleeps |N(0, sigma)| / 2 on average: negative draws are none */
    uint64_t seed;
    const struct zrpc_rig_span *stalls; /* when the server handles no frames (but sends heartbeats) */
    size_t n_stalls;
    int stop_fd;     /* at its end of file the rig is over; -1: never */
    zrpc_time every; /* between samples; 0: none */
    void (*sampled)(void *ctx, const struct zrpc_rig_sample *sample);
    void *ctx;
};

/* Runs it on a connected socket, which stays the caller's, to the end: 0 when told to stop, else what ended
 * it: ZRPC_ERR_READ_TIMEOUT, ZRPC_ERR_WRITE_TIMEOUT, ZRPC_ERR_END, ZRPC_ERR_RESET ... *last is filled in any
 * case. */
int zrpc_rig_peer_run(const struct zrpc_rig_peer *peer, int fd, struct zrpc_rig_sample *last,
                      struct zrpc_error *err);

/*
 * Both sides, as processes, and what is done to them.
 */
enum zrpc_rig_event_kind {
    ZRPC_RIG_STALL,     /* the server handles no frames */
    ZRPC_RIG_STOP,      /* SIGSTOP for one side */
    ZRPC_RIG_OUTAGE,    /* the link passes nothing, and loses nothing */
    ZRPC_RIG_BLACKHOLE, /* the link loses everything */
};

struct zrpc_rig_event {
    enum zrpc_rig_event_kind kind;
    enum zrpc_rig_side side; /* of a STOP */
    struct zrpc_rig_span span;
};

/* "60s+20s", "60s" (for good); for STOP with the side: "server@60s+20s". */
int zrpc_rig_event_parse(enum zrpc_rig_event_kind kind, const char *text, struct zrpc_rig_event *out,
                         struct zrpc_error *err);

struct zrpc_rig_config {
    zrpc_time duration; /* at most: it is over when every side has ended, or is stopped for good */
    zrpc_time sigma;
    uint64_t seed;
    uint64_t buffer; /* of the sockets, bytes; 0: the kernel's choice */
    struct zrpc_rig_event events[ZRPC_RIG_SPANS_MAX];
    size_t n_events;
};

/* How one side ended. */
struct zrpc_rig_outcome {
    bool ended; /* by itself, before the rig was over */
    int code;   /* enum zrpc_code */
    zrpc_time at;
    char text[200];
};

struct zrpc_rig_report {
    struct zrpc_rig_config config;
    struct zrpc_rig_sample *samples[2]; /* by side */
    size_t n_samples[2];
    struct zrpc_rig_outcome outcomes[2];
    zrpc_time duration; /* that it really ran */
};

void zrpc_rig_report_dispose(struct zrpc_rig_report *r);
/* Runs the rig; failures are those of the machine, not of the sides. The calling process must have no other
 * threads that hold locks: it forks. */
int zrpc_rig_run(const struct zrpc_rig_config *config, struct zrpc_rig_report *out, struct zrpc_error *err);

enum zrpc_rig_verdict {
    ZRPC_RIG_PASS,
    ZRPC_RIG_FAIL,
    ZRPC_RIG_INCONCLUSIVE, /* the machine was too slow for the rig's time, or the rig too short */
};

const char *zrpc_rig_verdict_name(enum zrpc_rig_verdict verdict);
/* By the report; says why, a line each, to `out`. */
enum zrpc_rig_verdict zrpc_rig_judge(const struct zrpc_rig_report *r, FILE *out);
void zrpc_rig_summarise(const struct zrpc_rig_report *r, FILE *out);
/* The picture. `verdict` becomes part of its heading. */
int zrpc_rig_plot(const struct zrpc_rig_report *r, const char *verdict, const char *path,
                  struct zrpc_error *err);

#endif
