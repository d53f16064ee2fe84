#include "zrpc.h"

int command_wait(const struct cli_command *self, int argc, char **argv)
{
    struct client c = CLIENT_DEFAULTS;
    struct zrpc_error err = {0};
    const struct cli_option options[] = {CLIENT_OPTIONS(&c), {0}};
    struct cli_args args;
    int rc = client_begin(&c, self, options, argc, argv, &args);

    if (rc >= 0)
        return rc;
    if (args.n > 0) {
        client_end(&c);
        return usage_error("wait", "takes no arguments");
    }
    rc = zrpc_client_wait_for_connectivity(c.rpc, c.call.deadline, &c.cancel, &err);
    if (rc == 0 && !c.json)
        printf("control and data answer\n");
    client_end(&c);
    return client_report(&c, stdout, "wait", rc, &err, json_object());
}
