/*
 * The four testcases of zrepl's wireevaluator: what each side does. Two programs speak this, so it cannot
 * change; the verdicts are right, where the original's are not.
 *
 * closewrite: the sender writes a pattern over and over. The receiver consumes 5/3 of `bulk` bytes of it,
 * answers with 7 bytes, half-closes and drains. The sender must read exactly those, and the end, while it is
 * still writing.
 *
 * readdeadline: one side writes a message and reads with a deadline, which must end in a timeout; then it
 * closes. The other sleeps longer than that and writes: that must fail, not necessarily at the first write.
 */
#ifndef ZRPC_WIREEVALUATOR_ORIGINAL_H
#define ZRPC_WIREEVALUATOR_ORIGINAL_H

#include "wireevaluator/run.h"

struct zrpc_eval_original_times {
    zrpc_time deadline, sleep;
};

/* Of the original: 1 s, 3 s. */
extern const struct zrpc_eval_original_times zrpc_eval_original_times;

void zrpc_eval_original_sender(struct zrpc_eval_end *end);
void zrpc_eval_original_receiver(struct zrpc_eval_end *end);
/* Closes the end before it returns. */
void zrpc_eval_original_send_then_read(struct zrpc_eval_end *end, zrpc_time deadline);
/* When the peer has closed. */
void zrpc_eval_original_write_to_nobody(struct zrpc_eval_end *end);

struct zrpc_eval_original {
    const char *name;                           /* "closewrite_server" */
    void (*side[2])(struct zrpc_eval_end *end); /* connecting, serving; with the original's times */
};

/* NULL for an unknown name. */
const struct zrpc_eval_original *zrpc_eval_original_find(const char *name);

#endif
