/*
 * The pump's two directions: each call does what can be done without waiting.
 */
#ifndef ZRPC_DATACONN_PUMP_IO_H
#define ZRPC_DATACONN_PUMP_IO_H

#include "dataconn/pump.h"

/* 0; ZRPC_PUMP_SENT; or a failure. A wire that takes no more is not a failure while an answer is awaited: it
 * is noted in write_error, and reading goes on. */
int zrpc_pump_write(struct zrpc_pump *p, struct zrpc_error *err);
/* 0; ZRPC_PUMP_PHASE; or a failure. */
int zrpc_pump_read(struct zrpc_pump *p, struct zrpc_error *err);
/* n stream bytes went through. */
void zrpc_pump_count(struct zrpc_pump *p, size_t n);
bool zrpc_pump_is_pipe(int fd);
/* The next bytes on the wire are content that can go to the sink by splice. */
bool zrpc_pump_can_splice_in(const struct zrpc_pump *p);

#endif
