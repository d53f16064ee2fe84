#include "zrpc/backoff.h"

void zrpc_backoff_init(struct zrpc_backoff *b, const struct zrpc_backoff_config *config, uint64_t seed)
{
    static const struct zrpc_backoff_config defaults;
    const struct zrpc_backoff_config *c = config == NULL ? &defaults : config;

    *b = (struct zrpc_backoff){
        .config =
            {
                .base = c->base > 0 ? c->base : ZRPC_BACKOFF_BASE_DEFAULT,
                .max = c->max > 0 ? c->max : ZRPC_BACKOFF_MAX_DEFAULT,
                .factor = c->factor > 0 ? c->factor : ZRPC_BACKOFF_FACTOR_DEFAULT,
                .jitter = c->jitter > 0   ? c->jitter
                          : c->jitter < 0 ? 0
                                          : ZRPC_BACKOFF_JITTER_DEFAULT,
            },
        .random = seed,
    };
    zrpc_backoff_reset(b);
}

void zrpc_backoff_reset(struct zrpc_backoff *b)
{
    b->current = b->config.base < b->config.max ? b->config.base : b->config.max;
}

/* splitmix64, as a number from -1 to 1. */
static double next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (double)(z >> 11) / (double)(UINT64_C(1) << 52) - 1;
}

zrpc_time zrpc_backoff_next(struct zrpc_backoff *b)
{
    double wait = (double)b->current, longer = wait * b->config.factor;

    b->current = longer < (double)b->config.max ? (zrpc_time)longer : b->config.max;
    return (zrpc_time)(wait + wait * b->config.jitter * next_random(&b->random));
}
