#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sim/zfs/faults_internal.h"
#include "zrpc/cond.h"

/* Rings what is due; when the next is. */
static zrpc_time ring(struct zrpc_zfs_alarms *c, zrpc_time now)
{
    zrpc_time next = ZRPC_NEVER;

    for (struct zrpc_zfs_alarm *a = c->list; a != NULL; a = a->next) {
        uint64_t one = 1;

        if (a->when <= now && write(a->fd, &one, sizeof one) == sizeof one)
            a->when = ZRPC_NEVER;
        next = zrpc_earlier(next, a->when);
    }
    return next;
}

static void *run(void *arg)
{
    struct zrpc_zfs_alarms *c = arg;

    pthread_mutex_lock(&c->mutex);
    while (!c->stop) {
        zrpc_time next = ring(c, zrpc_now());

        zrpc_cond_wait(&c->changed, &c->mutex, next);
    }
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

int zrpc_zfs_alarms_init(struct zrpc_zfs_alarms *c, struct zrpc_error *err)
{
    int rc;

    *c = (struct zrpc_zfs_alarms){0};
    rc = pthread_mutex_init(&c->mutex, NULL);
    if (rc == 0 && (rc = zrpc_cond_init(&c->changed)) != 0)
        pthread_mutex_destroy(&c->mutex);
    return rc == 0 ? 0 : zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "cannot make a mutex");
}

void zrpc_zfs_alarms_dispose(struct zrpc_zfs_alarms *c)
{
    pthread_mutex_lock(&c->mutex);
    c->stop = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->mutex);
    if (c->running)
        pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mutex);
}

/* Signals are for the program's own threads. With the mutex held. */
static int start(struct zrpc_zfs_alarms *c, struct zrpc_error *err)
{
    sigset_t all, before;
    int rc;

    if (c->running)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&c->thread, NULL, run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "cannot start a thread for the faults' times");
    c->running = true;
    return 0;
}

int zrpc_zfs_alarm_open(struct zrpc_zfs_alarms *c, struct zrpc_zfs_alarm *a, struct zrpc_error *err)
{
    int rc;

    *a = (struct zrpc_zfs_alarm){.when = ZRPC_NEVER, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (a->fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "cannot make a descriptor for a fault's time");
    pthread_mutex_lock(&c->mutex);
    rc = start(c, err);
    if (rc == 0) {
        a->next = c->list;
        c->list = a;
    }
    pthread_mutex_unlock(&c->mutex);
    if (rc != 0)
        close(a->fd);
    return rc;
}

void zrpc_zfs_alarm_close(struct zrpc_zfs_alarms *c, struct zrpc_zfs_alarm *a)
{
    struct zrpc_zfs_alarm **at = &c->list;

    pthread_mutex_lock(&c->mutex);
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    pthread_mutex_unlock(&c->mutex);
    close(a->fd);
}

void zrpc_zfs_alarm_set(struct zrpc_zfs_alarms *c, struct zrpc_zfs_alarm *a, zrpc_time when)
{
    uint64_t count;

    pthread_mutex_lock(&c->mutex);
    (void)!read(a->fd, &count, sizeof count);
    a->when = when;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->mutex);
}
