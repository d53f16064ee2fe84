#include "zrpc/workpool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "testing/suite.h"

static atomic_int counter;

static void count(void *arg)
{
    (void)arg;
    atomic_fetch_add(&counter, 1);
}

static void every_job_runs_once(void)
{
    struct zrpc_workpool *pool;

    atomic_store(&counter, 0);
    CHECK_OK(zrpc_workpool_new(4, 1000, &pool, NULL));
    for (int i = 0; i < 1000; i++)
        CHECK_OK(zrpc_workpool_submit(pool, count, NULL, NULL));
    zrpc_workpool_close(pool);
    CHECK_INT(atomic_load(&counter), 1000);
}

static pthread_barrier_t barrier;

static void meet(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&barrier);
}

/* Three jobs that wait for each other, and for us: they can only end if all of them run at once. */
static void as_many_run_at_once_as_there_are_threads(void)
{
    struct zrpc_workpool *pool;

    pthread_barrier_init(&barrier, NULL, 4);
    CHECK_OK(zrpc_workpool_new(3, 3, &pool, NULL));
    for (int i = 0; i < 3; i++)
        CHECK_OK(zrpc_workpool_submit(pool, meet, NULL, NULL));
    pthread_barrier_wait(&barrier);
    zrpc_workpool_close(pool);
    pthread_barrier_destroy(&barrier);
}

static void a_full_queue_refuses(void)
{
    struct zrpc_workpool *pool;
    struct zrpc_error err;
    int rc, accepted = 0;

    pthread_barrier_init(&barrier, NULL, 2);
    atomic_store(&counter, 0);
    CHECK_OK(zrpc_workpool_new(1, 2, &pool, NULL));
    CHECK_OK(zrpc_workpool_submit(pool, meet, NULL, NULL));
    /* The job at the barrier may or may not have left the queue yet. */
    while ((rc = zrpc_workpool_submit(pool, count, NULL, &err)) == 0)
        accepted++;
    CHECK_CODE(rc, ZRPC_ERR_LIMIT);
    CHECK(accepted >= 1 && accepted <= 2);
    pthread_barrier_wait(&barrier);
    zrpc_workpool_close(pool);
    CHECK_INT(atomic_load(&counter), accepted);
    pthread_barrier_destroy(&barrier);
}

static const struct zrpc_test tests[] = {
    {"every job runs once", every_job_runs_once},
    {"as many run at once as there are threads", as_many_run_at_once_as_there_are_threads},
    {"a full queue refuses", a_full_queue_refuses},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("workpool", tests, argc, argv);
}
