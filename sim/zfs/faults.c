#include "sim/zfs/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim/zfs/faults_internal.h"

#define BIT(op) (UINT32_C(1) << ZRPC_ZFS_OP_##op)

enum { STREAMS = BIT(SEND) | BIT(RECEIVE) };
enum {
    CHANGES = BIT(RECEIVE) | BIT(SNAPSHOT) | BIT(DESTROY) | BIT(BOOKMARK) | BIT(CREATE) | BIT(SET) |
              BIT(ROLLBACK) | BIT(HOLD) | BIT(ABORT)
};

#define RATE_MAX (UINT64_C(16) << 30)

int zrpc_zfs_faults_new(uint64_t seed, struct zrpc_zfs_faults **out, struct zrpc_error *err)
{
    struct zrpc_zfs_faults *p = calloc(1, sizeof *p);
    int rc;

    if (p == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a plan of faults");
    *p = (struct zrpc_zfs_faults){.seed = seed, .counts.fd = -1};
    rc = zrpc_zfs_alarms_init(&p->alarms, err);
    if (rc == 0 && pthread_mutex_init(&p->mutex, NULL) != 0) {
        zrpc_zfs_alarms_dispose(&p->alarms);
        rc = zrpc_fail(err, ZRPC_ERR_SYSTEM, "cannot make a mutex");
    }
    if (rc != 0) {
        free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void zrpc_zfs_faults_free(struct zrpc_zfs_faults *p)
{
    if (p == NULL)
        return;
    zrpc_zfs_alarms_dispose(&p->alarms);
    zrpc_zfs_counts_dispose(&p->counts);
    for (size_t i = 0; i < p->n_faults; i++)
        free(p->faults[i]);
    free(p->faults);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

void zrpc_zfs_faults_on_crash(struct zrpc_zfs_faults *p, void (*crash)(void))
{
    p->crash = crash;
}

int zrpc_zfs_faults_share(struct zrpc_zfs_faults *p, const char *file, struct zrpc_error *err)
{
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "cannot open the faults' counts \"%s\"", file);
    if (p->counts.fd >= 0)
        close(p->counts.fd);
    p->counts.fd = fd;
    return 0;
}

/* What a fault of each action may have. */
static const struct {
    uint32_t operations;
    bool text, rate, lasts;
} shapes[ZRPC_ZFS_FAULT_ACTIONS] = {
    [ZRPC_ZFS_FAULT_REFUSE] = {.operations = UINT32_MAX, .text = true},
    [ZRPC_ZFS_FAULT_DELAY] = {.operations = UINT32_MAX, .lasts = true},
    [ZRPC_ZFS_FAULT_BUSY] = {.operations = BIT(DESTROY) | BIT(ROLLBACK) | BIT(RECEIVE)},
    [ZRPC_ZFS_FAULT_FAIL] = {.operations = STREAMS, .text = true},
    [ZRPC_ZFS_FAULT_FULL] = {.operations = BIT(RECEIVE)},
    [ZRPC_ZFS_FAULT_STALL] = {.operations = STREAMS},
    [ZRPC_ZFS_FAULT_SLOW] = {.operations = STREAMS, .rate = true},
    [ZRPC_ZFS_FAULT_CRASH] = {.operations = UINT32_MAX},
};

static int check(const struct zrpc_zfs_fault *f, struct zrpc_error *err)
{
    uint32_t possible = shapes[f->action].operations;

    if (f->action == ZRPC_ZFS_FAULT_CRASH)
        possible = f->when == ZRPC_ZFS_AT_BYTE ? STREAMS : CHANGES;
    if (f->operations == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "operation is missing");
    if ((f->operations & ~possible) != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "this cannot happen to such an operation");
    if (shapes[f->action].text != (f->text[0] != '\0'))
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         shapes[f->action].text ? "text is missing" : "text has no meaning here");
    if (shapes[f->action].rate != (f->rate != 0) || f->rate > RATE_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         shapes[f->action].rate ? "expected a rate of 1 to 16GiB a second"
                                                : "rate has no meaning here");
    if (shapes[f->action].lasts && f->lasts == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "for is missing");
    if (f->at_last != 0 && f->at_last < f->at)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "at: the range ends before it begins");
    if (!(f->probability >= 0 && f->probability <= 1))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "expected a probability from 0 to 1");
    return 0;
}

int zrpc_zfs_faults_add(struct zrpc_zfs_faults *p, const struct zrpc_zfs_fault *fault, struct zrpc_error *err)
{
    int rc = check(fault, err);
    struct zrpc_zfs_fault **grown, *copy;

    if (rc != 0)
        return rc;
    if (p->n_faults == p->cap_faults) {
        grown = reallocarray(p->faults, p->cap_faults + 16, sizeof *grown);
        if (grown == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a fault");
        p->faults = grown;
        p->cap_faults += 16;
    }
    copy = malloc(sizeof *copy);
    if (copy == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a fault");
    *copy = *fault;
    p->faults[p->n_faults++] = copy;
    return 0;
}

/* splitmix64's last step */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t hash(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return h;
}

/* The die for what may happen now: the same for the same past. */
static uint64_t roll(const struct zrpc_zfs_faults *p, const struct zrpc_zfs_count *count, uint64_t die)
{
    return mix(mix(mix(mix(p->seed) ^ count->fault) ^ hash(count->filesystem)) ^ (count->seen * 2 + die));
}

static bool concerns(const struct zrpc_zfs_fault *f, const struct zrpc_zfs_struck *s)
{
    size_t len = strlen(s->filesystem), tail = strlen(f->filesystem);

    if ((f->operations & UINT32_C(1) << s->operation) == 0)
        return false;
    if (f->snapshot[0] != '\0' && (s->snapshot == NULL || strcmp(f->snapshot, s->snapshot) != 0))
        return false;
    if (tail == 0)
        return true;
    return len >= tail && strcmp(s->filesystem + len - tail, f->filesystem) == 0 &&
           (len == tail || s->filesystem[len - tail - 1] == '/');
}

static bool strikes(const struct zrpc_zfs_faults *p, const struct zrpc_zfs_fault *f,
                    const struct zrpc_zfs_count *count)
{
    double luck = (double)(roll(p, count, 0) >> 11) / (double)(UINT64_C(1) << 53);

    return count->seen >= f->skip && (f->times == 0 || count->struck < f->times) &&
           (f->probability == 0 || luck < f->probability);
}

static int consider(struct zrpc_zfs_faults *p, size_t i, struct zrpc_zfs_struck *s, struct zrpc_error *err)
{
    const struct zrpc_zfs_fault *f = p->faults[i];
    struct zrpc_zfs_count *count = zrpc_zfs_counts_of(&p->counts, i, s->filesystem, err);
    uint64_t range = f->at_last > f->at ? f->at_last - f->at : 0;
    bool yes;

    if (count == NULL)
        return ZRPC_ERR_NOMEM;
    yes = s->n < ZRPC_ZFS_STRUCK_MAX && strikes(p, f, count);
    if (yes) {
        s->at[s->n] = f->at + (range == 0 ? 0 : roll(p, count, 1) % (range + (range < UINT64_MAX)));
        s->faults[s->n++] = f;
    }
    return zrpc_zfs_counts_add(&p->counts, count, yes, err);
}

int zrpc_zfs_faults_strike(struct zrpc_zfs_faults *p, enum zrpc_zfs_operation operation,
                           const char *filesystem, const char *snapshot, struct zrpc_zfs_struck *out,
                           struct zrpc_error *err)
{
    bool any = false;
    int rc;

    *out = (struct zrpc_zfs_struck){
        .plan = p, .operation = operation, .filesystem = filesystem, .snapshot = snapshot};
    for (size_t i = 0; p != NULL && i < p->n_faults; i++)
        any = any || concerns(p->faults[i], out);
    if (!any)
        return 0;
    pthread_mutex_lock(&p->mutex);
    rc = zrpc_zfs_counts_begin(&p->counts, err);
    for (size_t i = 0; i < p->n_faults && rc == 0; i++)
        if (concerns(p->faults[i], out))
            rc = consider(p, i, out, err);
    rc = zrpc_zfs_counts_commit(&p->counts, rc, err);
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

/* `cancelled` has no descriptor, so it is looked at now and then, the longer it takes the less often. */
static int delay(zrpc_time lasts, atomic_bool *cancelled, struct zrpc_error *err)
{
    zrpc_time began = zrpc_now(), now = began, until = zrpc_deadline(began, lasts);

    for (; now < until; now = zrpc_now()) {
        zrpc_time look = now + (now - began) / 8 + ZRPC_MILLISECOND;

        if (cancelled != NULL && atomic_load(cancelled))
            return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled");
        poll(NULL, 0, zrpc_poll_timeout(now, cancelled == NULL ? until : zrpc_earlier(until, look)));
    }
    return 0;
}

static int busy(const struct zrpc_zfs_struck *s, struct zrpc_error *err)
{
    if (s->operation == ZRPC_ZFS_OP_RECEIVE)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot receive: destination '%s' is busy", s->filesystem);
    if (s->operation == ZRPC_ZFS_OP_ROLLBACK)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot rollback '%s': dataset is busy", s->filesystem);
    if (s->snapshot == NULL)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot destroy '%s': dataset is busy", s->filesystem);
    return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot destroy snapshot %s@%s: dataset is busy", s->filesystem,
                     s->snapshot);
}

int zrpc_zfs_struck_before(const struct zrpc_zfs_struck *s, atomic_bool *cancelled, struct zrpc_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < s->n && rc == 0; i++) {
        const struct zrpc_zfs_fault *f = s->faults[i];

        if (f->action == ZRPC_ZFS_FAULT_DELAY)
            rc = delay(f->lasts, cancelled, err);
        else if (f->action == ZRPC_ZFS_FAULT_REFUSE)
            rc = zrpc_fail(err, ZRPC_ERR_ZFS, "%s", f->text);
        else if (f->action == ZRPC_ZFS_FAULT_BUSY)
            rc = busy(s, err);
    }
    return rc;
}

int zrpc_zfs_faults_crash(const struct zrpc_zfs_faults *p, int code, const char *where,
                          struct zrpc_error *err)
{
    if (p->crash != NULL)
        p->crash();
    return zrpc_fail(err, code, "zfs crashed %s", where);
}

int zrpc_zfs_struck_commit(const struct zrpc_zfs_struck *s, enum zrpc_zfs_when when, struct zrpc_error *err)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->faults[i]->action == ZRPC_ZFS_FAULT_CRASH && s->faults[i]->when == when)
            return zrpc_zfs_faults_crash(
                s->plan, s->operation == ZRPC_ZFS_OP_RECEIVE ? ZRPC_ERR_SINK : ZRPC_ERR_ZFS,
                when == ZRPC_ZFS_BEFORE_COMMIT ? "before it changed anything" : "after it changed everything",
                err);
    return 0;
}
