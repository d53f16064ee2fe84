#include "conformance/cmd/zrpc-conformance/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int take_option(struct zrpc_options *o, const char *value, struct zrpc_error *err);

static int add_to_list(const char **list, size_t *n, const char *value, struct zrpc_error *err)
{
    if (*n == ZRPC_OPTIONS_LIST_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "\"%s\" is one selection too many", value);
    list[(*n)++] = value;
    return 0;
}

static int take_case(struct zrpc_options *o, const char *value, struct zrpc_error *err)
{
    return add_to_list(o->globs, &o->selection.n_globs, value, err);
}

static int take_area(struct zrpc_options *o, const char *value, struct zrpc_error *err)
{
    return add_to_list(o->areas, &o->selection.n_areas, value, err);
}

static int take_level(struct zrpc_options *o, const char *value, struct zrpc_error *err)
{
    for (enum zrpc_level level = ZRPC_MUST; level <= ZRPC_MAY; level++) {
        if (strcasecmp(value, zrpc_level_name(level)) == 0) {
            o->selection.weakest = level;
            return 0;
        }
    }
    return zrpc_fail(err, ZRPC_ERR_USAGE, "--level %s: expected must, should or may", value);
}

static int take_repeat(struct zrpc_options *o, const char *value, struct zrpc_error *err)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);

    if (*end != '\0' || n < 1 || n > 100000)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--repeat %s: expected a number from 1 on", value);
    o->repeat = (unsigned)n;
    return 0;
}

static int take_no_slow(struct zrpc_options *o, const char *value, struct zrpc_error *err)
{
    (void)value;
    (void)err;
    o->selection.no_slow = true;
    return 0;
}

static int take_verbose(struct zrpc_options *o, const char *value, struct zrpc_error *err)
{
    (void)value;
    (void)err;
    o->verbose = true;
    return 0;
}

static int take_requirements(struct zrpc_options *o, const char *value, struct zrpc_error *err)
{
    (void)value;
    (void)err;
    o->requirements = true;
    return 0;
}

#define TEXT_OPTION(field)                                                                     \
    static int take_##field(struct zrpc_options *o, const char *value, struct zrpc_error *err) \
    {                                                                                          \
        (void)err;                                                                             \
        o->field = value;                                                                      \
        return 0;                                                                              \
    }
TEXT_OPTION(target)
TEXT_OPTION(exec)
TEXT_OPTION(in_process)
TEXT_OPTION(profile)
TEXT_OPTION(expectations)
TEXT_OPTION(tap)
TEXT_OPTION(junit)
TEXT_OPTION(json)
TEXT_OPTION(html)
TEXT_OPTION(untested)
TEXT_OPTION(colour)

static const struct {
    const char *name, *value, *help; /* value NULL: takes none */
    take_option *take;
} table[] = {
    {"--target", "ENDPOINT",
     "test the server there: tcp:HOST:PORT or config:FILE; with --exec: instead of what it prints",
     take_target},
    {"--exec", "COMMAND", "start the server, and again if it dies; it prints \"listening on ENDPOINT\"",
     take_exec},
    {"--in-process", "FILE",
     "test the reference server, in this process, over what the configuration FILE says: for local",
     take_in_process},
    {"--profile", "FILE", "what the target offers (see `zrpc-conformance profile`)", take_profile},
    {"--expect", "FILE", "known shortcomings: lines `xfail|may-fail CASE-GLOB REASON`", take_expectations},
    {"--case", "GLOB", "only cases whose id matches; may be repeated", take_case},
    {"--area", "AREA", "only this area; may be repeated", take_area},
    {"--level", "LEVEL", "only this level and stricter ones: must, should, may (default)", take_level},
    {"--no-slow", NULL, "leave out cases that wait for deadlines of the target", take_no_slow},
    {"--repeat", "N", "run each case N times; mixed results are FLAKY", take_repeat},
    {"--tap", "FILE", "write a TAP report", take_tap},
    {"--junit", "FILE", "write a JUnit XML report", take_junit},
    {"--json", "FILE", "write a JSON report", take_json},
    {"--html", "FILE", "write a page with every case's trace and diagram", take_html},
    {"--color", "WHEN", "auto (default), always, never", take_colour},
    {"--verbose", NULL, "show what went over the wire for every case", take_verbose},
    {"--requirements", NULL, "list: requirements and their cases, uncovered ones marked", take_requirements},
    {"--untested", "FILE", "list --requirements: fail on gaps, except those named there", take_untested},
};

static const struct {
    const char *name, *help;
    enum zrpc_command command;
} commands[] = {
    {"server", "test a server (default)", ZRPC_COMMAND_SERVER},
    {"list", "list cases, or with --requirements what covers each requirement", ZRPC_COMMAND_LIST},
    {"profile", "print the profile in use and what its keys mean", ZRPC_COMMAND_PROFILE},
    {"help", "print this", ZRPC_COMMAND_HELP},
};

void zrpc_options_print_usage(void)
{
    puts(
        "usage: zrpc-conformance [COMMAND] [OPTIONS]\n\nTests an implementation of zrepl's RPC protocol over "
        "the "
        "wire.\n\ncommands:");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        printf("  %-24s %s\n", commands[i].name, commands[i].help);
    puts("\noptions:");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        printf("  %-14s %-9s %s\n", table[i].name, table[i].value == NULL ? "" : table[i].value,
               table[i].help);
    puts("\nexit status: 0 conformant, 1 not conformant, 2 usage, 3 the target cannot be reached");
}

static int take_command(struct zrpc_options *o, const char *word, struct zrpc_error *err)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, word) == 0) {
            o->command = commands[i].command;
            return 0;
        }
    }
    return zrpc_fail(err, ZRPC_ERR_USAGE, "unknown command \"%s\"", word);
}

/* The option at argv[*i]; moves *i to its value where that is a word of its own. */
static int take_one(struct zrpc_options *o, int argc, char **argv, int *i, struct zrpc_error *err)
{
    const char *word = argv[*i], *equals = strchr(word, '='), *value = NULL;
    size_t len = equals == NULL ? strlen(word) : (size_t)(equals - word);

    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
        if (strlen(table[k].name) != len || strncmp(table[k].name, word, len) != 0)
            continue;
        if (table[k].value == NULL && equals != NULL)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "%s takes no value", table[k].name);
        if (table[k].value != NULL && equals == NULL && *i + 1 == argc)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "%s needs a value: %s", table[k].name, table[k].value);
        if (table[k].value != NULL)
            value = equals != NULL ? equals + 1 : argv[++*i];
        return table[k].take(o, value, err);
    }
    return zrpc_fail(err, ZRPC_ERR_USAGE, "unknown option %s", word);
}

static int check_options(const struct zrpc_options *o, struct zrpc_error *err)
{
    bool target = o->target != NULL || o->exec != NULL;

    if (o->command == ZRPC_COMMAND_SERVER && target == (o->in_process != NULL))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--target or --exec, or else --in-process, is needed");
    if (o->untested != NULL && !o->requirements)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--untested belongs to list --requirements");
    if (strcmp(o->colour, "auto") != 0 && strcmp(o->colour, "always") != 0 && strcmp(o->colour, "never") != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--color %s: expected auto, always or never", o->colour);
    return 0;
}

int zrpc_options_parse(struct zrpc_options *o, int argc, char **argv, struct zrpc_error *err)
{
    bool has_command = false;
    int rc = 0;

    *o = (struct zrpc_options){.repeat = 1, .colour = "auto", .selection.weakest = ZRPC_MAY};
    for (int i = 1; i < argc && rc == 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            o->command = ZRPC_COMMAND_HELP;
            return 0;
        }
        if (argv[i][0] == '-') {
            rc = take_one(o, argc, argv, &i, err);
        } else if (has_command) {
            rc = zrpc_fail(err, ZRPC_ERR_USAGE, "unexpected \"%s\"", argv[i]);
        } else {
            rc = take_command(o, argv[i], err);
            has_command = true;
        }
    }
    o->selection.globs = o->globs;
    o->selection.areas = o->areas;
    return rc < 0 ? rc : check_options(o, err);
}
