#include <string.h>

#include "zrpc.h"
#include "zrpc/config.h"

static void print_sections(const char *file, const struct zrpc_config *c)
{
    const char *connect = zrpc_config_connect_type(c), *serve = zrpc_config_serve_type(c);

    printf("%s: ok%s%s%s%s\n", file, connect == NULL ? "" : ", connects by ", connect == NULL ? "" : connect,
           serve == NULL ? "" : ", serves by ", serve == NULL ? "" : serve);
}

/* What a file says may be anything, but for the newlines between its mistakes. */
static void print_lines(struct zrpc_view text)
{
    struct zrpc_buf line = {0};

    while (text.len > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        struct zrpc_view v = zrpc_view_take(&text, end == NULL ? text.len : (size_t)(end - text.data));

        zrpc_view_take(&text, end != NULL);
        zrpc_buf_clear(&line);
        if (zrpc_buf_append(&line, v, NULL) == 0 && zrpc_buf_append(&line, zrpc_view("", 1), NULL) == 0)
            cli_print_escaped(stderr, (const char *)zrpc_buf_view(&line).data);
        fputc('\n', stderr);
    }
    zrpc_buf_dispose(&line);
}

/* Prints all that is wrong with a file; answers the exit status. */
static int check(const char *file)
{
    struct zrpc_buf mistakes = {0};
    struct zrpc_config *config;
    struct zrpc_error err;
    int rc = named_file(zrpc_config_load(file, &config, &mistakes, &err), &err);

    if (rc == 0) {
        print_sections(file, config);
        zrpc_config_free(config);
    } else {
        print_lines(mistakes.len > 0 ? zrpc_buf_view(&mistakes) : zrpc_view_of(err.text));
    }
    zrpc_buf_dispose(&mistakes);
    return cli_exit_status(rc);
}

int command_configcheck(const struct cli_command *self, int argc, char **argv)
{
    bool help = false;
    const struct cli_option options[] = {{"help", CLI_FLAG, &help, NULL, "show this"}, {0}};
    struct cli_args args;
    struct zrpc_error err = {0};
    int worst = EXIT_DONE;

    if (cli_parse(options, argc, argv, &args, &err) < 0)
        return usage_error("configcheck", err.text);
    if (help) {
        cli_print_command(stdout, "zrpc", self, options);
        return EXIT_DONE;
    }
    if (args.n == 0)
        return usage_error("configcheck", "FILE is missing");
    for (size_t i = 0; i < args.n; i++) {
        int status = check(args.items[i]);

        worst = status > worst ? status : worst;
    }
    return worst;
}
