/*
 * zrpc-conformance: the command line.
 */
#ifndef ZRPC_CONFORMANCE_OPTIONS_H
#define ZRPC_CONFORMANCE_OPTIONS_H

#include "cli/cli.h"
#include "conformance/case.h"

enum zrpc_command { ZRPC_COMMAND_SERVER, ZRPC_COMMAND_LIST, ZRPC_COMMAND_PROFILE, ZRPC_COMMAND_HELP };

struct zrpc_options {
    enum zrpc_command command;
    const char *target, *exec;
    const char *in_process; /* a configuration file: the reference server, in this process */
    const char *profile, *expectations;
    const char *tap, *junit, *json, *html;
    const char *untested; /* list --requirements: the list of what is not tested over the wire */
    const char *colour;   /* "auto", "always", "never" */
    bool requirements;    /* list --requirements */
    bool verbose;
    uint64_t repeat;
    struct cli_list globs, areas;
    struct zrpc_selection selection; /* its lists are the two above */
};

/* ZRPC_ERR_USAGE for what is not understood. */
int zrpc_options_parse(struct zrpc_options *o, int argc, char **argv, struct zrpc_error *err);
/* The usage, made from the option table. */
void zrpc_options_print_usage(void);

#endif
