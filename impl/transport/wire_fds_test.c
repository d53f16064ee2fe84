#include "testing/suite.h"

#include "testing/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zrpc/sigpipe.h"
#include "zrpc/transport.h"

/* This program's own recvmsg, for what happens between the wire and the kernel. */
static struct zrpc_wire *shut_down_meanwhile;

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    if (shut_down_meanwhile != NULL)
        zrpc_wire_shutdown(shut_down_meanwhile);
    return syscall(SYS_recvmsg, fd, msg, flags);
}

static struct iovec one(void *buf, size_t len)
{
    return (struct iovec){.iov_base = buf, .iov_len = len};
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void names_and_capabilities(void)
{
    struct zrpc_wire *wire;
    struct zrpc_error err;
    int sockets[2], pipes[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 && pipe(pipes) == 0);
    if (CHECK_OK(zrpc_wire_from_fds("stdinserver", sockets[0], sockets[1], &wire, &err))) {
        CHECK_STR(wire->ops->name, "stdinserver");
        CHECK_INT(wire->ops->caps, ZRPC_WIRE_SPLICE);
        CHECK_INT(zrpc_wire_wait(wire, ZRPC_READ).fd, sockets[0]);
        CHECK_INT(zrpc_wire_wait(wire, ZRPC_WRITE).fd, sockets[1]);
        zrpc_wire_close(wire);
    }
    /* A pipe's descriptors are not what is polled, so they cannot be spliced. */
    if (CHECK_OK(zrpc_wire_from_fds("ssh", pipes[0], pipes[1], &wire, &err))) {
        CHECK_STR(wire->ops->name, "ssh");
        CHECK_INT(wire->ops->caps, 0);
        zrpc_wire_close(wire);
    }
    CHECK(!is_open(sockets[0]) && !is_open(sockets[1]) && !is_open(pipes[0]) && !is_open(pipes[1]));
}

static void descriptors_are_prepared(void)
{
    struct zrpc_wire *wire;
    struct zrpc_error err;
    char byte;
    struct iovec iov = one(&byte, 1);
    int pipes[2];

    CHECK(pipe(pipes) == 0);
    if (!CHECK_OK(zrpc_wire_from_fds("pipe", pipes[0], pipes[1], &wire, &err)))
        return;
    for (int i = 0; i < 2; i++) {
        CHECK(fcntl(pipes[i], F_GETFL) & O_NONBLOCK);
        CHECK(fcntl(pipes[i], F_GETFD) & FD_CLOEXEC);
    }
    CHECK_CODE(zrpc_wire_readv(wire, &iov, 1, &err), ZRPC_ERR_AGAIN);
    zrpc_wire_close(wire);
}

static void refused_descriptors_stay_the_callers(void)
{
    struct zrpc_wire *wire = NULL;
    struct zrpc_error err = {0};
    int file = open("/dev/null", O_RDWR | O_CLOEXEC), fifo[2], closed = dup(file);

    CHECK(file >= 0 && pipe(fifo) == 0);
    close(closed);
    CHECK_CODE(zrpc_wire_from_fds("x", closed, file, &wire, &err), ZRPC_ERR_SYSTEM);
    CHECK_CONTAINS(err.text, "x wire: descriptor");
    CHECK_CODE(zrpc_wire_from_fds("x", fifo[0], file, &wire, &err), ZRPC_ERR_SYSTEM);
    CHECK_CODE(zrpc_wire_from_fds("x", fifo[0], fifo[0], &wire, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "for both directions is not a socket");
    CHECK(is_open(file) && is_open(fifo[0]) && is_open(fifo[1]) && wire == NULL);
    close(file);
    close(fifo[0]);
    close(fifo[1]);
}

/* stdin a socket, stdout a pipe: each end in its own manner. */
static void mixed_ends(void)
{
    struct zrpc_wire *wire;
    struct zrpc_error err;
    char buf[4] = "";
    struct iovec iov = one(buf, 3);
    int sockets[2], pipes[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 && pipe(pipes) == 0);
    if (!CHECK_OK(zrpc_wire_from_fds("mixed", sockets[0], pipes[1], &wire, &err)))
        return;
    CHECK_INT(wire->ops->caps, 0);
    CHECK_INT(write(sockets[1], "abc", 3), 3);
    CHECK_INT(zrpc_wire_readv(wire, &iov, 1, &err), 3);
    CHECK_STR(buf, "abc");
    CHECK_INT(zrpc_wire_writev(wire, &iov, 1, &err), 3);
    CHECK_OK(zrpc_wire_close_write(wire, &err));
    CHECK_INT(read(pipes[0], buf, 4), 3);
    CHECK_INT(read(pipes[0], buf, 4), 0);
    CHECK_INT(zrpc_wire_wait(wire, ZRPC_WRITE).fd, -1);
    close(sockets[1]);
    CHECK_INT(zrpc_wire_readv(wire, &iov, 1, &err), 0);
    zrpc_wire_close(wire);
    close(pipes[0]);
}

static void long_vectors_are_taken_in_part(void)
{
    enum { PARTS = 3000 };
    struct zrpc_wire *pair[2];
    struct iovec out[PARTS], in[PARTS];
    char bytes[PARTS] = "", got[PARTS];
    struct zrpc_error err;

    if (!CHECK_OK(zrpc_local_pair(pair, &err)))
        return;
    for (int i = 0; i < PARTS; i++) {
        out[i] = one(&bytes[i], 1);
        in[i] = one(&got[i], 1);
    }
    CHECK_INT(zrpc_wire_writev(pair[0], out, PARTS, &err), 1024);
    CHECK_INT(zrpc_wire_readv(pair[1], in, PARTS, &err), 1024);
    zrpc_wire_close(pair[0]);
    zrpc_wire_close(pair[1]);
}

/* Shut down here, so whatever the kernel says then is not the peer's doing. */
static void shutdown_is_not_end_of_file(void)
{
    struct zrpc_wire *pair[2];
    struct zrpc_error err = {0};
    char buf[8] = "";
    struct iovec iov = one(buf, sizeof buf);

    if (!CHECK_OK(zrpc_local_pair(pair, &err)))
        return;
    shut_down_meanwhile = pair[0];
    CHECK_CODE(zrpc_wire_readv(pair[0], &iov, 1, &err), ZRPC_ERR_CLOSED);
    shut_down_meanwhile = NULL;
    zrpc_wire_shutdown(pair[0]);
    CHECK_CODE(zrpc_wire_readv(pair[0], &iov, 1, &err), ZRPC_ERR_CLOSED);
    CHECK_STR(err.text, "local wire: read after it was closed on this side");
    CHECK_CODE(zrpc_wire_writev(pair[0], &iov, 1, &err), ZRPC_ERR_CLOSED);
    CHECK_CODE(zrpc_wire_close_write(pair[0], &err), ZRPC_ERR_CLOSED);
    CHECK_INT(zrpc_wire_readv(pair[1], &iov, 1, &err), 0);
    zrpc_wire_close(pair[0]);
    zrpc_wire_close(pair[1]);
}

static bool sigpipe_pending(void)
{
    sigset_t pending;

    sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
}

static void sigpipe_is_held_and_taken_back(void)
{
    sigset_t saved;
    struct sigaction action;
    sigset_t mask, block;
    int pipes[2];

    CHECK(pipe(pipes) == 0);
    close(pipes[0]);
    zrpc_sigpipe_block(&saved);
    CHECK(write(pipes[1], "x", 1) < 0 && errno == EPIPE);
    errno = EPIPE;
    zrpc_sigpipe_restore(&saved);
    CHECK_INT(errno, EPIPE);
    CHECK(!sigpipe_pending());
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    CHECK(!sigismember(&mask, SIGPIPE));
    CHECK(sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL);

    /* One that was pending before belongs to somebody else. */
    sigemptyset(&block);
    sigaddset(&block, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &block, &mask);
    raise(SIGPIPE);
    zrpc_sigpipe_block(&saved);
    CHECK(write(pipes[1], "x", 1) < 0 && errno == EPIPE);
    zrpc_sigpipe_restore(&saved);
    CHECK(sigpipe_pending());
    CHECK_INT(sigtimedwait(&block, NULL, &(struct timespec){0}), SIGPIPE);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    close(pipes[1]);
}

static int make_from_pipe(void *arg)
{
    int *pipes = arg, fds[2] = {fcntl(pipes[0], F_DUPFD_CLOEXEC, 0), fcntl(pipes[1], F_DUPFD_CLOEXEC, 0)};
    struct zrpc_wire *wire = NULL;
    int rc = zrpc_wire_from_fds("pipe", fds[0], fds[1], &wire, NULL);

    if (rc < 0) {
        CHECK(is_open(fds[0]) && is_open(fds[1]));
        close(fds[0]);
        close(fds[1]);
    }
    zrpc_wire_close(wire);
    return rc;
}

static int make_pair(void *arg)
{
    struct zrpc_wire *pair[2];
    int rc = zrpc_local_pair(pair, NULL);

    (void)arg;
    if (rc == 0) {
        zrpc_wire_close(pair[0]);
        zrpc_wire_close(pair[1]);
    }
    return rc;
}

static void scarcity(void)
{
    int pipes[2];

    CHECK(pipe(pipes) == 0);
    CHECK_INT(zrpc_alloc_each(make_from_pipe, pipes), 1);
    CHECK_INT(zrpc_resource_each(make_from_pipe, pipes), 3);
    CHECK_INT(zrpc_alloc_each(make_pair, NULL), 2);
    CHECK_INT(zrpc_resource_each(make_pair, NULL), 1);
    close(pipes[0]);
    close(pipes[1]);
}

/* The system tells of a reset once, to the first call that comes. */
static void a_reset_that_writing_met(void)
{
    char x = 'x';
    struct iovec iov = {.iov_base = &x, .iov_len = 1};
    struct zrpc_wire *wire = NULL;
    struct zrpc_error err;
    char byte;
    struct iovec in = {.iov_base = &byte, .iov_len = 1};
    int fds[2];

    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    CHECK_OK(zrpc_wire_from_fds("socket", fds[0], fds[0], &wire, &err));
    CHECK_INT(zrpc_wire_writev(wire, &iov, 1, &err), 1);
    close(fds[1]);
    CHECK_CODE(zrpc_wire_writev(wire, &iov, 1, &err), ZRPC_ERR_RESET);
    CHECK_CODE(zrpc_wire_readv(wire, &in, 1, &err), ZRPC_ERR_RESET);
    zrpc_wire_close(wire);
}

static const struct zrpc_test tests[] = {
    {"names and capabilities", names_and_capabilities},
    {"descriptors are prepared", descriptors_are_prepared},
    {"refused descriptors stay the caller's", refused_descriptors_stay_the_callers},
    {"mixed ends", mixed_ends},
    {"long vectors are taken in part", long_vectors_are_taken_in_part},
    {"shutdown is not end of file", shutdown_is_not_end_of_file},
    {"SIGPIPE is held and taken back", sigpipe_is_held_and_taken_back},
    {"scarcity", scarcity},
    {"a reset that writing was told of is no end of file", a_reset_that_writing_met},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("wire_fds", tests, argc, argv);
}
