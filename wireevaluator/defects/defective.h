/*
 * What the defects are made of: a wire around a correct one, whose operations pass on.
 */
#ifndef ZRPC_WIREEVALUATOR_DEFECTIVE_H
#define ZRPC_WIREEVALUATOR_DEFECTIVE_H

#include <stdatomic.h>

#include "wireevaluator/defects/defects.h"

#define DEFECT_BUFFER 65536

struct defective {
    struct zrpc_wire base;
    struct zrpc_wire *inner;
    bool write_closed, broken;
    atomic_int again[2];    /* calls in a row that answered ZRPC_ERR_AGAIN, by direction */
    uint64_t moved[2];      /* bytes */
    int leaked;             /* descriptor or process, -1 */
    size_t held_from, held; /* bytes in buffer */
    uint8_t buffer[DEFECT_BUFFER];
};

struct defect_row {
    struct zrpc_eval_defect defect;
    struct zrpc_wire_ops ops;            /* only what is not passed on */
    void (*opened)(struct defective *d); /* optional */
};

struct defect_table {
    const struct defect_row *rows;
    size_t n;
};

extern const struct defect_table defects_reading, defects_writing, defects_closing;

ssize_t defective_readv(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err);
ssize_t defective_writev(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err);
int defective_close_write(struct zrpc_wire *wire, struct zrpc_error *err);
void defective_close(struct zrpc_wire *wire);

static inline struct defective *defective_of(struct zrpc_wire *wire)
{
    return (struct defective *)wire;
}

/* Blocks until the direction is ready, as no wire may. */
void defective_block(struct defective *d, enum zrpc_direction dir);
/* Copies len bytes between buf and a vector, from byte `at` of the vector. */
void defective_copy(const struct iovec *iov, int n, size_t at, void *buf, size_t len, bool to_vector);
size_t defective_len(const struct iovec *iov, int n);

#endif
