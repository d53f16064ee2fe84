/* ssh+stdinserver through OpenSSH: an sshd of our own, on loopback, with keys and configuration made here. */
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing/certificates.h"
#include "testing/suite.h"
#include "transport/tcp_socket.h"
#include "zrpc/timeoutconn.h"
#include "zrpc/transport_ssh.h"

static const char sshd_program[] = "/usr/sbin/sshd";
static const char *const identities[] = {"client1"};

/* Ends what would hang, and says where; far more than anything here takes. */
#define PATIENCE (30 * ZRPC_SECOND)

static pid_t sshd = -1;
static unsigned short port;

static void write_file(const char *name, mode_t mode, const char *fmt, ...)
{
    FILE *f = fopen(zrpc_test_path(name), "w");
    va_list args;

    va_start(args, fmt);
    vfprintf(f, fmt, args);
    va_end(args);
    fchmod(fileno(f), mode);
    fclose(f);
}

static void read_line(const char *name, char *out, int size)
{
    FILE *f = fopen(zrpc_test_path(name), "r");

    if (fgets(out, size, f) != NULL)
        out[strcspn(out, "\n")] = '\0';
    fclose(f);
}

static int make_keys(void)
{
    char command[1024];

    snprintf(command, sizeof command,
             "cd %s && for k in host client stranger; do ssh-keygen -q -t ed25519 -N '' -C $k -f $k || exit "
             "1; done",
             zrpc_test_dir());
    return system(command);
}

static void configure(void)
{
    const char *dir = zrpc_test_dir();
    char self[512] = "", key[1024];

    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    read_line("client.pub", key, sizeof key);
    write_file("authorized_keys", 0600, "command=\"%s proxy %s/sock client1\",restrict %s\n", self, dir, key);
    read_line("host.pub", key, sizeof key);
    write_file("known_hosts", 0600, "[127.0.0.1]:%u %s\n", port, key);
    write_file("sshd_config", 0600,
               "Port %u\nListenAddress 127.0.0.1\nHostKey %s/host\nPidFile none\nUsePAM no\nStrictModes no\n"
               "AuthorizedKeysFile %s/authorized_keys\nPasswordAuthentication no\n"
               "KbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nLogLevel QUIET\n",
               port, dir, dir);
}

static unsigned short free_port(void)
{
    static const struct zrpc_tcp_address at = {.host = "127.0.0.1", .port = "0"};
    char address[ZRPC_ADDRESS_MAX];
    int fd;

    CHECK_OK(zrpc_tcp_bind(&at, &fd, NULL));
    CHECK_OK(zrpc_tcp_local_address("tcp", fd, address, NULL));
    close(fd);
    return (unsigned short)atoi(strrchr(address, ':') + 1);
}

/* Whether it is sshd that answers: another program may have taken the port in between. */
static bool sshd_greets(const struct zrpc_tcp_address *at)
{
    struct pollfd p = {.events = POLLIN};
    char greeting[4] = "";
    bool greets;

    if (zrpc_tcp_connect(at, ZRPC_NEVER, NULL, &p.fd, NULL) < 0)
        return false;
    poll(&p, 1, PATIENCE / ZRPC_MILLISECOND);
    greets = recv(p.fd, greeting, sizeof greeting, 0) == 4 && memcmp(greeting, "SSH-", 4) == 0;
    close(p.fd);
    return greets;
}

static bool sshd_answers(void)
{
    struct zrpc_tcp_address at = {.host = "127.0.0.1"};

    snprintf(at.port, sizeof at.port, "%u", port);
    while (waitpid(sshd, NULL, WNOHANG) == 0) {
        if (sshd_greets(&at))
            return true;
        poll(NULL, 0, 50);
    }
    return false;
}

static bool sshd_try(void)
{
    const char *config = zrpc_test_path("sshd_config");

    port = free_port();
    configure();
    sshd = fork();
    if (sshd == 0) {
        execl(sshd_program, sshd_program, "-D", "-e", "-f", config, (char *)NULL);
        _exit(127);
    }
    return sshd_answers();
}

static void sshd_start(void)
{
    bool started = false;

    if (geteuid() == 0)
        mkdir("/run/sshd", 0755); /* where sshd, run by root, wants to be confined */
    for (int tries = 0; tries < 5 && !started; tries++)
        started = sshd_try();
    CHECK(started);
}

static void sshd_stop(void)
{
    kill(sshd, SIGTERM);
    waitpid(sshd, NULL, 0);
}

static struct zrpc_dialer *dialer_with(const char *key)
{
    char known[300];
    const char *const more[] = {known, "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "LogLevel=ERROR"};
    const struct passwd *me = getpwuid(geteuid());
    struct zrpc_ssh_options options = {.host = "127.0.0.1",
                                       .user = me->pw_name,
                                       .port = port,
                                       .identity_file = zrpc_test_path(key),
                                       .options = more,
                                       .n_options = 4,
                                       .dial_timeout = 20 * ZRPC_SECOND};
    struct zrpc_dialer *d = NULL;
    struct zrpc_error err;

    snprintf(known, sizeof known, "UserKnownHostsFile=%s", zrpc_test_path("known_hosts"));
    CHECK_OK(zrpc_ssh_dialer(&options, &d, &err));
    return d;
}

static struct zrpc_listener *listen_here(void)
{
    struct zrpc_listener *l = NULL;
    struct zrpc_error err;

    mkdir(zrpc_test_path("sock"), 0700);
    CHECK_OK(zrpc_stdinserver_listen(zrpc_test_path("sock"), identities, 1, &l, &err));
    return l;
}

struct dial {
    struct zrpc_dialer *dialer;
    struct zrpc_wire *wire;
    struct zrpc_error err;
    int rc;
    atomic_bool ended;
    pthread_t thread;
};

static void *run_dial(void *arg)
{
    struct dial *d = arg;

    d->rc = d->dialer->ops->dial(d->dialer, ZRPC_NEVER, NULL, &d->wire, &d->err);
    d->ended = true;
    return NULL;
}

/* Waits for the other side as long as it may yet come: a dial that has failed brings nobody. */
static int accept_from(struct zrpc_listener *l, struct dial *d, struct zrpc_accepted *accepted)
{
    struct pollfd p = {.fd = l->ops->fd(l), .events = POLLIN};
    struct zrpc_error err;
    int rc = ZRPC_ERR_AGAIN;

    while (rc == ZRPC_ERR_AGAIN && !(d->ended && d->rc < 0)) {
        poll(&p, 1, 100);
        rc = l->ops->accept(l, accepted, &err);
    }
    return rc;
}

static int pair_up(struct zrpc_timeoutconn **conn, struct zrpc_wire *w)
{
    struct zrpc_error err;
    int rc = zrpc_timeoutconn_new(w, conn, &err);

    if (rc < 0)
        return rc;
    zrpc_timeoutconn_set_deadline(*conn, ZRPC_READ, zrpc_now() + PATIENCE);
    zrpc_timeoutconn_set_deadline(*conn, ZRPC_WRITE, zrpc_now() + PATIENCE);
    return 0;
}

/* out[0] dialled, out[1] accepted. */
static bool connect_pair(struct zrpc_timeoutconn *out[2])
{
    struct dial d = {.dialer = dialer_with("client")};
    struct zrpc_listener *l = listen_here();
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    bool ok;

    pthread_create(&d.thread, NULL, run_dial, &d);
    ok = CHECK_OK(accept_from(l, &d, &accepted));
    if (ok) {
        ok = CHECK_OK(accepted.authenticate(&accepted, ZRPC_NEVER, &err));
        CHECK_STR(accepted.identity, "client1");
    }
    pthread_join(d.thread, NULL);
    if (!CHECK_OK(d.rc)) {
        fprintf(stderr, "%s\n", d.err.text);
        ok = false;
    }
    d.dialer->ops->close(d.dialer);
    l->ops->close(l);
    return ok && CHECK_OK(pair_up(&out[0], d.wire)) && CHECK_OK(pair_up(&out[1], accepted.wire));
}

enum { CHUNK = 65536, WHOLE = 8 << 20 };

/* Writes WHOLE bytes, half-closes, reads WHOLE bytes to the end, all of its own pattern. */
struct talker {
    struct zrpc_timeoutconn *conn;
    uint8_t mine, theirs;
    int rc;
    pthread_t writer, reader;
    size_t got;
    bool wrong;
};

static void *run_writer(void *arg)
{
    struct talker *t = arg;
    uint8_t *chunk = malloc(CHUNK);
    struct zrpc_error err;

    for (size_t i = 0; i < CHUNK; i++)
        chunk[i] = (uint8_t)(i * t->mine + (i >> 8));
    for (size_t done = 0; done < WHOLE && t->rc == 0; done += CHUNK)
        t->rc = zrpc_timeoutconn_write(t->conn, chunk, CHUNK, NULL, &err);
    if (t->rc == 0)
        t->rc = zrpc_timeoutconn_close_write(t->conn, &err);
    free(chunk);
    return NULL;
}

static void *run_reader(void *arg)
{
    struct talker *t = arg;
    uint8_t *chunk = malloc(CHUNK);
    struct zrpc_error err;
    ssize_t n;

    while ((n = zrpc_timeoutconn_read(t->conn, chunk, CHUNK, &err)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            size_t at = (t->got + (size_t)i) % CHUNK;

            t->wrong |= chunk[i] != (uint8_t)(at * t->theirs + (at >> 8));
        }
        t->got += (size_t)n;
    }
    t->wrong |= n < 0;
    free(chunk);
    return NULL;
}

static void bytes_both_ways_and_half_close(void)
{
    struct zrpc_timeoutconn *conns[2];
    struct talker talkers[2] = {{.mine = 3, .theirs = 5}, {.mine = 5, .theirs = 3}};

    if (!connect_pair(conns))
        return;
    for (int i = 0; i < 2; i++) {
        talkers[i].conn = conns[i];
        pthread_create(&talkers[i].writer, NULL, run_writer, &talkers[i]);
        pthread_create(&talkers[i].reader, NULL, run_reader, &talkers[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(talkers[i].writer, NULL);
        pthread_join(talkers[i].reader, NULL);
        CHECK_OK(talkers[i].rc);
        CHECK_INT(talkers[i].got, WHOLE);
        CHECK(!talkers[i].wrong);
    }
    zrpc_timeoutconn_close(conns[1]);
    zrpc_timeoutconn_close(conns[0]);
}

static void half_close_either_side_first(void)
{
    for (int first = 0; first < 2; first++) {
        struct zrpc_timeoutconn *conns[2];
        struct zrpc_error err;
        char buf[16];

        if (!connect_pair(conns))
            return;
        CHECK_OK(zrpc_timeoutconn_close_write(conns[first], &err));
        CHECK_INT(zrpc_timeoutconn_read(conns[1 - first], buf, sizeof buf, &err), 0);
        CHECK_OK(zrpc_timeoutconn_write(conns[1 - first], "still here", 10, NULL, &err));
        CHECK_INT(zrpc_timeoutconn_read(conns[first], buf, sizeof buf, &err), 10);
        CHECK_OK(zrpc_timeoutconn_close_write(conns[1 - first], &err));
        CHECK_INT(zrpc_timeoutconn_read(conns[first], buf, sizeof buf, &err), 0);
        zrpc_timeoutconn_close(conns[first]);
        zrpc_timeoutconn_close(conns[1 - first]);
    }
}

static void deadlines_both_ways_on_both_sides(void)
{
    static uint8_t chunk[1 << 20];
    struct zrpc_timeoutconn *conns[2];
    struct zrpc_error err;

    if (!connect_pair(conns))
        return;
    for (int i = 0; i < 2; i++) {
        size_t done = 1, total = 0, got = 0;
        int rc = 0;

        zrpc_timeoutconn_set_deadline(conns[i], ZRPC_READ, zrpc_now() + 20 * ZRPC_MILLISECOND);
        CHECK_CODE(zrpc_timeoutconn_read(conns[i], chunk, 1, &err), ZRPC_ERR_TIMEOUT);
        while (rc == 0) {
            zrpc_timeoutconn_set_deadline(conns[i], ZRPC_WRITE, zrpc_now() + 500 * ZRPC_MILLISECOND);
            rc = zrpc_timeoutconn_write(conns[i], chunk, sizeof chunk, &done, &err);
            total += done;
        }
        CHECK_CODE(rc, ZRPC_ERR_TIMEOUT);
        zrpc_timeoutconn_set_deadline(conns[1 - i], ZRPC_READ, zrpc_now() + PATIENCE);
        while (got < total) { /* nothing is lost */
            ssize_t n = zrpc_timeoutconn_read(conns[1 - i], chunk, sizeof chunk, &err);

            if (!CHECK(n > 0))
                break;
            got += (size_t)n;
        }
        CHECK_INT(got, total);
    }
    zrpc_timeoutconn_close(conns[0]);
    zrpc_timeoutconn_close(conns[1]);
}

/* The one child besides sshd, which is ssh; -1 without one. */
static pid_t ssh_pid(void)
{
    char path[64], line[256] = "", *next = line;
    FILE *f;
    long pid;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    f = fopen(path, "r");
    if (f != NULL && fgets(line, sizeof line, f) == NULL)
        line[0] = '\0';
    if (f != NULL)
        fclose(f);
    while ((pid = strtol(next, &next, 10)) > 0)
        if (pid != sshd)
            return (pid_t)pid;
    return -1;
}

/* A thread that has been joined may not have handed on its children yet. */
static bool kill_ssh(void)
{
    zrpc_time until = zrpc_now() + PATIENCE;
    pid_t pid = ssh_pid();

    for (; pid < 0 && zrpc_now() < until; pid = ssh_pid())
        poll(NULL, 0, 1);
    return pid > 0 && kill(pid, SIGKILL) == 0;
}

static void a_killed_ssh_is_an_error_on_both_sides(void)
{
    for (int half_closed = 0; half_closed < 2; half_closed++) {
        struct zrpc_timeoutconn *conns[2];
        struct zrpc_error err;
        char buf[16];

        if (!connect_pair(conns))
            return;
        if (half_closed) {
            CHECK_OK(zrpc_timeoutconn_close_write(conns[0], &err));
            CHECK_INT(zrpc_timeoutconn_read(conns[1], buf, sizeof buf, &err), 0);
        }
        CHECK(kill_ssh());
        CHECK_CODE(zrpc_timeoutconn_read(conns[0], buf, sizeof buf, &err), ZRPC_ERR_RESET);
        CHECK_CONTAINS(err.text, half_closed ? "ended by signal 9" : "the peer is gone");
        if (!half_closed)
            CHECK_CODE(zrpc_timeoutconn_read(conns[1], buf, sizeof buf, &err), ZRPC_ERR_RESET);
        zrpc_timeoutconn_close(conns[0]);
        zrpc_timeoutconn_close(conns[1]);
    }
}

static void refusals_name_their_reason(void)
{
    struct zrpc_dialer *d = dialer_with("stranger");
    struct zrpc_wire *w;
    struct zrpc_error err;

    CHECK_CODE(d->ops->dial(d, ZRPC_NEVER, NULL, &w, &err), ZRPC_ERR_DIAL);
    CHECK_CONTAINS(err.text, "ssh ended with status 255; its stderr: ");
    CHECK_CONTAINS(err.text, "Permission denied");
    d->ops->close(d);
    d = dialer_with("client"); /* and no daemon */
    CHECK_CODE(d->ops->dial(d, ZRPC_NEVER, NULL, &w, &err), ZRPC_ERR_UNAVAILABLE);
    d->ops->close(d);
}

/* Each test has an sshd of its own, and leaves no process. */
#define WITH_SSHD(test)           \
    static void test##_sshd(void) \
    {                             \
        sshd_start();             \
        test();                   \
        CHECK_INT(ssh_pid(), -1); \
        sshd_stop();              \
    }
WITH_SSHD(bytes_both_ways_and_half_close)
WITH_SSHD(half_close_either_side_first)
WITH_SSHD(deadlines_both_ways_on_both_sides)
WITH_SSHD(a_killed_ssh_is_an_error_on_both_sides)
WITH_SSHD(refusals_name_their_reason)

static const struct zrpc_test tests[] = {
    {"bytes both ways, and half-close", bytes_both_ways_and_half_close_sshd},
    {"half-close, either side first", half_close_either_side_first_sshd},
    {"deadlines both ways on both sides", deadlines_both_ways_on_both_sides_sshd},
    {"a killed ssh is an error on both sides", a_killed_ssh_is_an_error_on_both_sides_sshd},
    {"refusals name their reason", refusals_name_their_reason_sshd},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    int rc;

    if (argc == 4 && strcmp(argv[1], "proxy") == 0)
        return zrpc_stdinserver_proxy(argv[2], argv[3], STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, NULL) == 0
                   ? 0
                   : 1;
    if (access(sshd_program, X_OK) < 0 || make_keys() != 0) {
        fprintf(stderr, "sshd: %s or ssh-keygen is missing; scripts/setup installs them\n", sshd_program);
        return 1;
    }
    rc = zrpc_suite_main("sshd", tests, argc, argv);
    rmdir(zrpc_test_path("sock"));
    zrpc_test_dir_remove();
    return rc;
}
