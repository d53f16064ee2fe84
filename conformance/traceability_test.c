#include <stdlib.h>

#include "conformance/file.h"
#include "conformance/text.h"
#include "conformance/traceability.h"
#include "testing/suite.h"

/* Run from the top of the source tree, as all tests are. */
static void no_gap_is_unexplained(void)
{
    static const char path[] = "conformance/untested.txt";
    struct zrpc_buf out = {0};
    struct zrpc_error err;
    char *list;

    if (!CHECK_OK(zrpc_file_read(path, &list, &err)))
        return;
    CHECK_INT(zrpc_traceability_check(&zrpc_cases, path, list, &out, &err), 0);
    CHECK_STR(zrpc_text_str(&out), "");
    zrpc_buf_dispose(&out);
    free(list);
}

static void an_empty_list_finds_gaps(void)
{
    struct zrpc_buf out = {0};
    struct zrpc_error err;

    CHECK(zrpc_traceability_check(&zrpc_cases, "list", "# nothing\n", &out, &err) > 10);
    CHECK_CONTAINS(zrpc_text_str(&out), "ZR-HB-012: no case tests it for a server: Any byte");
    CHECK_CONTAINS(zrpc_text_str(&out), "ZR-WIRE-001: no case tests it: Bytes arrive");
    CHECK(strstr(zrpc_text_str(&out), "ZR-FRAME-007: no case tests it for a server") == NULL);
    zrpc_buf_dispose(&out);
}

static void a_line_for_what_is_covered_is_a_finding(void)
{
    struct zrpc_buf out = {0};
    struct zrpc_error err;

    CHECK(zrpc_traceability_check(&zrpc_cases, "list", "ZR-FRAME-007 server because\nZR-NO-* any never\n",
                                  &out, &err) > 2);
    CHECK_CONTAINS(zrpc_text_str(&out), "list:1: ZR-FRAME-007 is no gap");
    CHECK_CONTAINS(zrpc_text_str(&out), "list:2: ZR-NO-* is no gap");
    zrpc_buf_dispose(&out);
}

static void mistakes_name_their_line(void)
{
    struct zrpc_buf out = {0};
    struct zrpc_error err;

    CHECK_CODE(zrpc_traceability_check(&zrpc_cases, "list", "\nZR-FRAME-007 both x\n", &out, &err),
               ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "list:2:");
    CHECK_CODE(zrpc_traceability_check(&zrpc_cases, "list", "ZR-FRAME-007 server", &out, &err),
               ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "needs a reason");
    CHECK_CODE(zrpc_traceability_check(&zrpc_cases, "list", "ZR-FRAME-007", &out, &err), ZRPC_ERR_USAGE);
    zrpc_buf_dispose(&out);
}

static void the_list_goes_both_ways(void)
{
    struct zrpc_buf out = {0};

    CHECK(zrpc_traceability_covering(&zrpc_cases, "ZR-SRV-002", ZRPC_ROLE_SERVER) > 3);
    zrpc_traceability_add(&zrpc_cases, &out);
    CHECK_CONTAINS(zrpc_text_str(&out), "ZR-FRAME-007 (MUST, receiver) A frame with a payload of 1 byte");
    CHECK(strstr(zrpc_text_str(&out), "    server: frame.one-byte-payload\n") != NULL);
    CHECK(strstr(zrpc_text_str(&out), "    server: UNCOVERED\n") != NULL);
    zrpc_buf_dispose(&out);
}

static const struct zrpc_test tests[] = {
    {"no gap is unexplained", no_gap_is_unexplained},
    {"an empty list finds gaps", an_empty_list_finds_gaps},
    {"a line for what is covered is a finding", a_line_for_what_is_covered_is_a_finding},
    {"mistakes name their line", mistakes_name_their_line},
    {"the list goes both ways", the_list_goes_both_ways},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("traceability", tests, argc, argv);
}
