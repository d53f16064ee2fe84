/*
 * The transports that can be certified, as struct zrpc_evaluated. Close them with their `close`.
 */
#ifndef ZRPC_WIREEVALUATOR_TRANSPORT_H
#define ZRPC_WIREEVALUATOR_TRANSPORT_H

#include <stdbool.h>

#include "zrpc/wireevaluator.h"

/* "tcp", "tls", "ssh" and "local", on this machine, with nothing to configure. ZRPC_ERR_USAGE for another
 * name, with all names. */
int zrpc_eval_transport_named(const char *name, struct zrpc_evaluated **out, struct zrpc_error *err);

/* Those of them that have an address of their own: "tls", with certificates that were made for it, and "ssh",
 * with an sshd that is running as long. Cases that run at the same time need one each. */
bool zrpc_eval_transport_is_made(const char *name);
int zrpc_eval_transport_made(const char *name, struct zrpc_evaluated **out, struct zrpc_error *err);

/* What the sections connect: and serve: of a configuration file say (zrpc/config.h); both have to be there.
 */
int zrpc_eval_transport_config(const char *file, struct zrpc_evaluated **out, struct zrpc_error *err);

/* The file as this tool reads it: where it names no socket directory, that is the original tool's. */
#define EVAL_SOCKDIR_DEFAULT "/tmp/wireevaluator_stdinserver"
struct zrpc_config;
int zrpc_eval_load_config(const char *file, struct zrpc_config **out, struct zrpc_error *err);

/* Two commands, run by /bin/sh for each connection; what goes into one comes out of the other. They have the
 * environment variables WIREEVALUATOR_DIR, a directory of the connection's own, and WIREEVALUATOR_SIDE,
 * connect or serve.
 *
 * fd < 0: they speak over stdin and stdout, and half-close by closing either. The end of stdout is the end of
 * the byte stream, unless the command fails at the same time: then the peer has vanished. fd >= 0: they
 * inherit a connected unix socket with that number, and a peer has vanished when that is reset, or the
 * command fails.
 *
 * The serving command is started first. The connecting command is started again until both are through to
 * each other, which eight bytes each way find out; the commands must carry these like any others. */
int zrpc_eval_transport_exec(const char *connect, const char *serve, int fd, struct zrpc_evaluated **out,
                             struct zrpc_error *err);

/* What the shared object exports (zrpc/wireevaluator.h). */
int zrpc_eval_transport_load(const char *file, const char *argument, struct zrpc_evaluated **out,
                             struct zrpc_error *err);

/*
 * For transports with a listener and a dialer: both are made in the process of the case, at the first
 * connection.
 */
struct zrpc_eval_listening;

struct zrpc_eval_listening_ops {
    int (*listen)(struct zrpc_eval_listening *t, struct zrpc_listener **out, struct zrpc_error *err);
    int (*dialer)(struct zrpc_eval_listening *t, const struct zrpc_listener *l, struct zrpc_dialer **out,
                  struct zrpc_error *err);
    void (*release)(struct zrpc_eval_listening *t); /* all of it; listener and dialer are closed */
};

struct zrpc_eval_listening {
    struct zrpc_evaluated base;
    struct zrpc_evaluated_ops vtable;
    const struct zrpc_eval_listening_ops *ops;
    const char *configuration;
    struct zrpc_listener *listener;
    struct zrpc_dialer *dialer;
    unsigned vanished; /* ends */
};

/* The name and the text are borrowed. */
void zrpc_eval_listening_init(struct zrpc_eval_listening *t, const char *name, const char *configuration,
                              const struct zrpc_eval_listening_ops *ops);

#endif
