#include "endpoint/testing.h"
#include "sim/zfs/faults.h"
#include "zrpc/pb.h"

static void received_below_root_and_identity(void)
{
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    CHECK_STR(list(&x), "");
    CHECK_OK(push(&x, "", "@1", "pool/data/a"));
    CHECK_STR(filesystems(&x.f, "tank/backup"),
              "tank/backup/client(p) tank/backup/client/pool(p) tank/backup/client/pool/data(p) "
              "tank/backup/client/pool/data/a");
    CHECK_STR(list(&x), "pool(p) pool/data(p) pool/data/a");
    CHECK_STR(list_versions_of(&x, "pool/data/a"), "@1");
    CHECK_STR(list_versions_of(&x, "pool/data"), "");
    CHECK_OK(push(&x, "@1", "@3", "pool/data/a"));
    CHECK_STR(list_versions_of(&x, "pool/data/a"), "@1 @3");
    CHECK(guid_of(&x.f, "tank/backup/client/pool/data/a", "3") == guid_of(&x.f, "tank/a", "3"));
    check_same_content(&x.f, "tank/a", "tank/backup/client/pool/data/a", "3");
    CHECK_CONTAINS(list_versions_of(&x, "pool/none"), "dataset does not exist");
    CHECK_INT(x.endpoint.receives.used, 0);
    CHECK(x.endpoint.receiving == NULL);
    teardown_endpoint(&x);
}

static void clients_do_not_see_each_other(void)
{
    static const char *const names[] = {"1"};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    CHECK_OK(push(&x, "", "@1", "a"));
    x.call.client_identity = "other";
    CHECK_STR(list(&x), "");
    CHECK_CONTAINS(list_versions_of(&x, "a"), "dataset does not exist");
    CHECK_CONTAINS(destroy(&x, "a", names, 1), "dataset does not exist");
    CHECK_OK(push(&x, "", "@2", "a"));
    CHECK_STR(list_versions_of(&x, "a"), "@2");
    /* A client whose name is the beginning of another's. */
    x.call.client_identity = "clien";
    CHECK_STR(list(&x), "");
    x.call.client_identity = "client";
    CHECK_STR(list_versions_of(&x, "a"), "@1");
    teardown_endpoint(&x);
}

/* Whatever a path holds, nothing outside of the client's root is listed, destroyed or received to. */
static void no_path_escapes(void)
{
    static const char *const paths[] = {"",
                                        "/",
                                        ".",
                                        "..",
                                        "../other/a",
                                        "../../a",
                                        "../../../tank/a",
                                        "a/../../../a",
                                        "a/..",
                                        "a/.",
                                        "./a",
                                        "/tank/a",
                                        "/a",
                                        "//a",
                                        "a//b",
                                        "a/",
                                        "a@1",
                                        "@1",
                                        "../../a@1",
                                        "a#mark",
                                        "a%recv",
                                        "a,b",
                                        "a\tb",
                                        "a\nb",
                                        "a<",
                                        "*",
                                        "-r/../a",
                                        "\xe2\x80\xa5/a",
                                        "a\\..\\b"};
    static const char *const names[] = {"1"};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    CHECK_OK(push(&x, "", "@1", "own"));
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct zrpc_sink sink = {0};

        x.err.text[0] = '\0';
        CHECK_CODE(receive_to(&x, paths[i], &sink), ZRPC_ERR_USAGE);
        CHECK(x.err.text[0] != '\0');
        CHECK(sink.ops == NULL);
        CHECK_STR(list_versions_of(&x, paths[i]), x.err.text);
        CHECK_STR(destroy(&x, paths[i], names, 1), x.err.text);
    }
    CHECK_STR(filesystems(&x.f, NULL),
              "tank tank/a tank/backup(p) tank/backup/client(p) tank/backup/client/own tank/empty");
    CHECK_STR(versions(&x.f, "tank/a"), "@1 #mark @2 @3");
    teardown_endpoint(&x);
}

static void long_paths_are_refused(void)
{
    char path[300];
    struct zrpc_sink sink = {0};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    memset(path, 'a', sizeof path);
    path[236] = '\0'; /* "tank/backup/client/" and 236 are 255 */
    CHECK_OK(receive_to(&x, path, &sink));
    zrpc_sink_close(&sink);
    /* The filesystem's name fits, the snapshot's does not. */
    CHECK_CODE(push(&x, "", "@1", path), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(x.err.text, "dataset name is too long");
    for (size_t len = 237; len < sizeof path; len++) {
        memset(path, 'a', sizeof path);
        path[len] = '\0';
        CHECK_CODE(receive_to(&x, path, &sink), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(x.err.text, "too long");
    }
    teardown_endpoint(&x);
}

static void no_identity_escapes(void)
{
    static const char *const identities[] = {NULL, "",    ".",     "..",       "a/b", "../x",
                                             "/",  "a@b", "a b\n", "\xc3\xa4", "a,b"};
    struct zrpc_sink sink = {0};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++) {
        x.call.client_identity = identities[i];
        CHECK_CODE(receive_to(&x, "a", &sink), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(x.err.text, "client identity must be a single ZFS filesystem path component");
        CHECK_CONTAINS(list(&x), "client identity must be");
    }
    CHECK_STR(filesystems(&x.f, NULL), "tank tank/a tank/empty");
    teardown_endpoint(&x);
}

/* C strings end at a zero byte, so a path that holds one must not get as far as the endpoint. */
static void a_zero_byte_is_refused_by_decoding(void)
{
    static const uint8_t encoded[] = {0x0a, 5, 'o', 'w', 'n', 0, 'x'};
    ProtobufCMessage *message = NULL;
    struct zrpc_error err;

    CHECK_CODE(zrpc_pb_decode(&zrpc__pb__receive_req__descriptor, zrpc_view(encoded, sizeof encoded),
                              &message, &err),
               ZRPC_ERR_MESSAGE);
    CHECK(message == NULL);
}

static void a_placeholder_becomes_a_filesystem(void)
{
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    CHECK_OK(push(&x, "", "@1", "pool/a"));
    CHECK_STR(list(&x), "pool(p) pool/a");
    CHECK_OK(push(&x, "", "@3", "pool"));
    CHECK_STR(list(&x), "pool pool/a");
    CHECK_STR(list_versions_of(&x, "pool"), "@3");
    /* It is none any more, so the next full stream is refused. */
    CHECK_CODE(push(&x, "", "@3", "pool"), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(x.err.text, "destination 'tank/backup/client/pool' exists");
    CHECK_STR(list_versions_of(&x, "pool/a"), "@1");
    teardown_endpoint(&x);
}

static void a_placeholder_is_emptied_first(void)
{
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    CHECK_OK(push(&x, "", "@1", "a"));
    CHECK_OK(push(&x, "@1", "@2", "a"));
    CHECK_OK(x.f.zfs.ops->set_placeholder(x.f.zfs.ctx, NULL, "tank/backup/client/a", true, &x.err));
    CHECK_OK(push(&x, "", "@3", "a"));
    CHECK_STR(list_versions_of(&x, "a"), "@3");
    CHECK_STR(list(&x), "a");
    check_same_content(&x.f, "tank/a", "tank/backup/client/a", "3");
    teardown_endpoint(&x);
}

/* Failing in each way there is, also in the middle, and then receiving after all. */
static void a_placeholder_stays_one_when_the_receive_fails(void)
{
    /* Of the receives to a, the second is refused, and the third meets a full disk. */
    static const struct zrpc_zfs_fault refuses = {.filesystem = "tank/backup/client/a",
                                                  .operations = 1u << ZRPC_ZFS_OP_RECEIVE,
                                                  .action = ZRPC_ZFS_FAULT_REFUSE,
                                                  .text = "refused",
                                                  .skip = 1,
                                                  .times = 1},
                                       fills = {.filesystem = "tank/backup/client/a",
                                                .operations = 1u << ZRPC_ZFS_OP_RECEIVE,
                                                .action = ZRPC_ZFS_FAULT_FAIL,
                                                .text = "disk full",
                                                .at = 100,
                                                .at_last = 100,
                                                .skip = 2,
                                                .times = 1};
    struct zrpc_zfs_faulty faulty = {0};
    struct zrpc_buf stream = {0};
    struct zrpc_sink sink = {0};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    CHECK_OK(push(&x, "", "@1", "a/b"));
    CHECK_OK(zrpc_zfs_faults_new(1, &faulty.plan, &x.err));
    CHECK_OK(zrpc_zfs_faults_add(faulty.plan, &refuses, &x.err));
    CHECK_OK(zrpc_zfs_faults_add(faulty.plan, &fills, &x.err));
    faulty.inner = x.f.zfs;
    x.endpoint.config.zfs = zrpc_zfs_faulty(&faulty);
    stream_of(&x.f, "tank/a", "", "@3", &stream);
    CHECK_OK(receive_to(&x, "a", &sink));
    CHECK_STR(list(&x), "a a/b"); /* un-marked while it receives */
    CHECK_OK(pour(&sink, zrpc_view(stream.base + stream.off, 1000), 100, &x.err));
    zrpc_sink_close(&sink);
    CHECK_STR(list(&x), "a(p) a/b");
    CHECK_CODE(receive_to(&x, "a", &sink), ZRPC_ERR_ZFS);
    CHECK_STR(x.err.text, "refused");
    CHECK_STR(list(&x), "a(p) a/b");
    CHECK_CODE(push(&x, "", "@3", "a"), ZRPC_ERR_SINK);
    CHECK_STR(x.err.text, "disk full");
    CHECK_STR(list(&x), "a(p) a/b");
    x.endpoint.config.zfs = x.f.zfs;
    CHECK_CODE(push(&x, "@1", "@3", "a"), ZRPC_ERR_ZFS); /* an increment to nothing */
    CHECK_STR(list(&x), "a(p) a/b");
    CHECK_OK(push(&x, "", "@3", "a"));
    CHECK_STR(list(&x), "a a/b");
    CHECK_INT(x.endpoint.receives.used, 0);
    zrpc_zfs_faults_free(faulty.plan);
    zrpc_buf_dispose(&stream);
    teardown_endpoint(&x);
}

static void a_cut_leaves_placeholder_parents_at_most(void)
{
    struct zrpc_buf stream = {0};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    x.endpoint.config.not_resumable = true;
    stream_of(&x.f, "tank/a", "", "@1", &stream);
    for (size_t len = 0; len < stream.len; len++) {
        struct zrpc_sink sink = {0};

        CHECK_OK(receive_to(&x, "p/a", &sink));
        CHECK_OK(pour(&sink, zrpc_view(stream.base + stream.off, len), 50, &x.err));
        if (len % 2 == 0)
            CHECK_CODE(sink.ops->finish(sink.ctx, &x.err), ZRPC_ERR_ZFS);
        zrpc_sink_close(&sink);
    }
    CHECK_STR(list(&x), "p(p)");
    CHECK_OK(push(&x, "", "@1", "p/a"));
    zrpc_buf_dispose(&stream);
    teardown_endpoint(&x);
}

static void a_second_receive_is_busy(void)
{
    struct zrpc_sink first = {0}, second = {0};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    CHECK_OK(push(&x, "", "@1", "a/b"));
    CHECK_OK(receive_to(&x, "a", &first));
    CHECK_CODE(receive_to(&x, "a", &second), ZRPC_ERR_ZFS);
    CHECK_STR(x.err.text, "cannot receive: destination 'tank/backup/client/a' is busy");
    CHECK_STR(list(&x), "a a/b"); /* the loser has not marked it again */
    CHECK_OK(receive_to(&x, "a/c", &second));
    zrpc_sink_close(&second);
    zrpc_sink_close(&first);
    CHECK_STR(list(&x), "a(p) a/b");
    CHECK_OK(receive_to(&x, "a", &first));
    zrpc_sink_close(&first);
    teardown_endpoint(&x);
}

static int take_anything(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_receive *receive,
                         struct zrpc_sink *out, struct zrpc_error *err)
{
    (void)ctx, (void)cancelled, (void)receive, (void)out, (void)err;
    return 0;
}

/* A backend may notice much later than its open that two receives meet. */
static void a_second_receive_does_not_reach_the_backend(void)
{
    struct zrpc_sink first = {0}, second = {0};
    struct zrpc_zfs_ops ops;
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    ops = *x.f.zfs.ops;
    ops.receive = take_anything;
    x.endpoint.config.zfs.ops = &ops;
    CHECK_OK(receive_to(&x, "a", &first));
    CHECK_CODE(receive_to(&x, "a", &second), ZRPC_ERR_ZFS);
    CHECK_STR(x.err.text, "cannot receive: destination 'tank/backup/client/a' is busy");
    zrpc_sink_close(&first);
    CHECK_OK(receive_to(&x, "a", &second));
    zrpc_sink_close(&second);
    teardown_endpoint(&x);
}

static void received_snapshots_can_be_destroyed(void)
{
    static const char *const names[] = {"1", "9"};
    static const char *const bookmark[] = {"#1"};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    CHECK_OK(push(&x, "", "@1", "a"));
    CHECK_STR(destroy(&x, "a", bookmark, 1), "version \"1\" is not a snapshot");
    CHECK_CONTAINS(destroy(&x, "a", names, 2), "ok\ncould not find");
    CHECK_STR(list_versions_of(&x, "a"), "");
    CHECK_STR(versions(&x.f, "tank/a"), "@1 #mark @2 @3");
    teardown_endpoint(&x);
}

static void a_missing_root_cannot_be_made_without_its_pool(void)
{
    struct zrpc_sink sink = {0};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    x.endpoint.config.root = "lake/backup";
    CHECK_CODE(receive_to(&x, "a", &sink), ZRPC_ERR_ZFS);
    CHECK_STR(x.err.text, "cannot create 'lake': no such pool 'lake'");
    CHECK_STR(list(&x), "");
    CHECK_INT(x.endpoint.receives.used, 0);
    teardown_endpoint(&x);
}

static void both_pushes_and_pulls_in_one_namespace(void)
{
    struct zrpc_source source = {0};
    struct zrpc_buf pushed = {0}, pulled = {0};
    struct endpoint_fixture x;
    uint64_t guid;

    setup_endpoint(&x, ZRPC_ENDPOINT_BOTH);
    snapshot(&x.f, "tank", "top", 1);
    CHECK_STR(list(&x), "tank tank/a tank/empty");
    CHECK_OK(push(&x, "", "@1", "tank/new"));
    CHECK_OK(push(&x, "@1", "@3", "tank/new"));
    /* Own filesystems, and what was received; each once, and nothing of the root. */
    CHECK_STR(list(&x), "tank tank/a tank/empty tank/new");
    CHECK_STR(list_versions_of(&x, "tank/new"), "@1 @3");
    CHECK_OK(send_of(&x, "tank/new", "@1", "@3", false, NULL, &source));
    CHECK_OK(drain(&source, &pulled, 4096, &x.err));
    zrpc_source_close(&source);
    stream_of(&x.f, "tank/a", "@1", "@3", &pushed);
    CHECK_INT(pulled.len, pushed.len);
    check_same_content(&x.f, "tank/a", "tank/backup/client/tank/new", "3");
    CHECK_OK(cursor(&x, "tank/new", "1", &guid));
    CHECK_STR(list_versions_of(&x, "tank/new"), "@1 #zrepl_replication_cursor @3");
    /* The placeholder "tank" does not hide the own one; what is received does. */
    CHECK_STR(list_versions_of(&x, "tank"), "@top");
    CHECK_STR(list_versions_of(&x, "tank/a"), "@1 #mark @2 @3");
    CHECK_OK(push(&x, "", "@2", "tank/a"));
    CHECK_STR(list_versions_of(&x, "tank/a"), "@2");
    CHECK_STR(list(&x), "tank tank/a tank/empty tank/new");
    CHECK_CONTAINS(list_versions_of(&x, "tank/backup/client/tank/new"), "does not allow access");
    CHECK_CONTAINS(list_versions_of(&x, "../other"), "component \"..\"");
    x.call.client_identity = "other";
    CHECK_STR(list(&x), "tank tank/a tank/empty");
    CHECK_STR(list_versions_of(&x, "tank/a"), "@1 #mark @2 @3");
    CHECK_CONTAINS(list_versions_of(&x, "tank/new"), "dataset does not exist");
    zrpc_buf_dispose(&pushed);
    zrpc_buf_dispose(&pulled);
    teardown_endpoint(&x);
}

static const struct zrpc_test tests[] = {
    {"received below root and identity", received_below_root_and_identity},
    {"clients do not see each other", clients_do_not_see_each_other},
    {"no path escapes", no_path_escapes},
    {"long paths are refused", long_paths_are_refused},
    {"no identity escapes", no_identity_escapes},
    {"a zero byte is refused by decoding", a_zero_byte_is_refused_by_decoding},
    {"a placeholder becomes a filesystem", a_placeholder_becomes_a_filesystem},
    {"a placeholder is emptied first", a_placeholder_is_emptied_first},
    {"a placeholder stays one when the receive fails", a_placeholder_stays_one_when_the_receive_fails},
    {"a cut leaves placeholder parents at most", a_cut_leaves_placeholder_parents_at_most},
    {"a second receive is busy", a_second_receive_is_busy},
    {"a second receive does not reach the backend", a_second_receive_does_not_reach_the_backend},
    {"received snapshots can be destroyed", received_snapshots_can_be_destroyed},
    {"a missing root cannot be made without its pool", a_missing_root_cannot_be_made_without_its_pool},
    {"both pushes and pulls in one namespace", both_pushes_and_pulls_in_one_namespace},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("receiver", tests, argc, argv);
}
