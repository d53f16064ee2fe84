/*
 * What both sides of ssh+stdinserver share: the opening messages, and a wire on two descriptors that tells a
 * peer who has gone from one who only half-closed.
 */
#ifndef ZRPC_TRANSPORT_SSH_WIRE_H
#define ZRPC_TRANSPORT_SSH_WIRE_H

#include <pthread.h>
#include <stdatomic.h>

#include "zrpc/wire.h"

#define ZRPC_SSH_MESSAGE_LEN 31

/* How long an end of file is held back at most, to see whether the peer is gone: a process that ends closes
 * its descriptors one after the other, in no order, and on a busy machine takes its time. */
#define ZRPC_SSH_END_MS 250

extern const char zrpc_ssh_helo[ZRPC_SSH_MESSAGE_LEN];
extern const char zrpc_ssh_begin[ZRPC_SSH_MESSAGE_LEN];
extern const char zrpc_ssh_proxy_error[ZRPC_SSH_MESSAGE_LEN];

struct zrpc_ssh_wire;

/* What differs between the sides. */
struct zrpc_ssh_side {
    const char *name;
    /* The peer ended, and still reads or may do so: 0 for a good end, else the failure. */
    int (*ended)(struct zrpc_ssh_wire *w, struct zrpc_error *err);
    /* Adds to a failure's text what this side knows of it. Called with the lock held. */
    void (*explain)(struct zrpc_ssh_wire *w, struct zrpc_error *err);
    /* There was nothing to read or write: time for housekeeping. With the lock held. */
    void (*idle)(struct zrpc_ssh_wire *w);
    /* The wire is aborted. With the lock held. */
    void (*interrupt)(struct zrpc_ssh_wire *w);
    /* Both descriptors are closed; frees the wire. */
    void (*release)(struct zrpc_ssh_wire *w);
};

/* Embedded as the first member. */
struct zrpc_ssh_wire {
    struct zrpc_wire base;
    struct zrpc_wire_ops ops;
    const struct zrpc_ssh_side *side;
    pthread_mutex_t lock;
    struct zrpc_wire *inner; /* on the descriptors; NULL before zrpc_ssh_wire_attach() */
    int write_fd;
    bool write_closed;
    bool at_eof;
    bool shut_down;
    atomic_bool failed; /* a read or write has failed */
};

void zrpc_ssh_wire_init(struct zrpc_ssh_wire *w, const struct zrpc_ssh_side *side);
/* Takes the two descriptors; on failure they are closed. */
int zrpc_ssh_wire_attach(struct zrpc_ssh_wire *w, int read_fd, int write_fd, struct zrpc_error *err);
/* Exactly these many bytes, until `deadline` or cancelled. */
int zrpc_ssh_wire_read(struct zrpc_ssh_wire *w, char *buf, size_t len, zrpc_time deadline,
                       const struct zrpc_cancel *cancel, struct zrpc_error *err);
int zrpc_ssh_wire_write(struct zrpc_ssh_wire *w, const char *buf, size_t len, zrpc_time deadline,
                        const struct zrpc_cancel *cancel, struct zrpc_error *err);

#endif
