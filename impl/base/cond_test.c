#include "zrpc/cond.h"

#include <errno.h>

#include "testing/suite.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void a_wait_ends_at_its_time(void)
{
    pthread_cond_t never;
    zrpc_time until = zrpc_now() + 20 * ZRPC_MILLISECOND;
    int rc = 0;

    CHECK_INT(zrpc_cond_init(&never), 0);
    pthread_mutex_lock(&mutex);
    while (rc == 0)
        rc = zrpc_cond_wait(&never, &mutex, until);
    CHECK_INT(rc, ETIMEDOUT);
    CHECK(zrpc_now() >= until);
    CHECK_INT(zrpc_cond_wait(&never, &mutex, 0), ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&never);
}

struct flag {
    pthread_cond_t changed;
    bool set;
};

static void *set(void *arg)
{
    struct flag *flag = arg;

    pthread_mutex_lock(&mutex);
    flag->set = true;
    pthread_cond_signal(&flag->changed);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void is_woken(zrpc_time until)
{
    struct flag flag = {.set = false};
    pthread_t thread;

    CHECK_INT(zrpc_cond_init(&flag.changed), 0);
    pthread_mutex_lock(&mutex);
    CHECK_INT(pthread_create(&thread, NULL, set, &flag), 0);
    while (!flag.set)
        CHECK_INT(zrpc_cond_wait(&flag.changed, &mutex, until), 0);
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&flag.changed);
}

static void a_signal_ends_a_wait(void)
{
    is_woken(zrpc_now() + 1000 * ZRPC_SECOND);
    is_woken(ZRPC_NEVER);
}

static const struct zrpc_test tests[] = {
    {"a wait ends at its time", a_wait_ends_at_its_time},
    {"a signal ends a wait", a_signal_ends_a_wait},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("cond", tests, argc, argv);
}
