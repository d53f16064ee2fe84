#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "wireevaluator/certificate.h"

static const char begin_json[] = "<script type=\"application/json\" id=\"certificate\">",
                  end_json[] = "</script>";
static const char begin_seal[] = "<!-- sha256 of all before this comment: ", end_seal[] = " -->\n";

static int bad(struct zrpc_error *err, const char *what)
{
    return zrpc_fail(err, ZRPC_ERR_USAGE, "%s", what);
}

static int find(struct zrpc_view text, const char *needle, size_t *at)
{
    const uint8_t *p = memmem(text.data, text.len, needle, strlen(needle));

    *at = p == NULL ? 0 : (size_t)(p - text.data);
    return p == NULL ? -1 : 0;
}

/* The page is whole; *json is what it holds. */
static int open_page(struct zrpc_view page, struct zrpc_view *json, struct zrpc_error *err)
{
    size_t seal, from, to;
    struct zrpc_view rest;
    char digest[65];

    if (find(page, begin_seal, &seal) < 0 || find(page, begin_json, &from) < 0)
        return bad(err, "not a certificate: a page without digest or content");
    rest = page;
    zrpc_view_take(&rest, seal + strlen(begin_seal));
    if (zrpc_eval_digest(zrpc_view(page.data, seal), digest, err) < 0)
        return err->code;
    if (rest.len != 64 + strlen(end_seal) || memcmp(rest.data, digest, 64) != 0 ||
        memcmp(rest.data + 64, end_seal, strlen(end_seal)) != 0)
        return bad(err, "altered: the page's digest does not fit");
    rest = zrpc_view(page.data, seal);
    zrpc_view_take(&rest, from + strlen(begin_json));
    if (find(rest, end_json, &to) < 0)
        return bad(err, "not a certificate: its content has no end");
    *json = zrpc_view(rest.data, to);
    return 0;
}

/* The digest is of the content; the form, too, is as it was written. */
static int check_form(json_t *root, struct zrpc_view text, struct zrpc_error *err)
{
    char *form = json_dumps(root, EVAL_CERTIFICATE_FORM);
    size_t len = form == NULL ? 0 : strlen(form);
    int rc = 0;

    if (form == NULL)
        rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "the certificate");
    else if (text.len != len + 1 || memcmp(text.data, form, len) != 0 || text.data[len] != '\n')
        rc = bad(err, "altered: its form is another");
    free(form);
    return rc;
}

/* Takes "digest" out and compares. */
static int check_digest(json_t *root, struct zrpc_eval_verified *out, struct zrpc_error *err)
{
    const char *stated = json_string_value(json_object_get(root, "digest"));
    char *compact, digest[65];
    int rc;

    if (stated == NULL || strlen(stated) != 64)
        return bad(err, "not a certificate: it has no digest");
    memcpy(out->digest, stated, 65);
    json_object_del(root, "digest");
    compact = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    if (compact == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "the certificate");
    rc = zrpc_eval_digest(zrpc_view_of(compact), digest, err);
    free(compact);
    if (rc == 0 && strcmp(digest, out->digest) != 0)
        rc = bad(err, "altered: the digest does not fit");
    return rc;
}

static bool is_known(const char *verdict, const char *level)
{
    static const enum zrpc_level levels[] = {ZRPC_MUST, ZRPC_SHOULD, ZRPC_MAY};
    bool verdict_known = false, level_known = false;

    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++)
        verdict_known = verdict_known || strcmp(zrpc_verdict_name(v), verdict) == 0;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        level_known = level_known || strcmp(zrpc_level_name(levels[i]), level) == 0;
    return verdict_known && level_known;
}

/* Whether the case spoils the certificate, by its own words; -1 where they do not fit each other. */
static int spoils(json_t *row, int repeat)
{
    const char *verdict = NULL, *level = NULL, *id = NULL, *title = NULL;
    json_t *clauses = NULL, *trace = NULL;
    bool must, bad_verdict, unclear;
    int stated = 0, runs = 0, passed = 0;
    json_int_t took;

    if (json_unpack(row, "{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:I, s:i, s:i}", "id", &id, "title", &title,
                    "verdict", &verdict, "level", &level, "spoils", &stated, "clauses", &clauses, "trace",
                    &trace, "took_us", &took, "runs", &runs, "passed", &passed) < 0 ||
        !is_known(verdict, level) || json_array_size(clauses) == 0 || json_array_size(trace) == 0 ||
        runs != repeat || repeat < 1 || (strcmp(verdict, "PASS") == 0) != (passed == runs))
        return -1;
    must = strcmp(level, "MUST") == 0;
    bad_verdict = strcmp(verdict, "FAIL") == 0;
    unclear = strcmp(verdict, "INCONCLUSIVE") == 0 || strcmp(verdict, "FLAKY") == 0;
    return stated == (bad_verdict || (unclear && must)) ? stated : -1;
}

static bool is_case(const json_t *row, const struct zrpc_eval_case *tc)
{
    const json_t *clauses = json_object_get(row, "clauses");
    const char *id = json_string_value(json_object_get(row, "id")),
               *level = json_string_value(json_object_get(row, "level"));
    size_t n = 0;

    if (id == NULL || strcmp(id, tc->id) != 0 || level == NULL ||
        strcmp(level, zrpc_level_name(tc->level)) != 0)
        return false;
    for (; n < ZRPC_EVAL_CLAUSES_MAX && tc->clauses[n] != NULL; n++) {
        const char *clause = json_string_value(json_array_get(clauses, n));

        if (clause == NULL || strcmp(clause, tc->clauses[n]) != 0)
            return false;
    }
    return json_array_size(clauses) == n;
}

/* Those of the table, and no others. */
static bool has_all_cases(const json_t *cases)
{
    const struct zrpc_eval_case *tc;
    size_t i;

    for (i = 0; (tc = zrpc_eval_case_at(i, NULL)) != NULL; i++)
        if (!is_case(json_array_get(cases, i), tc))
            return false;
    return json_array_size(cases) == i;
}

/* "counts" is the cases' verdicts, counted. */
static bool counts_fit(const json_t *counts, const json_t *cases)
{
    json_int_t stated = 0;

    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++) {
        json_int_t n = json_integer_value(json_object_get(counts, zrpc_verdict_name(v))), found = 0;
        const json_t *row;
        size_t i;

        json_array_foreach(cases, i, row) found +=
            strcmp(json_string_value(json_object_get(row, "verdict")), zrpc_verdict_name(v)) == 0;
        if (n != found)
            return false;
        stated += n;
    }
    return stated == (json_int_t)json_array_size(cases);
}

static int check_content(json_t *root, struct zrpc_eval_verified *out, struct zrpc_error *err)
{
    const char *format, *transport, *version, *libraries, *date, *kernel, *configuration;
    int certified, complete, repeat, good = 1;
    json_int_t seed;
    json_t *cases, *row;
    size_t i;

    if (json_unpack(root, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:i, s:o}", "format", &format,
                    "transport", &transport, "configuration", &configuration, "version", &version,
                    "libraries", &libraries, "kernel", &kernel, "date", &date, "certified", &certified,
                    "complete", &complete, "seed", &seed, "repeat", &repeat, "cases", &cases) < 0 ||
        strcmp(format, EVAL_CERTIFICATE_FORMAT) != 0)
        return bad(err, "not a certificate, or not of this format: " EVAL_CERTIFICATE_FORMAT);
    json_array_foreach(cases, i, row)
    {
        int spoiled = spoils(row, repeat);

        if (spoiled < 0)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "incomplete: case number %zu", i + 1);
        good = good && !spoiled;
    }
    if (certified != (good && complete && json_array_size(cases) > 0))
        return bad(err, "contradictory: its verdict does not follow from its cases");
    if (complete && strcmp(version, ZRPC_VERSION) == 0 && !has_all_cases(cases))
        return bad(err, "incomplete: cases are missing, or others than this version has");
    if (!counts_fit(json_object_get(root, "counts"), cases))
        return bad(err, "contradictory: its counts are not those of its cases");
    out->certified = certified;
    out->complete = complete;
    out->cases = json_array_size(cases);
    snprintf(out->transport, sizeof out->transport, "%s", transport);
    snprintf(out->version, sizeof out->version, "%s", version);
    snprintf(out->date, sizeof out->date, "%s", date);
    return 0;
}

int zrpc_eval_certificate_verify(struct zrpc_view text, struct zrpc_eval_verified *out,
                                 struct zrpc_error *err)
{
    static const char page[] = "<!doctype html>";
    struct zrpc_view json = text;
    json_error_t parse;
    json_t *root;
    int rc = 0;

    memset(out, 0, sizeof *out);
    if (text.len >= strlen(page) && memcmp(text.data, page, strlen(page)) == 0)
        rc = open_page(text, &json, err);
    if (rc < 0)
        return rc;
    root = json_loadb((const char *)json.data, json.len, JSON_REJECT_DUPLICATES, &parse);
    if (root == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "not a certificate: line %d: %s", parse.line, parse.text);
    if (!json_is_object(root))
        rc = bad(err, "not a certificate");
    if (rc == 0 && json.data == text.data)
        rc = check_form(root, json, err);
    if (rc == 0)
        rc = check_digest(root, out, err);
    if (rc == 0)
        rc = check_content(root, out, err);
    json_decref(root);
    return rc;
}
