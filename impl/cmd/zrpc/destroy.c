#include "zrpc.h"

/* "@snap" and "snap" name the same snapshot; on the wire there is no delimiter. */
static const char *bare(const char *name)
{
    return name[0] == '@' ? name + 1 : name;
}

static json_t *describe(const Zrpc__Pb__DestroySnapshotsRes *res)
{
    json_t *list = json_array();

    for (size_t i = 0; res != NULL && i < res->n_results; i++) {
        const Zrpc__Pb__DestroySnapshotRes *r = res->results[i];

        json_array_append_new(list,
                              json_pack("{s:s, s:s}", "snapshot",
                                        r->snapshot == NULL ? "" : r->snapshot->name, "error", r->error));
    }
    return list;
}

/* Each snapshot has a result of its own: one that failed is the handler's refusal. */
static int check_results(const struct client *c, const Zrpc__Pb__DestroySnapshotsRes *res, size_t asked,
                         struct zrpc_error *err)
{
    size_t failed = 0;

    if (res->n_results != asked)
        return zrpc_fail(err, ZRPC_ERR_MESSAGE, "%zu snapshots were to be destroyed, the answer is about %zu",
                         asked, res->n_results);
    for (size_t i = 0; i < res->n_results; i++) {
        const Zrpc__Pb__DestroySnapshotRes *r = res->results[i];
        const char *name = r->snapshot == NULL ? "?" : r->snapshot->name;

        failed += r->error[0] != '\0';
        if (!c->json)
            cli_printf(stdout, "@%s: %s\n", name, r->error[0] == '\0' ? "destroyed" : r->error);
    }
    if (failed > 0)
        return zrpc_fail(err, ZRPC_ERR_HANDLER, "%zu of %zu snapshots could not be destroyed", failed, asked);
    return 0;
}

static int run(struct client *c, const struct cli_list *args, Zrpc__Pb__DestroySnapshotsRes **res,
               struct zrpc_error *err)
{
    Zrpc__Pb__DestroySnapshotsReq req = ZRPC__PB__DESTROY_SNAPSHOTS_REQ__INIT;
    Zrpc__Pb__FilesystemVersion versions[CLI_LIST_MAX], *snapshots[CLI_LIST_MAX];
    int rc;

    req.filesystem = (char *)(uintptr_t)args->items[0];
    req.n_snapshots = args->n - 1;
    req.snapshots = snapshots;
    for (size_t i = 0; i < req.n_snapshots; i++) {
        const char *name = args->items[i + 1];

        zrpc__pb__filesystem_version__init(&versions[i]);
        snapshots[i] = &versions[i];
        if (name[0] == '#')
            return zrpc_fail(err, ZRPC_ERR_USAGE, "%s is a bookmark: only snapshots can be destroyed", name);
        versions[i].name = (char *)(uintptr_t)bare(name);
    }
    rc = zrpc_client_destroy_snapshots(c->rpc, &c->call, &req, res, err);
    return rc < 0 ? rc : check_results(c, *res, req.n_snapshots, err);
}

int command_destroy(const struct cli_command *self, int argc, char **argv)
{
    struct client c = CLIENT_DEFAULTS;
    struct zrpc_error err = {0};
    const struct cli_option options[] = {CLIENT_OPTIONS(&c), {0}};
    Zrpc__Pb__DestroySnapshotsRes *res = NULL;
    struct cli_list args;
    int rc = client_begin(&c, self, options, argc, argv, &args);

    if (rc >= 0)
        return rc;
    if (args.n < 2) {
        client_end(&c);
        return usage_error("destroy", "takes the filesystem and at least one snapshot");
    }
    rc = run(&c, &args, &res, &err);
    client_end(&c);
    rc = client_report(&c, stdout, "destroy", rc, &err, describe(res));
    if (res != NULL)
        zrpc__pb__destroy_snapshots_res__free_unpacked(res, NULL);
    return rc;
}
