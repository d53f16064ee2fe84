/*
 * The areas of cases, one per source file beside this one.
 */
#ifndef ZRPC_CONFORMANCE_CASES_H
#define ZRPC_CONFORMANCE_CASES_H

#include "conformance/case.h"

extern const struct zrpc_area zrpc_area_handshake;
extern const struct zrpc_area zrpc_area_label;
extern const struct zrpc_area zrpc_area_frame;
extern const struct zrpc_area zrpc_area_stream;
extern const struct zrpc_area zrpc_area_heartbeat;
extern const struct zrpc_area zrpc_area_shutdown;
extern const struct zrpc_area zrpc_area_request;
extern const struct zrpc_area zrpc_area_send;
extern const struct zrpc_area zrpc_area_receive;
extern const struct zrpc_area zrpc_area_concurrency;
extern const struct zrpc_area zrpc_area_h2;
extern const struct zrpc_area zrpc_area_malformed;
extern const struct zrpc_area zrpc_area_fields;
extern const struct zrpc_area zrpc_area_grpc;
extern const struct zrpc_area zrpc_area_calls;
extern const struct zrpc_area zrpc_area_keepalive;
extern const struct zrpc_area zrpc_area_replication;

#endif
