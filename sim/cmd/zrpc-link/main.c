#include "program.h"

static const struct cli_command commands[] = {
    {"relay", "--listen ADDRESS --connect ADDRESS [--fault FAULT]... [--config FILE]",
     "relay until interrupted", command_relay},
    {"run", "--connect ADDRESS [OPTION]... -- COMMAND [ARGUMENT]...",
     "run a command that connects through the link: at {}, or $ZRPC_LINK", command_run},
    {"stdio", "[OPTION]... -- COMMAND [ARGUMENT]...",
     "be the link between the caller and a command, as ssh is", command_stdio},
    {"ctl", "SOCKET status|faults|stop|ACTION [KEY=VALUE]...",
     "talk to a link that was started with --control", command_ctl},
    {NULL, NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
    return cli_main("zrpc-link", "A link that breaks on command.", commands, argc, argv);
}
