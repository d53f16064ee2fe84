#include "cli/cli.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "testing/suite.h"

/* What tools are given. */
struct values {
    bool flag;
    const char *text;
    struct cli_list list;
    zrpc_time duration;
    uint64_t number;
    struct cli_args args;
};

static struct zrpc_error err;

static int parse(struct values *v, const char *words)
{
    const struct cli_option options[] = {
        {"flag", CLI_FLAG, &v->flag, NULL, "a flag"},
        {"text", CLI_STRING, &v->text, "TEXT", "a text"},
        {"l", CLI_LIST, &v->list, "ITEM", "a list"},
        {"duration", CLI_DURATION, &v->duration, "DURATION", "a duration"},
        {"number", CLI_NUMBER, &v->number, "N", "a number"},
        {0},
    };
    static char text[4096];
    static char *argv[512] = {(char *)(uintptr_t) "tool"};
    char *save = NULL;
    int argc = 1;

    *v = (struct values){0};
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    return cli_parse(options, argc, argv, &v->args, &err);
}

static void options_are_taken(void)
{
    struct values v;

    CHECK_OK(parse(&v, "a -flag --text=x -l 1 --l 2 b --duration 1m30s -number 64K -- -c --flag"));
    CHECK(v.flag);
    CHECK_STR(v.text, "x");
    CHECK_INT(v.list.n, 2);
    CHECK_STR(v.list.items[1], "2");
    CHECK_INT(v.duration, 90 * ZRPC_SECOND);
    CHECK_INT(v.number, 65536);
    CHECK_INT(v.args.n, 4);
    CHECK_STR(v.args.items[2], "-c");
    CHECK_OK(parse(&v, "--flag=false - --text --flag"));
    CHECK(!v.flag);
    CHECK_STR(v.args.items[0], "-");
    CHECK_STR(v.text, "--flag");
}

static void positional_arguments_have_no_limit(void)
{
    struct values v;
    char words[4096] = "--text first", word[16];

    for (int i = 0; i < 300; i++) {
        snprintf(word, sizeof word, " %d", i);
        strcat(words, word);
    }
    strcat(words, " --flag last");
    if (!CHECK_OK(parse(&v, words)) || !CHECK_INT(v.args.n, 301))
        return;
    CHECK(v.flag);
    CHECK_STR(v.text, "first");
    CHECK_STR(v.args.items[0], "0");
    CHECK_STR(v.args.items[299], "299");
    CHECK_STR(v.args.items[300], "last");
    CHECK(v.args.items[301] == NULL);
}

static void mistakes_are_named(void)
{
    static const struct {
        const char *words, *text;
    } rows[] = {
        {"--nothing", "unknown option --nothing"},
        {"--texts=x", "unknown option --texts=x"},
        {"--text", "--text needs a value (TEXT)"},
        {"--flag=yes", "--flag: \"yes\", expected true or false"},
        {"--duration soon", "--duration: "},
        {"--duration -1s", "--duration: \"-1s\" is negative"},
        {"--number x", "--number: \"x\", expected a number"},
        {"--number -1", "--number: \"-1\", expected a number"},
        {"--number 1KK", "--number: \"1KK\", expected a number"},
        {"--number 18446744073709551615K", "expected a number"},
    };
    struct values v;
    char words[4096] = "";

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_CODE(parse(&v, rows[i].words), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(err.text, rows[i].text);
    }
    for (int i = 0; i <= CLI_LIST_MAX; i++)
        strcat(words, " -l=x");
    CHECK_CODE(parse(&v, words), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "-l: \"x\": more than 64 of them");
}

static void codes_have_exit_statuses(void)
{
    static const struct {
        int code, status;
    } rows[] = {
        {0, EXIT_DONE},
        {ZRPC_ERR_HANDLER, EXIT_FAILED},
        {ZRPC_ERR_PEER_SOURCE, EXIT_FAILED},
        {ZRPC_ERR_USAGE, EXIT_USAGE},
        {ZRPC_ERR_DIAL, EXIT_CONNECTION},
        {ZRPC_ERR_RESOLVE, EXIT_CONNECTION},
        {ZRPC_ERR_LISTEN, EXIT_CONNECTION},
        {ZRPC_ERR_UNAVAILABLE, EXIT_CONNECTION},
        {ZRPC_ERR_RESET, EXIT_CONNECTION},
        {ZRPC_ERR_TLS, EXIT_CONNECTION},
        {ZRPC_ERR_VERSION, EXIT_PROTOCOL},
        {ZRPC_ERR_READ_TIMEOUT, EXIT_TIMEOUT},
        {ZRPC_ERR_SYSTEM, EXIT_LOCAL},
        {ZRPC_ERR_NOMEM, EXIT_LOCAL},
        {ZRPC_ERR_CANCELLED, EXIT_LOCAL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_INT(cli_exit_status(rows[i].code), rows[i].status);
}

/* What a call printed to a stream. */
static const char *printed(void (*print)(FILE *out, const void *what), const void *what)
{
    static char text[512];
    FILE *out = fmemopen(text, sizeof text, "w");

    memset(text, 0, sizeof text);
    print(out, what);
    fclose(out);
    return text;
}

static void print_text(FILE *out, const void *what)
{
    cli_print_escaped(out, what);
}

static void print_line(FILE *out, const void *what)
{
    cli_printf(out, "%s: %d\n", (const char *)what, 7);
}

static void print_json(FILE *out, const void *what)
{
    json_t *json = json_pack("{s:s}", "x", what);

    cli_print_json(out, json);
    json_decref(json);
}

static void peers_texts_are_shown_not_obeyed(void)
{
    static const struct {
        const char *text, *shown, *json;
    } rows[] = {
        {"pool/caf\xc3\xa9 \xe2\x9c\x93 a\\b", "pool/caf\xc3\xa9 \xe2\x9c\x93 a\\b",
         "pool/caf\xc3\xa9 \xe2\x9c\x93 a\\\\b"},
        {"\x1b]0;title\x07", "\\x1b]0;title\\x07", "\\u001B]0;title\\u0007"},
        {"ok\nzrpc list: forged\r\t", "ok\\nzrpc list: forged\\r\\t", "ok\\nzrpc list: forged\\r\\t"},
        {"\x7f\xc2\x9b"
         "2J",
         "\\x7f\\u009b2J", "\\u007f\\u009b2J"},
        {"\xe2\x80\xae"
         "exe",
         "\\u202eexe", "\\u202eexe"},
    };
    char expected[200];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_STR(printed(print_text, rows[i].text), rows[i].shown);
        snprintf(expected, sizeof expected, "{\n  \"x\": \"%s\"\n}\n", rows[i].json);
        CHECK_STR(printed(print_json, rows[i].text), expected);
    }
    CHECK_STR(printed(print_text, "a\xff"), "a\\xff");
    CHECK_STR(printed(print_line, "a\nb\x1b"), "a\\nb\\x1b: 7\n");
}

/* Standard output is where the kernel has no room. */
static void full_output_is_noticed(void)
{
    int saved = dup(STDOUT_FILENO), saved_err = dup(STDERR_FILENO), fds[2], full;
    char said[200] = "";
    ssize_t n;

    fflush(stdout);
    full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
    dup2(full, STDOUT_FILENO);
    dup2(fds[1], STDERR_FILENO);
    CHECK_INT(cli_finish("tool", EXIT_DONE), EXIT_DONE); /* nothing was printed */
    printf("something");
    CHECK_INT(cli_finish("tool", EXIT_DONE), EXIT_LOCAL);
    CHECK_INT(cli_finish("tool", EXIT_FAILED), EXIT_FAILED);
    CHECK_INT(cli_finish("tool", EXIT_LOCAL), EXIT_LOCAL);
    clearerr(stdout);
    dup2(saved, STDOUT_FILENO);
    dup2(saved_err, STDERR_FILENO);
    n = read(fds[0], said, sizeof said - 1);
    CHECK(n > 0);
    CHECK_CONTAINS(said, "tool: cannot write to standard output: No space left on device\n");
    close(fds[0]);
    close(fds[1]);
    close(full);
    close(saved);
    close(saved_err);
}

static const struct zrpc_test tests[] = {
    {"options are taken", options_are_taken},
    {"positional arguments have no limit", positional_arguments_have_no_limit},
    {"mistakes are named", mistakes_are_named},
    {"codes have exit statuses", codes_have_exit_statuses},
    {"peers' texts are shown, not obeyed", peers_texts_are_shown_not_obeyed},
    {"full output is noticed", full_output_is_noticed},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("cli", tests, argc, argv);
}
