/* The tool as its users see it: arguments in; output, files and exit status out. Against a server in this
 * process. */
#include "zrpc.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/zfs/sim.h"
#include "testing/suite.h"
#include "zrpc/server.h"
#include "zrpc/transport.h"
#include "zrpc/transportmux.h"
#include "zrpc/versionhandshake.h"

struct fixture {
    struct zrpc_sim sim;
    struct zrpc_server *server;
    pthread_t thread;
    char endpoint[ZRPC_ADDRESS_MAX];
    char dir[64];
};

static struct fixture f;

static void *serve(void *arg)
{
    (void)arg;
    zrpc_server_serve(f.server, NULL);
    return NULL;
}

/* NULL: the simulator's. */
static void start_with(const struct zrpc_handler *handler)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "client1"}};
    struct zrpc_sim_options sim = {.role = ZRPC_ENDPOINT_BOTH};
    struct zrpc_server_options options;
    struct zrpc_listener *l;

    CHECK_OK(zrpc_sim_open(&f.sim, &sim, NULL));
    CHECK_OK(zrpc_server_options_env(&options, NULL));
    options.handler = handler == NULL ? zrpc_sim_handler(&f.sim) : *handler;
    CHECK_OK(zrpc_server_new(&options, &f.server, NULL));
    CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", clients, 1, &l, NULL));
    snprintf(f.endpoint, sizeof f.endpoint, "%s", l->ops->address(l));
    CHECK_OK(zrpc_server_add_listener(f.server, l, NULL));
    pthread_create(&f.thread, NULL, serve, NULL);
    strcpy(f.dir, "/tmp/zrpc-test-XXXXXX");
    CHECK(mkdtemp(f.dir) != NULL);
}

static void start(void)
{
    start_with(NULL);
}

static void stop(void)
{
    zrpc_server_stop(f.server);
    pthread_join(f.thread, NULL);
    zrpc_server_close(f.server);
    zrpc_sim_close(&f.sim);
    rmdir(f.dir);
}

/* What a command printed, each cut at 64 KiB. */
static char out[1 << 16], errors[1 << 16];

static int redirect(int fd, int *saved)
{
    int memory = memfd_create("output", MFD_CLOEXEC);

    fflush(fd == STDOUT_FILENO ? stdout : stderr);
    *saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    dup2(memory, fd);
    return memory;
}

static void collect(int fd, int saved, int memory, char *text, size_t size)
{
    ssize_t n;

    fflush(fd == STDOUT_FILENO ? stdout : stderr);
    n = pread(memory, text, size - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    dup2(saved, fd);
    close(saved);
    close(memory);
}

/* Runs `zrpc WORDS`, which are separated by single spaces; "CONNECT" stands for --connect ENDPOINT, "DIR" at
 * the start of a word for the test's directory. */
static int run(const char *words)
{
    char text[2048], paths[8][128], *save = NULL, *argv[256] = {(char *)(uintptr_t) "zrpc"};
    int saved_out, saved_err, memory_out, memory_err, argc = 1, n_paths = 0, status;

    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        if (strcmp(word, "CONNECT") == 0) {
            argv[argc++] = (char *)(uintptr_t) "--connect";
            argv[argc++] = f.endpoint;
        } else if (strncmp(word, "DIR", 3) == 0) {
            snprintf(paths[n_paths], sizeof paths[0], "%s%s", f.dir, word + 3);
            argv[argc++] = paths[n_paths++];
        } else {
            argv[argc++] = word;
        }
    }
    memory_out = redirect(STDOUT_FILENO, &saved_out);
    memory_err = redirect(STDERR_FILENO, &saved_err);
    status = zrpc_main(argc, argv);
    collect(STDOUT_FILENO, saved_out, memory_out, out, sizeof out);
    collect(STDERR_FILENO, saved_err, memory_err, errors, sizeof errors);
    return status;
}

static off_t size_of(const char *name)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", f.dir, name);
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void remove_file(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", f.dir, name);
    unlink(path);
}

static void both_connections_answer(void)
{
    start();
    CHECK_INT(run("wait CONNECT"), 0);
    CHECK_INT(run("ping --control --data CONNECT"), 0);
    CHECK_CONTAINS(out, "control: echo in ");
    CHECK_CONTAINS(out, "data: echo in ");
    CHECK_INT(run("ping --data --message héllo --json CONNECT"), 0);
    CHECK_CONTAINS(out, "\"echo\": \"héllo\"");
    stop();
}

static void listings_are_tables(void)
{
    start();
    CHECK_INT(run("list CONNECT"), 0);
    CHECK_CONTAINS(out, "FILESYSTEM");
    CHECK_CONTAINS(out, "demo/nested/middle/leaf");
    CHECK_INT(run("versions demo/small CONNECT"), 0);
    CHECK_CONTAINS(out, "TYPE      NAME    GUID  CREATETXG  CREATION\n");
    CHECK_CONTAINS(out, "snapshot  1       4609  31         2020-01-02T00:00:00Z\n");
    CHECK_CONTAINS(out, "bookmark  second  4610");
    stop();
}

static void json_keeps_all_bits_of_a_guid(void)
{
    json_t *report;

    start();
    CHECK_INT(run("versions demo/bookmarked --json CONNECT"), 0);
    report = json_loads(out, 0, NULL);
    CHECK(report != NULL && json_is_true(json_object_get(report, "ok")));
    CHECK_INT(json_array_size(json_object_get(report, "result")), 4);
    CHECK_CONTAINS(out, "\"guid\": \"18446744073709551615\"");
    json_decref(report);
    stop();
}

static void a_refusal_is_exit_status_1(void)
{
    start();
    CHECK_INT(run("versions demo/none CONNECT"), 1);
    CHECK_CONTAINS(errors, "zrpc versions: ");
    CHECK_INT(run("send demo/private --to @1 -o DIR/x CONNECT"), 1);
    CHECK_CONTAINS(errors, "endpoint does not allow access to filesystem demo/private");
    CHECK_INT(run("versions demo/none --json CONNECT"), 1);
    CHECK_CONTAINS(out, "\"code\": \"HANDLER\"");
    stop();
}

static void mistakes_are_exit_status_2(void)
{
    start();
    CHECK_INT(run(""), 2);
    CHECK_CONTAINS(errors, "usage: zrpc COMMAND");
    CHECK_INT(run("dance"), 2);
    CHECK_CONTAINS(errors, "unknown command \"dance\"");
    CHECK_INT(run("ping --data"), 2);
    CHECK_CONTAINS(errors, "--connect is missing");
    CHECK_INT(run("ping CONNECT"), 2);
    CHECK_INT(run("ping --data --dial-timeout soon CONNECT"), 2);
    CHECK_CONTAINS(errors, "--dial-timeout: ");
    CHECK_INT(run("list --nonsense CONNECT"), 2);
    CHECK_CONTAINS(errors, "unknown option --nonsense");
    CHECK_INT(run("ping --data --connect carrier-pigeon:coop"), 2);
    CHECK_INT(run("send demo/small CONNECT"), 2);
    CHECK_CONTAINS(errors, "--to is missing");
    CHECK_INT(run("cursor CONNECT"), 2);
    CHECK_INT(run("cursor get CONNECT"), 2);
    CHECK_INT(run("destroy demo/prune #bookmark CONNECT"), 2);
    CHECK_INT(run("serve"), 2);
    CHECK_CONTAINS(errors, "--listen is missing");
    CHECK_INT(run("serve --listen tcp:127.0.0.1:0 --client nonsense"), 2);
    CHECK_CONTAINS(errors, "expected IP=IDENTITY");
    CHECK_INT(run("serve --listen tcp:127.0.0.1:0 --role drain"), 2);
    stop();
}

static void help_is_exit_status_0(void)
{
    start();
    CHECK_INT(run("--help"), 0);
    CHECK_CONTAINS(out, "usage: zrpc COMMAND");
    CHECK_INT(run("send --help"), 0);
    CHECK_CONTAINS(out, "--dry-run");
    CHECK_INT(run("--version"), 0);
    stop();
}

static void no_server_is_exit_status_3(void)
{
    start();
    CHECK_INT(run("ping --data --connect tcp:127.0.0.1:1"), 3);
    CHECK_CONTAINS(errors, "Connection refused");
    CHECK_INT(run("ping --control --connect tcp:127.0.0.1:1"), 3);
    stop();
}

/* A listener that never accepts anything but the kernel's handshake. */
static void a_silent_server_is_exit_status_5(void)
{
    struct zrpc_listener *l;
    char words[400];

    start();
    CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", NULL, 0, &l, NULL));
    setenv("ZREPL_RPC_CLIENT_VERSIONHANDSHAKE_TIMEOUT", "100ms", 1);
    snprintf(words, sizeof words, "ping --data --connect %s", l->ops->address(l));
    CHECK_INT(run(words), 5);
    snprintf(words, sizeof words, "ping --control --connect %s", l->ops->address(l));
    CHECK_INT(run(words), 5);
    unsetenv("ZREPL_RPC_CLIENT_VERSIONHANDSHAKE_TIMEOUT");
    l->ops->close(l);
    stop();
}

static const char *const commands[] = {
    "ping --control",
    "ping --data",
    "wait",
    "list",
    "versions demo/small",
    "destroy demo/prune @1",
    "cursor get demo/cursor",
    "send demo/small --to @1 -o DIR/x",
    "recv demo/x -i /dev/null",
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int run_at(const char *command, const char *options, const struct zrpc_listener *l)
{
    char words[400];

    snprintf(words, sizeof words, "%s %s --connect %s", command, options, l->ops->address(l));
    return run(words);
}

static void a_timeout_is_exit_status_5_for_every_command(void)
{
    struct zrpc_listener *l;

    start();
    setenv(ZRPC_HANDSHAKE_TIMEOUT_CLIENT_ENV, "1h", 1); /* so that it ends nothing */
    CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", NULL, 0, &l, NULL));
    for (size_t i = 0; i < COMMANDS; i++) {
        if (!CHECK_INT(run_at(commands[i], "--timeout 50ms", l), 5))
            fprintf(stderr, "%s: %s\n", commands[i], errors);
    }
    unsetenv(ZRPC_HANDSHAKE_TIMEOUT_CLIENT_ENV);
    l->ops->close(l);
    stop();
}

/* Ctrl-C once the command has a connection, which says nothing. */
static void *interrupt(void *arg)
{
    struct zrpc_listener *l = arg;
    struct pollfd p = {.fd = l->ops->fd(l), .events = POLLIN};

    CHECK_INT(poll(&p, 1, 30000), 1);
    kill(getpid(), SIGINT);
    return NULL;
}

static void an_interrupt_is_exit_status_6_for_every_command(void)
{
    start();
    for (size_t i = 0; i < COMMANDS; i++) {
        struct zrpc_listener *l;
        pthread_t thread;

        CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", NULL, 0, &l, NULL));
        CHECK_INT(pthread_create(&thread, NULL, interrupt, l), 0);
        if (!CHECK_INT(run_at(commands[i], "--dial-timeout 0", l), 6))
            fprintf(stderr, "%s: %s\n", commands[i], errors);
        CHECK_CONTAINS(errors, "cancelled");
        pthread_join(thread, NULL);
        l->ops->close(l);
    }
    stop();
}

/* Refuses one data request, at length. */
struct refuser {
    struct zrpc_listener *listener;
    char text[20001];
};

static void *refuse(void *arg)
{
    struct refuser *r = arg;
    struct pollfd p = {.fd = r->listener->ops->fd(r->listener), .events = POLLIN};
    struct zrpc_dataconn_server machine;
    struct zrpc_timeoutconn *conn;
    struct zrpc_accepted accepted;
    struct zrpc_view answer;
    enum zrpc_label label;
    char rest[4096];

    CHECK_INT(poll(&p, 1, 30000), 1);
    if (!CHECK_OK(r->listener->ops->accept(r->listener, &accepted, NULL)) ||
        !CHECK_OK(zrpc_timeoutconn_new(accepted.wire, &conn, NULL)))
        return NULL;
    CHECK_OK(zrpc_versionhandshake_run(conn, ZRPC_NEVER, NULL));
    CHECK_OK(zrpc_transportmux_read(conn, ZRPC_NEVER, &label, NULL));
    zrpc_dataconn_server_init(&machine, NULL, zrpc_now());
    CHECK_OK(zrpc_dataconn_server_refuse(&machine, zrpc_now(), r->text, NULL));
    answer = zrpc_buf_view(&machine.x.hc.conn.writer.output);
    CHECK_OK(zrpc_timeoutconn_write(conn, answer.data, answer.len, NULL, NULL));
    CHECK_OK(zrpc_timeoutconn_close_write(conn, NULL));
    while (zrpc_timeoutconn_read(conn, rest, sizeof rest, NULL) > 0)
        continue;
    zrpc_timeoutconn_close(conn);
    zrpc_dataconn_server_dispose(&machine);
    return NULL;
}

static void a_long_refusal_is_shown_whole(void)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "client1"}};
    static struct refuser r;
    pthread_t thread;

    start();
    for (size_t i = 0; i < sizeof r.text - 1; i++)
        r.text[i] = (char)('a' + i % 26);
    strcpy(r.text + sizeof r.text - 5, "last");
    CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", clients, 1, &r.listener, NULL));
    CHECK_INT(pthread_create(&thread, NULL, refuse, &r), 0);
    CHECK_INT(run_at("send demo/small --to @1", "-o DIR/x", r.listener), 1);
    CHECK_CONTAINS(errors, r.text);
    pthread_join(thread, NULL);
    r.listener->ops->close(r.listener);
    stop();
}

static void a_stream_goes_out_and_comes_back(void)
{
    start();
    CHECK_INT(run("send demo/medium --to @1 -o DIR/full --json CONNECT"), 0);
    CHECK_CONTAINS(out, "\"bytes\": 1052960");
    CHECK_CONTAINS(out, "\"expected_size\": 1052960");
    CHECK_INT(size_of("full"), 1052960);
    CHECK_INT(run("send demo/medium --to @2 --from @1 -o DIR/incremental CONNECT"), 0);
    CHECK_INT(run("recv copy/medium -i DIR/full CONNECT"), 0);
    CHECK_INT(run("recv copy/medium -i DIR/incremental CONNECT"), 0);
    CHECK_INT(run("versions copy/medium CONNECT"), 0);
    CHECK_CONTAINS(out, "snapshot  2     4866");
    CHECK_INT(run("recv copy/medium -i DIR/full CONNECT"), 1);
    CHECK_CONTAINS(errors, "destination");
    remove_file("full");
    remove_file("incremental");
    stop();
}

static void a_failed_stream_leaves_no_file(void)
{
    start();
    CHECK_INT(run("send demo/fault/send --to @1 -o DIR/broken CONNECT"), 1);
    CHECK_CONTAINS(errors, "读取失败");
    CHECK_INT(size_of("broken"), -1);
    CHECK_INT(size_of("broken.partial"), -1);
    stop();
}

static void a_missing_file_is_exit_status_6(void)
{
    start();
    CHECK_INT(run("recv copy/x -i DIR/missing CONNECT"), 6);
    CHECK_CONTAINS(errors, "missing: No such file or directory");
    CHECK_INT(run("send demo/small --to @1 -o DIR/no/such/place CONNECT"), 6);
    stop();
}

static void a_dry_run_tells_the_size(void)
{
    start();
    CHECK_INT(run("send demo/huge --to @1 --dry-run CONNECT"), 0);
    CHECK_CONTAINS(out, "1.0 TiB (1102");
    CHECK_INT(run("send demo/small --to @2 --from #first --dry-run CONNECT"), 0);
    CHECK_STR(out, "size unknown\n");
    stop();
}

static void the_cursor_advances(void)
{
    start();
    CHECK_INT(run("cursor get demo/cursor CONNECT"), 0);
    CHECK_STR(out, "6146\n");
    CHECK_INT(run("cursor set demo/cursor @3 CONNECT"), 0);
    CHECK_STR(out, "6147\n");
    CHECK_INT(run("cursor set demo/cursor @1 CONNECT"), 1);
    CHECK_INT(run("cursor get demo/empty CONNECT"), 0);
    CHECK_STR(out, "no cursor\n");
    stop();
}

static void snapshots_are_destroyed_one_by_one(void)
{
    start();
    CHECK_INT(run("destroy demo/prune @1 2 CONNECT"), 0);
    CHECK_STR(out, "@1: destroyed\n@2: destroyed\n");
    CHECK_INT(run("destroy demo/prune @3 @nope CONNECT"), 1);
    CHECK_CONTAINS(out, "@3: destroyed\n@nope: ");
    CHECK_CONTAINS(errors, "1 of 2 snapshots could not be destroyed");
    CHECK_INT(run("destroy demo/prune @4 @nope --json CONNECT"), 1);
    CHECK_CONTAINS(out, "\"snapshot\": \"nope\"");
    stop();
}

static void many_snapshots_are_destroyed_at_once(void)
{
    enum { SNAPSHOTS = 200 };
    char words[2048] = "destroy demo/prune", word[16];

    for (int i = 0; i < SNAPSHOTS; i++) {
        snprintf(word, sizeof word, " @no%d", i);
        strcat(words, word);
    }
    strcat(words, " @1 CONNECT");
    start();
    CHECK_INT(run(words), 1);
    CHECK_CONTAINS(out, "@no0: ");
    CHECK_CONTAINS(out, "@no199: ");
    CHECK_CONTAINS(out, "@1: destroyed");
    CHECK_CONTAINS(errors, "200 of 201 snapshots could not be destroyed");
    stop();
}

/* A server that does not mean well. */
static int hostile_list(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ListFilesystemReq *req,
                        Zrpc__Pb__ListFilesystemRes *res, struct zrpc_error *err)
{
    Zrpc__Pb__Filesystem *fs = malloc(sizeof *fs);

    (void)ctx, (void)call, (void)req, (void)err;
    zrpc__pb__filesystem__init(fs);
    fs->path = strdup(
        "caf\xc3\xa9/\x1b[2J\xc2\x9b"
        "1m\nforged/line");
    fs->resumetoken = strdup("");
    res->filesystems = malloc(sizeof(void *));
    res->filesystems[0] = fs;
    res->n_filesystems = 1;
    return 0;
}

static int hostile_refusal(void *ctx, struct zrpc_call *call, const Zrpc__Pb__ListFilesystemVersionsReq *req,
                           Zrpc__Pb__ListFilesystemVersionsRes *res, struct zrpc_error *err)
{
    (void)ctx, (void)call, (void)req, (void)res;
    return zrpc_fail(err, ZRPC_ERR_HANDLER, "no\x1b]0;title\x07\nlevel=info msg=forged");
}

static int hostile_send(void *ctx, struct zrpc_call *call, const Zrpc__Pb__SendReq *req,
                        Zrpc__Pb__SendRes *res, struct zrpc_source *source, struct zrpc_error *err)
{
    (void)ctx, (void)call, (void)req, (void)res, (void)source;
    return zrpc_fail(err, ZRPC_ERR_HANDLER, "no\x1b[31m\nlevel=info msg=forged");
}

static void peers_texts_are_shown_not_obeyed(void)
{
    static const struct zrpc_handler_ops ops = {
        .list_filesystems = hostile_list, .list_filesystem_versions = hostile_refusal, .send = hostile_send};
    const struct zrpc_handler handler = {.ops = &ops};

    start_with(&handler);
    CHECK_INT(run("list CONNECT"), 0);
    CHECK_CONTAINS(out, "\ncaf\xc3\xa9/\\x1b[2J\\u009b1m\\nforged/line  no  ");
    CHECK_INT(run("list --json CONNECT"), 0);
    CHECK_CONTAINS(out, "caf\xc3\xa9/\\u001B[2J\\u009b1m\\nforged/line\"");
    CHECK_INT(run("versions x CONNECT --log-level debug"), 1);
    CHECK_CONTAINS(errors, "zrpc versions: no\\x1b]0;title\\x07\\nlevel=info msg=forged\n");
    CHECK(strstr(errors, "\nlevel=") == NULL && strchr(errors, '\x1b') == NULL);
    CHECK_INT(run("send x --to @1 -o DIR/x CONNECT --log-level debug"), 1);
    CHECK_CONTAINS(errors, "no\\x1b[31m\\nlevel=info msg=forged\n");
    CHECK(strstr(errors, "\nlevel=") == NULL && strchr(errors, '\x1b') == NULL);
    stop();
}

static const struct zrpc_test tests[] = {
    {"both connections answer", both_connections_answer},
    {"listings are tables", listings_are_tables},
    {"JSON keeps all bits of a guid", json_keeps_all_bits_of_a_guid},
    {"a refusal is exit status 1", a_refusal_is_exit_status_1},
    {"mistakes are exit status 2", mistakes_are_exit_status_2},
    {"peers' texts are shown, not obeyed", peers_texts_are_shown_not_obeyed},
    {"help is exit status 0", help_is_exit_status_0},
    {"no server is exit status 3", no_server_is_exit_status_3},
    {"a silent server is exit status 5", a_silent_server_is_exit_status_5},
    {"a timeout is exit status 5 for every command", a_timeout_is_exit_status_5_for_every_command},
    {"an interrupt is exit status 6 for every command", an_interrupt_is_exit_status_6_for_every_command},
    {"a long refusal is shown whole", a_long_refusal_is_shown_whole},
    {"a stream goes out and comes back", a_stream_goes_out_and_comes_back},
    {"a failed stream leaves no file", a_failed_stream_leaves_no_file},
    {"a missing file is exit status 6", a_missing_file_is_exit_status_6},
    {"a dry run tells the size", a_dry_run_tells_the_size},
    {"the cursor advances", the_cursor_advances},
    {"snapshots are destroyed one by one", snapshots_are_destroyed_one_by_one},
    {"many snapshots are destroyed at once", many_snapshots_are_destroyed_at_once},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("zrpc", tests, argc, argv);
}
