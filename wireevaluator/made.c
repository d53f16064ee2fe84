#include "wireevaluator/made.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TIME (20 * ZRPC_SECOND)

static const char sshd_program[] = "/usr/sbin/sshd"; /* it wants its whole path */

/* File `name` of the directory, to be written by this user alone. */
static FILE *create(const char *dir, const char *name, const char *suffix)
{
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/%s%s", dir, name, suffix);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

/*
 * Certificates
 */
static bool sign(X509 *cert, EVP_PKEY *key, const char *cn)
{
    X509_NAME *name = X509_get_subject_name(cert);

    return X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
           X509_time_adj_ex(X509_getm_notBefore(cert), -1, 0, NULL) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), 1, 0, NULL) != NULL &&
           X509_set_pubkey(cert, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, name) == 1 && X509_sign(cert, key, EVP_sha256()) > 0;
}

int zrpc_eval_make_certificate(const char *dir, const char *name, struct zrpc_error *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    FILE *files[] = {create(dir, name, ".crt"), create(dir, name, ".key")};
    bool ok = key != NULL && cert != NULL && files[0] != NULL && files[1] != NULL;

    ok = ok && sign(cert, key, name) && PEM_write_X509(files[0], cert) == 1 &&
         PEM_write_PrivateKey(files[1], key, NULL, NULL, 0, NULL, NULL) == 1;
    for (int i = 0; i < 2; i++)
        ok = files[i] != NULL && fclose(files[i]) == 0 && ok;
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok ? 0 : zrpc_fail(err, ZRPC_ERR_SYSTEM, "cannot make the certificate %s/%s.crt", dir, name);
}

/*
 * sshd
 */
/* In the child: what it says goes to the file `log`. */
static bool detach(const char *dir, const char *log)
{
    int fd = open("/dev/null", O_RDWR);
    FILE *file = create(dir, log, "");

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return fd >= 0 && file != NULL && dup2(fd, STDIN_FILENO) >= 0 && dup2(fd, STDOUT_FILENO) >= 0 &&
           dup2(fileno(file), STDERR_FILENO) >= 0;
}

/* What the program has said, in one line. */
static int said(struct zrpc_error *err, int code, const char *dir, const char *log)
{
    char path[256], text[256];
    size_t n = 0;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, log);
    f = fopen(path, "re");
    if (f != NULL) {
        n = fread(text, 1, sizeof text - 1, f);
        fclose(f);
    }
    text[n] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    return zrpc_fail(err, code, "%s: %s", log, n == 0 ? "it is not installed, or does not start" : text);
}

static int make_key(const char *dir, const char *name, struct zrpc_error *err)
{
    char path[256];
    int status = 1;
    pid_t pid;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    pid = fork();
    if (pid == 0) {
        if (detach(dir, "ssh-keygen"))
            execlp("ssh-keygen", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return said(err, ZRPC_ERR_USAGE, dir, "ssh-keygen");
    return 0;
}

/* PREFIX, then what is in DIR/NAME.pub. */
static int with_key(const char *dir, const char *file, const char *name, struct zrpc_error *err,
                    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static int with_key(const char *dir, const char *file, const char *name, struct zrpc_error *err,
                    const char *fmt, ...)
{
    FILE *out = create(dir, file, ""), *in;
    char path[256], key[512] = "";
    va_list args;
    bool ok;

    snprintf(path, sizeof path, "%s/%s.pub", dir, name);
    in = fopen(path, "re");
    ok = in != NULL && fgets(key, sizeof key, in) != NULL && out != NULL;
    if (ok) {
        va_start(args, fmt);
        vfprintf(out, fmt, args);
        va_end(args);
        fputs(key, out);
    }
    if (in != NULL)
        fclose(in);
    ok = out != NULL && fclose(out) == 0 && ok;
    return ok ? 0 : zrpc_fail(err, ZRPC_ERR_SYSTEM, "cannot write %s/%s", dir, file);
}

/* A shell that bash takes for a remote one reads the files of the user who runs this, hence SHLVL. */
static int configure(const char *dir, const char *ip, unsigned port, const char *command,
                     struct zrpc_error *err)
{
    FILE *f;
    int rc = make_key(dir, "host", err);

    if (rc == 0)
        rc = make_key(dir, "client", err);
    if (rc == 0)
        rc = with_key(dir, "known_hosts", "host", err, "[%s]:%u ", ip, port);
    if (rc == 0)
        rc = with_key(dir, "authorized_keys", "client", err, "command=\"%s\",restrict ", command);
    if (rc < 0)
        return rc;
    f = create(dir, "sshd_config", "");
    if (f != NULL)
        fprintf(f,
                "Port %u\nListenAddress %s\nHostKey %s/host\nAuthorizedKeysFile %s/authorized_keys\n"
                "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
                "KbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nUseDNS no\n"
                "SetEnv SHLVL=1\nLogLevel ERROR\n",
                port, ip, dir, dir);
    if (f == NULL || fclose(f) != 0)
        return zrpc_fail(err, ZRPC_ERR_SYSTEM, "cannot write %s/sshd_config", dir);
    if (geteuid() == 0)
        (void)mkdir("/run/sshd", 0755); /* where sshd, run by root, wants to be confined */
    return 0;
}

static bool answers(const char *ip, unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && inet_pton(AF_INET, ip, &at.sin_addr) == 1 &&
              connect(fd, (struct sockaddr *)&at, sizeof at) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

int zrpc_eval_start_sshd(const char *dir, const char *ip, unsigned port, const char *command, pid_t *out,
                         struct zrpc_error *err)
{
    zrpc_time until = zrpc_now() + START_TIME;
    char path[256];
    int rc = configure(dir, ip, port, command, err);
    pid_t pid;

    if (rc < 0)
        return rc;
    snprintf(path, sizeof path, "%s/sshd_config", dir);
    pid = fork();
    if (pid == 0) {
        if (detach(dir, "sshd"))
            execl(sshd_program, sshd_program, "-D", "-e", "-f", path, (char *)NULL);
        _exit(127);
    }
    if (pid < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "fork");
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        if (answers(ip, port)) {
            *out = pid;
            return 0;
        }
        if (zrpc_now() > until)
            kill(pid, SIGKILL);
        poll(NULL, 0, 20);
    }
    return said(err, ZRPC_ERR_LISTEN, dir, "sshd");
}
