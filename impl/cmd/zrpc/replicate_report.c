#include "replicate_report.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "progress.h"

#define LINE_EVERY (5 * ZRPC_SECOND) /* of progress, where there is no terminal */

void replicate_report_begin(struct replicate_report *r, bool json, bool dry_run)
{
    *r = (struct replicate_report){.json = json, .dry_run = dry_run, .live = !json && isatty(STDERR_FILENO)};
    r->filesystems = json ? json_array() : NULL;
}

static void wipe(struct replicate_report *r)
{
    if (r->drawn)
        fputs("\r\033[K", stderr);
    r->drawn = false;
}

/* "@a", "@a to @b" */
static const char *step_name(const struct zrpc_plan *plan, size_t step, char out[static 640])
{
    struct zrpc_plan_step s = zrpc_plan_step(plan, step);

    if (s.from == NULL)
        snprintf(out, 640, "@%s", s.to->name);
    else
        snprintf(out, 640, "%c%s to @%s", s.from->type == ZRPC_ZFS_SNAPSHOT ? '@' : '#', s.from->name,
                 s.to->name);
    return out;
}

static int64_t sum(const struct zrpc_replicate_event *e, bool *all)
{
    int64_t bytes = 0;

    *all = true;
    for (size_t i = 0; i < zrpc_plan_steps(e->plan); i++) {
        bytes += e->sizes[i];
        *all = *all && e->sizes[i] > 0;
    }
    return bytes;
}

static void print_plan(struct replicate_report *r, const struct zrpc_replicate_event *e)
{
    size_t n = zrpc_plan_steps(e->plan);
    char name[640], size[32];
    int64_t bytes;
    bool all;

    if (n == 0 || (r->attempts > 0 && !r->dry_run))
        return;
    bytes = sum(e, &all);
    cli_printf(stdout, "%s: %zu step%s, %s%s\n", e->filesystem, n, n == 1 ? "" : "s",
               format_bytes((double)bytes, size), all ? "" : " and more");
    for (size_t i = 0; i < n && r->dry_run; i++)
        cli_printf(stdout, "    %s  %s\n", step_name(e->plan, i, name),
                   e->sizes[i] == 0 ? "size unknown" : format_bytes((double)e->sizes[i], size));
}

/* "tank/a: step 2 of 4, @1 to @2: 3.0 MiB of 12.0 MiB, 1.5 MiB/s, 0:06 left" */
static void print_progress(FILE *out, const struct replicate_report *r, const struct zrpc_replicate_event *e)
{
    double seconds = (double)(zrpc_now() - r->began) / ZRPC_SECOND;
    double rate = seconds > 0 ? (double)e->bytes / seconds : 0;
    char name[640], bytes[32], size[32], per_second[32];

    cli_printf(out, "%s: step %zu of %zu, %s: %s", e->filesystem, e->step + 1, zrpc_plan_steps(e->plan),
               step_name(e->plan, e->step, name), format_bytes((double)e->step_bytes, bytes));
    if (e->step_size > 0)
        cli_printf(out, " of %s", format_bytes((double)e->step_size, size));
    cli_printf(out, ", %s/s", format_bytes(rate, per_second));
    if (e->bytes_left > 0 && rate > 0) {
        unsigned long left = (unsigned long)((double)e->bytes_left / rate);

        cli_printf(out, ", %lu:%02lu:%02lu left", left / 3600, left / 60 % 60, left % 60);
    }
}

static void on_progress(struct replicate_report *r, const struct zrpc_replicate_event *e)
{
    if (r->live) {
        wipe(r);
        print_progress(stderr, r, e);
        r->drawn = true;
    } else if (zrpc_now() - r->shown >= LINE_EVERY) {
        print_progress(stdout, r, e);
        fputc('\n', stdout);
        r->shown = zrpc_now();
    }
}

static void on_planned(struct replicate_report *r, const struct zrpc_replicate_event *e)
{
    if (r->attempts == 0)
        r->began = r->shown = zrpc_now();
    print_plan(r, e);
}

static void on_step(struct replicate_report *r, const struct zrpc_replicate_event *e)
{
    if (r->live)
        on_progress(r, e);
}

static void on_stepped(struct replicate_report *r, const struct zrpc_replicate_event *e)
{
    char name[640], bytes[32];

    (void)r;
    cli_printf(stdout, "%s: step %zu of %zu, %s: done, %s%s\n", e->filesystem, e->step + 1,
               zrpc_plan_steps(e->plan), step_name(e->plan, e->step, name),
               format_bytes((double)e->step_bytes, bytes), e->resuming ? ", resumed" : "");
}

static void on_retry(struct replicate_report *r, const struct zrpc_replicate_event *e)
{
    char wait[ZRPC_DURATION_TEXT_MAX];

    r->attempts++;
    cli_printf(stdout, "%s: %s; again in %s\n", e->filesystem == NULL ? "listing" : e->filesystem,
               e->error->text, zrpc_duration_format(e->wait / ZRPC_MILLISECOND * ZRPC_MILLISECOND, wait));
}

static const char *state(const struct replicate_report *r, const struct zrpc_replicate_event *e)
{
    if (e->type == ZRPC_REPLICATE_FAILED)
        return "failed";
    if (e->type == ZRPC_REPLICATE_CONFLICT)
        return "conflict";
    if (e->plan->kind == ZRPC_PLAN_EMPTY)
        return "nothing to send";
    if (e->plan->kind == ZRPC_PLAN_UP_TO_DATE)
        return "up to date";
    return r->dry_run ? "planned" : "done";
}

static void on_end(struct replicate_report *r, const struct zrpc_replicate_event *e)
{
    char bytes[32];

    if (e->type == ZRPC_REPLICATE_FAILED)
        cli_printf(stdout, "%s: failed: %s\n", e->filesystem, e->error->text);
    else if (e->type == ZRPC_REPLICATE_CONFLICT)
        cli_printf(stdout, "%s: conflict: %s\n", e->filesystem, e->plan->why);
    else if (zrpc_plan_steps(e->plan) == 0)
        cli_printf(stdout, "%s: %s\n", e->filesystem, state(r, e));
    else if (!r->dry_run)
        cli_printf(stdout, "%s: done, %s\n", e->filesystem, format_bytes((double)e->bytes, bytes));
}

typedef void on_event(struct replicate_report *r, const struct zrpc_replicate_event *e);

static on_event *const handlers[] = {
    [ZRPC_REPLICATE_PLANNED] = on_planned,   [ZRPC_REPLICATE_STEP] = on_step,
    [ZRPC_REPLICATE_PROGRESS] = on_progress, [ZRPC_REPLICATE_STEPPED] = on_stepped,
    [ZRPC_REPLICATE_RETRY] = on_retry,       [ZRPC_REPLICATE_DONE] = on_end,
    [ZRPC_REPLICATE_CONFLICT] = on_end,      [ZRPC_REPLICATE_FAILED] = on_end,
};

static json_t *steps_of(const struct zrpc_replicate_event *e)
{
    json_t *steps = json_array();

    for (size_t i = 0; e->plan != NULL && e->sizes != NULL && i < zrpc_plan_steps(e->plan); i++) {
        struct zrpc_plan_step s = zrpc_plan_step(e->plan, i);
        char from[ZRPC_ZFS_NAME_MAX + 1] = "";

        if (s.from != NULL)
            snprintf(from, sizeof from, "%c%s", s.from->type == ZRPC_ZFS_SNAPSHOT ? '@' : '#', s.from->name);
        json_array_append_new(steps, json_pack("{s:s, s:s, s:I}", "from", from, "to", s.to->name, "size",
                                               (json_int_t)e->sizes[i]));
    }
    return steps;
}

/* Those of a filesystem that had to be looked at again are the steps of the last plan. */
static void add_filesystem(struct replicate_report *r, const struct zrpc_replicate_event *e)
{
    const char *why = e->error != NULL ? e->error->text : e->plan != NULL ? e->plan->why : "";

    json_array_append_new(r->filesystems,
                          json_pack("{s:s, s:s, s:s, s:i, s:I, s:o}", "filesystem", e->filesystem, "state",
                                    state(r, e), "why", why, "retries", (int)r->attempts, "bytes",
                                    (json_int_t)e->bytes, "steps", steps_of(e)));
}

void replicate_report_event(void *ctx, const struct zrpc_replicate_event *event)
{
    struct replicate_report *r = ctx;
    bool over = event->type >= ZRPC_REPLICATE_DONE;

    if (r->json && over) {
        add_filesystem(r, event);
    } else if (r->json) {
        r->attempts += event->type == ZRPC_REPLICATE_RETRY ? 1 : 0;
    } else {
        wipe(r);
        handlers[event->type](r, event);
        fflush(stdout);
    }
    if (over)
        r->attempts = 0;
}

void replicate_report_end(struct replicate_report *r, const struct zrpc_replicate_result *result)
{
    char bytes[32];

    wipe(r);
    cli_printf(stdout, "%zu filesystem%s: %zu %s, %zu in conflict, %zu failed; %zu stream%s, %s\n",
               result->filesystems, result->filesystems == 1 ? "" : "s", result->done,
               r->dry_run ? "planned" : "done", result->conflicts, result->failed, result->steps,
               result->steps == 1 ? "" : "s", format_bytes((double)result->bytes, bytes));
}

json_t *replicate_report_json(struct replicate_report *r, const struct zrpc_replicate_result *result)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "done", (json_int_t)result->done, "conflicts",
                     (json_int_t)result->conflicts, "failed", (json_int_t)result->failed, "streams",
                     (json_int_t)result->steps, "bytes", (json_int_t)result->bytes, "filesystems",
                     r->filesystems);
}
