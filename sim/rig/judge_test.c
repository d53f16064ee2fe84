#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim/rig/rig.h"
#include "testing/suite.h"

#define S ZRPC_SECOND

/* A report of 100 s in which both sides receive something every second, until a side's `last`. */
static void make(struct zrpc_rig_report *r, struct zrpc_rig_sample samples[2][100], int last_server,
                 int last_client)
{
    *r = (struct zrpc_rig_report){.duration = 100 * S, .config = {.duration = 100 * S}};
    for (int side = 0; side < 2; side++) {
        int last = side == ZRPC_RIG_SERVER ? last_server : last_client;

        for (int i = 0; i < 100; i++) {
            samples[side][i] =
                (struct zrpc_rig_sample){.at = i * S, .last_received = (i < last ? i : last) * S};
            samples[side][i].stats.bytes_sent = (uint64_t)i * 1000;
            samples[side][i].stats.heartbeats_sent = (uint64_t)i / 5;
        }
        r->samples[side] = samples[side];
        r->n_samples[side] = 100;
    }
}

static void ends(struct zrpc_rig_report *r, int side, int at, int code)
{
    r->outcomes[side] =
        (struct zrpc_rig_outcome){.ended = true, .code = code, .at = at * S, .text = "because"};
    r->n_samples[side] = (size_t)at;
}

static void event(struct zrpc_rig_report *r, enum zrpc_rig_event_kind kind, const char *text)
{
    CHECK_OK(zrpc_rig_event_parse(kind, text, &r->config.events[r->config.n_events++], NULL));
}

static void check(const struct zrpc_rig_report *r, enum zrpc_rig_verdict expected, const char *says)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    CHECK_STR(zrpc_rig_verdict_name(zrpc_rig_judge(r, f)), zrpc_rig_verdict_name(expected));
    fclose(f);
    CHECK_CONTAINS(text, says);
    free(text);
}

static void a_timeout_needs_a_death(void)
{
    static struct zrpc_rig_sample samples[2][100];
    struct zrpc_rig_report r;

    make(&r, samples, 100, 100);
    check(&r, ZRPC_RIG_PASS, "");
    ends(&r, ZRPC_RIG_CLIENT, 50, ZRPC_ERR_WRITE_TIMEOUT);
    ends(&r, ZRPC_RIG_SERVER, 51, ZRPC_ERR_RESET);
    check(&r, ZRPC_RIG_FAIL, "the client timed out at 50s, although the other side lived: because\n");
    event(&r, ZRPC_RIG_STALL, "20s+60s");
    check(&r, ZRPC_RIG_FAIL, "although the other side lived");
    event(&r, ZRPC_RIG_STOP, "client@40s+1s");
    check(&r, ZRPC_RIG_PASS, ""); /* it was stopped itself */
    r.config.n_events = 0;
    event(&r, ZRPC_RIG_STOP, "server@10s+2s");
    check(&r, ZRPC_RIG_FAIL, "although the other side lived");
    r.config.n_events = 0;
    event(&r, ZRPC_RIG_STOP, "server@42s");
    check(&r, ZRPC_RIG_PASS, "");
    /* sooner than the timeout less the interval nobody can know */
    r.config.n_events = 0;
    event(&r, ZRPC_RIG_STOP, "server@49s");
    check(&r, ZRPC_RIG_FAIL, "although the other side lived");
}

static void a_side_that_ends_for_no_reason_fails(void)
{
    static struct zrpc_rig_sample samples[2][100];
    struct zrpc_rig_report r;

    make(&r, samples, 100, 100);
    ends(&r, ZRPC_RIG_SERVER, 30, ZRPC_ERR_END);
    check(&r, ZRPC_RIG_FAIL, "the server ended at 30s");
    r.n_samples[ZRPC_RIG_CLIENT] = 1;
    check(&r, ZRPC_RIG_FAIL, "the client never got going");
}

static void a_death_must_be_noticed(void)
{
    static struct zrpc_rig_sample samples[2][100];
    struct zrpc_rig_report r;

    make(&r, samples, 100, 41);
    event(&r, ZRPC_RIG_STOP, "server@40s");
    check(&r, ZRPC_RIG_FAIL, "the client did not time out, although the other side was dead from 40s on\n");
    ends(&r, ZRPC_RIG_CLIENT, 70, ZRPC_ERR_READ_TIMEOUT);
    check(&r, ZRPC_RIG_FAIL, "the client did not time out"); /* in time */
    ends(&r, ZRPC_RIG_CLIENT, 51, ZRPC_ERR_READ_TIMEOUT);
    check(&r, ZRPC_RIG_PASS, "");
    /* what was on its way counts as life */
    make(&r, samples, 80, 100);
    event(&r, ZRPC_RIG_STOP, "client@40s");
    ends(&r, ZRPC_RIG_SERVER, 90, ZRPC_ERR_READ_TIMEOUT);
    check(&r, ZRPC_RIG_PASS, "");
    make(&r, samples, 100, 100);
    event(&r, ZRPC_RIG_STOP, "client@40s");
    check(&r, ZRPC_RIG_INCONCLUSIVE, "the rig was over before the server could miss the other side");
    /* a short death may pass unseen */
    make(&r, samples, 100, 100);
    event(&r, ZRPC_RIG_OUTAGE, "40s+3s");
    check(&r, ZRPC_RIG_PASS, "");
}

static void a_slow_machine_is_not_blamed_on_the_sides(void)
{
    static struct zrpc_rig_sample samples[2][100];
    struct zrpc_rig_report r;

    make(&r, samples, 100, 100);
    ends(&r, ZRPC_RIG_CLIENT, 50, ZRPC_ERR_READ_TIMEOUT);
    ends(&r, ZRPC_RIG_SERVER, 50, ZRPC_ERR_RESET);
    samples[ZRPC_RIG_SERVER][49].longest_delay = 12 * S;
    check(&r, ZRPC_RIG_INCONCLUSIVE, "but the machine held up the server for 12s\n");
}

static void events_are_parsed(void)
{
    static const struct {
        enum zrpc_rig_event_kind kind;
        const char *text;
    } wrong[] = {{ZRPC_RIG_STALL, ""},      {ZRPC_RIG_STALL, "x"},         {ZRPC_RIG_STALL, "1s+"},
                 {ZRPC_RIG_STALL, "1s+0s"}, {ZRPC_RIG_STALL, "-1s+1s"},    {ZRPC_RIG_STALL, "server@1s"},
                 {ZRPC_RIG_STOP, "1s+1s"},  {ZRPC_RIG_STOP, "both@1s+1s"}, {ZRPC_RIG_STOP, "server@"}};
    struct zrpc_rig_event e;

    CHECK_OK(zrpc_rig_event_parse(ZRPC_RIG_STOP, "client@1m+5s", &e, NULL));
    CHECK(e.side == ZRPC_RIG_CLIENT && e.span.from == 60 * S && e.span.until == 65 * S);
    CHECK_OK(zrpc_rig_event_parse(ZRPC_RIG_BLACKHOLE, "3s", &e, NULL));
    CHECK(e.span.from == 3 * S && e.span.until == ZRPC_NEVER);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_CODE(zrpc_rig_event_parse(wrong[i].kind, wrong[i].text, &e, NULL), ZRPC_ERR_USAGE);
}

static void the_picture_shows_what_happened(void)
{
    static struct zrpc_rig_sample samples[2][100];
    static char picture[400000];
    char path[] = "/tmp/rig-test-XXXXXX.svg";
    int fd = mkstemps(path, 4);
    struct zrpc_rig_report r;
    size_t n;
    FILE *f;

    make(&r, samples, 100, 100);
    event(&r, ZRPC_RIG_STOP, "server@40s");
    ends(&r, ZRPC_RIG_CLIENT, 51, ZRPC_ERR_READ_TIMEOUT);
    CHECK_OK(zrpc_rig_plot(&r, "PASS", path, NULL));
    f = fdopen(fd, "r");
    n = fread(picture, 1, sizeof picture - 1, f);
    fclose(f);
    unlink(path);
    CHECK(n > 5000);
    CHECK_CONTAINS(picture, "<svg xmlns=");
    CHECK_CONTAINS(picture, "server stopped</text>");
    CHECK_CONTAINS(picture, "client: READ_TIMEOUT</text>");
    CHECK_CONTAINS(picture, "</svg>\n");
    CHECK(strstr(picture, "nan") == NULL && strstr(picture, "inf") == NULL);
    CHECK_CODE(zrpc_rig_plot(&r, "PASS", "/nonexistent/x.svg", NULL), ZRPC_ERR_SYSTEM);
}

static const struct zrpc_test tests[] = {
    {"a timeout needs a death", a_timeout_needs_a_death},
    {"a side that ends for no reason fails", a_side_that_ends_for_no_reason_fails},
    {"a death must be noticed", a_death_must_be_noticed},
    {"a slow machine is not blamed on the sides", a_slow_machine_is_not_blamed_on_the_sides},
    {"events are parsed", events_are_parsed},
    {"the picture shows what happened", the_picture_shows_what_happened},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("rig-judge", tests, argc, argv);
}
