#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "program.h"

static int connect_to(const char *path, struct zrpc_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof address.sun_path)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s: longer than %zu bytes", path, sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int rc = zrpc_fail_errno(err, ZRPC_ERR_DIAL, errno, "%s", path);

        close(fd);
        return rc;
    }
    return fd;
}

/* Words are lines; the end of file ends the request. */
static int send_words(int fd, char **words, int n, struct zrpc_error *err)
{
    struct zrpc_buf request = {0};
    int rc = 0;

    for (int i = 0; rc == 0 && i < n; i++)
        if ((rc = zrpc_buf_append(&request, zrpc_view_of(words[i]), err)) == 0)
            rc = zrpc_buf_append(&request, zrpc_view("\n", 1), err);
    while (rc == 0 && request.len > 0) {
        ssize_t sent = send(fd, zrpc_buf_view(&request).data, request.len, MSG_NOSIGNAL);

        if (sent < 0)
            rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "send");
        else
            zrpc_buf_consume(&request, (size_t)sent);
    }
    zrpc_buf_dispose(&request);
    if (rc == 0 && shutdown(fd, SHUT_WR) < 0)
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "shutdown");
    return rc;
}

/* 1: the answer was an error. */
static int print_answer(int fd, struct zrpc_error *err)
{
    static const char error[] = "error: ";
    struct zrpc_buf answer = {0};
    char bytes[4096];
    ssize_t n;
    int rc = 0;

    while (rc == 0 && (n = read(fd, bytes, sizeof bytes)) != 0)
        rc = n < 0 ? zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "read")
                   : zrpc_buf_append(&answer, zrpc_view(bytes, (size_t)n), err);
    if (rc == 0) {
        struct zrpc_view v = zrpc_buf_view(&answer);

        rc = v.len > strlen(error) && memcmp(v.data, error, strlen(error)) == 0;
        fwrite(v.data == NULL ? (const uint8_t *)"" : v.data, 1, v.len, rc == 0 ? stdout : stderr);
    }
    zrpc_buf_dispose(&answer);
    return rc;
}

int command_ctl(const struct cli_command *self, int argc, char **argv)
{
    struct zrpc_error err;
    int fd, rc;

    if (argc < 3) {
        fprintf(stderr, "usage: zrpc-link ctl %s\n", self->synopsis);
        return EXIT_USAGE;
    }
    if ((fd = connect_to(argv[1], &err)) < 0) {
        cli_complain("zrpc-link", "ctl", err.text);
        return cli_exit_status(fd);
    }
    if ((rc = send_words(fd, argv + 2, argc - 2, &err)) == 0)
        rc = print_answer(fd, &err);
    close(fd);
    if (rc < 0)
        cli_complain("zrpc-link", "ctl", err.text);
    return rc < 0 ? cli_exit_status(rc) : rc;
}
