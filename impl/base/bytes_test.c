#include "testing/suite.h"

#include "testing/alloc.h"

#include <stdlib.h>

static void views(void)
{
    struct zrpc_view v = zrpc_view_of("abcdef"), front;

    front = zrpc_view_take(&v, 2);
    CHECK_BYTES(front, zrpc_view_of("ab"));
    CHECK_BYTES(v, zrpc_view_of("cdef"));
    front = zrpc_view_take(&v, 0);
    CHECK_INT(front.len, 0);
    CHECK(zrpc_view_equal(zrpc_view(NULL, 0), zrpc_view_of("")));
    CHECK(!zrpc_view_equal(zrpc_view_of("a"), zrpc_view_of("b")));
    CHECK(!zrpc_view_equal(zrpc_view_of("a"), zrpc_view_of("ab")));
}

static void numbers_are_big_endian(void)
{
    static const uint8_t wire[4] = {0x81, 0x02, 0x03, 0xff};
    uint8_t out[4];

    CHECK_INT(zrpc_get_u32(wire), 0x810203ff);
    zrpc_put_u32(out, 0x810203ff);
    CHECK_BYTES(zrpc_view(out, 4), zrpc_view(wire, 4));
}

/* An independent statement of what UTF-8 is: decode, then ask whether the code point belongs there. */
static bool reference_valid(const uint8_t *p, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    while (len > 0) {
        size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
        uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));

        if (n == 0 || n > len)
            return false;
        for (size_t i = 1; i < n; i++) {
            if (p[i] >> 6 != 2)
                return false;
            c = c << 6 | (p[i] & 0x3f);
        }
        if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return false;
        p += n;
        len -= n;
    }
    return true;
}

static void utf8_agrees_with_its_definition(void)
{
    static const uint8_t third[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
    unsigned wrong = 0;

    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            for (size_t i = 0; i < sizeof third; i++) {
                uint8_t bytes[4] = {(uint8_t)first, (uint8_t)second, third[i], 0x80};

                for (size_t len = 0; len <= 4; len++)
                    wrong += zrpc_utf8_valid(zrpc_view(bytes, len)) != reference_valid(bytes, len);
            }
        }
    }
    CHECK_INT(wrong, 0);
}

static void utf8_prefixes(void)
{
    static const struct {
        const char *text;
        size_t max, expected;
    } rows[] = {
        {"", 5, 0},
        {"abc", 5, 3},
        {"abc", 2, 2},
        {"a\xc3\xa9", 2, 1},
        {"a\xc3\xa9", 3, 3},
        {"\xe2\x82\xac", 2, 0},
        {"\xe2\x82\xac", 1, 0},
        {"\xf0\x9f\x98\x80", 3, 0},
        {"\xf0\x9f\x98\x80", 4, 4},
        {"x\xf0\x9f\x98", 9, 1},    /* cut before it came here */
        {"\x80\x80\x80\x80", 3, 3}, /* no sequence at all: nothing to keep whole */
        {"\xe2\x28", 2, 2},
        {"\xed\xa0", 2, 2}, /* begins like a surrogate, so no sequence */
        {"\xff", 1, 1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(zrpc_utf8_prefix(zrpc_view_of(rows[i].text), rows[i].max).len, rows[i].expected);
}

static void buffer_is_a_queue(void)
{
    struct zrpc_buf b = {0};
    struct zrpc_error err;
    unsigned seed = 1;
    uint64_t in = 0, out = 0, wrong = 0;

    for (int round = 0; round < 20000; round++) {
        uint8_t chunk[97];
        size_t n = (seed = seed * 1103515245 + 12345) >> 16 & 63;
        struct zrpc_view live;

        for (size_t i = 0; i < n; i++)
            chunk[i] = (uint8_t)(in++ * 7 % 251);
        CHECK_OK(zrpc_buf_append(&b, zrpc_view(chunk, n), &err));
        live = zrpc_buf_view(&b);
        n = (seed >> 8) % 65 < live.len ? (seed >> 8) % 65 : live.len;
        for (size_t i = 0; i < n; i++)
            wrong += live.data[i] != (uint8_t)(out++ * 7 % 251);
        zrpc_buf_consume(&b, n);
        wrong += b.len != in - out;
    }
    CHECK_INT(wrong, 0);
    zrpc_buf_dispose(&b);
    CHECK(b.base == NULL && b.len == 0 && b.cap == 0);
}

/* A queue that never runs empty must not grow without end, nor move its content for each byte. */
static void buffer_reuses_its_front(void)
{
    struct zrpc_buf b = {0};
    struct zrpc_error err;
    uint8_t chunk[100] = {0};
    size_t cap;

    CHECK_OK(zrpc_buf_append(&b, zrpc_view(chunk, 100), &err));
    CHECK_OK(zrpc_buf_append(&b, zrpc_view(chunk, 100), &err));
    zrpc_buf_consume(&b, 100);
    CHECK_OK(zrpc_buf_append(&b, zrpc_view(chunk, 100), &err));
    cap = b.cap;
    for (int i = 0; i < 10000; i++) {
        zrpc_buf_consume(&b, 100);
        CHECK_OK(zrpc_buf_append(&b, zrpc_view(chunk, 100), &err));
    }
    CHECK(b.cap <= 2 * cap);
    zrpc_buf_dispose(&b);
}

static void emptied_buffer_keeps_its_allocation(void)
{
    struct zrpc_buf b = {0};
    struct zrpc_error err;
    uint8_t *base;

    CHECK_OK(zrpc_buf_append(&b, zrpc_view_of("abc"), &err));
    base = b.base;
    zrpc_buf_consume(&b, 3);
    CHECK(b.base == base && b.off == 0);
    CHECK_OK(zrpc_buf_append(&b, zrpc_view_of("def"), &err));
    zrpc_buf_clear(&b);
    CHECK(b.base == base && b.len == 0);
    CHECK_INT(zrpc_buf_view(&b).len, 0);
    zrpc_buf_dispose(&b);
    zrpc_buf_dispose(&b);
    CHECK(zrpc_buf_view(&b).data == NULL);
}

static void impossible_sizes_are_refused(void)
{
    struct zrpc_buf b = {0};
    struct zrpc_error err;

    CHECK_OK(zrpc_buf_append(&b, zrpc_view_of("abc"), &err));
    CHECK_CODE(zrpc_buf_reserve(&b, SIZE_MAX - 1, &err), ZRPC_ERR_NOMEM);
    CHECK_CODE(zrpc_buf_reserve(&b, SIZE_MAX / 2, &err), ZRPC_ERR_NOMEM);
    CHECK_BYTES(zrpc_buf_view(&b), zrpc_view_of("abc"));
    CHECK_OK(zrpc_buf_append(&b, zrpc_view(NULL, 0), &err));
    zrpc_buf_dispose(&b);
}

/* Grows three times; a buffer that could not grow is as it was. */
static int grow(void *arg)
{
    static const uint8_t chunk[100];
    struct zrpc_buf b = {0};
    struct zrpc_error err = {0};
    int rc = 0;

    (void)arg;
    for (int i = 0; i < 4 && rc == 0; i++) {
        struct zrpc_buf before = b;

        rc = zrpc_buf_append(&b, zrpc_view(chunk, sizeof chunk), &err);
        if (rc < 0) {
            CHECK(b.base == before.base && b.len == before.len && b.cap == before.cap);
            CHECK_CONTAINS(err.text, "no memory for a buffer of");
        }
    }
    zrpc_buf_dispose(&b);
    return rc;
}

static void growing_fails_without_harm(void)
{
    CHECK_INT(zrpc_alloc_each(grow, NULL), 3);
}

static void texts_of_peers(void)
{
    struct zrpc_buf b = {0};
    struct zrpc_error err;

    CHECK_OK(zrpc_buf_append(&b, zrpc_view_of("what was there"), NULL));
    zrpc_buf_consume(&b, 4);
    CHECK_OK(zrpc_buf_set_text(&b, zrpc_view("no\0 \xff\xc3\xbc\xe2\x9c\n\r\n", 12), NULL));
    CHECK_BYTES(zrpc_buf_view(&b), zrpc_view_of("no? ?\xc3\xbc??"));
    CHECK_INT(zrpc_buf_view(&b).data[b.len], 0);
    CHECK_OK(zrpc_buf_set_text(&b, zrpc_view(NULL, 0), NULL));
    CHECK_STR((const char *)zrpc_buf_view(&b).data, "");
    zrpc_buf_dispose(&b);
    zrpc_alloc_fail_at(1);
    CHECK_CODE(zrpc_buf_set_text(&b, zrpc_view_of("x"), &err), ZRPC_ERR_NOMEM);
    zrpc_alloc_fail_at(0);
    zrpc_buf_dispose(&b);
}

static const struct zrpc_test tests[] = {
    {"views", views},
    {"numbers are big-endian", numbers_are_big_endian},
    {"UTF-8 agrees with its definition", utf8_agrees_with_its_definition},
    {"UTF-8 prefixes", utf8_prefixes},
    {"a buffer is a queue", buffer_is_a_queue},
    {"a buffer reuses its front", buffer_reuses_its_front},
    {"an emptied buffer keeps its allocation", emptied_buffer_keeps_its_allocation},
    {"impossible sizes are refused", impossible_sizes_are_refused},
    {"growing fails without harm", growing_fails_without_harm},
    {"texts of peers", texts_of_peers},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("bytes", tests, argc, argv);
}
