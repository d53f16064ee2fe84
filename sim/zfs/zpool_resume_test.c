/* Receives that are cut and gone on with; and those that there is no room for. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/zfs/testing.h"

/* The filesystem's token, "" if it has none. */
static const char *token_of(struct fixture *f, const char *fs)
{
    static char text[4096];
    struct zrpc_buf token = {0};

    text[0] = '\0';
    if (CHECK(f->zfs.ops->resume_token(f->zfs.ctx, NULL, fs, &token, &f->err) >= 0) && token.len > 0)
        snprintf(text, sizeof text, "%s", (const char *)zrpc_buf_view(&token).data);
    zrpc_buf_dispose(&token);
    return text;
}

static int open_kept(struct fixture *f, const char *fs, bool force, struct zrpc_sink *out)
{
    struct zrpc_zfs_receive receive = {.filesystem = fs, .force = force, .resumable = true};

    return f->zfs.ops->receive(f->zfs.ctx, NULL, &receive, out, &f->err);
}

static int resume(struct fixture *f, const char *token, const char *fs)
{
    struct zrpc_zfs_send send = {.filesystem = "tank/a", .from = "", .to = "", .resume_token = token};
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};
    int rc = f->zfs.ops->send(f->zfs.ctx, NULL, &send, &source, &f->err);

    if (rc == 0)
        rc = open_kept(f, fs, false, &sink);
    if (rc == 0)
        return transfer(&source, &sink, &f->err);
    zrpc_source_close(&source);
    return rc;
}

/* The first `len` bytes of it, and no more. */
static void cut(struct fixture *f, const struct zrpc_buf *stream, size_t len, const char *fs)
{
    struct zrpc_sink sink = {0};

    CHECK_OK(open_kept(f, fs, false, &sink));
    CHECK_OK(pour(&sink, zrpc_view(stream->base + stream->off, len), 1000, &f->err));
    zrpc_sink_close(&sink);
}

/* tank/a@big has 400,000 bytes more: four blocks. */
static void setup_big(struct fixture *f)
{
    setup(f);
    snapshot(f, "tank/a", "big", 400000);
}

static void a_new_filesystem_comes_in_two_parts(void)
{
    struct zrpc_buf stream = {0};
    struct fixture f;
    int kept = 0;

    setup_big(&f);
    stream_of(&f, "tank/a", "", "@big", &stream);
    for (size_t len = 0; len < stream.len; len += 9973) {
        const char *token;

        cut(&f, &stream, len, "tank/b");
        token = token_of(&f, "tank/b");
        CHECK_STR(filesystems(&f, NULL),
                  token[0] == '\0' ? "tank tank/a tank/empty" : "tank tank/a tank/b tank/empty");
        CHECK_OK(token[0] == '\0' ? copy(&f, "tank/a", "", "@big", "tank/b", false)
                                  : resume(&f, token, "tank/b"));
        kept += token[0] != '\0';
        CHECK_STR(versions(&f, "tank/b"), "@big");
        check_same_content(&f, "tank/a", "tank/b", "big");
        CHECK_STR(token_of(&f, "tank/b"), "");
        CHECK_OK(zrpc_zpool_destroy(f.pool, "tank/b", ZRPC_ZPOOL_RECURSIVE, NULL, &f.err));
    }
    CHECK(kept > 25);
    zrpc_buf_dispose(&stream);
    teardown(&f);
}

static void an_increment_comes_in_many_parts(void)
{
    struct zrpc_zfs_send send = {.filesystem = "tank/a", .from = "@1", .to = "@big"};
    struct fixture f;
    int parts = 0;

    setup_big(&f);
    CHECK_OK(copy(&f, "tank/a", "", "@1", "tank/b", false));
    for (bool done = false; !done && parts < 100; parts++) {
        static uint8_t chunk[100000];
        struct zrpc_source source = {0};
        struct zrpc_sink sink = {0};
        const char *token = token_of(&f, "tank/b");
        size_t left = 290000; /* the block that it begins with once more, and another */
        ssize_t n;

        send.resume_token = token[0] == '\0' ? NULL : token;
        CHECK_OK(f.zfs.ops->send(f.zfs.ctx, NULL, &send, &source, &f.err));
        CHECK_OK(open_kept(&f, "tank/b", false, &sink));
        while (left > 0 && (n = source.ops->read(source.ctx, chunk, left < sizeof chunk ? left : sizeof chunk,
                                                 &f.err)) > 0) {
            CHECK_OK(pour(&sink, zrpc_view(chunk, (size_t)n), 7777, &f.err));
            left -= (size_t)n;
        }
        done = left > 0;
        if (done)
            CHECK_OK(sink.ops->finish(sink.ctx, &f.err));
        else
            CHECK_STR(versions(&f, "tank/b"), "@1");
        zrpc_source_close(&source);
        zrpc_sink_close(&sink);
    }
    CHECK(parts == 3);
    CHECK_STR(versions(&f, "tank/b"), "@1 @big");
    check_same_content(&f, "tank/a", "tank/b", "big");
    teardown(&f);
}

static void what_is_kept_is_in_the_way_of_others(void)
{
    const char *first = "tank/b@x";
    struct zrpc_zfs_token said;
    struct zrpc_buf stream = {0};
    struct fixture f;

    setup_big(&f);
    stream_of(&f, "tank/a", "", "@big", &stream);
    cut(&f, &stream, 200000, "tank/b");
    CHECK_OK(f.zfs.ops->read_token(f.zfs.ctx, NULL, token_of(&f, "tank/b"), &said, &f.err));
    CHECK_STR(said.filesystem, "tank/a");
    CHECK_STR(said.to, "big");
    CHECK(said.to_guid == guid_of(&f, "tank/a", "big") && said.from_guid == 0);
    CHECK(said.bytes > 60000 && said.bytes < 200000);
    CHECK_CODE(copy(&f, "tank/a", "", "@big", "tank/b", false), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text,
              "cannot receive new filesystem stream: destination 'tank/b' exists\n"
              "must specify -F to overwrite it");
    CHECK_CODE(copy(&f, "tank/a", "", "@big", "tank/b", true), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text,
              "cannot receive new filesystem stream: destination tank/b contains "
              "partially-complete state from \"zfs receive -s\".");
    CHECK_CODE(zrpc_zpool_snapshot(f.pool, &first, 1, false, NULL, 0, &f.err), ZRPC_ERR_ZFS);
    CHECK_OK(f.zfs.ops->abort_receive(f.zfs.ctx, NULL, "tank/b", &f.err));
    CHECK_OK(f.zfs.ops->abort_receive(f.zfs.ctx, NULL, "tank/b", &f.err));
    CHECK_STR(filesystems(&f, NULL), "tank tank/a tank/empty");
    zrpc_buf_dispose(&stream);
    /* An increment's leaves the filesystem. */
    CHECK_OK(copy(&f, "tank/a", "", "@1", "tank/b", false));
    stream_of(&f, "tank/a", "@1", "@big", &stream);
    cut(&f, &stream, 200000, "tank/b");
    CHECK_CODE(copy(&f, "tank/a", "@1", "@2", "tank/b", true), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text,
                   "cannot receive incremental stream: destination tank/b contains partially-com");
    CHECK_OK(f.zfs.ops->abort_receive(f.zfs.ctx, NULL, "tank/b", &f.err));
    CHECK_OK(copy(&f, "tank/a", "@1", "@2", "tank/b", false));
    zrpc_buf_dispose(&stream);
    teardown(&f);
}

static void broken_streams_name_the_token(void)
{
    char text[ZRPC_ERROR_TEXT_MAX];
    struct zrpc_buf stream = {0};
    struct zrpc_sink sink = {0};
    struct fixture f;

    setup_big(&f);
    stream_of(&f, "tank/a", "", "@big", &stream);
    for (int flip = 0; flip < 2; flip++) {
        size_t len = flip ? stream.len : 250000;

        stream.base[stream.off + 240000] ^= (uint8_t)flip;
        CHECK_OK(open_kept(&f, "tank/b", false, &sink));
        CHECK_CODE(pour(&sink, zrpc_view(stream.base + stream.off, len), 5000, &f.err),
                   flip ? ZRPC_ERR_ZFS : 0);
        if (!flip)
            CHECK_CODE(sink.ops->finish(sink.ctx, &f.err), ZRPC_ERR_ZFS);
        snprintf(text, sizeof text,
                 "cannot receive new filesystem stream: checksum mismatch or incomplete stream.\n"
                 "Partially received snapshot is saved.\n"
                 "A resuming stream can be generated on the sending system by running:\n"
                 "    zfs send -t %.500s",
                 token_of(&f, "tank/b"));
        CHECK_STR(f.err.text, text);
        zrpc_sink_close(&sink);
        CHECK_OK(resume(&f, token_of(&f, "tank/b"), "tank/b"));
        check_same_content(&f, "tank/a", "tank/b", "big");
        CHECK_OK(zrpc_zpool_destroy(f.pool, "tank/b", ZRPC_ZPOOL_RECURSIVE, NULL, &f.err));
    }
    zrpc_buf_dispose(&stream);
    teardown(&f);
}

static void tokens_that_do_not_fit(void)
{
    char other[4096], token[4096];
    struct zrpc_buf stream = {0};
    struct fixture f;

    setup_big(&f);
    stream_of(&f, "tank/a", "", "@big", &stream);
    cut(&f, &stream, 250000, "tank/c");
    snprintf(other, sizeof other, "%s", token_of(&f, "tank/c"));
    cut(&f, &stream, 100000, "tank/b");
    snprintf(token, sizeof token, "%s", token_of(&f, "tank/b"));
    /* Of another place in the stream, to a filesystem that kept nothing, and to none. */
    CHECK_CODE(resume(&f, other, "tank/b"), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text,
              "cannot receive resume stream: kernel modules must be upgraded to receive this stream.");
    CHECK_CODE(resume(&f, token, "tank/empty"), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "cannot receive resume stream: ");
    CHECK_CODE(resume(&f, token, "tank/none"), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot receive resume stream: destination 'tank/none' does not exist");
    CHECK_CODE(resume(&f, "1-2-3", "tank/b"), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "cannot resume send: resume token is corrupt");
    /* What the sender no longer has. */
    CHECK_OK(f.zfs.ops->destroy_snapshot(f.zfs.ctx, NULL, "tank/a", "big", &f.err));
    CHECK_CODE(resume(&f, token, "tank/b"), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot resume send: 'tank/a@big' used in the initial send no longer exists");
    snapshot(&f, "tank/a", "bigger", 1);
    CHECK_CODE(resume(&f, token, "tank/b"), ZRPC_ERR_ZFS);
    zrpc_buf_dispose(&stream);
    teardown(&f);
}

/* A process that ends in the midst of a stream, without a word. */
static void receive_and_vanish(const char *path, const struct zrpc_buf *stream)
{
    struct fixture f = {0};
    struct zrpc_sink sink = {0};

    if (zrpc_zpool_open(path, &f.pool, &f.err) == 0) {
        f.zfs = zrpc_zpool_zfs(f.pool);
        if (open_kept(&f, "tank/b", false, &sink) == 0)
            pour(&sink, zrpc_view(stream->base + stream->off, 45 << 20), 1 << 19, &f.err);
    }
    raise(SIGSTOP); /* to be killed */
    _exit(0);
}

static void a_process_that_vanishes_leaves_the_last_point(void)
{
    const struct zrpc_zpool_options options = {.name = "tank"};
    char dir[] = "/tmp/zrpc-resume-XXXXXX", path[64];
    struct zrpc_zfs_token said = {0};
    struct zrpc_buf stream = {0};
    struct fixture f = {0};
    int status;
    pid_t pid;

    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/pool", dir);
    CHECK_OK(zrpc_zpool_create(path, &options, &f.pool, &f.err));
    f.zfs = zrpc_zpool_zfs(f.pool);
    CHECK_OK(zrpc_zpool_add_filesystem(f.pool, "tank/a", false, &f.err));
    snapshot(&f, "tank/a", "1", 50 << 20);
    stream_of(&f, "tank/a", "", "@1", &stream);
    zrpc_zpool_close(f.pool);
    pid = fork();
    if (pid == 0)
        receive_and_vanish(path, &stream);
    CHECK_INT(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_OK(zrpc_zpool_open(path, &f.pool, &f.err));
    f.zfs = zrpc_zpool_zfs(f.pool);
    CHECK_OK(f.zfs.ops->read_token(f.zfs.ctx, NULL, token_of(&f, "tank/b"), &said, &f.err));
    CHECK(said.bytes > 25 << 20 && said.bytes <= 45 << 20);
    CHECK_OK(resume(&f, token_of(&f, "tank/b"), "tank/b"));
    check_same_content(&f, "tank/a", "tank/b", "1");
    zrpc_zpool_close(f.pool);
    unlink(path);
    CHECK_INT(rmdir(dir), 0);
    zrpc_buf_dispose(&stream);
}

static void a_full_pool(void)
{
    const struct zrpc_zpool_options options = {.name = "tank", .capacity = 1 << 20};
    struct zrpc_zpool_dataset d;
    struct zrpc_buf stream = {0};
    struct fixture big, f = {0};

    setup(&big);
    snapshot(&big, "tank/a", "huge", 2 << 20);
    stream_of(&big, "tank/a", "", "@huge", &stream);
    CHECK_OK(zrpc_zpool_create(NULL, &options, &f.pool, &f.err));
    f.zfs = zrpc_zpool_zfs(f.pool);
    for (int kept = 0; kept < 2; kept++) {
        struct zrpc_sink sink = {0};

        CHECK_OK(kept ? open_kept(&f, "tank/b", false, &sink) : open_receive(&f, "tank/b", false, &sink));
        CHECK_CODE(pour(&sink, zrpc_buf_view(&stream), 65536, &f.err), ZRPC_ERR_ZFS);
        CHECK_STR(f.err.text, "cannot receive new filesystem stream: out of space");
        zrpc_sink_close(&sink);
        CHECK_STR(filesystems(&f, NULL), kept ? "tank tank/b" : "tank");
    }
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/b", &d, &f.err));
    CHECK(d.used > 800000 && d.referenced == 0 && d.inconsistent);
    CHECK_CODE(zrpc_zpool_write(f.pool, "tank", 1 << 20, &f.err), ZRPC_ERR_LIMIT);
    CHECK_OK(f.zfs.ops->abort_receive(f.zfs.ctx, NULL, "tank/b", &f.err));
    CHECK_OK(zrpc_zpool_write(f.pool, "tank", 1 << 20, &f.err));
    CHECK_CODE(zrpc_zpool_write(f.pool, "tank", 1, &f.err), ZRPC_ERR_LIMIT);
    CHECK_CONTAINS(f.err.text, "out of space");
    zrpc_buf_dispose(&stream);
    teardown(&f);
    teardown(&big);
}

static void quotas(void)
{
    const struct zrpc_zpool_setting little = {"quota", "10K"};
    struct zrpc_zpool_dataset d;
    struct fixture f;

    setup(&f);
    snapshot(&f, "tank/a", "4", 20000);
    CHECK_OK(zrpc_zpool_set(f.pool, "tank/empty", &little, 1, &f.err));
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/empty", &d, &f.err));
    CHECK(d.available == 10240);
    CHECK_OK(copy(&f, "tank/a", "", "@3", "tank/empty/b", false));
    CHECK_CODE(copy(&f, "tank/a", "@3", "@4", "tank/empty/b", false), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text,
              "cannot receive incremental stream: destination tank/empty/b space quota exceeded.");
    CHECK_STR(versions(&f, "tank/empty/b"), "@3");
    teardown(&f);
}

static void a_forced_increment_rolls_back(void)
{
    const char *held = "tank/b@x";
    struct fixture f;

    setup(&f);
    CHECK_OK(copy(&f, "tank/a", "", "@1", "tank/b", false));
    CHECK_OK(zrpc_zpool_write(f.pool, "tank/b", 10, &f.err));
    CHECK_OK(zrpc_zpool_snapshot(f.pool, &held, 1, false, NULL, 0, &f.err));
    CHECK_CODE(copy(&f, "tank/a", "@1", "@3", "tank/b", false), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "most recent snapshot of tank/b does not\nmatch incremental source");
    CHECK_OK(zrpc_zpool_hold(f.pool, &held, 1, "t", false, &f.err));
    CHECK_CODE(copy(&f, "tank/a", "@1", "@3", "tank/b", true), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "dataset is busy");
    CHECK_STR(versions(&f, "tank/b"), "@1 @x");
    CHECK_OK(zrpc_zpool_release(f.pool, &held, 1, "t", false, &f.err));
    CHECK_OK(copy(&f, "tank/a", "@1", "@3", "tank/b", true));
    CHECK_STR(versions(&f, "tank/b"), "@1 @3");
    check_same_content(&f, "tank/a", "tank/b", "3");
    teardown(&f);
}

static void a_receive_may_name_and_set(void)
{
    static const struct zrpc_zpool_setting settings[] = {{"a:b", "c"}, {"readonly", "on"}};
    struct zrpc_zpool_receive receive = {.target = "tank/b@other", .settings = settings, .n_settings = 2};
    static struct zrpc_zpool_value v;
    struct zrpc_zpool_dataset d;
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};
    struct fixture f;

    setup(&f);
    CHECK_OK(open_send(&f, "tank/a", "", "@1", &source));
    CHECK_OK(zrpc_zpool_receive(f.pool, &receive, &sink, &f.err));
    CHECK_OK(transfer(&source, &sink, &f.err));
    CHECK_STR(versions(&f, "tank/b"), "@other");
    CHECK(guid_of(&f, "tank/b", "other") == guid_of(&f, "tank/a", "1"));
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/b", &d, &f.err));
    CHECK_INT(zrpc_zpool_get(f.pool, &d, "readonly", &v, &f.err), 1);
    CHECK_STR(v.value, "on");
    CHECK(v.source == ZRPC_ZPOOL_LOCAL);
    teardown(&f);
}

static const struct zrpc_test tests[] = {
    {"a new filesystem comes in two parts", a_new_filesystem_comes_in_two_parts},
    {"an increment comes in many parts", an_increment_comes_in_many_parts},
    {"what is kept is in the way of others", what_is_kept_is_in_the_way_of_others},
    {"broken streams name the token", broken_streams_name_the_token},
    {"tokens that do not fit", tokens_that_do_not_fit},
    {"a process that vanishes leaves the last point", a_process_that_vanishes_leaves_the_last_point},
    {"a full pool", a_full_pool},
    {"quotas", quotas},
    {"a forced increment rolls back", a_forced_increment_rolls_back},
    {"a receive may name and set", a_receive_may_name_and_set},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim/zpool_resume", tests, argc, argv);
}
