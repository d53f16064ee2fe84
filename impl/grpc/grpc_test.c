#include "zrpc/grpc.h"

#include <stdio.h>
#include <stdlib.h>

#include "testing/suite.h"
#include "zrepl_v1.pb-c.h"
#include "zrpc/pb.h"

static void status_names_and_codes(void)
{
    CHECK_STR(zrpc_grpc_status_name(ZRPC_GRPC_OK), "OK");
    CHECK_STR(zrpc_grpc_status_name(12), "UNIMPLEMENTED");
    CHECK_STR(zrpc_grpc_status_name(16), "UNAUTHENTICATED");
    CHECK_STR(zrpc_grpc_status_name(17), "UNKNOWN");
    CHECK_STR(zrpc_grpc_status_name(-1), "UNKNOWN");
    CHECK_CODE(zrpc_grpc_status_code(ZRPC_GRPC_OK), 0);
    CHECK_CODE(zrpc_grpc_status_code(ZRPC_GRPC_UNKNOWN), ZRPC_ERR_HANDLER);
    CHECK_CODE(zrpc_grpc_status_code(ZRPC_GRPC_DEADLINE_EXCEEDED), ZRPC_ERR_TIMEOUT);
    CHECK_CODE(zrpc_grpc_status_code(ZRPC_GRPC_UNAVAILABLE), ZRPC_ERR_UNAVAILABLE);
    CHECK_CODE(zrpc_grpc_status_code(99), ZRPC_ERR_HANDLER);
}

static void status_in_a_header(void)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"0", 0},
        {"2", 2},
        {"16", 16},
        {"17", ZRPC_GRPC_UNKNOWN},
        {"99999999999999999999", ZRPC_GRPC_UNKNOWN},
        {"", -1},
        {"-1", -1},
        {"1x", -1},
        {" 1", -1},
        {"007", 7},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(zrpc_grpc_status_parse(zrpc_view_of(rows[i].text)), rows[i].status);
}

static void status_of_http_and_resets(void)
{
    CHECK_INT(zrpc_grpc_status_of_http(404), ZRPC_GRPC_UNIMPLEMENTED);
    CHECK_INT(zrpc_grpc_status_of_http(503), ZRPC_GRPC_UNAVAILABLE);
    CHECK_INT(zrpc_grpc_status_of_http(400), ZRPC_GRPC_INTERNAL);
    CHECK_INT(zrpc_grpc_status_of_http(500), ZRPC_GRPC_UNKNOWN);
    CHECK_INT(zrpc_grpc_status_of_reset(0x0), ZRPC_GRPC_INTERNAL);
    CHECK_INT(zrpc_grpc_status_of_reset(0x7), ZRPC_GRPC_UNAVAILABLE);
    CHECK_INT(zrpc_grpc_status_of_reset(0x8), ZRPC_GRPC_CANCELLED);
    CHECK_INT(zrpc_grpc_status_of_reset(0xb), ZRPC_GRPC_RESOURCE_EXHAUSTED);
    CHECK_INT(zrpc_grpc_status_of_reset(0xffffffff), ZRPC_GRPC_INTERNAL);
}

static void message_encoding(void)
{
    static const struct {
        const char *text, *encoded;
    } rows[] = {
        {"", ""},
        {"plain text, ~!", "plain text, ~!"},
        {"100%", "100%25"},
        {" a b ", "%20a b%20"},
        {"  ", "%20%20"},
        {"a\nb\r\tc", "a%0Ab%0D%09c"},
        {"\x7f", "%7F"},
        {"dataset does not exist: \xc3\xbc"
         "bel %",
         "dataset does not exist: %C3%BCbel %25"},
        {"\xe2\x9c\x93\xf0\x9f\x92\xa9", "%E2%9C%93%F0%9F%92%A9"},
    };
    char out[256], text[256];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = zrpc_grpc_message_encode(zrpc_view_of(rows[i].text), out, sizeof out);

        CHECK_BYTES(zrpc_view(out, n), zrpc_view_of(rows[i].encoded));
        CHECK_INT(zrpc_grpc_message_decode(zrpc_view(out, n), text, sizeof text), strlen(rows[i].text));
        CHECK_STR(text, rows[i].text);
    }
}

static void message_encoding_is_cut_between_characters(void)
{
    char out[16];

    /* "ab" takes 2, the sign 9: 11 in all. */
    CHECK_INT(zrpc_grpc_message_encode(zrpc_view_of("ab\xe2\x9c\x93"), out, 11), 11);
    CHECK_INT(zrpc_grpc_message_encode(zrpc_view_of("ab\xe2\x9c\x93"), out, 10), 2);
    CHECK_INT(zrpc_grpc_message_encode(zrpc_view_of("ab%"), out, 4), 2);
    CHECK_INT(zrpc_grpc_message_encode(zrpc_view_of("ab"), out, 1), 1);
    CHECK_INT(zrpc_grpc_message_encode(zrpc_view_of("ab"), out, 0), 0);
}

static void any_error_text_has_room_encoded(void)
{
    struct zrpc_error err;
    char long_text[2 * ZRPC_ERROR_TEXT_MAX], out[ZRPC_GRPC_MESSAGE_MAX], back[ZRPC_ERROR_TEXT_MAX];
    size_t n;

    memset(long_text, '\n', sizeof long_text);
    long_text[sizeof long_text - 2] = 'x';
    long_text[sizeof long_text - 1] = '\0';
    memset(long_text + ZRPC_ERROR_TEXT_MAX - 2, 'x', 1);
    zrpc_fail(&err, ZRPC_ERR_HANDLER, "%s", long_text);
    n = zrpc_grpc_message_encode(zrpc_view_of(err.text), out, sizeof out);
    zrpc_grpc_message_decode(zrpc_view(out, n), back, sizeof back);
    CHECK_INT(strlen(err.text), ZRPC_ERROR_TEXT_MAX - 1);
    CHECK_STR(back, err.text);
}

static void message_decoding_keeps_what_is_no_escape(void)
{
    static const struct {
        const char *in, *text;
    } rows[] = {
        {"%", "%"},
        {"%4", "%4"},
        {"%4g", "%4g"},
        {"a%zzb", "a%zzb"},
        {"%%41", "%A"},
        {"%41%", "A%"},
        {"%c3%bc", "\xc3\xbc"},
        {"%00x", "?x"},
        {"%C3", "\xc3"},
        {"100% of it", "100% of it"},
    };
    char out[64];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        zrpc_grpc_message_decode(zrpc_view_of(rows[i].in), out, sizeof out);
        CHECK_STR(out, rows[i].text);
    }
    CHECK_INT(zrpc_grpc_message_decode(zrpc_view_of("abcdef"), out, 4), 3);
    CHECK_STR(out, "abc");
    CHECK_INT(zrpc_grpc_message_decode(zrpc_view_of("abcdef"), out, 1), 0);
}

static void every_byte_survives_the_message_codec(void)
{
    for (int c = 1; c < 256; c++) {
        const uint8_t in[] = {'a', (uint8_t)c, 'b'};
        char encoded[16], out[16];
        size_t n = zrpc_grpc_message_encode(zrpc_view(in, 3), encoded, sizeof encoded);

        for (size_t i = 0; i < n; i++)
            CHECK(encoded[i] >= 0x20 && encoded[i] <= 0x7e);
        CHECK_INT(zrpc_grpc_message_decode(zrpc_view(encoded, n), out, sizeof out), 3);
        CHECK_BYTES(zrpc_view(out, 3), zrpc_view(in, 3));
    }
}

static void timeout_format(void)
{
    static const struct {
        zrpc_time timeout;
        const char *text;
    } rows[] = {
        {-5, "1n"},
        {0, "1n"},
        {1, "1n"},
        {99999999, "99999999n"},
        {100000000, "100000u"},
        {100000001, "100001u"},
        {10 * ZRPC_SECOND, "10000000u"},
        {100 * ZRPC_SECOND, "100000m"},
        {100000 * ZRPC_SECOND, "100000S"},
        {100000000 * ZRPC_SECOND, "1666667M"},
        {INT64_MAX, "2562048H"},
    };
    char out[ZRPC_GRPC_TIMEOUT_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_STR(zrpc_grpc_timeout_format(rows[i].timeout, out), rows[i].text);
}

static void timeout_parse(void)
{
    static const struct {
        const char *text;
        zrpc_time timeout; /* -1: refused */
    } rows[] = {
        {"1n", 1},
        {"0S", 0},
        {"4500m", 4500 * ZRPC_MILLISECOND},
        {"99999999u", 99999999 * INT64_C(1000)},
        {"00000001S", ZRPC_SECOND},
        {"2M", 120 * ZRPC_SECOND},
        {"3H", 3 * 3600 * ZRPC_SECOND},
        {"99999999H", ZRPC_NEVER},
        {"", -1},
        {"S", -1},
        {"1", -1},
        {"10", -1},
        {"123456789S", -1},
        {"-1S", -1},
        {"+1S", -1},
        {"1.5S", -1},
        {"1s", -1},
        {"1 S", -1},
        {"1SS", -1},
    };
    struct zrpc_error err;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        zrpc_time timeout = -1;
        int rc = zrpc_grpc_timeout_parse(zrpc_view_of(rows[i].text), &timeout, &err);

        CHECK_CODE(rc, rows[i].timeout < 0 ? ZRPC_ERR_GRPC : 0);
        CHECK_INT(timeout, rows[i].timeout);
    }
}

static void a_formatted_timeout_is_never_shorter(void)
{
    uint64_t random = 42;

    for (int i = 0; i < 10000; i++) {
        char out[ZRPC_GRPC_TIMEOUT_MAX];
        zrpc_time timeout, back;

        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        timeout = (zrpc_time)(random >> 1 >> (i % 60));
        CHECK_OK(zrpc_grpc_timeout_parse(zrpc_view_of(zrpc_grpc_timeout_format(timeout, out)), &back, NULL));
        CHECK(back >= timeout);
        CHECK(back - timeout <= timeout / 10000 + 1);
    }
}

static void content_types(void)
{
    static const struct {
        const char *value;
        bool ok;
    } rows[] = {
        {"application/grpc", true},
        {"application/grpc+proto", true},
        {"application/grpc; charset=utf-8", true},
        {"application/grpc+json", false},
        {"application/grpcx", false},
        {"application/grpc+protox", false},
        {"application/json", false},
        {"", false},
        {"application/grp", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(zrpc_grpc_content_type_ok(zrpc_view_of(rows[i].value)), rows[i].ok);
}

static void put_message(void)
{
    char text[] = "hi";
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    struct zrpc_buf out = {0};
    struct zrpc_error err;

    req.message = text;
    CHECK_OK(zrpc_grpc_put_message(&req.base, 4, &out, &err));
    CHECK_BYTES(zrpc_buf_view(&out), zrpc_view("\0\0\0\0\x04\x0a\x02hi", 9));
    CHECK_CODE(zrpc_grpc_put_message(&req.base, 3, &out, &err), ZRPC_ERR_TOO_BIG);
    CHECK_INT(out.len, 9);
    CHECK_OK(zrpc_grpc_put_message(&req.base, 4, &out, &err));
    CHECK_BYTES(zrpc_buf_view(&out), zrpc_view("\0\0\0\0\x04\x0a\x02hi\0\0\0\0\x04\x0a\x02hi", 18));
    text[0] = '\xff';
    CHECK_CODE(zrpc_grpc_put_message(&req.base, 4, &out, &err), ZRPC_ERR_MESSAGE);
    CHECK_INT(out.len, 18);
    zrpc_buf_dispose(&out);
}

/* What a reader makes of bytes that come in pieces of `piece`, and then end. */
static int read_pieces(struct zrpc_grpc_reader *r, struct zrpc_view in, size_t piece,
                       enum zrpc_grpc_status *status)
{
    struct zrpc_error err;
    int rc = 0;

    *status = ZRPC_GRPC_OK;
    while (rc == 0 && in.len > 0)
        rc = zrpc_grpc_reader_feed(r, zrpc_view_take(&in, in.len < piece ? in.len : piece), status, &err);
    return rc < 0 ? rc : zrpc_grpc_reader_end(r, status, &err);
}

static void reading_messages(void)
{
    static const struct {
        struct zrpc_view in;
        bool encoded;
        int rc;
        enum zrpc_grpc_status status;
    } rows[] = {
        {{(const uint8_t *)"\0\0\0\0\0", 5}, false, 0, ZRPC_GRPC_OK},
        {{(const uint8_t *)"\0\0\0\0\3abc", 8}, false, 0, ZRPC_GRPC_OK},
        {{(const uint8_t *)"\0\0\0\0\3abc", 8}, true, 0, ZRPC_GRPC_OK},
        {{(const uint8_t *)"", 0}, false, ZRPC_ERR_GRPC, ZRPC_GRPC_UNIMPLEMENTED},
        {{(const uint8_t *)"\0\0\0\0", 4}, false, ZRPC_ERR_GRPC, ZRPC_GRPC_INTERNAL},
        {{(const uint8_t *)"\0\0\0\0\3ab", 7}, false, ZRPC_ERR_GRPC, ZRPC_GRPC_INTERNAL},
        {{(const uint8_t *)"\1\0\0\0\3abc", 8}, false, ZRPC_ERR_GRPC, ZRPC_GRPC_INTERNAL},
        {{(const uint8_t *)"\1\0\0\0\3abc", 8}, true, ZRPC_ERR_GRPC, ZRPC_GRPC_UNIMPLEMENTED},
        {{(const uint8_t *)"\2\0\0\0\3abc", 8}, true, ZRPC_ERR_GRPC, ZRPC_GRPC_INTERNAL},
        {{(const uint8_t *)"\0\0\0\0\3abc\0\0\0\0\0", 13}, false, ZRPC_ERR_GRPC, ZRPC_GRPC_UNIMPLEMENTED},
        {{(const uint8_t *)"\0\0\0\0\3abcd", 9}, false, ZRPC_ERR_GRPC, ZRPC_GRPC_UNIMPLEMENTED},
        {{(const uint8_t *)"\0\0\0\0\4abcd", 9}, false, ZRPC_ERR_TOO_BIG, ZRPC_GRPC_RESOURCE_EXHAUSTED},
        {{(const uint8_t *)"\0\xff\xff\xff\xff", 5}, false, ZRPC_ERR_TOO_BIG, ZRPC_GRPC_RESOURCE_EXHAUSTED},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece <= 14; piece++) {
            struct zrpc_grpc_reader r;
            enum zrpc_grpc_status status;

            zrpc_grpc_reader_init(&r, 3);
            r.encoded = rows[i].encoded;
            CHECK_CODE(read_pieces(&r, rows[i].in, piece, &status), rows[i].rc);
            CHECK_INT(status, rows[i].status);
            if (rows[i].rc == 0)
                CHECK_BYTES(zrpc_buf_view(&r.message), zrpc_view(rows[i].in.data + ZRPC_GRPC_PREFIX_LEN,
                                                                 rows[i].in.len - ZRPC_GRPC_PREFIX_LEN));
            zrpc_grpc_reader_dispose(&r);
        }
    }
}

static void an_announced_length_allocates_nothing(void)
{
    struct zrpc_grpc_reader r;
    enum zrpc_grpc_status status;

    zrpc_grpc_reader_init(&r, UINT32_MAX);
    CHECK_OK(zrpc_grpc_reader_feed(&r, zrpc_view("\0\xff\xff\xff\xffx", 6), &status, NULL));
    CHECK(r.message.cap < 1000);
    zrpc_grpc_reader_dispose(&r);
}

static const struct zrpc_test tests[] = {
    {"status names and codes", status_names_and_codes},
    {"status in a header", status_in_a_header},
    {"status of HTTP statuses and of resets", status_of_http_and_resets},
    {"grpc-message encoding", message_encoding},
    {"grpc-message is cut between characters", message_encoding_is_cut_between_characters},
    {"any error text has room as grpc-message", any_error_text_has_room_encoded},
    {"grpc-message decoding keeps what is no escape", message_decoding_keeps_what_is_no_escape},
    {"every byte survives the grpc-message codec", every_byte_survives_the_message_codec},
    {"grpc-timeout formatting", timeout_format},
    {"grpc-timeout parsing", timeout_parse},
    {"a formatted grpc-timeout is never shorter", a_formatted_timeout_is_never_shorter},
    {"content types", content_types},
    {"putting a message", put_message},
    {"reading messages in pieces", reading_messages},
    {"an announced length allocates nothing", an_announced_length_allocates_nothing},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("grpc", tests, argc, argv);
}
