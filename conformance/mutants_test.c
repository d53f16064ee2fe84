/*
 * The suite proves its worth: each mutant is caught by the case that it names, while the reference server,
 * behind the same relay, passes those cases.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conformance/mutants/mutant.h"
#include "conformance/report.h"
#include "testing/suite.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define AT_ONCE      24 /* mutants tested at the same time: they mostly wait */
#define AT_ONCE_SLOW 4  /* under valgrind or a sanitizer, which make everything slow */
#define SLOWER       4  /* and times longer */

/* A tenth of the specification's times. */
static const char fast_timing[] =
    "timing:\n"
    "  {handshake: 1s, label: 1s, heartbeat_interval: 500ms, heartbeat_slack: 400ms, read_timeout: 1s,\n"
    "   write_timeout: 1s, shutdown: 1s, slack: 900ms, early: 100ms, prompt: 2s,\n"
    "   keepalive: 200ms, idle: 2s}\n";

struct hunt {
    const struct zrpc_profile *profile;
    const char *reference;
    atomic_size_t next;
    pthread_mutex_t lock;
    unsigned caught, missed;
    bool mutate; /* else the same cases without the mutation */
    bool slow_tool;
};

/* The test runner grants such tools more time. */
static bool has_slow_tool(void)
{
    return getenv("TEST_SECONDS") != NULL;
}

static void stretch(struct zrpc_timing *t)
{
#define STRETCH(name, value, meaning) t->name *= SLOWER;
    ZRPC_TIMING_MAP(STRETCH)
#undef STRETCH
}

static const struct zrpc_case *case_of(const char *id, const struct zrpc_area **area)
{
    for (size_t a = 0; a < zrpc_cases.n; a++)
        for (size_t c = 0; c < zrpc_cases.areas[a]->n; c++)
            if (strcmp(zrpc_cases.areas[a]->cases[c].id, id) == 0) {
                *area = zrpc_cases.areas[a];
                return &zrpc_cases.areas[a]->cases[c];
            }
    return NULL;
}

/* Runs the mutant's case against it; the verdict, with the console's story in *story. */
static enum zrpc_verdict try_case(const struct hunt *h, const struct zrpc_mutant *m, struct zrpc_buf *story)
{
    enum zrpc_verdict verdict = ZRPC_VERDICT_INCONCLUSIVE;
    struct zrpc_mutant_server *server = NULL;
    struct zrpc_results results = {0};
    struct zrpc_selected selected;
    struct zrpc_target target;
    struct zrpc_runner runner = {.target = &target, .profile = h->profile, .repeat = 1, .unprobed = true};
    struct zrpc_error err;

    selected.tc = case_of(m->caught_by, &selected.area);
    if (zrpc_mutant_start(h->mutate ? m : NULL, &h->profile->timing, h->reference, &server, &err) < 0) {
        zrpc_text_add(story, "%s", err.text);
        return verdict;
    }
    if (zrpc_target_init_endpoint(&target, zrpc_mutant_endpoint(server), &err) < 0 ||
        zrpc_runner_run(&runner, &selected, 1, &results, &err) < 0) {
        zrpc_text_add(story, "%s", err.text);
    } else {
        verdict = results.rows[0].verdict;
        zrpc_report_add_story(story, &results.rows[0], "        ");
        zrpc_report_add_last_events(story, results.rows[0].run, 12, "        ");
    }
    zrpc_results_dispose(&results);
    zrpc_mutant_stop(server);
    return verdict;
}

static void hunt_one(struct hunt *h, const struct zrpc_mutant *m)
{
    enum zrpc_verdict wanted = h->mutate ? zrpc_mutant_verdict(m) : ZRPC_VERDICT_PASS, verdict;
    struct zrpc_buf story = {0};

    verdict = try_case(h, m, &story);
    pthread_mutex_lock(&h->lock);
    if (verdict == wanted) {
        h->caught++;
    } else {
        h->missed++;
        printf("    %s (%s): %s says %s, expected %s\n%s", h->mutate ? m->name : "the reference", m->what,
               m->caught_by, zrpc_verdict_name(verdict), zrpc_verdict_name(wanted), zrpc_text_str(&story));
    }
    pthread_mutex_unlock(&h->lock);
    zrpc_buf_dispose(&story);
}

static void *hunter(void *arg)
{
    struct hunt *h = arg;
    const struct zrpc_mutant *m;

    while ((m = zrpc_mutant_get(h->next++)) != NULL)
        if (!m->needs_process && !(m->many_clients && h->slow_tool))
            hunt_one(h, m);
    return NULL;
}

static void hunt(bool mutate, unsigned *caught, unsigned *missed)
{
    struct hunt h = {.mutate = mutate, .lock = PTHREAD_MUTEX_INITIALIZER, .slow_tool = has_slow_tool()};
    const unsigned at_once = h.slow_tool ? AT_ONCE_SLOW : AT_ONCE;
    struct zrpc_reference *reference = NULL;
    struct zrpc_profile profile;
    pthread_t threads[AT_ONCE];
    struct zrpc_error err;

    if (!CHECK_OK(zrpc_profile_init(&profile, &err)) ||
        !CHECK_OK(zrpc_profile_add(&profile, "fast", fast_timing, &err)))
        return;
    if (h.slow_tool)
        stretch(&profile.timing);
    if (!CHECK_OK(zrpc_reference_start(&profile.timing, &reference, &err)))
        return;
    h.profile = &profile;
    h.reference = zrpc_reference_endpoint(reference);
    for (unsigned i = 0; i < at_once; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, hunter, &h), 0);
    for (unsigned i = 0; i < at_once; i++)
        pthread_join(threads[i], NULL);
    zrpc_reference_stop(reference);
    zrpc_profile_dispose(&profile);
    *caught = h.caught;
    *missed = h.missed;
}

static void every_mutant_is_caught(void)
{
    unsigned caught = 0, missed = 0;

    hunt(true, &caught, &missed);
    CHECK_INT(missed, 0);
    CHECK(caught >= 120);
}

static void the_reference_passes(void)
{
    unsigned caught = 0, missed = 0;

    hunt(false, &caught, &missed);
    CHECK_INT(missed, 0);
}

static void every_mutant_names_a_case(void)
{
    const struct zrpc_area *area;
    const struct zrpc_mutant *m;

    for (size_t i = 0; (m = zrpc_mutant_get(i)) != NULL; i++) {
        CHECK(m->what != NULL);
        if (!CHECK(case_of(m->caught_by, &area) != NULL))
            printf("    %s: no case %s\n", m->name, m->caught_by);
        CHECK(zrpc_mutant_find(m->name) == m);
    }
}

static const struct zrpc_test tests[] = {
    {"every mutant names a case, and has a name of its own", every_mutant_names_a_case},
    {"every mutant is caught", every_mutant_is_caught},
    {"the reference passes behind the same relay", the_reference_passes},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    /* As the test runner does: a sanitizer is slow, too, when the program is started by hand. */
    if (SANITIZED)
        setenv("TEST_SECONDS", "180", 0);
    return zrpc_suite_main("mutants", tests, argc, argv);
}
