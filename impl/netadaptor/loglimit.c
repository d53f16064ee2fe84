#include "netadaptor/loglimit.h"

bool zrpc_loglimit_admit(struct zrpc_loglimit *l, zrpc_time now, unsigned long *left_out)
{
    zrpc_time from = l->free_at > now ? l->free_at : now;

    if (from - now > (zrpc_time)(l->burst - 1) * l->interval) {
        l->left_out++;
        return false;
    }
    l->free_at = from + l->interval;
    *left_out = l->left_out;
    l->left_out = 0;
    return true;
}
