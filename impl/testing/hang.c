#include "testing/hang.h"

#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FRAMES = 40 };

extern const char __executable_start, etext;
static volatile sig_atomic_t traced;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[400];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
        _exit(3);
}

/* The first bytes of a file below /proc, without the line's end; "" where there is none. */
static void slurp(const char *dir, const char *name, char *out, size_t size)
{
    char path[100];
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, out, size - 1);
    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

/* DIR: /proc/PID, or the thread's below it */
static void describe(const char *what, const char *dir)
{
    char comm[40], stat[400], wchan[80], call[200];
    const char *state;

    slurp(dir, "comm", comm, sizeof comm);
    slurp(dir, "stat", stat, sizeof stat);
    slurp(dir, "wchan", wchan, sizeof wchan);
    slurp(dir, "syscall", call, sizeof call);
    state = strrchr(stat, ')');
    say("%s %s (%s): state %.1s, in %s, system call %s\n", what, strrchr(dir, '/') + 1, comm,
        state == NULL || state[1] == '\0' ? "?" : state + 2, wchan, call);
}

/* Functions with file and line; addr2line wants them as in the file. */
static void name_frames(void *const *frames, int n)
{
    char tool[] = "addr2line", how[] = "-fpae", program[40], offsets[FRAMES][20];
    char *argv[FRAMES + 4] = {tool, how, program};
    int argc = 3, status;
    pid_t pid;

    snprintf(program, sizeof program, "/proc/%d/exe", getpid());
    for (int i = 0; i < n; i++) {
        if ((char *)frames[i] < &__executable_start || (char *)frames[i] >= &etext)
            continue;
        snprintf(offsets[i], sizeof offsets[i], "%#lx",
                 (unsigned long)((char *)frames[i] - &__executable_start) - (i > 0));
        argv[argc++] = offsets[i];
    }
    if (argc == 3 || posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        return;
    while (waitpid(pid, &status, 0) < 0)
        ;
}

static void trace(int signo)
{
    void *frames[FRAMES];
    int n = backtrace(frames, FRAMES);

    (void)signo;
    backtrace_symbols_fd(frames, n, STDERR_FILENO);
    name_frames(frames, n);
    traced = 1;
}

static void report_children(const char *task)
{
    char pids[400], dir[40], *next = pids;
    unsigned long pid;

    slurp(task, "children", pids, sizeof pids);
    while ((pid = strtoul(next, &next, 10)) != 0) {
        snprintf(dir, sizeof dir, "/proc/%lu", pid);
        describe("child", dir);
    }
}

static void report_thread(const char *tid)
{
    char task[60];
    pid_t id = atoi(tid);

    snprintf(task, sizeof task, "/proc/self/task/%d", id);
    report_children(task);
    describe("thread", task);
    if (id == gettid()) {
        trace(0);
        return;
    }
    traced = 0;
    if (tgkill(getpid(), id, SIGUSR2) < 0)
        return;
    for (int tries = 1000; !traced && tries > 0; tries--)
        usleep(10000);
}

void zrpc_hang_prepare(void)
{
    struct sigaction on_usr2 = {.sa_handler = trace, .sa_flags = SA_RESTART};
    void *frame[1];

    backtrace(frame, 1); /* loads what it needs */
    sigaction(SIGUSR2, &on_usr2, NULL);
}

void zrpc_hang_report(void)
{
    struct entry {
        uint64_t inode;
        int64_t offset;
        unsigned short size;
        unsigned char type;
        char name[];
    };
    _Alignas(struct entry) char buf[4096];
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long n;

    if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0) /* where addr2line prints */
        close(STDOUT_FILENO);
    while (fd >= 0 && (n = syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0) {
        for (long at = 0; at < n;) {
            const struct entry *e = (const struct entry *)(buf + at);

            if (e->name[0] != '.')
                report_thread(e->name);
            at += e->size;
        }
    }
    if (fd >= 0)
        close(fd);
}
