#include "zrpc/h2_fields.h"

#include <nghttp2/nghttp2.h>
#include <strings.h>

/* Where a field may stand. */
#define REQUEST  ZRPC_H2_REQUEST
#define RESPONSE ZRPC_H2_RESPONSE
#define TRAILERS ZRPC_H2_TRAILERS
#define ANYWHERE (REQUEST | RESPONSE | TRAILERS)
#define NOWHERE  0

/* Checks of values: NULL, or the flaw. */
typedef const char *check_value(struct zrpc_h2_fields *f, struct zrpc_view value);

static const char *check_any(struct zrpc_h2_fields *f, struct zrpc_view value)
{
    (void)f;
    (void)value;
    return NULL;
}

/* RFC 9113 wants no zero, CR and LF; what else no HTTP allows in a value is refused with them. */
static const char *check_inside(struct zrpc_h2_fields *f, struct zrpc_view value)
{
    (void)f;
    return value.len == 0 || nghttp2_check_header_value(value.data, value.len)
               ? NULL
               : "a field value with characters that none may have";
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static const char *check_text(struct zrpc_h2_fields *f, struct zrpc_view value)
{
    if (value.len > 0 && (is_blank(value.data[0]) || is_blank(value.data[value.len - 1])))
        return "a field value with a blank at its end";
    return check_inside(f, value);
}

static const char *check_filled(struct zrpc_h2_fields *f, struct zrpc_view value)
{
    return value.len == 0 ? "an empty pseudo-header field" : check_text(f, value);
}

static const char *check_method(struct zrpc_h2_fields *f, struct zrpc_view value)
{
    f->connect = zrpc_view_equal(value, zrpc_view_of("CONNECT"));
    return check_filled(f, value);
}

static bool take_digit(struct zrpc_view *v, uint64_t *number)
{
    uint8_t c = zrpc_view_take(v, 1).data[0];

    return c >= '0' && c <= '9' && !__builtin_mul_overflow(*number, 10, number) &&
           !__builtin_add_overflow(*number, c - '0', number);
}

static bool parse_number(struct zrpc_view v, uint64_t *number)
{
    bool ok = v.len > 0;

    *number = 0;
    while (ok && v.len > 0)
        ok = take_digit(&v, number);
    return ok;
}

static const char *check_status(struct zrpc_h2_fields *f, struct zrpc_view value)
{
    uint64_t status;

    if (value.len != 3 || !parse_number(value, &status) || status < 100)
        return "a :status that is none";
    f->status = (unsigned)status;
    return status == 101 ? "status 101, which HTTP/2 does not have" : NULL;
}

static const char *check_length(struct zrpc_h2_fields *f, struct zrpc_view value)
{
    if (f->section == TRAILERS)
        return check_text(f, value);
    f->has_length = true;
    return parse_number(value, &f->length) ? NULL : "a content-length that is no number";
}

static const char *check_te(struct zrpc_h2_fields *f, struct zrpc_view value)
{
    static const char trailers[] = "trailers";

    (void)f;
    return value.len == sizeof trailers - 1 && strncasecmp((const char *)value.data, trailers, value.len) == 0
               ? NULL
               : "te with more than trailers";
}

/* What is not named here is a regular field like any other. */
static const struct field {
    const char *name;
    unsigned where;
    check_value *check;
    bool once;
} fields[] = {
    {":method", REQUEST, check_method, true},
    {":scheme", REQUEST, check_filled, true},
    {":path", REQUEST, check_filled, true},
    {":authority", REQUEST, check_any, true},
    {":status", RESPONSE, check_status, true},
    {"content-length", ANYWHERE, check_length, true},
    {"te", ANYWHERE, check_te, false},
    {"grpc-message", ANYWHERE, check_inside, false},
    {"connection", NOWHERE, check_any, false},
    {"keep-alive", NOWHERE, check_any, false},
    {"proxy-connection", NOWHERE, check_any, false},
    {"transfer-encoding", NOWHERE, check_any, false},
    {"upgrade", NOWHERE, check_any, false},
};

enum { METHOD = 1 << 0, SCHEME = 1 << 1, PATH = 1 << 2, AUTHORITY = 1 << 3, STATUS = 1 << 4 };

static const struct field unknown = {"", ANYWHERE, check_text, false};

static const struct field *find(struct zrpc_view name, unsigned *bit)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (!zrpc_view_equal(name, zrpc_view_of(fields[i].name)))
            continue;
        *bit = 1u << i;
        return &fields[i];
    }
    *bit = 0;
    return &unknown;
}

static const char *check_name(const struct zrpc_h2_fields *f, struct zrpc_view name,
                              const struct field *field)
{
    bool pseudo = name.len > 0 && name.data[0] == ':';

    if (pseudo && field == &unknown)
        return "an unknown pseudo-header field";
    if (pseudo && (field->where & f->section) == 0)
        return "a pseudo-header field that does not belong there";
    if (pseudo && f->regular)
        return "a pseudo-header field behind others";
    if ((field->where & f->section) == 0)
        return "a field of HTTP/1 connections";
    if (!pseudo && !nghttp2_check_header_name(name.data, name.len))
        return "a field name with characters that none may have";
    return NULL;
}

void zrpc_h2_fields_init(struct zrpc_h2_fields *f)
{
    *f = (struct zrpc_h2_fields){0};
}

void zrpc_h2_fields_begin(struct zrpc_h2_fields *f, enum zrpc_h2_section section)
{
    f->section = section;
    f->seen = 0;
    f->regular = f->connect = false;
    f->status = 0;
}

static bool note(struct zrpc_h2_fields *f, const char *flaw)
{
    if (f->flaw == NULL)
        f->flaw = flaw;
    return f->flaw == NULL;
}

bool zrpc_h2_fields_take(struct zrpc_h2_fields *f, struct zrpc_view name, struct zrpc_view value)
{
    unsigned bit;
    const struct field *field = find(name, &bit);
    const char *flaw = check_name(f, name, field);

    if (flaw == NULL && field->once && (f->seen & bit) != 0)
        flaw = "a field twice that may come once";
    if (flaw == NULL)
        flaw = field->check(f, value);
    f->seen |= bit;
    f->regular = f->regular || name.len == 0 || name.data[0] != ':';
    return note(f, flaw);
}

static const char *missing(const struct zrpc_h2_fields *f)
{
    const unsigned origin = METHOD | SCHEME | PATH, tunnel = METHOD | AUTHORITY;

    if (f->section == ZRPC_H2_RESPONSE && (f->seen & STATUS) == 0)
        return "a response without :status";
    if (f->section != ZRPC_H2_REQUEST)
        return NULL;
    if (f->connect)
        return (f->seen & (origin | tunnel)) == tunnel ? NULL : "CONNECT with other than :authority";
    return (f->seen & origin) == origin ? NULL : "a request without :method, :scheme or :path";
}

static bool end_of_content(struct zrpc_h2_fields *f)
{
    return note(f,
                f->has_length && f->content != f->length ? "content other than content-length says" : NULL);
}

bool zrpc_h2_fields_end(struct zrpc_h2_fields *f, bool end_stream)
{
    bool informational = f->section == ZRPC_H2_RESPONSE && f->status >= 100 && f->status < 200;

    note(f, missing(f));
    if (informational) {
        note(f, end_stream ? "an informational response that ends the stream" : NULL);
        f->has_length = false;
    }
    if (f->section == ZRPC_H2_TRAILERS && !end_stream)
        note(f, "trailers that do not end the stream");
    return end_stream ? end_of_content(f) : f->flaw == NULL;
}

bool zrpc_h2_fields_content(struct zrpc_h2_fields *f, size_t len, bool end_stream)
{
    if (__builtin_add_overflow(f->content, len, &f->content))
        f->content = UINT64_MAX;
    if (f->has_length && f->content > f->length)
        note(f, "more content than content-length says");
    return end_stream ? end_of_content(f) : f->flaw == NULL;
}
