#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wireevaluator.h"
#include "wireevaluator/certificate.h"
#include "wireevaluator/defects/defects.h"
#include "wireevaluator/selftest.h"

#define FILE_MAX (64u << 20)

static int read_file(const char *path, struct zrpc_buf *out, struct zrpc_error *err)
{
    FILE *file = fopen(path, "rbe");
    int rc = 0;
    size_t n;

    if (file == NULL)
        return zrpc_fail_errno(err, ZRPC_ERR_USAGE, errno, "%s", path);
    do {
        rc = out->len > FILE_MAX ? zrpc_fail(err, ZRPC_ERR_USAGE, "%s: too long", path)
                                 : zrpc_buf_reserve(out, 65536, err);
        n = rc < 0 ? 0 : fread(out->base + out->off + out->len, 1, 65536, file);
        out->len += n;
    } while (n > 0);
    if (rc == 0 && ferror(file))
        rc = zrpc_fail_errno(err, ZRPC_ERR_USAGE, errno, "reading %s", path);
    fclose(file);
    return rc;
}

static int verify_file(const char *path)
{
    struct zrpc_eval_verified v = {0};
    struct zrpc_buf text = {0};
    struct zrpc_error err;
    int rc = read_file(path, &text, &err), status = EXIT_DONE;

    if (rc == 0) {
        rc = zrpc_eval_certificate_verify(zrpc_buf_view(&text), &v, &err);
        if (rc < 0)
            rc = zrpc_error_prefix(&err, rc, "%s", path);
    }
    zrpc_buf_dispose(&text);
    if (rc < 0)
        return complain("verify", &err);
    if (!v.certified)
        status = EXIT_FAILED;
    /* What somebody else's certificate says is not to be trusted with the terminal. */
    cli_printf(stdout, "%s: unaltered: %s, %s, %zu cases%s, wireevaluator %s, %s\n", path, v.transport,
               v.certified ? "certified" : "not certified", v.cases, v.complete ? "" : " of more", v.version,
               v.date);
    return status;
}

int command_verify(const struct cli_command *self, int argc, char **argv)
{
    bool help = false;
    const struct cli_option options[] = {{"help", CLI_FLAG, &help, NULL, "show this"}, {0}};
    struct zrpc_error err = {0};
    struct cli_args args;
    int rc = cli_parse(options, argc, argv, &args, &err), status = EXIT_DONE;

    if (rc == 0 && help) {
        cli_print_command(stdout, "wireevaluator", self, options);
        printf(
            "\nExit status: 0 unaltered and certified, 1 unaltered and not certified, 2 altered or "
            "incomplete.\n");
        return EXIT_DONE;
    }
    if (rc == 0 && args.n == 0)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "expected the file of a certificate");
    if (rc < 0)
        return complain("verify", &err);
    for (size_t i = 0; i < args.n; i++) {
        int one = verify_file(args.items[i]);

        status = one > status ? one : status;
    }
    return status;
}

int command_list(const struct cli_command *self, int argc, char **argv)
{
    bool help = false, defects = false;
    const struct cli_option options[] = {
        {"defects", CLI_FLAG, &defects, NULL, "list the defective transports instead"},
        {"help", CLI_FLAG, &help, NULL, "show this"},
        {0}};
    const struct zrpc_eval_defect *d;
    const struct zrpc_eval_case *tc;
    struct zrpc_error err = {0};
    struct cli_args args;

    if (cli_parse(options, argc, argv, &args, &err) < 0)
        return complain("list", &err);
    if (help) {
        cli_print_command(stdout, "wireevaluator", self, options);
        return EXIT_DONE;
    }
    for (size_t i = 0; defects && (d = zrpc_eval_defect_at(i)) != NULL; i++)
        printf("%-26s %-12s %-32s %s\n", d->name, d->clause, d->caught_by, d->what);
    for (size_t i = 0; !defects && (tc = zrpc_eval_case_at(i, NULL)) != NULL; i++) {
        printf("%-32s %-6s %s [", tc->id, zrpc_level_name(tc->level), tc->title);
        for (size_t k = 0; k < ZRPC_EVAL_CLAUSES_MAX && tc->clauses[k] != NULL; k++)
            printf("%s%s", k == 0 ? "" : " ", tc->clauses[k]);
        printf("]\n");
    }
    return EXIT_DONE;
}

static int check_names(const struct cli_args *names, struct zrpc_error *err)
{
    struct zrpc_evaluated *transport;

    for (size_t i = 0; i < names->n; i++) {
        if (zrpc_eval_defect_open(names->items[i], &transport, err) < 0)
            return err->code;
        transport->ops->close(transport);
    }
    return 0;
}

static int test_defects(const struct cli_args *names, unsigned repeat, struct zrpc_error *err)
{
    const struct zrpc_eval_defect *d;
    unsigned tested = 0, missed = 0;

    for (size_t i = 0; (d = zrpc_eval_defect_at(i)) != NULL; i++) {
        struct zrpc_eval_selftest result;
        bool wanted = names->n == 0;

        for (size_t k = 0; k < names->n; k++)
            wanted = wanted || strcmp(names->items[k], d->name) == 0;
        if (!wanted)
            continue;
        if (zrpc_eval_selftest(d, repeat, &result, err) < 0)
            return complain("selftest", err);
        tested++;
        missed += result.caught ? 0 : 1;
        printf("%-8s %-26s %-32s %s", result.caught ? "caught" : "MISSED", d->name, d->caught_by, d->clause);
        if (!result.caught)
            printf(": %s %s", zrpc_verdict_name(result.verdict), result.clause);
        printf("\n");
        fflush(stdout);
    }
    printf("%u defects, %u missed\n", tested, missed);
    return missed == 0 && tested > 0 ? EXIT_DONE : EXIT_FAILED;
}

int command_selftest(const struct cli_command *self, int argc, char **argv)
{
    uint64_t repeat = 1;
    bool help = false;
    const struct cli_option options[] = {{"repeat", CLI_NUMBER, &repeat, "N", "run each N times (1)"},
                                         {"help", CLI_FLAG, &help, NULL, "show this"},
                                         {0}};
    struct zrpc_error err = {0};
    struct cli_args args;

    if (cli_parse(options, argc, argv, &args, &err) < 0)
        return complain("selftest", &err);
    if (help) {
        cli_print_command(stdout, "wireevaluator", self, options);
        return EXIT_DONE;
    }
    if (repeat < 1 || repeat > REPEAT_MAX)
        zrpc_fail(&err, ZRPC_ERR_USAGE, "--repeat must be from 1 to %d", REPEAT_MAX);
    else if (check_names(&args, &err) == 0)
        return test_defects(&args, (unsigned)repeat, &err);
    return complain("selftest", &err);
}
