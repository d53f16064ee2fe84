#include "zrpc/transportmux.h"

int zrpc_transportmux_read(struct zrpc_timeoutconn *conn, zrpc_time deadline, enum zrpc_label *out,
                           struct zrpc_error *err)
{
    uint8_t label[ZRPC_LABEL_LEN];
    int rc;

    zrpc_timeoutconn_set_deadline(conn, ZRPC_READ, deadline);
    rc = zrpc_timeoutconn_read_full(conn, label, sizeof label, NULL, err);
    zrpc_timeoutconn_set_deadline(conn, ZRPC_READ, ZRPC_NEVER);
    if (rc < 0)
        return zrpc_error_prefix(err, rc, "transport label");
    return zrpc_label_decode(label, out, err);
}

int zrpc_transportmux_write(struct zrpc_timeoutconn *conn, zrpc_time deadline, enum zrpc_label label,
                            struct zrpc_error *err)
{
    uint8_t bytes[ZRPC_LABEL_LEN];
    int rc;

    zrpc_label_encode(label, bytes);
    zrpc_timeoutconn_set_deadline(conn, ZRPC_WRITE, deadline);
    rc = zrpc_timeoutconn_write(conn, bytes, sizeof bytes, NULL, err);
    zrpc_timeoutconn_set_deadline(conn, ZRPC_WRITE, ZRPC_NEVER);
    return rc < 0 ? zrpc_error_prefix(err, rc, "transport label") : 0;
}
