/*
 * The runner against real servers: the reference in this process, and mutants that harm their own, which this
 * program becomes when it is called with `--serve NAME`.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conformance/exchange.h"
#include "conformance/mutants/mutant.h"
#include "conformance/report.h"
#include "testing/suite.h"
#include "transport/tcp_socket.h"

static const char fast_timing[] =
    "timing:\n"
    "  {handshake: 3s, label: 3s, heartbeat_interval: 500ms, heartbeat_slack: 2s, read_timeout: 3s,\n"
    "   write_timeout: 3s, shutdown: 3s, slack: 2s, early: 100ms, prompt: 4s}\n";

static struct zrpc_profile profile;
static unsigned runs_so_far; /* of the case that counts */

/*
 * Cases to run
 */
static void passes(struct zrpc_run *run)
{
    zrpc_expect_service(run);
}

static void fails(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_run_step(run, "wait for an answer to nothing");
    zrpc_expect(p, ZRPC_OUT_ANSWER, 50 * ZRPC_MILLISECOND);
    zrpc_run_fail(run, "nothing more", "a decided run does not listen");
}

static void skips(struct zrpc_run *run)
{
    zrpc_run_skip(run, "no %s here", "such thing");
}

static void violates(struct zrpc_run *run)
{
    zrpc_run_violation(run, "ZR-FRAME-004", "no payload", "a payload");
}

static void overruns(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);
    struct zrpc_seen seen;

    zrpc_peer_see_other(p, ZRPC_NEVER, &seen);
    CHECK_INT(seen.kind, ZRPC_SEEN_NOTHING);
    CHECK(!zrpc_peer_send_heartbeat(p));
}

static void every_other_time(struct zrpc_run *run)
{
    if (runs_so_far++ % 2 == 1)
        zrpc_run_fail(run, "an even number", "an odd one");
}

static void kills(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);
    struct zrpc_seen seen;

    zrpc_peer_send_frame(p, 1, zrpc_view("/", 1));
    do /* until it is dead: its heartbeats end */
        zrpc_peer_see(p, zrpc_now() + 3 * profile.timing.heartbeat_interval, &seen);
    while (seen.kind == ZRPC_SEEN_FRAME);
}

static void leaves_open(struct zrpc_run *run)
{
    for (int i = 0; i < 20; i++)
        zrpc_peer_data(run);
}

static void in_parallel(struct zrpc_run *run, unsigned i)
{
    if (i == 3)
        zrpc_run_fail(run, "silence", "number 3 speaks");
    else
        zrpc_run_sleep(run, 100 * ZRPC_SECOND);
}

static void threads(struct zrpc_run *run)
{
    zrpc_run_parallel(run, 8, in_parallel);
}

#define BUDGET 60 /* seconds, of cases that are not to use it up */

#define CASE(name, lvl, fl, fn)                                                                           \
    {                                                                                                     \
        .id = "test." name, .title = "A case that " name, .requirements = {"ZR-FRAME-007"}, .level = lvl, \
        .legal = "what it says", .flags = fl, .budget = fn == overruns ? 2 : BUDGET, .run = fn            \
    }

static const struct zrpc_case cases[] = {
    CASE("passes", ZRPC_MUST, ZRPC_CASE_HOSTILE, passes),
    CASE("fails", ZRPC_MUST, 0, fails),
    CASE("misses", ZRPC_SHOULD, 0, fails),
    CASE("lacks", ZRPC_MAY, 0, fails),
    CASE("skips", ZRPC_MUST, 0, skips),
    CASE("violates", ZRPC_MAY, 0, violates),
    CASE("overruns", ZRPC_MUST, 0, overruns),
    CASE("flickers", ZRPC_MUST, 0, every_other_time),
    CASE("leaves-open", ZRPC_MUST, 0, leaves_open),
    CASE("threads", ZRPC_MUST, 0, threads),
    CASE("slow", ZRPC_MUST, ZRPC_CASE_SLOW, passes),
    CASE("slow-and-fails", ZRPC_MUST, ZRPC_CASE_SLOW, fails),
    CASE("kills", ZRPC_MAY, ZRPC_CASE_HOSTILE, kills),
};
static const struct zrpc_area area = {
    .name = "test", .title = "Tests of the runner", .cases = cases, .n = sizeof cases / sizeof cases[0]};
static const struct zrpc_area *const areas[] = {&area};
static const struct zrpc_case_table table = {.areas = areas, .n = 1};

/*
 * Running them
 */
struct outcome {
    struct zrpc_results results;
    struct zrpc_reference *reference;
    struct zrpc_target target;
    int rc;
    struct zrpc_error err;
};

/* Runs cases with these names, "" ending the list. */
static void run_cases(struct outcome *o, const char *const *names, unsigned repeat,
                      const struct zrpc_expectations *expectations)
{
    struct zrpc_runner runner = {
        .target = &o->target, .profile = &profile, .repeat = repeat, .expectations = expectations};
    struct zrpc_selected selected[sizeof cases / sizeof cases[0]];
    size_t n = 0;

    for (; **names != '\0'; names++)
        for (size_t i = 0; i < area.n; i++)
            if (strcmp(cases[i].id + 5, *names) == 0)
                selected[n++] = (struct zrpc_selected){.area = &area, .tc = &cases[i]};
    o->rc = zrpc_runner_run(&runner, selected, n, &o->results, &o->err);
}

static bool start_reference(struct outcome *o)
{
    *o = (struct outcome){.target.output = -1};
    return CHECK_OK(zrpc_reference_start(&profile.timing, &o->reference, &o->err)) &&
           CHECK_OK(zrpc_target_init_endpoint(&o->target, zrpc_reference_endpoint(o->reference), &o->err));
}

static void finish(struct outcome *o)
{
    zrpc_target_stop(&o->target);
    zrpc_results_dispose(&o->results);
    zrpc_reference_stop(o->reference);
}

static void verdicts_follow_the_level(void)
{
    static const char *const names[] = {"passes", "fails", "misses", "lacks", "skips", "violates", ""};
    static const enum zrpc_verdict wanted[] = {ZRPC_VERDICT_PASS,       ZRPC_VERDICT_FAIL,
                                               ZRPC_VERDICT_NON_STRICT, ZRPC_VERDICT_UNSUPPORTED,
                                               ZRPC_VERDICT_SKIP,       ZRPC_VERDICT_FAIL};
    struct outcome o;

    if (!start_reference(&o))
        return;
    run_cases(&o, names, 1, NULL);
    CHECK_OK(o.rc);
    for (size_t i = 0; i < o.results.n; i++) {
        CHECK_INT(o.results.rows[i].verdict, wanted[i]);
        CHECK(o.results.rows[i].aftermath == NULL);
    }
    CHECK_INT(o.results.counts[ZRPC_VERDICT_FAIL], 2);
    CHECK(!zrpc_results_good(&o.results));
    CHECK_CONTAINS(o.results.rows[1].run->expected, "an answer (HANDLER OK");
    CHECK_CONTAINS(o.results.rows[1].run->got, "silence");
    CHECK_STR(o.results.rows[4].run->got, "no such thing here");
    CHECK_CONTAINS(o.results.rows[5].run->expected, "ZR-FRAME-004");
    finish(&o);
}

static void a_budget_ends_a_case(void)
{
    static const char *const names[] = {"overruns", "passes", ""};
    struct outcome o;

    if (!start_reference(&o))
        return;
    run_cases(&o, names, 1, NULL);
    CHECK_INT(o.results.rows[0].verdict, ZRPC_VERDICT_INCONCLUSIVE);
    CHECK_CONTAINS(o.results.rows[0].run->got, "time budget of 2 s");
    CHECK_INT(o.results.rows[1].verdict, ZRPC_VERDICT_PASS);
    CHECK(!zrpc_results_good(&o.results));
    finish(&o);
}

static void mixed_results_are_flaky(void)
{
    static const char *const names[] = {"flickers", "passes", "fails", ""};
    struct outcome o;

    if (!start_reference(&o))
        return;
    runs_so_far = 0;
    run_cases(&o, names, 5, NULL);
    CHECK_INT(o.results.rows[0].verdict, ZRPC_VERDICT_FLAKY);
    CHECK_INT(o.results.rows[0].passed, 3);
    CHECK_INT(o.results.rows[0].runs, 5);
    CHECK_STR(o.results.rows[0].run->got, "an odd one");
    CHECK_INT(o.results.rows[1].verdict, ZRPC_VERDICT_PASS);
    CHECK_INT(o.results.rows[2].verdict, ZRPC_VERDICT_FAIL);
    finish(&o);
}

static void expectations_are_applied(void)
{
    static const char *const names[] = {"fails", "passes", ""};
    struct zrpc_expectations x = {0};
    struct outcome o;

    if (!start_reference(&o))
        return;
    CHECK_OK(
        zrpc_expectations_parse(&x, "x", "xfail test.fails known\nxfail test.passes gone", &table, &o.err));
    run_cases(&o, names, 1, &x);
    CHECK_INT(o.results.rows[0].verdict, ZRPC_VERDICT_XFAIL);
    CHECK_STR(o.results.rows[0].expectation, "known");
    CHECK_INT(o.results.rows[1].verdict, ZRPC_VERDICT_XPASS);
    finish(&o);
    zrpc_expectations_dispose(&x);
}

static void slow_cases_run_together(void)
{
    static const char *const names[] = {"slow", "slow-and-fails", "passes", ""};
    struct outcome o;

    if (!start_reference(&o))
        return;
    run_cases(&o, names, 2, NULL);
    CHECK_INT(o.results.rows[0].verdict, ZRPC_VERDICT_PASS);
    CHECK_INT(o.results.rows[0].runs, 2);
    CHECK_INT(o.results.rows[1].verdict, ZRPC_VERDICT_FAIL);
    CHECK_INT(o.results.rows[2].verdict, ZRPC_VERDICT_PASS);
    finish(&o);
}

static void nothing_outlives_a_run(void)
{
    static const char *const names[] = {"leaves-open", "threads", ""};
    zrpc_time began = zrpc_now();
    struct outcome o;

    if (!start_reference(&o))
        return;
    run_cases(&o, names, 1, NULL);
    CHECK_INT(o.results.rows[0].verdict, ZRPC_VERDICT_PASS);
    CHECK_INT(o.results.rows[1].verdict, ZRPC_VERDICT_FAIL);
    CHECK_STR(o.results.rows[1].run->got, "number 3 speaks");
    CHECK(zrpc_now() - began < 90 * ZRPC_SECOND); /* not the 100 s that a case sleeps */
    finish(&o);
}

/*
 * Targets that die
 */
static void start_command(struct outcome *o, const char *mutant, char *command, size_t size)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    *o = (struct outcome){.target = {.output = -1}};
    CHECK(n > 0);
    self[n < 0 ? 0 : n] = '\0';
    snprintf(command, size, "'%s' --serve %s", self, mutant);
    zrpc_target_set_command(&o->target, command);
}

static void a_crash_is_blamed_and_survived(void)
{
    static const char *const names[] = {"passes", "kills", "passes", ""};
    char command[600];
    struct outcome o;

    start_command(&o, "dies-of-single-bytes", command, sizeof command);
    run_cases(&o, names, 1, NULL);
    CHECK_OK(o.rc);
    CHECK_INT(o.results.rows[0].verdict, ZRPC_VERDICT_PASS);
    CHECK_INT(o.results.rows[1].verdict, ZRPC_VERDICT_FAIL);
    CHECK_CONTAINS(o.results.rows[1].aftermath, "ended by signal 6");
    CHECK_CONTAINS(o.results.rows[1].aftermath, "it was started again");
    CHECK_INT(o.results.rows[2].verdict, ZRPC_VERDICT_PASS);
    CHECK_INT(o.results.restarts, 1);
    finish(&o);
}

static void a_hang_is_blamed_and_survived(void)
{
    static const char *const names[] = {"kills", "passes", ""};
    char command[600];
    struct outcome o;

    start_command(&o, "hangs-on-single-bytes", command, sizeof command);
    run_cases(&o, names, 1, NULL);
    CHECK_INT(o.results.rows[0].verdict, ZRPC_VERDICT_FAIL);
    CHECK_CONTAINS(o.results.rows[0].aftermath, "a ping on a fresh connection: silence");
    CHECK_INT(o.results.rows[1].verdict, ZRPC_VERDICT_PASS);
    finish(&o);
}

static void memory_by_length_is_seen(void)
{
    struct zrpc_selection sel = {.weakest = ZRPC_MAY};
    const char *glob = "frame.huge-length-memory";
    struct zrpc_selected *selected;
    struct zrpc_runner runner = {.profile = &profile, .repeat = 1};
    char command[600];
    struct outcome o;
    size_t n;

    start_command(&o, "allocates-by-length", command, sizeof command);
    runner.target = &o.target;
    sel.globs = &glob;
    sel.n_globs = 1;
    if (!CHECK_OK(zrpc_case_select(&zrpc_cases, &sel, &selected, &n, &o.err)))
        return;
    CHECK_OK(zrpc_runner_run(&runner, selected, n, &o.results, &o.err));
    CHECK_INT(o.results.rows[0].verdict, ZRPC_VERDICT_FAIL);
    CHECK_CONTAINS(o.results.rows[0].run->got, "KiB mapped");
    free(selected);
    finish(&o);
}

static void a_lost_target_ends_the_run(void)
{
    static const char *const names[] = {"kills", "passes", "slow", ""};
    char command[600];
    struct outcome o, server;

    start_command(&server, "dies-of-single-bytes", command, sizeof command);
    if (!CHECK_OK(zrpc_target_start(&server.target, &server.err)))
        return;
    o = (struct outcome){0};
    CHECK_OK(zrpc_target_init_endpoint(&o.target, server.target.endpoint, &o.err));
    run_cases(&o, names, 1, NULL);
    CHECK_INT(o.results.rows[0].verdict, ZRPC_VERDICT_FAIL);
    CHECK_CONTAINS(o.results.rows[0].aftermath, "it did not come back");
    CHECK_INT(o.results.rows[1].verdict, ZRPC_VERDICT_INCONCLUSIVE);
    CHECK_INT(o.results.rows[2].verdict, ZRPC_VERDICT_INCONCLUSIVE);
    finish(&o);
    finish(&server);
}

/* Its address is known, so it need not say anything. */
static void a_silent_target_is_ready_when_it_can_be_connected_to(void)
{
    static const struct zrpc_tcp_address at = {.host = "127.0.0.1", .port = "0"};
    char endpoint[ZRPC_ADDRESS_MAX];
    struct zrpc_target t;
    struct zrpc_error err;
    int fd;

    if (!CHECK_OK(zrpc_tcp_bind(&at, &fd, &err)))
        return;
    CHECK_OK(zrpc_tcp_local_address("tcp", fd, endpoint, &err));
    CHECK_INT(listen(fd, 10), 0);
    CHECK_OK(zrpc_target_init_endpoint(&t, endpoint, &err));
    zrpc_target_set_command(&t, "sleep 60");
    CHECK_OK(zrpc_target_start(&t, &err));
    CHECK_STR(t.endpoint, endpoint);
    zrpc_target_stop(&t);
    close(fd);
}

static void unreachable_targets_are_told_apart(void)
{
    static const char *const names[] = {"passes", ""};
    struct outcome o = {.target.output = -1};

    CHECK_CODE(zrpc_target_init_endpoint(&o.target, "pigeon:home", &o.err), ZRPC_ERR_USAGE);
    CHECK_OK(zrpc_target_init_endpoint(&o.target, "tcp:127.0.0.1:1", &o.err));
    run_cases(&o, names, 1, NULL);
    CHECK_INT(o.rc, ZRPC_ERR_DIAL);
    finish(&o);
    o = (struct outcome){.target = {.output = -1}};
    zrpc_target_set_command(&o.target, "echo nothing to say; exit 3");
    run_cases(&o, names, 1, NULL);
    CHECK_INT(o.rc, ZRPC_ERR_DIAL);
    CHECK_CONTAINS(o.err.text, "nothing to say");
    finish(&o);
}

static const struct zrpc_test tests[] = {
    {"verdicts follow the level", verdicts_follow_the_level},
    {"a time budget ends a case", a_budget_ends_a_case},
    {"mixed results are flaky", mixed_results_are_flaky},
    {"expectations are applied", expectations_are_applied},
    {"slow cases run together, and again alone where they fail", slow_cases_run_together},
    {"nothing outlives a run", nothing_outlives_a_run},
    {"a crash is blamed on its case and survived", a_crash_is_blamed_and_survived},
    {"a hang is blamed on its case and survived", a_hang_is_blamed_and_survived},
    {"memory allocated by a declared length is seen", memory_by_length_is_seen},
    {"a silent target is ready when it can be connected to",
     a_silent_target_is_ready_when_it_can_be_connected_to},
    {"a lost target makes the rest inconclusive", a_lost_target_ends_the_run},
    {"unreachable targets are told apart", unreachable_targets_are_told_apart},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    struct zrpc_error err;
    int status;

    if (zrpc_profile_init(&profile, &err) < 0 || zrpc_profile_add(&profile, "fast", fast_timing, &err) < 0)
        return 2;
    if (argc == 3 && strcmp(argv[1], "--serve") == 0)
        status = zrpc_mutant_serve(argv[2], &profile.timing);
    else
        status = zrpc_suite_main("runner", tests, argc, argv);
    zrpc_profile_dispose(&profile);
    return status;
}
