#include <string.h>
#include <sys/utsname.h>

#include "wireevaluator/certificate.h"

static const char style[] =
#include "html/style.css.inc"
    ;
static const char more_style[] =
    "dl.facts { grid-template-columns: 124px 1fr; margin: 14px 0; }\n"
    ".facts dd code { white-space: pre-wrap; overflow-wrap: anywhere; }\n"
    "header { position: static; }\n"
    ".case > summary .title { font-size: 14px; }\n"
    ".clause { color: var(--soft); font-size: 12px; }\n"
    ".case > summary { grid-template-columns: 112px minmax(190px, 240px) 1fr 92px 62px; }\n"
    "table { border-collapse: collapse; width: 100%; font-size: 13px; margin: 8px 0; }\n"
    "td, th { text-align: left; padding: 3px 8px; border-bottom: 1px solid var(--line); vertical-align: top; "
    "}\n"
    "th { color: var(--soft); font-weight: normal; } td:first-child, td:last-child { white-space: nowrap; }\n"
    "@media print { .case > svg, .case > details { display: none; } }\n";

static void add_escaped(struct zrpc_buf *out, const char *before, const char *text, const char *after)
{
    zrpc_text_add(out, "%s", before);
    zrpc_text_add_xml(out, text);
    zrpc_text_add(out, "%s", after);
}

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

static void add_fact(struct zrpc_buf *out, const char *term, const char *text)
{
    zrpc_text_add(out, "<dt>%s</dt>", term);
    add_escaped(out, "<dd><code>", text, "</code></dd>\n");
}

static void add_facts(struct zrpc_buf *out, const struct zrpc_eval_results *results,
                      const struct zrpc_evaluated *transport)
{
    char date[EVAL_DATE_MAX], libraries[EVAL_LIBRARIES_MAX], text[400];
    struct utsname host;

    uname(&host);
    zrpc_text_add(out, "<dl class=\"facts\">\n");
    add_fact(out, "transport", transport->ops->name);
    add_fact(out, "configuration", zrpc_eval_configuration(transport));
    add_fact(out, "evaluator", "wireevaluator " ZRPC_VERSION);
    add_fact(out, "libraries", zrpc_eval_libraries(libraries));
    snprintf(text, sizeof text, "%s %s, %s", host.sysname, host.release, host.machine);
    add_fact(out, "kernel", text);
    add_fact(out, "date", zrpc_eval_date(results->date, date));
    snprintf(text, sizeof text, "%llu", (unsigned long long)(results->seed & INT64_MAX));
    add_fact(out, "seed", text);
    if (results->repeat == 1)
        snprintf(text, sizeof text, "%zu, in %.1f s", results->n, (double)results->took / ZRPC_SECOND);
    else
        snprintf(text, sizeof text, "%zu, each run %u times; one pass over all took %.1f to %.1f s",
                 results->n, results->repeat, (double)results->fastest / ZRPC_SECOND,
                 (double)results->slowest / ZRPC_SECOND);
    add_fact(out, "cases", text);
    zrpc_text_add(out, "</dl>\n");
}

static const char *statement(const struct zrpc_eval_results *results)
{
    if (!zrpc_eval_results_good(results))
        return "not certified";
    return results->complete ? "certified" : "a selection of cases passed";
}

static void add_head(struct zrpc_buf *out, const struct zrpc_eval_results *results,
                     const struct zrpc_evaluated *transport)
{
    bool good = zrpc_eval_results_good(results);

    zrpc_text_add(out,
                  "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    add_escaped(out, "Wire certificate: ", transport->ops->name, "</title>\n");
    zrpc_text_add(out, "<style>%s%s</style></head><body>\n<header>\n", style, more_style);
    add_escaped(out, "<h1>Wire certificate: ", transport->ops->name, "");
    zrpc_text_add(out, " <span class=\"badge %s\">%s</span></h1>\n",
                  !good               ? "fail"
                  : results->complete ? "pass"
                                      : "inconclusive",
                  statement(results));
    add_facts(out, results, transport);
    zrpc_text_add(out, "<div class=\"strip\">");
    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++)
        if (results->counts[v] > 0)
            zrpc_text_add(out, "<span class=\"%s\" style=\"flex:%u\"></span>", verdict_class(v),
                          results->counts[v]);
    zrpc_text_add(out, "</div>\n<p>");
    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++)
        if (results->counts[v] > 0)
            zrpc_text_add(out, "<span class=\"badge %s\" title=\"%s\">%u %s</span> ", verdict_class(v),
                          zrpc_verdict_meaning(v), results->counts[v], zrpc_verdict_name(v));
    zrpc_text_add(out, "</p>\n</header>\n<main>\n");
}

static bool cites(const struct zrpc_eval_case *tc, const char *clause)
{
    for (size_t i = 0; i < ZRPC_EVAL_CLAUSES_MAX && tc->clauses[i] != NULL; i++)
        if (strcmp(tc->clauses[i], clause) == 0)
            return true;
    return false;
}

/* The contract, clause by clause: what became of the cases that rest on it. */
static void add_contract(struct zrpc_buf *out, const struct zrpc_eval_results *results)
{
    zrpc_text_add(out,
                  "<section><h2>The contract</h2>\n<table><tr><th>clause</th><th></th><th>cases</th></tr>\n");
    for (size_t i = 0; i < zrpc_requirements_count; i++) {
        const struct zrpc_requirement *r = &zrpc_requirements[i];
        unsigned cases = 0, broken = 0;

        if (strncmp(r->id, "ZR-WIRE-", 8) != 0)
            continue;
        for (size_t k = 0; k < results->n; k++) {
            cases += cites(results->rows[k].tc, r->id) ? 1 : 0;
            broken += strcmp(results->rows[k].clause, r->id) == 0 ? 1 : 0;
        }
        zrpc_text_add(out, "<tr id=\"%s\"><td><code>%s</code></td>", r->id, r->id);
        add_escaped(out, "<td>", r->text, "");
        zrpc_text_add(out, " <span class=\"clause\">(%s)</span></td><td><span class=\"badge %s\">", r->level,
                      cases == 0                        ? "skip"
                      : broken == 0                     ? "pass"
                      : strcmp(r->level, "MAY") == 0    ? "unsupported"
                      : strcmp(r->level, "SHOULD") == 0 ? "non-strict"
                                                        : "fail");
        if (broken > 0)
            zrpc_text_add(out, "not met in %u of %u", broken, cases);
        else
            zrpc_text_add(out, "%u case%s", cases, cases == 1 ? "" : "s");
        zrpc_text_add(out, "</span></td></tr>\n");
    }
    zrpc_text_add(out, "</table></section>\n");
}

static void add_story(struct zrpc_buf *out, const struct zrpc_eval_result *row)
{
    const struct zrpc_requirement *r;

    zrpc_text_add(out, "<dl>\n");
    if (row->clause[0] != '\0')
        add_escaped(out, "<dt>not met</dt><dd>", row->clause, "</dd>\n");
    if (row->expected != NULL && row->expected[0] != '\0')
        add_escaped(out, "<dt>expected</dt><dd>", row->expected, "</dd>\n");
    if (row->got != NULL)
        add_escaped(out, "<dt>got</dt><dd>", row->got, "</dd>\n");
    for (size_t i = 0; i < ZRPC_EVAL_CLAUSES_MAX && row->tc->clauses[i] != NULL; i++) {
        r = zrpc_requirement_find(row->tc->clauses[i]);
        zrpc_text_add(out, "<dt>%s</dt>", row->tc->clauses[i]);
        add_escaped(out, "<dd>", r == NULL ? "" : r->text, "</dd>\n");
    }
    zrpc_text_add(out, "</dl>\n");
}

static void add_case(struct zrpc_buf *out, const struct zrpc_eval_result *row)
{
    bool spoils = zrpc_verdict_spoils(row->verdict, row->tc->level);
    struct zrpc_buf text = {0};

    zrpc_eval_add_verdict(&text, row);
    zrpc_text_add(
        out,
        "<details class=\"case\" id=\"%s\"%s>\n<summary><span class=\"badge %s\">%s</span><code>%s</code>",
        row->tc->id, spoils ? " open" : "", verdict_class(row->verdict), zrpc_text_str(&text), row->tc->id);
    add_escaped(out, "<span class=\"title\">", row->tc->title, "</span>");
    zrpc_text_add(out, "<span class=\"clause\">%s</span><span class=\"time\">%.3f s</span></summary>\n",
                  row->clause[0] == '\0' ? row->tc->clauses[0] : row->clause,
                  (double)row->took / ZRPC_SECOND);
    add_story(out, row);
    zrpc_trace_add_svg(out, &row->trace, "connecting", "serving");
    zrpc_buf_clear(&text);
    for (size_t i = 0; i < zrpc_trace_kept(&row->trace); i++) {
        if (i == ZRPC_TRACE_HEAD && zrpc_trace_missing(&row->trace) > 0)
            zrpc_text_add(&text, "... %zu events are not shown\n", zrpc_trace_missing(&row->trace));
        zrpc_trace_add_line(&text, zrpc_trace_get(&row->trace, i));
        zrpc_text_add(&text, "\n");
    }
    add_escaped(out, "\n<details><summary>the whole trace</summary><pre>", zrpc_text_str(&text),
                "</pre></details>\n");
    zrpc_text_add(out, "</details>\n");
    zrpc_buf_dispose(&text);
}

/* JSON in a script element: only "</" could end it, and "\/" is the same character to JSON. */
static void add_json(struct zrpc_buf *out, const char *json)
{
    const char *from = json;

    for (const char *p = json; (p = strstr(p, "</")) != NULL; p += 2) {
        zrpc_text_add(out, "%.*s<\\/", (int)(p - from), from);
        from = p + 2;
    }
    zrpc_text_add(out, "%s", from);
}

void zrpc_eval_certificate_html(const struct zrpc_eval_results *results,
                                const struct zrpc_evaluated *transport, const struct zrpc_buf *json,
                                struct zrpc_buf *out)
{
    const struct zrpc_eval_area *area = NULL;
    char digest[65] = "";

    add_head(out, results, transport);
    add_contract(out, results);
    for (size_t i = 0; i < results->n; i++) {
        if (results->rows[i].area != area) {
            zrpc_text_add(out, "%s", area == NULL ? "" : "</section>\n");
            area = results->rows[i].area;
            zrpc_text_add(out, "<section><h2>%s", area->name);
            add_escaped(out, " <small>", area->title, "</small></h2>\n");
        }
        add_case(out, &results->rows[i]);
    }
    zrpc_text_add(out, "</section>\n</main>\n<script type=\"application/json\" id=\"certificate\">\n");
    add_json(out, zrpc_text_str(json));
    zrpc_text_add(out, "</script>\n</body></html>\n");
    if (zrpc_eval_digest(zrpc_buf_view(out), digest, NULL) == 0)
        zrpc_text_add(out, "<!-- sha256 of all before this comment: %s -->\n", digest);
}
