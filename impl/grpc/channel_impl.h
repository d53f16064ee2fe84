/*
 * The channel's inside: channel.c has what callers see, channel_io.c the thread that moves the bytes.
 */
#ifndef ZRPC_GRPC_CHANNEL_IMPL_H
#define ZRPC_GRPC_CHANNEL_IMPL_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "zrpc/channel.h"
#include "zrpc/grpc_client.h"
#include "zrpc/log_queue.h"

#define CHANNEL_READ_SIZE 65536
#define CHANNEL_WAIT_ROOM 9 /* descriptors, to begin with */

/* On its caller's stack. */
struct zrpc_channel_call {
    struct zrpc_grpc_call grpc;     /* first: the session gives back pointers to it */
    struct zrpc_channel_call *next; /* in whatever queue it is */
    struct channel_conn *conn;      /* under way on; NULL: not yet */
    bool wait_for_ready;
    bool over; /* it has its result; its caller may not know yet */
    unsigned resent;
    zrpc_time not_before;        /* to be sent again then; ZRPC_NEVER: now */
    struct zrpc_backoff refused; /* once it was */
    sem_t done;
    int done_fd; /* -1: `done` tells its caller; otherwise this does, a caller that may cancel */
};

struct call_queue {
    struct zrpc_channel_call *first, **end;
};

struct channel_conn {
    struct channel_conn *next;
    struct zrpc_wire *wire;
    struct zrpc_grpc_client *session;
    zrpc_time keepalive_interval;
    bool calmed;             /* too_many_pings has been heeded */
    bool blocked;            /* the wire takes no more bytes now */
    size_t read_index;       /* in the thread's wait set */
    zrpc_time dead_at;       /* writing failed: what the server still had to say is read until then */
    struct zrpc_error error; /* of the writing */
};

/* What the thread polls: its wake-up and every connection. It grows with them. */
struct wait_set {
    struct pollfd *fds;
    size_t n, room;
    bool conns; /* they are in it */
    bool hurry; /* one need not be waited for */
};

/* One attempt to connect, in a thread of its own. */
struct channel_attempt {
    pthread_t thread;
    bool running, finished;
    zrpc_time deadline;
    struct zrpc_wire *wire;
    struct zrpc_error error;
};

/* Who reads the connections and closes them. The thread does, but in a conversation of single quick calls it
 * lends that to the callers: one that reads its answer itself saves a change of threads. */
enum channel_driver {
    CHANNEL_DRIVER_THREAD,
    CHANNEL_DRIVER_NOBODY, /* lent, but nobody calls just now */
    CHANNEL_DRIVER_CALLER,
};

struct zrpc_channel {
    struct zrpc_connector connector;
    struct zrpc_channel_options options; /* its strings are ours */
    char *name, *authority;
    pthread_t thread;
    int wake_fd;
    /* Calls that have just arrived, newest first. Whoever finds `awake` set need not wake the thread: it will
     * look at them before it sleeps. */
    _Atomic(struct zrpc_channel_call *) arrived;
    atomic_bool awake;

    pthread_mutex_t lock; /* all below */
    pthread_cond_t state_changed;
    struct zrpc_connectivity connectivity;
    enum zrpc_channel_state shown; /* the state last told */
    struct call_queue pending, finished;
    struct channel_conn *conns;   /* newest first */
    struct channel_conn *current; /* new calls go there; NULL: none */
    struct channel_attempt attempt;
    enum channel_driver driver;
    bool lent_in_use;  /* since the thread last looked */
    unsigned answered; /* calls, since then */
    zrpc_time keepalive_interval;
    zrpc_time sleeps_until; /* the thread, or so it will when it next sleeps */
    zrpc_time shutdown_at;  /* ZRPC_NEVER: not shut down */
    bool freed;             /* the thread may end */
    uint8_t *read_buf;      /* the driver's */
    struct wait_set wait;   /* the thread's */
    struct zrpc_log_queue *log;
};

/* channel.c */
void zrpc_channel_wake(struct zrpc_channel *ch);
void zrpc_call_queue_init(struct call_queue *q);
void zrpc_call_queue_append(struct call_queue *q, struct zrpc_channel_call *call);
/* Wakes the callers of a queue that is nobody else's any more. Without the lock. */
void zrpc_channel_release(struct zrpc_channel_call *calls);

/* channel_io.c */
void *zrpc_channel_thread(void *channel);
/* When the thread next has something to do, short of events. With the lock. */
zrpc_time zrpc_channel_wakeup(struct zrpc_channel *ch);

/* channel_conn.c, all but receive() with the lock */
/* Ends a call that is in no session. */
void zrpc_channel_fail(struct zrpc_channel *ch, struct zrpc_channel_call *call, enum zrpc_grpc_status status,
                       int code, const char *text);
/* The same for one that waited for a connection: adds why there was none, where that is known. */
void zrpc_channel_fail_waiting(struct zrpc_channel *ch, struct zrpc_channel_call *call,
                               enum zrpc_grpc_status status, int code, const char *text);
/* Takes what has arrived, and begins what can begin. */
void zrpc_channel_take_arrived(struct zrpc_channel *ch);
void zrpc_channel_dispatch(struct zrpc_channel *ch, zrpc_time now);
/* Collects the calls that are over in a session; those to be sent again go back into the queue. */
void zrpc_channel_harvest(struct zrpc_channel *ch, struct channel_conn *conn);
/* What is to be handed to zrpc_channel_release(). */
struct zrpc_channel_call *zrpc_channel_take_finished(struct zrpc_channel *ch);
/* Writes what the wire takes. */
void zrpc_channel_flush(struct zrpc_channel *ch, struct channel_conn *conn);
/* All that time and former events ask for; by the driver, since it may close the connection. */
void zrpc_channel_step_conn(struct zrpc_channel *ch, struct channel_conn *conn, zrpc_time now);
void zrpc_channel_fail_conn(struct zrpc_channel *ch, struct channel_conn *conn, const struct zrpc_error *why);
/* Reads what there is; by the driver, without the lock. Negative: the connection is closed and gone. */
int zrpc_channel_receive(struct zrpc_channel *ch, struct channel_conn *conn);

#endif
