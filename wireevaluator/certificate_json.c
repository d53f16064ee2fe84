#include <gnu/libc-version.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "wireevaluator/certificate.h"

int zrpc_eval_digest(struct zrpc_view bytes, char out[static 65], struct zrpc_error *err)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (EVP_Digest(bytes.data, bytes.len, hash, &len, EVP_sha256(), NULL) != 1 || len != 32)
        return zrpc_fail(err, ZRPC_ERR_SYSTEM, "SHA-256 failed");
    for (unsigned i = 0; i < len; i++)
        snprintf(out + (size_t)i * 2, 3, "%02x", hash[i]);
    return 0;
}

const char *zrpc_eval_date(time_t date, char out[static EVAL_DATE_MAX])
{
    struct tm tm;

    out[0] = '\0';
    if (gmtime_r(&date, &tm) != NULL)
        strftime(out, EVAL_DATE_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return out;
}

const char *zrpc_eval_libraries(char out[static EVAL_LIBRARIES_MAX])
{
    snprintf(out, EVAL_LIBRARIES_MAX, "%s; GNU C library %s", OpenSSL_version(OPENSSL_VERSION),
             gnu_get_libc_version());
    return out;
}

const char *zrpc_eval_configuration(const struct zrpc_evaluated *transport)
{
    const char *text =
        transport->ops->configuration == NULL ? NULL : transport->ops->configuration(transport);

    return text == NULL ? "" : text;
}

/* A transport may say anything; JSON takes only UTF-8. */
static json_t *text_json(const char *text)
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

/* Microseconds: digits enough, and the same ones when the file is read and written again. */
static json_int_t microseconds(zrpc_time t)
{
    return t / 1000;
}

static json_t *event_json(const struct zrpc_trace_event *ev)
{
    return json_pack("{s:I, s:I, s:s, s:I, s:I, s:o, s:o}", "at_us", microseconds(ev->at), "until_us",
                     microseconds(ev->until), "kind", zrpc_trace_kind_name(ev->kind), "count",
                     (json_int_t)ev->count, "bytes", (json_int_t)ev->bytes, "what", text_json(ev->text),
                     "detail", text_json(ev->detail));
}

static json_t *trace_json(const struct zrpc_trace *trace)
{
    json_t *events = json_array();

    for (size_t i = 0; i < zrpc_trace_kept(trace); i++)
        (void)json_array_append_new(events, event_json(zrpc_trace_get(trace, i)));
    return events;
}

static json_t *clauses_json(const struct zrpc_eval_case *tc)
{
    json_t *clauses = json_array();

    for (size_t i = 0; i < ZRPC_EVAL_CLAUSES_MAX && tc->clauses[i] != NULL; i++)
        (void)json_array_append_new(clauses, json_string(tc->clauses[i]));
    return clauses;
}

static json_t *result_json(const struct zrpc_eval_result *row)
{
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:b, s:i, s:i, s:I, s:o, s:o, s:o, s:I, s:o}", "id",
                     row->tc->id, "title", row->tc->title, "clauses", clauses_json(row->tc), "level",
                     zrpc_level_name(row->tc->level), "verdict", zrpc_verdict_name(row->verdict), "spoils",
                     zrpc_verdict_spoils(row->verdict, row->tc->level), "runs", (int)row->runs, "passed",
                     (int)row->passed, "took_us", microseconds(row->took), "broken_clause",
                     text_json(row->clause[0] == '\0' ? NULL : row->clause), "expected",
                     text_json(row->expected), "got", text_json(row->got), "events_not_shown",
                     (json_int_t)zrpc_trace_missing(&row->trace), "trace", trace_json(&row->trace));
}

/* Adds "digest". */
static int seal(json_t *root, struct zrpc_error *err)
{
    char *compact = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS), digest[65];
    int rc;

    if (compact == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "the certificate");
    rc = zrpc_eval_digest(zrpc_view_of(compact), digest, err);
    free(compact);
    if (rc == 0 && json_object_set_new(root, "digest", json_string(digest)) < 0)
        rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "the certificate");
    return rc;
}

int zrpc_eval_certificate_json(const struct zrpc_eval_results *results,
                               const struct zrpc_evaluated *transport, struct zrpc_buf *out,
                               struct zrpc_error *err)
{
    json_t *cases = json_array(), *counts = json_object(), *root;
    char date[EVAL_DATE_MAX], libraries[EVAL_LIBRARIES_MAX], *text = NULL;
    struct utsname host;
    int rc = 0;

    uname(&host);
    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++)
        if (results->counts[v] > 0)
            (void)json_object_set_new(counts, zrpc_verdict_name(v), json_integer(results->counts[v]));
    for (size_t i = 0; i < results->n; i++)
        (void)json_array_append_new(cases, result_json(&results->rows[i]));
    root = json_pack(
        "{s:s, s:o, s:o, s:b, s:b, s:s, s:o, s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:I, s:I, s:I, s:o, s:o}",
        "format", EVAL_CERTIFICATE_FORMAT, "transport", text_json(transport->ops->name), "configuration",
        text_json(zrpc_eval_configuration(transport)), "certified",
        zrpc_eval_results_good(results) && results->complete, "complete", results->complete, "version",
        ZRPC_VERSION, "libraries", text_json(zrpc_eval_libraries(libraries)), "kernel", host.release,
        "machine", host.machine, "date", zrpc_eval_date(results->date, date), "seed",
        (json_int_t)(results->seed & INT64_MAX), "bulk", (json_int_t)results->bulk, "repeat",
        (int)results->repeat, "jobs", (int)results->lanes, "took_us", microseconds(results->took),
        "fastest_pass_us", microseconds(results->fastest), "slowest_pass_us", microseconds(results->slowest),
        "counts", counts, "cases", cases);
    if (root == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "the certificate");
    rc = seal(root, err);
    if (rc == 0)
        text = json_dumps(root, EVAL_CERTIFICATE_FORM);
    json_decref(root);
    if (rc == 0 && text == NULL)
        rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "the certificate");
    if (rc == 0)
        rc = zrpc_buf_append(out, zrpc_view_of(text), err);
    if (rc == 0)
        zrpc_text_add(out, "\n");
    free(text);
    return rc;
}
