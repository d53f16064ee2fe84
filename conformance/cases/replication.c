/*
 * What the five methods mean, as a server: proto/SPEC.md section 12.
 */
#include <stdio.h>

#include "conformance/cases/cases.h"
#include "conformance/control.h"
#include "conformance/transfer.h"

typedef Zrpc__Pb__ListFilesystemRes Filesystems;
typedef Zrpc__Pb__ListFilesystemVersionsRes Versions;
typedef Zrpc__Pb__FilesystemVersion Version;
typedef Zrpc__Pb__DestroySnapshotsRes Destroyed;
typedef Zrpc__Pb__ReplicationCursorRes Cursor;

static const Filesystems *list(struct zrpc_h2 *h)
{
    Zrpc__Pb__ListFilesystemReq request = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;

    return (const Filesystems *)zrpc_expect_reply(h, zrpc_control_call(h, "ListFilesystems", &request.base),
                                                  &zrpc__pb__list_filesystem_res__descriptor);
}

static const Versions *versions_of(struct zrpc_h2 *h, const char *filesystem)
{
    return (const Versions *)zrpc_expect_reply(h, zrpc_control_versions(h, filesystem),
                                               &zrpc__pb__list_filesystem_versions_res__descriptor);
}

static const Version *find(const Versions *versions, Zrpc__Pb__FilesystemVersion__VersionType type,
                           const char *name)
{
    for (size_t i = 0; versions != NULL && i < versions->n_versions; i++)
        if (versions->versions[i]->type == type && strcmp(versions->versions[i]->name, name) == 0)
            return versions->versions[i];
    return NULL;
}

static const Version *snapshot(const Versions *versions, const char *name)
{
    return find(versions, ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Snapshot, name);
}

/* Any handler error. */
static void expect_error(struct zrpc_h2 *h, struct zrpc_h2_call *call)
{
    zrpc_expect_call(h, call, ZRPC_CALL_STATUS, ZRPC_ANY_STATUS, zrpc_run_timing(h->run)->prompt);
}

/*
 * Ping
 */
static void echoes(struct zrpc_run *run)
{
    static const char *const texts[] = {"",
                                        "x",
                                        "hello, world",
                                        "Grüße, 世界 \xf0\x9f\x90\xa7 100% \\ \"",
                                        "\x01\x02\t\r\n\x7f",
                                        "\xef\xbf\xbf\xf4\x8f\xbf\xbf"};
    struct zrpc_h2 *h = zrpc_h2_open(run);

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        zrpc_expect_echo(h, zrpc_control_ping(h, texts[i]), texts[i]);
}

static void echo_of_1_mib(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    char *text = zrpc_run_alloc(run, (1u << 20) + 1);

    for (size_t i = 0; text != NULL && i < 1u << 20; i++)
        text[i] = (char)('!' + (i * 31 + i / 94) % 94);
    if (text != NULL)
        zrpc_expect_echo(h, zrpc_control_ping(h, text), text);
}

static void expect_echo_of(struct zrpc_h2 *h, const char *message, size_t len, const char *text)
{
    struct zrpc_h2_call *call = zrpc_control_begin(h, &(struct zrpc_control_headers){0});

    zrpc_control_finish(h, call, zrpc_view(message, len));
    zrpc_expect_echo(h, call, text);
}

/* Who cannot hold such a text may refuse it, but never cut it. */
static void zero_in_text(struct zrpc_run *run)
{
    static const char message[] = "\x0a\3a\0b";
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call = zrpc_control_begin(h, &(struct zrpc_control_headers){0});
    struct zrpc_view got;

    zrpc_control_finish(h, call, zrpc_view(message, sizeof message - 1));
    if (zrpc_expect_call(h, call, ZRPC_CALL_OK | ZRPC_CALL_STATUS, ZRPC_ANY_STATUS,
                         zrpc_run_timing(run)->prompt) != ZRPC_CALL_OK)
        return;
    got = zrpc_expect_ok(h, call);
    if (!zrpc_view_equal(got, zrpc_view(message, sizeof message - 1)))
        zrpc_run_fail(run, "Echo with all three characters, or an error", "%zu bytes of response", got.len);
}

static void unknown_fields(struct zrpc_run *run)
{
    static const char before[] =
        "\x10\x96\x01\x19"
        "12345678"
        "\x22\3abc\x2d"
        "1234\x9a\x06\x02\x08\x01\x0a\5hello";
    static const char after[] = "\x0a\5hello\xf8\xff\xff\xff\x0f\x01\xf2\xff\xff\xff\x0f\x00";
    struct zrpc_h2 *h = zrpc_h2_open(run);

    expect_echo_of(h, before, sizeof before - 1, "hello");
    expect_echo_of(h, after, sizeof after - 1, "hello");
}

static void defaults(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    expect_echo_of(h, "", 0, "");
    expect_echo_of(h, "\x0a\0", 2, "");
}

static void last_one_counts(struct zrpc_run *run)
{
    expect_echo_of(zrpc_h2_open(run), "\x0a\5first\x0a\4last", 13, "last");
}

static void not_utf8(struct zrpc_run *run)
{
    static const char *const messages[] = {"\x0a\2\xc3\x28", "\x0a\1\xff", "\x0a\3\xed\xa0\x80",
                                           "\x0a\2\xc0\xaf"};
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_h2_call *call;

    for (size_t i = 0; i < sizeof messages / sizeof messages[0] && zrpc_run_going(run); i++) {
        call = zrpc_control_begin(h, &(struct zrpc_control_headers){0});
        zrpc_control_finish(h, call, zrpc_view_of(messages[i]));
        expect_error(h, call);
    }
    zrpc_expect_alive(h);
}

/*
 * Listing
 */
static bool lists(const Filesystems *all, const char *path, const Zrpc__Pb__Filesystem **out)
{
    bool found = false;

    for (size_t i = 0; i < all->n_filesystems; i++) {
        if (strcmp(all->filesystems[i]->path, path) != 0)
            continue;
        found = true;
        if (out != NULL)
            *out = all->filesystems[i];
    }
    return found;
}

static void listing(struct zrpc_run *run)
{
    static const enum zrpc_offer_id there[] = {ZRPC_OFFER_SEND_FULL, ZRPC_OFFER_SEND_INCREMENT,
                                               ZRPC_OFFER_CONTROL_VERSIONS, ZRPC_OFFER_CONTROL_CURSOR};
    const struct zrpc_offer *hidden = &run->profile->offers[ZRPC_OFFER_CONTROL_HIDDEN], *offer;
    const Filesystems *all = list(zrpc_h2_open(run));

    if (all == NULL)
        return;
    for (size_t i = 0; i < all->n_filesystems; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(all->filesystems[i]->path, all->filesystems[k]->path) == 0)
                zrpc_run_fail(run, "each filesystem once", "\"%s\" twice", all->filesystems[i]->path);
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++) {
        offer = &run->profile->offers[there[i]];
        if (offer->present && !lists(all, offer->filesystem, NULL))
            zrpc_run_fail(run, "every filesystem of the profile", "no \"%s\"", offer->filesystem);
    }
    if (hidden->present && lists(all, hidden->filesystem, NULL))
        zrpc_run_fail(run, "only filesystems that are served", "\"%s\"", hidden->filesystem);
}

/* Receives into the offer's filesystem; its name, or NULL when the run is decided. */
static const char *receive(struct zrpc_run *run, enum zrpc_offer_id id)
{
    struct zrpc_transfer t;

    if (!zrpc_transfer_begin(run, id, 100000, &t))
        return NULL;
    t.offer.to = NULL;
    zrpc_peer_send_stream(t.peer, ZRPC_STREAM_TYPE, t.content);
    zrpc_transfer_expect_received(&t);
    return zrpc_run_going(run) ? t.offer.filesystem : NULL;
}

static void received_is_listed(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    const char *name = receive(run, ZRPC_OFFER_RECEIVE_ACCEPTED);
    const Filesystems *all = name == NULL ? NULL : list(h);

    if (all != NULL && !lists(all, name, NULL))
        zrpc_run_fail(run, "the filesystem that was received", "a list without it");
}

static void placeholders(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    const char *name = receive(run, ZRPC_OFFER_CONTROL_PLACEHOLDER);
    const Filesystems *all = name == NULL ? NULL : list(h);
    const Zrpc__Pb__Filesystem *child = NULL, *parent = NULL;
    char *up;

    if (all == NULL || (up = zrpc_run_alloc(run, strlen(name) + 1)) == NULL)
        return;
    memcpy(up, name, (size_t)(strrchr(name, '/') - name));
    if (!lists(all, name, &child) || !lists(all, up, &parent))
        zrpc_run_fail(run, "the filesystem that was received and its parent", "a list without them");
    else if (child->isplaceholder || !parent->isplaceholder)
        zrpc_run_fail(run, "the parent a placeholder, and the filesystem itself none", "%s",
                      child->isplaceholder ? "the filesystem one" : "the parent none");
}

static const char *flaw_of(const Version *v)
{
    int len = -1;
    char zone;

    if (v->name[0] == '\0' || strpbrk(v->name, "@#/") != NULL)
        return "a name with a delimiter, or none";
    if (v->guid == 0 || v->createtxg == 0)
        return "no Guid or no CreateTXG";
    sscanf(v->creation, "%*4[0-9]-%*2[0-9]-%*2[0-9]T%*2[0-9]:%*2[0-9]:%*2[0-9]%n", &len);
    if (len != 19)
        return "a Creation that is no RFC 3339 time";
    if (v->creation[len] == '.')
        len += 1 + (int)strspn(v->creation + len + 1, "0123456789");
    zone = v->creation[len];
    return (zone == 'Z' && v->creation[len + 1] == '\0') || zone == '+' || zone == '-'
               ? NULL
               : "a Creation without zone";
}

static void versions(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_VERSIONS);
    const Versions *all;
    size_t bookmarks = 0;

    if (offer == NULL || (all = versions_of(zrpc_h2_open(run), offer->filesystem)) == NULL)
        return;
    for (size_t i = 0; i < all->n_versions; i++) {
        bookmarks += all->versions[i]->type == ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Bookmark;
        if (flaw_of(all->versions[i]) != NULL)
            zrpc_run_fail(run, "bare names, Guid, CreateTXG, and times in RFC 3339 form",
                          "%s: \"%s\", \"%s\"", flaw_of(all->versions[i]), all->versions[i]->name,
                          all->versions[i]->creation);
        if (i > 0 && all->versions[i]->createtxg < all->versions[i - 1]->createtxg)
            zrpc_run_fail(run, "versions in order of CreateTXG", "%llu after %llu",
                          (unsigned long long)all->versions[i]->createtxg,
                          (unsigned long long)all->versions[i - 1]->createtxg);
    }
    if (bookmarks == 0 || all->n_versions - bookmarks < 2)
        zrpc_run_fail(run, "two snapshots and a bookmark at least", "%zu versions, %zu of them bookmarks",
                      all->n_versions, bookmarks);
}

static void wide_numbers(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_WIDE);
    const Versions *all;

    if (offer == NULL || (all = versions_of(zrpc_h2_open(run), offer->filesystem)) == NULL)
        return;
    for (size_t i = 0; i < all->n_versions; i++)
        if (all->versions[i]->guid > INT64_MAX)
            return;
    zrpc_run_fail(run, "a Guid above 2^63", "none");
}

/*
 * Names that lead nowhere
 */
static struct zrpc_h2_call *destroy(struct zrpc_h2 *h, const char *filesystem, Version **list_of, size_t n)
{
    Zrpc__Pb__DestroySnapshotsReq request = ZRPC__PB__DESTROY_SNAPSHOTS_REQ__INIT;

    request.filesystem = (char *)filesystem;
    request.snapshots = list_of;
    request.n_snapshots = n;
    return zrpc_control_call(h, "DestroySnapshots", &request.base);
}

static struct zrpc_h2_call *cursor_call(struct zrpc_h2 *h, const char *filesystem, const char *set)
{
    Zrpc__Pb__ReplicationCursorReq request = ZRPC__PB__REPLICATION_CURSOR_REQ__INIT;
    Zrpc__Pb__ReplicationCursorReq__GetOp get = ZRPC__PB__REPLICATION_CURSOR_REQ__GET_OP__INIT;
    Zrpc__Pb__ReplicationCursorReq__SetOp to = ZRPC__PB__REPLICATION_CURSOR_REQ__SET_OP__INIT;

    request.filesystem = (char *)filesystem;
    request.op_case =
        set == NULL ? ZRPC__PB__REPLICATION_CURSOR_REQ__OP_GET : ZRPC__PB__REPLICATION_CURSOR_REQ__OP_SET;
    if (set == NULL)
        request.get = &get;
    else
        request.set = &to;
    to.snapshot = (char *)set;
    return zrpc_control_call(h, "ReplicationCursor", &request.base);
}

/* All or nothing: an error, or a result per snapshot with an error each. */
static void expect_nothing_destroyed(struct zrpc_h2 *h, struct zrpc_h2_call *call)
{
    const Destroyed *reply;

    if (zrpc_expect_call(h, call, ZRPC_CALL_OK | ZRPC_CALL_STATUS, ZRPC_ANY_STATUS,
                         zrpc_run_timing(h->run)->prompt) != ZRPC_CALL_OK)
        return;
    reply = (const Destroyed *)zrpc_expect_reply(h, call, &zrpc__pb__destroy_snapshots_res__descriptor);
    for (size_t i = 0; reply != NULL && i < reply->n_results; i++)
        if (reply->results[i]->error[0] == '\0')
            zrpc_run_fail(h->run, "an error", "a snapshot destroyed where none is");
}

static void nowhere(struct zrpc_h2 *h, const char *filesystem)
{
    Version one = ZRPC__PB__FILESYSTEM_VERSION__INIT, *some[] = {&one};

    one.name = (char *)"1";
    expect_error(h, zrpc_control_versions(h, filesystem));
    expect_nothing_destroyed(h, destroy(h, filesystem, some, 1));
    expect_error(h, cursor_call(h, filesystem, NULL));
    expect_error(h, cursor_call(h, filesystem, "1"));
}

static void unknown_filesystem(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);

    nowhere(h, zrpc_run_unique(run, "no-such"));
    zrpc_expect_alive(h);
}

static void hidden_filesystem(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_HIDDEN);

    if (offer != NULL)
        nowhere(zrpc_h2_open(run), offer->filesystem);
}

static void odd_paths(struct zrpc_run *run)
{
    static const char *const patterns[] = {"",    "/",    "..",   "../%s", "%s/..", "%s/../%s", "/%s",
                                           "%s/", "%s@1", "%s#1", "./%s",  "%s//x", "%s\n",     " "};
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_VERSIONS);
    struct zrpc_h2 *h = zrpc_h2_open(run);
    struct zrpc_buf path = {0};

    for (size_t i = 0; offer != NULL && i < sizeof patterns / sizeof patterns[0] && zrpc_run_going(run);
         i++) {
        zrpc_buf_clear(&path);
        for (const char *c = patterns[i]; *c != '\0'; c++) {
            if (c[0] == '%')
                zrpc_text_add(&path, "%s", offer->filesystem);
            else if (c == patterns[i] || c[-1] != '%')
                zrpc_text_add(&path, "%c", *c);
        }
        nowhere(h, zrpc_text_str(&path));
    }
    zrpc_buf_dispose(&path);
    zrpc_expect_alive(h);
}

/*
 * Destroying: what a case destroys, it has received before
 */
static Version *version(struct zrpc_run *run, Zrpc__Pb__FilesystemVersion__VersionType type, const char *name)
{
    static const Version init = ZRPC__PB__FILESYSTEM_VERSION__INIT;
    Version *v = zrpc_run_alloc(run, sizeof *v);

    if (v == NULL)
        return NULL;
    *v = init;
    v->type = type;
    v->name = (char *)name;
    v->creation = (char *)"2020-01-01T00:00:00Z";
    return v;
}

#define SNAPSHOT ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Snapshot
#define BOOKMARK ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Bookmark

/* A filesystem of ours with a snapshot: its name. */
static const Version *received_snapshot(struct zrpc_h2 *h, const char **filesystem)
{
    const Versions *all;

    *filesystem = receive(h->run, ZRPC_OFFER_RECEIVE_ACCEPTED);
    all = *filesystem == NULL ? NULL : versions_of(h, *filesystem);
    if (all == NULL)
        return NULL;
    if (all->n_versions > 0 && all->versions[0]->type == SNAPSHOT)
        return all->versions[0];
    zrpc_run_inconclusive(h->run, "what was received has no snapshot");
    return NULL;
}

static void judge_results(struct zrpc_run *run, const Destroyed *reply, Version *const *asked, size_t n,
                          size_t good)
{
    if (reply->n_results != n) {
        zrpc_run_fail(run, "one result for each snapshot", "%zu results for %zu", reply->n_results, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (reply->results[i]->snapshot == NULL ||
            strcmp(reply->results[i]->snapshot->name, asked[i]->name) != 0)
            zrpc_run_fail(run, "results in the request's order, with their snapshots",
                          "result %zu is of \"%s\"", i,
                          reply->results[i]->snapshot == NULL ? "" : reply->results[i]->snapshot->name);
        else if ((reply->results[i]->error[0] == '\0') != (i == good))
            zrpc_run_fail(run, "an Error that is empty exactly where a snapshot was destroyed",
                          "\"%s\" for \"%s\"", reply->results[i]->error, asked[i]->name);
    }
}

static void destroying(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    const char *filesystem;
    const Version *target = received_snapshot(h, &filesystem);
    Version *asked[3];
    const Destroyed *reply;

    if (target == NULL)
        return;
    asked[0] = version(run, SNAPSHOT, "no-such-1");
    asked[1] = version(run, SNAPSHOT, target->name);
    asked[2] = version(run, SNAPSHOT, "no-such-2");
    if (!zrpc_run_going(run))
        return;
    reply = (const Destroyed *)zrpc_expect_reply(h, destroy(h, filesystem, asked, 3),
                                                 &zrpc__pb__destroy_snapshots_res__descriptor);
    if (reply == NULL)
        return;
    judge_results(run, reply, asked, 3, 1);
    if (snapshot(versions_of(h, filesystem), target->name) != NULL)
        zrpc_run_fail(run, "a snapshot that was destroyed to be gone", "it is still listed");
}

static void destroying_bookmarks(struct zrpc_run *run)
{
    struct zrpc_h2 *h = zrpc_h2_open(run);
    const char *filesystem;
    const Version *target = received_snapshot(h, &filesystem);
    Version *asked[2];
    const Versions *left;

    if (target == NULL)
        return;
    asked[0] = version(run, SNAPSHOT, target->name);
    asked[1] = version(run, BOOKMARK, target->name);
    if (!zrpc_run_going(run))
        return;
    expect_error(h, destroy(h, filesystem, asked, 2));
    left = versions_of(h, filesystem);
    if (left != NULL && snapshot(left, target->name) == NULL)
        zrpc_run_fail(run, "nothing destroyed", "the snapshot before the bookmark is gone");
}

static void destroying_nothing(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_VERSIONS);
    struct zrpc_h2 *h = zrpc_h2_open(run);
    const Destroyed *reply;

    if (offer == NULL)
        return;
    reply = (const Destroyed *)zrpc_expect_reply(h, destroy(h, offer->filesystem, NULL, 0),
                                                 &zrpc__pb__destroy_snapshots_res__descriptor);
    if (reply != NULL && reply->n_results != 0)
        zrpc_run_fail(run, "no result", "%zu results", reply->n_results);
}

static void unknown_type(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_VERSIONS);
    struct zrpc_h2 *h = zrpc_h2_open(run);
    Version *asked[1] = {version(run, (Zrpc__Pb__FilesystemVersion__VersionType)7, "no-such")};

    if (offer == NULL || asked[0] == NULL)
        return;
    expect_nothing_destroyed(h, destroy(h, offer->filesystem, asked, 1));
    zrpc_expect_alive(h);
}

/*
 * The replication cursor
 */
static const Cursor *cursor(struct zrpc_h2 *h, const char *filesystem, const char *set)
{
    return (const Cursor *)zrpc_expect_reply(h, cursor_call(h, filesystem, set),
                                             &zrpc__pb__replication_cursor_res__descriptor);
}

static void expect_guid(struct zrpc_run *run, const Cursor *got, uint64_t guid)
{
    if (got == NULL)
        return;
    if (got->result_case != ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_GUID)
        zrpc_run_fail(run, "Guid", "%s",
                      got->result_case == ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_NOTEXIST ? "Notexist"
                                                                                            : "nothing");
    else if (got->guid != guid)
        zrpc_run_fail(run, "the snapshot's Guid", "%llu, not %llu", (unsigned long long)got->guid,
                      (unsigned long long)guid);
}

static void no_cursor(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_NO_CURSOR);
    const Cursor *got = offer == NULL ? NULL : cursor(zrpc_h2_open(run), offer->filesystem, NULL);

    if (got != NULL &&
        (got->result_case != ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_NOTEXIST || !got->notexist))
        zrpc_run_fail(run, "Notexist true", "another result");
}

/* Puts the cursor where the offer lets it; its Guid, or 0 when the run is decided. */
static uint64_t set_cursor(struct zrpc_h2 *h, const struct zrpc_offer *offer)
{
    const Versions *all = offer == NULL ? NULL : versions_of(h, offer->filesystem);
    const Version *to = all == NULL ? NULL : snapshot(all, offer->to + 1);

    if (all == NULL)
        return 0;
    if (to == NULL) {
        zrpc_run_inconclusive(h->run, "%s has no snapshot %s", offer->filesystem, offer->to);
        return 0;
    }
    expect_guid(h->run, cursor(h, offer->filesystem, offer->to + 1), to->guid);
    return zrpc_run_going(h->run) ? to->guid : 0;
}

static void cursor_moves(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_CURSOR);
    struct zrpc_h2 *h = zrpc_h2_open(run);
    uint64_t guid = set_cursor(h, offer);

    if (guid == 0)
        return;
    expect_guid(run, cursor(h, offer->filesystem, NULL), guid);
    zrpc_run_step(run, "and once more to where it is");
    expect_guid(run, cursor(h, offer->filesystem, offer->to + 1), guid);
}

static void cursor_never_back(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_CURSOR);
    struct zrpc_h2 *h = zrpc_h2_open(run);
    uint64_t guid = set_cursor(h, offer);

    if (guid == 0)
        return;
    expect_error(h, cursor_call(h, offer->filesystem, offer->from + 1));
    expect_guid(run, cursor(h, offer->filesystem, NULL), guid);
}

static void cursor_to_nowhere(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_CURSOR);
    struct zrpc_h2 *h = zrpc_h2_open(run);
    uint64_t guid = set_cursor(h, offer);

    if (guid == 0)
        return;
    expect_error(h, cursor_call(h, offer->filesystem, "no-such-snapshot"));
    expect_error(h, cursor_call(h, offer->filesystem, ""));
    expect_guid(run, cursor(h, offer->filesystem, NULL), guid);
}

static void cursor_without_op(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_CONTROL_CURSOR);
    Zrpc__Pb__ReplicationCursorReq request = ZRPC__PB__REPLICATION_CURSOR_REQ__INIT;
    struct zrpc_h2 *h = zrpc_h2_open(run);

    if (offer == NULL)
        return;
    request.filesystem = offer->filesystem;
    expect_error(h, zrpc_control_call(h, "ReplicationCursor", &request.base));
    zrpc_expect_alive(h);
}

#define CASE(name, function, text, outcome, strictness, ...)                                          \
    {                                                                                                 \
        .id = "replication." name, .title = text, .requirements = {__VA_ARGS__}, .level = strictness, \
        .legal = outcome, .budget = 60, .run = function                                               \
    }
static const char same_text[] = "the same text as Echo";
static const char an_error[] = "a grpc-status other than 0";

static const struct zrpc_case cases[] = {
    CASE("echo", echoes, "Ping echoes its text byte for byte, also none and any Unicode", same_text,
         ZRPC_MUST, "ZR-MSG-006", "ZR-MSG-001"),
    CASE("echo-of-1-mib", echo_of_1_mib, "Ping echoes a text of 1 MiB", same_text, ZRPC_MUST, "ZR-MSG-006"),
    CASE("echo-of-zero", zero_in_text,
         "Ping echoes a text with U+0000 in it, or refuses it, and never cuts it",
         "the same text as Echo, or a grpc-status other than 0", ZRPC_MUST, "ZR-MSG-006"),
    CASE("unknown-fields", unknown_fields, "Fields with unknown numbers are ignored, of every wire type",
         same_text, ZRPC_MUST, "ZR-MSG-003"),
    CASE("defaults", defaults, "A message without fields has them at their defaults", "an empty Echo",
         ZRPC_MUST, "ZR-MSG-004"),
    CASE("last-one-counts", last_one_counts, "Of a field that is there twice the last one counts",
         "the last text", ZRPC_MUST, "ZR-MSG-001"),
    CASE("not-utf8", not_utf8, "Strings that are not UTF-8 do not decode", an_error, ZRPC_SHOULD,
         "ZR-MSG-029"),
    CASE("list", listing, "ListFilesystems has each filesystem that is served, once, and no other",
         "the profile's filesystems, each once", ZRPC_MUST, "ZR-MSG-007", "ZR-MSG-027"),
    CASE("received-is-listed", received_is_listed,
         "What was received on a data connection is listed on a control connection of the same client",
         "a list with the filesystem", ZRPC_MUST, "ZR-MSG-007", "ZR-MSG-025"),
    CASE("placeholders", placeholders, "A parent that only holds its children is a placeholder, they are not",
         "IsPlaceholder true of the parent, false of the child", ZRPC_MUST, "ZR-MSG-008"),
    CASE("versions", versions, "Versions come in order of CreateTXG, bare names, complete",
         "snapshots and bookmarks in order", ZRPC_MUST, "ZR-MSG-009", "ZR-MSG-010", "ZR-MSG-011"),
    CASE("wide-numbers", wide_numbers, "Guids keep all their 64 bits", "a Guid above 2^63", ZRPC_MUST,
         "ZR-MSG-002"),
    CASE("unknown-filesystem", unknown_filesystem, "Requests for a filesystem that does not exist are errors",
         an_error, ZRPC_MUST, "ZR-MSG-030"),
    CASE("hidden-filesystem", hidden_filesystem, "Requests for a filesystem that is not served are errors",
         an_error, ZRPC_MUST, "ZR-MSG-027", "ZR-MSG-026"),
    CASE("odd-paths", odd_paths, "Paths that are none lead nowhere", an_error, ZRPC_MUST, "ZR-MSG-026"),
    CASE("destroy", destroying, "Each snapshot has its result, in order, and those that can be are destroyed",
         "an empty Error for the one that was there, a text for the others", ZRPC_MUST, "ZR-MSG-018",
         "ZR-MSG-019"),
    CASE("destroy-bookmark", destroying_bookmarks,
         "A bookmark in the list fails the call, and nothing is destroyed", an_error, ZRPC_MUST,
         "ZR-MSG-020"),
    CASE("destroy-nothing", destroying_nothing, "An empty list has no results", "no result", ZRPC_MUST,
         "ZR-MSG-018"),
    CASE("unknown-type", unknown_type, "A version of unknown type is an error of that request at most",
         "any answer that destroys nothing; the connection lives on", ZRPC_MUST, "ZR-MSG-005"),
    CASE("no-cursor", no_cursor, "Where there is no cursor, get answers Notexist", "Notexist true", ZRPC_MUST,
         "ZR-MSG-021"),
    CASE("cursor", cursor_moves, "Set moves the cursor and answers its Guid, and so does get",
         "the snapshot's Guid", ZRPC_MUST, "ZR-MSG-022", "ZR-MSG-021"),
    CASE("cursor-never-back", cursor_never_back, "The cursor is not set to an older snapshot",
         "a grpc-status other than 0, and the cursor where it was", ZRPC_MUST, "ZR-MSG-024"),
    CASE("cursor-to-nowhere", cursor_to_nowhere, "The cursor is not set to a snapshot that is not there",
         "a grpc-status other than 0, and the cursor where it was", ZRPC_MUST, "ZR-MSG-022"),
    CASE("cursor-without-op", cursor_without_op, "ReplicationCursor with neither get nor set is an error",
         an_error, ZRPC_MUST, "ZR-MSG-023"),
};

const struct zrpc_area zrpc_area_replication = {
    .name = "replication",
    .title = "what the five methods mean, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_CONTROL,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
