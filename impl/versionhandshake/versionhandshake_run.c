#include "zrpc/versionhandshake.h"

static void set_deadlines(struct zrpc_timeoutconn *conn, zrpc_time deadline)
{
    zrpc_timeoutconn_set_deadline(conn, ZRPC_READ, deadline);
    zrpc_timeoutconn_set_deadline(conn, ZRPC_WRITE, deadline);
}

/* Reads never more than the banner still wants: what follows it is not ours. */
static int read_banner(struct zrpc_timeoutconn *conn, struct zrpc_versionhandshake *hs,
                       struct zrpc_error *err)
{
    uint8_t chunk[4096];
    int rc;

    do {
        size_t wanted = zrpc_banner_reader_wants(&hs->reader);
        ssize_t n = zrpc_timeoutconn_read(conn, chunk, wanted < sizeof chunk ? wanted : sizeof chunk, err);
        struct zrpc_view in;

        if (n < 0)
            return (int)n;
        if (n == 0)
            return zrpc_fail(err, ZRPC_ERR_END, "end of file before the peer's banner was whole");
        in = zrpc_view(chunk, (size_t)n);
        rc = zrpc_versionhandshake_feed(hs, &in, err);
    } while (rc == 0);
    return rc < 0 ? rc : 0;
}

int zrpc_versionhandshake_run(struct zrpc_timeoutconn *conn, zrpc_time deadline, struct zrpc_error *err)
{
    struct zrpc_versionhandshake hs;
    struct zrpc_view banner;
    int rc = zrpc_versionhandshake_init(&hs, ZRPC_PROTOCOL_VERSION, err);

    if (rc < 0)
        return rc;
    set_deadlines(conn, deadline);
    banner = zrpc_buf_view(&hs.output);
    rc = zrpc_timeoutconn_write(conn, banner.data, banner.len, NULL, err);
    if (rc == 0)
        rc = read_banner(conn, &hs, err);
    set_deadlines(conn, ZRPC_NEVER);
    zrpc_versionhandshake_dispose(&hs);
    return rc < 0 ? zrpc_error_prefix(err, rc, "version handshake") : 0;
}
