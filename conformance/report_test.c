#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/report.h"
#include "testing/certificates.h"
#include "testing/suite.h"

/*
 * Results made by hand: one of each verdict, with texts that no format takes as they are
 */
#define NASTY "<b>&\"'\x01\x1b[31m ✗ \xff"

static const struct zrpc_case one_case = {
    .id = "area.one",
    .title = "A title with <angle> & \"quotes\"",
    .requirements = {"ZR-FRAME-007", "ZR-HS-006"},
    .legal = "this, or <that>",
    .budget = 1,
};
static struct zrpc_case all_cases[ZRPC_VERDICT_COUNT];
static char ids[ZRPC_VERDICT_COUNT][32];
static const struct zrpc_area first_area = {.name = "area", .title = "One & only"};
static const struct zrpc_area second_area = {.name = "other", .title = "The other"};
static struct zrpc_profile profile;

static void fill_run(struct zrpc_run *run, const struct zrpc_case *tc, enum zrpc_verdict v)
{
    struct zrpc_error err;

    CHECK_OK(zrpc_run_init(run, tc, &profile, "tcp:127.0.0.1:1", &err));
    zrpc_run_step(run, "a step %s", "\x01 with <b>");
    if (v == ZRPC_VERDICT_SKIP)
        zrpc_run_skip(run, "nothing to test it with");
    else if (v == ZRPC_VERDICT_INCONCLUSIVE)
        zrpc_run_inconclusive(run, "lost in the fog");
    else if (v != ZRPC_VERDICT_PASS && v != ZRPC_VERDICT_XPASS)
        zrpc_run_fail(run, "one thing,\nor another", "%s", NASTY);
    zrpc_run_finish(run);
}

static void setup(struct zrpc_results *results)
{
    struct zrpc_error err;

    CHECK_OK(zrpc_profile_init(&profile, &err));
    *results = (struct zrpc_results){
        .n = ZRPC_VERDICT_COUNT, .took = 3 * ZRPC_SECOND / 2, .restarts = 2, .target = "server --name <x>"};
    results->rows = calloc(ZRPC_VERDICT_COUNT, sizeof *results->rows);
    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++) {
        struct zrpc_result *row = &results->rows[v];

        snprintf(ids[v], sizeof ids[v], "%s.case-%d", v < 4 ? "area" : "other", (int)v);
        all_cases[v] = one_case;
        all_cases[v].id = ids[v];
        all_cases[v].level = v == ZRPC_VERDICT_NON_STRICT ? ZRPC_SHOULD : ZRPC_MUST;
        *row = (struct zrpc_result){.area = v < 4 ? &first_area : &second_area,
                                    .tc = &all_cases[v],
                                    .verdict = v,
                                    .found = v,
                                    .runs = 5,
                                    .passed = 2,
                                    .run = calloc(1, sizeof *row->run)};
        if (v == ZRPC_VERDICT_XFAIL || v == ZRPC_VERDICT_XPASS) {
            row->expectation = "known & loved";
            row->found = v == ZRPC_VERDICT_XFAIL ? ZRPC_VERDICT_FAIL : ZRPC_VERDICT_PASS;
        }
        if (v == ZRPC_VERDICT_FAIL)
            row->aftermath = strdup("the target died:\nline 1\n\nline 3");
        fill_run(row->run, row->tc, v);
        results->counts[v]++;
    }
}

static void teardown(struct zrpc_results *results)
{
    zrpc_results_dispose(results);
    zrpc_profile_dispose(&profile);
}

static void tap_says_what_counts(void)
{
    struct zrpc_results results;
    struct zrpc_buf out = {0};
    const char *text;

    setup(&results);
    zrpc_report_tap(&results, &out);
    text = zrpc_text_str(&out);
    CHECK(strncmp(text, "TAP version 14\n1..9\nok 1 - area.case-0\n", 39) == 0);
    CHECK_CONTAINS(text, "\nnot ok 2 - area.case-1\n");
    CHECK_CONTAINS(text, "\nnot ok 3 - area.case-2 # TODO NON-STRICT\n");
    CHECK_CONTAINS(text, "\nok 6 - other.case-5 # SKIP SKIP\n");
    CHECK_CONTAINS(text, "\nnot ok 5 - other.case-4\n");
    CHECK_CONTAINS(text, "\nnot ok 7 - other.case-6 # TODO XFAIL\n");
    CHECK_CONTAINS(text, "\nnot ok 8 - other.case-7\n");
    CHECK_CONTAINS(text, "\nnot ok 9 - other.case-8\n");
    CHECK_CONTAINS(text, "verdict: FLAKY (2 of 5)");
    CHECK_CONTAINS(text, "\n    expected   one thing,\n               or another\n    got        <b>");
    zrpc_buf_dispose(&out);
    teardown(&results);
}

/* 0 if the command is not there or succeeds. */
static int run_if_there(const char *program, const char *command)
{
    char test[128];

    snprintf(test, sizeof test, "command -v %s >/dev/null 2>&1", program);
    if (system(test) != 0)
        return 0;
    return system(command);
}

static void junit_is_valid(void)
{
    char path[] = "/tmp/zrpc-junit-XXXXXX", command[200];
    struct zrpc_results results;
    struct zrpc_buf out = {0};
    struct zrpc_error err;
    int fd = mkstemp(path);

    if (!CHECK(fd >= 0))
        return;
    close(fd);
    setup(&results);
    zrpc_report_junit(&results, &out);
    CHECK_OK(zrpc_report_write(path, &out, &err));
    snprintf(command, sizeof command, "xmllint --noout --schema conformance/junit.xsd %s 2>/dev/null", path);
    CHECK_INT(run_if_there("xmllint", command), 0);
    CHECK_CONTAINS(zrpc_text_str(&out),
                   "<testsuites name=\"zrpc-conformance\" tests=\"9\" failures=\"3\" errors=\"1\" "
                   "skipped=\"4\"");
    CHECK_CONTAINS(zrpc_text_str(&out), "<testsuite name=\"area\" tests=\"4\" failures=\"1\"");
    CHECK_CONTAINS(zrpc_text_str(&out), "<failure message=\"FAIL\">");
    CHECK_CONTAINS(zrpc_text_str(&out), "<skipped message=\"XFAIL\">");
    CHECK_CONTAINS(zrpc_text_str(&out), "<error message=\"INCONCLUSIVE\">");
    unlink(path);
    zrpc_buf_dispose(&out);
    teardown(&results);
}

static void json_can_be_read(void)
{
    struct zrpc_results results;
    struct zrpc_buf out = {0};
    struct zrpc_error err;
    json_t *root, *c;

    setup(&results);
    if (CHECK_OK(zrpc_report_json(&results, &out, &err))) {
        root = json_loads(zrpc_text_str(&out), 0, NULL);
        CHECK(root != NULL);
        CHECK_INT(json_array_size(json_object_get(root, "cases")), 9);
        CHECK(json_is_false(json_object_get(root, "conformant")));
        CHECK_INT(json_integer_value(json_object_get(json_object_get(root, "counts"), "FAIL")), 1);
        c = json_array_get(json_object_get(root, "cases"), ZRPC_VERDICT_FAIL);
        CHECK_STR(json_string_value(json_object_get(c, "verdict")), "FAIL");
        CHECK_STR(json_string_value(json_object_get(c, "expected")), "one thing,\nor another");
        CHECK_CONTAINS(json_string_value(json_object_get(c, "aftermath")), "line 3");
        CHECK_INT(json_array_size(json_object_get(c, "trace")), 2);
        json_decref(root);
    }
    zrpc_buf_dispose(&out);
    teardown(&results);
}

static void the_page_stands_alone(void)
{
    struct zrpc_results results;
    struct zrpc_buf out = {0};
    const char *text;

    setup(&results);
    zrpc_report_html(&results, &out);
    text = zrpc_text_str(&out);
    CHECK_CONTAINS(text, "<!doctype html>");
    CHECK_CONTAINS(text, "server --name &lt;x&gt;");
    CHECK_CONTAINS(text,
                   "id=\"area.case-1\" data-verdict=\"fail\" data-area=\"area\" data-more=\"ZR-FRAME-007 "
                   "ZR-HS-006\" open");
    CHECK_CONTAINS(text, "A title with &lt;angle&gt; &amp; &quot;quotes&quot;");
    CHECK_CONTAINS(text, "<code>0000000056 ZREPL_ZFS_REPLICATION");
    CHECK_CONTAINS(text, "<svg ");
    CHECK_CONTAINS(text, "a step ? with &lt;b&gt;");
    CHECK(strstr(text, "src=") == NULL && strstr(text, "href=") == NULL && strstr(text, "url(") == NULL);
    CHECK(strstr(text, NASTY) == NULL && strstr(text, "<b>") == NULL);
    CHECK(zrpc_utf8_valid(zrpc_buf_view(&out)));
    zrpc_buf_dispose(&out);
    teardown(&results);
}

static void long_traces_make_bounded_diagrams(void)
{
    struct zrpc_buf out = {0};
    struct zrpc_run run;
    struct zrpc_error err;
    const char *at;
    int rows = 0;

    CHECK_OK(zrpc_profile_init(&profile, &err));
    CHECK_OK(zrpc_run_init(&run, &one_case, &profile, "tcp:127.0.0.1:1", &err));
    for (int i = 0; i < 5000; i++)
        zrpc_run_step(&run, "step %d", i);
    zrpc_run_finish(&run);
    zrpc_trace_add_svg(&out, &run.trace, "suite", "target");
    for (at = zrpc_text_str(&out); (at = strstr(at, "class=\"step\"")) != NULL; at++)
        rows++;
    CHECK_INT(rows, 48);
    CHECK_CONTAINS(zrpc_text_str(&out), "step 4999");
    CHECK_CONTAINS(zrpc_text_str(&out), "⋮");
    zrpc_buf_dispose(&out);
    zrpc_run_dispose(&run);
    zrpc_profile_dispose(&profile);
}

static void the_console_tells_the_story(void)
{
    struct zrpc_results results;
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    struct zrpc_console c = {.out = file};

    setup(&results);
    zrpc_console_result(&c, &results.rows[ZRPC_VERDICT_PASS]);
    zrpc_console_result(&c, &results.rows[ZRPC_VERDICT_FAIL]);
    c.colours = true;
    zrpc_console_result(&c, &results.rows[ZRPC_VERDICT_SKIP]);
    zrpc_console_summary(&c, &results);
    fclose(file);
    CHECK(strncmp(text, "PASS          area.case-0 ", 26) == 0);
    CHECK_CONTAINS(text, "\nFAIL          area.case-1 ");
    CHECK_CONTAINS(text, "[ZR-FRAME-007 ZR-HS-006]");
    CHECK_CONTAINS(text, "    legal is   this, or <that>\n    afterwards the target died:\n");
    CHECK_CONTAINS(text, "on the wire:\n");
    CHECK_CONTAINS(text, "\033[2mSKIP");
    CHECK_CONTAINS(text, "because    nothing to test it with");
    CHECK_CONTAINS(text, "restarted 2 times");
    CHECK_CONTAINS(text, "\nnot conformant\n");
    free(text);
    teardown(&results);
}

static void a_report_that_cannot_be_written_is_an_error(void)
{
    struct zrpc_buf out = {0};
    struct zrpc_error err;

    zrpc_text_add(&out, "text");
    CHECK_CODE(zrpc_report_write("/nowhere/report", &out, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "/nowhere/report");
    zrpc_buf_dispose(&out);
}

static void a_pipe_is_written_to_and_not_replaced(void)
{
    const char *path = zrpc_test_path("pipe");
    struct zrpc_buf out = {0};
    struct zrpc_error err;
    struct stat st;
    char got[8];
    int fd;

    CHECK_INT(mkfifo(path, 0600), 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    zrpc_text_add(&out, "text");
    CHECK_OK(zrpc_report_write(path, &out, &err));
    CHECK(lstat(path, &st) == 0 && S_ISFIFO(st.st_mode));
    CHECK_INT(read(fd, got, sizeof got), 4);
    close(fd);
    unlink(path);
    zrpc_test_dir_remove();
    zrpc_buf_dispose(&out);
}

static const struct zrpc_test tests[] = {
    {"TAP says what counts", tap_says_what_counts},
    {"JUnit XML is valid", junit_is_valid},
    {"JSON can be read", json_can_be_read},
    {"the page stands alone", the_page_stands_alone},
    {"long traces make bounded diagrams", long_traces_make_bounded_diagrams},
    {"the console tells the story", the_console_tells_the_story},
    {"a report that cannot be written is an error", a_report_that_cannot_be_written_is_an_error},
    {"a pipe is written to and not replaced", a_pipe_is_written_to_and_not_replaced},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("report", tests, argc, argv);
}
