/*
 * The zrpc tool: what its commands share.
 */
#ifndef ZRPC_CMD_ZRPC_H
#define ZRPC_CMD_ZRPC_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/cli.h"
#include "zrpc/bytes.h"
#include "zrpc/connect.h"
#include "zrpc/dataconn.h"
#include "zrpc/log.h"

/* Exit statuses. */
enum {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1, /* the remote handler refused, or its stream failed */
    EXIT_USAGE = 2,
    EXIT_CONNECTION = 3, /* cannot connect, or the connection broke */
    EXIT_PROTOCOL = 4,   /* the peer broke the protocol */
    EXIT_TIMEOUT = 5,
    EXIT_LOCAL = 6, /* a local file failed, or the command was interrupted */
};

int exit_status(int code);

/* What every client command takes, and what comes of it. */
struct client {
    const char *connect;
    zrpc_time timeout;
    bool json;
    bool help;
    struct zrpc_dialer *dialer;
    struct zrpc_connect_options connect_options;
    struct zrpc_dataconn_options data_options;
};

/* The options common to all client commands, to be embedded in each table. */
#define CLIENT_OPTIONS(client)                                                                           \
    {"connect", CLI_STRING, &(client)->connect, "ENDPOINT", "the server: tcp:HOST:PORT"},                \
        {"dial-timeout", CLI_DURATION, &(client)->timeout, "DURATION", "for connecting (10s; 0: none)"}, \
        {"json", CLI_FLAG, &(client)->json, NULL, "print the result as JSON"},                           \
    {                                                                                                    \
        "help", CLI_FLAG, &(client)->help, NULL, "show this"                                             \
    }

#define CLIENT_DEFAULTS             \
    {                               \
        .timeout = 10 * ZRPC_SECOND \
    }

/* Parses the command line, and makes the dialer. -1: go on; otherwise the exit status. SIGINT and SIGTERM
 * cancel what the client does from here on. */
int client_begin(struct client *c, const struct cli_command *command, const struct cli_option *options,
                 int argc, char **argv, struct cli_list *args);
/* A wire for a data request. */
int client_data_wire(struct client *c, struct zrpc_wire **out, struct zrpc_error *err);
void client_end(struct client *c);

/* Prints the result, or the error, as JSON or for people, and answers the exit status. `result` is taken
 * over; for people, nothing is printed on success: the command does that itself. */
int client_report(const struct client *c, FILE *out, const char *command, int rc,
                  const struct zrpc_error *err, json_t *result);

/* Prints "zrpc COMMAND: text" and how to get help; answers EXIT_USAGE. */
int usage_error(const char *command, const char *text);

/* A descriptor that becomes readable at SIGINT or SIGTERM. The second signal ends the process as usual. */
int cancel_on_signal(struct zrpc_error *err);

int command_serve(const struct cli_command *self, int argc, char **argv);
int command_ping(const struct cli_command *self, int argc, char **argv);
int command_send(const struct cli_command *self, int argc, char **argv);
int command_recv(const struct cli_command *self, int argc, char **argv);

#endif
