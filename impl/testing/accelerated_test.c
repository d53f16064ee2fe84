#include "testing/accelerated.h"

#include <poll.h>
#include <stdio.h>

#include "zrpc/cond.h"

/* The kernel's own seconds since boot, which no library speeds up. */
static double uptime(void)
{
    FILE *f = fopen("/proc/uptime", "r");
    double seconds = 0;

    if (f == NULL)
        return 0;
    CHECK_INT(fscanf(f, "%lf", &seconds), 1);
    fclose(f);
    return seconds;
}

/* `wait` waits for 10 s: as long as that by our clock, and less by the kernel's. */
static void takes_ten_accelerated_seconds(void (*wait)(void))
{
    double real = uptime();
    zrpc_time begin = zrpc_now(), took;

    wait();
    took = zrpc_now() - begin;
    real = uptime() - real;
    CHECK(took >= 10 * ZRPC_SECOND);
    CHECK(real >= 0.4 && real < 8);
}

static void in_poll(void)
{
    CHECK_INT(poll(NULL, 0, 10000), 0);
}

static void on_a_condition(void)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never;
    zrpc_time until = zrpc_now() + 10 * ZRPC_SECOND;

    CHECK_INT(zrpc_cond_init(&never), 0);
    pthread_mutex_lock(&mutex);
    while (zrpc_cond_wait(&never, &mutex, until) == 0)
        continue;
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&never);
}

static void poll_waits(void)
{
    takes_ten_accelerated_seconds(in_poll);
}

static void condition_waits(void)
{
    takes_ten_accelerated_seconds(on_a_condition);
}

static const struct zrpc_test tests[] = {
    {"10 s in poll pass in half a second", poll_waits},
    {"10 s of waiting for a condition pass in half a second", condition_waits},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main_accelerated("accelerated", tests, argc, argv);
}
