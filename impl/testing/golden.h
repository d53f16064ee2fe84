/*
 * The recordings of real peers in proto/golden (its README.md says what is in each), for tests that run from
 * the top of the source tree.
 */
#ifndef ZRPC_TESTING_GOLDEN_H
#define ZRPC_TESTING_GOLDEN_H

#include "zrpc/bytes.h"

#define ZRPC_GOLDEN_DIR "proto/golden"

enum zrpc_golden_side { ZRPC_GOLDEN_CLIENT, ZRPC_GOLDEN_SERVER };
enum zrpc_golden_end { ZRPC_GOLDEN_EOF = 1, ZRPC_GOLDEN_RESET };

struct zrpc_recording {
    struct {
        struct zrpc_buf bytes; /* all that the side wrote */
        enum zrpc_golden_end end;
    } side[2]; /* by enum zrpc_golden_side */
};

/* "ping.0" for proto/golden/ping.0.txt. ZRPC_ERR_SYSTEM, or ZRPC_ERR_USAGE for a file that is no recording.
 */
int zrpc_recording_load(const char *name, struct zrpc_recording *out, struct zrpc_error *err);
void zrpc_recording_dispose(struct zrpc_recording *r);

#endif
