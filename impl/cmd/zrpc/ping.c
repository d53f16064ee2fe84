#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "zrpc.h"

enum { MESSAGE_BYTES = 16 };

/* Fresh for every ping, so that nobody can know the echo beforehand. */
static int random_message(char out[2 * MESSAGE_BYTES + 1], struct zrpc_error *err)
{
    unsigned char bytes[MESSAGE_BYTES];

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return zrpc_fail(err, ZRPC_ERR_SYSTEM, "no random bytes");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

static int ping_data(struct client *c, const char *message, struct zrpc_error *err)
{
    struct zrpc_wire *wire;
    char *echo = NULL;
    int rc = client_data_wire(c, &wire, err);

    if (rc == 0)
        rc = zrpc_dataconn_ping(wire, &c->data_options, message, &echo, err);
    if (rc == 0 && strcmp(echo, message) != 0)
        rc = zrpc_fail(err, ZRPC_ERR_MESSAGE, "ping of \"%s\" was answered with \"%s\"", message, echo);
    free(echo);
    return rc;
}

int command_ping(const struct cli_command *self, int argc, char **argv)
{
    struct client c = CLIENT_DEFAULTS;
    struct zrpc_error err = {0};
    char generated[2 * MESSAGE_BYTES + 1];
    const char *message = NULL;
    bool data = false;
    const struct cli_option options[] = {
        {"data", CLI_FLAG, &data, NULL, "over a data connection"},
        {"message", CLI_STRING, &message, "TEXT", "what to send (default: random)"},
        CLIENT_OPTIONS(&c),
        {0},
    };
    struct cli_list args;
    zrpc_time started, took;
    char duration[ZRPC_DURATION_TEXT_MAX];
    int rc = client_begin(&c, self, options, argc, argv, &args);

    if (rc >= 0)
        return rc;
    if (args.n > 0 || !data) {
        client_end(&c);
        return usage_error("ping", args.n > 0 ? "takes no arguments" : "say which connection: --data");
    }
    rc = 0;
    if (message == NULL) {
        rc = random_message(generated, &err);
        message = generated;
    }
    started = zrpc_now();
    if (rc == 0)
        rc = ping_data(&c, message, &err);
    took = zrpc_now() - started;
    if (rc == 0 && !c.json)
        printf("data: echo in %s\n", zrpc_duration_format(took, duration));
    client_end(&c);
    return client_report(&c, stdout, "ping", rc, &err,
                         json_pack("{s:s, s:f}", "echo", message, "seconds", (double)took / ZRPC_SECOND));
}
