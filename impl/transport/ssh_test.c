/* Both sides of ssh+stdinserver, with scripts in ssh's place: what one of them runs is what ssh and sshd
 * would put between. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing/alloc.h"
#include "testing/certificates.h"
#include "testing/wire_contract.h"
#include "transport/ssh_wire.h"
#include "zrpc/transport_ssh.h"

static const char *const identities[] = {"client1", "client2"};

/* A socket directory that is fit for use. */
static const char *sockdir(void)
{
    const char *path = zrpc_test_path("sock");

    mkdir(path, 0700);
    chmod(path, 0700);
    return path;
}

static struct zrpc_listener *listen_here(void)
{
    struct zrpc_listener *l = NULL;
    struct zrpc_error err;

    CHECK_OK(zrpc_stdinserver_listen(sockdir(), identities, 2, &l, &err));
    return l;
}

/* An executable file; %s in the text stands for this program, which is a proxy when called so. */
static const char *script(const char *name, const char *text)
{
    const char *path = zrpc_test_path(name);
    char self[512] = "";
    FILE *f = fopen(path, "w");

    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    fputs("#!/bin/sh\n", f);
    for (; *text != '\0'; text++) {
        if (strncmp(text, "@SELF@", 6) == 0) {
            fputs(self, f);
            text += 5;
        } else {
            fputc(*text, f);
        }
    }
    fclose(f);
    CHECK_INT(chmod(path, 0700), 0);
    return path;
}

static const char *proxy_script(void)
{
    char text[512];

    snprintf(text, sizeof text, "exec @SELF@ proxy %s client1\n", sockdir());
    return script("proxy-ssh", text);
}

static struct zrpc_dialer *dialer_of(const char *ssh_command, zrpc_time timeout)
{
    struct zrpc_ssh_options options = {.host = "host",
                                       .user = "user",
                                       .port = 2222,
                                       .identity_file = "/dev/null",
                                       .ssh_command = ssh_command,
                                       .dial_timeout = timeout};
    struct zrpc_dialer *d = NULL;
    struct zrpc_error err;

    CHECK_OK(zrpc_ssh_dialer(&options, &d, &err));
    return d;
}

/* What dialling through a script comes to. */
static int dial_through(const char *text, zrpc_time timeout, struct zrpc_error *err)
{
    struct zrpc_dialer *d = dialer_of(script("ssh", text), timeout);
    struct zrpc_wire *w = NULL;
    int rc = d->ops->dial(d, ZRPC_NEVER, NULL, &w, err);

    d->ops->close(d);
    zrpc_wire_close(w);
    return rc;
}

struct dial {
    struct zrpc_dialer *dialer;
    struct zrpc_wire *wire;
    struct zrpc_error err;
    int rc;
    pthread_t thread;
};

static void *run_dial(void *arg)
{
    struct dial *d = arg;

    d->rc = d->dialer->ops->dial(d->dialer, ZRPC_NEVER, NULL, &d->wire, &d->err);
    return NULL;
}

/* A connected pair through the script; the passive side's identity is checked on the way. */
static int connect_through(const char *ssh_command, struct zrpc_wire *out[2])
{
    struct dial d = {.dialer = dialer_of(ssh_command, 20 * ZRPC_SECOND)};
    struct zrpc_listener *l = listen_here();
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    int rc;

    CHECK_INT(pthread_create(&d.thread, NULL, run_dial, &d), 0);
    zrpc_accept_next(l, &accepted);
    CHECK_STR(accepted.identity, "client1");
    CHECK_CONTAINS(accepted.peer, "stdinserver:client1[");
    rc = accepted.authenticate(&accepted, ZRPC_NEVER, &err);
    CHECK_OK(rc);
    pthread_join(d.thread, NULL);
    CHECK_OK(d.rc);
    d.dialer->ops->close(d.dialer);
    l->ops->close(l);
    out[0] = d.wire;
    out[1] = accepted.wire;
    return rc < 0 ? rc : d.rc;
}

static int make_ssh_pair(struct zrpc_wire *out[2])
{
    return connect_through(proxy_script(), out);
}

ZRPC_WIRE_CONTRACT(ssh, make_ssh_pair)

static ssize_t read_blocking(struct zrpc_wire *w, void *buf, size_t len, struct zrpc_error *err)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    ssize_t got;

    while ((got = zrpc_wire_readv(w, &iov, 1, err)) == ZRPC_ERR_AGAIN) {
        struct pollfd p = zrpc_wire_wait(w, ZRPC_READ);

        poll(&p, 1, -1);
    }
    return got;
}

static ssize_t write_some(struct zrpc_wire *w, const char *text, struct zrpc_error *err)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};

    return zrpc_wire_writev(w, &iov, 1, err);
}

static void half_close_each_way_first(void)
{
    for (int first = 0; first < 2; first++) {
        struct zrpc_wire *wires[2], *a, *b;
        struct zrpc_error err;
        char buf[16];

        if (!CHECK_OK(make_ssh_pair(wires)))
            return;
        a = wires[first];
        b = wires[1 - first];
        CHECK_INT(write_some(a, "ping", &err), 4);
        CHECK_OK(zrpc_wire_close_write(a, &err));
        CHECK_INT(read_blocking(b, buf, sizeof buf, &err), 4);
        CHECK_INT(read_blocking(b, buf, sizeof buf, &err), 0);
        CHECK_INT(write_some(b, "answer", &err), 6);
        CHECK_OK(zrpc_wire_close_write(b, &err));
        CHECK_INT(read_blocking(a, buf, sizeof buf, &err), 6);
        CHECK_INT(read_blocking(a, buf, sizeof buf, &err), 0);
        zrpc_wire_close(wires[1]);
        zrpc_wire_close(wires[0]);
    }
}

/* An ssh that carries over, after BEGIN, ten bytes a second. */
static const char *slow_script(void)
{
    char fifo[300], text[1500];

    snprintf(fifo, sizeof fifo, "%s", zrpc_test_path("fifo"));
    snprintf(text, sizeof text,
             "mkfifo %s\n@SELF@ proxy %s client1 <%s &\nexec 3>%s >&-\nhead -c 31 >&3\n"
             "for i in $(seq 20); do sleep 0.1; head -c 1 >&3; done\nexec 3>&-\nwait\n",
             fifo, sockdir(), fifo, fifo);
    return script("slow-ssh", text);
}

struct late_reader {
    struct zrpc_wire *wire;
    char text[32];
    pthread_t thread;
};

static void *read_and_close(void *arg)
{
    struct late_reader *r = arg;
    size_t have = 0;
    ssize_t n;

    while ((n = read_blocking(r->wire, r->text + have, sizeof r->text - 1 - have, NULL)) > 0)
        have += (size_t)n;
    zrpc_wire_close(r->wire);
    return NULL;
}

static void closing_waits_for_what_ssh_has_to_deliver(void)
{
    struct zrpc_wire *wires[2];
    struct late_reader reader = {0};
    struct zrpc_error err;
    char byte;

    if (!CHECK_OK(connect_through(slow_script(), wires)))
        return;
    reader.wire = wires[1];
    CHECK_OK(zrpc_wire_close_write(wires[1], &err));
    CHECK_INT(read_blocking(wires[0], &byte, 1, &err), 0);
    CHECK_INT(write_some(wires[0], "the last words", &err), 14);
    CHECK_OK(zrpc_wire_close_write(wires[0], &err));
    CHECK_INT(pthread_create(&reader.thread, NULL, read_and_close, &reader), 0);
    zrpc_wire_close(wires[0]);
    pthread_join(reader.thread, NULL);
    CHECK_STR(reader.text, "the last words");
    unlink(zrpc_test_path("fifo"));
}

static void command_line(void)
{
    char text[512], line[512] = "";
    const char *const more[] = {"Compression=on", "UserKnownHostsFile=/a b"};
    struct zrpc_ssh_options options = {.host = "host.example",
                                       .user = "me",
                                       .port = 2222,
                                       .identity_file = "/id file",
                                       .options = more,
                                       .n_options = 2};
    struct zrpc_dialer *d;
    struct zrpc_wire *w;
    struct zrpc_error err;
    FILE *f;

    setenv("ZRPC_TEST_SECRET", "x", 1);
    snprintf(text, sizeof text,
             "{ for a in \"$@\"; do printf '<%%s>' \"$a\"; done; echo $ZRPC_TEST_SECRET; } >%s\n",
             zrpc_test_path("args"));
    options.ssh_command = script("ssh", text);
    CHECK_OK(zrpc_ssh_dialer(&options, &d, &err));
    CHECK_STR(d->ops->address(d), "ssh:me@host.example:2222");
    CHECK_CODE(d->ops->dial(d, ZRPC_NEVER, NULL, &w, &err), ZRPC_ERR_DIAL);
    CHECK_CONTAINS(err.text, "dial ssh:me@host.example:2222: no connection: ssh ended with status 0");
    d->ops->close(d);
    f = fopen(zrpc_test_path("args"), "r");
    CHECK(fgets(line, sizeof line, f) != NULL);
    fclose(f);
    CHECK_STR(line,
              "<-p><2222><-T><-i></id file><-o><BatchMode=yes><-o><Compression=on><-o>"
              "<UserKnownHostsFile=/a b><me@host.example>\n");
    unsetenv("ZRPC_TEST_SECRET");
}

static void dialling_fails(void)
{
    static const struct {
        const char *script, *text;
        int code;
    } cases[] = {
        {"echo 'Permission denied (publickey).' >&2; exit 255",
         "ssh ended with status 255; its stderr: "
         "Permission denied (publickey).",
         ZRPC_ERR_DIAL},
        {"printf 'one\\r\\ntwo\\r\\n' >&2; printf short", "its stderr: one two", ZRPC_ERR_DIAL},
        {"head -c 30000 /dev/zero | tr '\\0' x >&2; echo 'the last' >&2; exit 7", "xxxthe last",
         ZRPC_ERR_DIAL},
        {"kill -9 $$", "ssh was ended by signal 9", ZRPC_ERR_DIAL},
        {"echo 'Welcome to this fine host, dear stranger!'; sleep 100", "expected SSHCON_HELO, got \"Welcome",
         ZRPC_ERR_DIAL},
        {"head -c 31 /dev/zero; sleep 100", "got \"....", ZRPC_ERR_DIAL},
        {"printf SSHCON_PROXY_ERROR; head -c 13 /dev/zero; exit 1", "cannot reach its daemon",
         ZRPC_ERR_UNAVAILABLE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zrpc_error err = {0};

        CHECK_CODE(dial_through(cases[i].script, 20 * ZRPC_SECOND, &err), cases[i].code);
        CHECK_CONTAINS(err.text, cases[i].text);
    }
}

static void dialling_times_out(void)
{
    const zrpc_time timeout = ZRPC_SECOND, until_sigkill = ZRPC_SECOND;
    zrpc_time took = ZRPC_NEVER, began;
    struct zrpc_error err;

    /* SIGTERM is enough; that the machine stood still meanwhile does not happen every time */
    for (int i = 0; i < 10 && took >= timeout + until_sigkill; i++) {
        began = zrpc_now();
        CHECK_CODE(dial_through("echo connecting >&2; sleep 100 & wait", timeout, &err), ZRPC_ERR_TIMEOUT);
        took = zrpc_now() - began;
    }
    CHECK(took < timeout + until_sigkill);
    CHECK_CONTAINS(err.text, "its stderr: connecting");
    CHECK_CODE(dial_through("trap '' TERM; while :; do sleep 1; done", 100 * ZRPC_MILLISECOND, &err),
               ZRPC_ERR_TIMEOUT); /* and here SIGKILL, within a second more; the suite looks for children */
}

static void programs_that_cannot_be_run(void)
{
    struct zrpc_dialer *d = dialer_of("/nowhere/ssh", 0);
    struct zrpc_wire *w;
    struct zrpc_error err;

    CHECK_CODE(d->ops->dial(d, ZRPC_NEVER, NULL, &w, &err), ZRPC_ERR_DIAL);
    /* valgrind's posix_spawn learns of it as a shell would. */
    CHECK_CONTAINS(err.text, zrpc_under_valgrind() ? "ssh ended with status 127"
                                                   : "run /nowhere/ssh: No such file or directory");
    d->ops->close(d);
}

static void bad_options(void)
{
    static const struct zrpc_ssh_options good = {.host = "h", .user = "u", .port = 22, .identity_file = "i"};
    struct zrpc_ssh_options o;
    struct zrpc_dialer *d;
    struct zrpc_error err;

    o = good, o.host = "";
    CHECK_CODE(zrpc_ssh_dialer(&o, &d, &err), ZRPC_ERR_USAGE);
    o = good, o.user = "-oProxyCommand=x";
    CHECK_CODE(zrpc_ssh_dialer(&o, &d, &err), ZRPC_ERR_USAGE);
    o = good, o.port = 0;
    CHECK_CODE(zrpc_ssh_dialer(&o, &d, &err), ZRPC_ERR_USAGE);
    o = good, o.identity_file = "";
    CHECK_CODE(zrpc_ssh_dialer(&o, &d, &err), ZRPC_ERR_USAGE);
}

/* The script's process id is written to a file; it copies both ways as ssh does. */
static const char *killable_script(void)
{
    char text[1024];

    snprintf(text, sizeof text, "echo $$ >%s\necho 'about to be killed' >&2\nexec @SELF@ proxy %s client1\n",
             zrpc_test_path("pid"), sockdir());
    return script("killable-ssh", text);
}

static pid_t read_pid(void)
{
    FILE *f = fopen(zrpc_test_path("pid"), "r");
    int pid = 0;

    CHECK(f != NULL && fscanf(f, "%d", &pid) == 1);
    if (f != NULL)
        fclose(f);
    return pid;
}

/* Here the proxy is ssh itself, so its death leaves the daemon's descriptors open: only with the daemon gone
 * as well is the client at its end. */
static void a_vanished_peer_is_an_error(void)
{
    struct zrpc_wire *wires[2];
    struct zrpc_error err;
    char buf[16];

    if (!CHECK_OK(connect_through(killable_script(), wires)))
        return;
    kill(read_pid(), SIGKILL);
    zrpc_wire_close(wires[1]);
    CHECK_CODE(read_blocking(wires[0], buf, sizeof buf, &err), ZRPC_ERR_RESET);
    CHECK_CONTAINS(err.text, "about to be killed");
    CHECK_CODE(read_blocking(wires[0], buf, sizeof buf, &err), ZRPC_ERR_RESET);
    CHECK_CODE(write_some(wires[0], "x", &err), ZRPC_ERR_RESET);
    zrpc_wire_close(wires[0]);

    if (!CHECK_OK(connect_through(killable_script(), wires)))
        return;
    CHECK_OK(zrpc_wire_close_write(wires[0], &err));
    CHECK_INT(read_blocking(wires[1], buf, sizeof buf, &err), 0);
    kill(read_pid(), SIGKILL);
    zrpc_wire_close(wires[1]);
    CHECK_CODE(read_blocking(wires[0], buf, sizeof buf, &err), ZRPC_ERR_RESET);
    CHECK_CONTAINS(err.text, "ended by signal 9");
    zrpc_wire_close(wires[0]);

    if (!CHECK_OK(make_ssh_pair(wires))) /* and for the daemon: the client's ends are both gone */
        return;
    zrpc_wire_close(wires[0]);
    CHECK_CODE(read_blocking(wires[1], buf, sizeof buf, &err), ZRPC_ERR_RESET);
    zrpc_wire_close(wires[1]);
}

static void a_chatty_ssh_does_not_get_stuck(void)
{
    char text[512];
    struct zrpc_wire *wires[2];
    struct zrpc_error err;
    char buf[16];

    snprintf(text, sizeof text, "head -c 300000 /dev/zero >&2\nexec @SELF@ proxy %s client1\n", sockdir());
    if (!CHECK_OK(connect_through(script("chatty-ssh", text), wires)))
        return;
    CHECK_INT(write_some(wires[1], "hello", &err), 5);
    CHECK_INT(read_blocking(wires[0], buf, sizeof buf, &err), 5);
    zrpc_wire_close(wires[0]);
    zrpc_wire_close(wires[1]);
}

/*
 * The passive side.
 */
static int control_connect(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(at.sun_path, sizeof at.sun_path, "%s/client2", sockdir());
    CHECK_INT(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void send_fds(int control, const int *fds, size_t n)
{
    union {
        char space[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } rights = {{0}};
    char data[] = "data";
    struct iovec iov = {.iov_base = data, .iov_len = 4};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (n > 0) {
        msg.msg_control = &rights;
        msg.msg_controllen = CMSG_SPACE(n * sizeof *fds);
        *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(n * sizeof *fds)};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, n * sizeof *fds);
    }
    CHECK_INT(sendmsg(control, &msg, 0), 4);
}

static void descriptors_are_two(void)
{
    struct zrpc_listener *l = listen_here();

    for (size_t n = 0; n <= 3; n++) {
        int pair[2], fds[3], control = control_connect();
        struct zrpc_accepted accepted;
        struct zrpc_error err;
        char message[ZRPC_SSH_MESSAGE_LEN];

        socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        fds[0] = fds[1] = fds[2] = pair[0];
        CHECK_INT(send(pair[1], zrpc_ssh_begin, sizeof zrpc_ssh_begin, 0), sizeof zrpc_ssh_begin);
        send_fds(control, fds, n);
        zrpc_accept_next(l, &accepted);
        CHECK_STR(accepted.identity, "client2");
        CHECK_CODE(accepted.authenticate(&accepted, ZRPC_NEVER, &err), n == 2 ? 0 : ZRPC_ERR_HANDSHAKE);
        zrpc_wire_close(accepted.wire);
        if (n == 2) {
            CHECK_INT(recv(pair[1], message, sizeof message, MSG_DONTWAIT), sizeof message);
            CHECK_INT(memcmp(message, zrpc_ssh_helo, sizeof message), 0);
        } else {
            CHECK_CONTAINS(err.text, "client stdinserver:client2[");
            CHECK_CONTAINS(err.text, "expected 2");
        }
        /* A normal end is told, another is not. */
        CHECK_INT(recv(control, message, sizeof message, 0), n == 2 ? 1 : 0);
        close(control);
        close(pair[0]);
        close(pair[1]);
    }
    l->ops->close(l);
}

static void begin_is_compared(void)
{
    struct zrpc_listener *l = listen_here();
    int pair[2], control = control_connect();
    struct zrpc_accepted accepted;
    struct zrpc_error err;
    char byte;

    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    CHECK_INT(send(pair[1], zrpc_ssh_helo, sizeof zrpc_ssh_helo, 0), sizeof zrpc_ssh_helo);
    send_fds(control, (int[]){pair[0], pair[0]}, 2);
    zrpc_accept_next(l, &accepted);
    CHECK_CODE(accepted.authenticate(&accepted, ZRPC_NEVER, &err), ZRPC_ERR_HANDSHAKE);
    CHECK_CONTAINS(err.text, "SSHCON_BEGIN");
    zrpc_wire_close(accepted.wire);
    CHECK_INT(recv(control, &byte, 1, 0), 0);
    close(control);
    close(pair[0]);
    close(pair[1]);
    l->ops->close(l);
}

static void silent_proxies_delay_nobody(void)
{
    struct zrpc_listener *l = listen_here();
    int silent = control_connect(), gone = control_connect();
    struct zrpc_accepted first, second;
    struct zrpc_wire *wires[2];
    struct zrpc_error err;

    zrpc_accept_next(l, &first);
    zrpc_accept_next(l, &second);
    close(gone);
    CHECK_CODE(second.authenticate(&second, ZRPC_NEVER, &err), ZRPC_ERR_END);
    zrpc_wire_close(second.wire);
    CHECK_CODE(first.authenticate(&first, zrpc_now() + 30 * ZRPC_MILLISECOND, &err), ZRPC_ERR_TIMEOUT);
    zrpc_wire_shutdown(first.wire);
    CHECK_CODE(first.authenticate(&first, ZRPC_NEVER, &err), ZRPC_ERR_END);
    zrpc_wire_close(first.wire);
    close(silent);
    l->ops->close(l);
    if (CHECK_OK(make_ssh_pair(wires))) {
        zrpc_wire_close(wires[0]);
        zrpc_wire_close(wires[1]);
    }
}

static void socket_directory_rules(void)
{
    const char *path = zrpc_test_path("sock/client1");
    struct zrpc_listener *l = listen_here(), *again;
    struct zrpc_error err;
    struct stat st;
    FILE *f;

    CHECK_CODE(zrpc_stdinserver_listen(sockdir(), identities, 2, &again, &err), ZRPC_ERR_LISTEN);
    CHECK_CONTAINS(err.text, "somebody listens there already");
    l->ops->close(l);
    CHECK(lstat(path, &st) < 0); /* taken along */

    { /* a stale one: bound, and nobody there */
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
        CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
        close(fd);
    }
    l = listen_here();
    l->ops->close(l);

    f = fopen(path, "w");
    fputs("precious", f);
    fclose(f);
    CHECK_CODE(zrpc_stdinserver_listen(sockdir(), identities, 2, &l, &err), ZRPC_ERR_LISTEN);
    CHECK_CONTAINS(err.text, "another file");
    CHECK(lstat(path, &st) == 0 && st.st_size == 8);
    unlink(path);

    for (mode_t bit = 1; bit <= 4; bit <<= 1) {
        chmod(sockdir(), 0700 | bit);
        CHECK_CODE(zrpc_stdinserver_listen(zrpc_test_path("sock"), identities, 2, &l, &err), ZRPC_ERR_LISTEN);
        CHECK_CONTAINS(err.text, "others may access it");
    }
    chmod(zrpc_test_path("sock"), 0770);
    CHECK_OK(zrpc_stdinserver_listen(zrpc_test_path("sock"), identities, 2, &l, &err));
    l->ops->close(l);
    CHECK_CODE(zrpc_stdinserver_listen("/nowhere", identities, 2, &l, &err), ZRPC_ERR_LISTEN);
    CHECK_CODE(zrpc_stdinserver_listen("/dev/null", identities, 2, &l, &err), ZRPC_ERR_LISTEN);
    CHECK_CODE(zrpc_stdinserver_listen(sockdir(), (const char *const[]){"a/b"}, 1, &l, &err), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_stdinserver_listen(sockdir(), (const char *const[]){"a", "a"}, 2, &l, &err),
               ZRPC_ERR_USAGE);
}

/*
 * The proxy.
 */
struct proxy {
    int in[2], out[2]; /* pipes in the place of sshd's */
    pid_t pid;
};

static void proxy_start(struct proxy *p)
{
    if (!CHECK_INT(pipe(p->in), 0) || !CHECK_INT(pipe(p->out), 0))
        return;
    p->pid = fork();
    if (p->pid == 0) {
        close(p->in[1]);
        close(p->out[0]);
        alarm(30);
        _exit(zrpc_stdinserver_proxy(sockdir(), "client1", p->in[0], p->out[1], -1, NULL) == 0 ? 0 : 1);
    }
    close(p->in[0]);
    close(p->out[1]);
}

static int proxy_end(struct proxy *p)
{
    int status = -1;

    waitpid(p->pid, &status, 0);
    close(p->in[1]);
    close(p->out[0]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void proxy_without_a_daemon(void)
{
    char message[ZRPC_SSH_MESSAGE_LEN + 1];
    struct proxy p;

    sockdir();
    proxy_start(&p);
    CHECK_INT(read(p.out[0], message, sizeof message), ZRPC_SSH_MESSAGE_LEN);
    CHECK_INT(memcmp(message, zrpc_ssh_proxy_error, ZRPC_SSH_MESSAGE_LEN), 0);
    CHECK_INT(proxy_end(&p), 1);
}

static void proxy_reports_how_it_ended(void)
{
    for (int good = 0; good < 2; good++) {
        struct zrpc_listener *l = listen_here();
        struct zrpc_accepted accepted;
        struct zrpc_error err;
        struct proxy p;

        proxy_start(&p);
        CHECK_INT(write(p.in[1], zrpc_ssh_begin, sizeof zrpc_ssh_begin), sizeof zrpc_ssh_begin);
        zrpc_accept_next(l, &accepted);
        CHECK_OK(accepted.authenticate(&accepted, ZRPC_NEVER, &err));
        if (!good)
            zrpc_wire_shutdown(accepted.wire);
        zrpc_wire_close(accepted.wire);
        CHECK_INT(proxy_end(&p), good ? 0 : 1);
        l->ops->close(l);
    }
}

/* Write deadlines on the passive side, which real zrepl loses: nobody reads here. */
static void writing_waits_on_both_sides(void)
{
    static char chunk[65536];
    struct zrpc_wire *wires[2];
    struct zrpc_error err;

    if (!CHECK_OK(make_ssh_pair(wires)))
        return;
    for (int i = 0; i < 2; i++) {
        struct iovec iov = {.iov_base = chunk, .iov_len = sizeof chunk};
        struct pollfd p;

        while (zrpc_wire_writev(wires[i], &iov, 1, &err) > 0)
            continue;
        CHECK_CODE(zrpc_wire_writev(wires[i], &iov, 1, &err), ZRPC_ERR_AGAIN);
        p = zrpc_wire_wait(wires[i], ZRPC_WRITE);
        CHECK_INT(poll(&p, 1, 0), 0);
    }
    zrpc_wire_close(wires[0]);
    zrpc_wire_close(wires[1]);
}

/* A dialling that gets as far as the proxy's word, and an accepted proxy that goes away. */
static int dial_and_accept(void *arg)
{
    static const char *const more[] = {"A=b"};
    struct zrpc_ssh_options options = {.host = "h",
                                       .user = "u",
                                       .port = 1,
                                       .identity_file = "i",
                                       .ssh_command = zrpc_test_path("ssh"),
                                       .options = more,
                                       .n_options = 1};
    struct zrpc_listener *l = NULL;
    struct zrpc_dialer *d = NULL;
    struct zrpc_wire *w = NULL;
    struct zrpc_accepted accepted = {0};
    int control = -1, rc = zrpc_ssh_dialer(&options, &d, arg);

    if (rc == 0) {
        rc = d->ops->dial(d, ZRPC_NEVER, NULL, &w, arg);
        d->ops->close(d);
    }
    if (rc == ZRPC_ERR_UNAVAILABLE)
        rc = zrpc_stdinserver_listen(zrpc_test_path("sock"), identities, 2, &l, arg);
    if (rc == 0) {
        control = control_connect();
        rc = l->ops->accept(l, &accepted, arg);
    }
    if (rc == 0)
        zrpc_wire_close(accepted.wire);
    if (control >= 0)
        close(control);
    if (l != NULL)
        l->ops->close(l);
    return rc;
}

static void scarcity(void)
{
    struct zrpc_error err;

    script("ssh", "printf SSHCON_PROXY_ERROR; head -c 13 /dev/zero\n");
    sockdir();
    CHECK(zrpc_alloc_each(dial_and_accept, &err) >= 15);
}

static const struct zrpc_test tests[] = {
    ZRPC_WIRE_CONTRACT_ROWS(ssh){"half-close, either side first", half_close_each_way_first},
    {"closing waits for what ssh has to deliver", closing_waits_for_what_ssh_has_to_deliver},
    {"ssh's command line and environment", command_line},
    {"dialling fails, each for its reason", dialling_fails},
    {"dialling times out, and leaves no process", dialling_times_out},
    {"programs that cannot be run", programs_that_cannot_be_run},
    {"bad options", bad_options},
    {"a vanished peer is an error, not the end", a_vanished_peer_is_an_error},
    {"a chatty ssh does not get stuck", a_chatty_ssh_does_not_get_stuck},
    {"exactly two descriptors are taken", descriptors_are_two},
    {"BEGIN is compared", begin_is_compared},
    {"silent proxies delay nobody", silent_proxies_delay_nobody},
    {"rules of the socket directory", socket_directory_rules},
    {"a proxy without a daemon says so", proxy_without_a_daemon},
    {"a proxy reports how the wire ended", proxy_reports_how_it_ended},
    {"writing waits on both sides", writing_waits_on_both_sides},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    int rc;

    if (argc == 4 && strcmp(argv[1], "proxy") == 0)
        return zrpc_stdinserver_proxy(argv[2], argv[3], STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, NULL) == 0
                   ? 0
                   : 1;
    rc = zrpc_suite_main("ssh", tests, argc, argv);
    rmdir(zrpc_test_path("sock"));
    zrpc_test_dir_remove();
    return rc;
}
