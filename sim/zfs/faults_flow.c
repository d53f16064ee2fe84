#include "sim/zfs/faults_internal.h"

enum { PIECES = 20 }; /* a second's worth of a slow stream moves in so many */

typedef enum zrpc_zfs_flow_verdict flow_rule(struct zrpc_zfs_flow *f, size_t i, zrpc_time now, size_t *len,
                                             zrpc_time *until);

/* Whether the byte is reached; else nothing may go beyond it. */
static bool reached(const struct zrpc_zfs_flow *f, size_t i, size_t *len)
{
    uint64_t at = f->struck.at[i];

    if (f->moved >= at)
        return true;
    if (*len > at - f->moved)
        *len = (size_t)(at - f->moved);
    return false;
}

static enum zrpc_zfs_flow_verdict end_there(struct zrpc_zfs_flow *f, size_t i, zrpc_time now, size_t *len,
                                            zrpc_time *until)
{
    (void)now, (void)until;
    if (f->struck.faults[i]->when != ZRPC_ZFS_AT_BYTE)
        return ZRPC_ZFS_FLOW_GO;
    return reached(f, i, len) ? ZRPC_ZFS_FLOW_STRUCK : ZRPC_ZFS_FLOW_GO;
}

static enum zrpc_zfs_flow_verdict stall_there(struct zrpc_zfs_flow *f, size_t i, zrpc_time now, size_t *len,
                                              zrpc_time *until)
{
    zrpc_time *over = &f->stall_over[i];

    if (!reached(f, i, len))
        return ZRPC_ZFS_FLOW_GO;
    if (*over == 0)
        *over = zrpc_deadline(now, f->struck.faults[i]->lasts);
    *until = *over;
    return now < *over ? ZRPC_ZFS_FLOW_WAIT : ZRPC_ZFS_FLOW_GO;
}

/* In time for n bytes; rates are limited so that none of this overflows. */
static zrpc_time time_for(uint64_t n, uint64_t rate)
{
    uint64_t seconds = n / rate;

    if (seconds >= (uint64_t)(ZRPC_NEVER / ZRPC_SECOND / 2))
        return ZRPC_NEVER / 2;
    return (zrpc_time)(seconds * ZRPC_SECOND + (n % rate * ZRPC_SECOND + rate - 1) / rate);
}

static uint64_t bytes_in(zrpc_time time, uint64_t rate)
{
    uint64_t seconds = (uint64_t)(time / ZRPC_SECOND), rest = (uint64_t)(time % ZRPC_SECOND);

    return seconds >= UINT64_MAX / 2 / rate ? UINT64_MAX / 2 : seconds * rate + rest * rate / ZRPC_SECOND;
}

static enum zrpc_zfs_flow_verdict slow_down(struct zrpc_zfs_flow *f, size_t i, zrpc_time now, size_t *len,
                                            zrpc_time *until)
{
    uint64_t rate = f->struck.faults[i]->rate, piece = rate / PIECES + 1;
    uint64_t allowed = bytes_in(now - f->began, rate);

    if (piece > *len)
        piece = *len;
    if (allowed < f->moved + piece) {
        *until = f->began + time_for(f->moved + piece, rate);
        return ZRPC_ZFS_FLOW_WAIT;
    }
    if (*len > allowed - f->moved)
        *len = (size_t)(allowed - f->moved);
    return ZRPC_ZFS_FLOW_GO;
}

static flow_rule *const rules[ZRPC_ZFS_FAULT_ACTIONS] = {
    [ZRPC_ZFS_FAULT_FAIL] = end_there,    [ZRPC_ZFS_FAULT_FULL] = end_there,
    [ZRPC_ZFS_FAULT_STALL] = stall_there, [ZRPC_ZFS_FAULT_SLOW] = slow_down,
    [ZRPC_ZFS_FAULT_CRASH] = end_there,
};

bool zrpc_zfs_flow_concerned(const struct zrpc_zfs_struck *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (rules[s->faults[i]->action] != NULL)
            return true;
    return false;
}

enum zrpc_zfs_flow_verdict zrpc_zfs_flow_next(struct zrpc_zfs_flow *f, zrpc_time now, size_t *len,
                                              zrpc_time *until, const struct zrpc_zfs_fault **fault)
{
    enum zrpc_zfs_flow_verdict verdict = ZRPC_ZFS_FLOW_GO;
    zrpc_time latest = 0;

    if (f->began == 0)
        f->began = now;
    for (size_t i = 0; i < f->struck.n; i++) {
        flow_rule *rule = rules[f->struck.faults[i]->action];
        enum zrpc_zfs_flow_verdict one = rule == NULL ? ZRPC_ZFS_FLOW_GO : rule(f, i, now, len, until);

        if (one == ZRPC_ZFS_FLOW_STRUCK) {
            *fault = f->struck.faults[i];
            return one;
        }
        if (one == ZRPC_ZFS_FLOW_WAIT) {
            verdict = one;
            latest = *until > latest ? *until : latest;
        }
    }
    *until = latest;
    return verdict;
}

void zrpc_zfs_flow_moved(struct zrpc_zfs_flow *f, size_t n)
{
    f->moved += n;
}
