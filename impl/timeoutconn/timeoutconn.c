#include "zrpc/timeoutconn.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "zrpc/clock.h"

#define WINDOW 16 /* vector elements handed to the wire at once */

/* One direction. Whoever changes the deadline stores it, then raises the event; whoever waits lowers the
 * event, then loads the deadline: no change is ever slept through. */
struct direction {
    _Atomic zrpc_time deadline;
    int changed_event;
};

struct zrpc_timeoutconn {
    struct zrpc_wire *wire;
    struct direction directions[2]; /* by enum zrpc_direction */
    atomic_bool cancelled;
    const struct zrpc_cancel *cancel; /* NULL: none */
};

static const char *const direction_names[] = {"read", "write"};

int zrpc_timeoutconn_new(struct zrpc_wire *wire, struct zrpc_timeoutconn **out, struct zrpc_error *err)
{
    struct zrpc_timeoutconn *c = calloc(1, sizeof *c);
    int rc = 0;

    if (c == NULL) {
        zrpc_wire_close(wire);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "timeoutconn: no memory");
    }
    c->wire = wire;
    atomic_init(&c->cancelled, false);
    for (int dir = ZRPC_READ; dir <= ZRPC_WRITE; dir++) {
        atomic_init(&c->directions[dir].deadline, ZRPC_NEVER);
        c->directions[dir].changed_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (c->directions[dir].changed_event < 0)
            rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "timeoutconn: eventfd");
    }
    if (rc < 0) {
        zrpc_timeoutconn_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

struct zrpc_wire *zrpc_timeoutconn_release(struct zrpc_timeoutconn *c)
{
    struct zrpc_wire *wire = c->wire;

    for (int dir = ZRPC_READ; dir <= ZRPC_WRITE; dir++)
        if (c->directions[dir].changed_event >= 0)
            close(c->directions[dir].changed_event);
    free(c);
    return wire;
}

void zrpc_timeoutconn_close(struct zrpc_timeoutconn *c)
{
    zrpc_wire_close(zrpc_timeoutconn_release(c));
}

static void raise_event(const struct direction *d)
{
    /* Fails only where the event is up 2^64 - 2 times already, which serves as well. */
    (void)eventfd_write(d->changed_event, 1);
}

void zrpc_timeoutconn_set_deadline(struct zrpc_timeoutconn *c, enum zrpc_direction dir, zrpc_time deadline)
{
    atomic_store(&c->directions[dir].deadline, deadline);
    raise_event(&c->directions[dir]);
}

void zrpc_timeoutconn_set_cancel(struct zrpc_timeoutconn *c, const struct zrpc_cancel *cancel)
{
    c->cancel = cancel;
}

void zrpc_timeoutconn_cancel(struct zrpc_timeoutconn *c)
{
    atomic_store(&c->cancelled, true);
    raise_event(&c->directions[ZRPC_READ]);
    raise_event(&c->directions[ZRPC_WRITE]);
}

/* What stands against trying now: cancellation, the deadline. */
static int check(struct zrpc_timeoutconn *c, enum zrpc_direction dir, struct zrpc_error *err)
{
    zrpc_time deadline = atomic_load(&c->directions[dir].deadline);

    if (atomic_load(&c->cancelled) || zrpc_cancelled(c->cancel))
        return zrpc_fail(err, ZRPC_ERR_CANCELLED, "%s wire: %s cancelled", c->wire->ops->name,
                         direction_names[dir]);
    if (deadline != ZRPC_NEVER && zrpc_now() >= deadline)
        return zrpc_fail(err, ZRPC_ERR_TIMEOUT, "%s wire: %s deadline exceeded", c->wire->ops->name,
                         direction_names[dir]);
    return 0;
}

/* Until the wire is worth another try, the deadline comes, or something changes; check() tells which. */
static int wait_ready(struct zrpc_timeoutconn *c, enum zrpc_direction dir, struct zrpc_error *err)
{
    struct direction *d = &c->directions[dir];
    struct pollfd p[] = {zrpc_wire_wait(c->wire, dir),
                         {.fd = d->changed_event, .events = POLLIN},
                         zrpc_cancel_wait(c->cancel)};
    eventfd_t raised;
    int n;

    if (p[0].fd < 0)
        return 0;
    n = poll(p, 3, zrpc_poll_timeout(zrpc_now(), atomic_load(&d->deadline)));
    if (n < 0 && errno != EINTR)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s wire: poll", c->wire->ops->name);
    if (n > 0 && p[1].revents != 0)
        (void)eventfd_read(d->changed_event, &raised);
    return 0;
}

ssize_t zrpc_timeoutconn_readv(struct zrpc_timeoutconn *c, const struct iovec *iov, int n,
                               struct zrpc_error *err)
{
    for (;;) {
        int rc = check(c, ZRPC_READ, err);
        ssize_t got;

        if (rc < 0)
            return rc;
        got = zrpc_wire_readv(c->wire, iov, n, err);
        if (got != ZRPC_ERR_AGAIN)
            return got;
        rc = wait_ready(c, ZRPC_READ, err);
        if (rc < 0)
            return rc;
    }
}

ssize_t zrpc_timeoutconn_read(struct zrpc_timeoutconn *c, void *buf, size_t len, struct zrpc_error *err)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};

    return zrpc_timeoutconn_readv(c, &iov, 1, err);
}

int zrpc_timeoutconn_read_full(struct zrpc_timeoutconn *c, void *buf, size_t len, size_t *done,
                               struct zrpc_error *err)
{
    size_t have = 0;
    int rc = 0;

    while (rc == 0 && have < len) {
        ssize_t got = zrpc_timeoutconn_read(c, (char *)buf + have, len - have, err);

        if (got > 0)
            have += (size_t)got;
        else if (got == 0)
            rc = zrpc_fail(err, ZRPC_ERR_END, "%s wire: end of file after %zu of %zu bytes",
                           c->wire->ops->name, have, len);
        else
            rc = (int)got;
    }
    if (done != NULL)
        *done = have;
    return rc;
}

/* The part of a vector that is still to be written. */
struct rest {
    const struct iovec *iov;
    int n;
    size_t skip; /* bytes of iov[0] that are done */
};

static void rest_advance(struct rest *r, size_t n)
{
    r->skip += n;
    while (r->n > 0 && r->skip >= r->iov[0].iov_len) {
        r->skip -= r->iov[0].iov_len;
        r->iov++;
        r->n--;
    }
}

static int rest_window(const struct rest *r, struct iovec out[static WINDOW])
{
    int n = r->n < WINDOW ? r->n : WINDOW;

    for (int i = 0; i < n; i++)
        out[i] = r->iov[i];
    out[0].iov_base = (char *)out[0].iov_base + r->skip;
    out[0].iov_len -= r->skip;
    return n;
}

int zrpc_timeoutconn_writev(struct zrpc_timeoutconn *c, const struct iovec *iov, int n, size_t *done,
                            struct zrpc_error *err)
{
    struct rest rest = {.iov = iov, .n = n};
    struct iovec window[WINDOW];
    size_t taken = 0;
    int rc = 0;

    rest_advance(&rest, 0);
    while (rc == 0 && rest.n > 0) {
        ssize_t put;

        rc = check(c, ZRPC_WRITE, err);
        if (rc < 0)
            break;
        put = zrpc_wire_writev(c->wire, window, rest_window(&rest, window), err);
        if (put == ZRPC_ERR_AGAIN) {
            rc = wait_ready(c, ZRPC_WRITE, err);
        } else if (put < 0) {
            rc = (int)put;
        } else {
            taken += (size_t)put;
            rest_advance(&rest, (size_t)put);
        }
    }
    if (done != NULL)
        *done = taken;
    return rc;
}

int zrpc_timeoutconn_write(struct zrpc_timeoutconn *c, const void *buf, size_t len, size_t *done,
                           struct zrpc_error *err)
{
    struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};

    return zrpc_timeoutconn_writev(c, &iov, 1, done, err);
}

int zrpc_timeoutconn_close_write(struct zrpc_timeoutconn *c, struct zrpc_error *err)
{
    for (;;) {
        int rc = check(c, ZRPC_WRITE, err);

        if (rc < 0)
            return rc;
        rc = zrpc_wire_close_write(c->wire, err);
        if (rc != ZRPC_ERR_AGAIN)
            return rc;
        rc = wait_ready(c, ZRPC_WRITE, err);
        if (rc < 0)
            return rc;
    }
}
