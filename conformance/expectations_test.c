#include "conformance/expectations.h"
#include "testing/suite.h"

static const char *parse_error(const char *text)
{
    static struct zrpc_error err;
    struct zrpc_expectations x = {0};

    err.text[0] = '\0';
    CHECK_CODE(zrpc_expectations_parse(&x, "known", text, &zrpc_cases, &err), ZRPC_ERR_USAGE);
    CHECK_INT(x.n, 0);
    return err.text;
}

static enum zrpc_verdict apply(const struct zrpc_expectations *x, const char *id, enum zrpc_verdict v,
                               const char *reason)
{
    const char *given;
    enum zrpc_verdict out = zrpc_expectations_apply(x, id, v, &given);

    if (reason == NULL)
        CHECK(given == NULL);
    else
        CHECK_STR(given, reason);
    return out;
}

static void lines_change_verdicts(void)
{
    struct zrpc_expectations x = {0};
    struct zrpc_error err;

    CHECK_OK(zrpc_expectations_parse(&x, "known",
                                     "# comment\n\n"
                                     "xfail frame.one-byte-payload   panics on it \n"
                                     "\tmay-fail concurrency.*\tslow machine\r\n"
                                     "xfail concurrency.churn leaks",
                                     &zrpc_cases, &err));
    CHECK_INT(x.n, 3);
    CHECK_INT(apply(&x, "frame.one-byte-payload", ZRPC_VERDICT_FAIL, "panics on it"), ZRPC_VERDICT_XFAIL);
    CHECK_INT(apply(&x, "frame.one-byte-payload", ZRPC_VERDICT_INCONCLUSIVE, NULL),
              ZRPC_VERDICT_INCONCLUSIVE);
    CHECK_INT(apply(&x, "frame.one-byte-payload", ZRPC_VERDICT_FLAKY, "panics on it"), ZRPC_VERDICT_XFAIL);
    CHECK_INT(apply(&x, "frame.one-byte-payload", ZRPC_VERDICT_PASS, "panics on it"), ZRPC_VERDICT_XPASS);
    CHECK_INT(apply(&x, "frame.one-byte-payload", ZRPC_VERDICT_SKIP, NULL), ZRPC_VERDICT_SKIP);
    CHECK_INT(apply(&x, "frame.zero-length", ZRPC_VERDICT_FAIL, NULL), ZRPC_VERDICT_FAIL);
    CHECK_INT(apply(&x, "concurrency.pings", ZRPC_VERDICT_FAIL, "slow machine"), ZRPC_VERDICT_XFAIL);
    CHECK_INT(apply(&x, "concurrency.pings", ZRPC_VERDICT_INCONCLUSIVE, "slow machine"), ZRPC_VERDICT_XFAIL);
    CHECK_INT(apply(&x, "concurrency.pings", ZRPC_VERDICT_PASS, NULL), ZRPC_VERDICT_PASS);
    CHECK_INT(apply(&x, "concurrency.churn", ZRPC_VERDICT_PASS, "leaks"), ZRPC_VERDICT_XPASS);
    zrpc_expectations_dispose(&x);
}

static void mistakes_name_their_line(void)
{
    CHECK_STR(parse_error("\nfails frame.noise slow\n"), "known:2: \"fails\", expected xfail or may-fail");
    CHECK_CONTAINS(parse_error("xfail frame.noise"), "known:1: expected xfail CASE-GLOB REASON");
    CHECK_CONTAINS(parse_error("xfail"), "known:1:");
    CHECK_CONTAINS(parse_error("xfail frame.noise ok\nxfail frame.nose gone"), "known:2: no case matches");
}

/* Run from the top of the source tree, as all tests are. */
static void the_files_here_are_up_to_date(void)
{
    struct zrpc_expectations x = {0};
    struct zrpc_error err;

    CHECK_OK(zrpc_expectations_load(&x, "conformance/expectations/zrepl-0.1.txt", &zrpc_cases, &err));
    CHECK(x.n > 10);
    zrpc_expectations_dispose(&x);
}

static void a_missing_file_is_an_error(void)
{
    struct zrpc_expectations x = {0};
    struct zrpc_error err;

    CHECK_CODE(zrpc_expectations_load(&x, "/nowhere/known", &zrpc_cases, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "/nowhere/known");
}

static void verdicts_follow_the_level(void)
{
    CHECK_INT(zrpc_verdict_missed(ZRPC_MUST), ZRPC_VERDICT_FAIL);
    CHECK_INT(zrpc_verdict_missed(ZRPC_SHOULD), ZRPC_VERDICT_NON_STRICT);
    CHECK_INT(zrpc_verdict_missed(ZRPC_MAY), ZRPC_VERDICT_UNSUPPORTED);
    CHECK_STR(zrpc_verdict_name(ZRPC_VERDICT_NON_STRICT), "NON-STRICT");
    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++) {
        bool always = v == ZRPC_VERDICT_FAIL || v == ZRPC_VERDICT_XPASS;
        bool for_must = always || v == ZRPC_VERDICT_INCONCLUSIVE || v == ZRPC_VERDICT_FLAKY;

        CHECK_INT(zrpc_verdict_spoils(v, ZRPC_MUST), for_must);
        CHECK_INT(zrpc_verdict_spoils(v, ZRPC_SHOULD), always);
        CHECK(zrpc_verdict_meaning(v)[0] != '\0');
    }
}

static const struct zrpc_test tests[] = {
    {"lines change verdicts", lines_change_verdicts},
    {"mistakes name their line", mistakes_name_their_line},
    {"the files here are up to date", the_files_here_are_up_to_date},
    {"a missing file is an error", a_missing_file_is_an_error},
    {"verdicts follow the level", verdicts_follow_the_level},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("expectations", tests, argc, argv);
}
