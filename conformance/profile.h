/*
 * Target profiles: what the implementation under test offers to be tested with, and its timing. Everything
 * has a default that fits the reference server's demo pool; a YAML file (see conformance/profiles) replaces
 * it.
 *
 *     timing: {heartbeat_interval: 5s, ...}
 *     send:
 *       full: {filesystem: pool/a, to: "@2", size: 1048576}
 *     receive:
 *       accepted: {filesystem: "pool/copy-%", content: bytes}
 */
#ifndef ZRPC_CONFORMANCE_PROFILE_H
#define ZRPC_CONFORMANCE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "zrpc/bytes.h"
#include "zrpc/clock.h"
#include "zrpc/error.h"

/* X(name, default, meaning) */
#define ZRPC_TIMING_MAP(X)                                                                             \
    X(handshake, 10 * ZRPC_SECOND, "the target's deadline for the handshake")                          \
    X(label, 10 * ZRPC_SECOND, "the target's deadline for the label")                                  \
    X(heartbeat_interval, 5 * ZRPC_SECOND, "the target heartbeats after that much silence of its own") \
    X(heartbeat_slack, 3 * ZRPC_SECOND, "by how much a heartbeat may be late")                         \
    X(read_timeout, 10 * ZRPC_SECOND, "the target gives up after that much silence of ours")           \
    X(write_timeout, 10 * ZRPC_SECOND, "the target gives up a write that got nowhere for that long")   \
    X(shutdown, 10 * ZRPC_SECOND, "the target's deadline for draining")                                \
    X(slack, 3 * ZRPC_SECOND, "by how much the effect of a deadline may be late")                      \
    X(early, 200 * ZRPC_MILLISECOND, "by how much it may be early: two clocks never agree")            \
    X(prompt, 5 * ZRPC_SECOND, "what \"promptly\" means")                                              \
    X(keepalive, 5 * ZRPC_SECOND, "how often the suite's control client pings")                        \
    X(idle, 60 * ZRPC_SECOND, "for how long the suite leaves a control connection without calls")

struct zrpc_timing {
#define ZRPC_TIMING_FIELD(name, value, meaning) zrpc_time name;
    ZRPC_TIMING_MAP(ZRPC_TIMING_FIELD)
#undef ZRPC_TIMING_FIELD
};

/* X(id, section, key, meaning) */
#define ZRPC_OFFER_MAP(X)                                                                                    \
    X(SEND_FULL, "send", "full", "a full send, of some hundred KiB to a few MiB")                            \
    X(SEND_INCREMENT, "send", "increment", "an incremental send (with from)")                                \
    X(SEND_LARGE, "send", "large", "a full send of 32 MiB or more: more than socket buffers hold")           \
    X(SEND_EMPTY, "send", "empty", "a send whose stream has no bytes")                                       \
    X(SEND_FAILING, "send", "failing", "a send whose source fails after the answer")                         \
    X(SEND_STALLING, "send", "stalling", "a send that takes `pause` to answer, or in its stream")            \
    X(SEND_REFUSED, "send", "refused", "a send that the handler refuses")                                    \
    X(SEND_VERBOSE, "send", "verbose", "a send refused with a text of more than 32768 bytes")                \
    X(RECEIVE_ACCEPTED, "receive", "accepted", "a filesystem to receive into, % made unique")                \
    X(RECEIVE_REFUSED, "receive", "refused", "a filesystem whose receive is refused before the stream")      \
    X(RECEIVE_FAILING, "receive", "failing", "one whose receive fails in the middle of the stream")          \
    X(RECEIVE_STALLING, "receive", "stalling", "one whose receive takes nothing for `pause`")                \
    X(CONTROL_VERSIONS, "control", "versions", "a filesystem with two snapshots and a bookmark at least")    \
    X(CONTROL_WIDE, "control", "wide", "one with a version whose guid is above 2^63")                        \
    X(CONTROL_LONG, "control", "long", "one whose `size` versions take more than 65535 bytes to list")       \
    X(CONTROL_FAILING, "control", "failing", "one whose versions cannot be listed: `text` says why")         \
    X(CONTROL_SLOW, "control", "slow", "one whose versions take `pause` to list")                            \
    X(CONTROL_CURSOR, "control", "cursor", "one whose cursor goes to snapshot `to`, and not back to `from`") \
    X(CONTROL_NO_CURSOR, "control", "no-cursor", "one with a snapshot `to` and without a cursor")            \
    X(CONTROL_HIDDEN, "control", "hidden", "one that exists and is not served")                              \
    X(CONTROL_PLACEHOLDER, "control", "placeholder",                                                         \
      "one to receive into, whose parent becomes a placeholder")

enum zrpc_offer_id {
#define ZRPC_OFFER_ENUM(id, section, key, meaning) ZRPC_OFFER_##id,
    ZRPC_OFFER_MAP(ZRPC_OFFER_ENUM)
#undef ZRPC_OFFER_ENUM
        ZRPC_OFFER_COUNT
};

enum zrpc_content {
    ZRPC_CONTENT_BYTES, /* any bytes are received */
    ZRPC_CONTENT_SENT,  /* only what the target itself sent: send.full */
    ZRPC_CONTENT_FILE,  /* a stream in a file: for targets that do not send */
};

struct zrpc_offer {
    bool present;
    char *filesystem;
    char *to, *from; /* with delimiter; `from` may be NULL, and for a receive `to` too: what to send back */
    uint64_t size;   /* send: bytes of the stream, 0 where not known */
    char *sha256;    /* send: of the stream, hex, or NULL */
    zrpc_time pause; /* stalling, slow */
    char *text;      /* of an error, a part of it, or NULL */
    enum zrpc_content content; /* receive */
    char *file;                /* of that content, or NULL */
};

struct zrpc_profile {
    unsigned protocol_version;
    struct zrpc_timing timing;
    struct zrpc_offer offers[ZRPC_OFFER_COUNT];
};

/* "send.full", ... Static. */
const char *zrpc_offer_name(enum zrpc_offer_id id);
const char *zrpc_offer_meaning(enum zrpc_offer_id id);

/* The specification's timing and the demo pool of the reference server. */
int zrpc_profile_init(struct zrpc_profile *p, struct zrpc_error *err);
void zrpc_profile_dispose(struct zrpc_profile *p);
/* Reads a file's text over what *p has. ZRPC_ERR_USAGE with NAME:LINE for what is not understood; then *p is
 * disposed of. */
int zrpc_profile_add(struct zrpc_profile *p, const char *name, const char *yaml, struct zrpc_error *err);
/* A profile that offers what the text says and nothing else; timing not given is the specification's. */
int zrpc_profile_parse(struct zrpc_profile *p, const char *name, const char *yaml, struct zrpc_error *err);
int zrpc_profile_load(struct zrpc_profile *p, const char *path, struct zrpc_error *err);
/* Appends the profile as a YAML file that could be read again, each key with its meaning. */
void zrpc_profile_print(const struct zrpc_profile *p, struct zrpc_buf *out);

#endif
