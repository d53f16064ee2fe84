#include "sim/zfs/stream.h"
#include "sim/zfs/testing.h"

/* Content. */

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

/* Streams. */

static void make_stream(const uint64_t *lengths, size_t n, struct zrpc_buf *out)
{
    struct zrpc_sim_begin begin = {
        .to_guid = UINT64_MAX, .from_guid = 2, .creation = 1577836800, .snapshot = "a snapshot"};
    struct zrpc_sim_extents extents = {0};
    struct zrpc_sim_writer w;
    uint8_t chunk[1000];
    size_t got;

    for (size_t i = 0; i < n; i++)
        CHECK_OK(zrpc_sim_extents_push(&extents, (struct zrpc_sim_extent){i + 77, lengths[i]}, NULL));
    CHECK_OK(zrpc_sim_writer_init(&w, &begin, extents, NULL));
    for (size_t ask = 1; (got = zrpc_sim_writer_read(&w, chunk, ask)) > 0; ask = ask % 999 + 1)
        CHECK_OK(zrpc_buf_append(out, zrpc_view(chunk, got), NULL));
    CHECK(out->len == zrpc_sim_stream_length(&w.extents));
    zrpc_sim_writer_dispose(&w);
}

/* Feeds in pieces; the first error, or that of finish. */
static int read_stream(struct zrpc_view in, size_t piece, struct zrpc_sim_reader *r, struct zrpc_error *err)
{
    int rc = 0;

    *r = (struct zrpc_sim_reader){0};
    while (rc >= 0 && in.len > 0) {
        struct zrpc_view part = zrpc_view_take(&in, in.len < piece ? in.len : piece);

        while (rc >= 0 && part.len > 0)
            rc = zrpc_sim_reader_feed(r, &part, err);
    }
    return rc < 0 ? rc : zrpc_sim_reader_finish(r, err);
}

static void streams_arrive_in_pieces_of_any_size(void)
{
    static const uint64_t lengths[] = {1, 7, 0, 8, 9, 5000, 65536};
    struct zrpc_buf stream = {0};

    make_stream(lengths, 7, &stream);
    for (size_t piece = 1; piece < 600; piece += 1 + piece / 8) {
        struct zrpc_sim_reader r;

        CHECK_OK(read_stream(zrpc_buf_view(&stream), piece, &r, NULL));
        CHECK(r.begin.to_guid == UINT64_MAX && r.begin.from_guid == 2);
        CHECK_STR(r.begin.snapshot, "a snapshot");
        CHECK_INT(r.extents.len, 6);
        CHECK_INT(r.extents.length, 70561);
        CHECK_INT(r.extents.items[4].seed, 77 + 5);
        zrpc_sim_reader_dispose(&r);
    }
    zrpc_buf_dispose(&stream);
}

static void every_flipped_bit_is_found(void)
{
    static const uint64_t lengths[] = {5, 40};
    struct zrpc_buf stream = {0};
    struct zrpc_sim_reader r;
    struct zrpc_error err;

    make_stream(lengths, 2, &stream);
    CHECK_INT(stream.len, 336 + 56 + 8 + 56 + 40 + 56);
    for (size_t i = 0; i < 8 * stream.len; i++) {
        uint8_t *byte = stream.base + stream.off + i / 8;

        *byte ^= (uint8_t)(1 << i % 8);
        CHECK_CODE(read_stream(zrpc_buf_view(&stream), 4096, &r, &err), ZRPC_ERR_ZFS);
        CHECK_STR(err.text,
                  i / 8 < 8 ? "invalid stream (bad magic number)" : "invalid stream (checksum mismatch)");
        zrpc_sim_reader_dispose(&r);
        *byte ^= (uint8_t)(1 << i % 8);
    }
    CHECK_OK(read_stream(zrpc_buf_view(&stream), 4096, &r, &err));
    zrpc_sim_reader_dispose(&r);
    zrpc_buf_dispose(&stream);
}

static void every_cut_is_found(void)
{
    static const uint64_t lengths[] = {5, 40};
    struct zrpc_buf stream = {0};
    struct zrpc_sim_reader r;
    struct zrpc_error err;

    make_stream(lengths, 2, &stream);
    for (size_t len = 0; len < stream.len; len++) {
        CHECK_CODE(read_stream(zrpc_view(stream.base + stream.off, len), 4096, &r, &err), ZRPC_ERR_ZFS);
        CHECK_STR(err.text, "incomplete stream");
        zrpc_sim_reader_dispose(&r);
    }
    CHECK_OK(zrpc_buf_append(&stream, zrpc_view_of("x"), NULL));
    CHECK_CODE(read_stream(zrpc_buf_view(&stream), 4096, &r, &err), ZRPC_ERR_ZFS);
    CHECK_STR(err.text, "invalid stream (data after its end)");
    zrpc_sim_reader_dispose(&r);
    zrpc_buf_dispose(&stream);
}

/* Content that is not the seed's is found at the byte, not at the next checksum; so is padding that is none.
 */
static void wrong_content_is_found_at_once(void)
{
    static const uint64_t lengths[] = {5};
    struct zrpc_buf stream = {0};
    struct zrpc_sim_reader r;
    struct zrpc_error err;

    make_stream(lengths, 1, &stream);
    for (size_t i = 336 + 56; i < 336 + 56 + 8; i++) {
        stream.base[stream.off + i] ^= 1;
        CHECK_CODE(read_stream(zrpc_view(stream.base + stream.off, i), 4096, &r, &err), ZRPC_ERR_ZFS);
        CHECK_STR(err.text, "incomplete stream");
        zrpc_sim_reader_dispose(&r);
        CHECK_CODE(read_stream(zrpc_view(stream.base + stream.off, i + 1), 4096, &r, &err), ZRPC_ERR_ZFS);
        CHECK_STR(err.text, "invalid stream (checksum mismatch)");
        zrpc_sim_reader_dispose(&r);
        stream.base[stream.off + i] ^= 1;
    }
    zrpc_buf_dispose(&stream);
}

/* Puts the right checksum at the end of a record, so that only what it says is wrong. */
static void reseal(struct zrpc_buf *stream, size_t record_end)
{
    struct zrpc_sim_fletcher4 f = {0};
    uint8_t *p = stream->base + stream->off;

    zrpc_sim_fletcher4_update(&f, p, record_end - 32);
    for (int i = 0; i < 8; i++)
        zrpc_put_u32(p + record_end - 32 + 4 * i, (uint32_t)(f.sum[i / 2] >> (i % 2 == 0 ? 32 : 0)));
}

/* A stream without content, but for one byte that lies; under right checksums. */
static void records_that_lie(void)
{
    enum { END = ZRPC_SIM_BEGIN_SIZE };
    static const struct {
        size_t offset, also; /* 0: none */
        uint8_t value;
        const char *text;
    } rows[] = {
        {11, 0, 2, "unsupported version"},
        {15, 0, 0, "bad begin record"},    /* a full stream with a from guid */
        {15, 0, 3, "bad begin record"},    /* an unknown flag */
        {32, 0, 1, "bad begin record"},    /* created long after the year 9999 */
        {40, 0, 0xff, "bad begin record"}, /* more content than a filesystem holds */
        {48, 0, '/', "bad begin record"},
        {48, 0, 0, "bad begin record"},    /* an empty name */
        {100, 0, 'x', "bad begin record"}, /* something behind the name's zero */
        {47, 0, 1, "content of another length than announced"},
        {47, END + 23, 1, "content of another length than announced"},
        {END + 23, 0, 1, "content of another length than announced"},
        {END + 15, 0, 1, "content of another length than announced"},
        {END + 3, 0, 1, "content of another length than announced"}, /* an extent of no bytes */
        {END + 3, 0, 3, "unknown record"},
        {END + 7, 0, 1, "unknown record"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_buf stream = {0};
        struct zrpc_sim_reader r;
        struct zrpc_error err;

        make_stream(NULL, 0, &stream);
        stream.base[stream.off + rows[i].offset] = rows[i].value;
        if (rows[i].also != 0)
            stream.base[stream.off + rows[i].also] = rows[i].value;
        reseal(&stream, END);
        reseal(&stream, END + ZRPC_SIM_RECORD_SIZE);
        CHECK_CODE(read_stream(zrpc_buf_view(&stream), 4096, &r, &err), ZRPC_ERR_ZFS);
        CHECK_CONTAINS(err.text, rows[i].text);
        zrpc_sim_reader_dispose(&r);
        zrpc_buf_dispose(&stream);
    }
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

static const struct zrpc_test tests[] = {
    {"content is the same from any offset", content_is_the_same_from_any_offset},
    {"content differs in every byte that differs", content_differs_in_every_byte_that_differs},
    {"content is fixed for all time", content_is_fixed_for_all_time},
    {"fletcher-4 of known words, in any pieces", fletcher4_of_known_words},
    {"streams arrive in pieces of any size", streams_arrive_in_pieces_of_any_size},
    {"every flipped bit is found", every_flipped_bit_is_found},
    {"every cut is found", every_cut_is_found},
    {"wrong content is found at once", wrong_content_is_found_at_once},
    {"records that lie", records_that_lie},
    {"extents have limits", extents_have_limits},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim/stream", tests, argc, argv);
}
