/*
 * A child process with pipes on its three standard descriptors, whose stderr is kept for error texts.
 */
#ifndef ZRPC_TRANSPORT_SSH_PROCESS_H
#define ZRPC_TRANSPORT_SSH_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "zrpc/cancel.h"

#define ZRPC_SSH_STDERR_MAX 600 /* bytes kept: the last ones */

struct zrpc_ssh_process {
    pid_t pid;
    int stderr_fd;
    zrpc_time patience; /* from SIGTERM to SIGKILL */
    bool ended;         /* and reaped */
    int status;         /* as of waitpid(2), once it has ended */
    char said[ZRPC_SSH_STDERR_MAX + 1];
    size_t n_said;
};

/* argv[0] is found by PATH. An empty environment, default signals, a process group of its own, no descriptors
 * beyond the three. *stdin_fd and *stdout_fd are the caller's ends. ZRPC_ERR_DIAL if it cannot be run. */
int zrpc_ssh_process_start(struct zrpc_ssh_process *p, char *const argv[], int *stdin_fd, int *stdout_fd,
                           struct zrpc_error *err);
/* Reads what stderr has, without waiting. */
void zrpc_ssh_process_listen(struct zrpc_ssh_process *p);
/* Until it has ended, at most until `deadline` or cancelled: whether it has. What is left of its process
 * group is killed then. */
bool zrpc_ssh_process_wait(struct zrpc_ssh_process *p, zrpc_time deadline, const struct zrpc_cancel *cancel);
/* Until it has ended, has used no CPU time for `idle_max`, or `deadline`: whether it has ended. */
bool zrpc_ssh_process_wait_while_busy(struct zrpc_ssh_process *p, zrpc_time idle_max, zrpc_time deadline);
/* Has ended, with another status than 0. */
bool zrpc_ssh_process_failed(const struct zrpc_ssh_process *p);
/* Appends ": PROGRAM ended with status 255, saying: ..." as far as known to err's text. */
void zrpc_ssh_process_explain(struct zrpc_ssh_process *p, struct zrpc_error *err);
/* SIGTERM, unless it has ended. */
void zrpc_ssh_process_terminate(struct zrpc_ssh_process *p);
/* Waits `grace` for its end, then SIGTERM, p->patience (a second), SIGKILL; reaps, and closes what start
 * opened, but for the caller's ends. */
void zrpc_ssh_process_end(struct zrpc_ssh_process *p, zrpc_time grace);

#endif
