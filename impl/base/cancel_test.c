#include "zrpc/cancel.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "testing/alloc.h"
#include "testing/suite.h"

static struct zrpc_cancel flag;

static void begin(void)
{
    CHECK_OK(zrpc_cancel_init(&flag, NULL));
    CHECK(!zrpc_cancelled(&flag));
}

static void on_signal(int signo)
{
    (void)signo;
    zrpc_cancel_raise(&flag);
}

static void a_signal_handler_raises_it(void)
{
    const struct sigaction action = {.sa_handler = on_signal};
    struct pollfd p;

    begin();
    sigaction(SIGUSR1, &action, NULL);
    errno = ERANGE;
    raise(SIGUSR1);
    CHECK_INT(errno, ERANGE);
    CHECK(zrpc_cancelled(&flag));
    p = zrpc_cancel_wait(&flag);
    CHECK_INT(poll(&p, 1, 0), 1);
    signal(SIGUSR1, SIG_DFL);
    zrpc_cancel_dispose(&flag);
}

/* The handler runs between the check and poll(2), or within it: the descriptor makes no difference. */
static void *raise_soon(void *arg)
{
    (void)arg;
    usleep(20000);
    zrpc_cancel_raise(&flag);
    return NULL;
}

static void every_wait_ends(void)
{
    struct zrpc_error err;
    pthread_t thread;
    int fds[2];

    begin();
    CHECK_INT(pipe(fds), 0);
    CHECK_INT(pthread_create(&thread, NULL, raise_soon, NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_CODE(zrpc_await((struct pollfd){.fd = fds[0], .events = POLLIN}, ZRPC_NEVER, &flag, &err),
                   ZRPC_ERR_CANCELLED);
    pthread_join(thread, NULL);
    close(fds[0]);
    close(fds[1]);
    zrpc_cancel_dispose(&flag);
}

static void waits_without_cancellation(void)
{
    zrpc_time until = zrpc_now() + 20 * ZRPC_MILLISECOND;
    struct pollfd in = {.events = POLLIN};
    struct zrpc_error err;
    int fds[2];

    begin();
    CHECK_INT(pipe(fds), 0);
    in.fd = fds[0];
    CHECK_CODE(zrpc_await(in, until, &flag, &err), ZRPC_ERR_TIMEOUT);
    CHECK(zrpc_now() >= until);
    CHECK_CODE(zrpc_await(in, 0, NULL, &err), ZRPC_ERR_TIMEOUT);
    CHECK_INT(write(fds[1], "x", 1), 1);
    CHECK_OK(zrpc_await(in, ZRPC_NEVER, NULL, &err));
    CHECK_OK(zrpc_await(in, 0, &flag, &err)); /* what is ready counts */
    CHECK_OK(zrpc_await((struct pollfd){.fd = -1}, ZRPC_NEVER, NULL, &err));
    close(fds[0]);
    close(fds[1]);
    CHECK(!zrpc_cancelled(NULL));
    CHECK_INT(zrpc_cancel_wait(NULL).fd, -1);
    zrpc_cancel_dispose(&flag);
}

static void no_descriptor(void)
{
    struct zrpc_cancel c, none = ZRPC_CANCEL_NONE;
    struct zrpc_error err;

    zrpc_resource_fail_at(1);
    CHECK_CODE(zrpc_cancel_init(&c, &err), ZRPC_ERR_SYSTEM);
    zrpc_resource_fail_at(0);
    zrpc_cancel_dispose(&c);
    zrpc_cancel_dispose(&none);
}

static const struct zrpc_test tests[] = {
    {"a signal handler raises it", a_signal_handler_raises_it},
    {"every wait ends", every_wait_ends},
    {"waits without cancellation", waits_without_cancellation},
    {"no descriptor", no_descriptor},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("cancel", tests, argc, argv);
}
