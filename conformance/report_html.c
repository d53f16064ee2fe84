#include "conformance/report.h"

static const char style[] =
#include "html/style.css.inc"
    ;
static const char script[] =
#include "html/filter.js.inc"
    ;

static void add_escaped(struct zrpc_buf *out, const char *before, const char *text, const char *after)
{
    zrpc_text_add(out, "%s", before);
    zrpc_text_add_xml(out, text);
    zrpc_text_add(out, "%s", after);
}

/* "non-strict": the verdict as a CSS class. */
static const char *verdict_class(enum zrpc_verdict v)
{
    static const char *const classes[ZRPC_VERDICT_COUNT] = {
        [ZRPC_VERDICT_PASS] = "pass",
        [ZRPC_VERDICT_FAIL] = "fail",
        [ZRPC_VERDICT_NON_STRICT] = "non-strict",
        [ZRPC_VERDICT_UNSUPPORTED] = "unsupported",
        [ZRPC_VERDICT_INCONCLUSIVE] = "inconclusive",
        [ZRPC_VERDICT_SKIP] = "skip",
        [ZRPC_VERDICT_XFAIL] = "xfail",
        [ZRPC_VERDICT_XPASS] = "xpass",
        [ZRPC_VERDICT_FLAKY] = "flaky",
    };

    return classes[v];
}

static void add_head(struct zrpc_buf *out, const struct zrpc_results *results)
{
    bool good = zrpc_results_good(results);

    zrpc_text_add(out,
                  "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<title>zrpc conformance</title>\n<style>%s</style></head><body>\n<header>\n",
                  style);
    zrpc_text_add(out, "<h1>zrpc conformance <span class=\"badge %s\">%s</span></h1>\n",
                  good ? "pass" : "fail", good ? "conformant" : "not conformant");
    add_escaped(out, "<p>Target <code>", results->target, "</code>");
    zrpc_text_add(out, " · %zu cases in %.1f s", results->n, (double)results->took / ZRPC_SECOND);
    if (results->restarts > 0)
        zrpc_text_add(out, " · restarted %u times", results->restarts);
    zrpc_text_add(out, "</p>\n");
}

/* One proportional strip of all verdicts, and the filters. */
static void add_overview(struct zrpc_buf *out, const struct zrpc_results *results)
{
    const struct zrpc_area *area = NULL;

    zrpc_text_add(out, "<div class=\"strip\">");
    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++)
        if (results->counts[v] > 0)
            zrpc_text_add(out, "<span class=\"%s\" style=\"flex:%u\" title=\"%u %s\"></span>",
                          verdict_class(v), results->counts[v], results->counts[v], zrpc_verdict_name(v));
    zrpc_text_add(out, "</div>\n<form class=\"filters\">");
    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++)
        if (results->counts[v] > 0)
            zrpc_text_add(
                out,
                "<label title=\"%s\"><input type=\"checkbox\" name=\"verdict\" value=\"%s\" checked>"
                "<span class=\"badge %s\">%u %s</span></label>",
                zrpc_verdict_meaning(v), verdict_class(v), verdict_class(v), results->counts[v],
                zrpc_verdict_name(v));
    zrpc_text_add(out, "<select name=\"area\" aria-label=\"area\"><option value=\"\">all areas</option>");
    for (size_t i = 0; i < results->n; i++) {
        if (results->rows[i].area == area)
            continue;
        area = results->rows[i].area;
        zrpc_text_add(out, "<option value=\"%s\">%s</option>", area->name, area->name);
    }
    zrpc_text_add(out,
                  "</select><input type=\"search\" name=\"text\" placeholder=\"id, title or requirement\" "
                  "aria-label=\"search\"></form>\n</header>\n<main>\n");
}

static void add_definition(struct zrpc_buf *out, const char *term, const char *text)
{
    if (text == NULL)
        return;
    zrpc_text_add(out, "<dt>%s</dt>", term);
    add_escaped(out, "<dd>", text, "</dd>\n");
}

/* A sentence of the specification, its `words of the wire` as such. */
static void add_sentence(struct zrpc_buf *out, const char *text)
{
    struct zrpc_buf part = {0};
    bool code = false;
    size_t len;

    while (*text != '\0') {
        len = strcspn(text, "`");
        zrpc_text_add(&part, "%.*s", (int)len, text);
        add_escaped(out, code ? "<code>" : "", zrpc_text_str(&part), code ? "</code>" : "");
        zrpc_buf_clear(&part);
        text += text[len] == '`' ? len + 1 : len;
        code = !code;
    }
    zrpc_buf_dispose(&part);
}

static void add_requirements(struct zrpc_buf *out, const struct zrpc_case *tc)
{
    const struct zrpc_requirement *r;

    for (size_t i = 0; i < ZRPC_CASE_REQUIREMENTS_MAX && tc->requirements[i] != NULL; i++) {
        r = zrpc_requirement_find(tc->requirements[i]);
        zrpc_text_add(out, "<dt>%s</dt>", tc->requirements[i]);
        zrpc_text_add(out, "<dd>");
        add_sentence(out, r == NULL ? "" : r->text);
        zrpc_text_add(out, " <span class=\"who\">(%s, %s)</span></dd>\n", r == NULL ? "" : r->level,
                      r == NULL ? "" : r->who);
    }
}

static void add_case(struct zrpc_buf *out, const struct zrpc_result *result)
{
    const struct zrpc_case *tc = result->tc;
    bool spoils = zrpc_verdict_spoils(result->verdict, tc->level);
    struct zrpc_buf text = {0};

    zrpc_report_add_requirements(&text, tc);
    zrpc_text_add(
        out, "<details class=\"case\" id=\"%s\" data-verdict=\"%s\" data-area=\"%s\" data-more=\"%s\"%s>\n",
        tc->id, verdict_class(result->verdict), result->area->name, zrpc_text_str(&text),
        spoils ? " open" : "");
    zrpc_buf_clear(&text);
    zrpc_report_add_verdict(&text, result);
    zrpc_text_add(out, "<summary><span class=\"badge %s\">%s</span><code>%s</code>",
                  verdict_class(result->verdict), zrpc_text_str(&text), tc->id);
    add_escaped(out, "<span class=\"title\">", tc->title, "</span>");
    zrpc_text_add(out, "<span class=\"level\">%s</span><span class=\"time\">%.3f s</span></summary>\n<dl>\n",
                  zrpc_level_name(tc->level), zrpc_report_seconds(result));
    if (result->run != NULL && result->found != ZRPC_VERDICT_PASS) {
        add_definition(out, "expected", result->run->expected);
        add_definition(out, result->run->expected == NULL ? "because" : "got", result->run->got);
    }
    add_definition(out, "afterwards", result->aftermath);
    add_definition(out, "known", result->expectation);
    add_definition(out, "legal", tc->legal);
    add_requirements(out, tc);
    zrpc_text_add(out, "</dl>\n");
    if (result->run != NULL) {
        zrpc_trace_add_svg(out, &result->run->trace, "suite", "target");
        zrpc_buf_clear(&text);
        zrpc_report_add_trace(&text, result->run, "");
        add_escaped(out, "\n<details><summary>the whole trace</summary><pre>", zrpc_text_str(&text),
                    "</pre></details>\n");
    }
    zrpc_text_add(out, "</details>\n");
    zrpc_buf_dispose(&text);
}

void zrpc_report_html(const struct zrpc_results *results, struct zrpc_buf *out)
{
    const struct zrpc_area *area = NULL;

    add_head(out, results);
    add_overview(out, results);
    for (size_t i = 0; i < results->n; i++) {
        if (results->rows[i].area != area) {
            zrpc_text_add(out, "%s", area == NULL ? "" : "</section>\n");
            area = results->rows[i].area;
            zrpc_text_add(out, "<section><h2>%s", area->name);
            add_escaped(out, " <small>", area->title, "</small></h2>\n");
        }
        add_case(out, &results->rows[i]);
    }
    zrpc_text_add(out,
                  "%s<p id=\"none\" hidden>No case matches the "
                  "filter.</p>\n</main>\n<script>%s</script></body></html>\n",
                  area == NULL ? "" : "</section>\n", script);
}
