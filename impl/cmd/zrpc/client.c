#include <limits.h>
#include <signal.h>
#include <string.h>

#include "zrpc.h"
#include "zrpc/transport.h"

int usage_error(const char *command, const char *text)
{
    cli_complain_lines("zrpc", command, text);
    fprintf(stderr, "zrpc %s --help shows the options.\n", command);
    return EXIT_USAGE;
}

int failure(const char *command, int rc, const struct zrpc_error *err)
{
    if (rc == ZRPC_ERR_USAGE)
        return usage_error(command, err->text);
    cli_complain("zrpc", command, err->text);
    return cli_exit_status(rc);
}

int named_file(int rc, struct zrpc_error *err)
{
    if (rc == ZRPC_ERR_SYSTEM)
        err->code = rc = ZRPC_ERR_USAGE;
    return rc;
}

static struct zrpc_cancel *_Atomic signalled;

static void on_signal(int signo)
{
    struct zrpc_cancel *cancel = atomic_load(&signalled);

    (void)signo;
    if (cancel != NULL)
        zrpc_cancel_raise(cancel);
}

int cancel_on_signal(struct zrpc_cancel *cancel, struct zrpc_error *err)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
    int rc = zrpc_cancel_init(cancel, err);

    if (rc < 0)
        return rc;
    atomic_store(&signalled, cancel);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return 0;
}

void forget_signals(struct zrpc_cancel *cancel)
{
    if (cancel->fd < 0)
        return;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    atomic_store(&signalled, NULL);
    zrpc_cancel_dispose(cancel);
}

static int make_dialer(struct client *c, struct zrpc_error *err)
{
    char endpoint[PATH_MAX + 16];

    if (c->connect != NULL)
        return named_file(zrpc_dialer_parse(c->connect, c->dial_timeout, &c->dialer, err), err);
    snprintf(endpoint, sizeof endpoint, "config:%s", c->config);
    return named_file(zrpc_dialer_parse(endpoint, c->dial_timeout, &c->dialer, err), err);
}

static int make_client(struct client *c, struct zrpc_error *err)
{
    struct zrpc_client_options options;
    enum zrpc_log_level level;
    int rc;

    if (c->connect == NULL && c->config == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "--connect is missing: the server, such as tcp:127.0.0.1:8888 (or --config FILE)");
    if (c->connect != NULL && c->config != NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--connect and --config both name a server, expected one");
    if (zrpc_log_level_parse(c->log_level, &level) < 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--log-level \"%s\", expected error, warn, info or debug",
                         c->log_level);
    zrpc_log_init_stderr(&c->log, level);
    rc = zrpc_client_options_env(&options, err);
    options.log = &c->log;
    if (rc == 0)
        rc = cancel_on_signal(&c->cancel, err);
    if (rc == 0)
        rc = make_dialer(c, err);
    if (rc == 0)
        rc = zrpc_client_new(c->dialer, &options, &c->rpc, err);
    c->call.deadline = zrpc_deadline(zrpc_now(), c->timeout);
    c->data.deadline = c->call.deadline;
    c->call.cancel = c->data.cancel = &c->cancel;
    c->call.long_text = c->data.long_text = &c->long_text;
    return rc;
}

int client_begin(struct client *c, const struct cli_command *command, const struct cli_option *options,
                 int argc, char **argv, struct cli_args *args)
{
    struct zrpc_error err;
    int rc = 0;

    for (int i = 1; i < argc && rc == 0; i++)
        if (!zrpc_utf8_valid(zrpc_view_of(argv[i])))
            rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "argument %d is not UTF-8: \"%s\"", i, argv[i]);
    if (rc == 0)
        rc = cli_parse(options, argc, argv, args, &err);
    if (rc == 0 && c->help) {
        cli_print_command(stdout, "zrpc", command, options);
        return EXIT_DONE;
    }
    if (rc == 0)
        rc = make_client(c, &err);
    if (rc == 0)
        return -1;
    client_end(c);
    return failure(command->name, rc, &err);
}

void client_end(struct client *c)
{
    if (c->rpc != NULL)
        c->unreachable = zrpc_channel_failure(zrpc_client_channel(c->rpc), NULL);
    zrpc_client_close(c->rpc);
    if (c->dialer != NULL)
        c->dialer->ops->close(c->dialer);
    forget_signals(&c->cancel);
}

int client_report(struct client *c, FILE *out, const char *command, int rc, const struct zrpc_error *err,
                  json_t *result)
{
    const char *text = c->long_text.len > 0 ? (const char *)zrpc_buf_view(&c->long_text).data : err->text;

    /* The same fault has the same status, whichever connection met it. */
    if (rc == ZRPC_ERR_UNAVAILABLE && c->unreachable < 0)
        rc = c->unreachable;
    if (!c->json && rc < 0)
        cli_complain("zrpc", command, text);
    if (c->json) {
        json_t *report = rc < 0 ? json_pack("{s:b, s:{s:s, s:s}, s:O}", "ok", 0, "error", "code",
                                            zrpc_code_name(rc), "text", text, "result", result)
                                : json_pack("{s:b, s:O}", "ok", 1, "result", result);

        cli_print_json(out, report);
        json_decref(report);
    }
    json_decref(result);
    zrpc_buf_dispose(&c->long_text);
    return cli_exit_status(rc);
}
