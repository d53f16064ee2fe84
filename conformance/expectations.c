#include "conformance/expectations.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/file.h"

void zrpc_expectations_dispose(struct zrpc_expectations *x)
{
    for (size_t i = 0; i < x->n; i++) {
        free(x->rows[i].glob);
        free(x->rows[i].reason);
    }
    free(x->rows);
    *x = (struct zrpc_expectations){0};
}

static bool matches_a_case(const struct zrpc_case_table *table, const char *glob)
{
    for (size_t a = 0; a < table->n; a++)
        for (size_t c = 0; c < table->areas[a]->n; c++)
            if (fnmatch(glob, table->areas[a]->cases[c].id, 0) == 0)
                return true;
    return false;
}

static int add_row(struct zrpc_expectations *x, bool strict, const char *glob, const char *reason,
                   unsigned line, struct zrpc_error *err)
{
    struct zrpc_expectation row = {
        .strict = strict, .line = line, .glob = strdup(glob), .reason = strdup(reason)};
    struct zrpc_expectation *rows = realloc(x->rows, (x->n + 1) * sizeof *rows);

    if (rows != NULL)
        x->rows = rows;
    if (rows == NULL || row.glob == NULL || row.reason == NULL) {
        free(row.glob);
        free(row.reason);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "reading expectations");
    }
    x->rows[x->n++] = row;
    return 0;
}

/* `line` is cut up in place. */
static int parse_line(struct zrpc_expectations *x, char *line, const char *name, unsigned number,
                      const struct zrpc_case_table *table, struct zrpc_error *err)
{
    static const char blank[] = " \t\r";
    char *rest = line + strspn(line, blank), *word, *glob;
    size_t len = strlen(rest);

    while (len > 0 && strchr(blank, rest[len - 1]) != NULL)
        rest[--len] = '\0';
    if (*rest == '\0' || *rest == '#')
        return 0;
    word = strsep(&rest, blank);
    if (strcmp(word, "xfail") != 0 && strcmp(word, "may-fail") != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s:%u: \"%s\", expected xfail or may-fail", name, number,
                         word);
    if (rest != NULL)
        rest += strspn(rest, blank);
    glob = strsep(&rest, blank);
    if (rest != NULL)
        rest += strspn(rest, blank);
    if (glob == NULL || rest == NULL || *rest == '\0')
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s:%u: expected %s CASE-GLOB REASON", name, number, word);
    if (!matches_a_case(table, glob))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s:%u: no case matches \"%s\"", name, number, glob);
    return add_row(x, word[0] == 'x', glob, rest, number, err);
}

int zrpc_expectations_parse(struct zrpc_expectations *x, const char *name, const char *text,
                            const struct zrpc_case_table *table, struct zrpc_error *err)
{
    char *copy = strdup(text), *rest = copy, *line;
    unsigned number = 0;
    int rc = 0;

    if (copy == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "reading %s", name);
    while (rc == 0 && (line = strsep(&rest, "\n")) != NULL)
        rc = parse_line(x, line, name, ++number, table, err);
    free(copy);
    if (rc < 0)
        zrpc_expectations_dispose(x);
    return rc;
}

int zrpc_expectations_load(struct zrpc_expectations *x, const char *path, const struct zrpc_case_table *table,
                           struct zrpc_error *err)
{
    char *text;
    int rc = zrpc_file_read(path, &text, err);

    if (rc < 0)
        return rc;
    rc = zrpc_expectations_parse(x, path, text, table, err);
    free(text);
    return rc;
}

enum zrpc_verdict zrpc_expectations_apply(const struct zrpc_expectations *x, const char *id,
                                          enum zrpc_verdict v, const char **reason)
{
    const struct zrpc_expectation *row = NULL;

    *reason = NULL;
    for (size_t i = 0; i < x->n; i++)
        if (fnmatch(x->rows[i].glob, id, 0) == 0)
            row = &x->rows[i];
    if (row == NULL || v == ZRPC_VERDICT_SKIP ||
        v == (row->strict ? ZRPC_VERDICT_INCONCLUSIVE : ZRPC_VERDICT_PASS))
        return v;
    *reason = row->reason;
    return v == ZRPC_VERDICT_PASS ? ZRPC_VERDICT_XPASS : ZRPC_VERDICT_XFAIL;
}
