/*
 * zpool: makes, shows and removes the simulated pool that the command zfs beside it works on, and does to it
 * what no command of zfs's would: writes files, tells digests (sim/zfs/README.md).
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/zfs/zpool.h"

enum { EXIT_REFUSED = 1, EXIT_MISUSED = 2, SETTINGS_MAX = 64 };

struct command {
    const char *name, *usage;
    int (*run)(const struct command *self, const char *file, int argc, char **argv);
};

__attribute__((format(printf, 2, 3))) static int misused(const struct command *self, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nusage:\n%s", self->usage);
    return EXIT_MISUSED;
}

static int refused(const struct zrpc_error *err)
{
    fprintf(stderr, "%s\n", err->text);
    return EXIT_REFUSED;
}

static int open_pool(const char *file, const char *name, struct zrpc_zpool **out, struct zrpc_error *err)
{
    int rc = zrpc_zpool_open(file, out, err);

    if (rc == 0 && name != NULL && strcmp(zrpc_zpool_name(*out), name) != 0) {
        zrpc_zpool_close(*out);
        *out = NULL;
        rc = zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': no such pool", name);
    }
    return rc;
}

struct creating {
    struct zrpc_zpool_options options;
    struct zrpc_zpool_setting settings[SETTINGS_MAX];
    size_t n_settings;
};

static int parse_number(const char *text, uint64_t *out, struct zrpc_error *err)
{
    static const char units[] = "KMGTPE";
    const char *unit;
    char *end;
    unsigned shift = 0;

    errno = 0;
    *out = strtoull(text, &end, 0);
    unit = *end == '\0' ? NULL : strchr(units, *end & ~0x20);
    if (unit != NULL)
        shift = 10 * (unsigned)(unit - units + 1);
    if (errno != 0 || end == text || text[0] == '-' || (*end != '\0' && (unit == NULL || end[1] != '\0')) ||
        *out > UINT64_MAX >> shift)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "expected a number such as 4096, 10M or 1T, found '%s'", text);
    *out <<= shift;
    return 0;
}

static int set_option(struct creating *c, int option, char *text, struct zrpc_error *err)
{
    char *equals = strchr(text, '=');

    if (option == 's')
        return parse_number(text, &c->options.seed, err);
    if (option == 'c')
        return parse_number(text, &c->options.capacity, err);
    if (equals == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "missing '=' for property=value argument");
    if (option == 'o') /* the pool's own, such as ashift: they mean nothing here */
        return 0;
    if (c->n_settings == SETTINGS_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "more than %d properties", SETTINGS_MAX);
    *equals = '\0';
    c->settings[c->n_settings++] = (struct zrpc_zpool_setting){.name = text, .value = equals + 1};
    return 0;
}

static int create(const struct command *self, const char *file, int argc, char **argv)
{
    struct creating c = {0};
    struct zrpc_zpool *pool = NULL;
    struct zrpc_error err;
    int o, rc = 0;

    while (rc == 0 && (o = getopt(argc, argv, "+fo:O:s:c:")) != -1) {
        if (o == '?')
            return misused(self, "invalid option '%c'", optopt);
        if (o != 'f')
            rc = set_option(&c, o, optarg, &err);
    }
    if (rc != 0)
        return misused(self, "%s", err.text);
    if (argc == optind)
        return misused(self, "missing pool name argument");
    c.options.name = argv[optind];
    rc = zrpc_zpool_create(file, &c.options, &pool, &err);
    if (rc != 0)
        return refused(&err);
    if (c.n_settings > 0)
        rc = zrpc_zpool_set(pool, c.options.name, c.settings, c.n_settings, &err);
    zrpc_zpool_close(pool);
    if (rc == 0)
        return 0;
    unlink(file);
    return refused(&err);
}

static void print_pool(const struct zrpc_zpool_dataset *root, bool scripted)
{
    unsigned long long used = root->used, free_bytes = root->available;

    if (!scripted)
        printf("%-10s  %20s  %20s  %20s  %s\n", "NAME", "SIZE", "ALLOC", "FREE", "HEALTH");
    printf(scripted ? "%s\t%llu\t%llu\t%llu\t%s\n" : "%-10s  %20llu  %20llu  %20llu  %s\n", root->name,
           used + free_bytes, used, free_bytes, "ONLINE");
}

static int list(const struct command *self, const char *file, int argc, char **argv)
{
    struct zrpc_zpool *pool = NULL;
    struct zrpc_zpool_dataset root;
    struct zrpc_error err;
    bool scripted = false;
    int o, rc;

    while ((o = getopt(argc, argv, "Hp")) != -1) {
        if (o == '?')
            return misused(self, "invalid option '%c'", optopt);
        scripted = scripted || o == 'H';
    }
    if (access(file, F_OK) != 0 && argc == optind) {
        puts("no pools available");
        return 0;
    }
    rc = open_pool(file, argc > optind ? argv[optind] : NULL, &pool, &err);
    if (rc == 0)
        rc = zrpc_zpool_open_dataset(pool, zrpc_zpool_name(pool), &root, &err);
    if (rc == 0)
        print_pool(&root, scripted);
    zrpc_zpool_close(pool);
    return rc == 0 ? 0 : refused(&err);
}

/* SQLite's own files beside it go too, before it. */
static int destroy(const struct command *self, const char *file, int argc, char **argv)
{
    static const char *const endings[] = {"-wal", "-shm", "-journal", ""};
    struct zrpc_zpool *pool = NULL;
    struct zrpc_error err;
    char name[4096];
    int o;

    while ((o = getopt(argc, argv, "f")) != -1)
        if (o == '?')
            return misused(self, "invalid option '%c'", optopt);
    if (argc - optind != 1)
        return misused(self, argc == optind ? "missing pool argument" : "too many arguments");
    if (open_pool(file, argv[optind], &pool, &err) != 0)
        return refused(&err);
    zrpc_zpool_close(pool);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(name, sizeof name, "%s%s", file, endings[i]);
        if (unlink(name) != 0 && errno != ENOENT) {
            perror(name);
            return EXIT_REFUSED;
        }
    }
    return 0;
}

static int write_content(const struct command *self, const char *file, int argc, char **argv)
{
    struct zrpc_zpool *pool = NULL;
    struct zrpc_error err;
    uint64_t bytes;
    int rc;

    if (argc != 3)
        return misused(self, "expected a filesystem and a size");
    rc = parse_number(argv[2], &bytes, &err);
    if (rc == 0)
        rc = open_pool(file, NULL, &pool, &err);
    if (rc == 0)
        rc = zrpc_zpool_write(pool, argv[1], bytes, &err);
    zrpc_zpool_close(pool);
    return rc == 0 ? 0 : refused(&err);
}

static int digest(const struct command *self, const char *file, int argc, char **argv)
{
    struct zrpc_zpool *pool = NULL;
    struct zrpc_error err;
    uint64_t sum[4];
    int rc;

    if (argc < 2)
        return misused(self, "missing snapshot argument");
    rc = open_pool(file, NULL, &pool, &err);
    for (int i = 1; i < argc && rc == 0; i++) {
        rc = zrpc_zpool_digest(pool, argv[i], sum, &err);
        if (rc == 0)
            printf("%016llx%016llx%016llx%016llx\t%s\n", (unsigned long long)sum[0],
                   (unsigned long long)sum[1], (unsigned long long)sum[2], (unsigned long long)sum[3],
                   argv[i]);
    }
    zrpc_zpool_close(pool);
    return rc == 0 ? 0 : refused(&err);
}

static const struct command commands[] = {
    {"create", "\tcreate [-f] [-s seed] [-c capacity] [-O property=value] ... <pool> [vdev] ...\n", create},
    {"list", "\tlist [-Hp] [pool]\n", list},
    {"destroy", "\tdestroy [-f] <pool>\n", destroy},
    {"write", "\twrite <filesystem> <bytes>\n", write_content},
    {"digest", "\tdigest <snapshot> ...\n", digest},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static int usage(FILE *out, int status)
{
    fputs(
        "usage: zpool command args ...\n"
        "The simulated pool in the file $ZFS_SIM_POOL. 'command' is one of the following:\n\n",
        out);
    for (size_t i = 0; i < COMMANDS; i++)
        fputs(commands[i].usage, out);
    return status;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const char *file = getenv("ZFS_SIM_POOL");
    const struct command *command;
    int status;

    opterr = 0;
    if (argc < 2) {
        fputs("missing command\n", stderr);
        return usage(stderr, EXIT_MISUSED);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)
        return usage(stdout, 0);
    command = find(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "unrecognized command '%s'\n", argv[1]);
        return usage(stderr, EXIT_MISUSED);
    }
    if (file == NULL || file[0] == '\0') {
        fputs("ZFS_SIM_POOL is not set: the file of the simulated pool\n", stderr);
        return EXIT_REFUSED;
    }
    status = command->run(command, file, argc - 1, argv + 1);
    return fflush(stdout) == 0 ? status : EXIT_REFUSED;
}
