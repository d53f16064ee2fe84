#include "internal.h"

#include "zrpc/cond.h"

/* Nobody signals a cancellation to the condition, so waiters look at the flag this often. */
#define LOOK_EVERY (20 * ZRPC_MILLISECOND)

int zrpc_endpoint_limit_init(struct zrpc_endpoint_limit *l, unsigned max, struct zrpc_error *err)
{
    int rc;

    *l = (struct zrpc_endpoint_limit){.max = max};
    rc = pthread_mutex_init(&l->mutex, NULL);
    if (rc != 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "mutex of an endpoint's limit");
    rc = zrpc_cond_init(&l->freed);
    if (rc == 0)
        return 0;
    pthread_mutex_destroy(&l->mutex);
    return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "condition of an endpoint's limit");
}

void zrpc_endpoint_limit_dispose(struct zrpc_endpoint_limit *l)
{
    pthread_cond_destroy(&l->freed);
    pthread_mutex_destroy(&l->mutex);
}

int zrpc_endpoint_limit_acquire(struct zrpc_endpoint_limit *l, atomic_bool *cancelled, const char *what,
                                struct zrpc_error *err)
{
    int rc = 0;

    pthread_mutex_lock(&l->mutex);
    while (l->used >= l->max && !atomic_load(cancelled))
        zrpc_cond_wait(&l->freed, &l->mutex, zrpc_now() + LOOK_EVERY);
    if (atomic_load(cancelled)) {
        /* The signal that woke this waiter may have been the only one: hand it on. */
        pthread_cond_signal(&l->freed);
        rc = zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled while waiting for one of %u concurrent %s", l->max,
                       what);
    } else {
        l->used++;
    }
    pthread_mutex_unlock(&l->mutex);
    return rc;
}

void zrpc_endpoint_limit_release(struct zrpc_endpoint_limit *l)
{
    pthread_mutex_lock(&l->mutex);
    l->used--;
    pthread_cond_signal(&l->freed);
    pthread_mutex_unlock(&l->mutex);
}
