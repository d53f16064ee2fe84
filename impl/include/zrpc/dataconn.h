/*
 * dataconn: one request per data connection (proto/SPEC.md, ZR-REQ-*).
 *
 * The request machines are sans-I/O: fed bytes and the time, they say which phase the request is in and what
 * goes out. The blocking calls at the end of this header drive them over a wire whose handshake and label
 * are done.
 */
#ifndef ZRPC_DATACONN_H
#define ZRPC_DATACONN_H

#include "zrpc/handler.h"
#include "zrpc/heartbeatconn.h"
#include "zrpc/stream.h"
#include "zrpc/workpool.h"

#define ZRPC_REQUEST_HEADER_MAX  32768u     /* bytes: the endpoint's name */
#define ZRPC_REQUEST_MAX         (4u << 20) /* bytes: the protobuf request */
#define ZRPC_RESPONSE_HEADER_MAX 32768u     /* bytes: "HANDLER OK\n" or the error text */
#define ZRPC_RESPONSE_MAX        (8u << 20) /* bytes: the protobuf response */

#define ZRPC_HANDLER_OK_HEADER    "HANDLER OK\n"
#define ZRPC_HANDLER_ERROR_PREFIX "HANDLER ERROR:\n"

enum zrpc_dataconn_type {
    ZRPC_DATACONN_REQUEST_HEADER = 1,
    ZRPC_DATACONN_REQUEST = 2,
    ZRPC_DATACONN_RESPONSE_HEADER = 3,
    ZRPC_DATACONN_RESPONSE = 4,
    ZRPC_DATACONN_ZFS_STREAM = 5,
};

enum zrpc_dataconn_method {
    ZRPC_DATACONN_PING,
    ZRPC_DATACONN_SEND,
    ZRPC_DATACONN_RECV,
    ZRPC_DATACONN_METHODS
};

struct zrpc_dataconn_endpoint {
    enum zrpc_dataconn_method method;
    const char *path; /* "/v1/ping" */
    const ProtobufCMessageDescriptor *request, *response;
};

/* Static table, indexed by method. */
const struct zrpc_dataconn_endpoint *zrpc_dataconn_endpoint(enum zrpc_dataconn_method method);
/* NULL: no such endpoint. */
const struct zrpc_dataconn_endpoint *zrpc_dataconn_find_endpoint(struct zrpc_view path);

/*
 * What both machines share: a connection with one thing expected from the peer and at most one stream going
 * out.
 */
enum zrpc_exchange_event {
    ZRPC_EXCHANGE_MORE = 0, /* the input is used up */
    ZRPC_EXCHANGE_CONTENT,  /* a piece of the expected stream, borrowed from the input */
    ZRPC_EXCHANGE_MESSAGE,  /* the expected message is whole: zrpc_exchange_message() */
    ZRPC_EXCHANGE_STREAM,   /* the expected stream is complete */
    ZRPC_EXCHANGE_PHASE,    /* the request is in another phase */
};

enum zrpc_exchange_expect { ZRPC_EXPECT_NOTHING, ZRPC_EXPECT_MESSAGE, ZRPC_EXPECT_STREAM };

struct zrpc_exchange {
    struct zrpc_heartbeatconn hc;
    enum zrpc_exchange_expect expect;
    struct zrpc_message_reader reader; /* for a stream, only reader.stream is used */
    bool reading;                      /* input is welcome; false while what follows has nowhere to go yet */
    uint32_t sending;                  /* type of the stream going out, 0: none */
};

void zrpc_exchange_init(struct zrpc_exchange *x, const struct zrpc_heartbeat_config *config, zrpc_time now);
void zrpc_exchange_dispose(struct zrpc_exchange *x);
void zrpc_exchange_expect_message(struct zrpc_exchange *x, uint32_t type, size_t limit);
void zrpc_exchange_expect_stream(struct zrpc_exchange *x, uint32_t type);
/* Valid until the next expectation. */
struct zrpc_view zrpc_exchange_message(const struct zrpc_exchange *x);
/* An enum zrpc_exchange_event, or what heartbeatconn, the stream or the message reader failed with. After an
 * event other than MORE, bytes may be left in *in. What comes while nothing is expected is ZRPC_ERR_STREAM.
 */
int zrpc_exchange_input(struct zrpc_exchange *x, zrpc_time now, struct zrpc_view *in,
                        struct zrpc_view *content, struct zrpc_error *err);

/* The stream going out: begin a piece (the body follows by zrpc_heartbeatconn_sent), then end or fail it. */
int zrpc_exchange_stream_begin(struct zrpc_exchange *x, zrpc_time now, uint32_t length,
                               struct zrpc_error *err);
int zrpc_exchange_stream_end(struct zrpc_exchange *x, zrpc_time now, struct zrpc_error *err);
int zrpc_exchange_stream_fail(struct zrpc_exchange *x, zrpc_time now, const char *text,
                              struct zrpc_error *err);

/*
 * Passive side:
 *
 *     HEADER -> REQUEST -> HANDLER -+-> DONE                           ping, dry run, refusal
 *                                   +-> STREAM_OUT -> DONE             send
 *                                   +-> STREAM_IN -> FINISH -> DONE    recv
 *
 * In HANDLER the caller runs the handler, then answers with respond, refuse or receive. In FINISH it makes
 * what was received count, then answers likewise. In DONE it shuts the connection down once output is out.
 */
enum zrpc_dataconn_phase {
    ZRPC_PHASE_HEADER,
    ZRPC_PHASE_REQUEST,
    ZRPC_PHASE_HANDLER,
    ZRPC_PHASE_STREAM_IN,
    ZRPC_PHASE_FINISH,
    ZRPC_PHASE_STREAM_OUT,
    ZRPC_PHASE_DONE,
};

struct zrpc_dataconn_server {
    struct zrpc_exchange x;
    enum zrpc_dataconn_phase phase;
    const struct zrpc_dataconn_endpoint *endpoint; /* from REQUEST on */
    ProtobufCMessage *request;                     /* from HANDLER on; owned by the machine */
    struct zrpc_error refused; /* why the machine itself refused; code ZRPC_OK: it did not */
    bool deaf;                 /* the peer said more than its request: it is answered, but no longer read */
};

void zrpc_dataconn_server_init(struct zrpc_dataconn_server *s, const struct zrpc_heartbeat_config *config,
                               zrpc_time now);
void zrpc_dataconn_server_dispose(struct zrpc_dataconn_server *s);
/* MORE, CONTENT (in STREAM_IN) or PHASE. A request that cannot be served (unknown endpoint, above a limit,
 * undecodable, source error) is refused by the machine: phase DONE, and `refused` says why. One that more
 * follows than belongs to it is answered all the same (ZR-REQ-034). */
int zrpc_dataconn_server_input(struct zrpc_dataconn_server *s, zrpc_time now, struct zrpc_view *in,
                               struct zrpc_view *content, struct zrpc_error *err);
/* To STREAM_OUT where a stream follows, else to DONE. */
int zrpc_dataconn_server_respond(struct zrpc_dataconn_server *s, zrpc_time now,
                                 const ProtobufCMessage *response, bool stream_follows,
                                 struct zrpc_error *err);
/* To DONE. Legal from any phase before the response; the text is cut to the limit at a UTF-8 boundary. */
int zrpc_dataconn_server_refuse(struct zrpc_dataconn_server *s, zrpc_time now, const char *text,
                                struct zrpc_error *err);
/* HANDLER to STREAM_IN: the handler has a sink. */
void zrpc_dataconn_server_receive(struct zrpc_dataconn_server *s);

/*
 * Active side:
 *
 *     HEADER -> REQUEST (the response is awaited) -+-> DONE                  ping, dry run, recv
 *                                                  +-> STREAM_IN -> DONE     send
 *
 * From the start on, a recv's stream goes out at the same time. An error of the remote handler fails input
 * with ZRPC_ERR_HANDLER, whatever became of that stream.
 */
struct zrpc_dataconn_client {
    struct zrpc_exchange x;
    enum zrpc_dataconn_phase phase;
    const struct zrpc_dataconn_endpoint *endpoint;
    bool stream_follows;
    ProtobufCMessage *response; /* once past REQUEST; owned by the machine */
};

/* Queues the request. `stream_follows`: for send, that the response is followed by a stream (no DryRun); for
 * recv it must be true. */
int zrpc_dataconn_client_init(struct zrpc_dataconn_client *c, const struct zrpc_heartbeat_config *config,
                              zrpc_time now, enum zrpc_dataconn_method method,
                              const ProtobufCMessage *request, bool stream_follows, struct zrpc_error *err);
void zrpc_dataconn_client_dispose(struct zrpc_dataconn_client *c);
int zrpc_dataconn_client_input(struct zrpc_dataconn_client *c, zrpc_time now, struct zrpc_view *in,
                               struct zrpc_view *content, struct zrpc_error *err);

/*
 * Blocking calls. They own the wire: it is shut down in order and closed when they return.
 */
struct zrpc_dataconn_options {
    struct zrpc_heartbeat_config heartbeat;
    const struct zrpc_cancel *cancel; /* optional */
    zrpc_time deadline;               /* of the whole request, ZRPC_ERR_TIMEOUT then; 0, ZRPC_NEVER: none */
    /* Optional, clients: the text of an error that the server reports, where it is longer than a zrpc_error
     * holds: whole, as zrpc_buf_set_text() leaves it. Else it stays as it is. */
    struct zrpc_buf *long_text;
    /* Optional: stream bytes that went through so far. Called often, from the calling thread. */
    void (*progress)(void *ctx, uint64_t bytes);
    void *progress_ctx;
    const struct zrpc_log *log; /* optional */
};

/* *echo is malloc'd. */
int zrpc_dataconn_ping(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options,
                       const char *message, char **echo, struct zrpc_error *err);

/* Called with the response, before its stream; sets *sink, which the call then owns. A failure cancels the
 * request. */
typedef int zrpc_dataconn_open_sink(void *ctx, const Zrpc__Pb__SendRes *res, struct zrpc_sink *sink,
                                    struct zrpc_error *err);

/* The stream, if there is one, is in the sink and finished when this returns 0. Free *res with
 * zrpc__pb__send_res__free_unpacked; it may be set on failure too (the stream failed later). */
int zrpc_dataconn_send(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options,
                       const Zrpc__Pb__SendReq *req, zrpc_dataconn_open_sink *open_sink, void *ctx,
                       Zrpc__Pb__SendRes **res, struct zrpc_error *err);

/* Takes ownership of *source. A failed source fails the call with ZRPC_ERR_SOURCE after the peer has been
 * told; the remote handler's error has precedence over the write error that an early refusal causes on our
 * side. */
int zrpc_dataconn_recv(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options,
                       const Zrpc__Pb__ReceiveReq *req, struct zrpc_source *source, struct zrpc_error *err);

/* Where the blocking parts of a served request run. A handler may have to wait for another request to end (a
 * bound on concurrent receives), so what ends requests has threads of its own. */
struct zrpc_dataconn_pools {
    struct zrpc_workpool *handlers;
    struct zrpc_workpool *finishers; /* a sink's finish */
};

/* What is served. */
struct zrpc_dataconn_service {
    const struct zrpc_handler *handler;
    struct zrpc_dataconn_pools pools;
    /* Optional: runs before the handler, where that runs; may set call->user, or refuse as a handler does. */
    int (*intercept)(void *ctx, struct zrpc_call *call, struct zrpc_error *err);
    void *intercept_ctx;
    const struct zrpc_cancel *stop; /* once raised, a request that is not whole yet is refused; optional */
};

/* Serves one request, with `call` as the handler's context (its method is filled in here). 0: answered, be it
 * with a refusal; else what went wrong with the connection, or ZRPC_ERR_CLOSED where the stop ended it. */
int zrpc_dataconn_serve(struct zrpc_wire *wire, const struct zrpc_dataconn_options *options,
                        const struct zrpc_dataconn_service *service, struct zrpc_call *call,
                        struct zrpc_error *err);

#endif
