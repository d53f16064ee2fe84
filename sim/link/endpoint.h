/*
 * The two ends of a connection through the link: sockets, or the pipes of a child or of this process.
 *
 *     tcp:HOST:PORT   unix:PATH   exec:COMMAND (to connect to; run by sh)   stdio (to listen on)
 *
 * End of file goes out as a half-close. A reset goes out as one on TCP; a unix socket and pipes know none,
 * there both directions are closed at once, so that the other end reads end of file and cannot write.
 */
#ifndef SIM_LINK_ENDPOINT_H
#define SIM_LINK_ENDPOINT_H

#include <stdbool.h>
#include <sys/types.h>

#include "transport/tcp_socket.h"
#include "zrpc/bytes.h"
#include "zrpc/error.h"

enum zrpc_link_kind { ZRPC_LINK_TCP, ZRPC_LINK_UNIX, ZRPC_LINK_PIPES };

struct zrpc_link_endpoint {
    enum zrpc_link_kind kind;
    int read_fd, write_fd; /* equal for sockets; -1: closed */
    bool reset_seen;       /* a write found the connection reset: the end of reading is that reset */
    pid_t child;           /* -1: none */
    const struct addrinfo *next_address; /* while connecting */
};

#define ZRPC_LINK_NO_ENDPOINT ((struct zrpc_link_endpoint){.read_fd = -1, .write_fd = -1, .child = -1})

/* > 0 bytes, 0 end of file, ZRPC_ERR_AGAIN, ZRPC_ERR_RESET for anything that ends the connection. */
ssize_t zrpc_link_endpoint_read(struct zrpc_link_endpoint *e, void *out, size_t len);
ssize_t zrpc_link_endpoint_write(struct zrpc_link_endpoint *e, struct zrpc_view v);
void zrpc_link_endpoint_close_write(struct zrpc_link_endpoint *e);
/* Where the kind allows, the other end's writes fail from now on: true if so. */
bool zrpc_link_endpoint_close_read(struct zrpc_link_endpoint *e);
/* TCP: bytes that the other end has not taken yet; else 0. */
unsigned zrpc_link_endpoint_unsent(const struct zrpc_link_endpoint *e);
void zrpc_link_endpoint_reset(struct zrpc_link_endpoint *e);
/* The child, if there is one, lives on. */
void zrpc_link_endpoint_close(struct zrpc_link_endpoint *e);

struct zrpc_link_listener {
    enum zrpc_link_kind kind;
    int fd; /* -1: stdio, or closed */
    bool refusing;
    bool stdio_used;
    char address[ZRPC_ADDRESS_MAX]; /* "tcp:127.0.0.1:1234", with the port that was picked */
};

int zrpc_link_listener_open(struct zrpc_link_listener *l, const char *text, struct zrpc_error *err);
void zrpc_link_listener_close(struct zrpc_link_listener *l);
/* ZRPC_ERR_AGAIN: nobody is there. */
int zrpc_link_listener_accept(struct zrpc_link_listener *l, struct zrpc_link_endpoint *out,
                              struct zrpc_error *err);
/* While it refuses, connecting to the address fails; the address stays taken. */
int zrpc_link_listener_refuse(struct zrpc_link_listener *l, bool refuse, struct zrpc_error *err);

struct zrpc_link_dialer {
    enum zrpc_link_kind kind;
    const char *target;      /* path or command; borrowed */
    const char *const *argv; /* instead of a command; borrowed */
    struct addrinfo *addresses;
};

/* `argv` (NULL-ended) is what "exec" without a command runs. */
int zrpc_link_dialer_open(struct zrpc_link_dialer *d, const char *text, const char *const *argv,
                          struct zrpc_error *err);
void zrpc_link_dialer_close(struct zrpc_link_dialer *d);
/* Begins to connect. 0: connected; 1: under way, call _dialled when writable; or a failure. */
int zrpc_link_dial(const struct zrpc_link_dialer *d, struct zrpc_link_endpoint *out, struct zrpc_error *err);
/* The same answers. */
int zrpc_link_dialled(struct zrpc_link_endpoint *e, struct zrpc_error *err);

#endif
