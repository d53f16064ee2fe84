#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wireevaluator/made.h"
#include "wireevaluator/transport.h"

#define DIR_MAX 32

/* A transport of a configuration that was written for it. */
struct made {
    struct zrpc_evaluated base;
    struct zrpc_evaluated_ops vtable;
    struct zrpc_evaluated *configured;
    char dir[DIR_MAX], ip[16], file[DIR_MAX + 8];
    pid_t sshd; /* 0: none */
};

static int open_pair(struct zrpc_evaluated *base, zrpc_time deadline, struct zrpc_wire *out[2],
                     struct zrpc_error *err)
{
    struct made *m = (struct made *)base;

    return m->configured->ops->open_pair(m->configured, deadline, out, err);
}

static void vanish(struct zrpc_evaluated *base, struct zrpc_wire *wire)
{
    struct made *m = (struct made *)base;

    m->configured->ops->vanish(m->configured, wire);
}

static const char *configuration(const struct zrpc_evaluated *base)
{
    const struct made *m = (const struct made *)base;

    return m->configured->ops->configuration(m->configured);
}

static void remove_files(const char *path)
{
    char file[DIR_MAX + 1 + NAME_MAX];
    struct dirent *entry;
    DIR *d = opendir(path);

    while (d != NULL && (entry = readdir(d)) != NULL) {
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(file);
    }
    if (d != NULL)
        closedir(d);
}

static void close_made(struct zrpc_evaluated *base)
{
    struct made *m = (struct made *)base;
    char sock[DIR_MAX + 8];

    if (m->configured != NULL)
        m->configured->ops->close(m->configured);
    if (m->sshd > 0 && kill(m->sshd, SIGTERM) == 0)
        waitpid(m->sshd, NULL, 0);
    snprintf(sock, sizeof sock, "%s/sock", m->dir);
    remove_files(sock);
    (void)rmdir(sock);
    remove_files(m->dir);
    (void)rmdir(m->dir);
    free(m);
}

/* A loopback address that nobody else uses, so that its ports are free. */
static int choose_address(struct made *m, struct zrpc_error *err)
{
    uint8_t r[3];

    if (getrandom(r, sizeof r, 0) != sizeof r)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "getrandom");
    snprintf(m->ip, sizeof m->ip, "127.%d.%d.%d", 1 + r[0] % 250, r[1] % 250, 1 + r[2] % 250);
    return 0;
}

static FILE *open_config(struct made *m, struct zrpc_error *err)
{
    FILE *f;

    snprintf(m->file, sizeof m->file, "%s/config", m->dir);
    f = fopen(m->file, "we");
    if (f == NULL)
        zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s", m->file);
    return f;
}

static int make_tls(struct made *m, struct zrpc_error *err)
{
    int rc = zrpc_eval_make_certificate(m->dir, "server", err);
    FILE *f;

    if (rc == 0)
        rc = zrpc_eval_make_certificate(m->dir, "client", err);
    if (rc < 0)
        return rc;
    f = open_config(m, err);
    if (f == NULL)
        return err->code;
    fprintf(f,
            "connect: {type: tls, address: \"%s:8888\", ca: %s/server.crt, cert: %s/client.crt,\n"
            "  key: %s/client.key, server_cn: server}\n"
            "serve: {type: tls, listen: \"%s:8888\", ca: %s/client.crt, cert: %s/server.crt,\n"
            "  key: %s/server.key, client_cns: [client]}\n",
            m->ip, m->dir, m->dir, m->dir, m->ip, m->dir, m->dir, m->dir);
    fclose(f);
    return 0;
}

static int make_ssh(struct made *m, struct zrpc_error *err)
{
    enum { PORT = 2222 };
    const struct passwd *me = getpwuid(geteuid());
    char self[512], command[640], sock[DIR_MAX + 8];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    FILE *f = open_config(m, err);

    if (f == NULL)
        return err->code;
    snprintf(sock, sizeof sock, "%s/sock", m->dir);
    fprintf(f,
            "connect: {type: ssh+stdinserver, host: %s, user: %s, port: %d, identity_file: %s/client,\n"
            "  options: [UserKnownHostsFile=%s/known_hosts, StrictHostKeyChecking=yes, LogLevel=ERROR]}\n"
            "serve: {type: stdinserver, client_identities: [client]}\n"
            "global: {serve: {stdinserver: {sockdir: %s}}}\n",
            m->ip, me == NULL ? "root" : me->pw_name, PORT, m->dir, m->dir, sock);
    fclose(f);
    if (n < 0 || mkdir(sock, 0700) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s", sock);
    snprintf(command, sizeof command, "%.*s -mode stdinserver -config %s client", (int)n, self, m->file);
    return zrpc_eval_start_sshd(m->dir, m->ip, PORT, command, &m->sshd, err);
}

bool zrpc_eval_transport_is_made(const char *name)
{
    return strcmp(name, "tls") == 0 || strcmp(name, "ssh") == 0;
}

int zrpc_eval_transport_made(const char *name, struct zrpc_evaluated **out, struct zrpc_error *err)
{
    struct made *m = calloc(1, sizeof *m);
    int rc;

    if (m == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: no memory", name);
    m->vtable = (struct zrpc_evaluated_ops){
        .open_pair = open_pair, .vanish = vanish, .configuration = configuration, .close = close_made};
    m->base.ops = &m->vtable;
    strcpy(m->dir, "/tmp/wireevaluator-XXXXXX");
    if (mkdtemp(m->dir) == NULL) {
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s", m->dir);
        free(m);
        return rc;
    }
    rc = choose_address(m, err);
    if (rc == 0)
        rc = (strcmp(name, "tls") == 0 ? make_tls : make_ssh)(m, err);
    if (rc == 0)
        rc = zrpc_eval_transport_config(m->file, &m->configured, err);
    if (rc < 0) {
        close_made(&m->base);
        return rc;
    }
    m->vtable.name = m->configured->ops->name;
    *out = &m->base;
    return 0;
}
