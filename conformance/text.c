#include "conformance/text.h"

#include <stdio.h>
#include <stdlib.h>

void zrpc_text_vadd(struct zrpc_buf *text, const char *fmt, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0 || zrpc_buf_reserve(text, (size_t)n + 1, NULL) < 0)
        return;
    vsnprintf((char *)text->base + text->off + text->len, (size_t)n + 1, fmt, args);
    text->len += (size_t)n;
}

void zrpc_text_add(struct zrpc_buf *text, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    zrpc_text_vadd(text, fmt, args);
    va_end(args);
}

const char *zrpc_text_str(const struct zrpc_buf *text)
{
    return text->len == 0 ? "" : (const char *)text->base + text->off;
}

char *zrpc_text_take(struct zrpc_buf *text)
{
    char *copy = strdup(zrpc_text_str(text));

    zrpc_buf_clear(text);
    return copy;
}

/* The first character, as it is shown; takes it off the view. */
static void take_shown(struct zrpc_buf *text, struct zrpc_view *v)
{
    size_t printable = zrpc_utf8_printable(*v), n = zrpc_utf8_sequence(*v);
    struct zrpc_view front = zrpc_view_take(v, n == 0 ? 1 : n);

    if (printable > 0)
        zrpc_text_add(text, "%.*s", (int)front.len, (const char *)front.data);
    else
        for (size_t i = 0; i < front.len; i++)
            zrpc_text_add(text, "\\x%02x", front.data[i]);
}

void zrpc_text_add_shown(struct zrpc_buf *text, struct zrpc_view utf8)
{
    while (utf8.len > 0)
        take_shown(text, &utf8);
}

void zrpc_text_add_quoted(struct zrpc_buf *text, struct zrpc_view utf8)
{
    static const char short_escapes[] = "\nn\rr\tt\"\"\\\\"; /* pairs: the byte, what follows the backslash */

    zrpc_text_add(text, "\"");
    while (utf8.len > 0) {
        uint8_t c = utf8.data[0];
        const char *escape = c == 0 ? NULL : strchr(short_escapes, c);

        if (escape != NULL && (escape - short_escapes) % 2 == 0) {
            zrpc_text_add(text, "\\%c", escape[1]);
            zrpc_view_take(&utf8, 1);
        } else {
            take_shown(text, &utf8);
        }
    }
    zrpc_text_add(text, "\"");
}

/* Text that a person would rather read as such: UTF-8 with hardly any control characters. */
static bool looks_like_text(struct zrpc_view v)
{
    size_t control = 0;

    for (size_t i = 0; i < v.len; i++)
        control += v.data[i] < 0x20 && v.data[i] != '\n' && v.data[i] != '\t' && v.data[i] != '\r';
    return v.len > 0 && control * 8 <= v.len && zrpc_utf8_valid(v);
}

void zrpc_text_add_bytes(struct zrpc_buf *text, struct zrpc_view bytes, uint64_t total, size_t max)
{
    struct zrpc_view shown = zrpc_utf8_prefix(bytes, max);

    if (looks_like_text(shown)) {
        zrpc_text_add_quoted(text, shown);
    } else {
        shown = zrpc_view(bytes.data, bytes.len < max / 2 ? bytes.len : max / 2);
        for (size_t i = 0; i < shown.len; i++)
            zrpc_text_add(text, i == 0 ? "%02x" : i % 4 == 0 ? "  %02x" : " %02x", shown.data[i]);
    }
    if (total > shown.len)
        zrpc_text_add(text, " … and %llu more bytes", (unsigned long long)(total - shown.len));
}

/* How XML writes the character at p, and its length there; NULL where it is written as it is. */
static const char *xml_escape(const char *p, bool utf8, size_t *len)
{
    static const struct {
        char c;
        const char *entity;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    unsigned char c = (unsigned char)*p;

    *len = 1;
    for (size_t i = 0; i < sizeof entities / sizeof entities[0]; i++)
        if (entities[i].c == *p)
            return entities[i].entity;
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || (c >= 0x80 && !utf8))
        return "?";
    if (c == 0xef && strncmp(p, "\xef\xbf\xbe", 3) != 0 && strncmp(p, "\xef\xbf\xbf", 3) != 0)
        return NULL;
    *len = c == 0xef ? 3 : 1;
    return c == 0xef ? "?" : NULL;
}

void zrpc_text_add_xml(struct zrpc_buf *text, const char *raw)
{
    bool utf8 = zrpc_utf8_valid(zrpc_view_of(raw));
    const char *plain = raw, *escape;
    size_t len;

    for (const char *p = raw; *p != '\0'; p += len) {
        escape = xml_escape(p, utf8, &len);
        if (escape == NULL)
            continue;
        zrpc_text_add(text, "%.*s%s", (int)(p - plain), plain, escape);
        plain = p + len;
    }
    zrpc_text_add(text, "%s", plain);
}
