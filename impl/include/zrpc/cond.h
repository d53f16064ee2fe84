/*
 * Conditions whose waits end at a zrpc_time, a point on the monotonic clock (zrpc/clock.h). Threads signal
 * and destroy them with pthread's own calls.
 */
#ifndef ZRPC_COND_H
#define ZRPC_COND_H

#include <pthread.h>

#include "zrpc/clock.h"

/* 0, or an errno. */
int zrpc_cond_init(pthread_cond_t *cond);
/* As pthread_cond_timedwait(3): 0, also for no reason, or ETIMEDOUT; never that for ZRPC_NEVER. */
int zrpc_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, zrpc_time until);

#endif
