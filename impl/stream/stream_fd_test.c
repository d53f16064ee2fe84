#include "testing/alloc.h"
#include "testing/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zrpc/stream.h"

static volatile sig_atomic_t sigpipes;

static void count_sigpipe(int signo)
{
    (void)signo;
    sigpipes++;
}

static struct zrpc_source source_of(int fd)
{
    struct zrpc_source source = {0};

    CHECK_OK(zrpc_source_from_fd(fd, &source, NULL));
    return source;
}

static struct zrpc_sink sink_of(int fd)
{
    struct zrpc_sink sink = {0};

    CHECK_OK(zrpc_sink_from_fd(fd, &sink, NULL));
    return sink;
}

static ssize_t read_from(struct zrpc_source *s, void *buf, size_t len, struct zrpc_error *err)
{
    return s->ops->read(s->ctx, buf, len, err);
}

static ssize_t write_to(struct zrpc_sink *s, const void *buf, size_t len, struct zrpc_error *err)
{
    return s->ops->write(s->ctx, buf, len, err);
}

/* An unlinked regular file. */
static int temporary_file(void)
{
    char path[] = "/tmp/zrpc-stream-XXXXXX";
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    unlink(path);
    return fd;
}

static void two_ends(int fds[2], bool socket)
{
    CHECK_INT(socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds), 0);
}

static void source_reads(bool socket)
{
    struct zrpc_source source;
    char buf[16];
    int fds[2];

    two_ends(fds, socket);
    source = source_of(fds[0]);
    CHECK_INT(source.ops->fd(source.ctx), fds[0]);
    CHECK_CODE(read_from(&source, buf, sizeof buf, NULL), ZRPC_ERR_AGAIN);
    CHECK_INT(write(fds[1], "abcdef", 6), 6);
    CHECK_INT(read_from(&source, buf, 4, NULL), 4);
    CHECK_BYTES(zrpc_view(buf, 4), zrpc_view_of("abcd"));
    CHECK_INT(read_from(&source, buf, sizeof buf, NULL), 2);
    CHECK_CODE(read_from(&source, buf, sizeof buf, NULL), ZRPC_ERR_AGAIN);
    close(fds[1]);
    CHECK_INT(read_from(&source, buf, sizeof buf, NULL), 0);
    zrpc_source_close(&source);
    CHECK(source.ops == NULL);
    CHECK_INT(fcntl(fds[0], F_GETFD), -1); /* it was owned */
}

static void pipe_source(void)
{
    source_reads(false);
}

static void socket_source(void)
{
    source_reads(true);
}

static void file_source(void)
{
    int fd = temporary_file();
    struct zrpc_source source;
    char buf[16];

    CHECK_INT(write(fd, "abcdef", 6), 6);
    CHECK_INT(lseek(fd, 1, SEEK_SET), 1);
    source = source_of(fd);
    CHECK_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    CHECK_INT(read_from(&source, buf, sizeof buf, NULL), 5);
    CHECK_INT(read_from(&source, buf, sizeof buf, NULL), 0);
    zrpc_source_close(&source);
}

static void failing_source(void)
{
    struct zrpc_source source = source_of(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct zrpc_error err;
    char buf[16];

    CHECK_CODE(read_from(&source, buf, sizeof buf, &err), ZRPC_ERR_SOURCE);
    CHECK_CONTAINS(err.text, strerror(EISDIR));
    zrpc_source_close(&source);
}

static void sink_writes(bool socket)
{
    struct zrpc_sink sink;
    size_t total = 0;
    ssize_t n;
    char buf[4096] = "abc";
    int fds[2];

    two_ends(fds, socket);
    sink = sink_of(fds[1]);
    CHECK_INT(sink.ops->fd(sink.ctx), fds[1]);
    while ((n = write_to(&sink, buf, sizeof buf, NULL)) > 0)
        total += (size_t)n;
    CHECK_CODE(n, ZRPC_ERR_AGAIN);
    CHECK_INT(read(fds[0], buf, sizeof buf), sizeof buf);
    CHECK_BYTES(zrpc_view(buf, 3), zrpc_view_of("abc"));
    CHECK(total >= sizeof buf);
    CHECK_OK(sink.ops->finish(sink.ctx, NULL));
    zrpc_sink_close(&sink);
    CHECK(sink.ops == NULL);
    CHECK_INT(fcntl(fds[1], F_GETFD), -1);
    close(fds[0]);
}

static void pipe_sink(void)
{
    sink_writes(false);
}

static void socket_sink(void)
{
    sink_writes(true);
}

static void file_sink(void)
{
    int fd = temporary_file();
    struct zrpc_sink sink = sink_of(fd);
    char buf[16];

    CHECK_INT(write_to(&sink, "abc", 3, NULL), 3);
    CHECK_INT(write_to(&sink, "def", 3, NULL), 3);
    CHECK_OK(sink.ops->finish(sink.ctx, NULL));
    CHECK_INT(pread(fd, buf, sizeof buf, 0), 6);
    CHECK_BYTES(zrpc_view(buf, 6), zrpc_view_of("abcdef"));
    zrpc_sink_close(&sink);
}

/* The reader goes away; a handler counts the signals that must not come. */
static void sink_without_reader(bool socket)
{
    struct sigaction count = {.sa_handler = count_sigpipe}, old;
    struct zrpc_error err;
    struct zrpc_sink sink;
    sigset_t pending;
    int fds[2];

    CHECK_INT(sigaction(SIGPIPE, &count, &old), 0);
    sigpipes = 0;
    two_ends(fds, socket);
    sink = sink_of(fds[1]);
    close(fds[0]);
    for (int i = 0; i < 3; i++) {
        CHECK_CODE(write_to(&sink, "abc", 3, &err), ZRPC_ERR_SINK);
        CHECK_CONTAINS(err.text, "whoever read from it is gone");
    }
    CHECK_INT(sigpipes, 0);
    CHECK_INT(sigpending(&pending), 0);
    CHECK(!sigismember(&pending, SIGPIPE));
    raise(SIGPIPE); /* others' signals still arrive */
    CHECK_INT(sigpipes, 1);
    zrpc_sink_close(&sink);
    CHECK_INT(sigaction(SIGPIPE, &old, NULL), 0);
}

static void pipe_sink_without_reader(void)
{
    sink_without_reader(false);
}

static void socket_sink_without_reader(void)
{
    sink_without_reader(true);
}

/* A SIGPIPE that was pending before is the caller's, and stays. */
static void pending_sigpipe_is_left_alone(void)
{
    const struct timespec at_once = {0};
    sigset_t sigpipe, old, pending;
    struct zrpc_sink sink;
    int fds[2];

    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &sigpipe, &old), 0);
    raise(SIGPIPE);
    two_ends(fds, false);
    sink = sink_of(fds[1]);
    close(fds[0]);
    CHECK_CODE(write_to(&sink, "abc", 3, NULL), ZRPC_ERR_SINK);
    CHECK_INT(sigpending(&pending), 0);
    CHECK(sigismember(&pending, SIGPIPE));
    CHECK_INT(sigtimedwait(&sigpipe, NULL, &at_once), SIGPIPE);
    CHECK_INT(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    zrpc_sink_close(&sink);
}

static void failing_sink(void)
{
    struct zrpc_sink sink = sink_of(open("/dev/full", O_WRONLY | O_CLOEXEC));
    struct zrpc_error err;

    CHECK_CODE(write_to(&sink, "abc", 3, &err), ZRPC_ERR_SINK);
    CHECK_CONTAINS(err.text, strerror(ENOSPC));
    zrpc_sink_close(&sink);
}

/* Standard input and output are shared with whoever started the process: they get back what they had. */
static void shared_file_flags_are_restored(void)
{
    struct zrpc_source source;
    int fds[2], shared;

    two_ends(fds, false);
    shared = dup(fds[0]);
    source = source_of(fds[0]);
    CHECK(fcntl(shared, F_GETFL) & O_NONBLOCK);
    zrpc_source_close(&source);
    CHECK(!(fcntl(shared, F_GETFL) & O_NONBLOCK));
    close(shared);
    close(fds[1]);
}

static void bad_descriptor_is_refused(void)
{
    struct zrpc_source source = {0};
    struct zrpc_sink sink = {0};
    struct zrpc_error err;

    CHECK_CODE(zrpc_source_from_fd(-1, &source, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "-1");
    CHECK_CODE(zrpc_sink_from_fd(-1, &sink, NULL), ZRPC_ERR_USAGE);
    CHECK(source.ops == NULL && sink.ops == NULL);
    zrpc_source_close(&source);
    zrpc_sink_close(&sink);
}

static int open_source(void *fd)
{
    struct zrpc_source source = {0};
    int copy = dup(*(int *)fd), rc = zrpc_source_from_fd(copy, &source, NULL);

    if (rc < 0)
        CHECK_INT(close(copy), 0);
    zrpc_source_close(&source);
    return rc;
}

static int open_sink(void *fd)
{
    struct zrpc_sink sink = {0};
    int copy = dup(*(int *)fd), rc = zrpc_sink_from_fd(copy, &sink, NULL);

    if (rc < 0)
        CHECK_INT(close(copy), 0);
    zrpc_sink_close(&sink);
    return rc;
}

static void without_memory_the_descriptor_stays_the_callers(void)
{
    int fds[2];

    two_ends(fds, false);
    CHECK_INT(zrpc_alloc_each(open_source, &fds[0]), 1);
    CHECK_INT(zrpc_alloc_each(open_sink, &fds[1]), 1);
    CHECK_INT(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    close(fds[0]);
    close(fds[1]);
}

static const struct zrpc_test tests[] = {
    {"a pipe as source", pipe_source},
    {"a socket as source", socket_source},
    {"a file as source", file_source},
    {"a source that fails", failing_source},
    {"a pipe as sink", pipe_sink},
    {"a socket as sink", socket_sink},
    {"a file as sink", file_sink},
    {"a pipe whose reader is gone", pipe_sink_without_reader},
    {"a socket whose reader is gone", socket_sink_without_reader},
    {"a pending SIGPIPE is left alone", pending_sigpipe_is_left_alone},
    {"a sink that fails", failing_sink},
    {"a shared file's flags are restored", shared_file_flags_are_restored},
    {"without memory the descriptor stays the caller's", without_memory_the_descriptor_stays_the_callers},
    {"a bad descriptor is refused", bad_descriptor_is_refused},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("stream_fd", tests, argc, argv);
}
