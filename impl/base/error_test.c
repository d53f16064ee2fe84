#include "testing/suite.h"

#include <errno.h>

#include "zrpc/error.h"

static void names_and_bands(void)
{
    static const struct {
        int code;
        const char *name;
        enum zrpc_band band;
    } rows[] = {
        {0, "OK", ZRPC_BAND_OK},
        {7, "UNKNOWN", ZRPC_BAND_OK},
        {ZRPC_ERR_AGAIN, "AGAIN", ZRPC_BAND_LOCAL},
        {ZRPC_ERR_SINK, "SINK", ZRPC_BAND_LOCAL},
        {ZRPC_ERR_HANDSHAKE, "HANDSHAKE", ZRPC_BAND_PROTOCOL},
        {ZRPC_ERR_GRPC, "GRPC", ZRPC_BAND_PROTOCOL},
        {ZRPC_ERR_REFUSED_IDENTITY, "REFUSED_IDENTITY", ZRPC_BAND_PEER},
        {ZRPC_ERR_WRITE_TIMEOUT, "WRITE_TIMEOUT", ZRPC_BAND_TIMEOUT},
        {ZRPC_ERR_RESET, "RESET", ZRPC_BAND_CLOSED},
        {ZRPC_ERR_LISTEN, "LISTEN", ZRPC_BAND_SYSTEM},
        {ZRPC_ERR_TLS_TRUNCATED, "TLS_TRUNCATED", ZRPC_BAND_TLS},
        {-9999, "UNKNOWN", ZRPC_BAND_LOCAL},
        {-2147483647 - 1, "UNKNOWN", ZRPC_BAND_LOCAL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_STR(zrpc_code_name(rows[i].code), rows[i].name);
        CHECK_INT(zrpc_code_band(rows[i].code), rows[i].band);
    }
    CHECK_STR(zrpc_code_meaning(ZRPC_ERR_END), "end of file where more was expected");
    CHECK_STR(zrpc_code_meaning(-9999), "unknown error");
}

static void fails_with_text(void)
{
    struct zrpc_error err;

    CHECK_CODE(zrpc_fail(&err, ZRPC_ERR_FRAME, "type %#x", 0x30000000u), ZRPC_ERR_FRAME);
    CHECK_INT(err.code, ZRPC_ERR_FRAME);
    CHECK_STR(err.text, "type 0x30000000");
    CHECK_CODE(zrpc_fail_errno(&err, ZRPC_ERR_DIAL, ECONNREFUSED, "connect to %s", "h:1"), ZRPC_ERR_DIAL);
    CHECK_STR(err.text, "connect to h:1: Connection refused");
    CHECK_CODE(zrpc_error_prefix(&err, err.code, "job %d", 3), ZRPC_ERR_DIAL);
    CHECK_STR(err.text, "job 3: connect to h:1: Connection refused");
    CHECK_CODE(zrpc_error_prefix(&err, ZRPC_ERR_UNAVAILABLE, "replace"), ZRPC_ERR_UNAVAILABLE);
    CHECK_INT(err.code, ZRPC_ERR_UNAVAILABLE);
}

static void null_is_allowed(void)
{
    CHECK_CODE(zrpc_fail(NULL, ZRPC_ERR_NOMEM, "x"), ZRPC_ERR_NOMEM);
    CHECK_CODE(zrpc_fail_errno(NULL, ZRPC_ERR_SYSTEM, EIO, "x"), ZRPC_ERR_SYSTEM);
    CHECK_CODE(zrpc_error_prefix(NULL, ZRPC_ERR_RESET, "x"), ZRPC_ERR_RESET);
}

static void arguments_may_alias_the_error(void)
{
    struct zrpc_error err;

    zrpc_fail(&err, ZRPC_ERR_SYSTEM, "inner");
    zrpc_fail(&err, ZRPC_ERR_DIAL, "outer (%s, %s)", err.text, err.text);
    CHECK_STR(err.text, "outer (inner, inner)");
}

static void long_texts_are_cut_between_characters(void)
{
    struct zrpc_error err;
    char e_acute[2 * ZRPC_ERROR_TEXT_MAX + 1];

    for (size_t i = 0; i < sizeof e_acute - 1; i++)
        e_acute[i] = i % 2 == 0 ? '\xc3' : '\xa9';
    e_acute[sizeof e_acute - 1] = '\0';
    zrpc_fail(&err, ZRPC_ERR_HANDLER, "%s", e_acute);
    CHECK_INT(strlen(err.text), ZRPC_ERROR_TEXT_MAX - 2);
    CHECK(zrpc_utf8_valid(zrpc_view_of(err.text)));
    zrpc_fail(&err, ZRPC_ERR_HANDLER, "-%s", e_acute);
    CHECK_INT(strlen(err.text), ZRPC_ERROR_TEXT_MAX - 1);
    zrpc_error_prefix(&err, err.code, "%s", e_acute);
    CHECK_INT(strlen(err.text), ZRPC_ERROR_TEXT_MAX - 2);
}

static void texts_are_utf8_without_last_newline(void)
{
    struct zrpc_error err;

    zrpc_fail(&err, ZRPC_ERR_HANDLER, "pool \xff/\xc3\xa9 is full\r\n\n");
    CHECK_STR(err.text, "pool ?/\xc3\xa9 is full");
    zrpc_fail(&err, ZRPC_ERR_HANDLER, "%s", "");
    CHECK_STR(err.text, "");
}

static const struct zrpc_test tests[] = {
    {"names and bands", names_and_bands},
    {"fails with text", fails_with_text},
    {"NULL is allowed", null_is_allowed},
    {"arguments may alias the error", arguments_may_alias_the_error},
    {"long texts are cut between characters", long_texts_are_cut_between_characters},
    {"texts are UTF-8 without last newline", texts_are_utf8_without_last_newline},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("error", tests, argc, argv);
}
