#include "conformance/report.h"

static void add_attribute(struct zrpc_buf *out, const char *name, const char *value)
{
    zrpc_text_add(out, " %s=\"", name);
    zrpc_text_add_xml(out, value);
    zrpc_text_add(out, "\"");
}

static bool is_failure(const struct zrpc_result *result)
{
    return result->verdict != ZRPC_VERDICT_INCONCLUSIVE &&
           zrpc_verdict_spoils(result->verdict, result->tc->level);
}

static bool is_error(const struct zrpc_result *result)
{
    return result->verdict == ZRPC_VERDICT_INCONCLUSIVE &&
           zrpc_verdict_spoils(result->verdict, result->tc->level);
}

static bool is_skipped(const struct zrpc_result *result)
{
    return result->verdict != ZRPC_VERDICT_PASS && !is_failure(result) && !is_error(result);
}

static unsigned count(const struct zrpc_results *results, const struct zrpc_area *area,
                      bool (*what)(const struct zrpc_result *))
{
    unsigned n = 0;

    for (size_t i = 0; i < results->n; i++)
        n += (area == NULL || results->rows[i].area == area) && (what == NULL || what(&results->rows[i]));
    return n;
}

static void add_counts(struct zrpc_buf *out, const struct zrpc_results *results, const struct zrpc_area *area)
{
    double seconds = 0;

    for (size_t i = 0; i < results->n; i++)
        if (area == NULL || results->rows[i].area == area)
            seconds += zrpc_report_seconds(&results->rows[i]);
    zrpc_text_add(out, " tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\" time=\"%.3f\"",
                  count(results, area, NULL), count(results, area, is_failure),
                  count(results, area, is_error), count(results, area, is_skipped), seconds);
}

static void add_result(struct zrpc_buf *out, const struct zrpc_result *result)
{
    const char *element = is_failure(result) ? "failure" : is_error(result) ? "error" : "skipped";
    struct zrpc_buf text = {0}, verdict = {0};

    zrpc_text_add(out, "    <testcase");
    add_attribute(out, "name", result->tc->id);
    add_attribute(out, "classname", result->area->name);
    zrpc_text_add(out, " time=\"%.3f\">\n      <properties>\n        <property name=\"title\"",
                  zrpc_report_seconds(result));
    add_attribute(out, "value", result->tc->title);
    zrpc_report_add_requirements(&text, result->tc);
    zrpc_text_add(out,
                  "/>\n        <property name=\"level\" value=\"%s\"/>\n        <property "
                  "name=\"requirements\" value=\"%s\"/>\n      </properties>\n",
                  zrpc_level_name(result->tc->level), zrpc_text_str(&text));
    zrpc_buf_clear(&text);
    if (result->verdict != ZRPC_VERDICT_PASS) {
        zrpc_report_add_verdict(&verdict, result);
        zrpc_report_add_story(&text, result, "");
        zrpc_text_add(out, "      <%s message=\"%s\">", element, zrpc_text_str(&verdict));
        zrpc_text_add_xml(out, zrpc_text_str(&text));
        zrpc_text_add(out, "</%s>\n", element);
        zrpc_buf_clear(&text);
    }
    if (result->run != NULL) {
        zrpc_report_add_trace(&text, result->run, "");
        zrpc_text_add(out, "      <system-out>");
        zrpc_text_add_xml(out, zrpc_text_str(&text));
        zrpc_text_add(out, "</system-out>\n");
    }
    zrpc_text_add(out, "    </testcase>\n");
    zrpc_buf_dispose(&text);
    zrpc_buf_dispose(&verdict);
}

void zrpc_report_junit(const struct zrpc_results *results, struct zrpc_buf *out)
{
    const struct zrpc_area *area = NULL;

    zrpc_text_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"zrpc-conformance\"");
    add_counts(out, results, NULL);
    zrpc_text_add(out, ">\n");
    for (size_t i = 0; i < results->n; i++) {
        if (results->rows[i].area != area) {
            zrpc_text_add(out, "%s  <testsuite", area == NULL ? "" : "  </testsuite>\n");
            area = results->rows[i].area;
            add_attribute(out, "name", area->name);
            add_counts(out, results, area);
            zrpc_text_add(out, ">\n");
        }
        add_result(out, &results->rows[i]);
    }
    zrpc_text_add(out, "%s</testsuites>\n", area == NULL ? "" : "  </testsuite>\n");
}
