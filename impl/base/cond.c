#include "zrpc/cond.h"

#include <time.h>

int zrpc_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int errnum = pthread_condattr_init(&attr);

    if (errnum != 0)
        return errnum;
    errnum = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (errnum == 0)
        errnum = pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return errnum;
}

/* Not pthread_cond_clockwait(3): neither libfaketime nor every thread sanitizer knows it. */
int zrpc_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, zrpc_time until)
{
    struct timespec ts = {.tv_sec = until / ZRPC_SECOND, .tv_nsec = until % ZRPC_SECOND};

    if (until == ZRPC_NEVER)
        return pthread_cond_wait(cond, mutex);
    return pthread_cond_timedwait(cond, mutex, &ts);
}
