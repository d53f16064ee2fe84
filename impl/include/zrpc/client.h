/*
 * rpc client: everything the active side can ask a server, over one control connection that is kept and one
 * data connection for each data request (proto/SPEC.md, ZR-CHAN-*, ZR-REQ-*, ZR-MSG-*).
 *
 * All calls block, and any number of threads may call at the same time. Control calls obey their
 * zrpc_call_options, data requests their zrpc_dataconn_options: deadline and cancellation (zrpc/cancel.h) end
 * a call in whatever step it is, dialling and handshakes included.
 */
#ifndef ZRPC_CLIENT_H
#define ZRPC_CLIENT_H

#include "zrpc/channel.h"
#include "zrpc/connect.h"
#include "zrpc/dataconn.h"

#define ZRPC_DATACONN_PING_SLEEP_DEFAULT (1 * ZRPC_SECOND) /* ZR-CHAN-* */
#define ZRPC_DATACONN_PING_SLEEP_ENV     "ZREPL_RPC_DATACONN_PING_SLEEP"

struct zrpc_client_options {
    struct zrpc_connect_options connect;
    struct zrpc_keepalive_config keepalive;
    struct zrpc_backoff_config backoff;
    size_t control_request_max, control_response_max; /* bytes; 0: zrpc/channel.h */
    zrpc_time data_ping_sleep;          /* before a failed dial is tried again in wait_for_connectivity */
    const struct zrpc_log *log;         /* general; all three optional, to outlive the client */
    const struct zrpc_log *log_control; /* NULL: as general */
    const struct zrpc_log *log_data;    /* NULL: as general; a request's own, in its options, goes first */
};

/* All defaults, or what the environment says. ZRPC_ERR_USAGE naming the variable that is no duration. */
int zrpc_client_options_env(struct zrpc_client_options *options, struct zrpc_error *err);

struct zrpc_client;

/* Does not connect yet. The dialer is borrowed and must outlive the client. */
int zrpc_client_new(struct zrpc_dialer *dialer, const struct zrpc_client_options *options,
                    struct zrpc_client **out, struct zrpc_error *err);
/* Interrupts an attempt to connect. No call may be under way in another thread. NULL is allowed. */
void zrpc_client_close(struct zrpc_client *c);
/* Ends the wait before the next attempt to connect control. */
void zrpc_client_reset_connect_backoff(struct zrpc_client *c);
/* The control connection's channel, for its state. */
struct zrpc_channel *zrpc_client_channel(struct zrpc_client *c);

/*
 * Control. On success *res is the caller's, to be freed with its free_unpacked. Errors are those of
 * zrpc_channel_call(): ZRPC_ERR_HANDLER where the server's handler refused.
 */
int zrpc_client_list_filesystems(struct zrpc_client *c, const struct zrpc_call_options *options,
                                 const Zrpc__Pb__ListFilesystemReq *req, Zrpc__Pb__ListFilesystemRes **res,
                                 struct zrpc_error *err);
int zrpc_client_list_filesystem_versions(struct zrpc_client *c, const struct zrpc_call_options *options,
                                         const Zrpc__Pb__ListFilesystemVersionsReq *req,
                                         Zrpc__Pb__ListFilesystemVersionsRes **res, struct zrpc_error *err);
int zrpc_client_destroy_snapshots(struct zrpc_client *c, const struct zrpc_call_options *options,
                                  const Zrpc__Pb__DestroySnapshotsReq *req,
                                  Zrpc__Pb__DestroySnapshotsRes **res, struct zrpc_error *err);
int zrpc_client_replication_cursor(struct zrpc_client *c, const struct zrpc_call_options *options,
                                   const Zrpc__Pb__ReplicationCursorReq *req,
                                   Zrpc__Pb__ReplicationCursorRes **res, struct zrpc_error *err);

/* 36 characters that nobody can know beforehand, and a terminating zero. */
#define ZRPC_PING_MESSAGE_MAX 37
int zrpc_ping_message(char out[static ZRPC_PING_MESSAGE_MAX], struct zrpc_error *err);
/* An answer that is not the message is ZRPC_ERR_MESSAGE. */
int zrpc_client_ping_control(struct zrpc_client *c, const struct zrpc_call_options *options,
                             const char *message, struct zrpc_error *err);

/*
 * Data, each on a connection of its own; as in zrpc/dataconn.h.
 */
int zrpc_client_ping_data(struct zrpc_client *c, const struct zrpc_dataconn_options *options,
                          const char *message, struct zrpc_error *err);
int zrpc_client_send(struct zrpc_client *c, const struct zrpc_dataconn_options *options,
                     const Zrpc__Pb__SendReq *req, zrpc_dataconn_open_sink *open_sink, void *ctx,
                     Zrpc__Pb__SendRes **res, struct zrpc_error *err);
/* Takes ownership of *source, also on failure. */
int zrpc_client_receive(struct zrpc_client *c, const struct zrpc_dataconn_options *options,
                        const Zrpc__Pb__ReceiveReq *req, struct zrpc_source *source, struct zrpc_error *err);

/* Pings control and data at the same time with one fresh message, waiting for the server to be there: 0 when
 * both have echoed it. The error says which failed: "control rpc failed ...", "data rpc failed ...", "control
 * and data rpc failed ...", and why, each for itself. At `deadline` (ZRPC_NEVER: none) that is
 * ZRPC_ERR_TIMEOUT. Until then a server that cannot be reached, or that ends the connection before the
 * request, is tried again; all else is final. */
int zrpc_client_wait_for_connectivity(struct zrpc_client *c, zrpc_time deadline,
                                      const struct zrpc_cancel *cancel, struct zrpc_error *err);

#endif
