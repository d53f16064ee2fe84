#include "endpoint/testing.h"

#include <poll.h>
#include <pthread.h>

#include "zrpc/pb.h"

static void roles_have_names(void)
{
    enum zrpc_endpoint_role role = ZRPC_ENDPOINT_SENDER;
    struct zrpc_error err;

    CHECK_OK(zrpc_endpoint_role_parse("both", &role, &err));
    CHECK_INT(role, ZRPC_ENDPOINT_BOTH);
    CHECK_CODE(zrpc_endpoint_role_parse("Sender", &role, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "sender, receiver, both");
}

static void configurations_that_are_refused(void)
{
    static const struct {
        enum zrpc_endpoint_role role;
        const char *root, *pattern, *text;
    } rows[] = {
        {ZRPC_ENDPOINT_RECEIVER, NULL, "<", "needs a root filesystem"},
        {ZRPC_ENDPOINT_BOTH, "", "<", "empty filesystem not allowed"},
        {ZRPC_ENDPOINT_RECEIVER, "tank/..", "<", "root filesystem of the receiver"},
        {ZRPC_ENDPOINT_RECEIVER, "-o/x", "<", "with a letter"},
        {ZRPC_ENDPOINT_SENDER, NULL, "", "filter pattern \"\""},
        {ZRPC_ENDPOINT_SENDER, NULL, "<tank", "filter pattern"},
        {ZRPC_ENDPOINT_SENDER, NULL, "tank<<", "filter pattern"},
        {ZRPC_ENDPOINT_SENDER, NULL, "tank/<", "must not end with a '/'"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_endpoint_rule rule = {rows[i].pattern, true};
        struct zrpc_endpoint_config config = {
            .role = rows[i].role, .root = rows[i].root, .rules = &rule, .n_rules = 1};
        struct zrpc_endpoint endpoint;
        struct zrpc_error err;
        struct fixture f;

        setup(&f);
        config.zfs = f.zfs;
        CHECK_CODE(zrpc_endpoint_init(&endpoint, &config, &err), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(err.text, rows[i].text);
        teardown(&f);
    }
}

static void limits_come_from_the_environment(void)
{
    struct zrpc_endpoint_config config = {0};
    struct zrpc_error err;

    CHECK_OK(zrpc_endpoint_config_env(&config, &err));
    CHECK_INT(config.max_sends, 0);
    setenv("ZREPL_ENDPOINT_MAX_CONCURRENT_SEND", "3", 1);
    setenv("ZREPL_ENDPOINT_MAX_CONCURRENT_RECV", "12", 1);
    CHECK_OK(zrpc_endpoint_config_env(&config, &err));
    CHECK_INT(config.max_sends, 3);
    CHECK_INT(config.max_receives, 12);
    setenv("ZREPL_ENDPOINT_MAX_CONCURRENT_RECV", "0", 1);
    CHECK_CODE(zrpc_endpoint_config_env(&config, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "ZREPL_ENDPOINT_MAX_CONCURRENT_RECV: \"0\"");
    unsetenv("ZREPL_ENDPOINT_MAX_CONCURRENT_SEND");
    unsetenv("ZREPL_ENDPOINT_MAX_CONCURRENT_RECV");
}

static void filters_admit_by_the_most_specific_rule(void)
{
    static const struct zrpc_endpoint_rule rules[] = {
        {"tank/a/b/c<", true}, {"tank<", true}, {"tank/a/b", true}, {"tank/a<", false}, {"tank/e", false}};
    static const char *const others[] = {"tank/a/b", "tank/a/b/c", "tank/a/b/c/d",
                                         "tank/ab",  "tank/e",     "tank/e/f"};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_SENDER);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        CHECK_OK(zrpc_zpool_add_filesystem(x.f.pool, others[i], i == 0, &x.err));
    x.endpoint.config.rules = rules;
    x.endpoint.config.n_rules = 5;
    /* tank/a/b is a placeholder, and yet never one for a sender's client. */
    CHECK_STR(list(&x), "tank tank/a/b tank/a/b/c tank/a/b/c/d tank/ab tank/e/f tank/empty");
    x.endpoint.config.n_rules = 0;
    CHECK_CONTAINS(list(&x), "tank tank/a tank/a/b");
    x.endpoint.config.rules = rules + 4;
    x.endpoint.config.n_rules = 1;
    CHECK_STR(list(&x), "");
    teardown_endpoint(&x);
}

static void a_sender_guards_what_is_not_admitted(void)
{
    static const struct zrpc_endpoint_rule rules[] = {{"tank/empty", true}};
    static const char *const names[] = {"1"};
    struct zrpc_source source = {0};
    struct endpoint_fixture x;
    uint64_t guid;

    setup_endpoint(&x, ZRPC_ENDPOINT_SENDER);
    x.endpoint.config.rules = rules;
    x.endpoint.config.n_rules = 1;
    CHECK_STR(list_versions_of(&x, "tank/a"), "endpoint does not allow access to filesystem tank/a");
    CHECK_STR(destroy(&x, "tank/a", names, 1), "endpoint does not allow access to filesystem tank/a");
    CHECK(send_of(&x, "tank/a", "", "@1", false, NULL, &source) < 0);
    CHECK_STR(x.err.text, "endpoint does not allow access to filesystem tank/a");
    CHECK(cursor(&x, "tank/a", "1", &guid) < 0);
    CHECK_STR(x.err.text, "endpoint does not allow access to filesystem tank/a");
    CHECK_STR(list_versions_of(&x, ""), "empty filesystem not allowed");
    CHECK_CONTAINS(list_versions_of(&x, "tank/empty/../a"), "component \"..\"");
    CHECK_STR(versions(&x.f, "tank/a"), "@1 #mark @2 @3");
    teardown_endpoint(&x);
}

static void versions_are_listed_in_full(void)
{
    Zrpc__Pb__ListFilesystemVersionsReq req = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_REQ__INIT;
    Zrpc__Pb__ListFilesystemVersionsRes *res = malloc(sizeof *res);
    struct zrpc_zfs_version v = {
        .name = "9", .guid = UINT64_MAX, .createtxg = UINT64_C(1) << 61, .creation = 1582979696};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_SENDER);
    CHECK_OK(zrpc_zpool_add_snapshot(x.f.pool, "tank/empty", &v, 1, &x.err));
    zrpc__pb__list_filesystem_versions_res__init(res);
    req.filesystem = (char *)"tank/empty";
    CHECK_OK(x.handler.ops->list_filesystem_versions(x.handler.ctx, &x.call, &req, res, &x.err));
    if (CHECK_INT(res->n_versions, 1)) {
        CHECK_INT(res->versions[0]->type, 0);
        CHECK_STR(res->versions[0]->name, "9");
        CHECK(res->versions[0]->guid == UINT64_MAX);
        CHECK(res->versions[0]->createtxg == UINT64_C(1) << 61);
        CHECK_STR(res->versions[0]->creation, "2020-02-29T12:34:56Z");
    }
    zrpc__pb__list_filesystem_versions_res__free_unpacked(res, NULL);
    CHECK_STR(list_versions_of(&x, "tank/a"), "@1 #mark @2 @3");
    CHECK_CONTAINS(list_versions_of(&x, "tank/none"), "dataset does not exist");
    teardown_endpoint(&x);
}

static void sending(void)
{
    struct zrpc_source source = {0};
    struct zrpc_buf stream = {0}, direct = {0};
    struct endpoint_fixture x;
    int64_t expected = -1;

    setup_endpoint(&x, ZRPC_ENDPOINT_SENDER);
    CHECK_OK(send_of(&x, "tank/a", "@1", "@3", true, &expected, &source));
    CHECK(source.ops == NULL);
    CHECK_INT(x.endpoint.sends.used, 0);
    CHECK_OK(send_of(&x, "tank/a", "@1", "@3", false, NULL, &source));
    CHECK_INT(x.endpoint.sends.used, 1);
    CHECK_OK(drain(&source, &stream, 4096, &x.err));
    zrpc_source_close(&source);
    CHECK_INT(x.endpoint.sends.used, 0);
    CHECK_INT(stream.len, expected);
    stream_of(&x.f, "tank/a", "@1", "@3", &direct);
    CHECK_BYTES(zrpc_buf_view(&stream), zrpc_buf_view(&direct));
    CHECK_OK(send_of(&x, "tank/a", "#mark", "@3", true, &expected, &source));
    CHECK_INT(expected, 0);
    zrpc_buf_dispose(&stream);
    zrpc_buf_dispose(&direct);
    teardown_endpoint(&x);
}

static void sends_that_are_refused(void)
{
    static const char *const rows[][4] = {
        {"tank/none", "", "@1", "dataset does not exist"},
        {"tank/a", "", "@9", "dataset does not exist"},
        {"tank/a", "@9", "@1", "does not exist"},
        {"tank/a", "#9", "@1", "does not exist"},
        {"tank/a", "@3", "@1", "not an earlier snapshot"},
        {"tank/a", "", "", "'to': version must start with a delimiter char"},
        {"tank/a", "", "1", "'to': version must start with"},
        {"tank/a", "", "one", "'to': version name \"one\" starts with invalid delimiter char"},
        {"tank/a", "@", "@1", "'from': version must start with"},
        {"tank/a", "1x", "@1", "'from': version name"},
        {"tank/a", "", "#mark", "not a snapshot"},
        {"tank/a", "", "@1@2", "forbidden characters"},
        {"tank/a", "@1,2", "@3", "does not allow"},
        {"-v", "", "@1", "with a letter"},
    };
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__SendRes res = ZRPC__PB__SEND_RES__INIT;
    struct zrpc_source source = {0};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_SENDER);
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        const char *const *row = rows[i / 2];

        CHECK(send_of(&x, row[0], row[1], row[2], i % 2 == 1, NULL, &source) < 0);
        CHECK_CONTAINS(x.err.text, row[3]);
    }
    req.filesystem = (char *)"tank/a";
    req.to = (char *)"@1";
    req.resumetoken = (char *)"1-abc";
    CHECK(x.handler.ops->send(x.handler.ctx, &x.call, &req, &res, &source, &x.err) < 0);
    CHECK_CONTAINS(x.err.text, "resume token is corrupt");
    CHECK(source.ops == NULL);
    CHECK_INT(x.endpoint.sends.used, 0);
    teardown_endpoint(&x);
}

static void the_cursor_only_advances(void)
{
    Zrpc__Pb__ReplicationCursorReq neither = ZRPC__PB__REPLICATION_CURSOR_REQ__INIT;
    Zrpc__Pb__ReplicationCursorRes res = ZRPC__PB__REPLICATION_CURSOR_RES__INIT;
    struct endpoint_fixture x;
    uint64_t guid = 1;

    setup_endpoint(&x, ZRPC_ENDPOINT_SENDER);
    CHECK_OK(cursor(&x, "tank/a", NULL, &guid));
    CHECK_INT(guid, 0);
    CHECK_OK(cursor(&x, "tank/a", "2", &guid));
    CHECK(guid == guid_of(&x.f, "tank/a", "2"));
    CHECK_STR(versions(&x.f, "tank/a"), "@1 #mark @2 #zrepl_replication_cursor @3");
    CHECK_CODE(cursor(&x, "tank/a", "1", &guid), ZRPC_ERR_ZFS);
    CHECK_STR(x.err.text, "zfs: replication cursor: can only be advanced, not set back");
    CHECK_OK(cursor(&x, "tank/a", NULL, &guid));
    CHECK(guid == guid_of(&x.f, "tank/a", "2"));
    CHECK_OK(cursor(&x, "tank/a", "2", &guid));
    CHECK_OK(cursor(&x, "tank/a", "3", &guid));
    CHECK_STR(versions(&x.f, "tank/a"), "@1 #mark @2 @3 #zrepl_replication_cursor");
    CHECK_CODE(cursor(&x, "tank/a", "9", &guid), ZRPC_ERR_ZFS);
    CHECK_STR(x.err.text,
              "zfs: replication cursor: get snapshot createtxg: dataset \"tank/a@9\" does not exist");
    CHECK_CODE(cursor(&x, "tank/a", "", &guid), ZRPC_ERR_ZFS);
    CHECK_CODE(cursor(&x, "tank/none", NULL, &guid), ZRPC_ERR_ZFS);
    CHECK_CODE(cursor(&x, "tank/none", "1", &guid), ZRPC_ERR_ZFS);
    neither.filesystem = (char *)"tank/a";
    CHECK(x.handler.ops->replication_cursor(x.handler.ctx, &x.call, &neither, &res, &x.err) < 0);
    CHECK_CONTAINS(x.err.text, "unknown op");
    /* The cursor outlives its snapshot. */
    CHECK_OK(x.f.zfs.ops->destroy_snapshot(x.f.zfs.ctx, NULL, "tank/a", "3", &x.err));
    CHECK_CODE(cursor(&x, "tank/a", "2", &guid), ZRPC_ERR_ZFS);
    teardown_endpoint(&x);
}

static void snapshots_are_destroyed_one_by_one(void)
{
    static const char *const names[] = {"9", "1", "2,3", "2%3", "3"};
    static const char *const with_bookmark[] = {"2", "#mark"};
    static const char *const busy[] = {"2"};
    Zrpc__Pb__FilesystemVersion odd = ZRPC__PB__FILESYSTEM_VERSION__INIT, *pointer = &odd;
    Zrpc__Pb__DestroySnapshotsReq req = ZRPC__PB__DESTROY_SNAPSHOTS_REQ__INIT;
    Zrpc__Pb__DestroySnapshotsRes res = ZRPC__PB__DESTROY_SNAPSHOTS_RES__INIT;
    struct zrpc_source source = {0};
    struct endpoint_fixture x;

    setup_endpoint(&x, ZRPC_ENDPOINT_SENDER);
    CHECK_STR(destroy(&x, "tank/a", with_bookmark, 2), "version \"mark\" is not a snapshot");
    CHECK_STR(versions(&x.f, "tank/a"), "@1 #mark @2 @3");
    CHECK_STR(
        destroy(&x, "tank/a", names, 5),
        "could not find any snapshots to destroy; check snapshot names.\nok\n"
        "name \"2,3\" contains characters that zfs does not allow (letters, digits, \"-_.: \" are)\n"
        "name \"2%3\" contains characters that zfs does not allow (letters, digits, \"-_.: \" are)\nok");
    CHECK_STR(versions(&x.f, "tank/a"), "#mark @2");
    CHECK_OK(send_of(&x, "tank/a", "", "@2", false, NULL, &source));
    CHECK_STR(destroy(&x, "tank/a", busy, 1), "cannot destroy snapshot tank/a@2: dataset is busy");
    zrpc_source_close(&source);
    CHECK_STR(destroy(&x, "tank/a", NULL, 0), "");
    CHECK_CONTAINS(destroy(&x, "tank/none", busy, 1), "dataset does not exist");
    odd.name = (char *)"2";
    odd.type = 7;
    req.filesystem = (char *)"tank/a";
    req.snapshots = &pointer;
    req.n_snapshots = 1;
    CHECK(x.handler.ops->destroy_snapshots(x.handler.ctx, &x.call, &req, &res, &x.err) < 0);
    CHECK_STR(x.err.text, "version \"2\" is of unknown type 7");
    CHECK_STR(versions(&x.f, "tank/a"), "#mark @2");
    teardown_endpoint(&x);
}

static void each_role_refuses_the_others_calls(void)
{
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};
    struct endpoint_fixture x;
    uint64_t guid;

    setup_endpoint(&x, ZRPC_ENDPOINT_SENDER);
    CHECK(receive_to(&x, "tank/b", &sink) < 0);
    CHECK_STR(x.err.text, "sender does not implement Receive()");
    teardown_endpoint(&x);
    setup_endpoint(&x, ZRPC_ENDPOINT_RECEIVER);
    CHECK(send_of(&x, "tank/a", "", "@1", false, NULL, &source) < 0);
    CHECK_STR(x.err.text, "receiver does not implement Send()");
    CHECK(cursor(&x, "tank/a", NULL, &guid) < 0);
    CHECK_STR(x.err.text, "ReplicationCursor not implemented for Receiver");
    CHECK(sink.ops == NULL && source.ops == NULL);
    teardown_endpoint(&x);
}

/*
 * Limits.
 */
struct waiting {
    struct endpoint_fixture *x;
    struct zrpc_call call;
    bool receive;
    struct zrpc_source source;
    struct zrpc_sink sink;
    int rc;
    struct zrpc_error err;
    atomic_bool done;
};

static void *wait_for_slot(void *arg)
{
    struct waiting *w = arg;
    Zrpc__Pb__SendReq send = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__SendRes sent = ZRPC__PB__SEND_RES__INIT;
    Zrpc__Pb__ReceiveReq receive = ZRPC__PB__RECEIVE_REQ__INIT;

    send.filesystem = (char *)"tank/a";
    send.to = (char *)"@1";
    receive.filesystem = (char *)"waiting";
    w->rc = w->receive
                ? w->x->handler.ops->receive(w->x->handler.ctx, &w->call, &receive, &w->sink, &w->err)
                : w->x->handler.ops->send(w->x->handler.ctx, &w->call, &send, &sent, &w->source, &w->err);
    atomic_store(&w->done, true);
    return NULL;
}

/* Fills all slots; one more waits, first for its cancellation, then for a slot. */
static void check_limit(bool receive)
{
    struct zrpc_source sources[10] = {0};
    struct zrpc_sink sinks[10] = {0};
    struct endpoint_fixture x;
    struct waiting w;
    pthread_t thread;
    char name[16];

    setup_endpoint(&x, ZRPC_ENDPOINT_BOTH);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "in%d", i);
        CHECK_OK(receive ? receive_to(&x, name, &sinks[i])
                         : send_of(&x, "tank/a", "", "@3", false, NULL, &sources[i]));
    }
    for (int round = 0; round < 2; round++) {
        memset(&w, 0, sizeof w);
        w.x = &x;
        w.receive = receive;
        w.call.client_identity = "client";
        CHECK_INT(pthread_create(&thread, NULL, wait_for_slot, &w), 0);
        poll(NULL, 0, 20); /* for it to come to wait, or to get by where it must not */
        CHECK(!atomic_load(&w.done));
        if (round == 0)
            atomic_store(&w.call.cancelled, true);
        else if (receive)
            zrpc_sink_close(&sinks[7]);
        else
            zrpc_source_close(&sources[7]);
        CHECK_INT(pthread_join(thread, NULL), 0);
        CHECK_CODE(w.rc, round == 0 ? ZRPC_ERR_CANCELLED : 0);
        CHECK_STR(w.err.text, round > 0 ? ""
                              : receive ? "cancelled while waiting for one of 10 concurrent receives"
                                        : "cancelled while waiting for one of 10 concurrent sends");
    }
    CHECK_INT(receive ? x.endpoint.receives.used : x.endpoint.sends.used, 10);
    zrpc_source_close(&w.source);
    zrpc_sink_close(&w.sink);
    for (int i = 0; i < 10; i++) {
        zrpc_source_close(&sources[i]);
        zrpc_sink_close(&sinks[i]);
    }
    CHECK_INT(x.endpoint.receives.used + x.endpoint.sends.used, 0);
    teardown_endpoint(&x);
}

static void ten_sends_at_a_time(void)
{
    check_limit(false);
}

static void ten_receives_at_a_time(void)
{
    check_limit(true);
}

static const struct zrpc_test tests[] = {
    {"roles have names", roles_have_names},
    {"configurations that are refused", configurations_that_are_refused},
    {"limits come from the environment", limits_come_from_the_environment},
    {"filters admit by the most specific rule", filters_admit_by_the_most_specific_rule},
    {"a sender guards what is not admitted", a_sender_guards_what_is_not_admitted},
    {"versions are listed in full", versions_are_listed_in_full},
    {"sending", sending},
    {"sends that are refused", sends_that_are_refused},
    {"the cursor only advances", the_cursor_only_advances},
    {"snapshots are destroyed one by one", snapshots_are_destroyed_one_by_one},
    {"each role refuses the other's calls", each_role_refuses_the_others_calls},
    {"ten sends at a time", ten_sends_at_a_time},
    {"ten receives at a time", ten_receives_at_a_time},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("endpoint", tests, argc, argv);
}
