#include <inttypes.h>
#include <string.h>

#include "zrpc.h"

static int check(const struct cli_args *args, struct zrpc_error *err)
{
    bool get = args->n > 0 && strcmp(args->items[0], "get") == 0;
    bool set = args->n > 0 && strcmp(args->items[0], "set") == 0;

    if (!get && !set)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "takes \"get FS\" or \"set FS @SNAP\"");
    if (args->n != (get ? 2u : 3u))
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         get ? "get takes one argument: the filesystem"
                             : "set takes two arguments: the filesystem and the snapshot");
    return 0;
}

static int run(struct client *c, const struct cli_args *args, Zrpc__Pb__ReplicationCursorRes **res,
               struct zrpc_error *err)
{
    Zrpc__Pb__ReplicationCursorReq__GetOp get = ZRPC__PB__REPLICATION_CURSOR_REQ__GET_OP__INIT;
    Zrpc__Pb__ReplicationCursorReq__SetOp set = ZRPC__PB__REPLICATION_CURSOR_REQ__SET_OP__INIT;
    Zrpc__Pb__ReplicationCursorReq req = ZRPC__PB__REPLICATION_CURSOR_REQ__INIT;

    req.filesystem = (char *)(uintptr_t)args->items[1];
    if (args->n == 2) {
        req.op_case = ZRPC__PB__REPLICATION_CURSOR_REQ__OP_GET;
        req.get = &get;
    } else {
        const char *snapshot = args->items[2];

        set.snapshot = (char *)(uintptr_t)(snapshot[0] == '@' ? snapshot + 1 : snapshot);
        req.op_case = ZRPC__PB__REPLICATION_CURSOR_REQ__OP_SET;
        req.set = &set;
    }
    return zrpc_client_replication_cursor(c->rpc, &c->call, &req, res, err);
}

static bool exists(const Zrpc__Pb__ReplicationCursorRes *res)
{
    return res->result_case == ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_GUID;
}

static json_t *describe(const Zrpc__Pb__ReplicationCursorRes *res)
{
    char guid[24];

    if (res == NULL || !exists(res))
        return json_pack("{s:n}", "guid");
    snprintf(guid, sizeof guid, "%" PRIu64, res->guid);
    return json_pack("{s:s}", "guid", guid);
}

int command_cursor(const struct cli_command *self, int argc, char **argv)
{
    struct client c = CLIENT_DEFAULTS;
    struct zrpc_error err = {0};
    const struct cli_option options[] = {CLIENT_OPTIONS(&c), {0}};
    Zrpc__Pb__ReplicationCursorRes *res = NULL;
    struct cli_args args;
    int rc = client_begin(&c, self, options, argc, argv, &args);

    if (rc >= 0)
        return rc;
    if (check(&args, &err) < 0) {
        client_end(&c);
        return usage_error("cursor", err.text);
    }
    rc = run(&c, &args, &res, &err);
    client_end(&c);
    if (rc == 0 && !c.json) {
        if (exists(res))
            printf("%" PRIu64 "\n", res->guid);
        else
            printf("no cursor\n");
    }
    rc = client_report(&c, stdout, "cursor", rc, &err, describe(res));
    if (res != NULL)
        zrpc__pb__replication_cursor_res__free_unpacked(res, NULL);
    return rc;
}
