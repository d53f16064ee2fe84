#include "zrpc.h"

/* Times one ping, and prints or records it. */
static int ping(struct client *c, bool control, const char *message, json_t *result, struct zrpc_error *err)
{
    const char *name = control ? "control" : "data";
    zrpc_time started = zrpc_now();
    char took[ZRPC_DURATION_TEXT_MAX];
    int rc = control ? zrpc_client_ping_control(c->rpc, &c->call, message, err)
                     : zrpc_client_ping_data(c->rpc, &c->data, message, err);

    if (rc < 0)
        return zrpc_error_prefix(err, rc, "%s", name);
    if (!c->json)
        printf("%s: echo in %s\n", name, zrpc_duration_format(zrpc_now() - started, took));
    json_object_set_new(result, name,
                        json_pack("{s:f}", "seconds", (double)(zrpc_now() - started) / ZRPC_SECOND));
    return 0;
}

int command_ping(const struct cli_command *self, int argc, char **argv)
{
    struct client c = CLIENT_DEFAULTS;
    struct zrpc_error err = {0};
    char generated[ZRPC_PING_MESSAGE_MAX];
    const char *message = NULL;
    bool control = false, data = false;
    const struct cli_option options[] = {
        {"control", CLI_FLAG, &control, NULL, "over the control connection"},
        {"data", CLI_FLAG, &data, NULL, "over a data connection"},
        {"message", CLI_STRING, &message, "TEXT", "what to send (default: random)"},
        CLIENT_OPTIONS(&c),
        {0},
    };
    struct cli_args args;
    json_t *result;
    int rc = client_begin(&c, self, options, argc, argv, &args);

    if (rc >= 0)
        return rc;
    if (args.n > 0 || !(control || data)) {
        client_end(&c);
        return usage_error("ping",
                           args.n > 0 ? "takes no arguments" : "say which: --control, --data, or both");
    }
    rc = 0;
    if (message == NULL) {
        rc = zrpc_ping_message(generated, &err);
        message = generated;
    }
    result = json_pack("{s:s}", "echo", message);
    if (rc == 0 && control)
        rc = ping(&c, true, message, result, &err);
    if (rc == 0 && data)
        rc = ping(&c, false, message, result, &err);
    client_end(&c);
    return client_report(&c, stdout, "ping", rc, &err, result);
}
