/* The backend that runs `zfs`, with shell scripts in its place. */
#include "testing/suite.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing/alloc.h"
#include "zrpc/zfs_exec.h"

struct fixture {
    char dir[64], script[80], path[96];
    struct zrpc_zfs_exec exec;
    struct zrpc_zfs zfs;
    struct zrpc_error err;
};

/* `body` is run in place of zfs, in a directory of its own. */
static void setup(struct fixture *f, const char *body)
{
    FILE *file;

    memset(f, 0, sizeof *f);
    strcpy(f->dir, "/tmp/zfs_exec_test.XXXXXX");
    CHECK(mkdtemp(f->dir) != NULL);
    snprintf(f->script, sizeof f->script, "%s/zfs", f->dir);
    file = fopen(f->script, "w");
    if (CHECK(file != NULL)) {
        fprintf(file, "#!/bin/sh\ncd '%s'\n%s\n", f->dir, body);
        CHECK_INT(fclose(file), 0);
    }
    CHECK_INT(chmod(f->script, 0700), 0);
    CHECK_OK(zrpc_zfs_exec_init(&f->exec, f->script, &f->err));
    f->exec.linger = 20 * ZRPC_SECOND;
    f->zfs = zrpc_zfs_exec(&f->exec);
}

static const char *in_dir(struct fixture *f, const char *name)
{
    snprintf(f->path, sizeof f->path, "%s/%s", f->dir, name);
    return f->path;
}

static void teardown(struct fixture *f)
{
    static const char *const files[] = {"zfs", "args", "in", "pid"};

    zrpc_zfs_exec_dispose(&f->exec);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(in_dir(f, files[i]));
    CHECK_INT(rmdir(f->dir), 0);
}

/* What a file in the script's directory holds. */
static const char *content(struct fixture *f, const char *name)
{
    static char text[4096];
    FILE *file = fopen(in_dir(f, name), "r");
    size_t n = 0;

    if (file != NULL) {
        n = fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    text[n] = '\0';
    return text;
}

/* Reads to the end, and then for the verdict. */
static int drain(struct zrpc_source *source, struct zrpc_buf *out, struct zrpc_error *err)
{
    char chunk[4096];
    ssize_t n;

    while ((n = source->ops->read(source->ctx, chunk, sizeof chunk, err)) != 0) {
        struct pollfd fd = {.fd = source->ops->fd(source->ctx), .events = POLLIN};

        if (n == ZRPC_ERR_AGAIN)
            CHECK(poll(&fd, 1, 50000) == 1);
        else if (n < 0)
            return (int)n;
        else
            CHECK_OK(zrpc_buf_append(out, zrpc_view(chunk, (size_t)n), err));
    }
    return source->ops->finish(source->ctx, err);
}

static int pour(struct zrpc_sink *sink, const char *data, size_t len, struct zrpc_error *err)
{
    while (len > 0) {
        struct pollfd fd = {.fd = sink->ops->fd(sink->ctx), .events = POLLOUT};
        ssize_t n = sink->ops->write(sink->ctx, data, len, err);

        if (n == ZRPC_ERR_AGAIN)
            CHECK(poll(&fd, 1, 50000) == 1);
        else if (n < 0)
            return (int)n;
        else
            data += n, len -= (size_t)n;
    }
    return 0;
}

#define RECORD "printf '%s|' \"$@\" >>args\nprintf '\\n' >>args\n"

static void every_operation_has_its_arguments(void)
{
    static const char script[] = RECORD
        "case \"$1 $2 $6\" in\n"
        "'get -H zrepl:placeholder') printf 'tank/a b\\t-\\t-\\n' ;;\n"
        "'list -H '*) printf 'tank/a b@1\\t7\\t3\\t9\\n' ;;\n"
        "'get -H receive_resume_token') echo 1-ab-8-cd ;;\n"
        "'send -n '*) printf 'size\\t5\\n' ;;\n"
        "esac\n";
    struct zrpc_zfs_send send = {.filesystem = "tank/a b", .from = "", .to = "@1"};
    struct zrpc_zfs_filesystems filesystems = {0};
    struct zrpc_zfs_versions versions = {0};
    struct zrpc_zfs_filesystem one;
    struct zrpc_buf token = {0};
    int64_t bytes;
    struct fixture f;

    setup(&f, script);
    CHECK_OK(f.zfs.ops->list_filesystems(f.zfs.ctx, NULL, "tank", &filesystems, &f.err));
    CHECK_OK(f.zfs.ops->list_filesystems(f.zfs.ctx, NULL, NULL, &filesystems, &f.err));
    CHECK_INT(f.zfs.ops->get_filesystem(f.zfs.ctx, NULL, "tank/a b", &one, &f.err), 1);
    CHECK_OK(f.zfs.ops->list_versions(f.zfs.ctx, NULL, "tank/a b", &versions, &f.err));
    CHECK_OK(f.zfs.ops->estimate(f.zfs.ctx, NULL, &send, &bytes, &f.err));
    send.from = "@0";
    CHECK_OK(f.zfs.ops->estimate(f.zfs.ctx, NULL, &send, &bytes, &f.err));
    send.from = "#0"; /* asks nobody */
    CHECK_OK(f.zfs.ops->estimate(f.zfs.ctx, NULL, &send, &bytes, &f.err));
    CHECK_INT(bytes, ZRPC_ZFS_NO_ESTIMATE);
    CHECK_OK(f.zfs.ops->destroy_snapshot(f.zfs.ctx, NULL, "tank/a b", "-1", &f.err));
    CHECK_OK(f.zfs.ops->bookmark(f.zfs.ctx, NULL, "tank/a b", "1", "mark", &f.err));
    CHECK_OK(f.zfs.ops->create_placeholder(f.zfs.ctx, NULL, "tank/x", &f.err));
    CHECK_OK(f.zfs.ops->set_placeholder(f.zfs.ctx, NULL, "tank/x", false, &f.err));
    CHECK_OK(f.zfs.ops->rollback(f.zfs.ctx, NULL, "tank/x", "1", &f.err));
    CHECK_INT(f.zfs.ops->resume_token(f.zfs.ctx, NULL, "tank/x", &token, &f.err), 1);
    CHECK_STR((const char *)token.base + token.off, "1-ab-8-cd");
    CHECK_OK(f.zfs.ops->abort_receive(f.zfs.ctx, NULL, "tank/x", &f.err));
    CHECK_STR(
        content(&f, "args"),
        "get|-H|-p|-o|name,value,source|-r|-t|filesystem,volume|zrepl:placeholder|tank|\n"
        "get|-H|-p|-o|name,value,source|-r|-t|filesystem,volume|zrepl:placeholder|\n"
        "get|-H|-p|-o|name,value,source|zrepl:placeholder|tank/a b|\n"
        "list|-H|-p|-o|name,guid,createtxg,creation|-r|-d|1|-t|bookmark,snapshot|-s|createtxg|tank/a b|\n"
        "send|-n|-v|-P|tank/a b@1|\n"
        "send|-n|-v|-P|-i|tank/a b@0|tank/a b@1|\n"
        "destroy|tank/a b@-1|\n"
        "list|-H|-p|-o|name,guid,createtxg,creation|-r|-d|1|-t|bookmark,snapshot|-s|createtxg|tank/a b|\n"
        "bookmark|tank/a b@1|tank/a b#mark|\n"
        "create|-o|zrepl:placeholder=on|-o|mountpoint=none|tank/x|\n"
        "set|zrepl:placeholder=off|tank/x|\n"
        "rollback|-r|tank/x@1|\n"
        "get|-H|-p|-o|value|receive_resume_token|tank/x|\n"
        "recv|-A|tank/x|\n");
    zrpc_zfs_filesystems_dispose(&filesystems);
    zrpc_zfs_versions_dispose(&versions);
    zrpc_buf_dispose(&token);
    teardown(&f);
}

static void streams_have_their_arguments(void)
{
    struct zrpc_zfs_send send = {.filesystem = "tank/a", .from = "#b", .to = "@1"};
    struct zrpc_zfs_receive receive = {.filesystem = "tank/x", .force = true, .resumable = true};
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};
    struct zrpc_buf out = {0};
    struct fixture f;

    setup(&f, RECORD);
    CHECK_OK(f.zfs.ops->send(f.zfs.ctx, NULL, &send, &source, &f.err));
    CHECK_OK(drain(&source, &out, &f.err));
    zrpc_source_close(&source);
    send.resume_token = "1-ab-8-cd";
    CHECK_OK(f.zfs.ops->send(f.zfs.ctx, NULL, &send, &source, &f.err));
    CHECK_OK(drain(&source, &out, &f.err));
    zrpc_source_close(&source);
    CHECK_OK(f.zfs.ops->receive(f.zfs.ctx, NULL, &receive, &sink, &f.err));
    CHECK_OK(sink.ops->finish(sink.ctx, &f.err));
    zrpc_sink_close(&sink);
    CHECK_STR(content(&f, "args"), "send|-i|tank/a#b|tank/a@1|\nsend|-t|1-ab-8-cd|\nrecv|-F|-s|tank/x|\n");
    zrpc_buf_dispose(&out);
    teardown(&f);
}

static void tokens_that_could_be_options_run_nothing(void)
{
    static const char *const tokens[] = {"", "-F", "1-a b", "1-\n", "1;x"};
    struct zrpc_zfs_token out;
    struct fixture f;

    setup(&f, RECORD);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        CHECK_CODE(f.zfs.ops->read_token(f.zfs.ctx, NULL, tokens[i], &out, &f.err), ZRPC_ERR_ZFS);
        CHECK_CONTAINS(f.err.text, "resume token is corrupt");
    }
    CHECK_STR(content(&f, "args"), "");
    teardown(&f);
}

static void filesystems_are_parsed_and_sorted(void)
{
    struct zrpc_zfs_filesystems list = {0};
    struct fixture f;

    setup(&f,
          "printf 'tank\\t-\\t-\\ntank/c\\ton\\tinherited from tank/b\\ntank/b\\ton\\tlocal\\n"
          "tank/b c\\toff\\tlocal\\n'");
    CHECK_OK(f.zfs.ops->list_filesystems(f.zfs.ctx, NULL, "tank", &list, &f.err));
    if (CHECK_INT(list.len, 3)) {
        CHECK_STR(list.items[0].path, "tank/b");
        CHECK(list.items[0].placeholder);
        CHECK_STR(list.items[1].path, "tank/b c");
        CHECK(!list.items[1].placeholder);
        CHECK_STR(list.items[2].path, "tank/c");
        CHECK(!list.items[2].placeholder);
    }
    zrpc_zfs_filesystems_dispose(&list);
    teardown(&f);
}

static void versions_are_parsed(void)
{
    struct zrpc_zfs_versions list = {0};
    struct fixture f;

    setup(&f, "printf 'tank/a#b c\\t18446744073709551615\\t3\\t0\\ntank/a@1\\t7\\t4\\t1577934245\\n'");
    CHECK_OK(f.zfs.ops->list_versions(f.zfs.ctx, NULL, "tank/a", &list, &f.err));
    if (CHECK_INT(list.len, 2)) {
        CHECK_STR(list.items[0].name, "b c");
        CHECK_INT(list.items[0].type, ZRPC_ZFS_BOOKMARK);
        CHECK(list.items[0].guid == UINT64_MAX);
        CHECK_INT(list.items[0].createtxg, 3);
        CHECK_STR(list.items[1].name, "1");
        CHECK_INT(list.items[1].type, ZRPC_ZFS_SNAPSHOT);
        CHECK_INT(list.items[1].creation, 1577934245);
    }
    zrpc_zfs_versions_dispose(&list);
    teardown(&f);
}

/* Each is an error that quotes the line. */
static void garbled_listings_are_errors(void)
{
    static const struct {
        const char *output, *says;
    } rows[] = {
        {"tank/a@1\\t7\\t4\\n", "tank/a@1\t7\t4\""},
        {"tank/a@1\\t7\\t4\\t5\\t6\\n", "tank/a@1\t7\t4\t5\t6\""},
        {"\\n", "found \"\""},
        {"tank/b@1\\t7\\t4\\t5\\n", "tank/b@1"},
        {"tank/a\\t7\\t4\\t5\\n", "tank/a\t7"},
        {"tank/a@\\t7\\t4\\t5\\n", "tank/a@\t"},
        {"tank/a@1@2\\t7\\t4\\t5\\n", "tank/a@1@2"},
        {"tank/a@1\\t-7\\t4\\t5\\n", "-7"},
        {"tank/a@1\\t7x\\t4\\t5\\n", "7x"},
        {"tank/a@1\\t18446744073709551616\\t4\\t5\\n", "18446744073709551616"},
        {"tank/a@1\\t7\\t\\t5\\n", "found"},
        {"tank/a@1\\t7\\t4\\tThu Jan  1\\n", "Thu Jan"},
        {"tank/a@1\\t7\\t4\\t18446744073709551615\\n", "18446744073709551615"},
        {"tank/a@1\\t7\\t4\\t5", "ends within a line: \"tank/a@1"},
        {"tank/a@1\\t7\\t4\\t5\\ntank/\\000a\\n", "zero byte after \"tank/\""},
        {"tank/a@1\\t7\\t4\\t5\\nrubbish\\n", "\"rubbish\""},
    };
    struct zrpc_zfs_versions list = {0};
    struct fixture f;
    char body[256];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(body, sizeof body, "printf '%s'", rows[i].output);
        setup(&f, body);
        CHECK_CODE(f.zfs.ops->list_versions(f.zfs.ctx, NULL, "tank/a", &list, &f.err), ZRPC_ERR_ZFS);
        CHECK_CONTAINS(f.err.text, "zfs list");
        CHECK_CONTAINS(f.err.text, rows[i].says);
        teardown(&f);
    }
    zrpc_zfs_versions_dispose(&list);
}

static void endless_lines_and_output_end(void)
{
    struct zrpc_zfs_versions list = {0};
    struct fixture f;

    setup(&f, "exec tr '\\000' x </dev/zero");
    CHECK_CODE(f.zfs.ops->list_versions(f.zfs.ctx, NULL, "tank/a", &list, &f.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "a line of more than");
    teardown(&f);
    zrpc_zfs_versions_dispose(&list);
}

static void sizes(void)
{
    static const struct {
        const char *output;
        int64_t bytes;
    } rows[] = {
        {"full\\ttank/a@1\\t5389768\\nsize\\t5389768\\n", 5389768},
        {"full\\ttank/a@1\\t12\\n", 12},
        {"incremental\\t0\\ttank/a@1\\t13\\nsize\\t13\\n", 13},
        {"resume token contents:\\nnvlist version: 0\\n\\tobject = 0x1\\nfull\\ttank/a@1\\t8\\nsize\\t8\\n",
         8},
        {"incremental\\t0\\ttank/a@1\\n", ZRPC_ZFS_NO_ESTIMATE},
        {"", ZRPC_ZFS_NO_ESTIMATE},
    };
    struct zrpc_zfs_send send = {.filesystem = "tank/a", .from = "", .to = "@1"};
    struct fixture f;
    char body[256];
    int64_t bytes = 0;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(body, sizeof body, "printf '%s'%s", rows[i].output, i % 2 == 0 ? "" : " >&2");
        setup(&f, body);
        CHECK_OK(f.zfs.ops->estimate(f.zfs.ctx, NULL, &send, &bytes, &f.err));
        CHECK_INT(bytes, rows[i].bytes);
        teardown(&f);
    }
    setup(&f, "printf 'size\\tmany\\n'");
    CHECK_CODE(f.zfs.ops->estimate(f.zfs.ctx, NULL, &send, &bytes, &f.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "size\tmany");
    teardown(&f);
    setup(&f, "echo \"cannot open 'tank/a@1': dataset does not exist\" >&2; exit 1");
    CHECK_CODE(f.zfs.ops->estimate(f.zfs.ctx, NULL, &send, &bytes, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot open 'tank/a@1': dataset does not exist");
    teardown(&f);
}

/* As zfs prints one. What it says after it, and its exit status, are about going on from it. */
static void tokens_are_told(void)
{
    struct zrpc_zfs_token token;
    struct fixture f;

    setup(
        &f,
        "printf 'resume token contents:\\nnvlist version: 0\\n\\tfromguid = 0x595d9f81aa9dddab\\n\\tobject ="
        " 0x1\\n\\toffset = 0x0\\n\\tbytes = 0x10\\n\\ttoguid = 0x854f02a2dd32cf0d\\n\\ttoname = "
        "pool1/test@b\\n"
        "cannot resume send: no longer exists\\n' >&2; exit 255");
    CHECK_OK(f.zfs.ops->read_token(f.zfs.ctx, NULL, "1-c49b979a2-e0-789c", &token, &f.err));
    CHECK_STR(token.filesystem, "pool1/test");
    CHECK_STR(token.to, "b");
    CHECK(token.from_guid == 0x595d9f81aa9dddab);
    CHECK(token.to_guid == 0x854f02a2dd32cf0d);
    CHECK_INT(token.bytes, 16);
    teardown(&f);
    setup(&f, "echo 'cannot resume send: resume token is corrupt (invalid checksum)' >&2; exit 255");
    CHECK_CODE(f.zfs.ops->read_token(f.zfs.ctx, NULL, "1-c49b979a2-e0-789c", &token, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot resume send: resume token is corrupt (invalid checksum)");
    teardown(&f);
    setup(&f, "printf 'resume token contents:\\n\\ttoguid = 0x1\\n\\ttoname = ../x@b\\n'");
    CHECK_CODE(f.zfs.ops->read_token(f.zfs.ctx, NULL, "1-c", &token, &f.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "../x@b");
    teardown(&f);
    setup(&f, "printf 'resume token contents:\\n\\ttoguid = 0x1\\n'");
    CHECK_CODE(f.zfs.ops->read_token(f.zfs.ctx, NULL, "1-c", &token, &f.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "does not tell");
    teardown(&f);
}

static void what_does_not_exist(void)
{
    struct zrpc_zfs_filesystems list = {0};
    struct zrpc_zfs_versions versions = {0};
    struct zrpc_zfs_filesystem one;
    struct fixture f;

    setup(&f, "echo \"cannot open 'tank/x': dataset does not exist\" >&2; exit 1");
    CHECK_INT(f.zfs.ops->get_filesystem(f.zfs.ctx, NULL, "tank/x", &one, &f.err), 0);
    CHECK_OK(f.zfs.ops->list_filesystems(f.zfs.ctx, NULL, "tank/x", &list, &f.err));
    CHECK_INT(list.len, 0);
    CHECK_OK(f.zfs.ops->abort_receive(f.zfs.ctx, NULL, "tank/x", &f.err));
    CHECK_CODE(f.zfs.ops->list_versions(f.zfs.ctx, NULL, "tank/x", &versions, &f.err), ZRPC_ERR_ZFS);
    teardown(&f);
    setup(&f, "echo 'the pool is on fire' >&2; exit 1");
    CHECK_CODE(f.zfs.ops->get_filesystem(f.zfs.ctx, NULL, "tank/x", &one, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "the pool is on fire");
    CHECK_CODE(f.zfs.ops->abort_receive(f.zfs.ctx, NULL, "tank/x", &f.err), ZRPC_ERR_ZFS);
    teardown(&f);
}

static void failures_are_explained(void)
{
    static const struct {
        const char *body, *says;
    } rows[] = {
        {"printf 'one\\ntwo\\n\\n' >&2; exit 1", "one two"},
        {"exit 3", "zfs destroy ended with status 3 and without a word on stderr"},
        {"echo last words >&2; kill -9 $$", "zfs destroy was ended by signal 9; its stderr: last words"},
        {"head -c 300000 /dev/zero | tr '\\000' x >&2; echo; echo the end >&2; exit 1", "the end"},
    };
    struct fixture f;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        setup(&f, rows[i].body);
        CHECK_CODE(f.zfs.ops->destroy_snapshot(f.zfs.ctx, NULL, "tank/a", "1", &f.err), ZRPC_ERR_ZFS);
        CHECK_CONTAINS(f.err.text, rows[i].says);
        teardown(&f);
    }
    setup(&f, "");
    f.exec.command = "/nonexistent/zfs";
    if (!zrpc_under_valgrind()) { /* which makes vfork a fork, so that the child cannot tell why */
        CHECK_CODE(f.zfs.ops->destroy_snapshot(f.zfs.ctx, NULL, "tank/a", "1", &f.err), ZRPC_ERR_SYSTEM);
        CHECK_CONTAINS(f.err.text, "/nonexistent/zfs");
    }
    teardown(&f);
}

static void *raise_soon(void *flag)
{
    poll(NULL, 0, 30);
    atomic_store((atomic_bool *)flag, true);
    return NULL;
}

/* The script's own child goes with it: it has our pipe, and would write to the file. */
static void cancellation_kills_the_whole_group(void)
{
    struct zrpc_zfs_versions versions = {0};
    atomic_bool cancelled = false;
    pthread_t thread;
    struct fixture f;
    long pid;

    setup(&f, "sleep 1000 &\necho $! >pid.new; mv pid.new pid; wait");
    CHECK_INT(pthread_create(&thread, NULL, raise_soon, &cancelled), 0);
    CHECK_CODE(f.zfs.ops->list_versions(f.zfs.ctx, &cancelled, "tank/a", &versions, &f.err),
               ZRPC_ERR_CANCELLED);
    pthread_join(thread, NULL);
    pid = strtol(content(&f, "pid"), NULL, 10);
    for (int i = 0; pid > 0 && i < 3000 && kill((pid_t)pid, 0) == 0; i++)
        poll(NULL, 0, 10); /* until init has reaped it */
    CHECK(pid <= 0 || (kill((pid_t)pid, 0) < 0 && errno == ESRCH));
    zrpc_zfs_versions_dispose(&versions);
    unlink(in_dir(&f, "pid.new"));
    teardown(&f);
}

static int open_send(struct fixture *f, atomic_bool *cancelled, struct zrpc_source *source)
{
    struct zrpc_zfs_send send = {.filesystem = "tank/a", .from = "", .to = "@1"};

    return f->zfs.ops->send(f->zfs.ctx, cancelled, &send, source, &f->err);
}

static void a_send_is_complete_by_its_exit_status(void)
{
    static const struct {
        const char *body, *content, *error;
    } rows[] = {
        {"printf abc", "abc", NULL},
        {"printf abc; echo 'warning: cannot send' >&2; exit 1", "abc", "warning: cannot send"},
        {"printf abc; exec >&-; exit 7", "abc", "status 7"},
        {"printf abc; kill -15 $$", "abc", "signal 15"},
        {"head -c 300000 /dev/zero | tr '\\000' x >&2; printf abc; exit 1", "abc", "xxx"},
        {"exit 1", "", "status 1"},
    };
    struct zrpc_source source = {0};
    struct zrpc_buf out = {0};
    struct fixture f;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        setup(&f, rows[i].body);
        CHECK_OK(open_send(&f, NULL, &source));
        CHECK_CODE(drain(&source, &out, &f.err), rows[i].error == NULL ? 0 : ZRPC_ERR_ZFS);
        if (rows[i].error != NULL)
            CHECK_CONTAINS(f.err.text, rows[i].error);
        CHECK_BYTES(zrpc_buf_view(&out), zrpc_view_of(rows[i].content));
        zrpc_source_close(&source);
        zrpc_buf_clear(&out);
        teardown(&f);
    }
    zrpc_buf_dispose(&out);
}

static void a_send_that_only_closes_its_output_is_no_end(void)
{
    atomic_bool cancelled = false;
    struct zrpc_source source = {0};
    struct zrpc_buf out = {0};
    struct fixture f;

    setup(&f, "printf abc; exec >&- sleep 1000");
    f.exec.linger = 50 * ZRPC_MILLISECOND;
    CHECK_OK(open_send(&f, &cancelled, &source));
    CHECK_CODE(drain(&source, &out, &f.err), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "does not end");
    atomic_store(&cancelled, true);
    CHECK_CODE(source.ops->finish(source.ctx, &f.err), ZRPC_ERR_CANCELLED);
    zrpc_source_close(&source);
    zrpc_buf_dispose(&out);
    teardown(&f);
}

static void closing_a_send_ends_it(void)
{
    struct zrpc_source source = {0};
    struct fixture f;
    char byte;

    setup(&f, "trap '' TERM PIPE; while :; do cat /dev/zero || sleep 1000; done");
    CHECK_OK(open_send(&f, NULL, &source));
    while (source.ops->read(source.ctx, &byte, 1, &f.err) == ZRPC_ERR_AGAIN)
        poll(NULL, 0, 1);
    zrpc_source_close(&source); /* no child is left, or the suite complains */
    teardown(&f);
}

static int open_receive(struct fixture *f, atomic_bool *cancelled, struct zrpc_sink *sink)
{
    struct zrpc_zfs_receive receive = {.filesystem = "tank/x"};

    return f->zfs.ops->receive(f->zfs.ctx, cancelled, &receive, sink, &f->err);
}

static void a_receive_s_exit_status_is_the_verdict(void)
{
    struct zrpc_sink sink = {0};
    struct fixture f;

    setup(&f, "cat >in; echo received");
    CHECK_OK(open_receive(&f, NULL, &sink));
    CHECK_OK(pour(&sink, "abc", 3, &f.err));
    CHECK_OK(sink.ops->finish(sink.ctx, &f.err));
    CHECK_CODE(sink.ops->write(sink.ctx, "x", 1, &f.err), ZRPC_ERR_SINK);
    zrpc_sink_close(&sink);
    CHECK_STR(content(&f, "in"), "abc");
    teardown(&f);
    setup(&f, "cat >in; echo 'cannot receive: invalid stream (checksum mismatch)' >&2; exit 1");
    CHECK_OK(open_receive(&f, NULL, &sink));
    CHECK_OK(pour(&sink, "abc", 3, &f.err));
    CHECK_CODE(sink.ops->finish(sink.ctx, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot receive: invalid stream (checksum mismatch)");
    zrpc_sink_close(&sink);
    teardown(&f);
}

static void a_receive_that_dies_early_says_why(void)
{
    static char megabyte[1 << 20];
    struct zrpc_sink sink = {0};
    struct fixture f;

    setup(&f, "head -c 1000 >in; echo 'cannot receive: out of space' >&2; exit 1");
    CHECK_OK(open_receive(&f, NULL, &sink));
    for (int i = 0, rc = 0; i < 4 && rc == 0; i++)
        rc = pour(&sink, megabyte, sizeof megabyte, &f.err);
    CHECK_STR(f.err.text, "cannot receive: out of space");
    zrpc_sink_close(&sink);
    teardown(&f);
    setup(&f, "exec <&- sleep 1000");
    f.exec.linger = 50 * ZRPC_MILLISECOND;
    CHECK_OK(open_receive(&f, NULL, &sink));
    for (int i = 0, rc = 0; i < 4 && rc == 0; i++)
        rc = pour(&sink, megabyte, sizeof megabyte, &f.err);
    CHECK_CONTAINS(f.err.text, "zfs recv stopped reading");
    zrpc_sink_close(&sink);
    teardown(&f);
}

/* It sees the end of its input, and may put away what it has; it is killed only if that lasts. */
static void an_unfinished_receive_may_keep_what_it_has(void)
{
    struct zrpc_sink sink = {0};
    struct fixture f;

    setup(&f, "cat >in; echo kept >>in; exit 1");
    CHECK_OK(open_receive(&f, NULL, &sink));
    CHECK_OK(pour(&sink, "abc\n", 4, &f.err));
    zrpc_sink_close(&sink);
    CHECK_STR(content(&f, "in"), "abc\nkept\n");
    teardown(&f);
    setup(&f, "trap '' TERM; sleep 1000");
    f.exec.linger = 50 * ZRPC_MILLISECOND;
    CHECK_OK(open_receive(&f, NULL, &sink));
    zrpc_sink_close(&sink);
    teardown(&f);
}

static void a_receive_under_way_can_be_cancelled(void)
{
    atomic_bool cancelled = false;
    struct zrpc_sink sink = {0};
    pthread_t thread;
    struct fixture f;

    setup(&f, "cat >in; exec sleep 1000");
    f.exec.linger = 50 * ZRPC_MILLISECOND;
    CHECK_OK(open_receive(&f, &cancelled, &sink));
    CHECK_INT(pthread_create(&thread, NULL, raise_soon, &cancelled), 0);
    CHECK_CODE(sink.ops->finish(sink.ctx, &f.err), ZRPC_ERR_CANCELLED);
    pthread_join(thread, NULL);
    zrpc_sink_close(&sink);
    teardown(&f);
}

static void the_command_speaks_c(void)
{
    struct zrpc_zfs_filesystems list = {0};
    struct fixture f;

    setenv("LC_ALL", "de_DE.UTF-8", 1);
    setup(&f, "printf 'tank/%s\\t-\\t-\\n' \"$LC_ALL\"");
    unsetenv("LC_ALL");
    CHECK_OK(f.zfs.ops->list_filesystems(f.zfs.ctx, NULL, NULL, &list, &f.err));
    if (CHECK_INT(list.len, 1))
        CHECK_STR(list.items[0].path, "tank/C");
    zrpc_zfs_filesystems_dispose(&list);
    teardown(&f);
}

static int scarce(void *arg)
{
    struct fixture *f = arg;
    struct zrpc_zfs_versions versions = {0};
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};
    int rc = f->zfs.ops->list_versions(f->zfs.ctx, NULL, "tank/a", &versions, &f->err);

    if (rc == 0)
        rc = open_send(f, NULL, &source);
    if (rc == 0)
        rc = open_receive(f, NULL, &sink);
    zrpc_source_close(&source);
    zrpc_sink_close(&sink);
    zrpc_zfs_versions_dispose(&versions);
    return rc;
}

static void scarcity(void)
{
    struct fixture f;

    setup(&f, "[ \"$1\" != list ] || printf 'tank/a@1\\t7\\t3\\t9\\n'; [ \"$1\" != recv ] || cat >in");
    CHECK(zrpc_alloc_each(scarce, &f) >= 3);
    CHECK(zrpc_resource_each(scarce, &f) >= 6);
    teardown(&f);
}

static const struct zrpc_test tests[] = {
    {"every operation has its arguments", every_operation_has_its_arguments},
    {"streams have their arguments", streams_have_their_arguments},
    {"tokens that could be options run nothing", tokens_that_could_be_options_run_nothing},
    {"filesystems are parsed and sorted", filesystems_are_parsed_and_sorted},
    {"versions are parsed", versions_are_parsed},
    {"garbled listings are errors", garbled_listings_are_errors},
    {"endless lines end", endless_lines_and_output_end},
    {"sizes", sizes},
    {"tokens are told", tokens_are_told},
    {"what does not exist", what_does_not_exist},
    {"failures are explained", failures_are_explained},
    {"cancellation kills the whole group", cancellation_kills_the_whole_group},
    {"a send is complete by its exit status", a_send_is_complete_by_its_exit_status},
    {"a send that only closes its output is no end", a_send_that_only_closes_its_output_is_no_end},
    {"closing a send ends it", closing_a_send_ends_it},
    {"a receive's exit status is the verdict", a_receive_s_exit_status_is_the_verdict},
    {"a receive that dies early says why", a_receive_that_dies_early_says_why},
    {"an unfinished receive may keep what it has", an_unfinished_receive_may_keep_what_it_has},
    {"a receive under way can be cancelled", a_receive_under_way_can_be_cancelled},
    {"the command speaks C", the_command_speaks_c},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("zfs_exec", tests, argc, argv);
}
