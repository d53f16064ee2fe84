#include <pthread.h>
#include <stdlib.h>

#include "conformance/mutants/mutant.h"
#include "sim/zfs/sim.h"
#include "zrpc/server.h"
#include "zrpc/transport.h"

struct zrpc_reference {
    struct zrpc_sim sim;
    struct zrpc_server *server;
    char endpoint[ZRPC_ADDRESS_MAX];
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct zrpc_reference *r = arg;
    struct zrpc_error err;

    (void)zrpc_server_serve(r->server, &err);
    return NULL;
}

/* Takes the listener. */
static int open_server(struct zrpc_reference *r, struct zrpc_listener *listener,
                       const struct zrpc_timing *timing, struct zrpc_error *err)
{
    struct zrpc_server_options options;
    int rc = zrpc_server_options_env(&options, err);

    options.handler = zrpc_sim_handler(&r->sim);
    options.grace = ZRPC_MILLISECOND;
    options.handshake_timeout = timing->handshake;
    options.label_timeout = timing->label;
    options.heartbeat.interval = timing->heartbeat_interval;
    options.heartbeat.timeout = timing->read_timeout;
    options.heartbeat.shutdown_timeout = timing->shutdown;
    if (rc == 0)
        rc = zrpc_server_new(&options, &r->server, err);
    if (rc < 0) {
        listener->ops->close(listener);
        return rc;
    }
    snprintf(r->endpoint, sizeof r->endpoint, "%s", listener->ops->address(listener));
    return zrpc_server_add_listener(r->server, listener, err);
}

int zrpc_reference_start(const struct zrpc_timing *timing, struct zrpc_reference **out,
                         struct zrpc_error *err)
{
    static const struct zrpc_tcp_client clients[] = {{.ip = "127.0.0.1", .identity = "client1"}};
    struct zrpc_listener *listener;
    int rc = zrpc_tcp_listen("127.0.0.1:0", clients, 1, &listener, err);

    return rc < 0 ? rc : zrpc_reference_start_on(listener, timing, out, err);
}

int zrpc_reference_start_on(struct zrpc_listener *listener, const struct zrpc_timing *timing,
                            struct zrpc_reference **out, struct zrpc_error *err)
{
    const struct zrpc_sim_options options = {.pool = "demo", .role = ZRPC_ENDPOINT_BOTH};
    struct zrpc_reference *r = calloc(1, sizeof *r);
    int rc = r == NULL ? zrpc_fail(err, ZRPC_ERR_NOMEM, "the reference server")
                       : zrpc_sim_open(&r->sim, &options, err);

    if (rc < 0) {
        listener->ops->close(listener);
        free(r);
        return rc;
    }
    rc = open_server(r, listener, timing, err);
    if (rc == 0 && pthread_create(&r->thread, NULL, serve, r) != 0)
        rc = zrpc_fail(err, ZRPC_ERR_SYSTEM, "cannot start a thread");
    if (rc == 0) {
        *out = r;
        return 0;
    }
    zrpc_server_close(r->server);
    zrpc_sim_close(&r->sim);
    free(r);
    return rc;
}

const char *zrpc_reference_endpoint(const struct zrpc_reference *r)
{
    return r->endpoint;
}

void zrpc_reference_stop(struct zrpc_reference *r)
{
    if (r == NULL)
        return;
    zrpc_server_stop(r->server);
    pthread_join(r->thread, NULL);
    zrpc_server_close(r->server);
    zrpc_sim_close(&r->sim);
    free(r);
}
