/* Looking up a name can take minutes and cannot be interrupted, so it has a thread of its own, which the
 * caller leaves behind when time is up or nobody wants it any more. Numbers are converted on the spot. */
#include "transport/tcp_socket.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct lookup {
    struct zrpc_tcp_address address;
    struct addrinfo hints;
    struct addrinfo *result;
    int status; /* of getaddrinfo */
    int status_errno;
    int done_event;  /* read by the caller alone: it then has what is above */
    atomic_int refs; /* the caller and the thread; the last one frees */
};

static void lookup_unref(struct lookup *l)
{
    if (atomic_fetch_sub(&l->refs, 1) > 1)
        return;
    if (l->result != NULL)
        freeaddrinfo(l->result);
    close(l->done_event);
    free(l);
}

static void *lookup_thread(void *arg)
{
    const uint64_t one = 1;
    struct lookup *l = arg;

    l->status = getaddrinfo(l->address.host, l->address.port, &l->hints, &l->result);
    l->status_errno = errno;
    if (l->status != 0)
        l->result = NULL;
    (void)!write(l->done_event, &one, sizeof one); /* cannot overflow: written once */
    lookup_unref(l);
    return NULL;
}

static int lookup_new(const struct zrpc_tcp_address *address, const struct addrinfo *hints,
                      struct lookup **out, struct zrpc_error *err)
{
    struct lookup *l = calloc(1, sizeof *l);

    if (l == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "resolve %s: no memory", address->host);
    l->address = *address;
    l->hints = *hints;
    atomic_init(&l->refs, 1);
    l->done_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->done_event < 0) {
        free(l);
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "resolve %s: eventfd", address->host);
    }
    *out = l;
    return 0;
}

static int lookup_start(struct lookup *l, struct zrpc_error *err)
{
    pthread_attr_t attr;
    pthread_t thread;
    int errnum = pthread_attr_init(&attr);

    if (errnum == 0) {
        atomic_fetch_add(&l->refs, 1);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        errnum = pthread_create(&thread, &attr, lookup_thread, l);
        pthread_attr_destroy(&attr);
        if (errnum != 0)
            lookup_unref(l);
    }
    if (errnum != 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errnum, "resolve %s: start a thread", l->address.host);
    return 0;
}

static int lookup_wait(struct lookup *l, zrpc_time deadline, const struct zrpc_cancel *cancel,
                       struct zrpc_error *err)
{
    uint64_t ignored;
    int rc = zrpc_await((struct pollfd){.fd = l->done_event, .events = POLLIN}, deadline, cancel, err);

    if (rc == 0)
        (void)!read(l->done_event, &ignored, sizeof ignored);
    return rc < 0 ? zrpc_error_prefix(err, rc, "resolve %s", l->address.host) : 0;
}

static int fail_status(const struct zrpc_tcp_address *address, int status, int errnum, struct zrpc_error *err)
{
    const char *text = gai_strerror(status);

    if (status == EAI_MEMORY)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "resolve %s: %s", address->host, text);
    if (status == EAI_SYSTEM)
        return zrpc_fail_errno(err, ZRPC_ERR_RESOLVE, errnum, "resolve %s, port %s", address->host,
                               address->port);
    return zrpc_fail(err, ZRPC_ERR_RESOLVE, "resolve %s, port %s: %s", address->host, address->port, text);
}

int zrpc_resolve(const struct zrpc_tcp_address *address, int flags, zrpc_time deadline,
                 const struct zrpc_cancel *cancel, struct addrinfo **out, struct zrpc_error *err)
{
    const char *host = address->host[0] == '\0' ? NULL : address->host;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_protocol = IPPROTO_TCP,
                             .ai_flags = flags | AI_NUMERICHOST};
    struct lookup *l = NULL;
    int rc, status = getaddrinfo(host, address->port, &hints, out);

    if (status == 0)
        return 0;
    if (status != EAI_NONAME)
        return fail_status(address, status, errno, err);
    hints.ai_flags = flags;
    rc = lookup_new(address, &hints, &l, err);
    if (rc < 0)
        return rc;
    rc = lookup_start(l, err);
    if (rc == 0)
        rc = lookup_wait(l, deadline, cancel, err);
    if (rc == 0 && l->status != 0)
        rc = fail_status(address, l->status, l->status_errno, err);
    if (rc == 0) {
        *out = l->result;
        l->result = NULL;
    }
    lookup_unref(l);
    return rc;
}
