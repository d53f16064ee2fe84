#include "conformance/cmd/zrpc-conformance/options.h"

#include <string.h>

static const struct {
    const char *name, *help;
    enum zrpc_command command;
} commands[] = {
    {"server", "test a server (default)", ZRPC_COMMAND_SERVER},
    {"list", "list cases, or with --requirements what covers each requirement", ZRPC_COMMAND_LIST},
    {"profile", "print the profile in use and what its keys mean", ZRPC_COMMAND_PROFILE},
    {"help", "print this", ZRPC_COMMAND_HELP},
};

/* What the table fills in, beside the options themselves. */
struct words {
    struct zrpc_options o;
    const char *level;
    bool help;
};

enum { OPTIONS = 20 };

static void make_table(struct words *w, struct cli_option table[static OPTIONS])
{
    struct zrpc_options *o = &w->o;
    const struct cli_option options[OPTIONS] = {
        {"target", CLI_STRING, &o->target, "ENDPOINT",
         "test the server there: tcp:HOST:PORT or config:FILE; with --exec: instead of what it prints"},
        {"exec", CLI_STRING, &o->exec, "COMMAND",
         "start the server, and again if it dies; it prints \"listening on ENDPOINT\" (or see --target)"},
        {"in-process", CLI_STRING, &o->in_process, "FILE",
         "test the reference server, in this process, over what the configuration FILE says: for local"},
        {"profile", CLI_STRING, &o->profile, "FILE",
         "what the target offers (see `zrpc-conformance profile`)"},
        {"expect", CLI_STRING, &o->expectations, "FILE",
         "known shortcomings: lines `xfail|may-fail CASE-GLOB REASON`"},
        {"case", CLI_LIST, &o->globs, "GLOB", "only cases whose id matches; may be repeated"},
        {"area", CLI_LIST, &o->areas, "AREA", "only this area; may be repeated"},
        {"level", CLI_STRING, &w->level, "LEVEL",
         "only this level and stricter ones: must, should, may (default)"},
        {"no-slow", CLI_FLAG, &o->selection.no_slow, NULL,
         "leave out cases that wait for deadlines of the target"},
        {"repeat", CLI_NUMBER, &o->repeat, "N", "run each case N times; mixed results are FLAKY"},
        {"tap", CLI_STRING, &o->tap, "FILE", "write a TAP report"},
        {"junit", CLI_STRING, &o->junit, "FILE", "write a JUnit XML report"},
        {"json", CLI_STRING, &o->json, "FILE", "write a JSON report"},
        {"html", CLI_STRING, &o->html, "FILE", "write a page with every case's trace and diagram"},
        {"color", CLI_STRING, &o->colour, "WHEN", "auto (default), always, never"},
        {"verbose", CLI_FLAG, &o->verbose, NULL, "show what went over the wire for every case"},
        {"requirements", CLI_FLAG, &o->requirements, NULL,
         "list: requirements and their cases, uncovered ones marked"},
        {"untested", CLI_STRING, &o->untested, "FILE",
         "list --requirements: fail on gaps, except those named there"},
        {"help", CLI_FLAG, &w->help, NULL, "show this"},
        {0},
    };

    memcpy(table, options, sizeof options);
}

void zrpc_options_print_usage(void)
{
    struct cli_option table[OPTIONS];
    struct words w;

    puts(
        "usage: zrpc-conformance [COMMAND] [OPTION...]\n\n"
        "Tests an implementation of zrepl's RPC protocol over the wire.\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        printf("  %-12s %s\n", commands[i].name, commands[i].help);
    printf("\n");
    make_table(&w, table);
    cli_print_options(stdout, table);
    printf("\n1 is for a target that is not conformant, 3 for one that cannot be reached.\n\n");
    cli_print_exit_statuses(stdout);
}

static int take_command(struct zrpc_options *o, const struct cli_args *words, struct zrpc_error *err)
{
    if (words->n > 1)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "unexpected argument \"%s\"", words->items[1]);
    for (size_t i = 0; words->n > 0 && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, words->items[0]) == 0) {
            o->command = commands[i].command;
            return 0;
        }
    return words->n == 0 ? 0 : zrpc_fail(err, ZRPC_ERR_USAGE, "unknown command \"%s\"", words->items[0]);
}

static int take_level(struct zrpc_options *o, const char *value, struct zrpc_error *err)
{
    for (enum zrpc_level level = ZRPC_MUST; level <= ZRPC_MAY; level++)
        if (strcasecmp(value, zrpc_level_name(level)) == 0) {
            o->selection.weakest = level;
            return 0;
        }
    return zrpc_fail(err, ZRPC_ERR_USAGE, "--level %s: expected must, should or may", value);
}

static int check(const struct zrpc_options *o, struct zrpc_error *err)
{
    bool target = o->target != NULL || o->exec != NULL;

    if (o->command == ZRPC_COMMAND_SERVER && target == (o->in_process != NULL))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--target or --exec, or else --in-process, is needed");
    if (o->untested != NULL && !o->requirements)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--untested belongs to list --requirements");
    if (o->repeat < 1 || o->repeat > 100000)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--repeat must be from 1 to 100000");
    if (strcmp(o->colour, "auto") != 0 && strcmp(o->colour, "always") != 0 && strcmp(o->colour, "never") != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--color %s: expected auto, always or never", o->colour);
    return 0;
}

int zrpc_options_parse(struct zrpc_options *o, int argc, char **argv, struct zrpc_error *err)
{
    struct words w = {.o = {.repeat = 1, .colour = "auto", .selection.weakest = ZRPC_MAY}, .level = "may"};
    struct cli_option table[OPTIONS];
    struct cli_args words;
    int rc;

    make_table(&w, table);
    rc = cli_parse(table, argc, argv, &words, err);
    *o = w.o;
    if (rc == 0)
        rc = take_command(o, &words, err);
    if (rc == 0)
        rc = take_level(o, w.level, err);
    if (rc == 0 && w.help)
        o->command = ZRPC_COMMAND_HELP;
    o->selection.globs = o->globs.items;
    o->selection.n_globs = o->globs.n;
    o->selection.areas = o->areas.items;
    o->selection.n_areas = o->areas.n;
    return rc < 0 ? rc : check(o, err);
}
