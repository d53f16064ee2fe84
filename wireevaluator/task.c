#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wireevaluator/run.h"

#define OVER (-1) /* instead of a thread's id */

static void *task_main(void *arg)
{
    struct zrpc_eval_task *task = arg;

    atomic_store(&task->tid, (int)gettid());
    task->fn(task);
    task->ended = zrpc_now();
    atomic_store(&task->tid, OVER);
    return NULL;
}

void zrpc_eval_go(struct zrpc_eval_task *task)
{
    atomic_store(&task->tid, 0);
    if (pthread_create(&task->thread, NULL, task_main, task) != 0)
        zrpc_eval_inconclusive(task->end->run, "no thread");
}

void zrpc_eval_join(struct zrpc_eval_task *task)
{
    pthread_join(task->thread, NULL);
}

/* Whether the thread sleeps in the kernel, by the state in its stat file. */
static bool sleeps(int tid)
{
    char path[64], stat[256];
    const char *state;
    FILE *f;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    f = fopen(path, "re");
    stat[f == NULL ? 0 : fread(stat, 1, sizeof stat - 1, f)] = '\0';
    if (f != NULL)
        fclose(f);
    state = strrchr(stat, ')');
    return state != NULL && state[1] == ' ' && state[2] == 'S';
}

/* A writer also sleeps between pieces when what reads from the wire is slow, so it has to sleep for a while.
 * One that has ended will not. Whether it does changes no verdict on a correct transport. */
void zrpc_eval_until_blocked(struct zrpc_eval_task *task)
{
    int asleep = 0, tid = 0;

    for (int tries = 0; asleep < 10 && tid != OVER && tries < 5000; tries++) {
        tid = atomic_load(&task->tid);
        asleep = sleeps(tid) ? asleep + 1 : 0;
        zrpc_eval_sleep_ms(2);
    }
}

void zrpc_eval_task_write(struct zrpc_eval_task *task)
{
    uint64_t before = task->flow.at;

    task->rc = zrpc_eval_flow_write(task->end, &task->flow, task->len, task->piece);
    task->moved = task->flow.at - before;
}

void zrpc_eval_task_read(struct zrpc_eval_task *task)
{
    zrpc_eval_flow_read(task->end, &task->flow, task->clause, task->len, task->piece);
}

void zrpc_eval_task_read_once(struct zrpc_eval_task *task)
{
    uint8_t buf[16];

    task->rc = zrpc_eval_read(task->end, buf, sizeof buf);
}

void zrpc_eval_block(struct zrpc_eval_task *task, struct zrpc_eval_end *end, enum zrpc_direction dir)
{
    task->end = end;
    if (dir == ZRPC_READ) {
        task->fn = zrpc_eval_task_read_once;
    } else {
        task->fn = zrpc_eval_task_write;
        task->flow = task->flow.seed == 0 ? zrpc_eval_flow(end) : task->flow;
        task->len = EVAL_ENDLESS;
        task->piece = EVAL_PIECE_MAX;
    }
    zrpc_eval_go(task);
    zrpc_eval_until_blocked(task);
}
