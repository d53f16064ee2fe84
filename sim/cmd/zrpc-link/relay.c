#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "program.h"

static struct zrpc_link *volatile interrupted;

static void on_signal(int signo)
{
    (void)signo;
    if (interrupted != NULL)
        zrpc_link_stop(interrupted);
}

static void stop_on_signals(struct zrpc_link *l)
{
    struct sigaction action = {.sa_handler = on_signal};

    interrupted = l;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static int relay(struct program *p, const char *const *argv, int *child_status, struct zrpc_error *err)
{
    struct zrpc_link_options options = {.argv = argv, .log = &p->log};
    struct zrpc_link *l;
    bool failed;
    int rc;

    if ((rc = program_choose_record(p, err)) < 0)
        return rc;
    if ((rc = zrpc_link_open(&p->plan, &options, &l, err)) < 0) {
        program_conclude(p, false);
        return rc;
    }
    stop_on_signals(l);
    if (strcmp(p->plan.listen, "stdio") != 0) {
        printf("listening on %s\n", zrpc_link_address(l));
        if (fflush(stdout) != 0)
            rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "cannot write to standard output");
    }
    if (rc == 0)
        rc = zrpc_link_run(l, err);
    zrpc_link_end(l);
    interrupted = NULL;
    *child_status = zrpc_link_child_status(l);
    failed = zrpc_link_failures(l) > 0 || rc < 0 || (argv != NULL && *child_status != 0);
    program_conclude(p, failed);
    if (rc == 0 && zrpc_link_failures(l) > 0)
        rc = 1;
    zrpc_link_close(l);
    return rc;
}

static int complain(struct program *p, const struct zrpc_error *err)
{
    cli_complain("zrpc-link", NULL, err->text);
    zrpc_link_plan_dispose(&p->plan);
    return cli_exit_status(err->code);
}

int command_relay(const struct cli_command *self, int argc, char **argv)
{
    struct program p = {0};
    struct zrpc_error err;
    int rc, status;

    rc = program_parse(&p, self, argc, argv, &err);
    if (rc == 0 && !p.help && p.args.n > 0)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "relay: unexpected argument %s", p.args.items[0]);
    if (rc == 0 && !p.help)
        rc = relay(&p, NULL, &status, &err);
    if (rc < 0)
        return complain(&p, &err);
    zrpc_link_plan_dispose(&p.plan);
    return rc;
}

int command_stdio(const struct cli_command *self, int argc, char **argv)
{
    struct program p = {0};
    struct zrpc_error err;
    int rc, status = 0;

    rc = program_parse(&p, self, argc, argv, &err);
    if (rc == 0 && !p.help && p.args.n == 0)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "stdio: expected a command after --");
    if (rc == 0 && !p.help) {
        snprintf(p.plan.listen, sizeof p.plan.listen, "stdio");
        snprintf(p.plan.connect, sizeof p.plan.connect, "exec");
        rc = relay(&p, (const char *const *)p.args.items, &status, &err);
    }
    if (rc < 0)
        return complain(&p, &err);
    zrpc_link_plan_dispose(&p.plan);
    if (status > 0)
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return rc;
}
