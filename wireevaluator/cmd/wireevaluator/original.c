/* The flags of zrepl's wireevaluator: one side of a testcase, the other may be the original program. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wireevaluator.h"
#include "wireevaluator/certificate.h"
#include "wireevaluator/original.h"
#include "wireevaluator/transport.h"
#include "zrpc/config.h"
#include "zrpc/transport.h"
#include "zrpc/transport_ssh.h"

#define PATIENCE (600 * ZRPC_SECOND) /* for the other side to be started */

/* One side has the wire; a wire to nobody stands for the other. */
struct one_sided {
    struct zrpc_evaluated base;
    int side;
    struct zrpc_config *config;
};

static int accept_one(struct zrpc_listener *l, struct zrpc_wire **out, struct zrpc_error *err)
{
    struct pollfd p = {.fd = l->ops->fd(l), .events = POLLIN};
    struct zrpc_accepted accepted;
    int rc;

    while ((rc = l->ops->accept(l, &accepted, err)) == ZRPC_ERR_AGAIN)
        (void)poll(&p, 1, -1);
    if (rc == 0 && accepted.authenticate != NULL) {
        rc = accepted.authenticate(&accepted, ZRPC_NEVER, err);
        if (rc < 0)
            zrpc_wire_close(accepted.wire);
    }
    *out = accepted.wire;
    return rc;
}

static int serve(const struct zrpc_config *config, struct zrpc_wire **out, struct zrpc_error *err)
{
    struct zrpc_listener *l;
    int rc = zrpc_config_listen(config, &l, err);

    if (rc < 0)
        return rc;
    fprintf(stderr, "listening on %s\n", l->ops->address(l));
    rc = accept_one(l, out, err);
    l->ops->close(l);
    return rc;
}

static int connect_to(const struct zrpc_config *config, struct zrpc_wire **out, struct zrpc_error *err)
{
    struct zrpc_dialer *d;
    int rc = zrpc_config_dialer(config, &d, err);

    if (rc < 0)
        return rc;
    rc = d->ops->dial(d, ZRPC_NEVER, NULL, out, err);
    d->ops->close(d);
    return rc;
}

static int open_one(struct zrpc_evaluated *base, zrpc_time deadline, struct zrpc_wire *out[2],
                    struct zrpc_error *err)
{
    static int (*const open_side[])(const struct zrpc_config *, struct zrpc_wire **,
                                    struct zrpc_error *) = {connect_to, serve};
    struct one_sided *o = (struct one_sided *)base;
    struct zrpc_wire *spare[2];
    int rc;

    (void)deadline;
    rc = zrpc_local_pair(spare, err);
    if (rc < 0)
        return rc;
    zrpc_wire_close(spare[1]);
    out[1 - o->side] = spare[0];
    rc = open_side[o->side](o->config, &out[o->side], err);
    if (rc < 0)
        zrpc_wire_close(spare[0]);
    return rc;
}

static const struct zrpc_evaluated_ops one_sided_ops = {.name = "one side", .open_pair = open_one};

static const struct zrpc_eval_original *testcase; /* of this process */

static void play(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    int side = ((struct one_sided *)run->transport)->side;

    testcase->side[side](&pair->ends[side]);
}

static const struct zrpc_eval_case play_case = {.id = "original",
                                                .title = "a testcase of zrepl's wireevaluator",
                                                .clauses = {CLAUSE_BYTES},
                                                .budget = 3600,
                                                .run = play};

static int run_side(struct zrpc_config *config, int side, struct zrpc_error *err)
{
    struct one_sided transport = {.base.ops = &one_sided_ops, .side = side, .config = config};
    struct zrpc_eval_result row = {.tc = &play_case};
    struct zrpc_eval_runner runner;
    int rc, status;

    zrpc_eval_runner_init(&runner, &transport.base);
    runner.patience = PATIENCE;
    rc = zrpc_eval_runner_run_case(&runner, &row, err);
    if (rc == 0)
        zrpc_eval_print_result(stderr, &row, true);
    status = rc < 0                                     ? complain("", err)
             : row.verdict == ZRPC_VERDICT_PASS         ? EXIT_DONE
             : row.verdict == ZRPC_VERDICT_INCONCLUSIVE ? EXIT_CONNECTION
                                                        : EXIT_FAILED;
    zrpc_eval_result_dispose(&row);
    return status;
}

static int proxy(const struct zrpc_config *config, const struct cli_args *args, struct zrpc_error *err)
{
    if (args->n != 1) {
        zrpc_fail(err, ZRPC_ERR_USAGE, "-mode stdinserver: expected an identity");
        return complain("", err);
    }
    if (zrpc_stdinserver_proxy(zrpc_config_sockdir(config), args->items[0], STDIN_FILENO, STDOUT_FILENO,
                               STDERR_FILENO, err) < 0)
        return complain("", err);
    return EXIT_DONE;
}

struct flags {
    const char *mode, *config, *testcase;
    struct cli_args args;
    bool help;
};

static int run_mode(const struct flags *f, struct zrpc_error *err)
{
    static const char *const modes[] = {"connect", "serve", "stdinserver"};
    struct zrpc_config *config = NULL;
    int mode = 0, status;

    while (mode < 3 && strcmp(modes[mode], f->mode) != 0)
        mode++;
    if (mode == 3)
        zrpc_fail(err, ZRPC_ERR_USAGE, "-mode \"%s\", expected connect, serve or stdinserver", f->mode);
    else if (f->config == NULL)
        zrpc_fail(err, ZRPC_ERR_USAGE, "-config FILE is missing");
    else if (mode < 2 && (testcase = zrpc_eval_original_find(f->testcase)) == NULL)
        zrpc_fail(err, ZRPC_ERR_USAGE,
                  "-testcase \"%s\", expected closewrite_client, closewrite_server, readdeadline_client or "
                  "readdeadline_server",
                  f->testcase);
    else if (zrpc_eval_load_config(f->config, &config, err) == 0) {
        status = mode == 2 ? proxy(config, &f->args, err) : run_side(config, mode, err);
        zrpc_config_free(config);
        return status;
    }
    return complain("", err);
}

int run_original(int argc, char **argv)
{
    struct flags f = {.mode = "", .testcase = ""};
    const struct cli_option options[] = {
        {"mode", CLI_STRING, &f.mode, "connect|serve|stdinserver", "which side to play"},
        {"config", CLI_STRING, &f.config, "FILE", "zrepl's syntax, with connect: and serve:"},
        {"testcase", CLI_STRING, &f.testcase, "NAME",
         "closewrite_{client,server}, readdeadline_{client,server}"},
        {"help", CLI_FLAG, &f.help, NULL, "show this"},
        {0},
    };
    struct zrpc_error err = {0};

    if (cli_parse(options, argc, argv, &f.args, &err) < 0)
        return complain("", &err);
    if (f.help) {
        printf(
            "usage: wireevaluator -mode connect|serve|stdinserver -config FILE -testcase NAME "
            "[IDENTITY]\n\n");
        cli_print_options(stdout, options);
        return EXIT_DONE;
    }
    return run_mode(&f, &err);
}
