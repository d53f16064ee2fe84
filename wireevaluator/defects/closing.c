#include <fcntl.h>
#include <unistd.h>

#include "wireevaluator/defects/defective.h"
#include "wireevaluator/run.h"

static int closes_both(struct zrpc_wire *wire, struct zrpc_error *err)
{
    struct defective *d = defective_of(wire);

    d->broken = true;
    return defective_close_write(wire, err);
}

static ssize_t reads_nothing_more(struct zrpc_wire *wire, const struct iovec *iov, int n,
                                  struct zrpc_error *err)
{
    return defective_of(wire)->broken ? 0 : defective_readv(wire, iov, n, err);
}

static int does_nothing(struct zrpc_wire *wire, struct zrpc_error *err)
{
    (void)err;
    defective_of(wire)->write_closed = true;
    return 0;
}

static ssize_t refuses(struct zrpc_wire *wire, const struct iovec *iov, int n, struct zrpc_error *err)
{
    if (defective_of(wire)->write_closed)
        return zrpc_fail(err, ZRPC_ERR_CLOSED, "write after CloseWrite");
    return defective_writev(wire, iov, n, err);
}

static int fails_twice(struct zrpc_wire *wire, struct zrpc_error *err)
{
    if (defective_of(wire)->write_closed)
        return zrpc_fail(err, ZRPC_ERR_CLOSED, "CloseWrite after CloseWrite");
    return defective_close_write(wire, err);
}

static void ignores_shutdown(struct zrpc_wire *wire)
{
    (void)wire;
}

static void forgets_to_close(struct zrpc_wire *wire)
{
    (void)wire;
}

static void open_another(struct defective *d)
{
    d->leaked = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void start_another(struct defective *d)
{
    pid_t pid = fork();

    if (pid == 0) {
        pause();
        _exit(0);
    }
    d->leaked = (int)pid;
}

static const struct defect_row rows[] = {
    {{"closewrite-closes-both", "CloseWrite ends the read direction too", CLAUSE_READ_GOES_ON,
      "closewrite.reading-goes-on"},
     {.close_write = closes_both, .readv = reads_nothing_more},
     NULL},
    {{"closewrite-does-nothing", "the peer is not told of CloseWrite", CLAUSE_EOF, "closewrite.empty-stream"},
     {.close_write = does_nothing, .writev = refuses},
     NULL},
    {{"closewrite-once", "CloseWrite once more is an error", CLAUSE_EOF, "closewrite.twice"},
     {.close_write = fails_twice},
     NULL},
    {{"abort-ignored", "aborting the wire does not end blocked calls", CLAUSE_CLOSE,
      "nettest.close-unblocks"},
     {.shutdown = ignores_shutdown},
     NULL},
    {{"close-keeps-open", "closing the wire does not close the connection", CLAUSE_CLOSE,
      "close.peer-is-told"},
     {.close = forgets_to_close},
     NULL},
    {{"leaks-descriptor", "a closed wire leaves a descriptor", CLAUSE_CLOSE, "close.descriptors"},
     {0},
     open_another},
    {{"leaves-process", "a closed wire leaves a process", CLAUSE_CLOSE, "close.processes"},
     {0},
     start_another},
};

const struct defect_table defects_closing = {rows, sizeof rows / sizeof rows[0]};
