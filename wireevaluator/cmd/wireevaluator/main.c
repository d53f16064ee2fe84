#include <string.h>

#include "wireevaluator.h"

static const struct cli_command commands[] = {
    {"certify", "--transport NAME | --config FILE | ... [OPTION...]",
     "test a transport against the Wire contract", command_certify},
    {"verify", "FILE...", "check that certificates are complete and unaltered", command_verify},
    {"list", "", "list the cases, and the clauses they rest on", command_list},
    {"selftest", "[DEFECT...] [OPTION...]", "certify defective transports, each of which has to fail",
     command_selftest},
    {0},
};

int complain(const char *command, const struct zrpc_error *err)
{
    (err->code == ZRPC_ERR_USAGE ? cli_complain_lines : cli_complain)(
        "wireevaluator", command[0] == '\0' ? NULL : command, err->text);
    return cli_exit_status(err->code);
}

/* The original has flags only. */
static bool is_original(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "-mode", 5) == 0 || strncmp(argv[i], "--mode", 6) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    if (is_original(argc, argv))
        return cli_finish("wireevaluator", run_original(argc, argv));
    return cli_main(
        "wireevaluator",
        "wireevaluator certifies transports: byte streams with deadlines and half-close.\n"
        "With -mode connect|serve|stdinserver -config FILE -testcase NAME it plays one side of zrepl's\n"
        "testcases closewrite_client, closewrite_server, readdeadline_client, readdeadline_server.",
        commands, argc, argv);
}
