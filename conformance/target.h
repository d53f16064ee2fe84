/*
 * Target: the implementation under test as the suite finds it, or starts it.
 *
 * A command is run by /bin/sh with stdout and stderr in one file without a name. It stays in the foreground;
 * it is killed when the suite ends, however that ends. It is ready when it prints a line "listening on
 * ENDPOINT", or, where its endpoint is known beforehand, as soon as that can be connected to.
 */
#ifndef ZRPC_CONFORMANCE_TARGET_H
#define ZRPC_CONFORMANCE_TARGET_H

#include "conformance/text.h"
#include "zrpc/clock.h"
#include "zrpc/wire.h"

#define ZRPC_TARGET_START_TIMEOUT (20 * ZRPC_SECOND)

struct zrpc_target {
    const char *command;             /* NULL: started by somebody else */
    char endpoint[ZRPC_ADDRESS_MAX]; /* "tcp:127.0.0.1:8888" */
    long pid;                        /* 0: not running, or not ours */
    int output;                      /* what it printed; -1 */
    bool endpoint_given;
    unsigned starts;
};

/* A target that somebody else runs. ZRPC_ERR_USAGE for an endpoint that no dialer takes. */
int zrpc_target_init_endpoint(struct zrpc_target *t, const char *endpoint, struct zrpc_error *err);
/* Has the suite start it; t is all-zero but for output = -1, or has an endpoint, which then counts, whatever
 * the command prints. */
void zrpc_target_set_command(struct zrpc_target *t, const char *command);
/* Starts the command and waits until it is ready; ends an earlier one first. ZRPC_ERR_USAGE with what it
 * printed. */
int zrpc_target_start(struct zrpc_target *t, struct zrpc_error *err);
/* SIGTERM, and SIGKILL where that is not enough. */
void zrpc_target_stop(struct zrpc_target *t);
/* Whether a command that was started has ended; appends how, and the last lines it printed. */
bool zrpc_target_has_ended(struct zrpc_target *t, struct zrpc_buf *how);
/* The same, for one that may be about to: its connections close before its end can be waited for. */
bool zrpc_target_ends_within(struct zrpc_target *t, zrpc_time timeout, struct zrpc_buf *how);

#endif
