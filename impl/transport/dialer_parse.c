#include "zrpc/transport.h"

#include <stdlib.h>
#include <string.h>

#include "zrpc/config.h"

static int parse_local(const char *rest, zrpc_time dial_timeout, struct zrpc_dialer **out,
                       struct zrpc_error *err)
{
    const char *at = strchr(rest, '@');
    char *identity;
    int rc;

    if (at == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "endpoint \"local:%s\": expected local:IDENTITY@LISTENER",
                         rest);
    identity = strndup(rest, (size_t)(at - rest));
    if (identity == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "endpoint \"local:%s\": no memory", rest);
    rc = zrpc_local_dialer(at + 1, identity, dial_timeout, out, err);
    free(identity);
    return rc;
}

/* The file says how long dialling may take. */
static int parse_config(const char *rest, zrpc_time dial_timeout, struct zrpc_dialer **out,
                        struct zrpc_error *err)
{
    struct zrpc_config *config;
    int rc = zrpc_config_load(rest, &config, NULL, err);

    (void)dial_timeout;
    if (rc < 0)
        return rc;
    rc = zrpc_config_dialer(config, out, err);
    zrpc_config_free(config);
    return rc;
}

static const struct endpoint {
    const char *prefix;
    int (*parse)(const char *rest, zrpc_time dial_timeout, struct zrpc_dialer **out, struct zrpc_error *err);
} endpoints[] = {
    {"tcp:", zrpc_tcp_dialer},
    {"local:", parse_local},
    {"config:", parse_config},
};

int zrpc_dialer_parse(const char *endpoint, zrpc_time dial_timeout, struct zrpc_dialer **out,
                      struct zrpc_error *err)
{
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        size_t len = strlen(endpoints[i].prefix);

        if (strncmp(endpoint, endpoints[i].prefix, len) == 0)
            return endpoints[i].parse(endpoint + len, dial_timeout, out, err);
    }
    return zrpc_fail(err, ZRPC_ERR_USAGE,
                     "endpoint \"%s\": expected tcp:HOST:PORT, local:IDENTITY@LISTENER or config:FILE",
                     endpoint);
}
