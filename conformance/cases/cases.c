#include "conformance/cases/cases.h"

/* The order of a run and of its reports: from the wire up. */
static const struct zrpc_area *const areas[] = {
    &zrpc_area_handshake,   &zrpc_area_label,       &zrpc_area_frame,   &zrpc_area_stream,
    &zrpc_area_heartbeat,   &zrpc_area_shutdown,    &zrpc_area_request, &zrpc_area_send,
    &zrpc_area_receive,     &zrpc_area_concurrency, &zrpc_area_h2,      &zrpc_area_malformed,
    &zrpc_area_fields,      &zrpc_area_grpc,        &zrpc_area_calls,   &zrpc_area_keepalive,
    &zrpc_area_replication,
};

const struct zrpc_case_table zrpc_cases = {.areas = areas, .n = sizeof areas / sizeof areas[0]};
