#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_sink.h"
#include "progress.h"
#include "zrpc.h"

struct send {
    struct client client;
    const char *to, *from, *output;
    bool dry_run;
    struct progress progress;
};

static int open_output(void *ctx, const Zrpc__Pb__SendRes *res, struct zrpc_sink *sink,
                       struct zrpc_error *err)
{
    struct send *s = ctx;

    progress_begin(&s->progress, res->expectedsize > 0 ? (uint64_t)res->expectedsize : 0);
    return file_sink_open(s->output, sink, err);
}

static int run(struct send *s, const char *filesystem, Zrpc__Pb__SendRes **res, struct zrpc_error *err)
{
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;
    int rc;

    req.filesystem = (char *)(uintptr_t)filesystem;
    req.to = (char *)(uintptr_t)s->to;
    req.from = (char *)(uintptr_t)(s->from == NULL ? "" : s->from);
    req.dryrun = s->dry_run;
    s->client.data.progress = progress_update;
    s->client.data.progress_ctx = &s->progress;
    rc = zrpc_client_send(s->client.rpc, &s->client.data, &req, open_output, s, res, err);
    progress_end(&s->progress);
    return rc;
}

static json_t *describe(const struct send *s, const Zrpc__Pb__SendRes *res)
{
    json_t *properties = json_object();

    for (size_t i = 0; res != NULL && i < res->n_properties; i++)
        json_object_set_new(properties, res->properties[i]->name, json_string(res->properties[i]->value));
    return json_pack("{s:I, s:I, s:b, s:o}", "bytes", (json_int_t)s->progress.bytes, "expected_size",
                     (json_int_t)(res == NULL ? 0 : res->expectedsize), "used_resume_token",
                     res != NULL && res->usedresumetoken, "properties", properties);
}

static void print_estimate(const Zrpc__Pb__SendRes *res)
{
    char size[32];

    if (res->expectedsize > 0)
        printf("%s (%lld bytes)\n", format_bytes((double)res->expectedsize, size),
               (long long)res->expectedsize);
    else
        printf("size unknown\n");
}

static const char *mistake(const struct send *s, const struct cli_args *args)
{
    if (args->n != 1)
        return "takes one argument: the filesystem";
    if (s->to == NULL)
        return "--to is missing: the snapshot, such as @daily-1";
    if (!s->dry_run && strcmp(s->output, "-") == 0 && isatty(STDOUT_FILENO))
        return "a stream does not go to a terminal: say -o FILE, or redirect";
    return NULL;
}

int command_send(const struct cli_command *self, int argc, char **argv)
{
    struct send s = {.client = CLIENT_DEFAULTS, .output = "-"};
    const struct cli_option options[] = {
        {"to", CLI_STRING, &s.to, "@SNAP", "the snapshot to send"},
        {"from", CLI_STRING, &s.from, "@SNAP|#BOOKMARK", "send the difference to it (default: a full send)"},
        {"dry-run", CLI_FLAG, &s.dry_run, NULL, "only estimate the size"},
        {"o", CLI_STRING, &s.output, "FILE",
         "where the stream goes; it has its name when complete (-: stdout)"},
        CLIENT_OPTIONS(&s.client),
        {0},
    };
    struct cli_args args;
    struct zrpc_error err = {0};
    Zrpc__Pb__SendRes *res = NULL;
    int rc = client_begin(&s.client, self, options, argc, argv, &args);

    if (rc >= 0)
        return rc;
    if (mistake(&s, &args) != NULL) {
        client_end(&s.client);
        return usage_error("send", mistake(&s, &args));
    }
    rc = run(&s, args.items[0], &res, &err);
    if (rc == 0 && s.dry_run && !s.client.json)
        print_estimate(res);
    client_end(&s.client);
    /* The stream may occupy stdout. */
    rc = client_report(&s.client, s.dry_run || strcmp(s.output, "-") != 0 ? stdout : stderr, "send", rc, &err,
                       describe(&s, res));
    if (res != NULL)
        zrpc__pb__send_res__free_unpacked(res, NULL);
    return rc;
}
