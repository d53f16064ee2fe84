/*
 * A logger that never keeps its callers waiting, whatever its sink does: for those who log while others
 * depend on them. Lines go to a thread of its own, which hands them to the parent's sink in their order.
 */
#ifndef ZRPC_LOG_QUEUE_H
#define ZRPC_LOG_QUEUE_H

#include "zrpc/error.h"
#include "zrpc/log.h"

#define ZRPC_LOG_QUEUE_MAX 1024 /* lines that wait; further ones are dropped, and a line tells how many */

struct zrpc_log_queue;

/* With the parent's level and fields. What the parent's sink needs must outlive the queue. ZRPC_ERR_NOMEM,
 * ZRPC_ERR_SYSTEM: no thread. */
int zrpc_log_queue_new(const struct zrpc_log *parent, struct zrpc_log_queue **out, struct zrpc_error *err);
/* Valid until free. */
const struct zrpc_log *zrpc_log_queue_log(const struct zrpc_log_queue *q);
/* Waits until the sink has taken every line. Nobody may be logging any more. NULL is allowed. */
void zrpc_log_queue_free(struct zrpc_log_queue *q);

#endif
