/*
 * A log that tests can ask: what was logged, and how often. From any thread.
 */
#ifndef ZRPC_TESTING_LOGLINES_H
#define ZRPC_TESTING_LOGLINES_H

#include <pthread.h>

#include "zrpc/bytes.h"
#include "zrpc/log.h"

struct loglines {
    pthread_mutex_t lock;
    struct zrpc_buf text; /* lines, each with its newline */
};

/* *log writes to `lines`, at every level. */
void loglines_init(struct loglines *lines, struct zrpc_log *log);
void loglines_dispose(struct loglines *lines);
/* How many lines contain the text. */
size_t loglines_count(struct loglines *lines, const char *needle);
/* Waits until `n` do; prints all lines, and gives up, after half a minute. */
void loglines_await(struct loglines *lines, const char *needle, size_t n);

#endif
