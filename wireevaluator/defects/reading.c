#include <string.h>
#include <sys/socket.h>

#include "wireevaluator/case.h"
#include "wireevaluator/defects/defective.h"
#include "wireevaluator/run.h"

#define LAST 3 /* bytes */

/* What the inner wire gives goes through the buffer, if the buffer is empty. > 0 unless it gave nothing. */
static ssize_t refill(struct defective *d, size_t max, struct zrpc_error *err)
{
    struct iovec iov = {.iov_base = d->buffer, .iov_len = max < DEFECT_BUFFER ? max : DEFECT_BUFFER};
    ssize_t got;

    if (d->held > 0)
        return (ssize_t)d->held;
    got = zrpc_wire_readv(d->inner, &iov, 1, err);
    if (got > 0) {
        d->held_from = 0;
        d->held = (size_t)got;
    }
    return got;
}

static ssize_t deliver(struct defective *d, const struct iovec *iov, int n)
{
    size_t len = defective_len(iov, n);

    if (len > d->held)
        len = d->held;
    defective_copy(iov, n, 0, d->buffer + d->held_from, len, true);
    d->held_from += len;
    d->held -= len;
    d->moved[ZRPC_READ] += len;
    return (ssize_t)len;
}

static bool peer_half_closed(struct defective *d)
{
    struct pollfd p = {.fd = zrpc_wire_wait(d->inner, ZRPC_READ).fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0 && (p.revents & POLLRDHUP) != 0;
}

static ssize_t loses_last_bytes(struct zrpc_wire *wire, const struct iovec *iov, int n,
                                struct zrpc_error *err)
{
    struct defective *d = defective_of(wire);
    ssize_t got = refill(d, DEFECT_BUFFER - 1, err);
    struct iovec next = {.iov_base = d->buffer + d->held_from + d->held, .iov_len = 1};

    if (got <= 0)
        return got;
    if (d->held_from + d->held < DEFECT_BUFFER && peer_half_closed(d)) {
        ssize_t more = zrpc_wire_readv(d->inner, &next, 1, NULL);

        if (more == 0)
            d->held -= d->held < LAST ? d->held : LAST;
        else if (more > 0)
            d->held++;
    }
    return deliver(d, iov, n);
}

static ssize_t eof_overtakes(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    return peer_half_closed(defective_of(wire)) ? 0 : defective_readv(wire, iov, n, err);
}

static ssize_t eof_once(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct defective *d = defective_of(wire);
    ssize_t got;

    if (d->broken)
        return ZRPC_ERR_AGAIN;
    got = defective_readv(wire, iov, n, err);
    d->broken = got == 0;
    return got;
}

static ssize_t blocks(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    ssize_t got;

    while ((got = defective_readv(wire, iov, n, err)) == ZRPC_ERR_AGAIN)
        defective_block(defective_of(wire), ZRPC_READ);
    return got;
}

/* The second try in vain is one that a deadline has ended. */
static ssize_t timeout_loses(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct defective *d = defective_of(wire);
    bool timed_out = atomic_load(&d->again[ZRPC_READ]) > 1;
    ssize_t got = defective_readv(wire, iov, n, err);
    uint8_t bytes[DEFECT_BUFFER];

    if (got < 2 || !timed_out)
        return got;
    if (got > DEFECT_BUFFER)
        got = DEFECT_BUFFER;
    defective_copy(iov, n, 0, bytes, (size_t)got, false);
    defective_copy(iov, n, 0, bytes + 1, (size_t)got - 1, true);
    return got - 1;
}

static ssize_t timeout_is_eof(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    ssize_t got = defective_readv(wire, iov, n, err);

    return got == ZRPC_ERR_AGAIN && atomic_load(&defective_of(wire)->again[ZRPC_READ]) > 1 ? 0 : got;
}

static ssize_t timeout_ends_reading(struct zrpc_wire *wire, const struct iovec *iov, int n,
                                    struct zrpc_error *err)
{
    struct defective *d = defective_of(wire);
    ssize_t got;

    if (d->broken)
        return zrpc_fail(err, ZRPC_ERR_SYSTEM, "no reading after a timeout");
    got = defective_readv(wire, iov, n, err);
    d->broken = atomic_load(&d->again[ZRPC_READ]) > 1;
    return got;
}

static ssize_t eof_instead_of_reset(struct zrpc_wire *wire, const struct iovec *iov, int n,
                                    struct zrpc_error *err)
{
    ssize_t got = defective_readv(wire, iov, n, err);

    return got == ZRPC_ERR_RESET ? 0 : got;
}

/* Reads ahead, and then waits for the socket although it has bytes itself. */
static ssize_t reads_ahead(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct defective *d = defective_of(wire);
    ssize_t got;

    if (d->held == 0) {
        got = refill(d, DEFECT_BUFFER, err);
        d->broken = false;
        return got <= 0 ? got : deliver(d, iov, n);
    }
    d->broken = !d->broken;
    return d->broken ? ZRPC_ERR_AGAIN : deliver(d, iov, n);
}

static ssize_t changes_a_bit(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    const uint64_t at = 500000;
    struct defective *d = defective_of(wire);
    uint64_t before = d->moved[ZRPC_READ];
    ssize_t got = defective_readv(wire, iov, n, err);
    uint8_t byte;

    if (got <= 0 || before > at || before + (uint64_t)got <= at)
        return got;
    defective_copy(iov, n, at - before, &byte, 1, false);
    byte ^= 4;
    defective_copy(iov, n, at - before, &byte, 1, true);
    return got;
}

static ssize_t first_element_only(struct zrpc_wire *wire, const struct iovec *iov, int n,
                                  struct zrpc_error *err)
{
    ssize_t got = defective_readv(wire, iov, n, err);

    for (int i = 0; i < n && got > 0; i++)
        if (iov[i].iov_len > 0)
            return got < (ssize_t)iov[i].iov_len ? got : (ssize_t)iov[i].iov_len;
    return got;
}

static const struct defect_row rows[] = {
    {{"loses-last-bytes", "the last bytes before the end are lost", CLAUSE_EOF,
      "closewrite.eof-after-all-data"},
     {.readv = loses_last_bytes},
     NULL},
    {{"eof-overtakes", "the end comes before bytes that were written before it", CLAUSE_EOF,
      "closewrite.eof-after-all-data"},
     {.readv = eof_overtakes},
     NULL},
    {{"eof-once", "the end is reported once, then reading blocks", CLAUSE_EOF, "closewrite.empty-stream"},
     {.readv = eof_once},
     NULL},
    {{"read-deadline-ignored", "a read blocks until there are bytes", CLAUSE_CHANGE,
      "deadline.read-brought-forward"},
     {.readv = blocks},
     NULL},
    {{"timeout-loses-bytes", "after a timeout, the next byte is lost", CLAUSE_NO_LOSS,
      "deadline.partial-read"},
     {.readv = timeout_loses},
     NULL},
    {{"timeout-is-eof", "an expired deadline looks like the end", CLAUSE_TIMEOUT, "deadline.partial-read"},
     {.readv = timeout_is_eof},
     NULL},
    {{"timeout-ends-reading", "after a timeout, reads fail for ever", CLAUSE_USABLE,
      "nettest.future-timeout"},
     {.readv = timeout_ends_reading},
     NULL},
    {{"eof-instead-of-reset", "a lost connection looks like the end", CLAUSE_LOST, "vanish.not-eof"},
     {.readv = eof_instead_of_reset},
     NULL},
    {{"lost-wakeup", "bytes that were read ahead wait for others to come", CLAUSE_BYTES, "bytes.small-reads"},
     {.readv = reads_ahead},
     NULL},
    {{"changes-a-bit", "one bit of half a million bytes is wrong", CLAUSE_BYTES, "bytes.full-duplex"},
     {.readv = changes_a_bit},
     NULL},
    {{"vector-read-short", "a vectored read reports its first element only", CLAUSE_VECTORS, "bytes.vectors"},
     {.readv = first_element_only},
     NULL},
};

const struct defect_table defects_reading = {rows, sizeof rows / sizeof rows[0]};
