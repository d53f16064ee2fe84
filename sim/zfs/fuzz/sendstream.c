/* Send streams, damaged as the input says, under right checksums where it says so: the same outcome however
 * the bytes are cut; and what a reader takes for complete is what the writer makes of what it took, byte for
 * byte. A receive that failed goes on from its point, and becomes complete. */
#include "testing/fuzz/fuzz.h"

#include "sim/zfs/drr.h"

#define RECORD  ZRPC_SENDSTREAM_RECORD_SIZE
#define LARGEST (1u << 16)

static uint8_t stream[LARGEST], again[LARGEST];

static struct zrpc_sendstream copy_of(const struct zrpc_sendstream *s)
{
    struct zrpc_sendstream copy = *s;

    copy.extents = (struct zrpc_sim_extents){0};
    for (size_t i = 0; i < s->extents.len; i++)
        REQUIRE(zrpc_sim_extents_push(&copy.extents, s->extents.items[i], NULL) == 0);
    return copy;
}

/* Returns its length; 0: it is none, or too long for here. */
static size_t make(const struct zrpc_sendstream *s, uint8_t *out)
{
    uint64_t length = zrpc_sendstream_length(s);
    struct zrpc_sendstream_writer w;
    size_t n;

    if (length > LARGEST || zrpc_sendstream_writer_init(&w, copy_of(s), NULL) != 0)
        return 0;
    n = zrpc_sendstream_writer_read(&w, out, LARGEST);
    REQUIRE(n == length);
    zrpc_sendstream_writer_dispose(&w);
    return n;
}

static size_t payload_of(const uint8_t *record, size_t left)
{
    uint32_t type = zrpc_get_le32(record);
    uint64_t payload = 0;

    if (type == ZRPC_DRR_BEGIN)
        payload = zrpc_get_le32(record + ZRPC_DRR_PAYLOADLEN);
    else if (type == ZRPC_DRR_OBJECT)
        payload = ZRPC_DRR_BONUS;
    else if (type == ZRPC_DRR_WRITE)
        payload = zrpc_get_le64(record + 32);
    return payload < left ? (size_t)payload : left;
}

static void reseal(uint8_t *at, size_t len)
{
    struct zrpc_sim_fletcher4 f = {0};
    uint8_t *end = at + len;

    while ((size_t)(end - at) >= RECORD) {
        size_t payload = payload_of(at, (size_t)(end - at) - RECORD);

        if (zrpc_get_le32(at) == ZRPC_DRR_END)
            memcpy(at + 8, f.sum, sizeof f.sum);
        zrpc_sim_fletcher4_update(&f, at, ZRPC_DRR_CHECKSUM);
        if (zrpc_get_le32(at) != ZRPC_DRR_BEGIN)
            memcpy(at + ZRPC_DRR_CHECKSUM, f.sum, sizeof f.sum);
        zrpc_sim_fletcher4_update(&f, at + ZRPC_DRR_CHECKSUM, 32 + payload);
        at += RECORD + payload;
    }
}

/* A stream of up to three extents, perhaps a resumed one; short ones, for there is much to try. */
static struct zrpc_sendstream choose_stream(struct zrpc_view *in)
{
    struct zrpc_sendstream s = {.begin = {.toname = "tank/a@b", .to_guid = 7, .creation = 1577836800}};
    uint8_t what = fuzz_byte(in);

    s.begin.from_guid = what & 1 ? 5 : 0;
    s.begin.volume = what >> 1 & 1;
    s.first_object = what & 1 ? 3 : 1;
    s.resumed = what >> 2 & 1;
    for (int i = what >> 3 & 3; i > 0; i--) {
        struct zrpc_sim_extent e = {.seed = (uint64_t)i, .length = 7 * (uint64_t)fuzz_byte(in)};

        REQUIRE(zrpc_sim_extents_push(&s.extents, e, NULL) == 0);
    }
    s.point = ZRPC_SENDSTREAM_START;
    if (s.resumed && what >> 5 != 0 && s.extents.len > 0)
        s.point = (struct zrpc_sendstream_point){.object = s.first_object + (what >> 5) % s.extents.len,
                                                 .bytes = 1};
    return s;
}

/* The rest of the input says what happens to the stream. Returns the new length. */
static size_t damage(struct zrpc_view *in, size_t len)
{
    bool right = fuzz_byte(in) & 1;

    while (in->len > 0 && len > 0) {
        uint8_t how = fuzz_byte(in);
        size_t record = fuzz_byte(in), at = 0;

        for (; record > 0 && at + RECORD < len; record--)
            at += RECORD + payload_of(stream + at, len - at - RECORD);
        at += (size_t)fuzz_byte(in) << 8 | fuzz_byte(in);
        if (at >= len)
            continue;
        if (how < 250) {
            stream[at] = how;
        } else if (how == 250) {
            len = at;
        } else {
            size_t lost = RECORD < len - at ? RECORD : len - at;

            memmove(stream + at, stream + at + lost, len - at - lost);
            len -= lost;
        }
    }
    if (right)
        reseal(stream, len);
    return len;
}

static int receive(struct zrpc_view in, size_t portion, const struct zrpc_sendstream *saved,
                   struct zrpc_sendstream_reader *r, struct zrpc_error *err)
{
    int rc = 0;

    *r = (struct zrpc_sendstream_reader){0};
    while (rc >= 0 && in.len > 0) {
        struct zrpc_view part = zrpc_view_take(&in, in.len < portion ? in.len : portion);

        while ((rc = zrpc_sendstream_reader_feed(r, &part, err)) == ZRPC_SENDSTREAM_BEGUN)
            if (r->stream.resumed && (rc = zrpc_sendstream_reader_resume(r, saved, err)) != 0)
                return rc;
        REQUIRE(rc < 0 || part.len == 0);
    }
    return rc < 0 ? rc : zrpc_sendstream_reader_finish(r, err);
}

static void check_complete(const struct zrpc_sendstream_reader *r, size_t len)
{
    struct zrpc_sendstream s = copy_of(&r->stream);

    if (s.first_object == 0) /* an incremental stream without objects does not tell */
        s.first_object = 1;
    REQUIRE(zrpc_sendstream_reader_ended(r) && r->fault == ZRPC_SENDSTREAM_FINE);
    REQUIRE(make(&s, again) == len && memcmp(again, stream, len) == 0);
    zrpc_sendstream_dispose(&s);
}

static void check_resumes(const struct zrpc_sendstream_reader *failed, const struct zrpc_sendstream *sent)
{
    struct zrpc_sendstream saved = copy_of(&failed->stream), out = copy_of(sent);
    struct zrpc_sendstream_reader r;
    struct zrpc_error err;
    size_t len;

    saved.point = out.point = zrpc_sendstream_reader_point(failed);
    out.resumed = true;
    len = make(&out, stream);
    REQUIRE(len > 0 && receive(zrpc_view(stream, len), 100000, &saved, &r, &err) == 0);
    REQUIRE(r.stream.extents.len == out.extents.len && r.stream.extents.length == out.extents.length);
    zrpc_sendstream_reader_dispose(&r);
    zrpc_sendstream_dispose(&out);
    zrpc_sendstream_dispose(&saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zrpc_view in = zrpc_view(data, size);
    size_t portion = (size_t)fuzz_byte(&in) * 7 + 1, len;
    struct zrpc_sendstream s = choose_stream(&in);
    struct zrpc_sendstream_reader whole, cut;
    struct zrpc_error err = {0}, cut_err = {0};
    bool untouched;
    int rc;

    len = make(&s, stream);
    REQUIRE(len > 0);
    untouched = in.len < 2;
    len = damage(&in, len);
    rc = receive(zrpc_view(stream, len), SIZE_MAX, &s, &whole, &err);
    REQUIRE(receive(zrpc_view(stream, len), portion, &s, &cut, &cut_err) == rc);
    REQUIRE(rc == 0 || (rc == ZRPC_ERR_ZFS && strcmp(err.text, cut_err.text) == 0));
    REQUIRE(rc == 0 || !untouched);
    REQUIRE((rc == 0) == (whole.fault == ZRPC_SENDSTREAM_FINE));
    if (rc == 0)
        check_complete(&whole, len);
    else if (!s.resumed && zrpc_sendstream_reader_point(&whole).bytes > 0 &&
             whole.stream.begin.to_guid == 7 && whole.stream.begin.from_guid == s.begin.from_guid &&
             whole.stream.extents.len <= s.extents.len &&
             memcmp(whole.stream.extents.items, s.extents.items,
                    whole.stream.extents.len * sizeof *s.extents.items) == 0)
        check_resumes(&whole, &s);
    zrpc_sendstream_reader_dispose(&whole);
    zrpc_sendstream_reader_dispose(&cut);
    zrpc_sendstream_dispose(&s);
    return 0;
}
