#include "zrpc/log_queue.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing/alloc.h"
#include "testing/suite.h"

/* A sink that takes lines only while its door is open. */
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static unsigned taken, said_dropped;
static char last[ZRPC_LOG_LINE_MAX + 1];

static void sink(void *ctx, enum zrpc_log_level level, const char *line)
{
    const char *count = strstr(line, "msg=\"log lines dropped\" count=");

    (void)level;
    CHECK(ctx == &taken);
    pthread_mutex_lock(&door);
    if (count == NULL)
        taken++;
    else
        said_dropped += (unsigned)strtoul(strrchr(count, '=') + 1, NULL, 10);
    snprintf(last, sizeof last, "%s", line);
    pthread_mutex_unlock(&door);
}

static const struct zrpc_log parent = {.sink = sink, .ctx = &taken, .level = ZRPC_LOG_INFO, .fields = " a=b"};

static struct zrpc_log_queue *begin(void)
{
    struct zrpc_log_queue *q = NULL;

    taken = said_dropped = 0;
    CHECK_OK(zrpc_log_queue_new(&parent, &q, NULL));
    return q;
}

static void lines_arrive_as_they_were(void)
{
    struct zrpc_log_queue *q = begin();

    zrpc_log(zrpc_log_queue_log(q), ZRPC_LOG_DEBUG, "above the level", NULL);
    for (int i = 0; i < 10; i++) {
        char number[16];

        snprintf(number, sizeof number, "%d", i);
        zrpc_log(zrpc_log_queue_log(q), ZRPC_LOG_INFO, "line", "n", number, NULL);
    }
    zrpc_log_queue_free(q);
    CHECK_INT(taken, 10);
    CHECK_STR(last, "level=info a=b msg=line n=9");
}

static void a_stuck_sink_keeps_nobody_waiting(void)
{
    struct zrpc_log_queue *q = begin();
    unsigned n = 3 * ZRPC_LOG_QUEUE_MAX;

    pthread_mutex_lock(&door);
    for (unsigned i = 0; i < n; i++)
        zrpc_log(zrpc_log_queue_log(q), ZRPC_LOG_WARN, "line", NULL);
    pthread_mutex_unlock(&door);
    zrpc_log_queue_free(q);
    CHECK(taken >= ZRPC_LOG_QUEUE_MAX && taken < n);
    CHECK_INT(taken + said_dropped, n);
}

static void memory_runs_out(void)
{
    struct zrpc_log_queue *q = NULL;
    struct zrpc_error err;

    zrpc_alloc_fail_at(1);
    CHECK_CODE(zrpc_log_queue_new(&parent, &q, &err), ZRPC_ERR_NOMEM);
    zrpc_alloc_fail_at(0);
    zrpc_resource_fail_at(1);
    CHECK_CODE(zrpc_log_queue_new(&parent, &q, &err), ZRPC_ERR_SYSTEM);
    zrpc_resource_fail_at(0);

    q = begin();
    zrpc_alloc_fail_at(1);
    zrpc_log(zrpc_log_queue_log(q), ZRPC_LOG_INFO, "lost", NULL);
    zrpc_alloc_fail_at(0);
    zrpc_log_queue_free(q);
    CHECK_INT(taken, 0);
    CHECK_INT(said_dropped, 1);
    zrpc_log_queue_free(NULL);
}

static const struct zrpc_test tests[] = {
    {"lines arrive as they were", lines_arrive_as_they_were},
    {"a stuck sink keeps nobody waiting", a_stuck_sink_keeps_nobody_waiting},
    {"memory runs out", memory_runs_out},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("log_queue", tests, argc, argv);
}
