#include "sim/zfs/content.h"
#include "testing/alloc.h"
#include "testing/suite.h"

static void content_is_the_same_from_any_offset(void)
{
    uint8_t whole[600], part[600];

    zrpc_sim_content_fill(42, 0, whole, sizeof whole);
    for (size_t offset = 0; offset < 40; offset++) {
        for (size_t len = 0; len < 40; len++) {
            memset(part, 0xee, sizeof part);
            zrpc_sim_content_fill(42, offset, part, len);
            CHECK(memcmp(part, whole + offset, len) == 0);
            CHECK(part[len] == 0xee);
        }
    }
    CHECK(zrpc_sim_content_equal(42, 0, whole, sizeof whole));
    CHECK(zrpc_sim_content_equal(42, 13, whole + 13, 500));
    CHECK(!zrpc_sim_content_equal(43, 0, whole, sizeof whole));
    CHECK(!zrpc_sim_content_equal(42, 8, whole, 500));
}

static void content_differs_in_every_byte_that_differs(void)
{
    static uint8_t data[9000];

    zrpc_sim_content_fill(7, 5, data, sizeof data);
    for (size_t i = 0; i < sizeof data; i += 37) {
        data[i] ^= 1;
        CHECK(!zrpc_sim_content_equal(7, 5, data, sizeof data));
        data[i] ^= 1;
    }
    CHECK(zrpc_sim_content_equal(7, 5, data, sizeof data));
}

static void content_is_fixed_for_all_time(void)
{
    /* splitmix64 from state 0: e220a8397b1dcdaf, 6e789e6aa1b965f4 */
    static const uint8_t expected[16] = {0xaf, 0xcd, 0x1d, 0x7b, 0x39, 0xa8, 0x20, 0xe2,
                                         0xf4, 0x65, 0xb9, 0xa1, 0x6a, 0x9e, 0x78, 0x6e};
    uint8_t data[16];

    zrpc_sim_content_fill(0, 0, data, sizeof data);
    CHECK_BYTES(zrpc_view(data, 16), zrpc_view(expected, 16));
}

static void fletcher4_of_known_words(void)
{
    /* By hand: words 1, 2, 3: a 1 3 6, b 1 4 10, c 1 5 15, d 1 6 21. */
    static const uint8_t words[12] = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0};

    for (size_t cut = 0; cut <= sizeof words; cut++) {
        for (size_t second = cut; second <= sizeof words; second++) {
            struct zrpc_sim_fletcher4 f = {0};

            zrpc_sim_fletcher4_update(&f, words, cut);
            zrpc_sim_fletcher4_update(&f, words + cut, second - cut);
            zrpc_sim_fletcher4_update(&f, words + second, sizeof words - second);
            CHECK(f.sum[0] == 6 && f.sum[1] == 10 && f.sum[2] == 15 && f.sum[3] == 21);
        }
    }
}

/* As OpenZFS's scalar code has it, in both byte orders. */
static void add_slowly(uint64_t sum[static 4], const uint8_t *data, size_t len, bool swapped)
{
    for (; len >= 4; data += 4, len -= 4) {
        uint32_t be = zrpc_get_u32(data);

        sum[0] += swapped ? be : __builtin_bswap32(be);
        sum[1] += sum[0];
        sum[2] += sum[1];
        sum[3] += sum[2];
    }
}

static void fletcher4_of_much_in_any_pieces(void)
{
    static uint8_t data[600000];
    static const size_t pieces[] = {1, 3, 4, 7, 16, 61, 64, 4096, 4097, 65536, 262143, 600000};

    zrpc_sim_content_fill(3, 0, data, sizeof data);
    memset(data + 1000, 0xff, 300000);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        for (int swapped = 0; swapped < 2; swapped++) {
            struct zrpc_sim_fletcher4 f = {.swapped = swapped};
            uint64_t expected[4] = {0};

            for (size_t at = 0, n; at < sizeof data; at += n) {
                n = pieces[i] < sizeof data - at ? pieces[i] : sizeof data - at;
                zrpc_sim_fletcher4_update(&f, data + at, n);
            }
            add_slowly(expected, data, sizeof data, swapped);
            CHECK(memcmp(f.sum, expected, sizeof expected) == 0);
        }
    }
}

static void blocks_end_in_zeros(void)
{
    struct zrpc_sim_extent e = {.seed = 9, .length = 37};
    uint8_t block[64], content[64];

    zrpc_sim_content_fill(9, 0, content, sizeof content);
    memset(content + 37, 0, sizeof content - 37);
    for (size_t offset = 0; offset < sizeof block; offset++) {
        for (size_t len = 0; len <= sizeof block - offset; len++) {
            memset(block, 0xee, sizeof block);
            zrpc_sim_extent_fill(e, offset, block, len);
            CHECK(memcmp(block, content + offset, len) == 0);
            CHECK(zrpc_sim_extent_equal(e, offset, block, len));
            for (size_t i = 0; i < len; i++) {
                block[i] ^= 1;
                CHECK(!zrpc_sim_extent_equal(e, offset, block, len));
                block[i] ^= 1;
            }
        }
    }
    CHECK(zrpc_sim_extent_equal(e, 1000, content + 40, 20));
}

static void extents_have_limits(void)
{
    struct zrpc_sim_extents l = {0};
    struct zrpc_error err;

    CHECK_OK(zrpc_sim_extents_push(&l, (struct zrpc_sim_extent){1, ZRPC_SIM_CONTENT_MAX}, NULL));
    CHECK_CODE(zrpc_sim_extents_push(&l, (struct zrpc_sim_extent){1, 1}, &err), ZRPC_ERR_LIMIT);
    CHECK_CONTAINS(err.text, "2^60 bytes");
    zrpc_sim_extents_dispose(&l);
    for (int i = 0; i < ZRPC_SIM_EXTENTS_MAX; i++)
        CHECK_OK(zrpc_sim_extents_push(&l, (struct zrpc_sim_extent){1, 1}, NULL));
    CHECK_CODE(zrpc_sim_extents_push(&l, (struct zrpc_sim_extent){1, 1}, &err), ZRPC_ERR_LIMIT);
    CHECK_OK(zrpc_sim_extents_push(&l, (struct zrpc_sim_extent){1, 0}, NULL));
    CHECK_INT(l.len, ZRPC_SIM_EXTENTS_MAX);
    zrpc_sim_extents_dispose(&l);
}

static int push_many(void *arg)
{
    struct zrpc_sim_extents l = {0};
    struct zrpc_error err;
    int rc = 0;

    (void)arg;
    for (int i = 0; rc == 0 && i < 100; i++)
        rc = zrpc_sim_extents_push(&l, (struct zrpc_sim_extent){1, 1}, &err);
    zrpc_sim_extents_dispose(&l);
    return rc;
}

static void extents_survive_want_of_memory(void)
{
    CHECK(zrpc_alloc_each(push_many, NULL) >= 3);
}

static const struct zrpc_test tests[] = {
    {"content is the same from any offset", content_is_the_same_from_any_offset},
    {"content differs in every byte that differs", content_differs_in_every_byte_that_differs},
    {"content is fixed for all time", content_is_fixed_for_all_time},
    {"fletcher-4 of known words, in any pieces", fletcher4_of_known_words},
    {"fletcher-4 of much, in any pieces", fletcher4_of_much_in_any_pieces},
    {"blocks end in zeros", blocks_end_in_zeros},
    {"extents have limits", extents_have_limits},
    {"extents survive want of memory", extents_survive_want_of_memory},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim/content", tests, argc, argv);
}
