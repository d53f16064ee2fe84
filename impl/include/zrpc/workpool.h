/*
 * workpool: a bounded set of threads that run jobs, so that handlers block nobody's loop. Threads start when
 * there is work for them and end after some time without. Jobs begin in the order they came, and none waits
 * for another to end while a thread is idle or can be started.
 */
#ifndef ZRPC_WORKPOOL_H
#define ZRPC_WORKPOOL_H

#include <stddef.h>

#include "zrpc/clock.h"
#include "zrpc/error.h"

#define ZRPC_WORKPOOL_IDLE_TIMEOUT_DEFAULT (10 * ZRPC_SECOND)

struct zrpc_workpool;

/* At most `threads` (> 0) at once; at most `queue` jobs, which may be 0, wait for one beyond those that run.
 * ZRPC_ERR_USAGE, ZRPC_ERR_NOMEM. */
int zrpc_workpool_new(unsigned threads, unsigned queue, struct zrpc_workpool **out, struct zrpc_error *err);
/* How long a thread lives on without work, from its next idling on; > 0. */
void zrpc_workpool_set_idle_timeout(struct zrpc_workpool *pool, zrpc_time timeout);
/* Runs run(arg) once in a thread of the pool. Never blocks. ZRPC_ERR_LIMIT where the queue is full,
 * ZRPC_ERR_SYSTEM where there is no thread and none can be started, ZRPC_ERR_CLOSED during close: then the
 * job will not run. Jobs may submit jobs, but must not wait for them. */
int zrpc_workpool_submit(struct zrpc_workpool *pool, void (*run)(void *arg), void *arg,
                         struct zrpc_error *err);
/* Waits for all jobs, queued ones too, for which it starts no more threads, then ends the threads. NULL is
 * allowed. Not from a job of its own, nor while another thread may still submit. */
void zrpc_workpool_close(struct zrpc_workpool *pool);

struct zrpc_workpool_stats {
    size_t threads, running, queued; /* threads there are, those of them at a job, jobs waiting */
};

struct zrpc_workpool_stats zrpc_workpool_stats(struct zrpc_workpool *pool);

#endif
