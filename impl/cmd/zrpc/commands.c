#include "zrpc.h"

static const struct cli_command commands[] = {
    {"serve", "--listen ENDPOINT... --client IP=IDENTITY... | --config FILE... [OPTION...]",
     "serve a simulated pool, or zfs's", command_serve},
    {"configcheck", "FILE...", "check configuration files", command_configcheck},
    {"stdinserver", "IDENTITY [--sockdir DIR | --config FILE]",
     "hand stdin and stdout to the daemon: the forced command of an ssh key", command_stdinserver},
    {"wait", "--connect ENDPOINT [--timeout DURATION]", "wait until control and data both answer",
     command_wait},
    {"ping", "--connect ENDPOINT [--control] [--data]", "ask a server for an echo", command_ping},
    {"list", "--connect ENDPOINT", "list filesystems", command_list},
    {"versions", "FS --connect ENDPOINT", "list a filesystem's snapshots and bookmarks", command_versions},
    {"destroy", "FS @SNAP... --connect ENDPOINT", "destroy snapshots", command_destroy},
    {"cursor", "get FS | set FS @SNAP --connect ENDPOINT", "read or advance the replication cursor",
     command_cursor},
    {"send", "FS --to @SNAP [--from @SNAP|#BOOKMARK] [OPTION...]",
     "have the server send a snapshot, to a file or stdout", command_send},
    {"recv", "FS [-i FILE] [OPTION...]", "have the server receive a stream, from a file or stdin",
     command_recv},
    {"replicate", "--from ENDPOINT --to ENDPOINT [--filesystems GLOB] [--dry-run] [OPTION...]",
     "bring one end's filesystems up to the other's", command_replicate},
    {0},
};

int zrpc_main(int argc, char **argv)
{
    return cli_main("zrpc", "zrpc speaks the RPC protocol of zrepl's daemons.", commands, argc, argv);
}
