/*
 * heartbeatconn: frames kept alive (proto/SPEC.md, ZR-HB-*). Sans-I/O: the caller brings bytes and the time.
 *
 * A side that has sent no frame for `interval` sends a heartbeat, between frames only (ZR-HB-001, ZR-HB-002).
 * Reading times out when nothing arrives for `timeout` while the caller wants to read (ZR-HB-007, ZR-HB-009).
 * A pending write times out when it makes no progress for `timeout`; each heartbeat received grants it
 * another `timeout` (ZR-HB-010, ZR-HB-011).
 */
#ifndef ZRPC_HEARTBEATCONN_H
#define ZRPC_HEARTBEATCONN_H

#include "zrpc/frameconn.h"

#define ZRPC_HEARTBEAT_INTERVAL_DEFAULT (5 * ZRPC_SECOND)
#define ZRPC_HEARTBEAT_TIMEOUT_DEFAULT  (10 * ZRPC_SECOND)

struct zrpc_heartbeat_config {
    zrpc_time interval;         /* 0: the default */
    zrpc_time timeout;          /* 0: the default */
    zrpc_time shutdown_timeout; /* 0: the default */
};

struct zrpc_heartbeat_stats {
    uint64_t heartbeats_sent, heartbeats_received;
    uint64_t bytes_sent, bytes_received; /* on the wire, frame headers included */
    uint64_t write_renewals;             /* times a heartbeat extended a pending write */
};

struct zrpc_heartbeatconn {
    struct zrpc_frameconn conn;
    struct zrpc_heartbeat_config config;
    zrpc_time last_sent;      /* when the last frame was out */
    zrpc_time read_deadline;  /* ZRPC_NEVER while the caller does not want to read */
    zrpc_time write_deadline; /* ZRPC_NEVER while nothing is pending */
    struct zrpc_heartbeat_stats stats;
};

/* NULL config: all defaults. */
void zrpc_heartbeatconn_init(struct zrpc_heartbeatconn *c, const struct zrpc_heartbeat_config *config,
                             zrpc_time now);
void zrpc_heartbeatconn_dispose(struct zrpc_heartbeatconn *c);

/* Reading. Heartbeats are absorbed; other events are those of frameconn. Every call with a non-empty *in
 * counts as progress. */
int zrpc_heartbeatconn_input(struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_view *in,
                             struct zrpc_frame_event *ev, struct zrpc_error *err);
/* n payload bytes of the current frame passed the reader by. */
void zrpc_heartbeatconn_moved(struct zrpc_heartbeatconn *c, zrpc_time now, uint32_t n);
int zrpc_heartbeatconn_eof(struct zrpc_heartbeatconn *c, struct zrpc_error *err);
/* Tell when waiting for the peer begins and ends: only then does the read deadline run. */
void zrpc_heartbeatconn_want_read(struct zrpc_heartbeatconn *c, zrpc_time now, bool wanted);

/* Writing: as frameconn's writer; ZRPC_ERR_CLOSED unless OPEN, or after abandon_output. ZRPC_ERR_USAGE for a
 * type that belongs to frameconn or heartbeatconn. The write deadline runs from here on, so begin a body only
 * when its bytes are at hand. */
int zrpc_heartbeatconn_put(struct zrpc_heartbeatconn *c, zrpc_time now, uint32_t type,
                           struct zrpc_view payload, struct zrpc_error *err);
int zrpc_heartbeatconn_begin(struct zrpc_heartbeatconn *c, zrpc_time now, uint32_t type, uint32_t length,
                             struct zrpc_error *err);
void zrpc_heartbeatconn_sent(struct zrpc_heartbeatconn *c, zrpc_time now, size_t n);
static inline bool zrpc_heartbeatconn_idle(const struct zrpc_heartbeatconn *c)
{
    return zrpc_frame_writer_idle(&c->conn.writer);
}

/* Time. Queues a heartbeat that is due and nothing else pending (what is pending will do as well); fails with
 * ZRPC_ERR_READ_TIMEOUT, ZRPC_ERR_WRITE_TIMEOUT, or, while shutting down, ZRPC_ERR_TIMEOUT. Call when
 * `wakeup` has come, or more often. */
int zrpc_heartbeatconn_tick(struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_error *err);
zrpc_time zrpc_heartbeatconn_wakeup(const struct zrpc_heartbeatconn *c);

/* Queues a heartbeat now, if nothing else is pending: whoever is gone for good cannot take it. */
int zrpc_heartbeatconn_beat(struct zrpc_heartbeatconn *c, zrpc_time now, struct zrpc_error *err);

/* As frameconn's; deadlines are no longer renewed from here on. */
void zrpc_heartbeatconn_shutdown(struct zrpc_heartbeatconn *c, zrpc_time now);

#endif
