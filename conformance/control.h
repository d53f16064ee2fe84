/*
 * Control: calls on a control connection, and what is expected of their answers. Expectations name every
 * legal outcome; anything else decides the run.
 */
#ifndef ZRPC_CONFORMANCE_CONTROL_H
#define ZRPC_CONFORMANCE_CONTROL_H

#include "conformance/h2.h"
#include "zrepl_v1.pb-c.h"

#define ZRPC_CONTROL_PREFIX_LEN 5
#define ZRPC_CONTROL_LARGEST    (4u << 20) /* bytes of a message */

/*
 * Requests
 */
/* What a call's headers are; NULL: as good clients have them, "": left out. */
struct zrpc_control_headers {
    const char *method, *scheme, *path, *authority, *content_type, *te,
        *timeout; /* timeout: left out if NULL */
    const char *extra_name, *extra_value;
    bool literal; /* not compressed at all */
    bool end;     /* END_STREAM */
};

void zrpc_control_put_headers(struct zrpc_h2 *h, const struct zrpc_control_headers *o, struct zrpc_buf *out);
/* HEADERS alone. */
struct zrpc_h2_call *zrpc_control_begin(struct zrpc_h2 *h, const struct zrpc_control_headers *o);
/* The five bytes and the message. */
void zrpc_control_put_message(struct zrpc_buf *out, struct zrpc_view message);
/* The rest of the call: one message and END_STREAM. */
void zrpc_control_finish(struct zrpc_h2 *h, struct zrpc_h2_call *call, struct zrpc_view message);
void zrpc_control_finish_ping(struct zrpc_h2 *h, struct zrpc_h2_call *call, const char *text);
/* A whole call: `method` is "Ping", ... */
struct zrpc_h2_call *zrpc_control_call(struct zrpc_h2 *h, const char *method,
                                       const ProtobufCMessage *request);
struct zrpc_h2_call *zrpc_control_ping(struct zrpc_h2 *h, const char *text);
struct zrpc_h2_call *zrpc_control_versions(struct zrpc_h2 *h, const char *filesystem);

/*
 * Expectations
 */
enum zrpc_call_outcome {
    ZRPC_CALL_OK = 1 << 0,     /* one message and grpc-status 0 */
    ZRPC_CALL_STATUS = 1 << 1, /* another grpc-status, and no message */
    ZRPC_CALL_HTTP = 1 << 2,   /* an HTTP status other than 200 */
    ZRPC_CALL_RESET = 1 << 3,  /* RST_STREAM */
    ZRPC_CALL_CLOSED = 1 << 4, /* the connection ended, with or without GOAWAY before */
};

#define ZRPC_CALL_REFUSED (ZRPC_CALL_STATUS | ZRPC_CALL_RESET)
#define ZRPC_ANY_STATUS   0

/* One of the outcomes in `legal`, within that time; an outcome of another form is none of them. `statuses`
 * has the bits (1 << status) that ZRPC_CALL_STATUS may have, ZRPC_ANY_STATUS all but 0. Returns the outcome,
 * or 0 when the run is decided. */
unsigned zrpc_expect_call(struct zrpc_h2 *h, struct zrpc_h2_call *call, unsigned legal, uint32_t statuses,
                          zrpc_time within);
/* An answer, promptly: its message. */
struct zrpc_view zrpc_expect_ok(struct zrpc_h2 *h, struct zrpc_h2_call *call);
/* And decoded; owned by the run. NULL when the run is decided. */
const ProtobufCMessage *zrpc_expect_reply(struct zrpc_h2 *h, struct zrpc_h2_call *call,
                                          const ProtobufCMessageDescriptor *descriptor);
void zrpc_expect_echo(struct zrpc_h2 *h, struct zrpc_h2_call *call, const char *text);
/* That status, promptly. */
void zrpc_expect_status(struct zrpc_h2 *h, struct zrpc_h2_call *call, int status);
/* A ping on this connection is answered: it lives. */
void zrpc_expect_alive(struct zrpc_h2 *h);
/* The target ends the connection, promptly, whatever comes before. */
void zrpc_expect_connection_end(struct zrpc_h2 *h, const char *because);
/* Every SETTINGS of ours is acknowledged, promptly. */
void zrpc_expect_settings_acked(struct zrpc_h2 *h);
/* A PING of these bytes is answered, promptly. */
void zrpc_expect_ping_ack(struct zrpc_h2 *h, const char opaque[static 8]);

#endif
