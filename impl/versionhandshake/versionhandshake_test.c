#include "testing/alloc.h"
#include "testing/suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "zrpc/versionhandshake.h"

#define OURS "0000000056 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n"

/* Feeds all of `in` in portions of at most `most` bytes (0: random ones); *left is what was not taken. */
static int feed(struct zrpc_banner_reader *r, struct zrpc_view in, size_t most, size_t *left,
                struct zrpc_error *err)
{
    int rc = 0;

    while (rc == 0 && in.len > 0) {
        size_t n = most > 0 ? most : (size_t)random() % 9;
        struct zrpc_view part = zrpc_view(in.data, n < in.len ? n : in.len);
        size_t given = part.len;

        rc = zrpc_banner_reader_feed(r, &part, err);
        CHECK(rc != 0 || part.len == 0);
        zrpc_view_take(&in, given - part.len);
    }
    *left = in.len;
    return rc;
}

static void our_banner_is_exact(void)
{
    const struct zrpc_banner banner = {.version = 1};
    struct zrpc_buf out = {0};

    CHECK_OK(zrpc_banner_encode(&banner, &out, NULL));
    CHECK_BYTES(zrpc_buf_view(&out), zrpc_view_of(OURS));
    CHECK_INT(out.len, 67);
    zrpc_buf_dispose(&out);
}

static void extensions_are_encoded(void)
{
    struct zrpc_view extensions[] = {zrpc_view_of("foo"), zrpc_view_of(""), zrpc_view_of("b\xc3\xa4r")};
    const struct zrpc_banner banner = {.version = 9999, .extensions = extensions, .n_extensions = 3};
    struct zrpc_banner_reader r;
    struct zrpc_buf out = {0};
    size_t left;

    CHECK_OK(zrpc_buf_append(&out, zrpc_view_of("|"), NULL));
    CHECK_OK(zrpc_banner_encode(&banner, &out, NULL));
    CHECK_BYTES(zrpc_buf_view(&out),
                zrpc_view_of("|0000000066 ZREPL_ZFS_REPLICATION PROTOVERSION=9999 EXTENSIONS=0003\n"
                             "foo\n\nb\xc3\xa4r\n"));
    zrpc_buf_consume(&out, 1);
    zrpc_banner_reader_init(&r);
    CHECK_INT(feed(&r, zrpc_buf_view(&out), SIZE_MAX, &left, NULL), 1);
    CHECK_INT(r.version, 9999);
    CHECK_INT(r.n_extensions, 3);
    CHECK_INT(left, 0);
    zrpc_banner_reader_dispose(&r);
    zrpc_buf_dispose(&out);
}

static void what_must_not_be_sent_is_refused(void)
{
    static struct zrpc_view many[ZRPC_BANNER_EXTENSIONS_MAX + 1];
    static char text[ZRPC_BANNER_BODY_MAX];
    struct zrpc_view newline = zrpc_view_of("a\nb"), no_utf8 = zrpc_view_of("a\xff"), longest;
    const struct zrpc_banner refused[] = {
        {.version = 0},
        {.version = 10000},
        {.version = 1, .extensions = &newline, .n_extensions = 1},
        {.version = 1, .extensions = &no_utf8, .n_extensions = 1},
        {.version = 1, .extensions = many, .n_extensions = ZRPC_BANNER_EXTENSIONS_MAX + 1},
    };
    struct zrpc_banner banner = {.version = 1, .extensions = &longest, .n_extensions = 1};
    struct zrpc_buf out = {0};

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        CHECK_CODE(zrpc_banner_encode(&refused[i], &out, NULL), ZRPC_ERR_USAGE);
    memset(text, 'x', sizeof text);
    longest = zrpc_view(text, ZRPC_BANNER_BODY_MAX - 56);
    CHECK_CODE(zrpc_banner_encode(&banner, &out, NULL), ZRPC_ERR_USAGE);
    CHECK_INT(out.len, 0);
    longest.len--;
    CHECK_OK(zrpc_banner_encode(&banner, &out, NULL));
    CHECK_INT(out.len, 11 + ZRPC_BANNER_BODY_MAX);
    banner =
        (struct zrpc_banner){.version = 1, .extensions = many, .n_extensions = ZRPC_BANNER_EXTENSIONS_MAX};
    CHECK_OK(zrpc_banner_encode(&banner, &out, NULL));
    zrpc_buf_dispose(&out);
}

static void valid_banner_is_read_and_nothing_after_it(void)
{
    static const char in[] = OURS "zrepl_data";
    const struct zrpc_view all = zrpc_view_of(in);

    srandom(6);
    for (int round = 0; round < 500; round++) {
        static const size_t portions[] = {SIZE_MAX, 1, 0};
        struct zrpc_banner_reader r;
        size_t left;

        zrpc_banner_reader_init(&r);
        CHECK_INT(feed(&r, all, portions[round < 2 ? round : 2], &left, NULL), 1);
        CHECK_INT(r.version, 1);
        CHECK_INT(r.n_extensions, 0);
        CHECK_INT(left, strlen("zrepl_data"));
        zrpc_banner_reader_dispose(&r);
    }
}

static void wants_never_reads_past_the_banner(void)
{
    static const char in[] = OURS;
    struct zrpc_view all = zrpc_view_of(in);
    struct zrpc_banner_reader r;
    size_t wants;
    int rc = 0;

    zrpc_banner_reader_init(&r);
    CHECK_INT(zrpc_banner_reader_wants(&r), 11);
    while (rc == 0 && (wants = zrpc_banner_reader_wants(&r)) > 0 && wants <= all.len) {
        struct zrpc_view part = zrpc_view_take(&all, wants > 3 ? 3 : wants);

        rc = zrpc_banner_reader_feed(&r, &part, NULL);
    }
    CHECK_INT(rc, 1);
    CHECK_INT(all.len, 0);
    CHECK_INT(zrpc_banner_reader_wants(&r), 0);
    all = zrpc_view_of("more");
    CHECK_INT(zrpc_banner_reader_feed(&r, &all, NULL), 1);
    CHECK_INT(all.len, 4);
    zrpc_banner_reader_dispose(&r);
}

#define BODY "ZREPL_ZFS_REPLICATION PROTOVERSION="

static void invalid_banners_are_refused(void)
{
    static const struct {
        const char *in, *text; /* what the error says */
    } cases[] = {
        {"-000000056 " BODY "0001 EXTENSIONS=0000\n", "'-' at byte 0 of the length, expected a digit"},
        {"+000000056 " BODY "0001 EXTENSIONS=0000\n", "'+' at byte 0"},
        {"        56 " BODY "0001 EXTENSIONS=0000\n", "byte 0x20 at byte 0"},
        {"56 ", "byte 0x20 at byte 2"},
        {"000000005x ", "'x' at byte 9"},
        {"0x00000038 ", "'x' at byte 1"},
        {"0000000056\t", "byte 0x09 at byte 10 of the length, expected a space"},
        {"00000000056 ", "'6' at byte 10"},
        {"\xff\xfe", "byte 0xff at byte 0"},
        {"GET / HTTP/1.1\r\n", "'G' at byte 0"},
        {"0000065537 ", "announces 0000065537 bytes, at most 65536"},
        {"9999999999 ", "announces 9999999999 bytes"},
        {"4294967352 ", "announces 4294967352 bytes"}, /* 2^32 + 56 */
        {"0000000000 ", "the end at byte 0 after the length"},
        {"0000000001 Z", "the end at byte 1"},
        {"0000000055 " BODY "0001 EXTENSIONS=0000",
         "the end at byte 55 after the length, expected the end of the line"},
        {"0000000056 zREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n", "'z' at byte 0"},
        {"0000000056 ZREPL_ZFS_REPLICATION PROTOVERSION:0001 EXTENSIONS=0000\n", "':' at byte 34"},
        {"0000000056 ZREPL_ZFS_REPLICATION EXTENSIONS=0000 PROTOVERSION=0001\n", "'E' at byte 22"},
        {"0000000056 " BODY "0001\nEXTENSIONS=0000\n",
         "byte 0x0a at byte 39 after the length, expected \" EXTENSIONS=\""},
        {"0000000056 " BODY "0001 EXTENSIONS=0000 ", "byte 0x20 at byte 55"},
        {"0000000057 " BODY "0001 EXTENSIONS=0000\r\n", "byte 0x0d at byte 55"},
        {"0000000056 " BODY "0000 EXTENSIONS=0000\n", "protocol version 0"},
        {"0000000056 " BODY "-001 EXTENSIONS=0000\n",
         "'-' at byte 35 after the length, expected a number of four"},
        {"0000000056 " BODY "   1 EXTENSIONS=0000\n", "byte 0x20 at byte 35"},
        {"0000000053 " BODY "1 EXTENSIONS=0000\n", "byte 0x20 at byte 36"},
        {"0000000057 " BODY "00001 EXTENSIONS=0000\n", "'1' at byte 39"},
        {"0000000053 " BODY "0001 EXTENSIONS=0\n", "byte 0x0a at byte 52"},
        {"0000000056 " BODY "0001 EXTENSIONS=-001\n", "'-' at byte 51"},
        {"0000000057 " BODY "0001 EXTENSIONS=0000\nx", "goes on after its last line"},
        {"0000000058 " BODY "0001 EXTENSIONS=0000\nx\n", "announces 0 extensions and has 1"},
        {"0000000057 " BODY "0001 EXTENSIONS=0000\n\n", "announces 0 extensions and has 1"},
        {"0000000056 " BODY "0001 EXTENSIONS=0001\n", "announces 1 extensions and has 0"},
        {"0000000060 " BODY "0001 EXTENSIONS=0001\na\nb\n", "announces 1 extensions and has 2"},
        {"0000000059 " BODY "0001 EXTENSIONS=0001\na\nb", "goes on after its last line"},
        {"0000000057 " BODY "0001 EXTENSIONS=0001\na", "announces 1 extensions and has 0"},
        {"0000000056 " BODY "0001 EXTENSIONS=9999\n", "at most 9998"},
        {"0000000059 " BODY "0001 EXTENSIONS=0001\na\xff\n", "not UTF-8"},
        {"0000000060 " BODY "0001 EXTENSIONS=0001\na\xe2\x9c\n", "not UTF-8"},
    };

    srandom(7);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int round = 0; round < 20; round++) {
            static const size_t portions[] = {SIZE_MAX, 1, 0};
            struct zrpc_banner_reader r;
            struct zrpc_error err = {0};
            size_t left;
            int rc;

            zrpc_banner_reader_init(&r);
            rc = feed(&r, zrpc_view_of(cases[i].in), portions[round < 2 ? round : 2], &left, &err);
            if (rc == 0) { /* an empty body is over before it begins */
                struct zrpc_view nothing = zrpc_view(NULL, 0);

                rc = zrpc_banner_reader_feed(&r, &nothing, &err);
            }
            zrpc_check_code(rc, ZRPC_ERR_HANDSHAKE, cases[i].in, __FILE__, __LINE__);
            zrpc_check_contains(err.text, cases[i].text, cases[i].in, __FILE__, __LINE__);
            zrpc_banner_reader_dispose(&r);
        }
    }
}

static void too_long_a_body_is_refused_unread(void)
{
    struct zrpc_view in = zrpc_view_of("0000065537 ZREPL");
    struct zrpc_banner_reader r;

    zrpc_banner_reader_init(&r);
    CHECK_CODE(zrpc_banner_reader_feed(&r, &in, NULL), ZRPC_ERR_HANDSHAKE);
    CHECK_INT(in.len, 5);
    CHECK(r.body.base == NULL);
    zrpc_banner_reader_dispose(&r);
}

/* The longest legal banner: 65536 bytes, of which nothing is allocated before it arrives. */
static void longest_banner_is_read(void)
{
    static char extension[ZRPC_BANNER_BODY_MAX - 57];
    struct zrpc_view view = zrpc_view(memset(extension, 'x', sizeof extension), sizeof extension);
    const struct zrpc_banner banner = {.version = 1, .extensions = &view, .n_extensions = 1};
    struct zrpc_banner_reader r;
    struct zrpc_buf out = {0};
    struct zrpc_view in;

    CHECK_OK(zrpc_banner_encode(&banner, &out, NULL));
    zrpc_banner_reader_init(&r);
    in = zrpc_view(out.base, 100);
    CHECK_INT(zrpc_banner_reader_feed(&r, &in, NULL), 0);
    CHECK(r.body.cap < 1024);
    CHECK_INT(zrpc_banner_reader_wants(&r), ZRPC_BANNER_BODY_MAX - 89);
    in = zrpc_view(out.base + 100, out.len - 100);
    CHECK_INT(zrpc_banner_reader_feed(&r, &in, NULL), 1);
    CHECK_INT(r.n_extensions, 1);
    zrpc_banner_reader_dispose(&r);
    zrpc_buf_dispose(&out);
}

static void incomplete_banner_wants_more(void)
{
    static const char in[] = OURS;

    for (size_t len = 0; len < sizeof in - 1; len++) {
        struct zrpc_view part = zrpc_view(in, len);
        struct zrpc_banner_reader r;

        zrpc_banner_reader_init(&r);
        CHECK_INT(zrpc_banner_reader_feed(&r, &part, NULL), 0);
        CHECK_INT(part.len, 0);
        zrpc_banner_reader_dispose(&r);
    }
}

/* Every single-byte change of a valid banner is refused, or another valid version. */
static void every_changed_byte_counts(void)
{
    char in[] = OURS;

    for (size_t i = 0; i < sizeof in - 1; i++) {
        char was = in[i];

        for (int c = 0; c < 256; c++) {
            struct zrpc_view view = zrpc_view(in, sizeof in - 1);
            struct zrpc_banner_reader r;
            int rc;

            in[i] = (char)c;
            zrpc_banner_reader_init(&r);
            rc = zrpc_banner_reader_feed(&r, &view, NULL);
            if (c == (unsigned char)was || (rc == 1 && r.version != 1))
                CHECK_INT(rc, 1);
            else if (i < 10 && rc == 0) /* a longer body, of which more is to come */
                CHECK(c > was && c <= '9' && zrpc_banner_reader_wants(&r) > 0);
            else
                CHECK_CODE(rc, ZRPC_ERR_HANDSHAKE);
            zrpc_banner_reader_dispose(&r);
        }
        in[i] = was;
    }
}

static void noise_is_survived(void)
{
    srandom(8);
    for (int round = 0; round < 20000; round++) {
        char in[] = "0000000064 " BODY "0001 EXTENSIONS=0002\nfoo\nbar\n";
        struct zrpc_banner_reader r;
        struct zrpc_error err;
        size_t left;
        int rc;

        for (int changes = (int)(random() % 6); changes >= 0; changes--)
            in[(size_t)random() % (sizeof in - 1)] = (char)random();
        zrpc_banner_reader_init(&r);
        rc = feed(&r, zrpc_view(in, sizeof in - 1), 0, &left, &err);
        CHECK(rc == 0 || rc == 1 || rc == ZRPC_ERR_HANDSHAKE);
        zrpc_banner_reader_dispose(&r);
    }
}

static int shake(unsigned ours, const char *theirs, struct zrpc_error *err)
{
    struct zrpc_view in = zrpc_view_of(theirs);
    struct zrpc_versionhandshake hs;
    int rc;

    CHECK_OK(zrpc_versionhandshake_init(&hs, ours, NULL));
    CHECK_INT(hs.output.len, 67); /* at once: nobody waits for the other */
    rc = zrpc_versionhandshake_feed(&hs, &in, err);
    CHECK_INT(hs.received, rc == 1 || rc == ZRPC_ERR_VERSION);
    zrpc_versionhandshake_dispose(&hs);
    return rc;
}

static void equal_versions_agree(void)
{
    CHECK_INT(shake(1, OURS, NULL), 1);
    CHECK_INT(shake(7, "0000000056 " BODY "0007 EXTENSIONS=0000\n", NULL), 1);
    CHECK_INT(shake(1, "0000000064 " BODY "0001 EXTENSIONS=0002\nfoo\nbar\n", NULL),
              1); /* unknown, ignored */
    CHECK_INT(shake(1, "0000000056 ", NULL), 0);
    CHECK_CODE(shake(1, "garbage", NULL), ZRPC_ERR_HANDSHAKE);
}

static void different_versions_are_both_named(void)
{
    struct zrpc_error err;

    CHECK_CODE(shake(1, "0000000056 " BODY "0005 EXTENSIONS=0000\n", &err), ZRPC_ERR_VERSION);
    CHECK_CONTAINS(err.text, "ours is 1");
    CHECK_CONTAINS(err.text, "the peer's is 5");
}

static void our_version_must_be_valid(void)
{
    struct zrpc_versionhandshake hs;

    CHECK_CODE(zrpc_versionhandshake_init(&hs, 0, NULL), ZRPC_ERR_USAGE);
    zrpc_versionhandshake_dispose(&hs);
}

static int shake_hands(void *arg)
{
    struct zrpc_view in = zrpc_view_of(OURS);
    struct zrpc_versionhandshake hs;
    int rc;

    (void)arg;
    if ((rc = zrpc_versionhandshake_init(&hs, 1, NULL)) == 0)
        rc = zrpc_versionhandshake_feed(&hs, &in, NULL);
    zrpc_versionhandshake_dispose(&hs);
    return rc == 1 ? 0 : rc;
}

static void handshake_without_memory(void)
{
    CHECK_INT(zrpc_alloc_each(shake_hands, NULL), 2);
}

static const struct zrpc_test tests[] = {
    {"our banner is exact", our_banner_is_exact},
    {"extensions are encoded", extensions_are_encoded},
    {"what must not be sent is refused", what_must_not_be_sent_is_refused},
    {"a valid banner is read, and nothing after it", valid_banner_is_read_and_nothing_after_it},
    {"what is wanted is never past the banner", wants_never_reads_past_the_banner},
    {"invalid banners are refused", invalid_banners_are_refused},
    {"too long a body is refused unread", too_long_a_body_is_refused_unread},
    {"the longest banner is read", longest_banner_is_read},
    {"an incomplete banner wants more", incomplete_banner_wants_more},
    {"every changed byte counts", every_changed_byte_counts},
    {"noise is survived", noise_is_survived},
    {"equal versions agree", equal_versions_agree},
    {"different versions are both named", different_versions_are_both_named},
    {"a handshake without memory", handshake_without_memory},
    {"our version must be valid", our_version_must_be_valid},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("versionhandshake", tests, argc, argv);
}
