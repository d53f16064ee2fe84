#include "zrpc/dataconn.h"

static const struct zrpc_dataconn_endpoint endpoints[ZRPC_DATACONN_METHODS] = {
    [ZRPC_DATACONN_PING] = {ZRPC_DATACONN_PING, "/v1/ping", &zrpc__pb__ping_req__descriptor,
                            &zrpc__pb__ping_res__descriptor},
    [ZRPC_DATACONN_SEND] = {ZRPC_DATACONN_SEND, "/v1/send", &zrpc__pb__send_req__descriptor,
                            &zrpc__pb__send_res__descriptor},
    [ZRPC_DATACONN_RECV] = {ZRPC_DATACONN_RECV, "/v1/recv", &zrpc__pb__receive_req__descriptor,
                            &zrpc__pb__receive_res__descriptor},
};

const struct zrpc_dataconn_endpoint *zrpc_dataconn_endpoint(enum zrpc_dataconn_method method)
{
    return &endpoints[method];
}

const struct zrpc_dataconn_endpoint *zrpc_dataconn_find_endpoint(struct zrpc_view path)
{
    for (size_t i = 0; i < ZRPC_DATACONN_METHODS; i++)
        if (zrpc_view_equal(path, zrpc_view_of(endpoints[i].path)))
            return &endpoints[i];
    return NULL;
}
