#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "sim/rig/rig.h"
#include "transport/tcp_socket.h"

/*
 * As the original: one side, for ever, or until it fails.
 */
static int run_peer(enum zrpc_rig_side side, zrpc_time sigma, int fd, struct zrpc_error *err)
{
    struct zrpc_rig_peer peer = {
        .side = side, .began = zrpc_now(), .sigma = sigma, .seed = (uint64_t)getpid(), .stop_fd = -1};
    struct zrpc_rig_sample last;
    int rc = zrpc_rig_peer_run(&peer, fd, &last, err);

    close(fd);
    fprintf(stderr,
            "heartbeat-rig: %" PRIu64 " frames, heartbeats: %" PRIu64 " sent, %" PRIu64 " received, %" PRIu64
            " deadline renewals: %s\n",
            last.frames, last.stats.heartbeats_sent, last.stats.heartbeats_received,
            last.stats.write_renewals, err->text);
    return rc;
}

/* One connection after the other; a timeout ends it, a client that leaves does not. */
static int serve(const struct zrpc_tcp_address *address, zrpc_time sigma, struct zrpc_error *err)
{
    struct sockaddr_storage peer;
    char text[ZRPC_ADDRESS_MAX];
    int listener, fd, rc;

    if ((rc = zrpc_tcp_bind(address, &listener, err)) < 0)
        return rc;
    if ((rc = zrpc_tcp_local_address("tcp", listener, text, err)) == 0) {
        printf("listening on %s\n", text);
        if (fflush(stdout) != 0)
            rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "cannot write to standard output");
    }
    while (rc == 0) {
        struct pollfd p = {.fd = listener, .events = POLLIN};

        if (poll(&p, 1, -1) < 0 && errno != EINTR)
            rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "poll");
        else if ((rc = zrpc_tcp_accept(listener, &fd, &peer, err)) == 0)
            rc = run_peer(ZRPC_RIG_SERVER, sigma, fd, err);
        if (rc == ZRPC_ERR_AGAIN || zrpc_code_band(rc) == ZRPC_BAND_CLOSED)
            rc = 0;
    }
    close(listener);
    return rc;
}

static int dial(const struct zrpc_tcp_address *address, zrpc_time sigma, struct zrpc_error *err)
{
    int fd, rc = zrpc_tcp_connect(address, zrpc_now() + 10 * ZRPC_SECOND, NULL, &fd, err);

    return rc < 0 ? rc : run_peer(ZRPC_RIG_CLIENT, sigma, fd, err);
}

static int one_side(int argc, char **argv, struct zrpc_error *err)
{
    const char *mode = "", *addr = "", *sigma_text = NULL;
    const struct cli_option options[] = {
        {"mode", CLI_STRING, &mode, "server|client", "which side to be"},
        {"addr", CLI_STRING, &addr, "HOST:PORT", "where to listen or connect"},
        {"sigma", CLI_STRING, &sigma_text, "DURATION",
         "the server takes N(0, sigma) over each frame (500ms)"},
        {NULL, CLI_FLAG, NULL, NULL, NULL},
    };
    struct zrpc_tcp_address address;
    zrpc_time sigma = ZRPC_RIG_SIGMA;
    struct cli_args args;
    int rc = cli_parse(options, argc, argv, &args, err);

    if (rc == 0 && args.n > 0)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "unexpected argument %s", args.items[0]);
    if (rc == 0 && sigma_text != NULL)
        rc = zrpc_duration_parse(sigma_text, &sigma, err);
    if (rc == 0 && strcmp(mode, "server") != 0 && strcmp(mode, "client") != 0)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "-mode \"%s\": expected server or client", mode);
    if (rc == 0)
        rc = zrpc_tcp_address_parse(addr, &address, err);
    if (rc < 0)
        return rc;
    return mode[0] == 's' ? serve(&address, sigma, err) : dial(&address, sigma, err);
}

/*
 * Both sides, with a verdict
 */
struct wishes {
    uint64_t seconds, seed, buffer;
    zrpc_time sigma;
    struct cli_list stalls, stops, outages, blackholes;
    const char *plot;
    bool help;
};

static int add_events(struct zrpc_rig_config *config, enum zrpc_rig_event_kind kind,
                      const struct cli_list *texts, struct zrpc_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < texts->n; i++) {
        if (config->n_events == ZRPC_RIG_SPANS_MAX)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "more than %d events", ZRPC_RIG_SPANS_MAX);
        rc = zrpc_rig_event_parse(kind, texts->items[i], &config->events[config->n_events++], err);
        if (rc == 0 && config->events[config->n_events - 1].span.from >= config->duration)
            rc = zrpc_fail(err, ZRPC_ERR_USAGE, "\"%s\": the rig is over before that", texts->items[i]);
    }
    return rc;
}

/* Not only when the rig has run. */
static int check_plot(const char *path, struct zrpc_error *err)
{
    FILE *out = path == NULL ? NULL : fopen(path, "ae");

    if (path != NULL && out == NULL)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s", path);
    if (out != NULL)
        fclose(out);
    return 0;
}

static int parse_run(int argc, char **argv, struct wishes *w, struct zrpc_rig_config *out,
                     struct zrpc_error *err)
{
    const struct cli_option options[] = {
        {"seconds", CLI_NUMBER, &w->seconds, "N", "how long (60)"},
        {"sigma", CLI_DURATION, &w->sigma, "DURATION",
         "the server takes N(0, sigma) over each frame (500ms)"},
        {"stall", CLI_LIST, &w->stalls, "AT+FOR", "the server handles no frames, but sends heartbeats"},
        {"stop", CLI_LIST, &w->stops, "SIDE@AT[+FOR]", "SIGSTOP for a side, then SIGCONT"},
        {"outage", CLI_LIST, &w->outages, "AT[+FOR]", "the link passes nothing, and loses nothing"},
        {"blackhole", CLI_LIST, &w->blackholes, "AT[+FOR]", "the link loses everything"},
        {"buffer", CLI_NUMBER, &w->buffer, "BYTES", "socket buffers; the kernel's choice if not given"},
        {"seed", CLI_NUMBER, &w->seed, "N", "decides the server's times"},
        {"plot", CLI_STRING, &w->plot, "FILE.svg", "draw what happened"},
        {"help", CLI_FLAG, &w->help, NULL, "this text"},
        {NULL, CLI_FLAG, NULL, NULL, NULL},
    };
    struct cli_args args;
    int rc = cli_parse(options, argc, argv, &args, err);

    if (rc == 0 && w->help) {
        printf("usage: heartbeat-rig run [OPTION]...\n\n");
        cli_print_options(stdout, options);
        return 0;
    }
    if (rc == 0 && args.n > 0)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "unexpected argument %s", args.items[0]);
    if (rc == 0 && (w->seconds == 0 || w->seconds > 1000000))
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "--seconds: expected 1 to 1000000");
    *out = (struct zrpc_rig_config){.duration = (zrpc_time)w->seconds * ZRPC_SECOND,
                                    .sigma = w->sigma,
                                    .seed = w->seed,
                                    .buffer = w->buffer};
    if (rc < 0 || (rc = add_events(out, ZRPC_RIG_STALL, &w->stalls, err)) < 0 ||
        (rc = add_events(out, ZRPC_RIG_STOP, &w->stops, err)) < 0 ||
        (rc = add_events(out, ZRPC_RIG_OUTAGE, &w->outages, err)) < 0)
        return rc;
    return add_events(out, ZRPC_RIG_BLACKHOLE, &w->blackholes, err);
}

/* Inconclusive: there was too little of a connection to see it. */
static const int exit_statuses[] = {
    [ZRPC_RIG_PASS] = EXIT_DONE, [ZRPC_RIG_FAIL] = EXIT_FAILED, [ZRPC_RIG_INCONCLUSIVE] = EXIT_CONNECTION};

static int run(int argc, char **argv, struct zrpc_error *err)
{
    struct wishes w = {.seconds = 60, .sigma = ZRPC_RIG_SIGMA, .seed = 1};
    struct zrpc_rig_config config;
    struct zrpc_rig_report report;
    int rc = parse_run(argc, argv, &w, &config, err);
    enum zrpc_rig_verdict verdict;

    if (rc < 0 || w.help || (rc = check_plot(w.plot, err)) < 0 ||
        (rc = zrpc_rig_run(&config, &report, err)) < 0)
        return rc;
    zrpc_rig_summarise(&report, stdout);
    verdict = zrpc_rig_judge(&report, stdout);
    printf("%s\n", zrpc_rig_verdict_name(verdict));
    if (w.plot != NULL)
        rc = zrpc_rig_plot(&report, zrpc_rig_verdict_name(verdict), w.plot, err);
    zrpc_rig_report_dispose(&report);
    return rc < 0 ? rc : exit_statuses[verdict];
}

int main(int argc, char **argv)
{
    struct zrpc_error err = {0};
    int rc;

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        fprintf(argc < 2 ? stderr : stdout,
                "The variable receive rate rig.\n\n"
                "usage: heartbeat-rig -mode server|client -addr HOST:PORT [-sigma D]\n"
                "       heartbeat-rig run [OPTION]...       (run --help lists them)\n");
        return argc < 2 ? EXIT_USAGE : cli_finish("heartbeat-rig", EXIT_DONE);
    }
    rc = strcmp(argv[1], "run") == 0 ? run(argc - 1, argv + 1, &err) : one_side(argc, argv, &err);
    if (rc < 0)
        cli_complain("heartbeat-rig", zrpc_code_name(rc), err.text);
    return cli_finish("heartbeat-rig", rc < 0 ? cli_exit_status(rc) : rc);
}
