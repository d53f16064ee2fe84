#include "testing/accelerated.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STRING_(x) #x
#define STRING(x)  STRING_(x)

static char launcher[] = "scripts/with-faketime", factor_option[] = "-x",
            factor[] = STRING(ZRPC_ACCELERATION);

int zrpc_suite_main_accelerated(const char *suite, const struct zrpc_test *tests, int argc, char **argv)
{
    char **args;

    if (getenv("FAKETIME") != NULL)
        return zrpc_suite_main(suite, tests, argc, argv);
    args = calloc((size_t)argc + 4, sizeof *args);
    if (args == NULL)
        return 2;
    args[0] = launcher;
    args[1] = factor_option;
    args[2] = factor;
    memcpy(args + 3, argv, (size_t)argc * sizeof *args);
    execv(launcher, args);
    fprintf(stderr, "%s: cannot run %s from here: %s\n", suite, launcher, strerror(errno));
    free(args);
    return 2;
}
