/*
 * zrpc-mutant: a server with one thing wrong, for trying the suite by hand:
 *
 *     zrpc-conformance --exec 'zrpc-mutant eof-is-success'
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "conformance/mutants/mutant.h"

static int list(void)
{
    const struct zrpc_mutant *m;

    for (size_t i = 0; (m = zrpc_mutant_get(i)) != NULL; i++)
        printf("%-28s %s (%s)\n", m->name, m->what, m->caught_by);
    return 0;
}

int main(int argc, char **argv)
{
    struct zrpc_profile profile;
    struct zrpc_error err;
    int status;

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return cli_finish("zrpc-mutant", list());
    if (argc != 2 || argv[1][0] == '-') {
        fputs("usage: zrpc-mutant NAME | --list\n", stderr);
        return EXIT_USAGE;
    }
    if (zrpc_profile_init(&profile, &err) < 0) {
        cli_complain("zrpc-mutant", NULL, err.text);
        return cli_exit_status(err.code);
    }
    status = zrpc_mutant_serve(argv[1], &profile.timing);
    zrpc_profile_dispose(&profile);
    return status;
}
