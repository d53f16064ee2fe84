/*
 * Command lines: options and subcommands as tables that parse and print their own usage; exit statuses.
 *
 * Options may stand anywhere, as --name VALUE, --name=VALUE, and with one dash as well, as the original
 * tools' flags are written. "--" ends them.
 */
#ifndef ZRPC_CLI_H
#define ZRPC_CLI_H

#include <stdio.h>

#include "zrpc/clock.h"
#include "zrpc/error.h"

/* The exit statuses of all tools; cli_print_exit_statuses() has the words. */
enum cli_exit {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* what was asked for was refused, or failed: the peer's word, or the verdict */
    EXIT_USAGE = 2,
    EXIT_CONNECTION = 3,
    EXIT_PROTOCOL = 4,
    EXIT_TIMEOUT = 5,
    EXIT_LOCAL = 6,
};

/* For an enum zrpc_code. */
int cli_exit_status(int code);
void cli_print_exit_statuses(FILE *out);

enum cli_kind {
    CLI_FLAG,     /* bool: set to true; also --name=false */
    CLI_STRING,   /* const char * */
    CLI_LIST,     /* struct cli_list: may be repeated */
    CLI_DURATION, /* zrpc_time, Go syntax */
    CLI_NUMBER,   /* uint64_t, with an optional suffix K, M, G, T, Ki, Mi, Gi, Ti (binary all) */
};

#define CLI_LIST_MAX 64

/* The values of an option that may be repeated. */
struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t n;
};

/* Positional arguments, any number of them. */
struct cli_args {
    char **items; /* in argv; ends with NULL, as argv does */
    size_t n;
};

struct cli_option {
    const char *name; /* "dry-run", or a single letter: "o" */
    enum cli_kind kind;
    void *value;         /* of the kind's type; holds the default */
    const char *metavar; /* "FILE"; NULL for flags */
    const char *help;
};

/* Tables end with a NULL name. Positional arguments are moved to the front of argv, behind argv[0], and left
 * in *args. ZRPC_ERR_USAGE names the argument, and what it should have been. */
int cli_parse(const struct cli_option *options, int argc, char **argv, struct cli_args *args,
              struct zrpc_error *err);
void cli_print_options(FILE *out, const struct cli_option *options);

struct cli_command {
    const char *name;
    const char *synopsis; /* arguments: "FS --to @S [--from @S|#B] ..." */
    const char *summary;
    int (*run)(const struct cli_command *self, int argc, char **argv); /* exit status */
};

/* Runs the command named by argv[1] with the arguments behind it. Without one, or with an unknown one, prints
 * the table to stderr and answers EXIT_USAGE; --help prints it to stdout, --version the version. */
int cli_main(const char *program, const char *about, const struct cli_command *commands, int argc,
             char **argv);
/* For a command's --help. */
void cli_print_command(FILE *out, const char *program, const struct cli_command *command,
                       const struct cli_option *options);

#endif
