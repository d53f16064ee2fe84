/*
 * SIGPIPE in library code: writing to a vanished reader must be an error, never the process's death, and a
 * library does not set dispositions. Where no MSG_NOSIGNAL can be given (pipes, splice), the signal is
 * blocked in the thread around the call, and one that became pending there is taken back.
 */
#ifndef ZRPC_SIGPIPE_H
#define ZRPC_SIGPIPE_H

#include <signal.h>

/* Blocks SIGPIPE in this thread. *saved is for zrpc_sigpipe_restore() in the same thread; pairs may nest. */
void zrpc_sigpipe_block(sigset_t *saved);
/* Takes back a SIGPIPE that is pending although it was not blocked before, and restores the mask. Keeps
 * errno. */
void zrpc_sigpipe_restore(const sigset_t *saved);

#endif
