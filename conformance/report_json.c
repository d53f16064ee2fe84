#include <jansson.h>
#include <stdlib.h>

#include "conformance/report.h"

/* A target may say anything; JSON takes only UTF-8. */
static json_t *text_or_null(const char *text)
{
    struct zrpc_buf shown = {0};
    json_t *value;

    if (text == NULL)
        return json_null();
    value = json_string(text);
    if (value == NULL) {
        zrpc_text_add_bytes(&shown, zrpc_view_of(text), strlen(text), 4000);
        value = json_string(zrpc_text_str(&shown));
        zrpc_buf_dispose(&shown);
    }
    return value;
}

static json_t *event_json(const struct zrpc_trace_event *ev)
{
    return json_pack("{s:f, s:i, s:s, s:I, s:I, s:o, s:o}", "at", (double)ev->at / ZRPC_SECOND, "connection",
                     (int)ev->conn, "kind", zrpc_trace_kind_name(ev->kind), "count", (json_int_t)ev->count,
                     "bytes", (json_int_t)ev->bytes, "what", text_or_null(ev->text), "detail",
                     text_or_null(ev->detail));
}

static json_t *trace_json(const struct zrpc_run *run)
{
    json_t *events = json_array();

    for (size_t i = 0; run != NULL && i < zrpc_trace_kept(&run->trace); i++)
        (void)json_array_append_new(events, event_json(zrpc_trace_get(&run->trace, i)));
    return events;
}

static json_t *requirements_json(const struct zrpc_case *tc)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < ZRPC_CASE_REQUIREMENTS_MAX && tc->requirements[i] != NULL; i++)
        (void)json_array_append_new(ids, json_string(tc->requirements[i]));
    return ids;
}

static json_t *result_json(const struct zrpc_result *result)
{
    const struct zrpc_run *run = result->run;

    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:b, s:i, s:i, s:f, s:o, s:o, s:o, s:o, s:i, s:o}",
        "id", result->tc->id, "area", result->area->name, "role", zrpc_role_name(result->area->role),
        "channel", zrpc_channel_name(result->area->channel), "title", result->tc->title, "requirements",
        requirements_json(result->tc), "level", zrpc_level_name(result->tc->level), "legal",
        result->tc->legal, "verdict", zrpc_verdict_name(result->verdict), "spoils",
        zrpc_verdict_spoils(result->verdict, result->tc->level), "runs", (int)result->runs, "passed",
        (int)result->passed, "seconds", zrpc_report_seconds(result), "expected",
        text_or_null(run == NULL ? NULL : run->expected), "got", text_or_null(run == NULL ? NULL : run->got),
        "aftermath", text_or_null(result->aftermath), "expectation", text_or_null(result->expectation),
        "events_not_shown", run == NULL ? 0 : (int)zrpc_trace_missing(&run->trace), "trace", trace_json(run));
}

int zrpc_report_json(const struct zrpc_results *results, struct zrpc_buf *out, struct zrpc_error *err)
{
    json_t *cases = json_array(), *counts = json_object(), *root;
    char *text;

    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++)
        (void)json_object_set_new(counts, zrpc_verdict_name(v), json_integer(results->counts[v]));
    for (size_t i = 0; i < results->n; i++)
        (void)json_array_append_new(cases, result_json(&results->rows[i]));
    root = json_pack("{s:s, s:b, s:f, s:i, s:o, s:o}", "target", results->target, "conformant",
                     zrpc_results_good(results), "seconds", (double)results->took / ZRPC_SECOND, "restarts",
                     (int)results->restarts, "counts", counts, "cases", cases);
    text = root == NULL ? NULL : json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    json_decref(root);
    if (text == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "the JSON report");
    zrpc_text_add(out, "%s\n", text);
    free(text);
    return 0;
}
