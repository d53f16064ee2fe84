#include "sim/link/plan.h"

/* Numbers for one made-up fault: the n-th is always the same. */
struct dice {
    uint64_t seed, fault, n;
};

static uint64_t roll(struct dice *d, uint64_t sides)
{
    return sides == 0 ? 0 : zrpc_link_hash(d->seed, d->fault, d->n++) % sides;
}

static zrpc_time roll_time(struct dice *d, zrpc_time max)
{
    /* Whole milliseconds, to be read by people. */
    return (zrpc_time)(1 + roll(d, (uint64_t)(max / ZRPC_MILLISECOND))) * ZRPC_MILLISECOND;
}

static void latency(struct dice *d, const struct zrpc_link_random *r, struct zrpc_link_fault *f)
{
    f->delay = roll_time(d, r->time / 20);
    f->jitter = roll_time(d, r->time / 20);
}

static void bandwidth(struct dice *d, const struct zrpc_link_random *r, struct zrpc_link_fault *f)
{
    f->rate = 1 + r->bytes / 4 + roll(d, r->bytes * 4);
    f->lasts = roll_time(d, r->time);
}

static void slice(struct dice *d, const struct zrpc_link_random *r, struct zrpc_link_fault *f)
{
    static const uint32_t most[] = {16, 100, 4096, 70000};

    (void)r;
    f->n_sizes = 1 + roll(d, 6);
    for (size_t i = 0; i < f->n_sizes; i++)
        f->sizes[i] = 1 + (uint32_t)roll(d, most[roll(d, 4)]);
}

static void stall(struct dice *d, const struct zrpc_link_random *r, struct zrpc_link_fault *f)
{
    f->lasts = roll_time(d, r->time);
}

static void slow_close(struct dice *d, const struct zrpc_link_random *r, struct zrpc_link_fault *f)
{
    f->delay = roll_time(d, r->time);
}

static void corrupt(struct dice *d, const struct zrpc_link_random *r, struct zrpc_link_fault *f)
{
    (void)r;
    f->length = 1 + roll(d, 8);
    f->mask = (uint8_t)(1u << roll(d, 8));
}

static void (*const fill[ZRPC_LINK_ACTION_COUNT])(struct dice *, const struct zrpc_link_random *,
                                                  struct zrpc_link_fault *) = {
    [ZRPC_LINK_LATENCY] = latency, [ZRPC_LINK_BANDWIDTH] = bandwidth,   [ZRPC_LINK_SLICE] = slice,
    [ZRPC_LINK_STALL] = stall,     [ZRPC_LINK_SLOW_CLOSE] = slow_close, [ZRPC_LINK_CORRUPT] = corrupt,
};

static enum zrpc_link_action roll_action(struct dice *d, uint32_t allowed)
{
    static const uint32_t usual = 1u << ZRPC_LINK_LATENCY | 1u << ZRPC_LINK_BANDWIDTH |
                                  1u << ZRPC_LINK_SLICE | 1u << ZRPC_LINK_STALL | 1u << ZRPC_LINK_BLACKHOLE |
                                  1u << ZRPC_LINK_EOF | 1u << ZRPC_LINK_RESET | 1u << ZRPC_LINK_DROP |
                                  1u << ZRPC_LINK_SLOW_CLOSE;
    uint32_t set = allowed != 0 ? allowed : usual;
    int nth = (int)roll(d, (uint64_t)__builtin_popcount(set));
    int action = 0;

    for (; (set & 1u << action) == 0 || nth-- > 0; action++)
        ;
    return (enum zrpc_link_action)action;
}

static void roll_position(struct dice *d, const struct zrpc_link_random *r, struct zrpc_link_position *at)
{
    static const enum zrpc_link_edge edges[] = {ZRPC_LINK_BEFORE, ZRPC_LINK_AFTER_HEADER, ZRPC_LINK_AFTER,
                                                ZRPC_LINK_INSIDE};
    uint64_t how = roll(d, 10);

    *at = (struct zrpc_link_position){.watch = ZRPC_LINK_BOTH};
    if (how < 5) {
        at->edge = ZRPC_LINK_AT_BYTE;
        /* As often below 100 as below 10000: much happens early. */
        at->byte = roll(d, r->bytes >> roll(d, (uint64_t)(64 - __builtin_clzll(r->bytes))));
    } else if (how < 8) {
        at->edge = edges[roll(d, 4)];
        at->thing = ZRPC_LINK_FRAME;
        at->ordinal = 1 + (uint32_t)roll(d, 20);
        at->byte = at->edge == ZRPC_LINK_INSIDE ? roll(d, 40) : 0;
    } else {
        at->not_before = roll_time(d, r->time);
    }
}

bool zrpc_link_plan_random(const struct zrpc_link_plan *p, uint32_t connection, unsigned i,
                           struct zrpc_link_fault *out)
{
    struct dice of_connection = {.seed = p->seed, .fault = connection};
    struct dice d = {.seed = zrpc_link_hash(p->seed, connection, UINT64_MAX), .fault = i};

    if (p->random.faults == 0 || (p->random.connections != 0 && connection > p->random.connections) ||
        i > roll(&of_connection, p->random.faults))
        return false;
    *out = (struct zrpc_link_fault){
        .action = roll_action(&d, p->random.actions),
        .direction = (enum zrpc_link_direction)roll(&d, 2),
        .connection = connection,
    };
    roll_position(&d, &p->random, &out->at);
    if (fill[out->action] != NULL)
        fill[out->action](&d, &p->random, out);
    return true;
}
