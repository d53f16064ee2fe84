#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "zrpc.h"

/* Rows of a table that own their text. */
struct cells {
    char **text;
    size_t n;
};

static void add_cell(struct cells *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_cell(struct cells *c, const char *fmt, ...)
{
    struct zrpc_buf escaped = {0};
    va_list args;
    char *text;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        abort();
    va_end(args);
    cli_escape(&escaped, text);
    free(text);
    if (zrpc_buf_append(&escaped, zrpc_view("", 1), NULL) < 0 ||
        (c->text[c->n++] = strdup((const char *)zrpc_buf_view(&escaped).data)) == NULL)
        abort();
    zrpc_buf_dispose(&escaped);
}

static void print_and_free(struct cells *c, size_t columns)
{
    print_table(stdout, (const char *const *)c->text, c->n / columns, columns);
    for (size_t i = 0; i < c->n; i++)
        free(c->text[i]);
    free(c->text);
}

static void begin_cells(struct cells *c, const char *const *heading, size_t columns, size_t rows)
{
    *c = (struct cells){.text = calloc((rows + 1) * columns, sizeof *c->text)};
    if (c->text == NULL)
        abort();
    for (size_t i = 0; i < columns; i++)
        add_cell(c, "%s", heading[i]);
}

static void print_filesystems(const Zrpc__Pb__ListFilesystemRes *res)
{
    static const char *const heading[] = {"FILESYSTEM", "PLACEHOLDER", "RESUME TOKEN"};
    struct cells cells;

    begin_cells(&cells, heading, 3, res->n_filesystems);
    for (size_t i = 0; i < res->n_filesystems; i++) {
        const Zrpc__Pb__Filesystem *fs = res->filesystems[i];

        add_cell(&cells, "%s", fs->path);
        add_cell(&cells, "%s", fs->isplaceholder ? "yes" : "no");
        add_cell(&cells, "%s", fs->resumetoken[0] == '\0' ? "-" : fs->resumetoken);
    }
    print_and_free(&cells, 3);
}

static json_t *describe_filesystems(const Zrpc__Pb__ListFilesystemRes *res)
{
    json_t *list = json_array();

    for (size_t i = 0; res != NULL && i < res->n_filesystems; i++) {
        const Zrpc__Pb__Filesystem *fs = res->filesystems[i];

        json_array_append_new(list, json_pack("{s:s, s:b, s:s}", "path", fs->path, "placeholder",
                                              (int)fs->isplaceholder, "resume_token", fs->resumetoken));
    }
    return list;
}

int command_list(const struct cli_command *self, int argc, char **argv)
{
    struct client c = CLIENT_DEFAULTS;
    struct zrpc_error err = {0};
    const struct cli_option options[] = {CLIENT_OPTIONS(&c), {0}};
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    Zrpc__Pb__ListFilesystemRes *res = NULL;
    struct cli_args args;
    int rc = client_begin(&c, self, options, argc, argv, &args);

    if (rc >= 0)
        return rc;
    if (args.n > 0) {
        client_end(&c);
        return usage_error("list", "takes no arguments");
    }
    rc = zrpc_client_list_filesystems(c.rpc, &c.call, &req, &res, &err);
    client_end(&c);
    if (rc == 0 && !c.json)
        print_filesystems(res);
    rc = client_report(&c, stdout, "list", rc, &err, describe_filesystems(res));
    if (res != NULL)
        zrpc__pb__list_filesystem_res__free_unpacked(res, NULL);
    return rc;
}

static const char *type_name(const Zrpc__Pb__FilesystemVersion *v)
{
    return v->type == ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Snapshot ? "snapshot" : "bookmark";
}

static void print_versions(const Zrpc__Pb__ListFilesystemVersionsRes *res)
{
    static const char *const heading[] = {"TYPE", "NAME", "GUID", "CREATETXG", "CREATION"};
    struct cells cells;

    begin_cells(&cells, heading, 5, res->n_versions);
    for (size_t i = 0; i < res->n_versions; i++) {
        const Zrpc__Pb__FilesystemVersion *v = res->versions[i];

        add_cell(&cells, "%s", type_name(v));
        add_cell(&cells, "%s", v->name);
        add_cell(&cells, "%" PRIu64, v->guid);
        add_cell(&cells, "%" PRIu64, v->createtxg);
        add_cell(&cells, "%s", v->creation);
    }
    print_and_free(&cells, 5);
}

/* Guids need all 64 bits, which JSON's numbers do not have: they are strings. */
static json_t *describe_versions(const Zrpc__Pb__ListFilesystemVersionsRes *res)
{
    json_t *list = json_array();

    for (size_t i = 0; res != NULL && i < res->n_versions; i++) {
        const Zrpc__Pb__FilesystemVersion *v = res->versions[i];
        char guid[24], createtxg[24];

        snprintf(guid, sizeof guid, "%" PRIu64, v->guid);
        snprintf(createtxg, sizeof createtxg, "%" PRIu64, v->createtxg);
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", type_name(v), "name", v->name,
                                        "guid", guid, "createtxg", createtxg, "creation", v->creation));
    }
    return list;
}

int command_versions(const struct cli_command *self, int argc, char **argv)
{
    struct client c = CLIENT_DEFAULTS;
    struct zrpc_error err = {0};
    const struct cli_option options[] = {CLIENT_OPTIONS(&c), {0}};
    Zrpc__Pb__ListFilesystemVersionsReq req = ZRPC__PB__LIST_FILESYSTEM_VERSIONS_REQ__INIT;
    Zrpc__Pb__ListFilesystemVersionsRes *res = NULL;
    struct cli_args args;
    int rc = client_begin(&c, self, options, argc, argv, &args);

    if (rc >= 0)
        return rc;
    if (args.n != 1) {
        client_end(&c);
        return usage_error("versions", "takes one argument: the filesystem");
    }
    req.filesystem = (char *)(uintptr_t)args.items[0];
    rc = zrpc_client_list_filesystem_versions(c.rpc, &c.call, &req, &res, &err);
    client_end(&c);
    if (rc == 0 && !c.json)
        print_versions(res);
    rc = client_report(&c, stdout, "versions", rc, &err, describe_versions(res));
    if (res != NULL)
        zrpc__pb__list_filesystem_versions_res__free_unpacked(res, NULL);
    return rc;
}
