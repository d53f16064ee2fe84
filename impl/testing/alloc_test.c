#include "testing/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing/suite.h"

static char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *format(const char *fmt, ...)
{
    char *out = NULL;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vasprintf(&out, fmt, args);
    va_end(args);
    return n < 0 ? NULL : out;
}

/* One of each, with the nth failing: answers which one did, 1 to 8, 0 if none. */
static int take_memory(void)
{
    char *p[8] = {0};
    int failed = 0;

    p[0] = malloc(1);
    p[1] = calloc(1, 1);
    p[2] = realloc(NULL, 1);
    p[3] = reallocarray(NULL, 1, 1);
    p[4] = strdup("x");
    p[5] = strndup("x", 1);
    if (asprintf(&p[6], "%d", 1) < 0)
        p[6] = NULL;
    p[7] = format("%d", 1);
    for (int i = 7; i >= 0; i--) {
        failed = p[i] == NULL ? i + 1 : failed;
        free(p[i]);
    }
    return failed;
}

static void the_nth_allocation_fails(void)
{
    for (int n = 0; n <= 9; n++) {
        zrpc_alloc_fail_at(n);
        CHECK_INT(take_memory(), n <= 8 ? n : 0);
        CHECK_INT(zrpc_alloc_count(), 8);
    }
    zrpc_alloc_fail_at(1);
    errno = 0;
    CHECK(malloc(1) == NULL && errno == ENOMEM);
}

static void *nothing(void *arg)
{
    return arg;
}

static int make_thread(void)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, nothing, NULL) == 0 ? pthread_join(thread, NULL) : -1;
}

static int make_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 || waitpid(pid, NULL, 0) != pid ? -1 : 0;
}

static int make_stream(void)
{
    FILE *f = fopen("/dev/null", "r");

    return f == NULL ? -1 : fclose(f);
}

static int make_directory_stream(void)
{
    DIR *d = opendir("/");

    return d == NULL ? -1 : closedir(d);
}

static int close_one(int fd)
{
    return fd < 0 ? -1 : close(fd);
}

static int close_both(int rc, const int pair[2])
{
    return rc < 0 ? -1 : close(pair[0]) + close(pair[1]);
}

enum { RESOURCES = 11 };

static int take_resource(int which)
{
    int pair[2];

    switch (which) {
    case 1:
        return close_one(eventfd(0, EFD_CLOEXEC));
    case 2:
        return close_one(epoll_create1(EPOLL_CLOEXEC));
    case 3:
        return close_one(socket(AF_UNIX, SOCK_STREAM, 0));
    case 4:
        return close_one(dup(STDIN_FILENO));
    case 5:
        return close_both(pipe(pair), pair);
    case 6:
        return close_both(pipe2(pair, O_CLOEXEC), pair);
    case 7:
        return close_both(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), pair);
    case 8:
        return make_thread();
    case 9:
        return make_process();
    case 10:
        return make_stream();
    default:
        return make_directory_stream();
    }
}

/* Which one failed, 1 to RESOURCES; 0 if none did. */
static int take_resources(void)
{
    int failed = 0;

    for (int i = 1; i <= RESOURCES; i++)
        failed = take_resource(i) < 0 ? i : failed;
    return failed;
}

static void the_nth_resource_fails(void)
{
    for (int n = 0; n <= RESOURCES + 1; n++) {
        zrpc_resource_fail_at(n);
        CHECK_INT(take_resources(), n <= RESOURCES ? n : 0);
        CHECK_INT(zrpc_resource_count(), RESOURCES);
    }
    zrpc_resource_fail_at(1);
    errno = 0;
    CHECK(eventfd(0, 0) < 0 && errno == EMFILE);
}

static int three_allocations(void *arg)
{
    int *runs = arg, rc = 0;

    (*runs)++;
    for (int i = 0; i < 3 && rc == 0; i++) {
        char *p = malloc(10);

        rc = p == NULL ? ZRPC_ERR_NOMEM : 0;
        free(p);
    }
    return rc;
}

static int one_descriptor(void *arg)
{
    int fd = eventfd(0, EFD_CLOEXEC);

    (void)arg;
    return fd < 0 ? ZRPC_ERR_SYSTEM : close(fd);
}

static void each_one_fails_in_turn(void)
{
    int runs = 0;

    CHECK_INT(zrpc_alloc_each(three_allocations, &runs), 3);
    CHECK_INT(runs, 4);
    CHECK_INT(zrpc_resource_each(one_descriptor, NULL), 1);
}

static const struct zrpc_test tests[] = {
    {"the nth allocation fails", the_nth_allocation_fails},
    {"the nth resource fails", the_nth_resource_fails},
    {"each one fails in turn", each_one_fails_in_turn},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("alloc", tests, argc, argv);
}
