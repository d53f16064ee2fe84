#include <stdlib.h>

#include "conformance/pbtext.h"
#include "testing/suite.h"
#include "zrepl_v1.pb-c.h"

static struct zrpc_buf text;

static const char *quoted(struct zrpc_view v)
{
    zrpc_buf_clear(&text);
    zrpc_text_add_quoted(&text, v);
    return zrpc_text_str(&text);
}

static const char *bytes(struct zrpc_view v, uint64_t total, size_t max)
{
    zrpc_buf_clear(&text);
    zrpc_text_add_bytes(&text, v, total, max);
    return zrpc_text_str(&text);
}

static const char *xml(const char *raw)
{
    zrpc_buf_clear(&text);
    zrpc_text_add_xml(&text, raw);
    return zrpc_text_str(&text);
}

static const char *pb(const ProtobufCMessage *msg)
{
    zrpc_buf_clear(&text);
    zrpc_pbtext_add(&text, msg);
    return zrpc_text_str(&text);
}

static void text_grows(void)
{
    struct zrpc_buf t = {0};
    char *taken;

    CHECK_STR(zrpc_text_str(&t), "");
    for (int i = 0; i < 1000; i++)
        zrpc_text_add(&t, "%d,", i % 10);
    CHECK_INT(strlen(zrpc_text_str(&t)), 2000);
    taken = zrpc_text_take(&t);
    CHECK_INT(strlen(taken), 2000);
    CHECK_STR(zrpc_text_str(&t), "");
    free(taken);
    zrpc_buf_dispose(&t);
}

static void quotes_escape(void)
{
    CHECK_STR(quoted(zrpc_view_of("a\"b\\c\n\t\r")), "\"a\\\"b\\\\c\\n\\t\\r\"");
    CHECK_STR(quoted(zrpc_view("\0\x1b\x7f", 3)), "\"\\x00\\x1b\\x7f\"");
    CHECK_STR(quoted(zrpc_view_of("ü✓\xf0\x9f\x90\xa7")), "\"ü✓\xf0\x9f\x90\xa7\"");
    CHECK_STR(quoted(zrpc_view_of("\xc2\x9b"
                                  "31m")),
              "\"\\xc2\\x9b31m\"");
}

static void bytes_are_text_or_hex(void)
{
    CHECK_STR(bytes(zrpc_view_of("/v1/ping"), 8, 80), "\"/v1/ping\"");
    CHECK_STR(bytes(zrpc_view("\x00\x01\xff\xfe\x0a", 5), 5, 80), "00 01 ff fe  0a");
    CHECK_STR(bytes(zrpc_view_of("abcdef"), 100, 4), "\"abcd\" … and 96 more bytes");
    CHECK_STR(bytes(zrpc_view("\xff\xff\xff\xff\xff\xff", 6), 6, 8), "ff ff ff ff … and 2 more bytes");
    CHECK_STR(bytes(zrpc_view_of("aü"), 3, 2), "\"a\" … and 2 more bytes");
    CHECK_STR(bytes(zrpc_view(NULL, 0), 0, 8), "");
}

static void xml_holds_anything(void)
{
    CHECK_STR(xml("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
    CHECK_STR(xml("a\x01\x1b[31mb\nc\td"), "a??[31mb\nc\td");
    CHECK_STR(xml("ü✓"), "ü✓");
    CHECK_STR(xml("broken \xff\xfe <"), "broken ?? &lt;");
    CHECK_STR(xml("\xef\xbf\xbf|\xef\xbf\xbe|\xef\xbb\xbf"), "?|?|\xef\xbb\xbf");
}

static void messages_show_what_is_set(void)
{
    Zrpc__Pb__SendReq send = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__FilesystemVersion a = ZRPC__PB__FILESYSTEM_VERSION__INIT,
                                b = ZRPC__PB__FILESYSTEM_VERSION__INIT;
    Zrpc__Pb__FilesystemVersion *both[] = {&a, &b};
    Zrpc__Pb__ListFilesystemVersionsRes list = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_RES__INIT;
    Zrpc__Pb__ReplicationCursorRes cursor = ZRPC__PB__REPLICATION_CURSOR_RES__INIT;
    Zrpc__Pb__SendRes res = ZRPC__PB__SEND_RES__INIT;

    CHECK_STR(pb(&send.base), "SendReq{}");
    send.filesystem = (char *)"pool/ä";
    send.dryrun = 1;
    CHECK_STR(pb(&send.base), "SendReq{Filesystem: \"pool/ä\", DryRun: true}");
    a.name = (char *)"1";
    a.guid = UINT64_MAX;
    b.type = ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Bookmark;
    list.versions = both;
    list.n_versions = 2;
    CHECK_STR(pb(&list.base),
              "ListFilesystemVersionsRes{Versions: [FilesystemVersion{Name: \"1\", Guid: "
              "18446744073709551615}, FilesystemVersion{Type: Bookmark}]}");
    CHECK_STR(pb(&cursor.base), "ReplicationCursorRes{}");
    cursor.result_case = ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_GUID;
    CHECK_STR(pb(&cursor.base), "ReplicationCursorRes{Guid: 0}");
    res.expectedsize = -1;
    CHECK_STR(pb(&res.base), "SendRes{ExpectedSize: -1}");
}

static void undecodable_messages_are_bytes(void)
{
    zrpc_buf_clear(&text);
    zrpc_pbtext_add_encoded(&text, &zrpc__pb__ping_req__descriptor, zrpc_view("\xff\xff", 2));
    CHECK_STR(zrpc_text_str(&text), "not a PingReq: ff ff");
    zrpc_buf_clear(&text);
    zrpc_pbtext_add_encoded(&text, &zrpc__pb__ping_req__descriptor, zrpc_view("\n\2hi", 4));
    CHECK_STR(zrpc_text_str(&text), "PingReq{Message: \"hi\"}");
    zrpc_buf_dispose(&text);
}

static const struct zrpc_test tests[] = {
    {"text grows", text_grows},
    {"quotes escape what a terminal would take for itself", quotes_escape},
    {"bytes are shown as text or hex", bytes_are_text_or_hex},
    {"XML holds anything", xml_holds_anything},
    {"messages show what is set", messages_show_what_is_set},
    {"undecodable messages are bytes", undecodable_messages_are_bytes},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("text", tests, argc, argv);
}
