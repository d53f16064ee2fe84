#include "pool.h"

#include <string.h>

static const char zfs_prefix[] = "zfs:", pool_prefix[] = "pool:";

static const char *after(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

bool pool_is_spec(const char *text)
{
    return after(text, zfs_prefix) != NULL || after(text, pool_prefix) != NULL;
}

static size_t make_rules(struct pool *p, const struct cli_list *patterns)
{
    size_t n = patterns == NULL ? 0 : patterns->n;

    for (size_t i = 0; i < n; i++) {
        bool admit = patterns->items[i][0] != '!';

        p->rules[i] = (struct zrpc_endpoint_rule){patterns->items[i] + (admit ? 0 : 1), admit};
    }
    return n;
}

static int open_simulated(struct pool *p, const struct pool_options *options, const char *file,
                          size_t n_rules, struct zrpc_error *err)
{
    struct zrpc_sim_options sim = {
        .pool = file, .role = options->role, .root = options->root, .rules = p->rules, .n_rules = n_rules};
    int rc;

    if (file[0] == '\0')
        return zrpc_fail(err, ZRPC_ERR_USAGE, "\"pool:\" without a file, expected pool:FILE or pool:demo");
    rc = zrpc_sim_open(&p->sim, &sim, err);
    if (rc != 0)
        return rc;
    p->simulated = true;
    p->sim.endpoint.config.for_one = options->for_one;
    p->sim.endpoint.config.not_resumable = options->not_resumable;
    return 0;
}

static int open_exec(struct pool *p, const struct pool_options *options, const char *command, size_t n_rules,
                     struct zrpc_error *err)
{
    struct zrpc_endpoint_config config = {
        .role = options->role,
        .zfs = zrpc_zfs_exec(&p->exec),
        .root = options->root,
        .rules = p->rules,
        .n_rules = n_rules,
        .for_one = options->for_one,
        .not_resumable = options->not_resumable,
    };
    int rc = zrpc_endpoint_config_env(&config, err);

    if (rc == 0)
        rc = zrpc_zfs_exec_init(&p->exec, command[0] == '\0' ? NULL : command, err);
    if (rc != 0)
        return rc;
    rc = zrpc_endpoint_init(&p->endpoint, &config, err);
    if (rc != 0)
        zrpc_zfs_exec_dispose(&p->exec);
    return rc;
}

/* Before the endpoint is used. */
static int lay_faults(struct pool *p, const char *file, struct zrpc_error *err)
{
    struct zrpc_zfs *zfs = p->simulated ? &p->sim.endpoint.config.zfs : &p->endpoint.config.zfs;
    int rc = zrpc_zfs_faults_load(file, &p->faulty.plan, err);

    if (rc != 0)
        return rc;
    p->faulty.inner = *zfs;
    *zfs = zrpc_zfs_faulty(&p->faulty);
    return 0;
}

int pool_open(struct pool *p, const struct pool_options *options, struct zrpc_error *err)
{
    const char *command = after(options->spec, zfs_prefix), *file = after(options->spec, pool_prefix);
    size_t n_rules;
    int rc;

    *p = (struct pool){0};
    n_rules = make_rules(p, options->filesystems);
    if (command != NULL)
        rc = open_exec(p, options, command, n_rules, err);
    else
        rc = open_simulated(p, options, file == NULL ? options->spec : file, n_rules, err);
    if (rc != 0 || options->faults == NULL)
        return rc;
    rc = lay_faults(p, options->faults, err);
    if (rc != 0)
        pool_close(p);
    return rc;
}

struct zrpc_handler pool_handler(struct pool *p)
{
    return p->simulated ? zrpc_sim_handler(&p->sim) : zrpc_endpoint_handler(&p->endpoint);
}

void pool_close(struct pool *p)
{
    if (p->simulated) {
        zrpc_sim_close(&p->sim);
    } else {
        zrpc_endpoint_dispose(&p->endpoint);
        zrpc_zfs_exec_dispose(&p->exec);
    }
    zrpc_zfs_faults_free(p->faulty.plan);
}
