#include <stdlib.h>
#include <string.h>

#include "conformance/report.h"
#include "wireevaluator.h"
#include "wireevaluator/certificate.h"
#include "wireevaluator/defects/defects.h"
#include "wireevaluator/transport.h"

struct certify {
    const char *transport, *exec_connect, *exec_serve, *shared_object, *argument;
    const char *json, *html;
    struct cli_list configs, cases;
    uint64_t repeat, jobs, seed, bulk, fd;
    zrpc_time patience;
    bool verbose, quiet, help;
};

static const char defect_prefix[] = "defect:";

static int open_named(const char *name, struct zrpc_evaluated **out, struct zrpc_error *err)
{
    if (strncmp(name, defect_prefix, strlen(defect_prefix)) == 0)
        return zrpc_eval_defect_open(name + strlen(defect_prefix), out, err);
    return zrpc_eval_transport_named(name, out, err);
}

static int count_ways(const struct certify *c, struct zrpc_error *err)
{
    int ways = (c->transport != NULL) + (c->configs.n > 0) + (c->shared_object != NULL) +
               (c->exec_connect != NULL || c->exec_serve != NULL);

    if (ways != 1 || (c->exec_connect == NULL) != (c->exec_serve == NULL))
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "expected one of --transport, --config, --shared-object, or --exec-connect with "
                         "--exec-serve");
    return 0;
}

static int open_one(const struct certify *c, struct zrpc_evaluated **out, struct zrpc_error *err)
{
    if (c->transport != NULL)
        return open_named(c->transport, out, err);
    if (c->shared_object != NULL)
        return zrpc_eval_transport_load(c->shared_object, c->argument == NULL ? "" : c->argument, out, err);
    return zrpc_eval_transport_exec(c->exec_connect, c->exec_serve, c->fd == UINT64_MAX ? -1 : (int)c->fd,
                                    out, err);
}

static int open_configs(const struct certify *c, struct zrpc_eval_runner *r, struct zrpc_error *err)
{
    int rc = 0;

    r->n_lanes = 0;
    for (size_t i = 0; rc == 0 && i < c->configs.n; i++) {
        rc = zrpc_eval_transport_config(c->configs.items[i], &r->lanes[i], err);
        r->n_lanes += rc == 0 ? 1 : 0;
        if (rc == 0 && strcmp(r->lanes[i]->ops->name, r->lanes[0]->ops->name) != 0)
            rc = zrpc_fail(err, ZRPC_ERR_USAGE, "%s is of %s, %s of %s; expected the same transport",
                           c->configs.items[0], r->lanes[0]->ops->name, c->configs.items[i],
                           r->lanes[i]->ops->name);
    }
    return rc;
}

/* Exactly one of the four ways to name a transport. The lanes that there are after a failure are closed by
 * the caller. */
static int open_lanes(const struct certify *c, struct zrpc_eval_runner *r, struct zrpc_error *err)
{
    int rc = count_ways(c, err);

    r->n_lanes = 0;
    if (rc == 0 && c->configs.n > 0)
        return open_configs(c, r, err);
    while (rc == 0 && r->n_lanes < c->jobs) {
        if (r->n_lanes == 0 || (c->transport != NULL && zrpc_eval_transport_is_made(c->transport)))
            rc = open_one(c, &r->lanes[r->n_lanes], err);
        else
            r->lanes[r->n_lanes] = r->lanes[0];
        r->n_lanes += rc == 0 ? 1 : 0;
    }
    return rc;
}

static void close_lanes(struct zrpc_eval_runner *r)
{
    for (size_t i = 0; i < r->n_lanes; i++)
        if (i == 0 || r->lanes[i] != r->lanes[0])
            r->lanes[i]->ops->close(r->lanes[i]);
}

static int write_certificate(const struct certify *c, const struct zrpc_eval_results *results,
                             const struct zrpc_evaluated *transport, struct zrpc_error *err)
{
    struct zrpc_buf json = {0}, html = {0};
    int rc = 0;

    if (c->json == NULL && c->html == NULL)
        return 0;
    rc = zrpc_eval_certificate_json(results, transport, &json, err);
    if (rc == 0 && c->json != NULL)
        rc = zrpc_report_write(c->json, &json, err);
    if (rc == 0 && c->html != NULL) {
        zrpc_eval_certificate_html(results, transport, &json, &html);
        rc = zrpc_report_write(c->html, &html, err);
    }
    zrpc_buf_dispose(&json);
    zrpc_buf_dispose(&html);
    return rc;
}

static void on_result(void *ctx, const struct zrpc_eval_result *result)
{
    const struct certify *c = ctx;

    if (!c->quiet || zrpc_verdict_spoils(result->verdict, result->tc->level))
        zrpc_eval_print_result(stdout, result, c->verbose);
}

static void on_pass(void *ctx, const struct zrpc_eval_results *results, unsigned passes)
{
    const struct certify *c = ctx;
    size_t good = 0;

    for (size_t i = 0; i < results->n; i++)
        good += results->rows[i].passed == passes ? 1 : 0;
    if (!c->quiet && passes < c->repeat) {
        printf("pass %u of %u: %zu of %zu cases have always passed\n", passes, results->repeat, good,
               results->n);
        fflush(stdout);
    }
}

static void nothing(struct zrpc_eval_run *run, struct zrpc_eval_pair *pair)
{
    (void)run;
    (void)pair;
}

/* One connection before all others: where none can be made, every case would wait for its own in vain. */
static int reach(const struct zrpc_eval_runner *r, struct zrpc_error *err)
{
    static const struct zrpc_eval_case connecting = {.id = "connect", .budget = 120, .run = nothing};
    struct zrpc_eval_result row = {.tc = &connecting};
    int rc = zrpc_eval_runner_run_case(r, &row, err);

    if (rc == 0 && row.verdict == ZRPC_VERDICT_INCONCLUSIVE)
        rc = zrpc_fail(err, ZRPC_ERR_DIAL, "%s", row.got);
    zrpc_eval_result_dispose(&row);
    return rc;
}

static int certify(struct certify *c, struct zrpc_eval_runner *r, struct zrpc_error *err)
{
    struct zrpc_eval_results results;
    bool certified, reached;
    int rc = reach(r, err);

    if (rc < 0)
        return complain("certify", err);
    r->globs = c->cases.items;
    r->n_globs = c->cases.n;
    r->repeat = (unsigned)c->repeat;
    r->seed = c->seed == 0 ? r->seed : c->seed;
    r->bulk = c->bulk;
    r->patience = c->patience;
    r->on_result = on_result;
    r->on_pass = on_pass;
    r->ctx = c;
    rc = zrpc_eval_runner_run(r, &results, err);
    if (rc == 0)
        zrpc_eval_print_summary(stdout, &results, r->lanes[0]->ops->name);
    if (rc == 0)
        rc = write_certificate(c, &results, r->lanes[0], err);
    certified = zrpc_eval_results_good(&results);
    reached = results.counts[ZRPC_VERDICT_INCONCLUSIVE] < results.n;
    zrpc_eval_results_dispose(&results);
    if (rc < 0)
        return complain("certify", err);
    return certified ? EXIT_DONE : reached ? EXIT_FAILED : EXIT_CONNECTION;
}

static int check(const struct certify *c, const struct cli_args *args, struct zrpc_error *err)
{
    if (args->n > 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "unexpected argument \"%s\"", args->items[0]);
    if (c->repeat < 1 || c->repeat > REPEAT_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--repeat must be from 1 to %d", REPEAT_MAX);
    if (c->jobs < 1 || c->jobs > EVAL_LANES_MAX || c->configs.n > EVAL_LANES_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "expected from 1 to %d jobs, or files", EVAL_LANES_MAX);
    if (c->jobs > 1 && c->configs.n > 0)
        return zrpc_fail(
            err, ZRPC_ERR_USAGE,
            "--jobs with --config: give --config once for each case that may run at the same time, "
            "each with addresses of its own");
    if (c->bulk < 4096 || c->bulk > (UINT64_C(1) << 32))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--bulk must be from 4K to 4G");
    if (c->patience < 100 * ZRPC_MILLISECOND)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--patience must be at least 100ms");
    if (c->fd != UINT64_MAX && c->fd > 1000)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--exec-fd must be from 0 to 1000");
    if ((c->fd != UINT64_MAX && c->exec_connect == NULL) || (c->argument != NULL && c->shared_object == NULL))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s",
                         c->argument == NULL ? "--exec-fd is for --exec-connect and --exec-serve"
                                             : "--argument is for --shared-object");
    return 0;
}

int command_certify(const struct cli_command *self, int argc, char **argv)
{
    struct certify c = {.repeat = 1,
                        .jobs = 1,
                        .bulk = EVAL_BULK_DEFAULT,
                        .fd = UINT64_MAX,
                        .patience = EVAL_PATIENCE_DEFAULT};
    const struct cli_option options[] = {
        {"transport", CLI_STRING, &c.transport, "NAME",
         "tcp, tls, ssh or local, on this machine; defect:NAME"},
        {"config", CLI_LIST, &c.configs, "FILE", "zrepl's syntax: what connect: and serve: say"},
        {"exec-connect", CLI_STRING, &c.exec_connect, "COMMAND",
         "what is written to one command's stdin comes"},
        {"exec-serve", CLI_STRING, &c.exec_serve, "COMMAND", "out of the other's stdout"},
        {"exec-fd", CLI_NUMBER, &c.fd, "N", "the commands speak over descriptor N, a socket, instead"},
        {"shared-object", CLI_STRING, &c.shared_object, "FILE", "see zrpc/wireevaluator.h"},
        {"argument", CLI_STRING, &c.argument, "TEXT", "for the shared object"},
        {"case", CLI_LIST, &c.cases, "GLOB", "only these; may be repeated"},
        {"repeat", CLI_NUMBER, &c.repeat, "N", "run each case N times (1)"},
        {"jobs", CLI_NUMBER, &c.jobs, "N", "cases at a time (1); with --config, as many as there are files"},
        {"json", CLI_STRING, &c.json, "FILE", "write the certificate"},
        {"html", CLI_STRING, &c.html, "FILE", "write the certificate as a page"},
        {"seed", CLI_NUMBER, &c.seed, "N", "of the bytes that are sent (the time)"},
        {"bulk", CLI_NUMBER, &c.bulk, "SIZE", "what large transfers are measured by (32M)"},
        {"patience", CLI_DURATION, &c.patience, "DURATION", "silence after which a case hangs (15s)"},
        {"verbose", CLI_FLAG, &c.verbose, NULL, "the trace of every case"},
        {"quiet", CLI_FLAG, &c.quiet, NULL, "only cases that do not pass"},
        {"help", CLI_FLAG, &c.help, NULL, "show this"},
        {0},
    };
    struct zrpc_eval_runner runner;
    struct zrpc_error err = {0};
    struct cli_args args;
    int rc = cli_parse(options, argc, argv, &args, &err), status;

    if (rc == 0 && c.help) {
        cli_print_command(stdout, "wireevaluator", self, options);
        printf("\n1 is for a transport that is not certified, 3 for one that does not connect.\n\n");
        cli_print_exit_statuses(stdout);
        return EXIT_DONE;
    }
    if (rc == 0)
        rc = check(&c, &args, &err);
    if (rc < 0)
        return complain("certify", &err);
    zrpc_eval_runner_init(&runner, NULL);
    rc = open_lanes(&c, &runner, &err);
    status = rc < 0 ? complain("certify", &err) : certify(&c, &runner, &err);
    close_lanes(&runner);
    return status;
}
