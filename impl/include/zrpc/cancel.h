/*
 * Cancellation: one flag, owned by whoever may want an end, that every blocking call honours in whatever step
 * it is: resolving, dialling, handshakes, requests. It ends with ZRPC_ERR_CANCELLED then.
 *
 * Any number of calls, in any number of threads, may borrow one flag; it must outlive them. Where calls take
 * a pointer to one, NULL means that nobody cancels. Once raised it stays so.
 */
#ifndef ZRPC_CANCEL_H
#define ZRPC_CANCEL_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "zrpc/clock.h"
#include "zrpc/error.h"

struct zrpc_cancel {
    atomic_bool raised;
    int fd; /* readable from then on; -1: not initialised */
};

#define ZRPC_CANCEL_NONE \
    {                    \
        .fd = -1         \
    } /* an initialiser for what may not come to zrpc_cancel_init() */

/* ZRPC_ERR_SYSTEM: no descriptor. */
int zrpc_cancel_init(struct zrpc_cancel *c, struct zrpc_error *err);
/* Also of one whose init failed. */
void zrpc_cancel_dispose(struct zrpc_cancel *c);
/* From any thread, and from a signal handler: errno stays as it is. */
void zrpc_cancel_raise(struct zrpc_cancel *c);

static inline bool zrpc_cancelled(const struct zrpc_cancel *c)
{
    return c != NULL && atomic_load(&c->raised);
}

/* What to poll for beside other descriptors. */
static inline struct pollfd zrpc_cancel_wait(const struct zrpc_cancel *c)
{
    return (struct pollfd){.fd = c == NULL ? -1 : c->fd, .events = POLLIN};
}

/* Waits for one descriptor: 0 when poll(2) has something to say about it, also if its time is over by then;
 * ZRPC_ERR_TIMEOUT at `deadline`, ZRPC_ERR_CANCELLED, ZRPC_ERR_SYSTEM. fd = -1: nothing to wait for, as
 * zrpc_wire_wait() has it. */
int zrpc_await(struct pollfd fd, zrpc_time deadline, const struct zrpc_cancel *cancel,
               struct zrpc_error *err);

#endif
