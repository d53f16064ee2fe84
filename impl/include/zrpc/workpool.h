/*
 * workpool: a bounded set of threads that run jobs, so that handlers block nobody's loop.
 */
#ifndef ZRPC_WORKPOOL_H
#define ZRPC_WORKPOOL_H

#include "zrpc/error.h"

struct zrpc_workpool;

/* At most `threads` at once, started on demand; at most `queue` jobs wait for one. */
int zrpc_workpool_new(unsigned threads, unsigned queue, struct zrpc_workpool **out, struct zrpc_error *err);
/* Never blocks. ZRPC_ERR_LIMIT where the queue is full: the job will not run. */
int zrpc_workpool_submit(struct zrpc_workpool *pool, void (*run)(void *arg), void *arg,
                         struct zrpc_error *err);
/* Waits for all jobs, then ends the threads. NULL is allowed. */
void zrpc_workpool_close(struct zrpc_workpool *pool);

#endif
