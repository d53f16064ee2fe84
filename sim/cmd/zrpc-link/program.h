/* zrpc-link's commands share their options, and what they say of a failure. */
#ifndef SIM_CMD_ZRPC_LINK_PROGRAM_H
#define SIM_CMD_ZRPC_LINK_PROGRAM_H

#include "cli/cli.h"
#include "cli/output.h"
#include "sim/link/link.h"

struct program {
    const char *name; /* of the command */
    struct zrpc_link_plan plan;
    struct zrpc_log log;
    struct cli_args args; /* what is left: a command to run */
    uint64_t runs;
    bool help;
    bool keep_record; /* it was asked for */
};

/* Options and the plan file they name. ZRPC_ERR_USAGE. Dispose the plan in any case. */
int program_parse(struct program *p, const struct cli_command *self, int argc, char **argv,
                  struct zrpc_error *err);
/* A file for the record, where none was asked for. */
int program_choose_record(struct program *p, struct zrpc_error *err);
/* Says on stderr how to repeat what happened, and keeps the record; or removes a record nobody asked for. */
void program_conclude(const struct program *p, bool failed);

int command_relay(const struct cli_command *self, int argc, char **argv);
int command_run(const struct cli_command *self, int argc, char **argv);
int command_stdio(const struct cli_command *self, int argc, char **argv);
int command_ctl(const struct cli_command *self, int argc, char **argv);

#endif
