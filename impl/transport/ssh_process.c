#include "transport/ssh_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TERM_TO_KILL ZRPC_SECOND /* ZR-SSH-008 */
#define DOZE         (5 * ZRPC_MILLISECOND)

enum { IN, OUT, ERR, PIPES };

struct pipes {
    int ours[PIPES], theirs[PIPES];
};

static void close_all(int fds[PIPES])
{
    for (int i = 0; i < PIPES; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

/* Their ends lie beyond the standard descriptors, so that one dup2 does not overwrite the next one's. */
static int open_pipes(struct pipes *p, struct zrpc_error *err)
{
    int ends[2];

    *p = (struct pipes){{-1, -1, -1}, {-1, -1, -1}};
    for (int i = 0; i < PIPES; i++) {
        int theirs = i == IN ? 0 : 1;

        if (pipe2(ends, O_CLOEXEC) < 0)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pipe for ssh");
        p->ours[i] = ends[1 - theirs];
        p->theirs[i] = fcntl(ends[theirs], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        close(ends[theirs]);
        if (p->theirs[i] < 0)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pipe for ssh");
    }
    /* A child that nobody listens to must not get stuck in writing to stderr. */
    if (fcntl(p->ours[ERR], F_SETFL, O_NONBLOCK) < 0 ||
        fcntl(p->theirs[ERR], F_SETFL, O_WRONLY | O_NONBLOCK) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pipe for ssh");
    return 0;
}

static int spawn(pid_t *pid, char *const argv[], const int theirs[PIPES])
{
    static char *const no_environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all, none;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (rc != 0)
        goto out;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setpgroup(&attr, 0);
    for (int i = 0; i < PIPES && rc == 0; i++)
        rc = posix_spawn_file_actions_adddup2(&actions, theirs[i], i);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (rc == 0)
        rc = posix_spawnp(pid, argv[0], &actions, &attr, argv, no_environment);
    posix_spawnattr_destroy(&attr);
out:
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

int zrpc_ssh_process_start(struct zrpc_ssh_process *p, char *const argv[], int *stdin_fd, int *stdout_fd,
                           struct zrpc_error *err)
{
    struct pipes pipes;
    int errnum, rc = open_pipes(&pipes, err);

    *p = (struct zrpc_ssh_process){.stderr_fd = -1, .patience = TERM_TO_KILL};
    if (rc < 0)
        goto failed;
    errnum = spawn(&p->pid, argv, pipes.theirs);
    if (errnum != 0) {
        rc = zrpc_fail_errno(err, ZRPC_ERR_DIAL, errnum, "run %s", argv[0]);
        goto failed;
    }
    close_all(pipes.theirs);
    p->stderr_fd = pipes.ours[ERR];
    *stdin_fd = pipes.ours[IN];
    *stdout_fd = pipes.ours[OUT];
    return 0;
failed:
    close_all(pipes.ours);
    close_all(pipes.theirs);
    return rc;
}

void zrpc_ssh_process_listen(struct zrpc_ssh_process *p)
{
    char chunk[512];
    ssize_t n;

    while ((n = read(p->stderr_fd, chunk, sizeof chunk)) > 0) {
        size_t keep = ZRPC_SSH_STDERR_MAX - (size_t)n;

        if (p->n_said > keep) {
            memmove(p->said, p->said + p->n_said - keep, keep);
            p->n_said = keep;
        }
        memcpy(p->said + p->n_said, chunk, (size_t)n);
        p->n_said += (size_t)n;
    }
    p->said[p->n_said] = '\0';
}

/* Reaps a child that has ended; until then its id keeps the process group from being somebody else's. */
static void reap(struct zrpc_ssh_process *p)
{
    kill(-p->pid, SIGKILL);
    while (waitpid(p->pid, &p->status, 0) < 0)
        if (errno != EINTR) {
            p->status = 0; /* somebody else has reaped it */
            break;
        }
    p->ended = true;
}

static bool reap_if_ended(struct zrpc_ssh_process *p)
{
    siginfo_t info = {0};

    if (!p->ended &&
        (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != 0))
        reap(p);
    return p->ended;
}

/* Most children take their stderr along when they end, which wakes us at once. */
static void doze(struct zrpc_ssh_process *p, zrpc_time now, zrpc_time deadline)
{
    struct pollfd end = {.fd = p->stderr_fd, .events = POLLIN};
    zrpc_time until = zrpc_earlier(deadline, now + DOZE);

    (void)poll(&end, 1, zrpc_poll_timeout(now, until));
    zrpc_ssh_process_listen(p);
    if ((end.revents & POLLHUP) != 0)
        (void)poll(NULL, 0, 1);
}

bool zrpc_ssh_process_wait(struct zrpc_ssh_process *p, zrpc_time deadline, const struct zrpc_cancel *cancel)
{
    zrpc_time now = zrpc_now();

    for (; !reap_if_ended(p) && now < deadline && !zrpc_cancelled(cancel); now = zrpc_now())
        doze(p, now, deadline);
    return p->ended;
}

/* That it has used; 0 where nobody knows. */
static zrpc_time cpu_time(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
        return 0;
    return used.tv_sec * ZRPC_SECOND + used.tv_nsec;
}

bool zrpc_ssh_process_wait_while_busy(struct zrpc_ssh_process *p, zrpc_time idle_max, zrpc_time deadline)
{
    zrpc_time now = zrpc_now(), before, idle = 0, used = 0, used_before;

    while (!reap_if_ended(p) && idle < idle_max && now < deadline) {
        doze(p, now, deadline);
        before = now;
        now = zrpc_now();
        used_before = used;
        used = cpu_time(p->pid);
        /* What took longer than a doze was no time that it had either. */
        idle = used == used_before ? idle + zrpc_earlier(now - before, 2 * DOZE) : 0;
    }
    return p->ended;
}

bool zrpc_ssh_process_failed(const struct zrpc_ssh_process *p)
{
    return p->ended && p->status != 0;
}

static void describe_status(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, ": ssh was ended by signal %d", WTERMSIG(status));
    else
        snprintf(out, size, ": ssh ended with status %d", WEXITSTATUS(status));
}

void zrpc_ssh_process_explain(struct zrpc_ssh_process *p, struct zrpc_error *err)
{
    char status[64] = "", said[ZRPC_SSH_STDERR_MAX + 1];
    size_t n = 0;

    zrpc_ssh_process_listen(p);
    if (p->ended)
        describe_status(p->status, status, sizeof status);
    for (size_t i = 0; i < p->n_said; i++)
        if (p->said[i] != '\r' && p->said[i] != '\0')
            said[n++] = p->said[i] == '\n' ? ' ' : p->said[i];
    while (n > 0 && said[n - 1] == ' ')
        n--;
    said[n] = '\0';
    zrpc_fail(err, err->code, "%s%s%s%s", err->text, status, n > 0 ? "; its stderr: " : "", said);
}

void zrpc_ssh_process_terminate(struct zrpc_ssh_process *p)
{
    if (!p->ended)
        kill(-p->pid, SIGTERM);
}

void zrpc_ssh_process_end(struct zrpc_ssh_process *p, zrpc_time grace)
{
    if (!zrpc_ssh_process_wait(p, zrpc_now() + grace, NULL)) {
        zrpc_ssh_process_terminate(p);
        if (!zrpc_ssh_process_wait(p, zrpc_now() + p->patience, NULL))
            reap(p);
    }
    close(p->stderr_fd);
}
