#include "testing/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "testing/suite.h"

#define ROUNDS_MAX 100000 /* a scenario that takes so much does not end by itself */

static struct supply {
    atomic_long count, fail_at;
} memory, resources;

static bool refuse(struct supply *s, int errnum)
{
    bool refused = atomic_fetch_add(&s->count, 1) + 1 == atomic_load(&s->fail_at);

    if (refused)
        errno = errnum;
    return refused;
}

/* X(supply, errno, type, name, parameters, arguments, answer when refused) */
#define WRAPPED_MAP(X)                                                                                       \
    X(memory, ENOMEM, void *, malloc, (size_t size), (size), NULL)                                           \
    X(memory, ENOMEM, void *, calloc, (size_t n, size_t size), (n, size), NULL)                              \
    X(memory, ENOMEM, void *, realloc, (void *p, size_t size), (p, size), NULL)                              \
    X(memory, ENOMEM, void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size), NULL)            \
    X(memory, ENOMEM, char *, strdup, (const char *text), (text), NULL)                                      \
    X(memory, ENOMEM, char *, strndup, (const char *text, size_t n), (text, n), NULL)                        \
    X(memory, ENOMEM, int, vasprintf, (char **out, const char *fmt, va_list args), (out, fmt, args), -1)     \
    X(resources, EMFILE, int, eventfd, (unsigned initial, int flags), (initial, flags), -1)                  \
    X(resources, EMFILE, int, epoll_create1, (int flags), (flags), -1)                                       \
    X(resources, EMFILE, int, socket, (int family, int type, int protocol), (family, type, protocol), -1)    \
    X(resources, EMFILE, int, socketpair, (int family, int type, int protocol, int *fds),                    \
      (family, type, protocol, fds), -1)                                                                     \
    X(resources, EMFILE, int, pipe, (int *fds), (fds), -1)                                                   \
    X(resources, EMFILE, int, pipe2, (int *fds, int flags), (fds, flags), -1)                                \
    X(resources, EMFILE, int, accept4, (int fd, struct sockaddr *address, socklen_t *len, int flags),        \
      (fd, address, len, flags), -1)                                                                         \
    X(resources, EMFILE, int, dup, (int fd), (fd), -1)                                                       \
    X(resources, EMFILE, FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)            \
    X(resources, EMFILE, DIR *, opendir, (const char *path), (path), NULL)                                   \
    X(resources, EAGAIN, pid_t, fork, (void), (), -1)                                                        \
    X(resources, EAGAIN, int, pthread_create,                                                                \
      (pthread_t * out, const pthread_attr_t *attr, void *(*run)(void *), void *arg), (out, attr, run, arg), \
      EAGAIN)

#define DEFINE_WRAPPED(supply, errnum, type, name, parameters, arguments, refused) \
    type __real_##name parameters;                                                 \
    type __wrap_##name parameters;                                                 \
    type __wrap_##name parameters                                                  \
    {                                                                              \
        return refuse(&supply, errnum) ? (refused) : __real_##name arguments;      \
    }

WRAPPED_MAP(DEFINE_WRAPPED)

int __wrap_asprintf(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **out, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = __wrap_vasprintf(out, fmt, args);
    va_end(args);
    return n;
}

static void fail_at(struct supply *s, long n)
{
    atomic_store(&s->count, 0);
    atomic_store(&s->fail_at, n);
}

void zrpc_alloc_fail_at(long n)
{
    fail_at(&memory, n);
}

long zrpc_alloc_count(void)
{
    return atomic_load(&memory.count);
}

void zrpc_resource_fail_at(long n)
{
    fail_at(&resources, n);
}

long zrpc_resource_count(void)
{
    return atomic_load(&resources.count);
}

/* Whether a run that was hit ended as it should. */
static bool ended_well(const struct supply *s, int rc)
{
    return s == &memory ? CHECK_CODE(rc, ZRPC_ERR_NOMEM) : CHECK(rc < 0);
}

static long each(struct supply *s, int (*scenario)(void *arg), void *arg)
{
    for (long n = 1; n < ROUNDS_MAX; n++) {
        bool hit;
        int rc;

        fail_at(s, n);
        rc = scenario(arg);
        hit = atomic_load(&s->count) >= n;
        fail_at(s, 0);
        if (!hit) {
            CHECK_OK(rc);
            return n - 1;
        }
        if (!ended_well(s, rc))
            printf("with number %ld failing\n", n);
    }
    CHECK(!"the scenario comes to an end");
    return ROUNDS_MAX;
}

long zrpc_alloc_each(int (*scenario)(void *arg), void *arg)
{
    return each(&memory, scenario, arg);
}

long zrpc_resource_each(int (*scenario)(void *arg), void *arg)
{
    return each(&resources, scenario, arg);
}
