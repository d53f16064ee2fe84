/*
 * wireevaluator: certifies transports; and, with the flags of zrepl's tool of that name, one side of a
 * testcase.
 */
#ifndef WIREEVALUATOR_H
#define WIREEVALUATOR_H

#include "cli/cli.h"
#include "cli/output.h"

#define REPEAT_MAX 10000

int command_certify(const struct cli_command *self, int argc, char **argv);
int command_verify(const struct cli_command *self, int argc, char **argv);
int command_list(const struct cli_command *self, int argc, char **argv);
int command_selftest(const struct cli_command *self, int argc, char **argv);

/* wireevaluator -mode connect|serve|stdinserver -config FILE -testcase NAME */
int run_original(int argc, char **argv);

/* Prints the error; the exit status for it. */
int complain(const char *command, const struct zrpc_error *err);

#endif
