#include <signal.h>
#include <string.h>
#include <time.h>

#include "wireevaluator/defects/defective.h"
#include "wireevaluator/run.h"

static ssize_t blocks(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    ssize_t put;

    while ((put = defective_writev(wire, iov, n, err)) == ZRPC_ERR_AGAIN)
        defective_block(defective_of(wire), ZRPC_WRITE);
    return put;
}

/* A write that the wire takes in part counts as one byte less. */
static ssize_t repeats(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    ssize_t put = defective_writev(wire, iov, n, err);

    return put > 1 && (size_t)put < defective_len(iov, n) ? put - 1 : put;
}

static ssize_t timeout_ends_writing(struct zrpc_wire *wire, const struct iovec *iov, int n,
                                    struct zrpc_error *err)
{
    struct defective *d = defective_of(wire);
    ssize_t put;

    if (d->broken)
        return zrpc_fail(err, ZRPC_ERR_SYSTEM, "no writing after a timeout");
    put = defective_writev(wire, iov, n, err);
    d->broken = atomic_load(&d->again[ZRPC_WRITE]) > 2;
    return put;
}

static ssize_t never_full(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    ssize_t put = defective_writev(wire, iov, n, err);

    return put == ZRPC_ERR_AGAIN ? (ssize_t)defective_len(iov, n) : put;
}

static ssize_t after_close_write(struct zrpc_wire *wire, const struct iovec *iov, int n,
                                 struct zrpc_error *err)
{
    if (defective_of(wire)->write_closed)
        return (ssize_t)defective_len(iov, n);
    return defective_writev(wire, iov, n, err);
}

static ssize_t drops_elements(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > 0) {
            ssize_t put = defective_writev(wire, &iov[i], 1, err);

            return put == (ssize_t)iov[i].iov_len ? (ssize_t)defective_len(iov, n) : put;
        }
    }
    return defective_writev(wire, iov, n, err);
}

static ssize_t raises_sigpipe(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    ssize_t put = defective_writev(wire, iov, n, err);

    if (put == ZRPC_ERR_RESET)
        raise(SIGPIPE);
    return put;
}

/* One direction at a time: nothing is received while a write waits. */
static ssize_t half_duplex(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct timespec nap = {.tv_nsec = 2000000};

    if (atomic_load(&defective_of(wire)->again[ZRPC_WRITE]) > 0) {
        nanosleep(&nap, NULL);
        return ZRPC_ERR_AGAIN;
    }
    return defective_readv(wire, iov, n, err);
}

/* One deadline for both directions: what ended a read ends writes too. */
static ssize_t shares_the_deadline(struct zrpc_wire *wire, const struct iovec *iov, int n,
                                   struct zrpc_error *err)
{
    if (atomic_load(&defective_of(wire)->again[ZRPC_READ]) > 1)
        return zrpc_fail(err, ZRPC_ERR_TIMEOUT, "the deadline has passed");
    return defective_writev(wire, iov, n, err);
}

/* Takes a little more than the wire does, and forgets it when half-closed. */
static ssize_t buffers(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct defective *d = defective_of(wire);
    struct iovec held = {.iov_base = d->buffer + d->held_from, .iov_len = d->held};
    size_t len = defective_len(iov, n);
    ssize_t put = 0;

    if (d->held > 0) {
        put = defective_writev(wire, &held, 1, err);
        if (put <= 0)
            return put;
        d->held_from += (size_t)put;
        d->held -= (size_t)put;
        if (d->held > 0)
            return ZRPC_ERR_AGAIN;
    }
    put = defective_writev(wire, iov, n, err);
    if (put != ZRPC_ERR_AGAIN)
        return put;
    d->held_from = 0;
    d->held = len < 1000 ? len : 1000;
    defective_copy(iov, n, 0, d->buffer, d->held, false);
    return (ssize_t)d->held;
}

static const struct defect_row rows[] = {
    {{"write-deadline-ignored", "a write blocks until the peer reads", CLAUSE_WRITE_WAITS,
      "nettest.write-timeout"},
     {.writev = blocks},
     NULL},
    {{"timeout-repeats-bytes", "what went out before a timeout is not all counted", CLAUSE_NO_LOSS,
      "deadline.timeouts-lose-nothing"},
     {.writev = repeats},
     NULL},
    {{"timeout-ends-writing", "after a timeout, writes fail for ever", CLAUSE_USABLE,
      "deadline.usable-again"},
     {.writev = timeout_ends_writing},
     NULL},
    {{"never-full", "a full wire swallows what it cannot take", CLAUSE_WRITE_WAITS, "bytes.write-waits"},
     {.writev = never_full},
     NULL},
    {{"write-after-closewrite", "after CloseWrite, writes succeed and go nowhere", CLAUSE_NO_WRITES,
      "closewrite.write-after"},
     {.writev = after_close_write},
     NULL},
    {{"vector-write-drops", "a vectored write sends its first element only", CLAUSE_VECTORS, "bytes.vectors"},
     {.writev = drops_elements},
     NULL},
    {{"sigpipe", "writing to a peer that is gone raises SIGPIPE", CLAUSE_LOST, "vanish.writing-fails"},
     {.writev = raises_sigpipe},
     NULL},
    {{"half-duplex", "nothing is received while a write waits", CLAUSE_INDEPENDENT, "nettest.write-timeout"},
     {.readv = half_duplex},
     NULL},
    {{"shared-deadline", "a read's timeout is the writes' too", CLAUSE_INDEPENDENT, "deadline.independent"},
     {.writev = shares_the_deadline},
     NULL},
    {{"closewrite-drops-buffer", "CloseWrite forgets what could not be sent yet", CLAUSE_EOF,
      "closewrite.full-send-buffer"},
     {.writev = buffers},
     NULL},
};

const struct defect_table defects_writing = {rows, sizeof rows / sizeof rows[0]};
