/*
 * The `clients` map of the tcp transport: which address is whose.
 */
#ifndef ZRPC_TRANSPORT_TCP_CLIENTS_H
#define ZRPC_TRANSPORT_TCP_CLIENTS_H

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "zrpc/transport.h"

struct zrpc_tcp_client_entry {
    struct in6_addr ip; /* IPv4 as IPv4-mapped; bits beyond the prefix are zero */
    unsigned prefix;    /* bits of `ip` that count; 128: this address */
    char zone[IF_NAMESIZE];
    char identity[ZRPC_IDENTITY_MAX]; /* with one '*' where prefix was given */
};

/* ZRPC_ERR_USAGE naming what is wrong. */
int zrpc_tcp_client_parse(const struct zrpc_tcp_client *in, struct zrpc_tcp_client_entry *out,
                          struct zrpc_error *err);
/* Both are for the same clients. */
bool zrpc_tcp_client_same(const struct zrpc_tcp_client_entry *a, const struct zrpc_tcp_client_entry *b);
/* The identity of the entry that fits best: the longest prefix, and with the very zone before without one.
 * False where none fits. */
bool zrpc_tcp_client_identify(const struct zrpc_tcp_client_entry *entries, size_t n,
                              const struct sockaddr_storage *peer, char out[static ZRPC_IDENTITY_MAX]);

#endif
