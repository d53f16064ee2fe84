#include "sim/zfs/sim.h"

int zrpc_sim_open(struct zrpc_sim *s, const struct zrpc_sim_options *options, struct zrpc_error *err)
{
    struct zrpc_endpoint_config config = {.role = options->role};
    int rc = zrpc_endpoint_config_env(&config, err);

    if (rc != 0)
        return rc;
    rc = zrpc_sim_file_load(options->pool == NULL ? "demo" : options->pool, &s->file, err);
    if (rc != 0)
        return rc;
    config.zfs = zrpc_sim_file_zfs(&s->file);
    config.root = options->root == NULL ? s->file.root : options->root;
    config.rules = options->n_rules == 0 ? s->file.rules : options->rules;
    config.n_rules = options->n_rules == 0 ? s->file.n_rules : options->n_rules;
    if (options->max_sends != 0)
        config.max_sends = options->max_sends;
    if (options->max_receives != 0)
        config.max_receives = options->max_receives;
    rc = zrpc_endpoint_init(&s->endpoint, &config, err);
    if (rc != 0)
        zrpc_sim_file_dispose(&s->file);
    return rc;
}

void zrpc_sim_close(struct zrpc_sim *s)
{
    zrpc_endpoint_dispose(&s->endpoint);
    zrpc_sim_file_dispose(&s->file);
}

struct zrpc_handler zrpc_sim_handler(struct zrpc_sim *s)
{
    return zrpc_endpoint_handler(&s->endpoint);
}

struct zrpc_zpool *zrpc_sim_pool(struct zrpc_sim *s)
{
    return s->file.pool;
}
