#include "zrpc/connect.h"

#include "zrpc/timeoutconn.h"
#include "zrpc/versionhandshake.h"

int zrpc_connect_options_env(struct zrpc_connect_options *options, struct zrpc_error *err)
{
    int rc = zrpc_duration_env(ZRPC_HANDSHAKE_TIMEOUT_CLIENT_ENV, ZRPC_HANDSHAKE_TIMEOUT_DEFAULT,
                               &options->handshake_timeout, err);

    if (rc == 0)
        rc = zrpc_duration_env(ZRPC_LABEL_TIMEOUT_CLIENT_ENV, ZRPC_LABEL_TIMEOUT_DEFAULT,
                               &options->label_timeout, err);
    return rc;
}

static zrpc_time step(zrpc_time timeout, zrpc_time deadline)
{
    return zrpc_earlier(zrpc_deadline(zrpc_now(), timeout), deadline);
}

int zrpc_connect(struct zrpc_dialer *dialer, enum zrpc_label label,
                 const struct zrpc_connect_options *options, zrpc_time deadline,
                 const struct zrpc_cancel *cancel, struct zrpc_wire **out, struct zrpc_error *err)
{
    struct zrpc_timeoutconn *conn;
    struct zrpc_wire *wire;
    const char *where = dialer->ops->address(dialer);
    int rc = dialer->ops->dial(dialer, deadline, cancel, &wire, err);

    if (rc == 0)
        rc = zrpc_timeoutconn_new(wire, &conn, err);
    if (rc < 0)
        return rc;
    zrpc_timeoutconn_set_cancel(conn, cancel);
    rc = zrpc_versionhandshake_run(conn, step(options->handshake_timeout, deadline), err);
    if (rc == 0)
        rc = zrpc_transportmux_write(conn, step(options->label_timeout, deadline), label, err);
    if (rc < 0) {
        zrpc_timeoutconn_close(conn);
        return zrpc_error_prefix(err, rc, "%s", where);
    }
    *out = zrpc_timeoutconn_release(conn);
    return 0;
}
