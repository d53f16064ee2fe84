#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "replicate_report.h"
#include "zrpc.h"
#include "zrpc/transport.h"

#define CONTROL_TIMEOUT (2 * 60 * ZRPC_SECOND) /* of one call: a listing may be long, but not for ever */

/* One end: a server, or a pool on this machine. */
struct end {
    const char *name, *endpoint, *root, *faults;
    struct pool pool;
    bool pool_open;
    struct zrpc_dialer *dialer;
    struct zrpc_client *client;
    struct zrpc_replicate_remote_peer remote;
    struct zrpc_replicate_local_peer local;
    struct zrpc_replicate_peer peer;
};

struct replicate {
    struct end from, to;
    const char *glob, *log_level;
    zrpc_time dial_timeout, timeout, wait;
    uint64_t attempts;
    bool dry_run, json, help;
    struct zrpc_log log;
    struct zrpc_cancel cancel;
    struct replicate_report report;
    struct zrpc_replicate_result result;
};

static int open_pool(struct replicate *x, struct end *e, enum zrpc_endpoint_role role, struct zrpc_error *err)
{
    const struct pool_options options = {
        .spec = e->endpoint, .role = role, .root = e->root, .for_one = true, .faults = e->faults};
    int rc = pool_open(&e->pool, &options, err);

    if (rc != 0)
        return rc;
    e->pool_open = true;
    e->local = (struct zrpc_replicate_local_peer){
        .handler = pool_handler(&e->pool), .identity = "local", .log = &x->log};
    e->peer = zrpc_replicate_local(&e->local);
    return 0;
}

static int open_client(struct replicate *x, struct end *e, struct zrpc_error *err)
{
    struct zrpc_client_options options;
    int rc = zrpc_client_options_env(&options, err);

    options.log = &x->log;
    if (rc == 0)
        rc = zrpc_dialer_parse(e->endpoint, x->dial_timeout, &e->dialer, err);
    if (rc == 0)
        rc = zrpc_client_new(e->dialer, &options, &e->client, err);
    if (rc != 0)
        return rc;
    e->remote = (struct zrpc_replicate_remote_peer){.client = e->client, .control_timeout = CONTROL_TIMEOUT};
    e->remote.data.log = &x->log;
    e->remote.data.deadline = zrpc_deadline(zrpc_now(), x->timeout);
    e->peer = zrpc_replicate_remote(&e->remote);
    return 0;
}

/* Ends that are pools are this command's own: what reads endpoints does not know them. */
static bool looks_like_server(const char *endpoint)
{
    return strncmp(endpoint, "tcp:", 4) == 0 || strncmp(endpoint, "config:", 7) == 0;
}

static int open_end(struct replicate *x, struct end *e, enum zrpc_endpoint_role role, struct zrpc_error *err)
{
    bool local = e->endpoint != NULL && pool_is_spec(e->endpoint);
    int rc;

    if (e->endpoint == NULL)
        return zrpc_fail(
            err, ZRPC_ERR_USAGE,
            "--%s is missing: a server, such as tcp:127.0.0.1:8888 or config:FILE, or a pool, zfs: or "
            "pool:FILE",
            e->name);
    if (!local && (e->root != NULL || e->faults != NULL))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--%s-%s is for a pool on this machine, but --%s is \"%s\"",
                         e->name, e->root != NULL ? "root" : "faults", e->name, e->endpoint);
    if (!local && !looks_like_server(e->endpoint))
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "--%s is \"%s\", expected tcp:HOST:PORT, config:FILE, zfs: or pool:FILE", e->name,
                         e->endpoint);
    if (e == &x->to && e->root == NULL && strcmp(e->endpoint, "zfs:") == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "--to-root is missing: the dataset of this machine's pools that receives");
    rc = local ? open_pool(x, e, role, err) : open_client(x, e, err);
    return rc != 0 ? zrpc_error_prefix(err, rc, "--%s", e->name) : 0;
}

static void close_end(struct end *e)
{
    zrpc_client_close(e->client);
    if (e->dialer != NULL)
        e->dialer->ops->close(e->dialer);
    if (e->pool_open)
        pool_close(&e->pool);
}

static int prepare(struct replicate *x, struct zrpc_error *err)
{
    enum zrpc_log_level level;
    int rc = 0;

    if (zrpc_log_level_parse(x->log_level, &level) < 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--log-level \"%s\", expected error, warn, info or debug",
                         x->log_level);
    if (x->attempts == 0 || x->attempts > 1000000)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--attempts must be from 1 to 1000000");
    zrpc_log_init_stderr(&x->log, level);
    rc = cancel_on_signal(&x->cancel, err);
    if (rc == 0)
        rc = open_end(x, &x->from, ZRPC_ENDPOINT_SENDER, err);
    return rc == 0 ? open_end(x, &x->to, ZRPC_ENDPOINT_RECEIVER, err) : rc;
}

static int run(struct replicate *x, struct zrpc_error *err)
{
    const struct zrpc_replicate_options options = {
        .glob = x->glob,
        .dry_run = x->dry_run,
        .attempts = (unsigned)x->attempts,
        .backoff = {.base = x->wait},
        .seed = (uint64_t)zrpc_now(),
        .cancel = &x->cancel,
        .on_event = replicate_report_event,
        .event_ctx = &x->report,
    };
    int rc;

    replicate_report_begin(&x->report, x->json, x->dry_run);
    rc = zrpc_replicate(x->from.peer, x->to.peer, &options, &x->result, err);
    if (rc == 0 && x->glob != NULL && x->result.filesystems == 0)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "--filesystems \"%s\" matches none of the sender's", x->glob);
    return rc;
}

static void print_json(struct replicate *x, int rc, const struct zrpc_error *err)
{
    bool ok = rc == 0 && x->result.failed + x->result.conflicts == 0;
    json_t *document =
        json_pack("{s:b, s:o}", "ok", ok, "result", replicate_report_json(&x->report, &x->result));

    if (rc != 0)
        json_object_set_new(document, "error",
                            json_pack("{s:s, s:s}", "code", zrpc_code_name(rc), "text", err->text));
    cli_print_json(stdout, document);
    json_decref(document);
}

static int finish(struct replicate *x, int rc, const struct zrpc_error *err)
{
    if (x->json)
        print_json(x, rc, err);
    else
        replicate_report_end(&x->report, &x->result);
    if (rc != 0 && !x->json)
        cli_complain("zrpc", "replicate", err->text);
    if (rc != 0)
        return cli_exit_status(rc);
    return x->result.failed + x->result.conflicts > 0 ? EXIT_FAILED : EXIT_DONE;
}

static int carry_out(struct replicate *x)
{
    struct zrpc_error err = {0};
    int rc = prepare(x, &err), status;

    if (rc != 0) {
        status = failure("replicate", rc, &err);
    } else {
        rc = run(x, &err);
        status = finish(x, rc, &err);
    }
    close_end(&x->to);
    close_end(&x->from);
    forget_signals(&x->cancel);
    return status;
}

int command_replicate(const struct cli_command *self, int argc, char **argv)
{
    struct replicate x = {
        .from = {.name = "from"},
        .to = {.name = "to"},
        .log_level = "error",
        .dial_timeout = 10 * ZRPC_SECOND,
        .wait = ZRPC_BACKOFF_BASE_DEFAULT,
        .attempts = ZRPC_REPLICATE_ATTEMPTS_DEFAULT,
        .cancel = ZRPC_CANCEL_NONE,
    };
    const struct cli_option options[] = {
        {"from", CLI_STRING, &x.from.endpoint, "ENDPOINT",
         "the sender: tcp:HOST:PORT or config:FILE; zfs: or pool:FILE for a pool on this machine"},
        {"to", CLI_STRING, &x.to.endpoint, "ENDPOINT", "the receiver, likewise"},
        {"to-root", CLI_STRING, &x.to.root, "DATASET",
         "where a pool on this machine receives (default: what its file says)"},
        {"filesystems", CLI_STRING, &x.glob, "GLOB", "only those of the sender; * matches / too (all)"},
        {"dry-run", CLI_FLAG, &x.dry_run, NULL, "only show what would be sent"},
        {"attempts", CLI_NUMBER, &x.attempts, "N", "at a filesystem, in a row without progress (6)"},
        {"retry-wait", CLI_DURATION, &x.wait, "DURATION", "before the second attempt; then longer (1s)"},
        {"dial-timeout", CLI_DURATION, &x.dial_timeout, "DURATION", "for connecting (10s; 0: none)"},
        {"timeout", CLI_DURATION, &x.timeout, "DURATION", "for all streams together (none)"},
        {"from-faults", CLI_STRING, &x.from.faults, "FILE", "a plan of faults for a pool on this machine"},
        {"to-faults", CLI_STRING, &x.to.faults, "FILE", "likewise"},
        {"log-level", CLI_STRING, &x.log_level, "LEVEL", "log to stderr: error, warn, info or debug"},
        {"json", CLI_FLAG, &x.json, NULL, "print the result as JSON"},
        {"help", CLI_FLAG, &x.help, NULL, "show this"},
        {0},
    };
    struct cli_args args;
    struct zrpc_error err = {0};
    int rc = cli_parse(options, argc, argv, &args, &err);

    if (rc == 0 && x.help) {
        cli_print_command(stdout, "zrpc", self, options);
        return EXIT_DONE;
    }
    if (rc == 0 && args.n > 0)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "unexpected argument \"%s\"", args.items[0]);
    return rc != 0 ? usage_error("replicate", err.text) : carry_out(&x);
}
