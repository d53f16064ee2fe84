#include "testing/suite.h"

#include "zrpc/wire.h"

static void usable(void)
{
    static const char *const rows[] = {"a",  "client1.example.com", "with space", "...",
                                       ".a", "caf\xc3\xa9",         "a:b_c-d"};
    struct zrpc_error err;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_OK(zrpc_identity_check(rows[i], &err));
}

static void unusable(void)
{
    static const struct {
        const char *identity, *text;
    } rows[] = {
        {"", "client identity: must not be empty"},
        {".", "client identity \".\": not a dataset path component"},
        {"..", "client identity \"..\": not a dataset path component"},
        {"a/b", "client identity \"a/b\": must not contain '/'"},
        {"/", "client identity \"/\": must not contain '/'"},
        {"a@b", "client identity \"a@b\": must not contain '@'"},
        {"a#", "client identity \"a#\": must not contain '#'"},
        {"|a", "client identity \"|a\": must not contain '|'"},
        {"<", "client identity \"<\": must not contain '<'"},
        {">", "client identity \">\": must not contain '>'"},
        {"*", "client identity \"*\": must not contain '*'"},
        {"a\tb", "client identity \"a...\": must not contain byte 0x09"},
        {"a\nb", "client identity \"a...\": must not contain byte 0x0a"},
        {"\x1f", "client identity \"...\": must not contain byte 0x1f"},
        {"ab\x7f", "client identity \"ab...\": must not contain byte 0x7f"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_error err = {0};

        CHECK_CODE(zrpc_identity_check(rows[i].identity, &err), ZRPC_ERR_USAGE);
        CHECK_STR(err.text, rows[i].text);
    }
}

static void length(void)
{
    char longest[ZRPC_IDENTITY_MAX + 1];
    struct zrpc_error err = {0};

    memset(longest, 'x', sizeof longest);
    longest[ZRPC_IDENTITY_MAX - 1] = '\0';
    CHECK_OK(zrpc_identity_check(longest, &err));
    longest[ZRPC_IDENTITY_MAX - 1] = 'x';
    longest[ZRPC_IDENTITY_MAX] = '\0';
    CHECK_CODE(zrpc_identity_check(longest, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "256 bytes, at most 255");
}

static const struct zrpc_test tests[] = {
    {"usable", usable},
    {"unusable", unusable},
    {"length", length},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("identity", tests, argc, argv);
}
