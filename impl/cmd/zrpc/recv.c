#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"
#include "zrpc.h"

/* "-" is standard input. *size is 0 where it is unknown. */
static int open_input(const char *path, struct zrpc_source *out, uint64_t *size, struct zrpc_error *err)
{
    struct stat st;
    int fd =
        strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SOURCE, errno, "cannot open %s", path);
    *size = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    rc = zrpc_source_from_fd(fd, out, err);
    if (rc < 0)
        close(fd);
    return rc;
}

static int run(struct client *c, const char *filesystem, const char *input, bool clear,
               struct progress *progress, struct zrpc_error *err)
{
    Zrpc__Pb__ReceiveReq req = ZRPC__PB__RECEIVE_REQ__INIT;
    struct zrpc_source source = {0};
    uint64_t size = 0;
    int rc = open_input(input, &source, &size, err);

    if (rc < 0) {
        zrpc_source_close(&source);
        return rc;
    }
    req.filesystem = (char *)(uintptr_t)filesystem;
    req.clearresumetoken = clear;
    progress_begin(progress, size);
    c->data.progress = progress_update;
    c->data.progress_ctx = progress;
    rc = zrpc_client_receive(c->rpc, &c->data, &req, &source, err);
    progress_end(progress);
    return rc;
}

int command_recv(const struct cli_command *self, int argc, char **argv)
{
    struct client c = CLIENT_DEFAULTS;
    const char *input = "-";
    bool clear = false;
    const struct cli_option options[] = {
        {"i", CLI_STRING, &input, "FILE", "where the stream comes from (-: stdin)"},
        {"clear-resume-token", CLI_FLAG, &clear, NULL, "have the server drop a partial receive first"},
        CLIENT_OPTIONS(&c),
        {0},
    };
    struct progress progress = {0};
    struct cli_args args;
    struct zrpc_error err = {0};
    int rc = client_begin(&c, self, options, argc, argv, &args);

    if (rc >= 0)
        return rc;
    if (args.n != 1) {
        client_end(&c);
        return usage_error("recv", "takes one argument: the filesystem");
    }
    rc = run(&c, args.items[0], input, clear, &progress, &err);
    client_end(&c);
    return client_report(&c, stdout, "recv", rc, &err,
                         json_pack("{s:I}", "bytes", (json_int_t)progress.bytes));
}
