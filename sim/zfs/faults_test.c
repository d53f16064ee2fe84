#include "sim/zfs/faults.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim/zfs/faults_internal.h"
#include "testing/alloc.h"
#include "testing/suite.h"

/*
 * A zfs that counts what reaches it. Its streams are 1000 bytes long.
 */
enum { LENGTH = 1000 };

struct fake {
    unsigned calls, finished, closed;
    uint64_t moved;
};

static ssize_t fake_read(void *ctx, void *buf, size_t len, struct zrpc_error *err)
{
    struct fake *f = ctx;

    (void)err;
    if (len > LENGTH - f->moved)
        len = LENGTH - f->moved;
    memset(buf, 'x', len);
    f->moved += len;
    return (ssize_t)len;
}

static ssize_t fake_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    (void)buf, (void)err;
    ((struct fake *)ctx)->moved += len;
    return (ssize_t)len;
}

static int fake_finish(void *ctx, struct zrpc_error *err)
{
    (void)err;
    ((struct fake *)ctx)->finished++;
    return 0;
}

static void fake_close(void *ctx)
{
    ((struct fake *)ctx)->closed++;
}

static const struct zrpc_source_ops fake_source = {.read = fake_read, .close = fake_close};
static const struct zrpc_sink_ops fake_sink = {
    .write = fake_write, .finish = fake_finish, .close = fake_close};

static int fake_send(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send,
                     struct zrpc_source *out, struct zrpc_error *err)
{
    (void)cancelled, (void)send, (void)err;
    *out = (struct zrpc_source){.ops = &fake_source, .ctx = ctx};
    return 0;
}

static int fake_receive(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_receive *receive,
                        struct zrpc_sink *out, struct zrpc_error *err)
{
    (void)cancelled, (void)receive, (void)err;
    *out = (struct zrpc_sink){.ops = &fake_sink, .ctx = ctx};
    return 0;
}

static int fake_list(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_zfs_versions *out,
                     struct zrpc_error *err)
{
    (void)cancelled, (void)fs, (void)out, (void)err;
    ((struct fake *)ctx)->calls++;
    return 0;
}

static int fake_destroy(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot,
                        struct zrpc_error *err)
{
    (void)cancelled, (void)fs, (void)snapshot, (void)err;
    ((struct fake *)ctx)->calls++;
    return 0;
}

static const struct zrpc_zfs_ops fake_ops = {.name = "fake",
                                             .send = fake_send,
                                             .receive = fake_receive,
                                             .list_versions = fake_list,
                                             .destroy_snapshot = fake_destroy};

struct scene {
    struct fake fake;
    struct zrpc_zfs_faults *plan;
    struct zrpc_zfs_faulty faulty;
    struct zrpc_zfs zfs;
    struct zrpc_error err;
};

static void setup(struct scene *s, const char *plan)
{
    *s = (struct scene){0};
    if (!CHECK_OK(zrpc_zfs_faults_parse("plan", zrpc_view_of(plan), &s->plan, &s->err)))
        CHECK_STR(s->err.text, "");
    s->faulty = (struct zrpc_zfs_faulty){.plan = s->plan, .inner = {.ops = &fake_ops, .ctx = &s->fake}};
    s->zfs = zrpc_zfs_faulty(&s->faulty);
}

static void teardown(struct scene *s)
{
    zrpc_zfs_faults_free(s->plan);
}

static int list(struct scene *s, const char *fs)
{
    return s->zfs.ops->list_versions(s->zfs.ctx, NULL, fs, NULL, &s->err);
}

static int destroy(struct scene *s, const char *fs, const char *snapshot)
{
    return s->zfs.ops->destroy_snapshot(s->zfs.ctx, NULL, fs, snapshot, &s->err);
}

static void open_source(struct scene *s, struct zrpc_source *source)
{
    struct zrpc_zfs_send send = {.filesystem = "tank/a", .from = "", .to = "@1"};

    CHECK_OK(s->zfs.ops->send(s->zfs.ctx, NULL, &send, source, &s->err));
}

static void open_sink(struct scene *s, struct zrpc_sink *sink)
{
    struct zrpc_zfs_receive receive = {.filesystem = "tank/a"};

    CHECK_OK(s->zfs.ops->receive(s->zfs.ctx, NULL, &receive, sink, &s->err));
}

/* Reads until the end, failure, or where it would have to wait. */
static ssize_t drain(struct scene *s, struct zrpc_source *source)
{
    char buf[64];
    ssize_t n;

    while ((n = source->ops->read(source->ctx, buf, sizeof buf, &s->err)) > 0) {
    }
    return n;
}

static ssize_t pour(struct scene *s, struct zrpc_sink *sink, const char *bytes, size_t len)
{
    ssize_t n = 0;

    for (size_t at = 0; at < len; at += (size_t)n)
        if ((n = sink->ops->write(sink->ctx, bytes + at, len - at, &s->err)) < 0)
            return n;
    return 0;
}

static void faults_are_addressed(void)
{
    struct scene s;

    setup(&s, "faults: [{action: refuse, operation: list, filesystem: a/b, text: broken}]");
    CHECK_CODE(list(&s, "a/b"), ZRPC_ERR_ZFS);
    CHECK_STR(s.err.text, "broken");
    CHECK_CODE(list(&s, "tank/backup/a/b"), ZRPC_ERR_ZFS);
    CHECK_OK(list(&s, "tank/aa/b"));
    CHECK_OK(list(&s, "b"));
    CHECK_OK(list(&s, "a/b/c"));
    CHECK_OK(destroy(&s, "a/b", "1"));
    CHECK_INT(s.fake.calls, 4);
    teardown(&s);
}

static void busy_snapshots(void)
{
    struct scene s;

    setup(&s, "faults: [{action: busy, operation: [destroy, rollback], snapshot: \"2\", times: 2}]");
    CHECK_OK(destroy(&s, "tank/a", "1"));
    for (int i = 0; i < 2; i++) {
        CHECK_CODE(destroy(&s, "tank/a", "2"), ZRPC_ERR_ZFS);
        CHECK_STR(s.err.text, "cannot destroy snapshot tank/a@2: dataset is busy");
    }
    CHECK_OK(destroy(&s, "tank/a", "2"));
    teardown(&s);
}

static void times_count_by_filesystem(void)
{
    struct scene s;

    setup(&s, "faults: [{action: refuse, operation: list, text: broken, times: once, skip: 1}]");
    for (int fs = 0; fs < 2; fs++) {
        const char *name = fs == 0 ? "tank/a" : "tank/b";

        CHECK_OK(list(&s, name));
        CHECK_CODE(list(&s, name), ZRPC_ERR_ZFS);
        CHECK_OK(list(&s, name));
    }
    teardown(&s);
}

/* Which of 64 calls are refused, as bits. */
static uint64_t luck(const char *plan, const char *fs)
{
    struct scene s;
    uint64_t bits = 0;

    setup(&s, plan);
    for (int i = 0; i < 64; i++)
        bits |= (uint64_t)(list(&s, fs) != 0) << i;
    teardown(&s);
    return bits;
}

static void luck_is_the_seeds(void)
{
    static const char one[] =
        "{seed: 1, faults: [{action: refuse, operation: list, text: broken, probability: 0.5}]}";
    static const char two[] =
        "{seed: 2, faults: [{action: refuse, operation: list, text: broken, probability: 0.5}]}";
    uint64_t bits = luck(one, "tank/a");
    int struck = __builtin_popcountll(bits);

    CHECK(luck(one, "tank/a") == bits);
    CHECK(luck(one, "tank/b") != bits);
    CHECK(luck(two, "tank/a") != bits);
    CHECK(struck > 16 && struck < 48);
}

static void streams_fail_at_their_byte(void)
{
    struct zrpc_source source;
    struct zrpc_sink sink;
    char bytes[200] = {0};
    struct scene s;

    setup(&s,
          "faults:\n"
          "  - {action: fail, operation: send, at: 100, text: \"cannot read: I/O error\"}\n"
          "  - {action: fail, operation: receive, text: at once}\n");
    open_source(&s, &source);
    CHECK_CODE(drain(&s, &source), ZRPC_ERR_SOURCE);
    CHECK_STR(s.err.text, "cannot read: I/O error");
    CHECK_INT(s.fake.moved, 100);
    zrpc_source_close(&source);
    s.fake.moved = 0;
    open_sink(&s, &sink);
    CHECK_CODE(pour(&s, &sink, bytes, sizeof bytes), ZRPC_ERR_SINK);
    CHECK_STR(s.err.text, "at once");
    CHECK_INT(s.fake.moved, 0);
    CHECK_CODE(sink.ops->finish(sink.ctx, &s.err), ZRPC_ERR_SINK);
    CHECK_INT(s.fake.finished, 0);
    zrpc_sink_close(&sink);
    CHECK_INT(s.fake.closed, 2);
    teardown(&s);
}

static uint64_t range_byte(const char *plan)
{
    struct zrpc_source source;
    struct scene s;
    uint64_t at;

    setup(&s, plan);
    open_source(&s, &source);
    CHECK_CODE(drain(&s, &source), ZRPC_ERR_SOURCE);
    at = s.fake.moved;
    zrpc_source_close(&source);
    teardown(&s);
    return at;
}

static void ranges(void)
{
    uint64_t seen = 0;

    for (int seed = 0; seed < 20; seed++) {
        char plan[128];
        uint64_t at;

        snprintf(plan, sizeof plan,
                 "{seed: %d, faults: [{action: fail, operation: send, text: x, at: 10..12}]}", seed);
        at = range_byte(plan);
        CHECK(at >= 10 && at <= 12);
        CHECK_INT(range_byte(plan), at);
        seen |= UINT64_C(1) << at;
    }
    CHECK_INT(seen, 7 << 10);
}

static void put_little(char *p, uint64_t v)
{
    for (int i = 0; i < 8; i++, v >>= 8)
        p[i] = (char)(v & 0xff);
}

static void full_disk(const char *expected, uint64_t magic, uint64_t version, uint64_t from)
{
    char bytes[400] = {0};
    struct zrpc_sink sink;
    struct scene s;

    put_little(bytes + 8, magic);
    put_little(bytes + 16, version);
    put_little(bytes + 48, from);
    setup(&s, "faults: [{action: full, operation: receive, at: 312}]");
    open_sink(&s, &sink);
    CHECK_CODE(pour(&s, &sink, bytes, sizeof bytes), ZRPC_ERR_SINK);
    CHECK_STR(s.err.text, expected);
    zrpc_sink_close(&sink);
    teardown(&s);
}

static void full_disks(void)
{
    full_disk("cannot receive new filesystem stream: out of space", 0x2F5bacbac, 1, 0);
    full_disk("cannot receive incremental stream: out of space", 0x2F5bacbac, 1, 7);
    full_disk("cannot receive resume stream: out of space", 0x2F5bacbac, 1 | 1 << 22, 7);
    full_disk("cannot receive: out of space", 1, 1, 0);
}

static void crashes(void)
{
    struct zrpc_sink sink;
    struct scene s;

    setup(&s,
          "faults:\n"
          "  - {action: crash, operation: receive, when: before-commit, times: once}\n"
          "  - {action: crash, operation: receive, when: after-commit, skip: 1, times: once}\n"
          "  - {action: crash, operation: destroy, when: before-commit, snapshot: \"1\"}\n"
          "  - {action: crash, operation: destroy, when: after-commit, snapshot: \"2\"}\n");
    for (unsigned i = 0; i < 3; i++) {
        open_sink(&s, &sink);
        CHECK_OK(pour(&s, &sink, "12345678", 8));
        CHECK_CODE(sink.ops->finish(sink.ctx, &s.err), i < 2 ? ZRPC_ERR_SINK : 0);
        CHECK_INT(s.fake.finished, i);
        zrpc_sink_close(&sink);
    }
    CHECK_CODE(destroy(&s, "tank/a", "1"), ZRPC_ERR_ZFS);
    CHECK_INT(s.fake.calls, 0);
    CHECK_CODE(destroy(&s, "tank/a", "2"), ZRPC_ERR_ZFS);
    CHECK_INT(s.fake.calls, 1);
    CHECK_STR(s.err.text, "zfs crashed after it changed everything");
    teardown(&s);
}

static struct zrpc_zfs_flow flow_of(const struct zrpc_zfs_fault *fault, uint64_t at)
{
    return (struct zrpc_zfs_flow){.struck = {.faults = {fault}, .at = {at}, .n = 1}};
}

static void stalls_in_virtual_time(void)
{
    static const struct zrpc_zfs_fault fault = {.action = ZRPC_ZFS_FAULT_STALL, .lasts = 5 * ZRPC_SECOND};
    static const struct zrpc_zfs_fault forever = {.action = ZRPC_ZFS_FAULT_STALL};
    struct zrpc_zfs_flow flow = flow_of(&fault, 100);
    const struct zrpc_zfs_fault *by = NULL;
    zrpc_time now = 1000 * ZRPC_SECOND, until = 0;
    size_t len = 4096;

    CHECK_INT(zrpc_zfs_flow_next(&flow, now, &len, &until, &by), ZRPC_ZFS_FLOW_GO);
    CHECK_INT(len, 100);
    zrpc_zfs_flow_moved(&flow, 100);
    now += ZRPC_SECOND;
    for (int i = 0; i < 5; i++, now += ZRPC_SECOND) {
        len = 4096;
        CHECK_INT(zrpc_zfs_flow_next(&flow, now, &len, &until, &by), ZRPC_ZFS_FLOW_WAIT);
        CHECK_INT(until, 1006 * ZRPC_SECOND);
    }
    CHECK_INT(zrpc_zfs_flow_next(&flow, now, &len, &until, &by), ZRPC_ZFS_FLOW_GO);
    CHECK_INT(len, 4096);
    flow = flow_of(&forever, 0);
    CHECK_INT(zrpc_zfs_flow_next(&flow, now, &len, &until, &by), ZRPC_ZFS_FLOW_WAIT);
    CHECK_INT(until, ZRPC_NEVER);
}

/* Seconds that n bytes take at a rate, asked for in pieces of up to `piece`. */
static double time_of(uint64_t rate, uint64_t n, size_t piece)
{
    struct zrpc_zfs_fault fault = {.action = ZRPC_ZFS_FAULT_SLOW, .rate = rate};
    struct zrpc_zfs_flow flow = flow_of(&fault, 0);
    const struct zrpc_zfs_fault *by = NULL;
    zrpc_time began = 1000 * ZRPC_SECOND, now = began, until = 0;

    while (flow.moved < n) {
        size_t len = n - flow.moved < piece ? (size_t)(n - flow.moved) : piece;

        if (zrpc_zfs_flow_next(&flow, now, &len, &until, &by) == ZRPC_ZFS_FLOW_GO) {
            zrpc_zfs_flow_moved(&flow, len);
        } else {
            CHECK(until > now);
            now = until;
        }
    }
    return (double)(now - began) / (double)ZRPC_SECOND;
}

static void rates_in_virtual_time(void)
{
    static const struct {
        uint64_t rate, n;
        size_t piece;
        double seconds;
    } cases[] = {
        {1, 10, 4096, 10},
        {1000, 10000, 4096, 10},
        {1000, 10000, 1, 10},
        {1 << 20, 10 << 20, 1 << 17, 10},
        {UINT64_C(16) << 30, UINT64_C(160) << 30, 1 << 30, 10},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double took = time_of(cases[i].rate, cases[i].n, cases[i].piece);

        if (!CHECK(took > cases[i].seconds * 0.999 && took < cases[i].seconds * 1.001))
            printf("    case %zu took %f s\n", i, took);
    }
}

/* Really waits, 30 ms. */
static void a_stall_ends_on_its_descriptor(void)
{
    struct zrpc_source source;
    struct zrpc_sink sink;
    struct pollfd fd;
    struct scene s;

    setup(&s, "faults: [{action: stall, operation: [send, receive], at: 500, for: 30ms}]");
    open_source(&s, &source);
    CHECK_CODE(drain(&s, &source), ZRPC_ERR_AGAIN);
    CHECK_INT(s.fake.moved, 500);
    fd = zrpc_source_wait(&source);
    CHECK_INT(fd.events, POLLIN);
    CHECK_INT(poll(&fd, 1, 20000), 1);
    CHECK_CODE(drain(&s, &source), 0);
    CHECK_INT(s.fake.moved, LENGTH);
    zrpc_source_close(&source);
    s.fake.moved = 0;
    open_sink(&s, &sink);
    CHECK_CODE(pour(&s, &sink, (char[LENGTH]){0}, LENGTH), ZRPC_ERR_AGAIN);
    fd = zrpc_sink_wait(&sink);
    CHECK_INT(poll(&fd, 1, 20000), 1);
    CHECK_OK(pour(&s, &sink, (char[500]){0}, 500));
    CHECK_INT(s.fake.moved, LENGTH);
    CHECK_OK(sink.ops->finish(sink.ctx, &s.err));
    zrpc_sink_close(&sink);
    teardown(&s);
}

static void nothing_lies_over_what_nothing_strikes(void)
{
    struct zrpc_source source;
    struct scene s;

    setup(&s,
          "faults: [{action: stall, operation: send, filesystem: other},"
          " {action: delay, operation: send, for: 1ns}]");
    open_source(&s, &source);
    CHECK(source.ops == &fake_source);
    zrpc_source_close(&source);
    teardown(&s);
}

static void delays_are_cancelled(void)
{
    atomic_bool cancelled = true;
    struct scene s;

    setup(&s, "faults: [{action: delay, operation: list, for: 1h}]");
    CHECK_CODE(s.zfs.ops->list_versions(s.zfs.ctx, &cancelled, "tank/a", NULL, &s.err), ZRPC_ERR_CANCELLED);
    CHECK_INT(s.fake.calls, 0);
    teardown(&s);
}

static void all_mistakes_are_reported(void)
{
    static const char plan[] =
        "seed: x\n"
        "faults:\n"
        "  - {action: explode, operation: send}\n"
        "  - {action: fail, operation: send}\n"
        "  - {action: full, operation: send}\n"
        "  - {action: stall, operation: [send, fly]}\n"
        "  - {action: slow, operation: send}\n"
        "  - {action: crash, operation: list, when: before-commit}\n"
        "  - {action: refuse, operation: list, text: x, probability: 2}\n"
        "  - {action: stall, operation: send, at: 10..5}\n"
        "  - {action: stall, operation: send, at: 10..x, times: 0}\n"
        "  - {action: stall, operation: send, filesystem: /a, wings: 2}\n";
    static const char expected[] =
        "plan:1: seed: expected a number from 0 to 2^64-1, found \"x\"\n"
        "plan:3: action: expected one of refuse, delay, busy, fail, full, stall, slow, crash, found "
        "\"explode\"\n"
        "plan:4: fault: text is missing\n"
        "plan:5: fault: this cannot happen to such an operation\n"
        "plan:6: operation: expected one of filesystems, get, list, estimate, send, receive, snapshot, "
        "destroy, bookmark, create, set, rollback, hold, abort, found \"fly\"\n"
        "plan:7: fault: expected a rate of 1 to 16GiB a second\n";
    struct zrpc_zfs_faults *p = NULL;
    struct zrpc_error err;

    CHECK_CODE(zrpc_zfs_faults_parse("plan", zrpc_view_of(plan), &p, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, expected);
    CHECK_CONTAINS(err.text, "plan:8: fault: this cannot happen");
    CHECK_CONTAINS(err.text, "plan:12: wings: unknown key");
}

static void a_pools_faults(void)
{
    static const char text[] =
        "{open_error: no, list_error: cannot list, send_error: broken, send_error_at: 8}";
    struct zrpc_zfs_faults *p = NULL;
    struct zrpc_zfs_struck struck;
    struct zrpc_error err;
    struct zrpc_yaml y;

    CHECK_OK(zrpc_yaml_parse(&y, "pool", zrpc_view_of(text), &err));
    CHECK_OK(zrpc_zfs_faults_new(1, &p, &err));
    zrpc_zfs_faults_read_of(&y, "tank/x", zrpc_yaml_root(&y), p);
    CHECK_OK(zrpc_yaml_result(&y, &err));
    zrpc_yaml_dispose(&y);
    CHECK_OK(zrpc_zfs_faults_strike(p, ZRPC_ZFS_OP_SEND, "backup/tank/x", "1", &struck, &err));
    CHECK_INT(struck.n, 2);
    CHECK_CODE(zrpc_zfs_struck_before(&struck, NULL, &err), ZRPC_ERR_ZFS);
    CHECK_STR(err.text, "no");
    CHECK_INT(struck.faults[1]->action, ZRPC_ZFS_FAULT_FAIL);
    CHECK_INT(struck.at[1], 8);
    CHECK_OK(zrpc_zfs_faults_strike(p, ZRPC_ZFS_OP_RECEIVE, "tank/x", NULL, &struck, &err));
    CHECK_INT(struck.n, 1);
    CHECK_OK(zrpc_zfs_faults_strike(p, ZRPC_ZFS_OP_LIST, "tank/x", NULL, &struck, &err));
    CHECK_CODE(zrpc_zfs_struck_before(&struck, NULL, &err), ZRPC_ERR_ZFS);
    CHECK_STR(err.text, "cannot list");
    zrpc_zfs_faults_free(p);
}

static void counts_are_shared(void)
{
    static const char plan[] = "faults: [{action: refuse, operation: list, text: broken, times: 3}]";
    char name[] = "/tmp/zrpc-faults-XXXXXX";
    int fd = mkstemp(name);
    struct scene a, b;

    CHECK(fd >= 0);
    setup(&a, plan);
    setup(&b, plan);
    CHECK_OK(zrpc_zfs_faults_share(a.plan, name, &a.err));
    CHECK_OK(zrpc_zfs_faults_share(b.plan, name, &b.err));
    CHECK_CODE(list(&a, "tank/a b"), ZRPC_ERR_ZFS);
    CHECK_CODE(list(&b, "tank/a b"), ZRPC_ERR_ZFS);
    /* one that was killed while it wrote */
    CHECK_INT(pwrite(fd, "1 stru", 6, lseek(fd, 0, SEEK_END)), 6);
    CHECK_CODE(list(&b, "tank/a b"), ZRPC_ERR_ZFS);
    CHECK_OK(list(&a, "tank/a b"));
    CHECK_OK(list(&b, "tank/a b"));
    CHECK_CODE(list(&b, "tank/c"), ZRPC_ERR_ZFS);
    teardown(&a);
    teardown(&b);
    close(fd);
    unlink(name);
}

/* A plan is read, shared, and strikes a send; arg is the file for the counts. */
static int whole(void *arg)
{
    static const char plan[] = "faults: [{action: stall, operation: send, at: 900, for: 1ns}]";
    struct zrpc_zfs_send send = {.filesystem = "tank/a", .from = "", .to = "@1"};
    struct scene s = {0};
    struct zrpc_source source = {0};
    struct pollfd fd;
    int rc = zrpc_zfs_faults_parse("plan", zrpc_view_of(plan), &s.plan, &s.err);

    if (rc == 0)
        rc = zrpc_zfs_faults_share(s.plan, arg, &s.err);
    if (rc == 0) {
        s.faulty = (struct zrpc_zfs_faulty){.plan = s.plan, .inner = {.ops = &fake_ops, .ctx = &s.fake}};
        s.zfs = zrpc_zfs_faulty(&s.faulty);
        rc = s.zfs.ops->send(s.zfs.ctx, NULL, &send, &source, &s.err);
    }
    while (rc == 0 && (rc = (int)drain(&s, &source)) == ZRPC_ERR_AGAIN) {
        fd = zrpc_source_wait(&source);
        rc = poll(&fd, 1, 20000) == 1 ? 0 : ZRPC_ERR_TIMEOUT;
    }
    zrpc_source_close(&source);
    zrpc_zfs_faults_free(s.plan);
    return rc;
}

static void scarcity(void)
{
    char name[] = "/tmp/zrpc-faults-XXXXXX";
    int fd = mkstemp(name);

    CHECK(fd >= 0);
    CHECK(zrpc_alloc_each(whole, name) >= 5);
    CHECK(zrpc_resource_each(whole, name) >= 2);
    close(fd);
    unlink(name);
}

static const struct zrpc_test tests[] = {
    {"faults hold for their operations, and paths that end in theirs", faults_are_addressed},
    {"busy snapshots are not destroyed", busy_snapshots},
    {"times and skip count for each filesystem", times_count_by_filesystem},
    {"whether a fault strikes is the seed's matter", luck_is_the_seeds},
    {"streams fail at their byte", streams_fail_at_their_byte},
    {"the byte of a range is the seed's matter", ranges},
    {"a full disk has zfs's words", full_disks},
    {"crashes come before and after the commit", crashes},
    {"stalls, in virtual time", stalls_in_virtual_time},
    {"rates, in virtual time", rates_in_virtual_time},
    {"a stall's end shows on a descriptor", a_stall_ends_on_its_descriptor},
    {"a stream that nothing strikes is left alone", nothing_lies_over_what_nothing_strikes},
    {"a delay ends where the call is cancelled", delays_are_cancelled},
    {"all mistakes of a plan are reported", all_mistakes_are_reported},
    {"a pool's keys for faults", a_pools_faults},
    {"processes count together", counts_are_shared},
    {"without memory, descriptors or threads", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("faults", tests, argc, argv);
}
