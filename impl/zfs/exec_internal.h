/*
 * Parts of the backend that runs the `zfs` command, among themselves.
 */
#ifndef ZRPC_ZFS_EXEC_INTERNAL_H
#define ZRPC_ZFS_EXEC_INTERNAL_H

#include "zrpc/clock.h"
#include "zrpc/zfs_exec.h"

#define ZRPC_ZFS_SAID_MAX  800   /* bytes of stderr that are kept: the last ones */
#define ZRPC_ZFS_LINE_MAX  16384 /* bytes; a longer line of output is an error */
#define ZRPC_ZFS_NAMES_MAX (2 * ZRPC_ZFS_NAME_MAX)

/*
 * exec_process.c: a command under way.
 */
enum zrpc_zfs_stdio {
    ZRPC_ZFS_READ_STDOUT, /* `fd` reads its stdout; stderr is listened to all the time */
    ZRPC_ZFS_READ_STREAM, /* the same; what it writes to stderr beyond what fits in there may be lost */
    ZRPC_ZFS_READ_BOTH,   /* `fd` reads stdout and stderr */
    ZRPC_ZFS_WRITE_STDIN, /* `fd` writes its stdin; its stdout and stderr: likewise, in one */
};

struct zrpc_zfs_process {
    char what[32]; /* "zfs send", for messages */
    enum zrpc_zfs_stdio stdio;
    pid_t pid;
    int fd; /* non-blocking; -1: closed */
    int stderr_fd;
    bool ended; /* and reaped */
    int status; /* as of waitpid(2), once it has ended */
    char said[ZRPC_ZFS_SAID_MAX + 1];
    size_t n_said;
};

/* args: without the command's name, ending with NULL. */
int zrpc_zfs_process_start(struct zrpc_zfs_process *p, const struct zrpc_zfs_exec *e,
                           const char *const args[], enum zrpc_zfs_stdio stdio, struct zrpc_error *err);
/* Reads what stderr has, without waiting. */
void zrpc_zfs_process_listen(struct zrpc_zfs_process *p);
/* Waits for its end, which is then known, for something on stderr or, where that is asked for, on `fd`: not
 * for long, and not beyond the deadline. */
void zrpc_zfs_process_doze(struct zrpc_zfs_process *p, bool for_fd, zrpc_time deadline);
/* Until it has ended: 0, ZRPC_ERR_CANCELLED, or ZRPC_ERR_TIMEOUT. */
int zrpc_zfs_process_wait(struct zrpc_zfs_process *p, const atomic_bool *cancelled, zrpc_time deadline,
                          struct zrpc_error *err);
/* Of one that has ended: 0, or ZRPC_ERR_ZFS with its stderr. */
int zrpc_zfs_process_verdict(const struct zrpc_zfs_process *p, struct zrpc_error *err);
void zrpc_zfs_process_close_fd(struct zrpc_zfs_process *p);
/* Closes everything; waits `grace` for its end, then kills it; reaps. */
void zrpc_zfs_process_end(struct zrpc_zfs_process *p, zrpc_time grace);

/* Called with each line, without its newline; a failure ends the command. */
typedef int zrpc_zfs_on_line(void *ctx, char *line, struct zrpc_error *err);
/* Runs a command to its end; on_line NULL: its output does not matter. */
int zrpc_zfs_run(const struct zrpc_zfs_exec *e, const atomic_bool *cancelled, const char *const args[],
                 enum zrpc_zfs_stdio stdio, zrpc_zfs_on_line *on_line, void *ctx, struct zrpc_error *err);

/*
 * exec_stream.c
 */
int zrpc_zfs_exec_source(const struct zrpc_zfs_exec *e, atomic_bool *cancelled, const char *const args[],
                         struct zrpc_source *out, struct zrpc_error *err);
int zrpc_zfs_exec_sink(const struct zrpc_zfs_exec *e, atomic_bool *cancelled, const char *const args[],
                       struct zrpc_sink *out, struct zrpc_error *err);

/*
 * exec_parse.c: lines of output. Callbacks of zrpc_zfs_run(), whose ctx is the type in their name.
 */
struct zrpc_zfs_parse_filesystems {
    struct zrpc_zfs_filesystems *out;
    const char *root; /* left out; NULL: none */
};
/* NAME VALUE SOURCE, of the property zrepl:placeholder. */
zrpc_zfs_on_line zrpc_zfs_parse_filesystem;

struct zrpc_zfs_parse_versions {
    struct zrpc_zfs_versions *out;
    const char *fs;
};
/* NAME GUID CREATETXG CREATION */
zrpc_zfs_on_line zrpc_zfs_parse_version;

struct zrpc_zfs_parse_value {
    struct zrpc_buf *out; /* gets the value, with a terminating zero */
    bool found;
};
/* VALUE; "-" is none. */
zrpc_zfs_on_line zrpc_zfs_parse_value;

struct zrpc_zfs_parse_size {
    int64_t bytes; /* ZRPC_ZFS_NO_ESTIMATE: no line of the output told it */
};
/* Of `send -n -v -P`: "size N", or the last field of "full ..." and "incremental ...". Other lines pass. */
zrpc_zfs_on_line zrpc_zfs_parse_size;

struct zrpc_zfs_parse_token {
    struct zrpc_zfs_token *out;
    bool contents, has_to, has_guid;
};
/* Of `send -n -v -t`: "\tKEY = VALUE". Other lines pass. */
zrpc_zfs_on_line zrpc_zfs_parse_token;

#endif
