#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "conformance/cmd/zrpc-conformance/options.h"
#include "conformance/file.h"
#include "conformance/mutants/mutant.h"
#include "conformance/report.h"
#include "conformance/traceability.h"
#include "zrpc/config.h"

static int complain(const struct zrpc_error *err)
{
    cli_complain("zrpc-conformance", NULL, err->text);
    return cli_exit_status(err->code);
}

static int list_cases(const struct zrpc_options *o)
{
    struct zrpc_selected *cases = NULL;
    struct zrpc_buf text = {0};
    struct zrpc_error err;
    size_t n;

    if (zrpc_case_select(&zrpc_cases, &o->selection, &cases, &n, &err) < 0)
        return complain(&err);
    for (size_t i = 0; i < n; i++) {
        zrpc_text_add(&text, "%-48s %-6s %-4s %s [", cases[i].tc->id, zrpc_level_name(cases[i].tc->level),
                      cases[i].tc->flags & ZRPC_CASE_SLOW ? "slow" : "", cases[i].tc->title);
        zrpc_report_add_requirements(&text, cases[i].tc);
        zrpc_text_add(&text, "]\n");
    }
    fputs(zrpc_text_str(&text), stdout);
    zrpc_buf_dispose(&text);
    free(cases);
    return EXIT_DONE;
}

static int list_requirements(const struct zrpc_options *o)
{
    struct zrpc_buf text = {0};
    struct zrpc_error err;
    char *list = NULL;
    int findings = 0;

    if (o->untested == NULL) {
        zrpc_traceability_add(&zrpc_cases, &text);
    } else {
        findings = zrpc_file_read(o->untested, &list, &err);
        if (findings == 0)
            findings = zrpc_traceability_check(&zrpc_cases, o->untested, list, &text, &err);
        free(list);
    }
    fputs(zrpc_text_str(&text), stdout);
    zrpc_buf_dispose(&text);
    if (findings < 0)
        return complain(&err);
    return findings > 0 ? EXIT_FAILED : EXIT_DONE;
}

static int load_profile(struct zrpc_profile *profile, const struct zrpc_options *o, struct zrpc_error *err)
{
    return o->profile == NULL ? zrpc_profile_init(profile, err) : zrpc_profile_load(profile, o->profile, err);
}

static int print_profile(const struct zrpc_options *o)
{
    struct zrpc_profile profile;
    struct zrpc_buf text = {0};
    struct zrpc_error err;

    if (load_profile(&profile, o, &err) < 0)
        return complain(&err);
    zrpc_profile_print(&profile, &text);
    fputs(zrpc_text_str(&text), stdout);
    zrpc_buf_dispose(&text);
    zrpc_profile_dispose(&profile);
    return EXIT_DONE;
}

/* One report, if it is wanted. */
static int write_one(const char *path, void (*make)(const struct zrpc_results *, struct zrpc_buf *),
                     const struct zrpc_results *results, struct zrpc_error *err)
{
    struct zrpc_buf text = {0};
    int rc;

    if (path == NULL)
        return 0;
    make(results, &text);
    rc = zrpc_report_write(path, &text, err);
    zrpc_buf_dispose(&text);
    return rc;
}

static int write_json(const char *path, const struct zrpc_results *results, struct zrpc_error *err)
{
    struct zrpc_buf text = {0};
    int rc;

    if (path == NULL)
        return 0;
    rc = zrpc_report_json(results, &text, err);
    if (rc == 0)
        rc = zrpc_report_write(path, &text, err);
    zrpc_buf_dispose(&text);
    return rc;
}

static int write_reports(const struct zrpc_options *o, const struct zrpc_results *results,
                         struct zrpc_error *err)
{
    int rc = write_one(o->tap, zrpc_report_tap, results, err);

    if (rc == 0)
        rc = write_one(o->junit, zrpc_report_junit, results, err);
    if (rc == 0)
        rc = write_one(o->html, zrpc_report_html, results, err);
    return rc == 0 ? write_json(o->json, results, err) : rc;
}

static void on_result(void *ctx, const struct zrpc_result *result)
{
    zrpc_console_result(ctx, result);
}

static bool wants_colours(const struct zrpc_options *o)
{
    if (strcmp(o->colour, "auto") == 0)
        return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    return strcmp(o->colour, "always") == 0;
}

/* The reference server behind the listener of the configuration, and its dialer as the target. */
static int serve_in_process(const char *file, const struct zrpc_profile *profile, struct zrpc_target *target,
                            struct zrpc_reference **reference, struct zrpc_error *err)
{
    char endpoint[ZRPC_ADDRESS_MAX + sizeof "config:"];
    struct zrpc_listener *listener;
    struct zrpc_config *config;
    int rc = zrpc_config_load(file, &config, NULL, err);

    if (rc < 0)
        return rc;
    rc = zrpc_config_listen(config, &listener, err);
    zrpc_config_free(config);
    if (rc == 0)
        rc = zrpc_reference_start_on(listener, &profile->timing, reference, err);
    snprintf(endpoint, sizeof endpoint, "config:%s", file);
    return rc == 0 ? zrpc_target_init_endpoint(target, endpoint, err) : rc;
}

static int init_target(struct zrpc_target *target, const struct zrpc_options *o, struct zrpc_error *err)
{
    int rc = 0;

    if (o->target != NULL)
        rc = zrpc_target_init_endpoint(target, o->target, err);
    if (rc == 0 && o->exec != NULL)
        zrpc_target_set_command(target, o->exec);
    return rc;
}

static int run_cases(const struct zrpc_options *o)
{
    struct zrpc_console console = {.out = stdout, .colours = wants_colours(o), .verbose = o->verbose};
    struct zrpc_expectations expectations = {0};
    struct zrpc_target target = {.output = -1};
    struct zrpc_reference *reference = NULL;
    struct zrpc_profile profile = {0};
    struct zrpc_results results = {0};
    struct zrpc_selected *cases = NULL;
    struct zrpc_runner runner = {.target = &target,
                                 .profile = &profile,
                                 .expectations = &expectations,
                                 .repeat = (unsigned)o->repeat,
                                 .on_result = on_result,
                                 .ctx = &console};
    struct zrpc_error err;
    size_t n;
    int rc, status;

    rc = zrpc_case_select(&zrpc_cases, &o->selection, &cases, &n, &err);
    if (rc == 0)
        rc = load_profile(&profile, o, &err);
    if (rc == 0 && o->expectations != NULL)
        rc = zrpc_expectations_load(&expectations, o->expectations, &zrpc_cases, &err);
    if (rc == 0 && o->in_process != NULL)
        rc = serve_in_process(o->in_process, &profile, &target, &reference, &err);
    else if (rc == 0)
        rc = init_target(&target, o, &err);
    if (rc == 0)
        rc = zrpc_runner_run(&runner, cases, n, &results, &err);
    if (rc == 0) {
        zrpc_console_summary(&console, &results);
        rc = write_reports(o, &results, &err);
    }
    if (rc < 0)
        status = complain(&err);
    else
        status = zrpc_results_good(&results) ? EXIT_DONE : EXIT_FAILED;
    zrpc_target_stop(&target);
    zrpc_reference_stop(reference);
    zrpc_results_dispose(&results);
    zrpc_expectations_dispose(&expectations);
    zrpc_profile_dispose(&profile);
    free(cases);
    return status;
}

static int run_command(const struct zrpc_options *o)
{
    switch (o->command) {
    case ZRPC_COMMAND_HELP:
        zrpc_options_print_usage();
        return EXIT_DONE;
    case ZRPC_COMMAND_LIST:
        return o->requirements ? list_requirements(o) : list_cases(o);
    case ZRPC_COMMAND_PROFILE:
        return print_profile(o);
    default:
        return run_cases(o);
    }
}

int main(int argc, char **argv)
{
    struct zrpc_options o;
    struct zrpc_error err;

    if (zrpc_case_table_check(&zrpc_cases, &err) < 0 || zrpc_options_parse(&o, argc, argv, &err) < 0)
        return complain(&err);
    return cli_finish("zrpc-conformance", run_command(&o));
}
