#include "testing/suite.h"

#include <stdio.h>

#include "zrpc/zfs.h"

static void paths_zfs_allows(void)
{
    static const char *const paths[] = {"tank",     "tank/a",     "tank/a b/c-d_e.f:g",
                                        "tank/...", "tank/.a/-b", "1/2"};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        CHECK_OK(zrpc_zfs_path_check(paths[i], NULL));
}

static void paths_that_are_refused(void)
{
    static const char *const rows[][2] = {
        {"", "empty filesystem not allowed"}, {"/", "must not end with a '/'"},
        {"/tank", "empty component"},         {"tank/", "must not end with a '/'"},
        {"tank//a", "empty component"},       {".", "component \".\""},
        {"..", "component \"..\""},           {"../tank", "component \"..\""},
        {"tank/..", "component \"..\""},      {"tank/../a", "component \"..\""},
        {"tank/./a", "component \".\""},      {"tank@a", "forbidden characters"},
        {"tank/a#b", "forbidden characters"}, {"tank/a|b", "forbidden characters"},
        {"tank\ta", "forbidden characters"},  {"tank<", "forbidden characters"},
        {"tank>", "forbidden characters"},    {"tank/*", "forbidden characters"},
        {"tank/a,b", "does not allow"},       {"tank/a%b", "does not allow"},
        {"tank/a\nb", "does not allow"},      {"tank/\xc3\xa4", "does not allow"},
        {"tank/\x7f", "does not allow"},
    };
    struct zrpc_error err;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_CODE(zrpc_zfs_path_check(rows[i][0], &err), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(err.text, rows[i][1]);
    }
}

static void datasets_begin_with_a_pool(void)
{
    struct zrpc_error err;

    CHECK_OK(zrpc_zfs_dataset_check("tank/-b", NULL));
    CHECK_OK(zrpc_zfs_dataset_check("Z", NULL));
    CHECK_CODE(zrpc_zfs_dataset_check("-F/a", &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "with a letter");
    CHECK_CODE(zrpc_zfs_dataset_check("1/a", NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_zfs_dataset_check("tank//a", NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_zfs_dataset_check("", NULL), ZRPC_ERR_USAGE);
}

static void names_are_single_components(void)
{
    struct zrpc_error err;

    CHECK_OK(zrpc_zfs_name_check("zrepl_20200101_000000_000", NULL));
    CHECK_CODE(zrpc_zfs_name_check("a/b", &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "contains a '/'");
    CHECK_CODE(zrpc_zfs_name_check("", NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_zfs_name_check("a,b", NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_zfs_name_check("a%b", NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_zfs_name_check("..", NULL), ZRPC_ERR_USAGE);
}

static void lengths_are_zfs_s(void)
{
    char name[ZRPC_ZFS_NAME_MAX + 1], joined[ZRPC_ZFS_NAME_MAX];
    struct zrpc_error err;

    memset(name, 'a', sizeof name);
    name[255] = '\0';
    CHECK_OK(zrpc_zfs_name_check(name, NULL));
    CHECK_OK(zrpc_zfs_path_check(name, NULL));
    CHECK_CODE(zrpc_zfs_path_join("b", name, joined, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "too long");
    name[254] = '\0';
    CHECK_CODE(zrpc_zfs_path_join("b", name, joined, &err), ZRPC_ERR_USAGE);
    name[253] = '\0';
    CHECK_OK(zrpc_zfs_path_join("b", name, joined, &err));
    CHECK_INT(strlen(joined), 255);
    name[253] = 'a', name[254] = 'a', name[255] = 'a', name[256] = '\0';
    CHECK_CODE(zrpc_zfs_path_check(name, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "too long");
}

static void within_means_whole_components(void)
{
    CHECK(zrpc_zfs_path_within("tank/a", "tank/a"));
    CHECK(zrpc_zfs_path_within("tank/a/b", "tank/a"));
    CHECK(!zrpc_zfs_path_within("tank/ab", "tank/a"));
    CHECK(!zrpc_zfs_path_within("tank", "tank/a"));
}

static void relative_versions(void)
{
    enum zrpc_zfs_version_type type;
    const char *name;
    struct zrpc_error err;

    CHECK_OK(zrpc_zfs_version_parse("@one", &type, &name, NULL));
    CHECK_INT(type, ZRPC_ZFS_SNAPSHOT);
    CHECK_STR(name, "one");
    CHECK_OK(zrpc_zfs_version_parse("#two", &type, &name, NULL));
    CHECK_INT(type, ZRPC_ZFS_BOOKMARK);
    CHECK_STR(name, "two");
    CHECK_CODE(zrpc_zfs_version_parse("", &type, &name, NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_zfs_version_parse("@", &type, &name, &err), ZRPC_ERR_USAGE);
    CHECK_STR(err.text, "version must start with a delimiter char followed by at least one character");
    CHECK_CODE(zrpc_zfs_version_parse("one", &type, &name, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "invalid delimiter char");
    CHECK_CODE(zrpc_zfs_version_parse("@one@two", &type, &name, NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_zfs_version_parse("@a,b", &type, &name, NULL), ZRPC_ERR_USAGE);
}

static void creation_times(void)
{
    static const struct {
        const char *text;
        int64_t seconds;
        const char *back;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
        {"2020-02-29T12:34:56Z", 1582979696, "2020-02-29T12:34:56Z"},
        {"2020-02-29T13:34:56+01:00", 1582979696, "2020-02-29T12:34:56Z"},
        {"2020-02-29T02:04:56.789-10:30", 1582979696, "2020-02-29T12:34:56Z"},
        {"0000-01-01T00:00:00Z", -62167219200, "0000-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59Z", 253402300799, "9999-12-31T23:59:59Z"},
    };
    char text[ZRPC_ZFS_CREATION_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t seconds = -1;

        CHECK_OK(zrpc_zfs_creation_parse(rows[i].text, &seconds, NULL));
        CHECK_INT(seconds, rows[i].seconds);
        CHECK_OK(zrpc_zfs_creation_format(rows[i].seconds, text, NULL));
        CHECK_STR(text, rows[i].back);
    }
    CHECK_CODE(zrpc_zfs_creation_format(253402300800, text, NULL), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_zfs_creation_format(INT64_MIN, text, NULL), ZRPC_ERR_USAGE);
}

static void times_that_are_none(void)
{
    static const char *const texts[] = {
        "",
        "2020",
        "2020-01-01",
        "2020-01-01T00:00:00",
        "2020-01-01 00:00:00Z",
        "2020-13-01T00:00:00Z",
        "2020-00-01T00:00:00Z",
        "2019-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2020-01-01T24:00:00Z",
        "2020-01-01T00:60:00Z",
        "2020-01-01T00:00:61Z",
        "2020-01-01T00:00:00.Z",
        "2020-01-01T00:00:00+1:00",
        "2020-01-01T00:00:00+24:00",
        "2020-01-01T00:00:00Zx",
        "0000-01-01T00:00:00+00:01",
        "-020-01-01T00:00:00Z",
    };
    struct zrpc_error err;
    int64_t seconds;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_CODE(zrpc_zfs_creation_parse(texts[i], &seconds, &err), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(err.text, "RFC 3339");
    }
}

static void lists_grow_and_find(void)
{
    struct zrpc_zfs_versions versions = {0};
    struct zrpc_zfs_filesystems filesystems = {0};
    const struct zrpc_zfs_version *found;

    for (unsigned i = 0; i < 100; i++) {
        struct zrpc_zfs_version v = {.type = i % 2 == 0 ? ZRPC_ZFS_SNAPSHOT : ZRPC_ZFS_BOOKMARK, .guid = i};
        struct zrpc_zfs_filesystem fs = {.placeholder = i % 2 == 0};

        snprintf(v.name, sizeof v.name, "%u", i / 2);
        snprintf(fs.path, sizeof fs.path, "tank/%u", i);
        CHECK_OK(zrpc_zfs_versions_push(&versions, &v, NULL));
        CHECK_OK(zrpc_zfs_filesystems_push(&filesystems, &fs, NULL));
    }
    CHECK_INT(versions.len, 100);
    CHECK_STR(filesystems.items[99].path, "tank/99");
    found = zrpc_zfs_versions_find(&versions, ZRPC_ZFS_BOOKMARK, "20");
    CHECK(found != NULL && found->guid == 41);
    CHECK(zrpc_zfs_versions_find(&versions, ZRPC_ZFS_SNAPSHOT, "50") == NULL);
    zrpc_zfs_versions_dispose(&versions);
    zrpc_zfs_filesystems_dispose(&filesystems);
    CHECK_INT(versions.len, 0);
}

static const struct zrpc_test tests[] = {
    {"paths that zfs allows", paths_zfs_allows},
    {"paths that are refused", paths_that_are_refused},
    {"datasets begin with a pool", datasets_begin_with_a_pool},
    {"names are single components", names_are_single_components},
    {"lengths are zfs's", lengths_are_zfs_s},
    {"within means whole components", within_means_whole_components},
    {"relative versions", relative_versions},
    {"creation times in RFC 3339", creation_times},
    {"times that are none", times_that_are_none},
    {"lists grow and find", lists_grow_and_find},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("zfs", tests, argc, argv);
}
