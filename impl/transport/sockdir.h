/*
 * The directory of unix sockets, one for each client identity (ZR-SSH-009 to -011).
 */
#ifndef ZRPC_TRANSPORT_SOCKDIR_H
#define ZRPC_TRANSPORT_SOCKDIR_H

#include <sys/socket.h>
#include <sys/un.h>

#include "zrpc/error.h"

/* SOCKDIR/IDENTITY as an address: ZRPC_ERR_USAGE if too long, or no identity. */
int zrpc_sockdir_address(const char *sockdir, const char *identity, struct sockaddr_un *out,
                         struct zrpc_error *err);
/* ZRPC_ERR_LISTEN unless it is a directory, closed to others. */
int zrpc_sockdir_check(const char *sockdir, struct zrpc_error *err);
/* A listening socket, non-blocking and close-on-exec, in the place of a stale one. ZRPC_ERR_LISTEN. */
int zrpc_sockdir_listen(const struct sockaddr_un *at, int *out, struct zrpc_error *err);
/* A connected one: an errno, or 0. Does not wait for a full backlog. */
int zrpc_sockdir_connect(const struct sockaddr_un *at, int *out);

#endif
