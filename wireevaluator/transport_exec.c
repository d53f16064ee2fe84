#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wireevaluator/transport.h"
#include "zrpc/timeoutconn.h"
#include "zrpc/transport.h"

#define GREETING_LEN 8
#define CLOSE_TIME   (2 * ZRPC_SECOND)       /* for a command to end by itself, then after SIGTERM */
#define ABORT_TIME   (30 * ZRPC_MILLISECOND) /* the same, where the connection has not ended in order */
#define SLICE_TIME   (20 * ZRPC_MILLISECOND)
#define RETRY_TIME   (2 * ZRPC_SECOND) /* for a connecting command to get through */

struct exec_transport {
    struct zrpc_evaluated base;
    struct zrpc_evaluated_ops vtable;
    const char *commands[2];
    int fd; /* -1: stdin and stdout */
    char configuration[2048];
};

/* A wire that is a running command. */
struct exec_wire {
    struct zrpc_wire base;
    struct zrpc_wire *inner;
    pthread_mutex_t lock;
    pid_t pid; /* 0: reaped */
    int status;
    bool at_eof, write_closed;
    char dir[48]; /* the connection's own; removed by the serving side, "" otherwise */
};

static void nap(void)
{
    struct timespec ts = {.tv_nsec = 5000000};

    nanosleep(&ts, NULL);
}

/* With the lock held. Whether the command has ended by then. */
static bool ended_by(struct exec_wire *w, zrpc_time deadline)
{
    while (w->pid != 0) {
        pid_t pid = waitpid(w->pid, &w->status, WNOHANG);

        if (pid == w->pid || (pid < 0 && errno == ECHILD))
            w->pid = 0;
        else if (zrpc_now() >= deadline)
            return false;
        else
            nap();
    }
    return true;
}

/* Whether the process is past its last instruction: its descriptors close before it can be waited for. */
static bool is_ending(pid_t pid)
{
    enum { EXITING = 4 }; /* PF_EXITING of the kernel */
    char path[32], stat[512];
    const char *rest;
    unsigned flags = EXITING;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    stat[f == NULL ? 0 : fread(stat, 1, sizeof stat - 1, f)] = '\0';
    if (f != NULL)
        fclose(f);
    rest = strrchr(stat, ')');
    return rest == NULL || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1 ||
           (flags & EXITING) != 0;
}

/* The end of what a command says is an end in order unless the command fails. */
static ssize_t judge_eof(struct exec_wire *w, struct zrpc_error *err)
{
    ssize_t rc = 0;

    pthread_mutex_lock(&w->lock);
    if (!w->at_eof && (w->pid == 0 || is_ending(w->pid)) && ended_by(w, ZRPC_NEVER) && w->status != 0)
        rc = zrpc_fail(err, ZRPC_ERR_RESET, "exec wire: the command failed, with wait status %d", w->status);
    w->at_eof = rc == 0;
    pthread_mutex_unlock(&w->lock);
    return rc;
}

static ssize_t exec_readv(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    struct exec_wire *w = (struct exec_wire *)wire;
    ssize_t rc = zrpc_wire_readv(w->inner, iov, n, err);

    return rc == 0 ? judge_eof(w, err) : rc;
}

static ssize_t exec_writev(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    return zrpc_wire_writev(((struct exec_wire *)wire)->inner, iov, n, err);
}

static int exec_close_write(struct zrpc_wire *wire, struct zrpc_error *err)
{
    struct exec_wire *w = (struct exec_wire *)wire;
    int rc = zrpc_wire_close_write(w->inner, err);

    pthread_mutex_lock(&w->lock);
    w->write_closed = w->write_closed || rc == 0;
    pthread_mutex_unlock(&w->lock);
    return rc;
}

static struct pollfd exec_wait(struct zrpc_wire *wire, enum zrpc_direction dir)
{
    return zrpc_wire_wait(((struct exec_wire *)wire)->inner, dir);
}

static void exec_shutdown(struct zrpc_wire *wire)
{
    zrpc_wire_shutdown(((struct exec_wire *)wire)->inner);
}

/* A command sees its stdin end; it gets time to carry on what it has. */
static void exec_close(struct zrpc_wire *wire)
{
    static const int signals[] = {0, SIGTERM, SIGKILL};
    struct exec_wire *w = (struct exec_wire *)wire;
    zrpc_time patience;
    char file[80];

    zrpc_wire_close(w->inner);
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        if (signals[i] != 0 && w->pid != 0)
            kill(w->pid, signals[i]);
        patience = signals[i] != 0 || (w->at_eof && w->write_closed) ? CLOSE_TIME : ABORT_TIME;
        if (ended_by(w, signals[i] == SIGKILL ? ZRPC_NEVER : zrpc_now() + patience))
            break;
    }
    pthread_mutex_unlock(&w->lock);
    pthread_mutex_destroy(&w->lock);
    snprintf(file, sizeof file, "%s/s", w->dir);
    if (w->dir[0] != '\0' && (unlink(file) == 0 || errno == ENOENT))
        (void)rmdir(w->dir); /* what else a command put there is its own business */
    free(w);
}

static const struct zrpc_wire_ops exec_ops = {
    .name = "exec",
    .readv = exec_readv,
    .writev = exec_writev,
    .close_write = exec_close_write,
    .wait = exec_wait,
    .shutdown = exec_shutdown,
    .close = exec_close,
};

/*
 * Starting a command
 */
struct ends {
    int ours[2], theirs[2]; /* read, write; the same descriptor twice for a socket */
};

static int open_ends(const struct exec_transport *t, struct ends *e, struct zrpc_error *err)
{
    int in[2], out[2];

    if (t->fd >= 0) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) < 0)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "socketpair");
        *e = (struct ends){{in[0], in[0]}, {in[1], in[1]}};
        return 0;
    }
    if (pipe2(in, O_CLOEXEC) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pipe");
    if (pipe2(out, O_CLOEXEC) < 0) {
        close(in[0]);
        close(in[1]);
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "pipe");
    }
    *e = (struct ends){{out[0], in[1]}, {in[0], out[1]}};
    return 0;
}

static void close_two(const int fds[2])
{
    close(fds[0]);
    if (fds[1] != fds[0])
        close(fds[1]);
}

/* dup2 that leaves no close-on-exec, also onto itself. */
static bool place(int fd, int at)
{
    return fd == at ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, at) == at;
}

_Noreturn static void become(const struct exec_transport *t, const struct ends *e, int side, const char *dir)
{
    int high = fcntl(e->theirs[1], F_DUPFD_CLOEXEC, t->fd + 1 < 3 ? 3 : t->fd + 1);
    bool ok = high >= 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (t->fd >= 0)
        ok = ok && place(high, t->fd);
    else
        ok = ok && place(e->theirs[0], STDIN_FILENO) && place(high, STDOUT_FILENO);
    if (ok && setenv("WIREEVALUATOR_DIR", dir, 1) == 0 &&
        setenv("WIREEVALUATOR_SIDE", side == 0 ? "connect" : "serve", 1) == 0)
        execl("/bin/sh", "sh", "-c", t->commands[side], (char *)NULL);
    _exit(127);
}

static int start(const struct exec_transport *t, int side, const char *dir, struct zrpc_wire **out,
                 struct zrpc_error *err)
{
    struct exec_wire *w = calloc(1, sizeof *w);
    struct ends e = {{-1, -1}, {-1, -1}};
    int rc;

    if (w == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "exec: no memory");
    rc = open_ends(t, &e, err);
    if (rc < 0) {
        free(w);
        return rc;
    }
    rc = zrpc_wire_from_fds("exec", e.ours[0], e.ours[1], &w->inner, err);
    if (rc < 0) {
        close_two(e.ours);
        close_two(e.theirs);
        free(w);
        return rc;
    }
    w->base.ops = &exec_ops;
    pthread_mutex_init(&w->lock, NULL);
    w->pid = fork();
    if (w->pid == 0)
        become(t, &e, side, dir);
    close_two(e.theirs);
    if (w->pid < 0) {
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "fork");
        w->pid = 0;
        exec_close(&w->base);
        return rc;
    }
    if (side == 1)
        snprintf(w->dir, sizeof w->dir, "%s", dir);
    *out = &w->base;
    return 0;
}

/*
 * Connecting: eight bytes go to and fro.
 */
struct greeting {
    struct zrpc_timeoutconn *from, *to;
    struct exec_wire *connecting; /* if it ends there is nothing to wait for */
    zrpc_time deadline;
};

static int read_greeting(const struct greeting *g, char *buf, struct zrpc_error *err)
{
    size_t have = 0, done;
    bool ended = false;
    int rc = -1;

    while (rc < 0 && !ended && zrpc_now() < g->deadline) {
        zrpc_timeoutconn_set_deadline(g->to, ZRPC_READ, zrpc_now() + SLICE_TIME);
        rc = zrpc_timeoutconn_read_full(g->to, buf + have, GREETING_LEN - have, &done, err);
        have += done;
        if (rc < 0 && rc != ZRPC_ERR_TIMEOUT)
            return rc;
        pthread_mutex_lock(&g->connecting->lock);
        ended = ended_by(g->connecting, 0);
        pthread_mutex_unlock(&g->connecting->lock);
    }
    return rc < 0 && ended ? zrpc_fail(err, ZRPC_ERR_DIAL, "the connecting command has ended") : rc;
}

static int greet(const struct greeting *g, const char *text, struct zrpc_error *err)
{
    char got[GREETING_LEN];
    int rc;

    zrpc_timeoutconn_set_deadline(g->from, ZRPC_WRITE, g->deadline);
    rc = zrpc_timeoutconn_write(g->from, text, GREETING_LEN, NULL, err);
    if (rc == 0)
        rc = read_greeting(g, got, err);
    if (rc == 0 && memcmp(got, text, sizeof got) != 0)
        rc =
            zrpc_fail(err, ZRPC_ERR_DIAL, "the commands are not through to each other: other bytes came out");
    return rc;
}

/* Keeps the serving wire in any case. */
static int try_connect(const struct exec_transport *t, const char *dir, zrpc_time deadline,
                       struct zrpc_wire *out[2], struct zrpc_error *err)
{
    struct zrpc_timeoutconn *conns[2] = {NULL, NULL};
    struct exec_wire *connecting;
    int rc = start(t, 0, dir, &out[0], err);

    if (rc < 0)
        return rc;
    connecting = (struct exec_wire *)out[0];
    rc = zrpc_timeoutconn_new(out[0], &conns[0], err);
    if (rc == 0 && zrpc_timeoutconn_new(out[1], &conns[1], err) < 0) {
        zrpc_timeoutconn_close(conns[0]);
        out[1] = NULL;
        return ZRPC_ERR_NOMEM;
    }
    if (rc < 0)
        return rc;
    rc = greet(&(struct greeting){conns[0], conns[1], connecting, deadline}, "connects", err);
    if (rc == 0)
        rc = greet(&(struct greeting){conns[1], conns[0], connecting, deadline}, "accepts!", err);
    out[1] = zrpc_timeoutconn_release(conns[1]);
    if (rc < 0)
        zrpc_timeoutconn_close(conns[0]);
    else
        out[0] = zrpc_timeoutconn_release(conns[0]);
    return rc;
}

static int open_pair(struct zrpc_evaluated *base, zrpc_time deadline, struct zrpc_wire *out[2],
                     struct zrpc_error *err)
{
    const struct exec_transport *t = (const struct exec_transport *)base;
    char dir[] = "/tmp/wireevaluator-XXXXXX";
    int rc;

    if (mkdtemp(dir) == NULL)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s", dir);
    rc = start(t, 1, dir, &out[1], err);
    if (rc < 0) {
        (void)rmdir(dir);
        return rc;
    }
    do {
        rc = try_connect(t, dir, zrpc_earlier(deadline, zrpc_now() + RETRY_TIME), out, err);
        if (rc < 0)
            nap();
    } while (rc < 0 && out[1] != NULL && zrpc_now() < deadline);
    if (rc < 0)
        zrpc_wire_close(out[1]);
    return rc;
}

/* The command dies as if its host did. */
static void vanish(struct zrpc_evaluated *base, struct zrpc_wire *wire)
{
    struct exec_wire *w = (struct exec_wire *)wire;

    (void)base;
    pthread_mutex_lock(&w->lock);
    if (w->pid != 0)
        kill(w->pid, SIGKILL);
    pthread_mutex_unlock(&w->lock);
    exec_close(wire);
}

static const char *configuration(const struct zrpc_evaluated *base)
{
    return ((const struct exec_transport *)base)->configuration;
}

static void close_transport(struct zrpc_evaluated *base)
{
    free(base);
}

int zrpc_eval_transport_exec(const char *connect, const char *serve, int fd, struct zrpc_evaluated **out,
                             struct zrpc_error *err)
{
    struct exec_transport *t = calloc(1, sizeof *t);
    int n;

    if (t == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "exec: no memory");
    t->vtable = (struct zrpc_evaluated_ops){.name = "exec",
                                            .open_pair = open_pair,
                                            .vanish = vanish,
                                            .configuration = configuration,
                                            .close = close_transport};
    t->base.ops = &t->vtable;
    t->commands[0] = connect;
    t->commands[1] = serve;
    t->fd = fd;
    n = snprintf(t->configuration, sizeof t->configuration, "connect: %s\nserve: %s\n", connect, serve);
    if (n > 0 && (size_t)n < sizeof t->configuration && fd >= 0)
        snprintf(t->configuration + n, sizeof t->configuration - (size_t)n, "descriptor: %d\n", fd);
    *out = &t->base;
    return 0;
}
