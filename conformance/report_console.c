#include "conformance/report.h"

#define EVENTS_SHOWN 24 /* of the wire, for a case that failed */

static const char *const colours[ZRPC_VERDICT_COUNT] = {
    [ZRPC_VERDICT_PASS] = "32",        [ZRPC_VERDICT_FAIL] = "1;31",       [ZRPC_VERDICT_NON_STRICT] = "33",
    [ZRPC_VERDICT_UNSUPPORTED] = "36", [ZRPC_VERDICT_INCONCLUSIVE] = "35", [ZRPC_VERDICT_SKIP] = "2",
    [ZRPC_VERDICT_XFAIL] = "33",       [ZRPC_VERDICT_XPASS] = "1;31",      [ZRPC_VERDICT_FLAKY] = "1;35",
};

static void add_coloured(const struct zrpc_console *c, struct zrpc_buf *out, enum zrpc_verdict v,
                         const char *text, int width)
{
    if (c->colours)
        zrpc_text_add(out, "\033[%sm%-*s\033[0m", colours[v], width, text);
    else
        zrpc_text_add(out, "%-*s", width, text);
}

void zrpc_console_result(const struct zrpc_console *c, const struct zrpc_result *result)
{
    bool spoils = zrpc_verdict_spoils(result->verdict, result->tc->level);
    struct zrpc_buf line = {0}, verdict = {0}, story = {0};

    zrpc_report_add_verdict(&verdict, result);
    add_coloured(c, &line, result->verdict, zrpc_text_str(&verdict), 13);
    zrpc_text_add(&line, " %-44s %-6s %8.3f s\n", result->tc->id, zrpc_level_name(result->tc->level),
                  zrpc_report_seconds(result));
    zrpc_report_add_story(&story, result, "    ");
    if (spoils || c->verbose) {
        zrpc_text_add(&line, "    %s  [", result->tc->title);
        zrpc_report_add_requirements(&line, result->tc);
        zrpc_text_add(&line, "]\n");
    }
    zrpc_text_add(&line, "%s", zrpc_text_str(&story));
    if (result->run != NULL && (spoils || c->verbose)) {
        zrpc_text_add(&line, "    on the wire:\n");
        if (c->verbose)
            zrpc_report_add_trace(&line, result->run, "    ");
        else
            zrpc_report_add_last_events(&line, result->run, EVENTS_SHOWN, "    ");
    }
    fputs(zrpc_text_str(&line), c->out);
    fflush(c->out);
    zrpc_buf_dispose(&line);
    zrpc_buf_dispose(&verdict);
    zrpc_buf_dispose(&story);
}

void zrpc_console_summary(const struct zrpc_console *c, const struct zrpc_results *results)
{
    struct zrpc_buf line = {0};
    char count[64];

    zrpc_text_add(&line, "\n%zu cases in %.1f s:", results->n, (double)results->took / ZRPC_SECOND);
    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++) {
        if (results->counts[v] == 0)
            continue;
        snprintf(count, sizeof count, "%u %s", results->counts[v], zrpc_verdict_name(v));
        zrpc_text_add(&line, "  ");
        add_coloured(c, &line, v, count, 0);
    }
    if (results->restarts > 0)
        zrpc_text_add(&line, "  (the target was restarted %u times)", results->restarts);
    zrpc_text_add(&line, "\n%s\n", zrpc_results_good(results) ? "conformant" : "not conformant");
    fputs(zrpc_text_str(&line), c->out);
    fflush(c->out);
    zrpc_buf_dispose(&line);
}
