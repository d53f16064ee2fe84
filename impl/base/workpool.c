#include "zrpc/workpool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "zrpc/cond.h"

struct job {
    void (*run)(void *arg);
    void *arg;
};

/* A thread's place. One that has ended keeps it until somebody joins it: who needs the place, or close. */
struct worker {
    struct zrpc_workpool *pool;
    pthread_t thread;
    enum { VACANT, AT_WORK, ENDED } state;
};

struct zrpc_workpool {
    size_t max_threads;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t wake;  /* a thread is called, or the pool is closing */
    bool closing;
    bool called; /* a thread has been woken or started and has not looked for jobs yet */
    zrpc_time idle_timeout;
    size_t threads, running; /* threads that are at a job */
    struct job *queue;       /* a ring with a place for each job that may wait or is about to run */
    size_t queue_size, first, queued;
    struct worker workers[]; /* max_threads */
};

static void queue_put(struct zrpc_workpool *p, struct job job)
{
    p->queue[(p->first + p->queued++) % p->queue_size] = job;
}

static struct job queue_take(struct zrpc_workpool *p)
{
    struct job job = p->queue[p->first];

    p->first = (p->first + 1) % p->queue_size;
    p->queued--;
    return job;
}

static void *work(void *arg);

/* With the lock held, and fewer than max_threads threads. An errno. */
static int start_worker(struct zrpc_workpool *p)
{
    struct worker *w = p->workers;
    int errnum;

    while (w->state == AT_WORK)
        w++;
    /* An ended thread has let go of the lock for good, so this waits for nothing but its last instructions.
     */
    if (w->state == ENDED)
        pthread_join(w->thread, NULL);
    w->pool = p;
    errnum = pthread_create(&w->thread, NULL, work, w);
    w->state = errnum == 0 ? AT_WORK : VACANT;
    p->threads += errnum == 0;
    return errnum;
}

/*
 * Calling threads. While jobs wait, a thread is on its way to them, where there is one to be had: whoever
 * queues a job calls one, and whoever takes a job calls the next one for what is left, before the job, which
 * may take long, begins. But one is called at a time. Those that are awake take short jobs faster than others
 * can be woken, and a switch of threads for each job would cost more than the job.
 */

/* With the lock held: starts a thread, or says to wake one. Close has woken them all, and joins those there
 * are. An errno. */
static int call_worker(struct zrpc_workpool *p, bool *wake)
{
    int errnum = 0;

    *wake = false;
    if (p->called || p->queued == 0 || p->closing)
        return 0;
    *wake = p->running < p->threads;
    if (!*wake && p->threads == p->max_threads)
        return 0;
    if (!*wake)
        errnum = start_worker(p);
    p->called = errnum == 0;
    return errnum;
}

/* After the lock has been let go of, or who is woken would wait for it at once. */
static void unlock_and_wake(struct zrpc_workpool *p, bool wake)
{
    pthread_mutex_unlock(&p->lock);
    if (wake)
        pthread_cond_signal(&p->wake);
}

/* With the lock held: until there is a job or the pool closes; false after idle_timeout without. */
static bool wait_for_work(struct zrpc_workpool *p)
{
    zrpc_time until = zrpc_deadline(zrpc_now(), p->idle_timeout);
    int errnum = 0;

    while (p->queued == 0 && !p->closing && errnum != ETIMEDOUT) {
        errnum = zrpc_cond_wait(&p->wake, &p->lock, until);
        p->called = false;
    }
    return p->queued > 0;
}

/* With the lock held, which is let go of meanwhile. */
static void run_next(struct zrpc_workpool *p)
{
    struct job job = queue_take(p);
    bool wake;

    p->running++;
    call_worker(p, &wake); /* what cannot be called now, the next one who takes a job tries again */
    unlock_and_wake(p, wake);
    job.run(job.arg);
    pthread_mutex_lock(&p->lock);
    p->running--;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct zrpc_workpool *p = w->pool;

    pthread_mutex_lock(&p->lock);
    p->called = false;
    while (p->queued > 0 || wait_for_work(p))
        run_next(p);
    p->threads--;
    w->state = ENDED;
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* With the lock held. */
static int submit(struct zrpc_workpool *p, struct job job, bool *wake, struct zrpc_error *err)
{
    int errnum;

    *wake = false;
    if (p->closing)
        return zrpc_fail(err, ZRPC_ERR_CLOSED, "work pool: closing");
    if (p->running + p->queued >= p->queue_size)
        return zrpc_fail(err, ZRPC_ERR_LIMIT, "work pool: %zu threads are busy and %zu jobs wait", p->running,
                         p->queued);
    queue_put(p, job);
    errnum = call_worker(p, wake);
    if (p->threads > 0)
        return 0;
    p->queued--;
    return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errnum, "work pool: start a thread");
}

int zrpc_workpool_submit(struct zrpc_workpool *pool, void (*run)(void *arg), void *arg,
                         struct zrpc_error *err)
{
    bool wake;
    int rc;

    pthread_mutex_lock(&pool->lock);
    rc = submit(pool, (struct job){.run = run, .arg = arg}, &wake, err);
    unlock_and_wake(pool, wake);
    return rc;
}

struct zrpc_workpool_stats zrpc_workpool_stats(struct zrpc_workpool *pool)
{
    struct zrpc_workpool_stats stats;

    pthread_mutex_lock(&pool->lock);
    stats = (struct zrpc_workpool_stats){
        .threads = pool->threads, .running = pool->running, .queued = pool->queued};
    pthread_mutex_unlock(&pool->lock);
    return stats;
}

static int init_sync(struct zrpc_workpool *p, struct zrpc_error *err)
{
    int errnum = zrpc_cond_init(&p->wake);

    if (errnum == 0) {
        errnum = pthread_mutex_init(&p->lock, NULL);
        if (errnum != 0)
            pthread_cond_destroy(&p->wake);
    }
    return errnum == 0 ? 0 : zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errnum, "work pool: initialise");
}

int zrpc_workpool_new(unsigned threads, unsigned queue, struct zrpc_workpool **out, struct zrpc_error *err)
{
    struct zrpc_workpool *p;
    int rc;

    if (threads == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "work pool: at least one thread is needed");
    p = calloc(1, sizeof *p + threads * sizeof p->workers[0]);
    if (p != NULL) {
        p->max_threads = threads;
        p->idle_timeout = ZRPC_WORKPOOL_IDLE_TIMEOUT_DEFAULT;
        p->queue_size = (size_t)threads + queue;
        p->queue = calloc(p->queue_size, sizeof p->queue[0]);
    }
    if (p == NULL || p->queue == NULL) {
        free(p);
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "work pool: no memory for %u threads and %u jobs", threads,
                         queue);
    }
    rc = init_sync(p, err);
    if (rc < 0) {
        free(p->queue);
        free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void zrpc_workpool_set_idle_timeout(struct zrpc_workpool *pool, zrpc_time timeout)
{
    pthread_mutex_lock(&pool->lock);
    pool->idle_timeout = timeout;
    pthread_mutex_unlock(&pool->lock);
}

static void join_worker(struct zrpc_workpool *p, struct worker *w)
{
    bool vacant;

    pthread_mutex_lock(&p->lock);
    vacant = w->state == VACANT;
    pthread_mutex_unlock(&p->lock);
    if (!vacant)
        pthread_join(w->thread, NULL);
}

void zrpc_workpool_close(struct zrpc_workpool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->max_threads; i++)
        join_worker(pool, &pool->workers[i]);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool->queue);
    free(pool);
}
