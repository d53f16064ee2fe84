#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/ssh_process.h"
#include "transport/ssh_wire.h"
#include "zrpc/transport_ssh.h"

#define DIAL_FAILED_PATIENCE (50 * ZRPC_MILLISECOND) /* with an ssh that carries nothing yet */
#define IDLE_MAX             ZRPC_SECOND             /* of an ssh that should end by itself */
#define DELIVERY_MAX         (30 * ZRPC_SECOND)      /* what its buffers hold, at 2 Mbit/s */

struct ssh_wire {
    struct zrpc_ssh_wire pair;
    struct zrpc_ssh_process process;
};

/* ssh's own end comes right after the pipes', and tells a connection that was lost from one that was closed.
 */
static int ssh_ended(struct zrpc_ssh_wire *pair, struct zrpc_error *err)
{
    struct ssh_wire *w = (struct ssh_wire *)pair;
    zrpc_time patience = pair->write_closed ? ZRPC_SSH_END_MS * ZRPC_MILLISECOND : 0;

    if (zrpc_ssh_process_wait(&w->process, zrpc_now() + patience, NULL) &&
        zrpc_ssh_process_failed(&w->process))
        return zrpc_fail(err, ZRPC_ERR_RESET, "ssh wire: read: the connection is lost");
    return 0;
}

static void ssh_explain(struct zrpc_ssh_wire *pair, struct zrpc_error *err)
{
    struct ssh_wire *w = (struct ssh_wire *)pair;

    /* Pipes break when ssh ends, which it may have words on. */
    zrpc_ssh_process_wait(&w->process, zrpc_now() + ZRPC_SSH_END_MS * ZRPC_MILLISECOND, NULL);
    zrpc_ssh_process_explain(&w->process, err);
}

static void ssh_idle(struct zrpc_ssh_wire *pair)
{
    zrpc_ssh_process_listen(&((struct ssh_wire *)pair)->process);
}

/* An aborted wire must not look like one that ends in order, which the end of its stdin is to ssh. */
static void ssh_interrupt(struct zrpc_ssh_wire *pair)
{
    zrpc_ssh_process_terminate(&((struct ssh_wire *)pair)->process);
}

/* A wire that was half-closed has bytes under way that ssh should still deliver. If the peer has said all it
 * has to say, nothing but that keeps ssh busy. */
static void ssh_release(struct zrpc_ssh_wire *pair)
{
    struct ssh_wire *w = (struct ssh_wire *)pair;
    bool in_order = pair->write_closed && !atomic_load(&pair->failed);

    if (in_order && pair->at_eof)
        zrpc_ssh_process_wait_while_busy(&w->process, IDLE_MAX, zrpc_now() + DELIVERY_MAX);
    zrpc_ssh_process_end(&w->process, in_order && !pair->at_eof ? IDLE_MAX : 0);
    free(w);
}

static const struct zrpc_ssh_side side = {
    .name = "ssh",
    .ended = ssh_ended,
    .explain = ssh_explain,
    .idle = ssh_idle,
    .interrupt = ssh_interrupt,
    .release = ssh_release,
};

struct ssh_dialer {
    struct zrpc_dialer base;
    zrpc_time timeout;
    char **argv; /* NULL-terminated, each owned */
    char address[ZRPC_ADDRESS_MAX];
};

static int expect_helo(const char *message, struct zrpc_error *err)
{
    char shown[ZRPC_SSH_MESSAGE_LEN + 1];

    if (memcmp(message, zrpc_ssh_helo, ZRPC_SSH_MESSAGE_LEN) == 0)
        return 0;
    if (memcmp(message, zrpc_ssh_proxy_error, ZRPC_SSH_MESSAGE_LEN) == 0)
        return zrpc_fail(err, ZRPC_ERR_UNAVAILABLE,
                         "the proxy on the other host cannot reach its daemon (SSHCON_PROXY_ERROR)");
    for (size_t i = 0; i < ZRPC_SSH_MESSAGE_LEN; i++)
        shown[i] = message[i] >= ' ' && message[i] <= '~' ? message[i] : '.';
    shown[ZRPC_SSH_MESSAGE_LEN] = '\0';
    return zrpc_fail(err, ZRPC_ERR_DIAL, "expected SSHCON_HELO, got \"%s\"", shown);
}

static int open_exchange(struct ssh_wire *w, zrpc_time deadline, const struct zrpc_cancel *cancel,
                         struct zrpc_error *err)
{
    char message[ZRPC_SSH_MESSAGE_LEN];
    int rc = zrpc_ssh_wire_read(&w->pair, message, sizeof message, deadline, cancel, err);

    if (rc == 0)
        rc = expect_helo(message, err);
    if (rc == 0)
        rc = zrpc_ssh_wire_write(&w->pair, zrpc_ssh_begin, sizeof zrpc_ssh_begin, deadline, cancel, err);
    return rc;
}

/* Where the stream broke off, or the proxy gave up, ssh is about to end and to say why. */
static int explain_failure(struct ssh_wire *w, int rc, zrpc_time deadline, const struct zrpc_cancel *cancel,
                           struct zrpc_error *err)
{
    bool lost = rc == ZRPC_ERR_END || rc == ZRPC_ERR_RESET;

    if (err == NULL)
        return lost ? ZRPC_ERR_DIAL : rc;
    if (lost || rc == ZRPC_ERR_UNAVAILABLE)
        zrpc_ssh_process_wait(&w->process, zrpc_earlier(deadline, zrpc_now() + ZRPC_SECOND), cancel);
    if (lost)
        rc = zrpc_fail(err, ZRPC_ERR_DIAL, "no connection");
    zrpc_ssh_process_explain(&w->process, err);
    return rc;
}

static int connect_wire(const struct ssh_dialer *d, zrpc_time deadline, const struct zrpc_cancel *cancel,
                        struct zrpc_wire **out, struct zrpc_error *err)
{
    struct ssh_wire *w = calloc(1, sizeof *w);
    int stdin_fd, stdout_fd, rc;

    if (w == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory");
    rc = zrpc_ssh_process_start(&w->process, d->argv, &stdin_fd, &stdout_fd, err);
    if (rc < 0) {
        free(w);
        return rc;
    }
    zrpc_ssh_wire_init(&w->pair, &side);
    rc = zrpc_ssh_wire_attach(&w->pair, stdout_fd, stdin_fd, err);
    if (rc == 0) {
        rc = open_exchange(w, deadline, cancel, err);
        if (rc < 0)
            rc = explain_failure(w, rc, deadline, cancel, err);
    }
    if (rc < 0) {
        w->process.patience = DIAL_FAILED_PATIENCE;
        zrpc_wire_close(&w->pair.base);
        return rc;
    }
    *out = &w->pair.base;
    return 0;
}

static int ssh_dial(struct zrpc_dialer *dialer, zrpc_time deadline, const struct zrpc_cancel *cancel,
                    struct zrpc_wire **out, struct zrpc_error *err)
{
    const struct ssh_dialer *d = (const struct ssh_dialer *)dialer;
    int rc;

    deadline = zrpc_earlier(deadline, zrpc_deadline(zrpc_now(), d->timeout));
    rc = connect_wire(d, deadline, cancel, out, err);
    return rc < 0 ? zrpc_error_prefix(err, rc, "dial %s", d->address) : 0;
}

static const char *ssh_address(const struct zrpc_dialer *dialer)
{
    return ((const struct ssh_dialer *)dialer)->address;
}

static void ssh_dialer_close(struct zrpc_dialer *dialer)
{
    struct ssh_dialer *d = (struct ssh_dialer *)dialer;

    for (char **arg = d->argv; arg != NULL && *arg != NULL; arg++)
        free(*arg);
    free(d->argv);
    free(d);
}

static const struct zrpc_dialer_ops dialer_ops = {
    .name = "ssh",
    .dial = ssh_dial,
    .address = ssh_address,
    .close = ssh_dialer_close,
};

static int check(const struct zrpc_ssh_options *o, struct zrpc_error *err)
{
    if (o->host[0] == '\0' || o->user[0] == '\0' || o->identity_file[0] == '\0' || o->port == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "ssh: host, user, port and identity_file must not be empty");
    if (o->user[0] == '-' || strchr(o->user, '@') != NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "ssh: \"%s\" is no user's name", o->user);
    return 0;
}

/* ZR-SSH-001 */
static int make_argv(struct ssh_dialer *d, const struct zrpc_ssh_options *o)
{
    const char *command = o->ssh_command == NULL || o->ssh_command[0] == '\0' ? "ssh" : o->ssh_command;
    char port[8], target[ZRPC_ADDRESS_MAX];
    const char *const head[] = {command, "-p", port, "-T", "-i", o->identity_file, "-o", "BatchMode=yes"};
    size_t n_head = sizeof head / sizeof head[0], n = 0;

    snprintf(port, sizeof port, "%u", o->port);
    if (snprintf(target, sizeof target, "%s@%s", o->user, o->host) >= (int)sizeof target)
        return -1;
    d->argv = calloc(n_head + 2 * o->n_options + 2, sizeof *d->argv);
    if (d->argv == NULL)
        return -1;
    for (size_t i = 0; i < n_head; i++)
        if ((d->argv[n++] = strdup(head[i])) == NULL)
            return -1;
    for (size_t i = 0; i < o->n_options; i++)
        if ((d->argv[n++] = strdup("-o")) == NULL || (d->argv[n++] = strdup(o->options[i])) == NULL)
            return -1;
    d->argv[n] = strdup(target);
    return d->argv[n] == NULL ? -1 : 0;
}

int zrpc_ssh_dialer(const struct zrpc_ssh_options *options, struct zrpc_dialer **out, struct zrpc_error *err)
{
    struct ssh_dialer *d;
    int rc = check(options, err);

    if (rc < 0)
        return rc;
    d = calloc(1, sizeof *d);
    if (d == NULL || make_argv(d, options) < 0) {
        if (d != NULL)
            ssh_dialer_close(&d->base);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "ssh:%s: no memory, or too long a name", options->host);
    }
    d->base.ops = &dialer_ops;
    d->timeout = options->dial_timeout;
    snprintf(d->address, sizeof d->address, "ssh:%s@%s:%u", options->user, options->host, options->port);
    *out = &d->base;
    return 0;
}
