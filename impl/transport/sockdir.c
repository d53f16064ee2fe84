#include "transport/sockdir.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zrpc/wire.h"

int zrpc_sockdir_address(const char *sockdir, const char *identity, struct sockaddr_un *out,
                         struct zrpc_error *err)
{
    int n, rc = zrpc_identity_check(identity, err);

    if (rc < 0)
        return rc;
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    n = snprintf(out->sun_path, sizeof out->sun_path, "%s/%s", sockdir, identity);
    if (n < 0 || (size_t)n >= sizeof out->sun_path)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "socket %s/%s: %d bytes, at most %zu", sockdir, identity, n,
                         sizeof out->sun_path - 1);
    return 0;
}

int zrpc_sockdir_check(const char *sockdir, struct zrpc_error *err)
{
    struct stat st;

    if (stat(sockdir, &st) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "socket directory %s", sockdir);
    if (!S_ISDIR(st.st_mode))
        return zrpc_fail(err, ZRPC_ERR_LISTEN, "socket directory %s: not a directory", sockdir);
    if ((st.st_mode & 0007) != 0)
        return zrpc_fail(err, ZRPC_ERR_LISTEN,
                         "socket directory %s: others may access it (mode %04o), expected 0700 or 0770",
                         sockdir, (unsigned)st.st_mode & 07777);
    return 0;
}

int zrpc_sockdir_connect(const struct sockaddr_un *at, int *out)
{
    int errnum, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0) {
        *out = fd;
        return 0;
    }
    errnum = errno;
    if (fd >= 0)
        close(fd);
    return errnum;
}

/* A socket is stale if nobody answers there. */
static int remove_stale(const struct sockaddr_un *at, struct zrpc_error *err)
{
    struct stat st;
    int fd, errnum;

    if (lstat(at->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "socket %s", at->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return zrpc_fail(err, ZRPC_ERR_LISTEN, "socket %s: there is another file of that name", at->sun_path);
    errnum = zrpc_sockdir_connect(at, &fd);
    if (errnum == 0)
        close(fd);
    if (errnum == 0 || errnum == EAGAIN)
        return zrpc_fail(err, ZRPC_ERR_LISTEN, "socket %s: somebody listens there already", at->sun_path);
    if (errnum != ECONNREFUSED)
        return zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errnum, "socket %s", at->sun_path);
    if (unlink(at->sun_path) < 0 && errno != ENOENT)
        return zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "remove the stale socket %s", at->sun_path);
    return 0;
}

int zrpc_sockdir_listen(const struct sockaddr_un *at, int *out, struct zrpc_error *err)
{
    int fd, rc = remove_stale(at, err);

    if (rc < 0)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)at, sizeof *at) == 0 && listen(fd, SOMAXCONN) == 0) {
        *out = fd;
        return 0;
    }
    rc = zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "listen on %s", at->sun_path);
    if (fd >= 0)
        close(fd);
    return rc;
}
