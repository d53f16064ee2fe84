/*
 * sim-zfs-pool: makes simulated pools, and says whether what one has received is what another has sent.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "sim/zfs/zpool.h"
#include "zrpc/endpoint.h"

enum { EXIT_SAME = 0, EXIT_DIFFERENT = 1, EXIT_WRONG_USAGE = 2, EXIT_TROUBLE = 3 };

static int complain(const char *what, int status)
{
    fprintf(stderr, "sim-zfs-pool: %s\n", what);
    return status;
}

/* Repeatable, and good enough for sizes. */
static uint64_t any(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 24) % below;
}

static int fill_filesystem(struct zrpc_zpool *p, const char *fs, uint64_t *state, uint64_t most,
                           struct zrpc_error *err)
{
    uint64_t n = 1 + any(state, 5);
    int rc = zrpc_zpool_add_filesystem(p, fs, false, err);

    for (uint64_t i = 1; rc == 0 && i <= n; i++) {
        struct zrpc_zfs_version v = {.type = ZRPC_ZFS_SNAPSHOT};

        snprintf(v.name, sizeof v.name, "%" PRIu64, i);
        rc = zrpc_zpool_add_snapshot(p, fs, &v, any(state, 4) == 0 ? 0 : any(state, most), err);
    }
    return rc;
}

/* NAME/a, NAME/a/b, NAME/c; each with one to five snapshots. */
static int fill(struct zrpc_zpool *p, const char *name, uint64_t seed, uint64_t most, struct zrpc_error *err)
{
    static const char *const below[] = {"a", "a/b", "c"};
    uint64_t state = seed * 0x9E3779B97F4A7C15u;
    char fs[ZRPC_ZFS_NAME_MAX];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof below / sizeof *below; i++) {
        rc = zrpc_zfs_path_join(name, below[i], fs, err);
        if (rc == 0)
            rc = fill_filesystem(p, fs, &state, most, err);
    }
    return rc;
}

static int command_make(const struct cli_command *self, int argc, char **argv)
{
    const char *name = "tank", *root = NULL;
    uint64_t seed = 1, most = 1 << 20;
    bool help = false;
    const struct cli_option options[] = {
        {"name", CLI_STRING, &name, "NAME", "of the pool (tank)"},
        {"seed", CLI_NUMBER, &seed, "N", "decides what is in it (1)"},
        {"written", CLI_NUMBER, &most, "BYTES", "at most, for each snapshot (1M)"},
        {"root", CLI_STRING, &root, "FS", "only this, to receive in"},
        {"help", CLI_FLAG, &help, NULL, "show this"},
        {0},
    };
    struct zrpc_zpool_options create = {0};
    struct zrpc_zpool *p = NULL;
    struct cli_args args;
    struct zrpc_error err;
    int rc = cli_parse(options, argc, argv, &args, &err);

    if (rc == 0 && help) {
        cli_print_command(stdout, "sim-zfs-pool", self, options);
        return EXIT_SAME;
    }
    if (rc == 0 && (args.n != 1 || most == 0 || seed == 0))
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "make takes a file's name, and numbers above 0");
    if (rc != 0)
        return complain(err.text, EXIT_WRONG_USAGE);
    create.name = name;
    create.seed = seed;
    rc = zrpc_zpool_create(args.items[0], &create, &p, &err);
    if (rc == 0)
        rc = root != NULL ? zrpc_zpool_add_filesystem(p, root, true, &err) : fill(p, name, seed, most, &err);
    zrpc_zpool_close(p);
    return rc == 0 ? EXIT_SAME : complain(err.text, EXIT_TROUBLE);
}

struct comparison {
    struct zrpc_zpool *from, *to;
    struct zrpc_zpool_datasets ours, theirs;
    const char *root; /* of theirs */
    bool complete;
    unsigned same, partial, different;
};

static void differ(struct comparison *c, const char *name, const char *how)
{
    printf("%s: %s\n", name, how);
    c->different++;
}

static const struct zrpc_zpool_dataset *find(const struct zrpc_zpool_datasets *l, const char *name)
{
    for (size_t i = 0; i < l->len; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return &l->items[i];
    return NULL;
}

/* By guid and by all of its content. */
static int compare_snapshot(struct comparison *c, const struct zrpc_zpool_dataset *theirs,
                            struct zrpc_error *err)
{
    const struct zrpc_zpool_dataset *ours = find(&c->ours, theirs->name + strlen(c->root) + 1);
    uint64_t a[4], b[4];
    int rc;

    if (ours == NULL || ours->guid != theirs->guid) {
        differ(c, theirs->name, ours == NULL ? "has no origin" : "has another guid than its origin");
        return 0;
    }
    rc = zrpc_zpool_digest(c->from, ours->name, a, err);
    if (rc == 0)
        rc = zrpc_zpool_digest(c->to, theirs->name, b, err);
    if (rc == 0 && memcmp(a, b, sizeof a) != 0)
        differ(c, theirs->name, "has other content than its origin");
    else if (rc == 0)
        c->same++;
    return rc;
}

/* A filesystem that is there for a partial receive alone has a token, or what came is lost. */
static int look_for_partial(struct comparison *c, const struct zrpc_zpool_dataset *fs, struct zrpc_error *err)
{
    struct zrpc_zfs zfs = zrpc_zpool_zfs(c->to);
    struct zrpc_zfs_token told;
    struct zrpc_buf token = {0};
    int rc = zfs.ops->resume_token(zfs.ctx, NULL, fs->name, &token, err);

    if (rc > 0) {
        rc = zfs.ops->read_token(zfs.ctx, NULL, (const char *)zrpc_buf_view(&token).data, &told, err);
        c->partial++;
        printf("%s: partial receive of @%s, %" PRIu64 " bytes\n", fs->name, told.to, told.bytes);
        if (c->complete)
            differ(c, fs->name, "a partial receive is left");
    } else if (rc == 0 && fs->inconsistent) {
        differ(c, fs->name, "is inconsistent, and has no resume token");
    }
    zrpc_buf_dispose(&token);
    return rc < 0 ? rc : 0;
}

static const struct zrpc_zpool_dataset *newest_snapshot(const struct comparison *c, const char *fs)
{
    const struct zrpc_zpool_dataset *newest = NULL;
    size_t len = strlen(fs);

    for (size_t i = 0; i < c->ours.len; i++) {
        const struct zrpc_zpool_dataset *d = &c->ours.items[i];

        if (d->type == ZRPC_ZPOOL_SNAPSHOT && strncmp(d->name, fs, len) == 0 && d->name[len] == '@' &&
            (newest == NULL || d->createtxg > newest->createtxg))
            newest = d;
    }
    return newest;
}

/* Of a filesystem of ours: everything has arrived, and the cursor says so. */
static void check_complete(struct comparison *c, const char *fs)
{
    const struct zrpc_zpool_dataset *newest = newest_snapshot(c, fs), *cursor;
    char name[2 * ZRPC_ZFS_NAME_MAX];

    if (newest == NULL)
        return;
    snprintf(name, sizeof name, "%s#%s", fs, ZRPC_REPLICATION_CURSOR);
    cursor = find(&c->ours, name);
    if (cursor == NULL || cursor->guid != newest->guid)
        differ(c, name, "is not at the newest snapshot");
}

static int compare(struct comparison *c, struct zrpc_error *err)
{
    char name[2 * ZRPC_ZFS_NAME_MAX];
    int rc = zrpc_zpool_list(c->from, NULL, ZRPC_ZPOOL_ANY_DEPTH, ZRPC_ZPOOL_ALL_TYPES, &c->ours, err);

    if (rc == 0)
        rc = zrpc_zpool_list(c->to, c->root, ZRPC_ZPOOL_ANY_DEPTH, ZRPC_ZPOOL_ALL_TYPES, &c->theirs, err);
    for (size_t i = 0; rc == 0 && i < c->theirs.len; i++) {
        const struct zrpc_zpool_dataset *d = &c->theirs.items[i];

        if (d->type == ZRPC_ZPOOL_SNAPSHOT)
            rc = compare_snapshot(c, d, err);
        else if (d->type == ZRPC_ZPOOL_FILESYSTEM && strcmp(d->name, c->root) != 0)
            rc = look_for_partial(c, d, err);
    }
    for (size_t i = 0; rc == 0 && c->complete && i < c->ours.len; i++) {
        snprintf(name, sizeof name, "%s/%s", c->root, c->ours.items[i].name);
        if (c->ours.items[i].type == ZRPC_ZPOOL_FILESYSTEM)
            check_complete(c, c->ours.items[i].name);
        else if (c->ours.items[i].type == ZRPC_ZPOOL_SNAPSHOT && find(&c->theirs, name) == NULL)
            differ(c, name, "has not been received");
    }
    return rc;
}

static int command_compare(const struct cli_command *self, int argc, char **argv)
{
    struct comparison c = {0};
    bool help = false;
    const struct cli_option options[] = {
        {"root", CLI_STRING, &c.root, "FS", "where TO has received: FS/tank/a is what FROM has as tank/a"},
        {"complete", CLI_FLAG, &c.complete, NULL,
         "everything must have arrived, and nothing be left half done"},
        {"help", CLI_FLAG, &help, NULL, "show this"},
        {0},
    };
    struct cli_args args;
    struct zrpc_error err;
    int rc = cli_parse(options, argc, argv, &args, &err);

    if (rc == 0 && help) {
        cli_print_command(stdout, "sim-zfs-pool", self, options);
        return EXIT_SAME;
    }
    if (rc == 0 && (args.n != 2 || c.root == NULL))
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "compare takes two files and --root");
    if (rc != 0)
        return complain(err.text, EXIT_WRONG_USAGE);
    rc = zrpc_zpool_open(args.items[0], &c.from, &err);
    if (rc == 0)
        rc = zrpc_zpool_open(args.items[1], &c.to, &err);
    if (rc == 0)
        rc = compare(&c, &err);
    zrpc_zpool_datasets_dispose(&c.ours);
    zrpc_zpool_datasets_dispose(&c.theirs);
    zrpc_zpool_close(c.from);
    zrpc_zpool_close(c.to);
    if (rc != 0)
        return complain(err.text, EXIT_TROUBLE);
    printf("%u snapshots are the same, %u differences, %u partial receives\n", c.same, c.different,
           c.partial);
    return c.different == 0 ? EXIT_SAME : EXIT_DIFFERENT;
}

static const struct cli_command commands[] = {
    {"make", "FILE [--name NAME] [--seed N] [--root FS]", "make a pool's file", command_make},
    {"compare", "FROM TO --root FS [--complete]", "whether TO has what FROM has", command_compare},
    {0},
};

int main(int argc, char **argv)
{
    return cli_main("sim-zfs-pool", "Simulated pools in files, for tests of replication.", commands, argc,
                    argv);
}
