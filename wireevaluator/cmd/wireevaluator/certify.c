#include <stdlib.h>
#include <string.h>

#include "conformance/report.h"
#include "wireevaluator.h"
#include "wireevaluator/certificate.h"
#include "wireevaluator/defects/defects.h"
#include "wireevaluator/transport.h"

struct certify {
    const char *transport, *config, *exec_connect, *exec_serve, *shared_object, *argument;
    const char *json, *html;
    struct cli_list cases;
    uint64_t repeat, seed, bulk, fd;
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

/* Exactly one of the four ways to name a transport. */
static int open_transport(const struct certify *c, struct zrpc_evaluated **out, struct zrpc_error *err)
{
    int ways = (c->transport != NULL) + (c->config != NULL) + (c->shared_object != NULL) +
               (c->exec_connect != NULL || c->exec_serve != NULL);

    if (ways != 1 || (c->exec_connect == NULL) != (c->exec_serve == NULL))
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "expected one of --transport, --config, --shared-object, or --exec-connect with "
                         "--exec-serve");
    if (c->transport != NULL)
        return open_named(c->transport, out, err);
    if (c->config != NULL)
        return zrpc_eval_transport_config(c->config, out, err);
    if (c->shared_object != NULL)
        return zrpc_eval_transport_load(c->shared_object, c->argument, out, err);
    return zrpc_eval_transport_exec(c->exec_connect, c->exec_serve, c->fd == UINT64_MAX ? -1 : (int)c->fd,
                                    out, err);
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

static int certify(struct certify *c, struct zrpc_evaluated *transport, struct zrpc_error *err)
{
    struct zrpc_eval_results results;
    struct zrpc_eval_runner runner;
    bool certified, reached;
    int rc;

    zrpc_eval_runner_init(&runner, transport);
    runner.globs = c->cases.items;
    runner.n_globs = c->cases.n;
    runner.repeat = (unsigned)c->repeat;
    runner.seed = c->seed == 0 ? runner.seed : c->seed;
    runner.bulk = c->bulk;
    runner.patience = c->patience;
    runner.on_result = on_result;
    runner.ctx = c;
    rc = zrpc_eval_runner_run(&runner, &results, err);
    if (rc == 0)
        zrpc_eval_print_summary(stdout, &results, transport->ops->name);
    if (rc == 0)
        rc = write_certificate(c, &results, transport, err);
    certified = zrpc_eval_results_good(&results);
    reached = results.counts[ZRPC_VERDICT_INCONCLUSIVE] < results.n;
    zrpc_eval_results_dispose(&results);
    if (rc < 0)
        return complain("certify", err);
    return certified ? EXIT_CERTIFIED : reached ? EXIT_NOT_CERTIFIED : EXIT_NO_CONNECTION;
}

static int check(const struct certify *c, const struct cli_list *args, struct zrpc_error *err)
{
    if (args->n > 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "unexpected argument \"%s\"", args->items[0]);
    if (c->repeat < 1 || c->repeat > 10000)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--repeat must be from 1 to 10000");
    if (c->bulk < 4096 || c->bulk > (UINT64_C(1) << 32))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--bulk must be from 4K to 4G");
    if (c->patience < 100 * ZRPC_MILLISECOND)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--patience must be at least 100ms");
    if (c->fd != UINT64_MAX && c->fd > 1000)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--exec-fd must be from 0 to 1000");
    return 0;
}

int command_certify(const struct cli_command *self, int argc, char **argv)
{
    struct certify c = {.argument = "",
                        .repeat = 1,
                        .bulk = EVAL_BULK_DEFAULT,
                        .fd = UINT64_MAX,
                        .patience = EVAL_PATIENCE_DEFAULT};
    const struct cli_option options[] = {
        {"transport", CLI_STRING, &c.transport, "NAME", "tcp or local, on this machine; defect:NAME"},
        {"config", CLI_STRING, &c.config, "FILE", "zrepl's syntax: what connect: and serve: say"},
        {"exec-connect", CLI_STRING, &c.exec_connect, "COMMAND",
         "what is written to one command's stdin comes"},
        {"exec-serve", CLI_STRING, &c.exec_serve, "COMMAND", "out of the other's stdout"},
        {"exec-fd", CLI_NUMBER, &c.fd, "N", "the commands speak over descriptor N, a socket, instead"},
        {"shared-object", CLI_STRING, &c.shared_object, "FILE", "see zrpc/wireevaluator.h"},
        {"argument", CLI_STRING, &c.argument, "TEXT", "for the shared object"},
        {"case", CLI_LIST, &c.cases, "GLOB", "only these; may be repeated"},
        {"repeat", CLI_NUMBER, &c.repeat, "N", "run each case N times (1)"},
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
    struct zrpc_evaluated *transport = NULL;
    struct zrpc_error err = {0};
    struct cli_list args;
    int rc = cli_parse(options, argc, argv, &args, &err), status;

    if (rc == 0 && c.help) {
        cli_print_command(stdout, "wireevaluator", self, options);
        printf("\nExit status: 0 certified, 1 not certified, 2 usage, 3 no connection.\n");
        return EXIT_CERTIFIED;
    }
    if (rc == 0)
        rc = check(&c, &args, &err);
    if (rc == 0)
        rc = open_transport(&c, &transport, &err);
    if (rc < 0)
        return complain("certify", &err);
    status = certify(&c, transport, &err);
    transport->ops->close(transport);
    return status;
}
