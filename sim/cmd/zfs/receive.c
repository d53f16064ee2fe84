#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "records.h"
#include "zfs.h"

enum { PIECE = 256 * 1024 };
enum { FROM_GUID = 48, TO_NAME = 56 }; /* in the begin record */

struct receiving {
    struct zrpc_zpool_receive options;
    struct settings settings;
    const char *excluded[SETTINGS_MAX];
    const char *name; /* as it was given */
    bool abort, dry_run, verbose, prefix, tail;
    struct records records;
    uint8_t piece[PIECE];
    size_t len; /* of it, read and not yet taken */
    char to_name[RECORD_SIZE - TO_NAME + 1];
    char target[2 * ZRPC_ZFS_NAME_MAX]; /* FS@SNAPSHOT */
    uint64_t from_guid;
    uint64_t bytes;
};

/* Reads what may be read; 0 at the end, of the stream or of the input. */
static ssize_t fill(struct receiving *r, struct zrpc_error *err)
{
    uint64_t safe = records_safe(&r->records);
    size_t room = sizeof r->piece - r->len;
    ssize_t n;

    if (safe < room)
        room = (size_t)safe;
    if (room == 0)
        return 0;
    do
        n = read(STDIN_FILENO, r->piece + r->len, room);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "cannot receive: failed to read from stream");
    records_feed(&r->records, r->piece + r->len, (size_t)n);
    r->len += (size_t)n;
    r->bytes += (uint64_t)n;
    return n;
}

static int read_begin(struct receiving *r, struct zrpc_error *err)
{
    static const uint8_t magic[] = {0xac, 0xcb, 0xba, 0xf5, 0x02, 0, 0, 0};
    const uint8_t *head = r->piece;
    ssize_t n = 1;

    while (r->len < RECORD_SIZE && (n = fill(r, err)) > 0) {
    }
    if (n < 0)
        return (int)n;
    if (r->len < RECORD_SIZE)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot receive: failed to read from stream");
    if ((memcmp(head + 8, magic, sizeof magic) != 0 && !r->records.swapped) ||
        records_u32(&r->records, 0) != 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot receive: invalid stream (bad magic number)");
    r->from_guid = records_u64(&r->records, FROM_GUID);
    memcpy(r->to_name, head + TO_NAME, sizeof r->to_name - 1);
    if (strchr(r->to_name, '@') == NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot receive: invalid stream (bad snapshot name)");
    return 0;
}

/* Where -d and -e put it: below what was named, without the sender's pool, or with the last part alone. */
static int choose_target(struct zfs *z, struct receiving *r, struct zrpc_error *err)
{
    const char *at = strchr(r->to_name, '@'), *tail = at;
    struct zrpc_zpool_dataset d;

    if (!r->prefix) {
        snprintf(r->target, sizeof r->target, "%s%s", r->name, strchr(r->name, '@') == NULL ? at : "");
        return 0;
    }
    if (zrpc_zpool_open_dataset(z->pool, r->name, &d, NULL) != 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot receive: specified fs (%s) does not exist", r->name);
    if (strchr(r->name, '@') != NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "cannot receive: invalid argument - snapshot not allowed with -%c",
                         r->tail ? 'e' : 'd');
    if (r->tail)
        while (tail > r->to_name && tail[-1] != '/')
            tail--;
    else
        tail = r->to_name + strcspn(r->to_name, "/@");
    snprintf(r->target, sizeof r->target, "%s%s%s", r->name, tail[0] == '/' || tail[0] == '@' ? "" : "/",
             tail);
    return 0;
}

/* -d makes the filesystems between the one that was named and the one that is received. */
static int create_parents(struct zfs *z, const struct receiving *r, struct zrpc_error *err)
{
    struct zrpc_zpool_new parent = {.parents = true};
    char name[2 * ZRPC_ZFS_NAME_MAX];
    char *slash;

    snprintf(name, sizeof name, "%.*s", (int)strcspn(r->target, "@"), r->target);
    slash = strrchr(name, '/');
    if (!r->prefix || r->tail || slash == NULL || (size_t)(slash - name) <= strlen(r->name))
        return 0;
    *slash = '\0';
    parent.name = name;
    return zrpc_zpool_create_filesystem(z->pool, &parent, err);
}

static int put(struct receiving *r, const struct zrpc_sink *sink, struct zrpc_error *err)
{
    size_t at = 0;

    while (at < r->len) {
        ssize_t n = sink->ops->write(sink->ctx, r->piece + at, r->len - at, err);
        struct pollfd wait;

        if (n == ZRPC_ERR_AGAIN) {
            wait = zrpc_sink_wait(sink);
            poll(&wait, 1, -1);
        } else if (n < 0) {
            return (int)n;
        } else {
            at += (size_t)n;
        }
    }
    r->len = 0;
    return 0;
}

static int copy(struct receiving *r, const struct zrpc_sink *sink, struct zrpc_error *err)
{
    ssize_t n = 1;
    int rc = 0;

    (void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, 4 * PIECE);
    while (rc == 0 && n > 0) {
        rc = sink == NULL ? 0 : put(r, sink, err);
        r->len = 0;
        n = rc == 0 ? fill(r, err) : 0;
    }
    if (rc == 0)
        rc = (int)n;
    return rc == 0 && sink != NULL ? sink->ops->finish(sink->ctx, err) : rc;
}

static int receive(struct zfs *z, struct receiving *r, struct zrpc_error *err)
{
    char fs[ZRPC_ZFS_NAME_MAX];
    struct zrpc_zfs_struck struck;
    struct zrpc_sink sink = {0};
    int rc = create_parents(z, r, err);

    filesystem_of(r->target, fs);
    r->options.target = r->target;
    r->options.settings = r->settings.items;
    r->options.n_settings = r->settings.n;
    r->options.excluded = r->excluded;
    if (rc == 0)
        rc = zrpc_zfs_faults_strike(z->faults, ZRPC_ZFS_OP_RECEIVE, fs, NULL, &struck, err);
    if (rc == 0)
        rc = zrpc_zfs_struck_before(&struck, NULL, err);
    if (rc == 0)
        rc = zrpc_zpool_receive(z->pool, &r->options, &sink, err);
    if (rc == 0)
        rc = zrpc_zfs_struck_sink(&struck, &sink, err);
    if (rc == 0)
        rc = copy(r, &sink, err);
    zrpc_sink_close(&sink);
    return rc;
}

static void tell_received(const struct receiving *r, zrpc_time took)
{
    double seconds = (double)(took < 1 ? 1 : took) / (double)ZRPC_SECOND;
    char size[NICE_MAX], rate[NICE_MAX];

    printf("received %s stream in %.2f seconds (%s/sec)\n", nice_number(r->bytes, true, size), seconds,
           nice_number((uint64_t)((double)r->bytes / seconds), true, rate));
}

static int run(struct zfs *z, struct receiving *r)
{
    zrpc_time began = zrpc_now();
    struct zrpc_error err;
    int rc = read_begin(r, &err);

    if (rc == 0)
        rc = choose_target(z, r, &err);
    if (rc == 0 && r->verbose) {
        printf("%s %s stream of %s into %s\n", r->dry_run ? "would receive" : "receiving",
               r->from_guid == 0 ? "full" : "incremental", r->to_name, r->target);
        fflush(stdout);
    }
    if (rc == 0)
        rc = r->dry_run ? copy(r, NULL, &err) : receive(z, r, &err);
    if (rc != 0)
        return refused(&err);
    if (r->verbose && !r->dry_run)
        tell_received(r, zrpc_now() - began);
    return 0;
}

static int abort_partial(struct zfs *z, const struct receiving *r)
{
    struct zrpc_zpool_dataset d;
    struct zrpc_buf token = {0};
    struct zrpc_error err;
    int rc;

    if (r->prefix || r->dry_run || r->options.resumable || r->options.unmounted)
        return misused(z, "invalid option");
    if (open_dataset(z, r->name, ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME, &d, &err) != 0)
        return misused(z, "%s", err.text);
    rc = z->zfs.ops->resume_token(z->zfs.ctx, NULL, r->name, &token, &err);
    zrpc_buf_dispose(&token);
    if (rc == 0) {
        fprintf(stderr, "'%s' does not have any resumable receive state to abort\n", r->name);
        return EXIT_REFUSED;
    }
    if (rc > 0)
        rc = z->zfs.ops->abort_receive(z->zfs.ctx, NULL, r->name, &err);
    return rc == 0 ? 0 : refused(&err);
}

static int exclude(const struct zfs *z, struct receiving *r, const char *property)
{
    if (strchr(property, '=') != NULL)
        return misused(z, "invalid character '=' in property argument");
    for (size_t i = 0; i < r->options.n_excluded; i++)
        if (strcmp(r->excluded[i], property) == 0)
            return misused(z, "property '%s' specified multiple times", property);
    if (r->options.n_excluded == SETTINGS_MAX)
        return misused(z, "more than %d properties", SETTINGS_MAX);
    r->excluded[r->options.n_excluded++] = property;
    return 0;
}

static int parse(const struct zfs *z, struct receiving *r, int argc, char **argv)
{
    int c, status = 0;

    while (status == 0 && (c = getopt(argc, argv, ":o:x:dehMnuvFsA")) != -1) {
        if (c == 'o')
            status = add_setting(&r->settings, optarg) ? 0 : misused(z, NULL);
        else if (c == 'x')
            status = exclude(z, r, optarg);
        else if ((c == 'd' && r->tail) || (c == 'e' && r->prefix && !r->tail))
            status = misused(z, "invalid option combination: -d and -e are mutually exclusive");
        else if (c == 'd')
            r->prefix = true;
        else if (c == 'e')
            r->prefix = r->tail = true;
        else if (c == 'n')
            r->dry_run = true;
        else if (c == 'u')
            r->options.unmounted = true;
        else if (c == 'v')
            r->verbose = true;
        else if (c == 's')
            r->options.resumable = true;
        else if (c == 'F')
            r->options.force = true;
        else if (c == 'A')
            r->abort = true;
        else if (c != 'h' && c != 'M') /* no holds come, nothing is mounted */
            status = misused_option(z, c);
    }
    return status;
}

int zfs_receive(struct zfs *z, int argc, char **argv)
{
    static struct receiving r;
    int status = parse(z, &r, argc, argv);

    if (status != 0)
        return status;
    if (argc == optind)
        return misused(z, "missing snapshot argument");
    if (argc - optind > 1)
        return misused(z, "too many arguments");
    r.name = argv[optind];
    if (r.abort)
        return abort_partial(z, &r);
    if (isatty(STDIN_FILENO)) {
        fputs("Error: Backup stream can not be read from a terminal.\nYou must redirect standard input.\n",
              stderr);
        return EXIT_REFUSED;
    }
    return run(z, &r);
}
