#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pool.h"
#include "zrpc.h"
#include "zrpc/config.h"
#include "zrpc/server.h"
#include "zrpc/transport.h"

struct serve {
    struct cli_list listen, clients, configs, filesystems;
    const char *role, *pool, *root, *faults, *log_level;
    uint64_t max_connections;
    zrpc_time grace;
    bool zfs, resumable, help;

    struct zrpc_tcp_client *map; /* of clients; its strings are owned */
    size_t n_map;
    struct zrpc_log log;
    struct pool local;
    struct zrpc_server *server;
};

static const struct {
    const char *name;
    enum zrpc_endpoint_role role;
} roles[] = {
    {"source", ZRPC_ENDPOINT_SENDER}, {"sink", ZRPC_ENDPOINT_RECEIVER}, {"both", ZRPC_ENDPOINT_BOTH}};

static int parse_role(const char *text, enum zrpc_endpoint_role *out, struct zrpc_error *err)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(text, roles[i].name) == 0) {
            *out = roles[i].role;
            return 0;
        }
    return zrpc_fail(err, ZRPC_ERR_USAGE, "--role \"%s\", expected source, sink or both", text);
}

static int parse_clients(struct serve *s, struct zrpc_error *err)
{
    s->map = calloc(s->clients.n + 1, sizeof *s->map);
    if (s->map == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for the clients");
    for (size_t i = 0; i < s->clients.n; i++) {
        const char *text = s->clients.items[i], *equals = strchr(text, '=');

        if (equals == NULL)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "--client \"%s\", expected IP=IDENTITY", text);
        s->map[i].identity = equals + 1;
        s->map[i].ip = strndup(text, (size_t)(equals - text));
        if (s->map[i].ip == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for the clients");
        s->n_map++;
    }
    return 0;
}

static int add_listener(struct serve *s, struct zrpc_listener *l, struct zrpc_error *err)
{
    int rc = zrpc_server_add_listener(s->server, l, err);

    if (rc == 0)
        printf("listening on %s\n", l->ops->address(l));
    return rc;
}

static int listen_on(struct serve *s, const char *endpoint, struct zrpc_error *err)
{
    static const char tcp[] = "tcp:";
    struct zrpc_listener *l;
    int rc;

    if (strncmp(endpoint, tcp, strlen(tcp)) != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "--listen \"%s\", expected tcp:HOST:PORT", endpoint);
    rc = zrpc_tcp_listen(endpoint + strlen(tcp), s->map, s->n_map, &l, err);
    return rc < 0 ? rc : add_listener(s, l, err);
}

static int listen_as_in(struct serve *s, const char *file, struct zrpc_error *err)
{
    struct zrpc_config *config;
    struct zrpc_listener *l;
    int rc = named_file(zrpc_config_load(file, &config, NULL, err), err);

    if (rc < 0)
        return rc;
    rc = zrpc_config_listen(config, &l, err);
    zrpc_config_free(config);
    return rc < 0 ? rc : add_listener(s, l, err);
}

static struct zrpc_server *signalled;

static void on_signal(int signo)
{
    (void)signo;
    zrpc_server_stop(signalled);
}

static void set_signals(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* A connection needs up to four descriptors, with its file or process. */
static void raise_descriptor_limit(const struct serve *s)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur / 4 < s->max_connections)
        zrpc_log(&s->log, ZRPC_LOG_WARN, "the limit on open files is too low for --max-connections", NULL);
}

static int open_server(struct serve *s, struct zrpc_error *err)
{
    struct zrpc_server_options options;
    int rc = zrpc_server_options_env(&options, err);

    if (rc < 0)
        return rc;
    options.handler = pool_handler(&s->local);
    options.max_connections = (unsigned)s->max_connections;
    options.grace = s->grace;
    options.log = &s->log;
    rc = zrpc_server_new(&options, &s->server, err);
    if (rc == 0) { /* before anybody can know that it listens */
        signalled = s->server;
        set_signals(on_signal);
    }
    for (size_t i = 0; i < s->listen.n && rc == 0; i++)
        rc = listen_on(s, s->listen.items[i], err);
    for (size_t i = 0; i < s->configs.n && rc == 0; i++)
        rc = listen_as_in(s, s->configs.items[i], err);
    if (fflush(stdout) != 0 && rc == 0)
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "cannot write to standard output");
    return rc;
}

static int run(struct serve *s, struct zrpc_error *err)
{
    struct pool_options options = {
        .spec = s->zfs            ? "zfs:"
                : s->pool == NULL ? "pool:demo"
                                  : s->pool,
        .root = s->root,
        .filesystems = &s->filesystems,
        .not_resumable = !s->resumable,
        .faults = s->faults,
    };
    enum zrpc_log_level level;
    int rc = parse_role(s->role, &options.role, err);

    if (rc == 0 && zrpc_log_level_parse(s->log_level, &level) < 0)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "--log-level \"%s\", expected error, warn, info or debug",
                       s->log_level);
    if (rc == 0)
        rc = parse_clients(s, err);
    if (rc == 0)
        rc = named_file(pool_open(&s->local, &options, err), err);
    if (rc < 0)
        return rc;
    zrpc_log_init_stderr(&s->log, level);
    raise_descriptor_limit(s);
    rc = open_server(s, err);
    if (rc == 0)
        rc = zrpc_server_serve(s->server, err);
    set_signals(SIG_IGN);
    zrpc_server_close(s->server);
    pool_close(&s->local);
    return rc;
}

static void dispose(struct serve *s)
{
    for (size_t i = 0; i < s->n_map; i++)
        free((char *)(uintptr_t)s->map[i].ip);
    free(s->map);
}

int command_serve(const struct cli_command *self, int argc, char **argv)
{
    struct serve s = {
        .role = "both",
        .log_level = "info",
        .max_connections = ZRPC_SERVER_CONNECTIONS_DEFAULT,
        .grace = ZRPC_SERVER_GRACE_DEFAULT,
        .resumable = true,
    };
    const struct cli_option options[] = {
        {"listen", CLI_LIST, &s.listen, "ENDPOINT", "tcp:HOST:PORT, port 0 picks one; may be repeated"},
        {"config", CLI_LIST, &s.configs, "FILE",
         "listen as the serve section of a file in zrepl's syntax says; may be repeated"},
        {"client", CLI_LIST, &s.clients, "IP=IDENTITY", "a client to admit; may be repeated"},
        {"role", CLI_STRING, &s.role, "ROLE", "source (sends), sink (receives) or both (default)"},
        {"pool", CLI_STRING, &s.pool, "demo|FILE", "the simulated pool (demo)"},
        {"zfs", CLI_FLAG, &s.zfs, NULL, "the pools of the zfs command on PATH, in place of a simulated one"},
        {"root", CLI_STRING, &s.root, "DATASET",
         "where clients receive, below ROOT/IDENTITY (default: the pool's)"},
        {"filesystem", CLI_LIST, &s.filesystems, "PATTERN",
         "what is sent: tank/a, tank/a< (with all below); ! before it: not (default: the pool's, or all)"},
        {"resumable", CLI_FLAG, &s.resumable, NULL,
         "keep what came of a receive that failed, to be resumed (default; --resumable=false)"},
        {"faults", CLI_STRING, &s.faults, "FILE",
         "what goes wrong with the pool: a plan (sim/zfs/README.md)"},
        {"max-connections", CLI_NUMBER, &s.max_connections, "N", "close further ones at once (1024)"},
        {"grace", CLI_DURATION, &s.grace, "DURATION",
         "how long requests may go on after SIGTERM or SIGINT (10s)"},
        {"log-level", CLI_STRING, &s.log_level, "LEVEL", "error, warn, info or debug (info)"},
        {"help", CLI_FLAG, &s.help, NULL, "show this"},
        {0},
    };
    struct cli_args args;
    struct zrpc_error err = {0};
    int rc = cli_parse(options, argc, argv, &args, &err);

    if (rc == 0 && s.help) {
        cli_print_command(stdout, "zrpc", self, options);
        return EXIT_DONE;
    }
    if (rc == 0 && args.n > 0)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "unexpected argument \"%s\"", args.items[0]);
    if (rc == 0 && s.zfs && s.pool != NULL)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "--pool and --zfs both name a pool, expected one");
    if (rc == 0 && s.listen.n + s.configs.n == 0)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE,
                       "--listen is missing: where to listen, such as tcp:127.0.0.1:0 (or --config FILE)");
    if (rc == 0 && s.listen.n > 0 && s.clients.n == 0)
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "--client is missing: whom to admit, such as 127.0.0.1=laptop");
    if (rc == 0 && (s.max_connections == 0 || s.max_connections > 1000000))
        rc = zrpc_fail(&err, ZRPC_ERR_USAGE, "--max-connections must be from 1 to 1000000");
    if (rc == 0)
        rc = run(&s, &err);
    dispose(&s);
    return rc < 0 ? failure("serve", rc, &err) : EXIT_DONE;
}
