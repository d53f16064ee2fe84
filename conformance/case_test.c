#include <stdlib.h>

#include "conformance/case.h"
#include "testing/suite.h"

static void nothing(struct zrpc_run *run)
{
    (void)run;
}

static const struct zrpc_case good = {
    .id = "area.one",
    .title = "A sentence",
    .requirements = {"ZR-FRAME-007"},
    .legal = "this",
    .budget = 1,
    .run = nothing,
};

/* The error of a table of one area with these cases; "" for none. */
static const char *check(const struct zrpc_case *cases, size_t n, enum zrpc_role role)
{
    static struct zrpc_error err;
    const struct zrpc_area area = {.name = "area", .title = "An area", .role = role, .cases = cases, .n = n};
    const struct zrpc_area *const areas[] = {&area};
    const struct zrpc_case_table table = {.areas = areas, .n = 1};

    err.text[0] = '\0';
    if (zrpc_case_table_check(&table, &err) == 0)
        return "";
    CHECK_INT(err.code, ZRPC_ERR_USAGE);
    return err.text;
}

static void the_suites_table_is_valid(void)
{
    struct zrpc_error err;

    CHECK_OK(zrpc_case_table_check(&zrpc_cases, &err));
}

static void each_mistake_is_named(void)
{
    struct zrpc_case c = good;

    CHECK_STR(check(&c, 1, ZRPC_ROLE_SERVER), "");
    c.id = "other.one";
    CHECK_CONTAINS(check(&c, 1, ZRPC_ROLE_SERVER), "\"other.one\"");
    c.id = "area.One";
    CHECK_CONTAINS(check(&c, 1, ZRPC_ROLE_SERVER), "area.name-in-lower-case");
    c.id = "area.";
    CHECK_CONTAINS(check(&c, 1, ZRPC_ROLE_SERVER), "area.");
    c = good;
    c.title = "";
    CHECK_CONTAINS(check(&c, 1, ZRPC_ROLE_SERVER), "no title");
    c = good;
    c.legal = NULL;
    CHECK_CONTAINS(check(&c, 1, ZRPC_ROLE_SERVER), "no legal outcome");
    c = good;
    c.budget = 0;
    CHECK_CONTAINS(check(&c, 1, ZRPC_ROLE_SERVER), "no time budget");
    c = good;
    c.run = NULL;
    CHECK_CONTAINS(check(&c, 1, ZRPC_ROLE_SERVER), "no function");
}

static void requirements_must_fit(void)
{
    struct zrpc_case c = good;

    c.requirements[0] = NULL;
    CHECK_CONTAINS(check(&c, 1, ZRPC_ROLE_SERVER), "no requirement");
    c.requirements[0] = "ZR-FRAME-999";
    CHECK_CONTAINS(check(&c, 1, ZRPC_ROLE_SERVER), "no requirement ZR-FRAME-999");
    c.requirements[0] = "ZR-REQ-009"; /* of the passive side */
    CHECK_STR(check(&c, 1, ZRPC_ROLE_SERVER), "");
    CHECK_CONTAINS(check(&c, 1, ZRPC_ROLE_CLIENT), "obliges \"passive\"");
    c.requirements[0] = "ZR-FRAME-012"; /* a SHOULD */
    CHECK_CONTAINS(check(&c, 1, ZRPC_ROLE_SERVER), "its level is MUST");
    c.level = ZRPC_SHOULD;
    CHECK_STR(check(&c, 1, ZRPC_ROLE_SERVER), "");
}

static void an_id_is_used_once(void)
{
    const struct zrpc_case two[] = {good, good};

    CHECK_CONTAINS(check(two, 2, ZRPC_ROLE_SERVER), "used twice");
}

static size_t selected(const struct zrpc_selection *sel, struct zrpc_error *err)
{
    struct zrpc_selected *list = NULL;
    size_t n = 0;

    err->text[0] = '\0';
    if (zrpc_case_select(&zrpc_cases, sel, &list, &n, err) < 0)
        return 0;
    free(list);
    return n;
}

static void selections_narrow(void)
{
    const char *globs[] = {"frame.one-byte-payload", "request.ping*"}, *areas[] = {"frame"};
    struct zrpc_selection sel = {.weakest = ZRPC_MAY};
    struct zrpc_error err;
    size_t all = selected(&sel, &err), n;

    CHECK(all > 100);
    sel.no_slow = true;
    n = selected(&sel, &err);
    CHECK(n > 50 && n < all);
    sel = (struct zrpc_selection){.weakest = ZRPC_MUST};
    n = selected(&sel, &err);
    CHECK(n > 50 && n < all);
    sel = (struct zrpc_selection){.weakest = ZRPC_MAY, .globs = globs, .n_globs = 2};
    CHECK_INT(selected(&sel, &err), 5);
    sel.areas = areas;
    sel.n_areas = 1;
    CHECK_INT(selected(&sel, &err), 1);
}

static void selecting_nothing_is_an_error(void)
{
    const char *globs[] = {"request.ping"}, *wrong[] = {"request.pong"}, *areas[] = {"frame"},
               *no_area[] = {"fame"};
    struct zrpc_selection sel = {.weakest = ZRPC_MAY, .globs = wrong, .n_globs = 1};
    struct zrpc_error err;

    CHECK_INT(selected(&sel, &err), 0);
    CHECK_CONTAINS(err.text, "no case matches \"request.pong\"");
    sel = (struct zrpc_selection){.weakest = ZRPC_MAY, .areas = no_area, .n_areas = 1};
    CHECK_INT(selected(&sel, &err), 0);
    CHECK_CONTAINS(err.text, "no area \"fame\"");
    sel = (struct zrpc_selection){
        .weakest = ZRPC_MAY, .globs = globs, .n_globs = 1, .areas = areas, .n_areas = 1};
    CHECK_INT(selected(&sel, &err), 0);
    CHECK_STR(err.text, "no case is selected");
}

static void requirements_come_from_the_specification(void)
{
    const struct zrpc_requirement *r = zrpc_requirement_find("ZR-FRAME-007");

    CHECK(zrpc_requirements_count > 250);
    if (!CHECK(r != NULL))
        return;
    CHECK_STR(r->level, "MUST");
    CHECK_STR(r->who, "receiver");
    CHECK_STR(r->text, "A frame with a payload of 1 byte is accepted.");
    CHECK(zrpc_requirement_obliges(r, ZRPC_ROLE_SERVER) && zrpc_requirement_obliges(r, ZRPC_ROLE_CLIENT));
    CHECK(zrpc_requirement_find("ZR-FRAME-07") == NULL);
    CHECK_INT(zrpc_requirement_level(zrpc_requirement_find("ZR-HB-004")), ZRPC_MAY);
    CHECK(!zrpc_requirement_obliges(zrpc_requirement_find("ZR-WIRE-001"), ZRPC_ROLE_SERVER));
}

static const struct zrpc_test tests[] = {
    {"the suite's own table is valid", the_suites_table_is_valid},
    {"each mistake in a table is named", each_mistake_is_named},
    {"requirements exist, oblige the role, and rule the level", requirements_must_fit},
    {"an id is used once", an_id_is_used_once},
    {"selections narrow", selections_narrow},
    {"selecting nothing is an error", selecting_nothing_is_an_error},
    {"requirements come from the specification", requirements_come_from_the_specification},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("case", tests, argc, argv);
}
