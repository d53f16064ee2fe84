#include "file_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_sink {
    int fd;
    char *path, *partial; /* partial is renamed to path at the end */
};

static ssize_t file_write(void *ctx, const void *buf, size_t len, struct zrpc_error *err)
{
    struct file_sink *f = ctx;
    ssize_t n;

    do
        n = write(f->fd, buf, len);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : zrpc_fail_errno(err, ZRPC_ERR_SINK, errno, "cannot write %s", f->partial);
}

static int file_finish(void *ctx, struct zrpc_error *err)
{
    struct file_sink *f = ctx;

    if (fsync(f->fd) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SINK, errno, "cannot write %s", f->partial);
    if (rename(f->partial, f->path) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SINK, errno, "cannot rename %s to %s", f->partial, f->path);
    free(f->partial);
    f->partial = NULL;
    return 0;
}

static void file_close(void *ctx)
{
    struct file_sink *f = ctx;

    if (f->fd >= 0)
        close(f->fd);
    if (f->fd >= 0 && f->partial != NULL)
        unlink(f->partial);
    free(f->path);
    free(f->partial);
    free(f);
}

static const struct zrpc_sink_ops file_sink_ops = {
    .write = file_write, .finish = file_finish, .close = file_close};

static int open_partial(const char *path, struct zrpc_sink *out, struct zrpc_error *err)
{
    struct file_sink *f = calloc(1, sizeof *f);

    if (f == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for %s", path);
    f->fd = -1;
    f->path = strdup(path);
    if (f->path == NULL || asprintf(&f->partial, "%s.partial", path) < 0) {
        f->partial = NULL;
        file_close(f);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for %s", path);
    }
    f->fd = open(f->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (f->fd < 0) {
        int rc = zrpc_fail_errno(err, ZRPC_ERR_SINK, errno, "cannot create %s", f->partial);

        file_close(f);
        return rc;
    }
    *out = (struct zrpc_sink){.ops = &file_sink_ops, .ctx = f};
    return 0;
}

int file_sink_open(const char *path, struct zrpc_sink *out, struct zrpc_error *err)
{
    struct stat st;
    int fd, rc;

    if (strcmp(path, "-") == 0)
        fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        fd = open(path, O_WRONLY | O_CLOEXEC);
    else
        return open_partial(path, out, err);
    if (fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SINK, errno, "cannot open %s", path);
    rc = zrpc_sink_from_fd(fd, out, err);
    if (rc < 0)
        close(fd);
    return rc;
}
