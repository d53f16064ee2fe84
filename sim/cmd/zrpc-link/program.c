#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct texts {
    const char *config, *listen, *connect, *protocol, *seed, *control, *record;
    struct cli_list faults;
    uint64_t buffer, random;
    bool verbose;
};

static int set_path(char out[static ZRPC_LINK_PATH_MAX], const char *text, struct zrpc_error *err)
{
    if (text == NULL)
        return 0;
    if (strlen(text) >= ZRPC_LINK_PATH_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "\"%s\": longer than %d characters", text,
                         ZRPC_LINK_PATH_MAX - 1);
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

static int set_seed(struct zrpc_link_plan *plan, const char *text, struct zrpc_error *err)
{
    char *end;

    if (text == NULL)
        return 0;
    errno = 0;
    plan->seed = strtoull(text, &end, 0);
    plan->has_seed = true;
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--seed: \"%s\", expected a number from 0 to 2^64-1", text);
    return 0;
}

static int add_faults(struct zrpc_link_plan *plan, const struct cli_list *texts, struct zrpc_error *err)
{
    struct zrpc_link_fault f;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < texts->n; i++) {
        rc = zrpc_link_fault_parse(texts->items[i], &f, err);
        if (rc < 0)
            return zrpc_error_prefix(err, rc, "--fault %s", texts->items[i]);
        rc = zrpc_link_plan_add(plan, &f, err);
    }
    return rc;
}

/* The file first: options change what it says. */
static int apply(struct program *p, const struct texts *t, struct zrpc_error *err)
{
    struct zrpc_link_plan *plan = &p->plan;
    int rc;

    zrpc_log_init_stderr(&p->log, t->verbose ? ZRPC_LOG_INFO : ZRPC_LOG_WARN);
    if (t->config != NULL && (rc = zrpc_link_plan_load(plan, t->config, err)) < 0)
        return rc;
    if ((rc = set_path(plan->listen, t->listen, err)) < 0 ||
        (rc = set_path(plan->connect, t->connect, err)) < 0 ||
        (rc = set_path(plan->control, t->control, err)) < 0 ||
        (rc = set_path(plan->record, t->record, err)) < 0 || (rc = set_seed(plan, t->seed, err)) < 0 ||
        (rc = add_faults(plan, &t->faults, err)) < 0)
        return rc;
    if (t->protocol != NULL && (rc = zrpc_link_protocol_parse(t->protocol, &plan->protocol, err)) < 0)
        return rc;
    if (t->buffer != 0)
        plan->buffer = t->buffer;
    if (t->random != 0)
        plan->random.faults = t->random;
    p->keep_record = plan->record[0] != '\0';
    return 0;
}

/* An option that this command makes nothing of. */
static int refuse_unused(const struct program *p, const struct texts *t, struct zrpc_error *err)
{
    bool stdio = strcmp(p->name, "stdio") == 0;
    const char *unused = p->runs != 1 && strcmp(p->name, "run") != 0 ? "runs"
                         : stdio && t->listen != NULL                ? "listen"
                         : stdio && t->connect != NULL               ? "connect"
                                                                     : NULL;

    if (unused != NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s: takes no --%s", p->name, unused);
    return p->runs > 0 ? 0 : zrpc_fail(err, ZRPC_ERR_USAGE, "--runs must be above 0");
}

int program_parse(struct program *p, const struct cli_command *self, int argc, char **argv,
                  struct zrpc_error *err)
{
    struct texts t = {0};
    const struct cli_option options[] = {
        {"config", CLI_STRING, &t.config, "FILE", "the plan (sim/link/README.md), or a record to replay"},
        {"listen", CLI_STRING, &t.listen, "ADDRESS", "tcp:HOST:PORT or unix:PATH; not of stdio"},
        {"connect", CLI_STRING, &t.connect, "ADDRESS",
         "tcp:HOST:PORT, unix:PATH or exec:COMMAND; not of stdio"},
        {"protocol", CLI_STRING, &t.protocol, "NAME", "what positions mean: zrepl, frames or opaque"},
        {"fault", CLI_LIST, &t.faults, "FAULT", "one more, e.g. '{action: reset, at: before heartbeat 2}'"},
        {"random", CLI_NUMBER, &t.random, "N", "up to N faults made up for each connection"},
        {"seed", CLI_STRING, &t.seed, "N", "decides everything that is up to chance"},
        {"buffer", CLI_NUMBER, &t.buffer, "BYTES", "held at most in each direction (1M)"},
        {"control", CLI_STRING, &t.control, "PATH", "unix socket for zrpc-link ctl"},
        {"record", CLI_STRING, &t.record, "FILE", "the plan that repeats what happened"},
        {"runs", CLI_NUMBER, &p->runs, "N", "of run: so many times, with seeds counted up"},
        {"verbose", CLI_FLAG, &t.verbose, NULL, "log every fault that strikes"},
        {"help", CLI_FLAG, &p->help, NULL, "this text"},
        {NULL, CLI_FLAG, NULL, NULL, NULL},
    };
    int rc;

    p->name = self->name;
    p->runs = 1;
    zrpc_link_plan_init(&p->plan);
    rc = cli_parse(options, argc, argv, &p->args, err);
    if (rc == 0 && p->help)
        cli_print_command(stdout, "zrpc-link", self, options);
    if (rc == 0 && !p->help)
        rc = refuse_unused(p, &t, err);
    return rc < 0 || p->help ? rc : apply(p, &t, err);
}

int program_choose_record(struct program *p, struct zrpc_error *err)
{
    const char *directory = getenv("TMPDIR");
    int n, fd;

    if (p->keep_record)
        return 0;
    n = snprintf(p->plan.record, sizeof p->plan.record, "%s/zrpc-link-XXXXXX.yml",
                 directory == NULL || directory[0] == '\0' ? "/tmp" : directory);
    if (n < 0 || (size_t)n >= sizeof p->plan.record)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "TMPDIR is too long");
    fd = mkstemps(p->plan.record, 4);
    if (fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s", p->plan.record);
    close(fd);
    return 0;
}

/* As the shell needs it. */
static void print_quoted(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,+@%";

    if (text[0] != '\0' && strspn(text, plain) == strlen(text)) {
        fprintf(stderr, " %s", text);
        return;
    }
    fprintf(stderr, " '");
    for (; *text != '\0'; text++)
        fprintf(stderr, *text == '\'' ? "'\\''" : "%c", *text);
    fprintf(stderr, "'");
}

void program_conclude(const struct program *p, bool failed)
{
    if (!failed) {
        if (!p->keep_record)
            unlink(p->plan.record);
        return;
    }
    fprintf(stderr, "zrpc-link: seed %" PRIu64 "; to repeat this:\n    zrpc-link %s --config", p->plan.seed,
            p->name);
    print_quoted(p->plan.record);
    if (p->args.n > 0)
        fprintf(stderr, " --");
    for (size_t i = 0; i < p->args.n; i++)
        print_quoted(p->args.items[i]);
    fprintf(stderr, "\n");
}
