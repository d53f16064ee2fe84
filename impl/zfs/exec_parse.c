#include "zfs/exec_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { FIELDS_MAX = 8 };

/* Splits the line at its tabs, in place: how many fields there are, at most FIELDS_MAX. */
static size_t split(char *line, char *fields[FIELDS_MAX])
{
    size_t n = 0;

    while (n < FIELDS_MAX) {
        fields[n++] = line;
        line = strchr(line, '\t');
        if (line == NULL)
            break;
        *line++ = '\0';
    }
    return n;
}

/* The line as it was, for the message. */
static int garbled(char *line, char *const fields[], size_t n, const char *expected, struct zrpc_error *err)
{
    for (size_t i = 1; i < n; i++)
        fields[i][-1] = '\t';
    return zrpc_fail(err, ZRPC_ERR_ZFS, "expected %s, found \"%.400s\"", expected, line);
}

static bool number(const char *text, int base, uint64_t *out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, base);
    return errno == 0 && *end == '\0';
}

static bool copy_name(char out[static ZRPC_ZFS_NAME_MAX], const char *name, size_t len)
{
    if (len >= ZRPC_ZFS_NAME_MAX)
        return false;
    memcpy(out, name, len);
    out[len] = '\0';
    return true;
}

int zrpc_zfs_parse_filesystem(void *ctx, char *line, struct zrpc_error *err)
{
    struct zrpc_zfs_parse_filesystems *p = ctx;
    struct zrpc_zfs_filesystem fs = {0};
    char *fields[FIELDS_MAX];
    size_t n = split(line, fields);

    if (n != 3 || zrpc_zfs_dataset_check(fields[0], NULL) != 0 ||
        !copy_name(fs.path, fields[0], strlen(fields[0])))
        return garbled(line, fields, n, "a filesystem, the value of zrepl:placeholder, and its source", err);
    if (p->root != NULL && strcmp(fs.path, p->root) == 0)
        return 0;
    if (p->root != NULL && !zrpc_zfs_path_within(fs.path, p->root))
        return garbled(line, fields, n, "a filesystem below the one that was asked for", err);
    fs.placeholder = strcmp(fields[1], "on") == 0 && strcmp(fields[2], "local") == 0;
    return zrpc_zfs_filesystems_push(p->out, &fs, err);
}

int zrpc_zfs_parse_version(void *ctx, char *line, struct zrpc_error *err)
{
    struct zrpc_zfs_parse_versions *p = ctx;
    struct zrpc_zfs_version v = {0};
    char *fields[FIELDS_MAX];
    size_t n = split(line, fields), len = strlen(p->fs);
    const char *relative = fields[0] + len, *name = NULL;
    uint64_t creation;

    if (n != 4 || strncmp(fields[0], p->fs, len) != 0 ||
        zrpc_zfs_version_parse(relative, &v.type, &name, NULL) != 0 ||
        !copy_name(v.name, name, strlen(name)) || !number(fields[1], 10, &v.guid) ||
        !number(fields[2], 10, &v.createtxg) || !number(fields[3], 10, &creation) || creation > INT64_MAX)
        return garbled(line, fields, n, "a snapshot or bookmark, its guid, createtxg, and creation", err);
    v.creation = (int64_t)creation;
    return zrpc_zfs_versions_push(p->out, &v, err);
}

int zrpc_zfs_parse_value(void *ctx, char *line, struct zrpc_error *err)
{
    struct zrpc_zfs_parse_value *p = ctx;

    if (p->found || line[0] == '\0' || strchr(line, '\t') != NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "expected one value, found \"%.400s\"", line);
    p->found = true;
    return strcmp(line, "-") == 0 ? 0 : zrpc_buf_append(p->out, zrpc_view(line, strlen(line) + 1), err);
}

int zrpc_zfs_parse_size(void *ctx, char *line, struct zrpc_error *err)
{
    static const struct {
        const char *keyword;
        size_t fields;
    } forms[] = {{"size", 2}, {"full", 3}, {"incremental", 4}};
    struct zrpc_zfs_parse_size *p = ctx;
    char *fields[FIELDS_MAX];
    size_t n = split(line, fields);
    uint64_t bytes;

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(fields[0], forms[i].keyword) != 0)
            continue;
        if (n == forms[i].fields - 1 && n > 1)
            return 0; /* without an estimate */
        if (n != forms[i].fields || !number(fields[n - 1], 10, &bytes) || bytes > INT64_MAX)
            return garbled(line, fields, n, "the size of a stream", err);
        p->bytes = (int64_t)bytes;
    }
    return 0;
}

static bool to_name(struct zrpc_zfs_token *out, const char *value)
{
    const char *at = strchr(value, '@');

    return at != NULL && copy_name(out->filesystem, value, (size_t)(at - value)) &&
           copy_name(out->to, at + 1, strlen(at + 1)) && zrpc_zfs_dataset_check(out->filesystem, NULL) == 0 &&
           zrpc_zfs_name_check(out->to, NULL) == 0;
}

int zrpc_zfs_parse_token(void *ctx, char *line, struct zrpc_error *err)
{
    struct zrpc_zfs_parse_token *p = ctx;
    char *value = strstr(line, " = ");
    bool ok = true;

    if (strcmp(line, "resume token contents:") == 0)
        p->contents = true;
    if (!p->contents || line[0] != '\t' || value == NULL)
        return 0;
    *value = '\0';
    value += 3;
    if (strcmp(line + 1, "toname") == 0)
        ok = p->has_to = to_name(p->out, value);
    else if (strcmp(line + 1, "toguid") == 0)
        ok = p->has_guid = number(value, 0, &p->out->to_guid);
    else if (strcmp(line + 1, "fromguid") == 0)
        ok = number(value, 0, &p->out->from_guid);
    else if (strcmp(line + 1, "bytes") == 0)
        ok = number(value, 0, &p->out->bytes);
    return ok ? 0
              : zrpc_fail(err, ZRPC_ERR_ZFS, "expected the resume token's%s, found \"%.400s\"", line, value);
}
