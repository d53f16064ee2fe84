#include "conformance/traceability.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/text.h"

enum role_word { FOR_SERVER, FOR_CLIENT, FOR_ANY };

struct gap {
    const char *glob;
    enum role_word role;
    unsigned line;
    bool used;
};

struct gaps {
    struct gap *rows;
    size_t n;
};

static bool cites(const struct zrpc_case *tc, const char *requirement)
{
    for (size_t i = 0; i < ZRPC_CASE_REQUIREMENTS_MAX && tc->requirements[i] != NULL; i++)
        if (strcmp(tc->requirements[i], requirement) == 0)
            return true;
    return false;
}

size_t zrpc_traceability_covering(const struct zrpc_case_table *table, const char *requirement,
                                  enum zrpc_role role)
{
    size_t n = 0;

    for (size_t a = 0; a < table->n; a++)
        for (size_t c = 0; table->areas[a]->role == role && c < table->areas[a]->n; c++)
            n += cites(&table->areas[a]->cases[c], requirement);
    return n;
}

static void add_role(const struct zrpc_case_table *table, const struct zrpc_requirement *r,
                     enum zrpc_role role, struct zrpc_buf *out)
{
    zrpc_text_add(out, "    %s:", zrpc_role_name(role));
    if (zrpc_traceability_covering(table, r->id, role) == 0)
        zrpc_text_add(out, " UNCOVERED");
    for (size_t a = 0; a < table->n; a++)
        for (size_t c = 0; table->areas[a]->role == role && c < table->areas[a]->n; c++)
            if (cites(&table->areas[a]->cases[c], r->id))
                zrpc_text_add(out, " %s", table->areas[a]->cases[c].id);
    zrpc_text_add(out, "\n");
}

void zrpc_traceability_add(const struct zrpc_case_table *table, struct zrpc_buf *out)
{
    const struct zrpc_requirement *r;
    bool obliged;

    for (size_t i = 0; i < zrpc_requirements_count; i++) {
        r = &zrpc_requirements[i];
        zrpc_text_add(out, "%s (%s, %s) %s\n", r->id, r->level, r->who, r->text);
        obliged = false;
        for (enum zrpc_role role = ZRPC_ROLE_SERVER; role <= ZRPC_ROLE_CLIENT; role++) {
            if (!zrpc_requirement_obliges(r, role))
                continue;
            obliged = true;
            add_role(table, r, role, out);
        }
        if (!obliged)
            zrpc_text_add(out, "    obliges neither server nor client\n");
    }
}

/*
 * The list of gaps
 */
static int parse_gap(char *line, const char *name, unsigned number, struct gap *gap, struct zrpc_error *err)
{
    static const char blank[] = " \t";
    static const char *const words[] = {"server", "client", "any"};
    char *save, *glob = strtok_r(line, blank, &save), *role, *reason;

    *gap = (struct gap){.glob = glob, .line = number};
    if (glob == NULL || *glob == '#') {
        gap->glob = NULL;
        return 0;
    }
    role = strtok_r(NULL, blank, &save);
    reason = strtok_r(NULL, "", &save);
    while (gap->role <= FOR_ANY && (role == NULL || strcmp(words[gap->role], role) != 0))
        gap->role++;
    if (gap->role > FOR_ANY)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s:%u: expected %s, then server, client or any", name, number,
                         glob);
    if (reason == NULL || reason[strspn(reason, blank)] == '\0')
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s:%u: %s needs a reason", name, number, glob);
    return 0;
}

/* `text` is cut up in place and must live as long as the gaps. */
static int parse_gaps(struct gaps *gaps, const char *name, char *text, struct zrpc_error *err)
{
    unsigned number = 0;
    struct gap gap, *rows;
    char *line;
    int rc;

    while ((line = strsep(&text, "\n")) != NULL) {
        rc = parse_gap(line, name, ++number, &gap, err);
        if (rc < 0)
            return rc;
        if (gap.glob == NULL)
            continue;
        rows = realloc(gaps->rows, (gaps->n + 1) * sizeof *rows);
        if (rows == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "reading %s", name);
        gaps->rows = rows;
        rows[gaps->n++] = gap;
    }
    return 0;
}

static bool is_known_gap(struct gaps *gaps, const char *requirement, enum role_word role)
{
    bool known = false;

    for (size_t i = 0; i < gaps->n; i++) {
        if (fnmatch(gaps->rows[i].glob, requirement, 0) != 0)
            continue;
        if (gaps->rows[i].role == FOR_ANY || gaps->rows[i].role == role)
            gaps->rows[i].used = known = true;
    }
    return known;
}

static int check_requirement(const struct zrpc_case_table *table, const struct zrpc_requirement *r,
                             struct gaps *gaps, struct zrpc_buf *out)
{
    bool obliged = false;
    int findings = 0;

    for (enum zrpc_role role = ZRPC_ROLE_SERVER; role <= ZRPC_ROLE_CLIENT; role++) {
        if (!zrpc_requirement_obliges(r, role))
            continue;
        obliged = true;
        if (zrpc_traceability_covering(table, r->id, role) > 0 ||
            is_known_gap(gaps, r->id, (enum role_word)role))
            continue;
        zrpc_text_add(out, "%s: no case tests it for a %s: %s\n", r->id, zrpc_role_name(role), r->text);
        findings++;
    }
    if (!obliged && !is_known_gap(gaps, r->id, FOR_ANY)) {
        zrpc_text_add(out, "%s: no case tests it: %s\n", r->id, r->text);
        findings++;
    }
    return findings;
}

int zrpc_traceability_check(const struct zrpc_case_table *table, const char *name, const char *list,
                            struct zrpc_buf *out, struct zrpc_error *err)
{
    struct gaps gaps = {0};
    char *text = strdup(list);
    int findings = 0, rc;

    rc = text == NULL ? zrpc_fail(err, ZRPC_ERR_NOMEM, "reading %s", name)
                      : parse_gaps(&gaps, name, text, err);
    if (rc < 0)
        goto out;
    for (size_t i = 0; i < zrpc_requirements_count; i++)
        findings += check_requirement(table, &zrpc_requirements[i], &gaps, out);
    for (size_t i = 0; i < gaps.n; i++) {
        if (gaps.rows[i].used)
            continue;
        zrpc_text_add(out, "%s:%u: %s is no gap: it is covered, or does not exist\n", name, gaps.rows[i].line,
                      gaps.rows[i].glob);
        findings++;
    }
    rc = findings;
out:
    free(gaps.rows);
    free(text);
    return rc;
}
