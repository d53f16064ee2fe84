/*
 * ssh+stdinserver: a wire through ssh(1) to a daemon that listens on unix sockets (ZR-SSH-*).
 *
 * The active side runs ssh and speaks over its stdin and stdout. On the other host the key's forced command
 * is a proxy, which passes its own stdin and stdout to the daemon and waits until the wire has ended.
 */
#ifndef ZRPC_TRANSPORT_SSH_H
#define ZRPC_TRANSPORT_SSH_H

#include <stddef.h>
#include <stdint.h>

#include "zrpc/wire.h"

#define ZRPC_STDINSERVER_SOCKDIR_DEFAULT "/var/run/zrepl/stdinserver"
#define ZRPC_STDINSERVER_TIMEOUT         (10 * ZRPC_SECOND) /* ZR-SSH-018 */

struct zrpc_ssh_options {
    const char *host, *user;
    uint16_t port;
    const char *identity_file;
    const char *ssh_command;    /* a program, found by PATH; NULL: ssh */
    const char *const *options; /* each behind -o */
    size_t n_options;
    zrpc_time dial_timeout; /* 0: none */
};

/* Copies the options. ZRPC_ERR_USAGE for empty ones, or a user or host that ssh would take for an option.
 *
 * Dialling starts ssh, with an empty environment and in a process group of its own, and answers when the
 * daemon has taken over: ZRPC_ERR_DIAL with what ssh wrote to stderr, ZRPC_ERR_UNAVAILABLE if the proxy could
 * not reach the daemon, ZRPC_ERR_TIMEOUT. The wire's failures, too, name what ssh said and how it ended.
 *
 * Closing ends ssh and reaps it, so it may take a while: after close_write ssh has a second to end by itself,
 * then SIGTERM, and after another second SIGKILL. Where the peer's end of file has been read, too, that
 * second begins when ssh does nothing any more, 30 s later at most: it may have much to deliver. The end of
 * file is held back for up to 250 ms, to see whether the peer has half-closed or is gone: then it is
 * ZRPC_ERR_RESET. */
int zrpc_ssh_dialer(const struct zrpc_ssh_options *options, struct zrpc_dialer **out, struct zrpc_error *err);

/* Listens on SOCKDIR/IDENTITY for each of the identities. A stale socket there is replaced; ZRPC_ERR_LISTEN
 * for a directory that others may enter (mode & 0007), a socket that somebody listens on, and any other file.
 * An accepted wire's `authenticate` receives the descriptors and does the opening exchange, within 10 s.
 *
 * A client whose ssh is gone is ZRPC_ERR_RESET, not the end of file, until this side has half-closed: then
 * sshd's closed pipe says the same for both (ZR-WIRE-015). A client that is killed itself leaves an ssh that
 * carries the end of its input over in order: the end of file here, too, and an error only of writing.
 * Closing a wire that has not failed tells the proxy of a normal end. */
int zrpc_stdinserver_listen(const char *sockdir, const char *const *identities, size_t n,
                            struct zrpc_listener **out, struct zrpc_error *err);

/* The forced command: passes the first two descriptors to the daemon, closes all three, and waits. sshd holds
 * the end of the output back as long as anybody has stderr, so err_fd is to be closed too (-1: there is
 * none); it stays open where the descriptors could not be passed. 0 when the wire has ended normally. If the
 * daemon cannot be reached, out_fd is told so: ZRPC_ERR_UNAVAILABLE. ZRPC_ERR_END: the daemon vanished, or
 * the wire ended badly. */
int zrpc_stdinserver_proxy(const char *sockdir, const char *identity, int in_fd, int out_fd, int err_fd,
                           struct zrpc_error *err);

#endif
