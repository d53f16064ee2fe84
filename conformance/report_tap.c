#include "conformance/report.h"

/* A YAML literal block, which takes any text line by line. */
static void add_block(struct zrpc_buf *out, const char *text)
{
    bool line_start = true;

    for (; *text != '\0'; text++) {
        zrpc_text_add(out, "%s%c", line_start ? "    " : "", *text);
        line_start = *text == '\n';
    }
}

static void add_result(struct zrpc_buf *out, const struct zrpc_result *result, size_t number)
{
    bool ok = result->verdict == ZRPC_VERDICT_PASS || result->verdict == ZRPC_VERDICT_SKIP;
    struct zrpc_buf story = {0};

    zrpc_text_add(out, "%s %zu - %s", ok ? "ok" : "not ok", number, result->tc->id);
    if (result->verdict != ZRPC_VERDICT_PASS && !zrpc_verdict_spoils(result->verdict, result->tc->level)) {
        /* TAP's words for what fails no run */
        zrpc_text_add(out, " # %s ", ok ? "SKIP" : "TODO");
        zrpc_report_add_verdict(out, result);
    }
    zrpc_text_add(out, "\n");
    zrpc_report_add_story(&story, result, "");
    if (story.len > 0) {
        zrpc_text_add(out, "  ---\n  verdict: ");
        zrpc_report_add_verdict(out, result);
        zrpc_text_add(out, "\n  level: %s\n  requirements: ", zrpc_level_name(result->tc->level));
        zrpc_report_add_requirements(out, result->tc);
        zrpc_text_add(out, "\n  seconds: %.3f\n  story: |\n", zrpc_report_seconds(result));
        add_block(out, zrpc_text_str(&story));
        zrpc_text_add(out, "  ...\n");
    }
    zrpc_buf_dispose(&story);
}

void zrpc_report_tap(const struct zrpc_results *results, struct zrpc_buf *out)
{
    zrpc_text_add(out, "TAP version 14\n1..%zu\n", results->n);
    for (size_t i = 0; i < results->n; i++)
        add_result(out, &results->rows[i], i + 1);
}
