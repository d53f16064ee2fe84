#include "zrpc/transport.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_MAX_LEN 200 /* so that "local:NAME" fits an address */

/* One that waits in dial; lives on its stack. */
struct knock {
    struct knock *next;
    const char *name;
    const char *identity;
    struct zrpc_wire *wire; /* for the listener */
    int accepted_event;
    bool accepted;
};

struct local_listener {
    struct zrpc_listener base;
    struct local_listener *next;
    int event; /* a semaphore that counts those who wait for this name */
    char name[NAME_MAX_LEN + 1];
    char address[ZRPC_ADDRESS_MAX];
};

/* Names are looked up in the whole process, so this is the one place with state of its own. The lock guards
 * both lists and those in them. Dialling may begin before there is a listener, and outlive one. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct local_listener *listeners;
static struct knock *knocks; /* oldest first */

int zrpc_local_pair(struct zrpc_wire *out[2], struct zrpc_error *err)
{
    int fds[2], rc;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "local wire: socketpair");
    rc = zrpc_wire_from_fds("local", fds[0], fds[0], &out[0], err);
    if (rc < 0) {
        close(fds[0]);
        close(fds[1]);
        return rc;
    }
    rc = zrpc_wire_from_fds("local", fds[1], fds[1], &out[1], err);
    if (rc < 0) {
        zrpc_wire_close(out[0]);
        close(fds[1]);
    }
    return rc;
}

static int check_name(const char *name, struct zrpc_error *err)
{
    if (name[0] == '\0' || strlen(name) > NAME_MAX_LEN)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "local: listener name \"%.32s\": expected 1 to %d bytes", name,
                         NAME_MAX_LEN);
    return 0;
}

/* With the lock held: where the listener of that name is, or would go. */
static struct local_listener **find_listener(const char *name)
{
    struct local_listener **at = &listeners;

    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

/* With the lock held: where the oldest knock at that name is, or a new one would go. */
static struct knock **find_knock(const char *name)
{
    struct knock **at = &knocks;

    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static int local_accept(struct zrpc_listener *listener, struct zrpc_accepted *out, struct zrpc_error *err)
{
    struct local_listener *l = (struct local_listener *)listener;
    struct knock **at, *k;
    eventfd_t one;

    (void)err;
    pthread_mutex_lock(&registry_lock);
    at = find_knock(l->name);
    k = *at;
    if (k != NULL) {
        *at = k->next;
        (void)eventfd_read(l->event, &one);
        *out = (struct zrpc_accepted){.wire = k->wire};
        snprintf(out->identity, sizeof out->identity, "%s", k->identity);
        snprintf(out->peer, sizeof out->peer, "%s", l->address);
        /* Cannot overflow: written once. The knock may be gone as soon as the lock is free. */
        k->accepted = true;
        (void)eventfd_write(k->accepted_event, 1);
    }
    pthread_mutex_unlock(&registry_lock);
    return k == NULL ? ZRPC_ERR_AGAIN : 0;
}

static int local_fd(const struct zrpc_listener *listener)
{
    return ((const struct local_listener *)listener)->event;
}

static const char *local_listener_address(const struct zrpc_listener *listener)
{
    return ((const struct local_listener *)listener)->address;
}

static void local_listener_close(struct zrpc_listener *listener)
{
    struct local_listener *l = (struct local_listener *)listener;

    pthread_mutex_lock(&registry_lock);
    *find_listener(l->name) = l->next;
    pthread_mutex_unlock(&registry_lock);
    close(l->event);
    free(l);
}

static const struct zrpc_listener_ops listener_ops = {
    .name = "local",
    .accept = local_accept,
    .fd = local_fd,
    .address = local_listener_address,
    .close = local_listener_close,
};

static int register_listener(struct local_listener *l, struct zrpc_error *err)
{
    struct local_listener **at;
    int rc = 0;

    pthread_mutex_lock(&registry_lock);
    at = find_listener(l->name);
    if (*at != NULL)
        rc = zrpc_fail(err, ZRPC_ERR_LISTEN, "%s: somebody listens there already", l->address);
    else
        *at = l;
    for (const struct knock *k = knocks; rc == 0 && k != NULL; k = k->next)
        if (strcmp(k->name, l->name) == 0)
            (void)eventfd_write(l->event, 1);
    pthread_mutex_unlock(&registry_lock);
    return rc;
}

int zrpc_local_listen(const char *listener_name, struct zrpc_listener **out, struct zrpc_error *err)
{
    struct local_listener *l;
    int rc = check_name(listener_name, err);

    if (rc < 0)
        return rc;
    l = calloc(1, sizeof *l);
    if (l == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "local:%s: no memory", listener_name);
    l->base.ops = &listener_ops;
    snprintf(l->name, sizeof l->name, "%s", listener_name);
    snprintf(l->address, sizeof l->address, "local:%s", listener_name);
    l->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    if (l->event < 0)
        rc = zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "%s: eventfd", l->address);
    if (rc == 0)
        rc = register_listener(l, err);
    if (rc < 0) {
        if (l->event >= 0)
            close(l->event);
        free(l);
        return rc;
    }
    *out = &l->base;
    return 0;
}

struct local_dialer {
    struct zrpc_dialer base;
    zrpc_time timeout;
    char name[NAME_MAX_LEN + 1];
    char identity[ZRPC_IDENTITY_MAX];
    char address[ZRPC_ADDRESS_MAX];
};

static void knock_begin(struct knock *k)
{
    struct local_listener *l;
    struct knock **last = &knocks;

    pthread_mutex_lock(&registry_lock);
    while (*last != NULL)
        last = &(*last)->next;
    *last = k;
    l = *find_listener(k->name);
    if (l != NULL)
        (void)eventfd_write(l->event, 1);
    pthread_mutex_unlock(&registry_lock);
}

/* Until accepted, cancelled or time is up; then the queue is left, unless the answer came at the last moment.
 */
static int knock_end(struct knock *k, zrpc_time deadline, const struct zrpc_cancel *cancel,
                     struct zrpc_error *err)
{
    int rc = zrpc_await((struct pollfd){.fd = k->accepted_event, .events = POLLIN}, deadline, cancel, err);
    const struct local_listener *l;
    bool accepted;

    pthread_mutex_lock(&registry_lock);
    accepted = k->accepted;
    l = *find_listener(k->name);
    if (!accepted) {
        struct knock **at = &knocks;
        eventfd_t one;

        while (*at != k)
            at = &(*at)->next;
        *at = k->next;
        if (l != NULL)
            (void)eventfd_read(l->event, &one);
    }
    pthread_mutex_unlock(&registry_lock);
    if (accepted)
        return 0;
    if (rc == ZRPC_ERR_TIMEOUT)
        return zrpc_fail(err, rc, l == NULL ? "nobody listens there" : "not accepted in time");
    return rc;
}

static int local_dial(struct zrpc_dialer *dialer, zrpc_time deadline, const struct zrpc_cancel *cancel,
                      struct zrpc_wire **out, struct zrpc_error *err)
{
    const struct local_dialer *d = (const struct local_dialer *)dialer;
    struct knock k = {
        .name = d->name, .identity = d->identity, .accepted_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    struct zrpc_wire *pair[2] = {NULL, NULL};
    int rc;

    deadline = zrpc_earlier(deadline, zrpc_deadline(zrpc_now(), d->timeout));
    if (k.accepted_event < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "dial %s: eventfd", d->address);
    rc = zrpc_local_pair(pair, err);
    if (rc < 0)
        goto out;
    k.wire = pair[1];
    knock_begin(&k);
    rc = knock_end(&k, deadline, cancel, err);
    if (rc < 0) {
        zrpc_wire_close(pair[0]);
        zrpc_wire_close(pair[1]);
    } else {
        *out = pair[0];
    }
out:
    close(k.accepted_event);
    return rc < 0 ? zrpc_error_prefix(err, rc, "dial %s", d->address) : 0;
}

static const char *local_dialer_address(const struct zrpc_dialer *dialer)
{
    return ((const struct local_dialer *)dialer)->address;
}

static void local_dialer_close(struct zrpc_dialer *dialer)
{
    free(dialer);
}

static const struct zrpc_dialer_ops dialer_ops = {
    .name = "local",
    .dial = local_dial,
    .address = local_dialer_address,
    .close = local_dialer_close,
};

int zrpc_local_dialer(const char *listener_name, const char *client_identity, zrpc_time dial_timeout,
                      struct zrpc_dialer **out, struct zrpc_error *err)
{
    struct local_dialer *d;
    int rc = check_name(listener_name, err);

    if (rc == 0)
        rc = zrpc_identity_check(client_identity, err);
    if (rc < 0)
        return rc;
    d = calloc(1, sizeof *d);
    if (d == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "local:%s: no memory", listener_name);
    d->base.ops = &dialer_ops;
    d->timeout = dial_timeout;
    snprintf(d->name, sizeof d->name, "%s", listener_name);
    snprintf(d->identity, sizeof d->identity, "%s", client_identity);
    snprintf(d->address, sizeof d->address, "local:%s", listener_name);
    *out = &d->base;
    return 0;
}
