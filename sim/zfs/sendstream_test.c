/* What comes through a send stream, and in which form. What does not is sendstream_damage_test.c. */
#include "sim/zfs/sendstream_testing.h"
#include "testing/alloc.h"

static const uint64_t none[] = {0}, small[] = {1, 700, 511, 512, 0}, blocks[] = {1, 300000, 131072, 5000, 0};

static void streams_arrive_in_pieces_of_any_size(void)
{
    static const struct {
        uint64_t from;
        const uint64_t *lengths;
    } rows[] = {{0, none}, {3, none}, {0, small}, {3, small}, {0, blocks}, {3, blocks}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_sendstream s = stream_of(rows[i].from, rows[i].lengths);
        struct zrpc_buf stream = {0};

        s.begin.volume = i % 2 == 0;
        CHECK_OK(make(&s, &stream, NULL));
        for (size_t piece = rows[i].lengths == blocks ? 97 : 1; piece < 700000; piece += 1 + piece / 4) {
            struct zrpc_sendstream_reader r;

            CHECK_OK(read_all(&r, zrpc_buf_view(&stream), piece, NULL, NULL));
            CHECK(zrpc_sendstream_reader_ended(&r));
            CHECK(r.fault == ZRPC_SENDSTREAM_FINE);
            CHECK(memcmp(&r.stream.begin, &s.begin, sizeof s.begin) == 0);
            CHECK(same_extents(&r.stream.extents, &s.extents));
            CHECK(s.extents.len == 0 || r.stream.first_object == s.first_object);
            zrpc_sendstream_reader_dispose(&r);
        }
        zrpc_buf_dispose(&stream);
        zrpc_sendstream_dispose(&s);
    }
}

/* `zstream dump -v` of OpenZFS 2.1.11 has read this stream and printed this checksum. */
static void the_form_is_fixed_for_all_time(void)
{
    static const uint64_t sum[4] = {0xd5303014fc98, 0xe7091f6642b6182a, 0x8993601424b99d70,
                                    0xb2655c8c02e7910e};
    static const uint32_t types[] = {0, 2, 1, 4, 3, 1, 4, 3, 3, 3, 1, 4, 3, 1, 4, 3, 2, 5};
    struct zrpc_sendstream s = stream_of(0, blocks);
    struct zrpc_buf stream = {0};
    const uint8_t *data;
    struct parts p;

    s.begin.to_guid = 0x1234567890abcdef;
    memcpy(s.begin.toname, "tank/a@snap 1", 14);
    for (size_t i = 0; i < s.extents.len; i++)
        s.extents.items[i].seed = 77 * (i + 5);
    CHECK_OK(make(&s, &stream, NULL));
    CHECK_INT(stream.len, 535600);
    part(zrpc_buf_view(&stream), &p);
    data = stream.base + stream.off;
    CHECK_INT(p.n, sizeof types / sizeof types[0]);
    for (size_t i = 0; i < p.n; i++)
        CHECK_INT(zrpc_get_le32(data + p.at[i]), types[i]);
    for (int i = 0; i < 4; i++)
        CHECK(zrpc_get_le64(data + p.at[p.n - 1] + 8 + 8 * i) == sum[i]);
    zrpc_buf_dispose(&stream);
    zrpc_sendstream_dispose(&s);
}

static void the_length_of_the_largest_is_known_at_once(void)
{
    struct zrpc_sendstream s = stream_of(0, none);
    uint64_t blocks_each = (ZRPC_SIM_CONTENT_MAX / 4096) / ZRPC_SENDSTREAM_BLOCK_MAX;

    for (int i = 0; i < 4096; i++)
        CHECK_OK(zrpc_sim_extents_push(&s.extents, (struct zrpc_sim_extent){1, ZRPC_SIM_CONTENT_MAX / 4096},
                                       NULL));
    /* BEGIN, FREEOBJECTS at both ends, END; then each object. */
    CHECK(zrpc_sendstream_length(&s) ==
          4 * RECORD + ZRPC_SIM_CONTENT_MAX + 4096 * (2 * RECORD + 16 + blocks_each * RECORD));
    zrpc_sendstream_dispose(&s);
}

/* The writer of a huge stream starts anywhere, at once. */
static void a_huge_stream_is_resumed_near_its_end(void)
{
    static const uint64_t huge[] = {UINT64_C(1) << 59, UINT64_C(1) << 58, 0};
    struct zrpc_sendstream s = stream_of(0, huge);
    struct zrpc_sendstream_reader r;
    struct zrpc_buf stream = {0};

    s.resumed = true;
    s.point = (struct zrpc_sendstream_point){.object = 2, .offset = huge[1] - 2 * 131072, .bytes = 1};
    CHECK_OK(make(&s, &stream, NULL));
    CHECK_INT(stream.len, 312 + 96 + 312 + 16 + 312 + 2 * (312 + 131072) + 312 + 312);
    CHECK_OK(read_all(&r, zrpc_buf_view(&stream), 65536, &s, NULL));
    CHECK(same_extents(&r.stream.extents, &s.extents));
    CHECK(zrpc_sendstream_reader_point(&r).bytes ==
          huge[0] + huge[1] + ((huge[0] + huge[1]) >> 17) * 312 + 2 * 312 + 2 * (2 * 312 + 16));
    zrpc_sendstream_reader_dispose(&r);
    zrpc_buf_dispose(&stream);
    zrpc_sendstream_dispose(&s);
}

/* As OpenZFS reads streams of hosts of the other byte order. */
static void big_endian_streams_are_read(void)
{
    for (int i = 0; i < 4; i++) {
        struct zrpc_sendstream s = stream_of(i % 2 == 0 ? 0 : 3, i < 2 ? small : blocks);
        struct zrpc_sendstream_reader r;
        struct zrpc_buf stream = {0};

        CHECK_OK(make(&s, &stream, NULL));
        turn_over(&stream);
        CHECK_OK(read_all(&r, zrpc_buf_view(&stream), 1001, NULL, NULL));
        CHECK(memcmp(&r.stream.begin, &s.begin, sizeof s.begin) == 0);
        CHECK(same_extents(&r.stream.extents, &s.extents));
        zrpc_sendstream_reader_dispose(&r);
        zrpc_buf_dispose(&stream);
        zrpc_sendstream_dispose(&s);
    }
}

/* Saves what is worth saving of a receive, as a pool would, and makes the resumed stream of it. */
static struct zrpc_sendstream save(const struct zrpc_sendstream_reader *r)
{
    struct zrpc_sendstream saved = copy_of(&r->stream);

    saved.point = zrpc_sendstream_reader_point(r);
    return saved;
}

/* Receives the stream, cut after `cut` bytes, going on from *saved, and puts there what came of it. True: the
 * stream was complete. */
static bool receive(const struct zrpc_sendstream *sent, struct zrpc_sendstream *saved, bool resumed,
                    uint64_t cut)
{
    struct zrpc_sendstream out = copy_of(sent), now;
    struct zrpc_sendstream_reader r;
    struct zrpc_buf stream = {0};
    struct zrpc_error err;
    bool complete;

    out.resumed = resumed;
    out.point = saved->point;
    CHECK_OK(make(&out, &stream, NULL));
    complete = cut >= stream.len;
    if (!complete)
        stream.len = cut;
    if (complete)
        CHECK_OK(read_all(&r, zrpc_buf_view(&stream), 5000, resumed ? saved : NULL, &err));
    else
        CHECK_CODE(read_all(&r, zrpc_buf_view(&stream), 5000, resumed ? saved : NULL, &err), ZRPC_ERR_ZFS);
    CHECK_STR(complete ? "" : err.text, complete       ? ""
                                        : cut < RECORD ? "failed to read from stream"
                                                       : "incomplete stream");
    if (cut > 2 * RECORD + 96) { /* it had begun */
        now = save(&r);
        CHECK(now.point.bytes >= saved->point.bytes);
        zrpc_sendstream_dispose(saved);
        *saved = now;
    }
    zrpc_sendstream_reader_dispose(&r);
    zrpc_buf_dispose(&stream);
    zrpc_sendstream_dispose(&out);
    return complete;
}

static void a_cut_stream_goes_on_from_any_byte(void)
{
    for (int i = 0; i < 2; i++) {
        struct zrpc_sendstream s = stream_of(i == 0 ? 0 : 3, small);
        uint64_t length = zrpc_sendstream_length(&s);

        for (uint64_t cut = 2 * RECORD + 97; cut < length; cut += zrpc_under_valgrind() ? 61 : 1) {
            struct zrpc_sendstream saved = {.point = ZRPC_SENDSTREAM_START};

            CHECK(!receive(&s, &saved, false, cut));
            CHECK(receive(&s, &saved, true, UINT64_MAX));
            CHECK(same_extents(&saved.extents, &s.extents));
            zrpc_sendstream_dispose(&saved);
        }
        zrpc_sendstream_dispose(&s);
    }
}

static void streams_that_are_cut_again_and_again_become_complete(void)
{
    static const uint64_t lengths[] = {131073, 1, 400000, 65536, 262144, 3, 0};

    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct zrpc_sendstream s = stream_of(seed % 3 == 0 ? 0 : 3, seed % 4 == 0 ? none : lengths);
        struct zrpc_sendstream saved = {.point = ZRPC_SENDSTREAM_START};
        uint64_t random = seed, most = 2 * RECORD + 97;
        bool complete = receive(&s, &saved, false, choose(&random, zrpc_sendstream_length(&s)) + most);

        for (; !complete; most += 20000)
            complete = receive(&s, &saved, true, choose(&random, most));
        CHECK(same_extents(&saved.extents, &s.extents));
        CHECK(saved.begin.to_guid == s.begin.to_guid);
        zrpc_sendstream_dispose(&saved);
        zrpc_sendstream_dispose(&s);
    }
}

/* The point is that of the last whole block: what came of the next is not counted. */
static void the_point_counts_whole_blocks(void)
{
    static const uint64_t lengths[] = {1, 262145, 0};
    static const struct {
        uint64_t cut;
        struct zrpc_sendstream_point point;
    } rows[] = {
        {2 * 312 + 1, {1, 0, 0}},
        {5 * 312 + 16 + 511, {1, 0, 0}},
        {5 * 312 + 16 + 512, {1, 0, 5 * 312 + 16 + 512}},
        {8 * 312 + 32 + 512 + 131071, {1, 0, 5 * 312 + 16 + 512}},
        {8 * 312 + 32 + 512 + 131072, {2, 0, 8 * 312 + 32 + 512 + 131072}},
        {9 * 312 + 32 + 512 + 262144, {2, 131072, 9 * 312 + 32 + 512 + 262144}},
        {11 * 312 + 32 + 512 + 393216, {2, 262144, 10 * 312 + 32 + 512 + 393216}},
    };
    struct zrpc_sendstream s = stream_of(0, lengths);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_sendstream saved = {.point = ZRPC_SENDSTREAM_START};

        receive(&s, &saved, false, rows[i].cut);
        CHECK_INT(saved.point.object, rows[i].point.object);
        CHECK_INT(saved.point.offset, rows[i].point.offset);
        CHECK_INT(saved.point.bytes, rows[i].point.bytes);
        zrpc_sendstream_dispose(&saved);
    }
    zrpc_sendstream_dispose(&s);
}

static void a_writer_refuses_what_is_no_stream(void)
{
    static const struct {
        const char *toname;
        uint64_t from, first, object, offset;
        int code;
        const char *text;
    } rows[] = {
        {"tank/a", 0, 1, 1, 0, ZRPC_ERR_USAGE, "FS@SNAPSHOT"},
        {"tank/../a@b", 0, 1, 1, 0, ZRPC_ERR_USAGE, "FS@SNAPSHOT"},
        {"tank@a@b", 0, 1, 1, 0, ZRPC_ERR_USAGE, "FS@SNAPSHOT"},
        {"tank@a", 0, 2, 1, 0, ZRPC_ERR_USAGE, "full"},
        {"tank@a", 1, 0, 1, 0, ZRPC_ERR_USAGE, "incremental"},
        {"tank@a", 1, 4094, 1, 0, ZRPC_ERR_USAGE, "incremental"},
        {"tank@a", 0, 1, 5, 0, ZRPC_ERR_ZFS, "object 0x5 with offset 0"},
        {"tank@a", 0, 1, 0, 0, ZRPC_ERR_ZFS, "object 0 with offset 0"},
        {"tank@a", 0, 1, UINT64_MAX, 0, ZRPC_ERR_ZFS, "object 0xffff"},
        {"tank@a", 0, 1, 2, 1, ZRPC_ERR_ZFS, "offset 0x1"},
        {"tank@a", 0, 1, 2, 393216, ZRPC_ERR_ZFS, "offset 0x60000"},
        {"tank@a", 3, 6, 2, 0, ZRPC_ERR_ZFS, "object 0x2"},
        {"tank@a", 3, 6, 1, 512, ZRPC_ERR_ZFS, "object 0x1"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_sendstream s = stream_of(rows[i].from, blocks);
        struct zrpc_sendstream_writer w;
        struct zrpc_error err;

        memcpy(s.begin.toname, rows[i].toname, strlen(rows[i].toname) + 1);
        s.first_object = rows[i].first;
        s.resumed = true;
        s.point = (struct zrpc_sendstream_point){.object = rows[i].object, .offset = rows[i].offset};
        CHECK_CODE(zrpc_sendstream_writer_init(&w, s, &err), rows[i].code);
        CHECK_CONTAINS(err.text, rows[i].text);
    }
}

static int transfer(void *arg)
{
    struct zrpc_sendstream_reader r;
    struct zrpc_buf *stream = arg;
    struct zrpc_error err;
    int rc = read_all(&r, zrpc_buf_view(stream), 4096, NULL, &err);

    zrpc_sendstream_reader_dispose(&r);
    return rc;
}

static void a_reader_survives_want_of_memory(void)
{
    struct zrpc_sendstream s = stream_of(0, small);
    struct zrpc_buf stream = {0};

    for (int i = 0; i < 20; i++)
        CHECK_OK(zrpc_sim_extents_push(&s.extents, (struct zrpc_sim_extent){5, 5}, NULL));
    CHECK_OK(make(&s, &stream, NULL));
    CHECK_INT(zrpc_alloc_each(transfer, &stream), 4);
    zrpc_buf_dispose(&stream);
    zrpc_sendstream_dispose(&s);
}

static const struct zrpc_test tests[] = {
    {"streams arrive in pieces of any size", streams_arrive_in_pieces_of_any_size},
    {"the form is fixed for all time", the_form_is_fixed_for_all_time},
    {"the length of the largest is known at once", the_length_of_the_largest_is_known_at_once},
    {"a huge stream is resumed near its end", a_huge_stream_is_resumed_near_its_end},
    {"big-endian streams are read", big_endian_streams_are_read},
    {"a cut stream goes on from any byte", a_cut_stream_goes_on_from_any_byte},
    {"streams that are cut again and again become complete",
     streams_that_are_cut_again_and_again_become_complete},
    {"the point counts whole blocks", the_point_counts_whole_blocks},
    {"a writer refuses what is no stream", a_writer_refuses_what_is_no_stream},
    {"a reader survives want of memory", a_reader_survives_want_of_memory},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim/sendstream", tests, argc, argv);
}
