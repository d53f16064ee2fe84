/* The link's parts among themselves. All of it belongs to the loop's thread, unless it says otherwise. */
#ifndef SIM_LINK_LINK_INTERNAL_H
#define SIM_LINK_LINK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "sim/link/endpoint.h"
#include "sim/link/link.h"
#include "sim/link/machine.h"

/*
 * A connection. Side d sends into direction d: side 0 is the client, side 1 the server.
 */
enum zrpc_link_phase { ZRPC_LINK_HELD, ZRPC_LINK_DIALLING, ZRPC_LINK_RELAYING };

struct zrpc_link_connection {
    struct zrpc_link_connection *next;
    struct zrpc_link *link;
    struct zrpc_link_machine machine;
    struct zrpc_link_endpoint sides[2];
    enum zrpc_link_phase phase;
    zrpc_time held_until;
    bool source_ended[2]; /* side d will not be read any more */
    bool blocked[2];      /* direction d's receiver takes nothing now */
    zrpc_time
        drain_until[2]; /* a reset of direction d's receiver waits for it to take the rest; 0: does not */
    zrpc_time ended;    /* when both sources had ended; ZRPC_NEVER before */
    zrpc_time finished; /* when both directions were; ZRPC_NEVER before */
    bool recorded[2];
    zrpc_time wakeup;
};

/* Takes the client's endpoint. */
int zrpc_link_connection_new(struct zrpc_link *l, uint32_t number, const struct zrpc_link_endpoint *client,
                             zrpc_time now, struct zrpc_link_connection **out, struct zrpc_error *err);
/* Closes both ends; the child is the link's business. */
void zrpc_link_connection_free(struct zrpc_link_connection *c);
/* Does all that can be done now. */
void zrpc_link_connection_service(struct zrpc_link_connection *c, zrpc_time now);
/* Up to four descriptors that it waits for; _ready with what poll found. */
size_t zrpc_link_connection_wants(const struct zrpc_link_connection *c, struct pollfd out[static 4]);
void zrpc_link_connection_ready(struct zrpc_link_connection *c, zrpc_time now, const struct pollfd *fds,
                                size_t n);
bool zrpc_link_connection_finished(const struct zrpc_link_connection *c, zrpc_time now);
/* How direction d stands, one line, appended to *out. */
int zrpc_link_connection_describe(const struct zrpc_link_connection *c, enum zrpc_link_direction d,
                                  struct zrpc_buf *out, struct zrpc_error *err);

/*
 * The record: a plan that replays the run. Lines are written as things happen.
 */
int zrpc_link_record_open(struct zrpc_link *l, struct zrpc_error *err);
void zrpc_link_record_fault(struct zrpc_link *l, const struct zrpc_link_fault *fault);
/* Writes how direction d ended, and compares with the record that is replayed. */
void zrpc_link_record_end(struct zrpc_link_connection *c, enum zrpc_link_direction d);
/* At the link's end: whether all the connections came that the record has, which is replayed. */
void zrpc_link_record_compare_connections(struct zrpc_link *l);
void zrpc_link_record_close(struct zrpc_link *l);

/*
 * Control: a unix socket; a request is the words, each ended by a newline, until end of file.
 */
enum { ZRPC_LINK_CLIENTS_MAX = 8, ZRPC_LINK_REQUEST_MAX = 4096 };

struct zrpc_link_client {
    int fd; /* -1: free */
    struct zrpc_buf request;
};

struct zrpc_link_control {
    int fd; /* -1: none */
    struct zrpc_link_client clients[ZRPC_LINK_CLIENTS_MAX];
};

int zrpc_link_control_open(struct zrpc_link *l, struct zrpc_error *err);
void zrpc_link_control_close(struct zrpc_link *l);
size_t zrpc_link_control_wants(const struct zrpc_link *l,
                               struct pollfd out[static ZRPC_LINK_CLIENTS_MAX + 1]);
void zrpc_link_control_ready(struct zrpc_link *l, const struct pollfd *fds, size_t n);

struct zrpc_link {
    struct zrpc_link_plan *plan;
    struct zrpc_link_options options;
    struct zrpc_link_listener listener;
    struct zrpc_link_dialer dialer;
    struct zrpc_link_control control;
    pthread_mutex_t lock; /* everything but `stop`, while the loop does not wait */
    struct zrpc_link_connection *connections;
    uint32_t n_connections; /* accepted so far */
    zrpc_time opened;
    int wake_fd; /* eventfd */
    atomic_bool stop;
    bool has_thread;
    pthread_t thread;
    struct pollfd *fds;
    size_t cap_fds;
    pid_t *children;
    size_t n_children, cap_children;
    int child_status;
    unsigned failures;
    FILE *record;
    bool ended;
};

/* Logs, and counts as a failure. */
void zrpc_link_failed(struct zrpc_link *l, uint32_t connection, const char *what, const char *why);
/* A child to be waited for. */
int zrpc_link_adopt(struct zrpc_link *l, pid_t pid, struct zrpc_error *err);

#endif
