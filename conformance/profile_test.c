#include "conformance/profile.h"
#include "conformance/text.h"
#include "testing/suite.h"

static const char *parse_error(const char *yaml)
{
    static struct zrpc_error err;
    struct zrpc_profile p;

    err.text[0] = '\0';
    CHECK_CODE(zrpc_profile_parse(&p, "p.yaml", yaml, &err), ZRPC_ERR_USAGE);
    return err.text;
}

static void the_reference_profile(void)
{
    struct zrpc_profile p;
    struct zrpc_error err;

    if (!CHECK_OK(zrpc_profile_init(&p, &err)))
        return;
    CHECK_INT(p.protocol_version, 1);
    CHECK_INT(p.timing.heartbeat_interval, 5 * ZRPC_SECOND);
    CHECK(p.offers[ZRPC_OFFER_SEND_FULL].present);
    CHECK_STR(p.offers[ZRPC_OFFER_SEND_FULL].filesystem, "demo/medium");
    CHECK_INT(p.offers[ZRPC_OFFER_RECEIVE_ACCEPTED].content, ZRPC_CONTENT_SENT);
    CHECK(!p.offers[ZRPC_OFFER_SEND_EMPTY].present);
    zrpc_profile_dispose(&p);
}

static void everything_is_read(void)
{
    struct zrpc_profile p;
    struct zrpc_error err;

    if (!CHECK_OK(zrpc_profile_parse(
            &p, "p.yaml",
            "protocol_version: 7\n"
            "timing: {prompt: 1m30s, early: 0}\n"
            "send:\n"
            "  increment: {filesystem: a/b, from: '#x', to: '@y', size: 12345678901, sha256: ff}\n"
            "receive:\n"
            "  stalling: {filesystem: 'c-%', pause: 300ms, content: sent}\n",
            &err)))
        return;
    CHECK_INT(p.protocol_version, 7);
    CHECK_INT(p.timing.prompt, 90 * ZRPC_SECOND);
    CHECK_INT(p.timing.early, 0);
    CHECK_INT(p.timing.shutdown, 10 * ZRPC_SECOND);
    CHECK_STR(p.offers[ZRPC_OFFER_SEND_INCREMENT].from, "#x");
    CHECK_STR(p.offers[ZRPC_OFFER_SEND_INCREMENT].to, "@y");
    CHECK_STR(p.offers[ZRPC_OFFER_SEND_INCREMENT].sha256, "ff");
    CHECK_INT(p.offers[ZRPC_OFFER_SEND_INCREMENT].size, 12345678901);
    CHECK_INT(p.offers[ZRPC_OFFER_RECEIVE_STALLING].pause, 300 * ZRPC_MILLISECOND);
    CHECK(!p.offers[ZRPC_OFFER_SEND_FULL].present);
    zrpc_profile_dispose(&p);
}

static void content_of_a_file(void)
{
    static const char text[] = "receive: {accepted: {filesystem: a, content: 'file:/proc/self/exe'}}\n";
    struct zrpc_buf printed = {0};
    struct zrpc_profile p;
    struct zrpc_error err;

    if (!CHECK_OK(zrpc_profile_parse(&p, "p.yaml", text, &err)))
        return;
    CHECK_INT(p.offers[ZRPC_OFFER_RECEIVE_ACCEPTED].content, ZRPC_CONTENT_FILE);
    CHECK_STR(p.offers[ZRPC_OFFER_RECEIVE_ACCEPTED].file, "/proc/self/exe");
    zrpc_profile_print(&p, &printed);
    CHECK_CONTAINS(zrpc_text_str(&printed), "content: \"file:/proc/self/exe\"}");
    zrpc_buf_dispose(&printed);
    zrpc_profile_dispose(&p);
    CHECK_STR(parse_error("receive: {accepted: {filesystem: a, content: 'file:/no/such'}}"),
              "p.yaml:1: No such file or directory: /no/such");
}

static void what_is_printed_can_be_read(void)
{
    struct zrpc_buf first = {0}, second = {0};
    struct zrpc_profile p, again;
    struct zrpc_error err;

    if (!CHECK_OK(zrpc_profile_init(&p, &err)))
        return;
    zrpc_profile_print(&p, &first);
    if (CHECK_OK(zrpc_profile_parse(&again, "printed", zrpc_text_str(&first), &err))) {
        zrpc_profile_print(&again, &second);
        CHECK_STR(zrpc_text_str(&second), zrpc_text_str(&first));
        zrpc_profile_dispose(&again);
    }
    zrpc_buf_dispose(&first);
    zrpc_buf_dispose(&second);
    zrpc_profile_dispose(&p);
}

static void mistakes_name_their_line(void)
{
    CHECK_STR(parse_error("sent: {}"), "p.yaml:1: unknown key: sent");
    CHECK_STR(parse_error("timing:\n  prompt: soon"), "p.yaml:2: expected a duration such as 1.5s: soon");
    CHECK_STR(parse_error("timing: {prompt: -1s}"), "p.yaml:1: expected a duration such as 1.5s: -1s");
    CHECK_STR(parse_error("timing: {speed: 1s}"), "p.yaml:1: unknown key: speed");
    CHECK_STR(parse_error("send:\n  all: {filesystem: a, to: '@1'}"), "p.yaml:2: unknown key: all");
    CHECK_STR(parse_error("send: {full: {to: '@1'}}"), "p.yaml:1: filesystem is missing");
    CHECK_STR(parse_error("send: {full: {filesystem: a}}"), "p.yaml:1: to is missing");
    CHECK_STR(parse_error("send: {full: {filesystem: a, to: '@1', size: 1k}}"),
              "p.yaml:1: expected a number: 1k");
    CHECK_STR(parse_error("receive: {accepted: {filesystem: a, content: any}}"),
              "p.yaml:1: expected bytes, sent or file:PATH: any");
    CHECK_STR(parse_error("receive: {accepted: {filesystem: [a]}}"), "p.yaml:1: expected a text");
    CHECK_STR(parse_error("send: 1"), "p.yaml:1: expected a mapping");
    CHECK_CONTAINS(parse_error("send: {\n"), "p.yaml:");
}

static void a_missing_file_is_an_error(void)
{
    struct zrpc_profile p;
    struct zrpc_error err;

    CHECK_CODE(zrpc_profile_load(&p, "/nowhere.yaml", &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "/nowhere.yaml");
    CHECK_CODE(zrpc_profile_load(&p, "/dev/zero", &err), ZRPC_ERR_LIMIT);
}

static const struct zrpc_test tests[] = {
    {"the reference profile", the_reference_profile},
    {"everything is read", everything_is_read},
    {"content of a file", content_of_a_file},
    {"what is printed can be read", what_is_printed_can_be_read},
    {"mistakes name their line", mistakes_name_their_line},
    {"a missing file is an error", a_missing_file_is_an_error},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("profile", tests, argc, argv);
}
