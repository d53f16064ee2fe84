#include <getopt.h>
#include <string.h>

#include "zfs.h"

enum field { NAME, PROPERTY, VALUE, RECEIVED, SOURCE, FIELDS };

static const char *const field_names[] = {"name", "property", "value", "received", "source"};
static const char *const field_headers[] = {"NAME", "PROPERTY", "VALUE", "RECEIVED", "SOURCE"};

struct getting {
    struct columns columns; /* the first is the name, for its width */
    struct walk walk;
    bool scripted, literal;
    enum field fields[FIELDS];
    size_t n_fields;
    unsigned sources; /* bit by enum zrpc_zpool_source */
    int widths[FIELDS];
    bool headed;
};

static int parse_fields(const struct zfs *z, struct getting *g, char *text)
{
    char *word;

    g->n_fields = 0;
    while ((word = strsep(&text, ",")) != NULL) {
        size_t i = 0;

        if (g->n_fields == FIELDS)
            return misused(z, "too many fields given to -o option");
        if (strcmp(word, "all") == 0 && g->n_fields > 0)
            return misused(z, "\"all\" conflicts with specific fields given to -o option");
        while (i < FIELDS && strcmp(word, field_names[i]) != 0)
            i++;
        if (strcmp(word, "all") == 0)
            for (i = 0; i < FIELDS; i++)
                g->fields[g->n_fields++] = (enum field)i;
        else if (i < FIELDS)
            g->fields[g->n_fields++] = (enum field)i;
        else
            return misused(z, "invalid column name '%s'", word);
    }
    return 0;
}

static int parse_sources(const struct zfs *z, struct getting *g, char *text)
{
    static const char *const names[] = {
        [ZRPC_ZPOOL_NONE] = "none",         [ZRPC_ZPOOL_DEFAULT] = "default",
        [ZRPC_ZPOOL_LOCAL] = "local",       [ZRPC_ZPOOL_INHERITED] = "inherited",
        [ZRPC_ZPOOL_RECEIVED] = "received",
    };
    char *word;

    g->sources = 0;
    while ((word = strsep(&text, ",")) != NULL) {
        size_t i = 0;

        while (i < sizeof names / sizeof *names && strcmp(word, names[i]) != 0)
            i++;
        if (i < sizeof names / sizeof *names)
            g->sources |= 1u << i;
        else if (strcmp(word, "temporary") != 0) /* there are none here */
            return misused(z, "invalid source '%s'", word);
    }
    return 0;
}

static bool shows(const struct getting *g, enum field field)
{
    for (size_t i = 0; i < g->n_fields; i++)
        if (g->fields[i] == field)
            return true;
    return false;
}

static int grown(int width, size_t len)
{
    return (int)len > width ? (int)len : width;
}

static void measure(struct getting *g)
{
    for (size_t i = 0; i < FIELDS; i++)
        g->widths[i] = (int)strlen(field_headers[i]);
    for (size_t i = 0; i < g->columns.len; i++) {
        const struct column *c = &g->columns.items[i];

        g->widths[PROPERTY] = grown(g->widths[PROPERTY], strlen(c->name));
        if (i > 0) {
            g->widths[VALUE] = grown(g->widths[VALUE], (size_t)c->width);
            g->widths[RECEIVED] = grown(g->widths[RECEIVED], (size_t)c->received_width);
        }
        if (c->is_name && c->width > g->widths[NAME]) {
            g->widths[NAME] = c->width;
            g->widths[SOURCE] = c->width + (int)strlen("inherited from");
        }
    }
}

static void print_fields(const struct getting *g, const char *const texts[FIELDS])
{
    for (size_t i = 0; i < g->n_fields; i++) {
        const char *text = texts[g->fields[i]];

        if (i + 1 == g->n_fields)
            printf("%s\n", text);
        else if (g->scripted)
            printf("%s\t", text);
        else
            printf("%-*s  ", g->widths[g->fields[i]], text);
    }
}

static const char *source_text(const struct cell *cell, char *out, size_t size)
{
    static const char *const texts[] = {[ZRPC_ZPOOL_NONE] = "-",
                                        [ZRPC_ZPOOL_DEFAULT] = "default",
                                        [ZRPC_ZPOOL_LOCAL] = "local",
                                        [ZRPC_ZPOOL_RECEIVED] = "received"};

    if (cell->source != ZRPC_ZPOOL_INHERITED)
        return texts[cell->source];
    snprintf(out, size, "inherited from %s", cell->from);
    return out;
}

static int print_property(struct zfs *z, struct getting *g, const struct column *c,
                          const struct zrpc_zpool_dataset *d, struct zrpc_error *err)
{
    static struct cell cell;
    char source[ZRPC_ZFS_NAME_MAX + 32];
    int rc = column_cell(z, c, d, g->literal, &cell, err);

    if (rc < 0 || (rc == 0 && c->all) || (g->sources & 1u << cell.source) == 0)
        return rc < 0 ? rc : 0;
    if (!g->headed && !g->scripted)
        print_fields(g, field_headers);
    g->headed = true;
    print_fields(g, (const char *const[FIELDS]){
                        [NAME] = d->name,
                        [PROPERTY] = c->name,
                        [VALUE] = rc == 0 ? "-" : cell.value,
                        [RECEIVED] = cell.has_received ? cell.received : "-",
                        [SOURCE] = source_text(&cell, source, sizeof source),
                    });
    return 0;
}

static int print_all(struct zfs *z, struct getting *g, struct zrpc_error *err)
{
    const struct zrpc_zpool_datasets *found = &g->walk.found;
    bool received = shows(g, RECEIVED);
    int rc = 0;

    for (size_t i = 0; (!g->scripted || g->columns.all) && i < found->len && rc == 0; i++)
        rc = columns_fit(z, &g->columns, &found->items[i], g->literal, received, err);
    measure(g);
    for (size_t i = 0; i < found->len && rc == 0; i++)
        for (size_t k = 1; k < g->columns.len && rc == 0; k++)
            rc = print_property(z, g, &g->columns.items[k], &found->items[i], err);
    return rc;
}

static int strike(struct zfs *z, int argc, char **argv, struct zrpc_error *err)
{
    struct zrpc_zfs_struck struck;
    int rc = 0;

    for (int i = 0; i < argc && rc == 0; i++)
        rc = begin_operation(z, ZRPC_ZFS_OP_GET, argv[i], &struck, err);
    return rc;
}

static int show(struct zfs *z, struct getting *g, int argc, char **argv)
{
    struct walk *w = &g->walk;
    struct zrpc_error err;
    int status;

    if (argc < 1)
        return misused(z, "missing property argument");
    if ((w->types == ZRPC_ZPOOL_SNAPSHOT || w->types == ZRPC_ZPOOL_BOOKMARK) && argc > 1 && !w->recurse) {
        w->recurse = true;
        w->depth = 1;
    }
    if ((strcmp(argv[0], "all") != 0 && columns_add(&g->columns, "name", &err) != 0) ||
        columns_parse(&g->columns, argv[0], &err) != 0)
        return misused(z, "%s", err.text);
    if (strike(z, argc - 1, argv + 1, &err) != 0)
        return refused(&err);
    status = walk_run(z, w, argc - 1, argv + 1);
    if (print_all(z, g, &err) != 0)
        return refused(&err);
    return status;
}

int zfs_get(struct zfs *z, int argc, char **argv)
{
    struct getting g = {
        .walk = {.types = ZRPC_ZPOOL_ALL_TYPES, .types_given = true, .depth = ZRPC_ZPOOL_ANY_DEPTH},
        .fields = {NAME, PROPERTY, VALUE, SOURCE},
        .n_fields = 4,
        .sources = ~0u,
    };
    int c, status = 0;

    while (status == 0 && (c = getopt(argc, argv, ":d:o:s:rt:Hp")) != -1) {
        if (c == 'H')
            g.scripted = true;
        else if (c == 'p')
            g.literal = true;
        else if (c == 'r')
            g.walk.recurse = true;
        else if (c == 'd')
            status = walk_depth(z, &g.walk, optarg);
        else if (c == 't')
            status = walk_types(z, &g.walk, optarg);
        else if (c == 'o')
            status = parse_fields(z, &g, optarg);
        else if (c == 's')
            status = parse_sources(z, &g, optarg);
        else
            status = misused_option(z, c);
    }
    if (status == 0)
        status = show(z, &g, argc - optind, argv + optind);
    columns_dispose(&g.columns);
    walk_dispose(&g.walk);
    return status;
}
