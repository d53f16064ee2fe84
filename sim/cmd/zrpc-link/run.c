#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

static volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
    interrupted = signo;
}

/* Without SA_RESTART: waiting for the command ends. */
static void notice_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int wait_for(pid_t pid)
{
    int status, signo = 0;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
        if (interrupted != 0 && signo == 0)
            kill(pid, signo = interrupted);
    }
    return status;
}

/* The argument with its first {} replaced by the address; NULL: no memory. */
static char *fill_in(const char *arg, const char *address)
{
    const char *at = strstr(arg, "{}");
    char *out = NULL;

    if (at == NULL)
        return strdup(arg);
    return asprintf(&out, "%.*s%s%s", (int)(at - arg), arg, address, at + 2) < 0 ? NULL : out;
}

static int run_command(const struct program *p, const char *address, int *status, struct zrpc_error *err)
{
    char **argv = calloc(p->args.n + 1, sizeof *argv);
    pid_t pid;
    int rc = 0;

    if (argv == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a command");
    for (size_t i = 0; i < p->args.n && rc == 0; i++)
        if ((argv[i] = fill_in(p->args.items[i], address)) == NULL)
            rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a command");
    if (rc == 0 && setenv("ZRPC_LINK", address, 1) < 0)
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "setenv");
    if (rc == 0 && (rc = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ)) != 0)
        rc = zrpc_fail_errno(err, ZRPC_ERR_USAGE, rc, "run %s", argv[0]);
    if (rc == 0)
        *status = wait_for(pid);
    for (size_t i = 0; i < p->args.n; i++)
        free(argv[i]);
    free(argv);
    return rc;
}

static void explain(const struct program *p, uint64_t run, int status, unsigned failures)
{
    fprintf(stderr, "zrpc-link: run %" PRIu64 " of %" PRIu64 ": ", run, p->runs);
    if (status != 0 && WIFSIGNALED(status))
        fprintf(stderr, "the command was ended by signal %d\n", WTERMSIG(status));
    else if (status != 0)
        fprintf(stderr, "the command failed with exit status %d\n", WEXITSTATUS(status));
    else
        fprintf(stderr, "the link had %u failures\n", failures);
}

/* 1: failed, 0: did not. */
static int run_once(struct program *p, uint64_t run, struct zrpc_error *err)
{
    struct zrpc_link_options options = {.log = &p->log};
    struct zrpc_link *l;
    const char *address;
    unsigned failures;
    int rc, status = 0;

    if ((rc = program_choose_record(p, err)) < 0)
        return rc;
    if ((rc = zrpc_link_open(&p->plan, &options, &l, err)) < 0) {
        program_conclude(p, false);
        return rc;
    }
    address = strchr(zrpc_link_address(l), ':') + 1;
    if ((rc = zrpc_link_start(l, err)) == 0)
        rc = run_command(p, address, &status, err);
    zrpc_link_end(l);
    failures = zrpc_link_failures(l);
    /* A server that refuses is the command's to judge; a replay that differs is not. */
    if (rc == 0 && (status != 0 || (failures > 0 && p->plan.n_results > 0))) {
        explain(p, run, status, failures);
        rc = 1;
    }
    program_conclude(p, rc != 0);
    zrpc_link_close(l);
    return rc;
}

static int run_all(struct program *p, struct zrpc_error *err)
{
    char record[ZRPC_LINK_PATH_MAX];
    uint64_t failed = 0;
    int rc = 0;

    snprintf(record, sizeof record, "%s", p->plan.record);
    for (uint64_t run = 1; rc >= 0 && run <= p->runs && interrupted == 0; run++) {
        if (p->keep_record && p->runs > 1 &&
            snprintf(p->plan.record, sizeof p->plan.record, "%.480s.%" PRIu64, record, run) < 0)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "--record: the name is too long");
        rc = run_once(p, run, err);
        failed += rc != 0;
        p->plan.seed++;
    }
    if (rc >= 0 && p->runs > 1)
        fprintf(stderr, "zrpc-link: %" PRIu64 " runs, %" PRIu64 " failed\n", p->runs, failed);
    return rc < 0 ? rc : failed > 0 || interrupted != 0;
}

int command_run(const struct cli_command *self, int argc, char **argv)
{
    struct program p = {0};
    struct zrpc_error err;
    int rc = program_parse(&p, self, argc, argv, &err);

    if (rc == 0 && !p.help) {
        if (p.plan.listen[0] == '\0')
            snprintf(p.plan.listen, sizeof p.plan.listen, "tcp:127.0.0.1:0");
        notice_signals();
        if (p.args.n == 0)
            rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "run: expected a command after --");
        else
            rc = run_all(&p, &err);
    }
    zrpc_link_plan_dispose(&p.plan);
    if (rc < 0)
        cli_complain("zrpc-link", NULL, err.text);
    return rc < 0 ? cli_exit_status(rc) : rc;
}
