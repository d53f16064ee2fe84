#include <stdlib.h>

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

static int name_snapshots(char *const *names, size_t n, Zrpc__Pb__FilesystemVersion *versions,
                          Zrpc__Pb__FilesystemVersion **snapshots, struct zrpc_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (names[i][0] == '#')
            return zrpc_fail(err, ZRPC_ERR_USAGE, "%s is a bookmark: only snapshots can be destroyed",
                             names[i]);
        zrpc__pb__filesystem_version__init(&versions[i]);
        versions[i].name = (char *)(uintptr_t)bare(names[i]);
        snapshots[i] = &versions[i];
    }
    return 0;
}

static int run(struct client *c, const struct cli_args *args, Zrpc__Pb__DestroySnapshotsRes **res,
               struct zrpc_error *err)
{
    Zrpc__Pb__DestroySnapshotsReq req = ZRPC__PB__DESTROY_SNAPSHOTS_REQ__INIT;
    size_t n = args->n - 1;
    Zrpc__Pb__FilesystemVersion *versions = calloc(n, sizeof *versions);
    Zrpc__Pb__FilesystemVersion **snapshots = calloc(n, sizeof(*snapshots));
    int rc;

    if (versions == NULL || snapshots == NULL)
        rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for the names of %zu snapshots", n);
    else
        rc = name_snapshots(args->items + 1, n, versions, snapshots, err);
    if (rc == 0) {
        req.filesystem = args->items[0];
        req.n_snapshots = n;
        req.snapshots = snapshots;
        rc = zrpc_client_destroy_snapshots(c->rpc, &c->call, &req, res, err);
    }
    if (rc == 0)
        rc = check_results(c, *res, n, err);
    free(snapshots);
    free(versions);
    return rc;
}

int command_destroy(const struct cli_command *self, int argc, char **argv)
{
    struct client c = CLIENT_DEFAULTS;
    struct zrpc_error err = {0};
    const struct cli_option options[] = {CLIENT_OPTIONS(&c), {0}};
    Zrpc__Pb__DestroySnapshotsRes *res = NULL;
    struct cli_args args;
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
