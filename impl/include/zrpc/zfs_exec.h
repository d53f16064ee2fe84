/*
 * The zfs backend that runs the `zfs` command, be it the real one or the simulator's drop-in.
 *
 * No shell is involved, and output is parsed strictly: a line that is not what was asked for is ZRPC_ERR_ZFS
 * and quoted. What a command that failed wrote to stderr is the error's text, joined to one line and cut to
 * its end. Commands run in the C locale, each in a process group of its own, which is killed when the command
 * has ended, is cancelled, or its source or sink is closed; nothing is left behind, no process and no
 * descriptor.
 *
 * Sources and sinks are pipes. A command that closes its output and fails fails the source, so that no stream
 * is taken for complete (ZR-STREAM-003). A receive's verdict is its exit status, after its stdin was closed.
 * A sink that is closed unfinished ends the command's input and gives it a moment to keep what a resumable
 * receive keeps. What zfs has committed by then, because all records of the stream had come, remains.
 *
 * Should this process be killed, its commands' pipes break: a send fails in its next write, and a receive
 * finds its stream cut. So no command needs PR_SET_PDEATHSIG, which would follow the thread that started it,
 * and threads of a pool come and go.
 */
#ifndef ZRPC_ZFS_EXEC_H
#define ZRPC_ZFS_EXEC_H

#include "zrpc/clock.h"
#include "zrpc/zfs.h"

#define ZRPC_ZFS_LINGER_DEFAULT (5 * ZRPC_SECOND)

struct zrpc_zfs_exec {
    const char *command; /* borrowed */
    char **environment;
    zrpc_time linger; /* how long a command may take to end once its pipe is closed */
};

/* `command`: a program's path, or a name that is looked up on PATH at each call; NULL: "zfs". Takes a copy of
 * the environment's list, whose strings must stay. ZRPC_ERR_NOMEM. */
int zrpc_zfs_exec_init(struct zrpc_zfs_exec *e, const char *command, struct zrpc_error *err);
/* Every source and sink must be closed. */
void zrpc_zfs_exec_dispose(struct zrpc_zfs_exec *e);
/* Valid until dispose. */
struct zrpc_zfs zrpc_zfs_exec(struct zrpc_zfs_exec *e);

#endif
