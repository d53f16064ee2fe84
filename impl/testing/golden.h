/*
 * The recordings of real peers in proto/golden (its README.md says what is in each), for tests that run from
 * the top of the source tree.
 */
#ifndef ZRPC_TESTING_GOLDEN_H
#define ZRPC_TESTING_GOLDEN_H

#include <protobuf-c/protobuf-c.h>

#include "zrpc/bytes.h"
#include "zrpc/transportmux.h"

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

/* How many recordings have a client that sent this label; ZRPC_LABEL_COUNT: none. */
int zrpc_recordings_count(enum zrpc_label label);

/*
 * Assertions: what is decoded is encoded again, and must be the recorded bytes.
 */
/* The banner at the front of *in, fed in portions of at most `portion` bytes, and taken off. */
void zrpc_golden_check_banner(struct zrpc_view *in, size_t portion);
/* The label at the front of *in, taken off. Answers whether it was this one. */
bool zrpc_golden_check_label(struct zrpc_view *in, enum zrpc_label expected);

struct zrpc_golden_message {
    const ProtobufCMessageDescriptor *descriptor; /* NULL: there is no message */
    void (*check)(const void *msg);               /* looks at the fields; NULL: nothing to look at */
};

void zrpc_golden_check_message(const struct zrpc_golden_message *m, struct zrpc_view content);

#endif
