#include "conformance/cmd/zrpc-conformance/options.h"

#include "testing/suite.h"

#define PARSE(o, ...) parse(o, (char *[]){(char *)"zrpc-conformance", __VA_ARGS__, NULL})

static struct zrpc_error err;

static int parse(struct zrpc_options *o, char **argv)
{
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    err.text[0] = '\0';
    return zrpc_options_parse(o, argc, argv, &err);
}

static void options_are_taken(void)
{
    struct zrpc_options o;

    CHECK_OK(PARSE(&o, (char *)"server", (char *)"--target", (char *)"tcp:a:1", (char *)"--case=frame.*",
                   (char *)"--case", (char *)"send.full", (char *)"--area", (char *)"send",
                   (char *)"--level=should", (char *)"--repeat", (char *)"7", (char *)"--no-slow"));
    CHECK_INT(o.command, ZRPC_COMMAND_SERVER);
    CHECK_STR(o.target, "tcp:a:1");
    CHECK_INT(o.selection.n_globs, 2);
    CHECK_STR(o.selection.globs[1], "send.full");
    CHECK_STR(o.selection.areas[0], "send");
    CHECK_INT(o.selection.weakest, ZRPC_SHOULD);
    CHECK_INT(o.repeat, 7);
    CHECK(o.selection.no_slow);
    CHECK_OK(PARSE(&o, (char *)"list", (char *)"--requirements"));
    CHECK_INT(o.command, ZRPC_COMMAND_LIST);
    CHECK_OK(PARSE(&o, (char *)"--help"));
    CHECK_INT(o.command, ZRPC_COMMAND_HELP);
}

static void mistakes_are_named(void)
{
    struct zrpc_options o;

    CHECK_CODE(PARSE(&o, (char *)"--no-slow"), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "--target or --exec");
    CHECK_OK(PARSE(&o, (char *)"--target", (char *)"a", (char *)"--exec", (char *)"b"));
    CHECK_CODE(PARSE(&o, (char *)"--target"), ZRPC_ERR_USAGE);
    CHECK_STR(err.text, "--target needs a value (ENDPOINT)");
    CHECK_CODE(PARSE(&o, (char *)"--targets=x"), ZRPC_ERR_USAGE);
    CHECK_STR(err.text, "unknown option --targets=x");
    CHECK_CODE(PARSE(&o, (char *)"--verbose=yes"), ZRPC_ERR_USAGE);
    CHECK_CODE(PARSE(&o, (char *)"--repeat=0"), ZRPC_ERR_USAGE);
    CHECK_CODE(PARSE(&o, (char *)"--repeat=2x"), ZRPC_ERR_USAGE);
    CHECK_CODE(PARSE(&o, (char *)"--level=can"), ZRPC_ERR_USAGE);
    CHECK_STR(err.text, "--level can: expected must, should or may");
    CHECK_CODE(PARSE(&o, (char *)"--color=blue"), ZRPC_ERR_USAGE);
    CHECK_CODE(PARSE(&o, (char *)"walk"), ZRPC_ERR_USAGE);
    CHECK_CODE(PARSE(&o, (char *)"list", (char *)"server"), ZRPC_ERR_USAGE);
    CHECK_CODE(PARSE(&o, (char *)"list", (char *)"--untested=x"), ZRPC_ERR_USAGE);
}

static void lists_are_bounded(void)
{
    char *argv[2 * CLI_LIST_MAX + 10] = {(char *)"zrpc-conformance", (char *)"list"};
    struct zrpc_options o;
    int n = 2;

    for (int i = 0; i <= CLI_LIST_MAX; i++)
        argv[n++] = (char *)"--case=*";
    CHECK_CODE(parse(&o, argv), ZRPC_ERR_USAGE);
    argv[n - 1] = NULL;
    CHECK_OK(parse(&o, argv));
}

static const struct zrpc_test tests[] = {
    {"options are taken", options_are_taken},
    {"mistakes are named", mistakes_are_named},
    {"lists are bounded", lists_are_bounded},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("options", tests, argc, argv);
}
