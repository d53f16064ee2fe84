/* What makes the fields of a message malformed, and what does not. */
#include "zrpc/h2_fields.h"

#include <stdlib.h>

#include "testing/suite.h"

#define FIELDS_MAX 10

struct row {
    const char *flaw; /* part of it; NULL: none */
    const char *fields[2 * FIELDS_MAX + 1];
};

/* Ends the section; the stream goes on if it may. */
static bool take(struct zrpc_h2_fields *f, enum zrpc_h2_section section, const char *const *fields)
{
    zrpc_h2_fields_begin(f, section);
    for (; fields[0] != NULL; fields += 2)
        zrpc_h2_fields_take(f, zrpc_view_of(fields[0]), zrpc_view_of(fields[1]));
    return zrpc_h2_fields_end(f, section == ZRPC_H2_TRAILERS);
}

static void check_rows(enum zrpc_h2_section section, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct zrpc_h2_fields f;

        zrpc_h2_fields_init(&f);
        CHECK_INT(take(&f, section, rows[i].fields), rows[i].flaw == NULL);
        if (rows[i].flaw == NULL)
            CHECK(f.flaw == NULL);
        else if (CHECK(f.flaw != NULL))
            CHECK_CONTAINS(f.flaw, rows[i].flaw);
    }
}

#define CHECK_ROWS(section, rows) check_rows(section, rows, sizeof(rows) / sizeof((rows)[0]))
#define POST                      ":method", "POST", ":scheme", "http", ":path", "/a/b"

static void requests(void)
{
    static const struct row rows[] = {
        {NULL, {POST}},
        {NULL, {POST, ":authority", "doesn't matter", "te", "trailers", "content-type", "application/grpc"}},
        {NULL, {POST, ":authority", " \x01\xff ", "te", "Trailers", "user-agent", "grpc-go/1.17.0"}},
        {NULL, {POST, ":authority", ""}},
        {NULL, {":path", "*", ":method", "OPTIONS", ":scheme", "https"}},
        {NULL, {POST, "x", "", "x", "twice", "x-bin", "\x80\xff", "grpc-message", " blanks "}},
        {NULL, {":method", "CONNECT", ":authority", "host:1"}},
        {NULL, {POST, "content-length", "18446744073709551615"}},
        {"without :method", {":scheme", "http", ":path", "/a/b"}},
        {"without :method", {":method", "POST", ":path", "/a/b"}},
        {"without :method", {":method", "POST", ":scheme", "http"}},
        {"without :method", {NULL}},
        {"CONNECT", {":method", "CONNECT", ":scheme", "http", ":path", "/", ":authority", "host:1"}},
        {"CONNECT", {":method", "CONNECT"}},
        {"empty", {":method", "", ":scheme", "http", ":path", "/a/b"}},
        {"empty", {":method", "POST", ":scheme", "", ":path", "/a/b"}},
        {"empty", {":method", "POST", ":scheme", "http", ":path", ""}},
        {"twice", {POST, ":method", "POST"}},
        {"twice", {POST, ":scheme", "http"}},
        {"twice", {POST, ":path", "/a/b"}},
        {"twice", {POST, ":authority", "a", ":authority", "a"}},
        {"twice", {POST, "content-length", "0", "content-length", "0"}},
        {"behind", {"te", "trailers", POST}},
        {"behind", {POST, "te", "trailers", ":authority", "late"}},
        {"unknown pseudo", {POST, ":protocol", "websocket"}},
        {"unknown pseudo", {POST, ":", "x"}},
        {"unknown pseudo", {POST, ":Path", "/a/b"}},
        {"does not belong", {POST, ":status", "200"}},
        {"HTTP/1", {POST, "connection", "close"}},
        {"HTTP/1", {POST, "keep-alive", "1"}},
        {"HTTP/1", {POST, "proxy-connection", "close"}},
        {"HTTP/1", {POST, "transfer-encoding", "chunked"}},
        {"HTTP/1", {POST, "upgrade", "h2c"}},
        {"te with more", {POST, "te", "gzip"}},
        {"te with more", {POST, "te", "trailers, gzip"}},
        {"te with more", {POST, "te", ""}},
        {"field name", {POST, "X-Upper", "1"}},
        {"field name", {POST, "Connection", "close"}},
        {"field name", {POST, "x y", "1"}},
        {"field name", {POST, "x:y", "1"}},
        {"field name", {POST, "", "1"}},
        {"field name", {POST, "\xc3\xbc", "1"}},
        {"field value", {POST, "x", "a\rb"}},
        {"field value", {POST, "x", "a\nb"}},
        {"field value", {":method", "POST", ":scheme", "http", ":path", "/a\n"}},
        {"field value", {POST, "grpc-message", "a\nb"}},
        {"blank", {POST, "x", " a"}},
        {"blank", {POST, "x", "a\t"}},
        {"no number", {POST, "content-length", "-1"}},
        {"no number", {POST, "content-length", ""}},
        {"no number", {POST, "content-length", "5, 5"}},
        {"no number", {POST, "content-length", "18446744073709551616"}},
    };

    CHECK_ROWS(ZRPC_H2_REQUEST, rows);
}

static void zero_bytes_are_seen(void)
{
    struct zrpc_h2_fields f;

    zrpc_h2_fields_init(&f);
    zrpc_h2_fields_begin(&f, ZRPC_H2_REQUEST);
    CHECK(!zrpc_h2_fields_take(&f, zrpc_view("x", 1), zrpc_view("a\0b", 3)));
    zrpc_h2_fields_init(&f);
    zrpc_h2_fields_begin(&f, ZRPC_H2_REQUEST);
    CHECK(!zrpc_h2_fields_take(&f, zrpc_view("x\0", 2), zrpc_view("a", 1)));
}

static void responses(void)
{
    static const struct row rows[] = {
        {NULL, {":status", "200", "content-type", "application/grpc"}},
        {NULL, {":status", "200", "grpc-status", "2", "grpc-message", "that was all "}},
        {NULL, {":status", "103", "link", "</a>"}},
        {"without :status", {"content-type", "application/grpc"}},
        {"without :status", {NULL}},
        {"twice", {":status", "200", ":status", "200"}},
        {"behind", {"content-type", "application/grpc", ":status", "200"}},
        {"does not belong", {":status", "200", ":path", "/"}},
        {":status that is none", {":status", "20"}},
        {":status that is none", {":status", "2000"}},
        {":status that is none", {":status", "099"}},
        {":status that is none", {":status", "2x0"}},
        {"101", {":status", "101"}},
        {"HTTP/1", {":status", "200", "connection", "close"}},
        {"HTTP/1", {":status", "200", "transfer-encoding", "chunked"}},
        {"field name", {":status", "200", "Grpc-Status", "0"}},
    };
    struct zrpc_h2_fields f;

    CHECK_ROWS(ZRPC_H2_RESPONSE, rows);
    zrpc_h2_fields_init(&f);
    CHECK(take(&f, ZRPC_H2_RESPONSE, rows[2].fields));
    CHECK_INT(f.status, 103);
    CHECK(take(&f, ZRPC_H2_RESPONSE, rows[0].fields));
    CHECK_INT(f.status, 200);
    zrpc_h2_fields_begin(&f, ZRPC_H2_RESPONSE);
    zrpc_h2_fields_take(&f, zrpc_view_of(":status"), zrpc_view_of("100"));
    CHECK(!zrpc_h2_fields_end(&f, true)); /* an answer that never comes */
}

static void trailers(void)
{
    static const struct row rows[] = {
        {NULL, {NULL}},
        {NULL, {"grpc-status", "0", "grpc-message", ""}},
        {NULL, {"x", "1", "content-length", "any"}},
        {"does not belong", {":status", "200"}},
        {"does not belong", {":path", "/"}},
        {"field name", {"X-Upper", "1"}},
        {"HTTP/1", {"connection", "close"}},
        {"field value", {"x", "\n"}},
    };
    struct zrpc_h2_fields f;

    CHECK_ROWS(ZRPC_H2_TRAILERS, rows);
    zrpc_h2_fields_init(&f);
    zrpc_h2_fields_begin(&f, ZRPC_H2_TRAILERS);
    CHECK(!zrpc_h2_fields_end(&f, false));
    CHECK_CONTAINS(f.flaw, "do not end");
}

/* A request with that content-length, and its content in two parts. */
static bool content(const char *length, size_t first, size_t second, bool with_trailers)
{
    static const char *const none[] = {NULL};
    const char *const fields[] = {POST, "content-length", length, NULL};
    struct zrpc_h2_fields f;

    zrpc_h2_fields_init(&f);
    take(&f, ZRPC_H2_REQUEST, fields);
    zrpc_h2_fields_content(&f, first, false);
    if (!with_trailers)
        return zrpc_h2_fields_content(&f, second, true);
    zrpc_h2_fields_content(&f, second, false);
    return take(&f, ZRPC_H2_TRAILERS, none);
}

static void content_has_its_length(void)
{
    static const char *const early[] = {":status", "103", "content-length", "7", NULL};
    static const char *const final[] = {":status", "200", NULL};
    struct zrpc_h2_fields f;

    for (int i = 0; i < 2; i++) {
        CHECK(content("10", 4, 6, i > 0));
        CHECK(content("0", 0, 0, i > 0));
        CHECK(content("00010", 10, 0, i > 0));
        CHECK(!content("10", 4, 5, i > 0));
        CHECK(!content("10", 4, 7, i > 0));
        CHECK(!content("10", 11, 0, i > 0));
        CHECK(!content("18446744073709551615", 4, 6, i > 0));
    }
    /* Too much is noticed as it comes. */
    zrpc_h2_fields_init(&f);
    take(&f, ZRPC_H2_REQUEST, (const char *const[]){POST, "content-length", "3", NULL});
    CHECK(zrpc_h2_fields_content(&f, 3, false));
    CHECK(!zrpc_h2_fields_content(&f, 1, false));
    /* Headers alone, with the end of the stream. */
    zrpc_h2_fields_init(&f);
    zrpc_h2_fields_begin(&f, ZRPC_H2_RESPONSE);
    zrpc_h2_fields_take(&f, zrpc_view_of(":status"), zrpc_view_of("200"));
    zrpc_h2_fields_take(&f, zrpc_view_of("content-length"), zrpc_view_of("1"));
    CHECK(!zrpc_h2_fields_end(&f, true));
    /* An informational response says nothing about the final one. */
    zrpc_h2_fields_init(&f);
    CHECK(take(&f, ZRPC_H2_RESPONSE, early));
    CHECK(take(&f, ZRPC_H2_RESPONSE, final));
    CHECK(zrpc_h2_fields_content(&f, 3, true));
}

static void the_first_flaw_is_named_and_stays(void)
{
    struct zrpc_h2_fields f;

    zrpc_h2_fields_init(&f);
    zrpc_h2_fields_begin(&f, ZRPC_H2_REQUEST);
    CHECK(!zrpc_h2_fields_take(&f, zrpc_view_of("connection"), zrpc_view_of("close")));
    CHECK(!zrpc_h2_fields_take(&f, zrpc_view_of("te"), zrpc_view_of("trailers")));
    CHECK(!zrpc_h2_fields_end(&f, false));
    CHECK(!zrpc_h2_fields_content(&f, 1, false));
    CHECK(!zrpc_h2_fields_content(&f, 1, true));
    CHECK_CONTAINS(f.flaw, "HTTP/1");
}

static const struct zrpc_test tests[] = {
    {"requests", requests},
    {"zero bytes are seen", zero_bytes_are_seen},
    {"responses", responses},
    {"trailers", trailers},
    {"content has its length", content_has_its_length},
    {"the first flaw is named and stays", the_first_flaw_is_named_and_stays},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("h2_fields", tests, argc, argv);
}
