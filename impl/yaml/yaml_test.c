#include "testing/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "zrpc/clock.h"
#include "zrpc/yaml.h"

struct settings {
    const char *name;
    bool on;
    uint64_t number, size;
    zrpc_time wait;
    yaml_node_t *list, *map;
};

static const struct zrpc_yaml_key keys[] = {
    {"name", zrpc_yaml_string, offsetof(struct settings, name), .required = true},
    {"on", zrpc_yaml_bool, offsetof(struct settings, on), .required = false},
    {"number", zrpc_yaml_u64, offsetof(struct settings, number), .required = false},
    {"size", zrpc_yaml_size, offsetof(struct settings, size), .required = false},
    {"wait", zrpc_yaml_duration, offsetof(struct settings, wait), .required = false},
    {"list", zrpc_yaml_node, offsetof(struct settings, list), .required = false},
    {"map", zrpc_yaml_node, offsetof(struct settings, map), .required = false},
    {NULL, NULL, 0, false},
};

static int read_settings(struct zrpc_yaml *y, const char *text, struct settings *out, struct zrpc_error *err)
{
    int rc = zrpc_yaml_parse(y, "f.yml", zrpc_view_of(text), err);

    if (rc != 0)
        return rc;
    zrpc_yaml_mapping(y, "the file", zrpc_yaml_root(y), keys, out);
    return zrpc_yaml_result(y, err);
}

static void values_are_read(void)
{
    struct settings s = {0};
    struct zrpc_error err;
    struct zrpc_yaml y;

    CHECK_OK(read_settings(&y, "name: 1\non: true\nnumber: 0xFFFFFFFFFFFFFFFF\nsize: 1TiB\nwait: 1m30s\n", &s,
                           &err));
    CHECK_STR(s.name, "1");
    CHECK(s.on);
    CHECK(s.number == UINT64_MAX);
    CHECK(s.size == UINT64_C(1) << 40);
    CHECK(s.wait == 90 * ZRPC_SECOND);
    CHECK(s.list == NULL);
    zrpc_yaml_dispose(&y);
}

static void mistakes_come_all_at_once(void)
{
    struct settings s = {.number = 7};
    struct zrpc_error err;
    struct zrpc_yaml y;

    CHECK_CODE(
        read_settings(&y, "on: yes\nnumber: -1\nsize: 1kb\nwait: [1]\ncolour: red\non: true\n", &s, &err),
        ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "f.yml:1: on: expected true or false, found \"yes\"\n");
    CHECK_CONTAINS(err.text, "f.yml:2: number: expected a number from 0 to 2^64-1, found \"-1\"\n");
    CHECK_CONTAINS(err.text,
                   "f.yml:3: size: expected a size such as 4096, 64KiB, 10MiB or 1TiB, found \"1kb\"\n");
    CHECK_CONTAINS(err.text, "f.yml:4: wait: expected a duration such as 10s, found a sequence\n");
    CHECK_CONTAINS(err.text,
                   "f.yml:5: colour: unknown key, expected one of name, on, number, size, wait, list, map\n");
    CHECK_CONTAINS(err.text, "f.yml:6: on: given twice\n");
    CHECK_CONTAINS(err.text, "f.yml:1: the file: name is missing");
    CHECK_INT(y.n_problems, 7);
    CHECK(s.number == 7);
    zrpc_yaml_dispose(&y);
}

static void values_that_are_refused(void)
{
    static const char *const rows[][2] = {
        {"name: a\nnumber: 18446744073709551616", "number from 0"},
        {"name: a\nnumber: 0x", "number from 0"},
        {"name: a\nnumber: 1e3", "number from 0"},
        {"name: a\nnumber: ''", "found nothing"},
        {"name: a\nsize: 16777216TiB", "size such as"},
        {"name: a\nsize: 1.5MiB", "size such as"},
        {"name: a\nsize: '1 MiB'", "size such as"},
        {"name: a\nsize: {a: b}", "found a mapping"},
        {"name: a\nwait: -1s", "duration such as"},
        {"name: a\nwait: 10", "duration such as"},
        {"name: \"a\\0b\"", "zero byte"},
        {"name:", "found nothing"},
        {"[a, b]", "expected a mapping"},
        {"name: a\n[x]: 1", "keys that are strings"},
        {"", "nothing in it"},
        {"# only a comment\n", "nothing in it"},
        {"name: a\n---\nname: b\n", "a second document"},
        {"name: [a", "f.yml:"},
        {"name: \xff", "f.yml: at byte"},
        {"name: *nobody", "f.yml:1"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings s = {0};
        struct zrpc_error err;
        struct zrpc_yaml y;

        CHECK_CODE(read_settings(&y, rows[i][0], &s, &err), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(err.text, rows[i][1]);
        zrpc_yaml_dispose(&y);
    }
}

static void lists_and_free_mappings(void)
{
    struct settings s = {0};
    struct zrpc_error err;
    struct zrpc_yaml y;
    yaml_node_t *item, *value;
    const char *key;

    CHECK_OK(read_settings(&y, "name: x\nlist: [a, b]\nmap: {10.0.0.1: one, 10.0.0.2: two}", &s, &err));
    CHECK(zrpc_yaml_is_sequence(&y, "list", s.list));
    CHECK(zrpc_yaml_item(&y, s.list, 1, &item));
    CHECK_STR((const char *)item->data.scalar.value, "b");
    CHECK(!zrpc_yaml_item(&y, s.list, 2, &item));
    CHECK(zrpc_yaml_is_mapping(&y, "map", s.map));
    CHECK(zrpc_yaml_pair(&y, s.map, 1, &key, &value));
    CHECK_STR(key, "10.0.0.2");
    CHECK(!zrpc_yaml_pair(&y, s.map, 2, &key, &value));
    CHECK_OK(zrpc_yaml_result(&y, &err));
    CHECK(!zrpc_yaml_is_mapping(&y, "list", s.list));
    CHECK(!zrpc_yaml_is_sequence(&y, "map", s.map));
    CHECK(zrpc_yaml_is_sequence(&y, "none", NULL));
    CHECK(!zrpc_yaml_item(&y, NULL, 0, &item));
    CHECK_CODE(zrpc_yaml_result(&y, &err), ZRPC_ERR_USAGE);
    CHECK_STR(err.text, "f.yml:2: list: expected a mapping\nf.yml:3: map: expected a sequence");
    zrpc_yaml_dispose(&y);
}

static void twice_in_a_free_mapping(void)
{
    struct settings s = {0};
    struct zrpc_error err;
    struct zrpc_yaml y;

    CHECK_OK(read_settings(&y, "name: x\nmap:\n  a: 1\n  b: 2\n  a: 3\n", &s, &err));
    CHECK(!zrpc_yaml_is_mapping(&y, "map", s.map));
    CHECK_CODE(zrpc_yaml_result(&y, &err), ZRPC_ERR_USAGE);
    CHECK_STR(err.text, "f.yml:5: a: given twice");
    zrpc_yaml_dispose(&y);
}

static void many_mistakes_are_counted(void)
{
    struct zrpc_buf text = {0};
    struct settings s = {0};
    struct zrpc_error err;
    struct zrpc_yaml y;
    char line[32];

    CHECK_OK(zrpc_buf_append(&text, zrpc_view_of("name: x\n"), NULL));
    for (unsigned i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "key%u: 1\n", i);
        CHECK_OK(zrpc_buf_append(&text, zrpc_view_of(line), NULL));
    }
    CHECK_OK(zrpc_yaml_parse(&y, "f.yml", zrpc_buf_view(&text), &err));
    zrpc_yaml_mapping(&y, "the file", zrpc_yaml_root(&y), keys, &s);
    CHECK_CODE(zrpc_yaml_result(&y, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "f.yml:2: key0: unknown key");
    CHECK_CONTAINS(err.text, "...\nf.yml: 100 mistakes in all");
    zrpc_yaml_dispose(&y);
    zrpc_buf_dispose(&text);
}

/* Loading these would take minutes. */
static void depth_is_bounded(void)
{
    enum { DEEP = 200000 };
    struct zrpc_error err;
    struct zrpc_yaml y;
    char *text = malloc(DEEP);

    memset(text, '[', DEEP);
    CHECK_CODE(zrpc_yaml_parse(&y, "f.yml", zrpc_view(text, DEEP), &err), ZRPC_ERR_USAGE);
    CHECK_STR(err.text, "f.yml:1: nested deeper than 64");
    zrpc_yaml_dispose(&y);
    memset(text + 64, ']', 64);
    CHECK_OK(zrpc_yaml_parse(&y, "f.yml", zrpc_view(text, 128), &err));
    zrpc_yaml_dispose(&y);
    free(text);
}

static void files(void)
{
    char path[] = "/tmp/zrpc-yaml-test-XXXXXX";
    int fd = mkstemp(path);
    struct zrpc_error err;
    struct zrpc_yaml y;

    if (!CHECK(fd >= 0))
        return;
    CHECK_CODE(zrpc_yaml_load(&y, "/nonexistent/f.yml", &err), ZRPC_ERR_SYSTEM);
    CHECK_CONTAINS(err.text, "open /nonexistent/f.yml: No such file");
    zrpc_yaml_dispose(&y);
    CHECK_CODE(zrpc_yaml_load(&y, "/", &err), ZRPC_ERR_SYSTEM);
    zrpc_yaml_dispose(&y);
    CHECK_CODE(zrpc_yaml_load(&y, path, &err), ZRPC_ERR_USAGE);
    zrpc_yaml_dispose(&y);
    CHECK_INT(write(fd, "a: b\n", 5), 5);
    CHECK_OK(zrpc_yaml_load(&y, path, &err));
    zrpc_yaml_dispose(&y);
    CHECK_OK(ftruncate(fd, ZRPC_YAML_FILE_MAX + 1));
    CHECK_CODE(zrpc_yaml_load(&y, path, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "longer than");
    zrpc_yaml_dispose(&y);
    close(fd);
    unlink(path);
}

static const struct zrpc_test tests[] = {
    {"values are read", values_are_read},
    {"mistakes come all at once", mistakes_come_all_at_once},
    {"values that are refused", values_that_are_refused},
    {"lists and mappings with free keys", lists_and_free_mappings},
    {"a key twice in a free mapping", twice_in_a_free_mapping},
    {"many mistakes are counted", many_mistakes_are_counted},
    {"depth is bounded", depth_is_bounded},
    {"files", files},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("yaml", tests, argc, argv);
}
