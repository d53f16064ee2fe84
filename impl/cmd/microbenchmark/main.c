#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "benchmark.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "noop.h"

static int serve(struct benchmark *b, struct zrpc_error *err)
{
    struct zrpc_listener *l;
    int rc = b->transport->listen(b, b->address, &l, err);

    if (rc < 0)
        return rc;
    fprintf(stderr, "listening on %s\n", l->ops->address(l));
    rc = benchmark_server(b, l, err);
    l->ops->close(l);
    return rc;
}

static void print_profile(zrpc_time took)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    fprintf(stderr, "wall %.3f s, user %ld.%03ld s, system %ld.%03ld s, resident at most %ld KiB\n",
            (double)took / ZRPC_SECOND, (long)u.ru_utime.tv_sec, (long)u.ru_utime.tv_usec / 1000,
            (long)u.ru_stime.tv_sec, (long)u.ru_stime.tv_usec / 1000, u.ru_maxrss);
}

static int check(const struct benchmark *b, const char *mode, const struct cli_args *args,
                 struct zrpc_error *err)
{
    bool is_server = strcmp(mode, "server") == 0;

    if (args->n > 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "unexpected argument \"%s\"", args->items[0]);
    if (!is_server && strcmp(mode, "client") != 0 && strcmp(mode, "compare") != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "-appmode \"%s\", expected client, server or compare", mode);
    if (!is_server && strcmp(b->direction, "send") != 0 && strcmp(b->direction, "recv") != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "-direction \"%s\", expected send or recv", b->direction);
    if (b->rounds < 1 || b->rounds > 100)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "-rounds must be from 1 to 100");
    return 0;
}

static int run(struct benchmark *b, const char *mode, struct zrpc_error *err)
{
    if (strcmp(mode, "server") == 0)
        return serve(b, err);
    if (strcmp(mode, "client") == 0)
        return benchmark_client(b, err);
    b->noop_reader = b->noop_writer = true;
    if (b->bytes == 0)
        b->bytes = UINT64_C(4) << 30;
    return benchmark_compare(b, err);
}

static int run_over(struct benchmark *b, const char *mode, bool tls, struct zrpc_error *err)
{
    int rc;

    b->transport = tls ? &benchmark_tls : &benchmark_tcp;
    if (!tls)
        return run(b, mode, err);
    if (strcmp(mode, "compare") != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "-tls goes with -appmode compare only");
    rc = benchmark_tls_begin(err);
    if (rc == 0)
        rc = run(b, mode, err);
    benchmark_tls_end();
    return rc;
}

int main(int argc, char **argv)
{
    struct noop_source noop;
    struct benchmark b = {.address = ":8888", .direction = "", .rounds = 5, .noop = &noop};
    const char *mode = "";
    bool help = false, tls = false;
    const struct cli_option options[] = {
        {"address", CLI_STRING, &b.address, "ADDRESS", "of the server (:8888)"},
        {"appmode", CLI_STRING, &mode, "client|server|compare",
         "compare: the protocol against a plain write/read loop, on loopback"},
        {"direction", CLI_STRING, &b.direction, "send|recv", "send: the server sends; recv: it receives"},
        {"devnoopReader", CLI_FLAG, &b.noop_reader, NULL, "the source is memory, not stdin"},
        {"devnoopWriter", CLI_FLAG, &b.noop_writer, NULL, "the sink is memory, not stdout"},
        {"bytes", CLI_NUMBER, &b.bytes, "N", "size of a no-op source (default: without end; compare: 4G)"},
        {"tls", CLI_FLAG, &tls, NULL, "compare: over TLS, against an SSL_write/SSL_read loop"},
        {"rounds", CLI_NUMBER, &b.rounds, "N", "compare: how often (5)"},
        {"profile", CLI_FLAG, &b.profile, NULL, "print time and memory used at the end"},
        {"help", CLI_FLAG, &help, NULL, "show this"},
        {0},
    };
    struct cli_args args;
    struct zrpc_error err = {0};
    zrpc_time started = zrpc_now();
    int rc = cli_parse(options, argc, argv, &args, &err);

    if (rc == 0 && help) {
        printf(
            "usage: microbenchmark -appmode client|server|compare -direction send|recv [OPTION...]\n\n"
            "One data request on a plain TCP connection on this machine, without handshake and label.\n\n");
        cli_print_options(stdout, options);
        return cli_finish("microbenchmark", EXIT_DONE);
    }
    if (rc == 0)
        rc = check(&b, mode, &args, &err);
    if (rc == 0)
        rc = run_over(&b, mode, tls, &err);
    if (rc < 0)
        cli_complain("microbenchmark", NULL, err.text);
    if (b.profile)
        print_profile(zrpc_now() - started);
    return cli_finish("microbenchmark", cli_exit_status(rc));
}
