#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wireevaluator/transport.h"
#include "zrpc/transport.h"

static const struct zrpc_tcp_client loopback = {.ip = "127.0.0.1", .identity = "client"};

static int tcp_listen(struct zrpc_eval_listening *t, struct zrpc_listener **out, struct zrpc_error *err)
{
    (void)t;
    return zrpc_tcp_listen("127.0.0.1:0", &loopback, 1, out, err);
}

static int tcp_dialer(struct zrpc_eval_listening *t, const struct zrpc_listener *l, struct zrpc_dialer **out,
                      struct zrpc_error *err)
{
    (void)t;
    return zrpc_tcp_dialer(l->ops->address(l) + strlen("tcp:"), ZRPC_DIAL_TIMEOUT_DEFAULT, out, err);
}

static int local_listen(struct zrpc_eval_listening *t, struct zrpc_listener **out, struct zrpc_error *err)
{
    (void)t;
    return zrpc_local_listen("wireevaluator", out, err);
}

static int local_dialer(struct zrpc_eval_listening *t, const struct zrpc_listener *l,
                        struct zrpc_dialer **out, struct zrpc_error *err)
{
    (void)t;
    (void)l;
    return zrpc_local_dialer("wireevaluator", "client", ZRPC_DIAL_TIMEOUT_DEFAULT, out, err);
}

static void release(struct zrpc_eval_listening *t)
{
    free(t);
}

static const struct named {
    const char *name;
    const char *configuration;
    struct zrpc_eval_listening_ops ops;
} transports[] = {
    {"tcp", "127.0.0.1, a free port", {tcp_listen, tcp_dialer, release}},
    {"local", "listener_name: wireevaluator", {local_listen, local_dialer, release}},
};

int zrpc_eval_transport_named(const char *name, struct zrpc_evaluated **out, struct zrpc_error *err)
{
    if (zrpc_eval_transport_is_made(name))
        return zrpc_eval_transport_made(name, out, err);
    for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++) {
        struct zrpc_eval_listening *t;

        if (strcmp(transports[i].name, name) != 0)
            continue;
        t = malloc(sizeof *t);
        if (t == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: no memory", name);
        zrpc_eval_listening_init(t, transports[i].name, transports[i].configuration, &transports[i].ops);
        *out = &t->base;
        return 0;
    }
    return zrpc_fail(err, ZRPC_ERR_USAGE, "transport \"%s\", expected tcp, tls, ssh or local", name);
}
