#include <unistd.h>

#include "zrpc.h"
#include "zrpc/config.h"
#include "zrpc/transport_ssh.h"

static int proxy(const char *sockdir, const char *config_file, const char *identity, struct zrpc_error *err)
{
    struct zrpc_config *config = NULL;
    int rc = config_file == NULL ? 0 : named_file(zrpc_config_load(config_file, &config, NULL, err), err);

    if (rc < 0)
        return rc;
    if (sockdir == NULL)
        sockdir = config == NULL ? ZRPC_STDINSERVER_SOCKDIR_DEFAULT : zrpc_config_sockdir(config);
    rc = zrpc_stdinserver_proxy(sockdir, identity, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, err);
    zrpc_config_free(config);
    return rc;
}

/* What is printed on stderr reaches the client's log, through ssh. */
int command_stdinserver(const struct cli_command *self, int argc, char **argv)
{
    const char *sockdir = NULL, *config = NULL;
    bool help = false;
    const struct cli_option options[] = {
        {"sockdir", CLI_STRING, &sockdir, "DIR",
         "the daemon's sockets (" ZRPC_STDINSERVER_SOCKDIR_DEFAULT ")"},
        {"config", CLI_STRING, &config, "FILE", "the file that says so (global.serve.stdinserver.sockdir)"},
        {"help", CLI_FLAG, &help, NULL, "show this"},
        {0},
    };
    struct cli_args args;
    struct zrpc_error err = {0};
    int rc = cli_parse(options, argc, argv, &args, &err);

    if (rc == 0 && help) {
        cli_print_command(stdout, "zrpc", self, options);
        return EXIT_DONE;
    }
    if (rc == 0 && args.n != 1)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "expected one argument, the client's identity");
    if (rc < 0)
        return usage_error("stdinserver", err.text);
    rc = proxy(sockdir, config, args.items[0], &err);
    return rc < 0 ? failure("stdinserver", rc, &err) : EXIT_DONE;
}
