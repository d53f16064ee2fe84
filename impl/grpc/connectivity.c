#include "zrpc/connectivity.h"

#include <stddef.h>

static const char *const state_names[] = {
#define STATE_NAME(name) #name,
    ZRPC_CHANNEL_STATE_MAP(STATE_NAME)
#undef STATE_NAME
};

const char *zrpc_channel_state_name(enum zrpc_channel_state state)
{
    return (size_t)state < sizeof state_names / sizeof state_names[0] ? state_names[state] : "UNKNOWN";
}

void zrpc_connectivity_init(struct zrpc_connectivity *c, const struct zrpc_backoff_config *backoff,
                            zrpc_time connect_timeout, uint64_t seed)
{
    *c = (struct zrpc_connectivity){
        .state = ZRPC_CHANNEL_IDLE,
        .connect_timeout = connect_timeout > 0 ? connect_timeout : ZRPC_CONNECT_TIMEOUT_DEFAULT,
        .began = INT64_MIN,
        .retry_at = INT64_MIN,
        .give_up = ZRPC_NEVER,
    };
    zrpc_backoff_init(&c->backoff, backoff, seed);
}

void zrpc_connectivity_want(struct zrpc_connectivity *c)
{
    c->wanted = true;
}

static bool waiting(const struct zrpc_connectivity *c)
{
    return c->state == ZRPC_CHANNEL_TRANSIENT_FAILURE || (c->state == ZRPC_CHANNEL_IDLE && c->wanted);
}

bool zrpc_connectivity_tick(struct zrpc_connectivity *c, zrpc_time now)
{
    zrpc_time wait;

    if (!waiting(c) || now < c->retry_at)
        return false;
    wait = zrpc_backoff_next(&c->backoff);
    c->state = ZRPC_CHANNEL_CONNECTING;
    c->began = now;
    c->retry_at = zrpc_deadline(now, wait);
    c->give_up = zrpc_deadline(now, wait > c->connect_timeout ? wait : c->connect_timeout);
    return true;
}

void zrpc_connectivity_established(struct zrpc_connectivity *c)
{
    if (c->state != ZRPC_CHANNEL_CONNECTING)
        return;
    c->state = ZRPC_CHANNEL_READY;
    c->failure = (struct zrpc_error){0};
    zrpc_backoff_reset(&c->backoff);
    /* However long the attempts before have been apart, a successor of this one need not wait so long. */
    c->retry_at = zrpc_earlier(c->retry_at, zrpc_deadline(c->began, c->backoff.current));
}

void zrpc_connectivity_failed(struct zrpc_connectivity *c, const struct zrpc_error *why)
{
    if (c->state != ZRPC_CHANNEL_CONNECTING)
        return;
    c->state = ZRPC_CHANNEL_TRANSIENT_FAILURE;
    c->failure = *why;
}

void zrpc_connectivity_lost(struct zrpc_connectivity *c, const struct zrpc_error *why)
{
    if (c->state != ZRPC_CHANNEL_READY)
        return;
    c->state = ZRPC_CHANNEL_IDLE;
    c->loss = *why;
}

void zrpc_connectivity_reset_backoff(struct zrpc_connectivity *c)
{
    zrpc_backoff_reset(&c->backoff);
    c->retry_at = zrpc_earlier(c->retry_at, c->state == ZRPC_CHANNEL_CONNECTING
                                                ? zrpc_deadline(c->began, c->backoff.current)
                                                : c->began);
}

void zrpc_connectivity_shutdown(struct zrpc_connectivity *c)
{
    c->state = ZRPC_CHANNEL_SHUTDOWN;
}

zrpc_time zrpc_connectivity_wakeup(const struct zrpc_connectivity *c)
{
    if (c->state == ZRPC_CHANNEL_CONNECTING)
        return c->give_up;
    return waiting(c) ? c->retry_at : ZRPC_NEVER;
}
