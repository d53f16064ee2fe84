#include "internal.h"

#include <errno.h>
#include <stdlib.h>

static int refuse_receive(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReceiveReq *req,
                          struct zrpc_sink *sink, struct zrpc_error *err)
{
    (void)ctx, (void)call, (void)req, (void)sink;
    return zrpc_fail(err, ZRPC_ERR_ZFS, "sender does not implement Receive()");
}

static int refuse_send(void *ctx, struct zrpc_call *call, const Zrpc__Pb__SendReq *req,
                       Zrpc__Pb__SendRes *res, struct zrpc_source *source, struct zrpc_error *err)
{
    (void)ctx, (void)call, (void)req, (void)res, (void)source;
    return zrpc_fail(err, ZRPC_ERR_ZFS, "receiver does not implement Send()");
}

static int refuse_cursor(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ReplicationCursorReq *req,
                         Zrpc__Pb__ReplicationCursorRes *res, struct zrpc_error *err)
{
    (void)ctx, (void)call, (void)req, (void)res;
    return zrpc_fail(err, ZRPC_ERR_ZFS, "ReplicationCursor not implemented for Receiver");
}

#define COMMON_SLOTS                                         \
    .list_filesystems = zrpc_endpoint_list_filesystems,      \
    .list_filesystem_versions = zrpc_endpoint_list_versions, \
    .destroy_snapshots = zrpc_endpoint_destroy_snapshots

static const struct {
    const char *name;
    struct zrpc_handler_ops ops;
} roles[] = {
    [ZRPC_ENDPOINT_SENDER] = {"sender",
                              {COMMON_SLOTS, .replication_cursor = zrpc_endpoint_cursor,
                               .send = zrpc_endpoint_send, .receive = refuse_receive}},
    [ZRPC_ENDPOINT_RECEIVER] = {"receiver",
                                {COMMON_SLOTS, .replication_cursor = refuse_cursor, .send = refuse_send,
                                 .receive = zrpc_endpoint_receive}},
    [ZRPC_ENDPOINT_BOTH] = {"both",
                            {COMMON_SLOTS, .replication_cursor = zrpc_endpoint_cursor,
                             .send = zrpc_endpoint_send, .receive = zrpc_endpoint_receive}},
};

#define N_ROLES (sizeof roles / sizeof roles[0])

int zrpc_endpoint_role_parse(const char *text, enum zrpc_endpoint_role *out, struct zrpc_error *err)
{
    for (size_t i = 0; i < N_ROLES; i++) {
        if (strcmp(text, roles[i].name) == 0) {
            *out = (enum zrpc_endpoint_role)i;
            return 0;
        }
    }
    return zrpc_fail(err, ZRPC_ERR_USAGE, "role \"%s\" is none of sender, receiver, both", text);
}

static int env_count(const char *variable, unsigned *out, struct zrpc_error *err)
{
    const char *text = getenv(variable);
    char *end;
    long value;

    if (text == NULL || text[0] == '\0')
        return 0;
    errno = 0;
    value = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < 1 || value > 1000000)
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "environment variable %s: \"%s\" is not a number from 1 to 1000000", variable, text);
    *out = (unsigned)value;
    return 0;
}

int zrpc_endpoint_config_env(struct zrpc_endpoint_config *config, struct zrpc_error *err)
{
    int rc = env_count("ZREPL_ENDPOINT_MAX_CONCURRENT_SEND", &config->max_sends, err);

    return rc != 0 ? rc : env_count("ZREPL_ENDPOINT_MAX_CONCURRENT_RECV", &config->max_receives, err);
}

static int check(const struct zrpc_endpoint_config *c, struct zrpc_error *err)
{
    if (c->zfs.ops == NULL || (size_t)c->role >= N_ROLES)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "endpoint without a zfs backend or role");
    if (c->role != ZRPC_ENDPOINT_SENDER) {
        if (c->root == NULL)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "a %s needs a root filesystem", roles[c->role].name);
        if (zrpc_zfs_dataset_check(c->root, err) != 0)
            return zrpc_error_prefix(err, ZRPC_ERR_USAGE, "root filesystem of the %s", roles[c->role].name);
    }
    for (size_t i = 0; i < c->n_rules; i++)
        if (zrpc_endpoint_pattern_check(c->rules[i].pattern, err) != 0)
            return ZRPC_ERR_USAGE;
    return 0;
}

int zrpc_endpoint_init(struct zrpc_endpoint *e, const struct zrpc_endpoint_config *config,
                       struct zrpc_error *err)
{
    pthread_mutex_t *mutexes[] = {&e->tree, &e->cursor, &e->targets};
    int rc = check(config, err);
    size_t made = 0;

    if (rc != 0)
        return rc;
    *e = (struct zrpc_endpoint){.config = *config};
    if (e->config.max_sends == 0)
        e->config.max_sends = ZRPC_ENDPOINT_CONCURRENCY_DEFAULT;
    if (e->config.max_receives == 0)
        e->config.max_receives = ZRPC_ENDPOINT_CONCURRENCY_DEFAULT;
    for (; made < 3; made++) {
        rc = pthread_mutex_init(mutexes[made], NULL);
        if (rc != 0) {
            rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "mutex of an endpoint");
            goto failed;
        }
    }
    rc = zrpc_endpoint_limit_init(&e->sends, e->config.max_sends, err);
    if (rc != 0)
        goto failed;
    rc = zrpc_endpoint_limit_init(&e->receives, e->config.max_receives, err);
    if (rc == 0)
        return 0;
    zrpc_endpoint_limit_dispose(&e->sends);
failed:
    while (made > 0)
        pthread_mutex_destroy(mutexes[--made]);
    return rc;
}

void zrpc_endpoint_dispose(struct zrpc_endpoint *e)
{
    zrpc_endpoint_limit_dispose(&e->receives);
    zrpc_endpoint_limit_dispose(&e->sends);
    pthread_mutex_destroy(&e->targets);
    pthread_mutex_destroy(&e->cursor);
    pthread_mutex_destroy(&e->tree);
}

struct zrpc_handler zrpc_endpoint_handler(struct zrpc_endpoint *e)
{
    return (struct zrpc_handler){.ops = &roles[e->config.role].ops, .ctx = e};
}
