#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zfs.h"

static const struct zfs_command commands[] = {
    {"version", NULL, "\tversion\n", NULL, false},
    {"create", NULL,
     "\tcreate [-Pnpuv] [-o property=value] ... <filesystem>\n"
     "\tcreate [-Pnpsv] [-b blocksize] [-o property=value] ... -V <size> <volume>\n",
     zfs_create, false},
    {"destroy", NULL,
     "\tdestroy [-fnpRrv] <filesystem|volume>\n"
     "\tdestroy [-dnpRrv] <filesystem|volume>@<snap>[%<snap>][,...]\n"
     "\tdestroy <filesystem|volume>#<bookmark>\n",
     zfs_destroy, false},
    {"snapshot", "snap", "\tsnapshot [-r] [-o property=value] ... <filesystem|volume>@<snap> ...\n",
     zfs_snapshot, false},
    {"rollback", NULL, "\trollback [-rRf] <snapshot>\n", zfs_rollback, false},
    {"bookmark", NULL, "\tbookmark <snapshot|bookmark> <newbookmark>\n", zfs_bookmark, false},
    {"list", NULL,
     "\tlist [-Hp] [-r|-d max] [-o property[,...]] [-s property]...\n"
     "\t    [-S property]... [-t type[,...]] [filesystem|volume|snapshot] ...\n",
     zfs_list, true},
    {"set", NULL, "\tset [-u] <property=value> ... <filesystem|volume|snapshot> ...\n", zfs_set, true},
    {"get", NULL,
     "\tget [-rHp] [-d max] [-o \"all\" | field[,...]]\n"
     "\t    [-t type[,...]] [-s source[,...]]\n"
     "\t    <\"all\" | property[,...]> [filesystem|volume|snapshot|bookmark] ...\n",
     zfs_get, true},
    {"inherit", NULL, "\tinherit [-rS] <property> <filesystem|volume|snapshot> ...\n", zfs_inherit, true},
    {"send", NULL,
     "\tsend [-DLPVcenpvw] [-i snapshot|bookmark] <snapshot>\n"
     "\tsend [-LPVcenvw] -t <receive_resume_token>\n",
     zfs_send, false},
    {"receive", "recv",
     "\treceive [-vnsFu] [-o <property>=<value>] ... [-x <property>] ...\n"
     "\t    <filesystem|volume|snapshot>\n"
     "\treceive [-vnsFu] [-o <property>=<value>] ... [-x <property>] ...\n"
     "\t    [-d | -e] <filesystem>\n"
     "\treceive -A <filesystem|volume>\n",
     zfs_receive, false},
    {"hold", NULL, "\thold [-r] <tag> <snapshot> ...\n", zfs_hold, false},
    {"holds", NULL, "\tholds [-rHp] <snapshot> ...\n", zfs_holds, false},
    {"release", NULL, "\trelease [-r] <tag> <snapshot> ...\n", zfs_release, false},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_usage(const struct zfs_command *command, FILE *out)
{
    fputs(command == NULL ? "usage: zfs command args ...\n"
                            "where 'command' is one of the following:\n\n"
                          : "usage:\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        if (command == NULL || command == &commands[i])
            fputs(commands[i].usage, out);
    if (command == NULL)
        fputs("\nEach dataset is of the form: pool/[dataset/]*dataset[@name]\n", out);
    if (command != NULL && command->tells_properties)
        print_properties(out);
    else
        fputs(
            "\nFor the property list, run: zfs set|get\n"
            "\nFor further help on a command or topic, run: zfs help [<topic>]\n",
            out);
}

int misused(const struct zfs *z, const char *fmt, ...)
{
    va_list args;

    if (fmt != NULL) {
        va_start(args, fmt);
        vfprintf(stderr, fmt, args);
        va_end(args);
        fputc('\n', stderr);
    }
    print_usage(z->command, stderr);
    return EXIT_MISUSED;
}

int misused_option(const struct zfs *z, int found)
{
    return found == ':' ? misused(z, "missing argument for '%c' option", optopt)
                        : misused(z, "invalid option '%c'", optopt);
}

int refused(const struct zrpc_error *err)
{
    fprintf(stderr, "%s\n", err->text);
    return EXIT_REFUSED;
}

int flushed(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno != EPIPE)
        perror("cannot write to standard output");
    return status == 0 ? EXIT_REFUSED : status;
}

static const struct zfs_command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0 ||
            (commands[i].alias != NULL && strcmp(name, commands[i].alias) == 0))
            return &commands[i];
    return NULL;
}

static int help(int argc, char **argv)
{
    const struct zfs_command *command = argc > 2 ? find(argv[2]) : NULL;

    if (argc > 2 && command == NULL) {
        fprintf(stderr, "no manual for '%s' here\n", argv[2]);
        return EXIT_REFUSED;
    }
    print_usage(command, stdout);
    return 0;
}

static int version(void)
{
    printf("zfs-%s-sim\nzfs-kmod-%s-sim\n", ZRPC_VERSION, ZRPC_VERSION);
    return 0;
}

/* As kill -9 does. */
static void crash(void)
{
    kill(getpid(), SIGKILL);
    _exit(137);
}

static int open_faults(struct zfs *z, struct zrpc_error *err)
{
    const char *file = getenv("ZFS_SIM_FAULTS");
    char counts[4096];
    int rc;

    if (file == NULL || file[0] == '\0')
        return 0;
    rc = zrpc_zfs_faults_load(file, &z->faults, err);
    if (rc != 0)
        return rc;
    if ((size_t)snprintf(counts, sizeof counts, "%s.counts", file) >= sizeof counts)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "ZFS_SIM_FAULTS: too long a name");
    zrpc_zfs_faults_on_crash(z->faults, crash);
    return zrpc_zfs_faults_share(z->faults, counts, err);
}

static int open_pool(struct zfs *z, struct zrpc_error *err)
{
    const char *file = getenv("ZFS_SIM_POOL");
    int rc = open_faults(z, err);

    if (rc == 0 && (file == NULL || file[0] == '\0'))
        rc = zrpc_fail(err, ZRPC_ERR_USAGE,
                       "ZFS_SIM_POOL is not set: the file of the simulated pool (zpool create makes one)");
    if (rc == 0)
        rc = zrpc_zpool_open(file, &z->pool, err);
    if (rc != 0)
        return rc;
    z->faulty = (struct zrpc_zfs_faulty){.plan = z->faults, .inner = zrpc_zpool_zfs(z->pool)};
    z->zfs = z->faults == NULL ? z->faulty.inner : zrpc_zfs_faulty(&z->faulty);
    return 0;
}

static int run(struct zfs *z, int argc, char **argv)
{
    struct zrpc_error err;
    int status;

    opterr = 0;
    /* A reader of ours that is gone is a failed write. */
    signal(SIGPIPE, SIG_IGN);
    status = open_pool(z, &err) == 0 ? z->command->run(z, argc, argv) : refused(&err);
    zrpc_zpool_close(z->pool);
    zrpc_zfs_faults_free(z->faults);
    return status;
}

int zfs_main(int argc, char **argv)
{
    struct zfs z = {0};
    const char *name = argc < 2 ? "" : argv[1];

    setlocale(LC_TIME, "");
    if (argc < 2)
        return misused(&z, "missing command");
    if (strcmp(name, "-?") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "help") == 0)
        return flushed(help(strcmp(name, "help") == 0 ? argc : 0, argv));
    if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0 || strcmp(name, "version") == 0)
        return flushed(version());
    z.command = find(name);
    if (z.command == NULL)
        return misused(&z, "unrecognized command '%s'", name);
    if (argc >= 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-?") == 0))
        return misused(&z, NULL);
    return flushed(run(&z, argc - 1, argv + 1));
}
