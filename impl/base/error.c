#include "zrpc/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "zrpc/bytes.h"

static const struct code_info {
    int code;
    const char *name;
    const char *meaning;
} codes[] = {{ZRPC_OK, "OK", "no error"},
#define CODE_INFO(name, code, meaning) {(code), #name, (meaning)},
             ZRPC_ERROR_MAP(CODE_INFO)
#undef CODE_INFO
};

static const enum zrpc_band bands[] = {
    ZRPC_BAND_LOCAL,  ZRPC_BAND_PROTOCOL, ZRPC_BAND_PEER, ZRPC_BAND_TIMEOUT,
    ZRPC_BAND_CLOSED, ZRPC_BAND_SYSTEM,   ZRPC_BAND_TLS,
};

static const struct code_info *find(int code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].code == code)
            return &codes[i];
    return NULL;
}

const char *zrpc_code_name(int code)
{
    const struct code_info *info = find(code);

    return info == NULL ? "UNKNOWN" : info->name;
}

const char *zrpc_code_meaning(int code)
{
    const struct code_info *info = find(code);

    return info == NULL ? "unknown error" : info->meaning;
}

enum zrpc_band zrpc_code_band(int code)
{
    size_t hundreds;

    if (code >= 0)
        return ZRPC_BAND_OK;
    hundreds = (size_t)(-(long)code / 100);
    return hundreds < sizeof bands / sizeof bands[0] ? bands[hundreds] : ZRPC_BAND_LOCAL;
}

/* Texts are formatted aside, because arguments may point into err->text. */
struct text {
    char bytes[ZRPC_ERROR_TEXT_MAX];
    size_t len;
};

static void text_vadd(struct text *t, const char *fmt, va_list args)
{
    size_t room = sizeof t->bytes - t->len;
    int n = vsnprintf(t->bytes + t->len, room, fmt, args);

    if (n < 0)
        n = snprintf(t->bytes + t->len, room, "(%s)", fmt);
    t->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void text_add(struct text *t, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    text_vadd(t, fmt, args);
    va_end(args);
}

/* What is not UTF-8 (a peer's text, a file name) becomes '?', a sequence that was cut goes. */
static void text_finish(struct text *t, struct zrpc_error *err)
{
    t->len = zrpc_utf8_prefix(zrpc_view(t->bytes, t->len), t->len).len;
    while (t->len > 0 && (t->bytes[t->len - 1] == '\n' || t->bytes[t->len - 1] == '\r'))
        t->len--;
    zrpc_utf8_repair((uint8_t *)t->bytes, t->len);
    memcpy(err->text, t->bytes, t->len);
    err->text[t->len] = '\0';
}

int zrpc_fail(struct zrpc_error *err, int code, const char *fmt, ...)
{
    struct text t = {.len = 0};
    va_list args;

    if (err == NULL)
        return code;
    va_start(args, fmt);
    text_vadd(&t, fmt, args);
    va_end(args);
    text_finish(&t, err);
    err->code = code;
    return code;
}

int zrpc_fail_errno(struct zrpc_error *err, int code, int errnum, const char *fmt, ...)
{
    char reason[128];
    struct text t = {.len = 0};
    va_list args;

    if (err == NULL)
        return code;
    va_start(args, fmt);
    text_vadd(&t, fmt, args);
    va_end(args);
    text_add(&t, ": %s", strerror_r(errnum, reason, sizeof reason));
    text_finish(&t, err);
    err->code = code;
    return code;
}

int zrpc_error_prefix(struct zrpc_error *err, int code, const char *fmt, ...)
{
    struct text t = {.len = 0};
    va_list args;

    if (err == NULL)
        return code;
    va_start(args, fmt);
    text_vadd(&t, fmt, args);
    va_end(args);
    text_add(&t, ": %s", err->text);
    text_finish(&t, err);
    err->code = code;
    return code;
}
