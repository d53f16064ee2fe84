#include <poll.h>

#include "replicate/model.h"
#include "zrpc/server.h"
#include "zrpc/transport.h"

/* A model as one end: in this process, or behind a server on a socket of this machine. */
struct end {
    struct model m;
    struct zrpc_replicate_local_peer local;
    struct zrpc_server *server;
    struct zrpc_dialer *dialer;
    struct zrpc_client *client;
    struct zrpc_replicate_remote_peer remote;
    pthread_t thread;
    struct zrpc_replicate_peer peer;
};

struct fixture {
    struct end from, to;
    struct zrpc_replicate_options options;
    struct zrpc_replicate_result result;
    struct zrpc_cancel cancel;
    unsigned retries, cancel_in; /* cancel_in: raised at that event; 0: not */
    char last[512];              /* what the last conflict or failure said */
    struct zrpc_error err;
};

static void *serve(void *arg)
{
    CHECK_OK(zrpc_server_serve(((struct end *)arg)->server, NULL));
    return NULL;
}

static void put_behind_server(struct end *e)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "test"}};
    struct zrpc_server_options options;
    struct zrpc_client_options client;
    struct zrpc_listener *l;

    CHECK_OK(zrpc_server_options_env(&options, NULL));
    CHECK_OK(zrpc_client_options_env(&client, NULL));
    options.handler = e->local.handler;
    CHECK_OK(zrpc_server_new(&options, &e->server, NULL));
    CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", clients, 1, &l, NULL));
    CHECK_OK(zrpc_tcp_dialer(l->ops->address(l) + strlen("tcp:"), 50 * ZRPC_SECOND, &e->dialer, NULL));
    CHECK_OK(zrpc_server_add_listener(e->server, l, NULL));
    CHECK_INT(pthread_create(&e->thread, NULL, serve, e), 0);
    CHECK_OK(zrpc_client_new(e->dialer, &client, &e->client, NULL));
    e->remote = (struct zrpc_replicate_remote_peer){.client = e->client};
    e->peer = zrpc_replicate_remote(&e->remote);
}

static void open_end(struct end *e, bool remote)
{
    model_init(&e->m);
    e->local =
        (struct zrpc_replicate_local_peer){.handler = {.ops = &model_ops, .ctx = &e->m}, .identity = "test"};
    e->peer = zrpc_replicate_local(&e->local);
    if (remote)
        put_behind_server(e);
}

/* Until then it may still be busy with what a client has given up. */
static void stop_server(struct end *e)
{
    if (e->server == NULL)
        return;
    zrpc_client_close(e->client);
    e->dialer->ops->close(e->dialer);
    zrpc_server_stop(e->server);
    pthread_join(e->thread, NULL);
    zrpc_server_close(e->server);
    e->server = NULL;
}

static void close_end(struct end *e)
{
    stop_server(e);
    CHECK_INT(e->m.wrong, 0);
    model_dispose(&e->m);
}

static void on_event(void *ctx, const struct zrpc_replicate_event *event)
{
    struct fixture *f = ctx;

    f->retries += event->type == ZRPC_REPLICATE_RETRY ? 1 : 0;
    if (event->type == ZRPC_REPLICATE_FAILED)
        snprintf(f->last, sizeof f->last, "%.500s", event->error->text);
    if (event->type == ZRPC_REPLICATE_CONFLICT)
        snprintf(f->last, sizeof f->last, "%.500s", event->plan->why);
    if (f->cancel_in > 0 && --f->cancel_in == 0)
        zrpc_cancel_raise(&f->cancel);
}

/* tank/a with @1 @2 @3 on the sender. */
static void setup(struct fixture *f, bool from_remote, bool to_remote)
{
    struct model_fs *fs;

    memset(f, 0, sizeof *f);
    open_end(&f->from, from_remote);
    open_end(&f->to, to_remote);
    CHECK_OK(zrpc_cancel_init(&f->cancel, &f->err));
    f->options = (struct zrpc_replicate_options){
        .backoff = {.base = 1, .max = 1, .jitter = -1},
        .cancel = &f->cancel,
        .on_event = on_event,
        .event_ctx = f,
    };
    fs = model_add(&f->from.m, "tank/a");
    model_snapshot(fs, "1", 11);
    model_snapshot(fs, "2", 12);
    model_snapshot(fs, "3", 13);
}

static void teardown(struct fixture *f)
{
    zrpc_cancel_dispose(&f->cancel);
    close_end(&f->to);
    close_end(&f->from);
}

/* What the servers' threads have done to the models is for this thread to see then. */
static void synchronise(struct end *e)
{
    pthread_mutex_lock(&e->m.mutex);
    pthread_mutex_unlock(&e->m.mutex);
}

static int replicate(struct fixture *f)
{
    int rc = zrpc_replicate(f->from.peer, f->to.peer, &f->options, &f->result, &f->err);

    synchronise(&f->from);
    synchronise(&f->to);
    return rc;
}

/* "@1 @2 #cursor" */
static const char *versions(struct end *e, const char *path)
{
    static char text[1024];
    struct model_fs *fs = model_find(&e->m, path);
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; fs != NULL && i < fs->v.len; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%c%s", i == 0 ? "" : " ",
                                 fs->v.items[i].type == ZRPC_ZFS_SNAPSHOT ? '@' : '#',
                                 fs->v.items[i].type == ZRPC_ZFS_SNAPSHOT ? fs->v.items[i].name : "cursor");
    return text;
}

static void all_is_sent_once(bool from_remote, bool to_remote)
{
    struct fixture f;

    setup(&f, from_remote, to_remote);
    CHECK_OK(replicate(&f));
    CHECK_STR(versions(&f.to, "tank/a"), "@1 @2 @3");
    CHECK_STR(versions(&f.from, "tank/a"), "@1 @2 @3 #cursor");
    CHECK(model_find(&f.from.m, "tank/a")->v.items[3].guid == 13);
    CHECK_INT(f.result.steps, 3);
    CHECK_INT(f.result.done, 1);
    CHECK_INT(f.result.bytes,
              3 * sizeof(struct model_header) + model_length(11) + model_length(12) + model_length(13));
    CHECK_OK(replicate(&f));
    CHECK_INT(f.result.steps, 0);
    CHECK_INT(f.from.m.sends, 3);
    CHECK_INT(f.retries, 0);
    model_snapshot(model_find(&f.from.m, "tank/a"), "4", 14);
    CHECK_OK(replicate(&f));
    CHECK_STR(versions(&f.to, "tank/a"), "@1 @2 @3 @4");
    CHECK_INT(f.result.steps, 1);
    teardown(&f);
}

static void in_process(void)
{
    all_is_sent_once(false, false);
}

static void from_a_server(void)
{
    all_is_sent_once(true, false);
}

static void to_a_server(void)
{
    all_is_sent_once(false, true);
}

static void between_servers(void)
{
    all_is_sent_once(true, true);
}

static void a_dry_run_changes_nothing(void)
{
    struct fixture f;

    setup(&f, true, true);
    f.options.dry_run = true;
    CHECK_OK(replicate(&f));
    CHECK_INT(f.result.done, 1);
    CHECK_STR(versions(&f.to, "tank/a"), "");
    CHECK_STR(versions(&f.from, "tank/a"), "@1 @2 @3");
    CHECK_INT(f.from.m.sends, 0);
    teardown(&f);
}

static void conflicts_are_not_touched(void)
{
    struct model_fs *fs;
    struct fixture f;

    setup(&f, false, false);
    fs = model_add(&f.to.m, "tank/a");
    model_snapshot(fs, "1", 11);
    model_snapshot(fs, "own", 99);
    CHECK_OK(replicate(&f));
    CHECK_INT(f.result.conflicts, 1);
    CHECK_INT(f.result.done + f.result.failed, 0);
    CHECK_CONTAINS(f.last, "only the receiver has @own");
    CHECK_STR(versions(&f.to, "tank/a"), "@1 @own");
    CHECK_INT(f.from.m.sends, 0);
    teardown(&f);
}

static void globs_select(void)
{
    struct fixture f;

    setup(&f, false, false);
    model_snapshot(model_add(&f.from.m, "tank/b"), "1", 21);
    model_snapshot(model_add(&f.from.m, "tank/b/c"), "1", 31);
    f.options.glob = "tank/b*";
    CHECK_OK(replicate(&f));
    CHECK_INT(f.result.filesystems, 2);
    CHECK_STR(versions(&f.to, "tank/a"), "");
    CHECK_STR(versions(&f.to, "tank/b/c"), "@1");
    teardown(&f);
}

static void a_placeholder_is_filled(void)
{
    struct fixture f;

    setup(&f, false, false);
    model_add(&f.to.m, "tank/a")->placeholder = true;
    CHECK_OK(replicate(&f));
    CHECK_STR(versions(&f.to, "tank/a"), "@1 @2 @3");
    teardown(&f);
}

/* As somebody who was interrupted has left it: all of @1, and 100 bytes of what follows. */
static void leave_partial(struct fixture *f)
{
    struct model_fs *fs = model_add(&f->to.m, "tank/a");

    model_snapshot(fs, "1", 11);
    fs->partial_to = 12;
    fs->partial_from = 11;
    fs->partial_bytes = 100;
}

static void tokens_come_first(void)
{
    struct fixture f;

    setup(&f, true, true);
    leave_partial(&f);
    CHECK_OK(replicate(&f));
    CHECK_STR(versions(&f.to, "tank/a"), "@1 @2 @3");
    CHECK_INT(f.from.m.resumed, 1);
    CHECK_INT(f.to.m.cleared, 0);
    CHECK_INT(f.retries, 0);
    CHECK_INT(f.result.bytes, 2 * sizeof(struct model_header) + model_length(12) + model_length(13) - 100);
    teardown(&f);
}

/* Real zrepl 0.1.1 ignores tokens; others may refuse this one. What was kept is dropped then. */
static void tokens_that_are_not_taken(void)
{
    struct fixture f;

    for (int i = 0; i < 4; i++) {
        setup(&f, i >= 2, i >= 2);
        leave_partial(&f);
        f.from.m.ignores_tokens = i % 2 == 0;
        f.from.m.refuses_tokens = i % 2 != 0;
        CHECK_OK(replicate(&f));
        CHECK_STR(versions(&f.to, "tank/a"), "@1 @2 @3");
        CHECK_INT(f.from.m.resumed, 0);
        CHECK_INT(f.to.m.cleared, 1);
        CHECK_INT(f.retries, 0);
        teardown(&f);
    }
}

static int claim_success(void *ctx, const struct zrpc_replicate_call *call, const Zrpc__Pb__ReceiveReq *req,
                         struct zrpc_source *source, struct zrpc_error *err)
{
    uint8_t byte;
    ssize_t n;

    (void)ctx, (void)call, (void)req;
    while ((n = source->ops->read(source->ctx, &byte, 1, err)) == ZRPC_ERR_AGAIN) {
        struct pollfd fd = zrpc_source_wait(source);

        (void)poll(&fd, 1, 100);
    }
    CHECK_INT((int)n, 1);
    return 0;
}

/* A receiver that has not read the stream cannot have it. */
static void success_before_the_end_is_none(void)
{
    struct zrpc_replicate_peer_ops ops;
    struct fixture f;

    setup(&f, false, false);
    ops = *f.to.peer.ops;
    ops.receive = claim_success;
    f.to.peer.ops = &ops;
    f.options.attempts = 1;
    CHECK_OK(replicate(&f));
    CHECK_INT(f.result.failed, 1);
    CHECK_INT(f.result.steps, 0);
    CHECK_STR(f.last, "@1: receiver: success before the stream's end");
    teardown(&f);
}

static void attempts_are_bounded(void)
{
    struct fixture f;

    setup(&f, false, true);
    f.options.attempts = 3;
    f.from.m.send_error = "no";
    CHECK_OK(replicate(&f));
    CHECK_INT(f.result.failed, 1);
    CHECK_INT(f.retries, 2);
    CHECK_STR(f.last, "@1: sender: no");
    f.from.m.send_error = NULL;
    f.to.m.break_at = 500;
    f.to.m.resumable = false;
    f.retries = 0;
    CHECK_OK(replicate(&f));
    CHECK_INT(f.result.failed, 1);
    CHECK_INT(f.retries, 2);
    CHECK_CONTAINS(f.last, "@1: receiver: no more than 500 bytes");
    CHECK_STR(versions(&f.to, "tank/a"), "");
    teardown(&f);
}

/* Each stream breaks, but each adds to what is there. */
static void what_is_kept_counts_as_progress(void)
{
    struct fixture f;

    setup(&f, false, false);
    f.options.attempts = 3;
    f.to.m.break_at = 10000;
    CHECK_OK(replicate(&f));
    CHECK_INT(f.result.failed, 0);
    CHECK_STR(versions(&f.to, "tank/a"), "@1 @2 @3");
    CHECK(f.retries > 3);
    CHECK(f.from.m.resumed > 3);
    CHECK_INT(f.to.m.cleared, 0);
    teardown(&f);
}

/* The receiver has the snapshot, and nobody heard it say so. */
static void a_lost_answer_is_looked_up(void)
{
    struct fixture f;

    setup(&f, true, true);
    f.to.m.lost_answers = 2;
    CHECK_OK(replicate(&f));
    CHECK_STR(versions(&f.to, "tank/a"), "@1 @2 @3");
    CHECK_INT(f.from.m.sends, 3);
    CHECK_INT(f.retries, 2);
    CHECK_STR(versions(&f.from, "tank/a"), "@1 @2 @3 #cursor");
    CHECK(model_find(&f.from.m, "tank/a")->v.items[3].guid == 13);
    teardown(&f);
}

static void the_cursor_is_never_set_back(void)
{
    struct fixture f;

    setup(&f, false, false);
    model_version(model_find(&f.from.m, "tank/a"), ZRPC_ZFS_BOOKMARK, ZRPC_REPLICATION_CURSOR, 12, 2);
    CHECK_OK(replicate(&f));
    CHECK_INT(f.retries, 0);
    CHECK_STR(versions(&f.to, "tank/a"), "@1 @2 @3");
    CHECK_INT(f.from.m.wrong, 0);
    teardown(&f);
}

static void check_same(struct fixture *f)
{
    for (size_t i = 0; i < f->from.m.n; i++) {
        struct model_fs *ours = &f->from.m.fs[i], *theirs = model_find(&f->to.m, ours->path);
        const struct zrpc_zfs_version *cursor =
            zrpc_zfs_versions_find(&ours->v, ZRPC_ZFS_BOOKMARK, ZRPC_REPLICATION_CURSOR);
        size_t n = 0;

        if (!CHECK(theirs != NULL))
            return;
        for (size_t k = 0; k < ours->v.len; k++)
            if (ours->v.items[k].type == ZRPC_ZFS_SNAPSHOT && CHECK(n < theirs->v.len))
                CHECK(theirs->v.items[n++].guid == ours->v.items[k].guid);
        CHECK_INT(n, theirs->v.len);
        CHECK(theirs->partial_to == 0 && !theirs->receiving);
        CHECK(cursor != NULL && cursor->guid == model_newest(ours)->guid);
    }
}

/* Everything fails now and then, and somebody interrupts it; in the end all is there, and nothing twice. */
static void one_by_chance(bool remote, uint64_t seed)
{
    struct fixture f;
    unsigned runs = 0;

    setup(&f, remote, remote);
    model_snapshot(model_add(&f.from.m, "tank/b"), "x", 500 + seed);
    f.from.m.random = seed;
    f.to.m.random = ~seed;
    f.from.m.one_in = f.to.m.one_in = 4 + (unsigned)(seed % 30);
    f.to.m.resumable = seed % 4 != 0;
    f.from.m.ignores_tokens = seed % 5 == 0;
    do {
        zrpc_cancel_dispose(&f.cancel);
        CHECK_OK(zrpc_cancel_init(&f.cancel, &f.err));
        f.cancel_in = (unsigned)(seed * 7 + runs * 5) % 23;
        if (runs == 5)
            model_snapshot(model_find(&f.from.m, "tank/a"), "4", 14);
        if (runs > 200)
            f.from.m.one_in = f.to.m.one_in = 0;
    } while (CHECK(++runs < 300) &&
             (replicate(&f) != 0 || f.result.failed > 0 || f.result.filesystems != f.result.done));
    stop_server(&f.from);
    stop_server(&f.to);
    check_same(&f);
    if (f.from.m.wrong + f.to.m.wrong > 0)
        printf("    seed %" PRIu64 "\n", seed);
    teardown(&f);
}

/* Several at once: they mostly wait for each other's threads, on a busy machine for long. */
#define AT_ONCE 6

struct chance {
    pthread_t thread;
    bool remote;
    uint64_t first, last; /* every AT_ONCEth of these seeds */
};

static void *try_seeds(void *arg)
{
    const struct chance *c = arg;

    for (uint64_t seed = c->first; seed <= c->last; seed += AT_ONCE)
        one_by_chance(c->remote, seed);
    return NULL;
}

static void by_chance(bool remote, uint64_t seeds)
{
    struct chance chances[AT_ONCE];

    for (unsigned i = 0; i < AT_ONCE; i++) {
        chances[i] = (struct chance){.remote = remote, .first = 1 + i, .last = seeds};
        CHECK_INT(pthread_create(&chances[i].thread, NULL, try_seeds, &chances[i]), 0);
    }
    for (unsigned i = 0; i < AT_ONCE; i++)
        CHECK_INT(pthread_join(chances[i].thread, NULL), 0);
}

static void by_chance_in_process(void)
{
    by_chance(false, 60);
}

static void by_chance_between_servers(void)
{
    by_chance(true, 6);
}

static void listings_that_fail(void)
{
    struct fixture f;

    setup(&f, false, false);
    f.from.m.one_in = 1;
    f.options.attempts = 4;
    CHECK_CODE(replicate(&f), ZRPC_ERR_HANDLER);
    CHECK_STR(f.err.text, "sender: list filesystems: bad luck in listing");
    CHECK_INT(f.retries, 3);
    zrpc_cancel_raise(&f.cancel);
    CHECK_CODE(replicate(&f), ZRPC_ERR_CANCELLED);
    teardown(&f);
}

static const struct zrpc_test tests[] = {
    {"in process", in_process},
    {"from a server", from_a_server},
    {"to a server", to_a_server},
    {"between servers", between_servers},
    {"a dry run changes nothing", a_dry_run_changes_nothing},
    {"conflicts are not touched", conflicts_are_not_touched},
    {"globs select", globs_select},
    {"a placeholder is filled", a_placeholder_is_filled},
    {"tokens come first", tokens_come_first},
    {"tokens that are not taken", tokens_that_are_not_taken},
    {"success before the end is none", success_before_the_end_is_none},
    {"attempts are bounded", attempts_are_bounded},
    {"what is kept counts as progress", what_is_kept_counts_as_progress},
    {"a lost answer is looked up", a_lost_answer_is_looked_up},
    {"the cursor is never set back", the_cursor_is_never_set_back},
    {"by chance, in process", by_chance_in_process},
    {"by chance, between servers", by_chance_between_servers},
    {"listings that fail", listings_that_fail},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("replicate", tests, argc, argv);
}
