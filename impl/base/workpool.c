#include "zrpc/workpool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum { STACK_SIZE = 512 * 1024 };

struct job {
    void (*run)(void *arg);
    void *arg;
};

struct zrpc_workpool {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a job was queued, or the pool is closing */
    bool closing;
    unsigned max_threads, n_threads, n_idle;
    size_t queue_max, first, n_queued; /* a ring of queue_max jobs */
    struct job *queue;
    pthread_t *threads;
};

int zrpc_workpool_new(unsigned threads, unsigned queue, struct zrpc_workpool **out, struct zrpc_error *err)
{
    struct zrpc_workpool *pool = calloc(1, sizeof *pool);

    if (pool != NULL) {
        pool->queue = calloc(queue, sizeof *pool->queue);
        pool->threads = calloc(threads, sizeof *pool->threads);
    }
    if (pool == NULL || pool->queue == NULL || pool->threads == NULL) {
        if (pool != NULL) {
            free(pool->queue);
            free(pool->threads);
        }
        free(pool);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a pool of %u threads", threads);
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    pool->max_threads = threads;
    pool->queue_max = queue;
    *out = pool;
    return 0;
}

/* Waits for a job; false when the pool is closing and none is left. Called with the lock held. */
static bool next_job(struct zrpc_workpool *pool, struct job *out)
{
    pool->n_idle++;
    while (pool->n_queued == 0 && !pool->closing)
        pthread_cond_wait(&pool->changed, &pool->lock);
    pool->n_idle--;
    if (pool->n_queued == 0)
        return false;
    *out = pool->queue[pool->first];
    pool->first = (pool->first + 1) % pool->queue_max;
    pool->n_queued--;
    return true;
}

static void *work(void *arg)
{
    struct zrpc_workpool *pool = arg;
    struct job job;

    pthread_mutex_lock(&pool->lock);
    while (next_job(pool, &job)) {
        pthread_mutex_unlock(&pool->lock);
        job.run(job.arg);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Called with the lock held. Without a thread at all the job would never run: that is a failure. */
static int add_thread(struct zrpc_workpool *pool, struct zrpc_error *err)
{
    pthread_attr_t attr;
    int errnum;

    if (pool->n_idle > pool->n_queued || pool->n_threads == pool->max_threads)
        return 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    errnum = pthread_create(&pool->threads[pool->n_threads], &attr, work, pool);
    pthread_attr_destroy(&attr);
    if (errnum == 0)
        pool->n_threads++;
    else if (pool->n_threads == 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errnum, "no thread to run a job");
    return 0;
}

int zrpc_workpool_submit(struct zrpc_workpool *pool, void (*run)(void *arg), void *arg,
                         struct zrpc_error *err)
{
    int rc;

    pthread_mutex_lock(&pool->lock);
    if (pool->n_queued == pool->queue_max)
        rc = zrpc_fail(err, ZRPC_ERR_LIMIT, "too busy: %zu jobs are waiting already", pool->n_queued);
    else
        rc = add_thread(pool, err);
    if (rc == 0) {
        pool->queue[(pool->first + pool->n_queued++) % pool->queue_max] = (struct job){run, arg};
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

void zrpc_workpool_close(struct zrpc_workpool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_threads; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool->queue);
    free(pool->threads);
    free(pool);
}
