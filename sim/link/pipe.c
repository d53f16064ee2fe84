#include "sim/link/pipe.h"

#include <stdlib.h>

enum { ARRIVALS_MAX = 4096, ROOM_AFTER_END = 65536 };
#define QUANTUM (20 * ZRPC_MILLISECOND) /* bandwidth: as many bytes at a time as pass in this */

void zrpc_link_pipe_init(struct zrpc_link_pipe *p, uint64_t seed, size_t capacity)
{
    *p = (struct zrpc_link_pipe){
        .seed = seed,
        .capacity = capacity,
        .digest = UINT64_C(0xcbf29ce484222325),
        .latency = {.action = ZRPC_LINK_LATENCY},
        .bandwidth = {.action = ZRPC_LINK_BANDWIDTH},
        .slice = {.action = ZRPC_LINK_SLICE},
        .slice_end = UINT64_MAX,
    };
}

void zrpc_link_pipe_dispose(struct zrpc_link_pipe *p)
{
    zrpc_buf_dispose(&p->queue);
    free(p->arrivals);
    p->arrivals = NULL;
}

size_t zrpc_link_pipe_room(const struct zrpc_link_pipe *p)
{
    if (p->source_end != ZRPC_LINK_NO_END)
        return 0;
    if (zrpc_link_pipe_finished(p))
        return ROOM_AFTER_END;
    return p->capacity - p->queue.len;
}

static int note_arrival(struct zrpc_link_pipe *p, zrpc_time now, struct zrpc_error *err)
{
    struct zrpc_link_arrival *last = p->n_arrivals > 0 ? &p->arrivals[p->n_arrivals - 1] : NULL;

    /* More than can be told apart count as one. */
    if (last != NULL && (last->at == now || p->n_arrivals == ARRIVALS_MAX))
        return 0;
    if (p->n_arrivals == p->cap_arrivals) {
        size_t cap = p->cap_arrivals == 0 ? 16 : 2 * p->cap_arrivals;
        struct zrpc_link_arrival *more = realloc(p->arrivals, cap * sizeof *more);

        if (more == NULL)
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "link: out of memory for a queue's times");
        p->arrivals = more;
        p->cap_arrivals = cap;
    }
    p->arrivals[p->n_arrivals++] = (struct zrpc_link_arrival){.start = p->taken, .at = now};
    return 0;
}

int zrpc_link_pipe_feed(struct zrpc_link_pipe *p, zrpc_time now, struct zrpc_view in, struct zrpc_error *err)
{
    int rc;

    if (p->source_gone)
        return 0;
    if (!zrpc_link_pipe_finished(p) && in.len > 0) {
        if ((rc = zrpc_buf_append(&p->queue, in, err)) < 0)
            return rc;
        if ((rc = note_arrival(p, now, err)) < 0)
            return rc;
    }
    p->taken += in.len;
    return 0;
}

void zrpc_link_pipe_feed_end(struct zrpc_link_pipe *p, zrpc_time now, enum zrpc_link_end end)
{
    if (p->source_end == ZRPC_LINK_NO_END && !p->source_gone) {
        p->source_end = end;
        p->source_ended = now;
    }
}

void zrpc_link_pipe_source_gone(struct zrpc_link_pipe *p, uint64_t taken)
{
    if (p->source_gone)
        return;
    p->source_gone = true;
    p->source_end = ZRPC_LINK_NO_END;
    if (taken < p->taken && taken >= p->passed) {
        p->taken = taken;
        if (p->queue.len > taken - p->passed)
            p->queue.len = (size_t)(taken - p->passed);
    }
}

/* n queued bytes are gone, delivered or not. */
static void leave(struct zrpc_link_pipe *p, size_t n)
{
    size_t old = 0;

    zrpc_buf_consume(&p->queue, n);
    p->passed += n;
    while (old + 1 < p->n_arrivals && p->arrivals[old + 1].start <= p->passed)
        old++;
    if (p->queue.len == 0)
        old = p->n_arrivals;
    if (old == 0)
        return;
    p->n_arrivals -= old;
    memmove(p->arrivals, p->arrivals + old, p->n_arrivals * sizeof *p->arrivals);
}

static enum zrpc_link_step next_end(struct zrpc_link_pipe *p, zrpc_time now, enum zrpc_link_end *end,
                                    zrpc_time *wakeup)
{
    zrpc_time when;

    if (p->source_end == ZRPC_LINK_NO_END || p->end_lost)
        return ZRPC_LINK_WAIT;
    when = p->source_ended + p->latency.delay + p->slow_close;
    if (when < p->free_at)
        when = p->free_at;
    if (now < when) {
        *wakeup = when;
        return ZRPC_LINK_WAIT;
    }
    *end = p->source_end;
    return ZRPC_LINK_CLOSE;
}

static enum zrpc_link_step swallow(struct zrpc_link_pipe *p, uint64_t limit)
{
    uint64_t left = limit - p->passed;

    leave(p, left < p->queue.len ? (size_t)left : p->queue.len);
    if (p->queue.len == 0 && p->source_end != ZRPC_LINK_NO_END && limit > p->passed)
        p->end_lost = true;
    return ZRPC_LINK_WAIT;
}

static size_t at_most(size_t n, uint64_t max)
{
    return n < max ? n : (size_t)max;
}

/* How much may be written at once, were it time. */
static size_t portion(const struct zrpc_link_pipe *p, uint64_t limit)
{
    size_t n = at_most(p->queue.len, limit - p->passed);

    if ((p->latency.delay != 0 || p->latency.jitter != 0) && p->n_arrivals > 1)
        n = at_most(n, p->arrivals[1].start - p->passed);
    if (p->bandwidth.rate != 0) {
        uint64_t quantum = p->bandwidth.rate / (ZRPC_SECOND / QUANTUM);

        n = at_most(n, quantum == 0 ? 1 : quantum);
    }
    return at_most(n, p->slice_end - p->passed);
}

static zrpc_time release_time(const struct zrpc_link_pipe *p)
{
    zrpc_time when = p->arrivals[0].at + p->latency.delay;

    if (p->latency.jitter != 0)
        when += (zrpc_time)(zrpc_link_hash(p->seed, ZRPC_LINK_LATENCY, p->arrivals[0].start) %
                            (uint64_t)(p->latency.jitter + 1));
    return when > p->free_at ? when : p->free_at;
}

static void flip(struct zrpc_link_pipe *p, size_t n)
{
    uint8_t *data = p->queue.base + p->queue.off;
    uint64_t from = p->corrupted > p->passed ? p->corrupted : p->passed;

    for (; from < p->passed + n && from < p->corrupt_end; from++) {
        uint8_t chosen = (uint8_t)(zrpc_link_hash(p->seed, ZRPC_LINK_CORRUPT, from) % 255 + 1);

        data[from - p->passed] ^= p->corrupt_mask != 0 ? p->corrupt_mask : chosen;
    }
    if (from > p->corrupted)
        p->corrupted = from;
}

enum zrpc_link_step zrpc_link_pipe_next(struct zrpc_link_pipe *p, zrpc_time now, uint64_t limit,
                                        struct zrpc_view *out, enum zrpc_link_end *end, zrpc_time *wakeup)
{
    size_t n;

    *wakeup = ZRPC_NEVER;
    if (zrpc_link_pipe_finished(p))
        return ZRPC_LINK_WAIT;
    if (p->forced != ZRPC_LINK_NO_END) {
        *end = p->forced;
        return ZRPC_LINK_CLOSE;
    }
    if (p->stalled)
        return ZRPC_LINK_WAIT;
    if (limit <= p->passed)
        return ZRPC_LINK_WAIT;
    if (p->swallowing)
        return swallow(p, limit);
    if (p->queue.len == 0)
        return next_end(p, now, end, wakeup);
    *wakeup = release_time(p);
    if (now < *wakeup)
        return ZRPC_LINK_WAIT;
    n = portion(p, limit);
    flip(p, n);
    *out = zrpc_view(zrpc_buf_view(&p->queue).data, n);
    return ZRPC_LINK_PASS;
}

static void next_slice(struct zrpc_link_pipe *p)
{
    if (p->slice.n_sizes == 0) {
        p->slice_end = UINT64_MAX;
        return;
    }
    p->slice_end = p->passed + p->slice.sizes[p->slice_next];
    p->slice_next = (p->slice_next + 1) % p->slice.n_sizes;
}

void zrpc_link_pipe_passed(struct zrpc_link_pipe *p, zrpc_time now, size_t n)
{
    const uint8_t *data = zrpc_buf_view(&p->queue).data;

    for (size_t i = 0; i < n; i++)
        p->digest = (p->digest ^ data[i]) * UINT64_C(0x100000001b3);
    leave(p, n);
    p->delivered += n;
    if (p->bandwidth.rate != 0)
        p->free_at = (p->free_at > now ? p->free_at : now) +
                     (zrpc_time)((uint64_t)n * (uint64_t)ZRPC_SECOND / p->bandwidth.rate);
    if (p->passed == p->slice_end) {
        next_slice(p);
        if (p->free_at < now + p->slice.gap)
            p->free_at = now + p->slice.gap;
    }
}

void zrpc_link_pipe_ended(struct zrpc_link_pipe *p, enum zrpc_link_end end)
{
    p->end = end;
    zrpc_buf_clear(&p->queue);
    p->n_arrivals = 0;
}

static void set_latency(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f)
{
    p->latency = *f;
}

static void set_bandwidth(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f)
{
    p->bandwidth = *f;
    p->free_at = 0;
}

static void set_slice(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f)
{
    p->slice = *f;
    p->slice_next = 0;
    next_slice(p);
}

static void stall(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f)
{
    (void)f;
    p->stalled = true;
}

static void blackhole(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f)
{
    (void)f;
    p->swallowing = true;
}

static void resume(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f)
{
    (void)f;
    p->stalled = false;
    p->swallowing = false;
}

static void end_of_file(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f)
{
    (void)f;
    p->forced = ZRPC_LINK_END_OF_FILE;
}

static void reset(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f)
{
    (void)f;
    if (p->end == ZRPC_LINK_END_OF_FILE)
        p->end = ZRPC_LINK_NO_END;
    p->forced = ZRPC_LINK_END_RESET;
}

static void set_slow_close(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f)
{
    p->slow_close = f->delay;
}

static void corrupt(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f)
{
    p->corrupt_end = p->passed + (f->length == 0 ? 1 : f->length);
    p->corrupt_mask = f->mask;
}

void zrpc_link_pipe_apply(struct zrpc_link_pipe *p, const struct zrpc_link_fault *f)
{
    static void (*const apply[ZRPC_LINK_ACTION_COUNT])(struct zrpc_link_pipe *,
                                                       const struct zrpc_link_fault *) = {
        [ZRPC_LINK_LATENCY] = set_latency, [ZRPC_LINK_BANDWIDTH] = set_bandwidth,
        [ZRPC_LINK_SLICE] = set_slice,     [ZRPC_LINK_STALL] = stall,
        [ZRPC_LINK_BLACKHOLE] = blackhole, [ZRPC_LINK_RESUME] = resume,
        [ZRPC_LINK_EOF] = end_of_file,     [ZRPC_LINK_RESET] = reset,
        [ZRPC_LINK_DROP] = reset,          [ZRPC_LINK_SLOW_CLOSE] = set_slow_close,
        [ZRPC_LINK_CORRUPT] = corrupt,
    };

    if (apply[f->action] != NULL)
        apply[f->action](p, f);
}
