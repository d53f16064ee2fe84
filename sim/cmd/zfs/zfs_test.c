/* The parts of the zfs command that need no pool. scripts/zfs_test has the command itself. */
#include "zfs.h"

#include <endian.h>
#include <stdlib.h>

#include "records.h"
#include "testing/suite.h"

static void nice_numbers(void)
{
    static const struct {
        uint64_t n;
        const char *number, *bytes;
    } cases[] = {
        {0, "0", "0B"},
        {1023, "1023", "1023B"},
        {1024, "1K", "1K"},
        {1536, "1.50K", "1.50K"},
        {10239, "10.0K", "10.0K"},
        {1355776, "1.29M", "1.29M"},
        {1025, "1.00K", "1.00K"},
        {131072, "128K", "128K"},
        {1047552, "1023K", "1023K"},
        {1048575, "1024K", "1024K"},
        {UINT64_C(1) << 60, "1E", "1E"},
        {UINT64_MAX, "16.0E", "16.0E"},
    };
    char out[NICE_MAX];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_STR(nice_number(cases[i].n, false, out), cases[i].number);
        CHECK_STR(nice_number(cases[i].n, true, out), cases[i].bytes);
    }
}

static void sizes(void)
{
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {{"0", 0},       {"512", 512},      {"10k", 10240},
                {"1.5K", 1536}, {"2MiB", 2 << 20}, {"3GB", UINT64_C(3) << 30},
                {"1B", 1}};
    static const char *const bad[] = {"",   "x", "-1", "1X", "1KX", "99999999999999999999", "17179869184G",
                                      "1BB"};
    struct zrpc_error err;
    uint64_t size;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK_OK(parse_size(good[i].text, &size, &err));
        CHECK_INT((long long)size, (long long)good[i].size);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_CODE(parse_size(bad[i], &size, &err), ZRPC_ERR_ZFS);
    CHECK_CODE(parse_size("1X", &size, &err), ZRPC_ERR_ZFS);
    CHECK_STR(err.text, "invalid numeric suffix 'X'");
}

static void put32(uint8_t *p, bool big, uint32_t v)
{
    v = big ? htobe32(v) : htole32(v);
    memcpy(p, &v, sizeof v);
}

static void put64(uint8_t *p, bool big, uint64_t v)
{
    v = big ? htobe64(v) : htole64(v);
    memcpy(p, &v, sizeof v);
}

/* BEGIN with 80 bytes, OBJECT with 9, WRITE with 1000, compressed WRITE with 300, FREE, END; then more. */
static size_t make_stream(uint8_t *out, bool big)
{
    static const struct {
        uint32_t type;
        size_t payload;
    } records[] = {{0, 80}, {1, 16}, {3, 1000}, {3, 300}, {4, 0}, {5, 0}};
    size_t len = 0;

    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        uint8_t *head = out + len;

        put32(head, big, records[i].type);
        if (i == 0) {
            put32(head + 4, big, 80);
            put64(head + 8, big, UINT64_C(0x2F5bacbac));
        } else if (i == 1) {
            put32(head + 28, big, 9);
        } else if (i == 2) {
            put64(head + 32, big, 1000);
        } else if (i == 3) {
            put64(head + 32, big, 4096);
            head[50] = 15;
            put64(head + 96, big, 300);
        }
        len += RECORD_SIZE + records[i].payload;
    }
    return len;
}

static void check_end(bool big, size_t piece)
{
    uint8_t *stream = calloc(1, 8192);
    size_t len = make_stream(stream, big), at = 0;
    struct records r = {0};

    while (records_safe(&r) > 0 && at < 8192) {
        size_t n = records_safe(&r) < piece ? (size_t)records_safe(&r) : piece;

        records_feed(&r, stream + at, n);
        at += n;
    }
    CHECK_INT((long long)at, (long long)len);
    CHECK(r.ended);
    CHECK(r.swapped == big);
    free(stream);
}

static void records_end(void)
{
    static const size_t pieces[] = {1, 7, 312, 313, 4096};

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        check_end(false, pieces[i]);
        check_end(true, pieces[i]);
    }
}

/* Nothing that a stream says makes it read past what it counts. */
static void records_of_anything(void)
{
    uint8_t bytes[RECORD_SIZE];
    uint64_t x = 88172645463325252;

    for (int i = 0; i < 20000; i++) {
        struct records r = {0};

        for (size_t k = 0; k < sizeof bytes; k += 8) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            memcpy(bytes + k, &x, 8);
        }
        put32(bytes, false, (uint32_t)(x % 12));
        records_feed(&r, bytes, sizeof bytes);
        CHECK(r.ended == (records_safe(&r) == 0));
    }
}

static const struct zrpc_test tests[] = {
    {"numbers as zfs shows them", nice_numbers},
    {"sizes as zfs takes them", sizes},
    {"the end of a stream is found, in either byte order", records_end},
    {"records of anything", records_of_anything},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("zfs-command", tests, argc, argv);
}
