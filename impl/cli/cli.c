#include "cli/cli.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "zrpc/clock.h"

static const char *const exit_statuses[] = {
    [EXIT_DONE] = "done",
    [EXIT_FAILED] = "what was asked for was refused, or failed",
    [EXIT_USAGE] = "usage: an argument, a variable or a configuration is not as it has to be",
    [EXIT_CONNECTION] = "cannot connect or listen, or the connection broke",
    [EXIT_PROTOCOL] = "the peer broke the protocol, or is of another kind: no version handshake",
    [EXIT_TIMEOUT] = "a time limit passed, also that for connecting or for the handshake",
    [EXIT_LOCAL] = "this side failed: a file, standard output, memory, or a signal ended it",
};

int cli_exit_status(int code)
{
    static const int by_band[] = {
        [ZRPC_BAND_OK] = EXIT_DONE,           [ZRPC_BAND_LOCAL] = EXIT_LOCAL,
        [ZRPC_BAND_PROTOCOL] = EXIT_PROTOCOL, [ZRPC_BAND_PEER] = EXIT_CONNECTION,
        [ZRPC_BAND_TIMEOUT] = EXIT_TIMEOUT,   [ZRPC_BAND_CLOSED] = EXIT_CONNECTION,
        [ZRPC_BAND_SYSTEM] = EXIT_CONNECTION, [ZRPC_BAND_TLS] = EXIT_CONNECTION,
    };

    switch (code) {
    case ZRPC_ERR_HANDLER:
    case ZRPC_ERR_PEER_SOURCE:
        return EXIT_FAILED;
    case ZRPC_ERR_USAGE:
        return EXIT_USAGE;
    case ZRPC_ERR_SYSTEM:
        return EXIT_LOCAL;
    default:
        return by_band[zrpc_code_band(code)];
    }
}

void cli_print_exit_statuses(FILE *out)
{
    fprintf(out, "exit status:\n");
    for (size_t i = 0; i < sizeof exit_statuses / sizeof exit_statuses[0]; i++)
        fprintf(out, "  %zu  %s\n", i, exit_statuses[i]);
}

static int parse_flag(void *value, const char *text, struct zrpc_error *err)
{
    if (text != NULL && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "\"%s\", expected true or false", text);
    *(bool *)value = text == NULL || strcmp(text, "true") == 0;
    return 0;
}

static int parse_string(void *value, const char *text, struct zrpc_error *err)
{
    (void)err;
    *(const char **)value = text;
    return 0;
}

static int parse_list(void *value, const char *text, struct zrpc_error *err)
{
    struct cli_list *list = value;

    if (list->n == CLI_LIST_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "\"%s\": more than %d of them", text, CLI_LIST_MAX);
    list->items[list->n++] = text;
    return 0;
}

static int parse_duration(void *value, const char *text, struct zrpc_error *err)
{
    zrpc_time duration;
    int rc = zrpc_duration_parse(text, &duration, err);

    if (rc == 0 && duration < 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "\"%s\" is negative", text);
    if (rc == 0)
        *(zrpc_time *)value = duration;
    return rc;
}

static int parse_number(void *value, const char *text, struct zrpc_error *err)
{
    static const char suffixes[] = "KMGT";
    unsigned long long number;
    unsigned shift = 0;
    const char *suffix;
    char *end;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (*end != '\0' && (suffix = strchr(suffixes, *end)) != NULL) {
        shift = 10u * (unsigned)(suffix - suffixes + 1);
        end += end[1] == 'i' ? 2 : 1;
    }
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number > UINT64_MAX >> shift)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "\"%s\", expected a number such as 1000, 64K or 1T", text);
    *(uint64_t *)value = (uint64_t)number << shift;
    return 0;
}

static int (*const parse_kind[])(void *value, const char *text, struct zrpc_error *err) = {
    [CLI_FLAG] = parse_flag,         [CLI_STRING] = parse_string, [CLI_LIST] = parse_list,
    [CLI_DURATION] = parse_duration, [CLI_NUMBER] = parse_number,
};

static const struct cli_option *find(const struct cli_option *options, const char *name, size_t len)
{
    for (; options->name != NULL; options++)
        if (strlen(options->name) == len && strncmp(options->name, name, len) == 0)
            return options;
    return NULL;
}

/* One option at argv[*i]; advances *i over a separate value. */
static int parse_option(const struct cli_option *options, int argc, char **argv, int *i,
                        struct zrpc_error *err)
{
    const char *name = argv[*i] + (argv[*i][1] == '-' ? 2 : 1);
    const char *text = strchr(name, '=');
    const struct cli_option *o = find(options, name, text == NULL ? strlen(name) : (size_t)(text - name));
    int rc;

    if (o == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "unknown option %s", argv[*i]);
    if (text != NULL)
        text++;
    else if (o->kind != CLI_FLAG) {
        if (*i + 1 == argc)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "%s needs a value (%s)", argv[*i], o->metavar);
        text = argv[++*i];
    }
    rc = parse_kind[o->kind](o->value, text, err);
    return rc < 0 ? zrpc_error_prefix(err, rc, "--%s", o->name) : 0;
}

int cli_parse(const struct cli_option *options, int argc, char **argv, struct cli_args *args,
              struct zrpc_error *err)
{
    bool options_over = false;

    *args = (struct cli_args){.items = argv + 1};
    for (int i = 1; i < argc; i++) {
        int rc = 0;

        if (!options_over && strcmp(argv[i], "--") == 0) {
            options_over = true;
            continue;
        }
        if (options_over || argv[i][0] != '-' || argv[i][1] == '\0')
            args->items[args->n++] = argv[i];
        else
            rc = parse_option(options, argc, argv, &i, err);
        if (rc < 0)
            return rc;
    }
    if (args->n + 1 < (size_t)argc)
        args->items[args->n] = NULL;
    return 0;
}

void cli_print_options(FILE *out, const struct cli_option *options)
{
    enum { LEFT = 28 };

    for (; options->name != NULL; options++) {
        int width =
            fprintf(out, "  %s%s%s%s", strlen(options->name) == 1 ? "-" : "--", options->name,
                    options->metavar == NULL ? "" : " ", options->metavar == NULL ? "" : options->metavar);

        if (width >= LEFT) {
            fputc('\n', out);
            width = 0;
        }
        fprintf(out, "%*s%s\n", LEFT - width, "", options->help);
    }
}

void cli_print_command(FILE *out, const char *program, const struct cli_command *command,
                       const struct cli_option *options)
{
    fprintf(out, "usage: %s %s %s\n\n%s\n\n", program, command->name, command->synopsis, command->summary);
    cli_print_options(out, options);
}

static void print_commands(FILE *out, const char *program, const char *about,
                           const struct cli_command *commands)
{
    fprintf(out, "%s\n\nusage: %s COMMAND [ARGUMENT...]\n\n", about, program);
    for (; commands->name != NULL; commands++)
        fprintf(out, "  %-12s %s\n", commands->name, commands->summary);
    fprintf(out, "\n%s COMMAND --help shows a command's options.\n\n", program);
    cli_print_exit_statuses(out);
}

static int run(const char *program, const char *about, const struct cli_command *commands, int argc,
               char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (name != NULL &&
        (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)) {
        print_commands(stdout, program, about, commands);
        return EXIT_DONE;
    }
    if (name != NULL && strcmp(name, "--version") == 0) {
        printf("%s %s\n", program, ZRPC_VERSION);
        return EXIT_DONE;
    }
    for (const struct cli_command *c = commands; name != NULL && c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c->run(c, argc - 1, argv + 1);
    if (name != NULL)
        fprintf(stderr, "%s: unknown command \"%s\"\n\n", program, name);
    print_commands(stderr, program, about, commands);
    return EXIT_USAGE;
}

int cli_main(const char *program, const char *about, const struct cli_command *commands, int argc,
             char **argv)
{
    return cli_finish(program, run(program, about, commands, argc, argv));
}
