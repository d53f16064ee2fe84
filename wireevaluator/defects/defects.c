#include "wireevaluator/defects/defects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wireevaluator/defects/defective.h"
#include "zrpc/transport.h"

static const struct defect_table *const tables[] = {&defects_reading, &defects_writing, &defects_closing};

static const struct defect_row *row_at(size_t i)
{
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        if (i < tables[t]->n)
            return &tables[t]->rows[i];
        i -= tables[t]->n;
    }
    return NULL;
}

const struct zrpc_eval_defect *zrpc_eval_defect_at(size_t i)
{
    const struct defect_row *row = row_at(i);

    return row == NULL ? NULL : &row->defect;
}

/*
 * Passing on
 */
static void count(struct defective *d, enum zrpc_direction dir, ssize_t rc)
{
    if (rc == ZRPC_ERR_AGAIN)
        atomic_fetch_add(&d->again[dir], 1);
    else
        atomic_store(&d->again[dir], 0);
    if (rc > 0)
        d->moved[dir] += (uint64_t)rc;
}

ssize_t defective_readv(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct defective *d = defective_of(wire);
    ssize_t rc = zrpc_wire_readv(d->inner, iov, n, err);

    count(d, ZRPC_READ, rc);
    return rc;
}

ssize_t defective_writev(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct defective *d = defective_of(wire);
    ssize_t rc = zrpc_wire_writev(d->inner, iov, n, err);

    count(d, ZRPC_WRITE, rc);
    return rc;
}

int defective_close_write(struct zrpc_wire *wire, struct zrpc_error *err)
{
    struct defective *d = defective_of(wire);
    int rc = zrpc_wire_close_write(d->inner, err);

    d->write_closed = d->write_closed || rc == 0;
    return rc;
}

static struct pollfd defective_wait(struct zrpc_wire *wire, enum zrpc_direction dir)
{
    return zrpc_wire_wait(defective_of(wire)->inner, dir);
}

static void defective_shutdown(struct zrpc_wire *wire)
{
    zrpc_wire_shutdown(defective_of(wire)->inner);
}

void defective_close(struct zrpc_wire *wire)
{
    zrpc_wire_close(defective_of(wire)->inner);
    free(wire);
}

void defective_block(struct defective *d, enum zrpc_direction dir)
{
    struct pollfd p = zrpc_wire_wait(d->inner, dir);

    while (poll(&p, 1, -1) < 0 && errno == EINTR)
        continue;
}

size_t defective_len(const struct iovec *iov, int n)
{
    size_t len = 0;

    for (int i = 0; i < n; i++)
        len += iov[i].iov_len;
    return len;
}

void defective_copy(const struct iovec *iov, int n, size_t at, void *buf, size_t len, bool to_vector)
{
    uint8_t *p = buf;

    for (int i = 0; i < n && len > 0; i++) {
        size_t skip = at < iov[i].iov_len ? at : iov[i].iov_len, room = iov[i].iov_len - skip;
        size_t part = room < len ? room : len;

        if (part > 0 && to_vector)
            memcpy((uint8_t *)iov[i].iov_base + skip, p, part);
        else if (part > 0)
            memcpy(p, (const uint8_t *)iov[i].iov_base + skip, part);
        at -= skip;
        p += part;
        len -= part;
    }
}

/*
 * The transport
 */
struct defect_transport {
    struct zrpc_evaluated base;
    struct zrpc_evaluated_ops vtable;
    struct zrpc_wire_ops ops; /* complete */
    const struct defect_row *row;
    char name[64];
};

static struct zrpc_wire *wrap(const struct defect_transport *t, struct zrpc_wire *inner,
                              struct zrpc_error *err)
{
    struct defective *d = calloc(1, sizeof *d);

    if (d == NULL) {
        zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: no memory", t->name);
        return NULL;
    }
    d->base.ops = &t->ops;
    d->inner = inner;
    d->leaked = -1;
    if (t->row->opened != NULL)
        t->row->opened(d);
    return &d->base;
}

static int open_pair(struct zrpc_evaluated *base, zrpc_time deadline, struct zrpc_wire *out[2],
                     struct zrpc_error *err)
{
    struct defect_transport *t = (struct defect_transport *)base;
    struct zrpc_wire *inner[2];
    int rc = zrpc_local_pair(inner, err);

    (void)deadline;
    if (rc < 0)
        return rc;
    for (int i = 0; i < 2; i++)
        out[i] = wrap(t, inner[i], err);
    if (out[0] != NULL && out[1] != NULL)
        return 0;
    for (int i = 0; i < 2; i++)
        if (out[i] == NULL)
            zrpc_wire_close(inner[i]);
        else
            zrpc_wire_close(out[i]);
    return ZRPC_ERR_NOMEM;
}

static const char *configuration(const struct zrpc_evaluated *base)
{
    return ((const struct defect_transport *)base)->row->defect.what;
}

static void close_transport(struct zrpc_evaluated *base)
{
    free(base);
}

static const struct zrpc_wire_ops passing_on = {
    .readv = defective_readv,
    .writev = defective_writev,
    .close_write = defective_close_write,
    .wait = defective_wait,
    .shutdown = defective_shutdown,
    .close = defective_close,
};

#define TAKE(slot)                       \
    do {                                 \
        if (row->ops.slot != NULL)       \
            t->ops.slot = row->ops.slot; \
    } while (0)

static struct defect_transport *new_transport(const struct defect_row *row)
{
    struct defect_transport *t = calloc(1, sizeof *t);

    if (t == NULL)
        return NULL;
    snprintf(t->name, sizeof t->name, "defect:%s", row->defect.name);
    t->vtable = (struct zrpc_evaluated_ops){
        .name = t->name, .open_pair = open_pair, .configuration = configuration, .close = close_transport};
    t->base.ops = &t->vtable;
    t->row = row;
    t->ops = passing_on;
    t->ops.name = t->name;
    TAKE(readv);
    TAKE(writev);
    TAKE(close_write);
    TAKE(wait);
    TAKE(shutdown);
    TAKE(close);
    return t;
}

int zrpc_eval_defect_open(const char *name, struct zrpc_evaluated **out, struct zrpc_error *err)
{
    char names[800] = "";
    const struct defect_row *row;
    struct defect_transport *t;

    for (size_t i = 0; (row = row_at(i)) != NULL; i++) {
        size_t len = strlen(names);

        if (strcmp(row->defect.name, name) == 0)
            break;
        snprintf(names + len, sizeof names - len, "%s%s", len == 0 ? "" : ", ", row->defect.name);
    }
    if (row == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "defect \"%s\", expected one of %s", name, names);
    t = new_transport(row);
    if (t == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: no memory", name);
    *out = &t->base;
    return 0;
}
