#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "greeter.h"
#include "zrpc/transport.h"

static struct zrpc_grpchelper_server *signalled;

static void on_signal(int signo)
{
    (void)signo;
    zrpc_grpchelper_server_stop(signalled);
}

static void set_signals(void (*handler)(int))
{
    const struct sigaction action = {.sa_handler = handler};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static int server(const char *address, const struct zrpc_log *log, struct zrpc_error *err)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "localclient"}, {"::1", "localclient"}};
    const struct zrpc_grpchelper_options options = {
        .services = &greeter_service, .n_services = 1, .log = log};
    struct zrpc_listener *listener;
    int rc = zrpc_grpchelper_server_new(&options, &signalled, err);

    if (rc < 0)
        return rc;
    rc = zrpc_tcp_listen(address, clients, 2, &listener, err);
    if (rc == 0)
        rc = zrpc_grpchelper_server_add(signalled, listener, err);
    if (rc == 0) {
        set_signals(on_signal);
        fprintf(stderr, "listening on %s\n", listener->ops->address(listener));
        rc = zrpc_grpchelper_server_run(signalled, err);
        set_signals(SIG_IGN);
    }
    zrpc_grpchelper_server_free(signalled);
    return rc;
}

static int client(const char *address, const char *name, const struct zrpc_log *log, struct zrpc_error *err)
{
    struct zrpc_dialer *dialer;
    char *answer;
    int rc = zrpc_tcp_dialer(address, ZRPC_DIAL_TIMEOUT_DEFAULT, &dialer, err);

    if (rc < 0)
        return rc;
    rc = greeter_greet(dialer, name, log, &answer, err);
    dialer->ops->close(dialer);
    if (rc < 0)
        return rc;
    fputs("got response:\n\t", stdout);
    cli_print_escaped(stdout, answer);
    fputc('\n', stdout);
    free(answer);
    return 0;
}

int main(int argc, char **argv)
{
    const char *mode = "", *address = "127.0.0.1:8080", *name = "somethingimadeup";
    bool help = false;
    const struct cli_option options[] = {
        {"mode", CLI_STRING, &mode, "client|server", "what to be"},
        {"address", CLI_STRING, &address, "HOST:PORT", "of the server (127.0.0.1:8080)"},
        {"name", CLI_STRING, &name, "NAME", "client: whom to greet (somethingimadeup)"},
        {"help", CLI_FLAG, &help, NULL, "show this"},
        {0},
    };
    struct cli_args args;
    struct zrpc_log log;
    struct zrpc_error err = {0};
    int rc = cli_parse(options, argc, argv, &args, &err);

    zrpc_log_init_stderr(&log, ZRPC_LOG_DEBUG);
    if (rc == 0 && help) {
        printf(
            "usage: greeter -mode client|server [OPTION...]\n\n"
            "A gRPC service that knows its clients' identities, on plain TCP.\n\n");
        cli_print_options(stdout, options);
        return cli_finish("greeter", EXIT_DONE);
    }
    if (rc == 0 && args.n > 0)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "unexpected argument \"%s\"", args.items[0]);
    else if (rc == 0 && strcmp(mode, "server") == 0)
        rc = server(address, &log, &err);
    else if (rc == 0 && strcmp(mode, "client") == 0)
        rc = client(address, name, &log, &err);
    else if (rc == 0)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "-mode \"%s\", expected client or server", mode);
    if (rc < 0)
        cli_complain("greeter", NULL, err.text);
    return cli_finish("greeter", cli_exit_status(rc));
}
