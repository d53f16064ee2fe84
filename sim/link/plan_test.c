#include "sim/link/plan.h"

#include <stdio.h>

#include "testing/suite.h"

static int parse(const char *text, struct zrpc_link_plan *out, struct zrpc_error *err)
{
    zrpc_link_plan_init(out);
    return zrpc_link_plan_parse(out, "plan.yml", zrpc_view_of(text), err);
}

static void a_plan_with_everything(void)
{
    struct zrpc_link_plan p;
    struct zrpc_error err = {0};
    char text[ZRPC_LINK_FAULT_TEXT_MAX];

    if (!CHECK_OK(
            parse("listen: tcp:127.0.0.1:0\n"
                  "connect: unix:/tmp/x\n"
                  "protocol: frames\n"
                  "buffer: 64KiB\n"
                  "seed: 7\n"
                  "control: /tmp/c\n"
                  "record: /tmp/r\n"
                  "random: {faults: 2, connections: 3, bytes: 1MiB, time: 5s, actions: [eof, stall]}\n"
                  "faults:\n"
                  "  - {action: latency, delay: 20ms, jitter: 5ms, for: 1m}\n"
                  "  - action: slice\n"
                  "    direction: to-client\n"
                  "    at: after the header of the 3rd frame\n"
                  "    sizes: [1, 7KiB]\n"
                  "    gap: 1ms\n"
                  "  - {action: resume, direction: to-client, at: before heartbeat 2, watch: to-server}\n"
                  "  - {action: corrupt, connection: 4, at: inside banner byte 11, length: 2, mask: 0x80}\n",
                  &p, &err)))
        printf("%s\n", err.text);
    CHECK_STR(p.connect, "unix:/tmp/x");
    CHECK_INT(p.protocol, ZRPC_LINK_FRAMES);
    CHECK_INT(p.buffer, 65536);
    CHECK_INT(p.random.actions, 1u << ZRPC_LINK_EOF | 1u << ZRPC_LINK_STALL);
    CHECK_INT(p.n_faults, 4);
    CHECK_STR(zrpc_link_fault_format(&p.faults[0], text),
              "{action: latency, for: 1m0s, delay: 20ms, jitter: 5ms}");
    CHECK_STR(
        zrpc_link_fault_format(&p.faults[1], text),
        "{action: slice, direction: to-client, at: after the header of frame 3, sizes: [1, 7168], gap: 1ms}");
    CHECK_STR(zrpc_link_fault_format(&p.faults[2], text),
              "{action: resume, direction: to-client, at: before heartbeat 2, watch: to-server}");
    CHECK_STR(zrpc_link_fault_format(&p.faults[3], text),
              "{action: corrupt, connection: 4, at: inside banner 1 byte 11, length: 2, mask: 0x80}");
    zrpc_link_plan_dispose(&p);
}

static void every_mistake_is_named_with_its_line(void)
{
    static const char *const expected[] = {
        "plan.yml:1: protocol: unknown protocol \"http\"",
        "plan.yml:2: buffer: 0, expected 1 to",
        "plan.yml:3: sede: unknown key",
        "plan.yml:5: action: unknown action \"explode\"",
        "plan.yml:6: at: position: \"heartbeet\", expected banner, label",
        "plan.yml:7: fault: slow-close needs \"delay\"",
        "plan.yml:8: fault: eof has no \"rate\"",
        "plan.yml:9: sizes: 0, expected 1 to",
        "plan.yml:10: direction: unknown direction \"up\"",
        "plan.yml:11: fault: refuse strikes before there are bytes",
        "plan.yml:12: mask: 256, expected",
    };
    struct zrpc_link_plan p;
    struct zrpc_error err = {0};

    CHECK_CODE(parse("protocol: http\n"
                     "buffer: 0\n"
                     "sede: 4\n"
                     "faults:\n"
                     "  - {action: explode}\n"
                     "  - {action: eof, at: before the 2nd heartbeet}\n"
                     "  - {action: slow-close}\n"
                     "  - {action: eof, rate: 5}\n"
                     "  - {action: slice, sizes: [0]}\n"
                     "  - {action: eof, direction: up}\n"
                     "  - {action: refuse, at: byte 4}\n"
                     "  - {action: corrupt, mask: 256}\n",
                     &p, &err),
               ZRPC_ERR_USAGE);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        CHECK_CONTAINS(err.text, expected[i]);
    zrpc_link_plan_dispose(&p);
}

static void shapes_that_are_wrong(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"faults: {action: eof}", "plan.yml:1: faults: expected a sequence"},
        {"faults: [eof]", "plan.yml:1: faults: expected a mapping with an action"},
        {"faults: [{at: byte 1}]", "action is missing"},
        {"- 1", "expected a mapping"},
        {"random: {faults: 1, bytes: 0}", "plan.yml:1: bytes: 0, expected"},
        {"random: {faults: 1, actions: [refuse]}", "refuse cannot be made up"},
        {"schedule: [{ended: to-server, connection: 1}]", "bytes is missing"},
        {"faults: [{action: eof, connection: 0}]", "connection: 0, expected 1"},
        {"faults: [{action: eof, at: [1]}]", "at: expected a string"},
        {"{", "plan.yml:2: did not find"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_link_plan p;
        struct zrpc_error err = {0};

        CHECK_CODE(parse(rows[i].text, &p, &err), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(err.text, rows[i].says);
        zrpc_link_plan_dispose(&p);
    }
}

static void positions_are_words(void)
{
    static const struct {
        const char *text, *means;
    } rows[] = {
        {"start", "byte 0"},
        {"byte 12", "byte 12"},
        {"end", "end"},
        {"closed", "closed"},
        {"before the banner", "before banner 1"},
        {"before  the 2nd  heartbeat", "before heartbeat 2"},
        {"before heartbeat 2", "before heartbeat 2"},
        {"after the header of frame 3", "after the header of frame 3"},
        {"after the header of every data", "after the header of every data"},
        {"after next rst", "after next rst"},
        {"inside the 11th trailer byte 4", "inside trailer 11 byte 4"},
    };
    static const char *const wrong[] = {
        "",
        "before",
        "before the",
        "before 2",
        "byte",
        "byte x",
        "byte -1",
        "after header frame 3",
        "inside banner",
        "inside frame 1 byte 2 3",
        "before frame 0",
        "before the 0th frame",
        "before the 2xx frame",
        "after the header of the banner",
        "byte 99999999999999999999999",
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_link_position at = {.watch = ZRPC_LINK_BOTH}, again = at;
        char text[ZRPC_LINK_POSITION_TEXT_MAX], twice[ZRPC_LINK_POSITION_TEXT_MAX];

        CHECK_OK(zrpc_link_position_parse(rows[i].text, &at, NULL));
        CHECK_STR(zrpc_link_position_format(&at, text), rows[i].means);
        CHECK_OK(zrpc_link_position_parse(text, &again, NULL));
        CHECK_STR(zrpc_link_position_format(&again, twice), text);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct zrpc_link_position at = {.watch = ZRPC_LINK_BOTH};

        if (!CHECK_CODE(zrpc_link_position_parse(wrong[i], &at, NULL), ZRPC_ERR_USAGE))
            printf("\"%s\"\n", wrong[i]);
    }
}

static void chance_repeats_with_the_seed(void)
{
    struct zrpc_link_plan p;
    unsigned actions = 0, total = 0;

    zrpc_link_plan_init(&p);
    p.random.faults = 3;
    p.random.connections = 50;
    for (p.seed = 1; p.seed <= 100; p.seed++) {
        for (uint32_t connection = 1; connection <= 60; connection++) {
            struct zrpc_link_fault f, again;
            char a[ZRPC_LINK_FAULT_TEXT_MAX], b[ZRPC_LINK_FAULT_TEXT_MAX];
            struct zrpc_error err = {0};
            unsigned i = 0;

            for (; zrpc_link_plan_random(&p, connection, i, &f); i++) {
                CHECK(zrpc_link_plan_random(&p, connection, i, &again));
                CHECK_STR(zrpc_link_fault_format(&f, a), zrpc_link_fault_format(&again, b));
                if (!CHECK_OK(zrpc_link_fault_check(&f, &err)))
                    printf("%s: %s\n", a, err.text);
                CHECK_OK(zrpc_link_fault_parse(a, &again, &err));
                CHECK_STR(zrpc_link_fault_format(&again, b), a);
                actions |= 1u << f.action;
            }
            CHECK(connection <= 50 ? i >= 1 && i <= 3 : i == 0);
            total += i;
        }
    }
    CHECK(total > 9000 && total < 11000);
    CHECK_INT(actions, (1u << ZRPC_LINK_CORRUPT) - 1 - (1u << ZRPC_LINK_RESUME));
    zrpc_link_plan_dispose(&p);
}

static const struct zrpc_test tests[] = {
    {"a plan with everything", a_plan_with_everything},
    {"every mistake is named with its line", every_mistake_is_named_with_its_line},
    {"shapes that are wrong", shapes_that_are_wrong},
    {"positions are words", positions_are_words},
    {"chance repeats with the seed", chance_repeats_with_the_seed},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("link-plan", tests, argc, argv);
}
