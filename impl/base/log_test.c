#include "testing/suite.h"

#include <stdio.h>
#include <unistd.h>

#include "zrpc/log.h"

struct capture {
    int lines;
    enum zrpc_log_level level;
    char line[ZRPC_LOG_LINE_MAX + 100];
};

static void capture_line(void *ctx, enum zrpc_log_level level, const char *line)
{
    struct capture *c = ctx;

    c->lines++;
    c->level = level;
    snprintf(c->line, sizeof c->line, "%s", line);
}

static struct zrpc_log logger(struct capture *c, enum zrpc_log_level level)
{
    *c = (struct capture){0};
    return (struct zrpc_log){.sink = capture_line, .ctx = c, .level = level};
}

static void lines_are_logfmt(void)
{
    struct capture c;
    struct zrpc_log log = logger(&c, ZRPC_LOG_DEBUG);

    zrpc_log(&log, ZRPC_LOG_INFO, "accepted", "peer", "tcp:[::1]:88", "identity", "a b", "x", NULL, NULL);
    CHECK_STR(c.line, "level=info msg=accepted peer=tcp:[::1]:88 identity=\"a b\" x=");
    CHECK_INT(c.level, ZRPC_LOG_INFO);
    zrpc_log(&log, ZRPC_LOG_ERROR, "two words", NULL);
    CHECK_STR(c.line, "level=error msg=\"two words\"");
}

static void values_are_escaped(void)
{
    static const struct {
        const char *value, *expected;
    } rows[] = {
        {"plain", "plain"},
        {"", ""},
        {"a=b", "\"a=b\""},
        {"say \"x\"", "\"say \\\"x\\\"\""},
        {"C:\\dir", "\"C:\\\\dir\""},
        {"a\nb\rc\td", "\"a\\nb\\rc\\td\""},
        {"\x01\x7f", "\"\\u0001\\u007f\""},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"x\xff\xc3", "\"x\\ufffd\\ufffd\""},
        {"\x1b[2J", "\"\\u001b[2J\""},
        {"\xc2\x9b"
         "2J",
         "\"\\u009b2J\""},
        {"x\xe2\x80\xa8level=info", "\"x\\u2028level=info\""},
        {"\xe2\x80\xaegpj.exe", "\"\\u202egpj.exe\""},
        {"\xe2\x80\xa7\xe2\x80\xaf", "\xe2\x80\xa7\xe2\x80\xaf"},
    };
    struct capture c;
    struct zrpc_log log = logger(&c, ZRPC_LOG_DEBUG);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[100];

        snprintf(expected, sizeof expected, "level=debug msg=m v=%s", rows[i].expected);
        zrpc_log(&log, ZRPC_LOG_DEBUG, "m", "v", rows[i].value, NULL);
        CHECK_STR(c.line, expected);
    }
}

static void levels_above_are_discarded(void)
{
    struct capture c;
    struct zrpc_log log = logger(&c, ZRPC_LOG_WARN), none = {.level = ZRPC_LOG_DEBUG};

    zrpc_log(&log, ZRPC_LOG_INFO, "x", NULL);
    CHECK_INT(c.lines, 0);
    zrpc_log(&log, ZRPC_LOG_WARN, "x", NULL);
    zrpc_log(&log, ZRPC_LOG_ERROR, "x", NULL);
    CHECK_INT(c.lines, 2);
    zrpc_log(NULL, ZRPC_LOG_ERROR, "x", NULL);
    zrpc_log(&none, ZRPC_LOG_ERROR, "x", NULL);
    CHECK_INT(c.lines, 2);
}

static void fields_are_inherited(void)
{
    struct capture c;
    struct zrpc_log log = logger(&c, ZRPC_LOG_DEBUG), child, orphan;

    zrpc_log_with(&child, &log, "subsystem", "rpc.data");
    zrpc_log_with(&child, &child, "conn", "7 of 9");
    zrpc_log(&child, ZRPC_LOG_INFO, "m", "k", "v", NULL);
    CHECK_STR(c.line, "level=info subsystem=rpc.data conn=\"7 of 9\" msg=m k=v");
    zrpc_log(&log, ZRPC_LOG_INFO, "m", NULL);
    CHECK_STR(c.line, "level=info msg=m");
    zrpc_log_with(&orphan, NULL, "a", "b");
    zrpc_log(&orphan, ZRPC_LOG_ERROR, "m", NULL);
    CHECK_INT(c.lines, 2);
}

static void long_values_are_cut_and_marked(void)
{
    struct capture c;
    struct zrpc_log log = logger(&c, ZRPC_LOG_DEBUG), child = log;
    char longer[ZRPC_LOG_LINE_MAX + 50];

    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    zrpc_log(&log, ZRPC_LOG_INFO, "m", "v", longer, "after", "it", NULL);
    CHECK(strlen(c.line) < ZRPC_LOG_LINE_MAX);
    CHECK(strlen(c.line) > ZRPC_LOG_LINE_MAX - 16);
    CHECK_STR(c.line + strlen(c.line) - 5, "x...\"");
    CHECK_CONTAINS(c.line, "level=info msg=m v=\"xxx");
    for (int i = 0; i < 100; i++)
        zrpc_log_with(&child, &child, "key", "some value that takes room");
    CHECK(strlen(child.fields) < sizeof child.fields);
    zrpc_log(&child, ZRPC_LOG_INFO, "still here", NULL);
    CHECK_CONTAINS(c.line, " msg=\"still here\"");
    memset(longer, '\n', sizeof longer - 1);
    zrpc_log(&log, ZRPC_LOG_INFO, longer, NULL);
    CHECK_STR(c.line + strlen(c.line) - 6, "\\n...\"");
}

static void stderr_gets_the_time(void)
{
    struct zrpc_log log;
    int ends[2], saved = dup(STDERR_FILENO);
    char line[200] = "";

    if (!CHECK(saved >= 0 && pipe(ends) == 0))
        return;
    zrpc_log_init_stderr(&log, ZRPC_LOG_INFO);
    dup2(ends[1], STDERR_FILENO);
    zrpc_log(&log, ZRPC_LOG_INFO, "hello", NULL);
    dup2(saved, STDERR_FILENO);
    CHECK(read(ends[0], line, sizeof line - 1) > 0);
    CHECK_CONTAINS(line, "time=20");
    CHECK_STR(line + 5 + strlen("2006-01-02T15:04:05.000"), "Z level=info msg=hello\n");
    close(ends[0]);
    close(ends[1]);
    close(saved);
}

static void level_names(void)
{
    enum zrpc_log_level level = ZRPC_LOG_ERROR;

    CHECK_OK(zrpc_log_level_parse("debug", &level));
    CHECK_INT(level, ZRPC_LOG_DEBUG);
    CHECK_OK(zrpc_log_level_parse("error", &level));
    CHECK_INT(level, ZRPC_LOG_ERROR);
    CHECK_CODE(zrpc_log_level_parse("loud", &level), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_log_level_parse("", &level), ZRPC_ERR_USAGE);
}

static const struct zrpc_test tests[] = {
    {"lines are logfmt", lines_are_logfmt},
    {"values are escaped", values_are_escaped},
    {"levels above are discarded", levels_above_are_discarded},
    {"fields are inherited", fields_are_inherited},
    {"long values are cut and marked", long_values_are_cut_and_marked},
    {"stderr gets the time", stderr_gets_the_time},
    {"level names", level_names},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("log", tests, argc, argv);
}
