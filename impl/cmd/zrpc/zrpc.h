/*
 * The zrpc tool: what its commands share.
 */
#ifndef ZRPC_CMD_ZRPC_H
#define ZRPC_CMD_ZRPC_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "zrpc/bytes.h"
#include "zrpc/client.h"
#include "zrpc/log.h"

/* For what came of a file that was named: one that cannot be read is a mistake of usage. */
int named_file(int rc, struct zrpc_error *err);

/* What every client command takes, and what comes of it. */
struct client {
    const char *connect, *config;    /* one of them */
    zrpc_time dial_timeout, timeout; /* 0: none */
    const char *log_level;
    bool json;
    bool help;
    struct zrpc_log log;
    struct zrpc_buf long_text; /* of the server's error, where an error does not hold it */
    struct zrpc_cancel cancel; /* raised by SIGINT and SIGTERM */
    struct zrpc_dialer *dialer;
    struct zrpc_client *rpc;
    struct zrpc_call_options call;     /* for control */
    struct zrpc_dataconn_options data; /* for data */
    int unreachable;                   /* why control was not connected at the end: a code, or 0 */
};

/* The options common to all client commands, to be embedded in each table. */
#define CLIENT_OPTIONS(client)                                                                     \
    {"connect", CLI_STRING, &(client)->connect, "ENDPOINT", "the server: tcp:HOST:PORT"},          \
        {"config", CLI_STRING, &(client)->config, "FILE",                                          \
         "the server, by the connect section of a file in zrepl's syntax"},                        \
        {"dial-timeout", CLI_DURATION, &(client)->dial_timeout, "DURATION",                        \
         "for connecting (10s; 0: none), unless the file says"},                                   \
        {"timeout", CLI_DURATION, &(client)->timeout, "DURATION", "for the whole command (none)"}, \
        {"log-level", CLI_STRING, &(client)->log_level, "LEVEL",                                   \
         "log to stderr: error, warn, info or debug"},                                             \
        {"json", CLI_FLAG, &(client)->json, NULL, "print the result as JSON"},                     \
    {                                                                                              \
        "help", CLI_FLAG, &(client)->help, NULL, "show this"                                       \
    }

#define CLIENT_DEFAULTS                                                                    \
    {                                                                                      \
        .dial_timeout = 10 * ZRPC_SECOND, .log_level = "error", .cancel = ZRPC_CANCEL_NONE \
    }

/* Parses the command line, and makes the client. -1: go on; otherwise the exit status. From here to
 * client_end() the first SIGINT or SIGTERM cancels what is under way, instead of ending the process. */
int client_begin(struct client *c, const struct cli_command *command, const struct cli_option *options,
                 int argc, char **argv, struct cli_args *args);
void client_end(struct client *c);

/* The first SIGINT or SIGTERM raises it, the second ends the process as usual. One at a time. */
int cancel_on_signal(struct zrpc_cancel *cancel, struct zrpc_error *err);
/* Back to how it was; disposes it too, also if it was never made. */
void forget_signals(struct zrpc_cancel *cancel);

/* Prints the result, or the error, as JSON or for people, and answers the exit status. `result` is taken
 * over; for people, nothing is printed on success: the command does that itself. */
int client_report(struct client *c, FILE *out, const char *command, int rc, const struct zrpc_error *err,
                  json_t *result);

/* Prints "zrpc COMMAND: text" and how to get help; answers EXIT_USAGE. */
int usage_error(const char *command, const char *text);
/* Prints likewise what failed, and answers its exit status. */
int failure(const char *command, int rc, const struct zrpc_error *err);

/* The whole tool, but for the process. */
int zrpc_main(int argc, char **argv);

int command_configcheck(const struct cli_command *self, int argc, char **argv);
int command_stdinserver(const struct cli_command *self, int argc, char **argv);
int command_serve(const struct cli_command *self, int argc, char **argv);
int command_ping(const struct cli_command *self, int argc, char **argv);
int command_wait(const struct cli_command *self, int argc, char **argv);
int command_list(const struct cli_command *self, int argc, char **argv);
int command_versions(const struct cli_command *self, int argc, char **argv);
int command_destroy(const struct cli_command *self, int argc, char **argv);
int command_cursor(const struct cli_command *self, int argc, char **argv);
int command_send(const struct cli_command *self, int argc, char **argv);
int command_replicate(const struct cli_command *self, int argc, char **argv);
int command_recv(const struct cli_command *self, int argc, char **argv);

#endif
