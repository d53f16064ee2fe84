#include "zrpc/log_queue.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
    struct line *next;
    enum zrpc_log_level level;
    char text[];
};

struct zrpc_log_queue {
    struct zrpc_log log; /* what callers get */
    struct zrpc_log parent;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct line *first, **end;
    size_t n;
    unsigned long dropped;
    bool freed;
};

static void put(void *ctx, enum zrpc_log_level level, const char *text)
{
    struct zrpc_log_queue *q = ctx;
    size_t size = strlen(text) + 1;
    struct line *line = malloc(sizeof *line + size);

    if (line != NULL) {
        *line = (struct line){.level = level};
        memcpy(line->text, text, size);
    }
    pthread_mutex_lock(&q->lock);
    if (line != NULL && q->n < ZRPC_LOG_QUEUE_MAX) {
        *q->end = line;
        q->end = &line->next;
        q->n++;
        line = NULL;
    } else {
        q->dropped++;
    }
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
    free(line);
}

static void hand_over(const struct zrpc_log *parent, struct line *lines, unsigned long dropped)
{
    char count[24];

    while (lines != NULL) {
        struct line *line = lines;

        lines = line->next;
        parent->sink(parent->ctx, line->level, line->text);
        free(line);
    }
    if (dropped == 0)
        return;
    snprintf(count, sizeof count, "%lu", dropped);
    zrpc_log(parent, ZRPC_LOG_WARN, "log lines dropped", "count", count, NULL);
}

static void *run(void *arg)
{
    struct zrpc_log_queue *q = arg;

    pthread_mutex_lock(&q->lock);
    while (q->first != NULL || q->dropped > 0 || !q->freed) {
        struct line *lines = q->first;
        unsigned long dropped = q->dropped;

        if (lines == NULL && dropped == 0) {
            pthread_cond_wait(&q->changed, &q->lock);
            continue;
        }
        q->first = NULL;
        q->end = &q->first;
        q->n = 0;
        q->dropped = 0;
        pthread_mutex_unlock(&q->lock);
        hand_over(&q->parent, lines, dropped);
        pthread_mutex_lock(&q->lock);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

int zrpc_log_queue_new(const struct zrpc_log *parent, struct zrpc_log_queue **out, struct zrpc_error *err)
{
    struct zrpc_log_queue *q = calloc(1, sizeof *q);
    int errnum;

    if (q == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a queue of log lines");
    q->parent = q->log = *parent;
    q->log.sink = put;
    q->log.ctx = q;
    q->end = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    errnum = pthread_create(&q->thread, NULL, run, q);
    if (errnum != 0) {
        pthread_cond_destroy(&q->changed);
        pthread_mutex_destroy(&q->lock);
        free(q);
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errnum, "no thread for log lines");
    }
    *out = q;
    return 0;
}

const struct zrpc_log *zrpc_log_queue_log(const struct zrpc_log_queue *q)
{
    return &q->log;
}

void zrpc_log_queue_free(struct zrpc_log_queue *q)
{
    if (q == NULL)
        return;
    pthread_mutex_lock(&q->lock);
    q->freed = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->thread, NULL);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q);
}
