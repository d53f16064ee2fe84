#include "sim/zfs/nvlist.h"
#include "sim/zfs/token.h"
#include "testing/alloc.h"
#include "testing/suite.h"

/* Two tokens of real zfs, from zrepl's tests. */
static const char full[] =
    "1-bf31b879a-b8-789c636064000310a500c4ec50360710e72765a5269740f80cd8e4d3d28a534b18e00024cf8624"
    "9f5459925acc802a8facbf243fbd3433858161f5ddb9ab1ae7c7466a20c97382e5f312735319180af2f3730cf58"
    "166953824c2cc0200cde81651";
static const char incremental[] =
    "1-c49b979a2-e0-"
    "789c636064000310a501c49c50360710a715e5e7a69766a63040c1eabb735735ce8f8d5400b2d991d4e52765a5269740"
    "f82080219f96569c5ac2000720793624f9a4ca92d46206547964fd25f91057f09e37babb88c9bf5503499e132c9f97989bcac050"
    "909f9f"
    "63a80f34abc421096616007c881d4c";

static const struct {
    const char *text;
    struct zrpc_token token;
    const char *printed;
} real[] = {
    {full,
     {.toname = "pool1/test@a", .to_guid = 0x595d9f81aa9dddab, .point = {.object = 1}},
     "resume token contents:\nnvlist version: 0\n\tobject = 0x1\n\toffset = 0x0\n\tbytes = 0x0\n"
     "\ttoguid = 0x595d9f81aa9dddab\n\ttoname = pool1/test@a\n"},
    {incremental,
     {.toname = "pool1/test@b",
      .to_guid = 0x854f02a2dd32cf0d,
      .from_guid = 0x595d9f81aa9dddab,
      .point = {.object = 1}},
     "resume token contents:\nnvlist version: 0\n\tfromguid = 0x595d9f81aa9dddab\n\tobject = 0x1\n\toffset = "
     "0x0\n"
     "\tbytes = 0x0\n\ttoguid = 0x854f02a2dd32cf0d\n\ttoname = pool1/test@b\n"},
};

static void check_equal(const struct zrpc_token *a, const struct zrpc_token *b)
{
    CHECK_STR(a->toname, b->toname);
    CHECK(a->to_guid == b->to_guid && a->from_guid == b->from_guid);
    CHECK(memcmp(&a->point, &b->point, sizeof a->point) == 0);
}

static void real_tokens_are_read_and_made(void)
{
    for (int i = 0; i < 2; i++) {
        struct zrpc_token t;
        struct zrpc_buf text = {0}, printed = {0};

        CHECK_OK(zrpc_token_decode(real[i].text, &t, NULL));
        check_equal(&t, &real[i].token);
        CHECK_OK(zrpc_token_encode(&t, &text, NULL));
        CHECK_STR((const char *)zrpc_buf_view(&text).data, real[i].text);
        CHECK_OK(zrpc_token_print(real[i].text, &printed, NULL));
        CHECK_BYTES(zrpc_buf_view(&printed), zrpc_view_of(real[i].printed));
        zrpc_buf_dispose(&text);
        zrpc_buf_dispose(&printed);
    }
}

static void every_token_comes_back(void)
{
    for (size_t len = 7; len < ZRPC_ZFS_NAME_MAX; len += 4) {
        struct zrpc_token t = {
            .to_guid = UINT64_MAX - len, .from_guid = len % 8, .point = {len, len << 40, len << 9}};
        struct zrpc_token again;
        struct zrpc_buf text = {0};

        for (size_t i = 0; i < len; i++)
            t.toname[i] = (char)('a' + zrpc_sim_mix(i) % 26);
        t.toname[1 + len / 2] = '@';
        CHECK_OK(zrpc_token_encode(&t, &text, NULL));
        CHECK(text.len < ZRPC_TOKEN_MAX);
        CHECK_OK(zrpc_token_decode((const char *)zrpc_buf_view(&text).data, &again, NULL));
        check_equal(&again, &t);
        zrpc_buf_dispose(&text);
    }
}

/* Other letters of the same digits apart, nothing but the token itself passes. */
static void every_changed_character_is_found(void)
{
    static const char others[] = "0123456789abcdef-x ";
    char text[sizeof incremental];

    for (size_t i = 0; i < sizeof incremental - 1; i++) {
        for (const char *c = others; *c != '\0'; c++) {
            struct zrpc_token t;
            struct zrpc_error err;

            memcpy(text, incremental, sizeof text);
            if (text[i] == *c)
                continue;
            text[i] = *c;
            if (CHECK_CODE(zrpc_token_decode(text, &t, &err), ZRPC_ERR_ZFS))
                CHECK_CONTAINS(err.text, "resume token is corrupt");
        }
    }
}

static void every_cut_token_is_refused(void)
{
    char text[sizeof incremental];

    for (size_t len = 0; len < sizeof incremental - 1; len++) {
        struct zrpc_token t;
        struct zrpc_error err;

        memcpy(text, incremental, sizeof text);
        text[len] = '\0';
        if (CHECK_CODE(zrpc_token_decode(text, &t, &err), ZRPC_ERR_ZFS))
            CHECK_CONTAINS(err.text, "resume token is corrupt");
    }
}

static void corrupt_tokens_are_told_apart(void)
{
    static char longest[ZRPC_TOKEN_MAX + 2];
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "(invalid format)"},
        {"hello", "(invalid format)"},
        {"1-2-", "(invalid format)"},
        {"1-2-3", "(invalid format)"},
        {"-1-2-3-", "(invalid format)"},
        {"1-11112222333344445-3-", "(invalid format)"},
        {longest, "(invalid format)"},
        {"2-0-0-", "(invalid version 2)"},
        {"1-0-8-012", "(payload is not hex-encoded)"},
        {"1-0-8-01234g", "(payload is not hex-encoded)"},
        {"1-0-8-01-23", "(payload is not hex-encoded)"},
        {"1-1-8-01", "(incorrect checksum)"},
        {"1-0-8-01", "(decompression failed)"},
        {"1-0-0-", "(decompression failed)"},
        {"1-0-ffffffffffffffff-", "(decompression failed)"},
    };

    memset(longest, '1', sizeof longest - 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_token t;
        struct zrpc_buf out = {0};
        struct zrpc_error err;

        CHECK_CODE(zrpc_token_decode(rows[i].text, &t, &err), ZRPC_ERR_ZFS);
        CHECK_CONTAINS(err.text, rows[i].why);
        CHECK_CODE(zrpc_token_print(rows[i].text, &out, &err), ZRPC_ERR_ZFS);
        CHECK_INT(out.len, 0);
    }
}

/* A name that is no name may be printed, as zfs does, but goes no further. */
static void names_that_zfs_does_not_know_are_refused(void)
{
    static const char *const names[] = {"tank",           "tank/a",    "@a",   "tank@",     "tank@a@b",
                                        "/tank@a",        "tank//a@b", "-r@a", "tank@../a", "tank/..@a",
                                        "tank$(reboot)@a"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct zrpc_token t = {.to_guid = 1}, again;
        struct zrpc_buf text = {0};
        struct zrpc_error err;

        memcpy(t.toname, names[i], strlen(names[i]) + 1);
        CHECK_OK(zrpc_token_encode(&t, &text, NULL));
        CHECK_CODE(zrpc_token_decode((const char *)zrpc_buf_view(&text).data, &again, &err), ZRPC_ERR_ZFS);
        CHECK_CONTAINS(err.text, "resume token is corrupt (bad snapshot name)");
        zrpc_buf_dispose(&text);
    }
}

/* Lists. */

static void make_list(struct zrpc_nvlist *l)
{
    *l = (struct zrpc_nvlist){.len = 0};
    CHECK_OK(zrpc_nvlist_put_uint64(l, "number", 0x1122334455667788, NULL));
    CHECK_OK(zrpc_nvlist_put_string(l, "string", "eight by", NULL));
    l->pairs[2] = (struct zrpc_nvpair){.name = "there", .type = ZRPC_NV_BOOLEAN};
    l->len = 3;
}

/* As libnvpair 2.1.11 packs this list. */
static void lists_have_the_real_form(void)
{
    static const uint8_t expected[] =
        "\0\1\0\0"
        "\0\0\0\0"
        "\1\0\0\0"
        "\40\0\0\0"
        "\7\0\0\0"
        "\1\0\0\0"
        "\10\0\0\0"
        "number\0\0"
        "\x88\x77\x66\x55\x44\x33\x22\x11"
        "\50\0\0\0"
        "\7\0\0\0"
        "\1\0\0\0"
        "\11\0\0\0"
        "string\0\0"
        "eight by\0\0\0\0\0\0\0\0"
        "\30\0\0\0"
        "\6\0\0\0"
        "\0\0\0\0"
        "\1\0\0\0"
        "there\0\0\0"
        "\0\0\0";
    uint8_t packed[ZRPC_NVLIST_PACKED_MAX];
    struct zrpc_nvlist l, again;
    struct zrpc_buf out = {0};

    make_list(&l);
    CHECK_BYTES(zrpc_view(packed, zrpc_nvlist_pack(&l, packed)), zrpc_view(expected, sizeof expected));
    CHECK_OK(zrpc_nvlist_unpack(zrpc_view(expected, sizeof expected), &again, NULL));
    CHECK_INT(again.len, 3);
    CHECK(zrpc_nvlist_find(&again, "number", ZRPC_NV_UINT64)->number == 0x1122334455667788);
    CHECK_STR(zrpc_nvlist_find(&again, "string", ZRPC_NV_STRING)->string, "eight by");
    CHECK(zrpc_nvlist_find(&again, "there", ZRPC_NV_BOOLEAN) != NULL);
    CHECK(zrpc_nvlist_find(&again, "there", ZRPC_NV_STRING) == NULL);
    CHECK_OK(zrpc_nvlist_print(&again, &out, NULL));
    CHECK_BYTES(zrpc_buf_view(&out), zrpc_view_of("nvlist version: 0\n\tnumber = 0x1122334455667788\n"
                                                  "\tstring = eight by\n\tthere = 1\n"));
    zrpc_buf_dispose(&out);
}

/* What is unpacked from changed bytes packs to just these: nothing is overlooked. */
static void lists_are_read_strictly(void)
{
    uint8_t packed[ZRPC_NVLIST_PACKED_MAX], again[ZRPC_NVLIST_PACKED_MAX];
    struct zrpc_nvlist l;
    size_t size, passed = 0;

    make_list(&l);
    size = zrpc_nvlist_pack(&l, packed);
    for (size_t len = 0; len < size; len++)
        CHECK_CODE(zrpc_nvlist_unpack(zrpc_view(packed, len), &l, NULL), ZRPC_ERR_ZFS);
    packed[size] = 0;
    CHECK_CODE(zrpc_nvlist_unpack(zrpc_view(packed, size + 1), &l, NULL), ZRPC_ERR_ZFS);
    for (size_t i = 0; i < 8 * size; i++) {
        packed[i / 8] ^= (uint8_t)(1 << i % 8);
        if (zrpc_nvlist_unpack(zrpc_view(packed, size), &l, NULL) == 0) {
            CHECK_BYTES(zrpc_view(again, zrpc_nvlist_pack(&l, again)), zrpc_view(packed, size));
            passed++;
        }
        packed[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    CHECK(passed > 64 && passed < 64 + 8 * 26); /* the number's bits, and letters for other letters */
}

static void lists_have_limits(void)
{
    char name[64] = "a";
    struct zrpc_nvlist l = {.len = 0};
    struct zrpc_error err;
    static char longest[ZRPC_NVLIST_STRING_MAX + 1];

    memset(longest, 'x', ZRPC_NVLIST_STRING_MAX);
    CHECK_CODE(zrpc_nvlist_put_string(&l, "a", longest, &err), ZRPC_ERR_USAGE);
    longest[ZRPC_NVLIST_STRING_MAX - 1] = '\0';
    CHECK_OK(zrpc_nvlist_put_string(&l, "a", longest, &err));
    CHECK_CODE(zrpc_nvlist_put_string(&l, "a", "again", &err), ZRPC_ERR_USAGE);
    for (int i = 1; i < ZRPC_NVLIST_MAX; i++, name[0]++)
        CHECK_OK(zrpc_nvlist_put_uint64(&l, (name[1] = 'x', name), 1, &err));
    CHECK_CODE(zrpc_nvlist_put_uint64(&l, "more", 1, &err), ZRPC_ERR_USAGE);
    l.len = 1;
    memset(name, 'n', ZRPC_NVLIST_NAME_MAX);
    CHECK_CODE(zrpc_nvlist_put_uint64(&l, name, 1, &err), ZRPC_ERR_USAGE);
}

static int encode_and_print(void *arg)
{
    struct zrpc_buf out = {0};
    struct zrpc_error err;
    int rc;

    (void)arg;
    rc = zrpc_token_encode(&real[1].token, &out, &err);
    if (rc == 0)
        rc = zrpc_token_print(real[1].text, &out, &err);
    zrpc_buf_dispose(&out);
    return rc;
}

static void tokens_survive_want_of_memory(void)
{
    CHECK(zrpc_alloc_each(encode_and_print, NULL) >= 2);
}

static const struct zrpc_test tests[] = {
    {"real tokens are read and made", real_tokens_are_read_and_made},
    {"every token comes back", every_token_comes_back},
    {"every changed character is found", every_changed_character_is_found},
    {"every cut token is refused", every_cut_token_is_refused},
    {"corrupt tokens are told apart", corrupt_tokens_are_told_apart},
    {"names that zfs does not know are refused", names_that_zfs_does_not_know_are_refused},
    {"lists have the real form", lists_have_the_real_form},
    {"lists are read strictly", lists_are_read_strictly},
    {"lists have limits", lists_have_limits},
    {"tokens survive want of memory", tokens_survive_want_of_memory},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim/token", tests, argc, argv);
}
