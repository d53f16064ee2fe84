/* What does not come through a send stream: no changed bit, no cut, no record out of its place, and no lie
 * under a right checksum. */
#include "sim/zfs/sendstream_testing.h"

static const uint64_t none[] = {0}, small[] = {1, 700, 0}, some[] = {5, 512, 1, 1300, 0},
                      blocks[] = {300000, 5000, 140000, 1, 0};

/* Under valgrind, not every one. */
static size_t step(size_t slow)
{
    return zrpc_under_valgrind() ? slow : 1;
}

static void check_refused(struct zrpc_view stream, const struct zrpc_sendstream *saved, size_t piece)
{
    struct zrpc_sendstream_reader r;
    struct zrpc_error err;

    if (CHECK_CODE(read_all(&r, stream, piece, saved, &err), ZRPC_ERR_ZFS))
        CHECK(err.text[0] != '\0');
    CHECK(r.fault != ZRPC_SENDSTREAM_FINE);
    CHECK(!zrpc_sendstream_reader_ended(&r));
    zrpc_sendstream_reader_dispose(&r);
}

/* What is said of a flipped bit of a stream: BEGIN's fields are looked at before anything tells that they are
 * right. */
static const char *expected_text(size_t bit, uint8_t was)
{
    size_t byte = bit / 8;

    if (byte < 4 || (byte >= 8 && byte < 16))
        return "invalid stream (bad magic number)";
    if (byte < 8 || bit == 16 * 8 + 22) /* a payload, or the feature that asks for one */
        return "invalid backup stream";
    if (bit < 16 * 8 + 58)
        return "stream has unsupported feature, feature flags = ";
    if (byte >= 56 && byte < RECORD && was == '@')
        return "invalid stream (bad snapshot name)";
    return "checksum mismatch";
}

static void every_flipped_bit_is_found(void)
{
    for (uint64_t from = 0; from < 2; from++) {
        struct zrpc_sendstream s = stream_of(from, small);
        struct zrpc_buf stream = {0};

        CHECK_OK(make(&s, &stream, NULL));
        for (size_t i = 0; i < 8 * stream.len; i += step(61)) {
            uint8_t *byte = stream.base + stream.off + i / 8, was = *byte;
            struct zrpc_sendstream_reader r;
            struct zrpc_error err;

            *byte ^= (uint8_t)(1 << i % 8);
            if (CHECK_CODE(read_all(&r, zrpc_buf_view(&stream), 4096, NULL, &err), ZRPC_ERR_ZFS))
                CHECK_CONTAINS(err.text, expected_text(i, was));
            CHECK(i < 8 * RECORD || r.fault == ZRPC_SENDSTREAM_MISMATCH);
            zrpc_sendstream_reader_dispose(&r);
            *byte = was;
        }
        zrpc_buf_dispose(&stream);
        zrpc_sendstream_dispose(&s);
    }
}

static void every_flipped_bit_of_other_streams_is_found(void)
{
    for (int i = 0; i < 4; i++) {
        struct zrpc_sendstream s = stream_of(i % 2 == 0 ? 0 : 3, i == 0 ? none : small), saved;
        struct zrpc_buf stream = {0};

        s.resumed = i < 2;
        s.point = i == 1 ? (struct zrpc_sendstream_point){7, 0, 1} : ZRPC_SENDSTREAM_START;
        saved = s;
        CHECK_OK(make(&s, &stream, NULL));
        if (!s.resumed)
            turn_over(&stream);
        for (size_t bit = 0; bit < 8 * stream.len; bit += step(61)) {
            uint8_t *byte = stream.base + stream.off + bit / 8;

            *byte ^= (uint8_t)(1 << bit % 8);
            check_refused(zrpc_buf_view(&stream), s.resumed ? &saved : NULL, 777);
            *byte ^= (uint8_t)(1 << bit % 8);
        }
        zrpc_buf_dispose(&stream);
        zrpc_sendstream_dispose(&s);
    }
}

static void every_cut_is_found(void)
{
    struct zrpc_sendstream s = stream_of(0, small);
    struct zrpc_buf stream = {0};
    struct zrpc_sendstream_reader r;
    struct zrpc_error err;

    CHECK_OK(make(&s, &stream, NULL));
    for (size_t len = 0; len < stream.len; len++) {
        CHECK_CODE(read_all(&r, zrpc_view(stream.base + stream.off, len), 4096, NULL, &err), ZRPC_ERR_ZFS);
        CHECK_STR(err.text, len < RECORD ? "failed to read from stream" : "incomplete stream");
        CHECK(r.fault == (len < RECORD ? ZRPC_SENDSTREAM_BAD : ZRPC_SENDSTREAM_INCOMPLETE));
        zrpc_sendstream_reader_dispose(&r);
    }
    CHECK_OK(zrpc_buf_append(&stream, zrpc_view_of("x"), NULL));
    CHECK_CODE(read_all(&r, zrpc_buf_view(&stream), 4096, NULL, &err), ZRPC_ERR_ZFS);
    CHECK_STR(err.text, "invalid stream (data after its end)");
    zrpc_sendstream_reader_dispose(&r);
    zrpc_buf_dispose(&stream);
    zrpc_sendstream_dispose(&s);
}

/* The stream's records in another order: those numbered, in theirs. */
static void check_order_refused(const struct zrpc_buf *stream, const struct parts *p, const size_t *order,
                                size_t n)
{
    struct zrpc_buf out = {0};

    for (size_t i = 0; i < n; i++) {
        const uint8_t *at = stream->base + stream->off + p->at[order[i]];

        CHECK_OK(zrpc_buf_append(&out, zrpc_view(at, p->at[order[i] + 1] - p->at[order[i]]), NULL));
    }
    check_refused(zrpc_buf_view(&out), NULL, 65536);
    reseal(&out);
    check_refused(zrpc_buf_view(&out), NULL, 65536);
    zrpc_buf_dispose(&out);
}

/* Also where all checksums are made right again. */
static void records_have_their_places(void)
{
    for (uint64_t from = 0; from < 2; from++) {
        struct zrpc_sendstream s = stream_of(from, some);
        struct zrpc_buf stream = {0};
        size_t order[64], n = 0;
        struct parts p;

        CHECK_OK(make(&s, &stream, NULL));
        part(zrpc_buf_view(&stream), &p);
        for (size_t i = 0; i < p.n; i++) {
            n = 0;
            for (size_t k = 0; k < p.n; k++)
                if (k != i)
                    order[n++] = k;
            check_order_refused(&stream, &p, order, n); /* dropped */
            for (size_t j = 0; j <= p.n; j++) {
                n = 0;
                for (size_t k = 0; k <= p.n; k++) {
                    if (k == j)
                        order[n++] = i;
                    if (k < p.n)
                        order[n++] = k;
                }
                check_order_refused(&stream, &p, order, n); /* a second time, somewhere */
            }
            for (size_t j = i + 1; j < p.n; j++) {
                for (n = 0; n < p.n; n++)
                    order[n] = n == i ? j : n == j ? i : n;
                check_order_refused(&stream, &p, order, n); /* swapped */
            }
        }
        zrpc_buf_dispose(&stream);
        zrpc_sendstream_dispose(&s);
    }
}

/* One way or another, by chance. */
static void damage(struct zrpc_buf *stream, const struct zrpc_buf *other, uint64_t *random)
{
    uint8_t *data = stream->base + stream->off;
    size_t at = (size_t)choose(random, stream->len), len = (size_t)choose(random, stream->len - at) + 1;

    switch (choose(random, 6)) {
    case 0:
        data[at] ^= (uint8_t)(1 << choose(random, 8));
        break;
    case 1:
        stream->len = at;
        break;
    case 2: /* a piece is lost */
        memmove(data + at, data + at + len, stream->len - at - len);
        stream->len -= len;
        break;
    case 3:
        memset(data + at, 0, len);
        break;
    case 4: /* a word is lost, and one has come */
        memmove(data + at, data + at + 4, stream->len - at < 4 ? 0 : stream->len - at - 4);
        break;
    default: /* goes on as another stream */
        memcpy(data + at, other->base + other->off + at, stream->len - at);
    }
}

static void damage_by_chance_is_found(void)
{
    struct zrpc_sendstream s = stream_of(0, blocks), other = stream_of(0, blocks);
    struct zrpc_buf original = {0}, different = {0};

    other.extents.items[0].seed++;
    CHECK_OK(make(&s, &original, NULL));
    CHECK_OK(make(&other, &different, NULL));
    for (uint64_t seed = 1; seed <= 200; seed += step(20)) {
        uint64_t random = seed;
        struct zrpc_buf stream = {0};

        CHECK_OK(zrpc_buf_append(&stream, zrpc_buf_view(&original), NULL));
        damage(&stream, seed % 2 == 0 ? &different : &original, &random);
        if (!zrpc_view_equal(zrpc_buf_view(&stream), zrpc_buf_view(&original)) &&
            !zrpc_view_equal(zrpc_buf_view(&stream), zrpc_buf_view(&different)))
            check_refused(zrpc_buf_view(&stream), NULL, 1 + choose(&random, 70000));
        zrpc_buf_dispose(&stream);
    }
    zrpc_buf_dispose(&original);
    zrpc_buf_dispose(&different);
    zrpc_sendstream_dispose(&s);
    zrpc_sendstream_dispose(&other);
}

/* After the damage, what came before it is still good: the next stream goes on from there. */
static void what_came_before_the_damage_is_kept(void)
{
    struct zrpc_sendstream s = stream_of(0, some), out;
    struct zrpc_buf stream = {0};

    CHECK_OK(make(&s, &stream, NULL));
    for (size_t i = 2 * RECORD; i < stream.len; i += 7 * step(9)) {
        struct zrpc_sendstream_reader r, next;
        struct zrpc_sendstream saved;
        struct zrpc_buf rest = {0};

        stream.base[stream.off + i] ^= 0x10;
        CHECK_CODE(read_all(&r, zrpc_buf_view(&stream), 500, NULL, NULL), ZRPC_ERR_ZFS);
        saved = r.stream;
        saved.point = zrpc_sendstream_reader_point(&r);
        CHECK(saved.point.bytes <= i);
        out = s;
        out.resumed = true;
        out.point = saved.point;
        CHECK_OK(make(&out, &rest, NULL));
        CHECK_OK(read_all(&next, zrpc_buf_view(&rest), 500, &saved, NULL));
        CHECK(same_extents(&next.stream.extents, &s.extents));
        stream.base[stream.off + i] ^= 0x10;
        zrpc_sendstream_reader_dispose(&r);
        zrpc_sendstream_reader_dispose(&next);
        zrpc_buf_dispose(&rest);
    }
    zrpc_buf_dispose(&stream);
    zrpc_sendstream_dispose(&s);
}

/* A byte of a record, changed under right checksums. Record 3 of these is FREE of object 1. */
static void records_that_lie(void)
{
    static const struct {
        size_t record, offset;
        uint8_t value;
        const char *text;
    } rows[] = {
        {0, 16, 2, "feature flags = 0"},        /* a compound stream */
        {0, 16, 0, "feature flags = 0"},        /* none */
        {0, 19, 1, "feature flags = 400000"},   /* compressed */
        {0, 18, 0x40, "invalid backup stream"}, /* resumed, and nothing says from where */
        {0, 4, 8, "invalid backup stream"},     /* a payload without a reason */
        {0, 31, 0x7f, "invalid backup stream"}, /* created long after the year 9999 */
        {0, 32, 1, "invalid backup stream"},    /* neither filesystem nor volume */
        {0, 36, 0x0d, "invalid backup stream"}, /* a clone */
        {0, 56, '/', "invalid backup stream"},  /* a bad name, ... */
        {0, 56, 0, "invalid backup stream"},    /* ... none, ... */
        {0, 311, 'x', "invalid backup stream"}, /* ... and something behind it */
        {0, 48, 9, "invalid backup stream"},    /* incremental, but with a full stream's head */
        {1, 0, 6, "invalid backup stream"},     /* records of other types */
        {1, 0, 0xff, "invalid backup stream"},
        {1, 0, 0, "checksum mismatch"},     /* BEGIN again, which has no checksum */
        {1, 4, 1, "invalid backup stream"}, /* a payload that is not there */
        {1, 16, 2, "invalid backup stream"},
        {2, 8, 0, "invalid backup stream"}, /* objects have their numbers */
        {2, 8, 2, "invalid backup stream"},
        {2, 15, 0xff, "invalid backup stream"},
        {2, 16, 20, "invalid backup stream"},
        {2, 24, 1, "invalid backup stream"},
        {2, 28, 24, "invalid backup stream"},
        {2, 40, 1, "invalid backup stream"}, /* another snapshot's */
        {2, 100, 1, "invalid backup stream"},
        {2, 312, 1, "checksum mismatch"},     /* another seed than the content has */
        {2, 320, 0, "invalid backup stream"}, /* no content */
        {2, 320, 6, "checksum mismatch"},
        {2, 321, 2, "invalid backup stream"}, /* it does not fit the block size */
        {2, 327, 0xff, "invalid backup stream"},
        {3, 8, 2, "invalid backup stream"},
        {3, 17, 4, "invalid backup stream"},
        {3, 24, 0, "invalid backup stream"},
        {4, 8, 2, "invalid backup stream"},
        {4, 24, 1, "invalid backup stream"},
        {4, 33, 4, "invalid backup stream"},
        {4, 39, 1, "invalid backup stream"}, /* larger than there are bytes */
        {4, 48, 7, "invalid backup stream"},
        {4, 50, 2, "invalid backup stream"},  /* compressed */
        {4, 312 + 5, 1, "checksum mismatch"}, /* not zero behind the end */
        {14, 8, 0, "invalid backup stream"},
        {14, 16, 1, "invalid backup stream"},
        {15, 40, 0, "invalid backup stream"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_sendstream s = stream_of(0, some);
        struct zrpc_sendstream_reader r;
        struct zrpc_buf stream = {0};
        struct zrpc_error err;
        struct parts p;

        CHECK_OK(make(&s, &stream, NULL));
        part(zrpc_buf_view(&stream), &p);
        CHECK_INT(p.n, 16);
        stream.base[stream.off + p.at[rows[i].record] + rows[i].offset] = rows[i].value;
        reseal(&stream);
        CHECK_CODE(read_all(&r, zrpc_buf_view(&stream), 4096, NULL, &err), ZRPC_ERR_ZFS);
        CHECK_CONTAINS(err.text, rows[i].text);
        zrpc_sendstream_reader_dispose(&r);
        zrpc_buf_dispose(&stream);
        zrpc_sendstream_dispose(&s);
    }
}

static void a_filesystem_holds_4096_objects(void)
{
    struct zrpc_sendstream s = stream_of(0, none);
    struct zrpc_sendstream_reader r;
    struct zrpc_buf stream = {0};
    uint8_t more[ZRPC_DRR_BUFFER];
    struct zrpc_error err;
    size_t len;

    for (int i = 0; i < ZRPC_SIM_EXTENTS_MAX; i++)
        CHECK_OK(zrpc_sim_extents_push(&s.extents, (struct zrpc_sim_extent){1, 1}, NULL));
    CHECK_OK(make(&s, &stream, NULL));
    CHECK_OK(read_all(&r, zrpc_buf_view(&stream), 65536, NULL, NULL));
    zrpc_sendstream_reader_dispose(&r);
    len = zrpc_drr_object(&s.begin, ZRPC_SIM_EXTENTS_MAX + 1, s.extents.items[0], more);
    stream.len -= 2 * RECORD;
    CHECK_OK(zrpc_buf_append(&stream, zrpc_view(more, len), NULL));
    reseal(&stream);
    CHECK_CODE(read_all(&r, zrpc_buf_view(&stream), 65536, NULL, &err), ZRPC_ERR_ZFS);
    CHECK_STR(err.text, "invalid backup stream");
    CHECK_INT(r.stream.extents.len, ZRPC_SIM_EXTENTS_MAX);
    zrpc_sendstream_reader_dispose(&r);
    zrpc_buf_dispose(&stream);
    zrpc_sendstream_dispose(&s);
}

/* A stream that goes on goes on from what was saved, and from nothing else. */
static void a_resumed_stream_needs_what_was_saved(void)
{
    static const struct {
        uint64_t to, from, first, object, offset, seed, length;
        size_t n;
    } rows[] = {
        {1, 3, 6, 8, 131072, 78, 140000, 3},          {UINT64_MAX, 4, 6, 8, 131072, 78, 140000, 3},
        {UINT64_MAX, 3, 7, 8, 131072, 78, 140000, 3}, {UINT64_MAX, 3, 0, 8, 131072, 78, 140000, 3},
        {UINT64_MAX, 3, 6, 7, 131072, 78, 140000, 3}, {UINT64_MAX, 3, 6, 8, 0, 78, 140000, 3},
        {UINT64_MAX, 3, 6, 8, 131072, 79, 140000, 3}, {UINT64_MAX, 3, 6, 8, 131072, 78, 140001, 3},
        {UINT64_MAX, 3, 6, 8, 131072, 78, 1400, 3},   {UINT64_MAX, 3, 6, 8, 131072, 78, 140000, 2},
        {UINT64_MAX, 3, 6, 8, 131072, 78, 140000, 0}, {UINT64_MAX, 3, 6, 1, 0, 78, 140000, 3},
    };
    struct zrpc_sendstream s = stream_of(3, blocks);
    struct zrpc_sendstream_reader r = {0};
    struct zrpc_buf stream = {0};
    struct zrpc_error err;
    struct zrpc_view in;

    s.extents.items[2].seed = 78;
    s.resumed = true;
    s.point = (struct zrpc_sendstream_point){8, 131072, 1};
    CHECK_OK(make(&s, &stream, NULL));
    CHECK_OK(read_all(&r, zrpc_buf_view(&stream), 4096, &s, NULL));
    zrpc_sendstream_reader_dispose(&r);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_sendstream saved = copy_of(&s);

        saved.begin.to_guid = rows[i].to;
        saved.begin.from_guid = rows[i].from;
        saved.first_object = rows[i].first;
        saved.point = (struct zrpc_sendstream_point){rows[i].object, rows[i].offset, 1};
        saved.extents.items[2] = (struct zrpc_sim_extent){rows[i].seed, rows[i].length};
        saved.extents.len = rows[i].n;
        CHECK_CODE(read_all(&r, zrpc_buf_view(&stream), 4096, &saved, &err), ZRPC_ERR_ZFS);
        CHECK_STR(err.text, "invalid backup stream");
        zrpc_sendstream_reader_dispose(&r);
        zrpc_sendstream_dispose(&saved);
    }
    /* And only where it asks for that, and before anything else. */
    r = (struct zrpc_sendstream_reader){0};
    CHECK_CODE(zrpc_sendstream_reader_resume(&r, &s, NULL), ZRPC_ERR_USAGE);
    in = zrpc_buf_view(&stream);
    CHECK_INT(zrpc_sendstream_reader_feed(&r, &in, NULL), ZRPC_SENDSTREAM_BEGUN);
    CHECK_CODE(zrpc_sendstream_reader_feed(&r, &in, NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_sendstream_reader_finish(&r, NULL), ZRPC_ERR_USAGE);
    zrpc_sendstream_reader_dispose(&r);
    zrpc_buf_dispose(&stream);
    zrpc_sendstream_dispose(&s);
}

static const struct zrpc_test tests[] = {
    {"every flipped bit is found", every_flipped_bit_is_found},
    {"every flipped bit of other streams is found", every_flipped_bit_of_other_streams_is_found},
    {"every cut is found", every_cut_is_found},
    {"records have their places", records_have_their_places},
    {"damage by chance is found", damage_by_chance_is_found},
    {"what came before the damage is kept", what_came_before_the_damage_is_kept},
    {"records that lie", records_that_lie},
    {"a filesystem holds 4096 objects", a_filesystem_holds_4096_objects},
    {"a resumed stream needs what was saved", a_resumed_stream_needs_what_was_saved},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim/sendstream-damage", tests, argc, argv);
}
