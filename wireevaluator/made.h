/*
 * What tls and ssh need where certify is told nothing: certificates, keys, and an sshd of our own.
 */
#ifndef ZRPC_WIREEVALUATOR_MADE_H
#define ZRPC_WIREEVALUATOR_MADE_H

#include <sys/types.h>

#include "zrpc/wire.h"

/* A certificate that signs itself, NAME.crt with the common name NAME, and its key, NAME.key; for two days.
 */
int zrpc_eval_make_certificate(const char *dir, const char *name, struct zrpc_error *err);

/* An sshd on ip:port (loopback), whose files are in `dir`. The key in DIR/client is admitted as this user,
 * for `command` alone; DIR/known_hosts has the host's. Answers when it listens. ZRPC_ERR_USAGE where there is
 * no OpenSSH, ZRPC_ERR_LISTEN with what sshd said. Ends with this process. */
int zrpc_eval_start_sshd(const char *dir, const char *ip, unsigned port, const char *command, pid_t *out,
                         struct zrpc_error *err);

#endif
