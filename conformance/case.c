#include "conformance/case.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

const char *zrpc_channel_name(enum zrpc_channel channel)
{
    return channel == ZRPC_CHANNEL_DATA ? "data" : "control";
}

static bool id_is_wellformed(const struct zrpc_area *area, const char *id)
{
    size_t prefix = strlen(area->name);

    if (strncmp(id, area->name, prefix) != 0 || id[prefix] != '.' || id[prefix + 1] == '\0')
        return false;
    for (const char *p = id + prefix + 1; *p != '\0'; p++)
        if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '-')
            return false;
    return true;
}

static int check_requirements(const struct zrpc_area *area, const struct zrpc_case *tc,
                              struct zrpc_error *err)
{
    const struct zrpc_requirement *r;

    if (tc->requirements[0] == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: no requirement", tc->id);
    for (size_t i = 0; i < ZRPC_CASE_REQUIREMENTS_MAX && tc->requirements[i] != NULL; i++) {
        r = zrpc_requirement_find(tc->requirements[i]);
        if (r == NULL)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: the specification has no requirement %s", tc->id,
                             tc->requirements[i]);
        if (!zrpc_requirement_obliges(r, area->role))
            return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: %s obliges \"%s\", which a %s is not", tc->id,
                             r->id, r->who, zrpc_role_name(area->role));
        if (i == 0 && zrpc_requirement_level(r) != tc->level)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: its level is %s, but %s says %s", tc->id,
                             zrpc_level_name(tc->level), r->id, r->level);
    }
    return 0;
}

static int check_case(const struct zrpc_area *area, const struct zrpc_case *tc, struct zrpc_error *err)
{
    if (tc->id == NULL || !id_is_wellformed(area, tc->id))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "area %s: case id \"%s\", expected %s.name-in-lower-case",
                         area->name, tc->id == NULL ? "" : tc->id, area->name);
    if (tc->title == NULL || tc->title[0] == '\0')
        return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: no title", tc->id);
    if (tc->legal == NULL || tc->legal[0] == '\0')
        return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: no legal outcome named", tc->id);
    if (tc->budget == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: no time budget", tc->id);
    if (tc->run == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: no function", tc->id);
    return check_requirements(area, tc, err);
}

/* How many cases of the table have this id. */
static size_t count_id(const struct zrpc_case_table *table, const char *id)
{
    size_t count = 0;

    for (size_t a = 0; a < table->n; a++)
        for (size_t c = 0; c < table->areas[a]->n; c++)
            if (table->areas[a]->cases[c].id != NULL && strcmp(table->areas[a]->cases[c].id, id) == 0)
                count++;
    return count;
}

int zrpc_case_table_check(const struct zrpc_case_table *table, struct zrpc_error *err)
{
    int rc;

    for (size_t a = 0; a < table->n; a++) {
        const struct zrpc_area *area = table->areas[a];

        for (size_t c = 0; c < area->n; c++) {
            rc = check_case(area, &area->cases[c], err);
            if (rc < 0)
                return rc;
            if (count_id(table, area->cases[c].id) != 1)
                return zrpc_fail(err, ZRPC_ERR_USAGE, "case %s: the id is used twice", area->cases[c].id);
        }
    }
    return 0;
}

static bool in_areas(const struct zrpc_selection *sel, const char *name)
{
    for (size_t i = 0; i < sel->n_areas; i++)
        if (strcmp(sel->areas[i], name) == 0)
            return true;
    return sel->n_areas == 0;
}

static bool in_globs(const struct zrpc_selection *sel, const char *id)
{
    for (size_t i = 0; i < sel->n_globs; i++)
        if (fnmatch(sel->globs[i], id, 0) == 0)
            return true;
    return sel->n_globs == 0;
}

static bool is_selected(const struct zrpc_selection *sel, const struct zrpc_area *area,
                        const struct zrpc_case *tc)
{
    return area->role == sel->role && tc->level <= sel->weakest &&
           !(sel->no_slow && tc->flags & ZRPC_CASE_SLOW) && in_areas(sel, area->name) &&
           in_globs(sel, tc->id);
}

/* A pattern that can never select anything is a typing mistake. */
static int check_patterns(const struct zrpc_case_table *table, const struct zrpc_selection *sel,
                          struct zrpc_error *err)
{
    bool found;

    for (size_t i = 0; i < sel->n_areas; i++) {
        found = false;
        for (size_t a = 0; a < table->n; a++)
            found = found || strcmp(table->areas[a]->name, sel->areas[i]) == 0;
        if (!found)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "there is no area \"%s\"", sel->areas[i]);
    }
    for (size_t i = 0; i < sel->n_globs; i++) {
        found = false;
        for (size_t a = 0; a < table->n; a++)
            for (size_t c = 0; c < table->areas[a]->n; c++)
                found = found || fnmatch(sel->globs[i], table->areas[a]->cases[c].id, 0) == 0;
        if (!found)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "no case matches \"%s\"", sel->globs[i]);
    }
    return 0;
}

int zrpc_case_select(const struct zrpc_case_table *table, const struct zrpc_selection *sel,
                     struct zrpc_selected **out, size_t *n, struct zrpc_error *err)
{
    struct zrpc_selected *list;
    size_t total = 0;
    int rc;

    rc = check_patterns(table, sel, err);
    if (rc < 0)
        return rc;
    for (size_t a = 0; a < table->n; a++)
        total += table->areas[a]->n;
    list = calloc(total > 0 ? total : 1, sizeof *list);
    if (list == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "selecting cases");
    *n = 0;
    for (size_t a = 0; a < table->n; a++)
        for (size_t c = 0; c < table->areas[a]->n; c++)
            if (is_selected(sel, table->areas[a], &table->areas[a]->cases[c]))
                list[(*n)++] = (struct zrpc_selected){table->areas[a], &table->areas[a]->cases[c]};
    if (*n == 0) {
        free(list);
        return zrpc_fail(err, ZRPC_ERR_USAGE, "no case is selected");
    }
    *out = list;
    return 0;
}
