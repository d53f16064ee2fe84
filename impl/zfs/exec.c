#include "zfs/exec_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PLACEHOLDER "zrepl:placeholder"
#define TOKEN_MAX   65536 /* characters */

static const char placeholder_on[] = PLACEHOLDER "=on", placeholder_off[] = PLACEHOLDER "=off";

static bool says(const struct zrpc_error *err, const char *words)
{
    return err->code == ZRPC_ERR_ZFS && strstr(err->text, words) != NULL;
}

static bool does_not_exist(const struct zrpc_error *err)
{
    return says(err, "dataset does not exist") || says(err, "no such pool");
}

/* For commands that say nothing unless they fail. */
static int order(void *ctx, atomic_bool *cancelled, const char *const args[], struct zrpc_error *err)
{
    return zrpc_zfs_run(ctx, cancelled, args, ZRPC_ZFS_READ_STDOUT, NULL, NULL, err);
}

/* fs, delimiter and name of a version, joined. */
static int version_of(const char *fs, const char *delimiter, const char *name,
                      char out[static ZRPC_ZFS_NAMES_MAX], struct zrpc_error *err)
{
    int len = snprintf(out, ZRPC_ZFS_NAMES_MAX, "%s%s%s", fs, delimiter, name);

    if (len >= 0 && len < ZRPC_ZFS_NAME_MAX)
        return 0;
    return zrpc_fail(err, ZRPC_ERR_USAGE, "name \"%s%s%s\" is too long (zfs allows %d bytes)", fs, delimiter,
                     name, ZRPC_ZFS_NAME_MAX - 1);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct zrpc_zfs_filesystem *)a)->path,
                  ((const struct zrpc_zfs_filesystem *)b)->path);
}

static int list_filesystems(void *ctx, atomic_bool *cancelled, const char *root,
                            struct zrpc_zfs_filesystems *out, struct zrpc_error *err)
{
    const char *const args[] = {
        "get",       "-H", "-p", "-o", "name,value,source", "-r", "-t", "filesystem,volume",
        PLACEHOLDER, root, NULL};
    struct zrpc_zfs_parse_filesystems parse = {.out = out, .root = root};
    struct zrpc_error why = {0};
    size_t before = out->len;
    int rc =
        zrpc_zfs_run(ctx, cancelled, args, ZRPC_ZFS_READ_STDOUT, zrpc_zfs_parse_filesystem, &parse, &why);

    if (rc != 0 && root != NULL && does_not_exist(&why))
        return 0;
    if (rc != 0)
        return zrpc_fail(err, rc, "%s", why.text);
    if (out->len > before)
        qsort(out->items + before, out->len - before, sizeof out->items[0], by_path);
    return 0;
}

static int get_filesystem(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_zfs_filesystem *out,
                          struct zrpc_error *err)
{
    const char *const args[] = {"get", "-H", "-p", "-o", "name,value,source", PLACEHOLDER, fs, NULL};
    struct zrpc_zfs_filesystems list = {0};
    struct zrpc_zfs_parse_filesystems parse = {.out = &list};
    struct zrpc_error why = {0};
    int rc =
        zrpc_zfs_run(ctx, cancelled, args, ZRPC_ZFS_READ_STDOUT, zrpc_zfs_parse_filesystem, &parse, &why);

    if (rc == 0 && (list.len != 1 || strcmp(list.items[0].path, fs) != 0))
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "zfs get was asked about '%s', and answered about %zu filesystems",
                       fs, list.len);
    else if (rc == 0)
        *out = list.items[0];
    else if (does_not_exist(&why))
        rc = 0;
    else
        zrpc_fail(err, rc, "%s", why.text);
    if (rc == 0 && list.len == 1)
        rc = 1;
    zrpc_zfs_filesystems_dispose(&list);
    return rc;
}

static int list_versions(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_zfs_versions *out,
                         struct zrpc_error *err)
{
    const char *const args[] = {"list", "-H",        "-p", "-o", "name,guid,createtxg,creation",
                                "-r",   "-d",        "1",  "-t", "bookmark,snapshot",
                                "-s",   "createtxg", fs,   NULL};
    struct zrpc_zfs_parse_versions parse = {.out = out, .fs = fs};

    return zrpc_zfs_run(ctx, cancelled, args, ZRPC_ZFS_READ_STDOUT, zrpc_zfs_parse_version, &parse, err);
}

/* A token comes from a peer; as an argument it must be nothing else. */
static int token_check(const char *token, struct zrpc_error *err)
{
    size_t len = strlen(token);

    if (len == 0 || len > TOKEN_MAX || token[0] == '-' ||
        strspn(token, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") != len)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot resume send: resume token is corrupt (\"%.80s\")", token);
    return 0;
}

/* What a send's arguments need to live in. */
struct send_args {
    char from[ZRPC_ZFS_NAMES_MAX], to[ZRPC_ZFS_NAMES_MAX];
    const char *args[10];
};

static int send_args(struct send_args *a, bool dry, const struct zrpc_zfs_send *send, struct zrpc_error *err)
{
    size_t n = 0;
    int rc = send->resume_token != NULL ? token_check(send->resume_token, err)
                                        : version_of(send->filesystem, "", send->to, a->to, err);

    a->args[n++] = "send";
    if (dry)
        a->args[n++] = "-n", a->args[n++] = "-v", a->args[n++] = "-P";
    if (rc == 0 && send->resume_token != NULL) {
        a->args[n++] = "-t";
        a->args[n++] = send->resume_token;
    } else if (rc == 0) {
        if (send->from[0] != '\0') {
            rc = version_of(send->filesystem, "", send->from, a->from, err);
            a->args[n++] = "-i";
            a->args[n++] = a->from;
        }
        a->args[n++] = a->to;
    }
    a->args[n] = NULL;
    return rc;
}

static int estimate(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, int64_t *bytes,
                    struct zrpc_error *err)
{
    struct zrpc_zfs_parse_size parse = {.bytes = ZRPC_ZFS_NO_ESTIMATE};
    struct send_args a;
    int rc = send_args(&a, true, send, err);

    *bytes = ZRPC_ZFS_NO_ESTIMATE;
    /* zfs at the protocol's time has no estimate from a bookmark, and fails. */
    if (rc != 0 || (send->resume_token == NULL && send->from[0] == '#'))
        return rc;
    rc = zrpc_zfs_run(ctx, cancelled, a.args, ZRPC_ZFS_READ_BOTH, zrpc_zfs_parse_size, &parse, err);
    *bytes = parse.bytes;
    return rc;
}

static int start_send(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send,
                      struct zrpc_source *out, struct zrpc_error *err)
{
    struct send_args a;
    int rc = send_args(&a, false, send, err);

    return rc != 0 ? rc : zrpc_zfs_exec_source(ctx, cancelled, a.args, out, err);
}

static int start_receive(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_receive *receive,
                         struct zrpc_sink *out, struct zrpc_error *err)
{
    const char *args[5] = {"recv"};
    size_t n = 1;

    if (receive->force)
        args[n++] = "-F";
    if (receive->resumable)
        args[n++] = "-s";
    args[n++] = receive->filesystem;
    args[n] = NULL;
    return zrpc_zfs_exec_sink(ctx, cancelled, args, out, err);
}

static int destroy_version(void *ctx, atomic_bool *cancelled, const char *fs, const char *delimiter,
                           const char *name, struct zrpc_error *err)
{
    char version[ZRPC_ZFS_NAMES_MAX];
    int rc = version_of(fs, delimiter, name, version, err);

    return rc != 0 ? rc : order(ctx, cancelled, (const char *const[]){"destroy", version, NULL}, err);
}

static int destroy_snapshot(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot,
                            struct zrpc_error *err)
{
    return destroy_version(ctx, cancelled, fs, "@", snapshot, err);
}

/* zfs cannot replace a bookmark. */
static int bookmark(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot, const char *name,
                    struct zrpc_error *err)
{
    char from[ZRPC_ZFS_NAMES_MAX], to[ZRPC_ZFS_NAMES_MAX];
    const char *const args[] = {"bookmark", from, to, NULL};
    struct zrpc_zfs_versions versions = {0};
    const struct zrpc_zfs_version *old, *of;
    bool done = false;
    int rc = version_of(fs, "@", snapshot, from, err);

    if (rc == 0)
        rc = version_of(fs, "#", name, to, err);
    if (rc == 0)
        rc = list_versions(ctx, cancelled, fs, &versions, err);
    old = zrpc_zfs_versions_find(&versions, ZRPC_ZFS_BOOKMARK, name);
    of = zrpc_zfs_versions_find(&versions, ZRPC_ZFS_SNAPSHOT, snapshot);
    if (rc == 0 && of == NULL)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': dataset does not exist", from);
    else if (rc == 0 && old != NULL && old->guid == of->guid)
        done = true;
    else if (rc == 0 && old != NULL)
        rc = destroy_version(ctx, cancelled, fs, "#", name, err);
    zrpc_zfs_versions_dispose(&versions);
    return rc != 0 || done ? rc : order(ctx, cancelled, args, err);
}

static int create_placeholder(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_error *err)
{
    return order(ctx, cancelled,
                 (const char *const[]){"create", "-o", placeholder_on, "-o", "mountpoint=none", fs, NULL},
                 err);
}

static int set_placeholder(void *ctx, atomic_bool *cancelled, const char *fs, bool placeholder,
                           struct zrpc_error *err)
{
    return order(ctx, cancelled,
                 (const char *const[]){"set", placeholder ? placeholder_on : placeholder_off, fs, NULL}, err);
}

static int rollback(void *ctx, atomic_bool *cancelled, const char *fs, const char *snapshot,
                    struct zrpc_error *err)
{
    char version[ZRPC_ZFS_NAMES_MAX];
    int rc = version_of(fs, "@", snapshot, version, err);

    return rc != 0 ? rc : order(ctx, cancelled, (const char *const[]){"rollback", "-r", version, NULL}, err);
}

static int resume_token(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_buf *out,
                        struct zrpc_error *err)
{
    const char *const args[] = {"get", "-H", "-p", "-o", "value", "receive_resume_token", fs, NULL};
    struct zrpc_zfs_parse_value parse = {.out = out};
    size_t before = out->len;
    int rc = zrpc_zfs_run(ctx, cancelled, args, ZRPC_ZFS_READ_STDOUT, zrpc_zfs_parse_value, &parse, err);

    if (rc == 0 && !parse.found)
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "zfs get said nothing about the resume token of '%s'", fs);
    return rc != 0 ? rc : out->len > before;
}

static int abort_receive(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_error *err)
{
    const char *const args[] = {"recv", "-A", fs, NULL};
    struct zrpc_error why = {0};
    int rc = order(ctx, cancelled, args, &why);

    if (rc == 0 || does_not_exist(&why) || says(&why, "does not have any resumable receive state to abort"))
        return 0;
    return zrpc_fail(err, rc, "%s", why.text);
}

/* A token of another machine is told as well, before zfs says that it cannot go on from it. */
static int read_token(void *ctx, atomic_bool *cancelled, const char *token, struct zrpc_zfs_token *out,
                      struct zrpc_error *err)
{
    const char *const args[] = {"send", "-n", "-v", "-t", token, NULL};
    struct zrpc_zfs_parse_token parse = {.out = out};
    struct zrpc_error why = {0};
    int rc = token_check(token, err);

    *out = (struct zrpc_zfs_token){0};
    if (rc != 0)
        return rc;
    rc = zrpc_zfs_run(ctx, cancelled, args, ZRPC_ZFS_READ_BOTH, zrpc_zfs_parse_token, &parse, &why);
    if ((rc == 0 || rc == ZRPC_ERR_ZFS) && parse.has_to && parse.has_guid)
        return 0;
    if (rc == 0 || why.text[0] == '\0')
        return zrpc_fail(err, ZRPC_ERR_ZFS, "zfs send does not tell what is in the resume token");
    return zrpc_fail(err, rc, "%s", why.text);
}

static const struct zrpc_zfs_ops exec_ops = {
    .name = "exec",
    .list_filesystems = list_filesystems,
    .get_filesystem = get_filesystem,
    .list_versions = list_versions,
    .estimate = estimate,
    .send = start_send,
    .receive = start_receive,
    .destroy_snapshot = destroy_snapshot,
    .bookmark = bookmark,
    .create_placeholder = create_placeholder,
    .set_placeholder = set_placeholder,
    .rollback = rollback,
    .resume_token = resume_token,
    .abort_receive = abort_receive,
    .read_token = read_token,
};

/* The environment, but for what makes zfs speak another language than the one that is parsed. */
int zrpc_zfs_exec_init(struct zrpc_zfs_exec *e, const char *command, struct zrpc_error *err)
{
    static char c_locale[] = "LC_ALL=C";
    size_t n = 0, kept = 0;

    while (environ[n] != NULL)
        n++;
    *e = (struct zrpc_zfs_exec){.command = command == NULL ? "zfs" : command,
                                .linger = ZRPC_ZFS_LINGER_DEFAULT};
    e->environment = calloc(n + 2, sizeof(char *));
    if (e->environment == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for the environment of zfs");
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "LC_ALL=", 7) != 0 && strncmp(environ[i], "LANGUAGE=", 9) != 0)
            e->environment[kept++] = environ[i];
    e->environment[kept] = c_locale;
    return 0;
}

void zrpc_zfs_exec_dispose(struct zrpc_zfs_exec *e)
{
    free(e->environment);
    *e = (struct zrpc_zfs_exec){0};
}

struct zrpc_zfs zrpc_zfs_exec(struct zrpc_zfs_exec *e)
{
    return (struct zrpc_zfs){.ops = &exec_ops, .ctx = e};
}
