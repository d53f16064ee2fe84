#include "testing/suite.h"

#include "testing/alloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "zrpc/workpool.h"

/*
 * A gate at which jobs wait, so that tests decide how long they run.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int arrived, let_through, finished;

static void reset(void)
{
    arrived = let_through = finished = 0;
}

static void wait_at_gate(void *arg)
{
    int number;

    (void)arg;
    pthread_mutex_lock(&lock);
    number = ++arrived;
    pthread_cond_broadcast(&changed);
    while (let_through < number)
        pthread_cond_wait(&changed, &lock);
    finished++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_for(const int *counter, int value)
{
    pthread_mutex_lock(&lock);
    while (*counter < value)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void open_gate(int n)
{
    pthread_mutex_lock(&lock);
    let_through += n;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static struct zrpc_workpool *new_pool(unsigned threads, unsigned queue)
{
    struct zrpc_workpool *pool = NULL;
    struct zrpc_error err;

    CHECK_OK(zrpc_workpool_new(threads, queue, &pool, &err));
    return pool;
}

static void count(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void every_job_runs_once(void)
{
    struct zrpc_workpool *pool = new_pool(4, 10000);
    struct zrpc_error err;
    atomic_int counts[5000] = {0};
    int wrong = 0;

    CHECK_INT(zrpc_workpool_stats(pool).threads, 0);
    for (int i = 0; i < 5000; i++)
        CHECK_OK(zrpc_workpool_submit(pool, count, &counts[i], &err));
    CHECK(zrpc_workpool_stats(pool).threads <= 4);
    zrpc_workpool_close(pool);
    for (int i = 0; i < 5000; i++)
        wrong += atomic_load(&counts[i]) != 1;
    CHECK_INT(wrong, 0);
    zrpc_workpool_close(NULL);
}

static void threads_start_on_demand_up_to_the_limit(void)
{
    struct zrpc_workpool *pool = new_pool(3, 2);
    struct zrpc_error err = {0};

    reset();
    for (int i = 1; i <= 3; i++) {
        CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
        wait_for(&arrived, i);
        CHECK_INT(zrpc_workpool_stats(pool).threads, i);
        CHECK_INT(zrpc_workpool_stats(pool).running, i);
    }
    CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
    CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
    CHECK_INT(zrpc_workpool_stats(pool).queued, 2);
    CHECK_CODE(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err), ZRPC_ERR_LIMIT);
    CHECK_STR(err.text, "work pool: 3 threads are busy and 2 jobs wait");
    /* One ends, one moves up, one may come. */
    open_gate(1);
    wait_for(&arrived, 4);
    CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
    CHECK_CODE(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err), ZRPC_ERR_LIMIT);
    CHECK_INT(zrpc_workpool_stats(pool).threads, 3);
    open_gate(100);
    zrpc_workpool_close(pool);
    CHECK_INT(finished, 6);
}

/* However many come at once, and whether threads have to be started for them or woken. */
static void no_job_waits_for_another_to_end(void)
{
    struct zrpc_workpool *pool = new_pool(8, 0);
    struct zrpc_error err;

    reset();
    for (int round = 1; round <= 200; round++) {
        for (int i = 0; i < 8; i++)
            CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
        wait_for(&arrived, 8 * round);
        open_gate(8);
        while (zrpc_workpool_stats(pool).running > 0)
            usleep(100);
    }
    CHECK_INT(zrpc_workpool_stats(pool).threads, 8);
    zrpc_workpool_close(pool);
}

/* Among short ones, which one thread does one after another without another's being called for each. */
static void a_long_job_holds_up_no_short_ones(void)
{
    struct zrpc_workpool *pool = new_pool(4, 1000);
    struct zrpc_error err;
    atomic_int done = 0;

    reset();
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < 100; i++)
            CHECK_OK(zrpc_workpool_submit(pool, count, &done, &err));
        CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
        for (int i = 0; i < 100; i++)
            CHECK_OK(zrpc_workpool_submit(pool, count, &done, &err));
        while (atomic_load(&done) < 200 * round)
            usleep(100);
    }
    wait_for(&arrived, 3);
    CHECK_INT(finished, 0);
    open_gate(3);
    zrpc_workpool_close(pool);
}

/* Idle threads are used before new ones are started. */
static void threads_are_reused(void)
{
    struct zrpc_workpool *pool = new_pool(8, 0);
    struct zrpc_error err;

    reset();
    open_gate(1000);
    for (int i = 1; i <= 20; i++) {
        CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
        wait_for(&finished, i);
        while (zrpc_workpool_stats(pool).running > 0)
            usleep(100);
    }
    CHECK_INT(zrpc_workpool_stats(pool).threads, 1);
    zrpc_workpool_close(pool);
}

static void without_a_queue(void)
{
    struct zrpc_workpool *pool = new_pool(1, 0);
    struct zrpc_error err;

    reset();
    CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
    CHECK_CODE(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err), ZRPC_ERR_LIMIT);
    open_gate(1);
    zrpc_workpool_close(pool);
    CHECK_INT(finished, 1);
}

static struct {
    int order[100], n;
} seen;

static void note(void *arg)
{
    seen.order[seen.n++] = *(int *)arg;
}

static void jobs_begin_in_order(void)
{
    struct zrpc_workpool *pool = new_pool(1, 200);
    struct zrpc_error err;
    int numbers[100];

    seen.n = 0;
    for (int i = 0; i < 100; i++) {
        numbers[i] = i;
        CHECK_OK(zrpc_workpool_submit(pool, note, &numbers[i], &err));
    }
    zrpc_workpool_close(pool);
    CHECK_INT(seen.n, 100);
    for (int i = 0; i < seen.n; i++)
        CHECK_INT(seen.order[i], i);
}

static void idle_threads_end_and_are_replaced(void)
{
    struct zrpc_workpool *pool = new_pool(2, 0);
    struct zrpc_error err;

    zrpc_workpool_set_idle_timeout(pool, ZRPC_MILLISECOND);
    reset();
    open_gate(1000);
    for (int round = 1; round <= 5; round++) {
        CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
        CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
        wait_for(&finished, 2 * round);
        while (zrpc_workpool_stats(pool).threads > 0)
            usleep(1000);
    }
    zrpc_workpool_close(pool);
}

struct resubmit {
    struct zrpc_workpool *pool;
    int left;
    int last_rc;
};

static void submit_again(void *arg)
{
    struct resubmit *r = arg;

    if (r->left-- > 0)
        r->last_rc = zrpc_workpool_submit(r->pool, submit_again, r, NULL);
    else
        wait_at_gate(NULL);
}

static void submit_late(void *arg)
{
    static atomic_int ignored;
    struct resubmit *r = arg;

    wait_at_gate(NULL);
    while (r->last_rc == 0) {
        r->last_rc = zrpc_workpool_submit(r->pool, count, &ignored, NULL);
        usleep(1000);
    }
}

static void jobs_may_submit_jobs_until_the_end(void)
{
    struct zrpc_workpool *pool = new_pool(1, 1);
    struct resubmit chain = {.pool = pool, .left = 50}, late = {.pool = pool};
    struct zrpc_error err;

    reset();
    open_gate(1);
    CHECK_OK(zrpc_workpool_submit(pool, submit_again, &chain, &err));
    wait_for(&finished, 1);
    CHECK_OK(chain.last_rc);
    CHECK_INT(chain.left, -1);
    /* Once closing has begun nothing is taken, or it might never end. */
    CHECK_OK(zrpc_workpool_submit(pool, submit_late, &late, &err));
    open_gate(1);
    zrpc_workpool_close(pool);
    CHECK(late.last_rc == ZRPC_ERR_CLOSED || late.last_rc == ZRPC_ERR_LIMIT);
}

struct submitter {
    struct zrpc_workpool *pool;
    atomic_int *counter;
    int accepted;
    pthread_t thread;
};

static void *submit_many(void *arg)
{
    struct submitter *s = arg;

    for (int i = 0; i < 3000; i++) {
        int rc = zrpc_workpool_submit(s->pool, count, s->counter, NULL);

        s->accepted += rc == 0;
        if (rc != 0)
            usleep(50);
    }
    return NULL;
}

static void many_submit_at_once(void)
{
    struct zrpc_workpool *pool = new_pool(3, 5);
    struct submitter submitters[4];
    atomic_int counter = 0;
    int accepted = 0;

    zrpc_workpool_set_idle_timeout(pool, 20 * 1000);
    for (int i = 0; i < 4; i++) {
        submitters[i] = (struct submitter){.pool = pool, .counter = &counter};
        CHECK_INT(pthread_create(&submitters[i].thread, NULL, submit_many, &submitters[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_INT(pthread_join(submitters[i].thread, NULL), 0);
        accepted += submitters[i].accepted;
    }
    zrpc_workpool_close(pool);
    CHECK(accepted > 0);
    CHECK_INT(atomic_load(&counter), accepted);
}

static void no_threads_no_pool(void)
{
    struct zrpc_workpool *pool;
    struct zrpc_error err = {0};

    CHECK_CODE(zrpc_workpool_new(0, 5, &pool, &err), ZRPC_ERR_USAGE);
    CHECK_STR(err.text, "work pool: at least one thread is needed");
}

static int use_pool(void *arg)
{
    struct zrpc_workpool *pool;
    struct zrpc_error err;
    atomic_int counter = 0;
    int rc = zrpc_workpool_new(2, 1, &pool, &err);

    (void)arg;
    if (rc < 0)
        return rc;
    rc = zrpc_workpool_submit(pool, count, &counter, &err);
    zrpc_workpool_close(pool);
    CHECK_INT(atomic_load(&counter), rc == 0);
    return rc;
}

static void scarcity(void)
{
    struct zrpc_workpool *pool = new_pool(2, 1);
    struct zrpc_error err;

    CHECK(zrpc_alloc_each(use_pool, NULL) >= 2);
    CHECK_INT(zrpc_resource_each(use_pool, NULL), 1);
    /* With one thread there, a second that cannot be started is no failure: the job waits. */
    reset();
    CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
    wait_for(&arrived, 1);
    zrpc_resource_fail_at(1);
    CHECK_OK(zrpc_workpool_submit(pool, wait_at_gate, NULL, &err));
    CHECK_INT(zrpc_workpool_stats(pool).threads, 1);
    open_gate(2);
    zrpc_workpool_close(pool);
    CHECK_INT(finished, 2);
}

static const struct zrpc_test tests[] = {
    {"every job runs once", every_job_runs_once},
    {"threads start on demand, up to the limit", threads_start_on_demand_up_to_the_limit},
    {"no job waits for another to end", no_job_waits_for_another_to_end},
    {"a long job holds up no short ones", a_long_job_holds_up_no_short_ones},
    {"threads are reused", threads_are_reused},
    {"without a queue", without_a_queue},
    {"jobs begin in order", jobs_begin_in_order},
    {"idle threads end and are replaced", idle_threads_end_and_are_replaced},
    {"jobs may submit jobs, until the end", jobs_may_submit_jobs_until_the_end},
    {"many submit at once", many_submit_at_once},
    {"no threads, no pool", no_threads_no_pool},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("workpool", tests, argc, argv);
}
