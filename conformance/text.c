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

/* Length of the UTF-8 sequence that this byte begins. */
static size_t sequence_len(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

void zrpc_text_add_quoted(struct zrpc_buf *text, struct zrpc_view utf8)
{
    static const char short_escapes[] = "\nn\rr\tt\"\"\\\\";
    const char *escape;
    size_t n;

    zrpc_text_add(text, "\"");
    for (size_t i = 0; i < utf8.len; i += n) {
        uint8_t c = utf8.data[i];

        n = sequence_len(c);
        if (i + n > utf8.len)
            n = utf8.len - i;
        escape = c == 0 ? NULL : strchr(short_escapes, c);
        if (escape != NULL && (escape - short_escapes) % 2 == 0)
            zrpc_text_add(text, "\\%c", escape[1]);
        else if (c < 0x20 || c == 0x7f || (c == 0xc2 && n == 2 && utf8.data[i + 1] < 0xa0))
            for (size_t k = 0; k < n; k++)
                zrpc_text_add(text, "\\x%02x", utf8.data[i + k]);
        else
            zrpc_text_add(text, "%.*s", (int)n, (const char *)utf8.data + i);
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
