#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "zfs.h"

/* Headers that are not the property's name in capitals, and the room that the longest of a property's words
 * takes, where that is more than the header: columns of words have it from the start. */
static const struct {
    const char *property, *header;
    int width;
} shapes[] = {
    {"available", "AVAIL", 0},
    {"referenced", "REFER", 0},
    {"compressratio", "RATIO", 0},
    {"refcompressratio", "REFRATIO", 0},
    {"reservation", "RESERV", 0},
    {"refreservation", "REFRESERV", 0},
    {"volblocksize", "VOLBLOCK", 0},
    {"recordsize", "RECSIZE", 0},
    {"compression", "COMPRESS", 14},
    {"readonly", "RDONLY", 0},
    {"usedbysnapshots", "USEDSNAP", 0},
    {"usedbydataset", "USEDDS", 0},
    {"usedbychildren", "USEDCHILD", 0},
    {"usedbyrefreservation", "USEDREFRESERV", 0},
    {"logicalused", "LUSED", 0},
    {"logicalreferenced", "LREFER", 0},
    {"filesystem_count", "FSCOUNT", 0},
    {"snapshot_count", "SSCOUNT", 0},
    {"filesystem_limit", "FSLIMIT", 0},
    {"snapshot_limit", "SSLIMIT", 0},
    {"receive_resume_token", "RESUMETOK", 0},
    {"encryptionroot", "ENCROOT", 0},
    {"redundant_metadata", "REDUND_MD", 0},
    {"dnodesize", "DNSIZE", 0},
    {"casesensitivity", "CASE", 11},
    {"redact_snaps", "RSNAPS", 0},
    {"volthreading", "VOLTHREAD", 0},
    {"checksum", NULL, 9},
    {"dedup", NULL, 13},
    {"sync", NULL, 8},
    {"snapdir", NULL, 8},
    {"aclmode", NULL, 11},
    {"acltype", NULL, 8},
    {"aclinherit", NULL, 13},
    {"logbias", NULL, 10},
    {"keystatus", NULL, 11},
    {"encryption", NULL, 11},
    {"keyformat", NULL, 10},
    {NULL, NULL, 0},
};

static bool is_user(const char *name)
{
    return strchr(name, ':') != NULL;
}

/* Numbers that are shown in full, and dates, may become wide. */
static bool grows(const struct zrpc_zpool_property *p)
{
    return p->kind == ZRPC_ZPOOL_TEXT || p->kind == ZRPC_ZPOOL_TIME || strcmp(p->name, "guid") == 0 ||
           strcmp(p->name, "createtxg") == 0 || strcmp(p->name, "objsetid") == 0;
}

const char *column_header(const struct column *c, char out[static ZRPC_ZFS_NAME_MAX])
{
    size_t i;

    for (i = 0; c->native != NULL && shapes[i].property != NULL; i++)
        if (shapes[i].header != NULL && strcmp(c->native->name, shapes[i].property) == 0)
            return shapes[i].header;
    for (i = 0; c->name[i] != '\0'; i++)
        out[i] = (char)toupper((unsigned char)c->name[i]);
    out[i] = '\0';
    return out;
}

bool column_right(const struct column *c)
{
    return c->native != NULL && c->native->kind != ZRPC_ZPOOL_TEXT && c->native->kind != ZRPC_ZPOOL_TIME;
}

static int initial_width(const struct column *c)
{
    char header[ZRPC_ZFS_NAME_MAX];
    int width = (int)strlen(column_header(c, header));

    for (size_t i = 0; c->native != NULL && shapes[i].property != NULL; i++)
        if (strcmp(c->native->name, shapes[i].property) == 0 && shapes[i].width > width)
            width = shapes[i].width;
    return column_right(c) && width < 5 ? 5 : width;
}

/* A property by its name, its short name or its header. */
static const struct zrpc_zpool_property *find_native(const char *name)
{
    const struct zrpc_zpool_property *p = zrpc_zpool_property_find(name);

    for (size_t i = 0; p == NULL && shapes[i].property != NULL; i++)
        if (shapes[i].header != NULL && strcasecmp(name, shapes[i].header) == 0)
            p = zrpc_zpool_property_find(shapes[i].property);
    return p;
}

static int push(struct columns *c, const struct column *column, struct zrpc_error *err)
{
    struct column *grown;

    if (c->len == c->cap) {
        grown = reallocarray(c->items, c->cap + 32, sizeof *grown);
        if (grown == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "internal error: out of memory");
        c->items = grown;
        c->cap += 32;
    }
    c->items[c->len] = *column;
    c->items[c->len++].width = initial_width(column);
    return 0;
}

int columns_add(struct columns *c, const char *name, struct zrpc_error *err)
{
    struct column column = {.is_name = strcmp(name, "name") == 0};

    column.native = column.is_name ? NULL : find_native(name);
    if (column.native == NULL && !column.is_name && !is_user(name))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "bad property list: invalid property '%s'", name);
    if (strlen(name) >= sizeof column.name)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "bad property list: invalid property '%s'", name);
    column.fixed = column.native != NULL && !grows(column.native);
    snprintf(column.name, sizeof column.name, "%s", column.native == NULL ? name : column.native->name);
    return push(c, &column, err);
}

static int add_all(struct columns *c, struct zrpc_error *err)
{
    size_t n;
    const struct zrpc_zpool_property *all = zrpc_zpool_properties(&n);
    int rc = columns_add(c, "name", err);

    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = columns_add(c, all[i].name, err);
        if (rc == 0)
            c->items[c->len - 1].all = true;
    }
    c->all = true;
    return rc;
}

int columns_parse(struct columns *c, char *list, struct zrpc_error *err)
{
    static const char *const space[] = {
        "name",          "available", "used", "usedbysnapshots", "usedbydataset", "usedbyrefreservation",
        "usedbychildren"};
    char *name;
    int rc = 0;

    if (strcmp(list, "all") == 0)
        return add_all(c, err);
    if (list[0] == '\0')
        return zrpc_fail(err, ZRPC_ERR_USAGE, "bad property list: no properties specified");
    while (rc == 0 && (name = strsep(&list, ",")) != NULL) {
        if (strcmp(name, "space") != 0)
            rc = columns_add(c, name, err);
        else
            for (size_t i = 0; i < sizeof space / sizeof *space && rc == 0; i++)
                rc = columns_add(c, space[i], err);
    }
    return rc;
}

void columns_dispose(struct columns *c)
{
    free(c->items);
    *c = (struct columns){0};
}

int column_cell(struct zfs *z, const struct column *c, const struct zrpc_zpool_dataset *d, bool literal,
                struct cell *out, struct zrpc_error *err)
{
    static _Thread_local struct zrpc_zpool_value v;
    int rc;

    *out = (struct cell){.source = ZRPC_ZPOOL_NONE};
    if (c->is_name) {
        snprintf(out->value, sizeof out->value, "%s", d->name);
        return 1;
    }
    rc = zrpc_zpool_get(z->pool, d, c->name, &v, err);
    if (rc <= 0)
        return rc;
    out->source = v.source;
    out->has_received = v.has_received;
    memcpy(out->from, v.from, sizeof out->from);
    if (c->native != NULL && !literal) {
        humanise(c->native, v.value, out->value, sizeof out->value);
        humanise(c->native, v.received, out->received, sizeof out->received);
    } else {
        memcpy(out->value, v.value, sizeof out->value);
        memcpy(out->received, v.received, sizeof out->received);
    }
    return 1;
}

struct adding {
    struct columns *columns;
};

static int add_user(void *ctx, const struct zrpc_zpool_value *v, struct zrpc_error *err)
{
    struct columns *c = ((struct adding *)ctx)->columns;
    int rc;

    if (!is_user(v->name))
        return 0;
    for (size_t i = 0; i < c->len; i++)
        if (strcmp(c->items[i].name, v->name) == 0)
            return 0;
    rc = columns_add(c, v->name, err);
    if (rc == 0)
        c->items[c->len - 1].all = true;
    return rc;
}

int columns_fit(struct zfs *z, struct columns *c, const struct zrpc_zpool_dataset *d, bool literal,
                bool received, struct zrpc_error *err)
{
    static _Thread_local struct cell cell;
    int rc = c->all ? zrpc_zpool_get_all(z->pool, d, add_user, &(struct adding){c}, err) : 0;

    for (size_t i = 0; i < c->len && rc >= 0; i++) {
        struct column *column = &c->items[i];

        if (column->fixed && !literal)
            continue;
        rc = column_cell(z, column, d, literal, &cell, err);
        if (rc > 0 && (int)strlen(cell.value) > column->width)
            column->width = (int)strlen(cell.value);
        if (rc > 0 && received && cell.has_received && (int)strlen(cell.received) > column->received_width)
            column->received_width = (int)strlen(cell.received);
    }
    return rc < 0 ? rc : 0;
}

void print_properties(FILE *out)
{
    size_t n;
    const struct zrpc_zpool_property *all = zrpc_zpool_properties(&n);

    fprintf(out, "\nThe following properties are supported:\n\n\t%-21s %s  %s   %s\n\n", "PROPERTY", "EDIT",
            "INHERIT", "VALUES");
    for (size_t i = 0; i < n; i++)
        fprintf(out, "\t%-22s %s    %s   %s\n", all[i].name, all[i].readonly ? " NO" : "YES",
                all[i].inherits ? "  YES" : "   NO", all[i].values == NULL ? "-" : all[i].values);
    fputs(
        "\nSizes are specified in bytes with standard units such as K, M, G, etc.\n"
        "\nUser-defined properties can be specified by using a name containing a colon (:).\n",
        out);
}
