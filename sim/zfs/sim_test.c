#include "sim/zfs/sim.h"

#include <stdlib.h>
#include <unistd.h>

#include "sim/zfs/testing.h"

static int parse(const char *text, struct zrpc_sim_file *file, struct zrpc_error *err)
{
    return zrpc_sim_file_parse("p.yml", zrpc_view_of(text), file, err);
}

/* The fixture's functions over a file's pool. */
static struct fixture over(struct zrpc_zpool *pool)
{
    return (struct fixture){.pool = pool, .zfs = zrpc_zpool_zfs(pool)};
}

static void a_file_makes_a_pool(void)
{
    struct zrpc_sim_file file;
    struct zrpc_zfs_versions l = {0};
    struct zrpc_error err;
    struct fixture f;

    if (!CHECK_OK(parse("pool: tank\n"
                        "seed: 3\n"
                        "serve: {root_fs: tank/in, filesystems: {\"tank<\": true, tank/b: false}}\n"
                        "filesystems:\n"
                        "  tank:\n"
                        "    snapshots: [{name: root}]\n"
                        "  tank/a:\n"
                        "    snapshots:\n"
                        "      - {name: 1, written: 1TiB, guid: 0xffffffffffffffff, createtxg: 10,\n"
                        "         creation: 2020-02-29T12:34:56+00:00}\n"
                        "      - name: 2\n"
                        "    bookmarks:\n"
                        "      - {name: of, of: 1}\n"
                        "      - {name: gone, guid: 7, createtxg: 5, creation: 2019-01-01T00:00:00Z}\n"
                        "  tank/b:\n"
                        "  tank/b/c: {placeholder: true, fault: {open_error: no}}\n",
                        &file, &err)))
        return;
    f = over(file.pool);
    CHECK_STR(filesystems(&f, NULL), "tank tank/a tank/b tank/b/c(p)");
    CHECK_STR(versions(&f, "tank"), "@root");
    CHECK_STR(versions(&f, "tank/a"), "#gone @1 #of @2");
    CHECK_OK(f.zfs.ops->list_versions(f.zfs.ctx, NULL, "tank/a", &l, &err));
    CHECK(l.items[0].guid == 7 && l.items[0].createtxg == 5);
    CHECK(l.items[1].guid == UINT64_MAX && l.items[1].createtxg == 10 && l.items[1].creation == 1582979696);
    CHECK(l.items[2].guid == UINT64_MAX && l.items[2].createtxg == 10);
    CHECK(l.items[3].guid != 0 && l.items[3].createtxg == 11);
    zrpc_zfs_versions_dispose(&l);
    CHECK_STR(file.root, "tank/in");
    CHECK_INT(file.n_rules, 2);
    CHECK_STR(file.rules[1].pattern, "tank/b");
    CHECK(!file.rules[1].admit);
    zrpc_sim_file_dispose(&file);
}

static void mistakes_in_a_file(void)
{
    static const char *const rows[][2] = {
        {"seed: 1\n", "p.yml:1: the file: pool is missing"},
        {"pool: a/b\n", "p.yml:1: pool: expected a name without '/', found \"a/b\""},
        {"pool: 1a\n", "p.yml:1: pool: name \"1a\" must begin with"},
        {"pool: t\nfilesystem: {}\n",
         "p.yml:2: filesystem: unknown key, expected one of pool, seed, serve, filesystems"},
        {"pool: t\nfilesystems:\n  t/a/b: {}\n",
         "p.yml:3: t/a/b: cannot create 't/a/b': parent does not exist"},
        {"pool: t\nfilesystems:\n  u/a: {}\n", "p.yml:3: u/a: cannot create 'u/a': no such pool 'u'"},
        {"pool: t\nfilesystems:\n  t/../a: {}\n",
         "p.yml:3: t/../a: cannot create 't/../a': parent reference, '..' is found in name"},
        {"pool: t\nfilesystems:\n  t/a: {}\n  t/a: {}\n", "p.yml:4: t/a: given twice"},
        {"pool: t\nfilesystems:\n  t: {placeholder: true}\n", "p.yml:3: t: the pool itself cannot be"},
        {"pool: t\nfilesystems:\n  t: {snapshots: {}}\n", "p.yml:3: snapshots: expected a sequence"},
        {"pool: t\nfilesystems:\n  t:\n    snapshots:\n    - {written: 1}\n",
         "p.yml:5: snapshots: name is missing"},
        {"pool: t\nfilesystems:\n  t:\n    snapshots:\n    - {name: a/b}\n",
         "p.yml:5: a/b: name \"a/b\" contains a '/'"},
        {"pool: t\nfilesystems:\n  t:\n    snapshots:\n    - {name: 1}\n    - {name: 1}\n",
         "p.yml:6: 1: cannot create snapshot 't@1': dataset already exists"},
        {"pool: t\nfilesystems:\n  t:\n    snapshots:\n    - {name: 1, createtxg: 5}\n    - {name: 2, "
         "createtxg: 5}\n",
         "p.yml:6: 2: createtxg 5 is not above 5"},
        {"pool: t\nfilesystems:\n  t:\n    snapshots:\n    - {name: 1, guid: 0}\n",
         "p.yml:5: guid: expected a number above 0"},
        {"pool: t\nfilesystems:\n  t:\n    snapshots:\n    - {name: 1, written: 2000PiB}\n",
         "p.yml:5: 1: cannot create snapshot 't': out of space"},
        {"pool: t\nfilesystems:\n  t:\n    snapshots:\n    - {name: 1, creation: yesterday}\n",
         "p.yml:5: creation: \"yesterday\" is not a time in RFC 3339"},
        {"pool: t\nfilesystems:\n  t:\n    bookmarks:\n    - {name: b}\n",
         "p.yml:5: b: expected of, or guid and createtxg"},
        {"pool: t\nfilesystems:\n  t:\n    bookmarks:\n    - {name: b, of: 1}\n",
         "p.yml:5: of: expected a snapshot of the filesystem, found \"1\""},
        {"pool: t\nfilesystems:\n  t:\n    snapshots: [{name: 1}]\n    bookmarks:\n    - {name: b, of: 1, "
         "guid: 2}\n",
         "p.yml:6: b: expected either of or guid"},
        {"pool: t\nfilesystems:\n  t:\n    fault: {send_error_at: 5}\n",
         "p.yml:4: send_error_at: send_error is missing"},
        {"pool: t\nfilesystems:\n  t:\n    fault: {recv_error_at: 5}\n",
         "p.yml:4: recv_error_at: recv_error is missing"},
        {"pool: t\nfilesystems:\n  t:\n    fault: {open_delay: soon}\n",
         "p.yml:4: open_delay: expected a duration"},
        {"pool: t\nserve: {root_fs: t//a}\n", "p.yml:2: root_fs: empty component"},
        {"pool: t\nserve:\n  filesystems: {\"<<\": true}\n", "p.yml:3: <<: filter pattern \"<<\""},
        {"pool: t\nserve:\n  filesystems: {\"<\": maybe}\n", "p.yml:3: <: expected true or false"},
    };
    struct zrpc_sim_file file;
    struct zrpc_error err;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_CODE(parse(rows[i][0], &file, &err), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(err.text, rows[i][1]);
        CHECK(strchr(err.text, '\n') == NULL);
    }
    CHECK_CODE(parse("pool: t\nseed: x\nfilesystems:\n  t/a/b:\n  t/c: {size: 1}\n", &file, &err),
               ZRPC_ERR_USAGE);
    CHECK_STR(err.text,
              "p.yml:2: seed: expected a number from 0 to 2^64-1, found \"x\"\n"
              "p.yml:4: t/a/b: cannot create 't/a/b': parent does not exist\n"
              "p.yml:5: size: unknown key, expected one of placeholder, series, snapshots, bookmarks, fault");
}

static void the_demo_pool_is_as_it_is_known(void)
{
    struct zrpc_sim_file file;
    struct zrpc_error err;
    struct fixture f;

    if (!CHECK_OK(zrpc_sim_file_load("demo", &file, &err)))
        return;
    f = over(file.pool);
    CHECK_STR(zrpc_zpool_name(file.pool), "demo");
    CHECK_STR(versions(&f, "demo/small"), "@1 #first @2 #second @3");
    CHECK_STR(versions(&f, "demo/bookmarked"), "#gone @2 #middle @3");
    CHECK_STR(versions(&f, "demo/nested/middle"), "");
    CHECK(guid_of(&f, "demo/small", "3") == 0x1203);
    CHECK(guid_of(&f, "demo/bookmarked", "3") == UINT64_MAX);
    CHECK_STR(filesystems(&f, "demo/fault"),
              "demo/fault/list demo/fault/open demo/fault/recv demo/fault/send demo/fault/send-at-once "
              "demo/fault/slow demo/fault/slow-list");
    zrpc_sim_file_dispose(&file);
}

static void demo_sends_and_receives(void)
{
    static const char *const names[] = {"demo/empty", "demo/byte", "demo/small", "demo/medium", "demo/large"};
    struct zrpc_sim_file file;
    struct zrpc_error err;
    struct fixture f;

    if (!CHECK_OK(zrpc_sim_file_load("demo", &file, &err)))
        return;
    f = over(file.pool);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char target[64];

        snprintf(target, sizeof target, "demo/backup/%zu", i);
        CHECK_OK(copy(&f, names[i], "", "@1", target, false));
        check_same_content(&f, names[i], target, "1");
    }
    CHECK_OK(copy(&f, "demo/large", "@1", "@2", "demo/backup/4", false));
    check_same_content(&f, "demo/large", "demo/backup/4", "2");
    zrpc_sim_file_dispose(&file);
}

/* The paths a handler lists, in *text. */
static void handler_lists(struct zrpc_handler handler, char *text, size_t size)
{
    struct zrpc_call call = {.client_identity = "c", .deadline = ZRPC_NEVER};
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    Zrpc__Pb__ListFilesystemRes *res = malloc(sizeof *res);
    size_t used = 0;

    if (!CHECK(res != NULL))
        return;
    zrpc__pb__list_filesystem_res__init(res);
    CHECK_OK(handler.ops->list_filesystems(handler.ctx, &call, &req, res, NULL));
    text[0] = '\0';
    for (size_t i = 0; i < res->n_filesystems; i++)
        used += (size_t)snprintf(text + used, size - used, "%s ", res->filesystems[i]->path);
    zrpc__pb__list_filesystem_res__free_unpacked(res, NULL);
}

static void a_simulation_serves_its_pool(void)
{
    static const struct zrpc_endpoint_rule only[] = {{"demo/private", true}};
    struct zrpc_sim_options options = {.role = ZRPC_ENDPOINT_SENDER};
    char text[2048];
    struct zrpc_error err;
    struct zrpc_sim sim;

    if (!CHECK_OK(zrpc_sim_open(&sim, &options, &err)))
        return;
    handler_lists(zrpc_sim_handler(&sim), text, sizeof text);
    CHECK_CONTAINS(text, "demo/small ");
    CHECK(strstr(text, "demo/private") == NULL && strstr(text, "demo/backup") == NULL);
    CHECK_INT(sim.endpoint.config.max_sends, 10);
    zrpc_sim_close(&sim);
    options.rules = only;
    options.n_rules = 1;
    options.max_sends = 2;
    if (!CHECK_OK(zrpc_sim_open(&sim, &options, &err)))
        return;
    handler_lists(zrpc_sim_handler(&sim), text, sizeof text);
    CHECK_STR(text, "demo/private ");
    CHECK_INT(sim.endpoint.config.max_sends, 2);
    zrpc_sim_close(&sim);
    options.role = ZRPC_ENDPOINT_RECEIVER;
    if (!CHECK_OK(zrpc_sim_open(&sim, &options, &err)))
        return;
    CHECK_STR(sim.endpoint.config.root, "demo/backup");
    zrpc_sim_close(&sim);
}

static void a_simulation_of_a_file(void)
{
    char path[] = "/tmp/zrpc-sim-test-XXXXXX";
    struct zrpc_sim_options options = {.pool = path, .role = ZRPC_ENDPOINT_RECEIVER};
    int fd = mkstemp(path);
    struct zrpc_error err;
    struct zrpc_sim sim;
    char text[64];

    if (!CHECK(fd >= 0))
        return;
    CHECK_INT(write(fd, "pool: tank\n", 11), 11);
    CHECK_CODE(zrpc_sim_open(&sim, &options, &err), ZRPC_ERR_USAGE);
    CHECK_STR(err.text, "a receiver needs a root filesystem");
    options.root = "tank/in";
    CHECK_OK(zrpc_sim_open(&sim, &options, &err));
    CHECK_STR(zrpc_zpool_name(zrpc_sim_pool(&sim)), "tank");
    zrpc_sim_close(&sim);
    options.role = ZRPC_ENDPOINT_SENDER;
    CHECK_OK(zrpc_sim_open(&sim, &options, &err));
    handler_lists(zrpc_sim_handler(&sim), text, sizeof text);
    CHECK_STR(text, "tank ");
    zrpc_sim_close(&sim);
    unlink(path);
    close(fd);
    CHECK_CODE(zrpc_sim_open(&sim, &options, &err), ZRPC_ERR_SYSTEM);
    CHECK_CONTAINS(err.text, path);
}

static const struct zrpc_test tests[] = {
    {"a file makes a pool", a_file_makes_a_pool},
    {"mistakes in a file", mistakes_in_a_file},
    {"the demo pool is as it is known", the_demo_pool_is_as_it_is_known},
    {"demo sends and receives", demo_sends_and_receives},
    {"a simulation serves its pool", a_simulation_serves_its_pool},
    {"a simulation of a file", a_simulation_of_a_file},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim", tests, argc, argv);
}
