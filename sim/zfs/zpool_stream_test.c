#include "sim/zfs/testing.h"

static void a_full_send_arrives(void)
{
    struct fixture f;

    setup(&f);
    CHECK_OK(copy(&f, "tank/a", "", "@3", "tank/b", false));
    CHECK_STR(versions(&f, "tank/b"), "@3");
    CHECK(guid_of(&f, "tank/a", "3") == guid_of(&f, "tank/b", "3"));
    CHECK(guid_of(&f, "tank/a", "3") != guid_of(&f, "tank/a", "2"));
    check_same_content(&f, "tank/a", "tank/b", "3");
    teardown(&f);
}

static void incremental_sends_arrive(void)
{
    struct fixture f;
    uint64_t one[4], two[4], three[4];

    setup(&f);
    CHECK_OK(copy(&f, "tank/a", "", "@1", "tank/b", false));
    CHECK_OK(copy(&f, "tank/a", "@1", "@2", "tank/b", false));
    CHECK_OK(copy(&f, "tank/a", "@2", "@3", "tank/b", false));
    CHECK_STR(versions(&f, "tank/b"), "@1 @2 @3");
    check_same_content(&f, "tank/a", "tank/b", "1");
    check_same_content(&f, "tank/a", "tank/b", "2");
    check_same_content(&f, "tank/a", "tank/b", "3");
    /* From a bookmark, and received somewhere else. */
    CHECK_OK(copy(&f, "tank/b", "", "@1", "tank/c", false));
    CHECK_OK(copy(&f, "tank/a", "#mark", "@3", "tank/c", false));
    check_same_content(&f, "tank/a", "tank/c", "3");
    /* Snapshot 2 wrote nothing, 3 did: so content can tell them apart at all. */
    CHECK_OK(digest_of(&f, "tank/a", "1", one));
    CHECK_OK(digest_of(&f, "tank/a", "2", two));
    CHECK_OK(digest_of(&f, "tank/a", "3", three));
    CHECK(memcmp(one, two, sizeof one) == 0);
    CHECK(memcmp(two, three, sizeof two) != 0);
    teardown(&f);
}

static void what_was_received_can_be_sent_on(void)
{
    struct zrpc_buf first = {0}, second = {0};
    struct fixture f;

    setup(&f);
    CHECK_OK(copy(&f, "tank/a", "", "@3", "tank/b", false));
    stream_of(&f, "tank/a", "", "@3", &first);
    stream_of(&f, "tank/b", "", "@3", &second);
    CHECK_INT(first.len, second.len); /* they differ in the name that they give */
    CHECK_OK(copy(&f, "tank/b", "", "@3", "tank/c", false));
    check_same_content(&f, "tank/a", "tank/c", "3");
    zrpc_buf_dispose(&first);
    zrpc_buf_dispose(&second);
    teardown(&f);
}

static void sends_that_are_refused(void)
{
    static const char *const rows[][4] = {
        {"tank/none", "", "@1", "cannot open 'tank/none': dataset does not exist"},
        {"tank/a", "", "@9", "cannot open 'tank/a@9': dataset does not exist"},
        {"tank/a", "", "#mark", "cannot open 'tank/a#mark': dataset does not exist"},
        {"tank/a", "@9", "@3", "incremental source (tank/a@9) does not exist"},
        {"tank/a", "#none", "@3", "incremental source (tank/a#none) does not exist"},
        {"tank/a", "@3", "@1", "not an earlier snapshot"},
        {"tank/a", "@3", "@3", "not an earlier snapshot"},
        {"tank/a", "#mark", "@1", "not an earlier snapshot"},
    };
    struct zrpc_source source = {0};
    struct fixture f;
    int64_t bytes;

    setup(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_zfs_send send = {.filesystem = rows[i][0], .from = rows[i][1], .to = rows[i][2]};

        CHECK_CODE(open_send(&f, rows[i][0], rows[i][1], rows[i][2], &source), ZRPC_ERR_ZFS);
        CHECK_CONTAINS(f.err.text, rows[i][3]);
        CHECK_CODE(f.zfs.ops->estimate(f.zfs.ctx, NULL, &send, &bytes, &f.err), ZRPC_ERR_ZFS);
    }
    teardown(&f);
}

static void receives_that_are_refused(void)
{
    static const struct {
        const char *from, *to, *target, *text;
        bool force;
    } rows[] = {
        {"", "@1", "tank/a", "cannot receive new filesystem stream: destination 'tank/a' exists", false},
        {"", "@1", "tank/empty", "cannot receive new filesystem stream: destination 'tank/empty' exists",
         false},
        {"", "@1", "tank/a", "destination has snapshots (eg. tank/a@3)\nmust destroy them to overwrite it",
         true},
        {"", "@1", "tank/none/b",
         "cannot open 'tank/none': dataset does not exist\ncannot receive new filesystem stream: unable "
         "to restore to destination",
         false},
        {"", "@1", "pool2", "cannot receive new filesystem stream: destination 'pool2' does not exist",
         false},
        {"@1", "@2", "tank/b", "cannot receive incremental stream: destination 'tank/b' does not exist",
         false},
        {"@1", "@2", "tank/empty", "most recent snapshot of tank/empty does not\nmatch incremental source",
         false},
        {"@1", "@2", "tank/empty", "most recent snapshot of tank/empty does not\nmatch incremental source",
         true},
        {"@2", "@3", "tank/a", "cannot restore to tank/a@3: destination already exists", false},
    };
    struct fixture f;

    setup(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_CODE(copy(&f, "tank/a", rows[i].from, rows[i].to, rows[i].target, rows[i].force), ZRPC_ERR_ZFS);
        CHECK_CONTAINS(f.err.text, rows[i].text);
    }
    CHECK_STR(filesystems(&f, NULL), "tank tank/a tank/empty");
    CHECK_STR(versions(&f, "tank/a"), "@1 #mark @2 @3");
    CHECK_STR(versions(&f, "tank/empty"), "");
    teardown(&f);
}

static void a_snapshot_of_that_name_is_in_the_way(void)
{
    struct zrpc_zfs_version other = {.name = "2", .guid = 99}, same = {.name = "same"};
    struct fixture f;

    setup(&f);
    same.guid = guid_of(&f, "tank/a", "1");
    CHECK_OK(zrpc_zpool_add_snapshot(f.pool, "tank/empty", &other, 0, &f.err));
    CHECK_OK(zrpc_zpool_add_snapshot(f.pool, "tank/empty", &same, 1, &f.err));
    CHECK_CODE(copy(&f, "tank/a", "@1", "@2", "tank/empty", false), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "cannot restore to tank/empty@2: destination already exists");
    CHECK_OK(copy(&f, "tank/a", "@1", "@3", "tank/empty", false));
    CHECK_STR(versions(&f, "tank/empty"), "@2 @same @3");
    teardown(&f);
}

static void what_follows_the_end_spoils_the_stream(void)
{
    struct zrpc_buf stream = {0};
    struct zrpc_sink sink = {0};
    struct fixture f;

    setup(&f);
    stream_of(&f, "tank/a", "", "@1", &stream);
    CHECK_OK(open_receive(&f, "tank/b", false, &sink));
    CHECK_OK(pour(&sink, zrpc_buf_view(&stream), 4096, &f.err));
    CHECK_CODE(sink.ops->write(sink.ctx, "x", 1, &f.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "cannot receive new filesystem stream: ");
    CHECK(sink.ops->finish(sink.ctx, &f.err) < 0);
    zrpc_sink_close(&sink);
    CHECK_STR(filesystems(&f, NULL), "tank tank/a tank/empty");
    zrpc_buf_dispose(&stream);
    teardown(&f);
}

static void a_forced_receive_replaces_an_empty_filesystem(void)
{
    struct fixture f;

    setup(&f);
    CHECK_OK(copy(&f, "tank/a", "", "@1", "tank/empty", true));
    CHECK_STR(versions(&f, "tank/empty"), "@1");
    check_same_content(&f, "tank/a", "tank/empty", "1");
    teardown(&f);
}

static void a_modified_destination_takes_no_increment(void)
{
    struct fixture f;

    setup(&f);
    CHECK_OK(copy(&f, "tank/a", "", "@1", "tank/b", false));
    CHECK_OK(copy(&f, "tank/a", "@1", "@3", "tank/b", false));
    CHECK_OK(f.zfs.ops->destroy_snapshot(f.zfs.ctx, NULL, "tank/b", "3", &f.err));
    CHECK_CODE(copy(&f, "tank/a", "@1", "@3", "tank/b", false), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "has been modified\nsince most recent snapshot");
    CHECK_OK(copy(&f, "tank/a", "@1", "@3", "tank/b", true));
    check_same_content(&f, "tank/a", "tank/b", "3");
    teardown(&f);
}

/* The stream cut after each of its bytes, with and without the polite end. */
static void a_cut_receive_leaves_nothing(void)
{
    struct zrpc_buf stream = {0};
    struct fixture f;

    setup(&f);
    stream_of(&f, "tank/a", "", "@1", &stream);
    for (size_t len = 0; len < stream.len; len += 3) {
        struct zrpc_sink sink = {0};

        CHECK_OK(open_receive(&f, "tank/b", false, &sink));
        CHECK_OK(pour(&sink, zrpc_view(stream.base + stream.off, len), 64, &f.err));
        if (len % 2 == 0) {
            CHECK_CODE(sink.ops->finish(sink.ctx, &f.err), ZRPC_ERR_ZFS);
            CHECK_CONTAINS(f.err.text, len < 312 ? "cannot receive: failed to read from stream"
                                       : len < 624
                                           ? "cannot receive"
                                           : "cannot receive new filesystem stream: incomplete stream");
        }
        zrpc_sink_close(&sink);
    }
    CHECK_STR(filesystems(&f, NULL), "tank tank/a tank/empty");
    /* Nothing that is left is in the way. */
    CHECK_OK(copy(&f, "tank/a", "", "@1", "tank/b", false));
    zrpc_buf_dispose(&stream);
    teardown(&f);
}

static void a_flipped_bit_leaves_nothing(void)
{
    struct zrpc_buf stream = {0};
    struct fixture f;

    setup(&f);
    CHECK_OK(copy(&f, "tank/a", "", "@1", "tank/b", false));
    stream_of(&f, "tank/a", "@1", "@2", &stream);
    for (size_t i = 0; i < stream.len; i += 3) {
        struct zrpc_sink sink = {0};
        int rc;

        stream.base[stream.off + i] ^= (uint8_t)(1 << i % 8);
        CHECK_OK(open_receive(&f, "tank/b", false, &sink));
        rc = pour(&sink, zrpc_buf_view(&stream), 64, &f.err);
        CHECK_CODE(rc, ZRPC_ERR_ZFS);
        CHECK_CONTAINS(f.err.text, "cannot receive");
        /* A caller that finishes all the same gets nowhere. */
        CHECK(sink.ops->finish(sink.ctx, &f.err) < 0);
        zrpc_sink_close(&sink);
        stream.base[stream.off + i] ^= (uint8_t)(1 << i % 8);
    }
    CHECK_STR(versions(&f, "tank/b"), "@1");
    zrpc_buf_dispose(&stream);
    teardown(&f);
}

static void a_second_receive_is_busy(void)
{
    struct zrpc_sink first = {0}, second = {0};
    struct fixture f;

    setup(&f);
    CHECK_OK(open_receive(&f, "tank/b", false, &first));
    CHECK_CODE(open_receive(&f, "tank/b", false, &second), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot receive: destination 'tank/b': dataset is busy");
    CHECK_OK(open_receive(&f, "tank/c", false, &second));
    zrpc_sink_close(&second);
    zrpc_sink_close(&first);
    CHECK_OK(open_receive(&f, "tank/b", false, &first));
    zrpc_sink_close(&first);
    teardown(&f);
}

static void the_target_is_checked_again_at_the_end(void)
{
    struct zrpc_buf stream = {0};
    struct zrpc_sink sink = {0};
    struct fixture f;

    setup(&f);
    stream_of(&f, "tank/a", "", "@1", &stream);
    CHECK_OK(open_receive(&f, "tank/b", false, &sink));
    CHECK_OK(pour(&sink, zrpc_buf_view(&stream), 4096, &f.err));
    CHECK_OK(zrpc_zpool_add_filesystem(f.pool, "tank/b", false, &f.err));
    CHECK_CODE(sink.ops->finish(sink.ctx, &f.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "destination 'tank/b' exists\nmust specify -F to overwrite it");
    zrpc_sink_close(&sink);
    CHECK_STR(versions(&f, "tank/b"), "");
    zrpc_buf_dispose(&stream);
    teardown(&f);
}

static void a_terabyte_is_estimated_at_once(void)
{
    struct zrpc_zfs_send full = {.filesystem = "tank/a", .from = "", .to = "@huge"},
                         mark = {.filesystem = "tank/a", .from = "#mark", .to = "@3"},
                         increment = {.filesystem = "tank/a", .from = "@1", .to = "@3"};
    struct zrpc_source source = {0};
    struct zrpc_buf stream = {0};
    struct fixture f;
    int64_t bytes = 0;
    uint8_t byte;

    setup(&f);
    snapshot(&f, "tank/a", "huge", UINT64_C(1) << 40);
    CHECK_OK(f.zfs.ops->estimate(f.zfs.ctx, NULL, &full, &bytes, &f.err));
    CHECK(bytes > INT64_C(1) << 40 && bytes < (INT64_C(1) << 40) + (INT64_C(1) << 32));
    CHECK_OK(open_send(&f, "tank/a", "", "@huge", &source));
    CHECK_INT(source.ops->read(source.ctx, &byte, 1, &f.err), 1);
    zrpc_source_close(&source);
    CHECK_OK(f.zfs.ops->estimate(f.zfs.ctx, NULL, &mark, &bytes, &f.err));
    CHECK_INT(bytes, ZRPC_ZFS_NO_ESTIMATE);
    CHECK_OK(f.zfs.ops->estimate(f.zfs.ctx, NULL, &increment, &bytes, &f.err));
    stream_of(&f, "tank/a", "@1", "@3", &stream);
    CHECK_INT(bytes, stream.len);
    zrpc_buf_dispose(&stream);
    teardown(&f);
}

static void sixty_four_mebibytes_make_the_round_trip(void)
{
    struct fixture f;

    setup(&f);
    CHECK_OK(zrpc_zpool_add_filesystem(f.pool, "tank/large", false, &f.err));
    snapshot(&f, "tank/large", "1", 64 << 20);
    CHECK_OK(copy(&f, "tank/large", "", "@1", "tank/copy", false));
    CHECK_OK(copy(&f, "tank/copy", "", "@1", "tank/again", false));
    check_same_content(&f, "tank/large", "tank/again", "1");
    teardown(&f);
}

static const struct zrpc_test tests[] = {
    {"a full send arrives", a_full_send_arrives},
    {"incremental sends arrive, from snapshots and bookmarks", incremental_sends_arrive},
    {"what was received can be sent on", what_was_received_can_be_sent_on},
    {"sends that are refused", sends_that_are_refused},
    {"receives that are refused", receives_that_are_refused},
    {"a snapshot of that name is in the way", a_snapshot_of_that_name_is_in_the_way},
    {"what follows the end spoils the stream", what_follows_the_end_spoils_the_stream},
    {"a forced receive replaces an empty filesystem", a_forced_receive_replaces_an_empty_filesystem},
    {"a modified destination takes no increment", a_modified_destination_takes_no_increment},
    {"a receive that is cut leaves nothing", a_cut_receive_leaves_nothing},
    {"a flipped bit leaves nothing", a_flipped_bit_leaves_nothing},
    {"a second receive is busy", a_second_receive_is_busy},
    {"the target is checked again at the end", the_target_is_checked_again_at_the_end},
    {"a terabyte is estimated at once", a_terabyte_is_estimated_at_once},
    {"64 MiB make the round trip", sixty_four_mebibytes_make_the_round_trip},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim/zpool_stream", tests, argc, argv);
}
