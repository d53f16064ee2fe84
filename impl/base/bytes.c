#include "zrpc/bytes.h"

#include <stdlib.h>
#include <string.h>

#define BUF_MIN 64

bool zrpc_view_equal(struct zrpc_view a, struct zrpc_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The Unicode Standard, table 3-7: the first byte decides the length and what the second may be. */
static const struct utf8_row {
    uint8_t first_min, first_max;
    uint8_t second_min, second_max;
    uint8_t len;
} utf8_rows[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static const struct utf8_row *utf8_row(uint8_t first)
{
    for (size_t i = 0; i < sizeof utf8_rows / sizeof utf8_rows[0]; i++)
        if (first >= utf8_rows[i].first_min && first <= utf8_rows[i].first_max)
            return &utf8_rows[i];
    return NULL;
}

/* How much of v a sequence that begins there covers, up to its length: less than that if v is too short, 0 if
 * the bytes are none. */
static size_t utf8_matched(struct zrpc_view v, const struct utf8_row *row)
{
    size_t n = v.len < row->len ? v.len : row->len;

    for (size_t i = 1; i < n; i++) {
        uint8_t min = i == 1 ? row->second_min : 0x80, max = i == 1 ? row->second_max : 0xbf;

        if (v.data[i] < min || v.data[i] > max)
            return 0;
    }
    return n;
}

size_t zrpc_utf8_sequence(struct zrpc_view v)
{
    const struct utf8_row *row = v.len == 0 ? NULL : utf8_row(v.data[0]);

    return row != NULL && utf8_matched(v, row) == row->len ? row->len : 0;
}

uint32_t zrpc_utf8_code(struct zrpc_view v)
{
    size_t n = zrpc_utf8_sequence(v);
    uint32_t code;

    if (n < 2)
        return n == 0 ? 0xfffd : v.data[0];
    code = v.data[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (v.data[i] & 0x3f);
    return code;
}

/* As UTF-8, from and to, both included. */
static const char *const acting[][2] = {
    {"\x01", "\x1f"},                 /* C0; zero is checked for */
    {"\x7f", "\x7f"},                 /* DEL */
    {"\xc2\x80", "\xc2\x9f"},         /* C1 */
    {"\xe2\x80\xa8", "\xe2\x80\xae"}, /* U+2028 to U+202E */
    {"\xe2\x81\xa6", "\xe2\x81\xa9"}, /* U+2066 to U+2069 */
};

size_t zrpc_utf8_printable(struct zrpc_view v)
{
    size_t n = zrpc_utf8_sequence(v);

    if (n == 0 || v.data[0] == 0)
        return 0;
    for (size_t i = 0; i < sizeof acting / sizeof acting[0]; i++)
        if (strlen(acting[i][0]) == n && memcmp(v.data, acting[i][0], n) >= 0 &&
            memcmp(v.data, acting[i][1], n) <= 0)
            return 0;
    return n;
}

bool zrpc_utf8_valid(struct zrpc_view v)
{
    while (v.len > 0) {
        size_t n = v.data[0] < 0x80 ? 1 : zrpc_utf8_sequence(v);

        if (n == 0)
            return false;
        zrpc_view_take(&v, n);
    }
    return true;
}

struct zrpc_view zrpc_utf8_prefix(struct zrpc_view v, size_t max)
{
    struct zrpc_view prefix = zrpc_view(v.data, v.len < max ? v.len : max);

    for (size_t back = 1; back <= 3 && back <= prefix.len; back++) {
        struct zrpc_view tail = zrpc_view(prefix.data + prefix.len - back, back);
        const struct utf8_row *row = utf8_row(tail.data[0]);

        if (row == NULL)
            continue;
        if (row->len > back && utf8_matched(tail, row) == back)
            prefix.len -= back;
        break;
    }
    return prefix;
}

void zrpc_utf8_repair(uint8_t *text, size_t len)
{
    struct zrpc_view rest = zrpc_view(text, len);

    while (rest.len > 0) {
        size_t n = zrpc_utf8_sequence(rest);

        if (n == 0)
            text[len - rest.len] = '?';
        zrpc_view_take(&rest, n == 0 ? 1 : n);
    }
}

void zrpc_buf_dispose(struct zrpc_buf *b)
{
    free(b->base);
    *b = (struct zrpc_buf){0};
}

int zrpc_buf_reserve(struct zrpc_buf *b, size_t n, struct zrpc_error *err)
{
    size_t need, cap;
    uint8_t *base;

    if (n <= b->cap - b->off - b->len)
        return 0;
    if (__builtin_add_overflow(b->len, n, &need) || need > PTRDIFF_MAX)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "buffer of %zu bytes cannot take %zu more", b->len, n);
    /* Moving is worth it only where it frees at least what it copies: then appending costs O(1) a byte. */
    if (need <= b->cap && b->off >= b->len) {
        memmove(b->base, b->base + b->off, b->len);
        b->off = 0;
        return 0;
    }
    cap = b->cap > PTRDIFF_MAX / 2 ? PTRDIFF_MAX : b->cap * 2;
    cap = cap < need ? need : cap;
    cap = cap < BUF_MIN ? BUF_MIN : cap;
    base = malloc(cap);
    if (base == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a buffer of %zu bytes", cap);
    if (b->len > 0)
        memcpy(base, b->base + b->off, b->len);
    free(b->base);
    *b = (struct zrpc_buf){.base = base, .len = b->len, .cap = cap};
    return 0;
}

int zrpc_buf_append(struct zrpc_buf *b, struct zrpc_view v, struct zrpc_error *err)
{
    int rc = zrpc_buf_reserve(b, v.len, err);

    if (rc < 0)
        return rc;
    if (v.len > 0)
        memcpy(b->base + b->off + b->len, v.data, v.len);
    b->len += v.len;
    return 0;
}

int zrpc_buf_set_text(struct zrpc_buf *b, struct zrpc_view text, struct zrpc_error *err)
{
    int rc;

    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    zrpc_buf_clear(b);
    rc = zrpc_buf_reserve(b, text.len + 1, err);
    if (rc == 0)
        rc = zrpc_buf_append(b, text, err);
    if (rc < 0)
        return rc;
    zrpc_utf8_repair(b->base + b->off, b->len);
    for (size_t i = 0; i < b->len; i++)
        if (b->base[b->off + i] == '\0')
            b->base[b->off + i] = '?';
    b->base[b->off + b->len] = '\0';
    return 0;
}

void zrpc_buf_consume(struct zrpc_buf *b, size_t n)
{
    b->len -= n;
    b->off = b->len == 0 ? 0 : b->off + n;
}

void zrpc_buf_clear(struct zrpc_buf *b)
{
    b->off = 0;
    b->len = 0;
}
