#include "testing/accelerated.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __SANITIZE_THREAD__
#define THREAD_SANITIZER 1
#else
#define THREAD_SANITIZER 0
#endif

static int factor(void)
{
    const char *text = getenv("TEST_ACCELERATION");
    int n = text == NULL ? 0 : atoi(text);

    return n > 0 ? n : ZRPC_ACCELERATION;
}

/* A test's time limit is taken by alarm(2), which goes faster as well. */
static void stretch_limit(int by)
{
    const char *text = getenv("TEST_SECONDS");
    char seconds[32];

    snprintf(seconds, sizeof seconds, "%d", (text == NULL ? 60 : atoi(text)) * by);
    setenv("TEST_SECONDS", seconds, 1);
}

int zrpc_suite_main_accelerated(const char *suite, const struct zrpc_test *tests, int argc, char **argv)
{
    char launcher[] = "scripts/with-faketime", option[] = "-x", speed[16];
    char **args;

    if (getenv("FAKETIME") != NULL)
        return zrpc_suite_main(suite, tests, argc, argv);
    if (THREAD_SANITIZER) {
        printf("%s: not run: the thread sanitizer and libfaketime hide calls from each other\n", suite);
        printf("%s: 0 passed, 0 failed\n", suite);
        return 0;
    }
    args = calloc((size_t)argc + 4, sizeof *args);
    if (args == NULL)
        return 2;
    snprintf(speed, sizeof speed, "%d", factor());
    stretch_limit(factor());
    args[0] = launcher;
    args[1] = option;
    args[2] = speed;
    memcpy(args + 3, argv, (size_t)argc * sizeof *args);
    execv(launcher, args);
    fprintf(stderr, "%s: cannot run %s from here: %s\n", suite, launcher, strerror(errno));
    free(args);
    return 2;
}
