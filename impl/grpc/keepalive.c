#include "zrpc/keepalive.h"

void zrpc_keepalive_init(struct zrpc_keepalive *k, const struct zrpc_keepalive_config *config, zrpc_time now)
{
    zrpc_time interval = config == NULL ? 0 : config->interval,
              timeout = config == NULL ? 0 : config->timeout;

    *k = (struct zrpc_keepalive){
        .config = {.interval = interval > 0 ? interval : ZRPC_KEEPALIVE_INTERVAL_DEFAULT,
                   .timeout = timeout > 0 ? timeout : ZRPC_KEEPALIVE_TIMEOUT_DEFAULT},
        .last = now,
        .probed = ZRPC_NEVER,
    };
}

void zrpc_keepalive_alive(struct zrpc_keepalive *k, zrpc_time now)
{
    k->last = now;
    k->probed = ZRPC_NEVER;
}

void zrpc_keepalive_content(struct zrpc_keepalive *k)
{
    k->pings = 0;
}

zrpc_time zrpc_keepalive_wakeup(const struct zrpc_keepalive *k)
{
    if (k->config.interval == ZRPC_NEVER)
        return ZRPC_NEVER;
    if (k->probed != ZRPC_NEVER)
        return zrpc_deadline(k->probed, k->config.timeout);
    return zrpc_deadline(k->last, k->config.interval);
}

enum zrpc_keepalive_action zrpc_keepalive_tick(struct zrpc_keepalive *k, zrpc_time now, bool calls_open)
{
    if (now < zrpc_keepalive_wakeup(k))
        return ZRPC_KEEPALIVE_NOTHING;
    if (k->probed != ZRPC_NEVER)
        return ZRPC_KEEPALIVE_DEAD;
    k->probed = now;
    if (calls_open && k->pings >= ZRPC_KEEPALIVE_PINGS_TOLERATED)
        return ZRPC_KEEPALIVE_SETTINGS;
    k->pings++;
    return ZRPC_KEEPALIVE_PING;
}

zrpc_time zrpc_keepalive_doubled(zrpc_time interval)
{
    return interval > ZRPC_NEVER / 2 ? interval : interval * 2;
}
