#include <stdio.h>

#include "conformance/greeting.h"
#include "testing/suite.h"

/* The requirement that the banner violates, or "" for a valid one. */
static const char *judge_bytes(struct zrpc_view banner)
{
    const char *requirement = "";

    return zrpc_greeting_flaw(banner, 1, &requirement) == NULL ? "" : requirement;
}

static const char *judge(const char *banner)
{
    return judge_bytes(zrpc_view_of(banner));
}

static const char *judge_body(const char *body)
{
    struct zrpc_buf banner = {0};
    const char *requirement;

    zrpc_greeting_put_body(&banner, zrpc_view_of(body));
    requirement = judge_bytes(zrpc_buf_view(&banner));
    zrpc_buf_dispose(&banner);
    return requirement;
}

static void valid_banners(void)
{
    char plain[ZRPC_GREETING_MAX];

    CHECK_STR(zrpc_greeting_plain(1, plain),
              "0000000056 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n");
    CHECK_STR(judge(plain), "");
    CHECK_STR(judge_body("ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0002\nä=✓\n\n"), "");
}

static void flaws_name_their_requirement(void)
{
    CHECK_STR(judge(""), "ZR-HS-002");
    CHECK_STR(judge("56 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n"), "ZR-HS-002");
    CHECK_STR(judge("0000000057 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n"), "ZR-HS-002");
    CHECK_STR(judge("0000000056-ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n"), "ZR-HS-002");
    CHECK_STR(judge_body("ZREPL PROTOVERSION=0001 EXTENSIONS=0000\n"), "ZR-HS-001");
    CHECK_STR(judge_body("ZREPL_ZFS_REPLICATION PROTOVERSION=0001, EXTENSIONS=0000\n"), "ZR-HS-001");
    CHECK_STR(judge_body("ZREPL_ZFS_REPLICATION PROTOVERSION=0002 EXTENSIONS=0000\n"), "ZR-HS-003");
    CHECK_STR(judge_body("ZREPL_ZFS_REPLICATION PROTOVERSION=1 EXTENSIONS=0000\n"), "ZR-HS-003");
    CHECK_STR(judge_body("ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=9999\n"), "ZR-HS-004");
    CHECK_STR(judge_body("ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0\n"), "ZR-HS-004");
    CHECK_STR(judge_body("ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0001\n"), "ZR-HS-004");
    CHECK_STR(judge_body("ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\nx\n"), "ZR-HS-004");
    CHECK_STR(judge_body("ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0001\nx\ny"), "ZR-HS-004");
    CHECK_STR(judge_body("ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0001\n\xff\n"), "ZR-HS-005");
}

static const struct zrpc_test tests[] = {
    {"valid banners", valid_banners},
    {"flaws name their requirement", flaws_name_their_requirement},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("greeting", tests, argc, argv);
}
