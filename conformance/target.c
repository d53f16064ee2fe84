#include "conformance/target.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "zrpc/transport.h"

#define HEAD_MAX  (64 << 10) /* bytes of its output in which the announcement is looked for */
#define TAIL_MAX  2000       /* bytes of its output that are shown */
#define POLL_TIME (10 * ZRPC_MILLISECOND)
#define DIAL_TIME ZRPC_SECOND

static const char announcement[] = "listening on ";

static void nap(zrpc_time duration)
{
    struct timespec ts = {.tv_sec = duration / ZRPC_SECOND, .tv_nsec = duration % ZRPC_SECOND};

    nanosleep(&ts, NULL);
}

int zrpc_target_init_endpoint(struct zrpc_target *t, const char *endpoint, struct zrpc_error *err)
{
    struct zrpc_dialer *dialer;
    int rc = zrpc_dialer_parse(endpoint, 0, &dialer, err);

    *t = (struct zrpc_target){.output = -1};
    if (rc < 0)
        return rc;
    dialer->ops->close(dialer);
    if (strlen(endpoint) >= sizeof t->endpoint)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "the target's address is too long");
    snprintf(t->endpoint, sizeof t->endpoint, "%s", endpoint);
    return 0;
}

void zrpc_target_set_command(struct zrpc_target *t, const char *command)
{
    t->command = command;
    t->endpoint_given = t->endpoint[0] != '\0';
}

_Noreturn static void become(const struct zrpc_target *t)
{
    struct zrpc_buf line = {0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    zrpc_text_add(&line, "exec %s", t->command);
    if (dup2(t->output, STDOUT_FILENO) >= 0 && dup2(t->output, STDERR_FILENO) >= 0)
        execl("/bin/sh", "sh", "-c", zrpc_text_str(&line), (char *)NULL);
    _exit(127);
}

/* The line's rest behind "listening on ", if the output has the whole line. The file offset is shared with
 * the target, which writes by it, hence pread. */
static bool find_announcement(struct zrpc_target *t)
{
    char head[HEAD_MAX + 1], *line = head, *end;
    ssize_t n = pread(t->output, head, HEAD_MAX, 0);

    head[n < 0 ? 0 : n] = '\0';
    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        if (strncmp(line, announcement, sizeof announcement - 1) == 0) {
            if (!t->endpoint_given)
                snprintf(t->endpoint, sizeof t->endpoint, "%s", line + sizeof announcement - 1);
            return true;
        }
        line = end + 1;
    }
    return false;
}

static void add_tail(const struct zrpc_target *t, struct zrpc_buf *text)
{
    off_t size = lseek(t->output, 0, SEEK_END);
    char tail[TAIL_MAX + 1];
    ssize_t n = pread(t->output, tail, TAIL_MAX, size > TAIL_MAX ? size - TAIL_MAX : 0);

    tail[n < 0 ? 0 : n] = '\0';
    if (n > 0)
        zrpc_text_add(text, "; it printed:\n%s", tail);
}

static void add_status(struct zrpc_buf *text, int status)
{
    if (WIFSIGNALED(status))
        zrpc_text_add(text, "the target was ended by signal %d (%s)", WTERMSIG(status),
                      strsignal(WTERMSIG(status)));
    else
        zrpc_text_add(text, "the target ended with exit status %d", WEXITSTATUS(status));
}

bool zrpc_target_has_ended(struct zrpc_target *t, struct zrpc_buf *how)
{
    int status;

    if (t->pid == 0 || waitpid((pid_t)t->pid, &status, WNOHANG) != (pid_t)t->pid)
        return false;
    t->pid = 0;
    add_status(how, status);
    add_tail(t, how);
    return true;
}

bool zrpc_target_ends_within(struct zrpc_target *t, zrpc_time timeout, struct zrpc_buf *how)
{
    zrpc_time deadline = zrpc_now() + timeout;

    while (t->pid != 0 && zrpc_now() < deadline) {
        if (zrpc_target_has_ended(t, how))
            return true;
        nap(POLL_TIME);
    }
    return zrpc_target_has_ended(t, how);
}

static bool can_be_connected_to(const struct zrpc_target *t)
{
    struct zrpc_dialer *dialer;
    struct zrpc_wire *wire;
    bool connected;

    if (zrpc_dialer_parse(t->endpoint, DIAL_TIME, &dialer, NULL) < 0)
        return false;
    connected = dialer->ops->dial(dialer, zrpc_now() + DIAL_TIME, NULL, &wire, NULL) == 0;
    dialer->ops->close(dialer);
    if (connected)
        wire->ops->close(wire);
    return connected;
}

static bool is_ready(struct zrpc_target *t)
{
    return find_announcement(t) || (t->endpoint_given && can_be_connected_to(t));
}

static int wait_until_ready(struct zrpc_target *t, struct zrpc_error *err)
{
    zrpc_time deadline = zrpc_now() + ZRPC_TARGET_START_TIMEOUT;
    struct zrpc_buf how = {0};
    int rc = 0;

    while (!is_ready(t)) {
        if (zrpc_target_has_ended(t, &how)) {
            rc = zrpc_fail(err, ZRPC_ERR_USAGE, "%s: %s", t->command, zrpc_text_str(&how));
            break;
        }
        if (zrpc_now() >= deadline) {
            add_tail(t, &how);
            rc = zrpc_fail(err, ZRPC_ERR_USAGE, "%s: %s\"%sENDPOINT\" in time%s", t->command,
                           t->endpoint_given ? "neither connectable nor a line " : "no line ", announcement,
                           zrpc_text_str(&how));
            break;
        }
        nap(POLL_TIME);
    }
    zrpc_buf_dispose(&how);
    return rc;
}

int zrpc_target_start(struct zrpc_target *t, struct zrpc_error *err)
{
    pid_t pid;
    int rc;

    zrpc_target_stop(t);
    t->output = memfd_create("target output", MFD_CLOEXEC);
    if (t->output < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "a file for the target's output");
    pid = fork();
    if (pid == 0)
        become(t);
    if (pid < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "fork");
    t->pid = pid;
    t->starts++;
    rc = wait_until_ready(t, err);
    if (rc < 0)
        zrpc_target_stop(t);
    return rc;
}

static bool reaped_within(struct zrpc_target *t, zrpc_time timeout)
{
    zrpc_time deadline = zrpc_now() + timeout;

    while (waitpid((pid_t)t->pid, NULL, WNOHANG) == 0) {
        if (zrpc_now() >= deadline)
            return false;
        nap(POLL_TIME);
    }
    return true;
}

void zrpc_target_stop(struct zrpc_target *t)
{
    if (t->pid != 0) {
        kill((pid_t)t->pid, SIGTERM);
        if (!reaped_within(t, 3 * ZRPC_SECOND)) {
            kill((pid_t)t->pid, SIGKILL);
            waitpid((pid_t)t->pid, NULL, 0);
        }
        t->pid = 0;
    }
    if (t->output >= 0)
        close(t->output);
    t->output = -1;
}
