#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/zfs/token.h"
#include "zfs.h"

enum { PIECE = 256 * 1024 };

struct sending {
    const char *from; /* as it was given */
    const char *token;
    unsigned verbosity;
    bool parsable, progress, dry_run;
    /* what is sent */
    char to_name[ZRPC_ZFS_NAME_MAX], from_name[ZRPC_ZFS_NAME_MAX]; /* in full; from_name empty: all of it */
    char fs[ZRPC_ZFS_NAME_MAX];
    struct zrpc_zfs_send send;
    uint64_t sent;
    zrpc_time told;
};

static void print_estimate(const struct sending *s, FILE *out, uint64_t size)
{
    char nice[NICE_MAX];

    if (s->parsable) {
        if (s->from_name[0] != '\0')
            fprintf(out, "incremental\t%s\t", s->from_name);
        else
            fputs("full\t", out);
        fprintf(out, "%s\t%llu\nsize\t%llu\n", s->to_name, (unsigned long long)size,
                (unsigned long long)size);
        return;
    }
    if (s->from_name[0] != '\0')
        fprintf(out, "send from %s to %s", s->from_name, s->to_name);
    else
        fprintf(out, "full send of %s", s->to_name);
    if (size != 0)
        fprintf(out, " estimated size is %s", nice_number(size, true, nice));
    fprintf(out, "\ntotal estimated size is %s\n", nice_number(size, false, nice));
}

static int estimate(struct zfs *z, struct sending *s, struct zrpc_error *err)
{
    int64_t size = 0;
    int rc;

    if (s->verbosity == 0)
        return 0;
    rc = z->zfs.ops->estimate(z->zfs.ctx, NULL, &s->send, &size, err);
    if (rc == 0)
        print_estimate(s, s->dry_run ? stdout : stderr, size < 0 ? 0 : (uint64_t)size);
    return rc;
}

static void tell_progress(struct sending *s)
{
    zrpc_time now = zrpc_now();
    char clock[16], nice[NICE_MAX];

    if (!s->progress || now - s->told < ZRPC_SECOND)
        return;
    s->told = now;
    nice_time(time(NULL), "%H:%M:%S", clock, sizeof clock);
    if (s->parsable)
        fprintf(stderr, "%s\t%llu\t%s\n", clock, (unsigned long long)s->sent, s->to_name);
    else
        fprintf(stderr, "%s   %5s   %s\n", clock, nice_number(s->sent, true, nice), s->to_name);
}

static int put(struct sending *s, const char *bytes, size_t len, struct zrpc_error *err)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "warning: cannot send '%s'", s->to_name);
        bytes += n;
        len -= (size_t)n;
        s->sent += (uint64_t)n;
    }
    return 0;
}

static int copy(struct sending *s, const struct zrpc_source *source, struct zrpc_error *err)
{
    static char piece[PIECE];
    int rc = 0;

    (void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 4 * PIECE);
    s->told = zrpc_now();
    if (s->progress && !s->parsable)
        fprintf(stderr, "TIME        SENT   SNAPSHOT %s\n", s->to_name);
    while (rc == 0) {
        ssize_t n = source->ops->read(source->ctx, piece, sizeof piece, err);
        struct pollfd wait;

        if (n == 0)
            break;
        if (n == ZRPC_ERR_AGAIN) {
            wait = zrpc_source_wait(source);
            poll(&wait, 1, s->progress ? 1000 : -1);
        } else {
            rc = n < 0 ? (int)n : put(s, piece, (size_t)n, err);
        }
        tell_progress(s);
    }
    if (rc == 0 && source->ops->finish != NULL)
        rc = source->ops->finish(source->ctx, err);
    return rc;
}

static int transfer(struct zfs *z, struct sending *s, struct zrpc_error *err)
{
    struct zrpc_source source = {0};
    int rc = estimate(z, s, err);

    if (rc != 0 || s->dry_run)
        return rc;
    rc = z->zfs.ops->send(z->zfs.ctx, NULL, &s->send, &source, err);
    if (rc == 0)
        rc = copy(s, &source, err);
    zrpc_source_close(&source);
    return rc;
}

/* Where -i has no filesystem, it is that of what is sent. */
static int complete_from(struct sending *s, struct zrpc_error *err)
{
    bool named = strpbrk(s->from, "@#") != NULL, whole = named && s->from[0] != '@' && s->from[0] != '#';
    int len =
        snprintf(s->from_name, sizeof s->from_name, "%s%s%s", whole ? "" : s->fs, named ? "" : "@", s->from);

    if (!named)
        fputs(
            "Warning: incremental source didn't specify type, assuming snapshot. Use '@' or '#' prefix to "
            "avoid ambiguity.\n",
            stderr);
    if (len < 0 || (size_t)len >= sizeof s->from_name)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': name is too long", s->from);
    return 0;
}

static int check_from(struct zfs *z, const struct sending *s, const struct zrpc_zpool_dataset *to,
                      struct zrpc_error *err)
{
    char fs[ZRPC_ZFS_NAME_MAX];
    struct zrpc_zpool_dataset from;
    int rc;

    filesystem_of(s->from_name, fs);
    if (strchr(s->from_name, '@') != NULL) {
        rc = open_dataset(z, s->from_name, ZRPC_ZPOOL_SNAPSHOT, &from, err);
        if (rc != 0)
            return rc;
    } else if (zrpc_zpool_open_dataset(z->pool, s->from_name, &from, NULL) != 0) {
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "warning: cannot send '%s': incremental source (%s) does not exist", s->to_name,
                         s->from_name);
    }
    if (strcmp(fs, s->fs) != 0 || from.createtxg >= to->createtxg)
        return zrpc_fail(err, ZRPC_ERR_ZFS,
                         "warning: cannot send '%s': not an earlier snapshot from the same fs", s->to_name);
    return 0;
}

static int send_snapshot(struct zfs *z, struct sending *s, const char *name)
{
    unsigned types = ZRPC_ZPOOL_FILESYSTEM | ZRPC_ZPOOL_VOLUME | ZRPC_ZPOOL_SNAPSHOT;
    struct zrpc_zpool_dataset to;
    struct zrpc_error err;
    int rc;

    filesystem_of(name, s->fs);
    rc = s->from == NULL ? 0 : complete_from(s, &err);
    if (rc == 0)
        rc = open_dataset(z, name, types, &to, &err);
    if (rc == 0)
        memcpy(s->to_name, to.name, sizeof s->to_name);
    if (rc == 0 && to.type != ZRPC_ZPOOL_SNAPSHOT)
        rc = zrpc_fail(&err, ZRPC_ERR_ZFS,
                       "warning: cannot send '%s': target is busy; if a filesystem, it must not be mounted",
                       name);
    if (rc == 0 && s->from != NULL)
        rc = check_from(z, s, &to, &err);
    if (rc == 0) {
        s->send = (struct zrpc_zfs_send){
            .filesystem = s->fs,
            .from = s->from == NULL ? "" : strpbrk(s->from_name, "@#"),
            .to = strchr(s->to_name, '@'),
        };
        rc = transfer(z, s, &err);
    }
    return rc == 0 ? 0 : refused(&err);
}

/* What a GUID is called now. */
static bool find_guid(struct zfs *z, const char *fs, uint64_t guid, char out[static ZRPC_ZFS_NAME_MAX])
{
    struct zrpc_zpool_datasets versions = {0};
    bool found = false;

    if (zrpc_zpool_list(z->pool, fs, 1, ZRPC_ZPOOL_SNAPSHOT | ZRPC_ZPOOL_BOOKMARK, &versions, NULL) != 0)
        return false;
    for (size_t i = 0; i < versions.len && !found; i++) {
        found = versions.items[i].guid == guid;
        if (found)
            memcpy(out, versions.items[i].name, ZRPC_ZFS_NAME_MAX);
    }
    zrpc_zpool_datasets_dispose(&versions);
    return found;
}

static int print_token(const struct sending *s, struct zrpc_error *err)
{
    struct zrpc_buf text = {0};
    int rc = s->verbosity == 0 ? 0 : zrpc_token_print(s->token, &text, err);

    if (rc == 0 && text.len > 0)
        fwrite(text.base + text.off, 1, text.len, s->dry_run ? stdout : stderr);
    zrpc_buf_dispose(&text);
    return rc;
}

static int find_resumed(struct zfs *z, struct sending *s, const struct zrpc_zfs_token *token,
                        struct zrpc_error *err)
{
    char to[2 * ZRPC_ZFS_NAME_MAX];
    struct zrpc_zpool_dataset there;

    snprintf(to, sizeof to, "%s@%s", token->filesystem, token->to);
    memcpy(s->fs, token->filesystem, sizeof s->fs);
    if (!find_guid(z, s->fs, token->to_guid, s->to_name) || strchr(s->to_name, '@') == NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot resume send: '%s' %s", to,
                         zrpc_zpool_open_dataset(z->pool, to, &there, NULL) == 0
                             ? "is no longer the same snapshot used in the initial send"
                             : "used in the initial send no longer exists");
    if (token->from_guid != 0 && !find_guid(z, s->fs, token->from_guid, s->from_name))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot resume send: incremental source %#llx no longer exists",
                         (unsigned long long)token->from_guid);
    return 0;
}

static int resume(struct zfs *z, struct sending *s)
{
    struct zrpc_zfs_token token;
    struct zrpc_error err;
    int rc = z->zfs.ops->read_token(z->zfs.ctx, NULL, s->token, &token, &err);

    if (rc != 0 && strncmp(err.text, "cannot", 6) != 0)
        rc = zrpc_error_prefix(&err, rc, "cannot resume send");
    if (rc == 0)
        rc = print_token(s, &err);
    if (rc == 0)
        rc = find_resumed(z, s, &token, &err);
    if (rc == 0) {
        s->send = (struct zrpc_zfs_send){
            .filesystem = s->fs, .from = "", .to = strchr(s->to_name, '@'), .resume_token = s->token};
        rc = transfer(z, s, &err);
    }
    if (rc == 0)
        return 0;
    refused(&err);
    return EXIT_MINUS_ONE;
}

static int not_simulated(int option)
{
    fprintf(stderr, "cannot send: -%c is not simulated\n", option);
    return EXIT_REFUSED;
}

/* Of this content, which is neither encrypted nor compressed, -L, -e, -c and -w make no other stream. */
static const struct option long_options[] = {
    {"parsable", no_argument, NULL, 'P'},     {"proctitle", no_argument, NULL, 'V'},
    {"verbose", no_argument, NULL, 'v'},      {"dryrun", no_argument, NULL, 'n'},
    {"large-block", no_argument, NULL, 'L'},  {"embed", no_argument, NULL, 'e'},
    {"resume", required_argument, NULL, 't'}, {"compressed", no_argument, NULL, 'c'},
    {"raw", no_argument, NULL, 'w'},          {"dedup", no_argument, NULL, 'D'},
    {"replicate", no_argument, NULL, 'R'},    {"props", no_argument, NULL, 'p'},
    {"backup", no_argument, NULL, 'b'},       {"holds", no_argument, NULL, 'h'},
    {"saved", no_argument, NULL, 'S'},        {NULL, 0, NULL, 0},
};

static int parse(const struct zfs *z, struct sending *s, int argc, char **argv)
{
    int c;

    while ((c = getopt_long(argc, argv, ":i:I:RsDpVvnPLeht:cwbS", long_options, NULL)) != -1) {
        if (c == 'i' && s->from == NULL)
            s->from = optarg;
        else if (c == 'i')
            return misused(z, NULL);
        else if (c == 't')
            s->token = optarg;
        else if (c == 'v')
            s->verbosity++, s->progress = true;
        else if (c == 'P')
            s->parsable = true;
        else if (c == 'n')
            s->dry_run = true;
        else if (c == 'D')
            fputs(
                "WARNING: deduplicated send is no longer supported.  A regular,\n"
                "non-deduplicated stream will be generated.\n\n",
                stderr);
        else if (strchr("IRspbhS", c) != NULL)
            return not_simulated(c);
        else if (strchr("VLecw", c) == NULL)
            return misused_option(z, c);
    }
    if (s->parsable && s->verbosity == 0)
        s->verbosity = 1;
    return 0;
}

int zfs_send(struct zfs *z, int argc, char **argv)
{
    struct sending s = {0};
    int status = parse(z, &s, argc, argv);

    if (status != 0)
        return status;
    if (s.token != NULL && s.from != NULL)
        return misused(z, "invalid flags combined with -t");
    if (s.token == NULL && argc == optind)
        return misused(z, "missing snapshot argument");
    if (argc - optind > (s.token == NULL ? 1 : 0))
        return misused(z, "too many arguments");
    if (!s.dry_run && isatty(STDOUT_FILENO)) {
        fputs("Error: Stream can not be written to a terminal.\nYou must redirect standard output.\n",
              stderr);
        return EXIT_REFUSED;
    }
    return s.token != NULL ? resume(z, &s) : send_snapshot(z, &s, argv[optind]);
}
