#include "sim/rig/rig.h"

#include <stdlib.h>

#include "testing/accelerated.h"

#define S       ZRPC_SECOND
#define AMPLE   (200 * S) /* where the sides end by themselves, and the rig with them */
#define AT_ONCE 0         /* sigma: what has arrived is handled, however seldom the server is run */

/* Runs until the machine lets it be seen. The report is the caller's. */
static void run(struct zrpc_rig_config *config, struct zrpc_rig_report *r)
{
    enum zrpc_rig_verdict verdict = ZRPC_RIG_INCONCLUSIVE;
    struct zrpc_error err;

    for (int i = 0; verdict == ZRPC_RIG_INCONCLUSIVE && i < 5; i++) {
        if (i > 0)
            zrpc_rig_report_dispose(r);
        if (!CHECK_OK(zrpc_rig_run(config, r, &err))) {
            printf("%s\n", err.text);
            return;
        }
        verdict = zrpc_rig_judge(r, stdout);
    }
    CHECK_INT(verdict, ZRPC_RIG_PASS);
    CHECK(r->n_samples[0] > 2 && r->n_samples[1] > 2);
}

static void event(struct zrpc_rig_config *config, enum zrpc_rig_event_kind kind, const char *text)
{
    CHECK_OK(zrpc_rig_event_parse(kind, text, &config->events[config->n_events++], NULL));
}

static const struct zrpc_rig_sample *last(const struct zrpc_rig_report *r, int side)
{
    static const struct zrpc_rig_sample none;

    return r->n_samples[side] == 0 ? &none : &r->samples[side][r->n_samples[side] - 1];
}

static void heartbeats_keep_a_slow_receiver_alive(void)
{
    struct zrpc_rig_config config = {.duration = 70 * S, .sigma = ZRPC_RIG_SIGMA, .seed = 3};
    struct zrpc_rig_report r = {0};

    event(&config, ZRPC_RIG_STALL, "20s+30s");
    run(&config, &r);
    CHECK(!r.outcomes[0].ended && !r.outcomes[1].ended);
    /* the case was the one that mattered: without renewal the client would have timed out */
    CHECK(last(&r, ZRPC_RIG_CLIENT)->longest_stall > 11 * S);
    CHECK(last(&r, ZRPC_RIG_CLIENT)->stats.write_renewals >= 8);
    CHECK(last(&r, ZRPC_RIG_SERVER)->frames > 50);
    zrpc_rig_report_dispose(&r);
}

static void a_stopped_server_is_missed(void)
{
    struct zrpc_rig_config config = {.duration = AMPLE, .sigma = ZRPC_RIG_SIGMA, .seed = 3};
    struct zrpc_rig_report r = {0};

    event(&config, ZRPC_RIG_STOP, "server@15s");
    run(&config, &r);
    CHECK(r.outcomes[ZRPC_RIG_CLIENT].ended);
    CHECK(zrpc_code_band(r.outcomes[ZRPC_RIG_CLIENT].code) == ZRPC_BAND_TIMEOUT);
    zrpc_rig_report_dispose(&r);
}

static void a_stopped_client_is_missed(void)
{
    struct zrpc_rig_config config = {.duration = AMPLE, .sigma = AT_ONCE, .buffer = 16384};
    struct zrpc_rig_report r = {0};

    event(&config, ZRPC_RIG_STOP, "client@15s");
    run(&config, &r);
    CHECK_INT(r.outcomes[ZRPC_RIG_SERVER].code, ZRPC_ERR_READ_TIMEOUT);
    zrpc_rig_report_dispose(&r);
}

static void a_black_hole_is_missed_by_both(void)
{
    struct zrpc_rig_config config = {.duration = AMPLE, .sigma = AT_ONCE, .buffer = 16384};
    struct zrpc_rig_report r = {0};

    event(&config, ZRPC_RIG_BLACKHOLE, "15s");
    run(&config, &r);
    CHECK_INT(r.outcomes[ZRPC_RIG_SERVER].code, ZRPC_ERR_READ_TIMEOUT);
    CHECK(zrpc_code_band(r.outcomes[ZRPC_RIG_CLIENT].code) == ZRPC_BAND_TIMEOUT);
    zrpc_rig_report_dispose(&r);
}

static void short_silences_pass(void)
{
    struct zrpc_rig_config config = {.duration = 40 * S, .sigma = ZRPC_RIG_SIGMA, .seed = 4};
    struct zrpc_rig_report r = {0};

    event(&config, ZRPC_RIG_OUTAGE, "8s+2s");
    event(&config, ZRPC_RIG_STOP, "server@20s+1s");
    run(&config, &r);
    /* 3 s are left, 150 ms of real time: a busy machine may use them up, but not again and again. */
    for (int i = 0; i < 5 && (r.outcomes[0].ended || r.outcomes[1].ended); i++) {
        zrpc_rig_report_dispose(&r);
        run(&config, &r);
    }
    CHECK(!r.outcomes[0].ended && !r.outcomes[1].ended);
    zrpc_rig_report_dispose(&r);
}

static const struct zrpc_test tests[] = {
    {"heartbeats keep a slow receiver alive", heartbeats_keep_a_slow_receiver_alive},
    {"a stopped server is missed", a_stopped_server_is_missed},
    {"a stopped client is missed", a_stopped_client_is_missed},
    {"a black hole is missed by both", a_black_hole_is_missed_by_both},
    {"short silences pass", short_silences_pass},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    /* The limit is in speeded-up seconds. */
    setenv("TEST_SECONDS", "600", 0);
    return zrpc_suite_main_accelerated("rig", tests, argc, argv);
}
