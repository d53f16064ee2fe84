#include "zfs/exec_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_EVERY    (20 * ZRPC_MILLISECOND) /* at what nobody signals */
#define LOOK_OFTEN    (2 * ZRPC_MILLISECOND)
#define TERM_TO_KILL  ZRPC_SECOND
#define PIPE_CAPACITY (1 << 20) /* bytes: what anybody may ask for */
#define ARGS_MAX      16
#define LISTENS_MAX   256 /* in a row, to one that talks without end */

/* Both ends beyond the standard descriptors, so that one dup2 does not overwrite the next one's. */
static int open_pipe(int *read_end, int *write_end)
{
    int ends[2], errnum;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    *read_end = fcntl(ends[0], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    *write_end = fcntl(ends[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    errnum = errno;
    close(ends[0]);
    close(ends[1]);
    return *read_end < 0 || *write_end < 0 ? errnum : 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

struct theirs {
    int data, err; /* -1: none */
};

static int open_pipes(struct zrpc_zfs_process *p, struct theirs *theirs, enum zrpc_zfs_stdio stdio)
{
    bool writes = stdio == ZRPC_ZFS_WRITE_STDIN;
    int errnum = writes ? open_pipe(&theirs->data, &p->fd) : open_pipe(&p->fd, &theirs->data);

    if (errnum == 0 && stdio != ZRPC_ZFS_READ_BOTH)
        errnum = open_pipe(&p->stderr_fd, &theirs->err);
    if (errnum != 0)
        return errnum;
    (void)fcntl(p->fd, F_SETPIPE_SZ, PIPE_CAPACITY); /* a wish */
    if (fcntl(p->fd, F_SETFL, O_NONBLOCK | (writes ? O_WRONLY : 0)) < 0)
        return errno;
    if (p->stderr_fd >= 0 && fcntl(p->stderr_fd, F_SETFL, O_NONBLOCK) < 0)
        return errno;
    /* A command that is not listened to all the time must not get stuck in writing to stderr. */
    if (p->stderr_fd >= 0 && stdio != ZRPC_ZFS_READ_STDOUT &&
        fcntl(theirs->err, F_SETFL, O_WRONLY | O_NONBLOCK) < 0)
        return errno;
    return 0;
}

static int redirect(posix_spawn_file_actions_t *actions, const struct theirs *theirs,
                    enum zrpc_zfs_stdio stdio)
{
    bool writes = stdio == ZRPC_ZFS_WRITE_STDIN;
    int words = theirs->err >= 0 ? theirs->err : theirs->data;
    int rc = writes ? posix_spawn_file_actions_adddup2(actions, theirs->data, STDIN_FILENO)
                    : posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, writes ? words : theirs->data, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, words, STDERR_FILENO);
    return rc != 0 ? rc : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

static int spawn(struct zrpc_zfs_process *p, const struct zrpc_zfs_exec *e, char *const argv[],
                 const struct theirs *theirs, enum zrpc_zfs_stdio stdio)
{
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
    rc = redirect(&actions, theirs, stdio);
    if (rc == 0)
        rc = posix_spawnp(&p->pid, argv[0], &actions, &attr, argv, e->environment);
    posix_spawnattr_destroy(&attr);
out:
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static void reap(struct zrpc_zfs_process *p)
{
    kill(-p->pid, SIGKILL); /* until it is reaped, its id keeps the group from being somebody else's */
    while (waitpid(p->pid, &p->status, 0) < 0)
        if (errno != EINTR) {
            p->status = 255 << 8; /* somebody else has reaped it, and knows how it ended */
            break;
        }
    p->ended = true;
}

int zrpc_zfs_process_start(struct zrpc_zfs_process *p, const struct zrpc_zfs_exec *e,
                           const char *const args[], enum zrpc_zfs_stdio stdio, struct zrpc_error *err)
{
    char *argv[ARGS_MAX + 2] = {(char *)(uintptr_t)e->command};
    struct theirs theirs = {-1, -1};
    int errnum;

    *p = (struct zrpc_zfs_process){.stdio = stdio, .fd = -1, .stderr_fd = -1};
    snprintf(p->what, sizeof p->what, "zfs %s", args[0]);
    for (size_t i = 0; i < ARGS_MAX && args[i] != NULL; i++)
        argv[i + 1] = (char *)(uintptr_t)args[i];
    errnum = open_pipes(p, &theirs, stdio);
    if (errnum == 0)
        errnum = spawn(p, e, argv, &theirs, stdio);
    close_fd(&theirs.data);
    close_fd(&theirs.err);
    if (errnum == 0)
        return 0;
    close_fd(&p->fd);
    close_fd(&p->stderr_fd);
    return zrpc_fail_errno(err, errnum == ENOMEM ? ZRPC_ERR_NOMEM : ZRPC_ERR_SYSTEM, errnum,
                           "cannot run %s (%s)", p->what, e->command);
}

/* Keeps the last words; n at most ZRPC_ZFS_SAID_MAX. */
static void remember(struct zrpc_zfs_process *p, const char *words, size_t n)
{
    size_t keep = ZRPC_ZFS_SAID_MAX - n;

    if (p->n_said > keep) {
        memmove(p->said, p->said + p->n_said - keep, keep);
        p->n_said = keep;
    }
    memcpy(p->said + p->n_said, words, n);
    p->n_said += n;
}

void zrpc_zfs_process_listen(struct zrpc_zfs_process *p)
{
    char chunk[512];

    for (int i = 0; i < LISTENS_MAX && p->stderr_fd >= 0; i++) {
        ssize_t n = read(p->stderr_fd, chunk, sizeof chunk);

        if (n > 0)
            remember(p, chunk, (size_t)n);
        else if (n == 0)
            close_fd(&p->stderr_fd);
        else if (errno != EINTR)
            return;
    }
}

static bool has_ended(const struct zrpc_zfs_process *p)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != 0;
}

/* Nothing becomes readable when a process ends, but its pipes end with it: from then on, looks are frequent.
 */
void zrpc_zfs_process_doze(struct zrpc_zfs_process *p, bool for_fd, zrpc_time deadline)
{
    struct pollfd fds[] = {{.fd = p->stderr_fd, .events = POLLIN},
                           {.fd = for_fd ? p->fd : -1, .events = POLLIN}};
    bool mute = p->stderr_fd < 0 && !for_fd;
    zrpc_time now = zrpc_now(), until = now + (mute ? LOOK_OFTEN : LOOK_EVERY);

    if (p->ended)
        return;
    (void)poll(fds, 2, zrpc_poll_timeout(now, zrpc_earlier(until, deadline)));
    zrpc_zfs_process_listen(p);
    if (has_ended(p)) {
        zrpc_zfs_process_listen(p);
        reap(p);
    }
}

int zrpc_zfs_process_wait(struct zrpc_zfs_process *p, const atomic_bool *cancelled, zrpc_time deadline,
                          struct zrpc_error *err)
{
    while (!p->ended) {
        if (cancelled != NULL && atomic_load(cancelled))
            return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled while waiting for %s", p->what);
        if (deadline != ZRPC_NEVER && zrpc_now() >= deadline)
            return zrpc_fail(err, ZRPC_ERR_TIMEOUT, "%s does not end", p->what);
        zrpc_zfs_process_doze(p, false, deadline);
    }
    return 0;
}

int zrpc_zfs_process_verdict(const struct zrpc_zfs_process *p, struct zrpc_error *err)
{
    char said[ZRPC_ZFS_SAID_MAX + 1];
    size_t n = 0;

    if (p->status == 0)
        return 0;
    for (size_t i = 0; i < p->n_said; i++)
        if (p->said[i] != '\r' && p->said[i] != '\0')
            said[n++] = p->said[i] == '\n' ? ' ' : p->said[i];
    while (n > 0 && said[n - 1] == ' ')
        n--;
    said[n] = '\0';
    if (WIFSIGNALED(p->status))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s was ended by signal %d%s%s", p->what, WTERMSIG(p->status),
                         n > 0 ? "; its stderr: " : "", said);
    if (n == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "%s ended with status %d and without a word on stderr", p->what,
                         WEXITSTATUS(p->status));
    return zrpc_fail(err, ZRPC_ERR_ZFS, "%s%s", p->n_said == ZRPC_ZFS_SAID_MAX ? "..." : "", said);
}

void zrpc_zfs_process_close_fd(struct zrpc_zfs_process *p)
{
    close_fd(&p->fd);
}

void zrpc_zfs_process_end(struct zrpc_zfs_process *p, zrpc_time grace)
{
    close_fd(&p->fd);
    if (!p->ended && grace > 0 && zrpc_zfs_process_wait(p, NULL, zrpc_now() + grace, NULL) != 0) {
        kill(-p->pid, SIGTERM);
        (void)zrpc_zfs_process_wait(p, NULL, zrpc_now() + zrpc_earlier(grace, TERM_TO_KILL), NULL);
    }
    if (!p->ended)
        reap(p);
    close_fd(&p->stderr_fd);
}

struct lines {
    struct zrpc_zfs_process process;
    zrpc_zfs_on_line *on_line;
    void *ctx;
    size_t have;
    bool at_end;
    char buffer[ZRPC_ZFS_LINE_MAX];
};

/* Hands on the whole lines at hand. */
static int cut(struct lines *l, struct zrpc_error *err)
{
    char *line = l->buffer, *newline;
    int rc = 0;

    while (rc == 0 && (newline = memchr(line, '\n', l->have - (size_t)(line - l->buffer))) != NULL) {
        *newline = '\0';
        if (l->on_line != NULL && strlen(line) != (size_t)(newline - line))
            rc = zrpc_fail(err, ZRPC_ERR_ZFS, "%s wrote a zero byte after \"%.200s\"", l->process.what, line);
        else if (l->on_line != NULL)
            rc = l->on_line(l->ctx, line, err);
        line = newline + 1;
    }
    l->have -= (size_t)(line - l->buffer);
    memmove(l->buffer, line, l->have);
    if (rc < 0 && err != NULL && err->code != ZRPC_ERR_NOMEM)
        return zrpc_error_prefix(err, rc, "output of %s", l->process.what);
    return rc;
}

/* All that can be read now. */
static int slurp(struct lines *l, struct zrpc_error *err)
{
    int rc = 0;

    while (rc == 0 && !l->at_end) {
        ssize_t n = read(l->process.fd, l->buffer + l->have, sizeof l->buffer - l->have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0
                                   : zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "read the output of %s",
                                                     l->process.what);
        if (l->process.stdio == ZRPC_ZFS_READ_BOTH) {
            size_t last = n < ZRPC_ZFS_SAID_MAX ? (size_t)n : ZRPC_ZFS_SAID_MAX;

            remember(&l->process, l->buffer + l->have + (size_t)n - last, last);
        }
        l->at_end = n == 0;
        l->have += (size_t)n;
        rc = cut(l, err);
        if (rc == 0 && l->have == sizeof l->buffer)
            rc = zrpc_fail(err, ZRPC_ERR_ZFS, "%s wrote a line of more than %d bytes: \"%.200s...\"",
                           l->process.what, ZRPC_ZFS_LINE_MAX, l->buffer);
    }
    return rc;
}

static int follow(struct lines *l, const atomic_bool *cancelled, zrpc_time linger, struct zrpc_error *err)
{
    zrpc_time deadline = ZRPC_NEVER;
    int rc = 0;

    while (rc == 0 && !l->process.ended) {
        if (cancelled != NULL && atomic_load(cancelled))
            return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled during %s", l->process.what);
        if (zrpc_now() >= deadline)
            return zrpc_fail(err, ZRPC_ERR_ZFS, "%s has closed its output, but does not end",
                             l->process.what);
        zrpc_zfs_process_doze(&l->process, !l->at_end, deadline);
        rc = slurp(l, err);
        if (l->at_end && deadline == ZRPC_NEVER)
            deadline = zrpc_now() + linger;
    }
    /* It may have ended between the last read and the look at it. */
    return rc == 0 ? slurp(l, err) : rc;
}

int zrpc_zfs_run(const struct zrpc_zfs_exec *e, const atomic_bool *cancelled, const char *const args[],
                 enum zrpc_zfs_stdio stdio, zrpc_zfs_on_line *on_line, void *ctx, struct zrpc_error *err)
{
    struct lines l = {.on_line = on_line, .ctx = ctx};
    int rc = zrpc_zfs_process_start(&l.process, e, args, stdio, err);

    if (rc != 0)
        return rc;
    rc = follow(&l, cancelled, e->linger, err);
    if (rc == 0)
        rc = zrpc_zfs_process_verdict(&l.process, err);
    if (rc == 0 && on_line != NULL && l.have > 0)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "output of %s ends within a line: \"%.*s\"", l.process.what,
                       (int)(l.have < 200 ? l.have : 200), l.buffer);
    zrpc_zfs_process_end(&l.process, 0);
    return rc;
}
